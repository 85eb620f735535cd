"""Metallicity of stars whose alpha elements are not scaled as in the Sun."""

import numpy as np
from numpy.typing import ArrayLike, NDArray

__all__ = ["mean_alpha", "total_metallicity"]

# Share of the alpha elements in the Sun's metals.
_ALPHA_SHARE = 0.638


def mean_alpha(fe_h: ArrayLike) -> NDArray[np.float64]:
    """Return the mean [alpha/Fe] of stars of a metallicity, by the standard composition of the MARCS models.

    Parameters
    ----------
    fe_h : array-like
        [Fe/H] (dex).

    Returns
    -------
    alpha_fe : ndarray
        dex: 0.4 below [Fe/H] = -1, 0 above 0, a straight line between.

    References
    ----------
    Gustafsson et al. 2008, A&A 486, 951, section 2.3.

    Examples
    --------
    >>> from skdistmass.isochrones import mean_alpha
    >>> mean_alpha([-2.0, -0.5, 0.2])
    array([0.4, 0.2, 0. ])
    """
    return 0.4 * np.clip(-np.asarray(fe_h, dtype=np.float64), 0.0, 1.0)


def total_metallicity(fe_h: ArrayLike, alpha_fe: ArrayLike) -> NDArray[np.float64]:
    """Return the metallicity of scaled-solar models that are like those of given [Fe/H] and [alpha/Fe].

    Parameters
    ----------
    fe_h : array-like
        [Fe/H] (dex), or a metallicity that the alpha elements come on top of, such as APOGEE's [M/H].
    alpha_fe : array-like
        [alpha/Fe], or [alpha/M] (dex).

    Returns
    -------
    m_h : ndarray
        ``[Fe/H] + log10(0.638 * 10**[alpha/Fe] + 0.362)`` (dex).

    References
    ----------
    Salaris, Chieffi & Straniero 1993, ApJ 414, 580, with the Sun's abundances of today.

    Examples
    --------
    >>> from skdistmass.isochrones import total_metallicity
    >>> total_metallicity([-0.5, 0.0], [0.2, 0.0]).round(3)
    array([-0.362,  0.   ])
    """
    alpha = np.asarray(alpha_fe, dtype=np.float64)
    return np.asarray(fe_h, dtype=np.float64) + np.log10(_ALPHA_SHARE * 10.0**alpha + (1.0 - _ALPHA_SHARE))
