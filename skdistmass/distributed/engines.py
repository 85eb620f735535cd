"""`FramePredictor` on the partitions of LSDB, Dask and Ray: lazily, with the columns and types told in advance."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

from skdistmass._version import __version__
from skdistmass.catalog.provenance import posterior_cards, settings_cards
from skdistmass.distributed.frames import FramePredictor
from skdistmass.distributed.model_file import ModelFile
from skdistmass.exceptions import ColumnError, InputError

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["predict_catalog", "predict_dask", "predict_ray", "predictor_of", "properties_of"]


def predict_catalog(catalog: Any, model: Any, *, keep: Iterable[str] = (), **settings: Any) -> Any:
    """Predict the columns of a catalogue for a catalogue of LSDB.

    Nothing is computed until the result is: cone searches, column filters and cross-matches of LSDB can come before or
    after, and only the columns that are needed are read.

    Parameters
    ----------
    catalog : lsdb.Catalog
        With the column names of any known layout.
    model : Predictor, str or path-like
        A trained model, its file, or the name of one that comes with the package. With many partitions give the file
        or the name: they travel as a few bytes.
    keep : iterable of str, optional
        Columns of `catalog` to keep, besides its positions.
    **settings
        `columns`, `extinction`, `parallax_zero_point`, `out_of_fold`, `calibration`, `posterior`, `layout`, `units` of
        `FramePredictor`. Units that the Parquet schema states are known.

    Returns
    -------
    catalog : lsdb.Catalog
        The same partitions, and those of the margin cache if there is one, with the positions, the columns of `keep`,
        and those of the catalogue. Model, version and settings are in its properties, and in those of its files when
        it is written.

    Raises
    ------
    ColumnError, InputError, FileFormatError
        As `FramePredictor`. What is wrong with the values of a partition is found when it is computed; LSDB raises a
        RuntimeError then, which names the pixel.

    Examples
    --------
    >>> import pytest
    >>> lsdb = pytest.importorskip("lsdb")
    >>> import pandas as pd
    >>> from skdistmass.distributed import predict_catalog
    >>> stars = lsdb.from_dataframe(pd.DataFrame({"ra": [10.0], "dec": [20.0], "TEFF": [4750.0], "LOGG": [2.5],
    ...                                           "M_H": [-0.1], "K": [10.0], "A_K": [0.05]}))
    >>> list(predict_catalog(stars, "kepler-giants", columns=["DISTANCE"]).columns)
    ['ra', 'dec', 'DISTANCE']
    """
    predictor = predictor_of(catalog, model, keep, settings)
    chosen = catalog[predictor.needed]
    found = chosen.map_partitions(predict_partition, predictor, meta=predictor.meta(chosen.meta), include_pixel=True)
    for part in (found,) if found.margin is None else (found, found.margin):
        about = part.hc_structure.catalog_info
        part.hc_structure.catalog_info = about.copy_and_update(**properties_of(predictor))
    return found


def predictor_of(catalog: Any, model: Any, keep: Iterable[str], settings: dict[str, Any]) -> FramePredictor:
    """Return what predicts the partitions of a catalogue of LSDB."""
    info = catalog.hc_structure.catalog_info
    kept = dict.fromkeys([info.ra_column, info.dec_column, *_checked(keep)])
    settings = settings | {"units": {**_units(catalog), **settings.get("units", {})}}
    return FramePredictor(model, list(catalog.columns), keep=kept, dtype_backend="pyarrow", **settings)


def _checked(keep: Iterable[str]) -> Iterable[str]:
    if isinstance(keep, str):
        raise InputError(f"keep is the text {keep!r}; give a list of names.")
    return keep


def predict_partition(frame: pd.DataFrame, pixel: Any, predictor: FramePredictor) -> pd.DataFrame:
    """Predict for a partition of a HATS catalogue; LSDB names the pixel in an error if a function takes it."""
    return predictor(frame)


def _units(catalog: Any) -> dict[str, str]:
    """Return the units that the Parquet schema of a HATS catalogue states."""
    schema = catalog.hc_structure.original_schema or catalog.hc_structure.schema
    units = {}
    for column in schema or ():
        stated = {key.lower(): value for key, value in (column.metadata or {}).items()}
        unit = stated.get(b"unit") or stated.get(b"units")
        if unit:
            units[column.name] = unit.decode("utf-8", "replace")
    return units


def properties_of(predictor: FramePredictor) -> dict[str, str]:
    """Return what the properties of a catalogue say of model, version and settings, as a catalogue's header does."""
    model = predictor.model
    about = {"skdmvers": __version__}
    if isinstance(model, ModelFile):
        about |= {"model": model.name.replace("\\", "/").rpartition("/")[2], "modelsha": model.sha256}
    else:
        about["model"] = str(model.card.get("name", type(model).__name__))
    trained = predictor.predictor().card.get("versions", {}).get("trained_with")
    about |= {"modelver": str(trained)} if trained else {}
    settings = predictor.extinction, predictor.parallax_zero_point, None, predictor.out_of_fold, predictor.calibration
    cards = settings_cards(*settings) + posterior_cards(predictor.posterior)
    about |= {keyword.lower(): str(value) for keyword, value, _ in cards}
    return {f"skdistmass_{key}": value for key, value in about.items()}


