"""Points of the models merged within cells, grouped, and sorted into tiles: what the compiled sums run over."""

from dataclasses import dataclass

import numpy as np

#: Steps of the tiles of the finest level in log Teff and log g.
TILE_STEPS = np.array([0.005, 0.05])
#: Bins of M_Ks in a group: as many numbers as the widest vectors of processors hold.
BINS = 16


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
