"""What each training star belongs to: a source of labels, masses or distances, and a cluster."""

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from skdistmass.estimators.inputs import check_groups
from skdistmass.exceptions import InputError

__all__ = ["Sources", "checked_names", "join_groups", "number_sources"]


@dataclass(frozen=True)
class Sources:
    """What each training row belongs to.

    Attributes
    ----------
    source : ndarray of int, shape (n_rows,)
        Number of the row's source.
    reference : ndarray of bool, shape (n_sources,)
        Sources without an offset.
    cluster : ndarray of int, shape (n_rows,)
        Number of the row's cluster, -1 without one.
    """

    source: NDArray[np.int64]
    reference: NDArray[np.bool_]
    cluster: NDArray[np.int64]

    def __getitem__(self, rows: Any) -> "Sources":
        """Return the same of some rows."""
        return Sources(self.source[rows], self.reference, self.cluster[rows])


def checked_names(names: Any, n_rows: int, what: str) -> NDArray[np.str_] | None:
    """Return names as text without padding, of the right length; masked ones are blank."""
    if names is None:
        return None
    text = np.ma.filled(np.ma.asarray(names).astype(str), "")
    if text.shape != (n_rows,):
        raise InputError(f"{what} has shape {text.shape}; one name for each of the {n_rows} stars is needed.")
    return np.char.strip(text)


def number_sources(
    source: NDArray[np.str_], cluster: NDArray[np.str_], reference_sources: Any
) -> tuple[Sources, list[str], list[str]]:
    """Number the sources and clusters of the training rows; return these numbers and both lists of names."""
    names, codes, counts = np.unique(source, return_inverse=True, return_counts=True)
    wanted = {names[np.argmax(counts)]} if reference_sources is None else set(reference_sources)
    reference = np.array([name in wanted for name in names])
    if not reference.any():
        raise InputError(f"none of reference_sources {sorted(wanted)} is in the column of sources.")
    clusters = np.unique(cluster[cluster != ""])
    number = np.where(cluster == "", -1, np.searchsorted(clusters, cluster)).astype(np.int64)
    return Sources(codes, reference, number), names.tolist(), clusters.tolist()


def join_groups(groups: ArrayLike | None, cluster: NDArray[np.str_], n_rows: int) -> NDArray[np.int64]:
    """Put all stars of a cluster into one group."""
    own: Any = np.arange(n_rows) if groups is None else check_groups(groups, n_rows)
    joined = np.unique(own, return_inverse=True)[1]
    clusters, number = np.unique(cluster, return_inverse=True)
    member = cluster != ""
    joined = joined + len(clusters)
    joined[member] = number[member]
    return joined
