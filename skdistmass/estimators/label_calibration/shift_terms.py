"""What a shift of the labels may depend on: Teff, log g and [M/H], up to their squares and products."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from skdistmass.labels import LABEL_NAMES

__all__ = ["FORMS", "ShiftTerms", "names_of_labels"]

#: Forms of a shift, from the simplest on: the same for all stars; a straight line in each of Teff, log g and [M/H];
#: a parabola in them, with their products.
FORMS = ("constant", "linear", "smooth")
_DEPENDS_ON = ("TEFF", "LOGG", "M_H")


def names_of_labels(names: Sequence[str] | None, n_labels: int) -> tuple[str, ...]:
    """Return names of the labels: those given, else the usual ones of an array of that many columns."""
    if names is not None:
        return tuple(str(name) for name in names)
    if n_labels in (3, 5):
        return LABEL_NAMES[:n_labels]
    return tuple(f"x{number}" for number in range(n_labels))


@dataclass(frozen=True, eq=False)
class ShiftTerms:
    """The terms that a shift is a sum of, for every star: a constant, then straight lines, squares and products.

    Labels are limited to the range of the fitted stars, scaled, and multiplied; the mean of each term over the fitted
    stars is subtracted, so that the constant is the mean shift.

    Attributes
    ----------
    columns : ndarray of int, shape (n_used,)
        Columns of the labels that the shift depends on.
    location, scale, lower, upper : ndarray of shape (n_used,)
        Mean, standard deviation and range of these labels.
    centre : ndarray of shape (n_terms - 1,)
        Mean of each term but the constant.
    """

    columns: NDArray[np.int64]
    location: NDArray[np.float64]
    scale: NDArray[np.float64]
    lower: NDArray[np.float64]
    upper: NDArray[np.float64]
    centre: NDArray[np.float64]

    @classmethod
    def from_stars(cls, X: NDArray[np.float64], names: Sequence[str]) -> ShiftTerms:
        """Learn range, scale and means from stars whose labels in the used columns are complete."""
        wanted = [number for number, name in enumerate(names) if name in _DEPENDS_ON]
        columns = np.array(wanted or range(min(3, X.shape[1])), dtype=np.int64)
        used = X[:, columns]
        scale = used.std(axis=0)
        bare = cls(
            columns,
            used.mean(axis=0),
            np.where(scale > 1e-12 * np.abs(used).max(axis=0, initial=0.0), scale, 1.0),
            used.min(axis=0),
            used.max(axis=0),
            np.zeros(len(columns) + len(columns) * (len(columns) + 1) // 2),
        )
        return cls(bare.columns, bare.location, bare.scale, bare.lower, bare.upper, bare(X)[:, 1:].mean(axis=0))

    @property
    def n_terms(self) -> int:
        return 1 + len(self.centre)

    @property
    def pairs(self) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
        """The labels whose products are the terms of second order."""
        return np.tril_indices(len(self.columns))

    def count(self, form: str) -> int:
        """Return how many terms a form has; they are the first ones."""
        return {"constant": 1, "linear": 1 + len(self.columns), "smooth": self.n_terms}[form]

    def is_complete(self, X: NDArray[np.float64]) -> NDArray[np.bool_]:
        """Tell which stars have all labels that the shift depends on."""
        return np.asarray(np.isfinite(X[:, self.columns]).all(axis=1))

    def __call__(self, X: NDArray[np.float64]) -> NDArray[np.float64]:
        """Return the terms, shape (n_stars, n_terms); those of a star with a missing label are the mean ones."""
        z = (np.clip(X[:, self.columns], self.lower, self.upper) - self.location) / self.scale
        i, j = self.pairs
        terms = np.column_stack([z, z[:, i] * z[:, j]]) - self.centre
        terms[~self.is_complete(X)] = 0.0
        return np.column_stack([np.ones(len(X)), terms])

    def slopes(self, X: NDArray[np.float64]) -> NDArray[np.float64]:
        """Return derivatives of the terms by the labels, shape (n_stars, n_terms, n_labels); 0 outside the range."""
        used = X[:, self.columns]
        with np.errstate(invalid="ignore"):
            free = (used >= self.lower) & (used <= self.upper) & self.is_complete(X)[:, None]
        z = np.where(free, (used - self.location) / self.scale, 0.0)
        n_used = len(self.columns)
        i, j = self.pairs
        slopes = np.zeros((len(X), self.n_terms, X.shape[1]))
        for number, column in enumerate(self.columns):
            by_z = np.zeros((len(X), self.n_terms))
            by_z[:, 1 + number] = 1.0
            by_z[:, 1 + n_used :] = z[:, j] * (i == number) + z[:, i] * (j == number)
            slopes[:, :, column] = by_z * (free[:, number] / self.scale[number])[:, None]
        return slopes

    def corners(self, n_labels: int) -> NDArray[np.float64]:
        """Return labels at the corners of the range, where derivatives of the terms are largest and smallest."""
        ends = np.array(np.meshgrid(*zip(self.lower, self.upper, strict=True), indexing="ij"))
        corners = np.zeros((2 ** len(self.columns), n_labels))
        corners[:, self.columns] = ends.reshape(len(self.columns), -1).T
        return corners
