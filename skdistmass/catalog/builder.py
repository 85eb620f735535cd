"""From a survey file to a catalogue, in chunks of rows, with a memory bounded by their size."""

import os
import shutil
from collections import deque
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from numbers import Integral
from pathlib import Path

import numpy as np

from skdistmass._version import __version__
from skdistmass.catalog.part_file import PartFile, disk_errors, read_journal
from skdistmass.catalog.rows import BIT_COLUMNS, catalog_columns
from skdistmass.catalog.writers.fits import BLOCK, primary_header, record_type, table_header, to_records
from skdistmass.exceptions import DistMassError, InputError
from skdistmass.extinction import ExtinctionChoice
from skdistmass.surveys.chunks import InputFile, SurveyChunks
from skdistmass.surveys.parallax import check_zero_point

__all__ = ["CatalogReport", "build_catalog"]

FORMATS = {
    ".fits": "FITS",
    ".fit": "FITS",
    ".vot": "VOTable",
    ".votable": "VOTable",
    ".xml": "VOTable",
    ".parquet": "Parquet",
}
#: Room a row takes in the finished file, by format, in units of that in FITS.
_ROOM = {"FITS": 0.0, "VOTable": 1.4, "Parquet": 1.0}


@dataclass(frozen=True)
class CatalogReport:
    """What became of a survey.

    Attributes
    ----------
    path : pathlib.Path
        The catalogue.
    n_rows : int
        Spectra, one row each.
    n_stars : int
        Different APOGEE_IDs; rows without one count as stars of their own.
    n_repeated : int
        Rows that are a further spectrum of a star.
    n_duplicates : int
        Rows whose APSTAR_ID an earlier row has: the same spectrum again.
    bits : dict of dict
        For BITMASK and FLAGS, name of each bit to the number of rows that have it.
    """

    path: Path
    n_rows: int
    n_stars: int
    n_repeated: int
    n_duplicates: int
    bits: dict[str, dict[str, int]] = field(default_factory=dict)


