"""Which rows a regressor trains on, in which folds, and with which weights: without a network."""

from types import SimpleNamespace

import numpy as np
import pytest
from astropy.table import Table
from sklearn.neural_network import MLPRegressor

from skdistmass import (
    AbsMagRegressor,
    BinaryResidualFilter,
    CNMassRegressor,
    EvolutionaryStateClassifier,
    IsochroneAgeTransformer,
    TrainingSpace,
)
from skdistmass.estimators.inputs import let_splitters_take_rows
from skdistmass.estimators.label_calibration import ConstraintCalibration, LabelCalibration
from skdistmass.estimators.label_regressor import LabelRegressor
from skdistmass.estimators.stellar_baseline import StellarBaseline
from skdistmass.exceptions import InputError, RowsLeftOutWarning


class Quick(LabelRegressor):
    """Predicts the first label; networks without a fold add a thousand and the number of the fold."""

    def _train(self, X, y, weights, groups, rows, rng, fold=None):
        self.calls = [*getattr(self, "calls", []), (rows.copy(), weights, groups, fold)]
        first = 0 if len(self.calls) == 1 else 998 + len(self.calls)
        made = [SimpleNamespace(n_iter_=7, predict=lambda X, a=a: X[:, 0] + a) for a in (first, *range(1000, 1012))]
        return made[0], [] if fold is None else made[1 : 2 + fold.max()]

    def _fit_errors(self, X, y, oof, y_err, X_err):
        self.residual = y - oof
        return "errors"


def fitted(n, cls=Quick, groups=None, y=None, **parameters):
    X = np.column_stack([np.arange(float(n)) % 97, np.arange(n) / 1e4])
    return cls(**parameters).fit(X, X[:, 0] if y is None else y, groups=groups)


