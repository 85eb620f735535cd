"""Are the labels of a survey on the scale of a model? What stars with parallaxes, clusters and the clump say of it."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import Any

import numpy as np
from numpy.typing import NDArray

from skdistmass.estimators.label_calibration import (
    Constraint,
    ConstraintCalibration,
    ScaleShift,
    clump_constraint,
    cluster_age_constraint,
    cluster_distance_constraint,
    cluster_metallicity_constraint,
    find_scale_shift,
    label_distribution_constraints,
    mass_constraint,
    parallax_constraint,
    seismic_gravity_constraint,
)
from skdistmass.exceptions import InputError
from skdistmass.labels import LABEL_NAMES, out_of_range
from skdistmass.model.distmass import DistMassModel
from skdistmass.model.networks import value_of
from skdistmass.model.predictor import Predictor, cuts_of
from skdistmass.schema.bits import Space
from skdistmass.schema.columns import mass_columns, scales_of
from skdistmass.surveys.clusters import cluster_distances
from skdistmass.surveys.stars import Stars
from skdistmass.surveys.training_sets import TrainingCuts, bad_stars, reference_distances

__all__ = ["check_scale", "choose_labels", "fit_to_model", "model_constraints"]

Floats = NDArray[np.float64]
#: Stars that a scale is checked on, at the most, and at least.
MOST_STARS, FEWEST_STARS = 3000, 50
_MOST_CALIBRATED = 5000  # stars that a calibration is fitted to
_CLUMP = 2  # EVSTATE
_FEWEST_MEMBERS = 3
_SEISMIC_ERROR = 0.01  # dex: of a seismic log g without an error
#: What holds on any scale, by the names that a user chooses from.
CONSTRAINTS = ("parallax", "clump", "seismic-logg", "mass", "clusters")


def _columns_of(model: Predictor, names: Sequence[str]) -> Callable[[str], Callable[[Floats], Floats]]:
    """Return a function that gives, for a column of a model, the function from labels to it.

    Parameters
    ----------
    model : Predictor
    names : sequence of str
        The labels, in order; the others are missing.

    Returns
    -------
    column : callable
        ``column("ABS_MAG")(X)`` are the model's absolute magnitudes of labels X, shape (n_stars, n_labels).
    """
    metallicity = model.card.get("metallicity", "M_H")

    def unknown(n_stars: int) -> dict[str, Floats]:
        return {name: np.full(n_stars, np.nan) for name in ("K", "A_K")}

    def column(name: str) -> Callable[[Floats], Floats]:
        def predict(X: Floats) -> Floats:
            labels = np.where(out_of_range(X, names), np.nan, X)
            if isinstance(model, DistMassModel):
                all_labels = np.full((len(X), len(LABEL_NAMES)), np.nan)
                all_labels[:, : len(names)] = labels
                return value_of(model, name, all_labels)
            stars = Stars(unknown(len(X)) | dict(zip(names, labels.T, strict=True)), metallicity=metallicity)
            return np.asarray(model.predict_columns(stars, out_of_fold=False)[name], dtype=np.float64)

        return predict

    return column


def choose_labels(stars: Stars) -> tuple[str, ...]:
    """Return the five labels, or the first three if most stars lack carbon or nitrogen."""
    labels = np.isfinite(stars.labels)
    five, three = labels.all(axis=1), labels[:, :3].all(axis=1)
    return LABEL_NAMES if 2 * np.count_nonzero(five) >= np.count_nonzero(three) else LABEL_NAMES[:3]


def model_constraints(
    model: Predictor,
    stars: Stars,
    names: Sequence[str] = LABEL_NAMES,
    *,
    kinds: Sequence[str] = CONSTRAINTS,
    seismic_gravity: str = "",
    predicted: Mapping[str, NDArray] | None = None,
) -> list[Constraint]:
    """Return what is known of stars and must hold for a model's predictions.

    Parameters
    ----------
    model : Predictor
        Trained on the scale that the labels are to be compared with.
    stars : Stars
        With the metallicity of the model. What they don't have gives no constraint: K, A_K and PARALLAX; EVSTATE, 2 for
        the clump; masses with errors, by the name of the model's column; CLUSTER.
    names : sequence of str, default=LABEL_NAMES
        The labels.
    kinds : sequence of str
        Which ones, of "parallax", "clump", "seismic-logg", "mass" and "clusters".
    seismic_gravity : str, default=""
        Column of seismic log g; its error is in the column of that name and _ERR, else it is 0.01 dex.
    predicted : mapping of ndarray, optional
        What the model predicts for the stars (`predict_columns`), if it is known already.

    Returns
    -------
    constraints : list of Constraint
        Of those that at least one star gives; stars outside the labels that the model was trained on give none.
    """
    column, cuts = _columns_of(model, names), cuts_of(model.card)
    known = model.predict_columns(stars, out_of_fold=False) if predicted is None else predicted
    found: list[Constraint] = []
    has_distance, scales = "ABS_MAG" in known, scales_of(known)
    if "parallax" in kinds and has_distance:
        found.append(_parallax_constraint(column("ABS_MAG"), stars, cuts))
    if "clump" in kinds and has_distance and "EVSTATE" in stars and stars["EVSTATE"].dtype.kind in "if":
        found.append(clump_constraint(column("ABS_MAG"), stars["EVSTATE"] == _CLUMP))
    if "seismic-logg" in kinds and seismic_gravity:
        error = stars.floats(f"{seismic_gravity}_ERR")
        error = np.where(error > 0, error, _SEISMIC_ERROR)
        found.append(seismic_gravity_constraint(stars.floats(seismic_gravity), error))
    if "mass" in kinds:
        with_mass = [n for n in (mass_columns(scale)[0] for scale in scales) if n in stars and f"{n}_ERR" in stars]
        found += [mass_constraint(column(name), stars[name], stars[f"{name}_ERR"]) for name in with_mass[:1]]
    if "clusters" in kinds and "CLUSTER" in stars:
        found += _cluster_constraints(column, stars, known)
    labels = stars.labels[:, : len(names)]
    usable = ~bad_stars(stars) & np.isfinite(labels).all(axis=1)
    usable &= np.asarray(known.get("DISTANCE_SPACE", np.zeros(len(stars)))) < Space.OUTSIDE
    for constraint in found:
        constraint.value[~usable] = np.nan
        constraint.value[~np.isfinite(constraint.predict(labels))] = np.nan
    return [c for c in found if (np.isfinite(c.value) & np.isfinite(c.error)).any()]


def _parallax_constraint(abs_mag: Any, stars: Stars, cuts: TrainingCuts) -> Constraint:
    """Gaia's distances, or parallaxes, of stars that could be trained on: the same choice gives the same bias."""
    distance, error, source = reference_distances(stars, cuts)
    distance = np.where((source == "cluster") | ~(error < cuts.max_parallax_error), np.nan, distance)
    if "BAD_PARALLAX" in stars:
        distance[stars["BAD_PARALLAX"]] = np.nan
    return parallax_constraint(abs_mag, stars.floats("K"), stars.floats("A_K"), 1.0 / distance, error / distance)


