"""The file formats, down to their bytes: widths and types as the standards have them, and limits of memory."""

import gzip
import io
import re
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from astropy.io import fits
from astropy.table import Table

from skdistmass.exceptions import ColumnError, DistMassWarning, FileFormatError, UnitError
from skdistmass.surveys import read_survey
from skdistmass.surveys.chunks import InputFile, SurveyFile, read_table
from skdistmass.surveys.files import blame, identify, open_table
from skdistmass.surveys.formats import arrow, common, text, votable
from skdistmass.surveys.formats import fits as fits_format
from skdistmass.surveys.formats.arrow import arrow_column
from skdistmass.surveys.formats.common import check_memory, masked, with_masks
from skdistmass.surveys.formats.text import TextTable
from skdistmass.surveys.formats.votable import find_tables

NAN = np.nan


# ---- memory


def test_memory_up_to_the_limit_is_taken():
    check_memory(4 * 2**30, "it")
    with pytest.raises(FileFormatError, match=r"it would take 4\.0 GB of memory, more than the limit of 4 GB"):
        check_memory(4 * 2**30 + 1, "it")
    with pytest.raises(FileFormatError, match=r"it would take 6\.5 GB"):
        check_memory(6.5 * 2**30, "it")


def limit(monkeypatch, n_bytes):
    monkeypatch.setattr(common, "MEMORY_LIMIT", n_bytes)


def test_memory_of_a_compressed_table_is_that_of_the_rows_and_columns_asked_for(tmp_path, monkeypatch):
    Table({"TEFF": np.full(10, 4800.0), "LOGG": np.full(10, 2.5), "X": np.zeros((10, 5))}).write(tmp_path / "a.fits")
    (tmp_path / "a.fits.gz").write_bytes(gzip.compress((tmp_path / "a.fits").read_bytes()))
    for n_bytes, rows, columns, fits_in in (
        (160, 10, [], True),
        (159, 10, [], False),
        (80, 5, [], True),
        (159, 5, ["X"], False),
        (280, 5, ["X"], True),
    ):
        limit(monkeypatch, n_bytes)
        for name in ("a.fits", "a.fits.gz"):
            if fits_in or name == "a.fits":  # what is not compressed can be read in parts, and has no limit
                assert len(read_survey(tmp_path / name, rows=slice(0, rows), columns=columns)) == rows
            else:
                with pytest.raises(FileFormatError, match=r"HDU 1 of a\.fits\.gz would take"):
                    read_survey(tmp_path / name, rows=slice(0, rows), columns=columns)


def test_memory_of_parquet_is_that_of_the_columns_and_of_a_row_group(tmp_path, monkeypatch):
    table = pa.table({"TEFF": np.arange(4000.0, 4012.0), "LOGG": np.full(12, 2.5), "NOTE": ["x" * 900] * 12})
    pq.write_table(table, tmp_path / "a.parquet", row_group_size=6, compression="none", use_dictionary=False)
    about = pq.ParquetFile(tmp_path / "a.parquet").metadata.row_group(0)
    numbers = sum(about.column(i).total_uncompressed_size for i in range(2))
    for n_bytes, stop, told in ((numbers, 6, ""), (numbers - 1, 6, "a row group of"), (numbers, 12, ""), (191, 12, "")):
        limit(monkeypatch, n_bytes)
        if told or n_bytes < numbers:
            with pytest.raises(FileFormatError, match=rf"{told}.*a\.parquet would take"):
                read_survey(tmp_path / "a.parquet", rows=slice(0, stop))
        else:
            assert len(read_survey(tmp_path / "a.parquet", rows=slice(0, stop))) == stop
    limit(monkeypatch, 4000)  # the texts of one group would take 5400 bytes
    with pytest.raises(FileFormatError, match="a row group of"):
        read_survey(tmp_path / "a.parquet", rows=slice(0, 1), columns=["NOTE"])


