"""Zero points of parallaxes: constants, and the function of Lindegren et al. by its package or a stand-in."""

import sys
import types
from dataclasses import replace

import numpy as np
import pytest
from astropy.table import Table
from click.testing import CliRunner

from skdistmass import AbsMagRegressor, CNMassRegressor, DistMassModel, LevenbergMarquardtMLPRegressor
from skdistmass.catalog import build_catalog
from skdistmass.cli.commands import main
from skdistmass.datasets import make_survey
from skdistmass.exceptions import ColumnError, DistMassError, InputError
from skdistmass.surveys import as_stars
from skdistmass.surveys.parallax import check_zero_point, correct_parallaxes, effective_wavenumber

NAN = np.nan


@pytest.fixture(scope="module")
def model():
    small = {"network": LevenbergMarquardtMLPRegressor(hidden_layer_sizes=4, n_starts=2), "n_networks": 1}
    networks = AbsMagRegressor(**small), CNMassRegressor(**small)
    model = DistMassModel(*networks, mass_scales={"CAL": "MASS_CAL"}, random_state=0)
    return model.fit(make_survey(2000, random_state=0))


@pytest.fixture
def stars():
    return Table(
        {
            "PARALLAX": [0.5, 0.5, 0.5, 0.5, NAN],
            "PARALLAX_SRC": ["Gaia EDR3", "Gaia EDR3", "Gaia DR2", "Gaia EDR3", ""],
            "GAIAEDR3_PHOT_G_MEAN_MAG": [14.0, 11.0, 14.0, 14.0, 14.0],
            "GAIAEDR3_PHOT_BP_MEAN_MAG": [14.6, 11.7, 14.6, NAN, 14.6],
            "GAIAEDR3_PHOT_RP_MEAN_MAG": [13.3, 10.2, 13.3, 13.3, 13.3],
            "RA": [290.0, 100.0, 290.0, 290.0, 290.0],
            "DEC": [45.0, -20.0, 45.0, 45.0, 45.0],
        }
    )


@pytest.fixture
def stand_in_package(monkeypatch):
    """A package with the interface of gaiadr3-zeropoint, whose zero point shows its inputs."""
    zpt = types.SimpleNamespace(loaded=False)

    def load_tables():
        zpt.loaded = True

    def get_zpt(g_mag, nu_eff, pseudocolour, ecl_lat, solved, _warnings=True):
        assert zpt.loaded
        assert (np.asarray(solved) == 31).all()
        zpt.latitude = ecl_lat
        return np.where(np.asarray(g_mag) > 21, np.nan, -0.001 * np.asarray(g_mag) - 0.01 * np.asarray(nu_eff))

    zpt.load_tables, zpt.get_zpt = load_tables, get_zpt
    monkeypatch.setitem(sys.modules, "zero_point", types.SimpleNamespace(zpt=zpt))
    return zpt


def test_only_stars_of_gaia_edr3_with_a_colour_are_corrected(stars, stand_in_package):
    corrected = correct_parallaxes(as_stars(stars), "lindegren")
    expected = -0.001 * np.array([14.0, 11.0]) - 0.01 * effective_wavenumber([1.3, 1.5])
    np.testing.assert_allclose(corrected["PARALLAX"][:2], 0.5 - expected, rtol=1e-12)
    np.testing.assert_array_equal(corrected["PARALLAX"][2:4], [0.5, 0.5])
    assert list(corrected["PARALLAX_SRC"]) == ["Gaia EDR3 corrected"] * 2 + ["Gaia DR2", "Gaia EDR3", ""]
    assert list(stars["PARALLAX"][:2]) == [0.5, 0.5]
    # Ecliptic latitudes of these two places, by hand: sin b = sin dec cos e - cos dec sin e sin ra.
    dec, ra, e = np.radians([45.0, -20.0]), np.radians([290.0, 100.0]), np.radians(23.4393)
    by_hand = np.degrees(np.arcsin(np.sin(dec) * np.cos(e) - np.cos(dec) * np.sin(e) * np.sin(ra)))
    np.testing.assert_allclose(stand_in_package.latitude, by_hand, atol=0.01)


def test_stars_beyond_the_range_keep_theirs(stars, stand_in_package):
    stars["GAIAEDR3_PHOT_G_MEAN_MAG"][0] = 21.5
    assert correct_parallaxes(as_stars(stars), "lindegren")["PARALLAX_SRC"][0] == "Gaia EDR3"


def test_the_package_itself(stars):
    pytest.importorskip("zero_point", reason="gaiadr3-zeropoint is not installed (the extra gaia)")
    zero_point = stars["PARALLAX"] - correct_parallaxes(as_stars(stars), "lindegren")["PARALLAX"]
    # Lindegren et al. (2021), table 9: the terms q_jk between G = 13.1 and 15.9, and between 10.8 and 11.2.
    assert zero_point[0] == pytest.approx(-0.030, abs=0.010)
    assert zero_point[1] == pytest.approx(-0.030, abs=0.015)
    assert zero_point[0] != zero_point[1]
    assert zero_point[3] == 0


