"""Which column of a table becomes which quantity: a layout, with the names that the table has."""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, replace

from skdistmass.exceptions import ColumnError
from skdistmass.surveys.layout import Flag, Layout, Source, load_layout, recognise
from skdistmass.surveys.quantities import quantity
from skdistmass.tables import find_column


@dataclass(frozen=True)
class Plan:
    """How the columns of one table become quantities: a layout, with the names that this table has."""

    layout: Layout
    sources: Mapping[str, tuple[Source, ...]]  # of each quantity, those of which the table has the columns
    bad_star: tuple[Flag, ...]
    bad_parallax: tuple[Flag, ...]
    extra: Mapping[str, str]  # name of each further column in the result to its name in the table

    @property
    def needed(self) -> list[str]:
        """Names of the columns to read."""
        names: dict[str, None] = {}
        for source in (source for sources in self.sources.values() for source in sources):
            ends = (source.minus, source.minus_error, source.lower, source.upper, source.below, source.above)
            flags = [flag.column for flag in source.flags]
            names |= dict.fromkeys([*source.column, *source.error, *source.called_by, *ends, *flags])
        names |= dict.fromkeys(flag.column for flag in (*self.bad_star, *self.bad_parallax))
        names |= dict.fromkeys(self.extra.values())
        return [name for name in names if name]

    @property
    def texts(self) -> set[str]:
        """Names of the columns that are to be taken as the text they are."""
        kinds = {name: quantity(name) for name in self.sources}
        wanted = [n for n, found in kinds.items() if found is not None and found.kind in ("text", "identifier")]
        names = {column for name in wanted for source in self.sources[name] for column in source.column}
        called = (column for sources in self.sources.values() for s in sources for column in s.called_by)
        return names | set(called) | {own for own in self.extra.values() if _is_text_name(own)}


def _is_text_name(name: str) -> bool:
    """Tell whether a column is an identifier or a note by its name."""
    return name.upper().endswith(("_ID", "_SRC", "_METHOD", "_NAME", "SOURCE_ID")) or name.upper() == "ID"


def make_plan(names: Iterable[str], layout: Layout | None = None, columns: Iterable[str] = ()) -> Plan:
    """Find the columns of a table that a layout asks for, and further `columns`.

    By default it is the layout that is recognised. Raise `ColumnError` if the table has no labels, a column is
    ambiguous, or one of `columns` is absent.
    """
    names = list(names)
    layout = recognise(names) if layout is None else layout
    if layout.refuse:
        raise ColumnError(f"this is {layout.title}: {layout.refuse}")
    find = _finder(names)
    sources = _sources(layout.quantities, find)
    generic = load_layout("generic")
    # Columns that were joined on count in any layout if they are spelled as the package spells them.
    if layout.name != "generic":
        others = {name: found for name, found in generic.quantities.items() if layout.quantities.get(name, True)}
        joined = _sources(others, _finder(names, exact=True))
        sources |= {name: found for name, found in joined.items() if name not in sources}
    extra = _extra_columns(names, layout.keep, sources, exact=False)
    extra |= _extra_columns(names, generic.keep, {**sources, **extra}, exact=True)
    for wanted in columns:
        name = find_column(dict.fromkeys(names), wanted)
        if name.upper() not in sources and name.upper() not in extra:
            extra[name] = name
    groups = (layout.bad_star, layout.bad_parallax)
    flags = [tuple(replace(f, column=find(f.column)) for f in group if find(f.column)) for group in groups]
    return Plan(layout, sources, flags[0], flags[1], extra)


def _finder(names: list[str], exact: bool = False) -> Callable[..., str]:
    """Return a function that finds the first of some names in a table, blank if there is none."""
    table = dict.fromkeys(names)

    def find(wanted: str | tuple[str, ...]) -> str:
        candidates = [name for name in ((wanted,) if isinstance(wanted, str) else wanted) if name]
        if exact:
            return next((name for name in candidates if name in table), "")
        return find_column(table, candidates[0], candidates[1:], required=False) or "" if candidates else ""

    return find


def _sources(quantities: Mapping[str, tuple[Source, ...]], find: Callable[..., str]) -> dict[str, tuple[Source, ...]]:
    resolved = {name: tuple(filter(None, (_resolve(s, find) for s in sources))) for name, sources in quantities.items()}
    return {name: sources for name, sources in resolved.items() if sources}


def _extra_columns(names: list[str], keep: tuple[str, ...], taken: Mapping, exact: bool) -> dict[str, str]:
    """Return the columns to keep under their own names in upper case; with `exact` only those that have these."""
    patterns = tuple(name.removesuffix("*") for name in keep if name.endswith("*"))
    extra: dict[str, str] = {}
    for name in names:
        key = name.upper()
        if key in taken or (exact and key != name) or not (key in keep or (patterns and key.startswith(patterns))):
            continue
        if key in extra:
            raise ColumnError(f"columns {extra[key]}, {name} could all be {key}; rename or drop all but one.")
        extra[key] = name
    return extra


def _resolve(source: Source, find: Callable[..., str]) -> Source | None:
    """Return a source with the names that a table has, or None if the table does not have it."""
    column = find(source.column)
    if not column or (source.minus and not find(source.minus)):
        return None
    error, called = find(source.error), find(source.called_by)
    ends = {end: find(getattr(source, end)) for end in ("lower", "upper", "below", "above")}
    for one, other in (("lower", "upper"), ("below", "above")):
        if not (ends[one] and ends[other]):
            ends[one] = ends[other] = ""
    minus_error = find(source.minus_error)
    if source.minus and not minus_error:
        error = ""
    return replace(
        source,
        column=(column,),
        minus=find(source.minus),
        error=(error,) if error else (),
        minus_error=minus_error,
        called_by=(called,) if called else (),
        flags=tuple(replace(flag, column=find(flag.column)) for flag in source.flags if find(flag.column)),
        **ends,
    )
