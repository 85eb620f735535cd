"""The VOTable form of a catalogue, written row by row in the BINARY2 serialisation."""

import base64
import io
import re

import numpy as np

from skdistmass.catalog.rows import BIT_COLUMNS
from skdistmass.catalog.writers.fits import NULL_INTEGER, is_nullable, logarithm_note

__all__ = ["votable_document", "write_votable"]

_TYPES = {"f8": "double", "f4": "float", "i2": "short", "i4": "int", "?": "boolean"}
_LINE = 57  # bytes of a line of 76 characters in base64


def votable_document(columns, provenance):
    """Return a VOTable without rows, as text."""
    from astropy.io.votable.tree import Field, Param, Resource, TableElement, VOTableFile

    votable = VOTableFile(version="1.4")
    resource = Resource(type="results")
    table = TableElement(votable, name="DISTMASS")
    table.description = "Distances, masses and ages of stars"
    for keyword, value, comment in provenance:
        # Texts only: XML keeps them as they are.
        param = Param(votable, name=keyword, ID=keyword, datatype="char", arraysize="*", value=str(value))
        param.description = comment
        table.params.append(param)
    for column in columns:
        text = column.dtype.startswith("U")
        field = Field(
            votable,
            name=column.name,
            ID=column.name,
            datatype="char" if text else _TYPES[column.dtype],
            arraysize=column.dtype[1:] if text else str(column.length) if column.length else None,
            unit=None if _is_dex(column.unit) else column.unit,
            ucd=column.ucd,
        )
        field.description = column.description + logarithm_note(column.unit) + _bits(column.name)
        if is_nullable(column.name):
            field.values.null = NULL_INTEGER
        table.fields.append(field)
    resource.tables.append(table)
    votable.resources.append(resource)
    text = io.BytesIO()
    votable.to_xml(text, tabledata_format="tabledata")
    return _with_dex(_without_time(text.getvalue().decode("utf-8")), [c.name for c in columns if _is_dex(c.unit)])


def _is_dex(unit):
    """Tell whether a unit is logarithmic. VOTable does not know dex of something."""
    return unit is not None and unit.startswith("dex")


def _with_dex(document, names):
    """Write dex as the unit of fields; astropy takes it for ten or a tenth of an unknown unit, or for an error."""
    return re.sub(rf'(<FIELD ID="(?:{"|".join(names)})"[^>]*)>', r'\1 unit="dex">', document)


def _bits(name):
    """Names and meanings of a column's bits, in a sentence."""
    if name not in BIT_COLUMNS:
        return ""
    return ". Bits: " + "; ".join(f"{int(bit)} {bit.name}: {bit.description}" for bit in BIT_COLUMNS[name])


def _without_time(document):
    """Drop the comment that names the writer and the time."""
    start = document.find("<!--")
    return document if start < 0 else document[:start] + document[document.index("-->", start) + 3 :].lstrip("\n")


def write_votable(path, columns, provenance, pieces):
    """Write a VOTable."""
    document = votable_document(columns, provenance)
    # astropy leaves out the data of an empty table: it goes in front of the end of the table element.
    head, tail = document.rsplit("</TABLE>", 1)
    nulls = (len(columns) + 7) // 8
    positions = [i for i, column in enumerate(columns) if is_nullable(column.name)]
    with open(path, "wb") as file:
        file.write(head.rstrip().encode("utf-8") + b"\n    <DATA>\n     <BINARY2>\n      <STREAM encoding='base64'>\n")
        rest = b""
        for rows in pieces:
            raw = np.zeros((len(rows), nulls + rows.dtype.itemsize), dtype=np.uint8)
            raw[:, nulls:] = np.ascontiguousarray(rows).view(np.uint8).reshape(len(rows), -1)
            for position in positions:
                is_null = rows[columns[position].name] == NULL_INTEGER
                raw[:, position // 8] |= is_null.astype(np.uint8) << np.uint8(7 - position % 8)
            data = rest + raw.tobytes()
            whole = len(data) // _LINE * _LINE
            file.write(base64.encodebytes(data[:whole]))
            rest = data[whole:]
        file.write(base64.encodebytes(rest))
        end = b"      </STREAM>\n     </BINARY2>\n    </DATA>\n   </TABLE>"
        file.write(end + tail.encode("utf-8"))
