"""Distances, masses and ages of stars from their spectroscopic labels, as scikit-learn estimators."""

from importlib import import_module

from skdistmass._version import __version__

# Public name to the module that defines it. They are imported when first used, so that the light parts (the command
# line's help, the ONNX runtime, the readers) do not wait for scikit-learn.
_PUBLIC = {
    "AbsMagRegressor": "skdistmass.estimators.abs_mag",
    "BinaryResidualFilter": "skdistmass.estimators.binaries",
    "CNMassRegressor": "skdistmass.estimators.cn_mass",
    "DistMassModel": "skdistmass.model",
    "EvolutionaryStateClassifier": "skdistmass.estimators.evolution",
    "ExtinctionChoice": "skdistmass.extinction",
    "IsochroneAgeTransformer": "skdistmass.estimators.ages",
    "IsochroneDistanceRegressor": "skdistmass.isochrones",
    "LevenbergMarquardtMLPRegressor": "skdistmass.networks.levenberg_marquardt",
    "Stars": "skdistmass.surveys",
    "TrainingCuts": "skdistmass.surveys.training_sets",
    "TrainingSpace": "skdistmass.estimators.training_space",
    "build_catalog": "skdistmass.catalog",
    "load_model": "skdistmass.model",
    "load_pretrained": "skdistmass.deploy.pretrained",
    "read_survey": "skdistmass.surveys",
}

__all__ = [*_PUBLIC, "__version__"]


def __getattr__(name):
    if name in _PUBLIC:
        return getattr(import_module(_PUBLIC[name]), name)
    raise AttributeError(f"module 'skdistmass' has no attribute {name!r}")


def __dir__():
    return sorted(set(globals()) | set(__all__))
