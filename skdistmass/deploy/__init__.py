"""A model in other tools: one ONNX graph, converters for skl2onnx, and a predictor that needs onnxruntime alone.

Importing this package makes the estimators of skdistmass known to skl2onnx, whenever that is imported itself. Neither
skl2onnx nor onnx nor scikit-learn is imported for it: `load` works without them.
"""

from importlib import import_module

from skdistmass.deploy.registration import register_with_skl2onnx

_PUBLIC = {
    "OnnxPredictor": "skdistmass.deploy.runtime",
    "export_model": "skdistmass.deploy.graph",
    "load": "skdistmass.deploy.runtime",
    "register_converters": "skdistmass.deploy.converters",
}

__all__ = [*_PUBLIC]


def __getattr__(name):
    if name in _PUBLIC:
        return getattr(import_module(_PUBLIC[name]), name)
    raise AttributeError(f"module 'skdistmass.deploy' has no attribute {name!r}")


register_with_skl2onnx()
