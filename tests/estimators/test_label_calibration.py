"""Calibrations on common stars: they find what was planted, know their errors and their limits, and can be stored."""

import json
import pickle

import numpy as np
import pandas as pd
import pytest
from astropy import units as u
from astropy.table import Table
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.frozen import FrozenEstimator
from sklearn.pipeline import make_pipeline

from skdistmass import AbsMagRegressor
from skdistmass.estimators.label_calibration import LabelCalibration, load_calibration, shipped_calibrations
from skdistmass.estimators.label_calibration.common_stars import MIN_STARS
from skdistmass.exceptions import ColumnError, FileFormatError, InputError, RowsLeftOutWarning
from skdistmass.labels import LABEL_NAMES
from skdistmass.schema.bits import Space
from skdistmass.surveys import as_stars

pytestmark = pytest.mark.slow

ERRORS = np.array([15.0, 0.03, 0.02, 0.03, 0.03])


def make_labels(n_stars, seed=0):
    """Return labels of made-up giants."""
    rng = np.random.default_rng(seed)
    log_g = rng.uniform(1.2, 3.3, n_stars)
    t_eff = 3600 + 450 * log_g + rng.normal(0, 100, n_stars)
    return np.column_stack([t_eff, log_g, rng.normal(0, 0.25, n_stars), rng.normal([-0.05, 0.2], 0.1, (n_stars, 2))])


def planted(X, kind):
    """Return the shift of the old scale at true labels."""
    shift = np.zeros(X.shape)
    t_eff, log_g = X[:, 0] - 4600, X[:, 1] - 2.3
    if kind in ("constant", "all"):
        shift += [40.0, 0.06, 0.04, -0.05, 0.05]
    if kind in ("log g", "all"):
        shift[:, 1] += 0.04 * log_g
    if kind in ("Teff", "all"):
        shift[:, 0] += 0.06 * t_eff
    if kind == "curved":
        shift[:, 1] += 0.08 * (log_g**2 - 0.4)
    return shift


def measure(X, kind, seed=0, errors=ERRORS):
    """Return labels of the same stars on the old and on the new scale."""
    rng = np.random.default_rng(seed)
    old = X + planted(X, kind) + errors * rng.normal(size=X.shape)
    return old, X + errors * rng.normal(size=X.shape)


KINDS = ["none", "constant", "log g", "Teff", "all", "curved"]


@pytest.fixture(scope="module")
def fitted():
    """Calibration of each kind of shift, on 300 common stars."""
    errors = np.broadcast_to(ERRORS, (300, 5))
    return {
        kind: LabelCalibration(random_state=0).fit(*measure(make_labels(300), kind), errors, errors) for kind in KINDS
    }


# ---- what was planted is found


@pytest.mark.parametrize("kind", KINDS)
def test_planted_shifts_are_found_within_their_errors(fitted, kind):
    truth = make_labels(2000, seed=1)
    old, calibration = truth + planted(truth, kind), fitted[kind]
    inside = calibration.domain(old) < Space.OUTSIDE
    missed = (calibration.transform(old) - truth)[inside]
    sigma = np.sqrt(np.diagonal(calibration.shift_covariance(old), axis1=1, axis2=2))[inside]
    # The typical star is within 3 errors in every label; errors of 300 stars are a tenth of a star's.
    assert (np.median(np.abs(missed) / sigma, axis=0) < 3).all()
    assert (np.abs(np.median(missed, axis=0)) < 0.3 * ERRORS).all()


def test_the_simplest_form_that_is_needed(fitted):
    assert fitted["none"].forms_.count("constant") >= 4
    assert fitted["log g"].forms_[1] == "linear"
    assert fitted["Teff"].forms_[0] == "linear"
    assert fitted["curved"].forms_[1] == "smooth"


def test_pulls_are_normal():
    """Errors of the mean shifts, over many sets of common stars."""
    errors = np.broadcast_to(ERRORS, (100, 5))
    pulls = []
    for seed in range(30):
        old, new = measure(make_labels(100, seed), "constant", seed)
        calibration = LabelCalibration(form="constant", random_state=0).fit(old, new, errors, errors)
        sigma = np.sqrt(np.diagonal(calibration.covariance_)[:: calibration.terms_.n_terms])
        pulls.append((calibration.coef_[:, 0] + planted(old[:1], "constant")[0]) / sigma)
    assert 0.75 < np.sqrt(np.mean(np.square(pulls))) < 1.3


