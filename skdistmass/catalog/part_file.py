"""An unfinished catalogue on disk, which survives a kill: rows are added, and a journal counts them."""

import hashlib
import json
import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
from astropy.io.fits import Header
from numpy.typing import NDArray

from skdistmass.catalog.writers.fits import BLOCK, checksum_cards, datasum
from skdistmass.exceptions import DistMassError, FileFormatError, shortened
from skdistmass.writing import BuildLock, followed

__all__ = ["PartFile", "disk_errors", "read_journal", "rounding_of"]

JOURNAL_FORMAT = 1
_PIECE = BLOCK * 5000  # bytes looked at together; a multiple of 4, as checksums want it


def rounding_of(dtype: np.dtype) -> float:
    """Return the relative difference that rounding may make: other threads add in another order."""
    return max(1e-9, 4.0 * float(np.finfo(dtype).eps))


@contextmanager
def disk_errors(path: Path, hint: str = "") -> Iterator[None]:
    """Turn errors of the operating system into one line that says what to do."""
    try:
        yield
    except OSError as error:
        raise DistMassError(f"{path} can't be written: {error.strerror or error}.{hint}") from error


def read_journal(path: str | os.PathLike[str]) -> dict[str, Any] | None:
    """Read the journal of an unfinished catalogue."""
    try:
        text = Path(path).read_text(encoding="utf-8")
    except FileNotFoundError:
        return None
    except (OSError, UnicodeDecodeError) as error:
        raise FileFormatError(
            f"{path} can't be read ({shortened(error)}); remove it and start the catalogue again."
        ) from error
    try:
        journal = json.loads(text)
        known = journal["format"] == JOURNAL_FORMAT
    except (ValueError, KeyError, TypeError) as error:
        raise FileFormatError(f"{path} is damaged; remove it and start the catalogue again.") from error
    if not known:
        raise FileFormatError(f"{path} is of another release of skdistmass; remove it and start the catalogue again.")
    return journal


