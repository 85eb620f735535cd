"""Read isochrones of PARSEC: tables of the CMD web interface, and Parquet files with the same columns.

References
----------
Bressan, A., Marigo, P., Girardi, L., et al. 2012, MNRAS, 427, 127. Marigo, P., Girardi, L., Bressan, A., et
al. 2017, ApJ, 835, 77.
"""

import io
import re
from pathlib import Path

import numpy as np

from skdistmass.exceptions import FileFormatError
from skdistmass.isochrones.readers.textfile import (
    expand_paths,
    join_tables,
    named_column,
    parse_rows,
    read_bytes,
    require,
    text_lines,
)
from skdistmass.isochrones.schema import Phase, isochrone_table

__all__ = ["SOLAR_Z", "read_parsec"]

#: PARSEC's solar metal content: [M/H] = log10(Z / 0.0152).
SOLAR_Z = 0.0152

# Column names of the CMD versions, newest first.
_NAMES = {
    "metallicity": ("MH",),
    "metals": ("Zini", "Z"),
    "log_age": ("logAge", "log(age/yr)"),
    "initial_mass": ("Mini", "M_ini"),
    "current_mass": ("Mass", "Mact", "M_act"),
    "log_l": ("logL", "logL/Lo"),
    "log_teff": ("logTe",),
    "logg": ("logg", "logG"),
    "label": ("label", "stage"),
    "ks": ("Ksmag", "Ks"),
}
# CMD's labels: core helium burning has three parts, and 9 is what comes after the AGB.
_PHASE_OF_LABEL = np.array(
    [
        *(Phase.PMS, Phase.MS, Phase.SGB, Phase.RGB, Phase.CHEB, Phase.CHEB, Phase.CHEB),
        *(Phase.EAGB, Phase.TPAGB, Phase.POST_AGB),
    ]
)
# CMD closes an isochrone with a row for remnants whose luminosity is this placeholder.
_PLACEHOLDER_LOG_L = -9.0
# Isochrones older than this contain stars that reach the end of the AGB, so that their last row is the
# closing one.
_COMPLETE_FROM_LOG_AGE = 8.0
_PARQUET_DECIMALS = 6


def read_parsec(paths, *, allow_partial=False):
    """Read PARSEC isochrones, of one or many ages and metallicities.

    Parameters
    ----------
    paths : path or list of paths
        A table made by the CMD web interface (any photometric system), a Parquet file with the same column
        names, a folder of them, or a list of either; gzipped text too. Files go into one table, in order of
        metallicity and age; an isochrone that is there twice is taken once.
    allow_partial : bool, default=False
        Whether isochrones may end before the AGB does, as when late phases have been cut out on purpose.
        Otherwise this is taken for a truncated file. It matters for text files with CMD's `label` column and
        log age above 8.

    Returns
    -------
    table : astropy.table.Table
        In the columns of `skdistmass.isochrones.COLUMNS`; `feh` is [M/H] = log10(Z / 0.0152), `ks` NaN if the
        file has another photometric system. With a column `Ks_extrap`, also `ks_extrapolated`. The closing
        row without a luminosity that CMD gives every isochrone is left out.

    Raises
    ------
    FileFormatError
        If a file is empty, truncated, damaged or not PARSEC's; the message names the file, the line if there
        is one, and for a file of another kind its reader.
    FileNotFoundError
        If there is no such file.
    InputError
        If no file is named, or two files hold different models of the same metallicity and age.

    See Also
    --------
    read_mist : The same for MIST.
    read_isochrone_table : Whichever of them fits.
    """
    tables = [_read_file(path, allow_partial) for path in expand_paths(paths, (".dat", ".txt", ".parquet"))]
    return tables[0] if len(tables) == 1 else join_tables(tables)


def _read_file(path, allow_partial):
    content = read_bytes(path)
    found = require(path, content, ("PARSEC isochrone table", "Parquet file"))
    if found == "Parquet file":
        return _read_parquet(path, content)
    lines, ended = text_lines(path, content)
    names, rows = _rows(path, lines)
    _check_last_line(path, lines, rows, ended)
    values = parse_rows(path, lines, rows, names)

    def column(key, required=True):
        position = named_column(path, names, _NAMES[key], required=required)
        return None if position is None else values[:, position]

    label = column("label")
    if not np.isin(label, np.arange(len(_PHASE_OF_LABEL))).all():
        raise FileFormatError(f"{path}: a value in column label is no evolutionary label of CMD (0 to 9).")
    if "label" in names and not allow_partial:
        _check_complete(path, rows, column("log_age"), label)
    meta = _metadata(path, lines[: rows[0]], names)
    return _to_table(column, _PHASE_OF_LABEL[label.astype(np.int64)], meta)


def _rows(path, lines):
    """Return the column names and the positions of the rows; repeated headers must agree."""
    names, rows = None, []
    for position, line in enumerate(lines):
        text = line.strip()
        words = text.lstrip("#").split()
        # Some tools write the column names without the comment sign.
        if words and any(name in words for name in _NAMES["initial_mass"]):
            if names is not None and words != names:
                raise FileFormatError(
                    f"{path}, line {position + 1}: the columns change within the file; read the parts as files."
                )
            names = words
        elif text and not text.startswith("#"):
            if names is None:
                raise FileFormatError(f"{path}, line {position + 1}: a row before any column names; fetch it again.")
            rows.append(position)
    if not rows:
        raise FileFormatError(f"{path} has no rows; the file is truncated, fetch it again.")
    return names, rows


