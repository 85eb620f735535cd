"""What ages of giants can take into account beyond the paper: alpha elements, and the mass lost before the clump."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from skdistmass.estimators.evolution import EvolutionaryStateClassifier
from skdistmass.exceptions import ColumnError, InputError
from skdistmass.isochrones import MassLoss, mean_alpha, total_metallicity
from skdistmass.labels import LABEL_NAMES
from skdistmass.surveys.stars import Stars

__all__ = ["AgePhysics"]

Floats = NDArray[np.float64]
_BRANCH, _CLUMP = 1, 2  # EVSTATE
_ALPHA_COLUMNS = ("ALPHA_M", "ALPHA_FE")


@dataclass(frozen=True)
class AgePhysics:
    """Ingredients of ages that the paper leaves out. By default all are off, and ages are the paper's.

    Parameters
    ----------
    alpha : {"mean", "label"} or None, default=None
        Alpha elements, by which a star is more metal-rich than its [Fe/H]
        (`skdistmass.isochrones.total_metallicity`). ``"mean"``: those of a mean star of its metallicity
        (`skdistmass.isochrones.mean_alpha`). ``"label"``: the star's own, from the column ALPHA_M or ALPHA_FE; the mean
        where it is missing.
    mass_loss : MassLoss or None, default=None
        What stars of the red clump have lost. Their state is EVSTATE where it is known (1 branch, 2 clump), else the
        classifier's probability; without one a star has lost nothing.
    states : EvolutionaryStateClassifier or None, default=None
        Gives the probability that a star without EVSTATE is in the clump: that share of its draws has lost mass.

    Raises
    ------
    InputError
        If `alpha` is no choice, or `states` has no classes 1 and 2.

    Examples
    --------
    >>> from skdistmass.isochrones import MassLoss
    >>> from skdistmass.model import AgePhysics
    >>> AgePhysics(alpha="mean", mass_loss=MassLoss(eta=0.2, spread=0.3)).alpha
    'mean'
    """

    alpha: str | None = None
    mass_loss: MassLoss | None = None
    states: EvolutionaryStateClassifier | None = None

    def __post_init__(self) -> None:
        if self.alpha not in (None, "mean", "label"):
            raise InputError(f"alpha is {self.alpha!r}; give 'mean', 'label' or None.")
        if self.states is not None and list(getattr(self.states, "classes_", [])) != [_BRANCH, _CLUMP]:
            raise InputError("states must be a classifier fitted on EVSTATE: 1 red giant branch, 2 red clump.")

    def alpha_of(self, stars: Stars) -> Floats:
        """Return [alpha/Fe] of stars (dex), 0 if it does not count."""
        metallicity = stars.floats("M_H")
        if self.alpha is None:
            return np.zeros(len(stars))
        mean = mean_alpha(metallicity)
        if self.alpha == "mean":
            return mean
        column = next((name for name in _ALPHA_COLUMNS if name in stars), None)
        if column is None:
            raise ColumnError("alpha='label' needs a column ALPHA_M or ALPHA_FE; use 'mean' without one.")
        known = stars.floats(column)
        return np.where(np.abs(known) < 1.0, known, mean)

    def metallicity(self, stars: Stars, m_h: Floats) -> Floats:
        """Return what draws of metallicity, shape (n_stars, n_samples), are for models without alpha elements."""
        return m_h if self.alpha is None else total_metallicity(m_h, self.alpha_of(stars)[:, None])

    def clump_probability(self, stars: Stars, labels: Floats) -> Floats:
        """Return the probability of each star to be in the clump.

        Raises
        ------
        ColumnError
            If neither EVSTATE nor a classifier tells.
        """
        if "EVSTATE" not in stars and self.states is None:
            raise ColumnError(
                "mass loss needs a column EVSTATE, or states, a classifier: which stars are in the clump?"
            )
        found = np.zeros(len(stars))
        if self.states is not None:
            named = hasattr(self.states, "feature_names_in_")
            X = dict(zip(LABEL_NAMES, labels.T, strict=True)) if named else labels
            found = np.nan_to_num(self.states.predict_proba(X)[:, 1])
        if "EVSTATE" in stars:
            state = stars.floats("EVSTATE")
            found = np.where(state == _CLUMP, 1.0, np.where(state == _BRANCH, 0.0, found))
        return found

    def initial_mass(self, stars: Stars, labels: Floats, mass: Floats, feh: Floats, rng: Any) -> Floats:
        """Return initial masses for draws of the current mass, shape (n_stars, n_samples)."""
        if self.mass_loss is None:
            return mass
        clump = self.clump_probability(stars, labels)[:, None]
        lost = rng.random(mass.shape) < clump
        factor = self.mass_loss.draw_factors(rng.standard_normal(mass.shape))
        # A star is of one state or the other: a draw has lost all, or nothing.
        some = np.where(lost & np.isfinite(mass), factor, 0.0)
        return np.where(some > 0, self.mass_loss.initial_mass(mass, feh, some), mass)