def test_noise_does_not_look_like_a_slope():
    """An ordinary regression on log g with noise would find a slope of -0.2 here; nothing was planted."""
    errors = np.array([15.0, 0.3, 0.02, 0.03, 0.03])
    truth = make_labels(3000)
    old, new = measure(truth, "none", errors=errors)
    given = np.broadcast_to(errors, old.shape)
    calibration = LabelCalibration(form="linear", random_state=0).fit(old, new, given, given)
    slope = calibration.coef_[1, 2] / calibration.terms_.scale[1]
    assert abs(slope) < 0.05
    blind = LabelCalibration(form="linear", random_state=0).fit(old, new)
    assert blind.coef_[1, 2] / blind.terms_.scale[1] < -0.1


def test_outliers_are_held(fitted):
    old, new = measure(make_labels(300), "constant")
    new[::15] += [500.0, 1.0, 1.0, 1.0, 1.0]
    errors = np.broadcast_to(ERRORS, old.shape)
    calibration = LabelCalibration(random_state=0).fit(old, new, errors, errors)
    moved = np.abs(calibration.coef_[:, 0] - fitted["constant"].coef_[:, 0])
    assert (moved < 0.2 * ERRORS).all()


def test_groups_widen_the_errors():
    old, new = measure(make_labels(100), "constant")
    once = LabelCalibration(form="constant", random_state=0).fit(old, new)
    repeated = np.repeat(np.arange(100), 4)
    fourfold = LabelCalibration(form="constant", random_state=0).fit(old[repeated], new[repeated], groups=repeated)
    n_terms = once.terms_.n_terms
    ratio = np.diagonal(fourfold.covariance_)[::n_terms] / np.diagonal(once.covariance_)[::n_terms]
    np.testing.assert_allclose(ratio, 1.0, atol=0.05)
    assert (fourfold.n_stars_ == 100).all()


# ---- errors, domain, the way back


def test_errors_are_carried_through_and_those_of_the_calibration_added(fitted):
    calibration = fitted["all"]
    old = measure(make_labels(50, seed=3), "all")[0]
    errors = np.broadcast_to(ERRORS, old.shape)
    labels, covariance = calibration.transform(old, errors)
    np.testing.assert_array_equal(labels, calibration.transform(old))
    own = calibration.shift_covariance(old) + np.diag(calibration.scatter_**2)
    step = np.array([1.0, 1e-3, 1e-3, 1e-3, 1e-3])
    inside = calibration.domain(old) < Space.OUTSIDE
    for number in range(5):
        moved = old + step * (np.arange(5) == number)
        slope = (calibration.transform(moved) - labels) / step[number]
        both = inside & (calibration.domain(moved) < Space.OUTSIDE)
        np.testing.assert_allclose(slope[both], calibration._derivatives(old)[both, :, number], rtol=1e-4, atol=1e-5)
    carried = calibration._derivatives(old) @ np.diag(ERRORS**2) @ calibration._derivatives(old).transpose(0, 2, 1)
    np.testing.assert_allclose(covariance, carried + own)
    full = np.broadcast_to(np.diag(ERRORS**2), (50, 5, 5))
    np.testing.assert_allclose(calibration.transform(old, full)[1], covariance)


def test_calibrated_stars_are_covered(fitted):
    """Of new stars, 68 % have the true label within one error of the calibrated one."""
    truth = make_labels(3000, seed=4)
    old = measure(truth, "all", seed=5)[0]
    labels, covariance = fitted["all"].transform(old, np.broadcast_to(ERRORS, old.shape))
    pulls = (labels - truth) / np.sqrt(np.diagonal(covariance, axis1=1, axis2=2))
    assert (np.abs(np.mean(np.abs(pulls) < 1, axis=0) - 0.683) < 0.05).all()


