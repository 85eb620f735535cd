"""Archives of arrays (``.npz``) from anywhere: bounded in size, nothing unpickled, no text that is none."""

import io
import os
import zipfile

import numpy as np

__all__ = ["read_arrays"]

_LAST_CHARACTER = 0x10FFFF


def read_arrays(path: str | os.PathLike[str], most_bytes: int) -> dict[str, np.ndarray]:
    """Return the arrays of an archive by their names.

    Raises
    ------
    ValueError
        If they would take more than `most_bytes`, or a text has numbers that stand for no character, of which NumPy
        makes a broken `str`. What else a damaged archive raises is not limited to a few types.
    """
    arrays = {}
    with zipfile.ZipFile(path) as archive:
        total = sum(entry.file_size for entry in archive.infolist())
        if total > most_bytes:
            raise ValueError(f"it holds {total / 1e9:.1f} GB, and may hold {most_bytes / 1e9:.0f} GB at most")
        for name in archive.namelist():
            # Bounded by the size stated in the archive, which Python checks as it reads.
            content = io.BytesIO(archive.read(name))
            array = np.lib.format.read_array(content, allow_pickle=False)
            if array.dtype.kind == "U" and (_code_points(array) > _LAST_CHARACTER).any():
                raise ValueError(f"{name} is no text")
            arrays[name.removesuffix(".npy")] = array
    return arrays


def _code_points(text: np.ndarray) -> np.ndarray:
    text = np.atleast_1d(np.ascontiguousarray(text))
    return text.view(np.dtype(np.uint32).newbyteorder(text.dtype.byteorder)) if text.itemsize else np.empty(0)
