"""How good the distances of a catalogue are, compared with those of Gaia and of clusters."""

from collections.abc import Mapping, Sequence

import numpy as np
from astropy.table import Table
from numpy.typing import NDArray
from scipy.stats import t as student

from skdistmass.schema.bits import Space
from skdistmass.tables import optional_floats
from skdistmass.uncertainty import robust_scatter
from skdistmass.validation.columns import cluster_rows, in_unit
from skdistmass.validation.requirements import MissingInputError, require, require_stars
from skdistmass.validation.statistics import binned_statistics

__all__ = ["cluster_distances", "cluster_summary", "distance_by_logg", "distance_residuals"]

#: Bin edges of log g (dex, cgs).
LOGG_EDGES = (0.0, 0.5, 1.0, 1.5, 2.0, 2.25, 2.5, 2.75, 3.0, 3.25, 3.5, 4.0, 4.5, 5.0)
#: Largest fractional error of a reference distance that is compared with (section 4.1 of the paper).
MAX_REFERENCE_ERROR = 0.15
MIN_MEMBERS = 3


def distance_residuals(
    stars: Table,
    *,
    predicted: str = "DISTANCE",
    reference: str = "REFERENCE_DIST",
    max_error: float = MAX_REFERENCE_ERROR,
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return the fractional errors of distances.

    Parameters
    ----------
    stars : Table
        Of `join_reference`.
    predicted, reference : str
        Columns of distances (kpc).
    max_error : float, default=0.15
        Largest fractional error of the reference distance.

    Returns
    -------
    error, reference_error : ndarray of shape (n_stars,)
        ``predicted / reference - 1`` and the fractional error of the reference. Both are NaN where a distance is
        missing, where the reference is too poor, and where it is the distance of a cluster: `cluster_distances`
        compares those.

    Raises
    ------
    MissingInputError
        If there is no such column, or no star has both distances.
    """
    require(stars, predicted, reference)
    found, true = in_unit(stars, predicted, "kpc"), in_unit(stars, reference, "kpc")
    reference_error = optional_floats(stars, f"{reference}_ERR", "kpc")
    with np.errstate(invalid="ignore", divide="ignore"):
        reference_error = reference_error / true
        error = np.where(true > 0, found / true - 1.0, np.nan)
        poor = reference_error > max_error
    if f"{reference}_SRC" in stars.colnames:
        poor |= np.asarray(stars[f"{reference}_SRC"]) == "cluster"
    error[poor] = reference_error[poor] = np.nan
    if not np.isfinite(error).any():
        raise MissingInputError(f"no star has both {predicted} and a reference distance good to {max_error:.0%}")
    return error, reference_error


def distance_by_logg(
    stars: Table, *, predicted: str = "DISTANCE", reference: str = "REFERENCE_DIST", edges: Sequence[float] = LOGG_EDGES
) -> Table:
    """Compute the fractional error of distances by log g (figure 4 of the paper).

    Parameters
    ----------
    stars : Table
        Of `join_reference`.
    predicted, reference : str
        Columns of distances (kpc).
    edges : sequence of float
        Edges of the bins of log g.

    Returns
    -------
    table : Table
        As `binned_statistics`, of fractional errors. MAD_STD, Q25 and Q75 are the lines of figure 4.
    """
    error, reference_error = distance_residuals(stars, predicted=predicted, reference=reference)
    require(stars, "LOGG")
    logg = optional_floats(stars, "LOGG")
    return binned_statistics(logg, error, edges, name="LOGG", reference_error=reference_error)


def cluster_distances(
    stars: Table, *, predicted: str = "DISTANCE", distances: Mapping[str, float] | str | None = None
) -> Table:
    """Compare the distances of clusters with the adopted ones (figure 5 of the paper).

    Parameters
    ----------
    stars : Table
        With CLUSTER and the predicted distances.
    predicted : str
        Column of distances (kpc).
    distances : dict, "paper" or "modern", optional
        Name of each cluster, as in CLUSTER, to its distance in kpc; or a list of `skdistmass.surveys.load_clusters`; by
        default Table 1 of the paper. Clusters that are in neither are left out, as are those with fewer than three
        members with a distance.

    Returns
    -------
    table : Table
        CLUSTER, N, ADOPTED [kpc], MEAN [kpc]; ERROR, the fractional error of the mean; SCATTER, the standard
        deviation of the fractional distances around the mean; WITHIN, around the adopted distance; MEDIAN_ERROR and
        ROBUST_SCATTER, the same by median and MAD; OUTSIDE, the fraction of all members that are outside the labels
        that the distance model was trained on (DISTANCE_SPACE; NaN if the catalogue does not have it); P_VALUE, the
        probability of a deviation from the other clusters as large as the deviation of this one, by Student's t; and
        DEVIANT, whether it is below 1 % divided by the number of clusters.
    """
    require(stars, predicted)
    found = in_unit(stars, predicted, "kpc")
    space = optional_floats(stars, "DISTANCE_SPACE")
    outside = np.where(np.isfinite(space), space >= Space.OUTSIDE, np.nan)
    version, known = (distances, {}) if isinstance(distances, str) else ("paper", distances or {})
    rows = []
    for name, members, adopted in cluster_rows(stars, version):
        adopted = known.get(name, adopted)
        values = found[members]
        values = values[np.isfinite(values)]
        if len(values) < MIN_MEMBERS or not np.isfinite(adopted):
            continue
        error = values / adopted - 1.0
        row = (name, len(values), adopted, values.mean(), error.mean(), error.std(ddof=1), np.sqrt(np.mean(error**2)))
        rows.append((*row, np.median(error), robust_scatter(error), outside[members].mean()))
    require_stars(len(rows), 1, f"clusters have a known distance and {MIN_MEMBERS} members with {predicted}")
    names = ("CLUSTER", "N", "ADOPTED", "MEAN", "ERROR", "SCATTER", "WITHIN", "MEDIAN_ERROR", "ROBUST_SCATTER")
    table = Table(rows=rows, names=(*names, "OUTSIDE"), units={"ADOPTED": "kpc", "MEAN": "kpc"})
    own_error = table["ROBUST_SCATTER"] / np.sqrt(table["N"])
    table["P_VALUE"] = _deviation(np.asarray(table["MEDIAN_ERROR"]), np.asarray(own_error))
    table["DEVIANT"] = table["P_VALUE"] < 0.01 / len(table)
    return table


def _deviation(error: NDArray, own_error: NDArray) -> NDArray[np.float64]:
    """Return the probability that each value is as far from the others by chance; NaN for fewer than five."""
    n = len(error)
    p_value = np.full(n, np.nan)
    for i in range(n if n >= 5 else 0):
        others = np.delete(error, i)
        spread = np.hypot(robust_scatter(others) * np.sqrt(1.0 + 1.0 / (n - 1)), max(own_error[i], 1e-6))
        p_value[i] = 2.0 * student.sf(abs(error[i] - np.median(others)) / spread, n - 2)
    return p_value


def cluster_summary(table: Table) -> dict[str, float]:
    """Compute the numbers that section 4.3 of the paper gives for clusters.

    Parameters
    ----------
    table : Table
        Of `cluster_distances`.

    Returns
    -------
    summary : dict
        ``bias``, median of the fractional errors of the cluster distances (paper: -0.06); ``scatter``, their standard
        deviation (0.114; NaN for one cluster); ``within``, median scatter of stars about the adopted distance (0.14).

    Examples
    --------
    >>> from skdistmass.validation.distances import cluster_summary
    >>> summary = cluster_summary(Table({"ERROR": [-0.1, 0.0, 0.1], "WITHIN": [0.1, 0.2, 0.3]}))
    >>> {name: round(value, 3) for name, value in summary.items()}
    {'bias': 0.0, 'scatter': 0.1, 'within': 0.2}
    """
    error = np.asarray(table["ERROR"])
    return {
        "bias": float(np.median(error)),
        "scatter": float(error.std(ddof=1)) if len(error) > 1 else np.nan,
        "within": float(np.median(table["WITHIN"])),
    }
