"""How often the intervals of a catalogue hold the reference, and any two columns compared."""

from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np
from astropy.table import Table
from numpy.typing import NDArray

from skdistmass.tables import optional_floats
from skdistmass.uncertainty import normal_coverage, robust_scatter
from skdistmass.validation.ages import age_residuals
from skdistmass.validation.columns import in_unit, mass_scales
from skdistmass.validation.distances import distance_residuals
from skdistmass.validation.masses import mass_residuals
from skdistmass.validation.requirements import MissingInputError, require, require_stars

__all__ = ["compare_columns", "coverage"]

_UNITS = {"distance": "kpc", "mass": "Msun"}


class Pulls(NamedTuple):
    """Distances of the reference in units of each interval, which holds those up to 1; error of the reference."""

    of_68: NDArray[np.float64]
    of_95: NDArray[np.float64]
    reference_error: NDArray[np.float64]


def pulls(stars: Table, name: str, reference: str, unit: str, residuals: Callable[..., Any]) -> Pulls:
    """Tell how far the reference of each star is from the catalogue's value, in units of the intervals.

    The error of the reference, twice of it for 95.45 %, is added to the sides of an interval in quadrature. A catalogue
    without intervals of 95.45 % gets twice those of 68.27 %. NaN where there is no reference or no interval.
    """
    require(stars, name, f"{name}_LO", f"{name}_HI")
    error, fraction = residuals(stars, predicted=name, reference=reference)
    value, true = (optional_floats(stars, column, unit) for column in (name, reference))
    true_error = np.nan_to_num(fraction) * true
    found = []
    for ends, n_sigma in ((("_LO", "_HI"), 1.0), (("_LO95", "_HI95"), 2.0)):
        factor = 1.0
        if name + ends[0] not in stars.colnames:
            ends, factor = ("_LO", "_HI"), n_sigma
        low, high = (optional_floats(stars, name + end, unit) for end in ends)
        side = factor * np.where(true > value, high - value, value - low)
        with np.errstate(divide="ignore", invalid="ignore"):
            pull = np.abs(true - value) / np.hypot(side, n_sigma * true_error)
        found.append(np.where(np.isfinite(error) & np.isfinite(pull), pull, np.nan))
    return Pulls(found[0], found[1], np.where(np.isfinite(error), true_error, np.nan))


def coverage(stars: Table) -> Table:
    """Count how often the intervals of the catalogue hold the reference.

    Parameters
    ----------
    stars : Table
        Of `join_reference`, with the ends _LO and _HI, _LO95 and _HI95 of the intervals of DISTANCE and MASS_*.

    Returns
    -------
    table : Table
        QUANTITY, N; FOUND_68, the fraction of stars in the interval of 68.27 %, and FOUND_95, in that of 95.45 %
        (twice the first one if the catalogue has no other). The error of the reference is added to both sides in
        quadrature; STATED is the number of stars for which it is known.
    """
    pairs: list[tuple] = [("DISTANCE", "REFERENCE_DIST", "kpc", distance_residuals)]
    pairs += [(name, reference, "Msun", mass_residuals) for name, reference in mass_scales(stars).items() if reference]
    rows = []
    for name, reference, unit, residuals in pairs:
        try:
            found = pulls(stars, name, reference, unit, residuals)
        except MissingInputError:
            continue
        known = np.isfinite(found.of_68)
        if known.any():
            held = [np.mean(pull[known] <= 1.0) for pull in (found.of_68, found.of_95)]
            rows.append((name, np.count_nonzero(known), *held, np.count_nonzero(found.reference_error > 0)))
    require_stars(len(rows), 1, "quantities have an interval and a reference")
    table = Table(rows=rows, names=("QUANTITY", "N", "FOUND_68", "FOUND_95", "STATED"))
    table.meta["nominal"] = (float(normal_coverage(1.0)), float(normal_coverage(2.0)))
    return table


def compare_columns(stars: Table, first: str, second: str, kind: str = "distance") -> Table:
    """Compare any two columns of distances, masses or ages on the stars that have both.

    Parameters
    ----------
    stars : Table
        Of `join_reference`; columns of the reference have ``REF_`` before their names.
    first, second : str
        Columns.
    kind : {"distance", "mass", "age"}, default="distance"
        Distances in kpc and masses in Msun, unless they state another unit, are compared as a fraction; ages in dex.

    Returns
    -------
    table : Table
        One row: FIRST, SECOND, N, BIAS (median of first / second - 1, or of the difference of log ages), SCATTER
        (robust), OUTLIERS (fraction beyond three times the scatter).

    Raises
    ------
    MissingInputError
        If a column is absent, or no star has both.

    Examples
    --------
    >>> from skdistmass.validation import compare_columns
    >>> stars = Table({"DISTANCE": [1.0, 2.0, 3.3], "NMSU_DIST": [1.0, 2.0, 3.0]})
    >>> compare_columns(stars, "DISTANCE", "NMSU_DIST")["N"][0].item()
    3
    """
    require(stars, first, second)
    if kind == "age":
        error = age_residuals(stars, first, second)
    elif kind in _UNITS:
        a, b = in_unit(stars, first, _UNITS[kind]), in_unit(stars, second, _UNITS[kind])
        with np.errstate(invalid="ignore", divide="ignore"):
            error = np.where((a > 0) & (b > 0), a / b - 1.0, np.nan)
    else:
        raise MissingInputError(f"kind is {kind!r}; give 'distance', 'mass' or 'age'")
    error = error[np.isfinite(error)]
    require_stars(len(error), 1, f"stars have both {first} and {second}")
    bias, scatter = np.median(error), robust_scatter(error)
    outliers = np.mean(np.abs(error - bias) > 3.0 * scatter)
    row = (first.removeprefix("REF_"), second.removeprefix("REF_"), len(error), bias, scatter, outliers)
    return Table(rows=[row], names=("FIRST", "SECOND", "N", "BIAS", "SCATTER", "OUTLIERS"))
