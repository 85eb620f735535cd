"""Errors of predictions: how the scatter follows a star's labels, and what quantiles the errors really have.

Two models are offered. `ConformalErrors`, the default, learns a scatter that depends on the labels from out-of-fold
residuals, and the shape of the errors with the known error of the training target taken out of it, and calibrates the
quantiles on the residuals (distributional conformal prediction; Chernozhukov et al. 2021, PNAS 118, e2107794118).
`PaperErrors` makes the errors of the paper (sections 4.3 and 5.5).
"""

import numpy as np
from scipy.special import ndtr, ndtri

from skdistmass.exceptions import InputError
from skdistmass.uncertainty.error_law import fit_error_law, fit_terms, law_quantiles, residual_probability

__all__ = ["ConformalErrors", "PaperErrors", "label_noise_variance", "normal_coverage", "robust_scatter"]

# Out-of-fold residuals needed for errors: with fewer, the 2.28 % in each tail of a 95.45 % interval lie beyond the
# outermost residual.
MIN_ROWS = 50
_LEVELS = np.concatenate([np.geomspace(1e-4, 0.02, 25)[:-1], np.linspace(0.02, 0.98, 193)])
_LEVELS = np.unique(np.concatenate([_LEVELS, 1.0 - _LEVELS]))
_MOST_ROWS = 10_000  # residuals that the law of errors is learned from, at the most
MOST_NOISE = 0.9  # share of the scatter's square that label noise may have
DEGREE = 5  # of the polynomials in each label
NORMAL_TO_MAD = 1.4826  # standard deviation of a normal law in median absolute deviations


def robust_scatter(values):
    """Standard deviation of a normal law with the same median absolute deviation: ``1.4826 MAD``; NaN are ignored.

    Examples
    --------
    >>> from skdistmass.uncertainty.conformal import robust_scatter
    >>> float(robust_scatter([-1.0, 0.0, 1.0, 100.0]).round(2))
    1.48
    """
    values = np.asarray(values, float)
    return NORMAL_TO_MAD * np.nanmedian(np.abs(values - np.nanmedian(values)))


def normal_coverage(n_sigma):
    """Probability within ``n_sigma`` standard deviations of a normal law.

    Examples
    --------
    >>> from skdistmass.uncertainty.conformal import normal_coverage
    >>> float(normal_coverage(1.0).round(4))
    0.6827
    """
    return 2.0 * ndtr(n_sigma) - 1.0


def label_noise_variance(jacobian, label_error):
    """Variance that errors of the labels give a prediction, to first order.

    Parameters
    ----------
    jacobian : ndarray of shape (n_stars, n_labels)
        Derivatives of the prediction.
    label_error : ndarray of shape (n_stars, n_labels) or (n_stars, n_labels, n_labels)
        Standard deviations, or covariances.

    Returns
    -------
    variance : ndarray of shape (n_stars,)
        ``J C J^T``; NaN where an error is.
    """
    if label_error.ndim == 2:
        return np.square(jacobian * label_error).sum(axis=1)
    return np.maximum(np.einsum("ni,nij,nj->n", jacobian, label_error, jacobian), 0.0)


class ConformalErrors:
    """Scatter that follows the labels, with quantiles calibrated on out-of-fold residuals.

    The error of star i is taken to be ``s(x_i) z``, with ``log s`` a polynomial of the labels (of fifth degree in each
    label alone, with the products of any two), held constant beyond the central 99 % of the training stars, and with z
    of the same law for all stars. Scatter and law are found by maximum likelihood from the residuals, whose other part
    are the known errors of the target. Then the quantiles are moved so that as many residuals lie below each as should.

    Attributes
    ----------
    center_, scale_ : ndarray of shape (n_labels,)
        What standardises the labels.
    lower_, upper_ : ndarray of shape (n_labels,)
        Bounds of the standardised labels.
    coef_ : ndarray of shape (n_terms,)
        Coefficients of ``log s``, in the order of `_terms`.
    log_range_ : ndarray of shape (2,)
        Smallest and largest ``log s`` of the training stars; there are no others.
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

    def fit(self, X, residual, target_error=None, label_noise=None, spread=np.inf):
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
            Standard deviation of the target among the training stars. Label noise counts up to it: who knows
            nothing of a label still knows what stars there are, and a tangent tells nothing so far away.

        Returns
        -------
        self : ConformalErrors

        Raises
        ------
        InputError
            If there are fewer than 50 residuals.
        """
        n_rows = len(residual)
        if n_rows < MIN_ROWS:
            raise InputError(f"{n_rows} stars are too few to calibrate errors on; {MIN_ROWS} are needed.")
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
        unit = robust_scatter(residual) or np.std(residual) or np.finfo(float).tiny
        residual = residual / unit
        noise = np.zeros(len(rows)) if target_error is None else target_error[rows] / unit
        self.coef_, weights = fit_error_law(terms, residual, noise)
        log_scatter = terms @ self.coef_
        rank = residual_probability(residual, np.exp(log_scatter), noise, weights)
        self.levels_ = _LEVELS
        self.quantiles_ = law_quantiles(_conformal_quantiles(rank), weights)
        # The scatter is to be half the width of the 68.27 % interval, so that a variance can be added to its square.
        half_width = 0.5 * np.diff(self.quantile(ndtr([-1.0, 1.0])))[0]
        self.quantiles_ /= half_width
        shift = np.log(unit * half_width)
        self.coef_[0] += shift
        self.log_range_ = shift + np.array([log_scatter.min(), log_scatter.max()])
        self.noise_coef_ = self.noise_log_range_ = None
        if label_noise is not None:
            label_noise = label_noise[rows]
            known = np.isfinite(label_noise) & (label_noise > 0)
            if np.count_nonzero(known) >= MIN_ROWS:
                counted = np.minimum(label_noise[known], self.spread_**2)
                self.noise_coef_ = fit_terms(terms[known], np.log(counted))
                # A fit to logarithms gives less than the mean, which is what the residuals hold.
                self.noise_coef_[0] += np.log(np.mean(counted / np.exp(terms[known] @ self.noise_coef_)))
                fitted = terms[known] @ self.noise_coef_
                self.noise_log_range_ = np.array([fitted.min(), fitted.max()])
        return self

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

    def scatter(self, X, label_noise=None):
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

    def quantile(self, level):
        """Quantile of the errors in units of the scatter, at a level between 0 and 1."""
        return np.interp(level, self.levels_, self.quantiles_)


