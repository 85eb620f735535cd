"""The small networks inside the regressors: trained by any solver, merged and rescaled, always plain `MLPRegressor`."""

import math

import numpy as np
from scipy.linalg import block_diag
from sklearn.neural_network import MLPRegressor

from skdistmass.exceptions import InputError

__all__ = ["average_networks", "network_jacobian", "rescale_output", "train_network"]

# Slope of each activation function, from the activation itself.
_SLOPES = {
    "identity": np.ones_like,
    "tanh": lambda a: 1.0 - a * a,
    "logistic": lambda a: a * (1.0 - a),
    "relu": lambda a: (a > 0.0).astype(np.float64),
}
_ACTIVATIONS = {
    "identity": lambda z: z,
    "tanh": np.tanh,
    "logistic": lambda z: 0.5 * (1.0 + np.tanh(0.5 * z)),
    "relu": lambda z: np.maximum(z, 0.0),
}


class _EvenBatchMLPRegressor(MLPRegressor):
    """An `MLPRegressor` in which a mini-batch counts by its size, not by its weights' sum.

    scikit-learn divides the loss of every mini-batch by the sum of that batch's weights. The stochastic solvers then
    minimise a sum of ratios instead of the weighted loss, and a few heavy rows hardly count. Multiplying by the mean
    weight of the batch restores the plain weighted sum, whose expectation over batches is the loss of all rows.
    """

    def _backprop(self, X, y, sample_weight, *buffers):
        loss, coef_grads, intercept_grads = super()._backprop(X, y, sample_weight, *buffers)
        if sample_weight is not None:
            mean_weight = sample_weight.mean()
            loss *= mean_weight
            for gradient in (*coef_grads, *intercept_grads):
                gradient *= mean_weight
        return loss, coef_grads, intercept_grads


def train_network(
    X,
    y,
    sample_weight,
    *,
    solver,
    random_state,
    alpha,
    batch_size,
    learning_rate_init,
    max_iter,
    tol,
    early_stopping,
    validation_fraction,
    n_iter_no_change,
    hidden_layer_sizes,
    activation,
    groups=None,
):
    """Train one network on scaled data.

    Parameters
    ----------
    X : ndarray of shape (n_rows, n_features)
        Inputs of about unit scale.
    y : ndarray of shape (n_rows,)
        Target of about unit scale.
    sample_weight : ndarray of shape (n_rows,)
        Positive weights of mean 1.
    solver : {"lm", "lbfgs", "adam", "sgd"}
        ``"lm"`` is `skdistmass.networks.levenberg_marquardt.fit_mlp`; the others are those of `MLPRegressor`, with the
        weights of a mini-batch counted in full.
    random_state : int or RandomState
        Seed of the initial weights, batches and splits.
    groups : ndarray of shape (n_rows,), optional
        Rows of one group stay on one side of the early-stopping split of ``"lm"``.
    alpha, batch_size, learning_rate_init, max_iter, tol, early_stopping, validation_fraction, n_iter_no_change, \
hidden_layer_sizes, activation
        As in `MLPRegressor`.

    Returns
    -------
    network : MLPRegressor
        A plain fitted one, whichever the solver.
    """
    shared = {
        "hidden_layer_sizes": hidden_layer_sizes,
        "activation": activation,
        "alpha": alpha,
        "max_iter": max_iter,
        "tol": tol,
        "early_stopping": early_stopping,
        "validation_fraction": validation_fraction,
        "n_iter_no_change": n_iter_no_change,
        "random_state": random_state,
    }
    if solver == "lm":
        from skdistmass.networks.levenberg_marquardt import fit_mlp

        return fit_mlp(X, y, sample_weight, groups=groups, **shared)
    if solver == "lbfgs" and early_stopping:
        raise InputError("early_stopping=True has no effect with solver='lbfgs'; use 'lm', 'adam' or 'sgd'.")
    shared |= {"solver": solver, "learning_rate_init": learning_rate_init}
    n_trained = len(X) - math.ceil(validation_fraction * len(X)) if early_stopping else len(X)
    shared["batch_size"] = batch_size if batch_size == "auto" else max(1, min(batch_size, n_trained))
    shared["max_fun"] = 100 * max_iter
    trained = _EvenBatchMLPRegressor(**shared).fit(X, y, sample_weight=sample_weight)
    network = MLPRegressor(**shared)
    network.__dict__.update(vars(trained))
    for working_state in ("_optimizer", "_random_state", "_best_coefs", "_best_intercepts"):
        network.__dict__.pop(working_state, None)
    return network


def rescale_output(network, scale, shift):
    """Fold ``scale * output + shift`` into the last layer of a network, in place."""
    network.coefs_[-1] = network.coefs_[-1] * scale
    network.intercepts_[-1] = network.intercepts_[-1] * scale + shift
    return network


def average_networks(networks):
    """Merge networks of one shape into a single network whose output is the mean of theirs.

    The hidden layers stand side by side (block-diagonal between layers) and the last layer averages. The result is an
    ordinary `MLPRegressor` again, so an ensemble costs nothing in export or inspection.

    Parameters
    ----------
    networks : list of MLPRegressor
        Fitted networks of equal architecture.

    Returns
    -------
    network : MLPRegressor
        The first one's parameters, with the merged weights.
    """
    first = networks[0]
    if len(networks) == 1:
        return first
    merged = MLPRegressor(**first.get_params())
    merged.__dict__.update(vars(first))
    layers = list(zip(*(network.coefs_ for network in networks), strict=True))
    intercepts = list(zip(*(network.intercepts_ for network in networks), strict=True))
    last = len(layers) - 1
    merged.coefs_ = [np.hstack(layers[0])] if last else [np.mean(layers[0], axis=0)]
    merged.coefs_ += [block_diag(*layer) for layer in layers[1:last]]
    if last:
        merged.coefs_.append(np.vstack(layers[last]) / len(networks))
    merged.intercepts_ = [np.concatenate(parts) for parts in intercepts[:last]]
    merged.intercepts_.append(np.mean(intercepts[last], axis=0))
    merged.hidden_layer_sizes = tuple(len(parts) for parts in merged.intercepts_[:-1])
    for history in ("loss_curve_", "validation_scores_"):
        merged.__dict__.pop(history, None)
    for total in ("n_iter_", "t_"):
        setattr(merged, total, sum(getattr(network, total) for network in networks))
    merged.loss_ = float(np.mean([network.loss_ for network in networks]))
    return merged


def network_jacobian(network, X):
    """Derivative of a network's output with respect to its inputs.

    Parameters
    ----------
    network : MLPRegressor
        Fitted, with one output.
    X : ndarray of shape (n_rows, n_features)
        Scaled inputs.

    Returns
    -------
    jacobian : ndarray of shape (n_rows, n_features)
        Exact derivatives. Where a ReLU has its kink the slope on the side of zero output is given.
    """
    activate, slope = _ACTIVATIONS[network.activation], _SLOPES[network.activation]
    hidden = []
    layer = X
    for coefs, intercepts in zip(network.coefs_[:-1], network.intercepts_[:-1], strict=True):
        layer = activate(layer @ coefs + intercepts)
        hidden.append(layer)
    backward = np.broadcast_to(network.coefs_[-1].T, (len(X), network.coefs_[-1].shape[0]))
    for layer, coefs in zip(hidden[::-1], network.coefs_[-2::-1], strict=True):
        backward = (backward * slope(layer)) @ coefs.T
    return np.ascontiguousarray(backward)
