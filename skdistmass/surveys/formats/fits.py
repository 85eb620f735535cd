"""Binary tables of FITS files, read in stretches of rows; compressed ones as a stream."""

import math
import re
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
from astropy.io import fits

from skdistmass.exceptions import ColumnError, FileFormatError
from skdistmass.surveys.formats.common import TableFile, check_memory, compression_of, open_stream, quiet
from skdistmass.tables import check_names

_BLOCK = 2880
_MOST_BLOCKS = 4000  # of a header: 144,000 cards
_MOST_FIELDS = 999  # columns of a FITS table (FITS standard 4.0, section 7.3.1)
_PIECE = 1 << 22  # bytes of the table in memory at a time
# numpy type of each data type of the standard that is a plain number or text (section 7.3.3).
_TYPES = {"L": "u1", "B": "u1", "I": ">i2", "J": ">i4", "K": ">i8", "E": ">f4", "D": ">f8"}
_OTHER_WIDTHS = {"C": 8, "M": 16, "P": 8, "Q": 16}
_FORMAT = re.compile(r"\s*(\d*)([LXBIJKAEDCMPQ])")


@dataclass(frozen=True)
class _Column:
    """How a column lies in a row, and how its numbers are decoded."""

    name: str
    code: str
    unit: str
    null: int | None
    scale: float
    zero: float


