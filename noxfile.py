"""What the project checks, each in an environment by itself: ``nox -l`` lists it, ``nox -s NAME`` runs it."""

import configparser
import tempfile
from pathlib import Path

import nox

nox.options.sessions = ["lint", "typing", "quick"]
nox.options.default_venv_backend = "venv"
PYTHONS = ["3.11", "3.12", "3.13"]
#: Benchmarks that take a minute or two, with few stars.
BENCHMARKS = {"error_speed.py": (), "onnx_speed.py": (), "catalog_speed.py": ("--formats", "fits")}


@nox.session(python=PYTHONS)
def tests(session: nox.Session) -> None:
    """Run all tests."""
    session.install("-e", ".[test]")
    session.run("python", "-m", "pytest", "-n", "2", *session.posargs)


@nox.session
def quick(session: nox.Session) -> None:
    """Run the tests that are not marked slow."""
    session.install("-e", ".[test]")
    session.run("python", "-m", "pytest", "-m", "not slow", *session.posargs)


@nox.session(python="3.11")
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


@nox.session
def fuzz(session: nox.Session) -> None:
    """Read 10,000 damaged files of all kinds; failed inputs are kept in the folder fuzz-failures."""
    session.install("-e", ".[test]")
    session.run("python", "benchmarks/fuzz_readers.py", *(session.posargs or ["--inputs", "10000"]))


@nox.session
def mutation(session: nox.Session) -> None:
    """Change the code in small ways, and count how often a test fails; the first run, of all tests, takes longest."""
    session.install("-e", ".[test]", "cosmic-ray>=8.7", "coverage>=7.6")
    session.run("python", "benchmarks/mutation.py", *session.posargs)


@nox.session(python="3.11")
def distributed(session: nox.Session) -> None:
    """Run the tests of data frames, HATS, LSDB, Dask, Ray, Spark and other engines; Spark needs Java 17."""
    session.install("-e", ".[test,distributed,ray]", "hats-import>=0.11", "polars>=1.30", "pyspark>=4.0")
    session.run("python", "-m", "pytest", "tests/distributed", "skdistmass/distributed", *session.posargs)


@nox.session
def lint(session: nox.Session) -> None:
    """Check style, spelling, and that imports point one way."""
    session.install("-e", ".[dev]")
    session.run("ruff", "check", ".")
    session.run("ruff", "format", "--check", ".")
    session.run("codespell")
    session.run("lint-imports", "--no-cache")


@nox.session
def typing(session: nox.Session) -> None:
    """Check the types."""
    session.install("-e", ".[test]")
    session.run("mypy")


@nox.session
def docs(session: nox.Session) -> None:
    """Build the site into docs/_build, where a warning is an error, and run the examples in the docstrings."""
    session.install("-e", ".[docs,test]")
    session.run("sphinx-build", "-W", "--keep-going", "-b", "html", "docs", "docs/_build", *session.posargs)
    session.run(
        "python", "-m", "pytest", "-n", "2", "skdistmass", "tests/test_docs.py", "tests/catalog/test_data_model.py"
    )


@nox.session
def page(session: nox.Session) -> None:
    """Build the page of the folder web, and test it in Chromium; needs Node.js, npm and Chromium."""
    session.install("-e", ".[test]")
    with session.chdir("web"):
        session.run("npm", "ci", "--no-audit", "--no-fund", external=True)
        session.run("npm", "run", "build", external=True)
        session.run("npm", "run", "e2e", external=True)
        session.run("npm", "test", external=True)
    session.run("python", "-m", "pytest", "-m", "not slow", "tests/deploy/test_page.py")


@nox.session
def package(session: nox.Session) -> None:
    """Build sdist and wheel, check them, and use the wheel of the sdist away from the source."""
    session.install("build", "twine")
    with tempfile.TemporaryDirectory() as folder:
        # The wheel is built from the sdist: what the sdist lacks is missed here.
        session.run("python", "-m", "build", "--outdir", folder)
        files = sorted(str(path) for path in Path(folder).iterdir())
        session.run("twine", "check", "--strict", *files)
        session.install(next(path for path in files if path.endswith(".whl")))
        Path("dist").mkdir(exist_ok=True)
        for path in files:
            Path(path).replace(Path("dist") / Path(path).name)
        with session.chdir(folder):
            session.run("skdistmass", "demo", "--stars", "3000", "--quiet")
            session.run("skdistmass", "info", "apogee", silent=True)


@nox.session
def benchmarks(session: nox.Session) -> None:
    """Run the short benchmarks; arguments name others."""
    session.install("-e", ".[test]")
    chosen = dict.fromkeys(session.posargs, ()) or BENCHMARKS
    for name, options in chosen.items():
        session.run("python", f"benchmarks/{name}", *options)
