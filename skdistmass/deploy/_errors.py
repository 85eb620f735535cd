"""The scatter of predictions about the truth, for all networks at once.

Always in double precision: far from the training stars a scatter may be large, and an interval of mass has it in an
exponent.
"""

import numpy as np
from numpy.polynomial import Polynomial

from skdistmass.uncertainty import DEGREE, MOST_NOISE, NORMAL_TO_MAD, ConformalErrors, PaperErrors

__all__ = ["scatter_rows"]


def _polynomial(errors, coef, center, scale, n_labels):
    """Rewrite a polynomial of an error model's own scaled labels in the commonly scaled ones.

    Returns the constant, the lower triangle of the products, the coefficients of the powers of each label (from the
    first up) and the limits of the labels.
    """
    n = len(errors.center_)
    own = np.vstack([np.zeros(n), coef[1 : 1 + DEGREE * n].reshape(DEGREE, n)])
    pairs = np.zeros((n, n))
    pairs[np.tril_indices(n, -1)] = coef[1 + DEGREE * n :]
    # z = stretch u + shift
    stretch, shift = scale[:n] / errors.scale_, (center[:n] - errors.center_) / errors.scale_
    powers = np.zeros((DEGREE + 1, n_labels))
    for i in range(n):
        moved = Polynomial(own[:, i])(Polynomial([shift[i], stretch[i]])).coef
        powers[: len(moved), i] = moved
    constant = coef[0] + powers[0].sum() + shift @ pairs @ shift
    powers[1, :n] += stretch * ((pairs + pairs.T) @ shift)
    products, limits = np.zeros((n_labels, n_labels)), np.zeros((2, n_labels))
    products[:n, :n] = pairs * np.outer(stretch, stretch)
    limits[:, :n] = (np.stack([errors.lower_, errors.upper_]) - shift) / stretch
    return constant, products, powers[1:], limits


def _polynomials(b, models, coefs, labels, center, scale):
    """Values of one polynomial for each model, shape (n_models, N)."""
    n_labels = len(scale)
    forms = [_polynomial(m, c, center, scale, n_labels) for m, c in zip(models, coefs, strict=True)]
    constant, products, powers, limits = (np.stack(part) for part in zip(*forms, strict=True))
    u = b.clip(labels, limits[:, 0, :, None], limits[:, 1, :, None])
    inner = b.op("Mul", powers[:, -1, :, None], u)
    for degree in range(DEGREE - 1, 1, -1):
        inner = b.op("Mul", b.op("Add", inner, powers[:, degree - 1, :, None]), u)
    inner = b.op("Add", inner, b.op("MatMul", products, u))
    inner = b.op("Mul", u, b.op("Add", inner, powers[:, 0, :, None]))
    total = b.op("MatMul", np.ones((len(models), 1, n_labels)), inner)
    return b.op("Add", b.reshape(total, [len(models), -1]), constant[:, None])


def _conformal(b, models, labels, center, scale, noise):
    """Scatter by `ConformalErrors`; with the variance by label errors where that is known."""

    def exponential(coefs, ranges):
        lower, upper = np.stack(ranges).T[:, :, None]
        return b.op("Exp", b.clip(_polynomials(b, models, coefs, labels, center, scale), lower, upper))

    scatter = exponential([m.coef_ for m in models], [m.log_range_ for m in models])
    if noise is None:
        return scatter
    variance = b.op("Mul", scatter, scatter)
    limit = np.array([[min(m.spread_**2, np.finfo(np.float64).max)] for m in models])
    known = b.op("Less", noise, np.inf)
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
    logg = b.op("Add", b.op("Mul", b.rows(labels, [column]), scale[column]), center[column])
    if errors.logg_column is None:
        logg = b.op("Mul", logg, 0.0)
    else:
        logg = b.clip(logg, *errors.logg_range_)
    value = b.op("Mul", logg, coef[0])
    value = b.op("Mul", b.op("Add", value, coef[1]), logg)
    value = b.op("Max", b.op("Add", value, coef[2]), 0.0)
    return b.op("Mul", value, NORMAL_TO_MAD)


def scatter_rows(b, models, labels, center, scale, noise=None):
    """Scatter of each network's predictions, on the scale where its errors add.

    Parameters
    ----------
    b : GraphBuilder
    models : list of ConformalErrors, PaperErrors or None
        One of each network. NaN where there is none.
    labels : str
        Commonly scaled labels without NaN, shape (n_labels, N).
    center, scale : ndarray
        What they were scaled with.
    noise : str, optional
        Variance by the stars' label errors, NaN where unknown, shape (n_networks, N).

    Returns
    -------
    scatter : str
        Double, shape (n_networks, N).
    """
    parts, order = [], []
    conformal = [i for i, model in enumerate(models) if isinstance(model, ConformalErrors)]
    if conformal:
        chosen = noise if noise is None or len(conformal) == len(models) else b.rows(noise, conformal)
        parts.append(_conformal(b, [models[i] for i in conformal], labels, center, scale, chosen))
        order += conformal
    for i, model in enumerate(models):
        if isinstance(model, PaperErrors):
            parts.append(_paper(b, model, labels, center, scale))
            order.append(i)
        elif model is None:
            parts.append(b.op("Add", b.op("Mul", b.rows(labels, [0]), 0.0), np.nan))
            order.append(i)
    joined = b.stack(parts)
    return joined if order == sorted(order) else b.rows(joined, np.argsort(order))
