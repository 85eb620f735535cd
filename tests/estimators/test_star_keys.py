"""Keys by which a star is known again."""

import hashlib

import numpy as np

from skdistmass.estimators.star_keys import find_sorted, identifier_key, label_keys, star_groups
from skdistmass.surveys import Stars


def test_keys_of_identifiers():
    assert identifier_key(np.array([5, 1, 0, -1, -9999])).tolist() == [5, 1, 0, 0, 0]
    names = np.array(["2M00000002+7417074", "", "b"])
    found = identifier_key(names)
    assert found[1] == 0
    digest = hashlib.blake2b(names[0].encode(), digest_size=8).digest()
    assert found[0] == int.from_bytes(digest, "little", signed=True)
    assert found[2] not in (0, found[0])
    assert found.dtype == np.int64
    many = np.array([f"star {k}" for k in range(65_540)])  # more than are turned into text at a time
    keys = identifier_key(many)
    assert len(np.unique(keys)) == len(many)
    np.testing.assert_array_equal(keys[[0, 65_535, 65_536, 65_539]], identifier_key(many[[0, 65_535, 65_536, 65_539]]))


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