def test_memory_of_lists_is_that_of_all_their_numbers(tmp_path, monkeypatch):
    table = pa.table({"TEFF": [4800.0] * 4, "DRAWS": pa.array(np.random.default_rng(0).random((4, 200)).tolist())})
    pq.write_table(table, tmp_path / "a.parquet", compression="none", use_dictionary=False)
    limit(monkeypatch, 8000)
    assert read_survey(tmp_path / "a.parquet", columns=["DRAWS"])["DRAWS"].shape == (4, 200)
    limit(monkeypatch, 6000)
    assert len(read_survey(tmp_path / "a.parquet")) == 4
    with pytest.raises(FileFormatError, match=r"a row group of a\.parquet would take"):
        read_survey(tmp_path / "a.parquet", columns=["DRAWS"])


def test_a_changed_bit_of_a_parquet_file_with_checksums_is_found(tmp_path):
    options = {"compression": "none", "use_dictionary": False, "write_page_checksum": True}
    pq.write_table(pa.table({"TEFF": [4800.0, 4801.5, 4802.0]}), tmp_path / "a.parquet", **options)
    assert len(read_survey(tmp_path / "a.parquet")) == 3
    content = bytearray((tmp_path / "a.parquet").read_bytes())
    content[content.index(np.float64(4801.5).tobytes()) + 5] ^= 1
    (tmp_path / "a.parquet").write_bytes(content)
    with pytest.raises(FileFormatError, match=r"a\.parquet can't be read as Parquet"):
        read_survey(tmp_path / "a.parquet")


def test_memory_of_texts_is_four_bytes_a_letter(monkeypatch):
    for values in (pa.array(["abcde", "x", None]), pa.array(["abcde", "x", None]).dictionary_encode()):
        limit(monkeypatch, 4 * 5 * 3)
        assert arrow_column(pa.chunked_array([values]), "NAME").tolist() == ["abcde", "x", ""]
        limit(monkeypatch, 4 * 5 * 3 - 1)
        with pytest.raises(FileFormatError, match="column NAME would take"):
            arrow_column(pa.chunked_array([values]), "NAME")
    objects = np.array(["abcde", b"xy"], dtype=object)
    limit(monkeypatch, 4 * 5 * 2)
    assert votable._texts(objects, "NAME").tolist() == ["abcde", "xy"]
    limit(monkeypatch, 4 * 5 * 2 - 1)
    with pytest.raises(FileFormatError, match="column NAME would take"):
        votable._texts(objects, "NAME")


def test_memory_of_a_text_table_is_counted_over_its_blocks(tmp_path, monkeypatch):
    (tmp_path / "a.csv").write_text("TEFF,LOGG,X\n" + "4800.0,2.5,0\n" * 400)
    monkeypatch.setattr(text, "_BLOCK", 600)
    table = TextTable(tmp_path / "a.csv", "CSV")
    batch = 4 * 400 * (6 + 3)  # the letters of two columns, four times
    limit(monkeypatch, 3 * batch)
    table.load(["TEFF", "LOGG"], set())
    assert len(table.read(["TEFF"], 0, 400)["TEFF"]) == 400
    limit(monkeypatch, batch)
    with pytest.raises(FileFormatError, match=r"the text of a\.csv would take"):
        table.load(["TEFF", "LOGG"], set())
    table.load(["TEFF", "LOGG"], set(), most_rows=30)  # only so many rows are read, to the end of a block
    assert 30 <= table.n_rows < 200
    table.load(["TEFF"], set(), most_rows=1)
    assert 1 <= table.n_rows < 60


def test_a_votable_of_numbers_is_measured_before_it_is_parsed(tmp_path, monkeypatch):
    Table({"TEFF": np.full(6, 4800.0), "LOGG": np.full(6, 2.5)}).write(tmp_path / "a.vot", format="votable")
    limit(monkeypatch, 96)
    assert len(read_survey(tmp_path / "a.vot")) == 6
    limit(monkeypatch, 95)
    with pytest.raises(FileFormatError, match="the VOTable would take"):
        read_survey(tmp_path / "a.vot")
    limit(monkeypatch, 10**9)
    size = (tmp_path / "a.vot").stat().st_size
    monkeypatch.setattr(votable, "DOCUMENT_LIMIT", size)
    assert len(read_survey(tmp_path / "a.vot")) == 6
    monkeypatch.setattr(votable, "DOCUMENT_LIMIT", size - 1)
    with pytest.raises(FileFormatError, match="the VOTable has more than"):
        read_survey(tmp_path / "a.vot")


