"""Levenberg-Marquardt for a small network: the objective over all rows, the descent, and the race between starts."""

from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import cached_property
from itertools import pairwise

import numpy as np
from scipy.linalg import LinAlgError, cho_factor, cho_solve

__all__ = ["Descent", "LeastSquares", "Stopping", "descend", "pack", "race", "threads", "unpack"]

_ACTIVATIONS = ("identity", "tanh", "logistic", "relu")  # in the order of the kernels' constants
_MAX_SHARES, _MIN_SHARE = 16, 4096  # rows are passed in at most 16 shares of at least 4096 rows


def pack(coefs, intercepts):
    """Put a network's coefficients and intercepts into one vector, layer by layer."""
    return np.concatenate([np.vstack([c, b]).ravel() for c, b in zip(coefs, intercepts, strict=True)])


def unpack(theta, sizes):
    """Return the lists of coefficients and intercepts held in a vector."""
    coefs, intercepts, first = [], [], 0
    for fan_in, fan_out in pairwise(sizes):
        layer = theta[first : first + (fan_in + 1) * fan_out].reshape(fan_in + 1, fan_out)
        coefs.append(layer[:-1].copy())
        intercepts.append(layer[-1].copy())
        first += layer.size
    return coefs, intercepts


@contextmanager
def threads(n_threads):
    """Yield a function that maps over items in `n_threads` threads and yields the results in order."""
    if n_threads == 1:
        yield map
        return
    pool = ThreadPoolExecutor(n_threads)

    def parallel(function, items):
        # No more than n_threads results exist at a time: each may hold a large matrix.
        for first in range(0, len(items), n_threads):
            yield from pool.map(function, items[first : first + n_threads])

    try:
        yield parallel
    finally:
        pool.shutdown(cancel_futures=True)


