"""Predictions with a calibration of the labels, and the check of their scale, on a mock survey with planted shifts."""

import numpy as np
import pytest

from skdistmass import AbsMagRegressor, CNMassRegressor, DistMassModel, LevenbergMarquardtMLPRegressor
from skdistmass.catalog import build_catalog
from skdistmass.datasets import make_survey
from skdistmass.deploy import load
from skdistmass.estimators.label_calibration import LabelCalibration, fit_common_stars, load_calibration
from skdistmass.exceptions import ColumnError, FileFormatError, InputError
from skdistmass.labels import LABEL_NAMES
from skdistmass.model import check_scale, fit_to_model
from skdistmass.schema.bits import QualityBit
from skdistmass.surveys import as_stars

pytestmark = pytest.mark.slow

SMALL = {"network": LevenbergMarquardtMLPRegressor(hidden_layer_sizes=6, n_starts=2), "n_networks": 1}
PLAIN = {"sentinel_fraction": 0, "bad_fraction": 0, "seismic_fraction": 0.6, "binary_fraction": 0}


@pytest.fixture(scope="module")
def model():
    """A model whose mass scale is the true one."""
    survey = make_survey(4000, random_state=1, **PLAIN)
    return DistMassModel(
        AbsMagRegressor(**SMALL), CNMassRegressor(**SMALL), mass_scales={"": "MASS"}, random_state=0
    ).fit(survey)


@pytest.fixture(scope="module")
def survey():
    return make_survey(3000, random_state=11, **PLAIN)


@pytest.fixture(scope="module")
def graph(model, tmp_path_factory):
    pytest.importorskip("skl2onnx")
    path = tmp_path_factory.mktemp("graph") / "model.onnx"
    model.to_onnx(path)
    return load(path)


def planted(stars, kind):
    """Return stars whose labels are on another scale."""
    t_eff, log_g = stars["TEFF"] - 4600, stars["LOGG"] - 2.3
    sizes = {"TEFF": 40.0, "LOGG": 0.06, "M_H": 0.04, "C_FE": -0.05, "N_FE": 0.05}
    shift = dict.fromkeys(LABEL_NAMES, 0.0)
    if kind == "one":
        shift["LOGG"] = 0.06
    elif kind == "all":
        shift = sizes
    elif kind == "with log g":
        shift["LOGG"] = 0.05 + 0.03 * log_g
    elif kind == "with Teff":
        shift["TEFF"] = 30 + 0.05 * t_eff
    return stars.with_columns({name: stars[name] + shift[name] for name in LABEL_NAMES})


def measured_again(survey, stars, rows):
    """Return some stars with labels of the model's scale that have noise of their own."""
    rng, again = np.random.default_rng(5), stars[rows]
    truth = {name: np.asarray(survey[f"TRUE_{name}"], dtype=float)[rows] for name in LABEL_NAMES}
    noisy = {name: truth[name] + again[f"{name}_ERR"] * rng.normal(size=len(rows)) for name in LABEL_NAMES}
    return again.with_columns(noisy)


def inside(catalog):
    """Giants that the model covers."""
    return (catalog["DISTANCE_SPACE"] == 0) & (catalog["MASS_SPACE"] == 0) & (catalog["LOGG"] < 3.3)


@pytest.mark.parametrize("kind", ["none", "one", "all", "with log g", "with Teff"])
def test_distances_masses_and_ages_come_back_on_300_common_stars(model, survey, kind):
    stars = as_stars(survey)
    right = model.predict(stars)
    rows = np.flatnonzero(inside(right))
    target = measured_again(survey, stars, rows[:300])
    calibration, _ = fit_common_stars(planted(stars[rows[:300]], kind), target, random_state=0)
    shifted = planted(stars, kind)
    found, bare = model.predict(shifted, calibration=calibration), model.predict(shifted)
    assert abs(np.median(found["DISTANCE"][rows] / right["DISTANCE"][rows] - 1)) < 0.01
    assert abs(np.median(found["MASS"][rows] / right["MASS"][rows] - 1)) < 0.01
    assert abs(np.nanmedian(found["AGE"][rows] - right["AGE"][rows])) < 0.02
    if kind == "all":
        assert abs(np.median(bare["DISTANCE"][rows] / right["DISTANCE"][rows] - 1)) > 0.03
    for name, truth in (("DISTANCE", "TRUE_DISTANCE"), ("MASS", "TRUE_MASS")):
        held = [
            np.mean((np.asarray(survey[truth]) > c[f"{name}_LO"])[rows] & (survey[truth] < c[f"{name}_HI"])[rows])
            for c in (right, found)
        ]
        assert held[1] == pytest.approx(held[0], abs=0.03)


