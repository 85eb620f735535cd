"""Ages at the bounds of mass and [Fe/H], on a relation that is a straight line between each two points."""

import numpy as np
import pytest

from skdistmass.estimators.age_bounds import BoundedAges, limited_bounds
from skdistmass.exceptions import InputError
from skdistmass.isochrones.giant_ages.relation import GiantAgeRelation
from skdistmass.schema.bits import AgeFlag

# log age = 10 - 3 log mass, at every [Fe/H].
MASS = np.array([0.8, 1.0, 2.0, 4.0, 8.0])
RELATION = GiantAgeRelation(MASS, [-0.5, 0.5], np.repeat((10.0 - 3.0 * np.log10(MASS))[:, None], 2, axis=1))


def ages(to_edge=False, loss=0.0, mass=(1.0, 4.0), feh=(-0.4, 0.4)):
    return BoundedAges(RELATION, mass, feh, loss, to_edge)


def log_age(mass):
    return 10.0 - 3.0 * np.log10(mass)


def test_bounds_are_limited_to_the_relation():
    assert limited_bounds("m", None, 0.8, 8.0) == (0.8, 8.0)
    assert limited_bounds("m", (1.0, 4.0), 0.8, 8.0) == (1.0, 4.0)
    assert limited_bounds("m", (0.1, 99.0), 0.8, 8.0) == (0.8, 8.0)
    # Bounds that only touch the relation are within it.
    assert limited_bounds("m", (8.0, 9.0), 0.8, 8.0) == (8.0, 8.0)
    assert limited_bounds("m", (0.1, 0.8), 0.8, 8.0) == (0.8, 0.8)
    for wanted, said in (((8.1, 9.0), "outside"), ((0.1, 0.7), "outside"), ((2.0, 2.0), "lower"), ((1, 2, 3), "lower")):
        with pytest.raises(InputError, match=said):
            limited_bounds("m", wanted, 0.8, 8.0)


def test_flags_at_the_bounds_and_beside_them():
    mass = np.array([1.0, 4.0, 0.999, 4.001, 2.0, 2.0, 2.0, 2.0, np.nan, 2.0, 0.5])
    feh = np.array([0.0, 0.0, 0.0, 0.0, -0.4, 0.4, -0.401, 0.401, 0.0, np.nan, 0.9])
    low, high, poor, rich, missing = (
        AgeFlag.MASS_LOW, AgeFlag.MASS_HIGH, AgeFlag.FEH_LOW, AgeFlag.FEH_HIGH, AgeFlag.MISSING
    )  # fmt: skip
    wanted = [0, 0, low, high, 0, 0, poor, rich, missing, missing, low | rich]
    assert ages().flag(mass, feh).tolist() == wanted
    assert ages().flag(mass, feh).dtype == np.uint8
    # What a giant has lost is added to its mass.
    assert ages(loss=0.25).flag(np.array([0.75, 0.74, 3.75, 3.76]), np.zeros(4)).tolist() == [0, low, 0, high]
    found = ages().log_age(mass, feh)
    np.testing.assert_array_equal(np.isnan(found), np.array(wanted) != 0)
    np.testing.assert_allclose(found[[0, 1, 4]], log_age(np.array([1.0, 4.0, 2.0])))
    moved = ages(to_edge=True).log_age(mass, feh)
    np.testing.assert_allclose(moved[[2, 3, 7, 10]], log_age(np.array([1.0, 4.0, 2.0, 1.0])))
    assert np.isnan(moved[8:10]).all()


def test_masses_of_ages_at_the_bounds_and_beside_them():
    asked = np.array([1.0, 4.0, 0.9, 4.5, 2.0, 2.0])
    feh = np.array([0.0, 0.0, 0.0, 0.0, 0.45, -0.45])
    found = ages(loss=0.1).mass(log_age(asked), feh)
    np.testing.assert_allclose(found[:2], [0.9, 3.9], rtol=1e-12)
    assert np.isnan(found[2:]).all()
    np.testing.assert_allclose(ages(True, 0.1).mass(log_age(asked), feh), [0.9, 3.9, 0.9, 3.9, 1.9, 1.9])
    # No more than rounding is beyond a bound.
    for inside, beyond in ((1.0 + 1e-9, 1.0 - 1e-9), (4.0 - 1e-9, 4.0 + 1e-9)):
        found = ages().mass(log_age(np.array([inside, beyond])), np.zeros(2))
        assert np.isnan(found).tolist() == [False, True]


def test_intervals_beyond_a_bound_end_there_and_say_so():
    light = np.array([1.5, 0.9, 1.5, 1.0, 1.5, np.nan, 1.5])
    heavy = np.array([2.5, 2.5, 4.5, 4.0, 2.5, 2.5, np.nan])
    centre, feh = np.array([9.0, 9.0, 9.0, 9.0, np.nan, 9.0, 9.0]), np.zeros(7)
    interval, clipped = ages().clipped_interval(light, heavy, feh, centre)
    assert clipped.tolist() == [False, True, True, False, False, False, False]
    wanted = [[2.5, 1.5], [2.5, 1.0], [4.0, 1.5], [4.0, 1.0]]
    np.testing.assert_allclose(interval[:4], log_age(np.array(wanted)))
    assert np.isnan(interval[4:]).all()
    plain = ages().interval(light, heavy, feh, centre)
    assert np.isnan(plain).tolist() == [[False, False], [False, True], [True, False], [False, False], *[[True] * 2] * 3]
    assert ages(loss=0.1).clipped_interval(light[3:4], heavy[3:4], feh[:1], centre[:1])[1].tolist() == [True]
    near = ages(loss=0.1).clipped_interval(np.array([0.95]), np.array([3.8]), feh[:1], centre[:1])
    assert near[1].tolist() == [False]


def test_errors_have_the_slope_between_the_bounds():
    mass, sigma = np.array([2.0, 1.0, 4.0, 2.0, 0.9]), np.array([0.1, 0.5, 0.5, 0.0, 0.1])
    found = ages().log_age_err(mass, np.zeros(5), sigma)
    np.testing.assert_allclose(found[:4], 3.0 * sigma[:4] / mass[:4] / np.log(10.0), rtol=1e-6)
    assert np.isnan(found[4])
    edge = ages(True, 0.05).log_age_err(mass, np.zeros(5), sigma)
    np.testing.assert_allclose(edge, 3.0 * sigma / [2.05, 1.05, 4.0, 2.05, 1.0] / np.log(10.0), rtol=1e-6)
