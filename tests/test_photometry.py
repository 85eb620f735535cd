"""Magnitudes, distances and parallaxes, against the formulas and against each other."""

import numpy as np
import pytest
from astropy import units as u
from astropy.table import Column
from hypothesis import given
from hypothesis import strategies as st

from skdistmass.exceptions import UnitError
from skdistmass.photometry import (
    absolute_magnitude,
    absolute_magnitude_error,
    distance_from_magnitude,
    distance_from_parallax,
    distance_ratio,
    weighted_distance,
)

magnitudes = st.floats(-10, 25)


@given(magnitudes, magnitudes, st.floats(0, 5))
def test_distance_and_absolute_magnitude_are_inverse(abs_mag, mag, extinction):
    distance = distance_from_magnitude(abs_mag, mag, extinction)
    assert absolute_magnitude(mag, extinction, distance) == pytest.approx(abs_mag, abs=1e-10)
    assert distance == pytest.approx(0.01 * 10 ** (0.2 * (mag - extinction - abs_mag)), rel=1e-12)


def test_ten_parsecs():
    assert distance_from_magnitude(4.83, 4.83, 0.0) == 0.01


@pytest.mark.parametrize("distance", [0.0, -1.0, np.nan])
def test_no_magnitude_without_a_distance(distance):
    assert np.isnan(absolute_magnitude(8.0, 0.1, distance))


def test_units_are_converted_or_refused():
    assert absolute_magnitude(8.5, 0.1, [1000.0] * u.pc) == pytest.approx([-1.6])
    assert distance_from_parallax(Column([500.0], unit="uas")) == pytest.approx([2.0])
    mean, error = weighted_distance([1.0] * u.kpc, [0.1] * u.kpc, [1200.0] * u.pc, [100.0] * u.pc)
    weights = np.array([100.0, 14.4**2])  # of the parallaxes 1 +/- 0.1 mas and 1/1.2 +/- 1/14.4 mas
    assert 1 / mean == pytest.approx([weights @ [1.0, 1 / 1.2] / weights.sum()])
    assert error == pytest.approx(mean**2 / np.sqrt(weights.sum()))
    with pytest.raises(UnitError, match="column distance has the unit mas"):
        absolute_magnitude(8.5, 0.1, [1.0] * u.mas)


@given(magnitudes, st.floats(-2, 2))
def test_ratio_is_that_of_the_distances(abs_mag, offset):
    first, second = (distance_from_magnitude(value, 12.0, 0.1) for value in (abs_mag + offset, abs_mag))
    assert distance_ratio(abs_mag + offset, abs_mag) == pytest.approx(first / second, rel=1e-12)


@given(st.floats(1e-4, 0.02), st.floats(0.01, 50.0))
def test_errors_follow_by_finite_differences(step, distance):
    near, far = (absolute_magnitude(10.0, 0.0, distance * (1 + side * step)) for side in (-0.5, 0.5))
    assert absolute_magnitude_error(0.0, 0.0, step) == pytest.approx(near - far, rel=1e-4)


def test_independent_errors_add_in_quadrature():
    assert absolute_magnitude_error(0.3, 0.4, 0.0) == pytest.approx(0.5)


def test_parallax_zero_point_is_subtracted():
    assert distance_from_parallax([1.0, 0.0, -0.01], -0.02) == pytest.approx([1 / 1.02, 50.0, 100.0])
    assert np.isnan(distance_from_parallax([-0.03, np.nan, 0.0], [-0.02, 0.0, 0.0])).all()


positive = st.floats(0.01, 100.0)


@given(positive, positive, positive, positive)
def test_weighted_mean(first, first_err, second, second_err):
    mean, error = weighted_distance(first, first_err, second, second_err)
    assert min(first, second) - 1e-9 <= mean <= max(first, second) + 1e-9
    assert error / mean**2 < (1 + 1e-12) * min(first_err / first**2, second_err / second**2)
    swapped = weighted_distance(second, second_err, first, first_err)
    assert [float(mean), float(error)] == pytest.approx([float(value) for value in swapped])


def test_one_error_for_all_stars():
    # Two stars, so that an error mixed up with a star would fit.
    mean, error = weighted_distance([1.0, 2.0], 0.1, [3.0, 4.0], 0.9)
    assert mean == pytest.approx([2 / (1 + 1 / 3), (1600 + 16**2 / 0.81) / (800 + 4**3 / 0.81)])
    assert error == pytest.approx([mean[0] ** 2 / np.sqrt(200), mean[1] ** 2 / np.sqrt(1600 + 16**2 / 0.81)])


def test_weighted_mean_is_hardly_biased():
    """An error in proportion to the distance makes a mean of distances 1 % low."""
    rng = np.random.default_rng(0)
    distance = 2.0 * np.exp(0.07 * rng.standard_normal(100_000))
    parallax = 0.5 + 0.15 * 0.5 * rng.standard_normal(100_000)
    mean, _ = weighted_distance(distance, 0.07 * distance, 1 / parallax, 0.15 * 0.5 / parallax**2)
    assert abs(np.median(mean) / 2.0 - 1.0) < 0.003


@pytest.mark.parametrize("bad", [np.nan, 0.0, -1.0, np.inf])
def test_a_distance_without_an_error_has_no_weight(bad):
    mean, error = weighted_distance([1.0], [bad], [2.0], [0.1])
    assert (mean[0], error[0]) == pytest.approx((2.0, 0.1))
    mean, error = weighted_distance([1.0], [bad], [2.0], [bad])
    assert np.isnan(mean).all()
    assert np.isnan(error).all()
