"""A_K from near-infrared colours: the observed colour minus the one that stars of these labels have without dust."""

from __future__ import annotations

import os
from dataclasses import dataclass
from functools import cache
from importlib import resources
from pathlib import Path
from typing import Self

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.special import log_ndtr

from skdistmass.exceptions import FileFormatError, InputError

__all__ = ["COLOURS", "IntrinsicColours", "latitude_prior"]

Floats = NDArray[np.float64]

#: Name of each colour to its two bands (columns of J, H, K_s) and A_K per magnitude of colour excess, from
#: A_J / A_K = 2.50 and A_H / A_K = 1.55 (Indebetouw et al. 2005, ApJ 619, 931). The best one comes first.
COLOURS = {"J-K": (0, 2, 1.0 / 1.50), "J-H": (0, 1, 1.0 / 0.95), "H-K": (1, 2, 1.0 / 0.55)}
# Colours bluer than without dust by more than this number of errors are wrong, as are their labels: they say nothing.
_TOO_BLUE = 3.0
# Place in a normal law, in standard deviations, below which the exponential law is near enough (0.1 %).
_EXPONENTIAL = -30.0


def latitude_prior(latitude: ArrayLike) -> Floats:
    """Return the mean of A_K at Galactic latitudes, of giants at distances of some kpc.

    Parameters
    ----------
    latitude : array-like of float
        Galactic latitude (deg); where it is NaN, that of the plane is taken.

    Returns
    -------
    mean : ndarray
        ``0.015 + 0.2 exp(-|b| / 15 deg)`` mag, which follows the colours of the K2 giants
        (``examples/colour_extinction.py``).

    Examples
    --------
    >>> from skdistmass.extinction import latitude_prior
    >>> latitude_prior([0.0, 20.0, 90.0]).round(3)
    array([0.215, 0.068, 0.015])
    """
    latitude = np.abs(np.nan_to_num(np.asarray(latitude, dtype=np.float64), nan=0.0))
    return 0.015 + 0.2 * np.exp(-latitude / 15.0)


