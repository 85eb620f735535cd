"""Trained models that come with the package; onnxruntime and numpy are enough to use them."""

from skdistmass.deploy.shipped import list_pretrained, pretrained_path

__all__ = ["DEFAULT_MODEL", "list_pretrained", "load_pretrained", "pretrained_path"]

#: Model that is loaded if none is named.
DEFAULT_MODEL = "apogee"


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
