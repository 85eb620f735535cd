"""Make the giant-age relation that ships with the package, from a table of giants' ages.

    python examples/make_giant_age_relation.py [FILE]

writes ``skdistmass/isochrones/giant_ages/default_relation.csv`` (or FILE), with the same bytes at each run, from
the column ``logt_giant`` of ``isochrones/giant_ages.csv`` in the folder of the real tables, and prints how much the
two differ.

The table has steps of 0.02 Msun and the small waves of the models it was read from: at most 0.02 dex in age, most of
it where the helium flash ends (1.8-2.1 Msun), where the age even rises with mass. No mass of a star is known that
well, and one age would have two masses. So each metallicity is smoothed by a penalised cubic spline in log mass
(P-spline; Eilers & Marx 1996), over about 5 % in mass, which makes it fall everywhere.

Needs isochrones/giant_ages.csv in the folder of the real tables, which SKDISTMASS_DATA names.
"""

import sys
from pathlib import Path

import numpy as np
from real_tables import real_table
from scipy.interpolate import BSpline, CubicHermiteSpline

from skdistmass.isochrones.giant_ages.relation import GiantAgeRelation

KNOT_STEP = 0.02  # dex in mass: the resolution of the result
FEH_STEP = 0.125  # dex in [Fe/H]: half the step of the models, as the relation is linear between its knots
ROUGHNESS = 2e-4  # weight of the curvature: below 1e-4 the ripple stays, above 1e-3 the ages near 2 Msun suffer
OUTPUT = Path(__file__).parents[1] / "skdistmass" / "isochrones" / "giant_ages" / "default_relation.csv"


def read_giant_ages(path):
    """Return masses, metallicities and log10 ages of the mean giant, shape (n_mass, n_feh)."""
    table = np.genfromtxt(path, delimiter=",", names=True)
    feh, mass = np.unique(table["feh"]), np.unique(table["mass_init"])
    order = np.lexsort([table["feh"], table["mass_init"]])
    return mass, feh, table["logt_giant"][order].reshape(len(mass), len(feh))


def smooth(log_mass, log_age):
    """Fit a P-spline in log mass to every column; return it and the knots."""
    n_steps = round((log_mass[-1] - log_mass[0]) / KNOT_STEP)
    knots = np.linspace(log_mass[0], log_mass[-1], n_steps + 1)
    padded = np.r_[[knots[0]] * 3, knots, [knots[-1]] * 3]
    basis = BSpline.design_matrix(log_mass, padded, 3).toarray()
    # The masses are unevenly spaced; weighted by their spacing, the fit is the same everywhere in log mass.
    weight = np.sqrt(np.gradient(log_mass) / KNOT_STEP)[:, None]
    abscissae = np.array([padded[i + 1 : i + 4].mean() for i in range(basis.shape[1])])
    curvature = np.diff(np.diff(np.eye(basis.shape[1]), axis=0) / np.diff(abscissae)[:, None], axis=0)
    system = np.vstack([weight * basis, np.sqrt(ROUGHNESS) * curvature])
    target = np.vstack([weight * log_age, np.zeros((len(curvature), log_age.shape[1]))])
    return BSpline(padded, np.linalg.lstsq(system, target)[0], 3), knots


def make_relation(path):
    """Return the relation and the log10 ages it was made from."""
    mass, feh, log_age = read_giant_ages(path)
    spline, knots = smooth(np.log10(mass), log_age)
    mass_knots = np.round(10.0**knots, 5)
    meta = {
        "source": "MIST v1.2 (Choi et al. 2016; Dotter 2016): ages at the end of the giant phase; "
        "the phases within it by the fractions of PARSEC v1.2S (Bressan et al. 2012)",
        "giants": "log g < 3.5, mean age weighted by time",
        "input": "isochrones/giant_ages.csv, column logt_giant",
        "method": f"P-spline in log10 mass at each [Fe/H], knots every {KNOT_STEP:g} dex, roughness weight "
        f"{ROUGHNESS:g}; then cubics in [Fe/H] with three-point slopes, knots every {FEH_STEP:g} dex",
        "made by": "examples/make_giant_age_relation.py",
        "units": "mass: initial mass in Msun (rows); [Fe/H] in dex (columns); values: log10(age/yr)",
    }
    given = spline(np.log10(mass_knots))
    feh_knots = np.linspace(feh[0], feh[-1], round((feh[-1] - feh[0]) / FEH_STEP) + 1)
    between = CubicHermiteSpline(feh, given, np.gradient(given, feh, axis=1, edge_order=2), axis=1)
    ages = np.round(between(feh_knots), 5)
    relation = GiantAgeRelation(mass_knots, feh_knots, ages, name="MIST v1.2 giants", meta=meta)
    off = relation.log_age(mass[:, None], feh) - log_age
    accuracy = (
        f"against the input {np.std(off):.4f} dex rms, {np.percentile(np.abs(off), 95):.4f} at the 95th "
        f"percentile, {np.abs(off).max():.4f} at most (at the end of the helium flash)"
    )
    return (
        GiantAgeRelation(mass_knots, feh_knots, ages, name=relation.name, meta={**meta, "accuracy": accuracy}),
        off,
        mass,
    )


def main():
    """Write the relation and report on it."""
    output = Path(sys.argv[1]) if len(sys.argv) > 1 else OUTPUT
    relation, off, mass = make_relation(real_table("isochrones/giant_ages.csv"))
    relation.to_file(output)
    print(f"wrote {output}: {relation}, {output.stat().st_size / 1000:.1f} kB")
    print(relation.meta["accuracy"])
    print("\n[Fe/H]   rms (dex)  worst (dex)  at Msun   flattest slope d log t/d log M")
    grid = np.geomspace(*relation.mass_range, 1000)
    for j, feh in enumerate(relation.feh_knots[:: round(0.25 / FEH_STEP)]):
        worst = np.abs(off[:, j]).argmax()
        flattest = relation.slope(grid, feh).max()
        print(f"{feh:+6.2f} {off[:, j].std():9.4f} {off[worst, j]:+12.4f} {mass[worst]:9.2f} {flattest:12.2f}")


if __name__ == "__main__":
    main()
