"""Ages of giants from their masses."""
