"""Calibrations on common stars, part by part, on numbers that can be checked by hand."""

import json
from types import SimpleNamespace

import numpy as np
import pytest

from skdistmass.estimators.label_calibration import LabelCalibration, fit_common_stars, load_calibration
from skdistmass.estimators.label_calibration.base import joined_covariance
from skdistmass.estimators.label_calibration.common_stars import _spread, _without_noise
from skdistmass.exceptions import ColumnError, FileFormatError, InputError, RowsLeftOutWarning
from skdistmass.labels import LABEL_NAMES
from skdistmass.schema.bits import Space
from skdistmass.surveys import Stars


def make_labels(n, seed=0):
    rng = np.random.default_rng(seed)
    return rng.uniform([4200.0, 1.0, -0.5], [5000.0, 3.2, 0.3], (n, 3))


def test_labels_without_noise_are_between_both_measurements():
    X, y = np.array([[1.0], [1.0], [1.0], [1.0]]), np.array([[2.0], [9.0], [np.nan], [-9.0]])
    found = _without_noise(X, y, np.full((4, 1), 0.5), np.full((4, 1), 0.3), np.full((4, 1), 0.4), np.array([1.2]))
    # Variances 0.09, 0.16 and 1.44: a share of 0.09 / 1.69 of what was missed, which is 0.5, or 3 sigma of 1.3.
    np.testing.assert_allclose(found[:, 0], 1.0 + 0.09 / 1.69 * np.array([0.5, 3.9, 0.0, -3.9]))
    exact = _without_noise(X, y, np.zeros((4, 1)), np.zeros((4, 1)), np.zeros((4, 1)), np.zeros(1))
    np.testing.assert_array_equal(exact, X)
    assert _spread(np.array([1.0, 2.0, 3.0, 99.0])) == pytest.approx(1.0 / 0.6745)


def test_covariances_of_labels_that_share_stars():
    one, other = np.array([[1.0, 2.0], [3.0, 4.0]]), np.array([[5.0], [6.0]])
    found = joined_covariance([SimpleNamespace(influence=one), None, SimpleNamespace(influence=other)], 3)
    assert found.shape == (9, 9)
    np.testing.assert_array_equal(found[:2, :2], one.T @ one)
    np.testing.assert_array_equal(found[:2, 6], (one.T @ other)[:, 0])
    assert found[6, 6] == 61.0
    assert np.count_nonzero(found) == 9


@pytest.mark.parametrize("n_stars", [5, 4])
def test_five_stars_are_the_fewest(n_stars):
    """Labels may have values on both scales for stars of their own: here the last ones lack log g."""
    X = make_labels(40)
    y = X + np.array([10.0, 0.1, 0.0])
    y[n_stars:, 1] = np.nan
    y[5, 2] = np.nan
    found = LabelCalibration(random_state=0).fit(X, y)
    assert found.n_stars_.tolist() == [40, 5 if n_stars == 5 else 0, 39]
    shift = found.transform(X) - X
    np.testing.assert_allclose(shift[:, 0], 10.0)
    np.testing.assert_allclose(shift[:, 1], 0.1 if n_stars == 5 else 0.0, atol=1e-9)
    with pytest.raises(InputError, match="n_samples = 4 rows, the most is 4"):
        LabelCalibration().fit(X[:4], y[:4])
    few = X.copy()
    few[n_stars:, 0] = np.nan  # which the shifts of all labels may depend on
    if n_stars == 5:
        with pytest.warns(RowsLeftOutWarning, match="35 of 40 rows"):
            assert LabelCalibration().fit(few, X).n_stars_.tolist() == [5] * 3
    else:
        with pytest.raises(InputError, match="the most is 4"):
            LabelCalibration().fit(few, X)


