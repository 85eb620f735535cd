"""Rows and header cards of a catalogue, by a stand-in for a model: quick, and down to each column."""

from types import SimpleNamespace

import numpy as np
import pytest
from astropy import units as u
from astropy.io import fits
from astropy.table import Table

from skdistmass.catalog import build_catalog
from skdistmass.catalog.finished import _agree
from skdistmass.catalog.provenance import origin_of, posterior_cards, read_cards
from skdistmass.catalog.rows import _convert, _isochrone_distances, _posterior, catalog_columns, prepared
from skdistmass.datasets import make_survey
from skdistmass.exceptions import ColumnError, InputError
from skdistmass.extinction import ExtinctionChoice
from skdistmass.model import STORED_LEVELS, StoredPosterior
from skdistmass.schema.columns import layout
from skdistmass.surveys import as_stars
from skdistmass.surveys.files import identify

COLUMNS = {column.name: column for column in layout(["CAL"])}


@pytest.fixture(scope="module")
def catalogs(stand_in, tmp_path_factory):
    """A catalogue of 60 stars in each form, with ages, and the stars."""

    class WithAges:
        card = {}

        def predict_columns(self, stars, *, out_of_fold=True):
            age = 9.0 + stars["TEFF"] / 5000.0
            columns = {"AGE_CAL": age, "AGE_CAL_LO": age - 0.1, "AGE_CAL_HI": age + 0.3, "DISTANCE_ERR": age}
            mass = {"MASS_CAL_ERR": 0.1 * age, "MASS_ERR": 0.1 * age, "ABS_MAG_ERR": age, "LABEL_FALLBACK": age < 0}
            return stand_in.predict_columns(stars) | columns | mass

    folder = tmp_path_factory.mktemp("rows")
    make_survey(60, random_state=0).write(folder / "survey.fits")
    for name in ("plain.fits", "plain.vot", "plain.parquet"):
        build_catalog(WithAges(), folder / "survey.fits", folder / name, chunk_rows=25)
    build_catalog(WithAges(), folder / "survey.fits", folder / "published.fits", style="distmass", chunk_rows=25)
    return folder


def test_published_names_and_units(catalogs):
    plain, published = (Table.read(catalogs / f"{name}.fits") for name in ("plain", "published"))
    same = ["TEFF", "LOGG", "M_H", "C_FE", "N_FE", "EXTINCTION", "MAG", "ABS_MAG", "ABS_MAG_ERR", "MASS_CAL"]
    expected = {name: (np.asarray(plain[name], float), plain[name].unit) for name in [*same, "MASS_ERR"]}
    expected["LOGG"] = expected["LOGG"][0], None
    expected |= {name: (expected[name][0], None) for name in ("M_H", "C_FE", "N_FE")}
    sources = {"WEIGHTED_DIST": "DISTANCE_WEIGHTED", "WEIGHTED_DIST_ERR": "DISTANCE_WEIGHTED_ERR"}
    for name in ("GAIAEDR3_DIST", "DISTANCE", "DISTANCE_ERR", *sources):
        expected[name] = 1000.0 * np.asarray(plain[sources.get(name, name)], float), "pc"
    age = np.asarray(plain["AGE_CAL"], float)
    ends = [np.asarray(plain[f"AGE_CAL_{end}"], float) for end in ("HI", "LO")]
    expected["AGE_CAL"], expected["AGE_ERR"] = (
        (10.0**age, "yr"),
        (np.column_stack([ends[0] - age, age - ends[1]]), None),
    )
    assert set(published.colnames) - {"APSTAR_ID"} == {*expected, "APOGEE_ID", "BITMASK"}
    for name, (values, unit) in expected.items():
        found = np.ma.filled(np.ma.asarray(published[name]), np.nan)
        np.testing.assert_allclose(found, values, rtol=1e-6, err_msg=name)
        assert str(published[name].unit or "") == str(unit or ""), name
    for name in ("APOGEE_ID", "BITMASK"):
        assert published[name].tolist() == plain[name].tolist()


