"""Make the formula of `skdistmass.isochrones.MassLoss`: what PARSEC's stars lose before they burn helium.

Run: ``python examples/make_mass_loss.py [parsec_v12s.parquet]``. PARSEC v1.2S has Reimers' loss with eta = 0.2 on the
red giant branch, and lists initial and current masses. It prints the coefficients and how well they fit.
Without a path, the table is that of `skdistmass.surveys.data_dir`.
"""

import sys

import numpy as np
from real_tables import real_table

from skdistmass.isochrones import Phase, read_parsec
from skdistmass.isochrones.mass_loss import mass_loss_terms

HEAVIEST = 1.9  # Msun; heavier stars lose nothing


def main(path=None):
    table = read_parsec(real_table("isochrones/parsec_v12s.parquet") if path is None else path)
    burning = np.asarray(table["phase"]) == Phase.CHEB
    mass, current, feh, age = (
        np.asarray(table[name], float)[burning] for name in ("initial_mass", "current_mass", "feh", "log_age")
    )
    _, first = np.unique(np.column_stack([feh, age]), axis=0, return_index=True)
    mass, lost, feh = mass[first], (mass - current)[first], feh[first]
    # Where nothing is lost the formula's negative values are cut at zero; they need no fit.
    rows = (lost > 1e-3) & (mass < HEAVIEST) & (feh > -1.6)
    terms = mass_loss_terms(mass[rows], feh[rows])
    found, *_ = np.linalg.lstsq(terms, lost[rows], rcond=None)
    residual = lost[rows] - terms @ found
    light = (mass < HEAVIEST) & (feh > -1.6)
    cut = np.maximum(mass_loss_terms(mass[light], feh[light]) @ found, 0.0) - lost[light]
    print("coefficients:", ", ".join(f"{value:.5f}" for value in found))
    print(
        f"{rows.sum()} isochrones: {residual.std():.4f} Msun rms; with the cut at zero, {np.abs(cut).max():.4f} at most"
    )


if __name__ == "__main__":
    main(*sys.argv[1:])
