"""What the readers of model files share: opening, telling formats apart, rows of numbers, joining tables."""

import gzip
import zlib
from pathlib import Path

import numpy as np

from skdistmass.exceptions import FileFormatError, InputError

READERS = {
    "MIST isochrone file": "read_mist",
    "MIST evolutionary track": "read_mist",
    "PARSEC isochrone table": "read_parsec",
    "Parquet file": "read_parsec",
    "giant-age table": "read_giant_ages",
}


def expand_paths(paths, suffixes):
    """Turn a file, a folder or a list of them into a sorted list of files.

    Of a folder, the files with one of the suffixes (or one of them and .gz) are taken, in the order of their
    names; files named in a list keep the list's order.
    """
    single = isinstance(paths, str | Path)
    files = []
    for path in [paths] if single else list(paths):
        path = Path(path)
        if path.is_dir():
            inside = sorted(p for p in path.iterdir() if p.name.removesuffix(".gz").endswith(tuple(suffixes)))
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


def read_bytes(path):
    """Return a file's content, unpacked if it is gzipped."""
    content = Path(path).read_bytes()
    if content[:2] == b"\x1f\x8b":
        try:
            content = gzip.decompress(content)
        except (EOFError, OSError, zlib.error) as error:
            raise FileFormatError(
                f"{path} is a gzip file that can't be unpacked ({error}); it is truncated or damaged, fetch it again."
            ) from error
    if not content.strip():
        raise FileFormatError(f"{path} is empty; fetch it again.")
    return content


def identify(content):
    """Say what a file's content is: a key of `READERS`, or a few words on what else it looks like."""
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


def require(path, content, wanted):
    """Return the content's type, or raise an error that names the right reader if it isn't wanted."""
    found = identify(content)
    if found not in wanted:
        reader = READERS.get(found)
        remedy = f"read it with {reader}" if reader else "check where it came from, or fetch it again"
        raise FileFormatError(f"{path} is no {' or '.join(wanted)} but a {found}; {remedy}.")
    return found


def text_lines(path, content):
    """Return the lines of a text file, and whether the last one is ended."""
    try:
        text = content.decode("utf-8")
    except UnicodeDecodeError:
        text = content.decode("latin-1")
    lines = text.splitlines()
    return lines, text.endswith(("\n", "\r"))


def parse_rows(path, lines, numbers, names):
    """Turn lines of numbers into an array, naming file and line of one that is short, long or not numeric.

    Parameters
    ----------
    path : path
        For messages.
    lines : list of str
        All lines of the file.
    numbers : list of int
        Positions in `lines` of the rows.
    names : list of str
        Column names, one for each number of a row.

    Returns
    -------
    values : ndarray of shape (n_rows, n_columns)
    """
    rows = [lines[number] for number in numbers]
    for number, row in zip(numbers, rows, strict=True):
        n_found = len(row.split())
        if n_found != len(names):
            cut = "is cut short" if n_found < len(names) else "is too long"
            raise FileFormatError(
                f"{path}, line {number + 1} {cut}: {n_found} values where the header names {len(names)} "
                "columns; "
                "the file is truncated or damaged, fetch it again."
            )
    try:
        return np.loadtxt(rows, dtype=np.float64, ndmin=2)
    except ValueError:
        for number, row in zip(numbers, rows, strict=True):
            for name, word in zip(names, row.split(), strict=True):
                if not _is_number(word):
                    raise FileFormatError(
                        f"{path}, line {number + 1}: {word!r} in column {name} is no number; fetch the file again."
                    ) from None
        raise


def _is_number(word):
    try:
        float(word)
    except ValueError:
        return False
    return True


def named_column(path, names, candidates, *, required=True):
    """Return the position of the first candidate among the column names."""
    for candidate in candidates:
        if candidate in names:
            return names.index(candidate)
    if not required:
        return None
    raise FileFormatError(
        f"{path} has no column {' or '.join(candidates)}; its columns are: {', '.join(names)}. "
        "Ask for that column when you make the file."
    )


def join_tables(tables):
    """Put tables of several files into one: by metallicity and age, an isochrone given twice taken once."""
    from astropy.table import vstack

    from skdistmass.isochrones.schema import isochrone_slices

    kinds = {table.meta["kind"] for table in tables}
    if len(kinds) > 1:
        raise InputError("isochrones and evolutionary tracks can't go into one table; read them apart.")
    kind = kinds.pop()
    second = "initial_mass" if kind == "track" else "log_age"
    pieces, origin = {}, {}
    for table in tables:
        for rows in isochrone_slices(table):
            piece = table[rows]
            key = (float(piece["feh"][0]), float(piece[second][0]))
            if key in pieces and not _same(pieces[key], piece):
                raise InputError(
                    f"{origin[key]} and {', '.join(table.meta['files'])} hold different models for [Fe/H] = "
                    f"{key[0]:g} "
                    f"and {second} = {key[1]:g}; read them apart."
                )
            pieces.setdefault(key, piece)
            origin.setdefault(key, ", ".join(table.meta["files"]))
    joined = vstack([pieces[key] for key in sorted(pieces)], metadata_conflicts="silent")
    joined.meta = _join_meta([table.meta for table in tables])
    return joined


def _same(one, other):
    """Tell whether two isochrones are the same, row by row."""
    return len(one) == len(other) and all(
        np.array_equal(np.asarray(one[name]), np.asarray(other[name]), equal_nan=one[name].dtype.kind == "f")
        for name in one.colnames
        if name in other.colnames
    )


def _join_meta(metas):
    """Keep what all files agree on, list what they don't, and gather the file names."""
    joined = {}
    for key in metas[0]:
        if key == "files":
            joined[key] = [name for meta in metas for name in meta[key]]
            continue
        values = []
        for meta in metas:
            if meta.get(key) not in values:
                values.append(meta.get(key))
        joined[key] = values[0] if len(values) == 1 else values
    return joined
