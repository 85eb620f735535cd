"""Which networks a model trains, on which stars, and the report of what was reached."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sklearn.base import clone

from skdistmass.estimators.seeds import seeded
from skdistmass.estimators.training_space import TrainingSpace
from skdistmass.exceptions import ColumnError, InputError
from skdistmass.labels import LABEL_NAMES
from skdistmass.model.prediction import mass_source_bits
from skdistmass.model.record import TrainingRecord
from skdistmass.photometry import distance_ratio
from skdistmass.schema.bits import Bit
from skdistmass.schema.columns import mass_columns
from skdistmass.surveys.stars import Stars
from skdistmass.surveys.training_sets import (
    TrainingCuts,
    TrainingSet,
    distance_training_set,
    mass_scales_of,
    mass_training_set,
)
from skdistmass.uncertainty import robust_scatter

__all__ = ["FALLBACK_LABELS", "Job", "accuracy_of", "find_parts", "fit_spaces", "plan_jobs", "remember", "train"]

#: Labels that give the absolute magnitude of a star without carbon and nitrogen.
FALLBACK_LABELS = ("TEFF", "LOGG", "M_H")
#: Columns of which one gives the distance of a training star.
_DISTANCE_SOURCES = ("GAIAEDR3_DIST", "PARALLAX", "CLUSTER")


@dataclass(frozen=True)
class Job:
    """One network to train."""

    name: str
    network: Any
    labels: Sequence[str]
    chosen: TrainingSet

    @property
    def columns(self) -> NDArray[np.intp]:
        """Positions of its labels among the five."""
        return np.array([LABEL_NAMES.index(name) for name in self.labels])

    def require_stars(self) -> None:
        """Raise `InputError` if no star is left to train on."""
        if len(self.chosen.rows) == 0:
            cuts = ", ".join(f"{cut}: {count}" for cut, count in self.chosen.removed.items() if count)
            raise InputError(
                f"no star is left to train {self.name} on. Stars removed by each cut: "
                f"{cuts or 'none, the table is empty'}."
            )


def find_parts(stars: Stars, parts: str, mass_scales: str | Mapping[str, str]) -> tuple[dict[str, str], dict[str, str]]:
    """Decide what can be trained on a survey."""
    wanted = {"auto": (), "both": ("distance", "mass"), "distance": ("distance",), "mass": ("mass",)}
    if parts not in wanted:
        raise InputError(f"parts is {parts!r}; give 'auto', 'both', 'distance' or 'mass'.")
    absent, scales = {}, {}
    if parts == "mass":
        absent["distance"] = "not asked for"
    elif "K" not in stars:
        absent["distance"] = "no magnitude to train distances on: add a column K"
    elif not any(name in stars for name in _DISTANCE_SOURCES):
        absent["distance"] = "no distances to train on: add a parallax with its error, a distance, or CLUSTER"
    if parts == "distance":
        absent["mass"] = "not asked for"
    else:
        scales = mass_scales_of(stars) if isinstance(mass_scales, str) else dict(mass_scales)
        if not scales:
            absent["mass"] = "no masses to train on: add a column MASS (or MASS_<scale>) with its error MASS_ERR"
    missing = [absent[part] for part in wanted[parts] if part in absent]
    if missing or len(absent) == 2:
        raise ColumnError(f"{'; '.join(missing or absent.values())}.")
    return absent, scales


def plan_jobs(stars: Stars, cuts: TrainingCuts, abs_mag: Any, mass: Any, scales: Mapping[str, str]) -> list[Job]:
    """Return the networks to train, each with its labels and its training set."""
    jobs = []
    if abs_mag is not None:
        jobs.append(Job("ABS_MAG", clone(abs_mag), LABEL_NAMES, distance_training_set(stars, cuts)))
    for scale, column in scales.items():
        jobs.append(Job(mass_columns(scale)[0], clone(mass), LABEL_NAMES, mass_training_set(stars, column, cuts)))
    if abs_mag is not None:
        network = clone(abs_mag).set_params(labels=FALLBACK_LABELS)
        chosen = distance_training_set(stars, cuts, names=FALLBACK_LABELS)
        jobs.append(Job("ABS_MAG_FALLBACK", network, FALLBACK_LABELS, chosen))
    return jobs


def fit_spaces(
    jobs: Sequence[Job], space: TrainingSpace, labels: NDArray[np.float64], groups: NDArray, rng: Any
) -> list[Any]:
    """Return the training spaces of the distance network, of the first mass network, and of that of three labels."""
    spaces: dict[str, TrainingSpace] = {}
    for job in jobs:
        kind = "MASS" if job.name.startswith("MASS") else job.name
        if kind not in spaces:
            rows = job.chosen.rows
            own = seeded(clone(space), rng)
            spaces[kind] = own.fit(labels[np.ix_(rows, job.columns)], groups=groups[rows])
    return [spaces.get(kind) for kind in ("ABS_MAG", "MASS", "ABS_MAG_FALLBACK")]


def remember(
    stars: Stars, labels: NDArray[np.float64], jobs: Sequence[Job], trained: Mapping[str, Any]
) -> TrainingRecord:
    """Return what is needed to know the training stars again; the networks give up their copies of it."""
    any_job = np.zeros(len(stars), dtype=bool)
    bits = np.zeros(len(stars), dtype=np.int32)
    folds = {}
    sources = mass_source_bits(stars.text("MASS_SRC"))
    first_mass = next((job.name for job in jobs if job.name.startswith("MASS")), None)
    for job in jobs:
        network, rows = trained[job.name], job.chosen.rows
        any_job[rows] = True
        folds[job.name] = np.full(len(stars), -1, dtype=np.int16)
        folds[job.name][rows] = network.fold_
        network.fold_ = network.oof_prediction_ = None
        if job.name == "ABS_MAG":
            kept = slice(None) if network.binary_filter_ is None else network.binary_filter_.support_
            bits[rows[kept]] |= Bit.DISTANCE_TRAINING
        elif job.name == first_mass:
            bits[rows] |= sources[rows]
    return TrainingRecord.of(stars, labels, any_job, bits, folds)


def train(job: Job, labels: NDArray[np.float64], label_errors: NDArray[np.float64], groups: NDArray) -> Any:
    """Train the network of a job and return it."""
    cells = np.ix_(job.chosen.rows, job.columns)
    return job.network.fit(
        labels[cells],
        job.chosen.target,
        groups=groups[job.chosen.rows],
        y_err=job.chosen.target_err,
        X_err=label_errors[cells],
    )


def accuracy_of(job: Job, trained: Any) -> dict[str, Any]:
    """Return the number of stars trained on, and scatter and bias of the out-of-fold fractional error."""
    found: dict[str, Any] = {"n_stars": int(trained.n_rows_)}
    predicted = trained.oof_prediction_
    if predicted is not None:
        distance = job.name.startswith("ABS_MAG")
        target = job.chosen.target
        error = (distance_ratio(predicted, target) if distance else predicted / target) - 1.0
        found |= {"scatter": float(robust_scatter(error)), "bias": float(np.nanmedian(error))}
    return found
