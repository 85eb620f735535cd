"""A table in memory, of any layout, read to one set of quantities."""

from pathlib import Path
from typing import Any

import numpy as np

from skdistmass.exceptions import InputError
from skdistmass.surveys.layout import Layout, load_layout
from skdistmass.surveys.making import make_stars
from skdistmass.surveys.plan import make_plan
from skdistmass.surveys.plausibility import warn_of_impossible
from skdistmass.surveys.stars import Stars
from skdistmass.tables import column_names, number_of_rows

__all__ = ["as_stars"]


def as_stars(table: Any, layout: str | Path | Layout | None = None) -> Stars:
    """Give the columns of a table in memory their canonical names, units and missing values.

    Parameters
    ----------
    table : astropy Table, pandas DataFrame, structured array, mapping of columns, or Stars
        With the columns of any layout that `skdistmass.surveys.list_layouts` knows. What a table's metadata say of
        earlier reading is not used: columns that were joined since count as in any other table.
    layout : str, path-like or Layout, optional
        See `skdistmass.surveys.load_layout`; by default the one that the columns show.

    Returns
    -------
    stars : Stars
        As `skdistmass.surveys.read_survey` gives them.

    Raises
    ------
    ColumnError
        If a column is doubled, ambiguous or of the wrong type.
    UnitError
        If the unit of a column can't be converted, or its values can't be in that unit.

    Warns
    -----
    ImpossibleValueWarning
        If values are outside the possible range; they are missing in the result.

    Examples
    --------
    >>> from skdistmass.surveys import as_stars
    >>> as_stars({"TEFF": [4800.0], "GAIAEDR3_R_MED_PHOTOGEO": [1500.0]})["GAIAEDR3_DIST"]
    array([1.5])
    """
    if isinstance(table, Stars):
        return table
    names = [str(name) for name in column_names(table)]
    n_rows = number_of_rows(table)
    plan = make_plan(names, None if layout is None else load_layout(layout))
    columns, units = {}, {}
    for name in plan.needed:
        column = table[name]
        units[name] = getattr(column, "unit", None)
        columns[name] = _in_memory(column)
    stars = make_stars(plan, columns, units, n_rows, table="table")
    warn_of_impossible(stars.impossible)
    return stars


def _in_memory(column: Any) -> Any:
    """Return a column of any library as a numpy array, masked where it is missing."""
    mask = getattr(column, "mask", None)
    mask = None if callable(mask) else mask
    if hasattr(column, "unmasked"):
        column = column.unmasked
    if hasattr(column, "to_value"):
        column = column.value
    if hasattr(column, "to_numpy"):
        column = column.to_numpy(dtype=None)
    if isinstance(column, np.ma.MaskedArray):
        return np.ma.MaskedArray(column)
    try:
        values = np.asarray(column)
    except ValueError as error:  # rows of unequal lengths
        raise InputError(f"a column can't be made an array: {error}.") from error
    return values if mask is None else np.ma.MaskedArray(values, mask=mask)
