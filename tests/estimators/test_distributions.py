"""Quantiles, distributions and draws of the regressors."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from skdistmass import AbsMagRegressor, CNMassRegressor, LevenbergMarquardtMLPRegressor
from skdistmass.datasets import make_survey
from skdistmass.exceptions import InputError
from skdistmass.surveys import as_stars
from skdistmass.uncertainty import PredictiveDistribution

pytestmark = pytest.mark.slow

NETWORK = {
    "network": LevenbergMarquardtMLPRegressor(hidden_layer_sizes=6, n_starts=2),
    "n_networks": 1,
    "random_state": 0,
}


@pytest.fixture(scope="module")
def stars():
    stars = make_survey(12_000, random_state=4, sentinel_fraction=0)
    labels = np.column_stack([stars[name] for name in ("TEFF", "LOGG", "M_H", "C_FE", "N_FE")])
    return stars[(np.asarray(stars["TRUE_LOGG"]) < 3.3) & np.isfinite(labels).all(axis=1)]


@pytest.fixture(scope="module")
def mass(stars):
    train = stars[:1500]
    error = 0.05 * np.asarray(train["TRUE_MASS"])
    measured = train["TRUE_MASS"] + error * np.random.default_rng(0).standard_normal(1500)
    return CNMassRegressor(**NETWORK).fit(train, measured, y_err=error)


@pytest.fixture(scope="module")
def abs_mag(stars):
    return AbsMagRegressor(**NETWORK).fit(stars[:1500], stars["TRUE_ABS_MAG"][:1500])


@pytest.mark.parametrize("name", ["mass", "abs_mag"])
def test_ends_of_intervals_are_quantiles(name, stars, request):
    model, few = request.getfixturevalue(name), stars[-50:]
    for coverage in (0.5, 0.6827, 0.9545, 0.99):
        ends = model.predict_quantiles(few, [0.5 - 0.5 * coverage, 0.5 + 0.5 * coverage])
        np.testing.assert_array_equal(ends, model.predict_interval(few, coverage))
        errors = as_stars(few).label_errors
        with_errors = model.predict_quantiles(few, [0.5 - 0.5 * coverage, 0.5 + 0.5 * coverage], X_err=errors)
        np.testing.assert_array_equal(with_errors, model.predict_interval(few, coverage, X_err=errors))


@given(q=st.lists(st.floats(1e-4, 1 - 1e-4), min_size=1, max_size=6))
def test_quantiles_never_cross_in_any_order(mass, stars, q):
    found = mass.predict_quantiles(stars[-5:], q)
    assert found.shape == (5, len(q))
    order = np.argsort(q)
    assert np.all(np.diff(found[:, order], axis=1) >= 0)


@pytest.mark.parametrize("name", ["mass", "abs_mag"])
def test_new_stars_fall_evenly(name, stars, request):
    model, new = request.getfixturevalue(name), stars[1500:5500]
    truth = np.asarray(new["TRUE_MASS" if name == "mass" else "TRUE_ABS_MAG"])
    law = model.predict_distribution(new)
    place = law.cdf(truth)
    assert stats.kstest(place, "uniform").statistic < 0.05
    assert abs(np.mean((place > 0.1587) & (place < 0.8413)) - 0.683) < 0.04


def test_distribution_agrees_with_quantiles_and_draws(mass, stars):
    few = stars[-20:]
    law = mass.predict_distribution(few)
    assert isinstance(law, PredictiveDistribution)
    assert np.all(law.support()[0] > 0)
    np.testing.assert_allclose(law.ppf([[0.1], [0.7]]).T, mass.predict_quantiles(few, [0.1, 0.7]), rtol=0.01)
    np.testing.assert_allclose(law.median(), mass.predict_quantiles(few, 0.5), rtol=1e-9)
    draws = mass.sample(few, 4000, random_state=1)
    assert draws.shape == (20, 4000)
    np.testing.assert_allclose(draws.mean(axis=1), law.mean(), rtol=0.02)
    np.testing.assert_array_equal(draws, mass.sample(few, 4000, random_state=1))


def test_scores_tell_a_good_law_from_a_wide_one(mass, stars):
    new = stars[1500:3500]
    truth = np.asarray(new["TRUE_MASS"])
    good = mass.score_distribution(new, truth)
    noisy = truth * (1 + 0.2 * np.random.default_rng(3).standard_normal(len(truth)))
    told, untold = mass.score_distribution(new, noisy, y_err=0.2 * truth), mass.score_distribution(new, noisy)
    assert good["crps"] < told["crps"] < untold["crps"]
    assert told["log_score"] < untold["log_score"]
    assert np.isfinite(list(untold.values())).all()


def test_missing_labels_and_wrong_probabilities(mass, stars):
    X = as_stars(stars[:2]).labels
    X[0, 3] = np.nan
    found = mass.predict_quantiles(dict(zip(("TEFF", "LOGG", "M_H", "C_FE", "N_FE"), X.T, strict=True)), [0.2, 0.8])
    assert np.isnan(found[0]).all()
    assert np.isfinite(found[1]).all()
    for q in (0.0, 1.0, [0.5, np.nan], [[0.5]]):
        with pytest.raises(InputError, match="probabilities"):
            mass.predict_quantiles(stars[:2], q)
    with pytest.raises(InputError, match="no errors"):
        CNMassRegressor(**NETWORK, error_model=None).fit(stars[:100], stars["TRUE_MASS"][:100]).sample(stars[:2])