def build_catalog(
    model,
    survey_path,
    output_path,
    *,
    chunk_rows=20_000,
    resume=False,
    overwrite=False,
    progress=None,
    extinction=None,
    parallax_zero_point="model",
    isochrones=None,
    hdu=None,
    model_name=None,
    model_file=None,
    command="",
    n_jobs=1,
):
    """Make the catalogue of a survey: Table 2 of the paper, and what goes beyond it.

    The survey is read, and the catalogue written, `chunk_rows` rows at a time. Until it is complete it has another
    name, ``<output>.part``, with a journal ``<output>.part.json`` beside it: whatever stops the work, the file named
    `output_path` is the old one or the finished new one. What is unfinished can be resumed; the result has the same
    bytes as if it had not been stopped.

    Parameters
    ----------
    model : DistMassModel, path-like or object
        What predicts: a fitted model, a file of one (`skdistmass.load_model`), or any object with ``predict(table)``
        that returns a table or a dictionary of columns.
    survey_path : path-like
        A file that `skdistmass.surveys.read_survey` reads. Only uncompressed FITS is read in parts; of other files
        the needed columns are kept in memory.
    output_path : path-like
        The catalogue, by its ending FITS (.fits, .fit), VOTable (.vot, .votable, .xml) or Parquet (.parquet).
    chunk_rows : int, default=20_000
        Rows worked on at a time. Predictions do not depend on it beyond rounding. A resumed catalogue keeps that it
        was begun with.
    resume : bool, default=False
        Go on with an unfinished catalogue, if there is one; otherwise begin.
    overwrite : bool, default=False
        Replace an existing catalogue, and drop an unfinished one unless `resume` is true.
    progress : callable, optional
        Called as ``progress(rows_done, n_rows)``, at first with the rows that were there already.
    extinction : ExtinctionChoice, optional
        How A_K is chosen; by default as in section 2 of the paper.
    parallax_zero_point : {"model", "lindegren", "none"} or float, default="model"
        See `skdistmass.surveys.parallax.correct_parallaxes`.
    isochrones : IsochroneDistanceRegressor, optional
        Fitted; without it NMSU_DIST is NaN.
    hdu : int or str, optional
        FITS extension of the survey.
    model_name : str, optional
        Name of the model in the header; by default that of its file or its class.
    model_file : path-like, optional
        File that `model` was loaded from, whose checksum goes into the header.
    command : str, default=""
        Command line, for the header. A resumed catalogue keeps that it was begun with.
    n_jobs : int, default=1
        Number of threads that predict chunks at the same time; memory grows with it.

    Returns
    -------
    report : CatalogReport

    Raises
    ------
    InputError
        If the catalogue exists, or was begun, and neither `resume` nor `overwrite` says what to do; if a parameter is
        out of its range, or the survey has no rows.
    FileFormatError, ColumnError, UnitError
        If the survey or the model can't be read or used.
    DistMassError
        If the folder can't be written or has too little room, if the survey changed since the catalogue was begun, or
        the settings are not those it was begun with.

    Examples
    --------
    >>> import tempfile, pathlib
    >>> from skdistmass.catalog import build_catalog
    >>> from skdistmass.datasets import make_survey
    >>> class Dummy:
    ...     def predict(self, table):
    ...         zero = [0] * len(table)
    ...         return {"ABS_MAG": zero, "DISTANCE": zero, "BITMASK": zero, "DISTANCE_SPACE": zero, "MASS_SPACE": zero}
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     survey = pathlib.Path(folder) / "survey.fits"
    ...     make_survey(1000, random_state=0).write(survey)
    ...     report = build_catalog(Dummy(), survey, survey.with_name("catalog.fits"))
    >>> report.n_rows, report.n_repeated
    (1000, 20)
    """
    extinction = _check_parameters(chunk_rows, n_jobs, extinction, parallax_zero_point, isochrones)
    output_path = Path(output_path)
    form = _format_of(output_path)
    part = PartFile(output_path)
    journal = _journal_to_resume(part, output_path, resume, overwrite)
    model, model_cards = _load(model, model_name, model_file)
    survey = SurveyChunks(survey_path, hdu)
    if journal is not None:
        _require_same_input(journal, survey)
        chunk_rows, command = journal["chunk_rows"], journal["command"]
        if not part.path.exists() and journal["rows_done"] == survey.n_rows and output_path.exists():
            # Killed between the two last steps: the catalogue has its name already.
            part.discard()
            return CatalogReport(output_path, **journal["report"])

    def work(table):
        return catalog_columns(table, model, extinction, zero_point=parallax_zero_point, isochrones=isochrones)

    first = work(survey.read(0, min(chunk_rows, survey.n_rows)))
    columns = list(first)
    settings = _settings_cards(extinction, parallax_zero_point, isochrones)
    provenance = _provenance(survey, model_cards, settings, command, chunk_rows)
    header = table_header(columns, survey.n_rows, provenance)
    record = record_type(columns)
    begun = journal is not None
    if not begun:
        _require_room(output_path, record.itemsize * survey.n_rows, form)
        journal = {"rows_done": 0, "chunk_rows": chunk_rows, "command": command, "input": survey.file.as_dict()}
    try:
        part.open(primary_header(provenance[:2]), header, record, journal, resume=begun)
        _fill(part, survey, work, to_records(first), chunk_rows, n_jobs, progress)
        report = _count(part, output_path, columns)
        part.complete({"NSTARS": report.n_stars, "NREPEAT": report.n_repeated, "NDUPSPEC": report.n_duplicates})
        part.remember(report={k: v for k, v in vars(report).items() if k != "path"})
        _publish(part, form, columns, provenance, report)
    except BaseException:
        if part.journal is not None and part.journal["rows_done"] == 0:
            part.discard()
        raise
    finally:
        part.close()
    return report


def _check_parameters(chunk_rows, n_jobs, extinction, zero_point, isochrones):
    for name, value in (("chunk_rows", chunk_rows), ("n_jobs", n_jobs)):
        if not isinstance(value, Integral) or isinstance(value, bool) or value < 1:
            raise InputError(f"{name} is {value!r}; give a positive whole number.")
    extinction = ExtinctionChoice() if extinction is None else extinction
    if not hasattr(extinction, "choose"):
        raise InputError(f"extinction is {extinction!r}; give an ExtinctionChoice.")
    check_zero_point(zero_point)
    if isochrones is not None and not hasattr(isochrones, "predict_posterior"):
        raise InputError(f"isochrones is {type(isochrones).__name__}; give a fitted IsochroneDistanceRegressor.")
    return extinction


