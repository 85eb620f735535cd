"""Draws, their weights and summaries, and common values, each part on numbers that can be checked by hand."""

from types import SimpleNamespace

import numpy as np
import pytest
from scipy import stats
from scipy.special import ndtri

from skdistmass.estimators.ages import IsochroneAgeTransformer
from skdistmass.exceptions import InputError
from skdistmass.model import drawing as drawing_module
from skdistmass.model.age_physics import AgePhysics
from skdistmass.model.drawing import Drawing
from skdistmass.model.draws import joint_facts, quantiles_of, resample, summarise
from skdistmass.model.dwarfs import find_dwarfs
from skdistmass.model.population import common_value
from skdistmass.model.reading import labels_of
from skdistmass.model.star_random import StarRandom
from skdistmass.surveys import Stars
from skdistmass.surveys.training_sets import TrainingCuts
from skdistmass.uncertainty import PredictiveDistribution

RNG = np.random.default_rng(0)


def test_summaries_are_those_of_numpy():
    draws = {"MASS": RNG.gamma(3.0, size=(4, 50)), "DISTANCE": RNG.gamma(2.0, size=(4, 50)), "M_H": np.zeros((4, 50))}
    found = summarise(draws)
    assert not any(name.startswith("M_H") for name in found)
    for name in ("MASS", "DISTANCE"):
        values = np.sort(draws[name], axis=1)
        np.testing.assert_allclose(found[f"{name}_MEAN"], values.mean(axis=1))
        np.testing.assert_allclose(found[f"{name}_MEDIAN"], np.median(values, axis=1))
        for end, level in {"P02": 2.275, "P16": 15.865, "P84": 84.135, "P98": 97.725}.items():
            np.testing.assert_allclose(found[f"{name}_{end}"], np.percentile(values, level, axis=1))
        # The middle of the shortest interval from one draw to the 15th after it, which is 30 % of 50.
        for star in range(4):
            first = min(range(35), key=lambda k: values[star, k + 15] - values[star, k])
            assert found[f"{name}_MODE"][star] == pytest.approx((values[star, first] + values[star, first + 15]) / 2)
    expected = [np.corrcoef(one, other)[0, 1] for one, other in zip(draws["MASS"], draws["DISTANCE"], strict=True)]
    np.testing.assert_allclose(found["MASS_DISTANCE_CORR"], expected)
    one = summarise({"AGE": np.array([[9.5]])})
    assert {values.item() for values in one.values()} == {9.5}


def test_who_made_the_age():
    facts = {"AGE_CUT": np.array([0.5, 0.51, 0.0, np.nan]), "MASS_SCALE_SPREAD": np.arange(4.0)}
    assert joint_facts(facts)["AGE_BY_PRIOR"].tolist() == [False, True, False, False]
    facts["AGE_PRIOR_RATIO"] = np.array([0.5, 0.1, 0.51, np.nan])
    found = joint_facts(facts)
    assert found["AGE_BY_PRIOR"].tolist() == [False, True, True, False]
    assert found["MASS_SCALE_SPREAD"] is facts["MASS_SCALE_SPREAD"]
    assert joint_facts({"MASS": np.ones((1, 2))}) == {}


@pytest.mark.parametrize("n_samples", [1, 2, 7, 40])
def test_quantiles_are_those_of_numpy(n_samples):
    values, levels = RNG.normal(size=(3, n_samples)), np.array([0.0, 0.02275, 0.31, 0.5, 0.97725, 1.0])
    values[1, 0] = np.nan
    np.testing.assert_allclose(quantiles_of(values, levels), np.quantile(values, levels, axis=1).T)


def test_resampling_follows_the_weights():
    weights = RNG.gamma(0.5, size=(3, 40))
    with np.errstate(divide="ignore"):
        found = resample(np.log(np.vstack([weights, np.ones(40), np.zeros(40)])), np.random.default_rng(1))
    for row, weight in zip(found, weights, strict=False):
        # Systematic: no draw comes once more, or less, than its share.
        assert np.abs(np.bincount(row, minlength=40) - 40 * weight / weight.sum()).max() < 1.0
    assert found[3].tolist() == list(range(40))
    assert (found[4] == -1).all()


