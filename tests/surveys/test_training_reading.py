"""Reading a survey for training in chunks gives what reading it at once gives."""

import numpy as np
import pytest

from skdistmass.datasets import make_survey
from skdistmass.exceptions import DistMassWarning, ImpossibleValueWarning
from skdistmass.extinction import ExtinctionChoice
from skdistmass.surveys import as_stars, join, read_survey
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


@pytest.fixture(scope="module")
def large(tmp_path_factory):
    """A survey of 1000 rows without masses, a table of masses by KIC, and one of KIC and 2MASS names."""
    path = tmp_path_factory.mktemp("large") / "large.csv"
    names = [f"2M{n:08d}+{n:07d}" for n in range(1000)]
    rows = [f"{name},{4000 + n},2.5,0.1,11,{'M67' if n == 500 else ''}" for n, name in enumerate(names)]
    path.write_text("apogee_id,teff,logg,m_h,k,cluster\n" + "\n".join(rows) + "\n")
    chosen = [3, 77, 999]
    masses = as_stars({"KIC": [10 + n for n in chosen], "MASS": [1.2] * 3, "MASS_ERR": [0.1] * 3})
    kic = as_stars({"KIC": [10 + n for n in range(1000)], "TMASS_ID": [name[2:] for name in names]})
    return path, [masses, kic], [4000 + n for n in (*chosen, 500)]


@pytest.mark.parametrize("chunk_rows", [100, 333, 1000])
def test_rows_are_drawn_at_random_but_all_references_are_kept(large, chunk_rows):
    path, tables, referred = large
    with pytest.warns(DistMassWarning, match=r"of 1000 rows \d+ are used for training: about 200 drawn"):
        stars = read_training_stars(
            path, ExtinctionChoice(), max_rows=200, tables=tables, random_state=5, chunk_rows=chunk_rows
        )
    drawn = np.random.default_rng(5).random(1000) < 0.2
    drawn[np.array(referred) - 4000] = True
    np.testing.assert_array_equal(stars["TEFF"], 4000.0 + np.flatnonzero(drawn))
    assert np.isfinite(join(stars, *tables).stars["MASS"]).sum() == 3


def test_nothing_is_drawn_from_a_survey_that_is_small_enough(large):
    assert len(read_training_stars(large[0], ExtinctionChoice(), max_rows=1000)) == 1000


def test_further_columns_to_train_on_are_references_too(tmp_path):
    path = tmp_path / "own.csv"
    path.write_text(
        "teff,logg,m_h,seismic\n" + "".join(f"{4000 + n},2.5,0,{'1.1' if n == 7 else ''}\n" for n in range(50))
    )
    with pytest.warns(DistMassWarning, match="of 50 rows"):
        stars = read_training_stars(path, ExtinctionChoice(), max_rows=0, columns=["seismic"])
    assert stars["TEFF"].tolist() == [4007.0]


def test_what_is_impossible_is_counted_over_all_chunks(tmp_path):
    path = tmp_path / "a.csv"
    path.write_text("apogee_id,teff,logg,m_h,k,MASS_X,MASS_X_ERR,J\n" + "a,4800,2.5,0.1,-50,1.0,0.1,9\n" * 5)
    with pytest.warns(ImpossibleValueWarning):
        stars = read_training_stars(path, ExtinctionChoice(), chunk_rows=2)
    assert stars.impossible == {"K": 5}
    assert (stars.source, stars.layout, len(stars)) == (str(path), "generic", 5)
    assert {"MASS_X", "MASS_X_ERR", "A_K", "A_K_SRC"} <= set(stars)
    assert "J" not in stars
