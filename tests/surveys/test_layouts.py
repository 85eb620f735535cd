"""Each survey layout: the same stars, written in its columns, types and units, are read as the same stars."""

import csv

import numpy as np
import pytest
from astropy import units as u
from astropy.io import fits
from astropy.table import Table

from skdistmass.datasets import make_survey
from skdistmass.exceptions import ColumnError
from skdistmass.surveys import as_stars, list_layouts, load_layout, read_survey
from skdistmass.surveys.layout import LAWS

pytestmark = pytest.mark.slow

EBV_LAW = LAWS["ebv_to_ak"]["majewski2011"]
N = 60


@pytest.fixture(scope="module")
def truth():
    """The stars as DR17's layout gives them, with identifiers and both metallicities."""
    survey = make_survey(N, random_state=5, sentinel_fraction=0.0, bad_fraction=0.1)
    survey.remove_columns([name for name in survey.colnames if name.startswith("TRUE_")])
    survey["GAIAEDR3_SOURCE_ID"] = 5853498713190525000 + np.arange(N)
    survey["C_FE_FLAG"] = np.where(np.arange(N) % 7 == 0, 1 << 8, 0)
    survey["N_FE_FLAG"] = np.where(np.arange(N) % 11 == 0, 4, 0)
    survey["FE_H_FLAG"] = np.zeros(N, dtype=int)
    stars = as_stars(survey)
    assert stars.layout == "apogee-dr17"
    assert np.isnan(stars["C_FE"]).sum() == 9
    return stars


def _xh(stars, name):
    """[X/H] of stars; a number where [X/Fe] is flagged, as the surveys have it."""
    return np.where(np.isfinite(stars[name]), stars[name], 0.0) + stars["FE_H"]


def _flagged(stars, name):
    return np.where(np.isnan(stars[name]), 4, 0)


def _spectroscopy(stars):
    """Columns of astra's APOGEE files."""
    return {
        "teff": (stars["TEFF"], "K"),
        "e_teff": (stars["TEFF_ERR"], "K"),
        "logg": (stars["LOGG"], "log10(cm/s^2)"),
        "e_logg": (stars["LOGG_ERR"], "log10(cm/s^2)"),
        "m_h_atm": (stars["M_H"], "dex"),
        "e_m_h_atm": (stars["M_H_ERR"], "dex"),
        "fe_h": (stars["FE_H"], "dex"),
        "e_fe_h": (stars["FE_H_ERR"], "dex"),
        "fe_h_flags": (np.zeros(N, int), ""),
        "c_h": (_xh(stars, "C_FE"), "dex"),
        "e_c_h": (stars["C_FE_ERR"], "dex"),
        "c_h_flags": (_flagged(stars, "C_FE"), "dex"),
        "n_h": (_xh(stars, "N_FE"), "dex"),
        "e_n_h": (stars["N_FE_ERR"], "dex"),
        "n_h_flags": (_flagged(stars, "N_FE"), "dex"),
        "flag_bad": (stars["BAD_STAR"], ""),
    }


def _astra(stars, spectroscopy=True):
    about = {
        "sdss_id": (np.arange(N) + 54_000_000, ""),
        "sdss4_apogee_id": (stars["APOGEE_ID"], ""),
        "gaia_dr3_source_id": (stars["GAIA_SOURCE_ID"], ""),
        "ra": (stars["RA"], "deg"),
        "dec": (stars["DEC"], "deg"),
        "l": (stars["GLON"], "deg"),
        "b": (stars["GLAT"], "deg"),
        "plx": (stars["PARALLAX"], "mas"),
        "e_plx": (stars["PARALLAX_ERR"], "mas"),
        "k_mag": (stars["K"], "mag"),
        "e_k_mag": (stars["K_ERR"], "mag"),
        "h_mag": (stars["H"], "mag"),
        "w2_mag": (stars["WISE_4_5"], "Vega"),
        "ebv": (stars["A_K"] / EBV_LAW, "mag"),
        "ebv_flags": (np.full(N, 2), ""),
        "r_med_geo": (1100 * stars["GAIAEDR3_DIST"], "pc"),
        "r_med_photogeo": (1000 * stars["GAIAEDR3_DIST"], "pc"),
        "r_lo_photogeo": (1000 * stars["GAIAEDR3_DIST_LO"], "pc"),
        "r_hi_photogeo": (1000 * stars["GAIAEDR3_DIST_HI"], "pc"),
        "zgr_plx": (2 * stars["PARALLAX"], ""),
        "version_id": (np.full(N, 31), ""),
        "spectrum_flags": (stars["STARFLAG"], ""),
        "result_flags": (np.zeros(N, int), ""),
        "raw_teff": (stars["TEFF"] + 100, "K"),
        "mass": (np.full(N, 9.0), "M_sun"),
    }
    return about | (_spectroscopy(stars) if spectroscopy else {})


