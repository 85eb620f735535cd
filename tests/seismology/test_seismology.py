"""Masses and radii by the scaling relations, and their corrections."""

import numpy as np
import pytest
from astropy import units as u
from hypothesis import given
from hypothesis import strategies as st

from skdistmass import read_survey
from skdistmass.exceptions import InputError, UnitError
from skdistmass.seismology import (
    REFERENCES,
    SolarReference,
    bolometric_correction,
    gaia_radius,
    gaia_radius_factor,
    isochrone_correction,
    mass_scales,
    scaling_relations,
    seismic_distance,
    white_correction,
)


def test_references_are_those_of_their_papers():
    assert {name: tuple(reference) for name, reference in REFERENCES.items()} == {
        "APOKASC-3": (3076.0, 135.146, 5772.0),
        "Huber 2011": (3090.0, 135.1, 5777.0),
        "Mosser 2013": (3104.0, 138.8, 5777.0),
    }


@pytest.mark.parametrize("name", REFERENCES)
def test_the_sun_has_one_mass_and_radius(name):
    sun = scaling_relations(*([value] for value in REFERENCES[name]), reference=name)
    np.testing.assert_allclose([sun.mass[0], sun.radius[0], sun.logg[0]], [1.0, 1.0, 4.438], rtol=1e-12)


@given(
    mass=st.floats(0.3, 8.0), radius=st.floats(0.5, 200.0), teff=st.floats(3500.0, 7000.0), f_dnu=st.floats(0.9, 1.1)
)
def test_frequencies_of_a_known_star_give_it_back(mass, radius, teff, f_dnu):
    solar = REFERENCES["APOKASC-3"]
    numax = solar.numax * mass / radius**2 / np.sqrt(teff / solar.teff)
    dnu = f_dnu * solar.dnu * np.sqrt(mass / radius**3)
    star = scaling_relations([numax], [dnu], [teff], f_dnu=f_dnu)
    np.testing.assert_allclose([star.mass[0], star.radius[0]], [mass, radius], rtol=1e-9)
    assert star.logg[0] == pytest.approx(4.438 + np.log10(mass / radius**2), abs=1e-9)


def test_errors_are_those_of_draws():
    rng = np.random.default_rng(0)
    centers, errors = (30.0, 4.0, 4800.0), (0.2, 0.015, 40.0)
    draws = scaling_relations(*(rng.normal(c, e, 200_000) for c, e in zip(centers, errors, strict=True)))
    star = scaling_relations(*([c] for c in centers), numax_err=[errors[0]], dnu_err=[errors[1]], teff_err=[errors[2]])
    for name in ("mass", "radius", "logg"):
        assert getattr(star, f"{name}_err")[0] == pytest.approx(np.std(getattr(draws, name)), rel=0.02), name


def test_what_is_no_frequency_gives_nothing():
    star = scaling_relations([30.0, -1.0, np.nan, 99.0], [4.0, 4.0, 4.0, 0.0], [4800.0] * 4, numax_err=0.1)
    assert np.isfinite([star.mass[0], star.mass_err[0], star.logg_err[0]]).all()
    for values in star:
        assert np.isnan(values[1:3]).all()
    assert np.isnan(star.mass[3])
    assert np.isfinite(star.logg[3])  # needs no separation


def test_units_are_converted_and_others_refused():
    plain = scaling_relations([30.0], [4.0], [4800.0])
    units = scaling_relations([3e-5] * u.Hz, [4.0] * u.uHz, [4.8] * u.kK)
    np.testing.assert_allclose(units.mass, plain.mass)
    with pytest.raises(UnitError, match="numax"):
        scaling_relations([30.0] * u.K, [4.0], [4800.0])


def test_unknown_reference_is_named():
    with pytest.raises(InputError, match=r"'Sun'.*'APOKASC-3'"):
        scaling_relations([30.0], [4.0], [4800.0], reference="Sun")
    own = scaling_relations([30.0], [4.0], [4800.0], reference=SolarReference(3076.0, 135.146, 5772.0))
    np.testing.assert_array_equal(own.mass, scaling_relations([30.0], [4.0], [4800.0]).mass)


def test_white_correction_is_constant_beyond_its_range():
    x = np.array([0.47, 0.55, 0.67])
    np.testing.assert_allclose(white_correction(1e4 * x), -4.29 * x**2 + 4.84 * x - 0.35)
    assert white_correction([3000.0]) == white_correction([4700.0])
    assert white_correction([9000.0]) == white_correction([6700.0])
    assert np.isnan(white_correction([np.nan]))


def test_isochrone_correction_depends_on_the_state():
    f = isochrone_correction([35.0] * 5, [4.1] * 5, [4850.0] * 5, [0.0] * 5, [1, 2, 0, -1, 3])
    assert f[0] < f[1]
    assert np.isnan(f[2:]).all()
    # As the fit has them, to its rounding.
    stars = [35.0, 100.0, 35.0, 60.0], [4.1, 8.5, 4.1, 5.5], [4850.0, 4700.0, 4850.0, 5000.0], [0.0, -0.4, 0.2, -0.3]
    expected = [0.9884156, 0.9728594, 1.0039551, 1.009304]
    np.testing.assert_allclose(isochrone_correction(*stars, [1, 1, 2, 2]), expected, rtol=1e-6)
    assert np.isnan(isochrone_correction([np.nan], [4.0], [4850.0], [0.0], [1]))


