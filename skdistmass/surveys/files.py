"""Table files of any format, told apart by content, and the table of a file that holds the survey."""

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path

from skdistmass.exceptions import ColumnError, DistMassError, FileFormatError, InputError, shortened
from skdistmass.surveys.formats import parquet, text, votable
from skdistmass.surveys.formats.common import TableFile, compression_of, open_stream
from skdistmass.surveys.layout import Layout, recognise
from skdistmass.surveys.plan import make_plan


@contextmanager
def blame(path: Path, kind: str = "") -> Iterator[None]:
    """Name the file in errors of the package; with the `kind` of the file, turn those of other libraries into them."""
    try:
        yield
    except DistMassError as error:
        told = str(error)
        raise error if told.startswith(str(path)) else type(error)(f"{path}: {told}") from error
    except MemoryError as error:
        raise FileFormatError(f"{path} does not fit in memory; read fewer rows or columns at a time.") from error
    except Exception as error:  # damaged files make the readers of other libraries fail in every way there is
        if not kind:
            raise
        raise FileFormatError(f"{path} can't be read as {kind} ({shortened(error)}); it may be damaged.") from error


def identify(path: Path) -> str:
    """Return the kind of a file by its first bytes: FITS, Parquet, VOTable, ECSV or CSV; refuse any other."""
    if not path.exists():
        raise FileFormatError(f"there is no file {path}.")
    if not path.is_file():
        raise FileFormatError(f"{path} is not a file; give the table file itself.")
    try:
        with open_stream(path) as stream:
            head = stream.read(4096)
    except (OSError, EOFError, ValueError) as error:
        raise FileFormatError(f"{path} can't be read: {shortened(error)}.") from error
    except Exception as error:  # of the libraries that unpack
        raise FileFormatError(f"{path} can't be unpacked: {shortened(error)}.") from error
    if not head:
        raise FileFormatError(f"{path} is empty.")
    head = head.removeprefix(b"\xef\xbb\xbf")
    if head.startswith(b"SIMPLE  ="):
        return "FITS"
    if head.startswith(b"PAR1"):
        return "Parquet"
    if b"<VOTABLE" in head or b":VOTABLE" in head:
        return "VOTable"
    if head.startswith(b"# %ECSV"):
        return "ECSV"
    lines = [line for line in head.splitlines() if line.strip() and not line.startswith(b"#")]
    is_cut = len(head) >= 4000 and not lines  # comments that are longer than what was read
    if b"\0" not in head and (is_cut or (lines and any(mark in lines[0] for mark in b",|\t;"))):
        return "CSV"
    raise FileFormatError(f"{path} is none of FITS, VOTable, Parquet, ECSV and CSV; convert it to one of them.")


def open_table(
    path: Path, hdu: int | str | None = None, layout: Layout | None = None, *, head_only: bool = False
) -> tuple[str, TableFile]:
    """Return the kind of a file and its table that holds the survey; with `head_only` read its beginning alone."""
    kind = identify(path)
    if hdu is not None and kind != "FITS":
        raise FileFormatError(f"{path} is a {kind} file, which has no HDUs; leave hdu out.")
    with blame(path, kind):
        tables, listing = _tables_of(path, kind, head_only)
    with blame(path):
        return kind, _choose_table(tables, listing, hdu, layout)


def _tables_of(path: Path, kind: str, head_only: bool) -> tuple[list[TableFile], str]:
    """Return the tables of a file, and a list of all its parts for messages."""
    if kind == "FITS":
        from skdistmass.surveys.formats import fits  # with it comes much of astropy

        tables, listing = fits.find_tables(path, most_bytes=1 << 27 if head_only else None)
        return tables, f"its HDUs are: {listing}"
    if kind == "VOTable":
        return list(votable.find_tables(path, head_only)), ""
    if kind == "Parquet":
        if compression_of(path) is not None:
            raise FileFormatError("it is a compressed Parquet file; unpack it first.")
        return [parquet.ParquetTable(path)], ""
    return [text.TextTable(path, kind)], ""


def _choose_table(tables: list[TableFile], listing: str, hdu: int | str | None, layout: Layout | None) -> TableFile:
    """Return the table of a file that holds the survey; refuse the file if there is none.

    That is the one in extension `hdu` if that is given, else the one that gives most quantities; tables without rows
    only if there is no other; the first of equals.
    """
    parts = f"; {listing}" if listing else ""
    if hdu is not None:
        tables = [t for t in tables if hdu == getattr(t, "hdu", None) or _same_name(hdu, getattr(t, "extension", None))]
        if not tables:
            raise FileFormatError(f"there is no table in HDU {hdu!r}{parts}.")
    if not tables:
        raise FileFormatError(f"it holds no table{parts}.")

    def worth(table: TableFile) -> tuple[int, bool, int]:
        known = _count_known(table.names, layout)
        return min(known, 1), table.n_rows != 0, known

    table = max(tables, key=worth)
    if _count_known(table.names, layout) == 0:
        if hdu is None and len(tables) > 1:
            raise FileFormatError(f"no table has a column of a survey{parts}.")
        shown = ", ".join(table.names[:30]) + (f" and {len(table.names) - 30} more" if len(table.names) > 30 else "")
        raise ColumnError(f"no column is one of a survey (TEFF, LOGG, M_H, K ...); there are: {shown}.")
    return table


def _same_name(wanted: int | str, name: str | None) -> bool:
    return name is not None and not isinstance(wanted, int) and str(wanted).upper() == name.upper()


def _count_known(names: Iterable[str], layout: Layout | None) -> int:
    """Return the number of quantities that a table gives; 1 if it has only columns to keep, or can have no labels."""
    chosen = recognise(names) if layout is None else layout
    if chosen.refuse:
        return 1
    try:
        plan = make_plan(names, chosen)
    except InputError:  # an ambiguous column: said when the table is read
        return 1
    return len(plan.sources) or min(len(plan.extra), 1)
