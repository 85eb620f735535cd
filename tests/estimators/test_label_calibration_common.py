"""scikit-learn's own checks of the label calibrations, all of them, with no expected failure."""

import pytest
from sklearn.utils.estimator_checks import parametrize_with_checks

from skdistmass.estimators.label_calibration import ConstraintCalibration, LabelCalibration

pytestmark = pytest.mark.slow


@parametrize_with_checks([LabelCalibration(random_state=0), ConstraintCalibration(random_state=0)])
@pytest.mark.filterwarnings("ignore::skdistmass.exceptions.RowsLeftOutWarning")
def test_scikit_learn_contract(estimator, check):
    check(estimator)
