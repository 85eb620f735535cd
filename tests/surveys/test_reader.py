"""Reading survey tables: every format, every choice that is made star by star."""

import gzip
import shutil

import numpy as np
import pytest
from astropy import units as u
from astropy.io import fits
from astropy.table import MaskedColumn, Table
from mock_allstar import write_mock_allstar

from skdistmass.datasets import make_survey
from skdistmass.exceptions import ColumnError, FileFormatError, InputError, UnitError
from skdistmass.labels import LABEL_NAMES
from skdistmass.surveys import as_stars, read_survey
from skdistmass.tables import as_floats

WRITERS = {
    "fits": {"format": "fits"},
    "vot": {"format": "votable"},
    "parquet": {"format": "parquet"},
    "csv": {"format": "ascii.csv"},
    "ecsv": {"format": "ascii.ecsv"},
}


@pytest.fixture(scope="module")
def mock():
    return make_survey(300, random_state=0, sentinel_fraction=0.1)


@pytest.mark.parametrize("kind", WRITERS)
def test_all_formats_give_the_same_stars(kind, mock, tmp_path):
    path = tmp_path / f"survey.{kind}"
    mock.write(path, **WRITERS[kind])
    read = read_survey(path, columns=["TRUE_BINARY"])
    assert read.layout == "mock"
    for name in (*LABEL_NAMES, "J", "H", "K", "J_ERR", "TEFF_ERR", "A_K"):
        np.testing.assert_allclose(read[name], as_floats(mock[name]), rtol=1e-6)
        assert read[name].dtype == np.float64
        assert read[name].dtype.isnative
    np.testing.assert_allclose(read["PARALLAX"], as_floats(mock["GAIAEDR3_PARALLAX"]), rtol=1e-6)
    distance = as_floats(mock["GAIAEDR3_R_MED_PHOTOGEO"], high_sentinels=False) / 1000
    np.testing.assert_allclose(read["GAIAEDR3_DIST"], distance, rtol=1e-6)
    for name in ("APOGEE_ID", "CLUSTER", "MASS_SRC"):
        assert read[name].dtype.kind == "U"
        assert list(read[name]) == list(mock[name])
    np.testing.assert_array_equal(read["ASPCAPFLAG"], mock["ASPCAPFLAG"])
    np.testing.assert_array_equal(read["BAD_STAR"], (mock["ASPCAPFLAG"] & (1 << 23)) != 0)
    assert read["ASPCAPFLAG"].dtype == np.int64
    np.testing.assert_array_equal(read["TRUE_BINARY"].astype(str), mock["TRUE_BINARY"].astype(str))
    assert read.impossible == {}


@pytest.mark.parametrize("kind", WRITERS)
def test_pieces_make_the_whole(kind, mock, tmp_path, monkeypatch):
    monkeypatch.setattr("skdistmass.surveys.formats.fits._PIECE", 10_000)
    path = tmp_path / f"s.{kind}"
    mock.write(path, **WRITERS[kind])
    whole = read_survey(path)
    pieces = [read_survey(path, rows=slice(start, start + 120)) for start in (0, 120, 240)]
    assert [len(piece) for piece in pieces] == [120, 120, 60]
    for name in whole:
        np.testing.assert_array_equal(np.concatenate([piece[name] for piece in pieces]), whole[name])
    assert len(read_survey(path, rows=slice(400, 500))) == 0
    with pytest.raises(InputError, match="give a slice with a step of 1"):
        read_survey(path, rows=slice(0, 100, 2))


def test_a_csv_after_comments_and_compressed(tmp_path):
    text = "# made by hand\n# twice\nTEFF, LOGG\n4800,2.5\n"
    (tmp_path / "a.csv").write_text(text)
    (tmp_path / "a.csv.gz").write_bytes(gzip.compress(text.encode()))
    for name in ("a.csv", "a.csv.gz"):
        assert read_survey(tmp_path / name)["LOGG"][0] == 2.5


def test_gzipped_fits(mock, tmp_path):
    mock.write(tmp_path / "s.fits")
    with open(tmp_path / "s.fits", "rb") as plain, gzip.open(tmp_path / "s.fits.gz", "wb") as packed:
        shutil.copyfileobj(plain, packed)
    one, two = read_survey(tmp_path / "s.fits"), read_survey(tmp_path / "s.fits.gz")
    for name in one:
        np.testing.assert_array_equal(one[name], two[name])


