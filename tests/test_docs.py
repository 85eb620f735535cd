"""What can be checked of the documentation without building it."""

import ast
import importlib
import inspect
import math
import re
import sys
from pathlib import Path
from types import ModuleType

import pytest

import skdistmass

ROOT = Path(__file__).resolve().parents[1]
DOCS = ROOT / "docs"
GALLERY = sorted((ROOT / "examples" / "gallery").glob("plot_*.py"))
ROOT_PAGES = ("CHANGELOG.md", "CODE_OF_CONDUCT.md", "CONTRIBUTING.md", "README.md", "SECURITY.md")
#: Pages that the build makes of files at the root.
MADE = {"changelog.md", "code_of_conduct.md", "contributing.md", "security.md"}
PAGES = sorted(path for path in [*DOCS.glob("*.md"), *(DOCS / "guide").glob("*.md")] if path.name not in MADE)


@pytest.fixture(scope="module")
def make_api():
    sys.path.insert(0, str(DOCS))
    try:
        yield importlib.import_module("make_api")
    finally:
        sys.path.remove(str(DOCS))


@pytest.fixture(scope="module")
def pages(make_api):
    return make_api.api_pages()


def packages():
    """Names of the packages, from the folders."""
    for path in sorted((ROOT / "skdistmass").rglob("__init__.py")):
        yield ".".join(path.parent.relative_to(ROOT).parts)


def test_every_layout_is_in_the_table():
    named = set(re.findall(r"`([a-z0-9-]+)`", (DOCS / "layouts.md").read_text(encoding="utf-8")))
    layouts = {path.stem for path in (ROOT / "skdistmass" / "surveys" / "layouts").glob("*.toml")}
    # Files that hold no labels are named by what they are.
    assert layouts - named <= {"sdss5-source", "sdss5-source-list", "kic-2mass"}


def test_every_public_name_is_in_the_reference(pages):
    n_names = 0
    for package in packages():
        module = importlib.import_module(package)
        if package == "skdistmass.cli" or not hasattr(module, "__all__"):
            continue
        assert f"   {package}\n" in pages["index"], package
        for name in set(module.__all__) - {"__version__"}:
            value = getattr(module, name)
            if isinstance(value, ModuleType):
                assert value.__name__ in pages
                continue
            line = rf"^(   |\.\. py:data:: )(~[\w.]+\.)?{name}$"
            assert re.search(line, pages[package], re.MULTILINE), f"{package}.{name}"
            n_names += 1
    assert n_names > 150


def described_defaults(value):
    """Yield names of parameters, what a docstring says is their default, and what it is."""
    parameters, known = inspect.signature(value).parameters, vars(sys.modules[value.__module__]) | {"inf": math.inf}
    for names, said in re.findall(r"^ *([\w, ]+) : .*?default=(.+)$", value.__doc__ or "", re.MULTILINE):
        names, said = names.split(", "), known[said] if said in known else ast.literal_eval(said)
        each = said if isinstance(said, tuple) and len(said) == len(names) > 1 else [said] * len(names)
        for name, one in zip(names, each, strict=True):
            yield name, pytest.approx(one, rel=1e-4) if isinstance(one, float) else one, parameters[name].default


def test_defaults_are_those_of_the_docstrings():
    n_defaults = 0
    for path in sorted((ROOT / "skdistmass").rglob("*.py")):
        name = ".".join(path.relative_to(ROOT).with_suffix("").parts).removesuffix(".__init__")
        if name.startswith("skdistmass.distributed"):  # its libraries need long to be imported
            continue
        module = importlib.import_module(name)
        own = [value for value in vars(module).values() if getattr(value, "__module__", "") == name]
        kinds = [value for value in own if isinstance(value, type)]
        functions = [*own, *(value for kind in kinds for value in vars(kind).values())]
        for value in [*(k for k in kinds if "__init__" in vars(k)), *filter(inspect.isfunction, functions)]:
            for parameter, said, default in described_defaults(value):
                assert default == said, f"{name}.{value.__qualname__}: {parameter}"
                n_defaults += 1
    assert n_defaults > 190


