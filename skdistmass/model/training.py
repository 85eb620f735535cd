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
from skdistmass.schema.limits import GIANT_LOGG, LUMINOUS_LOGG
from skdistmass.surveys.clusters import cluster_names
from skdistmass.surveys.stars import Stars
from skdistmass.surveys.training_sets import (
    TrainingCuts,
    TrainingSet,
    distance_training_set,
    mass_scales_of,
    mass_training_set,
)
from skdistmass.uncertainty import MIN_ROWS, robust_scatter

__all__ = [
    *("FALLBACK_LABELS", "Job", "accuracy_of", "find_parts", "fit_spaces", "mass_fallback_name", "plan_jobs"),
    *("remember", "train"),
]

#: Labels that give the absolute magnitude of a star without carbon and nitrogen.
FALLBACK_LABELS = ("TEFF", "LOGG", "M_H")
#: The labels that a star may lack.
ABUNDANCES = ("C_FE", "N_FE")
#: Columns of which one gives the distance of a training star.
_DISTANCE_SOURCES = ("GAIAEDR3_DIST", "PARALLAX", "CLUSTER")


@dataclass(frozen=True)
class Job:
    """One network to train."""

    name: str
    kind: str  # "ABS_MAG", "MASS", "ABS_MAG_FALLBACK" or "MASS_FALLBACK"
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


def plan_jobs(
    stars: Stars,
    cuts: TrainingCuts,
    abs_mag: Any,
    mass: Any,
    scales: Mapping[str, str],
    *,
    fallback: bool = True,
    mass_fallback: bool = False,
) -> list[Job]:
    """Return the networks to train, each with its labels and its training set."""
    jobs = []
    if abs_mag is not None:
        optional = tuple(abs_mag.optional_labels)
        if optional not in ((), ABUNDANCES):
            raise InputError(f"optional_labels of the distance network is {optional}; give () or {ABUNDANCES}.")
        names = FALLBACK_LABELS if optional else LABEL_NAMES
        chosen = distance_training_set(stars, cuts, names=names)
        jobs.append(Job("ABS_MAG", "ABS_MAG", clone(abs_mag), LABEL_NAMES, chosen))
    for scale, column in scales.items():
        chosen = mass_training_set(stars, column, cuts)
        jobs.append(Job(mass_columns(scale)[0], "MASS", clone(mass), LABEL_NAMES, chosen))
    if abs_mag is not None and fallback and not optional:
        network = clone(abs_mag).set_params(labels=FALLBACK_LABELS)
        chosen = distance_training_set(stars, cuts, names=FALLBACK_LABELS)
        jobs.append(Job("ABS_MAG_FALLBACK", "ABS_MAG_FALLBACK", network, FALLBACK_LABELS, chosen))
    for scale, column in scales.items() if mass_fallback else ():
        network = clone(mass).set_params(labels=FALLBACK_LABELS)
        chosen = mass_training_set(stars, column, cuts, names=FALLBACK_LABELS)
        jobs.append(Job(mass_fallback_name(scale), "MASS_FALLBACK", network, FALLBACK_LABELS, chosen))
    return jobs


def mass_fallback_name(scale: str) -> str:
    """Name of the network for the masses of stars without C or N; no column has a name with spaces."""
    return f"{mass_columns(scale)[0]} without C, N"


def fit_spaces(
    jobs: Sequence[Job], space: TrainingSpace, labels: NDArray[np.float64], groups: NDArray, rng: Any
) -> list[Any]:
    """Return the training spaces of the distance network, of the first mass network, and of those of three labels.

    A distance network with optional labels has both: one of stars with all labels, and one of Teff, log g and [M/H].
    """
    kinds = "ABS_MAG", "MASS", "ABS_MAG_FALLBACK", "MASS_FALLBACK"
    wanted = {job.kind: (job.columns, job.chosen.rows) for job in reversed(jobs)}  # of the first of a kind
    first = jobs[0]
    if first.kind == "ABS_MAG" and len(first.network.optional_labels):
        rows = first.chosen.rows
        wanted["ABS_MAG_FALLBACK"] = np.arange(len(FALLBACK_LABELS)), rows
        wanted["ABS_MAG"] = first.columns, rows[np.isfinite(labels[rows]).all(axis=1)]
    spaces: dict[str, TrainingSpace] = {}
    for kind in (kind for kind in kinds if kind in wanted):
        columns, rows = wanted[kind]
        spaces[kind] = seeded(clone(space), rng).fit(labels[np.ix_(rows, columns)], groups=groups[rows])
    return [spaces.get(kind) for kind in kinds]


