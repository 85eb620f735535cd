"""Options for the whole diagram, each formula by itself: without training."""

from types import SimpleNamespace

import numpy as np
import pytest
from scipy.special import ndtri

from skdistmass import AbsMagRegressor, CNMassRegressor
from skdistmass.estimators import whole_diagram
from skdistmass.estimators.robust import excess, intrinsic_scatter
from skdistmass.estimators.sources import Sources

LN = 0.2 * np.log(10.0)
X = np.array([[4800.0, 2.5, 0.0, 0.1, 0.2], [4700.0, 3.5, -0.1, np.nan, 0.3], [5000.0, 3.49, 0.1, np.nan, np.nan]])


def made(cls=AbsMagRegressor, **state):
    """A regressor that predicts log g, or its factor e, with a scatter of 0.3."""

    class Made(cls):
        def _predict_values(self, X, pipeline=None):
            return self._unlink(X[:, 1].copy())

    options = {"optional_labels": ("C_FE", "N_FE"), "baseline": "stellar"} if cls is AbsMagRegressor else {}
    model = Made(loss="student", **options)
    errors = SimpleNamespace(scatter=lambda X, noise: np.full(len(X), 0.3), quantile=ndtri)
    vars(model).update({"n_features_in_": 5, "label_columns_": {}, "errors_": errors, "pipeline_": None} | state)
    return model


def test_optional_labels_have_their_mean_and_no_error():
    model = made(fill_values_=np.array([9.0, 9.0, 9.0, 0.05, 0.25]))
    np.testing.assert_array_equal(model._filled(X), np.nan_to_num(X) + np.isnan(X) * [0, 0, 0, 0.05, 0.25])
    lacking = X.copy()
    lacking[0, 0] = np.nan
    assert model._complete(lacking).tolist() == [False, True, True]
    assert np.isnan(model._filled(lacking)[0, 0])
    errors = np.arange(1.0, 16.0).reshape(3, 5)
    known = model._known_errors(lacking, errors)
    np.testing.assert_array_equal(known, np.where(np.isnan(X), 0.0, errors))
    covariances = np.ones((3, 5, 5))
    found = model._known_errors(lacking, covariances)
    absent = np.isnan(X)
    np.testing.assert_array_equal(found, np.where(absent[:, :, None] | absent[:, None, :], 0.0, 1.0))
    assert (errors > 0).all()
    assert (covariances == 1).all()
    strict = AbsMagRegressor(baseline="stellar")
    strict.n_features_in_ = 5
    assert strict._complete(X).tolist() == [True, False, False]


def test_too_bright_dwarfs_are_binaries():
    labels = np.column_stack([np.full(6, 5500.0), [3.5, 3.49, 4.5, 4.5, 4.5, 4.5], np.zeros((6, 3))])
    is_binary = made()._binary_test(labels)
    # A fractional distance of 0.13, or of twice the scatter where that is more: here 0.2 mag, that is 0.184.
    fraction = np.array([0.131, 0.5, 0.129, -0.5, 0.183, 0.186])
    scatter = np.array([0.1, 0.1, 0.1, 0.1, 0.2, 0.2])
    residual = -np.log1p(fraction) / LN
    assert is_binary(residual, scatter).tolist() == [True, False, False, False, False, True]


