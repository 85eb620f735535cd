"""Data to train, test and show on: the folder of the real tables."""

from skdistmass.datasets._folder import data_dir

__all__ = ["data_dir"]
