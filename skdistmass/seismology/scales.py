"""The six mass scales of section 5.4 of the paper, from one table of numax and dnu."""

from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from skdistmass.seismology.corrections import gaia_radius_factor, isochrone_correction, white_correction
from skdistmass.seismology.scaling import SolarReference, floats, scaling_relations

__all__ = ["mass_scales"]


def mass_scales(
    numax: ArrayLike,
    dnu: ArrayLike,
    teff: ArrayLike,
    m_h: ArrayLike,
    state: ArrayLike,
    *,
    gaia_radius: ArrayLike | None = None,
    reference: str | SolarReference = "APOKASC-3",
    **errors: Any,
) -> dict[str, NDArray[np.float64]]:
    """Masses of giants on the six scales that the paper trains its models on, named as in Table 2.

    The scales differ in the large separation. SS: corrected by models of the star's mass, metallicity and state (Sharma
    et al. 2016, by `isochrone_correction`). TW: corrected by Teff (White et al. 2011, by `white_correction`). MO: that
    of high radial order, with its own reference (Mosser et al. 2013). The scales COR_* multiply each radius by the
    factor that brings it to Gaia's (`gaia_radius_factor`), and so the mass by its third power.

    Parameters
    ----------
    numax, dnu : array-like of shape (n_stars,)
        Frequency of maximum power and large separation (uHz).
    teff : array-like of shape (n_stars,)
        Effective temperature (K).
    m_h : array-like of shape (n_stars,)
        Metallicity (dex).
    state : array-like of int, shape (n_stars,)
        1 red giant branch, 2 red clump.
    gaia_radius : array-like of shape (n_stars,), optional
        Radius from parallax, Teff and bolometric magnitude (Rsun). Without it there are no scales COR_*.
    reference : str or SolarReference, default="APOKASC-3"
        What SS and TW are scaled with.
    **errors
        ``numax_err``, ``dnu_err`` and ``teff_err``, as for `scaling_relations`.

    Returns
    -------
    masses : dict of ndarray
        MASS_UNCOR_SS, MASS_UNCOR_MO, MASS_UNCOR_TW, with a Gaia radius MASS_COR_SS, MASS_COR_MO, MASS_COR_TW, and each
        with ``_ERR`` (Msun): columns that `skdistmass.DistMassModel` trains on as they are.

    Raises
    ------
    InputError
        If there is no such reference, or fewer than 20 stars have a Gaia radius.

    References
    ----------
    Section 5.4 of Stone-Martinez et al. 2024, and the papers that it names.

    Examples
    --------
    >>> from skdistmass.seismology import mass_scales
    >>> masses = mass_scales([30.0], [4.0], [4800.0], [-0.1], [1])
    >>> {name: values.round(2).tolist() for name, values in masses.items() if not name.endswith("_ERR")}
    {'MASS_UNCOR_SS': [0.86], 'MASS_UNCOR_MO': [0.85], 'MASS_UNCOR_TW': [0.86]}
    """
    numax, dnu = floats(numax, "uHz", "numax"), floats(dnu, "uHz", "dnu")
    order = numax / np.where(dnu > 0, dnu, np.nan)
    # The observed separation is smaller than that of high radial order; in main-sequence stars by less.
    asymptotic = dnu * (1.0 + np.where(order >= 15.0, 0.57 / order, 0.038))
    scales: dict[str, tuple[NDArray, ArrayLike, str | SolarReference]] = {
        "SS": (dnu, isochrone_correction(numax, dnu, teff, m_h, state), reference),
        "MO": (asymptotic, 1.0, "Mosser 2013"),
        "TW": (dnu, white_correction(teff), reference),
    }
    masses: dict[str, NDArray[np.float64]] = {}
    corrected: dict[str, NDArray[np.float64]] = {}
    for name, (separation, f_dnu, solar) in scales.items():
        found = scaling_relations(numax, separation, teff, f_dnu=f_dnu, reference=solar, **errors)
        masses |= {f"MASS_UNCOR_{name}": found.mass, f"MASS_UNCOR_{name}_ERR": found.mass_err}
        if gaia_radius is not None:
            factor = gaia_radius_factor(found.radius, gaia_radius)[0] ** 3
            corrected |= {f"MASS_COR_{name}": factor * found.mass, f"MASS_COR_{name}_ERR": factor * found.mass_err}
    return masses | corrected
