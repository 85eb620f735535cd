"""Formulas of the estimators, by hand, and their derivatives by small differences."""

from types import SimpleNamespace

import numpy as np
import pytest
from sklearn.base import clone
from sklearn.neural_network import MLPRegressor
from sklearn.pipeline import Pipeline
from sklearn.preprocessing import StandardScaler

from skdistmass.estimators.fading import Fading
from skdistmass.estimators.label_calibration import label_effects
from skdistmass.estimators.label_calibration.constraint_calibration import ConstraintCalibration, prior_widths
from skdistmass.estimators.label_calibration.scale_check import ScaleShift, _effects, _misfit
from skdistmass.estimators.label_calibration.shift_terms import ShiftTerms, names_of_labels
from skdistmass.estimators.robust import excess, fit_robust, intrinsic_scatter, student_weights
from skdistmass.estimators.sources import Sources, checked_names, join_groups, number_sources
from skdistmass.estimators.stellar_baseline import _CORRECTION, StellarBaseline, _isochrone_terms, scaled_labels
from skdistmass.estimators.stellar_network import Correction, StellarNetwork, fit_fadings, shift_terms
from skdistmass.exceptions import InputError

RNG = np.random.default_rng(0)
GIANTS = RNG.normal(size=(300, 5)) * [200.0, 0.5, 0.2, 0.05, 0.1] + [4800.0, 2.5, -0.2, 0.0, 0.2]


def differences(function, X, steps):
    """Derivatives of a function of labels by each label, in the last axis."""
    ends = [[function(X + side * step * np.eye(len(steps))[k]) for side in (1, -1)] for k, step in enumerate(steps)]
    return np.stack([(above - below) / (2 * step) for (above, below), step in zip(ends, steps, strict=True)], axis=-1)


# ---- terms of a shift of labels


def test_terms_of_a_shift():
    X = np.array([[1.0, 5.0, 0.0], [3.0, 7.0, 1.0], [5.0, 9.0, 2.0]])
    terms = ShiftTerms.from_stars(X, ("TEFF", "x", "M_H"))
    assert terms.columns.tolist() == [0, 2]
    z = np.sqrt(1.5) * np.array([-1.0, 0.0, 1.0])
    np.testing.assert_allclose(terms(X), np.column_stack([np.ones(3), z, z, *[z**2 - 1.0] * 3]), atol=1e-12)
    # Limited to the range of the stars; a star without a label has the mean terms.
    np.testing.assert_allclose(terms(np.array([[9.0, 0.0, 9.0]])), terms(X[2:]))
    assert terms(np.array([[np.nan, 0.0, 9.0]])).tolist() == [[1.0, 0.0, 0.0, 0.0, 0.0, 0.0]]
    assert [terms.count(form) for form in ("constant", "linear", "smooth")] == [1, 3, 6]
    assert terms.corners(3).tolist() == [[1.0, 0.0, 0.0], [1.0, 0.0, 2.0], [5.0, 0.0, 0.0], [5.0, 0.0, 2.0]]
    constant = ShiftTerms.from_stars(np.ones((4, 1)), ("y",))
    assert constant.scale.tolist() == [1.0]


def test_slopes_of_the_terms_are_their_derivatives():
    terms, steps = ShiftTerms.from_stars(GIANTS, names_of_labels(None, 5)), [1.0, 1e-3, 1e-3, 1e-3, 1e-3]
    inner = GIANTS[np.abs(GIANTS - GIANTS.mean(axis=0)).max(axis=1) < 400]
    inner = inner[((inner > GIANTS.min(axis=0) + steps) & (inner < GIANTS.max(axis=0) - steps)).all(axis=1)]
    np.testing.assert_allclose(terms.slopes(inner), differences(terms, inner, steps), atol=1e-8)
    far = np.array([[9000.0, 2.5, np.nan, 0.0, 0.0], [9000.0, 2.5, -0.2, 0.0, 0.0]])
    slopes = terms.slopes(far)
    assert (slopes[0] == 0).all()
    assert (slopes[1, :, 0] == 0).all()
    assert (slopes[1, :, 1] != 0).any()


