"""Keep the shipped model and predictions of it for the tests, when a format version is released.

    python examples/make_golden_predictions.py

Write model, stars and catalogue to ``tests/deploy/golden/format-VERSION``. The folder of a released version stays as
long as files of that version are read, and shows that they are.
"""

import shutil
from pathlib import Path

import numpy as np

from skdistmass.datasets import make_survey
from skdistmass.deploy.format import FORMAT_VERSION
from skdistmass.deploy.pretrained import load_pretrained, pretrained_path


def _write(path, columns):
    table = np.column_stack([np.asarray(column, dtype=float) for column in columns.values()])
    np.savetxt(path, table, fmt="%.17g", delimiter=",", header=",".join(columns), comments="")


def main():
    folder = Path(__file__).parents[1] / "tests" / "deploy" / "golden" / f"format-{FORMAT_VERSION}"
    folder.mkdir(parents=True, exist_ok=True)
    shutil.copy(pretrained_path("kepler-giants"), folder / "model.onnx")
    model = load_pretrained("kepler-giants")
    stars = model.read(make_survey(60, random_state=7, sentinel_fraction=0.05))
    _write(folder / "stars.csv", stars)
    _write(folder / "catalog.csv", model.predict(stars))
    print(f"wrote {folder.relative_to(Path(__file__).parents[1])}")


if __name__ == "__main__":
    main()
