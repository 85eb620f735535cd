"""
Which extinction a star gets
============================

:class:`~skdistmass.ExtinctionChoice` takes the extinction of each star from what its row holds: the infrared colour
near the plane of the Galaxy, a dust map far from it, and where a file has nothing of this, the star's own J - K and
its labels. The columns ``EXTINCTION_METHOD`` and ``EXTINCTION_FLAG`` of a catalogue say what was done.
"""

import matplotlib.pyplot as plt
import numpy as np

from skdistmass import ExtinctionChoice
from skdistmass.datasets import make_survey
from skdistmass.surveys import as_stars

survey = make_survey(8000, random_state=0, binary_fraction=0, sentinel_fraction=0, bad_fraction=0)
survey = survey[survey["LOGG"] < 3.5]

# %%
# Half of the stars lose all that an extinction could be taken from, but their colours.

bare = np.arange(len(survey)) % 2 == 0
for name in ("IRAC_4_5", "WISE_4_5", "SFD_EBV", "A_K", "AK_TARG", "AK_WISE"):
    survey[name][bare] = np.nan
stars = ExtinctionChoice().apply(as_stars(survey))
difference = np.asarray(stars["A_K"]) - np.asarray(survey["TRUE_EXTINCTION"])

figure, axes = plt.subplots(figsize=(6.4, 4))
for method in ("COLOUR", "RJCE_WISE", "RJCE_IRAC", "SFD"):
    chosen = np.asarray(stars["A_K_SRC"]) == method
    if chosen.any():
        label = f"{method}: {chosen.sum()} stars, rms {np.sqrt(np.mean(difference[chosen] ** 2)):.3f} mag"
        axes.plot(np.asarray(survey["TRUE_EXTINCTION"])[chosen], difference[chosen], ".", ms=2, label=label)
axes.axhline(0, color="black", lw=0.8)
axes.set(xlabel="true A$_K$ [mag]", ylabel="A$_K$ used - true A$_K$ [mag]", xlim=(0, 0.8), ylim=(-0.12, 0.12))
axes.legend(markerscale=4, fontsize="small", loc="lower left")
plt.show()
