"""Random numbers of stars."""

import numpy as np
from scipy import stats

from skdistmass.datasets import make_survey
from skdistmass.labels import LABEL_NAMES
from skdistmass.model.star_random import StarRandom
from skdistmass.surveys import as_stars


def test_numbers_are_even_normal_and_independent():
    random = StarRandom(np.arange(2000), seed=3)
    normal = random.standard_normal((3, 2000, 40))
    assert stats.kstest(normal.ravel(), "norm").pvalue > 0.01
    assert stats.kstest(random.random((2000, 1)).ravel(), "uniform").pvalue > 0.01
    # Of neighbouring stars, of neighbouring numbers, and of two calls.
    again = random.standard_normal((3, 2000, 40))
    for one, other in ((normal[:, 1:], normal[:, :-1]), (normal[..., 1:], normal[..., :-1]), (normal, again)):
        assert abs(np.corrcoef(one.ravel(), other.ravel())[0, 1]) < 4.0 / np.sqrt(one.size)


def test_a_star_has_its_numbers_whatever_it_comes_with_and_another_seed_others():
    stars = as_stars(make_survey(300, random_state=0))
    every = StarRandom.of(stars)
    some = np.array([5, 250, 17])
    numbers = every.standard_normal((2, 300, 7))
    np.testing.assert_array_equal(StarRandom.of(stars[some]).standard_normal((2, 3, 7)), numbers[:, some])
    np.testing.assert_array_equal(every[some].standard_normal((2, 3, 7)), numbers[:, some])
    assert not np.any(StarRandom.of(stars, 1).standard_normal((2, 300, 7)) == numbers)


def test_stars_without_identifiers_are_told_by_their_labels():
    stars = make_survey(300, random_state=0, sentinel_fraction=0)
    bare = as_stars({name: stars[name] for name in LABEL_NAMES})
    numbers = StarRandom.of(bare).random((300, 1))
    assert len(np.unique(numbers)) > 290
