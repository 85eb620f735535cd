"""Isochrones between those given: matched, interpolated in metallicity, and sub-divided.

Isochrones of neighbouring metallicities are matched point by point where stars are equally far through the
same phase; what lies between is interpolated linearly. No isochrone is extended beyond the metallicities of
its age.
"""

import numpy as np

from skdistmass.exceptions import InputError
from skdistmass.isochrones.schema import Phase, isochrone_slices

COLUMNS = ("log_teff", "logg", "ks", "initial_mass", "current_mass", "log_l", "log_age")
LOG_TEFF, LOGG, KS, INITIAL_MASS, CURRENT_MASS, LOG_L, LOG_AGE = range(len(COLUMNS))
# Lengths along an isochrone are measured in these units of log Teff, log g and Ks.
_LENGTH_UNITS = np.array([0.01, 0.1, 0.25])
# A drop in log L larger than this from the tip of the giant branch to core helium burning is the helium
# flash:
# no star is found in between.
_FLASH = 0.3
# Points of given isochrones closer than this fraction of the sub-division's steps are not all needed.
_KEPT_STEP = 0.5


def split_isochrones(columns):
    """Return the isochrones as (feh, log age) -> (values, phase), without points that lack a magnitude."""
    isochrones = {}
    table = {name: columns[name] for name in ("log_age", "feh")}
    for rows in isochrone_slices(table):
        values = np.column_stack([columns[name][rows] for name in COLUMNS])
        keep = np.isfinite(values).all(axis=1)
        # Labels sometimes flicker between neighbouring phases; a star never goes back.
        phase = np.maximum.accumulate(columns["phase"][rows])
        if np.count_nonzero(keep) > 1:
            key = (float(columns["feh"][rows.start]), float(columns["log_age"][rows.start]))
            isochrones[key] = (values[keep], phase[keep])
    if not isochrones:
        raise InputError("the isochrone table has no isochrone of two points with masses and Ks magnitudes.")
    return isochrones


def even_metallicities(given, step):
    """Return evenly spaced metallicities from the lowest given one to the highest, no more than a step apart."""
    if len(given) == 1:
        return given
    n_steps = max(1, int(np.ceil((given[-1] - given[0]) / step - 1e-9)))
    return np.linspace(given[0], given[-1], n_steps + 1)


def points_at(isochrones, metallicity, spans, phases, subdivision, number, cache):
    """Return sub-divided points, and numbers of stars under constant star formation, at one metallicity."""
    points, weights = [], []
    for age, span in spans.items():
        given = np.array(sorted(feh for feh, a in isochrones if a == age))
        high = int(np.searchsorted(given, metallicity - 1e-9))
        if high == len(given) or (high == 0 and metallicity < given[0] - 1e-9):
            continue
        low = max(high - 1, 0)
        key = (age, low, high)
        if key not in cache:
            pair = matched(isochrones[given[low], age], isochrones[given[high], age])
            cache[key] = _thin(*pair, subdivision)
        below, above, phase, joined = cache[key]
        fraction = 0.0 if low == high else (metallicity - given[low]) / (given[high] - given[low])
        values = (1.0 - fraction) * below + fraction * above
        wanted = np.ones(len(phase), dtype=bool) if phases is None else np.isin(phase, phases)
        segments = joined & wanted[:-1] & wanted[1:]
        finer, weight = subdivide(values, segments, subdivision, number)
        points.append(finer)
        weights.append(weight * span)
    return np.concatenate(points or [np.empty((0, len(COLUMNS)))]), np.concatenate(weights or [np.empty(0)])


def progress(values, phase):
    """Return how far along a phase each of its points is, from 0 to 1.

    On the main sequence that is a matter of mass: at one age, stars of the same fraction of the turn-off mass
    have spent about the same fraction of their lives. Later it is the length of the path in log Teff, log g
    and Ks.
    """
    if phase <= Phase.MS and phase != Phase.UNKNOWN:
        length = np.maximum.accumulate(values[:, INITIAL_MASS])
        length = length - length[0]
    else:
        steps = np.diff(values[:, [LOG_TEFF, LOGG, KS]], axis=0) / _LENGTH_UNITS
        length = np.r_[0.0, np.cumsum(np.sqrt((steps**2).sum(axis=1)))]
    return length / length[-1] if length[-1] > 0 else np.linspace(0.0, 1.0, len(length))


