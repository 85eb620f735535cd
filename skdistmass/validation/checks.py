"""All tables at once, and the summary: the paper beside the catalogue, and whether the limits are met."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from functools import cache, partial
from typing import Any

import numpy as np
from astropy.table import Table, vstack

from skdistmass.validation import ages, chemistry, comparisons, distances, masses, populations, posteriors, quality
from skdistmass.validation.columns import age_columns, column_of, mass_scales
from skdistmass.validation.quality import without_bad
from skdistmass.validation.requirements import MissingInputError
from skdistmass.validation.scales import label_scale
from skdistmass.validation.stars import join_reference, with_extinction

__all__ = ["Check", "Validation", "validate"]

COVERAGE_TOLERANCE = 0.03
PASSED, SHORT, INFORMATION, NOT_TESTED = "passed", "fell short", "for information", "not tested"


@dataclass(frozen=True)
class Check:
    """One line of the summary.

    Attributes
    ----------
    name : str
        What is checked.
    paper : str
        The number or finding of the paper, with its section.
    found : str
        The number or finding of this catalogue.
    verdict : str
        "passed", "fell short", "for information" (the paper gives no limit) or "not tested" (`found` says why).
    """

    name: str
    paper: str
    found: str
    verdict: str


@dataclass
class Validation:
    """What `validate` found.

    Attributes
    ----------
    stars : Table
        The catalogue joined with its reference, of `join_reference`.
    judged : Table
        The same without the values that the catalogue's flags call bad, of `without_bad`: what the other tables, the
        figures and the summary are made of.
    tables : dict of Table
        By name; ``meta["title"]`` is the title of each, ``meta["fits"]`` the fits of those of [C/N].
    skipped : dict of str
        Name of each table that could not be made, and why.
    checks : list of Check
        The summary.
    """

    stars: Table
    judged: Table
    tables: dict[str, Table] = field(default_factory=dict)
    skipped: dict[str, str] = field(default_factory=dict)
    checks: list[Check] = field(default_factory=list)


def validate(
    catalog: Any,
    reference: Any = None,
    *,
    distance_columns: Sequence[str] = (),
    age_columns: Sequence[str] = (),
    cluster_distances: Mapping[str, float] | str | None = None,
    assumed_extinction: float | None = None,
    include_bad: bool = False,
    model: Any = None,
) -> Validation:
    """Make all tables and the summary.

    Distances, masses and ages are judged that the catalogue's FLAGS do not call bad. Those of warned and of bad stars
    are shown beside them, and for each flag how much worse its stars are.

    Parameters
    ----------
    catalog : table or path-like
        A catalogue (Table 2 of the paper).
    reference : Stars, table or path-like, optional
        What is known of its stars: see `join_reference`.
    distance_columns, age_columns : sequence of str, default=()
        Further columns of the catalogue or the reference to compare the distances (kpc) and ages (Gyr) of the catalogue
        with, such as those of astroNN, StarHorse, or isochrones. A column that states a unit is converted.
    cluster_distances : dict, "paper" or "modern", optional
        Distances (kpc) of clusters that are not in Table 1 of the paper, or better ones; or a list of
        `skdistmass.surveys.load_clusters`.
    assumed_extinction : float, optional
        A_K (mag) to assume, with an error as large, for stars whose catalogue has ABS_MAG and MAG, but no extinction.
    include_bad : bool, default=False
        Judge all stars, whatever their flags say.
    model : Predictor, optional
        The model that made the catalogue, to check whether the labels are on its scale.

    Returns
    -------
    validation : Validation
        Without a table of what the catalogue or the reference does not have; `skipped` says what is missing.

    Raises
    ------
    MissingInputError
        If the two tables have no star in common.
    ColumnError
        If a column that was named is in neither table.
    InputError
        If a column has values that it can't have in the unit it would be read in.

    Examples
    --------
    >>> from skdistmass.validation import validate
    >>> catalog = Table({"DISTANCE": [1.0] * 9, "GAIAEDR3_DIST": [1.1] * 9, "LOGG": [2.3] * 9})
    >>> found = validate(catalog)
    >>> found.tables["distance_by_logg"]["BIAS"].value.round(3)
    array([-0.091])
    >>> found.skipped["cluster_distances"]
    'there is no column CLUSTER in the catalogue'
    """
    stars = join_reference(catalog, reference, columns=(*distance_columns, *age_columns))
    if assumed_extinction is not None:
        stars = with_extinction(stars, assumed_extinction)
    result = Validation(stars, stars if include_bad else without_bad(stars))
    makers = _makers(result, distance_columns, age_columns, cluster_distances, model)
    for name, (title, make) in makers.items():
        try:
            result.tables[name] = make()
            result.tables[name].meta["title"] = title
        except MissingInputError as reason:
            result.skipped[name] = str(reason)
    parts = (
        _distance_checks,
        _cluster_checks,
        _mass_checks,
        _age_checks,
        _posterior_checks,
        _flag_checks,
        _chemistry_checks,
        _scale_checks,
    )
    for summary in parts:
        result.checks += summary(result.tables)
    result.checks += [Check(makers[name][0], "", reason, NOT_TESTED) for name, reason in result.skipped.items()]
    return result


def _makers(
    found: Validation,
    distance_columns: Sequence[str],
    age_names: Sequence[str],
    known: Mapping[str, float] | str | None,
    model: Any,
) -> dict[str, tuple[str, Callable[[], Table]]]:
    """Return the title of each table, and the function that makes it."""
    stars = found.judged
    given, predicted = "Reference masses at low (1) and high (2)", "Predicted masses at low (1) and high (2)"
    spoo = "Ages against those from [C/N] of Spoo et al. 2022 (figure 15)"
    clusters = partial(distances.cluster_distances, distances=known)
    ranks = cache(partial(posteriors.prediction_ranks, stars))
    return {
        "distance_by_logg": ("Distances by log g (figure 4)", lambda: distances.distance_by_logg(stars)),
        "cluster_distances": ("Distances of clusters (figure 5)", lambda: clusters(stars)),
        "mass_by_logg": ("Masses by log g", lambda: _mass_tables(stars, "LOGG")),
        "mass_by_mass": ("Masses by mass", lambda: _mass_tables(stars, "MASS")),
        "ages": ("Ages against other ages (figure 16)", lambda: ages.age_statistics(stars)),
        "cluster_ages": ("Scatter of ages in clusters (figure 17)", lambda: ages.age_in_clusters(stars)),
        "coverage": ("How often the intervals hold the reference", lambda: comparisons.coverage(stars)),
        "posterior_scores": ("Distributions: scores and ranks", lambda: posteriors.posterior_scores(stars)),
        "ranks": (
            "Ranks of the reference in the distributions (figure 19)",
            lambda: posteriors.rank_histogram(stars, ranks=ranks()),
        ),
        "coverage_by_level": (
            "How often intervals of every size hold the reference (figure 20)",
            lambda: posteriors.coverage_by_level(stars, ranks=ranks()),
        ),
        "age_by_metallicity": ("Ages by [M/H] (figure 21)", lambda: populations.age_by_metallicity(stars)),
        "mass_age_correlations": ("Mass, age and [M/H] (figure 22)", lambda: populations.mass_age_correlations(stars)),
        "grades": ("Good, warned and bad stars", lambda: quality.errors_by_grade(found.stars)),
        "flags": ("How much worse the stars of each flag are", lambda: quality.errors_by_flag(found.stars)),
        "comparisons": ("Other columns on common stars", lambda: _comparisons(stars, distance_columns, age_names)),
        "birth_cn": ("[C/N] against [Fe/H] (figure 8)", lambda: chemistry.birth_cn_relation(stars)),
        "cn_radial_trend": ("Birth [C/N] against radius (figure 9)", lambda: chemistry.cn_radial_trend(stars)),
        "cn_low_logg_rise": ("Rise of [C/N] at low log g (figure 10)", lambda: chemistry.cn_low_logg_rise(stars)),
        "reference_mass_distributions": (f"{given} log g (figure 12)", lambda: _reference_masses(stars)),
        "mass_distributions": (f"{predicted} log g (figure 14)", lambda: masses.mass_distributions(stars)),
        "learned_relation": (
            "The learned [C/N]-mass relation (figure 13)",
            lambda: masses.learned_cn_mass_relation(stars),
        ),
        "mass_loss": ("Ages of giants that lost 0.03 Msun (section 6.2)", ages.mass_loss_effect),
        "spoo": (spoo, lambda: ages.spoo_comparison(stars)),
        "label_scale": ("Scale of the labels", lambda: label_scale(stars, model)),
    }


def _mass_tables(stars: Table, by: str) -> Table:
    parts = []
    reason = MissingInputError("there is no mass in the catalogue")
    for name, reference in mass_scales(stars).items():
        try:
            table = masses.mass_by(stars, by, predicted=name, reference=reference)
        except MissingInputError as error:
            reason = error
            continue
        table.add_column([name] * len(table), name="SCALE", index=0)
        table.add_column([(reference or "").removeprefix("REF_")] * len(table), name="REFERENCE", index=1)
        parts.append(table)
    if not parts:
        raise reason
    return vstack(parts, metadata_conflicts="silent")


def _reference_masses(stars: Table) -> Table:
    names = list(dict.fromkeys(filter(None, mass_scales(stars).values())))
    if not names:
        raise MissingInputError("the reference table has no masses")
    return masses.mass_distributions(stars, columns=names)


def _comparisons(stars: Table, distance_columns: Sequence[str], age_names: Sequence[str]) -> Table:
    """Compare all distances with those of the catalogue and of the reference, and ages with those of the catalogue."""
    others = [name for name in ("NMSU_DIST", "DISTANCE_WEIGHTED") if name in stars.colnames]
    others += [column_of(stars, name) for name in distance_columns]
    pairs = [("DISTANCE", name, "distance") for name in others]
    pairs += [(name, "REFERENCE_DIST", "distance") for name in others if name != "DISTANCE_WEIGHTED"]
    pairs += [(own, column_of(stars, name), "age") for own in age_columns(stars)[:1] for name in age_names]
    parts = []
    for first, second, kind in pairs:
        with suppress(MissingInputError):
            parts.append(comparisons.compare_columns(stars, first, second, kind))
    if not parts:
        raise MissingInputError("no further column of distances or ages was named that has stars in common")
    return vstack(parts, metadata_conflicts="silent")


def _limit(name: str, paper: str, value: float, limit: float, text: str) -> Check:
    return Check(name, paper, text, PASSED if value <= limit else SHORT)


def _pooled(table: Table, column: str) -> float:
    """Return the mean of a column over bins, by number of stars."""
    return float(np.average(table[column], weights=table["N"]))


def _distance_checks(tables: Mapping[str, Table]) -> Iterator[Check]:
    if "distance_by_logg" not in tables:
        return
    table = tables["distance_by_logg"]
    low, high = table["LOGG_LO"], table["LOGG_HI"]
    for name, paper, limit, chosen in (
        ("log g < 2", "20 % (section 7)", 0.20, high <= 2.0),
        ("giants of 2.5 < log g < 3.5", "below 10 % (section 7)", 0.10, (low >= 2.5) & (high <= 3.5)),
        ("dwarfs and subgiants of log g > 3.5", "below 10 % (section 7), without binaries", 0.10, low >= 3.5),
    ):
        if chosen.any():
            value = _pooled(table[chosen], "MAD_STD")
            text = f"{value:.1%} ({table['N'][chosen].sum()} stars)"
            yield _limit(f"Distance error, {name}", paper, value, limit, text)
    yield Check("Distance bias, all log g", "not given", f"{_pooled(table, 'BIAS'):+.1%}", INFORMATION)


def _cluster_checks(tables: Mapping[str, Table]) -> Iterator[Check]:
    if "cluster_distances" not in tables:
        return
    table = tables["cluster_distances"]
    summary, n = distances.cluster_summary(table), len(table)
    bias, scatter, within = summary["bias"], summary["scatter"], summary["within"]
    outside = _pooled(table, "OUTSIDE")
    if outside > 0:
        text = f"{outside:.0%} of the members"
        yield Check("Cluster members unlike the stars trained on", "few: clusters were trained on", text, INFORMATION)
    found = f"{bias:+.3f} ({n} clusters)"
    yield _limit("Cluster distances, median fractional error", "-0.06 (section 4.3)", abs(bias), 0.06, found)
    if n > 1:
        found = f"{scatter:.3f} ({n} clusters)"
        yield _limit("Cluster distances, scatter of clusters", "0.114 (section 4.3)", scatter, 0.114, found)
    yield _limit("Cluster distances, scatter within clusters", "0.14 (section 4.3)", within, 0.14, f"{within:.3f}")
    if n >= 5:
        deviant = ", ".join(f"{row['CLUSTER']} {row['MEDIAN_ERROR']:+.2f}" for row in table[table["DEVIANT"]])
        yield Check("Clusters that stand out", "not tested", deviant or "none", SHORT if deviant else PASSED)


def _mass_checks(tables: Mapping[str, Table]) -> Iterator[Check]:
    masses = tables.get("mass_by_logg", Table({"SCALE": []}))
    for scale in dict.fromkeys(masses["SCALE"]):
        table = masses[masses["SCALE"] == scale]
        value, bias = _pooled(table, "SCATTER"), _pooled(table, "BIAS")
        text = f"{value:.1%}, bias {bias:+.1%} ({table['N'].sum()} stars)"
        yield _limit(f"Mass error, {scale}", "12 % (section 7)", value, 0.12, text)
    for row in tables.get("coverage", ()):
        text = f"{row['FOUND_68']:.1%} and {row['FOUND_95']:.1%} ({row['N']} stars)"
        found = np.array([row["FOUND_68"], row["FOUND_95"]])
        close = (np.abs(found - tables["coverage"].meta["nominal"]) <= COVERAGE_TOLERANCE).all()
        verdict = PASSED if close else SHORT
        if row["STATED"] < 0.9 * row["N"]:
            # If the errors of the reference are unknown, they look like errors of the catalogue that are too small.
            verdict, text = INFORMATION, f"{text}; {row['STATED']} of them with an error of the reference"
        name = f"Intervals of {row['QUANTITY']}: stars within them"
        yield Check(name, "not tested (68.3 % and 95.4 % wanted, to 3 %)", text, verdict)


def _age_checks(tables: Mapping[str, Table]) -> Iterator[Check]:
    if "cluster_ages" in tables:
        value = float(np.mean(tables["cluster_ages"]["STD"]))
        text = f"{value:.3f} dex ({len(tables['cluster_ages'])} clusters)"
        yield _limit("Age scatter within clusters, mean", "below 0.1 dex (section 7)", value, 0.1, text)
        for row in tables["cluster_ages"]:
            if np.isfinite(row["OFFSET"]):
                paper = "3.65 against 11.3 Gyr (section 6.4)" if row["CLUSTER"] == "N6388" else "not given"
                ages_gyr = [10.0 ** (row[name] - 9.0) for name in ("MEDIAN", "LITERATURE")]
                text = f"{ages_gyr[0]:.2f} against {ages_gyr[1]:.2f} Gyr ({row['OFFSET']:+.2f} dex, {row['N']} stars)"
                yield Check(f"Age of {row['CLUSTER']} against the literature", paper, text, INFORMATION)
    for row in tables.get("ages", ()):
        text = f"bias {row['BIAS']:+.3f}, scatter {row['SCATTER']:.3f} dex ({row['N']} stars)"
        paper = "general agreement with astroNN (section 6.4)"
        yield Check(f"Ages against {row['REFERENCE']}", paper, text, INFORMATION)
    over = tables["mass_loss"]["OVER_PREDICTED"]
    off = float(np.abs(np.asarray(over) - (0.11, 0.03)).max())
    name = "Age too high by, after a loss of 0.03 Msun at 1 and 2 Msun"
    yield _limit(name, "11 % and 3 % (section 6.2)", off, 0.01, " and ".join(f"{value:.1%}" for value in over))


def _posterior_checks(tables: Mapping[str, Table]) -> Iterator[Check]:
    for row in tables.get("posterior_scores", ()):
        text = f"{row['GAIN']:+.1%}; of the same 68 % by {row['GAIN_68']:+.1%} ({row['LAW']}, {row['N']} stars)"
        name = f"Distributions of {row['QUANTITY']} by {row['REFERENCE']}: better than normal laws by"
        yield Check(name, "not tested", text, INFORMATION)
    table = tables.get("coverage_by_level", Table({"QUANTITY": []}))
    for name in dict.fromkeys(table["QUANTITY"]):
        part = table[table["QUANTITY"] == name]
        gap = part["FOUND"] - part["NOMINAL"]
        worst = int(np.argmax(np.abs(gap)))
        text = f"at most {gap[worst]:+.1%}, at {part['NOMINAL'][worst]:.0%} ({part['N'][0]} stars)"
        yield Check(f"Coverage at all levels, {name}: off by", "not tested", text, INFORMATION)


def _flag_checks(tables: Mapping[str, Table]) -> Iterator[Check]:
    table = tables.get("grades", Table({"QUANTITY": []}))
    for name in dict.fromkeys(table["QUANTITY"]):
        parts = [
            f"{row['STARS']}: bias {row['BIAS']:+.3f}, scatter {row['SCATTER']:.3f} ({row['N']} stars)"
            for row in table[table["QUANTITY"] == name]
            if row["N"]
        ]
        yield Check(f"{name} by flags", "not tested", "; ".join(parts), INFORMATION)
    for row in tables.get("flags", ()):
        text = f"bias {row['BIAS']:+.3f}, scatter {row['SCATTER']:.3f} ({row['N']} stars)"
        if np.isfinite(row["TIMES_WORSE"]):
            text = f"{row['TIMES_WORSE']:.2f} times the error of stars without it, {text}"
        yield Check(f"{row['QUANTITY']} of stars with {row['FLAG']}", "not tested", text, INFORMATION)


def _chemistry_checks(tables: Mapping[str, Table]) -> Iterator[Check]:
    for row in tables.get("birth_cn", ()):
        text = f"slope {row['SLOPE']:+.3f} ± {row['SLOPE_ERR']:.3f} ({row['N']} stars)"
        yield Check(f"[C/N] against [Fe/H], {row['SAMPLE']}", "a clear relation (section 5)", text, INFORMATION)
    for row in tables.get("cn_radial_trend", ())[-1:]:
        text = f"{row['SLOPE']:+.4f} ± {row['SLOPE_ERR']:.4f} dex/kpc (p = {row['P_VALUE']:.2g}, {row['N']} stars)"
        # Three standard deviations of a normal law.
        verdict = SHORT if row["P_VALUE"] < 0.0027 else PASSED
        yield Check("Trend of birth [C/N] with radius", "none (section 5.1)", text, verdict)
    for row in tables.get("cn_low_logg_rise", ())[-1:]:
        text = f"{row['RISE']:+.3f} ± {row['RISE_ERR']:.3f} dex per dex (p = {row['P_VALUE']:.2g}, {row['N']} stars)"
        yield Check("Rise of [C/N] towards low log g", "a rise, in DR17 (section 5.2)", text, INFORMATION)
    for row in tables.get("mass_distributions", ()):
        text = f"medians differ by {row['DIFFERENCE']:+.2f} ± {row['DIFFERENCE_ERR']:.2f} Msun"
        text += f" (KS p = {row['P_VALUE']:.2g})"
        name = f"{row['MASS']} at low and high log g, {row['DISTANCE_LO']:g}-{row['DISTANCE_HI']:g} kpc"
        yield Check(name, "equal, but for Mosser's scales (section 5.5)", text, INFORMATION)
    for row in tables.get("spoo", ()):
        text = f"bias {row['BIAS']:+.2f}, scatter {row['SCATTER']:.2f} dex ({row['N']} stars)"
        name = f"Ages against Spoo et al. 2022, {row['FEH_LO']:g} < [Fe/H] < {row['FEH_HI']:g}"
        yield Check(name, "an offset that goes with [Fe/H] (section 6.3)", text, INFORMATION)


def _scale_checks(tables: Mapping[str, Table]) -> Iterator[Check]:
    if "label_scale" in tables:
        found = tables["label_scale"].meta["message"]
        yield Check("Scale of the labels", "that of DR17 (section 2)", found or "no shift", SHORT if found else PASSED)
