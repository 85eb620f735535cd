"""Errors: propagated exactly, calibrated on residuals, and the paper's own."""

from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import multivariate_normal, qmc
from sklearn.model_selection import train_test_split

from skdistmass import AbsMagRegressor, CNMassRegressor, LevenbergMarquardtMLPRegressor
from skdistmass.datasets import make_survey
from skdistmass.estimators.label_regressor import LabelRegressor
from skdistmass.exceptions import InputError, SmallSampleWarning
from skdistmass.labels import LABEL_NAMES
from skdistmass.uncertainty import ConformalErrors, PaperErrors, label_noise_variance, normal_coverage, robust_scatter

pytestmark = pytest.mark.slow

NETWORK = LevenbergMarquardtMLPRegressor(hidden_layer_sizes=6, tol=1e-3, n_starts=2)
LINEAR = LevenbergMarquardtMLPRegressor(activation="identity", hidden_layer_sizes=6, tol=1e-3, n_starts=2)
SMALL = {"network": NETWORK, "n_networks": 1, "random_state": 0}
ONE, TWO = normal_coverage(1.0), normal_coverage(2.0)


def coverage(interval, truth):
    return np.mean((truth >= interval[:, 0]) & (truth <= interval[:, 1]))


def read(stars, ending=""):
    return np.column_stack([np.asarray(stars[name + ending], float) for name in LABEL_NAMES])


@pytest.fixture(scope="module")
def giants():
    stars = make_survey(
        2500, giant_fraction=1.0, seismic_fraction=1.0, sentinel_fraction=0, bad_fraction=0, random_state=0
    )
    return stars[np.isfinite(stars["MASS"]) & (stars["TRUE_LOGG"] < 3.5)]


@pytest.fixture(scope="module")
def mass_model(giants):
    return CNMassRegressor(**SMALL).fit(
        read(giants), giants["MASS"], y_err=giants["MASS_ERR"], X_err=read(giants, "_ERR")
    )


# ---- label errors through the network

# Normal deviates without gaps or clumps, so that few of them give a standard deviation to a tenth of a percent.
DEVIATES = qmc.MultivariateNormalQMC(np.zeros(5), rng=0).random(2**12)


@settings(max_examples=40, deadline=None)
@given(
    star=st.integers(0, 400), scale=st.floats(0.01, 0.1), mixing=st.lists(st.floats(-1, 1), min_size=25, max_size=25)
)
def test_jacobian_propagation_agrees_with_monte_carlo(mass_model, giants, star, scale, mixing):
    errors = scale * np.array([25.0, 0.03, 0.015, 0.02, 0.025])
    # Errors that go together: any positive definite matrix of correlations.
    root = (np.eye(5) + 0.4 * np.reshape(mixing, (5, 5))) * errors[:, None]
    covariance = root @ root.T
    labels = read(giants[star : star + 1])
    analytic = mass_model.label_noise(labels, covariance[None])[0]
    above, below = (mass_model.predict(labels + side * DEVIATES @ root.T) for side in (1, -1))
    # Of the error as a whole, two percent; and of the part that a straight line can have, wherever the star is: at the
    # top of a bend, where the derivatives vanish, no share of the label noise can be asked for.
    total = mass_model.predict(labels, return_std=True, X_err=covariance[None])[1][0]
    assert analytic == pytest.approx(above.std(), abs=0.02 * total)
    assert analytic == pytest.approx((0.5 * (above - below)).std(), rel=0.02, abs=1e-4 * total)


def test_a_covariance_without_correlation_is_a_vector_of_errors(mass_model, giants):
    labels, errors = read(giants[:50]), read(giants[:50], "_ERR")
    covariances = np.einsum("ni,ij->nij", errors**2, np.eye(5))
    assert np.allclose(mass_model.label_noise(labels, errors), mass_model.label_noise(labels, covariances), rtol=1e-12)
    for form in (covariances, giants[:50]):
        intervals = mass_model.predict_interval(labels, X_err=errors), mass_model.predict_interval(labels, X_err=form)
        assert np.allclose(*intervals, rtol=1e-12)


