"""Where stars are in the training space, and which of them were trained on."""

import numpy as np

__all__ = ["exponents_of", "pair_products", "space_answers", "space_scores", "training_bits"]

_LARGEST_EXPONENT = {"float64": 600.0, "float32": 60.0}  # exp overflows at 709 and 88
# Below it a Gaussian counts for nothing, and exp takes ten times as long because its result is denormal.
_SMALLEST_EXPONENT = {"float64": -700.0, "float32": -80.0}


def _pairs(n_labels):
    return np.tril_indices(n_labels)


def pair_products(b, labels, n_labels):
    """Labels, and products of two of them, one under the other; `labels` has a row of ones on top."""
    i, j = _pairs(n_labels)
    return b.stack([labels, b.op("Mul", b.rows(labels, i + 1), b.rows(labels, j + 1))])


def exponents_of(density, center, scale, n_labels):
    """Coefficients of each Gaussian's exponent, for the rows of `pair_products`."""
    n = len(density.location)
    # offset = (z - mean) P, with z = ((u * scale + center - location) / density.scale) W
    inward = density.whitening @ density.precisions_cholesky
    slopes = (scale[:n] / density.scale)[:, None] * inward
    start = ((center[:n] - density.location) / density.scale) @ inward
    start -= np.einsum("kd,kde->ke", density.means, density.precisions_cholesky)
    i, j = _pairs(n)
    squares = slopes @ slopes.transpose(0, 2, 1)
    coef = np.zeros((len(start), 1 + n_labels + n_labels * (n_labels + 1) // 2))
    coef[:, 0] = density.log_coefficients - 0.5 * (start**2).sum(axis=1)
    coef[:, 1 : 1 + n] = -np.einsum("kle,ke->kl", slopes, start)
    # The pairs of the first n labels are the first pairs.
    coef[:, 1 + n_labels : 1 + n_labels + len(i)] = np.where(i == j, -0.5, -1.0) * squares[:, i, j]
    return coef


def space_answers(b, spaces, products, center, scale, present, dtype=np.float64):
    """Answers of `TrainingSpace.classify` of some spaces, int32, shape (n_spaces, N).

    The densities are compared with the thresholds before the logarithm is taken. Scaled labels are not limited to 1e6
    here: labels in their ranges never reach it, and a star so far away is outside in either case.
    """
    name = np.dtype(dtype).name
    thresholds = np.array([space.thresholds_ for space in spaces])
    apart = np.any(thresholds[:, 1] - thresholds[:, 0] > _LARGEST_EXPONENT[name])
    coefs = [exponents_of(space.density_, center, scale, len(scale)) for space in spaces]
    peaks = np.concatenate([space.density_.log_coefficients for space in spaces])
    owner = np.repeat(np.arange(len(spaces)), [len(coef) for coef in coefs])

    def densities(thresholds):
        """Density of each space in units of its threshold."""
        shifted = np.concatenate(coefs)
        shifted[:, 0] -= thresholds[owner]
        exponents = b.op("MatMul", b.const(shifted), products)
        exponents = exponents if dtype == np.float64 else b.cast(exponents, dtype)
        exponents = b.op("Max", exponents, b.const(_SMALLEST_EXPONENT[name], dtype))
        if np.any(peaks - thresholds[owner] > _LARGEST_EXPONENT[name]):
            exponents = b.op("Min", exponents, b.const(_LARGEST_EXPONENT[name], dtype))
        terms = b.op("Exp", exponents)
        members = owner == np.arange(len(spaces))[:, None]
        return b.op("MatMul", b.const(members, dtype), terms)

    low, high = thresholds.T
    relative = densities(low)
    outside = b.op("Less", relative, b.const(1.0, dtype))
    limits = np.ones((len(spaces), 1)) if apart else np.exp(high - low)[:, None]
    edge = b.op("Less", densities(high) if apart else relative, b.const(limits, dtype))
    answers = b.op("Add", b.cast(outside, np.int32), b.cast(edge, np.int32))
    return b.op("Where", b.matrix(present), answers, b.const(3, np.int32))


def space_scores(b, density, products, center, scale):
    """Score of `LabelDensity.score`: the natural logarithm of the density, a vector; arguments as above."""
    coef = exponents_of(density, center, scale, len(scale))
    terms = b.op("MatMul", b.const(coef), products)
    highest = b.row(terms, 0)
    if len(coef) > 1:
        highest = b.op("Max", *(b.row(terms, k) for k in range(len(coef))))
    total = b.op("MatMul", b.const(np.ones((1, len(coef)))), b.op("Exp", b.op("Sub", terms, highest)))
    return b.op("Add", highest, b.op("Log", b.reshape(total, [-1])))


def _hash_tables(keys, n_slots):
    """Spread keys over slots so that none share one: by a multiplier of each group of keys, the first that does.

    Returns the multiplier that makes the groups, those of the groups, the slots of the keys, and how many there are.
    """
    multipliers = 10.0 ** np.random.RandomState(0).uniform(2.0, 7.0, size=500)
    own = np.ones(n_slots // 4)
    group = _slots(keys, multipliers[0], len(own))
    members = np.split(np.argsort(group, kind="stable"), np.searchsorted(np.sort(group), np.arange(1, len(own))))
    taken, found = np.zeros(n_slots, bool), np.empty(len(keys), int)
    for number in sorted(np.unique(group), key=lambda number: -len(members[number])):
        slots = _slots(keys[members[number], None], multipliers, n_slots)
        usable = ~taken[slots].any(axis=0) & np.all(np.diff(np.sort(slots, axis=0), axis=0), axis=0)
        if not usable.any():
            return _hash_tables(keys, 2 * n_slots)
        own[number], found[members[number]] = multipliers[usable][0], slots[:, usable][:, 0]
        taken[found[members[number]]] = True
    return multipliers[0], own, found, n_slots


def _slots(keys, multiplier, n_slots):
    product = keys * multiplier
    return ((product - np.floor(product)) * n_slots).astype(np.int64)


def training_bits(b, keys, bits, factors, labels):
    """Bits of the training stars, recognised by their labels in single precision as `DistMassModel` does.

    int32, 0 for other stars.
    """
    keys, kept = np.unique(keys, return_index=True)
    products = b.op("Mul", b.cast(labels, np.float64), factors[:, None])
    key, *others = b.vectors(products, len(factors))
    for product in others:
        key = b.op("Add", key, product)

    def slot(multiplier, n_slots):
        product = b.op("Mul", key, multiplier)
        fraction = b.op("Sub", product, b.op("Floor", product))
        return b.cast(b.op("Mul", fraction, float(n_slots)), np.int32)

    multiplier, own, slots, n_slots = _hash_tables(keys, 1 << max(4, int(np.ceil(np.log2(1.2 * len(keys))))))
    stored, stored_bits = np.full(n_slots, np.nan), np.zeros(n_slots)
    stored[slots], stored_bits[slots] = keys, bits[kept]
    at = slot(b.look_up(own, slot(multiplier, len(own)), np.float64), n_slots)
    same = b.op("Equal", b.look_up(stored, at, np.float64), key)
    return b.op("Where", same, b.look_up(stored_bits, at, np.int32), b.const(0, np.int32))
