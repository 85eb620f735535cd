"""The density of labels, against the normal laws that it is made of."""

import numpy as np
import pytest
from scipy.special import logsumexp
from scipy.stats import multivariate_normal

from skdistmass.estimators.label_density import (
    LabelDensity,
    _fit_mixture,
    _robust_location_scale,
    _whitening,
    fit_label_density,
)

LOCATION, SCALE = np.array([4800.0, 2.5]), np.array([200.0, 0.5])
WHITENING = np.array([[1.0, -0.5], [0.3, 1.2]])
MEANS = np.array([[0.0, 0.0], [3.0, -2.0]])
COVARIANCES = np.array([[[0.5, 0.1], [0.1, 0.3]], [[0.4, -0.2], [-0.2, 0.6]]])
WEIGHTS = np.array([0.7, 0.3])
CHOLESKY = np.linalg.cholesky(np.linalg.inv(COVARIANCES))
NORMALISATION = np.log(WEIGHTS) - 0.5 * np.log(np.linalg.det(2.0 * np.pi * COVARIANCES))
DENSITY = LabelDensity(LOCATION, SCALE, WHITENING, MEANS, CHOLESKY, WEIGHTS, NORMALISATION)


def expected(X):
    z = np.clip((X - LOCATION) / SCALE, -1e6, 1e6) @ WHITENING
    laws = zip(np.log(WEIGHTS), MEANS, COVARIANCES, strict=True)
    return logsumexp([weight + multivariate_normal(mean, cov).logpdf(z) for weight, mean, cov in laws], axis=0)


def test_scores_are_those_of_two_normal_laws():
    X = np.random.default_rng(0).normal(LOCATION, 2.0 * SCALE, (5000, 2))  # more than one block
    np.testing.assert_allclose(DENSITY.score(X), expected(X), rtol=1e-9)
    far = np.array([[1e300, 2.5], [-1e300, -1e300]])
    np.testing.assert_allclose(DENSITY.score(far), expected(far), rtol=1e-9)
    assert np.isnan(DENSITY.score(np.array([[np.nan, 2.5]]))).all()


def test_draws_have_these_laws():
    draws = DENSITY.draw(20_000, 0)
    z = (draws - LOCATION) / SCALE @ WHITENING
    mean = WEIGHTS @ MEANS
    cov = np.einsum("k,kij->ij", WEIGHTS, COVARIANCES + MEANS[:, :, None] * MEANS[:, None, :]) - np.outer(mean, mean)
    np.testing.assert_allclose(z.mean(axis=0), mean, atol=0.05)
    np.testing.assert_allclose(np.cov(z.T), cov, atol=0.08)
    first = z[np.linalg.norm(z, axis=1) < 1.5]
    assert len(first) / len(z) == pytest.approx(0.66, abs=0.04)
    np.testing.assert_array_equal(DENSITY.draw(3, 5), DENSITY.draw(3, 5))


def test_the_best_value_of_a_label_is_the_top_of_a_parabola():
    one = LabelDensity(LOCATION, SCALE, WHITENING, MEANS[:1], CHOLESKY[:1], np.ones(1), NORMALISATION[:1])
    X = np.array([[5200.0, 2.0], [4300.0, 3.3], LOCATION])
    values, scores = one.best_replacements(X)
    for label in range(2):
        steps = np.linspace(-6.0, 6.0, 24_001) * SCALE[label]
        for star in range(2):
            tried = np.repeat(X[star : star + 1], len(steps), axis=0)
            tried[:, label] += steps
            found = one.score(tried)
            assert values[star, label] == pytest.approx(tried[found.argmax(), label], abs=6e-4 * SCALE[label])
            assert scores[star, label] == pytest.approx(found.max(), abs=1e-6)
    # A star at the top stays where it is.
    np.testing.assert_allclose(values[2], LOCATION)
    np.testing.assert_allclose(scores[2], one.score(LOCATION[None])[0])
    # Of several laws, that whose top is the highest, as long as the others add little to it.
    apart = LabelDensity(LOCATION, SCALE, np.eye(2), 5.0 * MEANS, CHOLESKY, WEIGHTS, NORMALISATION)
    X = np.array([[4900.0, 2.6], [8000.0, -2.0], [6000.0, 0.0], [7000.0, 2.4], [4700.0, -2.6], [5800.0, -1.0]])
    values, scores = apart.best_replacements(X)
    steps = np.linspace(-25.0, 25.0, 20_001)
    for label in range(2):
        for star in range(len(X)):
            tried = np.repeat(X[star : star + 1], len(steps), axis=0)
            tried[:, label] = LOCATION[label] + SCALE[label] * steps
            assert scores[star, label] == pytest.approx(apart.score(tried).max(), abs=1e-4)
    values, scores = DENSITY.best_replacements(X)
    assert (scores >= DENSITY.score(X)[:, None]).all()
    for label in range(2):
        moved = X.copy()
        moved[:, label] = values[:, label]
        np.testing.assert_allclose(DENSITY.score(moved), scores[:, label])


