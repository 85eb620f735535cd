"""The files of the models that come with the package."""

from pathlib import Path

from skdistmass.exceptions import InputError

__all__ = ["list_pretrained", "pretrained_path", "quantiles_beside"]

_FOLDER = Path(__file__).parent / "models"


def list_pretrained():
    """Names of the models that come with the package.

    Returns
    -------
    names : list of str

    Examples
    --------
    >>> from skdistmass.deploy.pretrained import list_pretrained
    >>> list_pretrained()
    ['apogee', 'apogee-errors', 'apogee-float32', 'apogee-quantiles', 'kepler-giants', 'kepler-giants-errors', \
'kepler-giants-float32', 'kepler-giants-quantiles']
    """
    return sorted(path.stem for path in _FOLDER.glob("*.onnx"))


def pretrained_path(name):
    """Path of the ONNX file of a model that comes with the package, for use in other tools.

    Parameters
    ----------
    name : str
        One of `list_pretrained`.

    Returns
    -------
    path : pathlib.Path

    Raises
    ------
    InputError
        If there is no such model; the message names those there are.
    """
    if name not in list_pretrained():
        raise InputError(
            f"no model {name!r} comes with skdistmass; there are {', '.join(list_pretrained()) or 'none'}."
        )
    return _FOLDER / f"{name}.onnx"


def quantiles_beside(name, content):
    """Return the path of the graph with quantiles of the same model, if a graph is one that comes with the package.

    Parameters
    ----------
    name : str
        That the graph has.
    content : bytes
        Its file, which must be the one of that name.

    Returns
    -------
    path : pathlib.Path or None
    """
    if name not in list_pretrained() or pretrained_path(name).read_bytes() != content:
        return None
    return pretrained_path(f"{name.removesuffix('-errors').removesuffix('-float32')}-quantiles")
