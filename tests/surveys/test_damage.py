"""Files that are damaged, do harm, or mean something else than they say: never a silent wrong number."""

import base64
import contextlib
import gzip
import http.server
import re
import subprocess
import sys
import threading
import warnings

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from astropy.io import fits
from astropy.table import Table

from skdistmass.datasets import make_survey
from skdistmass.exceptions import (
    ColumnError,
    DistMassError,
    DistMassWarning,
    FileFormatError,
    ImpossibleValueWarning,
    UnitError,
)
from skdistmass.surveys import as_stars, read_survey
from skdistmass.surveys.plausibility import check_columns

pytestmark = pytest.mark.slow

STARS = {
    "APOGEE_ID": ["a", "b", "c"],
    "TEFF": [4800.0, 4900.0, 5000.0],
    "LOGG": [2.5, 2.6, 2.7],
    "K": [9.0, 10.0, 11.0],
}


@pytest.fixture(scope="module")
def mock():
    return make_survey(60, random_state=0)["APOGEE_ID", "TEFF", "LOGG", "M_H", "C_FE", "N_FE", "J", "K", "GLAT"]


def _same(one, other):
    return all(np.array_equal(one[n], other[n], equal_nan=one[n].dtype.kind == "f") for n in one)


# ---- types that are guessed, and nulls


@pytest.mark.parametrize("ids", [["0007", "1E5", "-0"], ["1e400", "+5", "1_000"], ["5853498713190525001", "", "12"]])
@pytest.mark.parametrize("form", ["csv", "ecsv"])
def test_identifiers_in_text_stay_as_they_are(ids, form, tmp_path):
    if form == "csv":
        lines = [f"{name},4800" for name in ids]
        (tmp_path / "a.csv").write_text("APOGEE_ID,TEFF\n" + "\n".join(lines) + "\n")
    else:
        Table({"APOGEE_ID": ids, "TEFF": [4800.0] * 3}).write(tmp_path / "a.ecsv")
    assert read_survey(tmp_path / f"a.{form}")["APOGEE_ID"].tolist() == ids


def test_source_ids_in_a_csv_with_a_gap_keep_all_digits(tmp_path):
    ids = 5853498713190525000 + np.arange(500)
    lines = [f"{'' if i == 7 else number},{4800 + i}" for i, number in enumerate(ids)]
    (tmp_path / "a.csv").write_text("source_id,teff\n" + "\n".join(lines) + "\n")
    read = read_survey(tmp_path / "a.csv")["GAIA_SOURCE_ID"]
    assert read[7] == 0
    assert np.array_equal(np.delete(read, 7), np.delete(ids, 7))


@pytest.mark.parametrize(
    ("code", "null", "scale", "zero"), [("I", -1, 0.01, 0.0), ("J", 999, 0.5, 100.0), ("B", 255, 0.1, 1)]
)
def test_a_null_is_looked_for_before_it_is_scaled(code, null, scale, zero, tmp_path):
    raw = np.array([100, null, 200])
    column = fits.Column("K", code, null=null, array=raw.astype({"I": "i2", "J": "i4", "B": "u1"}[code]))
    hdu = fits.BinTableHDU.from_columns([fits.Column("TEFF", "D", array=np.full(3, 4800.0)), column])
    hdu.header["TSCAL2"], hdu.header["TZERO2"] = scale, zero
    hdu.writeto(tmp_path / "a.fits")
    expected = raw * scale + zero
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ImpossibleValueWarning)
        read = read_survey(tmp_path / "a.fits")["K"]
    possible = expected <= 30
    assert np.isnan(read[1])
    np.testing.assert_allclose(read[[0, 2]], np.where(possible, expected, np.nan)[[0, 2]])


