"""Errors of predictions."""

from skdistmass.uncertainty.conformal import ConformalErrors
from skdistmass.uncertainty.paper import PaperErrors
from skdistmass.uncertainty.statistics import (
    MIN_ROWS,
    NORMAL_TO_MAD,
    label_noise_variance,
    normal_coverage,
    robust_scatter,
)

__all__ = [
    "MIN_ROWS",
    "NORMAL_TO_MAD",
    "ConformalErrors",
    "PaperErrors",
    "label_noise_variance",
    "normal_coverage",
    "robust_scatter",
]
