"""
The age of a cluster
====================

The stars of a cluster have one age. :meth:`DistMassModel.population <skdistmass.DistMassModel.population>` finds it
from their posteriors, with a scatter of its own and a share of stars that do not belong. What all stars have wrong
together, such as the scale of masses, does not go down with their number: it is `systematic`.
"""

import matplotlib.pyplot as plt
import numpy as np

from skdistmass import AbsMagRegressor, CNMassRegressor, DistMassModel
from skdistmass.datasets import make_survey
from skdistmass.surveys import as_stars

survey = make_survey(3000, random_state=0, clusters=["M67"], cluster_fraction=0.2)
member = np.asarray(survey["CLUSTER"]) == "M67"
stars = as_stars(survey)

# %%
# The model is trained on the other stars.

model = DistMassModel(
    AbsMagRegressor(n_networks=1), CNMassRegressor(n_networks=1), mass_scales={"": "MASS"}, random_state=0
).fit(stars[~member])
members = stars[member & (stars["LOGG"] < 3.3) & np.isfinite(stars.labels).all(axis=1)]
age = model.population(members, systematic=0.03, random_state=0)["AGE"]
single = model.sample(members, 400, age_limit=None, random_state=0)["AGE"]
truth = np.median(survey["TRUE_LOG_AGE"][member])

# %%
# Grey: each star. Blue: all of them together.

figure, axes = plt.subplots(figsize=(6.4, 4))
bins = np.linspace(9, 10.4, 57)
for draws in single:
    axes.hist(draws[draws < 10.4], bins=bins, density=True, histtype="step", color="0.8", lw=0.7)
axes.plot(age.grid, age.density, color="C0", lw=2, label=f"{age.n_stars} giants: {age.mean:.2f} ± {age.std:.2f}")
axes.axvline(truth, color="black", lw=1, label=f"truth: {truth:.2f}")
axes.set(xlabel="log$_{10}$ age [yr]", ylabel="density", xlim=(9, 10.4), ylim=(0, 1.1 * age.density.max()))
axes.legend()
plt.show()
