"""Tables joined to a survey: by identifiers, through a table of names, by position; nothing lost or mixed up."""

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from skdistmass.exceptions import DistMassWarning, InputError
from skdistmass.surveys import as_stars, join, read_survey
from skdistmass.surveys.join import shared_identifiers

SURVEY = {
    "APOGEE_ID": ["2M00000002+7417074", "2M00000032+5737103", "2M00000211+6327470", ""],
    "TEFF": [4800.0, 4600.0, 5000.0, 4700.0],
    "RA": [10.0, 20.0, 30.0, 40.0],
    "DEC": [1.0, 2.0, 3.0, 4.0],
}
NAMES = {"KIC": [11, 12, 13], "TMASS_ID": ["00000002+7417074", "J00000032+5737103", "2MASS J99999999+0000000"]}


@pytest.fixture
def survey():
    return as_stars(SURVEY)


def test_masses_by_kic_through_a_table_of_names(survey):
    masses = as_stars({"KIC": [12, 99, 11], "MASS": [1.2, 2.0, 1.1], "MASS_ERR": [0.1, 0.1, 0.2]})
    for tables in ([masses, as_stars(NAMES)], [as_stars(NAMES), masses]):
        joined = join(survey, *tables)
        np.testing.assert_array_equal(joined.stars["MASS"], [1.1, 1.2, np.nan, np.nan])
        np.testing.assert_array_equal(joined.stars["MASS_ERR"], [0.2, 0.1, np.nan, np.nan])
        assert joined.stars["KIC"].tolist() == [11, 12, 0, 0]
        said = joined.report[tables.index(masses)]
        assert said == "a table: 2 of 3 rows matched by KIC, 1 left; 2 of 4 stars have it"


def test_labels_are_never_taken_from_another_table(survey):
    other = as_stars(
        {
            "APOGEE_ID": SURVEY["APOGEE_ID"][:2],
            "TEFF": [1.0e4, 1.0e4],
            "LOGG": [2.0, 2.0],
            "FE_H": [0.1, 0.2],
            "AGE_X": [9.5, 9.6],
        }
    )
    joined = join(survey, other).stars
    assert joined["TEFF"].tolist() == SURVEY["TEFF"]
    assert "LOGG" not in joined
    assert "M_H" not in joined
    np.testing.assert_array_equal(joined["AGE_X"], [9.5, 9.6, np.nan, np.nan])


def test_only_missing_values_are_filled(survey):
    survey = survey.with_columns({"K": np.array([9.0, np.nan, np.nan, 8.0])})
    other = as_stars({"APOGEE_ID": SURVEY["APOGEE_ID"][:2], "K": [1.0, 10.0]})
    np.testing.assert_array_equal(join(survey, other).stars["K"], [9.0, 10.0, np.nan, 8.0])


def test_rows_of_one_star_that_differ_are_an_error_or_follow_a_rule(survey):
    first, second = SURVEY["APOGEE_ID"][:2]
    table = {"APOGEE_ID": [first, first, second, second], "MASS": [1.0, 1.5, 1.2, 1.2], "MASS_ERR": [0.1] * 4}
    other = as_stars(table)
    with pytest.raises(InputError, match=r"1 stars have several rows that differ, by 2MASS: 00000002\+7417074"):
        join(survey, other)
    for rule, expected in (("first", 1.0), ("skip", np.nan)):
        with pytest.warns(DistMassWarning, match="several rows that differ"):
            joined = join(survey, other, ambiguous=rule)
        np.testing.assert_array_equal(joined.stars["MASS"], [expected, 1.2, np.nan, np.nan])
        assert "1 ambiguous" in joined.report[0]
    with pytest.raises(InputError, match="ambiguous is 'last'"):
        join(survey, other, ambiguous="last")


@pytest.mark.parametrize(("n_stars", "more"), [(3, ""), (4, r" \.\.\.")])
def test_three_of_the_stars_that_differ_are_named(n_stars, more):
    names = [f"2M0000000{k}+7417074" for k in range(n_stars)]
    twice = as_stars({"APOGEE_ID": names * 2, "MASS": np.arange(2.0 * n_stars) + 1.0, "MASS_ERR": [0.1] * 2 * n_stars})
    with pytest.raises(InputError, match=rf"{n_stars} stars .*: 00000000\+7417074, .*02\+7417074{more}\. Keep"):
        join(as_stars({"APOGEE_ID": names, "TEFF": [4800.0] * n_stars}), twice)


