"""Tests of the training space: which stars are inside, at the edge, outside."""

import pickle

import numpy as np
import pandas as pd
import pytest
from astropy.table import Table
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from scipy.special import logsumexp
from scipy.stats import multivariate_normal
from sklearn.base import clone
from sklearn.model_selection import KFold
from sklearn.utils.estimator_checks import parametrize_with_checks

from skdistmass.estimators.training_space import EDGE, INSIDE, MISSING, OUTSIDE, TrainingSpace
from skdistmass.exceptions import ColumnError, InputError, RowsLeftOutWarning
from skdistmass.labels import LABEL_NAMES, read_labels

pytestmark = pytest.mark.slow


@parametrize_with_checks([TrainingSpace(random_state=0)])
def test_scikit_learn_contract(estimator, check):
    check(estimator)


def make_branch(n_stars, seed=0):
    """Return made-up (Teff, log g, [M/H]) along a giant branch that is cooler for metal-rich stars."""
    rng = np.random.default_rng(seed)
    log_g = rng.uniform(1.5, 3.2, size=n_stars)
    m_h = rng.normal(-0.1, 0.25, size=n_stars)
    t_eff = 3650 + 450 * log_g - 400 * m_h + rng.normal(scale=50, size=n_stars)
    return np.column_stack([t_eff, log_g, m_h])


@pytest.fixture(scope="module")
def branch_space():
    return TrainingSpace(random_state=0).fit(make_branch(2000))


@pytest.fixture(scope="module")
def kepler_labels(real_data):
    table = Table.read(real_data("kepler_giants.fits"))
    labels = read_labels(table).values
    mass, error = (np.asarray(table[name], dtype=float) for name in ("MASS", "MASS_ERR"))
    with np.errstate(invalid="ignore"):
        good = (error / mass < 0.1) & (mass > 0.5) & (mass < 4)
    return labels[good & np.isfinite(labels).all(axis=1)]


@pytest.fixture(scope="module")
def kepler_space(kepler_labels):
    return TrainingSpace(random_state=0).fit(kepler_labels)


# ---- the score


def test_score_is_the_log_density_of_a_gaussian_mixture(branch_space):
    density = branch_space.density_
    X = make_branch(50, seed=1) + np.array([300, 0.5, -0.4])
    z = (X - density.location) / density.scale @ density.whitening
    terms = [
        np.log(weight) + multivariate_normal(mean, np.linalg.inv(factor @ factor.T)).logpdf(z)
        for weight, mean, factor in zip(density.weights, density.means, density.precisions_cholesky, strict=True)
    ]
    np.testing.assert_allclose(branch_space.score_samples(X), logsumexp(terms, axis=0), rtol=1e-10)
    assert density.weights.sum() == pytest.approx(1)


def test_score_does_not_depend_on_the_other_rows(branch_space):
    X = make_branch(9000, seed=2)
    scores = branch_space.score_samples(X)
    picked = [0, 4095, 4096, 8999]
    np.testing.assert_allclose(branch_space.score_samples(X[picked]), scores[picked], rtol=1e-12)


def test_units_of_the_labels_do_not_matter(branch_space):
    factors, shifts = np.array([1e-3, 50.0, 1e4]), np.array([7.0, -3.0, 1e5])
    X = make_branch(300, seed=3)
    other = TrainingSpace(random_state=0).fit(make_branch(2000) * factors + shifts)
    np.testing.assert_allclose(other.score_samples(X * factors + shifts), branch_space.score_samples(X), rtol=1e-5)


@settings(max_examples=100, deadline=None)
@given(arrays(np.float64, (5, 3), elements=st.floats(allow_nan=True, allow_infinity=True)))
def test_any_numbers_get_a_score_or_are_missing(branch_space, X):
    scores, answers = branch_space.score_samples(X), branch_space.classify(X)
    np.testing.assert_array_equal(np.isnan(scores), answers == MISSING)
    assert (answers[~np.isfinite(X).all(axis=1)] == MISSING).all()
    assert not np.isinf(scores).any()
    np.testing.assert_array_equal(branch_space.predict(X) == 1, answers <= EDGE)


def test_lower_and_lower_the_farther_out(branch_space):
    star = np.tile([4700.0, 2.4, -0.1], (12, 1))
    star[:, 1] += np.geomspace(1, 1e300, 12)
    scores = branch_space.score_samples(star)
    assert (np.diff(scores) <= 0).all()
    assert scores[0] < branch_space.offset_