@given(st.integers(0, 1000))
def test_variance_is_the_quadratic_form(seed):
    rng = np.random.default_rng(seed)
    jacobian, root = rng.normal(size=(3, 4)), rng.normal(size=(3, 4, 4))
    covariance = root @ root.transpose(0, 2, 1)
    expected = [j @ c @ j for j, c in zip(jacobian, covariance, strict=True)]
    assert label_noise_variance(jacobian, covariance) == pytest.approx(expected)
    assert np.all(label_noise_variance(jacobian, -covariance) == 0)


def test_larger_label_errors_make_larger_errors(mass_model, giants):
    labels, errors = read(giants[:200]), read(giants[:200], "_ERR")
    widths = [
        mass_model.predict(labels, return_std=True, X_err=factor * errors)[1] for factor in (0.0, 0.5, 1.0, 2.0, 4.0)
    ]
    assert all(np.all(wide >= narrow) for narrow, wide in pairwise(widths))
    # Errors like those of the training stars change little; unknown ones nothing.
    unknown = mass_model.predict(labels, return_std=True, X_err=np.full((200, 5), np.nan))[1]
    assert np.array_equal(unknown, mass_model.predict(labels, return_std=True)[1])
    assert np.median(widths[2] / unknown) == pytest.approx(1.0, abs=0.1)


@pytest.mark.parametrize("wrong", [0.0, 1.0, -0.1, 68.0, np.nan, [[0.5]]])
def test_coverage_is_a_probability(mass_model, giants, wrong):
    with pytest.raises(InputError, match="coverage must be a probability between 0 and 1"):
        mass_model.predict_interval(read(giants[:1]), wrong)


def test_more_coverage_is_a_wider_interval(mass_model, giants):
    intervals = [mass_model.predict_interval(read(giants), c) for c in (0.1, 0.5, ONE, 0.9, TWO, 0.99)]
    for inner, outer in pairwise(intervals):
        assert np.all(outer[:, 0] < inner[:, 0])
        assert np.all(outer[:, 1] > inner[:, 1])


# ---- calibrated errors


def simulate(n_stars, seed, target_error=0.0):
    """Residuals whose scatter follows the labels, heavier in the tails than a normal law and skew."""
    rng = np.random.default_rng(seed)
    X = rng.normal(size=(n_stars, 3)) * [300.0, 0.6, 0.3] + [4700.0, 2.5, -0.1]
    scatter = 0.05 * np.exp(-0.6 * (X[:, 1] - 2.5) + 0.3 * (X[:, 2] + 0.1) / 0.3)
    shape = rng.gamma(4.0, size=n_stars) / 2.0 - 2.0
    errors = np.full(n_stars, target_error) * rng.uniform(0.5, 1.5, n_stars)
    truth = scatter * shape
    return X, truth, truth + errors * rng.normal(size=n_stars), errors, scatter


@pytest.mark.parametrize("target_error", [0.0, 0.03])
def test_coverage_of_residuals_whose_scatter_follows_the_labels(target_error):
    X, _, residual, errors, _ = simulate(8000, 0, target_error)
    model = ConformalErrors().fit(X, residual, errors)
    X, truth, *_ = simulate(20_000, 1)
    for level, tolerance in ((ONE, 0.02), (TWO, 0.02)):
        low, high = (model.quantile(0.5 + side * level) for side in (-0.5, 0.5))
        inside = (truth >= low * model.scatter(X)) & (truth <= high * model.scatter(X))
        assert inside.mean() == pytest.approx(level, abs=tolerance)
        # Not over all alone, as one error for every star would have it, but wherever the star is.
        for bin_ in np.array_split(np.argsort(X[:, 1]), 5):
            assert inside[bin_].mean() == pytest.approx(level, abs=0.04)


def test_the_error_of_the_target_is_taken_out():
    X, truth, residual, errors, scatter = simulate(8000, 0, 0.1)
    aware, unaware = (ConformalErrors().fit(X, residual, e) for e in (errors, None))
    ends = np.array([0.5 - ONE / 2, 0.5 + ONE / 2])
    width = [np.ptp(model.quantile(ends)) / 2 * model.scatter(X) for model in (aware, unaware)]
    true_width = robust_scatter(truth / scatter) * scatter
    assert np.median(width[0] / true_width) == pytest.approx(1.0, abs=0.12)
    assert np.median(width[1] / true_width) > 1.5


