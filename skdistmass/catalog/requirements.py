"""What must hold before a catalogue is begun or continued, each refused by name."""

import shutil
from numbers import Integral
from pathlib import Path
from typing import Any

from skdistmass.catalog.part_file import disk_errors
from skdistmass.catalog.writers.fits import BLOCK
from skdistmass.exceptions import DistMassError, InputError
from skdistmass.extinction import ExtinctionChoice
from skdistmass.isochrones import IsochroneDistanceRegressor
from skdistmass.surveys.input_file import InputFile
from skdistmass.surveys.parallax import check_zero_point
from skdistmass.writing import overwritten

__all__ = ["check_parameters", "format_of", "refuse_input_as_output", "require_room", "require_same_input"]

FORMATS = {
    ".fits": "FITS",
    ".fit": "FITS",
    ".vot": "VOTable",
    ".votable": "VOTable",
    ".xml": "VOTable",
    ".parquet": "Parquet",
}
#: Room a row takes in the finished file, by format, in units of that in FITS.
_ROOM = {"FITS": 0.0, "VOTable": 1.4, "Parquet": 1.0, "DistMass": 0.6}


def check_parameters(chunk_rows, n_jobs, extinction, zero_point, isochrones) -> ExtinctionChoice:
    for name, value in (("chunk_rows", chunk_rows), ("n_jobs", n_jobs)):
        if not isinstance(value, Integral) or isinstance(value, bool) or value < 1:
            raise InputError(f"{name} is {value!r}; give a positive whole number.")
    extinction = ExtinctionChoice() if extinction is None else extinction
    if not isinstance(extinction, ExtinctionChoice):
        raise InputError(f"extinction is {extinction!r}; give an ExtinctionChoice.")
    check_zero_point(zero_point)
    if isochrones is not None and not isinstance(isochrones, IsochroneDistanceRegressor):
        raise InputError(f"isochrones is {type(isochrones).__name__}; give a fitted IsochroneDistanceRegressor.")
    return extinction


def refuse_input_as_output(survey_path, output_path: Path) -> None:
    if overwritten([survey_path], [output_path]):
        raise InputError(f"{output_path} is the survey itself; give the catalogue another name.")


def format_of(path: Path, style: str, posterior: Any = None) -> str:
    form = FORMATS.get(path.suffix.lower())
    if form is None:
        raise InputError(f"{path}: the ending gives the format of a catalogue; use one of {', '.join(FORMATS)}.")
    if path.is_dir():
        raise InputError(f"{path} is a folder; give the name of a file.")
    if style not in ("skdistmass", "distmass"):
        raise InputError(f"style is {style!r}; give 'skdistmass' or 'distmass'.")
    if style == "distmass":
        if posterior is not None:
            raise InputError("the published layout has no room for posteriors; use the style 'skdistmass' for them.")
        if form != "FITS":
            raise InputError(f"{path}: the published layout is FITS; give a name that ends in .fits.")
        return "DistMass"
    return form


def require_same_input(journal: dict[str, Any], path: Path, now: InputFile) -> None:
    started = journal["input"]
    if (started["size"], started["sha256"]) != (now.size, now.sha256):
        raise DistMassError(
            f"{path} has changed: it is not the survey ({started['name']}, {started['size']} bytes) that the "
            "unfinished catalogue was started with. Give overwrite (--overwrite) to start again."
        )


def require_room(output_path: Path, n_bytes: int, form: str) -> None:
    folder = output_path.parent
    with disk_errors(output_path):
        free = shutil.disk_usage(folder).free
    needed = int(n_bytes * (1.0 + _ROOM[form])) + 20 * BLOCK
    if needed > free:
        raise DistMassError(
            f"{output_path} needs {needed / 1e6:.0f} MB, but {folder} has {free / 1e6:.0f} MB left; make room or "
            "choose another folder."
        )
