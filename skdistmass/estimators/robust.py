"""Robust training on stars of several sources: Student weights, scatter, offsets and the distances of clusters."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from skdistmass.estimators.sources import Sources
from skdistmass.uncertainty import normal_coverage, robust_scatter

__all__ = ["RobustFit", "excess", "fit_robust", "intrinsic_scatter", "student_weights"]

DEGREES_OF_FREEDOM = 4.0
N_ROUNDS = 4
_START_SCATTER = 0.15  # mag
_LEAST_SCATTER = 0.02
# A source of few stars has a scatter close to this, as if it came with so many more stars.
_PRIOR_SCATTER, _PRIOR_STARS = 0.10, 20
_OFFSET_SCALE = 0.2  # mag; expected offset of a source
# What all stars of a cluster have in common (mag): the error of its distance, and of labels at its metallicity. However
# many stars it has, a cluster tells no more than one star with this error.
_CLUSTER_SCALE = 0.1


@dataclass(frozen=True, eq=False)
class RobustFit:
    """Result of `fit_robust`.

    Attributes
    ----------
    model : object
        Trained on all rows, from the last call of `train`.
    without : list of object
        Models trained without each fold, from the same call.
    offset, scatter : ndarray of shape (n_sources,)
        Target of a source minus that of the reference, and intrinsic scatter (mag).
    cluster_offset : ndarray of shape (n_clusters,)
        Error of the distance modulus of each cluster (mag).
    kept : ndarray of bool, shape (n_rows,)
        False for the rows left out as binaries.
    """

    model: Any
    without: list[Any]
    offset: NDArray[np.float64]
    scatter: NDArray[np.float64]
    cluster_offset: NDArray[np.float64]
    kept: NDArray[np.bool_]


def student_weights(normalised: NDArray[np.float64], dof: float = DEGREES_OF_FREEDOM) -> NDArray[np.float64]:
    """Weights that make least squares a maximum-likelihood fit with Student's t law, when iterated.

    Parameters
    ----------
    normalised : ndarray
        Residuals in units of their standard deviation.
    dof : float, default=4
        Degrees of freedom.

    Returns
    -------
    weights : ndarray

    References
    ----------
    Lange, Little & Taylor (1989), J. Am. Stat. Assoc. 84, 881.

    Examples
    --------
    >>> import numpy as np
    >>> from skdistmass.estimators.robust import student_weights
    >>> student_weights(np.array([0.0, 1.0, 10.0])).round(2)
    array([1.25, 1.  , 0.05])
    """
    return (dof + 1.0) / (dof + np.square(normalised))


def intrinsic_scatter(residual: NDArray[np.float64], error: NDArray[np.float64], *, about_zero: bool = False) -> float:
    """Scatter of residuals beyond their errors, drawn towards 0.1 mag in small samples.

    Parameters
    ----------
    residual, error : ndarray of shape (n_rows,)
        Residuals and their errors (mag).
    about_zero : bool, default=False
        Whether to take the 68.27 % quantile of the sizes of the residuals, which counts a common offset as scatter, in
        place of the median absolute deviation.

    Returns
    -------
    scatter : float
        At least 0.02 mag times a factor for the sample's size.

    Examples
    --------
    >>> import numpy as np
    >>> from skdistmass.estimators.robust import intrinsic_scatter
    >>> noise = np.random.default_rng(0).normal(scale=0.2, size=5000)
    >>> round(intrinsic_scatter(noise, np.zeros(5000)), 2)
    0.2
    """
    n_rows = len(residual)
    if n_rows == 0:
        return _PRIOR_SCATTER
    width = np.quantile(np.abs(residual), normal_coverage(1.0)) if about_zero else robust_scatter(residual)
    variance = max(float(width) ** 2 - float(np.median(error)) ** 2, _LEAST_SCATTER**2)
    return float(np.sqrt((n_rows * variance + _PRIOR_STARS * _PRIOR_SCATTER**2) / (n_rows + _PRIOR_STARS)))


def excess(scatter: float, expected: float) -> float:
    """Return the scatter beyond the expected one, in quadrature; 0 if there is none."""
    return float(np.sqrt(max(scatter**2 - expected**2, 0.0)))


def fit_robust(
    train: Callable[[NDArray[np.float64], NDArray[np.float64], int], tuple[Any, list[Any]]],
    X: NDArray[np.float64],
    y: NDArray[np.float64],
    error: NDArray[np.float64],
    repeats: NDArray[np.float64],
    sources: Sources,
    is_binary: Callable[[NDArray[np.float64], NDArray[np.float64]], NDArray[np.bool_]] | None = None,
    n_rounds: int = N_ROUNDS,
) -> RobustFit:
    """Train a model by iterated weights, with scatter and offset of each source.

    The weight of a row is ``u / (error^2 + s^2)``: `s` is the intrinsic scatter of its source, and `u` comes from
    `student_weights`. Offsets of sources and clusters are drawn to zero where few stars say otherwise.

    Parameters
    ----------
    train : callable
        ``train(target, weights, number)`` trains on the rows of positive weight and returns a model with ``predict``,
        and a list of those without each fold; `number` counts the rounds, and is -1 in the last one.
    X : ndarray of shape (n_rows, n_labels)
        Labels.
    y, error : ndarray of shape (n_rows,)
        Target and its error.
    repeats : ndarray of shape (n_rows,)
        Factor of each row's weight, 1 for a row that counts once.
    sources : Sources
        Source and cluster of each row.
    is_binary : callable, optional
        ``is_binary(residual, scatter)`` tells which rows to leave out of the next round.
    n_rounds : int, default=4
        Number of trainings.

    Returns
    -------
    fit : RobustFit
    """
    n_clusters = int(np.max(sources.cluster, initial=-1)) + 1
    offset, cluster_offset = np.zeros(len(sources.reference)), np.zeros(n_clusters)
    scatter = np.full(len(sources.reference), _START_SCATTER)
    kept, student = np.ones(len(y), dtype=bool), np.ones(len(y))
    for number in range(n_rounds):
        weights = kept * repeats * student / (error**2 + scatter[sources.source] ** 2)
        shared = _share_clusters(weights, sources.cluster)
        model, without = train(y - offset[sources.source], shared, -1 if number == n_rounds - 1 else number)
        residual = y - model.predict(X)
        for source in np.flatnonzero(~sources.reference):
            offset[source] = _shrunk_mean(residual, shared, sources.source == source, _OFFSET_SCALE)
        residual = residual - offset[sources.source]
        for cluster in range(n_clusters):
            rows = sources.cluster == cluster
            cluster_offset[cluster] = _shrunk_mean(residual, weights, rows, _CLUSTER_SCALE)
            residual[rows] -= cluster_offset[cluster]
        for source in range(len(scatter)):
            rows = kept & (sources.source == source)
            scatter[source] = intrinsic_scatter(residual[rows], error[rows])
        total = np.hypot(error, scatter[sources.source])
        student = student_weights(residual / total)
        if is_binary is not None and number < n_rounds - 1:
            kept = ~is_binary(residual, scatter[sources.source])
    return RobustFit(model, without, offset, scatter, cluster_offset, kept)


def _share_clusters(weights, cluster):
    """Divide the weights of the stars of a cluster, because their errors are not independent."""
    shared = weights.copy()
    for number in range(int(cluster.max(initial=-1)) + 1):
        rows = cluster == number
        shared[rows] /= 1.0 + weights[rows].sum() * _CLUSTER_SCALE**2
    return shared


def _shrunk_mean(residual, weights, rows, scale):
    """Weighted mean of some residuals, drawn to zero as if there were one more, of 0 with the error `scale`."""
    return (weights[rows] * residual[rows]).sum() / (weights[rows].sum() + scale**-2)
