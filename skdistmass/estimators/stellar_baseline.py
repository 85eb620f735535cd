"""Absolute K magnitude from stellar physics: Teff, log g and [M/H], a mean mass and a bolometric correction."""

from functools import lru_cache
from importlib import resources
from numbers import Real
from typing import Any, Self

import numpy as np
from numpy.typing import ArrayLike, NDArray
from sklearn.base import BaseEstimator, RegressorMixin, _fit_context
from sklearn.utils._param_validation import Interval
from sklearn.utils.validation import _check_sample_weight, check_is_fitted, validate_data

from skdistmass.exceptions import InputError

__all__ = [
    *("COOLEST", "LABEL_CENTER", "LABEL_LOWER", "LABEL_SCALE", "LABEL_UPPER", "SUN_LOGG", "SUN_M_BOL", "SUN_TEFF"),
    *("StellarBaseline", "scaled_labels"),
]

# The Sun: log g, Teff (K) and bolometric magnitude (IAU 2015).
SUN_LOGG, SUN_TEFF, SUN_M_BOL = 4.438, 5772.0, 4.74
# Scaled labels are (log Teff - 3.7) / 0.1, (log g - 3) / 2 and [M/H]; the polynomials end at these values.
LABEL_CENTER = np.array([3.7, 3.0, 0.0])
LABEL_SCALE = np.array([0.1, 2.0, 1.0])
LABEL_LOWER = np.array([-2.0, -1.65, -2.2])
LABEL_UPPER = np.array([1.8, 1.1, 0.6])
# Powers of the scaled labels in the correction that is learned from stars.
_CORRECTION = np.array(
    [(0, 0, 0), (1, 0, 0), (0, 1, 0), (0, 0, 1), (2, 0, 0), (0, 2, 0), (0, 0, 2), (1, 1, 0), (1, 0, 1), (0, 1, 1)]
)
_TYPICAL_ERROR = 0.15  # mag, of one training star
COOLEST = 1000.0  # K; no star is cooler, and the logarithm needs a limit


@lru_cache(maxsize=1)
def _isochrone_terms() -> tuple[NDArray[np.int64], NDArray[np.float64]]:
    """Powers of the scaled labels, and coefficients of log mass and bolometric correction."""
    path = resources.files("skdistmass.estimators").joinpath("stellar_baseline.csv")
    with path.open() as file:
        table = np.loadtxt(file, delimiter=",", skiprows=1)
    return table[:, :3].astype(np.int64), table[:, 3:]


def scaled_labels(X: NDArray[np.float64]) -> NDArray[np.float64]:
    """Scale Teff, log g and [M/H] for the polynomials; values beyond their limits become the limits.

    Parameters
    ----------
    X : ndarray of shape (n_stars, 3)
        Teff (K), log g, [M/H].

    Returns
    -------
    scaled : ndarray of shape (n_stars, 3)
    """
    labels = np.column_stack([np.log10(np.maximum(X[:, 0], COOLEST)), X[:, 1], X[:, 2]])
    return np.clip((labels - LABEL_CENTER) / LABEL_SCALE, LABEL_LOWER, LABEL_UPPER)


def _raised(scaled, powers):
    """Powers of the scaled labels, shape (highest power + 1, 3, n_stars): multiplied up, faster than **."""
    raised = np.ones((powers.max() + 1, 3, len(scaled)))
    for power in range(1, len(raised)):
        raised[power] = raised[power - 1] * scaled.T
    return raised


def _products(raised, powers):
    """Terms of the polynomial, shape (n_terms, n_stars)."""
    return raised[powers[:, 0], 0] * raised[powers[:, 1], 1] * raised[powers[:, 2], 2]


