"""Time and accuracy of isochrone distances, against a plain NumPy sum over all models, in one run.

    python benchmarks/isochrone_distances.py [--stars 733901] [--plain 24] [--jobs 2] [--against REVISION]

The stars are those of the real tables with their own errors, and again with the default errors of 50 K, 0.1
and 0.1 dex; for the full number they are drawn again and again, each time moved at random within its errors.

With --against, print only how many times as many stars a thread does in a second of CPU time as the package at another
revision of this repository. Both take turns with the same stars, so that other work on the machine slows both.
"""

import argparse
import multiprocessing
import os
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np

from skdistmass.isochrones import IsochroneDistanceRegressor, check_isochrone_table, kroupa_number, read_parsec
from skdistmass.isochrones.distances.grid import weighted_points
from skdistmass.isochrones.distances.interpolation import KS, LOG_TEFF, LOGG
from skdistmass.isochrones.distances.observations import read_covariances, read_stars
from skdistmass.surveys import data_dir

FILES = ("kepler_giants.fits", "k2_giants.fits", "dwarfs.fits")
ROUNDS = 3
# A process that times one version of the package: for each line of input, the CPU time of one set of stars.
TIMER = """
import sys, time, numpy as np
from skdistmass.isochrones import IsochroneDistanceRegressor, read_parsec
table, *sets = sys.argv[1:]
model = IsochroneDistanceRegressor().fit(read_parsec(table))
sets = [np.load(path) for path in sets]
for part in sets:
    model.predict(part["stars"][:100], part["errors"][:100])
print("ready", flush=True)
for line in sys.stdin:
    part = sets[int(line)]
    start = time.process_time()
    model.predict(part["stars"], part["errors"])
    print(time.process_time() - start, flush=True)
"""
FRACTIONS = (0.158655254, 0.5, 0.841344746)


def all_points(table, model):
    """Return [Fe/H], Teff, log g, M_Ks and weight of all sub-divided points of a model, in float64."""
    parts = weighted_points(
        check_isochrone_table(table),
        number=model.imf or kroupa_number,
        prior=model.prior,
        phases=model.phases,
        metallicity_step=model.metallicity_step,
        subdivision=model.subdivision,
    )
    columns = [
        (np.full(len(weight), feh), 10.0 ** points[:, LOG_TEFF], points[:, LOGG], points[:, KS], weight)
        for feh, points, weight in parts
    ]
    return [np.concatenate(column) for column in zip(*columns, strict=True)]


def plain_sum(points, star, covariance, step=0.005):
    """Return the 16th, 50th and 84th percentiles of M_Ks of one star, by a sum over all points.

    Parameters
    ----------
    points : list of 5 arrays
        What `all_points` returns.
    star : array of shape (3,)
        [Fe/H], Teff, log g.
    covariance : array of shape (3, 3)
        Of these.
    """
    feh, teff, logg, magnitude, weight = points
    difference = np.stack([feh - star[0], teff - star[1], logg - star[2]])
    chi2 = np.einsum("ik,ij,jk->k", difference, np.linalg.inv(covariance), difference, optimize=True)
    posterior = weight * np.exp(-0.5 * chi2)
    lowest = magnitude.min()
    pdf = np.bincount(((magnitude - lowest) / step).astype(np.int64), posterior)
    cumulative = np.r_[0.0, np.cumsum(pdf)] / pdf.sum()
    return lowest + step * np.interp(FRACTIONS, cumulative, np.arange(len(cumulative)))


def real_stars(model):
    """Return Teff, log g, [Fe/H] and the errors used, of all stars of the real tables."""
    from astropy.table import Table

    stars, errors = [], []
    for name in FILES:
        table = Table.read(data_dir() / name)
        values = read_stars(table)
        covariance, _ = read_covariances(
            table, values, None, None, default=np.array(model.default_error), floor=np.array(model.min_error)
        )
        known = np.isfinite(values).all(axis=1)
        stars.append(values[known])
        errors.append(np.sqrt(np.diagonal(covariance[known], axis1=1, axis2=2))[:, [1, 2, 0]])
    return np.concatenate(stars), np.concatenate(errors)


def compare(model, points, stars, errors, rng, n_plain):
    """Return the time of the plain sum per star, and the differences of percentiles of M_Ks to it."""
    rows = rng.choice(len(stars), n_plain, replace=False)
    posterior = model.predict_posterior(stars[rows], errors[rows], marginals=False)
    fast = np.column_stack([posterior[name].value for name in ("m_ks_p16", "m_ks", "m_ks_p84")])
    start = time.perf_counter()
    plain = [plain_sum(points, stars[row][[2, 0, 1]], np.diag(errors[row][[2, 0, 1]] ** 2)) for row in rows]
    seconds = (time.perf_counter() - start) / n_plain
    return seconds, np.abs(fast - np.array(plain))