def _resample(values, own, wanted):
    """Interpolate all columns linearly from the progress `own` to `wanted`."""
    if len(own) == 1:
        return np.repeat(values, len(wanted), axis=0)
    right = np.clip(np.searchsorted(own, wanted), 1, len(own) - 1)
    left = right - 1
    gap = own[right] - own[left]
    part = np.divide(wanted - own[left], gap, out=np.zeros_like(wanted), where=gap > 0)[:, None]
    return values[left] * (1.0 - part) + values[right] * part


def matched(one, other):
    """Bring two isochrones to the same number of points, matching how far stars are through each phase.

    Returns
    -------
    below, above : ndarray of shape (n_points, n_columns)
        The isochrones at matching points; phases that only one of them has are left out.
    phase : ndarray of shape (n_points,)
        Their phase.
    joined : ndarray of bool, shape (n_points - 1,)
        Whether stars are found between a point and the next.
    """
    (values_1, phase_1), (values_2, phase_2) = one, other
    parts_1, parts_2, codes, joins = [], [], [], []
    order = [np.unique(phase_1), np.unique(phase_2)]
    common = np.intersect1d(*order)
    for code in common:
        run_1, run_2 = values_1[phase_1 == code], values_2[phase_2 == code]
        along_1, along_2 = progress(run_1, code), progress(run_2, code)
        along = np.unique(np.r_[along_1, along_2])
        parts_1.append(_resample(run_1, along_1, along))
        parts_2.append(_resample(run_2, along_2, along))
        codes.append(np.full(len(along), code))
        joins.append(np.ones(len(along), dtype=bool))
    if not codes:
        return np.empty((0, len(COLUMNS))), np.empty((0, len(COLUMNS))), np.empty(0, int), np.empty(0, bool)
    for position in range(len(common) - 1):
        adjacent = all(_next(codes_here, common[position]) == common[position + 1] for codes_here in order)
        drops = [parts[position][-1, LOG_L] - parts[position + 1][0, LOG_L] for parts in (parts_1, parts_2)]
        flash = common[position + 1] == Phase.CHEB and max(drops) > _FLASH
        joins[position][-1] = adjacent and not flash
    return (np.concatenate(parts_1), np.concatenate(parts_2), np.concatenate(codes), np.concatenate(joins)[:-1])


def _thin(one, other, phase, joined, steps):
    """Leave out points of matched isochrones that are much closer to each other than the allowed steps.

    The interval of mass between those left is the same as before, so no star is lost. The first and the last
    point of a phase stay.
    """
    change = [np.abs(np.diff(values[:, :3], axis=0)) / np.asarray(steps) for values in (one, other)]
    length = np.r_[0.0, np.cumsum(np.maximum(*change).max(axis=1, initial=0.0))]
    keep = np.r_[True, np.diff(np.floor(length / _KEPT_STEP)) > 0]
    ends = np.diff(phase) != 0
    keep |= np.r_[ends, True] | np.r_[True, ends]
    kept = np.flatnonzero(keep)
    return one[kept], other[kept], phase[kept], joined[kept[1:] - 1]


def _next(codes, code):
    """Return the phase that follows one on an isochrone."""
    return codes[np.searchsorted(codes, code) + 1] if code != codes[-1] else None


def subdivide(values, segments, steps, number):
    """Put points between those of an isochrone, close enough for no observable to step further than allowed.

    Parameters
    ----------
    values : ndarray of shape (n_points, n_columns)
        One isochrone.
    segments : ndarray of bool, shape (n_points - 1,)
        Which of the intervals between neighbours are populated.
    steps : tuple of 3 floats
        Largest steps in log Teff, log g and Ks.
    number : callable
        The cumulative mass function.

    Returns
    -------
    points : ndarray of shape (n_new, n_columns)
        The middles of the sub-divided intervals.
    weights : ndarray of shape (n_new,)
        Stars born in each.
    """
    start = np.flatnonzero(segments)
    low, high = values[start], values[start + 1]
    change = np.abs(high[:, :3] - low[:, :3]) / np.asarray(steps)
    n_parts = np.maximum(1, np.ceil(change.max(axis=1))).astype(np.int64) if len(start) else np.empty(0, int)
    which = np.repeat(np.arange(len(start)), n_parts)
    place = np.arange(len(which)) - np.repeat(np.cumsum(n_parts) - n_parts, n_parts)
    part = ((place + 0.5) / n_parts[which])[:, None]
    points = low[which] * (1.0 - part) + high[which] * part
    mass_low, mass_high = low[which, INITIAL_MASS], high[which, INITIAL_MASS]
    width = np.maximum(mass_high - mass_low, 0.0) / n_parts[which]
    centre = points[:, INITIAL_MASS]
    weights = number(centre + 0.5 * width) - number(centre - 0.5 * width)
    return points, weights
