"""The joined table: a catalogue, and beside each of its stars what is known of it from elsewhere."""

from collections.abc import Sequence
from os import PathLike
from typing import Any

import numpy as np
from astropy import units as u
from astropy.table import Column, MaskedColumn, Table
from numpy.typing import NDArray

from skdistmass.exceptions import ColumnError, InputError
from skdistmass.surveys import Stars, as_stars, load_clusters, match_clusters
from skdistmass.surveys.files import open_table
from skdistmass.surveys.training_sets import TrainingCuts, reference_distances
from skdistmass.tables import column_names, find_column, is_table, optional_floats, optional_text

__all__ = [
    "MissingInputError",
    "age_columns",
    "carbon_to_nitrogen",
    "cluster_rows",
    "column_of",
    "first_age",
    "galactocentric_radius",
    "in_unit",
    "join_reference",
    "kiel",
    "log_ages",
    "mass_scales",
    "read_catalog",
    "reference_age_columns",
    "require",
    "require_stars",
]

SUN_RADIUS = 8.122  # kpc (GRAVITY Collaboration 2018, A&A 615, L15); also the default of astropy
_POSITIONS = ("RA", "DEC", "GLON", "GLAT")
_ENDS = ("_ERR", "_LO", "_HI", "_ELO", "_EHI", "_SRC", "_FLAG")
#: Unit: the smallest 5 % quantile and the largest median that values in it can have, and what they are if outside.
_PLAUSIBLE = {
    "kpc": (0.0, 300.0, "pc"),
    "Msun": (0.0, 100.0, "g or kg"),
    "Gyr": (0.0, 20.0, "Myr or yr"),
    "dex(yr)": (5.0, 20.0, "Gyr or yr, not log10 of yr"),
}


class MissingInputError(InputError):
    """A table or figure needs a column, or stars, that the tables do not have."""


def read_catalog(path: str | PathLike) -> Table:
    """Read all columns of a catalogue file (FITS, VOTable, Parquet, ECSV or CSV).

    Parameters
    ----------
    path : path-like
        The file. Its format is known by its content.

    Returns
    -------
    catalog : Table

    Raises
    ------
    FileFormatError
        If the file is absent, damaged or of another format.
    """
    with open_table(path) as file:
        file.load(file.names)
        return Table({name: file.column(name) for name in file.names}, meta={"SKDM_FILE": str(path)})


def join_reference(catalog: Any, reference: Any = None, *, columns: Sequence[str] = ()) -> Table:
    """Join a catalogue with what is known of its stars from elsewhere.

    Parameters
    ----------
    catalog : table or path-like
        A catalogue, with the columns of Table 2 of the paper.
    reference : Stars, table or path-like, optional
        Gaia distances or parallaxes, CLUSTER, MASS and MASS_*, AGE_* (Gyr, if no unit is stated) and positions of
        these stars, in any form that `skdistmass.surveys.as_stars` takes. It is joined row by row if it has as many
        rows as the catalogue and the APOGEE_IDs agree. Otherwise it is joined by APOGEE_ID; the first of equal ones
        counts.
    columns : sequence of str, default=()
        Further columns of `reference` or of `catalog` to compare with, such as distances of other catalogues.

    Returns
    -------
    stars : Table
        One row for each row of the catalogue: its columns; REFERENCE_DIST, REFERENCE_DIST_ERR [kpc] and
        REFERENCE_DIST_SRC ("Gaia", "parallax", "cluster" or blank); CLUSTER and positions; and the columns of the
        reference with REF_ before their names.

    Raises
    ------
    MissingInputError
        If the two tables can't be joined, or have no star in common.
    ColumnError
        If a column of `columns` is in neither table.
    InputError
        If the catalogue or the reference is no table.

    Examples
    --------
    >>> from skdistmass.validation import join_reference
    >>> catalog = Table({"APOGEE_ID": ["A", "B"], "DISTANCE": [1.0, 2.2], "LOGG": [2.5, 1.0]})
    >>> survey = Table({"APOGEE_ID": ["B"], "PARALLAX": [0.5], "PARALLAX_ERR": [0.02]})
    >>> join_reference(catalog, survey)["REFERENCE_DIST"].value
    array([nan,  2.])
    """
    if isinstance(catalog, str | PathLike):
        catalog = read_catalog(catalog)
    elif not is_table(catalog):
        raise InputError(f"catalog is a {type(catalog).__name__}; give a table with named columns, or a path.")
    # Columns are shared, not copied: the catalogue of a survey is large.
    stars = catalog if isinstance(catalog, Table) else {name: catalog[name] for name in column_names(catalog)}
    stars = Table(stars, copy=False)
    stars.meta = dict(getattr(catalog, "meta", None) or {})
    if reference is None:
        for name in columns:
            find_column(stars, name)
        distance = in_unit(stars, "GAIAEDR3_DIST", "kpc")
        source = np.where(np.isfinite(distance), "Gaia", "")
        return _with_distances(stars, distance, np.full(len(stars), np.nan), source)
    reference = _read_reference(reference, columns, stars)
    rows = _match(stars, reference)
    found = rows >= 0
    if not found.any() and len(stars):
        raise MissingInputError("no star of the catalogue is in the reference table; do their APOGEE_IDs agree?")
    distance, error, source = reference_distances(reference, TrainingCuts())
    distance, error = (np.where(found, values[rows], np.nan) for values in (distance, error))
    _with_distances(stars, distance, distance * error, np.where(found, source[rows], ""))
    for name in reference:
        if name.startswith(("MASS", "AGE")) or name in ("CLUSTER", "EVSTATE", *_POSITIONS, *columns):
            stars[f"REF_{name}"] = _taken(reference, name, rows, found)
    for name in ("CLUSTER", *_POSITIONS):
        if f"REF_{name}" in stars.colnames and name not in stars.colnames:
            stars[name] = stars[f"REF_{name}"]
    return stars


