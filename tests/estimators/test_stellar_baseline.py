"""The stellar baseline: physics without stars, and what is learned from them."""

import pickle

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from skdistmass.estimators.stellar_baseline import StellarBaseline
from skdistmass.exceptions import InputError

LABELS = st.tuples(st.floats(3500, 7000), st.floats(0.0, 5.0), st.floats(-2.0, 0.5))


@pytest.fixture(scope="module")
def stars():
    rng = np.random.default_rng(0)
    return np.column_stack([rng.uniform(4000, 6000, 400), rng.uniform(1, 4.5, 400), rng.uniform(-1, 0.4, 400)])


@pytest.fixture(scope="module")
def physics(stars):
    return StellarBaseline().fit(stars, np.zeros(len(stars)))


def test_the_sun_and_a_clump_star(physics):
    """M_K of the Sun is 3.27 (Willmer 2018), and -1.62 in the red clump, whose stars differ in mass."""
    assert physics.predict([[5772.0, 4.438, 0.0]])[0] == pytest.approx(3.27, abs=0.1)
    assert physics.predict([[4750.0, 2.45, 0.0]])[0] == pytest.approx(-1.62, abs=0.5)


def test_a_constant_and_a_slope_are_learned(stars, physics):
    target = physics.predict(stars) + 0.3 + 0.2 * stars[:, 2]
    model = StellarBaseline(correction_scale=0.25).fit(stars, target)
    assert np.abs(model.predict(stars) - target).max() < 0.02


def test_without_correction_stars_change_nothing(stars, physics):
    assert np.array_equal(StellarBaseline().fit(stars, stars[:, 1]).coef_, physics.coef_)


@given(LABELS)
@settings(max_examples=60, deadline=None)
def test_jacobian(physics, labels):
    X = np.array([labels])
    scaled = [(np.log10(X[0, 0]) - 3.7) / 0.1, (X[0, 1] - 3) / 2, X[0, 2]]
    limits = [(-2.0, 1.8), (-1.65, 1.1), (-2.2, 0.6)]
    near = any(abs(value - limit) < 1e-3 for value, pair in zip(scaled, limits, strict=True) for limit in pair)
    if near:  # at a limit the derivative jumps
        return
    step = np.array([0.01, 1e-5, 1e-5])
    numeric = [(physics.predict(X + d) - physics.predict(X - d))[0] for d in np.diag(step)] / (2 * step)
    assert np.allclose(physics.jacobian(X)[0], numeric, rtol=1e-4, atol=1e-7)


def test_only_ratios_of_weights_count(stars):
    target = stars[:, 1].copy()
    weights = np.random.default_rng(1).uniform(1, 2, len(stars))
    one = StellarBaseline(correction_scale=0.25).fit(stars, target, weights).coef_
    assert np.allclose(StellarBaseline(correction_scale=0.25).fit(stars, target, 50 * weights).coef_, one)


def test_pickle(stars):
    model = StellarBaseline().fit(stars, stars[:, 1])
    assert np.array_equal(pickle.loads(pickle.dumps(model)).predict(stars), model.predict(stars))


def test_mistakes_are_named(stars):
    with pytest.raises(InputError, match="2 columns"):
        StellarBaseline().fit(stars[:, :2], stars[:, 1])


def test_impossible_temperatures_give_numbers(physics):
    """Of arrays nothing is known to be impossible; only a logarithm of nothing must not happen."""
    X = np.array([[-5.0, 2.0, 0.0], [0.0, 2.0, 0.0], [1e9, 2.0, 0.0]])
    assert np.isfinite(physics.predict(X)).all()
    assert np.isfinite(physics.jacobian(X)).all()
