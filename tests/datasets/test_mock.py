"""The mock survey holds what its docstring says was put in."""

import numpy as np
import pytest
from astropy.table import Table
from hypothesis import given, settings
from hypothesis import strategies as st

from skdistmass.datasets import evolution, make_survey, observe, population
from skdistmass.exceptions import InputError
from skdistmass.labels import LABEL_NAMES
from skdistmass.surveys import load_clusters
from skdistmass.tables import as_floats

pytestmark = pytest.mark.slow

CLEAN = {"sentinel_fraction": 0.0, "bad_fraction": 0.0}


@pytest.fixture(scope="module")
def survey():
    return make_survey(20_000, random_state=0, **CLEAN)


def test_time_to_the_giant_branch_is_the_published_one():
    """Values of Hurley, Pols & Tout (2000), eq. 4, at Z = 0.02."""
    years = 10 ** (evolution.time_to_giant_branch(np.log10([1, 2, 5]), np.log10(0.02 / 0.0152)) - 6)
    np.testing.assert_allclose(years, [11582.24, 1173.57, 104.44], rtol=5e-5)


def test_magnitude_follows_from_mass_gravity_and_temperature(survey):
    log_light = np.log10(survey["TRUE_MASS"]) - survey["TRUE_LOGG"] + 4 * np.log10(survey["TRUE_TEFF"])
    log_light += 4.438 - 4 * np.log10(5772)
    correction = 4.74 - 2.5 * log_light - survey["TRUE_ABS_MAG"]
    # What is left is a function of temperature alone.
    order = np.argsort(survey["TRUE_TEFF"])
    assert np.abs(np.diff(correction[order])).max() < 0.02
    assert np.interp(4700, survey["TRUE_TEFF"][order], correction[order]) == pytest.approx(2.04, abs=0.01)


def test_sun():
    assert evolution.absolute_magnitude(0.0, np.log10(5772), 4.438) == pytest.approx(3.3, abs=0.05)


@given(st.floats(0.5, 3.4), st.floats(-2.2, 0.45), st.floats(0, 3.99), st.floats(0, 3.99))
def test_age_rises_with_stage(mass, m_h, one, other):
    ages = evolution.age(np.log10(mass), np.sort([one, other]), m_h)
    assert ages[0] <= ages[1] or ages[0] == pytest.approx(ages[1])


@given(st.floats(0.46, 3.4), st.floats(-2.2, 0.45), st.floats(0.001, 3.99))
def test_age_falls_with_mass(mass, m_h, stage):
    assert evolution.age(np.log10(mass), stage, m_h) > evolution.age(np.log10(mass) + 0.01, stage, m_h)


def _volumes(survey):
    """Return the volumes in which thin-disc stars are seen."""
    distances, counts = population._DISTANCES, population._counts_within(0.3)
    colour = evolution.colours(np.log10(survey["TRUE_TEFF"]), survey["TRUE_LOGG"])[1]
    near, far = population._reach(survey["TRUE_ABS_MAG"] + colour, population.H_RANGE)
    return np.interp(far, distances, counts) - np.interp(near, distances, counts)


def test_star_formation_is_constant():
    """Weighted by the volume they are seen in, dwarfs that live throughout are of all ages alike."""
    survey = make_survey(30_000, random_state=4, giant_fraction=0, cluster_fraction=0, **CLEAN)
    dwarfs = survey[(survey["TRUE_MASS"] < 0.8) & (survey["TRUE_M_H"] > -0.1)]
    seen = np.histogram(10 ** (dwarfs["TRUE_LOG_AGE"] - 9), 4, range=(0.2, 10.8), weights=1 / _volumes(dwarfs))[0]
    assert seen.min() > 0.85 * seen.max()


def test_no_star_is_older_than_its_population(survey):
    assert 10 ** (survey["TRUE_LOG_AGE"].max() - 9) < 12.7


