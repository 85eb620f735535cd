"""Each formula of a catalogue on numbers that can be checked by hand."""

import numpy as np
import pytest

from skdistmass.model.prediction import (
    age_columns,
    bitmask,
    complete,
    distance_columns,
    half_width,
    interval_columns,
    mass_source_bits,
    of_first_scale,
    survey_columns,
    weighted_columns,
)
from skdistmass.surveys import Stars
from skdistmass.surveys.training_sets import TrainingCuts

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


class Clipped(Line):
    """A relation that ends: the first star's interval of 68.27 % is cut, with the second only that of 95.45 %."""

    def ages_of_predicted(self, mass, m_h, intervals, mass_err):
        age, ends, slope_error, _ = super().ages_of_predicted(mass, m_h, intervals, mass_err)
        return age, ends, slope_error, np.array([64 + 128, 128, 256 + 64, 256 + 1])


def test_a_clipped_interval_has_the_error_of_the_slope():
    intervals = np.array([[[1.0, 4.0]] * 4, [[0.5, 8.0]] * 4])
    found = age_columns(Clipped(), "CAL", np.full(4, 2.0), intervals, np.zeros(4), np.array([2.5, 2.5, 3.5, 3.5]))
    np.testing.assert_array_equal(found["AGE_CAL_ERR"], [0.75, 1.0, np.nan, np.nan])
    # What is said of an age goes with it; what is said of the mass stays.
    assert found["AGE_CAL_FLAG"].tolist() == [192, 128, 32, 33]
    assert found["AGE_CAL_FLAG"].dtype == np.int16


def test_bits_of_sources_and_of_the_space():
    found = mass_source_bits(np.array(["APOKASC-3", "Berger et al. 2020", "Serenelli", "", "K2", "apokasc, berger"]))
    assert found.tolist() == [8, 16, 32, 0, 0, 24]
    assert bitmask(np.array([1, 0, 8, 9]), np.array([0, 1, 2, 3])).tolist() == [1, 0, 10, 11]
    columns = {"MASS_CAL_ERR": 1, "AGE_CAL_ERR": 2, "AGE_CAL_FLAG": 3, "MASS_AP3_ERR": 4}
    assert of_first_scale(columns, "CAL") == {"MASS_ERR": 1, "AGE_ERR": 2, "AGE_FLAG": 3}


SURVEY = {
    "TEFF": np.full(5, 4800.0),
    "K": np.full(5, 10.0),
    "A_K": np.array([0.1, 0.1, np.nan, 0.1, 0.1]),
    "A_K_ERR": np.array([0.05, np.nan, 0.05, 0.05, 0.05]),
    "A_K_SRC": np.array(["RJCE", "", "", "", ""]),
    "PARALLAX": np.array([0.5, 0.479, -0.1, 1.1, 0.1]),
    "PARALLAX_ERR": np.array([0.05, 0.05, 0.05, 0.011, 0.09]),
    "PARALLAX_SRC": np.array(["Gaia EDR3", "Gaia EDR3", "Gaia EDR3", "", "Gaia EDR3"]),
    "GAIAEDR3_DIST": np.array([2.1, np.nan, np.nan, np.nan, np.nan]),
    "GAIAEDR3_DIST_SRC": np.array(["GSP", "", "", "", ""]),
    "CLUSTER": np.array(["", "", "", "", "M67"]),
}


def test_columns_of_the_survey():
    found = survey_columns(Stars(SURVEY), TrainingCuts())
    # Gaia's distance; the inverse of the parallax less its zero point of -0.021 mas; none of a cluster's.
    np.testing.assert_allclose(found["GAIAEDR3_DIST"], [2.1, 2.0, np.nan, 1 / 1.1, np.nan])
    assert found["GAIAEDR3_DIST_SRC"].tolist() == ["GSP", "1/parallax Gaia EDR3", "", "1/parallax", ""]
    np.testing.assert_allclose(found["gaia_err"], [0.21, 2.0 * 0.05 / 0.479, np.nan, 0.01 / 1.1, np.nan])
    np.testing.assert_array_equal(found["EXTINCTION_ERR"], [0.05, 0.02, np.nan, 0.05, 0.05])
    assert found["EXTINCTION_FLAG"].tolist() == [0, 0, 8, 0, 0]
    assert found["EXTINCTION_METHOD"].tolist() == ["RJCE", "", "", "", ""]
    assert found["MAG"].tolist() == [10.0] * 5
    assert np.isnan(found["LOGG"]).all()
    assert "APOGEE_ID" not in found
    flagged = survey_columns(
        Stars(SURVEY | {"A_K_FLAG": np.arange(5), "APSTAR_ID": np.array(list("abcde"))}), TrainingCuts()
    )
    assert flagged["EXTINCTION_FLAG"].tolist() == [0, 1, 2, 3, 4]
    assert flagged["APSTAR_ID"].tolist() == list("abcde")


def test_a_catalogue_is_completed():
    predicted = {"DISTANCE": np.full(5, 2.0), "DISTANCE_ERR": np.full(5, 0.1)}
    spaces = {"DISTANCE_SPACE": np.zeros(5, int), "MASS_SPACE": np.zeros(5, int)}
    found = complete(Stars(SURVEY), predicted | spaces, TrainingCuts())
    assert "gaia_err" not in found
    assert found["LABEL_FALLBACK_MASS"].tolist() == [False] * 5
    mean = weighted_columns(np.array([2.0]), np.array([0.1]), np.array([2.1]), np.array([0.21]))
    assert found["DISTANCE_WEIGHTED"][0] == mean["DISTANCE_WEIGHTED"][0]
    assert len(found["FLAGS"]) == 5
    masses = complete(Stars(SURVEY), spaces | {"LABEL_FALLBACK_MASS": np.ones(5, bool)}, TrainingCuts())
    assert masses["LABEL_FALLBACK_MASS"].all()
    np.testing.assert_array_equal(masses["DISTANCE_WEIGHTED"], masses["GAIAEDR3_DIST"])
