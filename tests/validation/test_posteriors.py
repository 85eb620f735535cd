"""Distributions of a catalogue against a truth that was drawn from them, or from others."""

import numpy as np
import pytest
from astropy.table import Table
from scipy.special import ndtri

from skdistmass.model import STORED_LEVELS
from skdistmass.uncertainty import LEVELS
from skdistmass.validation import (
    MissingInputError,
    age_by_metallicity,
    coverage_by_level,
    figures,
    join_reference,
    mass_age_correlations,
    posterior_scores,
    prediction_ranks,
    rank_histogram,
)
from skdistmass.validation.posteriors import law_of

N_STARS = 4000


def skew(deviate):
    """A law with one tail, of the logarithm of a mass."""
    return 0.2 * (np.exp(0.5 * deviate) - 1.0)


def tables(*, stored=True, too_small=1.0):
    """A catalogue, and a reference whose masses are drawn from its laws; errors may be given too small."""
    identifier = [f"2M{number:08d}" for number in range(N_STARS)]
    rng = np.random.default_rng(0)
    mass, deviate = rng.uniform(0.9, 2.0, N_STARS), rng.standard_normal(N_STARS)
    truth = mass * np.exp(skew(deviate))
    quantiles = skew(ndtri(STORED_LEVELS)) * too_small
    catalog = Table({"APOGEE_ID": identifier, "LOGG": np.full(N_STARS, 2.5), "M_H": rng.normal(-0.1, 0.2, N_STARS)})
    catalog["MASS"] = mass
    for end, at in (("LO95", 2), ("LO", 4), ("HI", 8), ("HI95", 10)):
        catalog[f"MASS_{end}"] = mass * np.exp(quantiles[at])
    catalog["AGE"] = 10.0 - 3.0 * np.log10(mass)
    catalog["AGE_LO"], catalog["AGE_HI"] = catalog["AGE"] - 0.1, catalog["AGE"] + 0.1
    if stored:
        catalog["POST_MASS_QUANTILES"] = (mass[:, None] * np.exp(quantiles)).astype(np.float32)
    reference = Table({"APOGEE_ID": identifier, "MASS": truth, "MASS_ERR": np.full(N_STARS, 1e-3)})
    return join_reference(catalog, reference)


@pytest.fixture(scope="module")
def stars():
    return tables()


def test_right_laws_have_even_ranks_and_beat_a_normal_law(stars):
    (row,) = posterior_scores(stars)
    assert (row["QUANTITY"], row["LAW"]) == ("MASS", "stored posterior")
    assert row["N"] > 0.99 * N_STARS  # a few masses are none that a star can have
    assert row["P_VALUE"] > 0.01
    assert 0.01 < row["GAIN"] < 0.3
    assert row["CRPS"] < row["CRPS_68"]
    table = rank_histogram(stars)
    assert table["N"].sum() == row["N"]
    assert np.mean(np.abs(table["DENSITY"] - 1.0) < 2.0 * table["DENSITY_ERR"]) > 0.8
    table = coverage_by_level(stars)
    assert np.abs(table["FOUND"] - table["NOMINAL"]).max() < 0.03


def test_errors_too_small_are_seen():
    stars = tables(too_small=0.6)
    ranks = prediction_ranks(stars)
    assert list(ranks) == ["MASS against MASS"]
    histogram = rank_histogram(stars, ranks=ranks)
    assert histogram["DENSITY"][0] > 1.4
    assert histogram["DENSITY"][-1] > 1.4
    table = coverage_by_level(stars, ranks=ranks)
    at = np.argmin(np.abs(table["NOMINAL"] - 0.6827))
    assert table["FOUND"][at] < 0.58
    assert posterior_scores(stars)["P_VALUE"][0] < 1e-6


