"""What a survey file is: its layout, which column became what, and what is missing, told without reading it."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from os import PathLike
from pathlib import Path
from typing import Any

import numpy as np

from skdistmass.exceptions import DistMassError, printable
from skdistmass.surveys.files import blame, open_table
from skdistmass.surveys.formats.common import TableFile, compression_of
from skdistmass.surveys.formats.votable import VOTable
from skdistmass.surveys.layout import Flag, Layout, Source, load_layout, recognise
from skdistmass.surveys.making import make_stars
from skdistmass.surveys.plan import Plan, make_plan
from skdistmass.surveys.quantities import quantity

_ROWS = 1000  # that are looked at
# What each product needs; of the names in one entry, any will do.
_LABELS = (("TEFF",), ("LOGG",), ("M_H", "FE_H"))
_EXTINCTIONS = ("A_K", "EXTINCTION", "IRAC_4_5", "WISE_4_5", "SFD_EBV", "EBV", "J", "H")  # J - K or H - K, at last
_NEEDS: dict[str, tuple[tuple[str, ...], ...]] = {
    "distance": (*_LABELS, ("K", "MAG"), _EXTINCTIONS),
    "mass": (*_LABELS, ("C_FE",), ("N_FE",)),
    "age": (*_LABELS, ("C_FE",), ("N_FE",)),
}


@dataclass(frozen=True)
class QuantityDescription:
    """How one quantity is read."""

    name: str  # canonical
    unit: str  # once it is read
    sources: tuple[str, ...]  # in the order they are tried: the column, its unit, and what is done to it
    flags: tuple[str, ...] = ()  # that leave values out


@dataclass(frozen=True)
class FileDescription:
    """What a survey file is.

    Attributes
    ----------
    path : str
    kind : str
        FITS, Parquet, VOTable, ECSV or CSV; how it is compressed.
    table : str
        Which table of the file.
    n_rows : int or None
        None if only reading the whole file would tell.
    n_columns : int
    layout : Layout
    quantities : tuple of QuantityDescription
    bad_star, bad_parallax : tuple of str
        Flags that make a star, or its parallax, unusable.
    kept : tuple of str
        Further columns that are kept under their own names.
    missing : dict of tuple of str
        "distance", "mass" and "age" to the quantities that each lacks.
    problems : tuple of str
        What would stop the file from being read, as the first rows show.
    """

    path: str
    kind: str
    table: str
    n_rows: int | None
    n_columns: int
    layout: Layout
    quantities: tuple[QuantityDescription, ...] = ()
    bad_star: tuple[str, ...] = ()
    bad_parallax: tuple[str, ...] = ()
    kept: tuple[str, ...] = ()
    missing: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    problems: tuple[str, ...] = ()

    def __str__(self) -> str:
        rows = "unknown number of rows" if self.n_rows is None else f"{self.n_rows} rows"
        lines = [
            f"{self.path}: {self.kind}, {self.table}, {rows}, {self.n_columns} columns",
            f"layout {self.layout.name}: {self.layout.title}",
        ]
        lines += [f"  {self.layout.notes}"] if self.layout.notes else []
        lines += [f"  cite {self.layout.citation}"] if self.layout.citation else []
        width = max((len(item.name) for item in self.quantities), default=0)
        for item in self.quantities:
            unit = f" [{item.unit}]" if item.unit else ""
            flags = f" (left out where {', '.join(item.flags)})" if item.flags else ""
            lines.append(f"  {item.name:<{width}}{unit} from {', else '.join(item.sources)}{flags}")
        for what, columns in (("bad star", self.bad_star), ("bad parallax", self.bad_parallax)):
            lines += [f"  {what} where {', '.join(columns)}"] if columns else []
        lines += [f"  kept as they are: {', '.join(self.kept)}"] if self.kept else []
        for product, names in self.missing.items():
            lines.append(f"{product}: " + (f"lacks {', '.join(names)}" if names else "all that is needed is there"))
        return "\n".join(map(printable, lines + [f"problem: {problem}" for problem in self.problems]))


def describe_file(
    path: str | PathLike[str], *, hdu: int | str | None = None, layout: str | PathLike[str] | Layout | None = None
) -> FileDescription:
    """Tell what a survey file is recognised as, and how it would be read.

    Only the beginning of the file is read, whatever its size.

    Parameters
    ----------
    path : str or path-like
    hdu, layout
        As in `skdistmass.surveys.read_survey`.

    Returns
    -------
    description : FileDescription
        ``str(description)`` is a text of several lines.

    Raises
    ------
    FileFormatError, ColumnError, InputError
        If the file is no table of stars, or there is no such layout.

    Examples
    --------
    >>> import tempfile, pathlib
    >>> from skdistmass.surveys import describe_file
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     path = pathlib.Path(folder) / "stars.csv"
    ...     _ = path.write_text("teff,logg,fe_h,k\\n4800,2.5,-0.1,9.1\\n")
    ...     description = describe_file(path)
    >>> description.layout.name, description.missing["mass"]
    ('generic', ('C_FE', 'N_FE'))
    """
    path = Path(path)
    chosen = None if layout is None else load_layout(layout)
    kind, table = open_table(path, hdu, chosen, head_only=True)
    packed = compression_of(path)
    about: dict[str, Any] = {"path": str(path), "table": table.where, "n_rows": table.n_rows}
    about |= {"kind": kind if packed is None else f"{kind} in {packed[0]}", "n_columns": len(table.names)}
    about["layout"] = recognise(table.names) if chosen is None else chosen
    try:
        plan = make_plan(table.names, chosen)
    except DistMassError as error:
        return FileDescription(**about, problems=(str(error),))
    there = {*plan.sources, *plan.extra}
    return FileDescription(
        **about,
        quantities=tuple(_describe(name, sources, table) for name, sources in plan.sources.items()),
        bad_star=tuple(map(_flag_text, plan.bad_star)),
        bad_parallax=tuple(map(_flag_text, plan.bad_parallax)),
        kept=tuple(plan.extra.values()),
        missing={what: tuple(n[0] for n in needs if not there.intersection(n)) for what, needs in _NEEDS.items()},
        problems=_problems(table, plan),
    )


def _describe(name: str, sources: tuple[Source, ...], table: TableFile) -> QuantityDescription:
    about = quantity(name)
    told = []
    for source in sources:
        column = source.column[0]
        stated = table.units.get(column) or (f"{source.unit} by the layout" if source.unit else "")
        text = column + (f" [{stated}]" if stated else "")
        text += f" - {source.minus}" if source.minus else ""
        text += f" by {source.transform}" if source.transform != "none" else ""
        text += f" of {source.law}" if source.law else ""
        errors = [*source.error, source.minus_error, source.lower, source.upper, source.below, source.above]
        text += f", error {', '.join(filter(None, errors))}" if any(errors) else ""
        told.append(text)
    flags = tuple(dict.fromkeys(_flag_text(flag) for source in sources for flag in source.flags))
    return QuantityDescription(name, about.unit if about is not None else "", tuple(told), flags)


def _flag_text(flag: Flag) -> str:
    if flag.above is not None:
        return f"{flag.column} > {flag.above:g}"
    return f"{flag.column} has bit {', '.join(map(str, flag.bits))}" if flag.bits else f"{flag.column} is not 0"


def _problems(table: TableFile, plan: Plan) -> tuple[str, ...]:
    """Read the first rows, and return what goes wrong."""
    if isinstance(table, VOTable):
        return ()
    try:
        with blame(Path("the first rows"), "table"):
            table.load(plan.needed, plan.texts, _ROWS)
            n_rows = min(_ROWS, table.n_rows or 0)
            columns = table.read(plan.needed, 0, n_rows)
        stars = make_stars(plan, columns, table.units, n_rows)
    except DistMassError as error:
        return (str(error),)
    shares = {name: count / n_rows for name, count in stars.impossible.items()}
    numbers = [name for name in plan.sources if n_rows and name in stars and stars[name].dtype.kind == "f"]
    empty = [name for name in numbers if np.isnan(stars[name]).all()]
    told = [f"{name} is impossible in {share:.0%} of the first rows" for name, share in shares.items() if share > 0.01]
    return tuple(told + [f"{name} is missing in all of the first {n_rows} rows" for name in empty])
