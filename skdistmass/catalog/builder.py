"""From a survey file to a catalogue, in chunks of rows, with a memory bounded by their size."""

import os
from collections import deque
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import suppress
from dataclasses import replace
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from numpy.typing import NDArray

from skdistmass.catalog.finished import counts_of_finished
from skdistmass.catalog.part_file import PartFile, disk_errors, read_journal
from skdistmass.catalog.provenance import Card, catalog_cards, filled, model_cards, posterior_cards, settings_cards
from skdistmass.catalog.report import CatalogReport, count_rows
from skdistmass.catalog.requirements import (
    check_parameters,
    format_of,
    refuse_input_as_output,
    require_room,
    require_same_input,
)
from skdistmass.catalog.rows import catalog_columns, prepared
from skdistmass.catalog.writers.distmass import write_distmass
from skdistmass.catalog.writers.fits import primary_header, record_type, table_header, to_records, write_rows
from skdistmass.catalog.writers.parquet import write_parquet
from skdistmass.catalog.writers.votable import write_votable
from skdistmass.estimators.label_calibration import as_calibration
from skdistmass.exceptions import DistMassError, InputError
from skdistmass.extinction import ExtinctionChoice
from skdistmass.isochrones import IsochroneDistanceRegressor
from skdistmass.model import Predictor, StoredPosterior, check_scale, load_model
from skdistmass.networks.blas import one_blas_thread
from skdistmass.schema.columns import CatalogColumn
from skdistmass.surveys.chunks import SurveyFile
from skdistmass.surveys.input_file import InputFile, checksum_beside
from skdistmass.surveys.stars import Stars, stack_stars

__all__ = ["CatalogReport", "build_catalog"]

# Rows that the scale of the labels is checked on: so many stretches of so many rows.
_N_SAMPLES, _SAMPLE_ROWS = 20, 300
_WRITERS = {"FITS": write_rows, "VOTable": write_votable, "Parquet": write_parquet, "DistMass": write_distmass}


