"""Distances of stars of known radius, and radii of stars of known distance, by the K band and Teff."""

import numpy as np
from numpy.typing import ArrayLike, NDArray

from skdistmass.photometry import LN_DISTANCE_PER_MAG
from skdistmass.seismology.scaling import floats

__all__ = ["bolometric_correction", "correction_terms", "gaia_radius", "seismic_distance"]

Floats = NDArray[np.float64]
_SUN_TEFF, _SUN_MAGNITUDE = 5772.0, 4.74
# Fitted to PARSEC v1.2S by ``examples/make_bolometric_correction.py``.
_COEFFICIENTS = np.array([2.0605, -0.3352, -0.0121, 0.0014, -0.0058, 0.0389])
_SCATTER = 0.05  # mag: of the real stars' corrections, beyond the fit's 0.01


def correction_terms(teff: Floats, logg: Floats, m_h: Floats) -> Floats:
    """Return the terms of the bolometric correction, shape (n_stars, 6)."""
    x = (np.log10(teff) - 3.68) / 0.05
    return np.column_stack([np.ones_like(x), x, x**2, x**3, logg - 2.5, m_h])


def bolometric_correction(teff: ArrayLike, logg: ArrayLike, m_h: ArrayLike = 0.0) -> Floats:
    """Return the bolometric correction of 2MASS Ks: bolometric magnitude less M_Ks.

    Parameters
    ----------
    teff : array-like of shape (n_stars,)
        Effective temperature (K).
    logg : array-like of shape (n_stars,)
        Surface gravity (dex). It hardly matters: 0.006 mag for each dex.
    m_h : array-like of shape (n_stars,) or float, default=0.0
        Metallicity (dex).

    Returns
    -------
    correction : ndarray of shape (n_stars,)
        mag; NaN below 3900 K and above 7000 K, where the formula was not fitted.

    Notes
    -----
    A polynomial of third degree in log Teff and linear in log g and [M/H], fitted to the isochrones of PARSEC v1.2S to
    0.01 mag (``examples/make_bolometric_correction.py``). The Sun's bolometric magnitude is 4.74. Seismic radii and
    distances of real giants, with Teff of APOGEE, ask for 0.05 to 0.08 mag less at 4700 K: distances are 2 to 4 % high.
    Factors of radius as in `gaia_radius_factor` have this offset, too.

    References
    ----------
    Bressan et al. 2012, MNRAS 427, 127.

    Examples
    --------
    >>> from skdistmass.seismology import bolometric_correction
    >>> bolometric_correction([4700.0, 5772.0], [2.5, 4.44]).round(2)
    array([2.11, 1.48])
    """
    given = ((teff, "K", "teff"), (logg, None, "logg"), (m_h, None, "m_h"))
    teff, logg, m_h = np.broadcast_arrays(*(np.atleast_1d(floats(v, unit, name)) for v, unit, name in given))
    teff = np.where((teff >= 3900.0) & (teff <= 7000.0), teff, np.nan)
    return correction_terms(teff, logg, m_h) @ _COEFFICIENTS


def seismic_distance(
    radius: ArrayLike,
    teff: ArrayLike,
    logg: ArrayLike,
    mag: ArrayLike,
    *,
    extinction: ArrayLike = 0.0,
    m_h: ArrayLike = 0.0,
    correction: ArrayLike | None = None,
    radius_err: ArrayLike = 0.0,
    teff_err: ArrayLike = 0.0,
    mag_err: ArrayLike = 0.0,
) -> tuple[Floats, Floats]:
    """Distance from radius, Teff and Ks.

    Parameters
    ----------
    radius : array-like of shape (n_stars,)
        Radius (Rsun), as from `scaling_relations`.
    teff, logg, m_h : array-like of shape (n_stars,)
        Effective temperature (K), gravity and metallicity (dex), for `bolometric_correction`.
    mag, extinction : array-like of shape (n_stars,)
        Apparent Ks and A_Ks (mag).
    correction : array-like of shape (n_stars,), optional
        Another bolometric correction of Ks (mag) than `bolometric_correction`.
    radius_err, teff_err, mag_err : array-like of shape (n_stars,) or float, default=0.0
        Errors; that of the extinction belongs to the magnitude.

    Returns
    -------
    distance, error : ndarray of shape (n_stars,)
        kpc. The error has 0.05 mag for the bolometric correction. It takes radius and Teff as independent, though a
        seismic radius is proportional to the root of Teff.

    Examples
    --------
    >>> from skdistmass.seismology import seismic_distance
    >>> distance, error = seismic_distance([10.5], [4750.0], [2.45], [9.0], radius_err=[0.2], teff_err=[50.0])
    >>> distance.round(2), error.round(2)
    (array([1.32]), array([0.04]))
    """
    radius = floats(radius, "Rsun", "radius")
    corrected = floats(mag, "mag", "mag") - floats(extinction, "mag", "extinction")
    magnitude, slope = _surface_magnitude(floats(teff, "K", "teff"), logg, m_h, correction)
    with np.errstate(divide="ignore", invalid="ignore"):
        modulus = corrected - magnitude + 5.0 * np.log10(np.where(radius > 0, radius, np.nan))
        distance = 10.0 ** (0.2 * (modulus - 10.0))
        relative = floats(radius_err, "Rsun", "radius_err") / radius
    return distance, distance * _relative_error(relative, slope, teff_err, mag_err)


