"""Data frames in, data frames out: the numbers of `build_catalog`, stable types, index and identifiers kept."""

import pickle

import numpy as np
import pandas as pd
import pytest

from skdistmass import ExtinctionChoice, build_catalog, load_pretrained
from skdistmass.distributed import FramePredictor, frame_meta, predict_frame
from skdistmass.exceptions import ColumnError, FileFormatError, InputError, UnitError
from skdistmass.model import StoredPosterior

MODEL = "kepler-giants"


@pytest.fixture(scope="module")
def plain(survey_file):
    """The survey with NumPy's types."""
    return pd.read_parquet(survey_file)


@pytest.mark.parametrize("given", ["numpy", "pyarrow"])
@pytest.mark.parametrize("backend", ["numpy", "pyarrow"])
def test_the_numbers_of_the_catalogue_to_the_last_bit(plain, survey, expected, assert_same, given, backend):
    frame = plain if given == "numpy" else survey
    found = predict_frame(frame, MODEL, dtype_backend=backend)
    assert list(found.columns) == list(expected.columns)
    assert_same(found, expected)
    if backend == "pyarrow":
        assert found.dtypes.astype(str).to_dict() == expected.dtypes.astype(str).to_dict()


@pytest.mark.slow
def test_a_trained_model_agrees_to_rounding(fitted, survey, survey_file, tmp_path):
    build_catalog(fitted, survey_file, tmp_path / "c.parquet")
    expected, found = pd.read_parquet(tmp_path / "c.parquet"), predict_frame(survey, fitted)
    for name in expected:
        if expected[name].dtype.kind == "f":
            np.testing.assert_allclose(found[name], expected[name], rtol=1e-9, atol=1e-12, err_msg=name)


@pytest.mark.parametrize("backend", ["numpy", "pyarrow"])
@pytest.mark.parametrize("n_rows", [0, 1, 17])
def test_types_and_index_do_not_depend_on_the_rows(survey, n_rows, backend):
    frame = survey.iloc[:n_rows].set_axis(pd.RangeIndex(n_rows) * 7, axis=0)
    columns = ["APOGEE_ID", "DISTANCE", "AGE_FLAG", "FLAGS"]
    predictor = FramePredictor(MODEL, survey.columns, keep=["RA", "DEC"], columns=columns, dtype_backend=backend)
    found, meta = predictor(frame), predictor.meta(survey)
    assert found.dtypes.equals(meta.dtypes)
    assert found.index.equals(frame.index)
    assert list(found.columns) == ["RA", "DEC", *columns]
    assert frame_meta(survey, MODEL).empty


def test_types_of_numpy(plain):
    types = frame_meta(plain, MODEL).dtypes.astype(str)
    names = ["APOGEE_ID", "DISTANCE", "BITMASK", "AGE_FLAG", "OUT_OF_FOLD", "LABEL_FALLBACK", "DISTANCE_SPACE"]
    text = "object" if pd.__version__.startswith("2.") else "str"
    assert types[names].tolist() == [text, "float64", "int32", "Int16", "Int32", "boolean", "int16"]


def test_identifiers_keep_all_digits(survey):
    ids = pd.array([4295806720000000001 + i for i in range(20)], dtype="int64[pyarrow]")
    frame = survey.iloc[:20].assign(source_id=ids)
    found = predict_frame(frame, MODEL, keep=["source_id"], columns=["MASS"])
    assert found["source_id"].tolist() == list(ids)


def test_columns_of_other_layouts_and_settings(survey):
    frame = pd.DataFrame({"teff": [4750.0], "logg": [2.5], "fe_h": [-0.1], "k": [10.0], "distance_unused": [1.0]})
    found = predict_frame(frame, MODEL, columns=["EXTINCTION", "EXTINCTION_METHOD", "DISTANCE"])
    assert found["DISTANCE"].isna().all()
    choice = ExtinctionChoice(assumed=0.2)
    found = predict_frame(frame, MODEL, extinction=choice, columns=["EXTINCTION", "DISTANCE"])
    assert found["EXTINCTION"].tolist() == [0.2]
    assert found["DISTANCE"].notna().all()


@pytest.mark.slow
def test_a_calibration_counts(survey, survey_file, expected, assert_same, tmp_path):
    build_catalog(load_pretrained(MODEL), survey_file, tmp_path / "c.parquet", calibration="dr16")
    calibrated = pd.read_parquet(tmp_path / "c.parquet", dtype_backend="pyarrow")
    assert_same(predict_frame(survey, MODEL, calibration="dr16"), calibrated)
    assert not calibrated["MASS"].equals(expected["MASS"])


