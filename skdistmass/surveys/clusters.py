"""The star clusters of Table 1."""

import re
from collections.abc import Mapping
from functools import lru_cache
from importlib import resources
from typing import Any

import numpy as np
from astropy.table import Table
from numpy.typing import NDArray

__all__ = ["cluster_distances", "load_clusters", "match_clusters"]


@lru_cache(maxsize=1)
def _read():
    with resources.files("skdistmass.surveys").joinpath("clusters.ecsv").open() as file:
        return Table.read(file.read(), format="ascii.ecsv")


def load_clusters() -> Table:
    """Return the clusters and distances of Table 1 of the paper.

    Returns
    -------
    clusters : astropy.table.Table
        38 rows in the order of the paper. Columns: NAME, as printed; CATALOG_NAME, the name in the New
        General Catalogue or the one most used; DISTANCE, the adopted distance in kpc, as printed.
        ``meta["reference"]`` is the source, ``meta["distance_error"]`` what the paper says of the errors.

    References
    ----------
    Stone-Martinez et al., "Spectroscopic distance, mass, and age estimations for APOGEE DR17", Table 1.

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
    for pattern, prefix in (
        (r"(?:NGC|N)0*(\d+)", "NGC"),
        (r"(?:MESSIER|M)0*(\d+)", "M"),
        (r"PAL(?:OMAR)?0*(\d+)", "PAL"),
    ):
        found = re.fullmatch(pattern, text)
        if found:
            return prefix + found[1]
    if re.fullmatch(r"(?:NGC0*)?104|47TUC(?:ANAE)?", text):
        return "47TUC"
    if re.fullmatch(r"OMEGACEN(?:TAURI)?|OMCEN|OCEN|WCEN", text):
        return "OMEGACEN"
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
    """Return the distance of each star's cluster.

    Parameters
    ----------
    names : array-like of str
        Names of clusters in any usual spelling; blank for stars that are in none.
    distances : dict, optional
        Name of a cluster to its distance (kpc), also of clusters that are not in Table 1. By default Table 1.

    Returns
    -------
    distance : ndarray
        In kpc; NaN for an unknown cluster.

    Examples
    --------
    >>> from skdistmass.surveys.clusters import cluster_distances
    >>> cluster_distances(["M67", "M 53"], {"NGC 2682": 0.86, "M53": 18.5})
    array([ 0.86, 18.5 ])
    """
    if distances is None:
        rows = match_clusters(np.asarray(names))
        return np.where(rows >= 0, np.asarray(_read()["DISTANCE"], dtype=np.float64)[rows], np.nan)
    known = {canonical_name(name): float(value) for name, value in distances.items()}
    unique, inverse = np.unique(np.asarray(names).astype(str), return_inverse=True)
    return np.array([known.get(canonical_name(name), np.nan) for name in unique.tolist()])[inverse]


def canonical_name(name: str) -> str:
    """Return one spelling for all names of a cluster of Table 1, and a plain one for others."""
    row = _index().get(_key(name), -1)
    return _key(_read()["NAME"][row]) if row >= 0 else _key(name)
