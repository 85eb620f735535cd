"""What a catalogue's headers say, card by card, and the published layout, row by row."""

import base64
import re
import warnings
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pyarrow as pa
import pytest
from astropy.io import fits
from astropy.table import Table

from skdistmass.catalog.finished import counts_of_finished
from skdistmass.catalog.provenance import catalog_cards, filled, model_cards, origin_of, posterior_cards, read_cards
from skdistmass.catalog.provenance import settings_cards as cards_of_settings
from skdistmass.catalog.writers.distmass import write_distmass
from skdistmass.catalog.writers.fits import (
    _encode,
    astropy_comments,
    is_nullable,
    logarithm_note,
    primary_header,
    table_header,
    to_records,
    write_rows,
)
from skdistmass.catalog.writers.parquet import arrow_array, arrow_type, write_parquet
from skdistmass.catalog.writers.votable import _without_time, votable_document, write_votable
from skdistmass.exceptions import InputError
from skdistmass.extinction import ExtinctionChoice
from skdistmass.model import StoredPosterior
from skdistmass.schema.bits import Bit, QualityBit
from skdistmass.schema.columns import CatalogColumn, describe, layout
from skdistmass.surveys.input_file import InputFile

VECTOR = CatalogColumn("POST_VECTOR", "three draws", "stat.value", unit="kpc", dtype="f4", length=3)


def values(cards):
    """Return keywords and values, each keyword once."""
    assert len({keyword for keyword, _, _ in cards}) == len(cards)
    return {keyword: value for keyword, value, _ in cards}


def empty(column, n_rows):
    """Return zeros and blanks in the type that a column has in a row of a catalogue."""
    kind = column.dtype.replace("U", "S").replace("?", "S1")
    return np.zeros((n_rows, column.length) if column.length else n_rows, kind)


# ---- provenance


def test_cards_of_the_usual_settings_and_of_all_others():
    usual = values(cards_of_settings(ExtinctionChoice(), "model", None, True))
    # Majewski et al. (2011): 0.918 (H - [4.5] - 0.08); Schlegel et al. (1998): 0.302 E(B-V).
    assert "A_K = 0.918 (x - 0.08)" in usual["AKIRAC"]
    assert "A_K = 0.918 (x - 0.05)" in usual["AKWISE"]
    assert "A_K = 0.302 (x - 0)" in usual["AKDUST"]
    expected = {"AKBLIM": 16.0, "AKMAP": "SFD_EBV", "AKNEG": "zero", "AKASSUME": "none", "PLXZERO": "model"}
    assert {name: usual[name] for name in expected} == expected
    assert (usual["OUTFOLD"], usual["ISOCHR"]) == (True, False)
    assert usual["AKCOLOUR"].startswith("colours without dust: ")
    assert not {"CALIB", "CALIBSHA", "CALFROM", "CALTO", "ISOMODEL"} & usual.keys()

    def bayestar(places):
        return places

    choice = ExtinctionChoice(latitude_limit=20, dust_map=bayestar, negative="keep", colours=None, assumed=0.25)
    calibration = SimpleNamespace(identity=("to DR17", "abc"), provenance_={"from": "DR19", "to": "DR17"})
    isochrones = SimpleNamespace(models_={"source": "PARSEC", "version": "1.2S"})
    other = values(cards_of_settings(choice, -0.02, isochrones, False, calibration))
    expected = {"AKBLIM": 20.0, "AKNEG": "keep", "AKCOLOUR": "none", "AKASSUME": "0.25", "PLXZERO": "-0.02"}
    expected |= {"OUTFOLD": False, "ISOCHR": True, "ISOMODEL": "PARSEC 1.2S"}
    expected |= {"CALIB": "to DR17", "CALIBSHA": "abc", "CALFROM": "DR19", "CALTO": "DR17"}
    assert {name: other[name] for name in expected} == expected
    assert other["AKMAP"].endswith("bayestar")
    calibration.provenance_, isochrones.models_ = {"to": "DR17"}, {"source": "MIST"}
    other = values(cards_of_settings(choice, "none", isochrones, False, calibration))
    assert ("CALFROM" in other, other["CALTO"], other["ISOMODEL"]) == (False, "DR17", "MIST")


