"""What the estimators accept: tables or arrays, targets, weights and groups, checked once and turned into floats."""

import warnings

import numpy as np
from sklearn.utils.validation import check_consistent_length, column_or_1d, validate_data

from skdistmass.exceptions import InputError, RowsLeftOutWarning
from skdistmass.labels import LABEL_NAMES, LABELS, out_of_range, read_labels
from skdistmass.tables import as_floats, find_column, is_null, is_sentinel, is_table

__all__ = [
    "check_groups",
    "check_target",
    "check_weights",
    "distinct_rows",
    "validate_label_errors",
    "validate_labels",
    "warn_left_out",
]

_KNOWN_NAMES = {name for label in LABELS for name in (label.name, *label.aliases)}


def _read_by_name(X, names=None):
    """Tell whether the columns of `X` are to be picked by name.

    Those of a data frame are only if it holds a label, or if names are asked for: a frame with other names is an array
    with feature names, as everywhere in scikit-learn.
    """
    if not is_table(X):
        return False
    if hasattr(X, "iloc") and names is None:
        return any(str(name).upper() in _KNOWN_NAMES for name in X.columns)
    return True


def validate_labels(estimator, X, *, reset, names=None):
    """Check the input of an estimator and turn it into floats.

    Parameters
    ----------
    estimator : estimator
        Gets ``n_features_in_``, ``feature_names_in_`` and ``label_columns_`` if `reset` is true.
    X : table or array-like of shape (n_rows, n_features)
        Columns of a table are picked by name and converted to the labels' units.
    reset : bool
        Whether this is the training input.
    names : sequence of str, optional
        Labels to read from a training table; the five labels by default.

    Returns
    -------
    values : ndarray of float64, shape (n_rows, n_features)
        NaN where a value is missing, infinite, a survey placeholder or, in a table, out of the label's range.
    """
    if _read_by_name(X, names):
        if reset:
            names = tuple(names or LABEL_NAMES)
        elif hasattr(estimator, "feature_names_in_"):
            names = tuple(estimator.feature_names_in_)
        else:
            names = tuple(names or LABEL_NAMES)
            if len(names) != estimator.n_features_in_:
                raise InputError(
                    f"the model was trained on an array of {estimator.n_features_in_} columns without names; "
                    f"pick the same {estimator.n_features_in_} columns from the table, or train on a table."
                )
        read = read_labels(X, names, prefer=None if reset else getattr(estimator, "label_columns_", None))
        if reset:
            estimator.n_features_in_ = len(names)
            estimator.feature_names_in_ = np.array(names, dtype=object)
            estimator.label_columns_ = read.columns
        values = read.values
        values[out_of_range(values, names)] = np.nan
        if reset and not len(values):
            raise InputError("the training table is empty: it has 0 rows.")
        return values
    if isinstance(X, np.ma.MaskedArray):
        X = X.astype(np.float64).filled(np.nan)
    values = validate_data(
        estimator,
        X,
        reset=reset,
        dtype=np.float64,
        ensure_all_finite=False,
        ensure_min_samples=1 if reset else 0,
    )
    if reset:
        estimator.label_columns_ = {}
    bad = np.isinf(values) | is_sentinel(values)
    if bad.any():
        values = np.where(bad, np.nan, values)
    return values


def validate_label_errors(estimator, X_err, n_rows):
    """Check errors or covariances of the labels.

    Parameters
    ----------
    estimator : estimator
        With ``n_features_in_`` and ``label_columns_``, as `validate_labels` leaves it.
    X_err : table or array-like
        A table has one column of standard deviations per label, named like the label's with ``_ERR`` added. Arrays have
        the shape (n_labels,), (n_rows, n_labels) or, for covariances, (n_rows, n_labels, n_labels).
    n_rows : int
        Number of stars.

    Returns
    -------
    errors : ndarray of shape (n_rows, n_labels) or (n_rows, n_labels, n_labels)
        NaN where unknown.

    Raises
    ------
    InputError
        If the shape is another, or a standard deviation or variance is negative.
    ColumnError
        If a table lacks a column.
    """
    n_labels = estimator.n_features_in_
    if is_table(X_err):
        names = [str(name) for name in getattr(estimator, "feature_names_in_", LABEL_NAMES[:n_labels])]
        columns = {name: estimator.label_columns_.get(name, name) for name in names}
        units = {label.name: None if label.unit.startswith("dex") else label.unit for label in LABELS}
        errors = np.column_stack(
            [
                as_floats(
                    X_err[find_column(X_err, f"{column}_ERR", (f"{name}_ERR",))],
                    units.get(name),
                    name=f"{column}_ERR",
                )
                for name, column in columns.items()
            ]
        )
    else:
        # An error of 99 K is an error like any other.
        errors = as_floats(X_err, name="X_err", high_sentinels=False)
    if errors.shape == (n_labels,):
        errors = np.broadcast_to(errors, (n_rows, n_labels))
    allowed = (n_rows, n_labels), (n_rows, n_labels, n_labels)
    if errors.shape not in allowed:
        raise InputError(
            f"the label errors have shape {errors.shape}; for {n_rows} stars with {n_labels} labels {allowed[0]} "
            f"(standard deviations) or {allowed[1]} (covariances) is needed."
        )
    variances = errors if errors.ndim == 2 else np.diagonal(errors, axis1=1, axis2=2)
    if np.any(variances < 0):
        row = int(np.argmax((variances < 0).any(axis=1)))
        raise InputError(f"label errors are standard deviations or covariances; that of row {row} is negative.")
    return errors