def test_label_noise_and_intrinsic_scatter_are_told_apart():
    rng = np.random.default_rng(0)
    X = rng.normal(size=(6000, 2))
    noise = 0.04**2 * np.exp(0.8 * X[:, 0])  # variance
    residual = 0.03 * rng.normal(size=6000) + np.sqrt(noise) * rng.normal(size=6000)
    model = ConformalErrors().fit(X, residual, label_noise=noise)
    for factor in (0.0, 1.0, 4.0):
        expected = np.sqrt(0.03**2 + factor * noise)
        ratio = model.scatter(X, factor * noise) / expected
        assert np.median(ratio) == pytest.approx(1.0, abs=0.12), factor
        assert np.percentile(np.abs(ratio - 1), 80) < 0.25, factor
    # Who did not know the label errors of the training stars can't take them out.
    plain = ConformalErrors().fit(X, residual)
    assert np.all(plain.scatter(X, 0 * noise) == plain.scatter(X))


def test_label_noise_counts_up_to_the_spread_of_the_target():
    X, _, residual, _, _ = simulate(500, 0)
    model = ConformalErrors().fit(X, residual, spread=0.6)
    np.testing.assert_allclose(model.scatter(X, np.full(500, 1e6)), np.hypot(model.scatter(X), 0.6))
    # That of the training stars, too: more than it tells no more.
    for noise in (0.36, 1e6):
        known = ConformalErrors().fit(X, residual, label_noise=np.full(500, noise), spread=0.6)
        np.testing.assert_allclose(np.exp(known.noise_log_range_), 0.36)


def test_label_noise_has_at_most_nine_tenths_of_the_scatter():
    X, _, residual, _, _ = simulate(500, 0)
    model = ConformalErrors().fit(X, residual, label_noise=np.full(500, 100.0 * np.var(residual)))
    scatter = model.scatter(X)
    # The training stars claim far more noise than they scatter; one without any noise keeps a tenth of the square.
    np.testing.assert_allclose(model.scatter(X, np.zeros(500)), np.sqrt(0.1) * scatter, rtol=1e-9)
    np.testing.assert_allclose(model.scatter(X, np.full(500, 100.0 * np.var(residual))), scatter, rtol=1e-6)
    # What is known to be larger counts by the same share as what is smaller.
    np.testing.assert_allclose(model.scatter(X, np.full(500, 200.0 * np.var(residual))), np.sqrt(1.9) * scatter)


def test_scatter_is_held_constant_beyond_the_training_stars():
    X, _, residual, _, _ = simulate(3000, 0)
    model = ConformalErrors().fit(X, residual)
    far, farther = (model.scatter(np.array([[4700.0, logg, -0.1]])) for logg in (8.0, 80.0))
    assert far == farther
    assert np.isfinite(far)


def test_few_residuals_are_refused():
    for model in (ConformalErrors(), PaperErrors()):
        with pytest.raises(InputError, match="49 stars are too few"):
            model.fit(np.zeros((49, 1)), np.zeros(49))


# ---- small sets