def test_cards_of_a_model_with_and_without_a_file(tmp_path):
    (tmp_path / "m.skdm").write_bytes(b"model")
    bare, trained = SimpleNamespace(card={}), SimpleNamespace(card={"versions": {"trained_with": "1.2.3"}})
    assert values(model_cards(bare, None, None)) == {"MODEL": "SimpleNamespace"}
    found = values(model_cards(trained, "mine", tmp_path / "m.skdm"))
    assert found == {"MODEL": "mine", "MODELSHA": InputFile.of(tmp_path / "m.skdm").sha256, "MODELVER": "1.2.3"}


def test_cards_of_a_posterior_with_isochrones_and_physics():
    physics = SimpleNamespace(alpha="ALPHA_M", mass_loss="eta 0.2", states=None)
    models = SimpleNamespace(models_={"source": "PARSEC"})
    given = {"scale": "CAL", "parallax": True, "age_limit": None, "isochrones": models, "physics": physics}
    found = values(posterior_cards(StoredPosterior("draws", 7, **given)))
    expected = {"POSTFORM": "draws", "POSTDRAW": 7, "POSTSEED": 0, "POSTSCAL": "CAL", "POSTPLX": True}
    expected |= {"POSTAGE": "none", "POSTISO": "PARSEC", "POSTALPH": "ALPHA_M", "POSTLOSS": "eta 0.2"}
    assert found == expected | {"POSTSTAT": False}
    physics.states, physics.alpha = object(), None
    found = values(posterior_cards(StoredPosterior("summary", **given)))
    assert (found["POSTSTAT"], "POSTALPH" in found, "POSTLEV" in found) == (True, False, False)
    physics.alpha, physics.mass_loss = "ALPHA_M", None
    found = values(posterior_cards(StoredPosterior("draws", **given | {"age_limit": 13.8})))
    assert (found["POSTAGE"], found["POSTALPH"]) == ("13.8", "ALPHA_M")
    assert not {"POSTLOSS", "POSTSTAT"} & found.keys()


def test_counts_are_zero_until_a_catalogue_is_complete(tmp_path):
    survey = SimpleNamespace(path=Path("s.fits"), n_bytes=5)
    found = values(catalog_cards(survey, [("MODEL", "m", "")], [("AKNEG", "zero", "")], "run it", 300))
    assert found.pop("SKDMVERS")
    expected = {"ORIGIN": "skdistmass", "MODEL": "m", "INFILE": "s.fits", "INSIZE": 5, "INSHA256": "0" * 64}
    expected |= {"COMMAND": "run it", "CHUNKROW": 300, "AKNEG": "zero", "NSTARS": 0, "NREPEAT": 0, "NDUPSPEC": 0}
    assert found == expected
    assert list(found)[:2] == ["ORIGIN", "MODEL"]
    cards = [("A", 0, "first"), ("B", "", "second"), ("C", 1, "")]
    assert filled(cards, {"A": 7, "B": "x", "D": 1}) == [("A", 7, "first"), ("B", "x", "second"), ("C", 1, "")]


CARDS = [("ORIGIN", "skdistmass", "software"), ("SKDMVERS", "9.9", "its version"), ("MODEL", "m", "model")]
CARDS += [("MODELSHA", "111", ""), ("CALIB", "c", ""), ("CALIBSHA", "222", ""), ("INFILE", "s.fits", "survey")]
CARDS += [("NSTARS", 3, "stars"), ("NREPEAT", 1, ""), ("NDUPSPEC", 0, ""), ("OUTFOLD", True, "")]
COLUMNS = [describe("APOGEE_ID"), describe("DISTANCE"), describe("BITMASK")]
WRITERS = {"fits": write_rows, "vot": write_votable, "parquet": write_parquet}


@pytest.fixture(scope="module")
def rows():
    kinds = [c.dtype.replace("U", "S") for c in COLUMNS]
    given = (["a", "b", "a", "c"], [1.0, np.nan, 0.0, 4.0], [0, 1, 2, 3])
    return to_records({c: np.array(v, k) for c, v, k in zip(COLUMNS, given, kinds, strict=True)})


