"""The command "catalog" for HATS catalogues and for surveys in many files."""

from __future__ import annotations

import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from skdistmass.cli.outputs import refuse_inputs
from skdistmass.cli.terminal import say
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
    overwrite: bool,
    resume: bool,
    **settings: Any,
) -> None:
    """Make the catalogue of a HATS catalogue or of several files; `only` are the options for one file."""
    from skdistmass.distributed import build_hats, build_parts

    how = {"overwrite": overwrite, "resume": resume, **given, **settings}
    was_there = resume and not overwrite and output.exists()
    try:
        if len(surveys) == 1:
            refuse_options(only, "a HATS catalogue")
            refuse_inputs(output)
            progress = not quiet and sys.stderr.isatty()
            n_rows = build_hats(model, surveys[0], output, progress=progress, **how)
            if was_there:
                say(f"{output} is finished already: {n_rows} rows of this survey, model and settings.")
                return
            what = f"{n_rows} rows"
        else:
            refuse_options(only, "several files")
            refuse_options({name: value for name, value in given.items() if name != "workers"}, "several files")
            refuse_inputs(*(output / f"{survey.stem}.parquet" for survey in surveys))
            what = f"{len(_parts(build_parts, model, surveys, output, quiet, **how))} catalogues"
    except KeyboardInterrupt:
        if not output.with_name(f"{output.name}.part").exists() and not output.exists():
            raise
        say("\nInterrupted. What is finished is kept; the same command with --resume continues.", error=True)
        sys.exit(130)
    if not quiet:
        say(what)
        say(f"wrote {output}")


def _parts(build, model, surveys, output, quiet, **settings):
    from tqdm import tqdm

    with tqdm(unit="file", total=len(surveys), disable=quiet or None, file=sys.stderr, leave=False) as bar:
        return build(model, surveys, output, progress=lambda done, _: bar.update(done - bar.n), **settings)
