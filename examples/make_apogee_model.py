"""Train and write the model `apogee`, the default of ``skdistmass predict`` and ``catalog``.

It serves the whole Kiel diagram: giants of the Kepler and K2 fields, dwarfs and subgiants, and clusters, also without
carbon and nitrogen. Read the tables of `skdistmass.surveys.data_dir`, train a `DistMassModel` on all of them and write
the ONNX files that `skdistmass.load_pretrained` reads. The same data and the package versions that the model card
names give the same bytes. ``examples/whole_diagram.py`` measures the same recipe on stars held out.

    python examples/make_apogee_model.py                  # replaces the shipped files
    python examples/make_apogee_model.py --check          # makes them again, compares, and fails if they differ
"""

import warnings
from dataclasses import replace

import numpy as np
from real_tables import real_table
from shipping import ship

from skdistmass import AbsMagRegressor, CNMassRegressor, DistMassModel
from skdistmass.estimators.training_space import TrainingSpace
from skdistmass.exceptions import DistMassWarning, RowsLeftOutWarning
from skdistmass.extinction import ExtinctionChoice
from skdistmass.surveys import read_survey, stack_stars
from skdistmass.surveys.training_sets import TrainingCuts

#: Sources of labels and masses that have no offset.
LABEL_REFERENCE = ("DR17", "DR17 (K2)", "ASPCAP DR16", "ASPCAP DR17-scale (APOKASC-3)")
MASS_REFERENCE = ("APOKASC-3 T4 Gold", "Serenelli 2017")
#: Labels that are too far off to train on; they are predicted in ``examples/whole_diagram.py`` all the same.
UNUSED = "DR12 FPARAM raw ([C/M],[N/M])"
#: Columns of the tables that are no quantities of a survey.
EXTRA = {"kepler_giants": ["DIST_SEIS"], "cluster_members": ["LABEL_FLAG"]}
SEISMIC_ERROR = 0.04  # of the distance; an asteroseismic radius has 3 per cent
VARIANTS = {
    "apogee": {},
    "apogee-errors": {"input_errors": True},
    "apogee-float32": {"dtype": "float32"},
    "apogee-quantiles": {"quantiles": True},
}
CARD = {
    "description": "distance, mass and age of giants, dwarfs and subgiants from APOGEE labels, also without C and N",
    "date": "2026-11-26",  # of the training; a constant, so that the bytes do not change from day to day
    "licence": "BSD-3-Clause (model); training data: see the references",
    "training_set": "kepler_giants.fits, k2_giants.fits, kepler_dwarfs.fits, dwarfs.fits, cluster_members.fits: giants "
    "of the Kepler and K2 fields, dwarfs and subgiants, members of seven clusters; labels of APOGEE DR10 to DR17, "
    "2MASS, Gaia, asteroseismic masses",
    "limits": "For labels on the scale of APOGEE DR17, with [Fe/H] as the metallicity. Distances are proven from log g "
    "0.5 to 4.6 and [Fe/H] -2.4 to 0.5; without C or N (LABEL_FALLBACK) their error is larger. Masses need C and N. "
    "Where labels are unlike those trained on, M_K is that of stellar physics, and DISTANCE_SPACE says 2. Ages are "
    "given below log g 3.5.",
    "proven": "Out of fold, with whole clusters held out: see accuracy, by region, and docs/whole_diagram.md.",
    "references": [
        "Stone-Martinez et al. 2024: the method",
        "Abdurro'uf et al. 2022: APOGEE DR17 labels",
        "Pinsonneault et al. 2018, 2025: APOKASC masses; Serenelli et al. 2017: masses of dwarfs and subgiants",
        "Schonhut-Stasik et al. 2024: K2 giants; Miglio et al. 2021; Yu et al. 2018: further seismic masses",
        "Meszaros et al. 2013, 2015; Ting et al. 2019: labels of cluster members",
        "Baumgardt & Vasiliev 2021; Cantat-Gaudin et al. 2020: distances of clusters",
        "Skrutskie et al. 2006: 2MASS; Gaia Collaboration 2021: parallaxes",
        "Choi et al. 2016; Bressan et al. 2012: isochrones behind the ages, the physical baseline and the colours",
    ],
}


