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
#: By how much an even grid may change an age (dex); it does for one mass in ten thousand, which is next to a knot.
_TOLERANCE = 2e-11


def _moved(cubics, start, width):
    """Cubics in the place x, shape (4, n_intervals, n), as those in the place t, where x = start + width t."""
    c0, c1, c2, c3 = cubics
    x, width = (np.broadcast_to(values, len(c0))[:, None] for values in (start, width))
    moved = _value(cubics, x), c1 + x * (2.0 * c2 + 3.0 * x * c3), c2 + 3.0 * x * c3, c3
    return np.stack([part * width**power for power, part in enumerate(moved)])


def _on_even_grid(knots, cubics, *, along):
    """The cubics of intervals as those of as many even intervals, and by how much these miss each other (dex).

    Knots that were rounded are nearly even. Between a knot and that of the grid the wrong one of two cubics serves, and
    is off by less than at the latter. The unit is an interval; the place begins in each or, `along`, in the first.
    """
    left, widths, count = np.linspace(knots[0], knots[-1], len(knots)), np.diff(knots), len(knots) - 1
    even = _moved(cubics, (left[:-1] - knots[:-1]) / widths, (left[1] - left[0]) / widths)
    if along:
        even = _moved(even, -np.arange(count), 1.0)
    start = np.arange(1, count)[:, None] if along else 0.0
    at_start, at_end = (
        _value(part, place) for part, place in ((even[:, 1:], start), (even[:, :-1], start + (not along)))
    )
    return even, np.abs(at_start - at_end).max(initial=0.0)


def _value(cubics, x):
    c0, c1, c2, c3 = cubics
    return c0 + x * (c1 + x * (c2 + x * c3))


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


def _between(knots, low, high):
    """The last knot that is not above some numbers, and the first after it that is not below them."""
    first = min(max(np.searchsorted(knots, low, side="right") - 1, 0), len(knots) - 2)
    return first, min(max(np.searchsorted(knots, high, side="left"), first + 1), len(knots) - 1)


