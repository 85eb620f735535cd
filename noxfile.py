#!/usr/bin/env python3
# /// script
# dependencies = ["nox >=2025.2.9"]
# ///
"""What the project checks, each in an environment by itself: ``nox -l`` lists it, ``nox -s NAME`` runs it."""

import configparser
import tempfile
from pathlib import Path

import nox

nox.needs_version = ">=2025.2.9"
nox.options.default_venv_backend = "venv"
PYTHONS = ["3.11", "3.12", "3.13"]
#: Releases of scikit-learn that are supported, each with a numpy and a Python of its time.
RELEASES = {"1.7": ("3.11", "numpy==2.0.*"), "1.8": ("3.12", "numpy==2.2.*"), "1.9": ("3.13", "numpy")}
#: Kernels of OpenBLAS that add in different orders: with fused multiplication and without vectors.
KERNELS = ("Haswell", "Prescott")
#: Tests of numbers that depend on the order in which they are added.
NUMERIC = [f"tests/{name}" for name in ("networks", "estimators", "uncertainty", "model", "deploy", "isochrones")]
#: Benchmarks that take a minute or two, with few stars.
BENCHMARKS = {"error_speed.py": (), "onnx_speed.py": (), "catalog_speed.py": ("--formats", "fits")}


@nox.session(python=PYTHONS, default=False)
def tests(session: nox.Session) -> None:
    """Run all tests."""
    session.install("-e", ".[test]")
    session.run("python", "-m", "pytest", "-n", "2", *session.posargs)


@nox.session
def quick(session: nox.Session) -> None:
    """Run the tests that are not marked slow."""
    session.install("-e", ".[test]")
    session.run("python", "-m", "pytest", "-m", "not slow", *session.posargs)


@nox.session(python="3.11", default=False)
def minimum(session: nox.Session) -> None:
    """Run the quick tests with the oldest packages that setup.cfg allows."""
    setup = configparser.ConfigParser()
    setup.read("setup.cfg")
    required = setup["options"]["install_requires"].split()
    oldest = [f"{name}=={bound.removeprefix('>=')}" for name, bound in zip(required[::2], required[1::2], strict=True)]
    with tempfile.NamedTemporaryFile("w", suffix=".txt") as constraints:
        # matplotlib 3.9 uses names that newer releases of pyparsing warn of.
        constraints.write("\n".join([*oldest, "pyparsing<3.3"]))
        constraints.flush()
        session.install("-c", constraints.name, "-e", ".[test]")
    session.run("python", "-m", "pytest", "-m", "not slow", *session.posargs)


@nox.session(default=False)
@nox.parametrize(
    ("python", "sklearn", "numpy"),
    [(python, sklearn, numpy) for sklearn, (python, numpy) in RELEASES.items()],
    ids=[f"scikit-learn-{sklearn}" for sklearn in RELEASES],
)
def matrix(session: nox.Session, sklearn: str, numpy: str) -> None:
    """Run the quick tests with each release of scikit-learn that is supported."""
    session.install("-e", ".[test]", f"scikit-learn=={sklearn}.*", numpy)
    session.run("python", "-m", "pytest", "-m", "not slow", *session.posargs)


@nox.session(default=False)
@nox.parametrize("kernel", KERNELS)
def kernels(session: nox.Session, kernel: str) -> None:
    """Run the tests of numbers with another kernel of OpenBLAS, as on another processor (x86-64 only)."""
    session.install("-e", ".[test]")
    session.run("python", "-m", "pytest", *(session.posargs or NUMERIC), env={"OPENBLAS_CORETYPE": kernel})


@nox.session(default=False)
def coverage(session: nox.Session) -> None:
    """Measure which lines and branches the quick tests run; ``-- -m ""`` measures all tests."""
    session.install("-e", ".[test]", "coverage>=7.10")
    session.run("coverage", "erase")
    session.run("coverage", "run", "-m", "pytest", *(session.posargs or ["-m", "not slow"]))
    session.run("coverage", "combine")
    session.run("coverage", "report", "--fail-under", "70")


@nox.session(default=False)
def fuzz(session: nox.Session) -> None:
    """Read 10,000 damaged files of all kinds; failed inputs are kept in the folder fuzz-failures."""
    session.install("-e", ".[test]")
    session.run("python", "benchmarks/fuzz_readers.py", *(session.posargs or ["--inputs", "10000"]))


@nox.session(default=False)
def mutation(session: nox.Session) -> None:
    """Change the code in small ways, and count how often a test fails; the first run, of all tests, takes longest."""
    session.install("-e", ".[test]", "cosmic-ray>=8.7", "coverage>=7.6")
    session.run("python", "benchmarks/mutation.py", *session.posargs)


