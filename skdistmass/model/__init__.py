"""The whole model: training, prediction, files."""

from skdistmass.model.age_physics import AgePhysics
from skdistmass.model.calibrated import predict_calibrated
from skdistmass.model.distmass import DistMassModel
from skdistmass.model.loading import find_model, load_model, load_predictor
from skdistmass.model.predictor import Predictor, cuts_of
from skdistmass.model.scale import check_scale, choose_labels, fit_to_model, model_constraints
from skdistmass.model.stored import FORMS, STORED_LEVELS, StoredPosterior, stored_law, stored_vectors

__all__ = [
    "FORMS",
    "STORED_LEVELS",
    "AgePhysics",
    "DistMassModel",
    "Predictor",
    "StoredPosterior",
    "check_scale",
    "choose_labels",
    "cuts_of",
    "find_model",
    "fit_to_model",
    "load_model",
    "load_predictor",
    "model_constraints",
    "predict_calibrated",
    "stored_law",
    "stored_vectors",
]
