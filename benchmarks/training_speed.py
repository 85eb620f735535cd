"""Time and held-out loss of the ways to train a small network, in one run.

The rows are drawn with replacement from the Kepler giants, with fresh errors in the five labels and in the absolute
K magnitude (Gaia; weights 1 / sigma^2), up to the wanted number; the held-out rows are 100,000 further draws. So the
held-out loss tells the trainers apart to a thousandth, where a few hundred real stars, a handful of outliers among
them, would not; what the networks do on held-back real stars is in training_robustness.py. Each trainer runs in a
process of its own, after a small fit that loads (and the first time compiles) what it needs; memory is the peak of
that process above what it held when the fit began. On a busy machine the processor times, of all threads together,
are the ones to compare.

    python benchmarks/training_speed.py [--rows 10000 100000 382673] [--units 8] [--trainers adam lbfgs lm]
"""

import argparse
import contextlib
import importlib.util
import json
import subprocess
import sys
import time
import warnings
from pathlib import Path

import numpy as np

SIZES = (10_000, 100_000, 382_673)  # the last is the number of training stars in the paper
LABELS = ("TEFF", "LOGG", "FE_H", "C_FE", "N_FE")
LABEL_ERRORS = np.array([10.0, 0.03, 0.01, 0.02, 0.02])  # random errors of APOGEE labels of giants
N_HELD = 100_000
EPOCHS_KERAS = 80  # of the paper


def stars():
    """Return labels, absolute magnitudes and their errors of the Kepler giants with good parallaxes."""
    from astropy.table import Table

    from skdistmass.surveys import data_dir

    table = Table.read(data_dir() / "kepler_giants.fits")
    labels = np.column_stack([np.ma.filled(table[name], np.nan) for name in LABELS]).astype(float)
    parallax, error = (np.ma.filled(table[f"GAIAEDR3_PARALLAX{end}"], np.nan) for end in ("", "_ERROR"))
    distance = np.ma.filled(table["GAIAEDR3_R_MED_PHOTOGEO"], np.nan)
    magnitude = np.ma.filled(table["K"] - table["A_K"], np.nan) - 5.0 * np.log10(distance / 10.0)
    sigma = np.hypot(5.0 / np.log(10.0) * error / parallax, 0.03)
    with np.errstate(invalid="ignore"):
        used = np.isfinite(labels).all(1) & np.isfinite(magnitude) & (parallax > 0) & (error / parallax < 0.15)
    return labels[used], magnitude[used].astype(float), sigma[used].astype(float)


def drawn(n_rows, seed=0):
    """Return rows drawn from the stars with fresh errors, as (X, y, weight), labels standardised."""
    labels, magnitude, sigma = stars()
    rng = np.random.default_rng(seed)
    rows = rng.integers(len(magnitude), size=n_rows)
    X = labels[rows] + LABEL_ERRORS * rng.normal(size=(n_rows, len(LABELS)))
    y = magnitude[rows] + sigma[rows] * rng.normal(size=n_rows)
    return (X - labels.mean(0)) / labels.std(0), y, sigma[rows] ** -2 / np.mean(sigma**-2)


def fit_adam(X, y, weight, units, seed):
    from sklearn.neural_network import MLPRegressor

    model = MLPRegressor(hidden_layer_sizes=(units,), early_stopping=True, batch_size=200, random_state=seed)
    return model.fit(X, y, sample_weight=weight)


def fit_lbfgs(X, y, weight, units, seed):
    from sklearn.neural_network import MLPRegressor

    model = MLPRegressor(
        hidden_layer_sizes=(units,), activation="tanh", solver="lbfgs", random_state=seed, max_iter=200
    )
    return model.fit(X, y, sample_weight=weight)


def fit_lm(X, y, weight, units, seed):
    from skdistmass import LevenbergMarquardtMLPRegressor

    return LevenbergMarquardtMLPRegressor(hidden_layer_sizes=(units,), alpha=1e-4, random_state=seed).fit(X, y, weight)


