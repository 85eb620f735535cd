"""The look of the gallery's figures."""

__all__ = ["figure_style"]


def figure_style(*unused):
    """Set Okabe and Ito's colours, which all eyes can tell apart, and room for labels; sphinx-gallery calls it."""
    import matplotlib

    colours = ["#0072B2", "#D55E00", "#009E73", "#E69F00", "#CC79A7", "#56B4E9"]
    style = {"figure.constrained_layout.use": True, "figure.dpi": 100, "savefig.dpi": 150}
    style |= {"axes.spines.top": False, "axes.spines.right": False, "axes.prop_cycle": matplotlib.cycler(color=colours)}
    matplotlib.rcParams.update(style)