def test_mass_function_is_kroupas():
    """Weighted by volume and time, unevolved dwarfs follow M^-2.3."""
    survey = make_survey(120_000, random_state=4, giant_fraction=0, cluster_fraction=0, **CLEAN)
    dwarfs = survey[(survey["TRUE_MASS"] < 0.85) & (survey["TRUE_MASS"] > 0.6) & (survey["TRUE_M_H"] > -0.1)]
    seen, edges = np.histogram(np.log(dwarfs["TRUE_MASS"]), 5, weights=1 / _volumes(dwarfs))
    slope = np.polyfit(0.5 * (edges[1:] + edges[:-1]), np.log(seen), 1)[0]
    assert slope == pytest.approx(-1.3, abs=0.2)  # per unit of log M


def test_same_seed_same_table():
    one, two = (make_survey(500, random_state=5) for _ in range(2))
    other = make_survey(500, random_state=6)
    for name in one.colnames:
        np.testing.assert_array_equal(one[name], two[name])
    assert not np.array_equal(one["TRUE_MASS"], other["TRUE_MASS"])


def test_planted_effects_change_nothing_else():
    plain = make_survey(2000, random_state=3)
    planted = make_survey(
        2000, random_state=3, cn_radial_trend=0.05, cn_low_logg_rise=0.1, label_noise=0.0, parallax_zero_point=-0.03
    )
    for name in ("TRUE_MASS", "TRUE_TEFF", "TRUE_DISTANCE", "K", "APOGEE_ID", "TRUE_BINARY"):
        np.testing.assert_array_equal(plain[name], planted[name])
    shift = planted["GAIAEDR3_PARALLAX"] - plain["GAIAEDR3_PARALLAX"]
    np.testing.assert_allclose(shift[np.isfinite(shift)], -0.03, atol=1e-5)


def _birth(survey):
    return survey["TRUE_C_FE"] - survey["TRUE_N_FE"]


@pytest.mark.parametrize("slope", [-0.4, 0.0, 0.2])
def test_subgiants_show_the_birth_slope(slope):
    survey = make_survey(20_000, random_state=1, cn_feh_slope=slope, **CLEAN)
    early = survey[(survey["LOGG"] > 3.5) & (survey["LOGG"] < 4) & (survey["TEFF"] > 4750) & (survey["TEFF"] < 5500)]
    early = early[early["FE_H"] > -0.6]
    found = np.polyfit(early["FE_H"], early["C_FE"] - early["N_FE"], 1)[0]
    assert len(early) > 200
    assert found == pytest.approx(slope, abs=0.05)


@pytest.mark.parametrize("trend", [0.0, 0.05])
def test_radial_trend_is_found_as_planted(trend):
    survey = make_survey(20_000, random_state=1, cn_radial_trend=trend, **CLEAN)
    early = survey[survey["TRUE_LOGG"] > 3.5]
    residual = _birth(early) + 0.2 * early["TRUE_M_H"]
    found = np.polyfit(early["TRUE_RADIUS_GC"] - 8.122, residual, 1)[0]
    assert found == pytest.approx(trend, abs=0.005)


def test_dredge_up_lowers_cn_with_mass_and_keeps_carbon_plus_nitrogen():
    mass = np.array([0.9, 1.2, 1.6, 2.2, 3.0])
    dwarf = observe.carbon_nitrogen(mass, np.full(5, 4.4), np.full(5, 0.5), 0.02, 0.0)
    giant = observe.carbon_nitrogen(mass, np.full(5, 2.0), np.full(5, 3.5), 0.02, 0.0)
    np.testing.assert_allclose(dwarf[0] - dwarf[1], 0.02)
    assert (np.diff(giant[0] - giant[1]) < 0).all()
    atoms = [10 ** (8.43 + c) + 10 ** (7.83 + n) for c, n in (dwarf, giant)]
    np.testing.assert_allclose(atoms[1], atoms[0])


def test_low_logg_rise(survey):
    risen = make_survey(20_000, random_state=0, cn_low_logg_rise=0.1, **CLEAN)
    change = _birth(risen) - _birth(survey)
    np.testing.assert_allclose(change, 0.1 * np.clip(2.5 - survey["TRUE_LOGG"], 0, None), atol=1e-12)


