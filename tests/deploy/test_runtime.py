"""The predictor that needs onnxruntime and numpy alone."""

import copy
import pickle
import re
import subprocess
import sys

import joblib
import numpy as np
import onnx
import pandas as pd
import pytest
from astropy import units as u
from astropy.table import QTable, Table
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from skdistmass.deploy import load
from skdistmass.deploy.card import seal
from skdistmass.deploy.contents import unexpected_content
from skdistmass.deploy.format import LARGEST_FILE, NO_CHECKSUM
from skdistmass.exceptions import ColumnError, FileFormatError, InputError, UnitError
from skdistmass.surveys import Stars, as_stars

pytestmark = pytest.mark.slow

STARS = {
    "TEFF": [4750.0, 4500.0, -9999.0],
    "LOGG": [2.5, 2.2, 2.2],
    "M_H": [-0.1, 0.1, 0.0],
    "C_FE": [-0.1, 0.0, 0.0],
    "N_FE": [0.2, 0.1, 0.0],
    "MAG": [10.0, 11.0, 99.99],
    "EXTINCTION": [0.05, 0.1, 0.0],
}


@pytest.fixture
def predictor(predictors):
    return predictors()


def _assert_same(found, expected):
    assert list(found) == list(expected)
    for name in expected:
        np.testing.assert_array_equal(found[name], expected[name], err_msg=name)


def test_tables_of_all_kinds(predictor):
    expected = predictor.predict(STARS)
    assert np.isfinite(expected["DISTANCE"]).tolist() == [True, True, False]
    for table in (
        {name: np.array(column) for name, column in STARS.items()},
        pd.DataFrame(STARS),
        Table(STARS),
        Table(STARS).as_array(),
        Table(STARS, masked=True),
        {name: np.array(column, dtype=">f8") for name, column in STARS.items()},
        {{"MAG": "K", "EXTINCTION": "A_K", "M_H": "FE_H"}.get(name, name): column for name, column in STARS.items()},
    ):
        _assert_same(predictor.predict(table), expected)


def test_units_are_converted(predictor):
    table = QTable(STARS)
    table["TEFF"] = np.array([4.75, 4.5, np.nan]) * u.kK
    expected = predictor.predict(STARS | {"TEFF": [4750.0, 4500.0, np.nan]})
    np.testing.assert_allclose(predictor.predict(table)["ABS_MAG"], expected["ABS_MAG"], rtol=1e-12)
    table["TEFF"] = [1.0, 1.0, 1.0] * u.m
    with pytest.raises(UnitError, match="TEFF"):
        predictor.predict(table)


def test_absent_columns(predictor):
    some = predictor.predict({name: STARS[name] for name in ("TEFF", "LOGG", "M_H")})
    assert np.isfinite(some["ABS_MAG"]).tolist() == [True, True, False]
    assert some["LABEL_FALLBACK"].tolist() == [True, True, False]
    assert np.isnan(some["DISTANCE"]).all()
    with pytest.raises(ColumnError, match="LOGG"):
        predictor.predict({"TEFF": [4750.0], "M_H": [0.0]})


def test_bad_tables(predictor):
    with pytest.raises(InputError, match="named columns"):
        predictor.predict(np.zeros((3, 7)))
    with pytest.raises(InputError, match="EXTINCTION"):
        predictor.predict(STARS | {"EXTINCTION": [0.1]})
    with pytest.raises(ColumnError, match="NOPE"):
        predictor.unit("NOPE")


def test_errors_are_read_by_the_survey_s_names(predictors):
    predictor = predictors("float64", True)
    errors = {name: [30.0 if name == "TEFF_ERR" else 0.05] * 3 for name in predictor.inputs if name.endswith("_ERR")}
    given = predictor.predict(STARS | errors)
    assert np.isfinite(given["ABS_MAG_LABEL_ERR"][:2]).all()
    assert np.isnan(predictor.predict(STARS)["ABS_MAG_LABEL_ERR"]).all()
    errors["K_ERR"] = errors.pop("MAG_ERR")
    _assert_same(predictor.predict(STARS | errors), given)


@pytest.mark.parametrize("n_stars", [0, 1, 2047, 2048, 2049, 20_000])
def test_chunks_leave_no_trace(predictor, n_stars):
    """Rows come out in order, whatever chunk they were in (to rounding: products of matrices depend on their size)."""
    table = {name: np.resize(column, n_stars) for name, column in STARS.items()}
    expected = predictor.predict(STARS)
    for name, values in predictor.predict(table).items():
        assert values.dtype == expected[name].dtype
        np.testing.assert_allclose(values, np.resize(expected[name], n_stars), rtol=1e-12, err_msg=name)