@dataclass(frozen=True, eq=False)
class IntrinsicColours:
    """Colours of stars without dust, as polynomials in log Teff, log g and [M/H].

    Attributes
    ----------
    powers : ndarray of int, shape (n_terms, 3)
        Powers of the scaled labels in each term.
    coefficients : dict of ndarray
        Name of each of `COLOURS` to its coefficients (mag).
    scatter : dict of float
        Name of each colour to the scatter of A_K (mag) about known values.
    center, scale : ndarray of shape (3,)
        What scales log10 Teff, log g and [M/H].
    lower, upper : ndarray of shape (3,)
        Ends of Teff (K), log g and [M/H]. Beyond those of [M/H] the colour is that at the end; beyond those of Teff
        and log g there is none.
    source : str
        Where the numbers are from.

    Examples
    --------
    >>> from skdistmass.extinction import IntrinsicColours
    >>> colours = IntrinsicColours.default()
    >>> giant, magnitudes = [[4750.0, 2.5, -0.1]], [[10.70, 10.11, 10.00]]  # Teff, log g, [M/H]; J, H, K_s
    >>> colours.colour("J-K", giant).round(2)
    array([0.63])
    >>> value, error = colours.extinction(giant, magnitudes, latitude=[10.0])
    >>> value.round(2), error.round(2)
    (array([0.05]), array([0.02]))
    """

    powers: NDArray[np.int_]
    coefficients: dict[str, Floats]
    scatter: dict[str, float]
    center: Floats
    scale: Floats
    lower: Floats
    upper: Floats
    source: str = ""

    @classmethod
    @cache
    def default(cls) -> Self:
        """Return those that come with the package: PARSEC isochrones, shifted to Kepler stars of known A_K."""
        path = resources.files("skdistmass.extinction").joinpath("intrinsic_colours.ecsv")
        with resources.as_file(path) as file:
            return cls.read(file)

    @classmethod
    def read(cls, path: str | os.PathLike[str]) -> Self:
        """Read them from an ECSV file as ``examples/make_intrinsic_colours.py`` writes it.

        Parameters
        ----------
        path : path-like

        Returns
        -------
        colours : IntrinsicColours

        Raises
        ------
        FileFormatError
            If the file can't be read, or lacks a column or an entry.
        """
        from astropy.table import Table

        try:
            table = Table.read(Path(path).read_text(encoding="utf-8"), format="ascii.ecsv")
            powers = np.column_stack([table[name] for name in ("POWER_LOG_TEFF", "POWER_LOGG", "POWER_M_H")])
            coefficients = {name: np.asarray(table[name], float) for name in COLOURS if name in table.colnames}
            numbers = {n: np.asarray(table.meta[n], float) for n in ("center", "scale", "lower", "upper")}
            scatter = {name: float(table.meta["scatter"][name]) for name in coefficients}
            return cls(powers, coefficients, scatter, **numbers, source=str(table.meta["source"]))
        except (OSError, KeyError, ValueError, TypeError) as error:
            raise FileFormatError(f"{path} does not hold intrinsic colours: {error}.") from error

    def colour(self, name: str, labels: ArrayLike) -> Floats:
        """Return a colour without dust.

        Parameters
        ----------
        name : {"J-K", "J-H", "H-K"}
        labels : array-like of shape (n_stars, 3)
            Teff (K), log g and [M/H]; NaN where missing.

        Returns
        -------
        colour : ndarray of shape (n_stars,)
            In mag; NaN where a label is missing, or Teff or log g is beyond the limits.
        """
        labels = _columns("labels", labels).copy()
        labels[:, 2] = np.clip(labels[:, 2], self.lower[2], self.upper[2])
        labels[~np.all((labels >= self.lower) & (labels <= self.upper), axis=1)] = np.nan
        labels[:, 0] = np.log10(labels[:, 0])
        scaled = (labels - self.center) / self.scale
        terms = np.ones((len(labels), len(self.powers)))
        for column, powers in zip(scaled.T, self.powers.T, strict=True):
            terms *= np.vander(column, powers.max() + 1, increasing=True)[:, powers]
        return terms @ self.coefficients[name]

    def extinction(
        self, labels: ArrayLike, magnitudes: ArrayLike, errors: ArrayLike | None = None, *, latitude: ArrayLike
    ) -> tuple[Floats, Floats]:
        """Return A_K of stars by their colours.

        Parameters
        ----------
        labels : array-like of shape (n_stars, 3)
            Teff (K), log g and [M/H].
        magnitudes : array-like of shape (n_stars, 3)
            J, H and K_s (mag). Of the colours that a star has, the first of `COLOURS` is used.
        errors : array-like of shape (n_stars, 3), optional
            Errors of the magnitudes. They count where they give more than `scatter`, which holds the usual ones.
        latitude : array-like of shape (n_stars,)
            Galactic latitude (deg), NaN where unknown.

        Returns
        -------
        values, errors : ndarray of shape (n_stars,)
            A_K and its error (mag); NaN where no colour or label is known.

        Raises
        ------
        InputError
            If a shape is wrong.

        Notes
        -----
        Mean and standard deviation of A_K, given the colour and its error, for an exponential law of A_K with the mean
        `latitude_prior`. So no value is negative; a colour that says little gives the usual A_K of the latitude; and
        one that says much is hardly changed, however large the extinction is. A colour that is bluer than without dust
        by more than 3 errors says nothing.
        """
        labels, magnitudes = _columns("labels", labels), _columns("magnitudes", magnitudes)
        errors = np.full_like(magnitudes, np.nan) if errors is None else _columns("errors", errors)
        seen, error = np.full((2, len(labels)), np.nan)
        for name in (name for name in COLOURS if name in self.coefficients):
            first, second, factor = COLOURS[name]
            found = factor * (magnitudes[:, first] - magnitudes[:, second] - self.colour(name, labels))
            photometric = factor * np.hypot(errors[:, first], errors[:, second])
            rows = np.isnan(seen) & np.isfinite(found)
            seen[rows], error[rows] = found[rows], np.fmax(photometric, self.scatter[name])[rows]
        usual = latitude_prior(np.broadcast_to(np.asarray(latitude, dtype=np.float64), seen.shape))
        return _with_prior(seen, error, usual)


def _columns(name: str, values: ArrayLike) -> Floats:
    values = np.asarray(values, dtype=np.float64)
    if values.ndim != 2 or values.shape[1] != 3:
        what = "Teff, log g and [M/H]" if name == "labels" else "J, H and K_s"
        raise InputError(f"{name} has shape {values.shape}; three columns are needed: {what}.")
    return values


def _with_prior(seen: Floats, error: Floats, usual: Floats) -> tuple[Floats, Floats]:
    """Mean and deviation of a normal law times an exponential one: a normal law cut off at 0."""
    place = seen / error - error / usual
    near = np.maximum(place, _EXPONENTIAL)
    slope = np.exp(-0.5 * near**2 - log_ndtr(near)) / np.sqrt(2.0 * np.pi)
    mean, deviation = error * (near + slope), error * np.sqrt(1.0 - slope * (slope + near))
    # So far in its tail, a normal law is an exponential one.
    tail = np.where(seen < -_TOO_BLUE * error, usual, error / -np.minimum(place, _EXPONENTIAL))
    only_tail = (place < _EXPONENTIAL) | (seen < -_TOO_BLUE * error)
    return np.where(only_tail, tail, mean), np.where(only_tail, tail, deviation)
