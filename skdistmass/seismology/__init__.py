"""Masses, radii, gravities and distances of stars from their oscillations, by the scaling relations."""

from skdistmass.seismology.corrections import gaia_radius_factor, isochrone_correction, white_correction
from skdistmass.seismology.luminosity import bolometric_correction, gaia_radius, seismic_distance
from skdistmass.seismology.scales import mass_scales
from skdistmass.seismology.scaling import REFERENCES, SeismicStars, SolarReference, scaling_relations

__all__ = [
    "REFERENCES",
    "SeismicStars",
    "SolarReference",
    "bolometric_correction",
    "gaia_radius",
    "gaia_radius_factor",
    "isochrone_correction",
    "mass_scales",
    "scaling_relations",
    "seismic_distance",
    "white_correction",
]