def test_random_numbers_of_stars_are_splitmix64(split_mix):
    step, ones = 0x9E3779B97F4A7C15, (1 << 64) - 1
    keys, generator = [5, -7], StarRandom(np.array([5, -7]), seed=3)
    for call in (1, 2):
        found = generator.random((2, 2, 3))
        for star, key in enumerate(keys):
            start = split_mix((key & ones) ^ split_mix(((3 * 65_536 + call) * step) & ones))
            bits = [split_mix((start + count * step) & ones) >> 11 for count in range(1, 7)]
            np.testing.assert_array_equal(found[:, star].ravel(), [(each + 0.5) / 2**53 for each in bits])
    normal = StarRandom(np.array([5, -7]), seed=3)[[1]].standard_normal((1, 4))
    np.testing.assert_array_equal(normal, ndtri(StarRandom(np.array([-7]), seed=3).random((1, 4))))
    with pytest.raises(ValueError, match="numbers for 3 stars"):
        generator.random((3, 2))


def test_label_errors_correlate_what_follows_from_the_labels():
    n = 100_000
    drawing = SimpleNamespace(known_errors=np.array([[0.1, 0.2]]))
    slopes = {"M_H": np.array([[1.0, 0.0]]), "ABS_MAG": np.array([[2.0, 1.0]]), "MASS": np.array([[-1.0, 1.5]])}
    spreads = {"M_H": np.array([0.1]), "ABS_MAG": np.array([0.4]), "MASS": np.array([0.5])}
    fresh = iter(np.random.default_rng(2).standard_normal((3, 1, n)))
    deviates = {"M_H": next(fresh)}
    for name in ("ABS_MAG", "MASS"):
        deviates[name] = Drawing._correlated(drawing, next(fresh), name, slopes, deviates, spreads)
    # Shared variances, by hand: 2 * 0.1^2; -0.1^2; -2 * 0.1^2 + 1.5 * 0.2^2; each over the product of the spreads.
    wanted = {("M_H", "ABS_MAG"): 0.5, ("M_H", "MASS"): -0.2, ("ABS_MAG", "MASS"): 0.2}
    for (one, other), correlation in wanted.items():
        assert np.corrcoef(deviates[one][0], deviates[other][0])[0, 1] == pytest.approx(correlation, abs=0.015)
    for values in deviates.values():
        assert values.std() == pytest.approx(1.0, abs=0.01)
    # Spreads of zero, or smaller than the labels' errors alone, make no more than nearly the same.
    for spread, correlation in ((0.0, 0.0), (0.01, 0.99)):
        found = Drawing._correlated(
            drawing, deviates["MASS"], "ABS_MAG", slopes, {"M_H": deviates["M_H"]}, spreads | {"ABS_MAG": spread}
        )
        share = (found - np.sqrt(1.0 - correlation**2) * deviates["MASS"]) / deviates["M_H"]
        np.testing.assert_allclose(share, correlation, atol=1e-6)


def drawn(**columns):
    """Two stars with two draws each, of which the second star is known by isochrones."""
    stars = {"PARALLAX": np.array([0.5, 0.5]), "PARALLAX_ERR": np.array([0.1, 0.1]), "PARALLAX_SRC": ["Gaia EDR3"] * 2}
    stars["PARALLAX_SRC"] = np.array(stars["PARALLAX_SRC"])
    return SimpleNamespace(
        stars=Stars(stars),
        cuts=TrainingCuts(parallax_zero_point={"Gaia EDR3": -0.02}),
        draws={name: np.array(values) for name, values in columns.items()},
        log_weight=np.zeros((2, 2)),
        by_isochrones=np.array([False, True]),
    )


def test_weight_of_a_parallax_counts_once():
    both = drawn(DISTANCE=[[2.0, 2.5], [2.0, 2.5]])
    Drawing.weigh(both, True, None, None)
    # A parallax of 0.52 mas, with an error of 0.1, beside 0.5 and 0.4.
    np.testing.assert_allclose(both.log_weight, [[-0.5 * 0.2**2, -0.5 * 1.2**2], [0.0, 0.0]])
    without = drawn(DISTANCE=[[2.0, 2.5], [2.0, 2.5]])
    Drawing.weigh(without, False, None, None)
    assert (without.log_weight == 0).all()