def test_factor_of_the_radius_is_the_median_of_those_that_have_both():
    rng = np.random.default_rng(4)
    radius = rng.uniform(5.0, 20.0, 20)
    other = radius * rng.normal(1.02, 0.05, 20)
    factor, error = gaia_radius_factor(radius, other)
    ratio = other / radius
    np.testing.assert_allclose(factor, np.median(ratio))
    scatter = 1.4826 * np.median(np.abs(ratio - np.median(ratio)))
    np.testing.assert_allclose(error, np.sqrt(np.pi / 2.0) * scatter / np.sqrt(20.0))
    # Stars that lack one of the radii change nothing.
    lacking = [np.nan, 9.0, -9.0, 9.0, 9.0, 9.0, 0.0, np.inf], [9.0, np.nan, 9.0, -9.0, np.inf, 0.0, 9.0, 9.0]
    more = gaia_radius_factor([*radius, *lacking[0]], [*other, *lacking[1]])
    np.testing.assert_array_equal(more[0][:20], factor)
    assert np.isnan(more[0][[20, 22]]).all()
    small = gaia_radius_factor([*(0.1 * radius), 0.5], [*(0.1 * other), np.nan])[0]
    np.testing.assert_allclose(small, factor[0])
    many = rng.uniform(5.0, 20.0, 400)
    default = gaia_radius_factor(many, many * rng.normal(1.0, 0.05, 400))[0]
    # Twelve bins of 33 or 34 stars: constant beyond the centres of the outer ones, and no bin has fewer than 20.
    assert [np.count_nonzero(default == default[pick(many)]) for pick in (np.argmin, np.argmax)] == [17, 17]
    fewer = gaia_radius_factor(radius=many[:79], gaia_radius=many[:79] * rng.normal(1.0, 0.05, 79))[0]
    assert np.count_nonzero(fewer == fewer[np.argmin(many[:79])]) == 14


def test_planted_factor_of_the_radius_is_found():
    rng = np.random.default_rng(1)
    radius = rng.uniform(4.0, 30.0, 6000)
    planted = 1.0 - 0.002 * (radius - 4.0)
    outliers = np.where(rng.random(6000) < 0.05, 2.0, 1.0)
    factor, error = gaia_radius_factor(radius, planted * radius * rng.normal(1.0, 0.04, 6000) * outliers)
    inner = (radius > 6.0) & (radius < 27.0)
    assert np.max(np.abs(factor - planted)[inner]) < 5 * error.max()
    assert np.isnan(gaia_radius_factor(np.append(radius, np.nan), np.append(radius, 1.0))[0][-1])
    with pytest.raises(InputError, match="19 stars"):
        gaia_radius_factor(radius[:19], radius[:19])


def test_six_scales():
    rng = np.random.default_rng(2)
    numax, teff = rng.uniform(20.0, 150.0, 500), rng.uniform(4500.0, 5000.0, 500)
    dnu = 0.26 * numax**0.77
    state = rng.integers(1, 3, 500)
    given = numax, dnu, teff, np.zeros(500), state
    plain = mass_scales(*given, numax_err=0.01 * numax)
    radius = scaling_relations(numax, dnu, teff, f_dnu=isochrone_correction(*given)).radius
    masses = mass_scales(*given, gaia_radius=0.98 * radius, numax_err=0.01 * numax)
    scales = [f"MASS_{kind}_{scale}" for kind in ("UNCOR", "COR") for scale in ("SS", "MO", "TW")]
    names = [name + end for name in scales for end in ("", "_ERR")]
    assert list(masses) == names
    assert set(plain) == {name for name in names if "UNCOR" in name}
    np.testing.assert_allclose(masses["MASS_COR_SS"], 0.98**3 * masses["MASS_UNCOR_SS"])
    np.testing.assert_allclose(masses["MASS_UNCOR_TW_ERR"], 0.03 * masses["MASS_UNCOR_TW"])
    # The separation of high radial order is larger: by 0.57 / n where n = numax / dnu is 15 or more, else by 0.038.
    for frequency, spacing, larger in ((149.0, 10.0, 0.038), (200.0, 10.0, 0.57 / 20), (18.0, 0.9, 0.57 / 20)):
        star = mass_scales([frequency], [spacing], [4800.0], [0.0], [1])["MASS_UNCOR_MO"]
        alone = scaling_relations([frequency], [spacing * (1 + larger)], [4800.0], reference="Mosser 2013").mass
        np.testing.assert_allclose(star, alone, rtol=1e-12)
    # Scales of the same stars agree to some percent.
    for name in ("MO", "TW"):
        assert np.median(np.abs(plain[f"MASS_UNCOR_{name}"] / plain["MASS_UNCOR_SS"] - 1)) < 0.08


