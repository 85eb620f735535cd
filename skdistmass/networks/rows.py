"""The rows a network is trained on: checked, equal ones merged, counted for the penalty, some set aside."""

import numpy as np
from numpy.typing import NDArray
from sklearn.model_selection import GroupKFold, GroupShuffleSplit, ShuffleSplit
from sklearn.utils import check_array
from sklearn.utils.validation import _check_sample_weight

from skdistmass.exceptions import InputError, shortened

__all__ = ["distinct_rows", "fold_numbers", "hold_out", "merge_rows", "penalty_rows", "read_rows"]


def distinct_rows(X, y):
    """Number the distinct rows of a training set: equal rows get equal numbers, whatever their order."""
    # A fixed random projection maps equal rows to equal floats; unequal ones agree only by a freak of rounding.
    factors = np.random.RandomState(0).standard_normal(X.shape[1] + 1)
    key = factors[-1] * y
    for column, factor in zip(X.T, factors[:-1], strict=True):
        key = key + factor * column
    return np.unique(key, return_inverse=True)[1]


def penalty_rows(sample_weight, n_distinct=None):
    """Return the number of rows by which the L2 penalty is divided.

    scikit-learn divides it by the sum of the weights: by the number of rows if they are all 1. No rule can keep that,
    let a weight of 2 equal a repeated row, and be free of the weights' scale all at once: of rows that all weigh 2,
    the second says that they count twice, the third that they count once. This rule gives up as little as it can.
    Weights that are whole multiples of the smallest are taken for repetitions of rows, and their sum in units of the
    smallest is the number of rows; only a weight common to all rows does not count. Other weights say how precise a
    row is, not how often it was seen, and each distinct row counts once.
    """
    ratio = sample_weight / sample_weight.min()
    counts = np.rint(ratio)
    # Beyond a million, rounding makes any number look whole.
    if counts.max() < 1e6 and np.all(np.abs(ratio - counts) <= 1e-9):
        return float(counts.sum())
    return float(len(sample_weight) if n_distinct is None else n_distinct)


def merge_rows(X, y, weight, groups):
    """Put rows in an order of their own and merge equal ones, adding their weights.

    The fit then depends neither on the order of the rows nor on whether one is repeated or has twice the weight: to
    the last bit, where sums in another order would lead a descent through flat valleys elsewhere. Nor can a split
    for early stopping put copies of a row on both sides.
    """
    columns = [*X.T, y]
    if groups is not None:
        columns.append(np.unique(groups, return_inverse=True)[1])
    # One number for each row, equal for equal rows; sorting by it is much faster than by all columns.
    factors = np.random.RandomState(0).uniform(1.0, 2.0, len(columns))
    key = np.zeros(len(y))
    # The inverse of the smallest numbers would be infinite.
    sizes = [max(np.abs(column).max(), np.finfo(np.float64).tiny) for column in columns]
    with np.errstate(over="ignore", invalid="ignore"):
        for column, factor in zip(columns, factors / sizes, strict=True):
            key += factor * column
    order = np.argsort(key, kind="stable")
    suspects = np.flatnonzero(np.diff(key[order]) == 0)
    if len(suspects):
        # Rows of equal keys need not be equal; only then are all columns looked at.
        order = np.lexsort([*columns, key])
        suspects = np.flatnonzero(np.diff(key[order]) == 0)
    first = np.ones(len(y), bool)
    one, next_one = order[suspects], order[suspects + 1]
    first[suspects + 1] = np.any([column[one] != column[next_one] for column in columns], axis=0)
    starts = np.flatnonzero(first)
    kept = order[starts]
    weight = np.add.reduceat(weight[order], starts)
    return X[kept], y[kept], weight, None if groups is None else groups[kept]


def read_rows(X, y, sample_weight=None, groups=None, what=""):
    """Return X, y, weights and groups, checked, without the rows of weight 0."""
    X = check_array(X, dtype=np.float64, order="C", input_name=f"X{what}")
    y = check_array(y, dtype=np.float64, ensure_2d=False, input_name=f"y{what}")
    if y.shape != (len(X),):
        raise InputError(f"y{what} has shape {y.shape}; one number for each of the {len(X)} rows of X{what} is needed.")
    if groups is not None:
        groups = np.asarray(groups)
        if groups.shape != (len(X),):
            raise InputError(f"groups has shape {groups.shape}; one group for each of the {len(X)} rows is needed.")
    if sample_weight is None:
        weight = np.ones(len(y))
    else:
        if not np.any(np.asarray(sample_weight)):
            raise InputError(f"all sample weights{what} are zero; give the rows to fit a weight > 0.")
        weight = _check_sample_weight(sample_weight, X, dtype=np.float64, ensure_non_negative=True)
        used = weight > 0
        if not used.all():
            X, y, weight = X[used], y[used], weight[used]
            groups = None if groups is None else groups[used]
    return X, y, weight, groups


def hold_out(X, y, weight, groups, fraction, rng):
    """Split rows into training and validation rows, each as (X, y, weight); no group is in both."""
    splitter = (ShuffleSplit if groups is None else GroupShuffleSplit)(1, test_size=fraction, random_state=rng)
    try:
        train, held = next(splitter.split(X, y, groups))
    except ValueError as error:
        raise InputError(
            f"{len(y)} rows can't be split for early stopping ({shortened(error)}); lower validation_fraction, give "
            "validation rows of your own, or set early_stopping=False."
        ) from error
    train.sort(), held.sort()
    return (X[train], y[train], weight[train]), (X[held], y[held], weight[held])


def fold_numbers(stars: NDArray, n_folds: int, seed: int) -> NDArray[np.int64]:
    """Return the fold of each row, 0 to `n_folds` - 1; rows of one star share it."""
    fold = np.empty(len(stars), dtype=np.int64)
    splits = GroupKFold(n_folds, shuffle=True, random_state=seed).split(stars, groups=stars)
    for number, (_, held) in enumerate(splits):
        fold[held] = number
    return fold
