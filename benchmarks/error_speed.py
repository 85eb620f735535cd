"""Time what errors and flags cost on top of bare predictions, for as many stars as the paper's catalogue.

    python benchmarks/error_speed.py [--rows N]

Trains both regressors and a training space on a mock survey, and prints the median of five runs of each, as a ratio to
the bare prediction.
"""

import argparse
import time

import numpy as np

from skdistmass import AbsMagRegressor, CNMassRegressor, TrainingSpace
from skdistmass.datasets import make_survey
from skdistmass.labels import read_labels


def median_time(function):
    """Median wall time of five runs, in seconds."""
    times = []
    for _ in range(5):
        start = time.perf_counter()
        function()
        times.append(time.perf_counter() - start)
    return np.median(times)


def main():
    """Train, predict and print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rows", type=int, default=733_901, help="stars to predict (default: %(default)s)")
    rows = parser.parse_args().rows
    stars = make_survey(6000, giant_fraction=1.0, seismic_fraction=1.0, sentinel_fraction=0, random_state=0)
    stars = stars[(stars["TRUE_LOGG"] < 3.5) & np.isfinite(stars["MASS"])]
    labels = read_labels(stars).values
    errors = np.column_stack([np.asarray(stars[f"{n}_ERR"], float) for n in ("TEFF", "LOGG", "M_H", "C_FE", "N_FE")])
    mass = CNMassRegressor(random_state=0).fit(labels, stars["MASS"], y_err=stars["MASS_ERR"], X_err=errors)
    abs_mag = AbsMagRegressor(random_state=0).fit(labels, stars["TRUE_ABS_MAG"], X_err=errors)
    space = TrainingSpace().fit(labels)

    rng = np.random.default_rng(0)
    drawn = rng.integers(0, len(labels), rows)
    X_err = errors[drawn]
    X = labels[drawn] + X_err * rng.standard_normal((rows, 5))
    models = (mass, abs_mag)
    bare = median_time(lambda: [model.predict(X) for model in models])
    print(f"{rows} stars, mass and absolute magnitude; hidden layers of {mass.pipeline_['network'].hidden_layer_sizes}")
    print(f"{'bare predictions':<52}{bare:7.2f} s   1.0")
    for name, function in {
        "training space": lambda: space.classify(X),
        "with errors": lambda: [model.predict(X, return_std=True) for model in models],
        "with errors and training space": lambda: (
            [model.predict(X, return_std=True) for model in models],
            space.classify(X),
        ),
        "with each star's label errors and training space": lambda: (
            [model.predict(X, return_std=True, X_err=X_err) for model in models],
            space.classify(X),
        ),
    }.items():
        taken = median_time(function)
        print(f"{name:<52}{taken:7.2f} s {taken / bare:5.1f}")


if __name__ == "__main__":
    main()
