"""Does a survey look as if its labels were on another scale than the model's?"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from skdistmass.estimators.label_calibration.constraint_calibration import prior_widths
from skdistmass.estimators.label_calibration.constraints import Constraint, Prediction, predictor
from skdistmass.estimators.label_calibration.linear_constraints import full_errors, linearise
from skdistmass.estimators.label_calibration.robust_fit import robust_fit
from skdistmass.labels import LABEL_NAMES
from skdistmass.tables import as_floats

__all__ = ["ScaleShift", "find_scale_shift"]

# Difference of improvements below which two labels explain the constraints equally well: two standard errors.
_ALIKE = 4.0
_FARTHEST = 5.0  # of what is usual, so 0.5 dex and 500 K: no survey's labels are off by more
_N_STEPS = 1  # from the first estimate of a shift on
_WORDS = {"TEFF": "Teff", "LOGG": "log g", "M_H": "[M/H]", "C_FE": "[C/Fe]", "N_FE": "[N/Fe]"}


@dataclass(frozen=True)
class ScaleShift:
    """A likely shift of one label's scale.

    Attributes
    ----------
    label : str
        The label whose shift explains the constraints best.
    size, error : float
        By how much it is too high, and the error of that; in its unit.
    improvement : float
        By how much the misfit (as chi^2) falls with it, less the square of the shift in units of what is usual (0.1
        dex, 100 K).
    distance, mass, age : float
        What it does to the median star: relative change of distance and mass, change of log10 age; NaN where no model
        was given.
    others : tuple of (str, float, float, float)
        Label, size, error and improvement of each label alone, the best first. Labels with nearly the same improvement
        explain the constraints equally well.
    """

    label: str
    size: float
    error: float
    improvement: float
    distance: float
    mass: float
    age: float
    others: tuple[tuple[str, float, float, float], ...]

    def message(self) -> str:
        """Return a sentence for a report; a second one names other labels that explain it as well."""
        text = self._words(self.label, self.size, self.error)
        effects = [
            f"{name} {100 * value:+.1f} %"
            for name, value in (("distances", self.distance), ("masses", self.mass))
            if np.isfinite(value)
        ]
        effects += [f"ages {self.age:+.3f} dex"] * bool(np.isfinite(self.age))
        text += f": {', '.join(effects)}." if effects else "."
        alike = [other for other in self.others[1:] if self.improvement - other[3] < _ALIKE]
        if alike:
            text += f" As likely: {', or '.join(self._words(*other[:3]) for other in alike)}."
        return text

    @staticmethod
    def _words(label: str, size: float, error: float) -> str:
        digits, unit = (0, "K") if label == "TEFF" else (3, "dex")
        side = "high" if size > 0 else "low"
        return f"{_WORDS.get(label, label)} looks {abs(size):.{digits}f} +- {error:.{digits}f} {unit} too {side}"


def find_scale_shift(
    X: ArrayLike,
    constraints: Sequence[Constraint],
    *,
    names: Sequence[str] = LABEL_NAMES,
    abs_mag: Any = None,
    mass: Any = None,
    log_age: Prediction | None = None,
    min_significance: float = 3.0,
) -> ScaleShift | None:
    """Find the one label whose constant shift explains best where constraints do not hold.

    Parameters
    ----------
    X : array-like of shape (n_stars, n_labels)
        Labels.
    constraints : sequence of Constraint
        About the same stars: `parallax_constraint`, `clump_constraint`, `label_distribution_constraints` and so on.
    names : sequence of str, default=LABEL_NAMES
        Names of the labels.
    abs_mag, mass : regressor or callable, optional
        The model's M_K and mass, for the effect of the shift.
    log_age : callable, optional
        Takes labels and returns log10 ages.
    min_significance : float, default=3.0
        Smallest ratio of the shift to its error, and smallest square root of the improvement, that is reported.

    Returns
    -------
    shift : ScaleShift or None
        None if no label's shift is significant.

    Notes
    -----
    One constraint cannot tell labels apart: M_K that is too bright may be a log g too low or a Teff too high. `others`
    lists what each label alone would need.

    Examples
    --------
    >>> import numpy as np
    >>> from skdistmass.estimators.label_calibration import find_scale_shift, seismic_gravity_constraint
    >>> rng = np.random.default_rng(0)
    >>> logg = rng.uniform(1.5, 3.3, 400)
    >>> X = np.column_stack([np.full(400, 4800.0), logg + 0.05 + rng.normal(scale=0.02, size=400), np.zeros(400)])
    >>> seismic = seismic_gravity_constraint(logg, np.full(400, 0.01))
    >>> find_scale_shift(X, [seismic], names=("TEFF", "LOGG", "M_H")).message()
    'log g looks 0.050 +- 0.005 dex too high.'
    """
    X = as_floats(X, name="X")
    steps = prior_widths(X, names)
    found = _single_shifts(X, constraints, steps, names)
    # Both the error and the improvement must say so: what groups share is in the second in full.
    if not found or min(abs(found[0][1]) / found[0][2], max(found[0][3], 0.0) ** 0.5) < min_significance:
        return None
    label, size, size_err, improvement = found[0]
    shift = size * (np.array(names) == label)
    for _ in range(_N_STEPS):  # the model is not linear
        again = _single_shifts(X - shift, constraints, steps, names, only=label)
        if not again:  # so far off that no star can be compared any more
            break
        size, size_err = size + again[0][1], again[0][2]
        shift = size * (np.array(names) == label)
    if abs(size) < min_significance * size_err:
        return None
    distance, relative, age = _effects(X, shift, names, abs_mag, mass, log_age)
    found[0] = label, size, size_err, improvement
    return ScaleShift(label, size, size_err, improvement, distance, relative, age, tuple(found))


def _single_shifts(X, constraints, steps, names, only=None):
    """Return label, size, error and improvement of the shift of each label alone, the best first."""
    linear = linearise(X, constraints, 1e-2 * steps)
    if not len(linear.rows):
        return []
    error = full_errors(linear)
    groups = np.unique(linear.rows, return_inverse=True)[1]
    free = robust_fit(linear.offsets, linear.residual, error, groups, linear.offset_precision)
    before = _misfit(linear, error, linear.offsets, free.coef, linear.offset_precision)
    found, slopes = [], linear.mean_slopes
    for number, name in enumerate(names):
        own = slopes[:, [number]]
        if not own.any() or only not in (None, name):
            continue
        design = np.hstack([own, linear.offsets])
        precision = np.concatenate([[0.0], linear.offset_precision])
        fit = robust_fit(design, linear.residual, error, groups, precision)
        # Constraints may hang on a label by a trifle: how unusual its shift is counts as well.
        if abs(fit.coef[0]) > _FARTHEST * steps[number]:
            continue
        after = _misfit(linear, error, design, fit.coef, precision) + float(fit.coef[0] / steps[number]) ** 2
        found.append((name, -float(fit.coef[0]), float(np.sqrt(fit.covariance[0, 0])), before - after))
    return sorted(found, key=lambda item: -item[3])


def _misfit(linear, error, design, coef, precision):
    """Twice the negative logarithm of Student's t likelihood with 4 degrees of freedom, and of the prior."""
    square = ((linear.residual - design @ coef) / np.maximum(error, 1e-12)) ** 2
    return float(5.0 * np.log1p(square / 4.0).sum() + (precision * coef**2).sum())


def _effects(X: NDArray[np.float64], shift, names, abs_mag, mass, log_age):
    """Median effects of the shift on distance, mass and age of the stars."""
    distance = relative = age = np.nan
    right = X - shift
    if abs_mag is not None:
        predict = predictor(abs_mag, names)
        distance = _median(10.0 ** (-0.2 * (predict(X) - predict(right))) - 1.0)
    if mass is not None:
        predict = predictor(mass, names)
        relative = _median(predict(X) / predict(right) - 1.0)
    if log_age is not None:
        age = _median(np.asarray(log_age(X)) - np.asarray(log_age(right)))
    return distance, relative, age


def _median(values):
    values = values[np.isfinite(values)]
    return float(np.median(values)) if len(values) else np.nan
