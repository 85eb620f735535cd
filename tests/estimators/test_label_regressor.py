"""The base of both regressors: weights, tables, missing values, reproducibility, and scikit-learn around them."""

import pickle

import numpy as np
import pandas as pd
import pytest
import sklearn
from astropy import units as u
from astropy.table import QTable, Table
from sklearn.base import clone
from sklearn.exceptions import NotFittedError
from sklearn.model_selection import GridSearchCV, GroupKFold, cross_val_score
from sklearn.neural_network import MLPRegressor
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import FunctionTransformer, StandardScaler

from skdistmass import AbsMagRegressor, BinaryResidualFilter, CNMassRegressor, LevenbergMarquardtMLPRegressor
from skdistmass.estimators.label_regressor import LabelRegressor
from skdistmass.exceptions import ColumnError, InputError, RowsLeftOutWarning, UnitError
from skdistmass.labels import LABEL_NAMES

pytestmark = pytest.mark.slow

SMALL = {"n_networks": 1, "error_model": None, "random_state": 0}


def small(regressor=LabelRegressor, **parameters):
    """Return a regressor with one small network."""
    network = LevenbergMarquardtMLPRegressor(hidden_layer_sizes=3)
    return regressor(**SMALL, network=network).set_params(**parameters)


def scikit_learn_network(solver, **parameters):
    return MLPRegressor(hidden_layer_sizes=3, activation="tanh", solver=solver, max_fun=10**6, **parameters)


def make_stars(n_stars=150, seed=0):
    """Return labels of made-up giants, and a mass that follows from them."""
    rng = np.random.default_rng(seed)
    labels = rng.normal([4700, 2.5, -0.1, 0.0, 0.2], [250, 0.4, 0.25, 0.1, 0.12], (n_stars, 5))
    mass = 1.3 + 1.5 * (labels[:, 4] - labels[:, 3] - 0.2) + 0.2 * np.tanh(labels[:, 1] - 2.5)
    return labels, np.clip(mass + 0.02 * rng.normal(size=n_stars), 0.5, 4.0)


X, Y = make_stars()
TABLE = Table(dict(zip(LABEL_NAMES, X.T, strict=True)))


@pytest.fixture(scope="module")
def trained():
    return small().fit(TABLE, Y)


# ---- weights


@pytest.mark.parametrize("solver", ["lm", "lbfgs"])
@pytest.mark.parametrize("regressor", [LabelRegressor, AbsMagRegressor, CNMassRegressor])
def test_weight_of_two_is_the_row_twice(regressor, solver):
    weights = np.where(np.arange(len(Y)) % 3 == 0, 2, 1)
    # A strong penalty, so that one divided by another number of rows would show; tight convergence.
    tight = {"alpha": 5.0, "tol": 1e-9, "max_iter": 5000}
    network = scikit_learn_network("lbfgs") if solver == "lbfgs" else LevenbergMarquardtMLPRegressor()
    model = regressor(**SMALL, network=network.set_params(hidden_layer_sizes=3, **tight))
    weighted = clone(model).fit(X, Y, sample_weight=weights)
    repeated = clone(model).fit(np.repeat(X, weights, axis=0), np.repeat(Y, weights))
    plain = clone(model).fit(X, Y)
    # The iterations of L-BFGS go by rounding, and end at almost the same place.
    tolerance = {"lm": 1e-9, "lbfgs": 1e-4}[solver]
    assert weighted.predict(X) == pytest.approx(repeated.predict(X), rel=tolerance)
    assert np.abs(plain.predict(X) - repeated.predict(X)).max() > 5 * tolerance


@pytest.mark.parametrize("solver", ["lm", "lbfgs", "adam"])
@pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")
def test_the_scale_of_the_weights_is_of_no_matter(solver):
    weights = np.random.default_rng(0).uniform(0.5, 20.0, len(Y))
    model = (
        small(network__max_iter=300) if solver == "lm" else small(network=scikit_learn_network(solver, max_iter=300))
    )
    model.set_params(network__alpha=1.0)
    first = model.fit(X, Y, sample_weight=weights).predict(X)
    # A power of two, so that not even rounding differs.
    assert np.allclose(clone(model).fit(X, Y, sample_weight=2.0**20 * weights).predict(X), first, rtol=1e-12)


def test_weights_pull_the_fit():
    y = np.where(np.arange(len(Y)) < 15, 2.0, 1.0)
    weights = np.where(y == 2.0, 9.0, 1.0)
    model = small(network__alpha=1e6)  # leaves nothing but the intercept
    assert model.fit(X, y, sample_weight=weights).predict(X) == pytest.approx(1.5, abs=0.01)


