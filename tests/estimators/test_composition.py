"""The network as an estimator of its own: nested parameters, other networks, folds kept, one pass."""

import pickle

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.base import clone
from sklearn.ensemble import RandomForestRegressor
from sklearn.model_selection import GridSearchCV
from sklearn.neural_network import MLPRegressor
from sklearn.pipeline import Pipeline

from skdistmass import AbsMagRegressor, CNMassRegressor, LevenbergMarquardtMLPRegressor
from skdistmass.estimators.label_regressor import LabelRegressor
from skdistmass.estimators.seeds import seeded
from skdistmass.exceptions import InputError

pytestmark = pytest.mark.slow

REGRESSORS = [LabelRegressor, AbsMagRegressor, CNMassRegressor]
RNG = np.random.default_rng(0)
X = RNG.normal(size=(120, 2))
Y = 2.0 + np.tanh(X[:, 0]) + 0.1 * RNG.normal(size=120)
STARS = np.arange(120) // 2
SMALL = {
    "network": LevenbergMarquardtMLPRegressor(hidden_layer_sizes=3, tol=1e-3, n_starts=2),
    "n_networks": 1,
    "random_state": 0,
}


# ---- nested parameters


@pytest.mark.parametrize("regressor", REGRESSORS)
def test_parameters_of_the_default_network_are_reached(regressor):
    model = regressor()
    assert model.network is None
    defaults = LevenbergMarquardtMLPRegressor().get_params()
    found = model.get_params()
    assert {name: found[f"network__{name}"] for name in defaults} == defaults
    assert not any("__" in name for name in model.get_params(deep=False))
    model.set_params(network__alpha=3.0, n_networks=2)
    assert (model.network.alpha, model.network.max_iter, model.n_networks) == (3.0, defaults["max_iter"], 2)
    # Another regressor with the default network has nothing of it.
    assert regressor().get_params()["network__alpha"] == defaults["alpha"]


def test_reading_parameters_changes_nothing():
    model = AbsMagRegressor()
    text = repr(model)
    model.get_params()
    clone(model)
    assert repr(model) == text == "AbsMagRegressor()"
    assert model.network is None
    assert clone(model).network is None
    assert pickle.loads(pickle.dumps(model)).get_params()["network__alpha"] == 0.1


def test_a_network_and_its_parameters_at_once():
    model = AbsMagRegressor().set_params(network__alpha=0.5, network=MLPRegressor(max_iter=7))
    assert (type(model.network), model.network.alpha, model.network.max_iter) == (MLPRegressor, 0.5, 7)
    model.set_params(network=None, network__alpha=0.7)
    assert (type(model.network), model.network.alpha) == (LevenbergMarquardtMLPRegressor, 0.7)
    assert model.set_params(network=None).network is None


def test_an_unknown_parameter_is_named():
    for name in ("network__units", "hidden_layer_sizes"):
        with pytest.raises(ValueError, match=f"Invalid parameter '{name.split('__')[-1]}'"):
            AbsMagRegressor().set_params(**{name: 3})


def test_grid_search_reaches_the_default_network():
    search = GridSearchCV(
        AbsMagRegressor(n_networks=1, error_model=None, random_state=0),
        {"network__alpha": [0.1, 1000.0], "network__hidden_layer_sizes": [2]},
        cv=3,
    )
    search.fit(X, Y)
    assert search.best_params_["network__alpha"] == 0.1
    assert search.best_estimator_.pipeline_["network"].hidden_layer_sizes == 2
    few, many = search.cv_results_["mean_test_score"]
    assert few > many + 0.3


def test_default_network_is_the_default_estimator():
    default, given_ = (
        LabelRegressor(network=network, n_networks=2, error_model=None, random_state=0).fit(X, Y).predict(X)
        for network in (None, LevenbergMarquardtMLPRegressor())
    )
    assert np.array_equal(default, given_)


# ---- what a network may be


@pytest.mark.parametrize("solver", ["lbfgs", "adam", "sgd"])
@pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")
def test_any_solver_of_scikit_learn(solver):
    network = MLPRegressor(hidden_layer_sizes=4, solver=solver, learning_rate_init=0.02, max_iter=300)
    model = CNMassRegressor(network=network, n_networks=2, error_model=None, random_state=0).fit(X, Y)
    assert model.score(X, Y) > 0.8
    assert type(model.pipeline_) is Pipeline
    assert type(model.pipeline_["network"]) is MLPRegressor
    assert model.pipeline_["network"].hidden_layer_sizes == (8,)
    assert np.allclose(model.pipeline_.predict(X), model.predict(X))
    # The network given stays as it is, and its seed plays no part: networks of one seed would all be the same.
    assert not hasattr(network, "coefs_")
    assert network.random_state is None
    again = clone(model).set_params(network__random_state=5).fit(X, Y)
    assert np.array_equal(again.predict(X), model.predict(X))


def test_other_regressors_are_refused():
    for network in (RandomForestRegressor(), MLPRegressor):
        with pytest.raises(
            InputError, match=r"network is .*must be a LevenbergMarquardtMLPRegressor or an MLPRegressor"
        ):
            LabelRegressor(network=network).fit(X, Y)


