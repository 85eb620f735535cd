"""Which input values are present and which are missing, by the rules of `skdistmass.tables`."""

import numpy as np

from skdistmass.surveys.quantities import quantity
from skdistmass.tables import HIGH_SENTINELS, LOWEST_VALUE, SENTINEL_TOLERANCE, is_sentinel

__all__ = ["is_present", "known_numbers", "present_in_ranges"]


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


def _just_outside(ranges, dtype):
    """The numbers of a type next below and next above of ranges with a minimum and a maximum, each as a column."""
    low = np.array([[np.nextafter(dtype(each.minimum), dtype(-np.inf))] for each in ranges])
    high = np.array([[np.nextafter(dtype(each.maximum), dtype(np.inf))] for each in ranges])
    return low, high


def present_in_ranges(b, matrix, ranges, dtype):
    """Tell which values, one row for each range, are there and possible; a matrix, and its rows.

    Most placeholders are impossible values; only those within a range are searched for.
    """
    dtype = np.dtype(dtype).type
    low, high = _just_outside(ranges, dtype)
    present = b.op("And", b.op("Greater", matrix, b.const(low, dtype)), b.op("Less", matrix, b.const(high, dtype)))
    rows = b.vectors(present, len(ranges))
    for number, each in enumerate(ranges):
        within = HIGH_SENTINELS[(each.minimum <= HIGH_SENTINELS) & (each.maximum >= HIGH_SENTINELS)]
        if len(within):
            placeholder = _is_one_of(b, b.row(matrix, number), within, dtype)
            rows[number] = b.op("And", rows[number], b.op("Not", placeholder))
            present = None
    return present or b.matrix(rows), rows


def known_numbers(b, names, dtype):
    """Some inputs as rows of a matrix, NaN where missing or impossible, as `surveys.as_stars` reads them."""
    matrix = b.matrix(names)
    ranges = [quantity({"MAG_ERR": "K_ERR"}.get(name, name)) for name in names]
    present, _ = present_in_ranges(b, matrix, ranges, dtype)
    zero = np.array([[0.0 if each.zero_is_missing else np.nan] for each in ranges])
    if not np.isnan(zero).all():
        present = b.op("And", present, b.op("Not", b.op("Equal", matrix, b.const(zero, dtype))))
    return b.op("Where", present, matrix, b.const(np.nan, dtype))