def _aspcap(stars):
    return _astra(stars)


def _mwmlite(stars):
    lite = _astra(stars)
    del lite["raw_teff"], lite["flag_bad"]
    return lite | {"pipeline": (np.full(N, "aspcap"), ""), "classification": (np.full(N, "star"), "")}


def _astronn(stars):
    columns = _astra(stars)
    for name in ("m_h_atm", "e_m_h_atm", "c_h_flags", "n_h_flags", "fe_h_flags"):
        del columns[name]
    for name, key in (("c_h", "C_FE"), ("n_h", "N_FE")):
        columns[name] = (np.where(np.isnan(stars[key]), np.nan, _xh(stars, key)), "dex")
    return columns | {"raw_c_h": (stars["FE_H"], "dex")}


def _thepayne(stars):
    columns = _astronn(stars)
    del columns["raw_teff"], columns["raw_c_h"]
    units = {
        name: (values, "" if name in ("teff", "logg", "c_h") else unit) for name, (values, unit) in columns.items()
    }
    return units | {"v_turb": (np.ones(N), ""), "c12_c13": (np.ones(N), "")}


def _galah(stars):
    return {
        "sobject_id": (140_100_000_000_000 + np.arange(N), ""),
        "tmass_id": (np.char.add("1", stars["APOGEE_ID"]), ""),
        "gaiadr3_source_id": (stars["GAIA_SOURCE_ID"], ""),
        "ra": (stars["RA"], "deg"),
        "dec": (stars["DEC"], "deg"),
        "flag_sp": (np.where(stars["BAD_STAR"], 512, 0), ""),
        "teff": (stars["TEFF"], "K"),
        "e_teff": (stars["TEFF_ERR"], "K"),
        "logg": (stars["LOGG"], "log(cm.s**-2)"),
        "e_logg": (stars["LOGG_ERR"], ""),
        "fe_h": (stars["FE_H"], "dex"),
        "e_fe_h": (stars["FE_H_ERR"], "dex"),
        "flag_fe_h": (np.zeros(N, int), ""),
        "c_fe": (np.nan_to_num(stars["C_FE"]), "dex"),
        "e_c_fe": (stars["C_FE_ERR"], "dex"),
        "flag_c_fe": (_flagged(stars, "C_FE"), ""),
        "n_fe": (np.nan_to_num(stars["N_FE"]), "dex"),
        "e_n_fe": (stars["N_FE_ERR"], "dex"),
        "flag_n_fe": (_flagged(stars, "N_FE"), ""),
        "mass": (np.full(N, 9.0), "solMass"),
        "age": (np.full(N, 9.0), "Gyr"),
        "a_ks": (stars["A_K"], "mag"),
        "ebv": (stars["EBV"], "mag"),
        "r_med": (1000 * stars["GAIAEDR3_DIST"], "pc"),
        "r_lo": (1000 * stars["GAIAEDR3_DIST_LO"], "pc"),
        "r_hi": (1000 * stars["GAIAEDR3_DIST_HI"], "pc"),
        "j_m": (stars["J"], "mag"),
        "h_m": (stars["H"], "mag"),
        "ks_m": (stars["K"], "mag"),
        "ks_msigcom": (stars["K_ERR"], "mag"),
        "W2mag": (stars["WISE_4_5"], "mag"),
        "parallax": (stars["PARALLAX"], "mas"),
        "parallax_error": (stars["PARALLAX_ERR"], "mas"),
    }


def _named(stars, names, unit="K"):
    return {own: (stars[key], {"TEFF": unit}.get(key, "")) for own, key in names.items()}


def _lamost(stars):
    names = {"ra": "RA", "dec": "DEC", "teff": "TEFF", "teff_err": "TEFF_ERR", "logg": "LOGG", "logg_err": "LOGG_ERR"}
    names |= {"feh": "FE_H", "feh_err": "FE_H_ERR", "gaia_source_id": "GAIA_SOURCE_ID"}
    return {"obsid": (np.arange(N), ""), "designation": (np.full(N, "J00"), "")} | _named(stars, names)


