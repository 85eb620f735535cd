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

    def likelihood(self, place, lanes):
        """Return the likelihoods of a place for the stars of the lanes, 0 beyond their limits."""
        (feh, teff, logg), (a, shift_1, b, c, shift_2, d, e, h, shift_3, limit) = map(self.splat, place), lanes
        z1 = self.add(self.multiply(feh, a), shift_1)
        z2 = self.add(self.multiply(teff, b), self.multiply(feh, c), shift_2)
        z3 = self.add(self.multiply(logg, d), self.multiply(feh, e), self.multiply(teff, h), shift_3)
        t = self.add(*(self.multiply(z, z) for z in (z1, z2, z3)))
        y = self.constant(1.0 / 24.0)
        for coefficient in _SERIES:
            y = self.add(self.constant(coefficient), self.multiply(t, y))
        for _ in range(_SQUARINGS):
            y = self.multiply(y, y)
        return self.builder.select(self.builder.fcmp_ordered("<=", t, limit), y, self.constant(0.0))


_PLACE, _BINS, _LANES, _TERM, _SUMS, _HISTOGRAMS, _BOUNDS = 0, 1, 4, 5, 6, 7, 8


@intrinsic
def add_points(typing_context, place, bins, first, last, lanes, term, sums, histograms, bounds):
    """Add the points from `first` to `last` to the histograms of a batch of stars.

    It is written in the compiler's own vectors, because the compiler makes single steps of a loop of so few.

    Parameters
    ----------
    place : ndarray of float32, shape (4, n_points)
        [Fe/H], Teff, log g and weight.
    bins : ndarray of int16, shape (n_quantities, n_points)
        Bins of each quantity, M_Ks first.
    first, last : int
        Which points.
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
        which = (_PLACE, _BINS, _LANES, _TERM, _SUMS, _HISTOGRAMS, _BOUNDS)
        arrays = {k: context.make_array(signature.args[k])(context, builder, values[k]) for k in which}
        word = values[2].type
        v, rows = _Vectors(builder, arrays, word), [ir.Constant(word, k) for k in range(10)]
        star = [v.load(_LANES, row) for row in rows]
        largest, squares = (cgutils.alloca_once_value(builder, v.load(_SUMS, row)) for row in rows[:2])
        bound_pointers = [builder.gep(arrays[_BOUNDS].data, [row]) for row in rows[:2]]
        ends = [cgutils.alloca_once_value(builder, builder.load(pointer)) for pointer in bound_pointers]
        n_histograms, n_bins = (builder.extract_value(arrays[_HISTOGRAMS].shape, k) for k in (0, 1))
        with cgutils.for_range_slice(builder, values[2], values[3], rows[1]) as (point, _):
            y = v.likelihood([v.number(_PLACE, row, point) for row in rows[:3]], star)
            old = builder.load(largest)
            builder.store(builder.select(builder.fcmp_ordered(">", y, old), y, old), largest)
            y = v.multiply(y, v.splat(v.number(_PLACE, rows[3], point)))
            builder.store(v.add(v.multiply(y, y), builder.load(squares)), squares)
            magnitude = builder.sext(v.number(_BINS, rows[0], point), word)
            for end, order in zip(ends, "<>", strict=True):
                old = builder.load(end)
                builder.store(builder.select(builder.icmp_signed(order, magnitude, old), magnitude, old), end)
            v.store(v.add(y, v.load(_HISTOGRAMS, magnitude)), _HISTOGRAMS, magnitude)
            with cgutils.for_range_slice(builder, rows[1], n_histograms, rows[1]) as (quantity, _):
                position = builder.sext(v.number(_BINS, quantity, point), word)
                position = builder.add(builder.mul(quantity, n_bins), position)
                weighed = v.multiply(y, v.load(_TERM, magnitude))
                v.store(v.add(weighed, v.load(_HISTOGRAMS, position)), _HISTOGRAMS, position)
        for row, pointer in zip(rows, (largest, squares), strict=False):
            v.store(builder.load(pointer), _SUMS, row)
        for pointer, end in zip(bound_pointers, ends, strict=True):
            builder.store(builder.load(end), pointer)
        return context.get_dummy_value()

    return types.void(place, bins, first, last, lanes, term, sums, histograms, bounds), generate
