"""The checks of [C/N] on which masses and ages rest: at birth, and after the first dredge-up (section 5)."""

from collections.abc import Sequence
from itertools import pairwise

import numpy as np
from astropy.table import Table
from numpy.typing import NDArray

from skdistmass.tables import optional_floats
from skdistmass.validation.columns import SUN_RADIUS, carbon_to_nitrogen, galactocentric_radius, in_unit
from skdistmass.validation.requirements import MissingInputError, require, require_stars
from skdistmass.validation.statistics import FittedBin, LinearFit, fit_in_bins, robust_fit

__all__ = ["birth_cn_relation", "cn_low_logg_rise", "cn_radial_trend"]

#: Edges of the bins of [Fe/H] (dex) for trends with radius; figure 9 of the paper.
FEH_EDGES = (-0.6, -0.4, -0.2, 0.0, 0.2, 0.4)
#: Masses (Msun) and log g of the giants of one mass; figure 8b of the paper.
NARROW_MASS_BIN, NARROW_LOGG_BIN = (1.1, 1.3), (2.0, 3.2)
#: Edges of the bins of mass (Msun), and range of log g, for the rise of [C/N]; figure 10 of the paper.
RISE_MASS_EDGES = (0.8, 1.0, 1.2, 1.4, 1.6, 2.0)
RISE_LOGG = (1.0, 2.5)


def is_undredged_subgiant(stars: Table) -> NDArray[np.bool_]:
    """Tell which stars are subgiants before the first dredge-up, whose surface still has the [C/N] of their birth.

    Section 5.1 of the paper: 3.5 < log g < 4, 4750 K < Teff < 5500 K (both inequalities are printed reversed there).
    """
    require(stars, "LOGG", "TEFF")
    logg, teff = optional_floats(stars, "LOGG"), optional_floats(stars, "TEFF", "K")
    return (logg > 3.5) & (logg < 4.0) & (teff > 4750.0) & (teff < 5500.0)


def giants_of_one_mass(stars: Table) -> NDArray[np.bool_]:
    """Tell which stars are first-ascent giants after the first dredge-up with one mass (figure 8b of the paper).

    The mass is that of the reference. Stars known to be in the red clump (EVSTATE 2) are left out.
    """
    require(stars, "LOGG", "REF_MASS")
    mass, logg = in_unit(stars, "REF_MASS", "Msun"), optional_floats(stars, "LOGG")
    (lightest, heaviest), (low, high) = NARROW_MASS_BIN, NARROW_LOGG_BIN
    mask = (mass > lightest) & (mass < heaviest) & (logg > low) & (logg < high)
    return mask & (optional_floats(stars, "REF_EVSTATE") != 2)


def birth_cn_fits(stars: Table) -> dict[str, tuple[NDArray[np.intp], LinearFit]]:
    """Fit [C/N] against [Fe/H] of subgiants before, and of giants of one mass after, the first dredge-up (figure 8).

    Return {sample: (rows, fit)} of "subgiants" and "giants of one mass"; one of fewer than 16 stars is left out.
    """
    cn, feh = carbon_to_nitrogen(stars), optional_floats(stars, "M_H", "dex")
    fits, reasons = {}, []
    for name, select in (("subgiants", is_undredged_subgiant), ("giants of one mass", giants_of_one_mass)):
        try:
            rows = np.flatnonzero(select(stars) & np.isfinite(cn) & np.isfinite(feh))
            fits[name] = rows, robust_fit(cn[rows], feh=feh[rows])
        except MissingInputError as error:
            reasons.append(f"{name}: {error}")
    if not fits:
        raise MissingInputError("; ".join(reasons))
    return fits


def birth_cn_relation(stars: Table) -> Table:
    """Compute the slope of [C/N] with [Fe/H] (figure 8 of the paper).

    Parameters
    ----------
    stars : Table
        Of `join_reference`.

    Returns
    -------
    table : Table
        SAMPLE ("subgiants", whose [C/N] is that of their birth, and "giants of one mass"), N, SLOPE and SLOPE_ERR,
        INTERCEPT (at [Fe/H] = 0) and SCATTER [dex].

    Raises
    ------
    MissingInputError
        If neither sample has 16 stars.
    """
    fits = birth_cn_fits(stars)
    rows = [
        (name, fit.n_stars, fit.slopes["feh"], fit.errors["feh"], fit.intercept, fit.scatter)
        for name, (_, fit) in fits.items()
    ]
    names, units = ("SAMPLE", "N", "SLOPE", "SLOPE_ERR", "INTERCEPT", "SCATTER"), {"INTERCEPT": "dex", "SCATTER": "dex"}
    return Table(rows=rows, names=names, units=units, meta={"fits": fits})


