"""A survey file read in chunks, described without being read, and read by a layout of the user's own."""

import gzip
import time

import numpy as np
import pytest
from astropy.table import Table

from skdistmass.datasets import make_survey
from skdistmass.exceptions import ColumnError, DistMassError, FileFormatError, ImpossibleValueWarning, InputError
from skdistmass.surveys import SurveyFile, as_stars, describe_file, load_layout, read_survey
from skdistmass.surveys.layout import recognise

WRITERS = {
    "fits": "fits",
    "fits.gz": "fits",
    "parquet": "parquet",
    "vot": "votable",
    "csv": "ascii.csv",
    "ecsv": "ascii.ecsv",
}


@pytest.fixture(scope="module")
def files(tmp_path_factory):
    folder, survey = tmp_path_factory.mktemp("surveys"), make_survey(500, random_state=0)
    for name, form in WRITERS.items():
        survey.write(folder / f"s.{name}", format=form)
    return folder


# ---- chunks


@pytest.mark.parametrize("kind", WRITERS)
def test_chunks_are_the_whole_in_order(kind, files):
    whole, survey = read_survey(files / f"s.{kind}"), SurveyFile(files / f"s.{kind}")
    chunks = list(survey.chunks(180))
    assert (survey.n_rows, survey.layout.name, [len(chunk) for chunk in chunks]) == (500, "mock", [180, 180, 140])
    for name in whole:
        np.testing.assert_array_equal(np.concatenate([chunk[name] for chunk in chunks]), whole[name])
    again = survey.read(20, 30)  # back to the beginning
    np.testing.assert_array_equal(again["K"], whole["K"][20:30])
    assert len(survey.read(600, 700)) == 0
    survey.close()


def test_row_groups_of_parquet_are_read_one_by_one(tmp_path):
    import pyarrow.parquet as pq

    table = make_survey(300, random_state=0)["APOGEE_ID", "TEFF", "LOGG", "K"].to_pandas()
    table.to_parquet(tmp_path / "a.parquet", row_group_size=70)
    assert pq.ParquetFile(tmp_path / "a.parquet").num_row_groups == 5
    stars = SurveyFile(tmp_path / "a.parquet").read(60, 215)
    assert stars["APOGEE_ID"].tolist() == table["APOGEE_ID"][60:215].tolist()


def test_a_file_is_refused_if_it_changes(files, tmp_path):
    path = tmp_path / "s.fits"
    path.write_bytes((files / "s.fits").read_bytes())
    survey = SurveyFile(path)
    assert survey.n_bytes == path.stat().st_size
    path.write_bytes(path.read_bytes() + b"\0" * 2880)
    with pytest.raises(DistMassError, match="was changed while it was read"):
        survey.read(0, 10)
    path.unlink()
    with pytest.raises(DistMassError, match="is gone"):
        survey.read(0, 10)


def test_a_damaged_compressed_file_is_refused_before_any_row_is_given(files, tmp_path):
    content = bytearray((files / "s.fits.gz").read_bytes())
    content[-6] ^= 1  # of the checksum at the end
    (tmp_path / "x.fits.gz").write_bytes(content)
    with pytest.raises(FileFormatError, match="can't be read as FITS"):
        SurveyFile(tmp_path / "x.fits.gz").read(0, 5)


def test_impossible_values_are_told_once_for_a_file(tmp_path):
    Table({"TEFF": [4800.0] * 6, "K": [10.0, -99.0, 10.0, 10.0, -99.0, 10.0]}).write(tmp_path / "a.fits")
    survey = SurveyFile(tmp_path / "a.fits")
    with pytest.warns(ImpossibleValueWarning, match="K 1"):
        first = survey.read(0, 3)
    assert (first.impossible, survey.read(3, 6).impossible) == ({"K": 1}, {"K": 1})


# ---- description


