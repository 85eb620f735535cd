"""Levenberg-Marquardt against L-BFGS over many seeds, on real stars: spread of the loss, lost fits, held-out loss.

Two sets of Kepler giants: log mass (seismic, errors below 10 %) and absolute K magnitude (Gaia). A fifth of each
is held out. A fit counts as lost if its loss is more than 1.25 times the median of the L-BFGS fits.

    python benchmarks/training_robustness.py [--seeds 50] [--units 8] [--n-jobs 2]
"""

import argparse
import time
import warnings

import numpy as np
from joblib import Parallel, delayed
from sklearn.neural_network import MLPRegressor
from training_speed import LABELS, stars

from skdistmass import LevenbergMarquardtMLPRegressor


def mass_stars():
    """Return labels, ln mass and its error of the giants with masses good to 10 %."""
    from astropy.table import Table

    from skdistmass.surveys import data_dir

    table = Table.read(data_dir() / "kepler_giants.fits")
    labels = np.column_stack([np.ma.filled(table[name], np.nan) for name in LABELS]).astype(float)
    mass, error = (np.ma.filled(table[name], np.nan).astype(float) for name in ("MASS", "MASS_ERR"))
    with np.errstate(invalid="ignore"):
        used = np.isfinite(labels).all(1) & (error / mass < 0.1) & (mass > 0.5) & (mass < 4.0)
    return labels[used], np.log(mass[used]), (error / mass)[used]


def fit_lbfgs(X, y, weight, units, seed):
    model = MLPRegressor(
        hidden_layer_sizes=(units,), activation="tanh", solver="lbfgs", random_state=seed, max_iter=1000, max_fun=10**6
    )
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # stops at 1000 iterations
        return model.fit(X, y, sample_weight=weight)


def fit_lm(X, y, weight, units, seed):
    return LevenbergMarquardtMLPRegressor(hidden_layer_sizes=(units,), alpha=1e-4, random_state=seed).fit(X, y, weight)


def one(fit, train, held, units, seed):
    start = time.perf_counter()
    model = fit(*train, units, seed)
    seconds = time.perf_counter() - start
    X, y, weight = held
    return model.loss_, 0.5 * np.average((model.predict(X) - y) ** 2, weights=weight), seconds


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n\n")[0])
    parser.add_argument("--seeds", type=int, default=50)
    parser.add_argument("--units", type=int, default=8)
    parser.add_argument("--n-jobs", type=int, default=2)
    options = parser.parse_args()
    print(f"{'set':<10}{'trainer':<8}{'loss median':>12}{'best':>10}{'worst':>10}{'lost':>6}{'held-out':>10}{'s':>7}")
    for name, (labels, target, error) in {"ln mass": mass_stars(), "M_K": stars()}.items():
        X = (labels - labels.mean(0)) / labels.std(0)
        weight = error**-2 / np.mean(error**-2)
        order = np.random.default_rng(0).permutation(len(X))
        parts = order[len(X) // 5 :], order[: len(X) // 5]
        train, held = ((X[part], target[part], weight[part]) for part in parts)
        middle = None
        for trainer, fit in {"lbfgs": fit_lbfgs, "lm": fit_lm}.items():
            runs = Parallel(options.n_jobs)(
                delayed(one)(fit, train, held, options.units, seed) for seed in range(options.seeds)
            )
            loss, loss_held, seconds = np.array(runs).T
            middle = middle or np.median(loss)
            print(
                f"{name:<10}{trainer:<8}{np.median(loss):>12.6f}{loss.min():>10.6f}{loss.max():>10.6f}"
                f"{np.sum(~(loss < 1.25 * middle)):>6}{np.median(loss_held):>10.6f}{np.median(seconds):>7.2f}",
                flush=True,
            )


if __name__ == "__main__":
    main()
