"""The five labels of a table as an array."""

import numpy as np
import pytest

from skdistmass.exceptions import ColumnError, InputError
from skdistmass.labels import LABEL_NAMES, out_of_range, read_labels


def sky(n_stars=3):
    return {name: np.linspace(1.0, 2.0, n_stars) + i for i, name in enumerate(LABEL_NAMES)}


def test_labels_come_in_order_whatever_the_order_of_columns():
    table = sky()
    shuffled = dict(reversed(table.items()))
    assert np.array_equal(read_labels(shuffled).values, np.column_stack([table[n] for n in LABEL_NAMES]))


def test_the_preferred_column_wins_where_both_are():
    table = {"M_H": [0.1], "FE_H": [0.2]}
    assert read_labels(table, ("M_H",)).values.tolist() == [[0.1]]
    preferred = read_labels(table, ("M_H",), prefer={"M_H": "FE_H"})
    assert preferred.values.tolist() == [[0.2]]
    assert preferred.columns == {"M_H": "FE_H"}


def test_columns_of_other_shapes_are_refused():
    with pytest.raises(InputError, match=r"differ in length: TEFF has 3.*LOGG has 2"):
        read_labels(sky() | {"LOGG": [1.0, 2.0]})
    with pytest.raises(ColumnError, match=r"M_H has shape \(3, 2\)"):
        read_labels(sky() | {"M_H": np.zeros((3, 2))})


def test_out_of_range_is_beyond_what_a_star_can_have():
    values = np.array([[1500.0, 2, 0, 0, 0], [4750, 8, 0, 0, 0], [4750, 2, -6, np.nan, 5], [4750, 2, 0, 0, 0]])
    assert out_of_range(values).sum(axis=1).tolist() == [1, 1, 2, 0]
    assert not out_of_range(np.array([[1e9]]), ("OTHER",)).any()
