"""Table files of any format, told apart by content, their columns read when asked for."""

import bz2
import csv
import gzip
import lzma
import warnings
from contextlib import contextmanager
from pathlib import Path

import numpy as np
from astropy import units as u
from astropy.io import fits
from astropy.table import MaskedColumn, Table

from skdistmass.exceptions import ColumnError, DistMassError, FileFormatError, InputError

_PIECE = 1 << 25  # bytes of a FITS table in memory at a time
_MOST_FIELDS = 999  # columns of a FITS table (FITS standard 4.0, section 7.3.1)
_COMPRESSED = ((b"\x1f\x8b", gzip.open), (b"BZh", bz2.open), (b"\xfd7zXZ", lzma.open))


@contextmanager
def open_table(path, *, hdu=None, rows=slice(None), count_known=len):
    """Open a table file.

    Parameters
    ----------
    path : str or path-like
        FITS, VOTable, Parquet, ECSV or CSV; all but Parquet may be compressed.
    hdu : int or str, optional
        Number or name of the FITS extension to read.
    rows : slice
        Rows to read, with a step of 1.
    count_known : callable
        Given a list of column names, returns how many are known. Of several tables in one file the one with
        most known columns is taken, the first of equals.

    Yields
    ------
    table : _FitsTable or _WholeTable
        Has `names`, `n_rows`, `where` (which table of the file), `load(names)` and `column(name)`.

    Raises
    ------
    FileFormatError
        If the file is absent, a folder, empty, of another kind, truncated or damaged.
    """
    path = Path(path)
    kind, head = _identify(path)
    if hdu is not None and kind != "FITS":
        raise FileFormatError(f"{path} is a {kind} file, which has no HDUs; leave hdu out.")
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # what the readers warn of is either harmless or found below
            if kind == "FITS":
                with fits.open(path, memmap=True, lazy_load_hdus=True) as hdus:
                    yield _choose_hdu(hdus, path, hdu, rows, count_known)
            else:
                yield _WholeTable(_READERS[kind](path, head, count_known), kind, rows)
    except InputError as error:
        raise type(error)(f"{path}: {error}") from error
    except DistMassError:
        raise
    except MemoryError as error:
        raise FileFormatError(f"{path} does not fit in memory; name the columns to read.") from error
    except Exception as error:  # damaged files make the readers fail in every way there is
        reason = str(error).strip().splitlines()[0] if str(error).strip() else type(error).__name__
        raise FileFormatError(f"{path} can't be read as {kind} ({reason}); it may be damaged.") from error


def _identify(path):
    """Return the kind of a file from its first bytes, and those bytes."""
    if not path.exists():
        raise FileFormatError(f"there is no file {path}.")
    if not path.is_file():
        raise FileFormatError(f"{path} is not a file; give the table file itself.")
    try:
        with open(path, "rb") as file:
            head = file.read(4096)
        opener = _opener(path)
        if opener is not None:
            with opener(path, "rb") as file:
                head = file.read(4096)
    except (OSError, EOFError) as error:
        raise FileFormatError(f"{path} can't be read: {error}.") from error
    if not head:
        raise FileFormatError(f"{path} is empty.")
    if head.startswith(b"SIMPLE  ="):
        return "FITS", head
    if head.startswith(b"PAR1"):
        return "Parquet", head
    if b"<VOTABLE" in head:
        return "VOTable", head
    if head.startswith(b"# %ECSV"):
        return "ECSV", head
    lines = [line for line in head.splitlines() if not line.startswith(b"#")]
    if b"\0" not in head and lines and b"," in lines[0]:
        return "CSV", head
    raise FileFormatError(f"{path} is none of FITS, VOTable, Parquet, ECSV and CSV; convert it to one of them.")


class _WholeTable:
    """A table read at once, of which some rows are shown."""

    def __init__(self, table, kind, rows):
        self._table, self.where = table[rows], kind
        self.names, self.n_rows = table.colnames, len(self._table)

    def load(self, names):
        """Do nothing: all columns are there."""

    def column(self, name):
        """Return a column, with its unit and mask."""
        return self._table[name]


