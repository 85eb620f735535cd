"""Reading a survey for training in chunks gives what reading it at once gives."""

import numpy as np
import pytest

from skdistmass.datasets import make_survey
from skdistmass.extinction import ExtinctionChoice
from skdistmass.surveys import read_survey
from skdistmass.surveys.training_sets import read_training_stars


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