def gaia_radius(
    parallax: ArrayLike,
    teff: ArrayLike,
    logg: ArrayLike,
    mag: ArrayLike,
    *,
    extinction: ArrayLike = 0.0,
    m_h: ArrayLike = 0.0,
    correction: ArrayLike | None = None,
    parallax_err: ArrayLike = 0.0,
    teff_err: ArrayLike = 0.0,
    mag_err: ArrayLike = 0.0,
) -> tuple[Floats, Floats]:
    """Radius from parallax, Teff and Ks: what `gaia_radius_factor` and `mass_scales` compare seismic radii with.

    Parameters
    ----------
    parallax : array-like of shape (n_stars,)
        mas, corrected for its zero point.
    teff, logg, m_h, mag, extinction, correction, teff_err, mag_err
        As for `seismic_distance`.
    parallax_err : array-like of shape (n_stars,) or float, default=0.0
        Its error (mas).

    Returns
    -------
    radius, error : ndarray of shape (n_stars,)
        Rsun; NaN where the parallax is not positive.

    Examples
    --------
    >>> from skdistmass.seismology import gaia_radius
    >>> radius, error = gaia_radius([0.73], [4750.0], [2.45], [9.0], parallax_err=[0.01])
    >>> radius.round(1), error.round(1)
    (array([10.9]), array([0.3]))
    """
    parallax = floats(parallax, "mas", "parallax")
    corrected = floats(mag, "mag", "mag") - floats(extinction, "mag", "extinction")
    magnitude, slope = _surface_magnitude(floats(teff, "K", "teff"), logg, m_h, correction)
    parallax = np.where(parallax > 0, parallax, np.nan)
    absolute = corrected + 5.0 * np.log10(parallax) - 10.0
    radius = 10.0 ** (0.2 * (magnitude - absolute))
    relative = floats(parallax_err, "mas", "parallax_err") / parallax
    return radius, radius * _relative_error(relative, slope, teff_err, mag_err)


def _surface_magnitude(
    teff: Floats, logg: ArrayLike, m_h: ArrayLike, correction: ArrayLike | None
) -> tuple[Floats, Floats]:
    """Return M_Ks of a star of 1 Rsun, and its slope by Teff (mag / K)."""

    def magnitude(temperature: Floats) -> Floats:
        return _SUN_MAGNITUDE - 10.0 * np.log10(temperature / _SUN_TEFF) - bolometric_correction(temperature, logg, m_h)

    middle, warmer = magnitude(teff), magnitude(teff + 1.0)
    if correction is None:
        return middle, warmer - middle
    own = floats(correction, "mag", "correction")
    return middle + bolometric_correction(teff, logg, m_h) - own, warmer - middle


def _relative_error(other: Floats, slope: Floats, teff_err: ArrayLike, mag_err: ArrayLike) -> Floats:
    """Return the relative error of a distance or radius: its own part, those of Teff and magnitude, and the scatter."""
    by_teff = slope * floats(teff_err, "K", "teff_err")
    return np.hypot(
        other, LN_DISTANCE_PER_MAG * np.sqrt(by_teff**2 + floats(mag_err, "mag", "mag_err") ** 2 + _SCATTER**2)
    )
