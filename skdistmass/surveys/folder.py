"""Where the real tables are."""

import os
from pathlib import Path

import skdistmass
from skdistmass.exceptions import DistMassError


def data_dir():
    """Return the folder of the real tables, which the package does not carry.

    Returns
    -------
    folder : pathlib.Path
        The folder named by the environment variable ``SKDISTMASS_DATA`` if that is set, else ``../shared/data`` beside
        the checkout the package runs from.

    Raises
    ------
    DistMassError
        If that is not a folder. The message says what to set.

    Examples
    --------
    >>> import tempfile
    >>> from unittest.mock import patch
    >>> from skdistmass.surveys import data_dir
    >>> with tempfile.TemporaryDirectory() as folder, patch.dict("os.environ", SKDISTMASS_DATA=folder):
    ...     print(str(data_dir()) == folder)
    True
    """
    named = os.environ.get("SKDISTMASS_DATA")
    folder = Path(named) if named else Path(skdistmass.__file__).resolve().parents[2] / "shared" / "data"
    if folder.is_dir():
        return folder
    if named:
        raise DistMassError(f"SKDISTMASS_DATA is {named!r}, which is not a folder; name the folder of the real tables.")
    raise DistMassError(
        "the real tables were not found; set the environment variable SKDISTMASS_DATA to the folder that holds "
        "kepler_giants.fits and the other tables."
    )
