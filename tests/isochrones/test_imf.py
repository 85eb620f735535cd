import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.integrate import quad

from skdistmass.exceptions import InputError
from skdistmass.isochrones import imf_weights, kroupa_imf, kroupa_number
from skdistmass.isochrones.distances.prior import age_intervals, intervals


@pytest.mark.parametrize(("low", "high", "slope"), [(0.02, 0.07, -0.3), (0.1, 0.45, -1.3), (0.6, 50.0, -2.3)])
def test_slopes(low, high, slope):
    measured = np.log(kroupa_imf(high) / kroupa_imf(low)) / np.log(high / low)
    assert measured == pytest.approx(slope, abs=1e-12)


@pytest.mark.parametrize("edge", [0.08, 0.5])
def test_without_jumps(edge):
    assert kroupa_imf(edge * (1 - 1e-9)) == pytest.approx(kroupa_imf(edge * (1 + 1e-9)), rel=1e-7)


def test_one_solar_mass_is_formed():
    mass = sum(quad(lambda m: m * kroupa_imf(m), a, b)[0] for a, b in [(0.01, 0.08), (0.08, 0.5), (0.5, 120)])
    assert mass == pytest.approx(1.0, rel=1e-7)


def test_outside_and_missing():
    assert kroupa_imf([0.001, 500.0]).tolist() == [0.0, 0.0]
    assert np.isnan(kroupa_imf(np.nan))
    with pytest.raises(InputError, match="negative"):
        kroupa_number(-1.0)


@given(st.lists(st.floats(0.05, 100.0), min_size=2, max_size=30, unique=True))
def test_weights_add_up_to_the_stars_between_the_ends(masses):
    masses = np.sort(masses)
    weights = imf_weights(masses)
    assert (weights >= 0).all()
    assert weights.sum() == pytest.approx(kroupa_number(masses[-1]) - kroupa_number(masses[0]), rel=1e-9, abs=1e-15)


def test_weights_of_points_out_of_order():
    assert imf_weights([1.0, 1.2, 1.1, 1.3])[2] >= 0
    assert imf_weights([1.0, 1.2, 1.1, 1.3]).sum() == pytest.approx(kroupa_number(1.3) - kroupa_number(1.0))


def test_agrees_with_every_cmd_file(real_data):
    folder = real_data("isochrones/cmd39")
    for path in sorted(folder.glob("*.dat")):
        mass, number = np.loadtxt(path, usecols=(3, 4), unpack=True)
        ordered = np.r_[True, np.diff(mass) >= 0]
        # Printed to nine decimals, of masses printed to ten.
        np.testing.assert_allclose(kroupa_number(mass[ordered]), number[ordered], atol=5e-7, err_msg=path.name)


def test_ages_stand_for_years():
    ages = np.array([9.0, 9.05, 9.3, 10.0])
    edges = 10.0 ** intervals(ages)
    np.testing.assert_allclose(age_intervals(ages), np.diff(edges))
    even = age_intervals(np.arange(8.0, 10.0, 0.05))
    np.testing.assert_allclose(even[1:] / even[:-1], 10**0.05)


def test_intervals_need_increasing_values():
    with pytest.raises(InputError, match="increase"):
        age_intervals([9.0, 9.0])
    np.testing.assert_allclose(np.diff(intervals([9.3])), 1.0)
