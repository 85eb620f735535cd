"""Whole distributions of predictions for the regressors, made of their intervals."""

from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from skdistmass.estimators.inputs import check_target
from skdistmass.estimators.intervals import Prediction
from skdistmass.exceptions import InputError
from skdistmass.uncertainty import COVERAGES, MEDIAN, PredictiveDistribution

__all__ = ["DistributionMixin"]


class DistributionMixin:
    """Quantiles, distributions and draws for a regressor that has `predict_with_interval`."""

    predict_with_interval: Callable[..., Prediction]
    _target_name: str
    _target_unit: str | None

    def predict_quantiles(self, X: Any, q: ArrayLike, X_err: Any = None, **options: Any) -> NDArray[np.float64]:
        """Predict quantiles of the true value.

        Parameters
        ----------
        X : table or array-like of shape (n_stars, n_labels)
            Labels.
        q : float or array-like of shape (n_quantiles,)
            Probabilities, between 0 and 1.
        X_err : table or array-like, optional
            Errors of the labels, as for `predict_with_interval`.
        **options
            Further arguments of `predict_with_interval`, such as ``source``.

        Returns
        -------
        quantiles : ndarray of shape (n_stars, n_quantiles), or (n_stars,) for one probability
            The ends of `predict_interval` are among them: 0.15865 and 0.84135 for a coverage of 0.6827. They never
            fall with the probability. NaN where a label is missing.

        Raises
        ------
        InputError
            If a probability is not between 0 and 1, or the model was trained without errors.

        Examples
        --------
        >>> import numpy as np
        >>> from skdistmass.estimators.label_regressor import LabelRegressor
        >>> rng = np.random.default_rng(0)
        >>> X = rng.normal(size=(200, 2))
        >>> model = LabelRegressor(n_networks=1, random_state=0).fit(X, X[:, 0] + 0.1 * rng.normal(size=200))
        >>> model.predict_quantiles([[0.0, 0.0]], [0.1, 0.5, 0.9]).round(1)
        array([[-0.1,  0. ,  0.1]])
        """
        wanted = np.atleast_1d(np.asarray(q, dtype=np.float64))
        if wanted.ndim != 1 or not np.all((wanted > 0.0) & (wanted < 1.0)):
            raise InputError(f"q must be probabilities between 0 and 1, got {q!r}.")
        order = np.argsort(wanted, kind="stable")
        coverage = np.maximum(np.abs(2.0 * wanted[order] - 1.0), MEDIAN)
        intervals = self.predict_with_interval(X, coverage, X_err, **options).interval
        ends = np.where(wanted[order, None] < 0.5, intervals[:, :, 0], intervals[:, :, 1]).T
        found = np.empty_like(ends)
        found[:, order] = np.maximum.accumulate(ends, axis=1)
        return found[:, 0] if np.ndim(q) == 0 else found

    def predict_distribution(self, X: Any, X_err: Any = None, **options: Any) -> PredictiveDistribution:
        """Predict the distribution of the true value of each star.

        Parameters
        ----------
        X, X_err, **options
            As for `predict_quantiles`.

        Returns
        -------
        distribution : PredictiveDistribution
            With ``pdf``, ``cdf``, ``ppf``, ``mean``, ``std``, ``rvs`` and so on, as `scipy.stats` has them.

        Raises
        ------
        InputError
            If the model was trained without errors.

        Examples
        --------
        >>> import numpy as np
        >>> from skdistmass.estimators.label_regressor import LabelRegressor
        >>> rng = np.random.default_rng(0)
        >>> X = rng.normal(size=(200, 2))
        >>> model = LabelRegressor(n_networks=1, random_state=0).fit(X, X[:, 0] + 0.1 * rng.normal(size=200))
        >>> model.predict_distribution([[0.5, 0.0]]).std().round(1)
        array([0.1])
        """
        intervals = self.predict_with_interval(X, COVERAGES, X_err, **options).interval
        return PredictiveDistribution.from_intervals(intervals)

    def sample(
        self, X: Any, n_samples: int = 1, random_state: Any = None, X_err: Any = None, **options: Any
    ) -> NDArray[np.float64]:
        """Draw from the distribution of each star.

        Parameters
        ----------
        X : table or array-like of shape (n_stars, n_labels)
            Labels.
        n_samples : int, default=1
            Number of draws of each star.
        random_state : int, RandomState, Generator or None
            Seed.
        X_err, **options
            As for `predict_quantiles`.

        Returns
        -------
        draws : ndarray of shape (n_stars, n_samples)
        """
        return self.predict_distribution(X, X_err, **options).rvs(n_samples, random_state).T

    def score_distribution(
        self, X: Any, y: ArrayLike, y_err: ArrayLike | None = None, X_err: Any = None, **options: Any
    ) -> dict[str, float]:
        """Score the distributions by measured values.

        Parameters
        ----------
        X : table or array-like of shape (n_stars, n_labels)
            Labels.
        y : array-like of shape (n_stars,)
            Measured values.
        y_err : array-like of shape (n_stars,), optional
            Their errors, by which the distributions are widened: they are those of the true value.
        X_err, **options
            As for `predict_quantiles`.

        Returns
        -------
        scores : dict
            ``"crps"``, the mean continuous ranked probability score (in the unit of the target), and ``"log_score"``,
            the mean of ``-ln pdf``; of both, less is better. Stars without a prediction or a value do not count.

        References
        ----------
        Gneiting & Raftery 2007, J. Am. Stat. Assoc. 102, 359.
        """
        law = self.predict_distribution(X, X_err, **options)
        y = check_target(y, law.quantiles, unit=self._target_unit, name=self._target_name)
        if y_err is not None:
            law = law.widened(check_target(y_err, law.quantiles, unit=self._target_unit, name="y_err"))
        # A value beyond the last quantile is counted as if it were there: its density is not 0, but not known either.
        # The density is that of a tenth of the width around: quantiles of a small training set coincide in the tails.
        half = 0.1 * law.std()
        inside = np.clip(y, *law.support())
        density = (law.cdf(inside + half) - law.cdf(inside - half)) / (2.0 * half)
        return {"crps": float(np.nanmean(law.crps(y))), "log_score": float(-np.nanmean(np.log(density)))}
