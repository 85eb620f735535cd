"""Models go to other processes: by pickle, joblib, fork and spawn, and Dask knows them again."""

import copy
import itertools
import multiprocessing
import pickle

import joblib
import numpy as np
import pytest

from skdistmass import load_model, load_pretrained
from skdistmass.deploy import runtime
from skdistmass.distributed.model_file import ModelFile, _load
from skdistmass.exceptions import FileFormatError
from skdistmass.surveys import as_stars

NAMES = ("kepler-giants", "kepler-giants-float32", "trained")
COPIES = {"pickle": lambda m: pickle.loads(pickle.dumps(m)), "deepcopy": copy.deepcopy}


@pytest.fixture(scope="module")
def models(fitted, tmp_path_factory):
    path = tmp_path_factory.mktemp("model") / "trained.model"
    fitted.save(path)
    return {name: load_model(path) if name == "trained" else load_pretrained(name) for name in NAMES}


@pytest.fixture(scope="module")
def stars(survey):
    return as_stars(survey.iloc[:500])


def _predict(model, stars):
    return model.predict_columns(stars)


def _session(model, stars):
    return id(pickle.loads(model)._session) == id(pickle.loads(model)._session)


def _same(found, expected):
    assert list(found) == list(expected)
    for name, values in found.items():
        np.testing.assert_array_equal(values, expected[name], err_msg=name)


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("how", COPIES)
def test_copies(models, stars, name, how):
    _same(_predict(COPIES[how](models[name]), stars), _predict(models[name], stars))


@pytest.mark.slow
@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("method", ["fork", "spawn"])
def test_other_processes(models, stars, name, method):
    expected = _predict(models[name], stars)
    if method not in multiprocessing.get_all_start_methods():
        pytest.skip(f"this system has no {method}")
    with multiprocessing.get_context(method).Pool(1) as pool:
        _same(pool.apply(_predict, (models[name], stars)), expected)


@pytest.mark.parametrize("name", NAMES)
def test_joblib(models, stars, name):
    for found in joblib.Parallel(n_jobs=2)(joblib.delayed(_predict)(models[name], stars) for _ in range(2)):
        _same(found, _predict(models[name], stars))


@pytest.mark.parametrize("name", NAMES)
def test_dask_knows_a_model_again(models, stars, name):
    dask = pytest.importorskip("dask", reason="the extra distributed is not installed")
    from dask.base import tokenize

    model = models[name]
    with dask.config.set({"tokenize.ensure-deterministic": True}):
        token = tokenize(model)
        assert {tokenize(make(model)) for make in COPIES.values()} == {token}
        _predict(model, stars)
        assert tokenize(model) == token
        assert len({tokenize(m) for m in models.values()}) == len(models)


def test_tokens_of_a_trained_model(fitted, models):
    other = copy.deepcopy(models["trained"])
    assert other.__dask_tokenize__() == fitted.__dask_tokenize__() != type(fitted)().__dask_tokenize__()
    other.masses_["CAL"].errors_.quantiles_[0] += 1e-9
    assert other.__dask_tokenize__() != fitted.__dask_tokenize__()


def test_a_process_makes_one_session():
    """Also if no copy of the predictor is alive between two tasks."""
    content = pickle.dumps(load_pretrained("kepler-giants"))
    runtime._SESSIONS.clear()
    runtime._LATEST.clear()
    first = id(pickle.loads(content)._session)
    assert id(pickle.loads(content)._session) == first


def test_the_process_decides_on_threads(monkeypatch):
    monkeypatch.setenv("OMP_NUM_THREADS", "3")
    assert runtime._threads_here() == 3
    for value in ("", "none", "0"):
        monkeypatch.setenv("OMP_NUM_THREADS", value)
        assert runtime._threads_here() >= 1
    assert pickle.loads(pickle.dumps(load_pretrained("kepler-giants")))._threads is None


@pytest.mark.parametrize("name", [*NAMES[:2], "apogee"])
def test_predictions_do_not_depend_on_the_rows_they_come_with(survey, name):
    stars, model = as_stars(survey.iloc[:5000]), load_pretrained(name)
    whole = model.predict_columns(stars)
    edges = [0, *range(1, 40), 47, 100, 2147, 4195, 4196, 5000]
    pieces = [model.predict_columns(stars[a:b]) for a, b in itertools.pairwise(edges)]
    _same({name: np.concatenate([piece[name] for piece in pieces]) for name in whole}, whole)


def test_a_model_travels_as_its_file(fitted, tmp_path):
    path = tmp_path / "my.model"
    fitted.save(path)
    reference = pickle.loads(pickle.dumps(ModelFile.of(path)))
    assert reference.load() is ModelFile.of(path).load()
    assert len(pickle.dumps(reference)) < 500 + len(str(path))
    path.write_bytes(path.read_bytes() + b" ")
    _load.cache_clear()
    with pytest.raises(FileFormatError, match="another model here"):
        reference.load()
    path.unlink()
    with pytest.raises(FileFormatError, match="neither a file nor a model"):
        reference.load()
