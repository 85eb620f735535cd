"""Prediction intervals for the regressors: calibrated scatter, label noise, and the scale on which errors add."""

from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray
from sklearn.utils.validation import check_is_fitted

from skdistmass.estimators.inputs import validate_label_errors, validate_labels
from skdistmass.exceptions import InputError
from skdistmass.networks.blas import one_blas_thread
from skdistmass.uncertainty import MIN_ROWS, ConformalErrors, PaperErrors, label_noise_variance, normal_coverage

__all__ = ["IntervalMixin", "Prediction", "fill_by_blocks"]

ONE_SIGMA = normal_coverage(1.0)

_BLOCK = 16_384  # rows handled at once, so that memory stays bounded and work in the processor's cache


class Prediction(NamedTuple):
    """A prediction with its interval, one row for each star; NaN where a label is missing.

    Attributes
    ----------
    value : ndarray of shape (n_stars,)
        The prediction.
    interval : ndarray of shape (n_stars, 2) or (n_coverages, n_stars, 2)
        Lower and upper bound; of each coverage, if several were asked for.
    label_noise : ndarray of shape (n_stars,)
        The part of the error that comes from the errors of the labels, as a standard deviation; NaN where they are
        unknown.
    """

    value: NDArray[np.float64]
    interval: NDArray[np.float64]
    label_noise: NDArray[np.float64]

    @property
    def error(self) -> NDArray[np.float64]:
        """Half the width of the interval, shape (n_stars,) or (n_coverages, n_stars)."""
        return 0.5 * (self.interval[..., 1] - self.interval[..., 0])


