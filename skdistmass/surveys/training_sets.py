"""Which stars of a survey train the distance and the mass networks, and why the others do not."""

from __future__ import annotations

import warnings
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from os import PathLike

import numpy as np
from numpy.typing import NDArray

from skdistmass.exceptions import ColumnError, DistMassWarning
from skdistmass.extinction import ExtinctionChoice
from skdistmass.labels import LABEL_NAMES
from skdistmass.photometry import absolute_magnitude, absolute_magnitude_error, distance_from_parallax
from skdistmass.schema.limits import ASPCAP_STAR_BAD, EXTINCTION_ERR, HIGH_EXTINCTION, MAG_ERR
from skdistmass.surveys.chunks import SurveyFile
from skdistmass.surveys.clusters import cluster_distances
from skdistmass.surveys.join import IDENTIFIERS, have_references
from skdistmass.surveys.stars import Stars, stack_stars


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
        Masses outside it (Msun) are taken for failures of the seismology, not for stars.
    extinction_error : float, default=0.02
        Error assumed for an A_K that has none (mag). With the errors of parallax and magnitude it makes the error of
        M_K.
    assumed_extinction : float or None, default=None
        A_K (mag) to assume, with an error as large, for stars that have none: for surveys away from the Galactic
        plane. By default such stars are left out.
    mag_error : float, default=0.02
        Error assumed for a magnitude that has none (mag).
    cluster_distance_error : float, default=0.08
        Fractional error assumed for the distance of a cluster; the paper gives 7 to 10 %.
    cluster_distances : dict, "paper", "modern" or None, default=None
        Name of a cluster to its distance (kpc), or a list of `skdistmass.surveys.load_clusters`; by default Table 1 of
        the paper.
    parallax_zero_point : dict
        Source of a parallax to the parallax of infinitely distant sources (mas), which is subtracted where a
        parallax is inverted. By default -0.053 for Gaia DR2 (Zinn et al. 2019, ApJ 878, 136) and -0.021 for Gaia
        EDR3 (Lindegren et al. 2021, A&A 649, A4).
    """

    max_parallax_error: float = 0.15
    max_extinction: float = HIGH_EXTINCTION
    max_mass_error: float = 0.10
    mass_range: tuple[float, float] = (0.5, 4.0)
    extinction_error: float = EXTINCTION_ERR
    assumed_extinction: float | None = None
    mag_error: float = MAG_ERR
    cluster_distance_error: float = 0.08
    cluster_distances: dict[str, float] | str | None = None
    parallax_zero_point: dict[str, float] = field(default_factory=lambda: {"Gaia DR2": -0.053, "Gaia EDR3": -0.021})


@dataclass
class TrainingSet:
    """Stars to train one network on."""

    rows: NDArray[np.intp]  # of the survey, in order
    target: NDArray[np.float64]  # M_K (mag) or mass (Msun) of these rows
    target_err: NDArray[np.float64]
    removed: dict[str, int]  # name of each cut to the number of stars it removed, in the order they were made


# What training needs of a survey, besides masses; the rest of a wide file would fill the memory.
_NEEDED = {f"{name}{end}" for name in (*LABEL_NAMES, "FE_H", "K", "PARALLAX") for end in ("", "_ERR")}
_NEEDED |= {
    "A_K",
    "A_K_ERR",
    "A_K_SRC",
    "A_K_FLAG",
    "PARALLAX_SRC",
    "GAIAEDR3_DIST",
    "CLUSTER",
    "ASPCAPFLAG",
    "BAD_STAR",
}
_NEEDED |= {"LABEL_SRC", "APSTAR_ID", "RA", "DEC", "GLAT", *(name for names in IDENTIFIERS.values() for name in names)}


def read_training_stars(
    path: str | PathLike[str],
    extinction: ExtinctionChoice,
    *,
    layout: str | PathLike[str] | None = None,
    columns: Sequence[str] = (),
    max_rows: int | None = None,
    tables: Sequence[Stars] = (),
    match_radius: float | None = None,
    random_state: int = 0,
    chunk_rows: int = 50_000,
) -> Stars:
    """Read what training needs of a survey, in chunks, with the extinction of each star chosen.

    Of a survey with more rows than a network of a few hundred weights can learn from, a random part will do: then
    memory does not grow with the survey.

    Parameters
    ----------
    path : path-like
        A survey of any size.
    extinction : ExtinctionChoice
        How A_K is chosen, as for the catalogue.
    layout : str or path-like, optional
        See `skdistmass.surveys.read_survey`.
    columns : sequence of str, optional
        Further columns to keep.
    max_rows : int, optional
        About how many rows to draw at random if the survey has more; by default all are read. Stars with a mass, a
        cluster or one of `columns` are kept besides.
    tables : sequence of Stars, optional
        Tables that will be joined (`skdistmass.surveys.join`): their masses and clusters count as the survey's.
    match_radius : float, optional
        As for `skdistmass.surveys.join`.
    random_state : int, default=0
        Seed of the draw.
    chunk_rows : int, default=50_000
        Rows read at a time.

    Returns
    -------
    stars : Stars
        Labels, magnitudes, extinctions, distances, masses and identifiers.

    Raises
    ------
    FileFormatError, ColumnError, UnitError
        As for `skdistmass.surveys.read_survey`.

    Warns
    -----
    DistMassWarning
        If not all rows are kept.
    """
    heads: list[Stars] = []
    rng = np.random.default_rng(random_state)
    with SurveyFile(path, layout, columns=columns) as file:
        filled = _FilledColumns(file.n_rows)
        share = 1.0 if max_rows is None else max_rows / max(file.n_rows, 1)
        for chunk in file.chunks(chunk_rows) if file.n_rows else [file.read()]:
            chosen = extinction.apply(chunk)
            if share < 1:
                drawn = rng.random(len(chosen)) < share
                referred = have_references(chosen, tables, match_radius=match_radius, columns=columns)
                chosen = chosen[drawn | referred]
            filled.add(
                {
                    name: values
                    for name, values in chosen.columns.items()
                    if name in _NEEDED or name in columns or name.startswith("MASS")
                }
            )
            heads.append(chosen[np.arange(0)])  # a slice would keep the whole chunk in memory
    joined = stack_stars(heads)
    stars = replace(joined, columns=filled.columns(), source=heads[0].source, layout=heads[0].layout)
    if share < 1:
        message = (
            f"{path}: of {file.n_rows} rows {len(stars)} are used for training: about {max_rows} drawn at random, and "
            "all with a mass or a cluster. A larger max_rows (--max-rows) takes more memory."
        )
        warnings.warn(message, DistMassWarning, stacklevel=2)
    return stars


class _FilledColumns:
    """Columns filled piece by piece; pieces put together at the end would take twice the memory.

    Zeros that are not written to take no memory: the number of rows may be an upper limit.
    """

    def __init__(self, n_rows: int) -> None:
        self.n_rows, self.n_filled = n_rows, 0
        self._columns: dict[str, NDArray] = {}

    def add(self, pieces: Mapping[str, NDArray]) -> None:
        rows = slice(self.n_filled, self.n_filled + len(next(iter(pieces.values()))))
        for name, values in pieces.items():
            known = self._columns.get(name)
            if known is None or values.dtype.itemsize > known.itemsize:  # longer texts than before
                self._columns[name] = np.zeros(self.n_rows, values.dtype)
                if known is not None:
                    self._columns[name][: rows.start] = known[: rows.start]
            self._columns[name][rows] = values
        self.n_filled = rows.stop

    def columns(self) -> dict[str, NDArray]:
        return {name: column[: self.n_filled] for name, column in self._columns.items()}


class _Cutter:
    """Applies named cuts one after the other, and counts what each removes."""

    def __init__(self, n_rows: int) -> None:
        self.kept = np.ones(n_rows, dtype=bool)
        self.removed: dict[str, int] = {}

    def __call__(self, name: str, bad: NDArray[np.bool_]) -> None:
        self.removed[name] = int(np.count_nonzero(self.kept & bad))
        self.kept &= ~bad


def bad_stars(stars: Stars) -> NDArray[np.bool_]:
    """Tell which stars their survey calls bad: STAR_BAD of APOGEE, or the flag of another survey."""
    return ((stars.integers("ASPCAPFLAG") & ASPCAP_STAR_BAD) != 0) | (stars.integers("BAD_STAR") > 0)


def _cut_labels(cut: _Cutter, stars: Stars, names: Sequence[str]) -> None:
    absent = [name for name in names if name not in stars]
    if absent:
        raise ColumnError(
            f"no column {', '.join(absent)}; the stars have {', '.join(stars)}. Rename the column that holds it."
        )
    for name in names:
        cut(f"{name} missing", ~np.isfinite(stars[name]))
    if "ASPCAPFLAG" in stars or "BAD_STAR" in stars:
        cut("STAR_BAD", bad_stars(stars))


def fractional_parallax_error(stars: Stars) -> NDArray[np.float64]:
    """Return the error of each parallax as a fraction of it, NaN where it is not positive or missing."""
    parallax, error = stars.floats("PARALLAX"), stars.floats("PARALLAX_ERR")
    with np.errstate(invalid="ignore", divide="ignore"):
        return np.where(parallax > 0, error / parallax, np.nan)


def reference_distances(
    stars: Stars, cuts: TrainingCuts
) -> tuple[NDArray[np.float64], NDArray[np.float64], NDArray[np.str_]]:
    """Return the distances (kpc) to train on: Gaia's, else the inverse of a parallax, else a cluster's; else NaN.

    Beside each is its fractional error, and its source: "Gaia", "parallax", "cluster" or blank. Where a parallax is too
    poor for the cut, the distance of the star's cluster takes its place (section 4.1).
    """
    error = fractional_parallax_error(stars)
    distance = stars.floats("GAIAEDR3_DIST")
    source = np.where(np.isfinite(distance), "Gaia", "parallax")
    inverse = distance_from_parallax(stars.floats("PARALLAX"), parallax_zero_points(stars, cuts))
    distance = np.where(np.isfinite(distance), distance, inverse)
    # A listed distance without a parallax beside it has no error to judge it by.
    distance[~np.isfinite(error)] = np.nan
    of_cluster = cluster_distances(stars.text("CLUSTER"), cuts.cluster_distances)
    poor = ~np.isfinite(distance) | ~(error < cuts.max_parallax_error)
    member = poor & np.isfinite(of_cluster)
    distance[member], error[member], source[member] = of_cluster[member], cuts.cluster_distance_error, "cluster"
    source[~np.isfinite(distance)] = ""
    return distance, error, source


def parallax_zero_points(stars: Stars, cuts: TrainingCuts) -> NDArray[np.float64]:
    """Return the zero point of each parallax (mas), by its source; 0 for sources that the cuts don't name."""
    zero_point = np.zeros(len(stars))
    for name, value in cuts.parallax_zero_point.items():
        zero_point[stars.text("PARALLAX_SRC") == name] = value
    return zero_point


