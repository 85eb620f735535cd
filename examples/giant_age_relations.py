"""Compare giant-age relations with each other and with what the paper says of ages (sections 6.1 and 6.2).

    python examples/giant_age_relations.py [FOLDER]

prints, for the relation that comes with the package, one built from PARSEC v1.2S isochrones, and the analytic
time to the base of the giant branch of Hurley, Pols & Tout (2000): slopes d log age / d log mass; by how much
an age is too high when a giant has lost 0.03 Msun; and the interval of age that a mass error of 10 % gives.
Draws ages, differences and slopes into FOLDER/giant_age_relations.png (default: the current folder).

Needs isochrones/parsec_v12s.parquet in the folder of the real tables, which SKDISTMASS_DATA names.
"""

import sys
from pathlib import Path

import numpy as np
from astropy.table import Table
from matplotlib.figure import Figure
from matplotlib.ticker import LogLocator, NullFormatter, ScalarFormatter
from real_tables import real_table

from skdistmass.estimators.ages import IsochroneAgeTransformer
from skdistmass.isochrones import read_parsec
from skdistmass.isochrones.giant_ages.relation import GiantAgeRelation

MASSES = (0.8, 1.0, 1.4, 1.8, 2.0, 2.5, 5.0, 8.0)
METALLICITIES = (-0.5, 0.0, 0.5)
# Okabe & Ito's colours, which colour-blind readers can tell apart, each with a line style.
STYLES = (("#000000", "-"), ("#0072B2", "--"), ("#D55E00", ":"), ("#009E73", "-."), ("#CC79A7", (0, (6, 1, 1, 1))))


def compare_relations(*relations, mass=MASSES, feh=(0.0,)):
    """Return ages and slopes of relations of different names; the others are compared with the first.

    The table has one row for each [Fe/H] and mass, with the columns ``log_age NAME`` (log10 yr) and ``slope NAME``
    (d log age / d log mass) of each relation, and of all but the first ``difference NAME`` (log10 age minus that of the
    first, dex). Values outside a relation are NaN.
    """
    feh, mass = (grid.ravel() for grid in np.meshgrid(feh, mass, indexing="ij"))
    table = Table({"feh": feh, "mass": mass}, units={"feh": "dex", "mass": "Msun"})
    reference = relations[0].log_age(mass, feh)
    for relation in relations:
        table[f"log_age {relation.name}"] = relation.log_age(mass, feh)
        table[f"slope {relation.name}"] = relation.slope(mass, feh)
        if relation is not relations[0]:
            table[f"difference {relation.name}"] = relation.log_age(mass, feh) - reference
    return table


def plot_relations(*relations, feh=METALLICITIES):
    """Return a figure of up to five relations against mass: age, difference from the first, and slope."""
    mass = np.geomspace(*relations[0].mass_range, 500)
    figure = Figure(figsize=(1.6 + 3.2 * len(feh), 7.5), layout="constrained")
    axes = figure.subplots(
        3, len(feh), sharex=True, sharey="row", squeeze=False, gridspec_kw={"height_ratios": (2, 1, 1)}
    )
    for column, metallicity in zip(axes.T, feh, strict=True):
        reference = relations[0].log_age(mass, metallicity)
        for relation, (colour, dashes) in zip(relations, STYLES, strict=False):
            style = {"color": colour, "linestyle": dashes, "linewidth": 1.5, "label": relation.name}
            log_age = relation.log_age(mass, metallicity)
            for ax, values in zip(
                column, (log_age, log_age - reference, relation.slope(mass, metallicity)), strict=True
            ):
                ax.plot(mass, values, **style)
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


def print_slopes(relations):
    """Print d log age / d log mass at solar metallicity, and averaged over 10 % in mass to either side."""
    print("d log age / d log mass at [Fe/H] = 0, at the mass itself, and averaged over +-10 % in mass")
    print(f"{'':28s}" + "".join(f"{mass:8.1f}" for mass in MASSES) + "  Msun")
    table = compare_relations(*relations)
    for relation in relations:
        print(f"{relation.name:28s}" + "".join(f"{slope:8.2f}" for slope in table[f"slope {relation.name}"]))
        edges = np.outer((0.9, 1.1), MASSES)
        rise = np.diff(relation.log_age(edges, 0.0), axis=0)[0] / np.log10(1.1 / 0.9)
        print(f"{'  +-10 %':28s}" + "".join(f"{slope:8.2f}" for slope in rise))


def print_ages(relations):
    """Print log10 age (yr) by metallicity and mass."""
    print("\nlog10 age (yr); after it, the difference in per cent of age from the first relation")
    table = compare_relations(*relations, mass=(1.0, 2.0, 3.0, 5.0), feh=METALLICITIES)
    for row in table:
        line = f"[Fe/H] {row['feh']:+.1f} {row['mass']:4.1f} Msun  "
        for relation in relations:
            line += f"{row[f'log_age {relation.name}']:10.3f}"
            if relation is not relations[0]:
                line += f" ({100 * (10 ** row[f'difference {relation.name}'] - 1):+5.1f} %)"
        print(line)


def print_errors(relations):
    """Print the effect of mass lost and of an error of the mass."""
    print(
        "\nat [Fe/H] = 0: by how much the age is too high if 0.03 Msun were lost; the interval of log age\n"
        "that a 10 % mass error gives, and AGE_ERR"
    )
    for mass in (1.0, 2.0):
        for relation in relations:
            transformer = IsochroneAgeTransformer(relation)
            now, birth = [[mass, 0.0]], [[mass + 0.03, 0.0]]
            age = transformer.transform(now)[0, 0]
            excess = 10 ** (age - transformer.transform(birth)[0, 0]) - 1
            low, high = transformer.age_interval(now, mass_err=[0.1 * mass])[0] - age
            error = transformer.log_age_err(now, mass_err=[0.1 * mass])[0]
            print(
                f"{mass:.0f} Msun  {relation.name:28s}{100 * excess:6.1f} %{high:+21.3f} {low:+.3f} dex ({error:.3f})"
            )
    print("paper   1 Msun: 11 %, +0.3 -0.21 dex; 2 Msun: 3 %, +0.067 -0.063 dex")


def main():
    """Print the tables and draw the figure."""
    folder = Path(sys.argv[1]) if len(sys.argv) > 1 else Path(".")
    isochrones = read_parsec(real_table("isochrones/parsec_v12s.parquet"))
    relations = (
        GiantAgeRelation.default(),
        GiantAgeRelation.from_isochrones(isochrones, name="PARSEC v1.2S giants"),
        GiantAgeRelation.hurley(),
    )
    for relation in relations:
        print(relation)
    print()
    print_slopes(relations)
    print_ages(relations)
    print_errors(relations)
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / "giant_age_relations.png"
    plot_relations(*relations).savefig(path, dpi=150)
    print(f"\ndrew {path}")


if __name__ == "__main__":
    main()
