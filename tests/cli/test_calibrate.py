"""Calibrations on the command line: two files of different layouts, a model, and the catalogues made with them."""

import hashlib
import json

import numpy as np
import pytest
from astropy.io import fits
from astropy.table import Table
from click.testing import CliRunner

from skdistmass.cli.calibrate import _CONSTRAINTS
from skdistmass.cli.commands import main
from skdistmass.datasets import make_survey
from skdistmass.estimators.label_calibration import load_calibration, shipped_calibrations
from skdistmass.model.scale import CONSTRAINTS
from skdistmass.schema.bits import QualityBit

pytestmark = pytest.mark.slow

LABELS = ("TEFF", "LOGG", "M_H", "C_FE", "N_FE")
SHIFT = {"TEFF": 40.0, "LOGG": 0.08, "M_H": 0.03, "C_FE": -0.04, "N_FE": 0.05}


def run(*arguments):
    return CliRunner().invoke(main, [str(argument) for argument in arguments])


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """A survey with its model, and some of its stars in a file of another layout, on another scale."""
    folder = tmp_path_factory.mktemp("calibrate")
    survey = make_survey(2000, random_state=0, bad_fraction=0, repeat_fraction=0, sentinel_fraction=0)
    survey.write(folder / "target.fits")
    rows = np.random.default_rng(0).permutation(len(survey))[:900]
    names = {"TEFF": "teff", "LOGG": "logg", "M_H": "m_h", "C_FE": "c_fe", "N_FE": "n_fe", "K": "kmag"}
    names |= {"GAIAEDR3_PARALLAX": "parallax", "GAIAEDR3_PARALLAX_ERROR": "parallax_error", "A_K": "a_k"}
    other = Table({new: survey[old][rows] + SHIFT.get(old, 0.0) for old, new in names.items()})
    other["tmass_id"] = [str(name).removeprefix("2M") for name in survey["APOGEE_ID"][rows]]
    other.write(folder / "other.csv")
    result = run(
        *("train", folder / "target.fits", "-o", folder / "model", "--networks", 1, "--mass", "MASS", "--quiet")
    )
    assert result.exit_code == 0, result.output
    result = run("calibrate", folder / "other.csv", folder / "target.fits", "-o", folder / "scale.cal")
    assert result.exit_code == 0, result.output
    (folder / "said.txt").write_text(result.output)
    return folder


def test_two_files_of_different_layouts(folder):
    said = (folder / "said.txt").read_text()
    assert "900 of 2000 rows matched by 2MASS" in said
    calibration = load_calibration(folder / "scale.cal")
    np.testing.assert_allclose(calibration.coef_[:, 0], [-size for size in SHIFT.values()], atol=1e-3)
    assert calibration.provenance_["from"] == "other.csv"
    assert "target.fits" in calibration.provenance_["to"]
    assert calibration.provenance_["source"].endswith("stars in common")


def test_a_catalogue_with_a_calibration_says_so(folder):
    digest = hashlib.sha256((folder / "scale.cal").read_bytes()).hexdigest()
    target = folder / "calibrated.fits"
    result = run("predict", folder / "model", folder / "other.csv", "-o", target, "--calibration", folder / "scale.cal")
    assert result.exit_code == 0, result.output
    assert "may not be on the scale" not in result.output
    header, found = fits.getheader(target, 1), Table.read(target)
    assert header["CALIB"] == "scale.cal"
    assert header["CALIBSHA"] == digest
    assert header["CALFROM"] == "other.csv"
    bare = folder / "bare.fits"
    result = run("catalog", folder / "other.csv", "--model", folder / "model", "-o", bare)
    assert "may not be on the scale of the model: " in result.output
    assert "distances -" in result.output
    assert "CALIB" not in fits.getheader(bare, 1)
    right = folder / "right.fits"
    assert run("predict", folder / "model", folder / "target.fits", "-o", right).exit_code == 0
    reference = Table.read(right)
    at = {str(name).strip().removeprefix("2M"): row for row, name in enumerate(reference["APOGEE_ID"])}
    rows = [at[name] for name in np.asarray(Table.read(folder / "other.csv", format="csv")["tmass_id"]).astype(str)]
    good = (np.asarray(reference["FLAGS"])[rows] & (QualityBit.DISTANCE_BAD | QualityBit.CALIBRATION_OUTSIDE)) == 0
    ratio, raw = (
        np.asarray(table["DISTANCE"] / reference["DISTANCE"][rows])[good] for table in (found, Table.read(bare))
    )
    assert abs(np.nanmedian(ratio) - 1) < 0.01
    assert abs(np.nanmedian(raw) - 1) > 0.015


def test_shipped_calibrations_are_listed_and_used_by_name(folder):
    listed = run("calibrate", "--list")
    assert listed.exit_code == 0
    assert [line.split(":")[0] for line in listed.output.splitlines()] == shipped_calibrations()
    target = folder / "named.vot"
    result = run("catalog", folder / "other.csv", "-o", target, "--calibration", "dr16")
    assert result.exit_code == 0, result.output
    assert 'value="dr16"' in target.read_text()


@pytest.mark.parametrize("ending", ["fits", "vot", "parquet"])
def test_info_tells_what_a_catalogue_was_made_with(folder, ending):
    target = folder / f"told.{ending}"
    assert run("catalog", folder / "other.csv", "-o", target, "--calibration", "k2").exit_code == 0
    said = run("info", target).output
    assert f"made with the calibration k2 (SHA-256 {load_calibration('k2').identity[1]})" in said
    assert "made with the model apogee (SHA-256 " in said
    assert "made with" not in run("info", folder / "other.csv").output


def test_info_tells_what_a_calibration_does(folder):
    for name in (folder / "scale.cal", "k2"):
        said = run("info", name).output
        assert "SHA-256: " in said
        assert "mean shift" in said
        assert "LOGG" in said


def test_a_model_calibrates_without_common_stars(folder):
    target = folder / "by_model.cal"
    arguments = ("--model", folder / "model", "--constraint", "parallax", "--form", "constant", "-o", target)
    result = run("calibrate", folder / "other.csv", *arguments)
    assert result.exit_code == 0, result.output
    assert "parallax: " in result.output
    content = json.loads(target.read_text())
    assert content["kind"] == "ConstraintCalibration"
    assert content["provenance"]["to"] == "the model model"
    assert CONSTRAINTS == _CONSTRAINTS


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("other.csv",), "either a second table TO, or a model"),
        (("other.csv", "target.fits", "--model", "model"), "either a second table TO, or a model"),
        (("other.csv", "target.fits", "--constraint", "parallax"), "belong to --model"),
        (("none.csv", "target.fits"), "there is no file"),
        (("bare.csv", "target.fits"), "share no identifier"),
        (("few.csv", "target.fits"), "no label has 5 stars"),
        (("no_labels.csv", "target.fits"), "has no LOGG"),
    ],
)
def test_mistakes_end_in_one_line(folder, arguments, words):
    other = Table.read(folder / "other.csv", format="csv", converters={"tmass_id": str})
    other[["teff", "logg", "m_h"]].write(folder / "bare.csv", overwrite=True)
    other[:3].write(folder / "few.csv", overwrite=True)
    other[["teff", "m_h", "tmass_id"]].write(folder / "no_labels.csv", overwrite=True)
    names = [folder / a if "." in a or a == "model" else a for a in arguments]
    result = run("calibrate", *names, "-o", folder / "wrong.cal")
    assert result.exit_code == 1
    assert words in result.output.splitlines()[-1]
    assert "Traceback" not in result.output
    assert not (folder / "wrong.cal").exists()
