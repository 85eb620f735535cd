"""Distances from stellar models: the posterior of a star's magnitude given its spectroscopic labels."""

from numbers import Integral, Real

import numpy as np
from sklearn.base import BaseEstimator, RegressorMixin
from sklearn.utils._param_validation import Interval
from sklearn.utils.validation import check_is_fitted

from skdistmass.exceptions import InputError
from skdistmass.isochrones.distances.drawing import IsochroneDrawsMixin
from skdistmass.isochrones.distances.grid import MARGINALS, build_grid
from skdistmass.isochrones.distances.observations import read_covariances, read_photometry, read_stars
from skdistmass.isochrones.distances.posterior_table import posterior_table
from skdistmass.isochrones.distances.storage import load_regressor, save_regressor
from skdistmass.isochrones.distances.sums import sum_over_models
from skdistmass.isochrones.imf import kroupa_number
from skdistmass.isochrones.schema import Phase, check_isochrone_table

__all__ = ["IsochroneDistanceRegressor"]


class IsochroneDistanceRegressor(IsochroneDrawsMixin, RegressorMixin, BaseEstimator):
    """Absolute magnitudes and distances of stars from isochrones, by Bayes' theorem.

    The models are points of isochrones, weighted by the number of stars expected there: by default after the
    mass function of Kroupa (2001), a constant star formation rate and a flat distribution of [Fe/H]. For
    every star these weights are multiplied by the normal likelihood of its Teff, log g and [Fe/H] and summed
    into the distribution of M_Ks. With the apparent magnitude and the extinction that becomes the
    distribution of distance.

    Parameters
    ----------
    metallicity_step : float, default=0.05
        Largest step between the metallicities of the grid (dex); between the isochrones' own, models are
        interpolated at equal evolutionary points. Errors of [Fe/H] below half of it can't be resolved.
    subdivision : tuple of 3 floats, default=(0.002, 0.03, 0.05)
        Largest steps along an isochrone in log Teff, log g and Ks (dex, dex, mag).
    cell : tuple of 3 floats, default=(0.0015, 0.03, 0.02)
        Points of one metallicity within a cell of this size in log Teff, log g and Ks (dex, dex, mag) are
        replaced by their mean.
    merging : float, default=0.3
        For stars with larger errors, points are merged in larger cells, and steps of M_Ks are doubled, as long as the
        points in a cell scatter by at most this fraction of the errors. 0 means never.
    magnitude_step : float, default=0.01
        Step of the histogram of M_Ks (mag); twice that of `cell` for merged points, if that is larger.
    n_sigma : float, default=4.5
        Models further than this from the star, in standard deviations, are left out of the sum (for stars
        beside the models: than this and the nearest model's distance, added in squares). Stars further than
        this from every model are off the grid.
    default_error : tuple of 3 floats, default=(50.0, 0.1, 0.1)
        Errors of Teff (K), log g and [Fe/H] of stars that have none.
    min_error : tuple of 3 floats, default=(25.0, 0.03, 0.03)
        Smallest errors used. Formal errors of surveys can be smaller than the grid resolves and than the
        models are right.
    phases : tuple of int or None, default=(0, 1, 2, 3, 4, 5)
        Evolutionary phases used, see `Phase`: main sequence to thermally pulsing AGB. None takes all.
    imf : callable or None, default=None
        The number of stars born below each of an array of masses (Msun). None is `kroupa_number`.
    prior : callable or None, default=None
        ``prior(log_age, feh, initial_mass)`` returns factors for the weights of an array of points: another
        history of star formation, a distribution of metallicities, or any other.
    n_jobs : int or None, default=None
        Number of threads; None means 1 unless in a joblib context, -1 all processors.

    Attributes
    ----------
    grid_ : Grid
        The prepared models.
    n_points_ : int
        Points of the sub-divided isochrones.
    models_ : dict
        Source, version and files of the isochrones, and the step between their ages (dex; None if there is one age).
    feh_range_ : tuple of float
        Lowest and highest metallicity of the models.
    n_features_in_ : int
        3: Teff, log g, [Fe/H].

    See Also
    --------
    skdistmass.isochrones.read_parsec, skdistmass.isochrones.read_mist : Readers of isochrones.

    Notes
    -----
    `fit` takes a table of isochrones, not stars, so this estimator is not one for scikit-learn's check suite;
    its parameters, `clone`, pickling and `predict` are as usual.

    No distribution of distances is assumed: all distance moduli are equally likely before the parallax, if
    there is one, is taken into account.

    References
    ----------
    Section 4.2 of the paper; Bressan et al. 2012, MNRAS, 427, 127; Kroupa 2001, MNRAS, 322, 231. The sums are
    those of Burnett & Binney 2010, MNRAS, 407, 339, without their prior on position.

    Examples
    --------
    >>> import numpy as np
    >>> from skdistmass.isochrones import IsochroneDistanceRegressor, isochrone_table
    >>> mass = np.tile(np.linspace(1.0, 1.001, 30), 2)
    >>> logg = np.tile(np.linspace(3.2, 1.0, 30), 2)
    >>> feh = np.repeat([-0.2, 0.2], 30)
    >>> log_teff = 3.60 + 0.04 * logg - 0.06 * feh - 0.02
    >>> log_l = np.log10(mass) - logg + 4 * log_teff - 10.607
    >>> table = isochrone_table(
    ...     dict(initial_mass=mass, current_mass=mass, log_age=np.full(60, 9.9), feh=feh, log_teff=log_teff, logg=logg,
    ...          log_l=log_l, phase=np.full(60, 2), ks=4.74 - 2.5 * log_l - 2.0), meta={"source": "a sketch"})
    >>> model = IsochroneDistanceRegressor().fit(table)
    >>> model.predict([[4760.0, 2.5, 0.0], [9000.0, 2.5, 0.0]])
    array([-1.31,   nan])
    """

    _parameter_constraints = {
        "metallicity_step": [Interval(Real, 0, None, closed="neither")],
        "subdivision": [tuple, list],
        "cell": [tuple, list],
        "merging": [Interval(Real, 0, None, closed="left")],
        "magnitude_step": [Interval(Real, 0, None, closed="neither")],
        "n_sigma": [Interval(Real, 0, None, closed="neither")],
        "default_error": [tuple, list],
        "min_error": [tuple, list],
        "phases": [tuple, list, None],
        "imf": [callable, None],
        "prior": [callable, None],
        "n_jobs": [Integral, None],
    }

    def __init__(
        self,
        *,
        metallicity_step=0.05,
        subdivision=(0.002, 0.03, 0.05),
        cell=(0.0015, 0.03, 0.02),
        merging=0.3,
        magnitude_step=0.01,
        n_sigma=4.5,
        default_error=(50.0, 0.1, 0.1),
        min_error=(25.0, 0.03, 0.03),
        phases=(Phase.MS, Phase.SGB, Phase.RGB, Phase.CHEB, Phase.EAGB, Phase.TPAGB),
        imf=None,
        prior=None,
        n_jobs=None,
    ):
        self.metallicity_step = metallicity_step
        self.subdivision = subdivision
        self.cell = cell
        self.merging = merging
        self.magnitude_step = magnitude_step
        self.n_sigma = n_sigma
        self.default_error = default_error
        self.min_error = min_error
        self.phases = phases
        self.imf = imf
        self.prior = prior
        self.n_jobs = n_jobs

    def fit(self, X, y=None):
        """Prepare the grid of models.

        Parameters
        ----------
        X : table
            Isochrones in the columns of `skdistmass.isochrones.COLUMNS`, with Ks magnitudes.
        y : None
            Ignored.

        Returns
        -------
        self : object
            The fitted estimator.

        Raises
        ------
        ColumnError
            If a column is absent or holds no values.
        InputError
            If a parameter can't be used, or no point of the table has a weight.
        """
        self._check_parameters()
        columns = check_isochrone_table(X, need=("ks", "current_mass"))
        grid = build_grid(
            columns,
            number=kroupa_number if self.imf is None else self.imf,
            prior=self.prior,
            phases=self.phases,
            metallicity_step=self.metallicity_step,
            subdivision=self.subdivision,
            cell=self.cell,
            magnitude_step=self.magnitude_step,
        )
        meta = getattr(X, "meta", {})
        steps = np.diff(np.unique(columns["log_age"]))
        models = {name: meta.get(name) for name in ("source", "version", "files")}
        self._set_grid(grid, models | {"age_step": float(np.median(steps)) if len(steps) else None})
        return self

    def _check_parameters(self):
        self._validate_params()
        for name in ("subdivision", "cell", "default_error", "min_error"):
            _check_numbers(name, getattr(self, name), positive=name != "min_error")

    def _set_grid(self, grid, models):
        """Set the fitted attributes."""
        self.grid_ = grid
        self.models_ = models
        self.n_points_ = grid.n_points
        self.feh_range_ = (float(grid.feh[0]), float(grid.feh[-1]))
        self.n_features_in_ = 3

    def save(self, path):
        """Write the fitted regressor to a file that `load` reads.

        Parameters
        ----------
        path : path
            File to write (npz: plain arrays, no pickle). Functions given as `imf` or `prior` are not in it; what they
            did to the weights is.

        Raises
        ------
        NotFittedError
            If the regressor is not fitted.
        """
        check_is_fitted(self)
        save_regressor(self, path)

    @classmethod
    def load(cls, path):
        """Read a regressor that `save` wrote.

        Parameters
        ----------
        path : path
            The file.

        Returns
        -------
        regressor : IsochroneDistanceRegressor
            Fitted.

        Raises
        ------
        FileFormatError
            If the file is foreign, truncated or of another version.
        FileNotFoundError
            If there is no such file.
        """
        return load_regressor(cls, path)

    def predict(self, X, X_err=None, cov=None):
        """Return the median of the posterior of M_Ks.

        Parameters
        ----------
        X : array-like of shape (n_stars, 3) or table
            Teff (K), log g and [Fe/H]; of a table, the columns TEFF, LOGG and FE_H or M_H.
        X_err : array-like of shape (n_stars, 3) or (3,), optional
            Their standard errors. NaN, or None, stands for `default_error`; of a table with columns such as
            TEFF_ERR those are taken.
        cov : array-like of shape (n_stars, 3, 3) or (3, 3), optional
            Their covariances, instead of `X_err`.

        Returns
        -------
        magnitude : ndarray of shape (n_stars,)
            Median M_Ks (mag); NaN for stars off the grid or with a label missing.

        Raises
        ------
        InputError
            If an error is negative, a covariance not positive definite, or a shape is wrong.
        """
        _, summaries, _ = self._posterior(X, X_err, cov, n_histograms=1)
        return summaries[:, 1, 0]

    def predict_posterior(
        self,
        X,
        X_err=None,
        cov=None,
        *,
        magnitude=None,
        magnitude_err=None,
        extinction=None,
        extinction_err=None,
        parallax=None,
        parallax_err=None,
        marginals=True,
        return_pdf=False,
        progress=False,
    ):
        """Return posteriors of M_Ks, and with a magnitude of the distance; of mass, age and radius too.

        Parameters
        ----------
        X, X_err, cov
            As for `predict`.
        magnitude : array-like of shape (n_stars,), optional
            Apparent Ks (mag). Without it there are no distances.
        magnitude_err : array-like of shape (n_stars,) or float, optional
            Its standard error; None means 0.
        extinction : array-like of shape (n_stars,) or float, optional
            A_Ks (mag); None means 0.
        extinction_err : array-like of shape (n_stars,) or float, optional
            Its standard error; None means 0.
        parallax, parallax_err : array-like of shape (n_stars,), optional
            Parallax and its standard error (mas), corrected for systematic offsets; NaN for stars without one.
        marginals : bool, default=True
            Whether to give mass, age and radius.
        return_pdf : bool, default=False
            Whether to return the distributions themselves.
        progress : bool, default=False
            Whether to show a progress bar.

        Returns
        -------
        posterior : astropy.table.QTable
            For `m_ks` (mag), `distance` (kpc), `mass` (current, Msun), `age` (Gyr) and `radius` (Rsun): the
            median, and with `_mean`, `_mode`, `_p16` and `_p84` after the name the mean, mode and percentiles
            (mean of the logarithm, and mode in it, for the last three). `nearest`, the distance of the
            nearest model in standard deviations, and `flag`, a sum of `IsochroneFlag`. With `return_pdf` also
            `m_ks_pdf` (1/mag), whose magnitudes are ``posterior.meta["m_ks"]``, and, with a magnitude,
            `distance_grid` (kpc) and `distance_pdf` (1/kpc).

        Raises
        ------
        InputError
            As for `predict`, or if errors are given without the values.
        """
        photometry = read_photometry(magnitude, magnitude_err, extinction, extinction_err, parallax, parallax_err)
        n_histograms = 1 + (len(MARGINALS) if marginals else 0)
        stars, summaries, diagnostics = self._posterior(
            X, X_err, cov, photometry, n_histograms=n_histograms, return_pdf=return_pdf, progress=progress
        )
        return posterior_table(self, stars, summaries, diagnostics, photometry, marginals)

    def _posterior(self, X, X_err, cov, photometry=None, *, n_histograms, return_pdf=False, progress=False):
        """Run the sums; return the stars, summaries and diagnostics."""
        check_is_fitted(self)
        stars = read_stars(X)
        covariance, defaulted = read_covariances(
            X, stars, X_err, cov, default=np.asarray(self.default_error, float), floor=np.asarray(self.min_error, float)
        )
        n_stars = len(stars)
        if photometry is None:
            photometry = np.full((n_stars, 4), np.nan)
        elif len(photometry) != n_stars:
            raise InputError(f"there are {n_stars} stars, but {len(photometry)} magnitudes.")
        summaries, fit, pdfs = sum_over_models(
            self.grid_,
            stars,
            covariance,
            photometry,
            n_sigma=self.n_sigma,
            # Distributions are wanted on one axis, that of the finest level.
            merging=0.0 if return_pdf else self.merging,
            n_histograms=n_histograms,
            return_pdf=return_pdf,
            n_jobs=self.n_jobs,
            progress=progress,
        )
        off = np.isnan(fit[:, 0])
        return stars, summaries, (fit, off, defaulted, pdfs)


def _check_numbers(name, values, *, positive):
    """Check a parameter that is one number each for three quantities."""
    if len(values) != 3 or not all(isinstance(value, Real) for value in values):
        raise InputError(f"{name} must be 3 numbers; got {values!r}.")
    if any(not value >= 0 or (positive and value == 0) for value in values):
        raise InputError(f"{name} must be {'positive' if positive else 'zero or more'}; got {values!r}.")
