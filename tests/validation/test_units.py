"""A catalogue in other units is converted by what it states, or refused; it is never taken as something else."""

import numpy as np
import pytest
from astropy import units as u
from astropy.table import Table
from hypothesis import given
from hypothesis import strategies as st

from skdistmass.exceptions import InputError, UnitError
from skdistmass.surveys import as_stars
from skdistmass.validation import age_statistics, cluster_distances, compare_columns, coverage, mass_by, validate
from skdistmass.validation.columns import in_unit, log_ages

N = 60


def catalog(**columns):
    base = {"LOGG": np.full(N, 2.6), "DISTANCE": np.linspace(0.5, 3.0, N), "GAIAEDR3_DIST": np.linspace(0.5, 3.0, N)}
    return Table(base | columns)


@pytest.mark.parametrize("unit", ["pc", "Mpc", "lyr"])
def test_distances_with_a_unit_are_converted(unit):
    stars = catalog()
    stars["DISTANCE_LO"], stars["DISTANCE_HI"] = 0.9 * stars["DISTANCE"], 1.1 * stars["DISTANCE"]
    right = validate(stars)
    for name in ("DISTANCE", "DISTANCE_LO", "DISTANCE_HI"):
        stars[name] = (np.asarray(stars[name]) * u.kpc).to(unit)
    found = validate(stars)
    np.testing.assert_allclose(found.tables["distance_by_logg"]["BIAS"], 0.0, atol=1e-12)
    assert found.tables["coverage"]["FOUND_68"][0] == right.tables["coverage"]["FOUND_68"][0] == 1.0


def test_distances_in_pc_without_a_unit_are_refused():
    stars = catalog(DISTANCE=np.linspace(500.0, 3000.0, N))
    with pytest.raises(InputError, match=r"column DISTANCE of the catalogue .* median is 1750: .* likely in pc"):
        validate(stars)
    stars["CLUSTER"] = "M67"
    with pytest.raises(InputError, match="likely in pc"):
        cluster_distances(stars)
    with pytest.raises(InputError, match="likely in pc"):
        compare_columns(stars, "GAIAEDR3_DIST", "DISTANCE")


@given(log_age=st.lists(st.floats(8.0, 10.14), min_size=5, max_size=40), unit=st.sampled_from(["yr", "Myr", "Gyr"]))
def test_ages_are_log_years_whatever_their_unit(log_age, unit):
    log_age = np.array(log_age)
    for name in ("AGE", "AGE_COR_MO", "REF_AGE_X"):
        stars = Table({name: (10.0**log_age * u.yr).to(unit)})
        np.testing.assert_allclose(log_ages(stars, name), log_age)
    stars = Table({"AGE": log_age})
    np.testing.assert_allclose(log_ages(stars, "AGE"), log_age)
    for linear in (10.0**log_age, 10.0 ** (log_age - 6.0), 10.0 ** (np.append(log_age, 9.0) - 9.0)):
        with pytest.raises(InputError, match="likely in Gyr or yr, not log10 of yr"):
            log_ages(Table({"AGE": np.append(linear, linear.min())}), "AGE")
    for linear in (10.0**log_age, 10.0 ** (log_age - 6.0)):
        with pytest.raises(InputError, match=r"column AGE_X of the reference table .* likely in Myr or yr"):
            log_ages(Table({"REF_AGE_X": linear}), "REF_AGE_X")


def test_linear_years_that_are_called_dex_are_refused():
    stars = Table({"AGE": [3e9, 5e9]})
    stars["AGE"].unit = "dex"
    with pytest.raises(InputError, match="likely in Gyr or yr"):
        log_ages(stars, "AGE")


def test_ages_of_zero_are_missing_values_and_no_reason_to_refuse():
    assert log_ages(Table({"AGE": [0.0, 0.0, 9.5, 9.7]}), "AGE")[2] == 9.5


def test_the_published_catalogue_is_compared_on_its_own_scale():
    """Its distances are in pc and its ages in linear years; with their units all comes out right."""
    truth = np.linspace(9.0, 10.0, N)
    published = catalog(AGE_COR_MO=10.0**truth * u.yr, MASS_COR_MO=np.full(N, 1.2) * u.Msun)
    published["DISTANCE"] = (np.asarray(published["DISTANCE"]) * u.kpc).to(u.pc)
    reference = as_stars({"GAIAEDR3_DIST": np.linspace(0.5, 3.0, N), "AGE_X": 10.0 ** (truth - 9.0)})
    reference = reference.with_columns({"PARALLAX": 1.0 / reference["GAIAEDR3_DIST"], "PARALLAX_ERR": np.full(N, 0.01)})
    found = validate(published, reference)
    assert abs(found.tables["distance_by_logg"]["BIAS"][0]) < 1e-9
    assert abs(found.tables["ages"]["BIAS"][0]) < 1e-9


def test_a_unit_of_another_kind_is_refused_by_name():
    with pytest.raises(UnitError, match="column DISTANCE has the unit K"):
        validate(catalog(DISTANCE=np.ones(N) * u.K))


def test_masses_in_kg_are_converted_or_refused():
    stars = catalog(MASS=np.full(N, 1.0), REF_MASS=np.full(N, 1.0))
    stars["MASS_LO"], stars["MASS_HI"] = 0.9 * stars["MASS"], 1.1 * stars["MASS"]
    for name in ("MASS", "MASS_LO", "MASS_HI"):
        stars[name] = (np.asarray(stars[name]) * u.Msun).to(u.kg)
    assert mass_by(stars)["BIAS"][0] == pytest.approx(0.0)
    assert coverage(stars)["FOUND_68"][0] == 1.0
    for name in ("MASS", "MASS_LO", "MASS_HI"):
        stars[name].unit = None
    with pytest.raises(InputError, match="likely in g or kg"):
        mass_by(stars)


def test_an_absent_column_is_nan():
    assert np.isnan(in_unit(catalog(), "NOTHING", "kpc")).all()
    with pytest.raises(InputError, match="no age in the catalogue"):
        age_statistics(catalog())
