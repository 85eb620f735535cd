"""How one quantity is made of the columns of a table: each rule by itself, on a few numbers, with its border cases."""

import numpy as np
import pandas as pd
import pytest
from astropy.table import MaskedColumn, Table

from skdistmass.exceptions import ColumnError, DistMassWarning, ImpossibleValueWarning, UnitError
from skdistmass.surveys import as_stars
from skdistmass.surveys.layout import Flag, Layout, Source
from skdistmass.surveys.making import _unit_before
from skdistmass.surveys.plausibility import check_gravity, drop_impossible
from skdistmass.surveys.quantities import _build, quantity
from skdistmass.tables import SENTINEL_TOLERANCE

NAN = np.nan
LN10 = np.log(10.0)


def read(columns, quantities, *, units=None, keep=(), **settings):
    """Read a table in memory by a layout of a few sources."""
    sources = {name: found if isinstance(found, tuple) else (found,) for name, found in quantities.items()}
    layout = Layout("mine", "Mine", quantities=sources, keep=tuple(keep), **settings)
    return as_stars({name: np.asanyarray(values) for name, values in columns.items()}, layout, units=units)


# ---- numbers and their errors


def test_the_first_source_with_a_value_is_taken_with_its_own_error():
    sources = (Source(("p",), error=("e_p",), flags=(Flag("bad"),)), Source(("q",)), Source(("r",), error=("e_r",)))
    columns = {"p": [1.0, 1.0, NAN, NAN, NAN], "e_p": [0.1, 0.1, 0.1, 0.1, 0.1], "bad": [0, 1, 0, 0, 0]}
    columns |= {"q": [2.0, 2.0, 2.0, NAN, NAN], "r": [3.0, 3.0, 3.0, 3.0, np.inf], "e_r": [0.3] * 5}
    stars = read(columns, {"K": sources})
    np.testing.assert_array_equal(stars["K"], [1.0, 2.0, 2.0, 3.0, NAN])
    np.testing.assert_array_equal(stars["K_ERR"], [0.1, NAN, NAN, 0.3, NAN])
    assert stars.origin["K"] == ("p", "q", "r")
    assert stars.origin["K_ERR"] == ("e_p", "e_r")
    assert "K_ERR" not in read({"p": [1.0]}, {"K": Source(("p",))})
    assert "K_SRC" not in stars


def test_an_error_of_two_numbers_is_the_mean_of_their_sizes():
    stars = read({"t": [4800.0, 4900.0], "e": [[30.0, -50.0], [20.0, -20.0]]}, {"TEFF": Source(("t",), error=("e",))})
    assert stars["TEFF_ERR"].tolist() == [40.0, 20.0]
    with pytest.raises(ColumnError, match=r"column e has shape \(2, 3\)"):
        read({"t": [4800.0] * 2, "e": np.ones((2, 3))}, {"TEFF": Source(("t",), error=("e",))})
    with pytest.raises(ColumnError, match=r"column t has shape \(2, 2\)"):
        read({"t": np.full((2, 2), 4800.0)}, {"TEFF": Source(("t",))})


@pytest.mark.parametrize(("unit", "factor"), [("", 1e-3), ("  ", 1e-3), ("kpc", 1.0)])
def test_a_unit_of_the_layout_counts_where_the_table_has_none(unit, factor):
    source = Source(("d",), unit="pc", error=("e",))
    stars = read({"d": [5.0], "e": [0.5]}, {"GAIAEDR3_DIST": source}, units={"d": unit, "e": unit})
    assert stars["GAIAEDR3_DIST"] == pytest.approx(5.0 * factor)
    assert stars["GAIAEDR3_DIST_ERR"] == pytest.approx(0.5 * factor)


def test_errors_of_logarithms_have_no_unit_of_the_layout():
    source = Source(("g",), unit="dex(m s-2)", error=("e",))
    stars = read({"g": [0.5, 0.7], "e": [0.1, 0.0]}, {"LOGG": source})
    assert stars["LOGG"] == pytest.approx([2.5, 2.7])
    assert stars["LOGG_ERR"] == pytest.approx([0.1, 0.0])


