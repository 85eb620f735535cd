"""Extinction in K_s, chosen star by star: colours near the plane, a dust map away from it (section 2)."""

from collections.abc import Callable
from dataclasses import dataclass
from enum import IntFlag

import numpy as np
from astropy import units as u
from astropy.coordinates import SkyCoord
from astropy.table import Column

from skdistmass.exceptions import InputError
from skdistmass.tables import as_floats, column_names, find_column

__all__ = [
    "RJCE_IRAC",
    "RJCE_WISE",
    "SFD",
    "Extinction",
    "ExtinctionChoice",
    "ExtinctionFlag",
    "ExtinctionLaw",
    "galactic_latitude",
]


@dataclass(frozen=True)
class ExtinctionLaw:
    """A_K from a colour or a reddening: ``coefficient * (colour - intrinsic_colour)``.

    Attributes
    ----------
    name : str
        What the method is called in a catalogue.
    coefficient : float
        A_K per magnitude of colour excess.
    intrinsic_colour : float
        The colour without dust (mag); 0 where the input is an excess already, such as E(B-V).
    reference : str
        Where the numbers are from.

    Examples
    --------
    >>> from skdistmass.extinction import RJCE_WISE
    >>> RJCE_WISE.extinction([0.15, float("nan")]).round(4)  # H - W2
    array([0.0918, nan])
    """

    name: str
    coefficient: float
    intrinsic_colour: float
    reference: str

    def extinction(self, colour):
        """Extinction A_K (mag) for colours (mag), as an ndarray; negative for a star bluer than it should be."""
        return self.coefficient * (np.asarray(colour, dtype=np.float64) - self.intrinsic_colour)


_RJCE = "Majewski, Zasowski & Nidever (2011), ApJ 739, 25"
#: H - [4.5] of Spitzer's IRAC.
RJCE_IRAC = ExtinctionLaw("RJCE_IRAC", 0.918, 0.08, _RJCE)
#: H - W2 of WISE.
RJCE_WISE = ExtinctionLaw("RJCE_WISE", 0.918, 0.05, f"{_RJCE}; zero point of Zasowski et al. (2013), AJ 146, 81")
#: E(B-V) of the map of Schlegel et al.
SFD = ExtinctionLaw(
    "SFD", 0.302, 0.0, "Schlegel, Finkbeiner & Davis (1998), ApJ 500, 525; A_K/E(B-V) as APOGEE's targeting takes it"
)


class ExtinctionFlag(IntFlag):
    """What to know of a star's extinction; the values add up."""

    NEGATIVE = 1
    """The value was negative; see `ExtinctionChoice`, parameter `negative`."""
    FROM_FILE = 2
    """Not the method of section 2, for want of photometry or a map: a value, or a reddening, of the survey file."""
    NO_LATITUDE = 4
    """No position is known, so that the star was taken to be near the plane."""
    MISSING = 8
    """There is no extinction."""


@dataclass(frozen=True)
class Extinction:
    """Extinctions of stars.

    Attributes
    ----------
    values : ndarray of float, shape (n_stars,)
        A_K (mag), NaN where there is none.
    method : ndarray of str, shape (n_stars,)
        Name of the law; for a value of the file what the file calls it; blank where there is none.
    flag : ndarray of int16, shape (n_stars,)
        Sums of `ExtinctionFlag`.
    """

    values: np.ndarray
    method: np.ndarray
    flag: np.ndarray


