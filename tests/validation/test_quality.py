"""Good, warned and bad stars are told apart, and what a flag is worth is measured."""

import numpy as np
import pytest
from astropy.table import Table

from skdistmass.schema.bits import QualityBit
from skdistmass.validation import (
    MissingInputError,
    age_in_clusters,
    cluster_distances,
    coverage,
    errors_by_flag,
    errors_by_grade,
    grades,
    join_reference,
    validate,
    without_bad,
)

Q = QualityBit


@pytest.fixture(scope="module")
def flagged(mock):
    """The mock's catalogue: distances at the edge are three times worse, masses outside 50 % too high."""
    catalog, survey = mock(cn_feh_slope=0.0)
    catalog = catalog.copy()
    number = np.arange(len(catalog))
    edge, outside = number % 5 == 0, number % 7 == 0
    truth = np.asarray(survey["TRUE_DISTANCE"])
    for name in ("DISTANCE", "DISTANCE_LO", "DISTANCE_HI"):
        catalog[name][edge] *= (np.asarray(catalog["DISTANCE"])[edge] / truth[edge]) ** 2
    catalog["MASS_CAL"][outside] *= 1.5
    flags = np.where(edge, int(Q.DISTANCE_EDGE | Q.DISTANCE_WARN), 0)
    flags |= np.where(outside, int(Q.MASS_OUTSIDE | Q.MASS_BAD | Q.AGE_BAD), 0)
    catalog["FLAGS"] = flags.astype(np.int32)
    return catalog, survey


def test_grades():
    flags = [0, Q.DISTANCE_EDGE | Q.DISTANCE_WARN, Q.DISTANCE_BAD, Q.MASS_BAD | Q.AGE_WARN]
    stars = Table({"FLAGS": [int(flag) for flag in flags]})
    assert grades(stars, "DISTANCE").tolist() == ["good", "warned", "bad", "good"]
    assert grades(stars, "MASS").tolist() == ["good", "good", "good", "bad"]
    assert grades(stars, "AGE").tolist() == ["good", "good", "good", "warned"]
    with pytest.raises(MissingInputError, match="no column FLAGS"):
        grades(Table({"A": [1]}), "DISTANCE")


def test_only_values_that_are_not_bad_are_judged(flagged):
    stars = join_reference(*flagged)
    judged = without_bad(stars)
    bad = np.arange(len(stars)) % 7 == 0
    assert np.isnan(judged["MASS_CAL"][bad]).all()
    assert np.isnan(judged["MASS_CAL_HI"][bad]).all()
    assert np.isnan(judged["AGE_CAL"][bad]).all()
    np.testing.assert_array_equal(judged["DISTANCE"], stars["DISTANCE"])
    np.testing.assert_array_equal(judged["MASS_CAL"][~bad], stars["MASS_CAL"][~bad])
    assert np.isfinite(stars["MASS_CAL"]).all()  # the table given is not changed
    stars.remove_column("FLAGS")
    assert without_bad(stars) is stars


def test_errors_by_grade_and_flag(flagged):
    stars = join_reference(*flagged)
    table = errors_by_grade(stars)
    rows = {(row["QUANTITY"], row["STARS"]): row for row in table}
    assert rows["DISTANCE", "warned"]["SCATTER"] > 1.7 * rows["DISTANCE", "good"]["SCATTER"]
    assert rows["DISTANCE", "bad"]["N"] == 0
    assert rows["MASS_CAL", "bad"]["BIAS"] == pytest.approx(0.5, abs=0.02)
    assert abs(rows["MASS_CAL", "good"]["BIAS"]) < 0.01
    assert 0.02 < rows["DISTANCE", "good"]["BEYOND_95"] < 0.7 * rows["DISTANCE", "warned"]["BEYOND_95"]
    flags = {(row["QUANTITY"], row["FLAG"]): row for row in errors_by_flag(stars)}
    assert flags.keys() == {("DISTANCE", "DISTANCE_EDGE"), ("MASS_CAL", "MASS_OUTSIDE"), ("AGE_CAL", "MASS_OUTSIDE")}
    assert flags["DISTANCE", "DISTANCE_EDGE"]["TIMES_WORSE"] > 1.7
    assert flags["MASS_CAL", "MASS_OUTSIDE"]["TIMES_WORSE"] > 5


