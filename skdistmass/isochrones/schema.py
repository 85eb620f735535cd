"""One table schema for all stellar models.

Every reader of this package returns an astropy `Table` with the columns of `COLUMNS`, in their order and units. Its
rows run along each isochrone in order of initial mass (of age, for an evolutionary track), isochrone after isochrone.
The metadata say where the numbers come from.
"""

from dataclasses import dataclass
from enum import IntEnum

import numpy as np

from skdistmass.exceptions import ColumnError, InputError
from skdistmass.isochrones.imf import imf_weights
from skdistmass.tables import as_floats, find_column

__all__ = ["COLUMNS", "IsochroneColumn", "Phase", "check_isochrone_table", "isochrone_slices", "isochrone_table"]


class Phase(IntEnum):
    """Evolutionary phases, in the order a star goes through them.

    The codes are those of MIST (Dotter 2016), which leaves 1 unused because it does not tell the subgiant
    branch from the red giant branch: both are `RGB` in a MIST table.
    """

    UNKNOWN = -9
    PMS = -1
    MS = 0
    SGB = 1
    RGB = 2
    CHEB = 3
    EAGB = 4
    TPAGB = 5
    POST_AGB = 6
    WR = 9


@dataclass(frozen=True)
class IsochroneColumn:
    """One column of the schema.

    Attributes
    ----------
    name : str
        Column name.
    unit : str or None
        Unit of the plain number, in astropy's notation.
    description : str
        What it is, in words.
    required : bool
        Whether a NaN in it makes the row useless; other columns may hold NaN.
    """

    name: str
    unit: str | None
    description: str
    required: bool = True


COLUMNS = (
    IsochroneColumn("initial_mass", "Msun", "mass at birth"),
    IsochroneColumn("current_mass", "Msun", "mass now", required=False),
    IsochroneColumn("log_age", "dex(yr)", "log10 of the age"),
    IsochroneColumn("feh", "dex", "initial metallicity of the models: [Fe/H], or [M/H] where alpha/Fe is solar"),
    IsochroneColumn("log_teff", "dex(K)", "log10 of the effective temperature"),
    IsochroneColumn("logg", "dex(cm s-2)", "surface gravity log g"),
    IsochroneColumn("log_l", "dex(Lsun)", "log10 of the luminosity"),
    IsochroneColumn("phase", None, "evolutionary phase, see Phase"),
    IsochroneColumn("ks", "mag", "absolute 2MASS Ks magnitude, NaN when the file has none", required=False),
    IsochroneColumn(
        "imf_weight", "1 / Msun", "stars the row stands for, per solar mass of stars formed", required=False
    ),
)


