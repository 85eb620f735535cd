"""Keep a fitted isochrone regressor in a file, as plain arrays: no pickle, and no code runs when it is read."""

import json
from dataclasses import fields
from os import PathLike

import numpy as np

from skdistmass.archives import read_arrays
from skdistmass.exceptions import FileFormatError, InputError, shortened
from skdistmass.isochrones.distances.cells import Level, problem_of_level
from skdistmass.isochrones.distances.grid import Grid
from skdistmass.writing import replaced

_FORMAT = "skdistmass isochrone distances"
_VERSION = 1
# The default grid takes a tenth of this.
_MOST_BYTES = 2**31


def save_regressor(regressor, path: str | PathLike) -> None:
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
    with replaced(path, "regressor") as partial, open(partial, "wb") as file:
        np.savez(file, head=np.array(json.dumps(head, default=int)), **arrays)


def load_regressor(cls, path: str | PathLike):
    """Read what `save_regressor` wrote; return a fitted regressor.

    Raises
    ------
    FileFormatError
        If the file is another one, of another version, damaged, or holds more than 2 GB.
    FileNotFoundError
        If there is no such file.
    """
    head, arrays = _read(path)
    if head.get("format") != _FORMAT:
        raise FileFormatError(f"{path} holds no isochrone regressor; write it with IsochroneDistanceRegressor.save.")
    if head.get("version") != _VERSION:
        raise FileFormatError(
            f"{path} has version {head.get('version')} of the format, this package reads version {_VERSION}; use the "
            "version of the package that wrote it, or fit the regressor again."
        )
    try:
        parameters = {
            name: tuple(value) if isinstance(value, list) else value for name, value in head["parameters"].items()
        }
        functions = {name: _Lost(name) for name in head["functions"] if name in ("imf", "prior")}
        regressor = cls(**parameters, **functions)
        regressor._check_parameters()
        grid = _make_grid(head, arrays)
        models = {name: head["models"].get(name) for name in ("source", "version", "files", "age_step")}
    except (KeyError, TypeError, ValueError, AttributeError) as error:  # an InputError is a ValueError
        raise FileFormatError(
            f"{path} is damaged ({shortened(error)}); write it again with IsochroneDistanceRegressor.save."
        ) from error
    regressor._set_grid(grid, models)
    return regressor


def _read(path):
    """Return the head and the arrays of a file."""
    try:
        arrays = read_arrays(path, _MOST_BYTES)
        head = json.loads(str(arrays.pop("head")))
        if not isinstance(head, dict):
            raise ValueError("its head is no dictionary")
    except (FileNotFoundError, PermissionError):
        raise
    except Exception as error:  # what a damaged archive raises is not limited to a few types
        raise FileFormatError(
            f"{path} holds no isochrone regressor, or is truncated or damaged ({shortened(error)}); write it with "
            "IsochroneDistanceRegressor.save."
        ) from error
    return head, arrays


def _make_grid(head, arrays):
    """Return the grid that the arrays hold, after checking what the compiled loops rely on."""
    feh, n_points, n_levels = arrays.get("feh"), int(head["n_points"]), int(head["n_levels"])
    if feh is None or feh.dtype != np.float64 or feh.ndim != 1 or not len(feh) or not np.isfinite(feh).all():
        raise ValueError("it has no metallicities")
    if not 1 <= n_levels <= 16:
        raise ValueError(f"it has {n_levels} levels")
    levels = []
    for number in range(n_levels):
        parts = {field.name: arrays.get(f"level_{number}_{field.name}") for field in fields(Level)}
        missing = [name for name, values in parts.items() if values is None]
        if missing:
            raise ValueError(f"level {number} lacks {', '.join(missing)}")
        level = Level(**parts)
        problem = problem_of_level(level)
        if problem:
            raise ValueError(f"level {number}: {problem}")
        levels.append(level)
    return Grid(feh, n_points, levels)


class _Lost:
    """Stands for a function that a loaded regressor was fitted with: predictions don't need it, `fit` does."""

    def __init__(self, name):
        self.name = name

    def __call__(self, *args):
        raise InputError(
            f"this regressor was fitted with a function for {self.name}, which its file doesn't hold; "
            f"set {self.name} before you fit it again."
        )
