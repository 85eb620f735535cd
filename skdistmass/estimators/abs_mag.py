"""Absolute K magnitude, and so the distance, from the five labels (section 4 of the paper)."""

from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.special import ndtri
from sklearn.base import clone
from sklearn.utils import check_random_state
from sklearn.utils._param_validation import StrOptions

from skdistmass.estimators.binaries import BinaryResidualFilter
from skdistmass.estimators.intervals import ONE_SIGMA
from skdistmass.estimators.label_regressor import LabelRegressor
from skdistmass.estimators.network_parameter import Network
from skdistmass.estimators.seeds import seeded
from skdistmass.estimators.stellar_baseline import StellarBaseline
from skdistmass.estimators.whole_diagram import WholeDiagramMixin
from skdistmass.exceptions import InputError
from skdistmass.photometry import distance_from_magnitude
from skdistmass.tables import as_floats
from skdistmass.uncertainty import PaperErrors

__all__ = ["AbsMagRegressor", "distance_interval"]


class AbsMagRegressor(WholeDiagramMixin, LabelRegressor):
    """Absolute magnitude of a star from its spectroscopic labels.

    A small network trained on stars with good parallaxes predicts M_K; with apparent magnitude and extinction that is
    a distance (section 4 of the paper).

    Parameters
    ----------
    baseline : StellarBaseline, "stellar" or None, default=None
        Physics that the network corrects (``"stellar"`` is ``StellarBaseline()``). Teff, log g and [M/H] must be the
        first labels. One network learns a correction from these three, a second one from all labels; both fade to zero
        far from the training stars, where only the physics remains. With None the network learns M_K itself.
    loss : {"squared", "student"}, default="squared"
        ``"student"`` is robust: weights ``u / (y_err^2 + s^2)`` with the intrinsic scatter `s` of each source and
        Student weights `u` are found by iteration. The equality of weight and repetition
        holds for ``"squared"``.
    optional_labels : tuple of str, default=()
        Labels that may be missing in training and prediction, such as ``("C_FE", "N_FE")``. Needs a baseline.
    reference_sources : tuple of str or None, default=None
        Sources without an offset; by default the one with most stars.
    binary_filter : BinaryResidualFilter, "auto" or None, default=None
        ``"auto"`` filters dwarfs and subgiants (log g >= 3.5) only: the filter cuts single giants. With
        ``loss="student"`` it takes part in the iteration, and a binary must also stand out from the scatter.
        Finds unresolved binaries among the training stars, which are then left out (section 4.1.1). It drops no star
        at prediction. The errors are learned from all training stars, because a new star may be a binary too. Its
        parameters are reached as ``binary_filter__threshold`` and so on.
    network, n_networks, error_model, n_folds, labels, random_state
        As in `skdistmass.estimators.label_regressor.LabelRegressor`. The defaults were chosen by cross-validation on
        real stars (``examples/choose_defaults.py``).

    Attributes
    ----------
    binary_filter_ : BinaryResidualFilter or None
        The fitted filter. Its ``support_`` has one value for each row that is complete and has a weight.
    n_binaries_ : int
        Number of training stars it left out.
    sources_, offsets_, scatters_, source_excess_
        With ``loss="student"``: names of the sources, and for each its offset, intrinsic scatter, and error beyond
        that of the reference (mag).
    between_sources_, missing_excess_, fading_excess_ : float
        Further error (mag) of a star of an unknown source, without an optional label, and outside the training space.
    cluster_offsets_ : dict
        Cluster to the error of its distance modulus found in training (mag).
    pipeline_, n_features_in_, feature_names_in_, label_columns_, n_rows_, n_rows_left_out_, n_iter_, \
oof_prediction_, fold_, fold_pipelines_, errors_
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
    >>> model = AbsMagRegressor(n_networks=1, error_model=None, random_state=0)
    >>> model = model.fit(stars, stars["TRUE_ABS_MAG"])
    >>> distance = model.predict_distance(stars[:3], stars["K"][:3], stars["AK_TARG"][:3])
    """

    _parameter_constraints = {
        **LabelRegressor._parameter_constraints,
        "binary_filter": [None, object],
        "baseline": [StrOptions({"stellar"}), StellarBaseline, None],
        "loss": [StrOptions({"squared", "student"})],
        "optional_labels": ["array-like"],
        "reference_sources": ["array-like", None],
    }
    _target_name = "absolute magnitude"
    _target_unit = "mag"

    def __init__(
        self,
        *,
        baseline: StellarBaseline | str | None = None,
        loss: str = "squared",
        optional_labels: tuple[str, ...] = (),
        reference_sources: tuple[str, ...] | None = None,
        binary_filter: BinaryResidualFilter | str | None = None,
        network: Network | None = None,
        n_networks: int = 4,
        error_model: str | None = "conformal",
        n_folds: int | None = None,
        labels: tuple[str, ...] | None = None,
        random_state: int | np.random.RandomState | None = None,
    ) -> None:
        super().__init__(
            network=network,
            n_networks=n_networks,
            error_model=error_model,
            n_folds=n_folds,
            labels=labels,
            random_state=random_state,
        )
        self.baseline = baseline
        self.loss = loss
        self.optional_labels = optional_labels
        self.reference_sources = reference_sources
        self.binary_filter = binary_filter

    @classmethod
    def whole_diagram(cls, **parameters: Any) -> "AbsMagRegressor":
        """Return a regressor for giants, dwarfs and clusters together, also without C and N.

        Physics with a fading correction, the robust loss, and the binary filter for dwarfs and subgiants.

        Parameters
        ----------
        **parameters
            Parameters that replace those of the recipe.

        Returns
        -------
        model : AbsMagRegressor
            Not yet fitted.

        Examples
        --------
        >>> from skdistmass import AbsMagRegressor
        >>> AbsMagRegressor.whole_diagram(n_networks=1).loss
        'student'
        """
        recipe = cls(baseline="stellar", loss="student", optional_labels=("C_FE", "N_FE"), binary_filter="auto")
        return recipe.set_params(**parameters)

    def _choose_rows(self, X, y, weights, groups):
        """Leave out the stars that the filter takes for binaries."""
        self.binary_filter_ = None
        self.n_binaries_ = 0
        auto = isinstance(self.binary_filter, str)
        if self.binary_filter is None or (auto and self.loss == "student"):
            return super()._choose_rows(X, y, weights, groups)
        # Its seeds are drawn from the regressor's random_state, which decides everything.
        chosen = BinaryResidualFilter() if auto else self.binary_filter
        self.binary_filter_ = seeded(clone(chosen), check_random_state(self.random_state))
        self.binary_filter_.fit(X, y, sample_weight=weights, groups=groups)
        single = self.binary_filter_.support_ | ~np.isfinite(X).all(axis=1)
        if auto:
            single |= ~self._is_dwarf(X)
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
        self,
        X: Any,
        mag: ArrayLike,
        extinction: ArrayLike = 0.0,
        *,
        mag_err: ArrayLike | None = None,
        extinction_err: ArrayLike | None = None,
        X_err: Any = None,
        return_std: bool = False,
        source: ArrayLike | str | None = None,
    ) -> Any:
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
        X_err : table or array-like, optional
            Errors of the labels, as for `predict`.
        return_std : bool, default=False
            Whether to return the errors as well.
        source : str or array-like of str, optional
            Source of the labels, as for `predict`.

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
        if not return_std:
            return distance_from_magnitude(self.predict(X, source=source), mag, extinction)
        found = self.predict_with_interval(X, ONE_SIGMA, X_err, source=source)
        error = _photometric_error(mag_err, extinction_err)
        interval = distance_interval(found.value, found.interval, mag, extinction, error, ONE_SIGMA)
        return distance_from_magnitude(found.value, mag, extinction), 0.5 * (interval[:, 1] - interval[:, 0])

    def predict_distance_interval(
        self,
        X: Any,
        mag: ArrayLike,
        extinction: ArrayLike = 0.0,
        *,
        mag_err: ArrayLike | None = None,
        extinction_err: ArrayLike | None = None,
        X_err: Any = None,
        coverage: float = ONE_SIGMA,
        source: ArrayLike | str | None = None,
    ) -> NDArray[np.float64]:
        """Interval that holds the true distance with a given probability.

        Parameters
        ----------
        X, mag, extinction, mag_err, extinction_err, X_err, source
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
        found = self.predict_with_interval(X, coverage, X_err, source=source)
        error = _photometric_error(mag_err, extinction_err)
        return distance_interval(found.value, found.interval, mag, extinction, error, coverage)


def distance_interval(
    abs_mag: NDArray[np.float64],
    bounds: NDArray[np.float64],
    mag: ArrayLike,
    extinction: ArrayLike,
    photometric_error: ArrayLike,
    coverage: float,
) -> NDArray[np.float64]:
    """Interval of the distance from that of the absolute magnitude.

    Parameters
    ----------
    abs_mag : ndarray of shape (n_stars,)
        Absolute magnitude.
    bounds : ndarray of shape (n_stars, 2)
        Its interval.
    mag : array-like of shape (n_stars,)
        Apparent magnitude.
    extinction : array-like of shape (n_stars,) or float
        Extinction (mag).
    photometric_error : array-like of shape (n_stars,) or float
        Standard deviation of magnitude minus extinction (mag). On each side it is added in quadrature, multiplied by
        the normal law's quantile for `coverage`.
    coverage : float
        Probability that `bounds` holds the true value.

    Returns
    -------
    interval : ndarray of shape (n_stars, 2)
        Lower and upper bound (kpc).

    Examples
    --------
    >>> import numpy as np
    >>> from skdistmass.estimators.abs_mag import distance_interval
    >>> distance_interval(np.zeros(1), np.array([[-0.1, 0.1]]), np.array([10.0]), 0.0, 0.0, 0.6827).round(3)
    array([[0.955, 1.047]])
    """
    stretch = -ndtri(0.5 - 0.5 * coverage)
    offset = np.hypot(bounds[:, ::-1] - abs_mag[:, None], np.reshape(np.multiply(photometric_error, stretch), (-1, 1)))
    far, near = abs_mag - offset[:, 1], abs_mag + offset[:, 0]
    return np.column_stack([distance_from_magnitude(side, mag, extinction) for side in (near, far)])


def _photometric_error(mag_err, extinction_err):
    """Standard deviation of magnitude minus extinction; an error that is not given counts as 0."""
    return np.hypot(
        0.0 if mag_err is None else as_floats(mag_err, "mag", name="mag_err"),
        0.0 if extinction_err is None else as_floats(extinction_err, "mag", name="extinction_err"),
    )