def _read_reference(reference: Any, columns: Sequence[str], catalog: Table) -> Stars:
    """Read the reference with the further columns that it has; the catalogue must have the others."""
    if not isinstance(reference, Stars | str | PathLike) and not is_table(reference):
        raise InputError(f"reference is a {type(reference).__name__}; give a table with named columns, or a path.")
    if not isinstance(reference, Stars):
        try:
            return as_stars(reference, columns=columns)
        except ColumnError:
            return as_stars(reference, columns=[name for name in columns if name not in catalog.colnames])
    for name in columns:
        if name not in catalog.colnames and name not in reference:
            find_column(dict.fromkeys([*catalog.colnames, *reference]), name)
    return reference


def _with_distances(stars: Table, distance: NDArray, error: NDArray, source: NDArray) -> Table:
    stars["REFERENCE_DIST"] = Column(distance, unit="kpc")
    stars["REFERENCE_DIST_ERR"] = Column(error, unit="kpc")
    stars["REFERENCE_DIST_SRC"] = source
    return stars


def _match(catalog: Table, reference: Stars) -> NDArray[np.intp]:
    """Return the row of the reference for each row of the catalogue, or -1."""
    ids, other = optional_text(catalog, "APOGEE_ID"), reference.text("APOGEE_ID")
    if len(ids) == len(other) and ((ids == other) | (ids == "") | (other == "")).all():
        return np.arange(len(ids))
    if (ids == "").all() or (other == "").all():
        raise MissingInputError(
            f"the catalogue has {len(ids)} rows, the reference {len(other)}, and one of them has no APOGEE_ID to "
            "join them by; add it, or give both the same rows."
        )
    unique, first = np.unique(other, return_index=True)
    at = np.minimum(np.searchsorted(unique, ids), len(unique) - 1)
    return np.where((unique[at] == ids) & (ids != ""), first[at], -1)


def _taken(reference: Stars, name: str, rows: NDArray, found: NDArray) -> Any:
    """Return a column of the reference for the rows of the catalogue; missing where a star was not found."""
    values, unit = reference[name][rows], reference.units.get(name)
    if values.dtype.kind == "U":
        return np.where(found, values, "")
    if values.dtype.kind == "f":
        return Column(np.where(found, values, np.nan), unit=unit)
    return MaskedColumn(values, mask=~found, unit=unit)


def in_unit(stars: Table, name: str, unit: str) -> NDArray[np.float64]:
    """Return a column in a unit: NaN where a value is missing, and everywhere if there is no such column.

    Raises
    ------
    InputError
        If the column states no unit, and its values show that it is in another one.
    """
    values = optional_floats(stars, name, unit)
    if name in stars.colnames and (getattr(stars[name], "unit", None) is None or unit == "dex(yr)"):
        seen = values[values > 0]
        low, high, likely = _PLAUSIBLE[unit]
        if len(seen) and (np.quantile(seen, 0.05) < low or np.median(seen) > high):
            raise InputError(
                f"column {name.removeprefix('REF_')} of {_where(name)} would be read in {unit}, but its median is "
                f"{np.median(seen):.6g}: it is likely in {likely}. Give the column its right unit."
            )
    return values


def require(stars: Table, *names: str) -> None:
    """Raise `MissingInputError` unless the stars have all these columns, each with a value for some star."""
    for name in names:
        if name not in stars.colnames:
            raise MissingInputError(f"there is no column {name.removeprefix('REF_')} in {_where(name)}")
        if stars[name].dtype.kind in "fiu" and not np.isfinite(optional_floats(stars, name)).any():
            raise MissingInputError(f"the column {name.removeprefix('REF_')} of {_where(name)} is empty")


def _where(name: str) -> str:
    if name.startswith("REFERENCE_DIST"):
        return "what is known of these stars: no Gaia distance, parallax or cluster distance"
    return "the reference table" if name.startswith("REF_") else "the catalogue"


def require_stars(n_stars: int, wanted: int, what: str) -> None:
    """Raise `MissingInputError` if there are fewer stars than a result needs."""
    if n_stars < wanted:
        raise MissingInputError(f"{n_stars} {what} (at least {wanted} needed)")


