"""The tables behind giant-age relations: means over isochrones or evolutionary tracks, and an analytic formula."""

import numpy as np
from scipy.interpolate import PchipInterpolator
from scipy.optimize import isotonic_regression

from skdistmass.exceptions import InputError
from skdistmass.isochrones.schema import Phase, check_isochrone_table
from skdistmass.tables import as_floats

__all__ = [
    "GIANT_PHASES",
    "describe_models",
    "hurley_bgb_age",
    "hurley_grid",
    "isochrone_means",
    "rows_to_grid",
    "track_means",
]

#: Phases that count as giants.
GIANT_PHASES = ("SGB", "RGB", "CHEB", "EAGB", "TPAGB")

# Hurley, Pols & Tout (2000), appendix A, coefficients of t_BGB: a1 ... a5 by alpha, beta, gamma, eta.
_HURLEY = np.array(
    [
        [1.593890e3, 2.053038e3, 1.231226e3, 2.327785e2],
        [2.706708e3, 1.483131e3, 5.772723e2, 7.411230e1],
        [1.466143e2, -1.048442e2, -6.795374e1, -1.391127e1],
        [4.141960e-2, 4.564888e-2, 2.958542e-2, 5.571483e-3],
        [3.426349e-1, 0.0, 0.0, 0.0],
    ]
)


def hurley_bgb_age(mass, z):
    """Age at the base of the giant branch, by the formula of Hurley, Pols & Tout (2000).

    Parameters
    ----------
    mass : array-like
        Initial mass in Msun; the formula was fitted from 0.5 to 50.
    z : array-like
        Metal mass fraction Z; the formula was fitted from 0.0001 to 0.03.

    Returns
    -------
    log_age : ndarray or float
        log10 of the age in years, of the broadcast shape. NaN where mass or Z is not positive.

    References
    ----------
    Hurley, Pols & Tout 2000, MNRAS 315, 543: eq. 4 and appendix A.

    Examples
    --------
    >>> from skdistmass.isochrones.giant_ages.relation import hurley_bgb_age
    >>> (1e-6 * 10 ** hurley_bgb_age([1.0, 2.0, 5.0], 0.02)).tolist()  # Myr
    [11582.24, 1173.57, 104.44]
    """
    mass = as_floats(mass, "Msun", name="mass", sentinels=False)
    z = as_floats(z, name="z", sentinels=False)
    with np.errstate(invalid="ignore"):
        mass = np.where(mass > 0, mass, np.nan)
        zeta = np.log10(np.where(z > 0, z, np.nan) / 0.02)
    a = [np.polynomial.polynomial.polyval(zeta, row) for row in _HURLEY]
    myr = (a[0] + a[1] * mass**4 + a[2] * mass**5.5 + mass**7) / (a[3] * mass**2 + a[4] * mass**7)
    return np.log10(myr) + 6.0


def hurley_grid(mass_range, feh_range, solar_z):
    """Masses, metallicities and log10 ages of `hurley_bgb_age` on a grid fine enough to interpolate."""
    n_mass = 1 + int(np.ceil(np.log10(mass_range[1] / mass_range[0]) / 0.01))
    mass = np.geomspace(*mass_range, n_mass)
    feh = np.linspace(*feh_range, 1 + int(np.ceil((feh_range[1] - feh_range[0]) / 0.05)))
    return mass, feh, hurley_bgb_age(mass[:, None], solar_z * 10.0**feh)


def _giants(table, phases, logg_max, need=()):
    """Return the columns, with metallicities rounded to six decimals, and which rows are giants."""
    columns = check_isochrone_table(table, need=need)
    codes = [_phase_code(phase) for phase in phases]
    giant = np.isin(columns["phase"], codes) & (columns["logg"] < logg_max)
    if not giant.any():
        names = ", ".join(Phase(code).name for code in codes)
        raise InputError(
            f"no row of the table is a giant: none has log g < {logg_max:g} and a phase among {names}. "
            "Choose other phases or another logg_max, or read models that reach the giant branch."
        )
    columns["feh"] = np.round(columns["feh"], 6)
    return columns, giant


def _phase_code(phase):
    try:
        return int(Phase[phase.upper()] if isinstance(phase, str) else Phase(phase))
    except (KeyError, ValueError):
        raise InputError(
            f"there is no phase {phase!r}; the phases are {', '.join(one.name for one in Phase)}."
        ) from None


