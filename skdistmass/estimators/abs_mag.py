"""Absolute K magnitude, and so the distance, from the five labels (section 4 of the paper)."""

import numpy as np
from scipy.special import ndtri
from sklearn.base import clone
from sklearn.utils import check_random_state

from skdistmass.estimators.label_regressor import LabelRegressor
from skdistmass.estimators.seeds import seeded
from skdistmass.exceptions import InputError
from skdistmass.photometry import distance_from_magnitude
from skdistmass.tables import as_floats
from skdistmass.uncertainty.conformal import PaperErrors, normal_coverage

__all__ = ["AbsMagRegressor"]


class AbsMagRegressor(LabelRegressor):
    """Absolute magnitude of a star from its spectroscopic labels.

    A small network trained on stars with good parallaxes predicts M_K; with apparent magnitude and extinction that is
    a distance (section 4 of the paper).

    Parameters
    ----------
    binary_filter : BinaryResidualFilter or None, default=None
        Finds unresolved binaries among the training stars, which are then left out (section 4.1.1). It never drops a
        star at prediction, and the errors are learned from all training stars, since a new star may be a binary just
        as well. Its own parameters are reached as ``binary_filter__threshold`` and so on.
    hidden_layer_sizes, activation, solver, alpha, n_networks, batch_size, learning_rate_init, max_iter, tol, \
early_stopping, validation_fraction, n_iter_no_change, error_model, n_folds, labels, random_state
        As in `skdistmass.estimators.label_regressor.LabelRegressor`. The defaults were chosen by cross-validation on real stars
        (``examples/choose_defaults.py``).

    Attributes
    ----------
    binary_filter_ : BinaryResidualFilter or None
        The fitted filter. Its ``support_`` refers to the rows that are complete and have a weight.
    n_binaries_ : int
        Number of training stars it left out.
    pipeline_, n_features_in_, feature_names_in_, label_columns_, n_rows_, n_rows_left_out_, n_iter_, \
oof_prediction_, errors_
        As in `skdistmass.estimators.label_regressor.LabelRegressor`.

    See Also
    --------
    skdistmass.BinaryResidualFilter : Finds unresolved binaries by their residuals.
    skdistmass.CNMassRegressor : The mass.

    References
    ----------
    Stone-Martinez et al. 2024, section 4.

    Examples
    --------
    >>> from skdistmass import AbsMagRegressor
    >>> from skdistmass.datasets import make_survey
    >>> stars = make_survey(2000, random_state=0, sentinel_fraction=0)
    >>> model = AbsMagRegressor(hidden_layer_sizes=8, n_networks=1, error_model=None, random_state=0)
    >>> model = model.fit(stars, stars["TRUE_ABS_MAG"])
    >>> distance = model.predict_distance(stars[:3], stars["K"][:3], stars["AK_TARG"][:3])
    """

    _parameter_constraints = {**LabelRegressor._parameter_constraints, "binary_filter": [None, object]}
    _target_name = "absolute magnitude"
    _target_unit = "mag"

    def __init__(
        self,
        *,
        binary_filter=None,
        hidden_layer_sizes=(8, 8),
        activation="tanh",
        solver="lm",
        alpha=0.1,
        n_networks=4,
        batch_size="auto",
        learning_rate_init=0.001,
        max_iter=500,
        tol=5e-4,
        early_stopping=False,
        validation_fraction=0.1,
        n_iter_no_change=5,
        error_model="conformal",
        n_folds=5,
        labels=None,
        random_state=None,
    ):
        super().__init__(
            hidden_layer_sizes=hidden_layer_sizes,
            activation=activation,
            solver=solver,
            alpha=alpha,
            n_networks=n_networks,
            batch_size=batch_size,
            learning_rate_init=learning_rate_init,
            max_iter=max_iter,
            tol=tol,
            early_stopping=early_stopping,
            validation_fraction=validation_fraction,
            n_iter_no_change=n_iter_no_change,
            error_model=error_model,
            n_folds=n_folds,
            labels=labels,
            random_state=random_state,
        )
        self.binary_filter = binary_filter

    def _choose_rows(self, X, y, weights, groups):
        """Leave out what the filter takes for binaries."""
        self.binary_filter_ = None
        self.n_binaries_ = 0
        if self.binary_filter is None:
            return super()._choose_rows(X, y, weights, groups)
        # Seeds come from the regressor's, so that its random_state decides everything.
        self.binary_filter_ = seeded(clone(self.binary_filter), check_random_state(self.random_state))
        self.binary_filter_.fit(X, y, sample_weight=weights, groups=groups)
        single = self.binary_filter_.support_
        if not single.any():
            raise InputError(
                f"the binary filter left none of {len(X)} stars to train on; raise its threshold "
                f"({self.binary_filter_.threshold_:g}) or train without it."
            )
        self.n_binaries_ = int(np.count_nonzero(~single))
        return single

    def _paper_errors(self):
        """A quadratic in log g, if there is a log g."""
        names = list(getattr(self, "feature_names_in_", self.labels or ("TEFF", "LOGG", "M_H", "C_FE", "N_FE")))
        known = "LOGG" in names and len(names) == self.n_features_in_
        return PaperErrors(names.index("LOGG") if known else None)

    def predict_distance(
        self, X, mag, extinction=0.0, *, mag_err=None, extinction_err=None, X_err=None, return_std=False
    ):
        """Predict the distance.

        Parameters
        ----------
        X : table or array-like of shape (n_stars, n_labels)
            Labels.
        mag : array-like of shape (n_stars,)
            Apparent magnitude, in the band of the training target (2MASS K_s; mag).
        extinction : array-like of shape (n_stars,) or float, default=0.0
            Extinction in that band (mag).
        mag_err, extinction_err : array-like of shape (n_stars,) or float, optional
            Their errors (mag), 0 by default.
        X_err : array-like, optional
            Errors of the labels, as for `predict`.
        return_std : bool, default=False
            Whether to return the errors as well.

        Returns
        -------
        distance : ndarray of shape (n_stars,)
            ``10 pc * 10^(0.2 (mag - extinction - M))`` in kpc; NaN where a label, the magnitude or the extinction is
            missing.
        std : ndarray of shape (n_stars,)
            Half the width of the 68.27 % interval (kpc), if `return_std` is true.
        """
        mag = as_floats(mag, "mag", name="mag")
        extinction = as_floats(extinction, "mag", name="extinction")
        distance = distance_from_magnitude(self.predict(X), mag, extinction)
        if not return_std:
            return distance
        interval = self.predict_distance_interval(
            X,
            mag,
            extinction,
            mag_err=mag_err,
            extinction_err=extinction_err,
            X_err=X_err,
            coverage=normal_coverage(1.0),
        )
        return distance, 0.5 * (interval[:, 1] - interval[:, 0])

    def predict_distance_interval(
        self, X, mag, extinction=0.0, *, mag_err=None, extinction_err=None, X_err=None, coverage=0.6827
    ):
        """Interval that holds the true distance with a given probability.

        Parameters
        ----------
        X, mag, extinction, mag_err, extinction_err, X_err
            As for `predict_distance`.
        coverage : float, default=0.6827
            Probability, between 0 and 1.

        Returns
        -------
        interval : ndarray of shape (n_stars, 2)
            Lower and upper bound (kpc).
        """
        mag = as_floats(mag, "mag", name="mag")
        extinction = as_floats(extinction, "mag", name="extinction")
        # On each side the photometric error adds in quadrature, stretched to the same coverage by its normal law.
        photometric = np.hypot(
            0.0 if mag_err is None else as_floats(mag_err, "mag", name="mag_err"),
            0.0 if extinction_err is None else as_floats(extinction_err, "mag", name="extinction_err"),
        )
        abs_mag = self.predict(X)
        bounds = self.predict_interval(X, coverage, X_err)
        stretch = -ndtri(0.5 - 0.5 * coverage)
        offset = np.hypot(bounds[:, ::-1] - abs_mag[:, None], np.reshape(photometric * stretch, (-1, 1)))
        far, near = abs_mag - offset[:, 1], abs_mag + offset[:, 0]
        return np.column_stack([distance_from_magnitude(side, mag, extinction) for side in (near, far)])