def test_the_report_counts_rows_and_stars():
    names = ["2M00000001+7417074", "2M00000002+7417074", "2M00000003+7417074"]
    survey = as_stars({"APOGEE_ID": [*names[:2], *names[:2], "2M9"], "TEFF": [4800.0] * 5})
    said = join(survey, as_stars({"APOGEE_ID": names, "MASS": [1.0] * 3, "MASS_ERR": [0.1] * 3})).report
    assert said == ("a table: 2 of 3 rows matched by 2MASS, 1 left; 4 of 5 stars have it",)


def test_tables_that_can_not_be_connected_are_named(survey):
    masses = replace(as_stars({"KIC": [12], "MASS": [1.2], "MASS_ERR": [0.1]}), source="masses.csv")
    with pytest.raises(InputError, match=r"masses.csv has KIC, the survey 2MASS: they share no identifier"):
        join(survey, masses)
    strangers = as_stars({"APOGEE_ID": ["2M12345678+1234567"], "MASS": [1.2], "MASS_ERR": [0.1]})
    with pytest.raises(InputError, match="no row matches the survey by 2MASS"):
        join(survey, strangers)


def test_by_position(survey):
    nearby = as_stars(
        {"RA": [10.0 + 0.5 / 3600, 30.0, 200.0], "DEC": [1.0, 3.0 + 5 / 3600, 0.0], "MASS": [1.0, 2.0, 3.0]}
    )
    joined = join(survey, nearby, match_radius=1.0)
    np.testing.assert_array_equal(joined.stars["MASS"], [1.0, np.nan, np.nan, np.nan])
    assert "by position within 1 arcsec" in joined.report[0]
    with pytest.raises(InputError, match="no positions"):
        join(survey, as_stars({"MASS": [1.0], "TEFF": [4800.0]}), match_radius=1.0)


@given(st.permutations(range(6)), st.permutations(range(6)))
def test_order_of_rows_does_not_matter(one, other):
    numbers = np.arange(1, 7)
    survey = as_stars({"KIC": numbers, "TEFF": np.full(6, 4800.0)})
    masses = as_stars({"KIC": numbers, "MASS": numbers / 2.0, "MASS_ERR": np.full(6, 0.1)})
    joined = join(survey[list(one)], masses[list(other)]).stars
    np.testing.assert_array_equal(joined["MASS"], joined["KIC"] / 2.0)


def test_real_masses_are_those_of_the_table(real_data):
    """APOKASC-3 by KIC, and the list of KIC and 2MASS names, give the masses that the table of giants has."""
    whole = read_survey(real_data("kepler_giants.fits"))
    bare = replace(whole, columns={n: v for n, v in whole.columns.items() if not n.startswith(("MASS", "KIC"))})
    masses, names = (read_survey(real_data(f"raw/{n}.csv")) for n in ("apokasc3_table4_gold", "kic_2mass"))
    joined = join(bare, masses, names).stars
    known = np.isfinite(whole["MASS_AP3"])
    assert np.array_equal(np.isfinite(joined["MASS"]), known)
    np.testing.assert_allclose(joined["MASS"][known], whole["MASS_AP3"][known], rtol=1e-6)
    np.testing.assert_allclose(joined["MASS_ERR"][known], whole["MASS_AP3_ERR"][known], rtol=1e-6)
    assert set(joined["MASS_SRC"][known]) == {"apokasc3"}


