"""What all label calibrations share: shifting labels, their errors, the way back, and where the shift is supported."""

from __future__ import annotations

import hashlib
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray
from sklearn.base import BaseEstimator, OneToOneFeatureMixin, TransformerMixin
from sklearn.utils.validation import check_is_fitted

from skdistmass.estimators.inputs import validate_label_errors, validate_labels
from skdistmass.estimators.label_calibration.robust_fit import RobustFit
from skdistmass.estimators.label_calibration.shift_terms import ShiftTerms, names_of_labels
from skdistmass.estimators.label_calibration.writing import calibration_text, save_calibration
from skdistmass.estimators.training_space import TrainingSpace
from skdistmass.exceptions import ColumnError
from skdistmass.labels import LABEL_NAMES, out_of_range
from skdistmass.surveys.stars import Stars

__all__ = ["FADE_WIDTH", "LabelShift"]

#: Below the limit of the domain the dependence on the labels fades to the mean shift, over this much in the logarithm
#: of the density (8 is the fall of a normal density from 1 to 4.1 sigma).
FADE_WIDTH = 8.0
_LARGEST_STEPS = 100
# The calibrated label must rise with the label: its derivative is above this everywhere.
_SMALLEST_SLOPE = 0.2


class LabelShift(OneToOneFeatureMixin, TransformerMixin, BaseEstimator):
    """Base of the calibrations of labels; a subclass's ``fit`` finds the coefficients.

    A star with labels x gets ``x + coef_[:, 0] + w coef_[:, 1:] @ terms_(x)[1:]``. The weight w is 1 inside the domain
    (`TrainingSpace` answers inside or edge) and falls to 0 outside, where the mean shift ``coef_[:, 0]`` remains.
    """

    def transform(self, X: Any, X_err: ArrayLike | None = None) -> Any:
        """Bring labels to the other scale.

        Parameters
        ----------
        X : table or array-like of shape (n_stars, n_labels)
            Labels on the scale that was calibrated.
        X_err : table or array-like of shape (n_stars, n_labels) or (n_stars, n_labels, n_labels), optional
            Their errors or covariances.

        Returns
        -------
        labels : ndarray or data frame of shape (n_stars, n_labels)
            A missing label stays missing (NaN). Where one that the shift depends on is missing, the others get the
            mean shift.
        covariance : ndarray of shape (n_stars, n_labels, n_labels)
            Only if `X_err` is given: covariances of the calibrated labels. The errors are carried through the shift;
            those of the calibration are added: `shift_covariance`, and the scatter from star to star if
            `noise_known_`. NaN where an error is unknown.
        """
        check_is_fitted(self)
        X = self._read(X)
        labels = X + self._shift(X)
        if X_err is None:
            return labels
        errors = validate_label_errors(self, X_err, len(X))
        if errors.ndim == 2:
            errors = errors[:, :, None] ** 2 * np.eye(X.shape[1])
        derivatives = self._derivatives(X)
        covariance = derivatives @ errors @ derivatives.transpose(0, 2, 1)
        return labels, covariance + self._own_covariance(X)

    def inverse_transform(self, X: Any) -> NDArray[np.float64]:
        """Return the labels that `transform` turns into these.

        Parameters
        ----------
        X : table or array-like of shape (n_stars, n_labels)
            Labels on the target scale.

        Returns
        -------
        labels : ndarray of shape (n_stars, n_labels)
            NaN where a label is missing, or where the steps towards the solution do not end (far outside the domain).
        """
        check_is_fitted(self)
        wanted = self._read(X)
        labels = wanted - self._shift(wanted)
        unit = np.nanmax(np.abs(wanted), axis=0, initial=1.0)
        moving = np.isfinite(wanted).any(axis=1)
        for _ in range(_LARGEST_STEPS):
            if not moving.any():
                break
            now = labels[moving]
            missed = np.nan_to_num(wanted[moving] - now - self._shift(now))
            step = np.linalg.solve(self._derivatives(now), missed[:, :, None])[:, :, 0]
            labels[moving] = now + step
            moving[moving] = (np.abs(step) > 1e-13 * unit).any(axis=1)
        missed = np.abs(wanted - labels - self._shift(labels))
        with np.errstate(invalid="ignore"):
            labels[(missed > 1e-9 * unit).any(axis=1)] = np.nan
        return labels

    def shift_covariance(self, X: Any) -> NDArray[np.float64]:
        """Return the covariance of the shift of each star: the error of the calibration alone.

        Parameters
        ----------
        X : table or array-like of shape (n_stars, n_labels)
            Labels on the scale that was calibrated.

        Returns
        -------
        covariance : ndarray of shape (n_stars, n_labels, n_labels)
            Outside the domain, the spread of the shift over the fitted stars is added.
        """
        check_is_fitted(self)
        return self._covariance(self._read(X))

    def domain(self, X: Any) -> NDArray[np.int8]:
        """Tell where the calibration is supported by stars that it was fitted on.

        Parameters
        ----------
        X : table or array-like of shape (n_stars, n_labels)
            Labels on the scale that was calibrated.

        Returns
        -------
        answer : ndarray of int8, shape (n_stars,)
            0 inside, 1 at the edge, 2 outside: the shift fades to the mean one; 3: a label that it depends on is
            missing, and the star gets the mean one. See `skdistmass.schema.bits.Space`.
        """
        check_is_fitted(self)
        return self._answer(self._read(X))

    def calibrate(self, stars: Stars, *, own_error: bool = True) -> Stars:
        """Return stars with labels and label errors on the target scale.

        Parameters
        ----------
        stars : Stars
            As `skdistmass.surveys.as_stars` makes them. A label that they do not have stays missing. [Fe/H] is shifted
            as [M/H] is, so that either can be the metallicity of a model.
        own_error : bool, default=True
            Whether the label errors get the error of the calibration (`own_covariance`), too.

        Returns
        -------
        stars : Stars
            Errors that were unknown stay so.

        Raises
        ------
        ColumnError
            If the calibration has a label that stars don't.

        Examples
        --------
        >>> from skdistmass.estimators.label_calibration import load_calibration
        >>> from skdistmass.surveys import as_stars
        >>> stars = as_stars({"TEFF": [5600.0], "LOGG": [4.4], "M_H": [0.0], "C_FE": [0.0], "N_FE": [0.0]})
        >>> load_calibration("dr16").calibrate(stars)["TEFF"].round()
        array([5570.])
        """
        X, names = self._labels_of(stars), self.label_names_
        shift, derivatives = self._shift(X), self._derivatives(X)
        errors = np.column_stack([stars.floats(f"{name}_ERR") for name in names])
        variance = np.einsum("nlm,nm->nl", derivatives**2, np.nan_to_num(errors) ** 2)
        if own_error:
            variance += np.diagonal(self._own_covariance(X), axis1=1, axis2=2)
        new_errors = np.where(np.isfinite(errors), np.sqrt(variance), np.nan)
        columns = {}
        for number, name in enumerate(names):
            for column in (name, "FE_H") if name == "M_H" else (name,):
                if column in stars:
                    columns[column] = stars[column] + shift[:, number]
                if f"{column}_ERR" in stars:
                    columns[f"{column}_ERR"] = new_errors[:, number]
        return stars.with_columns(columns)

    def domain_of(self, stars: Stars) -> NDArray[np.int8]:
        """Tell where stars are in the calibration's domain; see `domain`."""
        return self._answer(self._labels_of(stars))

    def own_covariance(self, stars: Stars) -> NDArray[np.float64]:
        """Return the covariance of the five labels that the calibration adds to each star's.

        Parameters
        ----------
        stars : Stars
            With labels on the scale that was calibrated.

        Returns
        -------
        covariance : ndarray of shape (n_stars, 5, 5)
            In the order of `skdistmass.labels.LABEL_NAMES`: that of the shift, and the scatter from star to star if
            `noise_known_`. 0 for labels that the calibration does not have.
        """
        X = self._labels_of(stars)
        at = [LABEL_NAMES.index(name) for name in self.label_names_]
        covariance = np.zeros((len(X), len(LABEL_NAMES), len(LABEL_NAMES)))
        covariance[:, np.array(at)[:, None], at] = self._own_covariance(X)
        return covariance

    @property
    def identity(self) -> tuple[str, str]:
        """Name of the calibration, and the SHA-256 of its file, or of the file that `save` would write."""
        check_is_fitted(self)
        if self.stored_as_ is not None:
            return self.stored_as_
        text = calibration_text(self)
        return self.provenance_.get("name", type(self).__name__), hashlib.sha256(text.encode()).hexdigest()

    def describe(self) -> list[dict[str, Any]]:
        """Describe the calibration, label by label.

        Returns
        -------
        rows : list of dict
            LABEL, FORM, N_STARS, SHIFT (mean, added to the label), SHIFT_ERR, SPREAD (rms of the shift about its mean,
            over the fitted stars) and SCATTER (from star to star, beyond the quoted errors).
        """
        check_is_fitted(self)
        n_terms = self.terms_.n_terms
        errors = np.sqrt(np.diagonal(self.covariance_)[::n_terms])
        return [
            {
                "LABEL": name,
                "FORM": self.forms_[number],
                "N_STARS": int(self.n_stars_[number]),
                "SHIFT": float(self.coef_[number, 0]),
                "SHIFT_ERR": float(errors[number]),
                "SPREAD": float(self.spread_[number]),
                "SCATTER": float(self.scatter_[number]),
            }
            for number, name in enumerate(self.label_names_)
        ]

    def save(self, path: Any, *, provenance: dict[str, str] | None = None) -> None:
        """Write the calibration to a text file (JSON), which holds numbers and no code.

        Parameters
        ----------
        path : path
            The file.
        provenance : dict of str, optional
            What it was made from: ``{"name": ..., "from": ..., "to": ..., "source": ...}``; that of a loaded
            calibration is kept by default.

        See Also
        --------
        skdistmass.estimators.label_calibration.load_calibration : Read it back.
        """
        save_calibration(self, path, provenance)

    def _labels_of(self, stars):
        """Return the calibration's labels of stars; NaN where missing."""
        check_is_fitted(self)
        unknown = [name for name in self.label_names_ if name not in LABEL_NAMES]
        if unknown:
            raise ColumnError(
                f"the calibration is of {', '.join(self.label_names_)}; stars have {', '.join(LABEL_NAMES)}."
            )
        X = np.column_stack([stars.floats(name) for name in self.label_names_])
        return np.where(out_of_range(X, self.label_names_), np.nan, X)

    def _read(self, X):
        return validate_labels(self, X, reset=False, names=self.labels)

    def _set_up(self, X, complete):
        """Learn the terms and the domain from stars with all labels that a shift may depend on."""
        self.label_names_ = names_of_labels(getattr(self, "feature_names_in_", None), X.shape[1])
        self.terms_ = ShiftTerms.from_stars(X[complete], self.label_names_)
        used = self.terms_.columns
        space = TrainingSpace(label_names=[f"x{n}" for n in range(len(used))], random_state=self.random_state)
        self.space_ = space.fit(X[complete][:, used])
        self.provenance_, self.stored_as_ = {}, None

    def _set_coefficients(self, X, coef, covariance):
        """Keep the coefficients, shape (n_labels, n_terms), and their covariance; note the spread of the shift."""
        self.coef_, self.covariance_ = coef, covariance
        self.spread_ = (self.terms_(X)[:, 1:] @ coef[:, 1:].T).std(axis=0)

    def _answer(self, X):
        return self.space_.answer(self.space_.density_.score(X[:, self.terms_.columns]))

    def _own_covariance(self, X):
        """Covariance of the shift, and the scatter from star to star if it is not the noise of the labels."""
        return self._covariance(X) + np.diag(self.scatter_**2 * self.noise_known_)

    def _rises(self, coef):
        """Tell whether each calibrated label rises with the label everywhere in the range."""
        slopes = self.terms_.slopes(self.terms_.corners(len(coef)))
        own = 1.0 + np.einsum("nkl,lk->nl", slopes, coef)
        return (own > _SMALLEST_SLOPE).all(axis=0)

    def _fade(self, X):
        """Weight of what the shift depends on: 1 inside the domain, falling to 0 outside; 0 if a label is missing."""
        if not self.coef_[:, 1:].any():
            return np.zeros(len(X))
        score = self.space_.density_.score(X[:, self.terms_.columns])
        weight = np.clip(1.0 + (score - self.space_.thresholds_[0]) / FADE_WIDTH, 0.0, 1.0)
        return np.where(self.terms_.is_complete(X), weight, 0.0)

    def _faded_terms(self, X):
        terms = self.terms_(X)
        terms[:, 1:] *= self._fade(X)[:, None]
        return terms

    def _shift(self, X):
        return self._faded_terms(X) @ self.coef_.T

    def _derivatives(self, X):
        """Derivatives of the calibrated labels by the labels, the fading left out: (n_stars, n_labels, n_labels)."""
        slopes = self.terms_.slopes(X) * self._fade(X)[:, None, None]
        return np.eye(X.shape[1]) + np.einsum("lk,nkm->nlm", self.coef_, slopes)

    def _covariance(self, X):
        n_labels, n_terms = self.coef_.shape
        terms, fade = self._faded_terms(X), self._fade(X)
        blocks = self.covariance_.reshape(n_labels, n_terms, n_labels, n_terms)
        covariance = np.einsum("nk,lkmj,nj->nlm", terms, blocks, terms, optimize=True)
        return covariance + ((1.0 - fade) ** 2)[:, None, None] * np.diag(self.spread_**2)

    def __sklearn_tags__(self):
        tags = super().__sklearn_tags__()
        tags.input_tags.allow_nan = True
        return tags


def joined_covariance(fits: list[RobustFit | None], n_terms: int) -> NDArray[np.float64]:
    """Return the covariance of the coefficients of several labels that were fitted to the same groups of rows."""
    n_groups = max(len(fit.influence) for fit in fits if fit is not None)
    influence = np.zeros((n_groups, len(fits) * n_terms))
    for number, fit in enumerate(fits):
        if fit is not None:
            start = number * n_terms
            influence[: len(fit.influence), start : start + fit.influence.shape[1]] = fit.influence
    return influence.T @ influence
