"""One age and one distance for the members of a cluster or of a population, from the draws of its stars."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.ndimage import gaussian_filter1d

from skdistmass.exceptions import InputError

__all__ = ["PopulationValue", "common_value"]

Floats = NDArray[np.float64]

_SCATTERS = np.array([0.0, 0.02, 0.04, 0.07, 0.1, 0.15, 0.2, 0.3])
_SCATTER_SCALE = 0.1  # of the exponential prior of the intrinsic scatter
_OUTLIERS = np.array([0.0, 0.02, 0.05, 0.1, 0.2, 0.3, 0.5])
_STEPS = 600
_FEWEST_DRAWS = 20


@dataclass(frozen=True, eq=False)
class PopulationValue:
    """What the stars of a population say together of one quantity.

    Attributes
    ----------
    grid : ndarray of shape (n_points,)
        Values of the quantity.
    density : ndarray of shape (n_points,)
        Posterior density of the common value.
    mean, std : float
        Its mean and standard deviation.
    percentiles : ndarray of shape (5,)
        At 2.3, 15.9, 50, 84.1 and 97.7 %.
    scatter : float
        Posterior mean of the intrinsic scatter about the common value.
    outliers : float
        Posterior mean of the share of stars that do not belong.
    membership : ndarray of shape (n_stars,)
        Probability that a star belongs; NaN for a star without draws.
    n_stars : int
        Number of stars with draws.
    """

    grid: Floats
    density: Floats
    mean: float
    std: float
    percentiles: Floats
    scatter: float
    outliers: float
    membership: Floats
    n_stars: int


def common_value(
    draws: ArrayLike,
    low: float,
    high: float,
    *,
    prior: Callable[[Floats], ArrayLike] | None = None,
    systematic: float = 0.0,
) -> PopulationValue:
    """Find the common value of a population by the posteriors of its stars.

    Each star's draws give its density on a grid; the common value, an intrinsic normal scatter and a share of outliers,
    which may have any value, are found together and the latter two integrated out.

    Parameters
    ----------
    draws : array-like of shape (n_stars, n_samples)
        Draws of each star, without a limit or prior of ages. A star with missing draws does not count.
    low, high : float
        Range of the common value.
    prior : callable or None
        Takes the grid and returns a prior density up to a factor; by default flat.
    systematic : float, default=0.0
        Error that all stars have in common, such as that of the mass scale. It widens the result, and does not shrink
        with the number of stars.

    Returns
    -------
    value : PopulationValue

    Raises
    ------
    InputError
        If no star has draws, or the range is empty.

    References
    ----------
    Combination of posteriors: Hogg, Myers & Bovy 2010, ApJ 725, 2166; outliers: Hogg, Bovy & Lang 2010,
    arXiv:1008.4686, section 3.

    Examples
    --------
    >>> import numpy as np
    >>> from skdistmass.model.population import common_value
    >>> rng = np.random.default_rng(0)
    >>> centers = rng.normal(9.6, 0.1, 100)
    >>> found = common_value(rng.normal(centers[:, None], 0.1, (100, 200)), 8.0, 10.5)
    >>> round(found.mean, 1), round(found.std, 2)
    (9.6, 0.01)
    """
    draws = np.atleast_2d(np.asarray(draws, dtype=np.float64))
    if not high > low:
        raise InputError(f"the range from {low:g} to {high:g} is empty.")
    known = np.isfinite(draws).all(axis=1)
    n_stars = int(np.count_nonzero(known))
    if n_stars == 0 or draws.shape[1] < _FEWEST_DRAWS:
        raise InputError(
            f"{n_stars} stars have draws, {draws.shape[1]} each; a star or more with {_FEWEST_DRAWS} draws is needed."
        )
    # Densities reach beyond the range: a star's draws may lie outside of what its population can have.
    margin = 0.5 * (high - low)
    edges = np.linspace(low - margin, high + margin, 2 * _STEPS + 1, dtype=np.float64)
    grid, step = 0.5 * (edges[1:] + edges[:-1]), edges[1] - edges[0]
    densities = _densities(draws[known], edges, step)
    inside = (grid >= low) & (grid <= high)
    weight = np.ones(inside.sum()) if prior is None else np.asarray(prior(grid[inside]), dtype=np.float64)
    uniform = 1.0 / (high - low + 2.0 * margin)
    log_posterior = np.empty((len(_SCATTERS), len(_OUTLIERS), inside.sum()))
    for i, scatter in enumerate(_SCATTERS):
        smooth = _widened(densities, scatter / step)
        for j, share in enumerate(_OUTLIERS):
            likelihood = (1.0 - share) * smooth[:, inside] + share * uniform + 1e-12
            log_posterior[i, j] = np.log(likelihood).sum(axis=0) - scatter / _SCATTER_SCALE
    with np.errstate(divide="ignore"):
        log_posterior += np.log(weight)
    posterior = np.exp(log_posterior - np.max(log_posterior))
    posterior /= posterior.sum()
    density = posterior.sum(axis=(0, 1)) / step
    if systematic > 0:
        density = gaussian_filter1d(density, systematic / step, mode="nearest")
        density /= density.sum() * step
    points = grid[inside]
    mean = float(np.sum(points * density) * step)
    cumulative = np.cumsum(density) * step
    outliers = posterior.sum(axis=(0, 2))
    scatters = posterior.sum(axis=(1, 2))
    membership = np.full(len(draws), np.nan)
    membership[known] = _membership(densities[:, inside], posterior, step, uniform)
    return PopulationValue(
        grid=points,
        density=density,
        mean=mean,
        std=float(np.sqrt(np.sum((points - mean) ** 2 * density) * step)),
        percentiles=np.interp([0.02275, 0.15865, 0.5, 0.84135, 0.97725], cumulative, points + 0.5 * step),
        scatter=float(scatters @ _SCATTERS),
        outliers=float(outliers @ _OUTLIERS),
        membership=membership,
        n_stars=n_stars,
    )


def _densities(draws: Floats, edges: Floats, step: float) -> Floats:
    """Return a smoothed histogram of each star's draws, shape (n_stars, n_points)."""
    n_points = len(edges) - 1
    at = np.clip(((draws - edges[0]) / step).astype(np.intp), 0, n_points - 1)
    counts = np.zeros((len(draws), n_points))
    np.add.at(counts, (np.arange(len(draws))[:, None], at), 1.0)
    # The width of Silverman's rule, by the part of the draws that is not in the tails.
    spread = 0.5 * np.diff(np.percentile(draws, [15.865, 84.135], axis=1), axis=0)[0]
    widths = np.maximum(1.06 * spread * draws.shape[1] ** -0.2, 0.5 * step)
    for row, width in enumerate(widths):
        counts[row] = gaussian_filter1d(counts[row], width / step, mode="constant")
    return counts / (draws.shape[1] * step)


def _widened(densities: Floats, width: float) -> Floats:
    """Return densities widened by an intrinsic scatter, in steps of the grid."""
    return gaussian_filter1d(densities, width, axis=1, mode="constant") if width else densities


def _membership(densities: Floats, posterior: Floats, step: float, uniform: float) -> Floats:
    """Return the probability that each star belongs, with the other parameters integrated out."""
    found = np.zeros(len(densities))
    for i, scatter in enumerate(_SCATTERS):
        smooth = _widened(densities, scatter / step)
        for j, share in enumerate(_OUTLIERS):
            belongs = (1.0 - share) * smooth
            with np.errstate(invalid="ignore"):
                found += np.nan_to_num(belongs / (belongs + share * uniform + 1e-12)) @ posterior[i, j]
    return found