@one_blas_thread()
def build_catalog(
    model: Predictor | str | os.PathLike[str],
    survey_path: str | os.PathLike[str],
    output_path: str | os.PathLike[str],
    *,
    chunk_rows: int = 20_000,
    resume: bool = False,
    overwrite: bool = False,
    progress: Callable[[int, int], None] | None = None,
    extinction: ExtinctionChoice | None = None,
    parallax_zero_point: str | float = "model",
    isochrones: IsochroneDistanceRegressor | None = None,
    calibration: Any = None,
    out_of_fold: bool = True,
    posterior: StoredPosterior | str | None = None,
    style: str = "skdistmass",
    layout: str | os.PathLike[str] | None = None,
    hdu: int | str | None = None,
    model_name: str | None = None,
    model_file: str | os.PathLike[str] | None = None,
    command: str = "",
    n_jobs: int = 1,
) -> CatalogReport:
    """Make the catalogue of a survey: Table 2 of the paper, and what goes beyond it.

    The survey is read and the catalogue written in chunks of `chunk_rows` rows. Until the catalogue is complete it has
    another name, ``<output>.part``, with a journal ``<output>.part.json`` beside it. Whatever stops the work, the file
    named `output_path` is either the old one or the finished new one. An unfinished catalogue can be resumed, with the
    same result as without the stop.

    Parameters
    ----------
    model : Predictor or path-like
        A fitted `skdistmass.DistMassModel`, a `skdistmass.deploy.OnnxPredictor` or another
        `skdistmass.model.Predictor`; or the file of a `DistMassModel`.
    survey_path : path-like
        A file that `skdistmass.surveys.read_survey` reads.
    output_path : path-like
        The catalogue. Its ending gives the format: FITS (.fits, .fit), VOTable (.vot, .votable, .xml) or Parquet
        (.parquet).
    chunk_rows : int, default=20_000
        Rows worked on at a time. Predictions depend on it by rounding only. A resumed catalogue keeps the value it was
        started with.
    resume : bool, default=False
        Continue an unfinished catalogue, if there is one; otherwise start. One that was stopped before the checksum of
        the survey was known, in the first seconds, starts again. A finished one of the same survey, model and settings
        is left as it is.
    overwrite : bool, default=False
        Replace an existing catalogue, and drop an unfinished one unless `resume` is true.
    progress : callable, optional
        Called as ``progress(rows_done, n_rows)``, the first time with the rows that were there already.
    extinction : ExtinctionChoice, optional
        How A_K is chosen; by default as in section 2 of the paper.
    parallax_zero_point : {"model", "lindegren", "none"} or float, default="model"
        See `skdistmass.surveys.parallax.correct_parallaxes`.
    isochrones : IsochroneDistanceRegressor, optional
        Fitted; without it NMSU_DIST is NaN.
    calibration : LabelCalibration, ConstraintCalibration or path-like, optional
        Brings the labels to the model's scale, as in `skdistmass.DistMassModel.predict`; the header names it.
    out_of_fold : bool, default=True
        Whether stars that the model was trained on get predictions from networks that had not seen them.
    posterior : {"quantiles", "summary", "draws"} or StoredPosterior, optional
        Keep the joint posteriors of absolute magnitude, distance, mass and age as well, in this form.
    style : {"skdistmass", "distmass"}, default="skdistmass"
        Names and units of the columns. "distmass" is the published DistMass file: Table 2 only, distances in pc, ages
        in years, FITS only.
    layout : str or path-like, optional
        Layout of the survey; see `skdistmass.surveys.read_survey`.
    hdu : int or str, optional
        FITS extension of the survey.
    model_name : str, optional
        Name of the model in the header; by default that of its file or its class.
    model_file : path-like, optional
        File that `model` was loaded from, whose checksum goes into the header.
    command : str, default=""
        Command line, for the header. A resumed catalogue keeps the one it was started with.
    n_jobs : int, default=1
        Number of threads that predict chunks at the same time; memory grows with it.

    Returns
    -------
    report : CatalogReport

    Raises
    ------
    InputError
        If the catalogue or an unfinished one exists, and neither `resume` nor `overwrite` says what to do; if `resume`
        meets a finished catalogue of another survey or model, or of other settings; if a parameter is out of its range,
        the survey has no rows, or the output is the survey itself.
    FileFormatError, ColumnError, UnitError
        If the survey or the model can't be read or used.
    DistMassError
        If the folder can't be written or has too little room, if the survey changed since the catalogue was started,
        or the settings are others than it was started with.

    Examples
    --------
    >>> import tempfile, pathlib
    >>> import numpy as np
    >>> from skdistmass.catalog import build_catalog
    >>> from skdistmass.datasets import make_survey
    >>> class Constant:
    ...     card = {}
    ...     def predict_columns(self, stars, *, out_of_fold=True):
    ...         return {"ABS_MAG": np.full(len(stars), -1.6), "BITMASK": np.zeros(len(stars), int)}
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     survey = pathlib.Path(folder) / "survey.fits"
    ...     make_survey(1000, random_state=0).write(survey)
    ...     report = build_catalog(Constant(), survey, survey.with_name("catalog.fits"))
    >>> report.n_rows, report.n_repeated
    (1000, 20)
    """
    extinction = check_parameters(chunk_rows, n_jobs, extinction, parallax_zero_point, isochrones)
    output_path = Path(output_path)
    posterior = StoredPosterior.of(posterior)
    form = format_of(output_path, style, posterior)
    refuse_input_as_output(survey_path, output_path)
    part = PartFile(output_path)
    finished = resume and not overwrite and output_path.exists() and not part.exists()
    journal = None if finished else _journal_to_resume(part, output_path, resume, overwrite)
    model, about_model = _load(model, model_name, model_file)
    calibration = None if calibration is None else as_calibration(calibration)
    with SurveyFile(survey_path, layout, hdu) as survey, checksum_beside(survey_path) as checksum:
        if journal is not None:
            require_same_input(journal, survey.path, checksum.result())
            chunk_rows, command = journal["chunk_rows"], journal["command"]
            if not part.path.exists() and journal["rows_done"] == survey.n_rows and output_path.exists():
                # Killed between the two last steps: the catalogue has its name already.
                part.discard()
                return CatalogReport(output_path, **journal["report"])
        work = partial(
            catalog_columns,
            model=model,
            extinction=extinction,
            zero_point=parallax_zero_point,
            isochrones=isochrones,
            out_of_fold=out_of_fold,
            calibration=calibration,
            posterior=posterior,
        )
        first = work(survey.read(0, chunk_rows))
        columns = list(first)
        settings = settings_cards(extinction, parallax_zero_point, isochrones, out_of_fold, calibration)
        settings += posterior_cards(posterior)
        cards = catalog_cards(survey, about_model, settings, command, chunk_rows)
        if finished:
            cards = filled(cards, {"INSHA256": checksum.result().sha256})
            return _finished_report(output_path, form, columns, cards, to_records(first), survey.n_rows)
        header, record = table_header(columns, survey.n_rows, cards), record_type(columns)
        resumed = journal is not None
        if journal is None:
            require_room(output_path, record.itemsize * survey.n_rows, form)
            journal = {"rows_done": 0, "chunk_rows": chunk_rows, "command": command}
        try:
            part.open(primary_header(cards[:2]), header, record, journal, resume=resumed)
            _fill(part, survey, work, to_records(first), chunk_rows, n_jobs, progress, checksum)
            said = _check_scale(survey, model, extinction, parallax_zero_point, calibration)
            report = replace(count_rows(part, output_path), scale=said)
            facts = report.cards() | {"INSHA256": checksum.result().sha256}
            part.complete(facts)
            part.remember(report={k: v for k, v in vars(report).items() if k != "path"})
            _publish(part, form, columns, filled(cards, facts))
        except BaseException:
            if part.journal is not None and part.journal["rows_done"] == 0:
                part.discard()
            raise
        finally:
            part.close()
    return report