def test_names_of_labels():
    assert names_of_labels(None, 3) == ("TEFF", "LOGG", "M_H")
    assert names_of_labels(None, 2) == ("x0", "x1")
    assert names_of_labels(["a"], 3) == ("a",)


# ---- stellar physics


def test_baseline_is_the_physics_of_a_star():
    X = np.array([[5772.0, 4.438, 0.0], [4800.0, 2.4, -0.3], [900.0, 0.0, 0.0]])
    powers, coef = _isochrone_terms()
    scaled = scaled_labels(X)
    np.testing.assert_allclose(scaled[1], [(np.log10(4800.0) - 3.7) / 0.1, -0.3, -0.3])
    assert scaled[2].tolist() == [-2.0, -1.5, 0.0]
    assert scaled_labels(np.array([[9e4, 9.0, 9.0], [1.0, -9.0, -9.0]])).tolist() == [
        [1.8, 1.1, 0.6],
        [-2.0, -1.65, -2.2],
    ]
    terms = np.prod(scaled[:, None, :] ** powers, axis=2)
    log_mass, correction = (terms @ coef).T
    log_l = log_mass - (X[:, 1] - 4.438) + 4.0 * np.log10(np.maximum(X[:, 0], 1000.0) / 5772.0)
    model = StellarBaseline().fit(X, np.zeros(3))
    np.testing.assert_allclose(model.predict(X), 4.74 - 2.5 * log_l - correction, rtol=1e-10)
    assert 10 ** log_mass[0] == pytest.approx(1.0, abs=0.1)
    with pytest.raises(InputError, match="2 columns"):
        StellarBaseline().fit(X[:, :2], np.zeros(3))
    # The correction has all terms up to the second degree, the constant first.
    of_degree = [[a, b, c] for a in range(3) for b in range(3) for c in range(3) if a + b + c <= 2]
    assert sorted(_CORRECTION.tolist()) == of_degree
    assert _CORRECTION[0].tolist() == [0, 0, 0]


def test_correction_of_the_baseline_is_a_fit_with_a_penalty():
    X = GIANTS[:, :3]
    plain = StellarBaseline().fit(X, np.zeros(300)).predict(X)
    weights, y = RNG.uniform(1.0, 3.0, 300), plain + 0.1 * RNG.normal(size=300) + 0.3
    model = StellarBaseline(correction_scale=0.2).fit(X, y, sample_weight=weights)
    terms = np.prod(scaled_labels(X)[:, None, :] ** _CORRECTION, axis=2)
    inverse_variance = weights / weights.mean() / 0.15**2
    penalty = np.diag([1.0, *[0.2**-2] * 9])
    found = np.linalg.solve((terms.T * inverse_variance) @ terms + penalty, terms.T @ (inverse_variance * (y - plain)))
    np.testing.assert_allclose(model.predict(X), plain + terms @ found, rtol=1e-9)


@pytest.mark.parametrize("scale", [0.0, 0.3])
def test_slopes_of_the_baseline_are_its_derivatives(scale):
    X = GIANTS[:, :3]
    model = StellarBaseline(correction_scale=scale).fit(X, np.zeros(300))
    np.testing.assert_allclose(
        model.jacobian(X), differences(model.predict, X, [0.5, 1e-4, 1e-4]), rtol=1e-5, atol=1e-7
    )
    # Beyond the isochrones only the physics is left, and no star is cooler than 1000 K.
    beyond = np.array([[9000.0, 5.5, 0.7], [900.0, 2.5, 0.0]])
    slopes = model.jacobian(beyond)
    np.testing.assert_allclose(slopes[0], [-10.0 / (9000.0 * np.log(10.0)), 2.5, 0.0])
    assert slopes[1, 0] == 0.0


@pytest.fixture(scope="module")
def fading():
    return Fading.fit(GIANTS[:, :3])


