"""The base of both regressors: a scaler and small networks, with weights, tables and missing values."""

from numbers import Integral
from typing import Any, Self

import numpy as np
from numpy.typing import ArrayLike, NDArray
from sklearn.base import BaseEstimator, RegressorMixin, _fit_context
from sklearn.metrics import r2_score
from sklearn.pipeline import Pipeline
from sklearn.utils import check_random_state
from sklearn.utils._param_validation import HasMethods, Interval, StrOptions
from sklearn.utils.validation import check_is_fitted

from skdistmass.estimators.distributions import DistributionMixin
from skdistmass.estimators.inputs import (
    check_fold,
    check_groups,
    check_target,
    check_weights,
    left_out_reason,
    let_splitters_take_rows,
    validate_label_errors,
    validate_labels,
    warn_left_out,
)
from skdistmass.estimators.intervals import IntervalMixin, fill_by_blocks
from skdistmass.estimators.network_parameter import Network, NetworkParameterMixin
from skdistmass.exceptions import InputError
from skdistmass.networks.blas import one_blas_thread
from skdistmass.networks.fitting import can_leave_out, check_network, train_pipeline
from skdistmass.networks.merging import network_jacobian
from skdistmass.networks.rows import distinct_rows, fold_numbers
from skdistmass.uncertainty import MIN_ROWS

__all__ = ["LabelRegressor"]


