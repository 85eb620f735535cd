"""Outputs of commands: never an input, finished ones left alone, and unfinished ones kept by SIGTERM."""

import os
import re
import shutil
import signal
import subprocess
import sys

import pytest
from click.testing import CliRunner

from skdistmass.cli.commands import main
from skdistmass.datasets import make_survey
from skdistmass.writing import BuildLock


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
        "posterior model other.fits --isochrones {}",
        "posterior model other.fits --states {}",
        "info {} --card",
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


@pytest.mark.parametrize("output", ["c.fits", "m.skd", "r.html"])
def test_an_input_that_has_the_name_of_the_unfinished_output_is_refused(stars, tmp_path, output):
    given = tmp_path / f"{output}.part"
    shutil.copy(stars, given)
    command = {"c.fits": "catalog", "m.skd": "train", "r.html": "validate"}[output]
    assert "is an input of this command" in run(command, given, "-o", tmp_path / output, "--overwrite").output
    # A file of somebody else's there is kept as well, but that of a catalogue, which says what to do with it.
    if command != "catalog":
        result = run(command, stars, "-o", tmp_path / output, "--overwrite")
        assert "is an unfinished catalogue, or another file" in result.output
    assert given.read_bytes() == stars.read_bytes()


def test_outputs_of_many_files_and_of_folders_are_no_inputs(stars, tmp_path):
    def refused(*arguments):
        result = run("catalog", *arguments, "--overwrite")
        assert result.exit_code == 1
        assert re.search("is an input of this command|in it, or holds it|no HATS catalogue, and is not", result.output)

    table, folder = tmp_path / "other.parquet", tmp_path / "survey"
    table.write_bytes(b"a survey")
    shutil.copy(stars, tmp_path / "other.fits")
    refused(stars, table, "-o", tmp_path)
    refused(tmp_path / "other.fits", stars, "-o", tmp_path, "--model", table)
    folder.mkdir()
    (folder / "hats.properties").write_text("")
    (tmp_path / "link").symlink_to(folder)
    (tmp_path / "out.part").symlink_to(folder)
    (tmp_path / "full").mkdir()
    for output in (folder, tmp_path / "link", tmp_path, folder / "out", tmp_path / "out", tmp_path / "full"):
        refused(folder, "-o", output)
    assert table.read_bytes() == b"a survey"
    assert (folder / "hats.properties").exists()


@pytest.mark.skipif(sys.platform == "win32", reason="locks are a matter of Unix")
def test_a_second_process_is_refused_whatever_it_calls_the_output(stars, tmp_path):
    folder, target = tmp_path / "folder", tmp_path / "folder" / "out.fits"
    folder.mkdir()
    target.write_bytes(b"old")
    (tmp_path / "link").symlink_to(folder)
    (tmp_path / "linked.fits").symlink_to(target)
    os.link(target, folder / "hard.fits")
    others = target, folder / ".." / "folder" / "out.fits", tmp_path / "link" / "out.fits", tmp_path / "linked.fits"
    lock = BuildLock(folder / "out.fits.part", target)
    for command in ("train", "posterior kepler-giants", "validate", "calibrate other.fits", "export", "info --card"):
        for output in (*others, folder / "hard.fits"):
            result = run(*command.split(), stars, "-o", output, "--overwrite")
            assert result.exit_code == 1
            assert "is being written by another process" in result.output
    lock.close()
    assert sorted(path.name for path in folder.iterdir()) == ["hard.fits", "out.fits", "out.fits.part"]
    assert run("info", "kepler-giants", "--card", "-o", tmp_path / "linked.fits", "--overwrite").exit_code == 0
    assert target.read_text().startswith("---")
    assert (tmp_path / "linked.fits").is_symlink()
    assert sorted(path.name for path in folder.iterdir()) == ["hard.fits", "out.fits"]


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
