"""The scatter of predictions about the truth, for all networks at once.

Always in double precision: far from the training stars a scatter may be large, and an interval of mass has it in an
exponent.
"""

import numpy as np

from skdistmass.uncertainty import _NORMAL_TO_MAD, ConformalErrors, PaperErrors

__all__ = ["scatter_rows"]


def _cubic_form(errors, coef, center, scale, n_labels):
    """Rewrite a polynomial of an error model's own scaled labels in the commonly scaled ones.

    Returns the constant, the linear coefficients, the lower triangle of the quadratic ones, the cubic ones, and the
    limits, such that ``c + sum_i u_i (b_i + sum_j Q_ij u_j + d_i u_i^2)`` is the polynomial.
    """
    n = len(errors.center_)
    constant, linear, square, cubic = coef[0], coef[1 : 1 + n], coef[1 + n : 1 + 2 * n], coef[1 + 2 * n : 1 + 3 * n]
    pairs = np.zeros((n, n))
    pairs[np.tril_indices(n, -1)] = coef[1 + 3 * n :]
    quadratic = pairs + np.diag(square)
    # z = stretch u + shift
    stretch, shift = scale[:n] / errors.scale_, (center[:n] - errors.center_) / errors.scale_
    full = np.zeros(n_labels), np.zeros((n_labels, n_labels)), np.zeros(n_labels)
    limits = np.zeros((2, n_labels))
    full[0][:n] = stretch * (linear + (quadratic + quadratic.T) @ shift + 3.0 * cubic * shift**2)
    full[1][:n, :n] = quadratic * np.outer(stretch, stretch) + np.diag(3.0 * cubic * shift * stretch**2)
    full[2][:n] = cubic * stretch**3
    constant = constant + shift @ (linear + quadratic @ shift + cubic * shift**2)
    limits[:, :n] = (np.stack([errors.lower_, errors.upper_]) - shift) / stretch
    return constant, *full, limits


def _cubics(b, models, coefs, labels, center, scale):
    """Values of one polynomial for each model, shape (n_models, N)."""
    n_labels = len(scale)
    forms = [_cubic_form(m, c, center, scale, n_labels) for m, c in zip(models, coefs, strict=True)]
    constant, linear, quadratic, cubic, limits = (np.stack(part) for part in zip(*forms, strict=True))
    u = b.clip(labels, limits[:, 0, :, None], limits[:, 1, :, None])
    inner = b.op("MatMul", quadratic, u)
    inner = b.op("Add", inner, b.op("Mul", cubic[:, :, None], b.op("Mul", u, u)))
    inner = b.op("Mul", u, b.op("Add", inner, linear[:, :, None]))
    total = b.op("MatMul", np.ones((len(models), 1, n_labels)), inner)
    return b.op("Add", b.reshape(total, [len(models), -1]), constant[:, None])


def _conformal(b, models, labels, center, scale, noise):
    """Scatter by `ConformalErrors`; with the variance by label errors where that is known."""

    def exponential(coefs, limit):
        return b.op("Exp", b.clip(_cubics(b, models, coefs, labels, center, scale), -limit, limit))

    scatter = exponential([m.coef_ for m in models], 40.0)
    if noise is None:
        return scatter
    variance = b.op("Mul", scatter, scatter)
    if any(m.noise_coef_ is not None for m in models):
        coefs = [np.zeros_like(m.coef_) if m.noise_coef_ is None else m.noise_coef_ for m in models]
        replaced = np.array([[m.noise_coef_ is not None] for m in models], dtype=float)
        typical = b.op("Mul", exponential(coefs, 80.0), replaced)
        variance = b.op("Max", b.op("Sub", variance, typical), b.op("Mul", variance, 0.1))
    limit = np.array([[min(m.spread_**2, np.finfo(np.float64).max)] for m in models])
    known = b.op("Less", noise, np.inf)
    counted = b.op("Min", b.op("Where", known, noise, 0.0), limit)
    return b.op("Where", known, b.op("Sqrt", b.op("Add", variance, counted)), scatter)


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
    return b.op("Mul", value, _NORMAL_TO_MAD)


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
