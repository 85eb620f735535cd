"""Limits and assumed errors that more than one part of the package needs, each in this one place."""

#: log g (dex) below which a star counts as a giant and gets an age (section 6.1 of the paper).
GIANT_LOGG = 3.5
#: log g (dex) below which accuracy is stated apart: few stars, mixed mass scales.
LUMINOUS_LOGG = 2.0
#: Age of the universe (Gyr); a higher age of a star is flagged.
UNIVERSE_AGE = 13.8
#: Bit STAR_BAD of APOGEE's ASPCAPFLAG.
ASPCAP_STAR_BAD = 1 << 23
#: A_K (mag) above which stars are not trained on (section 4.1), and are flagged in a catalogue.
HIGH_EXTINCTION = 0.5
#: Number of standard errors by which two distances must differ to be in conflict.
CONFLICT_SIGMA = 3.0
#: Error (mag) assumed for an apparent magnitude that has none.
MAG_ERR = 0.02
#: Error (mag) assumed for A_K.
EXTINCTION_ERR = 0.02
