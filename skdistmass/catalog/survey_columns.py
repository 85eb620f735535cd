"""Columns of a catalogue that are the survey's own, and what follows from them and the predictions."""

import numpy as np

from skdistmass.labels import LABEL_NAMES, out_of_range, read_labels
from skdistmass.photometry import weighted_distance
from skdistmass.surveys.training_sets import (
    TrainingCuts,
    fractional_parallax_error,
    optional_floats,
    optional_text,
    reference_distances,
)
from skdistmass.tables import column_names, find_column

__all__ = ["gaia_source", "survey_columns", "weighted_distances"]


def survey_columns(table, model):
    """Read what a catalogue carries over from the survey, as `skdistmass.DistMassModel.predict` does.

    A model in one ONNX file gives predictions only.

    Parameters
    ----------
    table : astropy.table.Table
        Rows of a survey, with A_K chosen and parallaxes corrected.
    model : object
        Tells, if it can, the metallicity it was trained on (`metallicity_`, or "metallicity" of its `card`) and the
        zero points of parallaxes ("training_cuts" of its `card`).

    Returns
    -------
    columns : dict of ndarray
        Name of each column of Table 2 with the source "survey" to its values.
    """
    card = getattr(model, "card", None) or {}
    metallicity = getattr(model, "metallicity_", None) or card.get("metallicity", "M_H")
    found = find_column(table, metallicity, required=False)
    # The columns of carbon and nitrogen may be absent, as in `DistMassModel.predict`.
    names = [n for n in LABEL_NAMES if n in LABEL_NAMES[:3] or find_column(table, n, required=False) is not None]
    labels = read_labels(table, names, prefer={"M_H": found} if found is not None else None).values
    labels = np.where(out_of_range(labels, names), np.nan, labels)
    columns = dict(zip(names, labels.T, strict=True))
    for name in ("APOGEE_ID", "APSTAR_ID"):
        found = find_column(table, name, required=False)
        if found is not None:
            columns[name] = optional_text(table, found)
    columns["MAG"] = optional_floats(table, "K", "mag", high=True)
    columns["EXTINCTION"] = optional_floats(table, "A_K", "mag", high=True)
    distance, _, source = reference_distances(table, _cuts(model, card))
    columns["GAIAEDR3_DIST"] = np.where(source == "cluster", np.nan, distance)
    return columns


def _cuts(model, card):
    """Return the cuts that tell the zero points of parallaxes."""
    cuts = getattr(model, "cuts", None)
    if cuts is None:
        stated = card.get("training_cuts", {}).get("parallax_zero_point")
        cuts = TrainingCuts() if stated is None else TrainingCuts(parallax_zero_point=dict(stated))
    return cuts


def weighted_distances(values, table):
    """Return DISTANCE_WEIGHTED and its error (section 4.3), of columns of a catalogue and the survey's parallaxes."""
    gaia = values["GAIAEDR3_DIST"]
    gaia_err = gaia * fractional_parallax_error(table)
    distance_err = values.get("DISTANCE_ERR", np.full(len(gaia), np.nan))
    mean, mean_err = weighted_distance(values["DISTANCE"], distance_err, gaia, gaia_err)
    return {"DISTANCE_WEIGHTED": mean, "DISTANCE_WEIGHTED_ERR": mean_err}


def gaia_source(table, distance):
    """Tell where each Gaia distance is from: a column of the survey, or a parallax of some release."""
    n_stars = len(table)
    source = np.full(n_stars, "1/parallax", dtype=object)
    if "PARALLAX_SRC" in column_names(table):
        source = source + " " + np.asarray(table["PARALLAX_SRC"]).astype(object)
    if "GAIAEDR3_DIST_SRC" in column_names(table):
        is_listed = np.isfinite(optional_floats(table, "GAIAEDR3_DIST", "kpc"))
        source[is_listed] = np.asarray(table["GAIAEDR3_DIST_SRC"])[is_listed]
    source[np.isnan(distance)] = ""
    return source.astype(str)
