"""The age relation in a graph: bounds, flags, and the surface over mass and metallicity.

All masses of a star have the same [Fe/H]. Along it the surface is a sum over the knots, weighted linearly: one product
of matrices makes the cubics in mass, for every interval of mass. Each mass then takes the four coefficients of its
interval.
"""

import numpy as np

from skdistmass.schema.bits import AgeFlag

__all__ = ["SMALLEST_MASS", "AgeGraph"]

_LN_10 = np.log(10.0)
#: What takes the place of masses that are zero or negative in logarithms (Msun); in range of either type.
SMALLEST_MASS = {"float64": 1e-300, "float32": 1e-37}
# Below these relative widths of an interval of mass, the mean of the slopes at its ends is taken for the mean slope:
# the difference of two ages would be rounding.
_NARROW = {"float64": 1e-6, "float32": 3e-4}


def _nearly_even(knots):
    """Whether knots are so evenly spaced that in single precision a straight line tells the interval.

    A cubic that serves a part d of its interval too far is off by d^2 times the step in curvature at the knot, because
    the slope is continuous: by less than 1e-9, the steps being some 0.01.
    """
    even = np.linspace(knots[0], knots[-1], len(knots))
    return np.abs(knots - even).max() < 3e-4 * (even[1] - even[0])


def _bins(knots):
    """A uniform grid fine enough that a table of it, and few comparisons, find the interval of `knots`.

    Returns start, bins per unit, interval at the start of each bin, and the number of comparisons.
    """
    narrowest = np.diff(knots).min()
    n_bins = int(min(4096, np.ceil((knots[-1] - knots[0]) / (0.9 * narrowest)))) + 1
    width = (knots[-1] - knots[0]) / (n_bins - 1)
    # Half a bin is added on either side: a value that rounding has put beyond the ends is still in the table.
    start = knots[0] - 0.5 * width
    edges = start + width * np.arange(n_bins + 1)
    interval = np.clip(np.searchsorted(knots, edges[:-1], side="right") - 1, 0, len(knots) - 2)
    last = np.clip(np.searchsorted(knots, edges[1:], side="right") - 1, 0, len(knots) - 2)
    return start, 1.0 / width, interval, int((last - interval).max())


