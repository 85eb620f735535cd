"""One training run by Levenberg-Marquardt: from random starts to the descent on all rows."""

import os
import threading
from dataclasses import replace

import joblib
import numpy as np

from skdistmass.exceptions import InputError
from skdistmass.networks.solver import Descent, LeastSquares, descend, race

__all__ = ["MANY_ROWS", "Training", "default_threads"]

#: From this number of rows a training starts on every tenth of them, and folds are not trained one by one.
MANY_ROWS = 50_000


def default_threads():
    """Return the number of threads that don't get in the way of whoever runs several fits at once."""
    if threading.current_thread() is not threading.main_thread():
        return 1
    # joblib sets this variable in its worker processes to each one's share of the processors.
    limit = os.environ.get("OMP_NUM_THREADS", "")
    return max(1, min(joblib.cpu_count(), int(limit) if limit.isdigit() and int(limit) else joblib.cpu_count()))


class Training:
    """One training run: the rows it uses, the race of starts, and the descent from the best of them."""

    def __init__(self, training, held, sizes, activation, penalty, block_size, parallel):
        self._training, self.sizes, self._parallel = training, sizes, parallel
        self._shape = {"sizes": sizes, "activation": activation, "block_size": block_size}
        self._penalty = penalty
        self.problem = LeastSquares(*training, **self._shape, penalty=penalty, parallel=parallel)
        self.held = None if held is None else LeastSquares(*held, **self._shape, parallel=parallel)

    def race(self, n_starts, n_iter, n_rows, rng):
        """Return the parameters reached from several starts on a subsample of the rows, best first."""
        rows = self._training
        if n_rows < len(rows[1]):
            chosen = np.sort(rng.choice(len(rows[1]), n_rows, replace=False))
            rows = tuple(values[chosen] for values in rows)
        problem = LeastSquares(*rows, **self._shape, penalty=self._penalty)
        return [start.theta for start in race(problem, n_starts, n_iter, rng, parallel=self._parallel)]

    def _approach(self, start, stopping):
        """Descend on every tenth of very many rows: most of the way, at a tenth of the price."""
        # merge_rows has put similar rows next to each other, so these stand for all.
        rows = (np.ascontiguousarray(values[::10]) for values in self._training)
        descent = Descent(start)
        problem = LeastSquares(*rows, **self._shape, penalty=self._penalty, parallel=self._parallel)
        descend(problem, descent, stopping)
        return descent.theta

    def carry_on(self, starts, stopping, *, fresh=True, **options):
        """Descend from the best start on all rows; from the next if that diverges or ends above the straight line."""
        best = None
        many = fresh and len(self._training[1]) >= MANY_ROWS
        # A start that has converged on a tenth of the rows needs a few steps on all of them.
        last = replace(stopping, n_iter_no_change=2) if many and self.held is None else stopping
        for start in starts[:3]:
            reached = Descent(self._approach(start, stopping) if many else start)
            descend(self.problem, reached, last, validation=self.held, **options)
            if np.isfinite(reached.loss) and (best is None or reached.loss < best.loss):
                best = reached
            if best is not None and not self.problem.is_lost(best.loss):
                break
        if best is None:
            raise InputError("training diverged from every start; scale the inputs and the target to about unit size.")
        return best
