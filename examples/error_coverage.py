"""How often the predicted intervals hold the held-back values, for mass and distance of real giants and a mock survey.

    python examples/error_coverage.py [--out FOLDER]

Kepler giants (set SKDISTMASS_DATA to the folder of kepler_giants.fits; without it, mock giants) in five folds of
stars: each fold is predicted by models, and by errors, that have not seen it. The reference value has an error of its
own, which widens each side of the interval in quadrature. On a mock survey the truth itself is known. Draws coverage
against log g and the pulls.
"""

import argparse
from itertools import pairwise
from pathlib import Path

import numpy as np
from real_tables import kepler_giants
from scipy.special import ndtri
from sklearn.model_selection import GroupKFold

from skdistmass import AbsMagRegressor, CNMassRegressor, TrainingCuts
from skdistmass.datasets import make_survey
from skdistmass.labels import LABEL_NAMES, read_labels
from skdistmass.surveys.training_sets import distance_training_set, mass_training_set

LEVELS = (0.683, 0.954)
LOGG_EDGES = np.array([-0.5, 1.0, 1.5, 2.0, 2.3, 2.5, 2.7, 3.0, 3.5])


def covered(model, X, y, y_err, level, X_err=None):
    """Tell which values lie in their interval, and return the pulls (errors in units of the half interval)."""
    predicted = model.predict(X)
    interval = model.predict_interval(X, coverage=level, X_err=X_err)
    sides = np.hypot(interval - predicted[:, None], -ndtri(0.5 - 0.5 * level) * y_err[:, None])
    error = y - predicted
    side = np.where(error < 0, sides[:, 0], sides[:, 1])
    return np.abs(error) <= side, error / side


def held_back(estimator, X, y, y_err, groups, seed=0):
    """Coverage and pulls of every star, by models that have not seen it."""
    inside = {level: np.empty(len(y), bool) for level in LEVELS}
    pulls = np.empty(len(y))
    for train, test in GroupKFold(5, shuffle=True, random_state=seed).split(X, groups=groups):
        model = estimator(random_state=seed).fit(X[train], y[train], groups=groups[train], y_err=y_err[train])
        for level in LEVELS:
            inside[level][test], pull = covered(model, X[test], y[test], y_err[test], level)
            if level == LEVELS[0]:
                pulls[test] = pull
    return inside, pulls


def print_table(name, logg, inside):
    """Print coverage over all and by log g; return the bins with 100 stars or more."""
    print(f"\n{name}\n{'log g':<12}{'stars':>7}" + "".join(f"{level:>9.1%}" for level in LEVELS))
    print(f"{'all':<12}{len(logg):>7}" + "".join(f"{inside[level].mean():>9.1%}" for level in LEVELS))
    rows = []
    for low, high in pairwise(LOGG_EDGES):
        chosen = (logg >= low) & (logg < high)
        if chosen.sum() >= 100:
            rows.append((0.5 * (low + high), *(inside[level][chosen].mean() for level in LEVELS)))
            print(f"{low:4.1f} - {high:<5.1f}{chosen.sum():>7}" + "".join(f"{value:>9.1%}" for value in rows[-1][1:]))
    return np.array(rows)


