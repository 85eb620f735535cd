"""Read isochrones and evolutionary tracks of MIST (Dotter 2016; Choi et al. 2016).

References
----------
Dotter, A. 2016, ApJS, 222, 8. Choi, J., Dotter, A., Conroy, C., et al. 2016, ApJ, 823, 102.
"""

import re
from pathlib import Path

import numpy as np

from skdistmass.exceptions import FileFormatError
from skdistmass.isochrones.readers.files import (
    Rows,
    checked_table,
    expand_paths,
    find_in_header,
    join_tables,
    read_bytes,
    refuse_extinction,
    require,
    text_of,
)
from skdistmass.isochrones.schema import Phase

__all__ = ["read_mist"]

SUFFIXES = (".iso", ".iso.cmd", ".track.eep", ".eep")
_AGES = ("log10_isochrone_age_yr", "isochrone_age_yr")
_COLUMNS = {"current_mass": ("star_mass",), "log_teff": ("log_Teff",), "logg": ("log_g", "logg"), "log_l": ("log_L",)}
_MOST_POINTS = 10**6


def read_mist(paths):
    """Read MIST isochrones (`.iso`, `.iso.cmd`) or evolutionary tracks (`.track.eep`).

    Parameters
    ----------
    paths : path or list of paths
        A file, a folder, or a list of both; gzipped files too. Files of several metallicities go into one table, sorted
        by metallicity and age (tracks: by metallicity and mass). An isochrone that is in two files is taken once. Files
        may have more columns than are used here, such as those of MIST 2.5.

    Returns
    -------
    table : astropy.table.Table
        The columns of `skdistmass.isochrones.COLUMNS`, and `eep`, the equivalent evolutionary point. `ks` is the
        absolute magnitude of files with 2MASS photometry, else NaN. `feh` is the initial [Fe/H] in the header;
        [alpha/Fe] and rotation are in ``table.meta``. For tracks, ``table.meta["kind"]`` is ``"track"`` and
        `imf_weight` is NaN.

    Raises
    ------
    FileFormatError
        If a file is empty, truncated, damaged or not one of MIST, or its magnitudes include extinction. The message
        names the file, the line if there is one, and for a file of another kind its reader.
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
    Subgiants have the code of the red giant branch: MIST does not distinguish them.
    """
    return join_tables([read_mist_file(path, read_bytes(path)) for path in expand_paths(paths, SUFFIXES)])


def read_mist_file(path: Path, content: bytes):
    """Read one file of MIST from its content."""
    kind = require(path, content, ("MIST isochrone file", "MIST evolutionary track"))
    read = _read_track if kind == "MIST evolutionary track" else _read_isochrones
    return read(path, text_of(content))


def _meta(path, header):
    """Return [Fe/H], and version, composition, rotation and photometric system as metadata."""
    values = re.search(r"^#(.*Yinit.*\[Fe/H\].*)\n#(.*)$", header, re.MULTILINE)
    try:
        names, numbers = (values[1].split(), list(map(float, values[2].split()))) if values else ((), ())
        composition = dict(zip(names, numbers, strict=True))
        feh = composition["[Fe/H]"]
    except (ValueError, KeyError) as error:
        raise FileFormatError(
            f"{path} has no whole line of composition with [Fe/H] in its header; it is truncated or altered, fetch it "
            "again."
        ) from error
    return feh, {
        "source": "MIST",
        "version": find_in_header(header, r"MIST version.*=(.*)"),
        "files": [Path(path).name],
        "alpha_fe": composition.get("[a/Fe]"),
        "v_vcrit": composition.get("v/vcrit"),
        "photometric_system": find_in_header(header, r"photometric system.*=(.*)"),
        "metallicity": "[Fe/H]",
    }


