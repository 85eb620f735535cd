"""What the flags of a catalogue are worth: errors of good, warned and bad stars, and of the stars of each flag."""

from collections.abc import Iterator

import numpy as np
from astropy.table import Table
from numpy.typing import NDArray

from skdistmass.schema.bits import SPOILERS, WARNINGS, QualityBit
from skdistmass.tables import optional_floats
from skdistmass.uncertainty import robust_scatter
from skdistmass.validation.ages import age_residuals
from skdistmass.validation.columns import age_columns, first_age, mass_scales, reference_age_columns
from skdistmass.validation.comparisons import pulls
from skdistmass.validation.distances import distance_residuals
from skdistmass.validation.masses import mass_residuals
from skdistmass.validation.requirements import MissingInputError, require, require_stars
from skdistmass.validation.statistics import MIN_PER_BIN

__all__ = ["errors_by_flag", "errors_by_grade", "grades", "without_bad"]

GRADES = ("good", "warned", "bad")


def grades(stars: Table, product: str) -> NDArray[np.str_]:
    """Tell what the FLAGS of each star say of a product.

    Parameters
    ----------
    stars : Table
        A catalogue with FLAGS.
    product : {"DISTANCE", "MASS", "AGE"}

    Returns
    -------
    grade : ndarray of str, shape (n_stars,)
        "bad", "warned" (not bad), or "good".

    Examples
    --------
    >>> from skdistmass.validation import grades
    >>> grades(Table({"FLAGS": [0, 1 << 16, 3 << 16]}), "DISTANCE").tolist()
    ['good', 'warned', 'bad']
    """
    require(stars, "FLAGS")
    flags = np.nan_to_num(optional_floats(stars, "FLAGS")).astype(np.int64)
    warned, bad = (flags & int(QualityBit[f"{product}_{end}"]) != 0 for end in ("WARN", "BAD"))
    return np.where(bad, "bad", np.where(warned, "warned", "good"))


def without_bad(stars: Table) -> Table:
    """Return the stars without the values that their flags call bad: these are NaN.

    Parameters
    ----------
    stars : Table
        Of `join_reference`. Without FLAGS it is returned as it is.

    Returns
    -------
    stars : Table
        DISTANCE, MASS_* and AGE_* with their intervals are NaN where DISTANCE_BAD, MASS_BAD and AGE_BAD are set.
    """
    if "FLAGS" not in stars.colnames:
        return stars
    judged = stars.copy(copy_data=False)
    names = {"DISTANCE": ["DISTANCE"], "MASS": list(mass_scales(stars)), "AGE": age_columns(stars)}
    for product, columns in names.items():
        bad = grades(stars, product) == "bad"
        for name in (name + end for name in columns for end in ("", "_LO", "_HI", "_LO95", "_HI95")):
            if name in stars.colnames:
                values = np.ma.filled(np.ma.asarray(stars[name]).astype(np.float64), np.nan)
                judged[name] = np.where(bad, np.nan, values)
                judged[name].unit = getattr(stars[name], "unit", None)
    return judged


def _products(stars: Table) -> Iterator[tuple[str, str, NDArray[np.float64], NDArray[np.float64]]]:
    """Yield product, column, error and pull by the 95.45 % interval of each star, where there is a reference."""
    masses = [(name, reference) for name, reference in mass_scales(stars).items() if reference]
    compared: list[tuple] = [("DISTANCE", "DISTANCE", "REFERENCE_DIST", "kpc", distance_residuals)]
    compared += [("MASS", name, reference, "Msun", mass_residuals) for name, reference in masses[:1]]
    for product, name, reference, unit, residuals in compared:
        try:
            error, _ = residuals(stars, predicted=name, reference=reference)
        except MissingInputError:
            continue
        try:
            yield product, name, error, pulls(stars, name, reference, unit, residuals).of_95
        except MissingInputError:
            yield product, name, error, np.full(len(stars), np.nan)
    for reference in reference_age_columns(stars)[:1] if age_columns(stars) else ():
        name = first_age(stars)
        try:
            error = age_residuals(stars, name, reference)
        except MissingInputError:
            continue
        yield "AGE", name, error, np.full(len(stars), np.nan)


def _summary(error: NDArray, pull: NDArray, rows: NDArray) -> list[float]:
    """Return number, bias, scatter and fraction beyond the 95.45 % interval of some stars that have an error."""
    values, pull = error[rows & np.isfinite(error)], pull[rows & np.isfinite(pull)]
    if not len(values):
        return [0, np.nan, np.nan, np.nan]
    beyond = float(np.mean(pull > 1.0)) if len(pull) else np.nan
    return [len(values), float(np.median(values)), float(robust_scatter(values)), beyond]


def errors_by_grade(stars: Table) -> Table:
    """Compute the errors of good, warned and bad stars.

    Parameters
    ----------
    stars : Table
        Of `join_reference`, with FLAGS.

    Returns
    -------
    table : Table
        QUANTITY (DISTANCE, the first mass and the first age that have a reference), STARS ("good", "warned", "bad"), N;
        BIAS and SCATTER, of fractional errors, or in dex for ages; BEYOND_95, the fraction beyond the 95.45 % interval,
        the error of the reference counted in.
    """
    require(stars, "FLAGS")
    rows = []
    for product, name, error, pull in _products(stars):
        grade = grades(stars, product)
        rows += [(name, each, *_summary(error, pull, grade == each)) for each in GRADES]
    require_stars(len(rows), 1, "quantities have flags and a reference")
    return Table(rows=rows, names=("QUANTITY", "STARS", "N", "BIAS", "SCATTER", "BEYOND_95"))


def errors_by_flag(stars: Table) -> Table:
    """Compute how much worse the stars of each flag are than those without it.

    Parameters
    ----------
    stars : Table
        Of `join_reference`, with FLAGS.

    Returns
    -------
    table : Table
        QUANTITY; FLAG, a bit that makes a star warned or bad; N; BIAS, SCATTER and BEYOND_95 as in `errors_by_grade`;
        TIMES_WORSE, the median absolute error as a multiple of that of stars that do not have the flag and are not bad
        (NaN if these are fewer than five). Flags of fewer than five stars with a reference are left out.
    """
    require(stars, "FLAGS")
    flags = np.nan_to_num(optional_floats(stars, "FLAGS")).astype(np.int64)
    rows = []
    for product, name, error, pull in _products(stars):
        size, bad = np.where(np.isfinite(error), np.abs(error), np.nan), grades(stars, product) == "bad"
        for bit in WARNINGS[product] | SPOILERS[product]:
            chosen = flags & int(bit) != 0
            found = _summary(error, pull, chosen)
            if found[0] >= MIN_PER_BIN:
                others = size[~chosen & ~bad & np.isfinite(size)]
                usual = np.median(others) if len(others) >= MIN_PER_BIN else np.nan
                rows.append((name, bit.name, *found, np.nanmedian(size[chosen]) / usual))
    require_stars(len(rows), 1, f"flags of {MIN_PER_BIN} stars with a reference")
    return Table(rows=rows, names=("QUANTITY", "FLAG", "N", "BIAS", "SCATTER", "BEYOND_95", "TIMES_WORSE"))