def test_columns_choose_what_else_is_kept(mock, tmp_path):
    mock.write(tmp_path / "s.fits")
    assert "TRUE_MASS" not in read_survey(tmp_path / "s.fits")
    some = read_survey(tmp_path / "s.fits", columns=["MASS", "true_mass"])
    assert "MASS" in some
    assert "TRUE_MASS" in some
    assert "TRUE_TEFF" not in some
    assert some.units["TRUE_MASS"] == "solMass"
    with pytest.raises(ColumnError, match=r"s\.fits: no column MASSS"):
        read_survey(tmp_path / "s.fits", columns=["MASSS"])
    with pytest.raises(InputError, match="columns is the text 'MASS'"):
        read_survey(tmp_path / "s.fits", columns="MASS")


def _write_csv(path, text):
    path.write_text(text)
    return path


def test_metallicity_stands_in_and_is_recorded(tmp_path):
    read = read_survey(_write_csv(tmp_path / "a.csv", "TEFF,FE_H,FE_H_ERR\n4800,-0.1,0.01\n"))
    assert read["M_H"][0] == -0.1
    assert read["M_H_ERR"][0] == 0.01
    assert (read.origin["M_H"], read.metallicity) == (("FE_H",), "FE_H")
    both = read_survey(_write_csv(tmp_path / "b.csv", "TEFF,M_H,FE_H\n4800,-0.2,-0.1\n"))
    assert (both["M_H"][0], both["FE_H"][0]) == (-0.2, -0.1)
    assert (both.origin["M_H"], both.metallicity) == (("M_H",), "M_H")
    assert both.with_metallicity("FE_H")["M_H"][0] == -0.1


def test_parallax_is_chosen_star_by_star(tmp_path):
    header = "TEFF,GAIAEDR3_PARALLAX,GAIAEDR3_PARALLAX_ERROR,GAIADR2_PARALLAX,GAIADR2_PARALLAX_ERROR,"
    header += "HIP_PARALLAX\n"
    rows = "4800,1.0,0.1,2.0,0.2,3.0\n4800,,0.1,2.0,0.2,3.0\n4800,-9999,,,0.2,3.0\n4800,,,,,\n4800,99,0.1,,,\n"
    read = read_survey(_write_csv(tmp_path / "a.csv", header + rows))
    np.testing.assert_array_equal(read["PARALLAX"], [1.0, 2.0, 3.0, np.nan, 99.0])
    np.testing.assert_array_equal(read["PARALLAX_ERR"], [0.1, 0.2, np.nan, np.nan, 0.1])
    assert list(read["PARALLAX_SRC"]) == ["Gaia EDR3", "Gaia DR2", "Hipparcos", "", "Gaia EDR3"]


@pytest.mark.parametrize("said", ["Gaia DR3", "Gaia EDR3"])
def test_gaia_dr3_is_the_astrometry_of_edr3(said):
    assert as_stars({"TEFF": [4800.0], "PARALLAX": [1.0], "PLX_SRC": [said]})["PARALLAX_SRC"].tolist() == ["Gaia EDR3"]


def test_layout_of_dr16(tmp_path):
    """DR16's allStar: Gaia DR2, sentinels -9999, extinction by several ways."""
    text = (
        "APOGEE_ID,TEFF,LOGG,M_H,C_FE,N_FE,K,AK_TARG,AK_TARG_METHOD,AK_WISE,SFD_EBV,GAIA_PARALLAX,"
        "GAIA_PARALLAX_ERROR,GAIA_R_EST,GAIA_SOURCE_ID,ASPCAPFLAG,C_FE_FLAG\n"
        "A,4800,2.5,-0.1,0.0,0.2,9.0,0.1,RJCE_IRAC,0.2,0.3,1.0,0.05,990,12,8388608,0\n"
        "B,-9999,-9999,-9999,-9999,-9999,99.999,-9999,none,0.2,-9999,-9999,-9999,-9999,13,0,0\n"
    )
    read = read_survey(_write_csv(tmp_path / "a.csv", text))
    assert read.layout == "apogee-dr16"
    np.testing.assert_array_equal(read["A_K"], [0.1, 0.2])
    assert list(read["A_K_SRC"]) == ["RJCE_IRAC", "AK_WISE"]
    np.testing.assert_array_equal(read["EBV"], [0.3, np.nan])
    np.testing.assert_array_equal(read["GAIAEDR3_DIST"], [0.99, np.nan])
    assert list(read["GAIAEDR3_DIST_SRC"]) == ["GAIA_R_EST", ""]
    assert list(read["PARALLAX_SRC"]) == ["Gaia DR2", ""]
    assert read["BAD_STAR"].tolist() == [True, False]
    assert "GAIA_SOURCE_ID" not in read
    assert np.isnan(read.labels[1]).all()
    assert np.isnan(read["K"][1])


