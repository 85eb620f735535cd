"""The cuts on the training stars: each counted, star by star."""

import numpy as np
import pandas as pd
import pytest
from astropy import units as u
from astropy.table import Table

from skdistmass.estimators.star_keys import star_groups
from skdistmass.exceptions import ColumnError
from skdistmass.photometry import absolute_magnitude
from skdistmass.schema.limits import ASPCAP_STAR_BAD
from skdistmass.surveys import Stars, as_stars, load_clusters
from skdistmass.surveys.training_sets import (
    TrainingCuts,
    distance_training_set,
    fractional_parallax_error,
    mass_scales_of,
    mass_training_set,
    reference_distances,
)

N_STARS = 14


@pytest.fixture
def stars():
    """Stars without fault, at 2 kpc."""
    table = Table()
    for name, value in {"TEFF": 4700.0, "LOGG": 2.5, "M_H": -0.1, "C_FE": 0.0, "N_FE": 0.2}.items():
        table[name] = np.full(N_STARS, value)
    table["ASPCAPFLAG"] = np.zeros(N_STARS, dtype=np.int64)
    table["K"], table["K_ERR"], table["A_K"] = 10.0, 0.02, 0.1
    table["PARALLAX"], table["PARALLAX_ERR"], table["PARALLAX_SRC"] = 0.5, 0.02, "other"
    table["CLUSTER"] = np.full(N_STARS, "", dtype="U12")
    table["MASS"], table["MASS_ERR"] = 1.2, 0.06
    return table


def test_all_good_stars_are_kept(stars):
    chosen = distance_training_set(as_stars(stars), TrainingCuts())
    assert chosen.rows.tolist() == list(range(N_STARS))
    assert set(chosen.removed.values()) == {0}
    assert chosen.target == pytest.approx(absolute_magnitude(10.0, 0.1, 2.0))
    # Parallax 4 %, magnitude and extinction 0.02 mag each.
    assert chosen.target_err == pytest.approx(np.sqrt(2 * 0.02**2 + (0.04 * 5 / np.log(10)) ** 2))


def test_every_cut_of_the_distances_takes_its_star(stars):
    cases = {
        "TEFF missing": ("TEFF", -9999.0),
        "LOGG missing": ("LOGG", np.nan),
        "M_H missing": ("M_H", -9999.99),
        "C_FE missing": ("C_FE", np.nan),
        "N_FE missing": ("N_FE", np.nan),
        "STAR_BAD": ("ASPCAPFLAG", ASPCAP_STAR_BAD | 1),
        "no K magnitude": ("K", 99.99),
        "no extinction": ("A_K", np.nan),
        "A_K > 0.5": ("A_K", 0.51),
        "no parallax or cluster distance": ("PARALLAX", -0.1),
        "parallax error > 15%": ("PARALLAX_ERR", 0.076),
    }
    for row, (name, value) in enumerate(cases.values()):
        stars[name][row] = value
    chosen = distance_training_set(as_stars(stars), TrainingCuts())
    assert chosen.removed == dict.fromkeys(cases, 1)
    assert list(chosen.removed) == list(cases)
    assert chosen.rows.tolist() == list(range(len(cases), N_STARS))


@pytest.mark.parametrize("flag", [{"ASPCAPFLAG": [ASPCAP_STAR_BAD, 0]}, {"BAD_STAR": [True, False]}])
def test_either_flag_makes_a_star_bad(flag):
    columns = {
        "TEFF": [4800.0] * 2,
        "K": [9.0] * 2,
        "A_K": [0.1] * 2,
        "PARALLAX": [1.0] * 2,
        "PARALLAX_ERR": [0.02] * 2,
    }
    stars = Stars({name: np.array(values) for name, values in (columns | flag).items()})
    chosen = distance_training_set(stars, TrainingCuts(), names=["TEFF"])
    assert chosen.rows.tolist() == [1]
    assert chosen.removed["STAR_BAD"] == 1
    bare = Stars({name: np.array(values) for name, values in columns.items()})
    assert "STAR_BAD" not in distance_training_set(bare, TrainingCuts(), names=["TEFF"]).removed


