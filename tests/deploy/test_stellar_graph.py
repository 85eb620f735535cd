"""The graph of a model of the whole diagram gives what the model gives."""

import warnings

import numpy as np
import pytest
from astropy.table import Table
from sklearn.exceptions import ConvergenceWarning

from skdistmass import AbsMagRegressor, CNMassRegressor, DistMassModel, LevenbergMarquardtMLPRegressor, load_model
from skdistmass.datasets import make_survey
from skdistmass.deploy import distilled, export_model, load
from skdistmass.deploy.graph import graph_inputs
from skdistmass.exceptions import DistMassWarning

pytestmark = pytest.mark.slow

NETWORK = LevenbergMarquardtMLPRegressor(hidden_layer_sizes=(4, 3), max_iter=20, n_starts=2)
SMALL = {"network": NETWORK, "n_networks": 2, "n_folds": 2}


def train(stars, abs_mag, mass, **options):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DistMassWarning)
        warnings.simplefilter("ignore", ConvergenceWarning)
        return DistMassModel(abs_mag, mass, random_state=0, **options).fit(stars)


@pytest.fixture(scope="module")
def stars():
    """Mock stars, of which every third lacks carbon, in two sources of labels."""
    table = Table(make_survey(1800, random_state=0, seismic_fraction=0.6))
    table["C_FE"][::3] = np.nan
    table["LABEL_SRC"] = np.where(np.arange(len(table)) % 4 == 0, "other", "usual")
    return table


@pytest.fixture(scope="module")
def whole(stars):
    return train(
        stars, AbsMagRegressor.whole_diagram(**SMALL), CNMassRegressor(loss="student", **SMALL),
        mass_scales={"": "MASS", "CAL": "MASS_CAL"},
    )  # fmt: skip


@pytest.fixture(scope="module", params=["student", "squared"])
def with_mass_fallback(request, stars):
    """Masses of stars without carbon or nitrogen, too."""
    mass = CNMassRegressor(loss=request.param, **SMALL)
    scales = {"": "MASS", "CAL": "MASS_CAL"}
    return train(stars, AbsMagRegressor(**SMALL), mass, mass_scales=scales, mass_fallback=True)


@pytest.fixture(scope="module")
def plain_loss(stars):
    """Physics without optional labels, so that there is a second network of three labels."""
    return train(
        stars, AbsMagRegressor(baseline="stellar", **SMALL), CNMassRegressor(**SMALL), mass_scales={"": "MASS"}
    )


def check(model, tmp_path, plain_columns, assert_parity, dtype, input_errors):
    export_model(model, tmp_path / "m.onnx", dtype=dtype, input_errors=input_errors)
    table = Table(make_survey(2000, random_state=1))
    table["N_FE"][::4] = np.nan
    inputs = plain_columns(table, graph_inputs(input_errors), dtype)
    predictor = load(tmp_path / "m.onnx", threads=1)
    outputs = dict(zip(predictor.outputs, predictor._session.run(predictor.outputs, inputs), strict=True))
    without = np.isnan(inputs["N_FE"]) & np.isfinite(outputs["ABS_MAG"])
    assert without.any()
    assert outputs["LABEL_FALLBACK"][without].all()
    if model.mass_fallbacks_:
        assert np.isfinite(outputs["MASS"][without]).any()
        assert (outputs["MASS_SPACE"][without] == 1).any()
    assert_parity(model, inputs, outputs)


@pytest.mark.parametrize("input_errors", [False, True])
@pytest.mark.parametrize("dtype", ["float64", "float32"])
def test_parity(whole, tmp_path, plain_columns, assert_parity, dtype, input_errors):
    check(whole, tmp_path, plain_columns, assert_parity, dtype, input_errors)


@pytest.mark.parametrize("dtype", ["float64", "float32"])
def test_parity_with_the_plain_loss(plain_loss, tmp_path, plain_columns, assert_parity, dtype):
    check(plain_loss, tmp_path, plain_columns, assert_parity, dtype, True)


@pytest.mark.parametrize(("dtype", "input_errors"), [("float64", True), ("float32", True), ("float64", False)])
def test_parity_of_masses_without_abundances(
    with_mass_fallback, tmp_path, plain_columns, assert_parity, dtype, input_errors
):
    check(with_mass_fallback, tmp_path, plain_columns, assert_parity, dtype, input_errors)


@pytest.mark.parametrize(("kind", "dtype"), [("whole", "float64"), ("whole", "float32"), ("plain_loss", "float64")])
def test_quantiles(kind, dtype, request, tmp_path, assert_vectors):
    model = request.getfixturevalue(kind)
    export_model(model, tmp_path / "m.onnx", dtype=dtype, quantiles=True)
    table = Table(make_survey(1500, random_state=1))
    table["N_FE"][::4] = np.nan
    assert_vectors(model, table, load(tmp_path / "m.onnx", threads=1))


def test_saved_and_read_again_it_is_the_same(whole, stars, tmp_path):
    whole.save(tmp_path / "whole.model")
    again = load_model(tmp_path / "whole.model")
    for out_of_fold in (True, False):
        for one, other in zip(
            *(model.predict(stars, out_of_fold=out_of_fold).itercols() for model in (whole, again)), strict=True
        ):
            np.testing.assert_array_equal(np.asarray(one), np.asarray(other), err_msg=one.name)


def test_distilled_corrections_are_small_and_near(whole, stars):
    small = distilled(whole, n_stars=3000)
    assert small.abs_mag_.pipeline_.physical.pipeline["network"].coefs_[0].shape == (3, 10)
    columns = whole.predict(stars), small.predict(stars, out_of_fold=False)
    inside = np.asarray(columns[0]["DISTANCE_SPACE"]) == 0
    difference = (columns[1]["ABS_MAG"] - whole.predict(stars, out_of_fold=False)["ABS_MAG"])[inside]
    assert np.nanmedian(np.abs(difference)) < 0.02
