"""The files: what astropy and the validators of the field make of them."""

import shutil
import subprocess
import warnings

import numpy as np
import pytest
from astropy import units as u
from astropy.io import fits
from astropy.io.votable import parse
from astropy.table import Table

from skdistmass.catalog import build_catalog
from skdistmass.catalog.writers.fits import checksum_cards, datasum, primary_header
from skdistmass.schema.bits import Bit, QualityBit
from skdistmass.schema.columns import layout
from skdistmass.surveys import read_survey

pytestmark = pytest.mark.slow


def tool(name):
    """Return a validator's path, or skip."""
    found = shutil.which(name)
    if found is None:
        pytest.skip(f"{name} is not installed")
    return found


def run(*command):
    done = subprocess.run(command, capture_output=True, text=True, timeout=120, check=False)
    return done.returncode, done.stdout + done.stderr


def missing(column):
    column = np.ma.asarray(column)
    return np.isnan(np.ma.filled(column.astype(float), np.nan))


@pytest.fixture(scope="module")
def catalogs(model, all_star, tmp_path_factory):
    """The same catalogue in all formats."""
    folder = tmp_path_factory.mktemp("catalogs")
    for ending in ("fits", "vot", "parquet"):
        build_catalog(model, all_star, folder / f"catalog.{ending}", chunk_rows=300, command="a\nlong 'command' " * 9)
    return folder


def test_columns_are_those_of_the_schema_in_order(catalogs):
    columns = layout(["CAL"])
    with fits.open(catalogs / "catalog.fits") as hdus:
        header, names = hdus[1].header, hdus[1].columns.names
    assert names == [column.name for column in columns]
    for number, column in enumerate(columns, start=1):
        unit = "" if (column.unit or "").startswith("dex") else (column.unit or "").replace("Msun", "solMass")
        assert header.get(f"TUNIT{number}", "") == unit
        assert header[f"TUCD{number}"] == column.ucd
        assert header[f"TCOMM{number}"].startswith(column.description)


def test_header_tells_where_the_catalogue_is_from(catalogs, all_star):
    import hashlib

    header = fits.getheader(catalogs / "catalog.fits", 1)
    assert header["INSHA256"] == hashlib.sha256(all_star.read_bytes()).hexdigest()
    assert header["INFILE"] == "allStar.fits"
    assert header["MODEL"] == "DistMassModel"
    assert header["COMMAND"].startswith("a?long 'command'")
    assert "0.918" in header["AKWISE"]
    for column, bits in (("BITMASK", Bit), ("FLAGS", QualityBit)):
        for bit in bits:
            text = header[f"{column[:4]}{int(bit).bit_length() - 1:02d}"]
            assert text == f"{bit.name}: {bit.description}"


def test_astropy_verifies_structure_and_checksums(catalogs):
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        with fits.open(catalogs / "catalog.fits", checksum=True) as hdus:
            hdus.verify("exception")
            assert all("CHECKSUM" in hdu.header and "DATASUM" in hdu.header for hdu in hdus)


def test_one_changed_byte_fails_the_checksum(catalogs, tmp_path):
    data = bytearray((catalogs / "catalog.fits").read_bytes())
    data[-4000] ^= 1
    (tmp_path / "changed.fits").write_bytes(data)
    with (
        pytest.warns(UserWarning, match="verification failed"),
        fits.open(tmp_path / "changed.fits", checksum=True) as h,
    ):
        _ = h[1].data


@pytest.mark.parametrize("content", [b"", b"\xff" * 2880, bytes(range(256)) * 45, b"\x80\x00\x00\x00" * 720])
def test_checksums_agree_with_those_of_astropy(content):
    data = np.frombuffer(content, dtype=np.uint8)
    hdu = fits.ImageHDU(data)
    padded = content + b"\0" * (-len(content) % 2880)
    assert datasum([padded[:400], padded[400:]]) == hdu._calculate_datasum()
    header = primary_header([("KEY", "value", "comment")])
    block = checksum_cards(header, 0)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert fits.PrimaryHDU.fromstring(block, checksum=True).header["KEY"] == "value"


