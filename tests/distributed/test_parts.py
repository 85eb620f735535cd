"""Surveys in many files, and the command line of both."""

import os
import signal

import pandas as pd
import pytest
from click.testing import CliRunner

from skdistmass.cli.commands import main
from skdistmass.distributed import build_parts, parts
from skdistmass.exceptions import DistMassError, DistMassWarning, InputError

MODEL = "kepler-giants"

# The labels of the mock survey are not quite on the model's scale.
pytestmark = [pytest.mark.slow, pytest.mark.filterwarnings("ignore:.* looks :skdistmass.exceptions.DistMassWarning")]


@pytest.fixture
def files(survey, tmp_path):
    """The survey in three files of unequal length."""
    (tmp_path / "in").mkdir()
    paths = []
    for number, (start, stop) in enumerate([(0, 100), (100, 4100), (4100, 6000)]):
        paths.append(tmp_path / "in" / f"part{number}.parquet")
        survey.iloc[start:stop].to_parquet(paths[-1], index=False)
    return paths


def _read(folder):
    return pd.concat(pd.read_parquet(path, dtype_backend="pyarrow") for path in sorted(folder.glob("*.parquet")))


def _run(*arguments):
    return CliRunner().invoke(main, ["catalog", *map(str, arguments)])


def test_the_catalogue_of_one_machine(files, expected, assert_same, tmp_path):
    done = []
    paths = build_parts(MODEL, files, tmp_path / "out", workers=2, progress=lambda *step: done.append(step))
    assert [path.name for path in paths] == [path.name for path in files]
    assert done == [(1, 3), (2, 3), (3, 3)]
    assert_same(_read(tmp_path / "out"), expected)


def test_broken_files_are_named_and_the_others_done(files, expected, assert_same, tmp_path):
    whole = files[1].read_bytes()
    files[1].write_bytes(whole[:-100])
    with pytest.raises(DistMassError, match=r"1 of 3 files can't be used, the others are done: .*part1\.parquet"):
        build_parts(MODEL, files, tmp_path / "out")
    first = tmp_path / "out" / "part0.parquet"
    before = first.stat().st_mtime_ns
    files[1].write_bytes(whole)
    with pytest.raises(DistMassError, match="exists; give overwrite"):
        build_parts(MODEL, files, tmp_path / "out")
    build_parts(MODEL, files, tmp_path / "out", resume=True)
    assert first.stat().st_mtime_ns == before
    assert_same(_read(tmp_path / "out"), expected)
    with pytest.raises(DistMassError, match="exists, and is not the catalogue"):
        build_parts(MODEL, files, tmp_path / "out", resume=True, out_of_fold=False)


def _die(*_):
    os.kill(os.getpid(), signal.SIGKILL)


def test_a_killed_worker_is_told_and_resumed(files, expected, assert_same, tmp_path, monkeypatch):
    monkeypatch.setattr(parts, "_build", _die)
    with pytest.raises(DistMassError, match=r"a worker died.*part0\.parquet, .*part1\.parquet\. Finished"):
        build_parts(MODEL, files, tmp_path / "out", workers=2)
    monkeypatch.undo()
    build_parts(MODEL, files, tmp_path / "out", resume=True)
    assert_same(_read(tmp_path / "out"), expected)


def test_labels_on_another_scale_are_told(files, tmp_path):
    with pytest.warns(DistMassWarning, match=r"part1\.parquet: .* looks .* dex too"):
        build_parts(MODEL, files[1:2], tmp_path / "out")


def test_bad_input(files, tmp_path):
    with pytest.raises(InputError, match="there is no file"):
        build_parts(MODEL, [], tmp_path / "out")
    with pytest.raises(InputError, match=r"two files would give part0\.parquet"):
        build_parts(MODEL, [files[0], files[0]], tmp_path / "out")
    with pytest.raises(InputError, match="workers is 0"):
        build_parts(MODEL, files, tmp_path / "out", workers=0)


def test_command_line_of_several_files(files, expected, assert_same, tmp_path):
    found = _run(*files, "-o", tmp_path / "out", "--workers", 2, "--model", MODEL)
    assert found.exit_code == 0, found.output
    assert "3 catalogues" in found.output
    assert_same(_read(tmp_path / "out"), expected)
    for options, message in (
        (["--query", "LOGG < 3"], "--query can't be used with several files"),
        (["--hdu", "1"], "--hdu can't be used with several files"),
    ):
        found = _run(*files, "-o", tmp_path / "other", *options)
        assert found.exit_code == 1
        assert message in found.output
    found = _run(files[0], "-o", tmp_path / "one.fits", "--workers", 2)
    assert "--workers can't be used with a SURVEY that is one file" in found.output


def test_command_line_of_hats(hats, scheduler, expected, assert_same, tmp_path):
    import lsdb

    found = _run(hats, "-o", tmp_path / "out", "--scheduler", scheduler, "--keep", "CLUSTER", "--model", MODEL)
    assert found.exit_code == 0, found.output
    assert "6000 rows" in found.output
    computed = lsdb.open_catalog(tmp_path / "out").compute(progress_bar=False)
    assert_same(computed, expected, columns=list(expected.columns))
    found = _run(tmp_path, "-o", tmp_path / "other")
    assert found.exit_code == 1
    assert "is no HATS catalogue" in found.output
