"""Read a saved model."""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np

from skdistmass.deploy import load
from skdistmass.deploy.pretrained import list_pretrained, pretrained_path
from skdistmass.exceptions import FileFormatError, shortened
from skdistmass.labels import LABEL_NAMES
from skdistmass.model.distmass import DistMassModel
from skdistmass.model.files import read_model
from skdistmass.model.predictor import Predictor
from skdistmass.surveys import Stars

__all__ = ["find_model", "load_model", "load_predictor"]


def load_model(path: str | os.PathLike[str]) -> DistMassModel:
    """Read a model written by `DistMassModel.save`.

    Nothing of the file is executed: it holds arrays and parameters, and only parts of known kinds are rebuilt from
    them.

    Parameters
    ----------
    path : path-like
        The file.

    Returns
    -------
    model : DistMassModel
        Fitted.

    Raises
    ------
    FileFormatError
        If there is no such file, or it is not a model, damaged, too large, or of another format version.

    Examples
    --------
    >>> from skdistmass import load_model
    >>> load_model("no-such-file")
    Traceback (most recent call last):
      ...
    skdistmass.exceptions.FileFormatError: no-such-file can't be read: No such file or directory.
    """
    parameters, state = read_model(path)
    model = DistMassModel(**parameters)
    for name, value in state.items():
        setattr(model, name, value)
    try:
        _try_out(model)
    except Exception as error:  # arrays that don't fit together make NumPy and others fail in every way there is
        raise FileFormatError(
            f"{path} is a model of skdistmass whose parts don't fit together ({type(error).__name__}: "
            f"{shortened(error)}); train it again or get a fresh copy."
        ) from error
    return model


def _try_out(model: DistMassModel) -> None:
    """Predict two stars, one without C and N, by all networks, those of the folds among them."""
    labels = np.array([[4700.0, 2.5, -0.1, 0.0, 0.1], [4700.0, 2.5, -0.1, np.nan, np.nan]])
    columns = dict(zip(LABEL_NAMES, labels.T, strict=True)) | {"K": np.full(2, 10.0), "A_K": np.zeros(2)}
    model.predict_columns(Stars(columns, metallicity=model.metallicity_))
    fallbacks = model.abs_mag_fallback_, *model.mass_fallbacks_.values()
    for network in (model.abs_mag_, *model.masses_.values(), *fallbacks):
        if network is None:
            continue
        folds = np.arange(-1, len(network.fold_pipelines_))
        network.predict_out_of_fold(np.repeat(labels[:1, : network.n_features_in_], len(folds), axis=0), folds)


def find_model(name: str | os.PathLike[str]) -> Path:
    """Return the path of a trained model: of a file, or of a model that comes with the package, by its name.

    Raises
    ------
    FileFormatError
        If there is neither.

    Examples
    --------
    >>> from skdistmass.model import find_model
    >>> find_model("kepler-giants").name
    'kepler-giants.onnx'
    """
    if Path(name).exists():
        return Path(name)
    if name in list_pretrained():
        return pretrained_path(name)
    known = ", ".join(list_pretrained())
    raise FileFormatError(f"{name} is neither a file nor a model that comes with skdistmass ({known}).")


def load_predictor(name: str | os.PathLike[str]) -> Predictor:
    """Load a trained model of either kind: a file of `DistMassModel.save`, an ONNX file, or one of `find_model`.

    Raises
    ------
    FileFormatError
        If there is no such model, or its file can't be used.

    Examples
    --------
    >>> from skdistmass.model import load_predictor
    >>> load_predictor("kepler-giants")
    OnnxPredictor('kepler-giants', float64)
    """
    path = find_model(name)
    return load(path) if path.suffix == ".onnx" else load_model(path)
