"""Speed and parity of the whole graph, beside its networks alone, scikit-learn and the speed of the memory.

    python benchmarks/onnx_speed.py [--stars 733901] [--threads 2] [--model MODEL.model] [--neurons 10 10] [--parts]

Train a model with the default networks and the seven mass scales of a mock survey, unless a model is given, and predict
for other mock stars. The networks alone are a graph of the mass networks, fused into one block; "whole graph" is all
outputs, and "distilled" the same of `skdistmass.deploy.distilled`. The stars pass in pieces of 2,048, as many
at a time as there are threads, which is what the predictor does; its line includes reading the table. For comparison
the graphs also run piece by piece with onnxruntime's own threads. The shortest of a few times counts, and the load of
the machine is printed, because others may use it.

The last lines are the largest differences from `DistMassModel.predict`.

With --parts, print only what the parts of the graph cost, in units of a bare 5 -> 56 -> 7 block: CPU time of one
thread, as the graph is cut down to more and more of its outputs, of the model and of its distilled copy. The parts take
turns, so that other work on the machine slows all of them.
"""

import argparse
import os
import tempfile
import time
import warnings
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path

import numpy as np
import onnxruntime
from astropy.table import Table
from onnx import helper, numpy_helper

from skdistmass import DistMassModel, load_model
from skdistmass.datasets import make_survey
from skdistmass.deploy import distilled, export_model, load
from skdistmass.deploy.builder import GraphBuilder, onnx_type
from skdistmass.deploy.format import IR_VERSION, OPSET
from skdistmass.deploy.graph import graph_inputs, model_graph
from skdistmass.deploy.networks import FusedNetworks, Network
from skdistmass.deploy.parts import needed_nodes
from skdistmass.labels import LABEL_NAMES

PIECE = 2048
FUSED, WHOLE, SMALL = "mass networks, fused", "whole graph", "whole graph, distilled"
BARE, OWN_THREADS = "5 -> 56 -> 7 block", " (onnxruntime's threads)"
_ERRORS = ("_ERR", "_LO", "_HI", "_LO95", "_HI95")
# What is added to the graph, step by step: which outputs it is cut down to, by their names.
PARTS = {
    "networks: masses and absolute magnitude": lambda n: (
        n.startswith(("ABS", "MASS")) and not n.endswith(("_SPACE", *_ERRORS))
    ),
    "and errors, intervals, distances": lambda n: n.startswith(("ABS", "DIST", "MASS")) and not n.endswith("_SPACE"),
    "and training spaces, bits": lambda n: not n.startswith("AGE"),
    "and ages with intervals": lambda n: not (n.startswith("AGE") and n.endswith(("_ERR", "_FLAG"))),
    "and errors and flags of ages: all": lambda n: True,
}
SURVEY_NAMES = {"MAG": "K", "EXTINCTION": "A_K"}


def networks_alone(networks, dtype, fused=True):
    """Graph of some networks: scaled labels with a row of ones in, masses out; one block, or one subgraph each."""
    nodes, constants, count = [], [], iter(range(10**9))
    builder = GraphBuilder(
        lambda kind, inputs, outputs, attributes: nodes.append(helper.make_node(kind, inputs, outputs, **attributes)),
        lambda name, values: constants.append(numpy_helper.from_array(values, name)),
        lambda hint: f"{hint}{next(count)}",
    )
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


def small_networks():
    """Seven networks of eight neurons each, as in the paper, side by side a 5 -> 56 -> 7 block."""
    rng = np.random.default_rng(0)
    n = len(LABEL_NAMES)
    return [
        Network(
            np.zeros(n), np.ones(n), [rng.normal(size=(n, 8)), rng.normal(size=(8, 1))], [np.zeros(8), [0.0]], "tanh"
        )
        for _ in range(7)
    ]


def session_of(proto, threads=1):
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = threads
    return onnxruntime.InferenceSession(proto.SerializeToString(), options, providers=["CPUExecutionProvider"])


def best_times(functions, repeats):
    """Shortest of a few wall times of each function, in ms; they take turns, so that all see the same machine."""
    times = dict.fromkeys(functions, np.inf)
    for _ in range(repeats):
        for title, function in functions.items():
            start = time.perf_counter()
            function()
            times[title] = min(times[title], 1e3 * (time.perf_counter() - start))
    return times


