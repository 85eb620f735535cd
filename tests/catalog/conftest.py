"""A model, a survey and a cheap stand-in for a model, shared by the tests of the catalogue."""

import numpy as np
import pytest
from mock_allstar import write_mock_allstar

from skdistmass import AbsMagRegressor, CNMassRegressor, DistMassModel, LevenbergMarquardtMLPRegressor
from skdistmass.datasets import make_survey

SMALL = {"network": LevenbergMarquardtMLPRegressor(hidden_layer_sizes=4, n_starts=2), "n_networks": 1}


class StandIn:
    """Predicts in no time: columns that show which star they belong to."""

    card = {}

    def __init__(self, factor=1.0):
        self.factor = factor

    def predict_columns(self, stars, *, out_of_fold=True):
        teff, k = stars["TEFF"], stars["K"]
        zero = np.zeros(len(stars), dtype=int)
        return {
            "ABS_MAG": self.factor * teff / 1000.0,
            "DISTANCE": k / 10.0,
            "MASS_CAL": teff / 5000.0,
            "BITMASK": zero,
            "DISTANCE_SPACE": zero,
            "MASS_SPACE": zero,
        }


@pytest.fixture(scope="session")
def stand_in():
    return StandIn()


@pytest.fixture(scope="session")
def training_stars():
    return make_survey(2000, random_state=0)


@pytest.fixture(scope="session")
def model(training_stars, quick_training):
    model = DistMassModel(
        AbsMagRegressor(**SMALL), CNMassRegressor(**SMALL), mass_scales={"CAL": "MASS_CAL"}, random_state=0
    )
    with quick_training():
        return model.fit(training_stars)


@pytest.fixture(scope="session")
def all_star(tmp_path_factory):
    """A wide file in the layout of allStar."""
    return write_mock_allstar(tmp_path_factory.mktemp("survey") / "allStar.fits", 1000, random_state=1)
