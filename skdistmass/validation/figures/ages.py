"""Figures 15 to 18 of the paper: ages."""

from collections.abc import Sequence

import numpy as np
from astropy.table import Table

from skdistmass.surveys import match_clusters
from skdistmass.tables import optional_floats
from skdistmass.validation import columns
from skdistmass.validation.ages import NARROW_FEH_BINS, age_in_clusters, age_statistics, spoo_log_age
from skdistmass.validation.figures import drawing
from skdistmass.validation.requirements import MissingInputError, require, require_stars

__all__ = ["fig15_age_vs_cn", "fig16_age_comparison", "fig17_cluster_ages", "fig18_cluster_kiel"]

AGE_LABEL = r"$\log_{10}$ age [yr]"
_AGE_RANGE = (8.0, 10.6)
_MOST_CLUSTERS = 60  # panels that fit into one picture


@drawing.figure_style
def fig15_age_vs_cn(
    stars: Table, *, age: str | None = None, bins: Sequence[tuple[float, float]] = NARROW_FEH_BINS
) -> "drawing.Figure":
    """Log age against [C/N] in narrow bins of [Fe/H], coloured by log g, with Spoo et al. (2022) dashed (figure 15).

    Parameters
    ----------
    age : str, optional
        Column of ages; by default the first of the catalogue.
    bins : sequence of pairs of float
        Edges of each bin of [Fe/H].
    """
    log_age, cn = columns.log_ages(stars, columns.first_age(stars, age)), columns.carbon_to_nitrogen(stars)
    feh, logg = optional_floats(stars, "M_H", "dex"), optional_floats(stars, "LOGG")
    usable = np.isfinite(log_age) & np.isfinite(cn)
    chosen = [usable & (feh >= low) & (feh < high) for low, high in bins]
    require_stars(sum(map(np.count_nonzero, chosen)), 10, "stars with age and [C/N] in the narrow bins of [Fe/H]")
    figure, (axes,) = drawing.new_figure(1, len(bins), panel_height=2.7, sharey=True)
    xlim = drawing.spread_range(cn[np.any(chosen, axis=0)], fraction=0.005)
    line = np.linspace(-1.0, 0.5, 400)
    for number, (ax, inside, (low, high)) in enumerate(zip(axes, chosen, bins, strict=True)):
        drawn = drawing.colour_scatter(ax, cn[inside], log_age[inside], logg[inside], limits=(1.0, 3.5))
        ax.plot(line, spoo_log_age(line), color=drawing.COLOURS[1], ls="--", lw=1.6, label="Spoo et al. (2022)")
        ax.set(xlabel=drawing.CN_LABEL, xlim=xlim, ylim=_AGE_RANGE)
        drawing.panel_letter(ax, number, f"{low:g} < [M/H] < {high:g}")
        ax.legend(loc="lower right")
    axes[0].set(ylabel=AGE_LABEL)
    drawing.colour_bar(drawn, axes, drawing.LOGG_LABEL)
    return figure


@drawing.figure_style
def fig16_age_comparison(
    stars: Table,
    *,
    age: str | None = None,
    references: Sequence[str] | None = None,
    found: "drawing.Validation | None" = None,
) -> "drawing.Figure":
    """Ages against other ages (figure 16; in the paper, those of astroNN by Mackereth et al. 2019).

    Parameters
    ----------
    age : str, optional
        Column of ages; by default the first of the catalogue.
    references : sequence of str, optional
        Columns of other ages (Gyr, or with a unit), a panel each; by default every AGE_* of the reference.
    """
    table = found.tables.get("ages") if found and age is None and references is None else None
    age = columns.first_age(stars, age)
    references = columns.reference_age_columns(stars) if references is None else references
    table = table or age_statistics(stars, predicted=age, references=references)
    names = {name.removeprefix("REF_"): name for name in references}
    own = columns.log_ages(stars, age)
    figure, axes = drawing.new_panels(len(table), 2, "", panel_height=2.9)
    for number, (ax, row) in enumerate(zip(axes, table, strict=True)):
        drawing.density(ax, columns.log_ages(stars, names[row["REFERENCE"]]), own, _AGE_RANGE, _AGE_RANGE)
        ax.plot(_AGE_RANGE, _AGE_RANGE, color=drawing.COLOURS[1], lw=0.9)
        ax.set(xlabel=f"{drawing.plain(row['REFERENCE'])}, {AGE_LABEL}", ylabel=f"{drawing.plain(age)}, {AGE_LABEL}")
        text = f"{row['N']} stars\nbias {row['BIAS']:+.3f} dex\nscatter {row['SCATTER']:.3f} dex"
        drawing.panel_letter(ax, number if len(table) > 1 else None, text)
    return figure


