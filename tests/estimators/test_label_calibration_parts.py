"""The parts of calibrations without common stars, on numbers that can be checked by hand."""

import numpy as np
import pytest
from scipy import stats

from skdistmass.estimators.label_calibration import (
    Constraint,
    ConstraintCalibration,
    clump_constraint,
    cluster_age_constraint,
    cluster_distance_constraint,
    cluster_metallicity_constraint,
    common_star_constraints,
    find_scale_shift,
    label_distribution_constraints,
    mass_constraint,
    parallax_constraint,
    seismic_gravity_constraint,
)
from skdistmass.estimators.label_calibration.linear_constraints import compare, full_errors, group_medians, linearise
from skdistmass.estimators.label_calibration.robust_fit import excess_scatter, gain, loss_left_out, robust_fit
from skdistmass.estimators.label_calibration.shift_terms import ShiftTerms
from skdistmass.exceptions import InputError
from skdistmass.labels import LABEL_NAMES

X = np.array([[4500.0, 1.5, -0.2], [4700.0, 2.5, 0.0], [5000.0, 3.0, 0.2], [4800.0, 2.7, 0.1]])


def magnitudes(labels):
    return 2.0 * labels[:, 1] - 6.0


class Table:
    """A regressor trained on a table; what it predicts is log g."""

    feature_names_in_ = np.array(LABEL_NAMES)

    def predict(self, table):
        return table["LOGG"]


# ---- what is known of stars


def test_parallaxes_are_compared_as_distances_with_the_errors_of_photometry():
    mag, extinction, parallax, error = [10.0, 11.0], [0.1, 0.0], [1.0, -0.5], [0.02, 0.03]
    found = parallax_constraint(magnitudes, mag, extinction, parallax, error)
    per_mas = 10 ** (0.2 * np.array([9.9, 11.0]) - 2)
    np.testing.assert_allclose(found.value, [1.0, -0.5] * per_mas)
    # The errors of the parallax, of its zero point (0.01 mas), and of K and A_K (0.02 mag each) in the distance.
    photometric = np.hypot(0.02, 0.02) * 0.2 * np.log(10) * np.array([1.0, 0.5])
    wanted = np.sqrt(np.square(error) + 0.01**2 + photometric**2) * per_mas
    np.testing.assert_allclose(found.error, wanted)
    np.testing.assert_allclose(found.predict(X), 10 ** (0.2 * magnitudes(X)))
    assert (found.group_error, found.part_error, found.relative) == (0.005, 0.02, True)
    assert found.group.tolist() == [0, 0]
    of_table = parallax_constraint(Table(), mag, extinction, parallax, error)
    assert of_table.predict(np.full((1, 5), 2.5)) == pytest.approx(10**0.5)


def test_the_clump_is_where_most_of_its_stars_are():
    found = clump_constraint(magnitudes, [True, False, True, True])
    np.testing.assert_array_equal(found.value, [-1.61, np.nan, -1.61, -1.61])
    assert found.error.tolist() == [0.1] * 4
    # Hawkins et al. (2017), and 0.04 mag of the model.
    assert found.group_error == pytest.approx(np.hypot(0.02, 0.04))
    assert (found.part_error, found.relative) == (0.0, False)
    assert found.group.tolist() == [0] * 4
    # The mean of the middle half: of log g 2.5 and 2.7.
    np.testing.assert_allclose(found.predict(X), np.full(4, 2.0 * 2.6 - 6.0))
    other = clump_constraint(magnitudes, [True], magnitude=(-1.5, 0.03), width=0.2)
    assert (other.value[0], other.error[0]) == (-1.5, 0.2)
    assert other.group_error == pytest.approx(0.05)


def test_seismic_gravities_and_masses():
    gravity = seismic_gravity_constraint([2.4, np.nan], [0.01, 0.02])
    np.testing.assert_array_equal(gravity.value, [2.4, np.nan])
    assert gravity.error.tolist() == [0.01, 0.02]
    assert gravity.predict(X).tolist() == X[:, 1].tolist()
    assert (gravity.group_error, gravity.part_error, gravity.relative) == (0.005, 0.0, False)
    mass = mass_constraint(lambda labels: labels[:, 1] - 1.5, [1.2, 0.0, -1.0], [0.06, 0.1, 0.1])
    np.testing.assert_allclose(mass.value, [np.log(1.2), np.nan, np.nan])
    np.testing.assert_allclose(mass.error, [0.05, np.nan, np.nan])
    np.testing.assert_allclose(mass.predict(X), [np.nan, 0.0, np.log(1.5), np.log(1.2)], atol=1e-12)
    assert (mass.group_error, mass.part_error, mass.relative) == (0.01, 0.04, False)


