"""LSDB, Dask, Ray, Polars and DuckDB give the catalogue of one machine to the last bit."""

import pandas as pd
import pytest

from skdistmass import load_pretrained
from skdistmass.distributed import FramePredictor, predict_catalog, predict_dask, predict_ray
from skdistmass.exceptions import ColumnError, InputError

MODEL = "kepler-giants"


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


@pytest.mark.parametrize("workers", [1, 2])
def test_lsdb(lsdb, hats, cluster, expected, assert_same, workers):
    catalog = lsdb.open_catalog(hats)
    found = predict_catalog(catalog, MODEL)
    with cluster(workers):
        computed = found.compute(progress_bar=False)
    assert computed.dtypes.equals(found.meta.dtypes)
    assert list(computed.columns) == ["RA", "DEC", *expected.columns]
    assert_same(computed, expected, columns=list(expected.columns))


def test_lsdb_reads_what_it_needs_and_keeps_margins(lsdb, hats):
    catalog = lsdb.open_catalog(hats)
    found = predict_catalog(catalog, MODEL, columns=["DISTANCE"], keep=["APOGEE_ID"])
    assert list(found.columns) == ["RA", "DEC", "APOGEE_ID", "DISTANCE"]
    assert found.margin is not None
    assert list(found.margin.columns) == list(found.columns)
    assert "CLUSTER" in catalog.columns
    near = found.cone_search(ra=180.0, dec=0.0, radius_arcsec=40 * 3600.0)
    assert 0 < len(near.compute(progress_bar=False)) < 6000


def test_lsdb_says_what_made_it(lsdb, hats, tmp_path):
    found = predict_catalog(lsdb.open_catalog(hats), MODEL, columns=["DISTANCE", "MASS"])
    found.write_catalog(tmp_path / "out", catalog_name="out", progress_bar=False)
    again = lsdb.open_catalog(tmp_path / "out")
    about = again.hc_structure.catalog_info.extra_dict()
    assert about["skdistmass_model"] == MODEL
    assert len(about["skdistmass_modelsha"]) == 64
    assert about["skdistmass_akblim"] == "16.0"
    assert about["skdistmass_plxzero"] == "model"
    assert len(again.compute(progress_bar=False)) == 6000


def test_lsdb_after_a_crossmatch(lsdb, hats):
    catalog = lsdb.open_catalog(hats)
    labels = catalog[["RA", "DEC", "APSTAR_ID", "TEFF", "LOGG", "M_H", "C_FE", "N_FE"]]
    how = {"suffixes": ("", "_2mass"), "suffix_method": "overlapping_columns", "log_changes": False}
    joined = labels.crossmatch(catalog[["RA", "DEC", "K", "A_K"]], radius_arcsec=1.0, **how)
    found = predict_catalog(joined, MODEL, columns=["APSTAR_ID", "DISTANCE"]).compute(progress_bar=False)
    assert found["APSTAR_ID"].is_unique
    assert len(found) == 6000
    assert found["DISTANCE"].gt(0).mean() > 0.9


def test_errors_name_the_partition(lsdb, hats):
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
