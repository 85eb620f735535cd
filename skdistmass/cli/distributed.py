"""The command "catalog" for HATS catalogues and for surveys in many files."""

from __future__ import annotations

import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import click

from skdistmass.exceptions import DistMassError

__all__ = ["refuse_options", "write_distributed"]


def refuse_options(given: Mapping[str, Any], where: str) -> None:
    """Refuse options that have no effect here."""
    names = [name if name.startswith("--") else f"--{name}" for name, value in given.items() if value]
    if names:
        raise DistMassError(f"{', '.join(names)} can't be used with {where}; leave it out.")


def write_distributed(
    model: str,
    surveys: Sequence[Path],
    output: Path,
    given: Mapping[str, Any],
    *,
    only: Mapping[str, Any],
    quiet: bool,
    **settings: Any,
) -> None:
    """Make the catalogue of a HATS catalogue or of several files; `only` are the options for one file."""
    from skdistmass.distributed import build_hats, build_parts

    if len(surveys) == 1:
        refuse_options(only, "a HATS catalogue")
        progress = not quiet and sys.stderr.isatty()
        n_rows = build_hats(model, surveys[0], output, progress=progress, **given, **settings)
        what = f"{n_rows} rows"
    else:
        refuse_options(only, "several files")
        refuse_options({name: value for name, value in given.items() if name != "workers"}, "several files")
        what = f"{len(_parts(build_parts, model, surveys, output, quiet, **given, **settings))} catalogues"
    if not quiet:
        click.echo(what)
        click.echo(f"wrote {output}")


def _parts(build, model, surveys, output, quiet, **settings):
    from tqdm import tqdm

    with tqdm(unit="file", total=len(surveys), disable=quiet or None, file=sys.stderr, leave=False) as bar:
        return build(model, surveys, output, progress=lambda done, _: bar.update(done - bar.n), **settings)
