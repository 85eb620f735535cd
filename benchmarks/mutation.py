"""Small faults are put into the code, one at a time: does a test notice? Prints the share of faults that do.

A mutant is the package with one change: an operator, a comparison, a number, a condition, a loop or a decorator is
another one (the operators of the library cosmic-ray). The tests that run the changed line are run until one fails
(killed), all pass (survived), or the time is over (killed: the change made a loop endless).

A first run finds out which test runs which lines, and how long it takes. It is kept in the folder ``--map``, and used
again until that folder is deleted. A fixture that several tests share counts for each of them. A constant, and a
function compiled by numba, is tested by what runs the lines that name it. Then each mutant is a process forked from one
that has imported everything but the package. The changed source is only in memory: nothing is written to the package,
and numba's cache is not used by what depends on the change. Tests in other processes see no change and notice nothing.

Places are drawn at random in each folder, and a change at random for each place. Some places are left out, because no
test should notice: type annotations, ``if TYPE_CHECKING``, ``__all__``, messages of errors and warnings (all of a
``raise`` and of a call of ``warn``), ``strict=`` of ``zip``, and what tells types or only saves time: some decorators,
options of the compiler. Docstrings are never changed. Nor are changes drawn that Python or numpy refuse at once, such
as ``<<`` for ``+``.

Run: ``python benchmarks/mutation.py --sample 60 --seed 1`` (``--folders seismology surveys`` for some of the folders).
The exit code is 1 if in any folder fewer mutants than ``--least`` percent are killed.
"""

import argparse
import ast
import contextlib
import difflib
import gc
import importlib.machinery
import importlib.util
import os
import random
import re
import resource
import shlex
import shutil
import signal
import sys
import tempfile
import time
from collections import Counter, defaultdict
from dataclasses import dataclass
from pathlib import Path
from typing import Any

# One thread: forked processes must not inherit a pool of threads, and the same seed must give the same result.
os.environ |= {"OMP_NUM_THREADS": "1", "CI": "1"}

import parso
import pytest
from cosmic_ray.ast import ast_nodes
from cosmic_ray.mutating import mutate_code
from cosmic_ray.plugins import get_operator, operator_names
from mutation_map import COMPILED, ROOT, Map, called, make_map, module_of

FOLDERS = ("model", "uncertainty", "estimators", "isochrones/distances", "catalog", "surveys", "seismology")
#: Modules without the package's own: they are imported once, and each mutant starts with them.
WARM = (
    "numba", "pandas", "hypothesis", "pyarrow.parquet", "onnxruntime", "matplotlib.pyplot", "scipy.stats",
    "scipy.interpolate", "scipy.integrate", "sklearn.neural_network", "sklearn.model_selection", "sklearn.mixture",
    "sklearn.utils.estimator_checks", "astropy.table", "astropy.io.votable", "astropy.coordinates", "click.testing",
)  # fmt: skip
ARITHMETIC = {"Add", "Sub", "Mul", "Div", "FloorDiv", "Mod", "Pow"}
ORDER = {"Eq", "NotEq", "Lt", "LtE", "Gt", "GtE"}
ALIKE = (ARITHMETIC, {"BitOr", "BitAnd", "BitXor"}, {"LShift", "RShift"}, ORDER, {"Is", "IsNot"})
UNNOTICED_DECORATORS = COMPILED | {"overload", "cache", "lru_cache", "wraps", "override", "final"}
#: What an operator of each kind changes; the others may change any node.
KINDS = {"Binary": {"operator"}, "Comparison": {"comparison"}, "Unary": {"factor", "not_test"}}
_BROKEN = 99  # exit code


@dataclass(frozen=True)
class Mutant:
    """One change: the `occurrence`-th place in a file where an operator applies; or none, without an operator."""

    path: Path
    place: tuple
    operator: str = ""
    occurrence: int = 0

    def source(self) -> str:
        """Return the changed source."""
        if not self.operator:
            return self.path.read_text("utf-8")
        return mutate_code(self.path.read_text("utf-8"), get_operator(self.operator)(), self.occurrence)

    def title(self) -> str:
        """Say where the change is, and which."""
        line, column = self.place[0]
        return f"{self.path.relative_to(ROOT)}:{line}:{column} {self.operator.removeprefix('core/')}"

    def diff(self) -> str:
        """Return the lines before and after."""
        before, after = (text.splitlines() for text in (self.path.read_text("utf-8"), self.source()))
        compared = difflib.unified_diff(before, after, n=0, lineterm="")
        changed = [line for line in compared if line[:3] not in ("---", "+++")]
        return "\n".join(f"    {line}" for line in changed if not line.startswith("@@"))


