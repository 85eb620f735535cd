"""Robust fits, statistics in bins, and tests of two samples, all with errors."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
from astropy.table import Table
from numpy.typing import ArrayLike, NDArray
from scipy.special import ndtr
from scipy.stats import ks_2samp
from sklearn.linear_model import HuberRegressor

from skdistmass.uncertainty import NORMAL_TO_MAD, robust_scatter
from skdistmass.validation.requirements import MissingInputError, require_stars

__all__ = ["FittedBin", "LinearFit", "binned_statistics", "compare_samples", "fit_in_bins", "robust_fit"]

_EPSILON = 1.345  # 95 % efficiency for normal errors (Huber 1981)
_STARS_PER_TERM = 8
MIN_PER_BIN = 5


@dataclass(frozen=True)
class LinearFit:
    """A robust linear fit: value where all terms are 0, slopes and errors by term, scale of the residuals, stars."""

    intercept: float
    slopes: dict[str, float]
    errors: dict[str, float]
    scatter: float
    n_stars: int

    def p_value(self, term: str) -> float:
        """Return the probability of a slope as large as this by chance, if there is none."""
        return float(2.0 * ndtr(-abs(self.slopes[term] / self.errors[term])))

    def at(self, **terms: ArrayLike) -> NDArray[np.float64]:
        """Return the fitted value where the terms have these values."""
        return np.asarray(self.intercept) + sum(self.slopes[name] * np.asarray(value) for name, value in terms.items())


@dataclass(frozen=True)
class FittedBin:
    """Edges of a bin, rows of its stars that have all values, and the fit to them: None if they are too few."""

    low: float
    high: float
    rows: NDArray[np.intp]
    fit: LinearFit | None


def robust_fit(y: NDArray, **terms: NDArray) -> LinearFit:
    """Fit a linear function of named terms, and a constant, with Huber's loss; stars with a NaN anywhere are left out.

    The errors hold for uneven scatter: they are those of an M-estimator by the sandwich formula (Huber & Ronchetti
    2009, Robust Statistics, section 7.6). Raise `MissingInputError` if there are fewer than eight stars for each
    coefficient.

    >>> x = np.linspace(-1, 1, 50)
    >>> y = 0.5 * x + np.where(np.arange(50) % 10 == 5, 20.0, 0.01 * np.sin(99 * x))
    >>> round(robust_fit(y, x=x).slopes["x"], 2)
    0.5
    """
    columns = np.column_stack(list(terms.values()))
    usable = np.isfinite(y) & np.isfinite(columns).all(axis=1)
    columns, y = columns[usable], y[usable]
    require_stars(len(y), _STARS_PER_TERM * (len(terms) + 1), "stars are left for a fit")
    center, scale = columns.mean(axis=0), columns.std(axis=0)
    scale = np.where(scale > 0, scale, 1.0)
    unit = max(float(np.std(y)), 1e-12)
    standard = (columns - center) / scale
    huber = HuberRegressor(epsilon=_EPSILON, alpha=1e-8, max_iter=1000).fit(standard, y / unit)
    design = np.column_stack([standard, np.ones(len(y))])
    width = max(huber.scale_, 1e-9)
    residual = (y / unit - huber.predict(standard)) / width
    bread = design.T @ (design * (np.abs(residual) <= _EPSILON)[:, None])
    psi = np.clip(residual, -_EPSILON, _EPSILON)
    inverse = np.linalg.pinv(bread)
    covariance = inverse @ (design.T * psi**2 @ design) @ inverse * (width * unit) ** 2
    slopes = huber.coef_ * unit / scale
    errors = np.sqrt(np.diag(covariance))[:-1] / scale
    intercept = huber.intercept_ * unit - slopes @ center
    by_term, errors_by_term = (dict(zip(terms, values.tolist(), strict=True)) for values in (slopes, errors))
    return LinearFit(float(intercept), by_term, errors_by_term, float(width * unit), len(y))


def fit_in_bins(
    by: NDArray, bins: Iterable[tuple[float, float]], chosen: NDArray, y: NDArray, **terms: NDArray
) -> list[FittedBin]:
    """Make a robust fit of the chosen stars in each bin, whose lower edge is inside and whose upper edge is not."""
    usable = chosen & np.isfinite(y) & np.isfinite(list(terms.values())).all(axis=0)
    fitted = []
    for low, high in bins:
        rows = np.flatnonzero(usable & (by >= low) & (by < high))
        try:
            fit = robust_fit(y[rows], **{name: values[rows] for name, values in terms.items()})
        except MissingInputError:
            fit = None
        fitted.append(FittedBin(low, high, rows, fit))
    return fitted


def compare_samples(first: NDArray, second: NDArray) -> dict[str, float]:
    """Compare two samples: medians, their difference with a bootstrap error, and a Kolmogorov-Smirnov test.

    Return a dict of N_1, N_2, MEDIAN_1, MEDIAN_2, DIFFERENCE (second minus first), DIFFERENCE_ERR, KS (largest
    difference of the cumulative distributions) and P_VALUE.
    """
    rng = np.random.default_rng(0)
    drawn = [[np.median(rng.choice(values, len(values))) for _ in range(300)] for values in (first, second)]
    medians = np.median(first), np.median(second)
    test = ks_2samp(first, second, method="asymp")
    return {
        **{"N_1": len(first), "N_2": len(second), "MEDIAN_1": medians[0], "MEDIAN_2": medians[1]},
        "DIFFERENCE": medians[1] - medians[0],
        "DIFFERENCE_ERR": np.std(np.subtract(drawn[1], drawn[0])),
        "KS": test.statistic,
        "P_VALUE": test.pvalue,
    }


def binned_statistics(
    by: NDArray, error: NDArray, edges: Sequence[float], *, name: str, reference_error: NDArray | None = None
) -> Table:
    """Compute bias, scatter and quartiles of an error in bins of another quantity, called `name`; NaN are left out.

    Columns are ``<name>_LO``, ``<name>_HI``, ``<name>`` (median); N; BIAS, the median error; SCATTER, 1.4826 times the
    median absolute deviation from the median; MAD_STD, 1.4826 times the median absolute error; Q25 and Q75, quartiles
    of the absolute error; REFERENCE_ERR, median error of the reference. Bins of fewer than five stars are left out;
    raise `MissingInputError` if no bin has them.

    >>> table = binned_statistics(np.full(100, 2.5), np.linspace(-0.1, 0.3, 100), (2, 3), name="LOGG")
    >>> float(table["BIAS"][0]), int(table["N"][0])
    (0.1, 100)
    """
    usable = np.isfinite(by) & np.isfinite(error)
    known = np.full(len(by), np.nan) if reference_error is None else reference_error
    rows = []
    for low, high in pairwise(edges):
        chosen = usable & (by >= low) & (by < high)
        values = error[chosen]
        if len(values) < MIN_PER_BIN:
            continue
        q25, q50, q75 = np.percentile(np.abs(values), [25, 50, 75])
        row = [low, high, np.median(by[chosen]), len(values), np.median(values), robust_scatter(values)]
        stated = known[chosen & np.isfinite(known)]
        rows.append([*row, NORMAL_TO_MAD * q50, q25, q75, np.median(stated) if len(stated) else np.nan])
    names = [f"{name}_LO", f"{name}_HI", name, "N", "BIAS", "SCATTER", "MAD_STD", "Q25", "Q75", "REFERENCE_ERR"]
    require_stars(len(rows), 1, f"bins of {name} with {MIN_PER_BIN} stars")
    table = Table(rows=rows, names=names)
    table["N"] = table["N"].astype(int)
    return table
