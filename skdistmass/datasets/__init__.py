"""A mock survey with known truth."""

from skdistmass.datasets.mock import make_survey

__all__ = ["make_survey"]