class AgeGraph:
    """Ages of stars whose metallicity is one vector, for any number of rows of masses.

    Masses may be infinite, but not NaN: they become indices of tables.
    """

    def __init__(self, b, ages, feh, feh_present, dtype=np.float64):
        self.b, self.dtype = b, np.dtype(dtype)
        self.relation = ages.used_relation()
        self.mass_loss, self.to_edge = ages.mass_loss, ages.out_of_bounds == "edge"
        (self.low, self.high), (feh_low, feh_high) = ages.used_bounds()
        self._keep_metallicities(feh_low, feh_high)
        feh_low, feh_high = self._const(feh_low), self._const(feh_high)
        self.feh_present = feh_present
        self.feh_low, self.feh_high = b.op("Less", feh, feh_low), b.op("Greater", feh, feh_high)
        self.feh_usable = feh_present
        if not self.to_edge:
            beyond = b.op("Or", self.feh_low, self.feh_high)
            self.feh_usable = b.op("And", feh_present, b.op("Not", beyond))
        self._weigh_metallicities(b.clip(feh, feh_low, feh_high))
        self._limit_mass()
        self._find_trend()

    def _const(self, values):
        return self.b.const(values, self.dtype)

    def _keep_metallicities(self, low, high):
        """Keep the part of the relation that lies within bounds of [Fe/H]."""
        knots = self.relation.feh_knots
        first, last = np.searchsorted(knots, low, side="right") - 1, np.searchsorted(knots, high, side="left")
        self.feh_knots = knots[first : last + 1]
        self.coefficients = self.relation.coefficients[:, :, first : last + 1]
        self.log_mass_ends = self.relation.log_mass_ends[:, first : last + 1]

    def _weigh_metallicities(self, feh):
        """Weights of the knots in [Fe/H]: 1 at the knot, 0 at its neighbours and outside, linear between."""
        b, knots = self.b, self.feh_knots
        per_gap = 1.0 / np.diff(knots)
        offset = b.op("Sub", b.reshape(feh, [1, -1]), self._const(knots[:, None]))
        rising = b.op("Mul", offset, self._const(np.append(0.0, per_gap)[:, None]))
        falling = b.op("Mul", offset, self._const(np.append(-per_gap, 0.0)[:, None]))
        near = b.op("Add", b.op("Min", rising, falling), self._const(1.0))
        self.weights = b.op("Max", near, self._const(0.0))

    def _limit_mass(self):
        """Lowest and highest initial mass: constants, or vectors where the relation's ends move with [Fe/H]."""
        b = self.b
        for name, pick, log_ends, end in zip(
            ("low", "high"), ("Max", "Min"), self.log_mass_ends, self.relation.mass_range, strict=True
        ):
            bound = self._const(getattr(self, name))
            if not np.all(log_ends == np.log10(end)):
                ln_end = b.op("MatMul", self._const(log_ends[None, :] * _LN_10), self.weights)
                bound = b.op(pick, b.reshape(b.op("Exp", ln_end), [-1]), bound)
            setattr(self, name, bound)
        self.ln_low, self.ln_high = b.op("Log", self.low), b.op("Log", self.high)

    def _find_trend(self):
        """The straight line in ln mass that is taken out of the ages, so that single precision keeps differences."""
        values = self.coefficients[0].mean(axis=1)
        self.slope, self.start = np.polyfit(self.relation.log_mass_knots[:-1] * _LN_10, values, 1)

    def initial(self, mass):
        return self.b.op("Add", mass, self._const(self.mass_loss)) if self.mass_loss else mass

    def flag(self, mass, has_mass):
        """Bits of `AgeFlag` for the masses of each scale, int32."""
        b = self.b
        initial = self.initial(mass)
        # The limits of mass, too, are unknown where the metallicity is.
        known = b.op("And", self.feh_present, has_mass)
        beyond = (
            (AgeFlag.MASS_LOW, known, b.op("Less", initial, self.low)),
            (AgeFlag.MASS_HIGH, known, b.op("Greater", initial, self.high)),
            (AgeFlag.FEH_LOW, self.feh_present, self.feh_low),
            (AgeFlag.FEH_HIGH, self.feh_present, self.feh_high),
        )
        total = b.code(b.op("Not", known), int(AgeFlag.MISSING))
        for bit, where, condition in beyond:
            total = b.op("Add", total, b.code(b.op("And", where, condition), int(bit)))
        return total

    def covered(self, mass):
        """Whether the masses get ages: within the bounds, unless those beyond get the edge's age."""
        b = self.b
        if self.to_edge:
            return b.op("And", b.op("Not", b.op("IsNaN", mass)), self.feh_usable)
        return b.op("And", b.op("Not", self.beyond(mass)), self.feh_usable)

    def beyond(self, mass):
        """Whether the masses are outside the bounds of mass."""
        initial = self.initial(mass)
        return self.b.op("Or", self.b.op("Less", initial, self.low), self.b.op("Greater", initial, self.high))

    def ln_initial(self, mass, ln_mass=None):
        """Natural logarithm of the initial masses, limited to the bounds; `ln_mass` is that of `mass`, if known."""
        b = self.b
        if ln_mass is None or self.mass_loss:
            ln_mass = b.op("Log", b.op("Max", self.initial(mass), self._const(SMALLEST_MASS[self.dtype.name])))
        return b.clip(ln_mass, self.ln_low, self.ln_high)

    def log_age(self, ln_mass, n_rows):
        """log10 age for natural logarithms of initial mass within the bounds, shape (n_rows, N)."""
        cubics = _Cubics(self, ln_mass, n_rows)
        return self._with_trend(ln_mass, self.b.op("Add", cubics.at_left, cubics.rise))

    def log_age_and_errors(self, ln_mass, n_scales, n_ends, mass, mass_error, ln_width):
        """`log_age` of masses and of the ends of their intervals, and two errors of each scale's age.

        The rows are those of the masses, of the lower and upper ends of 68.27 %, and of further ends.
        """
        b, n_blocks = self.b, 1 + n_ends + 2
        blocks = [range(start, start + n_scales) for start in range(0, n_blocks * n_scales, n_scales)]
        sigma = b.op("Min", mass_error, self._const(1e30))
        centre = b.clip(self.initial(mass), self.low, self.high)
        light, heavy = (b.clip(b.op(kind, centre, sigma), self.low, self.high) for kind in ("Sub", "Add"))
        ends = b.clip(b.op("Log", b.stack([light, heavy])), self.ln_low, self.ln_high)
        every = b.stack([ln_mass, ends])
        cubics = _Cubics(self, every, n_blocks * n_scales)
        slope, _ = self._mean_slope(cubics, every, *blocks[-2:])
        error = b.op("Div", b.op("Mul", slope, sigma), b.op("Mul", centre, self._const(-1.0)))
        slope, run = self._mean_slope(cubics, every, *blocks[1:3])
        drop = b.op("Mul", slope, run if self.mass_loss else ln_width)
        values = b.op("Add", *(b.rows(part, range(blocks[-2].start)) for part in (cubics.at_left, cubics.rise)))
        return self._with_trend(ln_mass, values), b.op("Mul", drop, self._const(-0.5)), error

    def _mean_slope(self, cubics, ln_mass, light, heavy):
        """Mean slope of the age from some rows of masses to others, and the difference of their logarithms.

        Where the two are too near for a difference of rounded numbers, it is the mean of the slopes at both.
        """
        b = self.b
        run = b.op("Sub", b.rows(ln_mass, heavy), b.rows(ln_mass, light))
        wide = b.op("Greater", run, self._const(_NARROW[self.dtype.name]))
        secant = b.op("Div", cubics.difference(light, heavy), b.op("Where", wide, run, self._const(1.0)))
        at_ends = b.op("Mul", b.op("Add", cubics.slope(light), cubics.slope(heavy)), self._const(0.5))
        slope = b.op("Where", wide, secant, at_ends)
        return b.op("Add", slope, self._const(self.slope)), run

    def _with_trend(self, ln_mass, value):
        trend = self.b.op("Add", self.b.op("Mul", ln_mass, self._const(self.slope)), self._const(self.start))
        return self.b.op("Add", value, trend)

    def mass_knots(self):
        """Knots in ln mass, as they are in the graph's type."""
        return (self.relation.log_mass_knots * _LN_10).astype(self.dtype).astype(np.float64)

    def cubic_tables(self):
        """For each power of the place in an interval of mass: its coefficient by interval and knot in [Fe/H]."""
        knots, tables = self.mass_knots(), self.coefficients.copy()
        tables[0] -= (self.start + self.slope * knots[:-1])[:, None]
        tables[1] -= (self.slope * np.diff(knots))[:, None]
        return tables


