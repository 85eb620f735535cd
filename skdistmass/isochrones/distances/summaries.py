"""Compiled loops that read medians, means, modes and percentiles from the histograms of one star."""

import math

import numpy as np

from skdistmass._compiled import compiled
from skdistmass.isochrones.distances.grid import ONE_SIGMA_BELOW
from skdistmass.isochrones.distances.vectors import LANES, accumulate
from skdistmass.photometry import LN_DISTANCE_PER_MAG

# Likelihoods smaller than the largest by more than this factor, in natural logarithms, are nothing.
_LEAST_LOG = 40.0

#: Numbers read from one histogram.
N_SUMMARY = 5
MEDIAN, MEAN, MODE, P16, P84 = range(N_SUMMARY)


@compiled(nogil=True)
def _take_lane(histogram, lane, first, last, out):
    """Copy a histogram of one star from bin `first` to `last`; return the first filled bin, and where the last ends."""
    low, high = last, first
    for k in range(first, last):
        out[k] = histogram[k, lane]
        if out[k] != 0.0:
            low, high = min(low, k), k + 1
    return min(low, high), high


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
def _place_of(cumulative, histogram, first, last, lane, wanted):
    """Return the position, in bins, below which so much of the sum of a lane lies."""
    low, high = first, last - 1
    while low < high:
        middle = (low + high) // 2
        if cumulative[middle, lane] >= wanted:
            high = middle
        else:
            low = middle + 1
    below = cumulative[low - 1, lane] if low > first else np.float32(0.0)
    return low + (wanted - below) / histogram[low, lane]


@compiled(nogil=True)
def _write_summaries(histogram, first, last, axis, cumulative, results, out):
    """Write median, mean, mode and the 16th and 84th percentiles of the histograms of a batch, (LANES, 5)."""
    accumulate(histogram, first, last, cumulative, results)
    for lane in range(LANES):
        total = results[0, lane]
        if not total > 0.0:
            out[lane] = np.nan
            continue
        out[lane, MEAN] = axis[0] + axis[1] * (first + 0.5 + results[1, lane] / total)
        out[lane, MODE] = axis[0] + axis[1] * (first + 0.5 + results[2, lane])
        for which, fraction in ((MEDIAN, 0.5), (P16, ONE_SIGMA_BELOW), (P84, 1.0 - ONE_SIGMA_BELOW)):
            place = _place_of(cumulative, histogram, first, last, lane, fraction * cumulative[last - 1, lane])
            out[lane, which] = axis[0] + axis[1] * place


@compiled(nogil=True)
def _blur(pdf, low, high, n_bins, width, out):
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
    return math.exp(-LN_DISTANCE_PER_MAG * (zero - axis[0] - axis[1] * (k + 0.5) - 10.0))


@compiled(nogil=True)
def _parallax_spread(axis, expected, error):
    """Return the variance of a parallax given the bin of M_Ks.

    A bin stands for all distances in it. With their scatter, a parallax more precise than the step of the
    histogram can't fall between the bins.
    """
    return error * error + (LN_DISTANCE_PER_MAG * expected * axis[1]) ** 2 / 12.0


@compiled(nogil=True)
def _parallax_likelihood(axis, zero, parallax, error, out):
    """Write the likelihood of a parallax (mas) for each bin of M_Ks; return between which bins it is not zero."""
    n_bins = int(axis[2])
    expected = _expected_parallax(axis, zero, 0)
    ratio = math.exp(LN_DISTANCE_PER_MAG * axis[1])
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
def _parallax_miss(pdf, low, high, axis, zero, parallax, error):
    """Return by how many standard deviations a parallax misses the nearest distance that the pdf allows."""
    floor = 1e-3 * pdf[low:high].max()
    miss = np.inf
    for k in range(low, high):
        if pdf[k] > floor:
            expected = _expected_parallax(axis, zero, k)
            miss = min(miss, abs(parallax - expected) / math.sqrt(_parallax_spread(axis, expected, error)))
    return miss


@compiled(nogil=True)
def _distance_summary(pdf, low, high, axis, zero, out):
    """Write median, mean, mode and percentiles of the distance (kpc), from a histogram of m - A - mu."""
    total = 0.0
    moment = 0.0
    peak = -1.0
    mode = np.nan
    distance = 1.0 / _expected_parallax(axis, zero, low)
    ratio = math.exp(-LN_DISTANCE_PER_MAG * axis[1])
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
    for which, fraction in ((MEDIAN, 0.5), (P16, 1.0 - ONE_SIGMA_BELOW), (P84, ONE_SIGMA_BELOW)):
        magnitude = axis[0] + axis[1] * _quantile(pdf, low, high, total, fraction)
        out[which] = math.exp(LN_DISTANCE_PER_MAG * (zero - magnitude - 10.0))