def test_a_star_is_counted_once_by_the_first_cut(stars):
    stars["TEFF"][0] = stars["K"][0] = np.nan
    removed = distance_training_set(as_stars(stars), TrainingCuts()).removed
    assert removed["TEFF missing"] == 1
    assert sum(removed.values()) == 1


def test_borders_of_the_cuts(stars):
    stars["ASPCAPFLAG"][0] = ~ASPCAP_STAR_BAD & 0xFFFFFF  # every bit but that one
    stars["A_K"][1] = 0.5
    stars["PARALLAX_ERR"][2] = 0.0749
    assert len(distance_training_set(as_stars(stars), TrainingCuts()).rows) == N_STARS
    strict = TrainingCuts(max_extinction=0.05, max_parallax_error=0.01)
    removed = distance_training_set(as_stars(stars), strict).removed
    assert removed["A_K > 0.05"] == N_STARS
    assert len(distance_training_set(as_stars(stars), strict).rows) == 0


def test_only_the_labels_asked_for_are_needed(stars):
    stars["C_FE"] = np.nan
    assert len(distance_training_set(as_stars(stars), TrainingCuts()).rows) == 0
    assert len(distance_training_set(as_stars(stars), TrainingCuts(), names=("TEFF", "LOGG", "M_H")).rows) == N_STARS


def test_distances_come_from_gaia_then_parallax_then_cluster(stars):
    stars["GAIAEDR3_DIST"] = np.full(N_STARS, np.nan) * u.pc
    stars["GAIAEDR3_DIST"][0] = 1900.0
    stars["PARALLAX_ERR"][:4] = [0.02, 0.02, 0.2, np.nan]
    stars["CLUSTER"][[0, 2, 3]] = "M67"
    distance, error, source = reference_distances(as_stars(stars), TrainingCuts())
    assert source[:5].tolist() == ["Gaia", "parallax", "cluster", "cluster", "parallax"]
    m67 = dict(zip(load_clusters()["NAME"], load_clusters()["DISTANCE"], strict=True))["M67"]
    assert distance[:5] == pytest.approx([1.9, 2.0, m67, m67, 2.0])
    assert error[:5] == pytest.approx([0.04, 0.04, 0.08, 0.08, 0.04])
    assert len(distance_training_set(as_stars(stars), TrainingCuts()).rows) == N_STARS


def test_a_distance_without_an_error_is_none(stars):
    stars["GAIAEDR3_DIST"] = 1.9
    stars["PARALLAX_ERR"][0] = np.nan
    distance, _, source = reference_distances(as_stars(stars), TrainingCuts())
    assert np.isnan(distance[0])
    assert source[0] == ""
    assert source[1] == "Gaia"


def test_zero_point_goes_by_the_source_of_the_parallax(stars):
    stars["PARALLAX_SRC"] = ["Gaia DR2", "Gaia EDR3"] + ["other"] * (N_STARS - 2)
    distance, *_ = reference_distances(as_stars(stars), TrainingCuts())
    assert 1 / distance[:3] == pytest.approx([0.553, 0.521, 0.5])
    plain, *_ = reference_distances(as_stars(stars), TrainingCuts(parallax_zero_point={}))
    assert plain == pytest.approx(2.0)


