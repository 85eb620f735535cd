"""The compiled loops that draw points of the models from a star's posterior."""

import math

import numpy as np

from skdistmass._compiled import compiled
from skdistmass.isochrones.distances.kernels import N_BOX, clear_boxes, find_groups, set_box
from skdistmass.isochrones.distances.summaries import parallax_term
from skdistmass.isochrones.distances.vectors import LANES


@compiled(nogil=True)
def _weigh(level, star, root, limit, boxes, runs, term, targets, chosen):
    """Visit the points within a star's radius; return the sum of their weights and the smallest chi^2.

    The point at which each of `targets`, rising sums of weights, is reached goes into `chosen`.
    """
    group_starts, groups, points, bins = level[4:8]
    total, nearest, n_chosen = 0.0, np.inf, 0
    set_box(star, root, limit, 0, boxes)
    for run in range(find_groups(level, boxes, runs)):
        for group in range(runs[run, 0], runs[run, 1]):
            for k in range(group_starts[group], group_starts[group + 1]):
                z1 = (groups[group, 0] + points[k, 0] - star[0]) / root[0]
                z2 = (groups[group, 1] + points[k, 1] - star[1] - root[1] * z1) / root[2]
                z3 = (groups[group, 2] + points[k, 2] - star[2] - root[3] * z1 - root[4] * z2) / root[5]
                chi2 = z1 * z1 + z2 * z2 + z3 * z3
                if chi2 > limit:
                    continue
                nearest = min(nearest, chi2)
                weight = math.exp(-0.5 * chi2) * points[k, 3] * term[bins[0, k]]
                total += weight
                while n_chosen < targets.size and total >= targets[n_chosen]:
                    chosen[n_chosen] = k
                    n_chosen += 1
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
    axes, n_samples = level[-1], chosen.shape[1]
    boxes, runs = np.empty((N_BOX, LANES)), np.empty((level[0].shape[0] * level[1].size, 2), dtype=np.int64)
    clear_boxes(boxes)
    term, none = np.empty(int(axes[0, 2])), np.empty(0)
    for s in range(stars.shape[0]):
        if not (np.isfinite(stars[s].sum()) and np.isfinite(roots[s].sum())):
            continue
        parallax_term(photometry[s], axes[0], term)
        if densities.shape[1] > 0:
            term *= densities[s]
        limit = n_sigma * n_sigma
        total, nearest = _weigh(level, stars[s], roots[s], limit, boxes, runs, term, none, chosen[s])
        if 1.0 <= nearest < np.inf:
            # Beside the crowded ridges what counts is the distance beyond that of the nearest model.
            limit += nearest
            total, _ = _weigh(level, stars[s], roots[s], limit, boxes, runs, term, none, chosen[s])
        if total > 0.0:
            # Below the total by a rounding, so that the last target is reached.
            targets = (np.arange(n_samples) + places[s]) / n_samples * (total * (1.0 - 1e-12))
            _weigh(level, stars[s], roots[s], limit, boxes, runs, term, targets, chosen[s])
