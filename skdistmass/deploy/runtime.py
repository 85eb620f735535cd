"""Predict with an ONNX file of this package: onnxruntime and numpy are all that is needed."""

import hashlib
import json
import os
from collections import deque
from collections.abc import Iterable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from typing import Any
from weakref import WeakValueDictionary

import numpy as np

from skdistmass.deploy.card_text import card_lines
from skdistmass.deploy.checks import read_model_file
from skdistmass.deploy.drawing import DrawingMixin
from skdistmass.deploy.format import CARD_KEY
from skdistmass.exceptions import ColumnError, FileFormatError, InputError, shortened
from skdistmass.labels import LABEL_NAMES, error_unit, read_labels
from skdistmass.photometry import widened_interval
from skdistmass.schema.columns import describe
from skdistmass.schema.limits import EXTINCTION_ERR
from skdistmass.tables import as_floats, find_column, is_table

__all__ = ["OnnxPredictor", "load"]

_CHUNK = 2048  # rows at a time: the values between two operators stay in the processor's cache
# Rows are run in multiples of this: a processor works on the last few of another number of rows by other instructions,
# which round differently. So a star has the same prediction to the last bit whatever rows it comes with.
_MULTIPLE = 16
_TYPES = {
    "tensor(float)": np.float32,
    "tensor(double)": np.float64,
    "tensor(int32)": np.int32,
    "tensor(bool)": np.bool_,
}
# Names that a survey may use for an input, in order of preference.
_PHOTOMETRY = {"MAG": ("K",), "EXTINCTION": ("A_K",), "MAG_ERR": ("K_ERR",), "EXTINCTION_ERR": ("A_K_ERR",)}
# Sessions of this process by the content of the file: copies of a predictor share one.
_SESSIONS: WeakValueDictionary = WeakValueDictionary()
# The latest ones stay: between two tasks, a worker process may hold no copy of its predictor.
_LATEST: deque = deque(maxlen=4)


