"""A whole model as one ONNX graph: labels and photometry in, the catalogue's columns out."""

import os
from typing import Any

import numpy as np
from sklearn.utils.validation import check_is_fitted

from skdistmass.deploy.builder import GraphBuilder, onnx_type
from skdistmass.deploy.card import metadata_of, model_card, seal
from skdistmass.deploy.format import IR_VERSION, OPSET
from skdistmass.deploy.parts import OnePartGraph, needed_nodes
from skdistmass.deploy.quantiles import OnePartQuantileGraph, QuantileGraph
from skdistmass.deploy.whole_model import PHOTOMETRY, ModelGraph
from skdistmass.exceptions import InputError
from skdistmass.labels import LABEL_NAMES
from skdistmass.schema.columns import QUANTILES, SLOPES
from skdistmass.uncertainty import LEVELS
from skdistmass.writing import replaced

__all__ = ["export_model", "graph_inputs", "model_graph"]


def graph_inputs(input_errors: bool) -> tuple[str, ...]:
    """Names of a graph's inputs, in order."""
    errors = tuple(f"{name}_ERR" for name in (*LABEL_NAMES, *PHOTOMETRY)) if input_errors else ()
    return (*LABEL_NAMES, *PHOTOMETRY, *errors)


def export_model(
    model: Any,
    path: str | os.PathLike,
    *,
    dtype: str = "float64",
    input_errors: bool = False,
    quantiles: bool = False,
    card: dict | None = None,
) -> None:
    """Write a fitted model to one ONNX file.

    Parameters
    ----------
    model : DistMassModel
        Fitted.
    path : path-like
        The file is replaced as a whole, or not at all.
    dtype : {"float64", "float32"}, default="float64"
        Type of inputs, outputs and networks. ``"float64"`` agrees with Python to 1e-9; ``"float32"``, for browsers and
        graphics processors, to 1e-5. Where single precision would lose digits, the graph computes in double.
    input_errors : bool, default=False
        Whether the graph has inputs for the errors of labels, magnitude and extinction: TEFF_ERR ... N_FE_ERR, MAG_ERR
        and EXTINCTION_ERR, NaN where unknown. Without them, label noise is taken to be that of the training stars, and
        the errors of magnitude and extinction are those of the model's `TrainingCuts`.
    quantiles : bool, default=False
        Whether the graph has inputs for errors and, beside the columns of a catalogue, matrices of one row for each
        star: ``*_QUANTILES`` of ABS_MAG, DISTANCE, all masses and ages, at the levels that the model card states
        (`skdistmass.uncertainty.LEVELS`), and ``*_SLOPES``, the derivatives of ABS_MAG and the masses by the labels.
        Then `OnnxPredictor.sample` and `posterior` draw from it.
    card : dict, optional
        Entries to add to the model card, or to replace in it: ``name``, ``training_set``, ``licence``, ``references``,
        ``limits``, ``date`` (see `skdistmass.deploy.card.model_card`).

    Raises
    ------
    NotFittedError
        If the model is not fitted.
    InputError
        If `dtype` is another.
    DistMassError
        If the file can't be written.

    Notes
    -----
    Inputs and outputs are vectors of one length, N, which may be 0. Outputs have the names, units and meaning of
    `skdistmass.schema.columns`; they are what ``model.predict(table, out_of_fold=False)`` gives. The graph uses
    standard operators of opset 11 only. The same model and `card` always give the same bytes.

    Examples
    --------
    >>> from skdistmass import DistMassModel
    >>> from skdistmass.deploy import export_model
    >>> export_model(DistMassModel(), "model.onnx")
    Traceback (most recent call last):
      ...
    sklearn.exceptions.NotFittedError: This DistMassModel instance is not fitted yet...
    """
    import onnx

    check_is_fitted(model, "abs_mag_")
    proto = model_graph(model, dtype=dtype, input_errors=input_errors, quantiles=quantiles)
    levels = {"quantile_levels": LEVELS.tolist()} if quantiles else {}
    about = model_card(model, dtype, graph_inputs(input_errors or quantiles), levels | (card or {}))
    for key, value in metadata_of(about).items():
        proto.metadata_props.add(key=key, value=value)
    onnx.checker.check_model(proto, full_check=True)
    with replaced(path, "graph") as partial:
        partial.write_bytes(seal(proto.SerializeToString(deterministic=True)))


def model_graph(model: Any, *, dtype: str = "float64", input_errors: bool = False, quantiles: bool = False) -> Any:
    """Build the graph of a fitted model, without metadata; see `export_model`."""
    from onnx import helper, numpy_helper

    from skdistmass._version import __version__

    if dtype not in ("float64", "float32"):
        raise InputError(f'dtype must be "float64" or "float32", got {dtype!r}.')
    nodes: list[Any] = []
    constants: list[Any] = []
    names: dict[str, int] = {}

    def unique_name(hint):
        names[hint] = names.get(hint, 0) + 1
        return f"_{hint}_{names[hint]}"

    def add_node(kind, inputs, outputs, attributes):
        nodes.append(helper.make_node(kind, inputs, outputs, name=outputs[0], **attributes))

    def add_constant(name, values):
        constants.append(numpy_helper.from_array(values, name))

    builder = GraphBuilder(add_node, add_constant, unique_name)
    whole = model.abs_mag_ is not None and model.masses_
    kinds = (QuantileGraph, OnePartQuantileGraph) if quantiles else (ModelGraph, OnePartGraph)
    input_errors |= quantiles
    types = kinds[0 if whole else 1](builder, model, np.dtype(dtype), input_errors).build()
    nodes, constants = needed_nodes(nodes, constants, set(types))
    inputs = [helper.make_tensor_value_info(name, onnx_type(dtype), ["N"]) for name in graph_inputs(input_errors)]
    widths = {QUANTILES: [len(LEVELS)], SLOPES: [len(LABEL_NAMES)]}
    ends = {name: "_" + name.rpartition("_")[2] for name in types}
    shapes: dict[str, list[Any]] = {name: ["N", *widths.get(end, [])] for name, end in ends.items()}
    outputs = [helper.make_tensor_value_info(name, onnx_type(types[name]), shapes[name]) for name in types]
    graph = helper.make_graph(nodes, "skdistmass", inputs, outputs, constants)
    return helper.make_model(
        graph,
        opset_imports=[helper.make_opsetid("", OPSET)],
        ir_version=IR_VERSION,
        producer_name="skdistmass",
        producer_version=__version__,
    )
