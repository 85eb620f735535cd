"""The survey a catalogue is made from: read in chunks, and known again by its checksum."""

import hashlib
import os
from dataclasses import asdict, dataclass
from pathlib import Path

from skdistmass.exceptions import DistMassError, FileFormatError, InputError
from skdistmass.surveys.files import open_table
from skdistmass.surveys.reader import read_survey

__all__ = ["InputFile", "SurveyChunks"]


@dataclass(frozen=True)
class InputFile:
    """A file, and what tells whether it is still the same.

    Attributes
    ----------
    name : str
        Name without folders.
    size : int
        Bytes.
    mtime_ns : int
        Time of the last change (ns).
    sha256 : str
        Checksum of its content.
    """

    name: str
    size: int
    mtime_ns: int
    sha256: str

    @classmethod
    def of(cls, path):
        """Read a file once and take its checksum."""
        path = Path(path)
        try:
            before = path.stat()
            with open(path, "rb") as file:
                digest = hashlib.file_digest(file, "sha256").hexdigest()
        except FileNotFoundError as error:
            raise FileFormatError(f"there is no file {path}.") from error
        except OSError as error:
            raise FileFormatError(f"{path} can't be read: {error.strerror or error}.") from error
        return cls(path.name, before.st_size, before.st_mtime_ns, digest)

    def as_dict(self):
        """Return the attributes as a dictionary."""
        return asdict(self)


class SurveyChunks:
    """A survey file, a stretch of rows at a time.

    Of an uncompressed FITS file only the rows asked for are read. Files of other kinds can't be read in part: their
    columns that matter are kept in memory.

    Parameters
    ----------
    path : path-like
        The file.
    hdu : int or str, optional
        FITS extension.

    Attributes
    ----------
    n_rows : int
    file : InputFile

    Raises
    ------
    FileFormatError, ColumnError
        As `read_survey`; also if the table has no rows.
    """

    def __init__(self, path, hdu=None):
        self.path, self.hdu = Path(path), hdu
        start = read_survey(path, columns=(), rows=slice(0, 0), hdu=hdu)
        where = start.table
        self.hdu = int(where.removeprefix("HDU ")) if where.startswith("HDU ") else None
        with open_table(path, hdu=self.hdu) as table:
            self.n_rows = table.n_rows
            in_parts = getattr(table, "_file", None) is not None
        if self.n_rows == 0:
            raise InputError(f"{path} has no rows; there is nothing to make a catalogue of.")
        self._whole = None if in_parts else read_survey(path, hdu=self.hdu)
        self.file = InputFile.of(path)

    def read(self, start, stop):
        """Return rows `start` to `stop` (exclusive), as `read_survey` does."""
        if self._whole is not None:
            return self._whole[start:stop]
        self.check_unchanged()
        return read_survey(self.path, rows=slice(start, stop), hdu=self.hdu)

    def check_unchanged(self):
        """Raise DistMassError if the file was changed since it was opened."""
        try:
            now = os.stat(self.path)
        except OSError as error:
            raise DistMassError(f"{self.path} is gone: {error.strerror}.") from error
        if (now.st_size, now.st_mtime_ns) != (self.file.size, self.file.mtime_ns):
            raise DistMassError(f"{self.path} was changed while it was read; make the catalogue anew.")