def test_clusters_have_one_value_each():
    cluster = np.array(["M67", "", "NGC 188", "M67"])
    free, known = cluster_metallicity_constraint(cluster), cluster_metallicity_constraint(cluster, m_h=[0.1] * 4)
    for found, value, error in ((free, 0.0, np.inf), (known, 0.1, 0.03)):
        np.testing.assert_array_equal(found.value, [value, np.nan, value, value])
        assert found.group_error == error
        assert found.group[0] == found.group[3] != found.group[2] >= 0
        assert found.group[1] == -1
        assert found.error.tolist() == [0.03] * 4
        assert found.predict(X).tolist() == X[:, 2].tolist()
    photometry = np.full(4, 12.0), np.full(4, 0.5)
    distance = cluster_distance_constraint(magnitudes, *photometry, cluster)
    np.testing.assert_allclose(distance.value, [1.5, np.nan, 1.5, 1.5])  # at 1 kpc
    np.testing.assert_allclose(distance.error, np.hypot(0.02, 0.02))
    assert (distance.group_error, distance.part_error) == (np.inf, 0.04)
    distance = cluster_distance_constraint(magnitudes, *photometry, cluster, distance=[0.1, 0.1, np.nan, 0.1])
    np.testing.assert_allclose(distance.value, [6.5, np.nan, np.nan, 6.5])
    assert distance.group_error == pytest.approx(0.05 * 5 / np.log(10))
    age = cluster_age_constraint(lambda labels: labels[:, 0], cluster)
    np.testing.assert_array_equal(age.value, [9.5, np.nan, 9.5, 9.5])
    assert (age.group_error, age.error.tolist()) == (np.inf, [0.15] * 4)
    age = cluster_age_constraint(lambda labels: labels[:, 0], cluster, known=[9.6] * 4)
    assert (age.group_error, age.value[3]) == (0.1, 9.6)
    assert age.predict(X).tolist() == X[:, 0].tolist()


def test_common_stars_have_one_constraint_for_each_label():
    y = np.array([[4500.0, np.nan, 0.1], [4600.0, 2.0, np.nan]])
    found = common_star_constraints(y, [15.0, 0.03, 0.01], LABEL_NAMES[:3], scale_err=[5.0, 0.0, 0.01])
    assert [c.name for c in found] == ["TEFF of common stars", "LOGG of common stars", "M_H of common stars"]
    for number, constraint in enumerate(found):
        np.testing.assert_array_equal(constraint.value, y[:, number])
        assert constraint.predict(X).tolist() == X[:, number].tolist()
        assert constraint.group.tolist() == [0, 0]
    assert [c.error.tolist() for c in found] == [[15.0] * 2, [0.03] * 2, [0.01] * 2]
    assert [c.group_error for c in found] == [5.0, 0.0, 0.01]
    assert [c.group_error for c in common_star_constraints(y, [1.0] * 3, LABEL_NAMES[:3])] == [0.0] * 3


def test_each_label_follows_from_the_others_as_in_the_training_set():
    rng = np.random.default_rng(0)
    a, b = rng.normal(size=(2, 50))
    labels = np.column_stack([a, b, 1.0 + 0.5 * a - b + 0.2 * a * b + 0.1 * b**2 + 0.05 * rng.normal(size=50)])
    found = label_distribution_constraints(labels, 3, LABEL_NAMES[:3])
    assert [c.name for c in found] == [f"{name} of the training set" for name in LABEL_NAMES[:3]]
    last = found[2]
    design = np.column_stack([np.ones(50), a, b, a**2, a * b, b**2])
    left = labels[:, 2] - design @ np.linalg.lstsq(design, labels[:, 2])[0]
    width = np.median(np.abs(left)) / 0.6745
    np.testing.assert_allclose(last.error, np.full(3, width), rtol=1e-6)
    np.testing.assert_allclose(last.value, np.full(3, stats.trim_mean(left, 0.25)), atol=1e-9)
    assert last.group_error == pytest.approx(0.3 * width)
    assert last.group.tolist() == [0, 0, 0]
    shifted = labels + np.array([0.0, 0.0, 0.3])
    np.testing.assert_allclose(last.predict(shifted), np.full(50, stats.trim_mean(left, 0.25) + 0.3))
    with pytest.raises(InputError, match=r"^49 training stars"):
        label_distribution_constraints(np.vstack([labels[:49], [np.nan, 0.0, 0.0]]), 3)


