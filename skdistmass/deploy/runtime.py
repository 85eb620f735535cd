"""Predict with an ONNX file of this package: onnxruntime and numpy are all that is needed."""

import hashlib
import json
import os
import re
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np

from skdistmass.deploy.format import CHECKSUM_KEY, FORMAT_VERSION, FORMAT_VERSION_KEY, NO_CHECKSUM
from skdistmass.exceptions import ColumnError, FileFormatError, InputError
from skdistmass.labels import LABEL_NAMES, LABELS, read_labels
from skdistmass.schema.columns import describe
from skdistmass.tables import as_floats, find_column, is_table

__all__ = ["OnnxPredictor", "load"]

_CHUNK = 4096  # rows at a time: what is between two operators stays in the processor's cache
_TYPES = {
    "tensor(float)": np.float32,
    "tensor(double)": np.float64,
    "tensor(int32)": np.int32,
    "tensor(bool)": np.bool_,
}
# Names under which a survey may have what a graph calls differently, in order of preference.
_PHOTOMETRY = {"MAG": ("K",), "EXTINCTION": ("A_K",), "MAG_ERR": ("K_ERR",)}


def load(path, *, threads=None):
    """Read a model that `DistMassModel.to_onnx` wrote.

    Nothing of the file is executed but standard ONNX operators, by onnxruntime. The checksum in it is tested first.

    Parameters
    ----------
    path : path-like
        The file.
    threads : int, optional
        Number of threads, each with a part of the stars; by default one for each processor.

    Returns
    -------
    predictor : OnnxPredictor

    Raises
    ------
    FileFormatError
        If there is no such file, or it is not a model of this package, truncated, altered, or of an unknown format
        version.
    InputError
        If `threads` is less than 1.

    Examples
    --------
    >>> from skdistmass.deploy import load
    >>> load("no-such-file.onnx")
    Traceback (most recent call last):
      ...
    skdistmass.exceptions.FileFormatError: no-such-file.onnx can't be read: No such file or directory.
    """
    path = Path(path)
    try:
        content = path.read_bytes()
    except OSError as error:
        raise FileFormatError(f"{path} can't be read: {error.strerror or error}.") from error
    _check_file(content, path)
    if threads is None:
        threads = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    elif threads < 1:
        raise InputError(f"threads must be at least 1, got {threads}.")
    return OnnxPredictor(_open_session(content, path), threads)


def _check_file(content, path):
    """Refuse what is foreign, of another version, truncated or altered, before anything interprets it."""
    version = _metadata_value(content, FORMAT_VERSION_KEY, rb"\d{1,9}")
    if version is None:
        raise FileFormatError(
            f"{path} is not an ONNX model of skdistmass, or its end is missing; write it with DistMassModel.to_onnx, "
            "or fetch a fresh copy."
        )
    if int(version) != FORMAT_VERSION:
        raise FileFormatError(
            f"{path} has the format version {int(version)}; this release reads version {FORMAT_VERSION}. Update "
            "skdistmass, or write the file again with this release."
        )
    stated = _metadata_value(content, CHECKSUM_KEY, rb"sha256:[0-9a-f]{64}")
    if stated is None or content.count(stated) != 1:
        raise FileFormatError(f"{path} has no checksum: it was altered. Fetch a fresh copy.")
    found = hashlib.sha256(content.replace(stated, NO_CHECKSUM.encode())).hexdigest()
    if stated != b"sha256:" + found.encode():
        raise FileFormatError(
            f"{path} is truncated or was altered: its checksum is not the one written in it. Fetch a fresh copy."
        )


def _metadata_value(content, key, pattern):
    """Value of a metadata entry, from the bytes of the file: key, then tag and length of the value, then the value."""
    found = re.search(re.escape(key.encode()) + rb"\x12[\x00-\x7f](" + pattern + rb")", content, re.DOTALL)
    return found[1] if found else None


def _open_session(content, path):
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.log_severity_level = 3
    # Threads have chunks of their own: sharing each of some hundred small operators would keep them waiting.
    options.intra_op_num_threads = 1
    try:
        return onnxruntime.InferenceSession(content, options, providers=["CPUExecutionProvider"])
    except Exception as error:  # onnxruntime raises a type of its own for each way a file can be bad
        raise FileFormatError(f"onnxruntime can't use {path}: {error}") from error


