"""The nodes of a whole model: from labels and photometry to the columns of a catalogue."""

from typing import Any

import numpy as np

from skdistmass.deploy.ages import SMALLEST_MASS, AgeGraph
from skdistmass.deploy.builder import GraphBuilder, onnx_type
from skdistmass.deploy.errors import scatter_rows
from skdistmass.deploy.inputs import known_numbers, present_in_ranges
from skdistmass.deploy.networks import FusedNetworks, Network, common_scale, pipelines_of
from skdistmass.deploy.space import pair_products, space_answers, training_bits
from skdistmass.deploy.stellar import StellarGraph
from skdistmass.estimators.star_keys import KEY_FACTORS, MISSING_IN_KEY
from skdistmass.estimators.stellar_network import StellarNetwork
from skdistmass.labels import LABEL_NAMES, LABELS
from skdistmass.photometry import LN_DISTANCE_PER_MAG
from skdistmass.schema.bits import AgeFlag, Bit, Space
from skdistmass.schema.columns import layout, mass_columns
from skdistmass.schema.limits import GIANT_LOGG, UNIVERSE_AGE
from skdistmass.surveys.training_sets import TrainingCuts
from skdistmass.uncertainty import normal_coverage

__all__ = ["PHOTOMETRY", "ModelGraph"]

#: Names of the inputs that are no labels.
PHOTOMETRY = ("MAG", "EXTINCTION")
#: Ends of the two intervals, in the order of their rows, and the probability below each.
_ENDS = ("LO", "LO95", "HI", "HI95")
_TWICE = np.array([[1.0], [4.0], [1.0], [4.0]])  # the square of an error, for each end
_SIDES = np.array([[-1.0], [-1.0], [1.0], [1.0]])
_END_LEVELS = [0.5 + 0.5 * side * normal_coverage(n_sigma) for side in (-1.0, 1.0) for n_sigma in (1.0, 2.0)]