# ---- made linear


def constraint(value, error, predict=magnitudes, group=None, group_error=0.0, part_error=0.0, relative=False):
    value, error = np.asarray(value, dtype=float), np.asarray(error, dtype=float)
    group = np.zeros(len(value), dtype=np.int64) if group is None else np.asarray(group)
    return Constraint("test", predict, value, error, group, group_error, part_error, relative)


def test_ratios_count_by_their_logarithm_and_poor_ones_not_at_all():
    relative, plain = (constraint([], [], relative=kind) for kind in (True, False))
    value, error = np.array([2.0, 2.0, 2.0, 0.0, 2.0]), np.array([0.1, 0.299, 0.3, 0.1, 0.1])
    predicted = np.array([1.0, 1.0, 1.0, 1.0, -1.0])
    wanted = [np.log(2) + 0.005, np.log(2) + 0.5 * 0.299**2, np.nan, np.nan, np.nan]
    np.testing.assert_allclose(compare(relative, value, error, predicted), wanted)
    np.testing.assert_allclose(compare(plain, value, error, predicted), value - predicted)


def test_rows_slopes_and_offsets_of_two_constraints():
    labels = np.vstack([X, [np.nan, 2.0, 0.0]])
    steps = np.array([1.0, 1e-3, 1e-3])
    first = constraint([1.0, np.nan, 2.0, 0.5, 0.0], [0.1, 0.1, 0.0, np.nan, 0.1], group_error=0.5)
    second = constraint(
        [1.0, 2.0, 3.0, 4.0, 5.0], [0.1, 0.2, 0.3, -0.1, 0.1], lambda labels: labels[:, 0] / 1000.0,
        [7, 8, 7, 8, 8], 0.0, 0.1, True,
    )  # fmt: skip
    found = linearise(labels, [first, second], steps)
    # No value, no error, an error below zero and an incomplete star give no row; an error of zero does.
    assert found.rows.tolist() == [0, 2, 0, 1, 2]
    assert found.kinds.tolist() == [0, 0, 1, 1, 1]
    np.testing.assert_allclose(found.slopes[:2], [[0.0, 2.0, 0.0]] * 2, atol=1e-9)
    np.testing.assert_allclose(found.slopes[2:, 0], 1.0 / X[:3, 0], rtol=1e-6)
    np.testing.assert_allclose(found.error, [0.1, 0.0, 0.1 / 4.5, 0.2 / 4.7, 0.3 / 5.0])
    np.testing.assert_allclose(found.residual[:2], [4.0, 2.0])
    np.testing.assert_allclose(found.residual[2], np.log(1.0 / 4.5) + 0.5 * (0.1 / 4.5) ** 2)
    # One offset of the first constraint; of the second none by group, and one for each half dex in log g.
    np.testing.assert_allclose(found.offset_precision, [4.0, 100.0, 100.0, 100.0])
    np.testing.assert_array_equal(found.offsets.T, [[1, 1, 0, 0, 0], [0, 0, 1, 0, 0], [0, 0, 0, 1, 0], [0, 0, 0, 0, 1]])
    assert len(np.unique(found.parts)) == 4
    mean = found.mean_slopes
    np.testing.assert_allclose(mean[:2], [[0.0, 2.0, 0.0]] * 2, atol=1e-9)
    np.testing.assert_allclose(mean[2:], found.slopes[2:])


def test_slopes_of_stars_that_share_their_offsets_are_averaged():
    labels = np.array([[0.0, 2.0], [0.0, 2.2], [0.0, 2.3], [0.0, 2.8]])
    found = linearise(
        labels, [constraint(np.zeros(4), np.ones(4), lambda x: x[:, 1] ** 2, part_error=1.0)], np.full(2, 1e-4)
    )
    # 2 and 2.2 are nearest to log g 2, 2.3 to 2.5 and 2.8 to 3.
    np.testing.assert_allclose(found.mean_slopes[:, 1], [4.2, 4.2, 4.6, 5.6], rtol=1e-6)
    without = linearise(labels, [constraint(np.zeros(4), np.ones(4), lambda x: x[:, 1] ** 2)], np.full(2, 1e-4))
    np.testing.assert_allclose(without.mean_slopes[:, 1], np.full(4, 2 * labels[:, 1].mean()), rtol=1e-6)
    assert without.offsets.shape == (4, 0)
    # With one label, it is the one whose parts are taken.
    one = linearise(labels[:, 1:], [constraint(np.zeros(4), np.ones(4), lambda x: x[:, 0], part_error=1.0)], [0.1])
    assert one.offsets.sum(axis=0).tolist() == [2, 1, 1]


