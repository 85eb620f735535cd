"""Figures 19 to 22, which are not in the paper: distributions, and what ages and masses they give together."""

import numpy as np
from astropy.table import Table

from skdistmass.tables import optional_floats
from skdistmass.validation import columns, populations, posteriors
from skdistmass.validation.figures import drawing

__all__ = ["fig19_ranks", "fig20_coverage", "fig21_age_metallicity", "fig22_mass_age_corner"]

AGE_LABEL = r"$\log_{10}$ age [yr]"
_AGE_RANGE = (8.4, 10.4)
_MASS_RANGE = (0.6, 2.6)


def _title(name: str) -> str:
    """Return a quantity and its reference on two lines."""
    first, _, second = name.partition(" against ")
    return f"{drawing.plain(first)}\nagainst {drawing.plain(second)}" if second else drawing.plain(first)


@drawing.figure_style
def fig19_ranks(stars: Table, *, found: "drawing.Validation | None" = None) -> "drawing.Figure":
    """Rank of the reference in the distribution of each star, which should be even (PIT; not in the paper).

    The band holds 95.45 % of what chance alone does. Ranks that pile up at both ends mean errors that are too small;
    in the middle, too large; a slope means a bias.

    Parameters
    ----------
    """
    table = found.tables.get("ranks") if found else None
    table = table or posteriors.rank_histogram(stars)
    names = list(dict.fromkeys(table["QUANTITY"]))
    figure, axes = drawing.new_panels(len(names), 3, "rank of the reference (fraction)", panel_height=2.2)
    for number, (ax, name) in enumerate(zip(axes, names, strict=True)):
        part = table[table["QUANTITY"] == name]
        edges = np.append(part["RANK_LO"], part["RANK_HI"][-1])
        error = 2.0 * float(part["DENSITY_ERR"][0])
        ax.axhspan(1.0 - error, 1.0 + error, color="0.85", lw=0)
        ax.axhline(1.0, color="0.4", lw=0.8)
        ax.stairs(part["DENSITY"], edges, color=drawing.COLOURS[0], fill=True, alpha=0.55)
        top = max(2.2, 1.6 * float(np.max(part["DENSITY"])))
        ax.set(xlim=(0.0, 1.0), ylim=(0.0, top), ylabel="stars / expected (fraction)")
        drawing.panel_letter(ax, number if len(names) > 1 else None, f"{_title(name)}\n{part['N'].sum()} stars")
    return figure


@drawing.figure_style
def fig20_coverage(stars: Table, *, found: "drawing.Validation | None" = None) -> "drawing.Figure":
    """How often intervals of every size hold the reference, less what they promise (not in the paper).

    Parameters
    ----------
    """
    table = found.tables.get("coverage_by_level") if found else None
    table = table or posteriors.coverage_by_level(stars)
    figure, ((ax,),) = drawing.new_figure(width=drawing.PAGE_WIDTH, panel_height=3.2)
    ax.axhspan(-0.03, 0.03, color="0.9", lw=0)
    ax.axhline(0.0, color="0.4", lw=0.8)
    markers = "os^Dv<>Pp*"
    for number, name in enumerate(dict.fromkeys(table["QUANTITY"])):
        part = table[table["QUANTITY"] == name]
        label = f"{_title(name)}, {part['N'][0]} stars".replace("\n", " ")
        style = {"color": drawing.COLOURS[number % len(drawing.COLOURS)], "marker": markers[number % len(markers)]}
        ax.plot(part["NOMINAL"], part["FOUND"] - part["NOMINAL"], ms=3.5, lw=1.0, label=label, **style)
    ax.set(xlim=(0.0, 1.0), xlabel="nominal coverage (fraction)", ylabel="found - nominal (fraction)")
    low, high = ax.get_ylim()
    ax.set_ylim(min(low, -0.06), max(high, 0.06))
    ax.legend(loc="center left", bbox_to_anchor=(1.01, 0.5), borderaxespad=0.0)
    return figure


