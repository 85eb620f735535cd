"""How many true values the intervals of models trained on few stars hold.

For each number of training stars: many sets of mock stars whose residuals scatter by their labels, heavier in the tails
than a normal law and skew. First the error law alone, on residuals of a perfect model; then a whole regressor. The
coverage is that of new stars, averaged over the sets; "sd" is its standard deviation from set to set, which no method
can avoid. Run: ``python benchmarks/small_sets.py [--sets 40]``.
"""

import argparse
import warnings

import numpy as np

from skdistmass import LevenbergMarquardtMLPRegressor
from skdistmass.estimators.label_regressor import LabelRegressor
from skdistmass.exceptions import SmallSampleWarning
from skdistmass.uncertainty import ConformalErrors, normal_coverage

LEVELS = normal_coverage(1.0), normal_coverage(2.0)
SIZES = 60, 100, 200, 500, 1500


def simulate(n_stars, rng):
    """Return labels, a quantity that follows from them, and its deviation for each star."""
    X = rng.normal([4700, 2.5, -0.1, 0.0, 0.2], [300, 0.6, 0.3, 0.1, 0.12], (n_stars, 5))
    scatter = 0.05 * np.exp(-0.4 * (X[:, 1] - 2.5) / 0.6 + 0.2 * (X[:, 2] + 0.1) / 0.3)
    deviation = scatter * (rng.gamma(4.0, size=n_stars) / 2.0 - 2.0)
    return X, X[:, 1] + np.tanh((X[:, 0] - 4700) / 300) * 0.3, deviation


def law_alone(n_stars, rng):
    """Return the coverage of intervals from residuals of a perfect model."""
    X, _, deviation = simulate(n_stars, rng)
    errors = ConformalErrors().fit(X, deviation)
    X, _, truth = simulate(5000, rng)
    scatter = errors.scatter(X)
    return [inside(truth, *(errors.quantile(0.5 + side * level) * scatter for side in (-0.5, 0.5))) for level in LEVELS]


def regressor(n_stars, rng):
    """Return the coverage of intervals of a trained network."""
    X, mean, deviation = simulate(n_stars, rng)
    network = LevenbergMarquardtMLPRegressor(hidden_layer_sizes=4, tol=1e-3)
    model = LabelRegressor(network=network, n_networks=2, random_state=0).fit(X, mean + deviation)
    X, mean, deviation = simulate(5000, rng)
    return [inside(mean + deviation, *model.predict_interval(X, level).T) for level in LEVELS]


def inside(truth, low, high):
    return np.mean((truth >= low) & (truth <= high))


def main():
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n\n")[0])
    parser.add_argument("--sets", type=int, default=40)
    parser.add_argument("--sizes", type=int, nargs="+", default=SIZES)
    options = parser.parse_args()
    warnings.simplefilter("ignore", SmallSampleWarning)
    print(f"{'stars':>6}{'':>4}{'what':<12}{'68.27 %':>9}{'sd':>6}{'95.45 %':>10}{'sd':>6}")
    for n_stars in options.sizes:
        for name, measure in {"law": law_alone, "regressor": regressor}.items():
            found = 100 * np.array([measure(n_stars, np.random.default_rng([n_stars, i])) for i in range(options.sets)])
            (one, two), (sd_one, sd_two) = found.mean(axis=0), found.std(axis=0)
            print(f"{n_stars:>6}{'':>4}{name:<12}{one:>9.1f}{sd_one:>6.1f}{two:>10.1f}{sd_two:>6.1f}", flush=True)


if __name__ == "__main__":
    main()
