"""Several survey tables as one."""

import warnings

from astropy.table import Table, vstack
from astropy.utils.metadata import MergeConflictWarning

from skdistmass.exceptions import ColumnError, InputError

__all__ = ["stack_surveys"]


def stack_surveys(surveys):
    """Put survey tables one below the other, on one metallicity scale.

    Parameters
    ----------
    surveys : sequence of Table
        From `read_survey`.

    Returns
    -------
    survey : Table
        All rows; a column that a table does not have is missing in its rows. If [Fe/H] stands for [M/H] in one of the
        tables, it does in all.

    Raises
    ------
    ColumnError
        If one table has [Fe/H] only and another has none.
    InputError
        If there is no table.

    Examples
    --------
    >>> from skdistmass.surveys import canonical_survey, stack_surveys
    >>> a = canonical_survey({"TEFF": [4800.0], "FE_H": [-0.1]})
    >>> b = canonical_survey({"TEFF": [5000.0], "M_H": [0.1], "FE_H": [0.0]})
    >>> stack_surveys([a, b])["M_H"].tolist()
    [-0.1, 0.0]
    """
    surveys = list(surveys)
    if not surveys:
        raise InputError("no table to stack.")
    if len(surveys) == 1:
        return surveys[0]
    sources = [str(survey.meta["SKDM_COLUMNS"].get("M_H", [""])[0]).upper() for survey in surveys]
    if "FE_H" in sources:
        surveys = [_with_iron(survey) for survey in surveys]
    parts = [Table(survey, copy=False) for survey in surveys]
    columns = dict(surveys[sources.index("FE_H") if "FE_H" in sources else 0].meta["SKDM_COLUMNS"])
    files = ", ".join(str(survey.meta["SKDM_FILE"]) for survey in surveys)
    for part in parts:
        part.meta = {}
    with warnings.catch_warnings():
        # Units come from one reader; descriptions and the like may differ.
        warnings.simplefilter("ignore", MergeConflictWarning)
        stacked = vstack(parts, join_type="outer", metadata_conflicts="silent")
    stacked.meta = {"SKDM_FILE": files, "SKDM_TABLE": "", "SKDM_COLUMNS": columns}
    return stacked


def _with_iron(survey):
    """Return the table with [Fe/H] in the place of [M/H]."""
    if str(survey.meta["SKDM_COLUMNS"].get("M_H", [""])[0]).upper() == "FE_H":
        return survey
    name = next((name for name in survey.colnames if name.upper() == "FE_H"), None)
    if name is None:
        raise ColumnError(f"{survey.meta['SKDM_FILE']} has no FE_H, which stands for [M/H] in another table.")
    replaced = Table(survey, copy=False)
    replaced["M_H"] = survey[name]
    return replaced
