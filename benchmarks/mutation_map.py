"""Which tests run a line of the package, and how long they take; used by `mutation.py`."""

import ast
import contextlib
import json
import os
from collections import Counter, defaultdict
from pathlib import Path

import coverage
import pytest

ROOT = Path(__file__).resolve().parents[1]
COMPILED = {"compiled", "_compiled"}
#: Compares defaults of parameters with what docstrings say; no line of the package runs in it.
OF_DEFAULTS = "tests/test_docs.py::test_defaults_are_those_of_the_docstrings"
#: Places of a name; one with more is that of many things, and its uses tell nothing of one.
MOST_USES = 200
FUNCTIONS = (ast.FunctionDef, ast.AsyncFunctionDef)


def module_of(path: Path) -> str:
    """Return the name under which a file is imported."""
    return ".".join(path.relative_to(ROOT).with_suffix("").parts).removesuffix(".__init__")


def _used() -> float:
    """Return the processor time of this process and its children (s), which other programs don't lengthen."""
    return sum(os.times()[:4])


def called(node: ast.AST) -> str:
    """Return the last part of a name, or of the name of what is called."""
    node = node.func if isinstance(node, ast.Call) else node
    return getattr(node, "attr", getattr(node, "id", ""))


class Recorder:
    """A plugin of pytest: lines and seconds of each test, and of each fixture that tests share."""

    def __init__(self, measured: coverage.Coverage):
        self.measured, self.running = measured, [""]
        self.tests: dict[str, dict] = {}
        self.fixtures: Counter = Counter()
        self.useless: set[str] = set()

    @contextlib.contextmanager
    def _running(self, name):
        self.running.append(name)
        self.measured.switch_context(name)
        yield
        self.running.pop()
        self.measured.switch_context(self.running[-1])

    @pytest.hookimpl(wrapper=True)
    def pytest_runtest_protocol(self, item):
        begin, before = _used(), self.fixtures.total()
        with self._running(item.nodeid):
            result = yield
        known = getattr(item, "_fixtureinfo", None)
        shared = [self._name(d[-1]) for d in known.name2fixturedefs.values() if d[-1].scope != "function"]
        seconds = _used() - begin - (self.fixtures.total() - before)
        self.tests[item.nodeid] = {"seconds": round(seconds, 4), "fixtures": shared}
        return result

    @pytest.hookimpl(wrapper=True)
    def pytest_fixture_setup(self, fixturedef):
        if fixturedef.scope == "function":
            return (yield)
        begin, before, name = _used(), self.fixtures.total(), self._name(fixturedef)
        with self._running(name):
            result = yield
        self.fixtures[name] += _used() - begin - (self.fixtures.total() - before)
        return result

    @staticmethod
    def _name(fixture):
        return f"{fixture.baseid} fixture {fixture.argname}"

    def pytest_runtest_logreport(self, report):
        if not report.passed:
            self.useless.add(report.nodeid)
            if report.failed:
                print(f"fails without a change: {report.nodeid}")


def make_map(folder: Path, arguments: list[str]) -> None:
    """Run tests, and keep which lines each runs, and its time, beside what the folder has already."""
    folder.mkdir(parents=True, exist_ok=True)
    measured = coverage.Coverage(data_file=folder / "lines", source=[str(ROOT / "skdistmass")], config_file=False)
    recorder = Recorder(measured)
    if (folder / "tests.json").exists():
        measured.load()
        kept = json.loads((folder / "tests.json").read_text())
        recorder.tests, recorder.fixtures = kept["tests"], Counter(kept["fixtures"])
    measured.start()
    pytest.main(["-q", "-p", "no:cacheprovider", "--no-header", "--tb=no", *arguments], plugins=[recorder])
    measured.stop()
    measured.save()
    tests = {name: test for name, test in recorder.tests.items() if name not in recorder.useless}
    (folder / "tests.json").write_text(json.dumps({"tests": tests, "fixtures": recorder.fixtures}, indent=0))