def test_transforms_take_their_errors_along():
    columns = {"v": [100.0, 0.0, -1.0, 1000.0], "e": [10.0, 1.0, 1.0, 50.0]}
    stars = read(columns, {"LOGG": Source(("v",), unit="cm s-2", transform="log10", error=("e",))})
    np.testing.assert_allclose(stars["LOGG"], [2.0, NAN, NAN, 3.0])
    np.testing.assert_allclose(stars["LOGG_ERR"], [0.1 / LN10, NAN, NAN, 0.05 / LN10])
    stars = read({"v": [3.7], "e": [0.01]}, {"TEFF": Source(("v",), transform="power10", error=("e",))})
    np.testing.assert_allclose(stars["TEFF"], 10**3.7)
    np.testing.assert_allclose(stars["TEFF_ERR"], 0.01 * 10**3.7 * LN10)
    law = Source(("v",), transform="av_to_ak", law="cardelli1989", error=("e",))
    stars = read({"v": [2.0], "e": [0.1]}, {"A_K": law})
    np.testing.assert_allclose([stars["A_K"], stars["A_K_ERR"]], [[0.228], [0.0114]])  # A_K / A_V = 0.114


@pytest.mark.parametrize(
    ("transform", "unit", "before"),
    [
        ("none", "kpc", "kpc"),
        ("log10", "dex(cm s-2)", "cm s-2"),
        ("log10", "mag", "mag"),
        ("power10", "K", "dex(K)"),
        ("ebv_to_ak", "mag", "mag"),
    ],
)
def test_units_before_a_transform(transform, unit, before):
    assert _unit_before(transform, unit) == before


def test_a_difference_has_both_errors():
    source = Source(("a",), minus="b", error=("e_a",), minus_error="e_b")
    stars = read({"a": [0.5], "b": [0.2], "e_a": [0.03], "e_b": [0.04]}, {"C_FE": source})
    np.testing.assert_allclose([stars["C_FE"], stars["C_FE_ERR"]], [[0.3], [0.05]])
    # Half an error would be too small.
    assert "C_FE_ERR" not in read({"a": [0.5], "b": [0.2], "e_a": [0.03]}, {"C_FE": source})
    assert "C_FE" not in read({"a": [0.5]}, {"C_FE": source})


def test_ends_of_an_interval_and_distances_to_them():
    ends = Source(("d",), lower="lo", upper="hi")
    columns = {"d": [1.0, 2.0, 3.0], "lo": [0.8, 2.0, NAN], "hi": [1.4, 2.0, 3.5]}
    stars = read(columns, {"GAIAEDR3_DIST": ends})
    np.testing.assert_allclose(stars["GAIAEDR3_DIST_ERR"], [0.3, NAN, NAN])
    np.testing.assert_allclose(stars["GAIAEDR3_DIST_LO"], columns["lo"])
    np.testing.assert_allclose(stars["GAIAEDR3_DIST_HI"], columns["hi"])
    assert stars.origin["GAIAEDR3_DIST_ERR"] == ("lo",)
    sides = Source(("d",), below="down", above="up")
    stars = read({"d": [1.0], "down": [0.2], "up": [0.4]}, {"GAIAEDR3_DIST": sides})
    np.testing.assert_allclose([stars[f"GAIAEDR3_DIST_{end}"][0] for end in ("LO", "HI", "ERR")], [0.8, 1.4, 0.3])
    # A second source without ends leaves those of its stars open; so does one whose ends are not both there.
    stars = read(
        {"d": [NAN, 2.0], "lo": [1.0, 1.9], "hi": [2.0, 2.1], "p": [5.0, 5.0], "q": [1.0, 1.0]},
        {"GAIAEDR3_DIST": (ends, Source(("p",), lower="q", upper="absent"))},
    )
    np.testing.assert_allclose(stars["GAIAEDR3_DIST"], [5.0, 2.0])
    np.testing.assert_allclose(stars["GAIAEDR3_DIST_LO"], [NAN, 1.9])
    assert stars.origin["GAIAEDR3_DIST_ERR"] == ("lo",)


