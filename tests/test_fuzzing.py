"""Damaged files of every kind, by the fuzzer of the benchmarks: read, or refused in one line."""

import sys

import pytest
from fuzz_readers import changed, fuzz, judge

pytestmark = [pytest.mark.slow, pytest.mark.skipif(sys.platform != "linux", reason="memory is read from /proc")]


def test_500_damaged_files_are_read_or_refused(tmp_path):
    counts, failures = fuzz(tmp_path / "files", tmp_path / "failed", 510, seed=20261127)
    assert failures == []
    assert sum(counts.values()) == 510
    for said in ("read", "refused"):
        assert sum(count for (_, found), count in counts.items() if found == said) > 50


def test_the_judge_finds_faults(tmp_path, monkeypatch):
    """A fuzzer that never finds anything would pass as well."""
    from skdistmass.exceptions import FileFormatError

    def fails(error):
        def read(path):
            raise error

        return read

    path = tmp_path / "x.csv"
    for error, found in (
        (FileFormatError("a plain line"), "refused"),
        (FileFormatError("x" * 2000), "a message of 2000 characters"),
        (KeyError("a"), "KeyError"),
    ):
        monkeypatch.setattr("fuzz_readers.read", fails(error))
        assert judge(path).startswith(found)
    monkeypatch.setattr("fuzz_readers.SECONDS", -1.0)
    monkeypatch.setattr("fuzz_readers.read", lambda path: None)
    assert judge(path).endswith("s, read")


def test_changes_are_the_same_for_a_seed():
    import random

    content = b"SIMPLE  =                    T" * 100
    once, again, other = (changed(content, random.Random(seed)) for seed in (1, 1, 2))
    assert once == again != other
