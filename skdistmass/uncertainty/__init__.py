"""Errors of predictions."""

from skdistmass.uncertainty.conformal import ConformalErrors
from skdistmass.uncertainty.distribution import COVERAGES, LEVELS, MEDIAN, PredictiveDistribution
from skdistmass.uncertainty.paper import PaperErrors
from skdistmass.uncertainty.statistics import (
    MIN_ROWS,
    NORMAL_TO_MAD,
    label_noise_variance,
    normal_coverage,
    robust_scatter,
)

__all__ = [
    "COVERAGES",
    "LEVELS",
    "MEDIAN",
    "MIN_ROWS",
    "NORMAL_TO_MAD",
    "ConformalErrors",
    "PaperErrors",
    "PredictiveDistribution",
    "label_noise_variance",
    "normal_coverage",
    "robust_scatter",
]
