"""A survey file: read as a whole or a stretch of rows at a time."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from os import PathLike
from pathlib import Path
from typing import TYPE_CHECKING

from skdistmass.exceptions import ColumnError, DistMassError, InputError
from skdistmass.surveys.files import blame, open_table
from skdistmass.surveys.layout import Layout, load_layout
from skdistmass.surveys.making import make_stars
from skdistmass.surveys.plan import make_plan
from skdistmass.surveys.plausibility import warn_of_impossible
from skdistmass.surveys.stars import Stars
from skdistmass.units import understand_unit

if TYPE_CHECKING:
    from astropy.table import Table


class SurveyFile:
    """A survey file, opened: its layout is known, its rows are read when asked for.

    Of FITS and Parquet files only the rows and columns that are needed are in memory; of a compressed FITS file, too.
    Of VOTable, CSV and ECSV files the needed columns are kept in memory as a whole.

    Parameters
    ----------
    path, layout, hdu, columns
        As in `skdistmass.surveys.read_survey`, which has the same errors.

    Attributes
    ----------
    path : pathlib.Path
    layout : Layout
    n_rows : int
    n_bytes : int
        Size of the file.
    table : str
        Which table of the file.
    plan : Plan
        Which column becomes which quantity.

    Examples
    --------
    >>> import tempfile, pathlib
    >>> from skdistmass.datasets import make_survey
    >>> from skdistmass.surveys import SurveyFile
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     path = pathlib.Path(folder) / "mock.fits"
    ...     make_survey(1000, random_state=0).write(path)
    ...     survey = SurveyFile(path)
    ...     sizes = [len(stars) for stars in survey.chunks(400)]
    >>> survey.layout.name, survey.n_rows, sizes
    ('mock', 1000, [400, 400, 200])
    """

    def __init__(
        self,
        path: str | PathLike[str],
        layout: str | PathLike[str] | Layout | None = None,
        hdu: int | str | None = None,
        columns: Sequence[str] = (),
    ):
        if isinstance(columns, str):
            raise InputError(f"columns is the text {columns!r}; give a list of names.")
        self.path = Path(path)
        chosen = None if layout is None else load_layout(layout)
        self.kind, self._file = open_table(self.path, hdu, chosen)
        with blame(self.path):
            self.plan = make_plan(self._file.names, chosen, columns)
        with blame(self.path, self.kind):
            self._file.load(self.plan.needed, self.plan.texts)
        if not self.plan.sources:
            raise ColumnError(f"{path}: the layout {self.plan.layout.name} finds none of its columns in this file.")
        self.layout, self.table = self.plan.layout, self._file.where
        self.n_rows = self._file.n_rows or 0
        self._stat = os.stat(self.path)
        self.n_bytes = self._stat.st_size
        self._told: set[str] = set()

    def read(self, start: int = 0, stop: int | None = None) -> Stars:
        """Read rows `start` to `stop` (exclusive); errors and warnings are those of `read_survey`.

        The first reading of a compressed file unpacks it to its end once, where its checksum is. If all rows of a FITS
        file are read, the checksums that its header states (DATASUM, CHECKSUM) are compared. Impossible values are
        warned of once for each quantity.

        Raises
        ------
        DistMassError
            If the file was changed since it was opened.
        """
        self.check_unchanged()
        start, stop, _ = slice(start, stop).indices(self.n_rows)
        stop = max(start, stop)
        with blame(self.path, self.kind):
            columns = self._file.read(self.plan.needed, start, stop)
        with blame(self.path):
            stars = make_stars(self.plan, columns, self._file.units, stop - start, str(self.path), self.table)
        fresh = {name: count for name, count in stars.impossible.items() if name not in self._told}
        self._told |= set(fresh)
        warn_of_impossible(fresh, str(self.path))
        return stars

    def chunks(self, n_rows: int) -> Iterator[Stars]:
        """Yield the stars of the file, `n_rows` at a time."""
        for start in range(0, self.n_rows, n_rows):
            yield self.read(start, start + n_rows)

    def close(self) -> None:
        """Close the file; `read` opens it again."""
        self._file.close()

    def __enter__(self) -> SurveyFile:
        return self

    def __exit__(self, *error: object) -> None:
        self.close()

    def check_unchanged(self) -> None:
        """Raise DistMassError if the file was changed since it was opened."""
        try:
            now = os.stat(self.path)
        except OSError as error:
            raise DistMassError(f"{self.path} is gone: {error.strerror}.") from error
        if (now.st_size, now.st_mtime_ns) != (self._stat.st_size, self._stat.st_mtime_ns):
            raise DistMassError(f"{self.path} was changed while it was read; start again.")


def read_survey(
    path: str | PathLike[str],
    *,
    columns: Sequence[str] = (),
    rows: slice | None = None,
    hdu: int | str | None = None,
    layout: str | PathLike[str] | Layout | None = None,
) -> Stars:
    """Read a table of stars: its quantities under canonical names, in one unit, NaN where missing.

    The layout is recognised by the columns (see `skdistmass.surveys.list_layouts`); a table of none of them whose
    columns have usual names is read by the layout "generic".

    Parameters
    ----------
    path : str or path-like
        FITS, VOTable, Parquet, ECSV or CSV file, told apart by content; all but Parquet may be compressed by gzip,
        bzip2 or xz.
    columns : sequence of str, optional
        Further columns of the file to keep, under their own names.
    rows : slice, optional
        Rows to read, such as ``slice(0, 50_000)``; by default all. `SurveyFile` reads a large file piece by piece.
    hdu : int or str, optional
        FITS extension to read; by default the table that gives most quantities.
    layout : str, path-like or Layout, optional
        Name of a layout, or path of a TOML file with one.

    Returns
    -------
    stars : Stars
        Those quantities that the file can give; `Stars` lists them.

    Raises
    ------
    FileFormatError
        If the file is absent, a folder, empty, truncated, damaged, of another kind, or has no table of stars; if it
        points to other files, or would take more memory than `skdistmass.surveys.formats.common.MEMORY_LIMIT`.
    ColumnError
        If a column is doubled, ambiguous, of the wrong type, or named in `columns` but absent.
    UnitError
        If the unit of a column can't be converted, or its values can't be in that unit.
    InputError
        If `rows` is no slice with a step of 1, or there is no such layout.

    Warns
    -----
    ImpossibleValueWarning
        If values are outside the possible range; they are missing in the result, and counted in ``stars.impossible``.

    Notes
    -----
    Units that the file states are converted. A unit that is not understood is an error, except for a logarithm, which
    files write in many ways. A column without a unit is taken to be in the unit that its layout says.

    Examples
    --------
    >>> import tempfile, pathlib
    >>> from skdistmass.surveys import read_survey
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     path = pathlib.Path(folder) / "stars.csv"
    ...     _ = path.write_text("apogee_id,teff,fe_h,k\\nA,4800,-0.1,9.1\\nB,-9999.99,0.2,99.0\\n")
    ...     stars = read_survey(path)
    >>> stars["TEFF"], stars["K"]
    (array([4800., nan]), array([9.1, nan]))
    >>> stars.origin["M_H"], stars.metallicity
    (('fe_h',), 'FE_H')
    """
    rows = slice(None) if rows is None else rows
    if not isinstance(rows, slice) or rows.step not in (None, 1):
        raise InputError(f"rows is {rows!r}; give a slice with a step of 1.")
    with SurveyFile(path, layout, hdu, columns) as survey:
        start, stop, _ = rows.indices(survey.n_rows)
        return survey.read(start, stop)


def read_table(path: str | PathLike[str]) -> Table:
    """Read all columns of a table file, such as a catalogue of this package, under its own names and in its own units.

    Missing values are masked. The errors are those of `read_survey`.
    """
    from astropy.table import MaskedColumn, Table

    path = Path(path)
    kind, file = open_table(path)
    with blame(path, kind):
        file.load(file.names, set())
        columns = file.read(file.names, 0, file.n_rows or 0)
        units = {name: understand_unit(file.units.get(name, "")) for name in columns}
        return Table({name: MaskedColumn(values, unit=units[name]) for name, values in columns.items()})
