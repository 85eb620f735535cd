"""A surface z(x, y) that falls strictly with x: monotone cubics along x, straight lines along y."""

import numpy as np
from numpy.typing import NDArray
from scipy.interpolate import NdPPoly, PchipInterpolator
from scipy.optimize.elementwise import find_root

__all__ = ["Surface"]


class Surface:
    """A falling surface through a table.

    Along x each column of the table is interpolated by monotone cubics (PCHIP, Fritsch & Butland 1984), along y the
    columns are mixed linearly. A mean of falling functions falls, so the surface can be inverted at every y.
    """

    def __init__(self, x: NDArray[np.float64], y: NDArray[np.float64], z: NDArray[np.float64]):
        cubics = PchipInterpolator(x, z).c  # highest power of x - x[i] first
        self.coefficients = cubics[::-1] * np.diff(x)[:, None] ** np.arange(4)[:, None, None]
        rise = np.diff(cubics, axis=2) / np.diff(y)
        self._patches = NdPPoly(np.stack([rise, cubics[:, :, :-1]], axis=1), (x.copy(), y.copy()))

    def __call__(
        self, x: NDArray[np.float64], y: NDArray[np.float64], *, derivative: bool = False
    ) -> NDArray[np.float64]:
        """Return z, or dz/dx, at points within the knots; all arrays have shape (n,)."""
        return self._patches(np.column_stack([x, y]), nu=(int(derivative), 0))

    def invert(self, z: NDArray[np.float64], y: NDArray[np.float64]) -> NDArray[np.float64]:
        """Return the x at which the surface has the value z at given y, NaN where there is none."""
        x = self._patches.x[0]
        ends = [np.full(len(z), end) for end in x[[0, -1]]]
        if len(z) == 0:
            return np.empty(0)
        at_low, at_high = (self(end, y) for end in ends)
        # A value computed at an end may miss it by rounding; that is not outside.
        slack = 1e-13 * np.abs(z)
        inside = (z <= at_low + slack) & (z >= at_high - slack)
        wanted = np.clip(z, at_high, at_low)
        root = find_root(lambda x, y, z: self(x, y) - z, ends, args=(y, wanted), tolerances={"xrtol": 1e-15}).x
        return np.where(inside, root, np.nan)
