"""Join what several tables know of the same stars: masses, clusters, cross-identifications."""

from __future__ import annotations

import re
import warnings
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from skdistmass.exceptions import DistMassWarning, InputError
from skdistmass.labels import LABEL_NAMES
from skdistmass.surveys.stars import Stars

#: Kinds of identifiers to the columns that hold them. APOGEE_ID is the 2MASS designation with "2M" before it.
IDENTIFIERS = {
    "Gaia DR3": ("GAIA_SOURCE_ID",),
    "SDSS-V": ("SDSS_ID",),
    "2MASS": ("APOGEE_ID", "TMASS_ID"),
    "KIC": ("KIC",),
    "EPIC": ("EPIC",),
}
#: What is not taken from a joined table: labels of two surveys are not on one scale.
_NOT_JOINED = {f"{name}{end}" for name in (*LABEL_NAMES, "FE_H") for end in ("", "_ERR")}
_NOT_JOINED |= {"RA", "DEC", "GLON", "GLAT", "APSTAR_ID", "SURVEY_ID", "STARFLAG", "ASPCAPFLAG", "BAD_STAR"}
_TWOMASS = re.compile(r"^(?:2MASS\s*)?(?:2M|J)?(?=\d{8}[+-]\d{7})")


@dataclass(frozen=True)
class Join:
    """Stars with the columns of other tables beside theirs.

    Attributes
    ----------
    stars : Stars
        All rows of the first table.
    report : tuple of str
        For each joined table one line: by which identifier, how many rows matched, were ambiguous and were left.
    """

    stars: Stars
    report: tuple[str, ...]


def join(stars: Stars, *tables: Stars, match_radius: float | None = None, ambiguous: str = "error") -> Join:
    """Put the columns of other tables beside those of a survey, star by star.

    Two tables are matched by an identifier that both have, in the order of `IDENTIFIERS`. If they share none, a chain
    of the other tables connects them: masses by KIC and a list of KIC and 2MASS names can be given together. If there
    is no chain either, stars are matched by position on the sky.

    Parameters
    ----------
    stars : Stars
        The survey.
    *tables : Stars
        Tables of masses, clusters, distances or identifiers.
    match_radius : float, optional
        Largest distance on the sky (arcsec) at which two positions are one star. Without it positions are not used.
    ambiguous : {"error", "first", "skip"}, default="error"
        What to do if a table has several rows of one star that differ in what they give: raise an error, take the
        first row, or take none. Rows that agree are no conflict.

    Returns
    -------
    joined : Join
        Columns that the survey lacks are added; in others only missing values are filled. Labels, their errors,
        positions and flags are never taken from another table: surveys are not on one scale.

    Raises
    ------
    InputError
        If a table can't be connected with the survey, no row matches, or matches are ambiguous.

    Warns
    -----
    DistMassWarning
        If some rows of one star differ and `ambiguous` is not "error".

    Examples
    --------
    >>> from skdistmass.surveys import as_stars, join
    >>> survey = as_stars({"APOGEE_ID": ["2M00000002+7417074", "2M00000032+5737103"], "TEFF": [4800.0, 4600.0]})
    >>> names = as_stars({"KIC": [11, 12], "TMASS_ID": ["00000002+7417074", "00000032+5737103"]})
    >>> masses = as_stars({"KIC": [12], "MASS": [1.2], "MASS_ERR": [0.1]})
    >>> joined = join(survey, masses, names)
    >>> joined.stars["MASS"], joined.stars["KIC"]
    (array([nan, 1.2]), array([11, 12]))
    >>> joined.report[0]
    'a table: 1 of 1 rows matched by KIC, 0 left; 1 of 2 stars have it'
    """
    if ambiguous not in ("error", "first", "skip"):
        raise InputError(f"ambiguous is {ambiguous!r}; give 'error', 'first' or 'skip'.")
    waiting = list(tables)
    report = {}
    while waiting:
        chosen, kind = _next_table(stars, waiting)
        if kind:
            rows, said = _match_by_name(stars, chosen, kind, ambiguous)
        elif match_radius is not None:
            rows, said = _match_on_sky(stars, chosen, match_radius), ""
            kind = f"position within {match_radius:g} arcsec"
        else:
            raise InputError(_unconnected(stars, chosen))
        waiting = [table for table in waiting if table is not chosen]
        name = chosen.source or "a table"
        n_matched, n_used = int(np.count_nonzero(rows >= 0)), len(np.unique(rows[rows >= 0]))
        if n_matched == 0:
            raise InputError(f"{name}: no row matches the survey by {kind}; do both hold the same stars?")
        report[id(chosen)] = (
            f"{name}: {n_used} of {len(chosen)} rows matched by {kind}{said}, {len(chosen) - n_used} left; "
            f"{n_matched} of {len(stars)} stars have it"
        )
        stars = _add(stars, chosen, rows)
    return Join(stars, tuple(report[id(table)] for table in tables))


