"""Search a few hundred settings of the mass network by cross-validation: minutes, not hours.

    python examples/grid_search_mass.py [--n-jobs -1] [--folds 3]

Every setting (width and depth, activation, L2 penalty) is trained by Levenberg-Marquardt on the Kepler giants (set
SKDISTMASS_DATA to the folder of kepler_giants.fits; without it, mock giants) with masses good to 10 %, and judged by
the robust scatter of the fractional mass in the folds left out, a star and its repeated observations always in the
same fold. `GridSearchCV` runs several fits at once in processes of their own; each of them then takes one thread (or
its share of the processors), so that processes and threads don't fight.
"""

import argparse
import time
import warnings

import numpy as np
from real_tables import kepler_giants
from sklearn.exceptions import ConvergenceWarning
from sklearn.metrics import make_scorer
from sklearn.model_selection import GridSearchCV, GroupKFold

from skdistmass.estimators.cn_mass import CNMassRegressor

GRID = {
    "network__hidden_layer_sizes": [(4,), (8,), (12,), (16,), (24,), (4, 4), (8, 4), (8, 8)],
    "network__activation": ["tanh", "logistic", "relu"],
    "network__alpha": [1e-3, 1e-2, 3e-2, 0.1, 0.3, 1.0, 3.0, 10.0, 30.0],
}


def robust_scatter(mass, predicted):
    """Return the scatter of the fractional difference: 1.4826 times its median absolute deviation."""
    difference = predicted / mass - 1.0
    return 1.4826 * np.median(np.abs(difference - np.median(difference)))


def load():
    """Return labels, masses, their errors, and the names of the giants with masses good to 10 %."""
    stars = kepler_giants()
    X, mass, error = stars.labels, stars["MASS"], stars["MASS_ERR"]
    with np.errstate(invalid="ignore"):
        used = np.isfinite(X).all(1) & (error / mass < 0.1) & (mass > 0.5) & (mass < 4.0)
    return X[used], mass[used], error[used], stars["APOGEE_ID"][used]


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n\n")[0])
    parser.add_argument("--n-jobs", type=int, default=-1)
    parser.add_argument("--folds", type=int, default=3)
    options = parser.parse_args()
    X, mass, error, star = load()
    search = GridSearchCV(
        CNMassRegressor(n_networks=1, error_model=None, random_state=0),
        GRID,
        scoring=make_scorer(robust_scatter, greater_is_better=False),
        cv=GroupKFold(options.folds),
        n_jobs=options.n_jobs,
        refit=False,
    )
    n_settings = int(np.prod([len(values) for values in GRID.values()]))
    start = time.perf_counter()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)
        search.fit(X, mass, y_err=error, groups=star)
    print(f"{n_settings} settings x {options.folds} folds, {len(mass)} stars: {time.perf_counter() - start:.0f} s")
    results = search.cv_results_
    print(f"{'scatter':>8}{'+-':>7}{'fit s':>7}  setting")
    for i in np.argsort(results["rank_test_score"])[:10]:
        setting = ", ".join(f"{name}={value}" for name, value in results["params"][i].items())
        spread = results["std_test_score"][i] / np.sqrt(options.folds)
        print(f"{-results['mean_test_score'][i]:>8.4f}{spread:>7.4f}{results['mean_fit_time'][i]:>7.2f}  {setting}")


if __name__ == "__main__":
    main()
