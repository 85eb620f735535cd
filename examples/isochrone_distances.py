"""Isochrone distances of real stars against Gaia's, beside the network's (section 4.3 and figure 4c of the paper).

    python examples/isochrone_distances.py [FOLDER]

prints, by log g, how far isochrone distances lie off Gaia's and how they scatter, for the Kepler giants, the K2 giants
and the dwarfs with calibrated labels; for the giants also what `AbsMagRegressor` reaches on stars it was not trained
on. Draws both into FOLDER/isochrone_distances.png (default: the current folder).

Needs the real tables: SKDISTMASS_DATA names their folder.
"""

import sys
from itertools import pairwise
from pathlib import Path

import numpy as np
from real_tables import real_table
from sklearn.model_selection import KFold

from skdistmass.estimators.abs_mag import AbsMagRegressor
from skdistmass.isochrones import IsochroneDistanceRegressor, read_parsec
from skdistmass.labels import read_labels
from skdistmass.surveys import read_survey
from skdistmass.surveys.training_sets import TrainingCuts, distance_training_set, reference_distances
from skdistmass.tables import optional_floats

FILES = {"Kepler giants": "kepler_giants.fits", "K2 giants": "k2_giants.fits", "dwarfs": "dwarfs.fits"}
EDGES = np.array([0.0, 1.0, 1.5, 2.0, 2.3, 2.6, 3.0, 3.5, 4.0, 4.4, 5.0])
LARGEST_PARALLAX_ERROR = 0.1
COLOURS = {"Kepler giants": "#0072B2", "K2 giants": "#E69F00", "dwarfs": "#009E73"}


def isochrone_residuals(model, table):
    """Return log g and the fractional difference of isochrone distances from the table's own distances."""
    cuts = TrainingCuts()
    reference, error, _ = reference_distances(table, cuts)
    posterior = model.predict_posterior(
        table,
        magnitude=optional_floats(table, "K", "mag"),
        magnitude_err=cuts.mag_error,
        # The K2 fields lie off the plane and have no extinctions in the table.
        extinction=np.nan_to_num(optional_floats(table, "A_K", "mag")),
        extinction_err=cuts.extinction_error,
        marginals=False,
    )
    residual = posterior["distance"].value / reference - 1.0
    logg = optional_floats(table, "LOGG")
    with np.errstate(invalid="ignore"):
        good = error < LARGEST_PARALLAX_ERROR
    # Raw log g of dwarfs is off by several tenths.
    good &= (
        np.char.find(np.asarray(table["LABEL_SRC"], dtype=str), "raw") < 0 if "LABEL_SRC" in table.colnames else True
    )
    n_off = np.count_nonzero(good & np.isnan(residual))
    return logg[good], residual[good], error[good], n_off


def network_residuals(table):
    """Return the same for networks trained on four fifths of the Kepler giants and used on the fifth."""
    cuts = TrainingCuts(max_parallax_error=LARGEST_PARALLAX_ERROR)
    chosen = distance_training_set(table, cuts)
    X = read_labels(table).values[chosen.rows]
    mag, extinction = (optional_floats(table, name, "mag")[chosen.rows] for name in ("K", "A_K"))
    distance = np.full(len(X), np.nan)
    for train, test in KFold(5, shuffle=True, random_state=0).split(X):
        network = AbsMagRegressor(random_state=0)
        network.fit(X[train], chosen.target[train], sample_weight=chosen.target_err[train] ** -2)
        distance[test] = network.predict_distance(X[test], mag[test], extinction=extinction[test])
    reference, error, _ = reference_distances(table, cuts)
    return X[:, 1], distance / reference[chosen.rows] - 1.0, error[chosen.rows], 0


