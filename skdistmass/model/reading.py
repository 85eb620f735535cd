"""What a model reads of a survey: stars with canonical columns, and their labels with errors."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from skdistmass.labels import out_of_range
from skdistmass.surveys import as_stars, read_survey
from skdistmass.surveys.stars import Stars

__all__ = ["labels_of", "stars_of"]


def stars_of(table: Any) -> Stars:
    """Read a file, or give a table in memory its canonical columns."""
    return read_survey(Path(table)) if isinstance(table, str | os.PathLike) else as_stars(table)


def labels_of(stars: Stars) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return labels and their errors, NaN where a value is not possible."""
    labels, errors = stars.labels, stars.label_errors
    labels[out_of_range(labels)] = np.nan
    errors[~(errors >= 0)] = np.nan
    return labels, errors