@pytest.mark.parametrize("cls", [AbsMagRegressor, CNMassRegressor])
def test_sources_move_the_value_and_widen_the_interval(cls):
    labels = np.nan_to_num(X)
    model = made(
        cls, offsets_={"A": 0.0, "B": 0.2}, source_excess_={"A": 0.0, "B": 0.4}, between_sources_=0.6,
        fill_values_=np.zeros(5),
    )  # fmt: skip
    source = np.array(["B", "", "other"])
    coverage = [0.6827, 0.9]
    found = model.predict_with_interval(labels, coverage, source=source)
    offset, extra, z = np.array([0.2, 0.0, 0.0]), np.array([0.4, 0.0, 0.6]), ndtri(0.5 + 0.5 * np.array(coverage))
    center = labels[:, 1] + offset
    half = np.hypot(0.3, extra) * z[:, None]
    wanted = np.stack([center - half, center + half], axis=-1)
    np.testing.assert_allclose(model._link(found.interval), wanted)
    np.testing.assert_allclose(model._link(found.value), center)
    one = model.predict_with_interval(labels, 0.9, source="B")
    np.testing.assert_allclose(model._link(one.value), labels[:, 1] + 0.2)
    assert one.interval.shape == (3, 2)
    np.testing.assert_allclose(model._link(one.interval[0]), wanted[1, 0])
    # A value that is given has its offset already.
    given = model._unlink(np.array([2.0, np.nan, 3.0]))
    moved = model.predict_with_interval(labels, 0.9, value=given, source=source)
    np.testing.assert_allclose(model._link(moved.value), [2.0, labels[1, 1], 3.0])
    value, error = model.predict(labels, return_std=True, source=source)
    np.testing.assert_allclose(value, found.value)
    np.testing.assert_allclose(error, model.predict_with_interval(labels, source=source).error)
    plain = made(cls, fill_values_=np.zeros(5)).predict_with_interval(labels, 0.9, source=source)
    np.testing.assert_allclose(model._link(plain.value), labels[:, 1])
    np.testing.assert_allclose(model._link(plain.interval[:, 1]) - labels[:, 1], 0.3 * z[1])


def learned(rows, absent=0, reference=(True, False, False), cls=AbsMagRegressor):
    """A model that has learned the errors of residuals of three sources."""
    rng = np.random.default_rng(0)
    n = 60 * rows
    of = np.arange(n) % 3
    labels = np.column_stack([rng.normal(size=(n, 3)), np.zeros((n, 2))])
    labels[:absent, 4] = np.nan
    sources = Sources(of, np.array(reference), np.full(n, -1))
    fit = SimpleNamespace(offset=np.array([0.0, 0.3, -0.4]))
    error, link = rng.uniform(0.01, 0.05, n), fit.offset[of] + 1.0 + np.array([0.1, 0.2, 0.15])[of] * rng.normal(size=n)
    link[:absent] += 0.3 * rng.normal(size=absent)
    model = made(
        cls, _fits=[fit], _sources=sources, sources_=["A", "B", "C"], _error=error, fill_values_=np.zeros(5),
        error_model="paper",
    )  # fmt: skip
    if cls is AbsMagRegressor:
        model.baseline = None
        model._paper_errors = lambda: SimpleNamespace(fit=lambda *parts, **options: (parts, options))
    found = model._fit_errors(labels, link, np.ones(n), None, None)
    return model, found, link - fit.offset[of] - 1.0, error, of


@pytest.mark.parametrize("absent", [0, 30])
def test_excess_of_sources_and_of_missing_labels(absent):
    model, found, residual, error, of = learned(3, absent)
    without = np.arange(len(of)) < absent
    usual = (of == 0) & ~without
    least = intrinsic_scatter(residual[usual], error[usual], about_zero=True)
    missing = excess(intrinsic_scatter(residual[without], error[without], about_zero=True), least) if absent else 0.0
    assert model.missing_excess_ == pytest.approx(missing)
    assert (missing > 0.1) == (absent > 0)
    assert model.source_excess_["A"] == 0.0
    for number, name in ((1, "B"), (2, "C")):
        rows = of == number
        expected = np.sqrt(least**2 + missing**2 * without[rows].mean())
        scatter = intrinsic_scatter(residual[rows], error[rows], about_zero=True)
        assert model.source_excess_[name] == pytest.approx(excess(scatter, expected))
    assert model.source_excess_["B"] > 0.05
    assert model.between_sources_ == pytest.approx(np.sqrt((0.3**2 + 0.4**2) / 2))
    assert model.fading_excess_ == 0.0
    (labels, left, target_error, noise), options = found
    np.testing.assert_allclose(left, residual, atol=1e-12)
    extra = np.array([model.source_excess_[name] for name in "ABC"])[of]
    np.testing.assert_allclose(target_error, np.hypot(error, extra))
    assert noise is None
    assert options["spread"] == pytest.approx(np.std(residual))
    assert labels.shape == (180, 5)


