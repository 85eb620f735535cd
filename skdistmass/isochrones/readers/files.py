"""What the readers of model files share: opening, recognising formats, rows of numbers, checks, joining tables."""

import gzip
import re
import zlib
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from skdistmass.exceptions import FileFormatError, InputError, shortened
from skdistmass.isochrones.schema import isochrone_slices, isochrone_table

#: The reader of each kind of file.
READERS = {
    "MIST isochrone file": "read_mist",
    "MIST evolutionary track": "read_mist",
    "PARSEC isochrone table": "read_parsec",
    "Parquet file": "read_parsec",
    "giant-age table": "read_giant_ages",
}
#: A file may hold this many bytes when unpacked; the largest tables of MIST and PARSEC hold a tenth of it.
MOST_BYTES = 2**30
# Ranges that hold every star and its remnant; other values are damage.
_POSSIBLE = {
    "initial_mass": (1e-3, 1e3),
    "current_mass": (1e-3, 1e3),
    "log_age": (-3.0, 14.0),
    "feh": (-10.0, 2.0),
    "log_teff": (2.0, 7.0),
    "logg": (-10.0, 15.0),
    "log_l": (-10.0, 10.0),
    "ks": (-30.0, 40.0),
}
_MAY_BE_MISSING = ("current_mass", "ks")


def expand_paths(paths, suffixes: tuple[str, ...]) -> list[Path]:
    """Turn a file, a folder or a list of them into a list of files.

    Of a folder, the files with one of the suffixes (with or without .gz) are taken, sorted by name; files in a list
    keep its order.
    """
    files = []
    for path in map(Path, [paths] if isinstance(paths, str | Path) else paths):
        if path.is_dir():
            inside = sorted(p for p in path.iterdir() if p.name.removesuffix(".gz").endswith(suffixes))
            if not inside:
                raise FileFormatError(f"the folder {path} holds no file ending in {', '.join(suffixes)}.")
            files.extend(inside)
        elif path.exists():
            files.append(path)
        else:
            raise FileNotFoundError(f"there is no file {path}.")
    if not files:
        raise InputError("no file was named; give a file, a folder, or a list of files.")
    return files


def read_bytes(path: Path) -> bytes:
    """Return a file's content, unpacked if it is gzipped."""
    with open(path, "rb") as file:
        content = file.read(MOST_BYTES + 1)
        if content[:2] == b"\x1f\x8b":
            file.seek(0)
            try:
                content = gzip.GzipFile(fileobj=file).read(MOST_BYTES + 1)
            except (EOFError, OSError, zlib.error) as error:
                raise FileFormatError(
                    f"{path} is a gzip file that can't be unpacked ({shortened(error)}); it is truncated or damaged, "
                    "fetch it again."
                ) from error
    if len(content) > MOST_BYTES:
        raise FileFormatError(
            f"{path} holds more than {MOST_BYTES // 2**20} MB when unpacked, too much for a file of models; split it."
        )
    if not content.strip():
        raise FileFormatError(f"{path} is empty; fetch it again.")
    return content


def identify(content: bytes) -> str:
    """Return what a file's content is: a key of `READERS`, or a few words on what else it looks like."""
    head = content[:20000]
    for magic, name in ((b"PAR1", "Parquet file"), (b"SIMPLE  =", "FITS file"), (b"\x89HDF", "HDF5 file")):
        if head.startswith(magic):
            return name
    if b"\0" in head:
        return "binary file of unknown type"
    text = head.decode("utf-8", errors="replace")
    if "# MIST version" in text or "MESA revision" in text or "isochrone_age_yr" in text:
        track = "# EEPs:" in text or "N_EEP" in text
        return "MIST evolutionary track" if track else "MIST isochrone file"
    lower = text.lower()
    if "logt_giant" in lower and "mass_init" in lower:
        return "giant-age table"
    if ("mini" in lower or "m_ini" in lower) and "logte" in lower:
        return "PARSEC isochrone table"
    if lower.lstrip().startswith(("<!doctype html", "<html", "<?xml")):
        return "web page, such as a server's error message"
    return "text of unknown type"


