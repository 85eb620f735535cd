"""The unfinished file, what is counted of it, and what must hold before it is begun: on a few rows, exactly."""

import contextlib
import json
import os
import re
import shutil
import stat
from dataclasses import replace
from types import SimpleNamespace

import numpy as np
import pytest
from astropy.io import fits

from skdistmass.catalog import build_catalog, builder
from skdistmass.catalog.builder import _check_scale
from skdistmass.catalog.part_file import PartFile, _sync_folder, disk_errors, read_journal, rounding_of
from skdistmass.catalog.report import count_rows
from skdistmass.catalog.requirements import check_parameters, format_of, require_room, require_same_input
from skdistmass.catalog.writers.fits import primary_header, record_type, table_header, to_records
from skdistmass.datasets import make_survey
from skdistmass.exceptions import DistMassError, FileFormatError, InputError
from skdistmass.extinction import ExtinctionChoice
from skdistmass.schema.bits import Bit, QualityBit
from skdistmass.schema.columns import describe, layout
from skdistmass.surveys import SurveyFile
from skdistmass.surveys.input_file import InputFile

COLUMNS = [describe(name) for name in ("APOGEE_ID", "APSTAR_ID", "DISTANCE", "BITMASK", "FLAGS")]
JOURNAL = {"rows_done": 0, "chunk_rows": 3, "command": "", "input": {}}


def rows_of(ids, spectra=None, bits=None, flags=None):
    """Return rows of a catalogue of five columns."""
    n_rows = len(ids)
    values = [ids, spectra or [f"s{i}" for i in range(n_rows)], 1.0 + np.arange(n_rows)]
    values += [np.zeros(n_rows, int) if given is None else given for given in (bits, flags)]
    return to_records({c: np.array(v, c.dtype.replace("U", "S")) for c, v in zip(COLUMNS, values, strict=True)})


def opened(path, n_rows, journal=JOURNAL, resume=False):
    part = PartFile(path)
    header = table_header(COLUMNS, n_rows, [("NSTARS", 0, "stars")])
    part.open(primary_header([]), header, record_type(COLUMNS), journal, resume=resume)
    return part


# ---- the part


