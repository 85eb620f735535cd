"""The check of the labels' scale in a validation."""

import numpy as np
import pytest
from astropy.table import Table

from skdistmass.photometry import distance_from_magnitude, weighted_distance
from skdistmass.validation import validate


class Physics:
    """M_K by the labels, in one line."""

    card = {}

    def predict_columns(self, stars, *, out_of_fold=True):
        return {"ABS_MAG": 2.5 * stars["LOGG"] - stars["TEFF"] / 400.0 + 4.0}


@pytest.fixture
def catalog():
    """A catalogue whose Gaia distances have errors of 3 %, which only DISTANCE_WEIGHTED_ERR tells."""
    rng = np.random.default_rng(0)
    logg = rng.uniform(1.5, 3.3, 400)
    labels = {"TEFF": 3600 + 450 * logg + rng.normal(0, 60, 400), "LOGG": logg, "M_H": rng.normal(0, 0.2, 400)}
    true = distance_from_magnitude(Physics().predict_columns(labels)["ABS_MAG"], np.full(400, 10.0), np.zeros(400))
    gaia = true * (1 + 0.03 * rng.normal(size=400))
    error = weighted_distance(true, 0.08 * true, gaia, 0.03 * gaia)[1]
    return Table(
        labels
        | {"MAG": np.full(400, 10.0), "EXTINCTION": np.zeros(400), "DISTANCE": true, "DISTANCE_ERR": 0.08 * true}
        | {"GAIAEDR3_DIST": gaia, "DISTANCE_WEIGHTED_ERR": error}
    )


def scale_of(catalog, model):
    return next(check for check in validate(catalog, model=model).checks if check.name == "Scale of the labels")


def test_labels_on_the_scale_of_the_model_pass(catalog):
    assert scale_of(catalog, Physics()).verdict == "passed"


def test_a_shift_is_told_with_what_it_does(catalog):
    catalog["LOGG"] += 0.1
    found = scale_of(catalog, Physics())
    assert found.verdict == "fell short"
    assert "log g looks 0.1" in found.found
    assert "too high: distances -10." in found.found or "too high: distances -11." in found.found
    table = validate(catalog, model=Physics()).tables["label_scale"]
    assert sorted(table["LABEL"]) == ["LOGG", "TEFF"]
    # One magnitude can't tell log g from Teff.
    assert "As likely: Teff looks" in found.found


def test_what_is_missing_is_said(catalog):
    assert "--model" in scale_of(catalog, None).found
    catalog.remove_column("EXTINCTION")
    assert scale_of(catalog, Physics()).found == "there is no column EXTINCTION in the catalogue"
    assert scale_of(catalog, Physics()).verdict == "not tested"
    catalog["EXTINCTION"] = 0.0
    catalog.remove_columns(["GAIAEDR3_DIST"])
    assert scale_of(catalog, Physics()).verdict == "passed"
