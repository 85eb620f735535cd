"""Ages and masses of dwarfs and subgiants by isochrones, against seismology and against M67.

    python examples/dwarf_ages.py [FOLDER]

prints bias and scatter (dex) by how well the age is known (AGE_PRIOR_RATIO), for the Kepler dwarfs of Serenelli et
al. (2017), with M_K from log g, from a network trained on other stars, and from that and the parallax; then the age of
M67 by its dwarfs and subgiants. Draws ages against those of Serenelli et al. into FOLDER/dwarf_ages.png (default: the
current folder). The tables are those of `skdistmass.surveys.data_dir`.
"""

import sys
import warnings
from itertools import pairwise
from pathlib import Path

import numpy as np
from real_tables import real_table

from skdistmass import AbsMagRegressor, DistMassModel, read_survey
from skdistmass.exceptions import DistMassWarning
from skdistmass.isochrones import IsochroneDistanceRegressor, read_parsec
from skdistmass.model.population import common_value
from skdistmass.surveys import stack_stars
from skdistmass.uncertainty import robust_scatter

CLASSES = (0.0, 0.15, 0.3, 0.5, 0.8, 2.0)  # width of the age, in units of the prior's
#: M67: distance modulus of 9.63 +- 0.03 mag (kpc and mas below), age 3.5 to 4.5 Gyr.
M67_PARALLAX, M67_PARALLAX_ERR = 1.186, 0.016
MIN_ERROR = (60.0, 0.05, 0.05)  # models and labels do not agree better


def print_classes(title, ratio, age, mass, width):
    """Print bias and scatter of ages and masses by that ratio, and how the scatter compares with the widths."""
    known = np.isfinite(age) & np.isfinite(ratio)
    print(f"{title}: {known.sum()} stars, age {np.median(age[known]):+.3f} / {robust_scatter(age[known]):.3f} dex, "
          f"mass {np.median(mass[known]):+.3f} / {robust_scatter(mass[known]):.3f} dex")  # fmt: skip
    for low, high in pairwise(CLASSES):
        rows = known & (ratio >= low) & (ratio < high)
        if rows.sum() >= 5:
            print(f"  {low:.2f}-{high:.2f} {rows.sum():4d} stars  age {np.median(age[rows]):+.3f} / "
                  f"{robust_scatter(age[rows]):.3f}  mass {np.median(mass[rows]):+.3f} / "
                  f"{robust_scatter(mass[rows]):.3f}  half-width of the age {np.median(width[rows]):.3f}")  # fmt: skip


def kepler(isochrones):
    """Compare with Serenelli et al. and return what to draw."""
    stars = read_survey(real_table("kepler_dwarfs.fits"))
    # Neighbours spoil magnitudes and parallaxes.
    raw = read_survey(real_table("kepler_dwarfs.fits"), columns=["N_GAIA_4ARCSEC"])
    single = raw.floats("N_GAIA_4ARCSEC") < 2
    truth_age, truth_mass = np.log10(stars["AGE_SERENELLI"]) + 9.0, np.log10(stars["MASS"])
    others = [read_survey(real_table(name)) for name in ("dwarfs.fits", "kepler_giants.fits")]
    model = DistMassModel(AbsMagRegressor(n_networks=2), parts="distance", fallback=False, random_state=0)
    model.fit(stack_stars(others))
    labels = np.column_stack([stars["TEFF"], stars["LOGG"], stars["M_H"]])
    errors = np.column_stack([stars.floats(f"{name}_ERR") for name in ("TEFF", "LOGG", "M_H")])
    alone = isochrones.sample(labels, 1000, errors, random_state=0)
    found = {"log g": (alone["prior_ratio"], alone["age"], alone["mass"])}
    for name, parallax in (("network", False), ("network and parallax", True)):
        draws = model.sample(stars, 1000, isochrones=isochrones, parallax=parallax, random_state=0)
        found[name] = draws["AGE_PRIOR_RATIO"], draws["AGE"], draws["MASS"]
    for name, (ratio, age, mass) in found.items():
        ratio = np.where(single, ratio, np.nan)
        low, middle, high = np.percentile(age, [15.865, 50, 84.135], axis=1)
        print_classes(f"Kepler dwarfs, M_K by {name}", ratio, middle - truth_age,
                      np.log10(np.median(mass, axis=1)) - truth_mass, 0.5 * (high - low))  # fmt: skip
        found[name] = ratio, middle, truth_age
    return found


