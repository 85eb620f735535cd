"""What holds on any scale of labels: parallaxes, the red clump, seismic gravities and masses."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.stats import trim_mean

from skdistmass.exceptions import InputError
from skdistmass.labels import LABEL_NAMES
from skdistmass.photometry import LN_DISTANCE_PER_MAG
from skdistmass.schema.limits import EXTINCTION_ERR, MAG_ERR
from skdistmass.tables import as_floats

__all__ = [
    "CLUMP_MAGNITUDE",
    "PART_ERROR",
    "Constraint",
    "clump_constraint",
    "common_star_constraints",
    "label_distribution_constraints",
    "mass_constraint",
    "parallax_constraint",
    "predictor",
    "seismic_gravity_constraint",
]

#: M_K of the red clump (Hawkins et al. 2017, MNRAS 471, 722), and its error.
CLUMP_MAGNITUDE = -1.61, 0.02
#: Error of the model's M_K (mag), or of the logarithm of its mass, in a part of the diagram.
PART_ERROR = 0.04
Prediction = Callable[[NDArray[np.float64]], NDArray[np.float64]]


@dataclass(frozen=True, eq=False)
class Constraint:
    """Something that is known of stars, whatever the scale of their labels.

    Attributes
    ----------
    name : str
        What it is.
    predict : callable
        Takes labels of shape (n, n_labels) on the model's scale and returns n values.
    value, error : ndarray of shape (n_stars,)
        What these values are known to be. NaN for stars of which nothing is known.
    group : ndarray of int, shape (n_stars,)
        Stars whose values share an unknown offset: the distance of their cluster, the zero point of their parallaxes.
    group_error : float
        How well that offset is known to be 0; infinite if it is free, so that the group need only agree in itself.
    part_error : float
        Error of the prediction that stars within 0.5 dex in log g share: a network is a little off in one part of the
        diagram and right in another.
    relative : bool
        Whether the ratio of known and predicted value counts, not their difference: `group_error` and `part_error`
        are fractions.
    """

    name: str
    predict: Prediction
    value: NDArray[np.float64]
    error: NDArray[np.float64]
    group: NDArray[np.int64]
    group_error: float
    part_error: float = 0.0
    relative: bool = False


def predictor(model: Any, names: Sequence[str] = LABEL_NAMES) -> Prediction:
    """Return a function of an array of labels from a regressor, or the function itself.

    Parameters
    ----------
    model : regressor or callable
        A regressor trained on a table gets a table of the same names.
    names : sequence of str
        Labels of the array's columns.

    Returns
    -------
    predict : callable
    """
    predict = getattr(model, "predict", model)
    if hasattr(model, "feature_names_in_"):
        return lambda X: np.asarray(predict(dict(zip(names, np.transpose(X), strict=True))), dtype=np.float64)
    return lambda X: np.asarray(predict(X), dtype=np.float64)


def _one_group(values):
    return np.zeros(len(values), dtype=np.int64)


def parallax_constraint(
    abs_mag: Any,
    mag: ArrayLike,
    extinction: ArrayLike,
    parallax: ArrayLike,
    parallax_err: ArrayLike,
    *,
    zero_point_err: float = 0.01,
    scale_err: float = 0.005,
    part_err: float = 0.02,
) -> Constraint:
    """M_K of the model against parallaxes.

    Compared is ``10^(0.2 M_K) = parallax 10^(0.2 (mag - extinction) - 2)``, which is proportional to the parallax.
    Stars are chosen by the error of the parallax relative to the predicted one (below 0.3), not to the measured one,
    which would prefer parallaxes that are too large by chance (Arenou & Luri 1999).

    Parameters
    ----------
    abs_mag : regressor or callable
        The model's M_K.
    mag, extinction : array-like of shape (n_stars,)
        Apparent magnitude and extinction (mag).
    parallax, parallax_err : array-like of shape (n_stars,)
        Corrected for their zero point (mas).
    zero_point_err : float, default=0.01
        Error of the zero point (mas), added to that of each parallax.
    scale_err, part_err : float, default=0.005, 0.02
        Relative errors of the model's distances: of all together, and in each part of the diagram.

    Returns
    -------
    constraint : Constraint

    Examples
    --------
    >>> from skdistmass.estimators.label_calibration import parallax_constraint
    >>> constraint = parallax_constraint(lambda X: X[:, 1], [10.0], [0.0], [1.0], [0.01])
    >>> constraint.value.round(2), constraint.error.round(3)
    (array([1.]), array([0.019]))
    """
    mag, extinction = as_floats(mag, "mag", name="mag"), as_floats(extinction, "mag", name="extinction")
    parallax, error = (as_floats(column, "mas", name="parallax") for column in (parallax, parallax_err))
    per_mas = 10.0 ** (0.2 * (mag - extinction) - 2.0)
    value = parallax * per_mas
    photometric = np.hypot(MAG_ERR, EXTINCTION_ERR) * LN_DISTANCE_PER_MAG * np.abs(value)
    total = np.hypot(np.hypot(error, zero_point_err) * per_mas, photometric)
    predict = predictor(abs_mag)
    return Constraint(
        "parallax", lambda X: 10.0 ** (0.2 * predict(X)), value, total, _one_group(value), scale_err, part_err, True
    )


def clump_constraint(
    abs_mag: Any, is_clump: ArrayLike, *, magnitude: tuple[float, float] = CLUMP_MAGNITUDE, width: float = 0.1
) -> Constraint:
    """M_K of the model at the red clump.

    Parameters
    ----------
    abs_mag : regressor or callable
        The model's M_K.
    is_clump : array-like of bool, shape (n_stars,)
        Which stars are in the clump: by seismology, or by a cut that does not depend on the labels' scale.
    magnitude : tuple of float, default=CLUMP_MAGNITUDE
        M_K of the clump, and its error.
    width : float, default=0.1
        Scatter of the clump stars about it (mag).

    Returns
    -------
    constraint : Constraint
    """
    is_clump, predict = np.asarray(is_clump, dtype=bool), predictor(abs_mag)

    def middle(X):
        # Clump stars differ in M_K by mass and metallicity: what is known is where most of them are.
        return np.full(len(X), trim_mean(predict(X), 0.25))

    value = np.where(is_clump, magnitude[0], np.nan)
    shared = float(np.hypot(magnitude[1], PART_ERROR))
    return Constraint("clump", middle, value, np.full(len(value), width), _one_group(value), shared)


def seismic_gravity_constraint(logg: ArrayLike, logg_err: ArrayLike, *, scale_err: float = 0.005) -> Constraint:
    """The log g against that of seismology.

    Parameters
    ----------
    logg, logg_err : array-like of shape (n_stars,)
        Seismic log g and its error (dex).
    scale_err : float, default=0.005
        Error (dex) that all stars share.

    Returns
    -------
    constraint : Constraint
    """
    value, error = (as_floats(column, name="logg") for column in (logg, logg_err))
    return Constraint("seismic log g", lambda X: X[:, 1], value, error, _one_group(value), scale_err)


def mass_constraint(mass: Any, value: ArrayLike, error: ArrayLike, *, scale_err: float = 0.01) -> Constraint:
    """The model's mass against that of seismology.

    Parameters
    ----------
    mass : regressor or callable
        The model's mass (Msun).
    value, error : array-like of shape (n_stars,)
        Seismic mass and its error (Msun).
    scale_err : float, default=0.01
        Relative error that all stars share.

    Returns
    -------
    constraint : Constraint
        Of the logarithm of the mass.
    """
    value, error = as_floats(value, "Msun", name="mass"), as_floats(error, "Msun", name="mass error")
    predict = predictor(mass)
    with np.errstate(invalid="ignore", divide="ignore"):
        logarithm = np.log(np.where(value > 0, value, np.nan))
        relative = np.where(value > 0, error / value, np.nan)
    return Constraint("mass", lambda X: _log(predict(X)), logarithm, relative, _one_group(value), scale_err, PART_ERROR)


def _log(values):
    with np.errstate(invalid="ignore", divide="ignore"):
        return np.log(np.where(values > 0, values, np.nan))


def _column(number: int) -> Prediction:
    return lambda X: X[:, number]


def common_star_constraints(
    y: ArrayLike, y_err: ArrayLike, names: Sequence[str] = LABEL_NAMES, *, scale_err: Sequence[float] | None = None
) -> list[Constraint]:
    """Labels on the target scale, of the stars that have them: too few for a calibration on common stars alone.

    Parameters
    ----------
    y, y_err : array-like of shape (n_stars, n_labels)
        Labels on the target scale and their errors, those of the other scale included; NaN for other stars.
    names : sequence of str, default=LABEL_NAMES
        Names of the labels.
    scale_err : sequence of float, optional
        Errors that the stars share, 0 by default.

    Returns
    -------
    constraints : list of Constraint
        One for each label.
    """
    values, errors = as_floats(y, name="y"), as_floats(y_err, name="y_err", high_sentinels=False)
    shared = np.zeros(values.shape[1]) if scale_err is None else np.asarray(scale_err, dtype=np.float64)
    group = np.zeros(len(values), dtype=np.int64)
    return [
        Constraint(
            f"{name} of common stars",
            _column(number),
            values[:, number],
            np.broadcast_to(errors, values.shape)[:, number],
            group,
            float(shared[number]),
        )
        for number, name in enumerate(names)
    ]


def label_distribution_constraints(
    X_train: ArrayLike, n_stars: int, names: Sequence[str] = LABEL_NAMES, *, population_err: float = 0.3
) -> list[Constraint]:
    """The labels' distribution against that of the training set: each label, given the others.

    Parameters
    ----------
    X_train : array-like of shape (n_train, n_labels)
        Labels of the stars that the model was trained on.
    n_stars : int
        Number of stars that the constraints are for.
    names : sequence of str, default=LABEL_NAMES
        Names of the labels.
    population_err : float, default=0.3
        By how much two populations may differ, in units of the scatter of a label given the others.

    Returns
    -------
    constraints : list of Constraint
        One for each label.

    Raises
    ------
    InputError
        If there are fewer than 50 complete training stars.
    """
    X = as_floats(X_train, name="X_train")
    X = X[np.isfinite(X).all(axis=1)]
    if len(X) < 50:
        raise InputError(f"{len(X)} training stars have all labels; at least 50 are needed to compare with.")
    location, scale = X.mean(axis=0), X.std(axis=0)
    constraints, z = [], (X - location) / scale
    for number in range(X.shape[1]):
        others = np.delete(np.arange(X.shape[1]), number)
        coef = np.linalg.lstsq(_products(z[:, others]), X[:, number], rcond=None)[0]

        def left(labels, number=number, others=others, coef=coef):
            return labels[:, number] - _products(((labels - location) / scale)[:, others]) @ coef

        def middle(labels, left=left):
            return np.full(len(labels), trim_mean(left(labels), 0.25))

        residual = left(X)
        width = float(np.median(np.abs(residual)) / 0.6745)
        zero, error = np.full(n_stars, float(trim_mean(residual, 0.25))), np.full(n_stars, width)
        name, shared = f"{names[number]} of the training set", population_err * width
        constraints.append(Constraint(name, middle, zero, error, _one_group(zero), shared))
    return constraints


def _products(z):
    i, j = np.tril_indices(z.shape[1])
    return np.column_stack([np.ones(len(z)), z, z[:, i] * z[:, j]])
