"""
How large a network?
====================

The regressors are estimators of scikit-learn, so its searches work: here a `GridSearchCV` over the width of the
network and its penalty. Without an error model a fit takes a fraction of a second.
"""

import matplotlib.pyplot as plt
import numpy as np
from sklearn.metrics import make_scorer
from sklearn.model_selection import GridSearchCV, GroupKFold

from skdistmass import CNMassRegressor
from skdistmass.datasets import make_survey
from skdistmass.labels import LABEL_NAMES
from skdistmass.uncertainty import robust_scatter

survey = make_survey(3000, random_state=0, sentinel_fraction=0, bad_fraction=0)
giants = survey[(survey["LOGG"] < 3.5) & (survey["MASS"] > 0)]
X, mass = np.column_stack([giants[name] for name in LABEL_NAMES]), np.array(giants["MASS"])

# %%
# Spectra of one star stay in one fold.

search = GridSearchCV(
    CNMassRegressor(n_networks=1, error_model=None, random_state=0),
    {"network__hidden_layer_sizes": [(2,), (4,), (8,), (16,), (32,)], "network__alpha": [0.01, 0.1, 10.0]},
    scoring=make_scorer(lambda true, found: robust_scatter(found / true - 1), greater_is_better=False),
    cv=GroupKFold(3),
)
search.fit(X, mass, groups=giants["APOGEE_ID"])
print(search.best_params_)

# %%
# Too few neurons can't follow the relation, many need a penalty.

figure, axes = plt.subplots(figsize=(6.4, 4))
results = search.cv_results_
for alpha in (0.01, 0.1, 10.0):
    rows = np.asarray(results["param_network__alpha"] == alpha)
    width = [sizes[0] for sizes in results["param_network__hidden_layer_sizes"][rows]]
    axes.plot(width, -100 * results["mean_test_score"][rows], "o-", label=f"alpha = {alpha:g}")
axes.set(xscale="log", xlabel="neurons", ylabel="scatter of held-out masses [%]")
axes.set_xticks([2, 4, 8, 16, 32], ["2", "4", "8", "16", "32"])
axes.minorticks_off()
axes.legend()
plt.show()
