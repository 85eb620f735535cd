"""A catalogue and what is known of its stars."""

import numpy as np
import pytest
from astropy import units as u
from astropy.table import Table

from skdistmass.exceptions import ColumnError, FileFormatError, InputError
from skdistmass.surveys import as_stars
from skdistmass.validation import MissingInputError, join_reference, read_catalog
from skdistmass.validation.columns import (
    age_columns,
    cluster_rows,
    column_of,
    galactocentric_radius,
    in_unit,
    log_ages,
    mass_scales,
    reference_age_columns,
)


def small_catalog(n=4):
    return Table({"APOGEE_ID": [f"S{i}" for i in range(n)], "LOGG": np.full(n, 2.5), "DISTANCE": np.arange(1.0, n + 1)})


def small_survey(ids):
    n = len(ids)
    parallax = 1.0 / (1.0 + np.array([int(name[1:]) for name in ids]))
    columns = {"APOGEE_ID": ids, "PARALLAX": parallax, "PARALLAX_ERR": np.full(n, 0.001), "CLUSTER": ["M67"] * n}
    return Table(columns | {"MASS": np.ones(n), "AGE_X": np.full(n, 5.0), "OTHER": np.arange(n)})


def test_same_rows_are_joined_row_by_row():
    stars = join_reference(small_catalog(), small_survey(["S0", "S1", "S2", "S3"]))
    np.testing.assert_allclose(stars["REFERENCE_DIST"], [1, 2, 3, 4])
    np.testing.assert_allclose(stars["REFERENCE_DIST_ERR"] / stars["REFERENCE_DIST"], 0.001 * np.arange(1, 5))
    assert set(stars["CLUSTER"]) == {"M67"}
    assert "REF_OTHER" not in stars.colnames


def test_rows_in_another_order_are_joined_by_identifier():
    stars = join_reference(small_catalog(), small_survey(["S3", "S1"]), columns=["OTHER"])
    np.testing.assert_allclose(stars["REFERENCE_DIST"], [np.nan, 2, np.nan, 4])
    assert stars["CLUSTER"].tolist() == ["", "M67", "", "M67"]
    assert stars["REF_OTHER"].mask.tolist() == [True, False, True, False]
    assert np.isnan(stars["REF_MASS"][0])


def test_the_catalogue_is_left_alone():
    catalog = small_catalog()
    join_reference(catalog, small_survey(["S0"]))
    assert catalog.colnames == ["APOGEE_ID", "LOGG", "DISTANCE"]


def test_without_reference_the_gaia_distance_of_the_catalogue_is_it():
    catalog = small_catalog()
    catalog["GAIAEDR3_DIST"] = [1.0, 2.0, np.nan, 4.0] * u.kpc
    stars = join_reference(catalog)
    np.testing.assert_allclose(stars["REFERENCE_DIST"], [1, 2, np.nan, 4])
    assert stars["REFERENCE_DIST_SRC"].tolist() == ["Gaia", "Gaia", "", "Gaia"]


def test_tables_that_cannot_be_joined_say_so():
    with pytest.raises(MissingInputError, match="no star of the catalogue is in the reference"):
        join_reference(small_catalog(), small_survey(["S8"]))
    without = small_survey(["S1", "S2"])
    without.remove_column("APOGEE_ID")
    with pytest.raises(MissingInputError, match=r"4 rows, the reference 2, .* no APOGEE_ID"):
        join_reference(small_catalog(), without)
    with pytest.raises(ColumnError, match="no column WEIGHTED_DIST"):
        join_reference(small_catalog(), small_survey(["S1"]), columns=["WEIGHTED_DIST"])
    with pytest.raises(InputError, match="catalog is a int"):
        join_reference(7)


@pytest.mark.parametrize("suffix", ["fits", "vot", "ecsv", "csv", "parquet"])
def test_catalogues_are_read_in_every_format(tmp_path, suffix):
    path = tmp_path / f"catalog.{suffix}"
    form = {"vot": "votable", "ecsv": "ascii.ecsv", "csv": "ascii.csv"}.get(suffix)
    small_catalog().write(path, format=form)
    stars = join_reference(path, small_survey(["S1"]))
    np.testing.assert_allclose(np.asarray(stars["DISTANCE"], float), [1, 2, 3, 4])
    assert np.isfinite(stars["REFERENCE_DIST"]).sum() == 1


def test_a_missing_file_is_named(tmp_path):
    with pytest.raises(FileFormatError, match=r"there is no file .*nothing\.fits"):
        read_catalog(tmp_path / "nothing.fits")