def have_references(
    stars: Stars, tables: Sequence[Stars] = (), *, match_radius: float | None = None, columns: Sequence[str] = ()
) -> NDArray[np.bool_]:
    """Tell which stars have a mass, a cluster or one of further `columns`; also in tables that `join` would add."""
    found = np.zeros(len(stars), dtype=bool)
    for name, values in stars.columns.items():
        if _is_reference(name, columns) and values.ndim == 1:
            found |= ~_is_missing(values)
    waiting = list(tables)
    while waiting:
        chosen, kind = _next_table(stars, waiting)
        if kind:
            rows = _rows_by_name(stars, chosen, kind)[0]
        elif match_radius is not None:
            rows = _match_on_sky(stars, chosen, match_radius)
        else:
            break  # nothing connects these stars with the rest
        if any(_is_reference(name, columns) for name in chosen):
            found |= rows >= 0
        stars = _add(stars, chosen, rows)
        waiting = [table for table in waiting if table is not chosen]
    return found


def _is_reference(name: str, columns: Sequence[str]) -> bool:
    return name == "CLUSTER" or name.startswith("MASS") or name in columns


def _next_table(stars: Stars, tables: Sequence[Stars]) -> tuple[Stars, str]:
    """Return the first table that shares an identifier with the stars, and its kind; else the first, and no kind."""
    for table in tables:
        for kind in shared_identifiers(stars, table):
            return table, kind
    return tables[0], ""


def shared_identifiers(one: Stars, other: Stars) -> list[str]:
    """Return the kinds of identifiers that two tables both have, in the order of `IDENTIFIERS`."""
    return [kind for kind in IDENTIFIERS if all(_identifiers(stars, kind) is not None for stars in (one, other))]


def _identifiers(stars: Stars, kind: str) -> NDArray | None:
    """Return the column of one kind of identifier; None if there is none at all."""
    for column in IDENTIFIERS[kind]:
        if column in stars and (stars[column] != stars[column].dtype.type()).any():
            return stars[column]
    return None


def _keys(values: NDArray) -> NDArray:
    """Return identifiers without the prefixes that catalogues put before the names of 2MASS."""
    if values.dtype.kind != "U":
        return values
    return np.fromiter((_TWOMASS.sub("", text) for text in values), dtype=values.dtype, count=len(values))


def _unconnected(stars: Stars, table: Stars) -> str:
    def kinds(one: Stars) -> str:
        return ", ".join(kind for kind in IDENTIFIERS if _identifiers(one, kind) is not None) or "no identifier"

    return (
        f"{table.source or 'a table'} has {kinds(table)}, the survey {kinds(stars)}: they share no identifier. Join a "
        "table of cross-identifications too, or match by position (match_radius)."
    )


def _rows_by_name(stars: Stars, table: Stars, kind: str) -> tuple[NDArray[np.intp], dict[str, int]]:
    """Return the first row of the table for each star, or -1; and the identifiers whose rows differ, with the first."""
    named, listed = _identifiers(stars, kind), _identifiers(table, kind)
    assert named is not None
    assert listed is not None
    wanted, found = _keys(named), _keys(listed)
    blank = found == found.dtype.type()
    order = np.argsort(found, kind="stable")
    order = order[~blank[order]]
    unique, first, counts = np.unique(found[order], return_index=True, return_counts=True)
    rows_of = order[first]
    doubled = np.flatnonzero(counts > 1)
    differ = [n for n in doubled if not _agree(table, order[first[n] : first[n] + counts[n]])]
    at = np.minimum(np.searchsorted(unique, wanted), len(unique) - 1)
    rows = np.where((unique[at] == wanted) & (wanted != wanted.dtype.type()), rows_of[at], -1)
    return rows, {str(unique[n]): int(rows_of[n]) for n in differ if (rows == rows_of[n]).any()}


