"""Compare extinctions from colours with those of the shared tables.

For each table, and each scale of labels in it: bias and scatter of A_K by colour minus A_K of the table, without and
with the prior by latitude; how often they agree within the stated errors (that of the table's A_K, 0.02 mag, counted
in); for K2, whose table has no A_K, the mean by Galactic latitude and metallicity, and the error of its distances.

    python examples/colour_extinction.py

Needs the real tables: SKDISTMASS_DATA names their folder.
"""

from itertools import pairwise

import numpy as np
from real_tables import real_table

from skdistmass.deploy.pretrained import load_pretrained
from skdistmass.extinction import ExtinctionChoice, IntrinsicColours, latitude_prior
from skdistmass.extinction.colours import COLOURS
from skdistmass.schema.limits import EXTINCTION_ERR
from skdistmass.surveys import read_survey
from skdistmass.uncertainty import robust_scatter

#: Tables with A_K; the first two gave the shift of the colours.
TABLES = ("kepler_giants", "kepler_dwarfs", "dwarfs", "cluster_members")
K2_LATITUDES = (0, 10, 20, 30, 40, 50, 60, 90)
K2_METALLICITIES = (-3.0, -1.5, -1.0, -0.5, 0.0, 0.5)


def of_colours(stars, name="J-K"):
    """Return A_K of a colour, without the prior."""
    first, second, factor = COLOURS[name]
    bands = [stars.floats(band) for band in ("J", "H", "K")]
    labels = np.column_stack([stars.floats(label) for label in ("TEFF", "LOGG", "M_H")])
    return factor * (bands[first] - bands[second] - IntrinsicColours.default().colour(name, labels))


def without_file(stars):
    """Return stars that have no other extinction than by their colours."""
    absent = ("A_K", "EXTINCTION", "AK_TARG", "AK_WISE", "EBV", "SFD_EBV", "IRAC_4_5", "WISE_4_5")
    return stars.with_columns({name: np.full(len(stars), np.nan) for name in absent})


def compare_tables():
    """Print bias and scatter for the tables that have A_K."""
    print(
        f"{'table':<16} {'labels':<30} {'stars':>5} {'bias':>7} {'scatter':>7}   with prior: bias scatter within 68 %"
    )
    for name in TABLES:
        stars = read_survey(real_table(f"{name}.fits"), columns=["LABEL_SRC"])
        found = ExtinctionChoice().choose(without_file(stars))
        source, plain = stars.text("LABEL_SRC"), of_colours(stars)
        for label in np.unique(source):
            known = (source == label) & np.isfinite(plain + stars.floats("A_K"))
            if np.count_nonzero(known) < 20:
                continue
            off, best = plain[known] - stars["A_K"][known], found.values[known] - stars["A_K"][known]
            within = np.mean(np.abs(best) < np.hypot(found.errors[known], EXTINCTION_ERR))
            print(
                f"{name:<16} {label:<30} {len(off):>5} {np.median(off):>+7.3f} {robust_scatter(off):>7.3f}"
                f" {np.median(best):>+20.3f} {robust_scatter(best):>7.3f} {within:>9.2f}"
            )


def compare_latitudes():
    """Print the extinction of K2 giants by latitude and metallicity."""
    stars = read_survey(real_table("k2_giants.fits"))
    found, plain = ExtinctionChoice().choose(stars), of_colours(stars)
    latitude = np.abs(stars["GLAT"])
    print(f"\nK2 giants: {np.mean(found.method == 'COLOUR'):.3f} of {len(stars)} have A_K by colour")
    print("   |b|    stars  median     mean   with prior: mean  error    law")
    for low, high in pairwise(K2_LATITUDES):
        rows = (latitude >= low) & (latitude < high) & np.isfinite(plain)
        law = latitude_prior(latitude[rows]).mean()
        print(
            f"{low:>3}-{high:<3} {rows.sum():>7} {np.median(plain[rows]):>+7.3f} {plain[rows].mean():>+8.3f}"
            f" {found.values[rows].mean():>16.3f} {np.median(found.errors[rows]):>7.3f} {law:>6.3f}"
        )
    print("[M/H] above |b| = 40 deg")
    for low, high in pairwise(K2_METALLICITIES):
        rows = (latitude > 40) & (stars["M_H"] >= low) & (stars["M_H"] < high) & np.isfinite(plain)
        print(f"{low:+.1f} to {high:+.1f} {np.count_nonzero(rows):>5} {np.median(plain[rows]):>+7.3f}")


def compare_distances():
    """Print the fractional error of K2 distances by latitude, without extinction and with that of colours."""
    stars = read_survey(real_table("k2_giants.fits"))
    good = stars["PARALLAX_ERR"] < 0.1 * stars["PARALLAX"]
    model, latitude = load_pretrained("kepler-giants"), np.abs(stars["GLAT"])
    columns = {
        "A_K = 0": stars.with_columns({"A_K": np.zeros(len(stars))}),
        "by colour": ExtinctionChoice().apply(stars),
    }
    error = {n: model.predict_columns(s)["DISTANCE"] * stars["PARALLAX"] - 1 for n, s in columns.items()}
    print("\nDistances of K2 giants with the shipped model of Kepler giants, parallax error < 10 %: bias and scatter")
    for low, high in [(0, 90), *pairwise(K2_LATITUDES)]:
        rows = good & (latitude >= low) & (latitude < high)
        found = [values[rows & np.isfinite(values)] for values in error.values()]
        text = "   ".join(f"{n} {np.median(v):+.3f} {robust_scatter(v):.3f}" for n, v in zip(error, found, strict=True))
        print(f"|b| {low:>2}-{high:<2} {len(found[1]):>5}   {text}")


if __name__ == "__main__":
    compare_tables()
    compare_latitudes()
    compare_distances()
