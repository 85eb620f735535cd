"""Figures 1 to 5 of the paper: training space, binaries, distances."""

import itertools
from collections.abc import Mapping, Sequence

import numpy as np
from astropy.table import Table
from numpy.typing import NDArray

from skdistmass.estimators.binaries import PAPER_THRESHOLD
from skdistmass.schema.bits import Bit
from skdistmass.validation.columns import cluster_rows, in_unit, kiel
from skdistmass.validation.distances import cluster_distances, cluster_summary, distance_by_logg, distance_residuals
from skdistmass.validation.figures import drawing
from skdistmass.validation.requirements import require, require_stars

__all__ = [
    "fig01_parameter_space",
    "fig02_cluster_coverage",
    "fig03_binaries",
    "fig04_mad_vs_logg",
    "fig05_cluster_distances",
]

DWARF_LOGG = 4.0


def parameter_space(stars: Table, training: NDArray, name: str) -> "drawing.Figure":
    """Draw Kiel diagram and log g against metallicity of all stars, and of those trained on (figures 1 and 11)."""
    teff, logg, feh = kiel(stars)
    require_stars(np.count_nonzero(training), 1, f"stars of the catalogue are in the training set of the {name} model")
    everything = np.ones(len(stars), bool)
    figure, axes = drawing.new_figure(2, 2)
    ylim = drawing.spread_range(logg, reverse=True)
    for row, (x, xlabel) in enumerate(((teff, drawing.TEFF_LABEL), (feh, drawing.FEH_LABEL))):
        xlim = drawing.spread_range(x, reverse=row == 0)
        for column, (title, chosen) in enumerate({"all stars": everything, "training set": training}.items()):
            ax = axes[row, column]
            drawing.density(ax, x[chosen], logg[chosen], xlim, ylim)
            ax.set(xlabel=xlabel, ylabel=drawing.LOGG_LABEL)
            drawing.panel_letter(ax, 2 * row + column, f"{title}: {np.count_nonzero(chosen)}")
    return figure


@drawing.figure_style
def fig01_parameter_space(stars: Table, *, training: NDArray | None = None) -> "drawing.Figure":
    """Kiel diagram and metallicity of all stars and of the training set of the distance model (figure 1).

    Parameters
    ----------
    training : ndarray of bool, optional
        Stars that were trained on; by default those with bit 1 of BITMASK.
    """
    if training is None:
        require(stars, "BITMASK")
        training = (np.asarray(stars["BITMASK"]) & Bit.DISTANCE_TRAINING) != 0
    return parameter_space(stars, np.asarray(training, bool), "distance")


@drawing.figure_style
def fig02_cluster_coverage(stars: Table) -> "drawing.Figure":
    """Cluster members, in green, over all other stars: Kiel diagram, and log g against metallicity (figure 2).

    Green are stars whose reference distance is that of their cluster (REFERENCE_DIST_SRC), or, if there are none, all
    with a CLUSTER.
    """
    teff, logg, feh = kiel(stars)
    member = np.zeros(len(stars), bool)
    if "REFERENCE_DIST_SRC" in stars.colnames:
        member = np.asarray(stars["REFERENCE_DIST_SRC"]) == "cluster"
    if not member.any():
        for _, rows, _ in cluster_rows(stars):
            member[rows] = True
    figure, axes = drawing.new_figure(1, 2, panel_height=2.9)
    quantities = ((teff, drawing.TEFF_LABEL), (feh, drawing.FEH_LABEL))
    for number, (ax, (x, xlabel)) in enumerate(zip(axes[0], quantities, strict=True)):
        limits = drawing.spread_range(x, reverse=number == 0), drawing.spread_range(logg, reverse=True)
        drawing.density(ax, x[~member], logg[~member], *limits, cmap="Greys", bar=len(stars) > 1000)
        style = {"s": 5, "color": drawing.COLOURS[2], "linewidths": 0, "rasterized": True}
        ax.scatter(x[member], logg[member], label="cluster members", **style)
        ax.set(xlabel=xlabel, ylabel=drawing.LOGG_LABEL)
        drawing.panel_letter(ax, number)
        ax.legend(loc="lower left")
    return figure


@drawing.figure_style
def fig03_binaries(stars: Table, *, threshold: float = PAPER_THRESHOLD) -> "drawing.Figure":
    """Residual distances of dwarfs, and where those beyond the threshold are in the Kiel diagram (figure 3).

    Parameters
    ----------
    threshold : float, default=0.13
        Residual fractional distance, 1 - predicted / reference, above which the paper takes a star for a binary.
    """
    residual = -distance_residuals(stars)[0]
    teff, logg, _ = kiel(stars)
    known = np.isfinite(residual)
    dwarf = (logg > DWARF_LOGG) & known
    require_stars(np.count_nonzero(dwarf), 20, f"dwarfs (log g > {DWARF_LOGG:g}) with a reference distance")
    distance = in_unit(stars, "REFERENCE_DIST", "kpc")
    figure, ((left, right),) = drawing.new_figure(1, 2, panel_height=2.9)
    drawing.density(left, distance[dwarf], residual[dwarf], drawing.spread_range(distance[dwarf]), (-0.5, 0.5))
    left.axhline(threshold, color=drawing.COLOURS[1], label=f"threshold {threshold:g}")
    left.set(xlabel="reference distance [kpc]", ylabel="residual, 1 - predicted / reference")
    left.legend(loc="lower right")
    drawing.panel_letter(left, 0, f"{np.count_nonzero(dwarf)} dwarfs")
    beyond = residual > threshold
    style = {"linewidths": 0, "rasterized": True}
    right.scatter(teff[known & ~beyond], logg[known & ~beyond], s=3, color="0.75", **style)
    label = f"beyond the threshold: {np.count_nonzero(beyond)}"
    right.scatter(teff[beyond], logg[beyond], s=4, color=drawing.COLOURS[1], label=label, **style)
    xlim, ylim = (drawing.spread_range(values[known], reverse=True) for values in (teff, logg))
    right.set(xlim=xlim, ylim=ylim, **drawing.KIEL_LABELS)
    right.legend(loc="lower left")
    drawing.panel_letter(right, 1)
    return figure