def test_without_stars_of_the_reference_that_have_all_labels_the_others_tell():
    model, _, residual, error, of = learned(2, reference=(False, False, False))
    least = intrinsic_scatter(residual, error, about_zero=True)
    scatter = intrinsic_scatter(residual[of == 1], error[of == 1], about_zero=True)
    assert model.source_excess_["B"] == pytest.approx(excess(scatter, least))
    assert model.between_sources_ == pytest.approx(np.sqrt((0.3**2 + 0.4**2) / 3))
    alone = learned(2, reference=(True, True, True))[0]
    assert (alone.between_sources_, set(alone.source_excess_.values())) == (0.0, {0.0})


@pytest.mark.parametrize(
    ("model", "has"),
    [
        (AbsMagRegressor(), False),
        (AbsMagRegressor(baseline="stellar"), True),
        (AbsMagRegressor(loss="student"), True),
        (CNMassRegressor(), False),
        (CNMassRegressor(loss="student"), True),
    ],
)
def test_options_are_a_baseline_or_a_robust_loss(model, has):
    assert model._has_options() == has


def test_a_baseline_with_the_plain_loss_is_trained_once_and_to_the_end(monkeypatch):
    model, calls = AbsMagRegressor(baseline="stellar"), []

    def trainer(X, groups, fold, seed):
        return lambda *parts: calls.append((X, groups, fold, *parts))

    monkeypatch.setattr(model, "_trainer", trainer)
    y, weights, rows = np.arange(3.0), np.ones(3), np.array([True, False, True])
    model._train(X, y, weights, None, rows, np.random.RandomState(0), np.arange(3))
    ((labels, groups, fold, target, given, number),) = calls
    np.testing.assert_array_equal(labels, X[rows])
    assert (groups, fold.tolist(), target.tolist(), given.tolist()) == (None, [0, 2], [0.0, 2.0], [1.0, 1.0])
    assert number < 0  # the last round


def test_rounds_before_the_last_train_one_network_for_few_iterations(monkeypatch):
    asked = []
    monkeypatch.setattr(
        whole_diagram, "train_pipeline", lambda network, *parts, **options: asked.append((network, parts, options))
    )
    model = CNMassRegressor(loss="student", n_networks=3)
    train = model._trainer(np.zeros((4, 5)), None, np.arange(4), 7)
    weights = np.array([1.0, 0.0, 2.0, 3.0])
    for number in (0, -1):
        train(np.arange(4.0), weights, number)
    (early, parts, options), (late, _, last) = asked
    most = model._network().max_iter
    assert (early.max_iter, late.max_iter) == (min(40, most), most)
    assert (options["n_networks"], options["fold"]) == (1, None)
    assert (last["n_networks"], last["fold"].tolist()) == (3, [0, 2, 3])
    assert parts[1].tolist() == [0.0, 2.0, 3.0]
    assert parts[2].tolist() == [1.0, 2.0, 3.0]
    assert parts[3] is None
    # The same seed each time, so that rounds differ by their weights alone.
    assert options["rng"].randint(10**9) == last["rng"].randint(10**9)


def test_the_robust_fit_gets_the_scale_of_the_link_and_weights_of_mean_one(monkeypatch):
    asked = []

    def fit_robust(train, X, y, error, repeats, sources, is_binary):
        asked.append((X, y, error, repeats, sources, is_binary))
        return SimpleNamespace(model="model", without=["fold"])

    monkeypatch.setattr(whole_diagram, "fit_robust", fit_robust)
    sources = Sources(np.array([0, 1, 1]), np.array([True, False]), np.array([-1, 0, -1]))
    model = CNMassRegressor(loss="student")
    model._fits, model._error, model._sources = [], np.array([0.1, 0.2, 0.3]), sources
    rows = np.array([True, False, True])
    found = model._train(X, np.array([1.0, 2.0, 3.0]), np.array([2.0, 9.0, 6.0]), None, rows, np.random.RandomState(0))
    ((labels, y, error, repeats, of, is_binary),) = asked
    assert found == ("model", ["fold"])
    np.testing.assert_array_equal(labels, X[rows])
    np.testing.assert_allclose(y, np.log([1.0, 3.0]))
    np.testing.assert_allclose(error, [0.1, 0.1])  # of the logarithm
    np.testing.assert_allclose(repeats, [0.5, 1.5])
    assert (of.source.tolist(), of.cluster.tolist()) == ([0, 1], [-1, -1])
    assert is_binary is None
    assert len(model._fits) == 1
