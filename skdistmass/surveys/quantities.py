"""The quantities that a survey table can give: canonical name, unit, and the range a real value can have."""

from dataclasses import dataclass
from typing import Literal

import numpy as np

from skdistmass.labels import LABELS, error_unit

Kind = Literal["number", "text", "identifier", "flags"]


@dataclass(frozen=True)
class Quantity:
    """One canonical column of `skdistmass.surveys.Stars`.

    Numbers are float64 (NaN where missing), texts str (blank), identifiers and flags int64 (0).
    """

    name: str
    kind: Kind = "number"
    unit: str = ""  # of the numbers, in astropy's notation; blank if they have none
    minimum: float = -np.inf  # a number outside the range is not a measurement: it is read as missing, and counted
    maximum: float = np.inf
    high_sentinels: bool = False  # whether 99, 99.99, 999 ... stand for a missing value
    zero_is_missing: bool = False


def _numbers(names: str, unit: str, minimum: float, maximum: float, high: bool = False, zero: bool = False) -> list:
    return [Quantity(name, "number", unit, minimum, maximum, high, zero) for name in names.split()]


def _build() -> dict[str, Quantity]:
    items = [Quantity(name, "text") for name in ("APOGEE_ID", "APSTAR_ID", "TMASS_ID", "SURVEY_ID", "CLUSTER")]
    items += [Quantity(name, "text") for name in ("AK_TARG_METHOD", "EXTINCTION_METHOD", "PIPELINE")]
    items += [Quantity(name, "identifier") for name in ("GAIA_SOURCE_ID", "SDSS_ID", "KIC", "EPIC")]
    items += [Quantity(name, "flags") for name in ("STARFLAG", "ASPCAPFLAG")]
    items += _numbers("RA GLON", "deg", -180.0, 360.0) + _numbers("DEC GLAT", "deg", -90.0, 90.0)
    for label in LABELS:
        items += _numbers(label.name, label.unit, label.minimum, label.maximum, high=True)
        extent = label.maximum - label.minimum
        items += _numbers(label.name + "_ERR", error_unit(label.name), 0.0, extent, high=True)
    items += _numbers("FE_H", "dex", -5.0, 2.0, high=True) + _numbers("FE_H_ERR", "dex", 0.0, 7.0, high=True)
    # The brightest star of the sky in K has -4.4 mag (Betelgeuse).
    items += _numbers("J H K MAG IRAC_4_5 WISE_4_5", "mag", -6.0, 30.0, high=True, zero=True)
    gaia = "GAIAEDR3_PHOT_G_MEAN_MAG GAIAEDR3_PHOT_BP_MEAN_MAG GAIAEDR3_PHOT_RP_MEAN_MAG"
    items += _numbers(gaia, "mag", -6.0, 30.0, high=True, zero=True)
    items += _numbers("J_ERR H_ERR K_ERR", "mag", 0.0, 10.0, high=True)
    # Colour excesses scatter below zero; the Galactic centre has about 3 mag in K.
    items += _numbers("A_K AK_TARG AK_WISE EXTINCTION", "mag", -3.0, 30.0, high=True)
    items += _numbers("A_K_ERR EXTINCTION_ERR", "mag", 0.0, 30.0, high=True)
    items += _numbers("EBV SFD_EBV", "mag", -3.0, 500.0, high=True)
    # The nearest star has 768 mas and 0.0013 kpc; spectra of single stars reach the Magellanic Clouds (62 kpc).
    items += _numbers("PARALLAX", "mas", -900.0, 900.0) + _numbers("PARALLAX_ERR", "mas", 0.0, 300.0)
    distances = "GAIAEDR3_DIST DISTANCE DISTANCE_WEIGHTED NMSU_DIST"
    for name in distances.split():
        items += _numbers(name, "kpc", 1e-3, 300.0)
        items += _numbers(f"{name}_LO {name}_HI {name}_LO95 {name}_HI95 {name}_ERR", "kpc", 0.0, 1000.0)
    items += _numbers("ABS_MAG", "mag", -15.0, 25.0, high=True) + _numbers("ABS_MAG_ERR", "mag", 0.0, 20.0, high=True)
    items += _numbers("RUWE", "", 0.0, 1e4)
    return {item.name: item for item in items}


QUANTITIES = _build()


def quantity(name: str) -> Quantity | None:
    """Look a canonical column up; masses and ages of any scale are among them. None for any other name."""
    if name in QUANTITIES:
        return QUANTITIES[name]
    if name == "MASS" or name.startswith("MASS_"):
        return Quantity(name, "number", "Msun", 0.0, 500.0)
    if name == "AGE" or name.startswith("AGE_"):
        return Quantity(name, "number", "dex" if name.endswith("_ERR") else "dex(yr)")
    return None