def test_columns_are_filled_by_their_kind(survey):
    """What is missing is NaN, blank or 0; a truth value is never missing, and what the survey says of one stays."""
    own = {"NOTE": np.array(["x", "", "", ""]), "COUNT": np.array([0, 5, 0, 0]), "BAD": np.array([False] * 4)}
    table = as_stars({"APOGEE_ID": SURVEY["APOGEE_ID"][:2], "K": [9.0, 10.0]})
    other = {"NOTE": np.array(["a", "b"]), "COUNT": np.array([7, 8]), "BAD": np.array([True, True])}
    more = {"NEW": np.array([True, False]), "WORD": np.array(["q", "r"]), "NUMBER": np.array([3, 4])}
    joined = join(survey.with_columns(own), table.with_columns(other | more)).stars
    assert joined["NOTE"].tolist() == ["x", "b", "", ""]
    assert joined["COUNT"].tolist() == [7, 5, 0, 0]
    assert joined["BAD"].tolist() == [False] * 4
    assert joined["NEW"].tolist() == [True, False, False, False]
    assert joined["WORD"].tolist() == ["q", "r", "", ""]
    assert joined["NUMBER"].tolist() == [3, 4, 0, 0]


def test_origin_and_units_are_those_of_the_table_a_column_is_from(survey):
    survey = replace(survey.with_columns({"AGE_A": np.full(4, np.nan)}), units={"AGE_A": "Gyr"})
    ids = SURVEY["APOGEE_ID"][:2]
    table = as_stars({"APOGEE_ID": ids, "GAIAEDR3_PARALLAX": [0.5, 0.6], "AGE_B": [1.0, 2.0], "AGE_A": [3.0, 4.0]})
    table = replace(table.with_columns({"EXTRA": np.zeros(2)}), units={"AGE_A": "Myr", "AGE_B": "Myr"})
    joined = join(survey, table).stars
    assert joined.origin["PARALLAX"] == ("GAIAEDR3_PARALLAX",)
    assert joined.origin["EXTRA"] == ("EXTRA",)
    assert joined.units == {"AGE_A": "Gyr", "AGE_B": "Myr"}
    np.testing.assert_array_equal(joined["AGE_A"], [3.0, 4.0, np.nan, np.nan])


def test_the_source_of_a_mass_is_its_table_where_the_mass_is_taken_from_it(survey):
    survey = survey.with_columns({"MASS": np.array([1.0, np.nan, np.nan, np.nan]), "MASS_SRC": np.array(["own"] * 4)})
    masses = as_stars({"APOGEE_ID": SURVEY["APOGEE_ID"][:3], "MASS": [2.0, 2.0, np.nan]})
    joined = join(survey, replace(masses, source="m.csv")).stars
    assert joined["MASS_SRC"].tolist() == ["own", "generic", "own", "own"]
    joined = join(survey, replace(masses, source="m.csv", layout="")).stars
    assert joined["MASS_SRC"].tolist() == ["own", "m.csv", "own", "own"]
    told = as_stars({"APOGEE_ID": SURVEY["APOGEE_ID"][:2], "MASS": [2.0, 2.0]})
    told = told.with_columns({"MASS_SRC": np.array(["a", "b"])})
    assert join(as_stars(SURVEY), told).stars["MASS_SRC"].tolist() == ["a", "b", "", ""]
    assert "MASS_SRC" not in join(as_stars(SURVEY), as_stars(NAMES)).stars


def test_identifiers_are_tried_in_their_order():
    """Gaia's number counts before the name of 2MASS, if both tables have one at all."""
    survey = as_stars({"SOURCE_ID": [5, 6], "APOGEE_ID": SURVEY["APOGEE_ID"][:2], "TEFF": [4800.0] * 2})
    table = as_stars({"SOURCE_ID": [6, 5], "APOGEE_ID": survey["APOGEE_ID"], "K": [9.0, 10.0]})
    assert shared_identifiers(survey, table) == ["Gaia DR3", "2MASS"]
    joined = join(survey, table)
    assert joined.stars["K"].tolist() == [10.0, 9.0]
    assert joined.report[0].startswith("a table: 2 of 2 rows matched by Gaia DR3, 0 left")
    blank = table.with_columns({"GAIA_SOURCE_ID": np.zeros(2, int)})
    assert shared_identifiers(survey, blank) == ["2MASS"]
    assert join(survey, blank).stars["K"].tolist() == [9.0, 10.0]
    with pytest.raises(InputError, match=r"a table has SDSS-V, EPIC, the survey no identifier"):
        join(as_stars({"TEFF": [4800.0]}), as_stars({"SDSS_ID": [1], "EPIC": [2], "K": [9.0]}))