def _check_last_line(path, lines, rows, ended):
    """Refuse a file that ends inside its last number: no line end, and fewer decimals than above."""

    def decimals(position):
        return len(lines[position].split()[-1].partition(".")[2])

    if not ended and len(rows) > 1 and decimals(rows[-1]) < decimals(rows[-2]):
        raise FileFormatError(f"{path}, line {rows[-1] + 1} is cut short; the file is truncated, fetch it again.")


def _check_complete(path, rows, log_age, label):
    """Refuse isochrones that end before their closing row."""
    last = np.flatnonzero(np.r_[np.diff(log_age) != 0, True])
    short = last[(log_age[last] >= _COMPLETE_FROM_LOG_AGE) & (label[last] < len(_PHASE_OF_LABEL) - 1)]
    if len(short):
        raise FileFormatError(
            f"{path}, line {rows[short[0]] + 1}: the isochrone of log age {log_age[short[0]]:g} ends before "
            "the AGB "
            "does; the file is truncated, fetch it again. Where late phases were left out on purpose, pass "
            "allow_partial=True."
        )


def _metadata(path, header, names):
    """Gather what the header says about the models."""
    text = "\n".join(header)
    version = re.search(r"CMD\s+([\d.]+\d)", text)
    release = re.search(r"PARSEC\s+release\s+(\S+)", text)
    system = re.search(r"photometric_system=(\S+)|[Pp]hotometric system:\s*(?:<[^>]*>)?([^<\n]+)", text)
    system = next(group for group in system.groups() if group).strip() if system else None
    if system in (None, "twomass") and any(name in names for name in _NAMES["ks"]):
        system = "2MASS"
    return {
        "source": "PARSEC",
        "version": " ".join(
            words for words in (release and release[1], version and f"CMD {version[1]}") if words
        ) or None,
        "files": [Path(path).name],
        "alpha_fe": 0.0,
        "v_vcrit": None,
        "photometric_system": system,
        "metallicity": "[M/H]",
    }  # fmt: skip


def _to_table(column, phase, meta, extra=None):
    """Make the table from a function that returns columns by key."""
    feh = column("metallicity", required=False)
    if feh is None:
        feh = np.round(np.log10(column("metals") / SOLAR_Z), 6)
    keys = ("log_age", "initial_mass", "current_mass", "log_teff", "logg", "log_l")
    columns = {key: column(key) for key in keys}
    ks = column("ks", required=False)
    columns.update(feh=feh, phase=phase, ks=np.full(len(feh), np.nan) if ks is None else ks)
    keep = columns["log_l"] > _PLACEHOLDER_LOG_L
    return isochrone_table(
        {name: values[keep] for name, values in columns.items()},
        meta=meta,
        extra={name: values[keep] for name, values in (extra or {}).items()},
    )


def _read_parquet(path, content):
    import pyarrow as pa
    import pyarrow.parquet as pq

    try:
        frame = pq.read_table(io.BytesIO(content))
    except (pa.ArrowInvalid, OSError) as error:
        raise FileFormatError(f"{path} can't be read as Parquet ({error}); fetch it again.") from error
    names = frame.column_names

    def column(key, required=True):
        position = named_column(path, names, _NAMES[key], required=required)
        if position is None:
            return None
        # Single precision: restore the decimals of the table it was made from, so that equal ages are equal.
        return np.round(frame.column(position).to_numpy().astype(np.float64), _PARQUET_DECIMALS)

    if frame.num_rows == 0:
        raise FileFormatError(f"{path} has no rows; make it again.")
    phase = frame.column(named_column(path, names, ("phase",))).to_numpy().astype(np.int64)
    if not np.isin(phase, [int(code) for code in Phase]).all():
        raise FileFormatError(f"{path}: a value in column phase is no code of skdistmass.isochrones.Phase.")
    extra = {}
    if "Ks_extrap" in names:
        extra["ks_extrapolated"] = frame.column("Ks_extrap").to_numpy().astype(bool)
    age, metallicity = column("log_age"), column("metallicity", required=False)
    starts = (np.diff(age) != 0) | (np.diff(age if metallicity is None else metallicity) != 0)
    meta = _metadata(path, (), names)
    return _to_table(column, _mend_phases(phase, starts), meta, extra)


def _mend_phases(phase, starts):
    """Replace main-sequence codes that come after later phases on the same isochrone.

    In tables made from tracks the point between the early and the thermally pulsing AGB can bear the code 0
    for lack of one of its own; the code of the point before it is right.
    """
    phase = phase.copy()
    first = np.r_[True, starts]
    for position in np.flatnonzero((phase == Phase.MS) & ~first):
        if phase[position - 1] > Phase.RGB:
            phase[position] = phase[position - 1]
    return phase
