"""Joint draws of absolute magnitude, distance, mass, metallicity and age, and tables of their posteriors."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.special import ndtr
from sklearn.utils.validation import check_is_fitted

from skdistmass.exceptions import ColumnError, InputError
from skdistmass.model.draws import UNITS, resample, summarise
from skdistmass.model.networks import Networks, predict_networks
from skdistmass.model.population import PopulationValue, common_value
from skdistmass.model.reading import labels_of, stars_of
from skdistmass.model.star_random import StarRandom
from skdistmass.photometry import distance_from_magnitude
from skdistmass.schema.limits import GIANT_LOGG
from skdistmass.surveys.stars import Stars
from skdistmass.surveys.training_sets import TrainingCuts, extinction_errors, magnitude_errors, parallax_zero_points
from skdistmass.uncertainty import COVERAGES, PredictiveDistribution

if TYPE_CHECKING:
    from astropy.table import Table

__all__ = ["PosteriorMixin"]

Floats = NDArray[np.float64]

_BLOCK_DRAWS = 2_000_000  # draws of each quantity in memory at a time
_MOST_CORRELATED = 0.99


class PosteriorMixin:
    """Draws and posteriors for `skdistmass.DistMassModel`."""

    abs_mag_: Any
    masses_: Mapping[str, Any]
    metallicity_: str

    def sample(
        self,
        table: Any,
        n_samples: int = 100,
        *,
        scale: str | None = None,
        parallax: bool = False,
        age_limit: float | None = 13.8,
        age_prior: Callable[[Floats], ArrayLike] | None = None,
        out_of_fold: bool = True,
        random_state: Any = None,
    ) -> dict[str, Floats]:
        """Draw absolute magnitude, distance, mass, metallicity and age of each star together.

        Parameters
        ----------
        table : Stars, table or path-like
            As for `predict`.
        n_samples : int, default=100
            Number of draws of each star.
        scale : str, optional
            Mass scale; by default the first of the model.
        parallax : bool, default=False
            Whether the parallax counts as well: draws are weighted by its likelihood and drawn again. A star without a
            parallax keeps its draws.
        age_limit : float or None, default=13.8
            Ages above it (Gyr) are impossible. With None there is no limit.
        age_prior : callable, optional
            Takes ages in Gyr and returns their prior density up to a factor; by default all ages are as likely as the
            masses make them.
        out_of_fold : bool, default=True
            As for `predict`.
        random_state : int, Generator, StarRandom or None
            Seed. With a `skdistmass.model.star_random.StarRandom` the draws of a star do not depend on the others.

        Returns
        -------
        draws : dict of ndarray of shape (n_stars, n_samples)
            ABS_MAG (mag) and DISTANCE (kpc) of a model of distances; MASS (Msun), M_H (dex) and AGE (log10 yr, of
            giants) of a model of masses. Also ``AGE_CUT``, of shape (n_stars,): the share of draws that the limit of
            age, or its prior, rejected. Rows are NaN where a star has no prediction.

        Raises
        ------
        InputError
            If the model was trained without errors, has no such scale, or a parameter is wrong.
        ColumnError
            If `parallax` is true and there are no parallaxes.

        Notes
        -----
        Each quantity has the law of `predict_distribution`. They are correlated by the errors of the labels that they
        have in common, to first order: by the networks' derivatives and the labels' own errors (a normal copula).
        Without label errors they are independent. The metallicity is drawn from its error.

        Examples
        --------
        >>> from skdistmass import AbsMagRegressor, CNMassRegressor, DistMassModel
        >>> from skdistmass.datasets import make_survey
        >>> stars = make_survey(3000, random_state=0)
        >>> one = {"n_networks": 1, "network__hidden_layer_sizes": 4}
        >>> model = DistMassModel(AbsMagRegressor().set_params(**one), CNMassRegressor().set_params(**one),
        ...                       mass_scales={"CAL": "MASS_CAL"}, fallback=False, random_state=0).fit(stars)
        >>> draws = model.sample(stars[:5], 200, random_state=0)
        >>> sorted(draws), draws["MASS"].shape
        (['ABS_MAG', 'AGE', 'AGE_CUT', 'DISTANCE', 'MASS', 'M_H'], (5, 200))
        """
        blocks = self._draw_blocks(
            stars_of(table),
            n_samples,
            scale=scale,
            parallax=parallax,
            age_limit=age_limit,
            age_prior=age_prior,
            out_of_fold=out_of_fold,
            random_state=random_state,
        )
        parts = list(blocks)
        return {name: np.concatenate([part[name] for part in parts]) for name in parts[0]}

    def posterior(self, table: Any, n_samples: int = 1000, **options: Any) -> Table:
        """Summarise the joint posterior of each star.

        Parameters
        ----------
        table : Stars, table or path-like
            As for `predict`.
        n_samples : int, default=1000
            Number of draws behind each summary.
        **options
            As for `sample`.

        Returns
        -------
        posterior : Table
            For ABS_MAG, DISTANCE, MASS and AGE (log10 yr), as far as the model has them: ``*_MODE``, ``*_MEDIAN``,
            ``*_MEAN``, ``*_P02``, ``*_P16``, ``*_P84``, ``*_P98`` (2.3, 15.9, 84.1 and 97.7 %); ``MASS_DISTANCE_CORR``,
            the correlation of mass and distance; ``AGE_CUT``, the share of draws that the limit or the prior of ages
            rejected, and ``AGE_BY_PRIOR``, whether that is more than half. Identifiers come first.

        Raises
        ------
        InputError, ColumnError
            As `sample` does.
        """
        from astropy.table import Column, Table

        stars = stars_of(table)
        parts = [summarise(draws) for draws in self._draw_blocks(stars, n_samples, **options)]
        found = Table({name: stars[name] for name in ("APOGEE_ID", "GAIA_SOURCE_ID") if name in stars})
        for name in parts[0]:
            values = np.concatenate([part[name] for part in parts])
            unit = UNITS.get(name.rpartition("_")[0]) if not name.startswith(("AGE_CUT", "AGE_BY")) else None
            found[name] = Column(values, unit=unit)
        return found

    def population(
        self, table: Any, n_samples: int = 300, *, age_limit: float = 13.8, systematic: float = 0.0, **options: Any
    ) -> dict[str, PopulationValue]:
        """Find one age and one distance for the members of a cluster or of a population.

        Parameters
        ----------
        table : Stars, table or path-like
            The members, as for `predict`.
        n_samples : int, default=300
            Draws of each star.
        age_limit : float, default=13.8
            Highest age (Gyr); below it the prior is flat in time.
        systematic : float, default=0.0
            Error of log10 age that all stars have in common, such as that of the mass scale (dex).
        **options
            ``scale``, ``parallax``, ``out_of_fold`` and ``random_state``, as for `sample`.

        Returns
        -------
        values : dict of PopulationValue
            ``"AGE"`` (log10 yr, of giants) and ``"MODULUS"`` (distance modulus, mag), as far as stars have them.
            Each has a mean, an error, percentiles, the scatter of the stars about it, and the probability of each star
            to belong (`skdistmass.model.population.PopulationValue`).

        Raises
        ------
        InputError
            If no star has an age or a distance.
        """
        draws = self.sample(table, n_samples, age_limit=None, **options)
        found = {}
        if np.isfinite(draws.get("AGE", np.empty((0, 1)))).all(axis=1).any():
            limit = 9.0 + float(np.log10(age_limit))
            found["AGE"] = common_value(draws["AGE"], 7.5, limit, prior=lambda age: 10.0**age, systematic=systematic)
        modulus = 10.0 + 5.0 * np.log10(draws.get("DISTANCE", np.empty((0, 1))))
        if np.isfinite(modulus).all(axis=1).any():
            low, high = np.nanpercentile(modulus, [0.1, 99.9])
            found["MODULUS"] = common_value(modulus, low - 0.1, high + 0.1)
        if not found:
            raise InputError("no star has an age or a distance: all lack labels, or a magnitude and an extinction.")
        return found

    def _draw_blocks(
        self,
        stars: Stars,
        n_samples: int,
        *,
        scale: str | None = None,
        parallax: bool = False,
        age_limit: float | None = 13.8,
        age_prior: Callable[[Floats], ArrayLike] | None = None,
        out_of_fold: bool = True,
        random_state: Any = None,
    ) -> Iterator[dict[str, Floats]]:
        """Yield draws of so many stars at a time that memory is bounded."""
        check_is_fitted(self, "abs_mag_")
        if not isinstance(n_samples, int | np.integer) or n_samples < 1:
            raise InputError(f"n_samples is {n_samples!r}; give a positive whole number.")
        if age_limit is not None and not age_limit > 0:
            raise InputError(f"age_limit is {age_limit!r}; give an age in Gyr, or None.")
        scale = next(iter(self.masses_), None) if scale is None else scale
        if scale is not None and scale not in self.masses_:
            raise InputError(f"the model has no mass scale {scale!r}; it has {', '.join(self.masses_) or 'none'}.")
        stars = stars.with_metallicity(self.metallicity_)
        rng = random_state if isinstance(random_state, StarRandom) else np.random.default_rng(random_state)
        if parallax and "PARALLAX" not in stars:
            raise ColumnError("parallax=True needs a column PARALLAX with its error, and the stars have none.")
        size = max(1, _BLOCK_DRAWS // int(n_samples))
        for start in range(0, max(len(stars), 1), size):
            rows = slice(start, start + size)
            own = rng[rows] if isinstance(rng, StarRandom) else rng
            drawing = _Drawing(self, stars[rows], int(n_samples), scale, out_of_fold, own)
            drawing.weigh(parallax, age_limit, age_prior)
            yield drawing.finish()


class _Drawing:
    """Draws of some stars, weighted by what else is known of them."""

    def __init__(self, model: Any, stars: Stars, n_samples: int, scale: str | None, out_of_fold: bool, rng: Any):
        self.model, self.stars, self.rng = model, stars, rng
        self.cuts = model.cuts if model.cuts is not None else TrainingCuts()
        self.labels, self.errors = labels_of(stars)
        entries = model.training_.find(stars, self.labels) if out_of_fold else None
        self.known_errors = np.where(np.isfinite(self.errors), self.errors, 0.0)
        shape = len(stars), n_samples
        self.log_weight: Floats = np.zeros(shape)
        self.cut: Floats = np.zeros(len(stars))
        self.draws: dict[str, Floats] = {}
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
            self._distances(n_samples)
        if scale is not None:
            law, spreads["MASS"] = self._law(Networks.of_mass(model, scale), entries, None)
            slopes["MASS"] = self._slope(model.masses_[scale])
            deviates["MASS"] = self._correlated(normal[2], "MASS", slopes, deviates, spreads)
            self.draws["MASS"] = law.ppf(ndtr(deviates["MASS"]).T).T
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

    def _distances(self, n_samples: int) -> None:
        stars, cuts = self.stars, self.cuts
        error = np.hypot(magnitude_errors(stars, cuts), extinction_errors(stars, cuts))
        noise = error[:, None] * self.rng.standard_normal((len(stars), n_samples))
        mag, extinction = stars.floats("K")[:, None], stars.floats("A_K")[:, None]
        self.draws["DISTANCE"] = distance_from_magnitude(self.draws["ABS_MAG"], mag + noise, extinction)

    def _ages(self) -> None:
        relation = self.model.age_
        (low, high), (poorest, richest) = relation.used_bounds()
        m_h = self.labels[:, 2]
        usable = (m_h >= poorest) & (m_h <= richest) & (self.labels[:, 1] < GIANT_LOGG)
        mass = np.clip(self.draws["MASS"], low, high)
        pairs = np.column_stack([mass[usable].ravel(), np.clip(self.draws["M_H"][usable], poorest, richest).ravel()])
        ages = np.full(mass.shape, np.nan)
        if len(pairs):
            ages[usable] = relation.transform(pairs).reshape(-1, mass.shape[1])
        self.draws["AGE"] = ages

    def weigh(self, parallax: bool, age_limit: float | None, age_prior: Callable | None) -> None:
        """Weight draws by the parallax, and by the limit and prior of ages."""
        if parallax and "DISTANCE" in self.draws:
            parallax_known = self.stars.floats("PARALLAX") - parallax_zero_points(self.stars, self.cuts)
            offset = parallax_known[:, None] - 1.0 / self.draws["DISTANCE"]
            error = self.stars.floats("PARALLAX_ERR")[:, None]
            with np.errstate(invalid="ignore", divide="ignore"):
                self.log_weight += np.nan_to_num(-0.5 * (offset / error) ** 2)
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
        self.cut = np.where(known.any(axis=1), 1.0 - weight.mean(axis=1), np.nan)
        with np.errstate(divide="ignore"):
            self.log_weight += np.log(weight)

    def finish(self) -> dict[str, Floats]:
        """Return draws of equal weight."""
        chosen = resample(self.log_weight, self.rng)
        nothing = chosen[:, 0] < 0
        found = {name: np.take_along_axis(values, np.maximum(chosen, 0), axis=1) for name, values in self.draws.items()}
        if "AGE" in found:
            # No draw is younger than the limit: the age is not known, the rest is as it was.
            found["AGE"][nothing] = np.nan
            for name in set(found) - {"AGE"}:
                found[name][nothing] = self.draws[name][nothing]
            return found | {"AGE_CUT": self.cut}
        return found
