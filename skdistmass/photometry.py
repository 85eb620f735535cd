"""Magnitudes and distances: the distance modulus, parallaxes and the weighting of two distances.

Columns and quantities with a unit are converted to the unit named in the docstring. Plain numbers are taken to be in
that unit.
"""

import numpy as np

from skdistmass.tables import as_floats

__all__ = [
    "LN_DISTANCE_PER_MAG",
    "absolute_magnitude",
    "absolute_magnitude_error",
    "distance_from_magnitude",
    "distance_from_parallax",
    "distance_ratio",
    "weighted_distance",
    "widened_interval",
]

#: d(ln distance) / d(distance modulus).
LN_DISTANCE_PER_MAG = np.log(10.0) / 5.0
_KPC_AT_ZERO_MODULUS = 0.01


def _floats(values, unit, name):
    """Return floats in a unit. Survey placeholders are found where tables are read."""
    return as_floats(values, unit, name=name, sentinels=False)


def _dereddened(mag, extinction):
    return _floats(mag, "mag", "mag") - _floats(extinction, "mag", "extinction")


def distance_from_magnitude(abs_mag, mag, extinction):
    """Distance at which a star of given absolute magnitude shows a given apparent one.

    Parameters
    ----------
    abs_mag, mag, extinction : array-like
        Absolute and apparent magnitude and extinction, all of one band (mag).

    Returns
    -------
    distance : ndarray
        ``10 pc * 10^(0.2 (m - A - M))``, in kpc; NaN where one of the three is.

    Examples
    --------
    >>> from skdistmass.photometry import distance_from_magnitude
    >>> float(distance_from_magnitude(abs_mag=-1.6, mag=8.5, extinction=0.1))
    1.0
    """
    modulus = _dereddened(mag, extinction) - _floats(abs_mag, "mag", "abs_mag")
    return _KPC_AT_ZERO_MODULUS * 10.0 ** (0.2 * modulus)


def absolute_magnitude(mag, extinction, distance):
    """Absolute magnitude of a star at a known distance.

    Parameters
    ----------
    mag, extinction : array-like
        Apparent magnitude and extinction of one band (mag).
    distance : array-like
        Distance (kpc).

    Returns
    -------
    abs_mag : ndarray
        Magnitude (mag); NaN where a value is NaN or the distance is not positive.

    Examples
    --------
    >>> from skdistmass.photometry import absolute_magnitude
    >>> float(absolute_magnitude(mag=8.5, extinction=0.1, distance=1.0))
    -1.6
    """
    distance = _floats(distance, "kpc", "distance")
    with np.errstate(invalid="ignore", divide="ignore"):
        modulus = 5.0 * np.log10(np.where(distance > 0, distance, np.nan) / _KPC_AT_ZERO_MODULUS)
    return _dereddened(mag, extinction) - modulus


def absolute_magnitude_error(mag_err, extinction_err, fractional_distance_error):
    """Error of an absolute magnitude from those of magnitude, extinction and distance, all independent.

    Parameters
    ----------
    mag_err, extinction_err : array-like
        Errors (mag).
    fractional_distance_error : array-like
        Error of the distance or the parallax, divided by it.

    Returns
    -------
    error : ndarray
        Standard deviation (mag).
    """
    parts = (
        _floats(mag_err, "mag", "mag_err"),
        _floats(extinction_err, "mag", "extinction_err"),
        _floats(fractional_distance_error, "", "fractional_distance_error") / LN_DISTANCE_PER_MAG,
    )
    return np.sqrt(sum(map(np.square, parts)))


def distance_ratio(abs_mag, reference):
    """Ratio of two distances of a star from two values of its absolute magnitude.

    Parameters
    ----------
    abs_mag : array-like
        Absolute magnitude that gives the first distance (mag).
    reference : array-like
        Absolute magnitude that gives the second distance (mag).

    Returns
    -------
    ratio : ndarray
        First distance divided by the second, ``10^(0.2 (reference - abs_mag))``.

    Examples
    --------
    >>> from skdistmass.photometry import distance_ratio
    >>> distance_ratio([-1.6, -1.7], -1.6).round(3)
    array([1.   , 1.047])
    """
    difference = _floats(reference, "mag", "reference") - _floats(abs_mag, "mag", "abs_mag")
    with np.errstate(over="ignore"):
        return 10.0 ** (0.2 * difference)


