"""The density of stars among their labels: a mixture of Gaussians after whitening."""

import warnings
from dataclasses import dataclass

import numpy as np
from sklearn.exceptions import ConvergenceWarning
from sklearn.utils import check_random_state
from threadpoolctl import threadpool_limits

__all__ = ["LabelDensity", "fit_label_density"]

# Standard deviations a component may have, where 1 is that of the whole set. Below the lower limit labels are
# not told apart; above the upper one a component stands for scattered stars, not for a place where stars are.
_WIDTHS = (0.1, 1.0)
# Eigenvalues of the whitening covariance below this fraction of the largest are raised to it.
_SMALLEST_EIGENVALUE = 0.01
# Scaled labels are cut to this, so that no square overflows, not even in float32.
_SCALED_LIMIT = 1e6
# Components are fitted only if there are this many stars for each, per label ...
_STARS_TO_ADD_COMPONENT = 30
# ... and dropped if they end with fewer than this: a handful of stars far from all others.
_STARS_TO_KEEP_COMPONENT = 5
# Stars that the mixture is fitted to, at the most; the limits of inside and edge come from all.
_MOST_STARS = 10_000
# The components' terms of this many stars stay in the processor's cache.
_BLOCK_ROWS = 4096


@dataclass(frozen=True, eq=False)
class LabelDensity:
    """A mixture of Gaussians among whitened labels.

    The score of a star with labels x is, with ``z = clip((x - location) / scale, -1e6, 1e6) @ whitening``,

        log sum_k exp(log_coefficients[k] - |(z - means[k]) @ precisions_cholesky[k]|^2 / 2),

    the natural logarithm of the density among the whitened labels. Nothing else goes into it.

    Attributes
    ----------
    location, scale : ndarray of shape (n_labels,)
        Median of each label, and its interquartile range over 1.349 (the standard deviation, if normal).
    whitening : ndarray of shape (n_labels, n_labels)
        Matrix that decorrelates the scaled labels, by multiplication from the right.
    means : ndarray of shape (n_components, n_labels)
        Centres of the Gaussians among the whitened labels.
    precisions_cholesky : ndarray of shape (n_components, n_labels, n_labels)
        Lower triangular Cholesky factors P of the inverse covariances, which are P P^T.
    weights : ndarray of shape (n_components,)
        Fraction of the stars in each Gaussian.
    log_coefficients : ndarray of shape (n_components,)
        Natural logarithm of weight times normalisation of each Gaussian.
    """

    location: np.ndarray
    scale: np.ndarray
    whitening: np.ndarray
    means: np.ndarray
    precisions_cholesky: np.ndarray
    weights: np.ndarray
    log_coefficients: np.ndarray

    def score(self, X):
        """Return the log density at each row of `X`, NaN where a label is; shape (n_stars,)."""
        # Column j of every P at once: the squared distances are a sum of n_labels products of plain matrices.
        columns = np.ascontiguousarray(self.precisions_cholesky.transpose(2, 1, 0))
        origins = np.einsum("kd,kde->ek", self.means, self.precisions_cholesky)
        score = np.empty(len(X))
        for start in range(0, len(X), _BLOCK_ROWS):
            whitened = self._scaled(X[start : start + _BLOCK_ROWS]) @ self.whitening
            terms = np.zeros((len(whitened), len(self.means)))
            for column, origin in zip(columns, origins, strict=True):
                offset = whitened @ column
                offset -= origin
                offset *= offset
                terms += offset
            terms *= -0.5
            terms += self.log_coefficients
            highest = terms.max(axis=1)
            terms -= highest[:, None]
            np.exp(terms, out=terms)
            score[start : start + len(terms)] = highest + np.log(terms.sum(axis=1))
        return score

    def draw(self, n_stars, random_state):
        """Draw labels of stars from the density; shape (n_stars, n_labels)."""
        rng = check_random_state(random_state)
        component = rng.choice(len(self.weights), n_stars, p=self.weights)
        normal = rng.normal(size=(n_stars, len(self.location)))
        # The covariance of a Gaussian is the inverse of P P^T.
        offsets = np.linalg.solve(self.precisions_cholesky.transpose(0, 2, 1)[component], normal[:, :, None])[:, :, 0]
        return (self.means[component] + offsets) @ np.linalg.inv(self.whitening) * self.scale + self.location

    def best_replacements(self, X):
        """Find, label by label, the value with which each star fits best, and the score it then has.

        Along one label each Gaussian's exponent is a parabola with its peak known; the highest of these peaks
        over the Gaussians is taken. Where that is no better than the star as it is, its own value stays.
        """
        values = X.copy()
        scores = np.repeat(self.score(X)[:, None], X.shape[1], axis=1)
        slopes = self.whitening @ self.precisions_cholesky  # of the offsets, along each scaled label
        curvature = (slopes**2).sum(axis=2)
        for start in range(0, len(X), _BLOCK_ROWS):
            block = slice(start, start + _BLOCK_ROWS)
            scaled = self._scaled(X[block])
            whitened = scaled @ self.whitening
            from_means = whitened[:, None, None, :] - self.means[:, None, :]
            offsets = (from_means @ self.precisions_cholesky)[:, :, 0, :]
            exponents = self.log_coefficients - 0.5 * (offsets**2).sum(axis=2)
            for j in range(X.shape[1]):
                steps = -(offsets * slopes[:, j]).sum(axis=2) / curvature[:, j]
                highest = (exponents + 0.5 * curvature[:, j] * steps**2).argmax(axis=1)
                step = np.take_along_axis(steps, highest[:, None], axis=1)[:, 0]
                changed = X[block].copy()
                changed[:, j] = self.location[j] + self.scale[j] * (scaled[:, j] + step)
                changed_score = self.score(changed)
                better = changed_score > scores[block, j]
                values[block, j][better] = changed[better, j]
                scores[block, j][better] = changed_score[better]
        return values, scores

    def _scaled(self, X):
        # A label so far off that the division overflows is cut like any other.
        with np.errstate(over="ignore"):
            scaled = (X - self.location) / self.scale
        return np.clip(scaled, -_SCALED_LIMIT, _SCALED_LIMIT, out=scaled)