@pytest.mark.parametrize(
    ("n", "options", "n_folds"),
    [
        (500, {}, 5),
        (499, {}, 12),
        (120, {}, 12),
        (119, {}, 30),
        (50, {}, 30),
        (49, {}, 0),
        (500, {"n_folds": 3}, 3),
        (60, {"n_folds": 3}, 3),
        (60, {"error_model": None}, 0),
        (60, {"error_model": "paper"}, 30),
        (60, {"groups": np.arange(60) // 10}, 6),
        (60, {"groups": np.arange(60) // 30}, 2),
        (60, {"groups": np.zeros(60, int)}, 0),
        (1000, {"groups": np.arange(1000) // 2}, 5),
        (998, {"groups": np.arange(998) // 2}, 12),
    ],
)
def test_folds_are_of_stars_and_as_many_as_their_number_allows(n, options, n_folds):
    model = fitted(n, **options)
    assert model.n_rows_ == n
    assert model.n_iter_ == 7
    if not n_folds:
        assert (model.fold_ == -1).all()
        assert model.oof_prediction_ is model.errors_ is None
        assert model.fold_pipelines_ == []
        return
    assert model.errors_ == "errors"
    assert set(model.fold_) == set(range(n_folds))
    assert len(model.fold_pipelines_) == n_folds
    np.testing.assert_array_equal(model.residual, -1000.0 - model.fold_)
    np.testing.assert_array_equal(model.oof_prediction_, np.arange(n) % 97 + 1000.0 + model.fold_)
    if "groups" in options:
        pairs = set(zip(options["groups"].tolist(), model.fold_.tolist(), strict=True))
        assert len(pairs) == len(set(options["groups"].tolist()))


def test_a_network_that_can_not_leave_folds_out_is_trained_once_for_each():
    model = fitted(60, network=MLPRegressor(), n_folds=4)
    assert len(model.calls) == 5
    assert model.calls[0][0].all()
    for number, (rows, _, _, fold) in enumerate(model.calls[1:]):
        np.testing.assert_array_equal(rows, model.fold_ != number)
        assert fold is None
    assert model.errors_ == "errors"
    np.testing.assert_array_equal(model.residual, -1000.0 - model.fold_)


def test_rows_weights_and_folds_belong_together():
    X = np.column_stack([np.arange(60.0), np.ones(60)])
    y, y_err = X[:, 0].copy(), np.linspace(0.1, 0.5, 60)
    X[3, 1], y[5], y_err[7], y_err[8], y_err[9] = np.nan, np.nan, 0.0, -1.0, np.nan
    with pytest.warns(RowsLeftOutWarning, match="5 of 60 rows"):
        model = Quick().fit(X, y, y_err=y_err)
    left_out = np.isin(np.arange(60), [3, 5, 7, 8, 9])
    assert model.n_rows_left_out_ == 5
    np.testing.assert_array_equal(model.fold_ == -1, left_out)
    np.testing.assert_array_equal(np.isnan(model.oof_prediction_), left_out)
    np.testing.assert_allclose(model.calls[0][1], y_err[~left_out] ** -2.0)
    weights = np.where(np.arange(60) < 2, 0.0, 2.0)
    with pytest.warns(RowsLeftOutWarning, match="5 of 60 rows"):
        model = Quick().fit(X, y, y_err=y_err, sample_weight=weights)
    # A weight of 0 leaves a row out as well; weights that are given count, not the errors.
    np.testing.assert_array_equal(model.fold_ == -1, left_out | (np.arange(60) < 2))
    assert set(model.calls[0][1]) == {2.0}
    assert model.n_rows_ == 53


def test_nothing_to_train_on_says_why():
    X = np.ones((3, 2))
    with pytest.warns(RowsLeftOutWarning), pytest.raises(InputError, match="no row can be trained on"):
        Quick().fit(X, [np.nan] * 3)
    with pytest.warns(RowsLeftOutWarning), pytest.raises(InputError, match="y_err is not positive"):
        Quick().fit(X, [1.0, 2.0, 3.0], y_err=[0.0, -1.0, np.nan])


def test_scores_are_of_stars_with_a_prediction_and_a_target():
    model = fitted(60)
    X = np.column_stack([np.arange(6.0), np.ones(6)])
    X[5, 1] = np.nan
    y = np.array([0.5, 1.0, 2.0, 3.5, np.nan, 5.0])
    found = model.score(X, y)
    mean = y[:4].mean()
    assert found == pytest.approx(1.0 - (0.25 + 0.25) / ((y[:4] - mean) ** 2).sum())
    weights = np.array([1.0, 2.0, 2.0, 1.0, 9.0, 9.0])
    mean = np.average(y[:4], weights=weights[:4])
    wanted = 1.0 - 0.5 / (weights[:4] * (y[:4] - mean) ** 2).sum()
    assert model.score(X, y, sample_weight=weights) == pytest.approx(wanted)
    assert np.isnan(model.score(X[[0, 5]], y[[0, 5]]))
    assert np.isfinite(model.score(X[:2], y[:2]))


def test_masses_of_zero_are_missing():
    with pytest.warns(RowsLeftOutWarning, match="2 of 60 rows"):
        model = fitted(60, type("Masses", (Quick, CNMassRegressor), {}), y=np.arange(-1.0, 59.0))
    assert (model.fold_ == -1).tolist() == [True] * 2 + [False] * 58


def test_the_paper_s_errors_follow_log_g_where_there_is_one():
    model = AbsMagRegressor()
    model.n_features_in_ = 5
    assert model._paper_errors().logg_column == 1
    for n_labels, labels, column in ((3, None, None), (3, ("LOGG", "TEFF", "M_H"), 0), (2, ("TEFF", "M_H"), None)):
        model = AbsMagRegressor(labels=labels)
        model.n_features_in_ = n_labels
        assert model._paper_errors().logg_column == column
    model.feature_names_in_ = np.array(["M_H", "LOGG"])
    assert model._paper_errors().logg_column == 1


def test_states_are_predicted_by_the_labels_of_the_training():
    X = np.column_stack([np.repeat([0.0, 1.0], 10), np.zeros(20), np.ones(20)])
    model = EvolutionaryStateClassifier(random_state=0).fit(X, np.repeat([1, 2], 10))
    assert model.predict([[0.0, 0.0, 1.0], [1.0, 0.0, 1.0], [np.nan, 0.0, 1.0]]).tolist() == [1, 2, 0]
    with pytest.raises(ValueError, match="expecting 3 features"):
        model.predict(X[:, :2])
    assert model.n_features_in_ == 3
    assert model.predict_proba(X[:0]).shape == (0, 2)


@pytest.mark.parametrize(
    "estimator",
    [
        AbsMagRegressor(loss="other"),
        BinaryResidualFilter(threshold=1.0),
        BinaryResidualFilter(n_rounds=0),
        CNMassRegressor(n_networks=0),
        ConstraintCalibration(form="other"),
        EvolutionaryStateClassifier(hidden_units=0),
        IsochroneAgeTransformer(out_of_bounds="other"),
        LabelCalibration(n_folds=1),
        LabelRegressor(error_model="other"),
        StellarBaseline(correction_scale=-0.1),
        TrainingSpace(edge_fraction=0.6),
    ],
    ids=lambda estimator: type(estimator).__name__,
)
def test_parameters_out_of_their_range_are_named(estimator):
    with pytest.raises(ValueError, match=r"The '\w+' parameter of \w+ must be"):
        estimator.fit(np.ones((60, 3)), np.ones(60))


def test_splitters_take_rows_of_an_astropy_table(monkeypatch):
    monkeypatch.delattr(Table, "take", raising=False)
    let_splitters_take_rows()
    table = Table({"TEFF": [4800.0, 4900.0, 5000.0]})
    assert table.take([2, 0], axis=0)["TEFF"].tolist() == [5000.0, 4800.0]
    monkeypatch.setattr(Table, "take", "its own")
    let_splitters_take_rows()
    assert Table.take == "its own"
