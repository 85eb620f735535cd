"""The age of M67 by its giants: what membership of the training space, mass scale and mass loss do to it.

Networks of mass are trained on the Kepler giants; M67 has labels of DR10. Its age by isochrones of its subgiants is in
``examples/dwarf_ages.py``. Run: ``python examples/cluster_ages.py``. The tables are those of
`skdistmass.surveys.data_dir`.
"""

import warnings

import numpy as np
from real_tables import real_table

from skdistmass import CNMassRegressor, DistMassModel, EvolutionaryStateClassifier, read_survey
from skdistmass.exceptions import DistMassWarning
from skdistmass.isochrones import MassLoss
from skdistmass.model import AgePhysics
from skdistmass.schema.limits import GIANT_LOGG

SCALES = {"AP2": "MASS_AP2", "AP3": "MASS_AP3", "MIGLIO": "MASS_MIGLIO", "YU_COR": "MASS_YU_COR"}
AGE = 4.0  # Gyr: Stello et al. 2016, ApJ 832, 133 (3.5 by seismology) to Cantat-Gaudin et al. 2020 (4.3)


def main():
    """Print ages of the cluster."""
    warnings.simplefilter("ignore", DistMassWarning)
    kepler = read_survey(real_table("kepler_giants.fits"))
    model = DistMassModel(mass=CNMassRegressor(n_networks=2), mass_scales=SCALES, parts="mass",
                          random_state=0).fit(kepler)  # fmt: skip
    known = kepler["EVSTATE"] > 0
    states = EvolutionaryStateClassifier(random_state=0).fit(kepler.labels[known], kepler["EVSTATE"][known])
    stars = read_survey(real_table("cluster_members.fits"))
    stars = stars[(stars.text("CLUSTER") == "NGC 2682") & (stars.floats("LOGG") < GIANT_LOGG)]
    payne = np.char.find(stars.text("LABEL_SRC"), "Payne") >= 0
    inside, logg = np.asarray(model.predict(stars)["MASS_SPACE"]) == 0, stars.floats("LOGG")
    lossy = AgePhysics(mass_loss=MassLoss(eta=0.2, spread=0.3), states=states)
    parts = {
        "Payne labels": payne,
        "DR10 labels": ~payne,
        "  inside the labels trained on": ~payne & inside,
        "  inside, log g < 3": ~payne & inside & (logg < 3.0),
        "  inside, 2.65 < log g < 3": ~payne & inside & (logg > 2.65) & (logg < 3.0),
        "  inside, log g > 3": ~payne & inside & (logg >= 3.0),
    }
    print(f"M67, literature {AGE:.1f} Gyr; Gyr by scale, with the error of the mean")
    print(f"{'':32} stars  " + "  ".join(f"{name:>12}" for name in [*SCALES, "all", "AP2 + loss"]))
    for name, rows in parts.items():
        line = []
        for scale, physics in [*((scale, None) for scale in (*SCALES, "all")), ("AP2", lossy)]:
            value = model.population(stars[rows], scale=scale, physics=physics, random_state=0)["AGE"]
            low, middle, high = 10.0 ** (value.percentiles[1:4] - 9.0)
            line.append(f"{middle:5.2f} +- {0.5 * (high - low):.2f}")
        print(f"{name:32} {rows.sum():5d}  " + "  ".join(f"{text:>12}" for text in line))


if __name__ == "__main__":
    main()
