"""Measure masses of giants, dwarfs and subgiants by stars held out, in one network and in two.

Run with ``python examples/whole_diagram_masses.py``; the tables are those of `skdistmass.surveys.data_dir`.
"""

import argparse
import warnings

import numpy as np
from astropy.table import Table
from sklearn.model_selection import GroupKFold

from skdistmass import CNMassRegressor, LevenbergMarquardtMLPRegressor
from skdistmass.surveys import data_dir
from skdistmass.uncertainty import robust_scatter

LABELS = ("TEFF", "LOGG", "FE_H", "C_FE", "N_FE")
REFERENCE = ("APOKASC-3 T4 Gold", "Serenelli 2017")


def read(name, largest_error):
    """Return labels, mass, error, source and star of the rows of a table that can be used."""
    table = Table.read(data_dir() / f"{name}.fits")
    columns = [np.ma.filled(np.ma.asarray(table[c]).astype(float), np.nan) for c in (*LABELS, "MASS", "MASS_ERR")]
    labels, mass, error = np.column_stack(columns[:5]), *columns[5:]
    # A few dwarfs lack N, which says nothing of a dwarf's mass.
    dwarf = (labels[:, 1] > 3.5) & ~np.isfinite(labels[:, 4])
    labels[dwarf, 4] = 0.1
    text = [np.ma.filled(np.ma.asarray(table[c]).astype("U30"), "") for c in ("MASS_SRC", "APOGEE_ID")]
    usable = np.isfinite(labels).all(axis=1) & (mass > 0.5) & (mass < 4.0) & (error < largest_error * mass)
    return [part[usable] for part in (labels, mass, error, *text)]


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--networks", type=int, default=2)
    parser.add_argument("--folds", type=int, default=4)
    arguments = parser.parse_args()
    warnings.simplefilter("ignore")
    giants, dwarfs = read("kepler_giants", 0.10), read("kepler_dwarfs", 0.15)
    labels, mass, error, source, star = (np.concatenate(pair) for pair in zip(giants, dwarfs, strict=True))
    is_dwarf = np.arange(len(mass)) >= len(giants[1])
    groups = np.unique(star, return_inverse=True)[1]
    folds = list(GroupKFold(arguments.folds, shuffle=True, random_state=0).split(labels, groups=groups))
    together = LevenbergMarquardtMLPRegressor(hidden_layer_sizes=(8, 8), alpha=0.3)
    few = LevenbergMarquardtMLPRegressor(hidden_layer_sizes=(4,), alpha=1.0)
    trials = {
        "one network, squared loss": ("squared", together, np.ones(len(mass), dtype=bool)),
        "one network, robust": ("student", together, np.ones(len(mass), dtype=bool)),
        "dwarfs and subgiants alone, robust": ("student", few, is_dwarf),
    }
    for name, (loss, network, chosen) in trials.items():
        predicted = np.full(len(mass), np.nan)
        for train, test in folds:
            train = train[chosen[train]]
            model = CNMassRegressor(
                network=network, n_networks=arguments.networks, loss=loss, error_model=None, random_state=0,
                reference_sources=REFERENCE if loss == "student" else None)  # fmt: skip
            given = {"source": source[train]} if loss == "student" else {}
            model.fit(labels[train], mass[train], y_err=error[train], **given)
            shown = {"source": source[test]} if loss == "student" else {}
            predicted[test] = model.predict(labels[test], **shown)
        fraction = predicted / mass - 1
        for region, rows in (("giants", ~is_dwarf), ("giants, log g > 2", ~is_dwarf & (labels[:, 1] > 2)),
                             ("dwarfs and subgiants", is_dwarf)):  # fmt: skip
            rows = rows & chosen
            if rows.any():
                print(f"{name:36s} {region:22s} {rows.sum():5d} {np.median(fraction[rows]):+.3f} / "
                      f"{robust_scatter(fraction[rows]):.3f}", flush=True)  # fmt: skip


if __name__ == "__main__":
    main()