def test_report_judges_good_stars(flagged):
    found = validate(*flagged)
    everything = validate(*flagged, include_bad=True)
    good, every = (each.tables["mass_by_logg"] for each in (found, everything))
    assert good["N"].sum() < 0.9 * every["N"].sum()
    pooled = [np.average(table["SCATTER"], weights=table["N"]) for table in (good, every)]
    assert pooled[1] > 1.1 * pooled[0]
    texts = {check.name: check.found for check in found.checks}
    assert "warned: bias" in texts["DISTANCE by flags"]
    assert "times the error of stars without it" in texts["MASS_CAL of stars with MASS_OUTSIDE"]


def test_coverage_takes_intervals_of_95_percent():
    stars = Table({"DISTANCE": np.ones(3), "DISTANCE_LO": np.full(3, 0.9), "DISTANCE_HI": np.full(3, 1.1)})
    stars["REFERENCE_DIST"] = [1.05, 1.15, 1.25]
    assert coverage(stars)["FOUND_95"][0] == pytest.approx(2 / 3)
    stars["DISTANCE_LO95"], stars["DISTANCE_HI95"] = 0.7, 1.3
    assert coverage(stars)["FOUND_95"][0] == 1.0
    assert coverage(stars)["FOUND_68"][0] == pytest.approx(1 / 3)


def test_modern_distances_and_literature_ages():
    stars = Table({"CLUSTER": ["NGC 6388"] * 3 + ["nowhere"] * 3, "DISTANCE": [11.17] * 3 + [1.0] * 3})
    assert cluster_distances(stars)["ERROR"][0] == pytest.approx(0.117)
    assert cluster_distances(stars, distances="modern")["ERROR"][0] == pytest.approx(0.0)
    stars["AGE"] = np.log10([3.65e9] * 6)
    table = age_in_clusters(stars)
    assert 10 ** table["LITERATURE"][0] == pytest.approx(11.3e9)
    assert table["OFFSET"][0] == pytest.approx(np.log10(3.65 / 11.3))
    assert np.isnan(table["OFFSET"][1])
    found = {check.name: check for check in validate(stars).checks}
    check = found["Age of N6388 against the literature"]
    assert check.found == "3.65 against 11.30 Gyr (-0.49 dex, 3 stars)"
    assert "3.65" in check.paper


def test_assumed_extinction():
    """Stars that lack nothing but the extinction get a distance, and stay bad where their labels are outside."""
    stars = Table({"ABS_MAG": [-1.6] * 3, "ABS_MAG_ERR": [0.1] * 3, "MAG": [10.0, 10.0, np.nan]})
    stars["EXTINCTION"] = [np.nan] * 3
    stars["DISTANCE"] = [np.nan] * 3
    stars["FLAGS"] = [int(Q.DISTANCE_BAD), int(Q.DISTANCE_BAD | Q.DISTANCE_OUTSIDE), int(Q.DISTANCE_BAD)]
    stars["GAIAEDR3_DIST"], stars["LOGG"] = [2.0] * 3, 2.5
    found = validate(stars, assumed_extinction=0.1)
    expected = 0.01 * 10 ** (0.2 * 11.5)
    np.testing.assert_allclose(found.stars["DISTANCE"], [expected, expected, np.nan])
    np.testing.assert_allclose(found.stars["DISTANCE_HI"][0], expected * 10 ** (0.2 * np.hypot(0.1, 0.1)))
    assert grades(found.stars, "DISTANCE").tolist() == ["warned", "bad", "bad"]
    assert np.isfinite(found.judged["DISTANCE"]).tolist() == [True, False, False]
    assert np.isnan(validate(stars).judged["DISTANCE"]).all()
