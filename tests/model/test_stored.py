"""Models and posteriors as they are stored: what a file can hold, and what a catalogue does; without training."""

import numpy as np
import pytest
from sklearn.preprocessing import StandardScaler

from skdistmass import BinaryResidualFilter, DistMassModel, LevenbergMarquardtMLPRegressor
from skdistmass.estimators.label_regressor import LabelRegressor
from skdistmass.exceptions import ColumnError, FileFormatError, InputError
from skdistmass.model import load_predictor, posterior
from skdistmass.model.files import _Reader, _Writer, model_token
from skdistmass.model.posterior import PosteriorMixin
from skdistmass.model.star_random import StarRandom
from skdistmass.model.stored import STORED_LEVELS, StoredPosterior, stored_law, stored_vectors
from skdistmass.surveys import Stars

# ---- files


@pytest.mark.parametrize(
    "value",
    [None, True, 3, "text", 2.5, np.inf, [1, 2.5, "a"], (1, (2, 3)), {"a": 1, "b": (2, [3])}, {1: 2.0}, [], (), {}],
)
def test_values_come_back_as_they_were(value):
    writer = _Writer()
    found = _Reader(writer.arrays).decode(writer.encode(value, "part"))
    assert found == value
    assert type(found) is type(value)


def test_arrays_have_the_names_of_their_roles():
    arrays = {"x": np.arange(3), "texts": np.array(["a", "b"], dtype=object)}
    writer = _Writer()
    encoded = writer.encode([arrays, (np.zeros((2, 2)),)], "part")
    assert sorted(writer.arrays) == ["part/0/x", "part/1/0"]
    first, (second,) = _Reader(writer.arrays).decode(encoded)
    assert first["x"] is arrays["x"]
    assert first["texts"].tolist() == ["a", "b"]
    assert first["texts"].dtype == object
    assert second.shape == (2, 2)
    assert np.isnan(_Reader({}).decode(_Writer().encode(np.float64("nan"), "x")))
    assert _Writer().encode(np.int32(5), "x") == 5


def test_parts_come_back_with_parameters_and_state():
    scaler = StandardScaler(with_mean=False).fit(np.arange(6.0).reshape(3, 2))
    network = LevenbergMarquardtMLPRegressor(hidden_layer_sizes=(4, 2), random_state=np.random.RandomState(0))
    writer = _Writer()
    read = _Reader(writer.arrays).decode(writer.encode({"a": scaler, "b": network}, "parts"))
    assert read["a"].with_mean is False
    np.testing.assert_array_equal(read["a"].scale_, scaler.scale_)
    # What a generator gave is in the state; the generator itself is no value.
    assert read["b"].random_state is None
    assert read["b"].hidden_layer_sizes == (4, 2)
    for seed in (7, np.int64(7)):
        encoded = _Writer().encode(LevenbergMarquardtMLPRegressor(random_state=seed), "x")
        assert encoded["parameters"]["random_state"] == 7


def test_parts_and_state_of_unknown_kinds_are_refused():
    with pytest.raises(InputError, match="mass/x is object, which a model file can't hold"):
        _Writer().encode({"x": object()}, "mass")
    regressor = LabelRegressor()
    regressor.other_ = 1
    with pytest.raises(InputError, match="mass has the attributes other_"):
        _Writer().encode(regressor, "mass")
    regressor = LabelRegressor()
    regressor._working = 1  # no part of what was learned
    assert _Writer().encode(regressor, "mass")["fitted"] == {}
    for wrong, said in (
        ({"array": "x", "more": 1}, "an entry with the keys"),
        ({}, "an entry with the keys"),
        ({"run": "x"}, "an entry named 'run'"),
        ({"kind": "other", "parameters": {}, "fitted": {}}, "a part of the kind 'other'"),
        ({"kind": "mass", "parameters": {}, "fitted": {"x_": 1}}, "a mass with the attributes x_"),
    ):
        with pytest.raises(ValueError, match=said):
            _Reader({}).decode(wrong)


@pytest.mark.parametrize(
    ("name", "said"), [("a.zip", "is not a model of skdistmass"), ("a.onnx", "ONNX"), ("a", "is not a model")]
)
def test_a_file_is_a_graph_by_its_ending_and_else_a_model(tmp_path, name, said):
    (tmp_path / name).write_text("neither")
    with pytest.raises(FileFormatError, match=said):
        load_predictor(tmp_path / name)


def test_models_of_other_parameters_have_other_tokens():
    def token(**parameters):
        return model_token(DistMassModel(**parameters))

    assert token() == token() != token(parts="mass")
    assert token(random_state=0) != token(random_state=1)
    by_threshold = [token(abs_mag=LabelRegressor(), mass=BinaryResidualFilter(threshold=t)) for t in (0.1, 0.2)]
    assert by_threshold[0] != by_threshold[1]
    model = DistMassModel()
    model.removed_ = {"MASS": {"no mass": 3}}
    assert token()[0] == model_token(model)[0] == "DistMassModel"
    assert token()[1] != model_token(model)[1]


# ---- draws in blocks


class Drawn:
    """In place of a drawing: its draws are the numbers of the rows."""

    def __init__(self, model, stars, n_samples, scale, out_of_fold, rng, physics):
        model.asked.append((len(stars), n_samples, scale, out_of_fold, physics))
        self.draws = np.repeat(stars["TEFF"][:, None], n_samples, axis=1)

    def use_isochrones(self, isochrones, parallax):
        self.draws = self.draws + 1000.0

    def weigh(self, parallax, age_limit, age_prior):
        self.options = parallax, age_limit, age_prior

    def finish(self):
        return {"MASS": self.draws, "AGE_CUT": np.full(len(self.draws), self.options[1] or 0.0)}


