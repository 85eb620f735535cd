"""Draws of equal weight from weighted ones, and their summaries."""

from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray

__all__ = ["FACTS", "PERCENTILES", "PRIOR_DOMINATED", "UNITS", "joint_facts", "quantiles_of", "resample", "summarise"]

Floats = NDArray[np.float64]

#: Percentiles of a posterior table: those of the normal law at 2 and 1 sigma.
PERCENTILES = {"P02": 2.275, "P16": 15.865, "P84": 84.135, "P98": 97.725}
#: Units of the quantities that are drawn.
UNITS = {"ABS_MAG": "mag", "DISTANCE": "kpc", "MASS": "Msun", "AGE": "dex(yr)"}
#: Columns of a posterior table that belong to a star, and are no summary of a quantity.
FACTS = ("MASS_DISTANCE_CORR", "AGE_CUT", "AGE_BY_PRIOR", "AGE_PRIOR_RATIO", "MASS_SCALE_SPREAD")
#: AGE_PRIOR_RATIO above which the prior made the age.
PRIOR_DOMINATED = 0.5
_MODE_SHARE = 0.3  # of the draws, in the shortest interval whose middle is the mode


def resample(log_weight: Floats, rng: np.random.Generator) -> NDArray[np.intp]:
    """Draw each row's columns with given weights, by systematic resampling.

    Parameters
    ----------
    log_weight : ndarray of shape (n_rows, n_columns)
        Logarithms of the weights, ``-inf`` for none.
    rng : Generator
        Source of one uniform number for each row.

    Returns
    -------
    columns : ndarray of int, shape (n_rows, n_columns)
        Rising in each row; -1 in rows without any weight. Rows of equal weights come back as they are.

    Examples
    --------
    >>> import numpy as np
    >>> from skdistmass.model.draws import resample
    >>> resample(np.log([[1.0, 1.0, 1.0, 1.0], [0.5, 0.0001, 0.5, 0.0001]]), np.random.default_rng(0))
    array([[0, 1, 2, 3],
           [0, 0, 2, 2]])
    """
    highest = log_weight.max(axis=1, keepdims=True)
    some = np.isfinite(highest[:, 0])
    weight = np.exp(log_weight - np.where(some[:, None], highest, 0.0))
    total = np.cumsum(weight, axis=1)
    n_rows, n_columns = weight.shape
    places = (np.arange(n_columns) + rng.random((n_rows, 1))) / n_columns
    # Rows are set one after the other on one line, so that one search serves all.
    line = total / np.where(some, total[:, -1], 1.0)[:, None] + np.arange(n_rows)[:, None]
    line[:, -1] = np.arange(1, n_rows + 1)
    found = np.searchsorted(line.ravel(), (places + np.arange(n_rows)[:, None]).ravel(), side="right")
    columns = np.minimum(found.reshape(weight.shape) - np.arange(n_rows)[:, None] * n_columns, n_columns - 1)
    columns[~some] = -1
    return columns


def summarise(draws: Mapping[str, Floats]) -> dict[str, NDArray]:
    """Return mode, median, mean and percentiles of draws of equal weight.

    Parameters
    ----------
    draws : dict of ndarray of shape (n_stars, n_samples)
        What `skdistmass.DistMassModel.sample` gives.

    Returns
    -------
    columns : dict of ndarray of shape (n_stars,)
    """
    columns: dict[str, NDArray] = {}
    for name in (name for name in UNITS if name in draws):
        values = np.sort(draws[name], axis=1)
        within = max(1, int(_MODE_SHARE * values.shape[1]))
        widths = values[:, within:] - values[:, :-within] if values.shape[1] > within else np.zeros((len(values), 1))
        first = np.argmin(np.nan_to_num(widths, nan=np.inf), axis=1)[:, None]
        last = np.minimum(first + within, values.shape[1] - 1)
        ends = np.take_along_axis(values, first, axis=1), np.take_along_axis(values, last, axis=1)
        columns[f"{name}_MODE"] = 0.5 * (ends[0] + ends[1])[:, 0]
        percentiles = np.percentile(values, [50.0, *PERCENTILES.values()], axis=1)
        columns[f"{name}_MEDIAN"], columns[f"{name}_MEAN"] = percentiles[0], values.mean(axis=1)
        columns |= {f"{name}_{end}": found for end, found in zip(PERCENTILES, percentiles[1:], strict=True)}
    return columns | joint_facts(draws)


def joint_facts(draws: Mapping[str, Floats]) -> dict[str, NDArray]:
    """Return what belongs to no single quantity: the correlation of mass and distance, and what the limit of age did.

    Parameters
    ----------
    draws : dict of ndarray of shape (n_stars, n_samples)
        As for `summarise`.

    Returns
    -------
    columns : dict of ndarray of shape (n_stars,)
    """
    columns: dict[str, NDArray] = {}
    if "MASS" in draws and "DISTANCE" in draws:
        columns["MASS_DISTANCE_CORR"] = _correlation(draws["MASS"], draws["DISTANCE"])
    if "AGE_CUT" in draws:
        by_prior = draws["AGE_CUT"] > 0.5
        if "AGE_PRIOR_RATIO" in draws:
            by_prior |= draws["AGE_PRIOR_RATIO"] > PRIOR_DOMINATED
        columns |= {"AGE_CUT": draws["AGE_CUT"], "AGE_BY_PRIOR": by_prior}
    columns |= {name: draws[name] for name in ("AGE_PRIOR_RATIO", "MASS_SCALE_SPREAD") if name in draws}
    return columns


def quantiles_of(values: Floats, levels: Floats) -> Floats:
    """Return quantiles of each row, as `numpy.quantile` does, by sorting once.

    Parameters
    ----------
    values : ndarray of shape (n_stars, n_samples)
        A row with a NaN gives NaN.
    levels : ndarray of shape (n_levels,)
        Probabilities.

    Returns
    -------
    quantiles : ndarray of shape (n_stars, n_levels)

    Examples
    --------
    >>> import numpy as np
    >>> from skdistmass.model.draws import quantiles_of
    >>> quantiles_of(np.array([[3.0, 1.0, 2.0]]), np.array([0.25, 1.0]))
    array([[1.5, 3. ]])
    """
    ordered = np.sort(values, axis=1)
    place = levels * (ordered.shape[1] - 1)
    first = np.minimum(place.astype(np.intp), max(ordered.shape[1] - 2, 0))
    low, high = ordered[:, first], ordered[:, np.minimum(first + 1, ordered.shape[1] - 1)]
    found = low + (place - first) * (high - low)
    found[np.isnan(ordered[:, -1])] = np.nan
    return found


def _correlation(one: Floats, other: Floats) -> Floats:
    one, other = (values - values.mean(axis=1, keepdims=True) for values in (one, other))
    with np.errstate(invalid="ignore", divide="ignore"):
        return (one * other).sum(axis=1) / np.sqrt((one**2).sum(axis=1) * (other**2).sum(axis=1))
