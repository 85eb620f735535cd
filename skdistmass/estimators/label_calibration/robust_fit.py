"""Robust least squares for shifts: Student-t weights, excess scatter, a pull to zero, and honest covariances."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from sklearn.model_selection import GroupKFold

__all__ = ["RobustFit", "excess_scatter", "gain", "loss_left_out", "robust_fit"]

_DEGREES = 4.0  # of freedom of Student's t
_MEDIAN_OF_NORMAL = 0.6745  # of the absolute value
_N_ITERATIONS = 30


@dataclass(frozen=True, eq=False)
class RobustFit:
    """Coefficients of a robust fit.

    Attributes
    ----------
    coef : ndarray of shape (n_terms,)
        The coefficients.
    weights : ndarray of shape (n_rows,)
        Weights of the rows: 1/error^2, less for outliers.
    influence : ndarray of shape (n_groups, n_terms)
        What each group of rows adds to the coefficients; ``influence.T @ influence`` is their covariance.
    covariance : ndarray of shape (n_terms, n_terms)
        Their covariance, with that of the pull to zero.
    """

    coef: NDArray[np.float64]
    weights: NDArray[np.float64]
    influence: NDArray[np.float64]
    covariance: NDArray[np.float64]


def excess_scatter(residual: NDArray[np.float64], error: NDArray[np.float64]) -> float:
    """Return the scatter that, added in quadrature to the errors, explains the median absolute residual."""
    size = np.abs(residual)

    def is_enough(scatter):
        return np.median(size / np.sqrt(error**2 + scatter**2 + 1e-300)) <= _MEDIAN_OF_NORMAL

    if not len(size) or is_enough(0.0):
        return 0.0
    low, high = 0.0, float(np.median(size)) / _MEDIAN_OF_NORMAL
    for _ in range(50):
        middle = 0.5 * (low + high)
        low, high = (low, middle) if is_enough(middle) else (middle, high)
    return high


def robust_fit(
    design: NDArray[np.float64],
    residual: NDArray[np.float64],
    error: NDArray[np.float64],
    groups: NDArray[np.int64],
    precision: NDArray[np.float64] | None = None,
) -> RobustFit:
    """Fit ``residual = design @ coef`` by iterated Student-t weights.

    Parameters
    ----------
    design : ndarray of shape (n_rows, n_terms)
    residual, error : ndarray of shape (n_rows,)
        The values, and their full errors.
    groups : ndarray of int, shape (n_rows,)
        Rows of one group share their errors (spectra of one star).
    precision : ndarray of shape (n_terms,), optional
        1/sigma^2 of a normal prior around 0 for each coefficient; 0 for none.

    Returns
    -------
    fit : RobustFit
    """
    n_rows, n_terms = design.shape
    precision = np.zeros(n_terms) if precision is None else precision
    # An error of 0 is that of exact numbers: they count as equally good.
    floor = max(1e-12 * float(np.abs(residual).max(initial=0.0)), 1e-12)
    inverse = 1.0 / np.maximum(error, floor) ** 2
    coef = np.zeros(n_terms)
    left = residual - float(np.median(residual)) if n_rows else residual
    for _ in range(_N_ITERATIONS):
        square = left**2 * inverse
        weights = inverse * (_DEGREES + 1) / (_DEGREES + square)
        previous, coef = coef, _solve(design, weights, residual, precision)
        left = residual - design @ coef
        if np.max(np.abs(coef - previous), initial=0.0) <= 1e-7 * np.max(np.abs(coef), initial=1e-300):
            break
    square = left**2 * inverse
    weights = inverse * (_DEGREES + 1) / (_DEGREES + square)
    # The mean curvature of the loss is less than its weights say, by this factor.
    curvature = inverse * (_DEGREES + 1) * (_DEGREES - square) / (_DEGREES + square) ** 2
    factor = min(max(float(curvature.sum()) / max(float(weights.sum()), 1e-300), 0.2), 1.0) if n_rows else 1.0
    bread = _inverse(factor * (design.T * weights) @ design + np.diag(precision))
    scores = design * (weights * left)[:, None]
    n_groups = int(np.max(groups)) + 1 if n_rows else 0
    by_group = np.zeros((n_groups, n_terms))
    np.add.at(by_group, groups, scores)
    free = max(n_groups - int(np.count_nonzero(precision == 0)), 1)
    influence = by_group @ bread * np.sqrt(max(n_groups, 1) / float(free))
    return RobustFit(coef, weights, influence, influence.T @ influence + bread * precision @ bread)


def _scaled_inverse(matrix):
    """Pseudo-inverse with rows and columns scaled to 1, and the scale."""
    scale = np.sqrt(np.maximum(np.diagonal(matrix), 1e-300))
    return np.linalg.pinv(matrix / scale / scale[:, None], rcond=1e-10, hermitian=True), scale


def _inverse(matrix):
    inverse, scale = _scaled_inverse(matrix)
    return inverse / scale / scale[:, None]


def _solve(design, weights, residual, precision):
    inverse, scale = _scaled_inverse((design.T * weights) @ design + np.diag(precision))
    return inverse @ (design.T @ (weights * residual) / scale) / scale


def loss_left_out(
    design: NDArray[np.float64],
    residual: NDArray[np.float64],
    error: NDArray[np.float64],
    groups: NDArray[np.int64],
    precision: NDArray[np.float64] | None = None,
    *,
    n_folds: int,
    seed: int,
) -> NDArray[np.float64]:
    """Return the loss of each row under a fit to the other folds.

    Parameters
    ----------
    design, residual, error, groups, precision
        As for `robust_fit`.
    n_folds, seed : int
        Number of folds of whole groups, and how they are drawn.

    Returns
    -------
    loss : ndarray of shape (n_rows,)
        Minus the logarithm of Student's t density, but for a constant and a factor. The weights are those of a fit to
        all rows; only the coefficients are found anew.
    """
    precision = np.zeros(design.shape[1]) if precision is None else precision
    weights = robust_fit(design, residual, error, groups, precision).weights
    loss = np.zeros(len(residual))
    folds = GroupKFold(min(n_folds, int(np.max(groups)) + 1), shuffle=True, random_state=seed)
    for train, test in folds.split(design, groups=groups):
        left = residual[test] - design[test] @ _solve(design[train], weights[train], residual[train], precision)
        loss[test] = np.log1p(left**2 / np.maximum(error[test], 1e-12) ** 2 / _DEGREES)
    return loss


def gain(worse: NDArray[np.float64], better: NDArray[np.float64]) -> float:
    """Return by how many standard errors the mean of one loss is below that of another."""
    difference = worse - better
    return float(difference.mean() / max(difference.std() / np.sqrt(len(difference)), 1e-300))
