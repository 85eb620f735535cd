"""Graphs of models that have distances or masses alone."""

from __future__ import annotations

import copy
import re
from typing import Any

import numpy as np

from skdistmass.deploy.networks import common_scale
from skdistmass.deploy.space import training_bits
from skdistmass.deploy.whole_model import ModelGraph
from skdistmass.estimators.abs_mag import AbsMagRegressor
from skdistmass.estimators.cn_mass import CNMassRegressor
from skdistmass.estimators.star_keys import KEY_FACTORS
from skdistmass.networks.levenberg_marquardt import LevenbergMarquardtMLPRegressor

__all__ = ["OnePartGraph", "completed", "needed_nodes"]

_OF_DISTANCES, _OF_MASSES = re.compile("ABS_MAG|DISTANCE|LABEL_FALLBACK$"), re.compile("MASS|AGE|LABEL_FALLBACK_MASS$")


def completed(model: Any) -> Any:
    """Return a copy of a model whose absent part is a network that says one number, to be left out of the graph."""
    whole = copy.copy(model)
    known = model.abs_mag_ if model.abs_mag_ is not None else next(iter(model.masses_.values()))
    center, scale = common_scale(known)
    labels = np.stack([center - scale, center + scale])
    constant: dict[str, Any] = {
        "network": LevenbergMarquardtMLPRegressor(hidden_layer_sizes=1),
        "n_networks": 1,
        "random_state": 0,
        "error_model": None,
    }
    if model.abs_mag_ is None:
        whole.abs_mag_ = AbsMagRegressor(**constant).fit(labels, np.zeros(2))
        whole.distance_space_, whole.fallback_space_ = model.mass_space_, model.mass_fallback_space_
    else:
        whole.masses_ = {"": CNMassRegressor(**constant).fit(labels, np.ones(2))}
        whole.mass_space_ = model.distance_space_
    return whole


class OnePartGraph(ModelGraph):
    """Builds the graph of a completed model, with the columns of the part that was there."""

    def __init__(self, builder: Any, model: Any, dtype: Any, input_errors: bool) -> None:
        super().__init__(builder, completed(model), dtype, input_errors)
        self.has_distances = model.abs_mag_ is not None

    def _mark_training(self):
        record = self.model.training_
        if self.has_distances:
            bits = training_bits(self.b, record.keys, record.bits, KEY_FACTORS, self.key_labels)
            self._set("BITMASK", bits, np.int32)
        else:
            super()._mark_training()
        absent = _OF_MASSES if self.has_distances else _OF_DISTANCES
        self.columns = {name: value for name, value in self.columns.items() if not absent.match(name)}


def needed_nodes(nodes: list[Any], constants: list[Any], outputs: set[str]) -> tuple[list[Any], list[Any]]:
    """Return the nodes and constants that the outputs depend on, in their order."""
    needed = set(outputs)
    kept = []
    for node in reversed(nodes):
        if needed & set(node.output):
            kept.append(node)
            needed |= set(node.input)
    return kept[::-1], [constant for constant in constants if constant.name in needed]
