"""Training of small networks by Levenberg-Marquardt, ending in an ordinary scikit-learn `MLPRegressor`.

A network of 57 to a few hundred weights and a squared error is a nonlinear least-squares problem. Gauss-Newton steps
with damping (Levenberg 1944; Marquardt 1963; as for networks in Hagan and Menhaj 1994) solve it in some tens of passes
over the rows, where Adam or L-BFGS need hundreds to thousands.
"""

import warnings
from numbers import Integral, Real

import numpy as np
from sklearn.base import BaseEstimator, RegressorMixin, _fit_context
from sklearn.exceptions import ConvergenceWarning
from sklearn.neural_network import MLPRegressor
from sklearn.utils import check_random_state
from sklearn.utils._param_validation import Interval, StrOptions
from sklearn.utils.validation import check_is_fitted, validate_data

from skdistmass.exceptions import InputError
from skdistmass.networks.rows import hold_out, merge_rows, penalty_rows, read_rows
from skdistmass.networks.solver import Stopping, pack, threads, unpack
from skdistmass.networks.training import Training, default_threads

__all__ = ["LevenbergMarquardtMLPRegressor", "fit_mlp"]


def _hidden_layers(hidden_layer_sizes):
    sizes = tuple(np.atleast_1d(hidden_layer_sizes).tolist()) if np.size(hidden_layer_sizes) else ()
    if not all(isinstance(size, Integral) and size > 0 for size in sizes):
        raise InputError(f"hidden_layer_sizes must be whole numbers > 0, got {hidden_layer_sizes!r}.")
    return sizes


def _initial_point(init, sizes):
    """Return the parameters of a fitted network, checked against the wanted sizes."""
    coefs, intercepts = (init.coefs_, init.intercepts_) if hasattr(init, "coefs_") else init
    found = (*(len(coef) for coef in coefs), len(intercepts[-1]))
    if found != sizes:
        raise InputError(f"init is a network of layers {found}; one of {sizes} is to be trained.")
    return pack(coefs, intercepts)


