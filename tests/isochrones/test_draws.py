"""Joint draws from isochrones, and dwarfs and subgiants in the draws of a model."""

import numpy as np
import pytest
from astropy.table import Table
from scipy import stats

from skdistmass import AbsMagRegressor, DistMassModel, LevenbergMarquardtMLPRegressor
from skdistmass.datasets import make_survey
from skdistmass.exceptions import InputError
from skdistmass.isochrones import IsochroneDistanceRegressor
from skdistmass.model import AgePhysics
from skdistmass.uncertainty import PredictiveDistribution

pytestmark = pytest.mark.slow

ERRORS = np.array([60.0, 0.06, 0.06])
N_STARS = 1500


@pytest.fixture(scope="module")
def truth(regressor):
    """Stars drawn from the models, as many of each kind as they expect: labels, M_Ks, mass, log age."""
    level, rng = regressor.grid_.levels[0], np.random.default_rng(1)
    weight = level.place[3].astype(float)
    rows = rng.choice(len(weight), N_STARS, p=weight / weight.sum())
    values = level.axes[:, :1] + level.axes[:, 1:2] * (level.bins[:, rows] + rng.random((4, N_STARS)))
    # An isochrone stands for the time up to the middles to its neighbours.
    values[2] += (regressor.models_["age_step"] - level.axes[2, 1]) * (rng.random(N_STARS) - 0.5)
    return level.place[[1, 2, 0]][:, rows].T.astype(float), values[0], 10.0 ** values[1], values[2]


@pytest.fixture(scope="module")
def observed(truth):
    rng = np.random.default_rng(2)
    labels, m_ks, *_ = truth
    distance = rng.uniform(0.2, 1.5, N_STARS)
    return {
        "X": labels + ERRORS * rng.standard_normal(labels.shape),
        "magnitude": m_ks + 10.0 + 5.0 * np.log10(distance) + 0.03 * rng.standard_normal(N_STARS),
        "parallax": 1.0 / distance + 0.03 * rng.standard_normal(N_STARS),
        "distance": distance,
    }


@pytest.fixture(scope="module")
def draws(regressor, observed):
    return regressor.sample(
        observed["X"], 300, ERRORS, magnitude=observed["magnitude"], magnitude_err=0.03,
        parallax=observed["parallax"], parallax_err=np.full(N_STARS, 0.03), random_state=3,
    )  # fmt: skip


def test_draws_are_calibrated(draws, truth, observed):
    """Distances are uniform here, moduli in the regressor: the parallax counts far more than either."""
    known = np.isfinite(draws["age"][:, 0])
    assert known.mean() > 0.98
    for name, values in (("m_ks", truth[1]), ("mass", truth[2]), ("age", truth[3]), ("distance", observed["distance"])):
        place = np.mean(draws[name][known] < values[known, None], axis=1)
        assert stats.kstest(place, "uniform").pvalue > 0.01, name
    # In two dimensions the truth is as far from the middle as the draws are.
    both = np.stack([np.log10(draws["mass"]), draws["age"]], axis=-1)[known]
    true = np.column_stack([np.log10(truth[2]), truth[3]])[known]
    middle = both.mean(axis=1, keepdims=True)
    inverse = np.linalg.inv(np.einsum("nsi,nsj->nij", both - middle, both - middle) / both.shape[1] + 1e-8 * np.eye(2))
    size = np.einsum("nsi,nij,nsj->ns", both - middle, inverse, both - middle)
    own = np.einsum("ni,nij,nj->n", true - middle[:, 0], inverse, true - middle[:, 0])
    for level in (0.68, 0.95):
        assert np.mean(own <= np.quantile(size, level, axis=1)) == pytest.approx(level, abs=0.03)


def test_draws_agree_with_the_posterior(regressor, observed, draws):
    posterior = regressor.predict_posterior(
        observed["X"], ERRORS, magnitude=observed["magnitude"], magnitude_err=0.03,
        parallax=observed["parallax"], parallax_err=np.full(N_STARS, 0.03),
    )  # fmt: skip
    for name in ("mass", "distance", "radius"):
        width = np.asarray(posterior[f"{name}_p84"] - posterior[f"{name}_p16"])
        off = np.median(draws[name], axis=1) - np.asarray(posterior[name])
        assert np.nanmedian(np.abs(off) / width) < 0.05
    assert draws["distance"].shape == (N_STARS, 300)
    assert "distance" not in regressor.sample(observed["X"][:2], 5)


def test_prior_ratio_tells_the_main_sequence_from_the_turn_off(regressor):
    stars = np.array([[4600.0, 4.65, 0.0], [6800.0, 4.2, 0.0], [9000.0, 2.0, 0.0]])
    draws = regressor.sample(stars, 2000, [50.0, 0.03, 0.05], random_state=0)
    ratio = draws["prior_ratio"]
    assert ratio[0] > 0.8
    assert ratio[1] < 0.4
    assert np.isnan(ratio[2])
    assert np.isnan(draws["mass"][2]).all()


