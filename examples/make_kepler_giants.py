"""Train and write the models that come with the package: giants of the Kepler field.

Read ``kepler_giants.fits`` (see `skdistmass.surveys.data_dir`), train a `DistMassModel` and write the ONNX files that
`skdistmass.load_pretrained` reads. The same data and the package versions that the model card names give the same
bytes. After a change, run ``examples/make_golden_predictions.py``, too.

    python examples/make_kepler_giants.py                  # replaces the shipped files
    python examples/make_kepler_giants.py --check          # makes them again, compares, and fails if they differ
"""

import argparse
import filecmp
import sys
import tempfile
import warnings
from pathlib import Path

from astropy.table import Table

import skdistmass
from skdistmass import DistMassModel
from skdistmass.deploy import export_model
from skdistmass.exceptions import RowsLeftOutWarning
from skdistmass.surveys import data_dir, read_survey

SHIPPED = Path(skdistmass.__file__).parent / "deploy" / "models"
VARIANTS = {
    "kepler-giants": {},
    "kepler-giants-errors": {"input_errors": True},
    "kepler-giants-float32": {"dtype": "float32"},
}
CARD = {
    "description": "distance, mass and age of red giants from APOGEE labels",
    "date": "2026-11-26",  # of the training; a constant, so that the bytes do not change from day to day
    "licence": "BSD-3-Clause (model); training data: see the references",
    "training_set": "kepler_giants.fits: giants of the Kepler field, with APOGEE DR17 labels, 2MASS, Gaia EDR3 and "
    "seismic masses",
    "limits": "For giants (log g < 3.5) like those of the Kepler field: metallicities near that of the Sun, labels on "
    "the scale of DR17, [Fe/H] as the metallicity. Other stars get values with flags: DISTANCE_SPACE and MASS_SPACE 1 "
    "(edge), 2 (outside) or 3 (label missing), BITMASK 2 (outside the mass model), AGE_FLAG (no age, and why). Ages "
    "are given below log g 3.5, from 0.8 to 8 Msun and [Fe/H] -0.5 to 0.5.",
    "references": [
        "Stone-Martinez et al. 2024: the method",
        "Abdurro'uf et al. 2022: APOGEE DR17 labels",
        "Pinsonneault et al. 2018, 2025: APOKASC masses",
        "Miglio et al. 2021; Yu et al. 2018: further seismic masses",
        "Skrutskie et al. 2006: 2MASS; Gaia Collaboration 2021, Bailer-Jones et al. 2021: distances",
        "Choi et al. 2016; Bressan et al. 2012: isochrones behind the ages",
    ],
}


def train():
    """Train on the giants of the Kepler field, and return the fitted model."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", RowsLeftOutWarning)
        stars = read_survey(data_dir() / "kepler_giants.fits")
        model = DistMassModel(random_state=0)
        return model.fit(stars, progress=lambda name, total: print(f"trained {name}" if name else f"{total} networks"))


def write(model, folder):
    """Write all variants, and return their paths."""
    paths = []
    for name, options in VARIANTS.items():
        paths.append(Path(folder) / f"{name}.onnx")
        export_model(model, paths[-1], card={"name": name, **CARD}, **options)
    return paths


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--check", action="store_true", help="compare with the shipped files instead of replacing them")
    parser.add_argument("--save", type=Path, help="also save the model itself there")
    arguments = parser.parse_args()
    model = train()
    table = Table(rows=[{"part": name, **found} for name, found in model.accuracy_.items()])
    for column in table.colnames[2:]:
        table[column].format = ".4f"
    table.pprint_all()
    if arguments.save:
        model.save(arguments.save)
    if not arguments.check:
        SHIPPED.mkdir(exist_ok=True)
        for path in write(model, SHIPPED):
            print(f"wrote {path.name}: {path.stat().st_size / 1024:.0f} kB")
        return
    with tempfile.TemporaryDirectory() as folder:
        different = [p.name for p in write(model, folder) if not filecmp.cmp(p, SHIPPED / p.name, shallow=False)]
    if different:
        sys.exit(f"not the same as the shipped files: {', '.join(different)}")
    print("all the same as the shipped files")


if __name__ == "__main__":
    main()
