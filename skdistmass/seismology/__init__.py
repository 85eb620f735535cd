"""Masses, radii and gravities of stars from their oscillations, by the scaling relations and their corrections."""

from skdistmass.seismology.corrections import gaia_radius_factor, isochrone_correction, white_correction
from skdistmass.seismology.scales import mass_scales
from skdistmass.seismology.scaling import REFERENCES, SeismicStars, SolarReference, scaling_relations

__all__ = [
    "REFERENCES",
    "SeismicStars",
    "SolarReference",
    "gaia_radius_factor",
    "isochrone_correction",
    "mass_scales",
    "scaling_relations",
    "white_correction",
]
