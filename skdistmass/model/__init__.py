"""The whole model: training, prediction, files."""

from skdistmass.model.distmass import DistMassModel
from skdistmass.model.loading import find_model, load_model, load_predictor
from skdistmass.model.predictor import Predictor

__all__ = ["DistMassModel", "Predictor", "find_model", "load_model", "load_predictor"]
