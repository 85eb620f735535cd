"""Time and memory of what users wait for: training, prediction, catalogue, isochrone distances, graph, import."""

import sys
import warnings
from pathlib import Path

import numpy as np
from sklearn.exceptions import ConvergenceWarning

from skdistmass import LevenbergMarquardtMLPRegressor, build_catalog, load_pretrained
from skdistmass.datasets import make_survey
from skdistmass.isochrones import IsochroneDistanceRegressor

N_STARS = 20_000
LABELS = ("TEFF", "LOGG", "M_H", "C_FE", "N_FE")


def _labels(n_stars):
    """Return scaled labels and magnitudes of mock stars."""
    survey = make_survey(n_stars, random_state=0, sentinel_fraction=0)
    labels = np.column_stack([np.asarray(survey[name], dtype=float) for name in LABELS])
    return (labels - labels.mean(axis=0)) / labels.std(axis=0), np.asarray(survey["TRUE_ABS_MAG"], dtype=float)


class Network:
    """The trainer of small networks."""

    def setup(self):
        self.labels, self.magnitudes = _labels(N_STARS)
        self.fitted = self._fit(max_iter=5)

    def _fit(self, **parameters):
        network = LevenbergMarquardtMLPRegressor(n_starts=1, random_state=0, **parameters)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", ConvergenceWarning)
            return network.fit(self.labels, self.magnitudes)

    def time_ten_steps(self):
        self._fit(max_iter=10)

    def time_predict(self):
        self.fitted.predict(self.labels)


class Graph:
    """A model that comes with the package, as a graph."""

    params = ("kepler-giants", "apogee")
    param_names = ("model",)

    def setup(self, name):
        self.model, self.stars = load_pretrained(name), make_survey(N_STARS, random_state=0)

    def time_predict(self, name):
        self.model.predict(self.stars)


class Catalogue:
    """From the file of a survey to the file of a catalogue."""

    params = ("fits", "parquet")
    param_names = ("format",)

    def setup_cache(self):
        make_survey(N_STARS, random_state=0).write("survey.fits")

    def _build(self, ending):
        build_catalog(load_pretrained("kepler-giants"), "survey.fits", f"catalog.{ending}", overwrite=True)

    def time_build(self, ending):
        self._build(ending)

    def peakmem_build(self, ending):
        self._build(ending)


class Isochrones:
    """Distances of 2,000 stars by isochrones that a formula makes."""

    def setup_cache(self):
        sys.path.insert(0, str(Path(__file__).resolve().parents[1]))
        from mock_isochrones import make_isochrones

        return IsochroneDistanceRegressor().fit(make_isochrones())

    def setup(self, regressor):
        survey = make_survey(2000, random_state=0, sentinel_fraction=0)
        self.labels = np.column_stack([np.asarray(survey[name], dtype=float) for name in LABELS[:3]])
        regressor.predict(self.labels[:10])  # compiles

    def time_distances(self, regressor):
        regressor.predict(self.labels)


def timeraw_import():
    """Return what a new process runs: the import that every user of a model waits for."""
    return "from skdistmass import DistMassModel"
