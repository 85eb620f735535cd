"""Stellar physics with corrections that fade, as nodes of a graph, in double precision."""

from typing import Any

import numpy as np

from skdistmass.deploy.space import exponents_of, space_scores
from skdistmass.estimators.stellar_baseline import (
    COOLEST,
    LABEL_CENTER,
    LABEL_LOWER,
    LABEL_SCALE,
    LABEL_UPPER,
    SUN_LOGG,
    SUN_M_BOL,
    SUN_TEFF,
)
from skdistmass.estimators.stellar_network import N_PHYSICAL

__all__ = ["BaselineGraph", "FadingGraph", "StellarGraph"]

_LN_10 = np.log(10.0)
_LARGEST_EXPONENT = 700.0  # exp overflows at 709


class BaselineGraph:
    """Values and derivatives of a `StellarBaseline`; `labels` has Teff, log g and [M/H] as its first rows."""

    def __init__(self, b, baseline, labels):
        self.b = b
        self.teff, self.logg, m_h = (b.row(labels, number) for number in range(N_PHYSICAL))
        self.warm = b.op("Max", self.teff, COOLEST)
        self.log_teff = b.op("Div", b.op("Log", self.warm), _LN_10)
        limits = list(zip(LABEL_LOWER, LABEL_UPPER, strict=True))
        raw = list(zip((self.log_teff, self.logg, m_h), LABEL_CENTER, LABEL_SCALE, strict=True))
        raw = [b.op("Div", b.op("Sub", value, center), scale) for value, center, scale in raw]
        pairs = list(zip(raw, limits, strict=True))
        self.inside = [
            b.op("And", b.op("Greater", value, low), b.op("Less", value, high)) for value, (low, high) in pairs
        ]
        scaled = [b.clip(value, low, high) for value, (low, high) in pairs]
        most = baseline.powers_.max(axis=0)
        self.powers = [self._powers(value, count) for value, count in zip(scaled, most, strict=True)]
        coef = np.zeros(most + 1)
        coef[tuple(baseline.powers_.T)] = baseline.coef_
        # One row for each pair of powers of log g and [M/H], one column for each power of log Teff.
        self.coef = coef.transpose(1, 2, 0).reshape(-1, most[0] + 1)
        self.pairs = [(j, k) for j in range(most[1] + 1) for k in range(most[2] + 1)]

    def _powers(self, value, most):
        b = self.b
        powers = [b.op("Add", b.op("Mul", value, 0.0), 1.0), value]
        for _ in range(2, most + 1):
            powers.append(b.op("Mul", powers[-1], value))
        return powers[: most + 1]

    def _slopes(self, powers):
        """Derivatives of powers, given in rising order."""
        b = self.b
        return [b.op("Mul", powers[0], 0.0), *(b.op("Mul", power, float(n)) for n, power in enumerate(powers[:-1], 1))]

    def _polynomial(self, teff, logg, m_h):
        b = self.b
        pairs = b.matrix([b.op("Mul", logg[j], m_h[k]) for j, k in self.pairs])
        terms = b.op("Mul", pairs, b.op("MatMul", self.coef, b.matrix(teff)))
        return b.reshape(b.op("MatMul", np.ones((1, len(self.pairs))), terms), [-1])

    def value(self):
        """Absolute magnitude, a vector."""
        b = self.b
        physics = b.op("Add", b.op("Mul", b.op("Sub", self.logg, SUN_LOGG), 2.5), SUN_M_BOL)
        heat = b.op("Mul", b.op("Sub", self.log_teff, np.log10(SUN_TEFF)), 10.0)
        return b.op("Add", b.op("Sub", physics, heat), self._polynomial(*self.powers))

    def slopes(self):
        """Derivatives with respect to Teff, log g and [M/H], three vectors."""
        b, found = self.b, []
        for number, offset in enumerate((-10.0, 2.5, 0.0)):
            powers = [self._slopes(p) if n == number else p for n, p in enumerate(self.powers)]
            slope = b.op("Div", self._polynomial(*powers), LABEL_SCALE[number])
            slope = b.op("Mul", slope, b.cast(self.inside[number], np.float64))
            found.append(b.op("Add", slope, offset))
        warm = b.cast(b.op("Greater", self.teff, COOLEST), np.float64)
        found[0] = b.op("Mul", found[0], b.op("Div", warm, b.op("Mul", self.warm, _LN_10)))
        return found


