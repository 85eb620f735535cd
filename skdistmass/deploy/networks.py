"""All networks of a model in one block of matrix products, and their derivatives."""

from dataclasses import dataclass

import numpy as np

from skdistmass.estimators.stellar_network import StellarNetwork

__all__ = ["FusedNetworks", "Network", "common_scale", "pipelines_of"]

_ACTIVATIONS = {"tanh": "Tanh", "relu": "Relu", "logistic": "Sigmoid", "identity": None}


@dataclass(frozen=True)
class Network:
    """A scaler and a network of one output, on labels that are all, or the first, of the common ones."""

    mean: np.ndarray
    scale: np.ndarray
    coefs: list
    intercepts: list
    activation: str

    @classmethod
    def from_pipeline(cls, pipeline):
        scaler, network = pipeline["scaler"], pipeline["network"]
        return cls(scaler.mean_, scaler.scale_, network.coefs_, network.intercepts_, network.activation)

    @property
    def shape(self):
        """What networks must have in common to stand side by side."""
        return self.activation, tuple(len(part) for part in self.intercepts)


def pipelines_of(regressor):
    """Scalers and networks of a regressor: one, or those of the corrections of stellar physics."""
    model = regressor.pipeline_
    if isinstance(model, StellarNetwork):
        return [part.pipeline for part in (model.physical, model.chemical) if part is not None]
    return [model]


def common_scale(regressor):
    """Center and scale of a regressor's labels; the center stands for an optional label that is missing."""
    scaler = pipelines_of(regressor)[-1]["scaler"]
    center, scale = np.zeros(regressor.n_features_in_), np.ones(regressor.n_features_in_)
    center[: len(scaler.mean_)], scale[: len(scaler.mean_)] = scaler.mean_, scaler.scale_
    return getattr(regressor, "fill_values_", center), scale


def _n_blocks(matrices):
    """Largest number of equal diagonal blocks outside which all matrices are zero."""
    n_in, n_out = matrices[0].shape
    for count in range(np.gcd(n_in, n_out), 1, -1):
        if n_in % count or n_out % count:
            continue
        inside = np.kron(np.eye(count, dtype=bool), np.ones((n_in // count, n_out // count), dtype=bool))
        if all(not matrix[~inside].any() for matrix in matrices):
            return count
    return 1


def _diagonal_blocks(matrices, count):
    """The blocks of all matrices, transposed, shape (n_matrices * count, n_out / count, n_in / count)."""
    parts = [np.split(rows, count, axis=1)[i].T for m in matrices for i, rows in enumerate(np.split(m, count, axis=0))]
    return np.stack(parts)


class FusedNetworks:
    """Networks of any shapes; those of one shape are computed side by side."""

    def __init__(self, b, networks, labels, center, scale, dtype):
        self.b, self.networks, self.dtype = b, networks, dtype
        self.center, self.scale = np.asarray(center, float), np.asarray(scale, float)
        self._groups = {}
        for number, network in enumerate(networks):
            self._groups.setdefault(network.shape, []).append(number)
        self._order = np.argsort(np.concatenate(list(self._groups.values())), kind="stable")
        self._hidden = {shape: self._forward(shape, labels) for shape in self._groups}

    def _const(self, values):
        return self.b.const(values, self.dtype)

    def _members(self, shape):
        return [self.networks[number] for number in self._groups[shape]]

    def _first_layer(self, network):
        """Weights and biases of a network's first layer for the commonly scaled labels, shape (n_hidden, 1 + n)."""
        n = len(network.mean)
        weights = network.coefs[0].T * (self.scale[:n] / network.scale)
        offset = (self.center[:n] - network.mean) / network.scale
        bias = network.intercepts[0] + network.coefs[0].T @ offset
        return np.column_stack([bias, weights, np.zeros((len(weights), len(self.scale) - n))])

    def _activate(self, shape, layer):
        kind = _ACTIVATIONS[shape[0]]
        return layer if kind is None else self.b.op(kind, layer)

    def _forward(self, shape, labels):
        """Hidden layers, each of shape (n_networks * n_blocks, n_neurons / n_blocks, N) or flat."""
        b, members = self.b, self._members(shape)
        first = np.concatenate([self._first_layer(network) for network in members])
        hidden = [self._activate(shape, b.op("MatMul", self._const(first), labels))]
        for depth in range(1, len(shape[1]) - 1):
            matrices = [network.coefs[depth] for network in members]
            blocks = _diagonal_blocks(matrices, _n_blocks(matrices))
            bias = np.concatenate([network.intercepts[depth] for network in members]).reshape(*blocks.shape[:2], 1)
            before = b.reshape(hidden[-1], [len(blocks), blocks.shape[2], -1])
            product = b.op("MatMul", self._const(blocks), before)
            hidden.append(self._activate(shape, b.op("Add", product, self._const(bias))))
        return hidden

    def _in_order(self, parts):
        """Join what the groups gave, in the order of the networks."""
        joined = self.b.stack(parts)
        if len(parts) == 1 and np.all(np.diff(self._order) > 0):
            return joined
        return self.b.rows(joined, self._order)

    def outputs(self):
        """Predictions, shape (n_networks, N)."""
        b, parts = self.b, []
        for shape in self._groups:
            members = self._members(shape)
            weights = np.stack([network.coefs[-1].T for network in members])
            bias = np.array([network.intercepts[-1] for network in members])
            last = b.reshape(self._hidden[shape][-1], [len(members), weights.shape[2], -1])
            product = b.reshape(b.op("MatMul", self._const(weights), last), [len(members), -1])
            parts.append(b.op("Add", product, self._const(bias)))
        return self._in_order(parts)

    def jacobians(self):
        """Derivatives with respect to the labels in their units, shape (n_networks, n_labels, N)."""
        return self._in_order([self._backward(shape) for shape in self._groups])

    def _backward(self, shape):
        b, members, hidden = self.b, self._members(shape), self._hidden[shape]
        count = len(members)
        backward = self._const(np.stack([network.coefs[-1] for network in members]))
        for depth in range(len(hidden) - 1, -1, -1):
            layer = b.reshape(hidden[depth], [count, shape[1][depth], -1])
            backward = b.op("Mul", backward, self._slope(shape[0], layer))
            if depth:
                matrices = [network.coefs[depth] for network in members]
                blocks = _diagonal_blocks(matrices, _n_blocks(matrices)).transpose(0, 2, 1)
                backward = b.reshape(backward, [len(blocks), blocks.shape[2], -1])
                backward = b.op("MatMul", self._const(blocks), backward)
                backward = b.reshape(backward, [count, shape[1][depth - 1], -1])
        n = len(self.scale)
        first = np.stack([self._first_layer(network)[:, 1:].T / self.scale[:, None] for network in members])
        return b.reshape(b.op("MatMul", self._const(first), backward), [count, n, -1])

    def _slope(self, activation, layer):
        b, one = self.b, self._const(1.0)
        if activation == "tanh":
            return b.op("Sub", one, b.op("Mul", layer, layer))
        if activation == "logistic":
            return b.op("Mul", layer, b.op("Sub", one, layer))
        if activation == "relu":
            return b.cast(b.op("Greater", layer, self._const(0.0)), self.dtype)
        return b.op("Add", b.op("Mul", layer, self._const(0.0)), one)
