"""How good the masses of a catalogue are, and what its mass networks have learned."""

from collections.abc import Sequence
from itertools import pairwise

import numpy as np
from astropy.table import Table
from numpy.typing import NDArray

from skdistmass.tables import optional_floats
from skdistmass.validation.columns import carbon_to_nitrogen, in_unit, mass_scales
from skdistmass.validation.distances import LOGG_EDGES
from skdistmass.validation.requirements import MissingInputError, require, require_stars
from skdistmass.validation.statistics import binned_statistics, compare_samples, fit_in_bins

__all__ = ["learned_cn_mass_relation", "mass_by", "mass_distributions", "mass_residuals"]

#: Edges of the bins of mass (Msun).
MASS_EDGES = (0.5, 0.8, 1.0, 1.2, 1.4, 1.6, 2.0, 2.5, 4.0)
#: Edges of the bins of log g in which masses are shown against [C/N] (figures 7 and 13).
CN_LOGG_EDGES = (1.0, 1.5, 2.0, 2.5, 3.0, 3.5)
LOGG_BINS = tuple(pairwise(CN_LOGG_EDGES))
#: Log g of the two samples whose masses are compared (figures 12 and 14), and edges of the bins of distance (kpc). The
#: red clump, where massive stars stay longer, is between them.
LOW_LOGG, HIGH_LOGG = (1.0, 2.2), (2.9, 3.4)
DISTANCE_EDGES = (0.0, 2.0, 4.0)


