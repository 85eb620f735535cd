"""FITS tables, down to their bytes, as the standard has them."""

import gzip

import numpy as np
import pytest
from astropy.io import fits
from astropy.table import Table

from skdistmass.exceptions import ColumnError, FileFormatError
from skdistmass.surveys import read_survey
from skdistmass.surveys.formats import fits as fits_format

NAN = np.nan


@pytest.mark.parametrize(
    ("code", "repeat", "dim", "expected"),
    [
        ("X", 1, "", ("V1",)),
        ("X", 8, "", ("V1",)),
        ("X", 9, "", ("V2",)),
        ("X", 16, "", ("V2",)),
        ("X", 17, "", ("V3",)),
        ("C", 2, "", ("V16",)),
        ("M", 2, "", ("V32",)),
        ("P", 1, "", ("V8",)),
        ("Q", 1, "", ("V16",)),
        ("A", 6, "", ("S6",)),
        ("A", 6, "(2,3)", ("S2", (3,))),
        ("A", 6, "(2,2)", ("S6",)),
        ("A", 6, "(6)", ("S6",)),
        ("A", 12, "(2,3,2)", ("S2", (2, 3))),
        ("D", 1, "", (">f8",)),
        ("D", 6, "(2,3)", (">f8", (3, 2))),
        ("D", 6, " ( 2 , 3 ) ", (">f8", (3, 2))),
        ("D", 6, "(2,2)", (">f8", (6,))),
        ("D", 6, "2,3", (">f8", (6,))),
        ("D", 0, "", (">f8", (0,))),
        ("J", 3, "", (">i4", (3,))),
    ],
)
def test_types_of_the_columns_of_fits(code, repeat, dim, expected):
    assert fits_format._field_type(code, repeat, dim) == expected


def test_columns_of_all_types_keep_their_places_in_a_row(tmp_path):
    rng = np.random.default_rng(0)
    columns = [
        fits.Column("BITS", "11X", array=rng.integers(0, 2, (3, 11)).astype(bool)),
        fits.Column("C1", "C", array=np.ones(3, "c8")),
        fits.Column("M1", "M", array=np.ones(3, "c16")),
        fits.Column("P1", "PD", array=np.array([np.zeros(2), np.zeros(1), np.zeros(3)], dtype=object)),
        fits.Column("Q1", "QD", array=np.array([np.zeros(2), np.zeros(1), np.zeros(3)], dtype=object)),
        fits.Column("BYTE", "B", array=np.array([1, 2, 255], "u1")),
        fits.Column("NAMES", "4A", dim="(2,2)", array=np.array([["a", "b"], ["cd", "e"], ["", "f"]])),
        fits.Column("GRID", "6E", dim="(3,2)", array=np.arange(18.0).reshape(3, 2, 3)),
        fits.Column("FLAG", "L", array=[True, False, True]),
        fits.Column("TEFF", "D", array=[4800.0, 4900.0, 5000.0]),
    ]
    table = fits.BinTableHDU.from_columns(columns, name="MANY")
    other = fits.BinTableHDU(Table({"LOGG": [2.5], "TEFF": [4700.0], "K": [9.0]}), name="OTHER")
    hdus = fits.HDUList([fits.PrimaryHDU(np.zeros((5, 7), "f4")), table, fits.ImageHDU(np.zeros(3, "i2")), other])
    hdus.writeto(tmp_path / "a.fits", checksum=True)
    stars = read_survey(tmp_path / "a.fits", hdu="many", columns=["BYTE", "NAMES", "GRID", "FLAG"])
    assert stars["TEFF"].tolist() == [4800.0, 4900.0, 5000.0]
    assert stars["BYTE"].tolist() == [1, 2, 255]
    assert stars["NAMES"].tolist() == [["a", "b"], ["cd", "e"], ["", "f"]]
    assert stars["GRID"].tolist() == np.arange(18.0).reshape(3, 2, 3).tolist()
    assert stars["FLAG"].tolist() == [True, False, True]
    for name, code in (("BITS", "X"), ("C1", "C"), ("M1", "M"), ("P1", "P"), ("Q1", "Q")):
        with pytest.raises(ColumnError, match=f"column {name} has the FITS type {code}, which can't be read"):
            read_survey(tmp_path / "a.fits", hdu=1, columns=[name])
    # Behind images and a heap the next table begins where it should.
    assert read_survey(tmp_path / "a.fits")["TEFF"].tolist() == [4700.0]
    assert read_survey(tmp_path / "a.fits", hdu=3).table == "HDU 3"
    content = bytearray((tmp_path / "a.fits").read_bytes())
    with fits.open(tmp_path / "a.fits") as opened:
        heap = opened[1]._data_offset + opened[1].header["NAXIS1"] * 3
    content[heap + 1] ^= 1
    (tmp_path / "b.fits").write_bytes(content)
    with pytest.raises(FileFormatError, match="DATASUM"):
        read_survey(tmp_path / "b.fits", hdu=1)
    assert len(read_survey(tmp_path / "b.fits", hdu=1, rows=slice(0, 2))) == 2  # of some rows no sum can be told