class IntervalMixin:
    """Intervals for a regressor that has ``errors_``, `_predict_values` and `_jacobian_values`.

    Subclasses for which errors do not simply add to the prediction override `_link`, `_unlink` and `_link_slope`.
    """

    errors_: Any
    error_model: str | None
    labels: Any
    jacobian: Callable[..., NDArray[np.float64]]
    _predict_values: Callable[..., NDArray[np.float64]]
    _jacobian_values: Callable[..., NDArray[np.float64]]

    def predict_with_interval(
        self, X: Any, coverage: ArrayLike = ONE_SIGMA, X_err: Any = None, value: ArrayLike | None = None
    ) -> Prediction:
        """Predict value, interval and the label part of the error, with one pass through the network.

        Parameters
        ----------
        X : table or array-like of shape (n_stars, n_labels)
            Labels.
        coverage : float or sequence of floats, default=0.6827
            Probability that the interval holds the true value, between 0 and 1; of several, the prediction has an
            interval for each.
        X_err : table or array-like of shape (n_stars, n_labels) or (n_stars, n_labels, n_labels), optional
            Errors or covariances of the labels, multiplied by the network's derivatives. Without them, and for stars
            where they are NaN, the label noise is taken to be that of the training stars.
        value : array-like of shape (n_stars,), optional
            Predictions to use instead of the final network's, for example those of `predict_out_of_fold`. NaN where
            the final network's are to be used.

        Returns
        -------
        prediction : Prediction
            With ``value``, ``interval``, ``label_noise`` and ``error`` (half the width of the interval).

        Raises
        ------
        InputError
            If the model was trained without errors, `coverage` is not between 0 and 1, or a shape is wrong.

        Examples
        --------
        >>> import numpy as np
        >>> from skdistmass.estimators.label_regressor import LabelRegressor
        >>> rng = np.random.default_rng(0)
        >>> X = rng.normal(size=(200, 2))
        >>> model = LabelRegressor(n_networks=1, random_state=0).fit(X, X[:, 0] + 0.1 * rng.normal(size=200))
        >>> prediction = model.predict_with_interval(X[:3], X_err=[0.05, 0.05])
        >>> prediction.error.round(1)
        array([0.1, 0.1, 0.1])
        """
        check_is_fitted(self)
        if self.errors_ is None:
            raise InputError(
                "this model has no errors: train it with error_model='conformal' (or 'paper') "
                f"on {MIN_ROWS} stars or more."
            )
        wanted = np.asarray(coverage, dtype=np.float64)
        if wanted.ndim > 1 or not np.all((wanted > 0.0) & (wanted < 1.0)):
            raise InputError(f"coverage must be a probability between 0 and 1, got {coverage!r}.")
        X = validate_labels(self, X, reset=False, names=self.labels)
        if X_err is not None:
            X_err = validate_label_errors(self, X_err, len(X))
        given = np.full(len(X), np.nan) if value is None else np.array(value, dtype=np.float64)
        if given.shape != (len(X),):
            raise InputError(f"value has shape {given.shape}; one prediction for each of the {len(X)} stars is needed.")
        absent = np.isnan(given)
        given[absent] = self._predict_values(X[absent])
        return self._add_interval(X, given, wanted, X_err)

    def predict_interval(self, X: Any, coverage: float = ONE_SIGMA, X_err: Any = None) -> NDArray[np.float64]:
        """Interval that holds the true value with a given probability.

        Parameters
        ----------
        X, coverage, X_err
            As for `predict_with_interval`.

        Returns
        -------
        interval : ndarray of shape (n_stars, 2)
            Lower and upper bound; NaN where a label is missing.

        Raises
        ------
        InputError
            As `predict_with_interval` does.
        """
        return self.predict_with_interval(X, coverage, X_err).interval

    def label_noise(self, X: Any, X_err: Any) -> NDArray[np.float64]:
        """Part of a prediction's error that comes from the errors of its labels, to first order.

        Parameters
        ----------
        X : table or array-like of shape (n_stars, n_labels)
            Labels.
        X_err : table or array-like of shape (n_stars, n_labels) or (n_stars, n_labels, n_labels)
            Their errors or covariances.

        Returns
        -------
        std : ndarray of shape (n_stars,)
            Standard deviation, in the unit of the target.
        """
        jacobian = self.jacobian(X)
        return np.sqrt(label_noise_variance(jacobian, validate_label_errors(self, X_err, len(jacobian))))

    def _add_interval(self, X, value, coverage, X_err):
        """Return checked predictions with their intervals."""
        levels = 0.5 + np.multiply.outer(np.atleast_1d(coverage), [-0.5, 0.5])
        quantiles = self.errors_.quantile(levels.ravel())
        filled = self._filled(X)

        def find(rows):
            noise = None
            if X_err is not None:
                noise = label_noise_variance(self._link_jacobian(X[rows], value[rows]), X_err[rows])
            scatter = self.errors_.scatter(filled[rows], noise)
            center = self._link(value[rows])
            found = np.empty((len(rows), 1 + len(quantiles)))
            for number, quantile in enumerate(quantiles):
                found[:, number] = self._unlink(center + quantile * scatter)
            found[:, -1] = np.nan if noise is None else np.sqrt(noise) / self._link_slope(value[rows])
            return found

        found = fill_by_blocks(find, filled, np.empty((len(X), 1 + len(quantiles))))
        intervals = found[:, :-1].reshape(len(X), len(levels), 2).swapaxes(0, 1)
        return Prediction(value, intervals if np.ndim(coverage) else intervals[0], found[:, -1])

    def _fit_errors(self, X, y, oof, y_err, X_err):
        """Learn the errors from the out-of-fold residuals on the scale where errors add."""
        residual = self._link(y) - self._link(oof)
        usable = np.isfinite(residual)
        if np.count_nonzero(usable) < MIN_ROWS:
            return None
        noise = None
        if X_err is not None:
            noise = label_noise_variance(self._link_jacobian(X, oof), X_err)[usable]
        target_error = None if y_err is None else (y_err * self._link_slope(y))[usable]
        model = ConformalErrors() if self.error_model == "conformal" else self._paper_errors()
        return model.fit(self._filled(X)[usable], residual[usable], target_error, noise, spread=np.std(self._link(y)))

    def _filled(self, X):
        """Put a number in place of labels that may be missing; the error model needs all."""
        return X

    def _link(self, y):
        """Bring a target or prediction to the scale on which its errors add."""
        return y

    def _unlink(self, u):
        return u

    def _link_slope(self, y):
        """Derivative of `_link`."""
        return np.ones_like(y)

    def _link_jacobian(self, X, predicted):
        return self._jacobian_values(X) * self._link_slope(predicted)[:, None]

    def _paper_errors(self):
        """The paper's error model for this target: flat, unless a subclass overrides this."""
        return PaperErrors()


def fill_by_blocks(function: Callable, X: NDArray[np.float64], out: NDArray[np.float64]) -> NDArray[np.float64]:
    """Fill `out` with a function of the complete rows of `X`, block by block, and NaN elsewhere.

    The function gets the numbers of the rows, not the rows, so that it can look up more than labels.
    """
    out.fill(np.nan)
    with one_blas_thread():
        for start in range(0, len(X), _BLOCK):
            rows = start + np.flatnonzero(np.isfinite(X[start : start + _BLOCK]).all(axis=1))
            if len(rows):
                out[rows] = function(rows)
    return out
