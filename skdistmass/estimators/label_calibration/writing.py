"""What a file of a calibration holds, and how it is written."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from sklearn.utils.validation import check_is_fitted

from skdistmass._version import __version__

__all__ = ["ARRAYS", "DENSITY", "FORMAT", "TERMS", "save_calibration"]

FORMAT = "skdistmass label calibration 1"
DENSITY = (
    "location",
    "scale",
    "whitening",
    "means",
    "precisions_cholesky",
    "weights",
    "log_coefficients",
)
TERMS = ("columns", "location", "scale", "lower", "upper", "centre")
ARRAYS = ("coef_", "covariance_", "scatter_", "spread_", "n_stars_")


def save_calibration(calibration: Any, path: Any, provenance: dict[str, str] | None) -> None:
    """Write a fitted calibration; see `LabelShift.save`."""
    check_is_fitted(calibration)
    content = {
        "format": FORMAT,
        "version": __version__,
        "kind": type(calibration).__name__,
        "provenance": dict(calibration.provenance_ if provenance is None else provenance),
        "labels": list(calibration.label_names_),
        "named": hasattr(calibration, "feature_names_in_"),
        "columns": dict(calibration.label_columns_),
        "forms": list(calibration.forms_),
        "arrays": {name: getattr(calibration, name).tolist() for name in ARRAYS},
        "terms": {name: getattr(calibration.terms_, name).tolist() for name in TERMS},
        "density": {name: getattr(calibration.space_.density_, name).tolist() for name in DENSITY},
        "thresholds": calibration.space_.thresholds_.tolist(),
    }
    Path(path).write_text(json.dumps(content, indent=1) + "\n", encoding="utf-8")
