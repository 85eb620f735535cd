"""Calibrations without common stars, the check that warns, and the effects of the labels, on a mock survey."""

import warnings

import numpy as np
import pytest
from sklearn.exceptions import ConvergenceWarning

from skdistmass import AbsMagRegressor, CNMassRegressor, IsochroneAgeTransformer
from skdistmass.datasets import make_survey
from skdistmass.estimators.label_calibration import (
    ConstraintCalibration,
    clump_constraint,
    cluster_age_constraint,
    cluster_distance_constraint,
    cluster_metallicity_constraint,
    common_star_constraints,
    find_scale_shift,
    label_distribution_constraints,
    label_effects,
    load_calibration,
    mass_constraint,
    parallax_constraint,
    seismic_gravity_constraint,
)
from skdistmass.exceptions import InputError
from skdistmass.labels import LABEL_NAMES

pytestmark = pytest.mark.slow

SURVEY = {"sentinel_fraction": 0, "bad_fraction": 0, "seismic_fraction": 0.6, "binary_fraction": 0}


def labels_of(survey):
    return np.column_stack([np.asarray(survey[name], dtype=float) for name in LABEL_NAMES])


def planted(X, kind):
    shift = np.zeros(X.shape)
    if kind == "log g":
        shift[:, 1] += 0.06
    elif kind == "log g, sloped":
        shift[:, 1] += 0.05 + 0.03 * (X[:, 1] - 2.5)
    elif kind == "N":
        shift[:, 4] += 0.05
    elif kind == "all":
        shift += [30.0, 0.05, 0.04, 0.03, -0.04]
    return shift


@pytest.fixture(scope="module")
def models():
    """M_K, mass and age, trained on a survey whose labels are on the model's scale."""
    survey = make_survey(8000, random_state=1, **SURVEY)
    X = labels_of(survey)
    giants = (X[:, 1] < 3.5) & (survey["MASS_ERR"] < 0.1 * survey["MASS"])
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)
        abs_mag = AbsMagRegressor(n_networks=2, error_model=None, random_state=0)
        abs_mag.fit(X, np.asarray(survey["TRUE_ABS_MAG"], dtype=float))
        mass = CNMassRegressor(n_networks=2, error_model=None, random_state=0)
        mass.fit(X[giants], np.asarray(survey["MASS"])[giants], y_err=np.asarray(survey["MASS_ERR"])[giants])
    ages = IsochroneAgeTransformer().fit([[1.0, 0.0]])

    def log_age(X):
        return ages.transform(np.column_stack([mass.predict(X), X[:, 2]]))[:, 0]

    return {"abs_mag": abs_mag, "mass": mass, "ages": ages, "log_age": log_age, "labels": X}


@pytest.fixture(scope="module")
def survey():
    """A survey without a star in common, whose labels are to be shifted."""
    return make_survey(3000, random_state=11, **SURVEY)


@pytest.fixture(scope="module")
def constraints(survey, models):
    giants = np.asarray(survey["TRUE_LOGG"]) < 3.3
    rng = np.random.default_rng(0)
    seen = giants & (rng.random(len(survey)) < 0.5)
    logg = np.where(seen, survey["TRUE_LOGG"] + 0.01 * rng.normal(size=len(survey)), np.nan)
    mag, extinction, cluster = survey["K"], survey["A_K"], survey["CLUSTER"]
    return [
        parallax_constraint(
            models["abs_mag"], mag, extinction, survey["GAIAEDR3_PARALLAX"], survey["GAIAEDR3_PARALLAX_ERROR"]
        ),
        seismic_gravity_constraint(logg, np.full(len(survey), 0.01)),
        mass_constraint(models["mass"], np.where(giants, survey["MASS"], np.nan), survey["MASS_ERR"]),
        cluster_metallicity_constraint(cluster),
        cluster_distance_constraint(models["abs_mag"], mag, extinction, cluster),
        cluster_age_constraint(models["log_age"], cluster),
    ]


