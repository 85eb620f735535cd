"""Samples do not depend on partitions, engines or workers."""

import numpy as np
import pandas as pd
import pytest

from skdistmass.distributed import sample_stars
from skdistmass.distributed.sampling import _quotas
from skdistmass.exceptions import ColumnError, InputError

BY = {"LOGG": [0.0, 1.5, 2.5, 3.5], "M_H": [-1.0, -0.3, 0.5]}


def _ids(found):
    return found["APSTAR_ID"].tolist()


def test_same_for_any_partitions(survey):
    dd = pytest.importorskip("dask.dataframe", reason="the extra distributed is not installed")
    expected = sample_stars(survey, 300, by=BY, key="APSTAR_ID")
    assert len(expected) == 300
    assert expected["APSTAR_ID"].is_unique
    mixed = survey.sample(frac=1.0, random_state=1)
    for frame in (mixed, dd.from_pandas(survey, npartitions=3), dd.from_pandas(mixed, npartitions=7, sort=False)):
        assert _ids(sample_stars(frame, 300, by=BY, key="APSTAR_ID")) == _ids(expected)


def test_same_from_hats(survey, hats):
    lsdb = pytest.importorskip("lsdb", reason="the extra distributed is not installed")
    found = sample_stars(lsdb.open_catalog(hats), 300, by=BY, key="APSTAR_ID", columns=["APSTAR_ID", "TEFF"])
    assert list(found.columns) == ["APSTAR_ID", "TEFF"]
    assert _ids(found) == _ids(sample_stars(survey, 300, by=BY, key="APSTAR_ID"))


def test_bins_are_filled_equally(survey):
    found = sample_stars(survey, 240, by=BY, key="APSTAR_ID")
    number = found.groupby([np.digitize(found[name].to_numpy(dtype=float), edges) for name, edges in BY.items()]).size()
    there = survey.groupby([np.digitize(survey[n].to_numpy(dtype=float, na_value=np.nan), e) for n, e in BY.items()])
    there = there.size()[number.index]
    full = number < there
    assert full.any()
    assert number[full].max() - number[full].min() <= 1
    assert (number[~full] == there[~full]).all()


def test_seeds_and_sizes(survey):
    one, other = (sample_stars(survey, 100, key="APSTAR_ID", random_state=seed) for seed in (0, 1))
    assert len(set(_ids(one)) & set(_ids(other))) < 20
    assert len(sample_stars(survey, 100_000, key="APSTAR_ID")) == len(survey)
    assert len(sample_stars(survey.iloc[:0], 10, key="APSTAR_ID")) == 0
    # Samples are nested, so that a larger one adds stars to a smaller one.
    assert set(_ids(one)) < set(_ids(sample_stars(survey, 200, key="APSTAR_ID")))


def test_whole_numbers_identify(survey):
    ids = np.arange(len(survey)) + 4295806720000000001
    plain = sample_stars(survey.assign(source_id=ids), 50, key="source_id")
    arrow = sample_stars(survey.assign(source_id=pd.array(ids, dtype="int64[pyarrow]")), 50, key="source_id")
    assert plain["source_id"].tolist() == arrow["source_id"].tolist()


@pytest.mark.parametrize("counts", [[5, 100, 100], [0, 3], [], [1, 1, 1], [1000, 2, 50]])
def test_quotas(counts):
    found = _quotas(np.array(counts, dtype=np.int64), 60)
    assert found.sum() == min(60, sum(counts))
    assert (found <= counts).all()


def test_errors(survey):
    for settings, message in (
        ({"n": 0}, "n is 0"),
        ({"n": 5, "random_state": -1}, "random_state is -1"),
        ({"n": 5, "by": {"LOGG": [3.0, 1.0]}}, "increasing order"),
    ):
        with pytest.raises(InputError, match=message):
            sample_stars(survey, key="APSTAR_ID", **settings)
    with pytest.raises(ColumnError, match="no column nothing"):
        sample_stars(survey, 5, key="nothing")