def predict_dask(frame: Any, model: Any, **settings: Any) -> Any:
    """Predict the columns of a catalogue for a Dask DataFrame.

    Parameters
    ----------
    frame : dask.dataframe.DataFrame
        With the column names of any known layout.
    model : Predictor, str or path-like
        As for `predict_catalog`.
    **settings
        As for `predict_frame`.

    Returns
    -------
    catalog : dask.dataframe.DataFrame
        With the partitions, the divisions and the index of `frame`; not computed yet.

    Examples
    --------
    >>> import pytest
    >>> dd = pytest.importorskip("dask.dataframe")
    >>> import pandas as pd
    >>> from skdistmass.distributed import predict_dask
    >>> stars = pd.DataFrame({"TEFF": [4750.0] * 4, "LOGG": [2.5] * 4, "M_H": [-0.1] * 4})
    >>> found = predict_dask(dd.from_pandas(stars, npartitions=2), "kepler-giants", columns=["ABS_MAG"])
    >>> found.npartitions, len(found.compute())
    (2, 4)
    """
    if not hasattr(frame, "map_partitions") or not hasattr(frame, "divisions"):
        raise InputError(f"a Dask DataFrame is needed, not {type(frame).__name__}.")
    predictor = FramePredictor(model, list(frame.columns), **settings)
    chosen = frame[predictor.needed]
    return chosen.map_partitions(_call, predictor, meta=predictor.meta(chosen._meta), enforce_metadata=True)


def _call(frame: pd.DataFrame, predictor: FramePredictor) -> pd.DataFrame:
    return predictor(frame)


def predict_ray(dataset: Any, model: Any, *, batch_size: int = 20_000, **settings: Any) -> Any:
    """Predict the columns of a catalogue for a dataset of Ray.

    Parameters
    ----------
    dataset : ray.data.Dataset
        With the column names of any known layout.
    model : Predictor, str or path-like
        As for `predict_catalog`.
    batch_size : int, default=20_000
        Rows worked on at a time.
    **settings
        As for `predict_frame`.

    Returns
    -------
    catalog : ray.data.Dataset
        Not computed yet.

    Raises
    ------
    ColumnError
        If the dataset has no columns.
    """
    schema = dataset.schema()
    if schema is None:
        raise ColumnError("the dataset has no columns.")
    predictor = FramePredictor(model, schema.names, dtype_backend="pyarrow", **settings)
    chosen = dataset.select_columns(predictor.needed)
    return chosen.map_batches(predictor.on_arrow, batch_format="pyarrow", batch_size=batch_size)