def report(name, seconds, differences, rate):
    """Print one line of the comparison."""
    known = np.isfinite(differences).all(axis=1)
    worst = np.percentile(differences[known], [50, 99, 100], axis=0)
    print(
        f"{name:38s} {1 / seconds:7.1f} {rate:9.0f} {rate * seconds:7.0f}   "
        f"{worst[1, 1]:.4f} {worst[2, 1]:.4f}   {worst[1, [0, 2]].max():.4f} {worst[2, [0, 2]].max():.4f}   "
        f"{np.count_nonzero(~known)}"
    )


def rate_of(model, stars, errors, n_stars, rng, **options):
    """Return stars per second for stars drawn with their errors."""
    moved, sigma = moved_stars(stars, errors, n_stars, rng)
    start = time.perf_counter()
    if options:
        model.predict_posterior(moved, sigma, **options)
    else:
        model.predict(moved, sigma)
    return n_stars / (time.perf_counter() - start)


def moved_stars(stars, errors, n_stars, rng):
    """Return stars drawn with their errors, and these errors."""
    rows = rng.integers(0, len(stars), n_stars)
    return stars[rows] + errors[rows] * rng.normal(size=(n_stars, 3)), errors[rows]


def print_ratios(revision, sets, n_stars):
    """Print the ratio of CPU times of another revision and of this one, for sets of stars and errors."""
    with tempfile.TemporaryDirectory() as folder:
        archive = subprocess.run(["git", "archive", revision, "skdistmass"], stdout=subprocess.PIPE, check=True)
        subprocess.run(["tar", "-x", "-C", folder], input=archive.stdout, check=True)
        files = []
        for number, (stars, errors) in enumerate(sets.values()):
            moved, sigma = moved_stars(stars, errors, n_stars, np.random.default_rng(number))
            files.append(str(Path(folder) / f"{number}.npz"))
            np.savez(files[-1], stars=moved, errors=sigma)
        command = [sys.executable, "-c", TIMER, str(data_dir() / "isochrones" / "parsec_v12s.parquet"), *files]
        here = str(Path(__file__).resolve().parents[1])
        pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "text": True}
        timers = [
            subprocess.Popen(command, env=os.environ | {"PYTHONPATH": path}, cwd=path, **pipes)
            for path in (folder, here)
        ]
        for timer in timers:
            timer.stdout.readline()
        print(f"{n_stars} stars, one thread; load {os.getloadavg()[0]:.1f}")
        for number, name in enumerate(sets):
            times = [[_time_of(timer, number) for timer in timers] for _ in range(ROUNDS)]
            before, after = (statistics.median(column) for column in zip(*times, strict=True))
            ratios = sorted(one / other for one, other in times)
            print(
                f"{name:15s} {n_stars / before:7.0f} stars per CPU s at {revision}, {n_stars / after:7.0f} now: "
                f"ratio {statistics.median(ratios):.1f} ({ratios[0]:.1f} to {ratios[-1]:.1f})"
            )
        for timer in timers:
            timer.communicate()


def _time_of(timer, number):
    print(number, file=timer.stdin, flush=True)
    return float(timer.stdout.readline())


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--stars", type=int, default=733901, help="stars to time")
    parser.add_argument("--plain", type=int, default=100, help="stars to compare with the plain sum")
    parser.add_argument("--jobs", type=int, default=2, help="threads")
    parser.add_argument("--parameters", action="store_true", help="also vary the grid's parameters")
    parser.add_argument("--against", metavar="REVISION", help="only compare the speed with this revision's")
    options = parser.parse_args()
    if options.against:
        unfitted = IsochroneDistanceRegressor()
        stars, errors = real_stars(unfitted)
        default = np.broadcast_to(unfitted.default_error, errors.shape)
        sets = {"own errors": (stars, errors), "default errors": (stars, default)}
        print_ratios(options.against, sets, options.stars)
        return
    rng = np.random.default_rng(0)
    start = time.perf_counter()
    table = read_parsec(data_dir() / "isochrones" / "parsec_v12s.parquet")
    read = time.perf_counter()
    model = IsochroneDistanceRegressor(n_jobs=options.jobs).fit(table)
    print(f"read {read - start:.1f} s, fit {time.perf_counter() - read:.1f} s, {model.n_points_} points")
    model.predict([[4800.0, 2.5, 0.0]])
    points = all_points(table, model)
    stars, errors = real_stars(model)
    default = np.broadcast_to(model.default_error, errors.shape)
    print(f"{'':38s} {'plain':>7s} {'this':>9s} {'ratio':>7s}   median 99 %, max   16/84 99 %, max   off grid")
    print(f"{'':38s} {'stars/s':>7s} {'stars/s':>9s}")
    for name, sigma in (("own errors", errors), ("default errors", default)):
        seconds, differences = compare(model, points, stars, sigma, rng, options.plain)
        report(name, seconds, differences, rate_of(model, stars, sigma, options.stars, rng))
    if options.parameters:
        vary_parameters(table, model, points, stars, errors, default, rng, options)
    with tempfile.TemporaryDirectory() as folder:
        model.save(Path(folder) / "model.npz")
        # A process of its own: what this one has freed would hide what is needed.
        process = multiprocessing.get_context("spawn").Process(
            target=cost, args=(Path(folder) / "model.npz", stars, errors, options.stars)
        )
        process.start()
        process.join()


