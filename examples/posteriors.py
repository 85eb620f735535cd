"""Measure posteriors: calibration, scores, ages against the literature, and speed.

Stars are predicted out of fold. Run: ``python examples/posteriors.py``. The tables are those of
`skdistmass.surveys.data_dir`; without them, the part on mock stars is printed alone.
"""

import time
import warnings

import numpy as np
from real_tables import real_table
from scipy import stats

from skdistmass import AbsMagRegressor, CNMassRegressor, DistMassModel, read_survey
from skdistmass.datasets import make_survey
from skdistmass.exceptions import DistMassWarning
from skdistmass.uncertainty import LEVELS, PredictiveDistribution, robust_scatter

SCALES = {"AP2": "MASS_AP2", "MIGLIO": "MASS_MIGLIO", "AP3": "MASS_AP3"}
AGES = {"AP2": "AGE_APOKASC2", "MIGLIO": "AGE_MIGLIO", "AP3": "AGE_APOKASC3"}  # Gyr


def mock():
    """Print the calibration on stars whose truth is known."""
    survey, new = make_survey(20_000, random_state=0), make_survey(8_000, random_state=99)
    model = DistMassModel(AbsMagRegressor(n_networks=1), CNMassRegressor(n_networks=1), mass_scales={"CAL": "MASS_CAL"},
                          random_state=0).fit(survey)  # fmt: skip
    catalog, start = model.predict(new), time.perf_counter()
    draws = model.sample(new, 400, random_state=0)
    speed = len(new) * 400 / (time.perf_counter() - start)
    giant = (np.asarray(new["TRUE_LOGG"]) < 3.3) & (np.asarray(catalog["MASS_SPACE"]) == 0)
    giant &= (np.asarray(catalog["DISTANCE_SPACE"]) == 0) & np.isfinite(draws["DISTANCE"]).all(axis=1)
    print(f"mock: {speed:.3g} joint draws a second")
    for name, truth in (("DISTANCE", "TRUE_DISTANCE"), ("MASS", "TRUE_MASS"), ("AGE", "TRUE_LOG_AGE")):
        rows = giant & np.isfinite(draws[name]).all(axis=1)
        place = np.mean(draws[name][rows] < np.asarray(new[truth])[rows, None], axis=1)
        held = [np.mean(np.abs(place - 0.5) < 0.5 * level) for level in (0.6827, 0.9545)]
        ks = stats.kstest(place, "uniform").statistic
        print(
            f"  {name:<9} {rows.sum()} giants: {100 * held[0]:.1f} / {100 * held[1]:.1f} % held, KS distance {ks:.3f}"
        )


def kepler(path):
    """Print scores, and ages beside those of the literature."""
    stars = read_survey(path, columns=[*SCALES.values(), *(f"{name}_ERR" for name in SCALES.values()), *AGES.values()])
    model = DistMassModel(mass=CNMassRegressor(), mass_scales=SCALES, parts="mass", random_state=0).fit(stars)
    print("Kepler giants, out of fold")
    for scale, column in SCALES.items():
        mass, network = stars[column].astype(float), model.masses_[scale]
        error = stars.floats(f"{column}_ERR") if f"{column}_ERR" in stars else np.full(len(stars), np.nan)
        draws = model.sample(stars, 400, scale=scale, random_state=0)
        rows = np.isfinite(draws["MASS"]).all(axis=1) & np.isfinite(mass) & (error / mass < 0.1)
        if rows.sum() > 100:
            own = PredictiveDistribution(LEVELS, np.quantile(draws["MASS"][rows], LEVELS, axis=1).T)
            normal = own.mean()[:, None] + own.std()[:, None] * stats.norm.ppf(LEVELS)
            bell = PredictiveDistribution(LEVELS, normal)
            crps = [np.mean(law.widened(error[rows]).crps(mass[rows])) for law in (own, bell)]
            gain = 100 * (1 - crps[0] / crps[1])
            print(
                f"  mass {scale}: CRPS {crps[0]:.4f} Msun, {gain:.1f} % below a normal law of the same mean and error"
            )
        truth = np.log10(stars[AGES[scale]].astype(float)) + 9.0
        rows = np.isfinite(draws["AGE"]).all(axis=1) & np.isfinite(truth)
        off = np.median(draws["AGE"][rows], axis=1) - truth[rows]
        print(f"  age {AGES[scale]}: {rows.sum()} stars, {np.median(off):+.3f} / {robust_scatter(off):.3f} dex; "
              f"{network.n_rows_} trained on")  # fmt: skip


def main():
    """Print all of it."""
    warnings.simplefilter("ignore", DistMassWarning)
    mock()
    kepler(real_table("kepler_giants.fits"))


if __name__ == "__main__":
    main()
