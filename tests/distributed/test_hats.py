"""HATS to HATS: the catalogue of one machine, resumed after a stop, and errors that name the partition."""

import multiprocessing
import os
import shutil
import signal
import time
from pathlib import Path

import pytest

from skdistmass.distributed import build_hats
from skdistmass.exceptions import DistMassError, FileFormatError, InputError

MODEL = "kepler-giants"


def _read(path):
    import lsdb

    return lsdb.open_catalog(path).compute(progress_bar=False)


def _parts(path):
    return sorted(Path(path).rglob("Npix=*.parquet"))


@pytest.mark.parametrize("workers", [1, 2])
def test_the_catalogue_of_one_machine(hats, expected, assert_same, tmp_path, workers):
    assert build_hats(MODEL, hats, tmp_path / "out", workers=workers) == len(expected)
    found = _read(tmp_path / "out")
    assert_same(found, expected, columns=list(expected.columns))
    assert [path.name for path in tmp_path.iterdir()] == ["out"]
    with pytest.raises(InputError, match="exists; give overwrite"):
        build_hats(MODEL, hats, tmp_path / "out")


def test_cone_query_and_kept_columns(hats, tmp_path):
    settings = {"query": "LOGG < 3 and DEC > 0", "keep": ["LOGG"], "columns": ["DISTANCE"]}
    n_rows = build_hats(MODEL, hats, tmp_path / "out", cone=(180.0, 0.0, 60 * 3600.0), **settings)
    found = _read(tmp_path / "out")
    assert 0 < n_rows == len(found) < 6000
    assert list(found.columns) == ["RA", "DEC", "LOGG", "DISTANCE"]
    assert (found["LOGG"] < 3).all()
    assert (found["DEC"] > 0).all()  # some partitions are empty


def test_a_broken_file_is_named_and_the_rest_is_kept(hats, expected, assert_same, tmp_path):
    shutil.copytree(hats, tmp_path / "in")
    path = next(p for p in _parts(tmp_path / "in") if "margin" not in str(p))
    whole, times = path.read_bytes(), path.stat()
    damaged = bytearray(whole)
    damaged[100 : len(whole) // 2] = bytes(len(whole) // 2 - 100)
    path.write_bytes(damaged)
    os.utime(path, ns=(times.st_atime_ns, times.st_mtime_ns))
    with pytest.raises(FileFormatError, match=path.name):
        build_hats(MODEL, tmp_path / "in", tmp_path / "out")
    assert not (tmp_path / "out").exists()
    with pytest.raises(InputError, match="unfinished catalogue"):
        build_hats(MODEL, tmp_path / "in", tmp_path / "out")
    path.write_bytes(whole)
    os.utime(path, ns=(times.st_atime_ns, times.st_mtime_ns))
    with pytest.raises(DistMassError, match="started with another outfold"):
        build_hats(MODEL, tmp_path / "in", tmp_path / "out", resume=True, out_of_fold=False)
    build_hats(MODEL, tmp_path / "in", tmp_path / "out", resume=True)
    assert_same(_read(tmp_path / "out"), expected, columns=list(expected.columns))


def test_a_killed_process_is_resumed(hats, expected, assert_same, tmp_path):
    output = tmp_path / "out"
    process = multiprocessing.get_context("spawn").Process(target=build_hats, args=(MODEL, hats, output))
    process.start()
    until = time.monotonic() + 60
    while not list(tmp_path.glob("out.part/*/done/*_done")) and time.monotonic() < until:
        time.sleep(0.01)
    os.kill(process.pid, signal.SIGKILL)
    process.join()
    finished = {path: path.stat().st_mtime_ns for path in _parts(tmp_path / "out.part/out")}
    assert finished
    # As if it had been stopped between the rows and the marker of a partition, and within a histogram.
    markers = sorted(tmp_path.glob("out.part/out/done/*_done"))
    markers[0].unlink()
    build_hats(MODEL, hats, output, resume=True)
    found = _read(output)
    assert found["APSTAR_ID"].is_unique
    assert_same(found, expected, columns=list(expected.columns))


def test_what_is_no_survey(tmp_path, survey_file):
    with pytest.raises(FileFormatError, match="is no HATS catalogue"):
        build_hats(MODEL, tmp_path, tmp_path / "out")
    with pytest.raises(FileFormatError, match="is no HATS catalogue"):
        build_hats(MODEL, survey_file, tmp_path / "out")


def test_bad_settings(hats, tmp_path):
    for settings, message in (
        ({"workers": 0}, "workers is 0"),
        ({"columns": ["DISTANCES"]}, "columns has DISTANCES"),
        ({"scheduler": "tcp://127.0.0.1:1"}, "no workers of Dask at tcp"),
    ):
        with pytest.raises(DistMassError, match=message):
            build_hats(MODEL, hats, tmp_path / "out", overwrite=True, **settings)
