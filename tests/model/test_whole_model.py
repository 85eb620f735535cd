"""A model of the whole diagram: optional abundances, sources, clusters, and masses without C and N."""

import warnings

import numpy as np
import pytest
from astropy.table import Table
from sklearn.exceptions import ConvergenceWarning

from skdistmass import AbsMagRegressor, CNMassRegressor, DistMassModel, LevenbergMarquardtMLPRegressor, load_model
from skdistmass.datasets import make_survey
from skdistmass.exceptions import DistMassWarning, InputError
from skdistmass.schema.bits import Bit, Space
from skdistmass.surveys import as_stars

pytestmark = pytest.mark.slow

SMALL = {
    "network": LevenbergMarquardtMLPRegressor(hidden_layer_sizes=4, max_iter=30, n_starts=2),
    "n_networks": 1,
    "n_folds": 2,
}


@pytest.fixture(scope="module")
def stars():
    """Mock stars: some without carbon, labels of two sources, masses of two sources, a cluster."""
    table = Table(make_survey(3000, random_state=0, seismic_fraction=0.7))
    number = np.arange(len(table))
    table["C_FE"][::5] = np.nan
    table["LABEL_SRC"] = np.where(number % 3 == 0, "near", "usual")
    parallax = np.asarray(table["GAIAEDR3_PARALLAX"])
    table["GAIAEDR3_PARALLAX"] = np.where(number % 3 == 0, parallax * 10**0.04, parallax)  # 0.2 mag fainter
    table["MASS_SRC"] = np.where(number % 2 == 0, "Serenelli", "APOKASC-3")
    for name in [name for name in table.colnames if "R_MED" in name or "GAIAEDR3_DIST" in name]:
        table.remove_column(name)
    return table


@pytest.fixture(scope="module")
def model(stars):
    whole = AbsMagRegressor.whole_diagram(reference_sources=("usual",), **SMALL)
    model = DistMassModel(
        whole, CNMassRegressor.whole_diagram(**SMALL), mass_scales={"": "MASS"}, mass_fallback=True, random_state=0
    )
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DistMassWarning)
        warnings.simplefilter("ignore", ConvergenceWarning)
        return model.fit(stars)


def test_one_network_serves_stars_with_and_without_abundances(model, stars):
    assert model.abs_mag_fallback_ is None
    catalog = model.predict(stars)
    without = np.isnan(as_stars(stars).labels[:, 3]) & np.isfinite(as_stars(stars).labels[:, :3]).all(axis=1)
    assert np.isfinite(catalog["ABS_MAG"][without]).all()
    assert catalog["LABEL_FALLBACK"][without].all()
    assert (catalog["DISTANCE_SPACE"][without] >= Space.EDGE).all()
    assert (catalog["DISTANCE_SPACE"][~without] == Space.INSIDE).any()


def test_masses_without_abundances_have_larger_errors_and_a_flag(model, stars):
    catalog = model.predict(stars)
    without = np.asarray(catalog["LABEL_FALLBACK_MASS"]) & (catalog["LOGG"] < 3.3)
    with_all = ~np.asarray(catalog["LABEL_FALLBACK_MASS"]) & (catalog["LOGG"] < 3.3)
    relative = np.asarray(catalog["MASS_ERR"] / catalog["MASS"])
    assert np.nanmedian(relative[without]) > 1.05 * np.nanmedian(relative[with_all])
    assert (catalog["MASS_SPACE"][without] >= Space.EDGE).all()


def test_offset_of_a_source_is_learned_and_added(model, stars):
    assert model.abs_mag_.offsets_["usual"] == 0.0
    assert model.abs_mag_.offsets_["near"] == pytest.approx(0.2, abs=0.06)
    blank = stars.copy()
    blank["LABEL_SRC"] = ""
    moved = model.predict(stars, out_of_fold=False)["ABS_MAG"] - model.predict(blank, out_of_fold=False)["ABS_MAG"]
    expected = np.where(stars["LABEL_SRC"] == "near", model.abs_mag_.offsets_["near"], 0.0)
    known = np.isfinite(np.asarray(moved))
    np.testing.assert_allclose(np.asarray(moved)[known], expected[known], atol=1e-12)


def test_bits_of_the_training_sets(model, stars):
    bits = np.asarray(model.predict(stars)["BITMASK"])
    serenelli = stars["MASS_SRC"] == "Serenelli"
    assert (bits[serenelli] & Bit.MASS_SERENELLI).any()
    assert not (bits[~serenelli] & Bit.MASS_SERENELLI).any()
    assert np.count_nonzero(bits & Bit.DISTANCE_TRAINING) == model.abs_mag_.n_rows_


def test_accuracy_by_region(model):
    regions = model.accuracy_["ABS_MAG"]["regions"]
    assert {"giants", "dwarfs and subgiants"} <= set(regions)
    assert all(abs(part["bias"]) < 0.05 for name, part in regions.items() if name != "clusters")


def test_saved_and_read_again_it_is_the_same(model, stars, tmp_path):
    model.save(tmp_path / "whole.model")
    again = load_model(tmp_path / "whole.model")
    for one, other in zip(model.predict(stars).itercols(), again.predict(stars).itercols(), strict=True):
        np.testing.assert_array_equal(np.asarray(one), np.asarray(other), err_msg=one.name)


def test_other_optional_labels_are_refused(stars):
    abs_mag = AbsMagRegressor(baseline="stellar", optional_labels=("N_FE",), **SMALL)
    with pytest.raises(InputError, match="optional_labels"):
        DistMassModel(abs_mag, parts="distance").fit(stars)
