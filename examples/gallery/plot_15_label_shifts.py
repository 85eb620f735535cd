"""
What a shift of a label does
============================

A shift that two surveys may well differ by, label by label, and what it does to distances, masses and ages of giants:
:func:`~skdistmass.estimators.label_calibration.label_effects` has the exact derivatives. It shows which label has to
be right for what.
"""

import matplotlib.pyplot as plt
import numpy as np

from skdistmass import AbsMagRegressor, CNMassRegressor, IsochroneAgeTransformer
from skdistmass.datasets import make_survey
from skdistmass.estimators.label_calibration import label_effects
from skdistmass.labels import LABEL_NAMES

survey = make_survey(5000, random_state=0, binary_fraction=0, sentinel_fraction=0, bad_fraction=0)
survey = survey[survey["LOGG"] < 3.3]
X = np.column_stack([survey[name] for name in LABEL_NAMES])
quick = {"n_networks": 1, "error_model": None, "random_state": 0}
abs_mag = AbsMagRegressor(**quick).fit(X, survey["TRUE_ABS_MAG"])
mass = CNMassRegressor(**quick).fit(X, survey["TRUE_MASS"])
effects = label_effects(X, abs_mag=abs_mag, mass=mass, ages=IsochroneAgeTransformer())

# %%
# Medians over the giants; ages in per cent, too.

steps = {"Teff +50 K": 50, "log g +0.05": 0.05, "[M/H] +0.05": 0.05, "[C/Fe] +0.05": 0.05, "[N/Fe] +0.05": 0.05}
change = {name: np.nanmedian(effects[name], axis=0) * list(steps.values()) for name in effects}
percent = {
    "distance": 100 * change["distance"],
    "mass": 100 * change["mass"],
    "age": 100 * (10 ** change["log_age"] - 1),
}
figure, axes = plt.subplots(figsize=(6.8, 4))
for offset, (name, values) in zip((-0.27, 0, 0.27), percent.items(), strict=True):
    bars = axes.bar(np.arange(5) + offset, values, 0.25, label=name)
    axes.bar_label(bars, fmt="%+.1f", fontsize=7, padding=2)
axes.axhline(0, color="black", lw=0.8)
axes.set_xticks(range(5), list(steps))
axes.set(ylabel="change [%]")
axes.margins(y=0.15)
axes.legend()
plt.show()
