"""What a column can't be: values outside the possible range, and columns in another unit than they say."""

import warnings
from collections.abc import Mapping

import numpy as np

from skdistmass.exceptions import ImpossibleValueWarning, UnitError
from skdistmass.surveys.quantities import Quantity

_JUDGED = ("TEFF", "LOGG", "GAIAEDR3_DIST", "DISTANCE", "DISTANCE_WEIGHTED", "PARALLAX_ERR")
_FEWEST = 3  # stars that make a column, of which the unit can be judged


def drop_impossible(values: np.ndarray, quantity: Quantity) -> int:
    """Set values that no star can have to NaN, in place, and return how many there were."""
    bad = (values < quantity.minimum) | (values > quantity.maximum)
    if quantity.zero_is_missing:
        bad |= values == 0
    values[bad] = np.nan
    return int(np.count_nonzero(bad))


def check_columns(columns: Mapping[str, np.ndarray], origin: Mapping[str, tuple[str, ...]]) -> None:
    """Refuse a column whose values show that it is in another unit than the one it is taken for.

    The values are in the canonical unit, impossible ones included; the medians of three stars or more are judged.
    `origin` names the columns of the file for the message, which says what the values look like.
    """
    judged = [name for name in columns if name in _JUDGED or name == "AGE" or name.startswith("AGE_")]
    for name in judged:
        values = columns[name]
        given = values[np.isfinite(values)]
        if len(given) < _FEWEST:
            continue
        reason = _reason(name, given)
        if reason:
            _refuse(name, origin, f"have a median of {np.median(given):.4g}: {reason}")
    _compare_distances(columns, origin)


def check_gravity(values: np.ndarray, name: str, unit: str) -> None:
    """Refuse a column that says to be a gravity, not its logarithm, and has the values of a logarithm."""
    given = values[np.isfinite(values)]
    if len(given) and not unit.startswith("dex") and np.median(given) < 10:
        raise UnitError(
            f"column {name} has the unit {unit}, but its values are those of a logarithm; write the unit as "
            f"dex({unit}), or leave it out."
        )


def _reason(name: str, values: np.ndarray) -> str:
    """Return what a column looks like instead of what it is taken for; blank if it may be right."""
    median = float(np.median(values))
    if name == "TEFF" and median < 100:
        return "they look like log10 of the temperature" if values.max() < 4.5 and median > 3.2 else "they look like kK"
    if name == "LOGG" and median > 10:
        return "they look like the gravity itself, not its logarithm"
    if name in ("GAIAEDR3_DIST", "DISTANCE", "DISTANCE_WEIGHTED") and median > 100:
        return "no survey of stars reaches that far in kpc; they look like pc"
    if name == "PARALLAX_ERR" and median < 1e-3:
        return "no parallax is that exact in mas; they look like arcsec"
    if (name == "AGE" or name.startswith("AGE_")) and not name.endswith("_ERR") and median > 100:
        return "as log10(age / yr) that is impossible; they look like ages in years, or in Myr"
    return ""


def _compare_distances(columns: Mapping[str, np.ndarray], origin: Mapping[str, tuple[str, ...]]) -> None:
    """Refuse distances and parallaxes of the same stars that are a factor of a thousand apart."""
    if "GAIAEDR3_DIST" not in columns or "PARALLAX" not in columns:
        return
    product = columns["GAIAEDR3_DIST"] * columns["PARALLAX"]
    good = np.isfinite(product) & (columns["PARALLAX"] > 0)
    if "PARALLAX_ERR" in columns:
        good &= ~(columns["PARALLAX_ERR"] > 0.2 * columns["PARALLAX"])
    if np.count_nonzero(good) < _FEWEST:
        return
    median = float(np.median(product[good]))
    if median > 30:
        _refuse("GAIAEDR3_DIST", origin, f"are about {median:.0f} times 1 / PARALLAX; they look like pc")
    if median < 1 / 30:
        _refuse("PARALLAX", origin, f"are about {median:.2g} times 1 / GAIAEDR3_DIST; they look like arcsec")


def _refuse(name: str, origin: Mapping[str, tuple[str, ...]], problem: str) -> None:
    named = ", ".join(origin.get(name, (name,)))
    raise UnitError(
        f"the values of {name} (column {named}) {problem}. Write the unit into the file, or give a layout that says it."
    )


def warn_of_impossible(counts: Mapping[str, int], source: str = "") -> None:
    """Warn of values that were read as missing because no star can have them."""
    told = [f"{name} {count}" for name, count in counts.items() if count]
    if told:
        where = f"{source}: " if source else ""
        warnings.warn(
            f"{where}values outside the possible range (as -99 or 0 for a magnitude) are read as missing: "
            f"{', '.join(told)}.",
            ImpossibleValueWarning,
            stacklevel=3,
        )
