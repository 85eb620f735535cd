"""The record of stars: taken apart, put together, and stacked."""

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
