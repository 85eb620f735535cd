"""Which column becomes what, by layouts of a few sources; and how a description of a file tells it."""

import numpy as np
import pytest
from astropy.io import fits
from astropy.table import Table

from skdistmass.exceptions import ColumnError, FileFormatError
from skdistmass.surveys import as_stars, describe_file, load_layout
from skdistmass.surveys.layout import LAWS, Flag, Layout, Source, recognise
from skdistmass.surveys.plan import make_plan
from skdistmass.surveys.report import FileDescription


def plan_of(names, quantities, columns=(), **settings):
    layout = Layout("mine", "Mine", quantities={n: (s,) for n, s in quantities.items()}, **settings)
    return make_plan(names, layout, columns)


def test_all_columns_of_a_source_are_needed():
    ends = {"lower": "lo", "upper": "hi", "below": "down", "above": "up"}
    source = Source(
        ("T", "t"), error=("x", "e"), minus="m", minus_error="em", called_by=("c",), flags=(Flag("f"),), **ends
    )
    settings = {"bad_star": (Flag("b"), Flag("absent")), "bad_parallax": (Flag("p"),), "keep": ("NOTE",)}
    names = ["t", "e", "m", "em", "c", "f", "lo", "hi", "down", "up", "b", "p", "note", "other"]
    plan = plan_of(names, {"PARALLAX": source}, ["OTHER"], **settings)
    assert set(plan.needed) == set(names)
    assert plan.needed.count("t") == 1
    (found,) = plan.sources["PARALLAX"]
    assert (found.column, found.error, found.minus, found.minus_error) == (("t",), ("e",), "m", "em")
    assert plan.extra == {"NOTE": "note", "other": "other"}
    assert plan.bad_star == (Flag("b"),)
    assert plan.texts == {"c"}


@pytest.mark.parametrize(
    ("absent", "changed"),
    [
        ("T", None),
        ("m", None),
        ("e", {"error": ()}),
        ("em", {"error": (), "minus_error": ""}),
        ("lo", {"lower": "", "upper": ""}),
        ("hi", {"lower": "", "upper": ""}),
        ("down", {"below": "", "above": ""}),
        ("up", {"below": "", "above": ""}),
        ("c", {"called_by": ()}),
        ("f", {"flags": ()}),
    ],
)
def test_what_is_left_of_a_source_without_one_of_its_columns(absent, changed):
    ends = {"lower": "lo", "upper": "hi", "below": "down", "above": "up"}
    whole = Source(("T",), error=("e",), minus="m", minus_error="em", called_by=("c",), flags=(Flag("f"),), **ends)
    names = ["T", "e", "m", "em", "c", "f", "lo", "hi", "down", "up"]
    assert plan_of(names, {"K": whole}).sources == {"K": (whole,)}
    plan = plan_of([name for name in names if name != absent], {"K": whole})
    if changed is None:
        assert "K" not in plan.sources
        return
    (found,) = plan.sources["K"]
    fields = Source.__dataclass_fields__
    assert {n: getattr(found, n) for n in fields if getattr(found, n) != getattr(whole, n)} == changed


def test_columns_that_were_joined_count_if_they_are_spelled_as_the_package_does():
    k = {"K": Source(("ks",))}
    plan = plan_of(["ks", "TEFF", "logg", "MASS_X", "mass_y", "AGE"], k)
    assert set(plan.sources) == {"K", "TEFF"}
    assert plan.extra == {"MASS_X": "MASS_X", "AGE": "AGE"}
    # What a layout says it does not have is not taken from another's name for it.
    layout = Layout("mine", "Mine", quantities={"K": (Source(("ks",)),), "TEFF": ()})
    assert set(make_plan(["ks", "TEFF"], layout).sources) == {"K"}
    assert plan_of(["ks", "K"], k).sources["K"] == (Source(("ks",)),)
    assert set(make_plan(["teff", "Logg"], load_layout("generic")).sources) == {"TEFF", "LOGG"}


