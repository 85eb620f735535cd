"""From a piece of a survey as a data frame to the same piece of the catalogue: what every engine runs."""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np

from skdistmass.catalog.rows import catalog_columns
from skdistmass.catalog.writers.fits import is_nullable
from skdistmass.catalog.writers.parquet import arrow_array
from skdistmass.distributed.model_file import ModelFile
from skdistmass.estimators.label_calibration import as_calibration
from skdistmass.exceptions import ColumnError, InputError
from skdistmass.extinction import ExtinctionChoice
from skdistmass.labels import LABEL_NAMES
from skdistmass.model import Predictor, StoredPosterior
from skdistmass.schema.columns import CatalogColumn
from skdistmass.surveys.formats.arrow import arrow_column
from skdistmass.surveys.layout import Layout, load_layout
from skdistmass.surveys.parallax import check_zero_point
from skdistmass.surveys.plan import make_plan
from skdistmass.surveys.reader import as_stars
from skdistmass.surveys.stars import Stars
from skdistmass.tables import check_names

if TYPE_CHECKING:
    import pandas as pd
    import pyarrow as pa

__all__ = ["FramePredictor", "frame_meta", "predict_frame"]

_CHUNK = 20_000  # rows at a time, as in `build_catalog`: the memory does not grow with the partition
_BACKENDS = ("numpy", "pyarrow")