def isochrone_table(columns, *, meta, kind="isochrones", extra=None):
    """Make a table of the schema from plain columns.

    Parameters
    ----------
    columns : dict of array-like
        Values by column name, in the schema's units; `imf_weight` and `ks` may be left out.
    meta : dict
        Where the models come from; see Notes.
    kind : {"isochrones", "track"}, default="isochrones"
        On an evolutionary track the IMF has no meaning: `imf_weight` is NaN.
    extra : dict of array-like, optional
        Columns beyond the schema, appended as they are.

    Returns
    -------
    table : astropy.table.Table
        Rows in the order given.

    Notes
    -----
    Metadata: `kind`; `source` ("MIST", "PARSEC", ...) and `version`; `files`, the list of file names read;
    `alpha_fe`, `v_vcrit` (rotation) and `photometric_system`, None when the file does not say.

    The weight of a row is the number of stars, by the Kroupa (2001) initial mass function, between the middles of the
    intervals of initial mass to its neighbours on the same isochrone, per solar mass of stars formed between 0.01 and
    120 Msun.

    Examples
    --------
    >>> from skdistmass.isochrones import isochrone_table
    >>> table = isochrone_table(
    ...     dict(initial_mass=[0.9, 1.0, 1.1], current_mass=[0.9, 1.0, 1.1], log_age=[9.5] * 3, feh=[0.0] * 3,
    ...          log_teff=[3.74, 3.76, 3.78], logg=[4.5, 4.4, 4.3], log_l=[-0.3, 0.0, 0.3], phase=[0, 0, 0]),
    ...     meta={"source": "by hand"})
    >>> table["imf_weight"].unit, len(table)
    (Unit("1 / solMass"), 3)
    """
    from astropy.table import Column, Table

    values = {name: np.asarray(value) for name, value in columns.items()}
    n_rows = len(values["initial_mass"])
    values.setdefault("ks", np.full(n_rows, np.nan))
    table = Table(meta={"kind": kind, **meta})
    for column in COLUMNS:
        if column.name == "imf_weight":
            continue
        dtype = np.int64 if column.name == "phase" else np.float64
        table[column.name] = Column(values[column.name].astype(dtype), unit=column.unit, description=column.description)
    if "imf_weight" in values:
        weight = values["imf_weight"].astype(np.float64)
    elif kind == "track":
        weight = np.full(n_rows, np.nan)
    else:
        weight = np.zeros(n_rows)
        for rows in isochrone_slices(table):
            weight[rows] = imf_weights(values["initial_mass"][rows])
    table["imf_weight"] = Column(weight, unit=COLUMNS[-1].unit, description=COLUMNS[-1].description)
    for name, value in (extra or {}).items():
        table[name] = value
    return table


def isochrone_slices(table):
    """Return the rows of each isochrone as slices: runs of rows with one age and one metallicity.

    Parameters
    ----------
    table : astropy.table.Table
        A table of the schema. If its metadata say ``kind="track"``, the runs are those of one initial mass
        and one metallicity instead.

    Returns
    -------
    slices : list of slice
        In the order of the rows; together they cover the table.

    Raises
    ------
    InputError
        If the rows of one isochrone are not next to each other.
    """
    second = "initial_mass" if getattr(table, "meta", {}).get("kind") == "track" else "log_age"
    key, feh = np.asarray(table[second], dtype=float), np.asarray(table["feh"], dtype=float)
    if len(key) == 0:
        return []
    starts = np.flatnonzero(np.r_[True, (np.diff(key) != 0) | (np.diff(feh) != 0)])
    heads = np.column_stack([feh[starts], key[starts]])
    if len(np.unique(heads, axis=0)) < len(heads):
        raise InputError(
            "rows of one isochrone (or track) are not next to each other, or one occurs twice; sort the table by "
            "metallicity, age and initial mass, and drop what occurs twice."
        )
    return [slice(int(a), int(b)) for a, b in zip(starts, np.r_[starts[1:], len(key)], strict=True)]


def check_isochrone_table(table, *, need=()):
    """Check a table against the schema and return its columns as plain arrays.

    Parameters
    ----------
    table : table
        A table of the schema: what the readers return, or one with the same columns.
    need : sequence of str, default=()
        Columns that must hold a number at least somewhere, beside the required ones.

    Returns
    -------
    columns : dict of ndarray
        Every column of the schema in its unit as float64, `phase` as int64.

    Raises
    ------
    ColumnError
        If a column is absent, not numeric, holds no number at all, or a required one holds NaN.
    InputError
        If the table has no rows.
    UnitError
        If a unit can't be converted.
    """
    columns = {}
    for column in COLUMNS:
        found = find_column(table, column.name)
        values = as_floats(table[found], column.unit, name=found, sentinels=False)
        if len(values) == 0:
            raise InputError("the isochrone table has no rows; read some isochrones first.")
        missing = ~np.isfinite(values)
        if column.required and missing.any():
            raise ColumnError(
                f"column {found} of the isochrone table has no value in {int(missing.sum())} rows, the first "
                f"of them row {int(np.flatnonzero(missing)[0])}; drop these rows."
            )
        if column.name in need and missing.all():
            raise ColumnError(f"column {found} of the isochrone table holds no values, but is needed here.")
        columns[column.name] = values.astype(np.int64) if column.name == "phase" else values
    return columns
