"""Make the label calibrations that come with the package, from the shared tables, and say how well they do.

Target is the scale of APOGEE DR17. Distances are judged on stars with parallaxes good to 10 %, half of which are kept
back from the fit: bias and robust scatter of (predicted distance / distance of the parallax - 1).
Run with ``python examples/make_label_calibrations.py --out FOLDER``; the tables are looked for where
``SKDISTMASS_DATA`` points.
"""

import argparse
import warnings
from pathlib import Path

import numpy as np
from astropy.table import Table
from real_tables import real_table

from skdistmass import AbsMagRegressor
from skdistmass.estimators.label_calibration import (
    ConstraintCalibration,
    LabelCalibration,
    cluster_metallicity_constraint,
    common_star_constraints,
    parallax_constraint,
)
from skdistmass.exceptions import DistMassWarning
from skdistmass.labels import LABEL_NAMES, read_labels
from skdistmass.tables import as_floats, as_text

# Zero points of parallaxes (mas), as in `skdistmass.TrainingCuts`.
ZERO_POINT = {"Gaia DR2": -0.053, "Gaia DR3": -0.021, "Gaia EDR3": -0.021, "Hipparcos": 0.0}
INTRINSIC = 0.13  # mag: scatter of M_K at given labels
SPECTRAL_ERROR = (60.0, 0.1, 0.05, 0.08, 0.1)  # of raw DR12 and The Payne's labels, with those of the target

# Labels that were not calibrated by their survey may be far off.
RAW_PRIOR = (200.0, 0.3, 0.2, 0.2, 0.2)


def floats(table, name):
    return as_floats(table[name], name=name)


class Sample:
    """Labels and distances of one part of a table."""

    def __init__(self, table, rows, plx, plx_err, zero_point, extinction):
        self.table = table[rows]
        self.labels = read_labels(self.table, LABEL_NAMES).values
        self.ids = as_text(self.table["APOGEE_ID"])
        self.mag = floats(self.table, "K")
        self.extinction = extinction[rows]
        self.parallax = floats(self.table, plx) - np.broadcast_to(zero_point, len(table))[rows]
        self.error = floats(self.table, plx_err)

    @property
    def columns(self):
        return dict(zip(LABEL_NAMES, self.labels.T, strict=True))

    @property
    def good(self):
        with np.errstate(invalid="ignore"):
            return (
                np.isfinite(self.labels).all(axis=1) & (self.parallax > 10 * self.error) & np.isfinite(self.extinction)
            )

    def ratio(self, model, rows, calibration=None):
        """Predicted distance over that of the parallax, less 1."""
        labels = self.labels if calibration is None else calibration.transform(self.columns)
        magnitude = model.predict(labels)
        ratio = self.parallax * 10 ** (0.2 * (self.mag - self.extinction - magnitude) - 2) - 1
        return ratio[rows & self.good]


def read_samples():
    giants, dwarfs = Table.read(real_table("kepler_giants.fits")), Table.read(real_table("dwarfs.fits"))
    seismic = Table.read(real_table("kepler_dwarfs.fits"))
    a_k = floats(giants, "A_K")
    a_k = np.where(np.isfinite(a_k), a_k, 0.302 * floats(giants, "EBV"))
    samples = {
        "giants": Sample(
            giants,
            as_text(giants["LABEL_SRC"]) == "DR17",
            "GAIAEDR3_PARALLAX",
            "GAIAEDR3_PARALLAX_ERROR",
            ZERO_POINT["Gaia EDR3"],
            a_k,
        )
    }
    source, zero_point = as_text(dwarfs["LABEL_SRC"]), [ZERO_POINT[name] for name in as_text(dwarfs["PLX_SRC"])]
    for name, start in (("dr16", "ASPCAP DR16"), ("dr17", "ASPCAP DR17"), ("dr12", "DR12"), ("payne", "Payne")):
        rows = np.char.startswith(source, start)
        samples[name] = Sample(dwarfs, rows, "PARALLAX", "PARALLAX_ERR", zero_point, floats(dwarfs, "A_K"))
    a_k = floats(seismic, "AK_WISE")
    a_k = np.where(np.abs(a_k) < 1, a_k, 0.02)  # within 1 kpc at Kepler's latitudes
    rows = ~np.isin(as_text(seismic["APOGEE_ID"]), as_text(dwarfs["APOGEE_ID"]))
    samples["seismic"] = Sample(
        seismic, rows, "GAIADR2_PARALLAX", "GAIADR2_PARALLAX_ERROR", ZERO_POINT["Gaia DR2"], a_k
    )
    return samples


