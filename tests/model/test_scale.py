"""The scale of labels against a model that is a formula."""

import numpy as np
import pytest

from skdistmass.exceptions import InputError
from skdistmass.labels import LABEL_NAMES
from skdistmass.model.scale import check_scale, choose_labels, fit_to_model, model_constraints
from skdistmass.photometry import distance_from_magnitude
from skdistmass.schema.bits import Space
from skdistmass.surveys import Stars


class Formula:
    """M_K, two masses and an age by the labels; log g 3.2 and more is outside, and has no mass."""

    card = {"metallicity": "M_H", "training_cuts": {"parallax_zero_point": {"Gaia EDR3": -0.1}}}
    names = ("ABS_MAG", "MASS_A", "AGE_A", "MASS_B", "AGE_B", "DISTANCE_SPACE")

    def __init__(self, *names):
        self.kept = names or self.names

    def predict_columns(self, stars, *, out_of_fold=True):
        assert not out_of_fold
        logg = stars["LOGG"]
        mass = np.where(logg < 3.2, 0.5 * logg, np.nan)
        columns = {
            "ABS_MAG": 2.5 * logg - stars["TEFF"] / 400.0 + 4.0,
            "MASS_A": mass,
            "AGE_A": 10.0 - mass,
            "MASS_B": 1.1 * mass,
            "AGE_B": 9.9 - mass,
            "DISTANCE_SPACE": np.where(logg < 3.2, Space.INSIDE, Space.OUTSIDE),
        }
        return {name: columns[name] for name in self.kept}


def survey(n=60, **columns):
    rng = np.random.default_rng(0)
    logg = rng.uniform(1.5, 3.1, n)
    labels = {"TEFF": 3600 + 450 * logg + rng.normal(0, 60, n), "LOGG": logg, "M_H": rng.normal(0, 0.2, n)}
    abs_mag = 2.5 * logg - labels["TEFF"] / 400.0 + 4.0
    parallax = 1.0 / distance_from_magnitude(abs_mag, np.full(n, 10.0), np.zeros(n))
    known = {"K": np.full(n, 10.0), "A_K": np.zeros(n), "PARALLAX": parallax, "PARALLAX_ERR": 0.02 * parallax}
    return Stars(labels | known | columns)


def constraints(stars, model=None, **options):
    found = model_constraints(model or Formula(), stars, LABEL_NAMES[:3], **options)
    return {constraint.name: constraint for constraint in found}


def test_labels_are_five_if_half_of_the_stars_have_them():
    labels = np.zeros((5, 5))
    labels[[3, 4], 3] = np.nan
    for rows, wanted in (([0, 1, 3, 4], 5), ([0, 3, 4], 3), ([0, 1, 2, 3], 5)):
        assert len(choose_labels(Stars(dict(zip(LABEL_NAMES, labels[rows].T, strict=True))))) == wanted
    # Only stars with the first three count.
    labels[3, 0] = np.nan
    assert len(choose_labels(Stars(dict(zip(LABEL_NAMES, labels[[0, 3, 4]].T, strict=True))))) == 5


EVERYTHING = {
    "EVSTATE": np.where(np.arange(60) < 20, 2, 1),
    "MASS_A": np.full(60, 1.2),
    "MASS_A_ERR": np.full(60, 0.06),
    "MASS_B": np.full(60, 1.3),
    "MASS_B_ERR": np.full(60, 0.06),
    "LOGG_SEIS": np.full(60, 2.4),
    "LOGG_SEIS_ERR": np.where(np.arange(60) == 5, 0.0, 0.03),
    "CLUSTER": np.array(["M67"] * 3 + ["Nowhere 1"] * 4 + ["NGC 188"] * 2 + [""] * 51),
}


def test_what_stars_have_gives_the_constraints():
    stars = survey(**EVERYTHING)
    found = constraints(stars, seismic_gravity="LOGG_SEIS")
    assert list(found) == [
        "parallax", "clump", "seismic log g", "mass", "cluster metallicity", "cluster distance", "cluster age"
    ]  # fmt: skip
    np.testing.assert_allclose(found["mass"].value, np.log(1.2))
    assert np.isfinite(found["clump"].value).tolist() == [True] * 20 + [False] * 40
    assert found["seismic log g"].error.tolist() == [0.03] * 5 + [0.01] + [0.03] * 54
    # The model's columns, the first mass and the first age.
    labels = stars.labels[:, :3]
    np.testing.assert_allclose(found["mass"].predict(labels), np.log(0.5 * labels[:, 1]))
    np.testing.assert_allclose(found["cluster age"].predict(labels), 10.0 - 0.5 * labels[:, 1])
    # Three members make a cluster, two do not.
    assert np.isfinite(found["cluster metallicity"].value).tolist() == [True] * 7 + [False] * 53
    distances = [c for c in model_constraints(Formula(), stars, LABEL_NAMES[:3]) if c.name == "cluster distance"]
    assert [np.flatnonzero(np.isfinite(c.value)).tolist() for c in distances] == [[0, 1, 2], [3, 4, 5, 6]]
    assert np.isfinite([c.group_error for c in distances]).tolist() == [True, False]


