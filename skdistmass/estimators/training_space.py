"""Where the training stars are: inside, at the edge, or outside.

A network gives a prediction for any star, also for one that is unlike all training stars. The paper judges by eye
which labels its training set covers (section 5.3, figure 11). Here the density of training stars is learned from their
labels, and each star gets the answer inside, edge or outside.
"""

from collections.abc import Sequence
from numbers import Integral, Real
from typing import Any, Self

import numpy as np
from numpy.typing import ArrayLike, NDArray
from sklearn.base import BaseEstimator, OutlierMixin, _fit_context
from sklearn.model_selection import GroupKFold, KFold
from sklearn.utils import check_random_state
from sklearn.utils._param_validation import Interval
from sklearn.utils.validation import check_is_fitted

from skdistmass.estimators.inputs import check_groups, let_splitters_take_rows, validate_labels, warn_left_out
from skdistmass.estimators.label_density import fit_label_density
from skdistmass.estimators.space_explanation import ANSWERS, SpaceExplanation
from skdistmass.exceptions import InputError
from skdistmass.labels import LABEL_NAMES, LABELS
from skdistmass.schema.bits import Space

__all__ = ["ANSWERS", "EDGE", "INSIDE", "MISSING", "OUTSIDE", "SpaceExplanation", "TrainingSpace"]

INSIDE, EDGE, OUTSIDE, MISSING = Space


