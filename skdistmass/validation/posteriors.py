"""How good the distributions of a catalogue are: ranks of the reference, scores, coverage at all levels.

The distribution of a star is its stored posterior (`POST_*` columns), or else it goes through the ends of its intervals
of 68.27 and 95.45 % and its value.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from itertools import combinations
from typing import NamedTuple

import numpy as np
from astropy.table import Table
from numpy.typing import NDArray
from scipy.special import ndtr, ndtri
from scipy.stats import kstest, spearmanr

from skdistmass.model import STORED_LEVELS
from skdistmass.model.draws import quantiles_of
from skdistmass.tables import optional_floats
from skdistmass.uncertainty import LEVELS, PredictiveDistribution, normal_coverage
from skdistmass.validation.ages import age_residuals
from skdistmass.validation.columns import first_age, log_ages, mass_scales, reference_age_columns
from skdistmass.validation.distances import distance_residuals
from skdistmass.validation.masses import mass_residuals
from skdistmass.validation.requirements import MissingInputError, require, require_stars
from skdistmass.validation.statistics import MIN_PER_BIN

__all__ = [
    "age_by_metallicity",
    "coverage_by_level",
    "mass_age_correlations",
    "mass_age_sample",
    "posterior_scores",
    "prediction_ranks",
    "rank_histogram",
]

Floats = NDArray[np.float64]
_FEWEST = 30  # stars with a reference, for a test of ranks
_STORED, _INTERVALS = "stored posterior", "intervals"
_DEVIATES = np.array([-2.0, -1.0, 0.0, 1.0, 2.0])
_SUMMARY = ("P02", "P16", "MEDIAN", "P84", "P98")
_MOST_DRAWS = 300_000
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
        yield from _truth(age, reference, difference, log_ages(stars, reference), np.zeros(len(stars)))


def _truth(name: str, reference: str, residual: Floats, value: Floats, error: Floats) -> Iterator[_Truth]:
    rows = np.flatnonzero(np.isfinite(residual))
    if len(rows):
        yield _Truth(name, reference.removeprefix("REF_"), rows, value[rows], error[rows])


def _is_stored(stars: Table, name: str) -> bool:
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
    if _is_stored(stars, name):
        for end in ("QUANTILES", "DRAWS"):
            if f"{stored}_{end}" in stars.colnames:
                vectors = np.stack([np.asarray(row, np.float64) for row in stars[f"{stored}_{end}"][rows]])
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


def age_by_metallicity(stars: Table, *, age: str | None = None, width: float = 0.2) -> Table:
    """Compute median and spread of the ages in bins of metallicity.

    Parameters
    ----------
    stars : Table
        Of `join_reference`, or a catalogue alone.
    age : str, optional
        Column of ages; by default the first of the catalogue.
    width : float, default=0.2
        Of a bin (dex).

    Returns
    -------
    table : Table
        M_H_LO, M_H_HI, N; MEDIAN, P16 and P84 of the log ages of the bin's stars [log10 yr]; ERROR, the median half
        width of a star's own 68.27 % interval [dex], NaN if the catalogue has none. Bins of fewer than five stars are
        left out.
    """
    age = first_age(stars, age)
    log_age, m_h = log_ages(stars, age), optional_floats(stars, "M_H", "dex")
    error = np.full(len(stars), np.nan)
    if f"{age}_LO" in stars.colnames and f"{age}_HI" in stars.colnames:
        error = 0.5 * (log_ages(stars, f"{age}_HI") - log_ages(stars, f"{age}_LO"))
    known = np.isfinite(log_age) & np.isfinite(m_h)
    require_stars(np.count_nonzero(known), MIN_PER_BIN, "stars have an age and a metallicity")
    first, last = (int(np.floor(end / width)) for end in (m_h[known].min(), m_h[known].max()))
    rows = []
    for low in np.round(width * np.arange(first, last + 1), 9):
        chosen = known & (m_h >= low) & (m_h < low + width)
        if np.count_nonzero(chosen) >= MIN_PER_BIN:
            spread = np.percentile(log_age[chosen], [50.0, 15.865, 84.135])
            errors = error[chosen & np.isfinite(error)]
            own = np.median(errors) if len(errors) else np.nan
            rows.append((low, round(low + width, 9), np.count_nonzero(chosen), *spread, own))
    require_stars(len(rows), 1, f"bins of [M/H] with {MIN_PER_BIN} ages")
    names = ("M_H_LO", "M_H_HI", "N", "MEDIAN", "P16", "P84", "ERROR")
    return Table(rows=rows, names=names, units=dict.fromkeys(("MEDIAN", "P16", "P84"), "dex(yr)") | {"ERROR": "dex"})


def mass_age_sample(stars: Table) -> tuple[dict[str, Floats], bool]:
    """Return masses (Msun), log ages (log10 yr) and [M/H] that belong together: draws if the catalogue has them.

    Parameters
    ----------
    stars : Table
        Of `join_reference`, or a catalogue alone.

    Returns
    -------
    values : dict of ndarray of shape (n_stars, n_draws)
        By name of the quantity; of stars that have all three. There is one draw without stored ones.
    drawn : bool
        Whether they are draws.
    """
    age = first_age(stars)
    mass = "MASS" + age.removeprefix("AGE")
    require(stars, mass, "M_H")
    found = {
        mass: optional_floats(stars, mass, "Msun"),
        age: log_ages(stars, age),
        "M_H": optional_floats(stars, "M_H"),
    }
    known = np.isfinite(list(found.values())).all(axis=0)
    require_stars(np.count_nonzero(known), MIN_PER_BIN, "stars have a mass, an age and a metallicity")
    drawn = "POST_AGE_DRAWS" in stars.colnames and _is_stored(stars, age)
    if not drawn:
        return {name: values[known, None] for name, values in found.items()}, False
    names = {name: f"POST_{'M_H' if name == 'M_H' else name.partition('_')[0]}_DRAWS" for name in found}
    draws = {n: np.stack([np.asarray(row, np.float64) for row in stars[c][known]]) for n, c in names.items()}
    whole = np.isfinite(list(draws.values())).all(axis=(0, 2))
    n_draws = max(1, _MOST_DRAWS // max(int(np.count_nonzero(whole)), 1))
    return {name: values[whole, :n_draws] for name, values in draws.items()}, True


def mass_age_correlations(stars: Table) -> Table:
    """Compute how masses, ages and metallicities go together, of all stars and within the posterior of one.

    Parameters
    ----------
    stars : Table
        Of `join_reference`, or a catalogue alone.

    Returns
    -------
    table : Table
        FIRST, SECOND, N (stars); CORRELATION, Spearman's, of all stars; WITHIN_STARS, the median over stars of
        Pearson's correlation of a star's own draws, NaN for a catalogue without draws.
    """
    values, drawn = mass_age_sample(stars)
    rows = []
    for one, other in combinations(values, 2):
        a, b = values[one], values[other]
        within = np.nan
        if drawn and a.shape[1] > 2:
            a_off, b_off = (each - each.mean(axis=1, keepdims=True) for each in (a, b))
            with np.errstate(invalid="ignore", divide="ignore"):
                each = (a_off * b_off).sum(axis=1) / np.sqrt((a_off**2).sum(axis=1) * (b_off**2).sum(axis=1))
            within = float(np.nanmedian(each))
        rows.append((one, other, len(a), float(spearmanr(a[:, 0], b[:, 0]).statistic), within))
    return Table(rows=rows, names=("FIRST", "SECOND", "N", "CORRELATION", "WITHIN_STARS"))
