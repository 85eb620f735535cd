"""VOTables: parsed by astropy after a look at what they would make it do."""

import xml.parsers.expat
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from skdistmass.exceptions import FileFormatError
from skdistmass.surveys.formats.common import check_memory, check_names, open_stream, quiet

__all__ = ["VOTable", "find_tables"]

_PIECE = 1 << 20
#: Bytes of a (unpacked) VOTable that are read: astropy takes about four times as much memory.
DOCUMENT_LIMIT = 1 << 30


@dataclass
class _Found:
    """What the head of a TABLE element says."""

    number: int
    names: list[str] = field(default_factory=list)
    ids: list[str] = field(default_factory=list)
    units: dict[str, str] = field(default_factory=dict)
    n_rows: int | None = None


class _Scanner:
    """Reads the elements of a VOTable, and refuses those that point to other files or expand."""

    def __init__(self) -> None:
        self.tables: list[_Found] = []
        self.data_begun = False
        self._parser = xml.parsers.expat.ParserCreate()
        self._parser.StartElementHandler = self._begin
        self._parser.EntityDeclHandler = self._entity

    def feed(self, piece: bytes, last: bool) -> None:
        self._parser.Parse(piece, last)

    def _entity(self, *_: object) -> None:
        raise FileFormatError("the VOTable declares an XML entity, which a table does not need; it is not read.")

    def _begin(self, tag: str, attributes: dict[str, str]) -> None:
        tag = tag.rpartition(":")[2]
        if any(key.rpartition(":")[2].lower() == "href" for key in attributes) and tag == "STREAM":
            raise FileFormatError("the data of the VOTable are in another file (STREAM href), which is not opened.")
        if tag == "TABLE":
            found = _Found(len(self.tables))
            stated = attributes.get("nrows", "")
            found.n_rows = int(stated) if stated.isdigit() else None
            self.tables.append(found)
        elif tag == "FIELD" and self.tables:
            table = self.tables[-1]
            name = attributes.get("name", attributes.get("ID", f"col{len(table.names) + 1}"))
            table.names.append(name)
            if attributes.get("unit", "").strip():
                table.units[name] = attributes["unit"].strip()
        elif tag == "DATA":
            self.data_begun = True


def find_tables(path: Path, head_only: bool = False) -> list["VOTable"]:
    """Look at the tables of a VOTable; with `head_only` only up to the first row."""
    scanner, total = _Scanner(), 0
    with open_stream(path) as stream:
        while True:
            piece = stream.read(_PIECE if not head_only else 1 << 14)
            total += len(piece)
            if total > DOCUMENT_LIMIT:
                raise FileFormatError(
                    f"the VOTable has more than {DOCUMENT_LIMIT / 2**30:g} GB, which is the limit; convert it to FITS."
                )
            scanner.feed(piece, not piece)
            if not piece or (head_only and scanner.data_begun):
                break
    return [VOTable(path, table) for table in scanner.tables]


class VOTable:
    """One table of a VOTable document, kept in memory as a whole once it is read."""

    where, in_parts = "VOTable", False

    def __init__(self, path: Path, found: _Found):
        self.path, self._found = path, found
        self.names, self.units, self.n_rows = found.names, found.units, found.n_rows
        check_names(self.names)
        self._columns: dict[str, Any] = {}

    def load(self, names: Sequence[str], texts: set[str]) -> None:
        """Parse the document, and keep these columns."""
        from astropy.io.votable import parse

        with open_stream(self.path) as stream, quiet():
            table = parse(stream, verify="ignore").get_table_by_index(self._found.number)
        stated = self._found.n_rows
        if stated is not None and stated != len(table.array):
            raise FileFormatError(f"the VOTable says that it has {stated} rows, but has {len(table.array)}.")
        self.n_rows = len(table.array)
        ids = dict(zip(self.names, table.array.dtype.names or (), strict=True))
        for name in names:
            column = table.array[ids[name]]
            values = np.ma.getdata(column)
            if values.dtype.kind == "O":
                values = _texts(values, name)
            elif values.dtype.byteorder not in "=|":
                values = values.astype(values.dtype.newbyteorder("="))
            mask = np.ma.getmaskarray(column)
            self._columns[name] = np.ma.MaskedArray(values, mask=mask) if mask.any() else values

    def read(self, names: Sequence[str], start: int, stop: int) -> dict[str, Any]:
        """Return columns of some rows."""
        return {name: self._columns[name][start:stop] for name in names}

    def verify(self) -> None:
        """Do nothing: the document was read to its end."""


def _texts(values: np.ndarray, name: str) -> np.ndarray:
    """Return objects as an array of text, if they are texts."""
    flat = values.ravel().tolist()
    if not all(isinstance(value, str | bytes) for value in flat):
        return values
    texts = [value.decode("utf-8", "replace") if isinstance(value, bytes) else value for value in flat]
    check_memory(4 * len(texts) * max(map(len, texts), default=0), f"column {name}")
    return np.array(texts, dtype=str).reshape(values.shape)
