"""Giant-age relations side by side: a table and a figure."""

import numpy as np

from skdistmass.exceptions import InputError

__all__ = ["compare_relations", "plot_relations"]

_MASSES = (0.8, 1.0, 1.4, 1.8, 2.0, 2.5, 5.0, 8.0)
# Okabe & Ito's colours, told apart by colour-blind readers too; line styles say the same again.
_STYLES = (
    ("#000000", "-"),
    ("#0072B2", "--"),
    ("#D55E00", ":"),
    ("#009E73", "-."),
    ("#CC79A7", (0, (6, 1, 1, 1))),
)


def _check_relations(relations):
    if not relations:
        raise InputError("no age relations to compare; give one or more GiantAgeRelation.")
    names = [relation.name for relation in relations]
    if len(set(names)) < len(names):
        raise InputError(
            f"two age relations have the same name ({', '.join(names)}); make them with a name of their own."
        )


def compare_relations(*relations, mass=_MASSES, feh=(0.0,)):
    """Tabulate ages and slopes of several age relations at the same masses and metallicities.

    Parameters
    ----------
    *relations : GiantAgeRelation
        One or more relations of different names. The first is the one the others are compared with.
    mass : array-like, default=(0.8, 1, 1.4, 1.8, 2, 2.5, 5, 8)
        Initial masses in Msun.
    feh : array-like, default=(0,)
        [Fe/H] in dex.

    Returns
    -------
    table : astropy.table.Table
        One row for each [Fe/H] and mass, with the columns ``feh``, ``mass`` and, for each relation,
        ``log_age <name>`` (log10 yr) and ``slope <name>`` (d log age / d log mass), and for all but the first
        ``difference <name>`` (log10 age minus that of the first, dex). NaN where a relation does not reach.

    Raises
    ------
    InputError
        If there are no relations, or two of one name.

    Examples
    --------
    >>> from skdistmass.isochrones.giant_ages.relation import GiantAgeRelation
    >>> from skdistmass.isochrones.giant_ages.comparison import compare_relations
    >>> table = compare_relations(GiantAgeRelation.default(), GiantAgeRelation.hurley(), mass=[1.0, 2.0])
    >>> table.colnames[2:5]
    ['log_age MIST v1.2 giants', 'slope MIST v1.2 giants', 'log_age Hurley et al. (2000) t_BGB']
    """
    from astropy.table import Table

    _check_relations(relations)
    feh, mass = (grid.ravel() for grid in np.meshgrid(np.atleast_1d(feh), np.atleast_1d(mass), indexing="ij"))
    table = Table({"feh": feh, "mass": mass}, units={"feh": "dex", "mass": "Msun"})
    reference = relations[0].log_age(mass, feh)
    for relation in relations:
        log_age = relation.log_age(mass, feh)
        table[f"log_age {relation.name}"] = log_age
        table[f"log_age {relation.name}"].unit = "dex(yr)"
        table[f"slope {relation.name}"] = relation.slope(mass, feh)
        if relation is not relations[0]:
            table[f"difference {relation.name}"] = log_age - reference
            table[f"difference {relation.name}"].unit = "dex"
    return table


def plot_relations(*relations, feh=(-0.5, 0.0, 0.5), mass_range=None):
    """Draw several age relations against mass: age, difference from the first, and slope.

    Parameters
    ----------
    *relations : GiantAgeRelation
        One to five relations of different names.
    feh : array-like, default=(-0.5, 0, 0.5)
        [Fe/H] in dex, one column of panels each.
    mass_range : tuple of float, optional
        Masses to show (Msun); by default the range of the first relation.

    Returns
    -------
    figure : matplotlib.figure.Figure
        Not shown and not saved; it needs no display.

    Raises
    ------
    InputError
        If there are no relations, more than five, or two of one name.
    """
    from matplotlib.figure import Figure
    from matplotlib.ticker import LogLocator, NullFormatter, ScalarFormatter

    _check_relations(relations)
    if len(relations) > len(_STYLES):
        raise InputError(f"{len(relations)} age relations are too many for one figure; draw {len(_STYLES)} or fewer.")
    feh = np.atleast_1d(feh)
    mass = np.geomspace(*(mass_range or relations[0].mass_range), 500)
    figure = Figure(figsize=(1.6 + 3.2 * len(feh), 7.5), layout="constrained")
    axes = figure.subplots(
        3, len(feh), sharex=True, sharey="row", squeeze=False, gridspec_kw={"height_ratios": (2, 1, 1)}
    )
    for column, metallicity in zip(axes.T, feh, strict=True):
        reference = relations[0].log_age(mass, metallicity)
        for relation, (colour, dashes) in zip(relations, _STYLES, strict=False):
            style = {"color": colour, "linestyle": dashes, "linewidth": 1.5, "label": relation.name}
            log_age = relation.log_age(mass, metallicity)
            column[0].plot(mass, log_age, **style)
            column[1].plot(mass, log_age - reference, **style)
            column[2].plot(mass, relation.slope(mass, metallicity), **style)
        column[0].set(title=f"[Fe/H] = {metallicity:+.2f}", xscale="log")
        column[2].set_xlabel(r"initial mass (M$_\odot$)")
        column[2].xaxis.set_major_locator(LogLocator(subs=(1.0, 2.0, 5.0)))
        column[2].xaxis.set_major_formatter(ScalarFormatter())
        column[2].xaxis.set_minor_formatter(NullFormatter())
    axes[0, 0].set_ylabel("log$_{10}$ age (yr)")
    axes[1, 0].set_ylabel(f"difference from\n{relations[0].name} (dex)")
    axes[2, 0].set_ylabel("d log age / d log mass")
    axes[0, 0].legend(fontsize="small", frameon=False)
    return figure