def test_spectra_of_one_star_count_as_one():
    X = make_labels(40)
    assert LabelCalibration().fit(X, X, groups=np.arange(40) // 8).n_stars_.tolist() == [5] * 3
    with pytest.raises(InputError, match="the most is 4 different stars"):
        LabelCalibration().fit(X, X, groups=np.arange(40) // 10)


def test_a_form_needs_five_stars_for_each_term():
    X = make_labels(60)
    y = X - np.column_stack([np.zeros(60), 0.02 * (X[:, 1] - 2.0) ** 2, np.zeros(60)])
    # Ten terms of second order: 50 stars.
    assert LabelCalibration(form="smooth", random_state=0).fit(X[:50], y[:50]).forms_ == ("smooth",) * 3
    assert LabelCalibration(form="smooth", random_state=0).fit(X[:49], y[:49]).forms_ == ("linear",) * 3
    assert LabelCalibration(form="constant", random_state=0).fit(X, y).forms_ == ("constant",) * 3
    found = LabelCalibration(form="smooth", random_state=0).fit(X, y)
    np.testing.assert_allclose(found.transform(X), y, atol=1e-6)
    spread = np.std(0.02 * (X[:, 1] - 2.0) ** 2)
    assert found.describe()[1]["SPREAD"] == pytest.approx(spread, rel=1e-3)
    assert found.describe()[1]["SHIFT"] == pytest.approx(-np.mean(0.02 * (X[:, 1] - 2.0) ** 2), rel=1e-3)
    assert [row["LABEL"] for row in found.describe()] == list(LABEL_NAMES[:3])


def test_errors_that_are_unknown_are_the_median():
    X = make_labels(30)
    errors = np.tile([20.0, 0.1, 0.02], (30, 1))
    errors[:10, 0], errors[10:15, 0], errors[:, 1] = np.nan, 40.0, np.nan
    found = LabelCalibration().fit(X, X, errors, errors)
    read = found._read_errors(errors, {}, 30)
    assert read[:, 0].tolist() == [20.0] * 10 + [40.0] * 5 + [20.0] * 15
    assert (read[:, 1] == 0).all()
    assert found.noise_known_
    covariances = np.einsum("ni,ij->nij", np.square(errors), np.eye(3))
    np.testing.assert_allclose(found._read_errors(covariances, {}, 30), read)
    assert not LabelCalibration().fit(X, X, errors).noise_known_
    assert not LabelCalibration().fit(X, X, None, errors).noise_known_
    assert not LabelCalibration().fit(X, X, errors, np.full((30, 3), np.nan)).noise_known_


def test_the_target_may_have_the_first_labels_only():
    X = make_labels(30)
    found = LabelCalibration().fit(X, X[:, :2] + np.array([10.0, 0.1]))
    assert found.n_stars_.tolist() == [30, 30, 0]
    np.testing.assert_allclose(found.transform(X), X + np.array([10.0, 0.1, 0.0]))
    assert LabelCalibration().fit(X, X[:, 0]).n_stars_.tolist() == [30, 0, 0]
    table = dict(zip(LABEL_NAMES, X.T, strict=False))
    for y, said in (
        (np.ones((30, 4)), "y has shape"),
        (np.ones((30, 3, 1)), "y has shape"),
        (None, "target y is None"),
    ):
        with pytest.raises(InputError, match=said):
            LabelCalibration().fit(X, y)
    with pytest.raises(InputError, match="y has 2 labels, the table X has 3"):
        LabelCalibration(labels=LABEL_NAMES[:3]).fit(table, X[:, :2])


@pytest.fixture(scope="module")
def sloped():
    """Log g is too high by 0.1 at 2, and 0.05 more for each dex; [M/H] by 0.03."""
    X = make_labels(400)
    rng = np.random.default_rng(1)
    noise = 0.01 * rng.normal(size=400)
    y = X - np.column_stack([np.zeros(400), 0.1 + 0.05 * (X[:, 1] - 2.0) + noise, np.full(400, 0.03)])
    errors = np.tile([1.0, 0.005, 0.001], (400, 1))
    return LabelCalibration(form="linear", labels=LABEL_NAMES[:3], random_state=0).fit(
        dict(zip(LABEL_NAMES, X.T, strict=False)), y, errors, errors
    )


def test_outside_the_domain_the_shift_fades_to_the_mean_with_its_spread(sloped):
    inside, outside, missing = [4600.0, 2.0, 0.0], [9000.0, 4.5, 0.0], [4600.0, 2.0, np.nan]
    table = dict(zip(LABEL_NAMES, np.transpose([inside, outside, missing]), strict=False))
    assert sloped.domain(table).tolist() == [Space.INSIDE, Space.OUTSIDE, Space.MISSING]
    mean = sloped.coef_[:, 0]
    shift = sloped.transform(table) - np.array([inside, outside, missing])
    assert shift[0, 1] == pytest.approx(-0.1, abs=0.005)
    np.testing.assert_allclose(shift[1], mean, atol=1e-9)
    np.testing.assert_allclose(shift[2, :2], mean[:2], atol=1e-9)
    n_terms = sloped.terms_.n_terms
    of_mean = sloped.covariance_[::n_terms, ::n_terms]
    found = sloped.shift_covariance(table)
    np.testing.assert_allclose(found[1], of_mean + np.diag(sloped.spread_**2))
    np.testing.assert_allclose(found[2], found[1])
    terms = sloped.terms_(np.array([inside]))[0]
    at = slice(n_terms, 2 * n_terms)
    assert found[0, 1, 1] == pytest.approx(terms @ sloped.covariance_[at, at] @ terms)


def test_stars_get_labels_errors_and_both_metallicities(sloped):
    stars = Stars(
        {"TEFF": np.array([4600.0, 99.0]), "LOGG": np.full(2, 2.0), "M_H": np.zeros(2), "FE_H": np.full(2, 0.1)}
        | {"LOGG_ERR": np.array([0.05, np.nan]), "FE_H_ERR": np.full(2, 0.02), "C_FE": np.ones(2)}
    )
    found, plain = sloped.calibrate(stars), sloped.calibrate(stars, own_error=False)
    assert found["M_H"] == pytest.approx([-0.03, -0.03], abs=2e-3)
    np.testing.assert_allclose(found["FE_H"] - 0.1, found["M_H"])
    assert found["C_FE"].tolist() == [1.0, 1.0]
    # Errors shrink with the slope; the scatter from star to star, beyond the quoted errors, is added.
    slope = 1.0 - 0.05
    assert plain["LOGG_ERR"][0] == pytest.approx(slope * 0.05, rel=0.02)
    own = sloped.own_covariance(stars)
    assert own.shape == (2, 5, 5)
    assert own[0, 1, 1] > sloped.scatter_[1] ** 2 > 0
    assert found["LOGG_ERR"][0] == pytest.approx(np.hypot(plain["LOGG_ERR"][0], np.sqrt(own[0, 1, 1])), rel=1e-6)
    assert np.isnan(found["LOGG_ERR"][1])
    assert (own[:, 3:] == 0).all()
    assert "M_H_ERR" not in found
    # A Teff that no star has is missing: the mean shift.
    assert sloped.domain_of(stars).tolist() == [Space.INSIDE, Space.MISSING]
    assert found["LOGG"][1] == pytest.approx(2.0 + sloped.coef_[1, 0])


def test_a_label_must_rise(sloped):
    coef = np.zeros(sloped.coef_.shape)
    at = 1 + 1  # log g in log g
    for slope, wanted in ((-0.75, True), (-0.85, False), (-2.0, False)):
        coef[1, at] = slope * sloped.terms_.scale[1]
        assert sloped._rises(coef).tolist() == [True, wanted, True]


@pytest.mark.parametrize(
    ("place", "change"),
    [
        (("thresholds",), lambda v: [*v, 0.0]),
        (("thresholds",), lambda v: v[:1]),
        (("density", "whitening"), lambda v: [row[:2] for row in v[:2]]),
        (("density", "location"), lambda v: [float("nan"), *v[1:]]),
        (("terms", "centre"), lambda v: [float("inf"), *v[1:]]),
        (("arrays", "scatter_"), lambda v: v[:2]),
        (("arrays", "spread_"), lambda v: [float("nan"), *v[1:]]),
        (("arrays", "coef_"), lambda v: v[:2]),
        (("arrays", "n_stars_"), lambda v: [*v, 5]),
        (("forms",), lambda v: v[:2]),
        (("forms",), lambda v: ["other", *v[1:]]),
        (("kind",), lambda v: "Other"),
    ],
)
def test_each_part_of_a_file_is_checked(sloped, tmp_path, place, change):
    sloped.save(tmp_path / "a.cal")
    assert load_calibration(tmp_path / "a.cal").forms_ == ("linear",) * 3
    content = json.loads((tmp_path / "a.cal").read_text())
    inner = content
    for key in place[:-1]:
        inner = inner[key]
    inner[place[-1]] = change(inner[place[-1]])
    (tmp_path / "b.cal").write_text(json.dumps(content))
    with pytest.raises(FileFormatError, match="was cut off or changed"):
        load_calibration(tmp_path / "b.cal")


def tables(n=60):
    """Stars of two surveys by their KIC numbers; the old log g is too high by 0.1."""
    columns = {"KIC": np.arange(1, n + 1)} | dict(zip(LABEL_NAMES, make_labels(n).T, strict=False))
    old = columns | {"LOGG": columns["LOGG"] + 0.1}
    return Stars(old, source="old"), Stars(columns, source="new")


def test_common_stars_of_two_tables():
    old, new = tables()
    found, report = fit_common_stars(old, new, form="constant")
    assert found.label_names_ == LABEL_NAMES[:3]
    assert found.n_stars_.tolist() == [60] * 3
    np.testing.assert_allclose(found.coef_[:, 0], [0.0, -0.1, 0.0], atol=1e-9)
    assert len(report) == 1
    # Bad stars of either survey don't count; errors do, where both know them.
    bad = old.with_columns({"BAD_STAR": np.arange(60) < 3}), new.with_columns({"BAD_STAR": np.arange(60) > 57})
    assert fit_common_stars(*bad, form="constant")[0].n_stars_.tolist() == [55] * 3
    assert not found.noise_known_
    errors = [stars.with_columns({"LOGG_ERR": np.full(60, 0.02)}) for stars in (old, new)]
    assert fit_common_stars(*errors)[0].noise_known_
    assert not fit_common_stars(errors[0], new)[0].noise_known_


@pytest.mark.parametrize("absent", LABEL_NAMES[:3])
@pytest.mark.parametrize("side", [0, 1])
def test_a_calibration_needs_three_labels_of_both(absent, side):
    pair = list(tables())
    name = pair[side].source
    pair[side] = Stars({n: v for n, v in pair[side].columns.items() if n != absent}, source=name)
    with pytest.raises(ColumnError, match=f"{name} has no {absent}, which"):
        fit_common_stars(*pair)


def test_iron_is_compared_with_iron():
    old, new = tables()
    iron = Stars(new.columns, metallicity="FE_H", source="new")
    both = old.with_columns({"FE_H": old["M_H"] + 0.05, "M_H": old["M_H"] + 9.0})
    assert fit_common_stars(both, iron, form="constant")[0].coef_[2, 0] == pytest.approx(-0.05)
    assert fit_common_stars(iron, both, form="constant")[0].coef_[2, 0] == pytest.approx(0.05)
