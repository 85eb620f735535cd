"""The whole model: training, prediction, files."""

from skdistmass.model.calibrated import predict_calibrated
from skdistmass.model.distmass import DistMassModel
from skdistmass.model.loading import load_model
from skdistmass.model.predictor import Predictor, cuts_of
from skdistmass.model.scale import check_scale, choose_labels, fit_to_model, model_constraints

__all__ = [
    "DistMassModel",
    "Predictor",
    "check_scale",
    "choose_labels",
    "cuts_of",
    "fit_to_model",
    "load_model",
    "model_constraints",
    "predict_calibrated",
]