def test_units_of_the_file_are_converted(tmp_path):
    table = Table({"TEFF": [4.8] * u.kK, "GAIAEDR3_DIST": [1200.0] * u.pc, "PARALLAX": [0.001] * u.arcsec})
    table["MASS"] = [2e30] * u.kg
    table.write(tmp_path / "a.fits")
    read = read_survey(tmp_path / "a.fits")
    assert read["TEFF"][0] == pytest.approx(4800)
    assert read["GAIAEDR3_DIST"][0] == pytest.approx(1.2)
    assert read["PARALLAX"][0] == pytest.approx(1.0)
    assert read["MASS"][0] == pytest.approx(1.0058, rel=1e-3)
    Table({"TEFF": [4.8] * u.kpc}).write(tmp_path / "b.fits")
    with pytest.raises(UnitError, match=r"b\.fits: column TEFF has the unit kpc"):
        read_survey(tmp_path / "b.fits")


def test_masked_integers_and_flags(tmp_path):
    table = Table({"TEFF": [4800.0, 4900.0]})
    table["ASPCAPFLAG"] = MaskedColumn([8388608, 5], mask=[False, True])
    table["NVISITS"] = MaskedColumn([3, 4], mask=[True, False])
    table["NAME"] = MaskedColumn(["a ", "b"], mask=[False, True])
    table.write(tmp_path / "a.ecsv", format="ascii.ecsv")
    read = read_survey(tmp_path / "a.ecsv", columns=["NVISITS", "NAME"])
    assert list(read["ASPCAPFLAG"]) == [8388608, 0]
    assert read["NVISITS"].tolist() == [-1, 4]
    assert list(read["NAME"]) == ["a", ""]


def test_nullable_columns_of_pandas(tmp_path):
    pd = pytest.importorskip("pandas")
    frame = pd.DataFrame({"APOGEE_ID": ["a", None], "TEFF": pd.array([4800, None], dtype="Int64")})
    frame["SOURCE_ID"] = pd.array([2**60 + 1, None], dtype="Int64")  # more digits than a float holds
    frame.to_parquet(tmp_path / "a.parquet")
    for read in (read_survey(tmp_path / "a.parquet"), as_stars(frame)):
        assert list(read["APOGEE_ID"]) == ["a", ""]
        np.testing.assert_array_equal(read["TEFF"], [4800, np.nan])
        assert read["GAIA_SOURCE_ID"].tolist() == [2**60 + 1, 0]


def test_flags_of_a_csv_with_gaps_and_with_fractions(tmp_path):
    read = read_survey(_write_csv(tmp_path / "a.csv", "TEFF,ASPCAPFLAG\n4800,8388608\n4900,\n"))
    assert list(read["ASPCAPFLAG"]) == [8388608, 0]
    with pytest.raises(ColumnError, match="ASPCAPFLAG holds fractions"):
        read_survey(_write_csv(tmp_path / "b.csv", "TEFF,ASPCAPFLAG\n4800,1.5\n"))


@pytest.mark.parametrize("kind", WRITERS)
def test_empty_tables_and_one_row(kind, tmp_path, mock):
    for rows in (0, 1):
        path = tmp_path / f"{rows}.{kind}"
        mock[:rows].write(path, **WRITERS[kind])
        assert len(read_survey(path)) == rows


def test_the_survey_is_found_in_any_hdu(tmp_path, mock):
    other = fits.BinTableHDU(Table({"X": [1.0]}), name="NOTES")
    hdus = fits.HDUList([fits.PrimaryHDU(), fits.ImageHDU(np.zeros((2, 2))), other, fits.BinTableHDU(mock)])
    hdus.writeto(tmp_path / "a.fits")
    read = read_survey(tmp_path / "a.fits")
    assert len(read) == len(mock)
    assert read.table == "HDU 3"
    with pytest.raises(FileFormatError, match=r"no table in HDU 1; its HDUs are: 0 PRIMARY .* 2 NOTES"):
        read_survey(tmp_path / "a.fits", hdu=1)
    with pytest.raises(ColumnError, match="no column is one of a survey"):
        read_survey(tmp_path / "a.fits", hdu="notes")
    hdus[:2].writeto(tmp_path / "b.fits")
    with pytest.raises(FileFormatError, match="its HDUs are: 0 PRIMARY"):
        read_survey(tmp_path / "b.fits")


def test_an_ascii_table_of_fits(tmp_path):
    columns = [
        fits.Column("TEFF", "F8.1", array=np.array([4800.0, 4900.0])),
        fits.Column("APOGEE_ID", "A4", array=["a", "b"]),
    ]
    fits.HDUList([fits.PrimaryHDU(), fits.TableHDU.from_columns(columns)]).writeto(tmp_path / "a.fits")
    read = read_survey(tmp_path / "a.fits")
    assert read["TEFF"].tolist() == [4800.0, 4900.0]
    assert read["APOGEE_ID"].tolist() == ["a", "b"]


