"""Keys by which a star is known again: its identifiers, or its labels where it has none."""

from __future__ import annotations

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
    "STEP",
    "find_sorted",
    "identifier_key",
    "label_keys",
    "mixed_bits",
    "spectrum_keys",
    "star_groups",
    "word_keys",
]

#: Identifiers of stars (not of spectra), in the order in which they are tried.
IDENTIFIERS = ("GAIA_SOURCE_ID", "APOGEE_ID", "SDSS_ID", "TMASS_ID", "KIC", "EPIC")
#: Number that stands for a missing label in a key, and the factor of each label.
MISSING_IN_KEY = -1234.5
KEY_FACTORS = np.random.RandomState(0).standard_normal(len(LABEL_NAMES))
#: What SplitMix64 adds at each step; also the key of a text without characters, before its bits are mixed.
STEP = np.uint64(0x9E3779B97F4A7C15)
_MULTIPLIERS = (np.uint64(0xBF58476D1CE4E5B9), np.uint64(0x94D049BB133111EB))
_BLOCK_ROWS = 65_536  # names looked at together


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
    values = values.astype(str, copy=False)  # bytes and Python's texts have the keys of the same characters
    pairs = (values.dtype.itemsize // 4 + 1) // 2
    blocks = (values[start : start + _BLOCK_ROWS] for start in range(0, len(values) or 1, _BLOCK_ROWS))
    return np.concatenate([word_keys(block.astype(f"<U{2 * pairs}")) for block in blocks])


def word_keys(texts: NDArray) -> NDArray[np.int64]:
    """Return keys of texts whose array is some words of eight bytes wide, 0 for a blank one.

    Texts of bytes have other keys than the same texts of characters.
    """
    keys = np.full(len(texts), STEP)
    for word in texts.view("<u8").reshape(len(texts), texts.itemsize // 8).T.astype(np.uint64):
        np.copyto(keys, mixed_bits(keys ^ word), where=word != 0)  # zeros fill a text up to the array's width
    return np.where(keys == STEP, 0, keys.view(np.int64))


def mixed_bits(state: NDArray[np.uint64]) -> NDArray[np.uint64]:
    """Scramble the bits of numbers, in place, as SplitMix64 does (Steele et al. 2014, OOPSLA 453)."""
    for shift, factor in zip((30, 27), _MULTIPLIERS, strict=True):
        state ^= state >> np.uint64(shift)
        state *= factor
    state ^= state >> np.uint64(31)
    return state


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