def test_columns_that_are_kept_are_found_in_any_letter_case():
    k = {"K": Source(("K",))}
    plan = plan_of(["K", "note", "Extra_1", "EXTRA_2", "nothing"], k, keep=("NOTE", "EXTRA_*", "ABSENT"))
    assert plan.extra == {"NOTE": "note", "EXTRA_1": "Extra_1", "EXTRA_2": "EXTRA_2"}
    with pytest.raises(ColumnError, match="columns note, NOTE could all be NOTE"):
        plan_of(["K", "note", "NOTE"], k, keep=("NOTE",))
    assert plan_of(["K", "other"], k, ["OTHER", "k"]).extra == {"other": "other"}
    with pytest.raises(ColumnError, match="no column ABSENT"):
        plan_of(["K"], k, ["ABSENT"])
    with pytest.raises(ColumnError, match="this is Mine: it has no labels"):
        plan_of(["K"], k, refuse="it has no labels.")


@pytest.mark.parametrize(
    ("name", "text"),
    [
        *((name, True) for name in ("MY_ID", "my_src", "A_METHOD", "STAR_NAME", "SOURCE_ID", "Id")),
        *((name, False) for name in ("GRID", "NAMES", "TRUE_MASS")),
    ],
)
def test_columns_that_are_texts_by_their_names(name, text):
    plan = make_plan(["TEFF", "APOGEE_ID", name], columns=[name])
    assert ("APOGEE_ID" in plan.texts, name in plan.texts) == (True, text)


# ---- layouts


@pytest.mark.parametrize(
    ("names", "matches"),
    [
        (["A", "b"], False),
        (["a", "B", "c"], True),
        (["a", "b", "d"], True),
        (["a", "c"], False),
        (["a", "b", "c", "X"], False),
        ([], False),
    ],
)
def test_a_layout_has_columns_that_must_and_must_not_be_there(names, matches):
    layout = Layout("mine", "Mine", columns=("A", "B"), any_of=("C", "D"), absent=("x",))
    assert layout.matches({name.lower() for name in names}) is matches
    assert not Layout("mine", "Mine").matches({"a"})
    assert Layout("mine", "Mine", columns=("A",)).matches({"a"})


def test_reddening_laws_are_those_of_the_papers():
    assert LAWS["ebv_to_ak"]["schlegel1998"] == 0.302
    # A_K = 0.918 E(H - [4.5]), E(B-V) = 2.61 E(H - [4.5]); A_K / A_V = 0.114 and 0.078; 0.884 E(B-V) of SFD.
    assert LAWS["ebv_to_ak"]["majewski2011"] == pytest.approx(0.35172, abs=1e-5)
    assert LAWS["av_to_ak"] == {"cardelli1989": 0.114, "schlafly2016": 0.078}
    assert LAWS["ebv_to_sfd"]["schlafly2011"] == pytest.approx(1.13122, abs=1e-5)


BASE = 'name = "mine"\ntitle = "Mine"\n'


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("[quantities]\nK = {column = 'k', lower = 'a'}", "needs both of lower and upper"),
        ("[quantities]\nK = {column = 'k', above = 'a'}", "needs both of below and above"),
        ("[quantities]\nK = {column = 'k', law = 'x'}", "has a law, which 'none' does not need"),
        ("[quantities]\nK = {column = ['k', '']}", "give a text or a list of texts"),
        ("[quantities]\nK = {column = ['k', 3]}", "give a text or a list of texts"),
        ("[quantities]\nK = 3", "has to be a table of keys and values"),
        ("bad_star = {column = 'f', bits = [-1]}", "from 0 to 63"),
        ("bad_star = {column = 'f', bits = [true]}", "from 0 to 63"),
        ("bad_star = {column = 'f', bits = 3}", "from 0 to 63"),
        ("bad_star = {column = 'f', above = 'x'}", "has above = 'x'; give a number"),
        ("bad_star = {column = 'f', above = true}", "has above = True; give a number"),
        ("bad_star = {bits = [1]}", "bad_star: column is None; give a text"),
        ("parallax_corrected = 1", "parallax_corrected is 1; give true or false"),
        ("sentinels = 3", "sentinels is 3; give a list of numbers"),
        ("sentinels = [true]", r"sentinels is \[True\]"),
        ("recognise = 3", "recognise has to be a table"),
        ("[recognise]\ncolums = 'a'", "recognise has the key 'colums'"),
        ("keep = 3", "keep is 3; give a text or a list of texts"),
        ("notes = 3", "notes is 3; give a text"),
        ("title = ''", "is not valid TOML"),
    ],
)
def test_what_a_layout_can_not_say(text, message, tmp_path):
    (tmp_path / "a.toml").write_text(BASE + text)
    with pytest.raises(FileFormatError, match=message):
        load_layout(tmp_path / "a.toml")


