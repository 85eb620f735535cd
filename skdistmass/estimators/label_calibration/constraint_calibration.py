"""Calibration of labels without common stars, from what must hold on the model's scale."""

from __future__ import annotations

from collections.abc import Sequence
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
from skdistmass.estimators.label_calibration.linear_constraints import compare, full_errors, group_medians, linearise
from skdistmass.estimators.label_calibration.robust_fit import gain, loss_left_out, robust_fit
from skdistmass.estimators.label_calibration.shift_terms import FORMS
from skdistmass.exceptions import InputError
from skdistmass.networks.blas import one_blas_thread

__all__ = ["ConstraintCalibration", "prior_widths"]

#: By how much the scales of two surveys differ, before anything is known of them.
_PRIOR = {"TEFF": 100.0, "LOGG": 0.1, "M_H": 0.1, "C_FE": 0.1, "N_FE": 0.1}
# A dependence on the labels is smaller than the shift itself, a curvature smaller again.
_PRIOR_OF_ORDER = (1.0, 0.5, 0.25)
_N_STEPS = 6
# Standard errors by which the cross-validated loss must fall: the best of several choices is taken.
_CLEAR_GAIN = 2.0


def prior_widths(X: NDArray[np.float64], names: Sequence[str]) -> NDArray[np.float64]:
    """Return the usual size of a shift of each label; a third of its scatter for a label that is none of the five."""
    with np.errstate(invalid="ignore"):
        scatter = np.nan_to_num(np.nanstd(X, axis=0)) / 3.0 if len(X) else np.zeros(X.shape[1])
    return np.array([_PRIOR.get(name, spread or 1.0) for name, spread in zip(names, scatter, strict=True)])