def remember(
    stars: Stars, labels: NDArray[np.float64], jobs: Sequence[Job], trained: Mapping[str, Any]
) -> TrainingRecord:
    """Return what is needed to know the training stars again; the networks give up their copies of it."""
    any_job = np.zeros(len(stars), dtype=bool)
    bits = np.zeros(len(stars), dtype=np.int32)
    folds = {}
    sources = mass_source_bits(stars.text("MASS_SRC"))
    first_mass = next((job.name for job in jobs if job.kind == "MASS"), None)
    for job in jobs:
        network, rows = trained[job.name], job.chosen.rows
        any_job[rows] = True
        folds[job.name] = np.full(len(stars), -1, dtype=np.int16)
        folds[job.name][rows] = network.fold_
        network.fold_ = network.oof_prediction_ = None
        if job.name == "ABS_MAG":
            support = network.__dict__.pop("support_", None)  # of the robust loss, which needs no filter
            if network.binary_filter_ is not None:
                support = network.binary_filter_.support_
            bits[rows[slice(None) if support is None else support]] |= Bit.DISTANCE_TRAINING
        elif job.name == first_mass:
            bits[rows] |= sources[rows]
    return TrainingRecord.of(stars, labels, any_job, bits, folds)


def train(
    job: Job, stars: Stars, labels: NDArray[np.float64], label_errors: NDArray[np.float64], groups: NDArray
) -> Any:
    """Train the network of a job and return it."""
    rows = job.chosen.rows
    cells = np.ix_(rows, job.columns)
    further = {} if job.network.loss != "student" else {"source": _sources_of(job, stars)}
    if further and job.kind.startswith("ABS_MAG"):
        further["cluster"] = cluster_names(stars)[rows]
    return job.network.fit(
        labels[cells],
        job.chosen.target,
        groups=groups[rows],
        y_err=job.chosen.target_err,
        X_err=label_errors[cells],
        **further,
    )


def _sources_of(job: Job, stars: Stars) -> NDArray[np.str_]:
    """Name the source of each training star: of its labels, or of its mass."""
    return stars.text("LABEL_SRC" if job.kind.startswith("ABS_MAG") else "MASS_SRC")[job.chosen.rows]


def accuracy_of(job: Job, trained: Any, stars: Stars, labels: NDArray[np.float64]) -> dict[str, Any]:
    """Return the number of stars trained on, and scatter and bias of the out-of-fold fractional error.

    With several parts of the diagram, ``regions`` has the same of each; of the clusters the number, and the rms of
    their mean errors.
    """
    found: dict[str, Any] = {"n_stars": int(trained.n_rows_)}
    predicted, rows = trained.oof_prediction_, job.chosen.rows
    if predicted is None:
        return found
    if trained.loss == "student":
        given = labels[np.ix_(rows, job.columns)]
        predicted = trained.predict_out_of_fold(given, trained.fold_, source=_sources_of(job, stars))
    target = job.chosen.target
    distance = job.kind.startswith("ABS_MAG")
    error = (distance_ratio(predicted, target) if distance else predicted / target) - 1.0
    found |= _spread(error)
    logg = labels[rows, 1]
    parts = {
        "luminous giants": logg < LUMINOUS_LOGG,
        "giants": (logg >= LUMINOUS_LOGG) & (logg < GIANT_LOGG),
        "dwarfs and subgiants": logg >= GIANT_LOGG,
    }
    regions: dict[str, Any] = {
        name: {"n_stars": int(np.count_nonzero(part)), **_spread(error[part])}
        for name, part in parts.items()
        if np.count_nonzero(part) >= MIN_ROWS
    }
    cluster = cluster_names(stars)[rows]
    means = [np.nanmean(error[cluster == name]) for name in np.unique(cluster[cluster != ""])]
    if distance and means:
        n_stars = int(np.count_nonzero(cluster != ""))
        regions["clusters"] = {
            "n_stars": n_stars,
            "n_clusters": len(means),
            "rms": float(np.sqrt(np.mean(np.square(means)))),
        }
    return found | ({"regions": regions} if len(regions) > 1 else {})


def _spread(error: NDArray[np.float64]) -> dict[str, float]:
    return {"scatter": float(robust_scatter(error)), "bias": float(np.nanmedian(error))}
