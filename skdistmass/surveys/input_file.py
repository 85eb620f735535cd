"""A file that something is made from, known again by its checksum."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from concurrent.futures import CancelledError, Future, ThreadPoolExecutor, wait
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from os import PathLike
from pathlib import Path
from threading import Event

from skdistmass.exceptions import FileFormatError

__all__ = ["InputFile", "checksum_beside"]

_BLOCK, _SMALL = 1 << 20, 1 << 26  # bytes: read at a time, and of a file whose checksum is waited for


@dataclass(frozen=True)
class InputFile:
    """A file, and what tells whether it is still the same."""

    name: str  # without folders
    size: int  # bytes
    mtime_ns: int  # time of the last change
    sha256: str  # of its content

    @classmethod
    def of(cls, path: str | PathLike[str], stopped: Event | None = None) -> InputFile:
        """Read a file once and take its checksum.

        Parameters
        ----------
        path : path-like
            The file.
        stopped : threading.Event, optional
            Once it is set, the reading ends.

        Raises
        ------
        FileFormatError
            If the file is absent or can't be read.
        concurrent.futures.CancelledError
            If `stopped` was set.
        """
        path, digest = Path(path), hashlib.sha256()
        try:
            before = path.stat()
            with open(path, "rb", buffering=0) as file:
                while block := file.read(_BLOCK):
                    if stopped is not None and stopped.is_set():
                        raise CancelledError
                    digest.update(block)
        except FileNotFoundError as error:
            raise FileFormatError(f"there is no file {path}.") from error
        except OSError as error:
            raise FileFormatError(f"{path} can't be read: {error.strerror or error}.") from error
        return cls(path.name, before.st_size, before.st_mtime_ns, digest.hexdigest())

    def as_dict(self) -> dict:
        """Return the attributes as a dictionary."""
        return asdict(self)


@contextmanager
def checksum_beside(path: str | PathLike[str]) -> Iterator[Future[InputFile]]:
    """Take the checksum of a file in a thread, beside other work; it is given up where that work ends early.

    That of a file below 64 MB, which takes less than a tenth of a second, is there at once.
    """
    stopped = Event()
    with ThreadPoolExecutor(1, "checksum") as pool:
        try:
            checksum = pool.submit(InputFile.of, path, stopped)
            if Path(path).is_file() and Path(path).stat().st_size < _SMALL:
                wait([checksum])
            yield checksum
        finally:
            stopped.set()
