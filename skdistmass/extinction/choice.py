"""Extinction in K_s, chosen star by star: colours near the Galactic plane, a dust map away from it (section 2)."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from skdistmass.exceptions import InputError, shortened
from skdistmass.extinction.colours import IntrinsicColours
from skdistmass.extinction.laws import RJCE_IRAC, RJCE_WISE, SFD, ExtinctionLaw
from skdistmass.schema.bits import ExtinctionFlag
from skdistmass.schema.limits import EXTINCTION_ERR

if TYPE_CHECKING:
    from astropy.coordinates import SkyCoord

__all__ = ["GALACTIC_POLE", "Extinction", "ExtinctionChoice", "galactic_latitude"]

#: Where the north galactic pole is, as astropy has it: x, y and z in ICRS. A latitude is a scalar product with it,
#: which takes a thousandth of the time of loading `astropy.coordinates`.
GALACTIC_POLE = (-0.8676661375596576, -0.19807633727300053, 0.4559838136873016)


@dataclass(frozen=True)
class Extinction:
    """Extinctions of stars.

    Attributes
    ----------
    values : ndarray of float, shape (n_stars,)
        A_K (mag), NaN where there is none.
    method : ndarray of str, shape (n_stars,)
        Name of the law; for a value of the file its name there; blank where there is none.
    flag : ndarray of int16, shape (n_stars,)
        Sums of `ExtinctionFlag`.
    errors : ndarray of float, shape (n_stars,)
        Errors of A_K (mag): of colours, assumed values, and values of the file that have one; NaN for other methods.
    """

    values: NDArray[np.float64]
    method: NDArray[Any]
    flag: NDArray[np.int16]
    errors: NDArray[np.float64]


@dataclass(frozen=True)
class ExtinctionChoice:
    """How A_K is chosen for each star (section 2 of the paper).

    Nearer to the Galactic plane than `latitude_limit`, A_K is that of the Rayleigh-Jeans colour excess (RJCE) with
    IRAC's 4.5 micron magnitude, or with WISE's where IRAC's is missing. Farther away it is that of the reddening map.
    Where these inputs are missing, a value of the survey file is used: A_K (AK_TARG and AK_WISE in allStar files), and
    where there is none, a reddening E(B-V). A star that has nothing of this gets A_K from its J-K, J-H or H-K and the
    colour that stars of its labels have without dust (method COLOUR), with an error. The method of each star is given,
    and a flag marks all others than the regular ones.

    Parameters
    ----------
    latitude_limit : float, default=16.0
        Absolute Galactic latitude (deg) from which the map is used.
    irac, wise : ExtinctionLaw
        Laws for H - [4.5] of IRAC and for H - W2.
    dust : ExtinctionLaw
        Law for E(B-V).
    dust_map : callable or None, default=None
        ``dust_map(coordinates)`` gets an astropy SkyCoord and returns E(B-V), as queries of the package dustmaps do.
        It replaces the column SFD_EBV. A star for which it gives NaN is treated as one without a map.
        `skdistmass.extinction.load_dust_map` makes one by name.
    negative : {"zero", "keep", "missing"}, default="zero"
        What a negative extinction becomes. It comes from photometric errors or a wrong intrinsic colour, and is
        flagged in any case.
    colours : IntrinsicColours, "default" or None, default="default"
        Colours without dust, for stars that have no other extinction; None does without.
    assumed : float or None, default=None
        A_K (mag) for stars that have none by any method, with an error as large (at least 0.02 mag).

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
    >>> from skdistmass import ExtinctionChoice
    >>> from skdistmass.surveys import as_stars
    >>> nan = float("nan")
    >>> stars = as_stars({"GLAT": [2.0, -2.0, 60.0, 5.0], "H": [10.0] * 4, "IRAC_4_5": [9.7, nan, 9.7, nan],
    ...                   "WISE_4_5": [9.7, 9.85, 9.7, 10.1], "SFD_EBV": [2.0, 2.0, 0.1, 1.0]})
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
    dust_map: Callable[[SkyCoord], ArrayLike] | None = None
    negative: str = "zero"
    colours: IntrinsicColours | str | None = "default"
    assumed: float | None = None

    def __post_init__(self) -> None:
        if not 0 <= self.latitude_limit <= 90:
            raise InputError(f"latitude_limit is {self.latitude_limit!r}; give degrees from 0 to 90.")
        if self.negative not in ("zero", "keep", "missing"):
            raise InputError(f"negative is {self.negative!r}; give 'zero', 'keep' or 'missing'.")
        if self.dust_map is not None and not callable(self.dust_map):
            raise InputError(f"dust_map is {self.dust_map!r}; give a function of coordinates that returns E(B-V).")
        if self.colours not in (None, "default") and not isinstance(self.colours, IntrinsicColours):
            raise InputError(f"colours is {self.colours!r}; give IntrinsicColours, 'default' or None.")
        if self.assumed is not None and not 0 <= self.assumed < np.inf:
            raise InputError(f"assumed is {self.assumed!r}; give an A_K of 0 mag or more, or None.")
        for name in ("irac", "wise", "dust"):
            if not isinstance(getattr(self, name), ExtinctionLaw):
                raise InputError(f"{name} is {getattr(self, name)!r}; give an ExtinctionLaw.")

    def choose(self, stars: Any) -> Extinction:
        """Choose the extinction of each star.

        Parameters
        ----------
        stars : skdistmass.surveys.Stars
            Uses the quantities J, H, K, IRAC_4_5, WISE_4_5, A_K, EXTINCTION, AK_TARG, AK_WISE, EBV, SFD_EBV, their
            methods, GLAT or RA and DEC, and TEFF, LOGG and M_H; any may be absent.

        Returns
        -------
        extinction : Extinction

        Raises
        ------
        InputError
            If the dust map fails, or returns other than one number per star.
        """
        latitude = galactic_latitude(stars)
        near = ~(np.abs(latitude) >= self.latitude_limit)  # stars without a position among them
        by_irac = self.irac.extinction(stars.floats("H") - stars.floats("IRAC_4_5"))
        by_wise = self.wise.extinction(stars.floats("H") - stars.floats("WISE_4_5"))
        by_map = self.dust.extinction(self._map_reddening(stars))
        chosen = _Chosen(len(stars))
        chosen.take(by_irac, near, self.irac.name)
        chosen.take(by_wise, near, self.wise.name)
        chosen.take(by_map, ~near, self.dust.name)
        for values, method, error in _file_extinctions(stars):
            chosen.take(values, True, method, ExtinctionFlag.FROM_FILE, error)
        chosen.take(by_map, near, self.dust.name, ExtinctionFlag.FROM_FILE)
        # A reddening of unknown origin, and colours far from the plane, come last.
        chosen.take(self.dust.extinction(stars.floats("EBV")), True, "EBV", ExtinctionFlag.FROM_FILE)
        chosen.take(by_irac, True, self.irac.name, ExtinctionFlag.FROM_FILE)
        chosen.take(by_wise, True, self.wise.name, ExtinctionFlag.FROM_FILE)
        self._take_colours(chosen, stars, latitude)
        if self.assumed is not None:
            values = np.full(len(stars), self.assumed)
            error = np.maximum(values, EXTINCTION_ERR)
            chosen.take(values, True, "ASSUMED", ExtinctionFlag.ASSUMED, error)
        return self._finish(chosen, latitude)

    def apply(self, stars: Any) -> Any:
        """Return stars with A_K, A_K_ERR, A_K_SRC and A_K_FLAG as chosen.

        Parameters
        ----------
        stars : skdistmass.surveys.Stars
            See `choose`.

        Returns
        -------
        stars : skdistmass.surveys.Stars
            Shares all other columns with those given.
        """
        found = self.choose(stars)
        columns = {"A_K": found.values, "A_K_ERR": found.errors, "A_K_SRC": found.method, "A_K_FLAG": found.flag}
        return stars.with_columns(columns)

    def intrinsic_colours(self) -> IntrinsicColours | None:
        """Return the colours without dust in use; None without the method COLOUR."""
        return IntrinsicColours.default() if isinstance(self.colours, str) else self.colours

    def _take_colours(self, chosen: _Chosen, stars: Any, latitude: NDArray[np.float64]) -> None:
        """Take the extinction of near-infrared colours for stars that have none."""
        rows, colours = np.flatnonzero(np.isnan(chosen.values)), self.intrinsic_colours()
        if colours is None or not len(rows):
            return
        values, error = np.full((2, len(stars)), np.nan)
        labels, bands, errors = (
            np.column_stack([stars.floats(f"{name}{end}")[rows] for name in names.split()])
            for names, end in (("TEFF LOGG M_H", ""), ("J H K", ""), ("J H K", "_ERR"))
        )
        values[rows], error[rows] = colours.extinction(labels, bands, errors, latitude=latitude[rows])
        chosen.take(values, True, "COLOUR", ExtinctionFlag.COLOUR, error)

    def _finish(self, chosen: _Chosen, latitude: NDArray[np.float64]) -> Extinction:
        with np.errstate(invalid="ignore"):
            negative = chosen.values < 0
        if self.negative != "keep":
            chosen.values[negative] = 0.0 if self.negative == "zero" else np.nan
        chosen.flag[negative] |= int(ExtinctionFlag.NEGATIVE)
        missing = np.isnan(chosen.values)
        chosen.flag[np.isnan(latitude) & ~missing] |= int(ExtinctionFlag.NO_LATITUDE)
        chosen.flag[missing] |= int(ExtinctionFlag.MISSING)
        chosen.method[missing], chosen.error[missing] = "", np.nan
        return Extinction(chosen.values, chosen.method.astype(str), chosen.flag, chosen.error)

    def _map_reddening(self, stars: Any) -> NDArray[np.float64]:
        """E(B-V) of the dust map, or else of the file's SFD_EBV."""
        if self.dust_map is None:
            return _sfd_reddening(stars)
        reddening = np.full(len(stars), np.nan)
        place = _coordinates(stars)
        if place is None:
            return reddening
        known = np.isfinite(place.spherical.lon.deg) & np.isfinite(place.spherical.lat.deg)
        if not known.any():
            return reddening
        try:
            found = np.asarray(self.dust_map(place[known]), dtype=np.float64)
        except Exception as error:  # the map is code of the user or of another package
            raise InputError(f"the dust map failed ({type(error).__name__}: {shortened(error)}).") from error
        n_known = np.count_nonzero(known)
        if found.shape != (n_known,):
            raise InputError(
                f"the dust map returned the shape {found.shape} for {n_known} stars; it must give one E(B-V) for each."
            )
        reddening[known] = np.where(np.isfinite(found), found, np.nan)
        return reddening