# ---- the limits


def test_answers_follow_the_thresholds(branch_space):
    X = make_branch(3000, seed=4) * np.array([1.02, 1.0, 1.0])
    scores, answers = branch_space.score_samples(X), branch_space.classify(X)
    outside, edge = branch_space.thresholds_
    assert outside == branch_space.offset_ < edge
    np.testing.assert_array_equal(answers == OUTSIDE, scores < outside)
    np.testing.assert_array_equal(answers == INSIDE, scores >= edge)
    assert set(answers) == {INSIDE, EDGE, OUTSIDE}
    np.testing.assert_array_equal(branch_space.answer([outside, edge, np.nan]), [EDGE, INSIDE, MISSING])


@pytest.mark.parametrize(("outside", "edge"), [(0.01, 0.04), (0.05, 0.15)])
def test_fractions_hold_for_new_stars(outside, edge):
    space = TrainingSpace(outside_fraction=outside, edge_fraction=edge, random_state=0).fit(make_branch(3000))
    answers = space.classify(make_branch(40000, seed=5))
    # The limits rest on 3000 * fraction training stars: three times the counting error.
    assert np.mean(answers == OUTSIDE) == pytest.approx(outside, abs=3 * np.sqrt(outside / 3000))
    assert np.mean(answers == EDGE) == pytest.approx(edge, abs=3 * np.sqrt((outside + edge) / 3000))


def test_out_of_fold_scores_give_the_limits(branch_space):
    np.testing.assert_allclose(np.quantile(branch_space.oof_scores_, [0.01, 0.05]), branch_space.thresholds_)
    assert branch_space.oof_scores_.shape == (2000,)


def test_repeated_spectra_stay_in_one_fold():
    X = np.repeat(make_branch(60), 20, axis=0)
    star = np.repeat([f"2M{i:04d}" for i in range(60)], 20)
    apart = TrainingSpace(random_state=0).fit(X)
    together = TrainingSpace(random_state=0).fit(X, groups=star)
    # Scored by its own copies a star looks well covered; the final density is the same.
    assert np.median(together.oof_scores_) < np.median(apart.oof_scores_) - 0.1
    np.testing.assert_array_equal(together.density_.means, apart.density_.means)


def test_groups_must_fit_the_rows():
    with pytest.raises(ValueError, match="groups has shape"):
        TrainingSpace().fit(make_branch(30), groups=np.arange(29))
    with pytest.raises(InputError, match="only 1 groups"):
        TrainingSpace().fit(make_branch(30), groups=np.zeros(30))


# ---- what is inside and what is not


def test_hollows_and_corners_are_outside(branch_space):
    # Each label is common by itself; together they are a star of no kind that was trained on.
    stars = [[4400, 3.1, -0.1], [5050, 1.7, -0.1], [4300, 2.3, -0.7], [5000, 2.4, 0.4]]
    assert (branch_space.classify(stars) == OUTSIDE).all()
    assert (branch_space.classify([[4700, 2.4, -0.1], [4500, 2.0, 0.0]]) == INSIDE).all()


@pytest.mark.parametrize("n_mistaken", [1, 3, 10])
def test_mistaken_stars_carve_no_space(n_mistaken):
    rng = np.random.default_rng(1)
    mistaken = np.array([4750.0, 4.6, 0.0]) + rng.normal(size=(n_mistaken, 3)) * [20, 0.02, 0.02]
    space = TrainingSpace(random_state=0).fit(np.vstack([make_branch(2000), mistaken]))
    assert (space.classify(mistaken) == OUTSIDE).all()
    assert (space.classify(np.array([[4750, 4.5, 0.0], [4800, 4.7, 0.1]])) == OUTSIDE).all()
    assert np.mean(space.predict(make_branch(2000, seed=8)) == 1) > 0.97


def test_a_label_that_is_the_same_for_all_stays_so():
    X = make_branch(500)
    X[:, 2] = -0.3
    space = TrainingSpace(random_state=0).fit(X)
    np.testing.assert_array_equal(space.classify([[4750, 2.2, -0.3], [4750, 2.2, 0.2]]), [INSIDE, OUTSIDE])


def test_collinear_labels():
    X = make_branch(500)
    X = np.column_stack([X, X[:, 1] - X[:, 2]])
    space = TrainingSpace(random_state=0).fit(X)
    star = np.median(X, axis=0)
    stars = np.array([star, star])
    stars[:, 3] = star[1] - star[2] + np.array([0, 1])
    np.testing.assert_array_equal(space.classify(stars), [INSIDE, OUTSIDE])


