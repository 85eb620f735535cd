"""The grid of models that isochrone distances are summed over: sub-divided, merged into cells, sorted.

Coarser levels, for stars with larger errors, merge the cells of the finer ones.
"""

from dataclasses import dataclass

import numpy as np

from skdistmass.exceptions import InputError
from skdistmass.isochrones.distances.cells import MOST_BINS, TILE_STEPS, Points, join, make_level, merge
from skdistmass.isochrones.distances.interpolation import (
    CURRENT_MASS,
    INITIAL_MASS,
    KS,
    LOG_AGE,
    LOG_L,
    LOG_TEFF,
    LOGG,
    even_metallicities,
    points_at,
    split_isochrones,
)
from skdistmass.isochrones.distances.prior import age_intervals, intervals

#: Marginals beside M_Ks, and the steps of their histograms in log10.
MARGINALS = {"mass": 0.005, "age": 0.02, "radius": 0.005}
#: How many levels there are; each has cells twice as large as the one before.
N_LEVELS = 3
#: Share of a normal law that is more than one standard deviation below its mean.
ONE_SIGMA_BELOW = 0.158655254
_LOG_SOLAR_TEFF = np.log10(5772.0)
# Distances, hence magnitudes, may be blurred beyond the models' range by errors of the photometry.
_MAGNITUDE_MARGIN = 1.0


@dataclass
class Grid:
    """The levels, finest first.

    Attributes
    ----------
    feh : ndarray of shape (n_feh,)
        Metallicities of the models, interpolated ones included.
    n_points : int
        Sub-divided points before merging.
    levels : list of Level
    """

    feh: np.ndarray
    n_points: int
    levels: list


def weighted_points(columns, *, number, prior, phases, metallicity_step, subdivision):
    """Yield for each metallicity of the grid the sub-divided points and the stars expected at each.

    Yields
    ------
    metallicity : float
    points : ndarray of shape (n_points, n_columns)
        In the columns of `skdistmass.isochrones.distances.interpolation.COLUMNS`.
    weight : ndarray of shape (n_points,)
    """
    isochrones = split_isochrones(columns)
    ages = np.unique([age for _, age in isochrones])
    spans = dict(zip(ages, age_intervals(ages), strict=True))
    feh = even_metallicities(np.unique([feh for feh, _ in isochrones]), metallicity_step)
    cache = {}
    for metallicity, width in zip(feh, np.diff(intervals(feh)), strict=True):
        points, weight = points_at(isochrones, metallicity, spans, phases, subdivision, number, cache)
        weight = weight * width
        if prior is not None:
            weight = weight * _prior_values(prior, points, metallicity)
        keep = weight > 0
        yield float(metallicity), points[keep], weight[keep]


def build_grid(columns, *, cell, magnitude_step, **options):
    """Build the grid from the columns of a checked isochrone table; see `IsochroneDistanceRegressor`."""
    layers, feh, n_points = [], [], 0
    for metallicity, points, weight in weighted_points(columns, **options):
        layers.append(merge(_observables(points, weight, metallicity), cell[:2], cell[2]))
        feh.append(metallicity)
        n_points += len(weight)
    if n_points == 0:
        raise InputError("no point of the isochrone table has a weight; check phases, prior and masses.")
    largest = max(points.weight.max(initial=0.0) for points in layers)
    for points in layers:
        points.weight /= largest
    levels, step = [], feh[1] - feh[0] if len(feh) > 1 else 0.0
    for number in range(N_LEVELS):
        size = np.array([cell[0], cell[1], 0.0]) * 2.0**number
        # The root of 12 times the scatter of 2^number evenly spaced metallicities.
        size[2] = step * np.sqrt(4.0**number - 1.0)
        if number:
            # The posteriors of stars with larger errors are wider, and finer steps of M_Ks lost on them.
            magnitude_step = max(magnitude_step, 2.0 * cell[2])
            pairs = [join(layers[k : k + 2]) for k in range(0, len(layers), 2)]
            layers = [merge(pair, size, 2.0 * cell[2]) for pair in pairs]
        steps = [magnitude_step, *MARGINALS.values()]
        axes = np.array([_axis(layers, k, width) for k, width in enumerate(steps)])
        levels.append(make_level(layers, size, axes, TILE_STEPS * 2.0**number))
    return Grid(feh=np.array(feh), n_points=n_points, levels=levels)


def _prior_values(prior, points, metallicity):
    """Evaluate the caller's prior and check what it gives."""
    values = np.asarray(
        prior(points[:, LOG_AGE], np.full(len(points), metallicity), points[:, INITIAL_MASS]), dtype=np.float64
    )
    values = np.broadcast_to(values, len(points))
    if not np.isfinite(values).all() or (values < 0).any():
        raise InputError("prior must return numbers that are finite and not negative.")
    return values


def _observables(points, weight, metallicity):
    """Return what is observed of sub-divided points of one metallicity."""
    log_radius = 0.5 * points[:, LOG_L] - 2.0 * (points[:, LOG_TEFF] - _LOG_SOLAR_TEFF)
    return Points(
        np.column_stack([np.full(len(weight), metallicity), 10.0 ** points[:, LOG_TEFF], points[:, LOGG]]),
        weight,
        np.column_stack([points[:, KS], np.log10(points[:, CURRENT_MASS]), points[:, LOG_AGE], log_radius]),
    )


def _axis(layers, quantity, step):
    """Return first edge, step and number of bins of a histogram; its edges are whole multiples of the step."""
    margin = 0.0 if quantity else _MAGNITUDE_MARGIN
    filled = [points.quantities[:, quantity] for points in layers if len(points.weight)]
    lowest, highest = min(values.min() for values in filled), max(values.max() for values in filled)
    low = np.floor((lowest - margin) / step) * step
    n_bins = int(np.ceil((highest + margin - low) / step)) + 1
    if n_bins > MOST_BINS:
        raise InputError(
            f"a step of {step:g} makes {n_bins} bins, more than {MOST_BINS}; take a larger magnitude_step."
        )
    return low, step, n_bins
