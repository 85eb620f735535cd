"""Converters for skl2onnx: what each estimator's ``predict`` or ``transform`` gives, as nodes of a graph.

`register_converters` makes them known to skl2onnx. Options are given as in
``to_onnx(model, X, options={"with_std": True})``, and for a step of a pipeline as
``options={id(step): {"with_std": True}}``:

``with_std`` (regressors)
    Whether the graph has a second output, half the width of the 68.27 % interval: ``predict(X, return_std=True)``.
``with_interval`` (regressors)
    Whether it has the interval's ends as a further output, of shape (n_stars, 2).
``with_flag`` (`IsochroneAgeTransformer`)
    Whether it has `IsochroneAgeTransformer.flag` as a second output; int64.
"""

import numpy as np

from skdistmass.deploy.ages import AgeGraph
from skdistmass.deploy.builder import GraphBuilder, onnx_type
from skdistmass.deploy.calibration import calibrated_labels
from skdistmass.deploy.errors import scatter_rows
from skdistmass.deploy.inputs import is_present
from skdistmass.deploy.networks import FusedNetworks, Network, common_scale, pipelines_of
from skdistmass.deploy.space import pair_products, space_answers, space_scores
from skdistmass.deploy.stellar import StellarGraph
from skdistmass.estimators.inputs import label_names_of
from skdistmass.estimators.stellar_network import StellarNetwork
from skdistmass.exceptions import InputError
from skdistmass.schema.bits import Space
from skdistmass.uncertainty import normal_coverage

__all__ = ["register_converters"]


def register_converters() -> None:
    """Make the estimators of skdistmass known to skl2onnx.

    Call it once before `skl2onnx.to_onnx`. skl2onnx has no entry points that could do it.

    Examples
    --------
    >>> import numpy as np
    >>> from skl2onnx import to_onnx
    >>> from skdistmass import IsochroneAgeTransformer
    >>> from skdistmass.deploy import register_converters
    >>> register_converters()
    >>> X = np.array([[1.0, 0.0], [2.0, -0.5]])
    >>> graph = to_onnx(IsochroneAgeTransformer().fit(X), X, target_opset=11)
    >>> [output.name for output in graph.graph.output]
    ['variable']
    """
    from skl2onnx import update_registered_converter
    from sklearn.frozen import FrozenEstimator

    from skdistmass import (
        AbsMagRegressor,
        BinaryResidualFilter,
        CNMassRegressor,
        IsochroneAgeTransformer,
        IsochroneDistanceRegressor,
        TrainingSpace,
    )
    from skdistmass.estimators.label_calibration import ConstraintCalibration, LabelCalibration
    from skdistmass.estimators.label_regressor import LabelRegressor

    for kind in (LabelRegressor, AbsMagRegressor, CNMassRegressor):
        update_registered_converter(
            kind,
            f"SkDistMass{kind.__name__}",
            _regressor_shapes,
            _convert_regressor,
            options={"with_std": [True, False], "with_interval": [True, False]},
            parser=_regressor_parser,
        )
    update_registered_converter(
        IsochroneAgeTransformer,
        "SkDistMassIsochroneAgeTransformer",
        _age_shapes,
        _convert_ages,
        options={"with_flag": [True, False]},
        parser=_age_parser,
    )
    update_registered_converter(
        TrainingSpace, "SkDistMassTrainingSpace", _space_shapes, _convert_space, parser=_space_parser
    )
    for kind in (LabelCalibration, ConstraintCalibration):
        update_registered_converter(
            kind, f"SkDistMass{kind.__name__}", _calibration_shapes, _convert_calibration, parser=_calibration_parser
        )
    # What keeps a fitted calibration from being fitted again in a pipeline.
    update_registered_converter(FrozenEstimator, "SkDistMassFrozenEstimator", _no_shapes, _no_nodes, parser=_thaw)
    # The filter works in training only: in a pipeline it hands its input on.
    update_registered_converter(
        BinaryResidualFilter, "SkDistMassBinaryResidualFilter", _no_shapes, _no_nodes, parser=_hand_on
    )
    update_registered_converter(
        IsochroneDistanceRegressor,
        "SkDistMassIsochroneDistanceRegressor",
        _no_shapes,
        _no_nodes,
        parser=_refuse_isochrones,
    )


def _hand_on(scope, model, inputs, custom_parsers=None):
    return inputs


def _thaw(scope, model, inputs, custom_parsers=None):
    from skl2onnx._parse import _parse_sklearn  # the public one makes the inner model's outputs those of the graph

    return _parse_sklearn(scope, model.estimator, inputs, custom_parsers=custom_parsers)


def _no_shapes(operator):
    """For estimators whose parser leaves no operator behind."""


def _no_nodes(scope, operator, container):
    """Likewise."""


def _refuse_isochrones(scope, model, inputs, custom_parsers=None):
    raise InputError(
        "IsochroneDistanceRegressor can't be converted to ONNX: its posterior runs over all models of a grid near the "
        "star, which standard operators can't do within bounded memory. Predict in Python, or train an AbsMagRegressor "
        "on its distances and convert that."
    )


