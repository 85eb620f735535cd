"""Extinction in K_s: laws, colours without dust, dust maps, and the choice among them star by star (section 2)."""

from skdistmass.extinction.choice import Extinction, ExtinctionChoice, galactic_latitude
from skdistmass.extinction.colours import IntrinsicColours, latitude_prior
from skdistmass.extinction.laws import RJCE_IRAC, RJCE_WISE, SFD, ExtinctionLaw
from skdistmass.extinction.maps import DUST_MAPS, load_dust_map
from skdistmass.schema.bits import ExtinctionFlag

__all__ = [
    "DUST_MAPS",
    "RJCE_IRAC",
    "RJCE_WISE",
    "SFD",
    "Extinction",
    "ExtinctionChoice",
    "ExtinctionFlag",
    "ExtinctionLaw",
    "IntrinsicColours",
    "galactic_latitude",
    "latitude_prior",
    "load_dust_map",
]