@pytest.mark.parametrize("kind", ["none", "log g, sloped", "N", "all"])
def test_distances_masses_and_ages_come_back(survey, constraints, models, kind):
    fresh = make_survey(3000, random_state=5, **SURVEY)
    truth, X = labels_of(fresh), labels_of(survey)
    calibration = ConstraintCalibration(random_state=0).fit(X + planted(X, kind), constraints=constraints)
    old = truth + planted(truth, kind)
    new = calibration.transform(old)
    giants = truth[:, 1] < 3.3
    distance = 10 ** (-0.2 * (models["abs_mag"].predict(new) - models["abs_mag"].predict(truth))) - 1
    mass = models["mass"].predict(new[giants]) / models["mass"].predict(truth[giants]) - 1
    age = models["log_age"](new[giants]) - models["log_age"](truth[giants])
    assert abs(np.median(distance)) < 0.01
    assert abs(np.median(mass)) < 0.01
    assert abs(np.nanmedian(age)) < 0.02
    # In every label the typical star is within 3 errors.
    sigma = np.sqrt(np.diagonal(calibration.shift_covariance(old), axis1=1, axis2=2))
    assert (np.median(np.abs(new - truth) / sigma, axis=0) < 3).all()


def test_parallaxes_alone_bring_distances_back(survey, constraints, models):
    """They can't tell the labels apart, and the errors of the labels say so."""
    X = labels_of(survey)
    calibration = ConstraintCalibration(form="constant", random_state=0)
    calibration.fit(X + planted(X, "log g"), constraints=constraints[:1])
    new = calibration.transform(X + planted(X, "log g"))
    distance = 10 ** (-0.2 * (models["abs_mag"].predict(new) - models["abs_mag"].predict(X))) - 1
    assert abs(np.median(distance)) < 0.01
    alone = calibration.describe()
    together = ConstraintCalibration(form="constant", random_state=0).fit(X, constraints=constraints).describe()
    assert alone[4]["SHIFT_ERR"] > 1.5 * together[4]["SHIFT_ERR"]
    assert calibration.residuals_["parallax"][0] > 2000
    assert abs(calibration.residuals_["parallax"][1]) > 0.05 > 5 * abs(calibration.residuals_["parallax"][2])


def test_without_constraints_nothing_is_known():
    X = np.random.default_rng(0).normal(size=(50, 5)) * [200, 0.5, 0.2, 0.1, 0.1] + [4800, 2.5, 0, 0, 0.2]
    calibration = ConstraintCalibration(random_state=0).fit(X)
    np.testing.assert_array_equal(calibration.transform(X), X)
    assert [row["SHIFT_ERR"] for row in calibration.describe()] == pytest.approx([100, 0.1, 0.1, 0.1, 0.1])


def test_clusters_of_known_metallicity_fix_its_scale():
    """One [M/H] in each cluster says nothing of a constant shift, unless the clusters' metallicity is known."""
    rng = np.random.default_rng(0)
    logg = rng.uniform(1, 3.4, 300)
    cluster = np.array(["M67", "NGC 188", "NGC 6791"])[rng.integers(0, 3, 300)]
    true = np.select([cluster == "M67", cluster == "NGC 188"], [0.0, 0.1], 0.35)
    m_h = true + 0.05 + 0.06 * (logg - 2.2) + rng.normal(0, 0.02, 300)
    X = np.column_stack([3600 + 450 * logg + rng.normal(0, 60, 300), logg, m_h, np.zeros((300, 2))])
    free = ConstraintCalibration(random_state=0).fit(X, constraints=[cluster_metallicity_constraint(cluster)])
    known = [cluster_metallicity_constraint(cluster, m_h=true, scale_err=0.01)]
    fixed = ConstraintCalibration(random_state=0).fit(X, constraints=known)
    assert abs(np.polyfit(logg, fixed.transform(X)[:, 2] - true, 1)[0]) < 0.015
    assert abs(np.median(fixed.transform(X)[:, 2] - true)) < 0.01
    assert free.describe()[2]["SHIFT_ERR"] > 0.05


def test_few_common_stars_help(survey, constraints):
    X = labels_of(survey)
    target = np.full(X.shape, np.nan)
    target[:40] = X[:40]
    more = common_star_constraints(target, np.full(X.shape, [15.0, 0.03, 0.01, 0.02, 0.02]))
    old = X + planted(X, "all")
    calibration = ConstraintCalibration(form="constant", random_state=0).fit(old, constraints=[constraints[0], *more])
    errors = [row["SHIFT_ERR"] for row in calibration.describe()]
    assert (np.abs(np.median(calibration.transform(old) - X, axis=0)) < 3 * np.array(errors)).all()
    assert errors[4] < 0.006


def test_mistakes_are_named(constraints):
    with pytest.raises(InputError, match="'parallax' is about 3000 stars, not 10"):
        ConstraintCalibration().fit(np.ones((10, 5)), constraints=constraints)
    with pytest.raises(InputError, match="5 positive numbers"):
        ConstraintCalibration(prior_scale=[1, 2]).fit(np.random.default_rng(0).normal(size=(10, 5)))
    with pytest.raises(InputError, match="at least 50"):
        label_distribution_constraints(np.ones((10, 5)), 10)


