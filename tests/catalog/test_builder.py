"""The builder: chunks, kills and resumes, full disks, changed inputs, damaged files."""

import json
import multiprocessing
import os
import random
import resource
import shutil
import signal
import subprocess
import sys
import time
from concurrent.futures import Future
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import pytest
from astropy.io import fits
from astropy.table import Table

from skdistmass.catalog import build_catalog, builder
from skdistmass.datasets import make_survey
from skdistmass.exceptions import ColumnError, DistMassError, FileFormatError, InputError

pytestmark = pytest.mark.slow


class Interrupt(Exception):
    """What stops a build in these tests."""


def stop_after(rows):
    def progress(done, total):
        if done >= rows:
            raise Interrupt

    return progress


def files(folder):
    return sorted(path.name for path in Path(folder).iterdir())


def test_chunks_do_not_change_the_catalogue(model, all_star, tmp_path):
    for rows in (64, 1000):
        build_catalog(model, all_star, tmp_path / f"{rows}.fits", chunk_rows=rows)
    small, large = (Table.read(tmp_path / f"{rows}.fits") for rows in (64, 1000))
    for name in small.colnames:
        a, b = np.ma.asarray(small[name]), np.ma.asarray(large[name])
        if a.dtype.kind == "f":
            np.testing.assert_allclose(a.filled(np.nan), b.filled(np.nan), rtol=1e-12, atol=1e-12)
        else:
            assert (a == b).all() is not np.False_, name


def test_threads_do_not_change_the_catalogue(stand_in, all_star, tmp_path):
    for n_jobs in (1, 3):
        build_catalog(stand_in, all_star, tmp_path / f"{n_jobs}.fits", chunk_rows=100, n_jobs=n_jobs)
    assert (tmp_path / "1.fits").read_bytes() == (tmp_path / "3.fits").read_bytes()


def test_model_file_and_model_give_the_same(model, all_star, tmp_path):
    model.save(tmp_path / "model.skdm")
    build_catalog(tmp_path / "model.skdm", all_star, tmp_path / "file.fits")
    build_catalog(model, all_star, tmp_path / "object.fits")
    assert (fits.getdata(tmp_path / "file.fits") == fits.getdata(tmp_path / "object.fits")).shape == (1000,)
    assert fits.getdata(tmp_path / "file.fits").tobytes() == fits.getdata(tmp_path / "object.fits").tobytes()
    assert fits.getheader(tmp_path / "file.fits", 1)["MODEL"] == "model.skdm"


def test_order_of_rows_is_that_of_the_survey(stand_in, all_star, tmp_path):
    seen = []
    build_catalog(stand_in, all_star, tmp_path / "c.fits", chunk_rows=70, progress=lambda *args: seen.append(args))
    ids = np.char.strip(fits.getdata(all_star)["APOGEE_ID"])
    assert (np.char.strip(fits.getdata(tmp_path / "c.fits")["APOGEE_ID"]) == ids).all()
    assert seen[0] == (0, 1000)
    assert seen[-1] == (1000, 1000)
    assert [done for done, _ in seen] == sorted(done for done, _ in seen)


@pytest.mark.parametrize("ending", ["fits", "vot", "parquet"])
@pytest.mark.parametrize("n_jobs", [1, 2])
def test_resumed_catalogue_has_the_same_bytes(stand_in, all_star, tmp_path, ending, n_jobs):
    expected, target = tmp_path / f"expected.{ending}", tmp_path / f"catalog.{ending}"
    build_catalog(stand_in, all_star, expected, chunk_rows=190, command="first")
    with pytest.raises(Interrupt):
        build_catalog(
            stand_in, all_star, target, chunk_rows=190, command="first", progress=stop_after(400), n_jobs=n_jobs
        )
    assert not target.exists()
    report = build_catalog(stand_in, all_star, target, chunk_rows=1000, command="second", resume=True)
    assert target.read_bytes() == expected.read_bytes()
    assert report.n_rows == 1000
    assert files(tmp_path) == sorted([expected.name, target.name])


def test_old_catalogue_stays_until_the_new_one_is_complete(stand_in, all_star, tmp_path):
    target = tmp_path / "catalog.fits"
    target.write_bytes(b"old")
    with pytest.raises(InputError, match="exists"):
        build_catalog(stand_in, all_star, target)
    with pytest.raises(Interrupt):
        build_catalog(stand_in, all_star, target, chunk_rows=190, progress=stop_after(400), overwrite=True)
    assert target.read_bytes() == b"old"
    with pytest.raises(InputError, match="unfinished"):
        build_catalog(stand_in, all_star, target)
    build_catalog(stand_in, all_star, target, resume=True)
    assert fits.getheader(target, 1)["NAXIS2"] == 1000


