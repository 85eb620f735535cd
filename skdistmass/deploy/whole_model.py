"""The nodes of a whole model: from labels and photometry to the columns of a catalogue."""

from typing import Any

import numpy as np

from skdistmass.deploy.ages import SMALLEST_MASS, AgeGraph
from skdistmass.deploy.builder import GraphBuilder, onnx_type
from skdistmass.deploy.errors import scatter_rows
from skdistmass.deploy.inputs import is_present, just_outside, labels_present
from skdistmass.deploy.networks import FusedNetworks, Network
from skdistmass.deploy.space import pair_products, space_answers, training_bits
from skdistmass.estimators.star_keys import KEY_FACTORS, MISSING_IN_KEY
from skdistmass.labels import LABEL_NAMES
from skdistmass.schema.bits import AgeFlag, Bit, Space
from skdistmass.schema.columns import layout, mass_columns
from skdistmass.schema.limits import GIANT_LOGG, UNIVERSE_AGE
from skdistmass.surveys.quantities import quantity
from skdistmass.surveys.training_sets import TrainingCuts
from skdistmass.uncertainty import normal_coverage

__all__ = ["PHOTOMETRY", "ModelGraph"]

#: Names of the inputs that are no labels.
PHOTOMETRY = ("MAG", "EXTINCTION")
_LN_10 = np.log(10.0)
#: Ends of the two intervals, in the order of their rows, and the probability below each.
_ENDS = ("LO", "HI", "LO95", "HI95")
_END_LEVELS = [0.5 + 0.5 * side * normal_coverage(n_sigma) for n_sigma in (1.0, 2.0) for side in (-1.0, 1.0)]