@drawing.figure_style
def fig04_mad_vs_logg(
    stars: Table, *, others: Sequence[str] = (), found: "drawing.Validation | None" = None
) -> "drawing.Figure":
    """Median absolute deviation of distances against log g, with quartiles, and the error of the reference (figure 4).

    Parameters
    ----------
    others : sequence of str, default=()
        Further columns of distances (kpc); each gets a panel in which it is compared with those of the catalogue.
    """
    names = ("DISTANCE", *others)
    table = (found and found.tables.get("distance_by_logg")) or distance_by_logg(stars)
    figure, (axes,) = drawing.new_figure(1, len(names), panel_height=2.8, sharey=True)
    top = max(float(np.nanmax(table["Q75"])), 0.25)
    for number, (ax, name) in enumerate(zip(axes, names, strict=True)):
        own, quartile = {"color": drawing.COLOURS[0]}, {"color": drawing.COLOURS[0], "ls": "--", "lw": 0.9}
        ax.plot(table["LOGG"], table["MAD_STD"], marker="o", ms=3, label="this catalogue, 1.48 MAD", **own)
        if number == 0:
            ax.plot(table["LOGG"], table["Q25"], label="quartiles of |error|", **quartile)
            ax.plot(table["LOGG"], table["Q75"], **quartile)
        else:
            other = distance_by_logg(stars, predicted=name)
            style = {"color": drawing.COLOURS[2], "marker": "s", "ms": 3, "label": f"1.48 MAD of {drawing.plain(name)}"}
            ax.plot(other["LOGG"], other["MAD_STD"], **style)
            top = max(top, min(float(np.nanmax(other["MAD_STD"])), 1.0))
        if np.isfinite(table["REFERENCE_ERR"]).any():
            style = {"color": drawing.COLOURS[1], "ls": "-.", "label": "error of reference"}
            ax.plot(table["LOGG"], table["REFERENCE_ERR"], **style)
        ax.set(xlabel=drawing.LOGG_LABEL)
        ax.legend(loc="upper right")
        drawing.panel_letter(ax, number if others else None)
    axes[0].set(ylabel="fractional distance error", ylim=(0, 1.25 * top))
    return figure


@drawing.figure_style
def fig05_cluster_distances(
    stars: Table,
    *,
    others: Sequence[str] = (),
    distances: Mapping[str, float] | None = None,
    found: "drawing.Validation | None" = None,
) -> "drawing.Figure":
    """Fractional error of cluster distances against distance, with the scatter of the stars of each (figure 5).

    Parameters
    ----------
    others : sequence of str, default=()
        Further columns of distances (kpc), a panel each.
    distances : dict, optional
        As in `cluster_distances`.
    """
    from matplotlib.ticker import LogLocator, NullFormatter

    figure, axes = drawing.new_figure(1 + len(others), 1, width=5.0, panel_height=2.9, sharex=True)
    for number, (ax, name) in enumerate(zip(axes[:, 0], ("DISTANCE", *others), strict=True)):
        known = found.tables.get("cluster_distances") if found and number == 0 else None
        table = known or cluster_distances(stars, predicted=name, distances=distances)
        ax.axhline(0, color="0.5", lw=0.7)
        style = {"fmt": "o", "ms": 4, "color": drawing.COLOURS[0], "ecolor": "0.6", "elinewidth": 0.8}
        ax.errorbar(table["ADOPTED"], table["ERROR"], yerr=table["SCATTER"], **style)
        # Names of neighbours go to different sides.
        places = itertools.cycle([(4, 3), (4, -8), (-4, 9), (-4, -14)])
        for row, place in zip(table[np.argsort(table["ADOPTED"])], places, strict=False):
            style = {"xytext": place, "textcoords": "offset points", "ha": "left" if place[0] > 0 else "right"}
            ax.annotate(drawing.plain(row["CLUSTER"]), (row["ADOPTED"], row["ERROR"]), fontsize=6.5, **style)
        text = f"{drawing.plain(name)}: scatter of clusters {cluster_summary(table)['scatter']:.3f}"
        drawing.panel_letter(ax, number if others else None, text)
        reach = float(np.max(np.abs(table["ERROR"]) + table["SCATTER"]))
        ax.set(ylabel="fractional error", ylim=(-1.3 * reach, 1.3 * reach), xscale="log")
        ax.set_xlim(0.8 * float(table["ADOPTED"].min()), 1.35 * float(table["ADOPTED"].max()))
        ax.xaxis.set_major_locator(LogLocator(subs=(1.0, 2.0, 5.0)))
        ax.xaxis.set_major_formatter("{x:g}")
        ax.xaxis.set_minor_formatter(NullFormatter())
    axes[-1, 0].set(xlabel="adopted distance [kpc]")
    return figure
