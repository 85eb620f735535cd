"""Constraints made linear in shifts of the labels."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from skdistmass.estimators.label_calibration.constraints import Constraint
from skdistmass.estimators.label_calibration.robust_fit import excess_scatter

__all__ = ["LinearisedConstraints", "compare", "full_errors", "group_medians", "linearise"]

_LARGEST_FRACTION = 0.3


@dataclass(frozen=True, eq=False)
class LinearisedConstraints:
    """Constraints near a set of labels: how their residuals change with shifts of the labels.

    Attributes
    ----------
    rows : ndarray of int, shape (n_rows,)
        Star of each row.
    kinds : ndarray of int, shape (n_rows,)
        Number of the constraint of each row.
    slopes : ndarray of shape (n_rows, n_labels)
        Derivatives of the predicted values.
    residual, error : ndarray of shape (n_rows,)
        Known value less predicted value, and its error.
    offsets : ndarray of shape (n_rows, n_offsets)
        1 where a row has the offset of that group.
    offset_precision : ndarray of shape (n_offsets,)
        1/sigma^2 of the groups' offsets.
    """

    rows: NDArray[np.int64]
    kinds: NDArray[np.int64]
    slopes: NDArray[np.float64]
    residual: NDArray[np.float64]
    error: NDArray[np.float64]
    offsets: NDArray[np.float64]
    offset_precision: NDArray[np.float64]

    @property
    def parts(self) -> NDArray[np.int64]:
        """Numbers, shape (n_rows,): rows of one kind that share all their offsets have the same."""
        # Rows with the same offsets have the same sum of square roots.
        shared = self.offsets @ np.sqrt(np.arange(2.0, 2.0 + self.offsets.shape[1]))
        return np.unique(np.column_stack([self.kinds, shared]), axis=0, return_inverse=True)[1].ravel()

    @property
    def mean_slopes(self) -> NDArray[np.float64]:
        """The slopes with those of each part of the diagram replaced by their mean, shape (n_rows, n_labels).

        A network's slopes differ from star to star, and at labels with noise they are not those of the true labels: a
        shift fitted to such differences comes out too small, and too sure of itself.
        """
        parts = self.parts
        sums = np.zeros((int(np.max(parts, initial=-1)) + 1, self.slopes.shape[1]))
        np.add.at(sums, parts, self.slopes)
        return (sums / np.bincount(parts)[:, None])[parts]


def linearise(
    X: NDArray[np.float64], constraints: Sequence[Constraint], steps: NDArray[np.float64]
) -> LinearisedConstraints:
    """Evaluate constraints and their derivatives, by central differences, at labels.

    Parameters
    ----------
    X : ndarray of shape (n_stars, n_labels)
    constraints : sequence of Constraint
        About the same stars.
    steps : ndarray of shape (n_labels,)
        Steps of the differences.

    Returns
    -------
    linearised : LinearisedConstraints
        Rows where a value, an error or a prediction is missing are left out.
    """
    parts = []
    for kind, constraint in enumerate(constraints):
        value, error = constraint.value, constraint.error
        rows = np.flatnonzero(np.isfinite(value) & np.isfinite(error) & (error >= 0) & np.isfinite(X).all(axis=1))
        predicted, slopes = _predict(constraint.predict, X[rows], steps)
        scale = predicted if constraint.relative else np.ones(len(rows))
        left = compare(constraint, value[rows], error[rows], predicted)
        good = np.isfinite(left) & np.isfinite(slopes).all(axis=1)
        kinds = np.full(len(rows), kind)
        parts.append([part[good] for part in (rows, kinds, slopes / scale[:, None], left, error[rows] / scale)])
    rows, kinds, slopes, left, error = (np.concatenate(part) for part in zip(*parts, strict=True))
    offsets, precision = _offsets(X, constraints, rows, kinds)
    return LinearisedConstraints(rows, kinds, slopes, left, error, offsets, precision)


def compare(
    constraint: Constraint, value: NDArray[np.float64], error: NDArray[np.float64], predicted: NDArray[np.float64]
) -> NDArray[np.float64]:
    """Return known less predicted values; the logarithm of their ratio for a relative constraint.

    The labels' noise makes the predicted value scatter in proportion, so the logarithm of the ratio is symmetric. The
    error of the known value shifts the mean of its logarithm by half its square, which is added. Values whose error is
    above 0.3 of the prediction are left out (NaN).
    """
    if not constraint.relative:
        return value - predicted
    with np.errstate(invalid="ignore", divide="ignore"):
        fraction = error / predicted
        good = (value > 0) & (predicted > 0) & (fraction < _LARGEST_FRACTION)
        return np.log(np.where(good, value / predicted, np.nan)) + 0.5 * fraction**2


def _predict(predict, X, steps):
    """Predict, and differentiate by the labels."""
    if not len(X):
        return np.empty(0), np.empty(X.shape)
    slopes = np.empty(X.shape)
    for number, step in enumerate(steps):
        moved = np.zeros(X.shape[1])
        moved[number] = step
        slopes[:, number] = (predict(X + moved) - predict(X - moved)) / (2.0 * step)
    return predict(X), slopes


def _offsets(X, constraints, rows, kinds):
    """Columns of offsets that rows share, by group and by part of the diagram, and their precisions."""
    logg = X[:, min(1, X.shape[1] - 1)]
    columns, precisions = [], []
    for kind, constraint in enumerate(constraints):
        own = kinds == kind
        for codes, error in (
            (constraint.group, constraint.group_error),
            (np.round(2.0 * np.nan_to_num(logg)), constraint.part_error),
        ):
            for code in np.unique(codes[rows[own]]) if error > 0 else ():
                columns.append(own & (codes[rows] == code))
                precisions.append(error**-2.0)
    return np.array(columns, dtype=float).reshape(len(columns), len(rows)).T, np.array(precisions)


def full_errors(linear: LinearisedConstraints) -> NDArray[np.float64]:
    """Return the errors of the rows with the excess scatter of their kind, about the medians of what they share."""
    error, codes = linear.error.copy(), linear.parts
    for kind in np.unique(linear.kinds):
        rows = linear.kinds == kind
        left = linear.residual[rows] - group_medians(linear.residual[rows], codes[rows])
        error[rows] = np.hypot(error[rows], excess_scatter(left, error[rows]))
    return error


def group_medians(values: NDArray[np.float64], groups: NDArray[np.int64]) -> NDArray[np.float64]:
    """Return the median of each row's group; NaN where the group has no value."""
    medians = np.full(len(values), np.nan)
    for group in np.unique(groups[np.isfinite(values)]):
        medians[groups == group] = np.nanmedian(values[groups == group])
    return medians
