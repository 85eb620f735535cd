"""Small networks: their trainer, merging and derivatives."""