class OnnxPredictor:
    """A model in an ONNX file, ready to predict; see `load`.

    Attributes
    ----------
    card : dict
        The model card: training set, accuracy, limits, versions, references.
    inputs, outputs : list of str
        Names of the graph's vectors.
    dtype : numpy.dtype
        Of the inputs and of the outputs that are not flags.

    Examples
    --------
    >>> import skdistmass
    >>> model = skdistmass.load_pretrained("kepler-giants")
    >>> stars = {"TEFF": [4750.0], "LOGG": [2.5], "M_H": [-0.1], "C_FE": [-0.1], "N_FE": [0.2],
    ...          "MAG": [10.0], "EXTINCTION": [0.05]}
    >>> catalog = model.predict(stars)
    >>> catalog["DISTANCE"].shape, int(catalog["MASS_SPACE"][0]), model.unit("DISTANCE")
    ((1,), 0, 'kpc')
    """

    def __init__(self, session, threads=1):
        self._session, self._threads = session, threads
        self.inputs = [value.name for value in session.get_inputs()]
        self.outputs = [value.name for value in session.get_outputs()]
        self._types = [_TYPES[value.type] for value in session.get_outputs()]
        self.dtype = np.dtype(np.float32 if "(float)" in session.get_inputs()[0].type else np.float64)
        self.card = json.loads(session.get_modelmeta().custom_metadata_map["model_card"])

    def __repr__(self):
        return f"OnnxPredictor({self.card['name']!r}, {self.dtype.name})"

    def predict(self, table):
        """Predict distances, masses and ages.

        Parameters
        ----------
        table : dict, data frame, Table or structured array
            With the labels TEFF, LOGG, M_H (or FE_H), C_FE and N_FE, MAG (or K) and EXTINCTION (or A_K). Units are
            converted; survey placeholders, NaN and masked values are missing. C_FE, N_FE, MAG and EXTINCTION may be
            absent, as may the errors that some graphs have inputs for: TEFF_ERR and so on, MAG_ERR (or K_ERR).

        Returns
        -------
        catalog : dict of ndarray
            One array of shape (n_stars,) for each of `outputs`.

        Raises
        ------
        ColumnError, UnitError
            If a column is absent, ambiguous or of an unusable type or unit.
        InputError
            If columns differ in length.
        """
        columns = self.read(table)
        n_stars = len(next(iter(columns.values())))
        catalog = {name: np.empty(n_stars, dtype) for name, dtype in zip(self.outputs, self._types, strict=True)}

        def run(start):
            rows = slice(start, start + _CHUNK)
            found = self._session.run(self.outputs, {name: column[rows] for name, column in columns.items()})
            for column, values in zip(catalog.values(), found, strict=True):
                column[rows] = values

        starts = range(0, n_stars, _CHUNK)
        if self._threads == 1 or len(starts) <= 1:
            for start in starts:
                run(start)
        else:
            with ThreadPoolExecutor(self._threads) as pool:
                list(pool.map(run, starts))
        return catalog

    def predict_chunks(self, tables):
        """Predict for one table after the other, as a generator: for tables too large for the memory.

        Parameters
        ----------
        tables : iterable of table
            Pieces of a table, each as for `predict`.

        Yields
        ------
        catalog : dict of ndarray
            Of each piece.
        """
        for table in tables:
            yield self.predict(table)

    def read(self, table):
        """Read a graph's inputs from a table, in their units; NaN where missing.

        Parameters
        ----------
        table : dict, data frame, Table or structured array
            As for `predict`.

        Returns
        -------
        columns : dict of ndarray
            By name of the input, of type `dtype`.
        """
        if not is_table(table):
            raise InputError(
                f"a table with named columns is needed, not {type(table).__name__}; give a dict of "
                f"{', '.join(self.inputs[:7])}."
            )
        if not isinstance(table, np.ndarray) and not hasattr(table, "colnames") and not hasattr(table, "columns"):
            table = {name: np.atleast_1d(column) if np.ndim(column) == 0 else column for name, column in table.items()}
        names = [n for n in LABEL_NAMES if n in LABEL_NAMES[:3] or find_column(table, n, required=False)]
        metallicity = find_column(table, self.card.get("metallicity", "M_H"), required=False)
        prefer = {"M_H": metallicity} if metallicity is not None else {}
        found = read_labels(table, names, prefer=prefer)
        n_stars = len(found.values)
        columns = dict(zip(names, found.values.T, strict=True))
        units = {label.name: label.unit for label in LABELS}
        for name in self.inputs:
            if name not in columns:
                columns[name] = self._read_optional(table, name, found.columns, units, n_stars)
        return {name: np.ascontiguousarray(columns[name], dtype=self.dtype) for name in self.inputs}

    def _read_optional(self, table, name, label_columns, units, n_stars):
        label = name.removesuffix("_ERR")
        if label in LABEL_NAMES:
            unit = None if units[label].startswith("dex") else units[label]
            column = f"{label_columns[label]}_ERR" if name.endswith("_ERR") and label in label_columns else name
            candidates = (column,)
        else:
            unit, candidates = "mag", (name, *_PHOTOMETRY.get(name, ()))
        # A survey's own name comes first, as in `DistMassModel.predict`.
        present = [c for c in candidates[::-1] if find_column(table, c, required=False) is not None]
        if not present:
            return np.full(n_stars, np.nan)
        column = find_column(table, present[0])
        values = as_floats(table[column], unit, name=column)
        if values.shape != (n_stars,):
            raise InputError(f"column {column} has shape {values.shape}; the labels have {n_stars} rows.")
        return values

    def unit(self, name):
        """Unit of an output, in astropy's notation; None if it has none.

        Raises
        ------
        ColumnError
            If there is no such output.
        """
        return self._schema(name).unit

    def description(self, name):
        """What an output is, in words; see `unit`."""
        return self._schema(name).description

    def _schema(self, name):
        if name not in self.outputs:
            raise ColumnError(f"the model has no output {name}; it has {', '.join(self.outputs)}.")
        return describe(name)

    def describe(self):
        """Return the model card as text, for people to read."""
        return "\n".join(_lines(self.card))


def _lines(card, indent=""):
    for key, value in card.items():
        title = f"{indent}{key.replace('_', ' ') if key.islower() else key}"
        if isinstance(value, dict) and value and all(isinstance(part, dict) for part in value.values()):
            yield f"{title}:"
            yield from _lines(value, indent + "  ")
        elif isinstance(value, dict):
            yield f"{title}: " + ", ".join(f"{name or 'MASS'} {part}" for name, part in value.items())
        elif isinstance(value, list) and not indent:
            yield f"{title}:"
            yield from (f"  {part}" for part in value)
        else:
            yield f"{title}: {value}"