def _format_of(path):
    form = FORMATS.get(path.suffix.lower())
    if form is None:
        raise InputError(f"{path}: the format of a catalogue is told by its ending; give one of {', '.join(FORMATS)}.")
    if path.is_dir():
        raise InputError(f"{path} is a folder; give the name of a file.")
    return form


def _journal_to_resume(part, output_path, resume, overwrite):
    """Return the journal to go on with, or None to begin."""
    if resume:
        journal = read_journal(part.journal_path)
        if journal is not None and (part.path.exists() or "report" in journal):
            return journal
    elif part.exists() and not overwrite:
        raise InputError(
            f"{part.path} is an unfinished catalogue; give resume (--resume) to go on with it, or overwrite "
            "(--overwrite) to begin anew."
        )
    if output_path.exists() and not overwrite:
        raise InputError(f"{output_path} exists; give overwrite (--overwrite) to replace it.")
    return None


def _load(model, name, file):
    """Return the model and the header cards that tell which it is."""
    if isinstance(model, str | os.PathLike):
        from skdistmass.model.files import load_model

        file = Path(model)
        name, model = name or file.name, load_model(file)
    if not hasattr(model, "predict"):
        raise InputError(
            f"the model is {type(model).__name__}, which has no method predict; give a fitted DistMassModel."
        )
    cards = [("MODEL", name or type(model).__name__, "model that predicted")]
    if file is not None:
        cards.append(("MODELSHA", InputFile.of(file).sha256, "SHA-256 of the model file"))
    version = (getattr(model, "metadata_", None) or {}).get("skdistmass_version")
    version = version or (getattr(model, "card", None) or {}).get("versions", {}).get("trained_with")
    if version:
        cards.append(("MODELVER", str(version), "skdistmass that trained it"))
    return model, cards


def _settings_cards(extinction, zero_point, isochrones):
    """Header cards of what the columns depend on besides survey and model."""
    cards = []
    for keyword, attribute in (("AKIRAC", "irac"), ("AKWISE", "wise"), ("AKDUST", "dust")):
        law = getattr(extinction, attribute, None)
        if law is not None:
            text = f"{law.name}: A_K = {law.coefficient:g} (x - {law.intrinsic_colour:g}); {law.reference}"
            cards.append((keyword, text, ""))
    dust_map = getattr(extinction, "dust_map", None)
    name = "" if dust_map is None else getattr(dust_map, "__qualname__", type(dust_map).__qualname__)
    cards += [
        ("AKBLIM", float(getattr(extinction, "latitude_limit", 0.0)), "[deg] |b| from which AKDUST is used"),
        ("AKMAP", name or "SFD_EBV", "source of E(B-V)"),
        ("AKNEG", str(getattr(extinction, "negative", "")), "what becomes of a negative A_K"),
        ("PLXZERO", str(zero_point), "zero point of the parallaxes [mas]"),
        ("ISOCHR", isochrones is not None, "is NMSU_DIST there?"),
    ]
    models = getattr(isochrones, "models_", None)
    if models is not None:
        text = " ".join(str(models[name]) for name in ("source", "version") if models.get(name))
        cards.append(("ISOMODEL", text, "stellar models of NMSU_DIST"))
    return cards


def _provenance(survey, model_cards, settings, command, chunk_rows):
    return [
        ("ORIGIN", "skdistmass", "software"),
        ("SKDMVERS", __version__, "its version"),
        *model_cards,
        ("INFILE", survey.file.name, "survey file"),
        ("INSIZE", survey.file.size, "[byte] its size"),
        ("INSHA256", survey.file.sha256, "its SHA-256"),
        ("COMMAND", command, ""),
        ("CHUNKROW", chunk_rows, "rows predicted at a time"),
        *settings,
        ("NSTARS", 0, "different stars"),
        ("NREPEAT", 0, "rows that repeat a star"),
        ("NDUPSPEC", 0, "rows that repeat a spectrum"),
    ]


