"""Which input values are there and which are missing, as `skdistmass.labels` has it."""

import numpy as np

from skdistmass.labels import _HIGH_SENTINELS, _LOWEST_VALUE, LABELS

__all__ = ["is_present", "label_limits"]


def is_present(b, values):
    """Tell which of a vector's doubles are neither NaN, infinite nor survey placeholders.

    The positive placeholders are looked for among the few values that are large enough, as `is_sentinel` does.
    """
    finite = b.op("And", b.op("Greater", values, _LOWEST_VALUE), b.op("Less", values, np.inf))
    large = b.op("Greater", values, _HIGH_SENTINELS[0] - 1e-4)
    where = b.reshape(b.op("NonZero", large), [-1])
    found = b.reshape(b.op("Gather", values, where, axis=0), [-1, 1])
    distance = b.op("Abs", b.op("Sub", found, _HIGH_SENTINELS[None, :]))
    apart = b.cast(b.op("Greater", distance, 2e-7 * _HIGH_SENTINELS[None, :]), np.float64)
    n_apart = b.op("MatMul", apart, np.ones((len(_HIGH_SENTINELS), 1)))
    near = b.reshape(b.op("Less", n_apart, len(_HIGH_SENTINELS) - 0.5), [-1])
    sentinel = b.cast(b.op("ScatterElements", b.cast(large, np.int32), where, b.cast(near, np.int32), axis=0), np.bool_)
    return b.op("And", finite, b.op("Not", sentinel))


def label_limits(names):
    """Lowest and highest possible values of labels, as columns of shape (n_labels, 1)."""
    known = {label.name: label for label in LABELS}
    low = [known[n].minimum if n in known else -np.inf for n in names]
    high = [known[n].maximum if n in known else np.inf for n in names]
    return np.array(low)[:, None], np.array(high)[:, None]
