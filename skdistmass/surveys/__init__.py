"""Survey tables: files, layouts, and the record of stars that they become."""

from skdistmass.surveys.clusters import load_clusters, match_clusters
from skdistmass.surveys.folder import data_dir
from skdistmass.surveys.reader import canonical_survey, read_survey
from skdistmass.surveys.stack import stack_surveys

__all__ = [
    "canonical_survey",
    "data_dir",
    "load_clusters",
    "match_clusters",
    "read_survey",
    "stack_surveys",
]
