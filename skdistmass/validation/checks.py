"""All tables at once, and the summary: the paper's figure beside the catalogue's, and whether it is met."""

from dataclasses import dataclass, field

import numpy as np
from astropy.table import Table, vstack

from skdistmass.validation import distances, metrics, science
from skdistmass.validation.stars import MissingInputError, join_reference, mass_scales

__all__ = ["Check", "Validation", "validate"]

COVERAGE_TOLERANCE = 0.03
PASSED, SHORT, INFORMATION, NOT_TESTED = "passed", "fell short", "for information", "not tested"


@dataclass(frozen=True)
class Check:
    """One line of the summary.

    Attributes
    ----------
    name : str
        What is looked at.
    paper : str
        The paper's figure or finding, with its section.
    found : str
        This catalogue's.
    verdict : str
        "passed", "fell short", "for information" (the paper gives no limit to hold it to) or "not tested" (`found` says
        why).
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
        The catalogue with its reference, of `join_reference`.
    tables : dict of Table
        By name; ``meta["title"]`` says what each is.
    skipped : dict of str
        Name of each table that could not be made, and why.
    checks : list of Check
        The summary.
    """

    stars: Table
    tables: dict[str, Table] = field(default_factory=dict)
    skipped: dict[str, str] = field(default_factory=dict)
    checks: list[Check] = field(default_factory=list)


