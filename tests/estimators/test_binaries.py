"""The binary filter, on a mock survey that knows its binaries."""

import warnings

import numpy as np
import pytest
from imblearn.pipeline import Pipeline
from sklearn.base import clone
from sklearn.neighbors import KNeighborsRegressor

from skdistmass import AbsMagRegressor, BinaryResidualFilter, LevenbergMarquardtMLPRegressor
from skdistmass.datasets import make_survey
from skdistmass.estimators.binaries import PAPER_THRESHOLD, find_valley
from skdistmass.estimators.label_regressor import LabelRegressor
from skdistmass.exceptions import InputError, NoValleyWarning, RowsLeftOutWarning
from skdistmass.labels import LABEL_NAMES
from skdistmass.photometry import absolute_magnitude

pytestmark = pytest.mark.slow

NETWORK = LevenbergMarquardtMLPRegressor(hidden_layer_sizes=6, tol=1e-3, n_starts=2)
SMALL = {"network": NETWORK, "n_networks": 1, "error_model": None, "random_state": 0}
FIRST = LabelRegressor(**SMALL)


@pytest.fixture(scope="module")
def stars():
    return make_survey(
        2500, giant_fraction=0.4, binary_fraction=0.4, sentinel_fraction=0, bad_fraction=0, random_state=1
    )


@pytest.fixture(scope="module")
def abs_mag(stars):
    """Absolute magnitude of all the light, as parallaxes give it."""
    return absolute_magnitude(stars["K"], stars["TRUE_EXTINCTION"], stars["TRUE_DISTANCE"])


@pytest.fixture(scope="module")
def fitted(stars, abs_mag):
    return BinaryResidualFilter(estimator=FIRST, random_state=0).fit(stars, abs_mag)


def test_purity_and_completeness(stars, fitted):
    """Of what is left out most are binaries; of the bright binaries most are left out."""
    out = ~fitted.support_
    binary, excess = np.asarray(stars["TRUE_BINARY"], bool), np.asarray(stars["TRUE_MAG_EXCESS"])
    assert binary[out].mean() > 0.85
    assert out[excess > 0.5].mean() > 0.85
    assert out[~binary].mean() < 0.03
    # The side is that of the binaries: too bright for their labels.
    assert np.median(fitted.residual_[excess > 0.5]) == pytest.approx(1 - 0.5**0.5, abs=0.06)


def test_training_after_it_is_less_biased(stars, abs_mag):
    single = ~np.asarray(stars["TRUE_BINARY"], bool) & (np.asarray(stars["TRUE_LOGG"]) > 4.0)
    bias = {}
    for name, binary_filter in {"before": None, "after": BinaryResidualFilter(estimator=FIRST)}.items():
        model = AbsMagRegressor(binary_filter=binary_filter, **SMALL).fit(stars, abs_mag)
        bias[name] = np.median(model.predict(stars)[single] - stars["TRUE_ABS_MAG"][single])
    assert bias["before"] < -0.05  # taken for brighter than they are
    assert abs(bias["after"]) < 0.5 * abs(bias["before"])


def test_it_drops_rows_of_training_only(stars, abs_mag):
    model = AbsMagRegressor(binary_filter=BinaryResidualFilter(estimator=FIRST), **SMALL).fit(stars, abs_mag)
    assert model.n_binaries_ > 100
    assert model.n_rows_ == len(stars) - model.n_binaries_ == model.binary_filter_.support_.sum()
    assert np.isfinite(model.predict(stars)).all()
    assert not hasattr(model.binary_filter_, "predict")
    assert not hasattr(model.binary_filter_, "transform")


def test_threshold_is_the_border(fitted):
    assert fitted.threshold_ == PAPER_THRESHOLD
    assert np.array_equal(fitted.support_, fitted.residual_ <= PAPER_THRESHOLD)


def test_valley_is_found(stars, abs_mag):
    dwarfs = np.asarray(stars["TRUE_LOGG"]) > 4.0
    binaries = BinaryResidualFilter(threshold="valley", estimator=FIRST, random_state=0)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        binaries.fit(stars[dwarfs], abs_mag[dwarfs])
    assert 0.08 < binaries.threshold_ < 0.25
    assert binaries.threshold_ != PAPER_THRESHOLD


def test_without_a_valley_the_paper_s_threshold_stands(stars, abs_mag):
    single = np.flatnonzero(~np.asarray(stars["TRUE_BINARY"], bool))[:400]
    binaries = BinaryResidualFilter(threshold="valley", estimator=FIRST, n_rounds=1, random_state=0)
    with pytest.warns(NoValleyWarning, match=r"threshold of 0\.13 is used"):
        binaries.fit(stars[single], abs_mag[single])
    assert binaries.threshold_ == PAPER_THRESHOLD


@pytest.mark.parametrize("seed", range(5))
def test_noise_has_no_valley(seed):
    rng = np.random.default_rng(seed)
    assert find_valley(rng.normal(0, 0.08, 3000)) is None
    two = np.concatenate([rng.normal(0, 0.04, 3000), rng.normal(0.28, 0.03, 600), [np.nan] * 5])
    assert 0.1 < find_valley(two) < 0.22