def fit_mlp(
    X,
    y,
    sample_weight=None,
    *,
    hidden_layer_sizes=(16,),
    activation="tanh",
    alpha=1e-4,
    max_iter=500,
    tol=5e-4,
    n_iter_no_change=5,
    early_stopping=False,
    validation_fraction=0.1,
    groups=None,
    validation=None,
    n_starts=8,
    start_subsample=2000,
    start_iter=15,
    init=None,
    random_state=None,
    block_size=256,
    n_threads=None,
    callback=None,
    verbose=False,
):
    """Train a small network by Levenberg-Marquardt and return an ordinary fitted `MLPRegressor`.

    What is minimised is scikit-learn's squared error with its L2 penalty,

        sum(w r^2) / (2 sum(w)) + alpha sum(coefs^2) / (2 n),

    where intercepts are not penalised and n is the number of rows: the sum of the weights in units of the smallest if
    they are whole multiples of it, as counts are, else the number of distinct rows. A row repeated or of twice the
    weight is the same thing, and the scale of the weights has no influence.

    Parameters
    ----------
    X : array-like of shape (n_rows, n_features)
        Inputs, scaled to about unit size.
    y : array-like of shape (n_rows,)
        Targets.
    sample_weight : array-like of shape (n_rows,), optional
        Weights >= 0, for example 1 / sigma^2. Rows of weight 0 are left out.
    hidden_layer_sizes : int or sequence of int, default=(16,)
        Units in each hidden layer.
    activation : {"identity", "logistic", "tanh", "relu"}, default="tanh"
        Activation of the hidden units.
    alpha : float, default=1e-4
        Strength of the L2 penalty.
    max_iter : int, default=500
        Most iterations (steps that lower the loss) on all rows.
    tol : float, default=5e-4
        Training ends when the loss has fallen by less than this share of itself (and of a hundredth of the loss of a
        constant) over `n_iter_no_change` iterations; with validation rows, as soon as their loss has.
    n_iter_no_change : int, default=5
        See `tol`.
    early_stopping : bool, default=False
        Whether to set rows aside as validation rows.
    validation_fraction : float, default=0.1
        Share of the rows, or of the groups, to set aside.
    groups : array-like of shape (n_rows,), optional
        Rows of a group are set aside together, as for repeated visits of one star.
    validation : tuple (X, y) or (X, y, sample_weight), optional
        Validation rows of your own; used whatever `early_stopping` says. The network that does best on the
        validation rows is the one returned.
    n_starts : int, default=8
        Random starts tried on a subsample. The best is carried on to all rows, from 50,000 on by way of every tenth.
        If none gets below the straight line's loss, others are drawn, twice at most.
    start_subsample : int, default=2000
        Rows the starts are tried on.
    start_iter : int, default=15
        Most iterations of each start.
    init : MLPRegressor or tuple (coefs, intercepts), optional
        Fitted network to go on from, in place of random starts.
    random_state : int, RandomState or None, default=None
        For the starts, the subsample and the rows set aside.
    block_size : int, default=256
        Rows taken at a time; bounds the memory for derivatives.
    n_threads : int, optional
        Threads; by default those that joblib and the variable OMP_NUM_THREADS allow, and one outside the main
        thread. The result does not depend on it.
    callback : callable, optional
        Called as ``callback(iteration, loss, validation_loss)`` after each iteration on all rows, the last argument
        None without validation rows. Training ends if it returns True.
    verbose : bool, default=False
        Whether to print the loss after each iteration.

    Returns
    -------
    model : MLPRegressor
        With `loss_curve_` after each iteration, and `validation_scores_` (R^2) with validation rows.

    Raises
    ------
    InputError
        If the shapes don't agree, all weights are zero, the rows can't be split, or every start diverges.

    Warns
    -----
    ConvergenceWarning
        If the loss was still falling after `max_iter` iterations.
    UserWarning
        If interrupted from the keyboard after an iteration on all rows; the best network so far is returned.

    References
    ----------
    Hagan and Menhaj 1994, IEEE Trans. Neural Networks 5, 989; Nielsen 1999, IMM-REP-1999-05; More 1978, in Numerical
    Analysis (Springer), 105.

    Examples
    --------
    >>> import numpy as np
    >>> from skdistmass.networks.levenberg_marquardt import fit_mlp
    >>> X = np.random.default_rng(0).normal(size=(500, 2))
    >>> model = fit_mlp(X, np.sin(X[:, 0]) + X[:, 1] ** 2, random_state=0)
    >>> type(model).__name__, bool(model.loss_ < 1e-3)
    ('MLPRegressor', True)
    """
    rng = check_random_state(random_state)
    X, y, weight, groups = read_rows(X, y, sample_weight, groups)
    given = weight
    X, y, weight, groups = merge_rows(X, y, weight, groups)
    n_rows = penalty_rows(given, len(y))
    sizes = (X.shape[1], *_hidden_layers(hidden_layer_sizes), 1)
    training, held = (X, y, weight), None
    if validation is not None:
        held = read_rows(*validation, what=" of the validation rows")[:3]
    elif early_stopping:
        training, held = hold_out(X, y, weight, groups, validation_fraction, rng)
        n_rows *= training[2].sum() / weight.sum()
    with threads(n_threads or default_threads()) as parallel:
        run = Training(training, held, sizes, activation, alpha / n_rows, block_size, parallel)
        if init is not None:
            starts = [_initial_point(init, sizes)]
        else:
            starts = run.race(n_starts, start_iter, start_subsample, rng)
        try:
            stopping = Stopping(max_iter, tol, n_iter_no_change)
            descent = run.carry_on(starts, stopping, fresh=init is None, callback=callback, verbose=verbose)
        except KeyboardInterrupt:
            descent = run.interrupted()
            if descent is None:
                raise
            warnings.warn("Training interrupted by user.", stacklevel=2)
        else:
            if not descent.converged:
                warnings.warn(
                    f"the loss was still falling after {max_iter} iterations; raise max_iter or tol.",
                    ConvergenceWarning,
                    stacklevel=2,
                )
    model = MLPRegressor(
        hidden_layer_sizes=hidden_layer_sizes,
        activation=activation,
        solver="lbfgs",  # of scikit-learn's own, the one that goes on from here in the same way
        alpha=alpha,
        max_iter=max_iter,
        tol=tol,
        n_iter_no_change=n_iter_no_change,
        early_stopping=early_stopping,
        validation_fraction=validation_fraction,
        random_state=random_state,
    )
    return _fill(model, descent, run, len(training[1]))


def _fill(model, descent, run, n_rows):
    """Give a scikit-learn network the attributes its own `fit` would."""
    model.coefs_, model.intercepts_ = unpack(descent.theta, run.sizes)
    model.n_features_in_, model.n_layers_, model.n_outputs_ = run.sizes[0], len(run.sizes), 1
    model.out_activation_ = "identity"
    model.n_iter_ = len(descent.curve)
    model.t_ = model.n_iter_ * n_rows
    model.loss_, model.loss_curve_ = descent.loss, descent.curve
    model.best_loss_, model.validation_scores_, model.best_validation_score_ = descent.loss, None, None
    if run.held is not None:
        null = run.held.null_loss
        model.best_loss_ = None
        model.validation_scores_ = [1.0 - loss / null if null > 0 else 0.0 for loss in descent.validation_curve]
        model.best_validation_score_ = max(model.validation_scores_)
    return model


