"""Finding the folder of the real tables."""

import pytest

import skdistmass
from skdistmass.exceptions import DistMassError
from skdistmass.surveys import data_dir


def test_environment_variable_wins(tmp_path, monkeypatch):
    monkeypatch.setenv("SKDISTMASS_DATA", str(tmp_path))
    assert data_dir() == tmp_path


def test_wrong_environment_variable_is_named(tmp_path, monkeypatch):
    monkeypatch.setenv("SKDISTMASS_DATA", str(tmp_path / "absent"))
    with pytest.raises(DistMassError, match=r"SKDISTMASS_DATA is .*absent"):
        data_dir()


def test_folder_beside_the_checkout(tmp_path, monkeypatch):
    monkeypatch.delenv("SKDISTMASS_DATA", raising=False)
    monkeypatch.setattr(skdistmass, "__file__", str(tmp_path / "checkout" / "skdistmass" / "__init__.py"))
    with pytest.raises(DistMassError, match="set the environment variable SKDISTMASS_DATA"):
        data_dir()
    (tmp_path / "shared" / "data").mkdir(parents=True)
    assert data_dir() == tmp_path / "shared" / "data"
