"""How good the distributions of a catalogue are: ranks of the reference, scores, coverage at all levels.

The distribution of a star is its stored posterior (`POST_*` columns), or else it goes through the ends of its intervals
of 68.27 and 95.45 % and its value.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import NamedTuple

import numpy as np
from astropy.table import Table
from numpy.typing import NDArray
from scipy.special import ndtr, ndtri
from scipy.stats import kstest

from skdistmass.model import STORED_LEVELS, stored_vectors
from skdistmass.model.draws import quantiles_of
from skdistmass.tables import optional_floats
from skdistmass.uncertainty import LEVELS, PredictiveDistribution, normal_coverage
from skdistmass.validation.ages import age_residuals
from skdistmass.validation.columns import first_age, in_unit, log_ages, mass_scales, reference_age_columns
from skdistmass.validation.distances import distance_residuals
from skdistmass.validation.masses import mass_residuals
from skdistmass.validation.requirements import MissingInputError, require, require_stars

__all__ = ["coverage_by_level", "posterior_scores", "prediction_ranks", "rank_histogram"]

Floats = NDArray[np.float64]
_FEWEST = 30  # stars with a reference, for a test of ranks
_STORED, _INTERVALS = "stored posterior", "intervals"
_DEVIATES = np.array([-2.0, -1.0, 0.0, 1.0, 2.0])
_SUMMARY = ("P02", "P16", "MEDIAN", "P84", "P98")
_FARTHEST = 3.0  # standard deviations
#: Nominal coverages: 5 % to 95 %, and those of one and two sigma.
NOMINAL = np.sort([*np.arange(0.05, 0.96, 0.05), normal_coverage(1.0), normal_coverage(2.0)])


class _Truth(NamedTuple):
    """A quantity with a reference: rows of the stars that have both, the reference's value and its error."""

    name: str
    reference: str
    rows: NDArray[np.intp]
    value: Floats
    error: Floats


def _truths(stars: Table) -> Iterator[_Truth]:
    """Yield distances, the masses of each scale and the first ages, with each of their references."""
    pairs: list[tuple] = [("DISTANCE", "REFERENCE_DIST", distance_residuals, "kpc")]
    pairs += [(name, reference, mass_residuals, "Msun") for name, reference in mass_scales(stars).items() if reference]
    for name, reference, residuals, unit in pairs:
        try:
            error, fraction = residuals(stars, predicted=name, reference=reference)
        except MissingInputError:
            continue
        value = optional_floats(stars, reference, unit)
        yield from _truth(name, reference, error, value, np.nan_to_num(fraction) * value)
    chosen = f"AGE_{stars.meta.get('POSTSCAL')}"  # of the scale whose posterior is stored
    try:
        age = first_age(stars, chosen if chosen in stars.colnames else None)
    except MissingInputError:
        return
    for reference in reference_age_columns(stars):
        try:
            difference = age_residuals(stars, age, reference)
        except MissingInputError:
            continue
        error = np.nan_to_num(_age_error(stars, reference))
        yield from _truth(age, reference, difference, log_ages(stars, reference), error)


def _age_error(stars: Table, reference: str) -> Floats:
    """Return the error of the reference's log ages (dex) by its columns _ERR, _LO and _HI, or _ELO and _EHI."""
    value = 10.0 ** (log_ages(stars, reference) - 9.0)
    given = {end: in_unit(stars, reference + end, "Gyr") for end in ("_ERR", "_LO", "_HI", "_ELO", "_EHI")}
    with np.errstate(invalid="ignore", divide="ignore"):
        ends = [
            (value - given["_ERR"], value + given["_ERR"]),
            (given["_LO"], given["_HI"]),
            (value - given["_ELO"], value + given["_EHI"]),
        ]
        found = [0.5 * np.log10(high / np.where(low > 0, low, np.nan)) for low, high in ends]
    return np.where(np.isfinite(found[0]), found[0], np.where(np.isfinite(found[1]), found[1], found[2]))


def _truth(name: str, reference: str, residual: Floats, value: Floats, error: Floats) -> Iterator[_Truth]:
    rows = np.flatnonzero(np.isfinite(residual))
    if len(rows):
        yield _Truth(name, reference.removeprefix("REF_"), rows, value[rows], error[rows])


def is_stored(stars: Table, name: str) -> bool:
    """Tell whether the stored posterior of masses and ages is that of this scale."""
    kind, _, scale = name.partition("_")
    if kind not in ("MASS", "AGE"):
        return True
    chosen = str(stars.meta.get("POSTSCAL", "the first"))
    if chosen == "the first":
        first = next(iter(mass_scales(stars)), "MASS").removeprefix("MASS")
        return scale == first.removeprefix("_")
    return scale == chosen


