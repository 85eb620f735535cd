"""Seeds for the parts of an estimator."""

import numpy as np

__all__ = ["seeded"]


def seeded(estimator, rng):
    """Give every part of an estimator that has no seed one of its own."""
    seeds = {
        name: rng.randint(np.iinfo(np.int32).max)
        for name, value in sorted(estimator.get_params(deep=True).items())
        if name.split("__")[-1] == "random_state" and value is None
    }
    return estimator.set_params(**seeds)
