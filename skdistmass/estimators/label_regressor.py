"""The base both regressors share: StandardScaler and small MLPRegressor, weights, tables and missing values."""

from numbers import Integral, Real

import numpy as np
from sklearn.base import BaseEstimator, RegressorMixin, _fit_context
from sklearn.metrics import r2_score
from sklearn.model_selection import GroupKFold
from sklearn.pipeline import Pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.utils import check_random_state
from sklearn.utils._param_validation import Interval, StrOptions
from sklearn.utils.validation import check_is_fitted
from threadpoolctl import threadpool_limits

from skdistmass.estimators.inputs import (
    check_groups,
    check_target,
    check_weights,
    distinct_rows,
    validate_label_errors,
    validate_labels,
    warn_left_out,
)
from skdistmass.estimators.intervals import IntervalMixin, fill_by_blocks
from skdistmass.exceptions import InputError
from skdistmass.networks.merging import average_networks, network_jacobian, rescale_output, train_network
from skdistmass.networks.rows import penalty_rows
from skdistmass.uncertainty.conformal import MIN_ROWS, normal_coverage

__all__ = ["LabelRegressor"]

# The networks of the paper (section 3.1): 8 ReLU neurons, Adam, 16 of 80 % held back to stop on, one seed. The batch is
# Keras' default, and so is the patience of a training that ends at about 80 epochs.
_PAPER_RECIPE = {
    "hidden_layer_sizes": (8,),
    "activation": "relu",
    "solver": "adam",
    "batch_size": 32,
    "alpha": 0.0,
    "max_iter": 200,
    "tol": 1e-4,
    "early_stopping": True,
    "validation_fraction": 0.2,
    "n_iter_no_change": 5,
    "n_networks": 1,
    "error_model": "paper",
}

# Constructor parameters that `train_network` takes as they are.
_NETWORK_PARAMETERS = (
    "hidden_layer_sizes",
    "activation",
    "solver",
    "batch_size",
    "learning_rate_init",
    "max_iter",
    "tol",
    "early_stopping",
    "validation_fraction",
    "n_iter_no_change",
)


