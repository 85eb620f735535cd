"""Table 2 and Table 3 on real stars, checked star by star."""

import numpy as np
import pytest
from astropy.table import Table

from skdistmass import AbsMagRegressor, CNMassRegressor, DistMassModel, LevenbergMarquardtMLPRegressor, TrainingCuts
from skdistmass.catalog import build_catalog
from skdistmass.schema.bits import Bit, QualityBit
from skdistmass.schema.columns import layout
from skdistmass.surveys import read_survey
from skdistmass.surveys.training_sets import distance_training_set, mass_training_set

pytestmark = pytest.mark.slow

SMALL = {"network": LevenbergMarquardtMLPRegressor(hidden_layer_sizes=4, n_starts=2), "n_networks": 1}


@pytest.fixture(scope="module")
def kepler(real_data, tmp_path_factory):
    """The giants, a model trained on them, and their catalogue."""
    path = real_data("kepler_giants.fits")
    stars = read_survey(path)
    model = DistMassModel(
        AbsMagRegressor(**SMALL), CNMassRegressor(**SMALL), mass_scales={"": "MASS"}, random_state=0
    ).fit(stars)
    target = tmp_path_factory.mktemp("kepler") / "catalog.fits"
    report = build_catalog(model, path, target, chunk_rows=4000)
    return stars, model, Table.read(target), report


def text(column):
    return np.char.strip(np.ma.filled(np.ma.asarray(column), "").astype(str))


def test_training_bits_of_each_star(kepler):
    stars, _, catalog, report = kepler
    cuts = TrainingCuts()
    trained = np.zeros(len(stars), dtype=bool)
    trained[distance_training_set(stars, cuts).rows] = True
    weighed = np.zeros(len(stars), dtype=bool)
    weighed[mass_training_set(stars, "MASS", cuts).rows] = True
    bits = np.asarray(catalog["BITMASK"])
    assert ((bits & Bit.DISTANCE_TRAINING != 0) == trained).all()
    apokasc = weighed & (np.char.find(np.char.upper(text(stars["MASS_SRC"])), "APOKASC") >= 0)
    assert apokasc.sum() > 1000
    assert ((bits & Bit.MASS_APOKASC != 0) == apokasc).all()
    assert (bits & 4 == 0).all()
    assert report.bits["BITMASK"]["DISTANCE_TRAINING"] == trained.sum()


def test_outside_bit_of_each_star(kepler):
    stars, model, catalog, _ = kepler
    labels = np.column_stack([stars[name] for name in ("TEFF", "LOGG", "M_H", "C_FE", "N_FE")])
    answers = model.mass_space_.classify(np.asarray(labels))
    bits = np.asarray(catalog["BITMASK"])
    assert ((bits & Bit.OUTSIDE_MASS_SPACE != 0) == (answers >= 2)).all()


def test_table_2_of_real_stars(kepler):
    stars, _, catalog, _ = kepler
    assert catalog.colnames == [column.name for column in layout([""])]
    assert (text(catalog["APOGEE_ID"]) == text(stars["APOGEE_ID"])).all()
    assert (text(catalog["APSTAR_ID"]) == "").all()
    assert np.isnan(np.ma.filled(catalog["NMSU_DIST"], np.nan)).all()
    distance = 0.01 * 10 ** (0.2 * (catalog["MAG"] - catalog["EXTINCTION"] - catalog["ABS_MAG"]))
    np.testing.assert_allclose(catalog["DISTANCE"], distance, rtol=1e-12, equal_nan=True)
    giant = np.asarray(catalog["LOGG"]) < 3.5
    assert np.isnan(np.ma.filled(catalog["AGE"], np.nan)[~giant]).all()
    # No raw photometry here: the file's A_K is used, and said to be.
    known = np.isfinite(stars["A_K"])
    np.testing.assert_array_equal(catalog["EXTINCTION"][known], np.maximum(stars["A_K"], 0.0)[known])
    negative = np.asarray(catalog["FLAGS"]) & QualityBit.EXTINCTION_NEGATIVE != 0
    assert (negative == (np.asarray(stars["A_K"]) < 0)).all()
    assert (text(catalog["EXTINCTION_METHOD"])[known] == text(stars["A_K_SRC"])[known]).all()
    assert (np.asarray(catalog["FLAGS"])[known] & QualityBit.EXTINCTION_FALLBACK != 0).all()


def test_roll_ups_follow_from_the_named_bits(kepler):
    catalog, q = kepler[2], QualityBit
    flags = np.asarray(catalog["FLAGS"])

    def has(bits):
        return flags & int(bits) != 0

    lost = ~np.isfinite(np.ma.filled(catalog["DISTANCE"], np.nan))
    assert (has(q.DISTANCE_BAD) == (has(q.DISTANCE_OUTSIDE | q.STAR_BAD) | lost)).all()
    assert (has(q.MASS_WARN) == has(q.MASS_EDGE)).all()
    assert (has(q.MASS_EDGE) == (np.asarray(catalog["MASS_SPACE"]) == 1)).all()
    aged = np.isfinite(np.ma.filled(catalog["AGE"], np.nan))
    assert (aged | has(q.AGE_BAD)).all()
    assert not has(q.AGE_BAD).all()


def test_k2_stars_without_carbon_and_nitrogen(kepler, real_data, tmp_path):
    path = real_data("k2_giants.fits")
    build_catalog(kepler[1], path, tmp_path / "k2.fits")
    catalog, stars = Table.read(tmp_path / "k2.fits"), read_survey(path)
    assert catalog.colnames == kepler[2].colnames
    bits, flags = np.asarray(catalog["BITMASK"]), np.asarray(catalog["FLAGS"])
    assert (bits & Bit.OUTSIDE_MASS_SPACE != 0).all()
    assert (flags & QualityBit.CN_MISSING != 0).all()
    assert (flags & QualityBit.MASS_BAD != 0).all()
    labelled = np.isfinite(stars["TEFF"]) & np.isfinite(stars["LOGG"])
    assert np.isfinite(catalog["ABS_MAG"][labelled]).mean() > 0.9
    # No extinction in this file: that of the colours is used, and said to be.
    known = np.isfinite(np.ma.filled(catalog["DISTANCE"], np.nan))
    assert known[labelled].mean() > 0.9
    assert (text(catalog["EXTINCTION_METHOD"])[known] == "COLOUR").all()
    assert (flags[known] & QualityBit.EXTINCTION_FALLBACK != 0).all()
    assert (np.asarray(catalog["EXTINCTION_FLAG"])[known] == 16).all()
    extinction, latitude = np.asarray(catalog["EXTINCTION"]), np.abs(stars["GLAT"])
    assert np.median(extinction[known & (latitude > 40)]) < 0.03
    assert np.median(extinction[known & (latitude < 10)]) > 0.1
    # Its error is in the distance's error.
    for name, kind in (("DISTANCE_LO", -1), ("DISTANCE_HI95", 2)):
        side = 5 * np.log10(np.asarray(catalog[name])[known] / np.asarray(catalog["DISTANCE"])[known]) / kind
        assert np.all(side > np.hypot(0.02, np.asarray(catalog["EXTINCTION_ERR"])[known]))
    assert np.isfinite(np.ma.filled(catalog["DISTANCE_WEIGHTED"], np.nan)).mean() > 0.9
