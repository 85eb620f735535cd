"""Fit the correction of the large separation that ``skdistmass.seismology.isochrone_correction`` uses.

Yu et al. (2018) give masses of Kepler giants without and with a correction from the grid of models of Sharma et al.
(2016); the fourth root of their ratio is the correction. It is fitted by state with a polynomial of second degree.
Run: ``python examples/make_dnu_correction.py``. The table is that of `skdistmass.surveys.data_dir`.
"""

import itertools
from pathlib import Path

import numpy as np
from real_tables import real_table

import skdistmass.seismology
from skdistmass import read_survey
from skdistmass.seismology import isochrone_correction, scaling_relations
from skdistmass.seismology.corrections import correction_variables

FOLDER = Path(skdistmass.seismology.__file__).parent
COLUMNS = ["NUMAX", "DNU", "EVSTATE", "MASS_YU_NOCOR", "MASS_YU_COR"]


def main():
    """Write the tables and print how well they agree."""
    stars = read_survey(real_table("kepler_giants.fits"), columns=COLUMNS)
    numax, dnu, state, raw, corrected = (np.asarray(stars[name], dtype=float) for name in COLUMNS)
    x = correction_variables(numax, dnu, stars["TEFF"], stars["M_H"])
    truth = (corrected / raw) ** 0.25
    known = np.isfinite(x).all(axis=1) & (truth > 0.85) & (truth < 1.15)
    limits = np.quantile(x[known], [0.005, 0.995], axis=0)
    powers = np.array([p for p in itertools.product(range(3), repeat=4) if sum(p) <= 2])
    coef = []
    for number in (1, 2):
        rows = known & (state == number)
        terms = np.prod(np.clip(x[rows], *limits)[:, None, :] ** powers, axis=2)
        weight = np.ones(rows.sum())
        for _ in range(20):  # Student weights: some corrections are those of the other state
            root = np.sqrt(weight)
            found = np.linalg.lstsq(terms * root[:, None], truth[rows] * root, rcond=None)[0]
            residual = truth[rows] - terms @ found
            weight = 5.0 / (4.0 + (residual / (1.4826 * np.median(np.abs(residual)))) ** 2)
        coef.append(found)
    write("dnu_correction.csv", "LOG_NUMAX,TEFF,M_H,LOG_MASS,RGB,CLUMP", np.column_stack([powers, *coef]))
    write("dnu_correction_limits.csv", "LOWER,UPPER", limits.T)
    f_dnu = isochrone_correction(numax, dnu, stars["TEFF"], stars["M_H"], state)
    for number, name in ((1, "red giant branch"), (2, "clump")):
        rows = known & (state == number)
        off = 100 * np.median(np.abs(f_dnu[rows] / truth[rows] - 1))
        median = np.median(truth[rows])
        print(f"{name}: {rows.sum()} stars, correction {median:.4f}, difference {off:.2f} % at the median")
    for what, f, masses in (("uncorrected", 1.0, raw), ("corrected", f_dnu, corrected)):
        ratio = scaling_relations(numax, dnu, stars["TEFF"], f_dnu=f).mass / masses
        print(f"{what} masses / those of Yu et al.: {np.nanmedian(ratio):.4f} (median of {np.isfinite(ratio).sum()})")


def write(name, header, rows):
    """Write a small table."""
    lines = [header] + [",".join(f"{value:.7g}" for value in row) for row in rows]
    (FOLDER / name).write_text("\n".join(lines) + "\n")


if __name__ == "__main__":
    main()
