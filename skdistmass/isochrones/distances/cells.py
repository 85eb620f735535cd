"""Points of the models merged within cells, and sorted into tiles: what the compiled sums run over."""

from dataclasses import dataclass

import numpy as np

#: Most bins of a histogram: they are numbered in 16 bits.
MOST_BINS = np.iinfo(np.int16).max
#: Steps of the tiles of the finest level in log Teff and log g.
TILE_STEPS = np.array([0.005, 0.05])


@dataclass
class Points:
    """Points of the models, or means of merged points, of one layer of metallicities.

    Attributes
    ----------
    place : ndarray of shape (n_points, 3)
        [Fe/H], Teff (K), log g.
    weight : ndarray of shape (n_points,)
        Stars expected.
    quantities : ndarray of shape (n_points, 4)
        M_Ks, log mass, log age, log radius.
    """

    place: np.ndarray
    weight: np.ndarray
    quantities: np.ndarray


@dataclass
class Level:
    """Points merged within cells of one size, sorted by (metallicity layer, Teff, log g).

    Attributes
    ----------
    cell : ndarray of shape (3,)
        Size of the cells in log Teff, log g and [Fe/H]: points in a cell scatter by it over the root of 12.
    layers : ndarray of shape (n_layers, 2)
        Lowest and highest metallicity of the points of each layer.
    teff_edges : ndarray of shape (n_teff_tiles + 1,)
        Temperatures between the tiles (K).
    logg_tiles : ndarray of shape (3,)
        Lowest log g of the tiles, their step and how many there are.
    tile_starts : ndarray of int64, shape (n_layers * n_teff_tiles * n_logg_tiles + 1,)
        First point of each tile.
    place : ndarray of float32, shape (4, n_points)
        [Fe/H], Teff (K), log g and weight.
    bins : ndarray of int16, shape (4, n_points)
        Bins of M_Ks, log mass, log age and log radius.
    axes : ndarray of shape (4, 3)
        For each of these histograms its first edge, its step and its number of bins.
    """

    cell: np.ndarray
    layers: np.ndarray
    teff_edges: np.ndarray
    logg_tiles: np.ndarray
    tile_starts: np.ndarray
    place: np.ndarray
    bins: np.ndarray
    axes: np.ndarray


def join(parts):
    """Put points together."""
    return Points(*(np.concatenate([getattr(part, name) for part in parts]) for name in Points.__annotations__))


def merge(points, cell, magnitude_cell):
    """Replace points of one cell in log Teff, log g and M_Ks by their weighted mean."""
    if len(points.weight) == 0:
        return points
    numbers = np.zeros(len(points.weight), dtype=np.int64)
    for values, size in (
        (np.log10(points.place[:, 1]), cell[0]),
        (points.place[:, 2], cell[1]),
        (points.quantities[:, 0], magnitude_cell),
    ):
        position = np.floor(values / size).astype(np.int64)
        position -= position.min()
        numbers = numbers * (position.max() + 1) + position
    order = np.argsort(numbers, kind="stable")
    first = np.flatnonzero(np.r_[True, np.diff(numbers[order]) != 0])
    weight = points.weight[order]
    total = np.add.reduceat(weight, first)

    def mean(values):
        return np.add.reduceat(values[order] * weight[:, None], first, axis=0) / total[:, None]

    return Points(mean(points.place), total, mean(points.quantities))


def make_level(layers, cell, axes, tile_steps):
    """Sort merged points into tiles.

    Parameters
    ----------
    layers : list of Points
        Layer after layer of metallicities.
    cell : ndarray of shape (3,)
        See `Level`.
    axes : ndarray of shape (4, 3)
        See `Level`.
    tile_steps : ndarray of shape (2,)
        Steps of the tiles in log Teff and log g.
    """
    filled = [points.place for points in layers if len(points.weight)]
    ends = np.array([[f(place[:, 1]), f(place[:, 2])] for place in filled for f in (np.min, np.max)])
    low, high = ends.min(axis=0), ends.max(axis=0)
    low[0], high[0] = np.log10(low[0]), np.log10(high[0])
    n_teff, n_logg = ((high - low) / tile_steps).astype(np.int64) + 1
    places, bins, counts = [], [], []
    for points in layers:
        i = np.clip((np.log10(points.place[:, 1]) - low[0]) // tile_steps[0], 0, n_teff - 1)
        j = np.clip((points.place[:, 2] - low[1]) // tile_steps[1], 0, n_logg - 1)
        tile = (i * n_logg + j).astype(np.int64)
        order = np.argsort(tile, kind="stable")
        counts.append(np.bincount(tile, minlength=n_teff * n_logg))
        places.append(np.column_stack([points.place, points.weight])[order].T.astype(np.float32))
        bins.append(((points.quantities[order] - axes[:, 0]) / axes[:, 1]).T.astype(np.int16))
    return Level(
        cell=cell,
        layers=np.array([[p[0].min(initial=np.inf), p[0].max(initial=-np.inf)] for p in places], dtype=np.float64),
        teff_edges=10.0 ** (low[0] + tile_steps[0] * np.arange(n_teff + 1)),
        logg_tiles=np.array([low[1], tile_steps[1], n_logg]),
        tile_starts=np.r_[0, np.cumsum(np.concatenate(counts))],
        # The compiled loops run along rows.
        place=np.ascontiguousarray(np.concatenate(places, axis=1)),
        bins=np.ascontiguousarray(np.concatenate(bins, axis=1)),
        axes=axes,
    )


_TYPES = {
    "cell": (np.float64, (3,)),
    "layers": (np.float64, (None, 2)),
    "teff_edges": (np.float64, (None,)),
    "logg_tiles": (np.float64, (3,)),
    "tile_starts": (np.int64, (None,)),
    "place": (np.float32, (4, None)),
    "bins": (np.int16, (4, None)),
    "axes": (np.float64, (4, 3)),
}


def problem_of_level(level):
    """Return what is wrong with a level that was read from a file, or None.

    The compiled loops check no position, so all of them are checked here.
    """
    for name, (dtype, shape) in _TYPES.items():
        array = getattr(level, name)
        fits = array.ndim == len(shape) and all(n in (None, m) for n, m in zip(shape, array.shape, strict=True))
        if array.dtype != dtype or not fits or not array.flags.c_contiguous:
            return f"{name} has the wrong type or shape"
        if array.dtype.kind == "f" and name != "layers" and not np.isfinite(array).all():
            return f"{name} holds values that are not finite"
    n_points, (_, tile_step, n_logg), n_bins = level.place.shape[1], level.logg_tiles, level.axes[:, 2]
    if not (len(level.teff_edges) > 1 and (np.diff(level.teff_edges) > 0).all() and tile_step > 0 and n_logg >= 1):
        return "its tiles do not increase"
    if np.isnan(level.layers).any() or (level.place[3] < 0).any():
        return "it holds negative weights, or layers without metallicities"
    if (level.axes[:, 1] <= 0).any() or (n_bins < 1).any() or (n_bins > MOST_BINS).any() or (n_bins % 1 != 0).any():
        return "its histograms have no bins"
    if len(level.tile_starts) != len(level.layers) * (len(level.teff_edges) - 1) * n_logg + 1:
        return "its tiles differ in number"
    if level.tile_starts[0] != 0 or level.tile_starts[-1] != n_points or (np.diff(level.tile_starts) < 0).any():
        return "its tiles do not hold its points"
    if level.bins.shape[1] != n_points or (level.bins < 0).any() or (level.bins >= n_bins[:, None]).any():
        return "a bin is outside its histogram"
    return None
