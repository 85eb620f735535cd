"""Quantiles of all predictions, and derivatives by the labels, as further outputs of a graph."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.special import ndtri

from skdistmass.deploy.ages import AgeGraph
from skdistmass.deploy.parts import OnePartGraph
from skdistmass.deploy.whole_model import ModelGraph
from skdistmass.labels import LABEL_NAMES
from skdistmass.photometry import LN_DISTANCE_PER_MAG
from skdistmass.schema.columns import QUANTILES, SLOPES, mass_columns
from skdistmass.schema.limits import GIANT_LOGG
from skdistmass.uncertainty import COVERAGES, LEVELS

__all__ = ["OnePartQuantileGraph", "QuantileGraph"]

_HALF = len(LEVELS) // 2
#: Deviates of the normal law at the levels, as intervals of `COVERAGES` have them, and the side of the median.
_DEVIATES = np.concatenate([-(upper := ndtri(0.5 + 0.5 * COVERAGES))[:0:-1], upper])
_SIDES = np.where(np.arange(len(LEVELS)) < _HALF, -1.0, 1.0)


def _raw_law_of(part: Any) -> NDArray[np.float64]:
    """Ends of a network's intervals in units of its scatter, in order of their levels; NaN without errors."""
    if part.errors_ is None:
        return np.full(len(LEVELS), np.nan)
    ends = part.errors_.quantile(0.5 + np.multiply.outer([-0.5, 0.5], COVERAGES))
    return np.concatenate([ends[0, :0:-1], ends[1]])


def _law_of(part: Any) -> NDArray[np.float64]:
    """Quantiles of a network's errors in units of its scatter."""
    law = _raw_law_of(part)
    # With physics or the robust loss, each end is on its side of the prediction.
    return law if part.baseline is None and part.loss == "squared" else np.sort(_SIDES * np.abs(law))