def test_a_law_of_the_magnitude_counts(regressor, observed, truth):
    loose = ERRORS * [1, 10, 1]
    quantiles = truth[1][:400, None] + 0.05 * stats.norm.ppf(np.linspace(0.001, 0.999, 41))
    quantiles[1] = np.nan
    law = PredictiveDistribution(np.linspace(0.001, 0.999, 41), quantiles)
    told = regressor.sample(observed["X"][:400], 200, loose, m_ks=law, random_state=0)
    alone = regressor.sample(observed["X"][:400], 200, loose, random_state=0)
    width = [np.std(draws["m_ks"], axis=1) for draws in (told, alone)]
    vague = width[1] > 0.15
    assert vague.sum() > 50
    assert np.median(width[0][vague]) < 0.07
    np.testing.assert_array_equal(told["m_ks"][1], alone["m_ks"][1])


def test_seeds_and_wrong_lengths(regressor, observed):
    X = observed["X"][:5]
    one, other = (regressor.sample(X, 20, random_state=0) for _ in range(2))
    np.testing.assert_array_equal(one["age"], other["age"])
    assert regressor.sample(X[:0], 20)["age"].shape == (0, 20)
    with pytest.raises(InputError, match="5 stars, but 3 magnitudes"):
        regressor.sample(X, 20, magnitude=observed["magnitude"][:3])


def test_a_saved_regressor_draws_the_same(regressor, observed, tmp_path):
    regressor.save(tmp_path / "models.npz")
    loaded = IsochroneDistanceRegressor.load(tmp_path / "models.npz")
    one, other = (model.sample(observed["X"][:5], 20, random_state=0) for model in (regressor, loaded))
    np.testing.assert_array_equal(one["age"], other["age"])


@pytest.fixture(scope="module")
def model():
    survey = make_survey(1500, random_state=0, sentinel_fraction=0)
    network = AbsMagRegressor(network=LevenbergMarquardtMLPRegressor(hidden_layer_sizes=4, n_starts=2), n_networks=1)
    return DistMassModel(network, parts="distance", fallback=False, random_state=0).fit(survey)


@pytest.fixture(scope="module")
def mixed():
    """Dwarfs, giants and a star off the models."""
    table = make_survey(600, random_state=4, sentinel_fraction=0)
    logg = np.asarray(table["LOGG"])
    rows = np.r_[np.flatnonzero((logg > 3.6) & (np.abs(table["M_H"]) < 0.3))[:40], np.flatnonzero(logg < 3.3)[:40]]
    table = table[rows]
    table["TEFF"][0], table["LOGG"][0] = 7900.0, 4.9
    return table


def test_dwarfs_of_a_model(model, mixed, regressor):
    plain = model.sample(mixed, 100, random_state=0)
    found = model.sample(mixed, 100, isochrones=regressor, random_state=0)
    dwarf = np.asarray(mixed["LOGG"]) >= 3.5
    np.testing.assert_array_equal(found["DISTANCE"][~dwarf], plain["DISTANCE"][~dwarf])
    known = np.isfinite(found["MASS"]).all(axis=1)
    assert known[dwarf].mean() > 0.8
    assert not known[~dwarf].any()
    assert not known[0]
    np.testing.assert_array_equal(found["DISTANCE"][0], plain["DISTANCE"][0])
    assert np.all(found["AGE"][known] <= np.log10(13.8e9))
    table = model.posterior(mixed, 100, isochrones=regressor, random_state=0)
    np.testing.assert_array_equal(np.asarray(table["AGE_BY_PRIOR"])[known], table["AGE_PRIOR_RATIO"][known] > 0.5)
    assert str(table["AGE_MEDIAN"].unit) == "dex(yr)"
    assert table["AGE_PRIOR_RATIO"].unit is None


def test_parallax_and_limit_of_dwarfs(model, mixed, regressor):
    alone = model.sample(mixed, 200, isochrones=regressor, random_state=0)
    both = model.sample(mixed, 200, isochrones=regressor, parallax=True, random_state=0)
    known = np.isfinite(alone["MASS"][:, 0]) & np.isfinite(both["MASS"][:, 0])
    known &= np.isfinite(np.asarray(mixed["GAIAEDR3_PARALLAX"]))
    width = [np.median(np.std(np.log(draws["DISTANCE"][known]), axis=1)) for draws in (alone, both)]
    assert width[1] < 0.7 * width[0]
    young = model.sample(mixed, 200, isochrones=regressor, age_limit=4.0, random_state=0)
    assert np.nanmax(young["AGE"]) <= np.log10(4e9) + 1e-12
    assert np.nanmax(young["AGE_CUT"]) > 0.5


def test_alpha_elements_of_dwarfs(model, mixed, regressor):
    table = mixed.copy()
    table["ALPHA_M"] = 0.3
    plain = model.sample(table, 200, isochrones=regressor, random_state=0)
    rich = model.sample(table, 200, isochrones=regressor, physics=AgePhysics(alpha="label"), random_state=0)
    known = np.isfinite(plain["MASS"][:, 0]) & np.isfinite(rich["MASS"][:, 0])
    assert np.median(np.abs(np.median(rich["M_H"] - plain["M_H"], axis=1))[known]) < 0.05  # as they are observed
    assert np.median(rich["MASS"][known]) > np.median(plain["MASS"][known])


def test_wrong_isochrones(model, mixed):
    with pytest.raises(InputError, match="isochrones is Table"):
        model.sample(mixed[:40], 5, isochrones=Table())
