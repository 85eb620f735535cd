"""Distributions of predictions, one for each star, with the methods of scipy.stats."""

from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.special import ndtr, ndtri
from sklearn.utils import check_random_state

from skdistmass.exceptions import InputError

__all__ = ["COVERAGES", "LEVELS", "MEDIAN", "PredictiveDistribution", "crps_of_quantiles"]

Floats = NDArray[np.float64]

#: Levels at which a distribution is known: even in the normal law's deviate up to 3.5 sigma.
LEVELS = ndtr(np.linspace(-3.5, 3.5, 71))
#: Coverage of an interval whose ends are the median, to rounding.
MEDIAN = 1e-9
#: Coverages of the intervals whose ends are the quantiles at these levels.
COVERAGES = np.array([MEDIAN, *(2.0 * LEVELS[len(LEVELS) // 2 + 1 :] - 1.0)])


class PredictiveDistribution:
    """Laws of one quantity, one for each star, known by their quantiles.

    Between the quantiles the law is even: `cdf` and `ppf` are straight lines there and `pdf` is a constant. The law
    ends at the first and the last quantile, which stand for the tails beyond them, too. Methods have the names and the
    broadcasting of `scipy.stats`' frozen distributions: an argument of shape (n_stars,) has one value for each star,
    one of shape (m, 1) gives an answer of shape (m, n_stars).

    Parameters
    ----------
    levels : array-like of shape (n_levels,)
        Probabilities, rising, from near 0 to near 1.
    quantiles : array-like of shape (n_stars, n_levels)
        Quantiles at these levels, not falling; a row with a NaN is a star without a law, and all its answers are NaN.

    Attributes
    ----------
    levels : ndarray of shape (n_levels,)
        As given, but for the ends, which are 0 and 1.
    quantiles : ndarray of shape (n_stars, n_levels)

    Raises
    ------
    InputError
        If shapes or orders are wrong.

    Examples
    --------
    >>> import numpy as np
    >>> from skdistmass.uncertainty import PredictiveDistribution
    >>> law = PredictiveDistribution([0.0, 0.5, 1.0], [[0.0, 1.0, 3.0], [1.0, 1.5, 2.0]])
    >>> law.median(), law.mean(), law.cdf([1.0, 1.5])
    (array([1. , 1.5]), array([1.25, 1.5 ]), array([0.5, 0.5]))
    >>> law.ppf([[0.25], [0.75]])
    array([[0.5 , 1.25],
           [2.  , 1.75]])
    """

    def __init__(self, levels: ArrayLike, quantiles: ArrayLike) -> None:
        self.levels = np.array(levels, dtype=np.float64)
        self.quantiles = np.array(quantiles, dtype=np.float64)
        if self.levels.ndim != 1 or len(self.levels) < 2 or not np.all(np.diff(self.levels) > 0):
            raise InputError("levels must be two or more rising probabilities.")
        if self.levels[0] < 0 or self.levels[-1] > 1:
            raise InputError(f"levels go from {self.levels[0]:g} to {self.levels[-1]:g}; they are probabilities.")
        if self.quantiles.ndim != 2 or self.quantiles.shape[1] != len(self.levels):
            raise InputError(
                f"quantiles have shape {self.quantiles.shape}; a row of {len(self.levels)} for each star is needed."
            )
        self.quantiles[np.isnan(self.quantiles).any(axis=1)] = np.nan
        if np.any(np.diff(self.quantiles, axis=1) < 0):
            raise InputError("the quantiles of a star cross: they must not fall with the level.")
        self.levels[[0, -1]] = 0.0, 1.0

    @classmethod
    def from_intervals(cls, intervals: Floats) -> "PredictiveDistribution":
        """Return the laws with the given intervals at `COVERAGES`, of shape (n_coverages, n_stars, 2)."""
        ends = np.concatenate([intervals[:0:-1, :, 0], intervals[:, :, 1]]).T
        return cls(LEVELS, np.sort(ends, axis=1))

    def __len__(self) -> int:
        """Return the number of stars."""
        return len(self.quantiles)

    def __getitem__(self, rows: Any) -> "PredictiveDistribution":
        """Return the laws of some stars."""
        return PredictiveDistribution(self.levels, np.atleast_2d(self.quantiles[rows]))

    def map(self, function: Callable[[Floats], Floats]) -> "PredictiveDistribution":
        """Return the laws of a function of the quantity that rises, or falls, everywhere.

        Parameters
        ----------
        function : callable
            Takes and returns an array of shape (n_stars, n_levels).

        Returns
        -------
        law : PredictiveDistribution
        """
        values = function(self.quantiles)
        if np.all((np.diff(values, axis=1) <= 0) | np.isnan(np.diff(values, axis=1))):
            return PredictiveDistribution(1.0 - self.levels[::-1], values[:, ::-1])
        return PredictiveDistribution(self.levels, values)

    def widened(self, error: ArrayLike) -> "PredictiveDistribution":
        """Return the laws of the quantity plus an independent normal error: each side is widened in quadrature.

        Parameters
        ----------
        error : array-like of shape (n_stars,) or float
            Standard deviation.

        Returns
        -------
        law : PredictiveDistribution
            With the same medians.
        """
        middle = self.median()[:, None]
        normal = ndtri(np.clip(self.levels, LEVELS[0], LEVELS[-1])) * np.reshape(np.asarray(error, np.float64), (-1, 1))
        sides = np.where(self.levels < 0.5, -1.0, 1.0)
        return PredictiveDistribution(self.levels, middle + sides * np.hypot(self.quantiles - middle, normal))

    def ppf(self, q: ArrayLike) -> Floats:
        """Return quantiles at probabilities `q`; NaN for what is no probability."""
        q = np.asarray(q, dtype=np.float64)
        shape = np.broadcast_shapes(q.shape, (len(self),))
        q = np.where((q >= 0) & (q <= 1), q, np.nan)
        at = np.minimum(np.searchsorted(self.levels, q, side="right") - 1, len(self.levels) - 2)
        share = (q - self.levels[at]) / np.diff(self.levels)[at]
        rows = np.broadcast_to(np.arange(len(self)), shape)
        low = self.quantiles[rows, np.broadcast_to(at, shape)]
        return low + share * (self.quantiles[rows, np.broadcast_to(at, shape) + 1] - low)

    def isf(self, q: ArrayLike) -> Floats:
        """Return the value that is exceeded with probability `q`."""
        return self.ppf(1.0 - np.asarray(q, dtype=np.float64))

    def _place(self, x: ArrayLike) -> tuple[Floats, NDArray[np.intp], NDArray[np.intp]]:
        """Return values, stars and intervals between quantiles, all of the shape of the answer."""
        x = np.asarray(x, dtype=np.float64)
        shape = np.broadcast_shapes(x.shape, (len(self),))
        x = np.broadcast_to(x, shape)
        at = np.zeros(shape, dtype=np.intp)
        for column in self.quantiles[:, 1:-1].T:
            at += x >= column
        return x, np.broadcast_to(np.arange(len(self)), shape), at

    def cdf(self, x: ArrayLike) -> Floats:
        """Return the probability of a value up to `x`."""
        x, rows, at = self._place(x)
        low, high = self.quantiles[rows, at], self.quantiles[rows, at + 1]
        with np.errstate(invalid="ignore", divide="ignore"):
            share = np.where(high > low, (x - low) / (high - low), x >= high)
        found = self.levels[at] + np.clip(share, 0.0, 1.0) * np.diff(self.levels)[at]
        return np.where(np.isnan(x) | np.isnan(low), np.nan, found)

    def sf(self, x: ArrayLike) -> Floats:
        """Return the probability of a value above `x`."""
        return 1.0 - self.cdf(x)

    def pdf(self, x: ArrayLike) -> Floats:
        """Return the probability density at `x`; infinite where quantiles coincide."""
        x, rows, at = self._place(x)
        low, high = self.quantiles[rows, at], self.quantiles[rows, at + 1]
        with np.errstate(divide="ignore"):
            density = np.diff(self.levels)[at] / (high - low)
        inside = (x >= self.quantiles[rows, 0]) & (x <= self.quantiles[rows, -1])
        return np.where(np.isnan(x) | np.isnan(low), np.nan, np.where(inside, density, 0.0))

    def logpdf(self, x: ArrayLike) -> Floats:
        """Return the natural logarithm of the density."""
        with np.errstate(divide="ignore"):
            return np.log(self.pdf(x))

    def mean(self) -> Floats:
        """Return the mean of each star, shape (n_stars,)."""
        return 0.5 * (self.quantiles[:, 1:] + self.quantiles[:, :-1]) @ np.diff(self.levels)

    def var(self) -> Floats:
        """Return the variance of each star, shape (n_stars,)."""
        offset = self.quantiles - self.mean()[:, None]
        low, high = offset[:, :-1], offset[:, 1:]
        return (low**2 + low * high + high**2) / 3.0 @ np.diff(self.levels)

    def std(self) -> Floats:
        """Return the standard deviation of each star, shape (n_stars,)."""
        return np.sqrt(self.var())

    def median(self) -> Floats:
        """Return the median of each star, shape (n_stars,)."""
        return self.ppf(0.5)

    def interval(self, confidence: float) -> tuple[Floats, Floats]:
        """Return the ends of the interval with equal tails that holds the value with probability `confidence`."""
        return self.ppf(0.5 - 0.5 * confidence), self.ppf(0.5 + 0.5 * confidence)

    def support(self) -> tuple[Floats, Floats]:
        """Return the ends of each law."""
        return self.quantiles[:, 0], self.quantiles[:, -1]

    def rvs(self, size: int | None = None, random_state: Any = None) -> Floats:
        """Draw values.

        Parameters
        ----------
        size : int, optional
            Number of draws of each star; one if it is not given.
        random_state : int, RandomState, Generator or None
            Seed.

        Returns
        -------
        values : ndarray of shape (size, n_stars), or (n_stars,) without `size`
        """
        shape = (len(self),) if size is None else (size, len(self))
        if isinstance(random_state, np.random.Generator):
            return self.ppf(random_state.random(shape))
        return self.ppf(check_random_state(random_state).random_sample(shape))

    def crps(self, x: ArrayLike) -> Floats:
        """Return the continuous ranked probability score of observed values: 0 is best, in the unit of the quantity.

        Parameters
        ----------
        x : array-like of shape (n_stars,)
            Observed values.

        Returns
        -------
        crps : ndarray of shape (n_stars,)

        References
        ----------
        Gneiting & Raftery 2007, J. Am. Stat. Assoc. 102, 359.
        """
        return crps_of_quantiles(self.levels, self.quantiles, np.asarray(x, dtype=np.float64))


def crps_of_quantiles(levels: Floats, quantiles: Floats, x: Floats) -> Floats:
    """Integrate the square of the difference between a piecewise linear distribution function and a step, exactly.

    Parameters
    ----------
    levels : ndarray of shape (n_levels,)
        From 0 to 1.
    quantiles : ndarray of shape (n_stars, n_levels)
    x : ndarray of shape (n_stars,)
        Where the steps are.

    Returns
    -------
    crps : ndarray of shape (n_stars,)
    """
    low, high = quantiles[:, :-1], quantiles[:, 1:]
    below, above = levels[:-1], levels[1:]
    cut = np.clip(x[:, None], low, high)
    width = high - low
    with np.errstate(invalid="ignore", divide="ignore"):
        share = np.where(width > 0, (cut - low) / width, 0.0)
    middle = below + share * (above - below)

    def square(start, stop, length):
        return length * (start**2 + start * stop + stop**2) / 3.0

    left = square(below, middle, cut - low)
    right = square(1.0 - middle, 1.0 - above, high - cut)
    outside = np.maximum(quantiles[:, 0] - x, 0.0) + np.maximum(x - quantiles[:, -1], 0.0)
    return (left + right).sum(axis=1) + outside
