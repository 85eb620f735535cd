"""The compiled loops of isochrone distances: sums over the grid for batches of stars.

Stars are compared with points of the grid in whitened coordinates: with the covariance C = L L^T of ([Fe/H], Teff,
log g), z = L^-1 (point - star), so that chi^2 = z1^2 + z2^2 + z3^2 for any correlations. Only tiles that can hold a
point within the radius of a star of the batch are visited. The stars of a batch are neighbours and share the tiles. The
likelihood is computed for a group of points, and for each of its points a short series about that; a point adds to the
histograms of all stars in one step. A star's own limit of chi^2 decides what counts, so its result is the same in any
batch.
"""

import math

import numpy as np

from skdistmass._compiled import compiled
from skdistmass.isochrones.distances.summaries import parallax_term, summarise
from skdistmass.isochrones.distances.vectors import LANES, add_groups

# Sums may be reordered, so that they are vectorised; neither NaN nor infinity enters them.
_FAST = {"reassoc", "contract", "nsz", "arcp", "nnan", "ninf"}
# Teff and log g as whole numbers: so many to the unit, the end of the range, and a number beyond.
_FINE, _END, _MOST = 65536.0, 1e9, 2**62
#: Numbers of a star by which tiles are found.
N_BOX = 11


@compiled(nogil=True)
def _prepare_lane(star, root, limit, lane, lanes):
    """Write the numbers of a star into a lane: what turns places into whitened ones from the star, and its limit.

    The whitened coordinates are divided by 8, so that the sum of their squares is the t of the series in `vectors`.
    """
    a, b, d = 0.125 / root[0], 0.125 / root[2], 0.125 / root[5]
    across, along_1, along_2 = root[1] / root[2], root[3] / root[5], root[4] / root[5]
    shift_1 = -star[0] * a
    c, shift_2 = -across * a, -star[1] * b - across * shift_1
    e, h = -along_1 * a - along_2 * c, -along_2 * b
    shift_3 = -star[2] * d - along_1 * shift_1 - along_2 * shift_2
    lanes[0, lane], lanes[1, lane] = a, shift_1
    lanes[2, lane], lanes[3, lane], lanes[4, lane] = b, c, shift_2
    lanes[5, lane], lanes[6, lane], lanes[7, lane], lanes[8, lane] = d, e, h, shift_3
    lanes[9, lane] = limit / 64.0


@compiled(nogil=True)
def set_box(star, root, limit, lane, boxes):
    """Write the numbers of a star by which tiles are found into a lane.

    `star` is ([Fe/H], Teff, log g), `root` the lower triangle L of its covariance: L11, L21, L22, L31, L32, L33.
    """
    boxes[0, lane], boxes[1, lane], boxes[2, lane] = star[0], star[1], star[2]
    boxes[3, lane], boxes[4, lane], boxes[5, lane] = 1.0 / root[0], root[1], root[2]
    boxes[6, lane], boxes[7, lane], boxes[8, lane] = root[3], root[4], root[5]
    boxes[9, lane], boxes[10, lane] = limit, 1.0 / root[2]


@compiled(nogil=True)
def clear_boxes(boxes):
    """Leave no star in any lane."""
    boxes[:] = 1.0
    boxes[9] = -1.0


@compiled(nogil=True, fastmath=_FAST)
def _whole(value):
    """Return Teff or log g as a whole number, limited to what can be one."""
    return np.int64(max(min(value, _END), -_END) * _FINE)


@compiled(nogil=True, fastmath=_FAST)
def _teff_range(layer, boxes):
    """Return between which Teff models of a layer can be within the radius of a star of the batch."""
    # The smallest of whole numbers is found side by side for many stars, that of floating-point numbers is not.
    low, high = _MOST, -_MOST
    for k in range(LANES):
        low_1, high_1 = (layer[0] - boxes[0, k]) * boxes[3, k], (layer[1] - boxes[0, k]) * boxes[3, k]
        apart = max(max(low_1, -high_1), 0.0)
        rest = boxes[9, k] - apart * apart
        reach = math.sqrt(max(rest, 0.0)) * boxes[5, k]
        along_low, along_high = boxes[4, k] * low_1, boxes[4, k] * high_1
        t_low = boxes[1, k] + min(along_low, along_high) - reach
        t_high = boxes[1, k] + max(along_low, along_high) + reach
        low = min(low, _whole(t_low) - 1 if rest >= 0.0 else _MOST)
        high = max(high, _whole(t_high) if rest >= 0.0 else -_MOST)
    return low / _FINE, (high + 1) / _FINE