def test_integers_that_nobody_knows_are_null_in_every_form(catalogs):
    for ending, kind in (("fits", "FITS"), ("vot", "VOTable"), ("parquet", "Parquet")):
        assert identify(catalogs / f"plain.{ending}") == kind
        table = Table.read(catalogs / f"plain.{ending}")
        unknown, flags = (np.ma.asarray(table[name]) for name in ("AGE_CAL_FLAG", "FLAGS"))
        assert np.isnan(np.ma.filled(unknown.astype(float), np.nan)).all(), ending
        assert not np.ma.getmaskarray(flags).any(), ending
        known = fits.getdata(catalogs / "plain.fits", 1)
        np.testing.assert_array_equal(np.asarray(table["DISTANCE"]), known["DISTANCE"])


def test_a_catalogue_says_what_it_was_made_from(catalogs):
    cards = [read_cards(catalogs / f"plain.{ending}") for ending in ("fits", "vot", "parquet")]
    assert all(found["MODEL"] == "WithAges" and found["NSTARS"] for found in cards)
    assert all(found["INSHA256"] == cards[0]["INSHA256"] for found in cards)
    survey = f"survey.fits (SHA-256 {cards[0]['INSHA256']})"
    for name in ("plain.fits", "published.fits", "plain.vot"):
        assert origin_of(catalogs / name) == {"model": "WithAges", "survey": survey}
    assert origin_of(catalogs / "survey.fits") == {}


def test_cards_of_posteriors():
    assert posterior_cards(None) == []
    found = {
        name: value for name, value, _ in posterior_cards(StoredPosterior(form="quantiles", n_samples=100, seed=3))
    }
    assert found["POSTFORM"] == "quantiles"
    assert (found["POSTDRAW"], found["POSTSEED"], found["POSTSCAL"]) == (100, 3, "the first")
    assert found["POSTLEV"] == " ".join(f"{level:.6g}" for level in STORED_LEVELS)
    assert not {"POSTISO", "POSTALPH", "POSTLOSS", "POSTSTAT"} & set(found)
    assert "POSTLEV" not in {name for name, _, _ in posterior_cards(StoredPosterior(form="draws"))}


@pytest.mark.parametrize(
    ("name", "values", "expected"),
    [
        ("APOGEE_ID", None, [b"", b""]),
        ("APOGEE_ID", ["2M1", "x" * 20], [b"2M1", b"x" * 20]),
        ("LABEL_FALLBACK", None, [b"\0", b"\0"]),
        ("LABEL_FALLBACK", np.array([True, False]), [b"T", b"F"]),
        ("FLAGS", None, [-1, -1]),
        ("FLAGS", np.array([7, 0]), [7, 0]),
        ("DISTANCE", np.array([1.5, np.inf]), [1.5, np.nan]),
        ("DISTANCE", None, [np.nan, np.nan]),
    ],
)
def test_values_in_the_types_of_the_schema(name, values, expected):
    column = COLUMNS[name]
    found = _convert(values, column, 2)
    assert found.dtype == np.dtype({"U": "S" + column.dtype[1:], "?": "S1"}.get(column.dtype[0], column.dtype))
    np.testing.assert_array_equal(found, np.array(expected, dtype=found.dtype))


def test_text_that_does_not_fit_a_catalogue_is_refused():
    width = int(COLUMNS["APOGEE_ID"].dtype[1:])
    assert _convert(["x" * width], COLUMNS["APOGEE_ID"], 1)[0] == b"x" * width
    with pytest.raises(ColumnError, match=f"has {width + 1} characters"):
        _convert(["a", "x" * (width + 1)], COLUMNS["APOGEE_ID"], 2)
    with pytest.raises(InputError, match="outside ASCII"):
        _convert(["é"], COLUMNS["APOGEE_ID"], 1)