def _ddpayne(stars):
    names = {"Teff": "TEFF", "Logg": "LOGG", "FeH": "FE_H", "C_FE": "C_FE", "N_FE": "N_FE"}
    errors = {name + "_err": key + "_ERR" for name, key in names.items()}
    return _named(stars, names | errors) | {"C_FE_flag": (np.ones(N, int), "")}


def _xiang(stars):
    return _named(stars, {"TEFF": "TEFF", "LOGG": "LOGG", "FEH": "FE_H", "C_FE": "C_FE", "N_FE": "N_FE"})


def _gaia_eso(stars):
    names = {
        "RA": "RA",
        "DECLINATION": "DEC",
        "TEFF": "TEFF",
        "E_TEFF": "TEFF_ERR",
        "LOGG": "LOGG",
        "E_LOGG": "LOGG_ERR",
    }
    return {"CNAME": (stars["APOGEE_ID"], "")} | _named(stars, names | {"FEH": "FE_H", "E_FEH": "FE_H_ERR"})


def _gspspec(stars):
    names = {"source_id": "GAIA_SOURCE_ID", "teff_gspspec": "TEFF", "logg_gspspec": "LOGG", "mh_gspspec": "M_H"}
    columns = _named(stars, names | {"nfe_gspspec": "N_FE", "parallax": "PARALLAX", "parallax_error": "PARALLAX_ERR"})
    for key, name in (("TEFF", "teff_gspspec"), ("M_H", "mh_gspspec")):
        columns[name + "_lower"] = (stars[key] - stars[key + "_ERR"], "")
        columns[name + "_upper"] = (stars[key] + stars[key + "_ERR"], "")
    return columns


def _andrae(stars):
    return _named(
        stars, {"source_id": "GAIA_SOURCE_ID", "teff_xgboost": "TEFF", "logg_xgboost": "LOGG", "mh_xgboost": "M_H"}
    )


def _bailer_jones(stars):
    ends = {"med": "", "lo": "_LO", "hi": "_HI"}
    columns = {f"r_{e}_photogeo": (1000 * stars["GAIAEDR3_DIST" + key], "pc") for e, key in ends.items()}
    columns |= {f"r_{e}_geo": (1100 * stars["GAIAEDR3_DIST" + key], "pc") for e, key in ends.items()}
    return {"source_id": (stars["GAIA_SOURCE_ID"], "")} | columns


def _apokasc(stars):
    names = {"Teff": "TEFF", "S_Teff": "TEFF_ERR", "Logg_Seis": "LOGG", "S_Logg_Seis": "LOGG_ERR", "[Fe/H]": "FE_H"}
    names |= {
        "S_[Fe/H]": "FE_H_ERR",
        "[C/Fe]": "C_FE",
        "S_[C/Fe]": "C_FE_ERR",
        "[N/Fe]": "N_FE",
        "S_[N/Fe]": "N_FE_ERR",
    }
    extra = {"KIC": (1_000_000 + np.arange(N), ""), "Evol_State": (np.full(N, "RC"), "")}
    return extra | _named(stars, names) | {"Mass": (np.full(N, 1.2), ""), "S_Mass": (np.full(N, 0.1), "")}


def _vizier(stars):
    names = {"APOGEE": "APOGEE_ID", "RAJ2000": "RA", "DEJ2000": "DEC", "Jmag": "J", "Ksmag": "K", "e_Ksmag": "K_ERR"}
    names |= {"Teff": "TEFF", "e_Teff": "TEFF_ERR", "logg": "LOGG", "e_logg": "LOGG_ERR", "Plx": "PARALLAX"}
    names |= {"__M_H_": "M_H", "e__M_H_": "M_H_ERR", "__C_Fe_": "C_FE", "__N_Fe_": "N_FE", "e_Plx": "PARALLAX_ERR"}
    return _named(stars, names)