@nox.session(default=False)
def kills(session: nox.Session) -> None:
    """Kill catalogues and trainings at 20 random moments, resume them, and compare what they write."""
    session.install("-e", ".")
    session.run("python", "benchmarks/kill_catalog.py", *session.posargs)


@nox.session(python="3.11", default=False)
def distributed(session: nox.Session) -> None:
    """Run the tests of data frames, HATS, LSDB, Dask, Ray, Spark and other engines; Spark needs Java 17."""
    session.install("-e", ".[test,distributed,ray]", "hats-import>=0.11", "polars>=1.30", "pyspark>=4.0")
    session.run("python", "-m", "pytest", "tests/distributed", "skdistmass/distributed", *session.posargs)


@nox.session
def lint(session: nox.Session) -> None:
    """Check style, spelling, docstrings and workflows, and that imports point one way."""
    session.install("-e", ".[dev]")
    session.run("ruff", "check", ".")
    session.run("ruff", "format", "--check", ".")
    session.run("codespell")
    session.run("lint-imports", "--no-cache")
    modules = sorted(str(path) for path in Path("skdistmass").rglob("*.py"))
    session.run("numpydoc", "lint", *modules, silent=True)
    session.run("zizmor", "--offline", ".github")


@nox.session
def typing(session: nox.Session) -> None:
    """Check the types."""
    session.install("-e", ".[test]")
    session.run("mypy")


@nox.session(default=False)
def docs(session: nox.Session) -> None:
    """Build the site into docs/_build, where a warning is an error, and run the examples in the docstrings."""
    session.install("-e", ".[docs,test]")
    session.run("sphinx-build", "-W", "--keep-going", "-b", "html", "docs", "docs/_build", *session.posargs)
    session.run(
        "python", "-m", "pytest", "-n", "2", "skdistmass", "tests/test_docs.py", "tests/catalog/test_data_model.py"
    )


@nox.session(default=False)
def page(session: nox.Session) -> None:
    """Build the page of the folder web, and test it in Chromium; needs Node.js, npm and Chromium."""
    session.install("-e", ".[test]")
    with session.chdir("web"):
        session.run("npm", "ci", "--no-audit", "--no-fund", external=True)
        session.run("npm", "run", "build", external=True)
        session.run("npm", "run", "e2e", external=True)
        session.run("npm", "test", external=True)
    session.run("python", "-m", "pytest", "-m", "not slow", "tests/deploy/test_page.py")


@nox.session(default=False)
def package(session: nox.Session) -> None:
    """Build sdist and wheel, check them, and use the wheel of the sdist away from the source."""
    session.install("build", "check-wheel-contents", "twine")
    with tempfile.TemporaryDirectory() as folder:
        # The wheel is built from the sdist: what the sdist lacks is missed here.
        session.run("python", "-m", "build", "--outdir", folder)
        files = sorted(str(path) for path in Path(folder).iterdir())
        session.run("twine", "check", "--strict", *files)
        session.run("check-wheel-contents", *(path for path in files if path.endswith(".whl")))
        session.install(next(path for path in files if path.endswith(".whl")))
        Path("dist").mkdir(exist_ok=True)
        for path in files:
            Path(path).replace(Path("dist") / Path(path).name)
        with session.chdir(folder):
            session.run("skdistmass", "demo", "--stars", "3000", "--quiet")
            session.run("skdistmass", "info", "apogee", silent=True)


@nox.session(default=False)
def benchmarks(session: nox.Session) -> None:
    """Run the short benchmarks; arguments name others."""
    session.install("-e", ".[test]")
    chosen = dict.fromkeys(session.posargs, ()) or BENCHMARKS
    for name, options in chosen.items():
        session.run("python", f"benchmarks/{name}", *options)


@nox.session(default=False)
def asv(session: nox.Session) -> None:
    """Run the benchmarks that compare commits, once and on this one; ``-- continuous main HEAD`` compares two."""
    session.install("asv>=0.6.4", "virtualenv")
    session.run("asv", *(session.posargs or ["run", "--quick", "--show-stderr", "HEAD^!"]))


@nox.session(default=False)
def review(session: nox.Session) -> None:
    """Compare the project with the guide of Scientific Python; what is ignored, and why, is in pyproject.toml."""
    session.install("sp-repo-review[cli]>=2026.8.14")
    session.run("repo-review", ".")


@nox.session(default=False)
def changelog(session: nox.Session) -> None:
    """Show what the fragments in the folder changes would add to the changelog."""
    session.install("towncrier>=24.8")
    session.run("towncrier", "build", "--draft", *(session.posargs or ["--version", "next"]))


if __name__ == "__main__":
    nox.main()