def magnitude_errors(stars: Stars, cuts: TrainingCuts) -> NDArray[np.float64]:
    """Return the error of each magnitude K (mag): its own, or the one that the cuts assume."""
    error = stars.floats("K_ERR")
    return np.where(error > 0, error, cuts.mag_error)


def extinction_errors(stars: Stars, cuts: TrainingCuts) -> NDArray[np.float64]:
    """Return the error of each A_K (mag): its own, or the one that the cuts assume."""
    error = stars.floats("A_K_ERR")
    return np.where(error > 0, error, cuts.extinction_error)


def distance_training_set(stars: Stars, cuts: TrainingCuts, *, names: Sequence[str] = LABEL_NAMES) -> TrainingSet:
    """Select the stars that train the distance network (section 4.1); each must have the labels `names`."""
    cut = _Cutter(len(stars))
    _cut_labels(cut, stars, names)
    mag, extinction = stars.floats("K"), stars.floats("A_K")
    cut("no K magnitude", ~np.isfinite(mag))
    extinction_err = extinction_errors(stars, cuts)
    if cuts.assumed_extinction is not None:
        assumed = ~np.isfinite(extinction)
        extinction = np.where(assumed, cuts.assumed_extinction, extinction)
        extinction_err[assumed] = np.maximum(cuts.assumed_extinction, cuts.extinction_error)
    cut("no extinction", ~np.isfinite(extinction))
    cut(f"A_K > {cuts.max_extinction:g}", extinction > cuts.max_extinction)
    distance, error, _ = reference_distances(stars, cuts)
    cut("no parallax or cluster distance", ~np.isfinite(distance))
    cut(f"parallax error > {cuts.max_parallax_error:.0%}", ~(error < cuts.max_parallax_error))
    rows = np.flatnonzero(cut.kept)
    target = absolute_magnitude(mag, extinction, distance)
    target_err = absolute_magnitude_error(magnitude_errors(stars, cuts), extinction_err, error)
    return TrainingSet(rows, target[rows], target_err[rows], cut.removed)


