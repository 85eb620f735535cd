"""Files are written whole or not at all."""

import pytest

from skdistmass.exceptions import DistMassError
from skdistmass.writing import replaced


def write(path, text, error=None):
    with replaced(path, "model") as partial:
        partial.write_text(text)
        if error:
            raise error


def test_an_error_leaves_the_old_file(tmp_path):
    path = tmp_path / "model"
    write(path, "old")
    with pytest.raises(KeyError):
        write(path, "half", KeyError())
    assert path.read_text() == "old"
    write(path, "new")
    assert path.read_text() == "new"
    assert list(tmp_path.iterdir()) == [path]


def test_a_name_that_is_too_long(tmp_path):
    """Removing the file, too, fails; the message is that of writing."""
    with pytest.raises(DistMassError, match=r"the model can't be written to .*: File name too long"):
        write(tmp_path / ("n" * 252), "new")
