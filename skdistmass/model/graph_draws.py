"""Draws and posteriors by a graph that was exported with quantiles, without training."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from skdistmass.estimators.ages import IsochroneAgeTransformer
from skdistmass.estimators.intervals import Prediction
from skdistmass.exceptions import InputError
from skdistmass.labels import LABEL_NAMES
from skdistmass.model.posterior import PosteriorMixin
from skdistmass.schema.columns import QUANTILES, SLOPES, mass_columns, scales_of
from skdistmass.surveys import as_stars
from skdistmass.surveys.training_sets import TrainingCuts
from skdistmass.uncertainty import LEVELS, PredictiveDistribution

__all__ = ["GraphModel"]

Floats = NDArray[np.float64]
_AGE_TOLERANCE = 1e-4  # dex; graphs in single precision are good to 1e-5
_CUTS = ("mag_error", "extinction_error", "parallax_zero_point")
# Giants whose ages tell whether a graph has the relation of this package.
_GIANTS: dict[str, Any] = {"TEFF": 4750.0, "LOGG": 2.5, "M_H": -0.1, "C_FE": -0.1, "N_FE": np.linspace(-0.1, 0.5, 13)}


class GraphModel(PosteriorMixin):
    """What `DistMassModel.sample` needs of a model, from a graph with quantiles.

    Parameters
    ----------
    predictor : skdistmass.deploy.OnnxPredictor
        Of a graph that was exported with ``quantiles=True``.

    Raises
    ------
    InputError
        If the graph has no quantiles or others, or ages by another relation than that of this package.

    Examples
    --------
    >>> import skdistmass
    >>> from skdistmass.datasets import make_survey
    >>> from skdistmass.model.graph_draws import GraphModel
    >>> model = GraphModel(skdistmass.load_pretrained("kepler-giants-quantiles"))
    >>> model.sample(make_survey(300, random_state=0)[:3], 50, out_of_fold=False)["MASS"].shape
    (3, 50)
    """

    def __init__(self, predictor: Any) -> None:
        card = predictor.card
        self.metallicity_ = card.get("metallicity", "M_H")
        known = card.get("training_cuts", {})
        self.cuts = TrainingCuts(**{name: known[name] for name in _CUTS if name in known})
        run = _Run(predictor)
        self.abs_mag_ = _GraphNetwork("ABS_MAG", run) if "ABS_MAG" in predictor.columns else None
        self.masses_ = {scale: _GraphNetwork(mass_columns(scale)[0], run) for scale in scales_of(predictor.columns)}
        self.abs_mag_fallback_, self.training_ = None, None
        self.mass_fallbacks_: dict[str, Any] = {}
        self.age_ = IsochroneAgeTransformer()
        if self.masses_:
            self._check_ages(predictor)

    def _check_ages(self, predictor: Any) -> None:
        n_giants = len(_GIANTS["N_FE"])
        giants = {name: np.broadcast_to(values, n_giants) for name, values in _GIANTS.items()}
        catalog, (mass, age) = predictor.predict(giants), mass_columns(next(iter(self.masses_)))
        known = np.isfinite(catalog[age])
        expected = self.age_.transform(np.column_stack([catalog[mass], giants["M_H"]])[known])
        if not known.any() or np.abs(expected.ravel() - catalog[age][known]).max() > _AGE_TOLERANCE:
            raise InputError(
                f"{predictor!r} has ages by the relation {predictor.card.get('age_relation', 'of its model')!r}, which "
                "is not that of this package; draw from the DistMassModel itself."
            )


class _Run:
    """Runs a graph for labels, and keeps the latest answer: one drawing asks for several quantities."""

    def __init__(self, predictor: Any) -> None:
        self.predictor = predictor
        if predictor.card.get("quantile_levels") != LEVELS.tolist():
            raise InputError(f"{predictor!r} has quantiles at levels unlike those of this package; export it again.")
        self._asked: tuple[Any, Any] = None, None
        self._found: dict[str, NDArray] = {}

    def __call__(self, labels: Floats, errors: Floats | None) -> dict[str, NDArray]:
        if labels is not self._asked[0] or (errors is not None and errors is not self._asked[1]):
            columns = dict(zip(LABEL_NAMES, labels.T, strict=True))
            if errors is not None:
                columns |= {f"{name}_ERR": values for name, values in zip(LABEL_NAMES, errors.T, strict=True)}
            self._found = self.predictor.predict_vectors(as_stars(columns))
            self._asked = labels, errors
        return self._found


class _GraphNetwork:
    """One quantity of a graph, with the methods of a regressor that draws ask for."""

    loss, optional_labels = "squared", ()
    errors_ = "in the graph"

    def __init__(self, name: str, run: _Run) -> None:
        self.name, self._run = name, run

    def predict_out_of_fold(self, labels: Floats, folds: NDArray) -> Floats:
        """Return no predictions: a graph has none out of fold, and the laws hold what is needed."""
        return np.full(len(labels), np.nan)

    def predict_with_interval(
        self, labels: Floats, coverage: Sequence[float], X_err: Floats | None = None, value: Floats | None = None
    ) -> Prediction:
        """Return the intervals of each coverage."""
        law = PredictiveDistribution(LEVELS, self._run(labels, X_err)[self.name + QUANTILES].astype(np.float64))
        ends = law.ppf((0.5 + np.multiply.outer(np.asarray(coverage), [-0.5, 0.5]))[..., None])
        nothing = np.full(len(labels), np.nan)
        return Prediction(nothing, np.moveaxis(ends, -1, 1), nothing)

    def jacobian(self, labels: Floats) -> Floats:
        """Return the derivatives by the labels, 0 where there are none."""
        return self._run(labels, None)[self.name + SLOPES].astype(np.float64)
