"""Input of the age transformer: the columns of mass (or age) and [Fe/H], and errors of mass."""

from numbers import Integral

import numpy as np
from numpy.typing import ArrayLike, NDArray
from sklearn.utils import check_array
from sklearn.utils.validation import validate_data

from skdistmass.exceptions import ColumnError, InputError
from skdistmass.labels import LABELS
from skdistmass.tables import as_floats, column_names, find_column, is_table, picks_by_name

__all__ = ["checked_errors", "read_ages", "read_masses"]

_FEH_NAMES = ("M_H", "FE_H")
_KNOWN_NAMES = {"MASS", *(name for label in LABELS for name in (label.name, *label.aliases))}


def read_masses(estimator, X, *, reset: bool) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return masses (Msun) and [Fe/H] (dex) of an age transformer's input, NaN where missing."""
    chosen = (estimator.mass_column, estimator.feh_column)
    if picks_by_name(X, _KNOWN_NAMES, named=any(isinstance(column, str) for column in chosen)):
        names = _columns_by_name(X, "MASS" if chosen[0] is None else chosen[0], chosen[1])
        if reset:
            estimator.n_features_in_, estimator.feature_names_in_ = 2, np.array(names, dtype=object)
            estimator.columns_ = (0, 1)
        return _read_columns(X, names, ("Msun", "dex"))
    checks = {"dtype": np.float64, "ensure_all_finite": False, "ensure_min_samples": int(reset)}
    if reset or hasattr(estimator, "n_features_in_"):
        X = validate_data(estimator, _fill_masked(X), reset=reset, **checks)
    else:
        X = check_array(_fill_masked(X), **checks)
    if reset or not hasattr(estimator, "columns_"):
        columns = _columns_by_position(X.shape[1], *chosen)
    else:
        columns = estimator.columns_
    if reset:
        estimator.columns_ = columns
    return as_floats(X[:, columns[0]]), as_floats(X[:, columns[1]])


def read_ages(X, feh_column) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return log10 ages (yr) and [Fe/H] (dex) of a table, or of an array of two columns, NaN where missing."""
    if is_table(X):
        return _read_columns(X, _columns_by_name(X, "LOG_AGE", feh_column), ("dex(yr)", "dex"))
    X = check_array(_fill_masked(X), dtype=np.float64, ensure_all_finite=False, ensure_min_samples=0)
    if X.shape[1] != 2:
        raise InputError(f"X has {X.shape[1]} columns; give two: log10 age (yr) and [Fe/H] (dex).")
    return as_floats(X[:, 0]), as_floats(X[:, 1])


def _read_columns(table, names, units):
    """Return two columns of a table in these units, as plain floats."""
    first, second = (as_floats(table[name], unit, name=str(name)) for name, unit in zip(names, units, strict=True))
    if first.ndim != 1 or first.shape != second.shape:
        raise ColumnError(
            f"columns {names[0]} and {names[1]} have shapes {first.shape} and {second.shape}; "
            "one number per star is needed in each."
        )
    return first, second


def _columns_by_name(table, first, feh_column):
    """Return the names of two columns of a table: of mass or age, and of [Fe/H], given by name or position."""
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
        raise ColumnError(f"column {found[0]} can't be both mass (or age) and [Fe/H]; set mass_column and feh_column.")
    return found


def _columns_by_position(n_columns, mass_column, feh_column):
    """Return the positions of the columns of mass and [Fe/H] in an array; by default the first two."""
    positions = [0 if mass_column is None else mass_column, 1 if feh_column is None else feh_column]
    for column in positions:
        if isinstance(column, str):
            raise ColumnError(
                f"X has no column names, so {column!r} can't be found; give its position, or X as a table."
            )
        _check_position(column, n_columns)
    if positions[0] == positions[1]:
        raise ColumnError(f"column {positions[0]} can't be both mass and [Fe/H]; set mass_column and feh_column.")
    return tuple(positions)


def _check_position(column, n_columns):
    if column >= n_columns:
        raise ColumnError(
            f"X has {n_columns} feature(s), and none at position {column}, counted from 0; give mass (Msun) "
            "and [Fe/H] (dex) as two columns."
        )


def _fill_masked(X):
    """Put NaN where a masked array is masked; return anything else as it is."""
    return X.astype(np.float64).filled(np.nan) if isinstance(X, np.ma.MaskedArray) else X


def checked_errors(values: ArrayLike, shape: tuple[int, ...], name: str) -> NDArray[np.float64]:
    """Return errors or limits of mass (Msun) in the wanted shape, NaN where missing; negative ones are refused."""
    values = as_floats(values, "Msun", name=name)
    if values.shape == (shape[0], 1) and len(shape) == 1:
        values = values[:, 0]
    if values.shape not in ((), shape):
        raise InputError(f"{name} has shape {values.shape}; for these stars it must be {shape}.")
    negative = int(np.sum(values < 0))
    if negative:
        raise InputError(f"{name} is negative in {negative} places; masses and their errors are positive.")
    return np.broadcast_to(values, shape)
