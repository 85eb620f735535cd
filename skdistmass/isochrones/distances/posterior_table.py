"""Posteriors of stars as a table with units and flags."""

import numpy as np

from skdistmass.isochrones.distances.grid import MARGINALS
from skdistmass.photometry import LN_DISTANCE_PER_MAG
from skdistmass.schema.bits import IsochroneFlag

_STATISTICS = ("", "_mean", "_mode", "_p16", "_p84")
# Fewer points than this, weighed by what they contribute, don't make a distribution.
_FEWEST_POINTS = 5.0


def posterior_table(regressor, stars, summaries, diagnostics, photometry, marginals):
    """Gather results in a table with units."""
    from astropy import units as u
    from astropy.table import QTable

    fit, off, defaulted, pdfs = diagnostics
    table = QTable()
    for k, name in enumerate(_STATISTICS):
        table[f"m_ks{name}"] = summaries[:, 1, k] * u.mag
    if photometry is not None:
        for k, name in enumerate(_STATISTICS):
            table[f"distance{name}"] = summaries[:, 0, k] * u.kpc
    if marginals:
        units = {"mass": u.Msun, "age": u.Gyr, "radius": u.Rsun}
        for m, quantity in enumerate(MARGINALS):
            for k, name in enumerate(_STATISTICS):
                log_value = summaries[:, 2 + m, k] - (9.0 if quantity == "age" else 0.0)
                table[f"{quantity}{name}"] = 10.0**log_value * units[quantity]
    table["nearest"] = np.sqrt(fit[:, 0])
    table["flag"] = _flags(regressor, stars, fit, off, defaulted, photometry)
    if len(pdfs):
        _add_pdfs(regressor.grid_.levels[0].axes[0], table, pdfs, photometry)
    return table


def _flags(regressor, stars, fit, off, defaulted, photometry):
    """Return the sum of the flags of each star."""
    missing = ~np.isfinite(stars).all(axis=1)
    low, high = regressor.feh_range_
    flags = {
        IsochroneFlag.MISSING_LABEL: missing,
        IsochroneFlag.OFF_GRID: off & ~missing,
        IsochroneFlag.DEFAULT_ERROR: defaulted & ~missing,
        IsochroneFlag.FEW_POINTS: ~off & (fit[:, 1] < _FEWEST_POINTS),
        IsochroneFlag.EDGE: ~off & ((stars[:, 2] < low) | (stars[:, 2] > high)),
    }
    if photometry is not None:
        flags[IsochroneFlag.MISSING_PHOTOMETRY] = ~np.isfinite(photometry[:, :2]).all(axis=1)
        flags[IsochroneFlag.PARALLAX_CONFLICT] = ~off & (fit[:, 2] > regressor.n_sigma)
    return sum(np.where(mask, int(flag), 0) for flag, mask in flags.items())


def _add_pdfs(axis, table, pdfs, photometry):
    """Add the distributions, normalised, to the table."""
    from astropy import units as u

    low, step, n_bins = axis
    centres = low + step * (np.arange(int(n_bins)) + 0.5)
    table.meta["m_ks"] = centres * u.mag
    with np.errstate(invalid="ignore"):
        density = pdfs / pdfs.sum(axis=2, keepdims=True) / step
    table["m_ks_pdf"] = density[:, 0] / u.mag
    if photometry is not None:
        distance = 10.0 ** (0.2 * (photometry[:, :1] - centres[::-1] - 10.0))
        table["distance_grid"] = distance * u.kpc
        table["distance_pdf"] = density[:, 1, ::-1] / (LN_DISTANCE_PER_MAG * distance) / u.kpc
