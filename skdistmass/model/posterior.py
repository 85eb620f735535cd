"""Joint draws of absolute magnitude, distance, mass, metallicity and age, and tables of their posteriors."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import ArrayLike, NDArray
from sklearn.utils.validation import check_is_fitted

from skdistmass.exceptions import ColumnError, InputError
from skdistmass.isochrones import IsochroneDistanceRegressor
from skdistmass.model.age_physics import AgePhysics
from skdistmass.model.drawing import ALL_SCALES, Drawing
from skdistmass.model.draws import FACTS, UNITS, summarise
from skdistmass.model.population import PopulationValue, common_value
from skdistmass.model.reading import stars_of
from skdistmass.model.star_random import StarRandom
from skdistmass.surveys.stars import Stars

if TYPE_CHECKING:
    from astropy.table import Table

__all__ = ["PosteriorMixin"]

Floats = NDArray[np.float64]

_BLOCK_DRAWS = 2_000_000  # draws of each quantity in memory at a time


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
        isochrones: IsochroneDistanceRegressor | None = None,
        physics: AgePhysics | None = None,
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
            Mass scale; by default the first of the model. ``"all"`` is all of them together (see Notes).
        parallax : bool, default=False
            Whether the parallax counts as well: draws are weighted by its likelihood and drawn again. A star without a
            parallax keeps its draws.
        age_limit : float or None, default=13.8
            Ages above it (Gyr) are impossible. With None there is no limit.
        age_prior : callable, optional
            Takes ages in Gyr and returns their prior density up to a factor; by default all ages are as likely as the
            masses make them.
        isochrones : IsochroneDistanceRegressor, optional
            Gives mass and age of dwarfs and subgiants (log g >= 3.5): all their draws are from its posterior, by Teff,
            [M/H], the network's M_K, or else log g, and the parallax if it counts.
        physics : AgePhysics, optional
            Alpha elements and mass loss in the ages; by default neither.
        out_of_fold : bool, default=True
            As for `predict`.
        random_state : int, Generator, StarRandom or None
            Seed. With a `skdistmass.model.star_random.StarRandom` the draws of a star do not depend on the others.

        Returns
        -------
        draws : dict of ndarray of shape (n_stars, n_samples)
            ABS_MAG (mag) and DISTANCE (kpc) of a model of distances; MASS (Msun), M_H (dex) and AGE (log10 yr, of
            giants) of a model of masses. Also ``AGE_CUT``, of shape (n_stars,): the share of draws that the limit of
            age, or its prior, rejected; AGE_PRIOR_RATIO of dwarfs, the width of the age as a fraction of the prior's
            (`IsochroneDistanceRegressor.sample`); MASS_SCALE_SPREAD of scale "all", the fraction by which the scales
            scatter. Rows are NaN where a star has no prediction.

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
        Without label errors they are independent. The metallicity is drawn from its error. Masses below 0.1 and above
        20 Msun, in the tails of the laws of outlying stars, are impossible.

        Scale "all" is a random-effects mean: the scales' laws are averaged (their errors are those of the same labels,
        and don't average out), and a scatter is added, that of the scales' medians about their mean.

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
            isochrones=isochrones,
            physics=physics,
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
            rejected, and ``AGE_BY_PRIOR``, whether that is more than half, or, of dwarfs, AGE_PRIOR_RATIO is above 0.5.
            With them AGE_PRIOR_RATIO and MASS_SCALE_SPREAD of `sample`. Identifiers come first.

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
            unit = UNITS.get(name.rpartition("_")[0]) if name not in FACTS else None
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
            ``scale``, ``parallax``, ``isochrones``, ``physics``, ``out_of_fold`` and ``random_state``, as for `sample`.

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
        isochrones: IsochroneDistanceRegressor | None = None,
        physics: AgePhysics | None = None,
        out_of_fold: bool = True,
        random_state: Any = None,
    ) -> Iterator[dict[str, Floats]]:
        """Yield draws of so many stars at a time that memory is bounded."""
        if not hasattr(self, "abs_mag_"):
            check_is_fitted(self, "abs_mag_")
        if not isinstance(n_samples, int | np.integer) or n_samples < 1:
            raise InputError(f"n_samples is {n_samples!r}; give a positive whole number.")
        if age_limit is not None and not age_limit > 0:
            raise InputError(f"age_limit is {age_limit!r}; give an age in Gyr, or None.")
        scale = next(iter(self.masses_), None) if scale is None else scale
        if scale is not None and scale not in self.masses_ and not (scale == ALL_SCALES and self.masses_):
            raise InputError(f"the model has no mass scale {scale!r}; it has {', '.join(self.masses_) or 'none'}.")
        stars = stars.with_metallicity(self.metallicity_)
        rng = random_state if isinstance(random_state, StarRandom) else np.random.default_rng(random_state)
        if parallax and "PARALLAX" not in stars:
            raise ColumnError("parallax=True needs a column PARALLAX with its error, and the stars have none.")
        size = max(1, _BLOCK_DRAWS // int(n_samples))
        for start in range(0, max(len(stars), 1), size):
            rows = slice(start, start + size)
            own = rng[rows] if isinstance(rng, StarRandom) else rng
            drawing = Drawing(self, stars[rows], int(n_samples), scale, out_of_fold, own, physics)
            if isochrones is not None:
                drawing.use_isochrones(isochrones, parallax)
            drawing.weigh(parallax, age_limit, age_prior)
            yield drawing.finish()