def test_isochrones_get_magnitudes_with_errors_and_give_distances_in_kpc():
    """A magnitude without an error has 0.02 mag."""
    asked = {}

    def predict_posterior(stars, **given):
        asked.update(given)
        distances = {"distance": [1.0, 2.0, 3.0], "distance_p16": [0.9, 1.9, 2.9], "distance_p84": [1.2, 2.2, 3.2]}
        return {name: (1000.0 * np.array(values)) * u.pc for name, values in distances.items()} | {"flag": [0, 4, 1]}

    stars = as_stars({"TEFF": [4800.0] * 3, "K": [9.0] * 3, "K_ERR": [0.05, 0.0, np.nan]})
    columns = {"MAG": stars["K"], "EXTINCTION": np.full(3, 0.1), "EXTINCTION_ERR": np.full(3, 0.03)}
    found = _isochrone_distances(SimpleNamespace(predict_posterior=predict_posterior), stars, columns)
    assert asked["magnitude_err"].tolist() == [0.05, 0.02, 0.02]
    assert [asked[name].tolist() for name in ("magnitude", "extinction", "extinction_err")] == [
        values.tolist() for values in columns.values()
    ]
    np.testing.assert_allclose(found["NMSU_DIST"], [1.0, 2.0, 3.0])
    np.testing.assert_allclose(found["NMSU_DIST_LO"], [0.9, 1.9, 2.9])
    np.testing.assert_allclose(found["NMSU_DIST_HI"], [1.2, 2.2, 3.2])
    assert found["NMSU_FLAG"].tolist() == [0, 4, 1]


def test_posteriors_are_of_calibrated_stars_on_the_metallicity_of_the_model():
    stars = as_stars({"TEFF": [4800.0], "M_H": [0.1], "FE_H": [0.3]})
    posterior = SimpleNamespace(columns_of=lambda model, stars, out_of_fold: (stars, out_of_fold))
    calibration = SimpleNamespace(calibrate=lambda stars: stars.with_columns({"TEFF": stars["TEFF"] + 50.0}))
    for metallicity, expected in (("FE_H", 0.3), ("M_H", 0.1)):
        model = SimpleNamespace(card={"metallicity": metallicity})
        given, out_of_fold = _posterior(posterior, model, stars, False, calibration)
        assert (given["TEFF"][0], given["M_H"][0], out_of_fold) == (4850.0, expected, False)
    assert _posterior(posterior, model, stars, True, None) == (stars, True)


def test_stars_of_the_training_are_predicted_out_of_fold_unless_it_is_said():
    asked = []

    def predict_columns(stars, *, out_of_fold):
        asked.append(out_of_fold)
        return {"ABS_MAG": np.zeros(1), "BITMASK": np.zeros(1, int)}

    model = SimpleNamespace(card={}, predict_columns=predict_columns)
    for settings in ({}, {"out_of_fold": True}, {"out_of_fold": False}):
        catalog_columns(as_stars({"TEFF": [4800.0], "K": [9.0]}), model, ExtinctionChoice(), **settings)
    assert asked == [True, True, False]


def test_stars_are_prepared_as_the_model_wants_them():
    """With an extinction, on its metallicity, and with the zero point of the parallaxes taken off."""
    columns = {"TEFF": [4800.0], "M_H": [0.1], "FE_H": [0.3], "A_K": [0.2], "GAIAEDR3_PARALLAX": [0.5]}
    model = SimpleNamespace(card={"metallicity": "FE_H"})
    found = prepared(as_stars(columns), model, ExtinctionChoice(), -0.1)
    assert (found["M_H"][0], found["A_K"][0], found["PARALLAX"][0]) == (0.3, 0.2, 0.6)


@pytest.mark.parametrize(
    ("one", "other", "agree"),
    [
        ([1.0, np.nan], [1.0 + 1e-15, np.nan], True),
        ([1.0, 2.0], [1.0, 2.001], False),
        ([1.0], [1.0 + 5e-10], True),
        ([1.0], [1.0 + 3e-9], False),
        ([0.0], [1e-13], True),
        ([0.0], [0.5], False),
        ([1.0], [np.nan], False),
        (np.ones(1, "f4"), np.full(1, 1.0 + 4e-7, "f4"), True),
        (np.ones(1, "f4"), np.full(1, 1.0 + 1e-6, "f4"), False),
        (np.ma.array([1.0, 2.0], mask=[False, True]), np.ma.array([1.0, 9.0], mask=[False, True]), True),
        ([1.0], [1.0, 2.0], False),
        ([1, 2], [1, 3], False),
        (["a"], ["a"], True),
        (np.ma.array([1, 2], mask=[False, True]), np.ma.array([1, 9], mask=[False, True]), True),
        (np.ma.array([1, 2], mask=[False, True]), np.ma.array([1, 2], mask=[False, False]), False),
    ],
)
def test_columns_agree_to_rounding(one, other, agree):
    assert _agree(np.ma.asarray(one), np.ma.asarray(other)) is agree