def read_tables():
    """Return the stars of all tables, by name of the table, with the references to train on."""
    stars = {}
    for name in ("kepler_giants", "k2_giants", "kepler_dwarfs", "dwarfs", "cluster_members"):
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", DistMassWarning)
            part = read_survey(real_table(f"{name}.fits"), columns=EXTRA.get(name, ()))
            stars[name] = ExtinctionChoice().apply(part)
    # Listed distances rest on a model of the Galaxy, which is no measurement of a luminous giant: parallaxes do.
    stars = {name: _without(part, "GAIAEDR3_DIST") for name, part in stars.items()}
    stars["kepler_giants"] = _with_seismic_distances(stars["kepler_giants"])
    stars["k2_giants"] = _with_sources(stars["k2_giants"], LABEL_SRC=LABEL_REFERENCE[1], MASS_SRC="APO-K2")
    dwarfs = stars["dwarfs"]  # those in clusters are in cluster_members, too
    stars["dwarfs"] = _without(dwarfs[dwarfs.text("CLUSTER") == ""], "MASS", "MASS_ERR")
    members = stars["cluster_members"]
    members = members[np.isin(members.text("LABEL_FLAG"), ("", "good"))]
    stars["cluster_members"] = _without(members, "PARALLAX", "PARALLAX_ERR", "MASS", "MASS_ERR")
    return stars


def _without(stars, *names):
    return replace(stars, columns={name: values for name, values in stars.columns.items() if name not in names})


def _with_sources(stars, **names):
    return stars.with_columns({column: np.full(len(stars), name) for column, name in names.items()})


def _with_seismic_distances(stars):
    """Stars without a parallax get that of their asteroseismic distance, as stars of another source."""
    distance, parallax = stars.floats("DIST_SEIS"), stars.floats("PARALLAX")
    source = stars.text("LABEL_SRC").astype("U40")
    rows = ~np.isfinite(parallax) & np.isfinite(distance)
    new = {"PARALLAX": parallax.copy(), "PARALLAX_ERR": stars.floats("PARALLAX_ERR").copy()}
    new["PARALLAX"][rows] = 1.0 / distance[rows]
    new["PARALLAX_ERR"][rows] = SEISMIC_ERROR / distance[rows]
    new["PARALLAX_SRC"] = np.where(rows, "seismic", stars.text("PARALLAX_SRC"))
    new["LABEL_SRC"] = np.where(rows, np.char.add(source, " (seismic distance)"), source)
    return stars.with_columns(new)


def distance_network(**parameters):
    """Return the distance network before training."""
    return AbsMagRegressor.whole_diagram(reference_sources=LABEL_REFERENCE, **parameters)


def mass_network(**parameters):
    """Return the mass network before training."""
    return CNMassRegressor.whole_diagram(reference_sources=MASS_REFERENCE, **parameters)


def training_cuts():
    """Return the limits on the training stars; a cluster's distance is good to 3 per cent."""
    return TrainingCuts(cluster_distances="modern", cluster_distance_error=0.03)


def training_space():
    """Return the training space before training, of the labels that every star has or of all."""
    return TrainingSpace(random_state=0)


def train():
    """Train on all tables, and return the fitted model."""
    stars = stack_stars(list(read_tables().values()))
    stars = stars[stars.text("LABEL_SRC") != UNUSED]
    model = DistMassModel(
        distance_network(), mass_network(), cuts=training_cuts(), space=training_space(), random_state=0
    )
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", RowsLeftOutWarning)
        return model.fit(stars, progress=lambda name, total: print(f"trained {name}" if name else f"{total} networks"))


if __name__ == "__main__":
    ship(train, VARIANTS, CARD, __doc__.split("\n")[0])
