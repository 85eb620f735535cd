"""Read isochrones of PARSEC: tables of the CMD web interface, and Parquet files with the same columns.

References
----------
Bressan, A., Marigo, P., Girardi, L., et al. 2012, MNRAS, 427, 127. Marigo, P., Girardi, L., Bressan, A., et
al. 2017, ApJ, 835, 77. Nguyen, C. T., Costa, G., Girardi, L., et al. 2022, A&A, 665, A126 (PARSEC 2.0).
"""

import io
from pathlib import Path

import numpy as np

from skdistmass.exceptions import FileFormatError, shortened
from skdistmass.isochrones.readers.files import (
    MOST_BYTES,
    Rows,
    checked_table,
    expand_paths,
    find_in_header,
    find_name,
    join_tables,
    read_bytes,
    refuse_extinction,
    require,
    text_of,
)
from skdistmass.isochrones.schema import Phase

__all__ = ["SOLAR_Z", "read_parsec"]

#: PARSEC's solar metal content: [M/H] = log10(Z / 0.0152).
SOLAR_Z = 0.0152
SUFFIXES = (".dat", ".txt", ".parquet")
# Column names of the versions of CMD, newest first.
_NAMES = {
    "log_age": ("logAge", "log(age/yr)"),
    "initial_mass": ("Mini", "M_ini"),
    "current_mass": ("Mass", "Mact", "M_act"),
    "log_l": ("logL", "logL/Lo"),
    "log_teff": ("logTe",),
    "logg": ("logg", "logG"),
}
_METALLICITY, _METALS, _KS, _LABEL = ("MH",), ("Zini", "Z"), ("Ksmag", "Ks"), ("label", "stage")
# CMD's labels: core helium burning has three parts, and 9 is what comes after the AGB.
_PHASE_OF_LABEL = np.array(
    [
        *(Phase.PMS, Phase.MS, Phase.SGB, Phase.RGB, Phase.CHEB, Phase.CHEB, Phase.CHEB),
        *(Phase.EAGB, Phase.TPAGB, Phase.POST_AGB),
    ]
)
# CMD ends an isochrone with a row for remnants that has this placeholder for its luminosity.
_PLACEHOLDER_LOG_L = -9.0
# Stars of isochrones older than this reach the end of the AGB, so that the last row is the one for remnants.
_COMPLETE_FROM_LOG_AGE = 8.0
_PARQUET_DECIMALS = 6


def read_parsec(paths, *, allow_partial: bool = False):
    """Read PARSEC isochrones, of one or many ages and metallicities.

    Parameters
    ----------
    paths : path or list of paths
        A table made by the CMD web interface (any photometric system), a Parquet file with the same column names, a
        folder, or a list of these; gzipped text too. Files go into one table, sorted by metallicity and age. An
        isochrone that is in two files is taken once. Files may have more columns than are used here, such as those of
        PARSEC 2.0.
    allow_partial : bool, default=False
        Whether isochrones may end before the end of the AGB, as when late phases were left out on purpose. If not, such
        a file counts as truncated. This is for text files with CMD's `label` column and log age above 8.

    Returns
    -------
    table : astropy.table.Table
        The columns of `skdistmass.isochrones.COLUMNS`; `feh` is [M/H] = log10(Z / 0.0152). `ks` is NaN if the header
        names another photometric system than 2MASS, or there is no such column. With a column `Ks_extrap`, also
        `ks_extrapolated`. The last row of each isochrone, which CMD adds for remnants, is left out.

    Raises
    ------
    FileFormatError
        If a file is empty, truncated, damaged or not one of PARSEC, or its magnitudes include extinction. The message
        names the file, the line if there is one, and for a file of another kind its reader.
    FileNotFoundError
        If there is no such file.
    InputError
        If no file is named, or two files hold different models of the same metallicity and age.

    See Also
    --------
    read_mist : The same for MIST.
    read_isochrone_table : Whichever of them fits.
    """
    files = expand_paths(paths, SUFFIXES)
    return join_tables([read_parsec_file(path, read_bytes(path), allow_partial) for path in files])


def read_parsec_file(path: Path, content: bytes, allow_partial: bool = False):
    """Read one file of PARSEC from its content."""
    found = require(path, content, ("PARSEC isochrone table", "Parquet file"))
    return _read_parquet(path, content) if found == "Parquet file" else _read_text(path, content, allow_partial)


def _read_text(path, content, allow_partial):
    # Some tools write the column names without the comment sign.
    rows = Rows(path, text_of(content), lambda words: any(name in words for name in _NAMES["initial_mass"]))
    label = rows.column(*_LABEL)
    if not np.isin(label, np.arange(len(_PHASE_OF_LABEL))).all():
        raise FileFormatError(f"{path}: a value in column label is no evolutionary label of CMD (0 to 9).")
    if "label" in rows.names and not allow_partial:
        age = rows.column(*_NAMES["log_age"])
        ends = np.r_[np.diff(age) != 0, True]
        short = np.flatnonzero(ends & (age >= _COMPLETE_FROM_LOG_AGE) & (label < len(_PHASE_OF_LABEL) - 1))
        if len(short):
            raise FileFormatError(
                f"{rows.place(short[0])}: the isochrone of log age {age[short[0]]:g} ends before the AGB does; the "
                "file is truncated, fetch it again. If late phases were left out on purpose, pass allow_partial=True."
            )
    meta = _meta(path, rows.header, rows.names)
    if meta["photometric_system"] == "2MASS":
        refuse_extinction(path, rows.header)
    return _make_table(rows.column, _PHASE_OF_LABEL[label.astype(np.int64)], meta, rows.place)


