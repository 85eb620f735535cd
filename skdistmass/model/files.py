"""Models on disk: arrays and parameters by role, in one file that any reader of NumPy's ``.npz`` can open.

The entry ``model`` is a text in JSON that names the format, its version, and the parts of the model by their role. A
part has a kind (a word of `_KINDS`, never the path of a class), its parameters and its fitted state. Arrays are entries
of their own, named by their role, such as ``abs_mag_/pipeline_/network/coefs_/0``. Nothing of a file is executed:
kinds, parameters and the names of fitted attributes must be known, all others are refused.
"""

from __future__ import annotations

import hashlib
import io
import json
import os
import zipfile
from collections.abc import Callable, Mapping
from dataclasses import dataclass, fields, is_dataclass
from pathlib import Path
from typing import Any

import numpy as np
from sklearn.base import BaseEstimator
from sklearn.neural_network import MLPRegressor
from sklearn.pipeline import Pipeline
from sklearn.preprocessing import StandardScaler

from skdistmass.archives import read_arrays
from skdistmass.estimators.abs_mag import AbsMagRegressor
from skdistmass.estimators.ages import IsochroneAgeTransformer
from skdistmass.estimators.binaries import BinaryResidualFilter
from skdistmass.estimators.cn_mass import CNMassRegressor
from skdistmass.estimators.fading import Fading
from skdistmass.estimators.label_density import LabelDensity
from skdistmass.estimators.label_regressor import LabelRegressor
from skdistmass.estimators.stellar_baseline import StellarBaseline
from skdistmass.estimators.stellar_network import Correction, StellarNetwork
from skdistmass.estimators.training_space import TrainingSpace
from skdistmass.estimators.whole_diagram import ROBUST_STATE
from skdistmass.exceptions import FileFormatError, InputError, shortened
from skdistmass.isochrones.giant_ages.relation import GiantAgeRelation
from skdistmass.model.record import TrainingRecord
from skdistmass.networks.levenberg_marquardt import LevenbergMarquardtMLPRegressor
from skdistmass.surveys.training_sets import TrainingCuts
from skdistmass.uncertainty import ConformalErrors, PaperErrors
from skdistmass.writing import replaced

__all__ = ["FORMAT", "FORMAT_VERSION", "model_token", "read_model", "write_model"]

FORMAT = "skdistmass model"
FORMAT_VERSION = 4
#: Bytes that a model may take in memory: room for the training stars of a survey of ten million.
MOST_BYTES = 2_000_000_000
_TIME = (1980, 1, 1, 0, 0, 0)  # of every entry, so that one model always gives the same bytes


@dataclass(frozen=True)
class _Kind:
    """How a part of a model is stored."""

    cls: type
    fitted: tuple[str, ...]
    build: Callable[[type, dict, dict], Any]


def _build_estimator(kind: type, parameters: dict, fitted: dict) -> Any:
    part = kind(**parameters)
    for name, value in fitted.items():
        setattr(part, name, value)
    return part


def _build_scaler(kind: type, parameters: dict, fitted: dict) -> Any:
    # Arrays whatever the global configuration is: the network was not trained on names.
    return _build_estimator(kind, parameters, fitted).set_output(transform="default")


def _build_record(kind: type, parameters: dict, fitted: dict) -> Any:
    return kind(**parameters)


