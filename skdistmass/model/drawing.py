"""Draws of a block of stars by the laws of a model's networks, and by isochrones, and what they are weighted by."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.special import ndtr

from skdistmass.exceptions import InputError
from skdistmass.isochrones import IsochroneDistanceRegressor
from skdistmass.model.age_physics import AgePhysics
from skdistmass.model.draws import resample
from skdistmass.model.dwarfs import draw_dwarfs, find_dwarfs
from skdistmass.model.networks import Networks, predict_networks
from skdistmass.model.reading import labels_of
from skdistmass.photometry import distance_from_magnitude
from skdistmass.schema.limits import GIANT_LOGG
from skdistmass.surveys.stars import Stars
from skdistmass.surveys.training_sets import TrainingCuts, extinction_errors, magnitude_errors, parallax_zero_points
from skdistmass.uncertainty import COVERAGES, PredictiveDistribution

__all__ = ["ALL_SCALES", "Drawing"]

Floats = NDArray[np.float64]
#: What stands for all mass scales together.
ALL_SCALES = "all"
_MOST_CORRELATED = 0.99
# No star that these models are for is lighter or heavier (Msun). The tail of a law that outliers made may reach there.
_MASSES = 0.1, 20.0


class Drawing:
    """Draws of some stars, weighted by what else is known of them."""

    def __init__(
        self,
        model: Any,
        stars: Stars,
        n_samples: int,
        scale: str | None,
        out_of_fold: bool,
        rng: Any,
        physics: AgePhysics | None = None,
    ):
        self.model, self.stars, self.rng = model, stars, rng
        self.physics = physics if physics is not None else AgePhysics()
        self.cuts = model.cuts if model.cuts is not None else TrainingCuts()
        self.labels, self.errors = labels_of(stars)
        entries = model.training_.find(stars, self.labels) if out_of_fold else None
        self.known_errors = np.where(np.isfinite(self.errors), self.errors, 0.0)
        shape = len(stars), n_samples
        self.log_weight: Floats = np.zeros(shape)
        self.cut: Floats = np.zeros(len(stars))
        self.draws: dict[str, Floats] = {}
        self.facts: dict[str, Floats] = {}
        self.by_isochrones = np.zeros(len(stars), dtype=bool)
        self.mag_law: PredictiveDistribution | None = None
        normal = rng.standard_normal((3, *shape))
        m_h, m_h_err = self.labels[:, 2], self.known_errors[:, 2]
        # Rows of normal deviates: of the metallicity, the absolute magnitude and the mass.
        metal = normal[0]
        slopes = {"M_H": np.where(np.arange(self.labels.shape[1]) == 2, 1.0, 0.0) + np.zeros_like(self.labels)}
        deviates, spreads = {"M_H": metal}, {"M_H": m_h_err}
        if model.abs_mag_ is not None:
            law, spreads["ABS_MAG"] = self._law(Networks.of_distance(model), entries, stars.text("LABEL_SRC"))
            slopes["ABS_MAG"] = self._slope(model.abs_mag_)
            deviates["ABS_MAG"] = self._correlated(normal[1], "ABS_MAG", slopes, deviates, spreads)
            self.draws["ABS_MAG"] = law.ppf(ndtr(deviates["ABS_MAG"]).T).T
            self.mag_law = law
            self._distances(n_samples)
        if scale is not None:
            scales = list(model.masses_) if scale == ALL_SCALES and scale not in model.masses_ else [scale]
            laws, widths = zip(
                *(self._law(Networks.of_mass(model, name), entries, None) for name in scales), strict=True
            )
            spreads["MASS"] = np.mean(widths, axis=0)
            slopes["MASS"] = np.mean([self._slope(model.masses_[name]) for name in scales], axis=0)
            deviates["MASS"] = self._correlated(normal[2], "MASS", slopes, deviates, spreads)
            self._masses(laws, ndtr(deviates["MASS"]))
            self.draws["M_H"] = m_h[:, None] + m_h_err[:, None] * metal
            self._ages()

    def _law(self, networks: Networks, entries: Any, source: Any) -> tuple[PredictiveDistribution, Floats]:
        """Return the law of a quantity, and half the width of its 68.27 % interval."""
        parts = self.model.training_, self.labels, self.errors, entries, source
        found = predict_networks(networks, *parts, [*COVERAGES, 0.6827]).intervals
        if len(self.stars) and np.isnan(found).all() and networks.network.errors_ is None:
            raise InputError(f"{networks.name} was trained without errors, so that it has no distribution.")
        return PredictiveDistribution.from_intervals(found[:-1]), 0.5 * (found[-1, :, 1] - found[-1, :, 0])

    def _slope(self, network: Any) -> Floats:
        """Return the derivatives by the labels, 0 where there are none."""
        return np.nan_to_num(network.jacobian(self.labels))

    def _correlated(self, fresh: Floats, name: str, slopes: Mapping, deviates: Mapping, spreads: Mapping) -> Floats:
        """Return normal deviates that have the correlations which the labels' errors cause with those before."""
        before = list(deviates)
        variance = self.known_errors**2

        def correlation(one: str, other: str) -> Floats:
            size = spreads[one] * spreads[other]
            shared = (slopes[one] * slopes[other] * variance).sum(axis=1)
            with np.errstate(invalid="ignore", divide="ignore"):
                found = np.where(size > 0, shared / size, 0.0)
            return np.clip(np.nan_to_num(found), -_MOST_CORRELATED, _MOST_CORRELATED)

        if len(before) == 1:
            share = correlation(name, before[0])[:, None]
            return share * deviates[before[0]] + np.sqrt(1.0 - share**2) * fresh
        first, second = (correlation(name, other) for other in before)
        between = correlation(*before)
        rest = 1.0 - between**2
        a, b = (first - between * second) / rest, (second - between * first) / rest
        explained = a * first + b * second
        shrink = np.minimum(1.0, _MOST_CORRELATED / np.sqrt(np.maximum(explained, 1e-12)))
        a, b, explained = a * shrink, b * shrink, explained * shrink**2
        return (
            a[:, None] * deviates[before[0]]
            + b[:, None] * deviates[before[1]]
            + np.sqrt(1.0 - explained)[:, None] * fresh
        )

    def _masses(self, laws: Sequence[PredictiveDistribution], place: Floats) -> None:
        """Draw masses by the law of one scale, or by the mean law of several and their scatter."""
        each = [law.ppf(place.T).T for law in laws]
        if len(laws) == 1:
            self.draws["MASS"] = each[0]
            return
        with np.errstate(invalid="ignore", divide="ignore"):
            medians = np.log([law.median() for law in laws])
            spread = np.std(medians, axis=0, ddof=1)
            self.draws["MASS"] = np.mean(each, axis=0) * np.exp(spread[:, None] * self.rng.standard_normal(place.shape))
        self.facts["MASS_SCALE_SPREAD"] = spread

    def _distances(self, n_samples: int) -> None:
        stars, cuts = self.stars, self.cuts
        error = np.hypot(magnitude_errors(stars, cuts), extinction_errors(stars, cuts))
        noise = error[:, None] * self.rng.standard_normal((len(stars), n_samples))
        mag, extinction = stars.floats("K")[:, None], stars.floats("A_K")[:, None]
        self.draws["DISTANCE"] = distance_from_magnitude(self.draws["ABS_MAG"], mag + noise, extinction)

    def _ages(self) -> None:
        relation, physics = self.model.age_, self.physics
        (low, high), (poorest, richest) = relation.used_bounds()
        feh = physics.metallicity(self.stars, self.draws["M_H"])
        m_h = physics.metallicity(self.stars, self.labels[:, 2:3])[:, 0]
        usable = (m_h >= poorest) & (m_h <= richest) & (self.labels[:, 1] < GIANT_LOGG)
        initial = physics.initial_mass(self.stars, self.labels, self.draws["MASS"], feh, self.rng)
        mass = np.clip(initial, low, high)
        pairs = np.column_stack([mass[usable].ravel(), np.clip(feh[usable], poorest, richest).ravel()])
        ages = np.full(mass.shape, np.nan)
        if len(pairs):
            ages[usable] = relation.transform(pairs).reshape(-1, mass.shape[1])
        self.draws["AGE"] = ages

    def use_isochrones(self, isochrones: IsochroneDistanceRegressor, parallax: bool) -> None:
        """Replace the draws of dwarfs and subgiants by those of the posterior of isochrones."""
        rows, shape = find_dwarfs(self.labels), self.log_weight.shape
        found = draw_dwarfs(
            isochrones,
            self.stars[rows],
            self.labels[rows],
            self.errors[rows],
            None if self.mag_law is None else self.mag_law[rows],
            n_samples=shape[1],
            cuts=self.cuts,
            physics=self.physics,
            parallax=parallax,
            rng=self.rng if isinstance(self.rng, np.random.Generator) else self.rng[rows],
        )
        on_grid = np.isfinite(found["MASS"][:, 0])
        self.by_isochrones[rows[on_grid]] = True
        self.facts["AGE_PRIOR_RATIO"] = np.full(len(self.stars), np.nan)
        self.facts["AGE_PRIOR_RATIO"][rows] = found.pop("AGE_PRIOR_RATIO")
        if "MASS_SCALE_SPREAD" in self.facts:
            self.facts["MASS_SCALE_SPREAD"][self.by_isochrones] = np.nan
        for name, values in found.items():
            self.draws.setdefault(name, np.full(shape, np.nan))[rows[on_grid]] = values[on_grid]

    def weigh(self, parallax: bool, age_limit: float | None, age_prior: Callable | None) -> None:
        """Weight draws by the parallax, and by the limit and prior of ages; none has a mass that no star has."""
        if parallax and "DISTANCE" in self.draws:
            parallax_known = self.stars.floats("PARALLAX") - parallax_zero_points(self.stars, self.cuts)
            offset = parallax_known[:, None] - 1.0 / self.draws["DISTANCE"]
            error = self.stars.floats("PARALLAX_ERR")[:, None]
            with np.errstate(invalid="ignore", divide="ignore"):
                likelihood = np.nan_to_num(-0.5 * (offset / error) ** 2)
            # In the posterior of isochrones the parallax has counted.
            self.log_weight += np.where(self.by_isochrones[:, None], 0.0, likelihood)
        if "MASS" in self.draws:
            low, high = _MASSES
            self.log_weight[(self.draws["MASS"] < low) | (self.draws["MASS"] > high)] = -np.inf
        if "AGE" not in self.draws:
            return
        age = 10.0 ** (self.draws["AGE"] - 9.0)
        known = np.isfinite(age)
        weight = np.ones(age.shape)
        if age_prior is not None:
            weight[known] = np.asarray(age_prior(age[known]), dtype=np.float64)
            if not np.all(weight >= 0):
                raise InputError("age_prior returned a negative number or NaN; a density is neither.")
            weight /= np.maximum(weight.max(axis=1, keepdims=True), np.finfo(float).tiny)
        if age_limit is not None:
            weight[known & (age > age_limit)] = 0.0
        self.without_age, possible = self.log_weight.copy(), np.isfinite(self.log_weight)
        share = (weight * possible).sum(axis=1) / np.maximum(possible.sum(axis=1), 1)
        self.cut = np.where(known.any(axis=1), 1.0 - share, np.nan)
        with np.errstate(divide="ignore"):
            self.log_weight += np.log(weight)

    def finish(self) -> dict[str, Floats]:
        """Return draws of equal weight."""
        chosen = resample(self.log_weight, self.rng)
        nothing = chosen[:, 0] < 0
        if nothing.any() and "AGE" in self.draws:
            # No draw is younger than the limit: the age is not known, the rest is as it was without it.
            own = self.rng if isinstance(self.rng, np.random.Generator) else self.rng[nothing]
            chosen[nothing] = resample(self.without_age[nothing], own)
        found = {name: np.take_along_axis(values, np.maximum(chosen, 0), axis=1) for name, values in self.draws.items()}
        if "AGE" in found:
            found["AGE"][nothing] = np.nan
            impossible = chosen[:, 0] < 0
            for name in set(found) - {"AGE"}:
                found[name][impossible] = self.draws[name][impossible]
            return found | {"AGE_CUT": self.cut} | self.facts
        return found