def _require_same_input(journal, survey):
    begun, now = journal["input"], survey.file.as_dict()
    if (begun["size"], begun["sha256"]) != (now["size"], now["sha256"]):
        raise DistMassError(
            f"{survey.path} has changed: it is not the survey ({begun['name']}, {begun['size']} bytes) that the "
            "unfinished catalogue was begun with. Give overwrite (--overwrite) to begin anew."
        )


def _require_room(output_path, n_bytes, form):
    folder = output_path.parent
    with disk_errors(output_path):
        free = shutil.disk_usage(folder).free
    needed = int(n_bytes * (1.0 + _ROOM[form])) + 20 * BLOCK
    if needed > free:
        raise DistMassError(
            f"{output_path} needs {needed / 1e6:.0f} MB, but {folder} has {free / 1e6:.0f} MB left; make room or "
            "choose another folder."
        )


def _fill(part, survey, work, first, chunk_rows, n_jobs, progress):
    """Add all rows that are not there yet; `first` are those of the first chunk."""
    done = part.journal["rows_done"]
    if done:
        there = part.first_rows(len(first))
        if there.tobytes() != first[: len(there)].tobytes():
            raise DistMassError(
                f"{part.path} holds other predictions than this model and these settings give; repeat the command "
                "as it was, or give overwrite (--overwrite) to begin anew."
            )
    if progress is not None:
        progress(done, survey.n_rows)
    starts = range(done, survey.n_rows, chunk_rows)
    with ThreadPoolExecutor(n_jobs) as pool:
        waiting = deque()
        for start in starts:
            if start == 0:
                waiting.append(pool.submit(lambda: first))
            else:
                table = survey.read(start, min(start + chunk_rows, survey.n_rows))
                waiting.append(pool.submit(lambda table=table: to_records(work(table))))
            if len(waiting) > n_jobs:
                _add(part, waiting.popleft().result(), survey.n_rows, progress)
        while waiting:
            _add(part, waiting.popleft().result(), survey.n_rows, progress)
    survey.check_unchanged()


def _add(part, records, n_rows, progress):
    if records.dtype != part.record:
        raise DistMassError("the model's predictions changed their columns between chunks; it can't be used.")
    part.append(records)
    if progress is not None:
        progress(part.journal["rows_done"], n_rows)


def _count(part, output_path, columns):
    """Count stars, repeats and bits of the rows there are."""
    n_rows = part.journal["rows_done"]
    # Eight bytes a row, of which two in a billion million are alike by chance.
    hashes = {name: np.empty(n_rows, dtype=np.int64) for name in ("APOGEE_ID", "APSTAR_ID")}
    bits = {name: dict.fromkeys(flags.__members__, 0) for name, flags in BIT_COLUMNS.items()}
    start = 0
    for rows in part.pieces():
        for name, found in hashes.items():
            texts = rows[name]
            blank = texts == b""
            found[start : start + len(rows)] = np.fromiter(map(hash, texts.tolist()), np.int64, len(rows))
            found[start : start + len(rows)][blank] = start + np.flatnonzero(blank)
        for name, flags in BIT_COLUMNS.items():
            for bit in flags:
                bits[name][bit.name] += int(np.count_nonzero(rows[name] & int(bit)))
        start += len(rows)
    n_stars = len(np.unique(hashes["APOGEE_ID"]))
    n_spectra = len(np.unique(hashes["APSTAR_ID"]))
    return CatalogReport(output_path, n_rows, n_stars, n_rows - n_stars, n_rows - n_spectra, bits)


def _publish(part, form, columns, provenance, report):
    """Give the finished catalogue its name, in its format."""
    if form == "FITS":
        part.publish()
        return
    counts = {"NSTARS": report.n_stars, "NREPEAT": report.n_repeated, "NDUPSPEC": report.n_duplicates}
    provenance = [(keyword, counts.get(keyword, value), comment) for keyword, value, comment in provenance]
    if form == "VOTable":
        from skdistmass.catalog.writers.votable import write_votable as write
    else:
        from skdistmass.catalog.writers.parquet import write_parquet as write
    converted = part.path.with_name(part.path.name + ".converted")
    try:
        with disk_errors(part.target, " The part is kept: make room and resume (--resume)."):
            write(converted, columns, provenance, part.pieces())
            with open(converted, "rb+") as file:
                os.fsync(file.fileno())
        part.publish(converted)
    finally:
        converted.unlink(missing_ok=True)
