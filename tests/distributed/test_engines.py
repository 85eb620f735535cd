"""LSDB, Dask, Ray, Polars and DuckDB give the catalogue of one machine to the last bit."""

import sys

import numpy as np
import pandas as pd
import pytest

from skdistmass import build_catalog, load_pretrained
from skdistmass.distributed import FramePredictor, predict_catalog, predict_dask, predict_ray
from skdistmass.exceptions import ColumnError, InputError
from skdistmass.model import StoredPosterior

MODEL = "kepler-giants"
DRAWS = ["POST_DISTANCE_DRAWS", "POST_MASS_DRAWS"]


@pytest.fixture
def lsdb():
    return pytest.importorskip("lsdb", reason="the extra distributed is not installed")


@pytest.mark.parametrize("model", [MODEL, "loaded"])
def test_dask(survey, expected, assert_same, model):
    dd = pytest.importorskip("dask.dataframe", reason="the extra distributed is not installed")
    frame = dd.from_pandas(survey, npartitions=5)
    # One partition without rows.
    frame = dd.concat([frame, dd.from_pandas(survey.iloc[:1], npartitions=1).query("TEFF < 0")])
    found = predict_dask(
        frame, load_pretrained("kepler-giants") if model == "loaded" else model, dtype_backend="pyarrow"
    )
    assert found.npartitions == 6
    assert_same(found.compute(scheduler="threads"), expected)
    with pytest.raises(InputError, match="a Dask DataFrame is needed, not DataFrame"):
        predict_dask(survey, MODEL)


def test_lsdb(lsdb, hats, client, expected, assert_same):
    catalog = lsdb.open_catalog(hats)
    found = predict_catalog(catalog, MODEL)
    computed = found.compute(progress_bar=False)
    assert computed.dtypes.equals(found.meta.dtypes)
    assert all(isinstance(kind, pd.ArrowDtype) for kind in computed.dtypes)
    assert list(computed.columns) == ["RA", "DEC", *expected.columns]
    assert_same(computed, expected, columns=list(expected.columns))


def test_lsdb_reads_nothing_before_it_is_asked(lsdb, hats, monkeypatch):
    from lsdb.loaders.hats.read_hats import file_io

    def refuse(*_, **__):
        raise AssertionError("rows are read")

    monkeypatch.setattr(file_io, "read_parquet_file_to_pandas", refuse)
    found = predict_catalog(lsdb.open_catalog(hats), MODEL, columns=["DISTANCE"], keep=["APOGEE_ID"])
    near = found.cone_search(ra=180.0, dec=0.0, radius_arcsec=40 * 3600.0).query("DISTANCE < 3")
    assert list(near.columns) == ["RA", "DEC", "APOGEE_ID", "DISTANCE"]


def test_lsdb_keeps_margins(lsdb, hats, client):
    found = predict_catalog(lsdb.open_catalog(hats), MODEL, columns=["APSTAR_ID", "DISTANCE"])
    assert list(found.margin.columns) == list(found.columns)
    margin, stars = (part.compute(progress_bar=False).set_index("APSTAR_ID") for part in (found.margin, found))
    assert 0 < len(margin) < len(stars)
    pd.testing.assert_series_equal(margin["DISTANCE"], stars["DISTANCE"].loc[margin.index])


def test_lsdb_says_what_made_it(lsdb, hats, client, tmp_path):
    found = predict_catalog(lsdb.open_catalog(hats), MODEL, columns=["DISTANCE", "MASS"])
    found.write_catalog(tmp_path / "out", catalog_name="out", progress_bar=False)
    again = lsdb.open_catalog(tmp_path / "out")
    about = again.hc_structure.catalog_info.extra_dict()
    assert about["skdistmass_model"] == MODEL
    assert len(about["skdistmass_modelsha"]) == 64
    assert about["skdistmass_akblim"] == "16.0"
    assert about["skdistmass_plxzero"] == "model"
    assert len(again.compute(progress_bar=False)) == 6000


def test_lsdb_after_a_crossmatch_of_two_catalogues(lsdb, hats, client, expected, assert_same):
    """Labels from one HATS catalogue, photometry from another: the catalogue of both in one file.

    Left out are stars with several spectra, which are at the same place.
    """
    survey = lsdb.open_catalog(hats, columns="all")
    from_labels = ("APOGEE_ID", "APSTAR_ID", "TEFF", "LOGG", "M_H", "C_FE", "N_FE", "FE_H", "ASPCAP", "STARFLAG")
    labels = survey[["RA", "DEC", *(name for name in survey.columns if name.startswith(from_labels))]]
    photometry = [name for name in survey.columns if not name.startswith(from_labels)]
    how = {"suffixes": ("", "_2mass"), "suffix_method": "overlapping_columns", "log_changes": False}
    joined = labels.crossmatch(survey[photometry], radius_arcsec=1.0, **how)
    found = predict_catalog(joined, MODEL, columns=["APSTAR_ID", "APOGEE_ID", "DISTANCE", "MASS"])
    found = found.compute(progress_bar=False)
    assert len(found) == len(expected)
    found, expected = (part[~part["APOGEE_ID"].duplicated(keep=False)] for part in (found, expected))
    assert_same(found, expected, columns=["APSTAR_ID", "DISTANCE", "MASS"])


