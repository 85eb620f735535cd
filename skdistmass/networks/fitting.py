"""Train the estimator given as `network=` several times, and merge the results into one plain `MLPRegressor`."""

import math
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sklearn.base import clone
from sklearn.neural_network import MLPRegressor
from sklearn.pipeline import Pipeline
from sklearn.preprocessing import StandardScaler

from skdistmass.exceptions import InputError
from skdistmass.networks.folds import networks_without_folds
from skdistmass.networks.levenberg_marquardt import LevenbergMarquardtMLPRegressor
from skdistmass.networks.merging import average_networks, rescale_output
from skdistmass.networks.rows import distinct_rows, penalty_rows
from skdistmass.networks.training import MANY_ROWS

__all__ = ["can_leave_out", "check_network", "train_network", "train_pipeline"]


class _EvenBatchMLPRegressor(MLPRegressor):
    """An `MLPRegressor` in which a mini-batch counts by its size, not by the sum of its weights.

    scikit-learn divides the loss of every mini-batch by the sum of that batch's weights. The stochastic solvers then
    minimise a sum of ratios instead of the weighted loss, and a few rows of large weight hardly count. Multiplying by
    the mean weight of the batch restores the weighted sum. Its mean over batches is the loss of all rows.
    """

    def _backprop(self, X, y, sample_weight, *buffers):
        loss, coef_grads, intercept_grads = super()._backprop(X, y, sample_weight, *buffers)
        if sample_weight is not None:
            mean_weight = sample_weight.mean()
            loss *= mean_weight
            for gradient in (*coef_grads, *intercept_grads):
                gradient *= mean_weight
        return loss, coef_grads, intercept_grads


def check_network(network: Any) -> None:
    """Refuse an estimator that can't be one network of an ensemble."""
    if not isinstance(network, LevenbergMarquardtMLPRegressor) and type(network) is not MLPRegressor:
        raise InputError(
            f"network is {network!r}; it must be a LevenbergMarquardtMLPRegressor or an MLPRegressor of scikit-learn, "
            "because networks are merged, differentiated and exported as one. For another kind of regressor use "
            "scikit-learn's own Pipeline."
        )
    network._validate_params()
    if isinstance(network, LevenbergMarquardtMLPRegressor):
        return
    if network.get_params().get("loss", "squared_error") != "squared_error":
        raise InputError(f"network has loss={network.loss!r}; only 'squared_error' is supported.")
    if network.solver == "lbfgs" and network.early_stopping:
        raise InputError(
            "early_stopping=True has no effect with solver='lbfgs'; use a LevenbergMarquardtMLPRegressor, or "
            "solver='adam' or 'sgd'."
        )


def can_leave_out(network: Any, n_rows: int) -> bool:
    """Tell whether networks without folds follow from the one of all rows: of many rows, at a minimum of the loss."""
    return n_rows >= MANY_ROWS and isinstance(network, LevenbergMarquardtMLPRegressor) and not network.early_stopping


def train_network(
    network: MLPRegressor | LevenbergMarquardtMLPRegressor,
    X: NDArray[np.float64],
    y: NDArray[np.float64],
    sample_weight: NDArray[np.float64],
    *,
    n_distinct: int,
    random_state: int,
    groups: NDArray[np.int64] | None = None,
) -> MLPRegressor:
    """Train a copy of a network."""
    if isinstance(network, LevenbergMarquardtMLPRegressor):
        alpha = network.alpha * penalty_rows(sample_weight, n_distinct) / n_distinct
        copy = clone(network).set_params(alpha=alpha, random_state=random_state)
        return copy.fit(X, y, sample_weight, groups=groups).mlp_
    parameters = network.get_params() | {"alpha": network.alpha * len(X) / n_distinct, "random_state": random_state}
    if network.batch_size != "auto":
        n_held = math.ceil(network.validation_fraction * len(X)) if network.early_stopping else 0
        parameters["batch_size"] = max(1, min(network.batch_size, len(X) - n_held))
    fitted = _EvenBatchMLPRegressor(**parameters).fit(X, y, sample_weight=sample_weight)
    trained = MLPRegressor(**parameters)
    trained.__dict__.update(vars(fitted))
    for working_state in ("_optimizer", "_random_state", "_best_coefs", "_best_intercepts"):
        trained.__dict__.pop(working_state, None)
    return trained


def train_pipeline(
    network: MLPRegressor | LevenbergMarquardtMLPRegressor,
    X: NDArray[np.float64],
    y: NDArray[np.float64],
    sample_weight: NDArray[np.float64],
    groups: NDArray[np.int64] | None = None,
    *,
    n_networks: int,
    rng: np.random.RandomState,
    fold: NDArray[np.integer] | None = None,
) -> tuple[Pipeline, list[Pipeline]]:
    """Train a scaler and several networks from different initial weights, and merge the networks."""
    weights = sample_weight / sample_weight.mean()
    # Arrays whatever the global configuration says: the network was not trained on names.
    scaler = StandardScaler().set_output(transform="default").fit(X, sample_weight=weights)
    inputs = scaler.transform(X)
    shift = np.average(y, weights=weights)
    scale = np.sqrt(np.average((y - shift) ** 2, weights=weights)) or 1.0
    target = (y - shift) / scale
    n_distinct = int(distinct_rows(X, y).max()) + 1
    networks = [
        train_network(network, inputs, target, weights, n_distinct=n_distinct, random_state=seed, groups=groups)
        for seed in rng.randint(np.iinfo(np.int32).max, size=n_networks)
    ]

    def pipeline(members: list[MLPRegressor]) -> Pipeline:
        merged = rescale_output(average_networks(members), scale, shift)
        return Pipeline([("scaler", scaler), ("network", merged)])

    without: list[list[MLPRegressor]] = []
    if fold is not None:
        # The trainer divides its penalty by the rows that it counts, of which `train_network` makes distinct ones.
        penalty = network.alpha / n_distinct
        found = [networks_without_folds(member, inputs, target, weights, fold, penalty) for member in networks]
        without = [list(members) for members in zip(*found, strict=True)]
    return pipeline(networks), [pipeline(members) for members in without]
