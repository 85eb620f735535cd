"""The checks of the paper (its sections 4.3, 5 and 6), its figures and a report, on your catalogue."""

from skdistmass.validation import figures
from skdistmass.validation.ages import (
    age_in_clusters,
    age_residuals,
    age_statistics,
    mass_loss_effect,
    spoo_comparison,
    spoo_log_age,
)
from skdistmass.validation.checks import Check, Validation, validate
from skdistmass.validation.chemistry import birth_cn_relation, cn_low_logg_rise, cn_radial_trend
from skdistmass.validation.comparisons import compare_columns, coverage
from skdistmass.validation.distances import cluster_distances, cluster_summary, distance_by_logg, distance_residuals
from skdistmass.validation.masses import learned_cn_mass_relation, mass_by, mass_distributions, mass_residuals
from skdistmass.validation.report import draw_figures, write_report
from skdistmass.validation.stars import MissingInputError, join_reference, read_catalog

__all__ = [
    "Check",
    "MissingInputError",
    "Validation",
    "age_in_clusters",
    "age_residuals",
    "age_statistics",
    "birth_cn_relation",
    "cluster_distances",
    "cluster_summary",
    "cn_low_logg_rise",
    "cn_radial_trend",
    "compare_columns",
    "coverage",
    "distance_by_logg",
    "distance_residuals",
    "draw_figures",
    "figures",
    "join_reference",
    "learned_cn_mass_relation",
    "mass_by",
    "mass_distributions",
    "mass_loss_effect",
    "mass_residuals",
    "read_catalog",
    "spoo_comparison",
    "spoo_log_age",
    "validate",
    "write_report",
]
