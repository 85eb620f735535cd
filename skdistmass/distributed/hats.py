"""A HATS catalogue to a HATS catalogue, by LSDB on workers of Dask; finished partitions survive a stop."""

from __future__ import annotations

import hashlib
import json
import os
import re
import shutil
import zipfile
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from skdistmass.distributed.engines import predict_catalog, predictor_of
from skdistmass.exceptions import DistMassError, FileFormatError, InputError, shortened
from skdistmass.writing import BuildLock

__all__ = ["build_hats", "is_hats"]

_PATIENCE = "20s"  # until a scheduler answers
# Of ZSTD. With the 15 of HATS a file takes seven times as long, and is 1 % smaller.
_LEVEL = 3
_MARKS = ("collection.properties", "hats.properties", "properties")


def is_hats(path: str | os.PathLike[str]) -> bool:
    """Tell whether a folder is a HATS catalogue, or a collection of one and its margins."""
    return any((Path(path) / name).is_file() for name in _MARKS)


def build_hats(
    model: Any,
    catalog_path: str | os.PathLike[str],
    output_path: str | os.PathLike[str],
    *,
    workers: int = 1,
    scheduler: str | None = None,
    resume: bool = False,
    overwrite: bool = False,
    cone: tuple[float, float, float] | None = None,
    query: str | None = None,
    keep: Iterable[str] = (),
    progress: bool = False,
    **settings: Any,
) -> int:
    """Make the catalogue of a survey in HATS format, as HATS.

    Until it is complete the catalogue is in the folder ``<output>.part``, with a journal ``<output>.part.json`` beside
    it. What stops the work leaves the finished partitions there, and `resume` keeps them.

    Parameters
    ----------
    model : Predictor, str or path-like
        A trained model, its file, or the name of one that comes with the package.
    catalog_path, output_path : path-like
        Folders of the survey and of the catalogue.
    workers : int, default=1
        Processes on this machine, each with one thread.
    scheduler : str, optional
        Address of a scheduler of Dask, whose workers are used instead; they must see both folders.
    resume : bool, default=False
        Keep the finished partitions of an unfinished catalogue, if there is one. A finished catalogue of the same
        survey, model and settings is left as it is.
    overwrite : bool, default=False
        Replace an existing catalogue, and drop an unfinished one unless `resume` is true.
    cone : tuple of float, optional
        Right ascension and declination (deg) and radius (arcsec) of the part of the sky to predict.
    query : str, optional
        Condition on columns of the survey that chooses rows, as for `lsdb.Catalog.query`.
    keep : iterable of str, optional
        Columns of the survey to keep, besides positions.
    progress : bool, default=False
        Whether to show a progress bar.
    **settings
        As for `predict_catalog`.

    Returns
    -------
    n_rows : int
        Rows of the catalogue.

    Raises
    ------
    InputError, ColumnError
        As `predict_catalog`; or if the catalogue exists and neither `resume` nor `overwrite` says what to do; if
        `resume` meets a finished catalogue of another survey or model, or of other settings; or if the output is the
        survey, holds it, or holds what is no HATS catalogue.
    FileFormatError
        If the survey is no HATS catalogue, or a file of it can't be read; the message names its partition.
    DistMassError
        If an unfinished catalogue was started with another survey, model or settings, if there is no room, or a package
        is not installed.
    """
    source, output = Path(catalog_path), Path(output_path)
    if not is_hats(source):
        raise FileFormatError(f"{source} is no HATS catalogue: there is no {' or '.join(_MARKS[:2])} in it.")
    part, journal = (output.with_name(output.name + end) for end in (".part", ".part.json"))
    _refuse_folders(source, output, part, overwrite)
    with _packages():
        import lsdb

    # LSDB reads all columns that a catalogue is opened with, also if a later step takes a few.
    with _opened(source):
        catalog = lsdb.open_catalog(source, columns="all")
        predictor = predictor_of(catalog, model, keep, settings)
        asked = [name for name in catalog.columns if query and re.search(rf"\b{re.escape(name)}\b", query)]
        catalog = lsdb.open_catalog(source, columns=list(dict.fromkeys([*predictor.needed, *asked])))
    settings["layout"] = predictor.layout
    n_rows = catalog.hc_structure.catalog_info.total_rows
    if cone is not None or query is not None:
        catalog, n_rows = _chosen(catalog, cone, query), None
    found = predict_catalog(catalog, model, keep=keep, **settings)
    # In the properties of the catalogue, too: so a finished one is known again.
    asked_for = {"survey": _state_of(source), "columns": list(found.columns), "cone": cone, "query": query}
    info = found.hc_structure.catalog_info
    told = {f"skdistmass_{name}": json.dumps(value) for name, value in asked_for.items()}
    found.hc_structure.catalog_info = info.copy_and_update(**told)
    started = _settings_of(found)
    if resume and not overwrite and output.exists() and not part.exists():
        return _rows_of_finished(output, started)
    with _locked(output, journal):
        continued = _prepare(output, part, journal, started, resume, overwrite)
        with _client(workers, scheduler), _told(source, output, part):
            how = {"resume": continued, "progress_bar": progress, "write_table_kwargs": {"compression_level": _LEVEL}}
            found.write_catalog(part, catalog_name=output.name, **how)
        written = int(lsdb.open_catalog(part).hc_structure.catalog_info.total_rows or 0)
        if n_rows is not None and written != n_rows:
            raise DistMassError(f"{part} has {written} rows, but {source} has {n_rows}; give overwrite (--overwrite).")
        if output.exists():
            shutil.rmtree(output)
        os.replace(part, output)
        journal.unlink()
    return written


