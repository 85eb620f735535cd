"""Posteriors in a catalogue: three forms, three formats, and the same draws whatever the chunks."""

import numpy as np
import pytest
from astropy.io import fits
from astropy.table import Table

from skdistmass.catalog import build_catalog
from skdistmass.catalog.provenance import read_cards
from skdistmass.exceptions import InputError
from skdistmass.model import STORED_LEVELS, StoredPosterior, stored_law
from skdistmass.model.star_random import StarRandom
from skdistmass.surveys import read_survey
from skdistmass.surveys.chunks import read_table

pytestmark = pytest.mark.slow

SETTINGS = {"summary": 200, "quantiles": 200, "draws": 20}


@pytest.fixture(scope="module")
def catalogs(model, all_star, tmp_path_factory):
    """Paths of a catalogue in each form, in FITS."""
    folder = tmp_path_factory.mktemp("posterior")
    paths = {form: folder / f"{form}.fits" for form in SETTINGS}
    for form, path in paths.items():
        build_catalog(model, all_star, path, posterior=StoredPosterior(form, SETTINGS[form]), chunk_rows=400)
    return paths


@pytest.mark.parametrize(("form", "n_columns"), [("summary", 31), ("quantiles", 7), ("draws", 7)])
def test_columns_have_units_descriptions_and_ucds(catalogs, form, n_columns):
    table = Table.read(catalogs[form])
    names = [name for name in table.colnames if name.startswith("POST_")]
    assert len(names) == n_columns
    header = fits.getheader(catalogs[form], 1)
    for number, name in enumerate(table.colnames, start=1):
        if name in names:
            assert header[f"TUCD{number}"].startswith(("stat.", "meta."))
            assert table[name].description
    assert str(table[next(name for name in names if "DISTANCE" in name)].unit) == "kpc"
    assert (header["POSTFORM"], header["POSTDRAW"]) == (form, SETTINGS[form])


def test_quantiles_are_those_of_the_draws_and_agree_with_the_intervals(catalogs, model, all_star):
    table = Table.read(catalogs["quantiles"])
    stars = read_survey(all_star)[:50]
    draws = model.sample(stars, 200, random_state=StarRandom.of(stars))
    expected = np.quantile(draws["MASS"], STORED_LEVELS, axis=1).T
    np.testing.assert_allclose(table["POST_MASS_QUANTILES"][:50], expected, rtol=1e-6, atol=1e-6)
    law = stored_law(table["POST_DISTANCE_QUANTILES"])
    low, high = (np.asarray(table[f"DISTANCE_{end}"]) for end in ("LO", "HI"))
    known = np.isfinite(law.median())
    assert known.sum() > 300
    assert np.median(np.abs(np.asarray(law.interval(0.6827)) - [low, high])[:, known] / (high - low)[known]) < 0.1
    summary = Table.read(catalogs["summary"])
    np.testing.assert_allclose(summary["POST_DISTANCE_MEDIAN"], law.median(), rtol=1e-6)


@pytest.mark.parametrize("ending", ["vot", "parquet"])
def test_other_formats_have_the_same_vectors(catalogs, model, all_star, tmp_path, ending):
    path = tmp_path / f"draws.{ending}"
    build_catalog(model, all_star, path, posterior=StoredPosterior("draws", 20), chunk_rows=77, n_jobs=2)
    here, there = Table.read(catalogs["draws"]), read_table(path)
    for name in ("POST_ABS_MAG_DRAWS", "POST_AGE_DRAWS", "POST_M_H_DRAWS"):
        assert there[name].shape == (1000, 20)
        np.testing.assert_array_equal(np.ma.filled(there[name], np.nan), here[name])
    assert read_cards(path)["POSTDRAW"] == "20"
    report = build_catalog(model, all_star, path, posterior=StoredPosterior("draws", 20), resume=True)
    assert report.finished_before
    with pytest.raises(InputError, match="POSTSEED"):
        build_catalog(model, all_star, path, posterior=StoredPosterior("draws", 20, seed=1), resume=True)


def test_chunks_threads_and_a_stop_do_not_change_the_bytes(catalogs, model, all_star, tmp_path):
    def stop(done, _):
        if done >= 500:
            raise KeyboardInterrupt

    path, settings = tmp_path / "stopped.fits", StoredPosterior("quantiles", 200)
    with pytest.raises(KeyboardInterrupt):
        build_catalog(model, all_star, path, posterior=settings, chunk_rows=128, n_jobs=2, progress=stop)
    build_catalog(model, all_star, path, posterior=settings, resume=True)
    one, other = (fits.getdata(name, 1) for name in (catalogs["quantiles"], path))
    for name in one.names:
        if name.startswith("POST_"):
            np.testing.assert_array_equal(one[name], other[name])


def test_wrong_settings_are_refused(stand_in, all_star, tmp_path):
    with pytest.raises(InputError, match="quantiles, draws"):
        build_catalog(stand_in, all_star, tmp_path / "a.fits", posterior="histogram")
    with pytest.raises(InputError, match="from 2 to"):
        StoredPosterior("draws", 1)
    with pytest.raises(InputError, match="has no draws"):
        build_catalog(stand_in, all_star, tmp_path / "a.fits", posterior="draws")
    with pytest.raises(InputError, match="published layout"):
        build_catalog(stand_in, all_star, tmp_path / "a.fits", posterior="draws", style="distmass")
