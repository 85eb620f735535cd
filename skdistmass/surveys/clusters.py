"""Star clusters: the distances of Table 1, and modern distances and ages."""

from __future__ import annotations

import re
from collections.abc import Mapping
from functools import cache
from importlib import resources
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from skdistmass.exceptions import InputError
from skdistmass.surveys.stars import Stars

if TYPE_CHECKING:
    from astropy.table import Table

#: Pattern of each usual spelling of a cluster's name (see `name_key`) to what stands before its number.
SPELLINGS = {
    r"(?:(?:NGC|N)0*)?104|47TUC(?:ANAE)?": "47TUC",
    r"(?:NGC|N)0*(\d+)": "NGC",
    r"(?:MESSIER|M)0*(\d+)": "M",
    r"PAL(?:OMAR)?0*(\d+)": "PAL",
    r"OMEGACEN(?:TAURI)?|OMCEN|OCEN|WCEN": "OMEGACEN",
}


_FILES = {"paper": "clusters.ecsv", "modern": "modern_clusters.ecsv"}


@cache
def _read(version):
    from astropy.table import Table

    if version not in _FILES:
        raise InputError(f"there is no list of clusters {version!r}; choose one of {', '.join(_FILES)}.")
    with resources.files("skdistmass.surveys").joinpath(_FILES[version]).open() as file:
        return Table.read(file.read(), format="ascii.ecsv").filled("")  # blank sources are masked


def load_clusters(version: str = "paper") -> Table:
    """Return star clusters and their distances.

    Parameters
    ----------
    version : {"paper", "modern"}, default="paper"
        Table 1 of the paper (Stone-Martinez et al.), or modern distances, with ages from the literature. Some of
        Table 1 are far from the modern ones: M10 by -21 %, NGC 6397 by -19 %, 47 Tuc by +11 %.

    Returns
    -------
    clusters : astropy.table.Table
        Columns NAME, as printed in Table 1; CATALOG_NAME, the name in the New General Catalogue or the one most used;
        DISTANCE (kpc). Table 1 has 38 rows in the order of the paper; ``meta["reference"]`` is the source,
        ``meta["distance_error"]`` what the paper says of the errors. The modern list adds DISTANCE_SRC, AGE (Gyr, NaN
        where there is none) and AGE_SRC, keys of the references in ``meta``.

    Raises
    ------
    InputError
        If there is no such version.

    Examples
    --------
    >>> from skdistmass.surveys import load_clusters, match_clusters
    >>> clusters = load_clusters()
    >>> print(clusters[clusters["NAME"] == "M67"])
    NAME CATALOG_NAME DISTANCE
                        kpc
    ---- ------------ --------
     M67     NGC 2682      0.9
    >>> float(load_clusters("modern")["AGE"][match_clusters("NGC 6388", version="modern")])
    11.3
    """
    return _read(version).copy()


def name_key(name):
    """Return a name without spaces, punctuation, case and leading zeros, so that N0188 and NGC 188 agree."""
    if isinstance(name, bytes):
        name = name.decode("ascii", "replace")
    text = re.sub(r"[^A-Z0-9]", "", str(name).upper())
    for pattern, prefix in SPELLINGS.items():
        if found := re.fullmatch(pattern, text):
            return prefix + "".join(found.groups())
    return text


@cache
def _index(version):
    rows = {}
    for column in ("NAME", "CATALOG_NAME"):
        for row, name in enumerate(_read(version)[column]):
            rows[name_key(name)] = row
    return rows


def match_clusters(names: Any, version: str = "paper") -> Any:
    """Find clusters by any usual spelling of their names.

    Parameters
    ----------
    names : str or array-like of str
        Such as "NGC 2682", "N2682", "M67", "M 67", "Messier 67"; an empty name matches none. Masked entries match none.
    version : {"paper", "modern"}, default="paper"
        The list to search, as for `load_clusters`.

    Returns
    -------
    rows : int or ndarray of int
        Row of ``load_clusters(version)`` for each name, -1 where the name is none of them; an int for a single name.

    Examples
    --------
    >>> from skdistmass.surveys import match_clusters
    >>> match_clusters(["M 67", "NGC 2682", "N2682", "47 Tuc", "M53", ""])
    array([14, 14, 14, 35, -1, -1])
    """
    if isinstance(names, str | bytes):
        return _index(version).get(name_key(names), -1)
    mask = np.ma.getmaskarray(np.ma.asanyarray(names))
    array = np.asarray(names)
    if array.size == 0:
        return np.empty(array.shape, dtype=int)
    unique, inverse = np.unique(array.astype(str) if array.dtype.kind != "S" else array, return_inverse=True)
    rows = np.array([_index(version).get(name_key(name), -1) for name in unique])[inverse].reshape(array.shape)
    rows[mask] = -1
    return rows


def cluster_distances(names: NDArray, distances: Mapping[str, float] | str | None = None) -> NDArray[np.float64]:
    """Return the distance (kpc) of each star's cluster, NaN for an unknown one; blank names are stars in no cluster.

    `distances` is "paper" (as None) or "modern", a version of `load_clusters`; or distances by name, also of clusters
    that are not in a list, which take its place. Any usual spelling will do.
    """
    if distances is None or isinstance(distances, str):
        version = distances or "paper"
        rows = match_clusters(np.asarray(names), version)
        return np.where(rows >= 0, np.asarray(_read(version)["DISTANCE"], dtype=np.float64)[rows], np.nan)
    known = {canonical_name(name): float(value) for name, value in distances.items()}
    unique, inverse = np.unique(np.asarray(names).astype(str), return_inverse=True)
    return np.array([known.get(canonical_name(name), np.nan) for name in unique.tolist()])[inverse]


def cluster_names(stars: Stars) -> NDArray[np.str_]:
    """Return the cluster of each star in one spelling, blank for none."""
    unique, inverse = np.unique(stars.text("CLUSTER"), return_inverse=True)
    return np.array([canonical_name(name) if name else "" for name in unique.tolist()], dtype=str)[inverse]


def cluster_ages(names: NDArray) -> NDArray[np.float64]:
    """Return the age in the literature (Gyr) of clusters by name, NaN for an unknown one."""
    rows = match_clusters(np.asarray(names), "modern")
    return np.where(rows >= 0, np.asarray(_read("modern")["AGE"], dtype=np.float64)[rows], np.nan)


def canonical_name(name: str) -> str:
    """Return one spelling for all names of a cluster of the lists, and a plain one for others."""
    for version in _FILES:
        row = _index(version).get(name_key(name), -1)
        if row >= 0:
            return name_key(_read(version)["NAME"][row])
    return name_key(name)