_REGRESSOR = (
    "pipeline_",
    "n_features_in_",
    "feature_names_in_",
    "label_columns_",
    "n_rows_",
    "n_rows_left_out_",
    "n_iter_",
    "oof_prediction_",
    "fold_",
    "fold_pipelines_",
    "errors_",
    "scaled_labels_",
    "n_out_of_range_",
)
_NETWORK = (
    "coefs_",
    "intercepts_",
    "n_features_in_",
    "feature_names_in_",
    "n_layers_",
    "n_outputs_",
    "out_activation_",
    "n_iter_",
    "t_",
    "loss_",
    "loss_curve_",
    "best_loss_",
    "validation_scores_",
    "best_validation_score_",
    "_no_improvement_count",
)
_SCALER = ("mean_", "var_", "scale_", "n_samples_seen_", "n_features_in_", "feature_names_in_")
_CONFORMAL = (
    *("center_", "scale_", "lower_", "upper_", "coef_", "log_range_", "levels_", "quantiles_", "n_rows_", "spread_"),
    *("noise_coef_", "noise_log_range_", "degree_"),
)
_KINDS = {
    "regressor": _Kind(LabelRegressor, _REGRESSOR, _build_estimator),
    "absolute magnitude": _Kind(
        AbsMagRegressor, (*_REGRESSOR, *ROBUST_STATE, "binary_filter_", "n_binaries_"), _build_estimator
    ),
    "mass": _Kind(CNMassRegressor, (*_REGRESSOR, *ROBUST_STATE), _build_estimator),
    "stellar physics": _Kind(StellarBaseline, ("powers_", "coef_", "n_features_in_"), _build_estimator),
    "corrected physics": _Kind(StellarNetwork, (), _build_record),
    "correction": _Kind(Correction, (), _build_record),
    "fading": _Kind(Fading, (), _build_record),
    "binary filter": _Kind(
        BinaryResidualFilter,
        (
            *("residual_", "support_", "threshold_", "sample_indices_"),
            *("n_features_in_", "feature_names_in_", "label_columns_", "scaled_labels_", "n_out_of_range_"),
        ),
        _build_estimator,
    ),
    "training space": _Kind(
        TrainingSpace,
        (
            *("density_", "thresholds_", "offset_", "oof_scores_"),
            *("n_features_in_", "feature_names_in_", "label_columns_", "scaled_labels_", "n_out_of_range_"),
        ),
        _build_estimator,
    ),
    "density": _Kind(LabelDensity, (), _build_record),
    "calibrated errors": _Kind(ConformalErrors, _CONFORMAL, _build_estimator),
    "paper's errors": _Kind(PaperErrors, ("coef_", "logg_range_", "n_rows_"), _build_estimator),
    "pipeline": _Kind(Pipeline, (), _build_record),
    "scaler": _Kind(StandardScaler, _SCALER, _build_scaler),
    "network": _Kind(MLPRegressor, _NETWORK, _build_estimator),
    "Levenberg-Marquardt network": _Kind(LevenbergMarquardtMLPRegressor, (*_NETWORK, "mlp_"), _build_estimator),
    "ages": _Kind(
        IsochroneAgeTransformer, ("relation_", "columns_", "n_features_in_", "feature_names_in_"), _build_estimator
    ),
    "age relation": _Kind(GiantAgeRelation, (), _build_record),
    "cuts": _Kind(TrainingCuts, (), _build_record),
    "training stars": _Kind(TrainingRecord, (), _build_record),
}
_KIND_OF = {kind.cls: name for name, kind in _KINDS.items()}
#: What `DistMassModel` holds besides its parameters.
_MODEL_STATE = (
    *("abs_mag_", "masses_", "abs_mag_fallback_", "mass_fallbacks_", "age_"),
    *("distance_space_", "mass_space_", "fallback_space_", "mass_fallback_space_"),
    *("training_", "metallicity_", "label_columns_", "absent_", "removed_", "accuracy_", "metadata_"),
)