class ModelGraph:
    """Builds the graph of one model, part by part."""

    def __init__(self, builder: GraphBuilder, model: Any, dtype: np.dtype, input_errors: bool):
        self.b, self.model, self.dtype, self.input_errors = builder, model, dtype, input_errors
        self.columns: dict[str, tuple] = {}  # name of the output to the name of its value and its type
        self.cuts = model.cuts or TrainingCuts()
        self.center, self.scale = common_scale(model.abs_mag_)
        self._products: str | None = None

    def build(self) -> dict:
        """Write all nodes, and return the type of each output."""
        self._read_inputs()
        self._predict_networks()
        self._answer_spaces()
        self._give_distances()
        self._give_masses()
        self._give_ages()
        self._mark_training()
        return self._write_outputs()

    @property
    def is_optional(self):
        """Whether the distance network serves stars without C and N."""
        return len(self.model.abs_mag_.optional_labels) > 0

    @property
    def products(self):
        if self._products is None:
            self._products = pair_products(self.b, self.with_ones, len(LABEL_NAMES))
        return self._products

    def _set(self, column, value, dtype=None):
        self.columns[column] = value, dtype or self.dtype

    def _double(self, name):
        return name if self.dtype == np.float64 else self.b.cast(name, np.float64)

    def _working(self, name):
        return name if self.dtype == np.float64 else self.b.cast(name, self.dtype)

    def _const(self, values):
        return self.b.const(values, self.dtype)

    def _read_inputs(self):
        """Labels and photometry without what is missing, and where that is."""
        b = self.b
        given = b.matrix(LABEL_NAMES)
        self.present, has = present_in_ranges(b, given, LABELS, self.dtype)
        self.has_logg, self.has_feh = has[1], has[2]
        self.has_three = b.all_of(*has[:3])
        self.has_five = b.all_of(self.has_three, *has[3:])
        self.has_mass_labels = self.has_three if self.model.mass_fallbacks_ else self.has_five
        self.labels = self._double(b.op("Where", self.present, given, self._const(self.center[:, None])))
        single = given if self.dtype == np.float32 else b.cast(given, np.float32)
        self.key_labels = b.op("Where", self.present, single, b.const(MISSING_IN_KEY, np.float32))
        _, self.logg, self.feh, *_ = b.vectors(self.labels, len(LABEL_NAMES))
        self.mag, self.extinction = b.vectors(known_numbers(b, PHOTOMETRY, self.dtype), 2)
        scaled = b.op("Div", b.op("Sub", self.labels, self.center[:, None]), self.scale[:, None])
        one = b.cast(b.op("Equal", self.has_three, self.has_three), np.float64)
        self.with_ones = b.stack([b.reshape(one, [1, -1]), scaled])
        self.working = self._working(self.with_ones)
        if self.input_errors:
            self._read_errors()

    def _read_errors(self):
        b = self.b
        errors = known_numbers(b, [f"{name}_ERR" for name in (*LABEL_NAMES, *PHOTOMETRY)], self.dtype)
        errors, photometric = b.parts(errors, [len(LABEL_NAMES), len(PHOTOMETRY)])
        self.label_errors = self._double(errors)
        assumed = self._const([[self.cuts.mag_error], [self.cuts.extinction_error]])
        self.photometric = b.op("Where", b.op("Greater", photometric, self._const(0.0)), photometric, assumed)

    def _split(self, rows, sizes):
        """Cut a matrix into parts of these numbers of rows; None for those of none."""
        parts = iter(self.b.parts(rows, sizes))
        return [next(parts) if size else None for size in sizes]

    def _predict_networks(self):
        """Values and scatter of all networks: of the distance, of the masses, and of both without C and N."""
        b, model = self.b, self.model
        three = [] if model.abs_mag_fallback_ is None else [model.abs_mag_fallback_]
        groups = [[model.abs_mag_], [*model.masses_.values()], three, [*model.mass_fallbacks_.values()]]
        parts = [part for group in groups for part in group]
        pipelines = [[pipeline for part in group for pipeline in pipelines_of(part)] for group in groups]
        networks = [Network.from_pipeline(pipeline) for group in pipelines for pipeline in group]
        fused = FusedNetworks(b, networks, self.working, self.center, self.scale, self.dtype)
        outputs = self._split(fused.outputs(), [len(group) for group in pipelines])
        self.log_masses = groups[1][0].loss == "student"
        if self.log_masses:
            outputs[1::2] = [None if rows is None else b.op("Exp", rows) for rows in outputs[1::2]]
        self.stellar = [self._stellar_graph(part) for part in groups[0] + groups[2]]
        given = [rows for rows in outputs[::2] if rows is not None]
        found = [self._abs_mag(g, rows) for g, rows in zip(self.stellar, given, strict=True)]
        noise = self._label_noise(fused, outputs, [len(group) for group in pipelines]) if self.input_errors else None
        errors = [part.errors_ for part in parts]
        scatter = scatter_rows(b, errors, self.with_ones, self.center, self.scale, noise, self.dtype)
        # Quantiles of the normalised residuals at the ends of both intervals, shape (4, n_networks).
        quantiles = np.array([[_quantile(e, level) for e in errors] for level in _END_LEVELS])
        sizes = [len(group) for group in groups]
        scatters = self._split(scatter, sizes)
        *quantiles, _ = np.split(quantiles, np.cumsum(sizes), axis=1)
        self._pick_abs_mag(found, [rows for rows in scatters[::2] if rows is not None], np.hstack(quantiles[::2]))
        self.mass, self.mass_scatter = (self._pick_masses(*rows[1::2]) for rows in (outputs, scatters))
        self.mass_quantiles = quantiles[1::2]

    def _pick_masses(self, five, three):
        """Rows of the masses, by the networks that have the labels they need."""
        return five if three is None else self.b.op("Where", self._without_cn(), three, five)

    def _mass_numbers(self, function, dtype):
        """What follows from the quantiles of the mass networks, shape (4, n_scales)."""
        five, three = (np.nan_to_num(quantiles) for quantiles in self.mass_quantiles)
        without = self.b.const(function(three), dtype) if three.size else None
        return self._pick_masses(self.b.const(function(five), dtype), without)

    def _stellar_graph(self, part):
        """Nodes of stellar physics, None for a plain network."""
        if not isinstance(part.pipeline_, StellarNetwork):
            return None
        nodes = self.labels, self.with_ones, self.products, self.has_five
        return StellarGraph(self.b, part, *nodes, self.center, self.scale)

    def _abs_mag(self, stellar, outputs):
        """Absolute magnitude, a vector."""
        if stellar is None:
            return self.b.reshape(outputs, [-1])
        return self._working(stellar.value(self._double(outputs)))

    def _pick_abs_mag(self, values, scatters, quantiles):
        """Absolute magnitude and its bounds, by the network that has the labels it needs."""
        b = self.b
        self.has_abs_mag = self._has_labels()
        bounds = [
            self._bounds(stellar, b.op("Mul", scatter, self._const(own[:, None])))
            for stellar, scatter, own in zip(self.stellar, scatters, quantiles.T, strict=True)
        ]
        self.fallback = self._without_cn() if len(values) > 1 or self.is_optional else None
        self.abs_mag, self.abs_mag_bounds = values[0], bounds[0]
        if len(values) > 1:
            self.abs_mag = b.op("Where", self.fallback, values[1], values[0])
            self.abs_mag_bounds = b.op("Where", self.fallback, bounds[1], bounds[0])
        self.abs_mag = b.nan_unless(self.has_abs_mag, self.abs_mag, self.dtype)

    def _bounds(self, stellar, bounds):
        """Ends of the interval, relative to its middle, with the further errors of stellar physics."""
        b = self.b
        extra = None if stellar is None else stellar.extra_variance()
        if extra is None:
            return bounds
        return b.op("Mul", self._widened(bounds, self._working(extra)), self._const(_SIDES))

    def _widened(self, bounds, variance):
        """Sizes of bounds with a further variance; twice an error has four times the variance."""
        b = self.b
        variance = b.op("Mul", variance, self._const(_TWICE))
        return b.op("Sqrt", b.op("Add", b.op("Mul", bounds, bounds), variance))

    def _label_noise(self, fused, outputs, sizes):
        """Variance of each network's prediction by the label errors, on the scale where its errors add."""
        b = self.b
        five, *masses, three, masses_three = self._split(self._double(fused.jacobians()), sizes)
        # Errors of C and N, which may well be missing there, are no part of what is predicted without them.
        first = b.op("Where", b.const([[True]] * 3 + [[False]] * 2, np.bool_), self.label_errors, 0.0)
        five = self._abs_mag_jacobian(self.stellar[0], outputs[0], five)
        found, self.jacobians = [self._variance(five, self._used_errors(), 1)], (five, masses[0])
        part = self._label_part(self.model.abs_mag_, b.row(found[0], 0))
        found.append(self._mass_variance(masses[0], self.label_errors, outputs[1]))
        if three is not None:
            three = self._abs_mag_jacobian(self.stellar[1], outputs[2], three)
            found.append(self._variance(three, first, 1))
            without_cn = self._label_part(self.model.abs_mag_fallback_, b.row(found[-1], 0))
            part = b.op("Where", self._without_cn(), without_cn, part)
        self._set("ABS_MAG_LABEL_ERR", b.nan_unless(self._has_labels(), part), np.float64)
        if masses_three is not None:
            found.append(self._mass_variance(masses_three, first, outputs[3]))
        return b.stack(found)

    def _variance(self, jacobian, errors, n_networks):
        """Variance by the errors of the labels, shape (n_networks, N)."""
        spread = self.b.op("Mul", jacobian, errors)
        every = self.b.const(np.ones((n_networks, 1, len(LABEL_NAMES))))
        return self.b.reshape(self.b.op("MatMul", every, self.b.op("Mul", spread, spread)), [n_networks, -1])

    def _mass_variance(self, jacobian, errors, mass):
        """Variance of the logarithms of masses, on which their errors add."""
        variance = self._variance(jacobian, errors, len(self.model.masses_))
        if self.log_masses:
            return variance
        mass = self._double(mass)
        return self.b.op("Div", variance, self.b.op("Mul", mass, mass))

    def _abs_mag_jacobian(self, stellar, outputs, jacobians):
        """Derivatives of an absolute magnitude, shape (1, n_labels, N)."""
        if stellar is None:
            return jacobians
        jacobian = stellar.jacobian(self._double(outputs), jacobians)
        return self.b.reshape(jacobian, [1, len(LABEL_NAMES), -1])

    def _used_errors(self):
        """Errors of the labels; an optional label that is missing has none."""
        if not self.is_optional:
            return self.label_errors
        b = self.b
        three, two = b.parts(self.label_errors, [3, 2])
        present = b.rows(self.present, [3, 4])
        needed = b.op("Or", present, b.op("Not", self.has_three))
        return b.stack([three, b.op("Where", needed, two, 0.0)])

    def _label_part(self, network, variance):
        """Error by the label errors alone; NaN for a network without errors, as in Python."""
        return self.b.op("Sqrt", variance) if network.errors_ is not None else self.b.op("Mul", variance, np.nan)

    def _without_cn(self):
        """Where the network without C and N is used."""
        return self.b.op("And", self.has_three, self.b.op("Not", self.has_five))

    def _has_labels(self):
        """Where there are labels enough for an absolute magnitude."""
        has_fallback = self.model.abs_mag_fallback_ is not None or self.is_optional
        return self.has_three if has_fallback else self.has_five

    def _answer_spaces(self):
        b, model = self.b, self.model
        three = [model.fallback_space_ if self.fallback is not None else None, model.mass_fallback_space_]
        spaces = [model.mass_space_, model.distance_space_, *(space for space in three if space is not None)]
        present = [self.has_five, self.has_five, *[self.has_three] * (len(spaces) - 2)]
        answers = space_answers(b, spaces, self.products, self.center, self.scale, present, self.dtype)
        mass, distance, *rest = b.vectors(answers, len(spaces))
        if model.mass_fallback_space_ is not None:
            mass = b.op("Where", self._without_cn(), self._edge_at_best(rest[-1]), mass)
            self._set("LABEL_FALLBACK_MASS", self._without_cn(), np.bool_)
        fallback = self.fallback
        if fallback is None:
            fallback = b.op("And", self.has_five, b.op("Not", self.has_five))
        elif self.is_optional:
            known = b.op("Less", distance, b.const(Space.OUTSIDE, np.int32))
            distance = b.op("Where", known, rest[0], self._edge_at_best(rest[0]))
        else:
            distance = b.op("Where", fallback, self._edge_at_best(rest[0]), distance)
        self._set("MASS_SPACE", mass, np.int32)
        self._set("DISTANCE_SPACE", distance, np.int32)
        self._set("LABEL_FALLBACK", fallback, np.bool_)

    def _edge_at_best(self, answer):
        """Without two labels nothing better than "edge" can be said."""
        edge = self.b.const(Space.EDGE, np.int32)
        return self.b.op("Where", self.b.op("Less", answer, edge), edge, answer)

    def _give_distances(self):
        b, const, bounds = self.b, self._const, self.abs_mag_bounds
        lower, _, upper, _ = b.vectors(bounds, len(_ENDS))
        self._set("ABS_MAG", self.abs_mag)
        half = b.op("Mul", b.op("Sub", upper, lower), const(0.5))
        self._set("ABS_MAG_ERR", b.nan_unless(self.has_abs_mag, half, self.dtype))
        if self.input_errors:
            photometric = b.op("Mul", self.photometric, self.photometric)
            photometric = b.op("MatMul", const(np.ones((1, 2))), photometric)
        else:
            photometric = const([[self.cuts.mag_error**2 + self.cuts.extinction_error**2]])
        modulus = b.op("Sub", b.op("Sub", self.mag, self.extinction), self.abs_mag)
        distance = b.op("Mul", b.op("Exp", b.op("Mul", modulus, const(LN_DISTANCE_PER_MAG))), const(0.01))
        # The star is farther where its magnitude is lower.
        logs = b.op("Mul", self._widened(bounds, photometric), const(-LN_DISTANCE_PER_MAG * _SIDES))
        ends = b.op("Mul", b.op("Exp", logs), distance)
        high, high_95, low, low_95 = b.vectors(ends, len(_ENDS))
        self._set("DISTANCE", distance)
        for end, value in zip(_ENDS, (low, low_95, high, high_95), strict=True):
            self._set(f"DISTANCE_{end}", value)
        ln_ratio = b.op("Sub", b.row(logs, 0), b.row(logs, 2))
        self._set("DISTANCE_ERR", self._half_difference(low, high, ln_ratio))

    def _half_difference(self, low, high, ln_ratio):
        """Half the difference of two numbers; in single precision by the logarithm of their ratio, to keep digits."""
        b, half = self.b, self._const(0.5)
        if self.dtype == np.float64:
            return b.op("Mul", b.op("Sub", high, low), half)
        middle = b.op("Mul", b.op("Add", high, low), half)
        return b.op("Mul", middle, b.op("Tanh", b.op("Mul", ln_ratio, half)))

    def _give_masses(self):
        """Masses and the ends of their intervals, without NaN for the ages and with them for the catalogue."""
        b, n_scales, dtype, n_ends = self.b, len(self.model.masses_), self.dtype, len(_ENDS)
        self.ln_mass = b.op("Log", b.op("Max", self.mass, self._const(SMALLEST_MASS[dtype.name])))
        self.has_ends = b.op("And", b.op("Not", b.op("Less", self.mass, self._const(0.0))), self.has_mass_labels)
        scatter = self.mass_scatter
        has_errors = ~np.isnan(self.mass_quantiles[0][0])[:, None]
        self.have_errors = has_errors.all()
        if not self.have_errors:
            scatter = b.op("Where", b.const(has_errors, np.bool_), scatter, self._const(0.0))
            self.has_ends = b.op("And", self.has_ends, b.const(has_errors, np.bool_))
        spread = b.op("Mul", b.reshape(scatter, [1, n_scales, -1]), self._mass_numbers(lambda q: q[:, :, None], dtype))
        self.ln_width = b.op("Mul", scatter, self._mass_numbers(lambda q: (q[2] - q[0])[:, None], dtype))
        self.ln_ends = b.reshape(b.op("Add", self.ln_mass, spread), [n_ends * n_scales, -1])
        self.ends = b.op("Exp", self.ln_ends)
        low, high = (b.rows(self.ends, range(start, start + n_scales)) for start in (0, 2 * n_scales))
        self.mass_error = self._half_difference(low, high, self.ln_width)
        no_ends = b.nan_where_not(self.has_ends, dtype)
        ends = b.op("Add", b.reshape(self.ends, [n_ends, n_scales, -1]), no_ends)
        names = [mass_columns(scale)[0] for scale in self.model.masses_]
        self._set_all(names, b.nan_unless(self.has_mass_labels, self.mass, dtype))
        self._set_all([f"{name}_{end}" for end in _ENDS for name in names], ends)
        self._set_all([f"{name}_ERR" for name in names], b.op("Add", self.mass_error, no_ends), first="MASS_ERR")

    def _set_all(self, names, rows, dtype=None, *, first=None):
        """Name the rows of a matrix as columns; the first row as another one, too."""
        values = self.b.vectors(rows, len(names))
        for name, value in zip([*names, first or names[0]], [*values, values[0]], strict=True):
            self._set(name, value, dtype)

    def _give_ages(self):
        b, n_scales, dtype = self.b, len(self.model.masses_), self.dtype
        names = [mass_columns(scale)[1] for scale in self.model.masses_]
        giant = b.op("And", self.has_logg, b.op("Less", self.logg, GIANT_LOGG))
        ages = AgeGraph(b, self.model.age_, self._working(self.feh), self.has_feh, dtype)
        # A star without an age has no interval of ages either. Ends beyond the relation are ages at its end.
        some = both = ages.covered(self.mass, b.op("And", giant, self.has_mass_labels))
        no_ends = no_ages = b.nan_where_not(some, dtype)
        if not (self.have_errors and ages.is_positive):
            both = b.op("And", some, self.has_ends)
            no_ends = b.nan_where_not(both, dtype)
            no_ages = b.reshape(b.stack([no_ages, *[no_ends] * len(_ENDS)]), [1 + len(_ENDS), n_scales, -1])
        ln_masses = ages.ln_initial(self.mass, self.ln_mass), ages.ln_initial(self.ends, self.ln_ends)
        given = *ln_masses, self.mass_error, self.ln_width, no_ages
        log_age, half_interval, slope_error = ages.log_age_and_errors(self.mass, *given, n_scales)
        # The lower mass has the higher age.
        ends = ("", "_HI", "_HI95", "_LO", "_LO95")
        self._set_all([name + end for end in ends for name in names], log_age)
        beyond = b.parts(ages.beyond(self.ends), [2 * n_scales, 2 * n_scales])
        clipped = b.op("And", both, b.reshape(b.op("Or", *beyond), [2, n_scales, -1]))
        clipped, clipped_95 = b.parts(b.reshape(clipped, [2 * n_scales, -1]), [n_scales, n_scales])
        # Both are finite, and Where would take longer.
        change = b.op("Mul", b.op("Sub", slope_error, half_interval), b.cast(clipped, dtype))
        error = b.op("Add", b.op("Add", half_interval, change), no_ends)
        self._set_all([f"{name}_ERR" for name in names], error, first="AGE_ERR")
        of_star, of_mass = ages.bits(self.mass, self.has_mass_labels)
        old = b.op("Greater", b.row(log_age, 0), self._const(np.log10(UNIVERSE_AGE) + 9.0))
        of_mass |= {AgeFlag.CLIPPED: clipped, AgeFlag.CLIPPED_95: clipped_95, AgeFlag.OLD: old}
        of_star[AgeFlag.NOT_GIANT] = b.op("Not", giant)
        flag = b.op("Add", b.codes(of_mass, n_scales), b.codes(of_star))
        self._set_all([f"{name}_FLAG" for name in names], flag, np.int32, first="AGE_FLAG")

    def _mark_training(self):
        b, model = self.b, self.model
        bits = training_bits(b, model.training_.keys, model.training_.bits, KEY_FACTORS, self.key_labels)
        outside = b.op("Not", b.op("Less", self.columns["MASS_SPACE"][0], b.const(Space.OUTSIDE, np.int32)))
        self._set("BITMASK", b.op("Add", bits, b.code(outside, int(Bit.OUTSIDE_MASS_SPACE))), np.int32)

    def _write_outputs(self):
        """Name the outputs in the order of a catalogue, in their types."""
        types = {}
        names = [column.name for column in layout(self.model.masses_) if column.name in self.columns]
        for name in dict.fromkeys([*names, *self.columns]):
            value, dtype = self.columns[name]
            types[name] = self.dtype if np.dtype(dtype).kind == "f" else dtype
            if dtype == types[name]:
                self.b.op("Identity", value, output=name)
            else:
                self.b.op("Cast", value, output=name, to=onnx_type(types[name]))
        return types


def _quantile(errors, level):
    """Quantile of the normalised residuals; NaN without an error model."""
    return np.nan if errors is None else errors.quantile(level)
