"""The parts of the law of errors, each by itself."""

import numpy as np
import pytest
from scipy.special import ndtri
from scipy.stats import norm

from skdistmass.exceptions import InputError
from skdistmass.uncertainty import ConformalErrors, PaperErrors, conformal, label_noise_variance, robust_scatter
from skdistmass.uncertainty.conformal import _LEVELS, _conformal_quantiles
from skdistmass.uncertainty.error_law import (
    _CENTER,
    _START,
    _WIDTH,
    _fit_shape,
    cross_fitted_ranks,
    fit_error_law,
    fit_terms,
    law_quantiles,
    residual_probability,
)
from skdistmass.uncertainty.kernels import expected_shares, log_likelihood

RNG = np.random.default_rng(0)
N = 300
RESIDUAL, SCATTER, NOISE = RNG.standard_t(4, N), RNG.uniform(0.5, 2.0, N), RNG.uniform(0.0, 1.0, N)


def densities(scatter=SCATTER):
    """Density of each residual in each part of the mixture."""
    return norm.pdf(RESIDUAL[:, None], scatter[:, None] * _CENTER, np.hypot(scatter[:, None] * _WIDTH, NOISE[:, None]))


def test_parts_of_the_mixture():
    """Widths from 0.35 to 4 in even ratios, each with centres a width below, at, and above zero."""
    widths = 0.35 * (4.0 / 0.35) ** (np.arange(8) / 7.0)
    np.testing.assert_allclose(_WIDTH, np.repeat(widths, 3))
    np.testing.assert_allclose(_CENTER, np.outer(widths, [-1.0, 0.0, 1.0]).ravel())
    start = norm.pdf(_CENTER) * norm.pdf(np.log(_WIDTH), scale=0.35)
    np.testing.assert_allclose(_START, start / start.sum())


def test_likelihood_and_its_slope():
    value, slope = log_likelihood(SCATTER, RESIDUAL, NOISE, _START, _WIDTH, _CENTER)
    assert value == pytest.approx(np.log(densities() @ _START).sum(), rel=1e-9)
    above, below = (np.log(densities(SCATTER * np.exp(step)) @ _START) for step in (1e-5, -1e-5))
    np.testing.assert_allclose(slope, (above - below) / 2e-5, rtol=1e-5, atol=1e-7)
    # A residual that no part of the mixture can have is unlikely, and no infinity.
    assert log_likelihood(np.ones(1), np.full(1, 1e4), np.zeros(1), _START, _WIDTH, _CENTER)[0] == np.log(1e-300)


def test_shares_of_the_parts():
    shares = np.full(len(_START), np.nan)
    expected_shares(densities(), _START, shares)
    np.testing.assert_allclose(shares, (densities() * _START / (densities() @ _START)[:, None]).sum(axis=0), rtol=1e-9)
    expected_shares(np.zeros((1, 2)), np.ones(2), shares[:2])
    assert (shares[:2] == 0).all()


def test_weights_of_the_parts_are_those_of_maximum_likelihood_with_one_more_star():
    weights = _fit_shape(RESIDUAL, SCATTER, NOISE, _START)
    assert weights.sum() == pytest.approx(1.0)
    shares = (densities() * weights / (densities() @ weights)[:, None]).sum(axis=0)
    np.testing.assert_allclose((shares + _START) / (N + 1.0), weights, atol=5e-4)
    assert np.abs(weights - _START).max() > 0.01


def test_scatter_is_found():
    rng = np.random.default_rng(1)
    x = rng.normal(size=4000)
    terms = np.column_stack([np.ones(4000), x])
    noise = np.full(4000, 0.3)
    residual = np.exp(0.2 + 0.5 * x) * rng.normal(size=4000) + noise * rng.normal(size=4000)
    coef, weights = fit_error_law(terms, residual, noise)
    width = np.diff(law_quantiles([0.1587, 0.8413], weights))[0] / 2
    assert coef[0] + np.log(width) == pytest.approx(0.2, abs=0.05)
    assert coef[1] == pytest.approx(0.5, abs=0.05)


def test_a_least_squares_fit_has_a_weak_penalty():
    x, values = np.linspace(-1.0, 1.0, 21), np.linspace(-1.0, 1.0, 21) ** 3 + 2.0
    found = fit_terms(np.column_stack([np.ones(21), x]), values)
    np.testing.assert_allclose(found, [2.0, (x @ values) / (x @ x + 21e-3)])


def test_probabilities_and_quantiles_of_one_part():
    weights = np.zeros(len(_WIDTH))
    levels = np.array([1e-11, 0.01, 0.3, 0.5, 0.84, 0.999, 1.0 - 1e-11])
    for part in (0, 10, 11, 23):
        weights[:] = np.arange(len(weights)) == part
        np.testing.assert_allclose(
            law_quantiles(levels, weights), _CENTER[part] + _WIDTH[part] * ndtri(levels), rtol=3e-4, atol=1e-6
        )
        expected = norm.cdf(RESIDUAL, SCATTER * _CENTER[part], np.hypot(SCATTER * _WIDTH[part], NOISE))
        np.testing.assert_allclose(residual_probability(RESIDUAL, SCATTER, NOISE, weights), expected)


