"""What a table or figure needs of the joined table, and the error that says what is missing."""

import numpy as np
from astropy.table import Table

from skdistmass.exceptions import InputError
from skdistmass.tables import optional_floats


class MissingInputError(InputError):
    """A table or figure needs a column, or stars, that the tables do not have."""


def require(stars: Table, *names: str) -> None:
    """Raise `MissingInputError` unless the stars have all these columns, each with a value for some star."""
    for name in names:
        if name not in stars.colnames:
            raise MissingInputError(f"there is no column {name.removeprefix('REF_')} in {where(name)}")
        if stars[name].dtype.kind in "fiu" and not np.isfinite(optional_floats(stars, name)).any():
            raise MissingInputError(f"the column {name.removeprefix('REF_')} of {where(name)} is empty")


def where(name: str) -> str:
    if name.startswith("REFERENCE_DIST"):
        return "what is known of these stars: no Gaia distance, parallax or cluster distance"
    return "the reference table" if name.startswith("REF_") else "the catalogue"


def require_stars(n_stars: int | np.integer, wanted: int, what: str) -> None:
    """Raise `MissingInputError` if there are fewer stars than a result needs."""
    if n_stars < wanted:
        raise MissingInputError(f"{n_stars} {what} (at least {wanted} needed)")
