"""Kinds of files and their tables, and survey files read in parts."""

import gzip
from concurrent.futures import CancelledError
from pathlib import Path
from threading import Event

import numpy as np
import pytest
from astropy.io import fits
from astropy.table import Table

from skdistmass.exceptions import ColumnError, FileFormatError, UnitError
from skdistmass.surveys import read_survey
from skdistmass.surveys.chunks import SurveyFile
from skdistmass.surveys.files import blame, identify, open_table
from skdistmass.surveys.input_file import InputFile, checksum_beside

NAN = np.nan


# ---- kinds of files and their tables


@pytest.mark.parametrize(
    ("content", "kind"),
    [
        (b"SIMPLE  =", "FITS"),
        (b"PAR1", "Parquet"),
        (b"<?xml?><VOTABLE>", "VOTable"),
        (b"<?xml?><v:VOTABLE>", "VOTable"),
        (b"# %ECSV 1.0\n", "ECSV"),
        (b"\xef\xbb\xbf# %ECSV 1.0\n", "ECSV"),
        (b"\n\n# note\na|b\n", "CSV"),
        (b"# " + b"x" * 5000 + b"\na,b\n", "CSV"),
        (b"# " + b"x" * 3990, "none of FITS"),
        (b"# only a note, of a few words\n", "none of FITS"),
        (b"a b\n1,2\n", "none of FITS"),
        (b"a,b\0\n", "none of FITS"),
        (b"# " + b"x" * 5000 + b"\0", "CSV"),
        (b"", "is empty"),
    ],
)
def test_kinds_of_files_by_their_first_bytes(content, kind, tmp_path):
    (tmp_path / "a").write_bytes(content)
    if " " not in kind:
        assert identify(tmp_path / "a") == kind
        return
    with pytest.raises(FileFormatError, match=kind):
        identify(tmp_path / "a")


def test_errors_name_the_file_once():
    path = Path("some/a.csv")
    for error, kind, expected, message in (
        (UnitError("it is odd."), "CSV", UnitError, r"^some/a\.csv: it is odd\.$"),
        (ColumnError("some/a.csv: it is odd."), "", ColumnError, r"^some/a\.csv: it is odd\.$"),
        (MemoryError(), "CSV", FileFormatError, r"^some/a\.csv does not fit in memory"),
        (MemoryError(), "", FileFormatError, r"^some/a\.csv does not fit in memory"),
        (KeyError("x"), "CSV", FileFormatError, r"^some/a\.csv can't be read as CSV \(.*x.*\); it may be damaged"),
        (KeyError("x"), "", KeyError, "x"),
    ):
        with pytest.raises(expected, match=message), blame(path, kind):
            raise error


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"\xfd7zXZ\x00" + b"junk" * 20, "can't be unpacked"),
        (b"BZh9junkjunk", "can't be read"),
        (b"\x1f\x8bjunk", "can't be read"),
        (b"\x1f\x8b\x08\x00\x00\x00\x00\x00\x00\x03" + b"\xff" * 20, "can't be unpacked"),
    ],
)
def test_files_that_can_not_be_unpacked(content, message, tmp_path):
    (tmp_path / "a.csv").write_bytes(content)
    with pytest.raises(FileFormatError, match=rf"a\.csv {message}: "):
        identify(tmp_path / "a.csv")


def test_hdus_are_found_by_number_or_by_name(tmp_path):
    tables = [fits.BinTableHDU(Table({"TEFF": [t]}), name=name) for t, name in ((4800.0, "3"), (4900.0, "Stars"))]
    fits.HDUList([fits.PrimaryHDU(), *tables]).writeto(tmp_path / "a.fits")
    for hdu, teff in ((1, 4800.0), (2, 4900.0), ("3", 4800.0), ("stars", 4900.0)):
        assert read_survey(tmp_path / "a.fits", hdu=hdu)["TEFF"].tolist() == [teff]
    for hdu in (3, 0, "2", "star"):
        with pytest.raises(FileFormatError, match=f"there is no table in HDU {hdu!r}"):
            read_survey(tmp_path / "a.fits", hdu=hdu)


def test_hdus_are_asked_of_fits_only(tmp_path):
    (tmp_path / "a.csv").write_text("TEFF,K\n4800,10\n")
    with pytest.raises(FileFormatError, match="is a CSV file, which has no HDUs"):
        read_survey(tmp_path / "a.csv", hdu=1)
    Table({"TEFF": [4800.0]}).write(tmp_path / "a.parquet")
    (tmp_path / "a.parquet.gz").write_bytes(gzip.compress((tmp_path / "a.parquet").read_bytes()))
    with pytest.raises(FileFormatError, match="compressed Parquet file; unpack it first"):
        read_survey(tmp_path / "a.parquet.gz")