def test_a_part_is_what_was_added_and_a_valid_file_once_it_is_complete(tmp_path):
    rows, part = rows_of(list("abcdefg")), opened(tmp_path / "c.fits", 7)
    for start in (0, 3, 6):
        part.append(rows[start : start + 3])
        assert read_journal(part.journal_path)["rows_done"] == min(start + 3, 7)
    head = part.path.read_bytes().partition(b"EXTNAME ")
    assert all(re.search(rb"DATASUM = ' +0'", header) for header in head[::2])  # not valid until it is complete
    assert [len(piece) for piece in part.pieces(rows=3)] == [3, 3, 1]
    assert b"".join(piece.tobytes() for piece in part.pieces(rows=2)) == rows.tobytes()
    part.complete({"NSTARS": 5})
    assert part.path.stat().st_size % 2880 == 0
    with fits.open(part.path, checksum=True) as hdus:
        assert hdus[1].data.tobytes() == rows.tobytes()
        assert hdus[1].header["NSTARS"] == 5
        assert part.path.stat().st_size == hdus[1]._data_offset + -(-rows.nbytes // 2880) * 2880
    part.publish()
    assert [path.name for path in tmp_path.iterdir()] == ["c.fits"]


def test_a_part_is_continued_behind_the_rows_that_count(tmp_path):
    rows, part = rows_of(list("abcde")), opened(tmp_path / "c.fits", 5)
    part.append(rows[:2])
    part.remember(fact="kept")
    part.close()
    part.close()
    journal = read_journal(part.journal_path)
    assert (journal["rows_done"], journal["fact"]) == (2, "kept")
    with open(part.path, "ab") as file:
        file.write(b"not counted")
    again = opened(tmp_path / "c.fits", 5, journal, resume=True)
    again.append(rows[2:])
    again.complete({})
    with fits.open(again.path, checksum=True) as hdus:
        assert hdus[1].data.tobytes() == rows.tobytes()
    again.close()


def test_a_new_part_forgets_the_journal_of_the_old_one(tmp_path):
    (tmp_path / "c.fits.part.json").write_text("{")
    part = opened(tmp_path / "c.fits", 1)
    assert read_journal(part.journal_path)["rows_done"] == 0
    part.discard()
    assert list(tmp_path.iterdir()) == []


def test_first_rows_agree_to_rounding_whatever_their_number(tmp_path):
    rows, part = rows_of(list("abc")), opened(tmp_path / "c.fits", 3)
    part.append(rows)
    for n_rows in (1, 3):
        assert part.agrees_with(rows[:n_rows])
    assert part.agrees_with(np.append(rows, rows))  # more than are there: those that are there count
    for name, by, agree in (
        ("DISTANCE", 1 + 5e-10, True),
        ("DISTANCE", 1 + 2e-9, False),
        ("BITMASK", None, False),
        ("APOGEE_ID", None, False),
    ):
        other = rows.copy()
        other[name][2] = {"BITMASK": 1, "APOGEE_ID": b"z"}.get(name, rows["DISTANCE"][2] * (by or 1))
        assert part.agrees_with(other) is agree, (name, by)
    other = rows.copy()
    other["DISTANCE"] = np.nan
    assert not part.agrees_with(other)
    part.append(rows)  # at the end, though its beginning was read
    assert b"".join(piece.tobytes() for piece in part.pieces()) == rows.tobytes() * 2
    part.close()


def test_numbers_agree_to_a_few_of_their_last_digits():
    assert rounding_of(np.dtype("f8")) == 1e-9
    assert rounding_of(np.dtype("f4")) == 4 * 2.0**-23


def test_an_error_of_the_disk_says_what_to_do(tmp_path, monkeypatch):
    part = opened(tmp_path / "c.fits", 2)

    def full(*args):
        raise OSError(28, "No space left on device")

    rows = rows_of(["a"])
    for hint in (r"Make room and start again\.$", r"make room and resume \(--resume\)\.$"):
        with monkeypatch.context() as patch:
            patch.setattr(os, "fsync", full)
            with pytest.raises(DistMassError, match=f"can't be written: No space.*{hint}"):
                part.append(rows)
        part.append(rows)
    with monkeypatch.context() as patch:
        patch.setattr(os, "replace", full)
        with pytest.raises(DistMassError, match=r"part\.json can't be written: No space"):
            part.remember(fact=1)
        with pytest.raises(DistMassError, match=r"c\.fits can't be written: No space"):
            part.publish()
    part.close()
    with pytest.raises(DistMassError, match=r"x can't be written: odd\.$"), disk_errors(tmp_path / "x"):
        raise OSError("odd")


def test_a_folder_that_can_not_be_put_on_disk_is_no_error(tmp_path, monkeypatch):
    """Some file systems refuse to open a folder, others to sync one."""
    synced = []

    def refuse(handle):
        synced.append(stat.S_ISDIR(os.fstat(handle).st_mode))
        raise OSError(22, "Invalid argument")

    monkeypatch.setattr(os, "fsync", refuse)
    before = len(os.listdir("/proc/self/fd")) if os.path.isdir("/proc/self/fd") else 0
    _sync_folder(tmp_path)
    _sync_folder(tmp_path / "absent")
    assert synced == [True]
    assert not before or len(os.listdir("/proc/self/fd")) <= before


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"\xff", r"can't be read \(.*\); remove it"),
        (b"{", "is damaged"),
        (b"[]", "is damaged"),
        (b"{}", "is damaged"),
        (b'{"format": 2}', "of another release"),
        (b'{"format": 0}', "of another release"),
    ],
)
def test_a_journal_that_can_not_be_used_is_refused(tmp_path, content, message):
    assert read_journal(tmp_path / "absent.json") is None
    (tmp_path / "j.json").write_bytes(content)
    with pytest.raises(FileFormatError, match=message):
        read_journal(tmp_path / "j.json")
    (tmp_path / "j.json").write_text(json.dumps({"format": 1, "rows_done": 3}))
    assert read_journal(tmp_path / "j.json")["rows_done"] == 3


# ---- counting


def test_stars_spectra_and_bits_are_counted_over_all_pieces(tmp_path):
    first = rows_of(["a", "b", "", "a"], ["1", "2", "", ""], [1, 3, 0, 2], [0, 1, 1, 1 << 14])
    second = rows_of(["", "a", "c"], ["2", "", "3"], [2, 8, 0], [1, 0, 0])
    part = SimpleNamespace(journal={"rows_done": 7}, pieces=lambda: iter([first, second]))
    report = count_rows(part, tmp_path)
    # a, b, c and two rows without a name; spectra 1, 2, 3 and three without a name.
    assert (report.n_rows, report.n_stars, report.n_repeated, report.n_duplicates) == (7, 5, 2, 1)
    stored = {"BITMASK": [1, 3, 0, 2, 2, 8, 0], "FLAGS": [0, 1, 1, 1 << 14, 1, 0, 0]}
    for name, flags in (("BITMASK", Bit), ("FLAGS", QualityBit)):
        assert report.bits[name] == {bit.name: sum(word & bit != 0 for word in stored[name]) for bit in flags}