def _distmass(stars):
    names = {"APOGEE_ID": "APOGEE_ID", "TEFF": "TEFF", "LOGG": "LOGG", "M_H": "M_H", "C_FE": "C_FE", "N_FE": "N_FE"}
    columns = _named(stars, names | {"MAG": "K", "EXTINCTION": "A_K"})
    columns |= {"ABS_MAG": (np.full(N, -1.5), "mag"), "DISTANCE": (1000 * stars["GAIAEDR3_DIST"], "pc")}
    columns |= {
        "DISTANCE_ERR": (50 * stars["GAIAEDR3_DIST"], "pc"),
        "WEIGHTED_DIST": (1000 * stars["GAIAEDR3_DIST"], ""),
    }
    columns |= {"WEIGHTED_DIST_ERR": (40 * stars["GAIAEDR3_DIST"], ""), "BITMASK": (np.ones(N, int), "")}
    for scale in ("SS", "MO", "TW"):
        columns |= {f"MASS_COR_{scale}": (np.full(N, 1.2), ""), f"MASS_UNCOR_{scale}": (np.full(N, 1.3), "")}
        columns |= {f"AGE_COR_{scale}": (np.full(N, 5e9), ""), f"AGE_UNCOR_{scale}": (np.full(N, 4e9), "yr")}
    return columns | {"AGE_ERR": (np.full((N, 2), [0.1, 0.2]), "")}


def _starhorse(stars):
    columns = {"sdss_id": (np.arange(N) + 54_000_000, ""), "DR3_source_id": (stars["GAIA_SOURCE_ID"], "")}
    for name, key in (("teff", "TEFF"), ("logg", "LOGG"), ("met", "M_H")):
        error = stars[key + "_ERR"]
        columns |= {f"{name}{p}": (stars[key] + s * error, "") for p, s in ((16, -1), (50, 0), (84, 1))}
    columns |= {f"mass{p}": (np.full(N, 1.2 + s), "solar masses") for p, s in ((16, -0.1), (50, 0), (84, 0.1))}
    columns |= {f"dist{p}": (stars["GAIAEDR3_DIST"] * s, "kpc") for p, s in ((16, 0.9), (50, 1), (84, 1.1))}
    return columns | {"AV50": (stars["A_K"] / 0.078, "mag"), "AV16": (stars["A_K"], "mag")}


def _starflow(stars):
    columns = {"sdss_id": (np.arange(N) + 54_000_000, ""), "sdss4_apogee_id": (stars["APOGEE_ID"], "")}
    columns |= {
        "age": (np.full(N, 5.0), "Gyr"),
        "e_p_age": (np.full(N, 2.0), "Gyr"),
        "e_n_age": (np.full(N, 1.0), "Gyr"),
    }
    columns |= {f"{end}mass": (np.full(N, 1.2 if not end else 0.1), "Solar Mass") for end in ("", "e_p_", "e_n_")}
    return columns | {"training_density": (np.ones(N), ""), "BITMASK": (np.zeros(N, int), "")}


def _occam(stars):
    names = {"APOGEE_ID": "APOGEE_ID", "GLON": "GLON", "GLAT": "GLAT", "FE_H": "FE_H", "FE_H_ERR": "FE_H_ERR"}
    extra = {"CLUSTER": (np.full(N, "NGC 2682"), ""), "CG_PROB": (np.ones(N), ""), "RV_PROB": (np.ones(N), "")}
    return extra | _named(stars, names)


def _occam_dr19(stars):
    names = {"OBJ_ID": "APOGEE_ID", "RAdeg": "RA", "DEdeg": "DEC", "FeH_ASPCAP": "FE_H", "E_FeH_ASPCAP": "FE_H_ERR"}
    extra = {
        "Cluster": (np.full(N, "NGC 2682"), "---"),
        "SDSS_ID": (np.arange(N), "---"),
        "CG_Prob": (np.ones(N), "---"),
    }
    return extra | _named(stars, names | {"GaiaDR3_ID": "GAIA_SOURCE_ID"})


def _astronn_dist(stars):
    columns = _astra(stars, spectroscopy=False)
    del columns["ebv"]
    columns |= {"L_fakemag": (np.ones(N), ""), "a_k_mag": (stars["A_K"], ""), "flag_bad": (stars["BAD_STAR"], "")}
    columns |= {"gdr3_parallax_w_zp": (stars["PARALLAX"], "mas"), "gdr3_parallax_err": (stars["PARALLAX_ERR"], "mas")}
    distances = {"nn_dist": 1000, "nn_dist_err": 50, "weighted_dist": 1000, "weighted_dist_err": 40}
    return columns | {name: (factor * stars["GAIAEDR3_DIST"], "pc") for name, factor in distances.items()}


