"""Stellar physics plus two learned corrections that fade to zero outside the training space."""

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sklearn.base import clone
from sklearn.pipeline import Pipeline

from skdistmass.estimators.fading import Fading
from skdistmass.estimators.stellar_baseline import StellarBaseline
from skdistmass.networks.fitting import train_pipeline
from skdistmass.networks.merging import network_jacobian
from skdistmass.schema.limits import GIANT_LOGG

__all__ = ["N_PHYSICAL", "Correction", "StellarNetwork", "fit_fadings", "train_stellar_network"]

N_PHYSICAL = 3  # Teff, log g and [M/H] come first
_FEW_STARS = 100  # with fewer stars no correction for the abundances is learned
# Expected size (mag) of the difference between giants with and without abundances, and of its change with the labels.
_SHIFT_SCALE = np.array([0.2, 0.1, 0.1, 0.1])


@dataclass(frozen=True, eq=False)
class Correction:
    """A network whose output is multiplied by a `Fading`.

    Attributes
    ----------
    pipeline : Pipeline
        ``scaler`` and ``network``.
    fading : Fading
        The weight.
    """

    pipeline: Pipeline
    fading: Fading

    def value(self, X: NDArray[np.float64]) -> NDArray[np.float64]:
        """Return weight times network output, shape (n_stars,)."""
        return self.fading.weight(X) * self.pipeline.predict(X)

    def jacobian(self, X: NDArray[np.float64]) -> NDArray[np.float64]:
        """Return the derivatives of `value`, shape (n_stars, n_labels)."""
        scaler, network = self.pipeline["scaler"], self.pipeline["network"]
        slope = network_jacobian(network, scaler.transform(X)) / scaler.scale_
        weight, output = self.fading.weight(X), self.pipeline.predict(X)
        return weight[:, None] * slope + output[:, None] * self.fading.slope(X)


@dataclass(frozen=True, eq=False)
class StellarNetwork:
    """Absolute magnitude: a baseline, a correction from Teff, log g and [M/H], and one from all labels.

    The second correction, `chemical`, is added only for stars that have all labels.

    Attributes
    ----------
    baseline : StellarBaseline
        The physics.
    physical : Correction
        From the first three labels.
    chemical : Correction or None
        From all labels.
    n_iter_ : int
        Iterations of all networks.
    """

    baseline: StellarBaseline
    physical: Correction
    chemical: Correction | None = None
    n_iter_: int = 0

    def predict(self, X: NDArray[np.float64]) -> NDArray[np.float64]:
        """Predict the absolute magnitude.

        Parameters
        ----------
        X : ndarray of shape (n_stars, n_labels)
            Labels. Those after the third may be NaN.

        Returns
        -------
        abs_mag : ndarray of shape (n_stars,)
        """
        first = X[:, :N_PHYSICAL]
        value = self.baseline.predict(first) + self.physical.value(first)
        rows = np.isfinite(X).all(axis=1)
        if self.chemical is not None and rows.any():
            value[rows] += self.chemical.value(X[rows])
        return value

    def jacobian(self, X: NDArray[np.float64]) -> NDArray[np.float64]:
        """Return the derivatives of the absolute magnitude, 0 for a missing label; shape (n_stars, n_labels)."""
        first = X[:, :N_PHYSICAL]
        slope = np.zeros(X.shape)
        slope[:, :N_PHYSICAL] = self.baseline.jacobian(first) + self.physical.jacobian(first)
        rows = np.isfinite(X).all(axis=1)
        if self.chemical is not None and rows.any():
            slope[rows] += self.chemical.jacobian(X[rows])
        return slope

    def faded(self, X: NDArray[np.float64]) -> NDArray[np.float64]:
        """Return how much of the first correction is missing: 0 among the training stars, 1 far outside."""
        return 1.0 - self.physical.fading.weight(X[:, :N_PHYSICAL])

    def lacking(self, X: NDArray[np.float64]) -> NDArray[np.float64]:
        """Return how much of the second correction is missing: 1 also for a star that lacks a label."""
        if self.chemical is None:
            return np.zeros(len(X))
        rows = np.isfinite(X).all(axis=1)
        missing = np.where(rows, 0.0, 1.0)
        if rows.any():
            missing[rows] = 1.0 - self.chemical.fading.weight(X[rows])
        return missing


