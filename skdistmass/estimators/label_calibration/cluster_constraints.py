"""What holds in star clusters on any scale of labels: one metallicity, one distance, one age."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from skdistmass.estimators.label_calibration.constraints import PART_ERROR, Constraint, predictor
from skdistmass.photometry import LN_DISTANCE_PER_MAG, absolute_magnitude
from skdistmass.schema.limits import EXTINCTION_ERR, MAG_ERR
from skdistmass.tables import as_floats, as_text

__all__ = ["cluster_age_constraint", "cluster_distance_constraint", "cluster_metallicity_constraint"]


def _clusters(cluster):
    """Number the clusters; -1 for stars of none."""
    names, codes = np.unique(as_text(cluster, name="cluster"), return_inverse=True)
    codes = codes.astype(np.int64)
    return np.where(names[codes] == "", -1, codes)


def _known(constraint_value, *conditions):
    value = np.array(constraint_value, dtype=np.float64)
    for condition in conditions:
        value[~condition] = np.nan
    return value


def cluster_metallicity_constraint(
    cluster: ArrayLike, *, m_h: ArrayLike | None = None, width: float = 0.03, scale_err: float = 0.03
) -> Constraint:
    """One [M/H] in each cluster.

    Parameters
    ----------
    cluster : array-like of str, shape (n_stars,)
        Cluster of each star, blank for none.
    m_h : array-like of shape (n_stars,), optional
        The metallicity of the star's cluster, if known.
    width : float, default=0.03
        Error of the members' [M/H] (dex).
    scale_err : float, default=0.03
        Error of the clusters' known metallicity (dex).

    Returns
    -------
    constraint : Constraint
    """
    codes = _clusters(cluster)
    value = np.zeros(len(codes)) if m_h is None else as_floats(m_h, name="m_h")
    error = np.full(len(codes), width)
    free = np.inf if m_h is None else scale_err
    return Constraint("cluster metallicity", lambda X: X[:, 2], _known(value, codes >= 0), error, codes, free)


def cluster_distance_constraint(
    abs_mag: Any,
    mag: ArrayLike,
    extinction: ArrayLike,
    cluster: ArrayLike,
    *,
    distance: ArrayLike | None = None,
    distance_err: float = 0.05,
) -> Constraint:
    """One distance for each cluster.

    Parameters
    ----------
    abs_mag : regressor or callable
        The model's M_K.
    mag, extinction : array-like of shape (n_stars,)
        Apparent magnitude and extinction (mag).
    cluster : array-like of str, shape (n_stars,)
        Cluster of each star, blank for none.
    distance : array-like of shape (n_stars,), optional
        Distance of the star's cluster (kpc), if known.
    distance_err : float, default=0.05
        Its relative error.

    Returns
    -------
    constraint : Constraint
    """
    codes = _clusters(cluster)
    mag, extinction = as_floats(mag, "mag", name="mag"), as_floats(extinction, "mag", name="extinction")
    known = np.ones(len(codes)) if distance is None else as_floats(distance, "kpc", name="distance")
    value = _known(absolute_magnitude(mag, extinction, known), codes >= 0)
    error = np.full(len(codes), np.hypot(MAG_ERR, EXTINCTION_ERR))
    free = np.inf if distance is None else distance_err / LN_DISTANCE_PER_MAG
    return Constraint("cluster distance", predictor(abs_mag), value, error, codes, free, PART_ERROR)


def cluster_age_constraint(
    log_age: Callable[[NDArray[np.float64]], NDArray[np.float64]],
    cluster: ArrayLike,
    *,
    known: ArrayLike | None = None,
    width: float = 0.15,
    scale_err: float = 0.1,
) -> Constraint:
    """One age for the giants of each cluster.

    Parameters
    ----------
    log_age : callable
        Takes labels and returns log10 of the age in years, NaN for stars without one.
    cluster : array-like of str, shape (n_stars,)
        Cluster of each star, blank for none.
    known : array-like of shape (n_stars,), optional
        log10 age of the star's cluster, if known.
    width, scale_err : float
        Error of the members' ages, and of the clusters' known ones (dex).

    Returns
    -------
    constraint : Constraint
    """
    codes = _clusters(cluster)
    value = np.full(len(codes), 9.5) if known is None else as_floats(known, name="known")
    free = np.inf if known is None else scale_err
    return Constraint("cluster age", log_age, _known(value, codes >= 0), np.full(len(codes), width), codes, free)
