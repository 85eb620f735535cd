"""Whether the labels of a catalogue are on the scale of the model that made it."""

from __future__ import annotations

import numpy as np
from astropy.table import Table

from skdistmass.estimators.label_calibration import ScaleShift
from skdistmass.labels import LABEL_NAMES
from skdistmass.model import Predictor, check_scale
from skdistmass.surveys import Stars
from skdistmass.tables import optional_floats
from skdistmass.validation.requirements import require

__all__ = ["label_scale"]


def label_scale(stars: Table, model: Predictor) -> ScaleShift | None:
    """Compare the model's M_K at the catalogue's labels with Gaia, with the red clump and with the stars trained on.

    Parameters
    ----------
    stars : Table
        Of `join_reference`. REF_EVSTATE 2 is the red clump. Where the reference distance has no error, that of
        DISTANCE_WEIGHTED tells it.
    model : Predictor
        The model that made the catalogue.

    Returns
    -------
    shift : ScaleShift or None
        A likely shift, with its effects; None if there is none.

    Raises
    ------
    MissingInputError
        If the catalogue has no labels, magnitudes or extinctions.
    """
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
    return check_scale(model, Stars(columns, metallicity=model.card.get("metallicity", "M_H")))
