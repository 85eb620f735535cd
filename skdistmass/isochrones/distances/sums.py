"""Sums over the models for many stars: which level of merging each star gets, and sharing stars among threads."""

from concurrent.futures import ThreadPoolExecutor

import numpy as np
from joblib import effective_n_jobs

from skdistmass.isochrones.distances.observations import MODEL_ORDER

_CHUNK = 8192
# A posterior of M_Ks whose 16th and 84th percentiles are closer than this many bins is too narrow for them.
_FEWEST_BINS = 5.0


def sum_over_models(
    grid, stars, covariance, photometry, *, n_sigma, merging, n_histograms, return_pdf, n_jobs, progress
):
    """Compute the posteriors of all stars.

    Parameters
    ----------
    grid : Grid
        The models.
    stars : ndarray of shape (n_stars, 3)
        Teff, log g, [Fe/H]; rows with NaN get NaN.
    covariance : ndarray of shape (n_stars, 3, 3)
        Of [Fe/H], Teff, log g.
    photometry : ndarray of shape (n_stars, 4)
        See `skdistmass.isochrones.distances.kernels.summarise_stars`.
    n_sigma, merging, n_histograms, return_pdf, n_jobs, progress
        See `IsochroneDistanceRegressor` and `summarise_stars`.

    Returns
    -------
    summaries, fit, pdfs : ndarray
        What `summarise_stars` writes.
    """
    from skdistmass.isochrones.distances.kernels import summarise_stars
    from skdistmass.isochrones.distances.summaries import P16, P84

    n_stars = len(stars)
    summaries = np.full((n_stars, 1 + n_histograms, 5), np.nan)
    fit = np.full((n_stars, 3), np.nan)
    pdfs = np.full((n_stars if return_pdf else 0, 2, int(grid.levels[0].axes[0, 2])), np.nan)
    levels = [tuple(vars(level).values())[1:] for level in grid.levels]
    which = _coarsest_levels(grid, stars, covariance, merging)

    def run(rows, level):
        results = summaries[rows], fit[rows], pdfs[rows] if return_pdf else pdfs
        roots = np.linalg.cholesky(covariance[rows])[:, *np.tril_indices(3)]
        summarise_stars(
            levels[level], np.ascontiguousarray(stars[rows][:, MODEL_ORDER]), roots, photometry[rows],
            float(n_sigma), n_histograms, *results,
        )  # fmt: skip
        for everything, part in zip((summaries, fit, pdfs), results, strict=True):
            if len(everything):
                everything[rows] = part

    def work(rows):
        level = which[rows[0]]
        run(rows, level)
        if level:
            width = summaries[rows, 1, P84] - summaries[rows, 1, P16]
            narrow = rows[width < _FEWEST_BINS * grid.levels[level].axes[0, 1]]
            if len(narrow):
                run(narrow, 0)
        return len(rows)

    chunks = _chunks(stars, which)
    with ThreadPoolExecutor(effective_n_jobs(n_jobs)) as pool:
        _wait(pool.map(work, chunks), sum(map(len, chunks)), progress)
    return summaries, fit, pdfs


def _coarsest_levels(grid, stars, covariance, merging):
    """Return for each star the coarsest level whose cells are small enough for its errors."""
    which = np.zeros(len(stars), dtype=np.int64)
    variance = np.diagonal(covariance, axis1=1, axis2=2)
    for position, level in enumerate(grid.levels[1:], start=1):
        # Places within a cell scatter by its size over the root of 12 around their mean.
        scatter = (level.cell**2 / 12.0 * np.ones((len(stars), 1)))[:, MODEL_ORDER]
        scatter[:, 1] *= (np.log(10.0) * stars[:, 0]) ** 2
        which[(scatter <= merging**2 * variance * (1 + 1e-9)).all(axis=1)] = position
    return which


def _chunks(stars, which):
    """Return the rows of known stars in pieces, each of one level and of neighbours on the grid.

    What neighbours need of the grid is then in the processor's cache.
    """
    known = np.flatnonzero(np.isfinite(stars).all(axis=1))
    teff, logg, feh = stars[known].T
    order = known[np.lexsort((teff, np.round(logg, 1), np.round(feh, 1), which[known]))]
    parts = np.split(order, np.flatnonzero(np.diff(which[order])) + 1)
    return [part[start : start + _CHUNK] for part in parts for start in range(0, len(part), _CHUNK)]


def _wait(done, n_stars, progress):
    """Wait for all chunks, and raise the error of one that failed."""
    if not progress:
        for _ in done:
            pass
        return
    from tqdm.auto import tqdm

    with tqdm(total=n_stars, unit="star") as bar:
        for n_done in done:
            bar.update(n_done)
