"""The five labels: names, units, ranges and sentinels; any table to a plain float array.

Everything that enters the package from outside comes through here: astropy tables (masked, with units or without,
big-endian as FITS delivers them), pandas frames, structured arrays, dictionaries of columns and plain arrays all end
as native float64 with NaN where a value is missing. This module imports nothing else of the package but its errors.
"""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from skdistmass.exceptions import ColumnError, InputError, UnitError

__all__ = [
    "HIGH_SENTINELS",
    "LABELS",
    "LABEL_NAMES",
    "LOWEST_VALUE",
    "SENTINEL_TOLERANCE",
    "Label",
    "LabelColumns",
    "as_floats",
    "column_names",
    "find_column",
    "get_column",
    "is_null",
    "is_sentinel",
    "is_table",
    "out_of_range",
    "read_labels",
]


@dataclass(frozen=True)
class Label:
    """One spectroscopic label.

    Attributes
    ----------
    name : str
        Column name, as in Table 2 of the paper.
    unit : str
        Unit of the plain number, in astropy's notation; ``"dex"`` for logarithmic ratios.
    description : str
        What it is, in words.
    minimum, maximum : float
        Range of physically and instrumentally possible values; a number beyond it is a mistake, not a star.
    aliases : tuple of str
        Other column names that may stand in for it, in order of preference.
    """

    name: str
    unit: str
    description: str
    minimum: float
    maximum: float
    aliases: tuple[str, ...] = ()


LABELS = (
    Label("TEFF", "K", "effective temperature", 2000.0, 60000.0),
    Label("LOGG", "dex(cm s-2)", "surface gravity log g", -1.5, 7.0),
    Label("M_H", "dex", "metallicity [M/H]", -5.0, 2.0, aliases=("FE_H",)),
    Label("C_FE", "dex", "carbon abundance [C/Fe]", -4.0, 4.0),
    Label("N_FE", "dex", "nitrogen abundance [N/Fe]", -4.0, 4.0),
)
LABEL_NAMES = tuple(label.name for label in LABELS)

#: Placeholders for "no value" in survey files. Every quantity met here is far above -999, so all numbers at or below it
#: are placeholders; the positive ones are known by their value, to a relative tolerance that allows for float32.
LOWEST_VALUE = -999.0
SENTINEL_TOLERANCE = 2e-7
HIGH_SENTINELS = np.array([99.0, 99.9, 99.99, 99.999, 999.0, 999.9, 999.99, 9999.0, 9999.99, 999999.0])


def is_sentinel(values, *, high=True):
    """Tell which numbers are survey placeholders for a missing value.

    Parameters
    ----------
    values : ndarray of float
        Numbers of any shape.
    high : bool, default=True
        Whether positive placeholders (99, 99.99, 999 ...) count. They do for labels, magnitudes and extinctions; for
        angles and identifiers, where 99 is a value like any other, pass False.

    Returns
    -------
    mask : ndarray of bool
        True where the number is a placeholder. NaN and infinity are not placeholders.

    Examples
    --------
    >>> import numpy as np
    >>> from skdistmass.labels import is_sentinel
    >>> is_sentinel(np.array([4750.0, -9999.99, 99.99, 0.1]))
    array([False,  True,  True, False])
    """
    values = np.asarray(values)
    mask = np.asarray(values <= LOWEST_VALUE)
    if high:
        # Cheap test first: on a survey's labels hardly any value is near a placeholder.
        candidates = np.asarray(values >= HIGH_SENTINELS[0] - 1e-4)
        if candidates.any():
            found = values[candidates].astype(np.float64)
            near = np.abs(found[:, None] - HIGH_SENTINELS) <= SENTINEL_TOLERANCE * HIGH_SENTINELS
            mask[candidates] = near.any(axis=1)
    return mask


def is_table(X):
    """Tell whether `X` has named columns: an astropy table, a data frame, a structured array or a mapping."""
    if isinstance(X, np.ndarray):
        return X.dtype.names is not None
    if type(X).__module__.startswith("scipy.sparse"):  # some are mappings, of positions to values
        return False
    return isinstance(X, Mapping) or hasattr(X, "colnames") or hasattr(X, "columns")


