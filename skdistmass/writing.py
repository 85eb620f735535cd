"""Writing a file whole or not at all, and by one process at a time."""

import glob
import os
import threading
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

from skdistmass.exceptions import DistMassError

__all__ = ["BuildLock", "claimed", "followed", "overwritten", "replaced"]

#: Files that stand for the right to build a file, by the thread of this process that has it.
_HELD: dict[Path, int] = {}


def followed(path: str | os.PathLike[str]) -> Path:
    """Return the file that a symbolic link leads to, and another path as it is: an output is written through links."""
    path = Path(path)
    return Path(os.path.realpath(path)) if path.is_symlink() else path


def overwritten(
    inputs: Iterable[str | os.PathLike[str]], outputs: Iterable[str | os.PathLike[str]]
) -> str | os.PathLike[str] | None:
    """Return the first output that is one of some inputs, by whatever name, or is written first in one; else None."""
    given = _identities(inputs)
    for output in outputs:
        target = followed(output)
        if target.name and given & _identities([target, *target.parent.glob(f"{glob.escape(target.name)}.part*")]):
            return output
    return None


def _identities(paths: Iterable[str | os.PathLike[str]]) -> set[tuple[int, int]]:
    """Return what tells the files that exist apart, whatever their names are."""
    found = [Path(path).stat() for path in paths if Path(path).exists()]
    return {(stat.st_dev, stat.st_ino) for stat in found}


class BuildLock:
    """The right of one process to build a file: a lock on a file beside it, and on the file that it replaces.

    A lock is that of the file, not of its name, and ends with the process, however that ends. File systems that know no
    locks give none.

    Parameters
    ----------
    path : pathlib.Path
        The file beside it; it is made if it is not there, and not emptied.
    target : pathlib.Path
        The file that is built.

    Attributes
    ----------
    file : file object
        The file beside it, open for reading and writing.

    Raises
    ------
    DistMassError
        If another process builds the same file.
    """

    def __init__(self, path: Path, target: Path) -> None:
        self.path = path
        self.file: Any = os.fdopen(os.open(path, os.O_RDWR | os.O_CREAT, 0o666), "r+b")
        self._old: Any = None
        try:
            _lock(self.file, path)
            if not self.is_ours():  # the other process gave the file its final name before it let the lock go
                raise DistMassError(f"another process has just finished {target}; repeat the command.")
            with suppress(OSError):  # there is none, or it can't be read
                self._old = target.open("rb")
            if self._old is not None:
                _lock(self._old, target)
        except BaseException:
            if self._old is not None and not os.fstat(self.file.fileno()).st_size:  # made here, for nothing
                path.unlink()
            self.close()
            raise

    def is_ours(self) -> bool:
        """Tell whether the name is still that of the open file."""
        return self.path.exists() and os.path.samestat(os.fstat(self.file.fileno()), os.stat(self.path))

    def close(self) -> None:
        """Give the right back."""
        for file in (self.file, self._old):
            if file is not None:
                file.close()


def _lock(file: Any, path: Path) -> None:
    try:
        import fcntl
    except ImportError:  # not a Unix system
        return
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError as error:
        raise DistMassError(f"{path} is being written by another process; wait for it to end.") from error
    except OSError:  # a file system without locks
        return


@contextmanager
def claimed(path: str | os.PathLike[str], what: str) -> Iterator[None]:
    """Keep other processes from building a file, by a lock on an empty file ``<path>.part``; `what` it is, for errors.

    A thread that has the claim may take it again, as a writer called by a command does.

    Raises
    ------
    DistMassError
        If another process, or another thread, builds the file, or the folder can't be written.
    """
    target = followed(path)
    part = target.with_name(target.name + ".part")
    key = Path(os.path.realpath(part))
    if _HELD.get(key) == threading.get_ident():
        yield
        return
    try:
        lock = BuildLock(part, target)
    except OSError as error:
        raise DistMassError(f"the {what} can't be written to {path}: {error.strerror or error}.") from error
    try:
        if os.fstat(lock.file.fileno()).st_size:
            raise DistMassError(
                f"{part} is an unfinished catalogue, or another file, and stands where the {what} is built; remove it, "
                "or give the output another name."
            )
        _HELD[key] = threading.get_ident()
        try:
            yield
        finally:
            del _HELD[key]
            with suppress(OSError):
                part.unlink()  # before the lock goes: afterwards it may be that of another process
    finally:
        lock.close()


@contextmanager
def replaced(path: str | os.PathLike[str], what: str) -> Iterator[Path]:
    """Give a name to write to, whose file takes the place of `path` at the end; `what` it is stands in the error.

    An existing file stays as it is until then, and for good if an error or an interruption comes first.

    Raises
    ------
    DistMassError
        If the operating system can't write the file, or another process is writing it.
    """
    target = followed(path)
    draft = target.with_name(target.name + ".part.new")
    with claimed(path, what):
        try:
            yield draft
            os.replace(draft, target)
        except OSError as error:
            raise DistMassError(f"the {what} can't be written to {path}: {error.strerror or error}.") from error
        finally:
            with suppress(OSError):  # where the file could not be made, removing it fails in the same way
                draft.unlink(missing_ok=True)
