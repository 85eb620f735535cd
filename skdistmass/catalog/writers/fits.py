"""The FITS form of a catalogue: headers with all metadata, rows as bytes, checksums.

astropy's tables lose descriptions and UCDs on writing and put the time of day next to checksums, and its writer wants
the whole table at once. So headers are made here, card by card, with astropy's `Header` for the cards themselves.
"""

import numpy as np
from astropy.io import fits

from skdistmass.catalog.rows import BIT_COLUMNS

__all__ = [
    "BLOCK",
    "checksum_cards",
    "datasum",
    "is_nullable",
    "primary_header",
    "record_type",
    "table_header",
    "to_records",
    "write_rows",
]

BLOCK = 2880
EXTENSION = "DISTMASS"
NULL_INTEGER = -1
_FORMATS = {"f8": "D", "f4": "E", "i2": "I", "i4": "J", "?": "L"}


def is_nullable(name):
    """Tell whether a column has integers that are null where the catalogue was made without what tells them."""
    return name in ("NMSU_FLAG", "AGE_FLAG", "OUT_OF_FOLD") or (name.startswith("AGE_") and name.endswith("_FLAG"))


def record_type(columns):
    """Return the type of a row, as FITS has it on disk: big-endian, without gaps."""
    kinds = {"?": "S1"}
    fields = [(c.name, kinds.get(c.dtype) or c.dtype.replace("U", "S"), shape_of(c)) for c in columns]
    return np.dtype(fields).newbyteorder(">")


def shape_of(column):
    """Return the shape of a column's value in a row."""
    return (column.length,) if column.length else ()


def to_records(columns):
    """Return columns, a dictionary of CatalogColumn to ndarray, as rows."""
    length = len(next(iter(columns.values())))
    records = np.zeros(length, dtype=record_type(columns))
    for column, values in columns.items():
        records[column.name] = values
    return records


def _text(value):
    """Return text as a FITS card takes it: printable ASCII."""
    return "".join(c if " " <= c <= "~" else "?" for c in str(value))


def primary_header(provenance):
    """Return the header of the empty primary HDU."""
    header = fits.PrimaryHDU().header
    header["EXTEND"] = True
    _add_provenance(header, provenance)
    _reserve_checksums(header)
    return header


def table_header(columns, n_rows, provenance):
    """Return the header of the table, with places for the checksums."""
    header = fits.Header()
    header["XTENSION"] = ("BINTABLE", "binary table extension")
    header["BITPIX"] = (8, "8-bit bytes")
    header["NAXIS"] = (2, "2-dimensional table")
    header["NAXIS1"] = (record_type(columns).itemsize, "bytes in a row")
    header["NAXIS2"] = (n_rows, "rows")
    header["PCOUNT"], header["GCOUNT"] = (0, "no heap"), (1, "one group")
    header["TFIELDS"] = (len(columns), "columns")
    header["EXTNAME"] = EXTENSION
    header["LONGSTRN"] = ("OGIP 1.0", "long texts go on in CONTINUE cards")
    for number, column in enumerate(columns, start=1):
        header[f"TTYPE{number}"] = column.name
        text = column.dtype.startswith("U")
        header[f"TFORM{number}"] = f"{column.dtype[1:]}A" if text else f"{column.length or ''}{_FORMATS[column.dtype]}"
        if fits_unit(column.unit):
            header[f"TUNIT{number}"] = fits_unit(column.unit)
        if is_nullable(column.name):
            header[f"TNULL{number}"] = NULL_INTEGER
        header[f"TUCD{number}"] = column.ucd
        header[f"TCOMM{number}"] = column.description + logarithm_note(column.unit)
    _add_provenance(header, provenance)
    for column, bits in BIT_COLUMNS.items():
        for bit in bits:
            position = int(bit).bit_length() - 1
            header[f"{column[:4]}{position:02d}"] = f"{bit.name}: {bit.description}"
    for line in astropy_comments(columns):
        header.add_comment(line)
    _reserve_checksums(header)
    return header


def fits_unit(unit):
    """Return a unit as the FITS standard writes it; blank for dex, which it does not know."""
    from astropy import units as u

    return "" if unit is None or unit.startswith("dex") else u.Unit(unit).to_string("fits")


