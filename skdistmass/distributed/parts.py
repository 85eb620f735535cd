"""A survey in many files to a folder of Parquet files, one for each, several at a time."""

from __future__ import annotations

import os
import warnings
from collections.abc import Callable, Sequence
from concurrent.futures.process import BrokenProcessPool
from pathlib import Path
from typing import Any

from joblib import Parallel, delayed

from skdistmass.catalog import build_catalog
from skdistmass.distributed.model_file import ModelFile
from skdistmass.estimators.label_calibration import as_calibration
from skdistmass.exceptions import DistMassError, DistMassWarning, InputError
from skdistmass.extinction import ExtinctionChoice
from skdistmass.model import find_model
from skdistmass.writing import overwritten

__all__ = ["build_parts"]


def build_parts(
    model: str | os.PathLike[str],
    survey_paths: Sequence[str | os.PathLike[str]],
    output_folder: str | os.PathLike[str],
    *,
    workers: int = 1,
    resume: bool = False,
    overwrite: bool = False,
    progress: Callable[[int, int], None] | None = None,
    extinction: ExtinctionChoice | None = None,
    parallax_zero_point: str | float = "model",
    out_of_fold: bool = True,
    calibration: Any = None,
    **options: Any,
) -> list[Path]:
    """Make the catalogues of the files of a survey, in Parquet, each under the name of its file.

    Parameters
    ----------
    model : str or path-like
        The file of a trained model, or the name of one that comes with the package.
    survey_paths : sequence of path-like
        Files that `skdistmass.surveys.read_survey` reads.
    output_folder : path-like
        Folder of the catalogues; it is made if it is not there.
    workers : int, default=1
        Processes.
    resume : bool, default=False
        Keep catalogues that are there, if they are of the same survey, model and settings, and continue unfinished
        ones.
    overwrite : bool, default=False
        Replace catalogues that are there.
    progress : callable, optional
        Called as ``progress(files_done, n_files)``.
    extinction, parallax_zero_point, out_of_fold, calibration
        As for `skdistmass.build_catalog`.
    **options
        Further options of `skdistmass.build_catalog`.

    Returns
    -------
    paths : list of pathlib.Path
        The catalogues, in the order of `survey_paths`.

    Raises
    ------
    InputError
        If there is no file, two would give one catalogue, or a catalogue would replace a file of the survey.
    DistMassError
        If files can't be used; all others are done before. The message names each, and says what is wrong with it. Or
        if a worker died; the message names the files that were worked on.

    Warns
    -----
    DistMassWarning
        If the labels of a file seem to be on another scale than the model's.

    Examples
    --------
    >>> import pathlib, tempfile
    >>> from skdistmass.datasets import make_survey
    >>> from skdistmass.distributed import build_parts
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     paths = [pathlib.Path(folder) / f"{n}.parquet" for n in range(2)]
    ...     for number, path in enumerate(paths):
    ...         make_survey(100, random_state=number).write(path)
    ...     found = build_parts("kepler-giants", paths, pathlib.Path(folder) / "catalog")
    >>> [path.name for path in found]
    ['0.parquet', '1.parquet']
    """
    paths = [Path(path) for path in survey_paths]
    folder = Path(output_folder)
    names = [f"{path.stem}.parquet" for path in paths]
    doubled = sorted({name for name in names if names.count(name) > 1})
    if not paths or doubled:
        raise InputError(f"two files would give {', '.join(doubled)}." if paths else "there is no file of a survey.")
    if isinstance(workers, bool) or not isinstance(workers, int) or workers < 1:
        raise InputError(f"workers is {workers!r}; give a positive whole number.")
    replaced = overwritten(paths, [folder / name for name in names])
    if replaced is not None:
        raise InputError(f"{replaced} is a file of the survey; give the catalogues another folder.")
    reference = ModelFile.of(model)
    folder.mkdir(parents=True, exist_ok=True)
    options |= {
        "extinction": ExtinctionChoice() if extinction is None else extinction,
        "parallax_zero_point": parallax_zero_point,
        "out_of_fold": out_of_fold,
        "calibration": None if calibration is None else as_calibration(calibration),
    }
    tasks = [
        delayed(_build)(reference, path, folder / name, resume, overwrite, options)
        for path, name in zip(paths, names, strict=True)
    ]
    wrong, scales, done = [], [], 0
    try:
        for done, (problem, scale) in enumerate(Parallel(n_jobs=workers, return_as="generator")(tasks), 1):
            if problem:
                wrong.append(problem)
            if scale:
                scales.append(f"{paths[done - 1]}: {scale}")
            if progress is not None:
                progress(done, len(paths))
    except BrokenProcessPool as error:
        at_hand = ", ".join(map(str, paths[done : done + workers]))
        raise DistMassError(
            f"a worker died, perhaps of memory, while these files were worked on: {at_hand}. Finished catalogues are "
            "there; resume (--resume) continues."
        ) from error
    for message in scales:
        warnings.warn(message, DistMassWarning, stacklevel=2)
    if wrong:
        raise DistMassError(f"{len(wrong)} of {len(paths)} files can't be used, the others are done: {' '.join(wrong)}")
    return [folder / name for name in names]


def _build(
    model: ModelFile, path: Path, output: Path, resume: bool, overwrite: bool, options: dict[str, Any]
) -> tuple[str, str]:
    """Make one catalogue; return what is wrong with its file, and with the scale of its labels, if anything is."""
    try:
        how: dict[str, Any] = {"resume": resume, "overwrite": overwrite, "model_name": Path(model.name).name}
        report = build_catalog(model.load(), path, output, model_file=find_model(model.name), **how, **options)
    except DistMassError as error:
        return str(error) if path.name in str(error) else f"{path}: {error}", ""
    return "", report.scale
