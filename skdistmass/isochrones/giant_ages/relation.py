"""The age of a giant from its initial mass and metallicity."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cache, partial
from os import PathLike
from pathlib import Path
from types import MappingProxyType

import numpy as np
from numpy.typing import ArrayLike, NDArray

from skdistmass.isochrones.giant_ages.means import (
    GIANT_PHASES,
    describe_models,
    hurley_bgb_age,
    hurley_grid,
    isochrone_means,
    rows_to_grid,
    track_means,
)
from skdistmass.isochrones.giant_ages.surface import Surface
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
# The tables of models have no sentinels.
_floats = partial(as_floats, sentinels=False)


@dataclass(frozen=True, eq=False, repr=False)
class GiantAgeRelation:
    """log10 age of giants as a smooth function of initial mass and [Fe/H] that falls with mass.

    A giant left the main sequence a short time ago, so all giants of one initial mass and metallicity have nearly the
    same age (paper, section 6.1). The relation is a table, interpolated by monotone cubics (PCHIP) in log10 mass and
    linearly in [Fe/H]. So the age falls with mass at every [Fe/H]. Outside the table it is NaN.

    Parameters
    ----------
    mass_knots : array-like of shape (n_mass,)
        Initial masses of the table (Msun), increasing, at least two.
    feh_knots : array-like of shape (n_feh,)
        [Fe/H] of the table (dex), increasing, at least two.
    log_age_knots : array-like of shape (n_mass, n_feh)
        log10 of the age in years, strictly falling with mass. NaN at the low or the high masses means that the models
        of this metallicity end there; between two metallicities the end is interpolated.
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
    coefficients : ndarray of shape (4, n_mass - 1, n_feh)
        The cubics: ``coefficients[p, i, j]`` multiplies ``u**p`` at ``feh_knots[j]``, where u goes from 0 to 1 between
        ``log_mass_knots[i]`` and ``[i + 1]``.
    log_mass_ends : ndarray of shape (2, n_feh)
        log10 of the lowest and the highest mass with an age, at each knot in [Fe/H].

    Raises
    ------
    InputError
        If the table has the wrong shape or order, or the age does not fall with mass.

    See Also
    --------
    skdistmass.estimators.ages.IsochroneAgeTransformer : The relation as a scikit-learn transformer.

    Notes
    -----
    Relations can't be changed, and are equal if their tables are. Near 2 Msun, at the helium flash, the age of the
    models rises with mass. Such a table must be made to fall first: `from_isochrones` and `from_tracks` replace rising
    points by their mean, and the shipped table is smoothed (``examples/make_giant_age_relation.py``).

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
    >>> relation.slope([1.0, 5.0], 0.0).round(2)
    array([-3.59, -2.41])
    """

    mass_knots: np.ndarray
    feh_knots: np.ndarray
    log_age_knots: np.ndarray
    name: str = "giant ages"
    meta: Mapping[str, str] = field(default_factory=dict)
    log_mass_knots: np.ndarray = field(init=False, repr=False)
    log_mass_ends: np.ndarray = field(init=False, repr=False)
    coefficients: np.ndarray = field(init=False, repr=False)
    _surface: Surface = field(init=False, repr=False)

    def __post_init__(self):
        mass = _floats(self.mass_knots, "Msun", name="mass")
        feh = _floats(self.feh_knots, "dex", name="feh")
        log_age = _floats(self.log_age_knots, "dex(yr)", name="log_age")
        check_age_table(mass, feh, log_age)
        log_mass = np.log10(mass)
        filled = np.column_stack([extend_ends(log_mass, row) for row in log_age.T])
        finite = np.isfinite(log_age)
        ends = np.argmax(finite, axis=0), len(mass) - 1 - np.argmax(finite[::-1], axis=0)
        object.__setattr__(self, "_surface", Surface(log_mass, feh, filled))
        derived = {
            "mass_knots": mass,
            "feh_knots": feh,
            "log_age_knots": log_age,
            "log_mass_knots": log_mass,
            "coefficients": self._surface.coefficients,
            "log_mass_ends": np.stack([log_mass[end] for end in ends]),
        }
        for name, array in derived.items():
            array.flags.writeable = False
            object.__setattr__(self, name, array)
        object.__setattr__(self, "meta", MappingProxyType(dict(self.meta)))

    @property
    def mass_range(self) -> tuple[float, float]:
        """Lowest and highest initial mass of the table (Msun)."""
        return float(self.mass_knots[0]), float(self.mass_knots[-1])

    @property
    def feh_range(self) -> tuple[float, float]:
        """Lowest and highest [Fe/H] of the table (dex)."""
        return float(self.feh_knots[0]), float(self.feh_knots[-1])

    def mass_limits(self, feh: ArrayLike) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """Return the lowest and the highest initial mass (Msun) covered at given [Fe/H]; NaN outside `feh_range`."""
        feh = np.asarray(feh, dtype=np.float64)
        inside = (feh >= self.feh_knots[0]) & (feh <= self.feh_knots[-1])
        limits = []
        for log_ends, mass in zip(self.log_mass_ends, self.mass_range, strict=True):
            constant = np.all(log_ends == np.log10(mass))
            limit = mass if constant else 10.0 ** np.interp(feh, self.feh_knots, log_ends)
            limits.append(np.where(inside, limit, np.nan)[()])
        return limits[0], limits[1]

    def log_age(self, mass: ArrayLike, feh: ArrayLike) -> NDArray[np.float64]:
        """Return log10 of the age in years at given initial mass (Msun) and [Fe/H] (dex).

        Returns
        -------
        log_age : ndarray or float
            Of the broadcast shape; NaN outside the table or where an argument is NaN.
        """
        return self._at_mass(mass, feh, derivative=False)

    def slope(self, mass: ArrayLike, feh: ArrayLike) -> NDArray[np.float64]:
        """Return d log10(age) / d log10(mass) at given initial mass (Msun) and [Fe/H]; see `log_age`."""
        return self._at_mass(mass, feh, derivative=True)

    def mass(self, log_age: ArrayLike, feh: ArrayLike) -> NDArray[np.float64]:
        """Return the initial mass at given log10 age (yr) and [Fe/H]: the inverse of `log_age`.

        Returns
        -------
        mass : ndarray or float
            Msun, of the broadcast shape; NaN where no mass of the table has this age.
        """
        log_age, feh = _broadcast(log_age, "log_age", feh)
        low, high = self.mass_limits(feh)
        with np.errstate(invalid="ignore"):
            usable = np.isfinite(log_age) & np.isfinite(low)
            found = np.full(feh.shape, np.nan)
            found[usable] = 10.0 ** self._surface.invert(log_age[usable], feh[usable])
            # The limits are inside; 10 to the power of their logarithm may differ from them by rounding.
            inside = (found >= low * (1 - 1e-12)) & (found <= high * (1 + 1e-12))
        return np.where(inside, np.clip(found, low, high), np.nan)[()]

    def _at_mass(self, mass, feh, derivative):
        mass, feh = _broadcast(mass, "mass", feh)
        low, high = self.mass_limits(feh)
        with np.errstate(invalid="ignore"):
            inside = (mass >= low) & (mass <= high)
        result = np.full(feh.shape, np.nan)
        result[inside] = self._surface(np.log10(mass[inside]), feh[inside], derivative=derivative)
        return result[()]

    @classmethod
    def default(cls) -> "GiantAgeRelation":
        """Return the relation that comes with the package: 0.75-9 Msun, [Fe/H] -2 to +0.5.

        The time-weighted mean age of the giants (log g < 3.5) of MIST v1.2 (Choi et al. 2016), smoothed over about 5 %
        in mass. `meta` says where it comes from and how accurate it is.
        """
        return _read_default()

    @classmethod
    def from_table(
        cls,
        mass: ArrayLike,
        feh: ArrayLike,
        log_age: ArrayLike,
        *,
        name: str = "giant ages",
        meta: Mapping[str, str] | None = None,
    ) -> "GiantAgeRelation":
        """Make a relation from a grid, or from columns that hold one.

        Parameters
        ----------
        mass, feh : array-like
            Initial mass (Msun) and [Fe/H] (dex): the axes of a two-dimensional `log_age`, or columns as long as a
            one-dimensional one.
        log_age : array-like of shape (n_mass, n_feh) or (n_rows,)
            log10 of the age in years. In columns, an absent combination counts as NaN.
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
            As for the class, or if a combination of mass and [Fe/H] occurs twice.

        Examples
        --------
        >>> from skdistmass.isochrones.giant_ages.relation import GiantAgeRelation
        >>> relation = GiantAgeRelation.from_table(
        ...     [1, 2, 4], [-0.5, 0.5], [[9.9, 10.2], [9.0, 9.2], [8.2, 8.3]])
        >>> relation.log_age([2.0], 0.5)
        array([9.2])
        """
        log_age = _floats(log_age, "dex(yr)", name="log_age")
        if log_age.ndim == 1:
            mass, feh, log_age = columns_to_grid(mass, feh, log_age)
        grid = _floats(mass, "Msun", name="mass"), _floats(feh, "dex", name="feh")
        return cls(*grid, log_age, name=name, meta=meta or {})

    @classmethod
    def from_isochrones(
        cls, table, *, phases=GIANT_PHASES, logg_max: float = 3.5, mass_step: float = 0.01, name: str | None = None
    ) -> "GiantAgeRelation":
        """Make a relation from isochrones: the mean initial mass of the giants at each age.

        Parameters
        ----------
        table : table
            Isochrones in the schema of `skdistmass.isochrones`, as its readers return them: at least two metallicities
            with at least two ages each.
        phases : sequence of str, int or Phase
            Phases that count as giants: names or codes of `Phase`. The default is all from the subgiant branch to the
            thermal pulses; ``("SGB", "RGB")`` leaves out core helium burning.
        logg_max : float, default=3.5
            Only points with a lower log g count (paper, section 6.1).
        mass_step : float, default=0.01
            Largest step of the relation's grid in log10 mass.
        name : str, optional
            Short name; by default the source and version in the table's metadata.

        Returns
        -------
        relation : GiantAgeRelation
            At each [Fe/H] it covers the masses from the oldest to the youngest isochrone's mean.

        Raises
        ------
        ColumnError, InputError
            If the table lacks a column or the IMF weights; if no row is a giant, or there are too few of them.

        Notes
        -----
        At each age and [Fe/H] the mean of the initial mass is weighted by the initial mass function. Where it does not
        fall with age, the ages are replaced by their mean (isotonic regression).
        """
        grid = rows_to_grid(isochrone_means(table, phases, logg_max), mass_step)
        return cls(*grid, **describe_models(table, name, "isochrones", phases, logg_max))

    @classmethod
    def from_tracks(
        cls, table, *, phases=GIANT_PHASES, logg_max: float = 3.5, mass_step: float = 0.01, name: str | None = None
    ) -> "GiantAgeRelation":
        """Make a relation from evolutionary tracks: the mean age of the giants of each.

        Parameters
        ----------
        table : table
            Tracks in the schema of `skdistmass.isochrones`, one after the other: at least two metallicities with at
            least two initial masses each.
        phases, logg_max, mass_step, name
            As in `from_isochrones`.

        Returns
        -------
        relation : GiantAgeRelation
            At each [Fe/H] it covers the masses from the lightest to the heaviest track that has giants.

        Raises
        ------
        ColumnError, InputError
            As in `from_isochrones`.
        """
        grid = rows_to_grid(track_means(table, phases, logg_max), mass_step)
        return cls(*grid, **describe_models(table, name, "tracks", phases, logg_max))

    @classmethod
    def hurley(
        cls,
        *,
        mass_range: tuple[float, float] = (0.5, 50.0),
        feh_range: tuple[float, float] = (-2.15, 0.5),
        solar_z: float = 0.0142,
    ) -> "GiantAgeRelation":
        """Return the analytic time to the base of the giant branch (Hurley et al. 2000) as a relation.

        For checks, and for masses outside the models you have. It does not count core helium burning, so above 2 Msun
        it is up to 20 % younger than the mean giant.

        Parameters
        ----------
        mass_range : tuple of float, default=(0.5, 50)
            Lowest and highest initial mass (Msun): the range of the fit.
        feh_range : tuple of float, default=(-2.15, 0.5)
            Lowest and highest [Fe/H]. The fit ends at Z = 0.03, [Fe/H] = +0.32; above, the formula is extrapolated.
        solar_z : float, default=0.0142
            Z at [Fe/H] = 0. The default is the initial Z of the Sun in MIST; 0.0152 is that of PARSEC, 0.02 that of
            the formula's paper.

        Returns
        -------
        relation : GiantAgeRelation
            Within 2e-4 dex of the formula, `hurley_bgb_age`.
        """
        mass, feh, log_age = hurley_grid(mass_range, feh_range, solar_z)
        meta = {"source": "Hurley, Pols & Tout 2000, MNRAS 315, 543: t_BGB", "solar_z": f"{solar_z:g}"}
        return cls(mass, feh, log_age, name="Hurley et al. (2000) t_BGB", meta=meta)

    @classmethod
    def from_file(cls, path: str | PathLike) -> "GiantAgeRelation":
        """Read a relation that `to_file` wrote; it is equal to the one written.

        Raises
        ------
        FileFormatError
            If the file is not such a table, or is incomplete.
        """
        return cls(**read_age_table(path))

    def to_file(self, path: str | PathLike) -> None:
        """Write the relation as a text table: comment lines, then masses down and [Fe/H] across.

        An existing file is replaced. Numbers have all digits, so reading gives an equal relation.
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
        # Copies and pickles are made again from the table, so that their arrays are read-only, too.
        tables = (self.mass_knots, self.feh_knots, self.log_age_knots)
        return GiantAgeRelation, (*map(np.array, tables), self.name, dict(self.meta))

    def __repr__(self):
        (light, heavy), (poor, rich) = self.mass_range, self.feh_range
        return f"GiantAgeRelation({self.name!r}, {light:.3g}-{heavy:.3g} Msun, [Fe/H] {poor:.3g}..{rich:.3g})"


@cache
def _read_default():
    return GiantAgeRelation.from_file(_DEFAULT_FILE)


def _broadcast(first, name, feh):
    """Broadcast two arguments to float arrays; whatever is not finite becomes NaN."""
    return np.broadcast_arrays(_floats(first, name=name), _floats(feh, name="feh"))