def _cluster_constraints(column: Any, stars: Stars, known: Any) -> list[Constraint]:
    """One metallicity, distance and age for each cluster of three stars or more."""
    clusters, codes, counts = np.unique(stars["CLUSTER"], return_inverse=True, return_counts=True)
    members = np.where(counts[codes] >= _FEWEST_MEMBERS, clusters[codes], "")
    found = [cluster_metallicity_constraint(members)]
    if "ABS_MAG" in known:
        distance = cluster_distances(members)
        for inside, value in ((np.isfinite(distance), distance), (np.isnan(distance), None)):
            photometry = stars.floats("K"), stars.floats("A_K"), np.where(inside, members, "")
            found.append(cluster_distance_constraint(column("ABS_MAG"), *photometry, distance=value))
    ages = [age for _, age in map(mass_columns, scales_of(known)) if age in known]
    found += [cluster_age_constraint(column(age), members) for age in ages[:1]]
    return found


def check_scale(model: Predictor, stars: Stars, *, random_state: int = 0) -> ScaleShift | None:
    """Find out whether labels look as if they were on another scale than the model's.

    Compared are M_K and the parallaxes, M_K of the red clump (EVSTATE 2) and, if the model has its training space, the
    distribution of each label given the others, of stars inside that space.

    Parameters
    ----------
    model : Predictor
        A `skdistmass.DistMassModel`, an `skdistmass.deploy.OnnxPredictor` or any other.
    stars : Stars
        Labels, and K, A_K and PARALLAX with its error.
    random_state : int, default=0
        Of more than 3,000 stars, as many are drawn.

    Returns
    -------
    shift : ScaleShift or None
        None if no shift is significant, or fewer than 50 stars can tell.
    """
    stars = stars.with_metallicity(model.card.get("metallicity", "M_H"))
    names = choose_labels(stars)
    predicted = model.predict_columns(stars, out_of_fold=False)
    if "ABS_MAG" not in predicted:
        return None
    known = np.isfinite(stars.labels[:, : len(names)]).all(axis=1) & ~bad_stars(stars)
    known &= np.asarray(predicted.get("DISTANCE_SPACE", np.zeros(len(stars)))) < Space.OUTSIDE
    known &= np.isfinite(stars.floats("K") - stars.floats("A_K"))
    rows = np.flatnonzero(known)
    if len(rows) < FEWEST_STARS:
        return None
    if len(rows) > MOST_STARS:
        rows = np.sort(np.random.default_rng(random_state).choice(rows, MOST_STARS, replace=False))
    chosen = stars[rows]
    of_chosen = {name: values[rows] for name, values in predicted.items()}
    constraints = model_constraints(model, chosen, names, kinds=("parallax", "clump"), predicted=of_chosen)
    if not constraints:
        return None
    trained = getattr(model, "distance_space_" if len(names) == len(LABEL_NAMES) else "fallback_space_", None)
    if trained is not None:
        labels = trained.density_.draw(MOST_STARS, random_state)
        constraints += label_distribution_constraints(labels, len(rows), names)
    column, scales = _columns_of(model, names), scales_of(predicted)
    mass, age = mass_columns(scales[0]) if scales else ("", "")
    return find_scale_shift(
        chosen.labels[:, : len(names)],
        constraints,
        names=names,
        abs_mag=column("ABS_MAG"),
        mass=column(mass) if mass in predicted else None,
        log_age=column(age) if age in predicted else None,
    )