@pytest.mark.parametrize("threads", [1, 3])
def test_threads_leave_no_trace(exported, predictor, threads):
    table = {name: np.resize(column, 50_000) for name, column in STARS.items()}
    _assert_same(load(exported(), threads=threads).predict(table), predictor.predict(table))
    with pytest.raises(InputError, match="at least 1, got 0"):
        load(exported(), threads=0)


def test_failure_in_a_thread_is_raised(exported, monkeypatch):
    predictor = load(exported(), threads=2)

    class Broken:
        def run(self, *_):
            raise RuntimeError("a node failed\nwith many details")

    monkeypatch.setattr(predictor, "_session", Broken())
    with pytest.raises(FileFormatError, match=r"can't be computed: a node failed$"):
        predictor.predict({name: np.resize(column, 20_000) for name, column in STARS.items()})


def test_pieces_of_a_table(predictor):
    pieces = list(predictor.predict_chunks([STARS, STARS]))
    _assert_same(pieces[1], predictor.predict(STARS))


def test_schema_and_card(predictor):
    assert predictor.unit("DISTANCE") == "kpc"
    assert "network trained on the scale CAL" in predictor.description("MASS_CAL")
    assert predictor.card["name"] == "small"
    assert list(predictor.card["inputs"]) == predictor.inputs
    assert predictor.card["accuracy"]["MASS"]["stars"] > 100
    text = predictor.describe()
    for word in ("training cuts", "accuracy", "scikit-learn", "range"):
        assert word in text


def _expect_refusal(tmp_path, content, match):
    path = tmp_path / "model.onnx"
    path.write_bytes(content)
    with pytest.raises(FileFormatError, match=match) as caught:
        load(path)
    return str(caught.value)


def test_refuses_foreign_files(exported, tmp_path):
    _expect_refusal(tmp_path, b"", "not an ONNX model of skdistmass")
    _expect_refusal(tmp_path, b"SIMPLE  =                    T", "not an ONNX model of skdistmass")
    proto = onnx.load(exported())
    del proto.metadata_props[:]
    _expect_refusal(tmp_path, proto.SerializeToString(), "not an ONNX model of skdistmass")
    with pytest.raises(FileFormatError, match="can't be read"):
        load(tmp_path)


@pytest.mark.parametrize("kept", [0.1, 0.5, 0.999])
def test_refuses_truncated_files(exported, tmp_path, kept):
    content = exported().read_bytes()
    _expect_refusal(tmp_path, content[: int(kept * len(content))], "end is missing|truncated")


@pytest.mark.parametrize("place", [0.01, 0.3, 0.6, 0.9])
def test_refuses_altered_files(exported, tmp_path, place):
    content = bytearray(exported().read_bytes())
    content[int(place * len(content))] ^= 1
    _expect_refusal(tmp_path, bytes(content), "altered")


def test_refuses_other_versions_and_missing_checksums(exported, tmp_path):
    proto = onnx.load(exported())
    for entry in proto.metadata_props:
        if entry.key == "skdistmass.format_version":
            entry.value = "99"
    _expect_refusal(tmp_path, proto.SerializeToString(), "format version 99.*Update skdistmass")
    for entry in proto.metadata_props:
        if entry.key == "skdistmass.format_version":
            entry.value = "1"
    _expect_refusal(tmp_path, proto.SerializeToString(), "format version 1.*half the 68.27 % interval.*Write the file")
    proto = onnx.load(exported())
    kept = [entry for entry in proto.metadata_props if entry.key != "skdistmass.checksum"]
    del proto.metadata_props[:]
    proto.metadata_props.extend(kept)
    _expect_refusal(tmp_path, proto.SerializeToString(), "no checksum")


def _sealed(proto):
    """The bytes of a changed graph, with a right checksum."""
    content = re.sub(rb"sha256:[0-9a-f]{64}", NO_CHECKSUM.encode(), proto.SerializeToString())
    return seal(content)


def _foreign_operator(graph):
    graph.node.add(op_type="FastGelu", domain="com.microsoft", input=["TEFF"], output=["more"])


