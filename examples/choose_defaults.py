"""Choose the networks' default parameters by cross-validation on real stars.

    python examples/choose_defaults.py [--seeds 1] [--quick]

For each setting the robust scatter (1.4826 MAD) of the fractional error of held-back Kepler giants, five folds of
stars (set SKDISTMASS_DATA to the folder of kepler_giants.fits; without it, mock giants). The settings differ from the
defaults by what is printed.
"""

import argparse
import time
import warnings

import numpy as np
from compare_with_paper import fractional_error, held_back
from real_tables import kepler_giants
from sklearn.exceptions import ConvergenceWarning
from sklearn.neural_network import MLPRegressor

from skdistmass import AbsMagRegressor, CNMassRegressor, TrainingCuts
from skdistmass.estimators.binaries import BinaryResidualFilter
from skdistmass.labels import read_labels
from skdistmass.surveys.training_sets import distance_training_set, mass_training_set
from skdistmass.uncertainty import robust_scatter

LBFGS = MLPRegressor(
    hidden_layer_sizes=(8, 8), activation="tanh", solver="lbfgs", alpha=0.1, max_iter=3000, max_fun=300_000
)
SETTINGS = [
    {},
    {"n_networks": 1},
    {"n_networks": 8},
    {"network__hidden_layer_sizes": (8,)},
    {"network__hidden_layer_sizes": (16,)},
    {"network__hidden_layer_sizes": (32,)},
    {"network__hidden_layer_sizes": (6, 6)},
    {"network__hidden_layer_sizes": (12, 12)},
    {"network__hidden_layer_sizes": (8, 8, 8)},
    {"network__alpha": 0.001},
    {"network__alpha": 0.01},
    {"network__alpha": 0.3},
    {"network__alpha": 1.0},
    {"network__alpha": 3.0},
    {"network__activation": "relu"},
    {"network__activation": "logistic"},
    {"network": LBFGS},
    {"network__early_stopping": True},
]
QUICK = [{"network__hidden_layer_sizes": (4,), "n_networks": 1}, {"network__hidden_layer_sizes": (4,), "n_networks": 2}]
DISTANCE_ONLY = [
    {"binary_filter": BinaryResidualFilter(random_state=0)},
    {"binary_filter": BinaryResidualFilter(threshold=0.2, random_state=0)},
]


def main():
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seeds", type=int, default=1, help="number of random divisions into folds")
    parser.add_argument("--quick", action="store_true", help="two tiny settings only, to see that it runs")
    arguments = parser.parse_args()
    warnings.simplefilter("ignore", ConvergenceWarning)
    stars = kepler_giants()
    labels = read_labels(stars).values
    sets = {
        "distance": (distance_training_set(stars, TrainingCuts()), AbsMagRegressor),
        "mass": (mass_training_set(stars, "MASS", TrainingCuts()), CNMassRegressor),
    }
    print(f"{'':<10}{'scatter':>9}{'rms':>8}{'s per fit':>11}  setting")
    for name, (chosen, estimator) in sets.items():
        ids = np.asarray(stars["APOGEE_ID"])[chosen.rows]
        groups = np.where(ids == "", np.arange(len(ids)).astype(str), ids)
        settings = QUICK if arguments.quick else SETTINGS + (DISTANCE_ONLY if name == "distance" else [])
        for setting in settings:
            start = time.perf_counter()
            errors = []
            for seed in range(arguments.seeds):
                model = estimator(error_model=None, random_state=seed).set_params(**setting)
                predicted = held_back(model, labels[chosen.rows], chosen.target, chosen.target_err, groups, seed)
                errors.append(fractional_error(name, chosen.target, predicted))
            seconds = (time.perf_counter() - start) / (5 * arguments.seeds)
            scatter, rms = np.mean([[robust_scatter(error), np.std(error)] for error in errors], axis=0)
            print(f"{name:<10}{scatter:>9.4f}{rms:>8.4f}{seconds:>11.2f}  {setting or 'defaults'}", flush=True)


if __name__ == "__main__":
    main()
