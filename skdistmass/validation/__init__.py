"""The paper's checks (its sections 4.3, 5 and 6), figures and a report, on a catalogue of one's own."""

from skdistmass.validation import figures
from skdistmass.validation.checks import Check, Validation, validate
from skdistmass.validation.distances import (
    cluster_distances,
    cluster_summary,
    distance_by_logg,
    distance_residuals,
)
from skdistmass.validation.metrics import (
    age_in_clusters,
    age_residuals,
    age_statistics,
    compare_columns,
    coverage,
    mass_by,
    mass_residuals,
)
from skdistmass.validation.report import draw_figures, write_report
from skdistmass.validation.science import (
    birth_cn_relation,
    cn_low_logg_rise,
    cn_radial_trend,
    learned_cn_mass_relation,
    mass_distributions,
    mass_loss_effect,
    spoo_comparison,
    spoo_log_age,
)
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
