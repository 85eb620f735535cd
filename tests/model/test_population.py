"""Common values of populations."""

import numpy as np
import pytest
from scipy import stats

from skdistmass.exceptions import InputError
from skdistmass.model.population import _densities, common_value

pytestmark = pytest.mark.slow


def cluster(n_stars, rng, *, truth=9.6, error=0.12, scatter=0.0, outliers=0.0, n_samples=200):
    """Draws of stars whose measured values scatter about their own by `error`."""
    own = truth + scatter * rng.standard_normal(n_stars)
    own = np.where(rng.random(n_stars) < outliers, rng.uniform(8.0, 10.4, n_stars), own)
    measured = own + error * rng.standard_normal(n_stars)
    return measured[:, None] + error * rng.standard_normal((n_stars, n_samples))


@pytest.mark.parametrize("n_stars", [5, 50, 250])
def test_errors_shrink_as_they_should_and_hold_the_truth(n_stars):
    pulls = []
    for seed in range(5):
        found = common_value(cluster(n_stars, np.random.default_rng([seed, n_stars])), 8.0, 10.14)
        pulls.append((found.mean - 9.6) / found.std)
        assert 0.7 * 0.12 / np.sqrt(n_stars) < found.std < 2.2 * 0.12 / np.sqrt(n_stars)
    assert np.abs(pulls).max() < 3.5
    assert np.sqrt(np.mean(np.square(pulls))) < 1.5


def test_outliers_are_told_and_do_not_pull():
    rng = np.random.default_rng(3)
    members, others = cluster(60, rng), cluster(15, rng, truth=8.6, error=0.05)
    found = common_value(np.vstack([members, others]), 8.0, 10.14)
    assert abs(found.mean - 9.6) < 4 * found.std
    assert found.std < 0.03
    assert np.mean(found.membership[:60]) > 0.9
    assert np.all(found.membership[60:] < 0.2)
    assert 0.1 < found.outliers < 0.35


def test_scatter_is_found():
    broad = common_value(cluster(300, np.random.default_rng(4), scatter=0.15), 8.0, 10.14)
    sharp = common_value(cluster(300, np.random.default_rng(5)), 8.0, 10.14)
    assert 0.1 < broad.scatter < 0.22
    assert sharp.scatter < 0.05


def test_systematic_error_does_not_shrink():
    draws = cluster(400, np.random.default_rng(6))
    assert common_value(draws, 8.0, 10.14).std < 0.015
    assert common_value(draws, 8.0, 10.14, systematic=0.05).std == pytest.approx(0.05, rel=0.1)


def test_never_beyond_the_range_and_prior_counts():
    old = cluster(3, np.random.default_rng(7), truth=10.3)
    limit = np.log10(13.8e9)
    found = common_value(old, 8.0, limit)
    assert found.percentiles[-1] <= limit + 1e-9
    assert found.grid.max() <= limit
    flat = common_value(cluster(1, np.random.default_rng(8)), 8.0, limit)
    in_time = common_value(cluster(1, np.random.default_rng(8)), 8.0, limit, prior=lambda log_age: 10.0**log_age)
    assert in_time.mean > flat.mean + 0.01
    assert np.sum(flat.density) * (flat.grid[1] - flat.grid[0]) == pytest.approx(1.0)


def test_one_star_is_its_own_posterior():
    draws = np.random.default_rng(9).normal(9.5, 0.1, (1, 5000))
    found = common_value(draws, 8.0, 10.5)
    assert found.mean == pytest.approx(9.5, abs=0.04)
    assert stats.norm(9.5, 0.1).cdf(found.percentiles[2]) == pytest.approx(0.5, abs=0.1)


def test_what_can_not_be_combined():
    draws = cluster(4, np.random.default_rng(0))
    draws[1, 0] = np.nan
    found = common_value(draws, 8.0, 10.14)
    assert found.n_stars == 3
    assert np.isnan(found.membership[1])
    for wrong in (np.full((3, 50), np.nan), np.zeros((3, 4))):
        with pytest.raises(InputError, match="draws"):
            common_value(wrong, 8.0, 10.0)
    with pytest.raises(InputError, match="empty"):
        common_value(draws, 10.0, 8.0)


def test_draws_beyond_the_grid_count_at_its_ends():
    edges = np.linspace(0.0, 10.0, 11)
    rows = np.repeat([[99.0], [9.5], [-99.0], [0.5], [4.0]], 20, axis=1)
    found = _densities(rows, edges, 1.0)
    np.testing.assert_array_equal(found[0], found[1])
    np.testing.assert_array_equal(found[2], found[3])
    assert found.argmax(axis=1).tolist() == [9, 9, 0, 0, 4]
    assert found[4].sum() == pytest.approx(1.0)


def test_the_range_holds_its_ends_and_a_prior_of_zero_rules_out():
    draws = np.random.default_rng(10).normal(9.0, 0.2, (4, 50))
    found = common_value(draws, 8.0, 10.0, prior=lambda x: np.where(x < 9.0, 0.0, 1.0))
    assert found.density[found.grid < 9.0].max() == 0.0
    assert found.density.sum() * (found.grid[1] - found.grid[0]) == pytest.approx(1.0)
    assert len(found.grid) == 600
    assert (found.grid[0], found.grid[-1]) == pytest.approx((8.0 + 1 / 600, 10.0 - 1 / 600))
    with pytest.raises(InputError, match="from 9 to 9 is empty"):
        common_value(draws, 9.0, 9.0)