class _FitsTable:
    """Some rows of a binary or ASCII table of a FITS file; only the columns asked for are kept in memory.

    Numbers and text are taken from the records as they lie on disk, in one pass over the file: astropy's own
    access decodes all text and keeps, or copies, the whole table.
    """

    def __init__(self, hdu, number, plain_file, rows):
        self.where, self.names = f"HDU {number}", hdu.columns.names
        _refuse_doubled(self.names)
        start, stop, _ = rows.indices(hdu.header["NAXIS2"])
        self._rows, self.n_rows = slice(start, stop), max(stop - start, 0)
        self._hdu, self._loaded = hdu, {}
        self._record = hdu.columns.dtype.newbyteorder(">")
        readable = plain_file is not None and self._record.itemsize == hdu.header["NAXIS1"]
        self._file = plain_file if readable else None

    def load(self, names):
        """Read columns into memory, those that need no decoding, in one pass over the rows."""
        names = [name for name in names if self._is_plain(name)]
        if not names:
            return
        fields = {name: self._record[name] for name in names}
        self._loaded |= {
            name: np.empty((self.n_rows, *field.shape), field.base.newbyteorder("=")) for name, field in fields.items()
        }
        step = max(_PIECE // self._record.itemsize, 1)
        with open(self._file, "rb") as file:
            file.seek(self._hdu.fileinfo()["datLoc"] + self._rows.start * self._record.itemsize)
            for first in range(0, self.n_rows, step):
                records = np.fromfile(file, self._record, count=min(step, self.n_rows - first))
                for name in names:
                    self._loaded[name][first : first + step] = records[name]

    def column(self, name):
        """Return a column in native byte order, with its unit, its integer nulls masked."""
        if name not in self._loaded and self._is_plain(name):
            self.load([name])
        values = self._loaded[name] if name in self._loaded else np.asarray(self._hdu.data[name][self._rows])
        if values.dtype.byteorder not in "=|":
            values = values.astype(values.dtype.newbyteorder("="))
        about = self._hdu.columns[name]
        null = about.null if isinstance(about.null, int) and values.dtype.kind in "iu" else None
        mask = False if null is None else values == null
        return MaskedColumn(values, name=name, unit=parse_unit(about.unit), mask=mask, copy=False)

    def _is_plain(self, name):
        """Tell whether a column needs no decoding: numbers without scaling, single texts."""
        about = self._hdu.columns[name]
        code = about.format.lstrip("0123456789")[:1]
        scaled = about.bscale not in (None, "", 1) or about.bzero not in (None, "", 0)
        return self._file is not None and not scaled and (code in "DEIJKB" or (code == "A" and not about.dim))


def parse_unit(unit):
    """Return an astropy unit, or None if there is none or astropy does not know it."""
    if unit is None or unit == "":
        return None
    parsed = u.Unit(unit, parse_strict="silent")
    return None if isinstance(parsed, u.UnrecognizedUnit) else parsed


def _refuse_doubled(names):
    doubled = sorted({name for name in names if names.count(name) > 1})
    if doubled:
        raise ColumnError(f"column {', '.join(doubled)} occurs more than once; rename or drop one of them.")


def _choose_hdu(hdus, path, wanted, rows, count_known):
    """Return the table of a FITS file that holds the survey."""
    tables = [(number, hdu) for number, hdu in enumerate(hdus) if isinstance(hdu, fits.BinTableHDU | fits.TableHDU)]
    listed = ", ".join(f"{i} {h.name or '(no name)'} ({type(h).__name__})" for i, h in enumerate(hdus))
    if wanted is not None:
        tables = [(i, h) for i, h in tables if wanted == i or str(wanted).upper() == h.name]
        if not tables:
            raise FileFormatError(f"{path} has no table in HDU {wanted!r}; its HDUs are: {listed}.")
    compressed = _opener(path)
    if not tables:
        if compressed is not None:  # astropy takes the end of a truncated stream for the end of the file
            with compressed(path, "rb") as file:
                while file.read(1 << 20):
                    pass
        raise FileFormatError(f"{path} holds no table; its HDUs are: {listed}.")
    for number, hdu in tables:
        n_fields = hdu.header.get("TFIELDS")
        # astropy would make as many columns as are said to be there, until the memory is full.
        if not isinstance(n_fields, int) or not 0 <= n_fields <= _MOST_FIELDS:
            raise FileFormatError(
                f"{path} says that HDU {number} has {n_fields!r} columns (TFIELDS); FITS allows {_MOST_FIELDS}. It may "
                "be damaged."
            )
    number, hdu = max(tables, key=lambda item: count_known(item[1].columns.names))
    if count_known(hdu.columns.names) == 0 and wanted is None:
        raise FileFormatError(f"no table of {path} has a column of a survey; its HDUs are: {listed}.")
    needed = hdu.fileinfo()["datLoc"] + hdu.header["NAXIS1"] * hdu.header["NAXIS2"]
    if compressed is None and needed > path.stat().st_size:
        raise FileFormatError(
            f"{path} is truncated: HDU {number} ends at byte {needed}, the file at {path.stat().st_size}."
        )
    is_plain = isinstance(hdu, fits.BinTableHDU) and compressed is None
    return _FitsTable(hdu, number, path if is_plain else None, rows)


def _opener(path):
    """Return the function that opens a compressed file, or None if the file is not compressed."""
    with open(path, "rb") as file:
        head = file.read(8)
    return next((opener for magic, opener in _COMPRESSED if head.startswith(magic)), None)


def _read_votable(path, head, count_known):
    from astropy.io.votable import parse

    tables = list(parse(path, verify="ignore").iter_tables())
    if not tables:
        raise FileFormatError(f"{path} holds no table.")
    return max(
        (table.to_table(use_names_over_ids=True) for table in tables),
        key=lambda table: count_known(table.colnames),
    )


def _read_parquet(path, head, count_known):
    import pyarrow.parquet as pq

    schema = pq.read_schema(path)
    _refuse_doubled(schema.names)
    if b"table_meta_yaml" in (schema.metadata or {}):  # written by astropy, with units
        return Table.read(path, format="parquet")
    return Table.from_pandas(pq.read_table(path).to_pandas())


def _read_ecsv(path, head, count_known):
    return Table.read(path, format="ascii.ecsv")


def _read_csv(path, head, count_known):
    import pandas as pd

    lines = head.decode("utf-8", "replace").splitlines()
    skipped = next(i for i, line in enumerate(lines) if not line.startswith("#"))
    names = [name.strip() for name in next(csv.reader([lines[skipped]]))]
    _refuse_doubled(names)
    with warnings.catch_warnings():
        warnings.simplefilter("error", pd.errors.ParserWarning)  # rows longer than the header would be cut
        frame = pd.read_csv(path, skiprows=skipped + 1, names=names, index_col=False, low_memory=False)
    return Table.from_pandas(frame)


_READERS = {"VOTable": _read_votable, "Parquet": _read_parquet, "ECSV": _read_ecsv, "CSV": _read_csv}