def reference_model(samples):
    """Train M_K on the target scale: DR17 giants, DR16 and DR17 dwarfs."""
    labels, target, weights = [], [], []
    for name in ("giants", "dr16", "dr17", "seismic"):
        stars = samples[name]
        rows = stars.good
        fraction = stars.error[rows] / stars.parallax[rows]
        labels.append(stars.labels[rows])
        target.append((stars.mag - stars.extinction - 10 + 5 * np.log10(np.abs(stars.parallax)))[rows])
        weights.append(1 / ((2.17 * fraction) ** 2 + INTRINSIC**2))
    model = AbsMagRegressor(error_model=None, random_state=0)
    return model.fit(np.vstack(labels), np.concatenate(target), sample_weight=np.concatenate(weights))


def common(sample, others):
    """Labels of the sample's stars in other samples, NaN where they are in none."""
    found = np.full(sample.labels.shape, np.nan)
    for other in others:
        _, here, there = np.intersect1d(sample.ids, other.ids, return_indices=True)
        found[here[sample.ids[here] != ""]] = other.labels[there[sample.ids[here] != ""]]
    return found


def constraints_of(sample, rows, model, target, cluster=None):
    mag, extinction, parallax, error = (
        np.where(rows, values, np.nan) for values in (sample.mag, sample.extinction, sample.parallax, sample.error)
    )
    constraints = [parallax_constraint(model, mag, extinction, parallax, error)]
    constraints += common_star_constraints(np.where(rows[:, None], target, np.nan), [SPECTRAL_ERROR] * len(rows))
    if cluster is not None:
        members = np.where(rows, cluster, "")
        constraints.append(cluster_metallicity_constraint(members, m_h=np.zeros(len(rows)), scale_err=0.02))
    return constraints


def by_constraints(sample, model, target, cluster=None, prior=None):
    """Fit to all stars; report distances of halves that were kept back."""
    everyone, left = np.ones(len(sample.labels), dtype=bool), []
    for seed in range(10):
        half = np.random.default_rng(seed).permutation(len(everyone)) < len(everyone) // 2
        fitted = ConstraintCalibration(prior_scale=prior, random_state=0).fit(
            sample.columns, constraints=constraints_of(sample, half, model, target, cluster)
        )
        left.append(describe(sample.ratio(model, ~half, fitted)))
    before, left = describe(sample.ratio(model, everyone)), np.array(left)
    calibration = ConstraintCalibration(prior_scale=prior, random_state=0)
    calibration.fit(sample.columns, constraints=constraints_of(sample, everyone, model, target, cluster))
    told = (
        f"distances of {np.count_nonzero(sample.good)} stars: {before[0]:+.3f} / {before[1]:.3f} before; "
        f"on halves kept back {left[:, 0].mean():+.3f} +- {left[:, 0].std():.3f} / {left[:, 1].mean():.3f} after"
    )
    return calibration, told


def describe(ratio):
    """Median and robust scatter."""
    return np.median(ratio), 1.4826 * np.median(np.abs(ratio - np.median(ratio)))


