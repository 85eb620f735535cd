"""A finished catalogue is left alone by `resume` if it is the one that would be made, and refused otherwise."""

import fcntl
import os

import numpy as np
import pytest
from astropy.io import fits

from skdistmass.catalog import build_catalog
from skdistmass.catalog.part_file import PartFile
from skdistmass.datasets import make_survey
from skdistmass.exceptions import DistMassError, InputError
from skdistmass.extinction import ExtinctionChoice


@pytest.fixture
def survey(tmp_path):
    path = tmp_path / "survey.fits"
    make_survey(1000, random_state=0).write(path)
    return path


FORMS = [("fits", "skdistmass"), ("vot", "skdistmass"), ("parquet", "skdistmass"), ("fits", "distmass")]


@pytest.mark.parametrize(("ending", "style"), FORMS)
def test_the_same_again_is_told_and_nothing_is_written(stand_in, survey, tmp_path, ending, style):
    target = tmp_path / f"catalog.{ending}"
    made = build_catalog(stand_in, survey, target, style=style)
    before = target.stat().st_mtime_ns, target.read_bytes()
    again = build_catalog(stand_in, survey, target, style=style, resume=True, chunk_rows=300, command="once more")
    assert again.finished_before
    assert not made.finished_before
    assert (again.n_rows, again.n_stars, again.n_repeated) == (1000, made.n_stars, made.n_repeated)
    assert (target.stat().st_mtime_ns, target.read_bytes()) == before
    assert sorted(path.name for path in tmp_path.iterdir()) == sorted([target.name, "survey.fits"])


@pytest.mark.slow
@pytest.mark.parametrize(("ending", "style"), FORMS)
def test_another_catalogue_is_refused_by_what_differs(stand_in, survey, tmp_path, ending, style):
    target = tmp_path / f"catalog.{ending}"
    build_catalog(stand_in, survey, target, style=style)
    before = target.read_bytes()

    def refused(words, model=stand_in, path=survey, **settings):
        with pytest.raises(InputError, match=rf"exists, and is not the catalogue .*\({words}"):
            build_catalog(model, path, target, **{"style": style, "resume": True} | settings)
        assert target.read_bytes() == before

    refused("AKNEG", extinction=ExtinctionChoice(negative="keep"))
    refused("OUTFOLD", out_of_fold=False)
    refused("PLXZERO", parallax_zero_point=0.02)
    refused("its predictions", model=type(stand_in)(1.001))
    other = tmp_path / "other.fits"
    make_survey(1000, random_state=1).write(other)
    refused("INSIZE|INSHA256", path=other)
    # Saying so, it is replaced.
    assert not build_catalog(stand_in, other, target, style=style, resume=True, overwrite=True).finished_before


def test_a_file_that_is_no_catalogue_is_refused(stand_in, survey, tmp_path):
    target = tmp_path / "catalog.fits"
    build_catalog(stand_in, survey, target)
    whole = target.read_bytes()
    for content in (b"old", survey.read_bytes(), whole[:3000], whole[:100_000]):
        target.write_bytes(content)
        with pytest.raises(InputError, match="is not the catalogue of this survey"):
            build_catalog(stand_in, survey, target, resume=True)
        assert target.read_bytes() == content


def test_a_catalogue_that_lost_rows_is_refused(stand_in, survey, tmp_path):
    target = tmp_path / "catalog.fits"
    build_catalog(stand_in, survey, target)
    with fits.open(target) as hdus:
        hdus[1].data = hdus[1].data[:900]
        hdus.writeto(target, overwrite=True)
    with pytest.raises(InputError, match="its predictions"):
        build_catalog(stand_in, survey, target, resume=True)


def test_the_lock_is_of_the_file_and_not_of_its_name(stand_in, survey, tmp_path, monkeypatch):
    """Another process names its finished file between our opening and our locking: that file stays as it is."""
    target, flock = tmp_path / "catalog.fits", fcntl.flock
    build_catalog(stand_in, survey, tmp_path / "whole.fits")
    whole = (tmp_path / "whole.fits").read_bytes()

    def late(file, how):
        part = PartFile(target).path
        part.write_bytes(whole)
        os.replace(part, target)
        flock(file, how)

    with monkeypatch.context() as patch:
        patch.setattr(fcntl, "flock", late)
        with pytest.raises(DistMassError, match="has just finished"):
            build_catalog(stand_in, survey, target)
    assert target.read_bytes() == whole


def test_a_part_that_another_process_began_is_not_removed(stand_in, survey, tmp_path, monkeypatch):
    target = tmp_path / "catalog.fits"
    discard = PartFile.discard

    def late(self):
        self.path.write_bytes(b"of another process")
        self.journal_path.write_bytes(b"its journal")
        discard(self)

    monkeypatch.setattr(PartFile, "discard", late)
    build_catalog(stand_in, survey, target)
    assert len(np.asarray(fits.getdata(target))) == 1000
    assert PartFile(target).path.read_bytes() == b"of another process"
    assert PartFile(target).journal_path.read_bytes() == b"its journal"
