"""Measure the distance model for the whole diagram: giants, dwarfs, clusters, and stars without C and N.

Every star is predicted by a model that has not seen it, its cluster, or, with ``--leave-out``, its source of labels.
Run with ``python examples/whole_diagram.py``; the tables are those of `skdistmass.datasets.data_dir`.
"""

import argparse
import time
import warnings
from dataclasses import dataclass

import numpy as np
from astropy.table import Table
from scipy.special import ndtri
from skdistmass.estimators.colour_extinction import ColourExtinction
from sklearn.model_selection import GroupKFold

from skdistmass import AbsMagRegressor, LevenbergMarquardtMLPRegressor
from skdistmass.estimators.training_space import TrainingSpace
from skdistmass.surveys import data_dir, load_clusters, match_clusters
from skdistmass.uncertainty import robust_scatter

LABELS = ("TEFF", "LOGG", "FE_H", "C_FE", "N_FE")
REFERENCE = ("Kepler DR17", "K2 DR17", "ASPCAP DR16", "ASPCAP DR17-scale (APOKASC-3)")
DR2_ZERO_POINT, EDR3_ZERO_POINT = -0.053, -0.021  # mas
MAG_TO_DISTANCE = np.log(10.0) / 5.0


@dataclass
class Sample:
    """Stars of one table."""

    name: str
    labels: np.ndarray
    abs_mag: np.ndarray
    error: np.ndarray
    source: np.ndarray
    cluster: np.ndarray
    star: np.ndarray


def floats(table, name):
    """Return a column as floats, NaN where missing or absent."""
    if name not in table.colnames:
        return np.full(len(table), np.nan)
    return np.ma.filled(np.ma.asarray(table[name]).astype(float), np.nan)


def text(table, name):
    """Return a column as text, blank where missing or absent."""
    if name not in table.colnames:
        return np.full(len(table), "")
    return np.ma.filled(np.ma.asarray(table[name]).astype(str), "")


def magnitudes(table):
    """Return J, H and K of each star."""
    return np.column_stack([floats(table, band) for band in "JHK"])


def make_sample(name, table, modulus, error, source, extinction, extinction_error, keep=True):
    """Make a sample from distance moduli; stars without a magnitude, an extinction or three labels are left out."""
    labels = np.column_stack([floats(table, column) for column in LABELS])
    abs_mag = floats(table, "K") - extinction - modulus
    usable = np.isfinite(labels[:, :3]).all(axis=1) & np.isfinite(abs_mag) & (error < 0.15 / MAG_TO_DISTANCE) & keep
    error = np.hypot(np.hypot(error, 0.02), extinction_error)
    cluster = text(table, "CLUSTER") if name == "clusters" else np.full(len(table), "")
    parts = (labels, abs_mag, error, np.asarray(source, dtype="U40"), cluster.astype("U20"), text(table, "APOGEE_ID"))
    return Sample(name, *(part[usable] for part in parts))


def parallax_modulus(parallax, error):
    """Return distance modulus and error (mag) of parallaxes (mas)."""
    positive = np.where(parallax > 0, parallax, np.nan)
    return 10.0 - 5.0 * np.log10(positive), error / positive / MAG_TO_DISTANCE


