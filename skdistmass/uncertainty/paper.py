"""The errors of the paper, so that its catalogue can be reproduced."""

from typing import Self

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.special import ndtri

from skdistmass.exceptions import InputError
from skdistmass.uncertainty.statistics import MIN_ROWS, NORMAL_TO_MAD

__all__ = ["PaperErrors"]


class PaperErrors:
    """The errors of the paper, so that its catalogue can be reproduced.

    For distances a quadratic in log g is fitted to the median, and to the quartiles, of the absolute fractional error
    in bins of log g (section 4.3, figure 4); for masses one flat fractional error is the robust scatter of the
    residuals (section 5.5: 10 %). Errors of the labels play no part.

    Parameters
    ----------
    logg_column : int or None
        Column of log g for the quadratic, or None for a flat error.

    Attributes
    ----------
    coef_ : ndarray of shape (3, 3)
        Quadratics in log g (highest power first) to the quartiles 25, 50 and 75 % of the absolute residual.
    """

    def __init__(self, logg_column: int | None = None) -> None:
        self.logg_column = logg_column

    def fit(
        self,
        X: NDArray[np.float64],
        residual: NDArray[np.float64],
        target_error: object = None,
        label_noise: object = None,
        spread: object = None,
    ) -> Self:
        """Fit the curve or the flat value.

        Parameters
        ----------
        X : ndarray of shape (n_stars, n_labels)
            Labels of the stars.
        residual : ndarray of shape (n_stars,)
            Target minus out-of-fold prediction.
        target_error, label_noise, spread
            Not used; here so that both error models are called in the same way.

        Returns
        -------
        self : PaperErrors

        Raises
        ------
        InputError
            If there are fewer than 50 residuals.
        """
        if len(residual) < MIN_ROWS:
            raise InputError(f"{len(residual)} stars are too few to estimate errors; {MIN_ROWS} are needed.")
        self.n_rows_ = len(residual)
        if self.logg_column is None:
            absolute = np.abs(residual - np.median(residual))
            flat = np.percentile(absolute, [25, 50, 75])
            self.coef_ = np.column_stack([np.zeros((3, 2)), flat])
            return self
        logg = X[:, self.logg_column]
        edges = np.unique(np.percentile(logg, np.linspace(0, 100, max(4, min(40, len(logg) // 50) + 1))))
        index = np.digitize(logg, edges[1:-1])
        filled = np.unique(index)
        centers = np.array([np.median(logg[index == i]) for i in filled])
        quartiles = np.array([np.percentile(np.abs(residual[index == i]), [25, 50, 75]) for i in filled])
        self.logg_range_ = (float(np.min(logg)), float(np.max(logg)))
        degree = min(2, len(np.unique(centers)) - 1)
        coef = np.polyfit(centers, quartiles, degree)
        self.coef_ = np.vstack([np.zeros((2 - degree, 3)), coef]).T
        return self

    def scatter(self, X: NDArray[np.float64], label_noise: object = None) -> NDArray[np.float64]:
        """Error of the prediction: the median absolute residual as a standard deviation, at the star's log g."""
        return NORMAL_TO_MAD * self.absolute_quantile(X, 50)

    def absolute_quantile(self, X: NDArray[np.float64], percentile: int) -> NDArray[np.float64]:
        """One of the fitted curves: quartile 25, 50 or 75 of the absolute residual."""
        if self.logg_column is None:
            logg = np.zeros(len(X))
        else:
            logg = np.clip(X[:, self.logg_column], *self.logg_range_)
        return np.maximum(np.polyval(self.coef_[(25, 50, 75).index(percentile)], logg), 0.0)

    def quantile(self, level: ArrayLike) -> NDArray[np.float64]:
        """Quantile of the normal law."""
        return ndtri(level)