class ModelGraph:
    """Builds the graph of one model, part by part."""

    def __init__(self, builder: GraphBuilder, model: Any, dtype: np.dtype, input_errors: bool):
        self.b, self.model, self.dtype, self.input_errors = builder, model, dtype, input_errors
        self.columns: dict[str, tuple] = {}  # name of the output to the name of its value and its type
        self.cuts = model.cuts or TrainingCuts()
        scaler = model.abs_mag_.pipeline_["scaler"]
        self.center, self.scale = scaler.mean_, scaler.scale_

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

    def _set(self, column, value, dtype=np.float64):
        self.columns[column] = value, dtype

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
        present, has = labels_present(b, given, self.dtype)
        self.has_logg, self.has_feh = has[1], has[2]
        self.has_three = b.all_of(*has[:3])
        self.has_five = b.all_of(self.has_three, *has[3:])
        self.labels = self._double(b.op("Where", present, given, self._const(self.center[:, None])))
        self.key_labels = b.op("Where", present, given, self._const(MISSING_IN_KEY))
        _, self.logg, self.feh, *_ = b.vectors(self.labels, len(LABEL_NAMES))
        self.mag, self.extinction = b.vectors(self._double(self._known(PHOTOMETRY)), 2)
        scaled = b.op("Div", b.op("Sub", self.labels, self.center[:, None]), self.scale[:, None])
        one = b.cast(b.op("Or", self.has_three, b.op("Not", self.has_three)), np.float64)
        self.with_ones = b.stack([b.reshape(one, [1, -1]), scaled])
        self.working = self._working(self.with_ones)
        if self.input_errors:
            self._read_errors()

    def _known(self, names):
        """Some inputs as rows of a matrix, NaN where missing or impossible, as `surveys.as_stars` reads them."""
        b, matrix = self.b, self.b.matrix(names)
        present = b.reshape(is_present(b, b.reshape(matrix, [-1]), self.dtype), [len(names), -1])
        limits = [quantity({"MAG_ERR": "K_ERR"}.get(name, name)) for name in names]
        low, high = just_outside(limits, np.dtype(self.dtype).type)
        for kind, end in (("Greater", low), ("Less", high)):
            present = b.op("And", present, b.op(kind, matrix, self._const(end)))
        zero = np.array([[0.0 if limit.zero_is_missing else np.nan] for limit in limits])
        present = b.op("And", present, b.op("Not", b.op("Equal", matrix, self._const(zero))))
        return b.op("Where", present, matrix, self._const(np.nan))

    def _read_errors(self):
        b = self.b
        errors = self._double(self._known([f"{name}_ERR" for name in (*LABEL_NAMES, *PHOTOMETRY)]))
        self.label_errors, photometric = b.parts(errors, [len(LABEL_NAMES), len(PHOTOMETRY)])
        assumed = np.array([[self.cuts.mag_error], [self.cuts.extinction_error]])
        self.photometric = b.op("Where", b.op("Greater", photometric, 0.0), photometric, assumed)

    def _predict_networks(self):
        """Values and scatter of all networks: of the distance, of the masses, without C and N."""
        b, model = self.b, self.model
        parts = [model.abs_mag_, *model.masses_.values()]
        if model.abs_mag_fallback_ is not None:
            parts.append(model.abs_mag_fallback_)
        networks = [Network.from_pipeline(part.pipeline_) for part in parts]
        fused = FusedNetworks(b, networks, self.working, self.center, self.scale, self.dtype)
        values = fused.outputs()
        noise = self._label_noise(fused, self._double(values), len(parts)) if self.input_errors else None
        errors = [part.errors_ for part in parts]
        scatter = scatter_rows(b, errors, self.with_ones, self.center, self.scale, noise, self.dtype)
        # Quantiles of the normalised residuals at the ends of both intervals, shape (4, n_networks).
        quantiles = np.array([[_quantile(e, level) for e in errors] for level in _END_LEVELS])
        sizes = [1, len(model.masses_), len(parts) - 1 - len(model.masses_)]
        five, self.mass, *three = b.parts(values, sizes)
        five_scatter, self.mass_scatter, *three_scatter = b.parts(scatter, sizes)
        found = [(five, five_scatter, quantiles[:, 0]), *zip(three, three_scatter, [quantiles[:, -1]], strict=False)]
        self._pick_abs_mag(found)
        self.mass_quantiles = quantiles[:, 1 : 1 + len(model.masses_)]

    def _pick_abs_mag(self, found):
        """Absolute magnitude and its bounds in double, by the network that has the labels it needs."""
        b = self.b
        self.has_abs_mag = self._has_labels()
        values = [b.reshape(self._double(value), [-1]) for value, _, _ in found]
        bounds = [b.op("Mul", self._double(scatter), quantiles[:, None]) for _, scatter, quantiles in found]
        self.fallback = self._without_cn() if len(found) > 1 else None
        self.abs_mag, self.abs_mag_bounds = values[0], bounds[0]
        if self.fallback is not None:
            self.abs_mag = b.op("Where", self.fallback, values[1], values[0])
            self.abs_mag_bounds = b.op("Where", self.fallback, bounds[1], bounds[0])
        self.abs_mag = b.nan_unless(self.has_abs_mag, self.abs_mag)

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
        """Where the network without C and N is used."""
        return self.b.op("And", self.has_three, self.b.op("Not", self.has_five))

    def _has_labels(self):
        """Where there are labels enough for an absolute magnitude."""
        return self.has_five if self.model.abs_mag_fallback_ is None else self.has_three

    def _answer_spaces(self):
        b, model = self.b, self.model
        spaces, present = [model.mass_space_, model.distance_space_], [self.has_five, self.has_five]
        if self.fallback is not None:
            spaces.append(model.fallback_space_)
            present.append(self.has_three)
        products = pair_products(b, self.with_ones, len(LABEL_NAMES))
        answers = space_answers(b, spaces, products, self.center, self.scale, present, self.dtype)
        mass, distance, *without_cn = b.vectors(answers, len(spaces))
        fallback = self.fallback
        if fallback is None:
            fallback = b.op("And", self.has_five, b.op("Not", self.has_five))
        else:
            # Without two labels nothing better than "edge" can be said.
            edge = b.const(Space.EDGE, np.int32)
            at_best = b.op("Where", b.op("Less", without_cn[0], edge), edge, without_cn[0])
            distance = b.op("Where", fallback, at_best, distance)
        self._set("MASS_SPACE", mass, np.int32)
        self._set("DISTANCE_SPACE", distance, np.int32)
        self._set("LABEL_FALLBACK", fallback, np.bool_)

    def _give_distances(self):
        b, bounds = self.b, self.abs_mag_bounds
        lower, upper, *_ = b.vectors(bounds, len(_ENDS))
        self._set("ABS_MAG", self.abs_mag)
        self._set("ABS_MAG_ERR", b.nan_unless(self.has_abs_mag, b.op("Mul", b.op("Sub", upper, lower), 0.5)))
        if self.input_errors:
            photometric = b.op("MatMul", np.ones((1, 2)), b.op("Mul", self.photometric, self.photometric))
        else:
            photometric = b.const([[self.cuts.mag_error**2 + self.cuts.extinction_error**2]])
        # Twice the errors are four times the variance.
        photometric = b.op("Mul", photometric, np.array([[1.0], [1.0], [4.0], [4.0]]))
        widened = b.op("Sqrt", b.op("Add", b.op("Mul", bounds, bounds), photometric))
        modulus = b.op("Sub", b.op("Sub", self.mag, self.extinction), self.abs_mag)
        distance = b.op("Mul", b.op("Exp", b.op("Mul", modulus, 0.2 * _LN_10)), 0.01)
        # The star is farther where its magnitude is lower.
        factors = b.op("Exp", b.op("Mul", widened, np.array([[0.2], [-0.2], [0.2], [-0.2]]) * _LN_10))
        high, low, high_95, low_95 = b.vectors(b.op("Mul", factors, distance), len(_ENDS))
        self._set("DISTANCE", distance)
        for end, value in zip(_ENDS, (low, high, low_95, high_95), strict=True):
            self._set(f"DISTANCE_{end}", value)
        self._set("DISTANCE_ERR", b.op("Mul", b.op("Sub", high, low), 0.5))

    def _give_masses(self):
        """Masses and the ends of their intervals, without NaN for the ages and with them for the catalogue."""
        b, n_scales, dtype, n_ends = self.b, len(self.model.masses_), self.dtype, len(_ENDS)
        smallest = SMALLEST_MASS[dtype.name]
        self.ln_mass = b.op("Log", b.op("Max", self.mass, self._const(smallest)))
        self.has_ends = b.op("And", b.op("Not", b.op("Less", self.mass, self._const(0.0))), self.has_five)
        scatter, quantiles = self.mass_scatter, np.nan_to_num(self.mass_quantiles)
        has_errors = ~np.isnan(self.mass_quantiles[0])[:, None]
        if not has_errors.all():
            scatter = b.op("Where", b.const(has_errors, np.bool_), scatter, self._const(0.0))
            self.has_ends = b.op("And", self.has_ends, b.const(has_errors, np.bool_))
        spread = b.op("Mul", b.reshape(scatter, [1, n_scales, -1]), self._const(quantiles[:, :, None]))
        self.ln_width = b.op("Mul", scatter, self._const((quantiles[1] - quantiles[0])[:, None]))
        self.ln_ends = b.reshape(b.op("Add", self.ln_mass, spread), [n_ends * n_scales, -1])
        self.ends = b.op("Exp", self.ln_ends)
        no_ends = b.nan_where_not(self.has_ends, dtype)
        ends = b.op("Add", b.reshape(self.ends, [n_ends, n_scales, -1]), no_ends)
        masses = b.nan_unless(self.has_five, self.mass, dtype)
        names = [mass_columns(scale)[0] for scale in self.model.masses_]
        self._set_all(names, masses)
        self._set_all([f"{name}_{end}" for end in _ENDS for name in names], ends)
        # The error is a difference, which single precision would spoil.
        mass, own = (self._double(rows) for rows in (self.mass, scatter))
        ln_mass = b.op("Log", b.op("Max", mass, smallest))
        low, high = (b.op("Exp", b.op("Add", ln_mass, b.op("Mul", own, row[:, None]))) for row in quantiles[:2])
        self.mass_error = b.op("Mul", b.op("Sub", high, low), 0.5)
        error = b.op("Add", self.mass_error, self._double(no_ends))
        self._set_all([f"{name}_ERR" for name in names], error, np.float64, first="MASS_ERR")

    def _set_all(self, names, rows, dtype=None, *, first=None):
        """Name the rows of a matrix, by default of the working type, as columns; the first row as another one, too."""
        values = self.b.vectors(rows, len(names))
        for name, value in zip([*names, first or names[0]], [*values, values[0]], strict=True):
            self._set(name, value, dtype or self.dtype)

    def _give_ages(self):
        b, n_scales, dtype = self.b, len(self.model.masses_), self.dtype
        giant = b.op("And", self.has_logg, b.op("Less", self.logg, GIANT_LOGG))
        ages = AgeGraph(b, self.model.age_, self._working(self.feh), self.has_feh, dtype)
        masses = b.stack([self.mass, self.ends])
        logs = ages.ln_initial(masses, b.stack([self.ln_mass, self.ln_ends]))
        given = self.mass, self._working(self.mass_error), self.ln_width
        log_age, half_interval, slope_error = ages.log_age_and_errors(logs, n_scales, len(_ENDS), *given)
        # A star without an age has no interval of ages either. Ends beyond the relation are ages at its end.
        some = b.op("And", ages.covered(self.mass), b.op("And", giant, self.has_five))
        both = b.op("And", some, self.has_ends)
        has_age = b.stack([some, *[both] * len(_ENDS)])
        # The lower mass has the higher age.
        names = [mass_columns(scale)[1] for scale in self.model.masses_]
        ends = ("", "_HI", "_LO", "_HI95", "_LO95")
        self._set_all([name + end for end in ends for name in names], b.nan_unless(has_age, log_age, dtype))
        beyond = b.parts(ages.beyond(self.ends), [n_scales] * len(_ENDS))
        clipped, clipped_95 = (b.op("And", both, b.op("Or", *beyond[i : i + 2])) for i in (0, 2))
        has_error = b.op("And", both, b.op("Less", self.mass_error, np.inf))
        error = b.op("Where", clipped, b.nan_unless(has_error, slope_error, dtype), half_interval)
        error = b.nan_unless(both, error, dtype)
        self._set_all([f"{name}_ERR" for name in names], error, first="AGE_ERR")
        old = b.op("Greater", b.rows(log_age, range(n_scales)), self._const(np.log10(UNIVERSE_AGE) + 9.0))
        flag = b.op("Add", ages.flag(self.mass, self.has_five), b.code(b.op("Not", giant), int(AgeFlag.NOT_GIANT)))
        known = ((AgeFlag.CLIPPED, clipped), (AgeFlag.CLIPPED_95, clipped_95), (AgeFlag.OLD, b.op("And", some, old)))
        for bit, condition in known:
            flag = b.op("Add", flag, b.code(condition, int(bit)))
        self._set_all([f"{name}_FLAG" for name in names], flag, np.int32, first="AGE_FLAG")

    def _mark_training(self):
        b, model = self.b, self.model
        bits = training_bits(b, model.training_.keys, model.training_.bits, KEY_FACTORS, self.key_labels)
        outside = b.op("Not", b.op("Less", self.columns["MASS_SPACE"][0], b.const(Space.OUTSIDE, np.int32)))
        self._set("BITMASK", b.op("Add", bits, b.code(outside, int(Bit.OUTSIDE_MASS_SPACE))), np.int32)

    def _write_outputs(self):
        """Name the outputs in the order of a catalogue, in their types."""
        types = {}
        for name in (column.name for column in layout(self.model.masses_)):
            if name not in self.columns:
                continue
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
