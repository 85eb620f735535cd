"""The demonstration: a mock survey with known truth goes through training, prediction and catalogue."""

from pathlib import Path

import numpy as np

from skdistmass.datasets import make_survey
from skdistmass.estimators.abs_mag import AbsMagRegressor
from skdistmass.estimators.binaries import BinaryResidualFilter
from skdistmass.estimators.cn_mass import CNMassRegressor
from skdistmass.exceptions import DistMassError
from skdistmass.model import DistMassModel
from skdistmass.uncertainty import robust_scatter

__all__ = ["demo_figures", "run_demo", "summarize"]

_BLUE, _ORANGE, _GREY = "#0072B2", "#D55E00", "0.55"


def run_demo(n_stars=8_000, random_state=0, progress=None):
    """Train on one half of a mock survey and predict the other."""
    stars = make_survey(n_stars, random_state=random_state)
    # All spectra of a star are on one side.
    number = np.unique(stars["APOGEE_ID"], return_inverse=True)[1]
    held_back = number % 2 == 0
    model = DistMassModel(
        AbsMagRegressor(n_networks=2, binary_filter=BinaryResidualFilter()),
        CNMassRegressor(n_networks=2),
        mass_scales={"": "MASS"},
        random_state=random_state,
    ).fit(stars[~held_back], progress=progress)
    survey = stars[held_back]
    return model, survey, model.predict(survey)


def summarize(model, survey, catalog):
    """Say in lines of text how prediction and truth compare for the stars held back."""
    usable = (catalog["DISTANCE_SPACE"] < 2) & ~survey["TRUE_BINARY"]
    single_giant = usable & (survey["TRUE_LOGG"] < 3.5)
    distance = np.asarray(catalog["DISTANCE"] / survey["TRUE_DISTANCE"]) - 1.0
    inside = (
        usable
        & (catalog["DISTANCE_LO"] <= survey["TRUE_DISTANCE"])
        & (survey["TRUE_DISTANCE"] <= catalog["DISTANCE_HI"])
    )
    believed = (catalog["MASS_SPACE"] < 2) & (survey["TRUE_LOGG"] < 3.5)
    mass = np.asarray(catalog["MASS"] / survey["TRUE_MASS"]) - 1.0
    age = np.asarray(catalog["AGE"]) - np.asarray(survey["TRUE_LOG_AGE"])
    aged = believed & np.isfinite(age)
    filtered = model.abs_mag_.n_binaries_
    return [
        f"trained on {model.abs_mag_.n_rows_} stars with parallaxes ({filtered} likely binaries left out) "
        f"and {model.accuracy_['MASS']['n_stars']} with seismic masses",
        f"distances of {np.count_nonzero(usable)} single stars held back: "
        f"scatter {robust_scatter(distance[usable]):.1%}, bias {np.nanmedian(distance[usable]):+.1%}; "
        f"giants {robust_scatter(distance[single_giant]):.1%}",
        f"the 68.3 % distance interval holds the truth for {np.count_nonzero(inside) / np.count_nonzero(usable):.1%}",
        f"masses of {np.count_nonzero(believed)} giants: scatter {robust_scatter(mass[believed]):.1%}, "
        f"bias {np.nanmedian(mass[believed]):+.1%}",
        f"ages of {np.count_nonzero(aged)} giants: scatter {robust_scatter(age[aged]):.3f} dex, "
        f"bias {np.nanmedian(age[aged]):+.3f} dex",
        f"{np.count_nonzero(catalog['MASS_SPACE'] >= 2)} of {len(catalog)} spectra lie outside the labels that the "
        "masses were trained on (bit of value 2)",
    ]


def demo_figures(survey, catalog):
    """Draw the Kiel diagram and prediction against truth."""
    return {"kiel": _kiel_diagram(catalog), "truth": _truth_figure(survey, catalog)}


