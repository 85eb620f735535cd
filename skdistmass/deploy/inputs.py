"""Which input values are present and which are missing, by the rules of `skdistmass.tables`."""

import numpy as np

from skdistmass.labels import LABELS
from skdistmass.tables import HIGH_SENTINELS, LOWEST_VALUE, SENTINEL_TOLERANCE, is_sentinel

__all__ = ["is_present", "just_outside", "labels_present"]


def _neighbours(sentinel, dtype):
    """The nearest numbers of a type on either side of a placeholder that are not taken for it."""
    ends = []
    for away in (-np.inf, np.inf):
        end = dtype(sentinel + np.copysign(SENTINEL_TOLERANCE * sentinel, away))
        while not is_sentinel(np.float64(end)):
            end = np.nextafter(end, dtype(-away))
        while is_sentinel(np.float64(end)):
            end = np.nextafter(end, dtype(away))
        ends.append(end)
    return ends


def _is_one_of(b, values, sentinels, dtype):
    """Tell which values of a vector are among some positive placeholders."""
    below, above = np.array([_neighbours(sentinel, dtype) for sentinel in sentinels], dtype).T[:, :, None]
    row = b.reshape(values, [1, -1])
    near = b.op("And", b.op("Greater", row, b.const(below, dtype)), b.op("Less", row, b.const(above, dtype)))
    count = b.op("MatMul", b.const(np.ones((1, len(sentinels))), dtype), b.cast(near, dtype))
    return b.reshape(b.op("Greater", count, b.const(0.5, dtype)), [-1])


def is_present(b, values, dtype=np.float64):
    """Tell which values of a vector are neither NaN, infinite nor survey placeholders.

    Comparisons are made in the type of the values, with limits that are exact in it: this decides flags.
    """
    dtype = np.dtype(dtype).type
    low, high = b.const(LOWEST_VALUE, dtype), b.const(np.inf, dtype)
    finite = b.op("And", b.op("Greater", values, low), b.op("Less", values, high))
    return b.op("And", finite, b.op("Not", _is_one_of(b, values, HIGH_SENTINELS, dtype)))


def just_outside(ranges, dtype):
    """The numbers of a type next below and next above of ranges with a minimum and a maximum, each as a column."""
    low = np.array([[np.nextafter(dtype(each.minimum), dtype(-np.inf))] for each in ranges])
    high = np.array([[np.nextafter(dtype(each.maximum), dtype(np.inf))] for each in ranges])
    return low, high


def labels_present(b, matrix, dtype):
    """Tell which values of the labels, shape (n_labels, N), are there and possible for a star.

    Most placeholders are impossible values of a label; only those within its range are searched for.
    """
    dtype = np.dtype(dtype).type
    low, high = just_outside(LABELS, dtype)
    present = b.op("And", b.op("Greater", matrix, b.const(low, dtype)), b.op("Less", matrix, b.const(high, dtype)))
    rows, labels = b.vectors(present, len(LABELS)), None
    for number, label in enumerate(LABELS):
        within = HIGH_SENTINELS[(label.minimum <= HIGH_SENTINELS) & (label.maximum >= HIGH_SENTINELS)]
        if len(within):
            labels = labels or b.vectors(matrix, len(LABELS))
            placeholder = _is_one_of(b, labels[number], within, dtype)
            rows[number] = b.op("And", rows[number], b.op("Not", placeholder))
    return b.matrix(rows), rows
