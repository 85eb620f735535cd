"""The law of errors of predictions: a scatter that follows the labels, and a shape freed from the reference's errors.

A residual is the error of the prediction plus that of the reference it is compared with. The first is taken to be
``s(x) z``, with ``log s`` linear in given terms of the labels and z of one law for all stars: a mixture of normal laws
on a fixed grid of widths and centres, which may be skew and heavy in the tails. As a normal error of the reference only
widens each part of the mixture, the law of z is found by maximum likelihood without it (deconvolution in the manner of
Stephens 2017, Biostatistics 18, 275).
"""

import numpy as np
from scipy.linalg import solve_triangular
from scipy.optimize import minimize
from scipy.special import ndtr

__all__ = ["cross_fitted_ranks", "fit_error_law", "fit_terms", "law_quantiles", "residual_probability"]

_WIDTHS = np.geomspace(0.35, 4.0, 8)
_SHIFTS = (-1.0, 0.0, 1.0)  # in units of the width
_WIDTH = np.repeat(_WIDTHS, len(_SHIFTS))
_CENTER = _WIDTH * np.tile(_SHIFTS, len(_WIDTHS))
# Where the mixture starts, and what one star's worth of prior knowledge says: near the unit normal law.
_START = np.exp(-0.5 * (_CENTER**2 + (np.log(_WIDTH) / 0.35) ** 2))
_START /= _START.sum()
_SQRT_2PI = np.sqrt(2.0 * np.pi)


def _parts(residual, scatter, noise):
    """Variance of each part of the mixture and distance from its centre, each of shape (n_rows, n_parts)."""
    variance = np.square(scatter[:, None] * _WIDTH) + np.square(noise)[:, None]
    return variance, residual[:, None] - scatter[:, None] * _CENTER


def _ridge(n_terms):
    """Weak penalty on all terms but the constant, per star."""
    penalty = np.full(n_terms, 1e-3)
    penalty[0] = 0.0
    return penalty


def fit_terms(terms, values):
    """Coefficients of a least-squares fit with the weak penalty that the scatter has, too."""
    gram = terms.T @ terms + np.diag(_ridge(terms.shape[1]) * len(terms))
    return np.linalg.solve(gram, terms.T @ values)


def _fit_scatter(terms, residual, noise, weights, start):
    """Coefficients of the logarithm of the scatter, for a given shape of the errors."""
    from skdistmass.uncertainty.kernels import log_likelihood

    # Nearly orthogonal terms: with those of a polynomial the descent would not end in 1,000 steps, with these in 10.
    ridge = _ridge(terms.shape[1])
    back = np.linalg.cholesky(terms.T @ terms / len(terms) + np.diag(ridge)).T
    even = solve_triangular(back, terms.T, trans="T").T

    def loss(x):
        coef = solve_triangular(back, x)
        scatter = np.exp(np.clip(even @ x, -20.0, 20.0))
        value, slope = log_likelihood(scatter, residual, noise, weights, _WIDTH, _CENTER)
        pull = solve_triangular(back, ridge * coef, trans="T")
        return 0.5 * ridge @ coef**2 - value / len(residual), pull - even.T @ slope / len(residual)

    options = {"maxiter": 500, "ftol": 1e-12, "gtol": 1e-7}
    return solve_triangular(back, minimize(loss, back @ start, jac=True, method="L-BFGS-B", options=options).x)


def _fit_shape(residual, scatter, noise, weights):
    """Weights of the mixture by expectation maximisation, for a given scatter."""
    from skdistmass.uncertainty.kernels import expected_shares

    variance, distance = _parts(residual, scatter, noise)
    density = np.exp(-0.5 * distance**2 / variance) / (_SQRT_2PI * np.sqrt(variance))
    shares = np.empty(len(weights))
    for _ in range(400):
        expected_shares(density, weights, shares)
        updated = (shares + _START) / (len(residual) + 1.0)
        change = np.abs(updated - weights).max()
        weights = updated
        if change < 1e-5:
            break
    return weights


def fit_error_law(terms, residual, noise):
    """Fit scatter and shape in turn."""
    coef, weights = np.zeros(terms.shape[1]), _START
    for _ in range(2):
        coef = _fit_scatter(terms, residual, noise, weights, coef)
        weights = _fit_shape(residual, np.exp(terms @ coef), noise, weights)
    return coef, weights


def residual_probability(residual, scatter, noise, weights):
    """Probability of a residual below the given one, the reference's error included."""
    variance, distance = _parts(residual, scatter, noise)
    return ndtr(distance / np.sqrt(variance)) @ weights


def cross_fitted_ranks(terms, residual, noise, n_folds=5):
    """Probability of a residual below each one, by laws fitted to the residuals of the other folds.

    A law that is fitted to a residual lets it seem less extreme than it is. This matters in small sets.
    """
    fold = np.random.default_rng(0).permutation(len(residual)) % n_folds
    rank = np.empty(len(residual))
    for number in range(n_folds):
        others, held = fold != number, fold == number
        coef, weights = fit_error_law(terms[others], residual[others], noise[others])
        # As everywhere, the scatter is not extrapolated beyond that of the stars it was learned from.
        log_scatter = terms[others] @ coef
        scatter = np.exp(np.clip(terms[held] @ coef, log_scatter.min(), log_scatter.max()))
        rank[held] = residual_probability(residual[held], scatter, noise[held], weights)
    return rank


def law_quantiles(levels, weights):
    """Quantiles of errors in units of the scatter, without the reference's error."""
    half = np.geomspace(1e-4, 8.0 * _WIDTHS[-1], 2000)
    grid = np.concatenate([-half[::-1], [0.0], half])
    return np.interp(levels, ndtr((grid[:, None] - _CENTER) / _WIDTH) @ weights, grid)