@pytest.mark.parametrize(
    ("tables", "chosen"),
    [
        ([{"TEFF": [1]}, {"TEFF": [1], "LOGG": [1]}], 2),
        ([{"TEFF": [1]}, {"LOGG": [1]}], 1),
        ([{"TEFF": [], "LOGG": []}, {"TEFF": [1]}], 2),
        ([{"NOTE": [1]}, {"TEFF": []}], 2),
        ([{"TEFF": [1]}, {"MASS_A": [1], "MASS_B": [1]}], 1),
        ([{"NOTE": [1]}, {"MASS_A": [1]}], 2),
    ],
)
def test_the_table_of_most_quantities_is_taken(tables, chosen, tmp_path):
    hdus = [fits.PrimaryHDU()]
    hdus += [
        fits.BinTableHDU.from_columns([fits.Column(n, "D", array=np.array(v, float)) for n, v in t.items()])
        for t in tables
    ]
    fits.HDUList(hdus).writeto(tmp_path / "a.fits")
    assert open_table(tmp_path / "a.fits")[1].where == f"HDU {chosen}"


def test_a_file_without_a_table_of_stars_shows_some_of_its_columns(tmp_path):
    for n_columns, told in ((30, "C29[.]$"), (31, "C29 and 1 more[.]$"), (35, "C29 and 5 more[.]$")):
        (tmp_path / "a.csv").write_text(",".join(f"C{i}" for i in range(n_columns)) + "\n")
        with pytest.raises(ColumnError, match=told):
            read_survey(tmp_path / "a.csv")
    note = fits.BinTableHDU(Table({"X": [1]}), name="A")
    fits.HDUList([fits.PrimaryHDU(), note]).writeto(tmp_path / "one.fits")
    with pytest.raises(ColumnError, match="there are: X"):
        read_survey(tmp_path / "one.fits")
    fits.HDUList([fits.PrimaryHDU(), note, note]).writeto(tmp_path / "two.fits")
    with pytest.raises(FileFormatError, match="no table has a column of a survey; its HDUs are: 0 PRIMARY"):
        read_survey(tmp_path / "two.fits")
    with pytest.raises(ColumnError, match="there are: X"):
        read_survey(tmp_path / "two.fits", hdu=2)


def test_an_ascii_table_has_names_and_units(tmp_path):
    columns = [
        fits.Column("TEFF", "F8.1", array=[4.8, 4.9], unit="kK"),
        fits.Column("APOGEE_ID", "A4", array=["a", "b"]),
    ]
    columns.append(fits.Column("ASPCAPFLAG", "I9", array=[1, 8388608]))
    table = fits.TableHDU.from_columns(columns, name="WORDS")
    fits.HDUList([fits.PrimaryHDU(), table]).writeto(tmp_path / "a.fits")
    for hdu in (None, 1, "words"):
        stars = read_survey(tmp_path / "a.fits", hdu=hdu)
        assert stars["TEFF"] == pytest.approx([4800.0, 4900.0])
        assert stars["BAD_STAR"].tolist() == [False, True]
        assert (stars.table, stars["APOGEE_ID"].tolist()) == ("HDU 1", ["a", "b"])
    assert len(SurveyFile(tmp_path / "a.fits").read(1, 2)) == 1


# ---- survey files


def test_rows_before_behind_and_between(tmp_path):
    (tmp_path / "a.csv").write_text("TEFF,K\n" + "".join(f"{4800 + i},10\n" for i in range(5)))
    with SurveyFile(tmp_path / "a.csv") as survey:
        assert survey.n_rows == 5
        for rows in (slice(None), slice(1, 3), slice(3, 1), slice(-2, None), slice(4, 99), slice(7, 9)):
            expected = [4800.0 + i for i in range(5)][rows]
            assert survey.read(rows.start or 0, rows.stop)["TEFF"].tolist() == expected
            assert read_survey(tmp_path / "a.csv", rows=rows)["TEFF"].tolist() == expected
        assert [len(chunk) for chunk in survey.chunks(5)] == [5]
        assert [len(chunk) for chunk in survey.chunks(4)] == [4, 1]


def test_an_input_that_can_not_be_read_is_named(tmp_path):
    with pytest.raises(FileFormatError, match="there is no file"):
        InputFile.of(tmp_path / "absent")
    with pytest.raises(FileFormatError, match="can't be read: Is a directory"):
        InputFile.of(tmp_path)
    (tmp_path / "a").write_bytes(b"abc")
    found = InputFile.of(str(tmp_path / "a"))
    assert (found.name, found.size, found.mtime_ns) == ("a", 3, (tmp_path / "a").stat().st_mtime_ns)
    assert found.sha256 == "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"  # FIPS 180-2, B.1


def test_a_checksum_is_taken_beside_other_work_and_given_up_with_it(tmp_path):
    path = tmp_path / "large"
    path.write_bytes(b"\0" * (2 << 20))
    with checksum_beside(path) as checksum:
        assert checksum.done()  # that of a small file is waited for
        assert checksum.result() == InputFile.of(path)
    stopped = Event()
    stopped.set()
    with pytest.raises(CancelledError):
        InputFile.of(path, stopped)
    with pytest.raises(KeyboardInterrupt), checksum_beside("/dev/zero") as endless:
        raise KeyboardInterrupt
    assert isinstance(endless.exception(), CancelledError)
    with checksum_beside(tmp_path / "absent") as checksum, pytest.raises(FileFormatError, match="there is no file"):
        checksum.result()
