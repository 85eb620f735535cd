"""How good a catalogue's masses, ages and errors are, held against what is known of its stars."""

import numpy as np
from astropy.table import Table

from skdistmass.uncertainty import normal_coverage, robust_scatter
from skdistmass.validation.distances import LOGG_EDGES, MIN_MEMBERS, distance_residuals
from skdistmass.validation.stars import (
    MissingInputError,
    age_columns,
    cluster_rows,
    floats,
    log_ages,
    mass_scales,
    reference_age_columns,
    require,
    require_stars,
)
from skdistmass.validation.statistics import binned_statistics

__all__ = [
    "age_in_clusters",
    "age_residuals",
    "age_statistics",
    "compare_columns",
    "coverage",
    "mass_by",
    "mass_residuals",
]

#: Bin edges of mass (Msun).
MASS_EDGES = (0.5, 0.8, 1.0, 1.2, 1.4, 1.6, 2.0, 2.5, 4.0)


def mass_residuals(stars, *, predicted=None, reference=None):
    """Fractional error of masses.

    Parameters
    ----------
    stars : Table
        Of `join_reference`.
    predicted : str, optional
        Column of masses (Msun); by default the first.
    reference : str, optional
        By default the reference's column of the same name, else its MASS.

    Returns
    -------
    error, reference_error : ndarray of shape (n_stars,)
        ``predicted / reference - 1`` and the fractional error of the reference (NaN where unknown). Reference masses
        with an error above 10 % and those outside 0.5-4 Msun are not judged by (section 5.3 of the paper).
    """
    scales = mass_scales(stars)
    if not scales:
        raise MissingInputError("there is no mass in the catalogue")
    predicted = predicted or next(iter(scales))
    reference = reference or scales.get(predicted)
    if reference is None:
        raise MissingInputError(f"there is no MASS in the reference table to hold {predicted} against")
    require(stars, predicted, reference)
    found, true = floats(stars, predicted, "Msun"), floats(stars, reference, "Msun")
    error_of_true = floats(stars, f"{reference}_ERR", "Msun")
    half = 0.5 * (floats(stars, f"{reference}_HI", "Msun") - floats(stars, f"{reference}_LO", "Msun"))
    error_of_true = np.where(np.isfinite(error_of_true), error_of_true, half)
    with np.errstate(invalid="ignore", divide="ignore"):
        fraction = error_of_true / true
        usable = (true >= 0.5) & (true <= 4.0) & ~(fraction > 0.1) & np.isfinite(found)
        error = np.where(usable, found / true - 1.0, np.nan)
    if not usable.any():
        raise MissingInputError(f"no star has both {predicted} and a reference mass good to 10 %")
    return error, np.where(usable, fraction, np.nan)


def mass_by(stars, by="LOGG", *, predicted=None, reference=None, edges=None):
    """Bias and scatter of masses by log g or by mass.

    Parameters
    ----------
    stars : Table
        Of `join_reference`.
    by : str, default="LOGG"
        LOGG, or MASS for bins of the predicted mass. (Bins of the reference mass would show the regression to
        the mean of any noisy label as a bias.)
    predicted, reference : str, optional
        As in `mass_residuals`.
    edges : sequence of float, optional
        Bins.

    Returns
    -------
    table : Table
        As `binned_statistics`, of fractional errors.
    """
    error, reference_error = mass_residuals(stars, predicted=predicted, reference=reference)
    if by == "LOGG":
        return binned_statistics(
            floats(stars, "LOGG"), error, edges or LOGG_EDGES, name=by, reference_error=reference_error
        )
    if by != "MASS":
        raise MissingInputError(f"masses are binned by LOGG or MASS, not by {by!r}")
    values = floats(stars, predicted or next(iter(mass_scales(stars))), "Msun")
    return binned_statistics(values, error, edges or MASS_EDGES, name=by, reference_error=reference_error)


def age_residuals(stars, predicted, reference):
    """Difference of two log ages in dex, ``predicted - reference``; NaN where one is missing."""
    require(stars, predicted, reference)
    difference = log_ages(stars, predicted) - log_ages(stars, reference)
    if not np.isfinite(difference).any():
        raise MissingInputError(f"no star has both {predicted} and {reference.removeprefix('REF_')}")
    return difference


