"""Figures 15 to 18 of the paper: ages."""

import numpy as np

from skdistmass.surveys import match_clusters
from skdistmass.uncertainty import robust_scatter
from skdistmass.validation.figures.drawing import (
    CN_LABEL,
    COLOURS,
    KIEL_LABELS,
    LOGG_LABEL,
    colour_bar,
    colour_scatter,
    density,
    figure_style,
    label_bottom,
    new_figure,
    panel_letter,
    spread_range,
)
from skdistmass.validation.metrics import MIN_MEMBERS
from skdistmass.validation.science import NARROW_FEH_BINS, spoo_log_age
from skdistmass.validation.stars import (
    MissingInputError,
    age_columns,
    carbon_to_nitrogen,
    cluster_rows,
    floats,
    log_ages,
    reference_age_columns,
    require,
    require_stars,
)

__all__ = ["fig15_age_vs_cn", "fig16_age_comparison", "fig17_cluster_ages", "fig18_cluster_kiel"]

AGE_LABEL = r"$\log_{10}$ age [yr]"
_AGE_RANGE = (8.0, 10.6)


def _first_age(stars, age):
    ages = age_columns(stars)
    if age is None and not ages:
        raise MissingInputError("there is no age in the catalogue")
    require(stars, age or ages[0])
    return age or ages[0]


@figure_style
def fig15_age_vs_cn(stars, *, age=None, bins=NARROW_FEH_BINS):
    """Log age against [C/N] in narrow bins of [Fe/H], coloured by log g, with Spoo et al. (2022) dashed (figure 15).

    Parameters
    ----------
    stars : Table
        A catalogue.
    age : str, optional
        Column of log ages; by default the first.
    bins : sequence of pairs of float
        Bins of [Fe/H].

    Returns
    -------
    figure : matplotlib.figure.Figure
    """
    log_age = log_ages(stars, _first_age(stars, age))
    cn, feh, logg = carbon_to_nitrogen(stars), floats(stars, "M_H", "dex"), floats(stars, "LOGG")
    usable = np.isfinite(log_age) & np.isfinite(cn)
    chosen = [usable & (feh >= low) & (feh < high) for low, high in bins]
    require_stars(sum(map(np.count_nonzero, chosen)), 10, "stars with age and [C/N] in the narrow bins of [Fe/H]")
    figure, (axes,) = new_figure(1, len(bins), panel_height=2.7, sharey=True)
    xlim = spread_range(cn[np.any(chosen, axis=0)], fraction=0.005)
    line = np.linspace(-1.0, 0.5, 400)
    for ax, letter, inside, (low, high) in zip(axes, "abcdefgh", chosen, bins, strict=False):
        drawn = colour_scatter(ax, cn[inside], log_age[inside], logg[inside], limits=(1.0, 3.5))
        ax.plot(line, spoo_log_age(line), color=COLOURS[1], ls="--", lw=1.6, label="Spoo et al. (2022)")
        ax.set(xlabel=CN_LABEL, xlim=xlim, ylim=_AGE_RANGE)
        panel_letter(ax, letter, f"{low:g} < [M/H] < {high:g}")
        ax.legend(loc="lower right")
    axes[0].set(ylabel=AGE_LABEL)
    colour_bar(figure, drawn, axes, LOGG_LABEL)
    return figure