def test_ranks_are_those_of_laws_that_did_not_see_the_residual():
    terms = np.column_stack([np.ones(N), np.linspace(-1.0, 1.0, N)])
    rank = cross_fitted_ranks(terms, RESIDUAL, NOISE)
    fold = np.random.default_rng(0).permutation(N) % 5
    for number in range(5):
        seen, held = fold != number, fold == number
        coef, weights = fit_error_law(terms[seen], RESIDUAL[seen], NOISE[seen])
        known = terms[seen] @ coef
        scatter = np.exp(np.clip(terms[held] @ coef, known.min(), known.max()))
        expected = norm.cdf(
            RESIDUAL[held, None], scatter[:, None] * _CENTER, np.hypot(scatter[:, None] * _WIDTH, NOISE[held, None])
        )
        np.testing.assert_allclose(rank[held], expected @ weights, rtol=1e-6)


def test_levels_and_the_ranks_that_stand_for_them():
    levels = np.unique(_LEVELS.round(9))
    np.testing.assert_allclose(levels, 1.0 - levels[::-1], atol=1e-12)
    np.testing.assert_allclose(levels[:25], 1e-4 * 200.0 ** (np.arange(25) / 24), atol=1e-9)
    np.testing.assert_allclose(levels[24:-24], np.linspace(0.02, 0.98, 193), atol=1e-9)
    found = np.interp([0.1, 0.15, 0.9, 0.97], _LEVELS, _conformal_quantiles(np.arange(9.0)[::-1]))
    np.testing.assert_allclose(found, [0.0, 0.5, 8.0, 8.0], atol=1e-12)


def test_terms_of_the_scatter():
    X = np.random.default_rng(2).normal(size=(400, 3)) * [300.0, 0.6, 0.3] + [4700.0, 2.5, -0.1]
    errors = ConformalErrors().fit(X, RNG.normal(size=400))
    low, high = np.percentile(X, [0.5, 99.5], axis=0)
    a, b, c = (np.clip([X[0], [9e9, -9e9, 0.0]], low, high).T - X.mean(axis=0)[:, None]) / X.std(axis=0)[:, None]
    expected = [np.ones(2), *(each**power for power in range(1, 6) for each in (a, b, c)), a * b, a * c, b * c]
    np.testing.assert_allclose(errors._terms(np.array([X[0], [9e9, -9e9, 0.0]])), np.transpose(expected), rtol=1e-9)
    assert len(errors.coef_) == 19
    one = ConformalErrors().fit(X[:, :1], RNG.normal(size=400))
    np.testing.assert_allclose(one._terms(X[:1, :1]), [a[0] ** np.arange(6.0)], rtol=1e-9)


def test_paper_s_curve_goes_through_the_quartiles_of_bins_of_equal_numbers():
    rng = np.random.default_rng(3)
    logg = np.repeat([0.5, 1.5, 2.5, 3.5], 50) + rng.uniform(-0.1, 0.1, 200)
    residual = rng.normal(size=200) * (0.5 + 0.1 * logg)
    errors = PaperErrors(0).fit(logg[:, None], residual)
    bins = np.arange(200).reshape(4, 50)
    centers = [np.median(logg[rows]) for rows in bins]
    quartiles = [np.percentile(np.abs(residual[rows]), [25, 50, 75]) for rows in bins]
    curves = np.polyfit(centers, quartiles, 2)
    for column, percentile in enumerate((25, 50, 75)):
        expected = np.polyval(curves[:, column], [1.0, 3.0])
        np.testing.assert_allclose(errors.absolute_quantile(np.array([[1.0], [3.0]]), percentile), expected)
    assert errors.coef_.shape == PaperErrors().fit(logg[:, None], residual).coef_.shape == (3, 3)
    np.testing.assert_allclose(errors.scatter(np.array([[1.0]])), 1.4826 * np.polyval(curves[:, 1], 1.0))


def test_references_that_are_worse_than_their_residuals_leave_an_error():
    # On one side the references claim errors far above their residuals: any small scatter is as likely as another.
    rng = np.random.default_rng(3)
    X = rng.uniform(-1, 1, (400, 1))
    good = X[:, 0] > -0.5
    residual = np.where(good, 0.1, 1e-6) * rng.standard_normal(400)
    errors = ConformalErrors().fit(X, residual, np.where(good, 0.0, 0.3))
    assert errors.scatter(X).min() > 0.01 * robust_scatter(residual)
    assert np.median(errors.scatter(X[good])) == pytest.approx(0.1, rel=0.4)