def column_names(table):
    """Return the names of a table's columns as a list of str.

    Raises
    ------
    ColumnError
        If two columns have the same name.
    """
    if isinstance(table, np.ndarray):
        names = list(table.dtype.names)
    elif hasattr(table, "colnames"):
        names = list(table.colnames)
    elif isinstance(table, Mapping):
        names = list(table)
    else:
        names = list(table.columns)
    doubled = sorted({str(name) for name in names if names.count(name) > 1}) if len(set(names)) < len(names) else []
    if doubled:
        raise ColumnError(f"column {', '.join(doubled)} occurs more than once; rename or drop one of them.")
    return names


def get_column(table, name):
    """Return one column of a table, unconverted."""
    return table[name]


def find_column(table, name, aliases=(), *, required=True):
    """Find a column by name, by the same name in other letter case, or by an alias.

    Parameters
    ----------
    table : table
        Anything for which `is_table` is true.
    name : str
        The wanted column.
    aliases : sequence of str, default=()
        Names that may stand in for it, in order of preference.
    required : bool, default=True
        Whether an absent column is an error. If not, None is returned.

    Returns
    -------
    found : str or None
        The column's name in this table.

    Raises
    ------
    ColumnError
        If the column is absent, or if two columns differ from the wanted name in letter case only.
    """
    names = column_names(table)
    for candidate in (name, *aliases):
        if candidate in names:
            return candidate
        similar = [n for n in names if isinstance(n, str) and n.lower() == candidate.lower()]
        if len(similar) > 1:
            raise ColumnError(f"columns {', '.join(similar)} could all be {candidate}; rename or drop all but one.")
        if similar:
            return similar[0]
    if not required:
        return None
    wanted = " (or ".join((name, *aliases)) + ")" * len(aliases)
    shown = ", ".join(map(str, names[:40])) + (f" and {len(names) - 40} more" if len(names) > 40 else "")
    raise ColumnError(f"no column {wanted}; the table has: {shown or 'no columns'}. Rename the column that holds it.")


def _convert(values, own_unit, unit, name):
    """Convert plain values from a column's own unit to the wanted one."""
    from astropy import units as u

    own_unit, wanted = u.Unit(own_unit), u.Unit(unit)
    logarithmic = wanted == u.dex or getattr(wanted, "function_unit", None) == u.dex
    if own_unit == wanted or (logarithmic and own_unit in (u.dimensionless_unscaled, u.dex)):
        return values
    try:
        # Asked of the unit, because a Quantity of a logarithmic one can't be made.
        return own_unit.to(wanted, values, equivalencies=u.temperature())
    except (u.UnitConversionError, ValueError) as error:  # an unrecognised unit raises ValueError
        raise UnitError(
            f"column {name} has the unit {own_unit}, which can't be converted to {wanted}; "
            "give it in a unit of that kind, or without a unit if the numbers are right as they are."
        ) from error


def as_floats(column, unit=None, *, name="values", sentinels=True, high_sentinels=True):
    """Turn a column into native float64, NaN where the value is missing.

    Parameters
    ----------
    column : array-like, Column, MaskedColumn, Quantity or Series
        Numbers of any shape; masked, big-endian and nullable ones included.
    unit : str or astropy unit, optional
        Unit to convert to, if the column has a unit of its own. A column without one is taken as it is.
    name : str, default="values"
        Name used in error messages.
    sentinels : bool, default=True
        Whether survey placeholders become NaN; infinite values do in any case.
    high_sentinels : bool, default=True
        Whether the positive placeholders are among them; see `is_sentinel`.

    Returns
    -------
    values : ndarray of float64
        A new array of the column's shape.

    Raises
    ------
    ColumnError
        If the column does not hold numbers.
    UnitError
        If the unit can't be converted.

    Examples
    --------
    >>> from astropy import units as u
    >>> from skdistmass.labels import as_floats
    >>> as_floats([4.75, 5.1] * u.kK, "K")
    array([4750., 5100.])
    >>> as_floats([0.1, -9999.0])
    array([0.1, nan])
    """
    own_unit = getattr(column, "unit", None)
    mask = getattr(column, "mask", None) if own_unit is not None or isinstance(column, np.ma.MaskedArray) else None
    if hasattr(column, "unmasked"):
        column = column.unmasked
    if hasattr(column, "to_value"):  # a Quantity
        column = column.value
    if hasattr(column, "to_numpy"):
        column = column.to_numpy(dtype=None)
    raw = np.ma.getdata(column) if isinstance(column, np.ma.MaskedArray) else np.asarray(column)
    if raw.dtype.kind == "O":
        raw = np.array([np.nan if is_null(value) else value for value in raw.ravel()]).reshape(raw.shape)
    if raw.dtype.kind not in "fiub":
        raise ColumnError(f"column {name} holds {raw.dtype} values, not numbers.")
    values = raw.astype(np.float64)
    if mask is not None:
        values[np.broadcast_to(mask, values.shape)] = np.nan
    # Placeholders are numbers in the unit of the file: they are looked for before it is converted.
    bad = np.isinf(values)
    if sentinels:
        bad |= is_sentinel(values, high=high_sentinels)
    values[bad] = np.nan
    return values if own_unit is None or unit is None else _convert(values, own_unit, unit, name)


