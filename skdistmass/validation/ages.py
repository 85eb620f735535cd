"""How good the ages of a catalogue are, compared with other ages and within clusters (section 6 of the paper)."""

from collections.abc import Iterable, Sequence

import numpy as np
from astropy.table import Table
from numpy.typing import ArrayLike, NDArray

from skdistmass.isochrones import GiantAgeRelation
from skdistmass.surveys.clusters import cluster_ages
from skdistmass.tables import optional_floats
from skdistmass.uncertainty import robust_scatter
from skdistmass.validation.columns import carbon_to_nitrogen, cluster_rows, first_age, log_ages, reference_age_columns
from skdistmass.validation.distances import MIN_MEMBERS
from skdistmass.validation.requirements import MissingInputError, require, require_stars
from skdistmass.validation.statistics import fit_in_bins

__all__ = ["age_in_clusters", "age_residuals", "age_statistics", "mass_loss_effect", "spoo_comparison", "spoo_log_age"]

#: Three narrow bins of [Fe/H] (dex) for ages by [C/N]; figure 15 of the paper.
NARROW_FEH_BINS = ((-0.35, -0.25), (-0.05, 0.05), (0.15, 0.25))


def age_residuals(stars: Table, predicted: str, reference: str) -> NDArray[np.float64]:
    """Return the difference of two log ages in dex, ``predicted - reference``; NaN where one is missing."""
    require(stars, predicted, reference)
    difference = log_ages(stars, predicted) - log_ages(stars, reference)
    if not np.isfinite(difference).any():
        raise MissingInputError(f"no star has both {predicted} and {reference.removeprefix('REF_')}")
    return difference


def age_statistics(stars: Table, *, predicted: str | None = None, references: Iterable[str] | None = None) -> Table:
    """Compare ages with other ages: bias and scatter in log age (figure 16 of the paper).

    Parameters
    ----------
    stars : Table
        Of `join_reference`.
    predicted : str, optional
        Column of ages; by default the first of the catalogue.
    references : iterable of str, optional
        Columns to compare with, in Gyr or with a unit; by default every AGE_* of the reference table.

    Returns
    -------
    table : Table
        REFERENCE, N, BIAS and SCATTER [dex], and the same for stars of 1-14 Gyr by the catalogue alone.
    """
    predicted = first_age(stars, predicted)
    rows = []
    for reference in reference_age_columns(stars) if references is None else references:
        try:
            difference = age_residuals(stars, predicted, reference)
        except MissingInputError:
            continue
        row: list = [predicted, reference.removeprefix("REF_")]
        for chosen in (True, log_ages(stars, predicted) > 9.0):
            known = difference[np.isfinite(difference) & chosen]
            row += [len(known), np.median(known), robust_scatter(known)] if len(known) else [0, np.nan, np.nan]
        rows.append(row)
    require_stars(len(rows), 1, "age columns to compare with")
    names = ("PREDICTED", "REFERENCE", "N", "BIAS", "SCATTER", "N_ABOVE_1GYR", "BIAS_ABOVE_1GYR", "SCATTER_ABOVE_1GYR")
    return Table(rows=rows, names=names, units={n: "dex" for n in names if n.startswith(("BIAS", "SCATTER"))})


def age_in_clusters(stars: Table, *, predicted: str | None = None) -> Table:
    """Compute the scatter of the log ages within each cluster (section 6.4 and figure 17: below 0.1 on average).

    Parameters
    ----------
    stars : Table
        With CLUSTER and ages.
    predicted : str, optional
        Column of ages; by default the first of the catalogue.

    Returns
    -------
    table : Table
        CLUSTER, N, MEDIAN [log10 yr], STD and ROBUST_SCATTER [dex]; LITERATURE, the age of the cluster in the
        literature [log10 yr] (`skdistmass.surveys.load_clusters`, NaN if unknown), and OFFSET, how far the median is
        above it [dex]. Clusters with three ages or more.
    """
    log_age = log_ages(stars, first_age(stars, predicted))
    rows = []
    for name, members, _ in cluster_rows(stars):
        values = log_age[members]
        values = values[np.isfinite(values)]
        if len(values) >= MIN_MEMBERS:
            row = (name, len(values), np.median(values), values.std(ddof=1), robust_scatter(values))
            known = 9.0 + np.log10(float(cluster_ages(np.array([name]))[0]))
            rows.append((*row, known, row[2] - known))
    require_stars(len(rows), 1, f"clusters have {MIN_MEMBERS} members with an age")
    names = ("CLUSTER", "N", "MEDIAN", "STD", "ROBUST_SCATTER", "LITERATURE", "OFFSET")
    units = {"MEDIAN": "dex(yr)", "STD": "dex", "ROBUST_SCATTER": "dex", "LITERATURE": "dex(yr)", "OFFSET": "dex"}
    return Table(rows=rows, names=names, units=units)


