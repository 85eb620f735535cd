"""Options for models of the whole diagram: physics, a robust loss, sources, missing abundances."""

import warnings
from typing import Any, Self

import numpy as np
from numpy.typing import ArrayLike
from scipy.special import ndtri
from sklearn.base import clone
from sklearn.exceptions import ConvergenceWarning
from sklearn.utils.validation import check_is_fitted

from skdistmass.estimators.inputs import label_names_of, validate_label_errors, validate_labels
from skdistmass.estimators.intervals import ONE_SIGMA, Prediction, fill_by_blocks
from skdistmass.estimators.robust import excess, fit_robust, intrinsic_scatter
from skdistmass.estimators.sources import checked_names, join_groups, number_sources
from skdistmass.estimators.stellar_baseline import StellarBaseline
from skdistmass.estimators.stellar_network import N_PHYSICAL, StellarNetwork, fit_fadings, train_stellar_network
from skdistmass.exceptions import InputError
from skdistmass.networks.fitting import train_pipeline
from skdistmass.photometry import LN_DISTANCE_PER_MAG
from skdistmass.schema.limits import GIANT_LOGG

__all__ = ["ROBUST_STATE", "WholeDiagramMixin"]

_BINARY_RESIDUAL = 0.13  # the paper's, of the fractional distance
_BINARY_SIGMA = 2.0  # a binary stands out from the scatter of its source by so much
_EARLY_ITERATIONS = 40  # of each training but the last
#: Fitted attributes that only some options give.
ROBUST_STATE = (
    *("sources_", "clusters_", "offsets_", "scatters_", "cluster_offsets_", "source_excess_"),
    *("between_sources_", "missing_excess_", "fading_excess_", "fill_values_", "support_"),
)


