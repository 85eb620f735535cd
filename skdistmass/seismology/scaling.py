"""The scaling relations of solar-like oscillations, with their errors."""

from typing import Any, NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

from skdistmass.exceptions import InputError
from skdistmass.tables import as_floats

__all__ = ["REFERENCES", "SeismicStars", "SolarReference", "scaling_relations"]

_SUN_LOGG = 4.438


class SolarReference(NamedTuple):
    """What the relations are scaled with.

    Attributes
    ----------
    numax : float
        Frequency of maximum power (uHz).
    dnu : float
        Large frequency separation (uHz).
    teff : float
        Effective temperature (K).
    """

    numax: float
    dnu: float
    teff: float


#: References in use. They belong to the pipeline that measured numax and dnu, and are not to be exchanged.
REFERENCES = {
    "APOKASC-3": SolarReference(3076.0, 135.146, 5772.0),  # Pinsonneault et al. 2025
    "Huber 2011": SolarReference(3090.0, 135.1, 5777.0),  # ApJ 743, 143
    "Mosser 2013": SolarReference(3104.0, 138.8, 5777.0),  # A&A 550, A126; for asymptotic separations
}


class SeismicStars(NamedTuple):
    """What seismology tells of stars; one row for each, NaN where it can't tell.

    Attributes
    ----------
    mass, mass_err : ndarray
        Mass and its error (Msun).
    radius, radius_err : ndarray
        Radius and its error (Rsun).
    logg, logg_err : ndarray
        Logarithm of the surface gravity (cm s-2) and its error (dex).
    """

    mass: NDArray[np.float64]
    mass_err: NDArray[np.float64]
    radius: NDArray[np.float64]
    radius_err: NDArray[np.float64]
    logg: NDArray[np.float64]
    logg_err: NDArray[np.float64]


def floats(values: Any, unit: str | None, name: str) -> NDArray[np.float64]:
    """Return floats in a unit. Survey placeholders are found where tables are read: 99 uHz is a frequency."""
    return as_floats(values, unit, name=name, sentinels=False)


def find_reference(reference: str | SolarReference) -> SolarReference:
    """Return a reference by its name; raise `InputError` if there is none of this name."""
    if isinstance(reference, SolarReference):
        return reference
    if reference not in REFERENCES:
        raise InputError(
            f"reference is {reference!r}; give a SolarReference, or one of {', '.join(map(repr, REFERENCES))}."
        )
    return REFERENCES[reference]


def scaling_relations(
    numax: ArrayLike,
    dnu: ArrayLike,
    teff: ArrayLike,
    *,
    numax_err: ArrayLike = 0.0,
    dnu_err: ArrayLike = 0.0,
    teff_err: ArrayLike = 0.0,
    f_numax: ArrayLike = 1.0,
    f_dnu: ArrayLike = 1.0,
    reference: str | SolarReference = "APOKASC-3",
) -> SeismicStars:
    """Mass, radius and log g of stars from the frequency of maximum power and the large separation.

    With ``n = numax / (f_numax numax_sun)``, ``d = dnu / (f_dnu dnu_sun)`` and ``t = Teff / Teff_sun``,
    ``M = n^3 d^-4 t^1.5``, ``R = n d^-2 t^0.5`` and ``g = n t^0.5``, in units of the Sun.

    Parameters
    ----------
    numax, dnu : array-like of shape (n_stars,)
        Frequency of maximum power and large frequency separation (uHz).
    teff : array-like of shape (n_stars,)
        Effective temperature (K).
    numax_err, dnu_err, teff_err : array-like of shape (n_stars,) or float, default=0.0
        Their errors.
    f_numax, f_dnu : array-like of shape (n_stars,) or float, default=1.0
        Corrections: the value that a star shows in units of what the relations say. See `white_correction`,
        `isochrone_correction` and `gaia_radius_factor`.
    reference : str or SolarReference, default="APOKASC-3"
        What the relations are scaled with, by name (`REFERENCES`) or as numbers.

    Returns
    -------
    stars : SeismicStars
        Errors are of first order, with numax, dnu and Teff independent. A value that is not positive gives NaN.

    Raises
    ------
    InputError
        If there is no such reference.
    UnitError
        If a column has another kind of unit.

    References
    ----------
    Kjeldsen & Bedding 1995, A&A 293, 87; with corrections Sharma et al. 2016, ApJ 822, 15.

    Examples
    --------
    >>> from skdistmass.seismology import scaling_relations
    >>> star = scaling_relations([30.0], [4.0], [4800.0], numax_err=[0.3], dnu_err=[0.02], f_dnu=0.98)
    >>> star.mass.round(2), star.mass_err.round(2), star.radius.round(2), star.logg.round(3)
    (array([0.85]), array([0.03]), array([9.75]), array([2.387]))
    """
    solar = find_reference(reference)
    given = ((numax, numax_err, "uHz", "numax"), (dnu, dnu_err, "uHz", "dnu"), (teff, teff_err, "K", "teff"))
    values = [_positive(value, unit, name) for value, _, unit, name in given]
    n_err, d_err, t_err = (
        floats(error, unit, f"{name}_err") / value for value, (_, error, unit, name) in zip(values, given, strict=True)
    )
    n, d, t = (value / sun for value, sun in zip(values, solar, strict=True))
    n, d = n / np.asarray(f_numax, dtype=np.float64), d / np.asarray(f_dnu, dtype=np.float64)
    mass, radius = n**3 * d**-4 * t**1.5, n * d**-2 * np.sqrt(t)
    logg = _SUN_LOGG + np.log10(n * np.sqrt(t))
    return SeismicStars(
        mass=mass,
        mass_err=mass * np.sqrt((3 * n_err) ** 2 + (4 * d_err) ** 2 + (1.5 * t_err) ** 2),
        radius=radius,
        radius_err=radius * np.sqrt(n_err**2 + (2 * d_err) ** 2 + (0.5 * t_err) ** 2),
        logg=logg,
        logg_err=np.sqrt(n_err**2 + (0.5 * t_err) ** 2) / np.log(10.0) + 0.0 * logg,
    )


def _positive(values: Any, unit: str, name: str) -> NDArray[np.float64]:
    """Return floats in a unit, NaN where they are not positive."""
    given = floats(values, unit, name)
    return np.where(given > 0, given, np.nan)
