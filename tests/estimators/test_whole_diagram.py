"""Options of AbsMagRegressor for the whole diagram."""

import pickle

import numpy as np
import pytest

from skdistmass import AbsMagRegressor, CNMassRegressor, LevenbergMarquardtMLPRegressor
from skdistmass.estimators.robust import student_weights
from skdistmass.estimators.stellar_baseline import StellarBaseline
from skdistmass.exceptions import InputError

pytestmark = pytest.mark.slow

NETWORK = LevenbergMarquardtMLPRegressor(hidden_layer_sizes=(4,), alpha=1.0, max_iter=60, n_starts=2)
RECIPE = {"network": NETWORK, "n_networks": 1, "n_folds": 2, "random_state": 0}


def make_stars(n, seed=0):
    """Giants and dwarfs whose magnitude is the baseline's, a smooth term, and noise of known size."""
    rng = np.random.default_rng(seed)
    dwarf = rng.random(n) < 0.2
    log_g = np.where(dwarf, rng.uniform(3.8, 4.6, n), rng.uniform(1.5, 3.2, n))
    temperature = np.where(dwarf, rng.uniform(5200, 6300, n), 3700 + 430 * log_g + rng.normal(0, 60, n))
    metals = rng.uniform(-0.6, 0.3, n)
    labels = np.column_stack([temperature, log_g, metals, rng.normal(0, 0.1, n), rng.normal(0.2, 0.1, n)])
    abs_mag = StellarBaseline().fit(labels[:2, :3], [0.0, 0.0]).predict(labels[:, :3])
    abs_mag = abs_mag + 0.1 * np.sin(3 * log_g) - 0.5 * (labels[:, 3] - labels[:, 4] + 0.2) * ~dwarf
    error = rng.uniform(0.02, 0.08, n)
    return labels, abs_mag, abs_mag + error * rng.standard_normal(n), error


@pytest.fixture(scope="module")
def fitted():
    labels, truth, target, error = make_stars(1500)
    intrinsic = 0.05 * np.random.default_rng(1).standard_normal(len(target))
    truth, target = truth + intrinsic, target + intrinsic
    source = np.where(np.arange(len(labels)) % 4 == 0, "B", "A")
    target = target + 0.25 * (source == "B")
    labels = labels.copy()
    labels[::3, 3:] = np.nan
    target[5::50] -= 2.0  # wrong distances
    model = AbsMagRegressor.whole_diagram(**RECIPE).fit(labels, target, y_err=error, source=source)
    return model, labels, truth, source


def test_outliers_do_not_count(fitted):
    model, labels, truth, _ = fitted
    complete = np.isfinite(labels).all(axis=1)
    difference = model.predict(labels) - truth
    assert abs(np.median(difference[complete])) < 0.02
    assert np.median(np.abs(difference[complete])) < 0.05


def test_offset_of_a_source(fitted):
    model, labels, _, source = fitted
    assert model.offsets_["A"] == 0.0
    assert model.offsets_["B"] == pytest.approx(0.25, abs=0.05)
    added = model.predict(labels, source=source) - model.predict(labels)
    assert np.allclose(added, np.where(source == "B", model.offsets_["B"], 0.0))


def test_stars_without_abundances_have_larger_errors(fitted):
    model, labels, truth, _ = fitted
    absent = np.isnan(labels).any(axis=1)
    found = model.predict_with_interval(labels)
    assert np.isfinite(found.value).all()
    assert np.median(found.error[absent]) > np.median(found.error[~absent])
    inside = np.abs(truth - found.value) < found.error
    assert 0.5 < inside[absent].mean() < 0.85
    assert 0.5 < inside[~absent].mean() < 0.85


def test_unknown_source_has_a_larger_error(fitted):
    model, labels, _, _ = fitted
    known, unknown = (model.predict_with_interval(labels[1:20], source=name) for name in ("A", "another survey"))
    assert np.array_equal(known.value, unknown.value)
    assert (unknown.error > known.error).all()


def test_jacobian_is_exact(fitted):
    model, labels, _, _ = fitted
    rows = labels[1:60]
    for column, step in enumerate([1e-2, 1e-5, 1e-5, 1e-5, 1e-5]):
        shift = np.zeros(5)
        shift[column] = step
        numeric = (model.predict(rows + shift) - model.predict(rows - shift)) / (2 * step)
        known = np.isfinite(rows[:, column])
        assert np.allclose(model.jacobian(rows)[known, column], numeric[known], atol=1e-5, rtol=1e-4)


def test_far_from_the_training_stars_physics_remains(fitted):
    model = fitted[0]
    far = np.array([[4000.0, 0.0, -2.4, np.nan, np.nan], [4300.0, 4.9, -1.5, 0.0, 0.2]])
    baseline = model.pipeline_.baseline.predict(far[:, :3])
    assert np.allclose(model.predict(far), baseline, atol=0.01)
    assert model.fading_excess_ > 0.03
    assert model.predict_with_interval(far).error.min() > 0.99 * model.fading_excess_


def test_a_cluster_stays_in_one_fold_and_its_distance_is_learned():
    labels, _, target, error = make_stars(600)
    cluster = np.full(600, "", dtype="U8")
    cluster[:40] = "M 1"
    target[:40] += 0.2
    model = AbsMagRegressor.whole_diagram(**RECIPE).fit(labels, target, y_err=error, cluster=cluster)
    assert len(set(model.fold_[:40])) == 1
    assert 0.1 < model.cluster_offsets_["M 1"] < 0.25


