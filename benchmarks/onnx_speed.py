"""Speed and parity of the whole graph, beside its networks alone, scikit-learn and the speed of the memory.

    python benchmarks/onnx_speed.py [--stars 733901] [--threads 2] [--model MODEL.skops]

Trains a model with the default networks and the seven mass scales of a mock survey, unless given one, and predicts for
other mock stars. The networks alone are a graph of the mass networks, fused; "whole graph" is all outputs. The stars
pass in pieces of 8,192, as in the predictor. The last lines are the largest differences from `DistMassModel.predict`.
"""

import argparse
import time
import warnings

import numpy as np
import onnxruntime
from astropy.table import Table
from onnx import helper, numpy_helper

from skdistmass import DistMassModel, load_model
from skdistmass.datasets import make_survey
from skdistmass.deploy._builder import GraphBuilder, onnx_type
from skdistmass.deploy._networks import FusedNetworks, Network
from skdistmass.deploy.graph import IR_VERSION, OPSET, graph_inputs, model_graph
from skdistmass.labels import LABEL_NAMES

PIECE = 8192
SURVEY_NAMES = {"MAG": "K", "EXTINCTION": "A_K"}


def masses_alone(model, dtype, fused):
    """Graph of the mass networks: scaled labels with a row of ones in, masses out; one block, or one subgraph each."""
    nodes, constants, count = [], [], iter(range(10**9))
    builder = GraphBuilder(
        lambda kind, inputs, outputs, attributes: nodes.append(helper.make_node(kind, inputs, outputs, **attributes)),
        lambda name, values: constants.append(numpy_helper.from_array(values, name)),
        lambda hint: f"{hint}{next(count)}",
    )
    networks = [Network.from_pipeline(network.pipeline_) for network in model.masses_.values()]
    groups = [networks] if fused else [[network] for network in networks]
    first = networks[0]
    found = [FusedNetworks(builder, group, "X", first.mean, first.scale, dtype).outputs() for group in groups]
    builder.op("Identity", builder.stack(found), output="Y")
    number = onnx_type(dtype)
    graph = helper.make_graph(
        nodes,
        "masses",
        [helper.make_tensor_value_info("X", number, [1 + len(LABEL_NAMES), "N"])],
        [helper.make_tensor_value_info("Y", number, [len(networks), "N"])],
        constants,
    )
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", OPSET)], ir_version=IR_VERSION)


def session_of(proto, threads):
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = threads
    return onnxruntime.InferenceSession(proto.SerializeToString(), options, providers=["CPUExecutionProvider"])


def best_time(function, repeats=3):
    """Shortest of a few wall times, in seconds."""
    times = []
    for _ in range(repeats):
        start = time.perf_counter()
        function()
        times.append(time.perf_counter() - start)
    return min(times)


def run_in_pieces(session, feeds):
    """All outputs of all stars, piece by piece."""
    n_stars = next(iter(feeds.values())).shape[-1]
    parts = [
        session.run(None, {name: np.ascontiguousarray(values[..., i : i + PIECE]) for name, values in feeds.items()})
        for i in range(0, n_stars, PIECE)
    ]
    return [np.concatenate(part, axis=-1) for part in zip(*parts, strict=True)]


def inputs_of(stars, dtype):
    columns = {name: stars[SURVEY_NAMES.get(name, name)] for name in graph_inputs(False)}
    return {n: np.ma.filled(np.ma.asarray(c).astype(np.float64), np.nan).astype(dtype) for n, c in columns.items()}