def test_distance_modulus_holds(survey):
    magnitude = survey["TRUE_ABS_MAG"] - survey["TRUE_MAG_EXCESS"] + survey["TRUE_EXTINCTION"]
    magnitude += 5 * np.log10(survey["TRUE_DISTANCE"]) + 10
    residual = survey["K"] - magnitude
    assert abs(residual.mean()) < 0.001
    assert residual.std() == pytest.approx(0.02, rel=0.05)


def test_companions_brighten_dwarfs_more_than_giants(survey):
    binary = survey[survey["TRUE_BINARY"]]
    assert survey["TRUE_BINARY"].mean() == pytest.approx(0.35, abs=0.01)
    assert (survey["TRUE_MAG_EXCESS"][~survey["TRUE_BINARY"]] == 0).all()
    dwarf = binary["TRUE_LOGG"] > 4.2
    assert binary["TRUE_MAG_EXCESS"][dwarf].max() == pytest.approx(0.75, abs=0.03)
    counts = np.histogram(binary["TRUE_MAG_EXCESS"][dwarf], [0.0, 0.1, 0.45, 0.55, 0.65, 0.78])[0]
    assert counts[4] > 1.5 * counts[2]  # twins stand apart: the residuals of dwarfs have two peaks
    assert np.median(binary["TRUE_MAG_EXCESS"][dwarf]) > 10 * np.median(binary["TRUE_MAG_EXCESS"][~dwarf])


def test_extinction_estimates_agree_with_the_truth(survey):
    plane = np.abs(survey["GLAT"]) < 16
    for chosen, scatter in ((plane, 0.03), (~plane, 0.02)):
        residual = survey["A_K"][chosen] - survey["TRUE_EXTINCTION"][chosen]
        assert abs(np.median(residual)) < 0.01
        assert 1.4826 * np.median(np.abs(residual)) < scatter
    assert set(survey["A_K_SRC"]) == {"RJCE_WISE", "RJCE_IRAC", "SFD"}


def test_parallaxes_and_labels_scatter_by_their_errors(survey):
    pull = (survey["GAIAEDR3_PARALLAX"] - 1 / survey["TRUE_DISTANCE"]) / survey["GAIAEDR3_PARALLAX_ERROR"]
    assert pull.mean() == pytest.approx(0, abs=0.03)
    assert pull.std() == pytest.approx(1, abs=0.03)
    for name in LABEL_NAMES:
        pull = (survey[name] - survey["TRUE_" + name]) / survey[name + "_ERR"]
        assert pull.std() == pytest.approx(1, abs=0.03)


def test_no_noise_means_exact_labels():
    survey = make_survey(500, random_state=0, label_noise=0.0, **CLEAN)
    for name in LABEL_NAMES:
        np.testing.assert_allclose(survey[name], survey["TRUE_" + name], rtol=1e-6, atol=1e-6)


def test_cluster_members_share_distance_metallicity_and_age():
    survey = make_survey(
        5000, random_state=2, cluster_fraction=0.5, clusters=["M 67", "47 Tuc"], cluster_distance_offset={"M67": 1.2}
    )
    table = load_clusters()
    assert set(survey["CLUSTER"]) == {"", "M67", "47TUC"}
    for name, factor in (("M67", 1.2), ("47TUC", 1.0)):
        members = survey[survey["CLUSTER"] == name]
        printed = table["DISTANCE"][table["NAME"] == name][0]
        np.testing.assert_allclose(members["TRUE_DISTANCE"], factor * printed)
        assert np.ptp(members["TRUE_LOG_AGE"]) < 0.001
        assert np.ptp(members["TRUE_M_H"]) == 0


def test_repeated_spectra_share_everything_but_the_labels():
    survey = make_survey(5000, random_state=2, repeat_fraction=0.2, **CLEAN)
    ids, counts = np.unique(survey["APOGEE_ID"], return_counts=True)
    assert counts.sum() - len(ids) == pytest.approx(1000, abs=3)
    rows = np.flatnonzero(survey["APOGEE_ID"] == ids[counts > 1][0])
    first, second = survey[rows[0]], survey[rows[1]]
    assert first["K"] == second["K"]
    assert first["TRUE_TEFF"] == second["TRUE_TEFF"]
    assert first["TEFF"] != second["TEFF"]
    assert len(set(survey["APSTAR_ID"])) == len(survey)


