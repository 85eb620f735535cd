"""Outputs of commands: never an input, finished ones left alone, and unfinished ones kept by SIGTERM."""

import shutil
import signal
import subprocess
import sys

import pytest
from click.testing import CliRunner

from skdistmass.cli.commands import main
from skdistmass.datasets import make_survey


@pytest.fixture(scope="module")
def stars(tmp_path_factory):
    path = tmp_path_factory.mktemp("outputs") / "stars.fits"
    make_survey(1200, random_state=0).write(path)
    return path


def run(*arguments):
    return CliRunner().invoke(main, [str(argument) for argument in arguments])


@pytest.mark.parametrize(
    "arguments",
    [
        "train {}",
        "train other.fits --join {}",
        "train other.fits --clusters {}",
        "train other.fits --cluster-distances {}",
        "train other.fits --layout {}",
        "predict {}",
        "predict {} other.fits",
        "predict model {}",
        "predict other.fits --calibration {}",
        "predict other.fits --layout {}",
        "catalog {}",
        "catalog other.fits --model {}",
        "catalog other.fits --isochrones {}",
        "catalog other.fits --calibration {}",
        "catalog other.fits --layout {}",
        "posterior model {}",
        "posterior {} other.fits",
        "posterior model other.fits --layout {}",
        "calibrate {} other.fits",
        "calibrate other.fits {}",
        "calibrate other.fits --model {}",
        "calibrate other.fits more.fits --join {}",
        "calibrate other.fits more.fits --to-layout {}",
        "export {}",
        "validate {}",
        "validate other.fits --reference {}",
        "validate other.fits --model {}",
        "validate other.fits --cluster-distances {}",
    ],
)
def test_an_output_that_is_an_input_is_refused(stars, tmp_path, arguments):
    given, linked = tmp_path / "given.fits", tmp_path / "linked.fits"
    shutil.copy(stars, given)
    linked.symlink_to(given)
    for output in (given, linked):
        result = run(*arguments.format(given).split(), "-o", output, "--overwrite")
        assert result.exit_code == 1
        assert "is an input of this command" in result.output
    assert given.read_bytes() == stars.read_bytes()


@pytest.mark.parametrize("command", ["catalog", "predict"])
def test_a_finished_catalogue_is_no_failure_of_resume(stars, tmp_path, command):
    target = tmp_path / "catalog.fits"
    arguments = (command, stars, "-o", target, "--resume", "-q")
    assert run(*arguments).exit_code == 0
    before = target.stat().st_mtime_ns
    again = run(*arguments)
    assert again.exit_code == 0
    assert again.output.splitlines()[-1] == (
        f"{target} is finished already: 1200 rows of this survey, model and settings."
    )
    assert target.stat().st_mtime_ns == before
    other = run(*arguments, "--negative-extinction", "keep")
    assert other.exit_code == 1
    assert "(AKNEG); give it another name" in other.output
    other = run(*arguments, "--layout", "mock", "--refit-values")
    assert "(OUTFOLD); give it another name" in other.output
    assert target.stat().st_mtime_ns == before


SLOW = """
import sys, time
from skdistmass.catalog.part_file import PartFile
from skdistmass.cli.commands import main

add = PartFile.append


def slow(self, records):
    add(self, records)
    print("added", flush=True)
    time.sleep(30)


PartFile.append = slow
main(sys.argv[1:])
"""


@pytest.mark.slow
@pytest.mark.skipif(sys.platform == "win32", reason="SIGTERM to another process is a matter of Unix")
def test_sigterm_keeps_the_part_and_a_second_process_is_refused(stars, tmp_path):
    target = tmp_path / "c.fits"
    arguments = ["catalog", str(stars), "-o", str(target), "--chunk-rows", "500"]
    process = subprocess.Popen(
        [sys.executable, "-c", SLOW, *arguments], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )
    assert process.stdout.readline() == "added\n"
    for option in ("--resume", "--overwrite"):
        second = run(*arguments, option)
        assert second.exit_code == 1
        assert "is being written by another process" in second.output
    process.send_signal(signal.SIGTERM)
    errors = process.communicate(timeout=60)[1]
    assert process.returncode == 130
    assert errors.splitlines()[-1].startswith(f"Interrupted. {target}.part is kept")
    assert "Traceback" not in errors
    result = run(*arguments, "--resume")
    assert result.exit_code == 0, result.output
    assert [path.name for path in tmp_path.iterdir()] == ["c.fits"]