class LeastSquares:
    """Weighted squared error of a network plus an L2 penalty, as a function of its parameters.

    loss = sum(w r^2) / (2 sum(w)) + penalty sum(coefs^2) / 2
    """

    def __init__(self, X, y, weight, sizes, activation, *, penalty=0.0, block_size=256, parallel=None):
        from skdistmass.networks.kernels import accumulate

        self._accumulate = accumulate
        self.X, self.y, self.weight = X, y, weight / weight.sum()
        self.sizes, self.activation, self.penalty = tuple(sizes), activation, penalty
        self.block_size, self._parallel = min(block_size, len(y)), parallel or map
        n_shares = int(np.clip(len(y) // _MIN_SHARE, 1, _MAX_SHARES))
        bounds = np.linspace(0, len(y), n_shares + 1).astype(int)
        self._shares = list(pairwise(bounds))
        self._penalised = pack([np.ones((i, o)) for i, o in pairwise(sizes)], [np.zeros(o) for o in sizes[1:]])
        self.n_parameters = len(self._penalised)

    def _pass(self, theta, derivatives):
        """Yield (loss, g, H) of each share of the rows, in order."""
        sizes = np.array(self.sizes, dtype=np.int64)
        code = _ACTIVATIONS.index(self.activation)

        def over(share):
            start, stop = share
            return self._accumulate(
                theta, sizes, code, self.X, self.y, self.weight, start, stop, self.block_size, derivatives
            )

        return (self._parallel if len(self._shares) > 1 else map)(over, self._shares)

    def value(self, theta):
        """Return the loss."""
        return sum(share[0] for share in self._pass(theta, False)) + 0.5 * self.penalty * np.sum(
            self._penalised * theta**2
        )

    def expansion(self, theta):
        """Return the loss, its gradient, and the Gauss-Newton matrix.

        The matrix, of shape (n_parameters, n_parameters), is good in its upper triangle only.
        """
        p = self.n_parameters
        loss, g, H = 0.0, np.zeros(p), np.zeros((p, p))
        for share in self._pass(theta, True):
            loss += share[0]
            g += share[1]
            H += share[2][:p, :p]
        ridge = self.penalty * self._penalised
        H[np.diag_indices(p)] += ridge
        return loss + 0.5 * np.sum(ridge * theta**2), g + ridge * theta, H

    @cached_property
    def null_loss(self):
        """Loss of the best constant, with no penalty."""
        return 0.5 * np.sum(self.weight * (self.y - self.weight @ self.y) ** 2)

    @cached_property
    def _reference(self):
        """A loss that a network can about reach: that of a straight line by least squares, or of a constant.

        A unit in its linear range adds a slope b to the output at the price of a penalty of |b|, with the square
        root of |b| as coefficient before and after it.
        """
        # The weights' sum is 1, so that these are means; a design matrix would be the largest array of a training.
        weighted = self.X.T * self.weight
        center, middle = weighted.sum(axis=1), self.weight @ self.y
        slope = np.linalg.lstsq(
            weighted @ self.X - np.outer(center, center), weighted @ self.y - center * middle, rcond=None
        )[0]
        loss_of_line = 0.5 * np.sum(self.weight * (self.X @ slope - self.y + middle - center @ slope) ** 2)
        return min(self.null_loss, loss_of_line + self.penalty * np.linalg.norm(slope))

    def is_lost(self, loss):
        """Tell whether a loss is higher than that of the straight line: that of a bad minimum."""
        return not loss <= 1.01 * self._reference + 1e-6 * self.null_loss


@dataclass
class Descent:
    """How far a descent has come."""

    theta: np.ndarray
    loss: float = np.inf
    curve: list = field(default_factory=list)
    validation_curve: list = field(default_factory=list)
    converged: bool = False

    def keep(self, theta, loss, validation_loss):
        """Add an iteration to the curves; keep its parameters if they are the best so far."""
        self.curve.append(loss)
        best = True
        if validation_loss is not None:
            best = not self.validation_curve or validation_loss < min(self.validation_curve)
            self.validation_curve.append(validation_loss)
        if best:
            self.theta, self.loss = theta, loss


@dataclass(frozen=True)
class Stopping:
    """When a descent ends: see the parameters of `LevenbergMarquardtMLPRegressor`."""

    max_iter: int
    tol: float
    n_iter_no_change: int

    def is_still(self, curve, null_loss):
        """Tell whether the last `n_iter_no_change` values brought less than a share `tol` of the best before.

        A hundredth of the constant's loss counts with it: noise-free targets would have the loss fall without end.
        """
        if len(curve) <= self.n_iter_no_change:
            return False
        before, last = min(curve[: -self.n_iter_no_change]), min(curve[-self.n_iter_no_change :])
        return before - last <= self.tol * (before + 0.01 * null_loss)


class _Damping:
    """The damping of the normal equations and its update after each trial (Nielsen 1999).

    The damping is scaled by the largest diagonal element each parameter has had (More 1978), so that the units of
    the inputs don't matter; a parameter without influence (constant input, dead unit) is held by the floor.
    """

    _HIGHEST = 1e14

    def __init__(self, n_parameters, factor=1e-2):
        self.factor, self._growth = factor, 2.0
        self._scale = np.zeros(n_parameters)

    @property
    def exhausted(self):
        """Whether even a vanishing step brings nothing: the minimum is reached to rounding."""
        return not self.factor < self._HIGHEST

    def step(self, g, H):
        """Return the damped Gauss-Newton step and the fall of the loss it promises, or None if there is none."""
        self._scale = np.maximum(self._scale, np.diagonal(H))
        damped = H.copy()
        added = self.factor * np.maximum(self._scale, 1e-10 * self._scale.max())
        damped[np.diag_indices(len(g))] += added
        try:
            step = -cho_solve(cho_factor(damped, overwrite_a=True, check_finite=False), g, check_finite=False)
        except LinAlgError:  # singular to rounding
            return None
        promised = 0.5 * (added @ step**2 - g @ step)
        return (step, promised) if 0.0 < promised < np.inf else None

    def tighten(self):
        self.factor *= self._growth
        self._growth *= 2.0

    def relax(self, gain):
        self.factor = max(self.factor * np.clip(1.0 - (2.0 * gain - 1.0) ** 3, 1 / 3, 2.0), 1e-14)
        self._growth = 2.0


def _next_point(problem, theta, loss, g, H, damping):
    """Return the next point that lowers the loss and the expansion there, or None if there is none."""
    while not damping.exhausted:
        proposed = damping.step(g, H)
        if proposed is not None:
            step, promised = proposed
            trial = problem.expansion(theta + step)
            if loss - trial[0] > 1e-3 * promised:  # False for NaN
                damping.relax((loss - trial[0]) / promised)
                return theta + step, trial
        damping.tighten()
    return None


def descend(problem, descent, stopping, *, validation=None, callback=None, verbose=False):
    """Go down from `descent.theta` by Levenberg-Marquardt steps; keep what is reached in `descent`."""
    theta = descent.theta
    loss, g, H = problem.expansion(theta)
    if not np.isfinite(loss):
        return
    descent.loss = loss
    nothing_left = 1e-13 * problem.null_loss
    damping = _Damping(len(theta))
    for iteration in range(1, stopping.max_iter + 1):
        found = _next_point(problem, theta, loss, g, H, damping) if loss > nothing_left else None
        if found is None:
            descent.converged = True
            if descent.curve:
                return
            # The start is the minimum already; say so in one iteration.
            found = theta, (loss, g, H)
        theta, (loss, g, H) = found
        validation_loss = None if validation is None else validation.value(theta)
        descent.keep(theta, loss, validation_loss)
        if verbose:
            more = "" if validation is None else f", validation loss = {validation_loss:.8g}"
            print(f"Iteration {iteration}, loss = {loss:.8g}{more}")
        stopped = callback is not None and bool(callback(iteration, loss, validation_loss))
        still = stopping.is_still(descent.curve, problem.null_loss) or (
            validation is not None and stopping.is_still(descent.validation_curve, validation.null_loss)
        )
        descent.converged = descent.converged or stopped or still
        if descent.converged:
            return


def _draw(rng, sizes, activation):
    """Draw coefficients and intercepts as scikit-learn does (Glorot and Bengio 2010)."""
    coefs, intercepts = [], []
    for fan_in, fan_out in pairwise(sizes):
        bound = np.sqrt((2.0 if activation == "logistic" else 6.0) / (fan_in + fan_out))
        coefs.append(rng.uniform(-bound, bound, (fan_in, fan_out)))
        intercepts.append(rng.uniform(-bound, bound, fan_out))
    return pack(coefs, intercepts)


def _solve_output(problem, theta):
    """Return the parameters with those of the output unit, in which the problem is linear, at their optimum."""
    theta = theta.copy()
    output = slice(-(problem.sizes[-2] + 1), None)
    theta[output] = 0.0
    loss, g, H = problem.expansion(theta)
    if np.isfinite(loss):
        H = H[output, output]
        H[np.diag_indices(len(H))] += 1e-8 * np.trace(H) / len(H)  # saturated or equal units make it singular
        theta[output] = -cho_solve(cho_factor(H, check_finite=False), g[output])
    return theta


def race(problem, n_starts, n_iter, rng, *, parallel=None, max_rounds=3):
    """Try several random starts for a few iterations each.

    If none of them gets below the loss of the straight line, which any network can come close to, all are taken for
    lost in bad minima, and others are drawn, up to `max_rounds` times.
    """
    ranked = []
    stopping = Stopping(n_iter, 1e-3, 5)

    def run(theta):
        descent = Descent(_solve_output(problem, theta))
        descend(problem, descent, stopping)
        return descent

    for _ in range(max_rounds):
        starts = [_draw(rng, problem.sizes, problem.activation) for _ in range(n_starts)]
        ranked += [descent for descent in (parallel or map)(run, starts) if np.isfinite(descent.loss)]
        ranked.sort(key=lambda descent: descent.loss)
        if ranked and not problem.is_lost(ranked[0].loss):
            break
    return ranked
