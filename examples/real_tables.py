"""Where the scripts in this folder have their stars from: real tables, or mock stars where a script can use these."""

import sys

from skdistmass.datasets import make_survey
from skdistmass.exceptions import DistMassError
from skdistmass.surveys import Stars, as_stars, data_dir, read_survey

__all__ = ["kepler_giants", "real_table"]


def real_table(name):
    """Return the path of a real table; without it, end with a sentence that says what is missing."""
    try:
        path = data_dir() / name
    except DistMassError as error:
        sys.exit(f"{name} is needed: {error} The scripts in examples/gallery run on mock stars.")
    if not path.exists():
        sys.exit(f"{path} is needed and not there. The scripts in examples/gallery run on mock stars.")
    return path


def kepler_giants(columns=()) -> Stars:
    """Return the Kepler giants; without their table, giants of a mock survey, and say so."""
    try:
        path = data_dir() / "kepler_giants.fits"
    except DistMassError:
        path = None
    if path is not None and path.exists():
        return read_survey(path, columns=columns)
    print("kepler_giants.fits is not there (SKDISTMASS_DATA names its folder): mock giants, so other numbers.\n")
    survey = make_survey(8000, random_state=0, seismic_fraction=0.5)
    survey = survey[survey["TRUE_LOGG"] < 3.5]
    survey["LABEL_SRC"] = "DR17"  # its errors are those of DR17
    return as_stars(survey)
