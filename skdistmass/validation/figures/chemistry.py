"""Figures 6 to 10 of the paper: [C/N], at birth and after the first dredge-up."""

from collections.abc import Sequence
from typing import Any

import numpy as np
from astropy.table import Table

from skdistmass.tables import optional_floats
from skdistmass.validation import chemistry
from skdistmass.validation.columns import SUN_RADIUS, carbon_to_nitrogen, galactocentric_radius, in_unit, kiel
from skdistmass.validation.figures import drawing
from skdistmass.validation.masses import LOGG_BINS
from skdistmass.validation.requirements import require, require_stars

__all__ = ["fig06_kiel_mass_cn", "fig07_cn_mass", "fig08_birth_cn", "fig09_cn_radius", "fig10_cn_low_logg"]

CN_RANGE, MASS_RANGE = (-1.1, 0.4), (0.5, 2.6)
_GIANT_LOGG = 3.3  # the giants of figure 10


@drawing.figure_style
def fig06_kiel_mass_cn(stars: Table, *, mass: str = "REF_MASS") -> "drawing.Figure":
    """Kiel diagrams at solar [Fe/H]: coloured by mass, below 1.6 Msun, and by [C/N] (figure 6).

    Parameters
    ----------
    mass : str, default="REF_MASS"
        Column of masses (Msun).
    """
    require(stars, mass)
    teff, logg, feh = kiel(stars)
    masses, cn = in_unit(stars, mass, "Msun"), carbon_to_nitrogen(stars)
    panels = (
        ((np.abs(feh) < 0.05) & (masses < 1.6), masses, drawing.MASS_LABEL, r"|[M/H]| < 0.05, < 1.6 M$_\odot$"),
        ((np.abs(feh) < 0.025) & np.isfinite(cn), cn, drawing.CN_LABEL, "|[M/H]| < 0.025"),
    )
    shown = panels[0][0] | panels[1][0]
    require_stars(np.count_nonzero(shown), 10, "stars of solar metallicity")
    xlim, ylim = (drawing.spread_range(values[shown], reverse=True) for values in (teff, logg))
    figure, (axes,) = drawing.new_figure(1, 2, panel_height=3.0)
    for number, (ax, (chosen, values, label, text)) in enumerate(zip(axes, panels, strict=True)):
        if chosen.any():
            drawn = drawing.colour_scatter(ax, teff[chosen], logg[chosen], values[chosen], size=6)
            drawing.colour_bar(drawn, ax, label)
        ax.set(xlim=xlim, ylim=ylim, **drawing.KIEL_LABELS)
        drawing.panel_letter(ax, number, text)
    return figure


