"""
Do the intervals hold the truth?
================================

An interval of 68.3 % should hold the truth for 68.3 % of the stars, and not only on average. On mock stars the truth
is known. Bars are the errors of counting.
"""

from itertools import pairwise

import matplotlib.pyplot as plt
import numpy as np

from skdistmass import AbsMagRegressor
from skdistmass.datasets import make_survey
from skdistmass.labels import LABEL_NAMES


def giants(seed):
    """Single giants, with labels as a survey has them."""
    survey = make_survey(9000, random_state=seed, binary_fraction=0, sentinel_fraction=0, bad_fraction=0)
    survey = survey[survey["TRUE_LOGG"] < 3.5]
    return np.column_stack([survey[name] for name in LABEL_NAMES]), np.array(survey["TRUE_ABS_MAG"])


X, truth = giants(0)
rng = np.random.default_rng(0)
y_err = rng.uniform(0.05, 0.2, len(truth))
model = AbsMagRegressor(n_networks=1, random_state=0).fit(X, truth + y_err * rng.normal(size=len(truth)), y_err=y_err)

# %%
# New stars, in bins of log g.

X, truth = giants(1)
edges = np.array([0.5, 1.5, 2.0, 2.3, 2.5, 2.7, 3.0, 3.5])
middle = 0.5 * (edges[1:] + edges[:-1])
figure, axes = plt.subplots(figsize=(6.4, 4))
for level, marker in ((0.954, "s"), (0.683, "o")):
    low, high = model.predict_interval(X, coverage=level).T
    inside = (low <= truth) & (truth <= high)
    rows = [inside[(X[:, 1] >= a) & (X[:, 1] < b)] for a, b in pairwise(edges)]
    share = np.array([row.mean() for row in rows])
    error = [np.sqrt(level * (1 - level) / len(row)) for row in rows]
    axes.errorbar(
        middle, share, error, fmt=marker, capsize=2, label=f"interval of {level:.1%}: {inside.mean():.1%} inside"
    )
    axes.axhline(level, color="black", lw=0.8)
axes.set(xlabel=r"$\log g$ [dex, cgs]", ylabel="share of stars inside", ylim=(0.5, 1), xlim=(3.6, 0.7))
axes.legend(loc="lower left")
plt.show()
