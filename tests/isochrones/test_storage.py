"""Saved isochrone regressors that are damaged: refused by the package, never run through compiled loops."""

import json
import zipfile

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from skdistmass.exceptions import DistMassError, FileFormatError
from skdistmass.isochrones import IsochroneDistanceRegressor
from skdistmass.isochrones.distances import storage

pytestmark = pytest.mark.slow

STARS = [[4700.0, 2.5, 0.0], [5600.0, 4.4, -0.2]]


@pytest.fixture(scope="module")
def saved(tmp_path_factory, regressor):
    path = tmp_path_factory.mktemp("saved") / "model.npz"
    regressor.save(path)
    return path


def _changed(saved, folder, head=None, **arrays):
    """Write the saved file with other parts."""
    with np.load(saved) as file:
        parts = dict(file)
    if head is not None:
        parts["head"] = np.array(json.dumps(head(json.loads(str(parts["head"])))))
    for name, change in arrays.items():
        parts[name] = change(parts[name].copy())
    np.savez(folder / "changed.npz", **parts)
    return folder / "changed.npz"


def _set(position, value):
    def change(array):
        array[position] = value
        return array

    return change


@pytest.mark.parametrize(
    ("name", "change"),
    [
        ("tile_starts", lambda a: a[:1]),
        ("tile_starts", _set(slice(1, None), 10**9)),
        ("tile_starts", _set(5, -1)),
        ("tile_starts", lambda a: a[::-1].copy()),
        ("tile_starts", lambda a: a.astype(np.float64)),
        ("bins", _set(..., 30000)),
        ("bins", _set((0, 0), -1)),
        ("bins", lambda a: a[:, :5].copy()),
        ("bins", lambda a: np.asfortranarray(a)),
        ("place", lambda a: a[:, :5].copy()),
        ("place", _set((1, 3), np.nan)),
        ("place", _set((3, 3), -1.0)),
        ("axes", lambda a: a[:1]),
        ("axes", _set((0, 2), 1e9)),
        ("axes", _set((0, 1), 0.0)),
        ("axes", _set((2, 2), 1.0)),
        ("teff_edges", lambda a: a[::-1].copy()),
        ("logg_tiles", _set(1, -0.05)),
        ("logg_tiles", _set(2, 10**12)),
        ("layers", lambda a: a[:0]),
    ],
)
def test_damaged_grids_are_refused(saved, tmp_path, name, change):
    path = _changed(saved, tmp_path, **{f"level_1_{name}": change})
    with pytest.raises(FileFormatError, match=r"changed.npz is damaged \(level 1"):
        IsochroneDistanceRegressor.load(path)


@pytest.mark.parametrize(
    "change",
    [
        lambda head: [head],
        lambda head: {key: value for key, value in head.items() if key != "version"},
        lambda head: {key: value for key, value in head.items() if key != "parameters"},
        lambda head: {key: value for key, value in head.items() if key != "n_points"},
        lambda head: head | {"parameters": {"foo": 1}},
        lambda head: head | {"parameters": [1]},
        lambda head: head | {"parameters": head["parameters"] | {"n_sigma": -1.0}},
        lambda head: head | {"parameters": head["parameters"] | {"min_error": [1.0]}},
        lambda head: head | {"n_levels": "x"},
        lambda head: head | {"n_levels": 0},
        lambda head: head | {"n_levels": 9},
        lambda head: head | {"models": None},
    ],
)
def test_damaged_heads_are_refused(saved, tmp_path, change):
    with pytest.raises(FileFormatError, match=r"changed\.npz"):
        IsochroneDistanceRegressor.load(_changed(saved, tmp_path, head=change))


def test_a_folder_and_an_archive_that_is_too_large_are_refused(saved, tmp_path, monkeypatch):
    with pytest.raises(FileFormatError, match="no isochrone regressor"):
        IsochroneDistanceRegressor.load(tmp_path)
    bomb = tmp_path / "bomb.npz"
    with zipfile.ZipFile(bomb, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("feh.npy", bytes(10**7))
    monkeypatch.setattr(storage, "_MOST_BYTES", 10**6)
    with pytest.raises(FileFormatError, match="GB"):
        IsochroneDistanceRegressor.load(bomb)


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data())
def test_any_damage_is_refused_or_harmless(saved, tmp_path, data):
    content = bytearray(saved.read_bytes())
    for _ in range(data.draw(st.integers(1, 3))):
        # Headers and the directory of the archive are where damage does most.
        end = data.draw(st.sampled_from([2000, len(content) - 1]))
        content[data.draw(st.integers(0, end))] = data.draw(st.integers(0, 255))
    path = tmp_path / "damaged.npz"
    path.write_bytes(content[: data.draw(st.integers(len(content) // 2, len(content)))])
    try:
        loaded = IsochroneDistanceRegressor.load(path)
    except DistMassError:
        return
    assert loaded.predict(STARS).shape == (2,)