class ConstraintCalibration(LabelShift):
    """Bring labels to the scale of a model without common stars, from constraints that hold on any scale.

    The shift is the one with which the model agrees best with all constraints together: M_K with the parallaxes, one
    metallicity, distance and age in each cluster, the magnitude of the red clump, seismic gravities and masses. What
    the constraints do not tell stays near zero, with the error it had before.

    Parameters
    ----------
    form : {"auto", "constant", "linear", "smooth"}, default="auto"
        What the shifts depend on. ``"auto"`` starts with a constant for each label; one label at a time gets the next
        form, as long as the cross-validated loss falls by more than two standard errors.
    prior_scale : array-like of shape (n_labels,), default=None
        Size of shifts that are usual, in the units of the labels: the width of a normal prior around 0. By default
        100 K and 0.1 dex.
    labels, n_folds, random_state
        As for `LabelCalibration`.

    Attributes
    ----------
    residuals_ : dict
        Name of each constraint to the number of stars, and the median of known less predicted values before and after
        the calibration; where the groups' offsets are free, the median distance from the group's median. That of
        parallaxes is relative.
    coef_, covariance_, forms_, terms_, space_, spread_, label_names_, provenance_
        As for `LabelCalibration`.
    scatter_ : ndarray of shape (n_labels,)
        0: without common stars it is unknown.
    noise_known_ : bool
        True: `scatter_` is no noise.
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
                raise InputError(
                    f"the constraint {constraint.name!r} is about {len(constraint.value)} stars, not {len(X)}."
                )
        complete = np.isfinite(X).all(axis=1)
        if np.count_nonzero(complete) < 2:
            raise InputError(f"of n_samples = {len(X)} stars, fewer than 2 have all labels; give more stars.")
        self._set_up(X, complete)
        widths = self._widths(X)
        seed = check_random_state(self.random_state).randint(np.iinfo(np.int32).max)
        with one_blas_thread():
            forms = [self.form] * X.shape[1]
            if self.form == "auto":
                forms = self._choose(X, constraints, widths, seed) if constraints else [FORMS[0]] * X.shape[1]
            coef, covariance, used = self._minimise(X, constraints, widths, forms)
            while not (rises := self._rises(coef) | (np.array(forms) == FORMS[0])).all():
                forms = [f if good else FORMS[FORMS.index(f) - 1] for f, good in zip(forms, rises, strict=True)]
                coef, covariance, used = self._minimise(X, constraints, widths, forms)
        self.forms_ = tuple(forms)
        self.scatter_, self.noise_known_ = np.zeros(X.shape[1]), True
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
        order = np.concatenate([np.full(counts[n + 1] - counts[n], factor) for n, factor in enumerate(_PRIOR_OF_ORDER)])
        return (widths[:, None] * order) ** -2.0

    def _columns(self, forms):
        """Columns of the design that the labels' forms have: the first terms of every label."""
        chosen = [np.arange(self.terms_.n_terms) < self.terms_.count(form) for form in forms]
        return np.flatnonzero(np.concatenate(chosen))

    def _minimise(self, X, constraints, widths, forms):
        """Gauss-Newton steps; return coefficients, their covariance and the stars used."""
        precision, own = self._precision(widths), self._columns(forms)
        coef, covariance = np.zeros(precision.shape), np.zeros((precision.size,) * 2)
        covariance[own, own] = 1.0 / precision.ravel()[own]
        rows = np.empty(0, dtype=np.int64)
        for _ in range(_N_STEPS if constraints else 0):
            design, target, error, groups, prior, rows = self._problem(X, constraints, widths, coef)
            columns = np.concatenate([own, np.arange(precision.size, design.shape[1])])
            fit = robust_fit(design[:, columns], target, error, groups, prior[columns])
            previous = coef.copy()
            coef.ravel()[own] = fit.coef[: len(own)]
            covariance[np.ix_(own, own)] = fit.covariance[: len(own), : len(own)]
            if (np.abs(coef - previous) < 1e-3 * widths[:, None]).all():
                break
        return coef, covariance, np.unique(rows)

    def _problem(self, X, constraints, widths, coef):
        """The linear problem at the present shift: design, target, errors, groups, precisions, stars."""
        terms = self.terms_(X)
        linear = linearise(X + terms @ coef.T, constraints, 1e-2 * widths)
        own = (linear.slopes[:, :, None] * terms[linear.rows][:, None, :]).reshape(len(linear.rows), coef.size)
        design = np.hstack([own, linear.offsets])
        target = linear.residual + own @ coef.ravel()
        prior = np.concatenate([self._precision(widths).ravel(), linear.offset_precision])
        error = full_errors(linear)
        groups = np.unique(linear.rows, return_inverse=True)[1]
        return design, target, error, groups, prior, linear.rows

    def _choose(self, X, constraints, widths, seed):
        """Choose the labels' forms: one label at a time gets the next form as long as that pays clearly.

        The constraints are made linear at the best constant shift.
        """
        forms = [0] * X.shape[1]
        coef = self._minimise(X, constraints, widths, [FORMS[0]] * len(forms))[0]
        design, target, error, groups, prior, rows = self._problem(X, constraints, widths, coef)
        offsets = np.arange(coef.size, design.shape[1])

        def loss(forms):
            columns = np.concatenate([self._columns([FORMS[form] for form in forms]), offsets])
            parts = design[:, columns], target, error, groups, prior[columns]
            return loss_left_out(*parts, n_folds=self.n_folds, seed=seed)

        now = loss(forms)
        while len(rows) >= 10 * len(self._columns([FORMS[form] for form in forms])):
            choices = [[*forms[:n], form + 1, *forms[n + 1 :]] for n, form in enumerate(forms) if form + 1 < len(FORMS)]
            losses = [loss(choice) for choice in choices]
            gains = [gain(now, tried) for tried in losses]
            best = int(np.argmin([tried.mean() for tried in losses])) if losses else 0
            if not losses or gains[best] < _CLEAR_GAIN:
                break
            forms, now = choices[best], losses[best]
        return [FORMS[form] for form in forms]

    def _residuals(self, X, constraints):
        """Median residual of each constraint before and after; in groups with a free offset, of its size."""
        found, after = {}, X + self.terms_(X) @ self.coef_.T
        for constraint in constraints:
            good = np.isfinite(constraint.value) & np.isfinite(X).all(axis=1)
            left = []
            for predicted in [constraint.predict(x[good]) for x in (X, after)] if good.any() else ():
                left.append(compare(constraint, constraint.value[good], constraint.error[good], predicted))
            left = [part for part in left if np.isfinite(part).any()]
            if len(left) == 2:
                if np.isinf(constraint.group_error):
                    left = [np.abs(part - group_medians(part, constraint.group[good])) for part in left]
                found[constraint.name] = (int(good.sum()), *(float(np.nanmedian(part)) for part in left))
        return found
