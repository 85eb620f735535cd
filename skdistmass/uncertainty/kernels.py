"""Compiled passes over the residuals: the likelihood of the law of errors and its slope, and a step to its shape."""

import math

import numpy as np

from skdistmass._compiled import compiled

_compiled = compiled(nogil=True, fastmath={"reassoc", "contract", "nsz", "arcp"})
_INV_SQRT_2PI = 1.0 / math.sqrt(2.0 * math.pi)
_LEAST = 1e-300  # a density of zero has no logarithm


@_compiled
def likelihood(scatter, residual, noise, weights, width, center, slope):
    """Return the sum of the logarithms of the densities, and fill `slope` with their derivatives by log scatter."""
    total_log = 0.0
    for row in range(residual.size):
        total = pull_sum = 0.0
        noise_square = noise[row] * noise[row]
        for part in range(width.size):
            own = scatter[row] * width[part]
            own *= own
            middle = scatter[row] * center[part]
            variance = own + noise_square
            distance = residual[row] - middle
            pull = distance / variance
            density = weights[part] * _INV_SQRT_2PI * math.exp(-0.5 * distance * pull) / math.sqrt(variance)
            total += density
            pull_sum += density * ((pull * distance - 1.0) * own / variance + pull * middle)
        total = max(total, _LEAST)
        total_log += math.log(total)
        slope[row] = pull_sum / total
    return total_log


@_compiled
def expected_shares(density, weights, shares):
    """Fill `shares` with the sum over the rows of each part's share in the density."""
    shares[:] = 0.0
    for row in range(density.shape[0]):
        total = 0.0
        for part in range(weights.size):
            total += density[row, part] * weights[part]
        scale = 1.0 / max(total, _LEAST)
        for part in range(weights.size):
            shares[part] += density[row, part] * weights[part] * scale


def log_likelihood(scatter, residual, noise, weights, width, center):
    """Return the sum of the log densities and its derivative by the logarithm of each row's scatter."""
    slope = np.empty(len(residual))
    value = likelihood(scatter, residual, noise, weights, width, center, slope)
    return value, slope
