"""Label calibrations as ONNX graphs."""

import numpy as np
import onnx
import onnxruntime
import pytest
from sklearn.frozen import FrozenEstimator
from sklearn.pipeline import Pipeline

from skdistmass import AbsMagRegressor
from skdistmass.deploy.converters import register_converters
from skdistmass.estimators.label_calibration import LabelCalibration, load_calibration, shipped_calibrations

register_converters()
from skl2onnx import to_onnx  # noqa: E402

pytestmark = pytest.mark.slow


def make_labels(n_stars, n_labels=5):
    rng = np.random.default_rng(0)
    X = np.column_stack([rng.uniform(3500, 7000, n_stars), rng.uniform(0, 5, n_stars), rng.normal(0, 0.3, n_stars)])
    X = np.column_stack([X, rng.normal(0, 0.1, (n_stars, 2))])[:, :n_labels]
    X[3, 0], X[4, 1], X[5, -1], X[6, 2] = np.nan, -9999.0, np.inf, 99.99
    return X


def run(proto, X):
    onnx.checker.check_model(proto, full_check=True)
    session = onnxruntime.InferenceSession(proto.SerializeToString(), providers=["CPUExecutionProvider"])
    return session.run(None, {"X": X})


@pytest.fixture(scope="module")
def smooth():
    X = make_labels(400)[10:]
    to = X + np.column_stack([0.03 * X[:, 0], 0.05 * X[:, 1] ** 2, 0.1 * X[:, 2], X[:, 3:] * 0])
    return LabelCalibration(form="smooth", random_state=0).fit(X, to)


@pytest.mark.parametrize("opset", [11, 18, 21])
@pytest.mark.parametrize(("dtype", "tolerance"), [(np.float64, 1e-9), (np.float32, 1e-5)])
@pytest.mark.parametrize("name", [*shipped_calibrations(), "smooth"])
def test_calibrations(smooth, name, dtype, tolerance, opset):
    calibration = smooth if name == "smooth" else load_calibration(name)
    X = make_labels(300, calibration.n_features_in_).astype(dtype)
    (found,) = run(to_onnx(calibration, X[:1], target_opset=opset), X)
    table = X if name == "smooth" else dict(zip(calibration.label_names_, X.T, strict=True))
    np.testing.assert_allclose(found, calibration.transform(table), rtol=tolerance, atol=tolerance)
    assert np.isnan(found).sum() == 4


@pytest.mark.parametrize("wrap", [lambda step: step, FrozenEstimator])
def test_before_a_regressor(smooth, wrap):
    X = make_labels(300)[10:]
    model = AbsMagRegressor(n_networks=1, error_model=None, random_state=0)
    model.fit(smooth.transform(X), 2 * X[:, 1])
    pipeline = Pipeline([("scale", wrap(smooth)), ("model", model)])
    (found,) = run(to_onnx(pipeline, X[:1]), X)
    np.testing.assert_allclose(found[:, 0], model.predict(smooth.transform(X)), rtol=1e-9, atol=1e-9)