def run_in_pieces(session, feeds, threads=1):
    """All outputs of all stars, piece by piece, `threads` of them at a time; a list of the pieces' outputs."""
    n_stars = next(iter(feeds.values())).shape[-1]

    def run(start):
        rows = slice(start, start + PIECE)
        return session.run(None, {name: np.ascontiguousarray(values[..., rows]) for name, values in feeds.items()})

    with ThreadPoolExecutor(threads) as pool:
        return list(pool.map(run, range(0, n_stars, PIECE)))


def inputs_of(stars, dtype):
    columns = {name: stars[SURVEY_NAMES.get(name, name)] for name in graph_inputs(False)}
    return {n: np.ma.filled(np.ma.asarray(c).astype(np.float64), np.nan).astype(dtype) for n, c in columns.items()}


def print_parity(model, stars):
    print(f"\nlargest differences from Python over {len(stars):,} mock stars:")
    for dtype in ("float64", "float32"):
        inputs = inputs_of(stars, dtype)
        session = session_of(model_graph(model, dtype=dtype))
        outputs = map(np.concatenate, zip(*run_in_pieces(session, inputs), strict=True))
        found = dict(zip((o.name for o in session.get_outputs()), outputs, strict=True))
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


def cut_down(proto, wanted):
    """Return a graph of some of a graph's outputs."""
    outputs = [output for output in proto.graph.output if wanted(output.name)]
    nodes, constants = needed_nodes(
        list(proto.graph.node), list(proto.graph.initializer), {output.name for output in outputs}
    )
    used = {name for node in nodes for name in node.input}
    inputs = [value for value in proto.graph.input if value.name in used]
    graph = helper.make_graph(nodes, "part", inputs, outputs, constants)
    return helper.make_model(graph, opset_imports=proto.opset_import, ir_version=proto.ir_version)


def print_parts(models, stars, repeats):
    """Print CPU times of graphs of more and more outputs, in units of that of a bare block."""
    print(f"CPU time in units of a bare block, one thread; load {os.getloadavg()[0]:.1f}")
    print(f"{'':44s}" + "".join(f" {name + ', ' + dtype:>20s}" for dtype in ("float64", "float32") for name in models))
    columns = [
        part_times(model, stars, dtype, repeats) for dtype in ("float64", "float32") for model in models.values()
    ]
    for title in PARTS:
        print(f"{title:44s}" + "".join(f" {times[title] / times[BARE]:20.1f}" for times in columns))
    print(
        "a bare block, us a star" + " " * 21 + "".join(f" {1e6 * times[BARE] / len(stars):20.3f}" for times in columns)
    )


def part_times(model, stars, dtype, repeats):
    """Shortest CPU times of the parts of a model's graph, in s."""
    table, whole = inputs_of(stars, dtype), model_graph(model, dtype=dtype)
    graphs = {title: cut_down(whole, wanted) for title, wanted in PARTS.items()}
    graphs[BARE] = networks_alone(small_networks(), dtype)
    inputs = table | {"X": np.random.default_rng(0).normal(size=(1 + len(LABEL_NAMES), len(stars))).astype(dtype)}
    sessions = {title: session_of(proto) for title, proto in graphs.items()}
    times = dict.fromkeys(graphs, np.inf)
    for _ in range(repeats):
        for title, session in sessions.items():
            feeds = {value.name: inputs[value.name] for value in session.get_inputs()}
            start = time.process_time()
            run_in_pieces(session, feeds)
            times[title] = min(times[title], time.process_time() - start)
    return times


