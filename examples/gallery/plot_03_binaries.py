"""
Unresolved binaries in a training set
=====================================

Two stars seen as one are brighter than their labels say. A model of single stars puts them nearer than their parallax
does: by up to 0.29 of the distance for twins. :class:`~skdistmass.BinaryResidualFilter` finds them by this (section
4.1.1 of the paper) and leaves them out of the training of distances. Here we know which stars are binaries.
"""

import matplotlib.pyplot as plt
import numpy as np

from skdistmass import BinaryResidualFilter
from skdistmass.datasets import make_survey
from skdistmass.photometry import absolute_magnitude

survey = make_survey(6000, random_state=0, giant_fraction=0.2, sentinel_fraction=0, bad_fraction=0)
survey = survey[(survey["GAIAEDR3_PARALLAX_ERROR"] / survey["GAIAEDR3_PARALLAX"] < 0.05) & (survey["TEFF"] < 6500)]
distance = 1 / np.asarray(survey["GAIAEDR3_PARALLAX"])  # kpc
measured = absolute_magnitude(survey["K"], survey["A_K"], distance)
binaries = BinaryResidualFilter(threshold="valley", random_state=0).fit(survey, measured)

# %%
# The valley between singles and twins is the threshold.

dwarf = survey["LOGG"] > 3.8
kinds = {
    "single": ~survey["TRUE_BINARY"],
    "companion of less than half the mass": survey["TRUE_BINARY"] & (survey["TRUE_MASS_RATIO"] < 0.5),
    "companion of half the mass or more": survey["TRUE_BINARY"] & (survey["TRUE_MASS_RATIO"] >= 0.5),
}
figure, axes = plt.subplots(figsize=(6.4, 4))
values = [binaries.residual_[np.asarray(dwarf & kind)] for kind in kinds.values()]
axes.hist(values, bins=np.linspace(-0.3, 0.45, 61), stacked=True, label=list(kinds))
axes.axvline(binaries.threshold_, color="black", lw=1)
axes.text(binaries.threshold_ + 0.01, axes.get_ylim()[1] * 0.4, f"left out above {binaries.threshold_:.2f}")
axes.set(xlabel="1 - d(model) / d(parallax)", ylabel="dwarfs")
axes.legend(loc="upper right", fontsize="small")
plt.show()
