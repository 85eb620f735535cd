"""The whole model: training, prediction, files."""