def graph_times(model, small, stars, pick, dtype, threads, repeats):
    """Wall times of everything that runs in one type, in ms."""
    labels = np.column_stack([inputs_of(stars, np.float64)[name] for name in LABEL_NAMES])[pick]
    complete = np.where(np.isfinite(labels) & (labels > -999), labels, np.nanmedian(labels, axis=0))
    pipelines = [network.pipeline_ for network in model.masses_.values()]
    networks = [Network.from_pipeline(pipeline) for pipeline in pipelines]
    X = np.vstack([np.ones(len(complete)), pipelines[0]["scaler"].transform(complete).T]).astype(dtype)
    table = {name: column[pick] for name, column in inputs_of(stars, dtype).items()}
    graphs = {
        BARE: (networks_alone(small_networks(), dtype), {"X": X}),
        "mass networks, one by one": (networks_alone(networks, dtype, fused=False), {"X": X}),
        FUSED: (networks_alone(networks, dtype), {"X": X}),
        WHOLE: (model_graph(model, dtype=dtype), table),
        SMALL: (model_graph(small, dtype=dtype), table),
    }
    with tempfile.TemporaryDirectory() as folder:
        export_model(model, Path(folder) / "model.onnx", dtype=dtype)
        predictor = load(Path(folder) / "model.onnx", threads=threads)
    functions = {"predictor, table to catalogue": partial(predictor.predict, table)}
    for title, (proto, feeds) in graphs.items():
        functions[title] = partial(run_in_pieces, session_of(proto), feeds, threads)
        if title in (FUSED, WHOLE):
            functions[title + OWN_THREADS] = partial(run_in_pieces, session_of(proto, threads), feeds)
    masses, catalog = np.empty((len(networks), len(pick)), dtype), predictor.predict(table)
    # What any program must do: read what comes in, and write what goes out.
    functions["memory: labels in, masses out"] = partial(np.copyto, masses, X[:1])
    functions["memory: all columns out"] = lambda: [column.copy() for column in catalog.values()]
    times = best_times(functions, repeats)
    sklearn = {"scikit-learn, mass networks": lambda: [pipeline.predict(complete) for pipeline in pipelines]}
    return times | (best_times(sklearn, 1) if dtype == "float64" else {})


def print_times(times):
    print(f"{'':44s}  float64    float32")
    for title in times["float64"]:
        found = [times[dtype].get(title) for dtype in ("float64", "float32")]
        print(f"{title:44s}" + "".join("      -   " if t is None else f" {t:6.0f} ms " for t in found))
    for title, above, below in (
        ("whole graph / fused networks", WHOLE, FUSED),
        ("the same with onnxruntime's threads", WHOLE + OWN_THREADS, FUSED + OWN_THREADS),
        ("whole graph / 5 -> 56 -> 7 block", WHOLE, BARE),
        ("distilled / 5 -> 56 -> 7 block", SMALL, BARE),
    ):
        print(
            f"{title:44s}" + "".join(f" {times[d][above] / times[d][below]:6.1f}    " for d in ("float64", "float32"))
        )


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--stars", type=int, default=733_901)
    parser.add_argument("--parity-stars", type=int, default=100_000)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--repeats", type=int, default=5)
    parser.add_argument("--model", help="a saved DistMassModel")
    parser.add_argument("--neurons", type=int, nargs="+", default=[10, 10], help="layers of the distilled networks")
    parser.add_argument("--parts", action="store_true", help="only compare the parts of the graph")
    arguments = parser.parse_args()
    warnings.simplefilter("ignore")
    model = load_model(arguments.model) if arguments.model else DistMassModel(random_state=0).fit(make_survey(5000))
    small = distilled(model, hidden_layer_sizes=tuple(arguments.neurons))
    if arguments.parts:
        print_parts({"whole": model, "distilled": small}, make_survey(16 * PIECE, random_state=1), arguments.repeats)
        return
    stars = make_survey(arguments.parity_stars, random_state=1)
    network = next(iter(model.masses_.values())).pipeline_["network"]
    print(f"{len(model.masses_)} mass networks of {network.hidden_layer_sizes}, ", end="")
    print(f"{network.activation}; {arguments.stars:,} stars; {arguments.threads} threads")
    print(f"load of the machine {os.getloadavg()[0]:.1f} before", end="", flush=True)
    pick = np.resize(np.arange(len(stars)), arguments.stars)
    times = {
        d: graph_times(model, small, stars, pick, d, arguments.threads, arguments.repeats)
        for d in ("float64", "float32")
    }
    print(f", {os.getloadavg()[0]:.1f} after\n")
    print_times(times)
    print_parity(model, stars)


if __name__ == "__main__":
    main()