class _Cubics:
    """The cubic of each mass in the place within its interval, without the trend.

    The place is the distance from the left knot in ln mass.
    """

    def __init__(self, ages, ln_mass, n_rows):
        self.b, self.dtype, self.n_rows = ages.b, ages.dtype, n_rows
        b, self.knots = self.b, ages.mass_knots()
        self.interval = self._find_interval(ln_mass)
        self.place = b.op("Sub", ln_mass, self._look_up(self.knots[:-1], self.interval))
        width = np.diff(self.knots)[:, None]
        tables = [table / width**power for power, table in enumerate(ages.cubic_tables())]
        by_star = [b.op("MatMul", b.const(table, self.dtype), ages.weights) for table in tables]
        self.at_left, *self.powers = (b.op("GatherElements", table, self.interval, axis=0) for table in by_star)
        self.rise = b.op("Mul", self._horner(self.powers, self.place), self.place)

    def _look_up(self, table, index, dtype=None, *, n_rows=None):
        found = self.b.look_up(table, self.b.reshape(index, [-1]), dtype or self.dtype)
        return self.b.reshape(found, [n_rows or self.n_rows, -1])

    def _find_interval(self, values):
        """Interval of each value, int32."""
        b, knots, last = self.b, self.knots, len(self.knots) - 2
        if self.dtype == np.float32 and _nearly_even(knots):
            per_unit = (last + 1) / (knots[-1] - knots[0])
            place = b.op("Mul", b.op("Sub", values, b.const(knots[0], self.dtype)), b.const(per_unit, self.dtype))
            # At the highest knot, too, the last interval is used.
            return b.cast(b.op("Min", place, b.const(last + 0.5, self.dtype)), np.int32)
        start, per_unit, table, n_steps = _bins(knots)
        place = b.op("Mul", b.op("Sub", values, b.const(start, self.dtype)), b.const(per_unit, self.dtype))
        interval = self._look_up(table, b.cast(place, np.int32), np.int32)
        upper = np.append(knots[1:-1], np.inf)  # the last interval has no next one
        for _ in range(n_steps):
            beyond = b.op("Not", b.op("Less", values, self._look_up(upper, interval)))
            interval = b.op("Add", interval, b.cast(beyond, np.int32))
        return interval

    def difference(self, rows, others):
        """What the values in other rows, of masses at least as high, are above those in some.

        Not the difference of the values, where single precision would lose it: within an interval its left end has no
        part in it, and the end of the next one is the rise over the whole interval above.
        """
        b, interval = self.b, self.b.rows(self.interval, rows)
        first, second, third = (b.rows(power, rows) for power in self.powers)
        width = self._look_up(np.diff(self.knots), interval, n_rows=len(rows))
        over_interval = b.op("Mul", self._horner([first, second, third], width), width)
        step = b.op("Sub", b.rows(self.interval, others), interval)
        apart = b.op("Sub", b.rows(self.at_left, others), b.rows(self.at_left, rows))
        apart = b.op("Where", b.op("Equal", step, b.const(1, np.int32)), over_interval, apart)
        return b.op("Add", apart, b.op("Sub", b.rows(self.rise, others), b.rows(self.rise, rows)))

    def slope(self, rows):
        """Derivative along ln mass in some rows."""
        b = self.b
        first, second, third = (b.rows(power, rows) for power in self.powers)
        second, third = b.op("Mul", second, b.const(2.0, self.dtype)), b.op("Mul", third, b.const(3.0, self.dtype))
        return self._horner([first, second, third], b.rows(self.place, rows))

    def _horner(self, coefficients, x):
        value = coefficients[-1]
        for coefficient in coefficients[-2::-1]:
            value = self.b.op("Add", coefficient, self.b.op("Mul", value, x))
        return value