def print_parity(model, stars):
    print(f"\nlargest differences from Python over {len(stars):,} mock stars:")
    for dtype in ("float64", "float32"):
        inputs = inputs_of(stars, dtype)
        session = session_of(model_graph(model, dtype=dtype), 1)
        found = dict(zip((o.name for o in session.get_outputs()), run_in_pieces(session, inputs), strict=True))
        table = Table({SURVEY_NAMES.get(n, n): np.asarray(v, dtype=np.float64) for n, v in inputs.items()})
        catalog = model.predict(table, out_of_fold=False)
        worst, flags, missing = {}, 0, 0
        for name, values in found.items():
            expected = np.asarray(catalog[name])
            if values.dtype.kind in "bi":
                flags += np.count_nonzero(values != expected)
                continue
            missing += np.count_nonzero(np.isnan(values) != np.isnan(expected))
            # A magnitude, or the senseless mass of a dwarf, passes through zero: there the scale is 1 mag or 0.1 Msun.
            floor = 1.0 if name == "ABS_MAG" else 0.1 if name.startswith("MASS") else 1e-30
            usable = np.isfinite(expected) & np.isfinite(values)
            error = np.abs(values - expected)[usable] / np.maximum(np.abs(expected[usable]), floor)
            worst[name] = error.max(initial=0.0)
        name = max(worst, key=worst.get)
        print(f"  {dtype}: relative {worst[name]:.1e} ({name}); flags that differ {flags}; NaN that differ {missing}")


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--stars", type=int, default=733_901)
    parser.add_argument("--parity-stars", type=int, default=100_000)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--model", help="a saved DistMassModel")
    arguments = parser.parse_args()
    warnings.simplefilter("ignore")
    model = load_model(arguments.model) if arguments.model else DistMassModel(random_state=0).fit(make_survey(5000))
    stars = make_survey(arguments.parity_stars, random_state=1)
    network = next(iter(model.masses_.values()))
    print(f"{len(model.masses_)} mass networks of {network.pipeline_['network'].hidden_layer_sizes}, ", end="")
    print(f"{network.activation}; {arguments.stars:,} stars; {arguments.threads} threads\n")
    pick = np.resize(np.arange(len(stars)), arguments.stars)
    labels = np.column_stack([inputs_of(stars, np.float64)[name] for name in LABEL_NAMES])[pick]
    complete = np.where(np.isfinite(labels) & (labels > -999), labels, np.nanmedian(labels, axis=0))
    scaler = network.pipeline_["scaler"]
    scaled = np.vstack([np.ones(len(complete)), scaler.transform(complete).T])
    print("                                      float64    float32")
    rows = {}
    for dtype in ("float64", "float32"):
        X = scaled.astype(dtype)
        whole = {name: column[pick] for name, column in inputs_of(stars, dtype).items()}
        for title, proto, feeds in (
            ("mass networks, one by one", masses_alone(model, dtype, False), {"X": X}),
            ("mass networks, fused", masses_alone(model, dtype, True), {"X": X}),
            ("whole graph", model_graph(model, dtype=dtype), whole),
        ):
            session = session_of(proto, arguments.threads)
            rows.setdefault(title, []).append(best_time(lambda s=session, f=feeds: run_in_pieces(s, f)))
        # What any program must do: read the labels, write the masses.
        out = np.empty((len(model.masses_), X.shape[1]), dtype)
        rows.setdefault("memory: labels in, masses out", []).append(
            best_time(lambda x=X, o=out: np.copyto(o, x[:1]), 5)
        )
        rows.setdefault("scikit-learn, mass networks", []).append(
            best_time(lambda c=complete: [n.pipeline_.predict(c) for n in model.masses_.values()], 1)
        )
    for title in ("memory: labels in, masses out", "mass networks, fused", "mass networks, one by one", "whole graph"):
        print(f"{title:34s} {1e3 * rows[title][0]:7.0f} ms {1e3 * rows[title][1]:7.0f} ms")
    print(f"{'scikit-learn, mass networks':34s} {1e3 * rows['scikit-learn, mass networks'][0]:7.0f} ms")
    ratios = [w / f for w, f in zip(rows["whole graph"], rows["mass networks, fused"], strict=True)]
    print(f"{'whole graph / fused networks':34s} {ratios[0]:7.1f}    {ratios[1]:7.1f}")
    print_parity(model, stars)


if __name__ == "__main__":
    main()
