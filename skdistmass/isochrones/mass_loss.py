"""Mass that giants lose on the red giant branch, before they burn helium in the clump."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from skdistmass.exceptions import InputError

__all__ = ["MassLoss", "mass_loss_terms"]

Floats = NDArray[np.float64]

# Fitted to PARSEC v1.2S by ``examples/make_mass_loss.py``.
_COEFFICIENTS = np.array([0.37101, -0.38469, 0.09742, 0.13293, -0.00617, -0.16514, 0.05125, 0.00147])
_ETA_OF_FIT = 0.2
_ROUNDS = 20  # the step shrinks by more than half in each


def mass_loss_terms(mass: Floats, feh: Floats) -> Floats:
    """Return the terms of the formula for the mass lost, shape (n_stars, n_terms)."""
    return np.stack([np.ones_like(mass), mass, mass**2, feh, feh**2, mass * feh, mass**2 * feh, mass * feh**2], axis=-1)


@dataclass(frozen=True)
class MassLoss:
    """What a star of the red clump has lost since it was born.

    Parameters
    ----------
    eta : float, default=0.2
        Efficiency of the law of Reimers (1975). The loss at eta = 0.2 is that of PARSEC v1.2S (a polynomial in initial
        mass and [Fe/H], to 0.003 Msun), and proportional to eta: 0.08 Msun for a star of 1 Msun, nothing above 1.7.
        Asteroseismology of clusters asks for 0.1 to 0.3 (Miglio et al. 2012).
    fraction : float or None, default=None
        Instead of the law, a fraction of the initial mass that every star of the clump loses.
    spread : float, default=0.0
        Scatter of the loss from star to star, as a fraction of it (normal, cut at no loss).

    Raises
    ------
    InputError
        If a number is out of its range.

    References
    ----------
    Reimers 1975, Mem. Soc. R. Sci. Liege 8, 369; Bressan et al. 2012, MNRAS 427, 127; Miglio et al. 2012, MNRAS 419,
    2077.

    Examples
    --------
    >>> from skdistmass.isochrones import MassLoss
    >>> MassLoss(0.2).initial_mass([0.95, 1.5, 2.5], [0.0, 0.0, 0.0]).round(2)
    array([1.03, 1.51, 2.5 ])
    >>> MassLoss(fraction=0.1).initial_mass([0.9], [0.0])
    array([1.])
    """

    eta: float = 0.2
    fraction: float | None = None
    spread: float = 0.0

    def __post_init__(self) -> None:
        if not 0.0 <= self.eta <= 1.0:
            raise InputError(f"eta is {self.eta!r}; give a number from 0 to 1.")
        if self.fraction is not None and not 0.0 <= self.fraction < 0.5:
            raise InputError(f"fraction is {self.fraction!r}; give a number from 0 to 0.5, or None for the law.")
        if not 0.0 <= self.spread <= 2.0:
            raise InputError(f"spread is {self.spread!r}; give a number from 0 to 2.")

    def initial_mass(self, mass: ArrayLike, feh: ArrayLike, factor: ArrayLike = 1.0) -> Floats:
        """Return initial masses.

        Parameters
        ----------
        mass : array-like
            Current masses of stars of the clump (Msun).
        feh : array-like
            [Fe/H] (dex), of the same shape.
        factor : array-like, default=1.0
            What the loss of each star is multiplied by; see `draw_factors`.

        Returns
        -------
        initial : ndarray
            Msun.
        """
        mass, feh, factor = np.broadcast_arrays(*(np.asarray(v, dtype=np.float64) for v in (mass, feh, factor)))
        if self.fraction is not None:
            return mass / (1.0 - np.minimum(self.fraction * factor, 0.5))
        strength = factor * self.eta / _ETA_OF_FIT
        initial = mass.copy()
        for _ in range(_ROUNDS):
            initial = 0.5 * (initial + mass + strength * _lost(initial, feh))
        return initial

    def draw_factors(self, normal: Floats) -> Floats:
        """Return factors of the loss of each star for normal deviates."""
        return np.maximum(1.0 + self.spread * normal, 0.0)


def _lost(initial: Floats, feh: Floats) -> Floats:
    """Return the loss (Msun) of the fit, for metallicities within those it was made from."""
    inside = np.clip(initial, 0.7, 1.9)
    terms = mass_loss_terms(inside, np.clip(feh, -1.5, 0.6))
    return np.where(initial < 1.9, np.maximum(terms @ _COEFFICIENTS, 0.0), 0.0)