def _quantiles(stars: Table, name: str, rows: NDArray[np.intp]) -> tuple[Floats, Floats, str]:
    """Return deviates of the normal law, the quantiles at them, and where these are from."""
    stored = f"POST_{name.partition('_')[0]}"
    if is_stored(stars, name):
        for end in ("QUANTILES", "DRAWS"):
            if f"{stored}_{end}" in stars.colnames:
                vectors = stored_vectors(stars[f"{stored}_{end}"][rows])
                found = vectors if end == "QUANTILES" else quantiles_of(vectors, STORED_LEVELS)
                return ndtri(STORED_LEVELS), found, _STORED
        if f"{stored}_P16" in stars.colnames:
            columns = [optional_floats(stars, f"{stored}_{end}")[rows] for end in _SUMMARY]
            return _DEVIATES, np.column_stack(columns), _STORED
    require(stars, name, f"{name}_LO", f"{name}_HI")
    ends = ("_LO95", "_LO", "", "_HI", "_HI95")
    has_95 = f"{name}_LO95" in stars.colnames
    used = slice(0, 5) if has_95 else slice(1, 4)
    read = log_ages if name.startswith("AGE") else optional_floats
    columns = [read(stars, name + end)[rows] for end in ends[used]]
    return _DEVIATES[used], np.column_stack(columns), _INTERVALS


def law_of(stars: Table, name: str, rows: NDArray[np.intp]) -> tuple[PredictiveDistribution, str]:
    """Return the distributions of a quantity, of some stars, and where they are from.

    Between the quantiles that are known, and beyond them up to 3 sigma, the law is a normal one in pieces; of the
    logarithm for distances and masses.
    """
    deviates, quantiles, source = _quantiles(stars, name, rows)
    positive = not name.startswith(("AGE", "ABS_MAG"))
    with np.errstate(invalid="ignore", divide="ignore"):
        known = np.log(quantiles) if positive else quantiles
    known = np.where(np.isfinite(known).all(axis=1, keepdims=True), np.sort(known, axis=1), np.nan)
    wanted = np.clip(ndtri(LEVELS), -_FARTHEST, _FARTHEST)
    upper = np.clip(np.searchsorted(deviates, wanted), 1, len(deviates) - 1)
    share = (wanted - deviates[upper - 1]) / (deviates[upper] - deviates[upper - 1])
    found = known[:, upper - 1] + share * (known[:, upper] - known[:, upper - 1])
    return PredictiveDistribution(LEVELS, np.sort(np.exp(found) if positive else found, axis=1)), source


def _judged(stars: Table) -> Iterator[tuple[_Truth, PredictiveDistribution, str]]:
    """Yield each quantity that has a reference, with its distributions; distances in units of the reference."""
    for truth in _truths(stars):
        try:
            law, source = law_of(stars, truth.name, truth.rows)
        except MissingInputError:
            continue
        known = np.isfinite(law.quantiles[:, 0])
        if np.count_nonzero(known) < _FEWEST:
            continue
        truth = truth._replace(rows=truth.rows[known], value=truth.value[known], error=truth.error[known])
        law = law[known]
        if truth.name == "DISTANCE":
            unit = truth.value
            law = PredictiveDistribution(LEVELS, law.quantiles / unit[:, None])
            truth = truth._replace(value=np.ones(len(unit)), error=truth.error / unit)
        yield truth, law, source