@pytest.mark.parametrize(
    ("absent", "gone"),
    [("EVSTATE", "clump"), ("MASS_A", ""), ("PARALLAX_ERR", "parallax"), ("CLUSTER", "cluster age"), ("K", "parallax")],
)
def test_what_is_absent_gives_none(absent, gone):
    columns = survey(**EVERYTHING).columns
    found = constraints(Stars({name: values for name, values in columns.items() if name != absent}))
    assert gone not in found
    assert "mass" in found
    if absent == "MASS_A":  # then the next scale's
        np.testing.assert_allclose(found["mass"].value, np.log(1.3))
    for kind, names in {"clump": ["clump"], "mass": ["mass"], "parallax": ["parallax"]}.items():
        assert list(constraints(survey(**EVERYTHING), kinds=(kind,))) == names
    assert "seismic log g" not in constraints(survey(**EVERYTHING))
    assert "mass" not in constraints(survey(**EVERYTHING | {"MASS_A_ERR": EVERYTHING["MASS_A_ERR"] * np.nan}))
    text = EVERYTHING | {"EVSTATE": np.array(["RC"] * 60)}
    assert "clump" not in constraints(survey(**text))


def test_a_model_of_masses_alone_knows_nothing_of_distances():
    found = constraints(survey(**EVERYTHING), Formula("MASS_A", "AGE_A"))
    assert list(found) == ["mass", "cluster metallicity", "cluster age"]
    assert list(constraints(survey(**EVERYTHING), Formula("ABS_MAG"))) == [
        "parallax", "clump", "cluster metallicity", "cluster distance"
    ]  # fmt: skip


def test_parallaxes_are_those_that_could_be_trained_on():
    stars = survey(PARALLAX_SRC=np.array(["Gaia EDR3"] * 60), BAD_PARALLAX=np.arange(60) == 3)
    stars["PARALLAX_ERR"][:3] = stars["PARALLAX"][:3] * [0.149, 0.15, 0.151]
    listed = np.where(np.arange(60) == 20, 0.5, np.nan)
    # A cluster's distance stands in for the third star's parallax, but is no parallax.
    stars = stars.with_columns({"GAIAEDR3_DIST": listed, "CLUSTER": np.where(np.arange(60) == 2, "M67", "")})
    found = constraints(stars)["parallax"]
    assert np.isfinite(found.value).tolist() == [True, False, False, False] + [True] * 56
    # The model's zero point is taken off.
    wanted = np.where(np.arange(60) == 20, 2.0, stars["PARALLAX"] + 0.1)
    np.testing.assert_allclose(found.value[4:], wanted[4:])  # at K = 10 mag


def test_stars_that_the_model_is_not_for_count_nowhere():
    stars = survey(**EVERYTHING, BAD_STAR=np.arange(60) == 10)
    stars["LOGG"][11], stars["TEFF"][12], stars["LOGG"][13] = 3.3, np.nan, 99.0
    for constraint in constraints(stars).values():
        assert not np.isfinite(constraint.value[10:14]).any(), constraint.name
    assert np.isfinite(constraints(stars)["parallax"].value[14:]).all()


def test_a_shift_of_the_labels_is_found_and_none_where_there_is_none():
    assert check_scale(Formula(), survey(400)) is None
    shifted = survey(400)
    shifted["LOGG"][:] += 0.1
    found = check_scale(Formula(), shifted)
    assert found.label in ("LOGG", "TEFF")
    assert found.distance == pytest.approx(10**-0.05 - 1, abs=0.01)
    sizes = {label: size for label, size, *_ in found.others}
    assert sizes["LOGG"] == pytest.approx(0.1, abs=0.02)
    assert np.isfinite([found.mass, found.age]).all()
    only_distance = check_scale(Formula("ABS_MAG"), shifted)
    assert np.isnan([only_distance.mass, only_distance.age]).all()
    assert check_scale(Formula("MASS_A", "AGE_A"), shifted) is None


def test_fifty_stars_are_the_fewest_that_tell():
    shifted = survey(50)
    shifted["LOGG"][:] += 0.2
    assert check_scale(Formula("ABS_MAG"), shifted) is not None
    for change in ("TEFF", "K", "A_K"):
        stars = survey(50)
        stars["LOGG"][:] += 0.2
        stars[change][0] = np.nan
        assert check_scale(Formula("ABS_MAG"), stars) is None
    outside = survey(50)
    outside["LOGG"][:] += 0.05
    outside["LOGG"][0] = 3.2
    assert check_scale(Formula("ABS_MAG", "DISTANCE_SPACE"), outside) is None


def test_a_calibration_brings_distances_back():
    stars = survey(200)
    shifted = stars.with_columns({"LOGG": stars["LOGG"] + 0.1})
    table = {name: shifted[name] for name in LABEL_NAMES[:3]}
    calibration = fit_to_model(Formula(), shifted, form="constant", random_state=0)
    assert calibration.label_names_ == LABEL_NAMES[:3]
    assert calibration.n_stars_.tolist() == [200] * 3
    assert list(calibration.residuals_) == ["parallax"]
    new = calibration.transform(table)
    magnitude = 2.5 * (new[:, 1] - stars["LOGG"]) - (new[:, 0] - stars["TEFF"]) / 400.0
    assert abs(np.median(magnitude)) < 0.02
    seismic = shifted.with_columns({"LOGG_SEIS": stars["LOGG"]})
    fixed = fit_to_model(Formula(), seismic, kinds=("seismic-logg",), seismic_gravity="LOGG_SEIS", form="constant")
    assert np.median(fixed.transform(table)[:, 1] - stars["LOGG"]) == pytest.approx(0.0, abs=0.002)
    bare = Stars({name: stars[name] for name in LABEL_NAMES[:3]}, source="bare.fits")
    with pytest.raises(InputError, match=r"bare\.fits has nothing to compare with the model"):
        fit_to_model(Formula(), bare)
    with pytest.raises(InputError, match=r"^the table has nothing"):
        fit_to_model(Formula(), Stars(dict(bare.columns)))
