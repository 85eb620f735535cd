"""Joint draws of magnitude, distance, mass, age, metallicity and radius from the posterior of isochrones."""

import numpy as np
from sklearn.utils.validation import check_is_fitted

from skdistmass.exceptions import InputError
from skdistmass.isochrones.distances.grid import MARGINALS, ONE_SIGMA_BELOW
from skdistmass.isochrones.distances.observations import MODEL_ORDER, read_covariances, read_photometry, read_stars
from skdistmass.photometry import LN_DISTANCE_PER_MAG

__all__ = ["IsochroneDrawsMixin"]

_CHUNK = 512
_AGE = 1 + list(MARGINALS).index("age")
# Share of the law of M_Ks that may be anywhere, so that one wrong number does not rule out every model.
_OUTLIERS = 0.01


class IsochroneDrawsMixin:
    """Draws for `skdistmass.isochrones.IsochroneDistanceRegressor`."""

    def sample(
        self,
        X,
        n_samples=100,
        X_err=None,
        cov=None,
        *,
        magnitude=None,
        magnitude_err=None,
        extinction=None,
        extinction_err=None,
        parallax=None,
        parallax_err=None,
        m_ks=None,
        random_state=None,
    ):
        """Draw magnitude, distance, mass, age, metallicity and radius of each star together.

        Parameters
        ----------
        X : array-like of shape (n_stars, 3) or table
            As for `predict`.
        n_samples : int, default=100
            Number of draws of each star.
        X_err, cov
            As for `predict`.
        magnitude, magnitude_err, extinction, extinction_err, parallax, parallax_err
            As for `predict_posterior`.
        m_ks : object with a method ``pdf``, optional
            What else is known of M_Ks, such as a `skdistmass.uncertainty.PredictiveDistribution` for each star; NaN for
            stars of which nothing is. It counts as independent of `X`: if it was found from log g, give log g a large
            error. One per cent of it is spread over all magnitudes.
        random_state : int, Generator, StarRandom or None
            Seed; a `skdistmass.model.star_random.StarRandom` has numbers of its own for each star.

        Returns
        -------
        draws : dict of ndarray of shape (n_stars, n_samples)
            ``m_ks`` (mag), with a magnitude ``distance`` (kpc), ``mass`` (current, Msun), ``age`` (log10 yr), ``feh``
            (dex) and ``radius`` (Rsun); rows of NaN for stars off the grid. Also ``prior_ratio``, of shape (n_stars,):
            the width of the 68.27 % interval of log age, as a fraction of that which the prior alone has (ages flat in
            time between those of the youngest and of the oldest models). Near 1 nothing is known but the prior: on the
            main sequence. Near the turn-off and on the subgiant branch it is small.

        Raises
        ------
        InputError
            As for `predict_posterior`.

        Notes
        -----
        Draws are points of the models, by systematic resampling, moved within the bins of the histograms and, in age,
        within the interval of time that each isochrone stands for.
        """
        check_is_fitted(self)
        stars = read_stars(X)
        default, floor = np.asarray(self.default_error, float), np.asarray(self.min_error, float)
        covariance, _ = read_covariances(X, stars, X_err, cov, default=default, floor=floor)
        photometry = read_photometry(magnitude, magnitude_err, extinction, extinction_err, parallax, parallax_err)
        observed = np.full((len(stars), 4), np.nan) if photometry is None else photometry
        if len(observed) != len(stars):
            raise InputError(f"there are {len(stars)} stars, but {len(observed)} magnitudes.")
        own = hasattr(random_state, "standard_normal") and hasattr(random_state, "__getitem__")
        rng = random_state if own else np.random.default_rng(random_state)
        step = self.models_.get("age_step")
        parts = [
            _draw(
                self.grid_.levels[0], stars[rows], covariance[rows], observed[rows],
                None if m_ks is None else m_ks[rows],
                n_samples=n_samples, n_sigma=float(self.n_sigma), age_step=step, rng=rng[rows] if own else rng,
            )
            for rows in (slice(start, start + _CHUNK) for start in range(0, max(len(stars), 1), _CHUNK))
        ]  # fmt: skip
        draws = {name: np.concatenate([part[name] for part in parts]) for name in parts[0]}
        if photometry is None:
            del draws["distance"]
        return draws