def test_ends_of_a_logarithm_that_do_not_exist_are_missing():
    source = Source(("g",), unit="cm s-2", transform="log10", below="down", above="up")
    stars = read({"g": [100.0] * 3, "down": [90.0, 100.0, 101.0], "up": [900.0] * 3}, {"LOGG": source})
    np.testing.assert_allclose(stars["LOGG_LO"], [1.0, NAN, NAN])
    np.testing.assert_allclose(stars["LOGG_HI"], [3.0] * 3)
    np.testing.assert_allclose(stars["LOGG_ERR"], [1.0, NAN, NAN])


def test_distances_to_the_ends_have_no_high_placeholders():
    """A magnitude of 99 is none; a value 99 K below another one is."""
    source = Source(("t",), below="down", above="up")
    stars = read({"t": [4800.0], "down": [99.0], "up": [101.0]}, {"TEFF": source})
    assert (stars["TEFF_LO"][0], stars["TEFF_HI"][0], stars["TEFF_ERR"][0]) == (4701.0, 4901.0, 100.0)


def test_an_error_of_nothing_is_none_for_a_parallax_only():
    sources = {"PARALLAX": Source(("p",), error=("e",)), "TEFF": Source(("t",), error=("e",))}
    stars = read({"p": [1.0, 1.0], "t": [4800.0] * 2, "e": [0.0, 0.1]}, sources)
    np.testing.assert_array_equal(stars["PARALLAX_ERR"], [NAN, 0.1])
    np.testing.assert_array_equal(stars["TEFF_ERR"], [0.0, 0.1])
    assert np.isnan(read({"p": [1.0]}, {"PARALLAX": Source(("p",))})["PARALLAX_ERR"]).all()


def test_placeholders_of_a_layout_are_found_to_the_precision_of_single_floats():
    near, far = -3.3 * (1 + 0.5 * SENTINEL_TOLERANCE), -3.3 * (1 + 5 * SENTINEL_TOLERANCE)
    stars = read({"k": [-3.3, near, far, 0.5, 77.0]}, {"J": Source(("k",))}, sentinels=(-3.3, 77.0))
    np.testing.assert_array_equal(stars["J"], [NAN, NAN, far, 0.5, NAN])
    assert stars.impossible == {}


# ---- what is said of the sources


def test_sources_are_named_star_by_star():
    sources = (Source(("a",), called="Gaia DR3"), Source(("b",), called_by=("whose",)), Source(("c",)))
    columns = {"a": [1.0, NAN, NAN, NAN, NAN], "b": [2.0, 2.0, 2.0, 2.0, NAN], "c": [3.0] * 5}
    columns["whose"] = ["x", "Gaia DR3", "Hipparcos", "", "y"]
    stars = read(columns, {"PARALLAX": sources})
    assert stars["PARALLAX_SRC"].tolist() == ["Gaia EDR3", "Gaia EDR3", "Hipparcos", "b", "c"]
    stars = read(columns, {"PARALLAX": sources}, parallax_corrected=True)
    assert stars["PARALLAX_SRC"].tolist() == ["Gaia EDR3 corrected", "Gaia EDR3", "Hipparcos", "b", "c"]


# ---- flags