def test_weight_of_a_correction_fades(fading):
    score = fading.density.score(GIANTS[:, :3])
    assert fading.limit == pytest.approx(np.quantile(score, 0.01) - 5.0)
    assert fading.width == 1.5
    np.testing.assert_allclose(fading.weight(GIANTS[:, :3]), 1.0 / (1.0 + np.exp(-(score - fading.limit) / 1.5)))
    edge = GIANTS[:40, :3] * [1.0, 1.0, 1.0] + [700.0, 0.8, 0.3]
    expected = differences(fading.weight, edge, [0.1, 1e-4, 1e-4])
    np.testing.assert_allclose(fading.slope(edge), expected, rtol=1e-4, atol=1e-8)
    assert np.abs(expected).max() > 1e-4


@pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")
def test_a_star_has_the_corrections_that_its_labels_allow(fading):
    network = MLPRegressor(hidden_layer_sizes=2, activation="tanh", solver="lbfgs", random_state=0)
    lines = [
        Pipeline([("scaler", StandardScaler()), ("network", clone(network))]).fit(GIANTS[:, :n], GIANTS[:, 1] + 2.0)
        for n in (3, 5)
    ]
    corrections = fit_fadings(GIANTS)
    assert fit_fadings(GIANTS[:99])[1] is None
    assert fit_fadings(GIANTS[:100])[1] is not None
    baseline = StellarBaseline().fit(GIANTS[:, :3], np.zeros(300))
    model = StellarNetwork(baseline, *(Correction(*pair) for pair in zip(lines, corrections, strict=True)))
    X = GIANTS[:3].copy()
    X[0, 3] = np.nan
    weights = [corrections[0].weight(X[:, :3]), corrections[1].weight(X[1:])]
    expected = baseline.predict(X[:, :3]) + weights[0] * lines[0].predict(X[:, :3])
    expected[1:] += weights[1] * lines[1].predict(X[1:])
    np.testing.assert_allclose(model.predict(X), expected)
    np.testing.assert_allclose(model.faded(X), 1.0 - weights[0])
    np.testing.assert_allclose(model.lacking(X), [1.0, *(1.0 - weights[1])])
    assert (StellarNetwork(baseline, model.physical).lacking(X) == 0).all()
    np.testing.assert_allclose(
        model.jacobian(X[1:]), differences(model.predict, X[1:], [0.5, 1e-4, 1e-4, 1e-4, 1e-4]), rtol=1e-4, atol=1e-6
    )
    assert (model.jacobian(X)[0, 3:] == 0).all()


def test_terms_of_the_difference_between_giants():
    found = shift_terms(np.array([[5100.0, 2.5, -0.8], [9000.0, 9.0, 9.0], [1000.0, -9.0, -9.0]]))
    np.testing.assert_allclose(found, [[1.0, 0.5, 0.2, 1.0], [1.0, 2.0, 1.5, 3.0], [1.0, -2.0, -1.5, -2.0]])


# ---- robust training


def test_student_weights_and_scatters():
    np.testing.assert_allclose(student_weights(np.array([0.0, 2.0, 6.0])), [5 / 4, 5 / 8, 5 / 40])
    assert student_weights(np.array([2.0]), 1.0).tolist() == [2 / 5]
    residual, error = np.array([-0.3, -0.1, 0.0, 0.1, 0.3]), np.full(5, 0.05)
    wide = (1.4826 * 0.1) ** 2 - 0.05**2
    assert intrinsic_scatter(residual, error) == pytest.approx(np.sqrt((5 * wide + 20 * 0.01) / 25))
    wide = np.quantile(np.abs(residual), 0.6826895) ** 2 - 0.05**2
    assert intrinsic_scatter(residual, error, about_zero=True) == pytest.approx(np.sqrt((5 * wide + 0.2) / 25))
    assert intrinsic_scatter(residual, np.ones(5)) == pytest.approx(np.sqrt((5 * 0.02**2 + 0.2) / 25))
    assert intrinsic_scatter(residual[:0], error[:0]) == 0.1
    assert excess(0.5, 0.3) == pytest.approx(0.4)
    assert excess(0.3, 0.5) == 0.0


