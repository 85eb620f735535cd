"""A small model on mock stars, its graphs, and what it takes to compare them."""

import warnings
from unittest.mock import patch

import numpy as np
import pytest
from astropy.table import Table
from sklearn.exceptions import ConvergenceWarning

from skdistmass import AbsMagRegressor, CNMassRegressor, DistMassModel, LevenbergMarquardtMLPRegressor
from skdistmass.datasets import make_survey
from skdistmass.deploy import export_model, load
from skdistmass.estimators.abs_mag import distance_interval
from skdistmass.exceptions import DistMassWarning, ImpossibleValueWarning
from skdistmass.labels import LABEL_NAMES
from skdistmass.model.networks import Networks, predict_networks
from skdistmass.model.reading import labels_of, stars_of
from skdistmass.photometry import distance_from_magnitude
from skdistmass.surveys.training_sets import TrainingCuts, extinction_errors, magnitude_errors
from skdistmass.tables import column_names
from skdistmass.uncertainty import COVERAGES, PredictiveDistribution

_SURVEY_NAMES = {"MAG": "K", "EXTINCTION": "A_K", "MAG_ERR": "K_ERR", "EXTINCTION_ERR": "A_K_ERR"}


@pytest.fixture(scope="session")
def training_stars():
    return make_survey(2500, random_state=0, seismic_fraction=0.6)


@pytest.fixture(scope="session")
def model(training_stars, quick_training):
    """Two networks of two layers each, so that their merged layers have blocks; two mass scales; the fallback."""
    network = LevenbergMarquardtMLPRegressor(hidden_layer_sizes=(5, 4), max_iter=30, n_starts=2)
    small = {"network": network, "n_networks": 2, "n_folds": 2}
    fitted = DistMassModel(
        AbsMagRegressor(**small), CNMassRegressor(**small), mass_scales={"": "MASS", "CAL": "MASS_CAL"}, random_state=0
    )
    with warnings.catch_warnings(), quick_training():
        warnings.simplefilter("ignore", DistMassWarning)
        warnings.simplefilter("ignore", ConvergenceWarning)
        return fitted.fit(training_stars)


@pytest.fixture(scope="session")
def exported(model, tmp_path_factory):
    """Function that gives the path of the model's graph in a variant."""
    folder, written = tmp_path_factory.mktemp("graphs"), {}

    def export(dtype="float64", input_errors=False):
        if (dtype, input_errors) not in written:
            path = folder / f"{dtype}-{input_errors}.onnx"
            export_model(model, path, dtype=dtype, input_errors=input_errors, card={"name": "small"})
            written[dtype, input_errors] = path
        return written[dtype, input_errors]

    return export


@pytest.fixture(scope="session")
def predictors(exported):
    """Function that gives the loaded graph in a variant."""
    loaded = {}

    def get(dtype="float64", input_errors=False):
        if (dtype, input_errors) not in loaded:
            loaded[dtype, input_errors] = load(exported(dtype, input_errors), threads=1)
        return loaded[dtype, input_errors]

    return get


@pytest.fixture(scope="session")
def plain_columns():
    """Function that gives a table's columns as a graph has its inputs: raw numbers, placeholders and all."""

    def columns(table, names, dtype=np.float64):
        found = {}
        for name in names:
            column = _SURVEY_NAMES.get(name, name)
            if column in column_names(table):
                found[name] = np.ma.filled(np.ma.asarray(table[column]).astype(dtype), np.nan)
            else:
                found[name] = np.full(len(table), np.nan, dtype)
        return found

    return columns


@pytest.fixture(scope="session")
def assert_parity():
    """Function that compares a graph's outputs with `DistMassModel.predict` of the same numbers."""

    def check(model, inputs, outputs):
        table = Table({_SURVEY_NAMES.get(name, name): np.asarray(v, dtype=np.float64) for name, v in inputs.items()})
        # The unit of a whole column is judged in tables, not in graphs.
        with patch("skdistmass.surveys.plausibility._FEWEST", np.inf), warnings.catch_warnings():
            warnings.simplefilter("ignore", RuntimeWarning)  # overflow of absurd magnitudes
            warnings.simplefilter("ignore", ImpossibleValueWarning)
            catalog = model.predict(table, out_of_fold=False)
        expected = {name for name in catalog.colnames if name not in (*LABEL_NAMES, "MAG", "EXTINCTION", "OUT_OF_FOLD")}
        # From Gaia, dust maps and the flags of the survey, which are no inputs.
        expected -= {"GAIAEDR3_DIST", "GAIAEDR3_DIST_SRC", "DISTANCE_WEIGHTED", "DISTANCE_WEIGHTED_ERR"}
        expected -= {"EXTINCTION_METHOD", "EXTINCTION_FLAG", "EXTINCTION_ERR", "FLAGS"}
        if not model.mass_fallbacks_:
            assert not np.any(catalog["LABEL_FALLBACK_MASS"])
            expected -= {"LABEL_FALLBACK_MASS"}
        if "TEFF_ERR" not in inputs:
            expected -= {"ABS_MAG_LABEL_ERR"}
        assert set(outputs) == expected
        for name, found in outputs.items():
            _compare(name, found, np.asarray(catalog[name]))

    return check