def test_sentinels_stand_in_the_stated_fraction():
    survey = make_survey(20_000, random_state=0, sentinel_fraction=0.1)
    for name in (*LABEL_NAMES, "K", "GAIAEDR3_PARALLAX", "SFD_EBV"):
        assert np.isnan(as_floats(survey[name])).mean() == pytest.approx(0.1, abs=0.01)
    assert (survey["K"] == 99).any()
    assert (survey["TEFF"] < -9999).any()
    for name in survey.colnames:
        if name.startswith("TRUE_") and survey[name].dtype.kind == "f":
            assert np.isfinite(survey[name]).all()


def test_bad_spectra_are_flagged_and_wrong():
    survey = make_survey(20_000, random_state=0, sentinel_fraction=0, bad_fraction=0.05)
    bad = survey["ASPCAPFLAG"] & (1 << 23) > 0
    assert bad.mean() == pytest.approx(0.05, abs=0.01)
    off = np.abs(survey["LOGG"] - survey["TRUE_LOGG"])
    assert np.median(off[bad]) > 5 * np.median(off[~bad])


def test_mass_scales_are_masses_of_giants(survey):
    for name in observe.MASS_SCALES:
        have = np.isfinite(survey[name])
        assert have.sum() > 100
        assert (survey["TRUE_LOGG"][have] < 3.5).all()
        assert np.median(survey[name][have] / survey["TRUE_MASS"][have]) == pytest.approx(1.0, abs=0.1)
    assert set(survey["MASS_SRC"]) == {"", "APOKASC", "Berger 2020", "Serenelli 2013"}


def test_mock_looks_like_the_kepler_giants(real_data, survey):
    """Physics against measurement: M_K at the measured labels, and the giant branch."""
    real = Table.read(real_data("kepler_giants.fits"))
    get = {name: as_floats(real[name]) for name in ("TEFF", "LOGG", "MASS", "K", "A_K", "GAIAEDR3_R_MED_PHOTOGEO")}
    measured = get["K"] - get["A_K"] - 5 * np.log10(get["GAIAEDR3_R_MED_PHOTOGEO"]) + 5
    with np.errstate(invalid="ignore"):
        mock = evolution.absolute_magnitude(np.log10(get["MASS"]), np.log10(get["TEFF"]), get["LOGG"])
    assert abs(np.nanmedian(mock - measured)) < 0.05
    for low, high in ((1.5, 2.0), (2.7, 3.2)):
        theirs = np.nanmedian(get["TEFF"][(get["LOGG"] > low) & (get["LOGG"] < high)])
        ours = np.median(survey["TEFF"][(survey["LOGG"] > low) & (survey["LOGG"] < high)])
        assert ours == pytest.approx(theirs, abs=120)


@settings(max_examples=15, deadline=None)
@given(st.integers(0, 40), st.floats(0, 1), st.floats(0, 1), st.floats(0, 1), st.floats(0, 1))
def test_any_size_and_fractions(n, giants, binaries, clusters, repeats):
    survey = make_survey(
        n,
        giant_fraction=giants,
        binary_fraction=binaries,
        cluster_fraction=clusters,
        repeat_fraction=0.9 * repeats,
        random_state=0,
    )
    assert len(survey) == n
    assert len(survey.colnames) == len(set(survey.colnames))


@pytest.mark.parametrize(
    ("parameters", "message"),
    [
        ({"n_stars": -1}, "n_stars is -1"),
        ({"n_stars": 1.5}, "n_stars is 1.5"),
        ({"binary_fraction": 1.2}, "binary_fraction is 1.2"),
        ({"label_noise": -1}, "label_noise is -1"),
        ({"cn_feh_slope": np.nan}, "cn_feh_slope is nan"),
        ({"clusters": ["M31"]}, "no mock cluster 'M31'"),
        ({"cluster_distance_offset": {"M31": 1.1}}, "no mock cluster 'M31'"),
        ({"cluster_distance_offset": {"M67": 0}}, "cluster_distance_offset of 'M67' is 0"),
    ],
)
def test_wrong_parameters_are_named(parameters, message):
    with pytest.raises(InputError, match=message):
        make_survey(**{"n_stars": 10, **parameters})