def test_rows_written_but_not_counted_are_written_again(stand_in, all_star, tmp_path):
    expected, target = tmp_path / "expected.fits", tmp_path / "catalog.fits"
    build_catalog(stand_in, all_star, expected, chunk_rows=190)
    with pytest.raises(Interrupt):
        build_catalog(stand_in, all_star, target, chunk_rows=190, progress=stop_after(400))
    with open(f"{target}.part", "ab") as file:
        file.write(b"half a row")
    build_catalog(stand_in, all_star, target, resume=True)
    assert target.read_bytes() == expected.read_bytes()


def test_a_part_that_lost_rows_is_refused(stand_in, all_star, tmp_path):
    target = tmp_path / "catalog.fits"
    _interrupted(stand_in, all_star, target)
    part = Path(f"{target}.part")
    os.truncate(part, part.stat().st_size - 1)
    with pytest.raises(DistMassError, match="is damaged"):
        build_catalog(stand_in, all_star, target, resume=True)


def test_resume_after_the_last_row(stand_in, all_star, tmp_path, monkeypatch):
    """A kill after the checksums were written, or after the file got its name."""
    expected, target = tmp_path / "expected.fits", tmp_path / "catalog.fits"
    build_catalog(stand_in, all_star, expected, chunk_rows=300)
    from skdistmass.catalog.part_file import PartFile

    def die(*args):
        raise Interrupt

    for name in ("publish", "discard"):
        with monkeypatch.context() as patch:
            patch.setattr(PartFile, name, die)
            with pytest.raises(Interrupt):
                build_catalog(stand_in, all_star, target, chunk_rows=300)
        assert target.exists() == (name == "discard")
        report = build_catalog(stand_in, all_star, target, resume=True)
        assert report.n_rows == 1000
        assert target.read_bytes() == expected.read_bytes()
        target.unlink()
    assert files(tmp_path) == [expected.name]


def _interrupted(model, survey, target, **settings):
    with pytest.raises(Interrupt):
        build_catalog(model, survey, target, chunk_rows=190, progress=stop_after(400), **settings)


def test_resume_refuses_another_survey(stand_in, tmp_path):
    survey = tmp_path / "survey.fits"
    make_survey(1000, random_state=0).write(survey)
    _interrupted(stand_in, survey, tmp_path / "c.fits")
    make_survey(1000, random_state=1).write(survey, overwrite=True)
    with pytest.raises(DistMassError, match="has changed"):
        build_catalog(stand_in, survey, tmp_path / "c.fits", resume=True)


def test_work_stopped_before_the_checksum_is_known_starts_again(stand_in, all_star, tmp_path, monkeypatch):
    """The checksum of a large survey is taken while rows are predicted; without it, nothing tells what was read."""
    expected, target, seen = tmp_path / "all.fits", tmp_path / "c.fits", []
    build_catalog(stand_in, all_star, expected, chunk_rows=190, command="a")

    @contextmanager
    def slow(path):
        yield Future()

    monkeypatch.setattr(builder, "checksum_beside", slow)
    _interrupted(stand_in, all_star, target, command="a")
    assert "input" not in json.loads((tmp_path / "c.fits.part.json").read_text())
    monkeypatch.undo()
    settings = {"chunk_rows": 190, "command": "a", "resume": True}
    build_catalog(stand_in, all_star, target, progress=lambda done, _: seen.append(done), **settings)
    assert seen[0] == 0
    assert target.read_bytes() == expected.read_bytes()


def test_resume_takes_a_copy_of_the_survey(stand_in, tmp_path):
    survey = tmp_path / "survey.fits"
    make_survey(1000, random_state=0).write(survey)
    _interrupted(stand_in, survey, tmp_path / "c.fits")
    os.utime(survey, (1, 1))
    assert build_catalog(stand_in, survey, tmp_path / "c.fits", resume=True).n_rows == 1000


def test_resume_refuses_another_model_and_other_settings(stand_in, all_star, tmp_path):
    from skdistmass.extinction import ExtinctionChoice

    _interrupted(stand_in, all_star, tmp_path / "c.fits")
    with pytest.raises(DistMassError, match="other predictions"):
        build_catalog(type(stand_in)(2.0), all_star, tmp_path / "c.fits", resume=True)
    choice = ExtinctionChoice(negative="keep")
    with pytest.raises(DistMassError, match="other settings"):
        build_catalog(stand_in, all_star, tmp_path / "c.fits", resume=True, extinction=choice)
    Path(tmp_path / "c.fits.part.json").write_text("{")
    with pytest.raises(FileFormatError, match="damaged"):
        build_catalog(stand_in, all_star, tmp_path / "c.fits", resume=True)
    build_catalog(stand_in, all_star, tmp_path / "c.fits", overwrite=True)
    assert files(tmp_path) == ["c.fits"]