@pytest.fixture(scope="session")
def assert_vectors():
    """Function that compares a graph's quantiles and slopes with those of the model."""

    def check(model, stars, predictor):
        stars, vectors, catalog = stars_of(stars), predictor.predict_vectors(stars), predictor.predict(stars)
        labels, errors = labels_of(stars)
        networks = [Networks.of_distance(model), *(Networks.of_mass(model, scale) for scale in model.masses_)]
        for number, each in enumerate(networks):
            intervals = predict_networks(each, model.training_, labels, errors, None, None, COVERAGES).intervals
            law = PredictiveDistribution.from_intervals(intervals).quantiles
            _compare(each.name, vectors[f"{each.name}_QUANTILES"], law)
            slopes = np.nan_to_num(each.network.jacobian(labels))
            np.testing.assert_allclose(vectors[f"{each.name}_SLOPES"], slopes, rtol=1e-3, atol=1e-4)
            if number == 0:
                _compare("DISTANCE", vectors["DISTANCE_QUANTILES"], _distances(model, stars, intervals, law))
                continue
            age = each.name.replace("MASS", "AGE")
            known = np.isfinite(catalog[f"{age}_LO"])
            low, high = model.age_.used_bounds()[0]
            pairs = np.clip(law[known, ::-1], low, high).ravel(), np.repeat(labels[known, 2], law.shape[1])
            assert np.array_equal(np.isfinite(vectors[f"{age}_QUANTILES"]).all(axis=1), known)
            ages = model.age_.transform(np.column_stack(pairs)).reshape(-1, law.shape[1])
            _compare(age, vectors[f"{age}_QUANTILES"][known], ages)
        for name, values in vectors.items():
            assert name.endswith("_SLOPES") or not (np.diff(values, axis=1) < 0).any(), name

    return check


def _distances(model, stars, intervals, law):
    """Quantiles of the distance from the intervals of the absolute magnitude; the median is that of its median."""
    cuts = model.cuts or TrainingCuts()
    mag, extinction = stars.floats("K"), stars.floats("A_K")
    error = np.hypot(magnitude_errors(stars, cuts), extinction_errors(stars, cuts))
    value = model.predict_columns(stars, out_of_fold=False)["ABS_MAG"]
    found = [distance_interval(value, i, mag, extinction, error, c) for i, c in zip(intervals, COVERAGES, strict=True)]
    ends = np.stack(found[1:])
    middle = distance_from_magnitude(law[:, law.shape[1] // 2], mag, extinction)
    return np.sort(np.concatenate([ends[::-1, :, 0], middle[None], ends[:, :, 1]]).T, axis=1)


def _compare(name, found, expected):
    if found.dtype.kind in "bi":
        np.testing.assert_array_equal(found, expected, err_msg=name)
        return
    single = found.dtype == np.float32
    rtol, atol = (1e-5, 1e-37) if single else (1e-9, 1e-300)
    if single:
        with np.errstate(over="ignore", under="ignore"):
            expected = np.where(np.abs(expected) > np.finfo(np.float32).max, expected.astype(np.float32), expected)
    # A magnitude, or the senseless mass of a dwarf, passes through zero: there the scale is 1 mag or 0.1 Msun.
    if name == "ABS_MAG":
        atol = rtol
    elif name.startswith("MASS"):
        atol = 0.1 * rtol
    elif name == "ABS_MAG_ERR":
        atol = 1e-14  # mag; half the difference of two magnitudes of up to 10, each with a rounding error of 4 eps
    elif name.startswith("AGE") and name.endswith("_ERR"):
        atol = 1e-15  # dex; the difference of two ages that are next to equal
    np.testing.assert_allclose(found, expected, rtol=rtol, atol=atol, err_msg=name)
