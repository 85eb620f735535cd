"""What is said about the package in several files is the same in all: dependencies, version, title, licence."""

import configparser
import json
import re
from pathlib import Path

import pytest
import yaml

from skdistmass import __version__

ROOT = Path(__file__).resolve().parents[1]
#: Names of packages that conda gives other names.
CONDA = {"matplotlib": "matplotlib-base"}


@pytest.fixture(scope="module")
def setup():
    parser = configparser.ConfigParser(interpolation=None)
    parser.read(ROOT / "setup.cfg")
    return parser


@pytest.fixture(scope="module")
def recipe():
    """The recipe of the conda package, without its templates."""
    text = (ROOT / "conda" / "meta.yaml").read_text(encoding="utf-8")
    text = re.sub(r"^{%.*%}$", "", text, flags=re.MULTILINE).replace("{{ PYTHON }}", "python")
    return yaml.safe_load(text.replace("{{ setup.group(1) }}", __version__))


def lines(text):
    return [line for line in text.splitlines() if line and not line.startswith("%")]


def test_conda_recipe_asks_for_what_setup_cfg_asks_for(setup, recipe):
    required = lines(setup["options"]["install_requires"])
    names = [re.sub(r"^[\w-]+", lambda name: CONDA.get(name[0], name[0]), line) for line in required]
    assert recipe["requirements"]["run"] == [f"python {setup['options']['python_requires']}", *names]
    assert set(recipe["requirements"]["run_constrained"]) == set(lines(setup["options.extras_require"]["onnx"]))
    assert recipe["build"]["entry_points"] == lines(setup["options.entry_points"]["console_scripts"])
    assert recipe["about"]["license"] == setup["metadata"]["license"]
    assert recipe["about"]["summary"] == setup["metadata"]["description"]
    build = re.search(r"setuptools>=(\d+)", (ROOT / "pyproject.toml").read_text(encoding="utf-8"))[1]
    assert f"setuptools >={build}" in recipe["requirements"]["host"]


def test_citation_and_archive_metadata_agree(setup):
    citation = yaml.safe_load((ROOT / "CITATION.cff").read_text(encoding="utf-8"))
    archive = json.loads((ROOT / ".zenodo.json").read_text(encoding="utf-8"))
    assert citation["version"] == __version__
    assert citation["title"] == archive["title"]
    assert citation["keywords"] == archive["keywords"]
    assert [author["name"] for author in citation["authors"]] == [each["name"] for each in archive["creators"]]
    assert citation["license"] == archive["license"] == setup["metadata"]["license"]


def test_releases_of_scikit_learn_that_are_tested_begin_with_the_oldest_allowed(setup):
    text = (ROOT / "noxfile.py").read_text(encoding="utf-8")
    tested = re.findall(r'"(1\.\d+)": \("(3\.\d+)"', text)
    (oldest,) = re.findall(r"scikit-learn >=([\d.]+)", setup["options"]["install_requires"])
    assert tested[0][0] == oldest
    workflow = ROOT / ".github" / "workflows" / "nightly.yml"
    if not workflow.exists():
        pytest.skip("the workflows are not in the sdist")
    included = yaml.safe_load(workflow.read_text(encoding="utf-8"))["jobs"]["matrix"]["strategy"]["matrix"]["include"]
    assert [(each["sklearn"], each["python"]) for each in included] == tested
