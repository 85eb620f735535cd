"""Which stars of a survey table train the distance and the mass networks, and why the others do not."""

from dataclasses import dataclass, field

import numpy as np

from skdistmass.exceptions import ColumnError
from skdistmass.labels import LABEL_NAMES, out_of_range, read_labels
from skdistmass.photometry import absolute_magnitude, absolute_magnitude_error, distance_from_parallax
from skdistmass.tables import as_floats, column_names, is_null

__all__ = ["TrainingCuts", "TrainingSet", "distance_training_set", "mass_scales_of", "mass_training_set"]

STAR_BAD = 1 << 23  # of ASPCAPFLAG


@dataclass(frozen=True)
class TrainingCuts:
    """Limits on the stars that are trained on (sections 2, 4.1 and 5.3 of the paper).

    Attributes
    ----------
    max_parallax_error : float, default=0.15
        Largest fractional error of the parallax. Members of clusters with a known distance are exempt.
    max_extinction : float, default=0.5
        Largest A_K (mag).
    max_mass_error : float, default=0.1
        Largest fractional error of a mass.
    mass_range : tuple of float, default=(0.5, 4.0)
        Masses beyond it (Msun) are taken for failures of the seismology, not for stars.
    extinction_error : float, default=0.02
        Error assumed for A_K (mag), which with those of parallax and magnitude makes the error of M_K.
    assumed_extinction : float or None, default=None
        A_K (mag) to assume, with an error as large, for stars that have none: for surveys away from the plane. By
        default such stars are left out.
    mag_error : float, default=0.02
        Error assumed for a magnitude that has none (mag).
    cluster_distance_error : float, default=0.08
        Fractional error assumed for the distance of a cluster; the paper puts it at 7 to 10 %.
    parallax_zero_point : dict
        Source of a parallax to the parallax of infinitely distant sources (mas), which is subtracted where a
        parallax is inverted. By default -0.053 for Gaia DR2 (Zinn et al. 2019, ApJ 878, 136) and -0.021 for Gaia
        EDR3 (Lindegren et al. 2021, A&A 649, A4).
    """

    max_parallax_error: float = 0.15
    max_extinction: float = 0.5
    max_mass_error: float = 0.10
    mass_range: tuple[float, float] = (0.5, 4.0)
    extinction_error: float = 0.02
    assumed_extinction: float | None = None
    mag_error: float = 0.02
    cluster_distance_error: float = 0.08
    parallax_zero_point: dict = field(default_factory=lambda: {"Gaia DR2": -0.053, "Gaia EDR3": -0.021})


@dataclass
class TrainingSet:
    """Stars to train one network on.

    Attributes
    ----------
    rows : ndarray of int
        Rows of the table, in order.
    target, target_err : ndarray
        M_K (mag) or mass (Msun) of these rows, and its error.
    removed : dict
        Name of each cut to the number of stars it removed, in the order they were made.
    """

    rows: np.ndarray
    target: np.ndarray
    target_err: np.ndarray
    removed: dict[str, int]


class _Cutter:
    """Applies named cuts one after the other, and counts what each removes."""

    def __init__(self, n_rows):
        self.kept = np.ones(n_rows, dtype=bool)
        self.removed = {}

    def __call__(self, name, bad):
        with np.errstate(invalid="ignore"):
            gone = self.kept & bad
        self.removed[name] = int(np.count_nonzero(gone))
        self.kept &= ~bad


def optional_floats(table, name, unit=None, *, high=False):
    """Return a column as floats, or NaN for every star if the table does not have it."""
    if name not in column_names(table):
        return np.full(len(table), np.nan)
    return as_floats(table[name], unit, name=name, high_sentinels=high)