def test_a_constraint_that_no_star_gives():
    found = linearise(X, [constraint(np.full(4, np.nan), np.ones(4), group_error=1.0)], np.ones(3))
    assert len(found.rows) == 0
    assert found.offsets.shape == (0, 0)


def test_medians_of_groups():
    found = group_medians(np.array([1.0, np.nan, 3.0, 7.0, np.nan]), np.array([0, 0, 1, 1, 2]))
    np.testing.assert_array_equal(found, [1.0, 1.0, 5.0, 5.0, np.nan])


# ---- the fit


def test_excess_scatter_makes_residuals_as_large_as_their_errors():
    rng = np.random.default_rng(0)
    size, error = 0.3 * rng.normal(size=500), np.full(500, 0.1)
    found = excess_scatter(size, error)
    assert np.median(np.abs(size)) == pytest.approx(0.6745 * np.hypot(0.1, found), rel=1e-6)
    assert excess_scatter(size, np.full(500, 0.5)) == 0.0
    assert excess_scatter(size, np.zeros(500)) == pytest.approx(np.median(np.abs(size)) / 0.6745)
    assert excess_scatter(np.empty(0), np.empty(0)) == 0.0
    rows = np.array([0, 0, 1, 1])
    linear = linearise(X, [constraint([0.0] * 4, [0.1] * 4), constraint([0.0] * 4, [9.0] * 4)], np.ones(3))
    full = full_errors(linear)
    left = linear.residual[:4] - np.median(linear.residual[:4])
    np.testing.assert_allclose(full[:4], np.hypot(0.1, excess_scatter(left, np.full(4, 0.1))))
    np.testing.assert_allclose(full[4:], 9.0)
    assert len(rows) == 4


def fit_by_definition(design, residual, error, precision):
    """Maximum of Student's t posterior, by a general minimiser."""
    from scipy.optimize import minimize

    def loss(coef):
        square = ((residual - design @ coef) / error) ** 2
        return 2.5 * np.log1p(square / 4.0).sum() + 0.5 * (precision * coef**2).sum()

    return minimize(loss, np.linalg.lstsq(design, residual)[0], options={"gtol": 1e-9}).x


def test_the_fit_is_that_of_student_s_t_and_its_errors_are_those_of_the_scatter():
    rng = np.random.default_rng(1)
    n = 4000
    design = np.column_stack([np.ones(n), rng.normal(size=n)])
    error = rng.uniform(0.1, 0.3, n)
    residual = design @ [1.0, -0.5] + error * rng.standard_t(4, n)
    fit = robust_fit(design, residual, error, np.arange(n))
    np.testing.assert_allclose(fit.coef, fit_by_definition(design, residual, error, np.zeros(2)), atol=1e-5)
    left = (residual - design @ fit.coef) / error
    np.testing.assert_allclose(fit.weights, 5.0 / (4.0 + left**2) / error**2, rtol=1e-5)
    np.testing.assert_allclose(fit.influence.T @ fit.influence, fit.covariance, rtol=1e-9)
    # The information of Student's t with 4 degrees of freedom is 5/7 of that of a normal law.
    information = 5.0 / 7.0 * (design.T / error**2) @ design
    np.testing.assert_allclose(np.diag(fit.covariance), np.diag(np.linalg.inv(information)), rtol=0.15)
    # Rows that come twice, as one group, tell nothing new.
    twice = [np.repeat(values, 2, axis=0) for values in (design, residual, error, np.arange(n))]
    again = robust_fit(*twice)
    np.testing.assert_allclose(again.coef, fit.coef, atol=1e-6)
    np.testing.assert_allclose(again.covariance, fit.covariance, rtol=1e-6)


