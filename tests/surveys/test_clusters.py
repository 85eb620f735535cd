"""Table 1 and the names of clusters."""

import numpy as np
import pytest
from astropy import units as u
from astropy.table import Table
from hypothesis import given
from hypothesis import strategies as st

from skdistmass.surveys import load_clusters, match_clusters


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
