"""What distances lose without carbon and nitrogen, and what stars without them add to the training.

    python examples/fallback_network.py

Kepler and K2 giants (set SKDISTMASS_DATA to their folder) in five folds of stars: robust scatter (1.4826 MAD) and
median of the fractional error of the distance of held-back stars, for the network on five labels and for those on
Teff, log g and metallicity alone, trained without and with the K2 giants, which have no other labels. These have no
extinction either; 0.03 mag is assumed.
"""

import numpy as np
from real_tables import real_table
from sklearn.model_selection import GroupKFold

from skdistmass import AbsMagRegressor, TrainingCuts
from skdistmass.labels import LABEL_NAMES, read_labels
from skdistmass.surveys import read_survey, stack_stars
from skdistmass.surveys.training_sets import distance_training_set
from skdistmass.uncertainty import robust_scatter


def main():
    """Print the table."""
    surveys = [read_survey(real_table(f"{name}_giants.fits")) for name in ("kepler", "k2")]
    stars = stack_stars(surveys)
    chosen = distance_training_set(stars, TrainingCuts(assumed_extinction=0.03), names=LABEL_NAMES[:3])
    labels = read_labels(stars).values[chosen.rows]
    y, y_err = chosen.target, chosen.target_err
    kepler = chosen.rows < len(surveys[0])
    ids = np.asarray(stars["APOGEE_ID"])[chosen.rows].astype(str)
    groups = np.where(np.isin(ids, ("", "--", "nan")), np.arange(len(ids)).astype(str), ids)
    everywhere = np.ones(len(y), dtype=bool)
    networks = {
        "five labels, Kepler": (slice(None), kepler),
        "three labels, Kepler": (slice(0, 3), kepler),
        "three labels, Kepler and K2": (slice(0, 3), everywhere),
    }
    print(f"{'':<30}{'Kepler giants':>20}{'K2 giants':>20}")
    print(f"{'held back':<30}{kepler.sum():>20}{(~kepler).sum():>20}")
    for name, (used, trained_on) in networks.items():
        X = labels[:, used]
        complete = np.isfinite(X).all(axis=1)
        predicted = np.full(len(y), np.nan)
        for train, test in GroupKFold(5, shuffle=True, random_state=0).split(X, groups=groups):
            rows = train[trained_on[train] & complete[train]]
            model = AbsMagRegressor(error_model=None, random_state=0)
            model.fit(X[rows], y[rows], groups=groups[rows], y_err=y_err[rows])
            predicted[test] = model.predict(X[test])
        error = 10.0 ** (0.2 * (y - predicted)) - 1.0
        cells = [
            f"{robust_scatter(error[field]):.4f} ({np.nanmedian(error[field]):+.4f})" if complete[field].any() else "-"
            for field in (kepler, ~kepler)
        ]
        print(f"{name:<30}{cells[0]:>20}{cells[1]:>20}")


if __name__ == "__main__":
    main()
