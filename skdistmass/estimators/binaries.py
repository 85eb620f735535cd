"""Unresolved binaries among training stars, found by their residual distances (section 4.1.1 of the paper)."""

import warnings
from collections.abc import Mapping
from numbers import Integral, Real
from typing import Any, Self

import numpy as np
from numpy.typing import ArrayLike
from sklearn.base import BaseEstimator, _fit_context, clone
from sklearn.utils import _safe_indexing, check_random_state
from sklearn.utils._param_validation import HasMethods, Interval, StrOptions

from skdistmass.estimators.inputs import (
    check_groups,
    check_target,
    check_weights,
    left_out_reason,
    let_splitters_take_rows,
    validate_labels,
    warn_left_out,
)
from skdistmass.estimators.label_regressor import LabelRegressor
from skdistmass.exceptions import InputError, NoValleyWarning
from skdistmass.networks.fitting import can_leave_out, train_pipeline
from skdistmass.networks.levenberg_marquardt import LevenbergMarquardtMLPRegressor
from skdistmass.networks.rows import distinct_rows, fold_numbers
from skdistmass.photometry import distance_ratio

__all__ = ["BinaryResidualFilter"]

PAPER_THRESHOLD = 0.13


class BinaryResidualFilter(BaseEstimator):
    """Leave unresolved binaries out of a training set.

    An unresolved binary is brighter than its labels suggest. A first model of the absolute magnitude places it nearer
    than its parallax does, as if it were one star. Its residual fractional distance, ``1 - d_model / d_parallax``, is
    positive: up to 0.29 for two equal stars. Stars above a threshold are left out (section 4.1.1).

    Parameters
    ----------
    threshold : float or "valley", default=0.13
        Residual fractional distance above which a star is left out. The paper uses 0.13. With ``"valley"`` it is
        the least populated residual between the peak of the single stars and that of the binaries; if there is no
        such valley, 0.13 is used with a `NoValleyWarning`.
    estimator : regressor or None, default=None
        The first model; by default a `LabelRegressor` of one network.
    n_rounds : int, default=2
        Number of times the first model is trained. In each round after the first, stars above the threshold are left
        out of its training, so that binaries bias it less; all stars are judged again. The paper does one round.
    n_folds : int, default=5
        Number of folds. A star is always judged by a model that has not seen it.
    random_state : int, RandomState or None, default=None
        Seed of the folds and of the first model.

    Attributes
    ----------
    support_ : ndarray of bool, shape (n_rows,)
        True for the rows that are kept. Rows in which a label or the target is missing are not.
    residual_ : ndarray of shape (n_rows,)
        Out-of-fold residual fractional distance; positive for binaries, NaN for rows that are left out.
    threshold_ : float
        The threshold used.
    sample_indices_ : ndarray of int
        Numbers of the rows kept, after `fit_resample`.
    n_features_in_, feature_names_in_, label_columns_, n_out_of_range_, scaled_labels_
        As in `skdistmass.estimators.label_regressor.LabelRegressor`.

    Notes
    -----
    It also removes single stars for which the model is wrong by as much, as the paper's filter does. It has
    the sampler interface (`fit_resample`) of imbalanced-learn, so it works inside its Pipeline; it has neither
    ``transform`` nor ``predict``, so that no row can be lost when predicting.

    References
    ----------
    Stone-Martinez et al. 2024, section 4.1.1.

    Examples
    --------
    >>> from skdistmass import BinaryResidualFilter
    >>> from skdistmass.datasets import make_survey
    >>> from skdistmass.photometry import absolute_magnitude
    >>> stars = make_survey(3000, random_state=0, sentinel_fraction=0)
    >>> abs_mag = absolute_magnitude(stars["K"], stars["TRUE_EXTINCTION"], stars["TRUE_DISTANCE"])
    >>> binaries = BinaryResidualFilter(random_state=0).fit(stars, abs_mag)
    >>> bool(stars["TRUE_BINARY"][~binaries.support_].mean() > 0.7)
    True
    """

    _parameter_constraints = {
        "threshold": [Interval(Real, 0, 1, closed="neither"), StrOptions({"valley"})],
        "estimator": [HasMethods(["fit", "predict"]), None],
        "n_rounds": [Interval(Integral, 1, None, closed="left")],
        "n_folds": [Interval(Integral, 2, None, closed="left")],
        "random_state": ["random_state"],
    }

    def __init__(
        self,
        *,
        threshold: float | str = PAPER_THRESHOLD,
        estimator: Any = None,
        n_rounds: int = 2,
        n_folds: int = 5,
        random_state: int | np.random.RandomState | None = None,
    ) -> None:
        self.threshold = threshold
        self.estimator = estimator
        self.n_rounds = n_rounds
        self.n_folds = n_folds
        self.random_state = random_state

    @_fit_context(prefer_skip_nested_validation=False)
    def fit(
        self, X: Any, y: ArrayLike, sample_weight: ArrayLike | None = None, groups: ArrayLike | None = None
    ) -> Self:
        """Find the stars to leave out.

        Parameters
        ----------
        X : table or array-like of shape (n_rows, n_labels)
            Labels.
        y : array-like of shape (n_rows,)
            Absolute magnitude from the parallax (mag).
        sample_weight : array-like of shape (n_rows,), optional
            Weights for the first model.
        groups : array-like of shape (n_rows,), optional
            Star each row belongs to; repeated spectra of one star stay in one fold.

        Returns
        -------
        self : BinaryResidualFilter

        Raises
        ------
        InputError
            If fewer than two stars are complete.
        """
        X = validate_labels(self, X, reset=True)
        y = check_target(y, X, unit="mag", name="absolute magnitude")
        weights = check_weights(sample_weight, len(X))
        groups = check_groups(groups, len(X))
        rows = np.isfinite(X).all(axis=1) & np.isfinite(y) & (weights > 0)
        warn_left_out(int(np.count_nonzero(~rows)), len(X), f"{left_out_reason(self)}, or the weight is 0")
        folds = distinct_rows(X[rows], y[rows]) if groups is None else groups[rows]
        n_folds = min(self.n_folds, len(np.unique(folds)))
        if n_folds < 2:
            raise InputError(f"{len(np.unique(folds))} complete star (1 sample) is too few; at least 2 are needed.")
        rng = check_random_state(self.random_state)
        self.residual_ = np.full(len(X), np.nan)
        kept = np.ones(np.count_nonzero(rows), dtype=bool)
        for _ in range(self.n_rounds):
            residual = self._judge(X[rows], y[rows], weights[rows], folds, n_folds, kept, rng)
            self.threshold_ = self._choose_threshold(residual)
            kept = residual <= self.threshold_
        self.residual_[rows] = residual
        self.support_ = np.zeros(len(X), dtype=bool)
        self.support_[rows] = kept
        return self

    def _judge(self, X, y, weights, stars, n_folds, kept, rng):
        """Residual fractional distance of every star, by first models trained on the kept stars of other folds."""
        first = self.estimator
        if first is None:
            first = LabelRegressor(n_networks=1, error_model=None, random_state=rng.randint(np.iinfo(np.int32).max))
        fold = fold_numbers(stars, n_folds, rng.randint(np.iinfo(np.int32).max))
        if self.estimator is None and can_leave_out(LevenbergMarquardtMLPRegressor(), np.count_nonzero(kept)):
            network = LevenbergMarquardtMLPRegressor()
            parts = X[kept], y[kept], weights[kept], stars[kept]
            _, models = train_pipeline(network, *parts, n_networks=1, rng=rng, fold=fold[kept])
        else:
            # Not every estimator takes weights; where all are equal none is needed.
            weighted = np.ptp(weights) > 0
            models = []
            for number in range(n_folds):
                others = fold != number
                known = others & kept if (others & kept).any() else others
                models.append(
                    clone(first).fit(X[known], y[known], **({"sample_weight": weights[known]} if weighted else {}))
                )
        predicted = np.empty(len(X))
        for number, model in enumerate(models):
            predicted[fold == number] = model.predict(X[fold == number])
        return 1.0 - distance_ratio(predicted, y)

    def _choose_threshold(self, residual):
        if self.threshold != "valley":
            return float(self.threshold)
        valley = find_valley(residual)
        if valley is None:
            warnings.warn(
                "the residual distances have no valley between single stars and binaries; "
                f"the paper's threshold of {PAPER_THRESHOLD} is used.",
                NoValleyWarning,
                stacklevel=3,
            )
            return PAPER_THRESHOLD
        return valley

    def fit_resample(
        self, X: Any, y: Any, sample_weight: ArrayLike | None = None, groups: ArrayLike | None = None
    ) -> tuple[Any, Any]:
        """Find the binaries and return the training set without them.

        Parameters
        ----------
        X, y, sample_weight, groups
            As for `fit`.

        Returns
        -------
        X_resampled, y_resampled
            The rows kept, of the types given.
        """
        self.fit(X, y, sample_weight=sample_weight, groups=groups)
        self.sample_indices_ = np.flatnonzero(self.support_)
        return _take_rows(X, self.sample_indices_), _take_rows(y, self.sample_indices_)

    def __sklearn_tags__(self):
        let_splitters_take_rows()
        tags = super().__sklearn_tags__()
        tags.input_tags.allow_nan = True
        tags.target_tags.required = True
        return tags


