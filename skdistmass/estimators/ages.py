"""Ages of giants from their masses and metallicities."""

from numbers import Integral, Real
from typing import ClassVar

import numpy as np
from numpy.typing import ArrayLike, NDArray
from sklearn.base import BaseEstimator, TransformerMixin, _fit_context
from sklearn.utils._param_validation import Interval, StrOptions
from sklearn.utils.validation import _check_feature_names_in

from skdistmass.estimators.age_bounds import BoundedAges, limited_bounds
from skdistmass.estimators.age_inputs import checked_errors, read_ages, read_masses
from skdistmass.exceptions import InputError
from skdistmass.isochrones.giant_ages.relation import GiantAgeRelation
from skdistmass.schema.bits import AgeFlag
from skdistmass.schema.limits import UNIVERSE_AGE

__all__ = ["IsochroneAgeTransformer"]

# No star is heavier (Msun); a column with a higher median holds something else, such as temperatures.
_HEAVIEST_STAR = 300.0


class IsochroneAgeTransformer(TransformerMixin, BaseEstimator):
    """Turn mass and [Fe/H] of giants into log10 age, and back.

    All giants of one mass and metallicity are assumed to have the same age (paper, section 6.1), so use it for stars
    with log g < 3.5. Nothing is learned from the data: `transform` works without `fit`, which only checks the
    parameters and stores the columns.

    Parameters
    ----------
    relation : GiantAgeRelation, default=None
        Age of a giant as a function of initial mass and [Fe/H]; None is the one that comes with the package,
        `GiantAgeRelation.default`.
    mass_bounds : tuple of two floats or None, default=(0.8, 8.0)
        Lowest and highest initial mass (Msun) that gets an age. None is all that the relation covers; if the relation
        covers less than the bounds, its limits are used.
    feh_bounds : tuple of two floats or None, default=(-0.5, 0.5)
        Lowest and highest [Fe/H] (dex) that gets an age, in the same way.
    out_of_bounds : {"nan", "edge"}, default="nan"
        What a star outside the bounds gets: NaN, or the age at the nearest bound. `flag` marks these stars in both
        cases. A star with a missing value gets NaN.
    mass_loss : float, default=0.0
        Mass (Msun) that every giant has lost: added to the given mass before the age is looked up, and subtracted by
        `inverse_transform`. The paper (section 6.2) assumes none, and expects no more than 0.03.
    mass_column, feh_column : str or int, default=None
        Name or position of the column of mass (Msun) and of [Fe/H] (dex). None means, in a table, the column MASS, and
        M_H or else FE_H; in an array the first and the second column. Other columns are not used. A data frame without
        any of the survey's names is used like an array.

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
    The masses of red giants are current masses, those of the relation are initial masses. A giant of 1 Msun that lost
    0.03 Msun gets an age that is 11 % too high, one of 2 Msun 3 % (paper, section 6.2; this relation gives the same).

    The paper's ages are a function of initial mass and metallicity made from MIST isochrones (Choi et al. 2016), from
    0.8 to 8 Msun and from -0.5 to 0.5 in [Fe/H]. The age errors it prints for a mass error of 10 % (+0.3, -0.21 dex at
    1 Msun) are twice what the slope of any isochrones gives, d log age / d log mass = -3.6: see `age_interval`.

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
    >>> ages.age_interval(X[:1], mass_err=[0.1]).round(2)
    array([[ 9.9 , 10.21]])
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
    def fit(self, X, y=None) -> "IsochroneAgeTransformer":
        """Check the parameters, and store the columns.

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
            If the bounds are not two increasing numbers, lie outside the relation, or the column of masses can't hold
            masses: its median is above 300.
        """
        mass, _ = read_masses(self, X, reset=True)
        self.used_bounds()
        self.relation_ = self.used_relation()
        present = mass[np.isfinite(mass)]
        if len(present) and np.median(present) > _HEAVIEST_STAR:
            raise InputError(
                f"the column used for masses has a median of {np.median(present):.5g}: these are not masses in Msun. "
                "Put mass first and [Fe/H] second, or set mass_column and feh_column."
            )
        return self

    def transform(self, X) -> NDArray[np.float64]:
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
        return self._bounded().log_age(*read_masses(self, X, reset=False))[:, None]

    def inverse_transform(self, X) -> NDArray[np.float64]:
        """Return the masses of giants of given age and metallicity.

        Parameters
        ----------
        X : array-like or table of shape (n_stars, 2)
            log10 age (yr) and [Fe/H] (dex); of a table the column LOG_AGE, and [Fe/H] as for `transform`.

        Returns
        -------
        mass : ndarray of shape (n_stars, 1)
            The mass (Msun) that `transform` turns into this age. If no mass within the bounds has this age: NaN, or the
            nearest bound, see `out_of_bounds`.

        Raises
        ------
        ColumnError
            If a column is absent, ambiguous, or holds no numbers.
        InputError
            If an array does not have two columns.
        """
        log_age, feh = read_ages(X, self.feh_column)
        return self._bounded().mass(log_age, feh)[:, None]

    def flag(self, X) -> NDArray[np.uint8]:
        """Tell which stars are outside the bounds, and on which side.

        Parameters
        ----------
        X : array-like or table of shape (n_stars, n_columns)
            As for `transform`.

        Returns
        -------
        flag : ndarray of uint8, shape (n_stars,)
            Sum of the bits of `AgeFlag`: 1 mass too low, 2 too high, 4 [Fe/H] too low, 8 too high, 16 a value is
            missing; 0 for a star inside the bounds.

        Examples
        --------
        >>> from skdistmass.estimators.ages import IsochroneAgeTransformer
        >>> from skdistmass.schema.bits import AgeFlag
        >>> flags = IsochroneAgeTransformer().flag([[9.0, 0.1], [1.2, -1.5], [-9999.0, 0.0]])
        >>> [AgeFlag(flag).name for flag in flags]
        ['MASS_HIGH', 'FEH_LOW', 'MISSING']
        """
        return self._bounded().flag(*read_masses(self, X, reset=False))

    def age_interval(
        self, X, mass_err: ArrayLike | None = None, *, mass_interval: ArrayLike | None = None
    ) -> NDArray[np.float64]:
        """Return the interval of age that an error, or an interval, of the mass gives.

        The relation is curved and falls, so the interval is asymmetric, and its upper end belongs to the lower mass
        (paper, section 6.1).

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
            Lower and upper end, log10 yr. An end whose mass is outside the bounds is NaN, or the age at the bound, see
            `out_of_bounds`. Both are NaN where the error is missing, or the star has no age.

        Raises
        ------
        InputError
            If neither or both errors are given, one is negative, a lower end is above the upper one, or the lengths
            differ.

        Examples
        --------
        >>> from skdistmass.estimators.ages import IsochroneAgeTransformer
        >>> X = [[1.0, 0.0], [2.0, 0.0]]
        >>> ages = IsochroneAgeTransformer()
        >>> (ages.age_interval(X, mass_err=[0.1, 0.2]) - ages.transform(X)).round(2)
        array([[-0.15,  0.16],
               [-0.1 ,  0.11]])
        """
        mass, feh = read_masses(self, X, reset=False)
        if (mass_err is None) == (mass_interval is None):
            raise InputError("give the error of the mass either as mass_err or as mass_interval.")
        if mass_err is not None:
            sigma = checked_errors(mass_err, mass.shape, "mass_err")
            light, heavy = mass - sigma, mass + sigma
        else:
            assert mass_interval is not None
            light, heavy = checked_errors(mass_interval, (len(mass), 2), "mass_interval").T
            if np.any(light > heavy):
                raise InputError("mass_interval has a lower end above its upper one; give [lower, upper].")
        ages = self._bounded()
        return ages.interval(light, heavy, feh, ages.log_age(mass, feh))

    def log_age_err(self, X, mass_err: ArrayLike) -> NDArray[np.float64]:
        """Return one standard error of log10 age for each star.

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
        The relative error of the mass, times the mean slope of the relation from one sigma below to one sigma above.
        Where one side is outside the bounds, only the part inside is used; so a star near a bound has an error, though
        one end of its `age_interval` is NaN.

        Examples
        --------
        >>> from skdistmass.estimators.ages import IsochroneAgeTransformer
        >>> IsochroneAgeTransformer().log_age_err([[1.0, 0.0], [2.0, 0.0]], mass_err=[0.1, 0.2])
        array([0.16, 0.10])
        """
        mass, feh = read_masses(self, X, reset=False)
        return self._bounded().log_age_err(mass, feh, checked_errors(mass_err, mass.shape, "mass_err"))

    def ages_of_predicted(
        self, mass: NDArray, feh: NDArray, mass_intervals: NDArray, mass_err: NDArray
    ) -> tuple[NDArray[np.float64], NDArray[np.float64], NDArray[np.float64], NDArray[np.int16]]:
        """Return ages, their intervals, errors and flags for masses that a model has predicted.

        As `transform`, `age_interval`, `log_age_err` and `flag`, but a mass of 99 or 999 is no placeholder, and an end
        beyond the bounds of mass is the age at the bound. Arrays have shape (n_stars,), intervals (2, n_stars, 2).

        Parameters
        ----------
        mass, feh, mass_intervals, mass_err : ndarray
            Mass, intervals of 68.27 % and 95.45 % and error (Msun), and [Fe/H] (dex); NaN where missing.

        Returns
        -------
        log_age, intervals, error : ndarray
            Of log10 age (yr); the error is NaN where `mass_err` is infinite, too.
        flag : ndarray of int16
            Sum of all bits of `AgeFlag` but NOT_GIANT.

        Examples
        --------
        >>> import numpy as np
        >>> from skdistmass.estimators.ages import IsochroneAgeTransformer
        >>> masses, feh = np.array([1.0, 99.0]), np.zeros(2)
        >>> intervals = np.array([[[0.9, 1.1], [90.0, 109.0]], [[0.7, 1.2], [80.0, 119.0]]])
        >>> *_, flag = IsochroneAgeTransformer().ages_of_predicted(masses, feh, intervals, np.array([0.1, 10.0]))
        >>> flag
        array([128,   2], dtype=int16)
        """
        ages = self._bounded()
        log_age = ages.log_age(mass, feh)
        error = ages.log_age_err(mass, feh, mass_err)
        error[~np.isfinite(mass_err)] = np.nan
        flag = ages.flag(mass, feh).astype(np.int16)
        intervals = np.empty((2, len(mass), 2))
        for number, bit in enumerate((AgeFlag.CLIPPED, AgeFlag.CLIPPED_95)):
            intervals[number], clipped = ages.clipped_interval(*mass_intervals[number].T, feh, log_age)
            flag[clipped] |= int(bit)
        flag[log_age > np.log10(UNIVERSE_AGE) + 9.0] |= int(AgeFlag.OLD)
        return log_age, intervals, error, flag

    def get_feature_names_out(self, input_features: ArrayLike | None = None) -> NDArray[np.object_]:
        """Return the name of the output column, LOG_AGE; `input_features` are only checked against those of `fit`."""
        _check_feature_names_in(self, input_features, generate_names=False)
        return np.array(["LOG_AGE"], dtype=object)

    def used_relation(self) -> GiantAgeRelation:
        """Return the `GiantAgeRelation` in use: `relation`, or the one that comes with the package."""
        return GiantAgeRelation.default() if self.relation is None else self.relation

    def used_bounds(self) -> list[tuple[float, float]]:
        """Return the bounds in use: those set, limited to what the relation covers.

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
        relation = self.used_relation()
        return [
            limited_bounds("mass_bounds", self.mass_bounds, *relation.mass_range),
            limited_bounds("feh_bounds", self.feh_bounds, *relation.feh_range),
        ]

    def _bounded(self):
        return BoundedAges(self.used_relation(), *self.used_bounds(), self.mass_loss, self.out_of_bounds == "edge")

    def __sklearn_is_fitted__(self):
        return True

    def __sklearn_tags__(self):
        tags = super().__sklearn_tags__()
        tags.input_tags.allow_nan = True
        tags.requires_fit = False
        return tags