def read_samples():
    """Read the tables."""
    tables = {name: Table.read(data_dir() / f"{name}.fits") for name in
              ("kepler_giants", "k2_giants", "kepler_dwarfs", "dwarfs", "cluster_members")}  # fmt: skip
    kepler = tables["kepler_giants"]
    first = np.column_stack([floats(kepler, column) for column in LABELS[:3]])
    dust = ColourExtinction().fit(first, magnitudes(kepler), floats(kepler, "A_K"))
    complete = np.isfinite(np.column_stack([floats(kepler, column) for column in LABELS])).all(axis=1)
    gaia = parallax_modulus(
        floats(kepler, "GAIAEDR3_PARALLAX") - EDR3_ZERO_POINT, floats(kepler, "GAIAEDR3_PARALLAX_ERROR")
    )
    mapped = np.char.add("Kepler ", text(kepler, "LABEL_SRC").astype("U30"))
    samples = [make_sample("kepler", kepler, *gaia, mapped, floats(kepler, "A_K"), 0.02, complete)]
    seismic = 10.0 + 5.0 * np.log10(floats(kepler, "DIST_SEIS"))
    samples.append(
        make_sample(
            "kepler seismic",
            kepler,
            seismic,
            np.full(len(kepler), 0.08),
            np.char.add("seismic, ", mapped),
            floats(kepler, "A_K"),
            0.02,
            complete & ~np.isfinite(gaia[0]),
        )
    )
    k2 = tables["k2_giants"]
    extinction = dust.predict(
        np.column_stack([floats(k2, column) for column in LABELS[:3]]),
        magnitudes(k2),
        latitude=floats(k2, "GLAT"),
        return_std=True,
    )
    gaia = parallax_modulus(floats(k2, "GAIAEDR3_PARALLAX"), floats(k2, "GAIAEDR3_PARALLAX_ERROR"))
    samples.append(make_sample("k2", k2, *gaia, np.full(len(k2), "K2 DR17"), *extinction))
    dwarfs = tables["kepler_dwarfs"]
    gaia = parallax_modulus(
        floats(dwarfs, "GAIADR2_PARALLAX") - DR2_ZERO_POINT, floats(dwarfs, "GAIADR2_PARALLAX_ERROR")
    )
    wise = np.clip(floats(dwarfs, "AK_WISE"), -0.02, 0.1)
    samples.append(make_sample("kepler dwarfs", dwarfs, *gaia, text(dwarfs, "LABEL_SRC"), wise, 0.02))
    dwarfs = tables["dwarfs"]
    release = text(dwarfs, "PLX_SRC")
    zero_point = np.select([release == "Gaia DR2", release == "Hipparcos"], [DR2_ZERO_POINT, 0.0], EDR3_ZERO_POINT)
    gaia = parallax_modulus(floats(dwarfs, "PARALLAX") - zero_point, floats(dwarfs, "PARALLAX_ERR"))
    alone = text(dwarfs, "CLUSTER") == ""
    samples.append(make_sample("dwarfs", dwarfs, *gaia, text(dwarfs, "LABEL_SRC"), floats(dwarfs, "A_K"), 0.03, alone))
    members = tables["cluster_members"]
    listed = load_clusters("modern")
    known = listed[match_clusters(text(members, "CLUSTER"), version="modern")]
    colour = dust.predict(np.column_stack([floats(members, column) for column in LABELS[:3]]), magnitudes(members))
    reddening = 0.306 * np.asarray(known["EBV"])
    extinction = np.where(np.isfinite(reddening), reddening, colour)
    good = np.isin(text(members, "LABEL_FLAG"), ["", "good"])
    modulus = 10.0 + 5.0 * np.log10(np.asarray(known["DISTANCE"]))
    samples.append(
        make_sample(
            "clusters",
            members,
            modulus,
            np.full(len(members), 0.05),
            text(members, "LABEL_SRC"),
            extinction,
            0.02,
            good,
        )
    )
    return samples


def stack(samples):
    """Put the samples together."""
    merged = [np.concatenate([getattr(s, name) for s in samples]) for name in
              ("labels", "abs_mag", "error", "source", "cluster", "star")]  # fmt: skip
    return Sample("all", *merged), np.concatenate([np.full(len(s.star), s.name) for s in samples])


def new_model(arguments):
    """Return the model to measure."""
    network = LevenbergMarquardtMLPRegressor(hidden_layer_sizes=tuple(arguments.hidden), alpha=arguments.alpha)
    return AbsMagRegressor.whole_diagram(
        network=network,
        n_networks=arguments.networks,
        n_folds=arguments.inner,
        reference_sources=REFERENCE,
        random_state=0,
    )


def predict(arguments, stars, train, test):
    """Train on some rows and predict others: magnitude, two intervals and place in the training space."""
    complete = np.isfinite(stars.labels).all(axis=1)
    model = new_model(arguments)
    groups = np.unique(stars.star, return_inverse=True)[1]
    model.fit(
        stars.labels[train],
        stars.abs_mag[train],
        groups=groups[train],
        y_err=stars.error[train],
        source=stars.source[train],
        cluster=stars.cluster[train],
    )
    X, source = stars.labels[test], stars.source[test]
    found = [model.predict_with_interval(X, level, source=source) for level in (0.6827, 0.9545)]
    space = TrainingSpace(label_names=LABELS[:3], random_state=0).fit(stars.labels[train][:, :3])
    outside = space.predict(X[:, :3]) < 0
    print({name: round(value, 3) for name, value in model.offsets_.items()}, f"{complete[train].sum()} with C and N")
    return found[0].value, model.predict(X), found[0].interval, found[1].interval, outside


def within(stars, value, interval, coverage):
    """Tell which references lie in the interval, with the error of the reference added to it in quadrature."""
    half = np.hypot(interval - value[:, None], (stars.error * -ndtri(0.5 - 0.5 * coverage))[:, None])
    return (stars.abs_mag > value - half[:, 0]) & (stars.abs_mag < value + half[:, 1])


