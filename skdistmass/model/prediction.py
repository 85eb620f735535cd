"""The formulas of a catalogue: each column of Table 2, and beyond it, once, as a function of arrays.

`skdistmass.DistMassModel.predict` and the catalogue are built on these functions, and the tests compare the ONNX graph
with them.
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray

from skdistmass.estimators.ages import IsochroneAgeTransformer
from skdistmass.model.quality import quality_flags
from skdistmass.photometry import distance_from_magnitude, weighted_distance
from skdistmass.schema.bits import AgeFlag, Bit, ExtinctionFlag, Space
from skdistmass.schema.columns import mass_columns
from skdistmass.schema.limits import GIANT_LOGG
from skdistmass.surveys.stars import Stars
from skdistmass.surveys.training_sets import (
    TrainingCuts,
    extinction_errors,
    fractional_parallax_error,
    reference_distances,
)

__all__ = [
    "age_columns",
    "bitmask",
    "complete",
    "distance_columns",
    "half_width",
    "interval_columns",
    "mass_source_bits",
    "of_first_scale",
    "survey_columns",
    "weighted_columns",
]

Floats = NDArray[np.float64]
Columns = dict[str, NDArray]
# Ends of intervals: which interval, and which end of it.
_ENDS = {"LO": (0, 0), "HI": (0, 1), "LO95": (1, 0), "HI95": (1, 1)}


def half_width(interval: Floats) -> Floats:
    """Return the error that an interval of 68.27 % stands for: half its width.

    Parameters
    ----------
    interval : ndarray of shape (n_stars, 2)
        Lower and upper end.

    Returns
    -------
    error : ndarray of shape (n_stars,)
    """
    return 0.5 * (interval[:, 1] - interval[:, 0])


def interval_columns(name: str, intervals: Floats) -> Columns:
    """Name the ends of intervals of 68.27 % and 95.45 %, shape (2, n_stars, 2), as columns."""
    return {f"{name}_{end}": intervals[i, :, j] for end, (i, j) in _ENDS.items()}


def distance_columns(
    abs_mag: Floats, intervals: Floats, mag: Floats, extinction: Floats, mag_err: Floats, extinction_err: Floats
) -> Columns:
    """Distances from absolute magnitudes, with their intervals (sections 4 and 4.3 of the paper).

    Parameters
    ----------
    abs_mag : ndarray of shape (n_stars,)
        Absolute magnitude (mag).
    intervals : ndarray of shape (2, n_stars, 2)
        Its intervals of 68.27 % and 95.45 % (mag).
    mag, extinction : ndarray of shape (n_stars,)
        Apparent magnitude and extinction of the same band (mag).
    mag_err : ndarray of shape (n_stars,)
        Error of the magnitude (mag).
    extinction_err : ndarray of shape (n_stars,)
        Error of the extinction (mag).

    Returns
    -------
    columns : dict of ndarray
        ABS_MAG and ABS_MAG_ERR (mag); DISTANCE, its interval ends _LO, _HI, _LO95 and _HI95, and DISTANCE_ERR (kpc).
        The errors of magnitude and extinction, twice of them for 95.45 %, widen each side of an interval of the
        absolute magnitude in quadrature.
    """
    photometric = np.multiply.outer([1.0, 2.0], np.hypot(mag_err, extinction_err))
    sides = np.hypot(intervals - abs_mag[:, None], photometric[:, :, None])
    distance = distance_from_magnitude(abs_mag, mag, extinction)
    # The fainter end of the absolute magnitude belongs to the nearer distance.
    ends = distance[:, None] * 10.0 ** (sides[:, :, ::-1] * [-0.2, 0.2])
    return {
        "ABS_MAG": abs_mag,
        "ABS_MAG_ERR": half_width(intervals[0]),
        "DISTANCE": distance,
        **interval_columns("DISTANCE", ends),
        "DISTANCE_ERR": half_width(ends[0]),
    }


def weighted_columns(distance: Floats, distance_err: Floats, gaia: Floats, gaia_err: Floats) -> Columns:
    """Mean of the spectroscopic distance and Gaia's (section 4.3).

    Parameters
    ----------
    distance, distance_err : ndarray of shape (n_stars,)
        Spectroscopic distance and its error (kpc).
    gaia, gaia_err : ndarray of shape (n_stars,)
        Distance from Gaia and its error (kpc).

    Returns
    -------
    columns : dict of ndarray
        DISTANCE_WEIGHTED and DISTANCE_WEIGHTED_ERR (kpc); see `skdistmass.photometry.weighted_distance`.
    """
    mean, error = weighted_distance(distance, distance_err, gaia, gaia_err)
    return {"DISTANCE_WEIGHTED": mean, "DISTANCE_WEIGHTED_ERR": error}


def age_columns(
    relation: IsochroneAgeTransformer, scale: str, mass: Floats, intervals: Floats, m_h: Floats, logg: Floats
) -> Columns:
    """Ages of giants from their masses (section 6 of the paper).

    Parameters
    ----------
    relation : IsochroneAgeTransformer
        Turns mass and metallicity into log age.
    scale : str
        Name of the mass scale.
    mass : ndarray of shape (n_stars,)
        Masses (Msun).
    intervals : ndarray of shape (2, n_stars, 2)
        Their intervals of 68.27 % and 95.45 % (Msun).
    m_h, logg : ndarray of shape (n_stars,)
        Metallicity and surface gravity (dex).

    Returns
    -------
    columns : dict of ndarray
        Of this scale: AGE_* and its interval ends (log10 yr), NaN for stars that are not giants; AGE_*_ERR (dex) and
        AGE_*_FLAG. An end outside the relation of mass and age is the age at the relation's end, which the flag says.
        AGE_*_ERR is half the width of the 68.27 % interval. Where that is clipped, it is the error of the mass times
        the slope of the relation (`IsochroneAgeTransformer.log_age_err`).
    """
    giant = logg < GIANT_LOGG
    name = mass_columns(scale)[1]
    age, ends, slope_error, flag = relation.ages_of_predicted(mass, m_h, intervals, half_width(intervals[0]))
    clipped = flag & int(AgeFlag.CLIPPED) != 0
    # What is said of an age and its interval, and not of mass and metallicity, goes with the age.
    not_giant = (flag & ~int(AgeFlag.CLIPPED | AgeFlag.CLIPPED_95 | AgeFlag.OLD)) | int(AgeFlag.NOT_GIANT)
    return {
        name: np.where(giant, age, np.nan),
        **interval_columns(name, np.where(giant[:, None], ends, np.nan)),
        f"{name}_ERR": np.where(giant, np.where(clipped, slope_error, half_width(ends[0])), np.nan),
        f"{name}_FLAG": np.where(giant, flag, not_giant).astype(np.int16),
    }


def of_first_scale(columns: Mapping[str, NDArray], scale: str) -> Columns:
    """Return MASS_ERR, AGE_ERR and AGE_FLAG, of which Table 2 has one: those of the first mass scale."""
    mass, age = mass_columns(scale)
    found = {"MASS_ERR": f"{mass}_ERR", "AGE_ERR": f"{age}_ERR", "AGE_FLAG": f"{age}_FLAG"}
    return {name: columns[of_scale] for name, of_scale in found.items()}


def bitmask(training_bits: NDArray, mass_space: NDArray) -> NDArray:
    """Return BITMASK (Table 3): bits of the training sets, and whether a star is outside the mass model's labels."""
    return training_bits | np.where(mass_space >= Space.OUTSIDE, int(Bit.OUTSIDE_MASS_SPACE), 0)


