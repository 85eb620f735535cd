"""
The model without the package
=============================

A model is one ONNX file. With onnxruntime and NumPy alone it gives distances, masses, ages, errors and flags. The
same file runs in other languages (:doc:`/deploy`); ``examples/onnx_node`` and ``examples/onnx_duckdb.py`` show two.
"""

import matplotlib.pyplot as plt
import numpy as np
import onnxruntime

from skdistmass.datasets import make_survey
from skdistmass.deploy.pretrained import pretrained_path

survey = make_survey(5000, random_state=0)
columns = {name: np.asarray(survey[name], dtype=float) for name in ("TEFF", "LOGG", "M_H", "C_FE", "N_FE")}
columns |= {"MAG": np.asarray(survey["K"], dtype=float), "EXTINCTION": np.asarray(survey["A_K"], dtype=float)}

# %%
# From here on, nothing of skdistmass is used. Missing values may stay as the survey has them.

found = {}
for name, dtype in (("apogee", np.float64), ("apogee-float32", np.float32)):
    session = onnxruntime.InferenceSession(pretrained_path(name))
    inputs = {key: values.astype(dtype) for key, values in columns.items()}
    wanted = ["DISTANCE", "MASS", "AGE"]
    found[name] = dict(zip(wanted, session.run(wanted, inputs), strict=True))

# %%
# Double against single precision: no catalogue needs the difference.

figure, axes = plt.subplots(figsize=(6.4, 4))
for name in wanted:
    double, single = found["apogee"][name], found["apogee-float32"][name]
    both = np.isfinite(double) & np.isfinite(single)
    change = np.abs(single[both] / double[both] - 1)
    axes.hist(np.log10(np.maximum(change, 1e-9)), bins=np.linspace(-9, -4, 51), histtype="step", lw=2, label=name)
axes.set(xlabel="log$_{10}$ of the relative difference, float32 from float64", ylabel="stars")
axes.legend()
plt.show()