class LabelRegressor(NetworkParameterMixin, DistributionMixin, IntervalMixin, RegressorMixin, BaseEstimator):
    """Regression of one quantity on spectroscopic labels by small neural networks.

    The inputs are scaled by a `StandardScaler`, rows are weighted by ``1/sigma^2``, and the mean of several networks is
    the prediction. This is the base of `AbsMagRegressor` and `CNMassRegressor`; use it for any other target.

    Parameters
    ----------
    network : LevenbergMarquardtMLPRegressor, MLPRegressor or None, default=None
        The network before training; by default ``LevenbergMarquardtMLPRegressor()``. Set its parameters as
        ``network__alpha`` and so on; this works for the default network, too. Its ``random_state`` is not used.
    n_networks : int, default=4
        Number of networks trained from different initial weights and merged into one `MLPRegressor`, their mean.
    error_model : {"conformal", "paper"} or None, default="conformal"
        Source of the errors of predictions: a scatter that follows the labels, calibrated on out-of-fold residuals
        (`skdistmass.uncertainty.ConformalErrors`), or the paper's simple fits (`skdistmass.uncertainty.PaperErrors`).
        With None there are no errors, and training takes ``1 / (n_folds + 1)`` of the time: use it in a grid search.
    n_folds : int or None, default=None
        Number of folds of the out-of-fold predictions; by default 5, 12 with fewer than 500 stars, and 30 with fewer
        than 120, where a network trained on four fifths of them has larger errors than the final one.
    labels : tuple of str or None, default=None
        Labels to read from a table, in order; by default the five of `skdistmass.labels.LABEL_NAMES`.
    random_state : int, RandomState or None, default=None
        Seed of the initial weights, splits and batches of all networks.

    Attributes
    ----------
    pipeline_ : Pipeline
        The fitted ``scaler`` (`StandardScaler`) and ``network`` (`MLPRegressor`); predicts in the unit of the target.
    n_features_in_ : int
        Number of labels.
    feature_names_in_ : ndarray of str
        Their names, if `X` had any.
    label_columns_ : dict
        Label name to the table column it was read from, for example FE_H in place of M_H.
    n_out_of_range_ : dict
        Label name to the number of training rows whose value no star can have; such a value is missing.
    scaled_labels_ : bool
        Whether it was trained on a data frame that a StandardScaler or a RobustScaler made; then there are no ranges.
    n_rows_ : int
        Number of rows trained on.
    n_rows_left_out_ : int
        Number of rows left out because a label or the target was missing or out of range.
    n_iter_ : int
        Number of iterations, summed over the networks.
    oof_prediction_ : ndarray of shape (n_rows_given,) or None
        Prediction of each complete row with a weight by networks trained without its star; NaN in other rows. None
        without an error model.
    fold_ : ndarray of int, shape (n_rows_given,)
        Fold in which each row was held out; -1 where it was in none.
    fold_pipelines_ : list of Pipeline
        For each fold the scaler and network trained without it; used by `predict_out_of_fold`.
    errors_ : ConformalErrors, PaperErrors or None
        The fitted error model. None without an error model, or with fewer than 50 training stars.

    Notes
    -----
    Only the ratios of weights count. A weight of 2 is the same as giving the row twice, and a weight of 0 the same as
    leaving it out; to rounding for a `LevenbergMarquardtMLPRegressor` and an `MLPRegressor` with ``solver="lbfgs"``.

    Examples
    --------
    >>> import numpy as np
    >>> from skdistmass.estimators.label_regressor import LabelRegressor
    >>> X = np.random.default_rng(0).normal(size=(200, 2))
    >>> model = LabelRegressor(n_networks=1, random_state=0).fit(X, X[:, 0] ** 2)
    >>> model.predict([[0.5, 0.0], [np.nan, 1.0]]).round(2)
    array([0.25,  nan])
    """

    _parameter_constraints = {
        "network": [HasMethods(["fit", "predict"]), None],
        "n_networks": [Interval(Integral, 1, None, closed="left")],
        "error_model": [StrOptions({"conformal", "paper"}), None],
        "n_folds": [Interval(Integral, 2, None, closed="left"), None],
        "labels": ["array-like", None],
        "random_state": ["random_state"],
    }
    _target_name = "y"
    _target_unit: str | None = None

    def __init__(
        self,
        *,
        network: Network | None = None,
        n_networks: int = 4,
        error_model: str | None = "conformal",
        n_folds: int | None = None,
        labels: tuple[str, ...] | None = None,
        random_state: int | np.random.RandomState | None = None,
    ) -> None:
        self.network = network
        self.n_networks = n_networks
        self.error_model = error_model
        self.n_folds = n_folds
        self.labels = labels
        self.random_state = random_state

    @_fit_context(prefer_skip_nested_validation=False)  # nested estimators check their own parameters
    def fit(
        self,
        X: Any,
        y: ArrayLike,
        sample_weight: ArrayLike | None = None,
        groups: ArrayLike | None = None,
        y_err: ArrayLike | None = None,
        X_err: Any = None,
    ) -> Self:
        """Train the networks.

        Parameters
        ----------
        X : table or array-like of shape (n_stars, n_labels)
            Labels; the columns of a table are picked by name. Rows with a missing one are left out.
        y : array-like of shape (n_stars,)
            Target. Rows where it is missing are left out.
        sample_weight : array-like of shape (n_stars,), optional
            Weights, ``1/sigma^2`` of the target.
        groups : array-like of shape (n_stars,), optional
            Star of each row (APOGEE_ID). Repeated spectra of a star stay together in every fold, and in the early
            stopping of a `LevenbergMarquardtMLPRegressor`.
        y_err : array-like of shape (n_stars,), optional
            Error of the target. It is taken out of the scatter, so that predicted errors are about the true value and
            not about a measurement of it. It gives the weights if there are no others. Rows where it is missing are
            left out.
        X_err : table or array-like of shape (n_stars, n_labels) or (n_stars, n_labels, n_labels), optional
            Errors or covariances of the labels; NaN where unknown. Of a table, the columns with the labels' names and
            ``_ERR``. With them the errors given at prediction replace those of the training stars.

        Returns
        -------
        self : LabelRegressor

        Raises
        ------
        InputError
            If a weight is negative or not finite, lengths differ, no complete row remains, or `network` is of a kind
            that can't be used.
        ColumnError, UnitError
            If a table lacks a label or has it in another kind of unit.
        """
        check_network(self._network())
        X = validate_labels(self, X, reset=True, names=self.labels)
        y = check_target(y, X, unit=self._target_unit, name=self._target_name)
        complete = self._complete(X) & self._usable_target(y)
        if y_err is not None:
            y_err = check_target(y_err, X, unit=self._target_unit, name=f"{self._target_name} error")
            complete &= y_err > 0
            if sample_weight is None:
                sample_weight = np.where(complete, y_err, 1.0) ** -2.0
        weights = check_weights(sample_weight, len(X))
        groups = check_groups(groups, len(X))
        self.n_rows_left_out_ = int(np.count_nonzero(~complete))
        warn_left_out(self.n_rows_left_out_, len(X), left_out_reason(self))
        rows = complete & (weights > 0)
        if not rows.any():
            raise InputError(
                f"no row can be trained on: in every row {left_out_reason(self)}, y_err is not positive, or the weight "
                "is 0. NaN, infinity and survey placeholders count as missing."
            )
        X_err = None if X_err is None else validate_label_errors(self, X_err, len(X))
        self._select_rows(rows)
        parts = [None if part is None else part[rows] for part in (X, y, weights, groups, y_err, X_err)]
        parts.append(check_random_state(self.random_state))
        with one_blas_thread():
            fold, oof = self._fit_rows(*parts)
        self.fold_, self.oof_prediction_ = np.full(len(rows), -1), None
        if fold is not None:
            self.fold_[rows] = fold
            self.oof_prediction_ = np.full(len(rows), np.nan)
            self.oof_prediction_[rows] = oof
        return self

    def _complete(self, X):
        return np.isfinite(X).all(axis=1)

    def _select_rows(self, rows):
        """Take note of the rows that are trained on."""

    def _usable_target(self, y):
        return np.isfinite(y)

    def _choose_rows(self, X, y, weights, groups):
        """Tell which complete rows to train on: all, unless a subclass overrides this."""
        return np.ones(len(X), dtype=bool)

    def _fit_rows(self, X, y, weights, groups, y_err, X_err, rng):
        """Train on complete rows and learn the errors; return folds and out-of-fold predictions (None without).

        Rows that are not trained on have a fold, too: new stars will be like them as well.
        """
        chosen = self._choose_rows(X, y, weights, groups)
        stars = distinct_rows(X, y) if groups is None else groups
        n_stars = len(np.unique(stars[chosen]))
        n_folds = min(self.n_folds or (5 if n_stars >= 500 else 12 if n_stars >= 120 else 30), n_stars)
        with_errors = self.error_model is not None and n_folds >= 2 and len(X) >= MIN_ROWS
        at_once = with_errors and can_leave_out(self._network(), np.count_nonzero(chosen))
        fold = fold_numbers(stars, n_folds, rng.randint(np.iinfo(np.int32).max)) if at_once else None
        self.pipeline_, self.fold_pipelines_ = self._train(X, y, weights, groups, chosen, rng, fold)
        self.n_rows_ = int(np.count_nonzero(chosen))
        self.n_iter_ = (self.pipeline_["network"] if isinstance(self.pipeline_, Pipeline) else self.pipeline_).n_iter_
        self.errors_ = None
        if with_errors and not at_once:
            seed = rng.randint(np.iinfo(np.int32).max)
            fold = fold_numbers(stars, n_folds, seed)
            kept = [chosen & (fold != number) for number in range(n_folds)]
            if not all(rows.any() for rows in kept):
                return None, None
            # The same seed for each: the folds differ by their rows alone.
            self.fold_pipelines_ = [
                self._train(X, y, weights, groups, rows, np.random.RandomState(seed))[0] for rows in kept
            ]
        if fold is None:
            return None, None
        oof = self._predict_by_fold(X, fold)
        self.errors_ = self._fit_errors(X, y, oof, y_err, X_err)
        return fold, oof

    def _train(self, X, y, weights, groups, rows, rng, fold=None):
        """Train scaler and networks on some of the complete rows; return their pipeline, and those without folds."""
        groups, fold = (None if part is None else part[rows] for part in (groups, fold))
        parts = X[rows], y[rows], weights[rows], groups
        return train_pipeline(self._network(), *parts, n_networks=self.n_networks, rng=rng, fold=fold)

    def predict(self, X: Any, return_std: bool = False, X_err: Any = None) -> Any:
        """Predict the target.

        Parameters
        ----------
        X : table or array-like of shape (n_stars, n_labels)
            Labels.
        return_std : bool, default=False
            Whether to return the error of each prediction as well: half the width of its 68.27 % interval.
        X_err : table or array-like of shape (n_stars, n_labels) or (n_stars, n_labels, n_labels), optional
            Errors or covariances of the labels, as for `predict_interval`.

        Returns
        -------
        y : ndarray of shape (n_stars,)
            Predictions; NaN where a label is missing.
        std : ndarray of shape (n_stars,)
            Their errors, if `return_std` is true.
        """
        if return_std:
            prediction = self.predict_with_interval(X, X_err=X_err)
            return prediction.value, prediction.error
        check_is_fitted(self)
        return self._predict_values(validate_labels(self, X, reset=False, names=self.labels))

    def predict_out_of_fold(self, X: Any, fold: ArrayLike) -> NDArray[np.float64]:
        """Predict by networks that have not seen a star, also for another spectrum of it.

        Parameters
        ----------
        X : table or array-like of shape (n_stars, n_labels)
            Labels.
        fold : array-like of int, shape (n_stars,)
            Fold in which each star was held out, from `fold_`; -1 for a star that was not trained on.

        Returns
        -------
        y : ndarray of shape (n_stars,)
            For each star the prediction of the network trained without its fold, or of the final network where `fold`
            is -1; NaN where a label is missing.

        Raises
        ------
        InputError
            If `fold` has another shape, or a number that is no fold of this model.

        Examples
        --------
        >>> import numpy as np
        >>> from skdistmass.estimators.label_regressor import LabelRegressor
        >>> X = np.random.default_rng(0).normal(size=(200, 2))
        >>> model = LabelRegressor(n_networks=1, random_state=0).fit(X, X[:, 0] ** 2)
        >>> honest = model.predict_out_of_fold(X, model.fold_)
        >>> bool(np.array_equal(honest, model.oof_prediction_))
        True
        """
        check_is_fitted(self)
        X = validate_labels(self, X, reset=False, names=self.labels)
        return self._predict_by_fold(X, check_fold(fold, len(X), len(self.fold_pipelines_)))

    def _predict_by_fold(self, X, fold):
        """Predict rows of checked labels, each by the network of its fold."""
        predicted = np.empty(len(X))
        for number, pipeline in enumerate([*self.fold_pipelines_, self.pipeline_]):
            rows = fold == (number if number < len(self.fold_pipelines_) else -1)
            if rows.any():
                predicted[rows] = self._predict_values(X[rows], pipeline)
        return predicted

    def _predict_values(self, X, pipeline=None):
        """Predict for checked labels."""
        pipeline = self.pipeline_ if pipeline is None else pipeline
        return fill_by_blocks(lambda rows: pipeline.predict(X[rows]), X, np.empty(len(X)))

    def jacobian(self, X: Any) -> NDArray[np.float64]:
        """Derivatives of the prediction with respect to the labels.

        Parameters
        ----------
        X : table or array-like of shape (n_stars, n_labels)
            Labels.

        Returns
        -------
        jacobian : ndarray of shape (n_stars, n_labels)
            Exact derivatives, in the unit of the target per unit of the label; NaN where a label is missing.

        Examples
        --------
        >>> import numpy as np
        >>> from skdistmass import LevenbergMarquardtMLPRegressor
        >>> from skdistmass.estimators.label_regressor import LabelRegressor
        >>> X = np.random.default_rng(0).normal(size=(200, 2))
        >>> line = LevenbergMarquardtMLPRegressor(activation="identity", alpha=0)
        >>> model = LabelRegressor(network=line, random_state=0).fit(X, 3 * X[:, 0] - X[:, 1])
        >>> model.jacobian([[0.0, 0.0]]).round(2)
        array([[ 3., -1.]])
        """
        check_is_fitted(self)
        X = validate_labels(self, X, reset=False, names=self.labels)
        return self._jacobian_values(X)

    def _jacobian_values(self, X):
        scaler, network = self.pipeline_["scaler"], self.pipeline_["network"]

        def derive(rows):
            return network_jacobian(network, scaler.transform(X[rows])) / scaler.scale_

        return fill_by_blocks(derive, X, np.empty(X.shape))

    def score(self, X: Any, y: ArrayLike, sample_weight: ArrayLike | None = None) -> float:
        """Return the coefficient of determination R^2 over the stars that have all labels and a target.

        Parameters
        ----------
        X, y, sample_weight
            As for `fit`.

        Returns
        -------
        score : float
            NaN if fewer than two stars remain.
        """
        predicted = self.predict(X)
        y = check_target(y, predicted, unit=self._target_unit, name=self._target_name)
        weights = check_weights(sample_weight, len(y))
        rows = np.isfinite(predicted) & self._usable_target(y)
        if np.count_nonzero(rows) < 2:
            return np.nan
        return r2_score(y[rows], predicted[rows], sample_weight=weights[rows])

    def __sklearn_tags__(self):
        let_splitters_take_rows()
        tags = super().__sklearn_tags__()
        tags.input_tags.allow_nan = True
        return tags
