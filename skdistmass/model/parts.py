"""Parts of `skdistmass.model.distmass`: training and predicting with one network, and knowing training stars again."""

import numpy as np
from astropy.table import Column, Table

from skdistmass.exceptions import InputError
from skdistmass.labels import LABEL_NAMES, LABELS
from skdistmass.schema.columns import EXTRA_COLUMNS, TABLE_2, Bit, describe
from skdistmass.surveys.training_sets import optional_floats, optional_text
from skdistmass.uncertainty import normal_coverage, robust_scatter

_ONE_SIGMA = normal_coverage(1.0)
#: What stands for a missing label in the keys of training stars, and what each label counts by.
MISSING_IN_KEY = -1234.5
KEY_FACTORS = np.random.RandomState(0).standard_normal(len(LABEL_NAMES))


def predict_part(network, labels, label_errors, oof):
    """Predict value, 68.27 % interval and label part of the error; put out-of-fold values where there are any."""
    replaced = np.isfinite(oof) if oof is not None else np.zeros(len(labels), dtype=bool)
    if network.errors_ is None:
        value = network.predict(labels)
        value = np.where(replaced, oof, value) if oof is not None else value
        return value, np.full((len(labels), 2), np.nan), np.full(len(labels), np.nan), replaced
    value, interval, noise = network.predict_with_interval(labels, _ONE_SIGMA, label_errors, value=oof)
    return value, interval, noise, replaced


def fit_part(network, labels, label_errors, names, selected, groups):
    columns = [LABEL_NAMES.index(name) for name in names]
    rows = selected.rows
    return network.fit(
        labels[np.ix_(rows, columns)],
        selected.target,
        groups=groups[rows],
        y_err=selected.target_err,
        X_err=label_errors[np.ix_(rows, columns)],
    )


def read_label_errors(table, columns):
    """Errors of the labels, NaN where the table has none."""
    units = {label.name: None if label.unit.startswith("dex") else label.unit for label in LABELS}
    errors = [optional_floats(table, f"{columns.get(n, n)}_ERR", units[n], high=True) for n in LABEL_NAMES]
    errors = np.column_stack(errors)
    errors[~(errors >= 0)] = np.nan
    return errors


def star_groups(table):
    """Number the stars; spectra without an ID are stars of their own."""
    ids = optional_text(table, "APOGEE_ID")
    numbers = np.unique(ids, return_inverse=True)[1]
    blank = ids == ""
    numbers[blank] = len(ids) + np.arange(np.count_nonzero(blank))
    return numbers


def label_keys(labels):
    """One number per row of labels by which it is known again; a missing label is one like any other."""
    key = np.zeros(len(labels))
    for column, factor in zip(labels.T, KEY_FACTORS, strict=False):
        # Files hold labels in single precision.
        key += factor * np.where(np.isfinite(column), column, MISSING_IN_KEY).astype(np.float32)
    return key


def find_sorted(keys, wanted):
    """Return where each wanted key is among sorted keys, or -1."""
    at = np.minimum(np.searchsorted(keys, wanted), len(keys) - 1)
    return np.where(keys[at] == wanted, at, -1)


def mass_source_bits(sources):
    """Bits of Table 3 for the sources of training masses."""
    names = {"APOKASC": Bit.MASS_APOKASC, "BERGER": Bit.MASS_BERGER, "SERENELLI": Bit.MASS_SERENELLI}
    bits = np.zeros(len(sources), dtype=np.int32)
    upper = np.char.upper(sources)
    for name, bit in names.items():
        bits[np.char.find(upper, name) >= 0] |= int(bit)
    return bits


def require_stars(name, selected):
    if len(selected.rows):
        return
    cuts = ", ".join(f"{cut}: {count}" for cut, count in selected.removed.items() if count)
    raise InputError(
        f"no star is left to train {name} on. Stars removed by each cut: {cuts or 'none, the table is empty'}."
    )


def accuracy(name, target, predicted, n_trained):
    found = {"n_stars": int(n_trained)}
    if predicted is not None:
        error = 10.0 ** (0.2 * (target - predicted)) - 1.0 if name.startswith("ABS_MAG") else predicted / target - 1.0
        found |= {"scatter": float(robust_scatter(error)), "bias": float(np.nanmedian(error))}
    return found


def as_catalog(columns, scales, metadata):
    """Order the columns as Table 2 does, with what goes beyond it behind, and describe them."""
    catalog = Table()
    for column in (*TABLE_2, *EXTRA_COLUMNS):
        stem, _, end = column.name.partition("*")
        names = [column.name]
        if "*" in column.name:
            stem = stem.removesuffix("_")
            names = [f"{stem}_{scale}{end}" if scale else f"{stem}{end}" for scale in scales]
        for name in names:
            if name in columns:
                schema = describe(name)
                values = columns[name] if schema.dtype.startswith("U") else columns[name].astype(schema.dtype)
                catalog[name] = Column(
                    values, unit=schema.unit, description=schema.description, meta={"ucd": schema.ucd}
                )
    catalog.meta = {"MODEL": "DistMass", "VERSION": metadata["skdistmass_version"]}
    return catalog
