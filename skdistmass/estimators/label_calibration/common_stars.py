"""Calibration of labels on stars that have them on both scales."""

from __future__ import annotations

from collections.abc import Sequence
from numbers import Integral
from types import SimpleNamespace
from typing import Any

import numpy as np
from numpy.typing import ArrayLike
from sklearn.base import _fit_context
from sklearn.utils import check_random_state
from sklearn.utils._param_validation import Interval, StrOptions
from sklearn.utils.validation import check_consistent_length

from skdistmass.estimators.inputs import check_groups, validate_label_errors, validate_labels, warn_left_out
from skdistmass.estimators.label_calibration.base import LabelShift, joined_covariance
from skdistmass.estimators.label_calibration.robust_fit import excess_scatter, gain, loss_left_out, robust_fit
from skdistmass.estimators.label_calibration.shift_terms import FORMS, ShiftTerms, names_of_labels
from skdistmass.exceptions import InputError
from skdistmass.labels import LABEL_NAMES, out_of_range, read_labels
from skdistmass.networks.blas import one_blas_thread
from skdistmass.tables import as_floats, is_table

__all__ = ["MIN_STARS", "LabelCalibration"]

#: A label is calibrated only on this many common stars or more.
MIN_STARS = 5
_N_ROUNDS = 4  # of fitting and of estimating the labels without noise


