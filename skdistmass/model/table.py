"""A table of the columns of a catalogue, with units, descriptions and UCDs."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING

from numpy.typing import NDArray

from skdistmass.schema.columns import layout

if TYPE_CHECKING:
    from astropy.table import Table

__all__ = ["to_table"]


def to_table(columns: Mapping[str, NDArray], scales: Iterable[str]) -> Table:
    """Return the columns that the schema knows, in its order and types.

    Parameters
    ----------
    columns : dict of ndarray
        By name; others are left out.
    scales : iterable of str
        Names of the mass scales.

    Returns
    -------
    table : Table
    """
    from astropy.table import Column, Table

    table = Table()
    for schema in layout(scales):
        if schema.name in columns:
            values = columns[schema.name]
            values = values if schema.dtype.startswith("U") else values.astype(schema.dtype)
            table[schema.name] = Column(
                values, unit=schema.unit, description=schema.description, meta={"ucd": schema.ucd}
            )
    return table
