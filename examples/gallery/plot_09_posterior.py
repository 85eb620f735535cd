"""
The posterior of a star
=======================

Distance, mass and age of a star come from the same labels, so their errors go together. :meth:`DistMassModel.sample
<skdistmass.DistMassModel.sample>` draws all of them at once; a parallax, where there is one, weights the draws.
"""

import matplotlib.pyplot as plt
import numpy as np

from skdistmass import AbsMagRegressor, CNMassRegressor, DistMassModel
from skdistmass.datasets import make_survey
from skdistmass.surveys import as_stars

survey = make_survey(3000, random_state=0)
stars = as_stars(survey)
model = DistMassModel(
    AbsMagRegressor(n_networks=1), CNMassRegressor(n_networks=1), mass_scales={"": "MASS"}, random_state=0
).fit(stars)

# %%
# A giant with a middling parallax, drawn without and with it. The star and the line are the truth.

precision = np.asarray(survey["GAIAEDR3_PARALLAX_ERROR"] / survey["GAIAEDR3_PARALLAX"])
good = (stars["LOGG"] > 2.4) & (stars["LOGG"] < 2.8) & (precision > 0.02) & (precision < 0.04) & ~survey["TRUE_BINARY"]
number = np.flatnonzero(good & np.isfinite(stars.labels).all(axis=1) & (survey["TRUE_MASS"] > 1.1))[0]
star = stars[number : number + 1]

figure, axes = plt.subplots(1, 2, figsize=(9, 4))
for parallax, name in ((False, "labels alone"), (True, "and the parallax")):
    draws = model.sample(star, 3000, parallax=parallax, random_state=0)
    age = 10 ** (draws["AGE"][0] - 9)
    axes[0].plot(draws["DISTANCE"][0], draws["MASS"][0], ".", ms=2, alpha=0.5, label=name)
    axes[1].hist(age, bins=np.linspace(0, 6, 49), density=True, histtype="step", lw=2, label=name)
axes[0].plot(survey["TRUE_DISTANCE"][number], survey["TRUE_MASS"][number], "k*", ms=12)
axes[1].axvline(10 ** (survey["TRUE_LOG_AGE"][number] - 9), color="black", lw=1, label="truth")
axes[0].set(xlabel="distance [kpc]", ylabel=r"mass [M$_\odot$]")
axes[1].set(xlabel="age [Gyr]", ylabel="density")
axes[1].legend()
plt.show()