@pytest.mark.parametrize("ending", WRITERS)
def test_origin_is_read_back_with_each_checksum(ending, rows, tmp_path):
    path = tmp_path / f"c.{ending}"
    WRITERS[ending](path, COLUMNS, CARDS, [rows[:3], rows[3:]])
    found = read_cards(path)
    assert {name: found[name] for name, _, _ in CARDS} == {name: str(value) for name, value, _ in CARDS}
    assert origin_of(path) == {"model": "m (SHA-256 111)", "calibration": "c (SHA-256 222)", "survey": "s.fits"}
    WRITERS[ending](path, COLUMNS, CARDS[2:], [rows])  # without the version it is no catalogue
    assert (read_cards(path), origin_of(path)) == ({}, {})


def test_only_cards_of_the_primary_header_that_name_the_software(rows, tmp_path):
    write_rows(tmp_path / "c.fits", COLUMNS, CARDS, [rows])
    head = fits.getheader(tmp_path / "c.fits", 0)
    assert (head["ORIGIN"], head["SKDMVERS"], "MODEL" in head, head["EXTEND"]) == ("skdistmass", "9.9", False, True)
    (tmp_path / "c.csv").write_text("SKDMVERS,TEFF\n1,4800\n")
    assert read_cards(tmp_path / "c.csv") == {}


@pytest.mark.parametrize("ending", WRITERS)
def test_a_finished_catalogue_is_known_by_cards_rows_and_values(ending, rows, tmp_path):
    paths = [tmp_path / f"{name}.{ending}" for name in ("whole", "first")]
    for path, part in zip(paths, (rows, rows[:2]), strict=True):
        WRITERS[ending](path, COLUMNS, CARDS, [part])
    assert counts_of_finished(*paths, CARDS, 4) == {"NSTARS": 3, "NREPEAT": 1, "NDUPSPEC": 0}
    for n_rows in (3, 5):
        with pytest.raises(InputError, match=r"\(its predictions\)"):
            counts_of_finished(*paths, CARDS, n_rows)
    changed = [(n, "other" if n in ("MODEL", "MODELSHA", "CALIBSHA") else v, c) for n, v, c in CARDS]
    WRITERS[ending](paths[1], COLUMNS, changed, [rows[:2]])
    with pytest.raises(InputError, match=r"\(MODELSHA, CALIBSHA\)"):  # names of files don't count
        counts_of_finished(*paths, changed, 4)
    WRITERS[ending](paths[1], COLUMNS[:2], CARDS, [rows[["APOGEE_ID", "DISTANCE"]][:2].copy()])
    with pytest.raises(InputError, match=r"\(its predictions\)"):
        counts_of_finished(*paths, CARDS, 4)


# ---- FITS


def test_the_header_of_a_table_is_that_of_the_standard():
    columns = [*layout(["CAL"]), VECTOR]
    header = table_header(columns, 12, CARDS)
    expected = {"XTENSION": "BINTABLE", "BITPIX": 8, "NAXIS": 2, "NAXIS2": 12, "PCOUNT": 0, "GCOUNT": 1}
    assert {name: header[name] for name in expected} == expected
    assert header["TFIELDS"] == len(columns)
    assert (header[f"TTYPE{len(columns)}"], header[f"TFORM{len(columns)}"]) == ("POST_VECTOR", "3E")
    width = {"f8": 8, "f4": 4, "i2": 2, "i4": 4, "?": 1}
    assert header["NAXIS1"] == 12 + sum(width.get(c.dtype) or int(c.dtype[1:]) for c in columns[:-1])
    for number, column in enumerate(columns, start=1):
        nullable = column.name.endswith("_FLAG") and column.name.startswith(("AGE_", "NMSU_"))
        assert (f"TNULL{number}" in header) == (nullable or column.name == "OUT_OF_FOLD") == is_nullable(column.name)
        assert header.get(f"TNULL{number}", -1) == -1
    for bit in Bit:
        assert header[f"BITM{[1, 2, 8, 16, 32].index(bit) if bit < 4 else int(np.log2(bit)):02d}"].startswith(bit.name)
    assert {name for name in header if re.fullmatch(r"FLAG\d\d", name)} == {
        f"FLAG{int(np.log2(b)):02d}" for b in QualityBit
    }


@pytest.mark.parametrize(
    ("unit", "note"), [(None, ""), ("kpc", ""), ("dex", " (dex)"), ("dex(yr)", " (log10 of the value in yr)")]
)
def test_a_description_tells_what_a_logarithm_is_of(unit, note):
    assert logarithm_note(unit) == note


