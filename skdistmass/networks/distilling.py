"""Replacing a large network by a small one that gives the same values."""

import warnings

import numpy as np
from numpy.typing import ArrayLike
from sklearn.exceptions import ConvergenceWarning
from sklearn.neural_network import MLPRegressor

from skdistmass.networks.levenberg_marquardt import LevenbergMarquardtMLPRegressor
from skdistmass.networks.merging import rescale_output

__all__ = ["distil_network"]

# Penalty of the small network: its target has no noise, so it needs next to none.
_ALPHA = 1e-3


def distil_network(
    network: MLPRegressor,
    X: ArrayLike,
    *,
    hidden_layer_sizes: tuple[int, ...] = (10, 10),
    random_state: int | np.random.RandomState | None = None,
) -> MLPRegressor:
    """Train a small network on the predictions of a large one.

    Several merged networks are far larger than their mean, which is smooth, needs (Hinton, Vinyals and Dean 2015,
    arXiv:1503.02531).
    """
    X = np.asarray(X, dtype=np.float64)
    y = network.predict(X)
    shift, scale = y.mean(), y.std() or 1.0
    student = LevenbergMarquardtMLPRegressor(
        hidden_layer_sizes=hidden_layer_sizes,
        activation="tanh",
        alpha=_ALPHA,
        max_iter=200,
        n_starts=2,
        random_state=random_state,
    )
    with warnings.catch_warnings():
        # Without noise the loss keeps falling; it is small long before that ends.
        warnings.simplefilter("ignore", ConvergenceWarning)
        student.fit(X, (y - shift) / scale)
    return rescale_output(student.mlp_, scale, shift)
