"""The five labels: names, units and possible ranges."""

from dataclasses import dataclass

import numpy as np

from skdistmass.exceptions import ColumnError, InputError
from skdistmass.tables import as_floats, find_column

__all__ = ["LABELS", "LABEL_NAMES", "Label", "LabelColumns", "error_unit", "out_of_range", "read_labels"]


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


def error_unit(name):
    """Return the unit of a label's error: that of the label, dex for a logarithm."""
    unit = next(label.unit for label in LABELS if label.name == name)
    return "dex" if unit.startswith("dex") else unit


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
        column = as_floats(table[columns[name]], label.unit, name=columns[name])
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
