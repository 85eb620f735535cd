"""One step of the sums over the models, for a batch of stars that are the lanes of one vector."""

from llvmlite import ir
from numba import types
from numba.core import cgutils
from numba.extending import intrinsic

#: Stars of a batch: as many as the widest vectors of processors hold; narrower ones are used in pairs.
LANES = 16
_VECTOR = ir.VectorType(ir.FloatType(), LANES)
_FLAGS = ("contract", "nsz", "reassoc")
# exp(-x) is (1 - t + t^2/2 - t^3/6 + t^4/24)^32 with t = x/32: right to 1e-5 for x < 3, 1e-3 for x = 10.
_SERIES, _SQUARINGS = (-1.0 / 6.0, 0.5, -1.0, 1.0), 5


class _Vectors:
    """Writes instructions on vectors of float32."""

    def __init__(self, builder, arrays, word):
        self.builder, self.arrays, self.word = builder, arrays, word

    def constant(self, value):
        return ir.Constant(_VECTOR, [value] * LANES)

    def number(self, array, row, column):
        """Load one number of an array of two axes."""
        b = self.builder
        position = b.add(b.mul(row, b.extract_value(self.arrays[array].shape, 1)), column)
        return b.load(b.gep(self.arrays[array].data, [position]))

    def pointer(self, array, row):
        """Return where a row of lanes is in an array."""
        b = self.builder
        data = b.gep(self.arrays[array].data, [b.mul(row, ir.Constant(self.word, LANES))])
        return b.bitcast(data, _VECTOR.as_pointer())

    def load(self, array, row):
        return self.builder.load(self.pointer(array, row), align=4)

    def store(self, value, array, row):
        self.builder.store(value, self.pointer(array, row), align=4)

    def splat(self, value):
        """Return a vector of one number."""
        undefined = ir.Constant(_VECTOR, ir.Undefined)
        one = self.builder.insert_element(undefined, value, ir.Constant(ir.IntType(32), 0))
        return self.builder.shuffle_vector(
            one, undefined, ir.Constant(ir.VectorType(ir.IntType(32), LANES), [0] * LANES)
        )

    def add(self, *values):
        total = values[-1]
        for value in values[-2::-1]:
            total = self.builder.fadd(value, total, flags=_FLAGS)
        return total

    def multiply(self, one, other):
        return self.builder.fmul(one, other, flags=_FLAGS)

    def places(self, place, lanes):
        """Return a place in the whitened coordinates of each lane's star."""
        (feh, teff, logg), (a, shift_1, b, c, shift_2, d, e, h, shift_3) = map(self.splat, place), lanes
        return (
            self.add(self.multiply(feh, a), shift_1),
            self.add(self.multiply(teff, b), self.multiply(feh, c), shift_2),
            self.add(self.multiply(logg, d), self.multiply(feh, e), self.multiply(teff, h), shift_3),
        )

    def bends(self, lanes):
        """Return a 16th of the second derivatives of that logarithm; those by two of the three are left out."""
        a, _, b, c, _, d, e, h, _ = lanes
        squares = ((self.multiply(each, each) for each in some) for some in ((a, c, e), (b, h), (d,)))
        return [self.multiply(self.constant(-4.0), self.add(*some)) for some in squares]

    def slopes(self, z, lanes, near):
        """Return an 8th of the derivatives of the logarithm of the likelihood at a place, 0 for stars not near."""
        a, _, b, c, _, d, e, h, _ = lanes
        z1, z2, z3 = (self.multiply(self.constant(-8.0), each) for each in z)
        slopes = (
            self.add(self.multiply(z1, a), self.multiply(z2, c), self.multiply(z3, e)),
            self.add(self.multiply(z2, b), self.multiply(z3, h)),
            self.multiply(z3, d),
        )
        return [self.builder.select(near, slope, self.constant(0.0)) for slope in slopes]

    def likelihoods(self, t, near):
        """Return the likelihoods, 0 for stars that are not near."""
        y = self.constant(1.0 / 24.0)
        for coefficient in _SERIES:
            y = self.add(self.constant(coefficient), self.multiply(t, y))
        for _ in range(_SQUARINGS):
            y = self.multiply(y, y)
        return self.builder.select(near, y, self.constant(0.0))

    def weighed(self, y, slopes, bends, point):
        """Return the likelihoods of a point times its weight, from those of its group, with exp(8 u) as a series.

        It is (1 + u + u^2/2)^8, which falls no further than to its value at -1.
        """
        numbers = [self.splat(self.number(_POINTS, point, ir.Constant(self.word, k))) for k in range(4)]
        u = self.add(
            *(
                self.multiply(offset, self.add(slope, self.multiply(bend, offset)))
                for slope, bend, offset in zip(slopes, bends, numbers[:3], strict=True)
            )
        )
        u = self.builder.select(self.builder.fcmp_ordered(">", u, self.constant(-1.0)), u, self.constant(-1.0))
        one = self.constant(1.0)
        power = self.add(self.multiply(u, self.add(self.multiply(u, self.constant(0.5)), one)), one)
        for _ in range(3):
            power = self.multiply(power, power)
        return self.multiply(power, self.multiply(y, numbers[3]))

    def any(self, flags):
        """Tell whether a flag of any lane is set."""
        bits = self.builder.bitcast(flags, ir.IntType(LANES))
        return self.builder.icmp_unsigned("!=", bits, ir.Constant(ir.IntType(LANES), 0))


