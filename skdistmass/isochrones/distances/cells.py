"""Points of the models merged within cells, and sorted into tiles: what the compiled sums run over."""

from dataclasses import dataclass

import numpy as np

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
        layers=np.array([[p[0].min(initial=np.inf), p[0].max(initial=-np.inf)] for p in places]),
        teff_edges=10.0 ** (low[0] + tile_steps[0] * np.arange(n_teff + 1)),
        logg_tiles=np.array([low[1], tile_steps[1], n_logg]),
        tile_starts=np.r_[0, np.cumsum(np.concatenate(counts))],
        # The compiled loops run along rows.
        place=np.ascontiguousarray(np.concatenate(places, axis=1)),
        bins=np.ascontiguousarray(np.concatenate(bins, axis=1)),
        axes=axes,
    )
