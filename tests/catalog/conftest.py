"""A model, a survey and a cheap stand-in for a model, shared by the tests of the catalogue."""

import numpy as np
import pytest
from mock_allstar import write_mock_allstar

from skdistmass import AbsMagRegressor, CNMassRegressor, DistMassModel, LevenbergMarquardtMLPRegressor
from skdistmass.datasets import make_survey
from skdistmass.tables import as_floats, find_column

SMALL = {"network": LevenbergMarquardtMLPRegressor(hidden_layer_sizes=4), "n_networks": 1}


class StandIn:
    """Predicts in no time: columns that show which star they belong to."""

    def __init__(self, factor=1.0):
        self.factor = factor

    def predict(self, table):
        # By the package's own way to a column, which says what is missing, as every model of it does.
        teff, logg, k = (as_floats(table[find_column(table, name)]) for name in ("TEFF", "LOGG", "K"))
        zero = np.zeros(len(table), dtype=int)
        return {
            "TEFF": teff,
            "LOGG": logg,
            "MAG": k,
            "EXTINCTION": as_floats(table["A_K"]),
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
def model(training_stars):
    model = DistMassModel(
        AbsMagRegressor(**SMALL), CNMassRegressor(**SMALL), mass_scales={"CAL": "MASS_CAL"}, random_state=0
    )
    return model.fit(training_stars)


@pytest.fixture(scope="session")
def all_star(tmp_path_factory):
    """A wide file in the layout of allStar."""
    return write_mock_allstar(tmp_path_factory.mktemp("survey") / "allStar.fits", 1000, random_state=1)
