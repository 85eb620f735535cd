"""The record of stars: taken apart, put together, and stacked."""

from dataclasses import replace

import numpy as np
import pytest

from skdistmass.exceptions import ColumnError, InputError
from skdistmass.surveys import Stars, as_stars, stack_stars


def test_absent_columns_are_missing_for_every_star():
    stars = as_stars({"TEFF": [4800.0, 4900.0]})
    assert np.isnan(stars.floats("K")).all()
    assert stars.text("CLUSTER").tolist() == ["", ""]
    assert stars.integers("SDSS_ID").tolist() == [0, 0]
    assert stars.labels.shape == stars.label_errors.shape == (2, 5)
    assert "K" not in stars
    with pytest.raises(ColumnError, match="the stars have no K; they have TEFF"):
        stars["K"]


def test_rows_are_taken_by_mask_slice_and_number():
    stars = as_stars({"TEFF": [4800.0, 4900.0, 5000.0], "APOGEE_ID": ["a", "b", "c"]})
    assert stars[np.array([True, False, True])]["APOGEE_ID"].tolist() == ["a", "c"]
    assert stars[1:]["TEFF"].tolist() == [4900.0, 5000.0]
    assert len(stars[np.array([2])]) == 1
    assert list(stars) == ["APOGEE_ID", "TEFF"]


def test_columns_of_different_length_are_refused():
    with pytest.raises(InputError, match="differ in length"):
        Stars({"A": np.zeros(2), "B": np.zeros(3)})


def test_stars_are_frozen_and_columns_are_replaced_in_a_copy():
    stars = as_stars({"TEFF": [4800.0]})
    changed = stars.with_columns({"K": np.array([9.0])})
    assert "K" not in stars
    assert changed["K"].tolist() == [9.0]
    with pytest.raises(AttributeError):
        stars.source = "x"


def test_stacking_fills_what_one_part_lacks_with_its_missing_value():
    a = as_stars({"TEFF": [4800.0], "M_H": [0.0], "ASPCAPFLAG": [1 << 23], "APOGEE_ID": ["a"]})
    b = as_stars({"TEFF": [4900.0], "M_H": [0.1], "SOURCE_ID": [7], "K": [9.0]})
    stars = stack_stars([a, b])
    assert stars["BAD_STAR"].tolist() == [True, False]
    assert stars["BAD_STAR"].dtype == bool
    assert stars["GAIA_SOURCE_ID"].tolist() == [0, 7]
    assert stars["APOGEE_ID"].tolist() == ["a", ""]
    np.testing.assert_array_equal(stars["K"], [np.nan, 9.0])


def test_stacking_keeps_to_one_metallicity_and_one_type():
    only_fe = as_stars({"TEFF": [4800.0], "FE_H": [-0.1]})
    only_m = as_stars({"TEFF": [4800.0], "M_H": [-0.1]})
    both = as_stars({"TEFF": [4800.0], "M_H": [-0.2], "FE_H": [-0.3]})
    assert stack_stars([only_fe, both])["M_H"].tolist() == [-0.1, -0.3]
    with pytest.raises(ColumnError, match="has no FE_H"):
        stack_stars([only_fe, only_m])
    text = Stars({"X": np.array(["a"])})
    with pytest.raises(ColumnError, match="text in one table"):
        stack_stars([text, Stars({"X": np.array([1.0])})])
    with pytest.raises(ColumnError, match="different number of values"):
        stack_stars([Stars({"X": np.zeros((1, 26))}), Stars({"X": np.zeros((1, 27))})])
    with pytest.raises(InputError, match="no stars to stack"):
        stack_stars([])


def test_iron_stands_for_metals_in_all_parts_or_in_none():
    only_fe = as_stars({"TEFF": [4800.0], "FE_H": [-0.1], "FE_H_ERR": [0.01]})
    both = as_stars({"TEFF": [4800.0], "M_H": [-0.2], "M_H_ERR": [0.05], "FE_H": [-0.3], "FE_H_ERR": [0.02]})
    none = as_stars({"TEFF": [4900.0], "K": [9.0]})
    for parts in ([only_fe, both], [both, only_fe]):
        stars = stack_stars(parts)
        assert stars.metallicity == "FE_H"
        assert dict(zip(stars["FE_H"], stars["M_H_ERR"], strict=True)) == {-0.1: 0.01, -0.3: 0.02}
        assert stars["M_H"].tolist() == stars["FE_H"].tolist()
        assert stars.origin["M_H"] == ("FE_H",)
    stars = stack_stars([none, only_fe])  # a part without any metallicity is no hindrance
    assert stars.metallicity == "FE_H"
    np.testing.assert_array_equal(stars["M_H"], [np.nan, -0.1])
    assert stack_stars([both, none]).metallicity == "M_H"
    with pytest.raises(ColumnError, match=r"a table, a table has no FE_H"):
        stack_stars([only_fe, *[as_stars({"TEFF": [4800.0], "M_H": [-0.1]})] * 2])


def test_another_metallicity_is_taken_only_where_it_is():
    both = as_stars({"TEFF": [4800.0], "M_H": [-0.2], "FE_H": [-0.3]})
    changed = both.with_metallicity("FE_H")
    assert (changed["M_H"].tolist(), changed.metallicity) == ([-0.3], "FE_H")
    assert np.isnan(changed["M_H_ERR"]).all()
    assert both.with_metallicity("M_H") is both
    assert changed.with_metallicity("FE_H") is changed
    assert changed.with_metallicity("M_H") is changed
    bare = as_stars({"TEFF": [4800.0], "M_H": [-0.2]})
    assert bare.with_metallicity("FE_H") is bare


def test_stacking_adds_up_what_is_said_of_the_parts():
    a = Stars({"X": np.zeros((2, 3), np.float32), "N": np.array([1, 2])}, {"X": ("x",)}, {"X": "mag"})
    b = Stars({"X": np.ones((1, 3)), "N": np.array([1.5])}, {"X": ("y",), "N": ("n",)}, {"N": "K"})
    a = replace(a, source="a", layout="l", impossible={"X": 2})
    b = replace(b, source="b", layout="l", impossible={"X": 1, "N": 4})
    stars = stack_stars(iter([a, b]))
    assert stars["X"].tolist() == [[0.0] * 3] * 2 + [[1.0] * 3]
    assert stars["N"].tolist() == [1.0, 2.0, 1.5]
    assert (stars.origin, stars.units) == ({"X": ("x",), "N": ("n",)}, {"X": "mag", "N": "K"})
    assert (stars.source, stars.layout, stars.impossible) == ("a, b", "l", {"X": 3, "N": 4})
    assert stack_stars([a]) is a
    pairs = stack_stars([a, Stars({"N": np.array([7])})])
    np.testing.assert_array_equal(pairs["X"], [[0.0] * 3] * 2 + [[np.nan] * 3])
    assert pairs["N"].tolist() == [1, 2, 7]
    assert pairs["N"].dtype == np.int64
    flags = stack_stars([Stars({"B": np.array([True])}), Stars({"N": np.array([7])})])
    assert (flags["B"].tolist(), flags["B"].dtype, flags["N"].tolist()) == ([True, False], bool, [0, 7])


def test_a_record_without_columns_has_no_stars():
    empty = Stars({})
    assert (len(empty), empty.shape) == (0, (0, 0))
    assert as_stars({"TEFF": [4800.0, 4900.0], "K": [9.0, 9.1]}).shape == (2, 2)
