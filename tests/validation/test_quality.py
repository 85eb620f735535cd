"""Good, warned and bad stars are told apart, and what a flag is worth is measured."""

import numpy as np
import pytest
from astropy.table import Table

from skdistmass.schema.bits import QualityBit
from skdistmass.validation import (
    MissingInputError,
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
    assert "times the error of unflagged stars" in texts["MASS_CAL of stars with MASS_OUTSIDE"]


def test_coverage_takes_intervals_of_95_percent():
    stars = Table({"DISTANCE": np.ones(3), "DISTANCE_LO": np.full(3, 0.9), "DISTANCE_HI": np.full(3, 1.1)})
    stars["REFERENCE_DIST"] = [1.05, 1.15, 1.25]
    assert coverage(stars)["FOUND_95"][0] == pytest.approx(2 / 3)
    stars["DISTANCE_LO95"], stars["DISTANCE_HI95"] = 0.7, 1.3
    assert coverage(stars)["FOUND_95"][0] == 1.0
    assert coverage(stars)["FOUND_68"][0] == pytest.approx(1 / 3)