class FitsTable(TableFile):
    """A binary table of a FITS file, whose data begin at the byte `start` of the unpacked file."""

    def __init__(self, path: Path, number: int, header: fits.Header, start: int, raw_header: bytes):
        self.path, self.where, self.hdu = path, f"HDU {number}", number
        self.extension = str(header.get("EXTNAME", "")).strip()
        self._start, self._raw_header = start, raw_header
        self._compressed = compression_of(path) is not None
        self.n_rows, width = _count(header, "NAXIS2", self.where), _count(header, "NAXIS1", self.where)
        self._columns, self._record = _columns(header, self.where)
        if self._record.itemsize != width or (width == 0 and self.n_rows):
            raise FileFormatError(
                f"the columns of {self.where} take {self._record.itemsize} bytes a row (TFORM), but a row has {width} "
                "(NAXIS1); the file is damaged."
            )
        self.names = list(self._columns)
        self.units = {name: column.unit for name, column in self._columns.items() if column.unit}
        self._sums = {key: str(header[key]).strip() for key in ("DATASUM", "CHECKSUM") if key in header}
        self._size = width * self.n_rows + _count(header, "PCOUNT", self.where, 0)
        if not self._compressed and start + width * self.n_rows > path.stat().st_size:
            end = start + width * self.n_rows
            raise FileFormatError(
                f"the file is truncated: {self.where} ends at byte {end}, the file at {path.stat().st_size}."
            )
        self._stream: BinaryIO | None = None
        self.verified = False

    def read(self, names: Sequence[str], start: int, stop: int) -> dict[str, Any]:
        """Return columns of some rows; if these are all, compare the sums that the header states."""
        n_rows = max(stop - start, 0)
        for name in names:
            if self._columns[name].code not in _TYPES and self._columns[name].code != "A":
                raise ColumnError(f"column {name} has the FITS type {self._columns[name].code}, which can't be read.")
        fields = {name: self._record[name] for name in names}
        if self._compressed:
            check_memory(n_rows * sum(field.itemsize for field in fields.values()), f"{self.where} of {self.path.name}")
        self._verify()
        raw = {name: np.empty((n_rows, *field.shape), field.base) for name, field in fields.items()}
        summed = _Sum() if self._sums and (start, stop) == (0, self.n_rows) else None
        step = max(_PIECE // max(self._record.itemsize, 1), 1)
        with self._open() as stream:
            stream.seek(self._start + start * self._record.itemsize)
            for first in range(0, n_rows, step):
                count = min(step, n_rows - first)
                piece = _read_exactly(stream, count * self._record.itemsize)
                if summed is not None:
                    summed.add(piece)
                records = np.frombuffer(piece, self._record)
                for name, values in raw.items():
                    values[first : first + count] = records[name]
            if summed is not None:
                left = self._size - n_rows * self._record.itemsize
                summed.add(stream.read(left + -self._size % _BLOCK))
                self._compare(summed.total)
        return {name: _decode(raw.pop(name), self._columns[name]) for name in names}

    def _verify(self) -> None:
        """Unpack a compressed file to its end once, where its checksum is, and count its bytes."""
        if self._compressed and not self.verified:
            with open_stream(self.path) as stream:
                _check_blocks(_read_to_end(stream))
            self.verified = True

    @contextmanager
    def _open(self) -> Iterator[BinaryIO]:
        if not self._compressed:
            with open(self.path, "rb") as stream:
                yield stream
            return
        # A compressed file can only be read forward: it stays open for the next rows.
        self._stream = self._stream or open_stream(self.path)
        yield self._stream

    def close(self) -> None:
        """Close a compressed file that was kept open."""
        if self._stream is not None:
            self._stream.close()
            self._stream = None

    def _compare(self, total: int) -> None:
        stated = self._sums.get("DATASUM", "")
        if stated.isdigit() and int(stated) not in (0, total):
            raise FileFormatError(f"the data of {self.where} don't agree with their DATASUM; the file is damaged.")
        if self._sums.get("CHECKSUM", "").strip("0"):
            whole = _Sum()
            whole.add(self._raw_header)
            if _fold(whole.total + total) not in (0, 0xFFFFFFFF):
                raise FileFormatError(f"the header of {self.where} does not agree with its CHECKSUM; it was changed.")


class _Sum:
    """Sum of 32-bit words in ones' complement, as FITS has it (standard 4.0, appendix J)."""

    def __init__(self) -> None:
        self._total, self._rest = 0, b""

    def add(self, data: bytes) -> None:
        data = self._rest + data if self._rest else data
        whole = len(data) // 4 * 4
        self._rest = data[whole:]
        words = np.frombuffer(data, ">u4", count=whole // 4)
        self._total = _fold(self._total + int(words.sum(dtype=np.uint64)))

    @property
    def total(self) -> int:
        if self._rest:
            self.add(b"\0" * (4 - len(self._rest)))
        return self._total


def _fold(total: int) -> int:
    while total >> 32:
        total = (total & 0xFFFFFFFF) + (total >> 32)
    return total


def _read_exactly(stream: BinaryIO, size: int) -> bytes:
    data = stream.read(size)
    if len(data) < size:
        raise FileFormatError("the file is truncated: it ends inside of its table.")
    return data


def _count(header: fits.Header, key: str, where: str, default: int | None = None) -> int:
    value = header.get(key, default)
    if type(value) is not int or value < 0:
        raise FileFormatError(f"{where} says {key} = {value!r}; the file may be damaged.")
    return value


def _columns(header: fits.Header, where: str) -> tuple[dict[str, _Column], np.dtype]:
    """Return the columns of a table and the type of its rows."""
    n_fields = header.get("TFIELDS")
    if type(n_fields) is not int or not 0 <= n_fields <= _MOST_FIELDS:
        raise FileFormatError(
            f"{where} says that it has {n_fields!r} columns (TFIELDS); FITS allows {_MOST_FIELDS}. It may be damaged."
        )
    columns, types = [], []
    for number in range(1, n_fields + 1):
        match = _FORMAT.match(str(header.get(f"TFORM{number}", "")))
        if match is None:
            raise FileFormatError(f"{where} has no valid TFORM{number}; the file is damaged.")
        repeat, code = int(match[1] or 1), match[2]
        null = header.get(f"TNULL{number}")
        scale, zero = (_number(header, f"{key}{number}", default) for key, default in (("TSCAL", 1.0), ("TZERO", 0.0)))
        name = str(header.get(f"TTYPE{number}", "")).strip() or f"col{number}"
        unit = str(header.get(f"TUNIT{number}", "")).strip()
        columns.append(_Column(name, code, unit, null if type(null) is int else None, scale, zero))
        types.append(_field_type(code, repeat, str(header.get(f"TDIM{number}", ""))))
    check_names([column.name for column in columns])
    fields = [(column.name, *kind) for column, kind in zip(columns, types, strict=True)]
    return {column.name: column for column in columns}, np.dtype(fields)


def _number(header: fits.Header, key: str, default: float) -> float:
    value = header.get(key, default)
    if type(value) not in (int, float):
        raise FileFormatError(f"{key} is {value!r}, not a number; the file is damaged.")
    return value


def _field_type(code: str, repeat: int, dim: str) -> tuple:
    """Return type and shape of a field of a row."""
    if code == "X":
        return (f"V{(repeat + 7) // 8}",)
    if code in _OTHER_WIDTHS:
        return (f"V{_OTHER_WIDTHS[code] * repeat}",)
    is_shape = re.fullmatch(r"\s*\([\d, ]+\)\s*", dim)
    shape = tuple(int(part) for part in re.findall(r"\d+", dim))[::-1] if is_shape else ()
    if code == "A":
        width = shape[-1] if shape else repeat
        many = shape[:-1]
        return (f"S{width}", many) if many and width * int(np.prod(many)) == repeat else (f"S{repeat}",)
    if shape and int(np.prod(shape)) == repeat:
        return (_TYPES[code], shape)
    return (_TYPES[code],) if repeat == 1 else (_TYPES[code], (repeat,))


def _decode(raw: np.ndarray, about: _Column) -> Any:
    """Return the numbers or texts that a column stands for: its null is looked for before it is scaled."""
    if about.code == "A":
        letters = np.ascontiguousarray(raw).view(np.uint8).reshape(-1, max(raw.itemsize, 1)) if raw.itemsize else None
        if letters is None or not ((letters[:, :-1] == 0) & (letters[:, 1:] != 0)).any():
            return raw
        # What follows a NUL is not part of the text (section 7.3.3.1).
        return np.array([text.split(b"\0")[0] for text in raw.ravel().tolist()]).reshape(raw.shape)
    if about.code == "L":
        values = raw == ord("T")
        missing = ~values & (raw != ord("F"))
        return np.ma.MaskedArray(values, mask=missing) if missing.any() else values
    values = raw.astype(raw.dtype.newbyteorder("="), copy=False)
    null = values == about.null if about.null is not None and values.dtype.kind in "iu" else None
    if (about.scale, about.zero) != (1, 0):
        values = _scaled(values, about)
    return values if null is None or not null.any() else np.ma.MaskedArray(values, mask=null)


def _scaled(values: np.ndarray, about: _Column) -> np.ndarray:
    if values.dtype.kind in "iu" and about.scale == 1 and float(about.zero).is_integer():
        if about.code == "K" and about.zero == 2**63:
            return values.view(np.uint64) ^ np.uint64(1 << 63)
        if about.code != "K" and abs(about.zero) < 2**40:  # unsigned integers, and signed bytes
            return values.astype(np.int64) + int(about.zero)
    return values.astype(np.float64) * about.scale + about.zero


def _read_to_end(stream: BinaryIO) -> int:
    """Read the rest of a stream, so that its checksum is compared, and return the number of bytes."""
    total = 0
    while piece := stream.read(_PIECE):
        total += len(piece)
    return total


def _check_blocks(total: int) -> None:
    if total % _BLOCK:
        raise FileFormatError(
            f"the file has {total} bytes, which is no whole number of FITS blocks of {_BLOCK}: bytes are missing."
        )


class _AsciiTable(TableFile):
    """An ASCII table of a FITS file, read as a whole by astropy."""

    def __init__(self, path: Path, number: int):
        self.path, self.where, self.hdu = path, f"HDU {number}", number
        with quiet(), fits.open(path) as hdus:
            self.extension = hdus[number].name
            self.n_rows = int(hdus[number].header["NAXIS2"])
            self.names = [str(name) for name in hdus[number].columns.names]
            self.units = {c.name: str(c.unit) for c in hdus[number].columns if c.unit}
        self._loaded = {}

    def load(self, names: Sequence[str], texts: set[str], most_rows: int | None = None) -> None:
        """Read the table."""
        from astropy.table import Table

        with quiet():
            table = Table.read(self.path, hdu=self.hdu, format="fits")
        for name in names:
            column = table[name]
            values = column.filled() if hasattr(column, "filled") and column.dtype.kind in "SU" else column
            self._loaded[name] = values if hasattr(values, "mask") else values.value


def find_tables(path: Path, most_bytes: int | None = None) -> tuple[list[TableFile], str]:
    """Return the tables of a FITS file, ASCII tables last, and a list of all its extensions for messages.

    Of a compressed file no more than `most_bytes` are unpacked, and its checksum is not compared later.
    """
    compressed = compression_of(path) is not None
    if not compressed:
        _check_blocks(path.stat().st_size)
    found: list[FitsTable] = []
    listed, text_tables = [], []
    with open_stream(path) as stream, quiet():
        position, number = 0, 0
        while not (most_bytes and compressed and position > most_bytes):
            stream.seek(position)
            raw = _header_bytes(stream, number)
            if not raw:
                if compressed:  # at its end the checksum was compared
                    _check_blocks(position + _read_to_end(stream) if stream.tell() >= position else stream.tell())
                    _set_verified(found)
                break
            header = fits.Header.fromstring(raw)
            position += len(raw)
            kind = "PRIMARY" if number == 0 else str(header.get("XTENSION", "")).strip()
            name = str(header.get("EXTNAME", "")).strip() or ("PRIMARY" if number == 0 else "(no name)")
            listed.append(f"{number} {name} ({kind})")
            if kind == "BINTABLE" and not header.get("ZIMAGE", False):
                found.append(FitsTable(path, number, header, position, raw))
            elif kind == "TABLE":
                text_tables.append(number)
            size = _data_size(header, number)
            position += size + -size % _BLOCK
            number += 1
    if most_bytes is not None:  # only a glance at the first rows
        _set_verified(found)
    return [*found, *(_AsciiTable(path, number) for number in text_tables)], ", ".join(listed)


def _set_verified(tables: list[FitsTable]) -> None:
    for table in tables:
        table.verified = True


def _header_bytes(stream: BinaryIO, number: int) -> bytes:
    """Read one header; nothing at the end of the file."""
    blocks: list[bytes] = []
    while len(blocks) < _MOST_BLOCKS:
        block = stream.read(_BLOCK)
        if number and not blocks and not block.strip(b"\0"):  # the end, or empty blocks up to it
            return b""
        if not blocks and not block.startswith(b"SIMPLE  =" if number == 0 else b"XTENSION"):
            raise FileFormatError(f"extension {number} does not begin where it should; bytes are missing or added.")
        if len(block) < _BLOCK:
            raise FileFormatError(f"the file is truncated: it ends in the header of extension {number}.")
        blocks.append(block)
        if any(block[at : at + 8] == b"END     " for at in range(0, _BLOCK, 80)):
            return b"".join(blocks)
    raise FileFormatError(f"the header of extension {number} has no end; the file is damaged.")


def _data_size(header: fits.Header, number: int) -> int:
    where = f"HDU {number}"
    n_axes = _count(header, "NAXIS", where, 0)
    if n_axes == 0 or n_axes > 999:
        return 0
    sizes = [_count(header, f"NAXIS{axis}", where) for axis in range(1, n_axes + 1)]
    groups = _count(header, "GCOUNT", where, 1)
    bits = abs(int(header.get("BITPIX", 8)))
    return bits // 8 * groups * (_count(header, "PCOUNT", where, 0) + math.prod(sizes))