@figure_style
def fig16_age_comparison(stars, *, age=None, references=None):
    """Ages against other ages (figure 16; there, astroNN's by Mackereth et al. 2019).

    Parameters
    ----------
    stars : Table
        Of `join_reference`.
    age : str, optional
        Column of log ages; by default the first.
    references : sequence of str, optional
        Columns of other ages (Gyr, or with a unit), a panel each; by default every AGE_* of the reference.

    Returns
    -------
    figure : matplotlib.figure.Figure
    """
    age = _first_age(stars, age)
    own = log_ages(stars, age)
    others = {}
    for name in reference_age_columns(stars) if references is None else references:
        values = log_ages(stars, name)
        if np.isfinite(own + values).any():
            others[name.removeprefix("REF_")] = values
    if not others:
        raise MissingInputError("the reference table has no ages (AGE_*) of these stars")
    n_columns = 1 if len(others) == 1 else 2
    figure, axes = new_figure(-(-len(others) // n_columns), n_columns, panel_height=2.9)
    for ax in axes.flat[len(others) :]:
        ax.set_axis_off()
    for ax, letter, (name, values) in zip(axes.flat, "abcdefghijkl", others.items(), strict=False):
        density(figure, ax, values, own, xlim=_AGE_RANGE, ylim=_AGE_RANGE)
        ax.plot(_AGE_RANGE, _AGE_RANGE, color=COLOURS[1], lw=0.9)
        ax.set(xlabel=rf"{name}, $\log_{{10}}$ age [yr]", ylabel=rf"{age}, $\log_{{10}}$ age [yr]")
        difference = (own - values)[np.isfinite(own - values)]
        text = f"{len(difference)} stars\nbias {np.median(difference):+.3f} dex"
        text += f"\nscatter {robust_scatter(difference):.3f} dex"
        panel_letter(ax, letter if len(others) > 1 else "", text)
    return figure


@figure_style
def fig17_cluster_ages(stars, *, age=None, others=()):
    """Histograms of the ages of the members of each cluster (figure 17).

    Parameters
    ----------
    stars : Table
        With CLUSTER and ages.
    age : str, optional
        Column of log ages; by default the first.
    others : sequence of str, default=()
        Other ages to draw beside it.

    Returns
    -------
    figure : matplotlib.figure.Figure
        A panel for each cluster with three ages or more, with the standard deviation of the log ages in dex.
    """
    names = [_first_age(stars, age), *others]
    ages = {name: log_ages(stars, name) for name in names}
    clusters = [
        (cluster, rows)
        for cluster, rows, _ in cluster_rows(stars)
        if np.count_nonzero(np.isfinite(ages[names[0]][rows])) >= MIN_MEMBERS
    ]
    require_stars(len(clusters), 1, f"clusters have {MIN_MEMBERS} members with an age")
    n_columns = min(3, len(clusters))
    figure, axes = new_figure(-(-len(clusters) // n_columns), n_columns, panel_height=1.9, sharex=True)
    label_bottom(axes, AGE_LABEL, len(clusters))
    edges = np.arange(8.0, 10.65, 0.1)
    for ax, (cluster, rows) in zip(axes.flat, clusters, strict=False):
        lines = [cluster]
        for number, name in enumerate(names):
            values = ages[name][rows]
            values = values[np.isfinite(values)]
            style = {"color": COLOURS[number], "histtype": "stepfilled" if number == 0 else "step"}
            ax.hist(np.clip(values, edges[0], edges[-1]), edges, alpha=0.75 if number == 0 else 1.0, **style)
            if len(values) > 1:
                label = name.removeprefix("REF_")
                lines.append(f"{label}: {len(values)} stars, {values.std(ddof=1):.2f} dex")
        panel_letter(ax, "", "\n".join(lines))
        ax.set(ylabel="stars", xlim=(edges[0], edges[-1]))
        ax.set_ylim(top=1.6 * ax.get_ylim()[1])
        ax.yaxis.get_major_locator().set_params(integer=True)
    return figure


@figure_style
def fig18_cluster_kiel(stars, *, cluster="NGC 7789", age=None):
    """Kiel diagram of a cluster's members, coloured by age (figure 18).

    Parameters
    ----------
    stars : Table
        With CLUSTER and ages.
    cluster : str, default="NGC 7789"
        In any usual spelling.
    age : str, optional
        Column of log ages; by default the first.

    Returns
    -------
    figure : matplotlib.figure.Figure
    """
    age = _first_age(stars, age)
    wanted = match_clusters(cluster)
    rows = [
        r for name, r, _ in cluster_rows(stars) if name == cluster or (wanted >= 0 and match_clusters(name) == wanted)
    ]
    if not rows:
        raise MissingInputError(f"no star is marked as a member of {cluster}")
    members = stars[rows[0]]
    log_age = log_ages(members, age)
    require_stars(np.count_nonzero(np.isfinite(log_age)), 1, f"members of {cluster} have an age")
    teff, logg = floats(members, "TEFF", "K"), floats(members, "LOGG")
    aged = np.isfinite(log_age)
    figure, ((ax,),) = new_figure(panel_height=3.0)
    if not aged.all():
        ax.scatter(teff[~aged], logg[~aged], s=8, facecolors="none", edgecolors="0.7", linewidths=0.6, label="no age")
        ax.legend(loc="lower left")
    drawn = colour_scatter(ax, teff, logg, log_age, size=16, limits=spread_range(log_age[aged], fraction=0.05))
    ax.set(
        **KIEL_LABELS,
        xlim=spread_range(teff, reverse=True, margin=0.1),
        ylim=spread_range(logg, reverse=True, margin=0.1),
    )
    colour_bar(figure, drawn, ax, f"{age}, " + AGE_LABEL)
    panel_letter(ax, "", f"{cluster}: {np.count_nonzero(aged)} ages")
    return figure
