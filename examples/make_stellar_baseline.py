"""Make the coefficients of the stellar baseline from isochrones.

The mean mass and the bolometric correction of PARSEC isochrones (Bressan et al. 2012, MNRAS 427, 127) are fitted with
polynomials in log Teff, log g and [M/H]. Stars count by the initial mass function and a constant star formation rate;
every cell of labels counts the same, and metal-poor stars are old.
Run with ``python examples/make_stellar_baseline.py PARSEC.parquet skdistmass/estimators/stellar_baseline.csv``.
"""

import argparse
from pathlib import Path

import numpy as np
import pandas as pd

from skdistmass.estimators.stellar_baseline import scaled_labels

POWERS = np.array([(i, j, k) for i in range(5) for j in range(4) for k in range(3) if i + j + k <= 3 or i == 4 > j + k])


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("isochrones", type=Path)
    parser.add_argument("output", type=Path)
    arguments = parser.parse_args()
    points = pd.read_parquet(arguments.isochrones)
    points = points[points["logTe"].between(3.5, 3.9) & points["logg"].between(-0.3, 5.2) & (points["logAge"] >= 8.6)]
    points = points[points["phase"] <= 5].sort_values(["MH", "logAge", "Mini"])
    stars = points.groupby(["MH", "logAge"])["int_IMF"].diff().fillna(0.0).clip(lower=0.0)
    age = 10.0 ** (points["logAge"] - 9.0)
    stars = stars * age * np.where(points["MH"] < -0.6, age > 8.0, age > 0.8)
    cell = [np.round(points["logTe"] / 0.02), np.round(points["logg"] / 0.25), points["MH"]]
    total = stars.groupby(cell).transform("sum")
    weight = np.sqrt(np.where(stars > 0, stars / np.where(total > 0, total, 1.0), 0.0))
    labels = np.column_stack([10.0 ** points["logTe"], points["logg"], points["MH"]]).astype(float)
    terms = np.prod(scaled_labels(labels)[:, None, :] ** POWERS, axis=2)
    bolometric = 4.74 - 2.5 * points["logL"].to_numpy(float)
    targets = np.column_stack([np.log10(points["Mact"].to_numpy(float)), bolometric - points["Ks"].to_numpy(float)])
    coefficients = np.linalg.lstsq(terms * weight[:, None], targets * weight[:, None], rcond=None)[0]
    residual = targets - terms @ coefficients
    scatter = np.sqrt((weight[:, None] ** 2 * residual**2).sum(axis=0) / (weight**2).sum())
    print(f"scatter: log mass {scatter[0]:.3f} dex, bolometric correction {scatter[1]:.3f} mag")
    table = pd.DataFrame(POWERS, columns=["POWER_LOG_TEFF", "POWER_LOGG", "POWER_M_H"])
    table["LOG_MASS"], table["BC_K"] = np.round(coefficients.T, 6)
    table.to_csv(arguments.output, index=False)


if __name__ == "__main__":
    main()