def test_texts_of_cards_are_printable_and_comments_make_no_further_card():
    for length in range(1, 120):
        bare, told = (primary_header([("KEY", "x" * length, comment)]) for comment in ("", "what it is"))
        assert bare["KEY"] == told["KEY"] == "x" * length
        assert len(bare.tostring(padding=False)) == len(told.tostring(padding=False)), length
        assert length > 40 or told.comments["KEY"] == "what it is"
    assert primary_header([("KEY", " a~\x1f\x7f\né", "")])["KEY"] == " a~????"
    assert [primary_header([("KEY", v, "c")]).comments["KEY"] for v in (3, 0.5, True)] == ["c"] * 3


def test_comments_for_astropy_fit_into_their_cards_and_are_read_back(tmp_path):
    columns = [*layout(["A", ""]), VECTOR]
    lines = list(astropy_comments(columns))
    assert max(map(len, lines)) <= 72
    write_rows(tmp_path / "c.fits", columns, [], [])
    table = Table.read(tmp_path / "c.fits")
    for column in columns:
        about = table[column.name].info
        assert (about.description, about.meta["ucd"]) == (column.description, column.ucd)
        assert table[column.name].shape == ((0, 3) if column is VECTOR else (0,))


def test_sums_are_written_as_astropy_writes_them():
    for total in (0, 1, 0xFFFFFFFF, 0x01020304, 0x8899AABB, *(0x0B1F2E3D * k % 2**32 for k in range(1, 200))):
        assert _encode(total) == fits.ImageHDU()._char_encode(total)


def test_rows_in_memory_make_a_valid_file(rows, tmp_path):
    for n_rows in (0, 1, 4):
        write_rows(tmp_path / "c.fits", COLUMNS, CARDS, [rows[:1][:n_rows], rows[1:n_rows]])
        with warnings.catch_warnings(), fits.open(tmp_path / "c.fits", checksum=True) as hdus:
            warnings.simplefilter("error")
            assert hdus[1].header["NAXIS2"] == n_rows
            assert hdus[1].data.tobytes() == rows[:n_rows].tobytes()
        assert (tmp_path / "c.fits").stat().st_size % 2880 == 0


# ---- VOTable and Parquet