def radial_trend_fits(stars: Table, *, edges: Sequence[float] = FEH_EDGES) -> list[FittedBin]:
    """Fit birth [C/N] against Galactocentric radius and [Fe/H] in bins of [Fe/H]; the last is all bins at once.

    The slope with [Fe/H] is fitted, too, so that a gradient of metallicity makes no trend with radius.
    """
    cn, feh = carbon_to_nitrogen(stars), optional_floats(stars, "M_H", "dex")
    offset = galactocentric_radius(stars) - SUN_RADIUS
    bins = [*pairwise(edges), (edges[0], edges[-1])]
    return fit_in_bins(feh, bins, is_undredged_subgiant(stars), cn, radius=offset, feh=feh)


def cn_radial_trend(stars: Table, *, edges: Sequence[float] = FEH_EDGES) -> Table:
    """Compute the trend of birth [C/N] with Galactocentric radius at given [Fe/H] (figure 9 of the paper: none).

    Parameters
    ----------
    stars : Table
        Of `join_reference`, with positions on the sky.
    edges : sequence of float
        Edges of the bins of [Fe/H].

    Returns
    -------
    table : Table
        FEH_LO, FEH_HI, N, SLOPE and SLOPE_ERR [dex/kpc], P_VALUE of no trend. The last row is all bins at once.
    """
    units: dict[str, str | None] = {"FEH_LO": "dex", "FEH_HI": "dex", "SLOPE": "dex/kpc", "SLOPE_ERR": "dex/kpc"}
    fits = radial_trend_fits(stars, edges=edges)
    return _slopes(fits, "radius", units, "bins of [Fe/H] with 24 subgiants of known distance")


def _slopes(fits: list[FittedBin], term: str, units: dict[str, str | None], wanted: str) -> Table:
    """Return the slope with one term, its error, and the probability of none, of each bin; `units` name its columns."""
    fitted = [(b.low, b.high, b.fit) for b in fits if b.fit is not None]
    rows = [(low, high, f.n_stars, f.slopes[term], f.errors[term], f.p_value(term)) for low, high, f in fitted]
    require_stars(len(rows), 1, wanted)
    low, high, slope, error = units
    return Table(rows=rows, names=(low, high, "N", slope, error, "P_VALUE"), units=units, meta={"fits": fits})


def rise_fits(
    stars: Table, *, edges: Sequence[float] = RISE_MASS_EDGES, logg_range: tuple[float, float] = RISE_LOGG
) -> list[FittedBin]:
    """Fit [C/N] of giants against log g, [Fe/H] and mass in bins of mass; the last is all bins at once."""
    require(stars, "LOGG", "REF_MASS")
    cn, feh = carbon_to_nitrogen(stars), optional_floats(stars, "M_H", "dex")
    logg, mass = optional_floats(stars, "LOGG"), in_unit(stars, "REF_MASS", "Msun")
    giants = (logg > logg_range[0]) & (logg < logg_range[1])
    bins = [*pairwise(edges), (edges[0], edges[-1])]
    return fit_in_bins(mass, bins, giants, cn, logg=logg, feh=feh, mass=mass)


def cn_low_logg_rise(
    stars: Table, *, edges: Sequence[float] = RISE_MASS_EDGES, logg_range: tuple[float, float] = RISE_LOGG
) -> Table:
    """Compute the rise of [C/N] of giants towards low log g at given mass (section 5.2 and figure 10 of the paper).

    Parameters
    ----------
    stars : Table
        Of `join_reference`. The mass is that of the reference.
    edges : sequence of float
        Edges of the bins of mass (Msun).
    logg_range : tuple of float
        Stars fitted (dex, cgs).

    Returns
    -------
    table : Table
        MASS_LO, MASS_HI [Msun], N, RISE and RISE_ERR, in dex of [C/N] per dex that log g falls, P_VALUE of neither rise
        nor fall. The last row is all bins at once.
    """
    units: dict[str, str | None] = {"MASS_LO": "Msun", "MASS_HI": "Msun", "RISE": None, "RISE_ERR": None}
    fits = rise_fits(stars, edges=edges, logg_range=logg_range)
    table = _slopes(fits, "logg", units, "bins of mass with 32 giants of low log g")
    table["RISE"] *= -1
    return table