def draw(results, path):
    """Draw coverage against log g and the distribution of the pulls."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(9, 3.6), layout="constrained")
    left, right = figure.subplots(1, 2)
    grid = np.linspace(-4, 4, 81)
    for (name, (rows, pulls)), color in zip(results.items(), ("#0072B2", "#D55E00"), strict=True):
        for column, (level, marker) in enumerate(zip(LEVELS, "os", strict=True), start=1):
            left.plot(rows[:, 0], 100 * rows[:, column], marker + "-", color=color, label=f"{name}, {level:.1%}")
        right.hist(pulls, bins=grid, density=True, histtype="step", color=color, label=name)
    for level, allowed in zip(LEVELS, (6, 6), strict=True):
        left.axhspan(100 * level - allowed, 100 * level + allowed, color="0.9", zorder=0)
        left.axhline(100 * level, color="0.5", lw=0.8, zorder=1)
    left.set(xlabel=r"$\log g$ [dex, cgs]", ylabel="stars inside their interval [%]", ylim=(50, 102), title="Coverage")
    left.legend(fontsize=8, loc="lower left", ncols=2)
    right.plot(grid, np.exp(-0.5 * grid**2) / np.sqrt(2 * np.pi), color="black", lw=0.8, label="unit normal")
    right.set(xlabel=r"(reference - predicted) / 68.3 % half interval", ylabel="density", title="Pulls")
    right.legend(fontsize=8)
    figure.savefig(path, dpi=150)


def mock_coverage(label_noise):
    """Coverage of the truth on a mock survey, with and without noise in the labels.

    References are drawn about the truth with errors of 1 to 3 % (mass) and 0.01 to 0.03 mag. Where labels are exact the
    truth follows from them to a percent, and what remains is the luck of a training: there the truth gets a scatter of
    5 % that no label knows of, so that there is something to calibrate.
    """
    stars = make_survey(
        20_000,
        giant_fraction=0.7,
        random_state=1,
        binary_fraction=0.0,
        label_noise=label_noise,
        sentinel_fraction=0,
        bad_fraction=0,
    )
    stars = stars[stars["TRUE_LOGG"] < 3.5]
    X = read_labels(stars).values
    X_err = np.column_stack([np.asarray(stars[f"{name}_ERR"]) for name in LABEL_NAMES])
    number = np.unique(np.asarray(stars["APOGEE_ID"]), return_inverse=True)[1]
    test = number % 3 == 0
    rng = np.random.default_rng(0)
    hidden = 0.0 if label_noise else 0.05
    for name, estimator in (("mass", CNMassRegressor), ("abs. magnitude", AbsMagRegressor)):
        scatter = hidden * rng.standard_normal(len(stars))
        true = np.asarray(stars["TRUE_MASS" if name == "mass" else "TRUE_ABS_MAG"], float)
        true = true * np.exp(scatter) if name == "mass" else true + scatter
        y_err = rng.uniform(0.01, 0.03, len(stars)) * (true if name == "mass" else 1.0)
        y = true + y_err * rng.standard_normal(len(stars))
        given = X_err * label_noise if label_noise else None
        model = estimator(random_state=0).fit(
            X[~test], y[~test], groups=number[~test], y_err=y_err[~test], X_err=None if given is None else given[~test]
        )
        kinds = {"errors of the training stars": None}
        if given is not None:
            kinds["each star's own errors"] = given[test]
        for kind, errors in kinds.items():
            values = [covered(model, X[test], true[test], np.zeros(test.sum()), level, errors)[0] for level in LEVELS]
            shares = " ".join(f"{inside.mean():.1%}" for inside in values)
            print(f"mock, label noise {label_noise:g}, {name}, {kind}: {shares} of {test.sum()}")


def print_propagation(stars, labels):
    """Compare label noise through the Jacobian with a simulation, for the errors of real giants."""
    errors = np.column_stack([np.asarray(stars[f"{n}_ERR"], float) for n in LABEL_NAMES])
    chosen = mass_training_set(stars, "MASS", TrainingCuts())
    X, X_err = labels[chosen.rows], errors[chosen.rows]
    model = CNMassRegressor(random_state=0).fit(X, chosen.target, y_err=chosen.target_err, X_err=X_err)
    rng = np.random.default_rng(0)
    rows = rng.permutation(np.flatnonzero(np.isfinite(X_err).all(axis=1)))[:400]
    deviates = rng.standard_normal((2000, 5))
    analytic = model.label_noise(X[rows], X_err[rows])
    total = model.predict(X[rows], return_std=True, X_err=X_err[rows])[1]
    simulated = np.array([model.predict(X[row] + deviates * X_err[row]).std() for row in rows])
    changed = np.abs(np.sqrt(np.maximum(total**2 - analytic**2 + simulated**2, 0.0)) / total - 1.0)
    shares = ", ".join(f"{value:.1%}" for value in np.percentile(changed, [50, 90, 99]))
    print(f"\nlabel noise, share of the mass error: {np.median(analytic / total):.0%} (median of {len(rows)} giants)")
    print(f"mass error by simulation instead of the Jacobian, change: {shares} (50, 90, 99 % of the giants)")


def main():
    """Print the tables and draw the figure."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out", type=Path, default=Path("."), help="folder for error_coverage.png")
    parser.add_argument("--mock-only", action="store_true", help="leave the real stars out")
    arguments = parser.parse_args()
    if not arguments.mock_only:
        stars = kepler_giants()
        labels = read_labels(stars).values
        sets = {
            "distance": (distance_training_set(stars, TrainingCuts()), AbsMagRegressor),
            "mass": (mass_training_set(stars, "MASS", TrainingCuts()), CNMassRegressor),
        }
        results = {}
        for name, (chosen, estimator) in sets.items():
            ids = np.asarray(stars["APOGEE_ID"])[chosen.rows]
            groups = np.where(ids == "", np.arange(len(ids)).astype(str), ids)
            X = labels[chosen.rows]
            inside, pulls = held_back(estimator, X, chosen.target, chosen.target_err, groups)
            results[name] = (print_table(name, X[:, 1], inside), pulls)
        arguments.out.mkdir(parents=True, exist_ok=True)
        draw(results, arguments.out / "error_coverage.png")
        print_propagation(stars, labels)
    print()
    for label_noise in (0.0, 1.0):
        mock_coverage(label_noise)


if __name__ == "__main__":
    main()