def test_a_votable_has_lines_of_76_letters_and_all_rows(tmp_path):
    columns = [*layout(["CAL", "B", "C"]), VECTOR]
    rows = to_records(
        {c: np.zeros((9, 3) if c.length else 9, c.dtype.replace("U", "S").replace("?", "S1")) for c in columns}
    )
    nullable = [c.name for c in columns if is_nullable(c.name)]
    assert len(nullable) > 3
    for number, name in enumerate(nullable):
        rows[name][number] = -1
    rows["POST_VECTOR"] = np.arange(27).reshape(9, 3)
    write_votable(tmp_path / "c.vot", columns, CARDS, [rows[:4], rows[4:]])
    text = (tmp_path / "c.vot").read_text()
    letters = re.search(r"<STREAM[^>]*>\s*(.*?)\s*</STREAM>", text, re.DOTALL)[1].splitlines()
    assert {len(line) for line in letters[:-1]} == {76}
    assert len(base64.b64decode("".join(letters))) == 9 * (rows.itemsize + -(-len(columns) // 8))
    table = Table.read(tmp_path / "c.vot")
    assert table["POST_VECTOR"].tolist() == rows["POST_VECTOR"].tolist()
    assert str(table["POST_VECTOR"].unit) == "kpc"
    for number, name in enumerate(nullable):
        null = np.ma.getmaskarray(np.ma.asarray(table[name]))
        assert np.flatnonzero(null).tolist() == [number], name


def test_a_votable_document_does_not_tell_the_time():
    assert _without_time("<a/>") == "<a/>"
    assert _without_time("<!-- now -->\n<a/>") == "<a/>"
    assert _without_time("<a/><!-- now --><b/>") == "<a/><b/>"
    assert votable_document(COLUMNS, CARDS).count("<!--") == 0
    document = " ".join(votable_document(COLUMNS, []).split())
    assert all(f"{int(bit)} {bit.name}: " in document for bit in Bit)


def test_columns_in_the_types_of_arrow():
    kinds = {"f8": pa.float64(), "f4": pa.float32(), "i2": pa.int16(), "i4": pa.int32(), "?": pa.bool_()}
    for column in layout(["CAL"]):
        assert arrow_type(column) == kinds.get(column.dtype, pa.string())
    found = arrow_array(np.arange(6, dtype=">f4").reshape(2, 3), VECTOR)
    assert (found.type, found.to_pylist()) == (pa.list_(pa.float32()), [[0, 1, 2], [3, 4, 5]])
    fallback = arrow_array(np.array([b"T", b"F", b""]), describe("LABEL_FALLBACK"))
    assert fallback.to_pylist() == [True, False, None]
    for name, expected in (("NMSU_FLAG", [3, None]), ("FLAGS", [3, -1])):
        column = describe(name)
        assert (
            arrow_array(np.array([3, -1], dtype=column.dtype).astype(">" + column.dtype), column).to_pylist()
            == expected
        )
    assert arrow_array(np.array([b"a", b""]), describe("APOGEE_ID")).to_pylist() == ["a", ""]


def test_the_metadata_of_a_parquet_file(rows, tmp_path):
    import pyarrow.parquet as pq

    write_parquet(tmp_path / "c.parquet", [*COLUMNS], CARDS, [rows])
    schema = pq.read_schema(tmp_path / "c.parquet")
    assert [schema.field(name).metadata[b"unit"] for name in ("APOGEE_ID", "DISTANCE")] == [b"", b"kpc"]
    lengths = {key: value for key, value in schema.metadata.items() if key.startswith(b"table::len::")}
    assert lengths == {b"table::len::APOGEE_ID": describe("APOGEE_ID").dtype[1:].encode()}
    assert schema.metadata[b"IVOA.VOTable-Parquet.version"] == b"1.0"


# ---- the published layout


@pytest.mark.parametrize("scales", [[], ["UNCOR_SS", "COR_SS"], ["", "CAL"]])
def test_the_published_file_has_the_age_error_of_the_first_scale(scales, tmp_path):
    columns = layout(scales)
    rows = to_records({c: empty(c, 5) for c in columns})
    numbers = {c.name: np.arange(5.0) + 0.1 * n for n, c in enumerate(columns) if c.dtype == "f8"}
    for name, given in numbers.items():
        rows[name] = given
    rows["BITMASK"] = [0, 1, 2, 8, 16]
    cards = [*CARDS, ("LONG", "x" * 90, "a comment")]
    write_distmass(tmp_path / "c.fits", columns, cards, [rows[:2], rows[2:]])
    assert (tmp_path / "c.fits").stat().st_size % 2880 == 0
    with fits.open(tmp_path / "c.fits") as hdus:
        hdus.verify("exception")
        data, header = hdus[1].data, hdus[1].header
        assert (header["NAXIS2"], header["EXTNAME"], header["LONG"]) == (5, "DISTMASS", "x" * 90)
        assert (header.comments["MODEL"], header.comments["NSTARS"]) == ("model", "stars")
        units = {name: hdus[1].columns[name].unit for name in hdus[1].columns.names}
        found = {name: np.array(data[name]) for name in data.names}
    ends = ("_" + scale if scale else "" for scale in scales)
    pairs = [(f"MASS{end}", f"AGE{end}") for end in ends]
    assert [name for name in found if name.startswith(("MASS", "AGE"))] == [
        *(name for pair in pairs for name in pair), *(["MASS_ERR", "AGE_ERR"] if scales else [])
    ]  # fmt: skip
    for mass, age in pairs:
        np.testing.assert_allclose(found[mass], numbers[mass])
        np.testing.assert_allclose(found[age], 10.0 ** numbers[age])
        assert (units[mass], units[age]) == ("solMass", "yr")
    if scales:
        age = pairs[0][1]
        upper, lower = numbers[f"{age}_HI"] - numbers[age], numbers[age] - numbers[f"{age}_LO"]
        np.testing.assert_allclose(found["AGE_ERR"], np.column_stack([upper, lower]))
        assert (units["MASS_ERR"], units["AGE_ERR"]) == ("solMass", None)
    assert found["BITMASK"].tolist() == [0, 1, 2, 8, 16]
    assert list(found)[:4] == ["APOGEE_ID", "APSTAR_ID", "TEFF", "LOGG"]
    assert list(found)[-1] == "BITMASK"
    assert units["TEFF"] == "K"
    np.testing.assert_allclose(found["WEIGHTED_DIST_ERR"], 1000.0 * numbers["DISTANCE_WEIGHTED_ERR"])