def _builder(scope, container):
    """A `GraphBuilder` that writes into skl2onnx's container."""

    def add_node(kind, inputs, outputs, attributes):
        container.add_node(
            kind,
            inputs,
            outputs,
            name=scope.get_unique_operator_name(kind),
            op_version=container.target_opset_onnx,
            **attributes,
        )

    def add_constant(name, values):
        container.add_initializer(name, onnx_type(values.dtype), list(values.shape), values.ravel().tolist())

    return GraphBuilder(add_node, add_constant, scope.get_unique_variable_name)


def _input_rows(b, operator):
    """The input as one matrix of double with stars along the last axis, whether it comes as one or column by column."""
    columns = [b.cast(variable.onnx_name, np.float64) for variable in operator.inputs]
    matrix = columns[0] if len(columns) == 1 else b.op("Concat", *columns, axis=1)
    return b.op("Transpose", matrix, perm=[1, 0])


def _input_type(operator):
    """Type of tensor for real outputs: double if an input is, else float."""
    from skl2onnx.common.data_types import DoubleTensorType, FloatTensorType

    double = any(isinstance(variable.type, DoubleTensorType) for variable in operator.inputs)
    return DoubleTensorType if double else FloatTensorType


def _n_columns(operator):
    return sum(variable.type.shape[1] or 1 for variable in operator.inputs)


def _numpy_type(tensor_type):
    from skl2onnx.common.data_types import DoubleTensorType, Int64TensorType

    if isinstance(tensor_type, Int64TensorType):
        return np.int64
    return np.float64 if isinstance(tensor_type, DoubleTensorType) else np.float32


def _write(b, operator, number, value, n_columns=1):
    """Write rows of stars to an output of shape (n_stars, n_columns), in its type."""
    output = operator.outputs[number]
    dtype = _numpy_type(output.type)
    table = b.op("Transpose", b.reshape(value, [n_columns, -1]), perm=[1, 0])
    b.op("Cast", table, output=output.onnx_name, to=onnx_type(dtype))


def _clean(b, matrix, n_labels, filling):
    """Where labels are present, and the labels with a number in the other places."""
    present = b.reshape(is_present(b, b.reshape(matrix, [-1])), [n_labels, -1])
    return present, b.op("Where", present, matrix, np.asarray(filling, float)[:, None])


def _parse(outputs):
    """A parser that declares outputs: ``outputs(model, options)`` gives their names."""

    def parser(scope, model, inputs, custom_parsers=None):
        from skl2onnx import get_model_alias
        from skl2onnx.common.data_types import Int64TensorType

        operator = scope.declare_local_operator(get_model_alias(type(model)), model)
        operator.inputs.extend(inputs)
        real = _input_type(operator)
        for name, whole in outputs(model, scope.get_options(model, {}, fail=False) or {}):
            operator.outputs.append(scope.declare_local_variable(name, (Int64TensorType if whole else real)()))
        return operator.outputs

    return parser


def _regressor_outputs(model, options):
    names = [("variable", False)]
    names += [("std", False)] * bool(options.get("with_std"))
    names += [("interval", False)] * bool(options.get("with_interval"))
    if len(names) > 1 and model.errors_ is None:
        raise InputError("with_std and with_interval need a model with errors: train it with error_model='conformal'.")
    return names


_regressor_parser = _parse(_regressor_outputs)
_age_parser = _parse(lambda _, options: [("variable", False)] + [("flag", True)] * bool(options.get("with_flag")))
_space_parser = _parse(lambda *_: [("label", True), ("scores", False), ("answer", True)])

_calibration_parser = _parse(lambda *_: [("variable", False)])


def _shape_outputs(operator, widths):
    for output, width in zip(operator.outputs, widths, strict=True):
        output.type.shape = [operator.inputs[0].get_first_dimension(), width]


def _regressor_shapes(operator):
    _check_width(operator)
    widths = [2 if output.raw_name.startswith("interval") else 1 for output in operator.outputs]
    _shape_outputs(operator, widths)


def _check_width(operator):
    wanted, given = operator.raw_operator.n_features_in_, _n_columns(operator)
    if wanted != given:
        raise InputError(
            f"{type(operator.raw_operator).__name__} was trained on {wanted} columns, the input has {given}."
        )


