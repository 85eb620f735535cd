"""The parameter `network` of the regressors: an estimator, with its parameters reached through the regressor."""

from typing import Any, Self, TypeAlias

from sklearn.neural_network import MLPRegressor

from skdistmass.networks.levenberg_marquardt import LevenbergMarquardtMLPRegressor

__all__ = ["Network", "NetworkParameterMixin"]

Network: TypeAlias = LevenbergMarquardtMLPRegressor | MLPRegressor


def _paper_network() -> MLPRegressor:
    """Return the network of section 3.1: 8 ReLU neurons, Adam, a fifth of the rows held back to stop on.

    The batch is the default of Keras, and so is the patience of a training that ends at about 80 epochs.
    """
    return MLPRegressor(
        hidden_layer_sizes=(8,),
        activation="relu",
        solver="adam",
        alpha=0.0,
        batch_size=32,
        max_iter=200,
        early_stopping=True,
        validation_fraction=0.2,
        n_iter_no_change=5,
    )


class NetworkParameterMixin:
    """Nested parameters ``network__*``, which work also where ``network=None`` stands for the default network."""

    network: Network | None

    def _network(self):
        return LevenbergMarquardtMLPRegressor() if self.network is None else self.network

    @classmethod
    def paper(cls, **parameters: Any) -> Self:
        """Return a regressor with the paper's own recipe (sections 3.1, 4.3 and 5.5).

        One network with a hidden layer of 8 ReLU neurons, trained by Adam in batches of 32. Training stops when the
        score of a held-back fifth no longer rises. The errors are the paper's simple ones.
        """
        recipe = cls(network=_paper_network(), n_networks=1, error_model="paper")  # type: ignore[call-arg]
        return recipe.set_params(**parameters)

    def get_params(self, deep: bool = True) -> dict[str, Any]:
        """Return the parameters."""
        parameters = super().get_params(deep)  # type: ignore[misc]
        if deep and self.network is None:
            defaults = LevenbergMarquardtMLPRegressor().get_params()
            parameters |= {f"network__{name}": value for name, value in defaults.items()}
        return parameters

    def set_params(self, **parameters: Any) -> Self:
        """Set parameters, nested ones included."""
        in_network = any(name.startswith("network__") for name in parameters)
        if in_network and parameters.get("network", self.network) is None:
            parameters["network"] = LevenbergMarquardtMLPRegressor()
        return super().set_params(**parameters)  # type: ignore[misc]