def train_stellar_network(
    network, baseline, fadings, X, y, weights, groups, *, n_networks, rng, shift, fold=None
) -> tuple[StellarNetwork, list[StellarNetwork]]:
    """Train baseline and corrections; return them, and those without each fold.

    Parameters
    ----------
    network : LevenbergMarquardtMLPRegressor or MLPRegressor
        The network of both corrections.
    baseline : StellarBaseline
        Before training.
    fadings : tuple of Fading
        Weights of both corrections, from `fit_fadings`.
    X : ndarray of shape (n_stars, n_labels)
        Labels; those after the third may be NaN.
    y, weights : ndarray of shape (n_stars,)
        Target (mag) and positive weights.
    groups : ndarray of int or None
        Star of each row.
    n_networks : int
        Number of networks in each correction.
    rng : RandomState
        Gives the seeds.
    shift : ndarray of shape (4,)
        Difference between giants with all labels and the others, linear in the labels, from an earlier call; changed in
        place. The first correction is trained without it, so that it is right for stars without abundances.
    fold : ndarray of int, optional
        Fold of each row, as in `skdistmass.networks.fitting.train_pipeline`.

    Returns
    -------
    model : StellarNetwork
    without : list of StellarNetwork
        Empty without `fold`.
    """
    first = X[:, :N_PHYSICAL]
    complete = np.isfinite(X).all(axis=1)
    mixed = complete & (X[:, 1] < GIANT_LOGG) & (not complete.all())
    terms = shift_terms(first)
    baseline = clone(baseline).fit(first, y - np.where(mixed, terms @ shift, 0.0), weights)

    def correct(columns, rows, target, fading):
        parts = (part if part is None else part[rows] for part in (target, weights, groups))
        own_fold = None if fold is None else fold[rows]
        found = train_pipeline(network, X[rows][:, columns], *parts, n_networks=n_networks, rng=rng, fold=own_fold)
        return [Correction(pipeline, fading) for pipeline in (found[0], *found[1])]

    everywhere = np.ones(len(X), dtype=bool)
    physics = baseline.predict(first)
    physical = correct(slice(N_PHYSICAL), everywhere, y - np.where(mixed, terms @ shift, 0.0) - physics, fadings[0])
    residual = y - physics - physical[0].value(first)
    if mixed.any():
        scaled = weights[mixed]
        normal = (terms[mixed].T * scaled) @ terms[mixed] + np.diag(_SHIFT_SCALE**-2.0)
        shift[:] = np.linalg.solve(normal, terms[mixed].T @ (scaled * residual[mixed]))
    chemical: list[Any] = [None] * len(physical)
    if fadings[1] is not None and np.count_nonzero(complete) >= _FEW_STARS:
        chemical = correct(slice(None), complete, residual, fadings[1])
    n_iter = sum(part[0].pipeline["network"].n_iter_ for part in (physical, chemical) if part[0] is not None)
    model, *without = (StellarNetwork(baseline, *pair, n_iter) for pair in zip(physical, chemical, strict=True))
    return model, without


def fit_fadings(X: NDArray[np.float64]) -> tuple[Fading, Fading | None]:
    """Return the fading of both corrections; None for the second if too few stars have all labels."""
    complete = np.isfinite(X).all(axis=1)
    chemical = X.shape[1] > N_PHYSICAL and np.count_nonzero(complete) >= _FEW_STARS
    return Fading.fit(X[:, :N_PHYSICAL]), Fading.fit(X[complete]) if chemical else None


def shift_terms(first: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return the terms of the difference between giants with and without abundances, shape (n_stars, 4)."""
    return np.column_stack(
        [
            np.ones(len(first)),
            np.clip(first[:, 1] - 2.0, -2.0, 2.0),
            np.clip(first[:, 2] + 1.0, -1.5, 1.5),
            np.clip((first[:, 0] - 4600.0) / 500.0, -2.0, 3.0),
        ]
    )
