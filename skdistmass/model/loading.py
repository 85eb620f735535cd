"""Read a saved model."""

from __future__ import annotations

import os

from skdistmass.model.distmass import DistMassModel
from skdistmass.model.files import read_model

__all__ = ["load_model"]


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
