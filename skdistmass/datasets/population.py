"""Mock population: which stars a magnitude-limited survey of a disc of constant star formation meets, and where.

Field stars: the Kroupa (2001) mass function times the time spent in each stage of life, times the volume in which the
survey reaches the star. Three populations, each of constant star formation over its range of ages and with its own
metallicities, lie in plane-parallel exponential layers around the Sun; their surface density falls off from the Sun as
exp(-d / 5 kpc), a stand-in for the survey's pencil beams. Cluster members lie along one isochrone.
"""

from functools import lru_cache

import numpy as np

from skdistmass.datasets import evolution
from skdistmass.isochrones import kroupa_imf

H_RANGE = (7.0, 12.2)  # mag, 2MASS H before extinction, of field stars
CLUSTER_H_RANGE = (7.0, 14.0)
TEFF_RANGE = (3500.0, 7000.0)  # K: cooler and hotter stars are beyond the survey's calibrated labels
SUN_RADIUS = 8.122  # kpc from the Galactic centre (GRAVITY Collaboration 2018)

# Thin disc, thick disc, halo: fraction of the field stars observed, mean and spread of [M/H], scale height
# [kpc], youngest and oldest age [Gyr].
POPULATIONS = (
    (0.82, -0.03, 0.20, 0.3, 0.1, 11.0),
    (0.16, -0.50, 0.22, 0.9, 8.0, 12.5),
    (0.02, -1.40, 0.35, 3.0, 10.0, 12.5),
)
M_H_RANGE = (-2.25, 0.45)
_M_H_STEP = 0.15
_SURFACE_SCALE = 5.0  # kpc

_LOG_MASS_EDGES = np.linspace(np.log10(0.45), np.log10(3.5), 90)
_STAGE_EDGES = np.concatenate(
    [np.linspace(0, 1, 25)[:-1], np.linspace(1, 2, 16)[:-1], np.linspace(2, 3, 41)[:-1], np.linspace(3, 4, 11)]
)
_DISTANCES = np.concatenate([[0.0], np.geomspace(0.005, 20, 800)])

CLUSTERS = evolution.NUMBERS["clusters"]
_CLUSTER_SIZE = 0.1  # deg, of the normal distribution of members on the sky


@lru_cache(maxsize=8)
def _counts_within(scale_height):
    """Return the number of stars within each of `_DISTANCES` of the Sun, in arbitrary units.

    A plane-parallel layer of scale height h has N(d) dd ~ d (1 - exp(-d/h)) dd about a point in its plane.
    """
    density = _DISTANCES * -np.expm1(-_DISTANCES / scale_height) * np.exp(-_DISTANCES / _SURFACE_SCALE)
    steps = 0.5 * (density[1:] + density[:-1]) * np.diff(_DISTANCES)
    return np.concatenate([[0.0], np.cumsum(steps)])


def _reach(abs_mag_h, h_range):
    """Return nearest and farthest distance [kpc] at which a star of given M_H lies within `h_range`."""
    return tuple(np.clip(10 ** (0.2 * (limit - abs_mag_h) - 2), 0.005, _DISTANCES[-1]) for limit in h_range)


def _observable(log_mass, stage, m_h):
    """Return M_H of a star, and whether its temperature is one the survey selects."""
    log_teff, logg = evolution.place(log_mass, stage, m_h)
    low, high = np.log10(TEFF_RANGE)
    abs_mag = evolution.absolute_magnitude(log_mass, log_teff, logg) + evolution.colours(log_teff, logg)[1]
    return abs_mag, (log_teff > low) & (log_teff < high)


@lru_cache(maxsize=256)
def _field_table(m_h, population, giant):
    """Return the cumulative number of stars over the cells in mass and stage, and where the cells are."""
    _, _, _, scale_height, youngest, oldest = POPULATIONS[population]
    giants = _STAGE_EDGES[:-1] >= evolution.RED_GIANT
    lower, upper = _STAGE_EDGES[:-1][giants == giant], _STAGE_EDGES[1:][giants == giant]
    log_mass = 0.5 * (_LOG_MASS_EDGES[1:] + _LOG_MASS_EDGES[:-1])[:, None]
    middle = 0.5 * (lower + upper)
    begin, end = evolution.age(log_mass, lower, m_h), evolution.age(log_mass, upper - 1e-9, m_h)
    # The part of the cell's time that lies within the population's range of ages.
    duration = np.clip(np.minimum(end, oldest) - np.maximum(begin, youngest), 0, None)
    abs_mag, selected = _observable(log_mass, middle, m_h)
    near, far = _reach(abs_mag, H_RANGE)
    counts = _counts_within(scale_height)
    volume = np.interp(far, _DISTANCES, counts) - np.interp(near, _DISTANCES, counts)
    weight = kroupa_imf(10**log_mass) * 10**log_mass * duration * selected * volume
    cell_mass, cell_stage = (cell.ravel() for cell in np.indices(weight.shape))
    return np.cumsum(weight.ravel()), cell_mass, lower[cell_stage], (upper - lower)[cell_stage]