def _kiel_diagram(catalog):
    from matplotlib.figure import Figure

    figure = Figure(figsize=(5.5, 4.6), layout="constrained")
    axes = figure.subplots()
    shown = np.isfinite(catalog["TEFF"]) & np.isfinite(catalog["LOGG"])
    outside = shown & (np.asarray(catalog["MASS_SPACE"]) >= 2)
    believed = shown & ~outside & np.isfinite(catalog["MASS"])
    axes.scatter(
        catalog["TEFF"][outside], catalog["LOGG"][outside], s=3, c=_GREY, linewidths=0, label="outside the mass model"
    )
    points = axes.scatter(
        catalog["TEFF"][believed],
        catalog["LOGG"][believed],
        s=5,
        c=catalog["MASS"][believed],
        cmap="viridis",
        vmin=0.8,
        vmax=2.5,
        linewidths=0,
    )
    figure.colorbar(points, ax=axes, label=r"predicted mass [M$_\odot$]", extend="both")
    axes.set(
        xlabel=r"$T_{\rm eff}$ [K]",
        ylabel=r"$\log g$ [dex, cgs]",
        xlim=(7200, 3400),
        ylim=(5.2, 0.0),
        title="Kiel diagram",
    )
    axes.legend(loc="upper left", markerscale=3, frameon=False)
    return figure


def _truth_figure(survey, catalog):
    from matplotlib.figure import Figure

    figure = Figure(figsize=(10.5, 3.6), layout="constrained")
    left, middle, right = figure.subplots(1, 3)
    near = np.asarray(catalog["DISTANCE_SPACE"]) < 2
    binary = np.asarray(survey["TRUE_BINARY"])
    for rows, color, label in ((near & ~binary, _BLUE, "single"), (near & binary, _ORANGE, "binary")):
        left.plot(
            survey["TRUE_DISTANCE"][rows], catalog["DISTANCE"][rows], ".", ms=2, color=color, alpha=0.5, label=label
        )
    left.set(xscale="log", yscale="log", xlim=(0.1, 20), ylim=(0.1, 20), title="Distance [kpc]")
    left.legend(loc="upper left", markerscale=5, frameon=False)
    giants = (np.asarray(catalog["MASS_SPACE"]) < 2) & (np.asarray(survey["TRUE_LOGG"]) < 3.5)
    middle.plot(survey["TRUE_MASS"][giants], catalog["MASS"][giants], ".", ms=2, color=_BLUE, alpha=0.5)
    middle.set(xlim=(0.6, 3.4), ylim=(0.6, 3.4), title=r"Mass of giants [M$_\odot$]")
    right.plot(survey["TRUE_LOG_AGE"][giants], catalog["AGE"][giants], ".", ms=2, color=_BLUE, alpha=0.5)
    right.set(xlim=(8.4, 10.4), ylim=(8.4, 10.4), title="Age of giants [log yr]")
    for axes in (left, middle, right):
        axes.set(xlabel="truth", ylabel="prediction")
        axes.plot(axes.get_xlim(), axes.get_xlim(), color="black", lw=0.8, scalex=False, scaley=False)
        axes.set_box_aspect(1)
    return figure


def write_demo(folder, model, survey, catalog):
    """Write survey, model, catalogue and figures into a folder."""
    from skdistmass.catalog import build_catalog

    folder = Path(folder)
    try:
        folder.mkdir(parents=True, exist_ok=True)
        paths = [folder / name for name in ("survey.fits", "demo.model", "catalog.fits")]
        survey.write(paths[0], overwrite=True)
        model.save(paths[1])
        build_catalog(model, paths[0], paths[2], overwrite=True)
        for name, figure in demo_figures(survey, catalog).items():
            paths.append(folder / f"{name}.png")
            figure.savefig(paths[-1], dpi=150)
    except OSError as error:
        raise DistMassError(f"{folder} can't be written: {error.strerror or error}.") from error
    return paths
