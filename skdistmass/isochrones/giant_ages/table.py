"""The table inside a giant-age relation: its checks, its ends, and its text file."""

from pathlib import Path

import numpy as np

from skdistmass.exceptions import FileFormatError, InputError, shortened
from skdistmass.tables import as_floats

__all__ = ["check_age_table", "columns_to_grid", "extend_ends", "read_age_table", "write_age_table"]

_FIRST_LINE = "# giant age relation, format 1"


def check_age_table(mass, feh, log_age):
    """Refuse a table that can't be a giant-age relation, and say where it fails."""
    for name, knots in (("mass", mass), ("feh", feh)):
        if knots.ndim != 1 or len(knots) < 2 or not np.all(np.diff(knots) > 0):
            raise InputError(
                f"the {name} knots of an age relation must be two or more numbers in increasing order; these "
                f"are {np.array2string(knots, threshold=6, precision=4)}."
            )
    if mass[0] <= 0:
        raise InputError(f"the lowest mass of the age relation is {mass[0]:g} Msun; masses must be positive.")
    if log_age.shape != (len(mass), len(feh)):
        raise InputError(
            f"log_age has shape {log_age.shape}; for {len(mass)} masses and {len(feh)} metallicities it must "
            f"be {(len(mass), len(feh))}."
        )
    finite = np.isfinite(log_age)
    if np.any(finite) and (np.nanmin(log_age) <= 5.0 or np.nanmax(log_age) >= 12.0):
        raise InputError(
            f"log_age goes from {np.nanmin(log_age):g} to {np.nanmax(log_age):g}; it must be log10 of the age in years."
        )
    for j, metallicity in enumerate(feh):
        at = np.flatnonzero(finite[:, j])
        if len(at) < 2 or at[-1] - at[0] + 1 > len(at):
            raise InputError(
                f"at [Fe/H] = {metallicity:g} the relation has {len(at)} ages; it needs two or more, and "
                "none missing between them."
            )
        rising = at[:-1][np.diff(log_age[at, j]) >= 0]
        if len(rising):
            raise InputError(
                f"the age does not fall from {mass[rising[0]]:g} to {mass[rising[0] + 1]:g} Msun at [Fe/H] = "
                f"{metallicity:g} ({len(rising)} such places); smooth the table or leave these masses out."
            )


def extend_ends(log_mass, log_age):
    """Fill the missing ends of one metallicity along its last secants, to join it to its neighbours."""
    at = np.flatnonzero(np.isfinite(log_age))
    filled = log_age.copy()
    index = np.arange(len(log_age))
    for end, inner, beyond in ((at[0], at[1], index < at[0]), (at[-1], at[-2], index > at[-1])):
        secant = (log_age[end] - log_age[inner]) / (log_mass[end] - log_mass[inner])
        filled[beyond] = log_age[end] + secant * (log_mass[beyond] - log_mass[end])
    return filled


def columns_to_grid(mass, feh, log_age):
    """Turn columns of masses, metallicities and ages into two axes and a grid, NaN where none is given."""
    mass = as_floats(mass, "Msun", name="mass", sentinels=False)
    feh = as_floats(feh, "dex", name="feh", sentinels=False)
    if not mass.shape == feh.shape == log_age.shape:
        raise InputError(
            f"the columns mass, feh and log_age have shapes {mass.shape}, {feh.shape} and {log_age.shape}; "
            "give columns of one length, or a grid log_age of shape (n_mass, n_feh)."
        )
    masses, row = np.unique(mass, return_inverse=True)
    metallicities, column = np.unique(feh, return_inverse=True)
    if len(np.unique(row * len(metallicities) + column)) < len(log_age):
        raise InputError("a combination of mass and feh is in the table twice; drop one of the rows.")
    grid = np.full((len(masses), len(metallicities)), np.nan)
    grid[row, column] = log_age
    return masses, metallicities, grid


def read_age_table(path):
    """Read what `write_age_table` wrote: the arguments of a relation, as a dict."""
    lines = Path(path).read_text(encoding="utf-8", errors="replace").splitlines()
    if not lines or lines[0].strip() != _FIRST_LINE:
        raise FileFormatError(f"{path} is not a giant age relation: its first line is not {_FIRST_LINE!r}.")
    header = [line[1:].partition(":") for line in lines[1:] if line.startswith("#")]
    meta = {key.strip(): value.strip() for key, _, value in header}
    rows = [line.split(",") for line in lines if line.strip() and not line.startswith("#")]
    try:
        n_masses, name = int(meta.pop("masses")), meta.pop("name")
        feh = np.array(rows[0][1:], dtype=np.float64)
        body = np.array(rows[1:], dtype=np.float64).reshape(n_masses, len(feh) + 1)
    except (ValueError, IndexError, KeyError) as error:
        raise FileFormatError(
            f"{path} is not a whole giant age relation ({shortened(error)}); write it again with to_file."
        ) from error
    return {"mass_knots": body[:, 0], "feh_knots": feh, "log_age_knots": body[:, 1:], "name": name, "meta": meta}


def write_age_table(path, mass, feh, log_age, name, meta):
    """Write a relation as comment lines and a table of masses down and [Fe/H] across, all numbers in full."""
    header = {"name": name, "masses": str(len(mass)), **meta}
    lines = [_FIRST_LINE, *(f"# {key}: {' '.join(str(value).split())}" for key, value in header.items())]
    lines.append(",".join(["mass", *map(repr, feh.tolist())]))
    for one, row in zip(mass.tolist(), log_age.tolist(), strict=True):
        lines.append(",".join(map(repr, [one, *row])))
    Path(path).write_text("\n".join(lines) + "\n", encoding="utf-8")