class LabelRegressor(IntervalMixin, RegressorMixin, BaseEstimator):
    """Regression of one quantity on spectroscopic labels by a small neural network.

    A `StandardScaler` and an `MLPRegressor`, trained on rows weighted by ``1/sigma^2``. This is the common part of
    `AbsMagRegressor` and `CNMassRegressor`, and serves on its own for any other target.

    Parameters
    ----------
    hidden_layer_sizes : int or tuple of int, default=(8, 8)
        Neurons in each hidden layer. The paper's networks have one layer of 8 (section 3.1).
    activation : {"tanh", "relu", "logistic", "identity"}, default="tanh"
        Activation of the hidden layers.
    solver : {"lm", "lbfgs", "adam", "sgd"}, default="lm"
        How the network is trained. ``"lm"`` is Levenberg-Marquardt on all rows at once; the others are those of
        `MLPRegressor`. In the mini-batches of ``"adam"`` and ``"sgd"`` the weights count in full.
    alpha : float, default=0.1
        Strength of the L2 penalty, as in `MLPRegressor`: ``alpha / (2 n)`` times the sum of the squared
        coefficients of the network for scaled inputs and target, n being the number of distinct rows.
    n_networks : int, default=4
        Number of networks trained from different initial weights, whose mean is the prediction. They are merged into
        one `MLPRegressor`.
    batch_size, learning_rate_init : default="auto", 0.001
        As in `MLPRegressor`; used by ``"adam"`` and ``"sgd"`` only.
    max_iter : int, default=500
        Largest number of iterations (epochs of the stochastic solvers).
    tol : float, default=5e-4
        Relative decrease of the loss below which the training has converged; see `MLPRegressor` for solvers other
        than ``"lm"``.
    early_stopping : bool, default=False
        Whether to stop when the loss of a held-back part no longer falls. Not available with ``"lbfgs"``.
    validation_fraction : float, default=0.1
        The part held back for early stopping.
    n_iter_no_change : int, default=5
        Iterations without improvement before the training stops.
    error_model : {"conformal", "paper"} or None, default="conformal"
        Where errors of the predictions come from: a scatter that follows the labels, calibrated on out-of-fold
        residuals (`skdistmass.uncertainty.conformal.ConformalErrors`), or the paper's simple fits
        (`skdistmass.uncertainty.conformal.PaperErrors`). With None there are no errors, and the training is cheaper by
        a factor of `n_folds` + 1: the choice for a grid search.
    n_folds : int, default=5
        Number of folds for the out-of-fold predictions behind the errors.
    labels : tuple of str, default=None
        Labels to read from a table, in order; by default the five of `skdistmass.labels.LABEL_NAMES`.
    random_state : int, RandomState or None, default=None
        Seed of the initial weights, splits and batches.

    Attributes
    ----------
    pipeline_ : Pipeline
        The fitted ``scaler`` (`StandardScaler`) and ``network`` (`MLPRegressor`); predicts in the unit of the target.
    n_features_in_ : int
        Number of labels.
    feature_names_in_ : ndarray of str
        Their names, if `X` had any.
    label_columns_ : dict
        Label name to the table column it was read from, as when FE_H stands in for M_H.
    n_rows_ : int
        Number of rows trained on.
    n_rows_left_out_ : int
        Number of rows left out because a label or the target was missing.
    n_iter_ : int
        Iterations, summed over the networks.
    oof_prediction_ : ndarray of shape (n_rows_given,) or None
        For every complete row with a weight, the prediction of networks that had not seen its star; NaN in the other
        rows. None without an error model.
    errors_ : ConformalErrors, PaperErrors or None
        The fitted error model. None if there is none, or if fewer than 50 stars were trained on.

    Notes
    -----
    Weights act by their ratios only. A weight of 2 is the same as giving the row twice, and a weight of 0 the same as
    leaving it out; with the full-batch solvers (``"lm"``, ``"lbfgs"``) the equality holds to rounding.

    Examples
    --------
    >>> import numpy as np
    >>> from skdistmass.estimators.label_regressor import LabelRegressor
    >>> X = np.random.default_rng(0).normal(size=(200, 2))
    >>> model = LabelRegressor(random_state=0).fit(X, X[:, 0] ** 2)
    >>> model.predict([[0.5, 0.0], [np.nan, 1.0]]).round(2)
    array([0.25,  nan])
    """

    _parameter_constraints = {
        "hidden_layer_sizes": ["array-like", Interval(Integral, 1, None, closed="left")],
        "activation": [StrOptions({"tanh", "relu", "logistic", "identity"})],
        "solver": [StrOptions({"lm", "lbfgs", "adam", "sgd"})],
        "alpha": [Interval(Real, 0, None, closed="left")],
        "n_networks": [Interval(Integral, 1, None, closed="left")],
        "batch_size": [StrOptions({"auto"}), Interval(Integral, 1, None, closed="left")],
        "learning_rate_init": [Interval(Real, 0, None, closed="neither")],
        "max_iter": [Interval(Integral, 1, None, closed="left")],
        "tol": [Interval(Real, 0, None, closed="left")],
        "early_stopping": ["boolean"],
        "validation_fraction": [Interval(Real, 0, 1, closed="neither")],
        "n_iter_no_change": [Interval(Integral, 1, None, closed="left")],
        "error_model": [StrOptions({"conformal", "paper"}), None],
        "n_folds": [Interval(Integral, 2, None, closed="left")],
        "labels": ["array-like", None],
        "random_state": ["random_state"],
    }
    _target_name = "y"
    _target_unit = None

    def __init__(
        self,
        *,
        hidden_layer_sizes=(8, 8),
        activation="tanh",
        solver="lm",
        alpha=0.1,
        n_networks=4,
        batch_size="auto",
        learning_rate_init=0.001,
        max_iter=500,
        tol=5e-4,
        early_stopping=False,
        validation_fraction=0.1,
        n_iter_no_change=5,
        error_model="conformal",
        n_folds=5,
        labels=None,
        random_state=None,
    ):
        self.hidden_layer_sizes = hidden_layer_sizes
        self.activation = activation
        self.solver = solver
        self.alpha = alpha
        self.n_networks = n_networks
        self.batch_size = batch_size
        self.learning_rate_init = learning_rate_init
        self.max_iter = max_iter
        self.tol = tol
        self.early_stopping = early_stopping
        self.validation_fraction = validation_fraction
        self.n_iter_no_change = n_iter_no_change
        self.error_model = error_model
        self.n_folds = n_folds
        self.labels = labels
        self.random_state = random_state

    @classmethod
    def paper(cls, **parameters):
        """Return a regressor with the paper's own recipe (sections 3.1, 4.3 and 5.5).

        One hidden layer of 8 ReLU neurons trained by Adam in batches of 32, stopped when the score of a held-back
        fifth no longer rises, with the paper's simple errors.

        Parameters
        ----------
        **parameters
            Constructor parameters that replace the recipe's.

        Returns
        -------
        model : LabelRegressor
            Of this class, not yet fitted.

        Examples
        --------
        >>> from skdistmass import AbsMagRegressor
        >>> AbsMagRegressor.paper(random_state=0).solver
        'adam'
        """
        return cls(**(_PAPER_RECIPE | parameters))

    @_fit_context(prefer_skip_nested_validation=False)  # a binary filter has parameters of its own
    def fit(self, X, y, sample_weight=None, groups=None, y_err=None, X_err=None):
        """Train the network.

        Parameters
        ----------
        X : table or array-like of shape (n_stars, n_labels)
            Labels; the columns of a table are picked by name. Rows with a missing one are left out.
        y : array-like of shape (n_stars,)
            Target. Rows where it is missing are left out.
        sample_weight : array-like of shape (n_stars,), optional
            Weights, ``1/sigma^2`` of the target.
        groups : array-like of shape (n_stars,), optional
            Star each row belongs to (APOGEE_ID), so that repeated spectra stay together in every
            fold, and in the early stopping of ``"lm"``.
        y_err : array-like of shape (n_stars,), optional
            Error of the target. It is taken out of the scatter, so that predicted errors are those about the truth
            and not about measurements of it, and gives the weights if there are no others. Rows where it is missing
            are left out.
        X_err : table or array-like of shape (n_stars, n_labels) or (n_stars, n_labels, n_labels), optional
            Errors or covariances of the labels; NaN where unknown. Of a table, the columns named like the labels'
            with ``_ERR`` added. With them, label noise and intrinsic scatter are
            told apart, so that errors given at prediction replace those of the training stars.

        Returns
        -------
        self : LabelRegressor

        Raises
        ------
        InputError
            If a weight is negative or not finite, if lengths differ or no complete row remains.
        ColumnError, UnitError
            If a table lacks a label or has it in another kind of unit.
        """
        X = validate_labels(self, X, reset=True, names=self.labels)
        y = check_target(y, X, unit=self._target_unit, name=self._target_name)
        complete = np.isfinite(X).all(axis=1) & self._usable_target(y)
        if y_err is not None:
            y_err = check_target(y_err, X, unit=self._target_unit, name=f"{self._target_name} error")
            complete &= y_err > 0
            if sample_weight is None:
                sample_weight = np.where(complete, y_err, np.inf) ** -2.0
        weights = check_weights(sample_weight, len(X))
        groups = check_groups(groups, len(X))
        self.n_rows_left_out_ = int(np.count_nonzero(~complete))
        warn_left_out(self.n_rows_left_out_, len(X))
        rows = complete & (weights > 0)
        if not rows.any():
            raise InputError(
                "no row can be trained on: in every one a label or the target is NaN, infinite or a survey "
                "placeholder, or the weight is 0."
            )
        X_err = None if X_err is None else validate_label_errors(self, X_err, len(X))
        parts = [None if part is None else part[rows] for part in (X, y, weights, groups, y_err, X_err)]
        # Matrices this small gain nothing from BLAS threads, and lose much where several processes share a machine.
        with threadpool_limits(limits=1, user_api="blas"):
            oof = self._fit_rows(*parts, check_random_state(self.random_state))
        self.oof_prediction_ = None
        if oof is not None:
            self.oof_prediction_ = np.full(len(rows), np.nan)
            self.oof_prediction_[rows] = oof
        return self

    def _usable_target(self, y):
        """Tell which targets can be trained on."""
        return np.isfinite(y)

    def _choose_rows(self, X, y, weights, groups):
        """Tell which of the complete rows to train on: all, unless a subclass knows better."""
        return np.ones(len(X), dtype=bool)

    def _fit_rows(self, X, y, weights, groups, y_err, X_err, rng):
        """Train on complete rows and learn the errors; return out-of-fold predictions (None without errors)."""
        chosen = self._choose_rows(X, y, weights, groups)
        part = None if groups is None else groups[chosen]
        self.pipeline_ = self._train(X[chosen], y[chosen], weights[chosen], part, rng)
        self.n_rows_ = int(np.count_nonzero(chosen))
        self.n_iter_ = self.pipeline_["network"].n_iter_
        self.errors_ = oof = None
        if self.error_model is not None:
            oof = self._out_of_fold(X, y, weights, groups, chosen, rng)
            if oof is not None:
                self.errors_ = self._fit_errors(X, y, oof, y_err, X_err)
        return oof

    def _out_of_fold(self, X, y, weights, groups, chosen, rng):
        """Predict every row by networks that have not seen its group (or the row itself), or return None.

        Rows that are not trained on are predicted, too: new stars will be like them as well.
        """
        folds = distinct_rows(X, y) if groups is None else groups
        n_folds = min(self.n_folds, len(np.unique(folds[chosen])))
        seed = rng.randint(np.iinfo(np.int32).max)
        if n_folds < 2 or len(X) < MIN_ROWS:
            return None
        oof = np.empty(len(X))
        for train, test in GroupKFold(n_folds, shuffle=True, random_state=seed).split(X, groups=folds):
            train = train[chosen[train]]
            if len(train) == 0:
                return None
            part = None if groups is None else groups[train]
            pipeline = self._train(X[train], y[train], weights[train], part, np.random.RandomState(seed))
            oof[test] = pipeline.predict(X[test])
        return oof

    def _train(self, X, y, weights, groups, rng):
        """Train scaler and networks on complete rows, and return them as one pipeline."""
        weights = weights / weights.mean()
        # Arrays whatever the global configuration says: the network was not trained on names.
        scaler = StandardScaler().set_output(transform="default").fit(X, sample_weight=weights)
        inputs = scaler.transform(X)
        shift = np.average(y, weights=weights)
        scale = np.sqrt(np.average((y - shift) ** 2, weights=weights)) or 1.0
        # The penalty of repeated rows must be that of the same rows weighted, so it goes by distinct rows, where
        # scikit-learn goes by the sum of the weights and the Levenberg-Marquardt trainer by a rule of its own.
        n_distinct = distinct_rows(X, y).max() + 1
        n_counted = penalty_rows(weights, n_distinct) if self.solver == "lm" else len(X)
        penalty = self.alpha * n_counted / n_distinct
        parameters = {name: getattr(self, name) for name in _NETWORK_PARAMETERS}
        networks = [
            train_network(
                inputs,
                (y - shift) / scale,
                weights,
                groups=groups,
                random_state=seed,
                alpha=penalty,
                **parameters,
            )
            for seed in rng.randint(np.iinfo(np.int32).max, size=self.n_networks)
        ]
        network = rescale_output(average_networks(networks), scale, shift)
        return Pipeline([("scaler", scaler), ("network", network)])

    def predict(self, X, return_std=False, X_err=None):
        """Predict the target.

        Parameters
        ----------
        X : table or array-like of shape (n_stars, n_labels)
            Labels.
        return_std : bool, default=False
            Whether to return the error of each prediction as well: half the width of its 68.27 % interval.
        X_err : array-like of shape (n_stars, n_labels) or (n_stars, n_labels, n_labels), optional
            Errors or covariances of the labels, as for `predict_interval`.

        Returns
        -------
        y : ndarray of shape (n_stars,)
            Predictions; NaN where a label is missing.
        std : ndarray of shape (n_stars,)
            Their errors, if `return_std` is true.
        """
        check_is_fitted(self)
        X = validate_labels(self, X, reset=False, names=self.labels)
        predicted = self._predict_values(X)
        if not return_std:
            return predicted
        interval = self._interval_values(X, predicted, normal_coverage(1.0), X_err)
        return predicted, 0.5 * (interval[:, 1] - interval[:, 0])

    def _predict_values(self, X):
        """Predict for checked labels."""
        return fill_by_blocks(lambda rows: self.pipeline_.predict(X[rows]), X, np.empty(len(X)))

    def jacobian(self, X):
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
        >>> from skdistmass.estimators.label_regressor import LabelRegressor
        >>> X = np.random.default_rng(0).normal(size=(200, 2))
        >>> model = LabelRegressor(activation="identity", alpha=0, random_state=0).fit(X, 3 * X[:, 0] - X[:, 1])
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

    def score(self, X, y, sample_weight=None):
        """Return the coefficient of determination R^2 over the stars that have all labels and a target.

        Parameters
        ----------
        X : table or array-like of shape (n_stars, n_labels)
            Labels.
        y : array-like of shape (n_stars,)
            True values.
        sample_weight : array-like of shape (n_stars,), optional
            Weights.

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
        tags = super().__sklearn_tags__()
        tags.input_tags.allow_nan = True
        return tags
