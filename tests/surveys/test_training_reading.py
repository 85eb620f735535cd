"""Reading a survey for training in chunks gives what reading it at once gives."""

import numpy as np
import pytest

from skdistmass.datasets import make_survey
from skdistmass.exceptions import ImpossibleValueWarning
from skdistmass.extinction import ExtinctionChoice
from skdistmass.surveys import read_survey
from skdistmass.surveys.training_sets import _fill, read_training_stars


@pytest.fixture(scope="module")
def survey(tmp_path_factory):
    path = tmp_path_factory.mktemp("training") / "mock.fits"
    stars = make_survey(1000, random_state=3)
    stars.write(path)
    return path


@pytest.mark.slow
@pytest.mark.parametrize("chunk_rows", [1, 37, 999, 1000, 5000])
def test_chunks_make_no_difference(survey, chunk_rows):
    whole = ExtinctionChoice().apply(read_survey(survey))
    stars = read_training_stars(survey, ExtinctionChoice(), chunk_rows=chunk_rows)
    assert {"TEFF", "K", "A_K", "PARALLAX", "APOGEE_ID", "MASS_CAL"} <= set(stars)
    for name in stars:
        np.testing.assert_array_equal(stars[name], whole[name], err_msg=name)
    assert stars.impossible == whole.impossible
    assert (stars.source, stars.metallicity) == (whole.source, whole.metallicity)


def test_text_wider_in_a_later_chunk_is_kept(tmp_path):
    path = tmp_path / "names.csv"
    rows = [f"{'A' * (n + 1)},{4000 + n},2.5,0.1,11" for n in range(9)]
    path.write_text("apogee_id,teff,logg,m_h,k\n" + "\n".join(rows) + "\n")
    stars = read_training_stars(path, ExtinctionChoice(), chunk_rows=2)
    assert stars["APOGEE_ID"].tolist() == ["A" * (n + 1) for n in range(9)]


def test_only_what_training_needs_is_kept(survey):
    stars = read_training_stars(survey, ExtinctionChoice(), columns=["TRUE_MASS"])
    assert "TRUE_MASS" in stars
    assert not {"TRUE_LOGG", "J", "H"} & set(stars)


def test_survey_without_rows(tmp_path):
    path = tmp_path / "none.fits"
    make_survey(5, random_state=0)[:0].write(path)
    stars = read_training_stars(path, ExtinctionChoice())
    assert len(stars) == 0
    assert "TEFF" in stars


def test_a_column_that_begins_in_a_later_chunk_is_missing_before():
    """Of text, numbers, vectors and truth values."""
    columns, word = {}, np.array(["b", "cd"])
    _fill(columns, "WORD", word, 3, 5)
    _fill(columns, "PAIR", np.ones((2, 2)), 3, 5)
    _fill(columns, "COUNT", np.array([7, 8]), 1, 5)
    _fill(columns, "COUNT", np.array([0.5]), 3, 5)
    _fill(columns, "BAD", np.array([True]), 4, 5)
    assert columns["WORD"].tolist() == ["", "", "", "b", "cd"]
    np.testing.assert_array_equal(columns["PAIR"], [[np.nan] * 2] * 3 + [[1.0] * 2] * 2)
    assert columns["COUNT"].tolist() == [0.0, 7.0, 8.0, 0.5, 0.0]
    assert columns["BAD"].tolist() == [False] * 4 + [True]


def test_what_is_impossible_is_counted_over_all_chunks(tmp_path):
    path = tmp_path / "a.csv"
    path.write_text("apogee_id,teff,logg,m_h,k,MASS_X,MASS_X_ERR,J\n" + "a,4800,2.5,0.1,-50,1.0,0.1,9\n" * 5)
    with pytest.warns(ImpossibleValueWarning):
        stars = read_training_stars(path, ExtinctionChoice(), chunk_rows=2)
    assert stars.impossible == {"K": 5}
    assert (stars.source, stars.layout, len(stars)) == (str(path), "generic", 5)
    assert {"MASS_X", "MASS_X_ERR", "A_K", "A_K_SRC"} <= set(stars)
    assert "J" not in stars
