"""Out-of-fold predictions by one Gauss-Newton step against trainings, on Kepler giants and on mock stars.

    python benchmarks/out_of_fold.py [--rows 60000]

Prints the weighted mean square of the residuals of mass (in units of its variance): of the network that has seen the
stars, by one step without their fold, and by networks trained on without their fold; and the time of each.
"""

import argparse
import time
import warnings

import numpy as np
from sklearn.preprocessing import StandardScaler

from skdistmass import LevenbergMarquardtMLPRegressor, TrainingCuts
from skdistmass.datasets import make_survey
from skdistmass.networks.fitting import train_network
from skdistmass.networks.folds import networks_without_folds
from skdistmass.networks.rows import fold_numbers
from skdistmass.surveys import as_stars, data_dir, read_survey
from skdistmass.surveys.training_sets import mass_training_set

FOLDS = 5


def compare(name, stars, column):
    chosen = mass_training_set(stars, column, TrainingCuts())
    X = StandardScaler().fit_transform(stars.labels[chosen.rows])
    y = (chosen.target - chosen.target.mean()) / chosen.target.std()
    weight = chosen.target_err**-2.0
    weight /= weight.mean()
    fold = fold_numbers(np.arange(len(X)), FOLDS, 0)
    lm = LevenbergMarquardtMLPRegressor(random_state=0)
    network = train_network(lm, X, y, weight, n_distinct=len(X), random_state=0)
    start = time.perf_counter()
    stepped = networks_without_folds(network, X, y, weight, fold, lm.alpha / len(X))
    step_time = time.perf_counter() - start
    start = time.perf_counter()
    trained = []
    for number in range(FOLDS):
        rows = fold != number
        again = LevenbergMarquardtMLPRegressor(random_state=0, warm_start=True)
        again.mlp_, again.n_features_in_ = network, X.shape[1]
        trained.append(again.fit(X[rows], y[rows], weight[rows]).mlp_)
    train_time = time.perf_counter() - start

    def error(networks):
        squares = [weight[fold == k] * (networks[k].predict(X[fold == k]) - y[fold == k]) ** 2 for k in range(FOLDS)]
        return np.concatenate(squares).sum() / weight.sum()

    print(
        f"{name:<16} {len(X):>7} rows: seen {error([network] * FOLDS):.4f}, one step {error(stepped):.4f} "
        f"({step_time:.2f} s), trained on {error(trained):.4f} ({train_time:.2f} s)"
    )


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rows", type=int, default=60_000, help="rows of the mock survey")
    arguments = parser.parse_args()
    warnings.simplefilter("ignore")
    compare("Kepler giants", read_survey(data_dir() / "kepler_giants.fits"), "MASS")
    mock = make_survey(arguments.rows, seismic_fraction=1.0, giant_fraction=1.0, random_state=0)
    compare("mock giants", as_stars(mock), "MASS_CAL")


if __name__ == "__main__":
    main()
