"""What the estimators accept: tables or arrays, targets, weights and groups, checked and turned into arrays."""

import sys
import warnings
from collections.abc import Sequence, Sized
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray
from sklearn.utils.validation import check_consistent_length, column_or_1d, validate_data

from skdistmass.exceptions import InputError, RowsLeftOutWarning
from skdistmass.labels import LABEL_NAMES, LABELS, out_of_range, read_labels
from skdistmass.tables import as_floats, as_integers, as_text, find_column, is_sentinel, is_table, picks_by_name

__all__ = [
    "check_fold",
    "check_groups",
    "check_target",
    "check_weights",
    "label_names_of",
    "left_out_reason",
    "let_splitters_take_rows",
    "validate_label_errors",
    "validate_labels",
    "warn_left_out",
]

_KNOWN_NAMES = {name for label in LABELS for name in (label.name, *label.aliases)}


def let_splitters_take_rows() -> None:
    """Let scikit-learn's splitters take rows of astropy tables.

    They call ``take`` of everything that has ``iloc``, as a data frame does. An astropy table has ``iloc`` but no
    ``take``, so that cross-validation fails before it calls an estimator. This adds the method where it is absent.
    """
    table = getattr(sys.modules.get("astropy.table"), "Table", None)
    if table is not None and not hasattr(table, "take"):
        table.take = lambda self, indices, axis=0: self[indices]


def label_names_of(regressor: Any) -> list[str]:
    """Names of a regressor's labels; those of an array are the usual ones, as far as these go."""
    n_labels = regressor.n_features_in_
    names = [*getattr(regressor, "feature_names_in_", getattr(regressor, "labels", None) or LABEL_NAMES)][:n_labels]
    return names + [f"x{number}" for number in range(len(names), n_labels)]


def validate_labels(
    estimator: Any,
    X: Any,
    *,
    reset: bool,
    names: Sequence[str] | None = None,
    known: set[str] | None = None,
    ranges: bool = True,
    min_samples: int = 1,
) -> NDArray[np.float64]:
    """Check labels and return them as floats, and set the estimator's attributes about its input."""
    if picks_by_name(X, known or _KNOWN_NAMES, named=known is None and names is not None):
        return _read_by_name(estimator, X, reset, tuple(names or LABEL_NAMES), ranges)
    mask = getattr(X, "mask", None)
    if mask is not None and not callable(mask):  # a masked array; in a data frame it is a method
        X = as_floats(X, name="X")
    values = validate_data(
        estimator,
        X,
        reset=reset,
        dtype=np.float64,
        ensure_all_finite=False,
        ensure_min_samples=min_samples if reset else 0,
    )
    if reset:
        estimator.label_columns_ = {}
        if ranges:
            estimator.scaled_labels_, estimator.n_out_of_range_ = False, {}
    bad = np.isinf(values) | is_sentinel(values)
    return np.where(bad, np.nan, values) if bad.any() else values


def _read_by_name(estimator, X, reset, names, ranges):
    """Read labels from a table; with `reset`, remember the columns."""
    if not reset:
        names = tuple(getattr(estimator, "feature_names_in_", names))
        if len(names) != estimator.n_features_in_:
            raise InputError(
                f"the model was trained on an array of {estimator.n_features_in_} columns without names; "
                f"pick the same {estimator.n_features_in_} columns from the table, or train on a table."
            )
    read = read_labels(X, names, prefer=None if reset else getattr(estimator, "label_columns_", None))
    values = read.values
    if reset:
        if not len(values):
            raise InputError("the training table is empty: it has 0 rows.")
        estimator.n_features_in_ = len(names)
        estimator.feature_names_in_ = np.array(names, dtype=object)
        estimator.label_columns_ = read.columns
    if not ranges:
        return values
    beyond = out_of_range(values, names)
    if reset:
        estimator.scaled_labels_ = hasattr(X, "dtypes") and _is_standardised(values)
        counts = {} if estimator.scaled_labels_ else dict(zip(names, beyond.sum(axis=0).tolist(), strict=True))
        estimator.n_out_of_range_ = {name: count for name, count in counts.items() if count}
    if not getattr(estimator, "scaled_labels_", False):
        values[beyond] = np.nan
    elif not hasattr(X, "dtypes"):
        raise InputError("the model was trained on standardised labels; scale this table by the same transformer.")
    return values