@pytest.mark.parametrize("kind", ["none", "one"])
def test_distances_come_back_without_a_common_star(model, survey, kind):
    stars = as_stars(survey)
    right = model.predict(stars)
    rows = inside(right)
    seen = np.random.default_rng(0).random(len(stars)) < 0.5
    noise = 0.01 * np.random.default_rng(1).normal(size=len(stars))
    shifted = planted(stars, kind)
    shifted = shifted.with_columns({"SEISMIC": np.where(seen & rows, survey["TRUE_LOGG"] + noise, np.nan)})
    # The clump of the mock survey is not at the magnitude of the real one.
    kinds = ("parallax", "mass", "seismic-logg")
    calibration = fit_to_model(model, shifted, kinds=kinds, seismic_gravity="SEISMIC", form="constant", random_state=0)
    assert set(calibration.residuals_) == {"parallax", "mass", "seismic log g"}
    found = model.predict(shifted, calibration=calibration)
    assert abs(np.median(found["DISTANCE"][rows] / right["DISTANCE"][rows] - 1)) < 0.01
    # Masses of this small model are 0.9 % below those it was trained on; a better one comes back to 1 %
    # (tests/estimators/test_label_calibration_constraints.py).
    assert abs(np.median(found["MASS"][rows] / right["MASS"][rows] - 1)) < 0.015
    assert abs(np.nanmedian(found["AGE"][rows] - right["AGE"][rows])) < 0.02


# ---- its error


@pytest.fixture(scope="module")
def loose():
    """A calibration with large errors that belong together: a shift of log g goes with one of Teff."""
    rng = np.random.default_rng(0)
    labels = np.column_stack([rng.normal(4700, 250, 60), rng.normal(2.4, 0.5, 60), rng.normal(0, 0.3, (60, 3))])
    noise = np.outer(rng.normal(size=60), [150.0, 0.2, 0.0, 0.0, 0.0]) + rng.normal(size=(60, 5)) * 0.05
    tables = (dict(zip(LABEL_NAMES, values.T, strict=True)) for values in (labels, labels + noise))
    return LabelCalibration(form="constant", random_state=0).fit(*tables)


def test_the_error_of_a_calibration_widens_every_interval(model, survey, loose):
    stars = as_stars(survey[:300])
    same = loose.calibrate(stars, own_error=False)
    before, after = model.predict(same, out_of_fold=False), model.predict(stars, calibration=loose, out_of_fold=False)
    rows = inside(after)
    np.testing.assert_array_equal(after["LOGG"], same["LOGG"])
    np.testing.assert_allclose(after["DISTANCE"], before["DISTANCE"])
    covariance = loose.own_covariance(stars)
    jacobian = model.abs_mag_.jacobian(same.labels)
    added = np.sqrt(np.einsum("ni,nij,nj->n", jacobian, covariance, jacobian))
    wanted = np.hypot(before["ABS_MAG_ERR"], added)
    np.testing.assert_allclose(after["ABS_MAG_ERR"][rows], wanted[rows], rtol=0.02)
    jacobian = model.masses_[""].jacobian(same.labels) / np.asarray(before["MASS"])[:, None]
    added = np.sqrt(np.einsum("ni,nij,nj->n", jacobian, covariance, jacobian))
    side = np.hypot(np.log(before["MASS_HI"] / before["MASS"]), added)
    np.testing.assert_allclose(np.log(after["MASS_HI"] / after["MASS"])[rows], side[rows], rtol=0.02)
    for name in ("DISTANCE", "MASS"):
        for end in ("_HI", "_HI95"):
            assert (after[f"{name}{end}"] > before[f"{name}{end}"])[rows].all()
    for name in ("DISTANCE", "MASS", "AGE"):
        error = 0.5 * (after[f"{name}_HI"] - after[f"{name}_LO"])
        known = np.isfinite(error) & rows
        np.testing.assert_allclose(after[f"{name}_ERR"][known], error[known])
        assert np.isfinite(after[f"{name}_ERR"][rows & np.isfinite(after[name])]).all()
        assert (after[f"{name}_ERR"] > before[f"{name}_ERR"])[rows & np.isfinite(after[name])].all()