@dataclass(frozen=True)
class FramePredictor:
    """A model and its settings, ready for pieces of one table: call it with a data frame.

    It can be pickled and has a Dask token that depends on its content alone. All pieces are read by one layout, found
    from `names`, so that they give the same columns whatever is in them.

    Parameters
    ----------
    model : Predictor, str or path-like
        A loaded model; or its file, or the name of one that comes with the package. A file travels as name and
        checksum, and each process loads it once; a loaded model travels with every task.
    names : iterable of str
        Columns of the table, of any layout that `skdistmass.surveys.list_layouts` knows.
    columns : iterable of str, optional
        Columns of the catalogue to return; by default all.
    keep : iterable of str, optional
        Columns of the table to return as they are, before those of the catalogue: identifiers, positions.
    extinction : ExtinctionChoice, optional
        How A_K is chosen; by default as in section 2 of the paper.
    parallax_zero_point : {"model", "lindegren", "none"} or float, default="model"
        See `skdistmass.surveys.parallax.correct_parallaxes`.
    out_of_fold : bool, default=True
        Whether stars that the model was trained on get predictions from networks that had not seen them.
    calibration : LabelCalibration, ConstraintCalibration or path-like, optional
        Brings the labels to the model's scale, as in `skdistmass.build_catalog`.
    posterior : {"quantiles", "summary", "draws"} or StoredPosterior, optional
        Return the joint posteriors as well, as in `skdistmass.build_catalog`: vectors are lists, of Arrow's type. The
        draws of a star do not depend on the piece it is in.
    layout : str, path-like or Layout, optional
        Layout of the table; by default the one that `names` show.
    units : mapping of str, optional
        Units of columns, where they are not those of the layout.
    dtype_backend : {"numpy", "pyarrow"}, default="numpy"
        Types of the columns. With NumPy's, integers and truth values that may be missing are pandas' nullable ones.

    Attributes
    ----------
    needed : list of str
        Columns of the table that are read; those of `keep` come first.
    schema : tuple of CatalogColumn
        Columns of the catalogue that are returned.

    Raises
    ------
    ColumnError
        If a label is absent, a name of `columns` or `keep` does not exist, or one of `keep` is also one of `columns`.
    InputError, FileFormatError
        If another parameter can't be used, or there is no such model.

    Examples
    --------
    >>> import pandas as pd
    >>> from skdistmass.distributed import FramePredictor
    >>> stars = pd.DataFrame({"source_id": [7], "TEFF": [4750.0], "LOGG": [2.5], "M_H": [-0.1], "C_FE": [-0.1],
    ...                       "N_FE": [0.2], "K": [10.0], "A_K": [0.05]})
    >>> predictor = FramePredictor("kepler-giants", stars.columns, columns=["DISTANCE", "MASS"], keep=["source_id"])
    >>> predictor(stars).round(1)
       source_id  DISTANCE  MASS
    0          7       2.0   1.3
    """

    model: Any
    names: Any
    columns: Any = None
    keep: Any = ()
    extinction: ExtinctionChoice = field(default_factory=ExtinctionChoice)
    parallax_zero_point: str | float = "model"
    out_of_fold: bool = True
    calibration: Any = None
    posterior: Any = None
    layout: Any = None
    units: Mapping[str, str] = field(default_factory=dict)
    dtype_backend: str = "numpy"
    needed: list[str] = field(init=False)
    schema: tuple[CatalogColumn, ...] = field(init=False)

    def __post_init__(self) -> None:
        if isinstance(self.model, str | os.PathLike):
            self._set(model=ModelFile.of(self.model))
        elif not isinstance(self.model, Predictor | ModelFile):
            raise InputError(f"the model is {type(self.model).__name__}; give a trained model, its file or its name.")
        if not isinstance(self.extinction, ExtinctionChoice):
            raise InputError(f"extinction is {self.extinction!r}; give an ExtinctionChoice.")
        if self.dtype_backend not in _BACKENDS:
            raise InputError(f"dtype_backend is {self.dtype_backend!r}; give 'numpy' or 'pyarrow'.")
        check_zero_point(self.parallax_zero_point)
        if self.calibration is not None:
            self._set(calibration=as_calibration(self.calibration))
        self._set(posterior=StoredPosterior.of(self.posterior))
        names = [str(name) for name in self.names]
        check_names(names)
        given = self.layout
        plan = make_plan(names, given if given is None or isinstance(given, Layout) else load_layout(given))
        there = {*plan.sources, "M_H"} if "FE_H" in plan.sources else set(plan.sources)
        absent = [name for name in LABEL_NAMES[:3] if name not in there]
        if absent:
            raise ColumnError(f"no column for {', '.join(absent)}; the table has {', '.join(names) or 'no columns'}.")
        keep = _names("keep", self.keep, names)
        used = list(dict.fromkeys([*keep, *plan.needed]))
        self._set(names=used, layout=plan.layout, keep=keep, needed=used)
        self._set(units={name: unit for name, unit in dict(self.units).items() if name in used})
        every = {column.name: column for column in self._predict(_nobody())}
        chosen = list(every) if self.columns is None else _names("columns", self.columns, every)
        both = sorted(set(chosen) & set(keep))
        if both:
            raise ColumnError(f"{', '.join(both)} would be there twice: it is in keep and in the catalogue.")
        self._set(columns=chosen, schema=tuple(every[name] for name in chosen))

    def _set(self, **values: Any) -> None:
        for name, value in values.items():
            object.__setattr__(self, name, value)

    def predictor(self) -> Predictor:
        """Return the model, loaded."""
        return self.model.load() if isinstance(self.model, ModelFile) else self.model

    def _predict(self, stars: Stars) -> dict[CatalogColumn, np.ndarray]:
        return catalog_columns(
            stars,
            self.predictor(),
            self.extinction,
            zero_point=self.parallax_zero_point,
            out_of_fold=self.out_of_fold,
            calibration=self.calibration,
            posterior=self.posterior,
        )

    def __call__(self, frame: pd.DataFrame) -> pd.DataFrame:
        """Predict for a piece of the table.

        Parameters
        ----------
        frame : pandas.DataFrame
            With the columns `needed`, at least; it may have no rows.

        Returns
        -------
        catalog : pandas.DataFrame
            With the index of `frame`, its columns of `keep`, and the columns of the catalogue.
        """
        import pandas as pd

        frame = pd.DataFrame(frame)  # LSDB's look for nested columns whenever one is taken
        check_names(list(frame.columns))
        absent = [name for name in self.needed if name not in frame.columns]
        if absent:
            raise ColumnError(f"no column {', '.join(absent)} in this part of the table; all parts need the same.")
        parts = [self._arrays(frame.iloc[start : start + _CHUNK]) for start in range(0, len(frame), _CHUNK)]
        if not parts:
            parts = [self._arrays(None)]
        kept = {name: frame[name] for name in self.keep}
        found = {c.name: self._series(c, [part[c.name] for part in parts], frame.index) for c in self.schema}
        return pd.DataFrame({**kept, **found}, index=frame.index)

    def _arrays(self, frame: pd.DataFrame | None) -> dict[str, pa.Array]:
        """Return the columns of some rows, in Arrow; with None, columns of no rows."""
        if frame is None:
            columns = {column: values[:0] for column, values in self._predict(_nobody()).items()}
        else:
            table = {name: _plain(frame[name], name) for name in self.needed}
            columns = self._predict(as_stars(table, self.layout, units=self.units))
        by_name = {column.name: values for column, values in columns.items()}
        unlike = [c.name for c in self.schema if c.name not in by_name]
        if unlike:
            raise ColumnError(f"the model did not predict {', '.join(unlike)} for these stars; it can't be used.")
        return {column.name: arrow_array(by_name[column.name], column) for column in self.schema}

    def _series(self, column: CatalogColumn, parts: list[pa.Array], index: pd.Index) -> pd.Series:
        import pandas as pd
        import pyarrow as pa

        values = pa.chunked_array(parts)
        if self.dtype_backend == "pyarrow" or column.length:
            return pd.Series(pd.array(values, dtype=pd.ArrowDtype(values.type)), index=index, copy=False)
        return pd.Series(values.to_pandas().array, index=index, dtype=_pandas_type(column), copy=False)

    def meta(self, like: pd.DataFrame) -> pd.DataFrame:
        """Return the frame that a piece without rows gives: names, types and index, as Dask and LSDB ask for.

        Parameters
        ----------
        like : pandas.DataFrame
            With the index and the columns of the table; its rows are not used.
        """
        return self(like.iloc[:0])

    def on_arrow(self, table: pa.Table) -> pa.Table:
        """Predict for a piece of the table in Arrow, as Ray, Polars and DuckDB have it."""
        import pandas as pd
        import pyarrow as pa

        frame = table.select(self.needed).to_pandas(types_mapper=pd.ArrowDtype)
        return pa.Table.from_pandas(self(frame), preserve_index=False).replace_schema_metadata()


