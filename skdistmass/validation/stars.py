"""The stars of a catalogue with what is known of them from elsewhere beside them, and columns taken out of them."""

from pathlib import Path

import numpy as np
from astropy import units as u
from astropy.table import Column, MaskedColumn, Table

from skdistmass.exceptions import InputError
from skdistmass.surveys import load_clusters, match_clusters, read_survey
from skdistmass.surveys.files import open_table
from skdistmass.surveys.training_sets import TrainingCuts, optional_text, reference_distances
from skdistmass.tables import as_floats, column_names, find_column, is_table

__all__ = [
    "MissingInputError",
    "age_columns",
    "carbon_to_nitrogen",
    "cluster_rows",
    "floats",
    "galactocentric_radius",
    "join_reference",
    "log_ages",
    "mass_scales",
    "read_catalog",
    "reference_age_columns",
    "require",
    "require_stars",
]

SUN_RADIUS = 8.122  # kpc (GRAVITY Collaboration 2018, A&A 615, L15); astropy's default as well
_POSITIONS = ("RA", "DEC", "GLON", "GLAT")
_ENDS = ("_ERR", "_LO", "_HI", "_ELO", "_EHI", "_SRC", "_FLAG")


class MissingInputError(InputError):
    """A check or figure that needs a column, or stars, that the tables do not have."""


def read_catalog(path):
    """Read a catalogue file of any format (FITS, VOTable, Parquet, ECSV, CSV), whole.

    Parameters
    ----------
    path : path-like
        The file, told apart by content.

    Returns
    -------
    catalog : Table

    Raises
    ------
    FileFormatError
        If the file is absent, damaged or of another kind.
    """
    with open_table(path) as file:
        file.load(file.names)
        return Table({name: file.column(name) for name in file.names}, meta={"SKDM_FILE": str(path)})


def join_reference(catalog, reference=None, *, columns=()):
    """Put what is known of a catalogue's stars from elsewhere beside them.

    Parameters
    ----------
    catalog : Table or path-like
        A catalogue, with the columns of Table 2 of the paper.
    reference : Table or path-like, optional
        What `skdistmass.surveys.read_survey` gives for these stars, or the path of a file that it reads: Gaia
        distances or parallaxes, CLUSTER, MASS and MASS_*, AGE_* (Gyr unless a unit says otherwise), positions.
        It is joined row by row if it has as many rows as the catalogue and the APOGEE_IDs agree, else by APOGEE_ID
        (the first of equal ones).
    columns : sequence of str, default=()
        Further columns of `reference` that are wanted, as other catalogues' distances.

    Returns
    -------
    stars : Table
        One row per row of the catalogue: its columns; REFERENCE_DIST, REFERENCE_DIST_ERR [kpc] and
        REFERENCE_DIST_SRC ("Gaia", "parallax", "cluster" or blank); CLUSTER and positions; and the reference's own
        columns with REF_ before their names.

    Raises
    ------
    MissingInputError
        If the two tables can't be joined, or no star is in both.
    ColumnError
        If a column of `columns` is in neither table.

    Examples
    --------
    >>> from skdistmass.validation import join_reference
    >>> catalog = Table({"APOGEE_ID": ["A", "B"], "DISTANCE": [1.0, 2.2], "LOGG": [2.5, 1.0]})
    >>> survey = Table({"APOGEE_ID": ["B"], "PARALLAX": [0.5], "PARALLAX_ERR": [0.02]})
    >>> join_reference(catalog, survey)["REFERENCE_DIST"].value
    array([nan,  2.])
    """
    catalog = read_catalog(catalog) if isinstance(catalog, str | Path) else _as_table(catalog, "catalog")
    if reference is not None:
        reference = read_survey(reference) if isinstance(reference, str | Path) else _as_table(reference, "reference")
    # Columns are shared, not copied: a survey's catalogue is large.
    stars = Table(catalog, copy=False)
    stars.meta = dict(catalog.meta)
    if reference is None:
        _missing_columns(catalog, (), columns)
        distance = floats(catalog, "GAIAEDR3_DIST", "kpc")
        source = np.where(np.isfinite(distance), "Gaia", "")
        return _with_distances(stars, distance, np.full(len(stars), np.nan), source)
    rows = _match(catalog, reference)
    found = rows >= 0
    if not found.any() and len(catalog):
        raise MissingInputError("no star of the catalogue is in the reference table; do their APOGEE_IDs agree?")
    _missing_columns(catalog, reference.colnames, columns)
    distance, error, source = reference_distances(reference, TrainingCuts())
    distance, error = (np.where(found, values[rows], np.nan) for values in (distance, error))
    _with_distances(stars, distance, distance * error, np.where(found, source[rows], ""))
    for name in reference.colnames:
        if _is_wanted(name) or name in columns:
            stars[f"REF_{name}"] = _taken(reference[name], rows, found)
    for name in ("CLUSTER", *_POSITIONS):
        if f"REF_{name}" in stars.colnames and name not in stars.colnames:
            stars[name] = stars[f"REF_{name}"]
    return stars


def _as_table(table, name):
    if isinstance(table, Table):
        return table
    if not is_table(table):
        raise InputError(f"{name} is a {type(table).__name__}; give a table with named columns, or a path.")
    return Table({column: table[column] for column in column_names(table)})


def _missing_columns(catalog, names, wanted):
    for name in wanted:
        if name not in catalog.colnames and name not in names:
            find_column(dict.fromkeys([*catalog.colnames, *names]), name)


