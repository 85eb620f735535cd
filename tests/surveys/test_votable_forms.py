"""VOTables, down to their elements and bytes, as the standard has them."""

import re

import numpy as np
import pytest
from astropy.table import Table

from skdistmass.exceptions import FileFormatError
from skdistmass.surveys import read_survey
from skdistmass.surveys.formats import votable
from skdistmass.surveys.formats.votable import find_tables

NAN = np.nan


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
