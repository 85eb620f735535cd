"""What a catalogue needs of a model."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Protocol, runtime_checkable

from numpy.typing import NDArray

from skdistmass.surveys.stars import Stars
from skdistmass.surveys.training_sets import TrainingCuts

__all__ = ["Predictor", "cuts_of"]


@runtime_checkable
class Predictor(Protocol):
    """A model that predicts columns of a catalogue for stars.

    `skdistmass.DistMassModel` and `skdistmass.deploy.OnnxPredictor` are predictors; so is any object with these two
    members.

    Examples
    --------
    >>> import numpy as np
    >>> from skdistmass.model import Predictor
    >>> class Nearby:
    ...     card = {"metallicity": "M_H"}
    ...     def predict_columns(self, stars, *, out_of_fold=True):
    ...         return {"DISTANCE": np.full(len(stars), 0.1)}
    >>> isinstance(Nearby(), Predictor)
    True
    """

    @property
    def card(self) -> dict[str, Any]:
        """Facts about the model.

        ``metallicity`` ("M_H" or "FE_H") is the one it was trained on, ``training_cuts`` are the fields of its
        `skdistmass.TrainingCuts`, ``versions["trained_with"]`` is the release that trained it. All may be absent.
        """

    def predict_columns(self, stars: Stars, *, out_of_fold: bool = True) -> dict[str, NDArray]:
        """Predict for stars.

        Parameters
        ----------
        stars : Stars
            A survey.
        out_of_fold : bool, default=True
            Whether stars that were trained on get predictions from networks that had not seen them, if the model has
            such networks.

        Returns
        -------
        columns : dict of ndarray of shape (n_stars,)
            Columns of `skdistmass.schema.columns` by name, all or some.
        """


def cuts_of(card: Mapping[str, Any]) -> TrainingCuts:
    """Return cuts with the zero points of parallaxes that a model was trained with."""
    stated = card.get("training_cuts", {}).get("parallax_zero_point")
    return TrainingCuts() if stated is None else TrainingCuts(parallax_zero_point=dict(stated))
