"""What a shift of each label does to distance, mass and age, from the derivatives of the networks."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from skdistmass.photometry import LN_DISTANCE_PER_MAG
from skdistmass.tables import as_floats

__all__ = ["label_effects"]


def label_effects(
    X: ArrayLike, *, abs_mag: Any = None, mass: Any = None, ages: Any = None
) -> dict[str, NDArray[np.float64]]:
    """Return derivatives of ln distance, ln mass and log10 age with respect to the labels.

    Parameters
    ----------
    X : array-like of shape (n_stars, 5)
        Teff, log g, [M/H], [C/Fe], [N/Fe].
    abs_mag : AbsMagRegressor, optional
        Gives ``distance``.
    mass : CNMassRegressor, optional
        Gives ``mass``.
    ages : IsochroneAgeTransformer, optional
        With `mass`, gives ``log_age``: through the mass, and through the metallicity that the age depends on.

    Returns
    -------
    effects : dict of ndarray of shape (n_stars, 5)
        Per unit of the label (K or dex): relative change of distance and mass, and dex of age. NaN where there is no
        prediction.

    Examples
    --------
    >>> import numpy as np
    >>> from skdistmass import AbsMagRegressor
    >>> from skdistmass.estimators.label_calibration import label_effects
    >>> X = np.random.default_rng(0).normal(size=(200, 5))
    >>> model = AbsMagRegressor(error_model=None, n_networks=1, random_state=0).fit(X, 2.5 * X[:, 1])
    >>> label_effects(X, abs_mag=model)["distance"][:, 1].mean().round(1)
    np.float64(-1.1)
    """
    X = as_floats(X, name="X")
    effects = {}
    if abs_mag is not None:
        effects["distance"] = -LN_DISTANCE_PER_MAG * _derivatives(abs_mag, X)
    if mass is not None:
        value = _call(mass.predict, mass, X)
        with np.errstate(invalid="ignore", divide="ignore"):
            effects["mass"] = _derivatives(mass, X) / np.where(value > 0, value, np.nan)[:, None]
        if ages is not None:
            effects["log_age"] = _age_effects(ages, value, X[:, 2], effects["mass"])
    return effects


def _call(function, model, X):
    """Call with a table for a model that was trained on one."""
    if hasattr(model, "feature_names_in_"):
        X = dict(zip(("TEFF", "LOGG", "M_H", "C_FE", "N_FE"), X.T, strict=True))
    return np.asarray(function(X))


def _derivatives(model, X):
    return _call(model.jacobian, model, X)


def _age_effects(ages, mass, m_h, mass_effects):
    """Derivatives of log10 age: its slopes in ln mass and [M/H], by central differences, and the chain rule."""

    def log_age(mass, m_h):
        return ages.transform(np.column_stack([mass, m_h]))[:, 0]

    step = 1e-3
    by_mass = (log_age(mass * np.exp(step), m_h) - log_age(mass * np.exp(-step), m_h)) / (2.0 * step)
    by_metallicity = (log_age(mass, m_h + step) - log_age(mass, m_h - step)) / (2.0 * step)
    effects = by_mass[:, None] * mass_effects
    effects[:, 2] += by_metallicity
    return effects