def _endless_loop(graph):
    body = onnx.helper.make_graph([], "body", [], [])
    graph.node.append(onnx.helper.make_node("Loop", ["", ""], ["more"], body=body))


def _large_tensor(graph):
    graph.node.append(onnx.helper.make_node("ConstantOfShape", ["shape"], ["more"]))


def _branch(graph):
    body = onnx.helper.make_graph([], "body", [], [])
    graph.node.append(onnx.helper.make_node("Add", ["TEFF", "TEFF"], ["more"], body=body))


def _other_file(graph):
    constant = graph.initializer[0]
    constant.data_location = onnx.TensorProto.EXTERNAL
    constant.external_data.add(key="location", value="/etc/hostname")


@pytest.mark.parametrize(
    ("change", "match"),
    [
        (_foreign_operator, "operator com.microsoft.FastGelu"),
        (_endless_loop, "a graph within the graph"),
        (_large_tensor, "operator ConstantOfShape"),
        (_branch, "a graph within the graph"),
        (_other_file, "constants in another file"),
    ],
)
def test_refuses_what_no_model_contains(exported, tmp_path, change, match):
    proto = onnx.load(exported())
    change(proto.graph)
    _expect_refusal(tmp_path, _sealed(proto), match)


def test_refuses_other_opsets_and_functions(exported, tmp_path):
    proto = onnx.load(exported())
    proto.opset_import.add(domain="ai.onnx.ml", version=3)
    _expect_refusal(tmp_path, _sealed(proto), "operators of ai.onnx.ml in version 3")
    proto = onnx.load(exported())
    proto.ir_version = 10
    _expect_refusal(tmp_path, _sealed(proto), "the IR version 10")
    proto = onnx.load(exported())
    proto.functions.add(name="f", domain="x")
    _expect_refusal(tmp_path, _sealed(proto), "functions or training steps")


def test_refuses_damaged_models_in_one_line(exported, tmp_path):
    """The checksum is right, and what it covers is not a model."""
    proto = onnx.load(exported())
    proto.graph.node[5].input[0] = "nothing" * 500
    message = _expect_refusal(tmp_path, _sealed(proto), "onnxruntime can't use")
    assert len(message) < 400 + len(str(tmp_path))
    assert "\n" not in message
    for key, value, match in (("model_card", "[]", "another model card"), ("model_card", "{", "another model card")):
        proto = onnx.load(exported())
        for entry in proto.metadata_props:
            if entry.key == key:
                entry.value = value
        _expect_refusal(tmp_path, _sealed(proto), match)
    proto = onnx.load(exported())
    proto.graph.output[0].name = "SOMETHING"
    proto.graph.node.append(onnx.helper.make_node("Identity", ["TEFF"], ["SOMETHING"]))
    _expect_refusal(tmp_path, _sealed(proto), "other outputs")


@given(content=st.binary(max_size=200))
def test_any_bytes_are_read_without_another_error(content):
    found = unexpected_content(content)
    assert found is None or isinstance(found, str)


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(place=st.floats(0, 1, exclude_max=True), bit=st.integers(0, 7))
def test_any_sealed_damage_is_refused_or_predicts(exported, tmp_path, place, bit):
    """With a right checksum a flipped bit may be anything, but never another library's exception."""
    content = bytearray(exported().read_bytes())
    content[int(place * len(content))] ^= 1 << bit
    content = re.sub(rb"sha256:[0-9a-f]{64}", NO_CHECKSUM.encode(), bytes(content))
    if content.count(NO_CHECKSUM.encode()) != 1:
        return
    (tmp_path / "m.onnx").write_bytes(seal(content))
    message = ""
    try:
        load(tmp_path / "m.onnx", threads=1).predict(STARS)
    except FileFormatError as error:
        message = str(error)
    assert "\n" not in message
    assert len(message) < 500 + len(str(tmp_path))


def test_refuses_large_files(tmp_path):
    with open(tmp_path / "model.onnx", "wb") as file:
        file.truncate(LARGEST_FILE + 1)
    with pytest.raises(FileFormatError, match="larger than 32 MB"):
        load(tmp_path / "model.onnx")


@pytest.mark.parametrize(
    "copied", [lambda p: pickle.loads(pickle.dumps(p)), copy.copy, copy.deepcopy], ids=["pickle", "copy", "deepcopy"]
)
def test_copies_predict_and_share_the_session(predictor, copied):
    found = copied(predictor)
    assert found._session is predictor._session
    _assert_same(found.predict(STARS), predictor.predict(STARS))


