"""How good a catalogue's distances are, held against Gaia's and those of clusters."""

import numpy as np
from astropy.table import Table
from scipy.stats import t as student

from skdistmass.estimators.training_space import OUTSIDE
from skdistmass.uncertainty import robust_scatter
from skdistmass.validation.stars import MissingInputError, cluster_rows, floats, require, require_stars
from skdistmass.validation.statistics import binned_statistics

__all__ = ["cluster_distances", "cluster_summary", "distance_by_logg", "distance_residuals"]

#: Bin edges of log g (dex, cgs).
LOGG_EDGES = (0.0, 0.5, 1.0, 1.5, 2.0, 2.25, 2.5, 2.75, 3.0, 3.25, 3.5, 4.0, 4.5, 5.0)
#: Largest fractional error of a reference distance to judge by (section 4.1 of the paper).
MAX_REFERENCE_ERROR = 0.15
MIN_MEMBERS = 3


def distance_residuals(stars, *, predicted="DISTANCE", reference="REFERENCE_DIST", max_error=MAX_REFERENCE_ERROR):
    """Fractional error of distances.

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
        ``predicted / reference - 1`` and the fractional error of the reference; NaN where a distance is missing, or the
        reference too poor. Clusters' distances are not counted here: `cluster_distances` does.

    Raises
    ------
    MissingInputError
        If there is no such column.
    """
    require(stars, predicted, reference)
    found, true = floats(stars, predicted, "kpc"), floats(stars, reference, "kpc")
    reference_error = floats(stars, f"{reference}_ERR", "kpc")
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


def distance_by_logg(stars, *, predicted="DISTANCE", reference="REFERENCE_DIST", edges=LOGG_EDGES):
    """Fractional error of distances by log g (figure 4 of the paper).

    Parameters
    ----------
    stars : Table
        Of `join_reference`.
    predicted, reference : str
        Columns of distances (kpc).
    edges : sequence of float
        Bins of log g.

    Returns
    -------
    table : Table
        As `binned_statistics`, of fractional errors. MAD_STD, Q25 and Q75 are the lines of figure 4.
    """
    error, reference_error = distance_residuals(stars, predicted=predicted, reference=reference)
    return binned_statistics(floats(stars, "LOGG"), error, edges, name="LOGG", reference_error=reference_error)


def cluster_distances(stars, *, predicted="DISTANCE", distances=None):
    """Distances of clusters (figure 5 of the paper).

    Parameters
    ----------
    stars : Table
        With CLUSTER and the predicted distances.
    predicted : str
        Column of distances (kpc).
    distances : dict, optional
        Name of each cluster, as in CLUSTER, to its distance in kpc; by default Table 1 of the paper. Clusters
        that are in neither are left out, as are those with fewer than three members with a distance.

    Returns
    -------
    table : Table
        CLUSTER, N, ADOPTED [kpc], MEAN [kpc]; ERROR, the fractional error of the mean; SCATTER, the standard
        deviation of the fractional distances around the mean; WITHIN, around the adopted distance; MEDIAN_ERROR and
        ROBUST_SCATTER, the same by median and MAD; OUTSIDE, the fraction of these stars that are outside the labels
        that the distance model was trained on (DISTANCE_SPACE; NaN if the catalogue does not tell); P_VALUE, the
        probability of a deviation from the other clusters as large as this cluster's, by Student's t, and DEVIANT,
        whether it is below 1 % divided by the number of clusters.
    """
    require(stars, predicted)
    found = floats(stars, predicted, "kpc")
    space = floats(stars, "DISTANCE_SPACE")
    outside = np.where(np.isfinite(space), space >= OUTSIDE, np.nan)
    rows = []
    for name, members, adopted in cluster_rows(stars):
        adopted = (distances or {}).get(name, adopted)
        members = members[np.isfinite(found[members])]
        values = found[members]
        if len(values) < MIN_MEMBERS or not np.isfinite(adopted):
            continue
        error = values / adopted - 1.0
        mean = error.mean()
        within = np.sqrt(np.mean(error**2))
        row = (name, len(values), adopted, values.mean(), mean, error.std(ddof=1), within)
        rows.append((*row, np.median(error), robust_scatter(error), outside[members].mean()))
    require_stars(len(rows), 1, f"clusters have a known distance and {MIN_MEMBERS} members with {predicted}")
    names = ("CLUSTER", "N", "ADOPTED", "MEAN", "ERROR", "SCATTER", "WITHIN", "MEDIAN_ERROR", "ROBUST_SCATTER")
    names += ("OUTSIDE",)
    table = Table(rows=rows, names=names, units={"ADOPTED": "kpc", "MEAN": "kpc"})
    own_error = table["ROBUST_SCATTER"] / np.sqrt(table["N"])
    table["P_VALUE"] = _deviation(np.asarray(table["MEDIAN_ERROR"]), np.asarray(own_error))
    table["DEVIANT"] = table["P_VALUE"] < 0.01 / len(table)
    return table


def _deviation(error, own_error):
    """Probability that a value is as far from the others by chance, for each value; NaN for fewer than five."""
    n = len(error)
    p_value = np.full(n, np.nan)
    for i in range(n if n >= 5 else 0):
        others = np.delete(error, i)
        spread = np.hypot(robust_scatter(others) * np.sqrt(1.0 + 1.0 / (n - 1)), max(own_error[i], 1e-6))
        p_value[i] = 2.0 * student.sf(abs(error[i] - np.median(others)) / spread, n - 2)
    return p_value


def cluster_summary(table):
    """Figures that section 4.3 of the paper gives for clusters.

    Parameters
    ----------
    table : Table
        Of `cluster_distances`.

    Returns
    -------
    summary : dict
        ``bias``, median of the fractional errors of the cluster distances (paper: -0.06); ``scatter``, their
        standard deviation (0.114; NaN for one cluster); ``within``, median scatter of stars about the
        adopted distance (0.14).

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
