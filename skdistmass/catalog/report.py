"""What became of a survey, counted from the rows of its catalogue."""

from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from skdistmass.catalog.part_file import PartFile
from skdistmass.catalog.rows import BIT_COLUMNS
from skdistmass.estimators.star_keys import word_keys

__all__ = ["CatalogReport", "count_rows"]


@dataclass(frozen=True)
class CatalogReport:
    """What became of a survey.

    Attributes
    ----------
    path : pathlib.Path
        The catalogue.
    n_rows : int
        Spectra, one row each.
    n_stars : int
        Different APOGEE_IDs; rows without one count as stars of their own.
    n_repeated : int
        Rows that are a further spectrum of a star.
    n_duplicates : int
        Rows whose APSTAR_ID an earlier row has: the same spectrum again.
    bits : dict of dict
        For BITMASK and FLAGS, name of each bit to the number of rows that have it.
    scale : str
        What `skdistmass.model.check_scale` says of the labels, blank if they seem to be on the model's scale.
    finished_before : bool
        Whether the catalogue was there already, and nothing was written; then `bits` is empty and `scale` blank.
    """

    path: Path
    n_rows: int
    n_stars: int
    n_repeated: int
    n_duplicates: int
    bits: dict[str, dict[str, int]] = field(default_factory=dict)
    scale: str = ""
    finished_before: bool = False

    def cards(self) -> dict[str, int]:
        """Return what the header says of it, by keyword."""
        return {"NSTARS": self.n_stars, "NREPEAT": self.n_repeated, "NDUPSPEC": self.n_duplicates}


def count_rows(part: PartFile, output_path: Path) -> CatalogReport:
    """Count stars, repeats and bits of the rows there are."""
    n_rows = part.journal["rows_done"]
    # Eight bytes a row, of which two in a billion million are alike by chance.
    hashes = {name: np.empty(n_rows, dtype=np.int64) for name in ("APOGEE_ID", "APSTAR_ID")}
    bits = {name: dict.fromkeys(flags.__members__, 0) for name, flags in BIT_COLUMNS.items()}
    start = 0
    for rows in part.pieces():
        for name, found in hashes.items():
            keys = word_keys(rows[name].astype(f"S{-(-rows[name].itemsize // 8) * 8}"))
            found[start : start + len(rows)] = np.where(keys == 0, start + np.arange(len(rows)), keys)
        for name, flags in BIT_COLUMNS.items():
            for bit in flags:
                bits[name][str(bit.name)] += int(np.count_nonzero(rows[name] & int(bit)))
        start += len(rows)
    n_stars, n_spectra = _n_different(hashes["APOGEE_ID"]), _n_different(hashes["APSTAR_ID"])
    return CatalogReport(output_path, n_rows, n_stars, n_rows - n_stars, n_rows - n_spectra, bits)


def _n_different(values: NDArray[np.int64]) -> int:
    """Count different numbers; they are sorted in place, which takes a fiftieth of np.unique's time."""
    values.sort()
    return min(len(values), 1) + int(np.count_nonzero(np.diff(values)))
