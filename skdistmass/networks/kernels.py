"""Compiled passes over the rows: a small network's loss, gradient and Gauss-Newton matrix.

Rows are taken in short blocks that stay in the processor's cache, with the values of one unit (or the derivatives by
one parameter) side by side, so that every loop here runs along rows and is vectorised by the compiler. A pass runs in
one thread and releases the interpreter lock; the caller runs several at once over fixed shares of the rows.

The parameters of a network come as one vector: layer by layer, the matrix of shape (fan_in + 1, fan_out) whose last row
holds the intercepts.
"""

import math

import numpy as np

from skdistmass._compiled import compiled

IDENTITY, TANH, LOGISTIC, RELU = range(4)
# Sums may be reordered to vectorise them. NaN and infinity keep their meaning: they are how divergence is noticed.
_compiled = compiled(nogil=True, fastmath={"reassoc", "contract", "nsz", "arcp"})
_LOG2_E, _LN2_HIGH, _LN2_LOW = 1.4426950408889634, 0.693147180369123816490, 1.90821492927058770002e-10


@_compiled
def _sigmoid(z, height, bits, powers):
    """Replace z by 1 - height / (1 + exp(height z)): the logistic function (height 1) or tanh (height 2).

    exp(x) = 2^m exp(r) with |r| <= ln(2) / 2 and the Taylor series of exp(r), good to 1e-15: free of calls, hence
    vectorised, which the system's functions are not. `powers` is the memory of `bits` seen as float64.
    """
    for k in range(z.size):
        x = min(max(height * z[k], -708.0), 708.0)
        m = math.floor(x * _LOG2_E + 0.5)
        r = (x - m * _LN2_HIGH) - m * _LN2_LOW
        s = 1.0 / 6227020800.0
        s = s * r + 1.0 / 479001600.0
        s = s * r + 1.0 / 39916800.0
        s = s * r + 1.0 / 3628800.0
        s = s * r + 1.0 / 362880.0
        s = s * r + 1.0 / 40320.0
        s = s * r + 1.0 / 5040.0
        s = s * r + 1.0 / 720.0
        s = s * r + 1.0 / 120.0
        s = s * r + 1.0 / 24.0
        s = s * r + 1.0 / 6.0
        s = s * r + 0.5
        s = s * r + 1.0
        s = s * r + 1.0
        bits[k] = (np.int64(m) + 1023) << 52
        z[k] = s + 0.0 * z[k]  # lets NaN through, which min and max swallow
    for k in range(z.size):
        z[k] = 1.0 - height / (1.0 + z[k] * powers[k])


@_compiled
def _activate(z, activation, bits, powers):
    """Replace the weighted sums z by the unit's output."""
    if activation in (TANH, LOGISTIC):
        _sigmoid(z, 2.0 if activation == TANH else 1.0, bits, powers)
    elif activation == RELU:
        for k in range(z.size):
            z[k] = 0.0 if z[k] < 0.0 else z[k]


@_compiled
def _times_derivative(d, a, activation):
    """Multiply d by the derivative of the activation, given the unit's output a."""
    if activation == RELU:
        for k in range(d.size):
            d[k] = d[k] if a[k] > 0.0 else 0.0
    elif activation != IDENTITY:
        lowest = -1.0 if activation == TANH else 0.0
        for k in range(d.size):
            d[k] *= (1.0 - a[k]) * (a[k] - lowest)


@_compiled
def _add_products(J, H):
    """Add J @ J.T to the upper triangle of H, in tiles of 4 x 4 that stay in registers."""
    for i in range(0, J.shape[0], 4):
        for j in range(i, J.shape[0], 4):
            s00 = s01 = s02 = s03 = s10 = s11 = s12 = s13 = 0.0
            s20 = s21 = s22 = s23 = s30 = s31 = s32 = s33 = 0.0
            for k in range(J.shape[1]):
                x0, x1, x2, x3 = J[i, k], J[i + 1, k], J[i + 2, k], J[i + 3, k]
                y0, y1, y2, y3 = J[j, k], J[j + 1, k], J[j + 2, k], J[j + 3, k]
                s00 += x0 * y0
                s01 += x0 * y1
                s02 += x0 * y2
                s03 += x0 * y3
                s10 += x1 * y0
                s11 += x1 * y1
                s12 += x1 * y2
                s13 += x1 * y3
                s20 += x2 * y0
                s21 += x2 * y1
                s22 += x2 * y2
                s23 += x2 * y3
                s30 += x3 * y0
                s31 += x3 * y1
                s32 += x3 * y2
                s33 += x3 * y3
            H[i, j] += s00
            H[i, j + 1] += s01
            H[i, j + 2] += s02
            H[i, j + 3] += s03
            H[i + 1, j] += s10
            H[i + 1, j + 1] += s11
            H[i + 1, j + 2] += s12
            H[i + 1, j + 3] += s13
            H[i + 2, j] += s20
            H[i + 2, j + 1] += s21
            H[i + 2, j + 2] += s22
            H[i + 2, j + 3] += s23
            H[i + 3, j] += s30
            H[i + 3, j + 1] += s31
            H[i + 3, j + 2] += s32
            H[i + 3, j + 3] += s33


