"""The age relation as ONNX nodes, alone, against `IsochroneAgeTransformer`."""

import numpy as np
import onnxruntime
import pytest

from skdistmass.deploy.ages import AgeGraph
from skdistmass.deploy.builder import GraphBuilder, onnx_type
from skdistmass.estimators.ages import IsochroneAgeTransformer
from skdistmass.isochrones import GiantAgeRelation

onnx = pytest.importorskip("onnx")

_ENDS_MOVE = GiantAgeRelation.from_table(
    [0.8, 1.0, 2.0, 5.0],
    [-0.5, 0.0, 0.4],
    [[10.2, np.nan, np.nan], [9.9, 10.0, 10.1], [9.0, 9.1, 9.2], [8.0, 8.05, np.nan]],
)


def _run(ages, mass, error, feh, dtype):
    """Return log ages, their errors and flags that a graph of these nodes gives."""
    nodes, constants, count = [], [], [0]

    def unique(hint):
        count[0] += 1
        return f"{hint}_{count[0]}"

    b = GraphBuilder(
        lambda kind, inputs, outputs, attributes: nodes.append(
            onnx.helper.make_node(kind, inputs, outputs, **attributes)
        ),
        lambda name, values: constants.append(onnx.numpy_helper.from_array(values, name)),
        unique,
    )
    present = b.op("Not", b.op("IsNaN", "feh"))
    graph = AgeGraph(b, ages, b.op("Where", present, "feh", b.const(0.0, dtype)), present, dtype)
    column = b.reshape("mass", [1, -1])
    log_age, sigma = graph.log_age_and_error(graph.ln_initial(column), 1, "mass", "error")
    covered = graph.covered(column)
    outputs = {
        "age": b.nan_unless(covered, log_age, dtype),
        "sigma": b.nan_unless(b.reshape(covered, [-1]), sigma, dtype),
        "flag": graph.flag("mass", b.op("Not", b.op("IsNaN", "mass"))),
    }
    types = {"age": dtype, "sigma": dtype, "flag": np.int32}
    infos = [onnx.helper.make_tensor_value_info(n, onnx_type(types[k]), None) for k, n in outputs.items()]
    given = {"mass": mass.astype(dtype), "error": error.astype(dtype), "feh": feh.astype(dtype)}
    inputs = [onnx.helper.make_tensor_value_info(name, onnx_type(dtype), [None]) for name in given]
    model = onnx.helper.make_model(
        onnx.helper.make_graph(nodes, "ages", inputs, infos, constants),
        opset_imports=[onnx.helper.make_opsetid("", 15)],
        ir_version=8,
    )
    found = onnxruntime.InferenceSession(model.SerializeToString()).run(None, given)
    return [values.ravel() for values in found]


@pytest.mark.parametrize(("dtype", "close"), [(np.float64, 1e-9), (np.float32, 1e-5)])
@pytest.mark.parametrize(
    "ages",
    [
        IsochroneAgeTransformer(),
        IsochroneAgeTransformer(out_of_bounds="edge"),
        IsochroneAgeTransformer(mass_loss=0.05, mass_bounds=None, feh_bounds=None),
        IsochroneAgeTransformer(_ENDS_MOVE, mass_bounds=None, feh_bounds=None),
        IsochroneAgeTransformer(GiantAgeRelation.hurley()),
    ],
    ids=["default", "edge", "mass loss", "moving ends", "hurley"],
)
def test_graph_equals_the_transformer(ages, dtype, close):
    rng = np.random.default_rng(0)
    feh = rng.uniform(-0.6, 0.6, 4000).astype(dtype).astype(np.float64)
    mass = 10.0 ** rng.uniform(-0.2, 1.0, 4000).astype(dtype).astype(np.float64)
    mass = mass.astype(dtype).astype(np.float64)
    error = (mass * 10.0 ** rng.uniform(-7, 0, 4000)).astype(dtype).astype(np.float64)
    feh[:3] = [-0.5, 0.0, 0.5]
    mass[:3] = [1.0, 2.0, 8.0]
    age, sigma, flag = _run(ages, mass, error, feh, dtype)
    X = np.column_stack([mass, feh])
    known = ages.transform(X)[:, 0]
    # In single precision a mass within rounding of a bound may come out on the other side of it.
    agree = np.isnan(known) == np.isnan(age)
    assert agree.all() if dtype == np.float64 else agree.mean() > 0.998
    assert np.isfinite(known).mean() > 0.3
    np.testing.assert_allclose(age[agree], known[agree], rtol=close)
    np.testing.assert_allclose(sigma[agree], ages.log_age_err(X, error)[agree], rtol=10 * close, atol=0.02 * close)
    np.testing.assert_array_equal(flag[agree], ages.flag(X)[agree])