class Model(PosteriorMixin):
    abs_mag_, masses_, metallicity_ = None, {"A": None, "B": None}, "M_H"

    def __init__(self):
        self.asked = []


@pytest.fixture
def model(monkeypatch):
    monkeypatch.setattr(posterior, "Drawing", Drawn)
    return Model()


FIVE = Stars({"TEFF": np.arange(5.0), "APOGEE_ID": np.array(list("abcde"))})


def test_blocks_of_draws_are_joined(model, monkeypatch):
    monkeypatch.setattr(posterior, "_BLOCK_DRAWS", 8)
    found = model.sample(FIVE, 4)
    assert [asked[0] for asked in model.asked] == [2, 2, 1]
    assert found["MASS"].tolist() == [[star] * 4 for star in range(5)]
    assert found["AGE_CUT"].tolist() == [13.8] * 5
    assert model.asked[0][1:] == (4, "A", True, None)
    model.asked.clear()
    assert model.sample(FIVE, 9, scale="all", out_of_fold=False, age_limit=None)["MASS"].shape == (5, 9)
    assert model.asked == [(1, 9, "all", False, None)] * 5
    assert model.sample(FIVE[:0], 4)["MASS"].shape == (0, 4)
    assert model.sample(FIVE, 1, isochrones="isochrones")["MASS"].ravel().tolist() == [1000.0 + k for k in range(5)]
    table = model.posterior(FIVE, 4)
    assert table.colnames[0] == "APOGEE_ID"
    assert table["MASS_MEDIAN"].tolist() == [0.0, 1.0, 2.0, 3.0, 4.0]
    assert str(table["MASS_P16"].unit) == "solMass"
    assert table["AGE_CUT"].unit is None


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"n_samples": 0}, "n_samples is 0"),
        ({"n_samples": 2.0}, r"n_samples is 2\.0"),
        ({"age_limit": 0.0}, r"age_limit is 0\.0"),
        ({"age_limit": np.nan}, "age_limit is nan"),
        ({"scale": "C"}, "no mass scale 'C'; it has A, B"),
    ],
)
def test_options_that_make_no_draws(model, options, said):
    with pytest.raises(InputError, match=said):
        model.sample(FIVE, **options)
    with pytest.raises(ColumnError, match="needs a column PARALLAX"):
        model.sample(FIVE, parallax=True)


# ---- posteriors of a catalogue


@pytest.mark.parametrize(("n_samples", "legal"), [(1, False), (2, True), (10_000, True), (10_001, False), (2.5, False)])
def test_numbers_of_draws_that_can_be_stored(n_samples, legal):
    if legal:
        assert StoredPosterior(n_samples=n_samples).n_samples == n_samples
    else:
        with pytest.raises(InputError, match="whole number from 2 to 10,000"):
            StoredPosterior(n_samples=n_samples)


class Sampler:
    def sample(self, stars, n_samples, *, random_state, **options):
        self.options = options
        mass = random_state.random((len(stars), n_samples))
        return {"MASS": mass, "DISTANCE": 2.0 * mass, "M_H": -mass, "AGE_CUT": np.full(len(stars), 0.6)}


def test_forms_of_a_stored_posterior():
    stars = FIVE.with_columns({name: np.arange(5.0) for name in ("LOGG", "M_H", "C_FE", "N_FE")})
    draws = StarRandom.of(stars, 3).random((5, 50))
    found = {}
    for form in ("quantiles", "summary", "draws"):
        columns = StoredPosterior(form, n_samples=50, seed=3).columns_of(Sampler(), stars)
        found[form] = {column.name: values for column, values in columns.items()}
    np.testing.assert_allclose(STORED_LEVELS[[0, 6, -1]], [0.00134990, 0.5, 0.99865010], rtol=1e-5)
    assert len(STORED_LEVELS) == 13
    quantiles = found["quantiles"]["POST_MASS_QUANTILES"]
    np.testing.assert_allclose(quantiles, np.quantile(draws, STORED_LEVELS, axis=1).T, rtol=1e-6)
    np.testing.assert_allclose(stored_law(quantiles).median(), np.median(draws, axis=1), rtol=1e-6)
    np.testing.assert_allclose(stored_vectors(found["draws"]["POST_DISTANCE_DRAWS"]), 2.0 * draws, rtol=1e-6)
    np.testing.assert_allclose(found["summary"]["POST_MASS_MEAN"], draws.mean(axis=1), rtol=1e-6)
    # The metallicity is drawn with the others, and is no result of its own.
    assert [any("M_H" in name for name in columns) for columns in found.values()] == [False, False, True]
    for columns in found.values():
        assert columns["POST_AGE_BY_PRIOR"].tolist() == [True] * 5
    assert [StoredPosterior(form).n_samples for form in found] == [1000, 1000, 100]


def test_what_is_asked_of_the_model_and_what_can_not_be():
    model = Sampler()
    stars = FIVE.with_columns({name: np.arange(5.0) for name in ("LOGG", "M_H", "C_FE", "N_FE")})
    StoredPosterior(n_samples=2, scale="all", parallax=True, age_limit=None).columns_of(model, stars, out_of_fold=False)
    assert model.options == {
        "scale": "all", "parallax": True, "age_limit": None, "isochrones": None, "physics": None, "out_of_fold": False
    }  # fmt: skip
    assert StoredPosterior.of(None) is None
    assert StoredPosterior.of("draws") == StoredPosterior("draws")
    for wrong in (3, "other"):
        with pytest.raises(InputError, match="give one of summary, quantiles, draws"):
            StoredPosterior.of(wrong)
    with pytest.raises(InputError, match="object has no draws"):
        StoredPosterior().columns_of(object(), stars)