def operators() -> list[str]:
    """Return the operators that replace like by like."""
    chosen = []
    for name in operator_names():
        pair = re.fullmatch(r"core/Replace(?:Binary|Comparison)Operator_(\w+)_(\w+)", name)
        if pair and not any(set(pair.groups()) <= alike for alike in ALIKE):
            continue
        if "Variable" not in name and not re.search(r"_(UAdd|USub|Invert)_(Not|Invert)$", name):
            chosen.append(name)
    return chosen


def left_out(source: str) -> list[tuple]:
    """Return the first and last positions of the parts of a source where no change is made."""
    nodes: list[Any] = []
    for node in ast.walk(ast.parse(source)):
        match node:
            case ast.Raise() | ast.If(test=ast.Name("TYPE_CHECKING")) | ast.Assign(targets=[ast.Name("__all__")]):
                nodes.append(node)
            case ast.Call() if called(node) in COMPILED | {"warn"}:
                nodes.append(node)
            case ast.keyword(arg="strict"):
                nodes.append(node.value)
            case ast.AnnAssign() | ast.arg():
                nodes.append(node.annotation)
            case ast.FunctionDef() | ast.AsyncFunctionDef():
                nodes.append(node.returns)
    spans = [((n.lineno, n.col_offset), (n.end_lineno, n.end_col_offset)) for n in nodes if n is not None]
    for number, line in enumerate(source.splitlines(), 1):
        decorator = re.match(r"\s*@(?:\w+\.)*(\w+)", line)
        if decorator and decorator[1] in UNNOTICED_DECORATORS:
            spans.append(((number, 0), (number, len(line))))
    return spans


def mutants_of(path: Path) -> list[Mutant]:
    """Return all mutants of a file."""
    source = path.read_text("utf-8")
    spans, nodes = left_out(source), list(ast_nodes(parso.parse(source)))
    of_kind = {kind: [node for node in nodes if node.type in types] for kind, types in KINDS.items()}
    found = []
    for name in operators():
        operator, kind = get_operator(name)(), re.search("Binary|Comparison|Unary", name)
        able = of_kind[kind[0]] if kind else nodes
        places = (place for node in able for place in operator.mutation_positions(node))
        for occurrence, place in enumerate(places):
            if not any(first <= place[0] < last for first, last in spans):
                found.append(Mutant(path, place, name, occurrence))
    return found


def draw(folder: str, size: int, seed: int) -> list[Mutant]:
    """Draw places in a folder at random, and a change that can be compiled for each."""
    top = ROOT / "skdistmass" / folder
    files = [top.with_suffix(".py")] if top.with_suffix(".py").exists() else sorted(top.rglob("*.py"))
    places = defaultdict(list)
    for path in files:
        for mutant in mutants_of(path):
            places[path, mutant.place].append(mutant)
    generator = random.Random(f"{seed} {folder}")
    chosen: list[Mutant] = []
    for place in generator.sample(sorted(places), len(places)):
        if len(chosen) == size:
            break
        mutant = generator.choice(places[place])
        with contextlib.suppress(SyntaxError):
            ast.parse(mutant.source())
            chosen.append(mutant)
    return chosen


class Changed(importlib.machinery.SourceFileLoader):
    """Finds and loads the changed module in place of the file."""

    def __init__(self, name, path, source):
        super().__init__(name, str(path))
        self.source = source

    def find_spec(self, name, path=None, target=None):
        if name == self.name:
            return importlib.util.spec_from_file_location(name, self.path, loader=self)
        return None

    def get_code(self, name):
        return compile(self.source, self.path, "exec", dont_inherit=True)


class FirstFailure:
    """A plugin of pytest: writes the name of the test that fails into a file."""

    def __init__(self, path: Path):
        self.path = path

    def pytest_runtest_logreport(self, report):
        if report.failed:
            self.path.write_text(report.nodeid)


def run_tests(mutant: Mutant, tests: list[str], stale: set[str], folder: Path) -> None:
    """Run tests in this process with a change, and end it with pytest's exit code."""
    import numba

    njit = numba.njit

    def uncached(function=None, *, cache=False, **options):
        if function is None:
            return lambda function: uncached(function, cache=cache, **options)
        return njit(function, cache=cache and function.__module__ not in stale, **options)

    vars(numba)["njit"] = uncached
    os.setsid()
    silent = os.open(os.devnull, os.O_WRONLY)
    os.dup2(silent, 1)
    os.dup2(silent, 2)
    sys.meta_path.insert(0, Changed(module_of(mutant.path), mutant.path, mutant.source()))
    options = ["-x", "-q", "-p", "no:cacheprovider", "-p", "no:xdist", "--tb=no", f"--basetemp={folder / 'tests'}"]
    options += ["-W", "ignore:Module already imported:pytest.PytestAssertRewriteWarning"]
    code, plugins = _BROKEN, [FirstFailure(folder / "failed")]
    with contextlib.suppress(Exception):
        code = int(pytest.main([*options, *tests], plugins=plugins))
        if code == pytest.ExitCode.USAGE_ERROR:  # the change gives parametrized tests other names
            code = int(pytest.main([*options, *sorted({test.partition("::")[0] for test in tests})], plugins=plugins))
    os._exit(code)


