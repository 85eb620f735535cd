"""Stellar models: isochrone tables and readers, initial mass function, giant ages, isochrone distances, mass loss."""

from skdistmass.isochrones.composition import mean_alpha, total_metallicity
from skdistmass.isochrones.distances.posterior import IsochroneDistanceRegressor
from skdistmass.isochrones.giant_ages.relation import GiantAgeRelation
from skdistmass.isochrones.imf import imf_weights, kroupa_imf, kroupa_number
from skdistmass.isochrones.mass_loss import MassLoss
from skdistmass.isochrones.readers.mist import read_mist
from skdistmass.isochrones.readers.parsec import read_parsec
from skdistmass.isochrones.readers.tables import read_giant_ages, read_isochrone_table
from skdistmass.isochrones.schema import COLUMNS, Phase, check_isochrone_table, isochrone_slices, isochrone_table
from skdistmass.schema.bits import IsochroneFlag

__all__ = [
    "COLUMNS",
    "GiantAgeRelation",
    "IsochroneDistanceRegressor",
    "IsochroneFlag",
    "MassLoss",
    "Phase",
    "check_isochrone_table",
    "imf_weights",
    "isochrone_slices",
    "isochrone_table",
    "kroupa_imf",
    "kroupa_number",
    "mean_alpha",
    "read_giant_ages",
    "read_isochrone_table",
    "read_mist",
    "read_parsec",
    "total_metallicity",
]
