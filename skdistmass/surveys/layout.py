"""Survey layouts: which column of a file holds which quantity, written as data and checked when loaded."""

import tomllib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from functools import cache, lru_cache
from importlib import resources
from os import PathLike
from pathlib import Path
from typing import Any

from skdistmass.exceptions import FileFormatError, InputError, shortened
from skdistmass.surveys.quantities import quantity
from skdistmass.units import understand_unit

#: What may be done to a column: nothing, its decimal logarithm, ten to its power, or a reddening made A_K by a law.
TRANSFORMS = ("none", "log10", "power10", "ebv_to_ak", "av_to_ak", "ebv_to_sfd")
#: Named laws: A_K for E(B-V) = 1 mag, or for A_V = 1 mag, or E(B-V) of Schlegel et al. for 1 mag of another scale.
LAWS = {
    "ebv_to_ak": {
        # Schlegel, Finkbeiner & Davis (1998) reddening, as APOGEE's targeting takes it.
        "schlegel1998": 0.302,
        # 0.918 and 2.61 are A_K and E(B-V) per magnitude of excess in H - [4.5] (Majewski et al. 2011; SDSS-V).
        "majewski2011": 0.918 / 2.61,
    },
    "av_to_ak": {"cardelli1989": 0.114, "schlafly2016": 0.078},
    # SDSS-V multiplies the map of Schlegel et al. by 0.884 (Schlafly & Finkbeiner 2011).
    "ebv_to_sfd": {"schlafly2011": 1 / 0.884},
}
_FOLDER = "skdistmass.surveys"


@dataclass(frozen=True)
class Flag:
    """A column that says which values or stars are not to be used."""

    column: str
    bits: tuple[int, ...] = ()  # numbers of the bits that mean "don't use"; if there are none, any value but 0 does
    above: float | None = None  # a measure of quality instead: values above it mean "don't use"


@dataclass(frozen=True)
class Source:
    """A column that may give a quantity."""

    column: tuple[str, ...]  # its names; the first that the file has is taken
    unit: str | None = None  # of the numbers if the file says none
    minus: str = ""  # column to subtract, as [Fe/H] from [C/H]
    transform: str = "none"  # one of `TRANSFORMS`
    law: str = ""  # name of the transform's law in `LAWS`
    error: tuple[str, ...] = ()  # names of the column with the error; one of two numbers per star is [upper, lower]
    minus_error: str = ""  # error of `minus`, added in quadrature
    lower: str = ""  # columns with the ends of the 68 % interval
    upper: str = ""
    below: str = ""  # columns with the distances from the value to these ends
    above: str = ""
    flags: tuple[Flag, ...] = ()  # what makes the value unusable
    # What is recorded as the source of the values, in NAME_SRC; by default the text of the first of the columns
    # `called_by` that exists, else the column's name.
    called: str = ""
    called_by: tuple[str, ...] = ()


@dataclass(frozen=True)
class Layout:
    """How the columns of one survey product become quantities.

    Attributes
    ----------
    name, title, release, citation : str
        What it is, and what to cite.
    columns, any_of, absent : tuple of str
        A table is of this layout if it has all of `columns`, one of `any_of` and none of `absent`.
    refuse : str
        If not blank, the table has no labels: what to tell the user.
    quantities : dict of tuple of Source
        Canonical name to the sources, tried star by star in this order.
    bad_star, bad_parallax : tuple of Flag
        What makes a star (BAD_STAR) or its parallax (BAD_PARALLAX) unusable.
    keep : tuple of str
        Further columns to keep under their own names, in upper case. One that ends in ``*`` is the beginning of names.
    parallax_corrected : bool
        Whether the zero point of the parallaxes is taken off already.
    sentinels : tuple of float
        Numbers that stand for a missing value in this survey, besides those that do everywhere (-9999.99, 99 ...).
    notes : str
        What else to know.
    """

    name: str
    title: str
    release: str = ""
    citation: str = ""
    columns: tuple[str, ...] = ()
    any_of: tuple[str, ...] = ()
    absent: tuple[str, ...] = ()
    refuse: str = ""
    quantities: Mapping[str, tuple[Source, ...]] = field(default_factory=dict)
    bad_star: tuple[Flag, ...] = ()
    bad_parallax: tuple[Flag, ...] = ()
    keep: tuple[str, ...] = ()
    parallax_corrected: bool = False
    sentinels: tuple[float, ...] = ()
    notes: str = ""

    def matches(self, names: set[str]) -> bool:
        """Tell whether a table with these columns (in lower case) is of this layout."""
        has = [name.lower() in names for name in self.columns]
        other = not self.any_of or any(name.lower() in names for name in self.any_of)
        return bool(has) and all(has) and other and not any(name.lower() in names for name in self.absent)


