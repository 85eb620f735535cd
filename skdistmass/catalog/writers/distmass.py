"""The layout of the published DistMass file: its names and units, in FITS.

The value-added catalogue of DR17 (APOGEE_DistMass-DR17) has distances in pc, ages in linear years, and AGE_ERR as the
upper and the lower error in dex. The paper's Table 2 describes the same quantities.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Sequence

import numpy as np
from astropy.io import fits
from numpy.typing import NDArray

from skdistmass.catalog.provenance import Card
from skdistmass.catalog.writers.fits import BLOCK
from skdistmass.schema.columns import CatalogColumn, mass_columns, scales_of

__all__ = ["write_distmass"]

_PC_PER_KPC = 1000.0
# Column of the published file: column here, unit there, factor.
_NUMBERS = {
    "TEFF": ("TEFF", "K", 1.0),
    "LOGG": ("LOGG", "", 1.0),
    "M_H": ("M_H", "", 1.0),
    "C_FE": ("C_FE", "", 1.0),
    "N_FE": ("N_FE", "", 1.0),
    "GAIAEDR3_DIST": ("GAIAEDR3_DIST", "pc", _PC_PER_KPC),
    "EXTINCTION": ("EXTINCTION", "mag", 1.0),
    "MAG": ("MAG", "mag", 1.0),
    "ABS_MAG": ("ABS_MAG", "mag", 1.0),
    "ABS_MAG_ERR": ("ABS_MAG_ERR", "mag", 1.0),
    "DISTANCE": ("DISTANCE", "pc", _PC_PER_KPC),
    "DISTANCE_ERR": ("DISTANCE_ERR", "pc", _PC_PER_KPC),
    "WEIGHTED_DIST": ("DISTANCE_WEIGHTED", "pc", _PC_PER_KPC),
    "WEIGHTED_DIST_ERR": ("DISTANCE_WEIGHTED_ERR", "pc", _PC_PER_KPC),
}


def write_distmass(
    path: str | os.PathLike[str], columns: Sequence[CatalogColumn], cards: Iterable[Card], pieces: Iterable[NDArray]
) -> None:
    """Write a catalogue with the names and units of the published DistMass file."""
    names = [column.name for column in columns]
    scales = scales_of(names)
    record, units = _record_type(names, scales, {c.name: c.dtype for c in columns})
    template = fits.BinTableHDU(np.zeros(0, record.newbyteorder("=")), name="DISTMASS")
    header = template.header
    for number, name in enumerate(record.names or (), start=1):
        if units.get(name):
            header[f"TUNIT{number}"] = units[name]
    for keyword, value, comment in cards:
        header[keyword] = (value, comment) if len(str(value)) + len(comment) < 60 else value
    with open(path, "wb+") as file:
        file.write(fits.PrimaryHDU().header.tostring().encode("ascii"))
        start, n_rows = file.tell(), 0
        file.write(header.tostring().encode("ascii"))
        for rows in pieces:
            file.write(_convert(rows, record, scales).tobytes())
            n_rows += len(rows)
        file.write(b"\0" * (-n_rows * record.itemsize % BLOCK))
        # The number of digits does not change the length of a card.
        header["NAXIS2"] = n_rows
        file.seek(start)
        file.write(header.tostring().encode("ascii"))


def _record_type(names: Sequence[str], scales: Sequence[str], types: dict[str, str]) -> tuple[np.dtype, dict[str, str]]:
    """Return the type of a row in the order of the published file, and the units of its columns."""
    texts = [(name, f"S{types[name][1:]}") for name in ("APOGEE_ID", "APSTAR_ID") if name in names]
    fields: list[tuple] = [*texts]
    units = {}
    for name, (source, unit, _) in _NUMBERS.items():
        if source in names:
            fields.append((name, "f8"))
            units[name] = unit
    for scale in scales:
        mass, age = mass_columns(scale)
        fields += [(mass, "f8"), (age, "f8")]
        units |= {mass: "solMass", age: "yr"}
    if scales:
        fields += [("MASS_ERR", "f8"), ("AGE_ERR", "f8", (2,))]
        units["MASS_ERR"] = "solMass"
    fields.append(("BITMASK", "i4"))
    return np.dtype(fields).newbyteorder(">"), units


def _convert(rows: NDArray, record: np.dtype, scales: Sequence[str]) -> NDArray:
    """Return rows of the catalogue in the names and units of the published file."""
    converted = np.zeros(len(rows), dtype=record)
    for name in record.names or ():
        if name in _NUMBERS:
            source, _, factor = _NUMBERS[name]
            converted[name] = rows[source] * factor
        elif name == "AGE_ERR":
            age = mass_columns(scales[0])[1]
            converted[name][:, 0] = rows[f"{age}_HI"] - rows[age]
            converted[name][:, 1] = rows[age] - rows[f"{age}_LO"]
        elif name.startswith("AGE"):
            converted[name] = 10.0 ** rows[name]
        else:
            converted[name] = rows[name]
    return converted