def test_all_formats_hold_the_same(catalogs):
    tables = {ending: Table.read(catalogs / f"catalog.{ending}") for ending in ("fits", "vot", "parquet")}
    reference = tables.pop("fits")
    for ending, table in tables.items():
        assert table.colnames == reference.colnames
        for name in reference.colnames:
            expected, found = np.ma.asarray(reference[name]), np.ma.asarray(table[name])
            if name == "NMSU_FLAG":  # null throughout; astropy reads Parquet's nulls of integers as NaN
                assert missing(expected).all()
                assert missing(found).all()
            elif expected.dtype.kind == "f":
                np.testing.assert_array_equal(np.ma.filled(found, np.nan), np.ma.filled(expected, np.nan), name)
            elif expected.dtype.kind in "SU":
                assert (found.astype(str) == expected.astype(str)).filled(True).all(), (ending, name)
            else:
                np.testing.assert_array_equal(np.ma.getmaskarray(found), np.ma.getmaskarray(expected), name)
                assert (found == expected).all() is not np.False_, (ending, name)
            assert table[name].description is not None
    for column in layout(["CAL"]):
        unit = u.Unit(column.unit) if column.unit else None
        assert tables["parquet"][column.name].unit == unit
        # The FITS standard has no dex; the description tells of it.
        logarithmic = (column.unit or "").startswith("dex")
        assert reference[column.name].unit == (None if logarithmic else unit)
        assert reference[column.name].description == column.description


def test_missing_isochrone_flag_is_null_in_every_format(catalogs):
    for ending in ("fits", "vot", "parquet"):
        flag = Table.read(catalogs / f"catalog.{ending}")["NMSU_FLAG"]
        assert missing(flag).all(), ending


def test_votable_metadata(catalogs):
    table = parse(catalogs / "catalog.vot").get_first_table()
    for field, column in zip(table.fields, layout(["CAL"]), strict=True):
        unit = "dex" if (column.unit or "").startswith("dex") else column.unit
        assert str(field.unit or "") == (unit or "")
        assert field.ucd == column.ucd
        assert field.description.startswith(column.description[:40])
    assert {param.ID: param.value for param in table.params}["NSTARS"] == str(980)


def test_parquet_metadata(catalogs):
    import pyarrow.parquet as pq

    schema = pq.read_schema(catalogs / "catalog.parquet")
    for column in layout(["CAL"]):
        about = schema.field(column.name).metadata
        assert about[b"ucd"].decode() == column.ucd
        assert about[b"description"].decode() == column.description
    assert b"<VOTABLE" in schema.metadata[b"IVOA.VOTable-Parquet.content"]


def test_catalog_is_a_survey_again(catalogs, model):
    """What was written can be read as a survey, and predicts the same."""
    once = Table.read(catalogs / "catalog.fits")
    again = model.predict(read_survey(catalogs / "catalog.fits"))
    np.testing.assert_allclose(again["ABS_MAG"], once["ABS_MAG"], rtol=1e-12, equal_nan=True)


def test_fitsverify_finds_nothing(catalogs):
    code, said = run(tool("fitsverify"), str(catalogs / "catalog.fits"))
    assert code == 0, said
    assert "0 warning(s) and 0 error(s)" in said, said


def test_votlint_finds_nothing(catalogs):
    code, said = run(tool("stilts"), "votlint", str(catalogs / "catalog.vot"))
    assert code == 0, said
    assert said.strip() == "", said


@pytest.mark.parametrize("ending", ["fits", "vot"])
def test_stilts_reads_units_descriptions_and_ucds(catalogs, ending):
    path = catalogs / f"catalog.{ending}"
    code, said = run(tool("stilts"), "tpipe", str(path), "cmd=meta name units ucd description", "ofmt=csv", "omode=out")
    assert code == 0, said
    lines = {line.split(",")[0]: line for line in said.splitlines()}
    for column in layout(["CAL"]):
        assert column.ucd in lines[column.name], column.name
        assert column.description[:30] in lines[column.name].replace('"', ""), column.name
        if column.unit is not None and not column.unit.startswith("dex"):
            unit = column.unit.replace("Msun", "solMass") if ending == "fits" else column.unit
            assert f",{unit}," in lines[column.name]
    code, said = run(tool("stilts"), "tpipe", str(path), "cmd=every 1", "omode=count")
    assert code == 0, said
    assert "rows: 1000" in said, said