def test_survey_changed_while_it_is_read(stand_in, tmp_path):
    survey = tmp_path / "survey.fits"
    make_survey(1000, random_state=0).write(survey)

    def change(done, total):
        if done == 300:
            os.utime(survey, (5, 5))

    with pytest.raises(DistMassError, match="changed while"):
        build_catalog(stand_in, survey, tmp_path / "c.fits", chunk_rows=100, progress=change)
    assert not (tmp_path / "c.fits").exists()


@pytest.mark.skipif(sys.platform == "win32", reason="limits on file sizes are a matter of Unix")
def test_full_disk_is_one_clear_error_and_can_be_resumed(stand_in, all_star, tmp_path):
    expected, target = tmp_path / "expected.fits", tmp_path / "catalog.fits"
    build_catalog(stand_in, all_star, expected, chunk_rows=100)
    old = resource.getrlimit(resource.RLIMIT_FSIZE)
    handler = signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    try:
        resource.setrlimit(resource.RLIMIT_FSIZE, (expected.stat().st_size // 2, old[1]))
        with pytest.raises(DistMassError, match=r"can't be written.*resume"):
            build_catalog(stand_in, all_star, target, chunk_rows=100)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, old)
        signal.signal(signal.SIGXFSZ, handler)
    assert not target.exists()
    build_catalog(stand_in, all_star, target, resume=True)
    assert target.read_bytes() == expected.read_bytes()


def test_too_little_room_is_found_at_once(stand_in, all_star, tmp_path, monkeypatch):
    usage = shutil.disk_usage(tmp_path)
    monkeypatch.setattr(shutil, "disk_usage", lambda folder: usage._replace(free=1000))
    with pytest.raises(DistMassError, match="MB left"):
        build_catalog(stand_in, all_star, tmp_path / "c.fits")
    assert files(tmp_path) == []


def test_places_that_cannot_be_written(stand_in, all_star, tmp_path):
    with pytest.raises(DistMassError, match="can't be written"):
        build_catalog(stand_in, all_star, tmp_path / "absent" / "c.fits")
    (tmp_path / "file").write_text("")
    with pytest.raises(DistMassError, match="can't be written"):
        build_catalog(stand_in, all_star, tmp_path / "file" / "c.fits")
    (tmp_path / "folder.fits").mkdir()
    with pytest.raises(InputError, match="folder"):
        build_catalog(stand_in, all_star, tmp_path / "folder.fits")
    with pytest.raises(InputError, match="ending"):
        build_catalog(stand_in, all_star, tmp_path / "c.txt")


@pytest.mark.parametrize(
    "settings",
    [{"chunk_rows": 0}, {"chunk_rows": 1.5}, {"n_jobs": 0}, {"parallax_zero_point": "gaia"}, {"extinction": 3}],
)
def test_parameters_are_checked(stand_in, all_star, tmp_path, settings):
    with pytest.raises(InputError):
        build_catalog(stand_in, all_star, tmp_path / "c.fits", **settings)
    assert files(tmp_path) == []


def test_repeats_are_counted(stand_in, tmp_path):
    survey = make_survey(1000, random_state=0)
    survey["APOGEE_ID"][:10] = ""
    survey["APSTAR_ID"][20:23] = survey["APSTAR_ID"][23]
    survey.write(tmp_path / "survey.fits")
    report = build_catalog(stand_in, tmp_path / "survey.fits", tmp_path / "c.fits", chunk_rows=130)
    ids = np.asarray(survey["APOGEE_ID"])[10:]
    assert report.n_stars == 10 + len(np.unique(ids))
    assert report.n_repeated == 1000 - report.n_stars
    assert report.n_duplicates == 3
    header = fits.getheader(tmp_path / "c.fits", 1)
    assert (header["NSTARS"], header["NREPEAT"], header["NDUPSPEC"]) == (report.n_stars, report.n_repeated, 3)


def test_models_that_cannot_make_a_catalogue(all_star, stand_in, tmp_path):
    class Short:
        card = {}

        def predict_columns(self, stars, *, out_of_fold=True):
            return {"ABS_MAG": np.zeros(3)}

    with pytest.raises(ColumnError, match=r"ABS_MAG has shape \(3,\) for 1000 stars"):
        build_catalog(Short(), all_star, tmp_path / "c.fits")
    with pytest.raises(InputError, match="object, which is no predictor"):
        build_catalog(object(), all_star, tmp_path / "c.fits")
    with pytest.raises(FileFormatError, match="no-model"):
        build_catalog("no-model", all_star, tmp_path / "c.fits")
    assert files(tmp_path) == []


def test_text_that_does_not_fit_is_an_error(stand_in, tmp_path):
    survey = make_survey(300, random_state=0)
    survey["APOGEE_ID"] = ["x" * 31] * 300
    survey.write(tmp_path / "long.fits")
    with pytest.raises(ColumnError, match="31 characters"):
        build_catalog(stand_in, tmp_path / "long.fits", tmp_path / "c.fits")
    survey["APOGEE_ID"] = ["étoile"] * 300
    survey.write(tmp_path / "accent.ecsv")
    with pytest.raises(InputError, match="ASCII"):
        build_catalog(stand_in, tmp_path / "accent.ecsv", tmp_path / "c.fits")


@pytest.fixture(scope="module")
def killable(model, tmp_path_factory):
    """A model, a survey, and processes that start at once, as all modules are loaded."""
    folder = tmp_path_factory.mktemp("kills")
    make_survey(1200, random_state=3).write(folder / "survey.fits")
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(["skdistmass.catalog", "skdistmass.model.distmass"])
    return model, folder, context


@pytest.mark.skipif(sys.platform == "win32", reason="SIGKILL is a signal of Unix")
def test_killed_at_random_moments_and_resumed(killable):
    model, folder, context = killable

    def size_of(path):
        try:
            return path.stat().st_size
        except FileNotFoundError:
            return 0

    def start(target):
        settings = {"chunk_rows": 300, "resume": True, "command": "c"}
        process = context.Process(target=build_catalog, args=(model, folder / "survey.fits", target), kwargs=settings)
        process.start()
        return process

    expected = folder / "expected.fits"
    start(expected).join()  # the first also starts the server
    expected.unlink()
    began = time.monotonic()
    start(expected).join()
    duration = time.monotonic() - began
    chance = random.Random(0)
    unfinished = 0
    for number in range(8):
        target = folder / f"catalog{number}.fits"
        process = start(target)
        if number % 2:
            time.sleep(chance.uniform(0.2, 1.0) * duration)
        else:  # by what is written: on a busy machine all times may be after the end
            part, enough = target.with_name(f"{target.name}.part"), chance.uniform(0.0, 0.6) * expected.stat().st_size
            while process.is_alive() and size_of(part) <= enough:
                time.sleep(0.001)
        process.kill()
        process.join()
        unfinished += not target.exists()
        # Killed between the two last steps, the catalogue has its name and its journal is still there.
        if files(folder) != sorted([target.name, "expected.fits", "survey.fits"]):
            again = start(target)
            again.join()
            assert again.exitcode == 0
        assert target.read_bytes() == expected.read_bytes(), number
        target.unlink()
        assert files(folder) == ["expected.fits", "survey.fits"]
    assert unfinished > 0


def test_two_processes_do_not_share_a_part(stand_in, all_star, tmp_path):
    def again(done, total):
        if done == 500:
            with pytest.raises(DistMassError, match="another process"):
                build_catalog(stand_in, all_star, tmp_path / "c.fits", resume=True)

    build_catalog(stand_in, all_star, tmp_path / "c.fits", chunk_rows=500, progress=again)


def test_memory_does_not_grow_with_the_survey(tmp_path):
    """Peak memory of a process by itself, for a survey and for one of four times its size."""
    from mock_allstar import write_mock_allstar

    script = (
        "import sys, resource, numpy as np\n"
        "from skdistmass.catalog import build_catalog\n"
        "class Zero:\n"
        "    card = {}\n"
        "    def predict_columns(self, stars, *, out_of_fold=True):\n"
        "        zero = np.zeros(len(stars), int)\n"
        "        return dict(ABS_MAG=zero, DISTANCE=zero, BITMASK=zero, DISTANCE_SPACE=zero, MASS_SPACE=zero)\n"
        "build_catalog(Zero(), sys.argv[1], sys.argv[2], chunk_rows=2000)\n"
        "print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss)\n"
    )
    peaks = []
    for rows in (4000, 16_000):
        path = write_mock_allstar(tmp_path / f"{rows}.fits", rows, chunk_rows=4000, random_state=0)
        command = [sys.executable, "-c", script, str(path), str(tmp_path / f"c{rows}.fits")]
        peaks.append(int(subprocess.run(command, capture_output=True, text=True, check=True).stdout))
    assert peaks[1] < 1.15 * peaks[0]
