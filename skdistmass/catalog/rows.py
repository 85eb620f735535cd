"""From rows of a survey to rows of a catalogue: all columns of the schema, in order, as plain arrays."""

import numpy as np

from skdistmass.catalog.survey_columns import gaia_source, survey_columns, weighted_distances
from skdistmass.exceptions import ColumnError, InputError
from skdistmass.extinction import ExtinctionFlag
from skdistmass.schema.bits import Bit, QualityBit
from skdistmass.schema.columns import TABLE_2, layout, scales_of
from skdistmass.surveys.parallax import correct_parallaxes
from skdistmass.tables import as_floats, column_names

__all__ = ["catalog_columns", "quality_flags"]

# What a model must tell of every star; the other columns are NaN, blank or null without it.
_REQUIRED = ("ABS_MAG", "DISTANCE", "BITMASK", "DISTANCE_SPACE", "MASS_SPACE")
_EDGE, _OUTSIDE = 1, 2  # of DISTANCE_SPACE and MASS_SPACE
_HIGH_EXTINCTION, _CONFLICT, _GIANT_LOGG = 0.5, 3.0, 3.5
_STAR_BAD = 1 << 23  # of ASPCAPFLAG
_AGE_LIMITS = 1 | 2 | 4 | 8  # of AGE_FLAG


def catalog_columns(table, model, extinction, *, zero_point="model", isochrones=None):
    """Make all columns of a catalogue for rows of a survey.

    Parameters
    ----------
    table : astropy.table.Table
        Rows of a survey, as `skdistmass.surveys.read_survey` gives them.
    model : object
        Has ``predict(table)``, which returns a table or a dictionary of columns. Of the survey's own columns, and
        DISTANCE_WEIGHTED, those it does not return are made from the survey.
    extinction : skdistmass.extinction.ExtinctionChoice
        How A_K is chosen.
    zero_point : str or float, default="model"
        See `skdistmass.surveys.parallax.correct_parallaxes`.
    isochrones : IsochroneDistanceRegressor, optional
        Fitted; makes NMSU_DIST.

    Returns
    -------
    columns : dict
        CatalogColumn to ndarray. Floats are NaN where there is no value, never infinite.

    Raises
    ------
    ColumnError
        If the model's answer lacks a column that every catalogue needs, or text does not fit its column.
    """
    chosen = extinction.choose(table)
    table = table.copy(copy_data=False)
    table["A_K"] = chosen.values
    table["A_K_SRC"] = chosen.method
    table = correct_parallaxes(table, zero_point)
    # Labels that no star can have overflow in a network's last step; what is not finite becomes NaN below.
    with np.errstate(over="ignore", invalid="ignore"):
        predicted = model.predict(table)
    names = column_names(predicted)
    absent = [name for name in _REQUIRED if name not in names]
    if absent:
        raise ColumnError(f"the model's predictions lack {', '.join(absent)}; a catalogue can't be made with it.")
    predicted = {name: np.ma.getdata(predicted[name]) for name in names}
    values = predicted
    if any(column.source == "survey" and column.name not in names for column in TABLE_2):
        values = survey_columns(table, model) | predicted
    if "DISTANCE_WEIGHTED" not in predicted:
        values |= weighted_distances(values, table)
    values["EXTINCTION_METHOD"], values["EXTINCTION_FLAG"] = chosen.method, chosen.flag
    values["GAIAEDR3_DIST_SRC"] = gaia_source(table, values["GAIAEDR3_DIST"])
    columns = layout(scales_of(names))
    if isochrones is not None:
        values |= _isochrone_distances(isochrones, table, values)
    values["FLAGS"] = quality_flags(values, table)
    return {column: _convert(values.get(column.name), column, len(table)) for column in columns}


def _isochrone_distances(isochrones, table, values):
    n_stars = len(table)
    mag_err = _floats(table, "K_ERR", n_stars)
    posterior = isochrones.predict_posterior(
        table,
        magnitude=_floats(values, "MAG", n_stars),
        magnitude_err=np.where(mag_err > 0, mag_err, 0.02),
        extinction=_floats(values, "EXTINCTION", n_stars),
        extinction_err=np.full(n_stars, 0.02),
        marginals=False,
    )
    return {
        "NMSU_DIST": posterior["distance"].to_value("kpc"),
        "NMSU_DIST_LO": posterior["distance_p16"].to_value("kpc"),
        "NMSU_DIST_HI": posterior["distance_p84"].to_value("kpc"),
        "NMSU_FLAG": np.asarray(posterior["flag"]),
    }


