"""FLAGS: named bits on the quality of each row, with a warning and a verdict for distance, mass and age."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray

from skdistmass.schema.bits import SPOILERS, WARNINGS, AgeFlag, ExtinctionFlag, QualityBit, Space
from skdistmass.schema.columns import mass_columns, scales_of
from skdistmass.schema.limits import CONFLICT_SIGMA, GIANT_LOGG, HIGH_EXTINCTION
from skdistmass.surveys.stars import Stars
from skdistmass.surveys.training_sets import bad_stars

__all__ = ["quality_flags"]

_EXTINCTION_FALLBACKS = ExtinctionFlag.FROM_FILE | ExtinctionFlag.COLOUR | ExtinctionFlag.ASSUMED
_AGE_LIMITS = AgeFlag.MASS_LOW | AgeFlag.MASS_HIGH | AgeFlag.FEH_LOW | AgeFlag.FEH_HIGH


def quality_flags(columns: Mapping[str, NDArray], stars: Stars, gaia_err: NDArray[np.float64]) -> NDArray[np.int32]:
    """Return FLAGS, sums of `skdistmass.schema.bits.QualityBit`.

    Parameters
    ----------
    columns : dict of ndarray
        Columns of the catalogue. Columns that are absent count as missing.
    stars : Stars
        The survey's rows.
    gaia_err : ndarray of shape (n_stars,)
        Error of GAIAEDR3_DIST (kpc).

    Returns
    -------
    flags : ndarray of int32, shape (n_stars,)
    """
    flags = np.zeros(len(stars), dtype=np.int32)
    for bit, mask in _observed(columns, stars, gaia_err).items():
        flags[mask] |= int(bit)
    scale = next(iter(scales_of(columns)), "")
    mass, age = (_floats(columns, name, len(stars)) for name in mass_columns(scale))
    bit = QualityBit
    lost = ~np.isfinite(_floats(columns, "DISTANCE", len(stars)))
    for product, warnings in WARNINGS.items():
        _roll_up(flags, bit[f"{product}_WARN"], warnings)
    _roll_up(flags, bit.DISTANCE_BAD, SPOILERS["DISTANCE"], lost)
    _roll_up(flags, bit.MASS_BAD, SPOILERS["MASS"], ~((mass > 0) & np.isfinite(mass)))
    _roll_up(flags, bit.AGE_BAD, SPOILERS["AGE"] | bit.MASS_BAD, ~np.isfinite(age))
    return flags


def _observed(
    columns: Mapping[str, NDArray], stars: Stars, gaia_err: NDArray[np.float64]
) -> dict[QualityBit, NDArray[np.bool_]]:
    """Return the rows to which each bit applies, for the bits that do not follow from others."""
    n_stars, bit = len(stars), QualityBit

    def missing(*names: str) -> NDArray[np.bool_]:
        return np.any([~np.isfinite(_floats(columns, name, n_stars)) for name in names], axis=0)

    extinction, choice = _floats(columns, "EXTINCTION", n_stars), np.asarray(columns["EXTINCTION_FLAG"])
    space, mass_space = (_codes(columns, f"{name}_SPACE", n_stars) for name in ("DISTANCE", "MASS"))
    age_flag = np.asarray(columns.get("AGE_FLAG", np.zeros(n_stars, dtype=int)))
    return {
        bit.LABEL_MISSING: missing("TEFF", "LOGG", "M_H"),
        bit.CN_MISSING: missing("C_FE", "N_FE"),
        bit.DISTANCE_EDGE: space == Space.EDGE,
        bit.DISTANCE_OUTSIDE: space == Space.OUTSIDE,
        bit.MASS_EDGE: mass_space == Space.EDGE,
        bit.MASS_OUTSIDE: mass_space == Space.OUTSIDE,
        bit.MAG_MISSING: missing("MAG"),
        bit.EXTINCTION_MISSING: np.isnan(extinction),
        bit.EXTINCTION_FALLBACK: (choice & int(_EXTINCTION_FALLBACKS)) != 0,
        bit.EXTINCTION_NEGATIVE: (choice & int(ExtinctionFlag.NEGATIVE)) != 0,
        bit.EXTINCTION_HIGH: extinction >= HIGH_EXTINCTION,
        bit.GAIA_CONFLICT: _gaia_conflict(columns, gaia_err),
        bit.NOT_GIANT: _floats(columns, "LOGG", n_stars) >= GIANT_LOGG,
        bit.AGE_LIMIT: (age_flag & int(_AGE_LIMITS)) != 0,
        bit.STAR_BAD: bad_stars(stars),
        bit.CALIBRATION_OUTSIDE: _codes(columns, "CALIBRATION_SPACE", n_stars) == Space.OUTSIDE,
        bit.AGE_OLD: (age_flag & int(AgeFlag.OLD)) != 0,
        bit.AGE_CLIPPED: (age_flag & int(AgeFlag.CLIPPED)) != 0,
    }


def _roll_up(
    flags: NDArray[np.int32], target: QualityBit, sources: QualityBit, lost: NDArray[np.bool_] | bool = False
) -> None:
    flags[((flags & int(sources)) != 0) | lost] |= int(target)


def _gaia_conflict(columns: Mapping[str, NDArray], gaia_err: NDArray[np.float64]) -> NDArray[np.bool_]:
    """Tell where the spectroscopic distance and Gaia's differ by more than their errors allow."""
    distance, error = (_floats(columns, name, len(gaia_err)) for name in ("DISTANCE", "DISTANCE_ERR"))
    return np.abs(distance - columns["GAIAEDR3_DIST"]) > CONFLICT_SIGMA * np.hypot(gaia_err, error)


def _floats(columns: Mapping[str, NDArray], name: str, n_stars: int) -> NDArray[np.float64]:
    return np.asarray(columns[name]) if name in columns else np.full(n_stars, np.nan)


def _codes(columns: Mapping[str, NDArray], name: str, n_stars: int) -> NDArray:
    return np.asarray(columns[name]) if name in columns else np.full(n_stars, Space.MISSING)
