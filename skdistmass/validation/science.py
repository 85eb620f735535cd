"""The paper's checks of what its models rest on: birth [C/N], its trends, and the mass scales (sections 5 and 6)."""

from itertools import pairwise

import numpy as np
from astropy.table import Table

from skdistmass.isochrones.giant_ages.relation import GiantAgeRelation
from skdistmass.uncertainty import robust_scatter
from skdistmass.validation.stars import (
    SUN_RADIUS,
    MissingInputError,
    age_columns,
    carbon_to_nitrogen,
    floats,
    galactocentric_radius,
    log_ages,
    mass_scales,
    require,
    require_stars,
)
from skdistmass.validation.statistics import compare_samples, robust_fit

__all__ = [
    "birth_cn_relation",
    "cn_low_logg_rise",
    "cn_radial_trend",
    "giants_of_one_mass",
    "is_undredged_subgiant",
    "learned_cn_mass_relation",
    "mass_distributions",
    "mass_loss_effect",
    "spoo_comparison",
    "spoo_log_age",
]

#: Bins of [Fe/H] (dex) for trends with radius; figure 9 of the paper.
FEH_EDGES = (-0.6, -0.4, -0.2, 0.0, 0.2, 0.4)
#: Masses (Msun) of stars that figure 8b shows in one bin.
NARROW_MASS_BIN = (1.1, 1.3)
#: Bins of mass (Msun) for the rise of [C/N]; figure 10 of the paper.
RISE_MASS_EDGES = (0.8, 1.0, 1.2, 1.4, 1.6, 2.0)
#: Log g of the two samples whose masses are compared (figures 12 and 14), and bins of distance (kpc). Between them is
#: the clump, in which massive stars stay longer.
LOW_LOGG, HIGH_LOGG = (1.0, 2.2), (2.9, 3.4)
DISTANCE_EDGES = (0.0, 2.0, 4.0)
#: Three narrow bins of [Fe/H] (dex) for ages by [C/N]; figure 15 of the paper.
NARROW_FEH_BINS = ((-0.35, -0.25), (-0.05, 0.05), (0.15, 0.25))


def is_undredged_subgiant(stars):
    """Tell which stars are subgiants before the first dredge-up, whose surface still shows the birth [C/N].

    Section 5.1 of the paper: 3.5 < log g < 4, 4750 K < Teff < 5500 K (both inequalities are printed reversed there).

    Parameters
    ----------
    stars : Table
        With LOGG and TEFF.

    Returns
    -------
    mask : ndarray of bool
    """
    require(stars, "LOGG", "TEFF")
    logg, teff = floats(stars, "LOGG"), floats(stars, "TEFF", "K")
    return (logg > 3.5) & (logg < 4.0) & (teff > 4750.0) & (teff < 5500.0)


def giants_of_one_mass(stars, *, mass_range=NARROW_MASS_BIN, logg_range=(2.0, 3.2)):
    """Tell which stars are first-ascent giants after the first dredge-up with one mass (figure 8b of the paper).

    Parameters
    ----------
    stars : Table
        Of `join_reference`. The mass is that of the reference. Stars known to be in the red clump (EVSTATE
        2) are left out.
    mass_range : tuple of float
        Msun.
    logg_range : tuple of float
        dex, cgs.

    Returns
    -------
    mask : ndarray of bool
    """
    require(stars, "LOGG", "REF_MASS")
    mass, logg = floats(stars, "REF_MASS", "Msun"), floats(stars, "LOGG")
    mask = (mass > mass_range[0]) & (mass < mass_range[1]) & (logg > logg_range[0]) & (logg < logg_range[1])
    if "REF_EVSTATE" in stars.colnames:
        mask &= floats(stars, "REF_EVSTATE") != 2
    return mask


