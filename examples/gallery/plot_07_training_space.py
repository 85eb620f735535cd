"""
Stars unlike those trained on
=============================

A network gives a number for any star. :class:`~skdistmass.TrainingSpace` learns where the training stars are, in all
five labels, and says whether a star is inside, at the edge or outside. Outside, a number is a guess.
"""

import matplotlib.pyplot as plt
import numpy as np

from skdistmass import TrainingSpace
from skdistmass.datasets import make_survey
from skdistmass.estimators.training_space import EDGE, INSIDE, OUTSIDE
from skdistmass.labels import LABEL_NAMES


def labels(seed):
    """Labels of a mock survey, without missing ones."""
    survey = make_survey(6000, random_state=seed, sentinel_fraction=0)
    return np.column_stack([survey[name] for name in LABEL_NAMES])


training = labels(0)
training = training[(training[:, 1] < 3.3) & (training[:, 2] > -0.7)]  # giants of the disc
space = TrainingSpace(random_state=0).fit(training)

# %%
# Other stars: dwarfs, subgiants and the halo are outside, and a bad log g of a giant, too.

stars = labels(1)
answer = space.classify(stars)
figure, (left, right) = plt.subplots(1, 2, figsize=(9, 4.2))
for axes, (x, y) in ((left, (stars[:, 0], stars[:, 1])), (right, (stars[:, 2], stars[:, 3] - stars[:, 4]))):
    for code, name, size in ((INSIDE, "inside", 2), (EDGE, "edge", 3), (OUTSIDE, "outside", 3)):
        chosen = answer == code
        axes.plot(x[chosen], y[chosen], ".", ms=size, label=f"{name}: {chosen.mean():.0%}")
left.set(xlabel=r"$T_\mathrm{eff}$ [K]", ylabel=r"$\log g$ [dex, cgs]", xlim=(7200, 3400), ylim=(5.2, 0))
right.set(xlabel="[M/H] [dex]", ylabel="[C/N] [dex]")
left.legend(markerscale=4, loc="upper left")
plt.show()

# %%
# `explain` says in words which label it is, and what would be inside.

for line in space.explain(stars[answer == OUTSIDE][:4]).messages():
    print(line)