def k2_calibration():
    """K2's log g: its difference from seismology is made that of Kepler's stars in the same state of evolution."""
    k2, kepler = Table.read(real_table("k2_giants.fits")), Table.read(real_table("kepler_giants.fits"))
    dr17 = as_text(kepler["LABEL_SRC"]) == "DR17"
    offset = floats(kepler, "LOGG_SEIS") - floats(kepler, "LOGG")
    seismic = 4.438 + np.log10(floats(k2, "MASS")) - 2 * np.log10(floats(k2, "RADIUS"))
    state = as_text(k2["EVSTATE_NAME"])
    names = LABEL_NAMES[:3]
    labels = read_labels(k2, names).values
    target = np.full(labels.shape, np.nan)
    for name, code in (("RGB", 1), ("RC", 2)):
        rows = state == name
        target[rows, 1] = seismic[rows] - np.nanmedian(offset[dr17 & (as_text(kepler["EVSTATE"]) == str(code))])
    table, to = (dict(zip(names, values.T, strict=True)) for values in (labels, target))
    calibration = LabelCalibration(labels=names, random_state=0).fit(table, to)
    half = np.random.default_rng(0).permutation(len(labels)) < len(labels) // 2
    fitted = LabelCalibration(random_state=0).fit(labels[half], target[half])
    left = target[~half, 1] - fitted.transform(labels[~half])[:, 1]
    before = describe((target - labels)[~half & np.isfinite(target[:, 1]), 1])
    after = describe(left[np.isfinite(left)])
    error = 1.2533 * after[1] / np.sqrt(np.count_nonzero(np.isfinite(left)))
    told = f"log g on the half kept back: {before[0]:+.4f} before, {after[0]:+.4f} +- {error:.4f} after"
    return calibration, told


def dr16_calibration(samples):
    """DR16 to DR17 on the few stars that stand in both."""
    parts = []
    for name in ("dr16", "seismic"):
        target = common(samples[name], [samples["dr17"], samples["giants"]])
        rows = np.isfinite(target).all(axis=1) & np.isfinite(samples[name].labels).all(axis=1)
        parts.append((samples[name].labels[rows], target[rows], samples[name].ids[rows]))
    old, new, ids = (np.concatenate(part) for part in zip(*parts, strict=True))
    table, to = (dict(zip(LABEL_NAMES, values.T, strict=True)) for values in (old, new))
    calibration = LabelCalibration(form="constant", random_state=0).fit(table, to, groups=ids)
    left = (new - calibration.transform(table)).std(axis=0)
    return calibration, "scatter of the differences: " + ", ".join(f"{value:.3g}" for value in left)


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--out", type=Path, required=True, help="folder for the files")
    folder = parser.parse_args().out
    folder.mkdir(parents=True, exist_ok=True)
    warnings.simplefilter("ignore", DistMassWarning)
    samples = read_samples()
    model = reference_model(samples)
    payne = samples["payne"]
    target_scale = "APOGEE DR17, ASPCAP"
    parallaxes = "M_K of a model trained on DR17 giants and DR16/DR17 dwarfs against parallaxes"
    raw = samples["dr12"]
    dwarf_targets = common(raw, [samples["dr16"], samples["seismic"], samples["dr17"], samples["giants"]])
    payne_targets = common(payne, [samples["dr16"], samples["dr17"]])
    made = {
        "dr16": (*dr16_calibration(samples), "APOGEE DR16, ASPCAP", "subgiants that stand in both releases"),
        "dr12-raw": (
            *by_constraints(raw, model, dwarf_targets, prior=RAW_PRIOR),
            "APOGEE DR12, ASPCAP FPARAM (raw), [C/M] and [N/M], log g > 3.3",
            f"{parallaxes} of Hipparcos; stars in common with DR16 and DR17",
        ),
        "payne-dr14": (
            *by_constraints(payne, model, payne_targets, as_text(payne.table["CLUSTER"])),
            "The Payne, APOGEE DR14 (Ting et al. 2019)",
            f"{parallaxes} of Gaia; [M/H] = 0 of M67; dwarfs and subgiants of M67",
        ),
        "k2": (*k2_calibration(), "APOGEE DR17 of K2 giants", "seismic log g of K2 against that of Kepler's giants"),
    }
    for name, (calibration, told, scale, source) in made.items():
        provenance = {"name": name, "from": scale, "to": target_scale, "source": source, "residuals": told}
        calibration.save(folder / f"{name}.json", provenance=provenance)
        print(f"{name}: {scale}\n  {told}")
        for row in calibration.describe():
            print("  {LABEL:5s} {FORM:8s} {N_STARS:5d} {SHIFT:+9.3f} +- {SHIFT_ERR:.3f}".format(**row))


if __name__ == "__main__":
    main()