def test_a_prior_pulls_to_zero():
    rng = np.random.default_rng(2)
    design = np.column_stack([np.ones(30), rng.normal(size=30)])
    error, precision = np.full(30, 0.5), np.array([0.0, 200.0])
    residual = design @ [1.0, 1.0] + 0.5 * rng.normal(size=30)
    fit = robust_fit(design, residual, error, np.arange(30), precision)
    np.testing.assert_allclose(fit.coef, fit_by_definition(design, residual, error, precision), atol=1e-5)
    assert 0.0 < fit.coef[1] < 0.6
    # Nothing but the prior.
    nothing = robust_fit(np.zeros((0, 2)), np.zeros(0), np.zeros(0), np.zeros(0, int), np.array([4.0, 25.0]))
    assert nothing.coef.tolist() == [0.0, 0.0]
    np.testing.assert_allclose(nothing.covariance, np.diag([0.25, 0.04]))
    # An outlier, and exact numbers.
    exact = robust_fit(np.ones((5, 1)), np.array([2.0, 2.0, 2.0, 2.0, 9.0]), np.zeros(5), np.arange(5))
    assert exact.coef[0] == pytest.approx(2.0, abs=1e-6)


def test_loss_of_what_was_left_out():
    design, residual = np.ones((6, 1)), np.array([0.0, 0.0, 1.0, 1.0, 5.0, 5.0])
    error, groups = np.full(6, 0.5), np.array([0, 0, 1, 1, 2, 2])
    loss = loss_left_out(design, residual, error, groups, n_folds=5, seed=0)
    weights = robust_fit(design, residual, error, groups).weights
    for group in range(3):
        train, test = groups != group, groups == group
        mean = np.average(residual[train], weights=weights[train])
        np.testing.assert_allclose(loss[test], np.log1p((residual[test] - mean) ** 2 / 0.25 / 4.0))
    pulled = loss_left_out(design, residual, error, groups, np.array([1e9]), n_folds=5, seed=0)
    np.testing.assert_allclose(pulled, np.log1p(residual**2 / 0.25 / 4.0), rtol=1e-5, atol=1e-6)
    first, second = np.array([2.0, 4.0, 3.0, 3.0]), np.array([1.0, 2.0, 2.0, 1.0])
    assert gain(first, second) == pytest.approx(1.5 / (0.5 / 2.0))
    assert gain(first, first) == 0.0


# ---- terms of a shift


def test_terms_of_second_order_are_products_of_all_pairs():
    rng = np.random.default_rng(3)
    labels = rng.uniform([4000.0, 1.0, -1.0, 0.0], [5000.0, 3.0, 0.5, 0.2], (40, 4))
    terms = ShiftTerms.from_stars(labels, ("TEFF", "LOGG", "M_H", "C_FE"))
    z = (labels[:, :3] - labels[:, :3].mean(axis=0)) / labels[:, :3].std(axis=0)
    products = np.column_stack([z[:, i] * z[:, j] for i in range(3) for j in range(i + 1)])
    np.testing.assert_allclose(terms(labels)[:, 1:], np.column_stack([z, products - products.mean(axis=0)]), atol=1e-12)
    low, high = labels.min(axis=0), labels.max(axis=0)
    np.testing.assert_allclose(terms(np.array([low - 1.0, high + 1.0])), terms(np.array([low, high])), atol=1e-12)
    # The ends themselves belong to the range.
    for end in (low, high):
        np.testing.assert_allclose(np.diag(terms.slopes(end[None])[0, 1:4]), 1.0 / labels[:, :3].std(axis=0))
    assert terms.is_complete(labels[:2] * [[1.0, 1.0, 1.0, 1.0], [1.0, np.nan, 1.0, 1.0]]).tolist() == [True, False]


# ---- the calibration


def spread(n=300, seed=0):
    rng = np.random.default_rng(seed)
    return rng.uniform([4200.0, 1.0, -0.5], [5000.0, 3.2, 0.3], (n, 3))


def test_a_prior_that_is_given_and_forms_that_are_asked_for():
    labels = spread()
    seismic = seismic_gravity_constraint(labels[:, 1] - 0.05 - 0.04 * (labels[:, 1] - 2.0), np.full(300, 0.01))
    found = ConstraintCalibration(form="linear", random_state=0).fit(labels, constraints=[seismic])
    shift = found.transform(labels) - labels
    np.testing.assert_allclose(shift[:, 1], -0.05 - 0.04 * (labels[:, 1] - 2.0), atol=3e-3)
    assert np.abs(shift[:, [0, 2]]).max() < 1e-3
    assert found.n_stars_.tolist() == [300] * 3
    assert found.scatter_.tolist() == [0.0] * 3
    n_stars, before, after = found.residuals_["seismic log g"]
    assert n_stars == 300
    assert before == pytest.approx(np.median(-0.05 - 0.04 * (labels[:, 1] - 2.0)))
    assert abs(after) < 2e-3
    # What no constraint tells keeps the error of the prior: 100 K and 0.1 dex; half as much for a slope.
    errors = np.sqrt(np.diagonal(found.covariance_))
    np.testing.assert_allclose(errors[:4], [100.0, 50.0, 50.0, 50.0], rtol=1e-3)
    tight = ConstraintCalibration(form="constant", prior_scale=[10.0, 1e-5, 0.2], random_state=0)
    tight.fit(labels, constraints=[seismic])
    assert abs(tight.coef_[1, 0]) < 1e-3
    assert [row["SHIFT_ERR"] for row in tight.describe()[::2]] == pytest.approx([10.0, 0.2])
    for wrong in ([10.0, 0.1], [10.0, 0.0, 0.1]):
        with pytest.raises(InputError, match="3 positive numbers"):
            ConstraintCalibration(prior_scale=wrong).fit(labels, constraints=[seismic])