def list_layouts() -> list[Layout]:
    """Return the layouts that the package knows, in the order of their names.

    Examples
    --------
    >>> from skdistmass.surveys import list_layouts
    >>> [layout.name for layout in list_layouts()][:4]
    ['apogee-dr14', 'apogee-dr16', 'apogee-dr17', 'apogee-dr17-vizier']
    """
    return [_shipped(name) for name in _names()]


@lru_cache(maxsize=1)
def _names() -> tuple[str, ...]:
    folder = resources.files(_FOLDER).joinpath("layouts")
    return tuple(sorted(f.name.removesuffix(".toml") for f in folder.iterdir() if f.name.endswith(".toml")))


def load_layout(name_or_path: str | PathLike[str] | Layout) -> Layout:
    """Load a layout by its name, or from a TOML file.

    Parameters
    ----------
    name_or_path : str, path-like or Layout
        Name of a layout of `list_layouts`, or path of a file that ends in ``.toml``; a layout is returned as it is.

    Raises
    ------
    InputError
        If there is no layout of this name.
    FileFormatError
        If the file is absent, no TOML, or says something that a layout can't.

    Examples
    --------
    >>> from skdistmass.surveys import load_layout
    >>> load_layout("galah-dr4").quantities["K"][0].column
    ('ks_m',)
    """
    if isinstance(name_or_path, Layout):
        return name_or_path
    text = str(name_or_path)
    if text.endswith(".toml"):
        try:
            content = Path(text).read_text(encoding="utf-8")
        except (OSError, UnicodeDecodeError) as error:
            raise FileFormatError(f"the layout {text} can't be read: {shortened(error)}.") from error
        return _parse(content, text)
    if text not in _names():
        known = ", ".join(_names())
        raise InputError(f"no layout {text!r}; give one of {known}, or the path of a file that ends in .toml.")
    return _shipped(text)


def recognise(names: Iterable[str]) -> Layout:
    """Find the layout of a table by its columns, the generic one if no other asks for them.

    Of several the one is taken that has most of its names in the same letter case, then the one that asks for most.
    """
    exact = {str(name) for name in names}
    present = {name.lower() for name in exact}
    found = [layout for layout in list_layouts() if layout.matches(present)]

    def worth(layout: Layout) -> tuple[int, int]:
        return sum(name in exact for name in layout.columns), len(layout.columns) + len(layout.absent)

    return max(found, key=worth, default=_shipped("generic"))


@cache
def _shipped(name: str) -> Layout:
    file = resources.files(_FOLDER).joinpath("layouts", f"{name}.toml")
    return _parse(file.read_text(encoding="utf-8"), f"{name}.toml")


