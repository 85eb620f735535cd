"""Quantities made from the columns of a table: units, transformations, errors and flags."""

import warnings
from collections.abc import Iterable, Mapping
from dataclasses import replace
from typing import Any

import numpy as np

from skdistmass.exceptions import ColumnError, DistMassWarning
from skdistmass.surveys.layout import LAWS, Flag, Source
from skdistmass.surveys.plan import Plan
from skdistmass.surveys.plausibility import check_columns, check_gravity, drop_impossible
from skdistmass.surveys.quantities import QUANTITIES, Quantity, quantity
from skdistmass.surveys.stars import Stars
from skdistmass.tables import SENTINEL_TOLERANCE, as_floats, as_integers, as_text
from skdistmass.units import convert_unit, understand_unit

__all__ = ["make_stars"]

# Quantities of which each star's source is recorded, in NAME_SRC.
_WITH_SOURCE = ("A_K", "EBV", "PARALLAX", "GAIAEDR3_DIST")
_SAME_ASTROMETRY = {"Gaia DR3": "Gaia EDR3"}


class _Maker:
    """Makes the quantities of some rows of a table."""

    def __init__(self, plan: Plan, columns: Mapping[str, Any], units: Mapping[str, Any], n_rows: int):
        self.plan, self._columns, self._units, self._n_rows = plan, columns, units, n_rows
        self.found: dict[str, np.ndarray] = {}
        self.origin: dict[str, tuple[str, ...]] = {}
        self.units: dict[str, str] = {}
        self.impossible: dict[str, int] = {}

    def make(self) -> None:
        for name, sources in self.plan.sources.items():
            about = quantity(name)
            if about is None:
                continue
            if about.kind == "number":
                self._number(about, sources)
            else:
                self._other(about, sources)
        for key, name in self.plan.extra.items():
            self._extra(key, name)
        for name, flags in (("BAD_STAR", self.plan.bad_star), ("BAD_PARALLAX", self.plan.bad_parallax)):
            if flags:
                self.found[name] = self._flagged(flags)
                self.origin[name] = tuple(flag.column for flag in flags)
        self._metallicity()
        # The whole column is judged before single values are taken out of it.
        numbers = {name: values for name, values in self.found.items() if values.dtype.kind == "f"}
        check_columns({name: v for name, v in numbers.items() if self._is_judged(name)}, self.origin)
        for name, values in numbers.items():
            about = quantity(name)
            if about is not None:
                self.impossible[name] = drop_impossible(values, about)
        if "M_H" in self.origin and self.origin["M_H"] == self.origin.get("FE_H"):
            self.impossible.pop("FE_H", None)

    def _is_judged(self, name: str) -> bool:
        return quantity(name) is not None and self.units.get(name, "dex").startswith("dex")

    def _metallicity(self) -> None:
        """Let [Fe/H] stand for [M/H] if there is no [M/H]."""
        if "M_H" not in self.found and "FE_H" in self.found:
            for end in ("", "_ERR"):
                if "FE_H" + end in self.found:
                    self.found["M_H" + end] = self.found["FE_H" + end].copy()
                    self.origin["M_H" + end] = self.origin["FE_H" + end]

    def _floats(self, name: str, about: Quantity, unit: str, stated: str | None = None) -> np.ndarray:
        """Return a column as floats in `unit`; `stated` is its unit if the table says none."""
        column = self._columns[name]
        is_pair = about.name.endswith("_ERR") and np.ndim(column) == 2 and np.shape(column)[1] == 2
        if np.ndim(column) != 1 and not is_pair:
            raise ColumnError(f"column {name} has shape {np.shape(column)}; one number per star is needed.")
        # Placeholders are numbers in the unit of the file: they are found before it is converted.
        values = as_floats(_bare(column), name=name, high_sentinels=about.high_sentinels)
        for number in self.plan.layout.sentinels:
            values[np.isclose(values, number, rtol=SENTINEL_TOLERANCE, atol=0)] = np.nan
        values = np.abs(values).mean(axis=1) if is_pair else values  # [upper, lower]
        own = self._units.get(name)
        own = stated if own is None or str(own).strip() == "" else own
        converted = convert_unit(values, own, unit, name)
        if about.name == "LOGG" and converted is not values:
            check_gravity(values, name, str(own))
        return converted

    def _number(self, about: Quantity, sources: tuple[Source, ...]) -> None:
        """Fill a quantity star by star: the first source with a value is taken, with its own error."""
        size = self._n_rows
        with_ends = any(source.lower or source.below for source in sources)
        values, error, *bounds = (np.full(size, np.nan) for _ in range(4 if with_ends else 2))
        called = np.full(size, "")
        for source in sources:
            own = self._value(source, about)
            bad = self._flagged(source.flags)
            taken = np.isnan(values) & np.isfinite(own) & ~bad
            values[taken] = own[taken]
            own_error, ends = self._errors(source, about, own)
            error[taken] = own_error[taken]
            for target, end in zip(bounds, ends, strict=False):
                target[taken] = end[taken]
            if about.name in _WITH_SOURCE:
                called = np.where(taken, self._called(source), called)
        name = about.name
        self.found[name] = values
        self.origin[name] = tuple(source.column[0] for source in sources)
        with_errors = [s for s in sources if s.error or s.lower or s.below]
        if with_errors or name == "PARALLAX":
            self.found[name + "_ERR"] = error
            self.origin[name + "_ERR"] = tuple(c for s in with_errors for c in (*s.error, s.lower, s.below) if c)
        if with_ends:
            self.found[name + "_LO"], self.found[name + "_HI"] = bounds
        if name in _WITH_SOURCE:
            self.found[name + "_SRC"] = called

    def _value(self, source: Source, about: Quantity) -> np.ndarray:
        values = self._transformed(source.column[0], source, about)
        return values - self._transformed(source.minus, source, about) if source.minus else values

    def _transformed(self, name: str, source: Source, about: Quantity) -> np.ndarray:
        values = self._floats(name, about, _unit_before(source.transform, about.unit), source.unit)
        if source.transform == "log10":
            return np.where(values > 0, np.log10(values), np.nan)
        if source.transform == "power10":
            return 10.0**values
        return values * LAWS[source.transform][source.law] if source.law else values

    def _errors(self, source: Source, about: Quantity, values: np.ndarray) -> tuple[np.ndarray, list[np.ndarray]]:
        """Return the error of a source and the ends of its interval; NaN where there is none."""
        none = np.full(self._n_rows, np.nan)
        if source.lower:
            ends = [self._transformed(end, source, about) for end in (source.lower, source.upper)]
        elif source.below:
            unit = _unit_before(source.transform, about.unit)
            middle = self._floats(source.column[0], about, unit, source.unit)
            low = replace(about, high_sentinels=False)
            sides = [self._floats(side, low, unit, source.unit) for side in (source.below, source.above)]
            ends = [middle - sides[0], middle + sides[1]]
            if source.transform == "log10":
                ends = [np.where(end > 0, np.log10(end), np.nan) for end in ends]
        else:
            return self._symmetric(source, about, values), [none, none]
        half = 0.5 * (ends[1] - ends[0])
        return np.where(half > 0, half, np.nan), ends

    def _symmetric(self, source: Source, about: Quantity, values: np.ndarray) -> np.ndarray:
        if not source.error:
            return np.full(self._n_rows, np.nan)
        error_about = quantity(about.name + "_ERR") or about
        # The error of a logarithm of something is a plain number of dex.
        unit = "dex" if about.unit.startswith("dex") else about.unit
        if source.transform != "none":
            unit = _unit_before(source.transform, about.unit)
        errors = self._floats(source.error[0], error_about, unit, source.unit if unit != "dex" else None)
        if source.minus_error:
            errors = np.hypot(errors, self._floats(source.minus_error, error_about, unit))
        if about.name == "PARALLAX":
            errors = np.where(errors > 0, errors, np.nan)
        if source.transform == "log10":
            return errors / (10.0**values * np.log(10.0))
        if source.transform == "power10":
            return errors * values * np.log(10.0)
        return errors * LAWS[source.transform][source.law] if source.law else errors

    def _called(self, source: Source) -> np.ndarray:
        name = source.column[0]
        text = np.full(self._n_rows, source.called or name)
        if source.called_by:
            own = as_text(self._columns[source.called_by[0]], name=source.called_by[0])
            text = np.where(own == "", name, own)
        for same, known in _SAME_ASTROMETRY.items():
            text = np.where(text == same, known, text)
        if self.plan.layout.parallax_corrected and source.called.startswith("Gaia"):
            text = np.char.add(text, " corrected")
        return text

    def _flagged(self, flags: Iterable[Flag]) -> np.ndarray:
        """Tell which rows have one of these flags; a missing flag is none."""
        bad = np.zeros(self._n_rows, dtype=bool)
        for flag in flags:
            column = self._columns[flag.column]
            if flag.above is not None:
                values = as_floats(_bare(column), name=flag.column, high_sentinels=False)
                bad |= values > flag.above
                continue
            bits = _flag_words(column, flag.column)
            # A word below 0 is a placeholder, not a set of bits.
            bad |= (bits >= 0) & (bits & sum(1 << bit for bit in flag.bits) != 0) if flag.bits else bits != 0
        return bad

    def _other(self, about: Quantity, sources: tuple[Source, ...]) -> None:
        """Read text, identifiers and flags: the first column that is there."""
        name = sources[0].column[0]
        column = self._columns[name]
        if np.ndim(column) != 1:
            raise ColumnError(f"column {name} has shape {np.shape(column)}; one value per star is needed.")
        if about.kind == "flags":
            self.found[about.name] = _flag_words(column, name)
        elif about.kind == "text":
            self.found[about.name] = as_text(_bare(column), name=name)
        else:
            try:
                self.found[about.name] = as_integers(_bare(column), name=name)
            except ColumnError as error:
                warnings.warn(f"{error} {about.name} is left out.", DistMassWarning, stacklevel=2)
                return
        self.origin[about.name] = (name,)

    def _extra(self, key: str, name: str) -> None:
        """Keep a column of its own: a quantity in its unit, anything else as it is."""
        about = quantity(key)
        if key in self.found or (about is not None and about.kind != "number"):
            if key not in self.found:
                self._other(about, (Source((name,)),))  # type: ignore[arg-type]
            return
        column, raw = self._columns[name], np.asarray(np.ma.getdata(self._columns[name]))
        self.origin[key] = (name,)
        unit = self._units.get(name)
        is_age = key == "AGE" or key.startswith("AGE_")
        is_number = raw.dtype.kind in "fiu" or key in QUANTITIES  # MASS_SRC is text
        if is_number and about is not None and not is_age and np.ndim(column) == 1:
            self.found[key] = self._floats(name, about, about.unit)
            return
        is_text = raw.dtype.kind == "O" and any(isinstance(v, str | bytes) for v in raw.ravel().tolist())
        if raw.dtype.kind in "SU" or is_text:
            self.found[key] = as_text(_bare(column), name=name)
        elif raw.dtype.kind == "b":
            self.found[key] = np.where(np.ma.getmaskarray(column), False, raw)
        elif raw.dtype.kind in "iu":
            self.found[key] = as_integers(_bare(column), missing=-1, name=name)
        else:
            # Placeholders of magnitudes are high numbers, which other quantities may have.
            high = unit is not None and understand_unit(str(unit)) == understand_unit("mag")
            self.found[key] = as_floats(_bare(column), name=name, high_sentinels=high)
        if unit is not None and str(unit).strip():
            self.units[key] = str(unit)


