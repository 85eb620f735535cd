"""Alpha elements, mass loss and all mass scales together in the draws of a model; all off is the paper."""

import numpy as np
import pytest

from skdistmass import CNMassRegressor, DistMassModel, EvolutionaryStateClassifier, LevenbergMarquardtMLPRegressor
from skdistmass.datasets import make_survey
from skdistmass.exceptions import ColumnError, InputError
from skdistmass.isochrones import MassLoss, mean_alpha, total_metallicity
from skdistmass.model import AgePhysics

LOSS = MassLoss(eta=0.3, spread=0.3)


@pytest.fixture(scope="module")
def survey():
    return make_survey(1200, random_state=0, sentinel_fraction=0)


@pytest.fixture(scope="module")
def model(survey):
    mass = CNMassRegressor(network=LevenbergMarquardtMLPRegressor(hidden_layer_sizes=4, n_starts=2), n_networks=1)
    scales = {"CAL": "MASS_CAL", "AP3": "MASS_AP3"}
    return DistMassModel(mass=mass, parts="mass", mass_scales=scales, random_state=0).fit(survey)


@pytest.fixture(scope="module")
def giants(survey):
    rows = (np.asarray(survey["LOGG"]) < 3.3) & (np.abs(np.asarray(survey["M_H"])) < 0.45)
    return survey[rows][:200]


def ages_of(model, draws, feh, mass=None):
    """Ages by the relation alone."""
    (low, high), bounds = model.age_.used_bounds()
    mass = (draws["MASS"] if mass is None else mass).clip(low, high)
    pairs = np.stack([mass, feh.clip(*bounds)], axis=-1)
    return model.age_.transform(pairs.reshape(-1, 2)).reshape(draws["MASS"].shape)


def test_with_all_off_ages_are_those_of_the_paper(model, giants):
    off = AgePhysics(alpha=None, mass_loss=None)
    draws, plain = (model.sample(giants, 50, age_limit=None, physics=p, random_state=0) for p in (off, None))
    for name, values in plain.items():
        np.testing.assert_array_equal(draws[name], values)
    np.testing.assert_array_equal(draws["AGE"], ages_of(model, draws, draws["M_H"]))
    assert model.age_.transform([[1.0, 0.0]])[0, 0] == pytest.approx(10.0489, abs=1e-3)


def test_alpha_elements(model, giants):
    draws = model.sample(giants, 50, age_limit=None, physics=AgePhysics(alpha="mean"), random_state=0)
    alpha = mean_alpha(np.asarray(giants["M_H"], float))[:, None]
    expected = ages_of(model, draws, total_metallicity(draws["M_H"], alpha))
    known = np.isfinite(draws["AGE"])
    assert known.mean() > 0.9
    np.testing.assert_allclose(draws["AGE"][known], expected[known], rtol=1e-12)
    table = giants.copy()
    table["ALPHA_M"] = np.where(np.arange(len(giants)) % 2, 0.1, -9999.0)
    own = model.sample(table, 50, age_limit=None, physics=AgePhysics(alpha="label"), random_state=0)
    np.testing.assert_array_equal(own["AGE"][::2], draws["AGE"][::2])
    assert not np.array_equal(own["AGE"][1::2], draws["AGE"][1::2])
    with pytest.raises(ColumnError, match="ALPHA_M"):
        model.sample(giants, 5, physics=AgePhysics(alpha="label"))


def test_mass_loss_by_known_state(model, giants):
    table = giants.copy()
    table["EVSTATE"] = np.where(np.arange(len(giants)) % 2, 2, 1)
    plain = model.sample(table, 50, age_limit=None, random_state=0)
    lossy = model.sample(table, 50, age_limit=None, physics=AgePhysics(mass_loss=LOSS), random_state=0)
    np.testing.assert_array_equal(lossy["MASS"], plain["MASS"])
    np.testing.assert_array_equal(lossy["AGE"][::2], plain["AGE"][::2])
    light = np.median(plain["MASS"], axis=1) < 1.3
    younger = np.nanmedian(plain["AGE"] - lossy["AGE"], axis=1)[1::2]
    assert np.nanmedian(younger[light[1::2]]) > 0.05
    table.remove_column("EVSTATE")
    with pytest.raises(ColumnError, match="EVSTATE"):
        model.sample(table, 5, physics=AgePhysics(mass_loss=LOSS))