class PartFile:
    """A catalogue in FITS under a temporary name, which gets its final name when it is complete.

    Rows on disk that the journal does not count were being written at the time of a kill; they are written again.
    """

    def __init__(self, target: str | os.PathLike[str]) -> None:
        self.target = followed(target)
        self.path = self.target.with_name(self.target.name + ".part")
        self.journal_path = self.target.with_name(self.target.name + ".part.json")
        self._lock: BuildLock | None = None
        self._file: Any = None
        self._primary: Any = None
        self._header: Any = None
        self.journal: Any = None
        self.record: Any = None

    def exists(self) -> bool:
        """Tell whether there is an unfinished catalogue."""
        return self.path.exists() or self.journal_path.exists()

    def open(self, primary: Header, header: Header, record: np.dtype, journal: dict[str, Any], *, resume: bool) -> None:
        """Open the part to add rows."""
        self._primary, self._header, self.record = primary, header, record
        # Sums of 0 stand in the headers until the part is complete.
        heads = checksum_cards(primary, 0) + checksum_cards(header, 0)
        self._data_start = len(heads)
        with disk_errors(self.path):
            # Not truncated by opening: another process may be writing it.
            self._lock = BuildLock(self.path, self.target)
            self._file = self._lock.file
            if resume:
                self._check_heads(heads, journal)
            else:
                self.journal_path.unlink(missing_ok=True)
            # A kill while the sums were being written may have left the headers half changed.
            self._file.seek(0)
            self._file.write(heads)
            self.journal = dict(journal, format=JOURNAL_FORMAT, heads_sha256=hashlib.sha256(heads).hexdigest())
            end = self._data_start + journal["rows_done"] * record.itemsize
            self._file.truncate(end)
            self._file.seek(end)
            self._write_journal()

    def _check_heads(self, heads, journal):
        """Refuse to continue a part that has other headers, or of which rows are lost."""
        size = os.fstat(self._file.fileno()).st_size
        same = journal.get("heads_sha256") == hashlib.sha256(heads).hexdigest()
        if not same or size < len(heads) + journal["rows_done"] * self.record.itemsize:
            raise DistMassError(
                f"{self.path} was started with other settings, or is damaged; repeat the command as it was, or give "
                "overwrite (--overwrite) to start again."
            )

    def agrees_with(self, first: NDArray) -> bool:
        """Tell whether the first rows on disk agree with these to rounding."""
        self._file.seek(self._data_start)
        rows = np.frombuffer(self._file.read(len(first) * self.record.itemsize), dtype=self.record)
        self._file.seek(0, os.SEEK_END)
        first = first[: len(rows)]
        for name in self.record.names:
            one, other = rows[name], first[name]
            if one.dtype.kind == "f":
                if not np.allclose(one, other, rtol=rounding_of(one.dtype), atol=1e-12, equal_nan=True):
                    return False
            elif (one != other).any():
                return False
        return True

    @property
    def hint(self) -> str:
        """What to do after an error of the disk: a part without rows is not kept."""
        begun = self.journal["rows_done"] > 0
        return " The part is kept: make room and resume (--resume)." if begun else " Make room and start again."

    def append(self, records: NDArray) -> None:
        """Add rows; they count when they are on disk."""
        with disk_errors(self.path, self.hint):
            self._file.write(records.view(np.uint8))
            self._file.flush()
            os.fsync(self._file.fileno())
            self.journal["rows_done"] += len(records)
            self._write_journal()

    def remember(self, **facts: Any) -> None:
        """Add to the journal."""
        self.journal |= facts
        with disk_errors(self.journal_path):
            self._write_journal()

    def _write_journal(self):
        draft = self.journal_path.with_name(self.journal_path.name + ".new")
        with open(draft, "w", encoding="utf-8") as file:
            json.dump(self.journal, file, indent=1)
            file.flush()
            os.fsync(file.fileno())
        os.replace(draft, self.journal_path)

    def pieces(self, rows: int = 50_000) -> Iterator[NDArray]:
        """Yield the rows on disk, some at a time."""
        with open(self.path, "rb") as file:
            file.seek(self._data_start)
            left = self.journal["rows_done"]
            while left > 0:
                count = min(rows, left)
                yield np.frombuffer(file.read(count * self.record.itemsize), dtype=self.record)
                left -= count

    def complete(self, facts: Mapping[str, int | str]) -> None:
        """Write the end of the file, what is known of it now, by keyword, and checksums."""
        with disk_errors(self.path, self.hint):
            end = self._data_start + self.journal["rows_done"] * self.record.itemsize
            self._file.truncate(end)
            self._file.seek(end)
            self._file.write(b"\0" * (-end % BLOCK))
            self._file.flush()
            for keyword, value in facts.items():
                self._header[keyword] = value
            self._file.seek(self._data_start)
            data_sum = datasum(iter(lambda: self._file.read(_PIECE), b""))
            self._file.seek(0)
            self._file.write(checksum_cards(self._primary, 0) + checksum_cards(self._header, data_sum))
            self._file.flush()
            os.fsync(self._file.fileno())

    def publish(self, converted: Path | None = None) -> None:
        """Give the finished file its name, in one step, and remove the unfinished ones."""
        with disk_errors(self.target):
            os.replace(converted or self.path, self.target)
            _sync_folder(self.target.parent)
            self.discard()

    def discard(self) -> None:
        """Remove the part and its journal."""
        # Once the part has its final name, another process may have begun a new one.
        of_another = self._lock is not None and self.path.exists() and not self._lock.is_ours()
        self.close()
        if not of_another:
            self.path.unlink(missing_ok=True)
            self.journal_path.unlink(missing_ok=True)

    def close(self) -> None:
        """Close the file and keep what is there."""
        if self._lock is not None:
            self._lock.close()
            self._lock = self._file = None


def _sync_folder(folder: Path) -> None:
    """Put a rename on disk; not all systems let a folder be opened for it."""
    try:
        handle = os.open(folder, os.O_RDONLY)
    except OSError:
        return
    try:
        os.fsync(handle)
    except OSError:
        pass
    finally:
        os.close(handle)