def mass_loss_effect(
    masses: ArrayLike = (1.0, 2.0),
    *,
    feh: float = 0.0,
    mass_loss: float = 0.03,
    relation: GiantAgeRelation | None = None,
) -> Table:
    """Compute by how much the age of a giant that has lost mass is too high (section 6.2 of the paper).

    Parameters
    ----------
    masses : sequence of float
        Initial masses (Msun).
    feh : float, default=0.0
        [Fe/H].
    mass_loss : float, default=0.03
        Mass lost (Msun).
    relation : GiantAgeRelation, optional
        By default the one of this package.

    Returns
    -------
    table : Table
        MASS [Msun], AGE [log10 yr], OVER_PREDICTED (fraction).

    Examples
    --------
    >>> from skdistmass.validation import mass_loss_effect
    >>> mass_loss_effect()["OVER_PREDICTED"].round(3).tolist()
    [0.115, 0.033]
    """
    relation = relation or GiantAgeRelation.default()
    masses = np.asarray(masses, float)
    age = relation.log_age(masses, feh)
    over = 10.0 ** (relation.log_age(masses - mass_loss, feh) - age) - 1.0
    return Table([masses, age, over], names=("MASS", "AGE", "OVER_PREDICTED"), units=("Msun", "dex(yr)", None))


def spoo_log_age(cn: ArrayLike) -> NDArray[np.float64]:
    """Return the log age [yr] of giants of open clusters: 10.14 + 2.23 [C/N] (Spoo et al. 2022, AJ 163, 229; DR17).

    NaN outside the range of the clusters used, 8.62 to 9.82.

    Examples
    --------
    >>> from skdistmass.validation import spoo_log_age
    >>> spoo_log_age([-0.3, 0.3]).round(3)
    array([9.471,   nan])
    """
    log_age = 10.14 + 2.23 * np.asarray(cn, float)
    return np.where((log_age >= 8.62) & (log_age <= 9.82), log_age, np.nan)


def spoo_comparison(
    stars: Table, *, predicted: str | None = None, bins: Sequence[tuple[float, float]] = NARROW_FEH_BINS
) -> Table:
    """Compare ages with those of Spoo et al. (2022) from [C/N] alone (section 6.3 and figure 15 of the paper).

    Parameters
    ----------
    stars : Table
        A catalogue.
    predicted : str, optional
        Column of ages; by default the first of the catalogue.
    bins : sequence of pairs of float
        Edges of each bin of [Fe/H].

    Returns
    -------
    table : Table
        FEH_LO, FEH_HI, N; BIAS and SCATTER of the difference of log ages [dex] where the calibration is valid; SLOPE of
        the log age of the catalogue with [C/N], and its error (Spoo et al.: 2.23).
    """
    log_age = log_ages(stars, first_age(stars, predicted))
    cn, feh = carbon_to_nitrogen(stars), optional_floats(stars, "M_H", "dex")
    difference = log_age - spoo_log_age(cn)
    rows = []
    for b in fit_in_bins(feh, bins, np.isfinite(difference), log_age, cn=cn):
        if b.fit is not None:
            values = difference[b.rows]
            slope = b.fit.slopes["cn"], b.fit.errors["cn"]
            rows.append((b.low, b.high, b.fit.n_stars, np.median(values), robust_scatter(values), *slope))
    require_stars(len(rows), 1, "narrow bins of [Fe/H] with 16 ages in the range of Spoo et al. (2022)")
    names = ("FEH_LO", "FEH_HI", "N", "BIAS", "SCATTER", "SLOPE", "SLOPE_ERR")
    return Table(rows=rows, names=names, units={"BIAS": "dex", "SCATTER": "dex"})
