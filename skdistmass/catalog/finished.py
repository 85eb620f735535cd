"""A finished catalogue, met again by --resume: is it what this survey, model and settings give?"""

from __future__ import annotations

from collections.abc import Iterable
from contextlib import suppress
from pathlib import Path

import numpy as np

from skdistmass.catalog.part_file import rounding_of
from skdistmass.catalog.provenance import Card, read_cards
from skdistmass.exceptions import ColumnError, FileFormatError, InputError
from skdistmass.surveys.files import open_table

__all__ = ["counts_of_finished"]

# What may differ: the command and its chunks, names of files, whose checksums count, and what is counted.
_OF_NO_MATTER = {"COMMAND", "CHUNKROW", "INFILE", "MODEL", "NSTARS", "NREPEAT", "NDUPSPEC"}


def counts_of_finished(path: Path, beginning: Path, cards: Iterable[Card], n_rows: int) -> dict[str, int]:
    """Return NSTARS, NREPEAT and NDUPSPEC of a finished catalogue, which must be the one that would be made.

    Parameters
    ----------
    path : pathlib.Path
        The catalogue.
    beginning : pathlib.Path
        The first rows of the catalogue that would be made, as a file of the same format.
    cards : iterable of Card
        Its header cards; those of survey, model, settings and release must be the same.
    n_rows : int
        Rows of the survey.

    Returns
    -------
    counts : dict of int

    Raises
    ------
    InputError
        If the file is another catalogue, or none.
    """
    # A file of another kind, or a damaged one, has no cards, and so none of the same values.
    found, wanted = {}, read_cards(beginning)
    with suppress(FileFormatError, OSError, ValueError):
        found = read_cards(path)
    names = [name for name, _, _ in cards if name not in _OF_NO_MATTER]
    others = [name for name in names if found.get(name) != wanted[name]]
    if not others and not _begins_with(path, beginning, n_rows):
        others = ["its predictions"]
    if others:
        raise InputError(
            f"{path} exists, and is not the catalogue of this survey, model and settings ({', '.join(others)}); give "
            "it another name, or overwrite (--overwrite) to replace it."
        )
    return {name: int(found[name]) for name in ("NSTARS", "NREPEAT", "NDUPSPEC")}


def _begins_with(path: Path, beginning: Path, n_rows: int) -> bool:
    """Tell whether a catalogue has so many rows, of which the first agree, to rounding, with those of another file."""
    try:
        tables = [open_table(name)[1] for name in (path, beginning)]
    except (FileFormatError, ColumnError):
        return False
    found, wanted = tables
    if list(found.names) != list(wanted.names):
        return False
    for table in tables:
        table.load(table.names, set())
    if found.n_rows != n_rows:
        return False
    rows = [table.read(table.names, 0, wanted.n_rows or 0) for table in tables]
    for table in tables:
        table.close()
    return all(_agree(*(np.ma.asarray(read[name]) for read in rows)) for name in wanted.names)


def _agree(one: np.ma.MaskedArray, other: np.ma.MaskedArray) -> bool:
    if one.shape != other.shape or (np.ma.getmaskarray(one) != np.ma.getmaskarray(other)).any():
        return False
    if one.dtype.kind == "f":
        rtol = rounding_of(one.dtype)
        return np.allclose(one.filled(np.nan), other.filled(np.nan), rtol=rtol, atol=1e-12, equal_nan=True)
    return bool(np.ma.filled(one == other, True).all())
