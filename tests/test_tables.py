"""Any table, any column, to plain floats: nothing missing may come through as a number."""

import numpy as np
import pandas as pd
import pytest
from astropy import units as u
from astropy.table import Column, MaskedColumn, QTable, Table
from astropy.utils.masked import Masked
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays, floating_dtypes

from skdistmass.exceptions import ColumnError, InputError, UnitError
from skdistmass.tables import (
    as_floats,
    as_integers,
    as_text,
    column_names,
    find_column,
    is_sentinel,
    is_table,
    number_of_rows,
    optional_floats,
    optional_text,
)
from skdistmass.units import convert_unit, understand_unit

HIGH = (99.0, 99.9, 99.99, 99.999, 999.0, 999.99, 9999.0, 9999.99)
LOW = (-999.0, -999.9, -9999.0, -9999.99, -999999.0)


# ---- placeholders


@pytest.mark.parametrize("dtype", [">f4", "<f4", ">f8", "<f8"])
@pytest.mark.parametrize("value", HIGH + LOW)
def test_placeholders_are_known_in_every_precision(value, dtype):
    assert is_sentinel(np.array([value, 4750.0], dtype)).tolist() == [True, False]
    assert np.isnan(as_floats(np.array([value, 4750.0], dtype))).tolist() == [True, False]


def test_high_placeholders_can_be_values():
    assert is_sentinel(np.array([99.0, -9999.0]), high=False).tolist() == [False, True]
    assert as_floats([99.0, -9999.0], high_sentinels=False)[0] == 99.0


@pytest.mark.parametrize("value", [98.9, 99.05, 100.0, -998.9, 0.0, np.nan, np.inf])
def test_neighbours_of_placeholders_are_values(value):
    assert not is_sentinel(np.array([value])).any()


@pytest.mark.parametrize("value", [99.0, -9999.0])
def test_a_single_placeholder(value):
    assert np.isnan(as_floats(value))
    assert is_sentinel(np.array(value))


@given(arrays(floating_dtypes(sizes=(32, 64)), st.integers(0, 30)))
def test_as_floats_keeps_values_and_marks_the_rest(column):
    values = as_floats(column)
    missing = ~np.isfinite(column) | is_sentinel(column)
    assert values.dtype == np.float64
    assert values.dtype.isnative
    assert np.array_equal(np.isnan(values), missing)
    assert np.array_equal(values[~missing], column[~missing].astype(float))
    assert not np.shares_memory(values, column)


@given(st.lists(st.one_of(st.none(), st.floats(-900, 90)), max_size=20))
def test_every_kind_of_column_says_the_same(entries):
    expected = np.array([np.nan if e is None else e for e in entries], dtype=float)
    mask = np.isnan(expected)
    filled = np.where(mask, 5.0, expected)
    columns = [
        np.array(entries, dtype=object),
        np.ma.array(filled, mask=mask),
        MaskedColumn(filled, mask=mask, dtype=">f8"),
        Masked(filled * u.mag, mask=mask),
        pd.Series(entries, dtype="Float64"),
        pd.Series(expected),
        list(expected),
    ]
    for column in columns:
        assert np.array_equal(as_floats(column, "mag"), expected, equal_nan=True), type(column)


# ---- units


@pytest.mark.parametrize(
    ("column", "unit", "expected"),
    [
        ([4.75] * u.kK, "K", 4750.0),
        (Column([4.75], unit="kK"), "K", 4750.0),
        ([4476.85] * u.deg_C, "K", 4750.0),
        ([250.0] * u.pc, "kpc", 0.25),
        ([2.0] * u.dex, "dex(cm s-2)", 2.0),
        ([2.0] * u.dimensionless_unscaled, "dex", 2.0),
        (u.Dex([0.5], u.dex(u.m / u.s**2)), "dex(cm s-2)", 2.5),
        ([316.2277660168379] * u.cm / u.s**2, "dex(cm s-2)", 2.5),
        (Column([2.5]), "dex(cm s-2)", 2.5),
    ],
)
def test_units_are_converted(column, unit, expected):
    assert as_floats(column, unit) == pytest.approx([expected], rel=1e-12)


@pytest.mark.parametrize(
    ("column", "unit"),
    [
        ([1.0] * u.km, "K"),
        ([1.0] * u.m, "dex(cm s-2)"),
        ([1.0] * u.ABmag, "mag"),
        ([1.0] * u.mag, "dex(cm s-2)"),
        (Column([1.0], unit=u.Unit("furlong", parse_strict="silent")), "kpc"),
    ],
)
def test_other_units_are_refused_by_name(column, unit):
    with pytest.raises(UnitError, match="column LOGG has the unit"):
        as_floats(column, unit, name="LOGG")


def test_placeholders_are_looked_for_in_the_unit_of_the_file():
    assert np.isnan(as_floats([-9999.0, 4.75] * u.kK, "K")).tolist() == [True, False]


@pytest.mark.parametrize("column", [["a", "b"], np.array(["2020-01-01"], "M8[D]"), [1j], [{}, {}]])
def test_what_is_not_a_number_is_refused_by_name(column):
    with pytest.raises(ColumnError, match=r"column TEFF holds .* not numbers"):
        as_floats(column, name="TEFF")


# ---- finding columns


