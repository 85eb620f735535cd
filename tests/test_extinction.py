"""Extinction by star: the rule of section 2, what stands in for it, and what is refused."""

import warnings

import numpy as np
import pytest
from astropy.coordinates import SkyCoord
from astropy.table import Column
from hypothesis import given
from hypothesis import strategies as st

from skdistmass.datasets import make_survey
from skdistmass.exceptions import ColumnError, ImpossibleValueWarning, InputError, UnitError
from skdistmass.extinction import (
    RJCE_IRAC,
    RJCE_WISE,
    SFD,
    ExtinctionChoice,
    ExtinctionFlag,
    ExtinctionLaw,
    galactic_latitude,
)
from skdistmass.extinction.choice import GALACTIC_POLE
from skdistmass.surveys import as_stars, read_survey

NAN = np.nan


def choose(choice=None, **columns):
    stars = as_stars(
        {name: values if hasattr(values, "unit") else np.atleast_1d(values) for name, values in columns.items()}
    )
    return (choice or ExtinctionChoice()).choose(stars)


def test_laws_have_the_published_numbers():
    assert (RJCE_IRAC.coefficient, RJCE_IRAC.intrinsic_colour) == (0.918, 0.08)
    assert (RJCE_WISE.coefficient, RJCE_WISE.intrinsic_colour) == (0.918, 0.05)
    assert (SFD.coefficient, SFD.intrinsic_colour) == (0.302, 0.0)
    assert all(law.reference for law in (RJCE_IRAC, RJCE_WISE, SFD))


@pytest.mark.parametrize(
    ("latitude", "irac", "method", "value"),
    [
        (0.0, 9.5, "RJCE_IRAC", 0.918 * 0.42),
        (-15.999, 9.5, "RJCE_IRAC", 0.918 * 0.42),
        (15.0, NAN, "RJCE_WISE", 0.918 * 0.35),
        (15.0, 99.0, "RJCE_WISE", 0.918 * 0.35),
        (16.0, 9.5, "SFD", 0.302 * 0.3),
        (-80.0, NAN, "SFD", 0.302 * 0.3),
    ],
)
def test_method_by_latitude_and_photometry(latitude, irac, method, value):
    found = choose(GLAT=latitude, H=10.0, IRAC_4_5=irac, WISE_4_5=9.6, SFD_EBV=0.3)
    assert found.method[0] == method
    assert found.values[0] == pytest.approx(value)
    assert found.flag[0] == 0


@pytest.mark.parametrize(
    ("columns", "method", "value"),
    [
        ({"A_K": 0.5, "AK_TARG": 0.4, "AK_WISE": 0.3}, "A_K", 0.5),
        ({"A_K": NAN, "AK_TARG": 0.4, "AK_TARG_METHOD": "RJCE_IRAC", "AK_WISE": 0.3}, "RJCE_IRAC", 0.4),
        ({"AK_TARG": -9999.99, "AK_WISE": 0.3}, "AK_WISE", 0.3),
        ({"SFD_EBV": 1.0}, "SFD", 0.302),
        ({"EBV": 1.0}, "EBV", 0.302),
        ({"EBV": 1.0, "EBV_SRC": "SFD_EBV"}, "SFD", 0.302),
        ({"A_K": 0.2, "A_K_SRC": "Bayestar"}, "Bayestar", 0.2),
        ({"EXTINCTION": 0.2, "EXTINCTION_METHOD": "SFD"}, "SFD", 0.2),
    ],
)
def test_values_of_the_file_stand_in_near_the_plane(columns, method, value):
    found = choose(GLAT=3.0, H=10.0, **columns)
    assert found.method[0] == method
    assert found.values[0] == pytest.approx(value)
    assert found.flag[0] == ExtinctionFlag.FROM_FILE


def test_far_from_the_plane_colours_are_the_last_resort():
    found = choose(GLAT=[50.0, 50.0], H=[10.0, 10.0], WISE_4_5=[9.8, 9.8], A_K=[0.01, NAN])
    assert list(found.method) == ["A_K", "RJCE_WISE"]
    assert (found.flag == ExtinctionFlag.FROM_FILE).all()


def test_nothing_known_is_missing():
    found = choose(GLAT=[3.0, 40.0])
    assert np.isnan(found.values).all()
    assert (found.flag == ExtinctionFlag.MISSING).all()
    assert list(found.method) == ["", ""]


@pytest.mark.parametrize(("negative", "value"), [("zero", 0.0), ("keep", 0.918 * -0.15), ("missing", NAN)])
def test_negative_values_are_told(negative, value):
    found = choose(ExtinctionChoice(negative=negative), GLAT=3.0, H=10.0, WISE_4_5=10.1)
    np.testing.assert_allclose(found.values, [value])
    assert found.flag[0] & ExtinctionFlag.NEGATIVE
    assert bool(found.flag[0] & ExtinctionFlag.MISSING) == (negative == "missing")