def report(stars, sample, value, plain, narrow, wide, outside):
    """Print one line for each set of stars."""
    fraction = np.expm1(MAG_TO_DISTANCE * (stars.abs_mag - value))
    bare = np.expm1(MAG_TO_DISTANCE * (stars.abs_mag - plain))
    in_narrow = within(stars, value, narrow, 0.6827)
    in_wide = within(stars, value, wide, 0.9545)
    precise = stars.error < np.hypot(0.1 / MAG_TO_DISTANCE, 0.03)
    luminous, k2 = stars.labels[:, 1] < 2, sample == "k2"
    sets = {
        "Kepler giants, parallax < 10 % (0.004 / 0.064)": (sample == "kepler") & precise,
        "Kepler, seismic distances": sample == "kepler seismic",
        "K2 giants (0.015 / 0.082)": k2,
        "K2 giants, parallax < 10 %": k2 & precise,
        "K2, log g < 2 (0.03 / 0.09)": k2 & luminous,
        "K2, log g < 2, parallax < 5 %": k2 & luminous & (stars.error < 0.05 / MAG_TO_DISTANCE),
        "K2, [Fe/H] < -1": k2 & (stars.labels[:, 2] < -1),
        "Kepler dwarfs and subgiants (0.02 / 0.09)": sample == "kepler dwarfs",
        "dwarfs, DR16 and DR17 labels": (sample == "dwarfs") & np.char.startswith(stars.source, "ASPCAP"),
        "dwarfs, raw DR12 labels": (sample == "dwarfs") & np.char.startswith(stars.source, "DR12"),
    }
    sets |= {f"clusters, {name[:24]}": (sample == "clusters") & (stars.source == name)
             for name in np.unique(stars.source[sample == "clusters"])}  # fmt: skip
    print(
        f"{'set (wanted)':50s} {'n':>5s} {'bias':>7s} {'scatter':>7s} {'no src':>7s} {'68 %':>6s} {'95 %':>6s} "
        f"{'outside':>7s} {'missed':>6s}"
    )
    for name, rows in sets.items():
        if not rows.any():
            continue
        missed = np.mean(~in_wide[rows & ~outside]) if (rows & ~outside).any() else np.nan
        print(
            f"{name:50s} {rows.sum():5d} {np.median(fraction[rows]):+7.3f} {robust_scatter(fraction[rows]):7.3f} "
            f"{np.median(bare[rows]):+7.3f} {100 * in_narrow[rows].mean():6.1f} {100 * in_wide[rows].mean():6.1f} "
            f"{100 * outside[rows].mean():7.1f} {100 * missed:6.1f}"
        )
    means = {}
    members = np.unique(stars.cluster[stars.cluster != ""])
    for cluster in members:
        for source in np.unique(stars.source[stars.cluster == cluster]):
            rows = (stars.cluster == cluster) & (stars.source == source)
            means[cluster, source] = np.median(fraction[rows])
            print(
                f"   {cluster:10s} {source[:24]:24s} {rows.sum():4d} {means[cluster, source]:+.3f} "
                f"(without the source's offset {np.median(bare[rows]):+.3f})"
            )
    if not means:
        return
    clusters = np.unique([key[0] for key in means])
    whole = {name: np.mean(np.clip(fraction[stars.cluster == name], -1, 1)) for name in clusters}
    print("   mean of all stars:", ", ".join(f"{name} {value:+.3f}" for name, value in whole.items()))
    for source in np.unique([key[1] for key in means]):
        errors = [value for key, value in means.items() if key[1] == source]
        print(f"   rms of the clusters' errors, {source[:24]:24s} {np.sqrt(np.mean(np.square(errors))):.3f}")
    print(f"   rms of the mean of all stars {np.sqrt(np.mean(np.square(list(whole.values())))):.3f} (wanted 0.12)")
    print(f"   rms of all {np.sqrt(np.mean(np.square(list(means.values())))):.3f}")


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--hidden", type=int, nargs="+", default=[8])
    parser.add_argument("--alpha", type=float, default=1.0)
    parser.add_argument("--networks", type=int, default=2)
    parser.add_argument("--folds", type=int, default=4, help="folds of stars and clusters")
    parser.add_argument("--inner", type=int, default=3, help="folds in which errors are learned")
    parser.add_argument(
        "--leave-out", nargs="*", help="leave whole sources of labels out, one after another; default all"
    )
    parser.add_argument("--unused", default="DR12", help="sources that begin with this are predicted, not trained on")
    arguments = parser.parse_args()
    warnings.simplefilter("ignore")
    stars, sample = stack(read_samples())
    groups = np.unique(np.where(stars.cluster != "", stars.cluster, stars.star), return_inverse=True)[1]
    if arguments.leave_out is not None:
        names = arguments.leave_out or np.unique(stars.source)
        folds = [np.flatnonzero(stars.source == name) for name in names]
        folds = [(np.flatnonzero(~np.isin(groups, groups[test])), test) for test in folds]
    else:
        folds = list(GroupKFold(arguments.folds, shuffle=True, random_state=1).split(groups, groups=groups))
    results = [np.full((len(groups), *shape), np.nan) for shape in [(), (), (2,), (2,), ()]]
    start = time.perf_counter()
    trained = ~np.char.startswith(stars.source, arguments.unused) if arguments.unused else np.ones(len(groups), bool)
    for train, test in folds:
        train = train[trained[train]]
        for result, found in zip(results, predict(arguments, stars, train, test), strict=True):
            result[test] = found
        print(f"{time.perf_counter() - start:.0f} s", flush=True)
    done = np.isfinite(results[0])
    for field in ("labels", "abs_mag", "error", "source", "cluster", "star"):
        setattr(stars, field, getattr(stars, field)[done])
    results = [result[done] for result in results]
    report(stars, sample[done], *results[:4], results[4] > 0)


if __name__ == "__main__":
    main()