def paper_errors(logg):
    """Errors fitted to stars of given log g, whose residuals are their numbers."""
    return PaperErrors(0).fit(np.transpose([logg]), np.arange(len(logg)) - 0.5)


@pytest.mark.parametrize(
    ("n_stars", "starts"),
    [
        (60, [0, 20, 40]),  # three bins at the least
        (198, [0, 66, 132]),
        (201, [0, 50, 100, 150]),  # a bin for every 50 stars; a star on an edge is the first of its bin
        (2101, np.ceil(np.arange(40) * 52.5).astype(int)),  # and no more than 40
    ],
)
def test_paper_s_bins(n_stars, starts):
    logg = np.linspace(1.0, 3.0, n_stars) ** 2
    errors = paper_errors(logg)
    bins = np.split(np.arange(n_stars), starts[1:])
    quartiles = [np.percentile(np.abs(rows - 0.5), [25, 50, 75]) for rows in bins]
    wanted = np.polyfit([np.median(logg[rows]) for rows in bins], quartiles, 2)
    np.testing.assert_allclose(errors.coef_, wanted.T, rtol=1e-9)
    assert errors.logg_range_ == (1.0, 9.0)


def test_paper_s_curve_has_as_many_terms_as_there_are_bins():
    # Two values of log g, 20 stars and 40: a straight line through both, and not beyond.
    line = paper_errors(np.repeat([2.0, 3.0], [20, 40]))
    medians = np.median(np.arange(20) - 0.5), np.median(np.arange(20, 60) - 0.5)
    assert line.coef_[1].tolist() == pytest.approx([0.0, medians[1] - medians[0], 3 * medians[0] - 2 * medians[1]])
    found = line.absolute_quantile(np.array([[1.0], [2.0], [2.5], [3.0], [4.0]]), 50)
    assert found.tolist() == pytest.approx([medians[0], medians[0], np.mean(medians), medians[1], medians[1]])
    one = paper_errors(np.full(60, 2.5))
    np.testing.assert_allclose(one.coef_[:, 2], np.percentile(np.abs(np.arange(60) - 0.5), [25, 50, 75]))
    assert (one.coef_[:, :2] == 0).all()
    assert one.n_rows_ == 60


def test_paper_s_curve_is_no_negative_error():
    """A parabola through 10, 0 and 10 at log g 1, 2 and 3 of the least errors would end below zero."""
    errors = paper_errors(np.linspace(1.0, 3.0, 60))
    errors.coef_ = np.array([[0.0, 1.0, -2.0]] * 3)
    assert errors.absolute_quantile(np.array([[1.5], [2.5]]), 75).tolist() == [0.0, 0.5]


@pytest.mark.filterwarnings("ignore::skdistmass.exceptions.SmallSampleWarning")
def test_fifty_residuals_are_the_fewest():
    for model in (ConformalErrors(), PaperErrors(), PaperErrors(0)):
        assert model.fit(np.linspace(1.0, 3.0, 50)[:, None], RESIDUAL[:50]).n_rows_ == 50
        with pytest.raises(InputError, match="49 stars are too few"):
            model.fit(np.zeros((49, 1)), np.zeros(49))


def test_a_label_that_does_not_change_is_not_scaled():
    """Neither by the rounding of a number like 4700, nor by that of a zero."""
    steps = np.where(np.arange(N) % 2, 1.0, -1.0)
    X = np.column_stack([4700.0 + 1e-9 * steps, 1e-13 * steps, 1.0 + 1e-9 * steps, 1.5e-12 * steps, np.full(N, 3.0)])
    errors = ConformalErrors().fit(X, RESIDUAL)
    np.testing.assert_allclose(errors.scale_, [1.0, 1.0, 1e-9, 1.5e-12, 1.0], rtol=1e-5)
    np.testing.assert_allclose(errors.center_, [4700.0, 0.0, 1.0, 0.0, 3.0], atol=1e-12)


X_LINE = np.column_stack([np.linspace(-1.0, 1.0, N), np.linspace(-1.0, 1.0, N) ** 2])


def test_scatter_is_half_the_width_of_the_interval_of_one_sigma_in_any_unit():
    errors = ConformalErrors().fit(X_LINE, RESIDUAL * SCATTER, NOISE)
    ends = errors.quantile(norm.cdf([-1.0, 1.0]))
    assert np.ptp(ends) == pytest.approx(2.0)
    scatter = errors.scatter(X_LINE)
    np.testing.assert_allclose(np.exp(errors.log_range_), [scatter.min(), scatter.max()])
    far = errors.scatter(np.array([[9e9, 9e9], [-9e9, 9e9], [9e9, -9e9]]))
    assert np.all((far >= scatter.min() - 1e-12) & (far <= scatter.max() + 1e-12))
    in_thousands = ConformalErrors().fit(X_LINE, 1000.0 * RESIDUAL * SCATTER, 1000.0 * NOISE)
    np.testing.assert_allclose(in_thousands.scatter(X_LINE), 1000.0 * scatter, rtol=1e-4)
    np.testing.assert_allclose(in_thousands.quantile(norm.cdf([-1.0, 1.0])), ends, rtol=1e-4)
    assert (errors.n_rows_, errors.spread_) == (N, np.inf)


