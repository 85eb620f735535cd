"""Tables of text, of Arrow and of Parquet: which texts are numbers, which types are columns."""

import io

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from skdistmass.exceptions import ColumnError, DistMassWarning, FileFormatError
from skdistmass.surveys import read_survey
from skdistmass.surveys.chunks import SurveyFile, read_table
from skdistmass.surveys.files import open_table
from skdistmass.surveys.formats import arrow, text
from skdistmass.surveys.formats.arrow import arrow_column
from skdistmass.surveys.formats.text import TextTable

NAN = np.nan


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
    try:
        pq.write_table(pa.table({"APOGEE_ID": names, "TEFF": [4800.0] * 3}), tmp_path / "a.parquet")
    except pa.ArrowNotImplementedError as error:
        pytest.skip(f"pyarrow {pa.__version__}: {error}")
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