def birth_cn_relation(stars):
    """Slope of [C/N] with [Fe/H] (figure 8 of the paper).

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
    cn = carbon_to_nitrogen(stars)
    feh = floats(stars, "M_H", "dex")
    rows, reasons = [], []
    for name, select in (("subgiants", is_undredged_subgiant), ("giants of one mass", giants_of_one_mass)):
        try:
            chosen = select(stars)
            fit = robust_fit(cn[chosen], feh=feh[chosen])
        except MissingInputError as error:
            reasons.append(f"{name}: {error}")
            continue
        rows.append((name, fit.n_stars, fit.slopes["feh"], fit.errors["feh"], fit.intercept, fit.scatter))
    if not rows:
        raise MissingInputError("; ".join(reasons))
    names = ("SAMPLE", "N", "SLOPE", "SLOPE_ERR", "INTERCEPT", "SCATTER")
    return Table(rows=rows, names=names, units={"INTERCEPT": "dex", "SCATTER": "dex"})


def cn_radial_trend(stars, *, edges=FEH_EDGES):
    """Trend of birth [C/N] with Galactocentric radius at given [Fe/H] (figure 9 of the paper: none).

    Parameters
    ----------
    stars : Table
        Of `join_reference`, with positions on the sky.
    edges : sequence of float
        Bins of [Fe/H].

    Returns
    -------
    table : Table
        FEH_LO, FEH_HI, N, SLOPE and SLOPE_ERR [dex/kpc], P_VALUE of no trend. The last row is all bins at once. The
        slope with [Fe/H] is fitted beside that with radius, so that a gradient of metallicity makes no trend.
    """
    cn, feh = carbon_to_nitrogen(stars), floats(stars, "M_H", "dex")
    offset = galactocentric_radius(stars) - SUN_RADIUS
    chosen = is_undredged_subgiant(stars) & np.isfinite(cn) & np.isfinite(offset)
    rows = []
    for low, high in [*pairwise(edges), (edges[0], edges[-1])]:
        inside = chosen & (feh >= low) & (feh < high)
        try:
            fit = robust_fit(cn[inside], radius=offset[inside], feh=feh[inside])
        except MissingInputError:
            continue
        rows.append((low, high, fit.n_stars, fit.slopes["radius"], fit.errors["radius"], fit.p_value("radius")))
    require_stars(len(rows), 1, "bins of [Fe/H] with 24 subgiants of known distance")
    names = ("FEH_LO", "FEH_HI", "N", "SLOPE", "SLOPE_ERR", "P_VALUE")
    units = {"FEH_LO": "dex", "FEH_HI": "dex", "SLOPE": "dex/kpc", "SLOPE_ERR": "dex/kpc"}
    return Table(rows=rows, names=names, units=units)


def cn_low_logg_rise(stars, *, edges=RISE_MASS_EDGES, logg_range=(1.0, 2.5)):
    """Rise of [C/N] of giants towards low log g at given mass (section 5.2 and figure 10 of the paper).

    Parameters
    ----------
    stars : Table
        Of `join_reference`. The mass is that of the reference.
    edges : sequence of float
        Bins of mass (Msun).
    logg_range : tuple of float
        Stars fitted (dex, cgs).

    Returns
    -------
    table : Table
        MASS_LO, MASS_HI [Msun], N, RISE and RISE_ERR, in dex of [C/N] per dex that log g falls, P_VALUE of no rise or
        fall. The last row is all bins at once, with the slopes of mass and [Fe/H] fitted beside.
    """
    require(stars, "LOGG", "REF_MASS")
    cn, feh = carbon_to_nitrogen(stars), floats(stars, "M_H", "dex")
    logg, mass = floats(stars, "LOGG"), floats(stars, "REF_MASS", "Msun")
    giants = (logg > logg_range[0]) & (logg < logg_range[1])
    rows = []
    for low, high in [*pairwise(edges), (edges[0], edges[-1])]:
        inside = giants & (mass >= low) & (mass < high)
        try:
            fit = robust_fit(cn[inside], logg=logg[inside], feh=feh[inside], mass=mass[inside])
        except MissingInputError:
            continue
        rows.append((low, high, fit.n_stars, -fit.slopes["logg"], fit.errors["logg"], fit.p_value("logg")))
    require_stars(len(rows), 1, "bins of mass with 32 giants of low log g")
    names = ("MASS_LO", "MASS_HI", "N", "RISE", "RISE_ERR", "P_VALUE")
    return Table(rows=rows, names=names, units={"MASS_LO": "Msun", "MASS_HI": "Msun"})


def mass_distributions(stars, *, columns=None, edges=DISTANCE_EDGES):
    """Masses of giants of low and of high log g, which should agree at the same distance (sections 5.4 and 5.5).

    Parameters
    ----------
    stars : Table
        Of `join_reference`.
    columns : sequence of str, optional
        Masses (Msun): by default all of the catalogue (figure 14 of the paper). Pass the reference's, REF_MASS
        and so on, for figure 12.
    edges : sequence of float
        Bins of distance (kpc).

    Returns
    -------
    table : Table
        MASS (column), DISTANCE_LO, DISTANCE_HI [kpc], N_1 and N_2 (stars of low and high log g), MEDIAN_1, MEDIAN_2,
        DIFFERENCE (high minus low) and its error by bootstrap [Msun], KS and P_VALUE of Kolmogorov and Smirnov's
        two-sample test.
    """
    columns = list(mass_scales(stars)) if columns is None else columns
    rows = []
    for name in columns:
        for low, high, samples in low_and_high_logg_masses(stars, name, edges):
            if min(len(sample) for sample in samples) >= 20:
                rows.append({"MASS": name.removeprefix("REF_"), "DISTANCE_LO": low, "DISTANCE_HI": high})
                rows[-1] |= compare_samples(*samples)
    require_stars(len(rows), 1, "mass scales and distance bins have 20 giants of low and 20 of high log g")
    table = Table(rows=rows, names=list(rows[0]))
    for name in ("MEDIAN_1", "MEDIAN_2", "DIFFERENCE", "DIFFERENCE_ERR"):
        table[name].unit = "Msun"
    table["DISTANCE_LO"].unit = table["DISTANCE_HI"].unit = "kpc"
    return table


def low_and_high_logg_masses(stars, column, edges=DISTANCE_EDGES):
    """Return (nearest kpc, farthest kpc, (masses of low log g, of high log g)) of each bin of distance."""
    require(stars, column, "LOGG", "DISTANCE")
    mass, logg, distance = floats(stars, column, "Msun"), floats(stars, "LOGG"), floats(stars, "DISTANCE", "kpc")
    found = []
    for low, high in pairwise(edges):
        near = (distance >= low) & (distance < high) & np.isfinite(mass)
        samples = tuple(mass[near & (logg > a) & (logg < b)] for a, b in (LOW_LOGG, HIGH_LOGG))
        found.append((low, high, samples))
    return found


def learned_cn_mass_relation(stars, *, columns=None, logg_edges=(1.0, 1.5, 2.0, 2.5, 3.0, 3.5)):
    """The relation of [C/N] and mass that each network has learned (figure 13 of the paper).

    Parameters
    ----------
    stars : Table
        A catalogue.
    columns : sequence of str, optional
        Masses; by default all of the catalogue.
    logg_edges : sequence of float
        Bins of log g.

    Returns
    -------
    table : Table
        MASS (column), LOGG_LO, LOGG_HI, N; SLOPE of mass with [C/N] and SLOPE_FEH with [Fe/H] [Msun/dex], fitted
        together, with errors; MASS_AT, the mass of the fit at [C/N] = -0.3 and [Fe/H] = 0 [Msun]; SCATTER [Msun].
    """
    columns = list(mass_scales(stars)) if columns is None else columns
    cn, feh, logg = carbon_to_nitrogen(stars), floats(stars, "M_H", "dex"), floats(stars, "LOGG")
    rows = []
    for name in columns:
        mass = floats(stars, name, "Msun")
        for low, high in pairwise(logg_edges):
            inside = (logg >= low) & (logg < high)
            try:
                fit = robust_fit(mass[inside], cn=cn[inside] + 0.3, feh=feh[inside])
            except MissingInputError:
                continue
            slopes = [fit.slopes["cn"], fit.errors["cn"], fit.slopes["feh"], fit.errors["feh"]]
            rows.append((name, low, high, fit.n_stars, *slopes, fit.intercept, fit.scatter))
    require_stars(len(rows), 1, "bins of log g with 24 stars that have a mass and [C/N]")
    names = (
        "MASS",
        "LOGG_LO",
        "LOGG_HI",
        "N",
        "SLOPE",
        "SLOPE_ERR",
        "SLOPE_FEH",
        "SLOPE_FEH_ERR",
        "MASS_AT",
        "SCATTER",
    )
    units = {n: "Msun/dex" for n in names if n.startswith("SLOPE")} | {"MASS_AT": "Msun", "SCATTER": "Msun"}
    return Table(rows=rows, names=names, units=units)


def mass_loss_effect(masses=(1.0, 2.0), *, feh=0.0, mass_loss=0.03, relation=None):
    """By how much the age of a giant that has lost mass is too high (section 6.2 of the paper).

    Parameters
    ----------
    masses : sequence of float
        Initial masses (Msun).
    feh : float, default=0.0
        [Fe/H].
    mass_loss : float, default=0.03
        Mass lost (Msun).
    relation : GiantAgeRelation, optional
        By default the package's.

    Returns
    -------
    table : Table
        MASS [Msun], AGE [log10 yr], OVER_PREDICTED (fraction).

    Examples
    --------
    >>> from skdistmass.validation.science import mass_loss_effect
    >>> mass_loss_effect()["OVER_PREDICTED"].round(3).tolist()
    [0.115, 0.032]
    """
    relation = relation or GiantAgeRelation.default()
    masses = np.asarray(masses, float)
    age = relation.log_age(masses, feh)
    over = 10.0 ** (relation.log_age(masses - mass_loss, feh) - age) - 1.0
    return Table([masses, age, over], names=("MASS", "AGE", "OVER_PREDICTED"), units=("Msun", "dex(yr)", None))


def spoo_log_age(cn):
    """Log age [yr] of open clusters' giants from [C/N]: 10.14 + 2.23 [C/N] (Spoo et al. 2022, AJ 163, 229; DR17).

    NaN outside the range of its clusters, 8.62 to 9.82.

    Examples
    --------
    >>> from skdistmass.validation.science import spoo_log_age
    >>> spoo_log_age([-0.3, 0.3]).round(3)
    array([9.471,   nan])
    """
    log_age = 10.14 + 2.23 * np.asarray(cn, float)
    return np.where((log_age >= 8.62) & (log_age <= 9.82), log_age, np.nan)


def spoo_comparison(stars, *, predicted=None, bins=NARROW_FEH_BINS):
    """Ages against those of Spoo et al. (2022) from [C/N] alone (section 6.3 and figure 15 of the paper).

    Parameters
    ----------
    stars : Table
        A catalogue.
    predicted : str, optional
        Column of log ages; by default the first.
    bins : sequence of pairs of float
        Bins of [Fe/H].

    Returns
    -------
    table : Table
        FEH_LO, FEH_HI, N; BIAS and SCATTER of the difference of log ages [dex] where the calibration holds; SLOPE of
        the catalogue's log age with [C/N], and its error (Spoo et al.: 2.23).
    """
    ages = age_columns(stars)
    if predicted is None and not ages:
        raise MissingInputError("there is no age in the catalogue")
    cn, feh = carbon_to_nitrogen(stars), floats(stars, "M_H", "dex")
    log_age = log_ages(stars, predicted or ages[0])
    spoo = spoo_log_age(cn)
    rows = []
    for low, high in bins:
        inside = (feh >= low) & (feh < high) & np.isfinite(log_age) & np.isfinite(spoo)
        try:
            fit = robust_fit(log_age[inside], cn=cn[inside])
        except MissingInputError:
            continue
        difference = (log_age - spoo)[inside]
        slopes = (fit.slopes["cn"], fit.errors["cn"])
        rows.append((low, high, fit.n_stars, np.median(difference), robust_scatter(difference), *slopes))
    require_stars(len(rows), 1, "narrow bins of [Fe/H] with 16 ages in the range of Spoo et al. (2022)")
    names = ("FEH_LO", "FEH_HI", "N", "BIAS", "SCATTER", "SLOPE", "SLOPE_ERR")
    return Table(rows=rows, names=names, units={"BIAS": "dex", "SCATTER": "dex"})
