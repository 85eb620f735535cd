"""Show what a shift of the labels does, and what a calibration without common stars does about it.

Prints the table of effects of each label over the diagram, on Kepler giants, and what the check of the scale says of
them with and without 0.06 added to log g. Draws distances of raw DR12 dwarfs before and after ``dr12-raw``.
Run with ``python examples/label_calibration.py --out FOLDER``.

Needs the real tables: SKDISTMASS_DATA names their folder.
"""

import argparse
import warnings
from pathlib import Path

import matplotlib

matplotlib.use("Agg")
import matplotlib.pyplot as plt
import numpy as np
from make_label_calibrations import floats, read_samples, reference_model
from real_tables import real_table

from skdistmass import CNMassRegressor, ExtinctionChoice, IsochroneAgeTransformer, load_pretrained, read_survey
from skdistmass.estimators.label_calibration import label_effects, load_calibration
from skdistmass.model import check_scale

# A change of each label that two surveys may well differ by.
STEPS = {"Teff +50 K": 50.0, "log g +0.05": 0.05, "[M/H] +0.05": 0.05, "[C/Fe] +0.05": 0.05, "[N/Fe] +0.05": 0.05}
PARTS = {"log g 1.0-2.0": (1.0, 2.0), "log g 2.0-2.6 (clump)": (2.0, 2.6), "log g 2.6-3.3": (2.6, 3.3)}


def effects_table(samples, abs_mag):
    """Print the median effect of each label on distance (%), mass (%) and age (dex) in parts of the diagram."""
    giants = samples["giants"]
    mass, error = floats(giants.table, "MASS"), floats(giants.table, "MASS_ERR")
    with np.errstate(invalid="ignore"):
        rows = np.isfinite(giants.labels).all(axis=1) & (error < 0.1 * mass) & (mass > 0.5) & (mass < 4)
    model = CNMassRegressor(error_model=None, random_state=0)
    model.fit(giants.labels[rows], mass[rows], y_err=error[rows])
    X = giants.labels[rows]
    effects = label_effects(X, abs_mag=abs_mag, mass=model, ages=IsochroneAgeTransformer().fit([[1.0, 0.0]]))
    print("| part | " + " | ".join(STEPS) + " |\n|---" * 1 + "|---" * len(STEPS) + "|")
    for name, (low, high) in PARTS.items():
        inside = (X[:, 1] >= low) & (X[:, 1] < high)
        cells = []
        for number, step in enumerate(STEPS.values()):
            distance, relative, age = (
                np.nanmedian(effects[kind][inside, number]) * step for kind in ("distance", "mass", "log_age")
            )
            cells.append(f"{100 * distance:+.1f} / {100 * relative:+.1f} / {age:+.3f}")
        print(f"| {name} | " + " | ".join(cells) + " |")


def check(planted=0.06):
    """Print what the check of the scale says of Kepler giants, and of the same with a shift planted in log g."""
    stars = ExtinctionChoice().apply(read_survey(real_table("kepler_giants.fits")))
    shifted = stars.with_columns({"LOGG": stars["LOGG"] + planted})
    for name, table in (("as they are", stars), (f"log g + {planted}", shifted)):
        found = check_scale(load_pretrained("kepler-giants"), table)
        print(f"{name}: {found.message() if found else 'no shift found'}")


def figure(sample, model, path):
    calibration = load_calibration("dr12-raw")
    fig, axes = plt.subplots(1, 2, figsize=(8, 3.4), sharey=True, layout="constrained")
    for axis, used, title in zip(axes, (None, calibration), ("raw DR12 labels", "after dr12-raw"), strict=True):
        everyone = np.ones(len(sample.labels), dtype=bool)
        ratio, good = sample.ratio(model, everyone, used), sample.good
        axis.scatter(sample.labels[good, 1], ratio, s=8, color="#0072B2")
        axis.axhline(0, color="0.6", lw=0.8)
        axis.axhline(np.median(ratio), color="#D55E00", lw=1.2, label=f"median {np.median(ratio):+.3f}")
        axis.set(xlabel="raw log g [dex]", title=title, ylim=(-1, 1))
        axis.legend()
    axes[0].set_ylabel("predicted / parallax distance - 1")
    fig.savefig(path, dpi=150)
    plt.close(fig)


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--out", type=Path, required=True, help="folder for the figure")
    folder = parser.parse_args().out
    folder.mkdir(parents=True, exist_ok=True)
    warnings.simplefilter("ignore")
    samples = read_samples()
    model = reference_model(samples)
    effects_table(samples, model)
    check()
    figure(samples["dr12"], model, folder / "label_calibration.png")


if __name__ == "__main__":
    main()