def load(path: str | os.PathLike, *, threads: int | None = None) -> "OnnxPredictor":
    """Read a model that `DistMassModel.to_onnx` wrote.

    The file is checked before onnxruntime sees it: size, format version, checksum, and that it has no other operators
    than the models of this package have, so no loop, no other file and no operator of a vendor.

    Parameters
    ----------
    path : path-like
        The file, at most 32 MB.
    threads : int, optional
        Number of threads, each with a part of the stars. By default each process decides for itself: as many as
        OMP_NUM_THREADS says, which Dask, Ray and joblib set for their workers, else one for each processor.

    Returns
    -------
    predictor : OnnxPredictor

    Raises
    ------
    FileFormatError
        If there is no such file, or it is not a model of this package, truncated, altered, too large, or of an unknown
        format version.
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
    content = read_model_file(path)
    if threads is not None and threads < 1:
        raise InputError(f"threads must be at least 1, got {threads}.")
    return OnnxPredictor(content, threads, name=str(path))


def _threads_here() -> int:
    """Return the number of threads that this process may use."""
    told = os.environ.get("OMP_NUM_THREADS", "").partition(",")[0].strip()
    if told.isdecimal() and int(told) > 0:
        return int(told)
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def _open_session(content: bytes, name: str) -> Any:
    import onnxruntime

    session = _SESSIONS.get(content)
    if session is not None:
        return session
    options = onnxruntime.SessionOptions()
    options.log_severity_level = 3
    # Threads have chunks of their own: if they shared each of some hundred small operators, they would wait.
    options.intra_op_num_threads = 1
    try:
        # The fallback would print what is wrong with the file, and try the same again.
        session = onnxruntime.InferenceSession(content, options, ["CPUExecutionProvider"], enable_fallback=False)
    except Exception as error:  # onnxruntime has a type of its own for each way a file can be bad
        raise FileFormatError(f"onnxruntime can't use {name}: {shortened(error)}") from error
    session = _SESSIONS.setdefault(content, session)  # another thread may have been faster
    _LATEST.append(session)
    return session


def _read_card(session: Any, name: str) -> dict:
    """The model card, after checking that the graph has the inputs and outputs of a model."""
    types = {value.type for value in (*session.get_inputs(), *session.get_outputs())}
    inputs = [value.name for value in session.get_inputs()]
    unknown = [value.name for value in session.get_outputs() if describe(value.name) is None]
    card: Any = None
    with suppress(KeyError, ValueError, RecursionError):
        card = json.loads(session.get_modelmeta().custom_metadata_map[CARD_KEY])
    for bad, what in (
        (inputs[: len(LABEL_NAMES)] != list(LABEL_NAMES), "other inputs"),
        (bool(unknown) or not types <= set(_TYPES), "other outputs"),
        (not isinstance(card, dict) or not isinstance(card.get("name"), str), "another model card"),
    ):
        if bad:
            raise FileFormatError(f"{name} has {what} than a model of skdistmass; fetch a fresh copy.")
    return card


class OnnxPredictor(DrawingMixin):
    """A model in an ONNX file, ready to predict; see `load`.

    It can be copied, pickled and sent to another process, which makes its session once.

    Attributes
    ----------
    card : dict
        The model card: training set, accuracy, limits, versions, references.
    inputs, outputs : list of str
        Names of the graph's vectors.
    columns : list of str
        Names of the columns that it predicts: `outputs` without quantiles and slopes.
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

    def __init__(self, content: bytes, threads: int | None = 1, *, name: str = "the model"):
        self._content, self._threads = content, threads
        self._session = session = _open_session(content, name)
        self.card = _read_card(session, name)
        self.inputs = [value.name for value in session.get_inputs()]
        self.outputs = [value.name for value in session.get_outputs()]
        self._types = {value.name: _TYPES[value.type] for value in session.get_outputs()}
        self._widths = {value.name: value.shape[1:] for value in session.get_outputs()}
        self.dtype = np.dtype(np.float32 if "(float)" in session.get_inputs()[0].type else np.float64)

    def __repr__(self) -> str:
        return f"OnnxPredictor({self.card['name']!r}, {self.dtype.name})"

    def __reduce__(self) -> tuple:
        return type(self), (self._content, self._threads)

    def __dask_tokenize__(self) -> tuple:
        return type(self).__qualname__, hashlib.sha256(self._content).hexdigest()

    @property
    def columns(self) -> list[str]:
        return [name for name in self.outputs if not self._widths[name]]

    def predict(self, table: Any) -> dict[str, np.ndarray]:
        """Predict distances, masses and ages.

        Parameters
        ----------
        table : dict, data frame, Table, structured array or Stars
            With the labels TEFF, LOGG, M_H (or FE_H), C_FE and N_FE, MAG (or K) and EXTINCTION (or A_K). Units are
            converted; survey placeholders, NaN and masked values are missing. C_FE, N_FE, MAG and EXTINCTION may be
            absent, and so may the errors that some graphs have inputs for: TEFF_ERR and so on, MAG_ERR (or K_ERR),
            EXTINCTION_ERR (or A_K_ERR).

        Returns
        -------
        catalog : dict of ndarray
            One array of shape (n_stars,) for each of `columns`.

        Raises
        ------
        ColumnError, UnitError
            If a column is absent, ambiguous or of an unusable type or unit.
        InputError
            If columns differ in length.
        """
        return self._run(self.read(table), self.columns)

    def predict_vectors(self, table: Any) -> dict[str, np.ndarray]:
        """Predict quantiles and slopes, by a graph that was exported with them.

        Parameters
        ----------
        table : dict, data frame, Table, structured array or Stars
            As for `predict`.

        Returns
        -------
        vectors : dict of ndarray
            ``*_QUANTILES`` of shape (n_stars, n_levels), at the levels ``card["quantile_levels"]``, of ABS_MAG,
            DISTANCE, and each mass and age; ``*_SLOPES`` of shape (n_stars, 5), the derivatives of ABS_MAG and the
            masses by the labels, 0 where there are none.

        Raises
        ------
        InputError
            If the graph has no quantiles.

        Examples
        --------
        >>> import skdistmass
        >>> model = skdistmass.load_pretrained("kepler-giants-quantiles")
        >>> stars = {"TEFF": [4750.0], "LOGG": [2.5], "M_H": [-0.1], "C_FE": [-0.1], "N_FE": [0.2]}
        >>> model.predict_vectors(stars)["MASS_QUANTILES"].shape
        (1, 71)
        """
        names = [name for name in self.outputs if self._widths[name]]
        if not names:
            raise InputError(f"{self!r} has no quantiles; export the model with quantiles=True (--quantiles).")
        return self._run(self.read(table), names)

    def predict_columns(self, stars: Any, *, out_of_fold: bool = True) -> dict[str, np.ndarray]:
        """Predict the columns of a catalogue for stars of a survey.

        Parameters
        ----------
        stars : skdistmass.surveys.Stars
            The stars.
        out_of_fold : bool, default=True
            Without effect: a file holds no out-of-fold predictions. `DistMassModel.predict` has them.

        Returns
        -------
        catalog : dict of ndarray
            As from `predict`; but where a graph without inputs for errors assumes one for the extinction, intervals of
            DISTANCE have that of the stars (A_K_ERR).

        Raises
        ------
        ColumnError
            If TEFF, LOGG or M_H is absent.
        """
        catalog = self._run(self._read_stars(stars), self.columns)
        error = stars.floats("A_K_ERR")
        if "EXTINCTION_ERR" not in self.inputs and "DISTANCE_LO" in catalog and np.any(error > 0):
            assumed = self.card.get("training_cuts", {}).get("extinction_error", EXTINCTION_ERR)
            ends = {n: catalog[n] for n in ("DISTANCE_LO", "DISTANCE_HI", "DISTANCE_LO95", "DISTANCE_HI95")}
            extra = np.where(error > 0, error**2 - assumed**2, 0.0)
            low, high, *wide = widened_interval(catalog["DISTANCE"], np.stack(list(ends.values())), extra)
            catalog |= dict(zip(ends, (low, high, *wide), strict=True), DISTANCE_ERR=0.5 * (high - low))
        return catalog

    def _run(self, columns: Mapping[str, np.ndarray], names: list[str]) -> dict[str, np.ndarray]:
        n_stars = len(next(iter(columns.values())))
        catalog: dict[str, np.ndarray] = {n: np.empty((n_stars, *self._widths[n]), self._types[n]) for n in names}

        def run(start: int) -> None:
            rows = slice(start, start + _CHUNK)
            try:
                found = self._session.run(names, {name: _padded(c[rows]) for name, c in columns.items()})
                for column, values in zip(catalog.values(), found, strict=True):
                    column[rows] = values[: len(column[rows])]
            except MemoryError:
                raise
            except Exception as error:  # onnxruntime has many types
                raise FileFormatError(f"the graph of {self!r} can't be computed: {shortened(error)}") from error

        starts = range(0, n_stars, _CHUNK)
        threads = self._threads or _threads_here()
        if threads == 1 or len(starts) <= 1:
            for start in starts:
                run(start)
        else:
            with ThreadPoolExecutor(threads) as pool:
                list(pool.map(run, starts))
        return catalog

    def predict_chunks(self, tables: Iterable[Any]) -> Iterator[dict[str, np.ndarray]]:
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

    def read(self, table: Any) -> dict[str, np.ndarray]:
        """Read a graph's inputs from a table, in their units; NaN where missing.

        Parameters
        ----------
        table : dict, data frame, Table, structured array or Stars
            As for `predict`.

        Returns
        -------
        columns : dict of ndarray
            By name of the input, of type `dtype`.
        """
        if hasattr(table, "with_metallicity"):
            return self._read_stars(table)
        if not is_table(table):
            raise InputError(
                f"a table with named columns is needed, not {type(table).__name__}; give a dict of "
                f"{', '.join(self.inputs[:7])}."
            )
        if isinstance(table, Mapping):
            table = {name: np.atleast_1d(column) if np.ndim(column) == 0 else column for name, column in table.items()}
        names = [n for n in LABEL_NAMES if n in LABEL_NAMES[:3] or find_column(table, n, required=False)]
        metallicity = find_column(table, self.card.get("metallicity", "M_H"), required=False)
        found = read_labels(table, names, prefer={"M_H": metallicity} if metallicity is not None else {})
        n_stars = len(found.values)
        columns = dict(zip(names, found.values.T, strict=True))
        for name in self.inputs:
            if name not in columns:
                columns[name] = self._read_optional(table, name, found.columns, n_stars)
        return self._as_inputs(columns)

    def _read_stars(self, stars: Any) -> dict[str, np.ndarray]:
        """Read the inputs from the record of a survey, whose units are those of the graph."""
        stars = stars.with_metallicity(self.card.get("metallicity", "M_H"))
        columns = {name: stars[name] for name in LABEL_NAMES[:3]}
        for name in self.inputs[3:]:
            columns[name] = stars.floats(_PHOTOMETRY.get(name, (name,))[0])
        return self._as_inputs(columns)

    def _as_inputs(self, columns: Mapping[str, np.ndarray]) -> dict[str, np.ndarray]:
        return {name: np.ascontiguousarray(columns[name], dtype=self.dtype) for name in self.inputs}

    def _read_optional(self, table: Any, name: str, label_columns: Mapping[str, str], n_stars: int) -> np.ndarray:
        label = name.removesuffix("_ERR")
        unit: str | None = "mag"
        # A survey's own name comes first, as in `DistMassModel.predict`.
        candidates = [*_PHOTOMETRY.get(name, ()), name]
        if label in LABEL_NAMES:
            unit = error_unit(label) if name != label else None
            candidates = [f"{label_columns[label]}_ERR" if name != label and label in label_columns else name]
        present = [c for c in candidates if find_column(table, c, required=False) is not None]
        if not present:
            return np.full(n_stars, np.nan)
        column = find_column(table, present[0])
        values = as_floats(table[column], unit, name=column)
        if values.shape != (n_stars,):
            raise InputError(f"column {column} has shape {values.shape}; the labels have {n_stars} rows.")
        return values

    def unit(self, name: str) -> str | None:
        """Unit of an output, in astropy's notation; None if it has none.

        Raises
        ------
        ColumnError
            If there is no such output.
        """
        return self._schema(name).unit

    def description(self, name: str) -> str:
        """What an output is, in words; see `unit`."""
        return self._schema(name).description

    def _schema(self, name: str) -> Any:
        if name not in self.outputs:
            raise ColumnError(f"the model has no output {name}; it has {', '.join(self.outputs)}.")
        return describe(name)

    def describe(self) -> str:
        """Return the model card as text, for people to read."""
        return "\n".join(card_lines(self.card))


def _padded(column: np.ndarray) -> np.ndarray:
    """Repeat the last row up to a multiple of `_MULTIPLE` rows."""
    short = -len(column) % _MULTIPLE
    return np.concatenate([column, np.repeat(column[-1:], short)]) if short else column
