"""The main job at survey size: train on a mock allStar file and a table of masses, then make the catalogue.

    python benchmarks/training_scale.py [--rows 733901] [--folder /tmp/scale]

Writes an allStar file of mock stars without masses, a table of masses keyed by KIC and a table of KIC and 2MASS names,
runs ``skdistmass train`` and ``skdistmass catalog`` on them as processes, and prints wall time and peak memory of each,
with the time of scikit-learn's own Adam fit of as many rows and of plain reading. Machines differ: compare the ratios.
"""

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
from astropy.io import fits
from astropy.table import Table
from mock_allstar import write_mock_allstar

SKLEARN = """
import sys, time, numpy as np
from sklearn.neural_network import MLPRegressor
rng = np.random.default_rng(0)
X = rng.normal(size=(int(sys.argv[1]), 5))
y = np.tanh(X[:, 0]) + 0.5 * X[:, 1] ** 2 + 0.1 * X[:, 2] + 0.05 * rng.normal(size=len(X))
start = time.perf_counter()
MLPRegressor(hidden_layer_sizes=(8,), early_stopping=True, random_state=0).fit(X, y)
print(time.perf_counter() - start)
"""
READ = """
import sys, time
from skdistmass.surveys import SurveyFile
start = time.perf_counter()
for chunk in SurveyFile(sys.argv[1]).chunks(50_000):
    pass
print(time.perf_counter() - start)
"""


def run(name, command):
    """Run a command, print its time and peak memory, and return the time and what it printed."""
    start = time.perf_counter()
    process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
    output = process.stdout.read()
    _, status, usage = os.wait4(process.pid, 0)
    wall = time.perf_counter() - start
    if status != 0:
        sys.exit(f"{name} failed:\n{output}")
    print(f"{name:<28} {wall:8.1f} s wall {usage.ru_utime + usage.ru_stime:8.1f} s CPU {usage.ru_maxrss / 1e6:6.2f} GB")
    return wall, output


def make_tables(folder, rows):
    """Write the survey, and masses of a tenth of its giants with the names that connect them."""
    survey = folder / "allStar.fits"
    if not survey.exists():
        write_mock_allstar(survey, rows, truth=True, random_state=0)
    with fits.open(survey, memmap=True) as hdus:
        data = hdus[1].data
        names, mass, logg = (np.array(data[n]) for n in ("APOGEE_ID", "TRUE_MASS", "TRUE_LOGG"))
    rng = np.random.default_rng(0)
    first = np.unique(names, return_index=True)[1]
    chosen = first[(logg[first] < 3.3) & (rng.random(len(first)) < min(0.1, 10_000 / len(first) * 2))]
    kic = np.arange(1, len(chosen) + 1)
    measured = mass[chosen] * (1 + 0.05 * rng.standard_normal(len(chosen)))
    Table({"KIC": kic, "MASS": measured, "MASS_ERR": 0.05 * measured}).write(folder / "masses.csv", overwrite=True)
    short = [name.decode() if isinstance(name, bytes) else name for name in names[chosen].tolist()]
    Table({"KIC": kic, "2MASS_ID": [name.strip()[2:] for name in short]}).write(folder / "names.csv", overwrite=True)
    return survey


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rows", type=int, default=733_901)
    parser.add_argument("--folder", type=Path, help="kept; by default a temporary one")
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as scratch:
        folder = arguments.folder or Path(scratch)
        folder.mkdir(parents=True, exist_ok=True)
        survey = make_tables(folder, arguments.rows)
        model, catalog = folder / "scale.model", folder / "catalog.fits"
        python, cli = sys.executable, [sys.executable, "-c", "from skdistmass.cli import main; main()"]
        joined = ["--join", folder / "masses.csv", "--join", folder / "names.csv"]
        train, said = run("skdistmass train", [*cli, "train", survey, *joined, "-o", model, "--overwrite"])
        print(said)
        from skdistmass import load_model

        n_trained = load_model(model).accuracy_["ABS_MAG"]["n_stars"]
        _, bare = run("scikit-learn's Adam fit", [python, "-c", SKLEARN, str(n_trained)])
        _, reading = run("reading the columns", [python, "-c", READ, survey])
        made, _ = run("skdistmass catalog", [*cli, "catalog", survey, "--model", model, "-o", catalog, "--overwrite"])
        ratios = {
            "stars trained on": n_trained,
            "train / Adam fit": round(train / float(bare), 1),
            "catalog / reading": round(made / float(reading), 1),
        }
        print(json.dumps(ratios))


if __name__ == "__main__":
    main()
