"""Read isochrones and evolutionary tracks of MIST (Dotter 2016; Choi et al. 2016).

References
----------
Dotter, A. 2016, ApJS, 222, 8. Choi, J., Dotter, A., Conroy, C., et al. 2016, ApJ, 823, 102.
"""

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

__all__ = ["read_mist"]

_AGE_COLUMNS = ("log10_isochrone_age_yr", "isochrone_age_yr")
_CURRENT_MASS, _LUMINOSITY = ("star_mass",), ("log_L",)
_TEMPERATURE, _GRAVITY = ("log_Teff",), ("log_g", "logg")
_KS_COLUMNS = ("2MASS_Ks", "Ks_2MASS")


def read_mist(paths):
    """Read MIST isochrones (`.iso`, `.iso.cmd`) or evolutionary tracks (`.track.eep`).

    Parameters
    ----------
    paths : path or list of paths
        A file, a folder of them, or a list of either; gzipped files too. Files of several metallicities go
        into one table, in order of metallicity and age (tracks: of metallicity and mass); what is there twice
        is taken once.

    Returns
    -------
    table : astropy.table.Table
        In the columns of `skdistmass.isochrones.COLUMNS`, and `eep`, the equivalent evolutionary point. `ks`
        is the absolute magnitude of files with 2MASS photometry, else NaN. `feh` is the header's initial
        [Fe/H]. For tracks, `table.meta["kind"]` is ``"track"`` and `imf_weight` is NaN.

    Raises
    ------
    FileFormatError
        If a file is empty, truncated, damaged or not MIST's; the message names the file, the line if there is
        one, and for a file of another kind its reader.
    FileNotFoundError
        If there is no such file.
    InputError
        If no file is named, or two files hold different models of the same metallicity and age.

    See Also
    --------
    read_parsec : The same for PARSEC.
    read_isochrone_table : Whichever of them fits.

    Notes
    -----
    Subgiants carry the code of the red giant branch: MIST does not tell them apart.
    """
    tables = [_read_file(path) for path in expand_paths(paths, (".iso", ".iso.cmd", ".track.eep", ".eep"))]
    return tables[0] if len(tables) == 1 else join_tables(tables)


def _read_file(path):
    content = read_bytes(path)
    found = require(path, content, ("MIST isochrone file", "MIST evolutionary track"))
    lines, ended = text_lines(path, content)
    read = _read_track if found == "MIST evolutionary track" else _read_isochrones
    return read(path, lines, ended)


def _header(path, lines):
    """Read version, composition, rotation and photometric system from the lines before the first row."""
    meta = {
        "source": "MIST",
        "version": None,
        "files": [Path(path).name],
        "alpha_fe": None,
        "v_vcrit": None,
        "photometric_system": None,
        "metallicity": "[Fe/H]",
    }
    feh = extinction = None
    for position, line in enumerate(lines):
        text = line.strip()
        if text and not text.startswith("#"):
            break
        text = text.lstrip("#").strip()
        if text.startswith("MIST version"):
            meta["version"] = text.split("=")[-1].strip()
        elif text.startswith("photometric system"):
            meta["photometric_system"] = text.split("=")[-1].strip()
        elif "extinction:" in text:
            extinction = float(text.split("=")[-1])
        elif "[Fe/H]" in text and "Yinit" in text and position + 1 < len(lines):
            names, values = text.split(), lines[position + 1].lstrip("# ").split()
            if len(names) != len(values):
                raise FileFormatError(f"{path}, line {position + 2}: the composition is cut short; fetch it again.")
            found = dict(zip(names, map(float, values), strict=True))
            feh, meta["alpha_fe"], meta["v_vcrit"] = (
                found["[Fe/H]"],
                found.get("[a/Fe]"),
                found.get("v/vcrit"),
            )
    if feh is None:
        raise FileFormatError(f"{path} has no [Fe/H] in its header; it is truncated or altered, fetch it again.")
    return meta, feh, extinction


def _numbers_after(path, position, line):
    """Return the whole numbers after the equals sign of a header line."""
    words = line.split("=")[-1].split()
    try:
        return [int(word) for word in words]
    except ValueError:
        raise FileFormatError(f"{path}, line {position + 1}: {line.strip()!r} should end in whole numbers.") from None


def _blocks(path, lines):
    """Find the isochrones of a file: for each, its column names and the positions of its rows."""
    blocks, expected, names = [], None, None
    for position, line in enumerate(lines):
        text = line.strip()
        if text.startswith("#"):
            if "number of isochrones" in text:
                (expected,) = _numbers_after(path, position, text)
            elif "number of EEPs" in text:
                counts = _numbers_after(path, position, text)
                blocks.append({"counts": counts, "names": None, "rows": []})
            elif text.lstrip("# ").startswith("EEP") and blocks:
                names = text.lstrip("#").split()
                blocks[-1]["names"] = names
        elif text:
            if not blocks or blocks[-1]["names"] is None:
                raise FileFormatError(f"{path}, line {position + 1}: a row before any column names; fetch it again.")
            blocks[-1]["rows"].append(position)
    if not blocks or (expected is not None and len(blocks) != expected):
        raise FileFormatError(
            f"{path} is truncated: its header promises {expected} isochrones, {len(blocks)} are there; fetch it again."
        )
    return blocks