@pytest.mark.parametrize("n_stars", [60, 100, 200, 500])
@pytest.mark.filterwarnings("ignore::skdistmass.exceptions.SmallSampleWarning")
def test_coverage_of_small_sets(n_stars):
    """Coverage of new stars, averaged over sets.

    From set to set it has a standard deviation of sqrt(p (1 - p) / n) at least, 6 % at 68 % for 60 stars, and half as
    much again is found (benchmarks/small_sets.py). The mean over the sets has a standard error of 1 % at most, and the
    limits of 4 and 3 % leave room for three of them.
    """
    n_sets = max(6, 3000 // n_stars)
    found = []
    for seed in range(n_sets):
        X, _, residual, _, _ = simulate(n_stars, 100 + seed)
        model = ConformalErrors().fit(X, residual)
        X, truth, *_ = simulate(3000, 10_000 + seed)
        ends = model.scatter(X)[:, None] * model.quantile(0.5 + 0.5 * np.array([-ONE, ONE, -TWO, TWO]))
        found.append([np.mean((truth >= ends[:, i]) & (truth <= ends[:, i + 1])) for i in (0, 2)])
    one, two = np.mean(found, axis=0)
    assert one == pytest.approx(ONE, abs=0.04)
    assert two == pytest.approx(TWO, abs=0.03)


def test_terms_grow_with_the_stars():
    rng = np.random.default_rng(0)
    used = []
    for n_stars in (150, 300, 500, 800, 1500):
        X = rng.normal(size=(n_stars, 5))
        used.append(np.count_nonzero(ConformalErrors().fit(X, rng.normal(size=n_stars)).coef_))
    assert used == [1, 6, 11, 16, 36]


def test_a_set_too_small_to_calibrate_is_told():
    X, _, residual, _, _ = simulate(100, 0)
    with pytest.warns(SmallSampleWarning, match=r"99 stars only: .* uncertain by 5 %"):
        ConformalErrors().fit(X[:99], residual[:99])
    ConformalErrors().fit(X, residual)


# ---- the paper's errors


def test_paper_s_quadratic_is_recovered():
    rng = np.random.default_rng(0)
    logg = rng.uniform(0.5, 4.5, 40_000)
    sigma = 0.3 - 0.1 * logg + 0.012 * logg**2
    errors = PaperErrors(1).fit(np.column_stack([logg, logg])[:, ::-1], sigma * rng.normal(size=len(logg)))
    grid = np.linspace(1.0, 4.0, 7)
    expected = 0.3 - 0.1 * grid + 0.012 * grid**2
    X = np.column_stack([np.zeros(7), grid])
    assert errors.scatter(X) == pytest.approx(expected, rel=0.05)
    assert errors.absolute_quantile(X, 50) == pytest.approx(0.6745 * expected, rel=0.05)
    assert errors.absolute_quantile(X, 25) == pytest.approx(0.3186 * expected, rel=0.08)
    assert errors.absolute_quantile(X, 75) == pytest.approx(1.1503 * expected, rel=0.05)
    # Beyond the training stars the value at their end, and not the parabola.
    ends = errors.scatter(np.array([[0, logg.max()], [0, 50.0]]))
    assert ends[0] == ends[1]


def test_paper_s_flat_error():
    rng = np.random.default_rng(0)
    residual = 0.2 + 0.1 * rng.normal(size=5000)
    errors = PaperErrors().fit(rng.normal(size=(5000, 2)), residual)
    for percentile in (25, 50, 75):
        expected = np.percentile(np.abs(residual - np.median(residual)), percentile)
        np.testing.assert_allclose(errors.absolute_quantile(np.zeros((2, 2)), percentile), expected)
    assert np.all(errors.scatter(np.zeros((3, 2))) == pytest.approx(robust_scatter(residual)))
    assert errors.quantile(0.5 + ONE / 2) == pytest.approx(1.0)


def test_paper_s_errors_are_had_from_the_regressors(giants):
    labels = read(giants)
    mass = CNMassRegressor(error_model="paper", **SMALL).fit(labels, giants["MASS"])
    predicted, error = mass.predict(labels, return_std=True)
    fraction = error / predicted
    assert np.ptp(fraction) < 1e-9  # flat
    oof = np.log(np.asarray(giants["MASS"])) - np.log(mass.oof_prediction_)
    assert fraction[0] == pytest.approx(np.sinh(robust_scatter(oof)))
    abs_mag = AbsMagRegressor(error_model="paper", **SMALL).fit(labels, giants["TRUE_ABS_MAG"])
    _, error = abs_mag.predict(labels, return_std=True)
    quadratic = np.polyfit(labels[:, 1], error, 2)
    assert error == pytest.approx(np.polyval(quadratic, labels[:, 1]), abs=1e-9)
    assert np.ptp(error) > 0


# ---- truth of the mock survey
# Where labels are exact the mock's truth follows from them to a percent, and what remains is the luck of one training.
# So that there is a scatter to tell, the truth gets one that no label knows of.


@pytest.fixture(scope="module", params=[1.0, 0.0], ids=["noisy labels", "exact labels"])
def mock(request):
    stars = make_survey(
        14_000,
        giant_fraction=1.0,
        binary_fraction=0.0,
        seismic_fraction=1.0,
        label_noise=request.param,
        sentinel_fraction=0,
        bad_fraction=0,
        random_state=3,
    )
    stars = stars[(stars["TRUE_LOGG"] < 3.5) & np.isfinite(stars["MASS"])]
    stars.meta["noisy"] = bool(request.param)
    return stars


def assert_covers_truth(regressor, stars, target, target_err, truth):
    rows = np.arange(len(stars))
    train, test = train_test_split(rows, test_size=0.5, random_state=0)
    labels, errors = read(stars), read(stars, "_ERR")
    X_err = [errors[train], errors[test]] if stars.meta["noisy"] else [None, None]
    model = regressor(**SMALL).fit(
        labels[train], target[train], groups=stars["APOGEE_ID"][train], y_err=target_err[train], X_err=X_err[0]
    )
    for level in (ONE, TWO):
        interval = model.predict_interval(labels[test], level, X_err=X_err[1])
        assert coverage(interval, truth[test]) == pytest.approx(level, abs=0.02)


def test_intervals_of_mass_cover_the_truth(mock):
    # The mock's own masses have outliers that their errors do not tell of, as real ones do: no matter of the intervals.
    truth = np.asarray(mock["TRUE_MASS"], float) * np.exp(0.05 * np.random.default_rng(2).normal(size=len(mock)))
    error = truth * np.random.default_rng(0).uniform(0.01, 0.03, len(mock))
    measured = truth + error * np.random.default_rng(1).normal(size=len(mock))
    assert_covers_truth(CNMassRegressor, mock, measured, error, truth)


def test_intervals_of_magnitude_cover_the_truth(mock):
    truth = np.asarray(mock["TRUE_ABS_MAG"], float) + 0.06 * np.random.default_rng(2).normal(size=len(mock))
    error = np.random.default_rng(0).uniform(0.01, 0.03, len(mock))
    measured = truth + error * np.random.default_rng(1).normal(size=len(mock))
    assert_covers_truth(AbsMagRegressor, mock, measured, error, truth)


def test_distance_intervals_cover_the_truth():
    """Errors of magnitude and extinction widen them by just as much."""
    rng = np.random.default_rng(0)
    X = rng.normal(size=(4000, 2))
    abs_mag = X[:, 0] + 0.1 * rng.normal(size=4000)
    model = AbsMagRegressor(**SMALL | {"network": LINEAR}).fit(X[:2000], abs_mag[:2000])
    distance = rng.uniform(0.5, 5.0, 2000)
    mag = abs_mag[2000:] + 5 * np.log10(distance / 0.01) + 0.2 + rng.normal(size=2000) * 0.2
    for level in (ONE, TWO):
        interval = model.predict_distance_interval(
            X[2000:], mag, 0.2, mag_err=0.16, extinction_err=0.12, coverage=level
        )
        assert coverage(interval, distance) == pytest.approx(level, abs=0.03)
    value, error = model.predict_distance(X[2000:], mag, 0.2, mag_err=0.16, extinction_err=0.12, return_std=True)
    assert np.median(error / value) == pytest.approx(0.4605 * np.hypot(0.1, 0.2), rel=0.08)
    assert np.all((interval[:, 0] < value) & (value < interval[:, 1]))
    assert np.all(interval[:, 1] - value > value - interval[:, 0])


def test_gaussian_error_is_that_of_the_normal_law():
    """Where the scatter is normal and the model right, the error is the standard deviation."""
    rng = np.random.default_rng(0)
    X = rng.normal(size=(3000, 2))
    y = X @ [1.0, 2.0] + 0.3 * rng.normal(size=3000)
    model = LabelRegressor(**SMALL | {"network": LINEAR}).fit(X, y)
    assert np.median(model.predict(X, return_std=True)[1]) == pytest.approx(0.3, rel=0.05)
    inside = multivariate_normal.cdf(1.0) * 2 - 1
    assert coverage(model.predict_interval(X), y) == pytest.approx(inside, abs=0.02)