def logarithm_note(unit):
    """Words for a description on what a logarithm is of."""
    if unit is None or not unit.startswith("dex"):
        return ""
    return " (dex)" if unit == "dex" else f" (log10 of the value in {unit[len('dex(') : -1]})"


def astropy_metadata(columns, meta=None):
    """Return units, descriptions and UCDs in YAML, as astropy keeps what a file format has no room for."""
    from astropy.table import Column, Table
    from astropy.table.meta import get_yaml_from_table

    table = Table()
    for column in columns:
        kind = {"?": bool}.get(column.dtype, column.dtype)
        table[column.name] = Column(
            np.zeros((0, *shape_of(column)), dtype=kind),
            unit=column.unit,
            description=column.description,
            meta={"ucd": column.ucd},
        )
    table.meta.update(meta or {})
    return get_yaml_from_table(table)


def astropy_comments(columns):
    """Return the comments by which astropy gets back descriptions and UCDs (it does not read TCOMM and TUCD)."""
    width = 70  # of a comment card, less what astropy needs to mark a line that goes on
    yield "--BEGIN-ASTROPY-SERIALIZED-COLUMNS--"
    for line in astropy_metadata(columns, {"__serialized_columns__": {}}):  # astropy asks for that key
        pieces = [line[start : start + width] for start in range(0, len(line), width)] or [""]
        for piece in pieces[:-1]:
            yield piece + "\\"
        yield pieces[-1]
    yield "--END-ASTROPY-SERIALIZED-COLUMNS--"


def _add_provenance(header, provenance):
    for keyword, value, comment in provenance:
        value = _text(value) if isinstance(value, str) else value
        # A comment beside a long text would get a CONTINUE card of its own.
        header[keyword] = value if isinstance(value, str) and len(value) + len(comment) > 60 else (value, comment)


def _reserve_checksums(header):
    header["CHECKSUM"] = ("0" * 16, "checksum of the HDU")
    header["DATASUM"] = ("0".rjust(10), "checksum of the data")


def datasum(chunks):
    """Return the FITS checksum of data: the ones' complement sum of its big-endian 32-bit words."""
    total = 0
    for chunk in chunks:
        words = np.frombuffer(chunk + b"\0" * (-len(chunk) % 4), dtype=">u4")
        total += int(words.sum(dtype=np.uint64))
    while total >> 32:
        total = (total & 0xFFFFFFFF) + (total >> 32)
    return total


def _encode(value):
    """Write a checksum as 16 characters that sum to it (FITS standard, appendix J)."""
    excluded = b":;<=>?@[\\]^_`"
    quarters = np.zeros((4, 4), dtype=int)  # [byte of the sum, its four parts]
    for index in range(4):
        byte = (value >> (24 - 8 * index)) & 0xFF
        parts = np.full(4, byte // 4 + ord("0"))
        parts[0] += byte % 4
        while any(part in excluded for part in parts):
            for pair in (0, 2):
                if parts[pair] in excluded or parts[pair + 1] in excluded:
                    parts[pair] += 1
                    parts[pair + 1] -= 1
        quarters[index] = parts
    text = quarters.T.ravel()  # the bytes of a word stand next to each other
    return bytes(np.roll(text, 1).astype(np.uint8)).decode("ascii")


def checksum_cards(header, data_sum):
    """Fill in DATASUM and CHECKSUM, and return the header as it goes to disk."""
    header["DATASUM"] = str(data_sum).rjust(10)
    header["CHECKSUM"] = "0" * 16
    block = header.tostring().encode("ascii")
    total = datasum([block, data_sum.to_bytes(4, "big")])
    header["CHECKSUM"] = _encode(0xFFFFFFFF - total)
    return header.tostring().encode("ascii")


def write_rows(path, columns, provenance, pieces):
    """Write rows that are in memory; a catalogue grows in a `skdistmass.catalog.part_file.PartFile` instead."""
    data = b"".join(rows.tobytes() for rows in pieces)
    header = table_header(columns, len(data) // record_type(columns).itemsize, provenance)
    data += b"\0" * (-len(data) % BLOCK)
    with open(path, "wb") as file:
        file.write(checksum_cards(primary_header(provenance[:2]), 0))
        file.write(checksum_cards(header, datasum([data])))
        file.write(data)
