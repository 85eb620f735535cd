"""Draw a sample of stars from a catalogue in many partitions, the same whatever the partitions are."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from skdistmass.exceptions import ColumnError, InputError
from skdistmass.tables import as_floats, as_text

if TYPE_CHECKING:
    import pandas as pd
    from numpy.typing import NDArray

__all__ = ["sample_stars"]

#: Column and edges of its bins.
_Bins = tuple[tuple[str, tuple[float, ...]], ...]


def sample_stars(
    catalog: Any,
    n: int,
    *,
    by: Mapping[str, Sequence[float]] | None = None,
    key: str,
    columns: Sequence[str] | None = None,
    random_state: int = 0,
) -> pd.DataFrame:
    """Draw stars for a training set, as many from each bin of labels as there are, up to equal numbers.

    Every star has a number made of its identifier and the seed, and the lowest ones of each bin are taken. So the
    sample does not depend on partitions, their order, or the number of workers. The catalogue is read twice: to count,
    and to fetch about as many stars as are wanted.

    Parameters
    ----------
    catalog : lsdb.Catalog, dask.dataframe.DataFrame or pandas.DataFrame
    n : int
        Number of stars.
    by : mapping of str to sequence of float, optional
        For each column the edges of its bins; stars outside of them, or without a value, are left out. By default all
        stars are in one bin.
    key : str
        Column that identifies a star: text, or whole numbers.
    columns : sequence of str, optional
        Columns to return; by default all.
    random_state : int, default=0
        Another seed gives another sample.

    Returns
    -------
    stars : pandas.DataFrame
        `n` rows in random order, or all there are in the bins.

    Raises
    ------
    ColumnError
        If a column is absent.
    InputError
        If `n`, `by` or `random_state` can't be used.

    Examples
    --------
    >>> import pandas as pd
    >>> from skdistmass.distributed import sample_stars
    >>> stars = pd.DataFrame({"source_id": range(1000), "LOGG": [2.5] * 990 + [1.5] * 10})
    >>> found = sample_stars(stars, 100, by={"LOGG": [1, 2, 3]}, key="source_id")
    >>> found["LOGG"].value_counts().to_dict()
    {2.5: 90, 1.5: 10}
    """
    for name, value, least in (("n", n, 1), ("random_state", random_state, 0)):
        if isinstance(value, bool) or not isinstance(value, int | np.integer) or value < least:
            raise InputError(f"{name} is {value!r}; give a whole number of {least} or more.")
    bins = _bins(by or {})
    known = list(catalog.columns)
    wanted = known if columns is None else list(columns)
    absent = [name for name in dict.fromkeys([key, *(name for name, _ in bins), *wanted]) if name not in known]
    if absent:
        raise ColumnError(f"no column {', '.join(absent)}; the catalogue has {', '.join(map(str, known))}.")
    counted = _run(catalog[list(dict.fromkeys([key, *(name for name, _ in bins)]))], _count, (bins,))
    counts = counted.groupby("bin")["rows"].sum()
    quotas = _quotas(counts.to_numpy(), int(n))
    read = catalog[list(dict.fromkeys([key, *(name for name, _ in bins), *wanted]))]
    # Somewhat more than the expected share of numbers holds the lowest ones; if ever not, all are fetched.
    for share in (_shares(counts.to_numpy(), quotas), np.ones(len(quotas))):
        limits = tuple(zip(counts.index.tolist(), share.tolist(), strict=True))
        found = _run(read, _lowest, (bins, key, int(random_state), limits))
        number, where = _numbers(found, key, int(random_state)), _bin_of(found, bins)
        order = np.argsort(number, kind="stable")
        taken = order[_rank(where[order]) < _lookup(where[order], counts.index.to_numpy(), quotas)]
        if len(taken) == quotas.sum():
            break
    return found.iloc[taken][wanted]


def _bins(by: Mapping[str, Sequence[float]]) -> _Bins:
    bins = []
    for name, edges in by.items():
        values = np.asarray(edges, dtype=float)
        if values.ndim != 1 or len(values) < 2 or not np.all(np.diff(values) > 0):
            raise InputError(f"by has {edges!r} for {name}; give at least two edges in increasing order.")
        bins.append((str(name), tuple(values.tolist())))
    return tuple(bins)


def _run(catalog: Any, function: Any, arguments: tuple) -> pd.DataFrame:
    """Apply a function to every partition and put the results together."""
    if not hasattr(catalog, "map_partitions"):
        return function(catalog, *arguments)
    like = catalog.meta if hasattr(catalog, "hc_structure") else catalog._meta
    lazy = catalog.map_partitions(function, *arguments, meta=function(like, *arguments))
    return lazy.compute(progress_bar=False) if hasattr(catalog, "hc_structure") else lazy.compute()


def _count(frame: pd.DataFrame, bins: _Bins) -> pd.DataFrame:
    import pandas as pd

    found, rows = np.unique(_bin_of(frame, bins), return_counts=True)
    inside = found >= 0
    return pd.DataFrame({"bin": found[inside].astype(np.int64), "rows": rows[inside].astype(np.int64)})


def _lowest(
    frame: pd.DataFrame, bins: _Bins, key: str, seed: int, limits: tuple[tuple[int, float], ...]
) -> pd.DataFrame:
    """Return the rows whose numbers are below the limit of their bin."""
    known, shares = (np.array(part) for part in zip(*limits, strict=True)) if limits else (np.zeros(0), np.zeros(0))
    share = _lookup(_bin_of(frame, bins), known, shares)
    return frame[_numbers(frame, key, seed) < share * 2.0**64]


def _bin_of(frame: pd.DataFrame, bins: _Bins) -> NDArray[np.int64]:
    """Return the number of each row's bin, -1 outside of all."""
    place, outside = np.zeros(len(frame), dtype=np.int64), np.zeros(len(frame), dtype=bool)
    for name, edges in bins:
        values = as_floats(frame[name], name=name)
        position = np.searchsorted(edges, values, side="right") - 1
        outside |= ~(values >= edges[0]) | ~(values < edges[-1])
        place = place * (len(edges) - 1) + position
    return np.where(outside, -1, place)


