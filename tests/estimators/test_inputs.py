"""Groups, weights, targets and errors of labels: read once, refused aloud."""

import numpy as np
import pandas as pd
import pytest
from astropy import units as u
from astropy.table import MaskedColumn, Table
from hypothesis import given
from hypothesis import strategies as st

from skdistmass.estimators.inputs import check_groups, check_target, check_weights, distinct_rows, validate_label_errors
from skdistmass.exceptions import ColumnError, InputError
from skdistmass.labels import LABEL_NAMES

# ---- groups

NAMES = st.lists(st.sampled_from(["2M01", "2M02", "2M03", ""]), min_size=1, max_size=30)


def group_columns(names):
    blank = np.array([name == "" for name in names])
    objects = np.array([name or None for name in names], dtype=object)
    return [
        np.array(names),
        np.array([name.encode() for name in names]),
        np.array([name or "   " for name in names]),
        objects,
        np.where(blank, np.nan, objects),
        pd.Series(objects),
        pd.Series(objects, dtype="string"),
        np.ma.array(np.array([name or "2M01" for name in names]), mask=blank),
        MaskedColumn([name.encode() or b"2M01" for name in names], mask=blank),
        np.array([float(name[2:]) if name else np.nan for name in names]),
    ]


@given(NAMES)
def test_every_kind_of_group_says_the_same(names):
    names = np.array(names)
    for column in group_columns(names):
        groups = check_groups(column, len(names))
        assert groups.dtype.kind == "i"
        same = groups[:, None] == groups
        # A star without an ID is a star of its own: not one big star of all that have none.
        expected = (names[:, None] == names) & (names != "") | np.eye(len(names), dtype=bool)
        assert np.array_equal(same, expected), column


def test_groups_of_another_length_are_refused():
    assert check_groups(None, 3) is None
    with pytest.raises(InputError, match=r"groups has shape \(2,\).*3 rows"):
        check_groups([1, 2], 3)


# ---- weights and targets


def test_weights_are_floats_of_one_row_each():
    assert check_weights(None, 2).tolist() == [1, 1]
    assert check_weights(2, 2).tolist() == [2, 2]
    assert check_weights(pd.Series([0, 3]), 2).tolist() == [0, 3]
    # 99 and 9999 are weights like any other, not placeholders.
    assert check_weights([99.0, 9999.0], 2).tolist() == [99.0, 9999.0]


@pytest.mark.parametrize("bad", [-1.0, np.nan, np.inf, -9999.0])
def test_bad_weights_are_refused_with_their_row(bad):
    with pytest.raises(InputError, match="1 negative or non-finite values, the first in row 2"):
        check_weights([1.0, 1.0, bad], 3)


def test_weights_of_no_use_are_refused():
    with pytest.raises(InputError, match="zero in every row"):
        check_weights([0.0, 0.0], 2)
    with pytest.raises(InputError, match=r"shape \(2, 1\)"):
        check_weights([[1.0], [1.0]], 2)


def test_targets_are_converted():
    y = check_target([1000.0, np.nan] * u.g, np.zeros((2, 1)), unit="kg", name="mass")
    assert y[0] == 1.0
    assert np.isnan(y[1])
    with pytest.raises(InputError, match="requires y to be passed"):
        check_target(None, np.zeros((2, 1)), unit=None, name="mass")
    with pytest.raises(ValueError, match="inconsistent numbers of samples"):
        check_target([1.0], np.zeros((2, 1)), unit=None, name="mass")


@given(st.lists(st.tuples(st.integers(0, 2), st.integers(0, 2), st.integers(0, 1)), min_size=1, max_size=40))
def test_equal_rows_have_equal_numbers(rows):
    rows = np.array(rows, dtype=float)
    numbers = distinct_rows(rows[:, :2], rows[:, 2])
    assert np.array_equal(numbers[:, None] == numbers, (rows[:, None] == rows).all(axis=2))
    assert numbers.max() + 1 == len(np.unique(rows, axis=0))


# ---- errors of labels


class Trained:
    n_features_in_ = 5
    feature_names_in_ = np.array(LABEL_NAMES, dtype=object)
    label_columns_ = {name: "FE_H" if name == "M_H" else name for name in LABEL_NAMES}


def error_table(kind=dict):
    # In reverse, so that who goes by position gets them wrong.
    names = ("TEFF_ERR", "LOGG_ERR", "FE_H_ERR", "C_FE_ERR", "N_FE_ERR")
    return kind({name: np.array([value, value]) for value, name in reversed(list(enumerate(names, start=1)))})


@pytest.mark.parametrize("kind", [dict, Table, pd.DataFrame])
def test_errors_of_a_table_are_found_by_name(kind):
    errors = validate_label_errors(Trained(), error_table(kind), 2)
    assert np.array_equal(errors, [[1, 2, 3, 4, 5]] * 2)


def test_errors_of_a_table_have_units():
    table = error_table(Table)
    table["TEFF_ERR"] = [0.05, 0.06] * u.kK
    assert validate_label_errors(Trained(), table, 2)[:, 0] == pytest.approx([50.0, 60.0])


def test_an_absent_error_is_named():
    table = error_table()
    del table["LOGG_ERR"]
    with pytest.raises(ColumnError, match="no column LOGG_ERR"):
        validate_label_errors(Trained(), table, 2)


def test_shapes_of_errors():
    one = [99.0, 0.1, 0.1, 0.1, 0.1]  # 99 K is an error like any other
    assert np.array_equal(validate_label_errors(Trained(), one, 3), [one] * 3)
    covariance = np.broadcast_to(np.diag(one), (3, 5, 5))
    assert validate_label_errors(Trained(), covariance, 3).shape == (3, 5, 5)
    for shape in [(3, 4), (2, 5), (3, 5, 4), ()]:
        with pytest.raises(InputError, match="the label errors have shape"):
            validate_label_errors(Trained(), np.ones(shape), 3)


def test_negative_errors_are_refused_with_their_row():
    errors = np.ones((3, 5))
    errors[2, 1] = -0.1
    with pytest.raises(InputError, match="row 2 is negative"):
        validate_label_errors(Trained(), errors, 3)
    with pytest.raises(InputError, match="row 1 is negative"):
        validate_label_errors(Trained(), np.stack([np.eye(5), -np.eye(5)]), 2)
