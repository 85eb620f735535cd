"""The model card as a README: metadata that parses, the numbers of the record, for models of every kind."""

import copy

import pytest
import yaml
from click.testing import CliRunner

from skdistmass.cli.commands import main
from skdistmass.deploy import model_readme
from skdistmass.deploy.pretrained import load_pretrained

SECTIONS = ["How to use it", "What it predicts", "Training data", "Performance"]
SECTIONS += ["Limits and flags", "Label scale", "Citation"]


def metadata(readme):
    """Return the front matter, which stands between two lines of dashes."""
    start, front, text = readme.split("---\n", 2)
    assert start == ""
    assert [line[3:] for line in text.splitlines() if line.startswith("## ")] == SECTIONS
    return yaml.safe_load(front)


@pytest.mark.parametrize("name", ["apogee", "kepler-giants-float32"])
def test_numbers_are_those_of_the_record(name):
    model = load_pretrained(name)
    readme = model_readme(model, name)
    front = metadata(readme)
    assert (front["license"], front["library_name"]) == ("bsd-3-clause", "skdistmass")
    assert front["datasets"][0] == "kepler_giants.fits"
    values = [[metric["value"] for metric in result["metrics"]] for result in front["model-index"][0]["results"]]
    assert values == [[found["scatter"], found["bias"]] for found in model.card["accuracy"].values()]
    distance = model.card["accuracy"]["ABS_MAG"]
    assert f"| distance | {distance['stars']} | {100 * distance['scatter']:.1f} % |" in readme
    assert f'load_pretrained("{name}")' in readme
    assert f"skdistmass predict {name} SURVEY.fits" in readme
    assert f"arrays of {model.card['dtype']}" in readme
    for text in (model.card["limits"], *model.card["references"]):
        assert text in readme


def test_a_calibration_in_the_card_is_named():
    model = copy.copy(load_pretrained("kepler-giants"))
    model.card = model.card | {"calibration": "dr12-raw"}
    assert "by the calibration dr12-raw" in model_readme(model, "kepler-giants")
    assert "by the calibration" not in model_readme(load_pretrained("kepler-giants"), "kepler-giants")


@pytest.mark.slow
@pytest.mark.parametrize("left", ["both", "ABS_MAG", "MASS"])
def test_models_of_one_part(model, left):
    part = copy.copy(model)
    if left != "both":
        part.accuracy_ = {name: found for name, found in model.accuracy_.items() if name.startswith(left)}
        part.removed_ = {name: found for name, found in model.removed_.items() if name.startswith(left)}
        part.absent_ = {"mass" if left == "ABS_MAG" else "distance": "not trained"}
    if left == "MASS":
        part.abs_mag_ = None
    if left == "ABS_MAG":
        part.masses_ = {}
    readme = model_readme(part, "my.model")
    assert metadata(readme)["license"] == "unknown"
    assert "skdistmass export my.model -o my.onnx" in readme
    assert ("`DISTANCE`" in readme, "DISTANCE_BAD" in readme, "`MAG`" in readme) == (left != "MASS",) * 3
    assert ("`AGE_CAL`" in readme, "MASS_BAD" in readme) == (left != "ABS_MAG",) * 2
    assert ("not trained" in readme) == (left != "both")


def test_the_command_writes_it(tmp_path):
    def run(*arguments):
        return CliRunner().invoke(main, ["info", *map(str, arguments)])

    path = tmp_path / "README.md"
    printed, written = run("apogee", "--card"), run("apogee", "--card", "-o", path)
    assert written.output == f"wrote {path}\n"
    assert path.read_text(encoding="utf-8") == printed.output == model_readme(load_pretrained(), "apogee")
    assert "exists" in run("apogee", "--card", "-o", path).output
    assert run("apogee", "--card", "-o", path, "--overwrite").exit_code == 0
    assert "-o goes with --card" in run("apogee", "-o", path).output
    table = tmp_path / "stars.csv"
    table.write_text("TEFF,LOGG,M_H\n4800,2.5,0.0\n")
    assert "--card is for models" in run(table, "--card").output
