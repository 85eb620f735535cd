"""Metrics find the errors that a mock catalogue was given."""

import numpy as np
import pytest
from astropy.table import Table
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import t as student

from skdistmass.validation import (
    MissingInputError,
    age_in_clusters,
    age_statistics,
    cluster_distances,
    cluster_summary,
    compare_columns,
    coverage,
    distance_by_logg,
    distance_residuals,
    mass_by,
)
from skdistmass.validation.statistics import LinearFit, binned_statistics, compare_samples, robust_fit


def test_distance_scatter_is_what_was_put_in(plain):
    table = distance_by_logg(plain)
    assert table["N"].sum() > 8000
    # 6 % of noise and the error of the parallaxes.
    expected = np.hypot(0.06, table["REFERENCE_ERR"])
    many = table["N"] > 300
    np.testing.assert_allclose(table["SCATTER"][many], expected[many], rtol=0.15)
    assert np.all(np.abs(table["BIAS"][many]) < 0.02)
    assert np.all((table["Q25"] < table["MAD_STD"]) & (table["MAD_STD"] < 1.4826 * table["Q75"]))


def test_poor_and_cluster_distances_are_not_judged_by():
    stars = Table({"DISTANCE": np.ones(4), "LOGG": np.ones(4), "REFERENCE_DIST": np.ones(4)})
    stars["REFERENCE_DIST_ERR"] = [0.1, 0.2, 0.05, np.nan]
    stars["REFERENCE_DIST_SRC"] = ["Gaia", "Gaia", "cluster", "Gaia"]
    error, reference_error = distance_residuals(stars)
    assert np.isfinite(error).tolist() == [True, False, False, True]
    np.testing.assert_allclose(reference_error, [0.1, np.nan, np.nan, np.nan])


def test_clusters_at_their_distances(plain):
    table = cluster_distances(plain)
    summary = cluster_summary(table)
    assert len(table) == 16
    assert abs(summary["bias"]) < 0.015
    assert summary["scatter"] < 0.03
    assert 0.045 < summary["within"] < 0.075
    assert not table["DEVIANT"].any()


def test_the_one_cluster_that_is_off_is_found(planted):
    table = cluster_distances(planted)
    assert table["CLUSTER"][table["DEVIANT"]].tolist() == ["M67"]
    row = table[table["CLUSTER"] == "M67"][0]
    assert row["ERROR"] == pytest.approx(0.3, abs=0.04)
    assert row["WITHIN"] > 0.25
    assert row["SCATTER"] < 0.12


def test_distances_of_other_clusters_can_be_given(plain):
    table = cluster_distances(plain, distances={"M67": 1.8})
    assert table["ERROR"][table["CLUSTER"] == "M67"][0] == pytest.approx(-0.5, abs=0.03)


def test_members_unlike_the_training_stars_are_counted():
    stars = Table({"CLUSTER": ["M67"] * 5, "DISTANCE": [0.9, 0.9, 0.9, 0.9, np.nan]})
    assert np.isnan(cluster_distances(stars)["OUTSIDE"][0])
    stars["DISTANCE_SPACE"] = [0, 1, 2, 3, 2]  # inside, edge, outside, missing
    assert cluster_distances(stars)["OUTSIDE"][0] == 0.6  # without a distance, too


def test_few_clusters_are_not_held_against_each_other():
    stars = Table({"CLUSTER": ["M67"] * 3 + ["M3"] * 3, "DISTANCE": [0.9] * 3 + [20.0] * 3})
    table = cluster_distances(stars)
    assert np.isnan(table["P_VALUE"]).all()
    assert not table["DEVIANT"].any()


def test_deviation_of_a_cluster_is_judged_by_four_degrees_of_freedom_of_six():
    errors = {"M67": 0.1, "M3": -0.02, "M5": -0.01, "M13": 0.0, "M15": 0.01, "M92": 0.02}
    stars = Table({"CLUSTER": np.repeat(list(errors), 3), "DISTANCE": 1.0 + np.repeat(list(errors.values()), 3)})
    table = cluster_distances(stars, distances=dict.fromkeys(errors, 1.0))
    found = dict(zip(table["CLUSTER"], table["P_VALUE"], strict=True))
    # The five others scatter by 1.4826 times 0.01 about 0; their middle is known to a fifth of that variance.
    pull = 0.1 / (1.4826022 * 0.01 * np.sqrt(1.2))
    assert found["M67"] == pytest.approx(2.0 * student.sf(pull, 4), rel=1e-4)
    assert table["CLUSTER"][table["DEVIANT"]].tolist() == []


def test_mass_scatter_is_what_was_put_in(plain):
    for by in ("LOGG", "MASS"):
        table = mass_by(plain, by, predicted="MASS_CAL")
        many = table["N"] > 200
        assert many.sum() >= 3
        expected = np.hypot(0.06, table["REFERENCE_ERR"])
        np.testing.assert_allclose(table["SCATTER"][many], expected[many], rtol=0.25)
    with pytest.raises(MissingInputError, match="not by 'COLOUR'"):
        mass_by(plain, "COLOUR")


def test_ages_and_their_scatter_in_clusters(plain):
    table = age_statistics(plain)
    assert table["REFERENCE"].tolist() == ["AGE_TRUE"]
    # The noise of 6 % in mass, times the slope of the relation.
    assert 0.05 < table["SCATTER"][0] < 0.2
    inside = age_in_clusters(plain)
    assert {"CLUSTER", "N", "MEDIAN", "STD", "ROBUST_SCATTER", "LITERATURE", "OFFSET"} == set(inside.colnames)
    assert np.all(inside["N"] >= 3)
    assert np.median(inside["STD"]) < 0.2