class _Chosen:
    """Values of stars, filled from one source after the other; a value that is there stays."""

    def __init__(self, n_stars: int) -> None:
        self.values = np.full(n_stars, np.nan)
        self.method = np.full(n_stars, "", dtype=object)
        self.flag = np.zeros(n_stars, dtype=np.int16)
        self.error = np.full(n_stars, np.nan)

    def take(self, values, allowed, method, flag=0, error=None) -> None:
        rows = np.isnan(self.values) & np.isfinite(values) & allowed
        self.values[rows] = values[rows]
        self.method[rows] = method if isinstance(method, str) else method[rows]
        self.flag[rows] |= int(flag)
        if error is not None:
            self.error[rows] = error[rows]


def _file_extinctions(stars: Any) -> Iterator[tuple[NDArray[np.float64], Any, NDArray[np.float64] | None]]:
    """Yield the extinctions a file has, in the order of preference, with their names and errors."""
    for name, called in (("A_K", "A_K_SRC"), ("EXTINCTION", "EXTINCTION_METHOD"), ("AK_TARG", "AK_TARG_METHOD")):
        method = stars.text(called).astype(object)
        error = stars.floats(f"{name}_ERR")
        yield stars.floats(name), np.where(method == "", name, method), np.where(error > 0, error, np.nan)
    yield stars.floats("AK_WISE"), "AK_WISE", None


