"""
Red clump or red giant branch
=============================

Stars that burn helium in their core and stars that climb the giant branch overlap in the Kiel diagram. Carbon,
nitrogen and metallicity help to tell them apart: :class:`~skdistmass.EvolutionaryStateClassifier` gives the
probability of each.
"""

import matplotlib.pyplot as plt
import numpy as np

from skdistmass import EvolutionaryStateClassifier
from skdistmass.datasets import make_survey
from skdistmass.labels import LABEL_NAMES


def giants(seed):
    """Labels of giants, and whether each is in the clump."""
    survey = make_survey(6000, random_state=seed, sentinel_fraction=0, bad_fraction=0)
    stage = np.asarray(survey["TRUE_STAGE"])
    survey, stage = survey[np.isin(stage, ["RGB", "RC"])], stage[np.isin(stage, ["RGB", "RC"])]
    return np.column_stack([survey[name] for name in LABEL_NAMES]), np.where(stage == "RC", 2, 1)


model = EvolutionaryStateClassifier(random_state=0).fit(*giants(0))
X, state = giants(1)
in_clump = model.predict_proba(X)[:, list(model.classes_).index(2)]

# %%
# The probabilities mean what they say: of the stars with 30 %, three in ten are in the clump.

figure, (left, right) = plt.subplots(1, 2, figsize=(9, 4.2))
points = left.scatter(X[:, 0], X[:, 1], c=in_clump, s=4, linewidths=0, cmap="viridis")
figure.colorbar(points, ax=left, label="probability of the red clump")
left.set(xlabel=r"$T_\mathrm{eff}$ [K]", ylabel=r"$\log g$ [dex, cgs]", xlim=(5400, 3600), ylim=(3.6, 0.5))
edges = np.linspace(0, 1, 9)
number = np.clip(np.digitize(in_clump, edges) - 1, 0, 7)
share = [np.mean(state[number == bin] == 2) for bin in range(8)]
error = [np.sqrt(max(s * (1 - s), 0.01) / (number == bin).sum()) for bin, s in enumerate(share)]
right.errorbar([in_clump[number == bin].mean() for bin in range(8)], share, error, fmt="o", capsize=2)
right.plot([0, 1], [0, 1], color="black", lw=0.8)
right.set(xlabel="predicted probability", ylabel="share that is in the clump", box_aspect=1)
plt.show()
