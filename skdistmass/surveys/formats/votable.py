"""VOTables: parsed by astropy after a look at what they would make it do."""

import math
import xml.parsers.expat
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from skdistmass.exceptions import FileFormatError, shortened
from skdistmass.surveys.formats.common import TableFile, check_memory, open_stream, quiet
from skdistmass.tables import check_names

_PIECE = 1 << 20
# Bytes of each data type in binary data (VOTable 1.4, section 6); a bit takes an eighth, and is left out.
_WIDTHS = {"boolean": 1, "unsignedByte": 1, "short": 2, "int": 4, "long": 8, "char": 1, "unicodeChar": 2}
_NULLS = ("null", "none", "nan", "--", "n/a", "")
_WIDTHS |= {"float": 4, "double": 8, "floatComplex": 8, "doubleComplex": 16}
#: Bytes of a (unpacked) VOTable that are read: astropy takes about four times as much memory.
DOCUMENT_LIMIT = 1 << 30


@dataclass
class _Found:
    """What the head of a TABLE element says."""

    number: int
    names: list[str] = field(default_factory=list)
    units: dict[str, str] = field(default_factory=dict)
    n_rows: int | None = None
    row_bytes: float = 0  # NaN if rows differ
    form: str = ""
    n_lines: int = 0
    n_letters: int = 0
    n_padding: int = 0

    def check_bytes(self, n_rows: int) -> None:
        """Refuse binary data that are not a whole number of rows."""
        if self.form not in ("BINARY", "BINARY2") or math.isnan(self.row_bytes) or not self.n_letters:
            return
        width = self.row_bytes + ((len(self.names) + 7) // 8 if self.form == "BINARY2" else 0)
        if self.n_letters * 3 // 4 - self.n_padding != n_rows * width:
            raise FileFormatError("the binary data of the VOTable are no whole number of rows; bytes are missing.")


class _Scanner:
    """Reads the elements of a VOTable, and refuses those that point to other files or expand."""

    def __init__(self) -> None:
        self.tables: list[_Found] = []
        self.data_begun = False
        self._parser = xml.parsers.expat.ParserCreate()
        self._parser.StartElementHandler = self._begin
        self._parser.EndElementHandler = self._end
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
            table.row_bytes += _field_bytes(attributes)
        elif tag == "TR" and self.tables:
            self.tables[-1].n_lines += 1
        elif tag == "DATA":
            self.data_begun = True
        elif tag in ("BINARY", "BINARY2") and self.tables:
            self.tables[-1].form = tag
        elif tag == "STREAM" and self.tables and attributes.get("encoding", "") == "base64":
            self._parser.CharacterDataHandler = self._letters

    def _end(self, tag: str) -> None:
        if tag.rpartition(":")[2] == "STREAM":
            self._parser.CharacterDataHandler = None

    def _letters(self, text: str) -> None:
        table = self.tables[-1]
        table.n_letters += sum(map(len, text.split()))
        table.n_padding += text.count("=")


def _field_bytes(attributes: dict[str, str]) -> float:
    """Return the bytes that a field takes in binary data; NaN if that differs from row to row."""
    sizes = attributes.get("arraysize", "1").split("x")
    width = _WIDTHS.get(attributes.get("datatype", ""))
    if width is None or not all(size.strip().isdigit() for size in sizes):
        return math.nan
    return width * math.prod(int(size) for size in sizes)


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


class VOTable(TableFile):
    """One table of a VOTable document, kept in memory as a whole once it is read."""

    where = "VOTable"

    def __init__(self, path: Path, found: _Found):
        check_memory(found.n_lines * np.nan_to_num(found.row_bytes), "the VOTable")
        self.path, self._found = path, found
        self.names, self.units, self.n_rows = found.names, found.units, found.n_rows
        check_names(self.names)
        self._loaded = {}

    def load(self, names: Sequence[str], texts: set[str], most_rows: int | None = None) -> None:
        """Parse the document, and keep these columns."""
        from astropy.io.votable import parse
        from astropy.io.votable.exceptions import conf

        # A document may say null in many places before it says something that is no number.
        with open_stream(self.path) as stream, quiet() as told, conf.set_temp("max_warnings", 1 << 30):
            table = parse(stream, verify="warn").get_table_by_index(self._found.number)
        bad = [str(warning.message) for warning in told if "W30" in str(warning.message)]
        if any(not any(f"'{word}'" in text.lower() for word in _NULLS) for text in bad):
            raise FileFormatError(f"the VOTable has a number that is none ({shortened(bad[0], 100)}).")
        stated = self._found.n_rows
        if stated is not None and stated != len(table.array):
            raise FileFormatError(f"the VOTable says that it has {stated} rows, but has {len(table.array)}.")
        self.n_rows = len(table.array)
        self._found.check_bytes(self.n_rows)
        ids = dict(zip(self.names, table.array.dtype.names or (), strict=True))
        for name in names:
            column = table.array[ids[name]]
            values = np.ma.getdata(column)
            if values.dtype.kind == "O":
                values = _texts(values, name)
            elif values.dtype.byteorder not in "=|":
                values = values.astype(values.dtype.newbyteorder("="))
            mask = np.ma.getmaskarray(column)
            self._loaded[name] = np.ma.MaskedArray(values, mask=mask) if mask.any() else values


def _texts(values: np.ndarray, name: str) -> np.ndarray:
    """Return objects as an array of text, if they are texts."""
    flat = values.ravel().tolist()
    if not all(isinstance(value, str | bytes) for value in flat):
        return values
    texts = [value.decode("utf-8", "replace") if isinstance(value, bytes) else value for value in flat]
    check_memory(4 * len(texts) * max(map(len, texts), default=0), f"column {name}")
    return np.array(texts, dtype=str).reshape(values.shape)