def _unit_before(transform: str, unit: str) -> str:
    """Return the unit that a column needs before it is transformed to one in `unit`."""
    if transform == "log10":
        return unit.removeprefix("dex(").removesuffix(")") if unit.startswith("dex(") else unit
    return f"dex({unit})" if transform == "power10" else unit


def _bare(column: Any) -> Any:
    """Return a column without its unit, its mask kept."""
    if hasattr(column, "unmasked") or hasattr(column, "to_numpy"):
        return column
    return np.ma.MaskedArray(column) if isinstance(column, np.ma.MaskedArray) else np.asarray(column)


def _flag_words(column: Any, name: str) -> np.ndarray:
    """Return bits as int64, 0 where they are missing; true and false are 1 and 0."""
    if np.ndim(column) != 1:
        raise ColumnError(f"column {name} has shape {np.shape(column)}; one flag word per star is needed.")
    raw = np.asarray(np.ma.getdata(column))
    if raw.dtype.kind in "SU":
        texts = np.char.lower(as_text(_bare(column), name=name))
        logical = {"true": "1", "t": "1", "false": "0", "f": "0"}
        return as_integers(np.array([logical.get(t, t) for t in texts.tolist()], dtype=str), name=name)
    return as_integers(_bare(column), name=name)


def make_stars(
    plan: Plan, columns: Mapping[str, Any], units: Mapping[str, Any], n_rows: int, source: str = "", table: str = ""
) -> Stars:
    """Make the stars of some rows of a table from the columns of ``plan.needed``, masked where missing.

    `units` are text or astropy's; columns without one may be absent. `source` and `table` are recorded in the result.
    """
    maker = _Maker(plan, columns, units, n_rows)
    # NaN is where a value is missing: no comparison with it is worth a warning.
    with np.errstate(invalid="ignore", divide="ignore", over="ignore"):
        maker.make()
    stands_in = "M_H" not in plan.sources and "FE_H" in plan.sources
    metallicity = "FE_H" if stands_in else "M_H"
    impossible = {name: count for name, count in maker.impossible.items() if count}
    names = (metallicity, source, table, plan.layout.name)
    return Stars(maker.found, maker.origin, maker.units, *names, impossible)