def test_residuals_of_zero_have_a_scatter():
    """More than half are zero, so that their median absolute deviation is."""
    residual = np.where(np.arange(N) % 3, 0.0, RESIDUAL)
    found, thousandfold = (ConformalErrors().fit(X_LINE, factor * residual).scatter(X_LINE) for factor in (1, 1000))
    np.testing.assert_allclose(thousandfold, 1000.0 * found, rtol=1e-4)


@pytest.mark.parametrize("value", [0.0, 0.1, -1e-300])
def test_residuals_without_scatter_are_refused(value):
    with pytest.raises(InputError, match="all residuals are the same"):
        ConformalErrors().fit(X_LINE, np.full(N, value))
    assert PaperErrors().fit(X_LINE, np.full(N, value)).scatter(X_LINE).tolist() == [0.0] * N


def test_the_law_of_many_stars_needs_no_cross_fitting(monkeypatch):
    """36 terms of 40 stars each are many."""
    asked = []
    monkeypatch.setattr(
        conformal, "cross_fitted_ranks", lambda terms, residual, noise: asked.append(len(residual)) or residual
    )
    rng = np.random.default_rng(4)
    for n_stars in (1439, 1440):
        ConformalErrors().fit(np.linspace(0.0, 1.0, n_stars)[:, None], rng.normal(size=n_stars))
    assert asked == [1439]


def test_of_many_residuals_some_are_drawn(monkeypatch):
    noise = 0.1 + 0.05 * X_LINE[:, 0] ** 2
    every = ConformalErrors().fit(X_LINE, RESIDUAL, NOISE, noise)
    monkeypatch.setattr(conformal, "_MOST_ROWS", 200)
    some, again = (ConformalErrors().fit(X_LINE, RESIDUAL, NOISE, noise) for _ in range(2))
    np.testing.assert_array_equal(some.scatter(X_LINE), again.scatter(X_LINE))
    assert (some.scatter(X_LINE) != every.scatter(X_LINE)).all()
    assert np.median(some.scatter(X_LINE) / every.scatter(X_LINE)) == pytest.approx(1.0, abs=0.3)
    np.testing.assert_allclose(some.noise_coef_[:2], every.noise_coef_[:2], atol=0.1)
    # Range and number are those of all.
    np.testing.assert_array_equal(some.upper_, every.upper_)
    assert some.n_rows_ == N


def test_label_noise_of_fifty_stars_is_enough():
    rng = np.random.default_rng(5)
    noise = np.full(N, np.nan)
    noise[:50] = 0.01 * np.exp(rng.normal(size=50))
    noise[50:60] = 0.0  # an error of zero is no known error
    errors = ConformalErrors().fit(X_LINE, RESIDUAL, label_noise=noise)
    fitted = np.exp(errors._terms(X_LINE[:50]) @ errors.noise_coef_)
    # A fit to logarithms, whose mean is that of the noise all the same.
    assert np.mean(noise[:50] / fitted) == pytest.approx(1.0)
    np.testing.assert_allclose(np.exp(errors.noise_log_range_), [fitted.min(), fitted.max()])
    noise[0] = np.nan
    errors = ConformalErrors().fit(X_LINE, RESIDUAL, label_noise=noise)
    assert errors.noise_coef_ is errors.noise_log_range_ is None
    # Without it, what new stars have is added to the scatter.
    plain = errors.scatter(X_LINE)
    new = np.where(np.arange(N) % 2, 0.04, np.nan)
    np.testing.assert_allclose(errors.scatter(X_LINE, new), np.where(np.arange(N) % 2, np.hypot(plain, 0.2), plain))


def test_variance_and_robust_scatter_by_hand():
    assert robust_scatter([1.0, np.nan, 3.0, 7.0]) == pytest.approx(1.4826 * 2.0)
    jacobian = np.array([[1.0, -2.0], [0.5, 0.0]])
    errors = np.array([[3.0, 1.0], [2.0, np.nan]])
    np.testing.assert_allclose(label_noise_variance(jacobian, errors), [9.0 + 4.0, np.nan])
    covariance = np.array([[[9.0, 1.5], [1.5, 1.0]], [[4.0, 0.0], [0.0, 0.0]]])
    np.testing.assert_allclose(label_noise_variance(jacobian, covariance), [9.0 - 6.0 + 4.0, 1.0])
