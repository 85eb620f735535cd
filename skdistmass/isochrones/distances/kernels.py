"""The compiled loops of isochrone distances: sums over the grid, in histograms of M_Ks.

Stars are compared with groups of points of the grid in whitened coordinates: with the covariance C = L L^T of ([Fe/H],
Teff, log g), z = L^-1 (place - star), so that chi^2 = z1^2 + z2^2 + z3^2 for any correlations. Only tiles that can
hold a group within the radius are visited. Two copies of the histogram of M_Ks are filled in turn, because adding to
the same bin again and again makes the processor wait for itself.
"""

import math

import numpy as np
from llvmlite import ir
from numba import types
from numba.extending import intrinsic

from skdistmass._compiled import compiled
from skdistmass.isochrones.distances.cells import BINS
from skdistmass.isochrones.distances.histograms import (
    blur,
    distance_summary,
    filled,
    parallax_likelihood,
    parallax_miss,
    summary,
)

# Sums may be reordered, so that they are vectorised; neither NaN nor infinity enters them.
_FAST = {"reassoc", "contract", "nsz", "arcp", "nnan", "ninf"}
_STEP, _COPIES = np.uint64(32), 2


@compiled(nogil=True, fastmath=_FAST)
def _find_inside(place, runs, n_runs, star, scale, limit, groups, likelihoods):
    """Write numbers and likelihoods of all groups of some runs whose chi^2 is at most the limit; return how many.

    exp(-x) is (1 - t + t^2/2)^256 with t = x/256: without a call, hence vectorised, and right to 1e-4 for x < 3,
    2e-3 for x = 10.
    """
    f0, t0, g0 = star[0], star[1], star[2]
    a, b, c, d, e, h = scale[0], scale[1], scale[2], scale[3], scale[4], scale[5]
    n_inside = np.uint64(0)
    for run in range(n_runs):
        # Unsigned positions spare the compiled code the question whether they count from the end.
        first, n = np.uint64(runs[run, 0]), np.uint64(runs[run, 1] - runs[run, 0])
        # A few more than needed: whole vectors are faster than the numbers left over one by one.
        n_padded = min((n + _STEP - np.uint64(1)) // _STEP * _STEP, np.uint64(place.shape[1]) - first)
        for k in range(n_padded):
            z1 = (place[0, first + k] - f0) * a
            z2 = (place[1, first + k] - t0) * b - c * z1
            z3 = (place[2, first + k] - g0) * d - e * z1 - h * z2
            chi2 = z1 * z1 + z2 * z2 + z3 * z3
            t = chi2 * np.float32(0.5 / 256.0)
            y = np.float32(1.0) - t + np.float32(0.5) * t * t
            y = y * y
            y = y * y
            y = y * y
            y = y * y
            y = y * y
            y = y * y
            y = y * y
            y = y * y
            likelihoods[n_inside + k] = y if chi2 <= limit else np.float32(0.0)
        start = n_inside
        for k in range(n):  # without a branch, which the processor could not predict
            y = likelihoods[start + k]
            groups[n_inside] = first + k
            likelihoods[n_inside] = y
            n_inside += np.uint64(y > np.float32(0.0))
    return np.int64(n_inside)


@compiled(nogil=True)
def _chi2_of(likelihood):
    """Return the chi^2 that `_likelihoods` gives this likelihood for."""
    root = likelihood ** (1.0 / 256.0)
    return 512.0 * (1.0 - math.sqrt(max(2.0 * root - 1.0, 0.0)))


@intrinsic
def _add_scaled(typing_context, target, start, source, row, factor):
    """Add `factor` times the row of `source` to `target[start:start + BINS]`, as one vector; both of float32.

    The compiler makes single additions of a loop of so few steps.
    """

    def generate(context, builder, signature, values):
        target, start, source, row, factor = values
        vector = ir.VectorType(ir.FloatType(), BINS)

        def pointer(kind, array, position):
            data = context.make_array(kind)(context, builder, array).data
            return builder.bitcast(builder.gep(data, [position]), vector.as_pointer())

        into = pointer(signature.args[0], target, start)
        added = pointer(signature.args[2], source, builder.mul(row, ir.Constant(row.type, BINS)))
        first = builder.insert_element(ir.Constant(vector, ir.Undefined), factor, ir.Constant(ir.IntType(32), 0))
        mask = ir.Constant(ir.VectorType(ir.IntType(32), BINS), [0] * BINS)
        factors = builder.shuffle_vector(first, ir.Constant(vector, ir.Undefined), mask)
        product = builder.fmul(factors, builder.load(added, align=4), flags=["contract"])
        builder.store(builder.fadd(builder.load(into, align=4), product, flags=["contract"]), into, align=4)
        return context.get_dummy_value()

    return types.void(target, start, source, row, factor), generate


@compiled(nogil=True)
def _add_magnitudes(likelihoods, groups, n, place, blocks, weights, magnitudes, bounds, sums):
    """Add the weights of groups times their likelihoods to the copies of the histogram of M_Ks.

    `bounds` receives the first bin that is filled and the one after the last, `sums` the largest likelihood, the sum of
    the weights and the sum of their squares.
    """
    length = magnitudes.size // _COPIES
    largest, total, squares = np.float32(0.0), 0.0, 0.0
    low, high = length, 0
    for k in range(n):
        likelihood, group = likelihoods[k], np.int64(groups[k])
        largest = max(largest, likelihood)
        total += place[3, group] * likelihood
        squares += place[4, group] * likelihood * likelihood
        start = BINS * np.int64(blocks[group])
        low, high = min(low, start), max(high, start + BINS)
        into = start + length * (k & 1)
        _add_scaled(magnitudes, into, weights, group, likelihood)
    bounds[0], bounds[1] = low, high
    sums[0], sums[1], sums[2] = largest, total, squares


@compiled(nogil=True, fastmath=_FAST)
def _add_marginals(likelihoods, groups, n, point_starts, point_weights, bins, term, marginals):
    """Add the points of groups to the histograms of mass, age and radius; `term`, if any, weighs the bins of M_Ks."""
    for k in range(n):
        for point in range(point_starts[groups[k]], point_starts[groups[k] + 1]):
            weight = likelihoods[k] * point_weights[point]
            if term.size > 0:
                weight *= np.float32(term[bins[0, point]])
            for m in range(marginals.shape[0]):
                marginals[m, np.uint64(bins[m + 1, point])] += weight


@compiled(nogil=True)
def _span(low, high):
    """Return the smallest absolute value between two numbers."""
    return 0.0 if low <= 0.0 <= high else min(abs(low), abs(high))


@compiled(nogil=True)
def _scale(root):
    """Return what turns differences into whitened ones: the numbers a to h of `_find_inside`."""
    return np.array(
        [1 / root[0], 1 / root[2], root[1] / root[2], 1 / root[5], root[3] / root[5], root[4] / root[5]],
        dtype=np.float32,
    )


@compiled(nogil=True)
def _find_runs(layers, teff_edges, logg_tiles, tile_starts, star, root, limit, runs):
    """Write the first and last group of each run of tiles that can hold a group within the radius; return how many.

    `star` is ([Fe/H], Teff, log g), `root` the lower triangle L of its covariance: L11, L21, L22, L31, L32, L33.
    """
    n_columns, n_tiles = teff_edges.size - 1, int(logg_tiles[2])
    n_runs = 0
    for layer in range(layers.shape[0]):
        if layers[layer, 0] > layers[layer, 1]:
            continue
        low_1 = (layers[layer, 0] - star[0]) / root[0]
        high_1 = (layers[layer, 1] - star[0]) / root[0]
        rest = limit - _span(low_1, high_1) ** 2
        if rest < 0.0:
            continue
        reach = math.sqrt(rest)
        t_low = star[1] + min(root[1] * low_1, root[1] * high_1)
        t_high = star[1] + max(root[1] * low_1, root[1] * high_1)
        i_low = max(0, np.searchsorted(teff_edges, t_low - reach * root[2], side="right") - 1)
        i_high = min(n_columns - 1, np.searchsorted(teff_edges, t_high + reach * root[2], side="right") - 1)
        g_low = star[2] + min(root[3] * low_1, root[3] * high_1)
        g_high = star[2] + max(root[3] * low_1, root[3] * high_1)
        for i in range(i_low, i_high + 1):
            low_2 = max((teff_edges[i] - t_high) / root[2], -reach)
            high_2 = min((teff_edges[i + 1] - t_low) / root[2], reach)
            width = math.sqrt(max(rest - _span(low_2, high_2) ** 2, 0.0)) * root[5]
            low_3 = g_low + min(root[4] * low_2, root[4] * high_2) - width
            high_3 = g_high + max(root[4] * low_2, root[4] * high_2) + width
            j_low = max(0, int(np.floor((low_3 - logg_tiles[0]) / logg_tiles[1])))
            j_high = min(n_tiles - 1, int(np.floor((high_3 - logg_tiles[0]) / logg_tiles[1])))
            if j_low <= j_high:
                column = (layer * n_columns + i) * n_tiles
                runs[n_runs, 0] = tile_starts[column + j_low]
                runs[n_runs, 1] = tile_starts[column + j_high + 1]
                n_runs += runs[n_runs, 0] < runs[n_runs, 1]
    return n_runs


@compiled(nogil=True)
def summarise_stars(level, stars, roots, photometry, n_sigma, n_histograms, summaries, fit, pdfs):
    """Compute the posterior of each star.

    Parameters
    ----------
    level : tuple of arrays
        Of a `skdistmass.isochrones.distances.cells.Level`, all but the first field.
    stars : ndarray of shape (n_stars, 3)
        [Fe/H], Teff, log g; rows with NaN are left alone.
    roots : ndarray of shape (n_stars, 6)
        Lower triangles of the Cholesky factors of their covariances.
    photometry : ndarray of shape (n_stars, 4)
        Magnitude less extinction, its error, parallax and its error (mas); NaN where there is none.
    n_sigma : float
        Radius of the sums.
    n_histograms : int
        1 for M_Ks alone, or the number of all histograms.
    summaries : ndarray of shape (n_stars, 1 + n_histograms, 5)
        Receives the summaries of distance, M_Ks and the marginals.
    fit : ndarray of shape (n_stars, 3)
        Receives the smallest chi^2 of any point, the effective number of points that carry the posterior, and
        by how many sigma the parallax misses the nearest distance of the posterior.
    pdfs : ndarray of shape (n_stars or 0, 2, n_bins)
        Receives the histograms of M_Ks and of m - A - mu, unless it is empty.
    """
    (layers, teff_edges, logg_tiles, tile_starts, place, blocks, weights, point_starts, point_weights, bins, axes) = (
        level
    )
    n_bins = int(axes[:, 2].max())
    n_magnitudes = int(axes[0, 2])
    n_blocks = (n_magnitudes + BINS - 1) // BINS
    magnitudes = np.zeros(_COPIES * n_blocks * BINS, dtype=np.float32)
    marginals = np.zeros((n_histograms - 1, n_bins), dtype=np.float32)
    length = magnitudes.size // _COPIES
    # the part of the histogram of M_Ks that is filled
    bounds, sums = np.array([0, length]), np.empty(3)
    runs = np.empty((layers.shape[0] * teff_edges.size + 1, 2), dtype=np.int64)
    # Large enough for all groups at once; what is not used takes no memory.
    groups, likelihoods = np.empty(place.shape[1], dtype=np.int32), np.empty(place.shape[1] + _STEP, dtype=np.float32)
    pdf, blurred = np.empty(n_bins + BINS), np.empty(n_bins)
    parallax, term = np.empty(n_bins), np.empty(n_bins)
    for s in range(stars.shape[0]):
        if not (np.isfinite(stars[s].sum()) and np.isfinite(roots[s].sum())):
            continue
        zero, error, plx, plx_error = photometry[s]
        with_photometry = np.isfinite(zero) and np.isfinite(error)
        with_parallax = with_photometry and np.isfinite(plx) and np.isfinite(plx_error)
        if with_parallax:
            first, last = parallax_likelihood(axes[0], zero, plx, plx_error, parallax)
            term[:] = 0.0
            blur(parallax, first, last, n_magnitudes, error / axes[0, 1], term)
        used_term = term[: n_magnitudes if with_parallax else 0]
        limit = n_sigma * n_sigma
        centre = stars[s].astype(np.float32)
        scale = _scale(roots[s])
        for _attempt in range(2):
            for copy in range(_COPIES):
                magnitudes[copy * length + bounds[0] : copy * length + bounds[1]] = 0.0
            n_runs = _find_runs(layers, teff_edges, logg_tiles, tile_starts, stars[s], roots[s], limit, runs)
            n = _find_inside(place, runs, n_runs, centre, scale, np.float32(limit), groups, likelihoods)
            _add_magnitudes(likelihoods, groups, n, place, blocks, weights, magnitudes, bounds, sums)
            nearest = _chi2_of(sums[0])
            # Beside the crowded ridges what counts is the distance beyond that of the nearest model.
            if nearest < 1.0 or nearest > n_sigma * n_sigma:
                break
            limit = n_sigma * n_sigma + nearest
        if not sums[1] > 0.0:
            continue
        if n_histograms > 1:
            marginals[:] = 0.0
            _add_marginals(likelihoods, groups, n, point_starts, point_weights, bins, used_term, marginals)
        fit[s, 0] = nearest
        fit[s, 1] = sums[1] * sums[1] / sums[2]
        for k in range(bounds[0], bounds[1]):
            pdf[k] = magnitudes[k] + magnitudes[length + k]
        low, high = filled(pdf, bounds[0], bounds[1])
        if with_photometry:
            first, last = blur(pdf, low, high, n_magnitudes, error / axes[0, 1], blurred)
            if with_parallax:
                fit[s, 2] = parallax_miss(blurred, first, last, axes[0], zero, plx, plx_error)
                for k in range(first, last):
                    blurred[k] *= parallax[k]
                for k in range(low, high):
                    pdf[k] *= term[k]
            distance_summary(blurred, first, last, axes[0], zero, summaries[s, 0])
            if pdfs.shape[0] > 0:
                pdfs[s, 1] = 0.0
                pdfs[s, 1, first:last] = blurred[first:last]
        summary(pdf, low, high, axes[0], summaries[s, 1])
        if pdfs.shape[0] > 0:
            pdfs[s, 0] = 0.0
            pdfs[s, 0, low:high] = pdf[low:high]
        for m in range(1, n_histograms):
            pdf[:n_bins] = marginals[m - 1]
            low, high = filled(pdf, 0, n_bins)
            summary(pdf, low, high, axes[m], summaries[s, 1 + m])