def test_the_form_that_pays_is_chosen():
    labels = spread()
    rng = np.random.default_rng(1)
    sloped = -0.05 - 0.05 * (labels[:, 1] - 2.0)
    for shift, forms in ((np.full(300, -0.05), "constant"), (sloped, "linear")):
        seismic = seismic_gravity_constraint(labels[:, 1] + shift + 0.02 * rng.normal(size=300), np.full(300, 0.01))
        found = ConstraintCalibration(random_state=0).fit(labels, constraints=[seismic])
        assert found.forms_ == ("constant", forms, "constant")


def test_groups_with_free_offsets_report_how_far_from_their_median_stars_are():
    labels = spread(6)
    cluster = np.array(["a", "a", "a", "b", "b", "b"])
    labels[:, 2] = [0.1, 0.2, 0.4, -0.5, -0.3, -0.2]
    found = ConstraintCalibration(form="constant").fit(labels, constraints=[cluster_metallicity_constraint(cluster)])
    assert found.residuals_["cluster metallicity"] == (6, pytest.approx(0.1), pytest.approx(0.1))


def test_constraints_of_other_stars_and_stars_without_labels_are_refused():
    labels = spread(3)
    for name in ("value", "error", "group"):
        parts = {"value": np.zeros(3), "error": np.ones(3), "group": np.zeros(3, int)}
        parts[name] = parts[name][:2]
        wrong = Constraint("test", magnitudes, **parts, group_error=0.0)
        with pytest.raises(InputError, match="'test' is about"):
            ConstraintCalibration().fit(labels, constraints=[wrong])
    labels[1:, 0] = np.nan
    with pytest.raises(InputError, match="fewer than 2 have all labels"):
        ConstraintCalibration().fit(labels)
    labels[1, 0] = 4500.0
    assert ConstraintCalibration().fit(labels).forms_ == ("constant",) * 3


# ---- the check


def test_the_shift_and_what_it_does():
    labels = spread()
    rng = np.random.default_rng(2)
    seismic = seismic_gravity_constraint(labels[:, 1] - 0.08 + 0.02 * rng.normal(size=300), np.full(300, 0.02))
    found = find_scale_shift(
        labels, [seismic], names=LABEL_NAMES[:3], abs_mag=magnitudes, mass=lambda x: x[:, 1], log_age=lambda x: x[:, 1]
    )
    assert (found.label, len(found.others)) == ("LOGG", 1)
    assert found.size == pytest.approx(0.08, abs=0.01)
    assert found.error == pytest.approx(0.005, abs=0.002)
    # Magnitudes are fainter by twice the shift, so that distances come out too small.
    assert found.distance == pytest.approx(10 ** (-0.2 * 2 * found.size) - 1)
    assert found.mass == pytest.approx(np.median(labels[:, 1] / (labels[:, 1] - found.size) - 1))
    assert found.age == pytest.approx(found.size)
    alone = find_scale_shift(labels, [seismic], names=LABEL_NAMES[:3])
    assert np.isnan([alone.distance, alone.mass, alone.age]).all()
    # Both the ratio to the error and the root of the improvement must be as large as is asked for.
    limit = min(found.size / found.error, np.sqrt(found.improvement))
    for factor, is_found in ((0.99, True), (1.001, False)):
        again = find_scale_shift(labels, [seismic], names=LABEL_NAMES[:3], min_significance=factor * limit)
        assert (again is not None) == is_found
    assert find_scale_shift(labels, [constraint(np.full(300, np.nan), np.ones(300))], names=LABEL_NAMES[:3]) is None
