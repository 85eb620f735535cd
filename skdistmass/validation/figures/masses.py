"""Figures 11 to 14 of the paper: the mass scales."""

from collections.abc import Sequence

import numpy as np
from astropy.table import Table
from numpy.typing import NDArray

from skdistmass.schema.bits import Bit
from skdistmass.tables import optional_floats
from skdistmass.validation.columns import carbon_to_nitrogen, in_unit, mass_scales
from skdistmass.validation.figures import drawing
from skdistmass.validation.figures.chemistry import CN_RANGE, MASS_RANGE
from skdistmass.validation.figures.distances import parameter_space
from skdistmass.validation.masses import DISTANCE_EDGES, HIGH_LOGG, LOGG_BINS, LOW_LOGG, mass_samples
from skdistmass.validation.requirements import require, require_stars

__all__ = [
    "fig11_mass_space",
    "fig12_reference_mass_histograms",
    "fig13_learned_relations",
    "fig14_predicted_mass_histograms",
]

_FEW = 10  # masses that make a histogram


@drawing.figure_style
def fig11_mass_space(stars: Table, *, training: NDArray | None = None) -> "drawing.Figure":
    """Kiel diagram and metallicity of all stars and of the training set of the mass model (figure 11).

    Parameters
    ----------
    training : ndarray of bool, optional
        Stars that were trained on; by default those with bit 8, 16 or 32 of BITMASK or an out-of-fold mass.
    """
    if training is None:
        require(stars, "BITMASK")
        sources = Bit.MASS_APOKASC | Bit.MASS_BERGER | Bit.MASS_SERENELLI
        training = (np.asarray(stars["BITMASK"]) & int(sources)) != 0
        if "OUT_OF_FOLD" in stars.colnames:
            training |= (np.asarray(stars["OUT_OF_FOLD"]) & 2) != 0
    return parameter_space(stars, np.asarray(training, bool), "mass")


def _mass_histograms(stars: Table, columns: Sequence[str], edges: Sequence[float]) -> "drawing.Figure":
    """Draw masses of low and high log g: a panel for each scale and bin of distance."""
    panels = []
    for name in columns:
        for low, high, samples in mass_samples(stars, name, edges):
            if min(map(len, samples)) >= _FEW:
                panels.append((drawing.plain(name) + (f"\n{low:g}-{high:g} kpc" if np.isfinite(high) else ""), samples))
    require_stars(len(panels), 1, f"mass scales have {_FEW} giants of low and of high log g at known distance")
    figure, axes = drawing.new_panels(len(panels), 2, drawing.MASS_LABEL, panel_height=1.5, sharex=True)
    bins = np.arange(0.5, 2.65, 0.1)
    for ax, (title, samples) in zip(axes, panels, strict=True):
        for number, (sample, (low, high)) in enumerate(zip(samples, (LOW_LOGG, HIGH_LOGG), strict=True)):
            colour, line = drawing.COLOURS[number], ("-", "--")[number]
            label = rf"{low:g} < $\log g$ < {high:g}: {len(sample)}"
            style = {"color": colour, "ls": line, "histtype": "step", "lw": 1.4, "density": True}
            ax.hist(np.clip(sample, bins[0], bins[-1]), bins, label=label, **style)
            ax.axvline(np.mean(sample), color=colour, ls=line, lw=0.9)
        drawing.panel_letter(ax, None, title)
        ax.legend(loc="upper right", fontsize=6.5)
        ax.set(xlim=(bins[0], bins[-1]), ylabel=r"density [M$_\odot^{-1}$]")
        ax.set_ylim(top=1.25 * ax.get_ylim()[1])
    return figure


@drawing.figure_style
def fig12_reference_mass_histograms(
    stars: Table, *, columns: Sequence[str] | None = None, edges: Sequence[float] = DISTANCE_EDGES
) -> "drawing.Figure":
    """Masses of giants of low and high log g, and their means, by mass scale trained on and distance (figure 12).

    Parameters
    ----------
    columns : sequence of str, optional
        Masses (Msun); by default those of the reference that the catalogue has networks for.
    edges : sequence of float
        Edges of the bins of distance (kpc).
    """
    columns = list(dict.fromkeys(filter(None, mass_scales(stars).values()))) if columns is None else columns
    require_stars(len(columns), 1, "mass scales are in the reference table")
    return _mass_histograms(stars, columns, edges)


@drawing.figure_style
def fig13_learned_relations(
    stars: Table, *, columns: Sequence[str] | None = None, bins: Sequence[tuple[float, float]] = LOGG_BINS
) -> "drawing.Figure":
    """Predicted mass against [C/N] for each network (columns) by log g (rows), coloured by [Fe/H] (figure 13).

    Parameters
    ----------
    columns : sequence of str, optional
        Masses (Msun); by default all of the catalogue.
    bins : sequence of pairs of float
        Edges of each bin of log g.
    """
    cn, feh, logg = carbon_to_nitrogen(stars), optional_floats(stars, "M_H", "dex"), optional_floats(stars, "LOGG")
    columns = list(mass_scales(stars)) if columns is None else columns
    masses = {name: in_unit(stars, name, "Msun") for name in columns}
    masses = {name: values for name, values in masses.items() if np.isfinite(values + cn).any()}
    require_stars(len(masses), 1, "masses in the catalogue have stars with [C/N]")
    shape, width = (len(bins), len(masses)), 7.1 if len(masses) > 1 else 3.5
    figure, axes = drawing.new_figure(*shape, width=width, panel_height=1.35, sharex=True, sharey=True)
    for row, (low, high) in zip(axes, bins, strict=True):
        inside = (logg >= low) & (logg < high)
        for ax, values in zip(row, masses.values(), strict=True):
            shown = cn[inside], values[inside], feh[inside]
            drawn = drawing.colour_scatter(ax, *shown, limits=(-0.6, 0.4), cmap="cividis", size=2.0)
            ax.set(xlim=CN_RANGE, ylim=MASS_RANGE)
        drawing.panel_letter(row[0], None, rf"$\log g$ {low:g}-{high:g}")
        row[0].set(ylabel=drawing.MASS_LABEL)
    for ax, name in zip(axes[0], masses, strict=True):
        ax.set_title(drawing.plain(name.removeprefix("MASS_")), fontsize=7.5)
    figure.supxlabel(drawing.CN_LABEL, fontsize=8.5)
    drawing.colour_bar(drawn, axes, drawing.FEH_LABEL)
    return figure


@drawing.figure_style
def fig14_predicted_mass_histograms(
    stars: Table, *, columns: Sequence[str] | None = None, edges: Sequence[float] = (0.0, np.inf)
) -> "drawing.Figure":
    """Predicted masses of giants of low and high log g, of each network, and their means (figure 14).

    Parameters
    ----------
    columns : sequence of str, optional
        Masses (Msun); by default all of the catalogue.
    edges : sequence of float
        Edges of the bins of distance (kpc); by default one of all.
    """
    columns = list(mass_scales(stars)) if columns is None else columns
    require_stars(len(columns), 1, "masses are in the catalogue")
    return _mass_histograms(stars, columns, edges)