def test_stored_and_loaded(survey, constraints, tmp_path):
    X = labels_of(survey)
    calibration = ConstraintCalibration(form="linear", random_state=0).fit(X, constraints=constraints[1:2])
    calibration.save(tmp_path / "a.cal")
    loaded = load_calibration(tmp_path / "a.cal")
    assert type(loaded) is ConstraintCalibration
    np.testing.assert_array_equal(loaded.transform(X), calibration.transform(X))


# ---- the check that warns


def test_nothing_is_reported_where_nothing_was_planted(survey, constraints, models):
    X = labels_of(survey)
    assert find_scale_shift(X, constraints) is None
    shape = label_distribution_constraints(models["labels"], len(X))
    assert find_scale_shift(X, [constraints[0], *shape]) is None


@pytest.mark.parametrize(("label", "size"), [("LOGG", 0.08), ("LOGG", -0.08), ("TEFF", 100.0), ("N_FE", 0.12)])
def test_a_shift_is_reported_with_its_size_and_effects(survey, constraints, models, label, size):
    """Parallaxes and the shape of the training set's distribution are there for every survey."""
    X = labels_of(survey)
    old = X + size * (np.array(LABEL_NAMES) == label)
    shape = label_distribution_constraints(models["labels"], len(X))
    giants = {name: models[name] for name in ("abs_mag", "mass", "log_age")}
    found = find_scale_shift(old, [constraints[0], *shape], **giants)
    assert found.label == label
    assert abs(found.size - size) < 3 * found.error + 0.15 * abs(size)
    if label == "LOGG":
        assert found.distance == pytest.approx(-size * 1.1, abs=0.03)
        assert ("too high" in found.message()) == (size > 0)
        assert "distances" in found.message()


def test_the_clump_tells(survey, models):
    X = labels_of(survey)
    is_clump = np.asarray(survey["TRUE_STAGE"] == "RC")
    at = float(np.median(survey["TRUE_ABS_MAG"][is_clump]))
    clump = clump_constraint(models["abs_mag"], is_clump, magnitude=(at, 0.02))
    assert find_scale_shift(X, [clump]) is None
    found = find_scale_shift(X + planted(X, "log g") * 2.5, [clump], abs_mag=models["abs_mag"])
    assert found.distance < -0.05


# ---- effects


def test_effects_are_those_of_small_shifts(models):
    X = models["labels"]
    X = X[X[:, 1] < 3.2][:200]
    effects = label_effects(X, **{name: models[name] for name in ("abs_mag", "mass", "ages")})
    step = np.array([1.0, 1e-3, 1e-3, 1e-3, 1e-3])
    for number in range(5):
        up, down = X + step * (np.arange(5) == number), X - step * (np.arange(5) == number)
        m_k = (models["abs_mag"].predict(up) - models["abs_mag"].predict(down)) / (2 * step[number])
        np.testing.assert_allclose(effects["distance"][:, number], -0.2 * np.log(10) * m_k, rtol=0.01, atol=1e-6)
        age = (models["log_age"](up) - models["log_age"](down)) / (2 * step[number])
        both = np.isfinite(age) & np.isfinite(effects["log_age"][:, number])
        assert both.sum() > 100
        close = np.isclose(effects["log_age"][both, number], age[both], rtol=0.03, atol=2e-3 / step[number] * 1e-2)
        assert close.mean() > 0.95  # the relation of mass and age has kinks


def test_no_shift_is_larger_than_labels_can_have():
    """M_K hangs on [C/Fe] by a trifle, so that a small offset asks for a shift of 100,000 dex."""
    abundance = np.random.default_rng(0).normal(scale=0.1, size=(500, 1))
    mag = -1.6 + 10.0 + 0.25  # at 1 kpc, and 0.25 mag fainter than the model says
    known = np.full(500, mag), np.zeros(500), np.ones(500), np.full(500, 1e-4)
    for slope, found in ((1e-6, None), (1.0, "C_FE")):
        parallax = parallax_constraint(lambda X, slope=slope: -1.6 + slope * X[:, 0], *known)
        shift = find_scale_shift(abundance, [parallax], names=("C_FE",))
        assert getattr(shift, "label", None) == found
    assert shift.size == pytest.approx(-0.25, abs=0.05)
