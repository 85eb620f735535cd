"""A weight that is one among the training stars and fades to zero far from them."""

from dataclasses import dataclass
from typing import Self

import numpy as np
from numpy.typing import NDArray
from scipy.special import expit

from skdistmass.estimators.label_density import LabelDensity, fit_label_density

__all__ = ["Fading"]

_N_COMPONENTS = 12
_RARE = 0.01  # fraction of the training stars with a lower density than the edge
# From the edge the weight falls within a few units of the logarithm of the density: 0.97 at the edge, 0.5 five below.
_DEPTH, _WIDTH = 5.0, 1.5


@dataclass(frozen=True, eq=False)
class Fading:
    """Weight of a learned correction, by the density of training stars.

    The weight is ``1 / (1 + exp(-(score - limit) / width))`` with the logarithm of the density as score.

    Attributes
    ----------
    density : LabelDensity
        Density of the training stars among their labels.
    limit : float
        Score at which the weight is 0.5.
    width : float
        Width of the transition.

    Examples
    --------
    >>> import numpy as np
    >>> from skdistmass.estimators.fading import Fading
    >>> fading = Fading.fit(np.random.default_rng(0).normal(size=(500, 2)))
    >>> fading.weight(np.array([[0.0, 0.0], [9.0, 9.0]])).round(2)
    array([1., 0.])
    """

    density: LabelDensity
    limit: float
    width: float

    @classmethod
    def fit(cls, X: NDArray[np.float64]) -> Self:
        """Learn where the training stars are.

        Parameters
        ----------
        X : ndarray of shape (n_stars, n_labels)
            Labels, none missing.

        Returns
        -------
        fading : Fading
        """
        X = np.unique(X, axis=0)  # a star that stands twice says no more of where stars are
        density = fit_label_density(X, _N_COMPONENTS, 0)
        return cls(density, float(np.quantile(density.score(X), _RARE)) - _DEPTH, _WIDTH)

    def weight(self, X: NDArray[np.float64]) -> NDArray[np.float64]:
        """Return the weight of each star, shape (n_stars,)."""
        return expit((self.density.score(X) - self.limit) / self.width)

    def slope(self, X: NDArray[np.float64]) -> NDArray[np.float64]:
        """Return the derivatives of the weight with respect to the labels, shape (n_stars, n_labels)."""
        weight = self.weight(X)
        return (weight * (1.0 - weight) / self.width)[:, None] * _score_slope(self.density, X)


def _score_slope(density, X):
    """Derivatives of the logarithm of the density with respect to the labels."""
    whitened = ((X - density.location) / density.scale) @ density.whitening
    from_means = whitened[:, None, :] - density.means
    offsets = np.einsum("nkd,kde->nke", from_means, density.precisions_cholesky)
    terms = density.log_coefficients - 0.5 * (offsets**2).sum(axis=2)
    shares = np.exp(terms - terms.max(axis=1, keepdims=True))
    shares /= shares.sum(axis=1, keepdims=True)
    slope = -np.einsum("nk,nke,kde->nd", shares, offsets, density.precisions_cholesky)
    return slope @ density.whitening.T / density.scale