def _plain(column: pd.Series, name: str) -> Any:
    """Return a column of Arrow's type as an array, as from a Parquet file; objects of Python would take long."""
    import pandas as pd
    import pyarrow as pa

    if not isinstance(column.dtype, pd.ArrowDtype):
        return column
    return arrow_column(pa.chunked_array(pa.array(column.array)), name)


def _names(what: str, wanted: Iterable[str], known: Iterable[str]) -> list[str]:
    if isinstance(wanted, str):
        raise InputError(f"{what} is the text {wanted!r}; give a list of names.")
    wanted = list(dict.fromkeys(wanted))
    absent = [name for name in wanted if name not in known]
    if absent:
        raise ColumnError(
            f"{what} has {', '.join(map(str, absent))}, which is not there; there are {', '.join(known)}."
        )
    return wanted


def _nobody() -> Stars:
    """Return one star of which nothing is known: it shows the columns that a model predicts."""
    return as_stars({name: np.array([np.nan]) for name in (*LABEL_NAMES, "K", "A_K")})


def _pandas_type(column: CatalogColumn) -> str:
    if column.dtype.startswith("U"):
        return "str"
    if column.dtype == "?":
        return "boolean"
    bits = {"i2": "int16", "i4": "int32"}.get(column.dtype, "float64")
    return bits.capitalize() if is_nullable(column.name) else bits


def predict_frame(frame: pd.DataFrame, model: Any, **settings: Any) -> pd.DataFrame:
    """Predict the columns of a catalogue for a data frame: the numbers of `skdistmass.build_catalog` to the last bit.

    That holds for ONNX models; a `DistMassModel` rounds by the number of rows it gets at a time (about 1e-15).

    Parameters
    ----------
    frame : pandas.DataFrame
        A survey, or a piece of one, with the column names of any known layout, of NumPy's or Arrow's types.
    model : Predictor, str or path-like
        A trained model, its file, or the name of one that comes with the package.
    **settings
        `columns`, `keep`, `extinction`, `parallax_zero_point`, `out_of_fold`, `calibration`, `posterior`, `layout`,
        `units` and `dtype_backend` of `FramePredictor`.

    Returns
    -------
    catalog : pandas.DataFrame
        One row for each of `frame`, with its index.

    Raises
    ------
    ColumnError, UnitError, InputError
        As `FramePredictor`; or if a column can't be used.

    Examples
    --------
    >>> import pandas as pd
    >>> from skdistmass.distributed import predict_frame
    >>> stars = pd.DataFrame({"teff": [4750.0, 4600.0], "logg": [2.5, None], "fe_h": [-0.1, 0.0], "k": [10.0, 11.0],
    ...                       "a_k": [0.05, 0.1]}, index=["a", "b"])
    >>> predict_frame(stars, "kepler-giants", columns=["ABS_MAG", "DISTANCE", "MASS"]).round(2)
       ABS_MAG  DISTANCE  MASS
    a    -1.56       2.0   NaN
    b      NaN       NaN   NaN
    """
    return FramePredictor(model, _names_of(frame), **settings)(frame)


def frame_meta(frame: pd.DataFrame, model: Any, **settings: Any) -> pd.DataFrame:
    """Return what `predict_frame` gives for `frame` without its rows: the `meta` of Dask and LSDB.

    Examples
    --------
    >>> import pandas as pd
    >>> from skdistmass.distributed import frame_meta
    >>> stars = pd.DataFrame({"TEFF": [4750.0], "LOGG": [2.5], "M_H": [-0.1]})
    >>> frame_meta(stars, "kepler-giants", columns=["MASS", "FLAGS"]).dtypes.astype(str).to_dict()
    {'MASS': 'float64', 'FLAGS': 'int32'}
    """
    return FramePredictor(model, _names_of(frame), **settings).meta(frame)


def _names_of(frame: Any) -> list[str]:
    if not hasattr(frame, "iloc"):
        raise InputError(f"a pandas DataFrame is needed, not {type(frame).__name__}.")
    return list(frame.columns)
