"""What a file may take in memory, exactly at the limit; and checksums of Parquet."""

import gzip

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from astropy.table import Table

from skdistmass.exceptions import FileFormatError
from skdistmass.surveys import read_survey
from skdistmass.surveys.formats import common, text, votable
from skdistmass.surveys.formats.arrow import arrow_column
from skdistmass.surveys.formats.common import check_memory, masked, with_masks
from skdistmass.surveys.formats.text import TextTable

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
