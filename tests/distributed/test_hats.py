"""HATS to HATS: the catalogue of one machine, resumed after a stop, and errors that name the partition."""

import multiprocessing
import os
import shutil
import signal
import threading
import time

import pytest
from hats_survey import empty_a_partition, partitions

from skdistmass.distributed import build_hats
from skdistmass.distributed import hats as module
from skdistmass.exceptions import DistMassError, FileFormatError, InputError
from skdistmass.writing import BuildLock

MODEL = "kepler-giants"


def _read(path):
    import lsdb

    return lsdb.open_catalog(path).compute(progress_bar=False)


def _wait_for_a_partition(folder):
    until = time.monotonic() + 120
    while not list(folder.glob("out.part/*/done/*_done")) and time.monotonic() < until:
        time.sleep(0.005)


def test_the_catalogue_of_one_machine(hats, expected, assert_same, tmp_path):
    """By workers that the command starts, with a partition that has no rows."""
    import pyarrow.parquet as pq

    shutil.copytree(hats, tmp_path / "survey")
    stars = tmp_path / "stars.parquet"
    expected.to_parquet(stars, index=False)
    empty_a_partition(tmp_path / "survey", stars)
    assert 0 in [pq.read_metadata(path).num_rows for path in partitions(tmp_path / "survey")]
    left = expected[expected["APSTAR_ID"].isin(pq.read_table(stars)["APSTAR_ID"].to_pylist())]
    assert build_hats(MODEL, tmp_path / "survey", tmp_path / "out", workers=2) == len(left) < len(expected)
    assert_same(_read(tmp_path / "out"), left, columns=list(expected.columns))
    assert sorted(path.name for path in tmp_path.iterdir()) == ["out", "stars.parquet", "survey"]
    with pytest.raises(InputError, match="exists; give overwrite"):
        build_hats(MODEL, hats, tmp_path / "out")
    again = {"resume": True, "workers": 2}
    before = {path: path.stat().st_mtime_ns for path in (tmp_path / "out").rglob("*")}
    assert build_hats(MODEL, tmp_path / "survey", tmp_path / "out", **again) == len(left)
    with pytest.raises(InputError, match=r"is not the catalogue of this survey, model and settings \(outfold\)"):
        build_hats(MODEL, tmp_path / "survey", tmp_path / "out", out_of_fold=False, **again)
    with pytest.raises(InputError, match=r"settings \(survey\)"):
        build_hats(MODEL, hats, tmp_path / "out", **again)
    assert before == {path: path.stat().st_mtime_ns for path in (tmp_path / "out").rglob("*")}


def test_cone_query_and_kept_columns(hats, scheduler, tmp_path):
    settings = {"query": "LOGG < 3 and DEC > 0", "keep": ["LOGG"], "columns": ["DISTANCE"], "scheduler": scheduler}
    n_rows = build_hats(MODEL, hats, tmp_path / "out", cone=(180.0, 0.0, 60 * 3600.0), **settings)
    found = _read(tmp_path / "out")
    assert 0 < n_rows == len(found) < 6000
    assert list(found.columns) == ["RA", "DEC", "LOGG", "DISTANCE"]
    assert (found["LOGG"] < 3).all()
    assert (found["DEC"] > 0).all()  # some partitions are empty