class Map:
    """Finds the tests of a line."""

    def __init__(self, folder: Path):
        kept = json.loads((folder / "tests.json").read_text())
        self.tests, self.fixtures = kept["tests"], kept["fixtures"]
        self.users = defaultdict(set)
        for name, test in self.tests.items():
            for used in (name, *test["fixtures"]):
                self.users[used].add(name)
        self.data = coverage.CoverageData(str(folder / "lines"))
        self.data.read()
        self.lines: dict[Path, dict] = {}
        self.trees = {path: ast.parse(path.read_text("utf-8")) for path in (ROOT / "skdistmass").rglob("*.py")}
        self.statements: dict[Path, list[ast.stmt]] = {}
        self.found: dict[tuple, set[str]] = {}
        self.named, self.imports = defaultdict(set), defaultdict(set)
        for path, tree in self.trees.items():
            self.statements[path] = [node for node in ast.walk(tree) if isinstance(node, ast.stmt)]
            for node in ast.walk(tree):
                name = getattr(node, "attr", getattr(node, "id", getattr(node, "arg", None)))
                if isinstance(name, str) and hasattr(node, "lineno"):
                    self.named[name].add((path, node.lineno))
                if isinstance(node, ast.ImportFrom) and node.module:
                    self.imports[module_of(path)] |= {node.module, *(f"{node.module}.{a.name}" for a in node.names)}

        # Tests that name a constant or a compiled function, of which no line of Python may run in them.
        for path in {ROOT / name.partition("::")[0] for name in self.tests}:
            for node in ast.walk(ast.parse(path.read_text("utf-8"))):
                if isinstance(node, FUNCTIONS):
                    named = {getattr(n, "attr", getattr(n, "id", "")) for n in ast.walk(node)}
                    own = f"{path.relative_to(ROOT).as_posix()}::{node.name}"
                    for test in (name for name in self.tests if name.partition("[")[0] == own):
                        self.users.update({f"name {name}": self.users[f"name {name}"] | {test} for name in named})

    def _run(self, path, first, last):
        if path not in self.lines:
            self.lines[path] = self.data.contexts_by_lineno(str(path))
        contexts = {name for line in range(first, last + 1) for name in self.lines[path].get(line, ())}
        return set().union(*(self.users[name] for name in contexts if name in self.users))

    def of(self, path: Path, line: int, depth: int = 3) -> set[str]:
        """Return the names of the tests that run a line, or what names the constant or function that it defines."""
        if (path, line, depth) not in self.found:
            self.found[path, line, depth] = self._of(path, line, depth)
        return self.found[path, line, depth]

    def _of(self, path, line, depth):
        around = [node for node in self.statements[path] if _first(node) <= line <= node.end_lineno]
        inner = around[-1]
        function = next((node for node in reversed(around) if isinstance(node, FUNCTIONS)), None)
        if function is None:
            tests = self._run(path, line, line)
            names = {n.id for n in ast.walk(inner) if isinstance(n, ast.Name) and isinstance(n.ctx, ast.Store)}
            names = {name for name in names if len(self.named[name]) <= MOST_USES}
        elif any(called(decorator) in COMPILED for decorator in function.decorator_list):
            tests, names = set(), {function.name}
        elif inner is function:
            return self._run(path, function.body[0].lineno, function.end_lineno) | ({OF_DEFAULTS} & self.tests.keys())
        else:
            end = inner.body[0].lineno - 1 if hasattr(inner, "body") else inner.end_lineno
            return self._run(path, inner.lineno, max(end, inner.lineno))
        tests = tests.union(*(self.users[f"name {name}"] for name in names if f"name {name}" in self.users))
        for user, place in {use for name in names for use in self.named[name]} if depth else ():
            if not (user == path and around[0].lineno <= place <= around[0].end_lineno):
                tests = tests | self.of(user, place, depth - 1)
        return tests or self._run(path, 1, self.trees[path].body[-1].end_lineno)

    def quickest(self, names: set[str], number: int, seconds: float) -> tuple[list[str], float]:
        """Return the quickest of some tests, and the sum of their times."""

        def cost(name):
            test = self.tests[name]
            return test["seconds"] + sum(self.fixtures.get(f, 0.0) for f in test["fixtures"] if f not in paid)

        paid: set[str] = set()
        chosen: list[str] = []
        total = 0.0
        for name in sorted(names, key=lambda name: (cost(name), name)):
            if len(chosen) == number or (chosen and total + cost(name) > seconds):
                break
            total += cost(name)
            paid.update(self.tests[name]["fixtures"])
            chosen.append(name)
        return chosen, total

    def drop(self, test: str) -> None:
        """Forget a test."""
        for users in (*self.users.values(), *self.found.values()):
            users.discard(test)

    def dependents(self, module: str) -> set[str]:
        """Return a module and all that import it, by themselves or through others."""
        found = {module}
        while more := {user for user, used in self.imports.items() if used & found} - found:
            found |= more
        return found


def _first(node):
    return min([node.lineno, *(d.lineno for d in getattr(node, "decorator_list", ()))])