def _journal_to_resume(part: PartFile, output_path: Path, resume: bool, overwrite: bool) -> dict[str, Any] | None:
    """Return the journal of the catalogue to continue, or None to start."""
    if resume:
        journal = read_journal(part.journal_path)
        # Stopped before the survey's checksum was known: nothing tells that the survey is the same.
        if journal is not None and "input" in journal and (part.path.exists() or "report" in journal):
            return journal
    elif part.exists() and not overwrite:
        raise InputError(
            f"{part.path} is an unfinished catalogue; give resume (--resume) to continue it, or overwrite "
            "(--overwrite) to start again."
        )
    if output_path.exists() and not overwrite:
        raise InputError(f"{output_path} exists; give overwrite (--overwrite) to replace it.")
    return None


def _finished_report(
    output_path: Path, form: str, columns: Sequence[CatalogColumn], cards: Sequence[Card], first: NDArray, n_rows: int
) -> CatalogReport:
    """Report on a catalogue that is there already, if it is the one that would be made; refuse it otherwise."""
    # Beside the catalogue there may be no right to write.
    with TemporaryDirectory() as folder:
        beginning = Path(folder) / output_path.name
        _WRITERS[form](beginning, columns, cards, [first])
        counts = counts_of_finished(output_path, beginning, cards, n_rows)
    told = counts["NSTARS"], counts["NREPEAT"], counts["NDUPSPEC"]
    return CatalogReport(output_path, n_rows, *told, finished_before=True)


def _load(model, name, file) -> tuple[Predictor, list[Card]]:
    """Return the model and the header cards that say which it is."""
    if isinstance(model, str | os.PathLike):
        file = Path(model)
        name, model = name or file.name, load_model(file)
    if not isinstance(model, Predictor):
        raise InputError(
            f"the model is {type(model).__name__}, which is no predictor; give a fitted DistMassModel, an "
            "OnnxPredictor, or an object with `card` and `predict_columns` (skdistmass.model.Predictor)."
        )
    return model, model_cards(model, name, file)


def _fill(
    part: PartFile,
    survey: SurveyFile,
    work: Callable[[Stars], dict[CatalogColumn, NDArray]],
    first: NDArray,
    chunk_rows: int,
    n_jobs: int,
    progress: Callable[[int, int], None] | None,
    checksum: Future[InputFile],
) -> None:
    """Add all rows that are not there yet; `first` are those of the first chunk."""
    done = part.journal["rows_done"]
    if done and not part.agrees_with(first):
        raise DistMassError(
            f"{part.path} holds other predictions than this model and these settings give; repeat the command as it "
            "was, or give overwrite (--overwrite) to start again."
        )
    if progress is not None:
        progress(done, survey.n_rows)

    def add(records: NDArray) -> None:
        if records.dtype != part.record:
            raise DistMassError("the model's predictions changed their columns between chunks; it can't be used.")
        if checksum.done():
            part.journal["input"] = checksum.result().as_dict()
        part.append(records)
        if progress is not None:
            progress(part.journal["rows_done"], survey.n_rows)

    starts = range(done, survey.n_rows, chunk_rows)
    with ThreadPoolExecutor(n_jobs) as pool:
        waiting: deque[Future[NDArray]] = deque()
        for start in starts:
            if start == 0:
                waiting.append(pool.submit(lambda: first))
            else:
                table = survey.read(start, start + chunk_rows)
                waiting.append(pool.submit(lambda rows: to_records(work(rows)), table))
            if len(waiting) > n_jobs:
                add(waiting.popleft().result())
        while waiting:
            add(waiting.popleft().result())
    part.remember(input=checksum.result().as_dict())
    survey.check_unchanged()


def _check_scale(survey: SurveyFile, model: Predictor, extinction, zero_point, calibration) -> str:
    """Say how labels from all over the survey are off the model's scale; blank if they don't seem to be."""
    starts = range(0, survey.n_rows, max(survey.n_rows // _N_SAMPLES, _SAMPLE_ROWS))
    sample = [survey.read(start, start + _SAMPLE_ROWS) for start in starts]
    stars = stack_stars([prepared(rows, model, extinction, zero_point) for rows in sample])
    shift = check_scale(model, stars if calibration is None else calibration.calibrate(stars))
    return "" if shift is None else shift.message()


def _publish(part: PartFile, form: str, columns: Sequence[CatalogColumn], cards: Iterable[Card]) -> None:
    """Give the finished catalogue its name, in its format."""
    if form == "FITS":
        part.publish()
        return
    write = _WRITERS[form]
    converted = part.path.with_name(part.path.name + ".converted")
    try:
        with disk_errors(part.target, part.hint):
            write(converted, columns, cards, part.pieces())
            with open(converted, "rb+") as file:
                os.fsync(file.fileno())
        part.publish(converted)
    finally:
        with suppress(OSError):
            converted.unlink(missing_ok=True)
