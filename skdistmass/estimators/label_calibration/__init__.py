"""Label scales: bring the labels of one survey to the scale of another, and find out that it is needed."""

from skdistmass.estimators.label_calibration.common_stars import LabelCalibration
from skdistmass.estimators.label_calibration.constraint_calibration import ConstraintCalibration
from skdistmass.estimators.label_calibration.constraints import (
    Constraint,
    clump_constraint,
    cluster_age_constraint,
    cluster_distance_constraint,
    cluster_metallicity_constraint,
    label_distribution_constraints,
    mass_constraint,
    parallax_constraint,
    seismic_gravity_constraint,
)
from skdistmass.estimators.label_calibration.files import load_calibration, shipped_calibrations

__all__ = [
    "Constraint",
    "ConstraintCalibration",
    "LabelCalibration",
    "clump_constraint",
    "cluster_age_constraint",
    "cluster_distance_constraint",
    "cluster_metallicity_constraint",
    "label_distribution_constraints",
    "load_calibration",
    "mass_constraint",
    "parallax_constraint",
    "seismic_gravity_constraint",
    "shipped_calibrations",
]
