"""A label calibration as nodes of a graph."""

from __future__ import annotations

from typing import Any

from skdistmass.deploy.space import pair_products, space_scores
from skdistmass.estimators.label_calibration.base import FADE_WIDTH

__all__ = ["calibrated_labels"]


def calibrated_labels(b: Any, calibration: Any, present: str, labels: str) -> str:
    """Labels on the target scale.

    Parameters
    ----------
    b : GraphBuilder
    calibration : LabelCalibration or ConstraintCalibration
        Fitted.
    present : str
        Where labels are present, shape (n_labels, N).
    labels : str
        The labels in double, shape (n_labels, N), with any number where they are missing.

    Returns
    -------
    labels : str
        Shape (n_labels, N); NaN where a label is missing.
    """
    terms, coef = calibration.terms_, calibration.coef_
    shifted = b.op("Add", labels, coef[:, :1])
    if coef[:, 1:].any():
        used = b.rows(labels, terms.columns)
        limited = b.clip(used, terms.lower[:, None], terms.upper[:, None])
        z = b.op("Div", b.op("Sub", limited, terms.location[:, None]), terms.scale[:, None])
        i, j = terms.pairs
        products = b.op("Mul", b.rows(z, i), b.rows(z, j))
        centred = b.op("Sub", b.stack([z, products]), terms.centre[:, None])
        complete = b.all_of(*(b.row(present, int(column)) for column in terms.columns))
        weight = b.op("Where", complete, _fade(b, calibration, used), b.const([0.0]))
        shift = b.op("Mul", b.op("MatMul", b.const(coef[:, 1:]), centred), b.reshape(weight, [1, -1]))
        shifted = b.op("Add", shifted, shift)
    return b.op("Add", shifted, b.nan_where_not(present))


def _fade(b, calibration, used):
    """Weight of the shift's dependence on the labels: 1 inside the domain, falling to 0 outside; a vector."""
    density, n_used = calibration.space_.density_, len(calibration.terms_.columns)
    scaled = b.op("Div", b.op("Sub", used, density.location[:, None]), density.scale[:, None])
    scaled = b.clip(scaled, -1e6, 1e6)
    one = b.op("Add", b.op("Mul", b.rows(scaled, [0]), 0.0), 1.0)
    products = pair_products(b, b.stack([one, scaled]), n_used)
    score = space_scores(b, density, products, density.location, density.scale)
    start = 1.0 - calibration.space_.thresholds_[0] / FADE_WIDTH
    return b.clip(b.op("Add", b.op("Mul", score, 1.0 / FADE_WIDTH), start), 0.0, 1.0)
