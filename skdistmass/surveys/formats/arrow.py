"""Columns of pyarrow as NumPy arrays."""

from typing import Any

import numpy as np

from skdistmass.exceptions import ColumnError
from skdistmass.surveys.formats.common import check_memory

_LONGEST_TEXT = 1000


def arrow_column(column: Any, name: str) -> Any:
    """Return a column of pyarrow as an array, masked where it is null."""
    import pyarrow as pa
    import pyarrow.compute as pc

    kind = column.type
    if isinstance(kind, pa.ExtensionType):
        return arrow_column(pa.chunked_array([c.storage for c in column.chunks], kind.storage_type), name)
    if pa.types.is_dictionary(kind):
        if not is_text(kind.value_type):
            return arrow_column(column.cast(kind.value_type), name)
        for chunk in column.chunks:
            _check_texts(chunk.dictionary, len(column), name)
        return _array_of_texts(column)
    if pa.types.is_null(kind):
        return np.full(len(column), np.nan)
    if pa.types.is_decimal(kind):
        column, kind = column.cast(pa.float64()), pa.float64()
    if is_text(kind):
        _check_texts(column, len(column), name)
        return _array_of_texts(column)
    if pa.types.is_list(kind) or pa.types.is_large_list(kind) or pa.types.is_fixed_size_list(kind):
        lengths = pc.unique(pc.list_value_length(column)).to_pylist()
        if len(lengths) > 1 or None in lengths:
            raise ColumnError(f"column {name} has lists of different lengths.")
        inner = arrow_column(pc.list_flatten(column), name)
        return inner.reshape(len(column), lengths[0] if lengths else 0)
    if not (pa.types.is_integer(kind) or pa.types.is_floating(kind) or pa.types.is_boolean(kind)):
        raise ColumnError(f"column {name} has the type {kind}, which is neither numbers nor text.")
    null = np.asarray(pc.is_null(column))
    if not null.any():
        return column.to_numpy()
    filled = column.fill_null(False if pa.types.is_boolean(kind) else 0)
    return np.ma.MaskedArray(filled.to_numpy(), mask=null)


def _check_texts(texts: Any, n_rows: int, name: str) -> None:
    import pyarrow.compute as pc

    longest = pc.max(pc.binary_length(texts)).as_py() or 0
    if longest > _LONGEST_TEXT:
        raise ColumnError(f"column {name} has a text of {longest} bytes; {_LONGEST_TEXT} are the most.")
    check_memory(n_rows * 4 * longest, f"column {name}")


def _array_of_texts(column: Any) -> np.ndarray:
    texts = [v.decode("utf-8", "replace") if isinstance(v, bytes) else v or "" for v in column.to_pylist()]
    return np.array(texts, dtype=str)


def is_text(kind: Any) -> bool:
    """Tell whether a type of pyarrow is one of text."""
    import pyarrow as pa

    t = pa.types
    texts = (t.is_string, t.is_large_string, t.is_string_view, t.is_binary, t.is_large_binary, t.is_binary_view)
    return any(is_one(kind) for is_one in texts)
