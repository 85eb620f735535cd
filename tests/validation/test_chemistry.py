"""The science checks find what was put in, and nothing when nothing was put in."""

import numpy as np
import pytest
from astropy.table import Table

from skdistmass.validation import (
    MissingInputError,
    birth_cn_relation,
    cn_low_logg_rise,
    cn_radial_trend,
    join_reference,
    learned_cn_mass_relation,
    mass_distributions,
    mass_loss_effect,
    spoo_comparison,
    spoo_log_age,
)
from skdistmass.validation.chemistry import giants_of_one_mass, is_undredged_subgiant


def test_subgiants_are_those_of_the_paper():
    stars = Table({"LOGG": [3.6, 3.4, 3.9, 4.1, np.nan], "TEFF": [5000.0, 5000.0, 5600.0, 5000.0, 5000.0]})
    assert is_undredged_subgiant(stars).tolist() == [True, False, False, False, False]


def test_clump_stars_are_not_giants_of_one_mass():
    stars = Table({"LOGG": [2.5, 2.5, 2.5], "REF_MASS": [1.2, 1.2, 2.0], "REF_EVSTATE": [1, 2, 1]})
    assert giants_of_one_mass(stars).tolist() == [True, False, False]


def test_no_slope_where_none_was_put_in(plain):
    table = birth_cn_relation(plain)
    assert table["SAMPLE"].tolist() == ["subgiants", "giants of one mass"]
    assert np.all(np.abs(table["SLOPE"]) < 4 * table["SLOPE_ERR"])


def test_the_slope_that_was_put_in(planted):
    subgiants, giants = birth_cn_relation(planted)
    # Errors of [Fe/H] flatten it a little.
    assert subgiants["SLOPE"] == pytest.approx(-0.35, abs=0.05)
    assert giants["SLOPE"] == pytest.approx(-0.35, abs=0.12)
    assert subgiants["SLOPE"] < -20 * subgiants["SLOPE_ERR"]


def test_no_radial_trend_where_none_was_put_in(plain, mock):
    # With the slope in [Fe/H] alone there is no trend at given [Fe/H] either.
    for stars in (plain, join_reference(*mock(cn_feh_slope=-0.35))):
        table = cn_radial_trend(stars)
        assert np.all(table["P_VALUE"] > 0.001)
        assert table["SLOPE_ERR"][-1] < 0.01


def test_the_radial_trend_that_was_put_in(planted):
    table = cn_radial_trend(planted)
    whole = table[-1]
    assert whole["SLOPE"] == pytest.approx(0.05, abs=4 * whole["SLOPE_ERR"])
    assert whole["P_VALUE"] < 1e-10
    assert len(table) >= 5


def test_the_rise_at_low_logg(plain, mock):
    none = cn_low_logg_rise(plain)[-1]
    some = cn_low_logg_rise(join_reference(*mock(cn_low_logg_rise=0.2)))[-1]
    assert abs(none["RISE"]) < 4 * none["RISE_ERR"]
    assert some["RISE"] == pytest.approx(0.2, abs=0.03)


def test_mass_distributions_differ_where_masses_are_shifted(plain):
    table = mass_distributions(plain)
    assert set(table["MASS"]) == {"MASS_CAL"}
    assert set(zip(table["DISTANCE_LO"], table["DISTANCE_HI"], strict=True)) <= {(0.0, 2.0), (2.0, 4.0)}
    shifted = plain.copy()
    shifted["MASS_CAL"][np.asarray(shifted["LOGG"]) < 2.5] *= 1.5
    difference = mass_distributions(shifted)["DIFFERENCE"] - table["DIFFERENCE"]
    assert np.all(difference < -0.3)


def test_masses_fall_with_cn(plain):
    table = learned_cn_mass_relation(plain)
    assert set(table["MASS"]) == {"MASS_CAL"}
    assert np.all(table["SLOPE"] < -5 * table["SLOPE_ERR"])


def test_mass_loss_of_the_paper():
    np.testing.assert_allclose(mass_loss_effect()["OVER_PREDICTED"], [0.11, 0.03], atol=0.006)


def test_spoo_is_nan_outside_its_clusters():
    np.testing.assert_allclose(spoo_log_age([-0.7, -0.5, -0.2, 0.0]), [np.nan, 9.025, 9.694, np.nan])


def test_ages_against_spoo(plain):
    table = spoo_comparison(plain)
    assert len(table) == 3
    assert np.all(table["SLOPE"] > 10 * table["SLOPE_ERR"])


def test_what_is_lacking_is_named():
    stars = Table({"LOGG": [2.5], "TEFF": [4800.0], "M_H": [0.0]})
    with pytest.raises(MissingInputError, match="no column C_FE in the catalogue"):
        birth_cn_relation(stars)
    stars["C_FE"], stars["N_FE"] = [0.0], [0.1]
    with pytest.raises(MissingInputError, match=r"subgiants: 0 stars .*no column MASS in the reference table"):
        birth_cn_relation(stars)
    with pytest.raises(MissingInputError, match="no age in the catalogue"):
        spoo_comparison(stars)
