"""Isochrones made by a formula, and the plain sum that fast results are compared with."""

import importlib.util
from pathlib import Path

import numpy as np
import pytest

from skdistmass.isochrones import IsochroneDistanceRegressor, isochrone_table

SUN = 4.438 - 4 * np.log10(5772.0)


def _isochrone(log_age, feh):
    """Return a main sequence, a giant branch and a clump of one age and metallicity, roughly as nature has them."""
    turnoff = 10 ** ((10.0 - log_age) / 2.8) * (1 + 0.1 * feh)
    dwarf = np.linspace(0.4, turnoff, 40)
    giant = turnoff * (1 + 0.01 * np.linspace(0.001, 1, 60) ** 0.3)
    clump = np.full(15, giant[-1]) + np.linspace(1e-4, 2e-2, 15)
    mass = np.r_[dwarf, giant, clump]
    logg = np.r_[4.7 - 0.5 * (dwarf / turnoff) ** 6, np.linspace(3.9, 0.5, 60), np.linspace(2.5, 2.3, 15)]
    teff = np.r_[
        3800 + 2400 * (dwarf - 0.4), 5300 - 380 * (3.9 - logg[40:100]) + 60 * (giant - 1), np.linspace(4900, 4750, 15)
    ]
    log_teff = np.log10(teff) - 0.02 * feh
    log_l = np.log10(mass) - logg + 4 * log_teff + SUN
    ks = 4.74 - 2.5 * log_l - (2.0 + 2e-3 * (4700 - 10**log_teff)) + 0.1 * feh
    phase = np.repeat([0, 2, 3], [40, 60, 15])
    return {
        "initial_mass": mass, "current_mass": mass, "log_age": np.full(115, log_age), "feh": np.full(115, feh),
        "log_teff": log_teff, "logg": logg, "log_l": log_l, "phase": phase, "ks": ks,
    }  # fmt: skip


def make_isochrones(ages=(9.2, 9.4, 9.6, 9.8, 10.0), metallicities=(-0.6, -0.3, 0.0, 0.3)):
    """Return a table of isochrones of some ages and metallicities."""
    parts = [_isochrone(age, feh) for feh in metallicities for age in ages]
    return isochrone_table(
        {name: np.concatenate([part[name] for part in parts]) for name in parts[0]},
        meta={"source": "a formula", "version": "1", "files": []},
    )


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