def test_outside_its_domain_it_fades_to_the_mean_shift(fitted):
    calibration = fitted["all"]
    far = np.array([[6200.0, 4.6, 0.0, 0.0, 0.0], [4600.0, 2.3, -2.5, 0.0, 0.0]])
    assert (calibration.domain(far) == Space.OUTSIDE).all()
    np.testing.assert_allclose(calibration.transform(far) - far, np.tile(calibration.coef_[:, 0], (2, 1)))
    assert (np.diagonal(calibration.shift_covariance(far), axis1=1, axis2=2) >= calibration.spread_**2).all()
    # On the way there it does not jump.
    path = np.linspace([4600, 2.3, 0, 0, 0], far[0], 3001)
    shift = calibration.transform(path) - path
    assert (np.abs(np.diff(shift, axis=0)) < 0.02 * np.ptp(shift, axis=0) + 1e-9).all()


def test_a_missing_label_stays_missing_and_costs_no_other(fitted):
    calibration = fitted["all"]
    X = make_labels(4)
    X[0, 4], X[1, 2], X[2, 1], X[3, 0] = np.nan, -9999.0, np.inf, 99.99
    found = calibration.transform(X)
    assert np.isnan(found).sum() == 4
    assert np.isnan(found[[0, 1, 2, 3], [4, 2, 1, 0]]).all()
    assert calibration.domain(X).tolist()[1:] == [Space.MISSING] * 3
    np.testing.assert_allclose(found[1, 0] - X[1, 0], calibration.coef_[0, 0])


@pytest.mark.parametrize("kind", KINDS)
def test_the_way_back(fitted, kind):
    old = measure(make_labels(300, seed=6), kind)[0]
    old[5, 4] = np.nan
    calibration = fitted[kind]
    inside = calibration.domain(old) < Space.OUTSIDE
    back = calibration.inverse_transform(calibration.transform(old))
    np.testing.assert_allclose(back[inside], old[inside], rtol=1e-9, atol=1e-9)


@settings(max_examples=12)
@given(st.integers(0, 10_000), st.floats(-3.0, 3.0))
def test_a_calibrated_label_rises_with_the_label(seed, slope):
    """Whatever the common stars say: a falling relation is not used."""
    X = make_labels(60, seed)
    to = X.copy()
    to[:, 1] = 2.3 + slope * (X[:, 1] - 2.3) + 0.05 * np.sin(9 * X[:, 1])
    calibration = LabelCalibration(random_state=0).fit(X, to)
    slopes = calibration.terms_.slopes(calibration.terms_.corners(5))
    assert (1 + np.einsum("nkl,lk->nl", slopes, calibration.coef_) > 0).all()
    if slope < 0:
        assert calibration.forms_[1] == "constant"


# ---- what it accepts


def as_table(X, names=LABEL_NAMES):
    return dict(zip(names, np.transpose(X), strict=True))


def test_tables_are_read_by_name():
    old, new = measure(make_labels(100), "constant")
    plain = LabelCalibration(random_state=0).fit(old, new)
    table = Table(as_table(old))
    table["TEFF"] = (old[:, 0] / 1000) * u.kK
    other = pd.DataFrame(as_table(new)).rename(columns={"M_H": "FE_H"})
    named = LabelCalibration(random_state=0).fit(table, other)
    np.testing.assert_allclose(named.coef_, plain.coef_, rtol=1e-6, atol=1e-9)
    assert list(named.get_feature_names_out()) == list(LABEL_NAMES)
    frame = named.set_output(transform="pandas").transform(pd.DataFrame(as_table(old)))
    assert list(frame.columns) == list(LABEL_NAMES)
    np.testing.assert_allclose(frame, plain.transform(old), rtol=1e-9)


def test_stars_get_labels_and_errors(fitted):
    old = measure(make_labels(20), "all")[0]
    columns = as_table(old) | as_table(np.broadcast_to(ERRORS, old.shape), [f"{name}_ERR" for name in LABEL_NAMES])
    columns["C_FE"] = np.full(20, np.nan)
    named = LabelCalibration(random_state=0).fit(as_table(old), as_table(old - [40, 0.06, 0.04, 0, 0]))
    stars = as_stars(columns)
    found = named.calibrate(stars)
    np.testing.assert_allclose(found["LOGG"], stars["LOGG"] - 0.06, atol=1e-6)
    assert np.isnan(found["C_FE"]).all()
    assert (found["TEFF_ERR"] >= stars["TEFF_ERR"] * (1 - 1e-9)).all()


