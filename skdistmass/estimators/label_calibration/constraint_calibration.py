"""Calibration of labels without common stars, from what must hold on the model's scale."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from numbers import Integral
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray
from sklearn.base import _fit_context
from sklearn.utils import check_random_state
from sklearn.utils._param_validation import Interval, StrOptions

from skdistmass.estimators.inputs import validate_labels
from skdistmass.estimators.label_calibration.base import LabelShift
from skdistmass.estimators.label_calibration.constraints import Constraint
from skdistmass.estimators.label_calibration.robust_fit import excess_scatter, robust_fit, simplest_form
from skdistmass.estimators.label_calibration.shift_terms import FORMS
from skdistmass.exceptions import InputError

__all__ = ["ConstraintCalibration", "LinearisedConstraints", "linearise", "prior_widths"]

#: By how much the scales of two surveys differ, before anything is known of them.
_PRIOR = {"TEFF": 100.0, "LOGG": 0.1, "M_H": 0.1, "C_FE": 0.1, "N_FE": 0.1}
# A dependence on the labels is smaller than the shift itself, a curvature smaller again.
_PRIOR_OF_ORDER = (1.0, 0.5, 0.25)
_N_STEPS = 6


def prior_widths(X: NDArray[np.float64], names: Sequence[str]) -> NDArray[np.float64]:
    """Return the usual size of a shift of each label; a third of its scatter for a label that is none of the five."""
    with np.errstate(invalid="ignore"):
        scatter = np.nan_to_num(np.nanstd(X, axis=0)) / 3.0 if len(X) else np.zeros(X.shape[1])
    return np.array([_PRIOR.get(name, spread or 1.0) for name, spread in zip(names, scatter, strict=True)])


@dataclass(frozen=True, eq=False)
class LinearisedConstraints:
    """Constraints near a set of labels: how their residuals change with shifts of the labels.

    Attributes
    ----------
    rows : ndarray of int, shape (n_rows,)
        Star of each row.
    kinds : ndarray of int, shape (n_rows,)
        Number of the constraint of each row.
    slopes : ndarray of shape (n_rows, n_labels)
        Derivatives of the predicted values.
    residual, error : ndarray of shape (n_rows,)
        Known value less predicted value, and its error.
    offsets : ndarray of shape (n_rows, n_offsets)
        1 where a row has the offset of that group.
    offset_precision : ndarray of shape (n_offsets,)
        1/sigma^2 of the groups' offsets.
    """

    rows: NDArray[np.int64]
    kinds: NDArray[np.int64]
    slopes: NDArray[np.float64]
    residual: NDArray[np.float64]
    error: NDArray[np.float64]
    offsets: NDArray[np.float64]
    offset_precision: NDArray[np.float64]


def linearise(
    X: NDArray[np.float64], constraints: Sequence[Constraint], steps: NDArray[np.float64]
) -> LinearisedConstraints:
    """Evaluate constraints and their derivatives, by central differences, at labels.

    Parameters
    ----------
    X : ndarray of shape (n_stars, n_labels)
    constraints : sequence of Constraint
        About the same stars.
    steps : ndarray of shape (n_labels,)
        Steps of the differences.

    Returns
    -------
    linearised : LinearisedConstraints
        Rows where a value, an error or a prediction is missing are left out.
    """
    parts: list[tuple[Any, ...]] = []
    groups: list[tuple[int, int]] = []
    precisions: list[float] = []
    for kind, constraint in enumerate(constraints):
        value, error = constraint.value, constraint.error
        rows = np.flatnonzero(np.isfinite(value) & np.isfinite(error) & (error >= 0) & np.isfinite(X).all(axis=1))
        at = X[rows]
        slopes = np.empty(at.shape)
        for number, step in enumerate(steps):
            up, down = at.copy(), at.copy()
            up[:, number] += step
            down[:, number] -= step
            slopes[:, number] = (constraint.predict(up) - constraint.predict(down)) / (2.0 * step) if len(at) else 0.0
        left = value[rows] - constraint.predict(at) if len(at) else np.empty(0)
        good = np.isfinite(left) & np.isfinite(slopes).all(axis=1)
        found = np.unique(constraint.group[rows[good]])
        code = len(groups) + np.searchsorted(found, constraint.group[rows[good]])
        groups += [(kind, int(group)) for group in found]
        precisions += [constraint.group_error**-2.0] * len(found)
        kinds = np.full(np.count_nonzero(good), kind)
        parts.append((rows[good], kinds, slopes[good], left[good], error[rows[good]], code))
    rows, kinds, slopes, left, error, code = (np.concatenate(part) for part in zip(*parts, strict=True))
    offsets = (code[:, None] == np.arange(len(groups))).astype(float)
    return LinearisedConstraints(rows, kinds, slopes, left, error, offsets, np.array(precisions))


class ConstraintCalibration(LabelShift):
    """Bring labels to the scale of a model without common stars, from constraints that hold on any scale.

    The shift is the one with which the model agrees best with all constraints together: M_K with the parallaxes, one
    metallicity, distance and age in each cluster, the magnitude of the red clump, seismic gravities and masses. What
    the constraints do not tell stays near zero, with the error it had before.

    Parameters
    ----------
    form : {"auto", "constant", "linear", "smooth"}, default="auto"
        What the shifts depend on; with ``"auto"``, the simplest form whose cross-validated loss is within a standard
        error of the best, for all labels together.
    prior_scale : array-like of shape (n_labels,), default=None
        Size of shifts that are usual, in the units of the labels: the width of a normal prior around 0. By default
        100 K and 0.1 dex.
    labels, n_folds, random_state
        As for `LabelCalibration`.

    Attributes
    ----------
    residuals_ : dict
        Name of each constraint to (number of stars, median of known less predicted before, and after the calibration).
    coef_, covariance_, forms_, terms_, space_, spread_, label_names_, provenance_
        As for `LabelCalibration`.
    scatter_ : ndarray of shape (n_labels,)
        0: without common stars it is unknown.
    n_stars_ : ndarray of int, shape (n_labels,)
        Number of stars that any constraint is about.

    See Also
    --------
    LabelCalibration : With common stars.

    Notes
    -----
    Constraints of one kind are weighted by their errors and by the excess scatter of their residuals, so the errors of
    the model need not be given. Stars have Student-t weights. Each kind has an offset of its own, as well known as its
    ``group_error`` says.

    Parallaxes fix one combination of shifts: 0.04 dex in log g has the effect of about 100 K on M_K. With them alone
    distances come out right, while the shares of the labels have large errors, which `covariance_` states.

    Examples
    --------
    >>> import numpy as np
    >>> from skdistmass.estimators.label_calibration import ConstraintCalibration, seismic_gravity_constraint
    >>> rng = np.random.default_rng(0)
    >>> truth = rng.uniform(1.5, 3.3, 300)
    >>> X = np.column_stack([3600 + 450 * truth, truth + 0.06 + rng.normal(scale=0.02, size=300), np.zeros(300)])
    >>> seismic = seismic_gravity_constraint(truth, np.full(300, 0.01))
    >>> calibration = ConstraintCalibration(random_state=0).fit(X, constraints=[seismic])
    >>> calibration.coef_[1, 0].round(2)
    np.float64(-0.06)
    """

    _parameter_constraints = {
        "form": [StrOptions({"auto", *FORMS})],
        "prior_scale": ["array-like", None],
        "labels": ["array-like", None],
        "n_folds": [Interval(Integral, 2, None, closed="left")],
        "random_state": ["random_state"],
    }

    def __init__(
        self,
        *,
        form: str = "auto",
        prior_scale: ArrayLike | None = None,
        labels: Sequence[str] | None = None,
        n_folds: int = 5,
        random_state: int | np.random.RandomState | None = None,
    ) -> None:
        self.form = form
        self.prior_scale = prior_scale
        self.labels = labels
        self.n_folds = n_folds
        self.random_state = random_state

    @_fit_context(prefer_skip_nested_validation=True)
    def fit(self, X: Any, y: object = None, *, constraints: Sequence[Constraint] = ()) -> ConstraintCalibration:
        """Find the shift with which the constraints hold.

        Parameters
        ----------
        X : table or array-like of shape (n_stars, n_labels)
            Labels on the scale to be calibrated.
        y : None
            Ignored; here by scikit-learn's convention.
        constraints : sequence of Constraint
            About the same stars, in the same order. Without any the shift is 0, with the error of the prior.

        Returns
        -------
        self : ConstraintCalibration

        Raises
        ------
        InputError
            If a constraint is about another number of stars, or `prior_scale` does not suit the labels.
        """
        X = validate_labels(self, X, reset=True, names=self.labels)
        for constraint in constraints:
            if not len(constraint.value) == len(constraint.error) == len(constraint.group) == len(X):
                raise InputError(f"the constraint {constraint.name!r} is about {len(constraint.value)} stars, not {len(X)}.")
        complete = np.isfinite(X).all(axis=1)
        if np.count_nonzero(complete) < 2:
            raise InputError(f"of n_samples = {len(X)} stars, fewer than 2 have all labels; give more stars.")
        self._set_up(X, complete)
        widths = self._widths(X)
        seed = check_random_state(self.random_state).randint(np.iinfo(np.int32).max)
        form = FORMS[-1] if self.form == "auto" else self.form
        if self.form == "auto":
            form = self._choose(X, constraints, widths, seed) if constraints else FORMS[0]
        coef, covariance, used = self._minimise(X, constraints, widths, form)
        while form != FORMS[0] and not self._rises(coef).all():
            form = FORMS[FORMS.index(form) - 1]
            coef, covariance, used = self._minimise(X, constraints, widths, form)
        self.forms_ = (form,) * X.shape[1]
        self.scatter_ = np.zeros(X.shape[1])
        self.n_stars_ = np.full(X.shape[1], len(used), dtype=np.int64)
        self._set_coefficients(X[used] if len(used) else X[complete], coef, covariance)
        self.residuals_ = self._residuals(X, constraints)
        return self

    def _widths(self, X):
        if self.prior_scale is None:
            return prior_widths(X, self.label_names_)
        widths = np.asarray(self.prior_scale, dtype=np.float64)
        if widths.shape != (X.shape[1],) or not (widths > 0).all():
            raise InputError(f"prior_scale is {self.prior_scale!r}; give {X.shape[1]} positive numbers.")
        return widths

    def _precision(self, widths):
        """1/sigma^2 of each coefficient's prior, shape (n_labels, n_terms)."""
        counts = [0, *(self.terms_.count(form) for form in FORMS)]
        order = np.concatenate(
            [np.full(counts[n + 1] - counts[n], factor) for n, factor in enumerate(_PRIOR_OF_ORDER)]
        )
        return (widths[:, None] * order) ** -2.0

    def _columns(self, form):
        """Columns of the design that a form has: the first terms of every label."""
        n_terms = self.terms_.n_terms
        chosen = np.arange(n_terms) < self.terms_.count(form)
        return np.flatnonzero(np.tile(chosen, self.n_features_in_))

    def _minimise(self, X, constraints, widths, form):
        """Gauss-Newton steps; return coefficients, their covariance and the stars used."""
        precision = self._precision(widths)
        coef, covariance = np.zeros(precision.shape), np.diag(1.0 / precision.ravel())
        covariance *= np.isin(np.arange(precision.size), self._columns(form))
        if not constraints:
            return coef, covariance, np.empty(0, dtype=np.int64)
        for _ in range(_N_STEPS):
            design, target, error, groups, prior, rows = self._problem(X, constraints, widths, coef)
            columns = self._columns(form)
            columns = np.concatenate([columns, np.arange(precision.size, design.shape[1])])
            fit = robust_fit(design[:, columns], target, error, groups, prior[columns])
            n_own = len(self._columns(form))
            previous = coef.copy()
            coef.ravel()[columns[:n_own]] = fit.coef[:n_own]
            covariance = np.zeros((precision.size,) * 2)
            covariance[np.ix_(columns[:n_own], columns[:n_own])] = fit.covariance[:n_own, :n_own]
            if (np.abs(coef - previous) < 1e-4 * widths[:, None]).all():
                break
        return coef, covariance, np.unique(rows)

    def _problem(self, X, constraints, widths, coef):
        """The linear problem at the present shift: design, target, errors, groups, precisions, stars."""
        terms = self.terms_(X)
        linear = linearise(X + terms @ coef.T, constraints, 1e-2 * widths)
        own = (linear.slopes[:, :, None] * terms[linear.rows][:, None, :]).reshape(len(linear.rows), -1)
        design = np.hstack([own, linear.offsets])
        target = linear.residual + own @ coef.ravel()
        prior = np.concatenate([self._precision(widths).ravel(), linear.offset_precision])
        error = linear.error.copy()
        for kind in np.unique(linear.kinds):
            rows = linear.kinds == kind
            middle = np.zeros(np.count_nonzero(rows))
            for group in linear.offsets[rows].T:
                if group.any():
                    middle[group > 0] = np.median(linear.residual[rows][group > 0])
            error[rows] = np.hypot(error[rows], excess_scatter(linear.residual[rows] - middle, error[rows]))
        groups = np.unique(linear.rows, return_inverse=True)[1]
        return design, target, error, groups, prior, linear.rows

    def _choose(self, X, constraints, widths, seed):
        """Choose the form by cross-validation, with the constraints made linear at the best constant shift."""
        coef = self._minimise(X, constraints, widths, FORMS[0])[0]
        design, target, error, groups, prior, rows = self._problem(X, constraints, widths, coef)
        offsets = np.arange(coef.size, design.shape[1])
        columns = [np.concatenate([self._columns(form), offsets]) for form in FORMS]
        choice = simplest_form(design, target, error, groups, columns, prior, n_folds=self.n_folds, seed=seed)
        return FORMS[choice]

    def _residuals(self, X, constraints):
        """Median residual of each constraint before and after."""
        found, after = {}, X + self.terms_(X) @ self.coef_.T
        for constraint in constraints:
            good = np.isfinite(constraint.value) & np.isfinite(X).all(axis=1)
            if good.any():
                medians = [np.nanmedian(constraint.value[good] - constraint.predict(x[good])) for x in (X, after)]
                found[constraint.name] = (int(good.sum()), float(medians[0]), float(medians[1]))
        return found
