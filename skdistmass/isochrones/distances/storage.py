"""Keep a fitted isochrone regressor in a file, as plain arrays: no pickle, nothing that runs when it is read."""

import json
import os
import zipfile
from dataclasses import fields

import numpy as np

from skdistmass.exceptions import FileFormatError, InputError
from skdistmass.isochrones.distances.cells import Level
from skdistmass.isochrones.distances.grid import Grid

_FORMAT = "skdistmass isochrone distances"
_VERSION = 1


def save_regressor(regressor, path):
    """Write a fitted regressor's parameters and grid to an npz file."""
    parameters = regressor.get_params()
    functions = [name for name in ("imf", "prior") if parameters.pop(name) is not None]
    grid = regressor.grid_
    head = {
        "format": _FORMAT,
        "version": _VERSION,
        "parameters": parameters,
        "functions": functions,
        "n_points": grid.n_points,
        "n_levels": len(grid.levels),
        "models": regressor.models_,
    }
    arrays = {"feh": grid.feh}
    for number, level in enumerate(grid.levels):
        arrays.update({f"level_{number}_{field.name}": getattr(level, field.name) for field in fields(Level)})
    # Written beside and then moved, so that an interrupted write leaves no half a file.
    partial = f"{os.fspath(path)}.part"
    with open(partial, "wb") as file:
        np.savez(file, head=np.array(json.dumps(head, default=int)), **arrays)
    os.replace(partial, path)


def load_regressor(cls, path):
    """Read what `save_regressor` wrote; return a fitted regressor."""
    try:
        # Opened here, because np.load leaves a file that is no archive open.
        with open(path, "rb") as file, np.load(file, allow_pickle=False) as archive:
            arrays = {name: archive[name] for name in archive.files}
        head = json.loads(str(arrays.pop("head")))
    except (ValueError, KeyError, TypeError, AttributeError, EOFError, zipfile.BadZipFile) as error:
        raise FileFormatError(
            f"{path} holds no isochrone regressor, or is truncated ({error}); write it with "
            "IsochroneDistanceRegressor.save."
        ) from error
    if not isinstance(head, dict) or head.get("format") != _FORMAT:
        raise FileFormatError(f"{path} holds no isochrone regressor; write it with IsochroneDistanceRegressor.save.")
    if head["version"] != _VERSION:
        raise FileFormatError(
            f"{path} has version {head['version']} of the format, this package reads version {_VERSION}; "
            "use the package that wrote it, or fit the regressor again."
        )
    parameters = {
        name: tuple(value) if isinstance(value, list) else value for name, value in head["parameters"].items()
    }
    regressor = cls(**parameters, **{name: _Lost(name) for name in head["functions"]})
    names = [field.name for field in fields(Level)]
    missing = [n for k in range(head["n_levels"]) for n in names if f"level_{k}_{n}" not in arrays]
    if missing or "feh" not in arrays:
        raise FileFormatError(f"{path} lacks a part of the grid ({', '.join(missing) or 'feh'}); write it again.")
    levels = [Level(**{n: arrays[f"level_{k}_{n}"] for n in names}) for k in range(head["n_levels"])]
    regressor._set_grid(Grid(arrays["feh"], head["n_points"], levels), head["models"])
    return regressor


class _Lost:
    """Stands for a function that a loaded regressor was fitted with: predictions don't need it, fitting again does."""

    def __init__(self, name):
        self.name = name

    def __call__(self, *args):
        raise InputError(
            f"this regressor was fitted with a function for {self.name}, which its file doesn't hold; "
            f"set {self.name} before you fit it again."
        )
