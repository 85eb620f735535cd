"""Benchmarks whose results are compared between commits: ``nox -s asv``. All their stars are mocks."""
