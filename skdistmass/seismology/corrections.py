"""Corrections of the scaling relations: of the large separation by models, of the radius by Gaia."""

from functools import lru_cache
from importlib import resources

import numpy as np
from numpy.typing import ArrayLike, NDArray

from skdistmass.exceptions import InputError
from skdistmass.seismology.scaling import floats, scaling_relations
from skdistmass.uncertainty import robust_scatter

__all__ = ["gaia_radius_factor", "isochrone_correction", "white_correction"]

RED_GIANT_BRANCH, RED_CLUMP = 1, 2
# The fit's variables are log10(numax / 50 uHz), (Teff - 4800 K) / 200 K, [M/H] and log10(mass / 1.2 Msun), the mass by
# the uncorrected relations; they end at the central 99 % of the stars it was made from.
_CENTER, _SCALE = np.array([np.log10(50.0), 4800.0, 0.0, np.log10(1.2)]), np.array([1.0, 200.0, 1.0, 1.0])
_LEAST_STARS = 20  # in a bin of radii


def white_correction(teff: ArrayLike) -> NDArray[np.float64]:
    """Large separation in units of what the scaling relation says, by models of stars of all stages.

    Parameters
    ----------
    teff : array-like of shape (n_stars,)
        Effective temperature (K).

    Returns
    -------
    f_dnu : ndarray of shape (n_stars,)
        ``-4.29 x^2 + 4.84 x - 0.35`` with ``x = Teff / 10^4 K``; it was found for 4700 to 6700 K, and is constant
        beyond.

    References
    ----------
    White et al. 2011, ApJ 743, 161, equations 5 and 6.

    Examples
    --------
    >>> from skdistmass.seismology import white_correction
    >>> white_correction([4700.0, 5777.0, 4000.0]).round(3)
    array([0.977, 1.014, 0.977])
    """
    x = np.clip(floats(teff, "K", "teff"), 4700.0, 6700.0) / 1e4
    return -4.29 * x**2 + 4.84 * x - 0.35


@lru_cache(maxsize=1)
def _isochrone_fit() -> tuple[NDArray[np.int64], dict[int, NDArray[np.float64]], NDArray[np.float64]]:
    """Powers of the variables in each term, coefficients for each state, and the ends of the variables."""
    folder = resources.files("skdistmass.seismology")
    with folder.joinpath("dnu_correction.csv").open() as file:
        rows = np.loadtxt(file, delimiter=",", skiprows=1)
    with folder.joinpath("dnu_correction_limits.csv").open() as file:
        limits = np.loadtxt(file, delimiter=",", skiprows=1)
    return rows[:, :4].astype(np.int64), {RED_GIANT_BRANCH: rows[:, 4], RED_CLUMP: rows[:, 5]}, limits.T


def correction_variables(
    numax: NDArray[np.float64], dnu: NDArray[np.float64], teff: NDArray[np.float64], m_h: NDArray[np.float64]
) -> NDArray[np.float64]:
    """Return the variables of the fit, shape (n_stars, 4)."""
    mass = scaling_relations(numax, dnu, teff).mass
    with np.errstate(divide="ignore", invalid="ignore"):
        return (np.column_stack([np.log10(numax), teff, m_h, np.log10(mass)]) - _CENTER) / _SCALE