def vary_parameters(table, model, points, stars, errors, default, rng, options):
    """Show what the parameters of the sum, and of the grid, do to speed and result; the points stay the same."""
    for change in (
        {"merging": 0.0}, {"merging": 0.6}, {"n_sigma": 3.0}, {"n_sigma": 6.0}, {"magnitude_step": 0.02},
        {"magnitude_step": 0.04}, {"cell": (0.001, 0.02, 0.02)}, {"cell": (0.003, 0.06, 0.04)},
    ):  # fmt: skip
        other = IsochroneDistanceRegressor(n_jobs=options.jobs, **change).fit(table)
        for name, sigma in (("own", errors), ("default", default)):
            seconds, differences = compare(other, points, stars, sigma, np.random.default_rng(1), options.plain)
            rate = rate_of(other, stars, sigma, min(options.stars, 100000), rng)
            report(f"{change}, {name} errors", seconds, differences, rate)
    for change in (
        {"metallicity_step": 0.1}, {"metallicity_step": 0.025}, {"subdivision": (0.004, 0.06, 0.1)},
        {"subdivision": (0.001, 0.015, 0.025)}, {"min_error": (10.0, 0.02, 0.01)}, {"min_error": (50.0, 0.05, 0.05)},
    ):  # fmt: skip
        other = IsochroneDistanceRegressor(n_jobs=options.jobs, **change).fit(table)
        for name, mine, theirs in (("own", errors, real_stars(other)[1]), ("default", default, default)):
            before, after = model.predict(stars, mine), other.predict(stars, theirs)
            moved = np.abs(after - before)[np.isfinite(after - before)]
            print(f"{change!s}, {name} errors: {other.n_points_} points; median M_Ks moves by "
                  f"{np.percentile(moved, 50):.4f} (half), {np.percentile(moved, 99):.4f} mag (99 %)")  # fmt: skip


def megabytes(key):
    """Return a number of MB from Linux's account of this process: VmRSS now, VmHWM at the peak."""
    with open("/proc/self/status", encoding="ascii") as file:
        return next(int(line.split()[1]) for line in file if line.startswith(key)) / 1e3


def cost(path, stars, errors, n_stars):
    """Print time and memory of whole catalogues; memory is that above what the process had before, at the peak."""
    model, rng = IsochroneDistanceRegressor.load(path), np.random.default_rng(1)
    model.predict(stars[:10])  # compiles
    photometry = {"magnitude": rng.uniform(7.0, 13.0, n_stars), "magnitude_err": 0.02, "extinction_err": 0.02}

    def timed(what, part, marginals=False, **more):
        here = {name: value[:part] if np.ndim(value) else value for name, value in (photometry | more).items()}
        with open("/proc/self/clear_refs", "w", encoding="ascii") as file:
            file.write("5")  # forget the peak
        memory, began = megabytes("VmRSS"), time.process_time()
        rate = rate_of(model, stars, errors, part, rng, marginals=marginals, **here)
        cpu, memory = time.process_time() - began, megabytes("VmHWM") - memory
        load = os.getloadavg()[0]
        print(
            f"{part} {what}: {part / rate:.1f} s, {cpu:.1f} s of CPU time, {memory:.0f} MB, load {load:.1f}", flush=True
        )

    for part in (n_stars // 4, n_stars // 2, n_stars):
        timed("distances", part)
    parallax = {"parallax": rng.uniform(0.2, 2.0, n_stars), "parallax_err": np.full(n_stars, 0.05)}
    timed("distances with parallaxes", n_stars, **parallax)
    timed("distances, masses, ages and radii", n_stars // 4, marginals=True)
    grid = sum(array.nbytes for level in model.grid_.levels for array in vars(level).values()) / 1e6
    print(f"the models take {grid:.0f} MB")


if __name__ == "__main__":
    main()
