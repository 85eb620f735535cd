"""Tells skl2onnx of this package's estimators, as soon as there is a skl2onnx to tell."""

import importlib.util
import sys
from importlib.abc import Loader, MetaPathFinder

__all__ = ["register_with_skl2onnx"]


def register_with_skl2onnx():
    """Register the converters now if skl2onnx is imported already, else right after it is."""
    if "skl2onnx" in sys.modules:
        _register()
    elif not any(isinstance(finder, _Skl2OnnxFinder) for finder in sys.meta_path):
        sys.meta_path.insert(0, _Skl2OnnxFinder())


def _register():
    from skdistmass.deploy.converters import register_converters

    register_converters()


class _Skl2OnnxFinder(MetaPathFinder):
    """Finds skl2onnx as usual, and has the converters registered when it is loaded. Serves once."""

    def find_spec(self, fullname, path, target=None):
        if fullname != "skl2onnx":
            return None
        sys.meta_path.remove(self)
        spec = importlib.util.find_spec(fullname)
        if spec is not None and spec.loader is not None:
            spec.loader = _RegisteringLoader(spec.loader)
        return spec


class _RegisteringLoader(Loader):
    """Loads a module by another loader, then registers the converters."""

    def __init__(self, loader):
        self._loader = loader

    def __getattr__(self, name):
        return getattr(self._loader, name)

    def create_module(self, spec):
        return self._loader.create_module(spec)

    def exec_module(self, module):
        # Importers look at the spec to find resources: it shall name the true loader.
        module.__spec__.loader = module.__loader__ = self._loader
        self._loader.exec_module(module)
        _register()
