"""The mutation tester of the benchmarks: what it changes, what it leaves alone, and what loads the change."""

import sys

import pytest

pytest.importorskip("cosmic_ray")
from mutation import Changed, Mutant, draw, mutants_of

SOURCE = '''"""Text of 1 line."""
from typing import TYPE_CHECKING, overload

__all__ = ["a" * 1]
if TYPE_CHECKING:
    b: int = 2


def c(d: "int | None" = None) -> "float | int":
    if d is None:
        raise ValueError(f"{3 + 4}")
    return [x + 5 for x, _ in zip(d, d, strict=True)]
'''


def test_places_that_matter_are_changed_and_others_are_not(tmp_path):
    path = tmp_path / "module.py"
    path.write_text(SOURCE)
    found = {mutant.source() for mutant in mutants_of(path)}
    # The condition is turned round in two ways, + has six others like it, and 5 is 4 or 6.
    assert len(found) == 2 + 6 + 2
    for text in ("if d is not None", "if not d is None", "x - 5", "x **5", "x + 6"):
        assert any(text.replace(" ", "") in source.replace(" ", "") for source in found), text
    for text in ('"a" * 1', "b: int = 2", "int | None", "3 + 4", "strict=True", "Text of 1 line"):
        assert all(text in source for source in found), text


def test_a_sample_is_the_same_for_a_seed():
    one, again, other = (draw("seismology", 5, seed) for seed in (1, 1, 2))
    assert one == again != other
    assert len({mutant.place for mutant in one}) == 5
    assert draw("seismology", 0, 1) == []
    assert Mutant(one[0].path, one[0].place).source() == one[0].path.read_text("utf-8")


def test_the_changed_source_is_loaded_in_place_of_the_file(tmp_path, monkeypatch):
    path = tmp_path / "changed_module.py"
    path.write_text("value = 1\n")
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.setattr(sys, "meta_path", [Changed("changed_module", path, "value = 2\n"), *sys.meta_path])
    import changed_module

    assert changed_module.value == 2
    assert path.read_text() == "value = 1\n"
    del sys.modules["changed_module"]