def _convert_regressor(scope, operator, container):
    b, model = _builder(scope, container), operator.raw_operator
    n_labels = model.n_features_in_
    center, scale = common_scale(model)
    # Networks stay in the type of the input: a graph of float32 is for speed.
    dtype = _numpy_type(_input_type(operator)())
    present, labels = _clean(b, _input_rows(b, operator), n_labels, center)
    has = [b.row(present, i) for i in range(n_labels)]
    optional = getattr(model, "optional_labels", ())
    needed = [known for known, name in zip(has, label_names_of(model), strict=True) if name not in optional]
    scaled = b.op("Div", b.op("Sub", labels, center[:, None]), scale[:, None])
    one = b.op("Add", b.op("Mul", b.rows(scaled, [0]), 0.0), 1.0)
    with_ones = b.stack([one, scaled])
    networks = [Network.from_pipeline(pipeline) for pipeline in pipelines_of(model)]
    working = b.cast(with_ones, dtype)
    outputs = b.cast(FusedNetworks(b, networks, working, center, scale, dtype).outputs(), np.float64)
    logarithmic = model._link(np.array([np.e]))[0] != np.e
    extra, middle = None, outputs
    if isinstance(model.pipeline_, StellarNetwork):
        nodes = labels, with_ones, pair_products(b, with_ones, n_labels), b.all_of(*has)
        stellar = StellarGraph(b, model, *nodes, center, scale)
        middle, extra = b.reshape(stellar.value(outputs), [1, -1]), stellar.extra_variance()
    elif logarithmic and getattr(model, "loss", "squared") != "student":
        middle = b.op("Log", outputs)
    complete = b.all_of(*needed)
    values = b.op("Exp", middle) if logarithmic else middle
    _write(b, operator, 0, b.nan_unless(complete, values))
    if len(operator.outputs) == 1:
        return
    scatter = scatter_rows(b, [model.errors_], with_ones, center, scale)
    ends = []
    for side in (-0.5, 0.5):
        width = b.op("Mul", scatter, model.errors_.quantile(0.5 + side * normal_coverage(1.0)))
        if extra is not None:
            width = b.op("Mul", b.op("Sqrt", b.op("Add", b.op("Mul", width, width), extra)), np.sign(side))
        end = b.op("Add", middle, width)
        ends.append(b.nan_unless(complete, b.op("Exp", end) if logarithmic else end))
    for number, output in enumerate(operator.outputs[1:], 1):
        if output.raw_name.startswith("interval"):
            _write(b, operator, number, b.stack(ends), 2)
        else:
            _write(b, operator, number, b.op("Mul", b.op("Sub", ends[1], ends[0]), 0.5))


def _age_shapes(operator):
    _shape_outputs(operator, [1] * len(operator.outputs))


def _convert_ages(scope, operator, container):
    b, model = _builder(scope, container), operator.raw_operator
    matrix = _input_rows(b, operator)
    mass, feh = (b.row(matrix, column) for column in model.columns_)
    has_mass, has_feh = is_present(b, mass), is_present(b, feh)
    mass = b.op("Where", has_mass, mass, 1.0)
    ages = AgeGraph(b, model, b.op("Where", has_feh, feh, 0.0), has_feh)
    covered = ages.covered(mass, has_mass)
    _write(b, operator, 0, b.nan_unless(covered, ages.log_age(b.reshape(ages.ln_initial(mass), [1, -1]), 1)))
    if len(operator.outputs) > 1:
        of_star, of_mass = ages.bits(mass, has_mass)
        _write(b, operator, 1, b.codes(of_star | of_mass))


def _space_shapes(operator):
    _check_width(operator)
    _shape_outputs(operator, [1, 1, 1])


def _convert_space(scope, operator, container):
    b, model = _builder(scope, container), operator.raw_operator
    n_labels, density = model.n_features_in_, model.density_
    # Labels of a plain array have no ranges: they are cut as `LabelDensity` does.
    present, labels = _clean(b, _input_rows(b, operator), n_labels, density.location)
    complete = b.all_of(*(b.row(present, i) for i in range(n_labels)))
    scaled = b.op("Div", b.op("Sub", labels, density.location[:, None]), density.scale[:, None])
    scaled = b.clip(scaled, -1e6, 1e6)
    one = b.op("Add", b.op("Mul", b.rows(scaled, [0]), 0.0), 1.0)
    products = pair_products(b, b.stack([one, scaled]), n_labels)
    answer = space_answers(b, [model], products, density.location, density.scale, [complete])
    believed = b.cast(b.op("Less", answer, b.const(Space.OUTSIDE, np.int32)), np.int64)
    sign = b.op("Sub", b.op("Add", believed, believed), b.const(1, np.int64))
    score = space_scores(b, density, products, density.location, density.scale)
    _write(b, operator, 0, sign)
    _write(b, operator, 1, b.nan_unless(complete, b.op("Sub", score, model.offset_)))
    _write(b, operator, 2, answer)


def _calibration_shapes(operator):
    _check_width(operator)
    _shape_outputs(operator, [operator.raw_operator.n_features_in_])


def _convert_calibration(scope, operator, container):
    b, model = _builder(scope, container), operator.raw_operator
    filling = np.zeros(model.n_features_in_)
    filling[model.terms_.columns] = model.terms_.location
    present, labels = _clean(b, _input_rows(b, operator), model.n_features_in_, filling)
    _write(b, operator, 0, calibrated_labels(b, model, present, labels), model.n_features_in_)