def validate(catalog, reference=None, *, distance_columns=(), age_columns=(), cluster_distances=None):
    """Make all tables and the summary.

    Parameters
    ----------
    catalog : Table or path-like
        A catalogue (Table 2 of the paper).
    reference : Table or path-like, optional
        What is known of its stars: see `join_reference`.
    distance_columns, age_columns : sequence of str, default=()
        Further columns of the catalogue or the reference to hold the catalogue's distances (kpc) and ages (Gyr)
        against: those of astroNN, StarHorse, isochrones. A column whose unit is stated is converted.
    cluster_distances : dict, optional
        Distances (kpc) of clusters that are not in Table 1 of the paper, or better ones.

    Returns
    -------
    validation : Validation

    Raises
    ------
    MissingInputError
        If the two tables have no star in common.
    ColumnError
        If a column that was named is in neither table.

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
    result = Validation(stars)
    makers = _makers(stars, distance_columns, age_columns, cluster_distances)
    for name, (title, make) in makers.items():
        try:
            table = make()
        except MissingInputError as reason:
            result.skipped[name] = str(reason)
            continue
        table.meta["title"] = title
        result.tables[name] = table
    result.checks = [check for summary in _SUMMARIES for check in summary(result.tables)]
    result.checks += [Check(makers[name][0], "", reason, NOT_TESTED) for name, reason in result.skipped.items()]
    return result


def _makers(stars, distance_columns, age_columns, cluster_distances):
    """Return {name: (title, function that makes the table)}."""
    own = age_columns(stars)
    return {
        "distance_by_logg": ("Distances by log g (figure 4)", lambda: distances.distance_by_logg(stars)),
        "cluster_distances": (
            "Distances of clusters (figure 5)",
            lambda: distances.cluster_distances(stars, distances=cluster_distances),
        ),
        "mass_by_logg": ("Masses by log g", lambda: _mass_tables(stars, "LOGG")),
        "mass_by_mass": ("Masses by mass", lambda: _mass_tables(stars, "MASS")),
        "ages": ("Ages against other ages (figure 16)", lambda: metrics.age_statistics(stars)),
        "cluster_ages": ("Scatter of ages in clusters (figure 17)", lambda: metrics.age_in_clusters(stars)),
        "coverage": ("How often the intervals hold the reference", lambda: metrics.coverage(stars)),
        "comparisons": (
            "Other columns on common stars",
            lambda: _comparisons(stars, distance_columns, [(own[0], name) for name in age_columns] if own else []),
        ),
        "birth_cn": ("[C/N] against [Fe/H] (figure 8)", lambda: science.birth_cn_relation(stars)),
        "cn_radial_trend": ("Birth [C/N] against radius (figure 9)", lambda: science.cn_radial_trend(stars)),
        "cn_low_logg_rise": ("Rise of [C/N] at low log g (figure 10)", lambda: science.cn_low_logg_rise(stars)),
        "reference_mass_distributions": (
            "Reference masses at low (1) and high (2) log g (figure 12)",
            lambda: science.mass_distributions(stars, columns=_reference_masses(stars)),
        ),
        "mass_distributions": (
            "Predicted masses at low (1) and high (2) log g (figure 14)",
            lambda: science.mass_distributions(stars),
        ),
        "learned_relation": (
            "The learned [C/N]-mass relation (figure 13)",
            lambda: science.learned_cn_mass_relation(stars),
        ),
        "mass_loss": ("Ages of giants that lost 0.03 Msun (section 6.2)", science.mass_loss_effect),
        "spoo": (
            "Ages against those from [C/N] of Spoo et al. 2022 (figure 15)",
            lambda: science.spoo_comparison(stars),
        ),
    }


def _mass_tables(stars, by):
    parts = []
    reason = MissingInputError("there is no mass in the catalogue")
    for name, reference in mass_scales(stars).items():
        try:
            table = metrics.mass_by(stars, by, predicted=name, reference=reference)
        except MissingInputError as error:
            reason = error
            continue
        table.add_column([name] * len(table), name="SCALE", index=0)
        table.add_column([(reference or "").removeprefix("REF_")] * len(table), name="REFERENCE", index=1)
        parts.append(table)
    if not parts:
        raise reason
    return vstack(parts, metadata_conflicts="silent")


def _reference_masses(stars):
    names = list(dict.fromkeys(name for name in mass_scales(stars).values() if name))
    if not names:
        raise MissingInputError("the reference table has no masses")
    return names


def _comparisons(stars, distance_columns, age_pairs):
    """Compare all distances with the catalogue's and with the reference, and ages with the catalogue's."""

    def place(name):
        return f"REF_{name}" if f"REF_{name}" in stars.colnames else name

    others = [name for name in ("NMSU_DIST", "DISTANCE_WEIGHTED") if name in stars.colnames]
    others += [place(name) for name in distance_columns]
    pairs = [("DISTANCE", name, "distance") for name in others]
    pairs += [(name, "REFERENCE_DIST", "distance") for name in others if name != "DISTANCE_WEIGHTED"]
    pairs += [(own, place(name), "age") for own, name in age_pairs]
    parts = []
    for first, second, kind in pairs:
        try:
            parts.append(metrics.compare_columns(stars, first, second, kind))
        except MissingInputError:
            continue
    if not parts:
        raise MissingInputError("no further column of distances or ages was named that has stars in common")
    return vstack(parts, metadata_conflicts="silent")


def _limit(name, paper, value, limit, text):
    return Check(name, paper, text, PASSED if value <= limit else SHORT)


def _pooled(table, chosen, column):
    """Mean of a column over bins, by number of stars."""
    return float(np.average(table[column][chosen], weights=table["N"][chosen]))


def _summarise_distances(tables):
    table = tables.get("distance_by_logg")
    if table is None:
        return
    cool = np.asarray(table["LOGG_HI"] <= 2.0)
    if cool.any():
        value, n = _pooled(table, cool, "MAD_STD"), int(table["N"][cool].sum())
        yield _limit("Distance error, log g < 2", "20 % (section 7)", value, 0.20, f"{value:.1%} ({n} stars)")
    warm = np.asarray((table["LOGG_LO"] >= 2.5) & (table["LOGG_HI"] <= 3.5))
    if warm.any():
        value, n = _pooled(table, warm, "MAD_STD"), int(table["N"][warm].sum())
        name = "Distance error, giants of 2.5 < log g < 3.5"
        yield _limit(name, "below 10 % (section 7)", value, 0.10, f"{value:.1%} ({n} stars)")
    dwarfs = np.asarray(table["LOGG_LO"] >= 3.5)
    if dwarfs.any():
        value, n = _pooled(table, dwarfs, "MAD_STD"), int(table["N"][dwarfs].sum())
        name = "Distance error, dwarfs and subgiants of log g > 3.5"
        yield _limit(name, "below 10 % (section 7), without binaries", value, 0.10, f"{value:.1%} ({n} stars)")
    bias = _pooled(table, np.ones(len(table), bool), "BIAS")
    yield Check("Distance bias, all log g", "not given", f"{bias:+.1%}", INFORMATION)


def _summarise_clusters(tables):
    table = tables.get("cluster_distances")
    if table is None:
        return
    summary, n = distances.cluster_summary(table), len(table)
    bias, scatter, within = summary["bias"], summary["scatter"], summary["within"]
    outside = float(np.average(table["OUTSIDE"], weights=table["N"]))
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


def _summarise_masses(tables):
    table = tables.get("mass_by_logg")
    if table is not None:
        for scale in dict.fromkeys(table["SCALE"]):
            chosen = np.asarray(table["SCALE"] == scale)
            value, n = _pooled(table, chosen, "SCATTER"), int(table["N"][chosen].sum())
            bias = _pooled(table, chosen, "BIAS")
            text = f"{value:.1%}, bias {bias:+.1%} ({n} stars)"
            yield _limit(f"Mass error, {scale}", "12 % (section 7)", value, 0.12, text)
    table = tables.get("coverage")
    if table is not None:
        for row in table:
            text = f"{row['FOUND_68']:.1%} and {row['FOUND_95']:.1%} ({row['N']} stars)"
            found = np.array([row["FOUND_68"], row["FOUND_95"]])
            fine = (np.abs(found - table.meta["nominal"]) <= COVERAGE_TOLERANCE).all()
            verdict = PASSED if fine else SHORT
            if row["STATED"] < 0.9 * row["N"]:
                # What the reference's own errors add can't be told from errors that are too small.
                verdict, text = INFORMATION, f"{text}; {row['STATED']} of them with an error of the reference"
            name = f"Errors of {row['QUANTITY']}: stars within 1 and 2 of them"
            yield Check(name, "not tested (68.3 % and 95.4 % wanted, to 3 %)", text, verdict)


def _summarise_ages(tables):
    table = tables.get("cluster_ages")
    if table is not None:
        value, n = float(np.mean(table["STD"])), len(table)
        text = f"{value:.3f} dex ({n} clusters)"
        yield _limit("Age scatter within clusters, mean", "below 0.1 dex (section 7)", value, 0.1, text)
    for row in tables.get("ages", ()):
        text = f"bias {row['BIAS']:+.3f}, scatter {row['SCATTER']:.3f} dex ({row['N']} stars)"
        yield Check(
            f"Ages against {row['REFERENCE']}", "general agreement with astroNN (section 6.4)", text, INFORMATION
        )
    table = tables["mass_loss"]
    text = " and ".join(f"{value:.1%}" for value in table["OVER_PREDICTED"])
    close = np.abs(np.asarray(table["OVER_PREDICTED"]) - (0.11, 0.03)).max() < 0.01
    name = "Age too high by, after a loss of 0.03 Msun at 1 and 2 Msun"
    yield Check(name, "11 % and 3 % (section 6.2)", text, PASSED if close else SHORT)


def _summarise_chemistry(tables):
    for row in tables.get("birth_cn", ()):
        text = f"slope {row['SLOPE']:+.3f} ± {row['SLOPE_ERR']:.3f} ({row['N']} stars)"
        yield Check(f"[C/N] against [Fe/H], {row['SAMPLE']}", "a clear relation (section 5)", text, INFORMATION)
    if "cn_radial_trend" in tables:
        row = tables["cn_radial_trend"][-1]
        text = f"{row['SLOPE']:+.4f} ± {row['SLOPE_ERR']:.4f} dex/kpc (p = {row['P_VALUE']:.2g}, {row['N']} stars)"
        yield Check("Trend of birth [C/N] with radius", "none (section 5.1)", text, _no_trend(row["P_VALUE"]))
    if "cn_low_logg_rise" in tables:
        row = tables["cn_low_logg_rise"][-1]
        text = f"{row['RISE']:+.3f} ± {row['RISE_ERR']:.3f} dex per dex (p = {row['P_VALUE']:.2g}, {row['N']} stars)"
        yield Check("Rise of [C/N] towards low log g", "a rise, in DR17 (section 5.2)", text, INFORMATION)
    table = tables.get("mass_distributions")
    if table is not None:
        for row in table:
            where = f"{row['DISTANCE_LO']:g}-{row['DISTANCE_HI']:g} kpc"
            text = f"medians differ by {row['DIFFERENCE']:+.2f} ± {row['DIFFERENCE_ERR']:.2f} Msun"
            text += f" (KS p = {row['P_VALUE']:.2g})"
            name = f"{row['MASS']} at low and high log g, {where}"
            yield Check(name, "equal, but for Mosser's scales (section 5.5)", text, INFORMATION)
    for row in tables.get("spoo", ()):
        text = f"bias {row['BIAS']:+.2f}, scatter {row['SCATTER']:.2f} dex ({row['N']} stars)"
        name = f"Ages against Spoo et al. 2022, {row['FEH_LO']:g} < [Fe/H] < {row['FEH_HI']:g}"
        yield Check(name, "an offset that goes with [Fe/H] (section 6.3)", text, INFORMATION)


def _no_trend(p_value):
    """Three standard deviations, as for a normal law."""
    return SHORT if p_value < 0.0027 else PASSED


_SUMMARIES = (_summarise_distances, _summarise_clusters, _summarise_masses, _summarise_ages, _summarise_chemistry)