@pytest.mark.parametrize("header", ["TEFF,TEFF", "Teff,LOGG,teff"])
def test_doubled_columns(header, tmp_path):
    with pytest.raises(ColumnError, match=r"a\.csv: column"):
        read_survey(_write_csv(tmp_path / "a.csv", f"{header}\n1,2,3\n"))


def test_text_where_numbers_belong(tmp_path):
    with pytest.raises(ColumnError, match=r"a\.csv: column TEFF holds"):
        read_survey(_write_csv(tmp_path / "a.csv", "TEFF,LOGG\nhot,2\ncold,3\n"))


def test_no_survey_column(tmp_path):
    with pytest.raises(ColumnError, match=r"no column is one of a survey .* there are: a, b"):
        read_survey(_write_csv(tmp_path / "a.csv", "a,b\n1,2\n"))


def test_identifiers_that_lost_digits_are_left_out_with_a_warning():
    with pytest.warns(UserWarning, match="lost their last digits. GAIA_SOURCE_ID is left out"):
        stars = as_stars({"TEFF": [4800.0], "SOURCE_ID": [5853498713190525001.0]})
    assert "GAIA_SOURCE_ID" not in stars


def test_real_tables(real_data):
    giants = read_survey(real_data("kepler_giants.fits"))
    raw = Table.read(real_data("kepler_giants.fits"))
    assert len(giants) == len(raw)
    assert giants.origin["M_H"] == ("FE_H",)
    np.testing.assert_array_equal(giants["MASS_CAL"], as_floats(raw["MASS_CAL"]))
    np.testing.assert_array_equal(giants["GAIA_SOURCE_ID"], np.ma.filled(raw["GAIAEDR3_SOURCE_ID"], -1))
    assert giants.units["AGE_APOKASC3"] == "Gyr"
    k2 = read_survey(real_data("k2_giants.fits"))
    assert set(k2["PARALLAX_SRC"]) <= {"", "Gaia EDR3 corrected"}
    assert np.isfinite(read_survey(real_data("dwarfs.fits"))["PARALLAX"]).any()


@pytest.fixture(scope="module")
def all_star(tmp_path_factory):
    path = tmp_path_factory.mktemp("wide") / "allStar.fits"
    return write_mock_allstar(path, 250, chunk_rows=100, truth=True, random_state=1)


class TestMockAllStar:
    """The wide layout."""

    def test_is_wide_and_valid(self, all_star):
        with fits.open(all_star, memmap=False) as hdus:
            hdus.verify("exception")
            assert len(hdus[1].columns) > 200
            assert hdus[1].data["PARAM_COV"].shape == (250, 9, 9)
            assert hdus[1].data["FELEM"].shape[1] == hdus["SYMBOLS"].data["ELEM_SYMBOL"].shape[1]
            np.testing.assert_array_equal(hdus[1].data["PARAM"][:, 0], hdus[1].data["TEFF"])
            assert "GAIAEDR3_R_MED_PHOTOGEO" in hdus[1].columns.names
        assert all_star.stat().st_size % 2880 == 0

    def test_reads_back(self, all_star):
        read = read_survey(all_star, columns=("TRUE_DISTANCE", "PARAM_COV"))
        assert len(read) == 250
        good = np.isfinite(read["GAIAEDR3_DIST"]) & (read["GAIAEDR3_DIST"] < 1)
        np.testing.assert_allclose(read["GAIAEDR3_DIST"][good], read["TRUE_DISTANCE"][good], rtol=0.3)
        assert set(LABEL_NAMES) <= set(read)
        assert read["APOGEE_ID"][0].startswith("2M")
        assert read["PARAM_COV"].shape == (250, 9, 9)

    def test_same_seed_same_bytes(self, all_star, tmp_path):
        again = write_mock_allstar(tmp_path / "b.fits", 250, chunk_rows=100, truth=True, random_state=1)
        assert again.read_bytes() == all_star.read_bytes()

    def test_an_existing_file_is_kept(self, all_star):
        before = all_star.stat().st_mtime_ns
        with pytest.raises(InputError, match="exists; give overwrite=True"):
            write_mock_allstar(all_star, 10)
        assert all_star.stat().st_mtime_ns == before

    def test_failure_leaves_nothing(self, tmp_path):
        with pytest.raises(InputError, match="binary_fraction is 2"):
            write_mock_allstar(tmp_path / "a.fits", 10, binary_fraction=2)
        with pytest.raises(InputError, match="chunk_rows is 0"):
            write_mock_allstar(tmp_path / "a.fits", 10, chunk_rows=0)
        assert list(tmp_path.iterdir()) == []
