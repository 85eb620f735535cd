"""The whole set: one network for the distance, any number for the mass, the age relation, errors and flags."""

import numpy as np
from joblib import Parallel, delayed
from sklearn.base import BaseEstimator, clone
from sklearn.utils import check_random_state
from sklearn.utils.validation import check_is_fitted

from skdistmass._version import __version__
from skdistmass.estimators.abs_mag import AbsMagRegressor
from skdistmass.estimators.ages import IsochroneAgeTransformer
from skdistmass.estimators.binaries import BinaryResidualFilter
from skdistmass.estimators.cn_mass import CNMassRegressor
from skdistmass.estimators.seeds import seeded
from skdistmass.estimators.training_space import EDGE, OUTSIDE, TrainingSpace
from skdistmass.exceptions import ColumnError, InputError
from skdistmass.labels import LABEL_NAMES, out_of_range, read_labels
from skdistmass.model.parts import (
    accuracy,
    as_catalog,
    find_sorted,
    fit_part,
    label_keys,
    mass_source_bits,
    predict_part,
    read_label_errors,
    require_stars,
    star_groups,
)
from skdistmass.photometry import weighted_distance
from skdistmass.schema.columns import Bit, mass_columns
from skdistmass.surveys import canonical_survey
from skdistmass.surveys.training_sets import (
    TrainingCuts,
    distance_training_set,
    mass_scales_of,
    mass_training_set,
    optional_floats,
    optional_text,
    reference_distances,
)
from skdistmass.tables import column_names, find_column

__all__ = ["DistMassModel"]

#: Labels that the absolute magnitude can be had from without carbon and nitrogen.
FALLBACK_LABELS = ("TEFF", "LOGG", "M_H")
GIANT_LOGG = 3.5  # ages are given below it (section 6.1)
NOT_A_GIANT = 32  # bit of AGE_FLAG, after those of `skdistmass.estimators.ages.AgeFlag`


