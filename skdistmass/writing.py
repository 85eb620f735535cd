"""Writing a file whole or not at all."""

import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from skdistmass.exceptions import DistMassError

__all__ = ["replaced"]


@contextmanager
def replaced(path: str | os.PathLike[str], what: str) -> Iterator[Path]:
    """Give a name to write to, whose file takes the place of `path` at the end; `what` it is stands in the error.

    An existing file stays as it is until then, and for good if an error or an interruption comes first.

    Raises
    ------
    DistMassError
        If the operating system can't write the file.
    """
    path = Path(path)
    partial = path.with_name(path.name + ".part")
    try:
        yield partial
        os.replace(partial, path)
    except OSError as error:
        raise DistMassError(f"the {what} can't be written to {path}: {error.strerror or error}.") from error
    finally:
        with suppress(OSError):  # where the file could not be made, removing it fails in the same way
            partial.unlink(missing_ok=True)
