"""Predictions of a model's networks: with or without carbon and nitrogen, out of fold where a star was trained on."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from skdistmass.estimators.training_space import TrainingSpace
from skdistmass.model import prediction
from skdistmass.model.record import TrainingRecord
from skdistmass.model.training import mass_fallback_name
from skdistmass.schema.bits import Space
from skdistmass.schema.columns import mass_columns
from skdistmass.uncertainty import normal_coverage

__all__ = ["Found", "Networks", "lacks_abundances", "predict_networks", "space_of", "value_of"]

_COVERAGES = normal_coverage(1.0), normal_coverage(2.0)


class Networks(NamedTuple):
    """The network of one quantity, and that for stars without C or N, with their names in the training record."""

    name: str
    network: Any
    fallback_name: str = ""
    fallback: Any = None

    @classmethod
    def of_distance(cls, model: Any) -> Networks:
        """Return those of a model's absolute magnitude."""
        return cls("ABS_MAG", model.abs_mag_, "ABS_MAG_FALLBACK", model.abs_mag_fallback_)

    @classmethod
    def of_mass(cls, model: Any, scale: str) -> Networks:
        """Return those of a mass scale of a model."""
        fallback = model.mass_fallbacks_.get(scale)
        return cls(mass_columns(scale)[0], model.masses_[scale], mass_fallback_name(scale), fallback)

    @property
    def serves_without_abundances(self) -> bool:
        """Whether stars without C or N get a value."""
        return self.fallback is not None or len(self.network.optional_labels) > 0


class Found(NamedTuple):
    """What networks predict, one row for each star."""

    value: NDArray[np.float64]
    intervals: NDArray[np.float64]  # of each coverage, shape (n_coverages, n_stars, 2)
    noise: NDArray[np.float64]  # label part of the error
    replaced: NDArray[np.bool_]  # whether the value is out of fold


def lacks_abundances(labels: NDArray[np.float64]) -> NDArray[np.bool_]:
    """Tell which stars have Teff, log g and [M/H], but not C and N."""
    known = np.isfinite(labels)
    return np.logical_and(known[:, :3].all(axis=1), ~known[:, 3:].all(axis=1))


def predict_networks(
    networks: Networks,
    training: TrainingRecord,
    labels: NDArray[np.float64],
    label_errors: NDArray[np.float64],
    entries: NDArray[np.intp] | None,
    source: NDArray[np.str_] | None = None,
    coverages: Sequence[float] = _COVERAGES,
) -> Found:
    """Predict each star by the network that has the labels it needs.

    `entries` are those of `training`, None for predictions by the final networks; `source` is of each star's labels.
    Of networks without errors the intervals are NaN, as is the noise; without `coverages` no errors are worked out.
    """
    folds = _folds(networks.name, training, entries, len(labels))
    if networks.fallback is None:
        return _predict(networks.network, labels, label_errors, folds, source, coverages)
    without = lacks_abundances(labels)
    found = _predict(networks.network, labels, label_errors, folds, source, coverages)
    if not without.any():
        return found
    three = labels[without, :3]
    if entries is not None:
        entries = np.where(entries[without] >= 0, entries[without], training.find_by_three(labels[without]))
    folds = _folds(networks.fallback_name, training, entries, len(three))
    source = None if source is None else source[without]
    some = _predict(networks.fallback, three, label_errors[without, :3], folds, source, coverages)
    found.value[without], found.noise[without], found.replaced[without] = some.value, some.noise, some.replaced
    found.intervals[:, without] = some.intervals
    return found


def value_of(model: Any, name: str, labels: NDArray[np.float64]) -> NDArray[np.float64]:
    """Predict ABS_MAG, a mass or an age by a model's final networks, without errors, which take most of the time."""
    no_errors = np.full_like(labels, np.nan)

    def predict(networks: Networks) -> NDArray[np.float64]:
        return predict_networks(networks, model.training_, labels, no_errors, None, coverages=()).value

    if name == "ABS_MAG":
        return predict(Networks.of_distance(model))
    scale = next(scale for scale in model.masses_ if name in mass_columns(scale))
    mass = predict(Networks.of_mass(model, scale))
    if name == mass_columns(scale)[0]:
        return mass
    unknown = np.full((2, len(mass), 2), np.nan)
    return prediction.age_columns(model.age_, scale, mass, unknown, labels[:, 2], labels[:, 1])[name]


def space_of(
    networks: Networks, space: TrainingSpace, without_abundances: TrainingSpace | None, labels: NDArray[np.float64]
) -> NDArray[np.int8]:
    """Tell where stars are among those trained on.

    Where C and N are optional, Teff, log g and [M/H] decide. Without C and N, or where these are unlike those trained
    on, nothing better than "edge" can be said.
    """
    five = space.classify(labels)
    if without_abundances is None or not networks.serves_without_abundances:
        return five
    at_best = np.maximum(without_abundances.classify(labels[:, :3]), Space.EDGE)
    if len(networks.network.optional_labels):
        return np.where(five >= Space.OUTSIDE, at_best, without_abundances.classify(labels[:, :3]))
    return np.where(lacks_abundances(labels), at_best, five)


def _folds(name, training, entries, n_stars):
    return np.full(n_stars, -1, dtype=np.int16) if entries is None else training.fold(name, entries)


def _predict(network, labels, label_errors, folds, source, coverages):
    further = {"source": source} if network.loss == "student" and source is not None else {}
    value = network.predict_out_of_fold(labels, folds, **further)
    replaced = (folds >= 0) & np.isfinite(value)
    if network.errors_ is None or not len(coverages):
        return Found(value, np.full((len(coverages), len(labels), 2), np.nan), np.full(len(labels), np.nan), replaced)
    _, intervals, noise = network.predict_with_interval(labels, coverages, label_errors, value=value, **further)
    return Found(value, intervals, noise, replaced)
