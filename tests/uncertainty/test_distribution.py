"""Distributions of predictions: the conventions of scipy.stats, exact moments and scores."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from skdistmass.exceptions import InputError
from skdistmass.uncertainty import COVERAGES, LEVELS, MEDIAN, PredictiveDistribution

CENTER, WIDTH = np.array([0.0, 5.0, -2.0]), np.array([1.0, 0.1, 3.0])
NORMAL = stats.norm(CENTER, WIDTH)


@pytest.fixture(scope="module")
def law():
    return PredictiveDistribution(LEVELS, CENTER[:, None] + WIDTH[:, None] * stats.norm.ppf(LEVELS))


def test_a_normal_law_is_that_of_scipy(law):
    q = np.array([[0.01], [0.1587], [0.5], [0.9], [0.999]])
    np.testing.assert_allclose(law.ppf(q), NORMAL.ppf(q), atol=0.03 * WIDTH.max())
    x = CENTER + WIDTH * np.array([[-2.05], [-0.55], [0.05], [1.35]])  # in the middle of two quantiles
    np.testing.assert_allclose(law.cdf(x), NORMAL.cdf(x), atol=0.002)
    np.testing.assert_allclose(law.sf(x), NORMAL.sf(x), atol=0.002)
    np.testing.assert_allclose(law.pdf(x), NORMAL.pdf(x), rtol=0.01)
    np.testing.assert_allclose(law.mean(), CENTER, atol=1e-9 * WIDTH.max())
    np.testing.assert_allclose(law.std(), WIDTH, rtol=0.005)
    np.testing.assert_allclose(law.interval(0.6827), NORMAL.interval(0.6827), atol=0.01 * WIDTH.max())
    np.testing.assert_allclose(law.isf(0.1), law.ppf(0.9))


def test_broadcasting_is_that_of_scipy(law):
    for shape in ((), (3,), (4, 1), (4, 3), (2, 4, 3)):
        for name in ("ppf", "cdf", "pdf", "sf", "logpdf"):
            given_values = np.full(shape, 0.4)
            assert getattr(law, name)(given_values).shape == getattr(NORMAL, name)(given_values).shape, (name, shape)
    with pytest.raises(ValueError):
        law.cdf(np.zeros(2))


rows = st.lists(st.floats(-50, 50), min_size=3, max_size=8).map(sorted)


@given(rows, st.floats(-60, 60), st.integers(0, 2**31))
def test_moments_scores_and_draws_belong_to_one_law(quantiles, x, seed):
    levels = np.linspace(0.0, 1.0, len(quantiles))
    law = PredictiveDistribution(levels, [quantiles])
    u = (np.arange(20_000) + 0.5) / 20_000
    even = law.ppf(u[:, None])[:, 0]
    spread = quantiles[-1] - quantiles[0]
    assert law.mean()[0] == pytest.approx(even.mean(), abs=1e-3 * spread + 1e-9)
    assert law.std()[0] == pytest.approx(even.std(), abs=2e-3 * spread + 1e-6)
    assert law.cdf([x])[0] == pytest.approx(np.mean(even <= x), abs=0.002) or x in quantiles
    # CRPS = E|X - x| - E|X - X'| / 2, the latter by the order of even draws.
    between = 2.0 * np.sum((2.0 * u - 1.0) * even) / len(u)
    assert law.crps([x])[0] == pytest.approx(np.abs(even - x).mean() - 0.5 * between, abs=2e-3 * spread + 1e-6)
    draws = law.rvs(50, seed)
    assert draws.shape == (50, 1)
    assert np.all((draws >= quantiles[0]) & (draws <= quantiles[-1]))


def test_crps_of_a_normal_law(law):
    x = CENTER + 0.7 * WIDTH
    z = 0.7
    exact = WIDTH * (z * (2 * stats.norm.cdf(z) - 1) + 2 * stats.norm.pdf(z) - 1 / np.sqrt(np.pi))
    np.testing.assert_allclose(law.crps(x), exact, rtol=0.005)
    far = law.crps(CENTER + 100 * WIDTH)
    np.testing.assert_allclose(far, WIDTH * (100 - 1 / np.sqrt(np.pi)), rtol=0.001)


def test_draws_have_the_law(law):
    draws = law.rvs(4000, random_state=0)
    for star in range(3):
        assert stats.kstest(draws[:, star], stats.norm(CENTER[star], WIDTH[star]).cdf).pvalue > 1e-3
    np.testing.assert_array_equal(law.rvs(3, random_state=5), law.rvs(3, random_state=5))
    assert law.rvs(random_state=np.random.default_rng(0)).shape == (3,)


def test_functions_that_rise_and_fall(law):
    rising, falling = law.map(lambda q: 10.0 ** (0.1 * q)), law.map(lambda q: -q)
    np.testing.assert_allclose(rising.median(), 10.0 ** (0.1 * law.median()))
    np.testing.assert_allclose(falling.ppf(0.2), -law.ppf(0.8))
    np.testing.assert_allclose(falling.mean(), -law.mean(), atol=1e-12)


def test_a_star_without_a_law():
    law = PredictiveDistribution([0, 0.5, 1], [[0, 1, 2], [0, np.nan, 2]])
    for found in (law.mean(), law.std(), law.ppf(0.5), law.cdf(1.0), law.pdf(1.0), law.crps([1.0, 1.0]), law.rvs()):
        assert np.isfinite(found[0])
        assert np.isnan(found[1])
    for function in (law.cdf, law.pdf):
        np.testing.assert_array_equal(np.isnan(function([[np.nan], [1.0]])), [[True, True], [False, True]])
    assert len(law[1:]) == 1
    assert np.isnan(law.ppf([[1.5], [-0.1], [np.nan]])).all()


@pytest.mark.parametrize(
    ("levels", "quantiles", "said"),
    [
        ([0.5], [[1.0]], "two or more rising"),
        ([0.5, 0.2], [[1.0, 2.0]], "two or more rising"),
        ([0.5, 0.5], [[1.0, 2.0]], "two or more rising"),
        ([0.0, 0.5, 1.5], [[1.0, 2.0, 3.0]], "probabilities"),
        ([-0.5, 0.5, 1.0], [[1.0, 2.0, 3.0]], "probabilities"),
        ([[0.0, 1.0], [0.0, 1.0]], [[1.0, 2.0]], "two or more rising"),
        ([0.0, 1.0], [[1.0, 2.0, 3.0]], "shape"),
        ([0.0, 0.5, 1.0], [[1.0, 2.0]], "shape"),
        ([0.0, 1.0], [1.0, 2.0], "shape"),
        ([0.0, 1.0], [[2.0, 1.0]], "cross"),
    ],
)
def test_what_is_no_law_is_refused(levels, quantiles, said):
    with pytest.raises(InputError, match=said):
        PredictiveDistribution(levels, quantiles)


def test_levels_are_every_tenth_of_a_sigma():
    np.testing.assert_allclose(LEVELS, stats.norm.cdf(np.arange(-35, 36) / 10.0), rtol=1e-9)
    assert MEDIAN == 1e-9
    np.testing.assert_allclose(COVERAGES, [1e-9, *(stats.chi(1).cdf(np.arange(1, 36) / 10.0))], rtol=1e-9)


def test_intervals_make_a_law():
    """Those of two normal laws; an end beyond that of a wider interval changes its place with it."""
    half = np.array([0.0, *np.arange(1, 36) / 10.0])
    intervals = np.stack([CENTER[:2] - half[:, None] * WIDTH[:2], CENTER[:2] + half[:, None] * WIDTH[:2]], axis=-1)
    law = PredictiveDistribution.from_intervals(intervals)
    np.testing.assert_allclose(law.quantiles, CENTER[:2, None] + WIDTH[:2, None] * np.arange(-35, 36) / 10.0)
    assert law.levels[[0, -1]].tolist() == [0.0, 1.0]
    np.testing.assert_array_equal(law.levels[1:-1], LEVELS[1:-1])
    intervals[[3, 4], :, 0] = intervals[[4, 3], :, 0]
    np.testing.assert_array_equal(PredictiveDistribution.from_intervals(intervals).quantiles, law.quantiles)


def test_two_levels_are_enough_and_quantiles_may_be_equal():
    law = PredictiveDistribution([0.0, 1.0], [[1.0, 3.0], [2.0, 2.0]])
    np.testing.assert_array_equal(law.ppf([[0.0], [0.25], [1.0]]), [[1.0, 2.0], [1.5, 2.0], [3.0, 2.0]])
    np.testing.assert_array_equal(law.cdf([[1.0], [1.5], [2.0], [3.0]]), [[0.0, 0.0], [0.25, 0.0], [0.5, 1.0], [1, 1]])
    np.testing.assert_array_equal(law.pdf([[1.0], [2.0], [3.0], [3.1]]), [[0.5, 0], [0.5, np.inf], [0.5, 0], [0, 0]])
    np.testing.assert_array_equal(law.logpdf([0.9, 2.0]), [-np.inf, np.inf])
    np.testing.assert_allclose(law.crps([0.0, 3.5]), [2.0 - 1.0 / 3.0, 1.5])
    np.testing.assert_allclose(law.var(), [4.0 / 12.0, 0.0])


def test_a_step_inside_a_law():
    """A tenth of the probability is at 2 exactly."""
    law = PredictiveDistribution([0.0, 0.5, 0.6, 1.0], [[1.0, 2.0, 2.0, 3.0]])
    assert law.cdf([[1.5], [1.999999], [2.0], [2.5]])[:, 0] == pytest.approx([0.25, 0.5, 0.6, 0.8], abs=1e-5)
    assert law.sf([2.5]) == pytest.approx(0.2)
    assert law.ppf([[0.5], [0.55], [0.6], [0.8]])[:, 0] == pytest.approx([2.0, 2.0, 2.0, 2.5])
    assert law.pdf([[1.5], [2.0], [2.5]])[:, 0] == pytest.approx([0.5, 0.4, 0.4])
    # Integral of the squared difference from a step at 2: of (x/2)^2 and of (0.4 x)^2, each from 0 to 1.
    assert law.crps([2.0]) == pytest.approx((0.25 + 0.16) / 3.0)
    assert [end.tolist() for end in law.support()] == [[1.0], [3.0]]


def test_a_normal_error_widens_each_side_in_quadrature():
    law = PredictiveDistribution([0.0, 0.25, 0.5, 0.75, 1.0], [[0.0, 1.0, 2.0, 5.0, 9.0], [1.0, 1.0, 1.0, 1.0, 1.0]])
    wide = law.widened([0.0, 2.0])
    np.testing.assert_array_equal(wide.quantiles[0], law.quantiles[0])
    np.testing.assert_array_equal(wide.levels, law.levels)
    # Levels of 0 and 1 stand for 3.5 sigma.
    quartile = stats.norm.ppf(0.75)
    np.testing.assert_allclose(wide.quantiles[1], 1.0 + 2.0 * np.array([-3.5, -quartile, 0.0, quartile, 3.5]))
    both = law.widened(1.0).quantiles[0]
    expected = [2 - np.hypot(2, 3.5), 2 - np.hypot(1, quartile), 2, 2 + np.hypot(3, quartile), 2 + np.hypot(7, 3.5)]
    np.testing.assert_allclose(both, expected)


def test_a_function_that_falls_turns_unequal_levels_around():
    law = PredictiveDistribution([0.0, 0.2, 1.0], [[0.0, 1.0, 2.0], [np.nan, 1.0, 2.0], [1.0, 1.0, 1.0]])
    fallen = law.map(np.negative)
    np.testing.assert_allclose(fallen.levels, [0.0, 0.8, 1.0])
    np.testing.assert_array_equal(fallen.quantiles, [[-2, -1, 0], [np.nan] * 3, [-1, -1, -1]])
    risen = law.map(lambda q: q + 1.0)
    np.testing.assert_allclose(risen.levels, [0.0, 0.2, 1.0])
    np.testing.assert_array_equal(risen.quantiles[0], [1.0, 2.0, 3.0])


def test_draws_have_the_shape_that_was_asked_for(law):
    for seed in (3, np.random.RandomState(3), np.random.default_rng(3)):
        assert law.rvs(random_state=seed).shape == (3,)
        assert law.rvs(1, random_state=seed).shape == (1, 3)
    even = np.random.default_rng(4).random((2, 3))
    np.testing.assert_array_equal(law.rvs(2, np.random.default_rng(4)), law.ppf(even))
    assert len(law) == 3
    assert len(law[1]) == 1
    np.testing.assert_array_equal(law[[2, 0]].median(), law.median()[[2, 0]])
