"""The shipped models: what they say of themselves, and predictions that must not change."""

import warnings
from pathlib import Path

import numpy as np
import onnx
import pytest

from skdistmass.deploy import load
from skdistmass.deploy.checks import check_content
from skdistmass.deploy.pretrained import list_pretrained, load_pretrained, pretrained_path
from skdistmass.exceptions import DistMassWarning, FileFormatError, InputError
from skdistmass.extinction import ExtinctionChoice
from skdistmass.labels import LABEL_NAMES
from skdistmass.photometry import distance_ratio
from skdistmass.surveys import read_survey
from skdistmass.surveys.training_sets import TrainingCuts, distance_training_set
from skdistmass.uncertainty import robust_scatter

pytestmark = pytest.mark.slow

GOLDEN = Path(__file__).parent / "golden"


@pytest.mark.parametrize("folder", sorted(path for path in GOLDEN.iterdir() if path.is_dir()), ids=lambda p: p.name)
def test_golden_predictions(folder):
    """A file of every released format, and what it gave when it was released."""
    stars = np.genfromtxt(folder / "stars.csv", delimiter=",", names=True)
    expected = np.genfromtxt(folder / "catalog.csv", delimiter=",", names=True)
    found = load(folder / "model.onnx").predict(stars)
    assert list(found) == list(expected.dtype.names)
    for name, values in found.items():
        np.testing.assert_allclose(values, expected[name], rtol=1e-9, atol=1e-12, err_msg=name)


def test_shipped_file_is_the_golden_one():
    newest = max(path for path in GOLDEN.iterdir() if path.is_dir())
    assert pretrained_path("kepler-giants").read_bytes() == (newest / "model.onnx").read_bytes()


@pytest.mark.parametrize(
    ("name", "tolerance"),
    [("kepler-giants-errors", 1e-9), ("kepler-giants-float32", 1e-5), ("kepler-giants-quantiles", 1e-9)],
)
def test_variants_agree_with_the_golden_predictions(name, tolerance):
    newest = max(path for path in GOLDEN.iterdir() if path.is_dir())
    stars = np.genfromtxt(newest / "stars.csv", delimiter=",", names=True)
    expected = np.genfromtxt(newest / "catalog.csv", delimiter=",", names=True)
    found = load_pretrained(name).predict(stars)
    # Without errors of labels there is no part of them either.
    assert np.isnan(found.pop("ABS_MAG_LABEL_ERR", np.nan)).all()
    assert list(found) == list(expected.dtype.names)
    for column, values in found.items():
        # A magnitude may pass through zero: there the scale is 1 mag.
        floor = tolerance if column == "ABS_MAG" else 1e-12
        np.testing.assert_allclose(values, expected[column], rtol=tolerance, atol=floor, err_msg=column)


def test_files_are_whole_and_as_released():
    """A file in which a single bit changed is refused, whatever its predictions would be."""
    for name in list_pretrained():
        content = bytearray(pretrained_path(name).read_bytes())
        load(pretrained_path(name))
        content[len(content) // 2] ^= 1
        with pytest.raises(FileFormatError, match="altered"):
            check_content(bytes(content), name)


def test_names():
    names = [
        f"{model}{variant}"
        for model in ("apogee", "kepler-giants")
        for variant in ("", "-errors", "-float32", "-quantiles")
    ]
    assert list_pretrained() == names
    with pytest.raises(InputError, match="kepler-giants-errors"):
        load_pretrained("no-such-model")


@pytest.mark.parametrize("name", list_pretrained())
def test_card_and_size(name):
    model = load_pretrained(name)
    card = model.card
    assert card["name"] == name
    assert "Kepler" in card["training_set"]
    assert "log g" in card["limits"]
    assert card["accuracy"]["ABS_MAG"]["scatter"] < 0.1
    assert card["accuracy"]["MASS"]["scatter"] < 0.1
    for entry in ("date", "licence", "references", "versions", "training_cuts", "mass_scales", "training_rows"):
        assert card[entry], entry
    assert pretrained_path(name).stat().st_size < 1_000_000
    onnx.checker.check_model(onnx.load(pretrained_path(name)), full_check=True)


def test_honest_about_its_range():
    """A red giant is inside; a dwarf, a halo giant and a star without labels are flagged."""
    stars = {
        "TEFF": [4750.0, 5800.0, 4400.0, np.nan],
        "LOGG": [2.5, 4.4, 1.2, 2.5],
        "M_H": [-0.1, 0.0, -2.3, 0.0],
        "C_FE": [-0.1, 0.0, -0.3, 0.0],
        "N_FE": [0.2, 0.0, 0.3, 0.0],
        "MAG": [10.0] * 4,
        "EXTINCTION": [0.05] * 4,
    }
    found = load_pretrained("kepler-giants").predict(stars)
    assert found["MASS_SPACE"].tolist() == [0, 2, 2, 3]
    assert found["DISTANCE_SPACE"].tolist() == [0, 2, 2, 3]
    assert (found["BITMASK"] & 2).tolist() == [0, 2, 2, 2]
    assert np.isfinite(found["AGE"]).tolist() == [True, False, False, False]
    assert found["AGE_FLAG"].tolist()[1] & 32
    assert 1.0 < found["MASS"][0] < 1.6
    assert 1.5 < found["DISTANCE"][0] < 2.5


def test_the_default_serves_the_whole_diagram():
    """A giant, the Sun, a metal-poor giant without C and N, a star that is nowhere, and one without labels."""
    stars = {
        "TEFF": [4750.0, 5772.0, 4600.0, 3000.0, np.nan],
        "LOGG": [2.5, 4.44, 1.5, 4.0, 2.5],
        "M_H": [-0.1, 0.0, -1.2, 0.4, 0.0],
        "C_FE": [-0.1, 0.0, np.nan, 0.0, 0.0],
        "N_FE": [0.2, 0.0, np.nan, 0.0, 0.0],
        "MAG": [10.0] * 5,
        "EXTINCTION": [0.05] * 5,
    }
    model = load_pretrained()
    assert model.card["name"] == "apogee"
    found = model.predict(stars)
    assert found["DISTANCE_SPACE"].tolist()[3:] == [2, 3]
    assert found["DISTANCE_SPACE"][0] == 0
    assert max(found["DISTANCE_SPACE"].tolist()[:3]) < 2
    assert found["LABEL_FALLBACK"].tolist() == [False, False, True, False, False]
    assert found["ABS_MAG"][:2] == pytest.approx([-1.6, 3.27], abs=0.25)  # a clump star; Willmer (2018) for the Sun
    assert np.isfinite(found["DISTANCE"]).tolist() == [True, True, True, True, False]
    assert found["MASS"][1] == pytest.approx(1.0, abs=0.1)
    assert np.isnan(found["MASS"][2])


@pytest.mark.parametrize(
    ("table", "bias", "scatter"),
    [("kepler_giants", 0.02, 0.08), ("k2_giants", 0.03, 0.10), ("kepler_dwarfs", 0.03, 0.12)],
)
def test_the_default_on_real_stars(real_data, table, bias, scatter):
    """Distances from labels against parallaxes, by the extinction of each star's colour where it brings none."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DistMassWarning)
        stars = ExtinctionChoice().apply(read_survey(real_data(f"{table}.fits")))
    found = load_pretrained().predict_columns(stars)
    chosen = distance_training_set(stars, TrainingCuts(), names=LABEL_NAMES[:3])
    error = distance_ratio(found["ABS_MAG"][chosen.rows], chosen.target) - 1.0
    assert abs(np.nanmedian(error)) < bias
    assert robust_scatter(error) < scatter