def _take_rows(values, indices):
    """Pick rows of an array, a data frame, stars, an astropy table or column, or a dictionary of columns."""
    if isinstance(values, Mapping):
        return {name: _take_rows(column, indices) for name, column in values.items()}
    if hasattr(values, "colnames") or hasattr(values, "unit"):
        return values[indices]
    return _safe_indexing(values, indices)


def find_valley(residual: ArrayLike, *, n_bins: int = 200, significance: float = 3.0) -> float | None:
    """Find the least populated residual between the single stars and the binaries.

    Parameters
    ----------
    residual : ndarray of shape (n_stars,)
        Residual fractional distances; NaN are ignored.
    n_bins : int, default=200
        Bins of the histogram between -0.5 and 0.6.
    significance : float, default=3.0
        Least height of the binaries' peak above the valley, in standard deviations of the counts.

    Returns
    -------
    valley : float or None
        None if there is no second peak between 0.1 and 0.4 or it is not significant.

    Examples
    --------
    >>> import numpy as np
    >>> from skdistmass.estimators.binaries import find_valley
    >>> rng = np.random.default_rng(0)
    >>> single, double = rng.normal(0.0, 0.04, 8000), rng.normal(0.27, 0.03, 2000)
    >>> bool(0.1 < find_valley(np.concatenate([single, double])) < 0.22), find_valley(single)
    (True, None)
    """
    from scipy.ndimage import gaussian_filter1d
    from scipy.signal import find_peaks

    counts, edges = np.histogram(np.asarray(residual), bins=n_bins, range=(-0.5, 0.6))
    centers = 0.5 * (edges[1:] + edges[:-1])
    smoothing = 2.0
    smooth = gaussian_filter1d(counts.astype(float), smoothing)
    # Smoothing adds up about 2 sqrt(pi) sigma bins, so the noise of a smoothed count is smaller than Poisson's.
    n_averaged = 2.0 * np.sqrt(np.pi) * smoothing
    main = int(np.argmax(smooth))
    peaks = [p for p in find_peaks(smooth)[0] if p > main and 0.1 <= centers[p] - centers[main] <= 0.4]
    if not peaks:
        return None
    second = max(peaks, key=lambda p: smooth[p] - smooth[main:p].min())
    lowest = main + int(np.argmin(smooth[main:second]))
    noise = np.sqrt((smooth[second] + smooth[lowest]) / n_averaged)
    if smooth[second] - smooth[lowest] < significance * max(noise, 1.0 / n_averaged):
        return None
    return float(centers[lowest])
