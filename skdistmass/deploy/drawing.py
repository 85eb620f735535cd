"""Draws and posteriors for a loaded graph."""

from importlib import import_module
from typing import Any

from skdistmass.deploy.checks import read_model_file
from skdistmass.deploy.shipped import quantiles_beside
from skdistmass.exceptions import InputError

__all__ = ["DrawingMixin"]


class DrawingMixin:
    """`sample`, `posterior` and `population` for `skdistmass.deploy.OnnxPredictor`."""

    card: dict
    columns: Any
    outputs: list[str]
    _content: bytes
    _threads: int | None
    _graph: Any = None  # the graph with quantiles, once it was wanted

    def sample(self, table: Any, n_samples: int = 100, *, out_of_fold: bool = True, **options: Any) -> dict:
        """Draw absolute magnitude, distance, mass, metallicity and age of each star together.

        Parameters
        ----------
        table : Stars, table or path-like
            A survey, as for `skdistmass.DistMassModel.sample`.
        n_samples : int, default=100
            Number of draws of each star.
        out_of_fold : bool, default=True
            Without effect, as in `predict_columns`.
        **options
            ``scale``, ``parallax``, ``age_limit``, ``age_prior`` and ``random_state``, as there.

        Returns
        -------
        draws : dict of ndarray
            As there.

        Raises
        ------
        InputError
            If the graph has no quantiles, and is none of those that come with the package, which have one beside them;
            if it has ages by another relation than the package's.

        Examples
        --------
        >>> import skdistmass
        >>> from skdistmass.datasets import make_survey
        >>> model = skdistmass.load_pretrained("kepler-giants")
        >>> model.sample(make_survey(300, random_state=0)[:3], 50, random_state=0)["AGE"].shape
        (3, 50)
        """
        return self._drawing_model().sample(table, n_samples, out_of_fold=False, **options)

    def posterior(self, table: Any, n_samples: int = 1000, *, out_of_fold: bool = True, **options: Any) -> Any:
        """Summarise the joint posterior of each star, as `skdistmass.DistMassModel.posterior` does; see `sample`."""
        return self._drawing_model().posterior(table, n_samples, out_of_fold=False, **options)

    def population(self, table: Any, n_samples: int = 300, *, out_of_fold: bool = True, **options: Any) -> dict:
        """Find one age and distance, as `skdistmass.DistMassModel.population` does; see `sample`."""
        return self._drawing_model().population(table, n_samples, out_of_fold=False, **options)

    def _drawing_model(self) -> Any:
        """Return what draws: of the whole package, so that it is imported by name, and when it is wanted."""
        if self._graph is None:
            self._graph = self._graph_with_quantiles()
        return import_module("skdistmass.model.graph_draws").GraphModel(self._graph)

    def _graph_with_quantiles(self) -> Any:
        if self.columns != self.outputs:
            return self
        path = quantiles_beside(self.card["name"], self._content)
        if path is None:
            raise InputError(f"{self!r} has no quantiles; export the model with quantiles=True (--quantiles).")
        opened: Any = type(self)
        return opened(read_model_file(path), self._threads, name=str(path))