def _meta(path, header, names):
    """Return what the header says about the models, as metadata."""
    version = find_in_header(header, r"CMD\s+([\d.]+\d)")
    release = find_in_header(header, r"PARSEC\s+release\s+(\S+)")
    system = find_in_header(header, r"photometric_system=(\S+)") or find_in_header(
        header, r"photometric system:\s*(?:<[^>]*>)?([^<\n]+)"
    )
    # Other systems, such as VISTA's, have a column of the same name.
    two_mass = system is None or "2mass" in system.lower() or "twomass" in system.lower()
    if two_mass and any(name in names for name in _KS):
        system = "2MASS"
    return {
        "source": "PARSEC",
        "version": " ".join(words for words in (release, version and f"CMD {version}") if words) or None,
        "files": [Path(path).name],
        "alpha_fe": 0.0,
        "v_vcrit": None,
        "photometric_system": system,
        "metallicity": "[M/H]",
    }


def _make_table(column, phase, meta, place, extra=None):
    """Make the table from a function that returns the first of some columns."""
    feh = column(*_METALLICITY, required=False)
    if feh is None:
        with np.errstate(invalid="ignore", divide="ignore"):
            feh = np.round(np.log10(column(*_METALS) / SOLAR_Z), 6)
    columns = {name: column(*candidates) for name, candidates in _NAMES.items()}
    columns.update(feh=feh, phase=phase)
    if meta["photometric_system"] == "2MASS":
        columns["ks"] = column(*_KS)
    keep = np.flatnonzero(columns["log_l"] > _PLACEHOLDER_LOG_L)
    return checked_table(
        lambda row: place(keep[row] if len(keep) else 0),
        {name: values[keep] for name, values in columns.items()},
        meta=meta,
        extra={name: values[keep] for name, values in (extra or {}).items()},
    )


def _read_parquet(path, content):
    import pyarrow as pa
    import pyarrow.parquet as pq

    wanted = {name for names in (*_NAMES.values(), _METALLICITY, _METALS, _KS) for name in names}
    try:
        file = pq.ParquetFile(io.BytesIO(content))
        size = sum(file.metadata.row_group(k).total_byte_size for k in range(file.metadata.num_row_groups))
        if size > MOST_BYTES or 8 * file.metadata.num_rows > MOST_BYTES:
            raise FileFormatError(
                f"{path} holds more than {MOST_BYTES // 2**20} MB when unpacked, too much for a file of models; "
                "split it."
            )
        used = [n for n in file.schema_arrow.names if n in wanted | {"phase", "Ks_extrap"}]
        frame = {name: values.cast(pa.float64()) for name, values in zip(used, file.read(used), strict=True)}
    except (pa.ArrowException, OSError, ValueError, KeyError, TypeError, IndexError) as error:
        if isinstance(error, FileFormatError):
            raise
        raise FileFormatError(f"{path} can't be read as Parquet ({shortened(error)}); fetch it again.") from error
    if file.metadata.num_rows == 0:
        raise FileFormatError(f"{path} has no rows; make it again.")

    def column(*candidates, required=True):
        name = find_name(path, file.schema_arrow.names, candidates, required=required)
        if name is None:
            return None
        # Single precision: restore the decimals of the table it was made from, so that equal ages are equal.
        with np.errstate(over="ignore", invalid="ignore"):
            return np.round(frame[name].to_numpy().astype(np.float64), _PARQUET_DECIMALS)

    phase = column("phase")
    if not np.isin(phase, [int(code) for code in Phase]).all():
        raise FileFormatError(f"{path}: a value in column phase is no code of skdistmass.isochrones.Phase.")
    age, metallicity = column(*_NAMES["log_age"]), column(*_METALLICITY, required=False)
    starts = (np.diff(age) != 0) | (np.diff(age if metallicity is None else metallicity) != 0)
    extra = {"ks_extrapolated": column("Ks_extrap") > 0} if "Ks_extrap" in frame else {}
    phase = _mend_phases(phase.astype(np.int64), starts)
    return _make_table(column, phase, _meta(path, "", list(frame)), lambda row: f"{path}, row {row}", extra)


def _mend_phases(phase, starts):
    """Replace main-sequence codes that come after later phases on the same isochrone.

    In tables made from tracks the point between the early and the thermally pulsing AGB can have the code 0, because it
    has no code; the code of the point before it is right.
    """
    phase = phase.copy()
    first = np.r_[True, starts]
    for position in np.flatnonzero((phase == Phase.MS) & ~first):
        if phase[position - 1] > Phase.RGB:
            phase[position] = phase[position - 1]
    return phase
