"""Names from files on the terminal and in Markdown: no codes that a terminal obeys, no tags, no lines of their own."""

import json
import re

import numpy as np
import pytest
from click.testing import CliRunner

from skdistmass.cli.commands import main
from skdistmass.cli.support import command_line
from skdistmass.datasets import make_survey
from skdistmass.deploy.card import seal
from skdistmass.deploy.format import CARD_KEY, NO_CHECKSUM
from skdistmass.estimators.label_calibration import load_calibration
from skdistmass.model import find_model

EVIL = "\x1b]0;owned\x07\x1b[31m\u202e<script>x</script>\r\nproblem: |a](b) `c`"


def run(*arguments):
    return CliRunner().invoke(main, [str(argument) for argument in arguments])


def is_plain(output):
    return all(line.isprintable() for line in output.split("\n")) and "\nproblem: |" not in output


def with_card(path, card):
    """Write an ONNX file whose card is another one, or has other entries."""
    onnx = pytest.importorskip("onnx")
    model = onnx.load(find_model("kepler-giants"))
    entry = next(entry for entry in model.metadata_props if entry.key == CARD_KEY)
    entry.value = json.dumps(card if "name" in card and len(card) == 1 else json.loads(entry.value) | card)
    path.write_bytes(seal(re.sub(rb"sha256:[0-9a-f]{64}", NO_CHECKSUM.encode(), model.SerializeToString())))
    return path


def test_a_card(tmp_path):
    entries = dict.fromkeys(("name", "description", "training_set", "licence", "limits", "age_relation"), EVIL)
    path = with_card(tmp_path / "m.onnx", entries | {"references": [EVIL], "training_columns": {EVIL: EVIL}})
    told, card = run("info", path), run("info", path, "--card")
    assert told.exit_code == card.exit_code == 0
    assert is_plain(told.output)
    assert "owned" in told.output
    text = card.output.split("---\n", 2)[2]  # below the metadata, which are YAML
    assert is_plain(card.output)
    assert "owned" in text
    assert not re.search(r"<script|(?<!\\)\|a|\]\(b", text)


def test_a_card_that_lacks_entries(tmp_path):
    path = with_card(tmp_path / "m.onnx", {"name": "x"})
    assert run("info", path).exit_code == 0
    result = run("info", path, "--card")
    assert "is not complete (KeyError" in result.output
    assert result.exit_code == 1


def test_names_of_columns_and_files(tmp_path):
    table = make_survey(50, random_state=0)
    table["AK_TARG_METHOD"] = np.full(50, EVIL)
    table.rename_column("GAIA_SOURCE_ID" if "GAIA_SOURCE_ID" in table.colnames else table.colnames[-1], "X_" + EVIL)
    path = tmp_path / "\x1b[31m\u202e.fits"
    table.write(tmp_path / "x.ecsv")
    table["TEFF", "LOGG"].write(path)
    for arguments in (
        ("info", tmp_path / "x.ecsv"),
        ("info", path),
        ("predict", "kepler-giants", path, "-o", tmp_path / "c.fits"),
        ("export", path, path, "-o", tmp_path / "c.onnx"),
        ("catalog", path, "--layout", path, "-o", tmp_path / "c.fits"),
    ):
        result = run(*arguments)
        assert is_plain(result.output), arguments
        assert result.exception is None or isinstance(result.exception, SystemExit)


def test_a_calibration(tmp_path):
    calibration = load_calibration("payne-dr14")
    calibration.provenance_ = {"name": EVIL, "source": EVIL}
    calibration.save(tmp_path / "c.json")
    result = run("info", tmp_path / "c.json")
    assert result.exit_code == 0, result.output
    assert "owned" in result.output
    assert is_plain(result.output)


def test_the_command_that_a_report_states_has_no_control_characters(monkeypatch):
    monkeypatch.setattr("sys.argv", ["skdistmass", "validate", f"{EVIL}.fits", "-o", "my report.html"])
    assert command_line().isprintable()
    assert command_line().endswith("-o 'my report.html'")