def test_what_a_layout_can_say(tmp_path):
    text = "sentinels = [1, 2.5]\nparallax_corrected = true\nkeep = 'NOTE'\nnotes = 'n'\n"
    text += "bad_star = [{column = 'f', bits = [0, 63]}, {column = 'g', above = 1}, 'h']\nbad_parallax = 'r'\n"
    text += "[recognise]\ncolumns = ['a', 'b']\nany_of = 'c'\n"
    text += "[quantities]\nK = [{column = 'k', lower = 'a', upper = 'b'}, 'm']\nJ = 'j'\n"
    (tmp_path / "a.toml").write_text(BASE + text)
    found = load_layout(tmp_path / "a.toml")
    assert found.bad_star == (Flag("f", (0, 63)), Flag("g", above=1), Flag("h"))
    assert (found.bad_parallax, found.keep, found.notes) == ((Flag("r"),), ("NOTE",), "n")
    assert (found.sentinels, found.parallax_corrected) == ((1.0, 2.5), True)
    assert (found.columns, found.any_of, found.absent) == (("a", "b"), ("c",), ())
    assert found.quantities["K"] == (Source(("k",), lower="a", upper="b"), Source(("m",)))
    assert found.quantities["J"] == (Source(("j",)),)
    # What it is based on holds where it says nothing else.
    (tmp_path / "b.toml").write_text(f'name = "b"\ntitle = "B"\nbased_on = "{tmp_path}/a.toml"\n[quantities]\nJ = []\n')
    other = load_layout(tmp_path / "b.toml")
    assert (other.bad_star, other.bad_parallax, other.keep) == (found.bad_star, found.bad_parallax, found.keep)
    assert (other.sentinels, other.parallax_corrected) == (found.sentinels, True)
    assert (other.quantities["K"], other.quantities["J"]) == (found.quantities["K"], ())
    assert load_layout(found) is found


def test_of_several_layouts_that_of_most_columns_in_their_letter_case_is_taken():
    columns = set(load_layout("galah-dr4").columns)
    assert recognise(columns).name == "galah-dr4"
    assert recognise(name.upper() for name in columns).name == "galah-dr4"


# ---- descriptions


@pytest.fixture(scope="module")
def described(tmp_path_factory):
    folder = tmp_path_factory.mktemp("described")
    table = Table({name: np.full(200, 0.1) for name in ("a", "b", "ea", "eb", "lo", "hi", "note")})
    table["r"], table["w"] = np.arange(1.0, 201.0), 0
    table["t"], table["t"].unit, table["name"] = 4800.0, "K", "x"
    table["d"], table["empty"] = 1.0, np.nan
    table.write(folder / "a.fits")
    sources = {
        "C_FE": (
            Source(("a",), minus="b", error=("ea",), minus_error="eb", flags=(Flag("w", bits=(1, 3)),)),
            Source(("b",)),
        ),
        "A_K": (Source(("r",), transform="ebv_to_ak", law="schlegel1998"),),
        "GAIAEDR3_DIST": (Source(("d",), unit="kpc", lower="lo", upper="hi"),),
        "TEFF": (Source(("t",)),),
        "APOGEE_ID": (Source(("name",)),),
        "J": (Source(("empty",)),),
    }
    notes = {"notes": "some notes", "citation": "a paper", "bad_parallax": (Flag("r", above=1.4),)}
    layout = Layout("mine", "Mine", quantities=sources, keep=("NOTE",), bad_star=(Flag("w"),), **notes)
    return describe_file(folder / "a.fits", layout=layout)


