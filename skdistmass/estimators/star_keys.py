"""Numbers by which the spectra of training stars are recognised from their labels."""

import numpy as np
from numpy.typing import NDArray

from skdistmass.labels import LABEL_NAMES

__all__ = ["KEY_FACTORS", "MISSING_IN_KEY", "find_sorted", "label_keys"]

#: What stands for a missing label in a key.
MISSING_IN_KEY = -1234.5
#: What each label is multiplied by in a key.
KEY_FACTORS = np.random.RandomState(0).standard_normal(len(LABEL_NAMES))


def label_keys(labels: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return one number for each row of labels, by which the spectrum is recognised.

    Parameters
    ----------
    labels : ndarray of shape (n_stars, n_labels)
        The five labels, or the first of them; NaN where missing. A missing label counts as a value of its own.

    Returns
    -------
    keys : ndarray of shape (n_stars,)

    Examples
    --------
    >>> import numpy as np
    >>> from skdistmass.estimators.star_keys import label_keys
    >>> keys = label_keys(np.array([[4800.0, 2.5, 0.1], [4800.0, 2.5, 0.1], [4800.0, np.nan, 0.1]]))
    >>> bool(keys[0] == keys[1]), bool(keys[0] == keys[2])
    (True, False)
    """
    key = np.zeros(len(labels))
    for column, factor in zip(labels.T, KEY_FACTORS, strict=False):
        # Files hold labels in single precision.
        key += factor * np.where(np.isfinite(column), column, MISSING_IN_KEY).astype(np.float32)
    return key


def find_sorted(keys: NDArray[np.float64], wanted: NDArray[np.float64]) -> NDArray[np.intp]:
    """Return the position of each wanted key among sorted keys, or -1 where it is absent.

    Examples
    --------
    >>> import numpy as np
    >>> from skdistmass.estimators.star_keys import find_sorted
    >>> find_sorted(np.array([1.0, 3.0]), np.array([3.0, 2.0]))
    array([ 1, -1])
    """
    at = np.minimum(np.searchsorted(keys, wanted), len(keys) - 1)
    return np.where(keys[at] == wanted, at, -1)
