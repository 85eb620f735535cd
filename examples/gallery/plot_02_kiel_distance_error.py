"""
Where distances are good
========================

The Kiel diagram of a mock survey, coloured by the error that the shipped model gives each distance. Luminous giants
and stars unlike those trained on have large errors. Magnitude and extinction count in the error, too, once they are
given.
"""

import matplotlib.pyplot as plt
import numpy as np
from matplotlib.colors import LogNorm

from skdistmass import load_pretrained
from skdistmass.datasets import make_survey

survey = make_survey(12_000, random_state=0)
found = load_pretrained("apogee").predict(survey)
error = found["DISTANCE_ERR"] / found["DISTANCE"]

# %%
# Stars with large errors are drawn last, so that they are not hidden.

order = np.argsort(np.nan_to_num(error))
figure, axes = plt.subplots(figsize=(6.4, 5))
points = axes.scatter(
    np.asarray(survey["TEFF"])[order],
    np.asarray(survey["LOGG"])[order],
    c=error[order],
    s=5,
    linewidths=0,
    norm=LogNorm(0.05, 0.5),
    cmap="viridis",
)
bar = figure.colorbar(points, ax=axes, label="DISTANCE_ERR / DISTANCE", extend="both")
bar.set_ticks([0.05, 0.1, 0.2, 0.5], labels=["0.05", "0.1", "0.2", "0.5"])
bar.minorticks_off()
axes.set(xlabel=r"$T_\mathrm{eff}$ [K]", ylabel=r"$\log g$ [dex, cgs]", xlim=(7200, 3400), ylim=(5.2, 0))
plt.show()