@pytest.mark.parametrize("kind", WRITERS)
def test_a_description_names_layout_columns_and_what_is_missing(kind, files):
    found = describe_file(files / f"s.{kind}")
    assert found.layout.name == "mock"
    assert found.n_rows == (500 if kind.startswith(("fits", "parquet")) else None)
    assert found.problems == ()
    assert all(names == () for names in found.missing.values())
    read = {item.name: item for item in found.quantities}
    assert "pc by the layout" in str(found) or "[pc]" in str(found)
    assert read["PARALLAX"].unit == "mas"
    assert read["PARALLAX"].sources[0].startswith("GAIAEDR3_PARALLAX")
    assert found.bad_star == ("ASPCAPFLAG has bit 23",)
    assert f"s.{kind}" in str(found)
    assert "distance: all that is needed is there" in str(found)


def test_a_description_tells_what_is_wrong(tmp_path):
    (tmp_path / "a.csv").write_text("teff,logg,k\n4.8,2.5,10\n4.9,2.4,11\n5.0,2.3,12\n")
    found = describe_file(tmp_path / "a.csv")
    assert "look like kK" in found.problems[0]
    assert found.missing["distance"] == ("M_H", "A_K")
    assert "distance: lacks M_H, A_K" in str(found)
    (tmp_path / "b.csv").write_text("teff,logg,k\n4800,2.5,-99\n4900,2.4,11\n5000,,12\n")
    assert describe_file(tmp_path / "b.csv").problems == ("K is impossible in 33% of the first rows",)
    (tmp_path / "c.csv").write_text("sdss_id,sdss4_apogee_id,gaia_dr3_source_id,k_mag,version_id\n1,a,2,10,31\n")
    assert "astraAllStarASPCAP" in describe_file(tmp_path / "c.csv").problems[0]


@pytest.mark.slow
def test_a_description_reads_no_more_than_the_beginning(tmp_path):
    with gzip.open(tmp_path / "a.csv.gz", "wb", compresslevel=1) as file:
        file.write(b"TEFF,LOGG,FE_H,K\n")
        for _ in range(15):
            file.write(b"4800.0,2.5,-0.1,10.5\n" * 100_000)
    start = time.process_time()
    assert describe_file(tmp_path / "a.csv.gz").missing["mass"] == ("C_FE", "N_FE")
    taken = time.process_time() - start
    start = time.process_time()
    read_survey(tmp_path / "a.csv.gz")
    assert taken < 0.3 * (time.process_time() - start)


# ---- layouts of the user's own

MINE = """
name = "mine"
title = "My survey"
based_on = "galah-dr4"
sentinels = [-3.3]
bad_star = [{column = "quality", bits = [1, 3]}, "ugly"]

[quantities]
TEFF = {column = "log_t", transform = "power10", error = "e_log_t"}
LOGG = {column = ["gravity", "g"], unit = "cm s-2", transform = "log10"}
FE_H = {column = "x_h", minus = "offset", error = "e_x_h", minus_error = "e_offset", flags = {column = "q", bits = [2]}}
GAIAEDR3_DIST = {column = "d", unit = "pc", below = "d_minus", above = "d_plus", called = "my distances"}
A_K = {column = "reddening", transform = "ebv_to_ak", law = "schlegel1998"}
EBV = []
"""


def _mine(tmp_path, text=MINE):
    (tmp_path / "mine.toml").write_text(text)
    return tmp_path / "mine.toml"


