"""Table 1 and the names of clusters."""

import numpy as np
import pytest
from astropy import units as u
from astropy.table import Table
from hypothesis import given
from hypothesis import strategies as st

from skdistmass.exceptions import InputError
from skdistmass.surveys import as_stars, load_clusters, match_clusters
from skdistmass.surveys.clusters import canonical_name, cluster_ages, cluster_distances, cluster_names, name_key
from skdistmass.surveys.training_sets import TrainingCuts, reference_distances


def test_table_is_as_printed():
    clusters = load_clusters()
    assert len(clusters) == len(set(clusters["NAME"])) == len(set(clusters["CATALOG_NAME"])) == 38
    assert clusters["DISTANCE"].unit == u.kpc
    printed = dict(zip(clusters["NAME"], clusters["DISTANCE"], strict=True))
    assert [printed[n] for n in ("M92", "N6791", "Omegacen", "N6553", "M67")] == [8.2, 4.078, 5.0, 6.01, 0.9]
    assert "Table 1" in clusters.meta["reference"]


def test_a_copy_is_returned():
    load_clusters()["DISTANCE"][:] = 0
    assert load_clusters()["DISTANCE"].min() == 0.9


@pytest.mark.parametrize(
    ("name", "spellings"),
    [
        ("M67", ["M67", "M 67", "NGC 2682", "N2682", "ngc2682", "Messier 67", b"NGC 2682", "NGC_2682 "]),
        ("N188", ["N188", "NGC 188", "NGC 0188"]),
        ("47TUC", ["47TUC", "47 Tuc", "47 Tucanae", "NGC 104", "N104"]),
        ("Omegacen", ["Omegacen", "omega Cen", "NGC 5139", "Omega Centauri"]),
        ("Pal5", ["Pal5", "Pal 5", "Palomar 5"]),
        ("N5466", ["N5466", "NGC 5466"]),
    ],
)
def test_spellings(name, spellings):
    row = list(load_clusters()["NAME"]).index(name)
    for spelling in spellings:
        assert match_clusters(spelling) == row


@given(st.text(max_size=12))
def test_any_text_gives_a_row_or_none(text):
    assert -1 <= match_clusters(text) < 38


def test_arrays_masks_and_shapes():
    names = np.ma.array([["M3", "nothing"], ["M5", "M5"]], mask=[[False, False], [False, True]])
    rows = match_clusters(names)
    assert rows.shape == (2, 2)
    assert (rows >= 0).tolist() == [[True, False], [True, False]]
    assert match_clusters([]).shape == (0,)


def test_members_of_the_shared_table(real_data):
    members = Table.read(real_data("cluster_members.fits"))
    rows = match_clusters(members["CLUSTER"])
    names = np.char.strip(np.asarray(members["CLUSTER"]).astype(str))
    assert set(names[rows < 0]) == {"M53"}  # not among the paper's clusters
    assert set(np.asarray(load_clusters()["NAME"])[rows[rows >= 0]]) == {"M67", "M3", "M5", "N2158", "N5466", "N7789"}


# ---- the modern list


def test_every_source_has_a_reference():
    clusters = load_clusters("modern")
    for column in ("DISTANCE_SRC", "AGE_SRC"):
        assert {str(name) for name in clusters[column] if name} <= set(clusters.meta)
    assert np.array_equal(np.isfinite(clusters["AGE"]), clusters["AGE_SRC"] != "")


def test_all_clusters_of_table_1_have_a_modern_distance():
    paper, modern = load_clusters(), load_clusters("modern")
    rows = match_clusters(paper["CATALOG_NAME"], "modern")
    assert (rows >= 0).all()
    assert (np.asarray(modern["CATALOG_NAME"])[rows] == np.asarray(paper["CATALOG_NAME"])).all()
    ratio = np.asarray(paper["DISTANCE"]) / np.asarray(modern["DISTANCE"])[rows]
    by_name = dict(zip(paper["NAME"], ratio, strict=True))
    assert [round(by_name[name], 2) for name in ("M10", "N6397", "47TUC")] == [0.79, 0.81, 1.11]
    assert 0.75 < ratio.min() < ratio.max() < 1.25


