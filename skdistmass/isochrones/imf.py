"""The initial mass function of Kroupa (2001): how many stars of each mass are born.

dN/dM is proportional to M^-0.3 below 0.08 Msun, M^-1.3 up to 0.5 and M^-2.3 above, without jumps, normalised
to one solar mass of stars formed between 0.01 and 120 Msun; that is also the normalisation of PARSEC's CMD
tables.

References
----------
Kroupa, P. 2001, MNRAS, 322, 231; 2001, ASP Conf. Ser. 228, 187.
"""

from collections.abc import Callable

import numpy as np
from numpy.typing import ArrayLike, NDArray

from skdistmass.exceptions import InputError

__all__ = ["HIGHEST_MASS", "LOWEST_MASS", "imf_weights", "kroupa_imf", "kroupa_number"]

LOWEST_MASS, HIGHEST_MASS = 0.01, 120.0
_EDGES = np.array([LOWEST_MASS, 0.08, 0.5, HIGHEST_MASS])
_SLOPES = np.array([-0.3, -1.3, -2.3])
# Factors that make the pieces meet at 0.08 and 0.5 Msun.
_FACTORS = np.cumprod(np.r_[1.0, _EDGES[1:-1] ** (_SLOPES[:-1] - _SLOPES[1:])])


def _integral(mass, power):
    """Integrate M^power times the unnormalised IMF from the lowest mass to each mass."""
    total = np.zeros(np.shape(mass))
    for low, high, slope, factor in zip(_EDGES[:-1], _EDGES[1:], _SLOPES, _FACTORS, strict=True):
        exponent = slope + power + 1.0
        top = np.clip(mass, low, high)
        total = total + factor * (top**exponent - low**exponent) / exponent
    return total


_NORMALISATION = 1.0 / _integral(np.float64(HIGHEST_MASS), 1.0)


def _check_masses(mass):
    mass = np.asarray(mass, dtype=np.float64)
    if np.any(mass < 0):
        raise InputError(f"a stellar mass can't be negative; got {np.nanmin(mass)} Msun.")
    return mass


def kroupa_imf(mass: ArrayLike) -> NDArray[np.float64]:
    """Return the number of stars per unit mass, dN/dM.

    Parameters
    ----------
    mass : array-like of float
        Initial mass (Msun), of any shape.

    Returns
    -------
    density : ndarray of float64
        Stars per Msun, per Msun of stars formed; 0 outside 0.01 to 120 Msun, NaN where the mass is.

    Raises
    ------
    InputError
        If a mass is negative.

    Examples
    --------
    >>> from skdistmass.isochrones import kroupa_imf
    >>> kroupa_imf([1.0, 2.0])
    array([0.2093, 0.0425])
    """
    mass = _check_masses(mass)
    piece = np.clip(np.searchsorted(_EDGES, mass, side="right") - 1, 0, len(_SLOPES) - 1)
    inside = (mass >= _EDGES[0]) & (mass <= _EDGES[-1])
    density = np.where(inside, mass, 1.0) ** _SLOPES[piece] * _FACTORS[piece] * _NORMALISATION
    return np.where(np.isnan(mass), np.nan, np.where(inside, density, 0.0))


def kroupa_number(mass: ArrayLike) -> NDArray[np.float64]:
    """Return the number of stars born below a mass, per solar mass of stars formed.

    Parameters
    ----------
    mass : array-like of float
        Initial mass (Msun), of any shape.

    Returns
    -------
    number : ndarray of float64
        The integral of `kroupa_imf` from 0.01 Msun: what PARSEC's CMD tables call `int_IMF`.

    Raises
    ------
    InputError
        If a mass is negative.

    Examples
    --------
    The first row of a CMD table, whose `int_IMF` is 1.081689593:

    >>> from skdistmass.isochrones import kroupa_number
    >>> float(kroupa_number(0.0900000036))
    1.0816895
    """
    return _NORMALISATION * _integral(_check_masses(mass), 0.0)


def imf_weights(
    initial_mass: ArrayLike, number: Callable[[NDArray[np.float64]], NDArray[np.float64]] = kroupa_number
) -> NDArray[np.float64]:
    """Return the number of stars that each point of an isochrone stands for.

    Parameters
    ----------
    initial_mass : array-like of shape (n_points,)
        Initial masses (Msun) along one isochrone, in increasing order.
    number : callable, default=kroupa_number
        The cumulative initial mass function: masses to the number of stars below them.

    Returns
    -------
    weights : ndarray of shape (n_points,)
        Stars between the middles of the intervals to the neighbours, per solar mass formed. A point below the highest
        mass before it gets none.

    Notes
    -----
    Late phases are so short that neighbouring masses differ only in their last printed digits. The weights come from
    the masses, not from the cumulative column of a file, which has no more digits.

    Examples
    --------
    >>> from skdistmass.isochrones import imf_weights, kroupa_number
    >>> weights = imf_weights([1.0, 1.2, 1.5, 1.6])
    >>> float(weights.sum() / (kroupa_number(1.6) - kroupa_number(1.0)))
    1.0
    """
    mass = np.maximum.accumulate(_check_masses(initial_mass))
    edges = np.r_[mass[:1], 0.5 * (mass[1:] + mass[:-1]), mass[-1:]]
    return np.diff(number(edges))
