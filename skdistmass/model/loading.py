"""Read a saved model."""

from __future__ import annotations

import os
from pathlib import Path

from skdistmass.deploy import load
from skdistmass.deploy.pretrained import list_pretrained, pretrained_path
from skdistmass.exceptions import FileFormatError
from skdistmass.model.distmass import DistMassModel
from skdistmass.model.files import read_model
from skdistmass.model.predictor import Predictor

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
    return model


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