@pytest.mark.parametrize(("ids", "n_stars"), [([], 0), (["a"], 1), (["a", "a"], 1), (["", ""], 2)])
def test_different_stars_of_few_rows(ids, n_stars, tmp_path):
    part = SimpleNamespace(journal={"rows_done": len(ids)}, pieces=lambda: iter([rows_of(ids)]))
    assert count_rows(part, tmp_path).n_stars == n_stars


@pytest.fixture(scope="module")
def survey(tmp_path_factory):
    path = tmp_path_factory.mktemp("parts") / "survey.fits"
    make_survey(900, random_state=0)["APOGEE_ID", "TEFF", "LOGG", "M_H", "C_FE", "N_FE", "K"].write(path)
    return path


@pytest.mark.parametrize("n_jobs", [1, 2])
def test_no_more_chunks_are_in_memory_than_threads_work_on(stand_in, survey, tmp_path, monkeypatch, n_jobs):
    read, written, most = [0], [0], [0]
    original = SurveyFile.read

    def counted(self, start=0, stop=None):
        read[0] = max(read[0], start // 100 + 1)
        most[0] = max(most[0], read[0] - written[0])
        return original(self, start, stop)

    monkeypatch.setattr(SurveyFile, "read", counted)
    monkeypatch.setattr(builder, "_check_scale", lambda *args: "")

    def progress(done, total):
        written[0] = done // 100

    class Counting(type(stand_in)):
        """Counts the stars that it is asked for."""

        n_stars = 0

        def predict_columns(self, stars, *, out_of_fold=True):
            Counting.n_stars += len(stars)
            return super().predict_columns(stars)

    build_catalog(Counting(), survey, tmp_path / "c.fits", chunk_rows=100, n_jobs=n_jobs, progress=progress)
    assert (read, written) == ([9], [9])
    assert most[0] <= n_jobs + 1
    assert Counting.n_stars == 900  # each once, those of the first chunk as well


def test_the_scale_is_checked_on_stars_from_all_over_the_survey(stand_in, survey, monkeypatch):
    seen = []
    monkeypatch.setattr(builder, "check_scale", lambda model, stars: seen.append(stars))
    opened_survey = SurveyFile(survey)
    for rows in (100, 20):
        monkeypatch.setattr(builder, "_SAMPLE_ROWS", rows)
        monkeypatch.setattr(builder, "_N_SAMPLES", 3)
        assert _check_scale(opened_survey, stand_in, ExtinctionChoice(), "model", None) == ""
    whole = opened_survey.read()["APOGEE_ID"]
    for stars, rows in zip(seen, (100, 20), strict=True):
        expected = np.concatenate([whole[start : start + rows] for start in (0, 300, 600)])
        assert stars["APOGEE_ID"].tolist() == expected.tolist()


def test_what_the_scale_check_says_is_in_the_report(stand_in, survey, tmp_path, monkeypatch):
    monkeypatch.setattr(builder, "check_scale", lambda *args: SimpleNamespace(message=lambda: "off by 100 K"))
    assert build_catalog(stand_in, survey, tmp_path / "c.fits").scale == "off by 100 K"


class Stopped(Exception):
    """What stops a build in these tests."""


def stop(*args):
    raise Stopped


def test_a_build_that_stops_before_any_row_leaves_nothing(stand_in, survey, tmp_path):
    with pytest.raises(Stopped):
        build_catalog(stand_in, survey, tmp_path / "c.fits", progress=stop)
    assert list(tmp_path.iterdir()) == []
    with pytest.raises(Stopped):
        build_catalog(stand_in, survey, tmp_path / "c.fits", chunk_rows=600, progress=lambda done, n: done and stop())
    assert sorted(path.name for path in tmp_path.iterdir()) == ["c.fits.part", "c.fits.part.json"]


def test_a_complete_part_replaces_the_old_catalogue_when_it_is_resumed(stand_in, survey, tmp_path, monkeypatch):
    target = tmp_path / "c.fits"
    target.write_bytes(b"old")
    with monkeypatch.context() as patch:
        patch.setattr(PartFile, "publish", stop)
        with pytest.raises(Stopped):
            build_catalog(stand_in, survey, target, overwrite=True)
    assert target.read_bytes() == b"old"
    assert build_catalog(stand_in, survey, target, resume=True).n_rows == 900
    assert fits.getheader(target, 1)["NAXIS2"] == 900
    assert [path.name for path in tmp_path.iterdir()] == ["c.fits"]


@pytest.mark.parametrize("left", ["c.fits.part", "c.fits.part.json"])
def test_what_is_left_of_a_part_is_named_or_overwritten(stand_in, survey, tmp_path, left):
    (tmp_path / left).write_bytes(b"{}")
    with pytest.raises(InputError, match=r"c\.fits\.part is an unfinished catalogue; give resume"):
        build_catalog(stand_in, survey, tmp_path / "c.fits")
    build_catalog(stand_in, survey, tmp_path / "c.fits", overwrite=True)
    with pytest.raises(InputError, match=r"c\.fits exists; give overwrite"):
        build_catalog(stand_in, survey, tmp_path / "c.fits")
    assert [path.name for path in tmp_path.iterdir()] == ["c.fits"]


# ---- what must hold


@pytest.mark.parametrize("form", ["FITS", "VOTable", "Parquet", "DistMass"])
def test_room_for_the_part_and_the_finished_file_is_asked_for(form, tmp_path, monkeypatch):
    """By the sizes of files of numbers that no packing makes smaller: enough for both is enough, less is not."""
    columns, random = layout(["CAL"]), np.random.default_rng(0)
    rows = to_records({c: np.zeros(3000, c.dtype.replace("U", "S").replace("?", "S1")) for c in columns})
    for name in (c.name for c in columns if c.dtype == "f8"):
        rows[name] = random.random(3000)
    for name, written in (("part", "FITS"), ("finished", form)):
        builder._WRITERS[written](tmp_path / name, columns, [], [rows])
    finished = 0 if form == "FITS" else (tmp_path / "finished").stat().st_size
    taken, usage = (tmp_path / "part").stat().st_size + finished, shutil.disk_usage(tmp_path)
    for share, enough in ((1.25, True), (0.9, False)):
        monkeypatch.setattr(shutil, "disk_usage", lambda folder, share=share: usage._replace(free=share * taken))
        with contextlib.nullcontext() if enough else pytest.raises(DistMassError, match=r"c\.fits needs .* MB left"):
            require_room(tmp_path / "c.fits", rows.nbytes, form)


def test_room_that_lacks_is_told_in_megabytes(tmp_path, monkeypatch):
    usage = shutil.disk_usage(tmp_path)
    monkeypatch.setattr(shutil, "disk_usage", lambda folder: usage._replace(free=7_000_000))
    with pytest.raises(DistMassError, match=r"needs 250 MB, but .* has 7 MB left"):
        require_room(tmp_path / "c.fits", 250_000_000, "FITS")


@pytest.mark.parametrize(
    ("name", "style", "form"),
    [
        ("c.FITS", "skdistmass", "FITS"),
        ("c.fit", "skdistmass", "FITS"),
        ("c.vot", "skdistmass", "VOTable"),
        ("c.votable", "skdistmass", "VOTable"),
        ("c.xml", "skdistmass", "VOTable"),
        ("c.parquet", "skdistmass", "Parquet"),
        ("c.fits", "distmass", "DistMass"),
        ("c.vot", "distmass", "the published layout is FITS"),
        ("c.csv", "skdistmass", "use one of .fits, .fit"),
        ("c.fits", "other", "style is 'other'"),
    ],
)
def test_the_ending_gives_the_format(tmp_path, name, style, form):
    if " " not in form:
        assert format_of(tmp_path / name, style) == form
        return
    with pytest.raises(InputError, match=form):
        format_of(tmp_path / name, style)


@pytest.mark.parametrize(
    ("changed", "message"),
    [
        ({"chunk_rows": 0}, "chunk_rows is 0"),
        ({"chunk_rows": True}, "chunk_rows is True"),
        ({"chunk_rows": 2.0}, "chunk_rows is 2.0"),
        ({"n_jobs": 0}, "n_jobs is 0"),
        ({"n_jobs": False}, "n_jobs is False"),
        ({"extinction": 0.1}, "give an ExtinctionChoice"),
        ({"zero_point": "gaia"}, "zero point is 'gaia'"),
        ({"isochrones": 3}, "isochrones is int"),
    ],
)
def test_parameters_out_of_their_range(changed, message):
    good = {"chunk_rows": np.int64(1), "n_jobs": 1, "extinction": None, "zero_point": "model", "isochrones": None}
    assert check_parameters(**good) == ExtinctionChoice()
    choice = ExtinctionChoice(negative="keep")
    assert check_parameters(**good | {"extinction": choice}) is choice
    with pytest.raises(InputError, match=message):
        check_parameters(**good | changed)


@pytest.mark.parametrize("change", [{}, {"size": 9}, {"sha256": "9"}, {"name": "copy.fits", "mtime_ns": 2}])
def test_the_same_survey_is_known_by_size_and_checksum(change):
    started = InputFile("a.fits", 5, 1, "5")
    now = ({"input": started.as_dict()}, "a.fits", replace(started, **change))
    if change.keys() <= {"name", "mtime_ns"}:
        require_same_input(*now)
        return
    with pytest.raises(DistMassError, match=r"not the survey \(a\.fits, 5 bytes\)"):
        require_same_input(*now)
