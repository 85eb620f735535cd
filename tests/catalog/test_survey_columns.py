"""Columns carried over from the survey, for models that give predictions only, as those in one ONNX file do."""

import numpy as np
import pytest
from astropy.io import fits
from astropy.table import Table

from skdistmass import load_pretrained
from skdistmass.catalog import build_catalog
from skdistmass.datasets import make_survey
from skdistmass.schema.bits import Bit, QualityBit
from skdistmass.surveys import read_survey
from skdistmass.surveys.training_sets import TrainingCuts

pytestmark = pytest.mark.slow


class Bare:
    """A model that is nothing but a predictor."""

    def __init__(self, model):
        self.card = {"metallicity": model.metallicity_, "training_cuts": vars(model.cuts or TrainingCuts())}
        self._model = model

    def predict_columns(self, stars, *, out_of_fold=True):
        return self._model.predict_columns(stars, out_of_fold=out_of_fold)


def test_bare_predictions_make_the_same_catalogue(model, all_star, tmp_path):
    for name, predictor in (("full", model), ("bare", Bare(model))):
        build_catalog(predictor, all_star, tmp_path / f"{name}.fits", chunk_rows=300, model_name="m")
    full, bare = (fits.getdata(tmp_path / f"{name}.fits") for name in ("full", "bare"))
    for name in full.names:
        np.testing.assert_array_equal(bare[name], full[name], err_msg=name)
    assert np.isfinite(bare["DISTANCE_WEIGHTED"]).sum() > 500


def test_zero_point_of_the_card_is_that_of_the_inverted_parallaxes(model, tmp_path):
    survey = make_survey(1000, random_state=0)
    survey.remove_columns([name for name in survey.colnames if name.startswith("GAIAEDR3_R_")])
    survey.write(tmp_path / "survey.fits")
    bare = Bare(model)
    bare.card["training_cuts"] = {"parallax_zero_point": {"Gaia EDR3": -0.1}}
    build_catalog(bare, tmp_path / "survey.fits", tmp_path / "c.fits")
    distance = np.ma.filled(Table.read(tmp_path / "c.fits")["GAIAEDR3_DIST"], np.nan)
    known = np.isfinite(distance)
    assert known.sum() > 500
    np.testing.assert_allclose(
        1 / distance[known], read_survey(tmp_path / "survey.fits")["PARALLAX"][known] + 0.1, rtol=1e-9
    )


@pytest.mark.parametrize("name", ["kepler_giants.fits", "k2_giants.fits"])
def test_shipped_model_on_real_giants(real_data, tmp_path, name):
    path = real_data(name)
    build_catalog(load_pretrained("kepler-giants"), path, tmp_path / "c.fits")
    catalog, stars = Table.read(tmp_path / "c.fits"), read_survey(path)

    def floats(column):
        return np.ma.filled(np.ma.asarray(column).astype(float), np.nan)

    for column in ("TEFF", "LOGG", "C_FE", "N_FE"):
        if column in stars:
            np.testing.assert_array_equal(floats(catalog[column]), floats(stars[column]), column)
    np.testing.assert_array_equal(floats(catalog["M_H"]), floats(stars["FE_H"]))
    np.testing.assert_array_equal(floats(catalog["MAG"]), floats(stars["K"]))
    flags = np.asarray(catalog["FLAGS"])
    labelled = np.isfinite(np.column_stack([floats(catalog[n]) for n in ("TEFF", "LOGG", "M_H")])).all(axis=1)
    assert ((flags & int(QualityBit.LABEL_MISSING) == 0) == labelled).all()
    assert ((flags & int(QualityBit.MAG_MISSING) == 0) == np.isfinite(floats(stars["K"]))).all()
    weighted, gaia = floats(catalog["DISTANCE_WEIGHTED"]), floats(catalog["GAIAEDR3_DIST"])
    alone = np.isfinite(gaia) & np.isnan(floats(catalog["DISTANCE"]))
    np.testing.assert_allclose(weighted[alone], gaia[alone], rtol=1e-12)
    trained = np.asarray(catalog["BITMASK"]) & int(Bit.DISTANCE_TRAINING) != 0
    assert trained.any() == (name == "kepler_giants.fits")