class _Writer:
    """Turns the parts of a model into JSON and named arrays."""

    def __init__(self) -> None:
        self.arrays: dict[str, np.ndarray] = {}

    def encode(self, value: Any, role: str) -> Any:
        """Return a value as JSON has it; arrays are put aside under the name of their role."""
        if value is None or isinstance(value, bool | int | str):
            return value
        if isinstance(value, float):
            return value if np.isfinite(value) else {"float": repr(float(value))}
        if isinstance(value, np.generic):
            return self.encode(value.item(), role)
        if isinstance(value, np.ndarray):
            return self._encode_array(value, role)
        if isinstance(value, list | tuple):
            items = [self.encode(item, f"{role}/{number}") for number, item in enumerate(value)]
            return {"tuple": items} if isinstance(value, tuple) else items
        if isinstance(value, Mapping):
            return {"map": [[key, self.encode(item, f"{role}/{key}")] for key, item in value.items()]}
        return self._encode_part(value, role)

    def _encode_array(self, value: np.ndarray, role: str) -> dict[str, Any]:
        if value.dtype.kind == "O":
            return {"texts": [str(item) for item in value.tolist()]}
        self.arrays[role] = value
        return {"array": role}

    def _encode_part(self, part: Any, role: str) -> dict[str, Any]:
        name = _KIND_OF.get(type(part))
        if name is None:
            raise InputError(
                f"{role} is {type(part).__name__}, which a model file can't hold; use the estimators of skdistmass and "
                "scikit-learn's MLPRegressor, or keep such a model in memory."
            )
        parameters = _parameters_of(part)
        known = _KINDS[name].fitted
        state = {key: value for key, value in vars(part).items() if key in known}
        lost = [key for key in vars(part) if key not in known and key not in parameters and key.endswith("_")]
        if lost and known:
            raise InputError(f"{role} has the attributes {', '.join(lost)}, which a model file does not know.")
        return {
            "kind": name,
            "parameters": {key: self.encode(value, f"{role}/{key}") for key, value in parameters.items()},
            "fitted": {key: self.encode(value, f"{role}/{key}") for key, value in state.items()},
        }


def _parameters_of(part: Any) -> dict[str, Any]:
    """Return what the constructor of a part takes."""
    if isinstance(part, Pipeline):
        return {"steps": [[name, step] for name, step in part.steps]}
    if isinstance(part, IsochroneAgeTransformer):
        # The relation itself: a later release may come with another default.
        return {**part.get_params(deep=False), "relation": part.used_relation()}
    if isinstance(part, PaperErrors):
        return {"logg_column": part.logg_column}
    if is_dataclass(part):
        return {field.name: getattr(part, field.name) for field in fields(part) if field.init}
    if isinstance(part, BaseEstimator):
        parameters = part.get_params(deep=False)
        # A generator of random numbers is no value; what it gave is in the fitted state.
        return {name: None if name == "random_state" and not _is_seed(v) else v for name, v in parameters.items()}
    return {}


def _is_seed(value: Any) -> bool:
    return value is None or isinstance(value, int | np.integer)


class _Reader:
    """Rebuilds the parts of a model from JSON and arrays."""

    def __init__(self, arrays: Mapping[str, np.ndarray]) -> None:
        self.arrays = arrays

    def decode(self, value: Any) -> Any:
        """Return a value of `_Writer.encode`."""
        if not isinstance(value, dict):
            return [self.decode(item) for item in value] if isinstance(value, list) else value
        if set(value) == {"kind", "parameters", "fitted"}:
            return self._build(value)
        if len(value) != 1:
            raise ValueError(f"an entry with the keys {sorted(value)[:5]}")
        ((key, content),) = value.items()
        if key == "array":
            return self.arrays[content]
        if key == "texts":
            return np.array([str(text) for text in content], dtype=object)
        if key == "float":
            return float(content)
        if key == "tuple":
            return tuple(self.decode(item) for item in content)
        if key == "map":
            return {name: self.decode(item) for name, item in content}
        raise ValueError(f"an entry named {key!r}")

    def _build(self, value: dict[str, Any]) -> Any:
        kind = _KINDS.get(value["kind"])
        if kind is None:
            raise ValueError(f"a part of the kind {value['kind']!r}")
        unknown = sorted(set(value["fitted"]) - set(kind.fitted))
        if unknown:
            raise ValueError(f"a {value['kind']} with the attributes {', '.join(unknown)}")
        parameters = {key: self.decode(item) for key, item in value["parameters"].items()}
        fitted = {key: self.decode(item) for key, item in value["fitted"].items()}
        if kind.cls is Pipeline:
            parameters["steps"] = [tuple(step) for step in parameters["steps"]]
        return kind.build(kind.cls, parameters, fitted)


