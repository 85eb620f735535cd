"""Writers of catalogue files."""
