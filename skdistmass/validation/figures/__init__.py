"""Figures 1 to 18 of the paper, and four more on distributions, drawn of your catalogue.

Each function takes a table of `skdistmass.validation.join_reference` (a catalogue alone is enough where no reference
is needed) and returns a matplotlib Figure, made without pyplot: ``figure.savefig("fig04.pdf")``. If its input is
missing, it raises `skdistmass.validation.MissingInputError`, which says what is missing.
"""
# ruff: noqa: F403

from skdistmass.validation.figures import ages, chemistry, distances, masses, posteriors
from skdistmass.validation.figures.ages import *
from skdistmass.validation.figures.chemistry import *
from skdistmass.validation.figures.distances import *
from skdistmass.validation.figures.masses import *
from skdistmass.validation.figures.posteriors import *

__all__ = [*distances.__all__, *chemistry.__all__, *masses.__all__, *ages.__all__, *posteriors.__all__]