def test_posteriors_are_lists_that_lsdb_can_nest(lsdb, hats, client, fitted, survey_file, tmp_path):
    model, settings = tmp_path / "my.model", StoredPosterior("draws", 10)
    fitted.save(model)
    build_catalog(fitted, survey_file, tmp_path / "c.parquet", posterior=settings)
    expected = pd.read_parquet(tmp_path / "c.parquet").set_index("APSTAR_ID")
    catalog = predict_catalog(lsdb.open_catalog(hats), model, keep=["APSTAR_ID"], columns=DRAWS, posterior=settings)
    nested = catalog.nest_lists(list_columns=DRAWS, name="draws")
    nested.write_catalog(tmp_path / "out", catalog_name="out", progress_bar=False)
    again = lsdb.open_catalog(tmp_path / "out")
    assert again.hc_structure.catalog_info.extra_dict()["skdistmass_postdraw"] == "10"
    found = again.compute(progress_bar=False).set_index("APSTAR_ID")
    assert len(found) == 6000
    draws = found["draws"].nest.to_flat()
    for name in DRAWS:
        wanted = np.concatenate(expected.loc[found.index, name].to_numpy())
        np.testing.assert_allclose(draws[name].to_numpy(dtype=float, na_value=np.nan), wanted, rtol=1e-5, atol=1e-6)


def test_errors_name_the_partition(lsdb, hats, client):
    catalog = lsdb.open_catalog(hats)
    broken = catalog.map_partitions(lambda frame: frame.assign(TEFF=frame["TEFF"] / 1000.0))
    with pytest.raises(RuntimeError, match=r"Order: \d, Pixel: \d+: .*kK"):
        predict_catalog(broken, MODEL).compute(progress_bar=False)
    with pytest.raises(ColumnError, match="no column for TEFF"):
        predict_catalog(catalog[["RA", "DEC", "LOGG", "M_H"]], MODEL)
    with pytest.raises(InputError, match="keep is the text"):
        predict_catalog(catalog, MODEL, keep="APOGEE_ID")


@pytest.mark.filterwarnings("ignore")  # of ray, about itself
def test_ray(survey, expected, assert_same):
    ray = pytest.importorskip("ray", reason="the extra ray is not installed")
    pytest.importorskip("ray.data", reason="the extra ray is not installed")
    ray.init(num_cpus=2, include_dashboard=False, log_to_driver=False, logging_level="error")
    try:
        ray.data.DataContext.get_current().enable_progress_bars = False
        dataset = ray.data.from_pandas(survey).repartition(4)
        found = predict_ray(dataset, MODEL, batch_size=1000).to_pandas()
    finally:
        ray.shutdown()
    assert_same(found, expected)


def test_polars(survey_file, expected, assert_same):
    pl = pytest.importorskip("polars")
    stars = pl.read_parquet(survey_file)
    predictor = FramePredictor(MODEL, stars.columns, dtype_backend="pyarrow")
    found = pl.concat(pl.from_arrow(predictor.on_arrow(part.to_arrow())) for part in stars.iter_slices(2500))
    assert_same(found.to_pandas(), expected)


def test_duckdb(survey_file, expected, assert_same):
    duckdb = pytest.importorskip("duckdb")
    import pyarrow as pa

    rows = duckdb.sql(f"SELECT * FROM '{survey_file}'")
    predictor = FramePredictor(MODEL, rows.columns, dtype_backend="pyarrow")
    parts = [predictor.on_arrow(pa.Table.from_batches([batch])) for batch in rows.to_arrow_reader(2000)]
    assert len(parts) > 1
    assert_same(pa.concat_tables(parts).to_pandas(types_mapper=pd.ArrowDtype), expected)


@pytest.mark.filterwarnings("ignore")  # of pyspark, about pandas
def test_spark(survey_file, expected, assert_same, monkeypatch):
    """Needs pyspark and Java 17."""
    sql = pytest.importorskip("pyspark.sql", reason="pyspark is not installed")
    import pyarrow as pa
    from pyspark.sql.pandas.types import from_arrow_schema

    monkeypatch.setenv("PYSPARK_PYTHON", sys.executable)
    builder = sql.SparkSession.builder.master("local[1]").config("spark.ui.enabled", "false")
    spark = builder.config("spark.sql.execution.arrow.pyspark.enabled", "true").getOrCreate()
    try:
        stars = spark.read.parquet(str(survey_file)).repartition(2)
        predictor = FramePredictor(MODEL, stars.columns, dtype_backend="pyarrow")
        stars = stars.select(predictor.needed)
        empty = pa.Table.from_pandas(predictor.meta(stars.limit(0).toPandas()), preserve_index=False)
        catalog = stars.mapInPandas(lambda parts: map(predictor, parts), schema=from_arrow_schema(empty.schema))
        found = catalog.toArrow().to_pandas(types_mapper=pd.ArrowDtype)
    finally:
        spark.stop()
    assert_same(found, expected)
