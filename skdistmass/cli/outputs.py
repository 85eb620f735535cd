"""Outputs of commands: never an input, never two commands' at a time, and refused before the long work starts."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import click

from skdistmass.exceptions import DistMassError
from skdistmass.writing import claimed, overwritten

__all__ = ["check_output", "claim_output", "refuse_inputs"]


def check_output(path: Path, overwrite: bool) -> None:
    """Refuse an output of the running command that can't be written, or is an input, before the long work starts."""
    folder = path.resolve().parent
    if path.is_dir():
        raise DistMassError(f"{path} can't be written: it is a folder.")
    if not folder.is_dir():
        raise DistMassError(f"{path} can't be written: no such folder.")
    if path.exists() and not path.is_file():
        raise DistMassError(f"{path} can't be written: it is no ordinary file.")
    refuse_inputs(path)
    if path.exists() and not overwrite:
        raise DistMassError(f"{path} exists; give another name, or --overwrite to replace it.")
    if not os.access(folder, os.W_OK):
        raise DistMassError(f"{path} can't be written: no permission to write in {folder}.")


def claim_output(path: Path, overwrite: bool, what: str) -> None:
    """Do as `check_output`, and keep other processes from building the output while this command runs."""
    check_output(path, overwrite)
    click.get_current_context().with_resource(claimed(path, what))


def refuse_inputs(*paths: Path) -> None:
    """Refuse outputs that are inputs of the running command, or whose unfinished files are; or that hold one."""
    given = list(_inputs())
    refused = overwritten(given, paths)
    for path in (path for path in paths if path.is_dir()):
        if any(Path(name).exists() and Path(name).resolve().is_relative_to(path.resolve()) for name in given):
            refused = path
    if refused is not None:
        raise DistMassError(f"{refused} is an input of this command; give the output another name.")


def _inputs() -> Iterator[str | Path]:
    """Yield what the running command was given that may be a file, but for its output."""
    context = click.get_current_context()
    for parameter in context.command.params:
        if isinstance(parameter.type, click.Path) and parameter.name not in ("output", "out"):
            given = context.params[parameter.name]
            yield from given if isinstance(given, tuple) else filter(None, [given])