@_compiled
def _forward(theta, sizes, activation, A, bits, powers):
    """Fill A, the outputs of all units from the inputs in its first rows; each layer's last row is a constant 1."""
    below, first = 0, 0
    for layer in range(sizes.size - 1):
        fan_in, fan_out = sizes[layer], sizes[layer + 1]
        above = below + fan_in + 1
        for o in range(fan_out):
            z = A[above + o]
            bias = theta[first + fan_in * fan_out + o]
            for k in range(z.size):
                z[k] = bias
            for i in range(fan_in):
                weight, a = theta[first + i * fan_out + o], A[below + i]
                for k in range(z.size):
                    z[k] += weight * a[k]
            if layer < sizes.size - 2:
                _activate(z, activation, bits, powers)
        below = above
        first += (fan_in + 1) * fan_out


@_compiled
def _backward(theta, sizes, activation, A, D, J):
    """Fill D, the output's derivatives by the units' sums (its last row is given), and J, those by the parameters."""
    below = A.shape[0] - 1
    first = theta.size
    for layer in range(sizes.size - 2, -1, -1):
        fan_in, fan_out = sizes[layer], sizes[layer + 1]
        above, below = below, below - fan_in - 1
        first -= (fan_in + 1) * fan_out
        for i in range(fan_in + 1):
            a = A[below + i]
            for o in range(fan_out):
                row, d = J[first + i * fan_out + o], D[above + o]
                for k in range(row.size):
                    row[k] = a[k] * d[k]
        if layer > 0:
            for i in range(fan_in):
                d = D[below + i]
                for k in range(d.size):
                    d[k] = 0.0
                for o in range(fan_out):
                    weight, e = theta[first + i * fan_out + o], D[above + o]
                    for k in range(d.size):
                        d[k] += weight * e[k]
                _times_derivative(d, A[below + i], activation)


@_compiled
def _accumulate(theta, sizes, activation, X, y, weight, start, stop, A, D, J, g, H, residual, root, bits, powers):
    """Add to g and H what the rows start <= row < stop bring, and return their loss; no derivatives if J is empty.

    The scratch arrays come from outside because allocating and slicing arrays takes numba seconds to compile.
    """
    block_size, last = root.size, A.shape[0] - 1
    loss = 0.0
    for begin in range(start, stop, block_size):
        n = min(block_size, stop - begin)
        for i in range(sizes[0]):
            for k in range(n):
                A[i, k] = X[begin + k, i]
        _forward(theta, sizes, activation, A, bits, powers)
        for k in range(n):
            root[k] = math.sqrt(weight[begin + k])
            residual[k] = root[k] * (A[last, k] - y[begin + k])
        for k in range(n, block_size):  # a short last block is filled up with rows of no weight
            root[k] = residual[k] = 0.0
        for k in range(block_size):
            loss += 0.5 * residual[k] * residual[k]
        if J.size > 0:
            for k in range(block_size):
                D[last, k] = root[k]
            _backward(theta, sizes, activation, A, D, J)
            for p in range(theta.size):
                row, s = J[p], 0.0
                for k in range(block_size):
                    s += row[k] * residual[k]
                g[p] += s
            _add_products(J, H)
    return loss


def accumulate(theta, sizes, activation, X, y, weight, start, stop, block_size, derivatives):
    """Pass over the rows start <= row < stop."""
    n_units = sizes.sum() + len(sizes) - 1
    n_padded = -(-len(theta) // 4) * 4 if derivatives else 0
    A, D = np.ones((n_units, block_size)), np.zeros((n_units, block_size))
    J, g, H = np.zeros((n_padded, block_size)), np.zeros(len(theta)), np.zeros((n_padded, n_padded))
    bits = np.zeros(block_size, np.int64)
    scratch = np.zeros(block_size), np.zeros(block_size), bits, bits.view(np.float64)
    loss = _accumulate(theta, sizes, activation, X, y, weight, start, stop, A, D, J, g, H, *scratch)
    return loss, g, H
