"""The joined table: a catalogue, and beside each of its stars what is known of it from elsewhere."""

from collections.abc import Sequence
from os import PathLike
from typing import Any

import numpy as np
from astropy.table import Column, MaskedColumn, Table
from numpy.typing import NDArray

from skdistmass.catalog.provenance import read_cards
from skdistmass.exceptions import ColumnError, InputError
from skdistmass.photometry import distance_from_magnitude
from skdistmass.schema.bits import SPOILERS, QualityBit
from skdistmass.schema.limits import EXTINCTION_ERR
from skdistmass.surveys import Stars, as_stars, read_survey
from skdistmass.surveys.chunks import read_table
from skdistmass.surveys.layout import recognise
from skdistmass.surveys.quantities import quantity
from skdistmass.surveys.training_sets import TrainingCuts, reference_distances
from skdistmass.tables import column_names, find_column, is_table, optional_floats, optional_text
from skdistmass.validation.columns import in_unit
from skdistmass.validation.requirements import MissingInputError, require

__all__ = ["join_reference", "read_catalog"]

_POSITIONS = ("RA", "DEC", "GLON", "GLAT")


def read_catalog(path: str | PathLike) -> Table:
    """Read all columns of a catalogue file (FITS, VOTable, Parquet, ECSV or CSV, which its content tells).

    Raises
    ------
    FileFormatError
        If the file is absent, damaged or of another format.
    """
    catalog = read_table(path)
    if recognise(catalog.colnames).name == "distmass-dr17":
        # The published file has other names and units, which its layout knows.
        stars = read_survey(path)
        catalog = Table({n: Column(v, unit=_unit_of(n)) for n, v in stars.columns.items()})
    catalog.meta["SKDM_FILE"] = str(path)
    scale = read_cards(path).get("POSTSCAL")
    if scale is not None:
        catalog.meta["POSTSCAL"] = scale
    return catalog


def _unit_of(name: str) -> str | None:
    known = quantity(name)
    return known.unit or None if known is not None and known.kind == "number" else None


def join_reference(catalog: Any, reference: Any = None, *, columns: Sequence[str] = ()) -> Table:
    """Join a catalogue with what is known of its stars from elsewhere.

    Parameters
    ----------
    catalog : table or path-like
        A catalogue, with the columns of Table 2 of the paper.
    reference : Stars, table or path-like, optional
        Gaia distances or parallaxes, CLUSTER, MASS and MASS_*, AGE_* (Gyr, if no unit is stated) and positions of these
        stars, in any form that `skdistmass.surveys.as_stars` takes. It is joined row by row if it has as many rows as
        the catalogue and the APOGEE_IDs agree. Otherwise it is joined by APOGEE_ID; the first of equal ones counts.
    columns : sequence of str, default=()
        Further columns of `reference` or of `catalog` to compare with, such as distances of other catalogues.

    Returns
    -------
    stars : Table
        One row for each row of the catalogue: its columns; REFERENCE_DIST, REFERENCE_DIST_ERR [kpc] and
        REFERENCE_DIST_SRC ("Gaia", "parallax", "cluster" or blank); CLUSTER and positions; and the columns of the
        reference with ``REF_`` before their names.

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
    return _joined(stars, _read_reference(reference, columns, stars), columns)


def with_extinction(stars: Table, assumed: float) -> Table:
    """Return stars with distances for those that lack nothing for one but the extinction, of which A_K is assumed.

    DISTANCE and its intervals are given where ABS_MAG and MAG are there and EXTINCTION is not; the error of A_K is
    `assumed` itself, at least 0.02 mag. DISTANCE_BAD of FLAGS stays only where labels or the star are bad.
    """
    require(stars, "ABS_MAG", "MAG")
    names = ("ABS_MAG", "ABS_MAG_ERR", "MAG", "EXTINCTION")
    abs_mag, error, mag, extinction = (optional_floats(stars, name, "mag") for name in names)
    rows = np.isfinite(abs_mag + mag) & np.isnan(extinction)
    distance = distance_from_magnitude(abs_mag, mag, np.full(len(stars), assumed))
    error = np.hypot(error, max(assumed, EXTINCTION_ERR))
    found = {"DISTANCE": distance}
    for end, n_sigma in (("LO", -1.0), ("HI", 1.0), ("LO95", -2.0), ("HI95", 2.0)):
        found[f"DISTANCE_{end}"] = distance * 10.0 ** (0.2 * n_sigma * error)
    stars = stars.copy(copy_data=False)
    for name, values in found.items():
        stars[name] = Column(np.where(rows, values, optional_floats(stars, name, "kpc")), unit="kpc")
    if "FLAGS" in stars.colnames:
        flags = np.nan_to_num(optional_floats(stars, "FLAGS")).astype(np.int64)
        spoiled = flags & int(SPOILERS["DISTANCE"]) != 0
        flags[rows & ~spoiled] &= ~int(QualityBit.DISTANCE_BAD)
        flags[rows] |= int(QualityBit.EXTINCTION_FALLBACK | QualityBit.DISTANCE_WARN)
        stars["FLAGS"] = flags
    return stars


def _joined(stars: Table, reference: Stars, columns: Sequence[str]) -> Table:
    """Add the columns of the reference to a catalogue."""
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
    if isinstance(reference, Stars):
        for name in columns:
            find_column(dict.fromkeys([*reference, *catalog.colnames]), name)
        return reference
    if not isinstance(reference, str | PathLike) and not is_table(reference):
        raise InputError(f"reference is a {type(reference).__name__}; give a table with named columns, or a path.")
    wanted = [name for name in columns if name not in catalog.colnames or _has(reference, name)]
    if isinstance(reference, str | PathLike):
        return read_survey(reference, columns=wanted)
    return as_stars(reference, columns=wanted)


def _has(reference: Any, name: str) -> bool:
    if is_table(reference):
        return find_column(reference, name, required=False) is not None
    try:
        return bool(read_survey(reference, columns=[name], rows=slice(0, 1)))
    except ColumnError:
        return False


def _with_distances(stars: Table, distance: NDArray, error: NDArray, source: NDArray) -> Table:
    stars["REFERENCE_DIST"] = Column(distance, unit="kpc")
    stars["REFERENCE_DIST_ERR"] = Column(error, unit="kpc")
    stars["REFERENCE_DIST_SRC"] = source
    return stars


def _match(catalog: Table, reference: Stars) -> NDArray[np.intp]:
    """Return the row of the reference for each row of the catalogue, or -1."""
    ids, other = optional_text(catalog, "APOGEE_ID"), reference.text("APOGEE_ID")
    if len(ids) == 0:
        return np.zeros(0, int)
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
