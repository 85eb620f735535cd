"""The age relation in a graph: bounds, flags, and bicubic patches looked up by mass and metallicity."""

import numpy as np

from skdistmass.ages import AgeFlag
from skdistmass.labels import _LOWEST_VALUE

__all__ = ["AgeGraph"]

_LN_10 = np.log(10.0)


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

    Parameters
    ----------
    b : GraphBuilder
    ages : IsochroneAgeTransformer
    feh : str
        [Fe/H] without NaN, shape (N,), double.
    feh_present : str
        Where it is known.
    dtype : numpy type
        Of the ages of `evaluate`, unless another is asked for.
    """

    def __init__(self, b, ages, feh, feh_present, dtype=np.float64):
        self.b, self.dtype = b, dtype
        self.relation = ages._relation()
        self.mass_loss, self.to_edge = ages.mass_loss, ages.out_of_bounds == "edge"
        (self.low, self.high), feh_bounds = ages._bounds()
        self.feh_present = feh_present
        self.feh_low, self.feh_high = b.op("Less", feh, feh_bounds[0]), b.op("Greater", feh, feh_bounds[1])
        inside = b.clip(feh, *feh_bounds)
        knots = self.relation.feh_knots
        self.column = self._interval(knots, inside)
        left = b.op("Gather", knots[:-1], self.column, axis=0)
        self.v = b.op("Mul", b.op("Sub", inside, left), b.op("Gather", 1.0 / np.diff(knots), self.column, axis=0))
        self._limit_mass()
        self.feh_usable = feh_present
        if not self.to_edge:
            beyond = b.op("Or", self.feh_low, self.feh_high)
            self.feh_usable = b.op("And", feh_present, b.op("Not", beyond))

    def _interval(self, knots, values):
        """Interval of each value, int64."""
        b = self.b
        start, per_unit, table, n_steps = _bins(knots)
        place = b.op("Mul", b.op("Sub", values, start), per_unit)
        interval = b.op("Gather", b.const(table, np.int64), b.cast(place, np.int64), axis=0)
        upper = np.append(knots[1:-1], np.inf)  # the last interval has no next one
        for _ in range(n_steps):
            beyond = b.op("Not", b.op("Less", values, b.op("Gather", upper, interval, axis=0)))
            interval = b.op("Add", interval, b.cast(beyond, np.int64))
        return interval

    def _limit_mass(self):
        """Lowest and highest initial mass: constants, or vectors where the relation's ends move with [Fe/H]."""
        for name, pick, log_ends, end in zip(
            ("low", "high"), ("Max", "Min"), self.relation._log_mass_ends, self.relation.mass_range, strict=True
        ):
            if not np.all(log_ends == np.log10(end)):
                b = self.b
                left = b.op("Gather", b.const(log_ends[:-1]), self.column, axis=0)
                rise = b.op("Gather", b.const(np.diff(log_ends)), self.column, axis=0)
                log_end = b.op("Add", left, b.op("Mul", rise, self.v))
                covered = b.op("Exp", b.op("Mul", log_end, _LN_10))
                setattr(self, name, b.op(pick, covered, getattr(self, name)))

    def initial(self, mass):
        return self.b.op("Add", mass, self.mass_loss) if self.mass_loss else mass

    def known_mass(self, mass):
        """Mass with NaN where it can't be read as one (as in `as_floats`)."""
        b = self.b
        usable = b.op("And", b.op("Greater", mass, _LOWEST_VALUE), b.op("Less", mass, np.inf))
        return b.nan_unless(usable, mass)

    def flag(self, mass):
        """Bits of `AgeFlag` for a vector of masses, int32."""
        b = self.b
        initial = self.initial(mass)
        # The limits of mass, too, are unknown where the metallicity is.
        beyond = (
            (AgeFlag.MASS_LOW, b.op("Less", initial, self.low)),
            (AgeFlag.MASS_HIGH, b.op("Greater", initial, self.high)),
            (AgeFlag.FEH_LOW, self.feh_low),
            (AgeFlag.FEH_HIGH, self.feh_high),
        )
        missing = b.op("Or", b.op("IsNaN", mass), b.op("Not", self.feh_present))
        total = b.code(missing, int(AgeFlag.MISSING))
        for bit, condition in beyond:
            total = b.op("Add", total, b.code(b.op("And", self.feh_present, condition), int(bit)))
        return total

    def covered(self, mass):
        """Whether the masses get ages: known, and within the bounds unless those beyond get the edge's age."""
        b = self.b
        initial = self.initial(mass)
        if self.to_edge:
            inside = b.op("Not", b.op("IsNaN", mass))
        else:
            inside = b.op("Not", b.op("Or", b.op("Less", initial, self.low), b.op("Greater", initial, self.high)))
            inside = b.op("And", inside, b.op("Not", b.op("IsNaN", mass)))
        return b.op("And", inside, self.feh_usable)

    def log_initial(self, mass, covered, ln_mass=None):
        """log10 of initial masses, limited to the bounds; any mass inside them where not `covered`."""
        b = self.b
        if ln_mass is not None and not self.mass_loss:
            log_mass = b.op("Mul", ln_mass, 1.0 / _LN_10)
        else:
            initial = b.op("Where", covered, self.initial(mass), 1.0)
            log_mass = b.op("Mul", b.op("Log", b.op("Max", initial, 1e-300)), 1.0 / _LN_10)
        log_low, log_high = (self._log10(end) for end in (self.low, self.high))
        return b.clip(b.op("Where", covered, log_mass, log_low), log_low, log_high)

    def _log10(self, end):
        return self.b.op("Mul", self.b.op("Log", end), 1.0 / _LN_10) if isinstance(end, str) else np.log10(end)

    def evaluate(self, log_mass, n_rows, dtype=None, slope=False):
        """log10 age at log10 initial masses within the bounds, shape (n_rows, N); with `slope`, its derivative, too.

        Parameters
        ----------
        log_mass : str
            Shape (n_rows, N), double.
        n_rows : int
        dtype : numpy type, optional
            Of the polynomials.
        slope : bool, default=False
            Whether to return d log10 age / d log10 mass as well.
        """
        b, dtype = self.b, dtype or self.dtype
        knots = self.relation.log_mass_knots
        interval = self._interval(knots, log_mass)
        cell = b.op("Add", b.op("Mul", interval, b.const(len(self.relation.feh_knots) - 1, np.int64)), self.column)
        gathered = b.op("Gather", b.const(self._patches(), dtype), cell, axis=0)
        powers_of_v = b.reshape(b.op("Transpose", gathered, perm=[2, 0, 1]), [5, 4, n_rows, -1])
        *in_v, place = (b.row(powers_of_v, q) for q in range(5))
        left, per_width = b.row(place, 0), b.row(place, 1)
        u = b.op("Mul", b.op("Sub", b.cast(log_mass, dtype), left), per_width)
        in_u = self._horner(in_v, b.cast(self.v, dtype))
        powers = [b.row(in_u, p) for p in range(4)]
        log_age = b.cast(self._horner(powers, u), np.float64)
        if not slope:
            return log_age
        scaled = [b.op("Mul", powers[p], b.const(p, dtype)) for p in (1, 2, 3)]
        return log_age, b.cast(b.op("Mul", self._horner(scaled, u), per_width), np.float64)

    def _patches(self):
        """A patch in each row: coefficients by powers of v and then of u; at the end left knot and 1 / width in mass.

        A row is copied as a whole, which costs little more than one number would.
        """
        coefficients, knots = self.relation.coefficients, self.relation.log_mass_knots
        n_mass, n_feh = coefficients.shape[:2]
        rows = np.zeros((n_mass, n_feh, 20))
        rows[:, :, :16] = coefficients.transpose(0, 1, 3, 2).reshape(n_mass, n_feh, 16)
        rows[:, :, 16], rows[:, :, 17] = knots[:-1, None], 1.0 / np.diff(knots)[:, None]
        return rows.reshape(-1, 20)

    def _horner(self, coefficients, x):
        value = coefficients[-1]
        for coefficient in coefficients[-2::-1]:
            value = self.b.op("Add", coefficient, self.b.op("Mul", value, x))
        return value

    def log_age_error(self, mass, mass_error):
        """`IsochroneAgeTransformer.log_age_err` of one vector of masses; NaN where the star has no age."""
        b = self.b
        finite = b.op("And", b.op("Less", mass_error, np.inf), b.op("Greater", mass_error, -1.0))
        usable = b.op("And", self.covered(mass), finite)
        sigma = b.op("Where", usable, mass_error, 0.0)
        initial = b.op("Where", usable, self.initial(mass), self.low)
        centre = b.clip(initial, self.low, self.high)
        ends = [b.clip(b.op(kind, centre, sigma), self.low, self.high) for kind in ("Sub", "Add")]
        masses = b.stack([b.reshape(m, [1, -1]) for m in (centre, *ends)])
        logs = b.op("Mul", b.op("Log", masses), 1.0 / _LN_10)
        log_low, log_high = (self._log10(end) for end in (self.low, self.high))
        log_age, slopes = self.evaluate(b.clip(logs, log_low, log_high), 3, np.float64, slope=True)
        light, heavy = ends
        rise = b.op("Sub", b.row(log_age, 2), b.row(log_age, 1))
        wide = b.op("Greater", b.op("Sub", heavy, light), b.op("Mul", centre, 1e-6))
        run = b.op("Mul", b.op("Log", b.op("Div", heavy, light)), 1.0 / _LN_10)
        secant = b.op("Div", rise, b.op("Where", wide, run, 1.0))
        slope = b.op("Where", wide, secant, b.row(slopes, 0))
        error = b.op("Div", b.op("Mul", slope, sigma), b.op("Mul", centre, -_LN_10))
        return b.nan_unless(usable, error)
