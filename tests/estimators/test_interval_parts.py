"""Intervals of a prediction and of a distance, on a model whose numbers are given: without training."""

from types import SimpleNamespace

import numpy as np
import pytest
from scipy.special import ndtri
from sklearn.base import BaseEstimator

from skdistmass import AbsMagRegressor
from skdistmass.estimators.abs_mag import distance_interval
from skdistmass.estimators.binaries import find_valley
from skdistmass.estimators.intervals import IntervalMixin, fill_by_blocks
from skdistmass.estimators.training_space import TrainingSpace
from skdistmass.exceptions import InputError
from skdistmass.schema.bits import Space

X = np.array([[1.0, 2.0], [2.0, 4.0], [3.0, np.nan]])


class Line(IntervalMixin, BaseEstimator):
    """Predicts a factor e of the first label; its errors add to the logarithm, 0.2 and the noise of the labels."""

    labels = None
    error_model = "conformal"

    def __init__(self):
        self.errors_ = SimpleNamespace(quantile=ndtri, scatter=self._scatter)
        self.n_features_in_, self.label_columns_ = 2, {}

    def fit(self):
        return self

    def _scatter(self, X, noise):
        return np.full(len(X), 0.2) if noise is None else np.sqrt(0.04 + np.nan_to_num(noise))

    def _predict_values(self, X):
        return np.where(np.isfinite(X).all(axis=1), np.exp(X[:, 0]), np.nan)

    def _jacobian_values(self, X):
        return np.column_stack([np.exp(X[:, 0]), 2.0 * np.exp(X[:, 0])])

    jacobian = _jacobian_values

    def _link(self, y):
        return np.log(y)

    def _unlink(self, u):
        return np.exp(u)

    def _link_slope(self, y):
        return 1.0 / y


def test_intervals_add_on_the_scale_of_the_link():
    found = Line().predict_with_interval(X, [0.5, 0.9])
    z = ndtri([0.75, 0.95])
    assert found.interval.shape == (2, 3, 2)
    for number in range(2):
        wanted = np.exp(X[:2, :1] + 0.2 * z[number] * np.array([-1.0, 1.0]))
        np.testing.assert_allclose(found.interval[number, :2], wanted)
    np.testing.assert_allclose(found.error, 0.5 * (found.interval[..., 1] - found.interval[..., 0]))
    assert np.isnan(found.value[2])
    assert np.isnan(found.interval[:, 2]).all()
    assert np.isnan(found.label_noise).all()
    # One coverage in a list is a list of one.
    assert Line().predict_with_interval(X, [0.5]).interval.shape == (1, 3, 2)
    one = Line().predict_with_interval(X, 0.5)
    np.testing.assert_array_equal(one.interval, found.interval[0])
    np.testing.assert_array_equal(Line().predict_interval(X, 0.5), one.interval)
    default = Line().predict_with_interval(X).interval
    np.testing.assert_allclose(default[:2], np.exp(X[:2, :1] + [-0.2, 0.2]))


def test_errors_of_the_labels_widen_them():
    errors = np.array([[0.1, 0.05], [0.3, 0.2], [0.1, 0.1]])
    found = Line().predict_with_interval(X, 0.9, errors)
    # In the logarithm the derivatives are 1 and 2.
    noise = np.hypot(errors[:, 0], 2.0 * errors[:, 1])[:2]
    width = ndtri(0.95) * np.hypot(0.2, noise)
    np.testing.assert_allclose(np.log(found.interval[:2]), X[:2, :1] + width[:, None] * [-1.0, 1.0])
    np.testing.assert_allclose(found.label_noise[:2], noise * np.exp(X[:2, 0]))
    np.testing.assert_allclose(Line().label_noise(X[:2], errors[:2]), noise * np.exp(X[:2, 0]))


def test_a_value_that_is_given_is_the_middle():
    found = Line().predict_with_interval(X[:2], 0.9, value=[5.0, np.nan])
    np.testing.assert_allclose(found.value, [5.0, np.exp(2.0)])
    np.testing.assert_allclose(np.sqrt(found.interval[:, 0] * found.interval[:, 1]), found.value)
    for wrong in ([5.0], [[5.0, 5.0]]):
        with pytest.raises(InputError, match="value has shape"):
            Line().predict_with_interval(X[:2], value=wrong)


@pytest.mark.parametrize("wrong", [[1.0], [0.0], [0.5, 1.0], [0.5, np.nan], [[0.5]], 1.0, 0.0])
def test_each_coverage_is_a_probability(wrong):
    with pytest.raises(InputError, match="coverage must be a probability"):
        Line().predict_with_interval(X, wrong)
    model = Line()
    model.errors_ = None
    with pytest.raises(InputError, match="this model has no errors"):
        model.predict_with_interval(X, 0.5)


@pytest.mark.filterwarnings("ignore::skdistmass.exceptions.SmallSampleWarning")
def test_errors_are_learned_from_fifty_residuals_on_the_scale_of_the_link():
    rng = np.random.default_rng(0)
    labels = rng.normal(size=(51, 2))
    oof = np.exp(labels[:, 0])
    y = oof * np.exp(0.1 * rng.normal(size=51))
    oof[0] = np.nan
    found = Line()._fit_errors(labels, y, oof, None, None)
    assert found.n_rows_ == 50
    assert found.spread_ == pytest.approx(np.std(np.log(y)))
    assert np.median(found.scatter(labels)) == pytest.approx(0.1, rel=0.3)
    known = Line()._fit_errors(labels, y, oof, 0.2 * y, np.full((51, 2), 0.1))
    assert np.median(known.scatter(labels)) < 0.05
    np.testing.assert_allclose(np.exp(known.noise_log_range_), 0.1**2 + 0.2**2)
    oof[1] = np.nan
    assert Line()._fit_errors(labels, y, oof, None, None) is None


