"""The command line, as a user meets it."""

import numpy as np
import pytest
from astropy.table import Table
from click.testing import CliRunner

from skdistmass.cli import main
from skdistmass.datasets import make_survey


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """A folder with a survey and a model trained on it, by the commands themselves."""
    folder = tmp_path_factory.mktemp("cli")
    survey = make_survey(2500, random_state=0)
    survey.write(folder / "stars.fits")
    arguments = ["train", str(folder / "stars.fits"), "-o", str(folder / "model"), "--networks", "1", "--mass", "MASS"]
    result = CliRunner().invoke(main, arguments)
    assert result.exit_code == 0, result.output
    (folder / "train.txt").write_text(result.output)
    return folder


def run(*arguments):
    return CliRunner().invoke(main, [str(argument) for argument in arguments])


def only_line(result):
    """The one line a failed command may print."""
    assert result.exit_code != 0
    lines = [line for line in result.output.splitlines() if line.strip()]
    assert "Traceback" not in result.output
    return lines[-1]


def test_help_names_every_command():
    output = run("--help").output
    for name in ("demo", "train", "predict", "catalog", "validate", "info"):
        assert name in output


@pytest.mark.parametrize("command", sorted(main.commands))
def test_every_command_explains_itself(command):
    result = run(command, "--help")
    assert result.exit_code == 0
    assert len(result.output) > 200


def test_train_says_what_it_cut_and_how_accurate_it_is(folder):
    output = (folder / "train.txt").read_text()
    assert "removed by cuts" in output
    assert "STAR_BAD" in output
    assert "out-of-fold" in output
    assert "ABS_MAG_FALLBACK" in output


def test_predict_writes_a_catalog_with_units(folder):
    result = run("predict", folder / "model", folder / "stars.fits", "-o", folder / "catalog.fits", "--overwrite")
    assert result.exit_code == 0, result.output
    catalog = Table.read(folder / "catalog.fits")
    assert len(catalog) == 2500
    assert str(catalog["DISTANCE"].unit) == "kpc"
    assert str(catalog["MASS"].unit) == "solMass"
    assert np.isfinite(catalog["DISTANCE"]).sum() > 2000
    assert "2500 rows" in result.output


def test_out_of_fold_values_can_be_turned_off(folder):
    for options, expected in (((), True), (("--refit-values",), False)):
        result = run(
            "predict", folder / "model", folder / "stars.fits", "-o", folder / "c.fits", "--overwrite", *options
        )
        assert result.exit_code == 0, result.output
        assert bool(np.any(Table.read(folder / "c.fits")["OUT_OF_FOLD"])) is expected


def test_info_tells_what_the_model_is(folder):
    output = run("info", folder / "model").output
    assert "skdistmass_version" in output
    assert "MASS" in output


def test_catalog_and_its_validation(folder):
    result = run("catalog", folder / "stars.fits", "-o", folder / "survey.fits", "--model", folder / "model")
    assert result.exit_code == 0, result.output
    assert "repeated spectra" in result.output
    arguments = ("validate", folder / "survey.fits", "--reference", folder / "stars.fits", "-o", folder / "report.html")
    result = run(*arguments)
    assert result.exit_code == 0, result.output
    assert "<html" in (folder / "report.html").read_text()


def test_an_existing_output_is_not_replaced(folder):
    before = (folder / "model").read_bytes()
    assert "--overwrite" in only_line(run("train", folder / "stars.fits", "-o", folder / "model"))
    assert (folder / "model").read_bytes() == before


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("train", "absent.fits", "-o", "{}/x"), "absent.fits"),
        (("train", "{}/stars.fits", "-o", "{}/no/such/folder/x"), "no such folder"),
        (("train", "{}/model", "-o", "{}/x"), "model"),
        (("train", "{}/stars.fits", "-o", "{}/x", "--mass", "WEIGHT"), "WEIGHT"),
        (("train", "{}/stars.fits", "-o", "{}/x", "--max-extinction", "-1"), "A_K > -1"),
        (("predict", "{}/stars.fits", "{}/stars.fits", "-o", "{}/x.fits"), "stars.fits"),
        (("predict", "no-such-model", "{}/stars.fits", "-o", "{}/x.fits"), "no-such-model"),
        (("predict", "{}/model", "{}/train.txt", "-o", "{}/x.fits"), "train.txt"),
        (("info", "{}/stars.fits"), "stars.fits"),
    ],
)
def test_mistakes_end_in_one_line(folder, arguments, words):
    result = run(*(argument.format(folder) for argument in arguments))
    assert words in only_line(result)
    assert result.exit_code == 1
    assert not (folder / "x").exists()


@pytest.mark.parametrize("threshold", ["high", "2"])
def test_a_senseless_threshold_is_refused(folder, threshold):
    result = run("train", folder / "stars.fits", "-o", folder / "x", "--binary-threshold", threshold)
    assert result.exit_code != 0
    assert "threshold" in result.output.lower()


def test_interrupting_leaves_nothing_behind(folder, monkeypatch):
    from skdistmass.model import DistMassModel

    def interrupted(*args, **kwargs):
        raise KeyboardInterrupt

    monkeypatch.setattr(DistMassModel, "fit", interrupted)
    result = run("train", folder / "stars.fits", "-o", folder / "y")
    assert result.exit_code == 130
    assert not (folder / "y").exists()


def test_demo_draws_and_writes(tmp_path):
    result = run("demo", "--out", tmp_path / "demo", "--stars", 3000)
    assert result.exit_code == 0, result.output
    assert "scatter" in result.output
    names = {path.name for path in (tmp_path / "demo").iterdir()}
    assert names == {"survey.fits", "demo.model", "catalog.fits", "kiel.png", "truth.png"}
