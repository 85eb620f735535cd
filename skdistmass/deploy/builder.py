"""Writing ONNX nodes one after the other, like expressions in NumPy."""

import numpy as np

__all__ = ["GraphBuilder", "onnx_type"]

_ONNX_TYPES = {"float32": 1, "int32": 6, "int64": 7, "bool": 9, "float64": 11}  # of onnx.TensorProto
_MOST_CHOICES = 64


def onnx_type(dtype):
    """Number of a numpy type in ONNX."""
    return _ONNX_TYPES[np.dtype(dtype).name]


class GraphBuilder:
    """Collects nodes and constants.

    All operators mean the same from opset 11 to the newest, except Split, which `vectors` and `parts` use: these are
    for graphs of opset 11 only. Sums are products with rows of ones, shapes are changed by `reshape`, limits are set
    by Min and Max. Stars run along the last axis, so that every label, neuron or mass scale is one contiguous row.

    Parameters
    ----------
    add_node : callable
        Called with the operator's type, input names, output names and attributes.
    add_constant : callable
        Called with a name and an array.
    unique_name : callable
        Turns a hint into a name that is not yet used.
    """

    def __init__(self, add_node, add_constant, unique_name):
        self._add_node = add_node
        self._add_constant = add_constant
        self._unique_name = unique_name
        self._constants = {}

    def const(self, values, dtype=np.float64):
        """Name of a constant; equal ones are stored once."""
        values = np.ascontiguousarray(np.asarray(values, dtype=dtype)).reshape(np.shape(values))
        key = (values.dtype.str, values.shape, values.tobytes())
        if key not in self._constants:
            self._constants[key] = self._unique_name("c")
            self._add_constant(self._constants[key], values)
        return self._constants[key]

    def op(self, kind, *inputs, output=None, **attributes):
        """Add a node and return the name of its output. Inputs that are not names are double constants."""
        names = [value if isinstance(value, str) else self.const(value) for value in inputs]
        output = output or self._unique_name(kind.lower())
        self._add_node(kind, names, [output], attributes)
        return output

    def cast(self, value, dtype):
        return self.op("Cast", value, to=onnx_type(dtype))

    def reshape(self, value, shape):
        return self.op("Reshape", value, self.const(shape, np.int64))

    def row(self, matrix, index):
        """One row of a matrix, as a vector."""
        return self.op("Gather", matrix, self.const(index, np.int64), axis=0)

    def rows(self, matrix, indices):
        """Some rows of a matrix, as a matrix."""
        return self.op("Gather", matrix, self.const(indices, np.int64), axis=0)

    def stack(self, matrices):
        """Matrices one under the other."""
        return matrices[0] if len(matrices) == 1 else self.op("Concat", *matrices, axis=0)

    def matrix(self, vectors):
        """Vectors as the rows of a matrix."""
        return self.reshape(self.stack(list(vectors)), [len(vectors), -1])

    def vectors(self, matrix, count):
        """All rows of a matrix of `count` rows, as vectors; of opset 11 only."""
        flat = self.reshape(matrix, [-1])
        return [flat] if count == 1 else self._split(flat, count)

    def parts(self, matrix, sizes):
        """A matrix cut into matrices of these numbers of rows, without those of none; of opset 11 only."""
        sizes = [size for size in sizes if size]
        return [matrix] if len(sizes) == 1 else self._split(matrix, len(sizes), split=sizes)

    def _split(self, value, count, **attributes):
        outputs = [self._unique_name("split") for _ in range(count)]
        self._add_node("Split", [value], outputs, {"axis": 0, **attributes})
        return outputs

    def clip(self, value, low, high):
        """Limit finite values; NaN stays clear of here, since runtimes differ about it."""
        return self.op("Min", self.op("Max", value, low), high)

    def sort(self, matrix, count, *, falling=False):
        """The numbers of each column of a matrix of `count` rows in order."""
        outputs = [self._unique_name("sorted"), self._unique_name("places")]
        inputs = [matrix, self.const([count], np.int64)]
        self._add_node("TopK", inputs, outputs, {"axis": 0, "largest": int(falling), "sorted": 1})
        return outputs[0]

    def all_of(self, *conditions):
        found = conditions[0]
        for condition in conditions[1:]:
            found = self.op("And", found, condition)
        return found

    def look_up(self, table, index, dtype):
        """Numbers of a constant table at the places of a vector.

        Small tables go by GatherElements: onnxruntime's Gather copies blocks of memory, which takes single numbers ten
        times longer. In onnx's reference evaluator GatherElements has no more than 64 numbers to choose from.
        """
        kind = "GatherElements" if len(table) <= _MOST_CHOICES else "Gather"
        return self.op(kind, self.const(table, dtype), index, axis=0)

    def nan_where_not(self, condition, dtype=np.float64):
        """0 where a condition holds, else NaN, to be added to something.

        As 0 / 1 and 0 / 0, which unlike Where takes the same short time whatever the condition.
        """
        return self.op("Div", self.const(0.0, dtype), self.cast(condition, dtype))

    def nan_unless(self, condition, value, dtype=np.float64):
        return self.op("Add", value, self.nan_where_not(condition, dtype))

    def code(self, condition, number):
        """A number where the condition holds, else 0; int32."""
        return self.op("Mul", self.cast(condition, np.int32), self.const(number, np.int32))

    def codes(self, conditions, n_rows=1):
        """Sum of the numbers, the keys of a dict, whose conditions of shape (n_rows, N) hold; int32."""
        rows = self.reshape(self.stack(list(conditions.values())), [len(conditions), -1])
        total = self.op("MatMul", self.const([[*map(int, conditions)]], np.float32), self.cast(rows, np.float32))
        return self.reshape(self.cast(total, np.int32), [n_rows, -1])