# ---- masks beside columns


def test_columns_with_their_masks():
    assert with_masks(["a", "b"], ["a", "a.mask", "b", "c.mask"]) == ["a", "a.mask", "b"]
    columns = {"a": np.array([1.0, 2.0]), "a.mask": np.ma.array([True, False], mask=[False, True])}
    assert masked("a", columns).mask.tolist() == [True, False]
    assert masked("b", {"b": columns["a"]}) is columns["a"]
    columns["a"] = np.ma.array([1.0, 2.0], mask=[True, True])
    assert masked("a", columns).mask.tolist() == [True, True]


# ---- text


def test_the_last_byte_that_was_read_is_known():
    stream = text._Watched(io.BytesIO(b"ab\ncd"))
    assert stream.last == b"\n"
    assert (stream.readline(), stream.last) == (b"ab\n", b"\n")
    assert (stream.read(1), stream.last) == (b"c", b"c")
    assert (stream.read(), stream.last) == (b"d", b"d")
    assert (stream.read(), stream.readline(), stream.last) == (b"", b"", b"d")


def typed(*values, kind=None):
    column = pa.chunked_array([pa.array(values, pa.string())])
    return text._typed(column, "X", kind is str)


@pytest.mark.parametrize(
    ("values", "expected", "kind"),
    [
        (["1", "-20", "0", "-0"], [1, -20, 0, 0], "i"),
        (["9223372036854775807"], [2**63 - 1], "i"),
        (["9223372036854775808"], ["9223372036854775808"], "U"),
        (["12345678901234567890"], [12345678901234567890.0], "f"),
        (["1.", ".5", "+5", "1e5", "-1.5E-3"], [1.0, 0.5, 5.0, 1e5, -1.5e-3], "f"),
        (["inf", "-Infinity", "+INF"], [np.inf, -np.inf, np.inf], "f"),
        (["007", "1"], ["007", "1"], "U"),
        (["+01"], ["+01"], "U"),
        (["1", "x"], ["1", "x"], "U"),
        (["1.5.2"], ["1.5.2"], "U"),
        (["True", "FALSE"], [True, False], "b"),
        ([" 5 ", "6"], [5, 6], "i"),
    ],
)
def test_texts_that_are_numbers(values, expected, kind):
    found = typed(*values)
    assert found.dtype.kind == kind
    assert found.tolist() == expected
    assert typed(*values, kind=str).tolist() == [value.strip() for value in values]


@pytest.mark.parametrize("word", ["", "nan", "NaN", "NULL", "None", "na", "N/A", "--", "<NA>", "\\N", "masked"])
def test_words_for_a_missing_value(word):
    found = typed("5", word, "7")
    assert np.ma.getmaskarray(found).tolist() == [False, True, False]
    assert np.ma.getdata(found)[[0, 2]].tolist() == [5, 7]
    alone = typed(word, word)
    assert (alone.dtype, np.ma.getmaskarray(alone).tolist()) == (np.float64, [True, True])


@pytest.mark.parametrize(("ending", "told"), [("\n", False), ("\r\n", False), ("\r", False), ("", True), (" ", True)])
def test_a_last_line_is_complete_if_it_has_an_end(ending, told, tmp_path, recwarn):
    (tmp_path / "a.csv").write_bytes(b"TEFF,K\n4800,10.0\n4900,11" + ending.encode())
    table = TextTable(tmp_path / "a.csv", "CSV")
    table.load(["K"], set(), most_rows=9)  # a glance does not tell
    assert not recwarn.list
    table.load(["K"], set())
    assert table.read(["K"], 0, 2)["K"].tolist() == [10.0, 11.0]
    assert [w.category for w in recwarn.list] == [DistMassWarning] * told


