"""Predictions for stars whose labels a calibration brings to the model's scale, with the error of the calibration."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from skdistmass.estimators.label_calibration.base import LabelShift
from skdistmass.labels import LABEL_NAMES
from skdistmass.model.prediction import half_width
from skdistmass.model.predictor import Predictor
from skdistmass.photometry import LN_DISTANCE_PER_MAG
from skdistmass.schema.bits import AgeFlag
from skdistmass.schema.columns import mass_columns, scales_of
from skdistmass.surveys.stars import Stars

__all__ = ["predict_calibrated"]

Columns = dict[str, NDArray]
#: The ends of intervals, and how many standard errors each is from the middle.
_ENDS = {"_LO": 1.0, "_HI": 1.0, "_LO95": 2.0, "_HI95": 2.0}
_OTHER_END = {"_LO": "_HI", "_HI": "_LO", "_LO95": "_HI95", "_HI95": "_LO95"}


def predict_calibrated(
    model: Predictor, stars: Stars, calibration: LabelShift | None, *, out_of_fold: bool = True
) -> tuple[Stars, Columns]:
    """Bring labels to the scale of a model, predict, and add the error of the calibration to the errors.

    Parameters
    ----------
    model : Predictor
        A `skdistmass.DistMassModel`, an `skdistmass.deploy.OnnxPredictor` or any other.
    stars : Stars
        With labels on the scale that was calibrated.
    calibration : LabelCalibration, ConstraintCalibration or None
        Fitted. Without one the labels stay as they are.
    out_of_fold : bool, default=True
        As for the predictor.

    Returns
    -------
    stars : Stars
        With calibrated labels, and the metallicity of the model.
    columns : dict of ndarray
        As of the predictor. The ends of all intervals are wider, and so are the errors. CALIBRATION_SPACE, a code of
        `skdistmass.schema.bits.Space`, is where each star is in the calibration's domain.

    Notes
    -----
    The calibration's covariance of a star's labels is a sum of outer products of its principal axes. The model
    predicts at both ends of each axis; half the difference is the error that the axis gives to the absolute
    magnitude and to each mass, and these add in quadrature. That holds for any predictor, and for shifts of labels
    that compensate each other. Each side of an age's interval grows as that of the mass does.
    """
    stars = stars.with_metallicity(model.card.get("metallicity", "M_H"))
    if calibration is None:
        return stars, dict(model.predict_columns(stars, out_of_fold=out_of_fold))
    calibrated = calibration.calibrate(stars, own_error=False)
    columns = dict(model.predict_columns(calibrated, out_of_fold=out_of_fold))
    noise = _noise(model, calibrated, columns, calibration.own_covariance(stars), out_of_fold)
    if "ABS_MAG" in noise:
        _widen_distance(columns, noise["ABS_MAG"])
    for scale in scales_of(columns):
        _widen_mass(columns, scale, noise[mass_columns(scale)[0]])
    columns["CALIBRATION_SPACE"] = calibration.domain_of(stars)
    return calibrated, columns


def _noise(
    model: Predictor, stars: Stars, columns: Columns, covariance: NDArray[np.float64], out_of_fold: bool
) -> dict[str, NDArray[np.float64]]:
    """Return the error that a covariance of the labels gives to ABS_MAG (mag), and to each mass as a fraction."""
    names = ["ABS_MAG"] * ("ABS_MAG" in columns) + [mass_columns(scale)[0] for scale in scales_of(columns)]
    variance = {name: np.zeros(len(stars)) for name in names}
    for axis in _principal_axes(covariance):
        ends = []
        for side in (1.0, -1.0):
            moved = {name: stars[name] + side * axis[:, n] for n, name in enumerate(LABEL_NAMES) if name in stars}
            ends.append(model.predict_columns(stars.with_columns(moved), out_of_fold=out_of_fold))
        for name in names:
            variance[name] += (0.5 * (np.asarray(ends[0][name]) - ends[1][name])) ** 2
    noise = {name: np.sqrt(values) for name, values in variance.items()}
    with np.errstate(divide="ignore", invalid="ignore"):
        return {n: values if n == "ABS_MAG" else values / np.abs(columns[n]) for n, values in noise.items()}


def _principal_axes(covariance: NDArray[np.float64]) -> list[NDArray[np.float64]]:
    """Return arrays of shape (n_stars, n_labels) whose outer products add up to the covariances."""
    scale = np.sqrt(np.diagonal(covariance, axis1=1, axis2=2))
    unit = np.where(scale > 0, scale, 1.0)
    values, vectors = np.linalg.eigh(covariance / unit[:, :, None] / unit[:, None, :])
    axes = vectors * np.sqrt(np.clip(values, 0.0, None))[:, None, :] * scale[:, :, None]
    return [axis for axis in np.moveaxis(axes, 2, 0) if (np.abs(axis) > 1e-9 * unit).any()]


def _widen_distance(columns: Columns, noise: NDArray[np.float64]) -> None:
    """Widen what comes from the absolute magnitude by an error of it (mag)."""
    for name in ("ABS_MAG_ERR", "ABS_MAG_LABEL_ERR"):
        if name in columns:
            columns[name] = np.hypot(columns[name], noise)
    _widen_ends(columns, "DISTANCE", noise * LN_DISTANCE_PER_MAG)
    _set_error(columns, "DISTANCE_ERR", "DISTANCE")


def _widen_mass(columns: Columns, scale: str, noise: NDArray[np.float64]) -> None:
    """Widen what comes from the mass of a scale by a fractional error of it."""
    mass, age = mass_columns(scale)
    factors = _widen_ends(columns, mass, noise)
    first = scale == scales_of(columns)[0]
    flag = columns.get(f"{age}_FLAG", columns.get("AGE_FLAG", np.zeros(len(noise), dtype=int)))
    for end, factor in factors.items():
        # The lower mass has the higher age. An interval that is cut at the end of the relation stays as it is.
        name = age + _OTHER_END[end]
        if name in columns:
            cut = (flag & int(AgeFlag.CLIPPED_95 if end.endswith("95") else AgeFlag.CLIPPED)) != 0
            wider = columns[age] + factor * (columns[name] - columns[age])
            columns[name] = np.where(cut, columns[name], wider)
    for mass_err, age_err in [(f"{mass}_ERR", f"{age}_ERR")] + [("MASS_ERR", "AGE_ERR")] * first:
        before = columns.get(mass_err)
        _set_error(columns, mass_err, mass)
        if age_err in columns and before is not None:
            by_slope = columns[age_err] * columns[mass_err] / before
            _set_error(columns, age_err, age)
            cut = ((flag & int(AgeFlag.CLIPPED)) != 0) | ~np.isfinite(columns[age_err])
            columns[age_err] = np.where(cut, by_slope, columns[age_err])


def _widen_ends(columns: Columns, name: str, noise: NDArray[np.float64]) -> dict[str, NDArray[np.float64]]:
    """Widen each side of a quantity's intervals by a fractional error of it, in quadrature; return the factors."""
    factors = {}
    for end, sigmas in _ENDS.items():
        if f"{name}{end}" in columns:
            with np.errstate(divide="ignore", invalid="ignore"):
                side = np.log(columns[f"{name}{end}"] / columns[name])
                wider = np.hypot(side, sigmas * noise)
                factors[end] = wider / np.abs(side)
            columns[f"{name}{end}"] = columns[name] * np.exp(-wider if end.startswith("_LO") else wider)
    return factors


def _set_error(columns: Columns, error: str, name: str) -> None:
    """Make an error half the width of the 68.27 % interval, if both are there."""
    if error in columns and f"{name}_LO" in columns:
        columns[error] = half_width(np.column_stack([columns[f"{name}_LO"], columns[f"{name}_HI"]]))