@dataclass(frozen=True)
class ExtinctionChoice:
    """How A_K is chosen for each star (section 2 of the paper).

    Nearer to the plane than `latitude_limit` it is that of the Rayleigh-Jeans colour excess (RJCE) with IRAC's
    4.5 micron magnitude, else with WISE's; further away that of the reddening map. Where these inputs are missing, a
    value of the survey file is used: A_K (AK_TARG and AK_WISE in allStar files), and failing that a reddening, E(B-V).
    The method of each star is told, and a flag tells where it is not the regular one.

    Parameters
    ----------
    latitude_limit : float, default=16.0
        Galactic latitude (deg), without its sign, from which on the map is used.
    irac, wise : ExtinctionLaw
        Laws for H - [4.5] of IRAC and for H - W2.
    dust : ExtinctionLaw
        Law for E(B-V).
    dust_map : callable or None, default=None
        ``dust_map(coordinates)`` gets an astropy SkyCoord and returns E(B-V), as queries of the package dustmaps do.
        It replaces the column SFD_EBV. A star for which it gives NaN is treated as one without a map.
    negative : {"zero", "keep", "missing"}, default="zero"
        What becomes of a negative extinction, which comes from photometric errors or a wrong intrinsic colour. It is
        flagged in any case.

    Raises
    ------
    InputError
        If a parameter is out of its range.

    References
    ----------
    Majewski, Zasowski & Nidever (2011), ApJ 739, 25; Zasowski et al. (2013), AJ 146, 81; Schlegel, Finkbeiner & Davis
    (1998), ApJ 500, 525.

    Examples
    --------
    >>> from skdistmass.extinction import ExtinctionChoice
    >>> nan = float("nan")
    >>> stars = {"GLAT": [2.0, -2.0, 60.0, 5.0], "H": [10.0, 10.0, 10.0, 10.0], "IRAC_4_5": [9.7, nan, 9.7, nan],
    ...          "WISE_4_5": [9.7, 9.85, 9.7, 10.1], "SFD_EBV": [2.0, 2.0, 0.1, 1.0]}
    >>> found = ExtinctionChoice().choose(stars)
    >>> found.values.round(4)
    array([0.202 , 0.0918, 0.0302, 0.    ])
    >>> print(found.method, found.flag)
    ['RJCE_IRAC' 'RJCE_WISE' 'SFD' 'RJCE_WISE'] [0 0 0 1]
    """

    latitude_limit: float = 16.0
    irac: ExtinctionLaw = RJCE_IRAC
    wise: ExtinctionLaw = RJCE_WISE
    dust: ExtinctionLaw = SFD
    dust_map: Callable | None = None
    negative: str = "zero"

    def __post_init__(self):
        if not 0 <= self.latitude_limit <= 90:
            raise InputError(f"latitude_limit is {self.latitude_limit!r}; give degrees from 0 to 90.")
        if self.negative not in ("zero", "keep", "missing"):
            raise InputError(f"negative is {self.negative!r}; give 'zero', 'keep' or 'missing'.")
        if self.dust_map is not None and not callable(self.dust_map):
            raise InputError(f"dust_map is {self.dust_map!r}; give a function of coordinates that returns E(B-V).")
        for name in ("irac", "wise", "dust"):
            if not isinstance(getattr(self, name), ExtinctionLaw):
                raise InputError(f"{name} is {getattr(self, name)!r}; give an ExtinctionLaw.")

    def choose(self, table):
        """Choose the extinction of each star.

        Parameters
        ----------
        table : table
            A survey with any of the columns H, IRAC_4_5, WISE_4_5, A_K, EXTINCTION, AK_TARG, AK_WISE, EBV, SFD_EBV
            (mag), A_K_SRC, AK_TARG_METHOD and EBV_SRC, and GLAT or RA and DEC (deg).

        Returns
        -------
        extinction : Extinction

        Raises
        ------
        ColumnError, UnitError
            If a column does not hold numbers, or has a unit that is not one of magnitudes or angles.
        InputError
            If the dust map fails, or returns other than one number per star.
        """
        n_stars = len(table) if hasattr(table, "colnames") else len(table[column_names(table)[0]])
        latitude = galactic_latitude(table, n_stars)
        near = ~(np.abs(latitude) >= self.latitude_limit)  # stars without a position among them
        h = _column(table, "H", n_stars)
        by_irac = self.irac.extinction(h - _column(table, "IRAC_4_5", n_stars))
        by_wise = self.wise.extinction(h - _column(table, "WISE_4_5", n_stars))
        by_map = self.dust.extinction(self._map_reddening(table, n_stars))
        chosen = _Chosen(n_stars)
        chosen.take(by_irac, near, self.irac.name)
        chosen.take(by_wise, near, self.wise.name)
        chosen.take(by_map, ~near, self.dust.name)
        for values, method in _file_extinctions(table, n_stars):
            chosen.take(values, True, method, ExtinctionFlag.FROM_FILE)
        chosen.take(by_map, near, self.dust.name, ExtinctionFlag.FROM_FILE)
        # A reddening of unknown origin, and colours far from the plane, come last.
        by_reddening = self.dust.extinction(_column(table, "EBV", n_stars))
        chosen.take(by_reddening, True, "EBV", ExtinctionFlag.FROM_FILE)
        chosen.take(by_irac, True, self.irac.name, ExtinctionFlag.FROM_FILE)
        chosen.take(by_wise, True, self.wise.name, ExtinctionFlag.FROM_FILE)
        return self._finish(chosen, latitude)

    def apply(self, table):
        """Return a copy of a survey table with A_K, A_K_SRC and A_K_FLAG as chosen.

        Parameters
        ----------
        table : astropy.table.Table
            See `choose`.

        Returns
        -------
        table : astropy.table.Table
            Shares all other columns with the one given.
        """
        found = self.choose(table)
        table = table.copy(copy_data=False)
        table["A_K"] = Column(found.values, unit="mag", description="extinction A_K, chosen as in section 2")
        table["A_K_SRC"] = Column(found.method, description="method of A_K")
        table["A_K_FLAG"] = Column(found.flag, description="1 negative, 2 from the file, 4 no position, 8 missing")
        return table

    def _finish(self, chosen, latitude):
        with np.errstate(invalid="ignore"):
            negative = chosen.values < 0
        if self.negative != "keep":
            chosen.values[negative] = 0.0 if self.negative == "zero" else np.nan
        chosen.flag[negative] |= int(ExtinctionFlag.NEGATIVE)
        missing = np.isnan(chosen.values)
        chosen.flag[np.isnan(latitude) & ~missing] |= int(ExtinctionFlag.NO_LATITUDE)
        chosen.flag[missing] |= int(ExtinctionFlag.MISSING)
        chosen.method[missing] = ""
        return Extinction(chosen.values, chosen.method.astype(str), chosen.flag)

    def _map_reddening(self, table, n_stars):
        """E(B-V) of the dust map, or else of the file's SFD_EBV."""
        if self.dust_map is None:
            return _sfd_reddening(table, n_stars)
        place = _coordinates(table, n_stars)
        reddening = np.full(n_stars, np.nan)
        if place is None:
            return reddening
        known = np.isfinite(place.spherical.lon.deg) & np.isfinite(place.spherical.lat.deg)
        if not known.any():
            return reddening
        try:
            found = np.asarray(self.dust_map(place[known]), dtype=np.float64)
        except Exception as error:  # the map is the user's own code or a foreign package
            raise InputError(f"the dust map failed ({type(error).__name__}: {error}).") from error
        n_known = np.count_nonzero(known)
        if found.shape != (n_known,):
            raise InputError(
                f"the dust map returned the shape {found.shape} for {n_known} stars; it must give one E(B-V) for each."
            )
        reddening[known] = np.where(np.isfinite(found), found, np.nan)
        return reddening


