"""Stellar mass from the five labels: the [C/N]-mass relation of evolved stars, learned (section 5 of the paper)."""

from typing import Any

import numpy as np
from sklearn.utils._param_validation import StrOptions

from skdistmass.estimators.label_regressor import LabelRegressor
from skdistmass.estimators.network_parameter import Network
from skdistmass.estimators.whole_diagram import WholeDiagramMixin

__all__ = ["CNMassRegressor"]


class CNMassRegressor(WholeDiagramMixin, LabelRegressor):
    """Mass of a star from its spectroscopic labels.

    The surface [C/N] of a giant falls with its mass, in a way that depends on metallicity and evolutionary stage; a
    small network trained on asteroseismic masses learns the relation (section 5 of the paper).

    Parameters
    ----------
    loss : {"squared", "student"}, default="squared"
        ``"student"`` is robust and learns the logarithm of the mass, with an offset and a scatter for each source of
        masses, as in `skdistmass.AbsMagRegressor`.
    reference_sources : tuple of str or None, default=None
        Sources without an offset; by default the one with most stars.
    network, n_networks, error_model, n_folds, labels, random_state
        As in `skdistmass.estimators.label_regressor.LabelRegressor`. The defaults were chosen by cross-validation on
        real stars (``examples/choose_defaults.py``).

    Attributes
    ----------
    pipeline_, n_features_in_, feature_names_in_, label_columns_, n_rows_, n_rows_left_out_, n_iter_, \
oof_prediction_, fold_, fold_pipelines_, errors_
        As in `skdistmass.estimators.label_regressor.LabelRegressor`.

    See Also
    --------
    skdistmass.AbsMagRegressor : The absolute magnitude, and so the distance.
    skdistmass.IsochroneAgeTransformer : The age of a giant of this mass.

    Notes
    -----
    Errors are those of the logarithm of the mass: intervals are asymmetric and positive. Masses must be positive; rows
    where they are not are left out of the training, as if they were missing.

    References
    ----------
    Stone-Martinez et al. 2024, section 5; Martig et al. 2016, MNRAS 456, 3655.

    Examples
    --------
    >>> from skdistmass import CNMassRegressor
    >>> from skdistmass.datasets import make_survey
    >>> stars = make_survey(3000, random_state=0, sentinel_fraction=0)
    >>> giants = stars[(stars["TRUE_LOGG"] < 3.3) & (stars["MASS_ERR"] < 0.1 * stars["MASS"])]
    >>> model = CNMassRegressor(n_networks=1, random_state=0)
    >>> model = model.fit(giants, giants["MASS"], y_err=giants["MASS_ERR"])
    >>> mass, error = model.predict(giants[:3], return_std=True)
    """

    _parameter_constraints = {
        **LabelRegressor._parameter_constraints,
        "loss": [StrOptions({"squared", "student"})],
        "reference_sources": ["array-like", None],
    }
    _target_name = "mass"
    _target_unit = "Msun"

    def __init__(
        self,
        *,
        loss: str = "squared",
        reference_sources: tuple[str, ...] | None = None,
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
        self.loss = loss
        self.reference_sources = reference_sources

    @classmethod
    def whole_diagram(cls, **parameters: Any) -> "CNMassRegressor":
        """Return a regressor for masses of several sources, of giants and dwarfs together: with the robust loss.

        Parameters
        ----------
        **parameters
            Parameters that replace those of the recipe.

        Returns
        -------
        model : CNMassRegressor
            Not yet fitted.

        Examples
        --------
        >>> from skdistmass import CNMassRegressor
        >>> CNMassRegressor.whole_diagram(n_networks=1).loss
        'student'
        """
        return cls(loss="student").set_params(**parameters)

    def _usable_target(self, y):
        return np.isfinite(y) & (y > 0)

    def _link(self, y):
        with np.errstate(invalid="ignore", divide="ignore"):
            return np.log(y)

    def _unlink(self, u):
        with np.errstate(over="ignore"):  # far outside the training stars an upper bound may be infinite
            return np.exp(u)

    def _link_slope(self, y):
        return 1.0 / y

    def __sklearn_tags__(self):
        tags = super().__sklearn_tags__()
        tags.target_tags.positive_only = True
        return tags
