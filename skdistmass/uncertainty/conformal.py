"""Errors of predictions whose scatter follows the labels, calibrated on out-of-fold residuals.

The scatter and the shape of the errors are learned without the known errors of the training target. The quantiles are
calibrated on the residuals (distributional conformal prediction; Chernozhukov et al. 2021, PNAS 118, e2107794118).
"""

import warnings
from typing import Self

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.special import ndtr

from skdistmass.exceptions import InputError, SmallSampleWarning
from skdistmass.uncertainty.error_law import (
    cross_fitted_ranks,
    fit_error_law,
    fit_terms,
    law_quantiles,
    residual_probability,
)
from skdistmass.uncertainty.statistics import MIN_ROWS, robust_scatter

__all__ = ["ConformalErrors"]

_LEVELS = np.concatenate([np.geomspace(1e-4, 0.02, 25)[:-1], np.linspace(0.02, 0.98, 193)])
_LEVELS = np.unique(np.concatenate([_LEVELS, 1.0 - _LEVELS]))
# A term of the scatter needs this many stars; with the stars that carry all terms of five labels, or more, the law is
# so well known that its quantiles need no cross-fitting.
_ROWS_PER_TERM = 40
_MANY_ROWS = 36 * _ROWS_PER_TERM
_FEW_ROWS = 100  # below, the coverage of an interval of 68 % is uncertain by 5 % or more
_MOST_ROWS = 10_000  # residuals that the law of errors is learned from, at the most
_LEAST_SCATTER = 0.02  # of that of the residuals: if errors of references explain them all, there is no other limit
MOST_NOISE = 0.9  # share of the scatter's square that label noise may have
DEGREE = 5  # of the polynomials in each label


