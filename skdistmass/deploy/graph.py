"""A whole model as one ONNX graph: labels and photometry in, the catalogue's columns out."""

import os
from pathlib import Path

import numpy as np
from sklearn.utils.validation import check_is_fitted

from skdistmass.deploy.ages import SMALLEST_MASS, AgeGraph
from skdistmass.deploy.builder import GraphBuilder, onnx_type
from skdistmass.deploy.card import metadata_of, model_card, seal
from skdistmass.deploy.errors import scatter_rows
from skdistmass.deploy.inputs import is_present, labels_present
from skdistmass.deploy.networks import FusedNetworks, Network
from skdistmass.deploy.space import pair_products, space_answers, training_bits
from skdistmass.estimators.training_space import EDGE, OUTSIDE
from skdistmass.exceptions import DistMassError, InputError
from skdistmass.labels import LABEL_NAMES
from skdistmass.model.distmass import GIANT_LOGG, NOT_A_GIANT
from skdistmass.model.parts import KEY_FACTORS, MISSING_IN_KEY
from skdistmass.schema.columns import EXTRA_COLUMNS, TABLE_2, Bit, mass_columns
from skdistmass.surveys.training_sets import TrainingCuts
from skdistmass.uncertainty import normal_coverage

__all__ = ["IR_VERSION", "OPSET", "export_model", "graph_inputs", "model_graph"]

#: The lowest opset that has all operators used (GatherElements came last), and the lowest IR version for it.
OPSET, IR_VERSION = 11, 6
_LN_10 = np.log(10.0)
_PHOTOMETRY = ("MAG", "EXTINCTION")


def graph_inputs(input_errors):
    """Names of a graph's inputs, in order."""
    errors = tuple(f"{name}_ERR" for name in (*LABEL_NAMES, "MAG")) if input_errors else ()
    return (*LABEL_NAMES, *_PHOTOMETRY, *errors)


