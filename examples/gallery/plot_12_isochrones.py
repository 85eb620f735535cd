"""
Isochrones against a network
============================

Isochrones know physics and need no training stars. But they use three labels of a giant, while carbon and nitrogen
tell its mass; and their temperatures and gravities are not quite those that a survey measures, while a network learns
the survey's own. Here the table of models is made of stars of the mock survey, so that it has the right physics; then
log g is shifted by 0.05, as it may be between two pipelines. Tables of MIST and PARSEC are read by
:func:`~skdistmass.isochrones.read_mist` and :func:`~skdistmass.isochrones.read_parsec`.
"""

import matplotlib.pyplot as plt
import numpy as np

from skdistmass import AbsMagRegressor, IsochroneDistanceRegressor
from skdistmass.datasets import make_survey
from skdistmass.isochrones import isochrone_table
from skdistmass.labels import LABEL_NAMES

settings = {"binary_fraction": 0, "sentinel_fraction": 0, "bad_fraction": 0, "repeat_fraction": 0}
survey = make_survey(4000, random_state=0, **settings)
survey = survey[survey["TRUE_LOGG"] < 3.5]

# %%
# Models: giants of many masses and metallicities, in order along each track.

points = make_survey(25_000, random_state=5, giant_fraction=1, label_noise=0, **settings)
points = points[(points["TRUE_LOGG"] < 3.6) & (np.abs(points["TRUE_M_H"]) < 1.5)]
feh = np.round(np.asarray(points["TRUE_M_H"]) / 0.1) * 0.1
log_age = np.round(np.asarray(points["TRUE_LOG_AGE"]) / 0.05) * 0.05
order = np.lexsort([points["TRUE_LOGG"], log_age, feh])
points, feh, log_age = points[order], feh[order], log_age[order]
log_teff, logg, mass = np.log10(points["TRUE_TEFF"]), np.asarray(points["TRUE_LOGG"]), np.asarray(points["TRUE_MASS"])
models = isochrone_table(
    {
        "initial_mass": mass,
        "current_mass": mass,
        "log_age": log_age,
        "feh": feh,
        "log_teff": log_teff,
        "logg": logg,
        "log_l": np.log10(mass) - logg + 4 * log_teff - 10.607,
        "phase": np.full(len(points), 2),
        "ks": points["TRUE_ABS_MAG"],
        "imf_weight": np.ones(len(points)),
    },
    meta={"source": "the mock survey's relations"},
)
isochrones = IsochroneDistanceRegressor().fit(models)

# %%
# A network trained on labels with the shift has learned it; isochrones have not.

figure, axes = plt.subplots(figsize=(6.4, 4))
half = np.arange(len(survey)) % 2 == 0
true = np.asarray(survey["TRUE_ABS_MAG"])
bins = np.linspace(-0.4, 0.4, 61)
for shift, style in ((0.0, "-"), (0.05, "--")):
    X = np.column_stack([survey[name] for name in LABEL_NAMES])
    X[:, 1] += shift
    network = AbsMagRegressor(n_networks=1, error_model=None, random_state=0).fit(X[half], true[half])
    for colour, name, found in (
        ("C0", "network", network.predict(X[~half])),
        ("C1", "isochrones", isochrones.predict(X[~half, :3])),
    ):
        error = 10 ** (0.2 * (true[~half] - found)) - 1
        error = error[np.isfinite(error)]
        label = f"{name}, log g {shift:+.2f}: median {np.median(error):+.1%}"
        axes.hist(error, bins=bins, histtype="step", lw=1.8, linestyle=style, color=colour, label=label)
axes.axvline(0, color="black", lw=0.8)
axes.set(xlabel="distance / true distance - 1", ylabel="giants not trained on")
axes.legend(fontsize="small")
plt.show()