def mass_source_bits(sources: NDArray[np.str_]) -> NDArray[np.int32]:
    """Return the bits of Table 3 for the sources of training masses, such as "APOKASC" or "Berger 2020"."""
    names = {"APOKASC": Bit.MASS_APOKASC, "BERGER": Bit.MASS_BERGER, "SERENELLI": Bit.MASS_SERENELLI}
    bits = np.zeros(len(sources), dtype=np.int32)
    upper = np.char.upper(sources)
    for name, bit in names.items():
        bits[np.char.find(upper, name) >= 0] |= int(bit)
    return bits


def survey_columns(stars: Stars, cuts: TrainingCuts) -> Columns:
    """Columns of a catalogue that come from the survey.

    Parameters
    ----------
    stars : Stars
        The survey, with the metallicity of the model.
    cuts : TrainingCuts
        Gives the zero points of parallaxes.

    Returns
    -------
    columns : dict of ndarray
        Identifiers, labels, MAG, EXTINCTION with its error, method and flag, GAIAEDR3_DIST with its source, and
        ``gaia_err``, its error (kpc), which is no column of the catalogue.
    """
    columns = {name: stars[name] for name in ("APOGEE_ID", "APSTAR_ID") if name in stars}
    columns |= {name: stars.floats(name) for name in ("TEFF", "LOGG", "M_H", "C_FE", "N_FE")}
    columns["MAG"], columns["EXTINCTION"] = stars.floats("K"), stars.floats("A_K")
    known = np.isfinite(columns["EXTINCTION"])
    columns["EXTINCTION_ERR"] = np.where(known, extinction_errors(stars, cuts), np.nan)
    columns["EXTINCTION_METHOD"] = stars.text("A_K_SRC")
    missing = np.where(known, 0, int(ExtinctionFlag.MISSING))
    columns["EXTINCTION_FLAG"] = stars["A_K_FLAG"] if "A_K_FLAG" in stars else missing.astype(np.int16)
    distance, _, source = reference_distances(stars, cuts)
    distance = np.where(source == "cluster", np.nan, distance)
    columns["GAIAEDR3_DIST"] = distance
    columns["GAIAEDR3_DIST_SRC"] = _gaia_source(stars, distance)
    columns["gaia_err"] = distance * fractional_parallax_error(stars)
    return columns