def test_many_rows_are_filled_block_by_block():
    asked = []

    def find(rows):
        asked.append(len(rows))
        return labels[rows].sum(axis=1)

    labels = np.arange(80_000.0).reshape(40_000, 2)
    labels[5, 0] = np.nan
    found = fill_by_blocks(find, labels, np.empty(40_000))
    np.testing.assert_array_equal(found, labels.sum(axis=1))
    assert len(asked) > 1
    assert sum(asked) == 39_999
    assert fill_by_blocks(find, labels[:0], np.empty(0)).shape == (0,)


# ---- distances


def test_a_bright_star_is_far_and_photometry_widens_both_sides():
    bounds = np.array([[-2.3, -1.6]])
    for coverage in (0.6826894921, 0.9544997361):
        found = distance_interval(np.array([-2.0]), bounds, [10.2], [0.2], 0.5, coverage)
        z = ndtri(0.5 + 0.5 * coverage)
        near, far = 0.4 - 0.2 * np.hypot(0.4, 0.5 * z), 0.4 + 0.2 * np.hypot(0.3, 0.5 * z)
        np.testing.assert_allclose(np.log10(found), [[near, far]])


class Bright(AbsMagRegressor):
    """Predicts the first label with an error of 0.3 mag."""

    def _predict_values(self, X, pipeline=None):
        return X[:, 0].copy()


@pytest.mark.parametrize(
    ("errors", "total"),
    [
        ({}, 0.0),
        ({"mag_err": 0.3}, 0.3),
        ({"extinction_err": 0.4}, 0.4),
        ({"mag_err": 0.3, "extinction_err": 0.4}, 0.5),
    ],
)
def test_distances_of_a_regressor(errors, total):
    model = Bright()
    model.errors_ = SimpleNamespace(quantile=ndtri, scatter=lambda X, noise: np.full(len(X), 0.3))
    model.n_features_in_, model.label_columns_, model.pipeline_ = 2, {}, None
    labels, mag = np.array([[-2.0, 0.0], [1.0, 0.0]]), [10.2, 12.2]
    distance = 10 ** (0.2 * (np.array([10.0, 12.0]) - labels[:, 0]) - 2.0)
    np.testing.assert_allclose(model.predict_distance(labels, mag, 0.2), distance)
    np.testing.assert_allclose(model.predict_distance(labels, mag), distance * 10**0.04)
    found, std = model.predict_distance(labels, mag, 0.2, return_std=True, **errors)
    np.testing.assert_allclose(found, distance)
    step = 0.2 * np.hypot(0.3, total)
    np.testing.assert_allclose(std, distance * (10**step - 10**-step) / 2.0, rtol=1e-5)
    interval = model.predict_distance_interval(labels, mag, 0.2, coverage=0.9, **errors)
    step *= ndtri(0.95)
    np.testing.assert_allclose(interval, distance[:, None] * 10 ** (step * np.array([-1.0, 1.0])))


# ---- the valley of binaries, and answers of a space


def counts_at(**numbers):
    """Residuals in two heaps of given numbers, and as many between them."""
    single, double, between = numbers["single"], numbers["double"], numbers.get("between", 0)
    at = numbers.get("at", 0.25)
    u = np.linspace(-0.04, 0.04, 41)
    heap = np.concatenate([np.repeat(u, single // 41), np.repeat(at + u, double // 41)])
    return np.concatenate([heap, np.linspace(0.05, at - 0.05, between)])


def test_a_valley_lies_between_its_two_peaks():
    found = find_valley(counts_at(single=8200, double=2050))
    assert 0.05 < found < 0.2
    # The least populated place, here near the binaries.
    uneven = np.concatenate([counts_at(single=8200, double=2050), np.linspace(0.05, 0.17, 300)])
    assert 0.17 < find_valley(uneven) < 0.21
    assert find_valley(np.append(counts_at(single=8200, double=2050), [np.nan, -9.0, 9.0])) == found
    # Beyond 0.1 and 0.4 from the single stars there are no binaries of two stars.
    assert find_valley(counts_at(single=8200, double=2050, at=0.5)) is None
    assert find_valley(counts_at(single=8200, double=2050, at=0.38)) is not None
    assert find_valley(counts_at(single=8200, double=2050, at=-0.25)) is None


def test_a_few_stars_more_are_no_peak():
    """The height of a peak is compared with 3 standard deviations of its counts, smoothed over 7 bins."""
    single = counts_at(single=8200, double=0)
    few = np.concatenate([single, np.linspace(0.05, 0.35, 900), 0.25 + np.linspace(-0.01, 0.01, 25)])
    assert find_valley(few) is None
    assert find_valley(few, significance=1.0) is not None
    assert find_valley(np.concatenate([few, 0.25 + np.linspace(-0.01, 0.01, 75)])) is not None


def test_answers_at_the_thresholds():
    space = TrainingSpace()
    space.thresholds_ = np.array([-5.0, -3.0])
    space.offset_ = -5.0
    scores = np.array([[-5.1, -5.0, -3.1], [-3.0, 0.0, np.nan]])
    wanted = [[Space.OUTSIDE, Space.EDGE, Space.EDGE], [Space.INSIDE, Space.INSIDE, Space.MISSING]]
    assert space.answer(scores).tolist() == wanted
    space.score_samples = lambda X: scores[0]
    assert space.predict(None).tolist() == [-1, 1, 1]
    np.testing.assert_allclose(space.decision_function(None), [-0.1, 0.0, 1.9])
