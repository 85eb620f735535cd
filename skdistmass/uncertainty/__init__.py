"""Errors of predictions."""

from skdistmass.uncertainty.conformal import (
    ConformalErrors,
    PaperErrors,
    label_noise_variance,
    normal_coverage,
    robust_scatter,
)

__all__ = ["ConformalErrors", "PaperErrors", "label_noise_variance", "normal_coverage", "robust_scatter"]
