"""What all figures share: size, type, colours, and the kinds of panel that the figures of the paper are made of."""

from collections.abc import Callable
from functools import wraps
from importlib import resources
from inspect import signature
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    from matplotlib.figure import Figure

    from skdistmass.validation.checks import Validation  # noqa: F401

#: Colours of Okabe and Ito, which colour-blind readers can tell apart.
COLOURS = ("#0072B2", "#D55E00", "#009E73", "#E69F00", "#CC79A7", "#56B4E9")
COLUMN_WIDTH, PAGE_WIDTH = 3.5, 7.1  # inches, of the journal
Limits = tuple[float, float]
LOGG_LABEL = r"$\log g$ [dex, cgs]"
FEH_LABEL = "[M/H] [dex]"
CN_LABEL = "[C/N] [dex]"
MASS_LABEL = r"mass [M$_\odot$]"
TEFF_LABEL = r"$T_\mathrm{eff}$ [K]"
KIEL_LABELS = {"xlabel": TEFF_LABEL, "ylabel": LOGG_LABEL}
_FEW_STARS = 400  # below which stars are drawn one by one
_LONGEST = 30  # characters of a name from a file
_PARAMETERS = """
    Parameters
    ----------
"""
_STARS = """    stars : Table
        Of `join_reference`, or a catalogue alone where no reference is needed.
"""
_FOUND = """    found : Validation, optional
        What `validate` found for these stars: its tables and fits are drawn, and not made again.
"""
_RETURNS = """
    Returns
    -------
    figure : matplotlib.figure.Figure

    Raises
    ------
    MissingInputError
        If columns or stars that the figure needs are missing.
    """


def figure_style(function: Callable[..., "Figure"]) -> Callable[..., "Figure"]:
    """Draw a figure in the style of the paper, whatever style the caller has set, and document what all share."""

    @wraps(function)
    def draw(*args, **parameters):
        from matplotlib import rc_context

        # All that the file does not name is at matplotlib's defaults.
        with resources.as_file(resources.files(__package__) / "figures.mplstyle") as style, rc_context(fname=style):
            return function(*args, **parameters)

    summary, _, rest = (function.__doc__ or "").partition(_PARAMETERS)
    rest = rest.rstrip(" ") + (_FOUND if "found" in signature(function).parameters else "")
    draw.__doc__ = f"{summary.rstrip()}\n{_PARAMETERS}{_STARS}{rest}{_RETURNS}"
    return draw


def plain(text: str) -> str:
    """Return a name from a file as text that matplotlib draws letter by letter.

    Dollar signs would start mathematics; letters that the font does not have are written as their codes; long names
    are cut, because they would leave no room for the panels.
    """
    from matplotlib.font_manager import findfont, get_font

    known = get_font(findfont("DejaVu Sans")).get_charmap()
    text = "".join(c if ord(c) in known else c.encode("unicode_escape").decode() for c in text.removeprefix("REF_"))
    text = text if len(text) <= _LONGEST else f"{text[: _LONGEST - 1]}…"
    return text.replace("$", r"\$")


def new_figure(
    n_rows: int = 1, n_columns: int = 1, *, width: float | None = None, panel_height: float = 2.4, **parameters: Any
) -> tuple["Figure", NDArray]:
    """Return a matplotlib Figure, free of pyplot, and an array of axes of shape (n_rows, n_columns)."""
    from matplotlib import rcParams
    from matplotlib.figure import Figure

    width = width or (COLUMN_WIDTH if n_columns == 1 else PAGE_WIDTH)
    figure = Figure(figsize=(width, max(panel_height * n_rows, 2.2)), dpi=150, layout="constrained")
    axes = figure.subplots(n_rows, n_columns, squeeze=False, **parameters)
    for ax in axes.flat:
        # Ticks are made when drawn: their size is set here, while the style holds.
        ax.tick_params(labelsize=rcParams["xtick.labelsize"], direction="in", top=True, right=True)
    return figure, axes


