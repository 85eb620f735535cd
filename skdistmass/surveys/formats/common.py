"""What the file formats share: opening compressed files, limits on memory, and silence of other libraries."""

import bz2
import gzip
import lzma
import threading
import warnings
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np

from skdistmass.exceptions import FileFormatError

#: Bytes that one reading of a compressed file, or of one that can't be read in parts, may take in memory.
MEMORY_LIMIT = 4 << 30
_COMPRESSIONS: dict[bytes, tuple[str, Any]] = {
    b"\x1f\x8b": ("gzip", gzip.open),
    b"BZh": ("bzip2", bz2.open),
    b"\xfd7zXZ\x00": ("xz", lzma.open),
}
_QUIET = threading.RLock()


class TableFile:
    """A table of a file, of which columns and rows are read when asked for."""

    where: str  # which table of the file
    names: Sequence[str]
    units: Mapping[str, str]  # of those columns that have one, as the file writes them
    n_rows: int | None  # None if only reading the file tells it
    _loaded: dict[str, Any]

    def load(self, names: Sequence[str], texts: set[str], most_rows: int | None = None) -> None:
        """Read columns of a file that can't be read in parts; `texts` are not to be taken for numbers."""

    def read(self, names: Sequence[str], start: int, stop: int) -> dict[str, Any]:
        """Return columns of some rows as arrays, masked where missing."""
        return {name: self._loaded[name][start:stop] for name in names}

    def close(self) -> None:
        """Close what is kept open between readings; `read` opens it again."""


def compression_of(path: Path) -> tuple[str, Any] | None:
    """Return the name of a file's compression and the function that opens it, or None."""
    with open(path, "rb") as file:
        head = file.read(8)
    return next((known for magic, known in _COMPRESSIONS.items() if head.startswith(magic)), None)


def open_stream(path: Path) -> BinaryIO:
    """Open a file to read its bytes, unpacked if it is compressed."""
    known = compression_of(path)
    return open(path, "rb") if known is None else known[1](path, "rb")


def check_memory(n_bytes: int, what: str) -> None:
    """Refuse to take more memory than `MEMORY_LIMIT`."""
    if n_bytes > MEMORY_LIMIT:
        raise FileFormatError(
            f"{what} would take {n_bytes / 2**30:.1f} GB of memory, more than the limit of {MEMORY_LIMIT / 2**30:g} "
            "GB; read fewer rows or columns at a time, or convert the file to FITS without compression."
        )


def with_masks(names: Sequence[str], present: Sequence[str]) -> list[str]:
    """Return names with those of the columns in which astropy writes their masks, where these are present."""
    there = set(present)
    return [n for name in names for n in (name, f"{name}.mask") if n == name or n in there]


def masked(name: str, columns: Mapping[str, Any]) -> Any:
    """Return a column, masked where the column with its mask says so."""
    column, mask = columns[name], columns.get(f"{name}.mask")
    if mask is None:
        return column
    missing = np.ma.filled(np.ma.asarray(mask), False).astype(bool)
    return np.ma.MaskedArray(column, mask=missing | np.ma.getmaskarray(column))


@contextmanager
def quiet() -> Iterator[list[warnings.WarningMessage]]:
    """Keep the warnings of other libraries to ourselves, and yield them in a list.

    One thread at a time does so: the filters of warnings are those of the process.
    """
    with _QUIET, warnings.catch_warnings(record=True) as told:
        warnings.simplefilter("always")
        yield told