def isochrone_correction(
    numax: ArrayLike, dnu: ArrayLike, teff: ArrayLike, m_h: ArrayLike, state: ArrayLike
) -> NDArray[np.float64]:
    """Large separation of a giant in units of what the scaling relation says, by models of its evolutionary state.

    A polynomial of second degree in log numax, Teff, [M/H] and log mass for each state, fitted to the corrections of Yu
    et al. (2018), which come from the grid of models of Sharma et al. (2016). It agrees with them to 0.20 % (red giant
    branch) and 0.10 % (clump) at the median, which is 0.8 % and 0.4 % in mass (``examples/make_dnu_correction.py``).

    Parameters
    ----------
    numax, dnu : array-like of shape (n_stars,)
        Frequency of maximum power and large separation (uHz).
    teff : array-like of shape (n_stars,)
        Effective temperature (K).
    m_h : array-like of shape (n_stars,)
        Metallicity (dex).
    state : array-like of int, shape (n_stars,)
        1 red giant branch, 2 red clump (EVSTATE; `skdistmass.EvolutionaryStateClassifier` predicts it).

    Returns
    -------
    f_dnu : ndarray of shape (n_stars,)
        NaN where the state is another. Beyond the central 99 % of the stars of the fit it is constant.

    References
    ----------
    Sharma et al. 2016, ApJ 822, 15; Yu et al. 2018, ApJS 236, 42.

    Examples
    --------
    >>> from skdistmass.seismology import isochrone_correction
    >>> isochrone_correction([50.0, 35.0], [5.0, 4.1], [4750.0, 4900.0], [0.0, 0.0], [1, 2]).round(3)
    array([0.982, 1.004])
    """
    given = ((numax, "uHz", "numax"), (dnu, "uHz", "dnu"), (teff, "K", "teff"), (m_h, None, "m_h"))
    columns = np.broadcast_arrays(*(np.atleast_1d(floats(v, unit, name)) for v, unit, name in given))
    state = np.broadcast_to(np.atleast_1d(state), columns[0].shape)
    powers, coef, limits = _isochrone_fit()
    x = np.clip(correction_variables(*columns), limits[0], limits[1])
    terms = np.prod(x[:, None, :] ** powers, axis=2)
    found = np.full(len(x), np.nan)
    for number, values in coef.items():
        found = np.where(state == number, terms @ values, found)
    return found


def gaia_radius_factor(
    radius: ArrayLike, gaia_radius: ArrayLike, *, n_bins: int = 12
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Factor by which seismic radii are to be multiplied to agree with Gaia's, and its error.

    Radii from parallax, Teff and bolometric magnitude do not depend on the relations. The median ratio is taken in bins
    of the seismic radius with equal numbers of stars, and interpolated. As the radius is proportional to numax, and the
    mass to its third power, ``f_numax = 1 / factor`` in `scaling_relations` corrects both.

    Parameters
    ----------
    radius, gaia_radius : array-like of shape (n_stars,)
        Radii by seismology and by Gaia (Rsun). Stars without one of them get a factor, but don't count.
    n_bins : int, default=12
        Number of bins; fewer if there are fewer than 20 stars for each.

    Returns
    -------
    factor : ndarray of shape (n_stars,)
        Constant beyond the centres of the outer bins; NaN where the seismic radius is missing.
    error : ndarray of shape (n_stars,)
        Its statistical error.

    Raises
    ------
    InputError
        If fewer than 20 stars have both radii.

    References
    ----------
    Zinn et al. 2019, ApJ 885, 166; section 5.4 of Stone-Martinez et al. 2024.

    Examples
    --------
    >>> import numpy as np
    >>> from skdistmass.seismology import gaia_radius_factor
    >>> radius = np.random.default_rng(0).uniform(5.0, 20.0, 1000)
    >>> factor, error = gaia_radius_factor(radius, 0.98 * radius)
    >>> factor[:2].round(3)
    array([0.98, 0.98])
    """
    radius, other = floats(radius, "Rsun", "radius"), floats(gaia_radius, "Rsun", "gaia_radius")
    known = (radius > 0) & (other > 0) & np.isfinite(radius) & np.isfinite(other)
    n_known = int(np.count_nonzero(known))
    if n_known < _LEAST_STARS:
        raise InputError(f"{n_known} stars have both radii; at least {_LEAST_STARS} are needed.")
    log_radius, ratio = np.log(radius[known]), other[known] / radius[known]
    parts = np.array_split(np.argsort(log_radius, kind="stable"), min(n_bins, n_known // _LEAST_STARS))
    centers = np.array([np.median(log_radius[rows]) for rows in parts])
    factors = np.array([np.median(ratio[rows]) for rows in parts])
    # The median of a normal sample scatters by sqrt(pi / 2) more than its mean.
    errors = np.array([np.sqrt(np.pi / 2.0) * robust_scatter(ratio[rows]) / np.sqrt(len(rows)) for rows in parts])
    at = np.log(np.where(radius > 0, radius, np.nan))
    # With one bin, np.interp has a value for NaN, too.
    factor, error = (np.where(np.isnan(at), np.nan, np.interp(at, centers, values)) for values in (factors, errors))
    return factor, error