@pytest.mark.parametrize("n_stars", [2, 3, 9])
@pytest.mark.parametrize("n_labels", [1, 5, 10])
def test_tiny_sets(n_stars, n_labels):
    X = np.random.default_rng(0).normal(size=(n_stars, n_labels))
    space = TrainingSpace(random_state=0).fit(X)
    assert len(space.density_.weights) == 1
    assert np.isfinite(space.score_samples(X)).all()
    assert (space.classify(X + 1000) == OUTSIDE).all()


def test_identical_stars():
    space = TrainingSpace(random_state=0).fit(np.ones((50, 2)))
    np.testing.assert_array_equal(space.classify([[1, 1], [1, 2]]), [INSIDE, OUTSIDE])


# ---- input


def test_tables_are_read_by_name():
    X = make_branch(400)
    names = ("TEFF", "LOGG", "M_H")
    table = Table({"APOGEE_ID": ["x"] * 400, "FE_H": X[:, 2], "LOGG": X[:, 1], "TEFF": X[:, 0]})
    space = TrainingSpace(label_names=names, random_state=0).fit(table)
    assert space.label_columns_ == {"TEFF": "TEFF", "LOGG": "LOGG", "M_H": "FE_H"}
    np.testing.assert_array_equal(space.feature_names_in_, names)
    by_array = TrainingSpace(label_names=names, random_state=0).fit(X)
    np.testing.assert_array_equal(space.score_samples(table), by_array.score_samples(X))
    np.testing.assert_array_equal(space.score_samples(table.to_pandas()), by_array.score_samples(X))
    np.testing.assert_array_equal(by_array.score_samples(table), by_array.score_samples(X))
    # A model trained on [Fe/H] keeps to it where a table has both.
    table["M_H"] = X[:, 2] + 0.3
    np.testing.assert_array_equal(space.score_samples(table), by_array.score_samples(X))
    # Refitted on an array, no name is left.
    assert not hasattr(space.fit(X), "feature_names_in_")


def test_wrong_tables():
    table = Table({"TEFF": [4700.0, 4800.0], "LOGG": [2.4, 2.5]})
    with pytest.raises(ColumnError, match="no column M_H"):
        TrainingSpace().fit(table)
    with pytest.raises(ColumnError, match="no column M_H"):
        TrainingSpace().fit(table.to_pandas())
    other = TrainingSpace(random_state=0).fit(pd.DataFrame(make_branch(100), columns=["a", "b", "c"]))
    with pytest.raises(ValueError, match="no column a; the table has: TEFF, LOGG, M_H"):
        other.predict(pd.DataFrame(make_branch(100), columns=["TEFF", "LOGG", "M_H"]))
    array = TrainingSpace(random_state=0).fit(make_branch(100))
    five = {name: [1.0, 2.0] for name in LABEL_NAMES}
    with pytest.raises(InputError, match="trained on an array of 3 columns without names"):
        array.predict(five)


def test_missing_labels():
    X = make_branch(400)
    holed = np.vstack([X, [4700, np.nan, 0], [4700, -9999.99, 0], [4700, np.inf, 0]])
    with pytest.warns(RowsLeftOutWarning, match="3 of 403 rows"):
        space = TrainingSpace(random_state=0).fit(holed)
    np.testing.assert_array_equal(space.score_samples(X), TrainingSpace(random_state=0).fit(X).score_samples(X))
    np.testing.assert_array_equal(np.flatnonzero(np.isnan(space.oof_scores_)), [400, 401, 402])
    bad = np.ma.masked_array([[4700.0, 2.4, -0.1], [4700.0, 2.4, -0.1]], mask=[[0, 0, 0], [0, 1, 0]])
    np.testing.assert_array_equal(space.classify(bad), [INSIDE, MISSING])
    np.testing.assert_array_equal(space.predict(bad), [1, -1])
    assert space.classify(np.empty((0, 3))).shape == (0,)


def test_nothing_to_learn_from():
    X = make_branch(5)
    X[1:, 0] = np.nan
    with (
        pytest.warns(RowsLeftOutWarning, match="4 of 5"),
        pytest.raises(InputError, match="only 1 training stars have all labels"),
    ):
        TrainingSpace().fit(X)


