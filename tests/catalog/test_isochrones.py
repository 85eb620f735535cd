"""Isochrone distances in a catalogue, on a tiny grid, and on real giants with real isochrones."""

import numpy as np
import pytest
from astropy.io import fits
from astropy.table import Table
from click.testing import CliRunner

from skdistmass.catalog import build_catalog
from skdistmass.cli.commands import main
from skdistmass.exceptions import InputError
from skdistmass.extinction import ExtinctionChoice
from skdistmass.isochrones import IsochroneDistanceRegressor, IsochroneFlag, isochrone_table
from skdistmass.model import AgePhysics, StoredPosterior
from skdistmass.surveys import read_survey

pytestmark = pytest.mark.slow

COLUMNS = {"NMSU_DIST": "distance", "NMSU_DIST_LO": "distance_p16", "NMSU_DIST_HI": "distance_p84"}


@pytest.fixture(scope="module")
def isochrones():
    """Giant branches at two ages and metallicities."""
    parts = {name: [] for name in ("mass", "logg", "feh", "log_age")}
    for feh in (-0.6, 0.4):
        for log_age, mass in ((9.4, 1.4), (9.9, 1.0)):
            parts["logg"].append(np.linspace(3.4, 0.8, 40))
            parts["mass"].append(np.linspace(mass, 1.001 * mass, 40))
            parts["feh"].append(np.full(40, feh))
            parts["log_age"].append(np.full(40, log_age))
    mass, logg, feh, log_age = (np.concatenate(parts[name]) for name in ("mass", "logg", "feh", "log_age"))
    log_teff = 3.58 + 0.04 * logg - 0.06 * feh + 0.05 * np.log10(mass)
    log_l = np.log10(mass) - logg + 4 * log_teff - 10.607
    columns = {
        "initial_mass": mass, "current_mass": mass, "log_age": log_age, "feh": feh, "log_teff": log_teff,
        "logg": logg, "log_l": log_l, "phase": np.full(160, 2), "ks": 4.74 - 2.5 * log_l - 2.0,
    }  # fmt: skip
    return IsochroneDistanceRegressor().fit(isochrone_table(columns, meta={"source": "a sketch", "version": "7"}))


def filled(column):
    return np.ma.filled(np.ma.asarray(column).astype(float), np.nan)


def test_catalogue_holds_what_the_regressor_gives(stand_in, isochrones, all_star, tmp_path):
    build_catalog(stand_in, all_star, tmp_path / "c.fits", chunk_rows=300, isochrones=isochrones)
    catalog, survey = fits.getdata(tmp_path / "c.fits"), read_survey(all_star, columns=("IRAC_4_5", "WISE_4_5"))
    extinction = ExtinctionChoice().choose(read_survey(all_star, columns=("IRAC_4_5", "WISE_4_5", "SFD_EBV")))
    k_err = np.asarray(survey["K_ERR"])
    expected = isochrones.predict_posterior(
        survey,
        magnitude=survey["K"],
        magnitude_err=np.where(k_err > 0, k_err, 0.02),
        extinction=extinction.values,
        extinction_err=0.02,
    )
    assert np.isfinite(expected["distance"]).sum() > 300
    for name, column in COLUMNS.items():
        np.testing.assert_allclose(filled(catalog[name]), expected[column].to_value("kpc"), rtol=1e-9, err_msg=name)
    flag = np.asarray(catalog["NMSU_FLAG"])
    assert (flag == np.asarray(expected["flag"])).all()
    off = flag & int(IsochroneFlag.OFF_GRID | IsochroneFlag.MISSING_LABEL | IsochroneFlag.MISSING_PHOTOMETRY) != 0
    assert (np.isnan(filled(catalog["NMSU_DIST"])) == off).all()
    header = fits.getheader(tmp_path / "c.fits", 1)
    assert (header["ISOCHR"], header["ISOMODEL"]) == (True, "a sketch 7")


