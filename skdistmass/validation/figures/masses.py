"""Figures 6 to 14 of the paper: masses, [C/N], and the mass scales."""

from itertools import pairwise

import numpy as np

from skdistmass.schema.columns import Bit
from skdistmass.validation.figures.distances import parameter_space
from skdistmass.validation.figures.drawing import (
    CN_LABEL,
    COLOURS,
    FEH_LABEL,
    KIEL_LABELS,
    LOGG_LABEL,
    MASS_LABEL,
    colour_bar,
    colour_scatter,
    density,
    figure_style,
    label_bottom,
    new_figure,
    panel_letter,
    spread_range,
)
from skdistmass.validation.science import (
    DISTANCE_EDGES,
    FEH_EDGES,
    HIGH_LOGG,
    LOW_LOGG,
    RISE_MASS_EDGES,
    giants_of_one_mass,
    is_undredged_subgiant,
    low_and_high_logg_masses,
)
from skdistmass.validation.stars import (
    MissingInputError,
    carbon_to_nitrogen,
    floats,
    galactocentric_radius,
    mass_scales,
    require,
    require_stars,
)
from skdistmass.validation.statistics import robust_fit

__all__ = [
    "fig06_kiel_mass_cn",
    "fig07_cn_mass",
    "fig08_birth_cn",
    "fig09_cn_radius",
    "fig10_cn_low_logg",
    "fig11_mass_space",
    "fig12_reference_mass_histograms",
    "fig13_learned_relations",
    "fig14_predicted_mass_histograms",
]

LOGG_BINS = ((1.0, 1.5), (1.5, 2.0), (2.0, 2.5), (2.5, 3.0), (3.0, 3.5))
_CN_RANGE, _MASS_RANGE = (-1.1, 0.4), (0.5, 2.6)
_FEW = 10  # masses that make a histogram


@figure_style
def fig06_kiel_mass_cn(stars, *, mass="REF_MASS"):
    """Kiel diagrams at solar [Fe/H]: coloured by mass, below 1.6 Msun, and by [C/N] (figure 6).

    Parameters
    ----------
    stars : Table
        Of `join_reference`.
    mass : str, default="REF_MASS"
        Column of masses (Msun).

    Returns
    -------
    figure : matplotlib.figure.Figure
    """
    require(stars, mass, "TEFF", "LOGG", "M_H")
    teff, logg, feh = floats(stars, "TEFF", "K"), floats(stars, "LOGG"), floats(stars, "M_H", "dex")
    masses, cn = floats(stars, mass, "Msun"), carbon_to_nitrogen(stars)
    panels = (
        ((np.abs(feh) < 0.05) & (masses < 1.6), masses, MASS_LABEL, r"|[M/H]| < 0.05, < 1.6 M$_\odot$"),
        ((np.abs(feh) < 0.025) & np.isfinite(cn), cn, CN_LABEL, "|[M/H]| < 0.025"),
    )
    shown = panels[0][0] | panels[1][0]
    require_stars(np.count_nonzero(shown), 10, "stars of solar metallicity")
    figure, (axes,) = new_figure(1, 2, panel_height=3.0)
    for ax, letter, (chosen, values, label, text) in zip(axes, "ab", panels, strict=True):
        if chosen.any():
            drawn = colour_scatter(ax, teff[chosen], logg[chosen], values[chosen], size=6)
            colour_bar(figure, drawn, ax, label)
        ax.set(
            **KIEL_LABELS, xlim=spread_range(teff[shown], reverse=True), ylim=spread_range(logg[shown], reverse=True)
        )
        panel_letter(ax, letter, text)
    return figure


