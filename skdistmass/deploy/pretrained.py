"""Trained models that come with the package; onnxruntime and numpy are enough to use them."""

from pathlib import Path

from skdistmass.exceptions import InputError

__all__ = ["DEFAULT_MODEL", "list_pretrained", "load_pretrained", "pretrained_path", "quantiles_beside"]

_FOLDER = Path(__file__).parent / "models"
#: Model that is loaded if none is named.
DEFAULT_MODEL = "apogee"


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


def load_pretrained(name=DEFAULT_MODEL, *, threads=None):
    """Load a model that comes with the package.

    Parameters
    ----------
    name : str, default="apogee"
        One of `list_pretrained`. ``"apogee"`` serves the whole Kiel diagram, and gives distances without carbon and
        nitrogen, too; ``"kepler-giants"`` is trained on giants of the Kepler field alone (log g < 3.5), and other stars
        are flagged. Each comes with inputs for errors of labels, magnitude and extinction, ``"apogee-errors"``, in
        single precision, ``"apogee-float32"``, and with quantiles as further outputs, ``"apogee-quantiles"``, which
        `OnnxPredictor.sample` and `posterior` of all of them use.
    threads : int, optional
        As for `skdistmass.deploy.load`.

    Returns
    -------
    predictor : skdistmass.deploy.OnnxPredictor

    Raises
    ------
    InputError
        If there is no such model.
    FileFormatError
        If its file was damaged.

    Examples
    --------
    >>> from skdistmass.deploy.pretrained import load_pretrained
    >>> model = load_pretrained()
    >>> model.inputs
    ['TEFF', 'LOGG', 'M_H', 'C_FE', 'N_FE', 'MAG', 'EXTINCTION']
    >>> model.card["training_set"]
    'kepler_giants.fits, k2_giants.fits, ...'
    """
    from skdistmass.deploy.runtime import load

    return load(pretrained_path(name), threads=threads)