def _numbers(frame: pd.DataFrame, key: str, seed: int) -> NDArray[np.uint64]:
    """Return a number between 0 and 2^64 for each row, made of its identifier."""
    from pandas.util import hash_array

    texts = as_text(frame[key], name=key).astype(object)
    return hash_array(texts, hash_key=f"{seed:016d}"[-16:], categorize=False)


def _quotas(counts: NDArray[np.int64], n: int) -> NDArray[np.int64]:
    """Share `n` among bins: equal numbers, and what a small bin lacks is shared among the others."""
    quotas = np.zeros(len(counts), dtype=np.int64)
    left = min(n, int(counts.sum()))
    while left > 0:
        free = np.flatnonzero(counts > quotas)
        each, rest = divmod(left, len(free))
        quotas[free] += np.minimum(counts[free] - quotas[free], each + (np.arange(len(free)) < rest))
        left = min(n, int(counts.sum())) - int(quotas.sum())
    return quotas


def _shares(counts: NDArray[np.int64], quotas: NDArray[np.int64]) -> NDArray[np.float64]:
    return np.minimum((quotas + 6.0 * np.sqrt(quotas) + 20.0) / np.maximum(counts, 1), 1.0)


def _lookup(where: NDArray, known: NDArray, values: NDArray) -> NDArray:
    """Return the value of each row's bin, 0 outside of all; `known` are the bins in order."""
    if len(known) == 0:
        return np.zeros(len(where))
    position = np.searchsorted(known, where).clip(0, len(known) - 1)
    return np.where(known[position] == where, values[position], 0)


def _rank(where: NDArray[np.int64]) -> NDArray[np.int64]:
    """Return how many rows before each are of the same bin."""
    order = np.argsort(where, kind="stable")
    starts = np.flatnonzero(np.diff(where[order], prepend=-2))
    rank = np.empty(len(where), dtype=np.int64)
    rank[order] = np.arange(len(where)) - np.repeat(starts, np.diff([*starts, len(where)]))
    return rank
