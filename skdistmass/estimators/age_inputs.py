"""Input of the age transformer: which columns hold mass (or age) and [Fe/H], and errors of mass."""

from numbers import Integral

import numpy as np
from scipy.sparse import issparse

from skdistmass.exceptions import ColumnError, InputError
from skdistmass.labels import LABELS
from skdistmass.tables import as_floats, column_names, find_column, is_table

__all__ = ["checked_errors", "columns_by_name", "columns_by_position", "fill_masked", "picked_by_name"]

_FEH_NAMES = ("M_H", "FE_H")
_KNOWN_NAMES = {"MASS", *(name for label in LABELS for name in (label.name, *label.aliases))}


def picked_by_name(X, chosen):
    """Tell whether the columns of `X` are to be picked by name.

    Those of a data frame are only if it has a column of a usual name, or one is chosen by name: a frame with
    other names is an array with feature names, as everywhere in scikit-learn.
    """
    # One of SciPy's sparse formats is a mapping.
    if not is_table(X) or issparse(X):
        return False
    if hasattr(X, "iloc") and not any(isinstance(column, str) for column in chosen):
        return any(str(name).upper() in _KNOWN_NAMES for name in X.columns)
    return True


def columns_by_name(table, first, feh_column):
    """Return the names of two columns of a table.

    Parameters
    ----------
    table : table
        Anything with named columns.
    first : str or int
        Name or position of the column of mass or age.
    feh_column : str, int or None
        Name or position of the column of [Fe/H]; None is M_H or else FE_H.

    Returns
    -------
    names : list of str
        Of the two columns.

    Raises
    ------
    ColumnError
        If a column is absent, ambiguous or doubled, or both are the same.
    """
    names, found = column_names(table), []
    for column in (first, feh_column):
        if column is None:
            found.append(find_column(table, _FEH_NAMES[0], _FEH_NAMES[1:]))
        elif isinstance(column, Integral):
            _check_position(column, len(names))
            found.append(names[column])
        else:
            found.append(find_column(table, column))
    if found[0] == found[1]:
        raise ColumnError(f"column {found[0]} can't be both; set mass_column and feh_column apart.")
    return found


def columns_by_position(n_columns, mass_column, feh_column):
    """Return the positions of the columns of mass and [Fe/H] in an array; by default the first two.

    Raises
    ------
    ColumnError
        If a column is given by name or lies beyond the array, or both are the same.
    """
    positions = [0 if mass_column is None else mass_column, 1 if feh_column is None else feh_column]
    for column in positions:
        if isinstance(column, str):
            raise ColumnError(
                f"X has no column names, so {column!r} can't be found; give its position, or X as a table."
            )
        _check_position(column, n_columns)
    if positions[0] == positions[1]:
        raise ColumnError(f"column {positions[0]} can't be both; set mass_column and feh_column apart.")
    return tuple(positions)


def _check_position(column, n_columns):
    if column >= n_columns:
        raise ColumnError(
            f"X has {n_columns} feature(s), and none at position {column}, counted from 0; give mass (Msun) "
            "and [Fe/H] (dex) as two columns."
        )


def fill_masked(X):
    """Put NaN where a masked array is masked; anything else passes through."""
    return X.astype(np.float64).filled(np.nan) if isinstance(X, np.ma.MaskedArray) else X


def checked_errors(values, shape, name):
    """Errors or limits of mass as plain floats of the wanted shape; NaN where missing."""
    values = as_floats(values, "Msun", name=name)
    if values.shape == (shape[0], 1) and len(shape) == 1:
        values = values[:, 0]
    if values.shape not in ((), shape):
        raise InputError(f"{name} has shape {values.shape}; for these stars it must be {shape}.")
    negative = int(np.sum(values < 0))
    if negative:
        raise InputError(f"{name} is negative in {negative} places; masses and their errors are positive.")
    return np.broadcast_to(values, shape)
