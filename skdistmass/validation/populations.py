"""What a catalogue says of all its stars together: ages by metallicity; masses, ages and metallicities."""

from __future__ import annotations

from itertools import combinations

import numpy as np
from astropy.table import Table
from numpy.typing import NDArray
from scipy.stats import spearmanr

from skdistmass.tables import optional_floats
from skdistmass.validation.columns import first_age, log_ages
from skdistmass.validation.posteriors import is_stored
from skdistmass.validation.requirements import require, require_stars
from skdistmass.validation.statistics import MIN_PER_BIN

__all__ = ["age_by_metallicity", "mass_age_correlations", "mass_age_sample"]

Floats = NDArray[np.float64]
_MOST_DRAWS = 300_000


def age_by_metallicity(stars: Table, *, age: str | None = None, width: float = 0.2) -> Table:
    """Compute median and spread of the ages in bins of metallicity.

    Parameters
    ----------
    stars : Table
        Of `join_reference`, or a catalogue alone.
    age : str, optional
        Column of ages; by default the first of the catalogue.
    width : float, default=0.2
        Of a bin (dex).

    Returns
    -------
    table : Table
        M_H_LO, M_H_HI, N; MEDIAN, P16 and P84 of the log ages of the bin's stars [log10 yr]; ERROR, the median half
        width of a star's own 68.27 % interval [dex], NaN if the catalogue has none. Bins of fewer than five stars are
        left out.
    """
    age = first_age(stars, age)
    log_age, m_h = log_ages(stars, age), optional_floats(stars, "M_H", "dex")
    error = np.full(len(stars), np.nan)
    if f"{age}_LO" in stars.colnames and f"{age}_HI" in stars.colnames:
        error = 0.5 * (log_ages(stars, f"{age}_HI") - log_ages(stars, f"{age}_LO"))
    known = np.isfinite(log_age) & np.isfinite(m_h)
    require_stars(np.count_nonzero(known), MIN_PER_BIN, "stars have an age and a metallicity")
    first, last = (int(np.floor(end / width)) for end in (m_h[known].min(), m_h[known].max()))
    rows = []
    for low in np.round(width * np.arange(first, last + 1), 9):
        chosen = known & (m_h >= low) & (m_h < low + width)
        if np.count_nonzero(chosen) >= MIN_PER_BIN:
            spread = np.percentile(log_age[chosen], [50.0, 15.865, 84.135])
            errors = error[chosen & np.isfinite(error)]
            own = np.median(errors) if len(errors) else np.nan
            rows.append((low, round(low + width, 9), np.count_nonzero(chosen), *spread, own))
    require_stars(len(rows), 1, f"bins of [M/H] with {MIN_PER_BIN} ages")
    names = ("M_H_LO", "M_H_HI", "N", "MEDIAN", "P16", "P84", "ERROR")
    return Table(rows=rows, names=names, units=dict.fromkeys(("MEDIAN", "P16", "P84"), "dex(yr)") | {"ERROR": "dex"})


def mass_age_sample(stars: Table) -> tuple[dict[str, Floats], bool]:
    """Return masses (Msun), log ages (log10 yr) and [M/H] that belong together: draws if the catalogue has them.

    Parameters
    ----------
    stars : Table
        Of `join_reference`, or a catalogue alone.

    Returns
    -------
    values : dict of ndarray of shape (n_stars, n_draws)
        By name of the quantity; of stars that have all three. There is one draw without stored ones.
    drawn : bool
        Whether they are draws.
    """
    age = first_age(stars)
    mass = "MASS" + age.removeprefix("AGE")
    require(stars, mass, "M_H")
    found = {
        mass: optional_floats(stars, mass, "Msun"),
        age: log_ages(stars, age),
        "M_H": optional_floats(stars, "M_H"),
    }
    known = np.isfinite(list(found.values())).all(axis=0)
    require_stars(np.count_nonzero(known), MIN_PER_BIN, "stars have a mass, an age and a metallicity")
    drawn = "POST_AGE_DRAWS" in stars.colnames and is_stored(stars, age)
    if not drawn:
        return {name: values[known, None] for name, values in found.items()}, False
    names = {name: f"POST_{'M_H' if name == 'M_H' else name.partition('_')[0]}_DRAWS" for name in found}
    draws = {n: np.stack([np.asarray(row, np.float64) for row in stars[c][known]]) for n, c in names.items()}
    whole = np.isfinite(list(draws.values())).all(axis=(0, 2))
    n_draws = max(1, _MOST_DRAWS // max(int(np.count_nonzero(whole)), 1))
    return {name: values[whole, :n_draws] for name, values in draws.items()}, True


def mass_age_correlations(stars: Table) -> Table:
    """Compute how masses, ages and metallicities go together, of all stars and within the posterior of one.

    Parameters
    ----------
    stars : Table
        Of `join_reference`, or a catalogue alone.

    Returns
    -------
    table : Table
        FIRST, SECOND, N (stars); CORRELATION, Spearman's, of all stars; WITHIN_STARS, the median over stars of
        Pearson's correlation of a star's own draws, NaN for a catalogue without draws.
    """
    values, drawn = mass_age_sample(stars)
    rows = []
    for one, other in combinations(values, 2):
        a, b = values[one], values[other]
        within = np.nan
        if drawn and a.shape[1] > 2:
            a_off, b_off = (each - each.mean(axis=1, keepdims=True) for each in (a, b))
            with np.errstate(invalid="ignore", divide="ignore"):
                each = (a_off * b_off).sum(axis=1) / np.sqrt((a_off**2).sum(axis=1) * (b_off**2).sum(axis=1))
            within = float(np.nanmedian(each))
        rows.append((one, other, len(a), float(spearmanr(a[:, 0], b[:, 0]).statistic), within))
    return Table(rows=rows, names=("FIRST", "SECOND", "N", "CORRELATION", "WITHIN_STARS"))
