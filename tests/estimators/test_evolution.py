"""Red clump or red giant branch."""

import numpy as np
import pandas as pd
import pytest
from astropy.table import Table
from sklearn.metrics import log_loss
from sklearn.utils.estimator_checks import parametrize_with_checks

from skdistmass import EvolutionaryStateClassifier
from skdistmass.datasets import make_survey
from skdistmass.exceptions import InputError, RowsLeftOutWarning
from skdistmass.surveys import as_stars, read_survey


@parametrize_with_checks([EvolutionaryStateClassifier()])
@pytest.mark.filterwarnings(
    "ignore::sklearn.exceptions.ConvergenceWarning", "ignore::skdistmass.exceptions.RowsLeftOutWarning"
)
def test_scikit_learn_contract(estimator, check):
    check(estimator)


@pytest.fixture(scope="module")
def giants():
    stars = make_survey(6000, random_state=5, sentinel_fraction=0)
    return stars[np.asarray(stars["EVSTATE"]) > 0]


@pytest.fixture(scope="module")
def model(giants):
    return EvolutionaryStateClassifier(random_state=0).fit(giants[::2], giants["EVSTATE"][::2])


def test_probabilities_of_new_stars_are_calibrated(giants, model):
    probability = model.predict_proba(giants[1::2])[:, 1]
    clump = np.asarray(giants["EVSTATE"][1::2]) == 2
    assert np.mean((probability > 0.5) == clump) > 0.8
    for low, high in ((0.0, 0.25), (0.25, 0.75), (0.75, 1.0)):
        rows = (probability >= low) & (probability <= high)
        spread = np.sqrt(np.sum(probability[rows] * (1 - probability[rows]))) / rows.sum()
        assert abs(probability[rows].mean() - clump[rows].mean()) < 4 * spread + 0.02


def test_missing_labels_have_no_state(giants, model):
    few = Table(giants[:4], copy=True)
    few["N_FE"] = [np.nan, -9999.99, 0.1, 0.2]
    probability = model.predict_proba(few)
    assert np.isnan(probability[:2]).all()
    np.testing.assert_allclose(probability[2:].sum(axis=1), 1.0)
    assert model.predict(few)[:2].tolist() == [0, 0]
    assert set(model.predict(few)[2:]) <= {1, 2}


def test_a_state_called_zero_and_missing_labels_do_not_mix(giants):
    clump = np.asarray(giants["EVSTATE"]) == 2
    model = EvolutionaryStateClassifier(random_state=0).fit(giants, clump.astype(int))
    assert set(model.predict(giants[:50])) <= {0, 1}
    nothing = {name: [np.nan] for name in ("TEFF", "LOGG", "M_H", "C_FE", "N_FE")}
    assert model.predict(nothing).tolist() == [-1]


def test_names_weights_and_masks(giants):
    names = np.where(np.asarray(giants["EVSTATE"]) == 2, "RC", "RGB")
    X = as_stars(giants).labels
    twice = EvolutionaryStateClassifier(random_state=0).fit(np.vstack([X, X[:500]]), np.append(names, names[:500]))
    weights = np.where(np.arange(len(X)) < 500, 2.0, 1.0)
    weighted = EvolutionaryStateClassifier(random_state=0, alpha=1.0).fit(X, names, sample_weight=weights)
    assert twice.classes_.tolist() == ["RC", "RGB"]
    # The penalty counts the rows, which are not as many.
    np.testing.assert_allclose(twice.predict_proba(X), weighted.predict_proba(X), atol=0.02)
    masked = np.ma.array(names, mask=np.arange(len(X)) >= len(X) - 3)
    with pytest.warns(RowsLeftOutWarning, match="3 of"):
        left_out = EvolutionaryStateClassifier(random_state=0).fit(X, masked)
    whole = EvolutionaryStateClassifier(random_state=0).fit(X[:-3], names[:-3])
    np.testing.assert_array_equal(left_out.predict_proba(X), whole.predict_proba(X))


def test_one_state_is_refused(giants):
    with pytest.raises(InputError, match="at least two states"):
        EvolutionaryStateClassifier().fit(giants, np.ones(len(giants), dtype=int))


def test_data_frames_give_the_same(giants, model):
    labels = as_stars(giants[:10]).labels
    frame = pd.DataFrame(labels, columns=["TEFF", "LOGG", "M_H", "C_FE", "N_FE"])
    np.testing.assert_array_equal(model.predict_proba(frame), model.predict_proba(giants[:10]))


def test_real_giants(real_data):
    stars = read_survey(real_data("kepler_giants.fits"), columns=["EVSTATE"])
    known = np.isfinite(stars.labels).all(axis=1) & np.isin(stars["EVSTATE"], (1, 2))
    X, state = stars.labels[known], stars["EVSTATE"][known].astype(int)
    model = EvolutionaryStateClassifier(random_state=0).fit(X[::2], state[::2])
    probability = model.predict_proba(X[1::2])[:, 1]
    clump = state[1::2] == 2
    assert np.mean((probability > 0.5) == clump) > 0.965
    assert log_loss(clump, probability) < 0.10
