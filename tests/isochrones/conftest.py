"""Isochrones made by a formula, and the plain sum that fast results are compared with."""

import importlib.util
from pathlib import Path

import numpy as np
import pytest
from mock_isochrones import make_isochrones

from skdistmass.isochrones import IsochroneDistanceRegressor


@pytest.fixture(scope="session")
def isochrones():
    return make_isochrones()


@pytest.fixture(scope="session")
def regressor(isochrones):
    return IsochroneDistanceRegressor().fit(isochrones)


@pytest.fixture(scope="session")
def benchmark():
    """Return the benchmark as a module: it holds the plain sum."""
    path = Path(__file__).resolve().parents[2] / "benchmarks" / "isochrone_distances.py"
    spec = importlib.util.spec_from_file_location("isochrone_distances_benchmark", path)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture(scope="session")
def draw(benchmark):
    """Return a function that draws stars from a regressor's models, as many of each kind as it expects."""

    def stars(table, model, n_stars, seed=0):
        feh, teff, logg, magnitude, weight = benchmark.all_points(table, model)
        rows = np.random.default_rng(seed).choice(len(weight), n_stars, p=weight / weight.sum())
        return np.column_stack([teff, logg, feh])[rows], magnitude[rows]

    return stars
