"""Figures 1 to 5 of the paper: training space, binaries, distances."""

import itertools

import numpy as np

from skdistmass.estimators.binaries import PAPER_THRESHOLD
from skdistmass.schema.columns import Bit
from skdistmass.validation.distances import cluster_distances, cluster_summary, distance_by_logg, distance_residuals
from skdistmass.validation.figures.drawing import (
    COLOURS,
    FEH_LABEL,
    KIEL_LABELS,
    LOGG_LABEL,
    density,
    figure_style,
    new_figure,
    panel_letter,
    spread_range,
)
from skdistmass.validation.stars import cluster_rows, floats, require, require_stars

__all__ = [
    "fig01_parameter_space",
    "fig02_cluster_coverage",
    "fig03_binaries",
    "fig04_mad_vs_logg",
    "fig05_cluster_distances",
]

DWARF_LOGG = 4.0


def parameter_space(stars, training, name):
    """Draw Kiel diagram and log g against metallicity of all stars, and of those trained on (figures 1 and 11)."""
    require(stars, "TEFF", "LOGG", "M_H")
    teff, logg, feh = floats(stars, "TEFF", "K"), floats(stars, "LOGG"), floats(stars, "M_H", "dex")
    require_stars(np.count_nonzero(training), 1, f"stars of the catalogue are in the training set of the {name} model")
    figure, axes = new_figure(2, 2)
    ylim = spread_range(logg, reverse=True)
    for column, (chosen, title) in enumerate(((np.ones(len(stars), bool), "all stars"), (training, "training set"))):
        for row, (x, xlabel, reverse) in enumerate(((teff, KIEL_LABELS["xlabel"], True), (feh, FEH_LABEL, False))):
            ax = axes[row, column]
            xlim = spread_range(x, reverse=reverse)
            density(figure, ax, x[chosen], logg[chosen], xlim=xlim, ylim=ylim, cmap="viridis")
            ax.set(xlabel=xlabel, ylabel=LOGG_LABEL)
            panel_letter(ax, "abcd"[2 * row + column], f"{title}: {np.count_nonzero(chosen)}")
    return figure


@figure_style
def fig01_parameter_space(stars, *, training=None):
    """Kiel diagram and metallicity of all stars and of the training set of the distance model (figure 1).

    Parameters
    ----------
    stars : Table
        A catalogue.
    training : ndarray of bool, optional
        Stars that were trained on; by default those with bit 1 of BITMASK.

    Returns
    -------
    figure : matplotlib.figure.Figure
    """
    if training is None:
        require(stars, "BITMASK")
        training = (np.asarray(stars["BITMASK"]) & Bit.DISTANCE_TRAINING) != 0
    return parameter_space(stars, np.asarray(training, bool), "distance")


@figure_style
def fig02_cluster_coverage(stars):
    """Cluster members, in green, over all other stars: Kiel diagram, and log g against metallicity (figure 2).

    Parameters
    ----------
    stars : Table
        Of `join_reference`. If a star's reference distance is its cluster's (REFERENCE_DIST_SRC), only such stars are
        green; else all with a CLUSTER.

    Returns
    -------
    figure : matplotlib.figure.Figure
    """
    require(stars, "TEFF", "LOGG", "M_H")
    member = np.zeros(len(stars), bool)
    if "REFERENCE_DIST_SRC" in stars.colnames:
        member = np.asarray(stars["REFERENCE_DIST_SRC"]) == "cluster"
    if not member.any():
        for _, rows, _ in cluster_rows(stars):
            member[rows] = True
    logg = floats(stars, "LOGG")
    figure, axes = new_figure(1, 2, panel_height=2.9)
    quantities = ((floats(stars, "TEFF", "K"), KIEL_LABELS["xlabel"], True), (floats(stars, "M_H"), FEH_LABEL, False))
    for ax, letter, (x, xlabel, reverse) in zip(axes[0], "ab", quantities, strict=True):
        xlim, ylim = spread_range(x, reverse=reverse), spread_range(logg, reverse=True)
        density(figure, ax, x[~member], logg[~member], xlim=xlim, ylim=ylim, cmap="Greys", bar=len(stars) > 1000)
        ax.scatter(
            x[member], logg[member], s=5, color=COLOURS[2], linewidths=0, label="cluster members", rasterized=True
        )
        ax.set(xlabel=xlabel, ylabel=LOGG_LABEL)
        panel_letter(ax, letter)
        ax.legend(loc="lower left")
    return figure


@figure_style
def fig03_binaries(stars, *, threshold=PAPER_THRESHOLD):
    """Residual distances of dwarfs, and where those beyond the threshold lie in the Kiel diagram (figure 3).

    Parameters
    ----------
    stars : Table
        Of `join_reference`.
    threshold : float, default=0.13
        Residual fractional distance, 1 - predicted / reference, beyond which the paper takes a star for a binary.

    Returns
    -------
    figure : matplotlib.figure.Figure
    """
    error, _ = distance_residuals(stars)
    logg, teff = floats(stars, "LOGG"), floats(stars, "TEFF", "K")
    dwarf = (logg > DWARF_LOGG) & np.isfinite(error)
    require_stars(np.count_nonzero(dwarf), 20, f"dwarfs (log g > {DWARF_LOGG:g}) with a reference distance")
    distance, residual = floats(stars, "REFERENCE_DIST", "kpc"), -error
    figure, (axes,) = new_figure(1, 2, panel_height=2.9)
    ylim = (-0.5, 0.5)
    density(figure, axes[0], distance[dwarf], residual[dwarf], xlim=spread_range(distance[dwarf]), ylim=ylim)
    axes[0].axhline(threshold, color=COLOURS[1], label=f"threshold {threshold:g}")
    axes[0].set(xlabel="reference distance [kpc]", ylabel="residual, 1 - predicted / reference")
    axes[0].legend(loc="lower right")
    panel_letter(axes[0], "a", f"{np.count_nonzero(dwarf)} dwarfs")
    known = np.isfinite(error)
    beyond = known & (residual > threshold)
    limits = {"xlim": spread_range(teff[known], reverse=True), "ylim": spread_range(logg[known], reverse=True)}
    axes[1].scatter(teff[known & ~beyond], logg[known & ~beyond], s=3, color="0.75", linewidths=0, rasterized=True)
    label = f"beyond the threshold: {np.count_nonzero(beyond)}"
    axes[1].scatter(teff[beyond], logg[beyond], s=4, color=COLOURS[1], linewidths=0, label=label, rasterized=True)
    axes[1].set(**KIEL_LABELS, **limits)
    axes[1].legend(loc="lower left")
    panel_letter(axes[1], "b")
    return figure


