"""Compare the catalogues that the page saved with those of `skdistmass predict`.

``python e2e/compare.py FOLDER``
"""

import sys
from pathlib import Path

import numpy as np
from astropy.table import Table

_FORMATS = {".fits": "fits", ".vot": "votable", ".parquet": "parquet", ".ecsv": "ascii.ecsv"}


def compare(found_path, expected_path):
    """Return the largest fractional difference of each kind of column; raise AssertionError if one is too large."""
    found = Table.read(found_path, format=_FORMATS[found_path.suffix])
    expected = Table.read(expected_path)
    assert len(found) == len(expected), found_path
    largest = 0.0
    for name in expected.colnames:
        own, other = (np.ma.asarray(table[name]) for table in (found, expected))
        if other.dtype.kind in "SU":
            texts = [[str(text).strip() for text in np.ma.filled(column.astype(str), "")] for column in (own, other)]
            assert texts[0] == texts[1], f"{found_path}: {name}"
        elif other.dtype.kind in "bi":
            # What is not known is masked, NaN or -1, by the reader of the format.
            codes = [np.ma.filled(np.ma.masked_invalid(column.astype(float)), -1) for column in (own, other)]
            np.testing.assert_array_equal(*codes, err_msg=f"{found_path}: {name}")
        else:
            values = np.ma.filled(own.astype(float), np.nan)
            wanted = np.ma.filled(other.astype(float), np.nan)
            # Where a magnitude or the mass of a dwarf passes through zero, the scale is 1 mag, 0.1 Msun or 0.1 dex.
            scale = (
                1.0 if name in ("ABS_MAG", "LOGG", "M_H", "C_FE", "N_FE") else 0.1 * name.startswith(("MASS", "AGE"))
            )
            np.testing.assert_allclose(values, wanted, rtol=1e-5, atol=1e-5 * scale, err_msg=f"{found_path}: {name}")
            known = np.isfinite(wanted) & (np.abs(wanted) > scale)
            largest = max(largest, np.max(np.abs(values[known] / wanted[known] - 1.0), initial=0.0))
    assert str(found["DISTANCE"].unit) == "kpc", found_path
    return largest


def compare_all(folder):
    """Compare each catalogue in ``found`` that has a counterpart in ``expected``; return names and differences."""
    folder = Path(folder)
    found = sorted(path for path in (folder / "found").iterdir() if path.suffix in _FORMATS and path.stem != "million")
    assert found, "the page saved nothing"
    return {
        path.name: compare(path, folder / "expected" / f"{path.stem.removesuffix('-from-disk')}.fits") for path in found
    }


if __name__ == "__main__":
    for name, largest in compare_all(sys.argv[1]).items():
        print(f"{name:<30} largest fractional difference {largest:.1e}")