def test_blank_lines_are_rows_of_a_table_of_one_column_only(tmp_path):
    head = "# %ECSV 1.0\n# ---\n# datatype:\n# - {name: TEFF, datatype: float64}\n"
    (tmp_path / "a.ecsv").write_text(head + "TEFF\n4800.0\n\n4900.0\n")
    np.testing.assert_array_equal(read_survey(tmp_path / "a.ecsv")["TEFF"], [4800.0, NAN, 4900.0])
    (tmp_path / "a.csv").write_text("\n\nTEFF,K\n4800,10\n\n4900,11\n")
    assert read_survey(tmp_path / "a.csv")["TEFF"].tolist() == [4800.0, 4900.0]


def test_an_ecsv_says_delimiter_units_and_types(tmp_path):
    head = "# %ECSV 1.0\n# ---\n# delimiter: ','\n# datatype:\n# - {name: KIC, datatype: int64}\n"
    head += "# - {name: NOTE, datatype: string}\n# - {name: GAIAEDR3_DIST, unit: pc, datatype: float64}\n"
    (tmp_path / "a.ecsv").write_text(head + "KIC,NOTE,GAIAEDR3_DIST\n1,5,1500.0\n2,6,1600.0\n")
    stars = read_survey(tmp_path / "a.ecsv", columns=["NOTE"])
    assert stars["GAIAEDR3_DIST"].tolist() == [1.5, 1.6]
    assert stars["NOTE"].tolist() == ["5", "6"]
    table = read_table(tmp_path / "a.ecsv")
    assert (table["GAIAEDR3_DIST"].unit.to_string(), table["GAIAEDR3_DIST"].tolist()) == ("pc", [1500.0, 1600.0])
    assert (table["KIC"].unit, table["KIC"].tolist()) == (None, [1, 2])
    (tmp_path / "b.ecsv").write_text(head + "NOTE,KIC,GAIAEDR3_DIST\n1,5,1500.0\n")
    with pytest.raises(FileFormatError, match="are not those of its first line"):
        read_survey(tmp_path / "b.ecsv")


def test_a_header_has_a_longest_line_and_a_greatest_length(tmp_path, monkeypatch):
    path = tmp_path / "a.csv"
    path.write_text("#" + "x" * 18 + "\n" + "#y\n" * 4 + "TEFF,K\n4800,10\n")
    monkeypatch.setattr(text, "_LONGEST_LINE", 21)
    monkeypatch.setattr(text, "_LONGEST_HEADER", 39)
    assert read_survey(path)["K"].tolist() == [10.0]
    for name, most in (("_LONGEST_LINE", 20), ("_LONGEST_HEADER", 38)):
        with monkeypatch.context() as patch:
            patch.setattr(text, name, most)
            with pytest.raises(FileFormatError, match="no line with the names of columns"):
                read_survey(path)


# ---- Arrow and Parquet


class Wrapped(pa.ExtensionType):
    """Numbers under another name."""

    def __init__(self):
        super().__init__(pa.float64(), "skdistmass.wrapped")

    def __arrow_ext_serialize__(self):
        return b""

    @classmethod
    def __arrow_ext_deserialize__(cls, storage, serialized):
        return cls()


@pytest.mark.parametrize(
    ("values", "expected"),
    [
        (pa.array([1, None, 3]), [1, None, 3]),
        (pa.array([True, None, False]), [True, None, False]),
        (pa.array([1.5, None]).cast(pa.decimal128(5, 2)), [1.5, None]),
        (pa.array([None, None], pa.null()), [NAN, NAN]),
        (pa.array([[1, 2], [3, 4]]), [[1, 2], [3, 4]]),
        (pa.array([[1, 2], [3, 4]], pa.large_list(pa.int32())), [[1, 2], [3, 4]]),
        (pa.array([[1.5], [2.5]], pa.list_(pa.float32(), 1)), [[1.5], [2.5]]),
        (pa.array([], pa.list_(pa.float32())), np.zeros((0, 0)).tolist()),
        (pa.array([5.5, 6.5, 5.5]).dictionary_encode(), [5.5, 6.5, 5.5]),
        (pa.array([b"a\xff", None]), ["a\ufffd", ""]),
        (pa.array(["a", None], pa.large_string()), ["a", ""]),
        (pa.array([b"a"], pa.large_binary()), ["a"]),
        (pa.ExtensionArray.from_storage(Wrapped(), pa.array([1.5, 2.5])), [1.5, 2.5]),
    ],
    ids=str,
)
def test_types_of_arrow(values, expected):
    found = arrow_column(pa.chunked_array([values]), "X")
    np.testing.assert_array_equal(np.ma.asarray(found).tolist(), expected)
    assert len(found) == len(values)


