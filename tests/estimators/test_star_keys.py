"""Keys by which a star is known again."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from skdistmass.estimators.star_keys import find_sorted, identifier_key, label_keys, star_groups
from skdistmass.surveys import Stars


def test_keys_of_identifiers(split_mix):
    assert identifier_key(np.array([5, 1, 0, -1, -9999])).tolist() == [5, 1, 0, 0, 0]
    names = np.array(["2M000", "", "b", "\U0001f52d"])
    found = identifier_key(names)
    assert found.dtype == np.int64
    expected = 0x9E3779B97F4A7C15
    for pair in ("2M", "00", "0\0"):
        expected = split_mix(expected ^ ord(pair[0]) ^ ord(pair[1]) << 32)
    assert found.view(np.uint64)[0] == expected
    assert found[1] == 0
    assert len(set(found.tolist())) == 4
    assert identifier_key(names[:0]).shape == (0,)


@pytest.mark.parametrize("dtype", ["<U24", "<U25", ">U24", "S24", object])
def test_the_key_of_a_text_does_not_depend_on_its_array(dtype):
    many = np.array([f"star {k}" for k in range(65_540)])  # more than are looked at together
    keys = identifier_key(many)
    assert len(np.unique(keys)) == len(many)
    picked = [0, 9, 65_535, 65_536, 65_539]
    np.testing.assert_array_equal(keys[picked], identifier_key(many[picked].astype(dtype)))
    np.testing.assert_array_equal(keys[::-1], identifier_key(many[::-1]))


@given(st.lists(st.text(st.characters(exclude_characters="\0"), max_size=9), min_size=1, unique=True))
def test_different_texts_have_different_keys(texts):
    keys = identifier_key(np.array(texts, dtype=str))
    assert len(set(keys.tolist())) == len(texts)
    assert [key == 0 for key in keys] == [text == "" for text in texts]


def test_keys_of_labels_are_equal_for_equal_rows_only():
    labels = np.array([[4800.0, 2.5, 0.1, 0.0, 0.2], [4800.0, 2.5, 0.1, 0.0, np.nan], [4800.0, 2.5, 0.1, 0.2, 0.0]])
    keys = label_keys(labels)
    assert len(set(keys)) == 3
    # Labels in single precision are the same labels; what is infinite is missing.
    single = labels.astype(np.float32).astype(float)
    single[1, 4] = np.inf
    np.testing.assert_array_equal(label_keys(single), keys)
    assert label_keys(labels[:, :3])[0] == label_keys(labels[:, :3])[1]
    for column in range(5):
        assert label_keys(labels[:1] + 0.01 * np.eye(5)[column])[0] != keys[0]


def test_sorted_keys_are_found():
    keys = np.array([2, 4, 4, 9])
    assert find_sorted(keys, np.array([1, 2, 3, 4, 9, 10])).tolist() == [-1, 0, -1, 1, 3, -1]
    assert find_sorted(keys[:0], np.array([1, 2])).tolist() == [-1, -1]


def test_rows_are_one_star_by_a_chain_of_three_identifiers():
    """Rows 0 and 1 share a name, 1 and 2 a Gaia number, 2 and 3 a KIC number; 4 and 5 share only what is missing."""
    stars = Stars({
        "APOGEE_ID": np.array(["b", "b", "", "", "", "", "a"]),
        "GAIA_SOURCE_ID": np.array([0, 7, 7, 0, 8, 0, 9]),
        "KIC": np.array([0, 0, 5, 5, 0, 0, 8]),
    })  # fmt: skip
    groups = star_groups(stars)
    assert len(set(groups[:4])) == 1
    # A number of one kind is none of another: KIC 8 is not Gaia's 8.
    assert len(set(groups)) == 4
    names = Stars({"APOGEE_ID": stars["APOGEE_ID"]})
    assert star_groups(names).tolist() == [2, 2, 7, 8, 9, 10, 1]
    assert groups[0] == star_groups(names)[0]
    assert groups[6] == star_groups(names)[6]
    numbers = Stars({"KIC": np.array([5, 0, 5, 0])})
    groups = star_groups(numbers)
    assert groups[0] == groups[2]
    assert len(set(groups)) == 3
    assert star_groups(Stars({"TEFF": np.zeros(3)})).tolist() == [0, 1, 2]
    assert len(star_groups(stars[:0])) == 0
