"""Label scales: bring the labels of one survey to the scale of another, and find out that it is needed."""

from skdistmass.estimators.label_calibration.cluster_constraints import (
    cluster_age_constraint,
    cluster_distance_constraint,
    cluster_metallicity_constraint,
)
from skdistmass.estimators.label_calibration.common_stars import LabelCalibration
from skdistmass.estimators.label_calibration.common_tables import fit_common_stars
from skdistmass.estimators.label_calibration.constraint_calibration import ConstraintCalibration
from skdistmass.estimators.label_calibration.constraints import (
    Constraint,
    clump_constraint,
    common_star_constraints,
    label_distribution_constraints,
    mass_constraint,
    parallax_constraint,
    seismic_gravity_constraint,
)
from skdistmass.estimators.label_calibration.effects import label_effects
from skdistmass.estimators.label_calibration.files import as_calibration, load_calibration, shipped_calibrations
from skdistmass.estimators.label_calibration.scale_check import ScaleShift, find_scale_shift

__all__ = [
    "Constraint",
    "ConstraintCalibration",
    "LabelCalibration",
    "ScaleShift",
    "as_calibration",
    "clump_constraint",
    "cluster_age_constraint",
    "cluster_distance_constraint",
    "cluster_metallicity_constraint",
    "common_star_constraints",
    "find_scale_shift",
    "fit_common_stars",
    "label_distribution_constraints",
    "label_effects",
    "load_calibration",
    "mass_constraint",
    "parallax_constraint",
    "seismic_gravity_constraint",
    "shipped_calibrations",
]