def new_panels(n_panels: int, n_columns: int, xlabel: str, **parameters: Any) -> tuple["Figure", NDArray]:
    """Return a Figure and the axes of its panels, row by row; the lowest panel of each column has the x label."""
    n_columns = min(n_columns, n_panels)
    figure, axes = new_figure(-(-n_panels // n_columns), n_columns, **parameters)
    for number, ax in enumerate(axes.flat):
        if number >= n_panels:
            ax.set_axis_off()
        elif number >= n_panels - n_columns:
            ax.set_xlabel(xlabel)
            ax.tick_params(labelbottom=True)
    return figure, axes.flat[:n_panels]


def panel_letter(ax: Any, number: int | None, text: str = "") -> None:
    """Write the letter of a panel, by its number, and a text into its upper left corner."""
    words = text if number is None else f"({chr(ord('a') + number) if number < 26 else number + 1}) {text}".strip()
    label = ax.text(0.03, 0.97, words, transform=ax.transAxes, ha="left", va="top", fontsize=7.5, zorder=10)
    label.set_bbox({"facecolor": "white", "alpha": 0.85, "edgecolor": "none", "pad": 1.0})


def spread_range(values: NDArray, *, reverse: bool = False, fraction: float = 0.001, margin: float = 0.04) -> Limits:
    """Return limits that hold all but a fraction of the values on each side; 0 and 1 if there are no values."""
    values = values[np.isfinite(values)]
    low, high = np.quantile(values, [fraction, 1.0 - fraction]) if len(values) else (0.0, 1.0)
    pad = margin * (high - low) if high > low else 0.5
    return (high + pad, low - pad) if reverse else (low - pad, high + pad)


def density(
    ax: Any, x: NDArray, y: NDArray, xlim: Limits, ylim: Limits, *, cmap: str = "viridis", bins: int = 70, bar=True
) -> None:
    """Draw how many stars are where, with a logarithmic colour scale; few stars one by one."""
    from matplotlib.colors import LogNorm
    from matplotlib.ticker import LogLocator, NullLocator

    inside = np.isfinite(x) & np.isfinite(y)
    ax.set(xlim=xlim, ylim=ylim)
    if np.count_nonzero(inside) < _FEW_STARS:
        ax.scatter(x[inside], y[inside], s=6, color=COLOURS[0], linewidths=0)
        return
    edges = [np.linspace(min(limits), max(limits), bins + 1) for limits in (xlim, ylim)]
    counts = np.histogram2d(x[inside], y[inside], bins=edges)[0].T
    counts = np.ma.masked_equal(counts, 0)
    top = max(float(counts.max() or 1), 2.0)
    mesh = ax.pcolormesh(*edges, counts, norm=LogNorm(1, top), cmap=cmap, rasterized=True)
    if bar:
        counted = colour_bar(mesh, ax, "stars")
        counted.ax.yaxis.set_major_locator(LogLocator(subs=(1.0, 2.0, 5.0)))
        counted.ax.yaxis.set_major_formatter("{x:g}")
        counted.ax.yaxis.set_minor_locator(NullLocator())


def colour_scatter(
    ax: Any, x: NDArray, y: NDArray, values: NDArray, *, limits=None, cmap: str = "viridis", size: float = 4
) -> Any:
    """Draw stars coloured by a value, in random order, so that no value lies on top."""
    usable = np.flatnonzero(np.isfinite(x) & np.isfinite(y) & np.isfinite(values))
    usable = np.random.default_rng(0).permutation(usable)
    low, high = limits or spread_range(values[usable], fraction=0.02, margin=0.0)
    style = {"s": size, "cmap": cmap, "vmin": low, "vmax": high, "linewidths": 0, "rasterized": True}
    return ax.scatter(x[usable], y[usable], c=values[usable], **style)


def colour_bar(drawn: Any, axes: Any, label: str) -> Any:
    """Add a colour bar with its label."""
    bar = drawn.figure.colorbar(drawn, ax=axes, pad=0.01, aspect=20 * (np.shape(axes) or (1,))[0])
    bar.ax.tick_params(labelsize=7.0)
    bar.set_label(label, fontsize=8.0)
    return bar
