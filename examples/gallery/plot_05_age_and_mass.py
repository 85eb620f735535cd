"""
From the mass of a giant to its age
===================================

A star is a giant at the end of its life, which its mass at birth decides. The relation is steep: ten per cent in mass
are 0.15 dex in age. Mass lost on the giant branch makes stars seem older (section 6.2 of the paper).
"""

import matplotlib.pyplot as plt
import numpy as np

from skdistmass import IsochroneAgeTransformer
from skdistmass.isochrones import GiantAgeRelation

mass = np.geomspace(0.8, 4.0, 200)
shipped, analytic = GiantAgeRelation.default(), GiantAgeRelation.hurley()

figure, (left, right) = plt.subplots(1, 2, figsize=(9, 4))
for feh, style in ((-0.5, "--"), (0.0, "-"), (0.5, ":")):
    left.plot(mass, 10 ** shipped.log_age(mass, feh) / 1e9, style, color="C0", label=f"[Fe/H] = {feh:+.1f}")
left.plot(mass, 10 ** analytic.log_age(mass, 0.0) / 1e9, color="C1", lw=1, label="Hurley et al. (2000), +0.0")
left.set(xscale="log", yscale="log", xlabel=r"mass at birth [M$_\odot$]", ylabel="age of the giant [Gyr]")
left.set_xticks([0.8, 1, 1.5, 2, 3, 4], ["0.8", "1", "1.5", "2", "3", "4"], minor=False)
left.set_xticks([], minor=True)
left.set_yticks([0.1, 0.3, 1, 3, 10], ["0.1", "0.3", "1", "3", "10"])
left.legend(fontsize="small")

# %%
# By how much an age is too high, if the star has lost mass since its birth, and nobody says so: ``mass_loss`` does.

now = np.column_stack([mass, np.zeros_like(mass)])
for lost, style in ((0.03, "-"), (0.06, "--"), (0.1, ":")):
    believed = IsochroneAgeTransformer().transform(now)[:, 0]
    true = IsochroneAgeTransformer(mass_loss=lost).transform(now)[:, 0]
    right.plot(mass, 100 * (10 ** (believed - true) - 1), style, color="C0", label=rf"{lost} M$_\odot$ lost")
right.set(xlabel=r"mass now [M$_\odot$]", ylabel="age too high by [%]", xlim=(0.8, 3), ylim=(0, 60))
right.legend(fontsize="small")
plt.show()
