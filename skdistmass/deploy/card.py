"""The model card inside an ONNX file, and the checksum that seals it."""

import hashlib
import json
import platform

from skdistmass._version import __version__
from skdistmass.deploy.format import CARD_KEY, CHECKSUM_KEY, FORMAT_KEY, FORMAT_VERSION, FORMAT_VERSION_KEY, NO_CHECKSUM
from skdistmass.labels import LABELS
from skdistmass.surveys.training_sets import TrainingCuts

__all__ = ["metadata_of", "model_card", "seal"]

_REFERENCES = (
    "Stone-Martinez et al. 2024 (method: distances, masses and ages from APOGEE labels)",
    "Choi et al. 2016, ApJ 823, 102 (MIST isochrones, behind the ages)",
)
_PHOTOMETRY = {
    "MAG": ("mag", "apparent magnitude, 2MASS K_s"),
    "EXTINCTION": ("mag", "extinction in K_s, A_K"),
    "MAG_ERR": ("mag", "error of MAG; NaN where unknown"),
    "EXTINCTION_ERR": ("mag", "error of EXTINCTION; NaN where unknown"),
}


def model_card(model, dtype, inputs, card=None):
    """Say what a model is: as a dict of text, numbers, lists and dicts."""
    import numpy
    import sklearn

    cuts = model.cuts or TrainingCuts()
    own = {
        "name": "skdistmass model",
        "description": f"{_parts(model)} of stars from spectroscopic labels",
        "date": "",
        "licence": "",
        "limits": "Ages are given below log g 3.5 only. Outside the training space values are given and flagged: "
        "see DISTANCE_SPACE, MASS_SPACE, AGE_FLAG and BITMASK.",
        "references": list(_REFERENCES),
        "training_set": model.metadata_.get("input", ""),
        "training_rows": model.metadata_.get("n_rows"),
        "training_columns": {str(k): str(v) for k, v in model.label_columns_.items()},
        "metallicity": model.metadata_.get("metallicity", "M_H"),
        "mass_scales": dict(model.metadata_.get("scales", {})),
        "training_cuts": dict(vars(cuts)),
        "removed_by_cuts": {part: dict(counts) for part, counts in model.removed_.items()},
        "accuracy": {part: _accuracy(found) for part, found in model.accuracy_.items()},
        "accuracy_by_region": {
            f"{part}, {region}": _accuracy(found)
            for part, whole in model.accuracy_.items()
            for region, found in whole.get("regions", {}).items()
        },
        "accuracy_meaning": "robust scatter (1.4826 MAD) and median of the fractional error of distance or mass, of "
        "training stars predicted by networks that had not seen them",
        "age_relation": str(model.age_.used_relation().name),
        "dtype": dtype,
        "inputs": {name: _describe_input(name) for name in inputs},
        "outputs": "named and in units as in Table 2 of the paper; 68.27 % intervals end in _LO and _HI, 95.45 % "
        "intervals in _LO95 and _HI95",
        "versions": {
            "skdistmass": __version__,
            "trained_with": model.metadata_.get("skdistmass_version", ""),
            "scikit-learn": sklearn.__version__,
            "numpy": numpy.__version__,
            "python": platform.python_version(),
        },
    }
    if "distilled" in model.metadata_:
        own["distilled"] = f"{model.metadata_['distilled']}; the accuracy is that of the networks before"
    if model.absent_:
        own["absent"] = dict(model.absent_)
    return own | dict(card or {})


def _parts(model):
    """Name what the model predicts."""
    if not model.masses_:
        return "distance"
    return "mass and age" if model.abs_mag_ is None else "distance, mass and age"


def _accuracy(found):
    numbers = {key: round(found[key], 4) for key in ("scatter", "bias", "rms") if key in found}
    clusters = {"clusters": found["n_clusters"]} if "n_clusters" in found else {}
    return {"stars": found["n_stars"]} | clusters | numbers


def _describe_input(name):
    if name in _PHOTOMETRY:
        unit, meaning = _PHOTOMETRY[name]
        return {"unit": unit, "meaning": meaning}
    label = next(label for label in LABELS if label.name == name.removesuffix("_ERR"))
    if name.endswith("_ERR"):
        unit = "dex" if label.unit.startswith("dex") else label.unit
        return {"unit": unit, "meaning": f"error of {label.name}; NaN where unknown"}
    return {"unit": label.unit, "meaning": label.description, "range": [label.minimum, label.maximum]}


def metadata_of(card):
    """Metadata entries of the file: the format, the card in JSON, and room for the checksum."""
    return {
        FORMAT_KEY: "skdistmass graph",
        FORMAT_VERSION_KEY: str(FORMAT_VERSION),
        CHECKSUM_KEY: NO_CHECKSUM,
        CARD_KEY: json.dumps(card, ensure_ascii=False, sort_keys=False, default=_plain),
    }


def _plain(value):
    """Numbers of numpy, tuples and the like as JSON has them."""
    return value.tolist() if hasattr(value, "tolist") else str(value)


def seal(content):
    """Put the checksum of a serialised graph in the place that `metadata_of` left for it."""
    digest = hashlib.sha256(content).hexdigest().encode()
    if content.count(NO_CHECKSUM.encode()) != 1:
        raise ValueError("the graph must hold one empty checksum")
    return content.replace(NO_CHECKSUM.encode(), b"sha256:" + digest)
