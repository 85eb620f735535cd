"""skl2onnx converts every estimator of the package."""

import warnings

import numpy as np
import onnx
import onnxruntime
import pytest
from skl2onnx import to_onnx
from sklearn.model_selection import GridSearchCV
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import FunctionTransformer, StandardScaler

from skdistmass import (
    AbsMagRegressor,
    BinaryResidualFilter,
    CNMassRegressor,
    IsochroneAgeTransformer,
    IsochroneDistanceRegressor,
    LevenbergMarquardtMLPRegressor,
    TrainingSpace,
)
from skdistmass.deploy import register_converters
from skdistmass.estimators.label_regressor import LabelRegressor
from skdistmass.exceptions import InputError

pytestmark = pytest.mark.slow

NETWORK = LevenbergMarquardtMLPRegressor(hidden_layer_sizes=4, max_iter=20, n_starts=2)
QUICK = {"network": NETWORK, "n_networks": 2, "n_folds": 2, "random_state": 0}
OPSETS = [11, 13, 18, 21]


@pytest.fixture(scope="module", autouse=True)
def _converters():
    register_converters()


@pytest.fixture(scope="module")
def labels():
    rng = np.random.default_rng(0)
    logg = rng.uniform(1.0, 3.4, 400)
    return np.column_stack([3700 + 450 * logg + rng.normal(0, 80, 400), logg, *rng.normal(0, 0.15, (3, 400))])


@pytest.fixture(scope="module")
def stars(labels):
    """Labels to predict for, with all kinds of missing values."""
    stars = np.vstack([labels, labels * 1.5])
    stars[3, 0], stars[4, 1], stars[5, 2], stars[6, 3], stars[7, 4] = np.nan, np.inf, -9999.0, 99.99, -np.inf
    return stars


def _fit(model, X, y):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return model.fit(X, y)


def _run(proto, X):
    onnx.checker.check_model(proto, full_check=True)
    session = onnxruntime.InferenceSession(proto.SerializeToString(), providers=["CPUExecutionProvider"])
    return dict(zip([o.name for o in session.get_outputs()], session.run(None, {"X": X}), strict=True))


@pytest.mark.parametrize("opset", OPSETS)
@pytest.mark.parametrize("kind", [LabelRegressor, AbsMagRegressor, CNMassRegressor])
@pytest.mark.parametrize(("dtype", "tolerance"), [(np.float64, 1e-9), (np.float32, 1e-5)])
def test_regressors(labels, stars, kind, dtype, tolerance, opset):
    model = _fit(kind(**QUICK), labels, 3.0 + np.sin(labels[:, 1]) + 0.1 * labels[:, 2])
    proto = to_onnx(
        model, stars[:1].astype(dtype), target_opset=opset, options={"with_std": True, "with_interval": True}
    )
    X = stars.astype(dtype)
    found = _run(proto, X)
    value, std = model.predict(X, return_std=True)
    interval = model.predict_interval(X, 0.6826894921370859)
    assert found["variable"].shape == (len(X), 1)
    np.testing.assert_allclose(found["variable"][:, 0], value, rtol=tolerance, atol=tolerance)
    np.testing.assert_allclose(found["std"][:, 0], std, rtol=tolerance)
    np.testing.assert_allclose(found["interval"], interval, rtol=tolerance, atol=tolerance)
    assert _run(proto, X[:0])["variable"].shape == (0, 1)


def test_errors_only_by_option_and_if_there_are_some(labels):
    model = _fit(AbsMagRegressor(error_model=None, **QUICK), labels, labels[:, 1])
    assert [o.name for o in to_onnx(model, labels[:1]).graph.output] == ["variable"]
    with pytest.raises(InputError, match="error_model"):
        to_onnx(model, labels[:1], options={"with_std": True})


def test_paper_errors(labels, stars):
    model = _fit(AbsMagRegressor(error_model="paper", **QUICK), labels, labels[:, 1] ** 2)
    found = _run(to_onnx(model, stars[:1], options={"with_std": True}), stars)
    np.testing.assert_allclose(found["std"][:, 0], model.predict(stars, return_std=True)[1], rtol=1e-9)


def test_in_pipelines_and_searches(labels, stars):
    complete = stars[np.isfinite(stars).all(axis=1)]
    pipeline = make_pipeline(StandardScaler(), AbsMagRegressor(**QUICK))
    search = GridSearchCV(pipeline, {"absmagregressor__network__alpha": [0.1, 1.0]}, cv=2)
    best = _fit(search, labels, labels[:, 1] ** 2).best_estimator_
    found = _run(to_onnx(best, labels[:1]), complete)
    np.testing.assert_allclose(found["variable"][:, 0], best.predict(complete), rtol=1e-9, atol=1e-9)


def test_columns_as_separate_inputs(labels):
    from skl2onnx.common.data_types import DoubleTensorType

    names = ["TEFF", "LOGG", "M_H", "C_FE", "N_FE"]
    model = _fit(CNMassRegressor(**QUICK), dict(zip(names, labels.T, strict=True)), 1.0 + labels[:, 1])
    proto = to_onnx(model, initial_types=[(name, DoubleTensorType([None, 1])) for name in names])
    session = onnxruntime.InferenceSession(proto.SerializeToString(), providers=["CPUExecutionProvider"])
    found = session.run(None, {name: column[:, None] for name, column in zip(names, labels.T, strict=True)})[0]
    np.testing.assert_allclose(found[:, 0], model.predict(dict(zip(names, labels.T, strict=True))), rtol=1e-9)


