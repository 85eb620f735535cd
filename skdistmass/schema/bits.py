"""The bits and codes of a catalogue: Table 3 of the paper, and those of the columns beyond it."""

from enum import IntEnum, IntFlag


class _DescribedFlag(IntFlag):
    """Bits that carry a description of what each says."""

    def __new__(cls, value, description):
        member = int.__new__(cls, value)
        member._value_ = value
        member.description = description
        return member


class Bit(_DescribedFlag):
    """Bits of BITMASK (Table 3 of the paper). The bit of value 4 is unused, there as here."""

    DISTANCE_TRAINING = 1, "member of the training set of the distance model"
    OUTSIDE_MASS_SPACE = 2, "outside the labels the mass model was trained on, or a label is missing"
    MASS_APOKASC = 8, "training mass from APOKASC (Pinsonneault et al. 2018 and later)"
    MASS_BERGER = 16, "training mass from Berger et al. (2020)"
    MASS_SERENELLI = 32, "training mass from Serenelli et al. (2013)"


class QualityBit(_DescribedFlag):
    """Bits of FLAGS: what to know of a row, and for each product whether to be careful (WARN) or to leave it (BAD)."""

    LABEL_MISSING = 1 << 0, "Teff, log g or [M/H] is missing: nothing can be predicted"
    CN_MISSING = 1 << 1, "[C/Fe] or [N/Fe] is missing: ABS_MAG and mass from three labels if at all"
    DISTANCE_EDGE = 1 << 2, "labels at the edge of those the distance model was trained on"
    DISTANCE_OUTSIDE = 1 << 3, "labels outside those the distance model was trained on"
    MASS_EDGE = 1 << 4, "labels at the edge of those the mass model was trained on"
    MASS_OUTSIDE = 1 << 5, "labels outside those the mass model was trained on"
    MAG_MISSING = 1 << 6, "no apparent magnitude"
    EXTINCTION_MISSING = 1 << 7, "no extinction"
    EXTINCTION_FALLBACK = 1 << 8, "extinction by another method than that of section 2"
    EXTINCTION_NEGATIVE = 1 << 9, "the extinction came out negative"
    EXTINCTION_HIGH = 1 << 10, "A_K is 0.5 mag or more, beyond the training set (section 4.1)"
    GAIA_CONFLICT = 1 << 11, "DISTANCE and the Gaia distance differ by more than 3 of their errors"
    NOT_GIANT = 1 << 12, "log g >= 3.5: no age is given (section 6.1)"
    AGE_LIMIT = 1 << 13, "mass or [M/H] beyond the relation of mass and age"
    STAR_BAD = 1 << 14, "the survey's bit STAR_BAD (23 of ASPCAPFLAG) is set"
    CALIBRATION_OUTSIDE = 1 << 15, "labels outside those that the calibration was fitted on: they got its mean shift"
    DISTANCE_WARN = (
        1 << 16,
        "any of DISTANCE_EDGE, CN_MISSING, EXTINCTION_FALLBACK, _NEGATIVE, _HIGH, GAIA_CONFLICT, CALIBRATION_OUTSIDE",
    )
    DISTANCE_BAD = 1 << 17, "no DISTANCE, or any of DISTANCE_OUTSIDE, STAR_BAD"
    MASS_WARN = 1 << 18, "any of MASS_EDGE, CALIBRATION_OUTSIDE"
    MASS_BAD = 1 << 19, "no mass above 0, or any of MASS_OUTSIDE, STAR_BAD"
    AGE_WARN = 1 << 20, "any of MASS_EDGE, AGE_OLD, CALIBRATION_OUTSIDE"
    AGE_BAD = 1 << 21, "no age, or any of MASS_BAD, AGE_LIMIT"
    AGE_OLD = 1 << 22, "the age is above 13.8 Gyr, that of the universe"
    AGE_CLIPPED = 1 << 23, "an end of the 68.27 % interval of age is cut at the end of the relation of mass and age"


#: Product of a catalogue to the bits of FLAGS that ask for care with it (_WARN), and to those that spoil it (_BAD).
WARNINGS = {
    "DISTANCE": QualityBit.DISTANCE_EDGE
    | QualityBit.CN_MISSING
    | QualityBit.EXTINCTION_FALLBACK
    | QualityBit.EXTINCTION_NEGATIVE
    | QualityBit.EXTINCTION_HIGH
    | QualityBit.GAIA_CONFLICT
    | QualityBit.CALIBRATION_OUTSIDE,
    "MASS": QualityBit.MASS_EDGE | QualityBit.CALIBRATION_OUTSIDE,
    "AGE": QualityBit.MASS_EDGE | QualityBit.AGE_OLD | QualityBit.CALIBRATION_OUTSIDE,
}
SPOILERS = {
    "DISTANCE": QualityBit.DISTANCE_OUTSIDE | QualityBit.STAR_BAD,
    "MASS": QualityBit.MASS_OUTSIDE | QualityBit.STAR_BAD,
    "AGE": QualityBit.MASS_OUTSIDE | QualityBit.STAR_BAD | QualityBit.AGE_LIMIT,
}


class AgeFlag(_DescribedFlag):
    """Bits of AGE_FLAG: why a star has no age, or what to know of the age it has."""

    MASS_LOW = 1, "mass below the relation"
    MASS_HIGH = 2, "mass above the relation"
    FEH_LOW = 4, "[M/H] below the relation"
    FEH_HIGH = 8, "[M/H] above the relation"
    MISSING = 16, "mass or [M/H] is missing"
    NOT_GIANT = 32, "log g >= 3.5: no age is given (section 6.1)"
    CLIPPED = 64, "an end of the 68.27 % interval is beyond the relation, and is the age at the relation's end"
    CLIPPED_95 = 128, "the same of the 95.45 % interval"
    OLD = 256, "the age is above 13.8 Gyr, that of the universe"


class ExtinctionFlag(_DescribedFlag):
    """Bits of EXTINCTION_FLAG: what to know of a star's extinction."""

    NEGATIVE = 1, "the value was negative; the parameter `negative` of `ExtinctionChoice` says what is done"
    FROM_FILE = 2, "not the method of section 2: a value, or a reddening, of the survey file"
    NO_LATITUDE = 4, "no position is known; the star was taken to be near the Galactic plane"
    MISSING = 8, "there is no extinction"
    COLOUR = 16, "from the star's J-K, J-H or H-K and the colour that stars of its labels have without dust"
    ASSUMED = 32, "a value assumed for stars that have no other"


class IsochroneFlag(_DescribedFlag):
    """Bits of ISO_FLAG, and of `flag` of isochrone distances: what to know of a star's posterior."""

    MISSING_LABEL = 1, "Teff, log g or [Fe/H] is missing or not a star's; all results are NaN"
    OFF_GRID = 2, "no model is near the labels; all results are NaN"
    DEFAULT_ERROR = 4, "an error of the labels is missing; its default was used"
    FEW_POINTS = 8, "few models make up the posterior: the errors are small for the spacing of the grid"
    EDGE = 16, "[Fe/H] is outside that of the models, which cuts the posterior"
    MISSING_PHOTOMETRY = 32, "the magnitude, the extinction or one of their errors is missing; the distance is NaN"
    PARALLAX_CONFLICT = 64, "the parallax disagrees with labels and magnitude; where nothing is left, results are NaN"


class Space(IntEnum):
    """Codes of DISTANCE_SPACE and MASS_SPACE: where a star's labels lie among those trained on."""

    INSIDE = 0
    EDGE = 1
    OUTSIDE = 2
    MISSING = 3
