"""Distances from isochrones."""