def optional_text(table, name):
    """Return a column as str without padding, blank where it is missing or the table does not have it.

    In columns of objects, as pandas makes them, None, NaN and pandas.NA are missing; so is NaN in a column of floats,
    which text that is missing throughout becomes.
    """
    if name not in column_names(table):
        return np.full(len(table), "", dtype="U1")
    column = np.ma.asarray(table[name])
    values, mask = np.ma.getdata(column), np.ma.getmaskarray(column)
    if values.dtype.kind == "S":
        values = np.char.decode(values, "utf-8", "replace")
    elif values.dtype.kind in "Of":
        values = np.array([_text_of(value) for value in values.tolist()], dtype=str)
    return np.where(mask, "", np.char.strip(values.astype(str)))


def _text_of(value):
    if is_null(value) or value != value:  # NaN is not itself
        return ""
    return value.decode("utf-8", "replace") if isinstance(value, bytes) else str(value)


def _cut_labels(cut, table, names):
    labels = read_labels(table, names).values
    impossible = out_of_range(labels, names)
    for number, name in enumerate(names):
        cut(f"{name} missing", ~np.isfinite(labels[:, number]) | impossible[:, number])
    if "ASPCAPFLAG" in column_names(table):
        flags = np.ma.filled(np.ma.asarray(table["ASPCAPFLAG"]), 0).astype(np.int64)
        cut("STAR_BAD", (flags & STAR_BAD) != 0)


def fractional_parallax_error(table):
    """Return the error of each parallax as a fraction of it, NaN where it is not positive or missing."""
    parallax, error = (optional_floats(table, name, "mas") for name in ("PARALLAX", "PARALLAX_ERR"))
    with np.errstate(invalid="ignore", divide="ignore"):
        return np.where(parallax > 0, error / parallax, np.nan)


def reference_distances(table, cuts):
    """Distances to train on: Gaia's, else the inverse of a parallax, else a cluster's.

    Parameters
    ----------
    table : Table
        With the columns of `skdistmass.surveys.read_survey`: GAIAEDR3_DIST (kpc), PARALLAX and PARALLAX_ERR (mas),
        CLUSTER. Any may be absent.
    cuts : TrainingCuts
        Limits and assumed errors.

    Returns
    -------
    distance, fractional_error : ndarray of shape (n_stars,)
        In kpc; NaN where there is none. Where a parallax is too poor for the cut, the distance of the star's cluster
        takes its place (section 4.1).
    source : ndarray of str
        "Gaia", "parallax", "cluster" or blank.
    """
    from skdistmass.surveys import load_clusters, match_clusters

    parallax, error = optional_floats(table, "PARALLAX", "mas"), fractional_parallax_error(table)
    distance = optional_floats(table, "GAIAEDR3_DIST", "kpc")
    source = np.where(np.isfinite(distance), "Gaia", "parallax")
    zero_point = np.zeros(len(table))
    for name, value in cuts.parallax_zero_point.items():
        zero_point[optional_text(table, "PARALLAX_SRC") == name] = value
    distance = np.where(np.isfinite(distance), distance, distance_from_parallax(parallax, zero_point))
    # A listed distance without a parallax beside it has no error to judge it by.
    distance[~np.isfinite(error)] = np.nan
    cluster = match_clusters(optional_text(table, "CLUSTER"))
    with np.errstate(invalid="ignore"):
        poor = ~np.isfinite(distance) | ~(error < cuts.max_parallax_error)
    member = poor & (cluster >= 0)
    if member.any():
        distance[member] = as_floats(load_clusters()["DISTANCE"], "kpc")[cluster[member]]
        error[member] = cuts.cluster_distance_error
        source[member] = "cluster"
    source[~np.isfinite(distance)] = ""
    return distance, error, source


