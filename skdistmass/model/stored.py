"""Posteriors as columns of a catalogue: summaries, quantiles at fixed levels, or draws."""

from __future__ import annotations

from dataclasses import dataclass
from numbers import Integral
from typing import Any

import numpy as np
from numpy.typing import NDArray

from skdistmass.exceptions import InputError
from skdistmass.isochrones import IsochroneDistanceRegressor
from skdistmass.model.age_physics import AgePhysics
from skdistmass.model.draws import FACTS, joint_facts, quantiles_of, summarise
from skdistmass.model.star_random import StarRandom
from skdistmass.schema.columns import CatalogColumn, posterior_layout
from skdistmass.surveys.stars import Stars
from skdistmass.uncertainty import LEVELS, PredictiveDistribution

__all__ = ["FORMS", "STORED_LEVELS", "StoredPosterior", "stored_law", "stored_vectors"]

Floats = NDArray[np.float64]
#: How a posterior can be stored, and how many draws of each star that takes by default.
FORMS = {"summary": 1000, "quantiles": 1000, "draws": 100}
#: Levels of stored quantiles: those of the normal law at -3, -2.5 ... 3 sigma.
STORED_LEVELS = LEVELS[5:-5:5]
_QUANTITIES = ("ABS_MAG", "DISTANCE", "MASS", "AGE", "M_H")
_MOST_DRAWS = 10_000
_BLOCK_DRAWS = 1_000_000  # draws of each quantity in memory at a time