def test_a_regressor_seeds_its_networks():
    with_network, without = (
        seeded(AbsMagRegressor(network=network), np.random.RandomState(0))
        for network in (LevenbergMarquardtMLPRegressor(), None)
    )
    assert with_network.random_state == without.random_state
    assert with_network.network.random_state is None
    assert without.network is None


# ---- networks of the folds


@pytest.fixture(scope="module")
def folded():
    y = Y.copy()
    y[[3, 40]] = np.nan
    with pytest.warns(UserWarning, match="2 of 120 rows"):
        return LabelRegressor(**SMALL, n_folds=3).fit(X, y, groups=STARS)


def test_folds_are_those_of_whole_stars(folded):
    assert np.flatnonzero(folded.fold_ == -1).tolist() == [3, 40]
    assert set(folded.fold_) == {-1, 0, 1, 2}
    for star in range(60):
        assert len(set(folded.fold_[star == STARS]) - {-1}) == 1
    assert len(folded.fold_pipelines_) == 3


def test_predictions_out_of_fold_are_had_again(folded):
    rows = folded.fold_ >= 0
    again = folded.predict_out_of_fold(X, folded.fold_)
    assert np.array_equal(again[rows], folded.oof_prediction_[rows])
    assert np.array_equal(again[~rows], folded.predict(X)[~rows])
    assert not np.array_equal(again[rows], folded.predict(X)[rows])


@settings(max_examples=20)
@given(st.lists(st.integers(-1, 2), min_size=0, max_size=30))
def test_each_row_gets_the_network_of_its_fold(folded, folds):
    stars = X[: len(folds)] + 0.01
    predicted = folded.predict_out_of_fold(stars, np.array(folds, dtype=int))
    pipelines = [*folded.fold_pipelines_, folded.pipeline_]  # -1 is the last
    expected = [pipelines[fold].predict(star[None])[0] for fold, star in zip(folds, stars, strict=True)]
    assert predicted == pytest.approx(np.array(expected), rel=1e-12)


def test_a_missing_label_has_no_prediction_out_of_fold(folded):
    assert np.isnan(folded.predict_out_of_fold([[np.nan, 0.0]], [1])).all()


@pytest.mark.parametrize(
    ("fold", "message"),
    [([0], r"shape \(1,\)"), ([0, 3], "fold of row 1 is 3; this model has 3 folds"), ([-2, 0], "-2")],
)
def test_wrong_folds_are_refused(folded, fold, message):
    with pytest.raises(InputError, match=message):
        folded.predict_out_of_fold(X[:2], fold)


def test_without_errors_there_are_no_folds():
    model = LabelRegressor(**SMALL, error_model=None).fit(X, Y)
    assert (model.fold_ == -1).all()
    assert model.fold_pipelines_ == []
    assert np.array_equal(model.predict_out_of_fold(X, model.fold_), model.predict(X))


# ---- one pass


@pytest.fixture
def passes(monkeypatch):
    """Count the passes of stars through the final network."""
    counted = []
    predict = MLPRegressor.predict
    monkeypatch.setattr(MLPRegressor, "predict", lambda self, X: counted.append(len(X)) or predict(self, X))
    return counted


def test_a_distance_and_its_error_take_one_pass(passes):
    model = AbsMagRegressor(**SMALL, n_folds=2).fit(X, Y)
    passes.clear()
    distance, error = model.predict_distance(X, 10.0 + Y, 0.1, mag_err=0.02, return_std=True)
    assert passes == [len(X)]
    passes.clear()
    interval = model.predict_distance_interval(X, 10.0 + Y, 0.1, mag_err=0.02)
    assert passes == [len(X)]
    assert np.array_equal(error, 0.5 * (interval[:, 1] - interval[:, 0]))
    assert np.array_equal(distance, model.predict_distance(X, 10.0 + Y, 0.1))
    for use in (lambda: model.predict(X, return_std=True), lambda: model.predict_interval(X)):
        passes.clear()
        use()
        assert passes == [len(X)]


def test_value_and_interval_in_one(folded):
    found = folded.predict_with_interval(X, 0.9, X_err=[0.1, 0.2])
    assert np.array_equal(found.value, folded.predict(X))
    assert np.array_equal(found.interval, folded.predict_interval(X, 0.9, X_err=[0.1, 0.2]))
    assert np.array_equal(found.label_noise, folded.label_noise(X, [0.1, 0.2]))
    assert np.array_equal(found.error, 0.5 * np.diff(found.interval)[:, 0])
    assert np.isnan(folded.predict_with_interval(X).label_noise).all()


def test_an_interval_about_another_value(folded):
    honest = folded.predict_out_of_fold(X, folded.fold_)
    value = np.where(folded.fold_ == 0, honest, np.nan)
    found = folded.predict_with_interval(X, value=value)
    final = folded.predict_with_interval(X)
    first = folded.fold_ == 0
    assert np.array_equal(found.value, np.where(first, honest, final.value))
    shift = found.interval - final.interval
    assert shift == pytest.approx(np.repeat((found.value - final.value)[:, None], 2, axis=1), abs=1e-12)
    with pytest.raises(InputError, match=r"value has shape \(3,\)"):
        folded.predict_with_interval(X, value=[1.0, 2.0, 3.0])