@contextmanager
def _opened(source: Path) -> Iterator[None]:
    """Turn what a damaged folder raises into an error that names it."""
    try:
        yield
    except DistMassError:
        raise
    except Exception as error:  # of hats, pydantic, pandas, Arrow or astropy
        raise FileFormatError(f"{source} can't be read as a HATS catalogue ({shortened(error)}).") from error


def _chosen(catalog: Any, cone: tuple[float, float, float] | None, query: str | None) -> Any:
    """Return the part of a catalogue that a cone and a condition leave."""
    asked: Any = cone
    try:
        catalog = catalog if cone is None else catalog.cone_search(*cone)
        if query is not None:
            asked = query
            catalog.meta.query(query)  # LSDB tries it on a worker only
            catalog = catalog.query(query)
        return catalog
    except Exception as error:  # pandas and lsdb have many types for what they don't understand
        raise InputError(f"{asked!r} can't be used to choose stars: {shortened(error)}") from error


def _refuse_folders(source: Path, output: Path, part: Path, overwrite: bool) -> None:
    """Refuse an output that is the survey, or in it, or holds it; and one whose files are not a catalogue's."""
    survey = source.resolve()
    for path in (output.resolve(), part.resolve()):
        if path.is_relative_to(survey) or survey.is_relative_to(path):
            raise InputError(f"{output} is the survey itself, in it, or holds it; give the catalogue another name.")
    if output.is_symlink():
        raise InputError(f"{output} is a link; give the name of the folder.")
    if overwrite and output.exists() and not is_hats(output):
        raise InputError(f"{output} is no HATS catalogue, and is not replaced; give the catalogue another name.")


def _settings_of(catalog: Any) -> dict[str, str]:
    about = catalog.hc_structure.catalog_info.extra_dict()
    return {key: value for key, value in about.items() if key.startswith("skdistmass_")}


def _rows_of_finished(output: Path, wanted: dict[str, str]) -> int:
    """Return the rows of a finished catalogue, which must be of this survey, model and settings."""
    import lsdb

    try:
        finished = lsdb.open_catalog(output)
    except Exception as error:  # a folder may hold anything
        raise InputError(
            f"{output} exists, and is no HATS catalogue ({shortened(error)}); give another name."
        ) from error
    other = _differing(_settings_of(finished), wanted)
    if other:
        raise InputError(
            f"{output} exists, and is not the catalogue of this survey, model and settings ({other}); give it another "
            "name, or overwrite (--overwrite) to replace it."
        )
    return int(finished.hc_structure.catalog_info.total_rows or 0)


def _differing(before: dict[str, Any], now: dict[str, Any]) -> str:
    keys = sorted(key for key in {*before, *now} if before.get(key) != now.get(key))
    return ", ".join(key.removeprefix("skdistmass_") for key in keys)


@contextmanager
def _locked(output: Path, journal: Path) -> Iterator[None]:
    """Keep other processes from building the catalogue."""
    try:
        lock = BuildLock(journal, output)
    except OSError as error:
        raise DistMassError(f"{output} can't be written: {error.strerror or error}.") from error
    try:
        yield
    except BaseException:
        if journal.exists() and not journal.stat().st_size:  # nothing was started
            journal.unlink()
        raise
    finally:
        lock.close()


@contextmanager
def _packages() -> Iterator[None]:
    try:
        yield
    except ModuleNotFoundError as error:
        raise DistMassError(f"HATS needs the package {error.name}: pip install 'skdistmass[distributed]'.") from error


