"""Where the real tables are."""

import os
from pathlib import Path

import skdistmass
from skdistmass.exceptions import DistMassError

__all__ = ["data_dir"]


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
    >>> import os, tempfile
    >>> from skdistmass.surveys import data_dir
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     kept = os.environ.get("SKDISTMASS_DATA")
    ...     os.environ["SKDISTMASS_DATA"] = folder
    ...     print(str(data_dir()) == folder)
    ...     _ = os.environ.pop("SKDISTMASS_DATA") if kept is None else os.environ.update(SKDISTMASS_DATA=kept)
    True
    """
    named = os.environ.get("SKDISTMASS_DATA")
    if named:
        folder = Path(named)
        if not folder.is_dir():
            raise DistMassError(
                f"SKDISTMASS_DATA is {named!r}, which is not a folder; name the folder of the real tables."
            )
        return folder
    folder = Path(skdistmass.__file__).resolve().parents[2] / "shared" / "data"
    if not folder.is_dir():
        raise DistMassError(
            "the real tables were not found; set the environment variable SKDISTMASS_DATA to the folder "
            "that holds kepler_giants.fits and the other tables."
        )
    return folder