def test_every_cut_of_the_masses_takes_its_star(stars):
    cases = {
        "TEFF missing": ("TEFF", np.nan),
        "LOGG missing": ("LOGG", np.nan),
        "M_H missing": ("M_H", np.nan),
        "C_FE missing": ("C_FE", np.nan),
        "N_FE missing": ("N_FE", -9999.0),
        "STAR_BAD": ("ASPCAPFLAG", ASPCAP_STAR_BAD),
        "no mass": ("MASS", -9999.0),
        "mass error > 10%": ("MASS_ERR", 0.13),
        "mass outside 0.5-4 Msun": ("MASS", 5.0),
    }
    for row, (name, value) in enumerate(cases.values()):
        stars[name][row] = value
    stars["MASS"][len(cases)] = 0.4999
    stars["MASS_ERR"][[len(cases), len(cases) + 1]] = [0.01, np.nan]
    chosen = mass_training_set(as_stars(stars), "MASS", TrainingCuts())
    assert chosen.removed == dict.fromkeys(cases, 1) | {"mass error > 10%": 2, "mass outside 0.5-4 Msun": 2}
    assert chosen.rows.tolist() == list(range(len(cases) + 2, N_STARS))
    assert np.all(chosen.target == 1.2)
    assert np.all(chosen.target_err == 0.06)


def test_ends_of_an_interval_are_an_error(stars):
    stars["MASS_X"] = 1.2 * u.Msun
    with pytest.raises(ColumnError, match="column MASS_X has no error; add MASS_X_ERR, or MASS_X_LO and MASS_X_HI"):
        mass_training_set(as_stars(stars), "MASS_X", TrainingCuts())
    stars["MASS_X_LO"], stars["MASS_X_HI"] = 1.15, 1.27
    assert mass_training_set(as_stars(stars), "MASS_X", TrainingCuts()).target_err == pytest.approx(0.06)
    assert mass_scales_of(as_stars(stars)) == {"": "MASS", "X": "MASS_X"}
    with pytest.raises(ColumnError, match="no column MASS_Y"):
        mass_training_set(as_stars(stars), "MASS_Y", TrainingCuts())


@pytest.mark.parametrize("order", [(0, 1, 2, 3, 4), (4, 2, 0, 1, 3)])
def test_rows_that_share_any_identifier_are_one_star(order):
    """Row 0 and 1 share a name, 1 and 2 a number, so that all three are one star."""
    names, numbers = np.array(["A", "A", "", "B", ""]), np.array([0, 7, 7, 8, 0])
    stars = as_stars({"APOGEE_ID": names, "TEFF": np.full(5, 4800.0)}).with_columns({"GAIA_SOURCE_ID": numbers})
    groups = star_groups(stars[list(order)])
    number = dict(zip(order, groups, strict=True))
    assert number[0] == number[1] == number[2]
    assert len(set(number.values())) == 3


@pytest.mark.parametrize("missing", [None, np.nan, pd.NA, "", "  "])
def test_spectra_without_a_name_are_stars_of_their_own(missing):
    """Else all of them would share one fold."""
    ids = np.array(["A", missing, "B", missing, "A", missing], dtype=object)
    groups = star_groups(as_stars({"APOGEE_ID": ids}))
    assert groups[0] == groups[4]
    assert len(np.unique(groups)) == 5


@pytest.mark.parametrize("end", ["LO", "HI"])
def test_one_end_of_an_interval_is_no_error(stars, end):
    stars.remove_column("MASS_ERR")
    stars[f"MASS_{end}"] = 1.0
    with pytest.raises(ColumnError, match="MASS has no error"):
        mass_training_set(as_stars(stars), "MASS", TrainingCuts())
    assert mass_scales_of(as_stars(stars)) == {}


def test_limits_belong_to_the_side_that_is_written(stars):
    """Errors have to be below their limits, extinctions may be equal to theirs, masses to both ends of the range."""
    stars["PARALLAX"], stars["PARALLAX_ERR"] = 1.0, 0.125
    stars["PARALLAX_ERR"][0] = 0.124
    stars["MASS"], stars["MASS_ERR"] = 1.0, 0.0625
    stars["MASS"][:4] = [0.5, 4.0, 0.4999, 4.0001]
    stars["MASS_ERR"][[0, 2, 4, 5, 6]] = [0.03, 0.03, 0.125, 0.124, 0.0]
    cuts = TrainingCuts(max_parallax_error=0.125, max_mass_error=0.125, max_extinction=0.1)
    chosen = distance_training_set(as_stars(stars), cuts)
    assert chosen.rows.tolist() == [0]
    assert chosen.removed["A_K > 0.1"] == 0
    assert chosen.removed["parallax error > 12%"] == N_STARS - 1
    weighed = mass_training_set(as_stars(stars), "MASS", cuts)
    assert weighed.rows.tolist() == [0, 1, 5, *range(7, N_STARS)]
    assert (weighed.removed["mass error > 12%"], weighed.removed["mass outside 0.5-4 Msun"]) == (2, 2)


