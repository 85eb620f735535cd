"""Small tables for the user guide: mock stars in the columns and units of surveys, as their files have them."""

import numpy as np
from astropy.table import Table

from skdistmass.datasets import make_survey

__all__ = ["write_allstar", "write_aspcap", "write_galah", "write_masses", "write_xp"]

#: 0.302 mag of A_K are one of E(B-V) on the scale of the dust map.
_DUST = 0.302


def _mock(n_stars, seed, bad_fraction=0.01):
    survey = make_survey(n_stars, random_state=seed, seismic_fraction=0.5, bad_fraction=bad_fraction)
    return Table(survey.filled(np.nan), copy=False)


def _like(survey, columns):
    """Make a table of columns given as ``name: (column of the survey or values, factor, unit)``."""
    table = Table()
    for name, (values, factor, unit) in columns.items():
        values = survey[values].value * factor if isinstance(values, str) else values
        table[name] = values
        table[name].unit = unit
    return table


def write_allstar(path, n_stars=2000, seed=0):
    """Write a file in the layout of APOGEE's allStar of DR17, without masses."""
    survey = _mock(n_stars, seed)
    kept = [name for name in survey.colnames if not name.startswith(("TRUE_", "MASS", "EVSTATE", "CLUSTER", "A_K"))]
    table = survey[kept]
    table["GAIAEDR3_SOURCE_ID"] = np.arange(n_stars) + 2_000_000_000_000
    for name in ("C_FE", "N_FE"):
        table[f"{name}_FLAG"] = np.zeros(n_stars, np.int32)
    table.meta.clear()
    table.write(path)


def write_masses(masses_path, names_path, n_stars=2000, seed=0):
    """Write masses by number in the Kepler Input Catalog, as APOKASC-3 has them, and a list of names in 2MASS."""
    survey = _mock(n_stars, seed)
    kic = np.arange(n_stars) + 1_000_000
    columns = {"KIC": (kic, 1, None), "Evol_State": (np.full(n_stars, "RGB/RC"), 1, None)}
    columns |= {"Mass": ("MASS", 1, None), "S_Mass": ("MASS_ERR", 1, None), "Teff": ("TEFF", 1, None)}
    columns |= {"Logg_Seis": ("TRUE_LOGG", 1, None), "[Fe/H]": ("FE_H", 1, None)}
    known = survey["MASS"] > 0
    first = np.unique(survey["APOGEE_ID"], return_index=True)[1]
    chosen = first[known[first]]
    _like(survey, columns)[chosen].write(masses_path)
    names = Table({"KIC": kic[chosen], "2MASS_ID": survey["APOGEE_ID"][chosen]})
    names.write(names_path)


def write_aspcap(path, n_stars=2000, seed=1):
    """Write a file in the layout of SDSS-V's astraAllStarASPCAP."""
    survey = _mock(n_stars, seed)
    columns = {
        "sdss_id": (np.arange(n_stars) + 54_000_000, 1, None),
        "sdss4_apogee_id": (np.asarray(survey["APOGEE_ID"]), 1, None),
        "l": ("GLON", 1, "deg"),
        "b": ("GLAT", 1, "deg"),
        "plx": ("GAIAEDR3_PARALLAX", 1, "mas"),
        "e_plx": ("GAIAEDR3_PARALLAX_ERROR", 1, "mas"),
        "r_med_photogeo": ("GAIAEDR3_R_MED_PHOTOGEO", 1, "pc"),
        "j_mag": ("J", 1, "mag"),
        "h_mag": ("H", 1, "mag"),
        "k_mag": ("K", 1, "mag"),
        "e_k_mag": ("K_ERR", 1, "mag"),
        "w2_mag": ("WISE_4_5", 1, "mag"),
        "ebv_sfd": ("SFD_EBV", 0.884, "mag"),
        "version_id": (np.full(n_stars, 31), 1, None),
        "raw_teff": ("TEFF", 1, "K"),
        "flag_bad": (np.zeros(n_stars, bool), 1, None),
    }
    for name, ours in {"teff": "TEFF", "logg": "LOGG", "m_h_atm": "M_H", "fe_h": "FE_H"}.items():
        columns |= {name: (ours, 1, "K" if name == "teff" else "dex"), f"e_{name}": (f"{ours}_ERR", 1, None)}
    for name, ours in {"c": "C_FE", "n": "N_FE"}.items():
        columns[f"{name}_h"] = (survey[ours] + survey["FE_H"], 1, "dex")
        columns[f"e_{name}_h"] = (f"{ours}_ERR", 1, "dex")
        columns[f"{name}_h_flags"] = (np.zeros(n_stars, int), 1, None)
    _like(survey, columns).write(path)


def write_galah(path, n_stars=2000, seed=0):
    """Write a file in the layout of GALAH DR4, on a scale of its own: 40 K hotter, log g higher by 0.06."""
    survey, rng = _mock(n_stars, seed), np.random.default_rng(seed)
    columns = {
        "sobject_id": (np.arange(n_stars) + 140_100_000_000_000, 1, None),
        "gaiadr3_source_id": (np.arange(n_stars) + 2_000_000_000_000, 1, None),
        "flag_sp": (np.zeros(n_stars, int), 1, None),
        "teff": (survey["TEFF"] + rng.normal(40.0, 20.0, n_stars), 1, "K"),
        "logg": (survey["LOGG"] + rng.normal(0.06, 0.03, n_stars), 1, "dex"),
        "ks_m": ("K", 1, "mag"),
        "j_m": ("J", 1, "mag"),
        "ebv": ("SFD_EBV", 1, "mag"),
        "a_ks": ("TRUE_EXTINCTION", 1, "mag"),
        "b": ("GLAT", 1, "deg"),
        "parallax": ("GAIAEDR3_PARALLAX", 1, "mas"),
        "parallax_error": ("GAIAEDR3_PARALLAX_ERROR", 1, "mas"),
    }
    for name in ("FE_H", "C_FE", "N_FE"):
        columns |= {name.lower(): (name, 1, "dex"), f"e_{name.lower()}": (f"{name}_ERR", 1, "dex")}
        columns[f"flag_{name.lower()}"] = (np.zeros(n_stars, int), 1, None)
    columns |= {"e_teff": ("TEFF_ERR", 1, "K"), "e_logg": ("LOGG_ERR", 1, "dex")}
    _like(survey, columns).write(path)


def write_xp(folder, n_files=2, n_stars=1000):
    """Write Parquet files of labels from Gaia's XP spectra, without C and N, with magnitudes of 2MASS."""
    folder.mkdir()
    for number in range(n_files):
        survey = _mock(n_stars, 10 + number)
        columns = {"source_id": (np.arange(n_stars) + 3_000_000_000_000 + number * n_stars, 1, None)}
        labels = {"teff_xgboost": "TEFF", "logg_xgboost": "LOGG", "mh_xgboost": "M_H", "b": "GLAT"}
        columns |= {name: (ours, 1, None) for name, ours in labels.items()}
        columns |= {name: (name, 1, "mag") for name in ("J", "H", "K")}
        columns |= {
            "parallax": ("GAIAEDR3_PARALLAX", 1, "mas"),
            "parallax_error": ("GAIAEDR3_PARALLAX_ERROR", 1, "mas"),
        }
        _like(survey, columns).to_pandas().to_parquet(folder / f"part{number}.parquet")