@compiled(nogil=True)
def parallax_term(photometry, axis, out):
    """Write what a parallax says of each bin of M_Ks, blurred by the error of the magnitude; 1 without a parallax."""
    zero, error, parallax, parallax_error = photometry
    if not (np.isfinite(zero) and np.isfinite(error) and np.isfinite(parallax) and np.isfinite(parallax_error)):
        out[:] = 1.0
        return
    n_bins = int(axis[2])
    likelihood, blurred = np.empty(n_bins), np.zeros(n_bins)
    low, high = _parallax_likelihood(axis, zero, parallax, parallax_error, likelihood)
    _blur(likelihood, low, high, n_bins, error / axis[1], blurred)
    out[:n_bins] = blurred


@compiled(nogil=True)
def _use_parallax(pdf, blurred, bounds, filled, axis, photometry):
    """Multiply histograms of m - A - mu and of M_Ks by what the parallax says; return by how much it misses them."""
    zero, error, parallax, parallax_error = photometry
    n_bins = int(axis[2])
    miss = _parallax_miss(blurred, filled[0], filled[1], axis, zero, parallax, parallax_error)
    likelihood, term = np.empty(n_bins), np.zeros(n_bins)
    low, high = _parallax_likelihood(axis, zero, parallax, parallax_error, likelihood)
    _blur(likelihood, low, high, n_bins, error / axis[1], term)
    for k in range(filled[0], filled[1]):
        blurred[k] *= likelihood[k]
    for k in range(bounds[0], bounds[1]):
        pdf[k] *= term[k]
    return miss


@compiled(nogil=True)
def _distance_of(histogram, bounds, lane, axis, photometry, out, fit, distances):
    """Write the distance of a star of a batch, and multiply its histogram of M_Ks by what its parallax says."""
    pdf, blurred = np.empty(histogram.shape[0]), np.empty(int(axis[2]))
    low, high = _take_lane(histogram, lane, bounds[0], bounds[1] + 1, pdf)
    first, last = _blur(pdf, low, high, int(axis[2]), photometry[1] / axis[1], blurred)
    if np.isfinite(photometry[2]) and np.isfinite(photometry[3]):
        fit[2] = _use_parallax(pdf, blurred, (low, high), (first, last), axis, photometry)
        for k in range(low, high):
            histogram[k, lane] = pdf[k]
    _distance_summary(blurred, first, last, axis, photometry[0], out)
    if distances.size > 0:
        distances[:] = 0.0
        distances[first:last] = blurred[first:last]


@compiled(nogil=True)
def summarise(histograms, bounds, sums, axes, batch, photometry, summaries, fit, pdfs):
    """Read the summaries of the stars of a batch from its histograms; see `summarise_stars` for what is written.

    Parameters
    ----------
    histograms : ndarray of float32, shape (n_histograms, n_bins, LANES)
        Those of M_Ks are multiplied by what the parallaxes say.
    bounds : ndarray of shape (2,)
        The first and the last bin of M_Ks that may be filled.
    sums : ndarray of float32, shape (2, LANES)
        The second row is the sum of the squares of the weights.
    batch : ndarray of shape (n_lanes,)
        Numbers of the stars; below 0 for lanes to be left alone.
    """
    cumulative, results = np.empty((histograms.shape[1], LANES), np.float32), np.empty((3, LANES))
    found, n_pdfs = np.empty((LANES, N_SUMMARY)), pdfs.shape[0]
    first, last = bounds[0], bounds[1] + 1
    accumulate(histograms[0], first, last, cumulative, results)
    for lane in range(batch.size):
        s = batch[lane]
        if s < 0:
            continue
        fit[s, 1] = results[0, lane] / sums[1, lane] * results[0, lane]
        if np.isfinite(photometry[s, 0]) and np.isfinite(photometry[s, 1]):
            distances = pdfs[s, 1] if n_pdfs > 0 else found[0, :0]
            _distance_of(histograms[0], bounds, lane, axes[0], photometry[s], summaries[s, 0], fit[s], distances)
        if n_pdfs > 0:
            pdfs[s, 0] = 0.0
            pdfs[s, 0, first:last] = histograms[0, first:last, lane]
    for m in range(histograms.shape[0]):
        if m > 0:
            first, last = 0, int(axes[m, 2])
        _write_summaries(histograms[m], first, last, axes[m], cumulative, results, found)
        for lane in range(batch.size):
            if batch[lane] >= 0:
                summaries[batch[lane], 1 + m] = found[lane]
