"""Calibrations on the real tables: the same stars on two scales, half to fit and half to test."""

import importlib.util
from pathlib import Path

import numpy as np
import pytest
from astropy.table import Table

from skdistmass.estimators.label_calibration import ConstraintCalibration, LabelCalibration, load_calibration
from skdistmass.labels import LABEL_NAMES, read_labels
from skdistmass.tables import as_floats, as_text

pytestmark = pytest.mark.slow


def labels_of(table):
    return read_labels(table, LABEL_NAMES).values


@pytest.fixture(scope="module")
def pairs(real_data):
    """Stars with labels of two pipelines."""
    dwarfs, nearby = Table.read(real_data("dwarfs.fits")), Table.read(real_data("hipparcos_dr12.fits"))
    clusters, seismic = Table.read(real_data("cluster_members.fits")), Table.read(real_data("kepler_dwarfs.fits"))
    source = as_text(clusters["LABEL_SRC"])
    early, other = (clusters[np.char.startswith(source, start)] for start in ("ASPCAP DR10", "Meszaros"))
    raw = dwarfs[np.char.startswith(as_text(dwarfs["LABEL_SRC"]), "DR12")]
    spectral = seismic.copy()
    for name in ("TEFF", "LOGG"):
        spectral[name] = as_floats(seismic[f"{name}_SPEC"], name=name)
    found = {}
    for name, one, two in (("raw", nearby, raw), ("meszaros", early, other), ("dr16", spectral, seismic)):
        _, i, j = np.intersect1d(as_text(one["APOGEE_ID"]), as_text(two["APOGEE_ID"]), return_indices=True)
        X, y = labels_of(one)[i], labels_of(two)[j]
        rows = np.isfinite(X).all(axis=1) & np.isfinite(y).all(axis=1)
        found[name] = X[rows], y[rows]
    return found


@pytest.mark.parametrize(("name", "n_stars"), [("raw", 60), ("meszaros", 70)])
def test_no_bias_is_left_in_the_half_kept_back(pairs, name, n_stars):
    """The mean over ten splits of the bias is below its standard error, in every label."""
    X, y = pairs[name]
    assert len(X) >= n_stars
    bias, error = [], []
    for seed in range(10):
        half = np.random.default_rng(seed).permutation(len(X)) < len(X) // 2
        left = y[~half] - LabelCalibration(random_state=0).fit(X[half], y[half]).transform(X[~half])
        bias.append(np.median(left, axis=0))
        spread = 1.4826 * np.median(np.abs(left - bias[-1]), axis=0)
        error.append(1.2533 * spread / np.sqrt(len(left)))
    # 0.001: where one table is a function of the other almost to its last digit.
    assert (np.abs(np.mean(bias, axis=0)) < np.maximum(np.mean(error, axis=0), 0.001)).all()


def test_the_calibration_of_dr16_by_its_pipeline_is_found(pairs):
    """ASPCAP's own calibration of Teff and log g is a function of the labels; dwarfs move by 0.14 dex."""
    X, y = pairs["dr16"]
    half = np.random.default_rng(0).permutation(len(X)) < len(X) // 2
    calibration = LabelCalibration(random_state=0).fit(X[half], y[half])
    left = np.abs(np.median(y[~half] - calibration.transform(X[~half]), axis=0))
    assert np.median(X[:, 1] - y[:, 1]) > 0.1
    assert left[0] < 0.1
    assert left[1] < 0.005
    assert (left[2:] < 1e-6).all()


def test_shipped_raw_scale_moves_dwarfs_as_it_must(real_data):
    """Raw DR12 log g of dwarfs is too high by 0.3: distances come out a quarter too small."""
    dwarfs = Table.read(real_data("dwarfs.fits"))
    X = labels_of(dwarfs[np.char.startswith(as_text(dwarfs["LABEL_SRC"]), "DR12")])
    shift = load_calibration("dr12-raw").transform(dict(zip(LABEL_NAMES, X.T, strict=True))) - X
    assert -0.5 < np.median(shift[:, 1]) < -0.05


def test_distances_of_dwarfs_come_back_on_halves_kept_back(real_data, monkeypatch):
    """The files that come with the package are made by the example; its own numbers are tested."""
    real_data("dwarfs.fits")
    path = Path(__file__).resolve().parents[2] / "examples" / "make_label_calibrations.py"
    monkeypatch.syspath_prepend(path.parent)
    spec = importlib.util.spec_from_file_location("make_label_calibrations", path)
    maker = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(maker)
    samples = maker.read_samples()
    model = maker.reference_model(samples)
    raw, everyone = samples["dr12"], np.ones(len(samples["dr12"].labels), dtype=bool)
    targets = maker.common(raw, [samples[name] for name in ("dr16", "seismic", "dr17", "giants")])
    left = []
    for seed in range(4):
        half = np.random.default_rng(seed).permutation(len(everyone)) < len(everyone) // 2
        constraints = maker.constraints_of(raw, half, model, targets)
        fitted = ConstraintCalibration(prior_scale=maker.RAW_PRIOR, random_state=0)
        fitted.fit(raw.columns, constraints=constraints)
        left.append(np.median(raw.ratio(model, ~half, fitted)))
    assert np.median(raw.ratio(model, everyone)) < -0.2
    assert abs(np.mean(left)) < 0.03
    assert abs(np.median(raw.ratio(model, everyone, load_calibration("dr12-raw")))) < 0.03
    payne = samples["payne"]
    everyone = np.ones(len(payne.labels), dtype=bool)
    assert abs(np.median(payne.ratio(model, everyone, load_calibration("payne-dr14")))) < 0.03