@pytest.mark.parametrize("wanted", [0, 1, 2, 9, 10, 11])
def test_stars_that_a_table_has_not_are_not_matched(wanted):
    """Numbers below, between and above those of the table; 0 is none."""
    survey = as_stars({"KIC": [wanted, 5], "TEFF": [4800.0] * 2})
    table = as_stars({"KIC": [10, 0, 5, 2], "K": [9.0, 9.1, 9.2, 9.3]})
    found = join(survey, table).stars["K"]
    np.testing.assert_array_equal(found, [{10: 9.0, 2: 9.3}.get(wanted, np.nan), 9.2])


def test_doubled_rows_that_no_star_needs_are_no_conflict(survey):
    first, second, third = SURVEY["APOGEE_ID"][:3]
    strange = "2M99999999+0000000"
    table = {"APOGEE_ID": [strange, first, strange, "", ""], "MASS": [1.0, 1.2, 1.5, 3.0, 4.0]}
    joined = join(survey, as_stars(table))
    np.testing.assert_array_equal(joined.stars["MASS"], [1.2, np.nan, np.nan, np.nan])
    assert joined.report == ("a table: 1 of 5 rows matched by 2MASS, 4 left; 1 of 4 stars have it",)
    # Three rows of a star, of which the last differs; another star beside it is taken in any case.
    table = {"APOGEE_ID": [third, first, third, second, third], "MASS": [1.0, 1.2, 1.0, 1.3, 1.1]}
    for rule, mass, said in (("first", 1.0, "the first row is taken"), ("skip", np.nan, "none is taken")):
        with pytest.warns(DistMassWarning, match=rf"1 stars .*: 00000211\+6327470; {said}"):
            joined = join(survey, as_stars(table), ambiguous=rule)
        np.testing.assert_array_equal(joined.stars["MASS"], [1.2, 1.3, mass, np.nan])
        n_used = 3 if rule == "first" else 2
        assert joined.report[0].startswith(f"a table: {n_used} of 5 rows matched by 2MASS (1 ambiguous: {said}), ")


def test_rows_that_differ_in_nothing_that_is_joined_agree(survey):
    first = SURVEY["APOGEE_ID"][0]
    twice = as_stars({"APOGEE_ID": [first, first], "TEFF": [4800.0, 5000.0], "MASS": [1.0, 1.0], "K": [np.nan] * 2})
    assert join(survey, twice).stars["MASS"][0] == 1.0
    with pytest.raises(InputError, match="1 stars have several rows that differ"):
        join(survey, twice.with_columns({"NOTE": np.array(["a", "b"])}))


@pytest.mark.parametrize(("arcsec", "matched"), [(0.99, True), (1.01, False)])
def test_stars_are_matched_up_to_the_radius(arcsec, matched):
    survey = as_stars({"TEFF": [4800.0] * 3, "RA": [10.0, np.nan, 50.0], "DEC": [1.0, 1.0, 5.0]})
    table = as_stars({"RA": [10.0, 50.0, 10.0], "DEC": [np.nan, 5.0, 1.0 + arcsec / 3600], "MASS": [1.0, 2.0, 3.0]})
    joined = join(survey, table, match_radius=1.0)
    np.testing.assert_array_equal(joined.stars["MASS"], [3.0 if matched else np.nan, np.nan, 2.0])
    assert joined.report[0].endswith(f"{2 if matched else 1} of 3 stars have it")


def test_names_of_2mass_lose_their_prefixes_only():
    ids = ["2M00000002+7417074", "J00000032+5737103", "2MASS J00000211+6327470", "2MASSJ00000212-6327470", "2M1"]
    survey = as_stars({"APOGEE_ID": ids, "TEFF": [4800.0] * 5})
    bare = ["00000002+7417074", "00000032+5737103", "00000211+6327470", "00000212-6327470", "1"]
    found = join(survey, as_stars({"TMASS_ID": bare, "K": [9.0, 9.1, 9.2, 9.3, 9.4]})).stars["K"]
    np.testing.assert_array_equal(found, [9.0, 9.1, 9.2, 9.3, np.nan])