class DistMassModel(BaseEstimator):
    """Distances, masses and ages of a survey's stars.

    Trains one `AbsMagRegressor`, one `CNMassRegressor` for each mass scale in the table and a `TrainingSpace` for both,
    and predicts the columns of Table 2 of the paper.

    Parameters
    ----------
    abs_mag : AbsMagRegressor or None, default=None
        The distance network before training; by default one with a `BinaryResidualFilter`.
    mass : CNMassRegressor or None, default=None
        The mass network before training; each scale trains a copy.
    mass_scales : "auto" or dict, default="auto"
        Name of each scale to the column its masses are in. The six of Table 2 would be ``{"UNCOR_SS":
        "MASS_UNCOR_SS", ...}``. By default every column MASS or MASS_* that has an error. The first gives
        MASS_ERR and AGE_ERR.
    age : IsochroneAgeTransformer or None, default=None
        From mass and metallicity to age.
    cuts : TrainingCuts or None, default=None
        Limits on the stars trained on.
    space : TrainingSpace or None, default=None
        Tells where the models may be believed.
    fallback : bool, default=True
        Whether to train a second distance network on Teff, log g and [M/H], for stars without C or N.
    n_jobs : int or None, default=None
        Number of networks trained at the same time, as in joblib.
    random_state : int, RandomState or None, default=None
        Seed for all parts whose own ``random_state`` is None.

    Attributes
    ----------
    abs_mag_ : AbsMagRegressor
    masses_ : dict of CNMassRegressor
        By name of the scale.
    abs_mag_fallback_ : AbsMagRegressor or None
    distance_space_, mass_space_, fallback_space_ : TrainingSpace
        The mass space is that of the first scale.
    age_ : IsochroneAgeTransformer
    removed_ : dict of dict
        For ``"ABS_MAG"`` and each ``"MASS_*"``: name of each cut to the number of stars it removed.
    accuracy_ : dict of dict
        For each of them: ``n_stars`` trained on, and ``scatter`` (robust) and ``bias`` (median) of the out-of-fold
        fractional error of distance or mass.
    metadata_ : dict
        What the model was trained on and with.

    See Also
    --------
    skdistmass.load_model : Read a saved model.

    Examples
    --------
    >>> from skdistmass import AbsMagRegressor, CNMassRegressor, DistMassModel, LevenbergMarquardtMLPRegressor
    >>> from skdistmass.datasets import make_survey
    >>> stars = make_survey(3000, random_state=0)
    >>> small = {"network": LevenbergMarquardtMLPRegressor(hidden_layer_sizes=4), "n_networks": 1}
    >>> model = DistMassModel(AbsMagRegressor(**small), CNMassRegressor(**small), mass_scales={"CAL": "MASS_CAL"},
    ...                       fallback=False, random_state=0)
    >>> catalog = model.fit(stars).predict(stars)
    >>> catalog["DISTANCE"].unit, catalog["AGE_CAL"].unit
    (Unit("kpc"), Unit("dex(yr)"))
    """

    def __init__(
        self,
        abs_mag=None,
        mass=None,
        *,
        mass_scales="auto",
        age=None,
        cuts=None,
        space=None,
        fallback=True,
        n_jobs=None,
        random_state=None,
    ):
        self.abs_mag = abs_mag
        self.mass = mass
        self.mass_scales = mass_scales
        self.age = age
        self.cuts = cuts
        self.space = space
        self.fallback = fallback
        self.n_jobs = n_jobs
        self.random_state = random_state

    def fit(self, table, progress=None):
        """Train all networks.

        Parameters
        ----------
        table : Table
            A survey, from `skdistmass.surveys.read_survey` or with the column names of any survey it knows.
        progress : callable, optional
            Called with the name of each part when it is trained, and ``None`` and the number of parts at the start.

        Returns
        -------
        self : DistMassModel

        Raises
        ------
        ColumnError
            If a label, the magnitude, or every mass is absent.
        InputError
            If the cuts leave no star to train on; the message says what each removed.
        """
        table = canonical_survey(table)
        cuts = self.cuts or TrainingCuts()
        scales = mass_scales_of(table) if self.mass_scales == "auto" else dict(self.mass_scales)
        if not scales:
            raise ColumnError("no masses to train on: add a column MASS (or MASS_<scale>) with its error MASS_ERR.")
        if len(table) == 0:
            raise InputError("the training table is empty: it has 0 rows.")
        labels = self._read_labels(table, reset=True)
        label_errors = read_label_errors(table, self.label_columns_)
        groups = star_groups(table)
        rng = check_random_state(self.random_state)
        jobs = self._plan(table, cuts, scales)
        selected = {name: chosen for name, (_, _, chosen) in jobs.items()}
        self.removed_ = {name: chosen.removed for name, chosen in selected.items()}
        for name, chosen in selected.items():
            require_stars(name, chosen)
        tasks = [
            delayed(fit_part)(seeded(part, rng), labels, label_errors, names, chosen, groups)
            for part, names, chosen in jobs.values()
        ]
        parts = self._train_all(tasks, list(jobs), progress)
        self.abs_mag_ = parts.pop("ABS_MAG")
        self.abs_mag_fallback_ = parts.pop("ABS_MAG_FALLBACK", None)
        self.masses_ = dict(zip(scales, parts.values(), strict=True))
        self.age_ = clone(self.age) if self.age is not None else IsochroneAgeTransformer()
        self._fit_spaces(labels, groups, selected, rng)
        self._remember_training(table, labels, selected)
        self.metadata_ = {
            "skdistmass_version": __version__,
            "input": str(table.meta["SKDM_FILE"]),
            "n_rows": len(table),
            "metallicity": self.metallicity_,
            "scales": {mass_columns(scale)[0]: str(column) for scale, column in scales.items()},
        }
        return self

    def _plan(self, table, cuts, scales):
        """Return {name: (network, its labels, its training set)} for all networks."""
        plan = {"ABS_MAG": (self._new_abs_mag(), LABEL_NAMES, distance_training_set(table, cuts))}
        for scale, column in scales.items():
            network = clone(self.mass) if self.mass is not None else CNMassRegressor()
            plan[mass_columns(scale)[0]] = (network, LABEL_NAMES, mass_training_set(table, column, cuts))
        if self.fallback:
            without_cn = self._new_abs_mag().set_params(labels=FALLBACK_LABELS)
            chosen = distance_training_set(table, cuts, names=FALLBACK_LABELS)
            plan["ABS_MAG_FALLBACK"] = (without_cn, FALLBACK_LABELS, chosen)
        return plan

    def _train_all(self, tasks, names, progress):
        if progress is not None:
            progress(None, len(tasks))
        parts = {}
        for name, part in zip(names, Parallel(n_jobs=self.n_jobs, return_as="generator")(tasks), strict=True):
            parts[name] = part
            if progress is not None:
                progress(name, len(tasks))
        return parts

    def _new_abs_mag(self):
        if self.abs_mag is not None:
            return clone(self.abs_mag)
        return AbsMagRegressor(binary_filter=BinaryResidualFilter())

    def _read_labels(self, table, *, reset, optional=()):
        """Read the five labels; a column of `optional` that is absent is missing for every star."""
        names = [n for n in LABEL_NAMES if n not in optional or find_column(table, n, required=False)]
        prefer = None if reset else self._preferred_columns(table)
        read = read_labels(table, names, prefer=prefer)
        if reset:
            self.label_columns_ = dict(read.columns)
            # A reader may have put [Fe/H] in the place of [M/H]: what was trained on is what counts.
            self.metallicity_ = str(table.meta["SKDM_COLUMNS"]["M_H"][0]).upper()
        values = np.full((len(table), len(LABEL_NAMES)), np.nan)
        for name, column in zip(names, read.values.T, strict=True):
            values[:, LABEL_NAMES.index(name)] = column
        values[out_of_range(values)] = np.nan
        return values

    def _preferred_columns(self, table):
        """Prefer the metallicity that was trained on, if the table has it."""
        found = find_column(table, self.metallicity_, required=False)
        return {"M_H": found} if found is not None else None

    def _fit_spaces(self, labels, groups, selected, rng):
        space = self.space if self.space is not None else TrainingSpace()

        def learn(rows, columns):
            return seeded(clone(space), rng).fit(labels[np.ix_(rows, columns)], groups=groups[rows])

        five = np.arange(len(LABEL_NAMES))
        first_mass = next(name for name in selected if name.startswith("MASS"))
        self.distance_space_ = learn(selected["ABS_MAG"].rows, five)
        self.mass_space_ = learn(selected[first_mass].rows, five)
        self.fallback_space_ = None
        if "ABS_MAG_FALLBACK" in selected:
            columns = [LABEL_NAMES.index(name) for name in FALLBACK_LABELS]
            self.fallback_space_ = learn(selected["ABS_MAG_FALLBACK"].rows, columns)

    def _remember_training(self, table, labels, selected):
        """Keep what the catalogue of a training star needs, and what the reader of the model wants to know."""
        self.accuracy_ = {}
        networks = {"ABS_MAG": self.abs_mag_, "ABS_MAG_FALLBACK": self.abs_mag_fallback_}
        networks |= {mass_columns(scale)[0]: net for scale, net in self.masses_.items()}
        oof = {}
        for name, chosen in selected.items():
            network = networks[name]
            values = network.oof_prediction_
            self.accuracy_[name] = accuracy(name, chosen.target, values, network.n_rows_)
            if values is not None:
                oof[name] = np.full(len(table), np.nan)
                oof[name][chosen.rows] = values
                network.oof_prediction_ = None  # kept once, here
        # A spectrum is known again by its labels.
        keys = label_keys(labels)
        known = np.isin(np.arange(len(table)), np.concatenate([chosen.rows for chosen in selected.values()]))
        order = np.flatnonzero(known)[np.argsort(keys[known], kind="stable")]
        self.training_keys_ = keys[order]
        # The fallback network knows spectra by the labels it uses, whether C and N were measured or not.
        short = label_keys(labels[order, :3])
        self.fallback_order_ = np.argsort(short, kind="stable")
        self.fallback_keys_ = short[self.fallback_order_]
        self.training_oof_ = {name: values[order] for name, values in oof.items()}
        first_mass = next(name for name in selected if name.startswith("MASS"))
        bits = np.zeros(len(table), dtype=np.int32)
        trained = selected["ABS_MAG"].rows
        if self.abs_mag_.binary_filter_ is not None:
            trained = trained[self.abs_mag_.binary_filter_.support_]
        bits[trained] |= Bit.DISTANCE_TRAINING
        rows = selected[first_mass].rows
        bits[rows] |= mass_source_bits(optional_text(table, "MASS_SRC"))[rows]
        self.training_bits_ = bits[order]

    def predict(self, table, *, out_of_fold=True):
        """Predict distances, masses and ages.

        Parameters
        ----------
        table : Table
            A survey, from `skdistmass.surveys.read_survey` or with the column names of any survey it knows.
            C_FE and N_FE, magnitudes and extinctions may be absent or missing: what needs them is NaN.
        out_of_fold : bool, default=True
            Whether stars that were trained on get predictions from networks that had not seen them, so that a
            catalogue does not flatter its own training set. The column OUT_OF_FOLD says which did.

        Returns
        -------
        catalog : Table
            One row per row of `table`: Table 2 of the paper, then columns beyond it, with units, descriptions and
            UCDs (`skdistmass.schema.columns`).
        """
        check_is_fitted(self, "abs_mag_")
        table = canonical_survey(table)
        labels = self._read_labels(table, reset=False, optional=("C_FE", "N_FE"))
        label_errors = read_label_errors(table, self._error_columns(table))
        known = self._find_training(labels) if out_of_fold else None
        members = known if known is not None else self._find_training(labels)
        columns = {
            name: optional_text(table, name) for name in ("APOGEE_ID", "APSTAR_ID") if name in column_names(table)
        }
        columns |= dict(zip(LABEL_NAMES, labels.T, strict=True))
        self._predict_distance(columns, table, labels, label_errors, known)
        self._predict_masses(columns, labels, label_errors, known)
        bits = np.where(members >= 0, self.training_bits_[members], 0)
        columns["MASS_SPACE"] = self.mass_space_.classify(labels)
        columns["BITMASK"] = bits | np.where(columns["MASS_SPACE"] >= OUTSIDE, int(Bit.OUTSIDE_MASS_SPACE), 0)
        return as_catalog(columns, list(self.masses_), self.metadata_)

    def _error_columns(self, table):
        preferred = self._preferred_columns(table) or {}
        return {name: preferred.get(name, name) for name in LABEL_NAMES}

    def _find_training(self, labels):
        """Return where each star is among the training stars, or -1."""
        return find_sorted(self.training_keys_, label_keys(labels))

    def _oof(self, name, known):
        """Out-of-fold values of one network for the stars that have one, NaN for others."""
        if known is None or name not in self.training_oof_:
            return None
        return np.where(known >= 0, self.training_oof_[name][known], np.nan)

    def _predict_distance(self, columns, table, labels, label_errors, known):
        n_stars = len(labels)
        mag = optional_floats(table, "K", "mag", high=True)
        mag_err = optional_floats(table, "K_ERR", "mag", high=True)
        extinction = optional_floats(table, "A_K", "mag", high=True)
        cuts = self.cuts or TrainingCuts()
        reference, reference_error, source = reference_distances(table, cuts)
        columns["GAIAEDR3_DIST"] = np.where(source == "cluster", np.nan, reference)
        columns["EXTINCTION"], columns["MAG"] = extinction, mag
        names = np.full(n_stars, "ABS_MAG", dtype=object)
        without_cn = ~np.isfinite(labels[:, 3:]).all(axis=1) & np.isfinite(labels[:, :3]).all(axis=1)
        fallback = without_cn if self.abs_mag_fallback_ is not None else np.zeros(n_stars, dtype=bool)
        names[fallback] = "ABS_MAG_FALLBACK"
        abs_mag, interval = np.full(n_stars, np.nan), np.full((n_stars, 2), np.nan)
        label_part, replaced = np.full(n_stars, np.nan), np.zeros(n_stars, dtype=bool)
        space = self.distance_space_.classify(labels)
        parts = [("ABS_MAG", self.abs_mag_, slice(None), ~fallback)]
        if fallback.any():
            parts.append(("ABS_MAG_FALLBACK", self.abs_mag_fallback_, slice(0, 3), fallback))
            answers = self.fallback_space_.classify(labels[fallback][:, :3])
            # Without two labels nothing better than "edge" can be said.
            space[fallback] = np.maximum(answers, EDGE)
        for name, network, used, rows in parts:
            values, errors = labels[rows][:, used], label_errors[rows][:, used]
            oof = None
            if known is not None:
                seen = known[rows]
                if name == "ABS_MAG_FALLBACK":
                    at = find_sorted(self.fallback_keys_, label_keys(values))
                    seen = np.where(at >= 0, self.fallback_order_[at], -1)
                oof = self._oof(name, seen)
            found = predict_part(network, values, errors, oof)
            abs_mag[rows], interval[rows], label_part[rows], replaced[rows] = found
        columns["ABS_MAG"], columns["ABS_MAG_LABEL_ERR"] = abs_mag, label_part
        columns["ABS_MAG_ERR"] = 0.5 * (interval[:, 1] - interval[:, 0])
        # Photometric errors widen both sides in quadrature.
        photometric = np.hypot(np.where(mag_err > 0, mag_err, cuts.mag_error), cuts.extinction_error)
        widened = np.hypot(interval - abs_mag[:, None], photometric[:, None])
        distance = 0.01 * 10.0 ** (0.2 * (mag - extinction - abs_mag))
        columns["DISTANCE"] = distance
        columns["DISTANCE_LO"] = distance * 10.0 ** (-0.2 * widened[:, 1])
        columns["DISTANCE_HI"] = distance * 10.0 ** (0.2 * widened[:, 0])
        columns["DISTANCE_ERR"] = distance * np.log(10.0) / 5.0 * 0.5 * widened.sum(axis=1)
        gaia = columns["GAIAEDR3_DIST"]
        weighted = weighted_distance(distance, columns["DISTANCE_ERR"], gaia, gaia * reference_error)
        columns["DISTANCE_WEIGHTED"], columns["DISTANCE_WEIGHTED_ERR"] = weighted
        columns["DISTANCE_SPACE"], columns["LABEL_FALLBACK"] = space, fallback
        columns["OUT_OF_FOLD"] = replaced.astype(np.int32)

    def _predict_masses(self, columns, labels, label_errors, known):
        giant = labels[:, 1] < GIANT_LOGG
        for number, (scale, network) in enumerate(self.masses_.items()):
            mass_name, age_name = mass_columns(scale)
            oof = None if known is None else self._oof(mass_name, known)
            mass, interval, _, replaced = predict_part(network, labels, label_errors, oof)
            columns[mass_name] = mass
            columns[f"{mass_name}_LO"], columns[f"{mass_name}_HI"] = interval.T
            columns["OUT_OF_FOLD"] |= replaced * np.int32(2 << number)
            mass_err = 0.5 * (interval[:, 1] - interval[:, 0])
            age, ages, error, flag = self.age_.ages_of_predicted(mass, labels[:, 2], interval, mass_err)
            columns[age_name] = np.where(giant, age, np.nan)
            columns[f"{age_name}_LO"], columns[f"{age_name}_HI"] = np.where(giant, ages.T, np.nan)
            if number == 0:
                columns["MASS_ERR"] = mass_err
                columns["AGE_ERR"] = np.where(giant, error, np.nan)
                columns["AGE_FLAG"] = flag.astype(np.int16) | np.where(giant, 0, NOT_A_GIANT).astype(np.int16)

    def save(self, path):
        """Write the model to a file that can be read without executing code from it.

        Parameters
        ----------
        path : path-like
            The file is replaced as a whole, or not at all.

        See Also
        --------
        skdistmass.load_model : Read it again.
        """
        from skdistmass.model.files import save_model

        save_model(self, path)

    def to_onnx(self, path, **options):
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