def fit_keras(X, y, weight, units, seed):
    import keras

    keras.utils.set_random_seed(seed)
    model = keras.Sequential([keras.layers.Dense(units, activation="relu"), keras.layers.Dense(1)])
    model.compile(optimizer="adam", loss="mse")
    stop = keras.callbacks.EarlyStopping(patience=10, restore_best_weights=True)
    model.fit(
        X,
        y,
        sample_weight=weight,
        batch_size=32,
        epochs=EPOCHS_KERAS,
        validation_split=0.2,
        callbacks=[stop],
        verbose=0,
    )
    model.n_iter_ = len(model.history.epoch)
    return model


TRAINERS = {
    "keras": ("Keras, relu, batch 32, early stopping", fit_keras),
    "adam": ("MLPRegressor adam, relu, batch 200, early stopping", fit_adam),
    "lbfgs": ("MLPRegressor lbfgs, tanh, 200 iterations", fit_lbfgs),
    "lm": ("Levenberg-Marquardt, tanh", fit_lm),
}


def memory(key):
    """Return VmRSS (now) or VmHWM (peak) of this process in MB, or NaN where there is no /proc."""
    try:
        lines = Path("/proc/self/status").read_text().splitlines()
    except OSError:
        return float("nan")
    return next(float(line.split()[1]) / 1024 for line in lines if line.startswith(key + ":"))


def run_one(trainer, n_rows, units, seed):
    """Fit once in this process and return what was measured."""
    fit = TRAINERS[trainer][1]
    warnings.simplefilter("ignore")  # lbfgs and adam may stop at their number of iterations; it shows in n_iter
    small = drawn(200)
    before = time.perf_counter()
    fit(*small, units, seed)
    first = time.perf_counter() - before
    X, y, weight = drawn(n_rows)
    X_held, y_held, weight_held = drawn(N_HELD, seed=1)
    with contextlib.suppress(OSError):
        Path("/proc/self/clear_refs").write_text("5")  # forget the peak so far
    held_before = memory("VmRSS")
    start, start_cpu = time.perf_counter(), time.process_time()
    model = fit(X, y, weight, units, seed)
    seconds, cpu = time.perf_counter() - start, time.process_time() - start_cpu
    peak = memory("VmHWM") - held_before
    residual = np.ravel(model.predict(X_held)) - y_held
    return {
        "seconds": seconds,
        "cpu": cpu,
        "first": first,
        "memory": peak,
        "iterations": int(model.n_iter_),
        "loss": 0.5 * float(np.average(residual**2, weights=weight_held)),
    }


def run_apart(trainer, n_rows, units, seed):
    """Call `run_one` in a fresh process."""
    command = [sys.executable, __file__, "--one", trainer, "--rows", str(n_rows), "--units", str(units)]
    out = subprocess.run([*command, "--seed", str(seed)], check=True, stdout=subprocess.PIPE, text=True).stdout
    return json.loads(out.splitlines()[-1])


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n\n")[0])
    parser.add_argument("--rows", type=int, nargs="+", default=SIZES)
    parser.add_argument("--units", type=int, default=8, help="hidden units (default 8, as in the paper)")
    parser.add_argument("--trainers", nargs="+", choices=TRAINERS, default=["adam", "lbfgs", "lm"])
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--one", choices=TRAINERS, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.one:
        print(json.dumps(run_one(options.one, options.rows[0], options.units, options.seed)))
        return
    if "keras" in options.trainers and importlib.util.find_spec("keras") is None:
        parser.error("the keras row needs TensorFlow or another backend of Keras: pip install tensorflow")
    heads = {"wall s": 8, "x lm": 7, "cpu s": 8, "x lm ": 7, "iter": 6, "loss": 9, "MB": 6, "first s": 9}
    print(f"{'rows':>8}  {'trainer':<52}" + "".join(f"{head:>{width}}" for head, width in heads.items()))
    for n_rows in options.rows:
        results = {name: run_apart(name, n_rows, options.units, options.seed) for name in options.trainers}
        for name, result in results.items():
            wall, cpu = (
                result[key] / results["lm"][key] if "lm" in results else float("nan") for key in ("seconds", "cpu")
            )
            print(
                f"{n_rows:>8}  {TRAINERS[name][0]:<52}{result['seconds']:>8.2f}{wall:>7.1f}{result['cpu']:>8.2f}"
                f"{cpu:>7.1f}{result['iterations']:>6}{result['loss']:>9.5f}{result['memory']:>6.0f}"
                f"{result['first']:>9.2f}",
                flush=True,
            )


if __name__ == "__main__":
    main()
