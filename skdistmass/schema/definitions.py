"""The schema of a catalogue: each column of Table 2 of the paper, and of what is given beyond it.

The writers, the ONNX graph and the data-model page of the documentation are made from it; `skdistmass.schema.columns`
looks columns up in it.
"""

from dataclasses import dataclass

__all__ = ["EXTRA_COLUMNS", "TABLE_2", "CatalogColumn"]


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
        What it is and how it was made, in one line.
    ucd : str
        Unified Content Descriptor (IVOA UCD1+).
    source : str
        "survey" if it is carried over, "DistMass" if it is predicted.
    dtype : str
        numpy type; of text the number is the most characters that fit.
    formula : str
        How to rebuild it from other columns or from the model, in words or as a formula.
    inputs : str
        Columns, of the survey or this catalogue, it is made from.
    """

    name: str
    unit: str | None
    description: str
    ucd: str
    source: str = "DistMass"
    dtype: str = "f8"
    formula: str = ""
    inputs: str = ""


def _survey(name, unit, description, ucd, dtype="f8", formula="as in the survey", inputs=None):
    return CatalogColumn(name, unit, description, ucd, "survey", dtype, formula, inputs or name)


_FIVE = "TEFF, LOGG, M_H, C_FE, N_FE"
_GAIA_INPUTS = "GAIAEDR3_R_MED_PHOTOGEO, GAIAEDR3_R_MED_GEO, GAIAEDR3_PARALLAX"
_AK_INPUTS = "GLAT, H, IRAC_4_5, WISE_4_5, SFD_EBV, A_K, AK_TARG, AK_WISE"

#: Table 2 of the paper, in its order.
TABLE_2 = (
    _survey("APOGEE_ID", None, "ID from APOGEE", "meta.id;meta.main", "U30"),
    _survey("APSTAR_ID", None, "ID of the combined spectrum", "meta.id", "U60"),
    _survey("TEFF", "K", "effective temperature", "phys.temperature.effective"),
    _survey("LOGG", "dex(cm s-2)", "surface gravity log g", "phys.gravity"),
    _survey("M_H", "dex", "metallicity", "phys.abund.Z", inputs="M_H, or FE_H if that is what the model knows"),
    _survey("C_FE", "dex", "carbon abundance [C/Fe]", "phys.abund"),
    _survey("N_FE", "dex", "nitrogen abundance [N/Fe]", "phys.abund"),
    _survey(
        "GAIAEDR3_DIST",
        "kpc",
        "distance from Gaia used for training",
        "pos.distance",
        formula="photogeometric median of Bailer-Jones et al. (2021), else the geometric one, else "
        "1 / (parallax - zero point); only where a parallax is there to tell its error",
        inputs=_GAIA_INPUTS,
    ),
    _survey(
        "EXTINCTION",
        "mag",
        "extinction A_K, chosen as in section 2",
        "phys.absorption;em.IR.K",
        formula="|GLAT| < 16 deg: 0.918 (H - IRAC_4_5 - 0.08), else 0.918 (H - WISE_4_5 - 0.05) (RJCE); otherwise "
        "0.302 SFD_EBV; where these are missing the survey's A_K, AK_TARG or AK_WISE. Negative ones are 0",
        inputs=_AK_INPUTS,
    ),
    _survey("MAG", "mag", "apparent magnitude K_s", "phot.mag;em.IR.K", inputs="K"),
    CatalogColumn(
        "ABS_MAG",
        "mag",
        "predicted absolute magnitude M_K",
        "phys.magAbs;em.IR.K",
        formula="the distance network (section 4); of three labels where LABEL_FALLBACK; for a star trained on, the "
        "prediction of a network that had not seen it (OUT_OF_FOLD)",
        inputs=_FIVE,
    ),
    CatalogColumn(
        "ABS_MAG_ERR",
        "mag",
        "error of ABS_MAG",
        "stat.error;phys.magAbs;em.IR.K",
        formula="half the width of the 68.27 % interval, calibrated on stars the network had not seen",
        inputs=_FIVE + " and their errors",
    ),
    CatalogColumn(
        "DISTANCE",
        "kpc",
        "predicted distance, 10 pc x 10^(0.2 (MAG - EXTINCTION - ABS_MAG))",
        "pos.distance",
        formula="0.01 x 10^(0.2 (MAG - EXTINCTION - ABS_MAG))",
        inputs="MAG, EXTINCTION, ABS_MAG",
    ),
    CatalogColumn(
        "DISTANCE_ERR",
        "kpc",
        "error of DISTANCE",
        "stat.error;pos.distance",
        formula="half the width of the 68.27 % interval, (DISTANCE_HI - DISTANCE_LO) / 2",
        inputs="DISTANCE_LO, DISTANCE_HI",
    ),
    CatalogColumn(
        "DISTANCE_WEIGHTED",
        "kpc",
        "mean of DISTANCE and the Gaia distance, by inverse variance",
        "pos.distance;stat.mean",
        formula="(DISTANCE / DISTANCE_ERR^2 + GAIAEDR3_DIST / e^2) / (1 / DISTANCE_ERR^2 + 1 / e^2), "
        "e = GAIAEDR3_DIST x parallax error / parallax; where only one is there, that one",
        inputs="DISTANCE, DISTANCE_ERR, GAIAEDR3_DIST, GAIAEDR3_PARALLAX, GAIAEDR3_PARALLAX_ERROR",
    ),
    CatalogColumn(
        "MASS_*",
        "Msun",
        "mass predicted by the network trained on the scale *",
        "phys.mass",
        formula="the mass network (section 5); out of fold as ABS_MAG",
        inputs=_FIVE,
    ),
    CatalogColumn(
        "MASS_ERR",
        "Msun",
        "error of the mass of the first scale",
        "stat.error;phys.mass",
        formula="half the width of the 68.27 % interval of the first MASS_*",
        inputs="MASS_*_LO, MASS_*_HI of the first scale",
    ),
    CatalogColumn(
        "AGE_*",
        "dex(yr)",
        "log10 of the age in years from MASS_* and M_H; giants only (log g < 3.5)",
        "time.age",
        formula="log age of a giant of this mass and metallicity by isochrones (section 6)",
        inputs="MASS_*, M_H, LOGG",
    ),
    CatalogColumn(
        "AGE_ERR",
        "dex",
        "error of the log age of the first scale",
        "stat.error;time.age",
        formula="half the width of the 68.27 % interval, (AGE_*_HI - AGE_*_LO) / 2; where one end has no age, "
        "MASS_ERR x the mean slope of the relation of mass and age over the part of the interval that has ages",
        inputs="AGE_*_LO, AGE_*_HI of the first scale; else MASS_*, MASS_ERR, M_H",
    ),
    CatalogColumn(
        "BITMASK",
        None,
        "1 in distance training, 2 outside mass model, 8/16/32 training mass of APOKASC/Berger+2020/Serenelli+2013",
        "meta.code",
        dtype="i4",
        formula="sum of the bits of Table 3",
        inputs="the model's training stars, MASS_SPACE",
    ),
    CatalogColumn(
        "NMSU_DIST",
        "kpc",
        "distance by isochrones, median of the posterior (section 4.2)",
        "pos.distance",
        formula="median of the posterior of 0.01 x 10^(0.2 (MAG - EXTINCTION - M_K)): the models (ISOMODEL) weighted "
        "by mass function, ages and the normal likelihood of the labels, errors of magnitude (K_ERR, else 0.02) "
        "and extinction (0.02 mag) included; NaN if the catalogue was made without isochrones",
        inputs="TEFF, LOGG, the survey's M_H and their errors (else 50 K, 0.1, 0.1 dex), MAG, K_ERR, EXTINCTION",
    ),
)

_ONE_SIGMA = "the interval holds the truth with a probability of 68.27 %"
#: What a catalogue holds beyond Table 2. Intervals hold the truth with a probability of 68.27 %.
EXTRA_COLUMNS = (
    CatalogColumn(
        "DISTANCE_LO",
        "kpc",
        "lower end of the 68.27 % interval of DISTANCE",
        "stat.min;pos.distance",
        formula="DISTANCE x 10^(-0.2 w), w the upper side of ABS_MAG's interval, widened in quadrature by the "
        "errors of magnitude (K_ERR, else 0.02) and extinction (0.02 mag)",
        inputs="DISTANCE, interval of ABS_MAG, K_ERR",
    ),
    CatalogColumn(
        "DISTANCE_HI",
        "kpc",
        "upper end of the 68.27 % interval of DISTANCE",
        "stat.max;pos.distance",
        formula="DISTANCE x 10^(0.2 w), w the lower side of ABS_MAG's interval, widened as for DISTANCE_LO",
        inputs="DISTANCE, interval of ABS_MAG, K_ERR",
    ),
    CatalogColumn(
        "DISTANCE_WEIGHTED_ERR",
        "kpc",
        "error of DISTANCE_WEIGHTED",
        "stat.error;pos.distance",
        formula="(1 / DISTANCE_ERR^2 + 1 / e^2)^(-1/2), e as for DISTANCE_WEIGHTED",
        inputs="as DISTANCE_WEIGHTED",
    ),
    CatalogColumn(
        "ABS_MAG_LABEL_ERR",
        "mag",
        "part of ABS_MAG_ERR from the star's own label errors",
        "stat.error;phys.magAbs",
        formula="(sum over labels of (d ABS_MAG / d label x its error)^2)^(1/2); NaN without the errors",
        inputs="TEFF_ERR, LOGG_ERR, M_H_ERR, C_FE_ERR, N_FE_ERR",
    ),
    CatalogColumn(
        "MASS_*_LO",
        "Msun",
        "lower end of the 68.27 % interval of MASS_*",
        "stat.min;phys.mass",
        formula=_ONE_SIGMA,
        inputs=_FIVE + " and their errors",
    ),
    CatalogColumn(
        "MASS_*_HI",
        "Msun",
        "upper end of the 68.27 % interval of MASS_*",
        "stat.max;phys.mass",
        formula=_ONE_SIGMA,
        inputs=_FIVE + " and their errors",
    ),
    CatalogColumn(
        "AGE_*_LO",
        "dex(yr)",
        "log age at the upper end of MASS_*'s interval",
        "stat.min;time.age",
        formula="as AGE_*, for MASS_*_HI",
        inputs="MASS_*_HI, M_H",
    ),
    CatalogColumn(
        "AGE_*_HI",
        "dex(yr)",
        "log age at the lower end of MASS_*'s interval",
        "stat.max;time.age",
        formula="as AGE_*, for MASS_*_LO",
        inputs="MASS_*_LO, M_H",
    ),
    CatalogColumn(
        "NMSU_DIST_LO",
        "kpc",
        "16th percentile of the posterior of NMSU_DIST",
        "stat.min;pos.distance",
        formula="as NMSU_DIST",
        inputs="as NMSU_DIST",
    ),
    CatalogColumn(
        "NMSU_DIST_HI",
        "kpc",
        "84th percentile of the posterior of NMSU_DIST",
        "stat.max;pos.distance",
        formula="as NMSU_DIST",
        inputs="as NMSU_DIST",
    ),
    CatalogColumn(
        "NMSU_FLAG",
        None,
        "1 label missing, 2 off the models, 4 default error, 8 few models, 16 [M/H] beyond, 32 no magnitude",
        "meta.code",
        dtype="i2",
        formula="sum of skdistmass.isochrones.IsochroneFlag; -1 without isochrones",
        inputs="as NMSU_DIST",
    ),
    CatalogColumn(
        "DISTANCE_SPACE",
        None,
        "labels of the distance model: 0 inside, 1 edge, 2 outside, 3 missing",
        "meta.code",
        dtype="i2",
        formula="skdistmass.TrainingSpace of the distance model; at least 1 where LABEL_FALLBACK",
        inputs=_FIVE,
    ),
    CatalogColumn(
        "MASS_SPACE",
        None,
        "labels of the mass model: 0 inside, 1 edge, 2 outside, 3 missing",
        "meta.code",
        dtype="i2",
        formula="skdistmass.TrainingSpace of the model of the first mass scale",
        inputs=_FIVE,
    ),
    CatalogColumn(
        "LABEL_FALLBACK",
        None,
        "ABS_MAG comes from Teff, log g and [M/H] alone: C or N is missing",
        "meta.code",
        dtype="?",
        formula="true if C_FE or N_FE is missing, the other labels are not, and the model has a network for it",
        inputs=_FIVE,
    ),
    CatalogColumn(
        "AGE_FLAG",
        None,
        "why AGE is missing or bounded: 1/2 mass below/above the relation, 4/8 [M/H] below/above, 16 missing, "
        "32 not a giant",
        "meta.code",
        dtype="i2",
        formula="sum of skdistmass.schema.bits.AgeFlag; of the first mass scale",
        inputs="MASS_*, M_H, LOGG",
    ),
    CatalogColumn(
        "OUT_OF_FOLD",
        None,
        "predictions by networks that had not seen the star: 1 ABS_MAG, then 2, 4 ... the masses in column order",
        "meta.code",
        dtype="i4",
        formula="sum of the bits; 0 for stars that were not trained on",
        inputs="the model's training stars",
    ),
    CatalogColumn(
        "GAIAEDR3_DIST_SRC",
        None,
        "where GAIAEDR3_DIST is from: column of the survey, or 1/parallax",
        "meta.note",
        "survey",
        "U32",
        formula="blank where GAIAEDR3_DIST is missing",
        inputs=_GAIA_INPUTS,
    ),
    CatalogColumn(
        "EXTINCTION_METHOD",
        None,
        "method of EXTINCTION: RJCE_IRAC, RJCE_WISE, SFD, or what the survey file calls its value",
        "meta.note",
        "survey",
        "U32",
        formula="see EXTINCTION",
        inputs=_AK_INPUTS,
    ),
    CatalogColumn(
        "EXTINCTION_FLAG",
        None,
        "1 came out negative, 2 value of the survey file, 4 no position known, 8 missing",
        "meta.code",
        "survey",
        "i2",
        formula="sum of skdistmass.extinction.ExtinctionFlag",
        inputs=_AK_INPUTS,
    ),
    CatalogColumn(
        "FLAGS",
        None,
        "named bits on the quality of the row, with WARN and BAD for distance, mass and age",
        "meta.code.qual",
        dtype="i4",
        formula="sum of the bits of skdistmass.schema.bits.QualityBit",
        inputs="the columns the bits name, ASPCAPFLAG",
    ),
)