def test_binaries_among_dwarfs_are_left_out():
    labels, truth, target, error = make_stars(1500)
    dwarf = np.flatnonzero(labels[:, 1] > 3.5)
    target[dwarf[::5]] -= 0.7
    model = AbsMagRegressor.whole_diagram(**RECIPE, error_model=None).fit(labels, target, y_err=error)
    assert 0.8 * len(dwarf[::5]) < model.n_binaries_ < 1.3 * len(dwarf[::5])
    assert abs(np.median((model.predict(labels) - truth)[dwarf])) < 0.03


def test_auto_filter_spares_giants_with_the_plain_loss():
    labels, _, target, error = make_stars(800)
    giants = labels[:, 1] < 3.5
    target[giants] -= 0.5 * (np.arange(giants.sum()) % 10 == 0)
    model = AbsMagRegressor(**RECIPE, error_model=None, binary_filter="auto").fit(labels, target, y_err=error)
    assert model.n_rows_ >= giants.sum()


def test_physical_baseline_with_the_plain_loss_keeps_the_meaning_of_weights():
    """A weight of 2 is a repeated row: to the tolerance of the training, as without a baseline."""
    labels, _, target, _ = make_stars(300)
    network = LevenbergMarquardtMLPRegressor(hidden_layer_sizes=(2,), alpha=1.0, max_iter=500, tol=1e-12, n_starts=2)
    model = AbsMagRegressor(network=network, n_networks=1, error_model=None, random_state=0, baseline="stellar")
    weights = np.where(np.arange(300) < 100, 2.0, 1.0)
    once = model.fit(labels, target, sample_weight=weights).predict(labels)
    space = model.pipeline_.physical.fading
    rows = np.concatenate([np.arange(300), np.arange(100)])
    twice = model.fit(labels[rows], target[rows]).predict(labels)
    same_space = model.pipeline_.physical.fading
    inside = (space.weight(labels[:, :3]) > 0.99) & (same_space.weight(labels[:, :3]) > 0.99)
    assert np.abs(once - twice)[inside].max() < 0.02


def test_pickle_and_out_of_fold(fitted):
    model, labels, _, source = fitted
    copy = pickle.loads(pickle.dumps(model))
    assert np.array_equal(copy.predict(labels, source=source), model.predict(labels, source=source))
    assert np.array_equal(copy.predict_out_of_fold(labels, model.fold_), model.oof_prediction_)


def test_mistakes_are_named():
    labels, _, target, error = make_stars(100)
    with pytest.raises(InputError, match="robust loss"):
        AbsMagRegressor().fit(labels, target, y_err=error, source=np.full(100, "A"))
    with pytest.raises(InputError, match="optional"):
        AbsMagRegressor(optional_labels=("C_FE",)).fit(labels, target, y_err=error)
    with pytest.raises(InputError, match="source has shape"):
        AbsMagRegressor.whole_diagram(**RECIPE).fit(labels, target, y_err=error, source=["A"])
    with pytest.raises(InputError, match="TEFF, LOGG and M_H"):
        AbsMagRegressor(baseline="stellar").fit(labels[:, :2], target, y_err=error)
    with pytest.raises(InputError, match="LOGG among the labels"):
        AbsMagRegressor(binary_filter="auto").fit(labels[:, :1], target, y_err=error)
    recipe = AbsMagRegressor.whole_diagram(**RECIPE, reference_sources=("C",))
    with pytest.raises(InputError, match="reference_sources"):
        recipe.fit(labels, target, y_err=error, source=np.full(100, "A"))


def test_student_weights_fall_with_the_residual():
    weights = student_weights(np.linspace(0, 10, 50))
    assert (np.diff(weights) < 0).all()
    assert weights[-1] > 0


def test_robust_masses_of_two_scales():
    labels, _, _, _ = make_stars(1000)
    truth = np.exp(0.2 * (labels[:, 1] - 2.5) + 0.3 * labels[:, 2])
    rng = np.random.default_rng(2)
    error = 0.05 * truth
    mass = truth * np.exp(0.05 * rng.standard_normal(1000))
    source = np.where(np.arange(1000) % 3 == 0, "high", "reference")
    mass[source == "high"] *= 1.1
    mass[::40] *= 3.0
    model = CNMassRegressor(loss="student", **RECIPE).fit(labels, mass, y_err=error, source=source)
    assert abs(np.median(model.predict(labels) / truth) - 1) < 0.02
    assert model.offsets_["high"] == pytest.approx(np.log(1.1), abs=0.03)
    ratio = model.predict(labels, source="high") / model.predict(labels)
    assert np.allclose(ratio, np.exp(model.offsets_["high"]))
    interval = model.predict_with_interval(labels, 0.9).interval
    assert (interval[:, 0] > 0).all()
    step = np.array([0.0, 1e-5, 0.0, 0.0, 0.0])
    numeric = (model.predict(labels[:50] + step) - model.predict(labels[:50] - step)) / 2e-5
    assert np.allclose(model.jacobian(labels[:50])[:, 1], numeric, rtol=1e-4, atol=1e-6)
