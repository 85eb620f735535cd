"""Whether the labels of a catalogue are on the scale of the model that made it."""

from __future__ import annotations

import numpy as np
from astropy.table import Table

from skdistmass.labels import LABEL_NAMES
from skdistmass.model import Predictor, check_scale
from skdistmass.surveys import Stars
from skdistmass.tables import optional_floats
from skdistmass.validation.requirements import MissingInputError, require

__all__ = ["label_scale"]


def label_scale(stars: Table, model: Predictor | None) -> Table:
    """Compare the model's M_K at the catalogue's labels with Gaia, with the red clump and with the stars trained on.

    Parameters
    ----------
    stars : Table
        Of `join_reference`. REF_EVSTATE 2 is the red clump. Where the reference distance has no error, that of
        DISTANCE_WEIGHTED tells it.
    model : Predictor or None
        The model that made the catalogue.

    Returns
    -------
    table : Table
        If a shift is likely: LABEL, by how much that label alone would be too high (SIZE, ERROR; K or dex), and how far
        that lowers the misfit (IMPROVEMENT), the best first. ``meta["message"]`` says in words what the best one is
        and does to distances, masses and ages. Otherwise no row, and a blank message.

    Raises
    ------
    MissingInputError
        If there is no model, or the catalogue has no labels, magnitudes or extinctions.
    """
    if model is None:
        raise MissingInputError("the model that made the catalogue is needed (--model)")
    for name in (*LABEL_NAMES[:3], "MAG", "EXTINCTION"):
        require(stars, name)
    distance = optional_floats(stars, "REFERENCE_DIST", "kpc")
    error = optional_floats(stars, "REFERENCE_DIST_ERR", "kpc")
    own, both = (optional_floats(stars, f"DISTANCE{name}_ERR", "kpc") for name in ("", "_WEIGHTED"))
    with np.errstate(divide="ignore", invalid="ignore"):
        error = np.where(np.isfinite(error), error, (both**-2.0 - own**-2.0) ** -0.5)
        columns = {"PARALLAX": 1.0 / distance, "PARALLAX_ERR": error / distance**2}
    columns |= {name: optional_floats(stars, name) for name in LABEL_NAMES}
    columns |= {"K": optional_floats(stars, "MAG", "mag"), "A_K": optional_floats(stars, "EXTINCTION", "mag")}
    if "REF_EVSTATE" in stars.colnames:
        columns["EVSTATE"] = optional_floats(stars, "REF_EVSTATE")
    shift = check_scale(model, Stars(columns, metallicity=model.card.get("metallicity", "M_H")))
    names, types = ("LABEL", "SIZE", "ERROR", "IMPROVEMENT"), ("U8", float, float, float)
    table = Table(rows=list(shift.others) if shift else None, names=names, dtype=types)
    table.meta["message"] = shift.message() if shift else ""
    return table
