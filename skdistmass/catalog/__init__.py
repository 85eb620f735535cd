"""Catalogues: from a survey file to Tables 2 and 3 of the paper, at survey size."""

from skdistmass.catalog.builder import CatalogReport, build_catalog

__all__ = ["CatalogReport", "build_catalog"]