def test_weights_of_masses_and_ages():
    found = drawn(MASS=[[0.099, 0.101], [20.1, 19.9]], AGE=[[9.0, 9.0], [9.0, np.nan]])
    Drawing.weigh(found, True, None, None)
    assert np.isfinite(found.log_weight).tolist() == [[False, True], [False, True]]
    assert found.cut.tolist() == [0.0, 0.0]
    found = drawn(AGE=np.log10([[4e9, 8e9], [2e9, 12e9]]))
    Drawing.weigh(found, True, 10.0, lambda age: age)
    np.testing.assert_allclose(np.exp(found.log_weight), [[0.5, 1.0], [1 / 6, 0.0]])
    # What the prior and the limit took from the draws.
    np.testing.assert_allclose(found.cut, [0.25, 1.0 - 1 / 12])
    assert (found.without_age == 0).all()
    unknown = drawn(AGE=[[np.nan, np.nan], [9.0, 9.0]])
    Drawing.weigh(unknown, True, 0.5, None)
    assert np.isnan(unknown.cut[0])
    assert unknown.cut[1] == 1.0
    with pytest.raises(InputError, match="negative number"):
        Drawing.weigh(drawn(AGE=[[9.0, 9.0]] * 2), True, None, lambda age: -age)


def test_masses_of_several_scales_are_their_mean_and_their_scatter():
    laws = [PredictiveDistribution([0.0, 0.5, 1.0], [[0.5, m, 2.0 * m]]) for m in (1.0, 1.2)]
    place, noise = RNG.random((1, 1000)), RNG.standard_normal((1, 1000))
    drawing = SimpleNamespace(draws={}, facts={}, rng=SimpleNamespace(standard_normal=lambda shape: noise))
    Drawing._masses(drawing, laws[:1], place)
    assert drawing.facts == {}
    np.testing.assert_allclose(drawing.draws["MASS"], laws[0].ppf(place.T).T)
    Drawing._masses(drawing, laws, place)
    spread = np.log(1.2) / np.sqrt(2.0)
    mean = (laws[0].ppf(place.T) + laws[1].ppf(place.T)).T / 2
    np.testing.assert_allclose(drawing.draws["MASS"], mean * np.exp(spread * noise))
    np.testing.assert_allclose(drawing.facts["MASS_SCALE_SPREAD"], [spread])


N_DRAWS = 20_000
LAWS = {
    "ABS_MAG": PredictiveDistribution([0.0, 0.5, 1.0], [[-3.0, -2.0, -1.0]] * 3),
    "A": PredictiveDistribution([0.0, 0.5, 1.0], [[0.5, 1.0, 1.5]] * 3),
    "B": PredictiveDistribution([0.0, 0.5, 1.0], [[0.7, 1.2, 1.7]] * 3),
}
WIDTHS = {"ABS_MAG": 0.4, "A": 0.1, "B": 0.3}


@pytest.fixture
def drawing(monkeypatch):
    """Draws of a giant with an error of [M/H], of one without errors, and of a dwarf, by laws that are given."""
    networks = SimpleNamespace(of_distance=lambda model: "ABS_MAG", of_mass=lambda model, name: name)
    monkeypatch.setattr(drawing_module, "Networks", networks)
    monkeypatch.setattr(Drawing, "_law", lambda self, name, entries, source: (LAWS[name], np.full(3, WIDTHS[name])))
    monkeypatch.setattr(Drawing, "_slope", lambda self, network: np.tile([0.0, 0.0, network, 0.0, 0.0], (3, 1)))
    stars = {name: np.full(3, value) for name, value in {"TEFF": 4800.0, "C_FE": 0.0, "N_FE": 0.1, "K": 10.2}.items()}
    stars |= {"LOGG": np.array([2.5, 2.5, 3.5]), "M_H": np.array([0.1, -0.2, 0.0]), "A_K": np.full(3, 0.2)}
    stars |= {"M_H_ERR": np.array([0.1, -1.0, 0.1]), "K_ERR": np.full(3, 0.03), "A_K_ERR": np.full(3, 0.04)}

    def make(scale, abs_mag=2.0):
        model = SimpleNamespace(
            cuts=None, abs_mag_=abs_mag, masses_={"A": -0.5, "B": -2.5}, age_=IsochroneAgeTransformer()
        )
        return Drawing(model, Stars(stars), N_DRAWS, scale, False, np.random.default_rng(0))

    return make