@drawing.figure_style
def fig07_cn_mass(
    stars: Table, *, mass: str = "REF_MASS", bins: Sequence[tuple[float, float]] = LOGG_BINS
) -> "drawing.Figure":
    """[C/N] against mass by log g, with the error of mass on every tenth star (figure 7).

    Parameters
    ----------
    mass : str, default="REF_MASS"
        Column of masses (Msun); errors are in the column of that name with _ERR.
    bins : sequence of pairs of float
        Edges of each bin of log g.
    """
    require(stars, mass, "LOGG")
    cn, masses, logg = carbon_to_nitrogen(stars), in_unit(stars, mass, "Msun"), optional_floats(stars, "LOGG")
    error = optional_floats(stars, f"{mass}_ERR", "Msun")
    usable = np.isfinite(cn) & np.isfinite(masses)
    require_stars(np.count_nonzero(usable), 10, f"stars with [C/N] and {mass.removeprefix('REF_')}")
    shared = {"sharex": True, "sharey": True}
    figure, axes = drawing.new_panels(len(bins), -(-len(bins) // 2), drawing.CN_LABEL, panel_height=2.2, **shared)
    for ax, (low, high) in zip(axes, bins, strict=True):
        inside = np.flatnonzero(usable & (logg >= low) & (logg < high))
        ax.scatter(cn[inside], masses[inside], s=2.5, color=drawing.COLOURS[0], linewidths=0, rasterized=True)
        tenth = inside[::10]
        ax.errorbar(cn[tenth], masses[tenth], yerr=error[tenth], fmt="none", ecolor=drawing.COLOURS[1], elinewidth=0.5)
        drawing.panel_letter(ax, None, rf"{low:g} < $\log g$ < {high:g}: {len(inside)}")
        ax.set(xlim=CN_RANGE, ylim=MASS_RANGE)
        if ax.get_subplotspec().is_first_col():
            ax.set(ylabel=drawing.MASS_LABEL)
    return figure


@drawing.figure_style
def fig08_birth_cn(stars: Table, *, found: "drawing.Validation | None" = None) -> "drawing.Figure":
    """[C/N] against [Fe/H] of subgiants before, and of giants of one mass after, the first dredge-up (figure 8).

    A sample that the tables do not have is left out.
    """
    fits = _fits(found, "birth_cn") or chemistry.birth_cn_fits(stars)
    cn, feh = carbon_to_nitrogen(stars), optional_floats(stars, "M_H", "dex")
    figure, (axes,) = drawing.new_figure(1, len(fits), panel_height=2.8)
    for number, (ax, (name, (rows, fit))) in enumerate(zip(axes, fits.items(), strict=True)):
        xlim = drawing.spread_range(feh[rows], fraction=0.005)
        drawing.density(ax, feh[rows], cn[rows], xlim, _range(cn[rows], 0.005), bins=45)
        label = rf"slope {fit.slopes['feh']:.3f} $\pm$ {fit.errors['feh']:.3f}"
        ax.plot(xlim, fit.at(feh=xlim), color=drawing.COLOURS[1], lw=1.6, label=label)
        ax.set(xlabel=drawing.FEH_LABEL, ylabel=drawing.CN_LABEL)
        drawing.panel_letter(ax, number if len(fits) > 1 else None, f"{name}: {fit.n_stars}")
        ax.legend(loc="lower left")
    return figure


def _fits(found: "drawing.Validation | None", name: str) -> Any:
    """Return the fits that a table was made of; nothing if there is no such table."""
    return found.tables[name].meta["fits"] if found and name in found.tables else None


def _range(values, fraction=0.001, margin=0.15):
    """Return limits with room for a text above the stars."""
    return drawing.spread_range(values, fraction=fraction, margin=margin)


@drawing.figure_style
def fig09_cn_radius(
    stars: Table, *, edges: Sequence[float] = chemistry.FEH_EDGES, found: "drawing.Validation | None" = None
) -> "drawing.Figure":
    """[C/N] of subgiants before the first dredge-up against Galactocentric radius, by [Fe/H] (figure 9).

    The line of each bin that has 24 stars is the fitted trend at its median [Fe/H].

    Parameters
    ----------
    edges : sequence of float
        Edges of the bins of [Fe/H].
    """
    *bins, _ = _fits(found, "cn_radial_trend") or chemistry.radial_trend_fits(stars, edges=edges)
    bins = [b for b in bins if len(b.rows)]
    require_stars(len(bins), 1, "bins of [Fe/H] have a subgiant with a distance and a position")
    cn, feh, radius = carbon_to_nitrogen(stars), optional_floats(stars, "M_H", "dex"), galactocentric_radius(stars)
    shown = np.concatenate([b.rows for b in bins])
    xlim, ylim = drawing.spread_range(radius[shown]), drawing.spread_range(cn[shown], margin=0.1)
    xlabel = "Galactocentric radius [kpc]"
    figure, axes = drawing.new_panels(len(bins), 1, xlabel, width=4.2, panel_height=1.5, sharex=True)
    for ax, b in zip(axes, bins, strict=True):
        drawing.density(ax, radius[b.rows], cn[b.rows], xlim, ylim, bins=40)
        text = f"{b.low:g} < [M/H] < {b.high:g}: {len(b.rows)}"
        if b.fit is not None:
            line = b.fit.at(radius=np.subtract(xlim, SUN_RADIUS), feh=np.median(feh[b.rows]))
            ax.plot(xlim, line, color=drawing.COLOURS[1])
            text += rf", slope {b.fit.slopes['radius']:+.3f} $\pm$ {b.fit.errors['radius']:.3f} dex/kpc"
        drawing.panel_letter(ax, None, text)
        ax.set(ylabel=drawing.CN_LABEL)
    return figure


@drawing.figure_style
def fig10_cn_low_logg(
    stars: Table,
    *,
    edges: Sequence[float] = chemistry.RISE_MASS_EDGES,
    logg_range: tuple[float, float] = chemistry.RISE_LOGG,
    found: "drawing.Validation | None" = None,
) -> "drawing.Figure":
    """[C/N] of giants against log g by mass, with the line fitted at median mass and [Fe/H] (figure 10).

    Parameters
    ----------
    edges : sequence of float
        Edges of the bins of mass (Msun).
    logg_range : tuple of float
        Stars that the line is fitted to.
    """
    known = _fits(found, "cn_low_logg_rise")
    *bins, _ = known or chemistry.rise_fits(stars, edges=edges, logg_range=logg_range)
    cn, feh = carbon_to_nitrogen(stars), optional_floats(stars, "M_H", "dex")
    logg, mass = optional_floats(stars, "LOGG"), in_unit(stars, "REF_MASS", "Msun")
    giant = np.isfinite(cn) & (logg < _GIANT_LOGG)
    inside = [np.flatnonzero(giant & (mass >= b.low) & (mass < b.high)) for b in bins]
    drawn = [(b, rows) for b, rows in zip(bins, inside, strict=True) if len(rows)]
    require_stars(len(drawn), 1, "bins of mass have a giant with [C/N]")
    shown = np.concatenate(inside)
    limits = {"xlim": drawing.spread_range(logg[shown], reverse=True), "ylim": _range(cn[shown], 0.003)}
    size = {"width": 7.1, "panel_height": 2.0}
    figure, axes = drawing.new_panels(len(drawn), 2, drawing.LOGG_LABEL, sharex=True, sharey=True, **size)
    for ax, (b, rows) in zip(axes, drawn, strict=True):
        ax.scatter(logg[rows], cn[rows], s=2.5, color=drawing.COLOURS[0], linewidths=0, rasterized=True)
        text = rf"{b.low:g}-{b.high:g} M$_\odot$: {len(rows)}"
        if b.fit is not None:
            line = b.fit.at(logg=logg_range, feh=np.median(feh[b.rows]), mass=np.median(mass[b.rows]))
            ax.plot(logg_range, line, color=drawing.COLOURS[1], lw=1.8)
            text += rf", rise {-b.fit.slopes['logg']:+.3f} $\pm$ {b.fit.errors['logg']:.3f}"
        drawing.panel_letter(ax, None, text)
        ax.set(ylabel=drawing.CN_LABEL, **limits)
    return figure