def _draw(level, stars, covariance, photometry, law, *, n_samples, n_sigma, age_step, rng):
    """Draw for some stars; see `IsochroneDrawsMixin.sample`."""
    from skdistmass.isochrones.distances.kernels_of_draws import draw_points

    axes, shape = level.axes, (len(stars), n_samples)
    chosen = np.full(shape, -1, dtype=np.int64)
    # The compiled loop is for arrays in one order.
    roots = np.ascontiguousarray(np.linalg.cholesky(covariance)[:, *np.tril_indices(3)])
    draw_points(
        tuple(vars(level).values())[1:], np.ascontiguousarray(stars[:, MODEL_ORDER]), roots,
        np.ascontiguousarray(photometry), _densities(law, axes[0], len(stars)), n_sigma,
        np.ascontiguousarray(rng.random((len(stars), 1))[:, 0]), chosen,
    )  # fmt: skip
    # Points come in the order of the models; a star's draws have none.
    chosen = np.take_along_axis(chosen, rng.random(shape).argsort(axis=1), axis=1)
    known = chosen[:, :1] >= 0
    points = np.maximum(chosen, 0)
    inside = rng.random((len(axes), *shape))
    values = [
        axis[0] + axis[1] * (bins[points] + move) for axis, bins, move in zip(axes, level.bins, inside, strict=True)
    ]
    if age_step is not None:
        values[_AGE] += (age_step - axes[_AGE, 1]) * (rng.random(shape) - 0.5)
    names = ("m_ks", *MARGINALS)
    draws = {name: np.where(known, value, np.nan) for name, value in zip(names, values, strict=True)}
    for name in ("mass", "radius"):
        draws[name] = 10.0 ** draws[name]
    draws["feh"] = np.where(known, level.places(points)[..., 0], np.nan)
    draws["distance"] = _distances(draws["m_ks"], photometry, rng)
    draws["prior_ratio"] = _prior_ratio(draws["age"], axes[_AGE])
    return draws


def _densities(law, axis, n_stars):
    """Return the density of a law of M_Ks in each bin, 1 for stars without one."""
    if law is None:
        return np.empty((n_stars, 0))
    low, step, n_bins = axis
    centres = low + step * (np.arange(int(n_bins)) + 0.5)
    density = np.asarray(law.pdf(centres[:, None]), dtype=np.float64).T
    known = np.isfinite(density).all(axis=1)
    density[known] = (1.0 - _OUTLIERS) * density[known] + _OUTLIERS / (step * n_bins)
    density[~known] = 1.0
    return np.ascontiguousarray(density)


def _distances(m_ks, photometry, rng):
    """Draw distances (kpc) of given magnitudes; the errors of the photometry know of the parallax, to first order."""
    zero, error, parallax, parallax_err = (column[:, None] for column in photometry.T)
    expected = 10.0 ** (-0.2 * (zero - m_ks - 10.0))
    slope = expected * LN_DISTANCE_PER_MAG / parallax_err
    miss = (expected - parallax) / parallax_err
    known = np.isfinite(slope)
    slope, miss = np.where(known, slope, 0.0), np.where(known, miss, 0.0)
    with np.errstate(invalid="ignore"):
        variance = error**2 / (1.0 + (slope * error) ** 2)
        noise = variance * slope * miss + np.sqrt(variance) * rng.standard_normal(m_ks.shape)
    return 10.0 ** (0.2 * (zero - m_ks + noise - 10.0))


def _prior_ratio(log_age, axis):
    """Return the width of draws of log age as a fraction of the width for ages flat in time."""
    low, step, n_bins = axis
    ends = np.array([ONE_SIGMA_BELOW, 1.0 - ONE_SIGMA_BELOW])
    youngest, oldest = 10.0**low, 10.0 ** (low + step * n_bins)
    prior = np.diff(np.log10(youngest + ends * (oldest - youngest)))[0]
    return np.diff(np.percentile(log_age, 100.0 * ends, axis=1), axis=0)[0] / prior