@figure_style
def fig07_cn_mass(stars, *, mass="REF_MASS", bins=LOGG_BINS):
    """[C/N] against mass by log g, with the error of mass on every tenth star (figure 7).

    Parameters
    ----------
    stars : Table
        Of `join_reference`.
    mass : str, default="REF_MASS"
        Column of masses (Msun); errors are in the column of that name with _ERR.
    bins : sequence of pairs of float
        Bins of log g.

    Returns
    -------
    figure : matplotlib.figure.Figure
    """
    require(stars, mass, "LOGG")
    cn, masses, logg = carbon_to_nitrogen(stars), floats(stars, mass, "Msun"), floats(stars, "LOGG")
    error = floats(stars, f"{mass}_ERR", "Msun")
    usable = np.isfinite(cn) & np.isfinite(masses)
    require_stars(np.count_nonzero(usable), 10, f"stars with [C/N] and {mass.removeprefix('REF_')}")
    figure, axes = new_figure(2, -(-len(bins) // 2), panel_height=2.2, sharex=True, sharey=True)
    label_bottom(axes, CN_LABEL, len(bins))
    for ax, (low, high) in zip(axes.flat, bins, strict=False):
        inside = np.flatnonzero(usable & (logg >= low) & (logg < high))
        ax.scatter(cn[inside], masses[inside], s=2.5, color=COLOURS[0], linewidths=0, rasterized=True)
        tenth = inside[::10]
        ax.errorbar(cn[tenth], masses[tenth], yerr=error[tenth], fmt="none", ecolor=COLOURS[1], elinewidth=0.5)
        panel_letter(ax, "", rf"{low:g} < $\log g$ < {high:g}: {len(inside)}")
        ax.set(xlim=_CN_RANGE, ylim=_MASS_RANGE)
    for ax in axes[:, 0]:
        ax.set(ylabel=MASS_LABEL)
    return figure


@figure_style
def fig08_birth_cn(stars):
    """[C/N] against [Fe/H] of subgiants before, and of giants of one mass after, the first dredge-up (figure 8).

    Parameters
    ----------
    stars : Table
        Of `join_reference`. A sample that the tables do not have is left out.

    Returns
    -------
    figure : matplotlib.figure.Figure
        With the fitted slope.
    """
    cn, feh = carbon_to_nitrogen(stars), floats(stars, "M_H", "dex")
    samples, reasons = [], []
    selections = (("subgiants", is_undredged_subgiant), ("giants of one mass", giants_of_one_mass))
    for name, select in selections:
        try:
            chosen = select(stars) & np.isfinite(cn) & np.isfinite(feh)
            samples.append((name, chosen, robust_fit(cn[chosen], feh=feh[chosen])))
        except MissingInputError as error:
            reasons.append(f"{name}: {error}")
    if not samples:
        raise MissingInputError("; ".join(reasons))
    figure, (axes,) = new_figure(1, len(samples), panel_height=2.8)
    for ax, letter, (name, chosen, fit) in zip(axes, "ab", samples, strict=False):
        xlim = spread_range(feh[chosen], fraction=0.005)
        ylim = spread_range(cn[chosen], fraction=0.005, margin=0.15)
        density(figure, ax, feh[chosen], cn[chosen], xlim=xlim, ylim=ylim, bins=45)
        slope, error = fit.slopes["feh"], fit.errors["feh"]
        line = np.array(xlim)
        label = rf"slope {slope:.3f} $\pm$ {error:.3f}"
        ax.plot(line, fit.intercept + slope * line, color=COLOURS[1], lw=1.6, label=label)
        ax.set(xlabel=FEH_LABEL, ylabel=CN_LABEL)
        panel_letter(ax, letter if len(samples) > 1 else "", f"{name}: {fit.n_stars}")
        ax.legend(loc="lower left")
    return figure


@figure_style
def fig09_cn_radius(stars, *, edges=FEH_EDGES):
    """[C/N] of subgiants before the first dredge-up against Galactocentric radius, by [Fe/H] (figure 9).

    Parameters
    ----------
    stars : Table
        Of `join_reference`, with positions on the sky.
    edges : sequence of float
        Bins of [Fe/H].

    Returns
    -------
    figure : matplotlib.figure.Figure
        With the fitted trend of each bin that has 16 stars.
    """
    cn, feh, radius = carbon_to_nitrogen(stars), floats(stars, "M_H", "dex"), galactocentric_radius(stars)
    chosen = is_undredged_subgiant(stars) & np.isfinite(cn) & np.isfinite(radius) & np.isfinite(feh)
    bins = [(a, b, chosen & (feh >= a) & (feh < b)) for a, b in pairwise(edges)]
    bins = [item for item in bins if item[2].any()]
    require_stars(len(bins), 1, "bins of [Fe/H] have a subgiant with a distance and a position")
    figure, axes = new_figure(len(bins), 1, width=4.2, panel_height=1.5, sharex=True, sharey=True)
    xlim, ylim = spread_range(radius[chosen]), spread_range(cn[chosen], margin=0.1)
    for ax, (low, high, inside) in zip(axes[:, 0], bins, strict=True):
        density(figure, ax, radius[inside], cn[inside], xlim=xlim, ylim=ylim, bins=40)
        text = f"{low:g} < [M/H] < {high:g}: {np.count_nonzero(inside)}"
        try:
            fit = robust_fit(cn[inside], radius=radius[inside])
        except MissingInputError:
            pass
        else:
            slope, error = fit.slopes["radius"], fit.errors["radius"]
            line = np.array(xlim)
            ax.plot(line, fit.intercept + slope * line, color=COLOURS[1])
            text += rf", slope {slope:+.3f} $\pm$ {error:.3f} dex/kpc"
        panel_letter(ax, "", text)
        ax.set(ylabel=CN_LABEL)
    axes[-1, 0].set(xlabel="Galactocentric radius [kpc]")
    return figure


@figure_style
def fig10_cn_low_logg(stars, *, mass="REF_MASS", edges=RISE_MASS_EDGES, logg_range=(1.0, 2.5)):
    """[C/N] of giants against log g by mass, with the fitted line (figure 10).

    Parameters
    ----------
    stars : Table
        Of `join_reference`.
    mass : str, default="REF_MASS"
        Column of masses (Msun).
    edges : sequence of float
        Bins of mass (Msun).
    logg_range : tuple of float
        Stars that the line is fitted to.

    Returns
    -------
    figure : matplotlib.figure.Figure
    """
    require(stars, mass, "LOGG")
    cn, masses, logg = carbon_to_nitrogen(stars), floats(stars, mass, "Msun"), floats(stars, "LOGG")
    giant = np.isfinite(cn) & (logg < 3.3)
    bins = [(a, b, giant & (masses >= a) & (masses < b)) for a, b in pairwise(edges)]
    bins = [item for item in bins if item[2].any()]
    require_stars(len(bins), 1, "bins of mass have a giant with [C/N]")
    figure, axes = new_figure(-(-len(bins) // 2), 2, panel_height=2.0, sharex=True, sharey=True)
    label_bottom(axes, LOGG_LABEL, len(bins))
    shown = np.any([item[2] for item in bins], axis=0)
    xlim, ylim = spread_range(logg[shown], reverse=True), spread_range(cn[shown], fraction=0.003, margin=0.15)
    for ax, (low, high, inside) in zip(axes.flat, bins, strict=False):
        ax.scatter(logg[inside], cn[inside], s=2.5, color=COLOURS[0], linewidths=0, rasterized=True)
        text = rf"{low:g}-{high:g} M$_\odot$: {np.count_nonzero(inside)}"
        fitted = inside & (logg > logg_range[0]) & (logg < logg_range[1])
        try:
            fit = robust_fit(cn[fitted], logg=logg[fitted])
        except MissingInputError:
            pass
        else:
            line = np.array(logg_range)
            ax.plot(line, fit.intercept + fit.slopes["logg"] * line, color=COLOURS[1], lw=1.8)
            text += rf", rise {-fit.slopes['logg']:+.3f} $\pm$ {fit.errors['logg']:.3f}"
        panel_letter(ax, "", text)
        ax.set(xlim=xlim, ylim=ylim, ylabel=CN_LABEL)
    return figure


@figure_style
def fig11_mass_space(stars, *, training=None):
    """Kiel diagram and metallicity of all stars and of the training set of the mass model (figure 11).

    Parameters
    ----------
    stars : Table
        A catalogue.
    training : ndarray of bool, optional
        Stars that were trained on; by default those with bit 8, 16 or 32 of BITMASK or an out-of-fold mass.

    Returns
    -------
    figure : matplotlib.figure.Figure
    """
    if training is None:
        require(stars, "BITMASK")
        sources = Bit.MASS_APOKASC | Bit.MASS_BERGER | Bit.MASS_SERENELLI
        training = (np.asarray(stars["BITMASK"]) & int(sources)) != 0
        if "OUT_OF_FOLD" in stars.colnames:
            training |= (np.asarray(stars["OUT_OF_FOLD"]) & 2) != 0
    return parameter_space(stars, np.asarray(training, bool), "mass")


def _mass_histograms(stars, columns, edges):
    """Draw masses of low and high log g: a panel for each scale and bin of distance."""
    panels = []
    for name in columns:
        for low, high, samples in low_and_high_logg_masses(stars, name, edges):
            if min(map(len, samples)) >= _FEW:
                where = f"\n{low:g}-{high:g} kpc" if np.isfinite(high) else ""
                panels.append((name.removeprefix("REF_") + where, samples))
    require_stars(len(panels), 1, f"mass scales have {_FEW} giants of low and of high log g at known distance")
    n_columns = min(2, len(panels))
    figure, axes = new_figure(-(-len(panels) // n_columns), n_columns, panel_height=1.5, sharex=True)
    label_bottom(axes, MASS_LABEL, len(panels))
    bins = np.arange(0.5, 2.65, 0.1)
    names = (rf"{LOW_LOGG[0]:g} < $\log g$ < {LOW_LOGG[1]:g}", rf"{HIGH_LOGG[0]:g} < $\log g$ < {HIGH_LOGG[1]:g}")
    for ax, (title, samples) in zip(axes.flat, panels, strict=False):
        for sample, label, colour, line in zip(samples, names, (COLOURS[0], COLOURS[1]), ("-", "--"), strict=True):
            style = {"color": colour, "ls": line, "histtype": "step", "lw": 1.4, "density": True}
            ax.hist(np.clip(sample, bins[0], bins[-1]), bins, label=f"{label}: {len(sample)}", **style)
            ax.axvline(np.mean(sample), color=colour, ls=line, lw=0.9)
        panel_letter(ax, "", title)
        ax.legend(loc="upper right", fontsize=6.5)
        ax.set(xlim=(bins[0], bins[-1]), ylabel=r"density [M$_\odot^{-1}$]")
        ax.set_ylim(top=1.25 * ax.get_ylim()[1])
    return figure


@figure_style
def fig12_reference_mass_histograms(stars, *, columns=None, edges=DISTANCE_EDGES):
    """Masses of giants of low and high log g, of each mass scale trained on, in two bins of distance (figure 12).

    Parameters
    ----------
    stars : Table
        Of `join_reference`.
    columns : sequence of str, optional
        Masses (Msun); by default those of the reference that the catalogue has networks for.
    edges : sequence of float
        Bins of distance (kpc).

    Returns
    -------
    figure : matplotlib.figure.Figure
        Vertical lines are the means.
    """
    if columns is None:
        columns = list(dict.fromkeys(name for name in mass_scales(stars).values() if name))
    require_stars(len(columns), 1, "mass scales are in the reference table")
    return _mass_histograms(stars, columns, edges)


@figure_style
def fig13_learned_relations(stars, *, columns=None, bins=LOGG_BINS):
    """Predicted mass against [C/N] for each network (columns) by log g (rows), coloured by [Fe/H] (figure 13).

    Parameters
    ----------
    stars : Table
        A catalogue.
    columns : sequence of str, optional
        Masses (Msun); by default all of the catalogue.
    bins : sequence of pairs of float
        Bins of log g.

    Returns
    -------
    figure : matplotlib.figure.Figure
    """
    columns = list(mass_scales(stars)) if columns is None else list(columns)
    cn, feh, logg = carbon_to_nitrogen(stars), floats(stars, "M_H", "dex"), floats(stars, "LOGG")
    masses = {name: floats(stars, name, "Msun") for name in columns}
    masses = {name: values for name, values in masses.items() if np.isfinite(values + cn).any()}
    require_stars(len(masses), 1, "masses in the catalogue have stars with [C/N]")
    width = 7.1 if len(masses) > 1 else 3.5
    figure, axes = new_figure(len(bins), len(masses), width=width, panel_height=1.35, sharex=True, sharey=True)
    for row, (low, high) in enumerate(bins):
        inside = (logg >= low) & (logg < high)
        for column, (name, values) in enumerate(masses.items()):
            ax = axes[row, column]
            drawn = colour_scatter(
                ax, cn[inside], values[inside], feh[inside], limits=(-0.6, 0.4), size=2.0, cmap="cividis"
            )
            ax.set(xlim=_CN_RANGE, ylim=_MASS_RANGE)
            if row == 0:
                ax.set_title(name.removeprefix("MASS_"), fontsize=7.5)
        panel_letter(axes[row, 0], "", rf"$\log g$ {low:g}-{high:g}")
        axes[row, 0].set(ylabel=MASS_LABEL)
    figure.supxlabel(CN_LABEL, fontsize=8.5)
    colour_bar(figure, drawn, axes, FEH_LABEL)
    return figure


@figure_style
def fig14_predicted_mass_histograms(stars, *, columns=None, edges=(0.0, np.inf)):
    """Predicted masses of giants of low and high log g, of each network (figure 14).

    Parameters
    ----------
    stars : Table
        A catalogue.
    columns : sequence of str, optional
        Masses (Msun); by default all of the catalogue.
    edges : sequence of float
        Bins of distance (kpc); by default one of all.

    Returns
    -------
    figure : matplotlib.figure.Figure
        Vertical lines are the means.
    """
    columns = list(mass_scales(stars)) if columns is None else columns
    require_stars(len(columns), 1, "masses are in the catalogue")
    return _mass_histograms(stars, columns, edges)
