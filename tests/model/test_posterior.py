"""Joint draws and posteriors of the whole model."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from skdistmass import AbsMagRegressor, CNMassRegressor, DistMassModel, LevenbergMarquardtMLPRegressor
from skdistmass.datasets import make_survey
from skdistmass.exceptions import ColumnError, InputError
from skdistmass.model.draws import resample, summarise
from skdistmass.schema.limits import GIANT_LOGG

pytestmark = pytest.mark.slow

NETWORK = LevenbergMarquardtMLPRegressor(hidden_layer_sizes=6, n_starts=2)
SMALL = {"network": NETWORK, "n_networks": 1}
SCALES = {"mass_scales": {"CAL": "MASS_CAL"}, "random_state": 0}


@pytest.fixture(scope="module")
def model():
    survey = make_survey(6000, random_state=0, sentinel_fraction=0)
    return DistMassModel(AbsMagRegressor(**SMALL), CNMassRegressor(**SMALL), **SCALES).fit(survey)


@pytest.fixture(scope="module")
def stars():
    return make_survey(1500, random_state=9, sentinel_fraction=0)


@pytest.fixture(scope="module")
def catalog(model, stars):
    return model.predict(stars)


@pytest.fixture(scope="module")
def draws(model, stars):
    return model.sample(stars, 1000, age_limit=None, random_state=0)


@pytest.mark.parametrize(("name", "column"), [("DISTANCE", "DISTANCE"), ("MASS", "MASS_CAL")])
def test_without_priors_draws_have_the_intervals_of_the_catalogue(name, column, draws, catalog):
    low, high = np.asarray(catalog[f"{column}_LO"]), np.asarray(catalog[f"{column}_HI"])
    known = np.isfinite(low) & np.isfinite(high)
    assert np.array_equal(known, np.isfinite(draws[name]).all(axis=1))
    found = np.percentile(draws[name][known], [15.865, 84.135], axis=1)
    width = (high - low)[known]
    # 1,000 draws place a percentile within 5 % of the width.
    assert np.median(np.abs(found[0] - low[known]) / width) < 0.04
    assert np.median(np.abs(found[1] - high[known]) / width) < 0.04


def test_ages_belong_to_the_masses_of_the_same_draw(model, stars, draws, catalog):
    giant = np.isfinite(draws["AGE"]).all(axis=1)
    assert giant.sum() > 300
    (low, high), (poorest, richest) = model.age_.used_bounds()
    m_h = np.asarray(catalog["M_H"])
    usable = (np.asarray(catalog["LOGG"]) < GIANT_LOGG) & (m_h >= poorest) & (m_h <= richest)
    assert np.array_equal(giant, np.isfinite(draws["MASS"]).all(axis=1) & usable)
    rows = np.flatnonzero(giant)[:20]
    pairs = np.stack([draws["MASS"][rows].clip(low, high), draws["M_H"][rows].clip(poorest, richest)], axis=-1)
    expected = model.age_.transform(pairs.reshape(-1, 2)).reshape(len(rows), -1)
    np.testing.assert_allclose(draws["AGE"][rows], expected)


def test_no_age_above_the_limit(model, stars):
    free = model.sample(stars, 300, age_limit=None, random_state=1)
    limited = model.sample(stars, 300, age_limit=10.0, random_state=1)
    assert np.nanmax(free["AGE"]) > 10.0
    assert np.nanmax(limited["AGE"]) <= 10.0 + 1e-12  # log10 of 10 Gyr in yr
    cut = limited["AGE_CUT"]
    some = np.isfinite(cut)
    above = np.mean(free["AGE"][some] > 10.0, axis=1)
    # Draws of impossible masses were drawn again, at random: they are few, and rounding decides on the border.
    differ = np.abs(cut[some] - above)
    assert np.mean(differ > 1e-9) < 0.01
    assert differ.max() < 0.02
    changed = some & (cut > 0) & (cut < 1)
    assert np.all(np.median(limited["MASS"], axis=1)[changed] >= np.median(free["MASS"], axis=1)[changed])
    # Where no draw is left the age is unknown, and the mass is what the network says.
    gone = cut == 1.0
    assert np.isnan(limited["AGE"][gone]).all()
    assert gone.any()
    middle = [np.median(draws["MASS"][gone], axis=1) for draws in (limited, free)]
    np.testing.assert_allclose(*middle, rtol=0.02)  # draws of impossible masses were drawn again
    assert limited["MASS"][gone].min() >= 0.1


def test_prior_of_ages(model, stars):
    flat = model.sample(stars[:300], 500, random_state=2, age_prior=np.ones_like)
    plain = model.sample(stars[:300], 500, random_state=2)
    np.testing.assert_array_equal(flat["AGE"], plain["AGE"])
    young = model.sample(stars[:300], 500, random_state=2, age_prior=lambda age: np.exp(-age))
    known = np.isfinite(plain["AGE"]).all(axis=1)
    assert np.mean(young["AGE"][known]) < np.mean(plain["AGE"][known]) - 0.02
    with pytest.raises(InputError, match="age_prior"):
        model.sample(stars[:300], 50, age_prior=lambda age: -age)


def test_a_parallax_makes_distances_better(model, stars):
    alone = model.sample(stars, 400, random_state=3)
    both = model.sample(stars, 400, random_state=3, parallax=True)
    truth = np.asarray(stars["TRUE_DISTANCE"])
    single = ~np.asarray(stars["TRUE_BINARY"]) if "TRUE_BINARY" in stars.colnames else np.ones(len(stars), bool)
    good = np.isfinite(alone["DISTANCE"]).all(axis=1) & np.isfinite(np.asarray(stars["GAIAEDR3_PARALLAX"])) & single
    error = {n: np.abs(np.log(np.median(d["DISTANCE"], axis=1) / truth))[good] for n, d in (("1", alone), ("2", both))}
    assert np.median(error["2"]) < 0.8 * np.median(error["1"])
    assert np.median(both["DISTANCE"][good].std(axis=1)) < np.median(alone["DISTANCE"][good].std(axis=1))
    plain = stars.copy()
    plain.remove_columns([name for name in plain.colnames if "PARALLAX" in name])
    with pytest.raises(ColumnError, match="PARALLAX"):
        model.sample(plain, 10, parallax=True)


def test_errors_of_common_labels_correlate_the_quantities(model, stars):
    noisy = stars[:400].copy()
    for name, error in (("TEFF", 60.0), ("LOGG", 0.15), ("M_H", 0.1), ("C_FE", 0.02), ("N_FE", 0.02)):
        noisy[f"{name}_ERR"] = error
    draws = model.sample(noisy, 4000, age_limit=None, random_state=4)
    labels = np.column_stack([noisy[name] for name in ("TEFF", "LOGG", "M_H", "C_FE", "N_FE")])
    errors = np.column_stack([noisy[f"{name}_ERR"] for name in ("TEFF", "LOGG", "M_H", "C_FE", "N_FE")])
    mag, mass = (network.jacobian(labels) * errors for network in (model.abs_mag_, model.masses_["CAL"]))
    spread_mag = model.abs_mag_.predict_with_interval(labels, 0.6827, errors).error
    spread_mass = model.masses_["CAL"].predict_with_interval(labels, 0.6827, errors).error
    expected = (mag * mass).sum(axis=1) / (spread_mag * spread_mass)
    known = np.isfinite(draws["MASS"]).all(axis=1) & np.isfinite(expected) & (np.abs(expected) < 0.9)
    found = np.array(
        [stats.spearmanr(draws["ABS_MAG"][i], draws["MASS"][i]).statistic for i in np.flatnonzero(known)[:60]]
    )
    assert np.abs(expected[known][:60]).max() > 0.3
    np.testing.assert_allclose(found, expected[known][:60], atol=0.08)
    bare = noisy.copy()
    bare.remove_columns([f"{name}_ERR" for name in ("TEFF", "LOGG", "M_H", "C_FE", "N_FE")])
    alone = model.sample(bare, 2000, age_limit=None, random_state=4)
    rows = np.flatnonzero(known)[:40]
    plain = [stats.spearmanr(alone["ABS_MAG"][i], alone["MASS"][i]).statistic for i in rows]
    assert abs(np.mean(plain)) < 0.02
    np.testing.assert_array_equal(np.ptp(alone["M_H"][rows], axis=1), 0.0)


def test_posterior_table_summarises_the_draws(model, stars):
    table = model.posterior(stars[:50], 2000, random_state=5)
    draws = model.sample(stars[:50], 2000, random_state=5)
    np.testing.assert_allclose(table["MASS_MEDIAN"], np.median(draws["MASS"], axis=1))
    np.testing.assert_allclose(table["AGE_P16"], np.percentile(draws["AGE"], 15.865, axis=1))
    assert str(table["DISTANCE_P98"].unit) == "kpc"
    assert str(table["AGE_MODE"].unit) == "dex(yr)"
    assert table["AGE_CUT"].unit is None
    order = ["P02", "P16", "MEDIAN", "P84", "P98"]
    for name in ("ABS_MAG", "DISTANCE", "MASS", "AGE"):
        values = np.column_stack([table[f"{name}_{end}"] for end in order])
        assert np.all((np.diff(values, axis=1) >= 0) | np.isnan(values[:, 1:]))
    with pytest.raises(TypeError, match="unknown"):
        model.posterior(stars[:5], unknown=1)


def test_mode_is_where_most_draws_are():
    rng = np.random.default_rng(0)
    values = np.exp(0.5 * rng.standard_normal((20, 5000)))  # mode exp(-0.25), median 1
    found = summarise({"MASS": values})
    assert np.mean(found["MASS_MODE"]) == pytest.approx(np.exp(-0.25), abs=0.06)
    assert np.mean(found["MASS_MEDIAN"]) == pytest.approx(1.0, abs=0.02)


@given(st.integers(0, 1000), st.integers(1, 5), st.integers(1, 40))
def test_resampling_keeps_weights(seed, n_rows, n_columns):
    rng = np.random.default_rng(seed)
    weight = rng.random((n_rows, n_columns)) * (rng.random((n_rows, n_columns)) < 0.7)
    with np.errstate(divide="ignore"):
        columns = resample(np.log(weight), rng)
    for row in range(n_rows):
        total = weight[row].sum()
        if total == 0:
            assert np.all(columns[row] == -1)
            continue
        counts = np.bincount(columns[row], minlength=n_columns)
        expected = n_columns * weight[row] / total
        assert np.all(np.abs(counts - expected) < 1.0 + 1e-9)
        assert np.all(np.diff(columns[row]) >= 0)


def test_models_of_one_part(stars):
    survey = make_survey(2000, random_state=6, sentinel_fraction=0)
    distances = DistMassModel(AbsMagRegressor(**SMALL), parts="distance", fallback=False, random_state=0).fit(survey)
    assert sorted(distances.sample(stars[:3], 5)) == ["ABS_MAG", "DISTANCE"]
    masses = DistMassModel(mass=CNMassRegressor(**SMALL), parts="mass", **SCALES).fit(survey)
    assert sorted(masses.sample(stars[:3], 5)) == ["AGE", "AGE_CUT", "MASS", "M_H"]
    assert "MASS_DISTANCE_CORR" not in masses.posterior(stars[:3], 5).colnames


def test_wrong_parameters_and_no_errors(model, stars):
    for options in ({"n_samples": 0}, {"n_samples": 2.5}, {"age_limit": -1.0}, {"scale": "YU"}):
        with pytest.raises(InputError, match=next(iter(options)) if "scale" not in options else "'YU'.*CAL"):
            model.sample(stars[:3], **options)
    survey = make_survey(1000, random_state=1, sentinel_fraction=0)
    bare = DistMassModel(
        AbsMagRegressor(**SMALL, error_model=None), parts="distance", fallback=False, random_state=0
    ).fit(survey)
    with pytest.raises(InputError, match="without errors"):
        bare.sample(stars[:3])


def test_blocks_and_seeds(model, stars, monkeypatch):
    whole = model.sample(stars[:40], 50, random_state=7)
    np.testing.assert_array_equal(whole["MASS"], model.sample(stars[:40], 50, random_state=7)["MASS"])
    monkeypatch.setattr("skdistmass.model.posterior._BLOCK_DRAWS", 500)
    parts = model.sample(stars[:40], 50, random_state=7)
    assert parts["MASS"].shape == whole["MASS"].shape
    assert model.sample(stars[:0], 50)["MASS"].shape == (0, 50)


def test_population_of_one_age(model, stars):
    """Giants of about one true age, at their true distances."""
    age, modulus = np.asarray(stars["TRUE_LOG_AGE"]), 10.0 + 5.0 * np.log10(np.asarray(stars["TRUE_DISTANCE"]))
    giant = np.asarray(stars["TRUE_LOGG"]) < 3.3
    rows = giant & (np.abs(age - 9.6) < 0.05)
    assert rows.sum() >= 20
    found = model.population(stars[rows], random_state=0)
    truth = np.log10(np.mean(10.0 ** age[rows]))
    assert abs(found["AGE"].mean - truth) < 3 * np.hypot(found["AGE"].std, 0.03)
    assert found["AGE"].std < 0.06
    near = giant & (np.abs(modulus - np.median(modulus[giant])) < 0.05)
    found = model.population(stars[near], random_state=0)
    assert abs(found["MODULUS"].mean - np.mean(modulus[near])) < 0.12
    assert found["MODULUS"].membership.shape == (near.sum(),)
    dwarfs = stars[np.asarray(stars["LOGG"]) > 4.0]
    assert list(model.population(dwarfs[:20], random_state=0)) == ["MODULUS"]
    dwarfs["K"] = np.nan
    with pytest.raises(InputError, match="no star has an age or a distance"):
        model.population(dwarfs[:20])
