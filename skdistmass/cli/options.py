"""Options that several commands share."""

from collections.abc import Callable, Sequence
from functools import wraps
from pathlib import Path
from typing import Any

import click

from skdistmass.deploy import DEFAULT_MODEL

__all__ = [
    "NAME_OR_FILE",
    "ambiguous",
    "assume_extinction",
    "calibration",
    "cluster_distances",
    "distributed",
    "extinction",
    "joined",
    "layout",
    "match_radius",
    "model",
    "output",
    "overwrite",
    "posterior",
    "quiet",
    "refit_values",
    "resume",
]

output = click.option("-o", "--output", required=True, type=click.Path(path_type=Path), help="File to write.")
overwrite = click.option("--overwrite", is_flag=True, help="Replace the output file if it exists.")
resume = click.option(
    "--resume",
    is_flag=True,
    help="Continue an unfinished catalogue; leave a finished one of the same input and settings as it is.",
)
quiet = click.option("-q", "--quiet", is_flag=True, help="No progress bar and no summary.")


refit_values = click.option(
    "--refit-values",
    is_flag=True,
    help="Give stars of the training set the prediction of the final networks, which have seen them, in place of "
    "the out-of-fold one.",
)
#: What may be a file or the name of something that comes with the package; `check_output` looks at both.
NAME_OR_FILE = click.Path(path_type=str)

model = click.option(
    "--model",
    type=NAME_OR_FILE,
    metavar="NAME|FILE",
    default=DEFAULT_MODEL,
    show_default=True,
    help="As for 'skdistmass predict'.",
)
layout = click.option(
    "--layout",
    type=NAME_OR_FILE,
    metavar="NAME|FILE",
    help="Layout of the survey: a name of 'skdistmass layouts', or a TOML file; by default the columns show it.",
)
calibration = click.option(
    "--calibration",
    type=NAME_OR_FILE,
    metavar="NAME|FILE",
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
cluster_distances = click.option(
    "--cluster-distances",
    type=NAME_OR_FILE,
    metavar="paper|modern|TABLE",
    help="Distances of clusters: Table 1 of the paper, the default; modern ones (Baumgardt & Vasiliev 2021; "
    "Cantat-Gaudin et al. 2020); or a table with NAME and DISTANCE (kpc).",
)
assume_extinction = click.option(
    "--assume-extinction",
    type=click.FloatRange(0),
    metavar="MAG",
    help="A_K in mag, with an error as large, for stars that have none by any other method; else they get no distance.",
)
_EXTINCTION = (
    click.option(
        "--latitude-limit",
        type=click.FloatRange(0, 90),
        default=16.0,
        show_default=True,
        help="Galactic |b| in degrees from which extinctions are those of the dust map, not of colours (section 2).",
    ),
    click.option(
        "--negative-extinction",
        type=click.Choice(["zero", "keep", "missing"]),
        default="zero",
        show_default=True,
        help="What an A_K below 0 becomes; a catalogue flags it in any case.",
    ),
    click.option(
        "--dust-map",
        type=click.Choice(["sfd", "planck", "mwdust"]),
        help="Map of the reddening in place of the file's SFD_EBV: SFD or Planck by the package dustmaps, or SFD by "
        "mwdust (extra: dust).",
    ),
    assume_extinction,
)


def _with_each(options: Sequence[Callable[..., Any]], command: Callable[..., Any]) -> Callable[..., Any]:
    """Give a command several options, which its help lists in their order."""
    for option in reversed(options):
        command = option(command)
    return command


def extinction(command: Callable[..., Any]) -> Callable[..., Any]:
    """Give a command the options that say how A_K is chosen, as its parameter `extinction`."""

    @wraps(command)
    def with_choice(*, latitude_limit, negative_extinction, dust_map, assume_extinction, **options):
        from skdistmass.extinction import ExtinctionChoice, load_dust_map

        choice = ExtinctionChoice(
            latitude_limit=latitude_limit,
            negative=negative_extinction,
            dust_map=None if dust_map is None else load_dust_map(dust_map),
            assumed=assume_extinction,
        )
        return command(extinction=choice, **options)

    return _with_each(_EXTINCTION, with_choice)


_DISTRIBUTED = (
    click.option("--workers", type=click.IntRange(1), help="Processes, for HATS and for several files.  [default: 1]"),
    click.option("--scheduler", metavar="ADDRESS", help="A scheduler of Dask, whose workers are used (HATS)."),
    click.option(
        "--cone",
        type=(float, float, float),
        metavar="RA DEC RADIUS",
        help="Part of the sky, in deg and for the radius in arcsec (HATS).",
    ),
    click.option("--query", metavar="CONDITION", help="Rows to predict, such as 'logg < 3.5' (HATS)."),
    click.option("--keep", multiple=True, metavar="COLUMN", help="Column of the survey to keep (HATS); repeatable."),
)


def distributed(command: Callable[..., Any]) -> Callable[..., Any]:
    """Give a command the options for work in many parts, as its parameter `distributed`: those that were given."""

    @wraps(command)
    def with_options(*, workers, scheduler, cone, query, keep, **options):
        given = {"workers": workers, "scheduler": scheduler, "cone": cone, "query": query, "keep": keep}
        return command(distributed={name: value for name, value in given.items() if value}, **options)

    return _with_each(_DISTRIBUTED, with_options)


_POSTERIOR = (
    click.option(
        "--posterior",
        "form",
        type=click.Choice(["quantiles", "summary", "draws"]),
        help="Keep the joint posteriors, too: 13 quantiles of each quantity as a vector; mode, median, mean and four "
        "percentiles; or the draws.",
    ),
    click.option(
        "--posterior-draws", type=click.IntRange(2, 10_000), help="Draws of each star.  [default: 1000; 100 if kept]"
    ),
    click.option("--posterior-scale", help="Mass scale of the posteriors; by default the first of the model."),
    click.option("--posterior-parallax", is_flag=True, help="Let the parallax count in the posteriors as well."),
    click.option("--posterior-seed", type=int, default=None, help="Seed of the draws.  [default: 0]"),
)


def posterior(command: Callable[..., Any]) -> Callable[..., Any]:
    """Give a command the options on stored posteriors, as its parameter `posterior`: None without --posterior."""

    @wraps(command)
    def with_posterior(*, form, posterior_draws, posterior_scale, posterior_parallax, posterior_seed, **options):
        from skdistmass.model import StoredPosterior

        given = {"n_samples": posterior_draws, "scale": posterior_scale, "parallax": posterior_parallax or None}
        given = {name: value for name, value in (given | {"seed": posterior_seed}).items() if value is not None}
        if form is None and given:
            raise click.UsageError("the options --posterior-* need --posterior, which says what to keep.")
        return command(posterior=None if form is None else StoredPosterior(form, **given), **options)

    return _with_each(_POSTERIOR, with_posterior)
