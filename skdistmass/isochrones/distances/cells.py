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
    """Points merged within cells of one size, sorted by (metallicity layer, Teff, log g, M_Ks).

    Points of one cell in log Teff and log g, which differ in M_Ks, are a group.

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
        First group of each tile.
    group_starts : ndarray of int64, shape (n_groups + 1,)
        First point of each group.
    groups : ndarray of float32, shape (n_groups, 4)
        Mean [Fe/H], Teff (K) and log g, and the sum of the squares of the weights.
    points : ndarray of float32, shape (n_points, 4)
        [Fe/H], Teff and log g less those of the group, and the weight, the stars expected there.
    bins : ndarray of int16, shape (4, n_points)
        Bins of M_Ks, log mass, log age and log radius; those of M_Ks rise within a group.
    axes : ndarray of shape (4, 3)
        For each of these histograms its first edge, its step and its number of bins.
    """

    cell: np.ndarray
    layers: np.ndarray
    teff_edges: np.ndarray
    logg_tiles: np.ndarray
    tile_starts: np.ndarray
    group_starts: np.ndarray
    groups: np.ndarray
    points: np.ndarray
    bins: np.ndarray
    axes: np.ndarray

    def places(self, rows):
        """Return [Fe/H], Teff (K) and log g of some points, in an axis after those of `rows`."""
        group = np.searchsorted(self.group_starts, rows, side="right") - 1
        return self.groups[group, :3].astype(np.float64) + self.points[rows, :3]


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
    points = _sorted_points(points, order)
    place, quantities = (_means(values, points.weight, first) for values in (points.place, points.quantities))
    return Points(place, np.add.reduceat(points.weight, first), quantities)


def _means(values, weight, first):
    """Return the weighted means of values from each of the rows `first` to the next."""
    return np.add.reduceat(values * weight[:, None], first, axis=0) / np.add.reduceat(weight, first)[:, None]


def _groups(points, cell):
    """Sort points by cell in log Teff and log g, then by M_Ks; return their order and the first of each group."""
    i = np.floor(np.log10(points.place[:, 1]) / cell[0])
    j = np.floor(points.place[:, 2] / cell[1])
    order = np.lexsort((points.quantities[:, 0], j, i))
    new = (np.diff(i[order]) != 0) | (np.diff(j[order]) != 0)
    return order, np.flatnonzero(np.r_[True, new]) if len(order) else np.empty(0, dtype=np.int64)


def _sorted_points(points, order):
    return Points(points.place[order], points.weight[order], points.quantities[order])


def make_level(layers, cell, axes, tile_steps):
    """Sort merged points into groups, and these into tiles.

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
    groups, parts, bins, sizes, counts, spans = [], [], [], [], [], []
    for points in layers:
        order, first = _groups(points, cell)
        points, size = _sorted_points(points, order), np.diff(np.r_[first, len(order)])
        group = _group_places(points, first)
        i = np.clip((np.log10(group[:, 1]) - low[0]) // tile_steps[0], 0, n_teff - 1)
        j = np.clip((group[:, 2] - low[1]) // tile_steps[1], 0, n_logg - 1)
        tile = (i * n_logg + j).astype(np.int64)
        counts.append(np.bincount(tile, minlength=n_teff * n_logg))
        offsets = points.place - np.repeat(group[:, :3], size, axis=0)
        # Points move with their groups.
        by_group, by_point = (np.argsort(tiles, kind="stable") for tiles in (tile, np.repeat(tile, size)))
        groups.append(group[by_group].astype(np.float32))
        sizes.append(size[by_group])
        parts.append(np.column_stack([offsets, points.weight])[by_point].astype(np.float32))
        bins.append(((points.quantities[by_point] - axes[:, 0]) / axes[:, 1]).T.astype(np.int16))
        spans.append([group[:, 0].min(initial=np.inf), group[:, 0].max(initial=-np.inf)])
    return Level(
        cell=cell,
        layers=np.array(spans, dtype=np.float64),
        teff_edges=10.0 ** (low[0] + tile_steps[0] * np.arange(n_teff + 1)),
        logg_tiles=np.array([low[1], tile_steps[1], n_logg]),
        tile_starts=np.r_[0, np.cumsum(np.concatenate(counts))],
        group_starts=np.r_[0, np.cumsum(np.concatenate(sizes))],
        groups=np.concatenate(groups),
        points=np.concatenate(parts),
        # The compiled loops run along rows.
        bins=np.ascontiguousarray(np.concatenate(bins, axis=1)),
        axes=axes,
    )


def _group_places(points, first):
    """Return mean places and sums of the squares of the weights of groups, shape (n_groups, 4)."""
    if len(first) == 0:
        return np.empty((0, 4))
    return np.column_stack([_means(points.place, points.weight, first), np.add.reduceat(points.weight**2, first)])


_TYPES = {
    "cell": (np.float64, (3,)),
    "layers": (np.float64, (None, 2)),
    "teff_edges": (np.float64, (None,)),
    "logg_tiles": (np.float64, (3,)),
    "tile_starts": (np.int64, (None,)),
    "group_starts": (np.int64, (None,)),
    "groups": (np.float32, (None, 4)),
    "points": (np.float32, (None, 4)),
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
    n_groups, n_points, n_bins = len(level.groups), len(level.points), level.axes[:, 2]
    _, tile_step, n_logg = level.logg_tiles
    if not (len(level.teff_edges) > 1 and (np.diff(level.teff_edges) > 0).all() and tile_step > 0 and n_logg >= 1):
        return "its tiles do not increase"
    used = level.layers[level.layers[:, 0] <= level.layers[:, 1]]
    if (
        np.isnan(level.layers).any()
        or not np.isfinite(used).all()
        or (level.groups[:, 3] < 0).any()
        or (level.points[:, 3] < 0).any()
    ):
        return "it holds negative weights, or layers without metallicities"
    if (level.axes[:, 1] <= 0).any() or (n_bins < 1).any() or (n_bins > MOST_BINS).any() or (n_bins % 1 != 0).any():
        return "its histograms have no bins"
    if len(level.tile_starts) != len(level.layers) * (len(level.teff_edges) - 1) * n_logg + 1:
        return "its tiles differ in number"
    if not _divide(level.tile_starts, n_groups) or not _divide(level.group_starts, n_points):
        return "its tiles do not hold its points"
    if len(level.group_starts) != n_groups + 1 or (np.diff(level.group_starts) < 1).any():
        return "its groups differ in number"
    if level.bins.shape[1] != n_points or (level.bins < 0).any() or (level.bins >= n_bins[:, None]).any():
        return "a bin is outside its histogram"
    falls = np.flatnonzero(np.diff(level.bins[0]) < 0) + 1
    if not np.isin(falls, level.group_starts).all():
        return "bins do not rise within a group"
    return None


def _divide(starts, count):
    """Tell whether some places in a list of so many begin its parts, one after the other."""
    return len(starts) > 0 and starts[0] == 0 and starts[-1] == count and not (np.diff(starts) < 0).any()
