"""Files are written whole or not at all."""

from concurrent.futures import ThreadPoolExecutor

import pytest

from skdistmass.exceptions import DistMassError
from skdistmass.writing import claimed, overwritten, replaced


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


def test_one_thread_writes_at_a_time(tmp_path):
    path = tmp_path / "model"
    with ThreadPoolExecutor(1) as pool, claimed(path, "model"):
        write(path, "by the thread that has the claim")
        for thread in (pool.submit(write, path, "other"), pool.submit(write, tmp_path / "." / "model", "other")):
            with pytest.raises(DistMassError, match="is being written by another process"):
                thread.result()
    assert path.read_text() == "by the thread that has the claim"
    write(path, "free again")
    assert list(tmp_path.iterdir()) == [path]


def test_what_a_killed_process_left_is_taken_over(tmp_path):
    (tmp_path / "model.part").touch()
    (tmp_path / "model.part.new").write_text("half")
    write(tmp_path / "model", "new")
    assert [path.name for path in tmp_path.iterdir()] == ["model"]


def test_names_that_are_patterns(tmp_path):
    for name in ("a*[b]?", "axxb"):
        (tmp_path / f"{name}.part").touch()
    output = tmp_path / "a*[b]?"
    assert overwritten([tmp_path / "axxb.part", tmp_path / "a*[b]?.part"], [tmp_path / "other", output]) == output
    assert overwritten([tmp_path / "axxb.part"], [output]) is None


def test_a_name_that_is_too_long(tmp_path):
    """Removing the file, too, fails; the message is that of writing."""
    with pytest.raises(DistMassError, match=r"the model can't be written to .*: File name too long"):
        write(tmp_path / ("n" * 252), "new")