def require(path: Path, content: bytes, wanted: Sequence[str]) -> str:
    """Return the content's type, or raise an error that names the right reader if it isn't wanted."""
    found = identify(content)
    if found not in wanted:
        reader = READERS.get(found)
        remedy = f"read it with {reader}" if reader else "check where it came from, or fetch it again"
        raise FileFormatError(f"{path} is no {' or '.join(wanted)} but a {found}; {remedy}.")
    return found


def text_of(content: bytes) -> str:
    """Return the text of a file, in whatever code it is written."""
    try:
        return content.decode("utf-8")
    except UnicodeDecodeError:
        return content.decode("latin-1")


class Rows:
    """The rows of numbers in a text file, whose columns a header line names."""

    def __init__(
        self, path: Path, text: str, is_header: Callable[[list[str]], bool], separator: str | None = None
    ) -> None:
        self.path = path
        self.names: list[str] = []
        rows: list[tuple[int, str]] = []
        lines = text.splitlines()
        for number, line in enumerate(lines, start=1):
            words = _words(line.strip().lstrip("#"), separator) if "#" in line or not self.names else []
            if is_header(words):
                if self.names and words != self.names:
                    raise FileFormatError(
                        f"{path}, line {number}: the columns change within the file; read the parts as files."
                    )
                self.names = words
            elif line.strip() and not line.lstrip().startswith("#"):
                if not self.names:
                    raise FileFormatError(f"{path}, line {number}: a row before any column names; fetch it again.")
                rows.append((number, line if separator is None else " ".join(_words(line, separator))))
        if not rows:
            raise FileFormatError(f"{path} has no rows; the file is truncated, fetch it again.")
        self.lines = np.array([number for number, _ in rows])
        self.header = "\n".join(lines[: rows[0][0] - 1])
        self.values = self._parse(rows)
        # The last number may be cut: no line end, and fewer decimals than in the row before.
        decimals = [len(line.split()[-1].partition(".")[2]) for _, line in rows[-2:]]
        if not text.endswith(("\n", "\r")) and decimals[-1] < decimals[0]:
            raise FileFormatError(f"{path}, line {self.lines[-1]} is cut short; the file is truncated, fetch it again.")

    def _parse(self, rows):
        """Return the numbers of (line number, line), or name the first line that is not as it should be."""
        problem = "the rows differ in length"
        try:
            values = np.loadtxt([line for _, line in rows], ndmin=2, comments=None)
            if values.shape == (len(rows), len(self.names)):
                return values
        except ValueError as error:
            problem = str(error)
        for number, line in rows:
            words = line.split()
            if len(words) != len(self.names):
                wrong = "is cut short" if len(words) < len(self.names) else "is too long"
                raise FileFormatError(
                    f"{self.path}, line {number} {wrong}: {len(words)} values where the header names "
                    f"{len(self.names)} columns; the file is truncated or damaged, fetch it again."
                )
            for name, word in zip(self.names, words, strict=True):
                try:
                    float(word)
                except ValueError:
                    raise FileFormatError(
                        f"{self.path}, line {number}: {word[:40]!r} in column {name} is no number; fetch the file "
                        "again."
                    ) from None
        raise FileFormatError(f"{self.path} can't be read as rows of numbers ({problem}); fetch it again.")

    def column(self, *candidates: str, required: bool = True) -> Any:
        """Return the first of some columns that is there; None if none is, and none is required."""
        name = find_name(self.path, self.names, candidates, required=required)
        return None if name is None else self.values[:, self.names.index(name)]

    def place(self, row: int) -> str:
        """Return file and line of a row, for a message."""
        return f"{self.path}, line {self.lines[row]}"


def _words(line, separator):
    """Return the words of a line; NaN stands for nothing between separators."""
    return line.split() if separator is None else [word.strip() or "nan" for word in line.split(separator)]