def test_distances_and_ages_by_name():
    names = np.array(["M 10", "NGC 6254", "", "nowhere", "M53"])
    np.testing.assert_array_equal(cluster_distances(names, "modern"), [5.07, 5.07, np.nan, np.nan, 18.5])
    np.testing.assert_array_equal(cluster_distances(names), [4.0, 4.0, np.nan, np.nan, np.nan])
    np.testing.assert_array_equal(
        cluster_ages(np.array(["NGC 6388", "M67", "Pal 5", ""])), [11.3, 4.27, np.nan, np.nan]
    )
    # A cluster that is in one list only has one name, too.
    assert cluster_distances(np.array(["NGC 5024"]), {"M 53": 18.0})[0] == 18.0


def test_training_on_modern_distances():
    stars = as_stars({"CLUSTER": ["M10", "M67"], "PARALLAX": [0.2, 1.1], "PARALLAX_ERR": [0.1, 0.5]})
    for version, expected in ((None, [4.0, 0.9]), ("paper", [4.0, 0.9]), ("modern", [5.07, 0.889])):
        distance, _, source = reference_distances(stars, TrainingCuts(cluster_distances=version))
        assert (source == "cluster").all()
        assert distance.tolist() == expected


@pytest.mark.parametrize("use", [load_clusters, lambda version: cluster_distances(np.array(["M3"]), version)])
def test_unknown_version(use):
    with pytest.raises(InputError, match="choose one of paper, modern"):
        use("newest")


@pytest.mark.parametrize(
    ("name", "key"),
    [
        ("NGC 0188", "NGC188"),
        ("N6791", "NGC6791"),
        (b"messier 067", "M67"),
        ("Palomar 05", "PAL5"),
        ("47 Tucanae", "47TUC"),
        ("NGC 104", "47TUC"),
        ("n0104", "47TUC"),
        ("104", "47TUC"),
        ("NGC 1040", "NGC1040"),
        ("omega Cen", "OMEGACEN"),
        ("oCen", "OMEGACEN"),
        ("My cluster 7", "MYCLUSTER7"),
        ("", ""),
    ],
)
def test_one_key_for_all_spellings(name, key):
    assert name_key(name) == key


def test_names_of_one_cluster_become_one():
    stars = as_stars({"TEFF": [4800.0] * 6, "CLUSTER": ["NGC 2682", "M 67", "", "NGC 5024", "My own", "M67"]})
    assert cluster_names(stars).tolist() == ["M67", "M67", "", "M53", "MYOWN", "M67"]
    assert [canonical_name(name) for name in ("ngc2682", "M53", "N 5024", "nothing")] == [
        "M67",
        "M53",
        "M53",
        "NOTHING",
    ]


def test_names_that_are_no_cluster_have_no_row():
    assert match_clusters("nothing") == match_clusters(b"") == -1
    assert match_clusters(b"N2682") == match_clusters("M67") == 14
    assert match_clusters(np.array([b"M67", b"x"])).tolist() == [14, -1]
    assert match_clusters(np.array(["M67", None, "M67"], dtype=object)).tolist() == [14, -1, 14]
    masked = np.ma.array(["M67", "M67"], mask=[False, True])
    assert match_clusters(masked).tolist() == [14, -1]
    ages = cluster_ages(np.array(["NGC 6388", "nothing", "M79"]))
    np.testing.assert_array_equal(ages, [11.3, np.nan, np.nan])  # the last is in the list, without an age
    first = load_clusters()["NAME"][0]
    assert cluster_distances(np.array([first, "nothing"]))[0] == load_clusters()["DISTANCE"][0]
