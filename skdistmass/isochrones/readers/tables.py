"""Read any file of models this package knows, by looking at what is in it."""

from pathlib import Path

import numpy as np

from skdistmass.exceptions import FileFormatError
from skdistmass.isochrones.readers.mist import read_mist
from skdistmass.isochrones.readers.parsec import read_parsec
from skdistmass.isochrones.readers.textfile import (
    READERS,
    expand_paths,
    join_tables,
    parse_rows,
    read_bytes,
    require,
    text_lines,
)

__all__ = ["read_giant_ages", "read_isochrone_table"]

_SUFFIXES = (".iso", ".iso.cmd", ".eep", ".dat", ".txt", ".parquet")
_MODEL_READERS = {"read_mist": read_mist, "read_parsec": read_parsec}
_AGE_COLUMNS = ("logt_bgb", "logt_trgb", "logt_rgb", "logt_cheb", "logt_giant", "logt_end")


def read_isochrone_table(paths):
    """Read isochrones or evolutionary tracks, of MIST or PARSEC, whichever the files hold.

    Parameters
    ----------
    paths : path or list of paths
        A file, a folder, or a list of either.

    Returns
    -------
    table : astropy.table.Table
        In the columns of `skdistmass.isochrones.COLUMNS`.

    Raises
    ------
    FileFormatError
        If a file is none that `read_mist` or `read_parsec` reads, or is empty, truncated or damaged.
    FileNotFoundError
        If there is no such file.
    InputError
        If no file is named, or two files hold different models of the same metallicity and age.

    See Also
    --------
    read_mist, read_parsec : The readers of one kind of file each.
    """
    tables = []
    wanted = [kind for kind, reader in READERS.items() if reader in _MODEL_READERS]
    for path in expand_paths(paths, _SUFFIXES):
        found = require(path, read_bytes(path), wanted)
        tables.append(_MODEL_READERS[READERS[found]](path))
    return tables[0] if len(tables) == 1 else join_tables(tables)


def read_giant_ages(path):
    """Read a table of the ages of giants by initial mass and metallicity (CSV).

    Parameters
    ----------
    path : path
        A file with the columns `feh`, `mass_init` and one or more of `logt_bgb` (base of the giant branch),
        `logt_trgb` (its tip), `logt_rgb`, `logt_cheb` (means over the phases), `logt_giant` (time-weighted
        mean over log g < 3.5) and `logt_end`, over all combinations of some metallicities and some masses.

    Returns
    -------
    table : astropy.table.Table
        `feh` (dex), `mass_init` (Msun), and the columns of log10 age (dex(yr)), sorted by metallicity and
        mass.

    Raises
    ------
    FileFormatError
        If the file is empty, truncated, damaged or of another kind.
    FileNotFoundError
        If there is no such file.
    """
    from astropy.table import Table

    (path,) = expand_paths(path, (".csv",))
    content = read_bytes(path)
    require(path, content, ("giant-age table",))
    lines, ended = text_lines(path, content)
    rows = [position for position, line in enumerate(lines) if line.strip() and not line.startswith("#")]
    names = [name.strip() for name in lines[rows[0]].split(",")]
    # An empty field is a phase that the models of this mass lack.
    spaced = [" ".join(word.strip() or "nan" for word in line.split(",")) for line in lines]
    values = parse_rows(path, spaced, rows[1:], names)
    masses = np.unique(values[:, names.index("mass_init")]) if len(values) else np.empty(0)
    feh = np.unique(values[:, names.index("feh")]) if len(values) else np.empty(0)
    if len(values) == 0 or len(values) != len(masses) * len(feh) or not ended:
        raise FileFormatError(
            f"{path} is truncated: {len(values)} rows are there, {len(masses)} masses at each of {len(feh)} "
            "metallicities should be; fetch it again."
        )
    table = Table(meta={"kind": "giant_ages", "files": [Path(path).name]})
    units = {"feh": "dex", "mass_init": "Msun", **dict.fromkeys(_AGE_COLUMNS, "dex(yr)")}
    for position, name in enumerate(names):
        table[name] = values[:, position]
        table[name].unit = units.get(name)
    table.sort(["feh", "mass_init"])
    return table
