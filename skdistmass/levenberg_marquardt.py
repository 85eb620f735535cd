"""Training of small networks by Levenberg-Marquardt, ending in an ordinary scikit-learn `MLPRegressor`.

A network of 57 to a few hundred weights and a squared error is a nonlinear least-squares problem. Gauss-Newton steps
with damping (Levenberg 1944; Marquardt 1963; as for networks in Hagan and Menhaj 1994) solve it in some tens of passes
over the rows, where Adam or L-BFGS need hundreds to thousands.
"""

import os
import threading
import warnings
from numbers import Integral, Real

import joblib
import numpy as np
from sklearn.base import BaseEstimator, RegressorMixin, _fit_context
from sklearn.exceptions import ConvergenceWarning
from sklearn.model_selection import GroupShuffleSplit, ShuffleSplit
from sklearn.neural_network import MLPRegressor
from sklearn.utils import check_array, check_random_state
from sklearn.utils._param_validation import Interval, StrOptions
from sklearn.utils.validation import _check_sample_weight, check_is_fitted, validate_data

from skdistmass._lm_solver import Descent, LeastSquares, Stopping, descend, pack, race, threads, unpack
from skdistmass.exceptions import InputError

__all__ = ["LevenbergMarquardtMLPRegressor", "fit_mlp", "penalty_rows"]


def penalty_rows(sample_weight):
    """Return the number of rows by which the L2 penalty is divided.

    scikit-learn divides it by the sum of the weights: by the number of rows if they are all 1. No rule can keep that,
    let a weight of 2 equal a repeated row, and be free of the weights' scale all at once: of rows that all weigh 2,
    the second says that they count twice, the third that they count once. This rule gives up as little as it can.
    Weights that are whole multiples of the smallest are taken for repetitions of rows, and their sum in units of the
    smallest is the number of rows. Other weights say how precise a row is, not how often it was seen, and each row
    counts once.

    Parameters
    ----------
    sample_weight : ndarray of shape (n_rows,)
        Positive weights.

    Returns
    -------
    n_rows : float
        Free of the scale of the weights.

    Examples
    --------
    >>> import numpy as np
    >>> from skdistmass.levenberg_marquardt import penalty_rows
    >>> penalty_rows(np.array([1.0, 2.0, 1.0])), penalty_rows(np.array([0.5, 1.0, 0.5]))
    (4.0, 4.0)
    >>> penalty_rows(np.array([1.0, 2.3, 1.7]))
    3.0
    """
    ratio = sample_weight / sample_weight.min()
    counts = np.rint(ratio)
    are_counts = np.all(np.abs(ratio - counts) <= 8 * np.finfo(float).eps * counts) and counts.max() < 1e9
    return float(counts.sum()) if are_counts else float(len(sample_weight))


def _default_threads():
    """Return the number of threads that don't get in the way of whoever runs several fits at once."""
    if threading.current_thread() is not threading.main_thread():
        return 1
    # joblib sets this variable in its worker processes to each one's share of the processors.
    limit = os.environ.get("OMP_NUM_THREADS", "")
    return max(
        1, min(joblib.cpu_count(), int(limit) if limit.isdigit() and int(limit) else joblib.cpu_count())
    )


def _hidden_layers(hidden_layer_sizes):
    sizes = tuple(np.atleast_1d(hidden_layer_sizes).tolist()) if np.size(hidden_layer_sizes) else ()
    if not all(isinstance(size, Integral) and size > 0 for size in sizes):
        raise InputError(f"hidden_layer_sizes must be whole numbers > 0, got {hidden_layer_sizes!r}.")
    return sizes


def _rows(X, y, sample_weight, groups=None, what=""):
    """Return X, y, weights and groups without the rows of weight 0, the first three as float64."""
    X = check_array(X, dtype=np.float64, order="C", input_name=f"X{what}")
    y = check_array(y, dtype=np.float64, ensure_2d=False, input_name=f"y{what}")
    if y.shape != (len(X),):
        raise InputError(
            f"y{what} has shape {y.shape}; one number for each of the {len(X)} rows of X{what} is needed."
        )
    if groups is not None:
        groups = np.asarray(groups)
        if groups.shape != (len(X),):
            raise InputError(
                f"groups has shape {groups.shape}; one group for each of the {len(X)} rows is needed."
            )
    if sample_weight is None:
        return X, y, np.ones(len(y)), groups
    weight = _check_sample_weight(sample_weight, X, dtype=np.float64, ensure_non_negative=True)
    used = weight > 0
    if not used.any():
        raise InputError(f"all sample weights{what} are zero; give the rows to fit a weight > 0.")
    if used.all():
        return X, y, weight, groups
    return X[used], y[used], weight[used], None if groups is None else groups[used]


def _hold_out(X, y, weight, groups, fraction, rng):
    """Split rows into training and validation rows, each as (X, y, weight); no group is in both."""
    splitter = (ShuffleSplit if groups is None else GroupShuffleSplit)(
        1, test_size=fraction, random_state=rng
    )
    try:
        train, held = next(splitter.split(X, y, groups))
    except ValueError as error:
        raise InputError(
            f"{len(y)} rows can't be split for early stopping ({error}); lower validation_fraction, give validation "
            "rows of your own, or set early_stopping=False."
        ) from error
    train.sort(), held.sort()
    return (X[train], y[train], weight[train]), (X[held], y[held], weight[held])