def fit_to_model(
    model: Predictor,
    stars: Stars,
    *,
    kinds: Sequence[str] = CONSTRAINTS,
    seismic_gravity: str = "",
    form: str = "auto",
    random_state: int | None = None,
) -> ConstraintCalibration:
    """Calibrate labels to the scale of a model, without stars in common.

    Parameters
    ----------
    model : Predictor
        Trained on the target scale.
    stars : Stars
        With labels on the scale to be calibrated, and whatever gives constraints: see
        `skdistmass.model.model_constraints`.
    kinds, seismic_gravity
        As for `skdistmass.model.model_constraints`.
    form : {"auto", "constant", "linear", "smooth"}, default="auto"
        As for `ConstraintCalibration`.
    random_state : int, optional
        Of more than 5,000 stars that a constraint is about, as many are drawn.

    Returns
    -------
    calibration : ConstraintCalibration
        Its ``residuals_`` say how well each constraint held before and after.

    Raises
    ------
    InputError
        If the stars give no constraint.
    """
    stars = stars.with_metallicity(model.card.get("metallicity", "M_H"))
    names = choose_labels(stars)
    predicted = model.predict_columns(stars, out_of_fold=False)
    find = partial(model_constraints, model, names=names, kinds=kinds, seismic_gravity=seismic_gravity)
    constraints = find(stars, predicted=predicted)
    if not constraints:
        raise InputError(
            f"{stars.source or 'the table'} has nothing to compare with the model: it needs K, A_K and a parallax with "
            "its error, or EVSTATE, CLUSTER, the model's masses with errors, or a column of seismic log g."
        )
    known = np.any([np.isfinite(c.value) & np.isfinite(c.error) for c in constraints], axis=0)
    rows = np.flatnonzero(known)
    if len(rows) > _MOST_CALIBRATED:
        rows = np.sort(np.random.default_rng(random_state).choice(rows, _MOST_CALIBRATED, replace=False))
    constraints = find(stars[rows], predicted={name: values[rows] for name, values in predicted.items()})
    labels = {name: stars[name][rows] for name in names}
    return ConstraintCalibration(form=form, labels=names, random_state=random_state).fit(
        labels, constraints=constraints
    )
