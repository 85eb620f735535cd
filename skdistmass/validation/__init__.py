"""The checks of the paper (its sections 4.3, 5 and 6), its figures and a report, on your catalogue."""
# ruff: noqa: F403

from skdistmass.validation import (
    ages,
    checks,
    chemistry,
    comparisons,
    distances,
    figures,
    masses,
    populations,
    posteriors,
    quality,
    report,
    scales,
    stars,
)
from skdistmass.validation.ages import *
from skdistmass.validation.checks import *
from skdistmass.validation.chemistry import *
from skdistmass.validation.comparisons import *
from skdistmass.validation.distances import *
from skdistmass.validation.masses import *
from skdistmass.validation.populations import *
from skdistmass.validation.posteriors import *
from skdistmass.validation.quality import *
from skdistmass.validation.report import *
from skdistmass.validation.requirements import MissingInputError
from skdistmass.validation.scales import *
from skdistmass.validation.stars import *

__all__ = ["MissingInputError", "figures"]
for _module in (
    ages,
    checks,
    chemistry,
    comparisons,
    distances,
    masses,
    populations,
    posteriors,
    quality,
    report,
    scales,
    stars,
):
    __all__ += _module.__all__