def test_without_isochrones_the_columns_are_null(stand_in, all_star, tmp_path):
    build_catalog(stand_in, all_star, tmp_path / "c.fits")
    catalog, header = fits.getdata(tmp_path / "c.fits"), fits.getheader(tmp_path / "c.fits", 1)
    assert np.isnan(catalog["NMSU_DIST"]).all()
    assert (catalog["NMSU_FLAG"] == header[f"TNULL{catalog.names.index('NMSU_FLAG') + 1}"]).all()
    assert header["ISOCHR"] is False
    assert "ISOMODEL" not in header


def test_what_are_no_isochrones_is_refused(stand_in, all_star, tmp_path):
    with pytest.raises(InputError, match="IsochroneDistanceRegressor"):
        build_catalog(stand_in, all_star, tmp_path / "c.fits", isochrones="parsec.dat")


def test_command_line_takes_a_saved_grid_and_refuses_other_files(isochrones, all_star, tmp_path):
    isochrones.save(tmp_path / "grid.npz")
    arguments = ["catalog", str(all_star), "-o", str(tmp_path / "c.fits"), "--isochrones"]
    result = CliRunner().invoke(main, [*arguments, str(tmp_path / "grid.npz")])
    assert result.exit_code == 0, result.output
    assert np.isfinite(fits.getdata(tmp_path / "c.fits")["NMSU_DIST"]).sum() > 300
    for name, content in (("grid.dat", "no isochrone\n"), ("grid.npz", "nor this\n")):
        (tmp_path / name).write_text(content)
        result = CliRunner().invoke(main, [*arguments, str(tmp_path / name), "--overwrite"])
        assert result.exit_code == 1
        assert name in result.output
        assert len(result.output.strip().splitlines()) == 1
    result = CliRunner().invoke(main, [*arguments, str(tmp_path / "absent.parquet"), "--overwrite"])
    assert result.exit_code == 1
    assert len(result.output.strip().splitlines()) == 1


def test_real_giants_with_real_isochrones(real_data, tmp_path):
    path, models = real_data("kepler_giants.fits"), real_data("isochrones/parsec_v12s.parquet")
    arguments = ["catalog", str(path), "-o", str(tmp_path / "c.fits"), "--isochrones", str(models)]
    result = CliRunner().invoke(main, arguments)
    assert result.exit_code == 0, result.output
    catalog = Table.read(tmp_path / "c.fits")
    gaia, found = filled(catalog["GAIAEDR3_DIST"]), filled(catalog["NMSU_DIST"])
    both = np.isfinite(gaia) & np.isfinite(found)
    assert both.sum() > 3400
    # The bias and scatter that docs/isochrones.md states, with all parallaxes.
    assert np.median(found[both] / gaia[both]) == pytest.approx(1.02, abs=0.02)
    ends = filled(catalog["NMSU_DIST_LO"])[both], filled(catalog["NMSU_DIST_HI"])[both]
    assert ((ends[0] < found[both]) & (found[both] < ends[1])).all()


def test_stored_posteriors_take_isochrones_and_physics(model, isochrones, all_star, tmp_path):
    physics = AgePhysics(alpha="mean")
    settings = StoredPosterior("summary", 20, isochrones=isochrones, physics=physics)
    for rows in (150, 1000):
        build_catalog(model, all_star, tmp_path / f"{rows}.fits", chunk_rows=rows, posterior=settings)
    one, other = (fits.getdata(tmp_path / f"{rows}.fits") for rows in (150, 1000))
    header = fits.getheader(tmp_path / "1000.fits", 1)
    assert (header["POSTISO"], header["POSTALPH"]) == ("a sketch 7", "mean")
    assert "POST_AGE_PRIOR_RATIO" in one.names
    for name in (name for name in one.names if name.startswith("POST_")):
        np.testing.assert_array_equal(one[name], other[name])
