"""Merge fitted networks into one, rescale its output, and take its derivatives."""

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray
from scipy.linalg import block_diag
from scipy.special import expit
from sklearn.neural_network import MLPRegressor

__all__ = ["average_networks", "network_jacobian", "rescale_output"]

# Each works in place: arrays as large as these cost more to get from the system than to fill.
_ACTIVATIONS: dict[str, Callable] = {
    "identity": lambda z: z,
    "tanh": lambda z: np.tanh(z, out=z),
    "logistic": lambda z: expit(z, out=z),
    "relu": lambda z: np.maximum(z, 0.0, out=z),
}
# Slope of each, from the activation itself.
_SLOPES: dict[str, Callable] = {
    "identity": np.ones_like,
    "tanh": lambda a: np.subtract(1.0, np.multiply(a, a, out=a), out=a),
    "logistic": lambda a: np.multiply(a, 1.0 - a, out=a),
    "relu": lambda a: np.greater(a, 0.0, out=a),
}
_BLOCK_ROWS = 2048  # whose layers stay in the processor's cache


def rescale_output(network: MLPRegressor, scale: float, shift: float) -> MLPRegressor:
    """Fold ``scale * output + shift`` into the last layer of a network, in place."""
    network.coefs_[-1] = network.coefs_[-1] * scale
    network.intercepts_[-1] = network.intercepts_[-1] * scale + shift
    return network


def average_networks(networks: list[MLPRegressor]) -> MLPRegressor:
    """Merge networks of one shape into a single network whose output is the mean of theirs.

    The hidden layers are placed side by side (block-diagonal between layers) and the last layer averages. The result is
    an ordinary `MLPRegressor`, so that an ensemble is exported and inspected like one network.

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


def network_jacobian(network: MLPRegressor, X: NDArray[np.float64]) -> NDArray[np.float64]:
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
        Exact derivatives. At the kink of a ReLU, the slope on the side of zero output.
    """
    jacobian = np.empty(X.shape)
    for start in range(0, len(X), _BLOCK_ROWS):
        rows = slice(start, start + _BLOCK_ROWS)
        jacobian[rows] = _derive(network, X[rows])
    return jacobian


def _derive(network: MLPRegressor, layer: NDArray[np.float64]) -> NDArray[np.float64]:
    activate, slope = _ACTIVATIONS[network.activation], _SLOPES[network.activation]
    hidden = []
    for coefs, intercepts in zip(network.coefs_[:-1], network.intercepts_[:-1], strict=True):
        layer = layer @ coefs
        layer += intercepts
        layer = activate(layer)
        hidden.append(layer)
    backward: NDArray[np.float64] = network.coefs_[-1].T
    for layer, coefs in zip(hidden[::-1], network.coefs_[-2::-1], strict=True):
        layer = slope(layer)
        layer *= backward
        backward = layer @ coefs.T
    return backward