class FadingGraph:
    """Weight of a `Fading` and its derivatives; arguments as for `space_scores`."""

    def __init__(self, b, fading, products, center, scale):
        self.b, self.fading, self.products, self.center, self.scale = b, fading, products, center, scale
        score = space_scores(b, fading.density, products, center, scale)
        rise = b.op("Div", b.op("Sub", score, fading.limit), fading.width)
        falling = b.clip(b.op("Mul", rise, -1.0), -_LARGEST_EXPONENT, _LARGEST_EXPONENT)
        self.weight = b.op("Div", 1.0, b.op("Add", b.op("Exp", falling), 1.0))
        self.lost = b.op("Sub", 1.0, self.weight)

    def slopes(self, with_ones):
        """Derivatives with respect to all labels, shape (n_labels, N)."""
        b, density, n_labels = self.b, self.fading.density, len(self.scale)
        coef = exponents_of(density, self.center, self.scale, n_labels)
        terms = b.op("MatMul", coef, self.products)
        highest = b.op("Max", *(b.row(terms, k) for k in range(len(coef))))
        shares = b.op("Exp", b.op("Sub", terms, highest))
        shares = b.op("Div", shares, b.op("MatMul", np.ones((1, len(coef))), shares))
        inward = _derivatives(coef, n_labels)
        slopes = b.reshape(b.op("MatMul", inward.reshape(-1, 1 + n_labels), with_ones), [n_labels, len(coef), -1])
        slopes = b.op("MatMul", np.ones((n_labels, 1, len(coef))), b.op("Mul", slopes, shares))
        slopes = b.op("Div", b.reshape(slopes, [n_labels, -1]), self.scale[:, None])
        return b.op("Mul", slopes, b.op("Div", b.op("Mul", self.weight, self.lost), self.fading.width))


def _derivatives(coef, n_labels):
    """Coefficients of the exponents' derivatives, by label, Gaussian and row of the labels with ones."""
    i, j = np.tril_indices(n_labels)
    found = np.zeros((n_labels, len(coef), 1 + n_labels))
    found[:, :, 0] = coef[:, 1 : 1 + n_labels].T
    for one, other, column in zip(i, j, coef[:, 1 + n_labels :].T, strict=True):
        found[one, :, 1 + other] += column
        found[other, :, 1 + one] += column
    return found


class StellarGraph:
    """Values, derivatives and further errors of a regressor whose network is a `StellarNetwork`.

    Parameters
    ----------
    b : GraphBuilder
    regressor : AbsMagRegressor
    labels : str
        Name of the labels in their units, one row each; those missing are any number.
    with_ones, products : str
        Names of the labels as `pair_products` takes and gives them, scaled by `center` and `scale`.
    complete : str
        Name of a vector that tells which stars have all labels.
    """

    def __init__(self, b, regressor, labels, with_ones, products, complete, center, scale):
        self.b, self.with_ones, self.complete, self.scale = b, with_ones, complete, scale
        self.regressor, self.model = regressor, regressor.pipeline_
        self.baseline = BaselineGraph(b, self.model.baseline, labels)
        corrections = [part for part in (self.model.physical, self.model.chemical) if part is not None]
        self.fadings = [FadingGraph(b, part.fading, products, center, scale) for part in corrections]

    def _where_complete(self, value, otherwise=0.0):
        return self.b.op("Where", self.complete, value, otherwise)

    def value(self, outputs):
        """Absolute magnitude, a vector; `outputs` are those of the networks, one row each."""
        b, total = self.b, self.baseline.value()
        for number, fading in enumerate(self.fadings):
            part = b.op("Mul", fading.weight, b.row(outputs, number))
            total = b.op("Add", total, self._where_complete(part) if number else part)
        return total

    def jacobian(self, outputs, jacobians):
        """Derivatives with respect to all labels, shape (n_labels, N), from those of the networks."""
        b = self.b
        slopes = self.baseline.slopes()
        nothing = b.op("Mul", slopes[0], 0.0)
        total = b.matrix([*slopes, *[nothing] * (len(self.scale) - N_PHYSICAL)])
        for number, fading in enumerate(self.fadings):
            part = b.op("Mul", fading.weight, b.row(jacobians, number))
            part = b.op("Add", part, b.op("Mul", b.row(outputs, number), fading.slopes(self.with_ones)))
            total = b.op("Add", total, self._where_complete(part) if number else part)
        return total

    def extra_variance(self):
        """Square of the error beyond that of a star among those trained on; None without such errors."""
        b, regressor = self.b, self.regressor
        if not hasattr(regressor, "missing_excess_"):
            return None
        excess: list[Any] = [regressor.fading_excess_, regressor.missing_excess_]
        total = None
        for number, (fading, size) in enumerate(zip(self.fadings, excess, strict=False)):
            lost = self._where_complete(fading.lost, 1.0) if number else fading.lost
            part = b.op("Mul", b.op("Mul", lost, lost), size**2)
            total = part if total is None else b.op("Add", total, part)
        return total