class WholeDiagramMixin:
    """Training and prediction of the regressors with their options ``baseline``, ``loss`` and ``optional_labels``.

    With ``loss="student"`` the network learns the target on the scale on which errors add: the logarithm of a mass.
    """

    baseline: str | StellarBaseline | None = None
    loss: str
    optional_labels: tuple[str, ...] = ()
    binary_filter: Any = None
    reference_sources: tuple[str, ...] | None
    labels: tuple[str, ...] | None
    _fits: list[Any]
    _link: Any
    _unlink: Any

    def _has_options(self):
        return self.baseline is not None or self.loss != "squared"

    def fit(
        self,
        X: Any,
        y: ArrayLike,
        sample_weight: ArrayLike | None = None,
        groups: ArrayLike | None = None,
        y_err: ArrayLike | None = None,
        X_err: Any = None,
        source: ArrayLike | None = None,
        cluster: ArrayLike | None = None,
    ) -> Self:
        """Train the networks.

        Parameters
        ----------
        X, y, groups, y_err, X_err
            As for `skdistmass.estimators.label_regressor.LabelRegressor.fit`.
        sample_weight : array-like of shape (n_stars,), optional
            Weights, by default ``1/y_err^2``. With ``loss="student"`` they multiply the weights that the training
            finds, and are 1 by default.
        source : array-like of str, shape (n_stars,), optional
            Source of each star's labels or reference distance (``LABEL_SRC``, release, survey). With
            ``loss="student"`` each source has its own scatter and offset.
        cluster : array-like of str, shape (n_stars,), optional
            Cluster of each star, blank for none. With ``loss="student"`` all stars of a cluster share the error of its
            distance. They stay together in every fold.

        Returns
        -------
        self : AbsMagRegressor

        Raises
        ------
        InputError
            If a source is given without ``loss="student"``, if lengths differ, or as `LabelRegressor.fit` does.
        """
        self._check_options(source)
        plain = self.loss == "squared" and cluster is None
        n_rows = 0 if plain or y is None else len(np.asarray(y))
        source = checked_names(source, n_rows, "source")
        cluster = checked_names(cluster, n_rows, "cluster")
        if cluster is not None:
            groups = join_groups(groups, cluster, n_rows)
        if self.loss == "student" and sample_weight is None:
            sample_weight = np.ones(n_rows)
        self._given = source, cluster
        self._fits = []
        for name in ROBUST_STATE:
            self.__dict__.pop(name, None)
        try:
            return super().fit(X, y, sample_weight, groups, y_err, X_err)  # type: ignore[misc]
        finally:
            for name in ("_given", "_fits", "_sources", "_error"):
                self.__dict__.pop(name, None)

    def _check_options(self, source):
        if source is not None and self.loss != "student":
            raise InputError("sources are learned by the robust loss: set loss='student', or leave source out.")
        if len(self.optional_labels) and self.baseline is None:
            raise InputError("labels can be optional only with baseline='stellar'.")

    def _complete(self, X):
        """Tell which rows have all labels that are needed."""
        return np.isfinite(X[:, self._required(X)]).all(axis=1)

    def _required(self, X):
        """Columns of the labels that a star must have."""
        columns = np.arange(X.shape[1])
        if not len(self.optional_labels):
            return columns
        return columns[[name not in self.optional_labels for name in label_names_of(self)]]

    def _fit_rows(self, X, y, weights, groups, y_err, X_err, rng):
        self._error = np.zeros(len(y)) if y_err is None else y_err
        if len(self.optional_labels):
            known = [column[np.isfinite(column)] for column in X.T]
            self.fill_values_ = np.array([np.mean(values) if len(values) else 0.0 for values in known])
        found = super()._fit_rows(X, y, weights, groups, y_err, X_err, rng)  # type: ignore[misc]
        if self._fits:
            fit = self._fits[0]
            self.offsets_ = dict(zip(self.sources_, fit.offset.tolist(), strict=True))
            self.scatters_ = dict(zip(self.sources_, fit.scatter.tolist(), strict=True))
            self.cluster_offsets_ = dict(zip(self.clusters_, fit.cluster_offset.tolist(), strict=True))
            if self.binary_filter == "auto":
                self.support_ = fit.kept
                self.n_binaries_ = int(np.count_nonzero(~fit.kept))
                self.n_rows_ -= self.n_binaries_
        return found

    def _select_rows(self, rows):
        """Check the labels, and number the sources and clusters of the rows that are trained on."""
        names = label_names_of(self)
        if self.baseline is not None and names[:N_PHYSICAL] not in (["TEFF", "LOGG", "M_H"], ["TEFF", "LOGG", "FE_H"]):
            raise InputError(
                f"baseline='stellar' needs TEFF, LOGG and M_H as the first labels, but n_features = "
                f"{self.n_features_in_}: {', '.join(map(str, names))}."
            )
        if self.loss != "student":
            return
        source, cluster = ((None if part is None else part[rows]) for part in self._given)
        n_rows = int(np.count_nonzero(rows))
        source = np.full(n_rows, "") if source is None else source
        cluster = np.full(n_rows, "") if cluster is None else cluster
        self._sources, self.sources_, self.clusters_ = number_sources(source, cluster, self.reference_sources)

    def _train(self, X, y, weights, groups, rows, rng, fold=None):
        if not self._has_options():
            return super()._train(X, y, weights, groups, rows, rng, fold)  # type: ignore[misc]
        X, y, weights, groups, fold = (None if p is None else p[rows] for p in (X, y, weights, groups, fold))
        train = self._trainer(X, groups, fold, rng.randint(np.iinfo(np.int32).max))
        if self.loss == "squared":
            return train(y, weights, -1)
        is_binary = self._binary_test(X) if self.binary_filter == "auto" else None
        error = self._error[rows] * self._link_slope(y)
        fit = fit_robust(train, X, self._link(y), error, weights / weights.mean(), self._sources[rows], is_binary)
        self._fits.append(fit)
        return fit.model, fit.without

    def _trainer(self, X, groups, fold, seed):
        """Return a function that trains on the rows of positive weight, and keeps what its calls have in common."""
        shift = np.zeros(N_PHYSICAL + 1)
        fadings = None if self.baseline is None else fit_fadings(X)

        def train(target, weights, number):
            used, last = weights > 0, number < 0
            network = self._network()
            if not last:  # the weights of the next round need no last digit
                network = clone(network).set_params(max_iter=min(network.max_iter, _EARLY_ITERATIONS))
            parts = (None if p is None else p[used] for p in (X, target, weights, groups))
            options = {
                "n_networks": self.n_networks if last else 1,
                "rng": np.random.RandomState(seed),
                "fold": fold[used] if last and fold is not None else None,
            }
            with warnings.catch_warnings():
                if not last:
                    warnings.simplefilter("ignore", ConvergenceWarning)
                if self.baseline is None:
                    return train_pipeline(network, *parts, **options)
                baseline = StellarBaseline() if self.baseline == "stellar" else clone(self.baseline)
                return train_stellar_network(network, baseline, fadings, *parts, shift=shift, **options)

        return train

    def _is_dwarf(self, X):
        """Tell which stars are dwarfs or subgiants."""
        names = label_names_of(self)
        if "LOGG" not in names:
            raise InputError(f"binary_filter='auto' needs LOGG among the labels, but n_features = {X.shape[1]}.")
        return X[:, names.index("LOGG")] >= GIANT_LOGG

    def _binary_test(self, X):
        """Return a function that finds dwarfs and subgiants that are too bright for single stars."""
        dwarf = self._is_dwarf(X)

        def is_binary(residual, scatter):
            nearer = np.expm1(-LN_DISTANCE_PER_MAG * residual)
            return dwarf & (nearer > np.maximum(_BINARY_RESIDUAL, _BINARY_SIGMA * LN_DISTANCE_PER_MAG * scatter))

        return is_binary

    def _fit_errors(self, X, y, oof, y_err, X_err):
        X_err = None if X_err is None else self._known_errors(X, X_err)
        if not self._fits:
            return super()._fit_errors(X, y, oof, y_err, X_err)  # type: ignore[misc]
        fit, sources = self._fits[0], self._sources
        shift = fit.offset[sources.source]
        residual = self._link(y) - shift - self._link(oof)
        y_err = self._error * self._link_slope(y)
        absent = ~np.isfinite(X).all(axis=1)
        usual = sources.reference[sources.source] & ~absent
        usual = usual if usual.any() else ~absent
        least = intrinsic_scatter(residual[usual], y_err[usual], about_zero=True)
        self.missing_excess_ = 0.0
        if absent.any():
            without = intrinsic_scatter(residual[absent], y_err[absent], about_zero=True)
            self.missing_excess_ = excess(without, least)
        expected = np.hypot(least, np.where(absent, self.missing_excess_, 0.0))
        self.source_excess_ = {}
        for number, name in enumerate(self.sources_):
            rows = sources.source == number
            scatter = intrinsic_scatter(residual[rows], y_err[rows], about_zero=True)
            reference = sources.reference[number]
            self.source_excess_[name] = 0.0 if reference else excess(scatter, np.sqrt(np.mean(expected[rows] ** 2)))
        others = fit.offset[~sources.reference]
        self.between_sources_ = float(np.sqrt(np.mean(others**2))) if len(others) else 0.0
        self.fading_excess_ = 0.0
        if self.baseline is not None:
            first = X[:, :N_PHYSICAL]
            self.fading_excess_ = float(np.std(self.pipeline_.physical.pipeline.predict(first)))
        names = np.array(self.sources_)[sources.source]
        error = np.hypot(y_err, self._extra_error(X, names))
        y = self._unlink(self._link(y) - shift)
        return super()._fit_errors(X, y, oof, error / self._link_slope(y), X_err)  # type: ignore[misc]

    def _extra_error(self, X, source):
        """Error beyond that of a star of the reference source inside the training space (mag)."""
        if not hasattr(self, "source_excess_"):
            return np.zeros(len(X))
        extra = (
            np.zeros(len(X)) if source is None else self._look_up(self.source_excess_, source, self.between_sources_)
        )
        if isinstance(self.pipeline_, StellarNetwork):
            usable = self._complete(X)
            known = X[usable]
            further = (
                self.missing_excess_ * self.pipeline_.lacking(known),
                self.fading_excess_ * self.pipeline_.faded(known),
            )
            extra[usable] = np.hypot(extra[usable], np.hypot(*further))
        return extra

    def _look_up(self, values, source, unknown):
        """Values of sources; blank is the reference, a name that was not trained on has the value `unknown`."""
        return np.array([0.0 if name == "" else values.get(name, unknown) for name in source])

    def _filled(self, X):
        """Put the mean of the training stars in place of a missing optional label."""
        optional = np.setdiff1d(np.arange(X.shape[1]), self._required(X))
        filled = X.copy()
        for column in optional:
            missing = ~np.isfinite(filled[:, column])
            filled[missing, column] = self.fill_values_[column]
        return filled

    def _known_errors(self, X, X_err):
        """Errors of the labels; a missing optional label has none, because it is not used."""
        missing = ~np.isfinite(X)
        missing[:, self._required(X)] = False
        errors = np.array(X_err)
        if errors.ndim == 3:
            errors[missing[:, :, None] | missing[:, None, :]] = 0.0
        else:
            errors[missing] = 0.0
        return errors

    def _predict_values(self, X, pipeline=None):
        if not self._has_options():
            return super()._predict_values(X, pipeline)  # type: ignore[misc]
        pipeline = self.pipeline_ if pipeline is None else pipeline
        found = fill_by_blocks(lambda rows: pipeline.predict(X[rows]), self._filled(X), np.empty(len(X)))
        return self._unlink(found) if self.loss == "student" else found

    def _jacobian_values(self, X):
        if isinstance(self.pipeline_, StellarNetwork):
            return fill_by_blocks(lambda rows: self.pipeline_.jacobian(X[rows]), self._filled(X), np.empty(X.shape))
        slope = super()._jacobian_values(X)  # type: ignore[misc]
        if self.loss != "student":
            return slope
        return slope / self._link_slope(self._predict_values(X))[:, None]

    def _source_offset(self, source, n_rows):
        """Check sources, and return them with their offsets (mag)."""
        if source is None:
            return None, 0.0
        names = checked_names(np.full(n_rows, source) if isinstance(source, str) else source, n_rows, "source")
        return names, self._look_up(getattr(self, "offsets_", {}), names, 0.0)

    def predict(
        self, X: Any, return_std: bool = False, X_err: Any = None, source: ArrayLike | str | None = None
    ) -> Any:
        """Predict the target.

        Parameters
        ----------
        X, return_std, X_err
            As for `skdistmass.estimators.label_regressor.LabelRegressor.predict`. Labels of `optional_labels` may be
            missing.
        source : str or array-like of str, shape (n_stars,), optional
            Source of the labels; its offset is added. By default, and where it is blank, that of the reference. A star
            of a source that was not trained on gets no offset, but a larger error.

        Returns
        -------
        y : ndarray of shape (n_stars,)
            In the unit of the training target; NaN where a label is missing.
        std : ndarray of shape (n_stars,)
            Errors, if `return_std` is true.
        """
        if return_std:
            found = self.predict_with_interval(X, X_err=X_err, source=source)
            return found.value, found.error
        predicted = super().predict(X)  # type: ignore[misc]
        return self._moved(predicted, self._source_offset(source, len(predicted))[1])

    def predict_out_of_fold(self, X: Any, fold: ArrayLike, source: ArrayLike | str | None = None) -> Any:
        """Predict by networks that have not seen a star.

        Parameters
        ----------
        X, fold
            As for `skdistmass.estimators.label_regressor.LabelRegressor.predict_out_of_fold`.
        source : str or array-like of str, shape (n_stars,), optional
            As for `predict`.

        Returns
        -------
        y : ndarray of shape (n_stars,)
        """
        predicted = super().predict_out_of_fold(X, fold)  # type: ignore[misc]
        return self._moved(predicted, self._source_offset(source, len(predicted))[1])

    def predict_with_interval(
        self,
        X: Any,
        coverage: ArrayLike = ONE_SIGMA,
        X_err: Any = None,
        value: ArrayLike | None = None,
        source: ArrayLike | str | None = None,
    ) -> Prediction:
        """Predict value, interval and the label part of the error.

        Parameters
        ----------
        X, coverage, X_err, value
            As for `skdistmass.estimators.label_regressor.LabelRegressor.predict_with_interval`.
        source : str or array-like of str, shape (n_stars,), optional
            As for `predict`.

        Returns
        -------
        prediction : Prediction
        """
        check_is_fitted(self)
        if not self._has_options():
            return super().predict_with_interval(X, coverage, X_err, value)  # type: ignore[misc]
        labels = validate_labels(self, X, reset=False, names=self.labels)
        if X_err is not None:
            X_err = self._known_errors(labels, validate_label_errors(self, X_err, len(labels)))
        names, offset = self._source_offset(source, len(labels))
        given = self._predict_values(labels)
        if value is not None:
            given = np.where(np.isnan(value), given, self._moved(np.asarray(value, dtype=np.float64), -offset))
        found = super().predict_with_interval(labels, coverage, X_err, given)  # type: ignore[misc]
        extra = np.multiply.outer(-ndtri(0.5 - 0.5 * np.asarray(coverage)), self._extra_error(labels, names))
        width = np.hypot(self._link(found.interval) - self._link(found.value)[:, None], extra[..., None]) * [-1.0, 1.0]
        moved = self._moved(given, offset)
        return Prediction(moved, self._unlink(self._link(moved)[:, None] + width), found.label_noise)

    def _moved(self, value, offset):
        """Add an offset on the scale on which errors add."""
        return self._unlink(self._link(value) + offset) if np.any(offset) else value
