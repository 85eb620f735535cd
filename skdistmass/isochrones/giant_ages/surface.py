"""A smooth surface z(x, y) that falls strictly with x: bicubic patches, their evaluation and inversion.

Everything is a piecewise polynomial on explicit knots, so that any language that can look up a row and
multiply (an ONNX graph, for one) evaluates it to the last digits.
"""

import numpy as np
from scipy.interpolate import CubicSpline

__all__ = ["bicubic_coefficients", "evaluate", "invert", "locate"]

# Values and the two end slopes of a cubic on [0, 1] -> its coefficients, lowest power first.
_HERMITE = np.array([[1.0, 0, 0, 0], [0, 0, 1, 0], [-3, 3, -2, -1], [2, -2, 1, 1]])
# Rows handled at a time: the gathered coefficients (16 doubles a row) stay in the processor's cache.
_CHUNK = 1 << 13


def _falling_slopes(x, z):
    """Slopes dz/dx at the knots, of a cubic spline limited so that every column of cubics falls.

    With each slope between zero and 1.5 times the smaller neighbouring secant, the two slopes of an interval
    lie in Fritsch & Carlson's (1980) triangle, so the cubic's Bezier points fall, not only the cubic.
    """
    secants = np.diff(z, axis=0) / np.diff(x)[:, None]
    steepest = 1.5 * np.concatenate([secants[:1], np.maximum(secants[:-1], secants[1:]), secants[-1:]])
    return np.clip(CubicSpline(x, z, axis=0)(x, 1), steepest, 0.0)


def _bezier_steps(x, value, slope):
    """Differences between the Bezier points of the cubics along `x`, shape (3, n_x - 1, n_y)."""
    third = np.diff(x)[:, None] / 3.0
    left, right = third * slope[:-1], third * slope[1:]
    return np.stack([left, np.diff(value, axis=0) - left - right, right])


def bicubic_coefficients(x, y, z):
    """Coefficients of a continuously differentiable surface through `z` that falls with x at every y.

    Along x: cubic splines with limited slopes. Along y: cubics with three-point slopes (Bessel's), of which
    at each y-knot the variation with x is damped as far as needed for the Bezier net of every patch to fall
    with x, which makes the surface itself fall.

    Parameters
    ----------
    x : ndarray of shape (n_x,)
        Increasing knots, at least two.
    y : ndarray of shape (n_y,)
        Increasing knots, at least two.
    z : ndarray of shape (n_x, n_y)
        Values, strictly decreasing along the first axis.

    Returns
    -------
    coefficients : ndarray of shape (n_x - 1, n_y - 1, 4, 4)
        ``coefficients[i, j, p, q]`` multiplies ``u**p * v**q`` on patch (i, j), with
        ``u = (x - x[i]) / (x[i + 1] - x[i])`` and v likewise in y.
    """
    along_x = _falling_slopes(x, z)
    edge_order = 2 if len(y) > 2 else 1
    along_y = np.gradient(z, y, axis=1, edge_order=edge_order)
    mixed = np.gradient(along_x, y, axis=1, edge_order=edge_order)

    width = np.diff(y)
    reach = np.maximum(np.r_[width, 0.0], np.r_[0.0, width]) / 3.0
    steps = np.maximum(-_bezier_steps(x, z, along_x), 0.0)
    pull = reach * np.abs(_bezier_steps(x, along_y, mixed))
    damping = np.divide(steps, pull, out=np.ones_like(pull), where=pull > steps).min(axis=(0, 1))
    mean = along_y.mean(axis=0)
    along_y = mean + damping * (along_y - mean)
    mixed = damping * mixed

    dx, dy = np.diff(x)[:, None], width[None, :]
    corners = np.empty((len(x) - 1, len(y) - 1, 4, 4))
    for row, (value, slope) in enumerate([(z, along_y), (along_x, mixed)]):
        for end_x in (0, 1):
            for end_y in (0, 1):
                cut = (
                    slice(end_x, len(x) - 1 + end_x),
                    slice(end_y, len(y) - 1 + end_y),
                )
                scale = dx if row else 1.0
                corners[:, :, 2 * row + end_x, end_y] = scale * value[cut]
                corners[:, :, 2 * row + end_x, 2 + end_y] = scale * dy * slope[cut]
    return _HERMITE @ corners @ _HERMITE.T


def locate(knots, values):
    """Return the interval each value is in, and where in it on a scale from 0 to 1.

    A value beyond the knots gets the first or last interval, and a position below 0 or above 1.
    """
    index = np.clip(np.searchsorted(knots, values, side="right") - 1, 0, len(knots) - 2)
    return index, (values - knots[index]) / (knots[index + 1] - knots[index])


