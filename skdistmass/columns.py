"""The columns and bits of a catalogue (Tables 2 and 3 of the paper, and what is given beyond them), in one place."""

import re
from dataclasses import dataclass, replace
from enum import IntFlag

__all__ = ["EXTRA_COLUMNS", "TABLE_2", "Bit", "CatalogColumn", "describe", "mass_columns"]


class Bit(IntFlag):
    """Bits of BITMASK (Table 3 of the paper). The bit of value 4 is unused, there as here."""

    DISTANCE_TRAINING = 1
    """The star was in the training set of the distance model."""
    OUTSIDE_MASS_SPACE = 2
    """The star is outside the labels that the mass model was trained on (or has a label missing)."""
    MASS_APOKASC = 8
    """Training mass from APOKASC (Pinsonneault et al. 2018 and later)."""
    MASS_BERGER = 16
    """Training mass from Berger et al. (2020)."""
    MASS_SERENELLI = 32
    """Training mass from Serenelli et al. (2013)."""


@dataclass(frozen=True)
class CatalogColumn:
    """One column of a catalogue.

    Attributes
    ----------
    name : str
        Column name. ``*`` stands for the name of a mass scale.
    unit : str or None
        Unit, in astropy's notation.
    description : str
        What it is and how it was made.
    ucd : str
        Unified Content Descriptor (IVOA UCD1+).
    source : str
        "survey" if it is carried over, "DistMass" if it is predicted.
    dtype : str
        numpy type.
    """

    name: str
    unit: str | None
    description: str
    ucd: str
    source: str = "DistMass"
    dtype: str = "f8"


def _survey(name, unit, description, ucd, dtype="f8"):
    return CatalogColumn(name, unit, description, ucd, "survey", dtype)


#: Table 2 of the paper, in its order.
TABLE_2 = (
    _survey("APOGEE_ID", None, "ID from APOGEE", "meta.id;meta.main", "U30"),
    _survey("APSTAR_ID", None, "ID of the combined spectrum", "meta.id", "U60"),
    _survey("TEFF", "K", "effective temperature", "phys.temperature.effective"),
    _survey("LOGG", "dex(cm s-2)", "surface gravity log g", "phys.gravity"),
    _survey("M_H", "dex", "metallicity", "phys.abund.Z"),
    _survey("C_FE", "dex", "carbon abundance [C/Fe]", "phys.abund"),
    _survey("N_FE", "dex", "nitrogen abundance [N/Fe]", "phys.abund"),
    _survey("GAIAEDR3_DIST", "kpc", "distance from Gaia used for training", "pos.distance"),
    _survey("EXTINCTION", "mag", "extinction A_K, chosen as in section 2", "phys.absorption;em.IR.K"),
    _survey("MAG", "mag", "apparent magnitude K_s", "phot.mag;em.IR.K"),
    CatalogColumn("ABS_MAG", "mag", "predicted absolute magnitude M_K", "phys.magAbs;em.IR.K"),
    CatalogColumn("ABS_MAG_ERR", "mag", "error of ABS_MAG", "stat.error;phys.magAbs;em.IR.K"),
    CatalogColumn(
        "DISTANCE", "kpc", "predicted distance, 10 pc x 10^(0.2 (MAG - EXTINCTION - ABS_MAG))", "pos.distance"
    ),
    CatalogColumn("DISTANCE_ERR", "kpc", "error of DISTANCE", "stat.error;pos.distance"),
    CatalogColumn(
        "DISTANCE_WEIGHTED",
        "kpc",
        "mean of DISTANCE and the Gaia distance, by inverse variance",
        "pos.distance;stat.mean",
    ),
    CatalogColumn("MASS_*", "Msun", "mass predicted by the network trained on the scale *", "phys.mass"),
    CatalogColumn("MASS_ERR", "Msun", "error of the mass of the first scale", "stat.error;phys.mass"),
    CatalogColumn(
        "AGE_*", "dex(yr)", "log10 of the age in years from MASS_* and M_H; giants only (log g < 3.5)", "time.age"
    ),
    CatalogColumn("AGE_ERR", "dex", "error of the log age of the first scale", "stat.error;time.age"),
    CatalogColumn(
        "BITMASK",
        None,
        "1 in distance training, 2 outside mass model, 8/16/32 training mass of APOKASC/Berger+2020/Serenelli+2013",
        "meta.code",
        dtype="i4",
    ),
    CatalogColumn("NMSU_DIST", "kpc", "distance by isochrones, median of the posterior (section 4.2)", "pos.distance"),
)

