"""The age of a giant from its initial mass and metallicity."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from types import MappingProxyType

import numpy as np

from skdistmass.isochrones.giant_ages.means import (
    hurley_bgb_age,
    hurley_grid,
    isochrone_means,
    rows_to_grid,
    track_means,
)
from skdistmass.isochrones.giant_ages.surface import bicubic_coefficients, evaluate, invert
from skdistmass.isochrones.giant_ages.table import (
    check_age_table,
    columns_to_grid,
    extend_ends,
    read_age_table,
    write_age_table,
)
from skdistmass.tables import as_floats

__all__ = ["GiantAgeRelation", "hurley_bgb_age"]

_DEFAULT_FILE = Path(__file__).parent / "default_relation.csv"
_GIANT_PHASES = ("SGB", "RGB", "CHEB", "EAGB", "TPAGB")


@dataclass(frozen=True, eq=False, repr=False)
class GiantAgeRelation:
    """log10 age of giants as a smooth function of initial mass and [Fe/H] that falls with mass.

    A giant has left the main sequence but a short while ago, so that all giants of one initial mass and
    metallicity have nearly one age (paper, section 6.1). The relation is a table on its own grid,
    interpolated by bicubic patches in log10 mass and [Fe/H]: continuously differentiable, through every point
    of the table, and falling with mass at every [Fe/H], so that it can be inverted exactly. Outside its table
    it gives NaN.

    Parameters
    ----------
    mass_knots : array-like of shape (n_mass,)
        Initial masses of the table in Msun, increasing, at least two.
    feh_knots : array-like of shape (n_feh,)
        [Fe/H] of the table in dex, increasing, at least two.
    log_age_knots : array-like of shape (n_mass, n_feh)
        log10 of the age in years, strictly falling with mass. NaN at the low-mass and high-mass ends marks
        where the models at this metallicity end; between two metallicities the end is interpolated.
    name : str, default="giant ages"
        Short name, for tables and legends.
    meta : mapping of str to str, optional
        Where the numbers come from.

    Attributes
    ----------
    mass_range, feh_range : tuple of float
        Lowest and highest initial mass (Msun) and [Fe/H] of the table.
    log_mass_knots : ndarray of shape (n_mass,)
        log10 of `mass_knots`.
    coefficients : ndarray of shape (n_mass - 1, n_feh - 1, 4, 4)
        The patches: ``coefficients[i, j, p, q]`` multiplies ``u**p * v**q``, where u and v go from 0 to 1
        between ``log_mass_knots[i]`` and ``[i + 1]``, ``feh_knots[j]`` and ``[j + 1]``.
    log_mass_ends : ndarray of shape (2, n_feh)
        log10 of the lowest and the highest mass with an age, at each knot in [Fe/H].

    Raises
    ------
    InputError
        If the table has the wrong shape or order, or the age does not fall with mass.

    See Also
    --------
    skdistmass.estimators.ages.IsochroneAgeTransformer : The relation as a scikit-learn transformer.
    skdistmass.isochrones.giant_ages.comparison : Tables and figures of several relations.

    Notes
    -----
    Objects are immutable and compare equal when their tables are the same. Where the models are not monotonic
    (at the helium flash near 2 Msun the giant's life gets longer with mass), the table has to be made so
    first; `from_isochrones` and `from_tracks` pool the points that rise, and the shipped table is smoothed
    (``examples/make_giant_age_relation.py``).

    Examples
    --------
    >>> from skdistmass.isochrones.giant_ages.relation import GiantAgeRelation
    >>> relation = GiantAgeRelation.default()
    >>> relation
    GiantAgeRelation('MIST v1.2 giants', 0.75-9 Msun, [Fe/H] -2..0.5)
    >>> relation.log_age([1.0, 5.0], 0.0)
    array([10.05,  8.04])
    >>> relation.mass([10.05, 8.04], 0.0).round(3)
    array([0.999, 4.997])
    >>> relation.slope([1.0, 5.0], 0.0)
    array([-3.6, -2.4])
    """

    mass_knots: np.ndarray
    feh_knots: np.ndarray
    log_age_knots: np.ndarray
    name: str = "giant ages"
    meta: Mapping[str, str] = field(default_factory=dict)

    def __post_init__(self):
        mass = as_floats(self.mass_knots, "Msun", name="mass", sentinels=False)
        feh = as_floats(self.feh_knots, "dex", name="feh", sentinels=False)
        log_age = as_floats(self.log_age_knots, "dex(yr)", name="log_age", sentinels=False)
        check_age_table(mass, feh, log_age)
        log_mass = np.log10(mass)
        filled = np.column_stack([extend_ends(log_mass, row) for row in log_age.T])
        finite = np.isfinite(log_age)
        ends = np.argmax(finite, axis=0), len(mass) - 1 - np.argmax(finite[::-1], axis=0)
        derived = {
            "mass_knots": mass,
            "feh_knots": feh,
            "log_age_knots": log_age,
            "log_mass_knots": log_mass,
            "coefficients": bicubic_coefficients(log_mass, feh, filled),
            "log_mass_ends": np.stack([log_mass[end] for end in ends]),
        }
        for name, array in derived.items():
            array.flags.writeable = False
            object.__setattr__(self, name, array)
        object.__setattr__(self, "meta", MappingProxyType(dict(self.meta)))

    @property
    def mass_range(self):
        """Lowest and highest initial mass of the table (Msun)."""
        return float(self.mass_knots[0]), float(self.mass_knots[-1])

    @property
    def feh_range(self):
        """Lowest and highest [Fe/H] of the table (dex)."""
        return float(self.feh_knots[0]), float(self.feh_knots[-1])

    def mass_limits(self, feh):
        """Return the lowest and highest initial mass the relation covers at given [Fe/H].

        Parameters
        ----------
        feh : array-like
            [Fe/H] in dex.

        Returns
        -------
        low, high : ndarray or float
            Msun, of the shape of `feh`; NaN outside `feh_range`.
        """
        feh = np.asarray(feh, dtype=np.float64)
        inside = (feh >= self.feh_knots[0]) & (feh <= self.feh_knots[-1])
        limits = []
        for log_ends, mass in zip(self.log_mass_ends, self.mass_range, strict=True):
            if np.all(log_ends == np.log10(mass)):
                limit = mass
            else:
                limit = 10.0 ** np.interp(feh, self.feh_knots, log_ends)
            limits.append(np.where(inside, limit, np.nan)[()])
        return tuple(limits)

    def log_age(self, mass, feh):
        """Return log10 of the age in years at given initial mass and [Fe/H].

        Parameters
        ----------
        mass : array-like
            Initial mass in Msun.
        feh : array-like
            [Fe/H] in dex.

        Returns
        -------
        log_age : ndarray or float
            Of the broadcast shape; NaN outside the table or where an argument is NaN.
        """
        return self._at_mass(mass, feh, derivative=False)

    def slope(self, mass, feh):
        """Return d log10(age) / d log10(mass) at given initial mass (Msun) and [Fe/H]; see `log_age`."""
        return self._at_mass(mass, feh, derivative=True)

    def mass(self, log_age, feh):
        """Return the initial mass at given log10 age and [Fe/H]: the inverse of `log_age`.

        Parameters
        ----------
        log_age : array-like
            log10 of the age in years.
        feh : array-like
            [Fe/H] in dex.

        Returns
        -------
        mass : ndarray or float
            Msun, of the broadcast shape; NaN where no mass of the table has this age.
        """
        log_age, feh = _broadcast(log_age, feh)
        low, high = self.mass_limits(feh)
        with np.errstate(invalid="ignore"):
            usable = np.isfinite(log_age) & np.isfinite(low)
            found = np.full(feh.shape, np.nan)
            found[usable] = 10.0 ** invert(
                self.log_mass_knots, self.feh_knots, self.coefficients, log_age[usable], feh[usable]
            )
            # The limits themselves are inside; ten raised to their logarithm may miss them by a rounding.
            inside = (found >= low * (1 - 1e-12)) & (found <= high * (1 + 1e-12))
        return np.where(inside, np.clip(found, low, high), np.nan)[()]

    def _at_mass(self, mass, feh, derivative):
        mass, feh = _broadcast(mass, feh)
        low, high = self.mass_limits(feh)
        with np.errstate(invalid="ignore"):
            inside = (mass >= low) & (mass <= high)
        result = np.full(feh.shape, np.nan)
        result[inside] = evaluate(
            self.log_mass_knots,
            self.feh_knots,
            self.coefficients,
            np.log10(mass[inside]),
            feh[inside],
            derivative=derivative,
        )
        return result[()]

    @classmethod
    def default(cls):
        """Return the relation that comes with the package: 0.75-9 Msun, [Fe/H] -2 to +0.5.

        The time-weighted mean age of the giants (log g < 3.5) of MIST v1.2 (Choi et al. 2016), smoothed over
        about 5 % in mass; `meta` holds the provenance and the accuracy.
        """
        return _read_default()

    @classmethod
    def from_table(cls, mass, feh, log_age, *, name="giant ages", meta=None):
        """Make a relation from a grid, or from columns that hold one.

        Parameters
        ----------
        mass, feh : array-like
            Initial mass (Msun) and [Fe/H] (dex): either the axes of a two-dimensional `log_age`, or columns
            as long as a one-dimensional one.
        log_age : array-like of shape (n_mass, n_feh) or (n_rows,)
            log10 of the age in years. In columns, a combination that is absent counts as NaN.
        name : str, default="giant ages"
            Short name.
        meta : mapping of str to str, optional
            Where the numbers come from.

        Returns
        -------
        relation : GiantAgeRelation
            The relation through all of the points.

        Raises
        ------
        InputError
            As for the class, or if a combination of mass and [Fe/H] is there twice.

        Examples
        --------
        >>> from skdistmass.isochrones.giant_ages.relation import GiantAgeRelation
        >>> relation = GiantAgeRelation.from_table(
        ...     [1, 2, 4], [-0.5, 0.5], [[9.9, 10.2], [9.0, 9.2], [8.2, 8.3]])
        >>> relation.log_age([2.0], 0.5)
        array([9.2])
        """
        log_age = as_floats(log_age, "dex(yr)", name="log_age", sentinels=False)
        if log_age.ndim == 1:
            mass, feh, log_age = columns_to_grid(mass, feh, log_age)
        return cls(mass, feh, log_age, name=name, meta=meta or {})

    @classmethod
    def from_isochrones(cls, table, *, phases=_GIANT_PHASES, logg_max=3.5, mass_step=0.01, name=None):
        """Make a relation from isochrones: the mean initial mass of the giants at each age, inverted.

        Parameters
        ----------
        table : table
            Isochrones in the schema of `skdistmass.isochrones`, as its readers return them: two or more
            metallicities of two or more ages each.
        phases : sequence of str, int or Phase
            Phases that count as giants: names or codes of `Phase`. The default is all from the subgiant
            branch to the thermal pulses; ``("SGB", "RGB")`` leaves core helium burning out.
        logg_max : float, default=3.5
            Only points with a lower log g count (paper, section 6.1).
        mass_step : float, default=0.01
            Largest step of the relation's grid in log10 mass.
        name : str, optional
            Short name; by default the source and version in the table's metadata.

        Returns
        -------
        relation : GiantAgeRelation
            Covers at each [Fe/H] the masses between the oldest and the youngest isochrone's mean.

        Raises
        ------
        ColumnError
            If the table lacks a column or the IMF weights.
        InputError
            If no row is a giant, or metallicities or ages are too few.

        Notes
        -----
        At each age and [Fe/H] the mean of the initial mass is weighted by the initial mass function. Where it
        does not fall with age, the ages concerned are pooled (isotonic regression).
        """
        rows = isochrone_means(table, phases, logg_max)
        return cls(*rows_to_grid(rows, mass_step), **_describe(table, name, "isochrones", phases, logg_max))

    @classmethod
    def from_tracks(cls, table, *, phases=_GIANT_PHASES, logg_max=3.5, mass_step=0.01, name=None):
        """Make a relation from evolutionary tracks: the mean age of the giants of each.

        Parameters
        ----------
        table : table
            Tracks in the schema of `skdistmass.isochrones`, one under the other: two or more metallicities of
            two or more initial masses each.
        phases, logg_max, mass_step, name
            As in `from_isochrones`.

        Returns
        -------
        relation : GiantAgeRelation
            Covers at each [Fe/H] the masses between the lightest and the heaviest track that has giants.

        Raises
        ------
        ColumnError
            If the table lacks a column.
        InputError
            If no row is a giant, or metallicities or masses are too few.
        """
        rows = track_means(table, phases, logg_max)
        return cls(*rows_to_grid(rows, mass_step), **_describe(table, name, "tracks", phases, logg_max))

    @classmethod
    def hurley(cls, *, mass_range=(0.5, 50.0), feh_range=(-2.15, 0.5), solar_z=0.0142):
        """Return the analytic time to the base of the giant branch (Hurley et al. 2000) as a relation.

        For cross-checks, and for masses beyond the models at hand. It leaves core helium burning out, so that
        above 2 Msun it is up to 20 % younger than the mean giant.

        Parameters
        ----------
        mass_range : tuple of float, default=(0.5, 50)
            Lowest and highest initial mass (Msun): the range of the fit.
        feh_range : tuple of float, default=(-2.15, 0.5)
            Lowest and highest [Fe/H]. The fit ends at Z = 0.03, at [Fe/H] = +0.32: beyond, it is
            extrapolated.
        solar_z : float, default=0.0142
            Z at [Fe/H] = 0, by default the initial one of MIST's Sun; 0.0152 is PARSEC's, 0.02 the one of the
            formula's time.

        Returns
        -------
        relation : GiantAgeRelation
            Within 1e-5 dex of the formula.

        See Also
        --------
        hurley_bgb_age : The formula itself.
        """
        mass, feh, log_age = hurley_grid(mass_range, feh_range, solar_z)
        meta = {
            "source": "Hurley, Pols & Tout 2000, MNRAS 315, 543: time to the base of the giant branch",
            "solar_z": f"{solar_z:g}",
        }
        return cls(mass, feh, log_age, name="Hurley et al. (2000) t_BGB", meta=meta)

    @classmethod
    def from_file(cls, path):
        """Read a relation written by `to_file`.

        Parameters
        ----------
        path : path-like
            The file.

        Returns
        -------
        relation : GiantAgeRelation
            Equal to the one written.

        Raises
        ------
        FileFormatError
            If the file is not such a table, or is incomplete.
        """
        return cls(**read_age_table(path))

    def to_file(self, path):
        """Write the relation as a text table: comment lines, then masses down and [Fe/H] across.

        Parameters
        ----------
        path : path-like
            The file; an existing one is replaced. Numbers are written in full, so reading gives an equal
            relation.
        """
        write_age_table(path, self.mass_knots, self.feh_knots, self.log_age_knots, self.name, self.meta)

    def _key(self):
        tables = (self.mass_knots, self.feh_knots, self.log_age_knots)
        return (self.name, tuple(sorted(self.meta.items())), *(table.tobytes() for table in tables))

    def __eq__(self, other):
        return self._key() == other._key() if isinstance(other, GiantAgeRelation) else NotImplemented

    def __hash__(self):
        return hash(self._key())

    def __reduce__(self):
        # Copies and pickles are rebuilt from the table, so that their arrays are read-only, too.
        return GiantAgeRelation, (
            np.array(self.mass_knots),
            np.array(self.feh_knots),
            np.array(self.log_age_knots),
            self.name,
            dict(self.meta),
        )

    def __repr__(self):
        (light, heavy), (poor, rich) = self.mass_range, self.feh_range
        return f"GiantAgeRelation({self.name!r}, {light:.3g}-{heavy:.3g} Msun, [Fe/H] {poor:.3g}..{rich:.3g})"


@cache
def _read_default():
    return GiantAgeRelation.from_file(_DEFAULT_FILE)


def _broadcast(first, feh):
    """Broadcast two arguments to float arrays; whatever is not finite becomes NaN."""
    return np.broadcast_arrays(
        as_floats(first, name="the first argument", sentinels=False),
        as_floats(feh, name="feh", sentinels=False),
    )


def _describe(table, name, kind, phases, logg_max):
    """Name and metadata of a relation made from models."""
    meta = getattr(table, "meta", None) or {}
    source = " ".join(str(meta[key]) for key in ("source", "version") if meta.get(key)) or "user's models"
    shown = ", ".join(str(getattr(phase, "name", phase)) for phase in phases)
    return {
        "name": name or f"{source} giants",
        "meta": {"source": f"{source}, {kind}", "giants": f"log g < {logg_max:g}, phases {shown}"},
    }