def test_rounds_of_a_robust_fit():
    """A mean of stars of two sources, of which the second is off, and a cluster; each number by hand."""
    y = np.array([0.0, 0.1, -0.1, 0.5, 0.6, 0.7, 0.3])
    error, repeats = np.full(7, 0.1), np.array([1.0, 2.0, 1.0, 1.0, 1.0, 1.0, 1.0])
    sources = Sources(np.array([0, 0, 0, 1, 1, 1, 0]), np.array([True, False]), np.array([-1, -1, 0, -1, -1, -1, 0]))
    calls = []

    def train(target, weights, number):
        mean = np.average(target, weights=weights)
        calls.append((target.copy(), weights.copy(), number, mean))
        return SimpleNamespace(predict=lambda X: np.full(len(X), mean)), ["without"]

    fit = fit_robust(train, np.zeros((7, 1)), y, error, repeats, sources, lambda r, s: (r < -3) & (s > 0), n_rounds=2)
    assert [number for _, _, number, _ in calls] == [0, -1]
    offset, cluster_offset, scatter, student = np.zeros(2), 0.0, np.full(2, 0.15), np.ones(7)
    of = sources.source
    for target, weights, _, mean in calls:
        own = repeats * student / (0.01 + scatter[of] ** 2)
        shared = own.copy()
        shared[[2, 6]] /= 1.0 + own[[2, 6]].sum() * 0.01
        np.testing.assert_allclose(target, y - offset[of])
        np.testing.assert_allclose(weights, shared)
        residual = y - mean
        offset[1] = (shared * residual)[3:6].sum() / (shared[3:6].sum() + 25.0)
        residual = residual - offset[of]
        cluster_offset = (own * residual)[[2, 6]].sum() / (own[[2, 6]].sum() + 100.0)
        residual[[2, 6]] -= cluster_offset
        scatter = np.array([intrinsic_scatter(residual[of == k], error[of == k]) for k in (0, 1)])
        student = student_weights(residual / np.hypot(0.1, scatter[of]))
    np.testing.assert_allclose(fit.offset, offset)
    np.testing.assert_allclose(fit.cluster_offset, [cluster_offset])
    np.testing.assert_allclose(fit.scatter, scatter)
    assert fit.kept.all()
    assert fit.without == ["without"]
    assert fit_robust(train, np.zeros((7, 1)), y, error, repeats, sources, lambda r, s: r == r.max()).kept.sum() == 6


def test_sources_and_clusters_are_numbered():
    names, clusters = np.array(["b", "a", "b", "c"]), np.array(["", "M67", "", "M3"])
    sources, source_names, cluster_names = number_sources(names, clusters, None)
    assert (source_names, cluster_names) == (["a", "b", "c"], ["M3", "M67"])
    assert sources.source.tolist() == [1, 0, 1, 2]
    assert sources.reference.tolist() == [False, True, False]  # the one with most stars
    assert sources.cluster.tolist() == [-1, 1, -1, 0]
    assert number_sources(names, clusters, ["a", "c"])[0].reference.tolist() == [True, False, True]
    with pytest.raises(InputError, match="none of reference_sources"):
        number_sources(names, clusters, ["d"])
    joined = join_groups(np.array([7, 8, 7, 9]), np.array(["", "M67", "", "M67"]), 4)
    assert joined[0] == joined[2] != joined[1] == joined[3]
    assert len(set(join_groups(None, np.array([""] * 3), 3))) == 3
    assert checked_names(np.ma.array([" x ", "y"], mask=[False, True]), 2, "source").tolist() == ["x", ""]
    with pytest.raises(InputError, match="source has shape"):
        checked_names(["x"], 2, "source")


# ---- shifts of scales, and their effects


