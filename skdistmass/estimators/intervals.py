"""Prediction intervals for the regressors: calibrated scatter, label noise, and the scale on which errors add."""

import numpy as np
from sklearn.utils.validation import check_is_fitted

from skdistmass.estimators.inputs import validate_label_errors, validate_labels
from skdistmass.exceptions import InputError
from skdistmass.uncertainty.conformal import MIN_ROWS, ConformalErrors, PaperErrors, label_noise_variance

__all__ = ["IntervalMixin", "fill_by_blocks"]

_BLOCK = 16_384  # rows handled at once, so that memory stays bounded and work in the processor's cache


class IntervalMixin:
    """Intervals for a regressor that has ``errors_``, `_predict_values` and `_jacobian_values`.

    Subclasses for which errors do not simply add to the prediction override `_link`, `_unlink` and `_link_slope`.
    """

    def predict_interval(self, X, coverage=0.6827, X_err=None):
        """Interval that holds the true value with a given probability.

        Parameters
        ----------
        X : table or array-like of shape (n_stars, n_labels)
            Labels.
        coverage : float, default=0.6827
            Probability, between 0 and 1.
        X_err : array-like of shape (n_stars, n_labels) or (n_stars, n_labels, n_labels), optional
            Errors or covariances of the labels, pushed through the network's Jacobian. Without them, and for
            stars where they are NaN, the label noise is taken to be that of the training stars.

        Returns
        -------
        interval : ndarray of shape (n_stars, 2)
            Lower and upper bound; NaN where a label is missing.

        Raises
        ------
        InputError
            If the model was trained without errors, or `coverage` is not between 0 and 1.
        """
        check_is_fitted(self)
        X = validate_labels(self, X, reset=False, names=self.labels)
        return self._interval_values(X, self._predict_values(X), coverage, X_err)

    def label_noise(self, X, X_err):
        """Part of a prediction's error that comes from the errors of its labels, to first order.

        Parameters
        ----------
        X : table or array-like of shape (n_stars, n_labels)
            Labels.
        X_err : array-like of shape (n_stars, n_labels) or (n_stars, n_labels, n_labels)
            Their errors or covariances.

        Returns
        -------
        std : ndarray of shape (n_stars,)
            Standard deviation, in the unit of the target.
        """
        jacobian = self.jacobian(X)
        return np.sqrt(label_noise_variance(jacobian, validate_label_errors(self, X_err, len(jacobian))))

    def _interval_values(self, X, predicted, coverage, X_err=None):
        """Interval for checked labels and their predictions."""
        if self.errors_ is None:
            raise InputError(
                "this model has no errors: train it with error_model='conformal' (or 'paper') "
                f"on {MIN_ROWS} stars or more."
            )
        if not 0.0 < coverage < 1.0:
            raise InputError(f"coverage must be a probability between 0 and 1, got {coverage!r}.")
        return self._interval_and_noise(X, predicted, coverage, X_err)[:, :2]

    def _interval_and_noise(self, X, predicted, coverage, X_err=None):
        """Interval, and the label noise (a standard deviation, NaN where unknown) as a third column."""
        lower, upper = (self.errors_.quantile(0.5 + side * coverage) for side in (-0.5, 0.5))
        if X_err is not None:
            X_err = validate_label_errors(self, X_err, len(X))

        def find(rows):
            noise = None
            if X_err is not None:
                noise = label_noise_variance(self._link_jacobian(X[rows], predicted[rows]), X_err[rows])
            scatter = self.errors_.scatter(X[rows], noise)
            center = self._link(predicted[rows])
            found = np.empty((len(rows), 3))
            found[:, 0] = self._unlink(center + lower * scatter)
            found[:, 1] = self._unlink(center + upper * scatter)
            found[:, 2] = np.nan if noise is None else np.sqrt(noise) / self._link_slope(predicted[rows])
            return found

        return fill_by_blocks(find, X, np.empty((len(X), 3)))

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
        return model.fit(X[usable], residual[usable], target_error, noise, spread=np.std(self._link(y)))

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
        """The paper's error model for this target: flat, unless a subclass knows better."""
        return PaperErrors()


def fill_by_blocks(function, X, out):
    """Fill `out` with a function of the complete rows of `X`, block by block, and NaN elsewhere.

    The function gets the numbers of the rows, not the rows, so that it may look up more than labels.
    """
    out.fill(np.nan)
    for start in range(0, len(X), _BLOCK):
        rows = start + np.flatnonzero(np.isfinite(X[start : start + _BLOCK]).all(axis=1))
        if len(rows):
            out[rows] = function(rows)
    return out
