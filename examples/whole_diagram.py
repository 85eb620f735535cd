"""Measure the recipe of the model `apogee` on stars held out: distances over the whole Kiel diagram, and masses.

Every star is predicted by a model that has not seen it, its cluster, or, with ``--leave-out``, its source of labels.
The tables are those of `skdistmass.surveys.data_dir`; ``docs/whole_diagram.md`` has the results.

    python examples/whole_diagram.py                  # distances and masses; a few minutes
    python examples/whole_diagram.py --leave-out      # distances, with each source of labels left out whole
"""

import argparse
import warnings
from dataclasses import dataclass

import numpy as np
from make_apogee_model import UNUSED, distance_network, mass_network, read_tables, training_cuts, training_space
from scipy.special import ndtri
from sklearn.model_selection import GroupKFold

from skdistmass.labels import LABEL_NAMES
from skdistmass.photometry import distance_ratio
from skdistmass.schema.limits import GIANT_LOGG, LUMINOUS_LOGG
from skdistmass.surveys import stack_stars
from skdistmass.surveys.clusters import cluster_names
from skdistmass.surveys.training_sets import distance_training_set, mass_training_set
from skdistmass.uncertainty import normal_coverage, robust_scatter

LEVELS = normal_coverage(1.0), normal_coverage(2.0)


@dataclass
class Sample:
    """Stars with a reference, one row each."""

    table: np.ndarray
    labels: np.ndarray
    target: np.ndarray
    error: np.ndarray
    source: np.ndarray
    cluster: np.ndarray
    group: np.ndarray

    def __getitem__(self, rows):
        return Sample(*(values[rows] for values in vars(self).values()))


def make_sample(tables, choose, source):
    """Take the stars that can be trained on from all tables."""
    stars = stack_stars(list(tables.values()))
    table = np.repeat(list(tables), [len(part) for part in tables.values()])
    chosen = choose(stars)
    stars, table = stars[chosen.rows], table[chosen.rows]
    cluster = cluster_names(stars)
    group = np.unique(np.where(cluster != "", cluster, stars.text("APOGEE_ID")), return_inverse=True)[1]
    return Sample(table, stars.labels, chosen.target, chosen.target_err, stars.text(source), cluster, group)


def split(sample, n_folds):
    """Return folds of stars and clusters."""
    return list(GroupKFold(n_folds, shuffle=True, random_state=1).split(sample.labels, groups=sample.group))


def predict(sample, folds, new_network, names=LABEL_NAMES, unused=""):
    """Predict each fold by a network of the others: value, intervals, and whether it is called outside."""
    columns = [LABEL_NAMES.index(name) for name in names]
    value, outside = np.full(len(sample.target), np.nan), np.zeros(len(sample.target), dtype=bool)
    intervals = np.full((2, len(value), 2), np.nan)
    for train, test in folds:
        train = train[sample.source[train] != unused]
        one, X = sample[train], sample.labels[np.ix_(test, columns)]
        network = new_network()
        further = {"cluster": one.cluster} if "optional_labels" in network.get_params() else {}
        network.fit(one.labels[:, columns], one.target, groups=one.group, y_err=one.error, source=one.source, **further)
        for number, level in enumerate(LEVELS):
            found = network.predict_with_interval(X, level, source=sample.source[test])
            intervals[number, test] = found.interval
        value[test] = found.value
        space = training_space().fit(one.labels[:, :3], groups=one.group)
        outside[test] = space.predict(sample.labels[test, :3]) < 0
    return value, intervals, outside


def coverage(sample, value, interval, level, link):
    """Tell which references lie in the interval, with the error of the reference added to it in quadrature."""
    reference = link(sample.target)
    error = np.abs(link(sample.target + sample.error) - reference) * -ndtri(0.5 - 0.5 * level)
    half = np.hypot(link(interval) - link(value)[:, None], error[:, None])
    return (reference > link(value) - half[:, 0]) & (reference < link(value) + half[:, 1])


def print_sets(sets, sample, fraction, found, link):
    """Print one line for each set of stars."""
    value, intervals, outside = found
    inside = [coverage(sample, value, interval, level, link) for interval, level in zip(intervals, LEVELS, strict=True)]
    print(
        f"{'set (wanted)':52s} {'n':>5s} {'bias':>7s} {'scatter':>7s} {'68 %':>5s} {'95 %':>5s} {'outside':>7s} missed"
    )
    for name, rows in sets.items():
        rows = rows & np.isfinite(value)
        if not rows.any():
            continue
        believed = rows & ~outside
        missed = 100 * np.mean(~inside[1][believed]) if believed.any() else np.nan
        print(
            f"{name:52s} {rows.sum():5d} {np.median(fraction[rows]):+7.3f} {robust_scatter(fraction[rows]):7.3f} "
            f"{100 * inside[0][rows].mean():5.1f} {100 * inside[1][rows].mean():5.1f} "
            f"{100 * outside[rows].mean():7.1f} {missed:6.1f}",
            flush=True,
        )


