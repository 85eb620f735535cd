"""What is inside an ONNX file, read from its bytes: enough to refuse what no model of this package contains.

onnxruntime runs whatever a file holds, and the package onnx, which could list it, is not always installed. The file is
a message of protocol buffers: fields of a number and a value, in which a message may be a value.
"""

from collections.abc import Iterator
from typing import Any

from skdistmass.deploy.format import IR_VERSION, OPERATORS, OPSET

__all__ = ["unexpected_content"]

# Numbers of the fields in onnx.proto.
_IR_VERSION, _GRAPH, _OPSET_IMPORT, _TRAINING_INFO, _FUNCTIONS = 1, 7, 8, 20, 25
_NODE, _INITIALIZER, _SPARSE_INITIALIZER = 1, 5, 15
_OP_TYPE, _ATTRIBUTE, _DOMAIN = 4, 5, 7
_ATTRIBUTE_GRAPH, _ATTRIBUTE_GRAPHS = 6, 11
_EXTERNAL_DATA, _DATA_LOCATION = 13, 14
_OPSET_DOMAIN, _OPSET_VERSION = 1, 2


def _number(content: memoryview, at: int) -> tuple[int, int]:
    """Return a number of variable length, and the position after it."""
    value = shift = 0
    while True:
        byte = content[at]
        at += 1
        value |= (byte & 0x7F) << shift
        if byte < 0x80:
            return value, at
        shift += 7
        if shift > 63:
            raise ValueError("a number is too long")


def _fields(content: memoryview) -> Iterator[tuple[int, Any]]:
    """Yield number and value of each field of a message."""
    at = 0
    while at < len(content):
        tag, at = _number(content, at)
        kind = tag & 7
        if kind == 0:
            value, at = _number(content, at)
            yield tag >> 3, value
            continue
        if kind not in (1, 2, 5):
            raise ValueError("a field has an unknown type")
        length = {1: 8, 5: 4}.get(kind)
        if length is None:
            length, at = _number(content, at)
        if at + length > len(content):
            raise ValueError("a field is longer than the file")
        yield tag >> 3, content[at : at + length]
        at += length


def _text(value: int | memoryview) -> str:
    return bytes(value).decode("utf-8", "replace") if isinstance(value, memoryview) else str(value)


def unexpected_content(content: bytes) -> str | None:
    """Return what a file contains that no model of this package does, in words; None if there is nothing."""
    try:
        return next(_unexpected_in_model(memoryview(content)), None)
    except (ValueError, IndexError, TypeError):
        return "bytes that are no ONNX graph"


def _unexpected_in_model(content: memoryview) -> Iterator[str]:
    for field, value in _fields(content):
        if field == _IR_VERSION and value != IR_VERSION:
            yield f"the IR version {value}"
        elif field == _OPSET_IMPORT:
            opset = dict(_fields(value))
            domain = _text(opset.get(_OPSET_DOMAIN, memoryview(b"")))
            if domain or opset.get(_OPSET_VERSION) != OPSET:
                yield f"operators of {domain or 'the standard'} in version {opset.get(_OPSET_VERSION)}"
        elif field in (_TRAINING_INFO, _FUNCTIONS):
            yield "functions or training steps"
        elif field == _GRAPH:
            yield from _unexpected_in_graph(value)


def _unexpected_in_graph(content: memoryview) -> Iterator[str]:
    for field, value in _fields(content):
        if field == _NODE:
            yield from _unexpected_in_node(value)
        elif field == _INITIALIZER:
            yield from _unexpected_in_tensor(value)
        elif field == _SPARSE_INITIALIZER:
            yield "a sparse constant"


def _unexpected_in_node(content: memoryview) -> Iterator[str]:
    kind, domain = "", ""
    for field, value in _fields(content):
        if field == _OP_TYPE:
            kind = _text(value)
        elif field == _DOMAIN:
            domain = _text(value)
        elif field == _ATTRIBUTE and {_ATTRIBUTE_GRAPH, _ATTRIBUTE_GRAPHS} & {number for number, _ in _fields(value)}:
            yield "a graph within the graph"
    if domain or kind not in OPERATORS:
        yield f"the operator {domain + '.' if domain else ''}{kind}"


def _unexpected_in_tensor(content: memoryview) -> Iterator[str]:
    for field, value in _fields(content):
        if field == _EXTERNAL_DATA or (field == _DATA_LOCATION and value):
            yield "constants in another file"