class StellarBaseline(RegressorMixin, BaseEstimator):
    """Absolute K magnitude of a star from the laws of stellar physics, with an optional learned correction.

    The luminosity follows from mass, log g and Teff, ``log L = log M - (log g - 4.438) + 4 log(Teff / 5772 K)``, and
    ``M_K = 4.74 - 2.5 log L - BC_K``. Mass and bolometric correction are polynomials in log Teff, log g and [M/H],
    fitted to PARSEC isochrones (``examples/make_stellar_baseline.py``). From stars a polynomial of second degree can be
    learned and added.

    Parameters
    ----------
    correction_scale : float, default=0.0
        Expected size (mag) of each term of the learned correction but the constant one. With 0 there is no correction,
        and `fit` learns nothing: what stars teach is left to a network whose correction fades. A polynomial learned
        from giants alone is wrong for dwarfs by a magnitude.

    Attributes
    ----------
    powers_ : ndarray of int, shape (n_terms, 3)
        Powers of the scaled labels in each term of the polynomial; see `scaled_labels`.
    coef_ : ndarray of shape (n_terms,)
        Coefficients of ``M_K - 4.74 - 2.5 (log g - 4.438) + 10 log(Teff / 5772 K)``: those of the isochrones and of
        the correction, added.
    n_features_in_ : int
        3: Teff (K), log g, [M/H].

    References
    ----------
    Bressan et al. (2012), MNRAS 427, 127 (PARSEC).

    Examples
    --------
    >>> from skdistmass.estimators.stellar_baseline import StellarBaseline
    >>> sun = [[5772.0, 4.438, 0.0]]
    >>> float(StellarBaseline().fit(sun, [3.27]).predict(sun)[0].round(1))
    3.2
    """

    _parameter_constraints = {"correction_scale": [Interval(Real, 0, None, closed="left")]}

    def __init__(self, *, correction_scale: float = 0.0) -> None:
        self.correction_scale = correction_scale

    @_fit_context(prefer_skip_nested_validation=True)
    def fit(self, X: ArrayLike, y: ArrayLike, sample_weight: ArrayLike | None = None) -> Self:
        """Learn the correction.

        Parameters
        ----------
        X : array-like of shape (n_stars, 3)
            Teff (K), log g, [M/H]; none missing.
        y : array-like of shape (n_stars,)
            Absolute magnitude (mag).
        sample_weight : array-like of shape (n_stars,), optional
            Weights. Only their ratios count.

        Returns
        -------
        self : StellarBaseline

        Raises
        ------
        InputError
            If there are not three columns.
        """
        X, y = validate_data(self, X, y, dtype=np.float64, y_numeric=True)
        self._check(X)
        weights = _check_sample_weight(sample_weight, X, dtype=np.float64)
        weights = weights / (weights.mean() * _TYPICAL_ERROR**2)
        powers, isochrones = _isochrone_terms()
        self.powers_ = np.unique(np.vstack([powers, _CORRECTION]), axis=0)
        self.coef_ = np.zeros(len(self.powers_))
        self.coef_[self._find(powers)] = -(2.5 * isochrones[:, 0] + isochrones[:, 1])
        if self.correction_scale == 0:
            return self
        terms = _products(_raised(scaled_labels(X), _CORRECTION), _CORRECTION).T
        penalty = np.full(len(_CORRECTION), self.correction_scale**-2)
        penalty[0] = 1.0
        normal = (terms.T * weights) @ terms + np.diag(penalty)
        correction = np.linalg.solve(normal, terms.T @ (weights * (y - self._value(X))))
        self.coef_[self._find(_CORRECTION)] += correction
        return self

    def predict(self, X: ArrayLike) -> NDArray[np.float64]:
        """Predict the absolute magnitude.

        Parameters
        ----------
        X : array-like of shape (n_stars, 3)
            Teff (K), log g, [M/H]; none missing.

        Returns
        -------
        abs_mag : ndarray of shape (n_stars,)
            M_K (mag).
        """
        check_is_fitted(self)
        X = validate_data(self, X, reset=False, dtype=np.float64)
        self._check(X)
        return self._value(X)

    def jacobian(self, X: NDArray[np.float64]) -> NDArray[np.float64]:
        """Derivatives of the absolute magnitude with respect to Teff, log g and [M/H].

        Parameters
        ----------
        X : ndarray of shape (n_stars, 3)
            Labels, none missing.

        Returns
        -------
        jacobian : ndarray of shape (n_stars, 3)
        """
        check_is_fitted(self)
        scaled = scaled_labels(X)
        raised, slope = _raised(scaled, self.powers_), np.empty(scaled.shape)
        for label in range(3):
            lower = self.powers_.copy()
            lower[:, label] = np.maximum(lower[:, label] - 1, 0)
            coef = self.coef_ * self.powers_[:, label] / LABEL_SCALE[label]
            slope[:, label] = (_products(raised, lower) * coef[:, None]).sum(axis=0)
        slope[(scaled <= LABEL_LOWER) | (scaled >= LABEL_UPPER)] = 0.0
        slope += [-10.0, 2.5, 0.0]
        slope[:, 0] *= (X[:, 0] > COOLEST) / (np.maximum(X[:, 0], COOLEST) * np.log(10.0))
        return slope

    def _value(self, X):
        physics = SUN_M_BOL + 2.5 * (X[:, 1] - SUN_LOGG) - 10.0 * np.log10(np.maximum(X[:, 0], COOLEST) / SUN_TEFF)
        # Not a matrix product, which rounds equal rows differently: a repeated row must stay one.
        terms = _products(_raised(scaled_labels(X), self.powers_), self.powers_)
        return physics + (terms * self.coef_[:, None]).sum(axis=0)

    def _find(self, powers):
        """Rows of `powers_` that hold these powers."""
        return [int(np.flatnonzero((self.powers_ == row).all(axis=1))[0]) for row in powers]

    def _check(self, X: Any) -> None:
        if X.shape[1] != 3:
            raise InputError(f"X has {X.shape[1]} columns; Teff (K), log g and [M/H] are needed.")