def correlation(one, other):
    return np.corrcoef(one, other)[0, 1]


def test_draws_follow_their_laws_and_the_errors_of_metallicity(drawing):
    found = drawing("A")
    metal, magnitude, mass = (found.draws[name] for name in ("M_H", "ABS_MAG", "MASS"))
    assert metal.mean(axis=1) == pytest.approx([0.1, -0.2, 0.0], abs=0.005)
    assert metal.std(axis=1) == pytest.approx([0.1, 0.0, 0.1], abs=0.005)
    for name, values in (("ABS_MAG", magnitude), ("A", mass)):
        assert np.quantile(values[0], [0.1, 0.5, 0.8]) == pytest.approx(LAWS[name][[0]].ppf([0.1, 0.5, 0.8]), abs=0.02)
    # By hand: 2 * 0.1 / 0.4, -0.5 * 0.1 / 0.1 and -2 * 0.5 * 0.01 / (0.4 * 0.1), of normal deviates.
    deviates = [ndtri(LAWS[name][[0]].cdf(values[0])) for name, values in (("ABS_MAG", magnitude), ("A", mass))]
    assert correlation(deviates[0], metal[0]) == pytest.approx(0.5, abs=0.02)
    assert correlation(deviates[1], metal[0]) == pytest.approx(-0.5, abs=0.02)
    assert correlation(*deviates) == pytest.approx(-0.25, abs=0.02)
    # Without an error of [M/H] nothing goes together.
    assert abs(correlation(magnitude[1], mass[1])) < 0.02
    # m - A - M = 10 - M: the scatter of the distance has the errors of K and A_K.
    noise = 5.0 * np.log10(found.draws["DISTANCE"] / 0.01) - (10.0 - magnitude)
    assert noise.std() == pytest.approx(0.05, rel=0.02)
    assert noise.mean() == pytest.approx(0.0, abs=0.002)
    assert (found.log_weight == 0).all()
    assert found.mag_law is LAWS["ABS_MAG"]


def test_ages_are_of_giants_by_mass_and_metallicity_within_the_relation(drawing):
    found = drawing("A")
    ages = found.draws["AGE"]
    assert np.isnan(ages[2]).all()
    (low, high), (poor, rich) = found.model.age_.used_bounds()
    for star in range(2):
        pairs = np.column_stack([found.draws["MASS"][star].clip(low, high), found.draws["M_H"][star].clip(poor, rich)])
        np.testing.assert_allclose(ages[star], found.model.age_.transform(pairs)[:, 0])


def test_the_law_of_a_network_and_half_the_width_of_its_interval(monkeypatch):
    half = np.array([0.0, *np.arange(1, 36) / 10.0, 1.1])
    intervals = np.stack([2.0 - half, 2.0 + 2.0 * half], axis=-1)[:, None]
    asked = []

    def predict_networks(networks, training, labels, errors, entries, source, coverages):
        asked.append((networks, entries, source, coverages[-1], len(coverages)))
        return SimpleNamespace(intervals=intervals)

    monkeypatch.setattr(drawing_module, "predict_networks", predict_networks)
    networks = SimpleNamespace(name="ABS_MAG", network=SimpleNamespace(errors_=None))
    one = SimpleNamespace(model=SimpleNamespace(training_=None), labels=None, errors=None, stars=[0])
    law, width = Drawing._law(one, networks, "entries", "source")
    assert asked == [(networks, "entries", "source", 0.6827, 37)]
    assert width == pytest.approx([1.65])
    assert (law.quantiles[0, 0], law.median()[0], law.quantiles[0, -1]) == pytest.approx((-1.5, 2.0, 9.0))
    intervals[:] = np.nan
    with pytest.raises(InputError, match="ABS_MAG was trained without errors"):
        Drawing._law(one, networks, None, None)
    # Stars without labels have no law; that says nothing of the network.
    networks.network.errors_ = "errors"
    assert np.isnan(Drawing._law(one, networks, None, None)[1]).all()
    one.stars, intervals, networks.network.errors_ = [], intervals[:, :0], None
    assert len(Drawing._law(one, networks, None, None)[0]) == 0