def _state_of(folder: Path) -> str:
    """Return a checksum of names, sizes and times of the files of a catalogue."""
    digest = hashlib.sha256()
    for path in sorted(folder.rglob("*.parquet")):
        about = path.stat()
        digest.update(f"{path.relative_to(folder)} {about.st_size} {about.st_mtime_ns}\n".encode())
    return digest.hexdigest()


def _prepare(output: Path, part: Path, journal: Path, started: dict[str, Any], resume: bool, overwrite: bool) -> bool:
    """Make way for a catalogue; return whether one is continued."""
    if resume and part.exists() and journal.stat().st_size:
        try:
            other = _differing(json.loads(journal.read_text(encoding="utf-8")), started)
        except (ValueError, AttributeError, TypeError) as error:
            raise FileFormatError(f"{journal} is damaged; give overwrite (--overwrite) to start again.") from error
        if other:
            raise DistMassError(
                f"{part} was started with another {other}; repeat the command as it was, or give overwrite "
                "(--overwrite) without resume to start again."
            )
        return _tidy(part)
    if part.exists() and not (overwrite or resume):
        raise InputError(
            f"{part} is an unfinished catalogue; give resume (--resume) to continue it, or overwrite (--overwrite) to "
            "start again."
        )
    if output.exists() and not overwrite:
        raise InputError(f"{output} exists; give overwrite (--overwrite) to replace it.")
    if part.exists():
        shutil.rmtree(part)
    journal.write_text(json.dumps(started, indent=1), encoding="utf-8")
    return False


def _tidy(part: Path) -> bool:
    """Let every partition that counts as finished be so: with its rows, its marker and its histogram.

    A stop between two of the files of a partition would keep LSDB from resuming, and a partition without rows would be
    listed as if it had a file.
    """
    for catalog in {path.parent for name in ("done", "hists") for path in part.rglob(name)}:
        done = {path.name.removesuffix("_done"): path for path in (catalog / "done").glob("*_done")}
        counts = {p.name.removesuffix("_histogram.npz"): p for p in (catalog / "hists").glob("*_histogram.npz")}
        for pixel in {*done, *counts}:
            order, number = pixel.split("_")
            written = any(catalog.glob(f"dataset/Norder={order}/Dir=*/Npix={number}.parquet"))
            if not (written and pixel in done and pixel in counts and zipfile.is_zipfile(counts[pixel])):
                for path in filter(None, (done.get(pixel), counts.get(pixel))):
                    path.unlink()
    return True


@contextmanager
def _client(workers: int, scheduler: str | None) -> Iterator[None]:
    """Compute on workers of Dask: those of a scheduler, or processes of this machine."""
    if isinstance(workers, bool) or not isinstance(workers, int) or workers < 1:
        raise InputError(f"workers is {workers!r}; give a positive whole number.")
    with _packages():
        from distributed import Client
    try:
        if scheduler is not None:
            client = Client(scheduler, timeout=_PATIENCE)
        else:
            client = Client(n_workers=workers, threads_per_worker=1, dashboard_address=":0", silence_logs="ERROR")
    except (OSError, ValueError) as error:
        raise DistMassError(f"no workers of Dask at {scheduler or 'this machine'}: {shortened(error)}") from error
    with client:
        yield


@contextmanager
def _told(source: Path, output: Path, part: Path) -> Iterator[None]:
    """Turn what can go wrong on a worker into an error that names file or partition, and says what to do."""
    kept = f"{part} keeps the finished partitions; resume (--resume) continues."
    try:
        yield
    except Exception as error:  # Dask passes on what any package raises on a worker
        for cause in _causes(error):
            if isinstance(cause, OSError) and cause.errno is not None and not isinstance(cause, FileNotFoundError):
                raise DistMassError(f"{output} can't be written: {cause.strerror}. {kept}") from error
        broken = _broken_files(source)
        if broken:
            raise FileFormatError(f"{', '.join(broken)} can't be read; fetch fresh copies. {kept}") from error
        if type(error).__name__ == "KilledWorker":
            raise DistMassError(
                f"a worker died again and again, perhaps of memory: {shortened(error)} {kept}"
            ) from error
        raise DistMassError(f"{shortened(error, 600)} {kept}") from error


def _causes(error: BaseException | None) -> Iterator[BaseException]:
    while error is not None:
        yield error
        error = error.__cause__ or error.__context__


def _broken_files(source: Path, most: int = 3) -> list[str]:
    """Return the first files of a catalogue that can't be read."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    broken: list[str] = []
    for path in sorted(source.rglob("Npix=*.parquet")):
        try:
            with pq.ParquetFile(path, page_checksum_verification=True) as file:
                for _ in file.iter_batches():
                    pass
        except (OSError, pa.ArrowException):
            broken.append(str(path))
        if len(broken) == most:
            break
    return broken
