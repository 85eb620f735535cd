"""Distances, masses and ages of stars from their spectroscopic labels, as scikit-learn estimators."""

from skdistmass._version import __version__
from skdistmass.abs_mag import AbsMagRegressor
from skdistmass.ages import IsochroneAgeTransformer
from skdistmass.binaries import BinaryResidualFilter
from skdistmass.cn_mass import CNMassRegressor
from skdistmass.model import DistMassModel
from skdistmass.model_files import load_model
from skdistmass.training_sets import TrainingCuts
from skdistmass.training_space import TrainingSpace

__all__ = [
    "AbsMagRegressor",
    "BinaryResidualFilter",
    "CNMassRegressor",
    "DistMassModel",
    "IsochroneAgeTransformer",
    "TrainingCuts",
    "TrainingSpace",
    "__version__",
    "load_model",
]
