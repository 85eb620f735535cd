"""Distances, masses and ages of stars from their spectroscopic labels."""

from skdistmass._version import __version__

__all__ = ["__version__"]