@pytest.mark.parametrize(
    "ends", [{"_ERR": 0.5}, {"_LO": 1.5, "_HI": 2.5}, {"_ELO": 0.5, "_EHI": 0.5}], ids=lambda ends: "".join(ends)
)
def test_errors_of_other_ages_count(ends):
    rng = np.random.default_rng(1)
    truth = 9.0 + np.log10(2.0)
    identifier = [f"S{number}" for number in range(500)]
    catalog = Table({"APOGEE_ID": identifier, "AGE": np.full(500, truth)})
    catalog["AGE_LO"], catalog["AGE_HI"] = truth - 0.02, truth + 0.02
    measured = 2.0 + 0.4 * rng.standard_normal(500)
    reference = Table({"APOGEE_ID": identifier, "AGE_TRUE": np.clip(measured, 1.0, 3.0)})
    ranks = prediction_ranks(join_reference(catalog, reference))["AGE against AGE_TRUE"]
    for end, value in ends.items():
        reference[f"AGE_TRUE{end}"] = value
    with_errors = prediction_ranks(join_reference(catalog, reference))["AGE against AGE_TRUE"]
    assert np.mean(np.abs(ranks - 0.5) > 0.49) > 0.4
    assert np.mean(np.abs(with_errors - 0.5) > 0.49) < 0.1


def test_without_stored_posteriors_the_intervals_are_used():
    (row,) = posterior_scores(tables(stored=False))
    assert row["LAW"] == "intervals"
    assert row["KS"] < 0.1


def test_laws_go_through_what_is_known(stars):
    law, source = law_of(stars, "AGE", np.arange(5))
    assert source == "intervals"
    np.testing.assert_allclose(law.median(), stars["AGE"][:5])
    one_sigma = np.argmin(np.abs(LEVELS - 0.8413447))
    np.testing.assert_allclose(law.quantiles[:, one_sigma], stars["AGE_HI"][:5])
    law, source = law_of(stars, "MASS", np.arange(5))
    assert source == "stored posterior"
    np.testing.assert_allclose(law.quantiles[:, one_sigma], stars["POST_MASS_QUANTILES"][:5, 8], rtol=1e-6)
    stars = stars.copy()
    stars.meta["POSTSCAL"] = "COR_MO"
    assert law_of(stars, "MASS", np.arange(5))[1] == "intervals"


def test_ages_by_metallicity_and_correlations(stars):
    table = age_by_metallicity(stars)
    assert table["N"].sum() <= N_STARS
    np.testing.assert_allclose(table["ERROR"], 0.1, rtol=1e-6)
    assert np.all((table["P16"] < table["MEDIAN"]) & (table["MEDIAN"] < table["P84"]))
    table = mass_age_correlations(stars)
    assert list(zip(table["FIRST"], table["SECOND"], strict=True)) == [("MASS", "AGE"), ("MASS", "M_H"), ("AGE", "M_H")]
    assert table["CORRELATION"][0] == pytest.approx(-1.0)
    assert np.isnan(table["WITHIN_STARS"]).all()
    drawn = stars.copy()
    rng = np.random.default_rng(2)
    offset = rng.normal(0.0, 0.1, (N_STARS, 30))
    drawn["POST_MASS_DRAWS"] = drawn["MASS"][:, None] + offset
    drawn["POST_AGE_DRAWS"] = drawn["AGE"][:, None] - offset
    drawn["POST_M_H_DRAWS"] = drawn["M_H"][:, None] + rng.normal(0.0, 0.1, (N_STARS, 30))
    within = mass_age_correlations(drawn)["WITHIN_STARS"]
    assert within[0] == pytest.approx(-1.0)
    assert abs(within[1]) < 0.1
    axes = figures.fig22_mass_age_corner(drawn).axes
    assert any("one star -1.00" in ax.get_title() for ax in axes)
    assert any(f"{N_STARS} stars, 30 draws each" in text.get_text() for ax in axes for text in ax.texts)


def test_what_is_missing_is_said():
    bare = Table({"APOGEE_ID": ["A"], "DISTANCE": [1.0], "LOGG": [2.0]})
    with pytest.raises(MissingInputError, match="have a distribution"):
        posterior_scores(bare)
    with pytest.raises(MissingInputError, match="no age"):
        age_by_metallicity(bare)
