"""Survey tables: files, layouts, and the record of stars that they become."""

from skdistmass.surveys.clusters import load_clusters, match_clusters
from skdistmass.surveys.folder import data_dir
from skdistmass.surveys.reader import as_stars, read_survey
from skdistmass.surveys.stars import Stars, stack_stars

__all__ = [
    "Stars",
    "as_stars",
    "data_dir",
    "load_clusters",
    "match_clusters",
    "read_survey",
    "stack_stars",
]
