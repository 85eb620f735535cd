"""scikit-learn's own checks, all of them, with no expected failure."""

import pytest
from sklearn.neural_network import MLPRegressor
from sklearn.utils.estimator_checks import parametrize_with_checks

from skdistmass import AbsMagRegressor, BinaryResidualFilter, CNMassRegressor, LevenbergMarquardtMLPRegressor
from skdistmass.estimators.label_regressor import LabelRegressor

ONE_NETWORK = {"n_networks": 1, "error_model": None}


@parametrize_with_checks(
    [
        AbsMagRegressor(),
        CNMassRegressor(),
        AbsMagRegressor(network=MLPRegressor(hidden_layer_sizes=8, solver="lbfgs", max_iter=300), **ONE_NETWORK),
        AbsMagRegressor(binary_filter=BinaryResidualFilter(n_folds=2, n_rounds=1), **ONE_NETWORK),
        LabelRegressor(
            network=LevenbergMarquardtMLPRegressor(hidden_layer_sizes=4), n_networks=1, n_folds=2, error_model="paper"
        ),
        BinaryResidualFilter(n_folds=2),
    ]
)
# The checks are about interfaces, not about fits: iterations may run out on noise, sets are small, and rows with NaN
# are left out with a warning.
@pytest.mark.filterwarnings(
    "ignore::sklearn.exceptions.ConvergenceWarning",
    "ignore::skdistmass.exceptions.RowsLeftOutWarning",
    "ignore::skdistmass.exceptions.SmallSampleWarning",
)
def test_scikit_learn_contract(estimator, check):
    check(estimator)
