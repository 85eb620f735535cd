"""Make what the test in a browser needs: the page, files of surveys, and what `skdistmass predict` says of them.

``python e2e/make_files.py FOLDER [--rows 2000] [--model apogee] [--million]``
"""

import argparse
import sys
import warnings
from pathlib import Path

import numpy as np
from astropy.io import fits
from astropy.table import Table

from skdistmass.catalog import build_catalog
from skdistmass.datasets import make_survey
from skdistmass.deploy import DEFAULT_MODEL, write_page
from skdistmass.deploy.pretrained import load_pretrained, pretrained_path

sys.path.insert(0, str(Path(__file__).parents[2] / "benchmarks"))
from mock_allstar import write_mock_allstar

# Column of astra's files to that of the mock survey.
_ASTRA = {
    "sdss4_apogee_id": "APOGEE_ID", "ra": "RA", "dec": "DEC", "l": "GLON",
    "b": "GLAT", "j_mag": "J", "e_j_mag": "J_ERR", "h_mag": "H", "e_h_mag": "H_ERR", "k_mag": "K", "e_k_mag": "K_ERR",
    "mag4_5": "IRAC_4_5", "w2_mag": "WISE_4_5", "plx": "GAIAEDR3_PARALLAX", "e_plx": "GAIAEDR3_PARALLAX_ERROR",
    "r_med_photogeo": "GAIAEDR3_R_MED_PHOTOGEO", "r_lo_photogeo": "GAIAEDR3_R_LO_PHOTOGEO",
    "r_hi_photogeo": "GAIAEDR3_R_HI_PHOTOGEO", "teff": "TEFF", "e_teff": "TEFF_ERR", "logg": "LOGG",
    "e_logg": "LOGG_ERR", "m_h_atm": "M_H", "e_m_h_atm": "M_H_ERR", "fe_h": "FE_H", "e_fe_h": "FE_H_ERR",
}  # fmt: skip
# Column of GALAH's table to that of the mock survey, and the unit that its file states.
_GALAH = {
    "tmass_id": ("APOGEE_ID", None), "ra": ("RA", "deg"),
    "dec": ("DEC", "deg"), "teff": ("TEFF", "K"), "e_teff": ("TEFF_ERR", "K"), "logg": ("LOGG", "log(cm.s**-2)"),
    "e_logg": ("LOGG_ERR", None), "fe_h": ("FE_H", "dex"), "e_fe_h": ("FE_H_ERR", "dex"), "c_fe": ("C_FE", "dex"),
    "e_c_fe": ("C_FE_ERR", "dex"), "n_fe": ("N_FE", "dex"), "e_n_fe": ("N_FE_ERR", "dex"), "j_m": ("J", "mag"),
    "j_msigcom": ("J_ERR", "mag"), "h_m": ("H", "mag"), "h_msigcom": ("H_ERR", "mag"), "ks_m": ("K", "mag"),
    "ks_msigcom": ("K_ERR", "mag"), "parallax": ("GAIAEDR3_PARALLAX", "arcsec"),
    "parallax_error": ("GAIAEDR3_PARALLAX_ERROR", "arcsec"), "r_med": ("GAIAEDR3_R_MED_PHOTOGEO", "pc"),
    "r_lo": ("GAIAEDR3_R_LO_PHOTOGEO", "pc"), "r_hi": ("GAIAEDR3_R_HI_PHOTOGEO", "pc"),
}  # fmt: skip
_PLAIN = [
    "APOGEE_ID", "APSTAR_ID", "TEFF", "LOGG", "M_H", "FE_H", "C_FE", "N_FE", "J", "H", "K", "J_ERR", "H_ERR", "K_ERR",
    "RA", "DEC", "ASPCAPFLAG", "CLUSTER",
]  # fmt: skip
_NARROW = [
    "APOGEE_ID", "TEFF", "LOGG", "M_H", "FE_H", "C_FE", "N_FE", "J", "H", "K", "AK_TARG", "GLAT", "GAIAEDR3_PARALLAX",
    "GAIAEDR3_PARALLAX_ERROR",
]  # fmt: skip
_FILES = ["dr17.fits", "astra.fits", "plain.csv", "galah.vot", "galah2.vot", "galah.parquet"]


def _numbers(survey, name):
    return np.ma.filled(np.ma.asarray(survey[name], dtype=float), np.nan)