@pytest.mark.parametrize(
    ("values", "message"),
    [
        (pa.array([[1], [2, 3]]), "lists of different lengths"),
        (pa.array([[1], None]), "lists of different lengths"),
        (pa.array([1], pa.timestamp("s")), "neither numbers nor text"),
        (pa.array([{"a": 1}]), "neither numbers nor text"),
        (pa.array(["x" * 1001]), "a text of 1001 bytes; 1000 are the most"),
        (pa.array(["x" * 1001, "y"]).dictionary_encode(), "a text of 1001 bytes"),
    ],
)
def test_types_of_arrow_that_are_no_column(values, message):
    with pytest.raises(ColumnError, match=f"column X has .*{message}"):
        arrow_column(pa.chunked_array([values]), "X")
    assert arrow_column(pa.chunked_array([pa.array(["x" * 1000])]), "X")[0] == "x" * 1000
    assert arrow._LONGEST_TEXT == 1000


@pytest.mark.parametrize("kind", ["string", "large_string", "string_view", "binary", "large_binary", "binary_view"])
def test_texts_of_every_type_of_parquet(kind, tmp_path):
    names = pa.array([b"a", None, b"cd"] if "binary" in kind else ["a", None, "cd"], getattr(pa, kind)())
    pq.write_table(pa.table({"APOGEE_ID": names, "TEFF": [4800.0] * 3}), tmp_path / "a.parquet")
    assert read_survey(tmp_path / "a.parquet")["APOGEE_ID"].tolist() == ["a", "", "cd"]


def test_every_stretch_of_rows_over_row_groups(tmp_path):
    names = list("abcdefgh")
    pq.write_table(pa.table({"APOGEE_ID": names, "TEFF": [4800.0] * 8}), tmp_path / "a.parquet", row_group_size=3)
    survey = SurveyFile(tmp_path / "a.parquet")
    for start in range(9):
        for stop in range(9):
            assert survey.read(start, stop)["APOGEE_ID"].tolist() == names[start:stop], (start, stop)


def test_units_of_parquet_are_those_nearest_to_the_column(tmp_path):
    vo = '<VOTABLE xmlns:v="x"><TABLE><FIELD name="A" unit="a1"/><FIELD ID="B" unit="b1"/><v:FIELD name="C" unit="c1"/>'
    vo += '<FIELD name="D"/><PARAM name="E" unit="e1"/></TABLE></VOTABLE>'
    yaml = "datatype:\n- {name: B, unit: b2}\n- {name: C}\n- {name: F, unit: f2}\n"
    stated = {"F": {"UNIT": "f3"}, "G": {"units": "g3"}, "TEFF": {"unit": ""}}
    fields = [pa.field(name, pa.float64(), metadata=stated.get(name)) for name in (*"ABCDEFG", "TEFF")]
    metadata = {"IVOA.VOTable-Parquet.content": vo, "table_meta_yaml": yaml}
    schema = pa.schema(fields, metadata=metadata)
    pq.write_table(pa.Table.from_arrays([pa.array([1.0])] * 8, schema=schema), tmp_path / "a.parquet")
    _, table = open_table(tmp_path / "a.parquet")
    assert table.units == {"A": "a1", "B": "b2", "C": "c1", "F": "f3", "G": "g3"}


# ---- VOTable

#: Bytes of each type in binary data, by section 2.1 of the standard of VOTable.
WIDTHS = {"boolean": 1, "unsignedByte": 1, "short": 2, "int": 4, "long": 8, "char": 1, "unicodeChar": 2, "float": 4}
WIDTHS |= {"double": 8, "floatComplex": 8, "doubleComplex": 16}
HEAD = '<?xml version="1.0"?><VOTABLE version="1.4" xmlns="http://www.ivoa.net/xml/VOTable/v1.3">'


