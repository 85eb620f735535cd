"""Calibrations from two survey tables, whose stars in common are found as tables are joined in training."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from skdistmass.estimators.label_calibration.common_stars import LabelCalibration
from skdistmass.estimators.star_keys import star_groups
from skdistmass.exceptions import ColumnError
from skdistmass.labels import LABEL_NAMES
from skdistmass.surveys.join import IDENTIFIERS, join
from skdistmass.surveys.stars import Stars
from skdistmass.surveys.training_sets import bad_stars

__all__ = ["fit_common_stars"]

_KEPT = {"RA", "DEC", *(name for names in IDENTIFIERS.values() for name in names)}
_TARGET = "TO_"  # before the names of the labels on the target scale


def fit_common_stars(
    stars: Stars,
    target: Stars,
    *others: Stars,
    form: str = "auto",
    match_radius: float | None = None,
    ambiguous: str = "error",
    random_state: int | None = None,
) -> tuple[LabelCalibration, tuple[str, ...]]:
    """Calibrate the labels of one table on the stars that it has in common with another.

    Parameters
    ----------
    stars : Stars
        With labels on the scale to be calibrated.
    target : Stars
        With labels on the target scale, of any layout.
    *others : Stars
        Tables of identifiers that connect the two.
    form : {"auto", "constant", "linear", "smooth"}, default="auto"
        As for `LabelCalibration`.
    match_radius, ambiguous
        As for `skdistmass.surveys.join`.
    random_state : int, optional
        As for `LabelCalibration`.

    Returns
    -------
    calibration : LabelCalibration
        Of the labels that both have. Stars that their survey calls bad are left out; label errors are used if known.
    report : tuple of str
        How the stars were found.

    Raises
    ------
    ColumnError
        If one of them lacks Teff, log g or the metallicity.
    InputError
        If they share no identifier, or too few stars.

    Examples
    --------
    >>> import numpy as np
    >>> from skdistmass.estimators.label_calibration import fit_common_stars
    >>> from skdistmass.surveys import as_stars
    >>> rng = np.random.default_rng(0)
    >>> logg = rng.uniform(1, 3.3, 100)
    >>> new = {"KIC": np.arange(1, 101), "TEFF": 3600 + 450 * logg, "LOGG": logg, "M_H": rng.normal(0, 0.2, 100)}
    >>> old = new | {"LOGG": logg + 0.1, "KIC": np.arange(51, 151)}
    >>> calibration, report = fit_common_stars(as_stars(old), as_stars(new | {"LOGG": logg}), random_state=0)
    >>> report
    ('a table: 50 of 100 rows matched by KIC, 50 left; 50 of 100 stars have it',)
    """
    if "FE_H" in (stars.metallicity, target.metallicity):
        stars, target = stars.with_metallicity("FE_H"), target.with_metallicity("FE_H")
    names = [name for name in LABEL_NAMES if name in stars and name in target]
    for table in (stars, target):
        absent = [name for name in LABEL_NAMES[:3] if name not in table]
        if absent:
            raise ColumnError(f"{table.source or 'a table'} has no {', '.join(absent)}, which a calibration needs.")
    wanted = {column: f"{_TARGET}{column}" for name in names for column in (name, f"{name}_ERR") if column in target}
    bad = bad_stars(target)
    columns = {name: target[name] for name in _KEPT if name in target}
    columns |= {new: np.where(bad, np.nan, target[name]) for name, new in wanted.items()}
    found = join(
        stars, replace(target, columns=columns, units={}), *others, match_radius=match_radius, ambiguous=ambiguous
    )
    both = found.stars[np.isfinite(found.stars[f"{_TARGET}TEFF"]) & ~bad_stars(found.stars)]
    X, y = ({name: both[f"{before}{name}"] for name in names} for before in ("", _TARGET))
    X_err, y_err = (np.column_stack([both.floats(f"{before}{name}_ERR") for name in names]) for before in ("", _TARGET))
    calibration = LabelCalibration(form=form, labels=names, random_state=random_state)
    return calibration.fit(X, y, X_err, y_err, groups=star_groups(both)), found.report