class _Checker:
    """Takes values out of a TOML table, and says what is wrong in which place."""

    def __init__(self, where: str):
        self.where = where

    def fail(self, place: str, problem: str) -> FileFormatError:
        return FileFormatError(f"the layout {self.where}: {place} {problem}.")

    def only(self, table: Any, allowed: Iterable[str], place: str) -> dict:
        if not isinstance(table, dict):
            raise self.fail(place, "has to be a table of keys and values")
        unknown = [key for key in table if key not in allowed]
        if unknown:
            raise self.fail(place, f"has the key {unknown[0]!r}; known are {', '.join(allowed)}")
        return table

    def text(self, value: Any, place: str) -> str:
        if not isinstance(value, str):
            raise self.fail(place, f"is {value!r}; give a text")
        return value

    def texts(self, value: Any, place: str) -> tuple[str, ...]:
        values = [value] if isinstance(value, str) else value
        if not isinstance(values, list) or not all(isinstance(item, str) and item for item in values):
            raise self.fail(place, f"is {value!r}; give a text or a list of texts")
        return tuple(values)

    def flags(self, value: Any, place: str) -> tuple[Flag, ...]:
        return tuple(self._flag(item, place) for item in (value if isinstance(value, list) else [value]))

    def _flag(self, item: Any, place: str) -> Flag:
        if isinstance(item, str):
            return Flag(item)
        table = self.only(item, ("column", "bits", "above"), place)
        bits, above = table.get("bits", []), table.get("above")
        if not isinstance(bits, list) or not all(type(bit) is int and 0 <= bit < 64 for bit in bits):
            raise self.fail(place, f"has the bits {bits!r}; give a list of numbers from 0 to 63")
        if above is not None and type(above) not in (int, float):
            raise self.fail(place, f"has above = {above!r}; give a number")
        return Flag(self.text(table.get("column"), f"{place}: column"), tuple(bits), above)

    def source(self, item: Any, place: str) -> Source:
        if isinstance(item, str):
            return Source((item,))
        table = self.only(item, tuple(Source.__dataclass_fields__), place)
        if "column" not in table:
            raise self.fail(place, "names no column")
        read = {"column": self.texts, "error": self.texts, "called_by": self.texts, "flags": self.flags}
        values: dict[str, Any] = {k: read.get(k, self.text)(v, f"{place}: {k}") for k, v in table.items()}
        source = Source(**values)
        self._check_source(source, place)
        return source

    def _check_source(self, source: Source, place: str) -> None:
        if source.transform not in TRANSFORMS:
            raise self.fail(place, f"has the transform {source.transform!r}; known are {', '.join(TRANSFORMS)}")
        laws = LAWS.get(source.transform, {})
        if laws and source.law not in laws:
            raise self.fail(place, f"has the law {source.law!r}; {source.transform} knows {', '.join(laws)}")
        if source.law and not laws:
            raise self.fail(place, f"has a law, which {source.transform!r} does not need")
        for one, other in (("lower", "upper"), ("below", "above")):
            if bool(getattr(source, one)) != bool(getattr(source, other)):
                raise self.fail(place, f"needs both of {one} and {other}")
        if source.minus and source.error and not source.minus_error:
            raise self.fail(place, "subtracts a column and has an error; give minus_error, too")
        if source.unit and understand_unit(source.unit) is None:
            raise self.fail(place, f"has the unit {source.unit!r}, which is not understood")


_TEXT_KEYS = ("name", "title", "release", "citation", "refuse", "notes", "based_on")
_KEYS = (*_TEXT_KEYS, "recognise", "quantities", "bad_star", "bad_parallax", "keep", "parallax_corrected", "sentinels")


def _parse(content: str, where: str) -> Layout:
    check = _Checker(where)
    try:
        raw = tomllib.loads(content)
    except tomllib.TOMLDecodeError as error:
        raise check.fail("it", f"is not valid TOML ({shortened(error)})") from error
    raw = check.only(raw, _KEYS, "it")
    values: dict[str, Any] = {key: check.text(raw[key], key) for key in _TEXT_KEYS if key in raw}
    base_name = values.pop("based_on", "")
    base = load_layout(base_name) if base_name else Layout("", "")
    for key in ("name", "title"):
        if not values.get(key):
            raise check.fail("it", f"has no {key}")
    rules = check.only(raw.get("recognise", {}), ("columns", "any_of", "absent"), "recognise")
    values |= {key: check.texts(value, f"recognise: {key}") for key, value in rules.items()}
    for key in ("bad_star", "bad_parallax"):
        values[key] = check.flags(raw[key], key) if key in raw else getattr(base, key)
    values["keep"] = check.texts(raw["keep"], "keep") if "keep" in raw else base.keep
    corrected = raw.get("parallax_corrected", base.parallax_corrected)
    if not isinstance(corrected, bool):
        raise check.fail("parallax_corrected", f"is {corrected!r}; give true or false")
    sentinels = raw.get("sentinels", list(base.sentinels))
    if not isinstance(sentinels, list) or not all(type(number) in (int, float) for number in sentinels):
        raise check.fail("sentinels", f"is {sentinels!r}; give a list of numbers")
    quantities = dict(base.quantities)
    for name, item in check.only(raw.get("quantities", {}), raw.get("quantities", {}), "quantities").items():
        if quantity(name) is None:
            raise check.fail("quantities", f"names {name!r}, which is no quantity of the package")
        sources = item if isinstance(item, list) else [item]
        quantities[name] = tuple(check.source(source, f"quantities.{name}") for source in sources)
    values |= {"parallax_corrected": corrected, "sentinels": tuple(map(float, sentinels))}
    return Layout(**values, quantities=quantities)
