"""Measure the classifier of red clump and red giant branch on stars that it has not seen.

Run: ``python examples/evolutionary_state.py``. The stars are Kepler giants (set SKDISTMASS_DATA to the folder of
kepler_giants.fits); without them, mock giants.
"""

import numpy as np
from real_tables import kepler_giants
from sklearn.metrics import log_loss
from sklearn.model_selection import StratifiedGroupKFold, cross_val_predict

from skdistmass import EvolutionaryStateClassifier
from skdistmass.estimators.star_keys import star_groups


def main():
    """Print accuracy, log loss and calibration."""
    stars = kepler_giants(columns=["EVSTATE"])
    X, state = stars.labels, stars["EVSTATE"]
    known = np.isfinite(X).all(axis=1) & np.isin(state, (1, 2))
    X, state, groups = X[known], state[known].astype(int), star_groups(stars)[known]
    for labels in ("TEFF, LOGG, M_H, C_FE, N_FE", "TEFF, LOGG, M_H"):
        columns = X[:, : labels.count(",") + 1]
        probability = cross_val_predict(
            EvolutionaryStateClassifier(random_state=0),
            columns,
            state,
            groups=groups,
            cv=StratifiedGroupKFold(5, shuffle=True, random_state=0),
            method="predict_proba",
        )[:, 1]
        clump = state == 2
        right = np.mean((probability > 0.5) == clump)
        print(f"{labels}: {len(state)} stars, {100 * right:.1f} % right, log loss {log_loss(clump, probability):.3f}")
        print("  said to be in the clump with   mean   true   stars")
        for low, high in ((0, 0.1), (0.1, 0.3), (0.3, 0.5), (0.5, 0.7), (0.7, 0.9), (0.9, 1.0)):
            rows = (probability >= low) & ((probability < high) | (high == 1.0))
            if rows.any():
                said, true = probability[rows].mean(), clump[rows].mean()
                print(f"  {100 * low:3.0f} to {100 * high:3.0f} %            {said:11.2f} {true:6.2f} {rows.sum():7d}")


if __name__ == "__main__":
    main()
