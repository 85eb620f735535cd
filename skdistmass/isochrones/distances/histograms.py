"""Compiled loops over a histogram of M_Ks: its summary, its blurring, and what a parallax does to it."""

import math

import numpy as np

from skdistmass._compiled import compiled

_MAG_TO_LN = 0.2 * math.log(10.0)
# Likelihoods smaller than the largest by more than this factor, in natural logarithms, are nothing.
_LEAST_LOG = 40.0
_ONE_SIGMA_BELOW = 0.158655254

# Numbers read from one histogram.
MEDIAN, MEAN, MODE, P16, P84 = range(5)


@compiled(nogil=True)
def filled(histogram, low, high):
    """Return the first filled bin of a histogram from `low` to `high`, and the one after the last."""
    while low < high and histogram[low] == 0.0:
        low += 1
    while high > low and histogram[high - 1] == 0.0:
        high -= 1
    return low, high


@compiled(nogil=True)
def _quantile(pdf, low, high, total, fraction):
    """Return the position, in bins, below which a fraction of the total lies."""
    wanted = fraction * total
    below = 0.0
    for k in range(low, high):
        if below + pdf[k] >= wanted and pdf[k] > 0.0:
            return k + (wanted - below) / pdf[k]
        below += pdf[k]
    return float(high)


@compiled(nogil=True)
def summary(pdf, low, high, axis, out):
    """Write median, mean, mode and the 16th and 84th percentiles of a histogram filled from `low` to `high`."""
    total = 0.0
    moment = 0.0
    peak = low
    for k in range(low, high):
        total += pdf[k]
        moment += pdf[k] * (k + 0.5)
        if pdf[k] > pdf[peak]:
            peak = k
    if not total > 0.0:
        out[:] = np.nan
        return
    out[MEDIAN] = axis[0] + axis[1] * _quantile(pdf, low, high, total, 0.5)
    out[MEAN] = axis[0] + axis[1] * moment / total
    out[MODE] = axis[0] + axis[1] * (peak + 0.5)
    out[P16] = axis[0] + axis[1] * _quantile(pdf, low, high, total, _ONE_SIGMA_BELOW)
    out[P84] = axis[0] + axis[1] * _quantile(pdf, low, high, total, 1.0 - _ONE_SIGMA_BELOW)


@compiled(nogil=True)
def blur(pdf, low, high, n_bins, width, out):
    """Convolve a histogram with a normal distribution of a standard deviation in bins; return where it is filled."""
    if width < 0.05:
        out[low:high] = pdf[low:high]
        return low, high
    reach = int(np.ceil(4.5 * width))
    kernel = np.empty(2 * reach + 1)
    root = math.sqrt(0.5) / width
    below = math.erf((-reach - 0.5) * root)
    for k in range(-reach, reach + 1):
        above = math.erf((k + 0.5) * root)
        kernel[k + reach] = 0.5 * (above - below)
        below = above
    first, last = max(0, low - reach), min(n_bins, high + reach)
    out[first:last] = 0.0
    for k in range(low, high):
        if pdf[k] > 0.0:
            for m in range(max(0, k - reach), min(n_bins, k + reach + 1)):
                out[m] += pdf[k] * kernel[m - k + reach]
    return first, last


@compiled(nogil=True)
def _expected_parallax(axis, zero, k):
    """Return the parallax (mas) of a star of magnitude `zero` less M_Ks of bin k."""
    return math.exp(-_MAG_TO_LN * (zero - axis[0] - axis[1] * (k + 0.5) - 10.0))


@compiled(nogil=True)
def _parallax_spread(axis, expected, error):
    """Return the variance of a parallax given the bin of M_Ks.

    A bin stands for all distances in it. With their scatter, a parallax more precise than the step of the
    histogram can't fall between the bins.
    """
    return error * error + (_MAG_TO_LN * expected * axis[1]) ** 2 / 12.0


@compiled(nogil=True)
def parallax_likelihood(axis, zero, parallax, error, out):
    """Write the likelihood of a parallax (mas) for each bin of M_Ks; return between which bins it is not zero."""
    n_bins = int(axis[2])
    expected = _expected_parallax(axis, zero, 0)
    ratio = math.exp(_MAG_TO_LN * axis[1])
    best = 1e300
    for k in range(n_bins):
        out[k] = 0.5 * (parallax - expected) ** 2 / _parallax_spread(axis, expected, error)
        best = min(best, out[k])
        expected *= ratio
    low, high = n_bins, 0
    expected = _expected_parallax(axis, zero, 0)
    for k in range(n_bins):
        if out[k] - best < _LEAST_LOG:
            out[k] = math.exp(best - out[k]) * error / math.sqrt(_parallax_spread(axis, expected, error))
            low, high = min(low, k), k + 1
        else:
            out[k] = 0.0
        expected *= ratio
    return low, high


@compiled(nogil=True)
def parallax_miss(pdf, low, high, axis, zero, parallax, error):
    """Return by how many standard deviations a parallax misses the nearest distance that the pdf allows."""
    floor = 1e-3 * pdf[low:high].max()
    miss = np.inf
    for k in range(low, high):
        if pdf[k] > floor:
            expected = _expected_parallax(axis, zero, k)
            miss = min(miss, abs(parallax - expected) / math.sqrt(_parallax_spread(axis, expected, error)))
    return miss


@compiled(nogil=True)
def distance_summary(pdf, low, high, axis, zero, out):
    """Write median, mean, mode and percentiles of the distance (kpc), from a histogram of m - A - mu."""
    total = 0.0
    moment = 0.0
    peak = -1.0
    mode = np.nan
    distance = 1.0 / _expected_parallax(axis, zero, low)
    ratio = math.exp(-_MAG_TO_LN * axis[1])
    for k in range(low, high):
        total += pdf[k]
        moment += pdf[k] * distance
        # Equal steps of magnitude are steps of distance in proportion to the distance.
        if pdf[k] > peak * distance:
            peak = pdf[k] / distance
            mode = distance
        distance *= ratio
    if not total > 0.0:
        out[:] = np.nan
        return
    out[MEAN] = moment / total
    out[MODE] = mode
    for which, fraction in ((MEDIAN, 0.5), (P16, 1.0 - _ONE_SIGMA_BELOW), (P84, _ONE_SIGMA_BELOW)):
        magnitude = axis[0] + axis[1] * _quantile(pdf, low, high, total, fraction)
        out[which] = math.exp(_MAG_TO_LN * (zero - magnitude - 10.0))