def test_ages_need_a_metallicity_of_the_relation():
    relation = IsochroneAgeTransformer()
    (low, high), (poor, rich) = relation.used_bounds()
    labels = np.zeros((7, 5))
    labels[:, 1], labels[:, 2] = 2.5, [poor, rich, poor - 0.01, rich + 0.01, 0.0, 0.0, np.nan]
    labels[5, 1] = 3.5
    mass = np.tile([1.0, 0.1, 99.0], (7, 1))
    found = SimpleNamespace(
        model=SimpleNamespace(age_=relation), physics=AgePhysics(), stars=Stars({"TEFF": np.zeros(7)}), labels=labels,
        draws={"MASS": mass, "M_H": labels[:, 2:3] + [0.0, 9.0, -9.0]}, rng=None,
    )  # fmt: skip
    Drawing._ages(found)
    assert np.isfinite(found.draws["AGE"]).all(axis=1).tolist() == [True, True, False, False, True, False, False]
    # Draws of mass and metallicity beyond the relation are those at its ends.
    pairs = np.array([[1.0, 0.0], [low, rich], [high, poor]])
    np.testing.assert_allclose(found.draws["AGE"][4], relation.transform(pairs)[:, 0])
    found.labels = labels[5:]
    found.draws = {name: values[5:] for name, values in found.draws.items()}
    found.stars = found.stars[5:]
    Drawing._ages(found)
    assert np.isnan(found.draws["AGE"]).all()


def test_all_scales_together_and_a_model_of_masses_alone(drawing):
    found = drawing("all", abs_mag=None)
    assert set(found.draws) == {"MASS", "M_H", "AGE"}
    spread = np.log(1.2) / np.sqrt(2.0)
    np.testing.assert_allclose(found.facts["MASS_SCALE_SPREAD"], np.full(3, spread))
    assert np.median(found.draws["MASS"]) == pytest.approx(1.1, abs=0.02)
    # The means of the slopes (-1.5) and of the widths (0.2) of both scales: a correlation of -0.75 before the scatter.
    values = np.log(found.draws["MASS"][0])
    alone = np.log(drawing("A", abs_mag=None).draws["MASS"][0])
    share = np.sqrt(1.0 - spread**2 / values.var())
    assert correlation(values, found.draws["M_H"][0]) == pytest.approx(-0.75 * share, abs=0.03)
    assert correlation(alone, drawing("A", abs_mag=None).draws["M_H"][0]) == pytest.approx(-0.5, abs=0.03)
    assert set(drawing(None).draws) == {"ABS_MAG", "DISTANCE"}


