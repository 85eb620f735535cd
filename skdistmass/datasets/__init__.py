"""Data to train, test and show on: mock surveys with known truth, survey files, the paper's clusters."""

from skdistmass.datasets._allstar import write_mock_allstar
from skdistmass.datasets._clusters import load_clusters, match_clusters
from skdistmass.datasets._folder import data_dir
from skdistmass.datasets._mock import make_survey
from skdistmass.datasets._stack import stack_surveys
from skdistmass.datasets._survey import canonical_survey, read_survey

__all__ = [
    "canonical_survey",
    "data_dir",
    "load_clusters",
    "make_survey",
    "match_clusters",
    "read_survey",
    "stack_surveys",
    "write_mock_allstar",
]