def _gaia_source(stars: Stars, distance: Floats) -> NDArray[np.str_]:
    """Name the origin of each Gaia distance: a column of the survey, or the parallax of a release."""
    source = np.char.strip(np.char.add("1/parallax ", stars.text("PARALLAX_SRC")))
    listed = np.isfinite(stars.floats("GAIAEDR3_DIST"))
    source = np.where(listed, stars.text("GAIAEDR3_DIST_SRC"), source)
    return np.where(np.isnan(distance), "", source)


def complete(stars: Stars, predicted: Mapping[str, NDArray], cuts: TrainingCuts) -> Columns:
    """Put the columns of the survey, and what follows from both, beside a model's predictions.

    Parameters
    ----------
    stars : Stars
        The survey, with the metallicity of the model.
    predicted : dict of ndarray
        What a `skdistmass.model.Predictor` gives.
    cuts : TrainingCuts
        Gives the zero points of parallaxes.

    Returns
    -------
    columns : dict of ndarray
        All columns of a catalogue that these two can give, FLAGS included.
    """
    columns = survey_columns(stars, cuts) | dict(predicted)
    gaia_err = columns.pop("gaia_err")
    # Only a model with networks for it gives masses of stars without C and N.
    columns.setdefault("LABEL_FALLBACK_MASS", np.zeros(len(stars), dtype=bool))
    nothing = np.full(len(stars), np.nan)
    distance, distance_err = (columns.get(name, nothing) for name in ("DISTANCE", "DISTANCE_ERR"))
    columns |= weighted_columns(distance, distance_err, columns["GAIAEDR3_DIST"], gaia_err)
    columns["FLAGS"] = quality_flags(columns, stars, gaia_err)
    return columns
