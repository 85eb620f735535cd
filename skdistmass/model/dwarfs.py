"""Masses and ages of dwarfs and subgiants, by isochrones: the relation of giants says nothing of them."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from skdistmass.exceptions import InputError
from skdistmass.isochrones import IsochroneDistanceRegressor
from skdistmass.model.age_physics import AgePhysics
from skdistmass.schema.limits import GIANT_LOGG
from skdistmass.surveys.stars import Stars
from skdistmass.surveys.training_sets import TrainingCuts, extinction_errors, magnitude_errors, parallax_zero_points
from skdistmass.uncertainty import PredictiveDistribution

__all__ = ["draw_dwarfs", "find_dwarfs"]

Floats = NDArray[np.float64]
# Error of log g (dex) where the network tells M_K: the network made that of log g, which is not to count twice.
_LOOSE_LOGG = 0.5


def find_dwarfs(labels: Floats) -> NDArray[np.intp]:
    """Return the rows of stars that are no giants and have Teff, log g and [M/H]."""
    with np.errstate(invalid="ignore"):
        return np.flatnonzero(np.isfinite(labels[:, :3]).all(axis=1) & (labels[:, 1] >= GIANT_LOGG))


def draw_dwarfs(
    isochrones: IsochroneDistanceRegressor,
    stars: Stars,
    labels: Floats,
    errors: Floats,
    law: PredictiveDistribution | None,
    *,
    n_samples: int,
    cuts: TrainingCuts,
    physics: AgePhysics,
    parallax: bool,
    rng: Any,
) -> dict[str, Floats]:
    """Draw from the posterior of isochrones.

    Parameters
    ----------
    isochrones : IsochroneDistanceRegressor
        Fitted.
    stars : Stars
        Dwarfs and subgiants.
    labels, errors : ndarray of shape (n_stars, 5)
        Their labels and errors.
    law : PredictiveDistribution or None
        What the network says of M_K. It stands in for log g, from which the network has it.
    n_samples : int
        Draws of each star.
    cuts : TrainingCuts
        Gives errors of photometry and the zero points of parallaxes.
    physics : AgePhysics
        Gives alpha elements.
    parallax : bool
        Whether the parallax counts.
    rng : Generator or StarRandom
        Random numbers.

    Returns
    -------
    draws : dict of ndarray of shape (n_stars, n_samples)
        ABS_MAG, DISTANCE, MASS, AGE and M_H, as of `skdistmass.DistMassModel.sample`; also AGE_PRIOR_RATIO, of shape
        (n_stars,).
    """
    if not isinstance(isochrones, IsochroneDistanceRegressor):
        raise InputError(f"isochrones is {type(isochrones).__name__}; give a fitted IsochroneDistanceRegressor.")
    X = labels[:, :3].copy()
    X_err = errors[:, :3].copy()
    alpha_shift = physics.metallicity(stars, X[:, 2:])[:, 0] - X[:, 2]
    X[:, 2] += alpha_shift
    if law is not None:
        told = np.isfinite(law.median())
        X_err[told, 1] = _LOOSE_LOGG
    known = {}
    if parallax:
        known["parallax"] = stars.floats("PARALLAX") - parallax_zero_points(stars, cuts)
        known["parallax_err"] = np.where(stars.floats("PARALLAX_ERR") > 0, stars.floats("PARALLAX_ERR"), np.nan)
    draws = isochrones.sample(
        X,
        n_samples,
        X_err,
        magnitude=stars.floats("K"),
        magnitude_err=magnitude_errors(stars, cuts),
        extinction=stars.floats("A_K"),
        extinction_err=extinction_errors(stars, cuts),
        m_ks=law,
        random_state=rng,
        **known,
    )
    return {
        "ABS_MAG": draws["m_ks"],
        "DISTANCE": draws["distance"],
        "MASS": draws["mass"],
        "M_H": draws["feh"] - alpha_shift[:, None],
        "AGE": draws["age"],
        "AGE_PRIOR_RATIO": draws["prior_ratio"],
    }