def run(mutant: Mutant, tests: list[str], stale: set[str], expected: float) -> tuple[bool, str]:
    """Run tests in a process by itself; tell whether all pass, and which one fails if one does."""
    folder = Path(tempfile.mkdtemp())
    begin, limit = time.monotonic(), 30 + 3 * expected
    if not (child := os.fork()):
        resource.setrlimit(resource.RLIMIT_CPU, (int(limit), int(limit) + 5))
        resource.setrlimit(resource.RLIMIT_DATA, (8 << 30, 8 << 30))
        run_tests(mutant, tests, stale, folder)
    while True:
        done, status = os.waitpid(child, os.WNOHANG)
        if done:
            break
        if time.monotonic() - begin > 5 * limit:
            os.killpg(child, signal.SIGKILL)
        time.sleep(0.02)
    code, failed = os.waitstatus_to_exitcode(status), folder / "failed"
    name = failed.read_text() if failed.exists() else ""
    shutil.rmtree(folder, ignore_errors=True)
    if code > pytest.ExitCode.INTERRUPTED:
        raise RuntimeError(f"pytest can't run the tests of {mutant.title()}: its exit code is {code}.")
    return code == 0, name


def judge(mutant: Mutant, tested: Map, trusted: set[str], number: int, seconds: float) -> str:
    """Say whether a test notices a change: killed, survived or no test.

    A test that fails for the first time is tried without the change: it counts only if it passes after the same tests.
    """
    stale, unchanged = tested.dependents(module_of(mutant.path)), Mutant(mutant.path, mutant.place)
    while True:
        tests, expected = tested.quickest(tested.of(mutant.path, mutant.place[0][0]), number, seconds)
        if not tests:
            return "no test"
        passed, failed = run(mutant, tests, stale, expected)
        if passed:
            return "survived"
        if failed not in tests or failed in trusted:
            return "killed"
        if run(unchanged, tests[: tests.index(failed) + 1], stale, expected)[0]:
            trusted.add(failed)
            return "killed"
        print(f"left out, as it fails without a change: {failed}", flush=True)
        tested.drop(failed)


def score(drawn: list[Mutant], tested: Map, number: int, seconds: float) -> Counter[str]:
    """Judge mutants, and print those that survive."""
    counts: Counter[str] = Counter()
    trusted: set[str] = set()
    for mutant in drawn:
        said = judge(mutant, tested, trusted, number, seconds)
        counts[said] += 1
        if said != "killed":
            print(f"{said}: {mutant.title()}\n{mutant.diff()}", flush=True)
    return counts


def read_arguments() -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    add = parser.add_argument
    add("--folders", nargs="+", default=FOLDERS, help="folders or modules of the package")
    add("--sample", type=int, default=60, help="mutants of each folder (default: 60); 0 only makes the map")
    add("--seed", type=int, default=0)
    add("--least", type=float, default=85.0, help="percent that must be killed (default: 85)")
    add("--tests", type=int, default=500, help="number of tests of a mutant (default: 500)")
    add("--seconds", type=float, default=60.0, help="time of the tests of a mutant (default: 60)")
    add("--map", type=Path, default=ROOT / "build" / "mutation", help="folder of the map")
    add("--select", default="tests", help="arguments of pytest that choose the tests (default: tests)")
    add("--add", default="", help="arguments of pytest that choose tests to add to the map")
    return parser.parse_args()


def main() -> int:
    """Run the command."""
    arguments = read_arguments()
    folder = arguments.map.resolve()
    os.chdir(ROOT)
    sys.path.insert(0, str(ROOT))
    if chosen := arguments.add if (folder / "tests.json").exists() else arguments.select:
        if not (child := os.fork()):
            make_map(folder, shlex.split(chosen))
            os._exit(0)
        os.waitpid(child, 0)
    if not arguments.sample:
        return 0
    tested = Map(folder)
    for module in WARM:
        importlib.import_module(module)
    gc.freeze()  # so that no forked process collects, and thereby copies, what all share
    columns = ("killed", "survived", "no test")
    table, enough = [f"\n{'folder':24}{'mutants':>9}{'killed':>9}{'survived':>9}{'no test':>9}{'score':>9}"], True
    for name in arguments.folders:
        drawn = draw(name, arguments.sample, arguments.seed)
        counts = score(drawn, tested, arguments.tests, arguments.seconds)
        percent = 100.0 * counts["killed"] / len(drawn)
        enough &= percent >= arguments.least
        table.append(f"{name:24}{len(drawn):9}" + "".join(f"{counts[c]:9}" for c in columns) + f"{percent:7.0f} %")
    print("\n".join(table))
    return 0 if enough else 1


if __name__ == "__main__":
    sys.exit(main())