def test_graph_and_model_give_the_same_calibrated_catalogue(model, graph, survey, loose, tmp_path):
    from astropy.table import Table

    survey[:400].write(tmp_path / "survey.fits")
    tables, options = [], {"calibration": loose, "out_of_fold": False}
    for number, predictor in enumerate((model, graph)):
        path = tmp_path / f"{number}.fits"
        build_catalog(predictor, tmp_path / "survey.fits", path, **options)
        tables.append(Table.read(path))
    assert tables[0].meta["CALIB"] == "LabelCalibration"
    assert tables[0].meta["CALIBSHA"] == loose.identity[1]
    for name in ("TEFF", "ABS_MAG", "DISTANCE", "MASS", "AGE", "FLAGS"):
        np.testing.assert_allclose(tables[1][name], tables[0][name], rtol=1e-9, err_msg=name)


def test_stars_outside_its_domain_are_flagged(model, survey, loose):
    stars = as_stars(survey)
    catalog = model.predict(stars, calibration=loose)
    outside = (catalog["FLAGS"] & QualityBit.CALIBRATION_OUTSIDE) != 0
    np.testing.assert_array_equal(outside, loose.domain_of(stars) == 2)
    assert 0 < outside.sum() < len(stars)
    warn = QualityBit.DISTANCE_WARN | QualityBit.MASS_WARN | QualityBit.AGE_WARN
    assert ((catalog["FLAGS"][outside] & warn) == warn).all()
    assert ((model.predict(stars)["FLAGS"] & QualityBit.CALIBRATION_OUTSIDE) == 0).all()


def test_a_calibration_is_named_or_a_file(model, survey, loose, tmp_path):
    loose.save(tmp_path / "a.cal")
    stars = as_stars(survey[:50])
    by_file = model.predict(stars, calibration=tmp_path / "a.cal")
    np.testing.assert_array_equal(by_file["DISTANCE_ERR"], model.predict(stars, calibration=loose)["DISTANCE_ERR"])
    assert by_file.meta["CALIB"] == "a.cal"
    assert by_file.meta["CALIBSHA"] == loose.identity[1] == load_calibration(tmp_path / "a.cal").identity[1]
    assert model.predict(stars, calibration="dr16").meta["CALIB"] == "dr16"
    with pytest.raises(FileFormatError, match="neither a file nor"):
        model.predict(stars, calibration="no-such-scale")
    with pytest.raises(InputError, match="calibration is float"):
        model.predict(stars, calibration=0.05)
    four = LabelCalibration(random_state=0).fit(stars.labels[:, :4], stars.labels[:, :4])
    with pytest.raises(ColumnError, match="x0"):
        model.predict(stars, calibration=four)


# ---- the check of the scale


@pytest.mark.parametrize(("label", "size"), [("LOGG", 0.0), ("LOGG", 0.06), ("LOGG", -0.06), ("N_FE", 0.12)])
def test_a_shift_is_found_with_its_size(model, survey, label, size):
    stars = as_stars(survey)
    shift = check_scale(model, stars.with_columns({label: stars[label] + size}))
    if size == 0:
        assert shift is None
        return
    assert shift.label == label
    assert abs(shift.size - size) < 3 * shift.error
    assert np.isfinite([shift.distance, shift.mass, shift.age]).all()


def test_a_graph_finds_a_shift_too(graph, survey):
    stars = as_stars(survey)
    assert check_scale(graph, stars) is None
    shift = check_scale(graph, stars.with_columns({"LOGG": stars["LOGG"] + 0.1}))
    assert shift.distance < -0.05
    assert check_scale(graph, stars[:20]) is None


def test_nothing_to_compare_is_said(model, survey):
    labels = as_stars({name: survey[name] for name in LABEL_NAMES})
    assert check_scale(model, labels) is None
    with pytest.raises(InputError, match="nothing to compare"):
        fit_to_model(model, labels)