def test_errors_of_the_target_are_weights():
    error = np.random.default_rng(0).uniform(0.01, 0.1, len(Y))
    by_error = small().fit(X, Y, y_err=error).predict(X)
    assert np.array_equal(by_error, small().fit(X, Y, sample_weight=error**-2.0).predict(X))
    assert not np.allclose(by_error, small().fit(X, Y).predict(X))


def test_weight_zero_leaves_a_row_out():
    y = Y.copy()
    y[:10] = 1000.0
    weights = np.ones(len(Y))
    weights[:10] = 0.0
    model = small().fit(X, y, sample_weight=weights)
    assert model.n_rows_ == len(Y) - 10
    assert np.array_equal(model.predict(X), small().fit(X[10:], Y[10:]).predict(X))


@pytest.mark.parametrize("bad", [-1.0, np.nan, np.inf])
def test_bad_weights_are_refused(bad):
    weights = np.ones(len(Y))
    weights[7] = bad
    with pytest.raises(InputError, match="row 7"):
        small().fit(X, Y, sample_weight=weights)


# ---- tables


def masked(table):
    table = Table(table, masked=True)
    table["TEFF"][0] = -9999.0
    table["TEFF"].mask[0] = True
    return table


def qtable(table):
    table = QTable(table)
    table["TEFF"] = table["TEFF"] * 1e-3 * u.kK
    table["LOGG"] = u.Dex(table["LOGG"] - 2.0, u.dex(u.m / u.s**2))
    return table


def big_endian(table):
    return Table({name: table[name].astype(">f8") for name in table.colnames})


def shuffled(table):
    return table[list(reversed(table.colnames))]


def structured(table):
    return table.as_array()


def data_frame(table):
    return table.to_pandas()


def mapping(table):
    return {name: list(table[name]) for name in table.colnames}


def renamed(table):
    table = table.copy()
    table.rename_columns(["M_H", "TEFF"], ["FE_H", "teff"])
    return table


CONVERSIONS = [qtable, big_endian, shuffled, structured, data_frame, mapping, renamed]


@pytest.mark.parametrize("convert", CONVERSIONS)
def test_every_kind_of_table_gives_the_same(trained, convert):
    expected = trained.predict(TABLE)
    assert np.allclose(trained.predict(convert(TABLE)), expected, rtol=1e-9)
    model = small().fit(convert(TABLE), Y)
    assert np.allclose(model.predict(TABLE), expected, rtol=1e-6)
    assert list(model.feature_names_in_) == list(LABEL_NAMES)


def test_array_and_table_give_the_same(trained):
    from_array = small().fit(X, Y)
    assert np.array_equal(from_array.predict(X), trained.predict(TABLE))
    assert np.array_equal(from_array.predict(TABLE), trained.predict(TABLE))


def test_the_column_in_place_of_another_is_recorded():
    model = small().fit(renamed(TABLE), Y)
    assert model.label_columns_ == {name: name for name in LABEL_NAMES} | {"M_H": "FE_H", "TEFF": "teff"}
    # Given both at prediction, the one that was trained on is used.
    both = TABLE.copy()
    both["FE_H"] = both["M_H"]
    both["M_H"] = both["M_H"] + 5.0
    assert np.array_equal(model.predict(both), model.predict(TABLE))


def test_masked_entries_and_placeholders_are_missing(trained):
    expected = trained.predict(TABLE)[1:]
    predicted = trained.predict(masked(TABLE))
    assert np.isnan(predicted[0])
    assert np.array_equal(predicted[1:], expected)
    for value in (-9999.0, -999.0, 99.99, np.inf, np.nan, 9999.99):
        for convert in (Table, lambda table: np.column_stack([table[name] for name in LABEL_NAMES])):
            table = TABLE.copy()
            table["N_FE"][0] = value
            model = trained if convert is Table else small().fit(X, Y)
            assert np.isnan(model.predict(convert(table))).tolist() == [True] + [False] * (len(Y) - 1), value


def test_masked_array(trained):
    array = np.ma.array(X.copy(), mask=np.zeros(X.shape, bool))
    array[3, 2] = np.ma.masked
    model = small().fit(X, Y)
    assert np.flatnonzero(np.isnan(model.predict(array))).tolist() == [3]
    with pytest.warns(RowsLeftOutWarning, match="1 of 150 rows"):
        assert small().fit(array, Y).n_rows_ == len(Y) - 1