class TrainingSpace(OutlierMixin, BaseEstimator):
    """Tell which stars lie inside the space of labels that a model was trained on.

    The labels are scaled and decorrelated, and their density is modelled by a mixture of Gaussians. A star is
    outside where the density is lower than at all but `outside_fraction` of the training stars, at the edge
    where it is lower than at all but the next `edge_fraction`, and inside elsewhere. The limits are set on
    out-of-fold scores, so that the fractions also hold for new stars like the training stars.

    Parameters
    ----------
    n_components : int, default=16
        Largest number of Gaussians. Each needs 30 training stars per label. One that ends with fewer than five stars
        per label is dropped, so that a few stray stars are not covered space.
    outside_fraction : float, default=0.01
        Fraction of the training stars to call outside.
    edge_fraction : float, default=0.04
        Fraction of the training stars to call at the edge.
    n_folds : int, default=5
        Number of folds in which the limits are set.
    label_names : sequence of str, default=LABEL_NAMES
        Labels to pick, in this order, from a table that has them. Not used for plain arrays.
    random_state : int, RandomState instance or None, default=None
        Seed of the mixture's start and of the folds. Pass an int for the same result each time.

    Attributes
    ----------
    density_ : LabelDensity
        The density: arrays `location`, `scale`, `whitening`, `means`, `precisions_cholesky`, `weights` and
        `log_coefficients`. See Notes.
    thresholds_ : ndarray of shape (2,)
        Scores between outside and edge, and between edge and inside. A star at a limit has the better answer.
    offset_ : float
        The first of the thresholds; this is scikit-learn's name for it.
    oof_scores_ : ndarray of shape (n_samples,)
        Score of each training star from a density that was fitted without it (and without its group); NaN for
        rows left out.
    label_columns_ : dict
        Label to the name of the training table's column it was read from; empty if trained on an array.
    n_features_in_ : int
        Number of labels.
    feature_names_in_ : ndarray of str
        Names of the labels, if trained on a table.

    See Also
    --------
    sklearn.mixture.GaussianMixture : The mixture itself.
    sklearn.covariance.EllipticEnvelope : One Gaussian, for which the empty parts of the Kiel diagram are covered.

    Notes
    -----
    The score of a star with labels x is, with the arrays of `density_` and
    ``z = clip((x - location) / scale, -1e6, 1e6) @ whitening``::

        log sum_k exp(log_coefficients[k] - |(z - means[k]) @ precisions_cholesky[k]|^2 / 2),

    the natural logarithm of the density of the whitened labels.

    No Gaussian is wider than the whole training set, because a wide one would join scattered stars and call everything
    between them covered. None is narrower than a tenth of it.

    A star with a missing label (NaN, infinite, masked or a survey's placeholder) has the score NaN and the
    answer `MISSING`, and `predict` gives -1 for it. The catalogue's bit of value 2 ("outside the covered parameter
    space", Table 3 of the paper) is therefore ``predict(X) == -1``.

    There are no weights: a weight says how well a star's mass or distance is known, not whether the star is in the
    training set. Leave a star out of `fit` if its weight is zero.

    References
    ----------
    The paper's section 5.3, figure 11 and Table 3.

    Examples
    --------
    >>> import numpy as np
    >>> from skdistmass.estimators.training_space import TrainingSpace
    >>> rng = np.random.default_rng(0)
    >>> log_g = rng.uniform(1.5, 3.2, size=1000)
    >>> t_eff = 3700 + 450 * log_g + rng.normal(scale=60, size=1000)
    >>> space = TrainingSpace(random_state=0).fit(np.column_stack([t_eff, log_g]))
    >>> stars = np.array([[4600, 2.0], [4600, 4.5], [4600, np.nan]])
    >>> space.classify(stars)
    array([0, 2, 3], dtype=int8)
    >>> space.predict(stars)
    array([ 1, -1, -1])
    """

    _parameter_constraints = {
        "n_components": [Interval(Integral, 1, None, closed="left")],
        "outside_fraction": [Interval(Real, 0.0, 0.5, closed="both")],
        "edge_fraction": [Interval(Real, 0.0, 0.5, closed="both")],
        "n_folds": [Interval(Integral, 2, None, closed="left")],
        "label_names": ["array-like"],
        "random_state": ["random_state"],
    }

    def __init__(
        self,
        *,
        n_components: int = 16,
        outside_fraction: float = 0.01,
        edge_fraction: float = 0.04,
        n_folds: int = 5,
        label_names: Sequence[str] = LABEL_NAMES,
        random_state: int | np.random.RandomState | None = None,
    ) -> None:
        self.n_components = n_components
        self.outside_fraction = outside_fraction
        self.edge_fraction = edge_fraction
        self.n_folds = n_folds
        self.label_names = label_names
        self.random_state = random_state

    def __sklearn_tags__(self):
        let_splitters_take_rows()
        tags = super().__sklearn_tags__()
        tags.input_tags.allow_nan = True
        return tags

    @_fit_context(prefer_skip_nested_validation=True)
    def fit(self, X: Any, y: object = None, *, groups: ArrayLike | None = None) -> Self:
        """Learn the space from the training stars' labels.

        Parameters
        ----------
        X : array-like or table of shape (n_samples, n_features)
            Labels. Of a table that has any of `label_names`, these columns are read, whatever others it has.
        y : None
            Ignored; here by scikit-learn's convention.
        groups : array-like of shape (n_samples,), default=None
            Star of each row (APOGEE_ID), if stars have several spectra: their rows are kept in one fold.

        Returns
        -------
        self : TrainingSpace
            The fitted detector.

        Raises
        ------
        InputError
            If fewer than two stars (or groups) have all labels.

        Warns
        -----
        RowsLeftOutWarning
            If rows were left out because a label was missing.
        """
        X = self._read(X, reset=True)
        groups = check_groups(groups, len(X))
        complete = ~np.isnan(X).any(axis=1)
        warn_left_out(int(np.count_nonzero(~complete)), len(X), "a label is missing")
        stars = X[complete]
        seed = check_random_state(self.random_state).randint(np.iinfo(np.int32).max)
        self.oof_scores_ = np.full(len(X), np.nan)
        self.oof_scores_[complete] = self._out_of_fold_scores(stars, None if groups is None else groups[complete], seed)
        self.density_ = fit_label_density(stars, self.n_components, seed)
        fractions = self.outside_fraction, self.outside_fraction + self.edge_fraction
        self.thresholds_ = np.quantile(self.oof_scores_[complete], fractions)
        self.offset_ = float(self.thresholds_[0])
        return self

    def score_samples(self, X: Any) -> NDArray[np.float64]:
        """Return the log density of training stars at each star.

        Parameters
        ----------
        X : array-like or table of shape (n_stars, n_features)
            Labels.

        Returns
        -------
        score : ndarray of shape (n_stars,)
            Natural logarithm of the density among the whitened labels; NaN where a label is missing.
        """
        check_is_fitted(self)
        return self.density_.score(self._read(X, reset=False))

    def decision_function(self, X: Any) -> NDArray[np.float64]:
        """Return the score minus its limit: negative for stars outside, NaN where a label is missing.

        Parameters
        ----------
        X : array-like or table of shape (n_stars, n_features)
            Labels.

        Returns
        -------
        decision : ndarray of shape (n_stars,)
            ``score_samples(X) - offset_``.
        """
        return self.score_samples(X) - self.offset_

    def predict(self, X: Any) -> NDArray[np.int64]:
        """Tell stars inside or at the edge (+1) from those outside or with a missing label (-1).

        Parameters
        ----------
        X : array-like or table of shape (n_stars, n_features)
            Labels.

        Returns
        -------
        sign : ndarray of int, shape (n_stars,)
            +1 or -1. Where it is -1, the catalogue's bit of value 2 is set.
        """
        return np.where(self.decision_function(X) >= 0, 1, -1)

    def classify(self, X: Any) -> NDArray[np.int8]:
        """Tell whether stars are inside, at the edge or outside.

        Parameters
        ----------
        X : array-like or table of shape (n_stars, n_features)
            Labels.

        Returns
        -------
        answer : ndarray of int8, shape (n_stars,)
            `INSIDE` (0), `EDGE` (1), `OUTSIDE` (2), or `MISSING` (3) where a label is missing.
        """
        return self.answer(self.score_samples(X))

    def answer(self, score: ArrayLike) -> NDArray[np.int8]:
        """Turn scores into answers, such as those of the training stars in `oof_scores_`.

        Parameters
        ----------
        score : array-like of float
            Scores as `score_samples` gives them, of any shape.

        Returns
        -------
        answer : ndarray of int8
            `INSIDE`, `EDGE` or `OUTSIDE`; `MISSING` for NaN.
        """
        check_is_fitted(self)
        score = np.asarray(score, dtype=np.float64)
        answer = np.full(score.shape, INSIDE, dtype=np.int8)
        answer[score < self.thresholds_[1]] = EDGE
        answer[score < self.thresholds_[0]] = OUTSIDE
        answer[np.isnan(score)] = MISSING
        return answer

    def explain(self, X: Any) -> SpaceExplanation:
        """Name the label that decides each star's answer.

        Each label in turn is set to the value at which the star would fit the training stars best, the others
        as they are. The label that raises the score most is named.

        Parameters
        ----------
        X : array-like or table of shape (n_stars, n_features)
            Labels.

        Returns
        -------
        explanation : SpaceExplanation
            Label, value, fitting value and so on of each star.

        Examples
        --------
        >>> import numpy as np
        >>> from skdistmass.estimators.training_space import TrainingSpace
        >>> rng = np.random.default_rng(0)
        >>> giants = {"TEFF": rng.normal(4800, 150, 500), "LOGG": rng.normal(2.5, 0.2, 500)}
        >>> space = TrainingSpace(label_names=("TEFF", "LOGG"), random_state=0).fit(giants)
        >>> for message in space.explain({"TEFF": [4800, 4750], "LOGG": [2.5, 4.5]}).messages():
        ...     print(message)
        inside
        outside: LOGG = 4.5 (2.4 would be inside)
        """
        check_is_fitted(self)
        X = self._read(X, reset=False)
        names = getattr(self, "feature_names_in_", self.label_names)
        if len(names) != self.n_features_in_:
            names = [f"x{j}" for j in range(self.n_features_in_)]
        score = self.density_.score(X)
        fitting, fitting_score = self.density_.best_replacements(X)
        gain = fitting_score - score[:, None]
        missing = np.isnan(X)
        driver = np.where(missing.any(axis=1), missing.argmax(axis=1), gain.argmax(axis=1))
        rows = np.arange(len(X))
        return SpaceExplanation(
            answer=self.answer(score),
            label=np.array(names, dtype=object)[driver],
            value=X[rows, driver],
            fitting_value=fitting[rows, driver],
            fitting_answer=self.answer(fitting_score[rows, driver]),
            gain=gain,
        )

    def _read(self, X, *, reset):
        """Turn `X` into floats, NaN where missing; with `reset`, learn its columns."""
        names = tuple(self.label_names)
        known = {alias.upper() for label in LABELS if label.name in names for alias in (label.name, *label.aliases)}
        known |= {str(name).upper() for name in names}
        # A value that no star can have is outside the space, not missing.
        return validate_labels(self, X, reset=reset, names=names, known=known, ranges=False, min_samples=2)

    def _out_of_fold_scores(self, stars, groups, seed):
        """Score each star by the density of the other folds' stars."""
        n_apart = len(stars) if groups is None else len(np.unique(groups))
        if n_apart < 2:
            of_what = "training stars have" if groups is None else "groups of training stars have"
            raise InputError(f"only {n_apart} {of_what} all labels; at least 2 are needed.")
        splitter = KFold if groups is None else GroupKFold
        folds = splitter(n_splits=min(self.n_folds, n_apart), shuffle=True, random_state=seed)
        scores = np.empty(len(stars))
        for train, test in folds.split(stars, groups=groups):
            scores[test] = fit_label_density(stars[train], self.n_components, seed).score(stars[test])
        return scores
