"""Groups, weights, targets and errors of labels: read once, refused aloud."""

import numpy as np
import pandas as pd
import pytest
from astropy import units as u
from astropy.table import MaskedColumn, QTable, Table
from astropy.utils.masked import Masked
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.model_selection import GridSearchCV, cross_val_predict, cross_val_score
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import RobustScaler, StandardScaler

from skdistmass import AbsMagRegressor, BinaryResidualFilter, LevenbergMarquardtMLPRegressor, TrainingSpace
from skdistmass.estimators.inputs import check_groups, check_target, check_weights, validate_label_errors
from skdistmass.exceptions import ColumnError, InputError, RowsLeftOutWarning
from skdistmass.labels import LABEL_NAMES
from skdistmass.networks.rows import distinct_rows
from skdistmass.schema.bits import Space
from skdistmass.surveys import as_stars

pytestmark = pytest.mark.slow

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


# ---- kinds of tables and masks


def labels_table(n_stars=120):
    rng = np.random.default_rng(0)
    labels = rng.normal([4800, 2.5, 0.0, 0.0, 0.2], [200, 0.4, 0.2, 0.1, 0.1], (n_stars, 5))
    return Table(dict(zip(LABEL_NAMES, labels.T, strict=True)))


def quick(**parameters):
    network = LevenbergMarquardtMLPRegressor(hidden_layer_sizes=2, tol=1e-2)
    return AbsMagRegressor(network=network, n_networks=1, error_model=None, random_state=0, **parameters)


TABLE = labels_table()
TARGET = 2.0 * np.array(TABLE["LOGG"]) - 6.0


@pytest.mark.parametrize("convert", [Table, QTable, Table.to_pandas, as_stars, Table.as_array])
def test_tables_are_cross_validated(convert):
    expected = cross_val_score(quick(labels=LABEL_NAMES), np.column_stack(list(TABLE.columns.values())), TARGET, cv=3)
    table = convert(TABLE)
    assert cross_val_score(quick(), table, TARGET, cv=3) == pytest.approx(expected, abs=1e-6)
    search = GridSearchCV(quick(), {"network__alpha": [0.1]}, cv=3).fit(table, TARGET)
    assert search.best_score_ == pytest.approx(expected.mean(), abs=1e-6)
    for detector in (TrainingSpace(n_folds=2, random_state=0), make_pipeline(TrainingSpace(n_folds=2, random_state=0))):
        inside = cross_val_predict(detector, table, cv=3)
        assert np.mean(inside == 1) > 0.8


def test_stars_are_a_table_everywhere():
    stars = as_stars(TABLE)
    model = quick(binary_filter=BinaryResidualFilter(estimator=quick(), n_folds=2, n_rounds=1)).fit(stars, TARGET)
    assert np.array_equal(model.predict(stars), model.predict(TABLE))
    assert list(model.feature_names_in_) == list(LABEL_NAMES)
    kept, _ = BinaryResidualFilter(estimator=quick(), n_folds=2, n_rounds=1).fit_resample(stars, TARGET)
    assert type(kept) is type(stars)
    space = TrainingSpace(random_state=0).fit(stars)
    assert np.array_equal(space.classify(stars), space.classify(TABLE))
    errors = stars.with_columns({f"{name}_ERR": np.full(len(stars), 0.1) for name in LABEL_NAMES})
    assert np.array_equal(validate_label_errors(model, errors, len(stars)), np.full((len(stars), 5), 0.1))


MASKS = [lambda values, mask: np.ma.array(values, mask=mask), lambda values, mask: Masked(values, mask=mask)]


@pytest.mark.parametrize("masked", MASKS)
@given(hidden=st.sets(st.integers(0, 119), max_size=20), where=st.sampled_from(["X", "y", "y_err"]))
@settings(max_examples=10)
@pytest.mark.filterwarnings("ignore::skdistmass.exceptions.RowsLeftOutWarning")
def test_what_a_mask_hides_is_not_read(masked, hidden, where):
    X = np.column_stack(list(TABLE.columns.values()))
    mask = np.isin(np.arange(120), list(hidden))
    rows = {"X": X, "y": TARGET, "y_err": np.full(120, 0.1)}
    whole = {name: values[~mask] for name, values in rows.items()}
    # Under the mask there are numbers that would change everything.
    spoilt = np.where(mask.reshape((-1,) + (1,) * (rows[where].ndim - 1)), 77.0, rows[where])
    rows[where] = masked(spoilt, np.broadcast_to(mask.reshape((-1,) + (1,) * (spoilt.ndim - 1)), spoilt.shape))
    model = quick().fit(**rows)
    assert model.n_rows_left_out_ == len(hidden)
    assert np.array_equal(model.predict(X), quick().fit(**whole).predict(X))
    if where == "X":
        assert np.array_equal(np.isnan(model.predict(rows["X"])), mask)
        space = TrainingSpace(n_folds=2, random_state=0).fit(X)
        assert np.array_equal(space.classify(rows["X"]) == Space.MISSING, mask)


@pytest.mark.parametrize("masked", MASKS)
def test_a_masked_weight_is_refused(masked):
    with pytest.raises(InputError, match="the first in row 1"):
        check_weights(masked(np.ones(3), np.array([False, True, False])), 3)


# ---- values out of range


def test_out_of_range_is_not_called_missing():
    table = TABLE.copy()
    table["LOGG"][:5] = 45.0
    with pytest.warns(RowsLeftOutWarning, match=r"5 of 120 .* out of range \(LOGG: 5\)"):
        model = quick().fit(table, TARGET)
    assert model.n_out_of_range_ == {"LOGG": 5}
    table["TEFF"] = table["TEFF"] / 1000.0
    with (
        pytest.warns(RowsLeftOutWarning, match="TEFF: 120"),
        pytest.raises(InputError, match=r"no row can be trained on.*out of range \(TEFF: 120, LOGG: 5\)"),
    ):
        quick().fit(table, TARGET)


@pytest.mark.parametrize("scaler", [StandardScaler, RobustScaler])
@pytest.mark.parametrize("names", [LABEL_NAMES, ("LOGG", "M_H"), ("M_H",)])
def test_frames_of_a_scaler_have_no_range(scaler, names):
    frame = TABLE.to_pandas()[list(names)]
    model = make_pipeline(scaler(), quick(labels=names)).set_output(transform="pandas").fit(frame, TARGET)
    assert model[-1].scaled_labels_
    assert model[-1].n_rows_left_out_ == 0
    assert np.isfinite(model.predict(frame)).all()
    plain = make_pipeline(scaler(), quick()).fit(frame.to_numpy(), TARGET)
    assert model.predict(frame) == pytest.approx(plain.predict(frame.to_numpy()), abs=1e-9)
    with pytest.raises(InputError, match="trained on standardised labels"):
        model[-1].predict(Table.from_pandas(frame))
    assert not quick(labels=names).fit(frame, TARGET).scaled_labels_