def test_isochrones_replace_draws_of_dwarfs_on_their_grid(monkeypatch):
    asked = {}

    def draw_dwarfs(isochrones, stars, labels, errors, law, **options):
        asked.update(options, labels=labels, errors=errors, law=law, n_stars=len(stars))
        mass = np.array([[0.8, 0.9], [np.nan, np.nan]])
        return {"MASS": mass, "AGE": mass + 9.0, "ABS_MAG": mass, "AGE_PRIOR_RATIO": np.array([0.3, 0.4])}

    monkeypatch.setattr(drawing_module, "draw_dwarfs", draw_dwarfs)
    labels = np.zeros((4, 5))
    labels[:, 1] = [2.0, 3.5, 4.0, np.nan]
    found = SimpleNamespace(
        labels=labels, errors=0.1 * labels, stars=Stars({"TEFF": np.zeros(4)}), log_weight=np.zeros((4, 2)),
        by_isochrones=np.zeros(4, dtype=bool), facts={"MASS_SCALE_SPREAD": np.ones(4)}, cuts=TrainingCuts(),
        physics=AgePhysics(), mag_law=None, rng=np.random.default_rng(0),
        draws={name: np.full((4, 2), 5.0) for name in ("MASS", "AGE")},
    )  # fmt: skip
    Drawing.use_isochrones(found, "isochrones", True)
    assert found.draws["MASS"].tolist() == [[5.0, 5.0], [0.8, 0.9], [5.0, 5.0], [5.0, 5.0]]
    assert found.draws["AGE"][1].tolist() == [9.8, 9.9]
    np.testing.assert_array_equal(found.draws["ABS_MAG"], [[np.nan] * 2, [0.8, 0.9], [np.nan] * 2, [np.nan] * 2])
    assert found.by_isochrones.tolist() == [False, True, False, False]
    np.testing.assert_array_equal(found.facts["AGE_PRIOR_RATIO"], [np.nan, 0.3, 0.4, np.nan])
    np.testing.assert_array_equal(found.facts["MASS_SCALE_SPREAD"], [1.0, np.nan, 1.0, 1.0])
    assert asked["labels"][:, 1].tolist() == [3.5, 4.0]
    assert asked["errors"][:, 1].tolist() == pytest.approx([0.35, 0.4])
    assert (asked["n_samples"], asked["n_stars"], asked["parallax"], asked["law"]) == (2, 2, True, None)
    assert asked["rng"] is found.rng


def test_dwarfs_have_three_labels_and_log_g_of_3_5_or_more():
    labels = np.zeros((6, 5))
    labels[:, 1] = [3.49, 3.5, 4.5, 4.5, 4.5, np.nan]
    labels[2, 2], labels[3, 0], labels[4, 3:] = np.nan, np.nan, np.nan
    assert find_dwarfs(labels).tolist() == [1, 4]


def test_an_error_of_zero_is_known_and_one_below_is_not():
    stars = {"TEFF": np.array([4800.0, 99.0]), "TEFF_ERR": np.array([0.0, -1.0]), "LOGG_ERR": np.array([np.nan, 0.1])}
    labels, errors = labels_of(Stars(stars))
    np.testing.assert_array_equal(labels[:, 0], [4800.0, np.nan])
    np.testing.assert_array_equal(errors[:, :2], [[0.0, np.nan], [np.nan, 0.1]])


def finished(log_weight, **draws):
    log_weight = np.array(log_weight)
    found = SimpleNamespace(
        log_weight=log_weight, draws={name: np.array(values) for name, values in draws.items()},
        rng=np.random.default_rng(0), without_age=np.zeros(log_weight.shape), cut=np.full(len(log_weight), 0.25),
        facts={"MASS_SCALE_SPREAD": np.arange(len(log_weight))},
    )  # fmt: skip
    return found


def test_draws_of_equal_weight_and_stars_without_any():
    draws = {"MASS": [[1.0, 2.0], [3.0, 4.0], [5.0, 6.0]], "AGE": [[9.0, 9.1], [9.2, 9.3], [9.4, 9.5]]}
    some = finished([[0.0, -np.inf], [-np.inf, -np.inf], [-np.inf, -np.inf]], **draws)
    some.without_age[2] = -np.inf
    found = Drawing.finish(some)
    # The second star has no draw that is young enough: its age is unknown. The third has none at all.
    assert found["MASS"].tolist() == [[1.0, 1.0], [3.0, 4.0], [5.0, 6.0]]
    np.testing.assert_array_equal(found["AGE"], [[9.0, 9.0], [np.nan] * 2, [np.nan] * 2])
    assert found["AGE_CUT"].tolist() == [0.25] * 3
    assert found["MASS_SCALE_SPREAD"].tolist() == [0, 1, 2]
    plain = Drawing.finish(finished([[0.0, 0.0], [-np.inf, 0.0]], DISTANCE=[[1.0, 2.0], [3.0, 4.0]]))
    assert plain.keys() == {"DISTANCE"}
    assert plain["DISTANCE"].tolist() == [[1.0, 2.0], [4.0, 4.0]]
    impossible = finished([[-np.inf, -np.inf]], DISTANCE=[[1.0, 2.0]])
    del impossible.without_age  # which only models of masses have
    assert Drawing.finish(impossible).keys() == {"DISTANCE"}