_STARTS, _GROUPS, _POINTS, _BINS, _LANES, _TERM, _SUMS, _HISTOGRAMS, _BOUNDS = 0, 1, 2, 3, 6, 7, 8, 9, 10


@intrinsic
def add_groups(typing_context, group_starts, groups, points, bins, first, last, lanes, term, sums, histograms, bounds):
    """Add the groups of points from `first` to `last` to the histograms of a batch of stars.

    It is written in the compiler's own vectors, because the compiler makes single steps of a loop of so few.

    Parameters
    ----------
    group_starts : ndarray of int64, shape (n_groups + 1,)
        First point of each group.
    groups, points : ndarray of float32, shapes (n_groups, 4) and (n_points, 4)
        See `skdistmass.isochrones.distances.cells.Level`.
    bins : ndarray of int16, shape (n_quantities, n_points)
        Bins of each quantity, M_Ks first, which rise within a group.
    first, last : int
        Which groups.
    lanes : ndarray of float32, shape (10, LANES)
        What `skdistmass.isochrones.distances.kernels` says of each star.
    term : ndarray of float32, shape (n_bins, LANES)
        Factor for each bin of M_Ks in the histograms of the other quantities.
    sums : ndarray of float32, shape (2, LANES)
        The largest likelihood so far, and the sum of the squares of the weights.
    histograms : ndarray of float32, shape (n_histograms, n_bins, LANES)
        What is added to.
    bounds : ndarray of int64, shape (2,)
        The first and the last bin of M_Ks so far.
    """

    def generate(context, builder, signature, values):
        which = (_STARTS, _GROUPS, _POINTS, _BINS, _LANES, _TERM, _SUMS, _HISTOGRAMS, _BOUNDS)
        arrays = {k: context.make_array(signature.args[k])(context, builder, values[k]) for k in which}
        word = values[4].type
        v, rows = _Vectors(builder, arrays, word), [ir.Constant(word, k) for k in range(10)]
        star = [v.load(_LANES, row) for row in rows]
        largest, squares = (cgutils.alloca_once_value(builder, v.load(_SUMS, row)) for row in rows[:2])
        bound_pointers = [builder.gep(arrays[_BOUNDS].data, [row]) for row in rows[:2]]
        ends = [cgutils.alloca_once_value(builder, builder.load(pointer)) for pointer in bound_pointers]
        bends = v.bends(star[:9])
        several = builder.icmp_signed(">", builder.extract_value(arrays[_HISTOGRAMS].shape, 0), rows[1])

        def bin_of(quantity, point):
            return builder.sext(v.number(_BINS, quantity, point), word)

        def start_of(group):
            return builder.load(builder.gep(arrays[_STARTS].data, [group]))

        with cgutils.for_range_slice(builder, values[4], values[5], rows[1]) as (group, _):
            z = v.places([v.number(_GROUPS, group, row) for row in rows[:3]], star[:9])
            t = v.add(*(v.multiply(each, each) for each in z))
            near = builder.fcmp_ordered("<=", t, star[9])
            with builder.if_then(v.any(near)):
                y = v.likelihoods(t, near)
                old = builder.load(largest)
                builder.store(builder.select(builder.fcmp_ordered(">", y, old), y, old), largest)
                weighed = v.multiply(v.multiply(y, y), v.splat(v.number(_GROUPS, group, rows[3])))
                builder.store(v.add(weighed, builder.load(squares)), squares)
                begin, end = start_of(group), start_of(builder.add(group, rows[1]))
                for slot, order, point in zip(ends, "<>", (begin, builder.sub(end, rows[1])), strict=True):
                    old, magnitude = builder.load(slot), bin_of(rows[0], point)
                    builder.store(builder.select(builder.icmp_signed(order, magnitude, old), magnitude, old), slot)
                near = y, v.slopes(z, star[:9], near), bends
                _add_points(builder, v, begin, end, near, bin_of, rows)
                with builder.if_then(several):
                    _add_marginals(builder, v, begin, end, near, bin_of, rows)
        for row, pointer in zip(rows, (largest, squares), strict=False):
            v.store(builder.load(pointer), _SUMS, row)
        for pointer, end in zip(bound_pointers, ends, strict=True):
            builder.store(builder.load(end), pointer)
        return context.get_dummy_value()

    arguments = group_starts, groups, points, bins, first, last, lanes, term, sums, histograms, bounds
    return types.void(*arguments), generate


