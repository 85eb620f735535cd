"""What is known of a star before it is observed: how many stars of each age there are."""

import numpy as np

from skdistmass.exceptions import InputError

__all__ = ["age_intervals", "intervals"]


def intervals(values):
    """Return the width of the interval that each of some sorted numbers stands for.

    Parameters
    ----------
    values : array-like of shape (n_values,)
        Increasing numbers.

    Returns
    -------
    edges : ndarray of shape (n_values + 1,)
        The middles between neighbours; the first and the last interval reach as far out as in. A single
        number gets an interval of width 1.

    Raises
    ------
    InputError
        If the numbers don't increase.

    Examples
    --------
    >>> from skdistmass.isochrones.distances.prior import intervals
    >>> intervals([0.0, 1.0, 3.0])
    array([-0.5,  0.5,  2. ,  4. ])
    """
    values = np.asarray(values, dtype=np.float64)
    if len(values) == 1:
        return values[0] + np.array([-0.5, 0.5])
    if not (np.diff(values) > 0).all():
        raise InputError("the values must increase, each of them there once.")
    middles = 0.5 * (values[1:] + values[:-1])
    return np.r_[2 * values[0] - middles[0], middles, 2 * values[-1] - middles[-1]]


def age_intervals(log_age):
    """Return the time that each isochrone stands for: its weight under a constant star formation rate.

    Parameters
    ----------
    log_age : array-like of shape (n_ages,)
        Different log10 ages (yr), increasing, in any spacing.

    Returns
    -------
    time : ndarray of shape (n_ages,)
        Years between the middles, in log age, of the intervals to the neighbours. On ages evenly spaced in
        log age it is proportional to the age.

    Raises
    ------
    InputError
        If the ages don't increase.

    Examples
    --------
    >>> from skdistmass.isochrones.distances.prior import age_intervals
    >>> time = age_intervals([9.0, 9.1, 9.2])
    >>> time / time[0]
    array([1. , 1.2589, 1.5849])
    """
    return np.diff(10.0 ** intervals(log_age))
