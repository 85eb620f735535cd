"""The plan of the package: imports point one way, modules and functions are short, and the checkers are content."""

import ast
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
MODULES = sorted((ROOT / "skdistmass").rglob("*.py"))


def run(*arguments):
    """Run a checker of the environment; its output is the message of the test."""
    pytest.importorskip(arguments[0].replace("-", "_").replace("lint_imports", "importlinter"))
    command = [str(Path(sys.executable).with_name(arguments[0])), *arguments[1:]]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout[-3000:] + done.stderr[-1000:]


def test_imports_point_one_way_and_never_in_a_circle():
    run("lint-imports", "--no-cache")


@pytest.mark.parametrize("arguments", [("check",), ("format", "--check")], ids=" ".join)
def test_style(arguments):
    run("ruff", *arguments, ".")


@pytest.mark.slow
def test_types():
    run("mypy")


def test_nothing_private_stands_at_the_root():
    private = [path.name for path in (ROOT / "skdistmass").glob("_*.py")]
    assert sorted(private) == ["__init__.py", "_compiled.py", "_version.py"]


@pytest.mark.parametrize("path", MODULES, ids=lambda path: str(path.relative_to(ROOT)))
def test_modules_and_functions_are_short(path):
    text = path.read_text(encoding="utf-8")
    assert text.count("\n") <= 400, "split the module"
    long = []
    for node in ast.walk(ast.parse(text)):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            # The docstring says what a function is for; its length is no fault.
            documented = ast.get_docstring(node) is not None
            first = node.body[1] if documented and len(node.body) > 1 else node.body[0]
            if node.end_lineno - first.lineno + 1 > 60:
                long.append(node.name)
    assert not long, "split these functions"