def distance_training_set(table, cuts, *, names=LABEL_NAMES):
    """Select the stars that train the distance network (section 4.1).

    Parameters
    ----------
    table : Table
        With the columns of `skdistmass.surveys.read_survey`.
    cuts : TrainingCuts
        Limits.
    names : sequence of str, default=LABEL_NAMES
        Labels a star must have.

    Returns
    -------
    training_set : TrainingSet
    """
    cut = _Cutter(len(table))
    _cut_labels(cut, table, names)
    mag = optional_floats(table, "K", "mag", high=True)
    mag_err = optional_floats(table, "K_ERR", "mag", high=True)
    extinction = optional_floats(table, "A_K", "mag", high=True)
    cut("no K magnitude", ~np.isfinite(mag))
    extinction_err = np.full(len(table), cuts.extinction_error)
    if cuts.assumed_extinction is not None:
        assumed = ~np.isfinite(extinction)
        extinction[assumed] = cuts.assumed_extinction
        extinction_err[assumed] = np.maximum(cuts.assumed_extinction, cuts.extinction_error)
    cut("no extinction", ~np.isfinite(extinction))
    cut(f"A_K > {cuts.max_extinction:g}", extinction > cuts.max_extinction)
    distance, error, _ = reference_distances(table, cuts)
    cut("no parallax or cluster distance", ~np.isfinite(distance))
    cut(f"parallax error > {cuts.max_parallax_error:.0%}", ~(error < cuts.max_parallax_error))
    mag_err = np.where(mag_err > 0, mag_err, cuts.mag_error)
    rows = np.flatnonzero(cut.kept)
    target = absolute_magnitude(mag, extinction, distance)
    target_err = absolute_magnitude_error(mag_err, extinction_err, error)
    return TrainingSet(rows, target[rows], target_err[rows], cut.removed)


def mass_scales_of(table):
    """Find the masses in a table: every column MASS or MASS_* that comes with an error.

    Parameters
    ----------
    table : Table
        Errors are columns named with ``_ERR``, or ``_LO`` and ``_HI`` for the ends of an interval.

    Returns
    -------
    scales : dict
        Name of each scale (what follows ``MASS_``; blank for MASS itself) to its column.

    Examples
    --------
    >>> from skdistmass.surveys.training_sets import mass_scales_of
    >>> mass_scales_of({"MASS": [], "MASS_ERR": [], "MASS_COR_MO": [], "MASS_COR_MO_ERR": [], "MASS_SRC": []})
    {'': 'MASS', 'COR_MO': 'MASS_COR_MO'}
    """
    names = column_names(table)

    def has_error(name):
        return f"{name}_ERR" in names or (f"{name}_LO" in names and f"{name}_HI" in names)

    found = [name for name in names if (name == "MASS" or name.startswith("MASS_")) and has_error(name)]
    return {name.removeprefix("MASS").removeprefix("_"): name for name in sorted(found, key=lambda n: n != "MASS")}


def mass_training_set(table, column, cuts, *, names=LABEL_NAMES):
    """Select the stars that train a mass network (section 5.3).

    Parameters
    ----------
    table : Table
        With the labels, `column` and its error.
    column : str
        The masses (Msun).
    cuts : TrainingCuts
        Limits.
    names : sequence of str, default=LABEL_NAMES
        Labels a star must have.

    Returns
    -------
    training_set : TrainingSet

    Raises
    ------
    ColumnError
        If the column or its error is absent.
    """
    present = column_names(table)
    if column not in present:
        raise ColumnError(f"no column {column} to train a mass network on.")
    mass = as_floats(table[column], "Msun", name=column)
    if f"{column}_ERR" in present:
        error = as_floats(table[f"{column}_ERR"], "Msun", name=f"{column}_ERR")
    elif f"{column}_LO" in present and f"{column}_HI" in present:
        ends = [as_floats(table[f"{column}_{end}"], "Msun", name=f"{column}_{end}") for end in ("LO", "HI")]
        error = 0.5 * (ends[1] - ends[0])
    else:
        raise ColumnError(f"column {column} has no error; add {column}_ERR, or {column}_LO and {column}_HI.")
    cut = _Cutter(len(table))
    _cut_labels(cut, table, names)
    cut("no mass", ~(mass > 0))
    cut(f"mass error > {cuts.max_mass_error:.0%}", ~((error > 0) & (error < cuts.max_mass_error * mass)))
    low, high = cuts.mass_range
    cut(f"mass outside {low:g}-{high:g} Msun", ~((mass >= low) & (mass <= high)))
    rows = np.flatnonzero(cut.kept)
    return TrainingSet(rows, mass[rows], error[rows], cut.removed)