class LevenbergMarquardtMLPRegressor(RegressorMixin, BaseEstimator):
    """Small network trained by Levenberg-Marquardt, with the parameters of `MLPRegressor` that apply.

    Parameters
    ----------
    hidden_layer_sizes, activation, alpha, max_iter, tol, n_iter_no_change
        See `fit_mlp`.
    early_stopping, validation_fraction, random_state, verbose
        See `fit_mlp`.
    n_starts, start_subsample, start_iter, block_size, n_threads, callback
        See `fit_mlp`.
    warm_start : bool, default=False
        Whether a further `fit` goes on from the network it finds, in place of random starts.

    Attributes
    ----------
    mlp_ : MLPRegressor
        The fitted network, an ordinary one; use it where the type matters, as in a conversion to ONNX.
    coefs_, intercepts_ : list of ndarray
        Its coefficients and intercepts, by layer.
    n_iter_ : int
        Iterations on all rows.
    loss_ : float
        Loss of the network, penalty included.
    loss_curve_ : list of float
        Loss after each iteration.
    validation_scores_ : list of float or None
        R^2 of the validation rows after each iteration, if there are any.
    n_features_in_ : int
        Number of features seen in `fit`.
    feature_names_in_ : ndarray of str
        Their names, if the input had names.

    See Also
    --------
    fit_mlp : The same as a function, with validation rows, groups and a network to start from.

    Examples
    --------
    >>> import numpy as np
    >>> from skdistmass.networks.levenberg_marquardt import LevenbergMarquardtMLPRegressor
    >>> X = np.random.default_rng(0).normal(size=(500, 2))
    >>> y = np.sin(X[:, 0]) + X[:, 1] ** 2
    >>> net = LevenbergMarquardtMLPRegressor(hidden_layer_sizes=8, random_state=0).fit(X, y)
    >>> bool(net.score(X, y) > 0.99)
    True
    """

    _parameter_constraints = {
        "hidden_layer_sizes": ["array-like", Interval(Integral, 1, None, closed="left")],
        "activation": [StrOptions({"identity", "logistic", "tanh", "relu"})],
        "alpha": [Interval(Real, 0, None, closed="left")],
        "max_iter": [Interval(Integral, 1, None, closed="left")],
        "tol": [Interval(Real, 0, None, closed="left")],
        "n_iter_no_change": [Interval(Integral, 1, None, closed="left")],
        "early_stopping": ["boolean"],
        "validation_fraction": [Interval(Real, 0, 1, closed="neither")],
        "n_starts": [Interval(Integral, 1, None, closed="left")],
        "start_subsample": [Interval(Integral, 1, None, closed="left")],
        "start_iter": [Interval(Integral, 1, None, closed="left")],
        "random_state": ["random_state"],
        "block_size": [Interval(Integral, 1, None, closed="left")],
        "n_threads": [Interval(Integral, 1, None, closed="left"), None],
        "callback": [callable, None],
        "verbose": ["verbose"],
        "warm_start": ["boolean"],
    }

    def __init__(
        self,
        *,
        hidden_layer_sizes=(16,),
        activation="tanh",
        alpha=1e-4,
        max_iter=500,
        tol=5e-4,
        n_iter_no_change=5,
        early_stopping=False,
        validation_fraction=0.1,
        n_starts=8,
        start_subsample=2000,
        start_iter=15,
        random_state=None,
        block_size=256,
        n_threads=None,
        callback=None,
        verbose=False,
        warm_start=False,
    ):
        self.hidden_layer_sizes = hidden_layer_sizes
        self.activation = activation
        self.alpha = alpha
        self.max_iter = max_iter
        self.tol = tol
        self.n_iter_no_change = n_iter_no_change
        self.early_stopping = early_stopping
        self.validation_fraction = validation_fraction
        self.n_starts = n_starts
        self.start_subsample = start_subsample
        self.start_iter = start_iter
        self.random_state = random_state
        self.block_size = block_size
        self.n_threads = n_threads
        self.callback = callback
        self.verbose = verbose
        self.warm_start = warm_start

    @_fit_context(prefer_skip_nested_validation=True)
    def fit(self, X, y, sample_weight=None, groups=None, validation_data=None):
        """Train the network.

        Parameters
        ----------
        X : array-like of shape (n_rows, n_features)
            Inputs, scaled to about unit size.
        y : array-like of shape (n_rows,)
            Targets.
        sample_weight : array-like of shape (n_rows,), optional
            Weights >= 0; only their ratios count.
        groups : array-like of shape (n_rows,), optional
            Rows of a group are set aside together by early stopping.
        validation_data : tuple (X, y) or (X, y, sample_weight), optional
            Validation rows of your own.

        Returns
        -------
        self : object

        Raises
        ------
        InputError
            As `fit_mlp` does.
        """
        init = self.mlp_ if self.warm_start and hasattr(self, "mlp_") else None
        X, y = validate_data(self, X, y, dtype=np.float64, order="C", y_numeric=True, reset=init is None)
        parameters = self.get_params(deep=False)
        del parameters["warm_start"]
        self.mlp_ = fit_mlp(X, y, sample_weight, groups=groups, validation=validation_data, init=init, **parameters)
        for name in ("coefs_", "intercepts_", "n_iter_", "loss_", "loss_curve_", "validation_scores_"):
            setattr(self, name, getattr(self.mlp_, name))
        return self

    def predict(self, X):
        """Predict with the network.

        Parameters
        ----------
        X : array-like of shape (n_rows, n_features)

        Returns
        -------
        y : ndarray of shape (n_rows,)
        """
        check_is_fitted(self)
        return self.mlp_.predict(validate_data(self, X, dtype=np.float64, reset=False))