def _match_by_name(stars: Stars, table: Stars, kind: str, ambiguous: str) -> tuple[NDArray[np.intp], str]:
    """Return the row of the table for each star, or -1, and what to say of ambiguous rows."""
    rows, differ = _rows_by_name(stars, table, kind)
    if not differ:
        return rows, ""
    names = ", ".join(list(differ)[:3]) + (" ..." if len(differ) > 3 else "")
    problem = f"{table.source or 'a table'}: {len(differ)} stars have several rows that differ, by {kind}: {names}"
    if ambiguous == "error":
        raise InputError(f"{problem}. Keep one row of each, or say ambiguous='first' or 'skip'.")
    taken = "the first row is taken" if ambiguous == "first" else "none is taken"
    warnings.warn(f"{problem}; {taken}.", DistMassWarning, stacklevel=3)
    if ambiguous == "skip":
        rows = np.where(np.isin(rows, list(differ.values())), -1, rows)
    return rows, f" ({len(differ)} ambiguous: {taken})"


def _agree(table: Stars, rows: NDArray[np.intp]) -> bool:
    """Tell whether rows give the same of everything that is joined."""
    for name in table:
        if name not in _NOT_JOINED:
            values = table[name][rows]
            if not np.array_equal(values, np.full_like(values, values[0]), equal_nan=values.dtype.kind == "f"):
                return False
    return True


def _match_on_sky(stars: Stars, table: Stars, radius: float) -> NDArray[np.intp]:
    """Return the nearest row of the table within the radius for each star, or -1."""
    from astropy import units as u
    from astropy.coordinates import SkyCoord, match_coordinates_sky

    places = []
    for one in (stars, table):
        ra, dec = one.floats("RA"), one.floats("DEC")
        known = np.flatnonzero(np.isfinite(ra) & np.isfinite(dec))
        if len(known) == 0:
            raise InputError(f"{one.source or 'a table'} has no positions (RA, DEC) to match stars by.")
        places.append((known, SkyCoord(ra[known], dec[known], unit="deg")))
    (rows, place), (others, catalog) = places
    nearest, separation, _ = match_coordinates_sky(place, catalog)
    close = separation <= radius * u.arcsec
    found = np.full(len(stars), -1)
    found[rows[close]] = others[nearest[close]]
    return found


def _is_missing(values: NDArray) -> NDArray[np.bool_]:
    if values.dtype.kind == "f":
        return np.isnan(values)
    return values == values.dtype.type() if values.dtype.kind in "Ui" else np.zeros(values.shape, bool)


def _add(stars: Stars, table: Stars, rows: NDArray[np.intp]) -> Stars:
    """Return the survey with the columns of a table, for the rows that matched."""
    matched = rows >= 0
    columns: dict[str, NDArray] = {}
    for name, values in table.columns.items():
        if name in _NOT_JOINED:
            continue
        taken = values[rows]
        empty = np.nan if taken.dtype.kind == "f" else taken.dtype.type()
        taken = np.where(matched, taken, empty)
        columns[name] = taken if name not in stars else np.where(_is_missing(stars[name]), taken, stars[name])
    origin: Mapping[str, tuple[str, ...]] = {n: table.origin.get(n, (n,)) for n in columns if n not in stars}
    if "MASS" in columns and "MASS_SRC" not in table:
        # The bits of BITMASK name the source of a training mass.
        filled = matched & np.isfinite(columns["MASS"]) & ~np.isfinite(stars.floats("MASS"))
        columns["MASS_SRC"] = np.where(filled, table.layout or table.source, stars.text("MASS_SRC"))
    units = {name: table.units[name] for name in columns if name in table.units and name not in stars}
    return replace(
        stars, columns={**stars.columns, **columns}, origin={**stars.origin, **origin}, units={**stars.units, **units}
    )
