"""Data to train, test and show on: a mock survey with known truth, the paper's clusters, the real tables."""

from skdistmass.datasets._clusters import load_clusters, match_clusters
from skdistmass.datasets._folder import data_dir
from skdistmass.datasets._mock import make_survey

__all__ = ["data_dir", "load_clusters", "make_survey", "match_clusters"]