def test_coverage_of_honest_and_of_boastful_errors(plain):
    table = coverage(plain)
    assert table["QUANTITY"].tolist() == ["DISTANCE", "MASS_CAL"]
    np.testing.assert_allclose(table["FOUND_68"], 0.6827, atol=0.04)
    np.testing.assert_allclose(table["FOUND_95"], 0.9545, atol=0.03)
    boast = plain.copy()
    for end in ("LO", "HI"):
        boast[f"DISTANCE_{end}"] = boast["DISTANCE"] + (boast[f"DISTANCE_{end}"] - boast["DISTANCE"]) / 10
    assert coverage(boast)["FOUND_68"][0] < 0.5


def test_each_side_of_an_interval_is_its_own():
    """Five references from 0.7 to 1.5 kpc for one distance with unequal sides."""
    stars = Table({"DISTANCE": np.ones(5), "REFERENCE_DIST": [0.7, 0.85, 0.95, 1.25, 1.5]})
    for end, value in {"LO": 0.9, "HI": 1.3, "LO95": 0.8, "HI95": 1.4}.items():
        stars[f"DISTANCE_{end}"] = value
    row = coverage(stars)[0]
    assert (row["N"], row["FOUND_68"], row["FOUND_95"], row["STATED"]) == (5, 0.4, 0.6, 0)
    stars.remove_columns(["DISTANCE_LO95", "DISTANCE_HI95"])  # then twice the sides of the other one
    assert coverage(stars)["FOUND_95"][0] == 0.8
    # An error of the reference of 0.1 kpc: sides of 0.141 and 0.316.
    stars["REFERENCE_DIST"], stars["REFERENCE_DIST_ERR"] = [0.85, 0.87, 0.95, 1.3, 1.32], 0.1
    assert coverage(stars)["FOUND_68"][0] == 0.6


def test_columns_are_compared_on_common_stars():
    stars = Table({"A": [1.0, 2.2, np.nan, 4.4, -1.0], "B": [1.0, 2.0, 3.0, 4.0, 5.0]})
    row = compare_columns(stars, "A", "B")[0]
    assert row["N"] == 3
    assert row["BIAS"] == pytest.approx(0.1)
    with pytest.raises(MissingInputError, match="no column C"):
        compare_columns(stars, "A", "C")
    with pytest.raises(MissingInputError, match="kind is 'speed'"):
        compare_columns(stars, "A", "B", "speed")


@settings(max_examples=40, deadline=None)
@given(slope=st.floats(-5, 5), offset=st.floats(-100, 100), scale=st.floats(1e-3, 1e3), seed=st.integers(0, 1000))
def test_robust_fit_finds_the_line_whatever_the_unit(slope, offset, scale, seed):
    rng = np.random.default_rng(seed)
    x = scale * rng.standard_normal(200)
    y = offset + slope * x / scale + 0.1 * rng.standard_normal(200)
    y[::25] += 30.0
    fit = robust_fit(y, x=x)
    assert abs(fit.slopes["x"] * scale - slope) < 6 * fit.errors["x"] * scale
    assert 0.004 < fit.errors["x"] * scale < 0.02


def test_errors_of_the_fit_are_the_scatter_of_repeated_fits():
    slopes, errors = [], []
    for seed in range(200):
        rng = np.random.default_rng(seed)
        x, z = rng.standard_normal((2, 150))
        y = 0.3 * x - z + (0.5 + np.abs(x)) * rng.standard_normal(150)  # uneven scatter
        fit = robust_fit(y, x=x, z=z)
        slopes.append(fit.slopes["x"])
        errors.append(fit.errors["x"])
    assert np.mean(slopes) == pytest.approx(0.3, abs=0.03)
    assert np.mean(errors) == pytest.approx(np.std(slopes), rel=0.15)


def test_chance_of_a_slope_counts_both_signs():
    fit = LinearFit(0.0, {"up": 1.0, "down": -2.0, "none": 0.0}, {"up": 1.0, "down": 1.0, "none": 1.0}, 1.0, 50)
    chances = [fit.p_value(term) for term in ("up", "down", "none")]
    assert chances == pytest.approx([0.317310508, 0.045500264, 1.0])


def test_too_few_stars_for_a_fit():
    with pytest.raises(MissingInputError, match=r"15 stars are left for a fit \(at least 16 needed\)"):
        robust_fit(np.arange(15.0), x=np.arange(15.0))


def test_bins_leave_nan_out():
    table = binned_statistics(np.array([1.0] * 6 + [np.nan]), np.array([0.1] * 6 + [9.0]), (0, 2, 4), name="X")
    assert table["N"].tolist() == [6]
    assert np.isnan(table["REFERENCE_ERR"][0])


def test_a_sample_does_not_differ_from_itself():
    values = np.arange(101.0)
    row = compare_samples(values, values)
    assert (row["KS"], row["P_VALUE"], row["DIFFERENCE"]) == (0.0, 1.0, 0.0)
    shifted = compare_samples(values, values + 50.5)
    assert (shifted["N_1"], shifted["MEDIAN_1"], shifted["MEDIAN_2"]) == (101, 50.0, 100.5)
    assert shifted["KS"] == pytest.approx(51 / 101)


def test_two_samples():
    rng = np.random.default_rng(0)
    same = compare_samples(rng.standard_normal(500), rng.standard_normal(400))
    other = compare_samples(rng.standard_normal(500), 0.5 + rng.standard_normal(400))
    assert same["P_VALUE"] > 0.01
    assert abs(same["DIFFERENCE"]) < 4 * same["DIFFERENCE_ERR"]
    assert other["P_VALUE"] < 1e-6
    assert other["DIFFERENCE"] == pytest.approx(0.5, abs=4 * other["DIFFERENCE_ERR"])