def _with_distances(stars, distance, error, source):
    stars["REFERENCE_DIST"] = Column(distance, unit="kpc")
    stars["REFERENCE_DIST_ERR"] = Column(error, unit="kpc")
    stars["REFERENCE_DIST_SRC"] = source
    return stars


def _match(catalog, reference):
    """Return the row of the reference for each row of the catalogue, or -1."""
    ids, other = optional_text(catalog, "APOGEE_ID"), optional_text(reference, "APOGEE_ID")
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


def _is_wanted(name):
    return name.startswith(("MASS", "AGE")) or name in ("CLUSTER", "EVSTATE", *_POSITIONS)


def _taken(column, rows, found):
    """Rows of a column; missing where a star was not found."""
    values = column[rows]
    if values.dtype.kind in "f" and not isinstance(values, MaskedColumn):
        return np.where(found, values, np.nan) if values.unit is None else _with_nan(values, found)
    if values.dtype.kind in "SU":
        return np.where(found, np.ma.filled(np.ma.asarray(values), ""), "")
    return MaskedColumn(values, mask=~found | np.ma.getmaskarray(np.ma.asarray(values)), unit=values.unit)


def _with_nan(column, found):
    return Column(np.where(found, np.asarray(column), np.nan), unit=column.unit)


def floats(stars, name, unit=None):
    """Return a column as floats, NaN where missing; NaN for every star if there is no such column."""
    if name not in column_names(stars):
        return np.full(len(stars), np.nan)
    return as_floats(stars[name], unit, name=name, high_sentinels=False)


def require(stars, *names):
    """Raise `MissingInputError` unless the stars have all these columns, each with a value somewhere."""
    for name in names:
        if name not in stars.colnames:
            raise MissingInputError(f"there is no column {name.removeprefix('REF_')} in {_where(name)}")
        if stars[name].dtype.kind in "fiu" and not np.isfinite(floats(stars, name)).any():
            raise MissingInputError(f"the column {name.removeprefix('REF_')} of {_where(name)} is empty")


def _where(name):
    if name.startswith("REFERENCE_DIST"):
        return "what is known of these stars: no Gaia distance, parallax or cluster distance"
    return "the reference table" if name.startswith("REF_") else "the catalogue"


def require_stars(n_stars, wanted, what):
    """Raise `MissingInputError` if there are fewer stars than a result needs."""
    if n_stars < wanted:
        raise MissingInputError(f"{n_stars} {what} (at least {wanted} needed)")


def carbon_to_nitrogen(stars):
    """Return [C/N] = [C/Fe] - [N/Fe] in dex."""
    require(stars, "C_FE", "N_FE")
    return floats(stars, "C_FE", "dex") - floats(stars, "N_FE", "dex")


def mass_scales(stars):
    """Return {mass column of the catalogue: column of the reference that it is to be held against, or None}."""
    names = [n for n in stars.colnames if (n == "MASS" or n.startswith("MASS_")) and not n.endswith((*_ENDS, "_SPACE"))]
    names.sort(key=lambda name: name != "MASS")

    def reference(name):
        return next((n for n in (f"REF_{name}", "REF_MASS") if n in stars.colnames), None)

    return {name: reference(name) for name in names}


def age_columns(stars):
    """Return the names of the catalogue's ages (log10 yr)."""
    names = [n for n in stars.colnames if (n == "AGE" or n.startswith("AGE_")) and not n.endswith(_ENDS)]
    return sorted(names, key=lambda name: name != "AGE")


def reference_age_columns(stars):
    """Return the names of the reference's ages."""
    return [n for n in stars.colnames if n.startswith("REF_AGE") and not n.endswith(_ENDS)]


def log_ages(stars, name):
    """Return an age column as log10 of the age in years.

    The catalogue's own AGE columns are log10 yr. Others are in the unit they state, log10 yr if that is ``dex(yr)``
    or dex, and in Gyr if they state none.
    """
    column = stars[name]
    unit = getattr(column, "unit", None)
    # By name: the dex of a VOTable is a unit of its own to astropy.
    if str(unit).startswith("dex") or (unit is None and name in age_columns(stars)):
        return floats(stars, name)
    values = floats(stars, name, "Gyr")
    return 9.0 + np.log10(np.where(values > 0, values, np.nan))


def cluster_rows(stars):
    """Return (name, rows, adopted distance in kpc) of each cluster of Table 1 or not, by name.

    The distance is NaN for a cluster that is not in Table 1.
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


def galactocentric_radius(stars):
    """Return the distance from the Galactic axis in kpc, in astropy's Galactocentric frame.

    Distances are REFERENCE_DIST, else DISTANCE.
    """
    from astropy.coordinates import Galactocentric, SkyCoord

    distance = floats(stars, "REFERENCE_DIST", "kpc")
    distance = np.where(np.isfinite(distance), distance, floats(stars, "DISTANCE", "kpc"))
    names, frame = (("RA", "DEC"), "icrs") if "RA" in stars.colnames else (("GLON", "GLAT"), "galactic")
    require(stars, *names)
    longitude, latitude = (floats(stars, name, "deg") for name in names)
    known = np.isfinite(distance) & np.isfinite(longitude) & np.isfinite(latitude)
    radius = np.full(len(stars), np.nan)
    place = SkyCoord(longitude[known] * u.deg, latitude[known] * u.deg, distance[known] * u.kpc, frame=frame)
    place = place.transform_to(Galactocentric(galcen_distance=SUN_RADIUS * u.kpc))
    radius[known] = np.hypot(place.x, place.y).to_value(u.kpc)
    return radius
