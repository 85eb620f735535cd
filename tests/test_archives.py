"""Archives of arrays and messages about them: broken texts, what is too large, control characters."""

import io
import zipfile

import numpy as np
import pytest

from skdistmass.archives import read_arrays
from skdistmass.exceptions import FileFormatError
from skdistmass.isochrones import IsochroneDistanceRegressor
from skdistmass.model import load_model


def _archive(**arrays):
    buffer = io.BytesIO()
    np.savez(buffer, **arrays)
    return buffer.getvalue()


@pytest.mark.parametrize("order", ["<", ">"])
@pytest.mark.parametrize(("name", "load"), [("model", load_model), ("head", IsochroneDistanceRegressor.load)])
def test_text_of_no_characters_is_refused(tmp_path, name, load, order):
    path = tmp_path / "broken.npz"
    content = np.array(["{}"], f"{order}U2")
    content.view(f"{order}u4")[1] = 0x110000  # beyond the last character
    path.write_bytes(_archive(**{name: content}))
    with pytest.raises(ValueError, match=f"{name}.npy is no text"):
        read_arrays(path, 10**6)
    with pytest.raises(FileFormatError, match="is no text"):
        load(path)


@pytest.mark.parametrize(("name", "load"), [("model", load_model), ("head", IsochroneDistanceRegressor.load)])
def test_objects_and_claims_of_huge_arrays_are_refused(tmp_path, name, load):
    path = tmp_path / "a.npz"
    np.savez(path, **{name: np.array([print], dtype=object)}, allow_pickle=True)
    with pytest.raises(FileFormatError, match="Object arrays cannot be loaded"):
        load(path)
    head = {"descr": "<f8", "fortran_order": False, "shape": (10**14,)}
    content = io.BytesIO()
    np.lib.format.write_array_header_1_0(content, head)
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr(f"{name}.npy", content.getvalue())
    with pytest.raises(FileFormatError):
        load(path)


def test_arrays_come_back(tmp_path):
    arrays = {"a": np.arange(3), "text": np.array(["αβ", ""]), "none": np.array([], "U0"), "one": np.array("x")}
    (tmp_path / "a.npz").write_bytes(_archive(**arrays))
    for name, array in read_arrays(tmp_path / "a.npz", 10**6).items():
        np.testing.assert_array_equal(array, arrays[name])
    with pytest.raises(ValueError, match="may hold"):
        read_arrays(tmp_path / "a.npz", 10)


def test_messages_are_one_line_without_control_characters():
    error = FileFormatError("a\x1b[31m name\nof two lines, é")
    assert str(error) == r"a\x1b[31m name\nof two lines, é"
    assert type(error)(f"x: {error}").args == (rf"x: {error}",)