@pytest.mark.parametrize("piece", [1, 7, 11, 13, 1000])
@pytest.mark.parametrize("packed", [False, True])
def test_sums_are_right_whatever_pieces_are_read(piece, packed, tmp_path, monkeypatch):
    names = ["abc", "de", "f", "", "ghi"]
    columns = [fits.Column("APOGEE_ID", "3A", array=names), fits.Column("TEFF", "D", array=np.arange(4000.0, 4005.0))]
    fits.BinTableHDU.from_columns(columns).writeto(tmp_path / "a.fits", checksum=True)
    content, path = (tmp_path / "a.fits").read_bytes(), tmp_path / ("b.fits.gz" if packed else "b.fits")
    monkeypatch.setattr(fits_format, "_PIECE", piece)
    path.write_bytes(gzip.compress(content) if packed else content)
    assert read_survey(path)["APOGEE_ID"].tolist() == names
    for place in (-2880, -2880 + 54, -1):  # in the first and the last row, and in what fills the block
        changed = bytearray(content)
        changed[place] ^= 1
        path.write_bytes(gzip.compress(bytes(changed)) if packed else changed)
        with pytest.raises(FileFormatError, match="DATASUM"):
            read_survey(path)


def test_sums_of_words_in_ones_complement():
    total = fits_format._Sum()
    for data in (b"\xff\xff\xff\xff", b"\x00\x00", b"\x00\x05\x00\x00\x00", b"\x02\x80"):
        total.add(data)
    # 0xffffffff + 5 + 2 and the rest 0x80000000, with what is carried added at the end.
    assert total.total == (0xFFFFFFFF + 5 + 2 + 0x80000000) % 0xFFFFFFFF
    assert fits_format._fold((7 << 32) + 0xFFFFFFFF) == 7
    assert fits_format._fold(0xFFFFFFFF) == 0xFFFFFFFF


def test_sums_that_say_nothing_are_not_compared(tmp_path):
    Table({"TEFF": [4800.0, 4900.0]}).write(tmp_path / "a.fits")
    with fits.open(tmp_path / "a.fits") as hdus:
        for key, value in (("DATASUM", "0"), ("DATASUM", ""), ("CHECKSUM", "0" * 16), ("CHECKSUM", "")):
            hdus[1].header = fits.Header([c for c in hdus[1].header.cards if c.keyword not in ("DATASUM", "CHECKSUM")])
            hdus[1].header[key] = value
            hdus.writeto(tmp_path / "b.fits", overwrite=True)
            assert len(read_survey(tmp_path / "b.fits")) == 2
        hdus[1].header["DATASUM"] = "1"
        hdus.writeto(tmp_path / "b.fits", overwrite=True)
    with pytest.raises(FileFormatError, match="DATASUM"):
        read_survey(tmp_path / "b.fits")


def about(code="D", null=None, scale=1.0, zero=0.0):
    return fits_format._Column("X", code, "", null, scale, zero)


@pytest.mark.parametrize(
    ("raw", "column", "expected"),
    [
        (np.array([0, 255], "u1"), about("B", zero=-128.0), [-128, 127]),
        (np.array([-32768, 32767], ">i2"), about("I", zero=32768.0), [0, 65535]),
        (np.array([-(2**31), 2**31 - 1], ">i4"), about("J", zero=2.0**31), [0, 2**32 - 1]),
        (np.array([-(2**63), 2**63 - 1], ">i8"), about("K", zero=2.0**63), [0, 2**64 - 1]),
        (np.array([1, 2], ">i8"), about("K", zero=5.0), [6.0, 7.0]),
        (np.array([1, 2], ">i4"), about("J", zero=0.5), [1.5, 2.5]),
        (np.array([1, 2], ">i4"), about("J", scale=2.0, zero=10.0), [12.0, 14.0]),
        (np.array([1, 2], ">i4"), about("J", zero=2.0**40), [2.0**40 + 1, 2.0**40 + 2]),
        (np.array([1.5, 2.5], ">f4"), about("E", scale=2.0), [3.0, 5.0]),
        (np.array([1.5, 2.5], ">f8"), about(zero=1.0), [2.5, 3.5]),
        (np.array([1, 2, 3], ">i4"), about("J", null=2), [1, None, 3]),
        (np.array([1, 2, 3], ">i4"), about("J", null=2, scale=2.0, zero=1.0), [3.0, None, 7.0]),
        (np.array([1, 3], ">i4"), about("J", null=2), [1, 3]),
        (np.array([1.0, 2.0], ">f8"), about(null=2), [1.0, 2.0]),
        (np.frombuffer(b"TF\0T", "u1"), about("L"), [True, False, None, True]),
        (np.frombuffer(b"TF", "u1"), about("L"), [True, False]),
        (np.array([b"ab\0cd", b"xyz"], "S5"), about("A"), [b"ab", b"xyz"]),
        (np.array([[b"a", b"b"]], "S2"), about("A"), [[b"a", b"b"]]),
        (np.zeros(2, "S1"), about("A"), [b"", b""]),
    ],
)
def test_numbers_and_texts_of_fits(raw, column, expected):
    found = fits_format._decode(raw, column)
    assert np.ma.asarray(found).tolist() == expected
    assert found.dtype.isnative or found.dtype.kind == "S"
    whole = all(isinstance(value, int) for value in expected if value is not None)
    assert (found.dtype.kind in "iub") == whole


