"""Make the formula of `skdistmass.seismology.bolometric_correction`, and compare what follows from it with real stars.

Run: ``python examples/make_bolometric_correction.py``. The correction is fitted to PARSEC v1.2S. Printed are the
coefficients, how well they fit, and seismic distances of the Kepler giants against those of Miglio et al. (2021) and
Gaia, and Gaia's radii against the seismic ones. The tables are those of `skdistmass.surveys.data_dir`.
"""

import numpy as np
from real_tables import real_table

from skdistmass import read_survey
from skdistmass.isochrones import Phase, read_parsec
from skdistmass.seismology import gaia_radius, gaia_radius_factor, seismic_distance
from skdistmass.seismology.luminosity import correction_terms
from skdistmass.uncertainty import robust_scatter


def fit():
    """Print the coefficients."""
    table = read_parsec(real_table("isochrones/parsec_v12s.parquet"))
    log_teff, logg, feh, log_l, ks, age = (
        np.asarray(table[name], float) for name in ("log_teff", "logg", "feh", "log_l", "ks", "log_age")
    )
    rows = (log_teff > np.log10(3900.0)) & (log_teff < np.log10(7000.0)) & (logg > 0.5) & (logg < 4.8) & (feh > -1.6)
    rows &= (age > 8.5) & (np.asarray(table["phase"]) < Phase.TPAGB) & ~np.asarray(table["ks_extrapolated"], bool)
    terms = correction_terms(10.0 ** log_teff[rows], logg[rows], feh[rows])
    correction = (4.74 - 2.5 * log_l - ks)[rows]
    found, *_ = np.linalg.lstsq(terms, correction, rcond=None)
    off = np.abs(correction - terms @ found)
    print("coefficients:", ", ".join(f"{value:.4f}" for value in found))
    print(f"{rows.sum()} points: {off.std():.4f} mag rms, {np.percentile(off, 99):.3f} at the 99th percentile")


def compare():
    """Print how distances and radii agree."""
    stars = read_survey(real_table("kepler_giants.fits"), columns=["RADIUS", "DIST_SEIS", "NUMAX"])
    labels = stars["TEFF"], stars["LOGG"]
    known = {"extinction": stars["A_K"], "m_h": stars["M_H"]}
    distance, _ = seismic_distance(stars["RADIUS"], *labels, stars["K"], **known)
    for name, other in (("Miglio et al. 2021", stars["DIST_SEIS"]), ("Gaia", stars["GAIAEDR3_DIST"])):
        off = distance / other - 1.0
        off = off[np.isfinite(off)]
        print(f"seismic distance against {name}: {len(off)} stars, {np.median(off):+.3f} / {robust_scatter(off):.3f}")
    radius, error = gaia_radius(
        stars["PARALLAX"] + 0.03, *labels, stars["K"], parallax_err=stars["PARALLAX_ERR"], **known
    )
    good = error < 0.08 * radius
    factor, _ = gaia_radius_factor(stars["RADIUS"][good], radius[good])
    print(f"Gaia's radius over the seismic one: {good.sum()} stars, {np.nanmin(factor):.3f} to "
          f"{np.nanmax(factor):.3f}, median {np.nanmedian(factor):.3f}")  # fmt: skip


if __name__ == "__main__":
    fit()
    compare()