#: What a catalogue holds beyond Table 2. Intervals hold the truth with a probability of 68.27 %.
EXTRA_COLUMNS = (
    CatalogColumn("DISTANCE_LO", "kpc", "lower end of the 68.27 % interval of DISTANCE", "stat.min;pos.distance"),
    CatalogColumn("DISTANCE_HI", "kpc", "upper end of the 68.27 % interval of DISTANCE", "stat.max;pos.distance"),
    CatalogColumn("DISTANCE_WEIGHTED_ERR", "kpc", "error of DISTANCE_WEIGHTED", "stat.error;pos.distance"),
    CatalogColumn(
        "ABS_MAG_LABEL_ERR", "mag", "part of ABS_MAG_ERR from the star's own label errors", "stat.error;phys.magAbs"
    ),
    CatalogColumn("MASS_*_LO", "Msun", "lower end of the 68.27 % interval of MASS_*", "stat.min;phys.mass"),
    CatalogColumn("MASS_*_HI", "Msun", "upper end of the 68.27 % interval of MASS_*", "stat.max;phys.mass"),
    CatalogColumn("AGE_*_LO", "dex(yr)", "log age at the upper end of MASS_*'s interval", "stat.min;time.age"),
    CatalogColumn("AGE_*_HI", "dex(yr)", "log age at the lower end of MASS_*'s interval", "stat.max;time.age"),
    CatalogColumn(
        "DISTANCE_SPACE",
        None,
        "labels of the distance model: 0 inside, 1 edge, 2 outside, 3 missing",
        "meta.code",
        dtype="i2",
    ),
    CatalogColumn(
        "MASS_SPACE", None, "labels of the mass model: 0 inside, 1 edge, 2 outside, 3 missing", "meta.code", dtype="i2"
    ),
    CatalogColumn(
        "LABEL_FALLBACK",
        None,
        "ABS_MAG comes from Teff, log g and [M/H] alone: C or N is missing",
        "meta.code",
        dtype="?",
    ),
    CatalogColumn(
        "AGE_FLAG",
        None,
        "why AGE is missing or bounded: 1/2 mass below/above the relation, 4/8 [M/H] below/above, 16 missing, "
        "32 not a giant",
        "meta.code",
        dtype="i2",
    ),
    CatalogColumn(
        "OUT_OF_FOLD",
        None,
        "predictions by networks that had not seen the star: 1 ABS_MAG, then 2, 4 ... the masses in column order",
        "meta.code",
        dtype="i4",
    ),
)

_SCHEMA = {column.name: column for column in TABLE_2 + EXTRA_COLUMNS}
_PATTERN = re.compile(r"^(MASS|AGE)(?:_(?P<scale>.+?))??(?P<end>_LO|_HI)?$")


def mass_columns(scale):
    """Names of the mass and age columns of a mass scale.

    Parameters
    ----------
    scale : str
        Name of the scale, as ``"UNCOR_SS"``; empty for a scale without a name.

    Returns
    -------
    mass, age : str

    Examples
    --------
    >>> from skdistmass.columns import mass_columns
    >>> mass_columns("COR_MO"), mass_columns("")
    (('MASS_COR_MO', 'AGE_COR_MO'), ('MASS', 'AGE'))
    """
    suffix = f"_{scale}" if scale else ""
    return f"MASS{suffix}", f"AGE{suffix}"


def describe(name):
    """Look a column up, by its name in a catalogue.

    Parameters
    ----------
    name : str
        As ``"DISTANCE"`` or ``"MASS_COR_MO_LO"``.

    Returns
    -------
    column : CatalogColumn or None
        With the scale's name in place of the ``*``; None if the schema does not have it.

    Examples
    --------
    >>> from skdistmass.columns import describe
    >>> describe("MASS_COR_MO").description
    'mass predicted by the network trained on the scale COR_MO'
    """
    if name in _SCHEMA:
        return _SCHEMA[name]
    match = _PATTERN.match(name)
    if match is None:
        return None
    pattern = _SCHEMA[f"{match[1]}_*{match['end'] or ''}"]
    mass, age = mass_columns(match["scale"] or "")
    description = pattern.description.replace("MASS_*", mass).replace("AGE_*", age)
    return replace(pattern, name=name, description=description.replace("scale *", f"scale {match['scale'] or 'MASS'}"))