class Memory(LabelRegressor):
    """Remembers the stars it was trained on, and predicts 0 for them and 9 for others."""

    def fit(self, X, y, sample_weight=None):
        self.known_ = set(X[:, 0])
        return self

    def predict(self, X):
        return np.array([0.0 if star in self.known_ else 9.0 for star in X[:, 0]])


def test_a_star_is_judged_by_a_model_that_has_not_seen_it():
    star = np.repeat(np.arange(50.0), 4)
    X = np.column_stack([star, np.arange(200.0) / 1000])
    y = np.full(200, 9.0)  # residual 0 if the star is new to the model, else far on the side of the single stars
    binaries = BinaryResidualFilter(estimator=Memory(), n_rounds=1, random_state=0)
    by_star = clone(binaries).fit(X, y, groups=star)
    assert np.all(by_star.residual_ == 0)
    # Without the names of the stars their other spectra give them away: the test would see it.
    assert np.any(clone(binaries).fit(X, y).residual_ != 0)
    repeated = clone(binaries).fit(np.repeat(X, 2, axis=0)[:, :1], np.repeat(y, 2))
    assert np.all(repeated.residual_ == 0)  # equal rows stay together in any case


@pytest.mark.parametrize("kind", ["table", "frame", "array", "dict", "list"])
def test_fit_resample_keeps_the_kind(stars, abs_mag, fitted, kind):
    stars = stars[list(LABEL_NAMES)]
    array = np.column_stack([stars[name] for name in LABEL_NAMES]).astype(float)
    X = {
        "table": stars,
        "frame": stars.to_pandas(),
        "array": array,
        "dict": {name: np.asarray(stars[name]) for name in LABEL_NAMES},
        "list": array.tolist(),
    }[kind]
    y = {"table": stars["TEFF"].__class__(abs_mag, unit="mag"), "list": abs_mag.tolist()}.get(kind, abs_mag)
    binaries = BinaryResidualFilter(estimator=FIRST, random_state=0)
    kept_X, kept_y = binaries.fit_resample(X, y)
    assert type(kept_X) is type(X)
    assert type(kept_y) is type(y)
    assert np.array_equal(binaries.sample_indices_, np.flatnonzero(fitted.support_))
    assert np.array_equal(np.asarray(kept_y), abs_mag[fitted.support_])
    first = kept_X["TEFF"] if kind in ("table", "frame", "dict") else np.asarray(kept_X)[:, 0]
    assert np.array_equal(np.asarray(first, float), array[fitted.support_, 0])


def test_inside_an_imbalanced_learn_pipeline(stars, abs_mag):
    pipeline = Pipeline(
        [("binaries", BinaryResidualFilter(estimator=FIRST, random_state=0)), ("regressor", LabelRegressor(**SMALL))]
    )
    array = np.column_stack([stars[name] for name in LABEL_NAMES]).astype(float)
    pipeline.fit(array, abs_mag)
    assert pipeline["regressor"].n_rows_ == pipeline["binaries"].support_.sum() < len(stars)
    predicted = pipeline.predict(array)
    assert predicted.shape == (len(stars),)
    direct = AbsMagRegressor(binary_filter=BinaryResidualFilter(estimator=FIRST, random_state=0), **SMALL)
    assert np.allclose(direct.fit(array, abs_mag).predict(array), predicted)


def test_rows_that_can_not_be_judged(stars, abs_mag):
    stars, abs_mag = stars[:300].copy(), np.array(abs_mag[:300])
    stars["TEFF"][0], abs_mag[1] = np.nan, -9999.0
    weights = np.ones(300)
    weights[2] = 0.0
    with pytest.warns(RowsLeftOutWarning, match="3 of 300 rows"):
        binaries = BinaryResidualFilter(estimator=FIRST, random_state=0).fit(stars, abs_mag, sample_weight=weights)
    assert np.isnan(binaries.residual_).tolist() == [True] * 3 + [False] * 297
    assert not binaries.support_[:3].any()


def test_any_regressor_can_judge(stars, abs_mag):
    array = np.column_stack([stars[name] for name in ("TEFF", "LOGG", "M_H")]).astype(float) / [500, 0.3, 0.3]
    binaries = BinaryResidualFilter(estimator=KNeighborsRegressor(5), n_rounds=1, random_state=0).fit(array, abs_mag)
    assert np.asarray(stars["TRUE_BINARY"])[~binaries.support_].mean() > 0.5


def test_a_filter_that_leaves_nothing_says_so():
    rng = np.random.default_rng(0)
    X = rng.normal(size=(40, 2))

    class Faint(LabelRegressor):
        def predict(self, X):
            return np.full(len(X), 5.0)

    model = AbsMagRegressor(binary_filter=BinaryResidualFilter(estimator=Faint(**SMALL), random_state=0), **SMALL)
    with pytest.raises(InputError, match="left none of 40 stars"):
        model.fit(X, X[:, 0])
    with pytest.raises(InputError, match="at least 2 are needed"):
        BinaryResidualFilter().fit(X[:1], [0.0])