def _conformal_quantiles(z):
    """Quantiles of normalised residuals, with the rank correction that makes them valid for a new star."""
    n = len(z)
    ordered = np.sort(z)
    # Each rank stands for (rank) / (n + 1) of new residuals.
    return np.interp(_LEVELS, np.arange(1, n + 1) / (n + 1.0), ordered)


class PaperErrors:
    """The errors of the paper, so that its catalogue can be reproduced.

    For distances a quadratic in log g is fitted to the median, and to the quartiles, of the absolute fractional error
    in bins of log g (section 4.3, figure 4); for masses one flat fractional error is the robust scatter of the
    residuals (section 5.5: 10 %). Errors of the labels play no part.

    Parameters
    ----------
    logg_column : int or None
        Column of log g for the quadratic, or None for a flat error.

    Attributes
    ----------
    coef_ : ndarray of shape (3, 3)
        Quadratics in log g (highest power first) to the quartiles 25, 50 and 75 % of the absolute residual.
    """

    def __init__(self, logg_column=None):
        self.logg_column = logg_column

    def fit(self, X, residual, target_error=None, label_noise=None, spread=None):
        """Fit the curve or the flat value; the errors of target and labels are not used."""
        if len(residual) < MIN_ROWS:
            raise InputError(f"{len(residual)} stars are too few to estimate errors; {MIN_ROWS} are needed.")
        self.n_rows_ = len(residual)
        if self.logg_column is None:
            flat = np.percentile(np.abs(residual - np.median(residual)), [25, 50, 75])
            self.coef_ = np.column_stack([np.zeros((3, 2)), flat])
            self.logg_range_ = (0.0, 0.0)
            return self
        logg = X[:, self.logg_column]
        edges = np.unique(np.percentile(logg, np.linspace(0, 100, max(4, min(40, len(logg) // 50) + 1))))
        index = np.clip(np.digitize(logg, edges) - 1, 0, max(len(edges) - 2, 0))
        filled = np.unique(index)
        centers = np.array([np.median(logg[index == i]) for i in filled])
        quartiles = np.array([np.percentile(np.abs(residual[index == i]), [25, 50, 75]) for i in filled])
        self.logg_range_ = (float(logg.min()), float(logg.max()))
        degree = min(2, len(np.unique(centers)) - 1)
        coef = np.polyfit(centers, quartiles, degree)
        self.coef_ = np.vstack([np.zeros((2 - degree, 3)), coef]).T
        return self

    def scatter(self, X, label_noise=None):
        """Error of the prediction: the median absolute residual as a standard deviation, at the star's log g."""
        return NORMAL_TO_MAD * self.absolute_quantile(X, 50)

    def absolute_quantile(self, X, percentile):
        """One of the fitted curves: quartile 25, 50 or 75 of the absolute residual."""
        if self.logg_column is None:
            logg = np.zeros(len(X))
        else:
            logg = np.clip(X[:, self.logg_column], *self.logg_range_)
        return np.maximum(np.polyval(self.coef_[(25, 50, 75).index(percentile)], logg), 0.0)

    def quantile(self, level):
        """Quantile of the normal law."""
        return ndtri(level)