class ConformalErrors:
    """Scatter that follows the labels, with quantiles calibrated on out-of-fold residuals.

    The error of star i is ``s(x_i) z``. ``log s`` is a polynomial of the labels (of fifth degree in each label alone,
    with the products of any two; fewer terms in small sets), constant beyond the central 99 % of the training stars.
    z has the same law for all stars. Scatter and law are found by maximum likelihood from the residuals, which also
    contain the known errors of the target. Then the quantiles are moved so that the right fraction of residuals is
    below each.

    Attributes
    ----------
    center_, scale_ : ndarray of shape (n_labels,)
        What standardises the labels.
    lower_, upper_ : ndarray of shape (n_labels,)
        Bounds of the standardised labels.
    coef_ : ndarray of shape (n_terms,)
        Coefficients of ``log s``, in the order of `_terms`.
    log_range_ : ndarray of shape (2,)
        Smallest and largest ``log s`` of the training stars, not below a fiftieth of the residuals' scatter; there are
        no others.
    levels_, quantiles_ : ndarray
        Quantile function of z.
    noise_coef_, noise_log_range_ : ndarray or None
        Coefficients and range of the logarithm of the label-noise variance of the training stars, if their label errors
        were known; the part of ``s^2`` that measured label errors of new stars replace.
    spread_ : float
        Largest standard deviation that label noise is counted with.
    n_rows_ : int
        Number of residuals given.
    """

    def fit(
        self,
        X: NDArray[np.float64],
        residual: NDArray[np.float64],
        target_error: NDArray[np.float64] | None = None,
        label_noise: NDArray[np.float64] | None = None,
        spread: float = np.inf,
    ) -> Self:
        """Learn the scatter.

        Parameters
        ----------
        X : ndarray of shape (n_stars, n_labels)
            Labels of the stars.
        residual : ndarray of shape (n_stars,)
            Target minus out-of-fold prediction. Of more than 10,000, as many are drawn.
        target_error : ndarray of shape (n_stars,), optional
            Standard deviation of the target itself.
        label_noise : ndarray of shape (n_stars,), optional
            Variance of the prediction due to the labels' errors; NaN where unknown.
        spread : float, default=inf
            Standard deviation of the target among the training stars. Label noise counts up to it: without any
            knowledge of a label the scatter is that of all stars, and a linear estimate fails so far away.

        Returns
        -------
        self : ConformalErrors

        Raises
        ------
        InputError
            If there are fewer than 50 residuals, or all are the same.

        Warns
        -----
        SmallSampleWarning
            If there are fewer than 100.
        """
        n_rows = len(residual)
        if n_rows < MIN_ROWS:
            raise InputError(f"{n_rows} stars are too few to calibrate errors on; {MIN_ROWS} are needed.")
        if n_rows < _FEW_ROWS:
            warnings.warn(
                f"errors are calibrated on {n_rows} stars only: the coverage of a 68 % interval is uncertain by "
                f"{100 * np.sqrt(0.683 * 0.317 / n_rows):.0f} %. Train on {_FEW_ROWS} stars or more, or use "
                "error_model='paper'.",
                SmallSampleWarning,
                stacklevel=2,
            )
        self.n_rows_ = n_rows
        self.spread_ = float(spread)
        self.center_ = X.mean(axis=0)
        self.scale_ = np.where(X.std(axis=0) > 1e-12 * (1.0 + np.abs(self.center_)), X.std(axis=0), 1.0)
        standard = (X - self.center_) / self.scale_
        self.lower_, self.upper_ = np.percentile(standard, [0.5, 99.5], axis=0)
        rows = np.arange(n_rows)
        if n_rows > _MOST_ROWS:
            rows = np.sort(np.random.default_rng(0).choice(n_rows, _MOST_ROWS, replace=False))
        terms, residual = self._terms(X[rows]), residual[rows]
        unit = robust_scatter(residual) or np.std(residual)
        if not unit > 1e-12 * np.abs(residual).max():
            raise InputError(
                "all residuals are the same, so that there is no scatter to learn; is the target the same for all "
                "stars? Use error_model='paper', or None."
            )
        residual = residual / unit
        noise = np.zeros(len(rows)) if target_error is None else target_error[rows] / unit
        used = self._used_terms(len(rows))
        coef, weights = fit_error_law(terms[:, used], residual, noise)
        log_scatter = terms[:, used] @ coef
        self.coef_ = np.zeros(terms.shape[1])
        self.coef_[used] = coef
        if n_rows < _MANY_ROWS:
            rank = cross_fitted_ranks(terms[:, used], residual, noise)
        else:
            rank = residual_probability(residual, np.exp(log_scatter), noise, weights)
        self.levels_ = _LEVELS
        self.quantiles_ = law_quantiles(_conformal_quantiles(rank), weights)
        # The scatter is to be half the width of the 68.27 % interval, so that a variance can be added to its square.
        half_width = 0.5 * np.ptp(self.quantile(ndtr([-1.0, 1.0])))
        self.quantiles_ /= half_width
        shift = np.log(unit * half_width)
        self.coef_[0] += shift
        lowest = max(log_scatter.min(), np.log(_LEAST_SCATTER))
        self.log_range_ = shift + np.array([lowest, max(lowest, log_scatter.max())])
        self.noise_coef_ = self.noise_log_range_ = None
        if label_noise is not None:
            self._fit_label_noise(terms, label_noise[rows], used)
        return self

    def _fit_label_noise(self, terms, label_noise, used):
        """Learn the label noise of the training stars, if enough of it is known."""
        known = np.isfinite(label_noise) & (label_noise > 0)
        if np.count_nonzero(known) < MIN_ROWS:
            return
        counted = np.minimum(label_noise[known], self.spread_**2)
        self.noise_coef_ = np.zeros(terms.shape[1])
        self.noise_coef_[used] = fit_terms(terms[np.ix_(known, used)], np.log(counted))
        # A fit to logarithms gives less than the mean, and the residuals contain the mean.
        self.noise_coef_[0] += np.log(np.mean(counted / np.exp(terms[known] @ self.noise_coef_)))
        fitted = terms[known] @ self.noise_coef_
        self.noise_log_range_ = np.array([fitted.min(), fitted.max()])

    def _used_terms(self, n_rows):
        """Numbers of the terms that so many stars can carry: of lower degree, and without products, in small sets."""
        n = len(self.center_)
        n_terms = [1 + degree * n for degree in range(DEGREE)] + [1 + DEGREE * n + n * (n - 1) // 2]
        return np.arange(max(count for count in n_terms if count * _ROWS_PER_TERM <= n_rows))

    def _terms(self, X):
        """Terms of the scatter's logarithm: 1, all z_i, all z_i^2 ... z_i^5, and z_i z_j of bounded, scaled labels."""
        z = np.ascontiguousarray(np.clip((X - self.center_) / self.scale_, self.lower_, self.upper_).T)
        n = len(z)
        terms = np.empty((1 + DEGREE * n + n * (n - 1) // 2, z.shape[1]))
        terms[0] = 1.0
        terms[1 : 1 + n] = z
        for start in range(1, 1 + (DEGREE - 1) * n, n):
            np.multiply(terms[start : start + n], z, out=terms[start + n : start + 2 * n])
        row = 1 + DEGREE * n
        for i in range(1, n):
            np.multiply(z[:i], z[i], out=terms[row : row + i])
            row += i
        return terms.T

    def scatter(self, X: NDArray[np.float64], label_noise: NDArray[np.float64] | None = None) -> NDArray[np.float64]:
        """Scatter of the truth about the prediction.

        Parameters
        ----------
        X : ndarray of shape (n_stars, n_labels)
            Labels.
        label_noise : ndarray of shape (n_stars,), optional
            Variance that the stars' own label errors give the prediction, NaN where unknown. It takes the place of
            what the training stars' label errors contributed where that is known, and is added to the scatter
            otherwise.

        Returns
        -------
        scatter : ndarray of shape (n_stars,)
            In the unit of the residuals.
        """
        terms = self._terms(X)
        scatter = np.exp(np.clip(terms @ self.coef_, *self.log_range_))
        if label_noise is None:
            return scatter
        variance = scatter**2
        added = np.minimum(label_noise, self.spread_**2)
        if self.noise_coef_ is not None:
            typical = np.exp(np.clip(terms @ self.noise_coef_, *self.noise_log_range_))
            # Where the tangent claims more noise than there is scatter, it counts by less: a star with the errors of
            # the training stars always has their scatter.
            added = (added - typical) * np.minimum(1.0, MOST_NOISE * variance / typical)
        measured = np.sqrt(variance + added)
        return np.where(np.isnan(label_noise), scatter, measured)

    def quantile(self, level: ArrayLike) -> NDArray[np.float64]:
        """Quantile of the errors in units of the scatter, at a level between 0 and 1."""
        return np.interp(np.asarray(level, dtype=np.float64), self.levels_, self.quantiles_)


def _conformal_quantiles(z):
    """Quantiles of normalised residuals, with the rank correction that makes them valid for a new star."""
    n = len(z)
    ordered = np.sort(z)
    # Each rank stands for (rank) / (n + 1) of new residuals.
    return np.interp(_LEVELS, np.arange(1, n + 1) / (n + 1.0), ordered)