def test_a_label_without_common_stars_is_left_as_it_is():
    old, new = measure(make_labels(100), "constant")
    new[:, 3:] = np.nan
    new[: MIN_STARS - 1, 4] = 0.0
    calibration = LabelCalibration(random_state=0).fit(old, new)
    assert calibration.n_stars_.tolist() == [100, 100, 100, 0, 0]
    np.testing.assert_array_equal(calibration.transform(old)[:, 3:], old[:, 3:])


def test_mistakes_are_named():
    old, new = measure(make_labels(20), "none")
    with pytest.raises(InputError, match="no label has 5 stars"):
        LabelCalibration().fit(old[:4], new[:4])
    with pytest.raises(InputError, match="shape"):
        LabelCalibration().fit(old, np.hstack([new, new]))
    with pytest.raises(ColumnError, match="N_FE"):
        LabelCalibration().fit(as_table(old), as_table(new[:, :4], LABEL_NAMES[:4]))
    with pytest.raises(InputError, match="same labels"):
        LabelCalibration().fit(as_table(old), new[:, :2])
    with pytest.raises(InputError, match="negative"):
        LabelCalibration().fit(old, new, X_err=-np.ones(old.shape))
    old[0, 1] = np.nan
    with pytest.warns(RowsLeftOutWarning, match="1 of 20"):
        LabelCalibration().fit(old, new)


def test_in_a_pipeline_before_a_regressor(fitted):
    """Frozen, a calibration stays what it is while the regressor is trained."""
    truth = make_labels(300, seed=8)
    target = 2.5 * truth[:, 1] - truth[:, 0] / 500
    old = truth + planted(truth, "all")
    model = AbsMagRegressor(n_networks=1, error_model=None, random_state=0)
    pipeline = make_pipeline(FrozenEstimator(fitted["all"]), model).fit(old, target)
    straight = AbsMagRegressor(n_networks=1, error_model=None, random_state=0).fit(truth, target)
    assert abs(np.median(pipeline.predict(old) - straight.predict(truth))) < 0.02


# ---- files


def test_files_hold_all_of_it(fitted, tmp_path):
    calibration, old = fitted["all"], measure(make_labels(50, seed=9), "all")[0]
    old[3] *= 2
    calibration.save(tmp_path / "a.cal", provenance={"from": "old", "to": "new"})
    for again in (load_calibration(tmp_path / "a.cal"), pickle.loads(pickle.dumps(calibration))):
        np.testing.assert_array_equal(again.transform(old), calibration.transform(old))
        np.testing.assert_array_equal(again.shift_covariance(old), calibration.shift_covariance(old))
        np.testing.assert_array_equal(again.domain(old), calibration.domain(old))
        assert again.describe() == calibration.describe()
    loaded = load_calibration(tmp_path / "a.cal")
    assert loaded.provenance_ == {"from": "old", "to": "new"}
    loaded.save(tmp_path / "b.cal")
    assert (tmp_path / "a.cal").read_text() == (tmp_path / "b.cal").read_text()


def _damage(content, how):
    if how == "format":
        content["format"] = "another 9"
    elif how == "array":
        content["arrays"]["coef_"].pop()
    elif how == "missing":
        del content["density"]
    elif how == "nan":
        content["arrays"]["coef_"][0][0] = float("nan")
    elif how == "kind":
        content["kind"] = "os.system"
    return json.dumps(content)


@pytest.mark.parametrize("how", ["format", "array", "missing", "nan", "kind", "cut off", "binary"])
def test_damaged_files_are_refused(fitted, tmp_path, how):
    path = tmp_path / "a.cal"
    fitted["none"].save(path)
    text = path.read_text()
    if how == "cut off":
        path.write_text(text[: len(text) // 2])
    elif how == "binary":
        path.write_bytes(b"\xff\xfe\x00\x01" * 20)
    else:
        path.write_text(_damage(json.loads(text), how))
    with pytest.raises(FileFormatError, match=r"a\.cal"):
        load_calibration(path)


def test_shipped_calibrations_are_complete():
    assert shipped_calibrations() == ["dr12-raw", "dr16", "k2", "payne-dr14"]
    for name in shipped_calibrations():
        calibration = load_calibration(name)
        assert set(calibration.provenance_) == {"name", "from", "to", "source", "residuals"}
        assert max(row["N_STARS"] for row in calibration.describe()) >= 10
    with pytest.raises(FileFormatError, match=r"no-such-scale is neither a file nor .* \(dr12-raw, dr16"):
        load_calibration("no-such-scale")
