"""From rows of a survey to rows of a catalogue: all columns of the schema, in order, as plain arrays."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray

from skdistmass.estimators.label_calibration.base import LabelShift
from skdistmass.exceptions import ColumnError, InputError
from skdistmass.extinction import ExtinctionChoice
from skdistmass.isochrones import IsochroneDistanceRegressor
from skdistmass.model import Predictor, StoredPosterior, cuts_of, predict_calibrated, prediction
from skdistmass.schema.bits import Bit, QualityBit
from skdistmass.schema.columns import CatalogColumn, layout, scales_of
from skdistmass.schema.limits import MAG_ERR
from skdistmass.surveys.parallax import correct_parallaxes
from skdistmass.surveys.stars import Stars

__all__ = ["BIT_COLUMNS", "catalog_columns", "prepared"]

# Bits whose names and meanings a header lists, by the column they are in.
BIT_COLUMNS = {"BITMASK": Bit, "FLAGS": QualityBit}


def catalog_columns(
    stars: Stars,
    model: Predictor,
    extinction: ExtinctionChoice,
    *,
    zero_point: str | float = "model",
    isochrones: IsochroneDistanceRegressor | None = None,
    out_of_fold: bool = True,
    calibration: LabelShift | None = None,
    posterior: StoredPosterior | None = None,
) -> dict[CatalogColumn, NDArray]:
    """Make all columns of a catalogue for rows of a survey."""
    stars = prepared(stars, model, extinction, zero_point)
    kept = {} if posterior is None else _posterior(posterior, model, stars, out_of_fold, calibration)
    # Labels that no star can have overflow in a network's last step; what is not finite becomes NaN below.
    with np.errstate(over="ignore", invalid="ignore"):
        stars, predicted = predict_calibrated(model, stars, calibration, out_of_fold=out_of_fold)
    for name, values in predicted.items():
        if np.shape(values) != (len(stars),):
            raise ColumnError(f"the model's column {name} has shape {np.shape(values)} for {len(stars)} stars.")
    columns = prediction.complete(stars, predicted, cuts_of(model.card))
    if isochrones is not None:
        columns |= _isochrone_distances(isochrones, stars, columns)
    known = {column: columns.get(column.name) for column in layout(scales_of(predicted))}
    return {column: _convert(values, column, len(stars)) for column, values in (known | kept).items()}


def _posterior(
    posterior: StoredPosterior, model: Predictor, stars: Stars, out_of_fold: bool, calibration: LabelShift | None
) -> dict[CatalogColumn, NDArray]:
    """Draw posteriors; the error of a calibration is in those of the labels."""
    if calibration is not None:
        stars = calibration.calibrate(stars.with_metallicity(model.card.get("metallicity", "M_H")))
    with np.errstate(over="ignore", invalid="ignore"):
        return posterior.columns_of(model, stars, out_of_fold=out_of_fold)


def prepared(stars: Stars, model: Predictor, extinction: ExtinctionChoice, zero_point: str | float) -> Stars:
    """Return stars with the extinctions, parallaxes and metallicity that a model gets them with."""
    stars = extinction.apply(stars).with_metallicity(model.card.get("metallicity", "M_H"))
    return correct_parallaxes(stars, zero_point)


def _isochrone_distances(
    isochrones: IsochroneDistanceRegressor, stars: Stars, columns: Mapping[str, NDArray]
) -> dict[str, NDArray]:
    mag_err = stars.floats("K_ERR")
    posterior = isochrones.predict_posterior(
        stars,
        magnitude=columns["MAG"],
        magnitude_err=np.where(mag_err > 0, mag_err, MAG_ERR),
        extinction=columns["EXTINCTION"],
        extinction_err=columns["EXTINCTION_ERR"],
        marginals=False,
    )
    return {
        "NMSU_DIST": posterior["distance"].to_value("kpc"),
        "NMSU_DIST_LO": posterior["distance_p16"].to_value("kpc"),
        "NMSU_DIST_HI": posterior["distance_p84"].to_value("kpc"),
        "NMSU_FLAG": np.asarray(posterior["flag"]),
    }


def _convert(values: NDArray | None, column: CatalogColumn, n_stars: int) -> NDArray:
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


def _fit_text(values: NDArray | None, column: CatalogColumn, n_stars: int) -> NDArray:
    """Return text as bytes of the schema's width. Longer text is an error; it is not cut."""
    width = int(column.dtype[1:])
    if values is None:
        return np.zeros(n_stars, dtype=f"S{width}")
    values = np.asarray(values).astype(str)
    lengths = np.char.str_len(values)
    if lengths.max(initial=0) > width:
        longest = values[np.argmax(lengths)]
        raise ColumnError(
            f"{column.name} {longest[:80]!r} has {len(longest)} characters, but a catalogue has room for {width}; "
            "shorten it."
        )
    try:
        return values.astype(f"S{width}")
    except UnicodeEncodeError as error:
        raise InputError(
            f"{column.name} {error.object[:80]!r} has characters outside ASCII, which FITS can't hold; the file may "
            "be damaged."
        ) from error