@compiled(nogil=True, fastmath=_FAST)
def _logg_range(layer, teff_low, teff_high, boxes):
    """Return between which log g models of a layer between two Teff can be."""
    low, high = _MOST, -_MOST
    for k in range(LANES):
        low_1, high_1 = (layer[0] - boxes[0, k]) * boxes[3, k], (layer[1] - boxes[0, k]) * boxes[3, k]
        apart = max(max(low_1, -high_1), 0.0)
        rest = boxes[9, k] - apart * apart
        reach = math.sqrt(max(rest, 0.0))
        along_low, along_high = boxes[4, k] * low_1, boxes[4, k] * high_1
        low_2 = max((teff_low - boxes[1, k] - max(along_low, along_high)) * boxes[10, k], -reach)
        high_2 = min((teff_high - boxes[1, k] - min(along_low, along_high)) * boxes[10, k], reach)
        apart = max(max(low_2, -high_2), 0.0)
        width = math.sqrt(max(rest - apart * apart, 0.0)) * boxes[8, k]
        along_low, along_high = boxes[6, k] * low_1, boxes[6, k] * high_1
        across_low, across_high = boxes[7, k] * low_2, boxes[7, k] * high_2
        g_low = boxes[2, k] + min(along_low, along_high) + min(across_low, across_high) - width
        g_high = boxes[2, k] + max(along_low, along_high) + max(across_low, across_high) + width
        near = (rest >= 0.0) & (low_2 <= high_2)
        low = min(low, _whole(g_low) - 1 if near else _MOST)
        high = max(high, _whole(g_high) if near else -_MOST)
    return low / _FINE, (high + 1) / _FINE


@compiled(nogil=True)
def find_groups(level, boxes, runs):
    """Write the first and the last + 1 of each run of groups near the stars of a batch; return how many runs."""
    layers, teff_edges, logg_tiles, tile_starts = level[:4]
    n_i, n_j, n_runs = teff_edges.size - 1, int(logg_tiles[2]), 0
    for layer in range(layers.shape[0]):
        if layers[layer, 0] > layers[layer, 1]:
            continue
        t_low, t_high = _teff_range(layers[layer], boxes)
        i_low = max(0, np.searchsorted(teff_edges, t_low, side="right") - 1)
        i_high = min(n_i - 1, np.searchsorted(teff_edges, t_high, side="right") - 1)
        for i in range(i_low, i_high + 1):
            g_low, g_high = _logg_range(layers[layer], teff_edges[i], teff_edges[i + 1], boxes)
            j_low = int(min(max(np.floor((g_low - logg_tiles[0]) / logg_tiles[1]), 0.0), n_j))
            j_high = int(max(min(np.floor((g_high - logg_tiles[0]) / logg_tiles[1]), n_j - 1.0), -1.0))
            if j_low <= j_high:
                base = (layer * n_i + i) * n_j
                runs[n_runs, 0], runs[n_runs, 1] = tile_starts[base + j_low], tile_starts[base + j_high + 1]
                n_runs += 1
    return n_runs


@compiled(nogil=True)
def _sum_batch(level, stars, roots, photometry, limits, batch, boxes, runs, lanes, terms, sums, histograms, bounds):
    """Fill the histograms of the stars of a batch, given by their numbers; those with NaN get nothing."""
    histograms[0, max(bounds[0], 0) : bounds[1] + 1] = 0.0
    histograms[1:] = 0.0
    bounds[0], bounds[1] = histograms.shape[1], -1
    sums[:] = 0.0
    lanes[:] = 0.0
    lanes[9] = -1.0
    clear_boxes(boxes)
    for lane in range(batch.size):
        s = batch[lane]
        if np.isfinite(stars[s].sum()) and np.isfinite(roots[s].sum()):
            _prepare_lane(stars[s], roots[s], limits[s], lane, lanes)
            set_box(stars[s], roots[s], limits[s], lane, boxes)
        if histograms.shape[0] > 1:
            parallax_term(photometry[s], level[-1][0], terms[:, lane])
    group_starts, groups, points, bins = level[4:8]
    for k in range(find_groups(level, boxes, runs)):
        add_groups(group_starts, groups, points, bins, runs[k, 0], runs[k, 1], lanes, terms, sums, histograms, bounds)


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
        Radius of the sums. For stars beside the models it is added, in squares, to the distance of the nearest model.
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
    axes = level[-1]
    n_bins = int(axes[:, 2].max())
    histograms = np.zeros((n_histograms, n_bins, LANES), dtype=np.float32)
    lanes, sums = np.zeros((10, LANES), dtype=np.float32), np.zeros((2, LANES), dtype=np.float32)
    terms, bounds = np.ones((n_bins, LANES), dtype=np.float32), np.array([0, -1])
    boxes, runs = np.empty((N_BOX, LANES)), np.empty((level[0].shape[0] * level[1].size, 2), dtype=np.int64)
    limits = np.full(stars.shape[0], n_sigma * n_sigma)
    waiting, n_waiting = np.arange(stars.shape[0]), stars.shape[0]
    for attempt in range(2):
        n_now, n_waiting = n_waiting, 0
        for start in range(0, n_now, LANES):
            batch = waiting[start : min(start + LANES, n_now)].copy()
            _sum_batch(
                level, stars, roots, photometry, limits, batch, boxes, runs, lanes, terms, sums, histograms, bounds
            )
            for lane in range(batch.size):
                s, largest = batch[lane], sums[0, lane]
                if largest == 0.0:
                    batch[lane] = -1
                    continue
                nearest = max(-2.0 * math.log(largest), 0.0)
                # Beside the crowded ridges what counts is the distance beyond that of the nearest model.
                if attempt == 0 and nearest >= 1.0:
                    limits[s] += nearest
                    waiting[n_waiting] = s
                    n_waiting += 1
                    batch[lane] = -1
                    continue
                fit[s, 0] = nearest
            if (batch >= 0).any():
                summarise(histograms, bounds, sums, axes, batch, photometry, summaries, fit, pdfs)
