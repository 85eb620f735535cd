"""The graph gives what the model gives."""

import copy
import warnings

import numpy as np
import onnx
import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st
from onnx.reference import ReferenceEvaluator
from sklearn.exceptions import NotFittedError

from skdistmass import (
    AbsMagRegressor,
    CNMassRegressor,
    DistMassModel,
    IsochroneAgeTransformer,
    LevenbergMarquardtMLPRegressor,
)
from skdistmass.datasets import make_survey
from skdistmass.deploy import distilled, export_model, load
from skdistmass.deploy.format import OPERATORS, OPSET
from skdistmass.deploy.graph import graph_inputs, model_graph
from skdistmass.exceptions import DistMassError, InputError
from skdistmass.isochrones.giant_ages.relation import GiantAgeRelation
from skdistmass.schema.bits import AgeFlag
from skdistmass.surveys import as_stars, read_survey

pytestmark = pytest.mark.slow

VARIANTS = [("float64", False), ("float64", True), ("float32", False), ("float32", True)]
TABLES = ["kepler_giants.fits", "k2_giants.fits", "dwarfs.fits", "hipparcos_dr12.fits", "cluster_members.fits"]
_TYPICAL = {"TEFF": 4750.0, "LOGG": 2.5, "M_H": -0.1, "C_FE": -0.1, "N_FE": 0.2, "MAG": 10.0, "EXTINCTION": 0.1}
_TYPICAL |= {"TEFF_ERR": 20.0, "LOGG_ERR": 0.03, "M_H_ERR": 0.02, "C_FE_ERR": 0.02, "N_FE_ERR": 0.03, "MAG_ERR": 0.02}
_TYPICAL |= {"EXTINCTION_ERR": 0.05}


def run(predictor, inputs):
    """Run a graph on raw numbers, without what the predictor reads out of them."""
    return dict(zip(predictor.outputs, predictor._session.run(predictor.outputs, inputs), strict=True))


@pytest.fixture(scope="module")
def mock(training_stars):
    """100,000 new stars and the training stars, with placeholders and missing values."""
    from astropy.table import vstack

    return vstack([make_survey(100_000, random_state=1), training_stars], metadata_conflicts="silent")


@pytest.mark.parametrize(("dtype", "input_errors"), VARIANTS)
def test_parity_on_mock_stars(model, predictors, plain_columns, assert_parity, mock, dtype, input_errors):
    inputs = plain_columns(mock, graph_inputs(input_errors), dtype)
    outputs = run(predictors(dtype, input_errors), inputs)
    # The test means something only if all kinds of stars are in it.
    assert set(np.unique(outputs["DISTANCE_SPACE"])) == {0, 1, 2, 3}
    assert outputs["LABEL_FALLBACK"].any()
    assert (outputs["BITMASK"] & 1).any()
    assert np.isfinite(outputs["AGE"]).sum() > 1000
    assert_parity(model, inputs, outputs)


@pytest.mark.parametrize("name", TABLES)
@pytest.mark.parametrize("dtype", ["float64", "float32"])
def test_parity_on_real_stars(model, predictors, plain_columns, assert_parity, real_data, name, dtype):
    inputs = plain_columns(read_survey(real_data(name)), graph_inputs(True), dtype)
    assert_parity(model, inputs, run(predictors(dtype, True), inputs))


_SENTINELS = st.sampled_from([-9999.0, -9999.99, -999.0, 99.0, 99.9, 99.99, 99.999, 999.99, 9999.0, 9999.99, 999999.0])
_SPECIAL = st.sampled_from([np.nan, np.inf, -np.inf, 0.0, -0.0, 1e-310, 1e300, -1e300, 3.5, 2000.0, 60000.0])


def _near(value):
    return st.floats(value - 0.3 * abs(value) - 0.5, value + 0.3 * abs(value) + 0.5)


_STAR = st.tuples(
    *(st.one_of(_near(v), _near(v), _near(v), _SENTINELS, _SPECIAL, st.floats()) for v in _TYPICAL.values())
)