def write_model(model: BaseEstimator, path: str | os.PathLike[str]) -> None:
    """Write a fitted model to a file; see `skdistmass.DistMassModel.save`."""
    content, arrays = _encoded(model)
    with replaced(path, "model") as partial, zipfile.ZipFile(partial, "w", zipfile.ZIP_DEFLATED) as archive:
        _write_array(archive, "model", np.array(json.dumps(content, ensure_ascii=False)))
        for role, array in arrays.items():
            _write_array(archive, role, array)


def model_token(model: BaseEstimator) -> tuple[str, str]:
    """Return what Dask knows a model by: its type and a hash of what its file holds, or of its parameters if unfitted.

    Copies of a model, and a model read from a file and that of which it was written, have the same token.
    """
    content, arrays = _encoded(model)
    digest = hashlib.sha256(json.dumps(content).encode())
    for role, array in arrays.items():
        digest.update(f"{role} {array.dtype} {array.shape}".encode())
        digest.update(np.ascontiguousarray(array).data)
    return type(model).__qualname__, digest.hexdigest()


def _encoded(model: BaseEstimator) -> tuple[dict[str, Any], dict[str, np.ndarray]]:
    """Return what a file holds of a model, fitted or not: a description for JSON, and arrays by role."""
    writer = _Writer()
    content = {
        "format": FORMAT,
        "format_version": FORMAT_VERSION,
        "parameters": {name: writer.encode(v, name) for name, v in _parameters_of(model).items()},
        "state": {name: writer.encode(getattr(model, name), name) for name in _MODEL_STATE if hasattr(model, name)},
    }
    return content, writer.arrays


def _write_array(archive: zipfile.ZipFile, role: str, array: np.ndarray) -> None:
    buffer = io.BytesIO()
    np.lib.format.write_array(buffer, array, allow_pickle=False)
    entry = zipfile.ZipInfo(f"{role}.npy", _TIME)
    entry.compress_type = zipfile.ZIP_DEFLATED
    archive.writestr(entry, buffer.getvalue())


def read_model(path: str | os.PathLike[str]) -> tuple[dict[str, Any], dict[str, Any]]:
    """Read parameters and state of a model; see `skdistmass.load_model`."""
    path = Path(path)
    try:
        content, arrays = _read_entries(path)
    except OSError as error:
        raise FileFormatError(f"{path} can't be read: {error.strerror or error}.") from error
    except FileFormatError:
        raise
    except Exception as error:  # the readers of ZIP, JSON and arrays raise many types for damaged files
        raise FileFormatError(
            f"{path} is not a model of skdistmass, or is damaged ({type(error).__name__}: {shortened(error)}); train "
            "it again or get a fresh copy."
        ) from error
    if not isinstance(content, dict) or content.get("format") != FORMAT:
        raise FileFormatError(f"{path} is not a model of skdistmass.")
    if content.get("format_version") != FORMAT_VERSION:
        raise FileFormatError(
            f"{path} has the format version {str(content.get('format_version'))[:20]}; this release reads version "
            f"{FORMAT_VERSION}. Use the release of skdistmass that wrote it, or train the model again."
        )
    try:
        reader = _Reader(arrays)
        parameters = {name: reader.decode(value) for name, value in content["parameters"].items()}
        state = {name: reader.decode(content["state"][name]) for name in _MODEL_STATE}
    except Exception as error:  # constructors raise their own types for parameters of the wrong kind
        raise FileFormatError(
            f"{path} is a model of skdistmass with a part missing or damaged ({type(error).__name__}: "
            f"{shortened(error)}); train it again or get a fresh copy."
        ) from error
    return parameters, state


def _read_entries(path: Path) -> tuple[Any, dict[str, np.ndarray]]:
    arrays = read_arrays(path, MOST_BYTES)
    if "model" not in arrays:
        raise FileFormatError(
            f"{path} is not a model of skdistmass, or one of an older release; train the model again."
        )
    return json.loads(str(arrays.pop("model"))), arrays
