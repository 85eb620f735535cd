"""What all figures share: size, type, colours, and the kinds of panel that the paper's figures are made of."""

from functools import wraps

import numpy as np

__all__ = [
    "CN_LABEL",
    "COLOURS",
    "FEH_LABEL",
    "KIEL_LABELS",
    "LOGG_LABEL",
    "MASS_LABEL",
    "colour_bar",
    "colour_scatter",
    "density",
    "figure_style",
    "label_bottom",
    "new_figure",
    "panel_letter",
    "spread_range",
]

#: Okabe and Ito's colours, told apart by all eyes: blue, vermillion, green, orange, purple, sky blue, black.
COLOURS = ("#0072B2", "#D55E00", "#009E73", "#E69F00", "#CC79A7", "#56B4E9", "#000000")
COLUMN_WIDTH, PAGE_WIDTH = 3.5, 7.1  # inches, of the journal
LOGG_LABEL = r"$\log g$ [dex, cgs]"
FEH_LABEL = "[M/H] [dex]"
CN_LABEL = "[C/N] [dex]"
MASS_LABEL = r"mass [M$_\odot$]"
KIEL_LABELS = {"xlabel": r"$T_\mathrm{eff}$ [K]", "ylabel": LOGG_LABEL}
_STYLE = {
    "font.size": 8.0,
    "axes.labelsize": 8.5,
    "axes.titlesize": 8.5,
    "xtick.labelsize": 7.5,
    "ytick.labelsize": 7.5,
    "legend.fontsize": 7.0,
    "legend.framealpha": 0.8,
    "legend.edgecolor": "none",
    "axes.linewidth": 0.7,
    "lines.linewidth": 1.3,
    "xtick.direction": "in",
    "ytick.direction": "in",
}
_FEW_STARS = 400  # below which stars are drawn one by one


def figure_style(function):
    """Draw a figure in the paper's style, whatever style the caller has set."""

    @wraps(function)
    def draw(*args, **parameters):
        from matplotlib import rc_context, rcParamsDefault

        # Asking for the backend would import pyplot and choose one.
        defaults = {name: value for name, value in rcParamsDefault.items() if not name.startswith("backend")}
        with rc_context(defaults | _STYLE):
            return function(*args, **parameters)

    return draw


def new_figure(n_rows=1, n_columns=1, *, width=None, panel_height=2.4, **parameters):
    """Return a matplotlib Figure, free of pyplot, and an array of axes of shape (n_rows, n_columns)."""
    from matplotlib.figure import Figure

    width = width or (COLUMN_WIDTH if n_columns == 1 else PAGE_WIDTH)
    figure = Figure(figsize=(width, max(panel_height * n_rows, 2.2)), dpi=150, layout="constrained")
    axes = figure.subplots(n_rows, n_columns, squeeze=False, **parameters)
    for ax in axes.flat:
        # Ticks are made when drawn: their size is set here, while the style holds.
        ax.tick_params(labelsize=_STYLE["xtick.labelsize"], direction="in", top=True, right=True)
    return figure, axes


def label_bottom(axes, xlabel, n_panels):
    """Label the lowest used panel of each column, and hide the unused ones, of panels that share their x axis."""
    for number, ax in enumerate(axes.flat):
        ax.set_axis_on() if number < n_panels else ax.set_axis_off()
        if number < n_panels <= number + axes.shape[1]:
            ax.set_xlabel(xlabel)
            ax.tick_params(labelbottom=True)


def panel_letter(ax, letter, text=""):
    """Name a panel in its upper left corner."""
    words = f"({letter}) {text}".strip() if letter else text
    label = ax.text(0.03, 0.97, words, transform=ax.transAxes, ha="left", va="top", fontsize=7.5, zorder=10)
    label.set_bbox({"facecolor": "white", "alpha": 0.85, "edgecolor": "none", "pad": 1.0})


def spread_range(values, *, reverse=False, fraction=0.001, margin=0.04):
    """Return limits that hold all but a fraction of the values on each side."""
    values = values[np.isfinite(values)]
    low, high = np.quantile(values, [fraction, 1.0 - fraction])
    pad = margin * (high - low) if high > low else 0.5
    return (high + pad, low - pad) if reverse else (low - pad, high + pad)


def density(figure, ax, x, y, *, xlim, ylim, cmap="viridis", bins=70, bar=True):
    """Draw how many stars are where, with a logarithmic colour scale; few stars one by one."""
    from matplotlib.colors import LogNorm
    from matplotlib.ticker import LogLocator, NullLocator

    inside = np.isfinite(x) & np.isfinite(y)
    ax.set(xlim=xlim, ylim=ylim)
    if np.count_nonzero(inside) < _FEW_STARS:
        return ax.scatter(x[inside], y[inside], s=6, color=COLOURS[0], linewidths=0)
    edges = [np.linspace(*sorted(limits), bins + 1) for limits in (xlim, ylim)]
    counts = np.histogram2d(x[inside], y[inside], bins=edges)[0].T
    counts = np.ma.masked_equal(counts, 0)
    top = max(float(counts.max() or 1), 2.0)
    mesh = ax.pcolormesh(*edges, counts, norm=LogNorm(1, top), cmap=cmap, rasterized=True)
    if bar:
        counted = colour_bar(figure, mesh, ax, "stars")
        counted.ax.yaxis.set_major_locator(LogLocator(subs=(1.0, 2.0, 5.0)))
        counted.ax.yaxis.set_major_formatter("{x:g}")
        counted.ax.yaxis.set_minor_locator(NullLocator())
    return mesh


def colour_scatter(ax, x, y, values, *, limits=None, cmap="viridis", size=4):
    """Draw stars coloured by a value, in an order that the value has no part in."""
    usable = np.flatnonzero(np.isfinite(x) & np.isfinite(y) & np.isfinite(values))
    usable = np.random.default_rng(0).permutation(usable)
    low, high = limits or spread_range(values[usable], fraction=0.02, margin=0.0)
    return ax.scatter(
        x[usable], y[usable], c=values[usable], s=size, cmap=cmap, vmin=low, vmax=high, linewidths=0, rasterized=True
    )


def colour_bar(figure, drawn, axes, label):
    """Add a colour bar with its label."""
    bar = figure.colorbar(drawn, ax=axes, pad=0.01, aspect=20 * (np.shape(axes) or (1,))[0])
    bar.ax.tick_params(labelsize=7.0)
    bar.set_label(label, fontsize=8.0)
    return bar