def transferred_residuals(train, test):
    """Return the same for a network of Teff, log g and [M/H], trained on one table and used on another."""
    names = ("TEFF", "LOGG", "M_H")
    cuts = TrainingCuts(max_parallax_error=LARGEST_PARALLAX_ERROR)
    chosen = distance_training_set(train, cuts, names=names)
    network = AbsMagRegressor(random_state=0)
    network.fit(read_labels(train, names).values[chosen.rows], chosen.target, sample_weight=chosen.target_err**-2)
    X = read_labels(test, names).values
    reference, error, _ = reference_distances(test, cuts)
    distance = network.predict_distance(X, optional_floats(test, "K", "mag"))
    with np.errstate(invalid="ignore"):
        good = (error < LARGEST_PARALLAX_ERROR) & np.isfinite(distance)
    return X[good, 1], (distance / reference - 1.0)[good], error[good], 0


def by_logg(logg, residual, error):
    """Return middle, number, median, robust scatter and median parallax error in bins of log g."""
    rows = []
    for low, high in pairwise(EDGES):
        here = (logg >= low) & (logg < high) & np.isfinite(residual)
        if np.count_nonzero(here) >= 10:
            middle = np.median(residual[here])
            scatter = 1.4826 * np.median(np.abs(residual[here] - middle))
            rows.append(
                (0.5 * (low + high), low, high, np.count_nonzero(here), middle, scatter, np.median(error[here]))
            )
    return np.array(rows)


def draw(results, path):
    """Draw bias and scatter against log g."""
    import matplotlib

    matplotlib.use("Agg")
    import matplotlib.pyplot as plt

    figure, axes = plt.subplots(2, 1, figsize=(6.5, 6.5), sharex=True, layout="constrained")
    for name, (rows, is_network) in results.items():
        label = name if is_network else f"isochrones, {name}"
        colour = next(colour for key, colour in COLOURS.items() if key in name)
        style = {"color": colour, "marker": "s" if is_network else "o", "ms": 4}
        style["linestyle"] = "--" if is_network else "-"
        axes[0].plot(rows[:, 0], rows[:, 4], label=label, **style)
        axes[1].plot(rows[:, 0], rows[:, 5], label=label, **style)
    kepler = results["Kepler giants"][0]
    axes[1].plot(kepler[:, 0], kepler[:, 6], ":", color="0.5", label="median parallax error, Kepler giants")
    axes[0].axhline(0.0, color="0.8", lw=0.8, zorder=0)
    axes[0].set_ylabel("median of d / d(Gaia) - 1")
    axes[1].set_ylabel("1.48 MAD of d / d(Gaia) - 1")
    axes[1].set_ylim(0.0, None)
    axes[1].set_xlabel("log g (dex, cgs)")
    axes[1].invert_xaxis()
    # One legend for both: the lower panel has everything, and room.
    axes[1].legend(fontsize=8)
    figure.savefig(path, dpi=150)
    plt.close(figure)


def main(folder="."):
    model = IsochroneDistanceRegressor(n_jobs=-1).fit(read_parsec(real_table("isochrones/parsec_v12s.parquet")))
    tables = {name: read_survey(real_table(file)) for name, file in FILES.items()}
    residuals = {name: (isochrone_residuals(model, table), False) for name, table in tables.items()}
    residuals["network, Kepler giants"] = (network_residuals(tables["Kepler giants"]), True)
    three = transferred_residuals(tables["Kepler giants"], tables["K2 giants"])
    residuals["network of three labels (Kepler), K2 giants"] = (three, True)
    results = {}
    print("fractional distance less Gaia's, stars with parallax errors below 10 %")
    for name, ((logg, residual, error, n_off), is_network) in residuals.items():
        known = residual[np.isfinite(residual)]
        middle = np.median(known)
        scatter = 1.4826 * np.median(np.abs(known - middle))
        print(f"\n{name}: {len(known)} stars, bias {middle:+.3f}, scatter {scatter:.3f}; {n_off} without a distance")
        print("   log g      stars    bias  scatter  parallax error")
        rows = by_logg(logg, residual, error)
        for _, low, high, n_stars, bias, scatter, parallax_error in rows:
            print(f"  {low:3.1f}-{high:3.1f} {int(n_stars):9d}  {bias:+.3f}    {scatter:.3f}    {parallax_error:.3f}")
        results[name] = (rows, is_network)
    draw(results, Path(folder) / "isochrone_distances.png")


if __name__ == "__main__":
    main(*sys.argv[1:])