@dataclass(frozen=True)
class StoredPosterior:
    """What a catalogue keeps of each star's joint posterior.

    The draws of a star come from the seed and the star's identifier, and so do not depend on the other rows: any size
    of chunks, any number of threads and a resumed catalogue give the same.

    Parameters
    ----------
    form : {"quantiles", "summary", "draws"}, default="quantiles"
        ``"quantiles"``: one vector of 13 quantiles for each quantity, at `STORED_LEVELS`. ``"summary"``: mode, median,
        mean and four percentiles as columns of their own. ``"draws"``: the draws of all quantities as vectors.
    n_samples : int, optional
        Draws of each star, up to 10,000; by default 1,000, of which 100 if the draws are stored.
    scale : str, optional
        Mass scale, or ``"all"`` for all together; by default the first of the model.
    parallax : bool, default=False
        Whether the parallax counts as well.
    age_limit : float or None, default=13.8
        Ages above it (Gyr) are impossible.
    seed : int, default=0
        Seed of the draws.
    isochrones : IsochroneDistanceRegressor, optional
        Gives masses and ages of dwarfs and subgiants, as for `DistMassModel.sample`.
    physics : AgePhysics, optional
        Alpha elements and mass loss in the ages.

    Raises
    ------
    InputError
        If a parameter is out of its range.

    Examples
    --------
    >>> from skdistmass.model.stored import StoredPosterior
    >>> StoredPosterior("draws").n_samples
    100
    """

    form: str = "quantiles"
    n_samples: int = 0
    scale: str | None = None
    parallax: bool = False
    age_limit: float | None = 13.8
    seed: int = 0
    isochrones: IsochroneDistanceRegressor | None = None
    physics: AgePhysics | None = None

    def __post_init__(self) -> None:
        if self.form not in FORMS:
            raise InputError(f"posterior is {self.form!r}; give one of {', '.join(FORMS)}.")
        if self.n_samples == 0:
            object.__setattr__(self, "n_samples", FORMS[self.form])
        if not isinstance(self.n_samples, Integral) or not 2 <= self.n_samples <= _MOST_DRAWS:
            raise InputError(f"n_samples is {self.n_samples!r}; give a whole number from 2 to {_MOST_DRAWS:,}.")

    @classmethod
    def of(cls, given: Any) -> StoredPosterior | None:
        """Return the settings for what a caller gives: None, a form, or settings."""
        if given is None or isinstance(given, cls):
            return given
        if not isinstance(given, str):
            raise InputError(f"posterior is {given!r}; give one of {', '.join(FORMS)}, or a StoredPosterior.")
        return cls(given)

    def columns_of(self, model: Any, stars: Stars, *, out_of_fold: bool = True) -> dict[CatalogColumn, NDArray]:
        """Draw the posteriors of stars, and return what is kept of them.

        Parameters
        ----------
        model : DistMassModel or OnnxPredictor
            Any model that has `sample`.
        stars : Stars
            Prepared as for a prediction.
        out_of_fold : bool, default=True
            As for the model.

        Returns
        -------
        columns : dict of CatalogColumn to ndarray
            Of shape (n_stars,), or (n_stars, length) for vectors.

        Raises
        ------
        InputError
            If the model can't draw.
        """
        if not hasattr(model, "sample"):
            raise InputError(f"{type(model).__name__} has no draws, so that a catalogue of it can't have posteriors.")
        random = StarRandom.of(stars, self.seed)
        size = _BLOCK_DRAWS // int(self.n_samples)
        parts = []
        for start in range(0, max(len(stars), 1), size):
            rows = slice(start, start + size)
            draws = model.sample(
                stars[rows],
                int(self.n_samples),
                scale=self.scale,
                parallax=self.parallax,
                age_limit=self.age_limit,
                isochrones=self.isochrones,
                physics=self.physics,
                out_of_fold=out_of_fold,
                random_state=random[rows],
            )
            parts.append(self._kept(draws))
        return {column: np.concatenate([part[column] for part in parts]) for column in parts[0]}

    def _kept(self, draws: dict[str, Floats]) -> dict[CatalogColumn, NDArray]:
        quantities = [name for name in _QUANTITIES if name in draws and (name != "M_H" or self.form == "draws")]
        length = {"quantiles": len(STORED_LEVELS), "draws": int(self.n_samples)}.get(self.form, 0)
        found = summarise(draws) if self.form == "summary" else joint_facts(draws)
        facts = [name for name in FACTS if name in found]
        for name in quantities:
            if self.form == "quantiles":
                found[f"{name}_QUANTILES"] = quantiles_of(draws[name], STORED_LEVELS)
            elif self.form == "draws":
                found[f"{name}_DRAWS"] = draws[name]
        return {
            column: _single(found[column.name.removeprefix("POST_")], column)
            for column in posterior_layout(self.form, quantities, length, facts)
        }


def _single(values: NDArray, column: CatalogColumn) -> NDArray:
    return values if column.dtype == "?" else values.astype(column.dtype)


def stored_vectors(column: Any) -> Floats:
    """Return a column of vectors as a matrix; astropy reads the lists of a Parquet file as objects.

    Parameters
    ----------
    column : array-like of shape (n_stars,) or (n_stars, length)
        A column ``POST_*_QUANTILES`` or ``POST_*_DRAWS`` of a catalogue.

    Returns
    -------
    vectors : ndarray of shape (n_stars, length)

    Examples
    --------
    >>> from skdistmass.model import stored_vectors
    >>> stored_vectors([[1, 2], [3, 4]])
    array([[1., 2.],
           [3., 4.]])
    """
    return np.stack([np.asarray(row, dtype=np.float64) for row in column])


def stored_law(quantiles: NDArray) -> PredictiveDistribution:
    """Return the laws of stored quantiles.

    Parameters
    ----------
    quantiles : array-like of shape (n_stars, 13)
        A column ``POST_*_QUANTILES`` of a catalogue.

    Returns
    -------
    law : PredictiveDistribution

    Examples
    --------
    >>> import numpy as np
    >>> from skdistmass.model.stored import stored_law
    >>> stored_law(np.linspace(1.0, 2.2, 13)[None, :]).median()
    array([1.6])
    """
    return PredictiveDistribution(STORED_LEVELS, stored_vectors(quantiles))
