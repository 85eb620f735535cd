"""Networks without each fold of the rows, from the network of all rows: one Gauss-Newton step instead of a training.

At the minimum on all rows the loss without a fold is known to second order: its gradient and its Gauss-Newton matrix
are those of all rows less those of the fold. One damped step from there gives the network without the fold, for the
price of one pass over the rows. It is meant for many rows, of which a fold moves the network little
(``benchmarks/out_of_fold.py`` compares it with trainings).
"""

import copy
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray
from scipy.linalg import cho_factor, cho_solve
from sklearn.neural_network import MLPRegressor

from skdistmass.networks.solver import LeastSquares, pack, threads, unpack
from skdistmass.networks.training import default_threads

__all__ = ["networks_without_folds"]

_DAMPING = 1e-3  # of the diagonal; without it a step is a little noisier


def networks_without_folds(
    network: MLPRegressor,
    X: NDArray[np.float64],
    y: NDArray[np.float64],
    weight: NDArray[np.float64],
    fold: NDArray[np.integer],
    penalty: float,
) -> list[MLPRegressor]:
    """Return for each fold the network that the other rows would give."""
    sizes = (X.shape[1], *(len(intercept) for intercept in network.intercepts_))
    theta = pack(network.coefs_, network.intercepts_)
    order = np.argsort(fold, kind="stable")
    bounds = np.searchsorted(fold[order], np.arange(np.max(fold) + 2))
    total = weight.sum()
    gradients, matrices = [], []
    with threads(default_threads()) as parallel:
        for start, stop in pairwise(bounds):
            rows = order[start:stop]
            problem = LeastSquares(X[rows], y[rows], weight[rows], sizes, network.activation, parallel=parallel)
            _, gradient, matrix = problem.expansion(theta)
            share = weight[rows].sum() / total
            gradients.append(share * gradient)
            matrices.append(share * matrix)
    ridge = penalty * pack([np.ones((i, o)) for i, o in pairwise(sizes)], [np.zeros(o) for o in sizes[1:]])
    gradient, matrix = sum(gradients) + ridge * theta, sum(matrices) + np.diag(ridge)
    found = []
    for own_gradient, own_matrix in zip(gradients, matrices, strict=True):
        rest = matrix - own_matrix
        diagonal = np.diagonal(rest).copy()
        rest[np.diag_indices(len(theta))] += _DAMPING * np.maximum(diagonal, 1e-10 * diagonal.max())
        step = -cho_solve(cho_factor(rest), gradient - own_gradient)
        one = copy.copy(network)
        one.coefs_, one.intercepts_ = unpack(theta + step, sizes)
        found.append(one)
    return found
