"""Quantities of the joined table, each in one unit."""

import numpy as np
from astropy import units as u
from astropy.table import Table
from numpy.typing import NDArray

from skdistmass.exceptions import InputError
from skdistmass.surveys import load_clusters, match_clusters
from skdistmass.tables import optional_floats, optional_text
from skdistmass.validation.requirements import MissingInputError, require, where

SUN_RADIUS = 8.122  # kpc (GRAVITY Collaboration 2018, A&A 615, L15); also the default of astropy
_ENDS = ("_ERR", "_LO", "_HI", "_LO95", "_HI95", "_ELO", "_EHI", "_SRC", "_FLAG")
_INTERVAL_ENDS = ("_LO", "_HI", "_LO95", "_HI95")
#: Unit: the smallest 5 % quantile and the largest median that values in it can have, and what they are if outside.
_PLAUSIBLE = {
    "kpc": (0.0, 300.0, "pc"),
    "Msun": (0.0, 100.0, "g or kg"),
    "Gyr": (0.0, 20.0, "Myr or yr"),
    "dex(yr)": (5.0, 20.0, "Gyr or yr, not log10 of yr"),
}


def in_unit(stars: Table, name: str, unit: str) -> NDArray[np.float64]:
    """Return a column in a unit: NaN where a value is missing, and everywhere if there is no such column.

    Raise `InputError` if the column states no unit, and its values show that it is in another one.
    """
    values = optional_floats(stars, name, unit)
    if name in stars.colnames and (getattr(stars[name], "unit", None) is None or unit == "dex(yr)"):
        seen = values[values > 0]
        low, high, likely = _PLAUSIBLE[unit]
        if len(seen) and (np.quantile(seen, 0.05) < low or np.median(seen) > high):
            raise InputError(
                f"column {name.removeprefix('REF_')} of {where(name)} would be read in {unit}, but its median is "
                f"{np.median(seen):.6g}: it is likely in {likely}. Give the column its right unit."
            )
    return values


def column_of(stars: Table, name: str) -> str:
    """Return the name in the joined table of a further column: that of the reference, else the catalogue's."""
    return f"REF_{name}" if f"REF_{name}" in stars.colnames else name


def kiel(stars: Table) -> tuple[NDArray[np.float64], NDArray[np.float64], NDArray[np.float64]]:
    """Return Teff [K], log g [dex, cgs] and [M/H] [dex]."""
    require(stars, "TEFF", "LOGG", "M_H")
    return optional_floats(stars, "TEFF", "K"), optional_floats(stars, "LOGG"), optional_floats(stars, "M_H", "dex")


def carbon_to_nitrogen(stars: Table) -> NDArray[np.float64]:
    """Return [C/N] = [C/Fe] - [N/Fe] in dex."""
    require(stars, "C_FE", "N_FE")
    return optional_floats(stars, "C_FE", "dex") - optional_floats(stars, "N_FE", "dex")


def mass_scales(stars: Table) -> dict[str, str | None]:
    """Return {mass column of the catalogue: column of the reference to compare it with, or None}."""
    names = [n for n in stars.colnames if (n == "MASS" or n.startswith("MASS_")) and not n.endswith((*_ENDS, "_SPACE"))]
    names.sort(key=lambda name: name != "MASS")
    return {name: next((n for n in (f"REF_{name}", "REF_MASS") if n in stars.colnames), None) for name in names}


def age_columns(stars: Table) -> list[str]:
    """Return the names of the ages of the catalogue (log10 yr, if they state no unit)."""
    names = [n for n in stars.colnames if (n == "AGE" or n.startswith("AGE_")) and not n.endswith(_ENDS)]
    return sorted(names, key=lambda name: name != "AGE")


def first_age(stars: Table, name: str | None = None) -> str:
    """Return the name of an age column: `name`, or the first of the catalogue."""
    names = [name] if name else age_columns(stars)
    if not names:
        raise MissingInputError("there is no age in the catalogue")
    return names[0]


def reference_age_columns(stars: Table) -> list[str]:
    """Return the names of the ages of the reference."""
    return [n for n in stars.colnames if n.startswith("REF_AGE") and not n.endswith(_ENDS)]


def log_ages(stars: Table, name: str) -> NDArray[np.float64]:
    """Return an age column as log10 of the age in years.

    A column with a unit is converted: ``dex(yr)`` and dex are log10 of years, yr and Gyr are linear. Without a unit,
    the AGE columns of a catalogue, and the ends of their intervals, are log10 of years, and all other columns are in
    Gyr. Raise `InputError` if the values can't be ages in that unit.
    """
    unit = getattr(stars[name], "unit", None)
    # By name: the dex of a VOTable is another unit to astropy.
    base = next((name.removesuffix(end) for end in _INTERVAL_ENDS if name.endswith(end)), name)
    if str(unit).startswith("dex") or (unit is None and base in age_columns(stars)):
        return in_unit(stars, name, "dex(yr)")
    values = in_unit(stars, name, "Gyr")
    return 9.0 + np.log10(np.where(values > 0, values, np.nan))


def cluster_rows(stars: Table, version: str = "paper") -> list[tuple[str, NDArray[np.intp], float]]:
    """Return (name, rows, adopted distance in kpc) of each cluster, sorted by name.

    The distance is NaN for a cluster that is not in this version of `load_clusters`.
    """
    require(stars, "CLUSTER")
    text = optional_text(stars, "CLUSTER")
    table = load_clusters(version)
    number = match_clusters(text, version)
    names = np.where(number >= 0, np.asarray(table["NAME"])[number], text)
    found = []
    for name in np.unique(names[names != ""]):
        rows = np.flatnonzero(names == name)
        row = number[rows[0]]
        found.append((str(name), rows, float(table["DISTANCE"][row]) if row >= 0 else np.nan))
    if not found:
        raise MissingInputError("no star is marked as a member of a cluster (column CLUSTER)")
    return found


def galactocentric_radius(stars: Table) -> NDArray[np.float64]:
    """Return the distance from the axis of the Galaxy in kpc, in the Galactocentric frame of astropy.

    It is computed with REFERENCE_DIST, and with DISTANCE for stars that have none.
    """
    from astropy.coordinates import Galactocentric, SkyCoord

    distance = in_unit(stars, "REFERENCE_DIST", "kpc")
    distance = np.where(np.isfinite(distance), distance, in_unit(stars, "DISTANCE", "kpc"))
    names, frame = (("RA", "DEC"), "icrs") if "RA" in stars.colnames else (("GLON", "GLAT"), "galactic")
    require(stars, *names)
    longitude, latitude = (optional_floats(stars, name, "deg") for name in names)
    known = (distance > 0) & np.isfinite(longitude) & (np.abs(latitude) <= 90.0)
    radius = np.full(len(stars), np.nan)
    place = SkyCoord(longitude[known] * u.deg, latitude[known] * u.deg, distance[known] * u.kpc, frame=frame)
    place = place.transform_to(Galactocentric(galcen_distance=SUN_RADIUS * u.kpc))
    radius[known] = np.hypot(place.x, place.y).to_value(u.kpc)
    return radius