def _astra(survey, path, rng):
    """Write a file as astra does: BOSS's table, here empty, and APOGEE's with null values and flags."""
    n = len(survey)
    columns = {"sdss_id": np.arange(n) + 60_000_000, "spectrum_pk": np.arange(n) + 1, "version_id": np.zeros(n, int)}
    columns["gaia_dr3_source_id"] = 4_295_806_720_000_000_001 + np.arange(n)
    columns |= {name: np.asarray(survey[own]) for name, own in _ASTRA.items()}
    for element in "cn":
        sentinel = (_numbers(survey, f"{element.upper()}_FE") < -999) | (_numbers(survey, "FE_H") < -999)
        total = _numbers(survey, f"{element.upper()}_FE") + _numbers(survey, "FE_H")
        columns[f"{element}_h"] = np.where(sentinel, np.nan, total).astype(np.float32)
        columns[f"e_{element}_h"] = np.asarray(survey[f"{element.upper()}_FE_ERR"])
        columns[f"{element}_h_flags"] = (rng.random(n) < 0.02).astype(np.int64)
    columns["fe_h_flags"] = (rng.random(n) < 0.01).astype(np.int64) * 4
    columns["ebv"] = rng.gamma(1.0, 0.1, n).astype(np.float32)
    columns["ebv_flags"] = (rng.random(n) < 0.3).astype(np.int64)
    columns["ebv_rjce_allwise"] = np.where(rng.random(n) < 0.5, np.nan, rng.normal(0.1, 0.05, n))
    columns["ebv_sfd"] = rng.gamma(1.0, 0.1, n)
    columns["flag_bad"] = rng.random(n) < 0.02
    columns["spectrum_flags"] = np.zeros(n, np.int64)
    table = Table(columns)
    boss = fits.BinTableHDU(table[:0], name="BOSS")
    fits.HDUList([fits.PrimaryHDU(), boss, fits.BinTableHDU(table, name="APOGEE")]).writeto(path, overwrite=True)


def _galah(survey, path, table_format):
    columns = {name: survey[own] for name, (own, _) in _GALAH.items()}
    table = Table({name: np.ma.filled(np.ma.asarray(values), np.nan) if values.dtype.kind == "f" else np.asarray(values)
                   for name, values in columns.items()})  # fmt: skip
    for name in ("parallax", "parallax_error"):
        table[name] = table[name] / 1000.0
    table["sobject_id"] = np.arange(len(table)) + 131_116_000_501_002
    table["flag_sp"] = np.where(np.arange(len(table)) % 40 == 0, 256, 0).astype(np.int32)
    for element in ("fe_h", "c_fe", "n_fe"):
        table[f"flag_{element}"] = (np.arange(len(table)) % 37 == 5).astype(np.int32)
    for name, (_, unit) in _GALAH.items():
        if unit is not None:
            table[name].unit = unit
    if table_format == "parquet":
        table.write(path, overwrite=True)
    else:
        table.write(path, format="votable", tabledata_format=table_format, overwrite=True)


def _plain(survey, path):
    table = Table({name: np.asarray(survey[name]) for name in _PLAIN})
    table.write(path, format="ascii.csv", overwrite=True)


def make_files(folder, rows=2000, *, model=DEFAULT_MODEL, million=False):
    """Write the page and the files into a folder, and the catalogue of each file into ``expected``."""
    folder = Path(folder)
    expected = folder / "expected"
    expected.mkdir(parents=True, exist_ok=True)
    write_page(folder, pretrained_path(model).read_bytes(), name=model)
    rng = np.random.default_rng(0)
    survey = make_survey(rows, random_state=1)
    write_mock_allstar(folder / "dr17.fits", rows, random_state=2, overwrite=True)
    _astra(survey, folder / "astra.fits", rng)
    _plain(survey, folder / "plain.csv")
    _galah(survey, folder / "galah.vot", "tabledata")
    _galah(survey, folder / "galah2.vot", "binary2")
    _galah(survey, folder / "galah.parquet", "parquet")
    predictor = load_pretrained(model, threads=1)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        for path in (folder / name for name in _FILES):
            build_catalog(predictor, path, expected / f"{path.stem}-{path.suffix[1:]}.fits", overwrite=True)
    whole = (folder / "dr17.fits").read_bytes()
    (folder / "cut.fit").write_bytes(whole[: len(whole) // 2])
    (folder / "damaged.pq").write_bytes((folder / "galah.parquet").read_bytes()[:-40] + b"\0" * 40)
    (folder / "broken.xml").write_text((folder / "galah.vot").read_text()[:20_000])
    (folder / "words.txt").write_text("<b>name</b>,TEFF,LOGG,M_H,K\n<img src=x>,hot,2.5,0.1,9\n")
    (folder / "photo.bin").write_bytes(bytes(range(256)) * 20)
    if million:
        _million(folder / "million.fits")


def _million(path):
    """Write a file of a million stars, made of one of fewer."""
    survey = make_survey(20_000, random_state=3)
    piece = Table({name: np.asarray(survey[name]) for name in _NARROW}).as_array()
    Table(np.tile(piece, 50)).write(path, overwrite=True)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--rows", type=int, default=2000)
    parser.add_argument("--model", default=DEFAULT_MODEL)
    parser.add_argument("--million", action="store_true")
    given = parser.parse_args()
    make_files(given.folder, given.rows, model=given.model, million=given.million)
