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
from skdistmass.labels import LABEL_NAMES, out_of_range, read_labels
from skdistmass.tables import as_floats, column_names, find_column, is_sentinel, is_table

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
        (Column([2.5], unit=u.Unit("log(cgs)", parse_strict="silent")), "dex(cm s-2)", 2.5),
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
        (Column([1.0], unit=u.Unit("Kelvins", parse_strict="silent")), "K"),
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


# ---- labels


def sky(n_stars=3):
    return {name: np.linspace(1.0, 2.0, n_stars) + i for i, name in enumerate(LABEL_NAMES)}


def test_labels_come_in_order_whatever_the_order_of_columns():
    table = sky()
    shuffled = dict(reversed(table.items()))
    assert np.array_equal(read_labels(shuffled).values, np.column_stack([table[n] for n in LABEL_NAMES]))


def test_the_preferred_column_wins_where_both_are():
    table = {"M_H": [0.1], "FE_H": [0.2]}
    assert read_labels(table, ("M_H",)).values.tolist() == [[0.1]]
    preferred = read_labels(table, ("M_H",), prefer={"M_H": "FE_H"})
    assert preferred.values.tolist() == [[0.2]]
    assert preferred.columns == {"M_H": "FE_H"}


def test_columns_of_other_shapes_are_refused():
    with pytest.raises(InputError, match=r"differ in length: TEFF has 3.*LOGG has 2"):
        read_labels(sky() | {"LOGG": [1.0, 2.0]})
    with pytest.raises(ColumnError, match=r"M_H has shape \(3, 2\)"):
        read_labels(sky() | {"M_H": np.zeros((3, 2))})


def test_out_of_range_is_beyond_what_a_star_can_have():
    values = np.array([[1500.0, 2, 0, 0, 0], [4750, 8, 0, 0, 0], [4750, 2, -6, np.nan, 5], [4750, 2, 0, 0, 0]])
    assert out_of_range(values).sum(axis=1).tolist() == [1, 1, 2, 0]
    assert not out_of_range(np.array([[1e9]]), ("OTHER",)).any()