def test_a_parallax_of_zero_has_no_fractional_error():
    stars = as_stars({"TEFF": [4800.0] * 4, "PARALLAX": [0.0, -1.0, 2.0, np.nan], "PARALLAX_ERR": [0.1] * 4})
    np.testing.assert_array_equal(fractional_parallax_error(stars), [np.nan, np.nan, 0.05, np.nan])


def test_errors_that_are_not_known_are_assumed(stars):
    """M_K's error is that of K, of A_K and 5 / ln 10 times the parallax's fraction, added in quadrature."""
    stars["K_ERR"][:3] = [0.05, 0.0, np.nan]
    stars["A_K_ERR"] = 0.06
    stars["A_K_ERR"][2:4] = [0.0, np.nan]
    chosen = distance_training_set(as_stars(stars), TrainingCuts(mag_error=0.03, extinction_error=0.04))
    mag, extinction = [0.05, 0.03, 0.03, 0.02], [0.06, 0.06, 0.04, 0.04]
    expected = np.sqrt(np.square(mag) + np.square(extinction) + (5 / np.log(10) * 0.04) ** 2)
    np.testing.assert_allclose(chosen.target_err[:4], expected)
    # With the defaults both are 0.02 mag, and a cluster's distance has 8 %.
    assert (TrainingCuts().mag_error, TrainingCuts().extinction_error) == (0.02, 0.02)
    assert (TrainingCuts().cluster_distance_error, TrainingCuts().max_parallax_error) == (0.08, 0.15)


@pytest.mark.parametrize(("assumed", "error"), [(0.1, 0.1), (0.01, 0.02), (0.0, 0.02)])
def test_an_assumed_extinction_has_an_error_as_large(stars, assumed, error):
    stars["A_K"][:2] = np.nan
    assert distance_training_set(as_stars(stars), TrainingCuts()).removed["no extinction"] == 2
    chosen = distance_training_set(as_stars(stars), TrainingCuts(assumed_extinction=assumed))
    assert chosen.rows.tolist() == list(range(N_STARS))
    np.testing.assert_allclose(chosen.target[:3], 10.0 - np.array([assumed, assumed, 0.1]) - 5 * np.log10(200.0))
    rest = (5 / np.log(10) * 0.04) ** 2 + 0.02**2
    np.testing.assert_allclose(chosen.target_err[:3], np.sqrt(np.square([error, error, 0.02]) + rest))


def test_mass_scales_are_those_with_an_error_and_the_unnamed_one_first():
    names = ["MASS_B", "MASS_B_ERR", "MASS_A", "MASS_A_LO", "MASS_A_HI", "MASS", "MASS_ERR", "MASSIVE", "MASSIVE_ERR"]
    names += ["MASS_C", "MASS_C_LO", "MASS_D", "MASS_D_HI", "MASS_SRC"]
    assert list(mass_scales_of(dict.fromkeys(names)).items()) == [("", "MASS"), ("B", "MASS_B"), ("A", "MASS_A")]


def test_absent_labels_are_named(stars):
    stars.remove_columns(["C_FE", "N_FE"])
    for select in (
        lambda s: distance_training_set(s, TrainingCuts()),
        lambda s: mass_training_set(s, "MASS", TrainingCuts()),
    ):
        with pytest.raises(ColumnError, match=r"no column C_FE, N_FE; the stars have .*TEFF, "):
            select(as_stars(stars))