WRITERS = {
    "sdss5-aspcap": _aspcap,
    "sdss5-mwmlite": _mwmlite,
    "sdss5-astronn": _astronn,
    "sdss5-thepayne": _thepayne,
    "sdss5-astronn-dist": _astronn_dist,
    "galah-dr4": _galah,
    "lamost-afgk": _lamost,
    "lamost-ddpayne": _ddpayne,
    "lamost-xiang2019": _xiang,
    "gaia-eso": _gaia_eso,
    "gaia-gspspec": _gspspec,
    "gaia-xp-andrae": _andrae,
    "bailer-jones-edr3": _bailer_jones,
    "apokasc3": _apokasc,
    "apogee-dr17-vizier": _vizier,
    "distmass-dr17": _distmass,
    "starhorse": _starhorse,
    "starflow": _starflow,
    "occam": _occam,
    "occam-dr19": _occam_dr19,
}
# Quantities that a layout reads from what is not the same in DR17: [C/H] errors in quadrature, isochrone labels.
DIFFERENT = ("SURVEY_ID", "APSTAR_ID", "CLUSTER", "EBV", "EBV_SRC", "A_K_SRC", "GAIAEDR3_DIST_SRC", "ORIGIN")


def _table(columns):
    table = Table()
    for name, (values, unit) in columns.items():
        table[name] = values
        if unit:
            table[name].unit = u.Unit(unit, parse_strict="silent")
    return table


def _write_fits(path, columns, empty_first=False):
    """Write columns in single precision, as the surveys do, with units in the survey's own spelling."""
    kinds = {"f": "E", "i": "K", "b": "L"}
    made = []
    for name, (values, unit) in columns.items():
        values = np.asarray(values)
        kind = f"{values.dtype.itemsize // 4}A" if values.dtype.kind == "U" else kinds[values.dtype.kind]
        shape = values.shape[1:]
        made.append(fits.Column(name, f"{shape[0]}{kind}" if shape else kind, unit=unit or None, array=values))
    full = fits.BinTableHDU.from_columns(made, name="APOGEE")
    first = [fits.BinTableHDU.from_columns(fits.ColDefs(made), nrows=0, name="BOSS")] if empty_first else []
    fits.HDUList([fits.PrimaryHDU(), *first, full]).writeto(path, output_verify="silentfix")


def _assert_same(stars, truth, layout):
    checked = 0
    for name in stars:
        if (
            name not in truth
            or (stars[name].dtype.kind == "f" and np.isnan(stars[name]).all())
            or name in DIFFERENT
            or name.startswith(("MASS", "AGE"))
        ):
            continue
        if layout.startswith("sdss5-") and name in ("C_FE_ERR", "N_FE_ERR"):
            expected = np.hypot(truth[name], truth["FE_H_ERR"])
        elif name.removesuffix("_ERR") == "M_H" and stars.metallicity == "FE_H":
            expected = truth["FE_H" + name.removeprefix("M_H")]
        else:
            expected = truth[name]
        if expected.dtype.kind == "f":
            given = np.isfinite(stars[name]) | np.isfinite(expected)
            # A difference of two numbers in single precision keeps their rounding; errors of an interval, too.
            np.testing.assert_allclose(
                stars[name][given], expected[given], rtol=2e-3 if "_ERR" in name else 1e-5, atol=2e-6
            )
        elif name == "PARALLAX_SRC":
            assert set(stars[name]) <= {"", "Gaia EDR3", "Gaia EDR3 corrected"}
        else:
            np.testing.assert_array_equal(stars[name], expected, err_msg=name)
        checked += 1
    return checked


@pytest.mark.filterwarnings("ignore::astropy.units.UnitsWarning")
@pytest.mark.filterwarnings("ignore::astropy.io.fits.verify.VerifyWarning")
@pytest.mark.parametrize("layout", WRITERS)
def test_the_same_stars_come_out_of_every_layout(layout, truth, tmp_path):
    columns = WRITERS[layout](truth)
    _write_fits(tmp_path / "a.fits", columns, empty_first=layout.startswith("sdss5-"))
    for stars in (read_survey(tmp_path / "a.fits"), as_stars(_table(columns))):
        assert stars.layout == layout
        assert len(stars) == N
        assert _assert_same(stars, truth, layout) >= (1 if layout == "starflow" else 3)
        assert stars.impossible == {}


