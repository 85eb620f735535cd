"""Each formula of a catalogue on numbers that can be checked by hand."""

import numpy as np
import pytest

from skdistmass.model.prediction import age_columns, distance_columns, half_width, interval_columns, weighted_columns

ONE = np.ones(1)


def test_ends_of_intervals_have_their_names():
    intervals = np.array([[[1.0, 2.0]], [[0.5, 3.0]]])
    found = {name: values.item() for name, values in interval_columns("MASS", intervals).items()}
    assert found == {"MASS_LO": 1.0, "MASS_HI": 2.0, "MASS_LO95": 0.5, "MASS_HI95": 3.0}
    assert half_width(intervals[0]).tolist() == [0.5]


def test_distance_and_the_sides_of_its_intervals():
    """M_K = -2 in (-2.3, -1.6) and (-2.6, -1.2), K = 10.2, A_K = 0.2: m - A - M = 12, that is 10^3.4 pc."""
    intervals = np.array([[[-2.3, -1.6]], [[-2.6, -1.2]]])
    found = distance_columns(-2.0 * ONE, intervals, 10.2 * ONE, 0.2 * ONE, 0.3 * ONE, 0.4 * ONE)
    found = {name: values.item() for name, values in found.items()}
    # Errors of magnitude and extinction are 0.5 together; a bright star is far, so the sides change places.
    wanted = {
        "ABS_MAG": -2.0,
        "ABS_MAG_ERR": 0.35,
        "DISTANCE": 10**0.4,
        "DISTANCE_LO": 10 ** (0.4 - 0.2 * np.hypot(0.4, 0.5)),
        "DISTANCE_HI": 10 ** (0.4 + 0.2 * np.hypot(0.3, 0.5)),
        "DISTANCE_LO95": 10 ** (0.4 - 0.2 * np.hypot(0.8, 1.0)),
        "DISTANCE_HI95": 10 ** (0.4 + 0.2 * np.hypot(0.6, 1.0)),
    }
    wanted["DISTANCE_ERR"] = (wanted["DISTANCE_HI"] - wanted["DISTANCE_LO"]) / 2
    assert found == pytest.approx(wanted, rel=1e-12)


def test_the_mean_of_two_distances_is_that_of_their_parallaxes():
    """Parallaxes of 0.5 and 0.4 mas, both with an error of a tenth."""
    found = weighted_columns(2.0 * ONE, 0.2 * ONE, 2.5 * ONE, 0.25 * ONE)
    weights = 1 / 0.05**2, 1 / 0.04**2
    parallax = (0.5 * weights[0] + 0.4 * weights[1]) / sum(weights)
    assert found["DISTANCE_WEIGHTED"].item() == pytest.approx(1 / parallax)
    assert found["DISTANCE_WEIGHTED_ERR"].item() == pytest.approx(1 / parallax**2 / np.sqrt(sum(weights)))


class Line:
    """A relation by which a star of twice the mass has an age smaller by 1 dex."""

    def ages_of_predicted(self, mass, m_h, intervals, mass_err):
        age = 10.0 - np.log2(mass)
        ends = (10.0 - np.log2(intervals))[:, :, ::-1]
        return age, ends, mass_err / mass, np.zeros(len(mass), dtype=int)


def test_ages_have_ends_in_order_and_half_their_width_as_error():
    intervals = np.array([[[1.0, 4.0]] * 2, [[0.5, 8.0]] * 2])
    found = age_columns(Line(), "", np.full(2, 2.0), intervals, np.zeros(2), np.array([2.5, 3.5]))
    giant, dwarf = ({name: values[row].item() for name, values in found.items()} for row in (0, 1))
    assert giant == {
        "AGE": 9.0, "AGE_LO": 8.0, "AGE_HI": 10.0, "AGE_LO95": 7.0, "AGE_HI95": 11.0, "AGE_ERR": 1.0, "AGE_FLAG": 0
    }  # fmt: skip
    assert dwarf.pop("AGE_FLAG") == 32
    assert np.isnan(list(dwarf.values())).all()