def _check_last_line(path, lines, rows, ended):
    """Refuse a file whose last number may have been cut: MIST's rows are all of one length."""
    if not ended and len(rows) > 1 and len(lines[rows[-1]].rstrip()) < len(lines[rows[0]].rstrip()):
        raise FileFormatError(f"{path}, line {rows[-1] + 1} is cut short; the file is truncated, fetch it again.")


def _read_isochrones(path, lines, ended):
    meta, feh, extinction = _header(path, lines)
    parts = {name: [] for name in ("log_age", "initial_mass", "current_mass", "log_teff", "logg", "log_l", "phase")}
    parts.update(ks=[], eep=[])
    for block in _blocks(path, lines):
        names, rows = block["names"], block["rows"]
        if names is None or len(rows) != block["counts"][0] or len(names) != block["counts"][-1]:
            raise FileFormatError(
                f"{path} is truncated at line {(rows[-1] if rows else len(lines) - 1) + 1}: an isochrone of "
                f"{block['counts'][0]} points has {len(rows)}; fetch it again."
            )
        values = parse_rows(path, lines, rows, names)
        _check_last_line(path, lines, rows, ended)
        _take_isochrone(path, names, values, parts)
    if extinction and np.isfinite(np.concatenate(parts["ks"])).any():
        raise FileFormatError(
            f"the magnitudes of {path} include an extinction of A_V = {extinction:g} mag; fetch it with A_V = 0."
        )
    columns = {name: np.concatenate(values) for name, values in parts.items()}
    eep = columns.pop("eep")
    columns["feh"] = np.full(len(eep), feh)
    return isochrone_table(columns, meta=meta, extra={"eep": eep.astype(np.int64)})


def _take_isochrone(path, names, values, parts):
    """Append one isochrone's columns to the lists of columns."""
    age_column = named_column(path, names, _AGE_COLUMNS)
    age = values[:, age_column]
    # Linear ages carry rounding errors in the last digits, which would tell equal ages apart.
    parts["log_age"].append(np.round(np.log10(age) if names[age_column] == _AGE_COLUMNS[1] else age, 8))
    wanted = {
        "initial_mass": ("initial_mass",),
        "current_mass": _CURRENT_MASS,
        "log_teff": _TEMPERATURE,
        "logg": _GRAVITY,
        "log_l": _LUMINOSITY,
        "eep": ("EEP",),
    }
    for name, candidates in wanted.items():
        parts[name].append(values[:, named_column(path, names, candidates)])
    ks = named_column(path, names, _KS_COLUMNS, required=False)
    parts["ks"].append(np.full(len(values), np.nan) if ks is None else values[:, ks])
    parts["phase"].append(_phases(path, names, values))


def _phases(path, names, values):
    """Return phase codes; MIST's are the schema's own, but written as floating-point numbers."""
    position = named_column(path, names, ("phase",), required=False)
    if position is None:
        return np.full(len(values), int(Phase.UNKNOWN))
    codes = values[:, position]
    unknown = ~np.isin(codes, [int(phase) for phase in Phase])
    if unknown.any():
        raise FileFormatError(f"{path}: {codes[unknown][0]:g} in column phase is no evolutionary phase of MIST.")
    return codes.astype(np.int64)


def _read_track(path, lines, ended):
    meta, feh, _ = _header(path, lines)
    counts = eeps = names = None
    rows = [position for position, line in enumerate(lines) if line.strip() and not line.lstrip().startswith("#")]
    for position, line in enumerate(lines[: rows[0]] if rows else lines):
        if "N_EEP" in line and position + 1 < len(lines):
            counts = lines[position + 1].lstrip("# ").split()
        elif "EEPs:" in line:
            eeps = [int(word) for word in line.split(":")[1].split()]
        elif "star_age" in line:
            names = line.lstrip("#").split()
    if counts is None or len(counts) < 4 or not eeps or names is None or not rows:
        raise FileFormatError(f"{path} ends inside its header; the file is truncated, fetch it again.")
    values = parse_rows(path, lines, rows, names)
    _check_last_line(path, lines, rows, ended)
    phase = _phases(path, names, values)
    first = _first_eep(path, len(rows), int(counts[1]), eeps, phase)

    def column(*candidates):
        return values[:, named_column(path, names, candidates)]

    columns = {
        "initial_mass": np.full(len(rows), float(counts[0])),
        "current_mass": column(*_CURRENT_MASS),
        "log_age": np.log10(column("star_age")),
        "feh": np.full(len(rows), feh),
        "log_teff": column(*_TEMPERATURE),
        "logg": column(*_GRAVITY),
        "log_l": column(*_LUMINOSITY),
        "phase": phase,
    }
    return isochrone_table(columns, meta=meta, kind="track", extra={"eep": first + np.arange(len(rows))})


def _first_eep(path, n_rows, n_points, eeps, phase):
    """Return the number of the first row's evolutionary point, if no row is missing at the end.

    Some tracks start later than the first point their header lists. Then the end of the pre-main sequence,
    which is the header's second point, tells where the rows are.
    """
    first = eeps[0]
    if n_rows != n_points and (phase == Phase.PMS).any() and (phase > Phase.PMS).any():
        first = eeps[1] - int(np.count_nonzero(phase == Phase.PMS))
    if first < eeps[0] or first + n_rows - 1 != eeps[0] + n_points - 1:
        raise FileFormatError(
            f"{path} is truncated: its header promises {n_points} points, {n_rows} are there; fetch it again."
        )
    return first