@pytest.mark.slow
def test_a_catalogue_says_which_zero_point_it_has(model, stand_in_package, tmp_path):
    survey = make_survey(500, random_state=0)
    for name, above in (("G", 0.0), ("BP", 0.7), ("RP", -0.7)):
        survey[f"GAIAEDR3_PHOT_{name}_MEAN_MAG"] = 13.0 + above
    survey.remove_columns([name for name in survey.colnames if name.startswith("GAIAEDR3_R_MED")])
    survey.write(tmp_path / "survey.fits")
    for choice in ("lindegren", "none"):
        build_catalog(model, tmp_path / "survey.fits", tmp_path / f"{choice}.fits", parallax_zero_point=choice)
    changed, plain = (Table.read(tmp_path / f"{choice}.fits") for choice in ("lindegren", "none"))
    assert changed.meta["PLXZERO"] == "lindegren"
    zero_point = 1 / np.ma.filled(plain["GAIAEDR3_DIST"], NAN) - 1 / np.ma.filled(changed["GAIAEDR3_DIST"], NAN)
    known = np.isfinite(zero_point)
    assert known.sum() > 300
    np.testing.assert_allclose(zero_point[known], -0.013 - 0.01 * effective_wavenumber(1.4), rtol=1e-6)
    assert set(np.asarray(changed["GAIAEDR3_DIST_SRC"])[known].astype(str)) == {"1/parallax Gaia EDR3 corrected"}


def test_absent_columns_are_named(stars, stand_in_package):
    stars.remove_column("GAIAEDR3_PHOT_BP_MEAN_MAG")
    with pytest.raises(ColumnError, match="GAIAEDR3_PHOT_BP_MEAN_MAG"):
        correct_parallaxes(as_stars(stars), "lindegren")


def test_absent_package_is_one_line_that_says_what_to_install(stars, monkeypatch, tmp_path):
    monkeypatch.setitem(sys.modules, "zero_point", None)
    with pytest.raises(DistMassError, match=r"skdistmass\[gaia\]"):
        correct_parallaxes(as_stars(stars), "lindegren")
    make_survey(50, random_state=0).write(tmp_path / "s.fits")
    arguments = ["catalog", str(tmp_path / "s.fits"), "-o", str(tmp_path / "c.fits")]
    result = CliRunner().invoke(main, [*arguments, "--parallax-zero-point", "lindegren"])
    assert result.exit_code == 1
    assert len(result.output.strip().splitlines()) == 1
    assert "skdistmass[gaia]" in result.output


@pytest.mark.parametrize("choice", ["gaia", 2.0, True, None, NAN])
def test_senseless_choices_are_refused(stars, choice):
    with pytest.raises(InputError, match="zero point"):
        correct_parallaxes(as_stars(stars), choice)


def test_wavenumber_of_a_colour():
    """Equation 3 of Lindegren et al. 2021, at a colour where it can be summed by hand, and the ends of its range."""
    assert effective_wavenumber(1.0) == pytest.approx(2.0 - 1.8 / np.pi * np.arctan(0.934))
    assert effective_wavenumber(2.0) == pytest.approx(2.0 - 1.8 / np.pi * np.arctan(1.779))
    assert np.isfinite(effective_wavenumber([-0.5, 7.0])).all()
    assert np.isnan(effective_wavenumber([-0.51, 7.01, np.nan])).all()


@pytest.mark.parametrize(
    ("choice", "expected"), [("none", 0.0), (-0.02, -0.02), (0.999, 0.999), (-0.999, -0.999), (0, 0.0)]
)
def test_a_number_or_nothing_is_subtracted_from_parallaxes_of_gaia_edr3_only(stars, choice, expected):
    stars = as_stars(stars)
    corrected = correct_parallaxes(stars, choice)
    np.testing.assert_array_equal(corrected["PARALLAX"], [0.5 - expected] * 2 + [0.5, 0.5 - expected, NAN])
    edr3 = "Gaia EDR3 corrected"
    assert corrected["PARALLAX_SRC"].tolist() == [edr3, edr3, "Gaia DR2", edr3, ""]
    assert correct_parallaxes(corrected, choice)["PARALLAX"].tolist()[:2] == [0.5 - expected] * 2
    assert correct_parallaxes(stars, "model") is stars
    for absent in ("PARALLAX", "PARALLAX_SRC"):
        bare = replace(stars, columns={n: v for n, v in stars.columns.items() if n != absent})
        assert correct_parallaxes(bare, choice) is bare


@pytest.mark.parametrize("choice", [1, -1, 1.0, False, np.inf, "0.1", [0.1]])
def test_numbers_that_are_no_zero_point(choice):
    with pytest.raises(InputError, match=r"the parallax zero point is .*; give model, lindegren, none, or a number"):
        check_zero_point(choice)


@pytest.mark.parametrize(
    ("name", "value"), [("RA", NAN), ("DEC", NAN), ("DEC", 91.0), ("GAIAEDR3_PHOT_G_MEAN_MAG", NAN)]
)
def test_stars_without_a_place_or_a_magnitude_are_not_corrected(stars, stand_in_package, name, value):
    stars = as_stars(stars)
    values = np.array([value, *stars[name][1:]])
    found = correct_parallaxes(stars.with_columns({name: values}), "lindegren")
    assert found["PARALLAX_SRC"].tolist()[:2] == ["Gaia EDR3", "Gaia EDR3 corrected"]
    assert found["PARALLAX"][0] == 0.5
    values[:] = value  # none is known: the package is not asked
    assert correct_parallaxes(stars.with_columns({name: values}), "lindegren")["PARALLAX_SRC"].tolist() == (
        stars["PARALLAX_SRC"].tolist()
    )


def test_the_poles_are_places(stars, stand_in_package):
    stars = as_stars(stars).with_columns({"DEC": np.array([90.0, -90.0, 0.0, 0.0, 0.0])})
    assert correct_parallaxes(stars, "lindegren")["PARALLAX_SRC"].tolist()[:2] == ["Gaia EDR3 corrected"] * 2
