"""A mock survey, its catalogue as one machine makes it, and how to compare one with it."""

import warnings

import numpy as np
import pandas as pd
import pytest
from hats_survey import import_survey

from skdistmass import (
    AbsMagRegressor,
    CNMassRegressor,
    DistMassModel,
    LevenbergMarquardtMLPRegressor,
    build_catalog,
    load_pretrained,
)
from skdistmass.datasets import make_survey
from skdistmass.exceptions import DistMassWarning

N_STARS = 6000


@pytest.fixture(scope="session")
def survey_file(tmp_path_factory):
    """A mock survey as Parquet."""
    path = tmp_path_factory.mktemp("survey") / "survey.parquet"
    make_survey(N_STARS, random_state=0).write(path)
    return path


@pytest.fixture(scope="session")
def survey(survey_file):
    """The same as a data frame with Arrow's types."""
    return pd.read_parquet(survey_file, dtype_backend="pyarrow")


@pytest.fixture(scope="session")
def expected(survey_file):
    """The catalogue that `build_catalog` makes of it."""
    path = survey_file.with_name("catalog.parquet")
    build_catalog(load_pretrained("kepler-giants"), survey_file, path)
    return pd.read_parquet(path, dtype_backend="pyarrow")


@pytest.fixture(scope="session")
def fitted(quick_training):
    """A small model, as training gives it."""
    small = {"network": LevenbergMarquardtMLPRegressor(hidden_layer_sizes=4, n_starts=2), "n_networks": 1}
    model = DistMassModel(
        AbsMagRegressor(**small), CNMassRegressor(**small), mass_scales={"CAL": "MASS_CAL"}, random_state=0
    )
    with warnings.catch_warnings(), quick_training():
        warnings.simplefilter("ignore", DistMassWarning)
        return model.fit(make_survey(2500, random_state=1))


@pytest.fixture(scope="session")
def assert_same():
    """Function that compares two catalogues to the last bit, whatever the order of their rows and their types."""

    def check(found, expected, columns=None):
        columns = list(expected.columns) if columns is None else columns
        assert len(found) == len(expected)
        found, expected = (f.sort_values(["APSTAR_ID", "APOGEE_ID"], kind="stable") for f in (found, expected))
        for name in columns:
            one, other = found[name], expected[name]
            if one.dtype.kind == "f":
                np.testing.assert_array_equal(_floats(one), _floats(other), err_msg=name)
            else:
                assert [None if v is pd.NA else v for v in one] == [None if v is pd.NA else v for v in other], name

    return check


def _floats(values):
    return values.to_numpy(dtype=float, na_value=np.nan)


@pytest.fixture(scope="session")
def scheduler():
    """Address of a scheduler of Dask with two workers, in processes of their own."""
    distributed = pytest.importorskip("distributed", reason="the extra distributed is not installed")
    pytest.importorskip("lsdb", reason="the extra distributed is not installed")
    about = {"n_workers": 2, "threads_per_worker": 1, "dashboard_address": ":0", "silence_logs": "CRITICAL"}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of other packages
        with distributed.LocalCluster(**about) as cluster:
            yield cluster.scheduler_address


@pytest.fixture
def client(scheduler):
    """Use these workers, for what is computed without saying where."""
    distributed = pytest.importorskip("distributed")
    with distributed.Client(scheduler) as client:
        yield client


@pytest.fixture(scope="session")
def hats(survey_file, scheduler, tmp_path_factory):
    """The survey as a HATS collection of uneven partitions, with a margin cache."""
    pytest.importorskip("hats_import", reason="hats-import is not installed")
    distributed = pytest.importorskip("distributed")
    with distributed.Client(scheduler) as client:
        return import_survey(survey_file, tmp_path_factory.mktemp("hats"), client, most_rows=2500, highest_order=4)