def test_a_shift_in_words():
    others = (("LOGG", 0.05, 0.004, 90.0), ("TEFF", -42.4, 5.0, 86.1), ("M_H", 0.1, 0.01, 86.0))
    shift = ScaleShift("LOGG", 0.05, 0.004, 90.0, -0.023, 0.101, -0.0456, others)
    assert shift.message() == (
        "log g looks 0.050 +- 0.004 dex too high: distances -2.3 %, masses +10.1 %, ages -0.046 dex. "
        "As likely: Teff looks 42 +- 5 K too low."
    )
    bare = ScaleShift("TEFF", -42.4, 5.0, 90.0, np.nan, np.nan, np.nan, others[:1])
    assert bare.message() == "Teff looks 42 +- 5 K too low."


def test_effects_of_a_shift_are_medians_over_the_stars():
    X, shift = np.array([[1.0], [2.0], [np.nan]]), np.array([0.1])
    found = _effects(X, shift, ("x",), lambda X: X[:, 0], lambda X: X[:, 0] ** 2, lambda X: 3.0 * X[:, 0])
    ratios = [1.0 / 0.9**2 - 1.0, 4.0 / 1.9**2 - 1.0]
    np.testing.assert_allclose(found, [10.0**-0.02 - 1.0, np.mean(ratios), 0.3])
    assert np.isnan(_effects(X, shift, ("x",), None, None, None)).all()
    assert np.isnan(_effects(X[2:], shift, ("x",), lambda X: X[:, 0], None, None)[0])


def test_misfit_is_that_of_student_s_law_and_the_prior():
    linear = SimpleNamespace(residual=np.array([1.0, 2.0]))
    found = _misfit(linear, np.array([0.5, 0.0]), np.array([[1.0], [2.0]]), np.array([1.0]), np.array([3.0]))
    assert found == pytest.approx(3.0)
    found = _misfit(linear, np.array([0.5, 1.0]), np.array([[1.0], [2.0]]), np.array([0.5]), np.array([3.0]))
    assert found == pytest.approx(2 * 5.0 * np.log(1.0 + 1.0 / 4.0) + 0.75)


def test_effects_of_labels_follow_the_chain_rule():
    X = np.array([[4800.0, 2.5, 0.1, 0.0, 0.1], [4700.0, 2.0, 0.2, 0.0, 0.1]])
    slopes = np.array([[1e-4, 0.5, 0.2, 0.3, 0.4], [2e-4, 0.6, 0.1, 0.2, 0.3]])
    mass = SimpleNamespace(predict=lambda X: np.array([1.2, -1.0]), jacobian=lambda X: slopes)
    ages = SimpleNamespace(transform=lambda pairs: 10.0 - 3.0 * np.log(np.abs(pairs[:, :1])) + 0.5 * pairs[:, 1:])
    found = label_effects(X, abs_mag=mass, mass=mass, ages=ages)
    np.testing.assert_allclose(found["distance"], -0.2 * np.log(10.0) * slopes)
    np.testing.assert_allclose(found["mass"][0], slopes[0] / 1.2)
    assert np.isnan(found["mass"][1]).all()
    np.testing.assert_allclose(found["log_age"][0], -3.0 * slopes[0] / 1.2 + [0.0, 0.0, 0.5, 0.0, 0.0], atol=1e-9)
    assert set(label_effects(X, abs_mag=mass)) == {"distance"}


def test_prior_of_a_shift_is_narrower_for_higher_terms():
    labels = np.array([[4800.0, 0.0, 1.0], [4900.0, 6.0, 1.0], [5000.0, np.nan, 1.0]])
    assert prior_widths(labels, ("TEFF", "own", "even")).tolist() == [100.0, 1.0, 1.0]
    assert prior_widths(labels * [1.0, 2.0, 1.0], ("LOGG", "own", "even")).tolist() == [0.1, 2.0, 1.0]
    assert prior_widths(labels[:0], ("N_FE", "own", "even")).tolist() == [0.1, 1.0, 1.0]
    calibration = ConstraintCalibration()
    calibration.terms_ = ShiftTerms.from_stars(GIANTS, names_of_labels(None, 5))
    found = calibration._precision(np.array([2.0, 1.0]))
    expected = np.array([1.0, *[4.0] * 3, *[16.0] * 6])
    np.testing.assert_allclose(found, [expected / 4.0, expected])