@pytest.mark.filterwarnings("ignore::skdistmass.exceptions.ImpossibleValueWarning")  # a latitude of 120 degrees
def test_star_without_a_position_is_told():
    found = choose(GLAT=[NAN, 120.0], H=[10.0, 10.0], WISE_4_5=[9.6, 9.6], SFD_EBV=[0.1, 0.1])
    assert list(found.method) == ["RJCE_WISE", "RJCE_WISE"]
    assert (found.flag == ExtinctionFlag.NO_LATITUDE).all()


def test_latitude_from_equatorial_positions():
    survey = make_survey(1000, sentinel_fraction=0.0, random_state=0)
    equatorial = as_stars(survey["RA", "DEC"])
    np.testing.assert_allclose(galactic_latitude(equatorial), survey["GLAT"], atol=1e-8)
    pole = SkyCoord(0, 90, unit="deg", frame="galactic").icrs
    np.testing.assert_allclose(GALACTIC_POLE, pole.cartesian.xyz.value, rtol=0, atol=1e-15)
    ends = as_stars({"RA": [pole.ra.deg, pole.ra.deg - 180.0, NAN], "DEC": [pole.dec.deg, -pole.dec.deg, 10.0]})
    np.testing.assert_allclose(galactic_latitude(ends), [90.0, -90.0, NAN], atol=2e-6)


def test_dust_map_replaces_the_column():
    asked = []

    def dust_map(coordinates):
        asked.append(len(coordinates))
        return np.where(coordinates.galactic.b.deg > 50, 0.5, np.nan)

    choice = ExtinctionChoice(dust_map=dust_map)
    found = choose(choice, GLON=[0.0, 1.0, NAN], GLAT=[60.0, 40.0, 70.0], SFD_EBV=[0.1, 0.1, 0.1])
    # Where the map says nothing, the reddening of the file stands in, and is flagged.
    np.testing.assert_allclose(found.values, [0.151, 0.0302, 0.0302])
    assert ((found.flag & ExtinctionFlag.FROM_FILE) > 0).tolist() == [False, True, True]
    assert asked == [2]


@pytest.mark.parametrize(
    ("dust_map", "said"),
    [(lambda c: 1 / 0, "ZeroDivisionError"), (lambda c: np.zeros(7), "one E"), (lambda c: "much", "dust map failed")],
)
def test_failing_dust_map_is_an_error(dust_map, said):
    with pytest.raises(InputError, match=said):
        choose(ExtinctionChoice(dust_map=dust_map), GLON=[0.0], GLAT=[60.0])


@pytest.mark.parametrize(
    "parameters",
    [{"latitude_limit": -1}, {"latitude_limit": NAN}, {"negative": "ignore"}, {"dust_map": "sfd"}, {"irac": 0.918}],
)
def test_parameters_are_checked(parameters):
    with pytest.raises(InputError):
        ExtinctionChoice(**parameters)


def test_columns_of_a_wrong_kind_are_named():
    with pytest.raises(ColumnError, match="WISE_4_5"):
        choose(GLAT=[3.0], H=[10.0], WISE_4_5=["bright"])
    with pytest.raises(UnitError, match="H"):
        choose(GLAT=[3.0], H=Column([10.0], unit="K"))


def test_laws_can_be_replaced():
    law = ExtinctionLaw("MINE", 2.0, 0.0, "this test")
    found = choose(ExtinctionChoice(wise=law, latitude_limit=90), GLAT=80.0, H=10.0, WISE_4_5=9.9)
    assert (found.method[0], found.values[0]) == ("MINE", pytest.approx(0.2))


def test_mock_survey_gets_back_what_it_was_made_with(tmp_path):
    """The mock's own A_K follows section 2; from the raw columns alone the same must come out."""
    survey = make_survey(2000, random_state=0, sentinel_fraction=0.0)
    expected, source = np.array(survey["A_K"]), np.array(survey["A_K_SRC"])
    survey.remove_columns(["A_K", "A_K_SRC", "AK_TARG", "AK_WISE"])
    survey.write(tmp_path / "survey.fits")
    found = ExtinctionChoice().apply(read_survey(tmp_path / "survey.fits"))
    np.testing.assert_allclose(found["A_K"], expected, atol=2e-6)  # magnitudes are single precision
    assert (found["A_K_SRC"] == source).all()


@given(
    st.lists(
        st.tuples(*[st.one_of(st.floats(width=32), st.sampled_from([99.0, -9999.99, 0.0]))] * 6),
        min_size=1,
        max_size=20,
    )
)
def test_never_negative_never_infinite(rows):
    names = ("GLAT", "H", "IRAC_4_5", "WISE_4_5", "SFD_EBV", "A_K")
    table = dict(zip(names, np.array(rows, dtype=float).T, strict=True))
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        warnings.simplefilter("ignore", ImpossibleValueWarning)
        found = ExtinctionChoice().choose(as_stars(table))
    assert not (found.values < 0).any()
    assert not np.isinf(found.values).any()
    assert ((found.method == "") == np.isnan(found.values)).all()
    assert ((found.flag & ExtinctionFlag.MISSING != 0) == np.isnan(found.values)).all()
