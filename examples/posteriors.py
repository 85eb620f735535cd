"""Measure posteriors: calibration, scores, ages against the literature, and speed.

Stars are predicted out of fold. Run: ``python examples/posteriors.py``. The tables are those of
`skdistmass.surveys.data_dir`; without them, the part on mock stars is printed alone.
"""

import time
import warnings

import numpy as np
from real_tables import real_table
from scipy import stats

from skdistmass import AbsMagRegressor, CNMassRegressor, DistMassModel, EvolutionaryStateClassifier, read_survey
from skdistmass.datasets import make_survey
from skdistmass.estimators.ages import IsochroneAgeTransformer
from skdistmass.exceptions import DistMassWarning
from skdistmass.isochrones import MassLoss
from skdistmass.model import AgePhysics
from skdistmass.surveys.training_sets import TrainingCuts
from skdistmass.uncertainty import LEVELS, PredictiveDistribution, robust_scatter

SCALES = {"AP2": "MASS_AP2", "MIGLIO": "MASS_MIGLIO", "AP3": "MASS_AP3"}
AGES = {"AP2": "AGE_APOKASC2", "MIGLIO": "AGE_MIGLIO", "AP3": "AGE_APOKASC3"}  # Gyr


def mock():
    """Print the calibration on stars whose truth is known, and the speed."""
    # Single stars, parallaxes with the zero point that training takes off, and no distances whose errors are not given:
    # what the networks then have wrong is their own.
    given = {"binary_fraction": 0.0, "sentinel_fraction": 0.0, "parallax_zero_point": -0.021}
    survey, new = make_survey(100_000, random_state=0, **given), make_survey(8_000, random_state=99, **given)
    survey.remove_columns([name for name in survey.colnames if name.endswith("_PHOTOGEO")])
    model = DistMassModel(AbsMagRegressor(n_networks=2), CNMassRegressor(n_networks=2), mass_scales={"CAL": "MASS_CAL"},
                          cuts=TrainingCuts(max_parallax_error=0.05), random_state=0).fit(survey)  # fmt: skip
    catalog, draws = model.predict(new), model.sample(new, 400, age_limit=None, random_state=0)
    giant = (np.asarray(new["TRUE_LOGG"]) < 3.3) & (np.asarray(catalog["MASS_SPACE"]) == 0)
    giant &= (np.asarray(catalog["DISTANCE_SPACE"]) == 0) & np.isfinite(draws["DISTANCE"]).all(axis=1)
    giant &= np.isfinite(draws["AGE"]).all(axis=1)
    rows = np.flatnonzero(giant)[:4000]
    truth = {name: np.asarray(new[f"TRUE_{column}"], float)[rows]
             for name, column in (("DISTANCE", "DISTANCE"), ("MASS", "MASS"), ("AGE", "LOG_AGE"))}  # fmt: skip
    # The mock's ages scatter about the relation of mass and age; what the posterior is to hold is the relation's.
    pairs = np.column_stack([truth["MASS"], np.asarray(new["TRUE_M_H"], float)[rows]])
    own, truth["AGE"] = truth["AGE"], IsochroneAgeTransformer(out_of_bounds="edge").transform(pairs)[:, 0]
    print(f"mock: {len(rows)} giants; its ages are off the relation by {np.median(own - truth['AGE']):+.3f} / "
          f"{robust_scatter(own - truth['AGE']):.3f} dex")  # fmt: skip
    for name, true in truth.items():
        place = np.mean(draws[name][rows] < true[:, None], axis=1)
        held = [100 * np.mean(np.abs(place - 0.5) < 0.5 * level) for level in (0.6827, 0.9545)]
        test = stats.kstest(place, "uniform")
        print(
            f"  {name:<9} {held[0]:.1f} / {held[1]:.1f} % held, KS distance {test.statistic:.3f}, p {test.pvalue:.1e}"
        )
    for pair in (("MASS", "DISTANCE"), ("DISTANCE", "AGE")):
        held = [100 * value for value in coverage_of_two(*(draws[name][rows] for name in pair),
                                                         *(truth[name] for name in pair))]  # fmt: skip
        print(f"  {' and '.join(pair)}: regions of 68 and 95 % hold {held[0]:.1f} and {held[1]:.1f} %")
    start = time.process_time()
    model.sample(new, 100, random_state=0)
    print(
        f"  100 joint draws of 733,901 stars: {(time.process_time() - start) / len(new) * 733_901:.0f} s of a processor"
    )


def coverage_of_two(one, other, true_one, true_other):
    """Return shares of stars within the ellipses that hold 68 and 95 % of their draws."""
    both, true = np.stack([one, other], axis=-1), np.column_stack([true_one, true_other])
    middle = both.mean(axis=1, keepdims=True)
    covariance = np.einsum("nsi,nsj->nij", both - middle, both - middle) / both.shape[1]
    inverse = np.linalg.inv(covariance)
    sizes = np.einsum("nsi,nij,nsj->ns", both - middle, inverse, both - middle)
    size = np.einsum("ni,nij,nj->n", true - middle[:, 0], inverse, true - middle[:, 0])
    return [np.mean(size <= np.quantile(sizes, level, axis=1)) for level in (0.6827, 0.9545)]


def kepler(path):
    """Print scores, and ages beside those of the literature."""
    errors = {scale: f"{column}_ERR" for scale, column in SCALES.items() if scale != "MIGLIO"}
    stars = read_survey(path, columns=[*SCALES.values(), *errors.values(), *AGES.values()])
    model = DistMassModel(mass=CNMassRegressor(), mass_scales=SCALES, parts="mass", random_state=0).fit(stars)
    known = stars["EVSTATE"] > 0
    states = EvolutionaryStateClassifier(random_state=0).fit(stars.labels[known], stars["EVSTATE"][known])
    print("Kepler giants, out of fold")
    for scale, column in SCALES.items():
        mass = stars[column].astype(float)
        draws = model.sample(stars, 400, scale=scale, random_state=0)
        error = stars.floats(errors[scale]) if scale in errors else np.full(len(stars), np.nan)
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
        lossy = AgePhysics(alpha="mean", mass_loss=MassLoss(eta=0.2, spread=0.3), states=states)
        for name, physics in (("paper", None), ("alpha", AgePhysics(alpha="mean")), ("alpha, mass loss", lossy)):
            ages = model.sample(stars, 200, scale=scale, age_limit=None, physics=physics, random_state=0)["AGE"]
            rows = np.isfinite(ages).all(axis=1) & np.isfinite(truth)
            off = np.median(ages[rows], axis=1) - truth[rows]
            print(f"  age {AGES[scale]}, {name}: {rows.sum()} stars, {np.median(off):+.3f} / {robust_scatter(off):.3f} "
                  f"dex")  # fmt: skip


def main():
    """Print all of it."""
    warnings.simplefilter("ignore", DistMassWarning)
    mock()
    kepler(real_table("kepler_giants.fits"))


if __name__ == "__main__":
    main()
