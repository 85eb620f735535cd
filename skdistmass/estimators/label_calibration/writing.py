"""What a file of a calibration holds, and how it is written."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

from sklearn.utils.validation import check_is_fitted

from skdistmass._version import __version__
from skdistmass.writing import replaced

__all__ = ["ARRAYS", "DENSITY", "FORMAT", "TERMS", "calibration_text", "save_calibration"]

FORMAT = "skdistmass label calibration 1"
DENSITY = ("location", "scale", "whitening", "means", "precisions_cholesky", "weights", "log_coefficients")
TERMS = ("columns", "location", "scale", "lower", "upper", "centre")
ARRAYS = ("coef_", "covariance_", "scatter_", "spread_", "n_stars_")


def calibration_text(calibration: Any, provenance: dict[str, str] | None = None) -> str:
    """Return what a file of a fitted calibration holds: JSON with one array in each line."""
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
        "noise_known": calibration.noise_known_,
        "arrays": {name: getattr(calibration, name).tolist() for name in ARRAYS},
        "terms": {name: getattr(calibration.terms_, name).tolist() for name in TERMS},
        "density": {name: getattr(calibration.space_.density_, name).tolist() for name in DENSITY},
        "thresholds": calibration.space_.thresholds_.tolist(),
    }
    return _block(content, "", lambda value: _block(value, " ", json.dumps) if isinstance(value, dict) else None) + "\n"


def _block(content: dict[str, Any], indent: str, write: Callable[[Any], str | None]) -> str:
    """Return a JSON object with one entry in each line."""
    lines = [f"{indent} {json.dumps(key)}: {write(value) or json.dumps(value)}" for key, value in content.items()]
    return "{\n" + ",\n".join(lines) + f"\n{indent}}}"


def save_calibration(calibration: Any, path: Any, provenance: dict[str, str] | None) -> None:
    """Write a fitted calibration; see `LabelShift.save`."""
    text = calibration_text(calibration, provenance)
    with replaced(path, "calibration") as partial:
        partial.write_text(text, encoding="utf-8")