HEADER = {"NAXIS": 2, "NAXIS1": 8, "NAXIS2": 3, "BITPIX": 8, "TFIELDS": 1, "TFORM1": "D", "PCOUNT": 0, "GCOUNT": 1}


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"TFIELDS": 1000}, "1000 columns"),
        ({"TFIELDS": -1}, "-1 columns"),
        ({"TFIELDS": "1"}, "'1' columns"),
        ({"TFORM1": "Z"}, "no valid TFORM1"),
        ({"TSCAL1": "2"}, "TSCAL1 is '2', not a number"),
        ({"TZERO1": True}, "TZERO1 is True"),
        ({"TFIELDS": 2}, "no valid TFORM2"),
    ],
)
def test_headers_that_can_not_be(change, message):
    columns, record = fits_format._columns(fits.Header(HEADER | {"TNULL1": "x", "TUNIT1": " K "}), "HDU 1")
    assert (record.itemsize, list(columns)) == (8, ["col1"])
    assert (columns["col1"].null, columns["col1"].unit, columns["col1"].scale, columns["col1"].zero) == (
        None,
        "K",
        1.0,
        0.0,
    )
    assert fits_format._columns(fits.Header({"TFIELDS": 0}), "HDU 1")[0] == {}
    with pytest.raises(FileFormatError, match=message):
        fits_format._columns(fits.Header(HEADER | change), "HDU 1")


@pytest.mark.parametrize(("n_rows", "width", "good"), [(0, 0, True), (3, 0, False), (0, 8, False)])
def test_a_table_without_columns_has_no_rows(n_rows, width, good, tmp_path):
    (tmp_path / "a.fits").write_bytes(b"SIMPLE  =".ljust(2880))
    header = fits.Header({"NAXIS1": width, "NAXIS2": n_rows, "TFIELDS": 0})
    if good:
        assert fits_format.FitsTable(tmp_path / "a.fits", 1, header, 0, b"").names == []
        return
    with pytest.raises(FileFormatError, match=f"HDU 1 take 0 bytes a row .TFORM., but a row has {width}"):
        fits_format.FitsTable(tmp_path / "a.fits", 1, header, 0, b"")


def test_most_columns_of_a_fits_table():
    header = fits.Header({"TFIELDS": 999} | {f"TFORM{number}": "B" for number in range(1, 1000)})
    columns, record = fits_format._columns(header, "HDU 1")
    assert (len(columns), record.itemsize) == (999, 999)


@pytest.mark.parametrize(
    ("header", "size"),
    [
        ({"NAXIS": 0, "BITPIX": 8}, 0),
        ({"NAXIS": 1, "NAXIS1": 3, "BITPIX": 8}, 3),
        ({"NAXIS": 2, "NAXIS1": 3, "NAXIS2": 5, "BITPIX": 16}, 30),
        ({"NAXIS": 2, "NAXIS1": 3, "NAXIS2": 5, "BITPIX": -64}, 120),
        ({"NAXIS": 2, "NAXIS1": 3, "NAXIS2": 5, "BITPIX": 8, "PCOUNT": 7}, 22),
        ({"NAXIS": 2, "NAXIS1": 3, "NAXIS2": 5, "BITPIX": 32, "PCOUNT": 2, "GCOUNT": 3}, 4 * 3 * 17),
        ({"NAXIS": 2, "NAXIS1": 0, "NAXIS2": 5, "BITPIX": 8}, 0),
        ({}, 0),
    ],
)
def test_bytes_of_data_by_the_standard(header, size):
    """|BITPIX| / 8 x GCOUNT x (PCOUNT + NAXIS1 x NAXIS2 ...), equation 2 of the standard."""
    assert fits_format._data_size(fits.Header(header), 1) == size


