"""The same catalogue beyond one machine: data frames, LSDB and HATS, Dask, Ray, folders of Parquet files.

All of it is one function from a piece of a table to a piece of a catalogue, `FramePredictor`, which other packages run
on the pieces of theirs. lsdb, dask and ray are imported only where they are used.
"""

from importlib import import_module
from typing import Any

_PUBLIC = {
    "FramePredictor": "skdistmass.distributed.frames",
    "build_hats": "skdistmass.distributed.hats",
    "build_parts": "skdistmass.distributed.parts",
    "frame_meta": "skdistmass.distributed.frames",
    "predict_catalog": "skdistmass.distributed.engines",
    "predict_dask": "skdistmass.distributed.engines",
    "predict_frame": "skdistmass.distributed.frames",
    "predict_ray": "skdistmass.distributed.engines",
    "sample_stars": "skdistmass.distributed.sampling",
}

__all__ = [*_PUBLIC]


def __getattr__(name: str) -> Any:
    if name in _PUBLIC:
        return getattr(import_module(_PUBLIC[name]), name)
    raise AttributeError(f"module 'skdistmass.distributed' has no attribute {name!r}")
