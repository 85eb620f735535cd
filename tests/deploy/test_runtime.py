"""The predictor that needs onnxruntime and numpy alone."""

import subprocess
import sys

import numpy as np
import onnx
import pandas as pd
import pytest
from astropy import units as u
from astropy.table import QTable, Table

from skdistmass.deploy import load
from skdistmass.exceptions import ColumnError, FileFormatError, InputError, UnitError

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


@pytest.mark.parametrize("n_stars", [0, 1, 4095, 4096, 4097, 20_000])
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
            raise RuntimeError("no memory")

    monkeypatch.setattr(predictor, "_session", Broken())
    with pytest.raises(RuntimeError, match="no memory"):
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
    with pytest.raises(FileFormatError, match=match):
        load(path)


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
            entry.value = "2"
    _expect_refusal(tmp_path, proto.SerializeToString(), "format version 2")
    proto = onnx.load(exported())
    kept = [entry for entry in proto.metadata_props if entry.key != "skdistmass.checksum"]
    del proto.metadata_props[:]
    proto.metadata_props.extend(kept)
    _expect_refusal(tmp_path, proto.SerializeToString(), "no checksum")


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
