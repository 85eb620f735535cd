"""The whole model: networks for the distance and the masses, the age relation, errors and flags."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

import numpy as np
from joblib import Parallel, delayed
from numpy.typing import NDArray
from sklearn.base import BaseEstimator, clone
from sklearn.utils import check_random_state
from sklearn.utils.validation import check_is_fitted

from skdistmass._version import __version__
from skdistmass.estimators.abs_mag import AbsMagRegressor
from skdistmass.estimators.ages import IsochroneAgeTransformer
from skdistmass.estimators.binaries import BinaryResidualFilter
from skdistmass.estimators.cn_mass import CNMassRegressor
from skdistmass.estimators.label_calibration import as_calibration
from skdistmass.estimators.seeds import seeded
from skdistmass.estimators.star_keys import star_groups
from skdistmass.estimators.training_space import TrainingSpace
from skdistmass.exceptions import ColumnError, InputError
from skdistmass.labels import LABEL_NAMES
from skdistmass.model import prediction
from skdistmass.model.calibrated import predict_calibrated
from skdistmass.model.files import model_token, write_model
from skdistmass.model.networks import Networks, lacks_abundances, predict_networks, space_of
from skdistmass.model.posterior import PosteriorMixin
from skdistmass.model.reading import labels_of, stars_of
from skdistmass.model.table import to_table
from skdistmass.model.training import (
    FALLBACK_LABELS,
    accuracy_of,
    find_parts,
    fit_spaces,
    mass_fallback_name,
    plan_jobs,
    remember,
    train,
)
from skdistmass.networks.blas import one_blas_thread
from skdistmass.schema.bits import Space
from skdistmass.schema.columns import mass_columns
from skdistmass.surveys.stars import Stars
from skdistmass.surveys.training_sets import TrainingCuts, extinction_errors, magnitude_errors

if TYPE_CHECKING:
    from astropy.table import Table

__all__ = ["DistMassModel"]


class DistMassModel(PosteriorMixin, BaseEstimator):
    """Distances, masses and ages of a survey's stars.

    Trains one `AbsMagRegressor`, one `CNMassRegressor` for each mass scale of the survey and a `TrainingSpace` for
    both, and predicts the columns of Table 2 of the paper.

    Parameters
    ----------
    abs_mag : AbsMagRegressor or None, default=None
        The distance network before training; by default one with a `BinaryResidualFilter`.
    mass : CNMassRegressor or None, default=None
        The mass network before training; each scale trains a copy.
    parts : {"auto", "both", "distance", "mass"}, default="auto"
        What to train: distances, masses or both. By default what the survey has references for: a magnitude with
        distances, parallaxes or clusters for the distances, masses with errors for the masses. `absent_` says what
        was left out, and why.
    mass_scales : "auto" or dict, default="auto"
        Name of each scale to the column its masses are in. The six of Table 2 would be ``{"UNCOR_SS":
        "MASS_UNCOR_SS", ...}``. By default every column MASS or MASS_* that has an error. The first gives
        MASS_ERR and AGE_ERR.
    age : IsochroneAgeTransformer or None, default=None
        From mass and metallicity to age.
    cuts : TrainingCuts or None, default=None
        Limits on the stars trained on.
    space : TrainingSpace or None, default=None
        Tells where the models can be trusted.
    fallback : bool, default=True
        Whether to train a second distance network on Teff, log g and [M/H], for stars without C or N. One with
        ``optional_labels=("C_FE", "N_FE")`` needs none.
    mass_fallback : bool, default=False
        Whether to train such networks for the masses, too. Without C and N a giant's mass is known half as well;
        LABEL_FALLBACK_MASS says of which stars it is.
    n_jobs : int or None, default=None
        Number of networks trained at the same time, as in joblib; they are trained in threads.
    random_state : int, RandomState or None, default=None
        Seed for all parts whose own ``random_state`` is None.

    Attributes
    ----------
    abs_mag_ : AbsMagRegressor or None
        None if no distances were trained.
    masses_ : dict of CNMassRegressor
        By name of the scale.
    abs_mag_fallback_ : AbsMagRegressor or None
    mass_fallbacks_ : dict of CNMassRegressor
        By name of the scale; empty without `mass_fallback`.
    distance_space_, mass_space_, fallback_space_, mass_fallback_space_ : TrainingSpace or None
        Of five labels, and of Teff, log g and [M/H]. The mass spaces are those of the first scale.
    age_ : IsochroneAgeTransformer
    training_ : TrainingRecord
        The stars trained on, by which they are known again.
    metallicity_ : str
        ``"M_H"`` or ``"FE_H"``: the metallicity trained on.
    absent_ : dict of str
        Parts that were not trained, and why.
    removed_ : dict of dict
        For ``"ABS_MAG"`` and each ``"MASS_*"``: name of each cut to the number of stars it removed.
    accuracy_ : dict of dict
        For each of them: ``n_stars`` trained on, and ``scatter`` (robust) and ``bias`` (median) of the out-of-fold
        fractional error of distance or mass; ``regions`` has them for parts of the diagram.
    metadata_ : dict
        What the model was trained on, and with what.

    See Also
    --------
    skdistmass.load_model : Read a saved model.

    Examples
    --------
    >>> from skdistmass import AbsMagRegressor, CNMassRegressor, DistMassModel
    >>> from skdistmass.datasets import make_survey
    >>> stars = make_survey(3000, random_state=0)
    >>> one = {"n_networks": 1, "network__hidden_layer_sizes": 4}
    >>> model = DistMassModel(AbsMagRegressor().set_params(**one), CNMassRegressor().set_params(**one),
    ...                       mass_scales={"CAL": "MASS_CAL"}, fallback=False, random_state=0)
    >>> catalog = model.fit(stars).predict(stars)
    >>> catalog["DISTANCE"].unit, catalog["AGE_CAL"].unit
    (Unit("kpc"), Unit("dex(yr)"))
    """

    def __init__(
        self,
        abs_mag: AbsMagRegressor | None = None,
        mass: CNMassRegressor | None = None,
        *,
        parts: str = "auto",
        mass_scales: str | Mapping[str, str] = "auto",
        age: IsochroneAgeTransformer | None = None,
        cuts: TrainingCuts | None = None,
        space: TrainingSpace | None = None,
        fallback: bool = True,
        mass_fallback: bool = False,
        n_jobs: int | None = None,
        random_state: Any = None,
    ) -> None:
        self.abs_mag = abs_mag
        self.mass = mass
        self.parts = parts
        self.mass_scales = mass_scales
        self.age = age
        self.cuts = cuts
        self.space = space
        self.fallback = fallback
        self.mass_fallback = mass_fallback
        self.n_jobs = n_jobs
        self.random_state = random_state

    @one_blas_thread()
    def fit(self, table: Any, y: Any = None, *, progress: Callable[[str | None, int], None] | None = None):
        """Train all networks.

        Parameters
        ----------
        table : Stars, table or path-like
            A survey with the column names of any known layout.
        y : None
            Ignored; present by convention of scikit-learn. The references are columns of the survey.
        progress : callable, optional
            Called as ``progress(name, n_parts)`` when a part is trained, and with ``None`` at the start.

        Returns
        -------
        self : DistMassModel

        Raises
        ------
        ColumnError
            If a label is absent, or the references of every part that is wanted.
        InputError
            If the cuts leave no star to train on; the message says what each removed.
        """
        stars = stars_of(table)
        if len(stars) == 0:
            raise InputError("the training table is empty: it has 0 rows.")
        self.metallicity_ = stars.metallicity
        labels, label_errors = labels_of(stars)
        groups = star_groups(stars)
        rng = check_random_state(self.random_state)
        self.absent_, scales = find_parts(stars, self.parts, self.mass_scales)
        # A scale without a name comes first: MASS_ERR is its error, and that of the first scale.
        scales = dict(sorted(scales.items(), key=lambda scale: scale[0] != ""))
        distance = self.abs_mag if self.abs_mag is not None else AbsMagRegressor(binary_filter=BinaryResidualFilter())
        mass = self.mass if self.mass is not None else CNMassRegressor()
        wanted = {"fallback": self.fallback, "mass_fallback": self.mass_fallback}
        jobs = plan_jobs(stars, self._cuts(), None if "distance" in self.absent_ else distance, mass, scales, **wanted)
        self.removed_ = {job.name: job.chosen.removed for job in jobs}
        for job in jobs:
            job.require_stars()
            seeded(job.network, rng)
        trained = self._train_all(jobs, progress, stars, labels, label_errors, groups)
        self.abs_mag_ = trained.get("ABS_MAG")
        self.abs_mag_fallback_ = trained.get("ABS_MAG_FALLBACK")
        self.masses_ = {scale: trained[mass_columns(scale)[0]] for scale in scales}
        names = {scale: mass_fallback_name(scale) for scale in scales}
        self.mass_fallbacks_ = {scale: trained[name] for scale, name in names.items() if name in trained}
        self.age_ = clone(self.age) if self.age is not None else IsochroneAgeTransformer()
        spaces = fit_spaces(jobs, self.space if self.space is not None else TrainingSpace(), labels, groups, rng)
        self.distance_space_, self.mass_space_, self.fallback_space_, self.mass_fallback_space_ = spaces
        self.accuracy_ = {job.name: accuracy_of(job, trained[job.name], stars, labels) for job in jobs}
        self.training_ = remember(stars, labels, jobs, trained)
        self.label_columns_ = {name: stars.origin.get(name, (name,))[0] for name in LABEL_NAMES}
        self.metadata_ = {
            "skdistmass_version": __version__,
            "input": stars.source,
            "n_rows": len(stars),
            "metallicity": self.metallicity_,
            "scales": {mass_columns(scale)[0]: column for scale, column in scales.items()},
        }
        return self

    def _cuts(self) -> TrainingCuts:
        return self.cuts if self.cuts is not None else TrainingCuts()

    def _train_all(self, jobs, progress, *parts) -> dict[str, Any]:
        if progress is not None:
            progress(None, len(jobs))
        tasks = (delayed(train)(job, *parts) for job in jobs)
        trained = {}
        # Threads: the trainer releases the interpreter's lock, and processes would each copy the table.
        parallel = Parallel(n_jobs=self.n_jobs, backend="threading", return_as="generator")
        for job, network in zip(jobs, parallel(tasks), strict=True):
            trained[job.name] = network
            if progress is not None:
                progress(job.name, len(jobs))
        return trained

    def predict(self, table: Any, *, out_of_fold: bool = True, calibration: Any = None) -> Table:
        """Predict distances, masses and ages.

        Parameters
        ----------
        table : Stars, table or path-like
            A survey with the column names of any known layout. C_FE and N_FE, magnitudes and extinctions may be
            absent or missing: what needs them is NaN.
        out_of_fold : bool, default=True
            Whether stars that were trained on get predictions from networks that had not seen them, so that a
            catalogue does not flatter its own training set. The column OUT_OF_FOLD says which did.
        calibration : LabelCalibration, ConstraintCalibration or path-like, optional
            Brings the labels to the scale of the model: a fitted one, its file, or the name of one that comes with the
            package. The catalogue has the calibrated labels; its errors have that of the calibration.

        Returns
        -------
        catalog : Table
            One row per row of `table`: Table 2 of the paper, then the columns beyond it, with units, descriptions and
            UCDs (`skdistmass.schema.columns`).

        Raises
        ------
        ColumnError, UnitError
            If the table lacks Teff, log g or the metallicity, or has a column in another kind of unit.
        """
        check_is_fitted(self, "abs_mag_")
        stars = stars_of(table).with_metallicity(self.metallicity_)
        calibration = None if calibration is None else as_calibration(calibration)
        stars, predicted = predict_calibrated(self, stars, calibration, out_of_fold=out_of_fold)
        columns = prediction.complete(stars, predicted, self._cuts())
        catalog = to_table(columns, self.masses_)
        catalog.meta = {"MODEL": "DistMass", "VERSION": self.metadata_["skdistmass_version"]}
        if calibration is not None:
            catalog.meta["CALIB"], catalog.meta["CALIBSHA"] = calibration.identity
        return catalog

    @property
    def card(self) -> dict[str, Any]:
        """What a catalogue needs to know of the model, as an ONNX file's model card has it."""
        check_is_fitted(self, "abs_mag_")
        return {
            "metallicity": self.metallicity_,
            "training_cuts": dict(vars(self._cuts())),
            "versions": {"trained_with": self.metadata_["skdistmass_version"]},
        }

    @one_blas_thread()
    def predict_columns(self, stars: Stars, *, out_of_fold: bool = True) -> dict[str, NDArray]:
        """Predict the columns that come from the networks; see `skdistmass.model.Predictor`.

        Parameters
        ----------
        stars : Stars
            A survey.
        out_of_fold : bool, default=True
            As for `predict`.

        Returns
        -------
        columns : dict of ndarray
        """
        check_is_fitted(self, "abs_mag_")
        stars = stars.with_metallicity(self.metallicity_)
        absent = [name for name in FALLBACK_LABELS if name not in stars]
        if absent:
            raise ColumnError(f"no column {', '.join(absent)}; the stars have {', '.join(stars) or 'no columns'}.")
        labels, label_errors = labels_of(stars)
        entries = self.training_.find(stars, labels)
        columns: dict[str, NDArray] = {"OUT_OF_FOLD": np.zeros(len(stars), dtype=np.int32)}
        if self.abs_mag_ is not None:
            self._predict_distance(columns, stars, labels, label_errors, entries if out_of_fold else None)
        if self.masses_:
            self._predict_masses(columns, labels, label_errors, entries if out_of_fold else None)
        bits = self.training_.bits_of(stars, entries)
        space = columns.get("MASS_SPACE", np.full(len(stars), Space.INSIDE))  # without masses nothing is outside theirs
        columns["BITMASK"] = prediction.bitmask(bits, space)
        return columns

    def _predict_distance(self, columns, stars: Stars, labels, label_errors, entries) -> None:
        networks = Networks.of_distance(self)
        found = predict_networks(networks, self.training_, labels, label_errors, entries, stars.text("LABEL_SRC"))
        cuts = self._cuts()
        mag, extinction = stars.floats("K"), stars.floats("A_K")
        errors = magnitude_errors(stars, cuts), extinction_errors(stars, cuts)
        columns |= prediction.distance_columns(found.value, found.intervals, mag, extinction, *errors)
        columns["ABS_MAG_LABEL_ERR"] = found.noise
        columns["DISTANCE_SPACE"] = space_of(networks, self.distance_space_, self.fallback_space_, labels)
        columns["LABEL_FALLBACK"] = lacks_abundances(labels) & networks.serves_without_abundances
        columns["OUT_OF_FOLD"] |= found.replaced.astype(np.int32)

    def _predict_masses(self, columns, labels, label_errors, entries) -> None:
        for number, scale in enumerate(self.masses_):
            networks = Networks.of_mass(self, scale)
            name = networks.name
            mass, intervals, _, replaced = predict_networks(networks, self.training_, labels, label_errors, entries)
            columns |= {name: mass, **prediction.interval_columns(name, intervals)}
            columns[f"{name}_ERR"] = prediction.half_width(intervals[0])
            columns["OUT_OF_FOLD"] |= replaced * np.int32(2 << number)
            columns |= prediction.age_columns(self.age_, scale, mass, intervals, labels[:, 2], labels[:, 1])
        columns |= prediction.of_first_scale(columns, next(iter(self.masses_)))
        columns["MASS_SPACE"] = space_of(networks, self.mass_space_, self.mass_fallback_space_, labels)
        if self.mass_fallbacks_:
            columns["LABEL_FALLBACK_MASS"] = lacks_abundances(labels)

    __dask_tokenize__ = model_token

    def save(self, path: str | os.PathLike[str]) -> None:
        """Write the model to a file that can be read without running code from it.

        Parameters
        ----------
        path : path-like
            The file is replaced as a whole, or not at all.

        Raises
        ------
        NotFittedError
            If the model is not fitted.
        InputError
            If a part of the model is of a type that a model file can't hold.
        DistMassError
            If the file can't be written.

        See Also
        --------
        skdistmass.load_model : Read it again.
        """
        check_is_fitted(self, "abs_mag_")
        write_model(self, path)

    def to_onnx(self, path: str | os.PathLike[str], **options: Any) -> None:
        """Write the model as one ONNX graph of standard operators, for use without this package.

        Parameters
        ----------
        path : path-like
            The file.
        **options
            As for `skdistmass.deploy.export_model`.
        """
        from skdistmass.deploy import export_model

        export_model(self, path, **options)