@settings(
    phases=(Phase.reuse, Phase.generate),
    max_examples=60,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
@given(stars=st.lists(_STAR, max_size=12))
@pytest.mark.parametrize(("dtype", "input_errors"), [("float64", True), ("float32", False)])
def test_parity_on_any_numbers(model, predictors, assert_parity, dtype, input_errors, stars):
    stars = [tuple(_TYPICAL.values()), *stars]
    with np.errstate(over="ignore", under="ignore"):
        values = np.array(stars, dtype=dtype)
    inputs = {n: np.ascontiguousarray(c) for n, c in zip(_TYPICAL, values.T, strict=True)}
    inputs = {name: inputs[name] for name in graph_inputs(input_errors)}
    assert_parity(model, inputs, run(predictors(dtype, input_errors), inputs))


@pytest.mark.parametrize("error", [1e155, 1e300])
@pytest.mark.parametrize("label", ["TEFF", "LOGG", "M_H"])
def test_label_errors_too_large_for_a_square(model, predictors, assert_parity, label, error):
    """No star has such errors: they are missing, with carbon and nitrogen and without."""
    inputs = {name: np.full(2, _TYPICAL.get(name, np.nan)) for name in graph_inputs(True)}
    inputs["C_FE"][1] = np.nan
    inputs[f"{label}_ERR"][:] = error
    found = run(predictors("float64", True), inputs)
    assert_parity(model, inputs, found)
    typical = run(predictors("float64", True), inputs | {f"{label}_ERR": np.full(2, np.nan)})
    np.testing.assert_array_equal(found["ABS_MAG_ERR"], typical["ABS_MAG_ERR"])
    assert np.all(np.isfinite(found["ABS_MAG_ERR"]))


def test_placeholders_in_single_precision(model, predictors, assert_parity):
    """Placeholders are found when a file holds them in single precision, and their neighbours are not.

    No star has a magnitude as large; but an error of Teff may be 99.1 K.
    """
    names = graph_inputs(True)
    values = [99.0, 99.9, 99.99, 99.999, 999.99, 98.99, 99.1, 100.0, -998.9, -999.0]
    inputs = {name: np.full(len(values), _TYPICAL[name]) for name in names}
    without = run(predictors("float64", True), inputs | {"TEFF_ERR": np.full(len(values), np.nan)})
    for name in ("MAG", "TEFF_ERR"):
        inputs[name] = np.float32(values).astype(float)
        outputs = run(predictors("float64", True), inputs)
        assert_parity(model, inputs, outputs)
        if name == "MAG":
            assert np.isnan(outputs["DISTANCE"]).all()
    missing = outputs["ABS_MAG_ERR"] == without["ABS_MAG_ERR"]
    assert missing.tolist() == [True] * 5 + [False] * 3 + [True] * 2


@pytest.mark.parametrize(("dtype", "input_errors"), VARIANTS)
@pytest.mark.parametrize("n_stars", [0, 1, 2])
def test_any_number_of_stars(predictors, dtype, input_errors, n_stars):
    inputs = {name: np.full(n_stars, _TYPICAL[name], dtype) for name in graph_inputs(input_errors)}
    for name, values in run(predictors(dtype, input_errors), inputs).items():
        assert values.shape == (n_stars,), name


@pytest.mark.parametrize(("dtype", "input_errors"), VARIANTS)
def test_file_is_standard(exported, dtype, input_errors):
    proto = onnx.load(exported(dtype, input_errors))
    onnx.checker.check_model(proto, full_check=True)
    inferred = onnx.shape_inference.infer_shapes(proto, check_type=True, strict_mode=True, data_prop=True)
    assert [(o.domain, o.version) for o in proto.opset_import] == [("", OPSET)]
    assert {node.domain for node in proto.graph.node} == {""}
    assert {node.op_type for node in proto.graph.node} <= OPERATORS
    for value in (*inferred.graph.input, *inferred.graph.output):
        assert [d.dim_param for d in value.type.tensor_type.shape.dim] == ["N"]


def test_opset_is_the_lowest(model):
    proto = model_graph(model)
    del proto.opset_import[:]
    proto.opset_import.add(domain="", version=OPSET - 1)
    with pytest.raises(onnx.checker.ValidationError, match="GatherElements"):
        onnx.checker.check_model(proto, full_check=True)


@pytest.mark.parametrize(("dtype", "input_errors"), VARIANTS)
def test_parity_in_the_reference_evaluator(model, exported, plain_columns, assert_parity, dtype, input_errors, mock):
    inputs = plain_columns(mock[:1500], graph_inputs(input_errors), dtype)
    evaluator = ReferenceEvaluator(str(exported(dtype, input_errors)))
    with np.errstate(all="ignore"):
        outputs = evaluator.run(None, inputs)
        empty = evaluator.run(None, {name: column[:0] for name, column in inputs.items()})
    assert_parity(model, inputs, dict(zip(evaluator.output_names, outputs, strict=True)))
    assert all(values.shape == (0,) for values in empty)


def _changed(model, **changes):
    changed = copy.copy(model)
    vars(changed).update(changes)
    return changed


def _check_variant(model, tmp_path, plain_columns, assert_parity, stars):
    for input_errors in (False, True):
        export_model(model, tmp_path / "m.onnx", input_errors=input_errors)
        inputs = plain_columns(stars, graph_inputs(input_errors))
        assert_parity(model, inputs, run(load(tmp_path / "m.onnx"), inputs))


def test_errors_are_half_the_interval(predictors, plain_columns, mock):
    inputs = plain_columns(mock[:20_000], graph_inputs(False))
    found = run(predictors(), inputs)
    clipped = found["AGE_FLAG"] & AgeFlag.CLIPPED != 0
    for name in ("DISTANCE", "MASS", "AGE"):
        half = 0.5 * (found[f"{name}_HI"] - found[f"{name}_LO"])
        known = np.isfinite(half) & ~clipped
        assert known.sum() > 1000
        np.testing.assert_allclose(found[f"{name}_ERR"][known], half[known], rtol=1e-9, atol=1e-12, err_msg=name)
    # Where an end of the interval is cut at the end of the relation of mass and age, the error is that of the whole.
    assert clipped.any()
    half = 0.5 * (found["AGE_HI"] - found["AGE_LO"])
    assert np.all(found["AGE_ERR"][clipped] > half[clipped])


def test_distilled_model_is_faster_and_nearly_the_same(model, tmp_path, plain_columns, assert_parity, mock):
    small = distilled(model, hidden_layer_sizes=(6,), n_stars=3000)
    assert {network.pipeline_["network"].hidden_layer_sizes for network in small.masses_.values()} == {(6,)}
    assert model.abs_mag_.pipeline_["network"].hidden_layer_sizes == (10, 8)
    _check_variant(small, tmp_path, plain_columns, assert_parity, mock[:2000])
    before, after = (m.predict(mock[:2000], out_of_fold=False) for m in (model, small))
    inside = np.asarray(before["DISTANCE_SPACE"]) == 0
    change = np.abs(after["ABS_MAG"] - before["ABS_MAG"])[inside]
    assert np.median(change) < 0.5 * np.median(before["ABS_MAG_ERR"][inside])


def test_parity_without_fallback(model, tmp_path, plain_columns, assert_parity, mock):
    changed = _changed(model, abs_mag_fallback_=None, fallback_space_=None)
    _check_variant(changed, tmp_path, plain_columns, assert_parity, mock[:2000])


_NO_DISTANCES = {"abs_mag_": None, "abs_mag_fallback_": None, "distance_space_": None, "fallback_space_": None}
_NO_MASSES = {"masses_": {}, "mass_space_": None}


@pytest.mark.parametrize("absent", [_NO_DISTANCES, _NO_MASSES], ids=["masses", "distances"])
def test_parity_of_a_model_of_one_part(model, tmp_path, plain_columns, assert_parity, mock, absent):
    part = _changed(model, **absent)
    _check_variant(part, tmp_path, plain_columns, assert_parity, mock[:3000])
    part.to_onnx(tmp_path / "part.onnx")
    model.to_onnx(tmp_path / "whole.onnx")
    small = distilled(part, hidden_layer_sizes=(3,), n_stars=300)
    assert [network for network in (small.abs_mag_, *small.masses_.values()) if network is not None]
    assert len(small.masses_) == len(part.masses_)
    outputs = set(load(tmp_path / "part.onnx").outputs)
    assert outputs <= set(part.predict_columns(as_stars(mock[:5]))) | {"LABEL_FALLBACK"}
    assert any(name.startswith("DISTANCE") for name in outputs) == (absent is _NO_MASSES)
    assert any(name.startswith(("MASS", "AGE")) for name in outputs) == (absent is _NO_DISTANCES)
    # Nothing of the part that is absent is computed.
    nodes = {name: len(onnx.load(tmp_path / f"{name}.onnx").graph.node) for name in ("part", "whole")}
    assert nodes["part"] < 0.95 * nodes["whole"]


@pytest.mark.parametrize("activation", ["relu", "logistic", "identity"])
def test_parity_of_mixed_networks_and_errors(
    model, training_stars, tmp_path, plain_columns, assert_parity, mock, activation
):
    """Networks of several shapes, and each kind of error model, in one graph."""
    stars = training_stars[np.asarray(training_stars["MASS"].astype(float)) > 0.5]
    quick = {"n_networks": 1, "n_folds": 2, "random_state": 0}

    def network(sizes, activation="tanh"):
        return LevenbergMarquardtMLPRegressor(hidden_layer_sizes=sizes, activation=activation, max_iter=10, n_starts=2)

    paper = CNMassRegressor(network=network(3, activation), error_model="paper", **quick)
    none = AbsMagRegressor(network=network((4, 3, 2), activation), error_model=None, **quick)
    in_logg = AbsMagRegressor(network=network(4), error_model="paper", **quick)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # rows left out, and trainings cut short
        labels = as_stars(stars).labels
        paper.fit(labels, stars["MASS"])
        none.fit(labels, stars["TRUE_ABS_MAG"])
        in_logg.fit(labels, stars["TRUE_ABS_MAG"])
    changed = _changed(model, masses_={"": paper, "CAL": model.masses_["CAL"]}, abs_mag_=in_logg)
    _check_variant(changed, tmp_path, plain_columns, assert_parity, mock[:2000])
    _check_variant(_changed(model, abs_mag_=none), tmp_path, plain_columns, assert_parity, mock[:2000])


_MOVING_ENDS = GiantAgeRelation.from_table(
    [0.9, 1.0, 1.13, 2.0, 4.0],
    [-0.6, -0.1, 0.5],
    [[10.3, np.nan, 10.4], [10.0, 10.1, 10.2], [9.8, 9.9, 9.95], [9.0, 9.1, 9.2], [8.2, 8.25, np.nan]],
)


@pytest.mark.parametrize(
    "ages",
    [
        IsochroneAgeTransformer(out_of_bounds="edge"),
        IsochroneAgeTransformer(mass_loss=0.05),
        IsochroneAgeTransformer(mass_bounds=None, feh_bounds=None),
        IsochroneAgeTransformer(_MOVING_ENDS, mass_bounds=None, feh_bounds=None),
        IsochroneAgeTransformer(_MOVING_ENDS, out_of_bounds="edge", mass_loss=0.02),
        IsochroneAgeTransformer(GiantAgeRelation.hurley()),
    ],
    ids=["edge", "mass_loss", "unbounded", "moving_ends", "moving_ends_edge", "hurley"],
)
def test_parity_of_age_relations(model, tmp_path, plain_columns, assert_parity, mock, ages):
    _check_variant(_changed(model, age_=ages), tmp_path, plain_columns, assert_parity, mock[:3000])


@pytest.mark.parametrize("mass", [99.0, 999.99])
def test_parity_where_a_mass_looks_like_a_placeholder(model, tmp_path, plain_columns, assert_parity, mock, mass):
    """A predicted mass is a number whatever it is: too high for an age, and not missing."""
    network = copy.deepcopy(model.masses_[""])
    last = network.pipeline_["network"]
    last.coefs_[-1][:], last.intercepts_[-1][:] = 0.0, mass
    changed = _changed(model, masses_={"": network, "CAL": model.masses_["CAL"]})
    _check_variant(changed, tmp_path, plain_columns, assert_parity, mock[:500])
    catalog = changed.predict(mock[:500], out_of_fold=False)
    giants = np.isfinite(catalog["MASS"]) & (catalog["AGE_FLAG"] < 32)
    assert np.all(catalog["AGE_FLAG"][giants] & 2)


def test_thresholds_far_apart(model, tmp_path, plain_columns, assert_parity, mock):
    space = copy.copy(model.mass_space_)
    space.thresholds_ = np.array([space.thresholds_[1] - 2000.0, space.thresholds_[1]])
    changed = _changed(model, mass_space_=space)
    _check_variant(changed, tmp_path, plain_columns, assert_parity, mock[:2000])


def test_training_stars_are_recognised(model, predictors, plain_columns, training_stars):
    outputs = run(predictors(), plain_columns(training_stars, graph_inputs(False)))
    assert np.count_nonzero(outputs["BITMASK"] & 1) >= model.accuracy_["ABS_MAG"]["n_stars"]


def test_same_model_gives_same_bytes(model, exported, tmp_path):
    export_model(model, tmp_path / "again.onnx", card={"name": "small"})
    assert (tmp_path / "again.onnx").read_bytes() == exported().read_bytes()


def test_bad_requests(model, tmp_path):
    with pytest.raises(InputError, match="float16"):
        export_model(model, tmp_path / "m.onnx", dtype="float16")
    with pytest.raises(DistMassError, match="can't be written"):
        export_model(model, tmp_path / "no-such-folder" / "m.onnx")
    with pytest.raises(NotFittedError):
        export_model(DistMassModel(), tmp_path / "m.onnx")
    assert list(tmp_path.iterdir()) == []