def test_every_layout_is_tested_or_an_allstar_of_apogee():
    others = {"apogee-dr14", "apogee-dr16", "apogee-dr17", "generic", "mock", "skdistmass", "shared-k2-giants"}
    others |= {"sdss5-source", "sdss5-source-list", "kic-2mass"}
    assert {layout.name for layout in list_layouts()} == others | set(WRITERS)
    assert all(layout.title and (layout.citation or layout.name == "generic") for layout in list_layouts())


def test_what_is_left_out_and_what_is_told_apart(truth):
    aspcap = as_stars(_table(_aspcap(truth)))
    assert (aspcap.metallicity, "MASS" in aspcap) == ("M_H", False)
    assert aspcap["SDSS_ID"][0] == 54_000_000
    assert set(aspcap["GAIAEDR3_DIST_SRC"]) <= {"r_med_photogeo", ""}
    galah = as_stars(_table(_galah(truth)))
    assert (galah.metallicity, "MASS" in galah, "AGE" in galah) == ("FE_H", False, False)
    assert as_stars(_table(_mwmlite(truth)))["PIPELINE"].tolist() == ["aspcap"] * N
    nn = as_stars(_table(_astronn_dist(truth)))
    assert set(nn["PARALLAX_SRC"]) <= {"Gaia EDR3 corrected", ""}
    np.testing.assert_allclose(nn["DISTANCE"], truth["GAIAEDR3_DIST"])


def test_ages_and_masses_are_in_the_units_of_the_package(truth):
    published = as_stars(_table(_distmass(truth)))
    np.testing.assert_allclose(published["DISTANCE"], truth["GAIAEDR3_DIST"])
    np.testing.assert_allclose(published["DISTANCE_WEIGHTED_ERR"], 0.04 * truth["GAIAEDR3_DIST"])
    np.testing.assert_allclose(published["AGE_COR_MO"], np.log10(5e9))
    np.testing.assert_allclose(published["AGE_UNCOR_SS"], np.log10(4e9))
    np.testing.assert_allclose(published["AGE_ERR"], 0.15)
    assert published["MASS_COR_TW"][0] == 1.2
    flow = as_stars(_table(_starflow(truth)))
    np.testing.assert_allclose(flow["AGE"], np.log10(5e9))
    np.testing.assert_allclose(flow["AGE_LO"], np.log10(4e9))
    np.testing.assert_allclose(flow["AGE_HI"], np.log10(7e9))
    np.testing.assert_allclose(flow["MASS_ERR"], 0.1)
    horse = as_stars(_table(_starhorse(truth)))
    np.testing.assert_allclose(horse["DISTANCE_LO"], 0.9 * truth["GAIAEDR3_DIST"])
    np.testing.assert_allclose(horse["MASS_ERR"], 0.1)


def test_joined_columns_count_in_every_layout(truth):
    joined = _table(_apokasc(truth))
    for name in ("K", "A_K", "APOGEE_ID", "GAIA_SOURCE_ID"):
        joined[name] = truth[name]
    joined["GAIAEDR3_PARALLAX"], joined["GAIAEDR3_PARALLAX_ERROR"] = truth["PARALLAX"], truth["PARALLAX_ERR"]
    joined["MASS_CAL"], joined["MASS_CAL_ERR"] = np.full(N, 1.1), np.full(N, 0.1)
    stars = as_stars(joined)
    assert stars.layout == "apokasc3"
    np.testing.assert_array_equal(stars["PARALLAX"], truth["PARALLAX"])
    np.testing.assert_array_equal(stars["K"], truth["K"])
    assert {"A_K", "MASS", "MASS_CAL", "MASS_CAL_ERR", "KIC"} <= set(stars)


def test_files_without_labels_say_which_file_has_them(truth, tmp_path):
    columns = _astra(truth, spectroscopy=False)
    del columns["raw_teff"], columns["zgr_plx"]
    _write_fits(tmp_path / "mwmAllStar.fits", columns)
    with pytest.raises(ColumnError, match=r"without labels\. The labels are in astraAllStarASPCAP"):
        read_survey(tmp_path / "mwmAllStar.fits")


def test_flags_of_ruwe_leave_the_parallax_and_say_so():
    stars = as_stars({"TEFF": [4800.0] * 3, "PARALLAX": [1.0] * 3, "RUWE": [1.0, 2.0, np.nan]})
    assert stars["BAD_PARALLAX"].tolist() == [False, True, False]
    assert stars["PARALLAX"].tolist() == [1.0] * 3