def test_every_name_is_described_once(pages):
    described = []
    for module, page in pages.items():
        for listing in re.findall(r":toctree: generated\n   :nosignatures:\n\n((?:   \w+\n)+)", page):
            described += [getattr(importlib.import_module(module), name) for name in listing.split()]
    assert len({id(value) for value in described}) == len(described)
    assert skdistmass.DistMassModel in described


def test_classes_and_functions_that_are_described_have_docstrings(pages, make_api):
    for module in make_api.public_modules():
        for name in make_api.public_names(module):
            value = getattr(importlib.import_module(module), name)
            if callable(value):
                assert value.__doc__, f"{module}.{name}"


def links(text):
    """Targets of links in Markdown, without blocks of code."""
    text = re.sub(r"^```.*?^```", "", text, flags=re.MULTILINE | re.DOTALL)
    return re.findall(r"\]\(([^)\s]+)\)", text)


def anchors(path):
    """Anchors of the headings of a page, as GitHub and MyST make them."""
    headings = re.findall(r"^#{1,3} (.+)$", path.read_text(encoding="utf-8"), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}


@pytest.mark.parametrize("path", [*PAGES, *(ROOT / name for name in ROOT_PAGES)], ids=lambda path: path.stem)
def test_links_lead_to_pages_and_headings(path):
    for link in links(path.read_text(encoding="utf-8")):
        if link.startswith(("http://", "https://", "mailto:")):
            continue
        name, _, anchor = link.partition("#")
        target = (path.parent / name) if name else path
        if target.resolve().parent in (DOCS / "gallery", DOCS / "api"):
            made = {f"{script.stem}.rst" for script in GALLERY} | {"index.rst"}
            assert target.name in made, link
            continue
        assert target.exists() or target.name in MADE, link
        if anchor and target.suffix == ".md" and target.exists():
            assert anchor in anchors(target), link


def test_every_page_is_in_a_table_of_contents():
    listed = set()
    for path in [*PAGES, DOCS / "conf.py"]:
        text = path.read_text(encoding="utf-8").replace("\\n", "\n")
        for block in re.findall(r"```\{toctree\}\n(.*?)```", text, re.DOTALL):
            for line in block.splitlines():
                entry = line.partition("<")[2].rstrip(">") or line
                folder = DOCS if entry.startswith("/") else path.parent
                listed |= {found.resolve() for found in folder.glob(entry.lstrip("/") + ".md") if entry}
    expected = {path.resolve() for path in PAGES if path != DOCS / "index.md"}
    assert expected <= listed


def test_options_of_the_commands_in_the_guide_exist():
    from skdistmass.cli import main

    for path in PAGES:
        for command, rest in re.findall(r"^skdistmass ([a-z]+)(.*)$", path.read_text(encoding="utf-8"), re.MULTILINE):
            known = {option for part in main.commands[command].params for option in part.opts}
            assert set(re.findall(r"(?<!\S)--?[a-z][a-z-]*", rest.partition("|")[0].partition("#")[0])) <= known, rest


def test_gallery_is_large_enough():
    assert len(GALLERY) >= 12


@pytest.mark.parametrize("path", GALLERY, ids=lambda path: path.stem)
def test_a_script_of_the_gallery_has_a_title_and_one_figure(path):
    text = path.read_text(encoding="utf-8")
    tree = ast.parse(text)
    title, line, blank, *_ = ast.get_docstring(tree).splitlines()
    assert line == "=" * len(title)
    assert blank == ""
    assert len(re.findall(r"plt\.subplots\(|plt\.figure\(", text)) == 1
    assert text.count("plt.show()") == 1
    assert "data_dir" not in text, "the gallery runs without real tables"
    for node in ast.walk(tree):
        if isinstance(node, ast.ImportFrom) and node.module.startswith("skdistmass"):
            module = importlib.import_module(node.module)
            assert all(hasattr(module, name.name) for name in node.names), ast.unparse(node)