def document(fields, rows="", before="", after="", attributes="", data="TABLEDATA"):
    return (
        f"{HEAD}{before}<RESOURCE><TABLE{attributes}>{fields}<DATA><{data}>{rows}</{data}></DATA>{after}</TABLE>"
        "</RESOURCE></VOTABLE>"
    )


TEFF = '<FIELD name="TEFF" datatype="double"/>'


@pytest.mark.parametrize("kind", WIDTHS)
@pytest.mark.parametrize(("size", "times"), [("", 1), (' arraysize="5"', 5), (' arraysize="2x3"', 6)])
def test_bytes_of_a_row_of_binary_data(kind, size, times, tmp_path):
    (tmp_path / "a.vot").write_text(document(f'<FIELD name="X" datatype="{kind}"{size}/>{TEFF}'))
    assert find_tables(tmp_path / "a.vot")[0]._found.row_bytes == times * WIDTHS[kind] + 8


@pytest.mark.parametrize(
    ("kind", "size"), [("bit", "8"), ("char", "*"), ("char", "8*"), ("double", "2x*"), ("odd", "1")]
)
def test_rows_whose_bytes_are_not_known(kind, size, tmp_path):
    (tmp_path / "a.vot").write_text(document(f'<FIELD name="X" datatype="{kind}" arraysize="{size}"/>{TEFF}'))
    assert np.isnan(find_tables(tmp_path / "a.vot")[0]._found.row_bytes)


@pytest.mark.parametrize("n_more", [0, 6, 7, 8, 15, 16])
@pytest.mark.parametrize("form", ["binary", "binary2"])
def test_bytes_that_are_missing_are_found_whatever_the_number_of_columns(form, n_more, tmp_path):
    columns = {"TEFF": [4800.0, 4900.0], **{f"C{i}": np.zeros(2, "i2") for i in range(n_more)}}
    path = tmp_path / "a.vot"
    Table(columns).write(path, format="votable", tabledata_format=form)
    assert read_survey(path)["TEFF"].tolist() == [4800.0, 4900.0]
    found = find_tables(path)[0]
    found.load(["TEFF"], set())
    for n_rows in (1, 3):
        with pytest.raises(FileFormatError, match="no whole number of rows"):
            found._found.check_bytes(n_rows)


def test_texts_of_two_bytes_a_letter_in_binary_data(tmp_path):
    Table({"TEFF": [4800.0, 4900.0], "APOGEE_ID": ["ä", "bcd"]}).write(
        tmp_path / "a.vot", format="votable", tabledata_format="binary2"
    )
    content = (tmp_path / "a.vot").read_text()
    assert 'datatype="unicodeChar"' in content
    assert read_survey(tmp_path / "a.vot")["APOGEE_ID"].tolist() == ["ä", "bcd"]


def test_elements_that_stand_before_any_table_are_left_alone(tmp_path):
    before = '<DESCRIPTION/><STREAM encoding="base64">QUJD</STREAM><BINARY2/><TR/><FIELD name="X" datatype="int"/>'
    rows = "<TR><TD>4800</TD></TR><TR><TD>4900</TD></TR>"
    (tmp_path / "a.vot").write_text(document(TEFF, rows, before))
    (table,) = find_tables(tmp_path / "a.vot")
    assert (table.names, table._found.n_lines, table._found.n_letters, table._found.form) == (["TEFF"], 2, 0, "")


def test_only_the_text_of_a_stream_counts_as_data(tmp_path):
    Table({"TEFF": [4800.0, 4900.0]}).write(tmp_path / "a.vot", format="votable", tabledata_format="binary")
    content = (tmp_path / "a.vot").read_text()
    more = content.replace("</DATA>", '</DATA><INFO name="a" value="b">longer=</INFO>', 1)
    (tmp_path / "a.vot").write_text(more)
    found = find_tables(tmp_path / "a.vot")[0]._found
    data = re.search(r"<STREAM[^>]*>(.*?)</STREAM>", content, re.DOTALL)[1]
    assert (found.n_letters, found.n_padding) == (len("".join(data.split())), data.count("="))
    assert (found.form, found.row_bytes) == ("BINARY", 8)
    assert read_survey(tmp_path / "a.vot")["TEFF"].tolist() == [4800.0, 4900.0]