@pytest.mark.parametrize("kind", ["u2", "u4", "u8"])
def test_unsigned_integers_of_fits_are_exact(kind, tmp_path):
    values = np.array([0, 5, np.iinfo(kind).max // 2], dtype=kind)
    Table({"TEFF": [4800.0] * 3, "SOURCE_ID": values}).write(tmp_path / "a.fits")
    assert read_survey(tmp_path / "a.fits")["GAIA_SOURCE_ID"].tolist() == values.tolist()


def test_text_after_a_nul_is_not_read(tmp_path):
    record = np.array([(b"ab\0cd", 4800.0)], dtype=[("APOGEE_ID", "S5"), ("TEFF", ">f8")])
    fits.BinTableHDU(record).writeto(tmp_path / "a.fits")
    assert read_survey(tmp_path / "a.fits")["APOGEE_ID"].tolist() == ["ab"]


# ---- names, units and metadata


def test_a_byte_order_mark_is_no_part_of_a_name(tmp_path):
    for name, head in (("a.csv", "TEFF,LOGG"), ("b.csv", "# note\nTEFF,LOGG"), ("c.csv", '"TEFF","LOGG"')):
        (tmp_path / name).write_text(head + "\n4800,2.5\n", encoding="utf-8-sig")
        assert read_survey(tmp_path / name)["TEFF"].tolist() == [4800.0]


@pytest.mark.parametrize("delimiter", [",", "|", "\t", ";"])
def test_columns_may_be_parted_by_other_marks(delimiter, tmp_path):
    (tmp_path / "a.csv").write_text(
        f"obsid{delimiter}teff{delimiter}logg{delimiter}feh\n1{delimiter}4800{delimiter}2.5{delimiter}-0.1\n"
    )
    stars = read_survey(tmp_path / "a.csv")
    assert (stars.layout, stars["FE_H"].tolist(), stars["SURVEY_ID"].tolist()) == ("lamost-afgk", [-0.1], ["1"])


def test_units_of_a_parquet_file_count_wherever_they_are(tmp_path):
    table = pa.table({"TEFF": [4800.0] * 3, "GAIAEDR3_DIST": [900.0, 1000.0, 1100.0]})
    field = pa.field("GAIAEDR3_DIST", pa.float64(), metadata={"unit": "pc"})
    pq.write_table(table.cast(pa.schema([table.schema.field("TEFF"), field])), tmp_path / "field.parquet")
    astropy_table = Table({"TEFF": [4800.0] * 3, "GAIAEDR3_DIST": [900.0, 1000.0, 1100.0]})
    astropy_table["GAIAEDR3_DIST"].unit = "pc"
    astropy_table.write(tmp_path / "yaml.parquet")
    about = {
        n: {"unit": "pc" if n == "GAIAEDR3_DIST" else "K", "ucd": "", "utype": "", "description": ""}
        for n in table.column_names
    }
    astropy_table.write(tmp_path / "vo.parquet", format="parquet.votable", metadata=about)
    for name in ("field", "yaml", "vo"):
        np.testing.assert_allclose(read_survey(tmp_path / f"{name}.parquet")["GAIAEDR3_DIST"], [0.9, 1.0, 1.1])


@pytest.mark.parametrize("unit", ["furlong", "parsecs per bar", "mag/?", "km"])
def test_a_unit_that_is_not_understood_or_wrong_is_refused_by_name(unit, tmp_path):
    columns = [fits.Column(n, "D", array=np.array(v)) for n, v in STARS.items() if n != "APOGEE_ID"]
    columns.append(fits.Column("PARALLAX", "D", unit=unit, array=np.ones(3)))
    fits.BinTableHDU.from_columns(columns).writeto(tmp_path / "a.fits")
    with pytest.raises(UnitError, match=rf"column PARALLAX has the unit '?{re.escape(unit)}"):
        read_survey(tmp_path / "a.fits")


def test_old_metadata_do_not_hide_new_columns():
    table = Table(STARS, meta={"SKDM_COLUMNS": {"K": ["K"]}, "SKDM_FILE": "other.fits"})
    table["GAIAEDR3_PARALLAX"], table["GAIAEDR3_R_MED_GEO"] = [0.5] * 3, [2000.0] * 3
    assert as_stars(table)["GAIAEDR3_DIST"].tolist() == [2.0] * 3
    assert as_stars(table)["PARALLAX"].tolist() == [0.5] * 3


@pytest.mark.parametrize(
    "kind", [pa.decimal128(9, 2), pa.float32(), pa.int16(), pa.dictionary(pa.int8(), pa.float64())]
)
def test_numbers_of_every_type_of_parquet(kind, tmp_path):
    values = pa.array([4800.0, 4900.0, None])
    values = values.cast(kind) if not pa.types.is_dictionary(kind) else values.dictionary_encode()
    pq.write_table(pa.table({"TEFF": values, "LOGG": [2.5, 2.6, 2.7]}), tmp_path / "a.parquet")
    np.testing.assert_array_equal(read_survey(tmp_path / "a.parquet")["TEFF"], [4800.0, 4900.0, np.nan])


def test_a_type_that_is_no_number_is_an_error_of_the_package(tmp_path):
    pq.write_table(pa.table({"TEFF": pa.array([0], pa.timestamp("s")), "LOGG": [2.5]}), tmp_path / "a.parquet")
    with pytest.raises(ColumnError, match=r"a\.parquet: column TEFF has the type timestamp"):
        read_survey(tmp_path / "a.parquet")


# ---- plausibility


@pytest.mark.parametrize(
    ("columns", "message"),
    [
        ({"TEFF": [4.8, 4.9, 5.1]}, "TEFF .* look like kK"),
        ({"TEFF": [2.9, 3.0, 3.1]}, "TEFF .* look like kK"),
        ({"TEFF": [3.68, 3.70, 3.72]}, "TEFF .* look like log10"),
        ({"GAIAEDR3_DIST": [900.0, 1000.0, 3000.0]}, "GAIAEDR3_DIST .* look like pc"),
        ({"GAIAEDR3_DIST": [9.0, 10.0, 30.0], "PARALLAX": [111.0, 100.0, 33.0]}, "GAIAEDR3_DIST .* look like pc"),
        ({"GAIAEDR3_DIST": [0.9, 1.0, 3.0], "PARALLAX": [1.1e-3, 1e-3, 0.33e-3]}, "PARALLAX .* look like arcsec"),
        ({"PARALLAX": [1.1e-3, 1e-3, 3e-4], "PARALLAX_ERR": [1e-5] * 3}, "PARALLAX_ERR .* look like arcsec"),
        ({"AGE_COR_MO": [1e9, 5e9, 8e9]}, "AGE_COR_MO .* look like ages in years"),
        ({"LOGG": [300.0, 500.0, 700.0]}, "LOGG .* look like the gravity itself"),
    ],
)
def test_a_column_in_another_unit_is_refused_with_the_likely_reason(columns, message):
    with pytest.raises(UnitError, match=message):
        as_stars(STARS | columns)


@pytest.mark.parametrize(
    ("columns", "refused"),
    [
        ({"TEFF": [100.0] * 3}, False),
        ({"TEFF": [99.9] * 3}, True),
        ({"TEFF": [99.9] * 2}, False),  # too few to judge
        ({"TEFF": [99.9, 99.9, np.nan, np.inf]}, False),
        ({"LOGG": [10.0] * 3}, False),
        ({"LOGG": [10.1] * 3}, True),
        ({"GAIAEDR3_DIST": [100.0] * 3}, False),
        ({"GAIAEDR3_DIST": [100.1] * 3}, True),
        ({"DISTANCE_WEIGHTED": [100.1] * 3}, True),
        ({"PARALLAX_ERR": [1e-3] * 3}, False),
        ({"PARALLAX_ERR": [0.9e-3] * 3}, True),
        ({"AGE": [100.0] * 3}, False),
        ({"AGE": [100.1] * 3}, True),
        ({"AGE_CAL_ERR": [100.1] * 3}, False),
        # Distance times parallax is about one; poor parallaxes, and those below zero, tell nothing.
        ({"GAIAEDR3_DIST": [29.9] * 3, "PARALLAX": [1.0] * 3}, False),
        ({"GAIAEDR3_DIST": [30.1] * 3, "PARALLAX": [1.0] * 3}, True),
        ({"GAIAEDR3_DIST": [1.0] * 3, "PARALLAX": [0.0334] * 3}, False),
        ({"GAIAEDR3_DIST": [1.0] * 3, "PARALLAX": [0.0333] * 3}, True),
        ({"GAIAEDR3_DIST": [1.0] * 3, "PARALLAX": [-0.01] * 3}, False),
        ({"GAIAEDR3_DIST": [90.0] * 3, "PARALLAX": [1.0] * 3, "PARALLAX_ERR": [0.21] * 3}, False),
        ({"GAIAEDR3_DIST": [90.0] * 3, "PARALLAX": [1.0] * 3, "PARALLAX_ERR": [0.2] * 3}, True),
        ({"GAIAEDR3_DIST": [90.0] * 2 + [np.nan], "PARALLAX": [1.0] * 3}, False),
    ],
)
def test_the_limits_of_what_a_column_can_be(columns, refused):
    columns = {name: np.array(values) for name, values in columns.items()}
    with pytest.raises(UnitError) if refused else contextlib.nullcontext():
        check_columns(columns, {})


def test_a_logarithm_that_says_to_be_a_gravity_is_refused():
    table = Table(STARS)
    table["LOGG"].unit = "cm / s2"
    with pytest.raises(UnitError, match="its values are those of a logarithm"):
        as_stars(table)


@pytest.mark.parametrize(
    ("name", "values"),
    [
        ("K", [-99.0, -99.9, 10.0]),
        ("K", [0.0, 0.0, 0.0]),
        ("J", [-9.999, 10.0, 1e5]),
        ("A_K", [-9.0, 0.1, 50.0]),
        ("PARALLAX", [5000.0, 1.0, 2.0]),
        ("GAIAEDR3_DIST", [-1.0, 0.0, 1.0]),
        ("TEFF", [1e6, 4800.0, 4900.0]),
        ("M_H", [-20.0, 0.1, 0.2]),
        ("TEFF_ERR", [-1.0, 20.0, 30.0]),
    ],
)
def test_impossible_values_are_missing_counted_and_told(name, values):
    bad = {"K": [values[0], values[1]], "J": [values[0], values[2]], "A_K": [values[0], values[2]]}.get(
        name, values[:1]
    )
    bad = values if values == [0.0] * 3 else values[:2] if name == "GAIAEDR3_DIST" else bad
    with pytest.warns(ImpossibleValueWarning, match=rf"possible range.*: .*{name} {len(bad)}"):
        stars = as_stars(STARS | {name: values})
    assert np.isnan(stars[name]).sum() == len(bad)
    assert stars.impossible == {name: len(bad)}


# ---- damage


def test_every_flipped_bit_of_a_compressed_file_is_found(mock, tmp_path):
    mock.write(tmp_path / "s.fits")
    packed = gzip.compress((tmp_path / "s.fits").read_bytes(), mtime=0)
    rng = np.random.default_rng(1)
    for position in rng.integers(10, len(packed), 25):
        content = bytearray(packed)
        content[position] ^= 1 << int(rng.integers(8))
        (tmp_path / "x.fits.gz").write_bytes(content)
        with pytest.raises(FileFormatError, match=r"x\.fits\.gz"):
            read_survey(tmp_path / "x.fits.gz", rows=slice(0, 5))


@pytest.mark.parametrize("place", ["data", "header"])
def test_a_file_with_checksums_is_compared_with_them(mock, place, tmp_path):
    fits.BinTableHDU(mock).writeto(tmp_path / "s.fits", checksum=True)
    good = read_survey(tmp_path / "s.fits")
    content = bytearray((tmp_path / "s.fits").read_bytes())
    position = (
        content.index(b"TTYPE3") + 11
        if place == "header"
        else content.index(b"END     ") // 2880 * 2880 + 2 * 2880 + 900
    )
    if place == "data":
        position = len(content) - 2880
    content[position] ^= 1
    (tmp_path / "x.fits").write_bytes(content)
    with pytest.raises(FileFormatError, match="DATASUM" if place == "data" else "CHECKSUM"):
        read_survey(tmp_path / "x.fits")
    assert _same(good, read_survey(tmp_path / "s.fits"))


@pytest.mark.parametrize("form", [b"E", b"J", b"2D", b"3A"])
def test_columns_that_do_not_add_up_to_a_row_are_refused(form, tmp_path):
    make_survey(10, random_state=0).write(tmp_path / "s.fits")
    raw = (tmp_path / "s.fits").read_bytes()
    found = list(re.finditer(rb"(TFORM\d+ *= ')(D) {6,7}", raw))
    assert len(found) > 3
    for match in found:
        content = bytearray(raw)
        content[match.start(2) : match.start(2) + len(form)] = form
        (tmp_path / "x.fits").write_bytes(content)
        with pytest.raises(FileFormatError, match="NAXIS1"):
            read_survey(tmp_path / "x.fits")


@pytest.mark.parametrize("n_bytes", [1, 7, 80, 1000, 2879])
@pytest.mark.parametrize("place", [0.3, 0.9])
def test_lost_bytes_of_fits_are_found(mock, n_bytes, place, tmp_path):
    mock.write(tmp_path / "s.fits")
    raw = (tmp_path / "s.fits").read_bytes()
    at = int(len(raw) * place)
    (tmp_path / "x.fits").write_bytes(raw[:at] + raw[at + n_bytes :])
    with pytest.raises(FileFormatError, match=r"x\.fits"):
        read_survey(tmp_path / "x.fits")


@pytest.mark.parametrize("form", ["binary", "binary2"])
@pytest.mark.parametrize("cut", [slice(0, -1), slice(0, -8), slice(5, None)])
def test_lost_bytes_of_a_binary_votable_are_found(form, cut, tmp_path):
    Table({"TEFF": [4800.0, 4900.0], "LOGG": [2.5, 2.6]}).write(
        tmp_path / "a.vot", format="votable", tabledata_format=form
    )
    text = (tmp_path / "a.vot").read_text()
    stream = re.search(r"(<STREAM[^>]*>)(.*?)(</STREAM>)", text, re.DOTALL)
    data = base64.b64encode(base64.b64decode(stream[2])[cut]).decode()
    (tmp_path / "x.vot").write_text(text[: stream.start(2)] + data + text[stream.end(2) :])
    with pytest.raises(FileFormatError, match="no whole number of rows"):
        read_survey(tmp_path / "x.vot")


@pytest.mark.parametrize("damage", ["short", "number"])
def test_a_damaged_row_of_a_votable_is_refused(damage, tmp_path):
    Table({"TEFF": [4800.0, 4900.0], "LOGG": [2.5, 2.6]}).write(tmp_path / "a.vot", format="votable")
    text = (tmp_path / "a.vot").read_text()
    (tmp_path / "x.vot").write_text(text.replace("<TD>2.6</TD>", "" if damage == "short" else "<TD>2.6q</TD>"))
    with pytest.raises(FileFormatError, match=r"x\.vot"):
        read_survey(tmp_path / "x.vot")


@pytest.mark.parametrize("row", ["B,4700,0.1", "B,4700,2.3,0.1,7", "B,4700", '"B,4700,2.3,0.1'])
@pytest.mark.parametrize("place", [1, 2])
def test_a_row_with_too_few_or_too_many_fields_is_refused(row, place, tmp_path):
    rows = ["A,4800,2.5,-0.1", "C,4600,2.1,0.0"]
    rows.insert(place, row)
    (tmp_path / "a.csv").write_text("APOGEE_ID,TEFF,LOGG,M_H\n" + "\n".join(rows) + "\n")
    with pytest.raises(FileFormatError, match=r"a\.csv can't be read as CSV"):
        read_survey(tmp_path / "a.csv")


def test_a_last_line_without_its_end_is_told(tmp_path):
    (tmp_path / "a.csv").write_text("TEFF,K\n4800,10.0\n4900,1")
    with pytest.warns(DistMassWarning, match="the last line has no end"):
        read_survey(tmp_path / "a.csv")


@pytest.mark.parametrize("kind", ["fits", "parquet", "vot"])
def test_doubled_columns_are_refused_in_every_format(kind, tmp_path):
    path = tmp_path / f"a.{kind}"
    if kind == "fits":
        columns = [fits.Column(name, "D", array=np.ones(2)) for name in ("TEFF", "LOGX", "LOGG")]
        fits.BinTableHDU.from_columns(columns).writeto(path)
        path.write_bytes(path.read_bytes().replace(b"LOGX", b"LOGG"))
    elif kind == "parquet":
        table = pa.Table.from_arrays([pa.array([4800.0]), pa.array([4900.0])], names=["TEFF", "TEFF"])
        pq.write_table(table, path)
    else:
        Table({"TEFF": [4800.0], "TEFX": [4900.0]}).write(path, format="votable")
        path.write_text(path.read_text().replace("TEFX", "TEFF"))
    with pytest.raises(ColumnError, match="occurs more than once"):
        read_survey(path)


def test_bad_files_are_one_clear_error(tmp_path, mock):
    mock.write(tmp_path / "a.fits")
    whole = (tmp_path / "a.fits").read_bytes()
    (tmp_path / "half.fits").write_bytes(whole[: len(whole) // 2 // 2880 * 2880])
    (tmp_path / "head.fits").write_bytes(whole[:100])
    (tmp_path / "empty.fits").write_bytes(b"")
    (tmp_path / "noise.fits").write_bytes(bytes(range(256)) * 10)
    (tmp_path / "half.fits.gz").write_bytes(gzip.compress(whole)[:2_000])
    mock.write(tmp_path / "a.parquet")
    (tmp_path / "half.parquet").write_bytes((tmp_path / "a.parquet").read_bytes()[:5000])
    mock.write(tmp_path / "a.vot", format="votable")
    (tmp_path / "half.vot").write_bytes((tmp_path / "a.vot").read_bytes()[:3000])
    fits.PrimaryHDU(np.zeros((3, 3))).writeto(tmp_path / "image.fits")
    for name, message in (
        ("absent.fits", "there is no file"),
        (".", "is not a file"),
        ("half.fits", "is truncated"),
        ("head.fits", "bytes are missing"),
        ("empty.fits", "is empty"),
        ("noise.fits", "is none of FITS"),
        ("half.fits.gz", "can't be read"),
        ("half.parquet", "can't be read as Parquet"),
        ("half.vot", "can't be read as VOTable"),
        ("image.fits", "holds no table; its HDUs are: 0 PRIMARY"),
    ):
        with pytest.raises(FileFormatError, match=message) as caught:
            read_survey(tmp_path / name)
        assert str(tmp_path) in str(caught.value)
        assert "\n" not in str(caught.value)


# ---- harm

VOTABLE = """<?xml version="1.0"?>{entity}<VOTABLE version="1.4" xmlns="http://www.ivoa.net/xml/VOTable/v1.3"><RESOURCE>
<TABLE><FIELD name="APOGEE_ID" datatype="char" arraysize="8"/><FIELD name="TEFF" datatype="double"/>
<DATA>{body}</DATA></TABLE></RESOURCE></VOTABLE>"""


@pytest.mark.parametrize("form", ["BINARY", "BINARY2", "FITS"])
@pytest.mark.parametrize("prefix", ["", "v:"])
def test_a_table_never_makes_the_program_open_another_place(form, prefix, tmp_path):
    asked = []

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_GET(self):
            asked.append(self.path)
            self.send_response(404)
            self.end_headers()

        def log_message(self, *args):
            pass

    server = http.server.HTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    (tmp_path / "secret").write_bytes(b"SECRETSE" * 4)
    places = (f"http://127.0.0.1:{server.server_port}/x", f"file://{tmp_path}/secret", "secret")
    for place in places:
        text = VOTABLE.format(entity="", body=f'<{form}><STREAM href="{place}"/></{form}>')
        if prefix:
            text = re.sub(r"<(/?)([A-Z])", r"<\1v:\2", text).replace("xmlns=", "xmlns:v=")
        (tmp_path / "a.vot").write_text(text)
        with pytest.raises(FileFormatError, match="in another file"):
            read_survey(tmp_path / "a.vot")
    server.shutdown()
    server.server_close()
    assert asked == []


LAUGHS = "".join(f'<!ENTITY {one} "{f"&{other};" * 10}">' for one, other in zip("abcdefgh", "bcdefghi", strict=True))
ENTITIES = '<!ENTITY a SYSTEM "file:///etc/hostname">', f'<!ENTITY i "ha">{LAUGHS}', '<!ENTITY % a "b"> %a;'


@pytest.mark.parametrize("entities", ENTITIES)
def test_entities_are_not_expanded(tmp_path, entities):
    entity = f"<!DOCTYPE VOTABLE [{entities}]>"
    (tmp_path / "a.vot").write_text(
        VOTABLE.format(entity=entity, body="<TABLEDATA><TR><TD>&a;</TD><TD>1</TD></TR></TABLEDATA>")
    )
    with pytest.raises(FileFormatError, match="declares an XML entity"):
        read_survey(tmp_path / "a.vot")


OBJECTS = (
    "!numpy.void {buffer: !!binary UVVGQlFVRkJRVUU9, dtype: O}",
    "!numpy.ndarray {buffer: !!binary UVVGQlFVRkJRVUU9, dtype: O, shape: !!python/tuple [1]}",
    "!!python/object/apply:os.system ['touch harm']",
    "!astropy.table.SerializedColumn {__class__: os.system, value: 1}",
)


@pytest.mark.parametrize("yaml", OBJECTS)
@pytest.mark.parametrize("form", ["ecsv", "parquet"])
def test_metadata_make_no_objects(yaml, form, tmp_path):
    meta = f"datatype:\n- {{name: TEFF, datatype: float64}}\nmeta: !!omap\n- {{a: {yaml}}}\n"
    path = tmp_path / f"x.{form}"
    if form == "ecsv":
        lines = ["%ECSV 1.0", "---", *meta.splitlines(), "schema: astropy-2.0"]
        path.write_text("".join(f"# {line}\n" for line in lines) + "TEFF\n4800.0\n")
    else:
        pq.write_table(pa.table({"TEFF": [4800.0]}).replace_schema_metadata({"table_meta_yaml": meta}), path)
    code = f"from skdistmass.surveys import read_survey\nprint(read_survey({str(path)!r})['TEFF'])"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, cwd=tmp_path)
    assert (done.returncode, done.stdout.strip()) == (0, "[4800.]"), done.stderr
    assert sorted(p.name for p in tmp_path.iterdir()) == [path.name]


def _bomb(path, kind):
    if kind == "fits.gz":
        header = fits.BinTableHDU.from_columns([fits.Column(n, "D") for n in ("TEFF", "LOGG")]).header
        header["NAXIS2"] = 10**9
        with gzip.open(path, "wb", compresslevel=1) as file:
            file.write(fits.PrimaryHDU().header.tostring().encode() + header.tostring().encode())
            file.write(b"\0" * 2880 * 50)
    elif kind == "rows.parquet":
        column = pa.array(np.zeros(5_000_000))
        pq.write_table(pa.table(dict.fromkeys(("TEFF", "LOGG", "M_H", "K"), column)), path, compression="zstd")
    elif kind == "text.parquet":
        texts = pa.DictionaryArray.from_arrays(pa.array(np.zeros(300_000, "i4")), pa.array(["x" * 100_000]))
        pq.write_table(pa.table({"APOGEE_ID": texts, "TEFF": np.full(300_000, 4800.0)}), path, store_schema=False)
    elif kind == "csv.gz":
        with gzip.open(path, "wb", compresslevel=1) as file:
            file.write(b"TEFF,LOGG\n")
            for _ in range(10):
                file.write(b"4800.0,2.5\n" * 300_000)
    elif kind == "header.csv.gz":
        with gzip.open(path, "wb", compresslevel=1) as file:
            for _ in range(10):
                file.write(b"#\n" * 3_000_000)
    else:
        with gzip.open(path, "wb", compresslevel=1) as file:
            head = VOTABLE.partition("<TABLE>")[0].format(entity="")
            file.write(
                (head + '<TABLE><FIELD name="TEFF" datatype="double" arraysize="1000000"/><DATA><TABLEDATA>').encode()
            )
            file.write(b"<TR><TD/></TR>" * 100_000)
            file.write(b"</TABLEDATA></DATA></TABLE></RESOURCE></VOTABLE>")


@pytest.mark.parametrize("kind", ["fits.gz", "rows.parquet", "text.parquet", "csv.gz", "header.csv.gz", "vot.gz"])
def test_a_file_that_unpacks_to_too_much_is_refused_before_it_is_in_memory(kind, tmp_path):
    path = tmp_path / f"bomb.{kind}"
    _bomb(path, kind)
    code = f"""
import resource
from skdistmass.surveys import read_survey
from skdistmass.surveys.formats import common
from skdistmass.exceptions import DistMassError
import pyarrow.parquet, astropy.io.votable
common.MEMORY_LIMIT = 100 << 20
before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
try:
    read_survey({str(path)!r})
    print("read", end=" ")
except DistMassError as error:
    print("refused", end=" ")
print((resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) // 1024)"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert path.stat().st_size < 20e6
    said, grown = done.stdout.split()
    assert said == "refused", done.stderr
    assert int(grown) < 300


@pytest.mark.parametrize("n_fields", [10**9, -1])
def test_a_number_of_columns_that_can_not_be_is_refused(n_fields, mock, tmp_path):
    mock.write(tmp_path / "a.fits")
    content = (tmp_path / "a.fits").read_bytes()
    card = re.search(rb"TFIELDS = +\d+", content)[0]
    (tmp_path / "x.fits").write_bytes(content.replace(card, f"TFIELDS ={n_fields:>{len(card) - 9}}".encode()))
    with pytest.raises(FileFormatError, match="TFIELDS"):
        read_survey(tmp_path / "x.fits")


def test_reading_in_threads_leaves_the_warnings_of_the_process_alone(mock, tmp_path):
    for kind in ("fits", "vot"):
        mock.write(tmp_path / f"a.{kind}", format={"vot": "votable"}.get(kind, kind))
    before = list(warnings.filters)
    paths = [tmp_path / "a.fits", tmp_path / "a.vot"] * 4
    threads = [threading.Thread(target=read_survey, args=(path,)) for path in paths]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert warnings.filters == before


def test_errors_of_other_libraries_do_not_leak(tmp_path):
    for name, content in (
        ("a.parquet", b"PAR1" + b"\0" * 100 + b"PAR1"),
        ("a.vot", b"<VOTABLE><RESOURCE><TABLE>"),
        ("a.ecsv", b"# %ECSV 1.0\n# ---\n# datatype: [{{\nTEFF\n1\n"),
        ("a.fits", b"SIMPLE  =                    T" + b" " * 5730),
        ("a.csv", b"TEFF,LOGG\n\xff\xfe,2\n"),
        ("a.csv.xz", b"\xfd7zXZ\x00" + b"junk" * 20),
    ):
        (tmp_path / name).write_bytes(content)
        with pytest.raises(DistMassError, match=re.escape(name)):
            read_survey(tmp_path / name)