def test_a_layout_of_the_users_own(tmp_path):
    table = Table(
        {
            "log_t": [3.68, 3.70],
            "e_log_t": [0.01, 0.01],
            "g": [316.0, 1000.0],
            "ks_m": [10.0, 11.0],
            "h_m": [-3.3, 11.5],
        }
    )
    table["x_h"], table["offset"], table["q"] = [0.3, 0.4], [0.1, 0.1], [0, 4]
    table["e_x_h"], table["e_offset"] = [0.03, 0.03], [0.04, 0.04]
    table["d"], table["d_minus"], table["d_plus"], table["reddening"] = (
        [1000.0, 2000.0],
        [90.0, 1.0],
        [110.0, 1.0],
        [0.1, 0.2],
    )
    table["quality"], table["ugly"], table["ebv"] = [2, 4], [False, True], [9.0, 9.0]
    table.write(tmp_path / "a.fits")
    stars = read_survey(tmp_path / "a.fits", layout=_mine(tmp_path))
    np.testing.assert_allclose(stars["TEFF"], 10 ** table["log_t"])
    np.testing.assert_allclose(stars["TEFF_ERR"], 10 ** table["log_t"] * np.log(10) * 0.01)
    np.testing.assert_allclose(stars["LOGG"], [np.log10(316.0), 3.0])
    np.testing.assert_allclose(stars["FE_H"], [0.2, np.nan])
    np.testing.assert_allclose(stars["FE_H_ERR"], [0.05, np.nan])
    np.testing.assert_allclose(stars["GAIAEDR3_DIST_LO"], [0.91, 1.999])
    np.testing.assert_allclose(stars["GAIAEDR3_DIST_ERR"], [0.1, 0.001])
    assert stars["GAIAEDR3_DIST_SRC"].tolist() == ["my distances"] * 2
    np.testing.assert_allclose(stars["A_K"], [0.0302, 0.0604])
    assert stars["BAD_STAR"].tolist() == [True, True]
    assert stars["K"].tolist() == [10.0, 11.0]
    np.testing.assert_array_equal(stars["H"], [np.nan, 11.5])
    assert "EBV" not in stars
    assert stars.layout == "mine"
    assert as_stars(table, layout=load_layout(_mine(tmp_path)))["TEFF"].tolist() == stars["TEFF"].tolist()


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("[quantities]", "[quantites]", "has the key 'quantites'; known are"),
        ('name = "mine"', "", "has no name"),
        ('title = "My survey"', "title = 3", "title is 3; give a text"),
        ("bits = [1, 3]", "bits = [64]", r"bad_star has the bits \[64\]; give a list of numbers from 0 to 63"),
        ("power10", "squared", "quantities.TEFF has the transform 'squared'; known are none, log10"),
        ("schlegel1998", "mine", "quantities.A_K has the law 'mine'; ebv_to_ak knows schlegel1998"),
        ('unit = "pc"', 'unit = "furlong"', "quantities.GAIAEDR3_DIST has the unit 'furlong', which is not understood"),
        (', above = "d_plus"', "", "needs both of below and above"),
        (', minus_error = "e_offset"', "", "give minus_error, too"),
        ("TEFF =", "TEMPERATURE =", "names 'TEMPERATURE', which is no quantity"),
        ('column = "log_t", ', "", "quantities.TEFF names no column"),
        ('column = "log_t"', "column = 3", "quantities.TEFF: column is 3"),
        ("galah-dr4", "galah", "no layout 'galah'; give one of apogee-dr14"),
        ("sentinels = [-3.3]", "sentinels = ['x']", r"sentinels is \['x'\]; give a list of numbers"),
        ("EBV = []", "EBV = [", "is not valid TOML"),
        ("EBV = []", "EBV = [{columns = 'x'}]", "quantities.EBV has the key 'columns'; known are column, unit"),
    ],
)
def test_a_mistake_in_a_layout_is_named_with_its_place(old, new, message, tmp_path):
    assert old in MINE
    with pytest.raises(DistMassError, match=message):
        load_layout(_mine(tmp_path, MINE.replace(old, new, 1)))


def test_a_layout_that_does_not_exist_or_does_not_fit(tmp_path, files):
    with pytest.raises(InputError, match="no layout 'dr18'; give one of"):
        read_survey(files / "s.fits", layout="dr18")
    with pytest.raises(FileFormatError, match=r"absent\.toml can't be read"):
        load_layout(tmp_path / "absent.toml")
    Table({"A": [1.0]}).write(tmp_path / "a.fits")
    with pytest.raises(ColumnError, match=r"a\.fits: no column is one of a survey"):
        read_survey(tmp_path / "a.fits", layout="galah-dr4")


def test_letter_case_decides_between_layouts():
    assert recognise(["Teff", "Logg", "FeH", "C_FE", "N_FE", "Teff_err"]).name == "lamost-ddpayne"
    assert recognise(["TEFF", "LOGG", "FEH", "C_FE", "N_FE", "TEFF_ERR"]).name == "lamost-xiang2019"
    assert recognise(["TEFF", "LOGG", "FE_H", "C_FE", "N_FE"]).name == "generic"
    assert recognise([]).name == "generic"
