"""The star clusters of Table 1."""

import re
from collections.abc import Mapping
from functools import lru_cache
from importlib import resources
from typing import Any

import numpy as np
from astropy.table import Table
from numpy.typing import NDArray

from skdistmass.surveys.stars import Stars

_SPELLINGS = {
    r"(?:(?:NGC|N)0*)?104|47TUC(?:ANAE)?": "47TUC",
    r"(?:NGC|N)0*(\d+)": "NGC",
    r"(?:MESSIER|M)0*(\d+)": "M",
    r"PAL(?:OMAR)?0*(\d+)": "PAL",
    r"OMEGACEN(?:TAURI)?|OMCEN|OCEN|WCEN": "OMEGACEN",
}


@lru_cache(maxsize=1)
def _read():
    with resources.files("skdistmass.surveys").joinpath("clusters.ecsv").open() as file:
        return Table.read(file.read(), format="ascii.ecsv")


def load_clusters() -> Table:
    """Return the clusters and distances of Table 1 of the paper (Stone-Martinez et al.).

    Returns
    -------
    clusters : astropy.table.Table
        38 rows in the order of the paper. Columns: NAME, as printed; CATALOG_NAME, the name in the New General
        Catalogue or the one most used; DISTANCE, the adopted distance in kpc, as printed. ``meta["reference"]`` is the
        source, ``meta["distance_error"]`` what the paper says of the errors.

    Examples
    --------
    >>> from skdistmass.surveys import load_clusters
    >>> clusters = load_clusters()
    >>> print(clusters[clusters["NAME"] == "M67"])
    NAME CATALOG_NAME DISTANCE
                        kpc
    ---- ------------ --------
     M67     NGC 2682      0.9
    """
    return _read().copy()


def _key(name):
    """Return a name without spaces, punctuation, case and leading zeros, so that N0188 and NGC 188 agree."""
    if isinstance(name, bytes):
        name = name.decode("ascii", "replace")
    text = re.sub(r"[^A-Z0-9]", "", str(name).upper())
    for pattern, prefix in _SPELLINGS.items():
        if found := re.fullmatch(pattern, text):
            return prefix + "".join(found.groups())
    return text


@lru_cache(maxsize=1)
def _index():
    rows = {}
    for column in ("NAME", "CATALOG_NAME"):
        for row, name in enumerate(_read()[column]):
            rows[_key(name)] = row
    return rows


def match_clusters(names: Any) -> Any:
    """Find clusters of Table 1 by any usual spelling of their names.

    Parameters
    ----------
    names : str or array-like of str
        Such as "NGC 2682", "N2682", "M67", "M 67", "Messier 67"; an empty name matches none. Masked entries match none.

    Returns
    -------
    rows : int or ndarray of int
        Row of `load_clusters` for each name, -1 where the name is none of them; an int for a single name.

    Examples
    --------
    >>> from skdistmass.surveys import match_clusters
    >>> match_clusters(["M 67", "NGC 2682", "N2682", "47 Tuc", "M53", ""])
    array([14, 14, 14, 35, -1, -1])
    """
    if isinstance(names, str | bytes):
        return _index().get(_key(names), -1)
    mask = np.ma.getmaskarray(np.ma.asanyarray(names))
    array = np.asarray(names)
    if array.size == 0:
        return np.empty(array.shape, dtype=int)
    unique, inverse = np.unique(array.astype(str) if array.dtype.kind != "S" else array, return_inverse=True)
    rows = np.array([_index().get(_key(name), -1) for name in unique])[inverse].reshape(array.shape)
    rows[mask] = -1
    return rows


def cluster_distances(names: NDArray, distances: Mapping[str, float] | None = None) -> NDArray[np.float64]:
    """Return the distance (kpc) of each star's cluster, NaN for an unknown one; blank names are stars in no cluster.

    `distances` by name, also of clusters that are not in Table 1, replace those of Table 1. Any usual spelling will do.
    """
    if distances is None:
        rows = match_clusters(np.asarray(names))
        return np.where(rows >= 0, np.asarray(_read()["DISTANCE"], dtype=np.float64)[rows], np.nan)
    known = {canonical_name(name): float(value) for name, value in distances.items()}
    unique, inverse = np.unique(np.asarray(names).astype(str), return_inverse=True)
    return np.array([known.get(canonical_name(name), np.nan) for name in unique.tolist()])[inverse]


def cluster_names(stars: Stars) -> NDArray[np.str_]:
    """Return the cluster of each star in one spelling, blank for none."""
    unique, inverse = np.unique(stars.text("CLUSTER"), return_inverse=True)
    return np.array([canonical_name(name) if name else "" for name in unique.tolist()], dtype=str)[inverse]


def canonical_name(name: str) -> str:
    """Return one spelling for all names of a cluster of Table 1, and a plain one for others."""
    row = _index().get(_key(name), -1)
    return _key(_read()["NAME"][row]) if row >= 0 else _key(name)