def check_target(y, X, *, unit, name):
    """Turn a target into floats, NaN where it is missing.

    Raises
    ------
    InputError
        If there is no target.
    ValueError
        If its length is not that of `X`.
    """
    if y is None:
        raise InputError("this estimator requires y to be passed, but the target y is None.")
    column = column_or_1d(as_floats(y, unit, name=name), warn=True)
    check_consistent_length(X, column)
    return column


def check_weights(sample_weight, n_rows):
    """Turn sample weights into floats of one row each.

    Raises
    ------
    InputError
        If a weight is negative or not finite, or if all are zero.
    """
    if sample_weight is None:
        return np.ones(n_rows)
    weights = as_floats(sample_weight, name="sample_weight", sentinels=False)
    if weights.ndim == 0:
        weights = np.full(n_rows, float(weights))
    if weights.shape != (n_rows,):
        raise InputError(
            f"sample_weight has shape {weights.shape}; one weight for each of the {n_rows} rows is needed."
        )
    bad = ~(weights >= 0)
    if bad.any():
        raise InputError(
            f"sample_weight has {bad.sum()} negative or non-finite values, the first in row {np.argmax(bad)}; "
            "weights are 1/sigma^2 of the target: leave out rows whose error is unknown, or give them weight 0."
        )
    if n_rows and not weights.any():
        raise InputError("sample_weight is zero in every row; at least one row needs a weight.")
    return weights


def check_groups(groups, n_rows):
    """Turn group labels into integers; rows without one (blank, masked or NaN) are groups of their own.

    Returns
    -------
    groups : ndarray of int or None
        None if no groups were given.
    """
    if groups is None:
        return None
    missing = np.array(np.ma.getmaskarray(np.ma.asarray(groups))) if hasattr(groups, "mask") else None
    plain = np.asarray(np.ma.getdata(groups) if missing is not None else groups)
    if plain.shape != (n_rows,):
        raise InputError(f"groups has shape {plain.shape}; one group for each of the {n_rows} rows is needed.")
    if plain.dtype.kind == "O":
        # Blank for None, NaN and pandas' NA, which are the values that do not equal themselves or are not values.
        plain = np.array(["" if is_null(value) or value != value else str(value) for value in plain], dtype=str)
    blank = (
        np.isnan(plain)
        if plain.dtype.kind == "f"
        else np.char.strip(plain) == plain.dtype.type()
        if plain.dtype.kind in "US"
        else np.zeros(n_rows, bool)
    )
    if missing is not None:
        blank = blank | missing
    codes = np.unique(plain, return_inverse=True)[1].astype(np.int64)
    codes[blank] = len(plain) + np.arange(np.count_nonzero(blank))
    return np.unique(codes, return_inverse=True)[1]


def distinct_rows(X, y):
    """Number the distinct rows of a training set: equal rows get equal numbers, whatever their order.

    Parameters
    ----------
    X : ndarray of shape (n_rows, n_features)
    y : ndarray of shape (n_rows,)

    Returns
    -------
    numbers : ndarray of int, shape (n_rows,)
        0 to the number of distinct rows minus 1.
    """
    # A fixed random projection maps equal rows to equal floats; unequal ones agree only by a freak of rounding.
    factors = np.random.RandomState(0).standard_normal(X.shape[1] + 1)
    key = factors[-1] * y
    for column, factor in zip(X.T, factors[:-1], strict=True):
        key = key + factor * column
    return np.unique(key, return_inverse=True)[1]


def warn_left_out(n_left_out, n_rows, reason="a label or the target is missing"):
    """Say how many training rows were left out, if any were."""
    if n_left_out:
        warnings.warn(
            f"{n_left_out} of {n_rows} rows were left out of the training: {reason}.",
            RowsLeftOutWarning,
            stacklevel=3,
        )
