"""Zero points of Gaia's parallaxes, by choice."""

from numbers import Real

import numpy as np

from skdistmass.exceptions import DistMassError, InputError
from skdistmass.tables import as_floats, find_column

__all__ = ["ZERO_POINTS", "correct_parallaxes", "effective_wavenumber"]

#: Choices by name; a number (mas) is one as well.
ZERO_POINTS = ("model", "lindegren", "none")
_FIVE_PARAMETERS = 31  # ASTROMETRIC_PARAMS_SOLVED of a source whose colour was known
_INPUTS = "GAIAEDR3_PHOT_G_MEAN_MAG, GAIAEDR3_PHOT_BP_MEAN_MAG and GAIAEDR3_PHOT_RP_MEAN_MAG, RA and DEC"


def effective_wavenumber(colour):
    """Effective wavenumber of a Gaia source from its colour.

    Parameters
    ----------
    colour : array-like
        BP - RP (mag).

    Returns
    -------
    nu_eff : ndarray
        In 1/micron; NaN beyond -0.5 to 7 mag, where the relation does not hold.

    References
    ----------
    Lindegren et al. (2021), A&A 649, A2, eq. 3.

    Examples
    --------
    >>> from skdistmass.surveys.parallax import effective_wavenumber
    >>> effective_wavenumber([0.75, 1.3]).round(2)
    array([1.62, 1.51])
    """
    c = np.asarray(colour, dtype=np.float64)
    c = np.where((c >= -0.5) & (c <= 7.0), c, np.nan)
    return 2.0 - 1.8 / np.pi * np.arctan(0.331 + 0.572 * c - 0.014 * c**2 + 0.045 * c**3)


def correct_parallaxes(table, choice):
    """Subtract the zero point of Gaia EDR3 from a survey's parallaxes.

    Only distances that are the inverse of a parallax change; those of Bailer-Jones et al. have a zero point of their
    own taken off.

    Parameters
    ----------
    table : astropy.table.Table
        As `skdistmass.surveys.read_survey` gives it, with PARALLAX (mas) and PARALLAX_SRC; else nothing is done.
    choice : {"model", "lindegren", "none"} or float
        "model" leaves it to the model (constants, see `skdistmass.TrainingCuts`). "lindegren" is the function of
        magnitude, colour and position of Lindegren et al. (2021), by the package gaiadr3-zeropoint (the extra "gaia");
        stars beyond its range, or without a colour, keep the model's constant. "none" takes the parallaxes as they
        are. A number is subtracted as it is (mas).

    Returns
    -------
    table : astropy.table.Table
        A copy that shares the other columns. PARALLAX_SRC of corrected stars is "Gaia EDR3 corrected", by which the
        model leaves them alone.

    Raises
    ------
    InputError
        If the choice is none of these.
    ColumnError
        If a column that "lindegren" needs is absent.
    DistMassError
        If the package is not installed.

    References
    ----------
    Lindegren et al. (2021), A&A 649, A4.

    Examples
    --------
    >>> from astropy.table import Table
    >>> from skdistmass.surveys.parallax import correct_parallaxes
    >>> stars = Table({"PARALLAX": [0.5], "PARALLAX_SRC": ["Gaia EDR3"]})
    >>> float(correct_parallaxes(stars, -0.04)["PARALLAX"][0])
    0.54
    """
    check_zero_point(choice)
    if choice == "model" or not {"PARALLAX", "PARALLAX_SRC"} <= set(table.colnames):
        return table
    from_gaia = np.asarray(table["PARALLAX_SRC"]).astype(str) == "Gaia EDR3"
    if choice == "lindegren":
        zero_point = np.full(len(table), np.nan)
        zero_point[from_gaia] = _lindegren(table[from_gaia])
    else:
        zero_point = np.full(len(table), 0.0 if choice == "none" else float(choice))
    corrected = from_gaia & np.isfinite(zero_point)
    result = table.copy(copy_data=False)
    result["PARALLAX"] = table["PARALLAX"].copy()
    result["PARALLAX"][corrected] -= zero_point[corrected]
    result["PARALLAX_SRC"] = np.where(corrected, "Gaia EDR3 corrected", np.asarray(table["PARALLAX_SRC"]).astype(str))
    return result


def check_zero_point(choice):
    """Refuse what is not a choice, before any work is done."""
    if isinstance(choice, str) and choice in ZERO_POINTS:
        if choice == "lindegren":
            _package()
        return
    if not isinstance(choice, Real) or isinstance(choice, bool) or not abs(choice) < 1:
        raise InputError(f"the parallax zero point is {choice!r}; give {', '.join(ZERO_POINTS)}, or a number in mas.")


def _package():
    try:
        from zero_point import zpt
    except ImportError as error:
        raise DistMassError(
            "the zero point of Lindegren et al. needs the package gaiadr3-zeropoint: pip install 'skdistmass[gaia]', "
            "or choose another zero point."
        ) from error
    return zpt


def _lindegren(table):
    """Zero points (mas) of Gaia EDR3 sources, NaN where the function does not hold."""
    from astropy import units as u
    from astropy.coordinates import BarycentricTrueEcliptic, SkyCoord

    zpt = _package()
    zpt.load_tables()

    def column(name, high=True):
        found = find_column(table, name)
        return as_floats(table[found], name=found, high_sentinels=high)

    try:
        g_mag = column("GAIAEDR3_PHOT_G_MEAN_MAG")
        colour = column("GAIAEDR3_PHOT_BP_MEAN_MAG") - column("GAIAEDR3_PHOT_RP_MEAN_MAG")
        ra, dec = column("RA", high=False), column("DEC", high=False)
    except InputError as error:
        raise type(error)(f"the zero point of Lindegren et al. needs {_INPUTS}: {error}") from error
    nu_eff = effective_wavenumber(colour)
    known = np.isfinite(g_mag) & np.isfinite(nu_eff) & np.isfinite(ra) & (np.abs(dec) <= 90)
    zero_point = np.full(len(table), np.nan)
    if known.any():
        place = SkyCoord(ra[known] * u.deg, dec[known] * u.deg).transform_to(BarycentricTrueEcliptic())
        # Stars of a spectroscopic survey are bright and have a colour: Gaia solved for five parameters.
        solved = np.full(np.count_nonzero(known), _FIVE_PARAMETERS)
        values = zpt.get_zpt(g_mag[known], nu_eff[known], nu_eff[known], place.lat.deg, solved, _warnings=False)
        zero_point[known] = values
    return zero_point
