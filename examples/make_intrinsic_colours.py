"""Make the colours of stars without dust that come with the package.

J-K, J-H and H-K of PARSEC isochrones (CMD 3.9, 2MASS) are fitted with polynomials in log Teff, log g and [M/H]. Then a
straight plane in the same labels is added, which brings them to stars of known, low A_K: giants and dwarfs of the
Kepler field with labels of APOGEE DR17 and DR16. Its three slopes and its constant are all that is learned from stars,
so the colours hold for stars unlike those of Kepler, too (``examples/colour_extinction.py`` shows it).

    python examples/make_intrinsic_colours.py            # replaces skdistmass/extinction/intrinsic_colours.ecsv
    python examples/make_intrinsic_colours.py --check    # makes it again, compares, and fails if it differs

Needs the real tables: SKDISTMASS_DATA names their folder.
"""

import argparse
import sys
from pathlib import Path

import numpy as np
from astropy.table import Table
from real_tables import real_table

import skdistmass.extinction
from skdistmass.extinction.colours import COLOURS
from skdistmass.surveys import read_survey
from skdistmass.uncertainty import robust_scatter

SHIPPED = Path(skdistmass.extinction.__file__).parent / "intrinsic_colours.ecsv"
CENTER, SCALE = np.array([3.70, 2.5, -0.3]), np.array([0.10, 1.5, 0.5])
LOWER, UPPER = np.array([3400.0, -0.3, -1.5]), np.array([7600.0, 5.2, 0.5])
POWERS = np.array([(i, j, k) for i in range(6) for j in range(4) for k in range(3) if i + j + k <= 4 or i == 5 > j + k])
MAX_EXTINCTION = 0.15
LAST_PHASE = 7  # of PARSEC: the asymptotic giant branch before thermal pulses
SOURCE = (
    "PARSEC (Bressan et al. 2012, MNRAS 427, 127), CMD 3.9, 2MASS; shifted to Kepler stars with APOGEE labels "
    "and A_K of APOGEE, Miglio et al. (2021), Hall et al. (2019) and E(B-V); excess by Indebetouw et al. (2005)"
)


def terms_of(labels):
    """Return the terms of the polynomials for Teff, log g and [M/H]."""
    scaled = (np.column_stack([np.log10(labels[:, 0]), labels[:, 1:]]) - CENTER) / SCALE
    return np.prod(scaled[:, None, :] ** POWERS, axis=2)


def read_isochrones():
    """Return labels and J, H, K_s of all points of the isochrones within the limits."""
    wanted = ("logTe", "logg", "MH", "label", "Jmag", "Hmag", "Ksmag")
    parts = []
    for path in sorted(real_table("isochrones/cmd39").glob("*.dat")):
        lines = path.read_text(encoding="utf-8").splitlines()
        names = next(line for line in lines if line.startswith("# Zini"))[1:].split()
        parts.append(np.loadtxt(lines, usecols=[names.index(name) for name in wanted]))
    points = np.vstack(parts)
    labels = np.column_stack([10.0 ** points[:, 0], points[:, 1], points[:, 2]])
    kept = (points[:, 3] <= LAST_PHASE) & np.all((labels >= LOWER) & (labels <= UPPER), axis=1)
    return labels[kept], points[kept, 4:]


def read_stars():
    """Return labels, J, H, K_s and A_K of Kepler's giants and dwarfs of low extinction."""
    parts = []
    for name in ("kepler_giants.fits", "kepler_dwarfs.fits"):
        stars = read_survey(real_table(name))
        parts.append(np.column_stack([stars.floats(n) for n in ("TEFF", "LOGG", "M_H", "J", "H", "K", "A_K")]))
    values = np.vstack(parts)
    values = values[np.isfinite(values).all(axis=1) & (values[:, 6] < MAX_EXTINCTION)]
    return values[:, :3], values[:, 3:6], values[:, 6]


def fit(isochrones, stars, name):
    """Return the coefficients of a colour, and the scatter of A_K of the stars."""
    first, second, factor = COLOURS[name]
    labels, magnitudes = isochrones
    coefficients = np.linalg.lstsq(terms_of(labels), magnitudes[:, first] - magnitudes[:, second], rcond=None)[0]
    labels, magnitudes, extinction = stars
    terms = terms_of(labels)
    off = magnitudes[:, first] - magnitudes[:, second] - extinction / factor - terms @ coefficients
    plane = np.flatnonzero(POWERS.sum(axis=1) <= 1)
    # Giants are ten times as many as dwarfs: both kinds count the same.
    dwarf = labels[:, 1] > 3.5
    weight = np.where(dwarf, np.mean(~dwarf), np.mean(dwarf)) ** 0.5
    kept = np.ones(len(off), dtype=bool)
    for _ in range(5):
        change = np.linalg.lstsq(terms[kept][:, plane] * weight[kept, None], off[kept] * weight[kept], rcond=None)[0]
        left = off - terms[:, plane] @ change
        kept = np.abs(left) < 3.0 * robust_scatter(left[kept])
    coefficients[plane] += change
    scatter = factor * float(robust_scatter(left))
    print(f"{name}: {len(off)} stars; constant of the shift {change[0]:+.4f} mag, scatter of A_K {scatter:.4f} mag")
    return coefficients, scatter


def make():
    """Return the table to write."""
    isochrones, stars = read_isochrones(), read_stars()
    table = Table(POWERS, names=["POWER_LOG_TEFF", "POWER_LOGG", "POWER_M_H"])
    scatter = {}
    for name in COLOURS:
        coefficients, spread = fit(isochrones, stars, name)
        table[name], scatter[name] = np.round(coefficients, 7), round(spread, 4)
    numbers = {"center": CENTER, "scale": SCALE, "lower": LOWER, "upper": UPPER}
    table.meta = {"source": SOURCE, "scatter": scatter} | {key: value.tolist() for key, value in numbers.items()}
    return table


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--check", action="store_true", help="compare with the shipped file instead of replacing it")
    table = make()
    if not parser.parse_args().check:
        table.write(SHIPPED, format="ascii.ecsv", overwrite=True)
        return
    shipped = Table.read(SHIPPED, format="ascii.ecsv")
    if any(not np.allclose(table[name], shipped[name], atol=1e-5) for name in COLOURS):
        sys.exit(f"not the same as {SHIPPED.name}")
    print(f"the same as {SHIPPED.name}")


if __name__ == "__main__":
    main()