def age_statistics(stars, *, predicted=None, references=None):
    """Ages against other ages: bias and scatter in log age.

    Parameters
    ----------
    stars : Table
        Of `join_reference`.
    predicted : str, optional
        Column of log ages; by default the catalogue's first.
    references : sequence of str, optional
        Columns to compare with, in Gyr or with a unit; by default every AGE_* of the reference table.

    Returns
    -------
    table : Table
        REFERENCE, N, BIAS and SCATTER [dex], and the same for stars of 1-14 Gyr by the catalogue alone.
    """
    ages = age_columns(stars)
    if predicted is None and not ages:
        raise MissingInputError("there is no age in the catalogue")
    predicted = predicted or ages[0]
    references = reference_age_columns(stars) if references is None else references
    rows = []
    for reference in references:
        try:
            difference = age_residuals(stars, predicted, reference)
        except MissingInputError:
            continue
        known = difference[np.isfinite(difference)]
        log_age = log_ages(stars, predicted)
        old = difference[np.isfinite(difference) & (log_age > 9.0)]
        row = [predicted, reference.removeprefix("REF_"), len(known), np.median(known), robust_scatter(known)]
        rows.append([*row, len(old), *((np.median(old), robust_scatter(old)) if len(old) else (np.nan, np.nan))])
    require_stars(len(rows), 1, "age columns to compare with")
    names = ("PREDICTED", "REFERENCE", "N", "BIAS", "SCATTER", "N_ABOVE_1GYR", "BIAS_ABOVE_1GYR", "SCATTER_ABOVE_1GYR")
    return Table(rows=rows, names=names, units={n: "dex" for n in names if n.startswith(("BIAS", "SCATTER"))})


def age_in_clusters(stars, *, predicted=None):
    """Scatter of the log ages within each cluster (section 6.4 and figure 17 of the paper: below 0.1 on average).

    Parameters
    ----------
    stars : Table
        With CLUSTER and ages.
    predicted : str, optional
        Column of log ages; by default the catalogue's first.

    Returns
    -------
    table : Table
        CLUSTER, N, MEDIAN [log10 yr], STD and ROBUST_SCATTER [dex]; clusters with three ages or more.
    """
    ages = age_columns(stars)
    if predicted is None and not ages:
        raise MissingInputError("there is no age in the catalogue")
    log_age = log_ages(stars, predicted or ages[0])
    rows = []
    for name, members, _ in cluster_rows(stars):
        values = log_age[members]
        values = values[np.isfinite(values)]
        if len(values) >= MIN_MEMBERS:
            rows.append((name, len(values), np.median(values), values.std(ddof=1), robust_scatter(values)))
    require_stars(len(rows), 1, f"clusters have {MIN_MEMBERS} members with an age")
    names = ("CLUSTER", "N", "MEDIAN", "STD", "ROBUST_SCATTER")
    return Table(rows=rows, names=names, units={"MEDIAN": "dex(yr)", "STD": "dex", "ROBUST_SCATTER": "dex"})


def coverage(stars):
    """How often the catalogue's intervals hold what is known of the stars.

    Parameters
    ----------
    stars : Table
        Of `join_reference`, with the ends _LO and _HI of the intervals of DISTANCE and MASS_*.

    Returns
    -------
    table : Table
        QUANTITY, N; FOUND_68, the fraction of stars in the interval of 68.27 %, and FOUND_95, in twice the
        interval (95.45 % for a normal law). The error of the reference is added to both sides in quadrature;
        STATED says for how many of the stars it is known.
    """
    pairs = [("DISTANCE", "REFERENCE_DIST", distance_residuals)] if "DISTANCE" in stars.colnames else []
    pairs += [(name, reference, mass_residuals) for name, reference in mass_scales(stars).items() if reference]
    rows = []
    for name, reference, residuals in pairs:
        try:
            require(stars, name, f"{name}_LO", f"{name}_HI")
            _, fraction = residuals(stars, predicted=name, reference=reference)
            usable = np.isfinite(residuals(stars, predicted=name, reference=reference)[0])
        except MissingInputError:
            continue
        value, low, high, true = (floats(stars, n)[usable] for n in (name, f"{name}_LO", f"{name}_HI", reference))
        error = np.nan_to_num(fraction[usable]) * true
        side = np.where(true > value, high - value, value - low)
        pull = np.abs(true - value) / np.hypot(side, error)
        pull = pull[np.isfinite(pull)]
        if len(pull):
            stated = np.count_nonzero(error > 0)
            rows.append((name, len(pull), np.mean(pull <= 1.0), np.mean(pull <= 2.0), stated))
    require_stars(len(rows), 1, "quantities have an interval and a reference")
    table = Table(rows=rows, names=("QUANTITY", "N", "FOUND_68", "FOUND_95", "STATED"))
    table.meta["nominal"] = (float(normal_coverage(1.0)), float(normal_coverage(2.0)))
    return table


def compare_columns(stars, first, second, kind="distance"):
    """Hold any two columns of distances, masses or ages against each other, on the stars that have both.

    Parameters
    ----------
    stars : Table
        Of `join_reference`; the reference's own columns have REF_ before their names.
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
    >>> from skdistmass.validation.metrics import compare_columns
    >>> stars = Table({"DISTANCE": [1.0, 2.0, 3.3], "NMSU_DIST": [1.0, 2.0, 3.0]})
    >>> compare_columns(stars, "DISTANCE", "NMSU_DIST")["N"][0].item()
    3
    """
    require(stars, first, second)
    if kind == "age":
        error = age_residuals(stars, first, second)
    elif kind in ("distance", "mass"):
        unit = {"distance": "kpc", "mass": "Msun"}[kind]
        a, b = floats(stars, first, unit), floats(stars, second, unit)
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