def test_alpha_elements_and_states():
    stars = Stars({"M_H": np.array([0.0, -0.5]), "ALPHA_M": np.array([0.2, 1.0]), "EVSTATE": np.array([2, 1])})
    assert AgePhysics().alpha_of(stars).tolist() == [0.0, 0.0]
    mean, own = (AgePhysics(alpha=choice).alpha_of(stars) for choice in ("mean", "label"))
    assert own.tolist() == [0.2, mean[1]]
    assert AgePhysics().clump_probability(stars, np.zeros((2, 5))).tolist() == [1.0, 0.0]
    m_h = np.array([[0.0, 0.1], [0.2, 0.3]])
    assert AgePhysics().metallicity(stars, m_h) is m_h
    assert (AgePhysics(alpha="label").metallicity(stars, m_h) > m_h).all()


@pytest.mark.parametrize(("prior", "systematic"), [(None, 0.0), (lambda x: x - 7.9, 0.03)])
def test_common_value_is_that_of_the_sums_written_out(prior, systematic):
    rng = np.random.default_rng(5)
    draws = rng.normal(rng.normal(9.0, 0.15, 6)[:, None], 0.2, (6, 100))
    draws[5] = rng.normal(8.3, 0.05, 100)
    draws = np.vstack([draws, np.full(100, np.nan)])
    found = common_value(draws, 8.0, 10.0, prior=prior, systematic=systematic)
    step = 4.0 / 1200
    grid = 7.0 + step * (np.arange(1200) + 0.5)
    inside = (grid > 8.0) & (grid < 10.0)
    width = 0.53 * np.diff(np.percentile(draws[:6], [15.865, 84.135], axis=1), axis=0)[0] * 100**-0.2
    weight = np.ones(600) if prior is None else prior(grid[inside])
    total, scatter_sum, outlier_sum, belongs = np.zeros(600), 0.0, 0.0, np.zeros(6)
    for scatter in (0.0, 0.02, 0.04, 0.07, 0.1, 0.15, 0.2, 0.3):
        # A star's density: a normal law about each draw, widened by the scatter.
        spread = np.hypot(width, scatter)[:, None, None]
        density = stats.norm.pdf(grid[inside], draws[:6, :, None], spread).mean(axis=1)
        for share in (0.0, 0.02, 0.05, 0.1, 0.2, 0.3, 0.5):
            likelihood = (1 - share) * density + share / 4.0
            part = np.exp(np.log(likelihood + 1e-12).sum(axis=0) - scatter / 0.1) * weight
            total += part
            scatter_sum, outlier_sum = scatter_sum + scatter * part.sum(), outlier_sum + share * part.sum()
            belongs += ((1 - share) * density / (likelihood + 1e-12)) @ part
    np.testing.assert_allclose(found.grid, grid[inside])
    assert found.scatter == pytest.approx(scatter_sum / total.sum(), rel=0.02)
    assert found.outliers == pytest.approx(outlier_sum / total.sum(), rel=0.02)
    np.testing.assert_allclose(found.membership[:6], belongs / total.sum(), atol=0.01)
    assert np.isnan(found.membership[6])
    assert found.n_stars == 6
    density = total / total.sum()
    mean = density @ found.grid
    assert found.mean == pytest.approx(mean, abs=0.002)
    assert found.std == pytest.approx(np.hypot(np.sqrt(density @ (found.grid - mean) ** 2), systematic), rel=0.02)
    assert found.density.sum() * step == pytest.approx(1.0)
    if not systematic:
        np.testing.assert_allclose(found.density, density / step, atol=0.03 * density.max() / step)
    levels = np.interp(found.percentiles, found.grid + step / 2, np.cumsum(found.density) * step)
    np.testing.assert_allclose(levels, stats.norm.cdf([-2, -1, 0, 1, 2]), atol=1e-4)


def test_twenty_draws_are_the_fewest():
    draws = RNG.normal(9.0, 0.1, (3, 20))
    assert common_value(draws, 8.0, 10.0).n_stars == 3
    with pytest.raises(InputError, match="3 stars have draws, 19 each"):
        common_value(draws[:, :19], 8.0, 10.0)
