"""
Labels of another survey
========================

A model holds for labels on the scale of its training. If another pipeline finds log g 0.1 higher, all giants seem
nearer. Stars that both surveys observed tell the difference:
:class:`~skdistmass.estimators.label_calibration.LabelCalibration`.
"""

import matplotlib.pyplot as plt
import numpy as np

from skdistmass import AbsMagRegressor
from skdistmass.datasets import make_survey
from skdistmass.estimators.label_calibration import LabelCalibration
from skdistmass.labels import LABEL_NAMES

survey = make_survey(6000, random_state=0, binary_fraction=0, sentinel_fraction=0, bad_fraction=0)
survey = survey[survey["TRUE_LOGG"] < 3.5]
X = np.column_stack([survey[name] for name in LABEL_NAMES])
model = AbsMagRegressor(n_networks=1, error_model=None, random_state=0).fit(X, survey["TRUE_ABS_MAG"])

# %%
# The same stars as another pipeline would see them: 60 K hotter, log g higher for cool stars, [N/Fe] lower.

rng = np.random.default_rng(0)
shift = np.column_stack(np.broadcast_arrays(60.0, 0.1 - 0.0002 * (X[:, 0] - 4700), 0.02, 0.0, -0.04))
other = X + shift + rng.normal(size=X.shape) * [20, 0.03, 0.02, 0.02, 0.03]
common = np.arange(len(X)) < 300
calibration = LabelCalibration(random_state=0).fit(other[common], X[common])

# %%
# Three hundred stars in common bring the other stars back.

true = np.asarray(survey["TRUE_ABS_MAG"])[~common]
figure, axes = plt.subplots(figsize=(6.4, 4))
for name, values in {"as they are": other[~common], "calibrated": calibration.transform(other[~common])}.items():
    error = 10 ** (0.2 * (true - model.predict(values))) - 1
    label = f"{name}: median {np.median(error):+.1%}"
    axes.hist(error, bins=np.linspace(-0.4, 0.4, 61), histtype="step", lw=2, label=label)
axes.axvline(0, color="black", lw=0.8)
axes.set(xlabel="distance / true distance - 1", ylabel="giants of the other survey")
axes.legend()
plt.show()
