"""Points of the models merged within cells, grouped, and sorted into tiles: what the compiled sums run over."""

from dataclasses import dataclass

import numpy as np

#: Steps of the tiles of the finest level in log Teff and log g.
TILE_STEPS = np.array([0.005, 0.05])
#: Bins of M_Ks in a group: as many numbers as the widest vectors of processors hold.
BINS = 16
#: Most bins of a histogram: they are numbered in 16 bits.
MOST_BINS = np.iinfo(np.int16).max


@dataclass
class Points:
    """Points of the models, or means of merged points, of one layer of metallicities."""

    place: np.ndarray
    weight: np.ndarray
    quantities: np.ndarray


@dataclass
class Level:
    """Points merged within cells of one size, in groups, sorted by (metallicity layer, Teff, log g).

    The points of a group are in one cell of Teff and log g and in neighbouring bins of M_Ks. They have one likelihood,
    that of their mean place; so one exponential, and one sum of vectors, serves all of them.
    """

    cell: np.ndarray
    layers: np.ndarray
    teff_edges: np.ndarray
    logg_tiles: np.ndarray
    tile_starts: np.ndarray
    place: np.ndarray
    blocks: np.ndarray
    weights: np.ndarray
    point_starts: np.ndarray
    point_weights: np.ndarray
    bins: np.ndarray
    axes: np.ndarray


def join(parts):
    """Put points together."""
    return Points(*(np.concatenate([getattr(part, name) for part in parts]) for name in Points.__annotations__))


def _numbers(values, sizes):
    """Return one whole number for each cell that points are in, given columns of values and sizes of the cells."""
    numbers = np.zeros(len(values[0]), dtype=np.int64)
    for column, size in zip(values, sizes, strict=True):
        position = np.floor(column / size).astype(np.int64)
        position -= position.min()
        numbers = numbers * (position.max() + 1) + position
    return numbers


def merge(points, cell, magnitude_cell):
    """Replace points of one cell in log Teff, log g and M_Ks by their weighted mean."""
    if len(points.weight) == 0:
        return points
    columns = np.log10(points.place[:, 1]), points.place[:, 2], points.quantities[:, 0]
    numbers = _numbers(columns, (*cell[:2], magnitude_cell))
    order = np.argsort(numbers, kind="stable")
    first = np.flatnonzero(np.r_[True, np.diff(numbers[order]) != 0])
    weight = points.weight[order]
    total = np.add.reduceat(weight, first)

    def mean(values):
        return np.add.reduceat(values[order] * weight[:, None], first, axis=0) / total[:, None]

    return Points(mean(points.place), total, mean(points.quantities))


def make_level(layers, cell, axes, tile_steps):
    """Group merged points and sort the groups into tiles."""
    layer = np.repeat(np.arange(len(layers)), [len(points.weight) for points in layers])
    points = join(layers)
    bins = ((points.quantities - axes[:, 0]) / axes[:, 1]).astype(np.int16)
    log_teff = np.log10(points.place[:, 1])
    numbers = _numbers((layer, log_teff, points.place[:, 2], bins[:, 0]), (1, *cell[:2], BINS))
    _, group, sizes = np.unique(numbers, return_inverse=True, return_counts=True)
    total = np.bincount(group, points.weight)
    place = np.array([np.bincount(group, points.weight * x) / total for x in points.place.T])
    squares = np.bincount(group, points.weight**2)
    group_layer = (np.bincount(group, layer) / sizes).round().astype(np.int64)
    # Tiles of one layer and one range of Teff and log g.
    ends = np.array([np.log10(place[1]), place[2]])
    low = ends.min(axis=1)
    i, j = ((ends - low[:, None]) // tile_steps[:, None]).astype(np.int64)
    n_teff, n_logg = int(i.max()) + 1, int(j.max()) + 1
    tile = (group_layer * n_teff + i) * n_logg + j
    order = np.argsort(tile, kind="stable")
    new = np.empty_like(order)
    new[order] = np.arange(len(order))
    # Points in the order of their groups.
    point_order = np.argsort(new[group], kind="stable")
    group, bins, weight = new[group[point_order]], bins[point_order], points.weight[point_order]
    blocks = np.zeros(len(order), dtype=np.int16)
    blocks[group] = bins[:, 0] // BINS
    weights = np.bincount(group * BINS + bins[:, 0] % BINS, weight, minlength=len(order) * BINS)
    feh = [place[0, group_layer == number] for number in range(len(layers))]
    return Level(
        cell=cell,
        layers=np.array([[values.min(initial=np.inf), values.max(initial=-np.inf)] for values in feh]),
        teff_edges=10.0 ** (low[0] + tile_steps[0] * np.arange(n_teff + 1)),
        logg_tiles=np.array([low[1], tile_steps[1], n_logg]),
        tile_starts=np.r_[0, np.cumsum(np.bincount(tile, minlength=len(layers) * n_teff * n_logg))],
        # The compiled loops run along rows.
        place=np.array([*place, total, squares], dtype=np.float32)[:, order].copy(),
        blocks=blocks,
        weights=weights.astype(np.float32).reshape(-1, BINS),
        point_starts=np.r_[0, np.cumsum(sizes[order])].astype(np.int32),
        point_weights=weight.astype(np.float32),
        bins=np.ascontiguousarray(bins.T),
        axes=axes,
    )


_TYPES = {
    "cell": (np.float64, (3,)),
    "layers": (np.float64, (None, 2)),
    "teff_edges": (np.float64, (None,)),
    "logg_tiles": (np.float64, (3,)),
    "tile_starts": (np.int64, (None,)),
    "place": (np.float32, (5, None)),
    "blocks": (np.int16, (None,)),
    "weights": (np.float32, (None, BINS)),
    "point_starts": (np.int32, (None,)),
    "point_weights": (np.float32, (None,)),
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
    n_groups, n_points = level.place.shape[1], level.bins.shape[1]
    _, tile_step, n_logg = level.logg_tiles
    n_bins = level.axes[:, 2]
    if not (len(level.teff_edges) > 1 and (np.diff(level.teff_edges) > 0).all() and tile_step > 0 and n_logg >= 1):
        return "its tiles do not increase"
    if np.isnan(level.layers).any() or (level.place[3:] < 0).any() or (level.weights < 0).any():
        return "it holds negative weights, or layers without metallicities"
    if (level.axes[:, 1] <= 0).any() or (n_bins < 1).any() or (n_bins > MOST_BINS).any() or (n_bins % 1 != 0).any():
        return "its histograms have no bins"
    n_tiles = len(level.layers) * (len(level.teff_edges) - 1) * n_logg
    if len(level.tile_starts) != n_tiles + 1 or not _are_starts(level.tile_starts, n_groups):
        return "its tiles do not hold its groups"
    if len(level.point_starts) != n_groups + 1 or not _are_starts(level.point_starts, n_points):
        return "its groups do not hold its points"
    if len(level.blocks) != n_groups or len(level.weights) != n_groups or len(level.point_weights) != n_points:
        return "its groups or points differ in number"
    if (level.blocks < 0).any() or (level.blocks > (n_bins[0] - 1) // BINS).any():
        return "a block is outside its histogram"
    if (level.bins < 0).any() or (level.bins >= n_bins[:, None]).any():
        return "a bin is outside its histogram"
    return None


def _are_starts(starts, total):
    """Tell whether numbers go from 0 to a total without a step back."""
    return starts[0] == 0 and starts[-1] == total and bool((np.diff(starts) >= 0).all())