def _grouped_means(group, value, weight):
    """Weighted means of `value` by the rows of `group`; returns the distinct rows and their means."""
    keys, which = np.unique(group, axis=0, return_inverse=True)
    total = np.bincount(which.ravel(), weight)
    weighted = np.bincount(which.ravel(), weight * value)
    some = total > 0
    return keys[some], weighted[some] / total[some]


def isochrone_means(table, phases, logg_max):
    """Mean initial mass of the giants of each isochrone, weighted by the initial mass function."""
    columns, giant = _giants(table, phases, logg_max, need=("imf_weight",))
    key = np.column_stack([columns["feh"], np.round(columns["log_age"], 6)])[giant]
    weight = np.nan_to_num(columns["imf_weight"][giant])
    keys, mass = _grouped_means(key, columns["initial_mass"][giant], weight)
    rows = {}
    for feh in np.unique(keys[:, 0]):
        own = keys[:, 0] == feh
        log_age, log_mass = _falling(keys[own, 1], np.log10(mass[own]))
        rows[float(feh)] = log_mass[::-1], log_age[::-1]
    return rows


def track_means(table, phases, logg_max):
    """Mean age of the giants of each evolutionary track, weighted by the time spent."""
    columns, giant = _giants(table, phases, logg_max)
    feh, mass = columns["feh"], np.round(columns["initial_mass"], 9)
    order = np.lexsort([columns["log_age"], mass, feh])
    feh, mass, giant = feh[order], mass[order], giant[order]
    age = 10.0 ** columns["log_age"][order]
    # A point counts for half the time to the point before and half the time to the next, if these are giants of the
    # same track: the time from the main sequence to the first giant does not count.
    same = (np.diff(feh) == 0) & (np.diff(mass) == 0) & giant[1:] & giant[:-1]
    half = np.where(same, np.diff(age), 0.0) / 2.0
    duration = np.r_[half, 0.0] + np.r_[0.0, half]
    keys, mean = _grouped_means(np.column_stack([feh, mass])[giant], age[giant], duration[giant])
    rows = {}
    for one in np.unique(keys[:, 0]):
        own = keys[:, 0] == one
        rows[float(one)] = _falling(np.log10(keys[own, 1]), np.log10(mean[own]))
    return rows


def _falling(x, y):
    """Return the least-squares falling y(x): points that do not fall are replaced by their mean."""
    fit = isotonic_regression(y, increasing=False)
    starts = fit.blocks[:-1]
    return np.add.reduceat(x, starts) / np.diff(fit.blocks), fit.x[starts]


def describe_models(table, name, kind, phases, logg_max):
    """Return name and metadata of a relation made from models, as arguments of `GiantAgeRelation`."""
    meta = getattr(table, "meta", None) or {}
    source = " ".join(str(meta[key]) for key in ("source", "version") if meta.get(key)) or "user's models"
    shown = ", ".join(str(getattr(phase, "name", phase)) for phase in phases)
    return {
        "name": name or f"{source} giants",
        "meta": {"source": f"{source}, {kind}", "giants": f"log g < {logg_max:g}, phases {shown}"},
    }


def rows_to_grid(rows, mass_step):
    """Bring rows of (log mass, log age) onto one mass grid, by monotone interpolation."""
    usable = {feh: row for feh, row in sorted(rows.items()) if len(row[0]) > 1}
    if len(usable) < 2:
        raise InputError(
            "an age relation needs giants at two or more metallicities with two or more points each; "
            f"the table has {len(usable)}. Read more of the grid: more metallicities, ages or masses."
        )
    low = min(row[0][0] for row in usable.values())
    high = max(row[0][-1] for row in usable.values())
    # Isochrones of nearly equal ages cover few masses: they need several points of the grid, too.
    narrowest = min(row[0][-1] - row[0][0] for row in usable.values())
    step = max(min(mass_step, narrowest / 4), 1e-4)
    log_mass = np.linspace(low, high, int(np.ceil((high - low) / step)) + 1)
    log_age = np.column_stack([PchipInterpolator(*row, extrapolate=False)(log_mass) for row in usable.values()])
    return 10.0**log_mass, np.array(list(usable)), log_age
