"""The command line: ``skdistmass``."""

from skdistmass.cli.commands import main

__all__ = ["main"]
