"""Tables of text, CSV and ECSV: columns are text until a quantity asks for numbers."""

import csv
import io
import warnings
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from skdistmass.exceptions import DistMassWarning, FileFormatError
from skdistmass.surveys.formats.arrow import arrow_column
from skdistmass.surveys.formats.common import TableFile, check_memory, masked, open_stream, with_masks
from skdistmass.tables import check_names

_LONGEST_LINE = 1 << 20
_LONGEST_HEADER = 1 << 22
_BLOCK = 1 << 22
# What stands for a missing value, in lower case.
_MISSING = ("", "nan", "null", "none", "na", "n/a", "--", "<na>", "\\n", "masked")
_INTEGER = r"^-?(0|[1-9][0-9]{0,18})$"
_NUMBER = r"^[+-]?([0-9]+\.?[0-9]*|\.[0-9]+)([eE][+-]?[0-9]+)?$|^[+-]?(inf|infinity)$"
_PADDED = r"^[+-]?0[0-9]+$"


class _Watched(io.BufferedReader):
    """A stream that remembers the last byte it gave."""

    last = b"\n"

    def read(self, size: int | None = -1) -> bytes:
        data = super().read(size)
        self.last = data[-1:] or self.last
        return data

    def readline(self, size: int | None = -1) -> bytes:
        data = super().readline(size)
        self.last = data[-1:] or self.last
        return data


def read_yaml(text: str) -> dict:
    """Read the YAML that astropy writes, making nothing of it but texts, numbers, lists and mappings."""
    import yaml

    class Loader(yaml.SafeLoader):
        """Without the tags by which a document asks for objects."""

    Loader.add_multi_constructor("", lambda loader, suffix, node: None)
    Loader.add_constructor("tag:yaml.org,2002:omap", lambda loader, node: None)
    Loader.yaml_constructors = {k: v for k, v in Loader.yaml_constructors.items() if k is None or "binary" not in k}
    try:
        found = yaml.load(text, Loader=Loader)
    except (yaml.YAMLError, ValueError, RecursionError) as error:
        raise FileFormatError("its metadata are not valid YAML; the file may be damaged.") from error
    return found if isinstance(found, dict) else {}


def split_header(stream: Any) -> tuple[list[str], list[str], str]:
    """Read a text table down to the names of its columns; return comments (without ``#``), names and delimiter."""
    comments: list[str] = []
    n_bytes = 0
    while True:
        raw = stream.readline(_LONGEST_LINE)
        n_bytes += len(raw)
        if not raw or len(raw) == _LONGEST_LINE or n_bytes > _LONGEST_HEADER:
            raise FileFormatError("it has no line with the names of columns.")
        try:
            line = raw.decode("utf-8-sig" if not comments else "utf-8").rstrip("\r\n")
        except UnicodeDecodeError as error:
            raise FileFormatError("its header is not UTF-8; save it in that encoding.") from error
        if line.startswith("#"):
            comments.append(line.removeprefix("#").removeprefix(" "))
        elif line.strip():
            break
    if comments and comments[0].startswith("%ECSV"):
        described = read_yaml("\n".join(comments[1:]))
        delimiter = str(described.get("delimiter", " "))
    else:
        delimiter = max(",|\t;", key=line.count)
    names = [name.strip() for name in next(csv.reader([line], delimiter=delimiter))]
    return comments, names, delimiter


class TextTable(TableFile):
    """A CSV or ECSV file, of which the columns asked for are kept in memory."""

    def __init__(self, path: Path, kind: str):
        self.path, self.where = path, kind
        with open_stream(path) as stream:
            comments, self.names, self._delimiter = split_header(stream)
        check_names(self.names)
        self.units: dict[str, str] = {}
        self._types: dict[str, str] = {}
        self.n_rows: int | None = None
        if kind == "ECSV":
            described = read_yaml("\n".join(comments[1:])).get("datatype") or []
            columns = [c for c in described if isinstance(c, dict) and "name" in c]
            self.units = {str(c["name"]): str(c["unit"]) for c in columns if c.get("unit")}
            self._types = {str(c["name"]): str(c.get("datatype", "")) for c in columns}
            if [str(c["name"]) for c in columns] != self.names:
                raise FileFormatError("the columns of the ECSV header are not those of its first line.")

    def load(self, names: Sequence[str], texts: set[str], most_rows: int | None = None) -> None:
        """Read columns; those of `texts` stay the text they are."""
        import pyarrow as pa

        wanted = with_masks(list(names) or self.names[:1], self.names)
        parts, n_bytes = [], 0
        with open_stream(self.path) as stream:
            watched = _Watched(stream)  # type: ignore[arg-type]
            split_header(watched)
            for batch in self._batches(watched, wanted):
                parts.append(batch)
                n_bytes += batch.nbytes
                check_memory(4 * n_bytes, f"the text of {self.path.name}")
                if most_rows is not None and sum(map(len, parts)) >= most_rows:
                    break
        if most_rows is None and watched.last not in (b"\n", b"\r"):
            warnings.warn(
                f"{self.path}: the last line has no end, so that its last value may have been cut. If it is complete, "
                "end it with a new line.",
                DistMassWarning,
                stacklevel=2,
            )
        schema = pa.schema([(name, pa.string()) for name in wanted])
        table = pa.Table.from_batches(parts, schema=schema)
        self.n_rows = len(table)
        as_text = {name for name in wanted if name in texts or self._types.get(name) == "string"}
        columns = {name: _typed(table.column(name), name, name in as_text) for name in wanted}
        self._loaded = {name: masked(name, columns) for name in names}

    def _batches(self, stream: _Watched, wanted: list[str]) -> Any:
        import pyarrow as pa
        import pyarrow.csv as pc

        reading = pc.ReadOptions(column_names=self.names, block_size=_BLOCK, use_threads=False)
        many = len(self.names) > 1
        parsing = pc.ParseOptions(delimiter=self._delimiter, newlines_in_values=True, ignore_empty_lines=many)
        types = {name: pa.string() for name in self.names}
        converting = pc.ConvertOptions(column_types=types, include_columns=wanted, strings_can_be_null=False)
        try:
            yield from pc.open_csv(pa.PythonFile(stream, mode="r"), reading, parsing, converting)
        except pa.ArrowInvalid as error:
            if "Empty CSV" not in str(error):
                raise


def _typed(column: Any, name: str, as_text: bool) -> Any:
    """Return a column of text as whole numbers, numbers or truth values if all of it is, else as text."""
    import pyarrow as pa
    import pyarrow.compute as pc

    column = pc.utf8_trim_whitespace(column)
    missing = pc.is_in(pc.utf8_lower(column), value_set=pa.array(_MISSING))
    column = pc.if_else(missing, pa.scalar(None, pa.string()), column)
    given = column.drop_null()

    def all_match(pattern: str) -> bool:
        return bool(pc.all(pc.match_substring_regex(given, pattern, ignore_case=True)).as_py())

    if as_text or (len(given) and bool(pc.any(pc.match_substring_regex(given, _PADDED)).as_py())):
        return arrow_column(column, name)
    if len(given) == 0:
        return np.ma.masked_all(len(column), dtype=np.float64)
    if all_match(_INTEGER):
        try:
            return arrow_column(column.cast(pa.int64()), name)
        except pa.ArrowInvalid:
            return arrow_column(column, name)
    if all_match(_NUMBER):
        plain = pc.replace_substring_regex(column, r"^\+", "")
        return arrow_column(plain.cast(pa.float64()), name)
    if all_match("^(true|false)$"):
        return arrow_column(pc.equal(pc.utf8_lower(column), "true"), name)
    return arrow_column(column, name)