def test_ages_in_gyr_and_in_log_years_agree():
    stars = Table({"AGE": [9.7], "REF_AGE_A": [10.0**0.7], "REF_AGE_B": [10.0**3.7] * u.Myr})
    stars["REF_AGE_C"] = [9.7]
    stars["REF_AGE_C"].unit = "dex(yr)"
    for name in stars.colnames:
        np.testing.assert_allclose(log_ages(stars, name), 9.7)
    assert age_columns(stars) == ["AGE"]
    assert reference_age_columns(stars) == ["REF_AGE_A", "REF_AGE_B", "REF_AGE_C"]


def test_log_ages_of_a_votable_are_log_ages(tmp_path):
    """VOTable has no dex(yr); what astropy makes of its dex is no DexUnit."""
    stars = Table({"AGE": [9.7]})
    stars.write(tmp_path / "ages.vot", format="votable")
    text = (tmp_path / "ages.vot").read_text()
    (tmp_path / "ages.vot").write_text(text.replace('name="AGE"', 'name="AGE" unit="dex"'))
    read = read_catalog(tmp_path / "ages.vot")
    assert str(read["AGE"].unit) == "dex"
    np.testing.assert_allclose(log_ages(read, "AGE"), 9.7)


def test_mass_scales_find_their_reference():
    names = (
        "MASS_COR_MO",
        "MASS",
        "MASS_ERR",
        "MASS_COR_MO_LO",
        "MASS_SPACE",
        "MASS_NEW",
        "REF_MASS",
        "REF_MASS_COR_MO",
    )
    stars = Table({name: [1.0] for name in names})
    assert mass_scales(stars) == {"MASS": "REF_MASS", "MASS_COR_MO": "REF_MASS_COR_MO", "MASS_NEW": "REF_MASS"}


def test_spellings_of_a_cluster_are_one_cluster():
    stars = Table({"CLUSTER": ["M67", "NGC 2682", "", "Ruprecht 147"]})
    found = {name: (rows.tolist(), distance) for name, rows, distance in cluster_rows(stars)}
    assert found["M67"] == ([0, 1], 0.9)
    assert found["Ruprecht 147"][0] == [3]
    assert np.isnan(found["Ruprecht 147"][1])


def test_radius_of_known_places():
    # The Sun; 2 kpc towards the centre; 2 kpc away from it; 3 kpc towards the pole.
    place = {"GLON": [0.0, 0.0, 180.0, 0.0], "GLAT": [0.0, 0.0, 0.0, 90.0], "DISTANCE": [1e-6, 2.0, 2.0, 3.0]}
    np.testing.assert_allclose(galactocentric_radius(Table(place)), [8.122, 6.122, 10.122, 8.122], atol=0.02)


def test_radius_agrees_with_the_mock(mock):
    catalog, survey = mock(cn_feh_slope=0.0)
    stars = join_reference(catalog, survey)
    stars["REFERENCE_DIST"] = np.asarray(survey["TRUE_DISTANCE"], float)
    np.testing.assert_allclose(galactocentric_radius(stars), survey["TRUE_RADIUS_GC"], atol=0.1)


def test_units_of_a_votable_are_those_of_astropy(tmp_path):
    """A VOTable makes units of its own, of the same names, which astropy can't convert."""
    stars = Table({"MASS": [1.0, 2.0] * u.Msun, "DISTANCE": [1.0, 2.0] * u.kpc})
    stars.write(tmp_path / "catalog.vot", format="votable")
    text = (tmp_path / "catalog.vot").read_text()
    (tmp_path / "catalog.vot").write_text(text.replace('unit="solMass"', 'unit="Msun"'))
    assert 'unit="Msun"' in (tmp_path / "catalog.vot").read_text()
    np.testing.assert_allclose(in_unit(read_catalog(tmp_path / "catalog.vot"), "MASS", "Msun"), [1.0, 2.0])


def test_a_further_column_is_that_of_the_reference_else_that_of_the_catalogue(tmp_path):
    catalog = small_catalog()
    catalog["MINE_DIST"], catalog["BOTH_DIST"] = 2.0, 3.0
    survey = small_survey(["S0", "S1", "S2", "S3"])
    survey["BOTH_DIST"], survey["ITS_DIST"] = 4.0, 5.0
    survey.write(tmp_path / "survey.fits")
    columns = ["MINE_DIST", "BOTH_DIST", "ITS_DIST"]
    for reference in (survey, tmp_path / "survey.fits", as_stars(survey, columns=columns[1:])):
        stars = join_reference(catalog, reference, columns=columns)
        assert [column_of(stars, name) for name in columns] == ["MINE_DIST", "REF_BOTH_DIST", "REF_ITS_DIST"]
        assert stars["REF_BOTH_DIST"][0] == 4.0
        with pytest.raises(ColumnError, match="NO_DIST"):
            join_reference(catalog, reference, columns=["NO_DIST"])