def _read_isochrones(path, text):
    rows = Rows(path, text, lambda words: words[:1] == ["EEP"])
    feh, meta = _meta(path, rows.header)
    age = rows.column(*_AGES)
    if _AGES[0] not in rows.names:
        with np.errstate(invalid="ignore", divide="ignore"):
            # Linear ages differ by rounding in their last digits; equal ages must stay equal.
            age = np.round(np.log10(age), 8)
    # Each isochrone states how many points it has, the file how many isochrones.
    counts = [int(n) for n in re.findall(r"^#\s*number of EEPs.*=\s*(\d{1,9})\s", text, re.MULTILINE)]
    n_isochrones = find_in_header(rows.header, r"number of isochrones\s*=\s*(\d+)")
    starts = np.flatnonzero(np.diff(age, prepend=np.nan) != 0)
    if n_isochrones != str(len(counts)) or np.r_[starts, len(age)].tolist() != np.cumsum([0, *counts]).tolist():
        raise FileFormatError(
            f"{path} is truncated or damaged: its headers promise {n_isochrones} isochrones with {sum(counts)} points, "
            f"{len(starts)} with {len(age)} are there; fetch it again."
        )
    columns = {name: rows.column(*candidates) for name, candidates in _COLUMNS.items()}
    columns.update(initial_mass=rows.column("initial_mass"), log_age=age, feh=np.full(len(age), feh))
    columns["phase"] = _phases(rows)
    ks = rows.column("2MASS_Ks", "Ks_2MASS", required=False)
    if ks is not None:
        refuse_extinction(path, rows.header)
        columns["ks"] = ks
    eep = rows.column("EEP")
    if not ((eep >= 0) & (eep <= _MOST_POINTS)).all():
        raise FileFormatError(f"{path}: a number in column EEP is no evolutionary point; fetch the file again.")
    return checked_table(rows.place, columns, meta=meta, extra={"eep": eep.astype(np.int64)})


def _phases(rows):
    """Return phase codes; those of MIST are the codes of `Phase`, written as floating-point numbers."""
    codes = rows.column("phase", required=False)
    if codes is None:
        return np.full(len(rows.values), int(Phase.UNKNOWN))
    unknown = ~np.isin(codes, [int(phase) for phase in Phase])
    if unknown.any():
        row = int(np.argmax(unknown))
        raise FileFormatError(f"{rows.place(row)}: {codes[row]:g} in column phase is no evolutionary phase of MIST.")
    return codes.astype(np.int64)


def _read_track(path, text):
    rows = Rows(path, text, lambda words: "star_age" in words)
    feh, meta = _meta(path, rows.header)
    # initial mass and number of points, then the points that the header lists
    stated = re.search(r"N_EEP.*\n#\s*([-+.\dEe]+)\s+(\d{1,9})\s", rows.header)
    points = re.search(r"EEPs:\s*(\d{1,9})\s+(\d{1,9})", rows.header)
    try:
        mass, n_points, first, second = float(stated[1]), int(stated[2]), int(points[1]), int(points[2])
    except (TypeError, ValueError) as error:
        raise FileFormatError(f"{path} ends inside its header; the file is truncated, fetch it again.") from error
    phase = _phases(rows)
    start = _first_point(path, len(phase), n_points, (first, second), phase)
    columns = {name: rows.column(*candidates) for name, candidates in _COLUMNS.items()}
    with np.errstate(invalid="ignore", divide="ignore"):
        columns["log_age"] = np.log10(rows.column("star_age"))
    columns.update(initial_mass=np.full(len(phase), mass), feh=np.full(len(phase), feh), phase=phase)
    extra = {"eep": start + np.arange(len(phase))}
    return checked_table(rows.place, columns, meta=meta, kind="track", extra=extra)


def _first_point(path, n_rows, n_points, points, phase):
    """Return the number of the first row's evolutionary point, if no row is missing at the end.

    Some tracks start later than the first point in their header. Then the end of the pre-main sequence, the second
    point in the header, tells where the rows are.
    """
    start = points[0]
    if n_rows != n_points and (phase == Phase.PMS).any() and (phase > Phase.PMS).any():
        start = points[1] - int(np.count_nonzero(phase == Phase.PMS))
    if start < points[0] or start + n_rows != points[0] + n_points:
        raise FileFormatError(
            f"{path} is truncated: its header promises {n_points} points, {n_rows} are there; fetch it again."
        )
    return start
