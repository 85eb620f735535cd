"""Zero points of Gaia's parallaxes, by choice."""

from __future__ import annotations

from numbers import Real
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from skdistmass.exceptions import ColumnError, DistMassError, InputError
from skdistmass.surveys.stars import Stars

#: Choices by name; a number (mas) is one as well.
ZERO_POINTS = ("model", "lindegren", "none")
_FIVE_PARAMETERS = 31  # ASTROMETRIC_PARAMS_SOLVED of a source whose colour was known
_INPUTS = ("GAIAEDR3_PHOT_G_MEAN_MAG", "GAIAEDR3_PHOT_BP_MEAN_MAG", "GAIAEDR3_PHOT_RP_MEAN_MAG", "RA", "DEC")


def effective_wavenumber(colour: ArrayLike) -> NDArray[np.float64]:
    """Return the effective wavenumber (1/micron) of a Gaia source by its colour BP - RP.

    By Lindegren et al. (2021, A&A 649, A2, eq. 3); NaN outside -0.5 to 7 mag, where the relation does not hold.
    """
    c = np.asarray(colour, dtype=np.float64)
    c = np.where((c >= -0.5) & (c <= 7.0), c, np.nan)
    return 2.0 - 1.8 / np.pi * np.arctan(0.331 + 0.572 * c - 0.014 * c**2 + 0.045 * c**3)


def correct_parallaxes(stars: Stars, choice: str | float) -> Stars:
    """Subtract the zero point of Gaia EDR3 from a survey's parallaxes (mas), if it has some that Gaia EDR3 measured.

    "model" leaves it to the model (constants, see `skdistmass.TrainingCuts`). "lindegren" is the function of magnitude,
    colour and position of Lindegren et al. (2021, A&A 649, A4), by the package gaiadr3-zeropoint (the extra "gaia");
    stars outside its range, or without a colour, keep the model's constant. "none" takes the parallaxes as they are. A
    number (mas) is subtracted as it is. PARALLAX_SRC of corrected stars is "Gaia EDR3 corrected", so that the model
    does not correct them again. Distances of Bailer-Jones et al. have their zero point subtracted already, and don't
    change.
    """
    check_zero_point(choice)
    if choice == "model" or "PARALLAX" not in stars or "PARALLAX_SRC" not in stars:
        return stars
    from_gaia = stars["PARALLAX_SRC"] == "Gaia EDR3"
    if choice == "lindegren":
        zero_point = np.full(len(stars), np.nan)
        zero_point[from_gaia] = _lindegren(stars[from_gaia])
    else:
        zero_point = np.full(len(stars), 0.0 if choice == "none" else float(choice))
    corrected = from_gaia & np.isfinite(zero_point)
    parallax = stars["PARALLAX"] - np.where(corrected, zero_point, 0.0)
    source = np.where(corrected, "Gaia EDR3 corrected", stars["PARALLAX_SRC"])
    return stars.with_columns({"PARALLAX": parallax, "PARALLAX_SRC": source})


def check_zero_point(choice: object) -> None:
    """Refuse what is not a choice, before any work is done."""
    if isinstance(choice, str) and choice in ZERO_POINTS:
        if choice == "lindegren":
            _package()
        return
    if not isinstance(choice, Real) or isinstance(choice, bool) or not abs(float(choice)) < 1:
        raise InputError(f"the parallax zero point is {choice!r}; give {', '.join(ZERO_POINTS)}, or a number in mas.")


def _package() -> Any:
    try:
        from zero_point import zpt
    except ImportError as error:
        raise DistMassError(
            "the zero point of Lindegren et al. needs the package gaiadr3-zeropoint: pip install 'skdistmass[gaia]', "
            "or choose another zero point."
        ) from error
    return zpt


def _lindegren(stars: Stars) -> NDArray[np.float64]:
    """Zero points (mas) of Gaia EDR3 sources, NaN where the function does not hold."""
    from astropy.coordinates import BarycentricTrueEcliptic, SkyCoord

    zpt = _package()
    zpt.load_tables()
    absent = [name for name in _INPUTS if name not in stars]
    if absent:
        raise ColumnError(
            f"the zero point of Lindegren et al. needs {', '.join(_INPUTS)}; the survey has no {', '.join(absent)}."
        )
    g_mag, bp_mag, rp_mag, ra, dec = (stars[name] for name in _INPUTS)
    nu_eff = effective_wavenumber(bp_mag - rp_mag)
    known = np.isfinite(g_mag) & np.isfinite(nu_eff) & np.isfinite(ra) & (np.abs(dec) <= 90)
    zero_point = np.full(len(stars), np.nan)
    if known.any():
        place = SkyCoord(ra[known], dec[known], unit="deg").transform_to(BarycentricTrueEcliptic())
        # Stars of a spectroscopic survey are bright and have a colour: Gaia solved for five parameters.
        solved = np.full(np.count_nonzero(known), _FIVE_PARAMETERS)
        colour = nu_eff[known]
        zero_point[known] = zpt.get_zpt(g_mag[known], colour, colour, place.lat.deg, solved, _warnings=False)
    return zero_point