class _Chosen:
    """Values of stars filled from one source after the other; what is there stays."""

    def __init__(self, n_stars):
        self.values = np.full(n_stars, np.nan)
        self.method = np.full(n_stars, "", dtype=object)
        self.flag = np.zeros(n_stars, dtype=np.int16)

    def take(self, values, allowed, method, flag=0):
        rows = np.isnan(self.values) & np.isfinite(values) & allowed
        self.values[rows] = values[rows]
        self.method[rows] = method if isinstance(method, str) else method[rows]
        self.flag[rows] |= int(flag)


def _column(table, name, n_stars, unit="mag", *, high=True):
    found = find_column(table, name, required=False)
    if found is None:
        return np.full(n_stars, np.nan)
    return as_floats(table[found], unit, name=found, high_sentinels=high)


def _texts(table, name, default, n_stars):
    """Return a column of text, `default` where it is blank or the table does not have it."""
    found = find_column(table, name, required=False)
    if found is None:
        return np.full(n_stars, default, dtype=object)
    texts = np.char.strip(np.ma.filled(np.ma.asarray(table[found]), "").astype(str)).astype(object)
    texts[texts == ""] = default
    return texts


def _file_extinctions(table, n_stars):
    """Yield the extinctions a file has, in the order of preference, and what they are called."""
    for name, called in (("A_K", "A_K_SRC"), ("EXTINCTION", "EXTINCTION_METHOD"), ("AK_TARG", "AK_TARG_METHOD")):
        yield _column(table, name, n_stars), _texts(table, called, name, n_stars)
    yield _column(table, "AK_WISE", n_stars), "AK_WISE"


def _sfd_reddening(table, n_stars):
    """E(B-V) of Schlegel et al.: the column SFD_EBV, or what a reader made EBV from it."""
    values = _column(table, "SFD_EBV", n_stars)
    is_sfd = _texts(table, "EBV_SRC", "", n_stars) == "SFD_EBV"
    return np.where(np.isnan(values) & is_sfd, _column(table, "EBV", n_stars), values)


def _coordinates(table, n_stars):
    """Positions on the sky from GLON and GLAT, or RA and DEC; None if the table has neither pair."""
    for pair, frame in ((("GLON", "GLAT"), "galactic"), (("RA", "DEC"), "icrs")):
        if all(find_column(table, name, required=False) for name in pair):
            first, second = (_column(table, name, n_stars, "deg", high=False) for name in pair)
            second = np.where(np.abs(second) <= 90, second, np.nan)
            return SkyCoord(first * u.deg, second * u.deg, frame=frame)
    return None


def galactic_latitude(table, n_stars):
    """Galactic latitude of stars.

    Parameters
    ----------
    table : table
        With a column GLAT, or RA and DEC (deg).
    n_stars : int
        Number of rows.

    Returns
    -------
    latitude : ndarray of shape (n_stars,)
        In degrees, NaN where no position is known.

    Examples
    --------
    >>> from skdistmass.extinction import galactic_latitude
    >>> galactic_latitude({"RA": [192.86], "DEC": [27.13]}, 1).round(1)
    array([90.])
    """
    latitude = _column(table, "GLAT", n_stars, "deg", high=False)
    latitude[np.abs(latitude) > 90] = np.nan
    lost = np.isnan(latitude)
    if lost.any() and all(find_column(table, name, required=False) for name in ("RA", "DEC")):
        right_ascension = _column(table, "RA", n_stars, "deg", high=False)[lost]
        declination = _column(table, "DEC", n_stars, "deg", high=False)[lost]
        known = np.isfinite(right_ascension) & (np.abs(declination) <= 90)
        place = SkyCoord(right_ascension[known] * u.deg, declination[known] * u.deg)
        latitude[np.flatnonzero(lost)[known]] = place.galactic.b.deg
    return latitude
