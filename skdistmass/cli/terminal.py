"""What reaches the terminal: text without control characters, progress bars, and errors in one line."""

from __future__ import annotations

import errno
import os
import signal
import sys
import threading
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from typing import Any

import click

from skdistmass.exceptions import DistMassError, printable

__all__ = ["OneLineErrors", "rows_progress", "say", "training_progress"]


def say(text: object, *, error: bool = False) -> None:
    """Print a text of one or more lines; what a terminal would obey, as names from files may hold, is escaped."""
    click.echo(_shown(text), err=error)


def _shown(text: object) -> str:
    return "\n".join(map(printable, str(text).split("\n")))


class OneLineErrors(click.Group):
    """A group whose commands end in one line, not in a traceback, when something expected goes wrong."""

    def invoke(self, context: click.Context) -> Any:
        try:
            with _terminated_as_interrupted(), _warnings_in_one_line():
                return super().invoke(context)
        except click.UsageError as error:  # it may quote names of files
            raise click.UsageError(_shown(error.format_message()), error.ctx) from error
        except DistMassError as error:
            raise click.ClickException(" ".join(str(error).split())) from error
        except MemoryError as error:
            raise click.ClickException("out of memory.") from error
        except OSError as error:
            if error.errno == errno.EPIPE:  # "| head": click ends quietly
                raise
            if error.filename is None:  # standard output, whose rest would fail again at the end of the program
                with suppress(OSError, ValueError):
                    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
            name = error.filename or "the output"
            raise click.ClickException(printable(f"{name} can't be used: {error.strerror or error}.")) from error
        except KeyboardInterrupt:
            say("\nInterrupted.", error=True)
            sys.exit(130)


@contextmanager
def _terminated_as_interrupted() -> Iterator[None]:
    """Let SIGTERM, by which queues and "kill" end a process, do what Ctrl-C does: parts are kept, drafts removed."""
    if threading.current_thread() is not threading.main_thread():  # where signals can't be handled
        yield
        return
    before = signal.signal(signal.SIGTERM, signal.default_int_handler)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)


@contextmanager
def _warnings_in_one_line() -> Iterator[None]:
    def show(message, category, filename, lineno, file=None, line=None):
        say(f"Warning: {' '.join(str(message).split())}", error=True)

    with warnings.catch_warnings():
        warnings.simplefilter("once")
        warnings.filterwarnings("ignore", category=DeprecationWarning)
        warnings.showwarning = show
        yield


@contextmanager
def training_progress(quiet: bool) -> Iterator[Callable[[str | None, int], None]]:
    """Give a callback for `DistMassModel.fit` that moves a progress bar."""
    from tqdm import tqdm

    with tqdm(unit="network", disable=quiet or None, file=sys.stderr, leave=False) as bar:

        def report(name, n_parts):
            if name is None:
                bar.total = n_parts
                bar.set_description("training")
            else:
                bar.set_description(f"trained {printable(name)}")
                bar.update()
            bar.refresh()

        yield report


@contextmanager
def rows_progress(quiet: bool) -> Iterator[Callable[[int, int], None]]:
    """Give a callback for `build_catalog` that moves a progress bar."""
    from tqdm import tqdm

    with tqdm(unit="star", unit_scale=True, disable=quiet or None, file=sys.stderr, leave=False) as bar:

        def report(done, n_rows):
            bar.total = n_rows
            bar.update(done - bar.n)

        yield report
