"""The compiled loops that draw points of the models from a star's posterior."""

import math

import numpy as np

from skdistmass._compiled import compiled
from skdistmass.isochrones.distances.kernels import _mark_tiles
from skdistmass.isochrones.distances.summaries import parallax_term


@compiled(nogil=True)
def _weigh(level, star, root, limit, rows, tiles, term, targets, chosen):
    """Visit the points within a star's radius; return the sum of their weights and the smallest chi^2.

    The point at which each of `targets`, rising sums of weights, is reached goes into `chosen`.
    """
    layers, teff_edges, logg_tiles, tile_starts, place, bins, _ = level
    n_i, n_j = teff_edges.size - 1, int(logg_tiles[2])
    total, nearest, n_chosen = 0.0, np.inf, 0
    _mark_tiles(layers, teff_edges, logg_tiles, star, root, limit, rows, tiles)
    for layer in range(layers.shape[0]):
        for i in range(rows[layer, 0], rows[layer, 1] + 1):
            base = (layer * n_i + i) * n_j
            if tiles[layer, i, 0] <= tiles[layer, i, 1]:
                for k in range(tile_starts[base + tiles[layer, i, 0]], tile_starts[base + tiles[layer, i, 1] + 1]):
                    z1 = (place[0, k] - star[0]) / root[0]
                    z2 = (place[1, k] - star[1] - root[1] * z1) / root[2]
                    z3 = (place[2, k] - star[2] - root[3] * z1 - root[4] * z2) / root[5]
                    chi2 = z1 * z1 + z2 * z2 + z3 * z3
                    if chi2 > limit:
                        continue
                    nearest = min(nearest, chi2)
                    weight = math.exp(-0.5 * chi2) * place[3, k] * term[bins[0, k]]
                    total += weight
                    while n_chosen < targets.size and total >= targets[n_chosen]:
                        chosen[n_chosen] = k
                        n_chosen += 1
            tiles[layer, i, 0], tiles[layer, i, 1] = n_j, -1
        rows[layer, 0], rows[layer, 1] = n_i, -1
    return total, nearest


@compiled(nogil=True)
def draw_points(level, stars, roots, photometry, densities, n_sigma, places, chosen):
    """Draw points of the models for each star, by systematic resampling.

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
    densities : ndarray of shape (n_stars, n_bins) or (n_stars, 0)
        What else is known of M_Ks: a factor for each of its bins.
    n_sigma : float
        See `skdistmass.isochrones.distances.kernels.summarise_stars`.
    places : ndarray of shape (n_stars,)
        A uniform number for each star.
    chosen : ndarray of int64, shape (n_stars, n_samples)
        Receives the numbers of the points; they stay as they are where no model is near.
    """
    layers, teff_edges, logg_tiles, _, _, _, axes = level
    n_i, n_samples = teff_edges.size - 1, chosen.shape[1]
    rows, tiles = np.empty((layers.shape[0], 2), dtype=np.int64), np.empty((layers.shape[0], n_i, 2), dtype=np.int64)
    rows[:, 0], rows[:, 1] = n_i, -1
    tiles[:, :, 0], tiles[:, :, 1] = int(logg_tiles[2]), -1
    term, none = np.empty(int(axes[0, 2])), np.empty(0)
    for s in range(stars.shape[0]):
        if not (np.isfinite(stars[s].sum()) and np.isfinite(roots[s].sum())):
            continue
        parallax_term(photometry[s], axes[0], term)
        if densities.shape[1] > 0:
            term *= densities[s]
        limit = n_sigma * n_sigma
        total, nearest = _weigh(level, stars[s], roots[s], limit, rows, tiles, term, none, chosen[s])
        if 1.0 <= nearest < np.inf:
            # Beside the crowded ridges what counts is the distance beyond that of the nearest model.
            limit += nearest
            total, _ = _weigh(level, stars[s], roots[s], limit, rows, tiles, term, none, chosen[s])
        if total > 0.0:
            # Below the total by a rounding, so that the last target is reached.
            targets = (np.arange(n_samples) + places[s]) / n_samples * (total * (1.0 - 1e-12))
            _weigh(level, stars[s], roots[s], limit, rows, tiles, term, targets, chosen[s])
