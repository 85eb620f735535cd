"""Robust scatter, coverage of the normal law, and the variance that label errors give a prediction."""

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.special import ndtr

__all__ = ["MIN_ROWS", "NORMAL_TO_MAD", "label_noise_variance", "normal_coverage", "robust_scatter"]

# Out-of-fold residuals needed for errors: with fewer, the 2.28 % in each tail of a 95.45 % interval lie beyond the
# outermost residual.
MIN_ROWS = 50
NORMAL_TO_MAD = 1.4826  # standard deviation of a normal law divided by its median absolute deviation


def robust_scatter(values: ArrayLike) -> np.floating:
    """Standard deviation of a normal law with the same median absolute deviation: ``1.4826 MAD``; NaN are ignored.

    Examples
    --------
    >>> from skdistmass.uncertainty import robust_scatter
    >>> float(robust_scatter([-1.0, 0.0, 1.0, 100.0]).round(2))
    1.48
    """
    values = np.asarray(values, float)
    return NORMAL_TO_MAD * np.nanmedian(np.abs(values - np.nanmedian(values)))


def normal_coverage(n_sigma: float) -> float:
    """Probability within ``n_sigma`` standard deviations of a normal law.

    Examples
    --------
    >>> from skdistmass.uncertainty import normal_coverage
    >>> float(normal_coverage(1.0).round(4))
    0.6827
    """
    return 2.0 * ndtr(n_sigma) - 1.0


def label_noise_variance(jacobian: NDArray[np.float64], label_error: NDArray[np.float64]) -> NDArray[np.float64]:
    """Variance that errors of the labels give a prediction, to first order.

    Parameters
    ----------
    jacobian : ndarray of shape (n_stars, n_labels)
        Derivatives of the prediction.
    label_error : ndarray of shape (n_stars, n_labels) or (n_stars, n_labels, n_labels)
        Standard deviations, or covariances.

    Returns
    -------
    variance : ndarray of shape (n_stars,)
        ``J C J^T``; NaN where an error is.
    """
    if label_error.ndim == 2:
        return np.square(jacobian * label_error).sum(axis=1)
    return np.maximum(np.einsum("ni,nij,nj->n", jacobian, label_error, jacobian), 0.0)
