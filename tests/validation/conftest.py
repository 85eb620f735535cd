"""Mock catalogues whose truth is known, with and without planted effects."""

import numpy as np
import pytest
from astropy.table import Table

from skdistmass.datasets import make_survey
from skdistmass.estimators.ages import IsochroneAgeTransformer
from skdistmass.surveys import read_survey
from skdistmass.validation import join_reference, report

PLANTED = {"cn_feh_slope": -0.35, "cn_radial_trend": 0.05, "cluster_distance_offset": {"M67": 1.3}}


TRUTH = ("TRUE_DISTANCE", "TRUE_MASS", "TRUE_M_H", "TRUE_LOGG", "TRUE_LOG_AGE", "TRUE_RADIUS_GC")


def perfect_catalog(survey, *, distance_error=0.06, mass_error=0.06):
    """Return the catalogue of a model whose only fault is noise of a known size."""
    rng = np.random.default_rng(5)
    catalog = Table({name: survey[name] for name in ("APOGEE_ID", "TEFF", "LOGG", "M_H", "C_FE", "N_FE")})
    catalog["BITMASK"] = np.where(np.arange(len(survey)) % 2, 1 | 8, 0).astype(np.int32)
    truth = np.asarray(survey["TRUE_DISTANCE"], float)
    catalog["DISTANCE"] = truth * np.exp(distance_error * rng.standard_normal(len(truth)))
    catalog["DISTANCE_LO"], catalog["DISTANCE_HI"] = (catalog["DISTANCE"] * (1 + s * distance_error) for s in (-1, 1))
    mass = np.asarray(survey["TRUE_MASS"], float)
    catalog["MASS_CAL"] = mass * np.exp(mass_error * rng.standard_normal(len(mass)))
    catalog["MASS_CAL_LO"], catalog["MASS_CAL_HI"] = (catalog["MASS_CAL"] * (1 + s * mass_error) for s in (-1, 1))
    age = IsochroneAgeTransformer().transform(np.column_stack([catalog["MASS_CAL"], survey["TRUE_M_H"]]))[:, 0]
    catalog["AGE_CAL"] = np.where(np.asarray(survey["TRUE_LOGG"]) < 3.5, age, np.nan)
    return catalog


@pytest.fixture(scope="session")
def mock(tmp_path_factory):
    """Return a function that makes (catalog, survey) of a mock survey; each is made once."""
    made = {}

    def make(**effects):
        key = repr(sorted(effects.items()))
        if key not in made:
            path = tmp_path_factory.mktemp("mock") / "survey.fits"
            survey = make_survey(14_000, random_state=11, cluster_fraction=0.04, **effects)
            survey.remove_column("GAIAEDR3_PHOT_G_MEAN_MAG")  # behind the dust that the mock makes, no star has one
            survey.write(path)
            survey = read_survey(path, columns=TRUTH)
            survey = survey.with_columns({"AGE_TRUE": 10.0 ** (survey["TRUE_LOG_AGE"] - 9.0)})  # Gyr
            made[key] = perfect_catalog(survey), survey
        return made[key]

    return make


@pytest.fixture(scope="session")
def plain(mock):
    """Stars into which nothing was put."""
    return join_reference(*mock(cn_feh_slope=0.0))


@pytest.fixture(scope="session")
def planted(mock):
    """Stars with a slope, a radial trend, and one cluster at the wrong distance."""
    return join_reference(*mock(**PLANTED))


@pytest.fixture(scope="session")
def written(mock, tmp_path_factory):
    """Return path and results of the report of the mock with planted effects, and its figures; all is drawn once."""
    catalog, survey = mock(**PLANTED)
    path = tmp_path_factory.mktemp("report") / "report.html"
    drawn = {}

    def draw(*args, **parameters):
        figures, skipped = report_draws(*args, **parameters)
        assert skipped == {}
        drawn.update(figures)
        return figures, skipped

    report_draws = report.draw_figures
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(report, "draw_figures", draw)
        command = "skdistmass validate catalog.fits --reference <survey> -o report.html"
        found = report.write_report(catalog, survey, path, command=command, title="Mock & truth", notes="A < B.")
    return path, found, drawn
