"""Ages of giants from their masses and metallicities."""

from enum import IntFlag
from numbers import Integral, Real
from typing import ClassVar

import numpy as np
from sklearn.base import BaseEstimator, TransformerMixin, _fit_context
from sklearn.utils import check_array
from sklearn.utils._param_validation import Interval, StrOptions
from sklearn.utils.validation import _check_feature_names_in, validate_data

from skdistmass.estimators.age_inputs import (
    checked_errors,
    columns_by_name,
    columns_by_position,
    fill_masked,
    picked_by_name,
)
from skdistmass.exceptions import ColumnError, InputError
from skdistmass.isochrones.giant_ages.relation import GiantAgeRelation
from skdistmass.tables import as_floats, is_table

__all__ = ["AgeFlag", "IsochroneAgeTransformer"]

# No star is heavier; a column whose median is beyond this holds something else, such as temperatures.
_HEAVIEST_STAR = 300.0


class AgeFlag(IntFlag):
    """Why a star has no age of its own: bits of `IsochroneAgeTransformer.flag`."""

    MASS_LOW = 1
    MASS_HIGH = 2
    FEH_LOW = 4
    FEH_HIGH = 8
    MISSING = 16


class IsochroneAgeTransformer(TransformerMixin, BaseEstimator):
    """Turn mass and [Fe/H] of giants into log10 age, and back.

    All giants of one mass and metallicity are taken to have the same age (paper, section 6.1), so this is
    meant for stars with log g < 3.5. Nothing is learned from the data: `transform` works without `fit`, which
    only checks the parameters and remembers the columns.

    Parameters
    ----------
    relation : GiantAgeRelation, default=None
        Age of a giant as a function of initial mass and [Fe/H]; None is the one that comes with the package,
        `GiantAgeRelation.default`.
    mass_bounds : tuple of two floats or None, default=(0.8, 8.0)
        Lowest and highest initial mass (Msun) that gets an age. None is all that the relation covers; where
        the relation covers less than the bounds, its own limits hold.
    feh_bounds : tuple of two floats or None, default=(-0.5, 0.5)
        Lowest and highest [Fe/H] (dex) that gets an age, likewise.
    out_of_bounds : {"nan", "edge"}, default="nan"
        What a star beyond the bounds gets: NaN, or the age at the nearest bound. `flag` tells which stars
        these are either way. A star with a missing value gets NaN.
    mass_loss : float, default=0.0
        Mass (Msun) that every giant has lost: added to the mass given before the age is looked up, and taken
        off again by `inverse_transform`. The paper (section 6.2) assumes none, and expects no more than 0.03.
    mass_column, feh_column : str or int, default=None
        Name or position of the column of mass (Msun) and of [Fe/H] (dex). None is, in a table, the column
        MASS, and M_H or else FE_H; in an array the first and the second column. Further columns are not
        looked at. A data frame without any of the survey's names is taken as an array.

    Attributes
    ----------
    relation_ : GiantAgeRelation
        The relation used.
    columns_ : tuple of int
        Positions of mass and [Fe/H] in an array.
    n_features_in_ : int
        Number of columns an array must have: that of the array seen in `fit`, or 2 if that was a table.
    feature_names_in_ : ndarray of str
        Names of these columns, if they have names.

    See Also
    --------
    skdistmass.isochrones.giant_ages.relation.GiantAgeRelation : The relation: other isochrones, tracks, a formula.

    Notes
    -----
    Masses of red giants are current ones, those of the relation initial ones. A giant of 1 Msun that lost
    0.03 Msun seems 11 % too old, one of 2 Msun 3 % (paper, section 6.2, and so it comes out here).

    The paper's ages are "a function with initial stellar mass and metallicity as inputs", made of MIST
    isochrones (Choi et al. 2016), from 0.8 to 8 Msun and from -0.5 to 0.5 in [Fe/H]. Its age errors for a
    mass error of 10 % (+0.3, -0.21 dex at 1 Msun) are twice what the slope of any isochrones gives,
    d log age / d log mass = -3.6: see `age_interval`.

    Examples
    --------
    >>> from skdistmass.estimators.ages import IsochroneAgeTransformer
    >>> ages = IsochroneAgeTransformer()
    >>> X = [[1.0, 0.0], [2.0, -0.5], [0.5, 0.0]]  # Msun, dex
    >>> ages.fit_transform(X).round(3)
    array([[10.049],
           [ 8.993],
           [   nan]])
    >>> ages.flag(X)
    array([0, 0, 1], dtype=uint8)
    >>> ages.inverse_transform([[10.05, 0.0]]).round(3)
    array([[0.999]])
    >>> ages.age_interval(X[:1], mass_err=[0.1])
    array([[ 9.90, 10.21]])
    """

    _parameter_constraints: ClassVar[dict] = {
        "relation": [GiantAgeRelation, None],
        "mass_bounds": ["array-like", None],
        "feh_bounds": ["array-like", None],
        "out_of_bounds": [StrOptions({"nan", "edge"})],
        "mass_loss": [Interval(Real, 0, None, closed="left")],
        "mass_column": [str, Interval(Integral, 0, None, closed="left"), None],
        "feh_column": [str, Interval(Integral, 0, None, closed="left"), None],
    }

    def __init__(
        self,
        relation=None,
        *,
        mass_bounds=(0.8, 8.0),
        feh_bounds=(-0.5, 0.5),
        out_of_bounds="nan",
        mass_loss=0.0,
        mass_column=None,
        feh_column=None,
    ):
        self.relation = relation
        self.mass_bounds = mass_bounds
        self.feh_bounds = feh_bounds
        self.out_of_bounds = out_of_bounds
        self.mass_loss = mass_loss
        self.mass_column = mass_column
        self.feh_column = feh_column

    @_fit_context(prefer_skip_nested_validation=True)
    def fit(self, X, y=None):
        """Check the parameters, and remember the columns.

        Parameters
        ----------
        X : array-like or table of shape (n_stars, n_columns)
            Masses (Msun) and [Fe/H] (dex), among other columns if you like.
        y : None
            Ignored.

        Returns
        -------
        self : IsochroneAgeTransformer
            The transformer itself.

        Raises
        ------
        ColumnError
            If a column is absent, ambiguous, or holds no numbers.
        InputError
            If the bounds are not two increasing numbers, lie outside the relation, or the column of masses
            holds something else: a median above 300.
        """
        mass, _ = self._read(X, reset=True)
        self.used_bounds()
        self.relation_ = self.used_relation()
        present = mass[np.isfinite(mass)]
        if len(present) and np.median(present) > _HEAVIEST_STAR:
            raise InputError(
                f"the column taken for masses has a median of {np.median(present):.5g}: these are not masses "
                "in Msun. Put mass first and [Fe/H] second, or set mass_column and feh_column."
            )
        return self

    def transform(self, X):
        """Return the ages.

        Parameters
        ----------
        X : array-like or table of shape (n_stars, n_columns)
            Masses (Msun) and [Fe/H] (dex), in columns as given to `fit`.

        Returns
        -------
        log_age : ndarray of shape (n_stars, 1)
            log10 of the age in years; see `out_of_bounds`.

        Raises
        ------
        ColumnError
            If a column is absent, ambiguous, or holds no numbers.
        """
        mass, feh = self._read(X, reset=False)
        return self._log_age(mass, feh)[:, None]

    def inverse_transform(self, X):
        """Return the masses giants have at given age and metallicity.

        Parameters
        ----------
        X : array-like or table of shape (n_stars, 2)
            log10 age (yr) and [Fe/H] (dex); in a table the column LOG_AGE, and that of [Fe/H] as for
            `transform`.

        Returns
        -------
        mass : ndarray of shape (n_stars, 1)
            Msun: what `transform` turns into this age. For an age that no mass within the bounds has: NaN, or
            the nearest bound, by `out_of_bounds`.

        Raises
        ------
        ColumnError
            If a column is absent, ambiguous, or holds no numbers.
        InputError
            If an array does not have two columns.
        """
        log_age, feh = self._read_ages(X)
        relation = self.used_relation()
        low, high, feh_inside = self._limits(feh)
        mass = relation.mass(log_age, feh_inside)
        if self.out_of_bounds == "edge":
            mass = np.where(log_age > relation.log_age(low, feh_inside), low, mass)
            mass = np.where(log_age < relation.log_age(high, feh_inside), high, mass)
        else:
            # The bounds are inside; what has been to a logarithm and back may miss them by a rounding.
            inside = (mass >= low * (1 - 1e-12)) & (mass <= high * (1 + 1e-12)) & (feh == feh_inside)
            mass = np.where(inside, np.clip(mass, low, high), np.nan)
        return (mass - self.mass_loss)[:, None]

    def flag(self, X):
        """Tell which stars are beyond the bounds, and on which side.

        Parameters
        ----------
        X : array-like or table of shape (n_stars, n_columns)
            As for `transform`.

        Returns
        -------
        flag : ndarray of uint8, shape (n_stars,)
            Sum of the bits of `AgeFlag`: 1 mass too low, 2 too high, 4 [Fe/H] too low, 8 too high, 16 a value
            is missing; 0 for a star with an age of its own.

        Examples
        --------
        >>> from skdistmass.estimators.ages import AgeFlag, IsochroneAgeTransformer
        >>> flags = IsochroneAgeTransformer().flag([[9.0, 0.1], [1.2, -1.5], [-9999.0, 0.0]])
        >>> [AgeFlag(flag).name for flag in flags]
        ['MASS_HIGH', 'FEH_LOW', 'MISSING']
        """
        return self._flag(*self._read(X, reset=False))

    def age_interval(self, X, mass_err=None, *, mass_interval=None):
        """Push the error of the mass through the relation to an interval of age.

        The relation is curved and falls, so the interval is asymmetric, and its upper end belongs to the
        lower mass (paper, section 6.1).

        Parameters
        ----------
        X : array-like or table of shape (n_stars, n_columns)
            As for `transform`.
        mass_err : array-like of shape (n_stars,) or float
            Standard error of the mass (Msun): the interval goes from mass + error to mass - error.
        mass_interval : array-like of shape (n_stars, 2)
            Instead of `mass_err`: lower and upper end of an interval of mass (Msun).

        Returns
        -------
        log_age : ndarray of shape (n_stars, 2)
            Lower and upper end, log10 yr. An end whose mass is beyond the bounds is NaN, or the age at the
            bound, by `out_of_bounds`. Both are NaN where the error is missing, or the star itself has no age.

        Raises
        ------
        InputError
            If neither or both errors are given, one is negative, an interval is the wrong way round, or the
            lengths differ.

        Examples
        --------
        >>> from skdistmass.estimators.ages import IsochroneAgeTransformer
        >>> X = [[1.0, 0.0], [2.0, 0.0]]
        >>> ages = IsochroneAgeTransformer()
        >>> ages.age_interval(X, mass_err=[0.1, 0.2]) - ages.transform(X)
        array([[-0.15,  0.16], [-0.10,  0.11]])
        """
        mass, feh = self._read(X, reset=False)
        if (mass_err is None) == (mass_interval is None):
            raise InputError("give the error of the mass either as mass_err or as mass_interval.")
        if mass_err is not None:
            sigma = checked_errors(mass_err, mass.shape, "mass_err")
            light, heavy = mass - sigma, mass + sigma
        else:
            light, heavy = checked_errors(mass_interval, (len(mass), 2), "mass_interval").T
            if np.any(light > heavy):
                raise InputError("mass_interval has a lower end above its upper one; give [lower, upper].")
        return self._age_interval(light, heavy, feh, self._log_age(mass, feh))

    def log_age_err(self, X, mass_err):
        """Return one standard error of log10 age for each star: AGE_ERR of the catalogue (paper, Table 2).

        Parameters
        ----------
        X : array-like or table of shape (n_stars, n_columns)
            As for `transform`.
        mass_err : array-like of shape (n_stars,) or float
            Standard error of the mass (Msun).

        Returns
        -------
        log_age_err : ndarray of shape (n_stars,)
            dex. NaN where the error is missing, or the star has no age.

        Raises
        ------
        InputError
            If an error is negative, or the lengths differ.

        Notes
        -----
        The relative error of the mass, times the mean slope of the relation over one sigma to either side.
        Where one side is beyond the bounds, over the part inside; so a star near a bound has an error, though
        one end of its `age_interval` is NaN.

        Examples
        --------
        >>> from skdistmass.estimators.ages import IsochroneAgeTransformer
        >>> IsochroneAgeTransformer().log_age_err([[1.0, 0.0], [2.0, 0.0]], mass_err=[0.1, 0.2])
        array([0.16, 0.10])
        """
        mass, feh = self._read(X, reset=False)
        return self._log_age_err(mass, feh, checked_errors(mass_err, mass.shape, "mass_err"))

    def ages_of_predicted(self, mass, feh, mass_interval, mass_err):
        """Return ages, their intervals, errors and flags for masses that a model has predicted.

        What `transform`, `age_interval`, `log_age_err` and `flag` give together, but for numbers as they are: a
        predicted mass that happens to be 99 or 999 is no survey's placeholder for a missing one.

        Parameters
        ----------
        mass, feh, mass_err : ndarray of shape (n_stars,)
            Mass and its error (Msun), and [Fe/H] (dex); NaN where missing.
        mass_interval : ndarray of shape (n_stars, 2)
            Lower and upper end of an interval of mass (Msun); an upper end may be infinite.

        Returns
        -------
        log_age : ndarray of shape (n_stars,)
        interval : ndarray of shape (n_stars, 2)
        error : ndarray of shape (n_stars,)
            Of log10 age (yr); NaN where `mass_err` is infinite, too.
        flag : ndarray of uint8, shape (n_stars,)

        Examples
        --------
        >>> import numpy as np
        >>> from skdistmass.estimators.ages import IsochroneAgeTransformer
        >>> masses, feh = np.array([1.0, 99.0]), np.zeros(2)
        >>> interval = np.array([[0.9, 1.1], [90.0, 109.0]])
        >>> *_, flag = IsochroneAgeTransformer().ages_of_predicted(masses, feh, interval, np.array([0.1, 10.0]))
        >>> flag
        array([0, 2], dtype=uint8)
        """
        log_age = self._log_age(mass, feh)
        error = self._log_age_err(mass, feh, mass_err)
        error[~np.isfinite(mass_err)] = np.nan
        return log_age, self._age_interval(*mass_interval.T, feh, log_age), error, self._flag(mass, feh)

    def _age_interval(self, light, heavy, feh, log_age):
        interval = np.column_stack([self._log_age(heavy, feh), self._log_age(light, feh)])
        interval[np.isnan(light) | np.isnan(heavy) | np.isnan(log_age)] = np.nan
        return interval

    def _log_age_err(self, mass, feh, sigma):
        relation = self.used_relation()
        low, high, feh_inside = self._limits(feh)
        centre = np.clip(mass + self.mass_loss, low, high)
        light, heavy = np.clip(centre - sigma, low, high), np.clip(centre + sigma, low, high)
        with np.errstate(divide="ignore", invalid="ignore"):
            slope = (relation.log_age(heavy, feh_inside) - relation.log_age(light, feh_inside)) / np.log10(
                heavy / light
            )
        # Too narrow for a difference of rounded numbers, the interval has the slope of its centre.
        slope = np.where(heavy - light > 1e-6 * centre, slope, relation.slope(centre, feh_inside))
        error = -slope * sigma / (centre * np.log(10.0))
        if self.out_of_bounds == "nan":
            error[self._flag(mass, feh) != 0] = np.nan
        return error

    def get_feature_names_out(self, input_features=None):
        """Return the name of the output column.

        Parameters
        ----------
        input_features : array-like of str, optional
            Checked against the columns seen in `fit`, otherwise without effect.

        Returns
        -------
        names : ndarray of str objects, shape (1,)
            ``["LOG_AGE"]``.
        """
        _check_feature_names_in(self, input_features, generate_names=False)
        return np.array(["LOG_AGE"], dtype=object)

    def used_relation(self):
        """Return the `GiantAgeRelation` in use: `relation`, or the one that comes with the package."""
        return GiantAgeRelation.default() if self.relation is None else self.relation

    def used_bounds(self):
        """Return the bounds in use: those set, within what the relation covers at all.

        Returns
        -------
        mass_bounds, feh_bounds : tuple of two floats
            Lowest and highest initial mass (Msun) and [Fe/H] (dex) that get an age.

        Raises
        ------
        InputError
            If the bounds set are not two increasing numbers, or lie outside the relation.

        Examples
        --------
        >>> from skdistmass.estimators.ages import IsochroneAgeTransformer
        >>> IsochroneAgeTransformer(feh_bounds=None).used_bounds()
        [(0.8, 8.0), (-2.0, 0.5)]
        """
        relation, bounds = self.used_relation(), []
        for name, wanted, (low, high) in (
            ("mass_bounds", self.mass_bounds, relation.mass_range),
            ("feh_bounds", self.feh_bounds, relation.feh_range),
        ):
            if wanted is not None:
                pair = np.asarray(wanted, dtype=np.float64)
                if pair.shape != (2,) or not pair[0] < pair[1]:
                    raise InputError(f"{name} must be a lower and a higher number, not {wanted!r}.")
                if pair[0] > high or pair[1] < low:
                    raise InputError(
                        f"{name} {tuple(pair.tolist())} lie outside the age relation, which goes from "
                        f"{low:g} to {high:g}; set bounds within it, or None."
                    )
                low, high = max(low, pair[0]), min(high, pair[1])
            bounds.append((float(low), float(high)))
        return bounds

    def _limits(self, feh):
        """Lowest and highest initial mass at each [Fe/H], and the [Fe/H] moved to the nearest bound."""
        (low, high), feh_bounds = self.used_bounds()
        feh_inside = np.clip(feh, *feh_bounds)
        covered_low, covered_high = self.used_relation().mass_limits(feh_inside)
        return np.maximum(covered_low, low), np.minimum(covered_high, high), feh_inside

    def _flag(self, mass, feh):
        low, high, feh_inside = self._limits(feh)
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

    def _log_age(self, mass, feh):
        low, high, feh_inside = self._limits(feh)
        initial = mass + self.mass_loss
        inside = np.clip(initial, low, high)
        log_age = self.used_relation().log_age(inside, feh_inside)
        if self.out_of_bounds == "nan":
            log_age[(inside != initial) | (feh_inside != feh)] = np.nan
        return log_age

    def _read(self, X, *, reset):
        """Return masses and metallicities as plain floats, NaN where missing."""
        chosen = (self.mass_column, self.feh_column)
        if picked_by_name(X, chosen):
            names = columns_by_name(X, "MASS" if chosen[0] is None else chosen[0], chosen[1])
            if reset:
                self.n_features_in_, self.feature_names_in_ = 2, np.array(names, dtype=object)
                self.columns_ = (0, 1)
            return _read_columns(X, names, ("Msun", "dex"))
        checks = {"dtype": np.float64, "ensure_all_finite": False, "ensure_min_samples": int(reset)}
        if reset or hasattr(self, "n_features_in_"):
            X = validate_data(self, fill_masked(X), reset=reset, **checks)
        else:
            X = check_array(fill_masked(X), **checks)
        if reset or not hasattr(self, "columns_"):
            columns = columns_by_position(X.shape[1], *chosen)
        else:
            columns = self.columns_
        if reset:
            self.columns_ = columns
        return tuple(as_floats(X[:, column]) for column in columns)

    def _read_ages(self, X):
        """Return log10 ages and metallicities as plain floats, NaN where missing."""
        if is_table(X):
            return _read_columns(X, columns_by_name(X, "LOG_AGE", self.feh_column), ("dex(yr)", "dex"))
        X = check_array(fill_masked(X), dtype=np.float64, ensure_all_finite=False, ensure_min_samples=0)
        if X.shape[1] != 2:
            raise InputError(f"X has {X.shape[1]} columns; give two: log10 age (yr) and [Fe/H] (dex).")
        return as_floats(X[:, 0]), as_floats(X[:, 1])

    def __sklearn_is_fitted__(self):
        return True

    def __sklearn_tags__(self):
        tags = super().__sklearn_tags__()
        tags.input_tags.allow_nan = True
        tags.requires_fit = False
        return tags


def _read_columns(table, names, units):
    """Return columns of a table in these units, as plain floats."""
    columns = tuple(as_floats(table[name], unit, name=str(name)) for name, unit in zip(names, units, strict=True))
    if columns[0].ndim != 1 or columns[0].shape != columns[1].shape:
        raise ColumnError(
            f"columns {names[0]} and {names[1]} have shapes {columns[0].shape} and {columns[1].shape}; "
            "one number per star is needed in each."
        )
    return columns