def test_wrong_number_of_columns(labels):
    model = _fit(AbsMagRegressor(**QUICK), labels, labels[:, 1])
    with pytest.raises(InputError, match="5 columns"):
        to_onnx(model, labels[:1, :4])


@pytest.mark.parametrize("opset", OPSETS)
@pytest.mark.parametrize("dtype", [np.float64, np.float32])
def test_training_space(labels, stars, dtype, opset):
    space = TrainingSpace(random_state=0).fit(labels)
    X = stars.astype(dtype)
    found = _run(to_onnx(space, X[:1], target_opset=opset), X)
    np.testing.assert_array_equal(found["label"][:, 0], space.predict(X))
    np.testing.assert_array_equal(found["answer"][:, 0], space.classify(X))
    tolerance = 1e-9 if dtype is np.float64 else 1e-5
    np.testing.assert_allclose(found["scores"][:, 0], space.decision_function(X), rtol=tolerance, atol=tolerance)


@pytest.mark.parametrize("opset", OPSETS)
@pytest.mark.parametrize("dtype", [np.float64, np.float32])
@pytest.mark.parametrize("parameters", [{}, {"out_of_bounds": "edge", "mass_loss": 0.03}])
def test_ages(dtype, parameters, opset):
    ages = IsochroneAgeTransformer(**parameters).fit([[1.0, 0.0]])
    X = np.column_stack([np.linspace(0.5, 9, 300), np.linspace(-0.7, 0.7, 300)]).astype(dtype)
    X[3], X[5, 0], X[6, 1] = np.nan, np.inf, -9999.0
    found = _run(to_onnx(ages, X[:1], target_opset=opset, options={"with_flag": True}), X)
    np.testing.assert_allclose(found["variable"], ages.transform(X), rtol=1e-9 if dtype is np.float64 else 1e-5)
    np.testing.assert_array_equal(found["flag"][:, 0], ages.flag(X))


def test_mass_and_age_in_one_pipeline(labels):
    """A transformer takes its columns by position, with others between."""
    X = np.column_stack([labels[:, 2], np.linspace(0.9, 3, len(labels))])
    ages = IsochroneAgeTransformer(mass_column=1, feh_column=0)
    pipeline = make_pipeline(FunctionTransformer(), ages).fit(X)
    np.testing.assert_allclose(_run(to_onnx(pipeline, X[:1]), X)["variable"], pipeline.transform(X), rtol=1e-9)


def test_binary_filter_leaves_no_trace(labels):
    y = labels[:, 1] ** 2
    with_filter = AbsMagRegressor(binary_filter=BinaryResidualFilter(threshold=0.2, random_state=0), **QUICK)
    filtered = to_onnx(_fit(with_filter, labels, y), labels[:1])
    plain = to_onnx(_fit(AbsMagRegressor(**QUICK), labels, y), labels[:1])
    assert [node.op_type for node in filtered.graph.node] == [node.op_type for node in plain.graph.node]
    pipeline = pytest.importorskip("imblearn.pipeline")
    steps = [("filter", BinaryResidualFilter(threshold=0.2, random_state=0)), ("net", AbsMagRegressor(**QUICK))]
    model = _fit(pipeline.Pipeline(steps), labels, y)
    proto = to_onnx(model, labels[:1])
    assert [node.op_type for node in proto.graph.node] == [node.op_type for node in plain.graph.node]
    np.testing.assert_allclose(_run(proto, labels)["variable"][:, 0], model.predict(labels), rtol=1e-9, atol=1e-9)


def test_isochrone_distances_are_refused(labels):
    with pytest.raises(InputError, match="can't be converted to ONNX"):
        to_onnx(IsochroneDistanceRegressor(), labels[:1])


@pytest.mark.parametrize("opset", [11, 21])
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize(
    "model",
    [
        AbsMagRegressor.whole_diagram(**QUICK),
        AbsMagRegressor(baseline="stellar", **QUICK),
        CNMassRegressor(loss="student", **QUICK),
    ],
)
def test_options_for_the_whole_diagram(model, labels, stars, opset, dtype):
    """Without abundances there is a value where the model has one; far outside physics remains."""
    target = np.exp(0.3 * labels[:, 1] + np.random.default_rng(1).normal(0, 0.05, len(labels)))
    X = np.array(labels)
    X[::3, 3:] = np.nan if len(getattr(model, "optional_labels", ())) else X[::3, 3:]
    model = _fit(model, X, target)
    given = stars.astype(dtype)
    options = {type(model): {"with_std": True, "with_interval": True}}
    value, std, interval = _run(to_onnx(model, given[:1], target_opset=opset, options=options), given).values()
    found = model.predict_with_interval(given.astype(float))
    tolerance = {"rtol": 1e-5, "atol": 1e-5} if dtype == np.float32 else {"rtol": 1e-9, "atol": 1e-9}
    np.testing.assert_allclose(value[:, 0], found.value, **tolerance)
    np.testing.assert_allclose(std[:, 0], found.error, **tolerance)
    np.testing.assert_allclose(interval, found.interval, **tolerance)
    assert np.isfinite(found.value[6]) == (len(getattr(model, "optional_labels", ())) > 0)