def _in_chunks(function, *arrays):
    """Apply `function` to pieces of equally long 1-D arrays and join what it returns."""
    result = np.empty(len(arrays[0]))
    for start in range(0, len(result), _CHUNK):
        piece = slice(start, start + _CHUNK)
        result[piece] = function(*(array[piece] for array in arrays))
    return result


def _polynomial_in_u(coefficients, cell, v):
    """Coefficients of the cubics in u at given v, shape (4, n)."""
    c = coefficients[cell]
    return (c[:, :, 0] + v[:, None] * (c[:, :, 1] + v[:, None] * (c[:, :, 2] + v[:, None] * c[:, :, 3]))).T


def evaluate(x_knots, y_knots, coefficients, x, y, *, derivative=False):
    """Evaluate the surface, or its derivative along x.

    Parameters
    ----------
    x_knots, y_knots, coefficients : ndarray
        The surface, as from `bicubic_coefficients`.
    x, y : ndarray of shape (n,)
        Where; finite and within the knots.
    derivative : bool, default=False
        Whether dz/dx is wanted instead of z.

    Returns
    -------
    z : ndarray of shape (n,)
        Values or derivatives.
    """
    flat = coefficients.reshape(-1, 4, 4)
    width = np.diff(x_knots)

    def piece(x, y):
        i, u = locate(x_knots, x)
        j, v = locate(y_knots, y)
        a = _polynomial_in_u(flat, i * coefficients.shape[1] + j, v)
        if derivative:
            return (a[1] + u * (2.0 * a[2] + u * 3.0 * a[3])) / width[i]
        return a[0] + u * (a[1] + u * (a[2] + u * a[3]))

    return _in_chunks(piece, x, y)


def invert(x_knots, y_knots, coefficients, z, y):
    """Find the x at which the surface has the value z at given y.

    Parameters
    ----------
    x_knots, y_knots, coefficients : ndarray
        The surface, as from `bicubic_coefficients`.
    z, y : ndarray of shape (n,)
        Values and where; finite, `y` within the knots.

    Returns
    -------
    x : ndarray of shape (n,)
        NaN where no x within the knots gives the value.
    """
    n_intervals, n_y = coefficients.shape[:2]
    flat = coefficients.reshape(-1, 4, 4)
    at_left_knot = np.ascontiguousarray(flat[:, 0, :])

    def piece(z, y):
        j, v = locate(y_knots, y)
        low, high = np.zeros(len(z), dtype=np.intp), np.full(len(z), n_intervals, dtype=np.intp)
        for _ in range(int(np.ceil(np.log2(n_intervals)))):
            middle = (low + high) // 2
            c = at_left_knot[middle * n_y + j]
            value = c[:, 0] + v * (c[:, 1] + v * (c[:, 2] + v * c[:, 3]))
            beyond = value >= z
            low, high = np.where(beyond, middle, low), np.where(beyond, high, middle)
        u = _falling_root(_polynomial_in_u(flat, low * n_y + j, v), z)
        return x_knots[low] + u * (x_knots[low + 1] - x_knots[low])

    return _in_chunks(piece, z, y)


def _falling_root(a, z):
    """Solve ``a[0] + a[1] u + a[2] u**2 + a[3] u**3 = z`` for u in [0, 1]; NaN if there is none.

    The cubic falls with u. Newton's method, kept inside a bracket that bisection narrows where Newton's step
    would leave it.
    """
    start, fall = a[0] - z, -(a[1] + a[2] + a[3])
    # A value computed at the very end of the range may miss it by rounding; that is not outside.
    slack = 1e-13 * np.abs(a[0])
    outside = (start < -slack) | (start - fall > slack)
    low, high = np.zeros_like(z), np.ones_like(z)
    u = np.clip(start / fall, 0.0, 1.0)
    for _ in range(60):
        value = start + u * (a[1] + u * (a[2] + u * a[3]))
        slope = a[1] + u * (2.0 * a[2] + u * 3.0 * a[3])
        low, high = np.where(value >= 0, u, low), np.where(value <= 0, u, high)
        with np.errstate(divide="ignore", invalid="ignore"):
            new = u - value / slope
        new = np.where((new >= low) & (new <= high), new, 0.5 * (low + high))
        settled = np.abs(new - u) <= 1e-14
        u = new
        if np.all(settled | outside):
            break
    return np.where(outside, np.nan, u)