def test_impossible_labels_of_a_table_are_missing(trained):
    table = TABLE.copy()
    table["LOGG"][0] = 45.0
    assert np.isnan(trained.predict(table)[0])


def test_rows_are_left_out_of_training_and_counted():
    table, y = TABLE.copy(), Y.copy()
    table["C_FE"][:4] = -9999.0
    y[2:6] = [np.nan, -9999.0, np.inf, 99.0]
    with pytest.warns(RowsLeftOutWarning, match="6 of 150 rows were left out"):
        model = small().fit(table, y)
    assert (model.n_rows_, model.n_rows_left_out_) == (len(Y) - 6, 6)
    assert np.array_equal(model.predict(TABLE), small().fit(X[6:], Y[6:]).predict(X))


@pytest.mark.filterwarnings("ignore::skdistmass.exceptions.RowsLeftOutWarning")
def test_nothing_to_train_on():
    with pytest.raises(InputError, match="no row can be trained on"):
        small().fit(np.full((20, 5), np.nan), np.ones(20))
    with pytest.raises(InputError, match="training table is empty"):
        small().fit(TABLE[:0], Y[:0])
    with pytest.raises(ValueError, match="0 sample"):
        small().fit(X[:0], Y[:0])


def test_all_rows_missing_at_prediction(trained):
    table = TABLE[:3].copy()
    table["TEFF"] = np.nan
    assert np.isnan(trained.predict(table)).all()
    assert np.isnan(trained.jacobian(table)).all()


@pytest.mark.parametrize("rows", [0, 1])
def test_empty_table_and_one_row(rows):
    model = small(error_model="conformal", n_folds=2).fit(TABLE, Y)
    table = TABLE[:rows]
    predicted, error = model.predict(table, return_std=True)
    assert predicted.shape == error.shape == (rows,)
    assert np.isfinite(error).all()
    assert model.predict_interval(table, X_err=np.ones((rows, 5))).shape == (rows, 2)
    assert model.jacobian(table).shape == (rows, 5)
    np.testing.assert_allclose(predicted, model.predict(TABLE)[:rows], rtol=1e-12)


def test_one_row_of_training_is_a_constant():
    assert small().fit(X[:1], Y[:1]).predict(X) == pytest.approx(Y[0], rel=1e-6)


def test_bad_columns_are_named(trained):
    without = TABLE.copy()
    without.remove_column("N_FE")
    for use in (trained.predict, lambda table: small().fit(table, Y)):
        with pytest.raises(ColumnError, match="no column N_FE; the table has: TEFF, LOGG, M_H, C_FE"):
            use(without)
    doubled = pd.concat([TABLE.to_pandas(), TABLE.to_pandas()[["TEFF"]]], axis=1)
    with pytest.raises(ColumnError, match="column TEFF occurs more than once"):
        trained.predict(doubled)
    wrong_unit = TABLE.copy()
    wrong_unit["TEFF"].unit = "kpc"
    with pytest.raises(UnitError, match="TEFF has the unit kpc"):
        trained.predict(wrong_unit)
    text = TABLE.copy()
    text["LOGG"] = text["LOGG"].astype(str)
    with pytest.raises(ColumnError, match=r"column LOGG holds .* not numbers"):
        trained.predict(text)


def test_other_labels_by_name():
    frame = pd.DataFrame({"z": Y, "b": X[:, 1], "a": X[:, 0]})
    for table in (frame, Table.from_pandas(frame)):
        model = small(labels=("a", "b")).fit(table, Y)
        assert model.n_features_in_ == 2
        assert np.array_equal(model.predict(table), small().fit(X[:, :2], Y).predict(X[:, :2]))


def test_the_same_width_is_needed():
    with pytest.raises(ValueError, match="X has 4 features"):
        small().fit(X, Y).predict(X[:, :4])
    with pytest.raises(InputError, match="trained on an array of 3 columns without names"):
        small().fit(X[:, :3], Y).predict(TABLE)


# ---- the engine


def test_it_is_a_scaler_and_a_plain_network(trained):
    scaler, network = trained.pipeline_["scaler"], trained.pipeline_["network"]
    assert type(scaler) is StandardScaler
    assert type(network) is MLPRegressor
    assert np.array_equal(network.predict(scaler.transform(X)), trained.predict(TABLE))