@pytest.mark.parametrize(
    ("flags", "bad"),
    [
        ((Flag("word"),), [False, True, True, True, True]),
        ((Flag("word", bits=(0,)),), [False, True, False, True, False]),
        ((Flag("word", bits=(1,)),), [False, False, True, True, False]),
        ((Flag("word", bits=(0, 1)),), [False, True, True, True, False]),
        ((Flag("ratio", above=1.4),), [False, False, True, False, False]),
        ((Flag("ratio", above=1.4), Flag("word", bits=(0,))), [False, True, True, True, False]),
        ((Flag("word", bits=(1,)), Flag("ratio", above=1.0)), [False, True, True, True, False]),
        ((Flag("answer"),), [True, False, True, False, False]),
    ],
)
def test_what_makes_a_star_bad(flags, bad):
    columns = {"k": [10.0] * 5, "word": [0, 1, 2, 3, -1], "ratio": [0.9, 1.4, 1.5, NAN, 0.0]}
    columns["answer"] = ["True", "f", "T", "FALSE", ""]
    stars = read(columns, {"K": Source(("k",))}, bad_star=flags)
    assert stars["BAD_STAR"].tolist() == bad
    assert stars["BAD_STAR"].dtype == bool
    assert stars.origin["BAD_STAR"] == tuple(flag.column for flag in flags)
    assert "BAD_PARALLAX" not in stars
    with_values = read(columns, {"K": Source(("k",), flags=flags)}, bad_parallax=flags)
    assert np.isnan(with_values["K"]).tolist() == bad
    assert with_values["BAD_PARALLAX"].tolist() == bad


def test_words_of_flags_are_one_for_each_star():
    with pytest.raises(ColumnError, match=r"column word has shape \(1, 2\); one flag word"):
        read({"k": [10.0], "word": [[1, 2]]}, {"K": Source(("k",))}, bad_star=(Flag("word"),))
    with pytest.raises(ColumnError, match=r"column name has shape \(1, 2\); one value per star"):
        read({"name": [["a", "b"]]}, {"APOGEE_ID": Source(("name",))})


# ---- metallicity


def test_an_iron_abundance_that_stands_in_is_counted_once():
    with pytest.warns(ImpossibleValueWarning, match=r": M_H 1\.$"):
        stars = read({"f": [-20.0, 0.1], "e": [0.1, 0.2]}, {"FE_H": Source(("f",), error=("e",))})
    assert stars.impossible == {"M_H": 1}
    for name in ("M_H", "FE_H"):
        np.testing.assert_array_equal(stars[name], [NAN, 0.1])
        assert stars.origin[name] == ("f",)
        assert stars.origin[f"{name}_ERR"] == ("e",)
    stars["M_H"][1] = 0.3
    assert stars["FE_H"][1] == 0.1
    with pytest.warns(ImpossibleValueWarning, match="M_H 1, FE_H 2"):
        both = read({"m": [-20.0, 0.1], "f": [-20.0, 9.0]}, {"M_H": Source(("m",)), "FE_H": Source(("f",))})
    assert both.impossible == {"M_H": 1, "FE_H": 2}
    assert "M_H_ERR" not in read({"f": [0.1]}, {"FE_H": Source(("f",))})


# ---- further columns


def test_columns_that_are_kept_as_they_are():
    table = Table({"K": [10.0, 11.0, 12.0]})
    table["AGE_X"], table["AGE_X"].unit = [1.0, 2.0, 3.0], "Gyr"
    table["MASS_X"], table["MASS_X"].unit = [2e30, 4e30, -9999.0], "kg"
    table["MASS_X_SRC"] = ["a", "b", ""]
    table["TRUE_MAG"], table["TRUE_MAG"].unit = [99.99, 1.0, -9999.0], "mag"
    table["TRUE_AGE"], table["TRUE_AGE"].unit = [99.99, 1.0, -9999.0], "Gyr"
    table["TRUE_SIZE"] = [99.99, 1.0, 2.0]
    table["TRUE_SET"] = MaskedColumn([True, True, False], mask=[True, False, False])
    table["TRUE_COUNT"] = MaskedColumn([1, 2, 3], mask=[True, False, False])
    table["TRUE_PAIR"] = np.arange(6.0).reshape(3, 2)
    layout = Layout("mine", "Mine", quantities={"K": (Source(("K",)),)}, keep=("AGE_*", "MASS_*", "TRUE_*"))
    stars = as_stars(table, layout)
    assert stars["AGE_X"].tolist() == [1.0, 2.0, 3.0]
    np.testing.assert_allclose(stars["MASS_X"], [1.00583, 2.01166, NAN], rtol=1e-4)
    assert stars["MASS_X_SRC"].tolist() == ["a", "b", ""]
    np.testing.assert_array_equal(stars["TRUE_MAG"], [NAN, 1.0, NAN])
    np.testing.assert_array_equal(stars["TRUE_AGE"], [99.99, 1.0, NAN])
    assert stars["TRUE_SIZE"].tolist() == [99.99, 1.0, 2.0]
    assert (stars["TRUE_SET"].tolist(), stars["TRUE_SET"].dtype) == ([False, True, False], bool)
    assert (stars["TRUE_COUNT"].tolist(), stars["TRUE_COUNT"].dtype) == ([-1, 2, 3], np.int64)
    assert stars["TRUE_PAIR"].tolist() == [[0.0, 1.0], [2.0, 3.0], [4.0, 5.0]]
    assert stars.units == {"AGE_X": "Gyr", "TRUE_MAG": "mag", "TRUE_AGE": "Gyr"}
    assert all(stars.origin[name] == (name,) for name in table.colnames if name != "K")