def is_null(value):
    """Tell whether an object of an object array stands for a missing value: None, pandas.NA, a masked constant."""
    return value is None or value is np.ma.masked or type(value).__name__ in ("NAType", "NaTType")


@dataclass(frozen=True)
class LabelColumns:
    """Labels read from a table: the numbers, and which columns they came from.

    Attributes
    ----------
    values : ndarray of shape (n_stars, n_labels)
        The labels in their units, NaN where missing.
    columns : dict
        Label name to the name of the column it was read from, as when [Fe/H] stands in for [M/H].
    """

    values: np.ndarray
    columns: dict[str, str]


def read_labels(table, names=LABEL_NAMES, *, prefer=None):
    """Read labels from a table by column name.

    Parameters
    ----------
    table : table
        Anything for which `is_table` is true.
    names : sequence of str, default=LABEL_NAMES
        The labels wanted, in order.
    prefer : dict, optional
        Label name to the column to use if the table has it: what a model was trained on.

    Returns
    -------
    labels : LabelColumns
        Values of shape (n_stars, n_labels), and the columns used.

    Raises
    ------
    ColumnError
        If a column is absent, doubled, ambiguous, or does not hold numbers.
    UnitError
        If a column's unit can't be converted to the label's.

    Examples
    --------
    >>> from skdistmass.labels import read_labels
    >>> labels = read_labels({"TEFF": [4800.0], "LOGG": [2.5], "FE_H": [-0.1]}, names=("TEFF", "LOGG", "M_H"))
    >>> labels.values
    array([[ 4.8e+03,  2.5e+00, -1.0e-01]])
    >>> labels.columns["M_H"]
    'FE_H'
    """
    known = {label.name: label for label in LABELS}
    columns, values = {}, []
    for name in names:
        label = known.get(name, Label(name, None, name, -np.inf, np.inf))
        candidates = (label.name, *label.aliases)
        preferred = (prefer or {}).get(name)
        if preferred is not None:
            candidates = (preferred, *(c for c in candidates if c != preferred))
        columns[name] = find_column(table, candidates[0], candidates[1:])
        column = as_floats(get_column(table, columns[name]), label.unit, name=columns[name])
        if column.ndim != 1:
            raise ColumnError(f"column {columns[name]} has shape {column.shape}; one number per star is needed.")
        values.append(column)
    lengths = {len(column) for column in values}
    if len(lengths) > 1:
        raise InputError(
            "the label columns differ in length: "
            + ", ".join(f"{columns[n]} has {len(v)}" for n, v in zip(names, values, strict=True))
        )
    return LabelColumns(np.column_stack(values) if values else np.empty((0, 0)), columns)


def out_of_range(values, names=LABEL_NAMES):
    """Tell which labels lie outside what a star can have.

    Parameters
    ----------
    values : ndarray of shape (n_stars, n_labels)
        Labels in their units.
    names : sequence of str, default=LABEL_NAMES
        Names of the columns of `values`.

    Returns
    -------
    mask : ndarray of bool, shape (n_stars, n_labels)
        True where a value is beyond `Label.minimum` or `Label.maximum`; False where it is missing.
    """
    known = {label.name: label for label in LABELS}
    low = np.array([known[n].minimum if n in known else -np.inf for n in names])
    high = np.array([known[n].maximum if n in known else np.inf for n in names])
    with np.errstate(invalid="ignore"):
        return (values < low) | (values > high)
