"""FLAGS at the limits that the schema states: a star on each side of every limit."""

import numpy as np
import pytest

from skdistmass.model.quality import quality_flags
from skdistmass.schema.bits import AgeFlag, ExtinctionFlag, QualityBit, Space
from skdistmass.surveys import Stars

Q = QualityBit
GOOD = {
    "TEFF": 4800.0, "LOGG": 2.5, "M_H": 0.0, "C_FE": 0.0, "N_FE": 0.1, "MAG": 10.0, "EXTINCTION": 0.1,
    "EXTINCTION_FLAG": 0, "DISTANCE": 2.0, "DISTANCE_ERR": 0.03, "GAIAEDR3_DIST": 2.0, "MASS": 1.2, "AGE": 9.7,
    "AGE_FLAG": 0, "DISTANCE_SPACE": Space.INSIDE, "MASS_SPACE": Space.INSIDE, "CALIBRATION_SPACE": Space.INSIDE,
}  # fmt: skip


def flags_of(gaia_err=0.04, flag=0, **changed):
    """FLAGS of one star, that is good but for what is changed."""
    columns = {name: np.array([value]) for name, value in (GOOD | changed).items()}
    stars = Stars({"ASPCAPFLAG": np.array([flag])})
    return quality_flags(columns, stars, np.array([gaia_err])).item()


def test_a_good_star_has_no_bit():
    assert flags_of() == 0


@pytest.mark.parametrize(
    ("changed", "bits"),
    [
        ({"LOGG": np.nan}, Q.LABEL_MISSING),
        ({"C_FE": np.nan}, Q.CN_MISSING | Q.DISTANCE_WARN),
        ({"N_FE": np.nan}, Q.CN_MISSING | Q.DISTANCE_WARN),
        ({"DISTANCE_SPACE": Space.EDGE}, Q.DISTANCE_EDGE | Q.DISTANCE_WARN),
        ({"DISTANCE_SPACE": Space.OUTSIDE}, Q.DISTANCE_OUTSIDE | Q.DISTANCE_BAD),
        ({"MASS_SPACE": Space.EDGE}, Q.MASS_EDGE | Q.MASS_WARN | Q.AGE_WARN),
        ({"MASS_SPACE": Space.OUTSIDE}, Q.MASS_OUTSIDE | Q.MASS_BAD | Q.AGE_BAD),
        ({"MAG": np.nan}, Q.MAG_MISSING),
        ({"EXTINCTION": np.nan}, Q.EXTINCTION_MISSING),
        ({"EXTINCTION_FLAG": ExtinctionFlag.FROM_FILE}, Q.EXTINCTION_FALLBACK | Q.DISTANCE_WARN),
        ({"EXTINCTION_FLAG": ExtinctionFlag.COLOUR}, Q.EXTINCTION_FALLBACK | Q.DISTANCE_WARN),
        ({"EXTINCTION_FLAG": ExtinctionFlag.ASSUMED}, Q.EXTINCTION_FALLBACK | Q.DISTANCE_WARN),
        ({"EXTINCTION_FLAG": ExtinctionFlag.NO_LATITUDE}, 0),
        ({"EXTINCTION_FLAG": ExtinctionFlag.NEGATIVE}, Q.EXTINCTION_NEGATIVE | Q.DISTANCE_WARN),
        ({"EXTINCTION": 0.499}, 0),
        ({"EXTINCTION": 0.5}, Q.EXTINCTION_HIGH | Q.DISTANCE_WARN),
        # Errors of 0.03 and 0.04 kpc make 0.05, of which three are 0.15.
        ({"GAIAEDR3_DIST": 2.149}, 0),
        ({"GAIAEDR3_DIST": 2.151}, Q.GAIA_CONFLICT | Q.DISTANCE_WARN),
        ({"GAIAEDR3_DIST": 1.849}, Q.GAIA_CONFLICT | Q.DISTANCE_WARN),
        ({"GAIAEDR3_DIST": 2.13, "gaia_err": 0.03}, Q.GAIA_CONFLICT | Q.DISTANCE_WARN),
        ({"GAIAEDR3_DIST": 9.0, "gaia_err": np.nan}, 0),
        ({"LOGG": 3.499}, 0),
        ({"LOGG": 3.5}, Q.NOT_GIANT),
        ({"AGE_FLAG": AgeFlag.MASS_LOW}, Q.AGE_LIMIT | Q.AGE_BAD),
        ({"AGE_FLAG": AgeFlag.FEH_HIGH}, Q.AGE_LIMIT | Q.AGE_BAD),
        ({"AGE_FLAG": AgeFlag.OLD}, Q.AGE_OLD | Q.AGE_WARN),
        ({"AGE_FLAG": AgeFlag.CLIPPED}, Q.AGE_CLIPPED),
        ({"flag": 1 << 23}, Q.STAR_BAD | Q.DISTANCE_BAD | Q.MASS_BAD | Q.AGE_BAD),
        ({"flag": 1 << 22}, 0),
        (
            {"CALIBRATION_SPACE": Space.OUTSIDE},
            Q.CALIBRATION_OUTSIDE | Q.DISTANCE_WARN | Q.MASS_WARN | Q.AGE_WARN,
        ),
        ({"DISTANCE": np.nan}, Q.DISTANCE_BAD),
        ({"MASS": np.nan}, Q.MASS_BAD | Q.AGE_BAD),
        ({"MASS": 0.0}, Q.MASS_BAD | Q.AGE_BAD),
        ({"AGE": np.nan}, Q.AGE_BAD),
    ],
)  # fmt: skip
def test_each_bit_is_set_where_it_says(changed, bits):
    assert QualityBit(flags_of(**changed)) == QualityBit(int(bits))
