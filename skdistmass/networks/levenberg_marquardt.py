"""A small network trained by Levenberg-Marquardt, which ends in an ordinary scikit-learn `MLPRegressor`.

A network of 57 to a few hundred weights with a squared error is a nonlinear least-squares problem. Damped Gauss-Newton
steps (Levenberg 1944; Marquardt 1963; for networks Hagan and Menhaj 1994) solve it in some tens of passes over the
rows, where Adam or L-BFGS need hundreds to thousands.
"""

import warnings
from collections.abc import Callable
from numbers import Integral, Real

import numpy as np
from numpy.typing import ArrayLike, NDArray
from sklearn.base import BaseEstimator, RegressorMixin, _fit_context
from sklearn.exceptions import ConvergenceWarning
from sklearn.neural_network import MLPRegressor
from sklearn.utils import check_random_state
from sklearn.utils._param_validation import Interval, StrOptions
from sklearn.utils.validation import check_is_fitted, validate_data

from skdistmass.exceptions import InputError
from skdistmass.networks.rows import hold_out, merge_rows, penalty_rows, read_rows
from skdistmass.networks.solver import Descent, Stopping, pack, threads, unpack
from skdistmass.networks.training import Training, default_threads

__all__ = ["LevenbergMarquardtMLPRegressor"]