def distances(arguments, tables):
    """Measure distances."""
    sample = make_sample(tables, lambda stars: distance_training_set(stars, training_cuts(), names=LABEL_NAMES[:3]),
                         "LABEL_SRC")  # fmt: skip
    if arguments.leave_out:
        # No star of a source is in the other part of it, and no star that has labels of it as well.
        tests = [np.flatnonzero(sample.source == name) for name in np.unique(sample.source)]
        folds = [(np.flatnonzero(~np.isin(sample.group, sample.group[test])), test) for test in tests]
    else:
        folds = list(
            GroupKFold(arguments.folds, shuffle=True, random_state=1).split(sample.labels, groups=sample.group)
        )
    found = predict(sample, folds, lambda: distance_network(**parameters(arguments)), unused=UNUSED)
    fraction = distance_ratio(found[0], sample.target) - 1.0
    logg, table = sample.labels[:, 1], sample.table
    kepler, k2 = table == "kepler_giants", table == "k2_giants"
    precise, very = (sample.error < np.hypot(limit * 5 / np.log(10), 0.03) for limit in (0.10, 0.05))
    seismic = np.char.find(sample.source, "seismic") >= 0
    sets = {
        "Kepler giants, parallax error < 10 % (0.004/0.064)": kepler & precise & ~seismic,
        "   of these with labels of DR17": kepler & precise & (sample.source == "DR17"),
        "   of these with log g < 2": kepler & precise & ~seismic & (logg < LUMINOUS_LOGG),
        "Kepler giants, seismic distances": kepler & seismic,
        "K2 giants (0.015/0.082)": k2,
        "   of these with parallax error < 5 %": k2 & very,
        "K2 giants, log g < 2 (0.03/0.09)": k2 & (logg < LUMINOUS_LOGG),
        "   of these with parallax error < 5 % ": k2
        & (logg < 2)
        & (sample.error < np.hypot(0.05 * 5 / np.log(10), 0.03)),
        "K2 giants, [Fe/H] < -1": k2 & (sample.labels[:, 2] < -1),
        "Kepler dwarfs and subgiants (0.02/0.09)": table == "kepler_dwarfs",
        "   of these single (M_K above -0.3 of the mean)": (table == "kepler_dwarfs") & (fraction < 0.25),
        "dwarfs, labels of DR16 and DR17": (table == "dwarfs") & (sample.source != UNUSED),
        "dwarfs, raw labels of DR12, not trained on": (table == "dwarfs") & (sample.source == UNUSED),
        "cluster members": table == "cluster_members",
    }
    print_sets(sets, sample, fraction, found, lambda y: y)
    report_clusters(sample, fraction)


def report_clusters(sample, fraction):
    """Print the mean error of each cluster, of all its stars and by source."""
    means = {}
    for name in np.unique(sample.cluster[sample.cluster != ""]):
        rows = (sample.cluster == name) & np.isfinite(fraction)
        means[name] = np.mean(np.clip(fraction[rows], -1.0, 1.0))
        parts = [
            f"{s[:18]} {np.mean(fraction[rows & (sample.source == s)]):+.3f}" for s in np.unique(sample.source[rows])
        ]
        print(f"   {name:10s} {rows.sum():4d} stars {means[name]:+.3f} ({', '.join(parts)})")
    print(f"rms of the clusters' mean errors (0.12): {np.sqrt(np.mean(np.square(list(means.values())))):.3f}")


def masses(arguments, tables):
    """Measure masses, with and without carbon and nitrogen."""
    for names in (LABEL_NAMES, LABEL_NAMES[:3]):
        sample = make_sample(tables, lambda stars, n=names: mass_training_set(stars, "MASS", training_cuts(), names=n),
                             "MASS_SRC")  # fmt: skip
        folds = list(
            GroupKFold(arguments.folds, shuffle=True, random_state=1).split(sample.labels, groups=sample.group)
        )
        found = predict(sample, folds, lambda: mass_network(**parameters(arguments)), names)
        giant = sample.labels[:, 1] < GIANT_LOGG
        kepler = sample.table == "kepler_giants"
        sets = {
            "Kepler giants (0.077)": kepler & giant,
            "   of these APOKASC-3": kepler & giant & (sample.source == "APOKASC-3 T4 Gold"),
            "   of these log g < 2": kepler & (sample.labels[:, 1] < LUMINOUS_LOGG),
            "K2 giants": sample.table == "k2_giants",
            "dwarfs and subgiants (0.065)": sample.table == "kepler_dwarfs",
        }
        print(f"masses by {', '.join(names)}")
        print_sets(sets, sample, found[0] / sample.target - 1.0, found, np.log)


def parameters(arguments):
    """Return the parameters that both networks share."""
    return {"n_networks": arguments.networks, "n_folds": 4, "random_state": 0}


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--networks", type=int, default=2, help="networks averaged in each model")
    parser.add_argument("--folds", type=int, default=4, help="folds of stars and clusters")
    parser.add_argument("--leave-out", action="store_true", help="leave each source of labels out whole")
    parser.add_argument("--only", choices=["distances", "masses"], help="measure one of both")
    arguments = parser.parse_args()
    warnings.simplefilter("ignore")
    tables = read_tables()
    if arguments.only != "masses":
        distances(arguments, tables)
    if arguments.only != "distances" and not arguments.leave_out:
        masses(arguments, tables)


if __name__ == "__main__":
    main()