def _initial_point(init, sizes):
    """Return the parameters of a fitted network, checked against the wanted sizes."""
    coefs, intercepts = (init.coefs_, init.intercepts_) if hasattr(init, "coefs_") else init
    found = (*(len(coef) for coef in coefs), len(intercepts[-1]))
    if found != sizes:
        raise InputError(f"init is a network of layers {found}; one of {sizes} is to be trained.")
    return pack(coefs, intercepts)


def _subsample(training, size, rng):
    """Return `size` rows at random, or all if there are no more."""
    if len(training[1]) <= size:
        return training
    chosen = np.sort(rng.choice(len(training[1]), size, replace=False))
    return tuple(values[chosen] for values in training)


def _from_best_start(starts, problem, stopping, on_way, **options):
    """Carry the best start on to all rows; take the next one if it diverges or ends above the straight line."""
    best = None
    for start in starts:
        descent = Descent(start)
        on_way.append(descent)
        descend(problem, descent, stopping, **options)
        if np.isfinite(descent.loss) and (best is None or descent.loss < best.loss):
            best = descent
        if best is not None and (len(starts) == 1 or not problem.is_lost(best.theta)):
            break
    return best


def fit_mlp(
    X,
    y,
    sample_weight=None,
    *,
    hidden_layer_sizes=(16,),
    activation="tanh",
    alpha=1e-4,
    max_iter=200,
    tol=1e-4,
    n_iter_no_change=5,
    n_starts=8,
    start_subsample=2000,
    start_iter=15,
    early_stopping=False,
    validation_fraction=0.1,
    groups=None,
    validation=None,
    random_state=None,
    block_size=256,
    n_threads=None,
    init=None,
    callback=None,
    verbose=False,
):
    """Train a small network by Levenberg-Marquardt and return an ordinary fitted `MLPRegressor`."""
    rng = check_random_state(random_state)
    X, y, weight, groups = _rows(X, y, sample_weight, groups)
    sizes = (X.shape[1], *_hidden_layers(hidden_layer_sizes), 1)
    training, held = (X, y, weight), None
    if validation is not None:
        held = _rows(*validation, *(None,) * (3 - len(validation)), what=" of the validation rows")[:3]
    elif early_stopping:
        training, held = _hold_out(X, y, weight, groups, validation_fraction, rng)
    penalty = alpha / penalty_rows(training[2])
    stopping = Stopping(max_iter, tol, n_iter_no_change)
    on_way = []
    with threads(n_threads or _default_threads()) as parallel:
        options = {"block_size": block_size}
        problem = LeastSquares(*training, sizes, activation, penalty=penalty, parallel=parallel, **options)
        if held is not None:
            held = LeastSquares(*held, sizes, activation, parallel=parallel, **options)
        if init is not None:
            starts = [_initial_point(init, sizes)]
        else:
            tried_on = LeastSquares(
                *_subsample(training, start_subsample, rng), sizes, activation, penalty=penalty, **options
            )
            starts = [start.theta for start in race(tried_on, n_starts, start_iter, rng, parallel=parallel)]
        try:
            descent = _from_best_start(
                starts, problem, stopping, on_way, validation=held, callback=callback, verbose=verbose
            )
        except KeyboardInterrupt:
            descent = next((d for d in reversed(on_way) if d.curve), None)
            if descent is None:
                raise
            descent.converged = True
            warnings.warn("Training interrupted by user.", stacklevel=2)
    if descent is None:
        raise InputError(
            "training diverged from every start; scale the inputs and the target to about unit size."
        )
    if not descent.converged:
        warnings.warn(
            f"Levenberg-Marquardt: {max_iter} iterations reached before the loss came to rest; raise max_iter or tol.",
            ConvergenceWarning,
            stacklevel=2,
        )
    model = MLPRegressor(
        hidden_layer_sizes=hidden_layer_sizes,
        activation=activation,
        solver="lbfgs",
        alpha=alpha,
        max_iter=max_iter,
        tol=tol,
        n_iter_no_change=n_iter_no_change,
        early_stopping=early_stopping,
        validation_fraction=validation_fraction,
        random_state=random_state,
    )
    model.coefs_, model.intercepts_ = unpack(descent.theta, sizes)
    model.n_features_in_, model.n_layers_, model.n_outputs_ = sizes[0], len(sizes), 1
    model.out_activation_ = "identity"
    model.n_iter_ = len(descent.curve)
    model.t_ = model.n_iter_ * len(training[1])
    model.loss_, model.loss_curve_ = descent.loss, descent.curve
    if held is None:
        model.best_loss_, model.validation_scores_, model.best_validation_score_ = descent.loss, None, None
    else:
        null = held.null_loss
        model.best_loss_ = None
        model.validation_scores_ = [
            1.0 - loss / null if null > 0 else 0.0 for loss in descent.validation_curve
        ]
        model.best_validation_score_ = max(model.validation_scores_)
    return model
