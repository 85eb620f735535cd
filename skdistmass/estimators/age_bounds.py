"""Ages within bounds of mass and [Fe/H]: the formulas of the age transformer, on plain arrays."""

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from skdistmass.exceptions import InputError
from skdistmass.isochrones.giant_ages.relation import GiantAgeRelation
from skdistmass.schema.bits import AgeFlag

__all__ = ["BoundedAges", "limited_bounds"]


def limited_bounds(name: str, wanted, low: float, high: float) -> tuple[float, float]:
    """Return the wanted bounds, or all if None, limited to the range of the relation from `low` to `high`.

    Raises
    ------
    InputError
        If the bounds are not two increasing numbers, or lie outside the relation.
    """
    if wanted is None:
        return low, high
    pair = np.asarray(wanted, dtype=np.float64)
    if pair.shape != (2,) or not pair[0] < pair[1]:
        raise InputError(f"{name} must be a lower and a higher number, not {wanted!r}.")
    if pair[0] > high or pair[1] < low:
        raise InputError(
            f"{name} {tuple(pair.tolist())} lie outside the age relation, which goes from {low:g} to {high:g}; set "
            "bounds within it, or None."
        )
    return float(max(low, pair[0])), float(min(high, pair[1]))


@dataclass(frozen=True)
class BoundedAges:
    """Ages of giants for arrays of masses (Msun) and [Fe/H] (dex) of shape (n_stars,), NaN where missing.

    Attributes
    ----------
    relation : GiantAgeRelation
        Age of a giant as a function of initial mass and [Fe/H].
    mass_bounds, feh_bounds : tuple of two floats
        Lowest and highest initial mass and [Fe/H] that get an age.
    mass_loss : float
        Mass that every giant has lost.
    to_edge : bool
        Whether stars outside the bounds get the age at the nearest bound rather than NaN.
    """

    relation: GiantAgeRelation
    mass_bounds: tuple[float, float]
    feh_bounds: tuple[float, float]
    mass_loss: float
    to_edge: bool

    def limits(self, feh: NDArray) -> tuple[NDArray, NDArray, NDArray]:
        """Return the lowest and highest initial mass at each [Fe/H], and the [Fe/H] moved to the nearest bound."""
        feh_inside = np.clip(feh, *self.feh_bounds)
        covered_low, covered_high = self.relation.mass_limits(feh_inside)
        low, high = self.mass_bounds
        return np.maximum(covered_low, low), np.minimum(covered_high, high), feh_inside

    def flag(self, mass: NDArray, feh: NDArray) -> NDArray[np.uint8]:
        """Return the sum of the bits of `AgeFlag` of each star."""
        low, high, feh_inside = self.limits(feh)
        initial = mass + self.mass_loss
        flag = np.zeros(len(mass), dtype=np.uint8)
        for bit, bad in (
            (AgeFlag.MASS_LOW, initial < low),
            (AgeFlag.MASS_HIGH, initial > high),
            (AgeFlag.FEH_LOW, feh < feh_inside),
            (AgeFlag.FEH_HIGH, feh > feh_inside),
            (AgeFlag.MISSING, np.isnan(mass) | np.isnan(feh)),
        ):
            flag[bad] |= np.uint8(bit)
        return flag

    def log_age(self, mass: NDArray, feh: NDArray) -> NDArray[np.float64]:
        """Return log10 ages (yr)."""
        low, high, feh_inside = self.limits(feh)
        initial = mass + self.mass_loss
        inside = np.clip(initial, low, high)
        log_age = self.relation.log_age(inside, feh_inside)
        if not self.to_edge:
            log_age[(inside != initial) | (feh_inside != feh)] = np.nan
        return log_age

    def mass(self, log_age: NDArray, feh: NDArray) -> NDArray[np.float64]:
        """Return the masses that have these ages: the inverse of `log_age`."""
        low, high, feh_inside = self.limits(feh)
        mass = self.relation.mass(log_age, feh_inside)
        if self.to_edge:
            mass = np.where(log_age > self.relation.log_age(low, feh_inside), low, mass)
            mass = np.where(log_age < self.relation.log_age(high, feh_inside), high, mass)
        else:
            # The bounds are inside; a mass turned into its logarithm and back may differ from them by rounding.
            inside = (mass >= low * (1 - 1e-12)) & (mass <= high * (1 + 1e-12)) & (feh == feh_inside)
            mass = np.where(inside, np.clip(mass, low, high), np.nan)
        return mass - self.mass_loss

    def clipped_interval(
        self, light: NDArray, heavy: NDArray, feh: NDArray, log_age: NDArray
    ) -> tuple[NDArray[np.float64], NDArray[np.bool_]]:
        """Return `interval` with ends beyond the bounds of mass at the bounds, and where that is so."""
        low, high, _ = self.limits(feh)
        known = np.isfinite(log_age) & ~(np.isnan(light) | np.isnan(heavy))
        clipped = known & ((light + self.mass_loss < low) | (heavy + self.mass_loss > high))
        return replace(self, to_edge=True).interval(light, heavy, feh, log_age), clipped

    def interval(self, light: NDArray, heavy: NDArray, feh: NDArray, log_age: NDArray) -> NDArray[np.float64]:
        """Return the lower and upper end of the age, (n_stars, 2), for two masses; NaN where `log_age` is."""
        interval = np.column_stack([self.log_age(heavy, feh), self.log_age(light, feh)])
        interval[np.isnan(light) | np.isnan(heavy) | np.isnan(log_age)] = np.nan
        return interval

    def log_age_err(self, mass: NDArray, feh: NDArray, sigma: NDArray) -> NDArray[np.float64]:
        """Return the error of log10 age that an error of the mass gives."""
        low, high, feh_inside = self.limits(feh)
        centre = np.clip(mass + self.mass_loss, low, high)
        light, heavy = np.clip(centre - sigma, low, high), np.clip(centre + sigma, low, high)
        rise = self.relation.log_age(heavy, feh_inside) - self.relation.log_age(light, feh_inside)
        with np.errstate(divide="ignore", invalid="ignore"):
            slope = rise / np.log10(heavy / light)
        # In a very narrow interval the difference of the ages is rounding: take the slope at its centre.
        slope = np.where(heavy - light > 1e-6 * centre, slope, self.relation.slope(centre, feh_inside))
        error = -slope * sigma / (centre * np.log(10.0))
        if not self.to_edge:
            error[self.flag(mass, feh) != 0] = np.nan
        return error
