"""The pages of the API reference, made from the public names of the packages."""

import importlib
import inspect
import pkgutil
from pathlib import Path
from types import ModuleType

import skdistmass

__all__ = ["api_pages", "public_modules", "public_names", "write_api"]

#: Modules of packages whose names are not in the package itself, because importing it must stay light.
_MODULES = (
    "skdistmass.deploy.pretrained",
    "skdistmass.estimators.abs_mag",
    "skdistmass.estimators.ages",
    "skdistmass.estimators.binaries",
    "skdistmass.estimators.cn_mass",
    "skdistmass.estimators.distributions",
    "skdistmass.estimators.evolution",
    "skdistmass.estimators.label_regressor",
    "skdistmass.estimators.stellar_baseline",
    "skdistmass.estimators.training_space",
    "skdistmass.exceptions",
    "skdistmass.isochrones.giant_ages.relation",
    "skdistmass.labels",
    "skdistmass.model.population",
    "skdistmass.networks.levenberg_marquardt",
    "skdistmass.networks.merging",
    "skdistmass.photometry",
    "skdistmass.schema.bits",
    "skdistmass.schema.columns",
    "skdistmass.schema.limits",
    "skdistmass.surveys.training_sets",
)


def public_modules():
    """Return the names of the modules with a page: every package with ``__all__``, and `_MODULES`."""
    found = ["skdistmass"]
    for info in pkgutil.walk_packages(skdistmass.__path__, "skdistmass."):
        # The command line has a page by itself.
        if info.ispkg and info.name != "skdistmass.cli" and hasattr(importlib.import_module(info.name), "__all__"):
            found.append(info.name)
    return ["skdistmass", *sorted({*found[1:], *_MODULES})]


def public_names(module):
    """Return the public names of a module: ``__all__``, or what it defines without an underscore."""
    found = importlib.import_module(module)
    if hasattr(found, "__all__"):
        return [name for name in found.__all__ if name != "__version__"]
    own = {
        name: value
        for name, value in vars(found).items()
        if not name.startswith("_") and not isinstance(value, ModuleType)
    }
    return [name for name, value in own.items() if getattr(value, "__module__", module) == module]


def api_pages():
    """Return the pages in reStructuredText, by name of the module, and ``index``.

    Every name is described once, under the shortest path by which it can be imported; elsewhere it is a link.
    """
    homes, pages = {}, {}
    for module in sorted(public_modules(), key=lambda name: (name.count("."), name)):
        pages[module] = _page(module, homes)
    entries = "\n".join(f"   {module}" for module in sorted(pages))
    return pages | {"index": _INDEX.format(list="\n".join(map(_entry, sorted(pages))), entries=entries)}


def _entry(module):
    """Return a line of the list of modules: name, and what its docstring says first."""
    about = importlib.import_module(module).__doc__.split("\n\n")[0]
    return f"* :doc:`{module}`: {' '.join(about.split())}"


_INDEX = """\
API reference
=============

Every public name, by the package it is imported from. Most users need no more than :doc:`skdistmass`.

{list}

.. toctree::
   :hidden:

{entries}
"""


def _page(module, homes):
    """Return the page of a module; `homes` remembers which objects have been described."""
    found = importlib.import_module(module)
    new, known, constants = [], [], []
    for name in public_names(module):
        value = getattr(found, name)
        if isinstance(value, ModuleType):
            continue
        if not (inspect.isclass(value) or inspect.isroutine(value)):
            constants.append((name, value))
        elif id(value) in homes:
            known.append(homes[id(value)])
        else:
            homes[id(value)] = f"{module}.{name}"
            new.append(name)
    parts = [module, "=" * len(module), "", f".. automodule:: {module}", "   :no-members:", ""]
    parts += [f".. currentmodule:: {module}", ""]
    if new:
        parts += [".. autosummary::", "   :toctree: generated", "   :nosignatures:", "", *(f"   {n}" for n in new), ""]
    if known:
        parts += ["Described elsewhere, and here as well:", "", ".. autosummary::", "   :nosignatures:", ""]
        parts += [*(f"   ~{name}" for name in known), ""]
    if constants:
        parts += ["Constants", "---------", ""]
        for name, value in constants:
            parts += [f".. py:data:: {name}", f"   :value: {_shown(value)}", ""]
    return "\n".join(parts)


def _shown(value):
    """Return the value of a constant on one line that is not too long."""
    text = " ".join(repr(value).split())
    return text if len(text) < 200 else text[:197] + "..."


def write_api(folder):
    """Write the pages into a folder; those that have not changed are left alone, so that a second build is quick."""
    folder = Path(folder)
    folder.mkdir(exist_ok=True)
    for name, text in api_pages().items():
        path = folder / f"{name}.rst"
        if not path.exists() or path.read_text(encoding="utf-8") != text:
            path.write_text(text, encoding="utf-8")