def test_a_broken_file_is_named_and_the_rest_is_kept(hats, scheduler, expected, assert_same, tmp_path):
    shutil.copytree(hats, tmp_path / "survey")
    path = partitions(tmp_path / "survey")[0]
    whole, times = path.read_bytes(), path.stat()
    damaged = bytearray(whole)
    damaged[100 : len(whole) // 2] = bytes(len(whole) // 2 - 100)
    path.write_bytes(damaged)
    os.utime(path, ns=(times.st_atime_ns, times.st_mtime_ns))
    build = tmp_path / "survey", tmp_path / "out"
    with pytest.raises(FileFormatError, match=path.name):
        build_hats(MODEL, *build, scheduler=scheduler)
    assert not (tmp_path / "out").exists()
    with pytest.raises(InputError, match="unfinished catalogue"):
        build_hats(MODEL, *build)
    path.write_bytes(whole)
    os.utime(path, ns=(times.st_atime_ns, times.st_mtime_ns))
    with pytest.raises(DistMassError, match="started with another outfold"):
        build_hats(MODEL, *build, resume=True, out_of_fold=False)
    build_hats(MODEL, *build, resume=True, scheduler=scheduler)
    assert_same(_read(tmp_path / "out"), expected, columns=list(expected.columns))


def _limit_files(size):
    import resource

    resource.setrlimit(resource.RLIMIT_FSIZE, (size, resource.getrlimit(resource.RLIMIT_FSIZE)[1]))


@pytest.mark.parametrize("name", ["hats.properties", "dataset/_common_metadata", "partition_info.csv"])
def test_damaged_and_missing_files_of_the_folder_are_told(hats, tmp_path, name):
    shutil.copytree(hats, tmp_path / "survey")
    path = next(path for path in (tmp_path / "survey" / "survey").rglob(name.rpartition("/")[2]))
    path.write_bytes(b"hats_nrows=[]\n" if name.endswith("properties") else b"damaged")
    with pytest.raises(DistMassError, match=r"can't be read|no HATS catalogue"):
        build_hats(MODEL, tmp_path / "survey", tmp_path / "out")


def test_a_second_process_and_a_damaged_journal_are_refused(hats, tmp_path):
    output, journal = tmp_path / "out", tmp_path / "out.part.json"
    lock = BuildLock(journal, output)
    with pytest.raises(DistMassError, match="is being written by another process"):
        build_hats(MODEL, hats, output)
    lock.close()
    (tmp_path / "out.part").mkdir()
    journal.write_text("{")
    with pytest.raises(FileFormatError, match="is damaged; give overwrite"):
        build_hats(MODEL, hats, output, resume=True)
    for query in ("LOGG <", "NOTHING < 3"):
        with pytest.raises(InputError, match=f"'{query}' can't be used"):
            build_hats(MODEL, hats, output, query=query)


def test_a_full_disk_is_told_and_resumed(hats, scheduler, client, expected, assert_same, tmp_path):
    resource = pytest.importorskip("resource")
    _, most = resource.getrlimit(resource.RLIMIT_FSIZE)
    client.run(_limit_files, 300_000)
    try:
        with pytest.raises(DistMassError, match=r"out can't be written: .*File too large.*resume"):
            build_hats(MODEL, hats, tmp_path / "out", scheduler=scheduler)
    finally:
        client.run(_limit_files, most)
    build_hats(MODEL, hats, tmp_path / "out", resume=True, scheduler=scheduler)
    assert_same(_read(tmp_path / "out"), expected, columns=list(expected.columns))


def test_a_killed_worker_is_replaced(hats, scheduler, client, expected, assert_same, tmp_path):
    worker = next(iter(client.run(os.getpid).values()))
    work = threading.Thread(target=build_hats, args=(MODEL, hats, tmp_path / "out"), kwargs={"scheduler": scheduler})
    work.start()
    _wait_for_a_partition(tmp_path)
    os.kill(worker, signal.SIGKILL)
    work.join()
    assert_same(_read(tmp_path / "out"), expected, columns=list(expected.columns))


def test_a_killed_process_is_resumed(hats, scheduler, expected, assert_same, tmp_path):
    output, how = tmp_path / "out", {"scheduler": scheduler}
    process = multiprocessing.get_context("spawn").Process(target=build_hats, args=(MODEL, hats, output), kwargs=how)
    process.start()
    _wait_for_a_partition(tmp_path)
    os.kill(process.pid, signal.SIGKILL)
    process.join()
    assert list(tmp_path.rglob("Npix=*.parquet"))
    # As if it had been stopped between the rows and the marker of a partition.
    next(iter(sorted(tmp_path.glob("out.part/out/done/*_done")))).unlink()
    build_hats(MODEL, hats, output, resume=True, scheduler=scheduler)
    found = _read(output)
    assert found["APSTAR_ID"].is_unique
    assert_same(found, expected, columns=list(expected.columns))


def test_what_is_no_survey(tmp_path, survey_file):
    with pytest.raises(FileFormatError, match="is no HATS catalogue"):
        build_hats(MODEL, tmp_path, tmp_path / "out")
    with pytest.raises(FileFormatError, match="is no HATS catalogue"):
        build_hats(MODEL, survey_file, tmp_path / "out")


def test_bad_settings(hats, tmp_path, monkeypatch):
    monkeypatch.setattr(module, "_PATIENCE", "1s")
    for settings, message in (
        ({"workers": 0}, "workers is 0"),
        ({"columns": ["DISTANCES"]}, "columns has DISTANCES"),
        ({"scheduler": "tcp://127.0.0.1:1"}, "no workers of Dask at tcp"),
    ):
        with pytest.raises(DistMassError, match=message):
            build_hats(MODEL, hats, tmp_path / "out", overwrite=True, **settings)