@figure_style
def fig04_mad_vs_logg(stars, *, others=()):
    """Median absolute deviation of distances against log g, with quartiles, beside the reference's error (figure 4).

    Parameters
    ----------
    stars : Table
        Of `join_reference`.
    others : sequence of str, default=()
        Further columns of distances (kpc); each gets a panel in which it is held against this catalogue's.

    Returns
    -------
    figure : matplotlib.figure.Figure
    """
    table = distance_by_logg(stars)
    panels = [("", None)]
    for name in others:
        panels.append((name, distance_by_logg(stars, predicted=name)))
    figure, (axes,) = new_figure(1, len(panels), panel_height=2.8, sharey=True)
    top = max(float(np.nanmax(table["Q75"])), 0.25)
    for ax, letter, (name, other) in zip(axes, "abcdefgh", panels, strict=False):
        ax.plot(table["LOGG"], table["MAD_STD"], color=COLOURS[0], marker="o", ms=3, label="this catalogue, 1.48 MAD")
        if other is None:
            ax.plot(table["LOGG"], table["Q25"], color=COLOURS[0], ls="--", lw=0.9, label="quartiles of |error|")
            ax.plot(table["LOGG"], table["Q75"], color=COLOURS[0], ls="--", lw=0.9)
        else:
            own = name.removeprefix("REF_")
            ax.plot(other["LOGG"], other["MAD_STD"], color=COLOURS[2], marker="s", ms=3, label=f"{own}, 1.48 MAD")
            top = max(top, min(float(np.nanmax(other["MAD_STD"])), 1.0))
        if np.isfinite(table["REFERENCE_ERR"]).any():
            ax.plot(table["LOGG"], table["REFERENCE_ERR"], color=COLOURS[1], ls="-.", label="error of reference")
        ax.set(xlabel=LOGG_LABEL)
        ax.legend(loc="upper right")
        panel_letter(ax, letter if len(panels) > 1 else "")
    axes[0].set(ylabel="fractional distance error", ylim=(0, 1.25 * top))
    return figure


@figure_style
def fig05_cluster_distances(stars, *, others=(), distances=None):
    """Fractional error of cluster distances against distance (figure 5).

    Parameters
    ----------
    stars : Table
        Of `join_reference`, with CLUSTER.
    others : sequence of str, default=()
        Further columns of distances (kpc), a panel each.
    distances : dict, optional
        As in `cluster_distances`.

    Returns
    -------
    figure : matplotlib.figure.Figure
        Bars are the standard deviation of the stars around the mean of their cluster.
    """
    from matplotlib.ticker import LogLocator, NullFormatter

    figure, axes = new_figure(1 + len(others), 1, width=5.0, panel_height=2.9, sharex=True)
    for ax, letter, name in zip(axes[:, 0], "abcdefgh", ("DISTANCE", *others), strict=False):
        table = cluster_distances(stars, predicted=name, distances=distances)
        summary = cluster_summary(table)
        ax.axhline(0, color="0.5", lw=0.7)
        style = {"fmt": "o", "ms": 4, "color": COLOURS[0], "ecolor": "0.6", "elinewidth": 0.8}
        ax.errorbar(table["ADOPTED"], table["ERROR"], yerr=table["SCATTER"], **style)
        # Names of neighbours go to different sides.
        places = itertools.cycle([(4, 3), (4, -8), (-4, 9), (-4, -14)])
        for row, place in zip(table[np.argsort(table["ADOPTED"])], places, strict=False):
            style = {"xytext": place, "textcoords": "offset points", "ha": "left" if place[0] > 0 else "right"}
            ax.annotate(row["CLUSTER"], (row["ADOPTED"], row["ERROR"]), fontsize=6.5, **style)
        text = f"{name.removeprefix('REF_')}: scatter of clusters {summary['scatter']:.3f}"
        panel_letter(ax, letter if others else "", text)
        reach = float(np.max(np.abs(table["ERROR"]) + table["SCATTER"]))
        ax.set(ylabel="fractional error", ylim=(-1.3 * reach, 1.3 * reach), xscale="log")
        ax.set_xlim(0.8 * float(table["ADOPTED"].min()), 1.35 * float(table["ADOPTED"].max()))
        ax.xaxis.set_major_locator(LogLocator(subs=(1.0, 2.0, 5.0)))
        ax.xaxis.set_major_formatter("{x:g}")
        ax.xaxis.set_minor_formatter(NullFormatter())
    axes[-1, 0].set(xlabel="adopted distance [kpc]")
    return figure
