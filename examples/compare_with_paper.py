"""Accuracy on held-back real stars: this package's defaults against the paper's recipe.

    python examples/compare_with_paper.py [--seeds 3]

Kepler giants (set SKDISTMASS_DATA to the folder of kepler_giants.fits; without it, mock giants), five folds of stars,
the same folds for both. The scatter is 1.4826 times the median absolute deviation of predicted / reference - 1.
"""

import argparse
import warnings

import numpy as np
from real_tables import kepler_giants
from sklearn.exceptions import ConvergenceWarning
from sklearn.model_selection import GroupKFold

from skdistmass import AbsMagRegressor, CNMassRegressor, TrainingCuts
from skdistmass.labels import read_labels
from skdistmass.surveys.training_sets import distance_training_set, mass_training_set
from skdistmass.uncertainty import robust_scatter


def fractional_error(name, target, predicted):
    """Fractional error of the distance or the mass."""
    return 10.0 ** (0.2 * (target - predicted)) - 1.0 if name == "distance" else predicted / target - 1.0


def held_back(model, X, y, y_err, groups, seed):
    """Predictions of every star by a model that has not seen it."""
    predicted = np.empty(len(y))
    for train, test in GroupKFold(5, shuffle=True, random_state=seed).split(X, groups=groups):
        model.fit(X[train], y[train], sample_weight=y_err[train] ** -2.0, groups=groups[train])
        predicted[test] = model.predict(X[test])
    return predicted


def main():
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seeds", type=int, default=3, help="number of random divisions into folds")
    seeds = range(parser.parse_args().seeds)
    warnings.simplefilter("ignore", ConvergenceWarning)
    stars = kepler_giants()
    labels = read_labels(stars).values
    exact = np.asarray(stars["LABEL_SRC"] == "DR17")
    sets = {
        "distance": (distance_training_set(stars, TrainingCuts()), AbsMagRegressor),
        "mass": (mass_training_set(stars, "MASS", TrainingCuts()), CNMassRegressor),
    }
    print(
        f"{'':<10}{'stars':>7}  {'recipe':<10}{'scatter':>9}{'DR17 only':>11}{'bias':>9}{'rms':>8}{'against paper':>15}"
    )
    for name, (chosen, estimator) in sets.items():
        ids = np.asarray(stars["APOGEE_ID"])[chosen.rows]
        groups = np.where(ids == "", np.arange(len(ids)).astype(str), ids)
        paper = None
        for recipe, new in (("paper", estimator.paper), ("default", estimator)):
            rows = []
            for seed in seeds:
                model = new(error_model=None, random_state=seed)
                predicted = held_back(model, labels[chosen.rows], chosen.target, chosen.target_err, groups, seed)
                error = fractional_error(name, chosen.target, predicted)
                part = error[exact[chosen.rows]]
                rows.append([robust_scatter(error), robust_scatter(part), np.median(error), np.std(error)])
            scatter, dr17, bias, rms = np.mean(rows, axis=0)
            paper = paper or scatter
            print(
                f"{name:<10}{len(ids):>7}  {recipe:<10}{scatter:>9.4f}{dr17:>11.4f}{bias:>+9.4f}{rms:>8.4f}"
                f"{scatter / paper - 1:>+15.1%}",
                flush=True,
            )


if __name__ == "__main__":
    main()