def test_a_flag_below_zero_is_a_placeholder_not_bits():
    stars = as_stars({"TEFF": [4800.0] * 3, "ASPCAPFLAG": [-9999, 1 << 23, 0]})
    assert stars["BAD_STAR"].tolist() == [False, True, False]


@pytest.mark.parametrize("form", ["fits", "parquet", "votable", "ascii.ecsv"])
def test_a_catalogue_of_the_package_is_read_back(form, tmp_path):
    table = Table({"APOGEE_ID": ["a", "b"], "TEFF": [4800.0, 4900.0], "MAG": [10.0, 11.0], "ABS_MAG": [-1.5, -1.6]})
    table["DISTANCE"], table["DISTANCE_ERR"] = [1.0, 2.0] * u.kpc, [0.1, 0.2] * u.kpc
    table["MASS_COR_MO"], table["AGE_COR_MO"] = [1.1, 1.2] * u.Msun, [9.5, 9.9]
    if form not in ("fits", "votable"):  # astropy writes no unit of logarithms into these
        table["AGE_COR_MO"].unit = "dex"
    for name in ("DISTANCE_SPACE", "OUT_OF_FOLD", "FLAGS", "BITMASK"):
        table[name] = [0, 1 << 14]
    table.write(tmp_path / "c", format=form)
    stars = read_survey(tmp_path / "c")
    assert stars.layout == "skdistmass"
    for name in table.colnames:
        np.testing.assert_array_equal(stars[name], table[name])
    assert stars["BAD_STAR"].tolist() == [False, True]
    np.testing.assert_array_equal(as_stars(Table.read(tmp_path / "c", format=form))["MASS_COR_MO"], [1.1, 1.2])


FILES = {
    "astraAllStarASPCAP.csv": "sdss5-aspcap",
    "astraMWMLite.csv": "sdss5-mwmlite",
    "astraAllStarAstroNN.csv": "sdss5-astronn",
    "astraAllStarAstroNNdist.csv": "sdss5-astronn-dist",
    "astraAllStarThePayne.csv": "sdss5-thepayne",
    "StarFlow_summary.csv": "starflow",
    "apogee_starhorse.csv": "starhorse",
    "occam_member.csv": "occam-dr19",
    "mwmAllStar.csv": "sdss5-source",
    "allStar.csv": "sdss5-source-list",
}


@pytest.mark.filterwarnings("ignore::astropy.io.fits.verify.VerifyWarning")
@pytest.mark.parametrize("name", FILES)
def test_the_full_columns_of_the_data_models_are_known(name, real_data, truth, tmp_path):
    """Files with all columns, types and units of the survey's own data model; the first extension empty."""
    with open(real_data("layouts/" + name), newline="") as file:
        rows = list(csv.DictReader(file))
    known = WRITERS[FILES[name]](truth) if FILES[name] in WRITERS else {}
    codes = {"int64": "K", "int63": "K", "int32": "J", "uint8": "B", "float32": "E", "float64": "D", "bool": "L"}
    hdus = [fits.PrimaryHDU()]
    last = max(row["hdu"] for row in rows)
    for number in sorted({row["hdu"] for row in rows}):
        columns = []
        for row in rows:
            if row["hdu"] != number:
                continue
            kind, _, width = row["type"].rstrip("]").partition("[")
            code = f"{max(int(width), 20)}A" if kind == "char" else f"{width}{codes[kind]}"
            shape = (N, int(width)) if width and kind != "char" else N
            values = np.full(N, "") if kind == "char" else np.full(shape, np.nan if code in "ED" else 0)
            values = known[row["column"]][0] if row["column"] in known else values
            columns.append(fits.Column(row["column"], code, unit=row["unit"] or None, array=values))
        hdus.append(fits.BinTableHDU.from_columns(columns, nrows=N if number == last else 0))
    fits.HDUList(hdus).writeto(tmp_path / "a.fits")
    layout = load_layout(FILES[name])
    if layout.refuse:
        with pytest.raises(ColumnError, match="The labels are in astraAllStarASPCAP"):
            read_survey(tmp_path / "a.fits")
        return
    stars = read_survey(tmp_path / "a.fits")
    assert (stars.layout, stars.table, len(stars)) == (layout.name, f"HDU {last}", N)
    read = [name for name in ("TEFF", "LOGG", "K", "PARALLAX") if name in layout.quantities and name in stars]
    assert all(np.isfinite(stars[name]).any() for name in read)
    assert _assert_same(stars, truth, layout.name) >= (1 if layout.name == "starflow" else 3)