def fit_label_density(stars, n_components, random_state):
    """Fit the density to stars that have all labels."""
    if len(stars) > _MOST_STARS:
        stars = stars[np.sort(check_random_state(random_state).choice(len(stars), _MOST_STARS, replace=False))]
    location, scale = _robust_location_scale(stars)
    scaled = (stars - location) / scale
    whitening = _whitening(scaled)
    weights, means, covariances = _fit_mixture(scaled @ whitening, n_components, random_state)
    eigenvalues, vectors = np.linalg.eigh(covariances)
    eigenvalues = np.clip(eigenvalues, _WIDTHS[0] ** 2, _WIDTHS[1] ** 2)
    precisions = (vectors / eigenvalues[:, None, :]) @ vectors.transpose(0, 2, 1)
    log_volumes = np.log(eigenvalues).sum(axis=1) + stars.shape[1] * np.log(2 * np.pi)
    return LabelDensity(
        location=location,
        scale=scale,
        whitening=whitening,
        means=means,
        precisions_cholesky=np.linalg.cholesky(precisions),
        weights=weights,
        log_coefficients=np.log(weights) - 0.5 * log_volumes,
    )


def _robust_location_scale(stars):
    """Return median and scale of each label; standard deviation, then 1, where the quartiles coincide."""
    low, location, high = np.quantile(stars, (0.25, 0.5, 0.75), axis=0)
    rounding = 1e-8 * np.abs(stars).max(axis=0)
    scale = (high - low) / 1.349
    scale = np.where(scale > rounding, scale, stars.std(axis=0))
    return location, np.where(scale > rounding, scale, 1.0)


def _whitening(scaled):
    """Return the matrix that decorrelates scaled labels; stars beyond 3 sigma count as at 3 sigma."""
    n_stars, n_labels = scaled.shape
    moderate = np.clip(scaled, -3, 3)
    covariance = np.eye(n_labels) if n_stars == 1 else np.cov(moderate, rowvar=False).reshape(n_labels, n_labels)
    eigenvalues, vectors = np.linalg.eigh(covariance)
    largest = eigenvalues[-1] if eigenvalues[-1] > 0 else 1.0
    return vectors / np.sqrt(np.maximum(eigenvalues, _SMALLEST_EIGENVALUE * largest))


def _fit_mixture(whitened, n_components, random_state):
    """Fit the mixture; return weights, means and covariances of the components kept."""
    from sklearn.mixture import GaussianMixture

    n_stars, n_labels = whitened.shape
    if n_stars == 1:  # scikit-learn's mixture takes no less than two rows
        whitened = np.repeat(whitened, 2, axis=0)
    most = max(1, n_stars // (_STARS_TO_ADD_COMPONENT * n_labels))
    most = min(n_components, most, len(np.unique(whitened, axis=0)))
    mixture = GaussianMixture(n_components=most, reg_covar=_WIDTHS[0] ** 2, random_state=random_state)
    # Threads cost more than they give on matrices of so few columns, many times so on a busy machine.
    with threadpool_limits(limits=1), warnings.catch_warnings():
        # The density serves before its last digit has settled, and the limits come from stars it hasn't seen.
        warnings.simplefilter("ignore", ConvergenceWarning)
        mixture.fit(whitened)
    keep = mixture.weights_ * n_stars >= _STARS_TO_KEEP_COMPONENT * n_labels
    keep[mixture.weights_.argmax()] = True
    weights = mixture.weights_[keep]
    return weights / weights.sum(), mixture.means_[keep], mixture.covariances_[keep]
