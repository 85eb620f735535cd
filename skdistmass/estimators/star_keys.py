"""Keys by which a star is known again: its identifiers, or its labels where it has none."""

from __future__ import annotations

import hashlib

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components

from skdistmass.labels import LABEL_NAMES
from skdistmass.surveys.stars import Stars

__all__ = [
    "IDENTIFIERS",
    "KEY_FACTORS",
    "MISSING_IN_KEY",
    "find_sorted",
    "identifier_key",
    "label_keys",
    "spectrum_keys",
    "star_groups",
]

#: Identifiers of stars (not of spectra), in the order in which they are tried.
IDENTIFIERS = ("GAIA_SOURCE_ID", "APOGEE_ID", "SDSS_ID", "TMASS_ID", "KIC", "EPIC")
#: Number that stands for a missing label in a key, and the factor of each label.
MISSING_IN_KEY = -1234.5
KEY_FACTORS = np.random.RandomState(0).standard_normal(len(LABEL_NAMES))
_BLOCK_ROWS = 65_536  # names turned into Python's text at a time


def label_keys(labels: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return one number for each row of labels, equal for equal rows."""
    key = np.zeros(len(labels))
    for column, factor in zip(labels.T, KEY_FACTORS, strict=False):
        # Files hold labels in single precision.
        key += factor * np.where(np.isfinite(column), column, MISSING_IN_KEY).astype(np.float32)
    return key


def find_sorted(keys: NDArray, wanted: NDArray) -> NDArray[np.intp]:
    """Return the position of each wanted key among sorted keys, or -1."""
    if len(keys) == 0:
        return np.full(len(wanted), -1)
    at = np.minimum(np.searchsorted(keys, wanted), len(keys) - 1)
    return np.where(keys[at] == wanted, at, -1)


def spectrum_keys(stars: Stars, rows: NDArray[np.intp]) -> NDArray[np.int64]:
    """Return the identifiers of the spectra in some rows (APSTAR_ID) as whole numbers, 0 where there is none."""
    return identifier_key(stars.text("APSTAR_ID")[rows])


def identifier_key(values: NDArray) -> NDArray[np.int64]:
    """Return one identifier of stars, numbers or texts, as whole numbers, 0 where there is none."""
    if values.dtype.kind in "iu":
        return np.where(values > 0, values, 0).astype(np.int64)
    keys = np.empty(len(values), dtype="<i8")
    for start in range(0, len(values), _BLOCK_ROWS):
        block = values[start : start + _BLOCK_ROWS].tolist()
        digests = (hashlib.blake2b(text.encode(), digest_size=8).digest() if text else bytes(8) for text in block)
        keys[start : start + len(block)] = np.frombuffer(b"".join(digests), dtype="<i8")
    return keys.astype(np.int64, copy=False)


def star_groups(stars: Stars) -> NDArray[np.int64]:
    """Number the stars: rows that share any identifier get the same number; a row without one is a star by itself."""
    n_rows = len(stars)
    known = [name for name in IDENTIFIERS if name in stars]
    if not known:
        return np.arange(n_rows)
    first = "APOGEE_ID" if "APOGEE_ID" in known else known[0]
    values = stars[first]
    groups = np.unique(values, return_inverse=True)[1].astype(np.int64)
    blank = values == values.dtype.type()
    groups[blank] = n_rows + np.arange(np.count_nonzero(blank))
    if len(known) == 1:
        return groups
    # Rows are one star if a chain of shared identifiers connects them.
    offset = int(np.max(groups, initial=0)) + 1
    edges = []
    for name in known:
        if name != first:
            keys = identifier_key(stars[name])
            rows = np.flatnonzero(keys != 0)
            node = np.unique(keys[rows], return_inverse=True)[1] + offset
            edges.append((groups[rows], node))
            offset = max(offset, int(np.max(node, initial=offset)) + 1)
    start, end = (np.concatenate(part) for part in zip(*edges, strict=True))
    graph = coo_array((np.ones(len(start), dtype=np.int8), (start, end)), shape=(offset, offset))
    component = connected_components(graph, directed=False)[1]
    # A star has the smallest number of its rows, so that the numbers stay those of the first identifier.
    smallest = np.full(component.max(initial=0) + 1, offset, dtype=np.int64)
    np.minimum.at(smallest, component[groups], groups)
    return smallest[component[groups]]
