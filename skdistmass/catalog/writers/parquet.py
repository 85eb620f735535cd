"""The Parquet form of a catalogue, with its metadata in the forms that astropy and the VO read."""

import numpy as np

from skdistmass.catalog.writers.fits import NULL_INTEGER, astropy_metadata, is_nullable
from skdistmass.catalog.writers.votable import votable_document

__all__ = ["arrow_array", "arrow_type", "write_parquet"]

_ROW_GROUP = 50_000


def arrow_type(column):
    """Return the type of a column in Arrow."""
    import pyarrow as pa

    types = {"f8": pa.float64(), "f4": pa.float32(), "i2": pa.int16(), "i4": pa.int32(), "?": pa.bool_()}
    kind = types.get(column.dtype, pa.string())
    return pa.list_(kind) if column.length else kind


def arrow_array(values, column):
    """Return the values of a catalogue's column in Arrow: null where an integer or a truth value can't be known."""
    import pyarrow as pa

    mask = None
    if column.dtype.startswith("U"):
        values = values.astype(str)
    elif column.dtype == "?":
        mask = values == b""  # a byte of 0
        values = values == b"T"
    else:
        values = np.ascontiguousarray(values, dtype=values.dtype.newbyteorder("="))
        mask = values == NULL_INTEGER if is_nullable(column.name) else None
    if column.length:
        offsets = np.arange(0, values.size + 1, column.length, dtype=np.int32)
        return pa.ListArray.from_arrays(offsets, pa.array(values.ravel()))
    return pa.array(values, type=arrow_type(column), mask=mask)


def write_parquet(path, columns, provenance, pieces):
    """Write a Parquet file.

    Units, descriptions and UCDs are in the metadata of each column, in that of the file as astropy writes it
    (``table_meta_yaml``), and as a VOTable without data (``IVOA.VOTable-Parquet.content``).
    """
    import pyarrow as pa
    import pyarrow.parquet as pq

    fields = []
    for column in columns:
        known = {"unit": column.unit or "", "ucd": column.ucd, "description": column.description}
        fields.append(pa.field(column.name, arrow_type(column), metadata=known))
    about = {keyword: value for keyword, value, _ in provenance}
    metadata = {keyword: str(value) for keyword, value in about.items()}
    metadata["table_meta_yaml"] = "\n".join(astropy_metadata(columns, about))
    # astropy asks for the width of each text.
    metadata |= {f"table::len::{c.name}": c.dtype[1:] for c in columns if c.dtype.startswith("U")}
    metadata["IVOA.VOTable-Parquet.version"] = "1.0"
    metadata["IVOA.VOTable-Parquet.content"] = votable_document(columns, provenance)
    schema = pa.schema(fields, metadata=metadata)
    with pq.ParquetWriter(path, schema) as writer:
        for rows in pieces:
            arrays = [arrow_array(rows[column.name], column) for column in columns]
            writer.write_table(pa.Table.from_arrays(arrays, schema=schema), row_group_size=_ROW_GROUP)