@drawing.figure_style
def fig21_age_metallicity(
    stars: Table, *, age: str | None = None, found: "drawing.Validation | None" = None
) -> "drawing.Figure":
    """Age against [M/H]: all stars, and median with 16 and 84 % in bins of metallicity (not in the paper).

    Parameters
    ----------
    age : str, optional
        Column of ages; by default the first of the catalogue.
    """
    table = found.tables.get("age_by_metallicity") if found and age is None else None
    age = columns.first_age(stars, age)
    table = table or populations.age_by_metallicity(stars, age=age)
    figure, ((ax,),) = drawing.new_figure(width=5.0, panel_height=3.4)
    m_h, log_age = optional_floats(stars, "M_H", "dex"), columns.log_ages(stars, age)
    drawing.density(ax, m_h, log_age, drawing.spread_range(m_h[np.isfinite(log_age)]), _AGE_RANGE)
    middle = 0.5 * (table["M_H_LO"] + table["M_H_HI"])
    sides = [table["MEDIAN"] - table["P16"], table["P84"] - table["MEDIAN"]]
    style = {"fmt": "o", "ms": 4.5, "mfc": "white", "mew": 1.2, "capsize": 2.5, "zorder": 5}
    ax.errorbar(middle, table["MEDIAN"], sides, color=drawing.COLOURS[1], label="median, 16 and 84 % of stars", **style)
    known = np.isfinite(table["ERROR"])
    if known.any():
        at, size = np.full(known.sum(), _AGE_RANGE[0] + 0.22), table["ERROR"][known]
        style = {"fmt": "none", "capsize": 2.0, "lw": 1.0, "color": "0.25"}
        ax.errorbar(middle[known], at, size, label="error of one star", **style)
    ax.set(xlabel=drawing.FEH_LABEL, ylabel=f"{drawing.plain(age)}, {AGE_LABEL}")
    ax.legend(loc="lower left", bbox_to_anchor=(0.0, 1.0), ncols=2, borderaxespad=0.2)
    return figure


@drawing.figure_style
def fig22_mass_age_corner(stars: Table, *, found: "drawing.Validation | None" = None) -> "drawing.Figure":
    """Mass, age and [M/H] against each other: all stars, by draws where the catalogue has them (not in the paper).

    Parameters
    ----------
    """
    table = found.tables.get("mass_age_correlations") if found else None
    table = table or populations.mass_age_correlations(stars)
    values, drawn = populations.mass_age_sample(stars)
    feh_range = drawing.spread_range(values["M_H"].ravel())
    limits = dict(zip(values, (_MASS_RANGE, _AGE_RANGE, feh_range), strict=True))
    labels = dict(zip(values, (drawing.MASS_LABEL, AGE_LABEL, drawing.FEH_LABEL), strict=True))
    figure, axes = drawing.new_figure(3, 3, width=6.2, panel_height=1.9, sharex="col")
    for row, below in enumerate(values):
        for column, along in enumerate(values):
            ax = axes[row, column]
            if column > row:
                ax.set_axis_off()
                continue
            if row == 2:
                ax.set_xlabel(labels[along])
            if column == row:
                ax.hist(values[along].ravel(), np.linspace(*limits[along], 45), color=drawing.COLOURS[0], alpha=0.75)
                ax.set(xlim=limits[along], yticks=[])
                continue
            x, y = values[along].ravel(), values[below].ravel()
            drawing.density(ax, x, y, limits[along], limits[below], bins=55, bar=False)
            pair = table[(table["FIRST"] == along) & (table["SECOND"] == below)]
            text = [f"all stars {pair['CORRELATION'][0]:+.2f}"]
            text += [f"one star {pair['WITHIN_STARS'][0]:+.2f}"] * bool(np.isfinite(pair["WITHIN_STARS"][0]))
            ax.set_title(", ".join(text), fontsize=7.0, pad=3.0)
            ax.set_ylabel(labels[below] if column == 0 else "")
            ax.tick_params(labelleft=column == 0)
    n_stars, n_draws = next(iter(values.values())).shape
    words = f"{n_stars} stars, {n_draws} draws each" if drawn else f"{n_stars} stars, one value each"
    axes[0, 2].text(0.5, 0.5, f"{words}\nnumbers: correlations", ha="center", transform=axes[0, 2].transAxes)
    return figure