def _draw_cells(rng, n, m_h, population, giant):
    """Draw log mass and stage of `n` stars of about the same metallicity."""
    cumulative, mass_cell, stage_edge, stage_width = _field_table(m_h, population, giant)
    cell = np.searchsorted(cumulative, rng.random(n) * cumulative[-1], side="right")
    log_mass = _LOG_MASS_EDGES[mass_cell[cell]] + rng.random(n) * (_LOG_MASS_EDGES[1] - _LOG_MASS_EDGES[0])
    # A hair below the cell's upper edge, so that no star slips from one stage into the next.
    return log_mass, stage_edge[cell] + rng.random(n) * (stage_width[cell] - 1e-9)


def _keep_alive(log_mass, stage, m_h, oldest):
    """Raise, in place, the mass of stars that the finite cells have made older than they may be."""
    years = evolution.age(log_mass, stage, m_h)
    rows = np.flatnonzero(years > oldest)
    target = oldest[rows] ** 2 / years[rows]  # mirrored at the limit
    for _ in range(8):  # age falls about as mass^-3.3
        excess = np.log10(evolution.age(log_mass[rows], stage[rows], m_h[rows]) / target)
        log_mass[rows] += excess / 3.3


def draw_field(rng, n, giant_fraction):
    """Draw `n` field stars: log10 mass, stage, [M/H], distance [kpc], galactic l and b [deg]."""
    shares = np.cumsum([p[0] for p in POPULATIONS])
    population = np.searchsorted(shares[:-1], rng.random(n), side="right")
    giant = rng.random(n) < giant_fraction
    means, spreads, heights = (np.array([p[i] for p in POPULATIONS]) for i in (1, 2, 3))
    m_h = np.clip(means[population] + spreads[population] * rng.standard_normal(n), *M_H_RANGE)
    log_mass, stage, distance = np.empty(n), np.empty(n), np.empty(n)
    bins = np.rint(m_h / _M_H_STEP).astype(int)
    group = (bins - bins.min(initial=0)) * 2 * len(POPULATIONS) + population * 2 + giant
    order = np.argsort(group, kind="stable")
    starts = np.flatnonzero(np.diff(group[order], prepend=-1))
    for rows in np.split(order, starts[1:]) if n else []:
        first = rows[0]
        key = (round(bins[first] * _M_H_STEP, 2), int(population[first]), bool(giant[first]))
        log_mass[rows], stage[rows] = _draw_cells(rng, len(rows), *key)
    _keep_alive(log_mass, stage, m_h, np.array([p[5] for p in POPULATIONS])[population])
    near, far = _reach(_observable(log_mass, stage, m_h)[0], H_RANGE)
    for index, height in enumerate(heights):
        rows = np.flatnonzero(population == index)
        counts = _counts_within(height)
        low, high = (np.interp(edge[rows], _DISTANCES, counts) for edge in (near, far))
        distance[rows] = np.interp(low + rng.random(len(rows)) * (high - low), counts, _DISTANCES)
    scale = heights[population]
    z = -scale * np.log1p(rng.random(n) * np.expm1(-distance / scale))
    latitude = np.degrees(np.arcsin(np.clip(z / distance, 0, 1))) * rng.choice([-1.0, 1.0], n)
    return log_mass, stage, m_h, distance, rng.random(n) * 360, latitude


@lru_cache(maxsize=64)
def _isochrone(years, m_h, distance):
    """Return cumulative numbers, log10 masses and stages along an isochrone, of stars the survey sees."""
    stage = np.concatenate([np.linspace(0.005, 1, 400), np.linspace(1, 4, 1200)[1:]]) - 1e-9
    low, high = np.full(len(stage), np.log10(0.2)), np.full(len(stage), np.log10(6.0))
    for _ in range(50):  # bisection: at a given stage, age falls with mass
        middle = 0.5 * (low + high)
        older = evolution.age(middle, stage, m_h) > years
        low, high = np.where(older, middle, low), np.where(older, high, middle)
    log_mass = 0.5 * (low + high)
    abs_mag, selected = _observable(log_mass, stage, m_h)
    magnitude = abs_mag + 5 * np.log10(distance) + 10
    seen = selected & (magnitude > CLUSTER_H_RANGE[0]) & (magnitude < CLUSTER_H_RANGE[1]) & (log_mass > np.log10(0.5))
    weight = np.where(seen, kroupa_imf(10**log_mass) * np.abs(np.gradient(10**log_mass)), 0.0)
    return np.cumsum(weight), log_mass, stage


def draw_cluster(rng, n, name, distance):
    """Draw `n` members of a cluster at a distance [kpc]: as `draw_field`, without the distance."""
    years, m_h, longitude, latitude = CLUSTERS[name]
    cumulative, masses, stages = _isochrone(years, m_h, float(distance))
    u = rng.random(n) * cumulative[-1]
    log_mass, stage = np.interp(u, cumulative, masses), np.interp(u, cumulative, stages)
    offset = rng.standard_normal((2, n)) * _CLUSTER_SIZE
    longitude = (longitude + offset[0] / np.cos(np.radians(latitude))) % 360
    return log_mass, stage, np.full(n, m_h), longitude, latitude + offset[1]


def galactocentric_radius(distance, longitude, latitude):
    """Return the distance [kpc] from the Galactic centre in the plane, by distance, l and b [kpc, deg]."""
    in_plane = distance * np.cos(np.radians(latitude))
    longitude = np.radians(longitude)
    return np.hypot(SUN_RADIUS - in_plane * np.cos(longitude), in_plane * np.sin(longitude))
