"""A table in memory, of any layout, read to one set of quantities."""

from collections.abc import Mapping, Sequence
from os import PathLike
from typing import Any

import numpy as np

from skdistmass.surveys.layout import Layout, load_layout
from skdistmass.surveys.making import make_stars
from skdistmass.surveys.plan import make_plan
from skdistmass.surveys.plausibility import warn_of_impossible
from skdistmass.surveys.stars import Stars
from skdistmass.tables import column_names, number_of_rows, values_and_mask


def as_stars(
    table: Any,
    layout: str | PathLike[str] | Layout | None = None,
    *,
    columns: Sequence[str] = (),
    units: Mapping[str, str] | None = None,
) -> Stars:
    """Give the columns of a table in memory their canonical names, units and missing values, as `read_survey` does.

    Parameters
    ----------
    table : astropy Table, pandas DataFrame, structured array, mapping of columns, or Stars
        With the columns of any layout that `skdistmass.surveys.list_layouts` knows. What a table's metadata say of
        earlier reading is not used: columns that were joined since count as in any other table.
    layout : str, path-like or Layout, optional
        See `skdistmass.surveys.load_layout`; by default the one that the columns show.
    columns : sequence of str, optional
        Further columns to keep, under their own names.
    units : mapping of str, optional
        Units of columns that do not have one themselves, such as those of a data frame.

    Raises
    ------
    ColumnError, UnitError
        As `skdistmass.surveys.read_survey`.

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
    names, n_rows = [str(name) for name in column_names(table)], number_of_rows(table)
    plan = make_plan(names, None if layout is None else load_layout(layout), columns)
    known: dict[str, Any] = {}
    read: dict[str, Any] = {}
    for name in plan.needed:
        column = table[name]
        known[name] = getattr(column, "unit", None) or (units or {}).get(name)
        values, mask = values_and_mask(column, name)
        read[name] = np.ma.MaskedArray(values, mask=mask) if mask.any() else values
    stars = make_stars(plan, read, known, n_rows, table="table")
    warn_of_impossible(stars.impossible)
    return stars