def test_the_paper_s_recipe():
    for regressor in (AbsMagRegressor, CNMassRegressor):
        model = regressor.paper(random_state=0)
        assert type(model) is regressor
        network = model.network
        assert (network.hidden_layer_sizes, network.activation, network.solver) == ((8,), "relu", "adam")
        assert network.early_stopping
        assert model.error_model == "paper"
        assert regressor.paper(network__activation="tanh").network.activation == "tanh"
    X, y = make_stars(600)
    model = CNMassRegressor.paper(network__learning_rate_init=0.01, n_folds=2, random_state=0).fit(X, y)
    assert model.score(X, y) > 0.8
    assert type(model.errors_).__name__ == "PaperErrors"


def test_networks_are_averaged():
    one, two = (small(n_networks=n).fit(X, Y) for n in (1, 2))
    assert two.pipeline_["network"].hidden_layer_sizes == (6,)
    assert one.pipeline_["network"].hidden_layer_sizes in (3, (3,))


def test_seed_decides():
    first, again, other = (small(random_state=seed).fit(X, Y).predict(X) for seed in (1, 1, 2))
    assert np.array_equal(first, again)
    assert not np.array_equal(first, other)


def test_clone_and_pickle(trained):
    assert repr(clone(trained)) == repr(trained)
    with pytest.raises(NotFittedError):
        clone(trained).predict(X)
    assert np.array_equal(pickle.loads(pickle.dumps(trained)).predict(TABLE), trained.predict(TABLE))


@pytest.mark.parametrize(
    "wrong",
    [
        {"network__activation": "sine"},
        {"network": MLPRegressor(solver="newton")},
        {"network__alpha": -1},
        {"network": 3},
        {"n_networks": 0},
        {"error_model": "none"},
    ],
)
def test_parameters_are_checked(wrong):
    name = "solver" if isinstance(wrong.get("network"), MLPRegressor) else next(iter(wrong)).split("__")[-1]
    with pytest.raises(ValueError, match=f"The '{name}' parameter"):
        small(**wrong).fit(X, Y)


def test_score_is_of_the_complete_stars(trained):
    table, y = TABLE.copy(), Y.copy()
    expected = trained.score(TABLE[2:], y[2:])
    table["TEFF"][0], y[1] = np.nan, np.nan
    assert trained.score(table, y) == expected
    weights = np.ones(len(Y))
    weights[50:] = 0
    assert trained.score(TABLE, Y, sample_weight=weights) == pytest.approx(trained.score(TABLE[:50], Y[:50]))
    assert np.isnan(trained.score(TABLE[:1], Y[:1]))


def test_jacobian_is_that_of_the_prediction(trained):
    steps = 1e-6 * X.std(axis=0)
    model = small().fit(X, Y)
    for i, step in enumerate(steps):
        shift = step * np.eye(5)[i]
        numeric = (model.predict(X + shift) - model.predict(X - shift)) / (2 * step)
        assert np.allclose(model.jacobian(X)[:, i], numeric, rtol=1e-5, atol=1e-6 * np.abs(numeric).max())


def test_mass_needs_to_be_positive():
    y = Y.copy()
    y[:3] = [0.0, -1.0, -0.01]
    with pytest.warns(RowsLeftOutWarning, match="3 of 150"):
        model = small(CNMassRegressor).fit(X, y)
    assert model.n_rows_ == len(Y) - 3


def test_intervals_of_mass_are_positive_and_asymmetric():
    model = small(CNMassRegressor, error_model="conformal", n_folds=2).fit(X, Y)
    interval = model.predict_interval(X, 0.9999, X_err=[200.0, 0.5, 0.5, 0.5, 0.5])
    predicted = model.predict(X)
    assert (interval > 0).all()
    assert np.all(interval[:, 1] - predicted > predicted - interval[:, 0])


# ---- out of fold


def test_out_of_fold_predictions_have_not_seen_the_star():
    # Each star twice, its target one of pure chance: who has seen it knows it.
    rng = np.random.default_rng(0)
    stars = rng.normal(size=(40, 2))
    X = np.repeat(stars, 3, axis=0) + 1e-6 * rng.normal(size=(120, 2))
    y = np.repeat(rng.normal(size=40), 3)
    star = np.repeat(np.arange(40), 3)
    network = LevenbergMarquardtMLPRegressor(hidden_layer_sizes=12, alpha=0.01, tol=1e-3)
    model = LabelRegressor(network=network, n_networks=1, random_state=0)
    grouped, loose = (clone(model).fit(X, y, groups=g).oof_prediction_ for g in (star, None))
    r_grouped, r_loose = (np.corrcoef(oof, y)[0, 1] for oof in (grouped, loose))
    assert r_loose > 0.6
    assert r_grouped < 0.35


