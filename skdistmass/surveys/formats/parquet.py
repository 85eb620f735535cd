"""Parquet files, read by row groups."""

import xml.parsers.expat
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from skdistmass.surveys.formats.arrow import arrow_column, is_text
from skdistmass.surveys.formats.common import TableFile, check_memory, masked, with_masks
from skdistmass.tables import check_names

__all__ = ["ParquetTable"]


class ParquetTable(TableFile):
    """A Parquet file, with the units that astropy, the Virtual Observatory or the writer of a column put into it."""

    where = "Parquet"

    def __init__(self, path: Path):
        import pyarrow.parquet as pq

        self.path = path
        schema = pq.read_schema(path)
        # A text that is repeated stays one text in memory.
        texts = [field.name for field in schema if is_text(field.type)]
        self._file = pq.ParquetFile(path, page_checksum_verification=True, read_dictionary=texts)
        self.names = list(schema.names)
        check_names(self.names)
        self.n_rows = self._file.metadata.num_rows
        self.units = _units(schema)

    def read(self, names: Sequence[str], start: int, stop: int) -> dict[str, Any]:
        """Return columns of some rows."""
        import pyarrow as pa

        wanted_names = names
        names, parts, first = with_masks(names, self.names), [], 0
        check_memory(max(stop - start, 0) * 8 * len(names), self.path.name)
        for group in range(self._file.num_row_groups):
            about = self._file.metadata.row_group(group)
            low, high = max(start - first, 0), min(stop - first, about.num_rows)
            first += about.num_rows
            if low >= high:
                continue
            chunks = (about.column(i) for i in range(about.num_columns))
            wanted = sum(c.total_uncompressed_size for c in chunks if c.path_in_schema.split(".")[0] in names)
            check_memory(max(wanted, about.num_rows * 8 * len(names)), f"a row group of {self.path.name}")
            parts.append(self._file.read_row_group(group, columns=names).slice(low, high - low))
        table = pa.concat_tables(parts) if parts else self._file.schema_arrow.empty_table().select(names)
        columns = {name: arrow_column(table.column(name), name) for name in names}
        return {name: masked(name, columns) for name in wanted_names}


def _units(schema: Any) -> dict[str, str]:
    """Return the units that the metadata state: of the columns, of astropy's YAML, of a VOTable in the metadata."""
    from skdistmass.surveys.formats.text import read_yaml

    units: dict[str, str] = {}
    about = schema.metadata or {}
    if b"IVOA.VOTable-Parquet.content" in about:
        units |= _votable_units(about[b"IVOA.VOTable-Parquet.content"])
    if b"table_meta_yaml" in about:
        described = read_yaml(about[b"table_meta_yaml"].decode("utf-8", "replace"))
        units |= {str(c["name"]): str(c["unit"]) for c in described.get("datatype", []) if c.get("unit")}
    for field in schema:
        own = {key.lower(): value for key, value in (field.metadata or {}).items()}
        unit = own.get(b"unit") or own.get(b"units") or b""
        if unit:
            units[field.name] = unit.decode("utf-8", "replace")
    return {name: unit for name, unit in units.items() if unit}


def _votable_units(document: bytes) -> dict[str, str]:
    units: dict[str, str] = {}

    def begin(tag: str, attributes: dict[str, str]) -> None:
        if tag.rpartition(":")[2] == "FIELD" and "unit" in attributes:
            units[attributes.get("name", attributes.get("ID", ""))] = attributes["unit"]

    parser = xml.parsers.expat.ParserCreate()
    parser.StartElementHandler = begin
    parser.Parse(document, True)
    return units