def test_masses_of_yu_2018(real_data):
    names = ["NUMAX", "DNU", "EVSTATE", "MASS_YU_NOCOR", "MASS_YU_COR"]
    stars = read_survey(real_data("kepler_giants.fits"), columns=names)
    numax, dnu, state, raw, corrected = (np.asarray(stars[name], dtype=float) for name in names)
    f_dnu = isochrone_correction(numax, dnu, stars["TEFF"], stars["M_H"], state)
    for f, published in ((1.0, raw), (f_dnu, corrected)):
        ratio = scaling_relations(numax, dnu, stars["TEFF"], f_dnu=f).mass / published
        assert abs(np.nanmedian(ratio) - 1) < 0.01
    truth = (corrected / raw) ** 0.25
    for number, median in ((1, 0.003), (2, 0.002)):
        rows = (state == number) & np.isfinite(f_dnu) & np.isfinite(truth)
        assert np.median(np.abs(f_dnu / truth - 1)[rows]) < median


def test_distance_and_radius_are_each_other_s_inverse():
    rng = np.random.default_rng(3)
    radius, teff, logg = rng.uniform(5.0, 20.0, 50), rng.uniform(4300.0, 5300.0, 50), rng.uniform(1.5, 3.0, 50)
    known = {"extinction": 0.1, "m_h": -0.2}
    distance, error = seismic_distance(radius, teff, logg, np.full(50, 9.0), radius_err=0.03 * radius, **known)
    np.testing.assert_allclose(error / distance, np.hypot(0.03, 0.05 * 0.2 * np.log(10.0)))
    found, error = gaia_radius(1.0 / distance, teff, logg, np.full(50, 9.0), parallax_err=0.02 / distance, **known)
    np.testing.assert_allclose(found, radius)
    np.testing.assert_allclose(error / found, np.hypot(0.02, 0.05 * 0.2 * np.log(10.0)))
    # By default there is no extinction, and the metallicity is that of the Sun.
    parts = teff, logg, np.full(50, 9.0)
    for function, first in ((seismic_distance, radius), (gaia_radius, 1.0 / distance)):
        plain, explicit = function(first, *parts), function(first, *parts, extinction=0.0, m_h=0.0)
        np.testing.assert_array_equal(plain, explicit)
        assert (explicit[0] != function(first, *parts, **known)[0]).all()
    # Another correction changes the magnitude by what it differs.
    brighter, _ = seismic_distance(
        radius, teff, logg, np.full(50, 9.0), correction=bolometric_correction(teff, logg, -0.2) - 0.1, **known
    )
    np.testing.assert_allclose(brighter, distance * 10**-0.02)


def test_errors_of_teff_and_stars_without_a_value():
    warm = [seismic_distance([10.0], [teff], [2.5], [9.0])[0][0] for teff in (4750.0, 4800.0)]
    _, error = seismic_distance([10.0, 10.0], [4775.0] * 2, [2.5] * 2, [9.0] * 2, teff_err=[50.0, 0.0])
    assert np.sqrt(error[0] ** 2 - error[1] ** 2) == pytest.approx(warm[1] - warm[0], rel=0.02)
    _, own = seismic_distance(
        [10.0], [4775.0], [2.5], [9.0], teff_err=50.0, correction=bolometric_correction([4775.0], [2.5])
    )
    assert own[0] == pytest.approx(error[0])
    _, error = seismic_distance([10.0], [4775.0], [2.5], [9.0], mag_err=0.12)
    assert error[0] / seismic_distance([10.0], [4775.0], [2.5], [9.0])[0][0] == pytest.approx(0.13 * 0.2 * np.log(10.0))
    # The formula, at log Teff 3.68 + 0.05.
    assert bolometric_correction([10**3.73], [4.5], [-1.0])[0] == pytest.approx(
        2.0605 - 0.3352 - 0.0121 + 0.0014 - 2.0 * 0.0058 - 0.0389
    )
    assert bolometric_correction([10**3.78], [2.5])[0] == pytest.approx(2.0605 - 2 * 0.3352 - 4 * 0.0121 + 8 * 0.0014)
    assert np.isfinite(bolometric_correction([3900.0, 7000.0], [2.0, 4.0])).all()
    assert np.isnan(bolometric_correction([3899.9, 7000.1], [2.0, 4.0])).all()
    magnitude = 4.74 - bolometric_correction([5772.0], [4.438])[0]
    np.testing.assert_allclose(seismic_distance([1.0], [5772.0], [4.438], [0.0])[0], 10 ** (-0.2 * (magnitude + 10.0)))
    assert np.isnan(gaia_radius([-0.1, 0.0], [4800.0] * 2, [2.5] * 2, [9.0] * 2)[0]).all()
    # The Sun: M_K = 3.27 (Willmer 2018).
    assert 4.74 - bolometric_correction([5772.0], [4.438])[0] == pytest.approx(3.27, abs=0.03)