def _add_points(builder, v, begin, end, near, bin_of, rows):
    """Add the points of a group to the histograms of M_Ks."""
    with cgutils.for_range_slice(builder, begin, end, rows[1]) as (point, _):
        magnitude = bin_of(rows[0], point)
        v.store(v.add(v.weighed(*near, point), v.load(_HISTOGRAMS, magnitude)), _HISTOGRAMS, magnitude)


def _add_marginals(builder, v, begin, end, near, bin_of, rows):
    """Add the points of a group to the histograms of the other quantities."""
    n_histograms, n_bins = (builder.extract_value(v.arrays[_HISTOGRAMS].shape, k) for k in (0, 1))
    with cgutils.for_range_slice(builder, begin, end, rows[1]) as (point, _):
        weighed = v.multiply(v.weighed(*near, point), v.load(_TERM, bin_of(rows[0], point)))
        with cgutils.for_range_slice(builder, rows[1], n_histograms, rows[1]) as (quantity, _):
            position = builder.add(builder.mul(quantity, n_bins), bin_of(quantity, point))
            v.store(v.add(weighed, v.load(_HISTOGRAMS, position)), _HISTOGRAMS, position)


@intrinsic
def accumulate(typing_context, histogram, first, last, cumulative, results):
    """Add up the histograms of a batch of stars, bin after bin.

    Parameters
    ----------
    histogram : ndarray of float32, shape (n_bins, LANES)
        What is added up.
    first, last : int
        Which bins.
    cumulative : ndarray of float32, shape (n_bins, LANES)
        Receives the sum up to each bin.
    results : ndarray of float64, shape (3, LANES)
        Receives the sum of all, the mean bin counted from `first` times that, and the fullest bin.
    """

    def generate(context, builder, signature, values):
        arrays = {k: context.make_array(signature.args[k])(context, builder, values[k]) for k in (0, 3, 4)}
        word, double = values[1].type, ir.VectorType(ir.DoubleType(), LANES)
        v = _Vectors(builder, arrays, word)
        total, moment, peak = (cgutils.alloca_once_value(builder, ir.Constant(double, [0.0] * LANES)) for _ in range(3))
        fullest = cgutils.alloca_once_value(builder, v.constant(0.0))
        with cgutils.for_range_slice(builder, values[1], values[2], ir.Constant(word, 1)) as (k, _):
            here, place = v.load(0, k), v.splat(builder.sitofp(builder.sub(k, values[1]), ir.FloatType()))
            wide, place = builder.fpext(here, double), builder.fpext(place, double)
            builder.store(builder.fadd(builder.load(total), wide), total)
            v.store(builder.fptrunc(builder.load(total), _VECTOR), 3, k)
            builder.store(builder.fadd(builder.load(moment), builder.fmul(place, wide)), moment)
            more = builder.fcmp_ordered(">", here, builder.load(fullest))
            for slot, value in ((fullest, here), (peak, place)):
                builder.store(builder.select(more, value, builder.load(slot)), slot)
        for row, slot in enumerate((total, moment, peak)):
            place = builder.gep(arrays[4].data, [ir.Constant(word, row * LANES)])
            builder.store(builder.load(slot), builder.bitcast(place, double.as_pointer()), align=8)
        return context.get_dummy_value()

    return types.void(histogram, first, last, cumulative, results), generate
