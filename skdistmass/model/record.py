"""What a model remembers of the stars it was trained on, so that it knows them again."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from skdistmass.estimators.star_keys import IDENTIFIERS, find_sorted, identifier_key, label_keys, spectrum_keys
from skdistmass.exceptions import InputError
from skdistmass.surveys.stars import Stars

__all__ = ["TrainingRecord"]


@dataclass(frozen=True, eq=False)
class TrainingRecord:
    """The training stars of a model, one entry for each spectrum.

    A star is found by its identifiers, whatever its labels are. A row that shares no identifier with the training
    stars is found by its labels, if all of them are equal.

    Attributes
    ----------
    identifiers : dict of ndarray of int64
        Keys of the identifiers, by name; 0 where one is missing.
    keys : ndarray of float
        Keys of the five labels, in rising order.
    short_keys : ndarray of float
        Keys of Teff, log g and [M/H].
    spectra : ndarray of int64
        Keys of the spectra's identifiers (APSTAR_ID); 0 where one is missing.
    bits : ndarray of int32
        Bits of BITMASK.
    folds : dict of ndarray of int
        By name of a network: the fold in which the star was kept back from its training, -1 if there was none.
    """

    identifiers: Mapping[str, NDArray[np.int64]]
    keys: NDArray[np.float64]
    short_keys: NDArray[np.float64]
    spectra: NDArray[np.int64]
    bits: NDArray[np.int32]
    folds: Mapping[str, NDArray[np.int16]]
    _sorted: dict[str, tuple[NDArray, NDArray[np.intp]]] = field(default_factory=dict, init=False, repr=False)

    def __post_init__(self) -> None:
        columns: list[NDArray[Any]] = [*self.identifiers.values(), *self.folds.values()]
        columns += [self.keys, self.short_keys, self.spectra, self.bits]
        if len({column.shape for column in columns}) > 1 or self.keys.ndim != 1:
            raise InputError("the columns of the training stars differ in length.")
        if any(column.dtype.kind not in "iuf" for column in columns):
            raise InputError("the columns of the training stars are not numbers.")

    @classmethod
    def of(
        cls,
        stars: Stars,
        labels: NDArray[np.float64],
        trained: NDArray[np.bool_],
        bits: NDArray[np.int32],
        folds: Mapping[str, NDArray[np.int16]],
    ) -> TrainingRecord:
        """Make the record of the rows that were trained on."""
        rows = np.flatnonzero(trained)
        keys = label_keys(labels[rows])
        order = np.argsort(keys, kind="stable")
        rows = rows[order]
        return cls(
            {name: identifier_key(stars[name][rows]) for name in IDENTIFIERS if name in stars},
            keys[order],
            label_keys(labels[rows, :3]),
            spectrum_keys(stars, rows),
            bits[rows],
            {name: values[rows] for name, values in folds.items()},
        )

    def find(self, stars: Stars, labels: NDArray[np.float64]) -> NDArray[np.intp]:
        """Return the entry of each star, or -1."""
        found = np.full(len(stars), -1)
        for name, known in self.identifiers.items():
            if name in stars:
                rows = np.flatnonzero(found < 0)  # a key of a text takes time
                keys = identifier_key(stars[name][rows])
                found[rows] = np.where(keys != 0, self._look_up(name, known, keys), -1)
        return np.where(found < 0, self._look_up("keys", self.keys, label_keys(labels)), found)

    def find_by_three(self, labels: NDArray[np.float64]) -> NDArray[np.intp]:
        """Return the entry of each star by Teff, log g and [M/H] alone, or -1."""
        return self._look_up("short_keys", self.short_keys, label_keys(labels[:, :3]))

    def bits_of(self, stars: Stars, entries: NDArray[np.intp]) -> NDArray[np.int32]:
        """Return the bits of BITMASK for stars whose entries `find` gave.

        Of a training star that has several spectra, those that were not trained on have no bits, if their identifiers
        tell them apart.
        """
        bits = np.zeros(len(entries), dtype=np.int32)
        rows = np.flatnonzero(entries >= 0)
        keys, own = spectrum_keys(stars, rows), entries[rows]
        told_apart = (keys != 0) & (self.spectra[own] != 0)
        same = self._look_up("spectra", self.spectra, keys)
        bits[rows] = np.where(told_apart, np.where(same >= 0, self.bits[same], 0), self.bits[own])
        return bits

    def _look_up(self, name: str, known: NDArray, wanted: NDArray) -> NDArray[np.intp]:
        if name not in self._sorted:
            order = np.argsort(known, kind="stable")
            self._sorted[name] = known[order], order
        in_order, order = self._sorted[name]
        at = find_sorted(in_order, wanted)
        return np.where(at >= 0, order[at], -1) if len(order) else at

    def fold(self, name: str, entries: NDArray[np.intp]) -> NDArray[np.int16]:
        """Return the fold of a network for entries of `find`; -1 for stars it was not trained on."""
        if name not in self.folds or len(self.keys) == 0:
            return np.full(len(entries), -1, dtype=np.int16)
        return np.where(entries >= 0, self.folds[name][entries], -1)
