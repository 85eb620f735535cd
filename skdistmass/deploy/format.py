"""How an ONNX file of this package is marked and what it may contain, for its writer and its reader."""

FORMAT_KEY = "skdistmass.format"
FORMAT_VERSION_KEY = "skdistmass.format_version"
CHECKSUM_KEY = "skdistmass.checksum"
CARD_KEY = "model_card"
#: Raised whenever an old reader would misread a new file, or a column changes its meaning.
FORMAT_VERSION = 3
#: What an older format means to its reader.
OLDER_FORMATS = {
    1: "its DISTANCE_ERR and AGE_ERR are not half the 68.27 % interval",
    2: "it has no 95.45 % intervals, and its AGE_HI is missing beyond the relation of mass and age",
}
#: What stands in the place of the checksum while it is computed.
NO_CHECKSUM = "sha256:" + 64 * "0"

#: The lowest opset that has all operators used (GatherElements came last), and the lowest IR version for it.
OPSET, IR_VERSION = 11, 6
# fmt: off
#: The operators of a model. None of them loops, branches into another graph, or makes a tensor of a stated size.
OPERATORS = frozenset(
    (
        "Add", "And", "Cast", "Concat", "Div", "Equal", "Exp", "Floor", "Gather", "GatherElements", "Greater",
        "Identity", "IsNaN", "Less", "Log", "MatMul", "Max", "Min", "Mul", "Not", "Or", "Relu", "Reshape",
        "Sigmoid", "Split", "Sqrt", "Sub", "Tanh", "TopK", "Transpose", "Where",
    )
)
# fmt: on
#: Size limit of a file (bytes); the files of this package have less than 1 MB.
LARGEST_FILE = 32 * 1024**2
