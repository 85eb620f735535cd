"""Errors of predictions."""

from skdistmass.uncertainty.conformal import ConformalErrors
from skdistmass.uncertainty.paper import PaperErrors
from skdistmass.uncertainty.statistics import MIN_ROWS, label_noise_variance, normal_coverage, robust_scatter

__all__ = ["MIN_ROWS", "ConformalErrors", "PaperErrors", "label_noise_variance", "normal_coverage", "robust_scatter"]