class LabelCalibration(LabelShift):
    """Bring labels of one survey, release or pipeline to the scale of another, learned on common stars.

    Each label is shifted by a constant, a straight line or a parabola in Teff, log g and [M/H], whichever
    cross-validation finds necessary.

    Parameters
    ----------
    form : {"auto", "constant", "linear", "smooth"}, default="auto"
        What the shift depends on. ``"auto"`` chooses, label by label, the simplest form whose cross-validated loss is
        within a standard error of the best.
    labels : sequence of str, default=None
        Labels to read from a table, in order; by default the five of `skdistmass.labels.LABEL_NAMES`.
    n_folds : int, default=5
        Folds of the cross-validation.
    random_state : int, RandomState or None, default=None
        Seed of the folds and of the domain.

    Attributes
    ----------
    coef_ : ndarray of shape (n_labels, n_terms)
        Shift of each label: the mean shift, then the coefficients of `terms_`.
    covariance_ : ndarray of shape (n_labels * n_terms, n_labels * n_terms)
        Covariance of the coefficients, label by label.
    forms_ : tuple of str
        The form of each label's shift.
    terms_ : ShiftTerms
        What the shift depends on.
    space_ : TrainingSpace
        The domain: where common stars were, in the labels that a shift may depend on.
    scatter_ : ndarray of shape (n_labels,)
        Scatter from star to star beyond the given errors; without errors it holds the noise of both scales.
    noise_known_ : bool
        Whether label errors of both scales were given: `scatter_` is then no noise, and is added to label errors.
    spread_ : ndarray of shape (n_labels,)
        Standard deviation of the shift over the common stars.
    n_stars_ : ndarray of int, shape (n_labels,)
        Number of common stars of each label (of groups, if given); 0 for a label that is left as it is.
    label_names_ : tuple of str
        Names of the labels.
    provenance_ : dict
        What a loaded calibration was made from; empty after `fit`.
    n_features_in_, feature_names_in_, label_columns_
        As in `skdistmass.estimators.label_regressor.LabelRegressor`.

    See Also
    --------
    ConstraintCalibration : Without common stars.
    sklearn.frozen.FrozenEstimator : Keeps a fitted calibration from being fitted again in a `Pipeline`.

    Notes
    -----
    Both scales have errors. A star with noise in log g would seem to have a shift that falls with log g; therefore the
    shift is a function of the label without noise, estimated from both measurements with weights by their errors
    (Deming regression). Without errors it is an ordinary regression. Outliers are held by Student-t weights with 4
    degrees of freedom. Each calibrated label rises with the label itself: a form with which it would not is not used.

    The calibrations of two labels share the noise of their stars: `covariance_` has the covariances between labels.

    References
    ----------
    Deming 1943, Statistical Adjustment of Data; Lange, Little & Taylor 1989, JASA 84, 881 (Student-t weights).

    Examples
    --------
    >>> import numpy as np
    >>> from skdistmass.estimators.label_calibration import LabelCalibration
    >>> rng = np.random.default_rng(0)
    >>> new = np.column_stack([rng.normal(4800, 200, 300), rng.normal(2.5, 0.4, 300), rng.normal(0, 0.2, 300)])
    >>> old = new + [50.0, 0.1, 0.0] + rng.normal(size=(300, 3)) * [20.0, 0.02, 0.01]
    >>> calibration = LabelCalibration(random_state=0).fit(old, new)
    >>> calibration.coef_[:, 0].round(1)
    array([-47.9, -0.1, 0. ])
    >>> calibration.transform([[4850.0, 2.6, np.nan]]).round(1)
    array([[4.8021e+03, 2.5000e+00, nan]])
    """

    _parameter_constraints = {
        "form": [StrOptions({"auto", *FORMS})],
        "labels": ["array-like", None],
        "n_folds": [Interval(Integral, 2, None, closed="left")],
        "random_state": ["random_state"],
    }

    def __init__(
        self,
        *,
        form: str = "auto",
        labels: Sequence[str] | None = None,
        n_folds: int = 5,
        random_state: int | np.random.RandomState | None = None,
    ) -> None:
        self.form = form
        self.labels = labels
        self.n_folds = n_folds
        self.random_state = random_state

    @_fit_context(prefer_skip_nested_validation=True)
    def fit(
        self,
        X: Any,
        y: Any,
        X_err: ArrayLike | None = None,
        y_err: ArrayLike | None = None,
        groups: ArrayLike | None = None,
    ) -> LabelCalibration:
        """Learn the shift from one scale to the other.

        Parameters
        ----------
        X : table or array-like of shape (n_stars, n_labels)
            Labels of the common stars on the scale to be calibrated.
        y : table or array-like of shape (n_stars, n_labels)
            Labels of the same stars, in the same order, on the target scale. An array may have the first labels only;
            the others are left as they are, as are labels with fewer than `MIN_STARS` common stars.
        X_err, y_err : table or array-like, optional
            Errors of the labels, as for `transform`. Unknown ones (NaN) count as the median.
        groups : array-like of shape (n_stars,), optional
            Star of each row, if stars have several spectra.

        Returns
        -------
        self : LabelCalibration

        Raises
        ------
        InputError
            If no label has `MIN_STARS` common stars, or shapes differ.
        ColumnError, UnitError
            If a table lacks a label or has it in another kind of unit.
        """
        X = validate_labels(self, X, reset=True, names=self.labels)
        y, target_columns = self._read_target(X, y)
        groups = check_groups(groups, len(X))
        groups = np.arange(len(X)) if groups is None else groups
        errors_from = self._read_errors(X_err, self.label_columns_, len(X))
        errors_to = self._read_errors(y_err, target_columns, len(X))
        self.noise_known_ = bool(errors_from.any() and errors_to.any())

        both = np.isfinite(X) & np.isfinite(y)
        # The labels that a shift may depend on must be there.
        self._set_up(X, self._complete_rows(X, both, groups))
        complete = self.terms_.is_complete(X) & both.any(axis=1)
        warn_left_out(int(np.count_nonzero(~complete)), len(X), "a label is missing on one of the scales")
        X, y, errors_from, errors_to = X[complete], y[complete], errors_from[complete], errors_to[complete]
        _, groups = np.unique(groups[complete], return_inverse=True)
        both = both[complete]
        counts = np.array([len(np.unique(groups[rows])) for rows in both.T])
        self.n_stars_ = np.where(counts >= MIN_STARS, counts, 0)
        with one_blas_thread():
            self._fit_labels(X, np.where(both & (self.n_stars_ > 0), y, np.nan), errors_from, errors_to, groups)
        return self

    def __sklearn_tags__(self):
        tags = super().__sklearn_tags__()
        tags.target_tags.required = True
        return tags

    def _complete_rows(self, X, both, groups):
        """Tell which stars can be fitted to; refuse too few."""
        names = names_of_labels(getattr(self, "feature_names_in_", None), X.shape[1])
        rows = both & ShiftTerms.from_stars(np.zeros((1, X.shape[1])), names).is_complete(X)[:, None]
        if (most := max(len(np.unique(groups[column])) for column in rows.T)) < MIN_STARS:
            raise InputError(
                f"no label has {MIN_STARS} stars with a value on both scales and complete Teff, log g, [M/H]: with "
                f"n_samples = {len(X)} rows, the most is {most} different stars. Give more common stars, or "
                "use ConstraintCalibration."
            )
        return rows.any(axis=1)

    def _read_target(self, X, y):
        """Return labels on the target scale, NaN where missing, and the columns they were read from."""
        if y is None:
            raise InputError("this estimator requires y to be passed, but the target y is None.")
        names = list(getattr(self, "feature_names_in_", LABEL_NAMES))
        if is_table(y):
            read = read_labels(y, names)
            check_consistent_length(X, read.values)
            values = read.values
            values[out_of_range(values, names)] = np.nan
            return values, read.columns
        values = as_floats(y, name="y")
        values = values[:, None] if values.ndim == 1 else values
        check_consistent_length(X, values)
        if values.ndim != 2 or values.shape[1] > X.shape[1]:
            raise InputError(f"y has shape {values.shape}; the labels on the target scale need {X.shape}.")
        if self.label_columns_ and values.shape[1] < X.shape[1]:
            raise InputError(f"y has {values.shape[1]} labels, the table X has {X.shape[1]}; give the same labels.")
        return np.pad(values, ((0, 0), (0, X.shape[1] - values.shape[1])), constant_values=np.nan), {}

    def _read_errors(self, errors, columns, n_rows):
        """Return standard deviations, the median where unknown, 0 where all are."""
        if errors is None:
            return np.zeros((n_rows, self.n_features_in_))
        reader = SimpleNamespace(n_features_in_=self.n_features_in_, label_columns_=columns)
        reader.feature_names_in_ = getattr(self, "feature_names_in_", np.array(LABEL_NAMES))
        errors = np.array(validate_label_errors(reader, errors, n_rows))
        if errors.ndim == 3:
            errors = np.sqrt(np.diagonal(errors, axis1=1, axis2=2))
        known = np.isfinite(errors)
        middle = [
            np.median(column[have]) if have.any() else 0.0 for column, have in zip(errors.T, known.T, strict=True)
        ]
        return np.where(known, errors, middle)

    def _fit_labels(self, X, y, errors_from, errors_to, groups):
        """Fit label by label, each time at labels with less noise, then keep the result."""
        n_labels, terms = X.shape[1], self.terms_
        forms, fits = [FORMS[0]] * n_labels, [None] * n_labels
        coef, scatter = np.zeros((n_labels, terms.n_terms)), np.zeros(n_labels)
        seed = check_random_state(self.random_state).randint(np.iinfo(np.int32).max)
        quiet = X
        for _ in range(_N_ROUNDS):
            design = terms(quiet)
            for number in np.flatnonzero(self.n_stars_):
                rows = np.isfinite(y[:, number])
                variance = errors_from[rows, number] ** 2 + errors_to[rows, number] ** 2
                parts = design[rows], (y - X)[rows, number], np.sqrt(variance), groups[rows]
                forms[number], fit, scatter[number] = self._fit_one(number, *parts, seed)
                fits[number] = fit
                coef[number] = 0.0
                coef[number, : len(fit.coef)] = fit.coef
            quiet = _without_noise(X, y, design @ coef.T, errors_from, errors_to, scatter)
        self.forms_ = tuple(forms)
        self.scatter_ = scatter
        self._set_coefficients(X, coef, joined_covariance(fits, terms.n_terms))

    def _fit_one(self, number, design, shift, error, groups, seed):
        """Fit the shift of one label; return its form, the fit and the scatter."""
        counts = [self.terms_.count(form) for form in FORMS]
        possible = [n for n, count in enumerate(counts) if n == 0 or len(shift) >= 5 * count]
        flexible = design[:, : counts[possible[-1]]]
        # Scatter about the most flexible form, so that a dependence does not pass for scatter.
        first = robust_fit(flexible, shift, np.hypot(error, _spread(shift)), groups)
        total = np.hypot(error, excess_scatter(shift - flexible @ first.coef, error))
        if self.form == "auto":
            folds = {"n_folds": self.n_folds, "seed": seed}
            losses = [loss_left_out(design[:, : counts[n]], shift, total, groups, **folds) for n in possible]
            best = int(np.argmin([loss.mean() for loss in losses]))
            choice = next(n for n in possible if n == best or gain(losses[n], losses[best]) <= 1.0)
        else:
            choice = min(FORMS.index(self.form), possible[-1])
        while True:
            chosen = design[:, : counts[choice]]
            fit = robust_fit(chosen, shift, total, groups)
            scatter = excess_scatter(shift - chosen @ fit.coef, error)
            fit = robust_fit(chosen, shift, np.hypot(error, scatter), groups)
            coef = np.zeros((self.n_features_in_, self.terms_.n_terms))
            coef[number, : counts[choice]] = fit.coef
            if choice == 0 or self._rises(coef)[number]:
                return FORMS[choice], fit, scatter
            choice -= 1


def _spread(values):
    return float(np.median(np.abs(values - np.median(values)))) / 0.6745


def _without_noise(X, y, shift, errors_from, errors_to, scatter):
    """Estimate the labels without noise from both measurements; scatter beyond the errors belongs to the relation."""
    variance = errors_from**2 + errors_to**2 + scatter**2
    share = errors_from**2 / np.maximum(variance, 1e-300)
    missed = np.nan_to_num(y - X - shift)
    limit = 3.0 * np.sqrt(variance)
    return X + share * np.clip(missed, -limit, limit)
