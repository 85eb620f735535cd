"""Random numbers of stars: each star has its own, whatever stars it comes with."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.special import ndtri

from skdistmass.estimators.star_keys import IDENTIFIERS, STEP, identifier_key, label_keys, mixed_bits
from skdistmass.surveys.stars import Stars

__all__ = ["StarRandom"]

Floats = NDArray[np.float64]


class StarRandom:
    """Random numbers for stars, from a seed and a key of each star.

    A star has the same numbers whatever rows it comes with, so that its draws do not depend on how a survey is cut into
    chunks. Two spectra of one star have the same numbers.

    Parameters
    ----------
    keys : ndarray of shape (n_stars,)
        A 64-bit number for each star.
    seed : int, default=0
        Another seed gives other numbers.

    Notes
    -----
    SplitMix64 (Steele et al. 2014, OOPSLA 453), started anew for each star and each call.

    Examples
    --------
    >>> import numpy as np
    >>> from skdistmass.model.star_random import StarRandom
    >>> keys = np.array([5, 7, 9])
    >>> every, last = StarRandom(keys).random((3, 2)), StarRandom(keys[2:]).random((1, 2))
    >>> np.array_equal(every[2:], last)
    True
    """

    def __init__(self, keys: NDArray, seed: int = 0) -> None:
        self.seed = int(seed)
        self.keys = np.asarray(keys).astype(np.int64).view(np.uint64)
        self._calls = 0

    @classmethod
    def of(cls, stars: Stars, seed: int = 0) -> StarRandom:
        """Return the random numbers of stars, by their first known identifier, or by their labels without one."""
        keys = label_keys(stars.labels).view(np.int64)
        for known in (identifier_key(stars[name]) for name in reversed(IDENTIFIERS) if name in stars):
            keys = np.where(known != 0, known, keys)
        return cls(keys, seed)

    def __getitem__(self, rows: Any) -> StarRandom:
        """Return those of some stars, from the start."""
        return StarRandom(self.keys[rows].view(np.int64), self.seed)

    def random(self, size: tuple[int, ...]) -> Floats:
        """Return numbers between 0 and 1, without the ends; stars run along the last axis but one of `size`."""
        *before, n_stars, n_numbers = size
        if n_stars != len(self.keys):
            raise ValueError(f"numbers for {n_stars} stars are wanted from those of {len(self.keys)}.")
        self._calls += 1
        with np.errstate(over="ignore"):
            start = mixed_bits(
                self.keys ^ mixed_bits(np.array([self.seed * 65_536 + self._calls]).astype(np.uint64) * STEP)
            )
            count = np.arange(1, int(np.prod(before, dtype=int)) * n_numbers + 1, dtype=np.uint64) * STEP
            state = count.reshape(*before, 1, n_numbers) + start[:, None]
            mixed = mixed_bits(state)
        mixed >>= np.uint64(11)
        found = mixed.astype(np.float64)
        found += 0.5
        found *= 2.0**-53
        return found

    def standard_normal(self, size: tuple[int, ...]) -> Floats:
        """Return normal numbers; `size` as for `random`."""
        found = self.random(size)
        return ndtri(found, out=found)
