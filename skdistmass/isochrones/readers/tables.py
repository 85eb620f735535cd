"""Read any file of models that this package knows, by looking at its content."""

from pathlib import Path

import numpy as np

from skdistmass.exceptions import FileFormatError
from skdistmass.isochrones.readers import mist, parsec
from skdistmass.isochrones.readers.files import READERS, Rows, expand_paths, join_tables, read_bytes, require, text_of

__all__ = ["read_giant_ages", "read_isochrone_table"]

_MODEL_READERS = {"read_mist": mist.read_mist_file, "read_parsec": parsec.read_parsec_file}
_AGE_COLUMNS = ("logt_bgb", "logt_trgb", "logt_rgb", "logt_cheb", "logt_giant", "logt_end")


def read_isochrone_table(paths):
    """Read isochrones or evolutionary tracks, of MIST or PARSEC, whichever the files hold.

    Parameters
    ----------
    paths : path or list of paths
        A file, a folder, or a list of both.

    Returns
    -------
    table : astropy.table.Table
        The columns of `skdistmass.isochrones.COLUMNS`.

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
    for path in expand_paths(paths, (*mist.SUFFIXES, *parsec.SUFFIXES)):
        content = read_bytes(path)
        tables.append(_MODEL_READERS[READERS[require(path, content, wanted)]](path, content))
    return join_tables(tables)


def read_giant_ages(path: str | Path):
    """Read a table of the ages of giants by initial mass and metallicity (CSV).

    Parameters
    ----------
    path : path
        A file with the columns `feh`, `mass_init` and at least one of `logt_bgb` (base of the giant branch),
        `logt_trgb` (its tip), `logt_rgb`, `logt_cheb` (means over the phases), `logt_giant` (time-weighted mean over
        log g < 3.5) and `logt_end`, with a row for each mass at each metallicity. A field is empty if the models of
        this mass lack the phase.

    Returns
    -------
    table : astropy.table.Table
        `feh` (dex), `mass_init` (Msun), and the columns of log10 age (dex(yr)), sorted by metallicity and mass.

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
    rows = Rows(path, text_of(content), lambda words: "mass_init" in words, separator=",")
    mass, feh = rows.column("mass_init"), rows.column("feh")
    # Rows of equal masses and metallicities count once, so that a doubled row is found, too.
    n_masses, n_feh, n_pairs = len(np.unique(mass)), len(np.unique(feh)), len(set(zip(mass, feh, strict=True)))
    if not n_pairs == len(mass) == n_masses * n_feh or not content.endswith((b"\n", b"\r")):
        raise FileFormatError(
            f"{path} is truncated or damaged: {len(mass)} rows are there, {n_masses} masses at each of {n_feh} "
            "metallicities should be; fetch it again."
        )
    table = Table(rows.values, names=rows.names, meta={"kind": "giant_ages", "files": [path.name]})
    units = {"feh": "dex", "mass_init": "Msun", **dict.fromkeys(_AGE_COLUMNS, "dex(yr)")}
    for name in rows.names:
        table[name].unit = units.get(name)
    table.sort(["feh", "mass_init"])
    return table
