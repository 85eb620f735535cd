"""What is observed of stars, checked and brought into the form that the sums over the models need."""

import numpy as np

from skdistmass.exceptions import InputError
from skdistmass.labels import out_of_range, read_labels
from skdistmass.tables import as_floats, find_column, is_table

_NAMES = ("TEFF", "LOGG", "M_H")
#: Positions of the labels in the order the models are in: metallicity first, as all of one layer share it.
MODEL_ORDER = [2, 0, 1]


def read_stars(X):
    """Return Teff, log g and [Fe/H] as (n_stars, 3), rows of NaN where one is missing or impossible."""
    if is_table(X):
        stars = read_labels(X, _NAMES).values
    else:
        stars = as_floats(X, name="X")
        if stars.ndim != 2 or stars.shape[1] != 3:
            raise InputError(f"X must have shape (n_stars, 3): Teff, log g, [Fe/H]; got {stars.shape}.")
    stars = np.array(stars)
    bad = ~np.isfinite(stars).all(axis=1) | out_of_range(stars, _NAMES).any(axis=1)
    stars[bad] = np.nan
    return stars


def read_covariances(X, stars, X_err, cov, *, default, floor):
    """Return the stars' covariances, and for which stars a default error was used."""
    n_stars, diagonal = len(stars), np.arange(3)
    if cov is None:
        errors = _errors(X, X_err, n_stars)
        missing = np.isnan(errors)
        errors = np.maximum(np.where(missing, default, errors), floor)
        if (errors == 0).any():
            raise InputError("an error of zero needs a min_error above zero.")
        covariance = np.zeros((n_stars, 3, 3))
        covariance[:, diagonal, diagonal] = errors[:, MODEL_ORDER] ** 2
        return covariance, missing.any(axis=1)
    if X_err is not None:
        raise InputError("give X_err or cov, not both.")
    covariance = as_floats(cov, name="cov", sentinels=False)
    if covariance.shape not in ((3, 3), (n_stars, 3, 3)):
        raise InputError(f"cov must have shape ({n_stars}, 3, 3) or (3, 3); got {covariance.shape}.")
    covariance = np.array(np.broadcast_to(covariance, (n_stars, 3, 3)))
    missing = ~np.isfinite(covariance).all(axis=(1, 2))
    covariance[missing] = np.diag(default**2)
    if not np.allclose(covariance, covariance.transpose(0, 2, 1), rtol=1e-6):
        raise InputError("cov must be symmetric.")
    own = covariance[:, diagonal, diagonal]
    covariance[:, diagonal, diagonal] = np.maximum(own, floor**2)
    ordered = covariance[:, MODEL_ORDER][:, :, MODEL_ORDER]
    lowest = np.linalg.eigvalsh(ordered)[:, 0]
    if (lowest <= 0).any():
        raise InputError(f"cov of star {int(np.argmin(lowest))} is not positive definite.")
    return ordered, missing


def _errors(X, X_err, n_stars):
    """Return standard errors as (n_stars, 3), NaN where missing."""
    if X_err is None:
        errors = np.full((n_stars, 3), np.nan)
        if is_table(X):
            for k, (name, column) in enumerate(read_labels(X, _NAMES).columns.items()):
                found = find_column(X, f"{column}_ERR", required=False)
                if found is not None:
                    unit = "K" if name == "TEFF" else None
                    errors[:, k] = as_floats(X[found], unit, name=found)
    else:
        given = as_floats(X_err, name="X_err")
        if given.shape not in ((3,), (n_stars, 3)):
            raise InputError(f"X_err must have shape ({n_stars}, 3) or (3,); got {given.shape}.")
        errors = np.array(np.broadcast_to(given, (n_stars, 3)))
    if (errors < 0).any():
        row = int(np.flatnonzero((errors < 0).any(axis=1))[0])
        raise InputError(f"an error of star {row} is negative; errors must be zero or more, or NaN where unknown.")
    return errors


def read_photometry(magnitude, magnitude_err, extinction, extinction_err, parallax, parallax_err):
    """Return magnitude less extinction, its error, parallax and its error, (n_stars, 4); None without magnitude."""
    if magnitude is None:
        given = {
            "magnitude_err": magnitude_err,
            "extinction": extinction,
            "extinction_err": extinction_err,
            "parallax": parallax,
            "parallax_err": parallax_err,
        }
        for name, value in given.items():
            if value is not None:
                raise InputError(f"{name} is of no use without magnitude; give the apparent Ks too.")
        return None
    if (parallax is None) != (parallax_err is None):
        raise InputError("give parallax and parallax_err together.")
    magnitude = as_floats(magnitude, "mag", name="magnitude")
    if magnitude.ndim != 1:
        raise InputError(f"magnitude must have shape (n_stars,); got {magnitude.shape}.")
    shape = magnitude.shape
    error = np.hypot(
        _column(magnitude_err, 0.0, "mag", "magnitude_err", shape, error=True),
        _column(extinction_err, 0.0, "mag", "extinction_err", shape, error=True),
    )
    extinction = _column(extinction, 0.0, "mag", "extinction", shape)
    parallax = _column(parallax, np.nan, "mas", "parallax", shape, high_sentinels=False)
    parallax_err = _column(parallax_err, np.nan, "mas", "parallax_err", shape, error=True)
    if (parallax_err == 0).any():
        raise InputError("a parallax_err is zero; errors of parallaxes must be positive, or NaN where unknown.")
    return np.column_stack([magnitude - extinction, error, parallax, parallax_err])


def _column(values, absent, unit, name, shape, *, error=False, high_sentinels=True):
    """Return one observed quantity as floats of the shape of the magnitudes."""
    if values is None:
        return np.full(shape, absent)
    values = as_floats(values, unit, name=name, high_sentinels=high_sentinels)
    if values.shape not in ((), shape):
        raise InputError(f"{name} must have shape {shape}, like magnitude; got {values.shape}.")
    if error and (values < 0).any():
        raise InputError(f"{name} is negative somewhere; errors must be zero or more, or NaN where unknown.")
    return np.broadcast_to(values, shape)
