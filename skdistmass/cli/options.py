"""Options that several commands share."""

from pathlib import Path

import click

__all__ = [
    "ambiguous",
    "calibration",
    "joined",
    "latitude_limit",
    "layout",
    "match_radius",
    "negative_extinction",
    "output",
    "overwrite",
    "quiet",
    "refit_values",
    "resume",
]

output = click.option("-o", "--output", required=True, type=click.Path(path_type=Path), help="File to write.")
overwrite = click.option("--overwrite", is_flag=True, help="Replace the output file if it exists.")
resume = click.option("--resume", is_flag=True, help="Continue an unfinished catalogue, if there is one.")
latitude_limit = click.option(
    "--latitude-limit",
    type=click.FloatRange(0, 90),
    default=16.0,
    show_default=True,
    help="Galactic |b| in degrees from which extinctions are those of the dust map, not of colours (section 2).",
)
negative_extinction = click.option(
    "--negative-extinction",
    type=click.Choice(["zero", "keep", "missing"]),
    default="zero",
    show_default=True,
    help="What an A_K below 0 becomes; a catalogue flags it in any case.",
)
quiet = click.option("-q", "--quiet", is_flag=True, help="No progress bar and no summary.")


refit_values = click.option(
    "--refit-values",
    is_flag=True,
    help="Give stars of the training set the prediction of the final networks, which have seen them, in place of "
    "the out-of-fold one.",
)
layout = click.option(
    "--layout",
    help="Layout of the survey: a name of 'skdistmass layouts', or a TOML file; by default the columns show it.",
)
calibration = click.option(
    "--calibration",
    help="Bring the labels to the model's scale by this calibration: a file of 'skdistmass calibrate', or a name of "
    "'skdistmass calibrate --list'.",
)


def joined(help_text):
    """Option --join, of tables that are joined to others, with what they are for."""
    path = click.Path(path_type=Path)
    return click.option("--join", "joined", multiple=True, type=path, metavar="TABLE", help=help_text)


match_radius = click.option("--match-radius", type=float, help="Join by position, too, within this distance in arcsec.")
ambiguous = click.option(
    "--ambiguous",
    type=click.Choice(["error", "first", "skip"]),
    default="error",
    show_default=True,
    help="What to do where a joined table has several different rows of one star.",
)