def mass_residuals(
    stars: Table, *, predicted: str | None = None, reference: str | None = None
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return the fractional errors of masses.

    Parameters
    ----------
    stars : Table
        Of `join_reference`.
    predicted : str, optional
        Column of masses (Msun); by default the first of the catalogue.
    reference : str, optional
        By default the column of the reference with the same name, else its MASS.

    Returns
    -------
    error, reference_error : ndarray of shape (n_stars,)
        ``predicted / reference - 1`` and the fractional error of the reference (NaN where unknown). Reference masses
        with an error above 10 % and those outside 0.5-4 Msun are left out (section 5.3 of the paper).

    Raises
    ------
    MissingInputError
        If there is no such column, or no star has both masses.
    """
    scales = mass_scales(stars)
    if not scales:
        raise MissingInputError("there is no mass in the catalogue")
    predicted = predicted or next(iter(scales))
    reference = reference or scales.get(predicted)
    if reference is None:
        raise MissingInputError(f"there is no MASS in the reference table to compare {predicted} with")
    require(stars, predicted, reference)
    found, true = in_unit(stars, predicted, "Msun"), in_unit(stars, reference, "Msun")
    error, low, high = (optional_floats(stars, f"{reference}_{end}", "Msun") for end in ("ERR", "LO", "HI"))
    with np.errstate(invalid="ignore", divide="ignore"):
        fraction = np.where(np.isfinite(error), error, 0.5 * (high - low)) / true
        usable = (true >= 0.5) & (true <= 4.0) & ~(fraction > 0.1) & np.isfinite(found)
        error = np.where(usable, found / true - 1.0, np.nan)
    if not usable.any():
        raise MissingInputError(f"no star has both {predicted} and a reference mass good to 10 %")
    return error, np.where(usable, fraction, np.nan)


def mass_by(
    stars: Table,
    by: str = "LOGG",
    *,
    predicted: str | None = None,
    reference: str | None = None,
    edges: Sequence[float] | None = None,
) -> Table:
    """Compute bias and scatter of masses by log g or by mass.

    Parameters
    ----------
    stars : Table
        Of `join_reference`.
    by : str, default="LOGG"
        LOGG, or MASS for bins of the predicted mass. In bins of the reference mass, the regression to the mean of any
        noisy label would look like a bias.
    predicted, reference : str, optional
        As in `mass_residuals`.
    edges : sequence of float, optional
        Edges of the bins.

    Returns
    -------
    table : Table
        As `binned_statistics`, of fractional errors.
    """
    if by not in ("LOGG", "MASS"):
        raise MissingInputError(f"masses are binned by LOGG or MASS, not by {by!r}")
    error, reference_error = mass_residuals(stars, predicted=predicted, reference=reference)
    if by == "LOGG":
        require(stars, "LOGG")
        values, edges = optional_floats(stars, "LOGG"), edges or LOGG_EDGES
    else:
        values, edges = in_unit(stars, predicted or next(iter(mass_scales(stars))), "Msun"), edges or MASS_EDGES
    return binned_statistics(values, error, edges, name=by, reference_error=reference_error)


def mass_samples(
    stars: Table, column: str, edges: Sequence[float] = DISTANCE_EDGES
) -> list[tuple[float, float, tuple[NDArray, NDArray]]]:
    """Return (nearest kpc, farthest kpc, (masses of low log g, of high log g)) of each bin of distance."""
    require(stars, column, "LOGG", "DISTANCE")
    mass, distance = in_unit(stars, column, "Msun"), in_unit(stars, "DISTANCE", "kpc")
    logg = optional_floats(stars, "LOGG")
    samples = []
    for low, high in pairwise(edges):
        near = (distance >= low) & (distance < high) & np.isfinite(mass)
        first, second = (mass[near & (logg > a) & (logg < b)] for a, b in (LOW_LOGG, HIGH_LOGG))
        samples.append((low, high, (first, second)))
    return samples


def mass_distributions(
    stars: Table, *, columns: Sequence[str] | None = None, edges: Sequence[float] = DISTANCE_EDGES
) -> Table:
    """Compare masses of giants of low and of high log g, which should agree at one distance (sections 5.4 and 5.5).

    Parameters
    ----------
    stars : Table
        Of `join_reference`.
    columns : sequence of str, optional
        Masses (Msun): by default all of the catalogue (figure 14 of the paper). Pass those of the reference, REF_MASS
        and so on, for figure 12.
    edges : sequence of float
        Edges of the bins of distance (kpc).

    Returns
    -------
    table : Table
        MASS (column), DISTANCE_LO, DISTANCE_HI [kpc], N_1 and N_2 (stars of low and high log g), MEDIAN_1, MEDIAN_2,
        DIFFERENCE (high minus low) and its error by bootstrap [Msun], KS and P_VALUE of the two-sample test of
        Kolmogorov and Smirnov.
    """
    rows = []
    for name in mass_scales(stars) if columns is None else columns:
        for low, high, samples in mass_samples(stars, name, edges):
            if min(map(len, samples)) >= 20:
                rows.append({"MASS": name.removeprefix("REF_"), "DISTANCE_LO": low, "DISTANCE_HI": high})
                rows[-1] |= compare_samples(*samples)
    require_stars(len(rows), 1, "mass scales and distance bins have 20 giants of low and 20 of high log g")
    units = dict.fromkeys(("MEDIAN_1", "MEDIAN_2", "DIFFERENCE", "DIFFERENCE_ERR"), "Msun")
    return Table(rows=rows, names=list(rows[0]), units=units | {"DISTANCE_LO": "kpc", "DISTANCE_HI": "kpc"})


def learned_cn_mass_relation(
    stars: Table, *, columns: Sequence[str] | None = None, logg_edges: Sequence[float] = CN_LOGG_EDGES
) -> Table:
    """Fit the relation of [C/N] and mass that each network has learned (figure 13 of the paper).

    Parameters
    ----------
    stars : Table
        A catalogue.
    columns : sequence of str, optional
        Masses; by default all of the catalogue.
    logg_edges : sequence of float
        Edges of the bins of log g.

    Returns
    -------
    table : Table
        MASS (column), LOGG_LO, LOGG_HI, N; SLOPE of mass with [C/N] and SLOPE_FEH with [Fe/H] [Msun/dex], fitted
        together, with errors; MASS_AT, the mass of the fit at [C/N] = -0.3 and [Fe/H] = 0 [Msun]; SCATTER [Msun].
    """
    cn, feh, logg = carbon_to_nitrogen(stars), optional_floats(stars, "M_H", "dex"), optional_floats(stars, "LOGG")
    everything = np.ones(len(stars), bool)
    rows = []
    for name in mass_scales(stars) if columns is None else columns:
        mass = in_unit(stars, name, "Msun")
        for b in fit_in_bins(logg, pairwise(logg_edges), everything, mass, cn=cn + 0.3, feh=feh):
            if b.fit is not None:
                slopes = [value for term in ("cn", "feh") for value in (b.fit.slopes[term], b.fit.errors[term])]
                rows.append((name, b.low, b.high, b.fit.n_stars, *slopes, b.fit.intercept, b.fit.scatter))
    require_stars(len(rows), 1, "bins of log g with 24 stars that have a mass and [C/N]")
    slope_names = ("SLOPE", "SLOPE_ERR", "SLOPE_FEH", "SLOPE_FEH_ERR")
    names = ("MASS", "LOGG_LO", "LOGG_HI", "N", *slope_names, "MASS_AT", "SCATTER")
    units = dict.fromkeys(slope_names, "Msun/dex") | {"MASS_AT": "Msun", "SCATTER": "Msun"}
    return Table(rows=rows, names=names, units=units)