def _is_standardised(values):
    """Tell whether all columns have been scaled by a StandardScaler or a RobustScaler.

    Of a data frame that a scaler returned, a value is not that of a star, and says nothing about being possible. No
    column of a survey has a mean of 0 and a standard deviation of 1, or a median and a range between quartiles like
    these, to a thousandth.
    """
    with warnings.catch_warnings(), np.errstate(invalid="ignore"):
        warnings.simplefilter("ignore", RuntimeWarning)  # a column without any value
        low, median, high = np.nanpercentile(values, [25, 50, 75], axis=0)
        found = [(np.nanmean(values, axis=0), np.nanstd(values, axis=0)), (median, high - low)]
    # A scaler leaves a constant column at 0.
    return any(
        np.all(np.abs(center) < 1e-3) and np.all((np.abs(width - 1) < 1e-3) | (width == 0)) and width.max() > 0
        for center, width in found
    )


def validate_label_errors(estimator: Any, X_err: Any, n_rows: int) -> NDArray[np.float64]:
    """Check errors or covariances of the labels."""
    n_labels = estimator.n_features_in_
    if is_table(X_err):
        names = [str(name) for name in getattr(estimator, "feature_names_in_", LABEL_NAMES[:n_labels])]
        columns = {name: estimator.label_columns_.get(name, name) for name in names}
        units = {label.name: None if label.unit.startswith("dex") else label.unit for label in LABELS}
        errors = np.column_stack(
            [
                as_floats(
                    X_err[find_column(X_err, f"{column}_ERR", (f"{name}_ERR",))], units.get(name), name=f"{column}_ERR"
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


def check_target(y: ArrayLike | None, X: Sized, *, unit: str | None, name: str) -> NDArray[np.float64]:
    """Turn a target into floats, NaN where it is missing."""
    if y is None:
        raise InputError("this estimator requires y to be passed, but the target y is None.")
    column = column_or_1d(as_floats(y, unit, name=name), warn=True)
    check_consistent_length(X, column)
    return column


def check_weights(sample_weight: ArrayLike | None, n_rows: int) -> NDArray[np.float64]:
    """Turn sample weights into floats of one row each."""
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


def check_groups(groups: Any, n_rows: int) -> NDArray[np.int64] | None:
    """Turn group labels into integers; rows without one (blank, masked or NaN) are groups of their own."""
    if groups is None:
        return None
    if not hasattr(groups, "dtype"):
        groups = np.asarray(groups)
    if groups.dtype.kind in "iu":
        blank_value: int | str = int(np.iinfo(np.int64).min)
        plain = as_integers(groups, missing=blank_value, name="groups")
    else:
        blank_value = ""
        plain = as_text(groups, name="groups")
    if plain.shape != (n_rows,):
        raise InputError(f"groups has shape {plain.shape}; one group for each of the {n_rows} rows is needed.")
    blank = plain == blank_value
    codes = np.unique(plain, return_inverse=True)[1].astype(np.int64)
    codes[blank] = len(plain) + np.arange(np.count_nonzero(blank))
    return np.unique(codes, return_inverse=True)[1]


def check_fold(fold: Any, n_rows: int, n_folds: int) -> NDArray[np.int64]:
    """Check numbers of folds: one for each row, -1 for none."""
    fold = as_integers(fold, missing=-1, name="fold")
    if fold.shape != (n_rows,):
        raise InputError(f"fold has shape {fold.shape}; one fold for each of the {n_rows} rows is needed.")
    wrong = (fold < -1) | (fold >= n_folds)
    if wrong.any():
        row = int(np.argmax(wrong))
        raise InputError(
            f"fold of row {row} is {fold[row]}; this model has {n_folds} folds, numbered from 0, and -1 stands for "
            "a star that was not trained on."
        )
    return fold


def left_out_reason(estimator: Any) -> str:
    """Say why rows were left out of the training, with the number of labels that no star can have."""
    counts = ", ".join(f"{name}: {count}" for name, count in estimator.n_out_of_range_.items())
    return "a label or the target is missing" + (f", or a label is out of range ({counts})" if counts else "")


def warn_left_out(n_left_out: int, n_rows: int, reason: str) -> None:
    """Say how many training rows were left out, if any were."""
    if n_left_out:
        warnings.warn(
            f"{n_left_out} of {n_rows} rows were left out of the training: {reason}.", RowsLeftOutWarning, stacklevel=3
        )