def test_texts_that_are_objects_are_kept_as_texts():
    frame = pd.DataFrame({"K": [10.0, 11.0], "NOTE": pd.Series(["a", None], dtype=object)})
    frame["RAW"], frame["SIZE"] = [b"x", b"y"], pd.Series([1.5, None], dtype=object)
    stars = as_stars(frame, columns=["NOTE", "RAW", "SIZE"])
    assert stars["NOTE"].tolist() == ["a", ""]
    assert stars["RAW"].tolist() == ["x", "y"]
    np.testing.assert_array_equal(stars["SIZE"], [1.5, NAN])


def test_ages_are_judged_by_their_unit():
    columns = {"K": [10.0] * 3, "AGE_X": [2000.0, 3000.0, 4000.0]}
    stars = read(columns, {"K": Source(("K",))}, keep=["AGE_X"], units={"AGE_X": "Myr"})
    assert stars.units["AGE_X"] == "Myr"
    for unit in ("", "dex(yr)"):
        with pytest.raises(UnitError, match="they look like ages in years, or in Myr"):
            read(columns, {"K": Source(("K",))}, keep=["AGE_X"], units={"AGE_X": unit})


def test_a_quantity_that_is_no_number_can_be_kept_too():
    names, k = ["KIC", "CLUSTER", "STARFLAG"], {"K": Source(("K",))}
    stars = read({"K": [10.0], "CLUSTER": ["M67"], "KIC": [12], "STARFLAG": [3]}, k, keep=names)
    assert (stars["CLUSTER"][0], stars["KIC"][0], stars["STARFLAG"][0]) == ("M67", 12, 3)
    with pytest.warns(DistMassWarning, match="KIC is left out"):
        stars = read({"K": [10.0, 10.0], "KIC": [1.5, 2.0], "CLUSTER": ["a", "b"]}, k, keep=names)
    assert "KIC" not in stars
    assert "KIC" not in stars.origin
    assert "CLUSTER" in stars


# ---- what a value can be