class LevenbergMarquardtMLPRegressor(RegressorMixin, BaseEstimator):
    """Small network trained by Levenberg-Marquardt, with the parameters of `MLPRegressor` that apply.

    The loss is scikit-learn's squared error with its L2 penalty,

        sum(w r^2) / (2 sum(w)) + alpha sum(coefs^2) / (2 n),

    where intercepts have no penalty and n is the number of rows. If all weights are whole multiples of the smallest
    one, as counts are, n is their sum in units of the smallest; otherwise it is the number of distinct rows. A repeated
    row and a row of twice the weight are the same, and the scale of the weights has no influence.

    Parameters
    ----------
    hidden_layer_sizes : int or sequence of int, default=(8, 8)
        Units in each hidden layer.
    activation : {"identity", "logistic", "tanh", "relu"}, default="tanh"
        Activation of the hidden units.
    alpha : float, default=0.1
        Strength of the L2 penalty.
    max_iter : int, default=500
        Largest number of iterations (steps that lower the loss) on all rows.
    tol : float, default=5e-4
        Training ends when the loss has fallen by less than this fraction of itself (and of a hundredth of the loss of
        a constant) over `n_iter_no_change` iterations. With validation rows, their loss can end it as well.
    n_iter_no_change : int, default=5
        See `tol`.
    early_stopping : bool, default=False
        Whether to set rows aside as validation rows. The network with the lowest loss on them is kept.
    validation_fraction : float, default=0.1
        Fraction of the rows, or of the groups, to set aside.
    n_starts : int, default=8
        Random starts tried on a subsample. Training goes on from the best one. With 50,000 rows or more it first uses
        every tenth row, then all. If no start has a lower loss than a straight line, new starts are drawn, at most
        twice.
    start_subsample : int, default=2000
        Number of rows on which the starts are tried.
    start_iter : int, default=15
        Largest number of iterations of each start.
    random_state : int, RandomState or None, default=None
        Seed of the starts, the subsample and the rows set aside.
    block_size : int, default=256
        Number of rows in one block. It bounds the memory for derivatives.
    n_threads : int or None, default=None
        Number of threads. By default as many as joblib and the variable OMP_NUM_THREADS allow, and one if `fit` is
        called outside the main thread. The result does not depend on it.
    callback : callable or None, default=None
        Called as ``callback(iteration, loss, validation_loss)`` after each iteration on all rows; the last argument is
        None without validation rows. Training ends if it returns True.
    verbose : bool, default=False
        Whether to print the loss after each iteration.
    warm_start : bool, default=False
        Whether a further `fit` starts from the network of the last one instead of random starts.

    Attributes
    ----------
    mlp_ : MLPRegressor
        The fitted network, an ordinary `MLPRegressor`. Use it where the type matters, as in a conversion to ONNX.
    coefs_, intercepts_ : list of ndarray
        Its coefficients and intercepts, one of each for a layer.
    n_iter_ : int
        Number of iterations on all rows.
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

    References
    ----------
    Hagan and Menhaj 1994, IEEE Trans. Neural Networks 5, 989; Nielsen 1999, IMM-REP-1999-05; More 1978, in Numerical
    Analysis (Springer), 105.

    Examples
    --------
    >>> import numpy as np
    >>> from skdistmass import LevenbergMarquardtMLPRegressor
    >>> X = np.random.default_rng(0).normal(size=(500, 2))
    >>> y = np.sin(X[:, 0]) + X[:, 1] ** 2
    >>> net = LevenbergMarquardtMLPRegressor(alpha=1e-3, random_state=0).fit(X, y)
    >>> bool(net.score(X, y) > 0.99), type(net.mlp_).__name__
    (True, 'MLPRegressor')
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
        hidden_layer_sizes: int | ArrayLike = (8, 8),
        activation: str = "tanh",
        alpha: float = 0.1,
        max_iter: int = 500,
        tol: float = 5e-4,
        n_iter_no_change: int = 5,
        early_stopping: bool = False,
        validation_fraction: float = 0.1,
        n_starts: int = 8,
        start_subsample: int = 2000,
        start_iter: int = 15,
        random_state: int | np.random.RandomState | None = None,
        block_size: int = 256,
        n_threads: int | None = None,
        callback: Callable[[int, float, float | None], object] | None = None,
        verbose: bool = False,
        warm_start: bool = False,
    ) -> None:
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
    def fit(
        self,
        X: ArrayLike,
        y: ArrayLike,
        sample_weight: ArrayLike | None = None,
        groups: ArrayLike | None = None,
        validation_data: tuple | None = None,
    ) -> "LevenbergMarquardtMLPRegressor":
        """Train the network.

        Parameters
        ----------
        X : array-like of shape (n_rows, n_features)
            Inputs, scaled to about unit size.
        y : array-like of shape (n_rows,)
            Targets.
        sample_weight : array-like of shape (n_rows,), optional
            Weights >= 0, for example 1 / sigma^2; only their ratios count. Rows of weight 0 are left out.
        groups : array-like of shape (n_rows,), optional
            Early stopping sets the rows of a group aside together, as for repeated spectra of one star.
        validation_data : tuple (X, y) or (X, y, sample_weight), optional
            Your own validation rows, used whatever `early_stopping` says.

        Returns
        -------
        self : LevenbergMarquardtMLPRegressor

        Raises
        ------
        InputError
            If the shapes don't agree, all weights are zero, the rows can't be split, or every start diverges.

        Warns
        -----
        ConvergenceWarning
            If the loss was still falling after `max_iter` iterations.
        """
        init = getattr(self, "mlp_", None) if self.warm_start else None
        X, y = validate_data(self, X, y, dtype=np.float64, order="C", y_numeric=True, reset=init is None)
        self.mlp_ = self._train(read_rows(X, y, sample_weight, groups), validation_data, init)
        for name in ("coefs_", "intercepts_", "n_iter_", "loss_", "loss_curve_", "validation_scores_"):
            setattr(self, name, getattr(self.mlp_, name))
        return self

    def predict(self, X: ArrayLike) -> NDArray[np.float64]:
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

    def _train(self, rows, validation_data, init):
        """Return the network trained on checked rows."""
        rng = check_random_state(self.random_state)
        given = rows[2]
        X, y, weight, groups = merge_rows(*rows)
        n_rows = penalty_rows(given, len(y))
        sizes = (X.shape[1], *_hidden_layers(self.hidden_layer_sizes), 1)
        training, held = (X, y, weight), None
        if validation_data is not None:
            held = read_rows(*validation_data, what=" of the validation rows")[:3]
        elif self.early_stopping:
            training, held = hold_out(X, y, weight, groups, self.validation_fraction, rng)
            n_rows *= training[2].sum() / weight.sum()
        with threads(self.n_threads or default_threads()) as parallel:
            run = Training(training, held, sizes, self.activation, self.alpha / n_rows, self.block_size, parallel)
            if init is not None:
                starts = [_initial_point(init, sizes)]
            else:
                starts = run.race(self.n_starts, self.start_iter, self.start_subsample, rng)
            descent = self._descend(run, starts, fresh=init is None)
        return _fill(self._plain_network(), descent, run, len(training[1]))

    def _descend(self, run: Training, starts: list, *, fresh: bool) -> Descent:
        """Descend on all rows."""
        stopping = Stopping(self.max_iter, self.tol, self.n_iter_no_change)
        descent = run.carry_on(starts, stopping, fresh=fresh, callback=self.callback, verbose=self.verbose)
        if not descent.converged:
            warnings.warn(
                f"the loss was still falling after {self.max_iter} iterations; raise max_iter or tol.",
                ConvergenceWarning,
                stacklevel=4,
            )
        return descent

    def _plain_network(self):
        """Return a scikit-learn network with the parameters that both have, before training."""
        parameters = self.get_params(deep=False)
        shared = (parameters.keys() & MLPRegressor().get_params().keys()) - {"verbose", "warm_start"}
        # Of scikit-learn's own solvers, L-BFGS continues from here in the same way.
        return MLPRegressor(solver="lbfgs", **{name: parameters[name] for name in shared})


def _hidden_layers(hidden_layer_sizes):
    sizes = tuple(np.atleast_1d(hidden_layer_sizes).tolist()) if np.size(hidden_layer_sizes) else ()
    if not all(isinstance(size, Integral) and size > 0 for size in sizes):
        raise InputError(f"hidden_layer_sizes must be whole numbers > 0, got {hidden_layer_sizes!r}.")
    return sizes


def _initial_point(network, sizes):
    """Return the parameters of a fitted network, checked against the wanted sizes."""
    found = (*(len(coef) for coef in network.coefs_), len(network.intercepts_[-1]))
    if found != sizes:
        raise InputError(
            f"warm_start=True starts from a network of layers {found}, but one of layers {sizes} is wanted; fit a new "
            "estimator instead."
        )
    return pack(network.coefs_, network.intercepts_)


def _fill(network, descent, run, n_rows):
    """Give a scikit-learn network the attributes its own `fit` would."""
    network.coefs_, network.intercepts_ = unpack(descent.theta, run.sizes)
    network.n_features_in_, network.n_layers_, network.n_outputs_ = run.sizes[0], len(run.sizes), 1
    network.out_activation_ = "identity"
    network.n_iter_ = len(descent.curve)
    network.t_ = network.n_iter_ * n_rows
    network.loss_, network.loss_curve_ = descent.loss, descent.curve
    network.best_loss_, network.validation_scores_, network.best_validation_score_ = descent.loss, None, None
    if run.held is not None:
        null = run.held.null_loss
        network.best_loss_ = None
        network.validation_scores_ = [1.0 - loss / null if null > 0 else 0.0 for loss in descent.validation_curve]
        network.best_validation_score_ = max(network.validation_scores_)
    return network
