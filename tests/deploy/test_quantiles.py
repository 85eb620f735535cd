"""Graphs with quantiles: what they give, and the draws that are made of it."""

import pickle

import numpy as np
import onnx
import pytest
from astropy.table import Table
from onnx.reference import ReferenceEvaluator

from skdistmass import AbsMagRegressor, CNMassRegressor, DistMassModel, IsochroneAgeTransformer
from skdistmass.catalog import build_catalog
from skdistmass.datasets import make_survey
from skdistmass.deploy import export_model, load
from skdistmass.deploy.pretrained import load_pretrained, pretrained_path
from skdistmass.exceptions import InputError
from skdistmass.uncertainty import LEVELS

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def graph(model, tmp_path_factory):
    path = tmp_path_factory.mktemp("quantiles") / "model.onnx"
    export_model(model, path, quantiles=True)
    return load(path, threads=1)


@pytest.fixture(scope="module")
def stars():
    return make_survey(1500, random_state=3)


def test_quantiles_and_slopes_are_those_of_the_model(graph, model, stars, assert_vectors):
    assert_vectors(model, stars, graph)
    assert graph.card["quantile_levels"] == LEVELS.tolist()
    assert "quantile levels: 71 from 0.0002326 to 0.9998" in graph.describe()
    assert graph.unit("AGE_CAL_QUANTILES") == "dex(yr)"
    assert "derivatives of MASS " in graph.description("MASS_SLOPES")


def test_onnx_itself_computes_the_same(stars):
    model = load_pretrained("apogee-quantiles", threads=1)
    inputs = {name: column[:16] for name, column in model.read(stars).items()}
    evaluator = ReferenceEvaluator(onnx.load(pretrained_path("apogee-quantiles")))
    with np.errstate(all="ignore"):
        found = dict(zip(model.outputs, evaluator.run(None, inputs), strict=True))
    for name, values in model.predict_vectors({name: column[:16] for name, column in inputs.items()}).items():
        np.testing.assert_allclose(found[name], values, rtol=1e-9, atol=1e-9, err_msg=name)


def test_a_graph_with_quantiles_predicts_the_same_columns(graph, predictors, stars):
    catalog, other = graph.predict(stars), predictors("float64", True).predict(stars)
    assert list(catalog) == graph.columns == list(other)
    for name, values in other.items():
        np.testing.assert_array_equal(catalog[name], values)


def test_draws_are_those_of_the_model(graph, model, stars):
    for scale in ("", "CAL"):
        own = graph.sample(stars, 50, scale=scale, random_state=0)
        expected = model.sample(stars, 50, scale=scale, random_state=0, out_of_fold=False)
        assert own.keys() == expected.keys()
        for name, values in expected.items():
            np.testing.assert_allclose(own[name], values, rtol=1e-4, atol=1e-5, err_msg=name)
    posterior = pickle.loads(pickle.dumps(graph)).posterior(stars, 50, random_state=0)
    assert posterior.colnames == model.posterior(stars, 50, random_state=0).colnames


@pytest.mark.parametrize("part", ["distance", "mass"])
def test_a_model_of_one_part_has_its_quantiles(part, tmp_path, stars):
    small = {"n_networks": 1, "network__hidden_layer_sizes": 3, "n_folds": 2}
    networks = AbsMagRegressor().set_params(**small), CNMassRegressor().set_params(**small)
    model = DistMassModel(*networks, mass_scales={"CAL": "MASS_CAL"}, parts=part, fallback=False, random_state=0)
    model.fit(make_survey(1500, random_state=0))
    export_model(model, tmp_path / "m.onnx", quantiles=True)
    graph = load(tmp_path / "m.onnx", threads=1)
    expected = {"distance": ["ABS_MAG", "DISTANCE"], "mass": ["MASS_CAL", "AGE_CAL"]}[part]
    assert {name.removesuffix("_QUANTILES") for name in graph.outputs if "_QUANTILES" in name} == set(expected)
    own, draws = graph.sample(stars, 20, random_state=0), model.sample(stars, 20, random_state=0, out_of_fold=False)
    for name, values in draws.items():
        np.testing.assert_allclose(own[name], values, rtol=1e-4, atol=1e-5, err_msg=name)


def test_graphs_without_what_draws_need_are_refused(predictors, model, tmp_path, stars):
    with pytest.raises(InputError, match="has no quantiles; export"):
        predictors().sample(stars[:5])
    with pytest.raises(InputError, match="has no quantiles; export"):
        predictors().predict_vectors(stars[:5])
    export_model(model, tmp_path / "m.onnx", quantiles=True, card={"quantile_levels": [0.1, 0.9]})
    with pytest.raises(InputError, match="levels unlike"):
        load(tmp_path / "m.onnx").sample(stars[:5])
    other = DistMassModel(model.abs_mag, model.mass)
    vars(other).update(vars(model), age_=IsochroneAgeTransformer(mass_loss=0.1))
    export_model(other, tmp_path / "m.onnx", quantiles=True)
    with pytest.raises(InputError, match="ages by the relation"):
        load(tmp_path / "m.onnx").sample(stars[:5])


@pytest.mark.parametrize("name", ["apogee-float32", "kepler-giants-errors"])
def test_models_of_the_package_give_posteriors(name, stars):
    model = load_pretrained(name, threads=1)
    posterior, catalog = model.posterior(stars[:200], 300, random_state=0), model.predict(stars[:200])
    for column in ("DISTANCE", "MASS"):
        width = catalog[f"{column}_HI"] - catalog[f"{column}_LO"]
        known = np.isfinite(width) & (catalog["MASS_SPACE"] == 0)
        assert known.sum() > 20
        off = (np.asarray(posterior[f"{column}_MEDIAN"]) - catalog[column])[known] / width[known]
        assert np.median(np.abs(off)) < 0.2


def test_a_catalogue_of_a_graph_has_the_same_draws_whatever_the_chunks(stars, tmp_path):
    model = load_pretrained("apogee", threads=1)
    stars[:100].write(tmp_path / "survey.fits")
    for rows in (37, 100):
        build_catalog(model, tmp_path / "survey.fits", tmp_path / f"{rows}.vot", chunk_rows=rows, posterior="draws")
    one, other = (Table.read(tmp_path / f"{rows}.vot")["POST_AGE_DRAWS"] for rows in (37, 100))
    np.testing.assert_array_equal(np.ma.getdata(one), np.ma.getdata(other))
