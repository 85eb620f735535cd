"""Train and write the models that come with the package: giants of the Kepler field.

Read ``kepler_giants.fits`` (see `skdistmass.surveys.data_dir`), train a `DistMassModel` and write the ONNX files that
`skdistmass.load_pretrained` reads. The same data and the package versions that the model card names give the same
bytes. After a change, run ``examples/make_golden_predictions.py``, too.

    python examples/make_kepler_giants.py                  # replaces the shipped files
    python examples/make_kepler_giants.py --check          # makes them again, compares, and fails if they differ
"""

import warnings

from real_tables import real_table
from shipping import ship

from skdistmass import DistMassModel
from skdistmass.exceptions import RowsLeftOutWarning
from skdistmass.surveys import read_survey

VARIANTS = {
    "kepler-giants": {},
    "kepler-giants-errors": {"input_errors": True},
    "kepler-giants-float32": {"dtype": "float32"},
    "kepler-giants-quantiles": {"quantiles": True},
}
CARD = {
    "description": "distance, mass and age of red giants from APOGEE labels",
    "date": "2026-11-26",  # of the training; a constant, so that the bytes do not change from day to day
    "licence": "BSD-3-Clause (model); training data: see the references",
    "training_set": "kepler_giants.fits: giants of the Kepler field, with APOGEE DR17 labels, 2MASS, Gaia EDR3 and "
    "seismic masses",
    "limits": "For giants (log g < 3.5) like those of the Kepler field: metallicities near that of the Sun, labels on "
    "the scale of DR17, [Fe/H] as the metallicity. Other stars get values with flags: DISTANCE_SPACE and MASS_SPACE 1 "
    "(edge), 2 (outside) or 3 (label missing), BITMASK 2 (outside the mass model), AGE_FLAG (no age, and why). Ages "
    "are given below log g 3.5, from 0.8 to 8 Msun and [Fe/H] -0.5 to 0.5.",
    "references": [
        "Stone-Martinez et al. 2024: the method",
        "Abdurro'uf et al. 2022: APOGEE DR17 labels",
        "Pinsonneault et al. 2018, 2025: APOKASC masses",
        "Miglio et al. 2021; Yu et al. 2018: further seismic masses",
        "Skrutskie et al. 2006: 2MASS; Gaia Collaboration 2021, Bailer-Jones et al. 2021: distances",
        "Choi et al. 2016; Bressan et al. 2012: isochrones behind the ages",
    ],
}


def train():
    """Train on the giants of the Kepler field, and return the fitted model."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", RowsLeftOutWarning)
        stars = read_survey(real_table("kepler_giants.fits"))
        model = DistMassModel(random_state=0)
        return model.fit(stars, progress=lambda name, total: print(f"trained {name}" if name else f"{total} networks"))


if __name__ == "__main__":
    ship(train, VARIANTS, CARD, __doc__.split("\n")[0])