def test_names_and_units_of_fields(tmp_path):
    fields = (
        f'<FIELD ID="K" datatype="float" unit=" mag "/>{TEFF}<FIELD datatype="int" unit=" "/><FIELD datatype="int"/>'
    )
    row = "<TR><TD>10.5</TD><TD>4800</TD><TD>1</TD><TD>2</TD></TR>"
    (tmp_path / "a.vot").write_text(document(fields, row, attributes=' nrows="1"'))
    (table,) = find_tables(tmp_path / "a.vot")
    assert (table.names, table.units, table.n_rows) == (["K", "TEFF", "col3", "col4"], {"K": "mag"}, 1)
    assert table.where == "VOTable"
    (tmp_path / "a.vot").write_text(document(fields, row, attributes=' nrows="some"'))
    assert find_tables(tmp_path / "a.vot")[0].n_rows is None


def test_a_number_of_rows_that_is_not_that_of_the_data_is_refused(tmp_path):
    row = "<TR><TD>4800</TD></TR>"
    for stated, n_rows in ((1, 2), (3, 2), (0, 1)):
        (tmp_path / "a.vot").write_text(document(TEFF, row * n_rows, attributes=f' nrows="{stated}"'))
        with pytest.raises(FileFormatError, match=f"says that it has {stated} rows, but has {n_rows}"):
            read_survey(tmp_path / "a.vot")


@pytest.mark.parametrize(
    ("word", "missing"),
    [
        ("null", True),
        ("None", True),
        ("NaN", True),
        ("--", True),
        ("N/A", True),
        ("", True),
        ("4.8.0", False),
        ("x", False),
    ],
)
def test_words_for_a_missing_number_in_a_votable(word, missing, tmp_path):
    rows = f"<TR><TD>4800</TD></TR><TR><TD>{word}</TD></TR>"
    (tmp_path / "a.vot").write_text(document(TEFF, rows))
    if missing:
        np.testing.assert_array_equal(read_survey(tmp_path / "a.vot")["TEFF"], [4800.0, NAN])
        return
    (tmp_path / "a.vot").write_text(document(TEFF, "<TR><TD>null</TD></TR>" + rows))
    with pytest.raises(FileFormatError, match="has a number that is none"):
        read_survey(tmp_path / "a.vot")


def test_the_second_table_of_a_votable_is_read_by_its_number(tmp_path):
    other = '<TABLE><FIELD name="NOTE" datatype="int"/><DATA><TABLEDATA><TR><TD>1</TD></TR></TABLEDATA></DATA></TABLE>'
    content = document(TEFF, "<TR><TD>4800</TD></TR>").replace("<RESOURCE>", f"<RESOURCE>{other}")
    (tmp_path / "a.vot").write_text(content)
    assert read_survey(tmp_path / "a.vot")["TEFF"].tolist() == [4800.0]
    # Only the head is looked at for a description; a long head is read piece by piece.
    long = content.replace("<RESOURCE>", "<RESOURCE>" + "<DESCRIPTION>" + "x" * 40_000 + "</DESCRIPTION>")
    (tmp_path / "b.vot").write_text(long)
    assert [table.names for table in find_tables(tmp_path / "b.vot", True)] == [["NOTE"], ["TEFF"]]
    assert len(find_tables(tmp_path / "b.vot")) == 2


def test_objects_that_are_no_texts_stay_as_they_are():
    lists = np.empty(2, object)
    lists[0], lists[1] = np.zeros(2), "a"
    assert votable._texts(lists, "X") is lists
    pair = np.array([["a", b"b"], ["cd", ""]], dtype=object)
    assert votable._texts(pair, "X").tolist() == [["a", "b"], ["cd", ""]]
    assert votable._texts(np.empty(0, object), "X").shape == (0,)


# ---- FITS


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
