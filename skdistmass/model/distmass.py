"""The whole model: networks for the distance and the masses, the age relation, errors and flags."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from pathlib import Path
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
from skdistmass.estimators.seeds import seeded
from skdistmass.estimators.star_keys import star_groups
from skdistmass.estimators.training_space import TrainingSpace
from skdistmass.exceptions import ColumnError, InputError
from skdistmass.labels import LABEL_NAMES, out_of_range
from skdistmass.model import prediction
from skdistmass.model.files import model_token, write_model
from skdistmass.model.training import FALLBACK_LABELS, accuracy_of, find_parts, fit_spaces, plan_jobs, remember, train
from skdistmass.schema.bits import Space
from skdistmass.schema.columns import layout, mass_columns
from skdistmass.surveys import as_stars, read_survey
from skdistmass.surveys.stars import Stars
from skdistmass.surveys.training_sets import TrainingCuts, extinction_errors
from skdistmass.uncertainty import normal_coverage

if TYPE_CHECKING:
    from astropy.table import Table

__all__ = ["DistMassModel"]

_COVERAGES = (normal_coverage(1.0), normal_coverage(2.0))


class DistMassModel(BaseEstimator):
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
        Whether to train a second distance network on Teff, log g and [M/H], for stars without C or N.
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
    distance_space_, mass_space_, fallback_space_ : TrainingSpace or None
        The mass space is that of the first scale.
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
        fractional error of distance or mass.
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
        self.n_jobs = n_jobs
        self.random_state = random_state

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
        stars = _stars_of(table)
        if len(stars) == 0:
            raise InputError("the training table is empty: it has 0 rows.")
        self.metallicity_ = stars.metallicity
        labels, label_errors = _labels_of(stars)
        groups = star_groups(stars)
        rng = check_random_state(self.random_state)
        self.absent_, scales = find_parts(stars, self.parts, self.mass_scales)
        # A scale without a name comes first: MASS_ERR is its error, and that of the first scale.
        scales = dict(sorted(scales.items(), key=lambda scale: scale[0] != ""))
        distance = self.abs_mag if self.abs_mag is not None else AbsMagRegressor(binary_filter=BinaryResidualFilter())
        mass = self.mass if self.mass is not None else CNMassRegressor()
        jobs = plan_jobs(stars, self._cuts(), None if "distance" in self.absent_ else distance, mass, scales)
        if not self.fallback:
            jobs = [job for job in jobs if job.name != "ABS_MAG_FALLBACK"]
        self.removed_ = {job.name: job.chosen.removed for job in jobs}
        for job in jobs:
            job.require_stars()
            seeded(job.network, rng)
        trained = self._train_all(jobs, labels, label_errors, groups, progress)
        self.abs_mag_ = trained.get("ABS_MAG")
        self.abs_mag_fallback_ = trained.get("ABS_MAG_FALLBACK")
        self.masses_ = {scale: trained[mass_columns(scale)[0]] for scale in scales}
        self.age_ = clone(self.age) if self.age is not None else IsochroneAgeTransformer()
        spaces = fit_spaces(jobs, self.space if self.space is not None else TrainingSpace(), labels, groups, rng)
        self.distance_space_, self.mass_space_, self.fallback_space_ = spaces
        self.accuracy_ = {job.name: accuracy_of(job, trained[job.name]) for job in jobs}
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

    def _train_all(self, jobs, labels, label_errors, groups, progress) -> dict[str, Any]:
        if progress is not None:
            progress(None, len(jobs))
        tasks = (delayed(train)(job, labels, label_errors, groups) for job in jobs)
        trained = {}
        # Threads: the trainer releases the interpreter's lock, and processes would each copy the table.
        parallel = Parallel(n_jobs=self.n_jobs, backend="threading", return_as="generator")
        for job, network in zip(jobs, parallel(tasks), strict=True):
            trained[job.name] = network
            if progress is not None:
                progress(job.name, len(jobs))
        return trained

    def predict(self, table: Any, *, out_of_fold: bool = True) -> Table:
        """Predict distances, masses and ages.

        Parameters
        ----------
        table : Stars, table or path-like
            A survey with the column names of any known layout. C_FE and N_FE, magnitudes and extinctions may be
            absent or missing: what needs them is NaN.
        out_of_fold : bool, default=True
            Whether stars that were trained on get predictions from networks that had not seen them, so that a
            catalogue does not flatter its own training set. The column OUT_OF_FOLD says which did.

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
        from astropy.table import Column, Table

        check_is_fitted(self, "abs_mag_")
        stars = _stars_of(table).with_metallicity(self.metallicity_)
        predicted = self.predict_columns(stars, out_of_fold=out_of_fold)
        columns = prediction.complete(stars, predicted, self._cuts())
        catalog = Table()
        for schema in layout(self.masses_):
            if schema.name in columns:
                values = columns[schema.name]
                values = values if schema.dtype.startswith("U") else values.astype(schema.dtype)
                catalog[schema.name] = Column(
                    values, unit=schema.unit, description=schema.description, meta={"ucd": schema.ucd}
                )
        catalog.meta = {"MODEL": "DistMass", "VERSION": self.metadata_["skdistmass_version"]}
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
        labels, label_errors = _labels_of(stars)
        entries = self.training_.find(stars, labels)
        columns: dict[str, NDArray] = {"OUT_OF_FOLD": np.zeros(len(stars), dtype=np.int32)}
        if self.abs_mag_ is not None:
            self._predict_distance(columns, stars, labels, label_errors, entries if out_of_fold else None)
        if self.masses_:
            columns["MASS_SPACE"] = self.mass_space_.classify(labels)
            self._predict_masses(columns, labels, label_errors, entries if out_of_fold else None)
        bits = self.training_.bits_of(stars, entries)
        space = columns.get("MASS_SPACE", np.full(len(stars), Space.MISSING))
        columns["BITMASK"] = prediction.bitmask(bits, space)
        return columns

    def _predict_network(self, name, network, labels, label_errors, entries):
        """Return value, intervals of 68.27 % and 95.45 %, label part of the error, and whether it is out of fold."""
        folds = np.full(len(labels), -1, dtype=np.int16) if entries is None else self.training_.fold(name, entries)
        value = network.predict_out_of_fold(labels, folds)
        if network.errors_ is None:
            return value, np.full((2, len(labels), 2), np.nan), np.full(len(labels), np.nan), folds >= 0
        _, intervals, noise = network.predict_with_interval(labels, _COVERAGES, label_errors, value=value)
        return value, intervals, noise, (folds >= 0) & np.isfinite(value)

    def _predict_distance(self, columns, stars: Stars, labels, label_errors, entries) -> None:
        n_stars = len(labels)
        space = self.distance_space_.classify(labels)
        fallback = np.zeros(n_stars, dtype=bool)
        if self.abs_mag_fallback_ is not None:
            fallback = np.isnan(labels[:, 3:]).any(axis=1) & np.isfinite(labels[:, :3]).all(axis=1)
        parts = [("ABS_MAG", self.abs_mag_, slice(None), ~fallback)]
        if fallback.any():
            parts.append(("ABS_MAG_FALLBACK", self.abs_mag_fallback_, slice(0, 3), fallback))
            # Without two labels nothing better than "edge" can be said.
            space[fallback] = np.maximum(self.fallback_space_.classify(labels[fallback][:, :3]), Space.EDGE)
        abs_mag, intervals = np.full(n_stars, np.nan), np.full((2, n_stars, 2), np.nan)
        noise, replaced = np.full(n_stars, np.nan), np.zeros(n_stars, dtype=bool)
        for name, network, used, rows in parts:
            seen = None if entries is None else entries[rows]
            if seen is not None and name == "ABS_MAG_FALLBACK":
                seen = np.where(seen >= 0, seen, self.training_.find_by_three(labels[rows]))
            found = self._predict_network(name, network, labels[rows][:, used], label_errors[rows][:, used], seen)
            abs_mag[rows], intervals[:, rows], noise[rows], replaced[rows] = found
        cuts = self._cuts()
        mag, mag_err, extinction = (stars.floats(name) for name in ("K", "K_ERR", "A_K"))
        mag_err = np.where(mag_err > 0, mag_err, cuts.mag_error)
        errors = mag_err, extinction_errors(stars, cuts)
        columns |= prediction.distance_columns(abs_mag, intervals, mag, extinction, *errors)
        columns |= {"ABS_MAG_LABEL_ERR": noise, "DISTANCE_SPACE": space, "LABEL_FALLBACK": fallback}
        columns["OUT_OF_FOLD"] |= replaced.astype(np.int32)

    def _predict_masses(self, columns, labels, label_errors, entries) -> None:
        for number, (scale, network) in enumerate(self.masses_.items()):
            name = mass_columns(scale)[0]
            mass, intervals, _, replaced = self._predict_network(name, network, labels, label_errors, entries)
            columns |= {name: mass, **prediction.interval_columns(name, intervals)}
            columns[f"{name}_ERR"] = prediction.half_width(intervals[0])
            columns["OUT_OF_FOLD"] |= replaced * np.int32(2 << number)
            columns |= prediction.age_columns(self.age_, scale, mass, intervals, labels[:, 2], labels[:, 1])
        columns |= prediction.of_first_scale(columns, next(iter(self.masses_)))

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


def _stars_of(table: Any) -> Stars:
    """Read a file, or give a table in memory its canonical columns."""
    return read_survey(Path(table)) if isinstance(table, str | os.PathLike) else as_stars(table)


def _labels_of(stars: Stars) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return labels and their errors, NaN where a value is not possible."""
    labels, errors = stars.labels, stars.label_errors
    labels[out_of_range(labels)] = np.nan
    errors[~(errors >= 0)] = np.nan
    return labels, errors