def posterior_scores(stars: Table) -> Table:
    """Score the distributions of a catalogue by the reference.

    Parameters
    ----------
    stars : Table
        Of `join_reference`. Distributions are the stored posteriors of a catalogue that has them; otherwise they go
        through the ends of the intervals.

    Returns
    -------
    table : Table
        QUANTITY, REFERENCE, LAW ("stored posterior" or "intervals"), N; CRPS, the mean continuous ranked probability
        score (fraction of the distance, Msun, dex), CRPS_NORMAL, that of normal laws of the same means and standard
        deviations, and GAIN, by which fraction the first is below the second; CRPS_68 and GAIN_68, the same for normal
        laws of the same medians whose standard deviation is half the interval of 68.27 %; KS and P_VALUE, Kolmogorov
        and Smirnov's test of whether the ranks are even. The errors of the reference are added to all laws in
        quadrature.

    References
    ----------
    Gneiting & Raftery 2007, J. Am. Stat. Assoc. 102, 359.
    """
    rows = []
    for truth, law, source in _judged(stars):
        own = law.widened(truth.error)
        crps = float(np.mean(own.crps(truth.value)))
        low, high = law.interval(normal_coverage(1.0))
        others = []
        for middle, error in ((law.mean(), law.std()), (law.median(), 0.5 * (high - low))):
            score = float(np.mean(_normal_crps(truth.value, middle, np.hypot(error, truth.error))))
            others += [score, 1.0 - crps / score]
        test = kstest(own.cdf(truth.value), "uniform")
        rows.append((truth.name, truth.reference, source, len(truth.rows), crps, *others, test.statistic, test.pvalue))
    require_stars(len(rows), 1, f"quantities have a distribution and a reference for {_FEWEST} stars")
    scores = ("CRPS", "CRPS_NORMAL", "GAIN", "CRPS_68", "GAIN_68")
    return Table(rows=rows, names=("QUANTITY", "REFERENCE", "LAW", "N", *scores, "KS", "P_VALUE"))


def _normal_crps(value: Floats, mean: Floats, std: Floats) -> Floats:
    """Score of a normal law, in closed form (Gneiting et al. 2005, Mon. Weather Rev. 133, 1098)."""
    std = np.maximum(std, 1e-9)  # a law may be a single value: the age at the end of the relation
    z = (value - mean) / std
    density = np.exp(-0.5 * z**2) / np.sqrt(2.0 * np.pi)
    return std * (z * (2.0 * ndtr(z) - 1.0) + 2.0 * density - 1.0 / np.sqrt(np.pi))


def prediction_ranks(stars: Table) -> dict[str, Floats]:
    """Return the rank of the reference in each star's distribution: even between 0 and 1 if these are right.

    Parameters
    ----------
    stars : Table
        As for `posterior_scores`.

    Returns
    -------
    ranks : dict of ndarray
        By quantity and reference, such as ``"DISTANCE against REFERENCE_DIST"``: the first mass and its reference, the
        distance, and the first age with each of its references.

    Raises
    ------
    MissingInputError
        If no quantity has a distribution and a reference.
    """
    found: dict[str, Floats] = {}
    kinds: set[str] = set()
    for truth, law, _ in _judged(stars):
        kind = truth.name.partition("_")[0]
        if kind == "AGE" or kind not in kinds:
            found[f"{truth.name} against {truth.reference}"] = law.widened(truth.error).cdf(truth.value)
        kinds.add(kind)
    require_stars(len(found), 1, f"quantities have a distribution and a reference for {_FEWEST} stars")
    return found


def rank_histogram(stars: Table, *, ranks: Mapping[str, Floats] | None = None, n_bins: int = 20) -> Table:
    """Count ranks in bins: the histogram of the probability integral transform.

    Parameters
    ----------
    stars : Table
        As for `posterior_scores`.
    ranks : dict of ndarray, optional
        Of `prediction_ranks`, if they are known.
    n_bins : int, default=20
        Number of bins.

    Returns
    -------
    table : Table
        QUANTITY, RANK_LO, RANK_HI, N; DENSITY, the number divided by that expected, and DENSITY_ERR, the scatter of
        this by chance.
    """
    rows = []
    for name, values in (prediction_ranks(stars) if ranks is None else ranks).items():
        counts, edges = np.histogram(values, n_bins, (0.0, 1.0))
        expected = len(values) / n_bins
        error = np.sqrt((1.0 - 1.0 / n_bins) / expected)
        for low, high, count in zip(edges[:-1], edges[1:], counts, strict=True):
            rows.append((name, low, high, count, count / expected, error))
    return Table(rows=rows, names=("QUANTITY", "RANK_LO", "RANK_HI", "N", "DENSITY", "DENSITY_ERR"))


def coverage_by_level(stars: Table, *, ranks: Mapping[str, Floats] | None = None) -> Table:
    """Count how often intervals with equal tails hold the reference, at all levels.

    Parameters
    ----------
    stars : Table
        As for `posterior_scores`.
    ranks : dict of ndarray, optional
        Of `prediction_ranks`, if they are known.

    Returns
    -------
    table : Table
        QUANTITY, N, NOMINAL and FOUND, both as fractions.
    """
    rows = []
    for name, values in (prediction_ranks(stars) if ranks is None else ranks).items():
        within = np.abs(2.0 * values - 1.0)
        rows += [(name, len(values), level, float(np.mean(within <= level))) for level in NOMINAL]
    return Table(rows=rows, names=("QUANTITY", "N", "NOMINAL", "FOUND"))