def export_model(model, path, *, dtype="float64", input_errors=False, card=None):
    """Write a fitted model to one ONNX file.

    Parameters
    ----------
    model : DistMassModel
        Fitted.
    path : path-like
        The file is replaced as a whole, or not at all.
    dtype : {"float64", "float32"}, default="float64"
        Type of inputs, outputs and networks. ``"float64"`` agrees with Python to 1e-9; ``"float32"``, for browsers and
        graphics processors, to 1e-5. What follows the networks is computed in double precision in either.
    input_errors : bool, default=False
        Whether the graph has inputs for the errors of labels and magnitude: TEFF_ERR ... N_FE_ERR and MAG_ERR, NaN
        where unknown. Without them, label noise is taken to be that of the training stars.
    card : dict, optional
        Entries of the model card that the model doesn't know itself, or to put in the place of its own: ``name``,
        ``training_set``, ``licence``, ``references``, ``limits``, ``date`` (see `skdistmass.deploy.card.model_card`).

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
    `skdistmass.schema.columns`; they are what ``model.predict(table, out_of_fold=False)`` gives. The graph uses standard
    operators only, of opset 11. It is fully determined by the model and `card`: the same model gives the same bytes.

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
    proto = model_graph(model, dtype=dtype, input_errors=input_errors)
    for key, value in metadata_of(model_card(model, dtype, graph_inputs(input_errors), card)).items():
        proto.metadata_props.add(key=key, value=value)
    onnx.checker.check_model(proto, full_check=True)
    path = Path(path)
    partial = path.with_name(path.name + ".part")
    try:
        partial.write_bytes(seal(proto.SerializeToString(deterministic=True)))
        os.replace(partial, path)
    except OSError as error:
        raise DistMassError(f"the graph can't be written to {path}: {error.strerror or error}.") from error
    finally:
        partial.unlink(missing_ok=True)


def model_graph(model, *, dtype="float64", input_errors=False):
    """Build the graph of a fitted model, without metadata; see `export_model`.

    Returns
    -------
    proto : onnx.ModelProto
    """
    from onnx import helper, numpy_helper

    from skdistmass._version import __version__

    if dtype not in ("float64", "float32"):
        raise InputError(f'dtype must be "float64" or "float32", got {dtype!r}.')
    nodes, constants, names = [], [], {}

    def unique_name(hint):
        names[hint] = names.get(hint, 0) + 1
        return f"_{hint}_{names[hint]}"

    def add_node(kind, inputs, outputs, attributes):
        nodes.append(helper.make_node(kind, inputs, outputs, name=outputs[0], **attributes))

    def add_constant(name, values):
        constants.append(numpy_helper.from_array(values, name))

    builder = GraphBuilder(add_node, add_constant, unique_name)
    types = _ModelGraph(builder, model, np.dtype(dtype), input_errors).build()
    inputs = [helper.make_tensor_value_info(name, onnx_type(dtype), ["N"]) for name in graph_inputs(input_errors)]
    outputs = [helper.make_tensor_value_info(name, onnx_type(types[name]), ["N"]) for name in types]
    graph = helper.make_graph(nodes, "skdistmass", inputs, outputs, constants)
    return helper.make_model(
        graph,
        opset_imports=[helper.make_opsetid("", OPSET)],
        ir_version=IR_VERSION,
        producer_name="skdistmass",
        producer_version=__version__,
    )


class _ModelGraph:
    """Builds the graph of one model, part by part."""

    def __init__(self, builder, model, dtype, input_errors):
        self.b, self.model, self.dtype, self.input_errors = builder, model, dtype, input_errors
        self.columns = {}  # name of the output to the name of its value and its type
        self.cuts = model.cuts or TrainingCuts()
        scaler = model.abs_mag_.pipeline_["scaler"]
        self.center, self.scale = scaler.mean_, scaler.scale_

    def build(self):
        """Write all nodes, and return the type of each output."""
        self._read_inputs()
        self._predict_networks()
        self._answer_spaces()
        self._give_distances()
        self._give_masses()
        self._give_ages()
        self._mark_training()
        return self._write_outputs()

    def _set(self, column, value, dtype=np.float64):
        self.columns[column] = value, dtype

    def _double(self, name):
        return name if self.dtype == np.float64 else self.b.cast(name, np.float64)

    def _working(self, name):
        return name if self.dtype == np.float64 else self.b.cast(name, self.dtype)

    def _const(self, values):
        return self.b.const(values, self.dtype)

    def _columns_as_rows(self, names):
        return self.b.stack([self.b.reshape(name, [1, -1]) for name in names])

    def _read_inputs(self):
        """Labels and photometry without what is missing, and where that is."""
        b = self.b
        given = self._columns_as_rows(LABEL_NAMES)
        has = labels_present(b, given, self.dtype)
        self.has_logg, self.has_feh = has[1], has[2]
        self.has_three = b.all_of(*has[:3])
        self.has_five = b.all_of(self.has_three, *has[3:])
        present = self._columns_as_rows(has)
        self.labels = self._double(b.op("Where", present, given, self._const(self.center[:, None])))
        self.key_labels = b.op("Where", present, given, self._const(MISSING_IN_KEY))
        self.mag, self.extinction = (self._double(b.row(self._known(_PHOTOMETRY), number)) for number in (0, 1))
        self.scaled = b.op("Div", b.op("Sub", self.labels, self.center[:, None]), self.scale[:, None])
        one = b.op("Add", b.op("Mul", b.rows(self.scaled, [0]), 0.0), 1.0)
        self.with_ones = b.stack([one, self.scaled])
        if self.input_errors:
            self._read_errors()

    def _known(self, names, *conditions):
        """Some inputs as rows of a matrix, NaN where missing."""
        b, matrix = self.b, self._columns_as_rows(names)
        present = b.reshape(is_present(b, b.reshape(matrix, [-1]), self.dtype), [len(names), -1])
        return b.op("Where", present, matrix, self._const(np.nan))

    def _read_errors(self):
        b = self.b
        errors = self._double(self._known([*(f"{name}_ERR" for name in LABEL_NAMES), "MAG_ERR"]))
        errors = b.nan_unless(b.op("Not", b.op("Less", errors, 0.0)), errors)
        self.label_errors = b.rows(errors, range(len(LABEL_NAMES)))
        mag_error = b.row(errors, len(LABEL_NAMES))
        self.mag_error = b.op("Where", b.op("Greater", mag_error, 0.0), mag_error, self.cuts.mag_error)

    def _predict_networks(self):
        """Values and scatter of all networks: of the distance, of the masses, without C and N."""
        b, model = self.b, self.model
        parts = [model.abs_mag_, *model.masses_.values()]
        if model.abs_mag_fallback_ is not None:
            parts.append(model.abs_mag_fallback_)
        networks = [Network.from_pipeline(part.pipeline_) for part in parts]
        working = self._working(self.with_ones)
        fused = FusedNetworks(b, networks, working, self.center, self.scale, self.dtype)
        values = fused.outputs()
        noise = self._label_noise(fused, self._double(values), len(parts)) if self.input_errors else None
        errors = [part.errors_ for part in parts]
        scatter = scatter_rows(b, errors, self.scaled, self.center, self.scale, noise, self.dtype)
        # Quantiles of the normalised residuals at the ends of the interval, shape (2, n_networks).
        quantiles = np.array([[_quantile(e, side) for e in errors] for side in (-0.5, 0.5)])
        self._pick_abs_mag(values, scatter, quantiles)
        masses = range(1, 1 + len(model.masses_))
        self.mass, self.mass_scatter = b.rows(values, masses), self._working(b.rows(scatter, masses))
        self.mass_quantiles = quantiles[:, masses]

    def _pick_abs_mag(self, values, scatter, quantiles):
        """Absolute magnitude and its bounds in double, by the network that has the labels it needs."""
        b, without_cn = self.b, self.model.abs_mag_fallback_ is not None
        self.has_abs_mag = self._has_labels()
        found = [self._one_abs_mag(values, scatter, quantiles, 0)]
        if without_cn:
            found.append(self._one_abs_mag(values, scatter, quantiles, quantiles.shape[1] - 1))
            self.fallback = self._without_cn()
            found = [[b.op("Where", self.fallback, three, five) for five, three in zip(*found, strict=True)]]
        else:
            self.fallback = b.op("And", self.has_five, b.op("Not", self.has_five))
        self.abs_mag, *self.abs_mag_bounds = found[0]
        self.abs_mag = b.nan_unless(self.has_abs_mag, self.abs_mag)

    def _one_abs_mag(self, values, scatter, quantiles, number):
        b, own = self.b, self.b.row(scatter, number)
        return [self._double(b.row(values, number)), *(b.op("Mul", own, q) for q in quantiles[:, number])]

    def _label_noise(self, fused, values, n_parts):
        """Variance of each network's prediction by the label errors, on the scale where its errors add."""
        b, n_masses = self.b, len(self.model.masses_)
        jacobian = self._double(fused.jacobians())
        spread = b.op("Mul", jacobian, self.label_errors)
        squares = b.op("Mul", spread, spread)
        every = np.ones((n_parts, 1, len(LABEL_NAMES)))
        variance = b.reshape(b.op("MatMul", b.const(every), squares), [n_parts, -1])
        if self.model.abs_mag_fallback_ is not None:
            # Errors of C and N, which may well be missing there, are no part of it.
            without_cn = b.row(squares, n_parts - 1)
            three = b.reshape(b.op("MatMul", np.ones((1, 3)), b.rows(without_cn, range(3))), [1, -1])
            variance = b.stack([b.rows(variance, range(n_parts - 1)), three])
        part = self._label_part(self.model.abs_mag_, b.row(variance, 0))
        if self.model.abs_mag_fallback_ is not None:
            without_cn = self._label_part(self.model.abs_mag_fallback_, b.row(variance, n_parts - 1))
            part = b.op("Where", self._without_cn(), without_cn, part)
        part = b.nan_unless(self._has_labels(), part)
        self._set("ABS_MAG_LABEL_ERR", part)
        # Errors of masses add on the logarithm, whose slope is 1 / mass.
        masses = b.rows(values, range(1, 1 + n_masses))
        relative = b.op("Div", b.rows(variance, range(1, 1 + n_masses)), b.op("Mul", masses, masses))
        rest = [b.rows(variance, range(1 + n_masses, n_parts))] if n_parts > 1 + n_masses else []
        return b.stack([b.rows(variance, [0]), relative, *rest])

    def _label_part(self, network, variance):
        """Error by the label errors alone; NaN for a network without errors, as in Python."""
        return self.b.op("Sqrt", variance) if network.errors_ is not None else self.b.op("Mul", variance, np.nan)

    def _without_cn(self):
        """Where the network without C and N steps in."""
        return self.b.op("And", self.has_three, self.b.op("Not", self.has_five))

    def _has_labels(self):
        """Where there are labels enough for an absolute magnitude."""
        return self.has_five if self.model.abs_mag_fallback_ is None else self.has_three

    def _answer_spaces(self):
        b, model = self.b, self.model
        products = pair_products(b, self.with_ones, len(LABEL_NAMES))

        def answer(space, present):
            return space_answers(b, space, products, self.center, self.scale, present, self.dtype)

        self._set("MASS_SPACE", answer(model.mass_space_, self.has_five), np.int32)
        space = answer(model.distance_space_, self.has_five)
        if model.abs_mag_fallback_ is not None:
            without_cn = answer(model.fallback_space_, self.has_three)
            # Without two labels nothing better than "edge" can be said.
            without_cn = b.op(
                "Where", b.op("Less", without_cn, b.const(EDGE, np.int32)), b.const(EDGE, np.int32), without_cn
            )
            space = b.op("Where", self.fallback, without_cn, space)
        self._set("DISTANCE_SPACE", space, np.int32)
        self._set("LABEL_FALLBACK", self.fallback, np.bool_)

    def _give_distances(self):
        b = self.b
        lower, upper = self.abs_mag_bounds
        self._set("ABS_MAG", self.abs_mag)
        self._set("ABS_MAG_ERR", b.nan_unless(self.has_abs_mag, b.op("Mul", b.op("Sub", upper, lower), 0.5)))
        if self.input_errors:
            photometric = b.op("Mul", self.mag_error, self.mag_error)
            photometric = b.op("Add", photometric, self.cuts.extinction_error**2)
        else:
            photometric = self.cuts.mag_error**2 + self.cuts.extinction_error**2
        near, far = (b.op("Sqrt", b.op("Add", b.op("Mul", side, side), photometric)) for side in (upper, lower))
        modulus = b.op("Sub", b.op("Sub", self.mag, self.extinction), self.abs_mag)
        distance = b.op("Mul", self._power_of_ten(modulus, 0.2), 0.01)
        self._set("DISTANCE", distance)
        self._set("DISTANCE_LO", b.op("Mul", distance, self._power_of_ten(near, -0.2)))
        self._set("DISTANCE_HI", b.op("Mul", distance, self._power_of_ten(far, 0.2)))
        error = b.op("Mul", distance, b.op("Mul", b.op("Add", near, far), 0.1 * _LN_10))
        self._set("DISTANCE_ERR", error)

    def _power_of_ten(self, exponent, factor):
        return self.b.op("Exp", self.b.op("Mul", exponent, factor * _LN_10))

    def _give_masses(self):
        """Masses and the ends of their intervals, without NaN for the ages and with them for the catalogue."""
        b, n_scales, dtype = self.b, len(self.model.masses_), self.dtype
        smallest = SMALLEST_MASS[dtype.name]
        self.ln_mass = b.op("Log", b.op("Max", self.mass, self._const(smallest)))
        self.has_ends = b.op("And", b.op("Not", b.op("Less", self.mass, self._const(0.0))), self.has_five)
        scatter, quantiles = self.mass_scatter, np.nan_to_num(self.mass_quantiles)
        has_errors = ~np.isnan(self.mass_quantiles[0])[:, None]
        if not has_errors.all():
            scatter = b.op("Where", b.const(has_errors, np.bool_), scatter, self._const(0.0))
            self.has_ends = b.op("And", self.has_ends, b.const(has_errors, np.bool_))
        spread = b.op("Mul", b.reshape(scatter, [1, n_scales, -1]), self._const(quantiles[:, :, None]))
        self.ln_ends = b.reshape(b.op("Add", self.ln_mass, spread), [2 * n_scales, -1])
        self.ends = b.op("Exp", self.ln_ends)
        no_ends = b.nan_where_not(self.has_ends, dtype)
        ends = b.op("Add", b.reshape(self.ends, [2, n_scales, -1]), no_ends)
        ends = b.reshape(ends, [2 * n_scales, -1])
        masses = b.nan_unless(self.has_five, self.mass, dtype)
        for number, scale in enumerate(self.model.masses_):
            name = mass_columns(scale)[0]
            self._set(name, b.row(masses, number), dtype)
            self._set(f"{name}_LO", b.row(ends, number), dtype)
            self._set(f"{name}_HI", b.row(ends, n_scales + number), dtype)
        # The error is a difference, which single precision would spoil.
        first, own = (self._double(b.row(rows, 0)) for rows in (self.mass, scatter))
        ln_first = b.op("Log", b.op("Max", first, smallest))
        low, high = (b.op("Exp", b.op("Add", ln_first, b.op("Mul", own, quantile))) for quantile in quantiles[:, 0])
        self.first_error = b.op("Mul", b.op("Sub", high, low), 0.5)
        self._set("MASS_ERR", b.op("Add", self.first_error, self._double(b.row(no_ends, 0))))

    def _give_ages(self):
        b, n_scales, dtype = self.b, len(self.model.masses_), self.dtype
        giant = b.op("And", self.has_logg, b.op("Less", b.row(self.labels, 1), GIANT_LOGG))
        ages = AgeGraph(b, self.model.age_, self._working(b.row(self.labels, 2)), self.has_feh, dtype)
        masses = b.stack([self.mass, self.ends])
        logs = ages.ln_initial(masses, b.stack([self.ln_mass, self.ln_ends]))
        first = b.row(self.mass, 0)
        error = self._working(self.first_error)
        log_age, log_age_error = ages.log_age_and_error(logs, 3 * n_scales, first, error)
        # A star without an age has no interval of ages either.
        covered = ages.covered(masses)
        some = b.op("And", b.rows(covered, range(n_scales)), b.op("And", giant, self.has_five))
        both = b.op("And", some, self.has_ends)
        log_age = b.nan_unless(b.op("And", covered, b.stack([some, both, both])), log_age, dtype)
        for number, scale in enumerate(self.model.masses_):
            name = mass_columns(scale)[1]
            # The lower mass has the higher age.
            for part, end in enumerate(("", "_HI", "_LO")):
                self._set(name + end, b.row(log_age, part * n_scales + number), dtype)
        has_error = b.op("And", b.row(both, 0), b.op("Less", self.first_error, np.inf))
        self._set("AGE_ERR", b.nan_unless(has_error, log_age_error, dtype), dtype)
        flag = b.op("Add", ages.flag(first, self.has_five), b.code(b.op("Not", giant), NOT_A_GIANT))
        self._set("AGE_FLAG", flag, np.int32)

    def _mark_training(self):
        b, model = self.b, self.model
        bits = training_bits(b, model.training_keys_, model.training_bits_, KEY_FACTORS, self.key_labels)
        outside = b.op("Not", b.op("Less", self.columns["MASS_SPACE"][0], b.const(OUTSIDE, np.int32)))
        self._set("BITMASK", b.op("Add", bits, b.code(outside, int(Bit.OUTSIDE_MASS_SPACE))), np.int32)

    def _write_outputs(self):
        """Name the outputs in the order of a catalogue, in their types."""
        types = {}
        for name in _catalog_order(self.model.masses_):
            if name not in self.columns:
                continue
            value, dtype = self.columns[name]
            types[name] = self.dtype if np.dtype(dtype).kind == "f" else dtype
            if dtype == types[name]:
                self.b.op("Identity", value, output=name)
            else:
                self.b.op("Cast", value, output=name, to=onnx_type(types[name]))
        return types


def _quantile(errors, side):
    """Quantile of the normalised residuals at an end of the 68.27 % interval; NaN without an error model."""
    return np.nan if errors is None else errors.quantile(0.5 + side * normal_coverage(1.0))


def _catalog_order(scales):
    """Names of all columns a catalogue may have, in its order."""
    for column in (*TABLE_2, *EXTRA_COLUMNS):
        stem, star, end = column.name.partition("*")
        if not star:
            yield column.name
        for scale in scales if star else ():
            yield f"{stem}{scale}{end}" if scale else f"{stem.removesuffix('_')}{end}"
