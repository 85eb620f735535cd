"""What the page needs of the package, as plain data: layouts, quantities, units, extinction, columns and bits.

The page does in a browser what `skdistmass.surveys`, `skdistmass.extinction` and the catalogue do here. Its tables are
made from theirs each time a page is written, so that they can't differ.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from dataclasses import asdict
from typing import Any

import numpy as np

from skdistmass.extinction import IntrinsicColours
from skdistmass.extinction.choice import GALACTIC_POLE, ExtinctionChoice
from skdistmass.extinction.colours import COLOURS
from skdistmass.schema import limits
from skdistmass.schema.bits import SPOILERS, WARNINGS, AgeFlag, Bit, ExtinctionFlag, QualityBit, Space
from skdistmass.schema.columns import layout, mass_columns, scales_of
from skdistmass.surveys.clusters import SPELLINGS, load_clusters, name_key
from skdistmass.surveys.layout import LAWS, Layout, list_layouts
from skdistmass.surveys.quantities import QUANTITIES
from skdistmass.surveys.training_sets import TrainingCuts
from skdistmass.tables import HIGH_SENTINELS, LOWEST_VALUE, SENTINEL_TOLERANCE

__all__ = ["page_rules"]

_BASES = ("K", "m", "s", "kg", "rad")
_BITS = {"BITMASK": Bit, "FLAGS": QualityBit, "AGE_FLAG": AgeFlag, "EXTINCTION_FLAG": ExtinctionFlag}
_SPACES = {
    Space.INSIDE: "labels like those the model was trained on",
    Space.EDGE: "labels at the edge of those the model was trained on",
    Space.OUTSIDE: "labels outside those the model was trained on",
    Space.MISSING: "a label is missing",
}


def page_rules(outputs: Iterable[str], card: Mapping[str, Any]) -> dict[str, Any]:
    """Return what the page needs to read files and to complete the predictions of a model, ready for JSON.

    Parameters
    ----------
    outputs : iterable of str
        Names of the model's outputs.
    card : dict
        Its model card.

    Returns
    -------
    rules : dict

    Examples
    --------
    >>> from skdistmass.deploy.page_rules import page_rules
    >>> rules = page_rules(["DISTANCE", "MASS"], {})
    >>> rules["bits"]["BITMASK"][0]["description"], rules["units"]["kpc"][1]
    ('member of the training set of the distance model', [0, 1, 0, 0, 0, 0])
    """
    scales = scales_of(list(outputs))
    cuts = TrainingCuts()
    stated = card.get("training_cuts", {})
    return {
        "columns": [asdict(column) for column in layout(scales)],
        "scales": [mass_columns(scale) for scale in scales],
        "bits": {name: [_bit(bit) for bit in bits] for name, bits in _BITS.items()},
        "spaces": {str(int(code)): text for code, text in _SPACES.items()},
        "warnings": {product: int(bits) for product, bits in WARNINGS.items()},
        "spoilers": {product: int(bits) for product, bits in SPOILERS.items()},
        "limits": {name: value for name, value in vars(limits).items() if name.isupper()},
        "metallicity": card.get("metallicity", "M_H"),
        "cuts": {
            "max_parallax_error": cuts.max_parallax_error,
            "extinction_error": cuts.extinction_error,
            "assumed_extinction_error": stated.get("extinction_error", limits.EXTINCTION_ERR),
            "parallax_zero_point": dict(stated.get("parallax_zero_point") or cuts.parallax_zero_point),
        },
        "quantities": [_finite(asdict(item)) for item in QUANTITIES.values()],
        "layouts": [_layout(item) for item in list_layouts()],
        "laws": LAWS,
        "sentinels": {"lowest": LOWEST_VALUE, "tolerance": SENTINEL_TOLERANCE, "high": HIGH_SENTINELS.tolist()},
        "extinction": _extinction(),
        "clusters": {"spellings": SPELLINGS, "keys": _cluster_keys()},
        "units": _units(),
    }


def _bit(bit: Any) -> dict[str, Any]:
    return {"value": int(bit), "name": bit.name, "description": bit.description}


def _finite(values: dict[str, Any]) -> dict[str, Any]:
    """Leave out limits that are infinite, which JSON can't write."""
    return {key: value for key, value in values.items() if not (isinstance(value, float) and math.isinf(value))}


def _layout(item: Layout) -> dict[str, Any]:
    """Return a layout without the keys that have nothing in them."""

    def filled(values: Any) -> Any:
        if isinstance(values, dict):
            return {key: filled(value) for key, value in values.items() if value not in ("", (), None, "none", False)}
        return [filled(value) for value in values] if isinstance(values, list | tuple) else values

    about = filled({key: value for key, value in asdict(item).items() if key != "quantities"})
    # An empty list of sources says that the quantity is not read, not even by its usual name.
    about["quantities"] = {
        name: [filled(asdict(source)) for source in sources] for name, sources in item.quantities.items()
    }
    return about


def _extinction() -> dict[str, Any]:
    choice, colours = ExtinctionChoice(), IntrinsicColours.default()
    arrays = {name: getattr(colours, name).tolist() for name in ("powers", "center", "scale", "lower", "upper")}
    return {
        "latitude_limit": choice.latitude_limit,
        "irac": asdict(choice.irac),
        "wise": asdict(choice.wise),
        "dust": asdict(choice.dust),
        "galactic_pole": list(GALACTIC_POLE),
        "colours": {
            "bands": {name: COLOURS[name] for name in colours.coefficients},
            "coefficients": {name: values.tolist() for name, values in colours.coefficients.items()},
            "scatter": colours.scatter,
            **arrays,
        },
    }


def _cluster_keys() -> list[str]:
    clusters = load_clusters()
    return sorted({name_key(name) for column in ("NAME", "CATALOG_NAME") for name in clusters[column]})


def _units() -> dict[str, list[Any]]:
    """Return name of each unit that a column of stars may have, with its size in base units and their powers."""
    from astropy import units as u

    found: dict[str, list[Any]] = {"deg_C": [1.0, [1, 0, 0, 0, 0, 0], 273.15]}
    bases = [u.Unit(name) for name in _BASES]
    for unit in sorted(u.get_current_unit_registry().all_units, key=lambda unit: unit.name):
        plain = unit.decompose()
        if set(plain.bases) - set(bases) or not np.isreal(plain.scale) or not unit.names:
            continue
        powers = dict(zip(plain.bases, plain.powers, strict=True))
        whole = [int(powers.get(base, 0)) for base in bases]
        # A temperature, length, time, mass, angle or number, of which the units of a survey are made.
        if sum(map(abs, whole)) <= 1 and all(float(power).is_integer() for power in plain.powers):
            found |= {name: [float(plain.scale), [*whole, 0]] for name in unit.names}
    dex = [0, 0, 0, 0, 0, 1]  # the last power is that of the logarithm
    return found | {"mag": [-0.4, dex], "dex": [1.0, dex], "dB": [0.1, dex], "decibel": [0.1, dex]}