@drawing.figure_style
def fig17_cluster_ages(
    stars: Table, *, age: str | None = None, others: Sequence[str] = (), found: "drawing.Validation | None" = None
) -> "drawing.Figure":
    """Histograms of the ages of the members of each cluster (figure 17).

    Panels are of clusters with three ages or more, with the standard deviation of the log ages in dex. Of more than 60
    clusters, those with most ages are drawn. A dotted line is at the age in the literature, where one is known.

    Parameters
    ----------
    age : str, optional
        Column of ages; by default the first of the catalogue.
    others : sequence of str, default=()
        Other ages to draw beside it.
    """
    table = found.tables.get("cluster_ages") if found and age is None else None
    age = columns.first_age(stars, age)
    tables = {age: table or age_in_clusters(stars, predicted=age)}
    tables |= {name: age_in_clusters(stars, predicted=name) for name in others}
    ages = {name: columns.log_ages(stars, name) for name in tables}
    rows = {cluster: members for cluster, members, _ in columns.cluster_rows(stars)}
    most = np.sort(np.argsort(-tables[age]["N"], kind="stable")[:_MOST_CLUSTERS])
    figure, axes = drawing.new_panels(len(most), 3, AGE_LABEL, panel_height=1.9, sharex=True)
    edges = np.arange(8.0, 10.65, 0.1)
    for ax, cluster in zip(axes, tables[age]["CLUSTER"][most], strict=True):
        lines = [drawing.plain(cluster)]
        for number, (name, other) in enumerate(tables.items()):
            values = ages[name][rows[cluster]]
            style = {"histtype": "step" if number else "stepfilled", "alpha": 1.0 if number else 0.75}
            values = np.clip(values[np.isfinite(values)], edges[0], edges[-1])
            ax.hist(values, edges, color=drawing.COLOURS[number % len(drawing.COLOURS)], **style)
            for row in other[other["CLUSTER"] == cluster]:
                if np.isfinite(row["LITERATURE"]):
                    ax.axvline(row["LITERATURE"], color="0.2", linestyle=":", linewidth=1.0)
                lines.append(f"{drawing.plain(name)}: {row['N']} stars, {row['STD']:.2f} dex")
        drawing.panel_letter(ax, None, "\n".join(lines))
        ax.set(ylabel="stars", xlim=(edges[0], edges[-1]))
        ax.set_ylim(top=1.6 * ax.get_ylim()[1])
        ax.yaxis.get_major_locator().set_params(integer=True)
    return figure


@drawing.figure_style
def fig18_cluster_kiel(stars: Table, *, cluster: str = "NGC 7789", age: str | None = None) -> "drawing.Figure":
    """Kiel diagram of the members of a cluster, coloured by age (figure 18).

    Parameters
    ----------
    cluster : str, default="NGC 7789"
        In any usual spelling.
    age : str, optional
        Column of ages; by default the first of the catalogue.
    """
    age = columns.first_age(stars, age)
    require(stars, age)
    wanted = match_clusters(cluster)
    members = {name: rows for name, rows, _ in columns.cluster_rows(stars)}
    names = [name for name in members if name == cluster or (wanted >= 0 and match_clusters(name) == wanted)]
    if not names:
        raise MissingInputError(f"no star is marked as a member of {cluster}")
    rows = members[names[0]]
    log_age = columns.log_ages(stars, age)[rows]
    aged = np.isfinite(log_age)
    require_stars(np.count_nonzero(aged), 1, f"members of {cluster} have an age")
    teff, logg, _ = (values[rows] for values in columns.kiel(stars))
    figure, ((ax,),) = drawing.new_figure(panel_height=3.0)
    if not aged.all():
        ax.scatter(teff[~aged], logg[~aged], s=8, facecolors="none", edgecolors="0.7", linewidths=0.6, label="no age")
        ax.legend(loc="lower left")
    limits = drawing.spread_range(log_age[aged], fraction=0.05)
    drawn = drawing.colour_scatter(ax, teff, logg, log_age, size=16, limits=limits)
    xlim, ylim = (drawing.spread_range(values, reverse=True, margin=0.1) for values in (teff, logg))
    ax.set(xlim=xlim, ylim=ylim, **drawing.KIEL_LABELS)
    drawing.colour_bar(drawn, ax, f"{drawing.plain(age)}, {AGE_LABEL}")
    drawing.panel_letter(ax, None, f"{drawing.plain(cluster)}: {np.count_nonzero(aged)} ages")
    return figure