class AgeGraph:
    """Ages of stars whose metallicity is one vector, for any number of rows of masses.

    Masses may be infinite, but not NaN: they become indices of tables.
    """

    def __init__(self, b, ages, feh, feh_present, dtype=np.float64):
        self.b, self.dtype = b, np.dtype(dtype)
        self.relation = ages.used_relation()
        self.mass_loss, self.to_edge = ages.mass_loss, ages.out_of_bounds == "edge"
        (self.low, self.high), (feh_low, feh_high) = self.bounds = ages.used_bounds()
        self._keep_used(feh_low, feh_high)
        feh_low, feh_high = self._const(feh_low), self._const(feh_high)
        self.feh_present = feh_present
        self.feh_low, self.feh_high = b.op("Less", feh, feh_low), b.op("Greater", feh, feh_high)
        self.feh_usable = feh_present
        if not self.to_edge:
            beyond = b.op("Or", self.feh_low, self.feh_high)
            self.feh_usable = b.op("And", feh_present, b.op("Not", beyond))
        self._weigh_metallicities(b.clip(feh, feh_low, feh_high) if self.to_edge else feh)
        self._limit_mass()
        self._make_cubics()

    def _const(self, values):
        return self.b.const(values, self.dtype)

    def _keep_used(self, feh_low, feh_high):
        """Keep the part of the relation that lies within the bounds."""
        relation = self.relation
        light, heavy = _between(relation.log_mass_knots, *np.log10(self.bounds[0]))
        poor, rich = _between(relation.feh_knots, feh_low, feh_high)
        self.ln_mass_knots = relation.log_mass_knots[light : heavy + 1] * _LN_10
        self.feh_knots = relation.feh_knots[poor : rich + 1]
        self.coefficients = relation.coefficients[:, light:heavy, poor : rich + 1]
        self.log_mass_ends = relation.log_mass_ends[:, poor : rich + 1]

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

    def _make_cubics(self):
        """The cubic of each interval, from its four tables by interval and knot in [Fe/H]."""
        b, single = self.b, self.dtype == np.float32
        knots = self.ln_mass_knots
        even, miss = _on_even_grid(knots, self.coefficients, along=not single)
        self.is_even = miss < _TOLERANCE
        if self.is_even:
            self.start, self.unit = knots[0], (knots[-1] - knots[0]) / (len(knots) - 1)
            # The highest knot, too, is the start of an interval.
            cubics = np.concatenate([even, _moved(even[:, -1:], float(single), 1.0)], axis=1)
            left = np.linspace(knots[0], knots[-1], len(knots))
        else:
            self.knots = knots.astype(self.dtype).astype(np.float64)  # as they are in the graph
            left, self.unit = self.knots[:-1], 1.0
            cubics = _moved(self.coefficients, 0.0, 1.0 / np.diff(knots))
        self.slope = 0.0
        if single:
            # A straight line in ln mass is taken out of the ages: differences of what remains keep their digits.
            self.slope, self.zero = np.polyfit(left, cubics[0].mean(axis=1), 1)
            cubics[0] -= (self.zero + self.slope * left)[:, None]
            cubics[1] -= self.slope * self.unit
        self.cubics = [b.op("MatMul", self._const(table), self.weights) for table in cubics]

    @property
    def is_positive(self):
        """Whether every mass that gets an age is above zero, and its error finite and no rounding."""
        return not self.to_edge and self.bounds[0][0] > self.mass_loss

    def initial(self, mass):
        return self.b.op("Add", mass, self._const(self.mass_loss)) if self.mass_loss else mass

    def bits(self, mass, has_mass):
        """Bits of `AgeFlag` and where they hold: those of a star, and those of each of its masses."""
        b = self.b
        # The limits of mass, too, are unknown where the metallicity is.
        known = b.op("And", self.feh_present, has_mass)
        of_star = {
            AgeFlag.MISSING: b.op("Not", known),
            AgeFlag.FEH_LOW: b.op("And", self.feh_present, self.feh_low),
            AgeFlag.FEH_HIGH: b.op("And", self.feh_present, self.feh_high),
        }
        outside = zip((AgeFlag.MASS_LOW, AgeFlag.MASS_HIGH), self._outside(mass), strict=True)
        return of_star, {bit: b.op("And", known, where) for bit, where in outside}

    def _outside(self, mass):
        """Whether masses are below the bounds, and whether they are above."""
        initial = self.initial(mass)
        return self.b.op("Less", initial, self.low), self.b.op("Greater", initial, self.high)

    def beyond(self, mass):
        """Whether masses are outside the bounds of mass."""
        return self.b.op("Or", *self._outside(mass))

    def covered(self, mass, needed):
        """Whether the masses get ages, where a star has what else is needed."""
        b = self.b
        missing = b.op("IsNaN", mass) if self.to_edge else self.beyond(mass)
        return b.op("And", b.op("Not", missing), b.op("And", self.feh_usable, needed))

    def ln_initial(self, mass, ln_mass=None):
        """Natural logarithm of the initial masses, limited to the bounds; `ln_mass` is that of `mass`, if known."""
        b = self.b
        if ln_mass is None or self.mass_loss:
            ln_mass = b.op("Log", b.op("Max", self.initial(mass), self._const(SMALLEST_MASS[self.dtype.name])))
        return b.clip(ln_mass, self.ln_low, self.ln_high)

    def log_age(self, ln_mass, n_rows):
        """log10 age for natural logarithms of initial mass within the bounds, shape (n_rows, N)."""
        values = self._without_line(ln_mass, n_rows)
        if not self.slope:
            return values
        line = self.b.op("Add", self.b.op("Mul", ln_mass, self._const(self.slope)), self._const(self.zero))
        return self.b.op("Add", values, line)

    def log_age_and_errors(self, masses, ln_masses, ln_ends, mass_error, ln_width, no_ages, n_scales):
        """`log_age` of masses and of the ends of their intervals, shape (5, n_scales, N), and two errors of each age.

        The ends are the lower ones of 68.27 % and 95.45 % and the upper ones. The errors are half the interval of
        68.27 %, whose width in ln mass is given, and the error of the mass times the mean slope within it. `no_ages` is
        NaN or 0, to be added to the ages.
        """
        b = self.b
        centre = b.clip(self.initial(masses), self.low, self.high)
        light = b.op("Log", b.op("Max", b.op("Sub", centre, mass_error), self.low))
        heavy = b.op("Log", b.op("Min", b.op("Add", centre, mass_error), self.high))
        every, n_inner = b.stack([ln_masses, ln_ends, light, heavy]), 5 * n_scales
        sizes = [n_inner, n_scales, n_scales]
        values, at_light, at_heavy = b.parts(self._without_line(every, sum(sizes)), sizes)

        def fall(rows):
            """What the rows of the lower ends are above those of the upper ones."""
            return b.op("Sub", *(b.rows(rows, range(first, first + n_scales)) for first in (n_scales, 3 * n_scales)))

        half, run = fall(values), b.op("Sub", heavy, light)
        if not self.is_positive:
            run = b.op("Max", run, self._const(SMALLEST_MASS[self.dtype.name]))
        slope = b.op("Div", b.op("Sub", at_light, at_heavy), run)
        if self.slope:
            inner = b.rows(every, range(n_inner))
            values = b.op("Add", values, b.op("Mul", inner, self._const(self.slope)))
            no_ages = b.op("Add", no_ages, self._const(self.zero))
            if self.mass_loss:
                ln_width = b.op("Mul", fall(inner), self._const(-1.0))
            half = b.op("Sub", half, b.op("Mul", ln_width, self._const(self.slope)))
            slope = b.op("Sub", slope, self._const(self.slope))
        error = b.op("Div", b.op("Mul", slope, mass_error), centre)
        if not self.is_positive:
            # An infinite error is unknown.
            error = b.op("Add", error, b.op("Sub", mass_error, mass_error))
        ages = b.op("Add", b.reshape(values, [5, n_scales, -1]), no_ages)
        return ages, b.op("Mul", half, self._const(0.5)), error

    def _without_line(self, ln_mass, n_rows):
        """Values of the cubics, shape (n_rows, N)."""
        b = self.b
        interval, place = self._place_even(ln_mass) if self.is_even else self._place_uneven(ln_mass, n_rows)
        value, *coefficients = [b.op("GatherElements", cubic, interval, axis=0) for cubic in self.cubics[::-1]]
        for coefficient in coefficients:
            value = b.op("Add", coefficient, b.op("Mul", value, place))
        return value

    def _place_even(self, ln_mass):
        """Interval of each mass, int32, and the place in it."""
        b = self.b
        place = b.op("Mul", b.op("Sub", ln_mass, self._const(self.start)), self._const(1.0 / self.unit))
        interval = b.cast(place, np.int32)
        if self.dtype == np.float32:
            place = b.op("Sub", place, b.cast(interval, self.dtype))
        return interval, place

    def _place_uneven(self, ln_mass, n_rows):
        b, knots = self.b, self.knots

        def look_up(table, index, dtype):
            return b.reshape(b.look_up(table, b.reshape(index, [-1]), dtype), [n_rows, -1])

        start, per_unit, table, n_steps = _bins(knots)
        place = b.op("Mul", b.op("Sub", ln_mass, self._const(start)), self._const(per_unit))
        interval = look_up(table, b.cast(place, np.int32), np.int32)
        upper = np.append(knots[1:-1], np.inf)  # the last interval has no next one
        for _ in range(n_steps):
            beyond = b.op("Not", b.op("Less", ln_mass, look_up(upper, interval, self.dtype)))
            interval = b.op("Add", interval, b.cast(beyond, np.int32))
        return interval, b.op("Sub", ln_mass, look_up(knots[:-1], interval, self.dtype))
