"""A model that travels as the name of its file: each process loads it once, and checks that it is the same file."""

from __future__ import annotations

import os
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

from skdistmass.exceptions import FileFormatError
from skdistmass.model import Predictor, find_model, load_predictor
from skdistmass.surveys.input_file import InputFile

__all__ = ["ModelFile"]


@dataclass(frozen=True)
class ModelFile:
    """The file of a model, known by its checksum.

    Attributes
    ----------
    name : str
        Absolute path, or the name of a model that comes with the package: where that is may differ between machines.
    sha256 : str
        Checksum of the content.

    Examples
    --------
    >>> from skdistmass.distributed.model_file import ModelFile
    >>> ModelFile.of("kepler-giants").load()
    OnnxPredictor('kepler-giants', float64)
    """

    name: str
    sha256: str

    @classmethod
    def of(cls, name: str | os.PathLike[str]) -> ModelFile:
        """Find a model as `skdistmass.model.find_model` does, and take its checksum."""
        path = find_model(name)
        return cls(str(Path(name).resolve()) if Path(name).exists() else str(name), InputFile.of(path).sha256)

    def load(self) -> Predictor:
        """Return the model; the same object each time in one process.

        Raises
        ------
        FileFormatError
            If this process does not see the file, or it has another content.
        """
        return _load(self)


@lru_cache(maxsize=4)
def _load(model: ModelFile) -> Predictor:
    found = InputFile.of(find_model(model.name)).sha256
    if found != model.sha256:
        raise FileFormatError(
            f"{model.name} is another model here than where the work was started (SHA-256 {found[:12]}..., not "
            f"{model.sha256[:12]}...); give all machines the same file and the same release of skdistmass."
        )
    return load_predictor(model.name)