def column_of(stars: Table, name: str) -> str:
    """Return the name in the joined table of a further column: that of the reference, else the catalogue's."""
    return f"REF_{name}" if f"REF_{name}" in stars.colnames else name


def kiel(stars: Table) -> tuple[NDArray[np.float64], NDArray[np.float64], NDArray[np.float64]]:
    """Return Teff [K], log g [dex, cgs] and [M/H] [dex]."""
    require(stars, "TEFF", "LOGG", "M_H")
    return optional_floats(stars, "TEFF", "K"), optional_floats(stars, "LOGG"), optional_floats(stars, "M_H", "dex")


def carbon_to_nitrogen(stars: Table) -> NDArray[np.float64]:
    """Return [C/N] = [C/Fe] - [N/Fe] in dex."""
    require(stars, "C_FE", "N_FE")
    return optional_floats(stars, "C_FE", "dex") - optional_floats(stars, "N_FE", "dex")


def mass_scales(stars: Table) -> dict[str, str | None]:
    """Return {mass column of the catalogue: column of the reference to compare it with, or None}."""
    names = [n for n in stars.colnames if (n == "MASS" or n.startswith("MASS_")) and not n.endswith((*_ENDS, "_SPACE"))]
    names.sort(key=lambda name: name != "MASS")
    return {name: next((n for n in (f"REF_{name}", "REF_MASS") if n in stars.colnames), None) for name in names}


def age_columns(stars: Table) -> list[str]:
    """Return the names of the ages of the catalogue (log10 yr, if they state no unit)."""
    names = [n for n in stars.colnames if (n == "AGE" or n.startswith("AGE_")) and not n.endswith(_ENDS)]
    return sorted(names, key=lambda name: name != "AGE")


def first_age(stars: Table, name: str | None = None) -> str:
    """Return the name of an age column: `name`, or the first of the catalogue."""
    names = [name] if name else age_columns(stars)
    if not names:
        raise MissingInputError("there is no age in the catalogue")
    return names[0]


def reference_age_columns(stars: Table) -> list[str]:
    """Return the names of the ages of the reference."""
    return [n for n in stars.colnames if n.startswith("REF_AGE") and not n.endswith(_ENDS)]


def log_ages(stars: Table, name: str) -> NDArray[np.float64]:
    """Return an age column as log10 of the age in years.

    A column with a unit is converted: ``dex(yr)`` and dex are log10 of years, yr and Gyr are linear. Without a unit,
    the AGE columns of a catalogue are log10 of years, and all other columns are in Gyr.

    Raises
    ------
    InputError
        If the values of a column can't be ages in the unit that it would be read in.
    """
    unit = getattr(stars[name], "unit", None)
    # By name: the dex of a VOTable is another unit to astropy.
    if str(unit).startswith("dex") or (unit is None and name in age_columns(stars)):
        return in_unit(stars, name, "dex(yr)")
    values = in_unit(stars, name, "Gyr")
    return 9.0 + np.log10(np.where(values > 0, values, np.nan))


def cluster_rows(stars: Table) -> list[tuple[str, NDArray[np.intp], float]]:
    """Return (name, rows, adopted distance in kpc) of each cluster, sorted by name.

    The distance is NaN for a cluster that is not in Table 1 of the paper.
    """
    require(stars, "CLUSTER")
    text = optional_text(stars, "CLUSTER")
    table = load_clusters()
    number = match_clusters(text)
    names = np.where(number >= 0, np.asarray(table["NAME"])[number], text)
    found = []
    for name in np.unique(names[names != ""]):
        rows = np.flatnonzero(names == name)
        row = number[rows[0]]
        found.append((str(name), rows, float(table["DISTANCE"][row]) if row >= 0 else np.nan))
    if not found:
        raise MissingInputError("no star is marked as a member of a cluster (column CLUSTER)")
    return found


def galactocentric_radius(stars: Table) -> NDArray[np.float64]:
    """Return the distance from the axis of the Galaxy in kpc, in the Galactocentric frame of astropy.

    It is computed with REFERENCE_DIST, and with DISTANCE for stars that have none.
    """
    from astropy.coordinates import Galactocentric, SkyCoord

    distance = in_unit(stars, "REFERENCE_DIST", "kpc")
    distance = np.where(np.isfinite(distance), distance, in_unit(stars, "DISTANCE", "kpc"))
    names, frame = (("RA", "DEC"), "icrs") if "RA" in stars.colnames else (("GLON", "GLAT"), "galactic")
    require(stars, *names)
    longitude, latitude = (optional_floats(stars, name, "deg") for name in names)
    known = (distance > 0) & np.isfinite(longitude) & (np.abs(latitude) <= 90.0)
    radius = np.full(len(stars), np.nan)
    place = SkyCoord(longitude[known] * u.deg, latitude[known] * u.deg, distance[known] * u.kpc, frame=frame)
    place = place.transform_to(Galactocentric(galcen_distance=SUN_RADIUS * u.kpc))
    radius[known] = np.hypot(place.x, place.y).to_value(u.kpc)
    return radius