def test_posteriors_do_not_depend_on_the_piece(fitted, survey):
    predictor = FramePredictor(fitted, survey.columns, posterior=StoredPosterior("quantiles", 50))
    columns = [column.name for column in predictor.schema if column.length]
    assert columns == [f"POST_{name}_QUANTILES" for name in ("ABS_MAG", "DISTANCE", "MASS", "AGE")]
    whole = predictor(survey.iloc[:300])
    pieces = pd.concat([predictor(survey.iloc[rows]) for rows in (slice(0, 7), slice(7, 7), slice(7, 300))])
    assert whole.dtypes.equals(predictor.meta(survey).dtypes)
    for name in columns:
        one, other = (np.stack(frame[name].to_numpy()).astype(float) for frame in (whole, pieces))
        assert np.isfinite(one).any()
        np.testing.assert_allclose(other, one, rtol=1e-5, atol=1e-6)
    assert "POST_MASS_DRAWS" in predict_frame(survey.iloc[:3], MODEL, posterior="draws")
    with pytest.raises(InputError, match="give one of summary"):
        predict_frame(survey, fitted, posterior="all")


def test_units_of_columns(survey):
    frame = pd.DataFrame({"teff": [4.75], "logg": [2.5], "m_h": [-0.1]})
    found = predict_frame(frame, MODEL, units={"teff": "kK"}, columns=["TEFF"])
    assert found["TEFF"].tolist() == [4750.0]
    with pytest.raises(UnitError, match="teff"):
        predict_frame(frame, MODEL, units={"teff": "mag"})


def test_missing_values_of_every_kind():
    frame = pd.DataFrame({"TEFF": [4750.0, None, -9999.0], "LOGG": [2.5] * 3, "M_H": [0.0] * 3, "K": [10.0] * 3})
    expected = predict_frame(frame, MODEL)
    for backend in ("numpy_nullable", "pyarrow"):
        found = predict_frame(frame.convert_dtypes(dtype_backend=backend), MODEL)
        pd.testing.assert_frame_equal(found, expected)
    assert expected["ABS_MAG"].isna().tolist() == [False, True, True]


def test_a_loaded_model_and_its_file_give_the_same(survey):
    frame = survey.iloc[:50]
    pd.testing.assert_frame_equal(predict_frame(frame, load_pretrained("kepler-giants")), predict_frame(frame, MODEL))


def test_travels_with_its_settings(survey):
    predictor = FramePredictor(MODEL, survey.columns, extinction=ExtinctionChoice(assumed=0.1))
    again = pickle.loads(pickle.dumps(predictor))
    pd.testing.assert_frame_equal(again(survey.iloc[:20]), predictor(survey.iloc[:20]))
    tokenize = pytest.importorskip("dask.base", reason="the extra distributed is not installed").tokenize
    import dask

    with dask.config.set({"tokenize.ensure-deterministic": True}):
        assert tokenize(again) == tokenize(predictor) != tokenize(FramePredictor(MODEL, survey.columns))


def test_errors_name_what_is_wrong(survey):
    frame = survey.iloc[:3]
    for settings, message in (
        ({"columns": ["DISTANCES"]}, "columns has DISTANCES"),
        ({"keep": ["nothing"]}, "keep has nothing"),
        ({"keep": ["TEFF"]}, "TEFF would be there twice"),
        ({"keep": "TEFF"}, "give a list of names"),
        ({"dtype_backend": "polars"}, "give 'numpy' or 'pyarrow'"),
        ({"extinction": 0.1}, "give an ExtinctionChoice"),
    ):
        with pytest.raises(InputError, match=message):
            predict_frame(frame, MODEL, **settings)
    with pytest.raises(ColumnError, match="no column for LOGG"):
        predict_frame(frame.drop(columns="LOGG"), MODEL)
    with pytest.raises(ColumnError, match="in this part of the table"):
        FramePredictor(MODEL, survey.columns)(frame.drop(columns="LOGG"))
    with pytest.raises(FileFormatError, match="neither a file nor a model"):
        predict_frame(frame, "no-such-model")
    with pytest.raises(InputError, match="give a trained model"):
        predict_frame(frame, 3)
    with pytest.raises(InputError, match="a pandas DataFrame is needed, not dict"):
        predict_frame({"TEFF": [1.0]}, MODEL)
