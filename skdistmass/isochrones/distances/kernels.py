"""The compiled loops of isochrone distances: sums over the grid for batches of stars.

Stars are compared with points of the grid in whitened coordinates: with the covariance C = L L^T of ([Fe/H], Teff,
log g), z = L^-1 (point - star), so that chi^2 = z1^2 + z2^2 + z3^2 for any correlations. Only tiles that can hold a
point within the radius of a star of the batch are visited. The stars of a batch are neighbours and share the tiles; a
point adds to the histograms of all of them in one step, which has no branch. A star's own limit of chi^2 decides
what counts, so its result is the same in any batch.
"""

import math

import numpy as np

from skdistmass._compiled import compiled
from skdistmass.isochrones.distances.summaries import parallax_term, summarise
from skdistmass.isochrones.distances.vectors import LANES, add_points


@compiled(nogil=True)
def _span(low, high):
    """Return the smallest absolute value between two numbers."""
    return 0.0 if low <= 0.0 <= high else min(abs(low), abs(high))


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
def _mark_tiles(layers, teff_edges, logg_tiles, star, root, limit, rows, tiles):
    """Extend ranges of tiles by those that can hold a point within the radius of a star.

    `star` is ([Fe/H], Teff, log g), `root` the lower triangle L of its covariance: L11, L21, L22, L31, L32, L33. `rows`
    are first and last row of tiles in Teff of each layer, `tiles` first and last tile in log g of each row.
    """
    n_i, n_j = teff_edges.size - 1, int(logg_tiles[2])
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
        i_high = min(n_i - 1, np.searchsorted(teff_edges, t_high + reach * root[2], side="right") - 1)
        g_low = star[2] + min(root[3] * low_1, root[3] * high_1)
        g_high = star[2] + max(root[3] * low_1, root[3] * high_1)
        for i in range(i_low, i_high + 1):
            low_2 = max((teff_edges[i] - t_high) / root[2], -reach)
            high_2 = min((teff_edges[i + 1] - t_low) / root[2], reach)
            width = math.sqrt(max(rest - _span(low_2, high_2) ** 2, 0.0)) * root[5]
            low_3 = g_low + min(root[4] * low_2, root[4] * high_2) - width
            high_3 = g_high + max(root[4] * low_2, root[4] * high_2) + width
            j_low = max(0, int(np.floor((low_3 - logg_tiles[0]) / logg_tiles[1])))
            j_high = min(n_j - 1, int(np.floor((high_3 - logg_tiles[0]) / logg_tiles[1])))
            if j_low <= j_high:
                rows[layer, 0], rows[layer, 1] = min(rows[layer, 0], i), max(rows[layer, 1], i)
                tiles[layer, i, 0] = min(tiles[layer, i, 0], j_low)
                tiles[layer, i, 1] = max(tiles[layer, i, 1], j_high)


@compiled(nogil=True)
def _add_tiles(tile_starts, place, bins, n_i, n_j, rows, tiles, lanes, term, sums, histograms, bounds):
    """Add the points of all marked tiles to the histograms of a batch, and take the marks away."""
    for layer in range(rows.shape[0]):
        for i in range(rows[layer, 0], rows[layer, 1] + 1):
            base = (layer * n_i + i) * n_j
            if tiles[layer, i, 0] <= tiles[layer, i, 1]:
                first, last = tile_starts[base + tiles[layer, i, 0]], tile_starts[base + tiles[layer, i, 1] + 1]
                add_points(place, bins, first, last, lanes, term, sums, histograms, bounds)
            tiles[layer, i, 0], tiles[layer, i, 1] = n_j, -1
        rows[layer, 0], rows[layer, 1] = n_i, -1


@compiled(nogil=True)
def _sum_batch(level, stars, roots, photometry, limits, batch, rows, tiles, lanes, terms, sums, histograms, bounds):
    """Fill the histograms of the stars of a batch, given by their numbers; those with NaN get nothing."""
    layers, teff_edges, logg_tiles, tile_starts, place, bins, axes = level
    histograms[0, max(bounds[0], 0) : bounds[1] + 1] = 0.0
    histograms[1:] = 0.0
    bounds[0], bounds[1] = histograms.shape[1], -1
    sums[:] = 0.0
    lanes[:] = 0.0
    lanes[9] = -1.0
    for lane in range(batch.size):
        s = batch[lane]
        if np.isfinite(stars[s].sum()) and np.isfinite(roots[s].sum()):
            _prepare_lane(stars[s], roots[s], limits[s], lane, lanes)
            _mark_tiles(layers, teff_edges, logg_tiles, stars[s], roots[s], limits[s], rows, tiles)
        if histograms.shape[0] > 1:
            parallax_term(photometry[s], axes[0], terms[:, lane])
    n_i, n_j = teff_edges.size - 1, int(logg_tiles[2])
    _add_tiles(tile_starts, place, bins, n_i, n_j, rows, tiles, lanes, terms, sums, histograms, bounds)


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
    layers, teff_edges, logg_tiles, _, _, _, axes = level
    n_i, n_j, n_bins = teff_edges.size - 1, int(logg_tiles[2]), int(axes[:, 2].max())
    histograms = np.zeros((n_histograms, n_bins, LANES), dtype=np.float32)
    lanes, sums = np.zeros((10, LANES), dtype=np.float32), np.zeros((2, LANES), dtype=np.float32)
    terms, bounds = np.ones((n_bins, LANES), dtype=np.float32), np.array([0, -1])
    rows, tiles = np.empty((layers.shape[0], 2), dtype=np.int64), np.empty((layers.shape[0], n_i, 2), dtype=np.int64)
    rows[:, 0], rows[:, 1] = n_i, -1
    tiles[:, :, 0], tiles[:, :, 1] = n_j, -1
    limits = np.full(stars.shape[0], n_sigma * n_sigma)
    waiting, n_waiting = np.arange(stars.shape[0]), stars.shape[0]
    for attempt in range(2):
        n_now, n_waiting = n_waiting, 0
        for start in range(0, n_now, LANES):
            batch = waiting[start : min(start + LANES, n_now)].copy()
            _sum_batch(
                level, stars, roots, photometry, limits, batch, rows, tiles, lanes, terms, sums, histograms, bounds
            )
            for lane in range(batch.size):
                s, largest = batch[lane], sums[0, lane]
                if largest == 0.0:
                    continue
                nearest = max(-2.0 * math.log(largest), 0.0)
                # Beside the crowded ridges what counts is the distance beyond that of the nearest model.
                if attempt == 0 and nearest >= 1.0:
                    limits[s] += nearest
                    waiting[n_waiting] = s
                    n_waiting += 1
                    continue
                fit[s, 0], fit[s, 1] = nearest, sums[1, lane]
                own_pdfs = pdfs[s : s + 1] if pdfs.shape[0] > 0 else pdfs[:0]
                summarise(histograms, bounds, lane, axes, photometry[s], summaries[s], fit[s], own_pdfs)