class _WithQuantiles(ModelGraph):
    """Adds to a graph with inputs for errors what posteriors are made of."""

    def _pick_abs_mag(self, values, scatters, quantiles):
        super()._pick_abs_mag(values, scatters, quantiles)
        parts = [self.model.abs_mag_] + ([self.model.abs_mag_fallback_] if len(values) > 1 else [])
        found = [self._offsets(*each) for each in zip(self.stellar, scatters, parts, strict=True)]
        self.offsets, self.squares = found[0]
        if len(found) > 1:
            pairs = zip(*found[::-1], strict=True)
            self.offsets, self.squares = (self.b.op("Where", self.fallback, *pair) for pair in pairs)
        self._set_rows("ABS_MAG" + QUANTILES, self.b.op("Add", self.offsets, self._double(self.abs_mag)))

    def _offsets(self, stellar, scatter, part):
        """Quantiles of one network's absolute magnitude, less the prediction, and squares of its intervals' ends."""
        b, scatter = self.b, self._double(scatter)
        ends = b.op("Mul", scatter, _raw_law_of(part)[:, None])
        squares = b.op("Mul", ends, ends)
        extra = None if stellar is None else stellar.extra_variance()
        if extra is None:
            return b.op("Mul", scatter, _law_of(part)[:, None]), squares
        squares = self._with_variance(squares, extra)
        return b.sort(self._on_sides(squares), len(LEVELS)), squares

    def _with_variance(self, squares, variance):
        return self.b.op("Add", squares, self.b.op("Mul", variance, _DEVIATES[:, None] ** 2))

    def _on_sides(self, squares):
        return self.b.op("Mul", self.b.op("Sqrt", squares), _SIDES[:, None])

    def _label_noise(self, fused, outputs, sizes):
        noise = super()._label_noise(fused, outputs, sizes)
        b, (abs_mag, masses) = self.b, self.jacobians
        has = self.has_three if self.is_optional else self.has_five
        self._set_rows("ABS_MAG" + SLOPES, self._where(has, b.reshape(abs_mag, [len(LABEL_NAMES), -1])))
        for number, scale in enumerate(self.model.masses_):
            slope = b.row(masses, number)
            if self.log_masses:
                slope = b.op("Mul", slope, b.row(self._double(outputs[1]), number))
            self._set_rows(mass_columns(scale)[0] + SLOPES, self._where(self.has_five, slope))
        return noise

    def _where(self, condition, rows):
        return self.b.op("Where", condition, rows, 0.0)

    def _give_distances(self):
        super()._give_distances()
        b = self.b
        photometric = self._double(self.photometric)
        variance = b.op("MatMul", np.ones((1, 2)), b.op("Mul", photometric, photometric))
        ends = self._on_sides(self._with_variance(self.squares, variance))
        # The median is that of the absolute magnitude. The star is nearer where its magnitude is higher.
        low, high = (b.rows(ends, part) for part in (range(_HALF), range(_HALF + 1, len(LEVELS))))
        offsets = b.sort(b.stack([low, b.rows(self.offsets, [_HALF]), high]), len(LEVELS), falling=True)
        factors = b.op("Exp", b.op("Mul", offsets, -LN_DISTANCE_PER_MAG))
        self._set_rows("DISTANCE" + QUANTILES, b.op("Mul", factors, self._double(self.columns["DISTANCE"][0])))

    def _give_masses(self):
        super()._give_masses()
        b, model, dtype = self.b, self.model, self.dtype
        five, three = (self._laws(parts.values()) for parts in (model.masses_, model.mass_fallbacks_))
        laws = self._pick_masses(b.const(five, dtype), b.const(three, dtype) if three.size else None)
        n_scales = len(model.masses_)
        spread = b.op("Mul", b.reshape(self.mass_scatter, [1, n_scales, -1]), laws)
        self.ln_quantiles = b.reshape(b.op("Add", self.ln_mass, spread), [len(LEVELS) * n_scales, -1])
        self.quantiles = b.op("Exp", self.ln_quantiles)
        for number, scale in enumerate(model.masses_):
            rows = range(number, len(LEVELS) * n_scales, n_scales)
            found = b.nan_unless(b.row(self.has_ends, number), b.rows(self.quantiles, rows), dtype)
            self._set_rows(mass_columns(scale)[0] + QUANTILES, found, dtype)

    def _laws(self, parts: Iterable[Any]) -> NDArray[np.float64]:
        """Laws of networks, shape (n_levels, n_networks, 1)."""
        laws = [np.nan_to_num(_law_of(part)) for part in parts]
        return np.stack(laws, axis=1)[:, :, None] if laws else np.empty(0)

    def _give_ages(self):
        super()._give_ages()
        b, n_scales, dtype = self.b, len(self.model.masses_), self.dtype
        ages = AgeGraph(b, self.model.age_, self._working(self.feh), self.has_feh, dtype)
        log_age = ages.log_age(ages.ln_initial(self.quantiles, self.ln_quantiles), len(LEVELS) * n_scales)
        giant = b.op("And", self.has_logg, b.op("Less", self.logg, GIANT_LOGG))
        some = b.op("And", ages.covered(self.mass, giant), self.has_ends)
        for number, scale in enumerate(self.model.masses_):
            # The lower mass has the higher age.
            rows = range((len(LEVELS) - 1) * n_scales + number, -1, -n_scales)
            found = b.nan_unless(b.row(some, number), b.rows(log_age, rows), dtype)
            self._set_rows(mass_columns(scale)[1] + QUANTILES, found, dtype)

    def _set_rows(self, name, rows, dtype=np.float64):
        """Name the rows of a matrix as a column of vectors, one for each star."""
        self._set(name, self.b.op("Transpose", rows), dtype)


class QuantileGraph(_WithQuantiles):
    """Builds the graph of a whole model with quantiles."""


class OnePartQuantileGraph(_WithQuantiles, OnePartGraph):
    """Builds that of a model of distances or masses alone."""