@pytest.mark.parametrize("value", [-1, "3", 2.5, True])
def test_counts_that_are_none(value):
    with pytest.raises(FileFormatError, match="HDU 1 says NAXIS2 ="):
        fits_format._count(fits.Header({"NAXIS2": value}), "NAXIS2", "HDU 1")
    assert fits_format._count(fits.Header({"NAXIS2": 0}), "NAXIS2", "HDU 1") == 0


def test_a_table_ends_with_its_file_or_before(tmp_path):
    """360 rows of 8 bytes fill a block of the file."""
    for n_rows in (359, 360, 361):
        Table({"TEFF": np.full(n_rows, 4800.0)}).write(tmp_path / "a.fits", overwrite=True)
        content = (tmp_path / "a.fits").read_bytes()
        assert len(read_survey(tmp_path / "a.fits")) == n_rows
        (tmp_path / "b.fits").write_bytes(content[:-2880])
        with pytest.raises(
            FileFormatError, match=f"HDU 1 ends at byte {2 * 2880 + 8 * n_rows}, the file at {len(content) - 2880}"
        ):
            read_survey(tmp_path / "b.fits")
    (tmp_path / "b.fits").write_bytes(content + b"\0" * 2880)  # empty blocks may follow
    assert len(read_survey(tmp_path / "b.fits")) == 361
    (tmp_path / "b.fits").write_bytes(content + b"x" * 2880)
    with pytest.raises(FileFormatError, match="extension 2 does not begin where it should"):
        read_survey(tmp_path / "b.fits")


def test_a_primary_array_and_a_compressed_image_are_no_tables(tmp_path):
    stars, image = fits.BinTableHDU(Table({"TEFF": [4800.0]})), fits.CompImageHDU(np.zeros((64, 64), "i2"), name="TEFF")
    fits.HDUList([fits.PrimaryHDU(np.zeros((3, 4), "i4")), image, stars]).writeto(tmp_path / "a.fits")
    assert read_survey(tmp_path / "a.fits").table == "HDU 2"
    for hdu, listed in ((0, "0 PRIMARY"), (1, "1 TEFF"), ("absent", r"2 \(no name\)"), ("TEFF", "1 TEFF")):
        with pytest.raises(FileFormatError, match=rf"there is no table in HDU .*{listed}"):
            read_survey(tmp_path / "a.fits", hdu=hdu)
    # A table that calls itself primary is none: the standard has arrays there only.
    content = (tmp_path / "a.fits").read_bytes()
    start = content.index(b"XTENSION= 'BINTABLE'", content.index(b"ZIMAGE"))
    card = b"SIMPLE  =                    T".ljust(80)
    (tmp_path / "b.fits").write_bytes(card + content[start + 80 :])
    with pytest.raises(FileFormatError, match=r"holds no table; its HDUs are: 0 PRIMARY \(PRIMARY\)"):
        read_survey(tmp_path / "b.fits")


def test_a_header_without_its_end_is_refused(tmp_path, monkeypatch):
    long, stars = fits.Header([("COMMENT", "x")] * 40), fits.BinTableHDU(Table({"TEFF": [4800.0]}))
    fits.HDUList([fits.PrimaryHDU(header=long), stars]).writeto(tmp_path / "c.fits")
    monkeypatch.setattr(fits_format, "_MOST_BLOCKS", 2)
    assert len(read_survey(tmp_path / "c.fits")) == 1
    monkeypatch.setattr(fits_format, "_MOST_BLOCKS", 1)
    with pytest.raises(FileFormatError, match="the header of extension 0 has no end"):
        read_survey(tmp_path / "c.fits")


def test_a_glance_at_a_compressed_file_unpacks_no_more_than_it_needs(tmp_path):
    survey = Table({"TEFF": np.full(2000, 4800.0), "LOGG": np.full(2000, 2.5)})
    survey.write(tmp_path / "a.fits")
    content = bytearray(gzip.compress((tmp_path / "a.fits").read_bytes()))
    content[-6] ^= 1  # of the checksum at the end
    (tmp_path / "a.fits.gz").write_bytes(content)
    tables, _ = fits_format.find_tables(tmp_path / "a.fits.gz", most_bytes=2880)
    assert [table.verified for table in tables] == [True]
    with pytest.raises(FileFormatError, match="can't be read as FITS"):
        read_survey(tmp_path / "a.fits.gz", rows=slice(0, 1))
    (tmp_path / "b.fits.gz").write_bytes(gzip.compress((tmp_path / "a.fits").read_bytes()[:-1]))
    with pytest.raises(FileFormatError, match="no whole number of FITS blocks"):
        read_survey(tmp_path / "b.fits.gz", rows=slice(0, 1))
