"""The main job at survey size: train on a mock allStar file and a table of masses, then make the catalogue.

    python benchmarks/training_scale.py [--rows 733901] [--folder /tmp/scale]
    python benchmarks/training_scale.py --rows 73390 733901 2900000 --no-ratios

Writes an allStar file of mock stars without masses, a table of masses keyed by KIC and a table of KIC and 2MASS names,
runs ``skdistmass train`` and ``skdistmass catalog`` on them as processes, and prints wall time and peak memory of each,
with the time of scikit-learn's own Adam fit of as many rows and of plain reading. Machines differ: compare the ratios.
"""

import argparse
import multiprocessing
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
from sklearn.preprocessing import scale
from skdistmass.extinction import ExtinctionChoice
from skdistmass.surveys.training_sets import TrainingCuts, distance_training_set, read_training_stars
stars = read_training_stars(sys.argv[1], ExtinctionChoice())
chosen = distance_training_set(stars, TrainingCuts())
X, y = scale(stars.labels[chosen.rows]), scale(chosen.target)
weight = chosen.target_err ** -2.0
start = time.perf_counter()
MLPRegressor(hidden_layer_sizes=(8,), early_stopping=True, random_state=0).fit(X, y, weight / weight.mean())
print(time.perf_counter() - start)
"""
COPY = """
import sys, time
from astropy.table import Table
from skdistmass.surveys import SurveyFile
catalog = Table.read(sys.argv[2])
start = time.perf_counter()
for chunk in SurveyFile(sys.argv[1]).chunks(50_000):
    pass
catalog.write(sys.argv[3], overwrite=True)
print(time.perf_counter() - start)
"""


def run(name, command):
    """Run a command, print its time and peak memory, and return wall and CPU seconds, gigabytes and what it printed."""
    start = time.perf_counter()
    process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
    output = process.stdout.read()
    _, status, usage = os.wait4(process.pid, 0)
    wall, cpu, gigabytes = time.perf_counter() - start, usage.ru_utime + usage.ru_stime, usage.ru_maxrss / 1e6
    if status != 0:
        sys.exit(f"{name} failed:\n{output}")
    print(f"{name:<28} {wall:8.1f} s wall {cpu:8.1f} s CPU {gigabytes:6.2f} GB", flush=True)
    return (wall, cpu, gigabytes), output


def make_tables(survey, rows):
    """Write the survey, and masses of a tenth of its giants with the names that connect them."""
    folder = survey.parent
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


def measure(survey, rows, bare):
    """Train on a survey and make its catalogue; return seconds and gigabytes of both."""
    # In a process of its own: a process counts the memory of the one that started it as its own.
    maker = multiprocessing.get_context("spawn").Process(target=make_tables, args=(survey, rows))
    maker.start()
    maker.join()
    if maker.exitcode:
        sys.exit(maker.exitcode)
    folder = survey.parent
    model, catalog = folder / "scale.model", folder / "catalog.fits"
    python, cli = sys.executable, [sys.executable, "-c", "from skdistmass.cli import main; main()"]
    joined = ["--join", folder / "masses.csv", "--join", folder / "names.csv"]
    train, said = run("skdistmass train", [*cli, "train", survey, *joined, "-o", model, "--overwrite"])
    print(said)
    made, _ = run("skdistmass catalog", [*cli, "catalog", survey, "--model", model, "-o", catalog, "--overwrite"])
    if bare:
        _, seconds = run("scikit-learn's Adam fit", [python, "-W", "ignore", "-c", SKLEARN, survey])
        print(f"train / Adam fit of the same rows: {train[0] / float(seconds):.1f}")
        copy = [python, "-W", "ignore", "-c", COPY, survey, catalog, folder / "copy.fits"]
        _, seconds = run("reading and writing", copy)
        print(f"catalog / reading its columns and writing its table: {made[0] / float(seconds):.1f}")
    return {"train": train, "catalog": made}


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rows", type=int, nargs="+", default=[733_901], help="with several, the growth is printed")
    parser.add_argument("--folder", type=Path, help="kept; by default a temporary one")
    parser.add_argument("--no-ratios", action="store_true", help="no Adam fit, no plain reading and writing")
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as scratch:
        first = None
        for rows in arguments.rows:
            folder = (arguments.folder or Path(scratch)) / str(rows)
            folder.mkdir(parents=True, exist_ok=True)
            print(f"{rows} rows", flush=True)
            measured = measure(folder / "allStar.fits", rows, not arguments.no_ratios)
            first = first or (rows, measured)
            for name, (_, cpu, gigabytes) in measured.items():
                n, (_, c, g) = first[0], first[1][name]
                print(f"{name}: {rows / n:.1f} x rows, {cpu / c:.1f} x CPU, {gigabytes / g:.2f} x memory", flush=True)


if __name__ == "__main__":
    main()
