"""The whole model: training, prediction, files."""

from skdistmass.model.distmass import DistMassModel
from skdistmass.model.loading import load_model
from skdistmass.model.predictor import Predictor

__all__ = ["DistMassModel", "Predictor", "load_model"]
