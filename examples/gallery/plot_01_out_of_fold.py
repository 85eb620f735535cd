"""
Errors of training stars, seen and not seen
===========================================

A network knows the stars that it was trained on, so their errors are too small. With an error model, `fit` keeps the
networks of its folds: :meth:`~skdistmass.CNMassRegressor.predict_out_of_fold` predicts each training star by a
network that has not seen it. These errors are those of new stars, and a catalogue gives them to stars of its training
set.
"""

import matplotlib.pyplot as plt
import numpy as np

from skdistmass import CNMassRegressor
from skdistmass.datasets import make_survey
from skdistmass.labels import LABEL_NAMES
from skdistmass.uncertainty import robust_scatter

survey = make_survey(5000, random_state=0, seismic_fraction=0.3, sentinel_fraction=0, bad_fraction=0)
giants = survey[(survey["LOGG"] < 3.5) & (survey["MASS"] > 0)]

# %%
# A larger network than usual with a small penalty, so that the difference is easy to see.

model = CNMassRegressor(n_networks=1, random_state=0)
model.set_params(network__hidden_layer_sizes=(16,), network__alpha=0.01)
X = np.column_stack([giants[name] for name in LABEL_NAMES])
mass, mass_err = np.array(giants["MASS"]), np.array(giants["MASS_ERR"])
model.fit(X, mass, y_err=mass_err)

errors = {
    "seen in training": model.predict(X) / mass - 1,
    "out of fold": model.predict_out_of_fold(X, model.fold_) / mass - 1,
}
new = make_survey(6000, random_state=1, seismic_fraction=0.2, sentinel_fraction=0, bad_fraction=0)
new = new[(new["LOGG"] < 3.5) & (new["MASS"] > 0)]
errors["new stars"] = model.predict(np.column_stack([new[name] for name in LABEL_NAMES])) / np.array(new["MASS"]) - 1

# %%
# Errors of stars seen are too small. Those out of fold are a little larger than those of new stars, because their
# networks have a fifth less to learn from.

figure, axes = plt.subplots(figsize=(6.4, 4))
for (name, error), style in zip(errors.items(), ("--", "-", ":"), strict=True):
    label = f"{name}: scatter {robust_scatter(error):.1%}"
    axes.hist(error, bins=np.linspace(-0.5, 0.5, 41), density=True, histtype="step", lw=2, linestyle=style, label=label)
axes.set(xlabel="predicted mass / seismic mass - 1", ylabel="density of stars", title=f"{len(mass)} giants trained on")
axes.legend()
plt.show()