def test_a_description_tells_how_each_quantity_is_made(described):
    found = {item.name: item for item in described.quantities}
    assert found["C_FE"].sources == ("a - b, error ea, eb", "b")
    assert found["C_FE"].flags == ("w has bit 1, 3",)
    assert found["A_K"].sources == ("r by ebv_to_ak of schlegel1998",)
    assert found["GAIAEDR3_DIST"].sources == ("d [kpc by the layout], error lo, hi",)
    assert (found["TEFF"].sources, found["TEFF"].unit, found["TEFF"].flags) == (("t [K]",), "K", ())
    assert found["APOGEE_ID"].unit == ""
    assert (described.bad_star, described.bad_parallax, described.kept) == (("w is not 0",), ("r > 1.4",), ("note",))
    assert described.missing["distance"] == ("LOGG", "M_H", "K")
    assert described.missing["mass"] == described.missing["age"] == ("LOGG", "M_H", "N_FE")
    # 0.302 r is more than 30 mag from r = 100 on.
    assert described.problems == (
        "A_K is impossible in 50% of the first rows",
        "J is missing in all of the first 200 rows",
    )


def test_a_description_as_text(described):
    lines = str(described).splitlines()
    assert lines[0].endswith("a.fits: FITS, HDU 1, 200 rows, 13 columns")
    assert lines[1:4] == ["layout mine: Mine", "  some notes", "  cite a paper"]
    assert "  C_FE          [dex] from a - b, error ea, eb, else b (left out where w has bit 1, 3)" in lines
    assert "  APOGEE_ID     from name" in lines
    assert "  bad star where w is not 0" in lines
    assert "  bad parallax where r > 1.4" in lines
    assert "  kept as they are: note" in lines
    assert "mass: lacks LOGG, M_H, N_FE" in lines
    assert "problem: J is missing in all of the first 200 rows" in lines
    assert not any("APOGEE_ID is missing" in line for line in lines)
    bare = str(FileDescription("a.csv", "CSV", "CSV", None, 3, Layout("mine", "Mine")))
    assert bare.splitlines() == ["a.csv: CSV, CSV, unknown number of rows, 3 columns", "layout mine: Mine"]


@pytest.mark.parametrize(("n_bad", "told"), [(0, False), (1, False), (2, True)])
def test_impossible_values_are_told_if_more_than_a_hundredth_are(n_bad, told, tmp_path):
    k = np.full(100, 10.0)
    k[:n_bad] = -50.0
    Table({"TEFF": np.full(100, 4800.0), "K": k}).write(tmp_path / "a.fits")
    assert describe_file(tmp_path / "a.fits").problems == (("K is impossible in 2% of the first rows",) if told else ())


def test_a_description_of_a_table_without_rows(tmp_path):
    Table({"TEFF": np.zeros(0), "K": np.zeros(0)}).write(tmp_path / "a.fits")
    found = describe_file(tmp_path / "a.fits")
    assert (found.n_rows, found.problems) == (0, ())


def test_only_the_first_thousand_rows_are_looked_at(tmp_path):
    k = np.full(1500, 10.0)
    k[1000:] = -50.0
    Table({"TEFF": np.full(1500, 4800.0), "K": k}).write(tmp_path / "a.fits")
    assert describe_file(tmp_path / "a.fits").problems == ()
    Table({"TEFF": np.full(1500, 4800.0), "K": k[::-1]}).write(tmp_path / "b.csv")
    assert describe_file(tmp_path / "b.csv").problems == ("K is impossible in 50% of the first rows",)


def test_a_description_says_how_a_file_is_packed(tmp_path):
    import bz2

    Table({"TEFF": [4800.0]}).write(tmp_path / "a.fits")
    (tmp_path / "a.fits.bz2").write_bytes(bz2.compress((tmp_path / "a.fits").read_bytes()))
    assert describe_file(tmp_path / "a.fits.bz2").kind == "FITS in bzip2"
    assert describe_file(tmp_path / "a.fits").kind == "FITS"
    with fits.open(tmp_path / "a.fits.bz2") as hdus:
        assert len(as_stars(Table(hdus[1].data))) == 1