def quality_flags(values, table):
    """Return FLAGS, sums of `skdistmass.schema.bits.QualityBit`.

    Parameters
    ----------
    values : dict of ndarray
        Columns of the catalogue.
    table : table
        The survey's rows, for ASPCAPFLAG and the parallaxes.

    Returns
    -------
    flags : ndarray of int32, shape (n_stars,)
    """
    n_stars, bit = len(table), QualityBit
    labels = {name: np.isfinite(_floats(values, name, n_stars)) for name in ("TEFF", "LOGG", "M_H", "C_FE", "N_FE")}
    extinction, choice = _floats(values, "EXTINCTION", n_stars), np.asarray(values["EXTINCTION_FLAG"])
    scales = scales_of(values)
    mass = _floats(values, f"MASS_{scales[0]}" if scales and scales[0] else "MASS", n_stars)
    age = _floats(values, f"AGE_{scales[0]}" if scales and scales[0] else "AGE", n_stars)
    age_flag = np.asarray(values.get("AGE_FLAG", np.zeros(n_stars, dtype=int)))
    survey_bits = np.asarray(table["ASPCAPFLAG"]) if "ASPCAPFLAG" in column_names(table) else np.zeros(n_stars, int)
    space, mass_space = np.asarray(values["DISTANCE_SPACE"]), np.asarray(values["MASS_SPACE"])
    with np.errstate(invalid="ignore"):
        masks = {
            bit.LABEL_MISSING: ~(labels["TEFF"] & labels["LOGG"] & labels["M_H"]),
            bit.CN_MISSING: ~(labels["C_FE"] & labels["N_FE"]),
            bit.DISTANCE_EDGE: space == _EDGE,
            bit.DISTANCE_OUTSIDE: space == _OUTSIDE,
            bit.MASS_EDGE: mass_space == _EDGE,
            bit.MASS_OUTSIDE: mass_space == _OUTSIDE,
            bit.MAG_MISSING: ~np.isfinite(_floats(values, "MAG", n_stars)),
            bit.EXTINCTION_MISSING: np.isnan(extinction),
            bit.EXTINCTION_FALLBACK: (choice & int(ExtinctionFlag.FROM_FILE)) != 0,
            bit.EXTINCTION_NEGATIVE: (choice & int(ExtinctionFlag.NEGATIVE)) != 0,
            bit.EXTINCTION_HIGH: extinction >= _HIGH_EXTINCTION,
            bit.GAIA_CONFLICT: _gaia_conflict(values, table),
            bit.NOT_GIANT: _floats(values, "LOGG", n_stars) >= _GIANT_LOGG,
            bit.AGE_LIMIT: (age_flag & _AGE_LIMITS) != 0,
            bit.STAR_BAD: (survey_bits & _STAR_BAD) != 0,
        }
    flags = np.zeros(n_stars, dtype=np.int32)
    for name, mask in masks.items():
        flags[mask] |= int(name)
    distance_warn = bit.DISTANCE_EDGE | bit.CN_MISSING | bit.EXTINCTION_FALLBACK | bit.EXTINCTION_NEGATIVE
    distance_warn |= bit.EXTINCTION_HIGH | bit.GAIA_CONFLICT
    lost = ~np.isfinite(_floats(values, "DISTANCE", n_stars))
    _roll_up(flags, bit.DISTANCE_WARN, distance_warn)
    _roll_up(flags, bit.DISTANCE_BAD, bit.DISTANCE_OUTSIDE | bit.STAR_BAD, lost)
    _roll_up(flags, bit.MASS_WARN | bit.AGE_WARN, bit.MASS_EDGE)
    with np.errstate(invalid="ignore"):
        _roll_up(flags, bit.MASS_BAD, bit.MASS_OUTSIDE | bit.STAR_BAD, ~(mass > 0) | np.isinf(mass))
    _roll_up(flags, bit.AGE_BAD, bit.MASS_BAD | bit.AGE_LIMIT, ~np.isfinite(age))
    return flags


def _roll_up(flags, target, sources, lost=False):
    flags[((flags & int(sources)) != 0) | lost] |= int(target)


def _gaia_conflict(values, table):
    """Tell where the spectroscopic distance and Gaia's differ by more than their errors allow."""
    n_stars = len(table)
    gaia, distance = _floats(values, "GAIAEDR3_DIST", n_stars), _floats(values, "DISTANCE", n_stars)
    parallax, parallax_err = _floats(table, "PARALLAX", n_stars), _floats(table, "PARALLAX_ERR", n_stars)
    with np.errstate(invalid="ignore", divide="ignore"):
        error = np.hypot(gaia * parallax_err / parallax, _floats(values, "DISTANCE_ERR", n_stars))
        return np.abs(distance - gaia) > _CONFLICT * error


def _floats(columns, name, n_stars):
    if name not in (columns if isinstance(columns, dict) else column_names(columns)):
        return np.full(n_stars, np.nan)
    return as_floats(np.asarray(columns[name]), name=name, sentinels=False)


def _convert(values, column, n_stars):
    """Return a column in the schema's type; what the catalogue can't know is NaN, blank or null."""
    if column.dtype.startswith("U"):
        return _fit_text(values, column, n_stars)
    if column.dtype == "?":
        # One byte as FITS and VOTable have it: T, F, or 0 for null.
        return np.full(n_stars, b"\0", "S1") if values is None else np.where(values, b"T", b"F").astype("S1")
    if column.dtype.startswith("i"):
        return np.full(n_stars, -1 if values is None else values, dtype=column.dtype)
    values = np.full(n_stars, np.nan) if values is None else np.array(values, dtype=column.dtype)
    values[np.isinf(values)] = np.nan
    return values


def _fit_text(values, column, n_stars):
    """Return text as bytes of the schema's width; what can't be told in full is an error, not cut."""
    width = int(column.dtype[1:])
    if values is None:
        return np.zeros(n_stars, dtype=f"S{width}")
    values = np.asarray(values).astype(str)
    lengths = np.char.str_len(values)
    if lengths.max(initial=0) > width:
        longest = values[lengths.argmax()]
        raise ColumnError(
            f"{column.name} {longest[:80]!r} has {len(longest)} characters, but a catalogue has room for {width}; "
            "shorten it."
        )
    try:
        return np.char.encode(values, "ascii").astype(f"S{width}")
    except UnicodeEncodeError as error:
        raise InputError(
            f"{column.name} {error.object!r} has characters beyond ASCII, which FITS can't hold; the file may be "
            "damaged."
        ) from error


# Bits whose names and meanings a header lists, by the column they are in.
BIT_COLUMNS = {"BITMASK": Bit, "FLAGS": QualityBit}