def test_location_and_scale_do_not_mind_outliers_or_equal_values():
    rng = np.random.default_rng(1)
    stars = np.column_stack([rng.normal(4800.0, 200.0, 2001), np.full(2001, 2.5), np.zeros(2001), np.zeros(2001)])
    stars[:20, 0] = 1e9
    stars[:100, 2] = 1.0  # the quartiles are equal
    location, scale = _robust_location_scale(stars)
    low, middle, high = np.sort(stars[:, 0])[[500, 1000, 1500]]
    np.testing.assert_allclose([location[0], scale[0]], [middle, (high - low) / 1.349])
    assert location[1:].tolist() == [2.5, 0.0, 0.0]
    np.testing.assert_allclose(scale[1:], [1.0, stars[:, 2].std(), 1.0])


def test_whitening_decorrelates_and_holds_small_axes():
    rng = np.random.default_rng(2)
    a = rng.uniform(-2.0, 2.0, 4000)
    scaled = np.column_stack([a, 0.5 * a + rng.uniform(-1.0, 1.0, 4000)])
    np.testing.assert_allclose(np.cov((scaled @ _whitening(scaled)).T), np.eye(2), atol=1e-9)
    # An axis of less than a hundredth of the largest variance counts as that.
    line = np.column_stack([a, a])
    found = np.linalg.norm(_whitening(line), axis=0)
    assert found.max() / found.min() == pytest.approx(10.0)
    # Values beyond 3 count as 3; of one star nothing is known; equal stars have no axis.
    far = np.array([[3.0], [-3.0], [99.0]])
    assert _whitening(far)[0, 0] ** 2 == pytest.approx(1.0 / np.var([3.0, -3.0, 3.0], ddof=1))
    assert abs(_whitening(np.array([[5.0]]))[0, 0]) == 1.0
    assert abs(_whitening(np.zeros((3, 1)))[0, 0]) == pytest.approx(10.0)


def test_components_need_stars():
    rng = np.random.default_rng(3)
    places = 4.0 * np.arange(8)[:, None]
    stars = (places + 0.2 * rng.normal(size=(8, 40))).ravel()[:, None]
    for n_stars, wanted in ((29, 1), (59, 1), (60, 2), (239, 7), (240, 8), (320, 8)):
        chosen = stars[rng.permutation(320)[:n_stars]]
        weights, means, covariances = _fit_mixture(chosen, 8, 0)
        assert len(weights) == len(means) == len(covariances) <= wanted
        assert weights.sum() == pytest.approx(1.0)
    assert len(_fit_mixture(stars, 8, 0)[0]) == 8
    assert len(_fit_mixture(stars, 3, 0)[0]) == 3
    assert len(_fit_mixture(np.zeros((90, 1)), 8, 0)[0]) == 1
    # A handful of stars far from all others is no component: with two labels fewer than 10.
    two = rng.normal(size=(300, 2))
    for n_far, n_kept in ((9, 1), (11, 2)):
        two[:n_far] = 50.0 + 0.1 * rng.normal(size=(n_far, 2))
        assert len(_fit_mixture(two, 2, 0)[0]) == n_kept


def test_a_fitted_density_is_a_density():
    rng = np.random.default_rng(4)
    stars = rng.normal([4800.0, 2.5], [200.0, 0.5], (900, 2))
    density = fit_label_density(stars, 4, 0)
    covariances = np.linalg.inv(density.precisions_cholesky @ density.precisions_cholesky.transpose(0, 2, 1))
    wanted = np.log(density.weights) - 0.5 * np.log(np.linalg.det(2.0 * np.pi * covariances))
    np.testing.assert_allclose(density.log_coefficients, wanted)
    # A component is no wider than the whole set, and no narrower than a tenth of it.
    assert np.linalg.eigvalsh(covariances).max() <= 1.0 + 1e-9
    narrow = np.concatenate([stars[:450], np.full((450, 2), LOCATION)])
    found = fit_label_density(narrow, 2, 0)
    covariances = np.linalg.inv(found.precisions_cholesky @ found.precisions_cholesky.transpose(0, 2, 1))
    assert np.linalg.eigvalsh(covariances).min() >= 0.01 - 1e-9
    one = fit_label_density(stars[:1], 4, 0)
    assert one.score(stars[:1])[0] == pytest.approx(-np.log(2.0 * np.pi * 0.01))