def mass_scales_of(columns: Mapping[str, object] | Stars) -> dict[str, str]:
    """Return {name of the scale: column} of the masses of a survey: every MASS or MASS_* that comes with an error.

    The name is what follows ``MASS_``; blank for MASS itself. Errors are columns named with ``_ERR``, or ``_LO`` and
    ``_HI`` for the ends of an interval.
    """

    def has_error(name: str) -> bool:
        return f"{name}_ERR" in columns or (f"{name}_LO" in columns and f"{name}_HI" in columns)

    found = [name for name in columns if (name == "MASS" or name.startswith("MASS_")) and has_error(name)]
    return {name.removeprefix("MASS").removeprefix("_"): name for name in sorted(found, key=lambda n: n != "MASS")}


def mass_training_set(
    stars: Stars, column: str, cuts: TrainingCuts, *, names: Sequence[str] = LABEL_NAMES
) -> TrainingSet:
    """Select the stars that train a mass network on a column of masses in Msun (section 5.3)."""
    if column not in stars:
        raise ColumnError(f"no column {column} to train a mass network on.")
    mass = stars[column]
    if f"{column}_ERR" in stars:
        error = stars[f"{column}_ERR"]
    elif f"{column}_LO" in stars and f"{column}_HI" in stars:
        error = 0.5 * (stars[f"{column}_HI"] - stars[f"{column}_LO"])
    else:
        raise ColumnError(f"column {column} has no error; add {column}_ERR, or {column}_LO and {column}_HI.")
    cut = _Cutter(len(stars))
    _cut_labels(cut, stars, names)
    cut("no mass", ~(mass > 0))
    cut(f"mass error > {cuts.max_mass_error:.0%}", ~((error > 0) & (error < cuts.max_mass_error * mass)))
    low, high = cuts.mass_range
    cut(f"mass outside {low:g}-{high:g} Msun", ~((mass >= low) & (mass <= high)))
    rows = np.flatnonzero(cut.kept)
    return TrainingSet(rows, mass[rows], error[rows], cut.removed)
