"""Header cards of a catalogue: the software, the model, the survey and the settings it was made with."""

from __future__ import annotations

import os
import re
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from astropy.io import fits

from skdistmass._version import __version__
from skdistmass.estimators.label_calibration.base import LabelShift
from skdistmass.extinction import ExtinctionChoice
from skdistmass.isochrones import IsochroneDistanceRegressor
from skdistmass.model import STORED_LEVELS, Predictor, StoredPosterior
from skdistmass.surveys.chunks import SurveyFile
from skdistmass.surveys.files import identify
from skdistmass.surveys.formats.common import open_stream, quiet
from skdistmass.surveys.input_file import InputFile

__all__ = [
    "Card",
    "catalog_cards",
    "filled",
    "model_cards",
    "origin_of",
    "posterior_cards",
    "read_cards",
    "settings_cards",
]

#: Keyword, value and comment of a header card.
Card = tuple[str, str | int | float | bool, str]


def model_cards(model: Predictor, name: str | None, file: str | os.PathLike[str] | None) -> list[Card]:
    """Return the cards that say which model predicted."""
    cards: list[Card] = [("MODEL", name or type(model).__name__, "model that predicted")]
    if file is not None:
        cards.append(("MODELSHA", InputFile.of(Path(file)).sha256, "SHA-256 of the model file"))
    version = model.card.get("versions", {}).get("trained_with")
    if version:
        cards.append(("MODELVER", str(version), "skdistmass that trained it"))
    return cards


def settings_cards(
    extinction: ExtinctionChoice,
    zero_point: str | float,
    isochrones: IsochroneDistanceRegressor | None,
    out_of_fold: bool,
    calibration: LabelShift | None = None,
) -> list[Card]:
    """Return the cards of what the columns depend on besides survey and model."""
    cards: list[Card] = []
    for keyword, law in (("AKIRAC", extinction.irac), ("AKWISE", extinction.wise), ("AKDUST", extinction.dust)):
        text = f"{law.name}: A_K = {law.coefficient:g} (x - {law.intrinsic_colour:g}); {law.reference}"
        cards.append((keyword, text, ""))
    dust_map = extinction.dust_map
    name = "SFD_EBV" if dust_map is None else getattr(dust_map, "__qualname__", type(dust_map).__qualname__)
    cards += [
        ("AKBLIM", float(extinction.latitude_limit), "[deg] |b| from which AKDUST is used"),
        ("AKMAP", name, "source of E(B-V)"),
        ("AKNEG", extinction.negative, "what a negative A_K becomes"),
        ("AKCOLOUR", _colours(extinction), ""),
        ("AKASSUME", "none" if extinction.assumed is None else f"{extinction.assumed:g}", "[mag] A_K of the rest"),
        ("PLXZERO", str(zero_point), "zero point of the parallaxes [mas]"),
        ("OUTFOLD", out_of_fold, "training stars predicted out of fold?"),
        ("ISOCHR", isochrones is not None, "is NMSU_DIST there?"),
    ]
    if calibration is not None:
        name, checksum = calibration.identity
        cards += [("CALIB", name, "calibration of the labels"), ("CALIBSHA", checksum, "SHA-256 of its file")]
        for keyword, end in (("CALFROM", "from"), ("CALTO", "to")):
            if end in calibration.provenance_:
                cards.append((keyword, calibration.provenance_[end], ""))
    if isochrones is not None:
        cards.append(("ISOMODEL", _models_of(isochrones), "stellar models of NMSU_DIST"))
    return cards


def _models_of(isochrones: IsochroneDistanceRegressor) -> str:
    """Name the stellar models of isochrones."""
    models = isochrones.models_
    return " ".join(str(models[key]) for key in ("source", "version") if models.get(key))


