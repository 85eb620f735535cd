"""Calibrations as text files of numbers, and those that come with the package."""

from __future__ import annotations

import hashlib
import json
import os
from importlib import resources
from pathlib import Path
from typing import Any

import numpy as np
from sklearn.utils.validation import check_is_fitted

from skdistmass.estimators.label_calibration.base import LabelShift
from skdistmass.estimators.label_calibration.shift_terms import FORMS, ShiftTerms
from skdistmass.estimators.label_calibration.writing import ARRAYS, DENSITY, FORMAT, TERMS
from skdistmass.estimators.label_density import LabelDensity
from skdistmass.estimators.training_space import TrainingSpace
from skdistmass.exceptions import FileFormatError, InputError, shortened

__all__ = ["as_calibration", "load_calibration", "shipped_calibrations"]

#: Bytes of a file that are read: a calibration has a few ten thousand.
LARGEST_FILE = 4_000_000


def load_calibration(path: str | os.PathLike[str]) -> LabelShift:
    """Read a calibration from a file, or one that comes with the package by its name.

    Parameters
    ----------
    path : path-like
        A file written by ``save``, or a name of `shipped_calibrations`. A file of that name comes first.

    Returns
    -------
    calibration : LabelCalibration or ConstraintCalibration

    Raises
    ------
    FileFormatError
        If there is neither such a file nor such a name; if it is not such a file, was cut off or changed, or is of an
        unknown version.

    Examples
    --------
    >>> from skdistmass.estimators.label_calibration import load_calibration
    >>> load_calibration("payne-dr14").provenance_["from"]
    'The Payne, APOGEE DR14 (Ting et al. 2019)'
    """
    source: Any = Path(path)
    if not source.exists():
        if str(path) not in shipped_calibrations():
            known = ", ".join(shipped_calibrations())
            raise FileFormatError(f"{path} is neither a file nor a calibration that comes with skdistmass ({known}).")
        source = resources.files(__package__).joinpath("data", f"{path}.json")
    try:
        with source.open("rb") as file:
            text = file.read(LARGEST_FILE)
        content = json.loads(text)
    except OSError as error:
        raise FileFormatError(f"{path} can't be read: {error.strerror or error}.") from error
    except (ValueError, RecursionError) as error:
        raise FileFormatError(f"{path} is not a calibration: it is no JSON text ({shortened(error)}).") from error
    if not isinstance(content, dict) or content.get("format") != FORMAT:
        raise FileFormatError(f"{path} is not a calibration that this version reads: its format is not {FORMAT!r}.")
    try:
        calibration = _rebuild(content)
    except (KeyError, TypeError, ValueError, IndexError, AttributeError, OverflowError) as error:
        raise FileFormatError(f"{path} is a calibration that was cut off or changed: {shortened(error)}.") from error
    calibration.stored_as_ = Path(path).name, hashlib.sha256(text).hexdigest()
    return calibration


def as_calibration(calibration: Any) -> LabelShift:
    """Return a fitted calibration: the one given, or that of a file or of a name of `shipped_calibrations`.

    Parameters
    ----------
    calibration : LabelCalibration, ConstraintCalibration or path-like

    Returns
    -------
    calibration : LabelCalibration or ConstraintCalibration

    Raises
    ------
    FileFormatError
        As `load_calibration`.
    InputError
        If it is something else.
    """
    if isinstance(calibration, str | os.PathLike):
        return load_calibration(calibration)
    if not isinstance(calibration, LabelShift):
        raise InputError(
            f"calibration is {type(calibration).__name__}; give a fitted LabelCalibration or ConstraintCalibration, a "
            f"file, or one of {', '.join(shipped_calibrations())}."
        )
    check_is_fitted(calibration)
    return calibration


def shipped_calibrations() -> list[str]:
    """Return the names of the calibrations that come with the package.

    Examples
    --------
    >>> from skdistmass.estimators.label_calibration import shipped_calibrations
    >>> "dr12-raw" in shipped_calibrations()
    True
    """
    folder = resources.files(__package__).joinpath("data")
    return sorted(item.name.removesuffix(".json") for item in folder.iterdir() if item.name.endswith(".json"))


def _rebuild(content):
    from skdistmass.estimators.label_calibration.common_stars import LabelCalibration
    from skdistmass.estimators.label_calibration.constraint_calibration import ConstraintCalibration

    kinds = {kind.__name__: kind for kind in (LabelCalibration, ConstraintCalibration)}
    names = tuple(str(name) for name in content["labels"])
    calibration = kinds[content["kind"]](labels=names if content["named"] else None)
    calibration.label_names_ = names
    calibration.n_features_in_ = len(names)
    calibration.label_columns_ = dict(content["columns"])
    if content["named"]:
        calibration.feature_names_in_ = np.array(names, dtype=object)
    calibration.forms_, calibration.noise_known_ = tuple(content["forms"]), bool(content["noise_known"])
    calibration.provenance_ = dict(content["provenance"])
    for name in ARRAYS:
        setattr(calibration, name, np.array(content["arrays"][name], dtype=np.int64 if name == "n_stars_" else float))
    terms = {name: np.array(content["terms"][name], dtype=float) for name in TERMS}
    calibration.terms_ = ShiftTerms(**(terms | {"columns": terms["columns"].astype(np.int64)}))
    n_labels, n_terms, n_used = len(names), calibration.terms_.n_terms, len(calibration.terms_.columns)
    _check_shapes(calibration, n_labels, n_terms)
    space = TrainingSpace(label_names=[f"x{number}" for number in range(n_used)])
    space.density_ = LabelDensity(**{name: np.array(content["density"][name], dtype=float) for name in DENSITY})
    space.thresholds_ = np.array(content["thresholds"], dtype=float)
    space.offset_ = float(space.thresholds_[0])
    space.n_features_in_, space.label_columns_ = n_used, {}
    if space.density_.whitening.shape != (n_used, n_used) or space.thresholds_.shape != (2,):
        raise ValueError("the domain has another number of labels")
    calibration.space_ = space
    for part in (calibration.terms_, space.density_):
        if not all(np.isfinite(values).all() for values in vars(part).values()):
            raise ValueError("a number is not finite")
    calibration._covariance(np.zeros((1, n_labels)))  # fails if shapes don't agree
    return calibration


def _check_shapes(calibration, n_labels, n_terms):
    shapes = {
        "coef_": (n_labels, n_terms),
        "covariance_": (n_labels * n_terms, n_labels * n_terms),
        "scatter_": (n_labels,),
        "spread_": (n_labels,),
        "n_stars_": (n_labels,),
    }
    for name, shape in shapes.items():
        values = getattr(calibration, name)
        if values.shape != shape or not np.isfinite(values).all():
            raise ValueError(f"{name} has shape {values.shape} in place of {shape}, or a number that is not finite")
    if len(calibration.forms_) != n_labels or not set(calibration.forms_) <= set(FORMS):
        raise ValueError(f"the forms are {calibration.forms_}")