def test_same_seed_same_result_and_pickle(branch_space):
    X = make_branch(100, seed=6)
    again = clone(branch_space).fit(make_branch(2000))
    np.testing.assert_array_equal(again.score_samples(X), branch_space.score_samples(X))
    np.testing.assert_array_equal(again.thresholds_, branch_space.thresholds_)
    np.testing.assert_array_equal(pickle.loads(pickle.dumps(again)).classify(X), branch_space.classify(X))


# ---- explanations


def test_explanation_names_the_label_that_was_changed(branch_space):
    X = make_branch(200, seed=7)
    for j, shift in enumerate([1500, 2.0, 2.5]):
        changed = X.copy()
        changed[:, j] += shift
        explained = branch_space.explain(changed)
        assert (explained.answer == OUTSIDE).all()
        assert np.mean(explained.label == f"x{j}") > 0.95
        np.testing.assert_array_equal(explained.gain.argmax(axis=1), [int(label[1]) for label in explained.label])


def test_fitting_value_is_the_best_on_a_fine_grid(branch_space):
    star = np.array([4750.0, 4.5, 0.0])
    explained = branch_space.explain([star])
    assert explained.label[0] == "x1"
    tried = np.tile(star, (2001, 1))
    tried[:, 1] = np.linspace(0, 5, 2001)
    best = branch_space.score_samples(tried).max()
    found = branch_space.score_samples([star])[0] + explained.gain[0, 1]
    # The peak of the best Gaussian, so at most log(number of Gaussians) below the peak of their sum.
    assert best - np.log(len(branch_space.density_.weights)) < found <= best + 1e-6
    refitted = [[star[0], explained.fitting_value[0], star[2]]]
    np.testing.assert_allclose(branch_space.score_samples(refitted), found)
    np.testing.assert_array_equal(branch_space.classify(refitted), explained.fitting_answer)


def test_messages(branch_space):
    stars = [[4700, 2.4, -0.1], [4750, 4.5, 0.0], [4700, np.nan, 0.0], [9000, 4.5, -3.0]]
    explained = branch_space.explain(stars)
    good, single, missing, several = explained.messages()
    assert good == "inside"
    assert single.startswith("outside: x1 = 4.5 (")
    assert single.endswith("would be inside)")
    assert missing == "missing: x1 has no value"
    assert several.endswith("would come closer)")
    assert (explained.gain[[0, 1, 3]] >= 0).all()
    assert np.isnan(explained.gain[2]).all()


# ---- real stars


def test_held_back_kepler_giants(kepler_labels):
    answers = np.full(len(kepler_labels), MISSING)
    for train, test in KFold(5, shuffle=True, random_state=1).split(kepler_labels):
        space = TrainingSpace(random_state=0).fit(kepler_labels[train])
        answers[test] = space.classify(kepler_labels[test])
    assert 0.95 <= np.mean(answers <= EDGE) <= 0.995
    assert np.mean(answers == INSIDE) == pytest.approx(0.95, abs=0.015)
    # Thinly covered, but covered.
    assert np.mean(answers[kepler_labels[:, 1] < 1.5] == OUTSIDE) < 0.15
    assert np.mean(answers[kepler_labels[:, 2] < -0.5] == OUTSIDE) < 0.2


@pytest.mark.parametrize(("label", "value"), [("LOGG", 4.5), ("M_H", -2.0)])
def test_no_giant_with_a_dwarfs_gravity_or_a_halo_metallicity(kepler_labels, kepler_space, label, value):
    changed = kepler_labels.copy()
    changed[:, LABEL_NAMES.index(label)] = value
    assert np.mean(kepler_space.classify(changed) == OUTSIDE) > 0.995


def test_stars_no_giant_looks_like(kepler_space):
    stars = [[5400, 1.5, 0, 0, 0.2], [4200, 3.3, 0, 0, 0.2], [4800, 2.5, 0, 0.5, -0.3], [4800, 2.5, 0, -0.4, 0.8]]
    assert (kepler_space.classify(dict(zip(LABEL_NAMES, np.transpose(stars), strict=True))) == OUTSIDE).all()


def test_dwarfs_are_outside(kepler_space, real_data):
    labels = read_labels(Table.read(real_data("dwarfs.fits"))).values
    dwarfs = labels[np.isfinite(labels).all(axis=1) & (labels[:, 1] > 3.8)]
    assert len(dwarfs) > 100
    assert np.mean(kepler_space.predict(dwarfs) == -1) > 0.99