def test_out_of_fold_predictions_are_where_the_rows_were():
    table, y = TABLE.copy(), Y.copy()
    y[5] = np.nan
    with pytest.warns(RowsLeftOutWarning):
        model = small(error_model="conformal").fit(table, y)
    oof = model.oof_prediction_
    assert np.flatnonzero(np.isnan(oof)).tolist() == [5]
    assert np.nanstd(oof - Y) < 0.5 * Y.std()
    assert not np.array_equal(oof[6:], model.predict(table)[6:])


def test_without_errors_there_are_none(trained):
    assert trained.oof_prediction_ is None
    with pytest.raises(InputError, match="this model has no errors"):
        trained.predict(TABLE, return_std=True)
    few = small(error_model="conformal").fit(X[:49], Y[:49])
    assert few.errors_ is None
    with pytest.raises(InputError, match="50 stars or more"):
        few.predict_interval(X)


# ---- scikit-learn around it


@pytest.fixture
def routing():
    with sklearn.config_context(enable_metadata_routing=True):
        yield


STARS = np.arange(len(Y)) // 3


@pytest.mark.parametrize("regressor", [AbsMagRegressor, CNMassRegressor])
@pytest.mark.usefixtures("routing")
def test_grid_search_routes_weights_and_groups(regressor):
    seen = []

    class Spy(regressor):
        def fit(self, X, y, sample_weight=None, groups=None, y_err=None, X_err=None):
            seen.append((sample_weight, groups))
            return super().fit(X, y, sample_weight=sample_weight, groups=groups)

        def __init__(self, *, network=None, error_model=None, n_networks=1, random_state=0):
            super().__init__(network=network, error_model=error_model, n_networks=n_networks, random_state=random_state)

    model = Spy().set_fit_request(sample_weight=True, groups=True).set_score_request(sample_weight=True)
    search = GridSearchCV(model, {"network__hidden_layer_sizes": [2, (3, 2)]}, cv=GroupKFold(2))
    weights = 1.0 + np.arange(len(Y))
    search.fit(X, Y, sample_weight=weights, groups=STARS)
    assert search.best_params_["network__hidden_layer_sizes"] in (2, (3, 2))
    assert len(seen) == 5
    for weight, groups in seen:
        assert np.array_equal(np.floor((weight - 1.0) / 3), groups)
        assert len(groups) in (75, 150)
    for weight, _ in seen[:-1]:
        assert len(weight) == 75  # whole stars


@pytest.mark.usefixtures("routing")
def test_grid_search_reaches_the_filter_s_threshold():
    binaries = BinaryResidualFilter(estimator=small(), n_folds=2, random_state=0)
    model = small(AbsMagRegressor, binary_filter=binaries)
    model.set_fit_request(sample_weight=True, groups=True).set_score_request(sample_weight=True)
    thresholds = [0.005, 0.5]
    search = GridSearchCV(model, {"binary_filter__threshold": thresholds}, cv=GroupKFold(2))
    search.fit(X, Y, sample_weight=np.ones(len(Y)), groups=STARS)
    assert search.best_estimator_.binary_filter_.threshold_ in thresholds
    # A filter that leaves out a third of good stars makes another model than one that leaves out none.
    scores = search.cv_results_["mean_test_score"]
    assert scores[0] != scores[1]


@pytest.mark.parametrize(
    "grid",
    [
        {"network__activation": ["tanh", "relu"]},
        {"network__alpha": [0.01, 1.0], "network__tol": [1e-3]},
        {"network": [scikit_learn_network("lbfgs"), LevenbergMarquardtMLPRegressor()], "network__max_iter": [300]},
        {"network__early_stopping": [True], "network__validation_fraction": [0.2]},
    ],
)
@pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")
def test_grid_search_reaches_the_network(grid):
    search = GridSearchCV(small(), grid, cv=2).fit(X, Y)
    assert np.isfinite(search.cv_results_["mean_test_score"]).all()


def test_inside_a_pipeline():
    model = make_pipeline(FunctionTransformer(), small())
    assert np.isfinite(cross_val_score(model, X, Y, cv=2)).all()


def test_set_output_changes_nothing(trained):
    with sklearn.config_context(transform_output="pandas"):
        model = small().fit(TABLE, Y)
        assert np.array_equal(model.predict(TABLE), trained.predict(TABLE))
        assert np.array_equal(model.jacobian(TABLE), trained.jacobian(TABLE))