def test_other_processes_predict(predictor):
    tasks = [joblib.delayed(predictor.predict)(STARS) for _ in range(2)]
    for found in joblib.Parallel(n_jobs=2)(tasks):
        _assert_same(found, predictor.predict(STARS))


def test_same_file_has_the_same_dask_token(exported, predictors):
    again, other = load(exported(), threads=1), predictors("float32")
    assert again.__dask_tokenize__() == predictors().__dask_tokenize__() != other.__dask_tokenize__()


@pytest.mark.parametrize("input_errors", [False, True])
def test_stars_of_a_survey(predictors, input_errors):
    predictor = predictors("float64", input_errors)
    table = {"K" if name == "MAG" else "A_K" if name == "EXTINCTION" else name: v for name, v in STARS.items()}
    table |= {f"{name}_ERR": [0.05] * 3 for name in ("TEFF", "LOGG", "M_H", "C_FE", "N_FE", "K")}
    missing = {name: np.where(np.isin(v, [-9999.0, 99.99]), np.nan, v) for name, v in table.items()}
    stars = Stars(missing)
    expected = predictor.predict(table)
    assert predictor.columns == list(expected)
    for found in (predictor.predict_columns(stars), predictor.predict(stars)):
        _assert_same(found, expected)
    with pytest.raises(ColumnError, match="LOGG"):
        predictor.predict_columns(Stars({"TEFF": np.array([4750.0])}))


def test_metallicity_of_the_model_is_taken(predictor, monkeypatch):
    plain = {name: np.array(column) for name, column in STARS.items()}
    both = {name: plain[name] for name in ("TEFF", "LOGG", "C_FE", "N_FE")}
    both |= {"K": plain["MAG"], "A_K": plain["EXTINCTION"], "M_H": plain["M_H"] + 0.2, "FE_H": plain["M_H"]}
    monkeypatch.setitem(predictor.card, "metallicity", "FE_H")
    expected = predictor.predict(plain | {"MAG": np.array([10.0, 11.0, np.nan])})
    both["K"] = np.array([10.0, 11.0, np.nan])
    both["TEFF"] = np.where(both["TEFF"] < 0, np.nan, both["TEFF"])
    _assert_same(predictor.predict_columns(Stars(both)), expected)
    _assert_same(predictor.predict(both), expected)


_ALONE = """
import sys
from skdistmass.deploy import load
found = load(sys.argv[1]).predict({name: [1.0] for name in ("TEFF", "LOGG", "M_H")})
heavy = {"sklearn", "skl2onnx", "onnx", "scipy", "astropy", "pandas", "joblib", "numba", "matplotlib"}
loaded = sorted(heavy & set(sys.modules))
sys.exit(f"imported {loaded}" if loaded else 0)
"""


def test_needs_onnxruntime_and_numpy_alone(exported, tmp_path):
    command = [sys.executable, "-c", _ALONE, str(exported())]
    done = subprocess.run(command, capture_output=True, text=True, cwd=tmp_path, check=False)
    assert done.returncode == 0, done.stderr


def test_errors_of_extinctions_count_without_an_input_for_them(model, exported, training_stars):
    """A graph that assumes an error of the extinction gives the intervals of the stars' own."""
    stars = as_stars(training_stars[:500])
    error = np.where(np.arange(500) % 3 == 0, np.nan, np.linspace(0.001, 0.4, 500))
    stars = stars.with_columns({"A_K_ERR": error})
    # Errors of labels and magnitudes are no inputs of this graph either.
    bare = stars.with_columns({n: np.full(500, np.nan) for n in stars if n.endswith("_ERR") and n != "A_K_ERR"})
    wanted = model.predict_columns(bare, out_of_fold=False)
    found = load(exported(), threads=1).predict_columns(stars)
    for name in ("DISTANCE", "DISTANCE_LO", "DISTANCE_HI", "DISTANCE_LO95", "DISTANCE_HI95", "DISTANCE_ERR"):
        np.testing.assert_allclose(found[name], wanted[name], rtol=1e-9, err_msg=name)
    wide = error > 0.3
    plain = load(exported(), threads=1).predict_columns(bare.with_columns({"A_K_ERR": np.full(500, np.nan)}))
    wide &= np.isfinite(plain["DISTANCE"])
    assert np.all(found["DISTANCE_ERR"][wide] > 1.3 * plain["DISTANCE_ERR"][wide])
