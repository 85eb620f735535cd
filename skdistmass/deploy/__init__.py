"""A model in other tools: one ONNX graph, converters for skl2onnx, and a predictor that needs onnxruntime alone.

Importing this package imports neither skl2onnx nor onnx nor scikit-learn. The converters are registered by a call of
`register_converters`.
"""

from importlib import import_module
from typing import Any

_PUBLIC = {
    "DEFAULT_MODEL": "skdistmass.deploy.pretrained",
    "OnnxPredictor": "skdistmass.deploy.runtime",
    "distilled": "skdistmass.deploy.distill",
    "export_model": "skdistmass.deploy.graph",
    "load": "skdistmass.deploy.runtime",
    "model_readme": "skdistmass.deploy.readme",
    "register_converters": "skdistmass.deploy.converters",
    "write_page": "skdistmass.deploy.page",
}

__all__ = [*_PUBLIC]


def __getattr__(name: str) -> Any:
    if name in _PUBLIC:
        return getattr(import_module(_PUBLIC[name]), name)
    raise AttributeError(f"module 'skdistmass.deploy' has no attribute {name!r}")