def posterior_cards(posterior: StoredPosterior | None) -> list[Card]:
    """Return the cards of a catalogue's posteriors."""
    if posterior is None:
        return []
    cards: list[Card] = [
        ("POSTFORM", posterior.form, "form of the posteriors"),
        ("POSTDRAW", int(posterior.n_samples), "draws of each star"),
        ("POSTSEED", int(posterior.seed), "seed of the draws"),
        ("POSTSCAL", posterior.scale or "the first", "mass scale of the posteriors"),
        ("POSTPLX", posterior.parallax, "does the parallax count?"),
        ("POSTAGE", "none" if posterior.age_limit is None else f"{posterior.age_limit:g}", "[Gyr] limit of age"),
    ]
    if posterior.isochrones is not None:
        cards.append(("POSTISO", _models_of(posterior.isochrones), "stellar models of dwarfs"))
    physics = posterior.physics
    if physics is not None and physics.alpha is not None:
        cards.append(("POSTALPH", physics.alpha, "[alpha/Fe] in the ages"))
    if physics is not None and physics.mass_loss is not None:
        cards.append(("POSTLOSS", str(physics.mass_loss), ""))
        cards.append(("POSTSTAT", physics.states is not None, "states of stars by a classifier?"))
    if posterior.form == "quantiles":
        cards.append(("POSTLEV", " ".join(f"{level:.6g}" for level in STORED_LEVELS), ""))
    return cards


def _colours(extinction: ExtinctionChoice) -> str:
    """Say which colours without dust give A_K of stars that have no other."""
    colours = extinction.intrinsic_colours()
    return "none" if colours is None else f"colours without dust: {colours.source or 'of the user'}"


def catalog_cards(
    survey: SurveyFile, about_model: list[Card], settings: list[Card], command: str, chunk_rows: int
) -> list[Card]:
    """Return all cards of a catalogue; `filled` gives those their values that are known when it is complete."""
    return [
        ("ORIGIN", "skdistmass", "software"),
        ("SKDMVERS", __version__, "its version"),
        *about_model,
        ("INFILE", survey.path.name, "survey file"),
        ("INSIZE", survey.n_bytes, "[byte] its size"),
        ("INSHA256", "0" * 64, "its SHA-256"),
        ("COMMAND", command, ""),
        ("CHUNKROW", chunk_rows, "rows predicted at a time"),
        *settings,
        ("NSTARS", 0, "different stars"),
        ("NREPEAT", 0, "rows that repeat a star"),
        ("NDUPSPEC", 0, "rows that repeat a spectrum"),
    ]


def filled(cards: Iterable[Card], facts: Mapping[str, Any]) -> list[Card]:
    """Return cards with other values for some keywords."""
    return [(keyword, facts.get(keyword, value), comment) for keyword, value, comment in cards]


# What `origin_of` looks for, in its order.
_ORIGIN = {"MODEL": "model", "CALIB": "calibration", "INFILE": "survey"}
_CHECKSUMS = {"MODEL": "MODELSHA", "CALIB": "CALIBSHA", "INFILE": "INSHA256"}


def read_cards(path: str | os.PathLike[str]) -> dict[str, str]:
    """Return keywords and values of the cards in a table file, as text; empty for no catalogue of this package."""
    kind, found = identify(Path(path)), {}
    if kind == "FITS":
        with quiet(), fits.open(path) as hdus:
            found = {name: str(value) for hdu in hdus for name, value in hdu.header.items()}
    elif kind == "Parquet":
        import pyarrow.parquet as pq

        metadata = pq.read_schema(path).metadata or {}
        found = {name.decode(): value.decode() for name, value in metadata.items() if name.isupper()}
    elif kind == "VOTable":
        with open_stream(Path(path)) as stream:
            head = stream.read(1 << 16).decode("utf-8", "replace")
        found = dict(re.findall(r'<(?:PARAM|INFO)\b[^>]*?\bname="(\w+)"[^>]*?\bvalue="([^"]*)"', head))
    return found if "SKDMVERS" in found else {}


def origin_of(path: str | os.PathLike[str]) -> dict[str, str]:
    """Return what a catalogue was made from: model, calibration and survey, each with its SHA-256.

    Parameters
    ----------
    path : path-like
        A table file; empty for one that is no catalogue of this package.

    Returns
    -------
    origin : dict of str
    """
    found, origin = read_cards(path), {}
    for name, word in _ORIGIN.items():
        if name in found:
            checksum = found.get(_CHECKSUMS[name])
            origin[word] = found[name] + (f" (SHA-256 {checksum})" if checksum else "")
    return origin
