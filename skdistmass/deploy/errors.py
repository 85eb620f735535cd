"""The scatter of predictions about the truth, for all networks at once."""

import numpy as np

from skdistmass.uncertainty import ConformalErrors, PaperErrors
from skdistmass.uncertainty.conformal import DEGREE, MOST_NOISE
from skdistmass.uncertainty.statistics import NORMAL_TO_MAD

__all__ = ["scatter_rows"]


def _polynomial(errors, coef, center, scale, n_labels):
    """How to turn commonly scaled labels into those of an error model, and its polynomial of them.

    Returns stretch, shift and limits of each label, the constant, the coefficients of the powers of each label (from
    the first up), and those of the products as a lower triangle.
    """
    n = len(errors.center_)
    moves = np.zeros((4, n_labels))
    moves[:, :n] = [
        scale[:n] / errors.scale_,
        (center[:n] - errors.center_) / errors.scale_,
        errors.lower_,
        errors.upper_,
    ]
    powers, products = np.zeros((DEGREE, n_labels)), np.zeros((n_labels, n_labels))
    powers[:, :n] = coef[1 : 1 + DEGREE * n].reshape(DEGREE, n)
    pairs = np.zeros((n, n))
    pairs[np.tril_indices(n, -1)] = coef[1 + DEGREE * n :]
    products[:n, :n] = pairs
    # In units in which the highest power has the coefficient 1; one that is 0 is next to 0.
    highest = powers[-1]
    unit = np.copysign(np.maximum(np.abs(highest), 1e-30) ** (-1.0 / DEGREE), highest)
    moves /= unit
    moves[2:].sort(axis=0)
    return moves, coef[0], powers * unit ** np.arange(1, DEGREE + 1)[:, None], products * unit * unit[:, None]


def _polynomials(b, models, coefs, labels, center, scale, dtype):
    """Values of one polynomial for each model, shape (n_models, N)."""
    n_labels = len(scale)
    forms = [_polynomial(m, c, center, scale, n_labels) for m, c in zip(models, coefs, strict=True)]
    moves, constant, powers, products = (np.stack(part) for part in zip(*forms, strict=True))

    def const(values):
        return b.const(values, dtype)

    stretch, shift, lower, upper = (moves[:, i, :, None] for i in range(4))
    # In a model's own scale terms are small, and single precision keeps their sum.
    own_scale = np.concatenate([shift, stretch * np.eye(n_labels)], axis=2).reshape(-1, 1 + n_labels)
    z = b.reshape(b.op("MatMul", const(own_scale), labels), [len(models), n_labels, -1])
    z = b.clip(z, const(lower), const(upper))
    inner = z
    for degree in range(DEGREE - 1, 2, -1):
        inner = b.op("Mul", b.op("Add", inner, const(powers[:, degree - 1, :, None])), z)
    # The squares go with the products.
    products = products + powers[:, 1, :, None] * np.eye(n_labels)
    inner = b.op("Add", b.op("Mul", inner, z), b.op("MatMul", const(products), z))
    inner = b.op("Mul", z, b.op("Add", inner, const(powers[:, 0, :, None])))
    total = b.op("MatMul", const(np.ones((len(models), 1, n_labels))), inner)
    return b.op("Add", b.reshape(total, [len(models), -1]), const(constant[:, None]))


def _conformal(b, models, labels, center, scale, noise, dtype):
    """Scatter by `ConformalErrors`; with the variance by label errors where that is known."""

    def exponential(coefs, ranges):
        lower, upper = (b.const(limits, dtype) for limits in np.stack(ranges).T[:, :, None])
        return b.op("Exp", b.clip(_polynomials(b, models, coefs, labels, center, scale, dtype), lower, upper))

    scatter = exponential([m.coef_ for m in models], [m.log_range_ for m in models])
    if noise is None:
        return scatter
    variance = b.op("Mul", scatter, scatter)
    limit = np.array([[min(m.spread_**2, np.finfo(np.float64).max)] for m in models])
    known = b.op("Less", -1.0, noise)  # not NaN; what is too large for a square counts up to the spread
    added = b.op("Min", b.op("Where", known, noise, 0.0), limit)
    replaced = [m.noise_coef_ is not None for m in models]
    if any(replaced):
        coefs = [m.noise_coef_ if has else np.zeros_like(m.coef_) for m, has in zip(models, replaced, strict=True)]
        # Without a known label noise of the training stars, one too small to count.
        ranges = [m.noise_log_range_ if has else np.full(2, -300.0) for m, has in zip(models, replaced, strict=True)]
        typical = exponential(coefs, ranges)
        share = b.op("Min", b.op("Div", b.op("Mul", variance, MOST_NOISE), typical), 1.0)
        added = b.op("Mul", b.op("Sub", added, typical), share)
    return b.op("Where", known, b.op("Sqrt", b.op("Add", variance, added)), scatter)


def _paper(b, errors, labels, center, scale):
    """Scatter by `PaperErrors`, shape (1, N)."""
    column = 0 if errors.logg_column is None else errors.logg_column
    coef = np.asarray(errors.coef_[1], float)
    logg = b.op("Add", b.op("Mul", b.rows(labels, [1 + column]), scale[column]), center[column])
    logg = b.op("Mul", logg, 0.0) if errors.logg_column is None else b.clip(logg, *errors.logg_range_)
    value = b.op("Mul", logg, coef[0])
    value = b.op("Mul", b.op("Add", value, coef[1]), logg)
    value = b.op("Max", b.op("Add", value, coef[2]), 0.0)
    return b.op("Mul", value, NORMAL_TO_MAD)


def scatter_rows(b, models, labels, center, scale, noise=None, dtype=np.float64):
    """Scatter of each network's predictions, on the scale where its errors add."""

    def result(value):
        return value if np.dtype(dtype) == np.float64 else b.cast(value, dtype)

    parts, order = [], []
    conformal = [i for i, model in enumerate(models) if isinstance(model, ConformalErrors)]
    if conformal:
        chosen = [models[i] for i in conformal]
        if noise is None:
            parts.append(_conformal(b, chosen, result(labels), center, scale, None, dtype))
        else:
            rows = noise if len(conformal) == len(models) else b.rows(noise, conformal)
            parts.append(result(_conformal(b, chosen, labels, center, scale, rows, np.float64)))
        order += conformal
    for i, model in enumerate(models):
        if isinstance(model, PaperErrors):
            parts.append(result(_paper(b, model, labels, center, scale)))
            order.append(i)
        elif model is None:
            parts.append(result(b.op("Mul", b.rows(labels, [0]), np.nan)))
            order.append(i)
    joined = b.stack(parts)
    return joined if order == sorted(order) else b.rows(joined, np.argsort(order))