def test_mass_loss_by_probability(model, survey, giants):
    known = np.asarray(survey["EVSTATE"]) > 0
    states = EvolutionaryStateClassifier(random_state=0).fit(survey[known], survey["EVSTATE"][known])
    table = giants.copy()
    table["EVSTATE"] = -1
    physics = AgePhysics(mass_loss=MassLoss(fraction=0.1), states=states)
    plain = model.sample(table, 1000, age_limit=None, random_state=0)
    lossy = model.sample(table, 1000, age_limit=None, physics=physics, random_state=0)
    some = np.isfinite(plain["AGE"]) & (plain["MASS"] > 0.85) & (plain["MASS"] < 7.0)
    share = np.array([np.mean(a[k] != b[k]) for a, b, k in zip(lossy["AGE"], plain["AGE"], some, strict=True)])
    expected = states.predict_proba(table)[:, 1]
    rows = some.sum(axis=1) > 500
    np.testing.assert_allclose(share[rows], expected[rows], atol=0.08)


def test_all_scales_together(model, giants):
    each = [model.sample(giants, 400, scale=name, age_limit=None, random_state=0)["MASS"] for name in model.masses_]
    draws = model.sample(giants, 400, scale="all", age_limit=None, random_state=0)
    medians = np.log([np.median(mass, axis=1) for mass in each])
    known = np.isfinite(medians).all(axis=0)
    middle = np.log(np.exp(medians).mean(axis=0))
    off = np.log(np.median(draws["MASS"], axis=1)) - middle
    spread = np.std(medians, axis=0, ddof=1)[known]
    assert np.all(np.abs(off[known]) < 0.02 + 0.3 * spread)
    np.testing.assert_allclose(draws["MASS_SCALE_SPREAD"][known], spread, atol=0.02)
    within = np.mean([np.std(np.log(mass), axis=1) for mass in each], axis=0)[known]
    np.testing.assert_allclose(np.std(np.log(draws["MASS"]), axis=1)[known], np.hypot(within, spread), rtol=0.2)
    table = model.posterior(giants, 50, scale="all", random_state=0)
    assert table["MASS_SCALE_SPREAD"].unit is None
    assert "MASS_SCALE_SPREAD" not in model.posterior(giants, 50, random_state=0).colnames


def test_no_mass_that_no_star_has(model, giants, monkeypatch):
    """The law of a star far from all others may have a tail to any mass; here most masses count as impossible."""
    free = model.sample(giants, 200, age_limit=None, random_state=0)
    monkeypatch.setattr("skdistmass.model.drawing._MASSES", (0.9, 1.5))
    bounded = model.sample(giants, 200, age_limit=None, random_state=0)
    some = ((free["MASS"] > 0.9) & (free["MASS"] < 1.5)).any(axis=1)
    assert 0 < some.sum() < len(giants)
    assert 0.9 <= bounded["MASS"][some].min() <= bounded["MASS"][some].max() <= 1.5
    # Where nothing is possible the mass is what the network says, and the age is unknown.
    np.testing.assert_array_equal(bounded["MASS"][~some], free["MASS"][~some])
    assert np.isnan(bounded["AGE"][~some]).all()


def test_initial_mass_is_what_is_left_and_what_is_lost():
    current = np.array([0.8, 1.0, 1.3, 1.8, 3.0])
    one, two = (MassLoss(eta).initial_mass(current, np.zeros(5)) - current for eta in (0.1, 0.2))
    assert np.all(two >= one)
    assert two[1] == pytest.approx(0.076, abs=0.01)
    np.testing.assert_array_equal(two[3:], 0.0)
    np.testing.assert_allclose(MassLoss(fraction=0.1).initial_mass(current, 0.0), current / 0.9)
    np.testing.assert_array_equal(MassLoss(0.0).initial_mass(current, 0.0), current)


@pytest.mark.parametrize("wrong", [{"eta": -0.1}, {"eta": 2.0}, {"fraction": 0.7}, {"spread": -1.0}])
def test_wrong_mass_loss(wrong):
    with pytest.raises(InputError, match=next(iter(wrong))):
        MassLoss(**wrong)


def test_wrong_physics(survey):
    with pytest.raises(InputError, match="alpha"):
        AgePhysics(alpha="some")
    with pytest.raises(InputError, match="EVSTATE"):
        AgePhysics(states=EvolutionaryStateClassifier())
