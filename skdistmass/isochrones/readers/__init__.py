"""Readers of isochrone files."""
