"""One module for each file format: its tables, with columns read when asked for."""
