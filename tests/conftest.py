"""Fixtures shared by all tests."""

import os
from contextlib import contextmanager
from pathlib import Path

import pytest
from hypothesis import settings

# Machines that run tests are shared: how long an example takes says nothing about the code. Where CI is set, the
# examples are the same every time, so that a failure belongs to the change at hand; elsewhere each run has new ones.
settings.register_profile("skdistmass", deadline=None, derandomize=bool(os.environ.get("CI")))
settings.load_profile("skdistmass")


def pytest_collection_modifyitems(items):
    """Mark the examples in docstrings as slow: many of them train a model."""
    for item in items:
        if isinstance(item, pytest.DoctestItem):
            item.add_marker(pytest.mark.slow)


def _data_folder():
    named = os.environ.get("SKDISTMASS_DATA")
    return Path(named) if named else Path(__file__).resolve().parents[2] / "shared" / "data"


@pytest.fixture(scope="session")
def real_data():
    """Return a function that finds a real table by name, or skips the test and says why."""

    def find(name):
        path = _data_folder() / name
        if not path.exists():
            pytest.skip(f"the real table {name} is not here; set SKDISTMASS_DATA to the folder that holds it")
        return path

    return find


@pytest.fixture(scope="session")
def quick_training():
    """A context in which networks train from two starts, all is done in two folds, and binaries are filtered once.

    For tests that need a model, and do not ask how accurate it is.
    """
    from skdistmass import AbsMagRegressor, BinaryResidualFilter, CNMassRegressor, LevenbergMarquardtMLPRegressor

    fewer = {
        LevenbergMarquardtMLPRegressor: {"n_starts": 2},
        AbsMagRegressor: {"n_folds": 2},
        CNMassRegressor: {"n_folds": 2},
        BinaryResidualFilter: {"n_folds": 2, "n_rounds": 1},
    }

    @contextmanager
    def quick():
        with pytest.MonkeyPatch.context() as patch:
            for kind, values in fewer.items():
                for name, value in values.items():
                    patch.setitem(kind.__init__.__kwdefaults__, name, value)
            yield

    return quick


@pytest.fixture(scope="session")
def split_mix():
    """SplitMix64's scrambling of 64 bits, in whole numbers of Python."""

    def mixed(number):
        for shift, factor in ((30, 0xBF58476D1CE4E5B9), (27, 0x94D049BB133111EB)):
            number = (number ^ number >> shift) * factor % 2**64
        return number ^ number >> 31

    return mixed