def widened_interval(distance, ends, variance):
    """Ends of intervals of distance after a change of the error of the magnitude.

    Parameters
    ----------
    distance : ndarray of shape (n_stars,)
        Distance (kpc).
    ends : ndarray of shape (4, n_stars)
        Lower and upper end of the 68.27 % interval, then of the 95.45 % interval (kpc).
    variance : ndarray of shape (n_stars,)
        What is added to the variance of the magnitude (mag^2); negative if it was assumed too large.

    Returns
    -------
    ends : ndarray of shape (4, n_stars)

    Examples
    --------
    >>> import numpy as np
    >>> from skdistmass.photometry import widened_interval
    >>> ends = np.array([[0.9], [1.1], [0.8], [1.2]])
    >>> widened_interval(np.array([1.0]), ends, np.array([0.1**2])).round(3).T
    array([[0.891, 1.112, 0.786, 1.227]])
    """
    with np.errstate(divide="ignore", invalid="ignore"):
        sides = 5.0 * np.log10(ends / distance)  # mag
        widths = np.square(sides) + np.multiply.outer([1.0, 1.0, 4.0, 4.0], variance)
        return distance * 10.0 ** (0.2 * np.sign(sides) * np.sqrt(np.maximum(widths, 0.0)))


def distance_from_parallax(parallax, zero_point=0.0):
    """Distance as the inverse of a parallax.

    Good for parallaxes with errors below about 15 %, as in section 4.1 of the paper. Noisier ones need a prior
    (Bailer-Jones et al. 2021).

    Parameters
    ----------
    parallax : array-like
        Parallax (mas).
    zero_point : array-like, default=0.0
        Parallax of infinitely distant sources (mas), subtracted first; negative for Gaia.

    Returns
    -------
    distance : ndarray
        Distance (kpc); NaN where the corrected parallax is not positive.

    Examples
    --------
    >>> from skdistmass.photometry import distance_from_parallax
    >>> distance_from_parallax([0.5, -0.1])
    array([ 2., nan])
    """
    corrected = _floats(parallax, "mas", "parallax") - _floats(zero_point, "mas", "zero_point")
    with np.errstate(invalid="ignore", divide="ignore"):
        return np.where(corrected > 0, 1.0 / corrected, np.nan)


def weighted_distance(distance, distance_err, reference, reference_err):
    """Mean of two distances (section 4.3, DISTANCE_WEIGHTED of Table 2), combined as parallaxes.

    The inverses of the distances are weighted by their inverse variances. The mean of the distances themselves comes
    out 1 to 2 % low: an error in proportion to the distance gives the distance that came out too near more weight.

    Parameters
    ----------
    distance, distance_err : array-like
        Spectroscopic distance and its error (kpc).
    reference, reference_err : array-like
        Other distance, as from Gaia, and its error (kpc).

    Returns
    -------
    mean, error : ndarray
        Inverse of the weighted mean of the parallaxes, and its standard deviation (kpc). Where only one of the two has
        both value and error, that one.

    Examples
    --------
    >>> from skdistmass.photometry import weighted_distance
    >>> mean, error = weighted_distance([1.0, 2.0], [0.1, 0.2], [1.2, float("nan")], [0.1, 0.1])
    >>> mean.round(3), error.round(3)
    (array([1.127, 2.   ]), array([0.072, 0.2  ]))
    """
    given = {"distance": distance, "reference": reference, "distance_err": distance_err, "reference_err": reference_err}
    columns = np.broadcast_arrays(*(_floats(values, "kpc", name) for name, values in given.items()))
    values, errors = np.stack(columns[:2]), np.stack(columns[2:])
    usable = (values > 0) & np.isfinite(values) & (errors > 0) & np.isfinite(errors)
    with np.errstate(invalid="ignore", divide="ignore"):
        weights = np.where(usable, (values**2 / errors) ** 2, 0.0)
        total = weights.sum(axis=0)
        mean = total / np.where(usable, weights / values, 0.0).sum(axis=0)
        error = mean**2 * total**-0.5
    for alone, other in ((0, 1), (1, 0)):
        single = usable[alone] & ~usable[other]
        mean, error = np.where(single, values[alone], mean), np.where(single, errors[alone], error)
    return np.where(usable.any(axis=0), mean, np.nan), np.where(usable.any(axis=0), error, np.nan)