#: Unit and possible range; whether 99.99 and such are placeholders, and whether 0 is. Of magnitudes 0 is a placeholder,
#: as only Vega has it. 768 mas and 1.3 pc are Proxima Centauri's. Angles may be counted from -180 or from 0.
POSSIBLE = {
    "RA GLON": ("deg", -180.0, 360.0, False, False),
    "DEC GLAT": ("deg", -90.0, 90.0, False, False),
    "FE_H": ("dex", -5.0, 2.0, True, False),
    "FE_H_ERR": ("dex", 0.0, 7.0, True, False),
    "J H K MAG IRAC_4_5 WISE_4_5 GAIAEDR3_PHOT_G_MEAN_MAG GAIAEDR3_PHOT_BP_MEAN_MAG GAIAEDR3_PHOT_RP_MEAN_MAG": (
        "mag", -6.0, 30.0, True, True,
    ),
    "J_ERR H_ERR K_ERR": ("mag", 0.0, 10.0, True, False),
    "A_K AK_TARG AK_WISE EXTINCTION": ("mag", -3.0, 30.0, True, False),
    "A_K_ERR EXTINCTION_ERR": ("mag", 0.0, 30.0, True, False),
    "EBV SFD_EBV": ("mag", -3.0, 500.0, True, False),
    "PARALLAX": ("mas", -900.0, 900.0, False, False),
    "PARALLAX_ERR": ("mas", 0.0, 300.0, False, False),
    "GAIAEDR3_DIST DISTANCE DISTANCE_WEIGHTED NMSU_DIST": ("kpc", 0.001, 300.0, False, False),
    "GAIAEDR3_DIST_LO DISTANCE_HI NMSU_DIST_LO95 NMSU_DIST_HI95 DISTANCE_ERR": ("kpc", 0.0, 1000.0, False, False),
    "ABS_MAG": ("mag", -15.0, 25.0, True, False),
    "ABS_MAG_ERR": ("mag", 0.0, 20.0, True, False),
    "RUWE": ("", 0.0, 10000.0, False, False),
}  # fmt: skip


@pytest.mark.parametrize("names", POSSIBLE)
def test_the_range_of_each_quantity(names):
    unit, low, high, placeholders, zero = POSSIBLE[names]
    known = _build()
    for name in names.split():
        about = known[name]
        assert (about.kind, about.unit) == ("number", unit)
        assert (about.high_sentinels, about.zero_is_missing) == (placeholders, zero)
        values = np.array([np.nextafter(low, -np.inf), low, high, np.nextafter(high, np.inf), 0.0, NAN])
        # A zero that is a placeholder, and one out of the range, are missing as well.
        n_bad = 2 + (zero or not low <= 0.0 <= high)
        assert drop_impossible(values, about) == n_bad
        np.testing.assert_array_equal(values[:4], [NAN, low, high, NAN])
        assert np.isnan(values[4]) == (n_bad == 3)


def test_labels_and_other_kinds_of_quantities():
    known = _build()
    for name, unit in (("TEFF", "K"), ("LOGG", "dex(cm / s2)"), ("M_H", "dex"), ("C_FE", "dex"), ("N_FE", "dex")):
        value, error = known[name], known[f"{name}_ERR"]
        assert value.unit.replace(" ", "") in (unit.replace(" ", ""), "dex(cms-2)")
        assert error.unit == ("K" if name == "TEFF" else "dex")
        assert (error.minimum, error.maximum) == (0.0, value.maximum - value.minimum)
        assert value.high_sentinels
        assert error.high_sentinels
    kinds = {"APOGEE_ID": "text", "CLUSTER": "text", "KIC": "identifier", "EPIC": "identifier", "STARFLAG": "flags"}
    assert {name: known[name].kind for name in kinds} == kinds
    assert (quantity("MASS_X").minimum, quantity("MASS").maximum, quantity("MASS").unit) == (0.0, 500.0, "Msun")
    assert (quantity("AGE").unit, quantity("AGE_X").unit, quantity("AGE_X_ERR").unit) == ("dex(yr)", "dex(yr)", "dex")
    assert quantity("MASSIVE") is quantity("AGES") is None


@pytest.mark.parametrize(
    ("values", "unit", "refused"),
    [
        ([2.5], "cm / s2", True),
        ([2.5], "dex(cm / s2)", False),
        ([9.99], "cm / s2", True),
        ([10.0], "cm / s2", False),
        ([], "cm / s2", False),
        ([NAN], "cm / s2", False),
        ([2.0, 3.0, 900.0], "m / s2", True),
    ],
)
def test_a_gravity_or_its_logarithm(values, unit, refused):
    if not refused:
        check_gravity(np.array(values), "g", unit)
        return
    with pytest.raises(UnitError, match=r"column g has the unit .*write the unit as dex\("):
        check_gravity(np.array(values), "g", unit)