def m67(isochrones):
    """Print the age of M67 by its stars of log g above 3.5, at the cluster's distance."""
    stars = read_survey(real_table("cluster_members.fits"))
    rows = (stars.text("CLUSTER") == "NGC 2682") & (stars.floats("LOGG") >= 3.5)
    rows &= np.char.find(stars.text("LABEL_SRC"), "Payne") >= 0
    stars = stars[rows]
    labels = np.column_stack([stars["TEFF"], stars["LOGG"], stars["M_H"]])
    draws = isochrones.sample(
        labels, 1000, magnitude=stars["K"], magnitude_err=0.02, extinction=stars["A_K"], extinction_err=0.01,
        parallax=np.full(len(stars), M67_PARALLAX), parallax_err=np.full(len(stars), M67_PARALLAX_ERR), random_state=0,
    )  # fmt: skip
    logg = stars.floats("LOGG")
    # On the subgiant branch the age is the luminosity; at the turn-off it hangs on the scale of the temperatures.
    for name, part in (
        ("log g 3.5-3.9", logg < 3.9),
        ("log g 3.9-4.3", (logg >= 3.9) & (logg < 4.3)),
        ("all", logg > 0),
    ):
        told = part & (draws["prior_ratio"] < 0.5)
        value = common_value(draws["age"][told], 7.5, 10.14, prior=lambda age: 10.0**age)
        low, middle, high = 10.0 ** (value.percentiles[[1, 2, 3]] - 9.0)
        print(f"M67, {name}, {told.sum()} stars: {middle:.2f} Gyr ({low:.2f} to {high:.2f}), "
              f"scatter {value.scatter:.3f} dex, outliers {value.outliers:.2f}")  # fmt: skip


def draw(found, path):
    """Draw ages against those of Serenelli et al., coloured by how wide they are."""
    import matplotlib

    matplotlib.use("Agg")
    import matplotlib.pyplot as plt

    figure, axes = plt.subplots(1, len(found), figsize=(4.0 * len(found), 4.2), sharey=True, layout="constrained")
    for axis, (name, (ratio, age, truth)) in zip(axes, found.items(), strict=True):
        shown = axis.scatter(10 ** (truth - 9), 10 ** (age - 9), c=ratio, s=10, vmin=0, vmax=0.7, cmap="viridis_r")
        axis.plot([0.5, 14], [0.5, 14], color="0.6", lw=0.8, zorder=0)
        axis.set(xscale="log", yscale="log", xlim=(0.8, 14), ylim=(0.8, 14), title=f"$M_K$ by {name}")
        axis.set_xlabel("age, Serenelli et al. 2017 (Gyr)")
    axes[0].set_ylabel("age by isochrones (Gyr)")
    figure.colorbar(shown, ax=axes, label="width of the age / width of the prior")
    figure.savefig(path, dpi=130)
    plt.close(figure)


def main(folder="."):
    """Print and draw all of it."""
    warnings.simplefilter("ignore", DistMassWarning)
    models = read_parsec(real_table("isochrones/parsec_v12s.parquet"))
    isochrones = IsochroneDistanceRegressor(min_error=MIN_ERROR).fit(models)
    draw(kepler(isochrones), Path(folder) / "dwarf_ages.png")
    m67(isochrones)


if __name__ == "__main__":
    main(*sys.argv[1:])