def _sfd_reddening(stars: Any) -> NDArray[np.float64]:
    """E(B-V) of Schlegel et al.: SFD_EBV, or EBV where it was read from that column."""
    values = stars.floats("SFD_EBV")
    return np.where(np.isnan(values) & (stars.text("EBV_SRC") == "SFD_EBV"), stars.floats("EBV"), values)


def _coordinates(stars: Any) -> SkyCoord | None:
    """Positions on the sky from GLON and GLAT, or RA and DEC; None if the stars have neither pair."""
    from astropy.coordinates import SkyCoord

    for pair, frame in ((("GLON", "GLAT"), "galactic"), (("RA", "DEC"), "icrs")):
        if all(name in stars for name in pair):
            first, second = (stars.floats(name) for name in pair)
            return SkyCoord(first, np.where(np.abs(second) <= 90, second, np.nan), unit="deg", frame=frame)
    return None


def galactic_latitude(stars: Any) -> NDArray[np.float64]:
    """Galactic latitude of stars.

    Parameters
    ----------
    stars : skdistmass.surveys.Stars
        With GLAT, or RA and DEC (deg).

    Returns
    -------
    latitude : ndarray of shape (n_stars,)
        In degrees, NaN where no position is known.

    Examples
    --------
    >>> from skdistmass.extinction import galactic_latitude
    >>> from skdistmass.surveys import as_stars
    >>> galactic_latitude(as_stars({"RA": [192.86], "DEC": [27.13]})).round(1)
    array([90.])
    """
    latitude = stars.floats("GLAT").copy()
    latitude[np.abs(latitude) > 90] = np.nan
    right_ascension, declination = stars.floats("RA"), stars.floats("DEC")
    known = np.isnan(latitude) & np.isfinite(right_ascension) & (np.abs(declination) <= 90)
    ra, dec = np.radians(right_ascension[known]), np.radians(declination[known])
    x, y, z = GALACTIC_POLE
    toward_pole = (x * np.cos(ra) + y * np.sin(ra)) * np.cos(dec) + z * np.sin(dec)
    latitude[known] = np.degrees(np.arcsin(np.clip(toward_pole, -1.0, 1.0)))
    return latitude
