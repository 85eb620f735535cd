"""Seeds for the parts of an estimator."""

from typing import TypeVar

import numpy as np
from sklearn.base import BaseEstimator

__all__ = ["seeded"]

Estimator = TypeVar("Estimator", bound=BaseEstimator)


def seeded(estimator: Estimator, rng: np.random.RandomState) -> Estimator:
    """Give a seed to every part of an estimator that has none; a regressor seeds its own networks."""
    seeds = {
        name: rng.randint(np.iinfo(np.int32).max)
        for name, value in sorted(estimator.get_params(deep=True).items())
        if name.split("__")[-1] == "random_state" and value is None and not name.endswith("network__random_state")
    }
    return estimator.set_params(**seeds)