def test_a_column_is_found_by_name_case_or_alias():
    assert find_column({"TEFF": [], "teff": []}, "TEFF") == "TEFF"
    assert find_column({"Teff": []}, "TEFF") == "Teff"
    assert find_column({"fe_h": [], "other": []}, "M_H", ("FE_H",)) == "fe_h"
    assert find_column({"FE_H": [], "M_H": []}, "M_H", ("FE_H",)) == "M_H"
    assert find_column({"x": []}, "TEFF", required=False) is None


def test_an_absent_column_is_named_with_those_found():
    with pytest.raises(ColumnError, match=r"no column M_H \(or FE_H\); the table has: TEFF, LOGG"):
        find_column(Table({"TEFF": [1], "LOGG": [1]}), "M_H", ("FE_H",))
    with pytest.raises(ColumnError, match="and 10 more"):
        find_column({f"c{i}": [] for i in range(50)}, "TEFF")
    with pytest.raises(ColumnError, match="no columns"):
        find_column({}, "TEFF")


def test_ambiguous_and_doubled_columns_are_refused():
    with pytest.raises(ColumnError, match="Teff, teff could all be TEFF"):
        find_column({"Teff": [], "teff": []}, "TEFF")
    with pytest.raises(ColumnError, match="column TEFF occurs more than once"):
        column_names(pd.DataFrame(np.ones((1, 3)), columns=["TEFF", "LOGG", "TEFF"]))


def test_what_counts_as_a_table():
    structured = np.zeros(2, [("TEFF", float)])
    assert all(map(is_table, [Table(), QTable(), pd.DataFrame(), {}, structured]))
    assert not any(map(is_table, [np.zeros((2, 2)), [[1, 2]], np.ma.zeros(3), None]))


@pytest.mark.parametrize("unit", ["log(cgs)", "log10(cm/s^2)", "dex", "", "---", None, "[cm/s2]"])
def test_a_logarithm_may_be_written_in_any_way(unit):
    assert convert_unit(np.array([2.5]), unit, "dex(cm s-2)").tolist() == [2.5]


@pytest.mark.parametrize(
    ("text", "unit"),
    [("Parsec", "pc"), ("arcseconds", "arcsec"), ("Solar Mass", "solMass"), ("MAS", "mas"), ("degrees", "deg")],
)
def test_spellings_of_survey_files_are_understood(text, unit):
    assert understand_unit(text) == u.Unit(unit)


@pytest.mark.parametrize("text", ["furlong", "log(cgs)", "---", "", "K K K +", "Vega nMgy"])
def test_what_is_no_unit_is_told(text):
    assert understand_unit(text) is None


# ---- whole numbers and text


@given(st.lists(st.integers(-(2**63), 2**63 - 1), max_size=20))
def test_integers_of_64_bits_stay_exact_in_every_kind_of_column(numbers):
    exact = np.array(numbers, dtype=np.int64)
    for column in (exact, exact.astype(">i8"), np.array([str(n) for n in numbers], dtype=str), pd.Series(exact)):
        assert as_integers(column).tolist() == numbers
    assert as_integers(pd.Series([*numbers, None], dtype="Int64"), missing=-1).tolist() == [*numbers, -1]


@pytest.mark.parametrize(
    "column", [[1.5], np.array([2.0**53 + 2]), np.array([2**64 - 1], dtype=np.uint64), ["1e5"], ["9" * 20]]
)
def test_whole_numbers_that_would_change_are_refused(column):
    with pytest.raises(ColumnError, match="column KIC holds"):
        as_integers(column, name="KIC")


@given(st.lists(st.text(st.characters(codec="utf-8", exclude_categories=["Cc", "Cs"]), max_size=8), max_size=10))
def test_text_stays_as_it_is_but_for_padding(texts):
    for column in (texts, np.array(texts, dtype=object), pd.Series(texts, dtype=object), [t.encode() for t in texts]):
        stripped = [text.strip() for text in texts]
        assert [
            as_text_of.rstrip("\0") for as_text_of in as_text(column if len(texts) else [""])[: len(texts)]
        ] == stripped


@pytest.mark.parametrize("missing", [None, pd.NA, np.nan, np.ma.masked])
def test_missing_text_is_blank(missing):
    assert as_text(np.array(["00123", missing], dtype=object)).tolist() == ["00123", ""]
    assert as_text(np.array([5853498713190525001, missing], dtype=object)).tolist() == ["5853498713190525001", ""]


def test_optional_columns_are_missing_where_they_are_absent():
    table = {"teff": [4800.0, -9999.0], "NAME": ["a ", None]}
    assert np.isnan(optional_floats(table, "LOGG")).all()
    assert optional_floats(table, "TEFF").tolist()[0] == 4800.0
    assert optional_text(table, "OTHER").tolist() == ["", ""]
    assert optional_text(table, "name").tolist() == ["a", ""]
    with pytest.raises(InputError, match="differ in length"):
        number_of_rows({"A": [1], "B": [1, 2]})


@pytest.mark.parametrize("values", [[10.0, 5.0, 9.0], [10, 5, 9]])
def test_a_mask_of_any_kind_counts(values):
    mask = [False, True, False]
    frame = pd.Series(values).mask(mask)
    for column in (
        Masked(np.array(values), mask),
        np.ma.array(values, mask=mask),
        MaskedColumn(values, mask=mask),
        frame,
    ):
        assert np.isnan(as_floats(column)).tolist() == mask
