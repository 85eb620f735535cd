"""Survey tables: files, layouts, and the record of stars that they become."""

from skdistmass.surveys.chunks import SurveyFile, read_survey
from skdistmass.surveys.clusters import load_clusters, match_clusters
from skdistmass.surveys.folder import data_dir
from skdistmass.surveys.join import Join, join
from skdistmass.surveys.layout import Layout, list_layouts, load_layout
from skdistmass.surveys.reader import as_stars
from skdistmass.surveys.report import FileDescription, describe_file
from skdistmass.surveys.stars import Stars, stack_stars

__all__ = [
    "FileDescription",
    "Join",
    "Layout",
    "Stars",
    "SurveyFile",
    "as_stars",
    "data_dir",
    "describe_file",
    "join",
    "list_layouts",
    "load_clusters",
    "load_layout",
    "match_clusters",
    "read_survey",
    "stack_stars",
]
