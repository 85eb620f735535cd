"""Models on disk, without pickle: skops stores the estimators as data and loads only types named here."""

import os
import zipfile
from pathlib import Path

import numpy as np
from sklearn.utils.validation import check_is_fitted

from skdistmass.estimators.ages import IsochroneAgeTransformer
from skdistmass.exceptions import DistMassError, FileFormatError
from skdistmass.isochrones.giant_ages.relation import GiantAgeRelation
from skdistmass.model.distmass import DistMassModel

__all__ = ["load_model", "save_model"]

FORMAT = "skdistmass model"
FORMAT_VERSION = 1
# Types that a model file may hold, besides those of numpy and scikit-learn that skops itself trusts.
TRUSTED = [
    "skdistmass.estimators.label_density.LabelDensity",
    "skdistmass.estimators.abs_mag.AbsMagRegressor",
    "skdistmass.estimators.binaries.BinaryResidualFilter",
    "skdistmass.estimators.cn_mass.CNMassRegressor",
    "skdistmass.estimators.label_regressor.LabelRegressor",
    "skdistmass.surveys.training_sets.TrainingCuts",
    "skdistmass.estimators.training_space.TrainingSpace",
    "skdistmass.uncertainty.conformal.ConformalErrors",
    "skdistmass.uncertainty.paper.PaperErrors",
]


def save_model(model, path):
    """Write a fitted model to a file; see `skdistmass.DistMassModel.save`."""
    import skops.io

    check_is_fitted(model, "abs_mag_")
    state = {name: value for name, value in vars(model).items() if name not in ("age", "age_")}
    relation = model.age_.relation or GiantAgeRelation.default()
    content = {
        "format": FORMAT,
        "format_version": FORMAT_VERSION,
        "age_parameters": {k: v for k, v in model.age_.get_params(deep=False).items() if k != "relation"},
        "age_relation": [
            np.array(relation.mass_knots),
            np.array(relation.feh_knots),
            np.array(relation.log_age_knots),
            relation.name,
            dict(relation.meta),
        ],
        "state": state,
    }
    path = Path(path)
    partial = path.with_name(path.name + ".part")
    try:
        skops.io.dump(content, partial, compression=zipfile.ZIP_DEFLATED)
        os.replace(partial, path)
    except OSError as error:
        raise DistMassError(f"the model can't be written to {path}: {error.strerror or error}.") from error
    finally:
        partial.unlink(missing_ok=True)


def load_model(path):
    """Read a model written by `DistMassModel.save`.

    Nothing of the file is executed: it holds arrays and parameters, and only the types of this package, scikit-learn
    and numpy are rebuilt from them. A file that names any other type is refused.

    Parameters
    ----------
    path : path-like
        The file.

    Returns
    -------
    model : DistMassModel
        Fitted.

    Raises
    ------
    FileFormatError
        If there is no such file, or it is not a model, damaged, or of a format version this package doesn't know.

    Examples
    --------
    >>> from skdistmass import load_model
    >>> load_model("no-such-file")
    Traceback (most recent call last):
      ...
    skdistmass.exceptions.FileFormatError: no-such-file can't be read: No such file or directory.
    """
    import skops.io
    from skops.io.exceptions import UntrustedTypesFoundException

    path = Path(path)
    try:
        content = skops.io.load(path, trusted=TRUSTED)
    except OSError as error:
        raise FileFormatError(f"{path} can't be read: {error.strerror or error}.") from error
    except UntrustedTypesFoundException as error:
        raise FileFormatError(
            f"{path} names types that no model of skdistmass holds, and is refused: {error}"
        ) from error
    except Exception as error:  # skops meets damage with whatever its readers of zip, JSON and arrays raise
        raise FileFormatError(
            f"{path} is not a model of skdistmass, or is damaged ({type(error).__name__}: {error}); train it again or "
            "fetch a fresh copy."
        ) from error
    if not isinstance(content, dict) or content.get("format") != FORMAT:
        raise FileFormatError(f"{path} is not a model of skdistmass.")
    if content.get("format_version") != FORMAT_VERSION:
        raise FileFormatError(
            f"{path} has the format version {content.get('format_version')!r}; this release reads version "
            f"{FORMAT_VERSION}. Use the release of skdistmass that wrote it, or train the model again."
        )
    try:
        return _rebuild(content)
    except (KeyError, TypeError, ValueError) as error:
        raise FileFormatError(f"{path} is a model of skdistmass with a part missing or damaged: {error!r}.") from error


def _rebuild(content):
    model = DistMassModel()
    vars(model).update(content["state"])
    mass, feh, log_age, name, meta = content["age_relation"]
    relation = GiantAgeRelation(mass, feh, log_age, name, meta)
    model.age = model.age_ = IsochroneAgeTransformer(relation, **content["age_parameters"])
    return model