def find_name(path: Path, names: Sequence[str], candidates: Sequence[str], *, required: bool = True) -> str | None:
    """Return the first of some column names that a file has; None if it has none, and none is required."""
    for candidate in candidates:
        if candidate in names:
            return candidate
    if not required:
        return None
    raise FileFormatError(
        f"{path} has no column {' or '.join(candidates)}; its columns are: {', '.join(names)[:500]}. "
        "Ask for that column when you make the file."
    )


def find_in_header(header: str, pattern: str) -> str | None:
    """Return the first group of a pattern in a header, without blanks at its ends."""
    found = re.search(pattern, header, re.IGNORECASE)
    return found[1].strip() if found else None


def refuse_extinction(path: Path, header: str) -> None:
    """Refuse magnitudes that include extinction, by what the header says of A_V or E(B-V)."""
    for name, pattern in (("A_V", r"(?<![a-z])a[_(]?v\)?"), ("E(B-V)", r"e[_(]?b-?v\)?")):
        text = find_in_header(header, pattern + r"\s*[=:]\s*([-+]?[\d.]+(?:e[-+]?\d+)?)")
        try:
            value = float(text or 0.0)
        except ValueError:
            value = np.nan
        if value != 0.0:
            raise FileFormatError(
                f"the magnitudes of {path} include extinction, {name} = {value:g} mag; fetch it with {name} = 0."
            )


def checked_table(place: Callable[[int], str], columns: dict, **options):
    """Make a table of the schema from columns of a file, if their values can be those of stars."""
    for name, (low, high) in _POSSIBLE.items():
        values = columns.get(name, np.empty(0))
        bad = ~((values >= low) & (values <= high)) & ~(np.isnan(values) & (name in _MAY_BE_MISSING))
        if bad.any():
            row = int(np.argmax(bad))
            raise FileFormatError(
                f"{place(row)}: {name} is {values[row]:g}, but stars have {low:g} to {high:g}; the file is damaged, "
                "fetch it again."
            )
    try:
        return isochrone_table(columns, **options)
    except InputError as error:
        raise FileFormatError(f"{place(0)}: {error}") from error


def join_tables(tables: list):
    """Put tables of several files into one, sorted by metallicity and age; an isochrone given twice is taken once."""
    from astropy.table import vstack

    if len(tables) == 1:
        return tables[0]
    kinds = {table.meta["kind"] for table in tables}
    if len(kinds) > 1:
        raise InputError("isochrones and evolutionary tracks can't go into one table; read them separately.")
    second = "initial_mass" if kinds == {"track"} else "log_age"
    pieces: dict[tuple[float, float], tuple] = {}
    for table in tables:
        files = ", ".join(table.meta["files"])
        for rows in isochrone_slices(table):
            piece = table[rows]
            key = (float(piece["feh"][0]), float(piece[second][0]))
            known, origin = pieces.setdefault(key, (piece, files))
            if not _same(known, piece):
                raise InputError(
                    f"{origin} and {files} hold different models for [Fe/H] = {key[0]:g} and {second} = {key[1]:g}; "
                    "read them separately."
                )
    joined = vstack([pieces[key][0] for key in sorted(pieces)], metadata_conflicts="silent")
    # What all files agree on is kept, other values are listed.
    joined.meta = {}
    for key in tables[0].meta:
        values = [table.meta.get(key) for table in tables]
        distinct = [value for k, value in enumerate(values) if value not in values[:k]]
        joined.meta[key] = distinct[0] if len(distinct) == 1 else distinct
    joined.meta["files"] = [name for table in tables for name in table.meta["files"]]
    return joined


def _same(one, other):
    """Tell whether two isochrones are the same, row by row, in the columns that both have."""
    return one is other or (
        len(one) == len(other)
        and all(
            np.array_equal(np.asarray(one[name]), np.asarray(other[name]), equal_nan=one[name].dtype.kind == "f")
            for name in one.colnames
            if name in other.colnames
        )
    )
